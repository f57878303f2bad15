//! Who may do what with which instance (TS 11.3).

use super::delegation::maid_of;
use super::error::TreeError;
use super::node::NodeRef;
use super::registry::{Instance, Origin, Tree, Visitor};
use crate::config::Account;
use crate::mo::ManagementObject;
use crate::store::Snapshot;

/// Read 1, Write 2, Execute 4, Delegate 8, added up (TS 11.3 AccessRights).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// GET, HPUT, HPOST
    pub const READ: Self = Self(1);
    /// HGET, DELETE
    pub const WRITE: Self = Self(2);
    /// EXEC
    pub const EXECUTE: Self = Self(4);
    /// HGET and DELETE of the entries that say who may do what
    pub const DELEGATE: Self = Self(8);
    /// Everything: what a creator has.
    pub const ALL: Self = Self(15);

    /// Those that the number stands for; none above 15.
    #[must_use]
    pub fn new(bits: u8) -> Option<Self> {
        (bits <= Self::ALL.0).then_some(Self(bits))
    }

    /// The number that stands for them.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// These and those.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These less those.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether all of `wanted` is granted.
    #[must_use]
    pub fn allow(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// Whether nothing is granted.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Visible to every account without being listed: it tells of the session, not of the device.
pub const SESSION_INFO: &str = "urn:oma:mo:oma-sessioninfomo:1.0";

impl Tree {
    /// What the server may do with an instance. Look it up once for each, and from the snapshot that is read.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn rights(
        &self,
        object: &ManagementObject,
        instance: &Instance,
        visitor: &Visitor<'_>,
        snapshot: &Snapshot,
    ) -> Result<Rights, TreeError> {
        // Nobody lacks a right on it: what its DDF does not allow is 405 for every server alike.
        if object.moid == SESSION_INFO {
            return Ok(Rights::ALL.without(Rights::DELEGATE));
        }
        if let Origin::Delegation { moid } = &instance.origin {
            let delegates = self.delegates(moid, visitor, snapshot)?;
            // Which entries, and how, the delegation decides.
            return Ok(if delegates { Rights::READ.and(Rights::WRITE) } else { Rights::default() });
        }
        let Some(listed) = listed(visitor.account, object) else { return Ok(Rights::default()) };
        match instance.origin {
            // Each server sees its own account only, and gives it to nobody.
            Origin::Account if instance.miid == visitor.account.server_id => {
                Ok(listed.without(Rights::DELEGATE))
            }
            Origin::Account => Ok(Rights::default()),
            _ => self.granted(object, instance, visitor.account, snapshot),
        }
    }

    /// Whether the server may still do with the node's instance what takes `wanted` rights: much may have happened since it
    /// was resolved, while a repository took its time.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] where the instance has gone, or made way for another one; [`TreeError::Forbidden`].
    pub(super) fn authorise(
        &self,
        node: &NodeRef,
        visitor: &Visitor<'_>,
        wanted: Rights,
        snapshot: &Snapshot,
    ) -> Result<(), TreeError> {
        if !self.instances(&node.object, snapshot)?.contains(&node.instance) {
            return Err(TreeError::NotFound(node.client_uri()));
        }
        if self.rights(&node.object, &node.instance, visitor, snapshot)?.allow(wanted) {
            Ok(())
        } else {
            Err(TreeError::Forbidden(node.client_uri()))
        }
    }

    /// Those of the instances that the server has any right on: MOS, wildcards and x-names know no others.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn visible(
        &self,
        object: &ManagementObject,
        visitor: &Visitor<'_>,
        snapshot: &Snapshot,
    ) -> Result<Vec<(Instance, Rights)>, TreeError> {
        let mut visible = Vec::new();
        for instance in self.instances(object, snapshot)? {
            let rights = self.rights(object, &instance, visitor, snapshot)?;
            if !rights.is_none() {
                visible.push((instance, rights));
            }
        }
        Ok(visible)
    }
}

impl Instance {
    /// Whether a server without rights on it must not learn that it is there.
    pub(super) fn is_private(&self) -> bool {
        matches!(self.origin, Origin::Account | Origin::Delegation { .. })
    }
}

impl Visitor<'_> {
    /// Whether the server may know that the device has this management object: its bootstrap lists the MOID
    /// (TS 5.2.2, TS 11.2 Permissions).
    #[must_use]
    pub fn sees(&self, object: &ManagementObject) -> bool {
        let listed = || listed(self.account, object).is_some();
        self.speaks_of(object) && (object.moid == SESSION_INFO || object.per_object || listed())
    }

    /// Whether the management object is there for servers of this profile.
    pub(super) fn speaks_of(&self, object: &ManagementObject) -> bool {
        object.profile.is_none_or(|profile| profile == self.account.profile)
    }

    /// The server's Management Authority identifier (TS 11.3 MAID).
    #[must_use]
    pub(super) fn maid(&self) -> String {
        maid_of(self.account)
    }
}

/// The rights that an account's `permissions` give on what the device brings; an entry that names the object, by an
/// alias too, wins over `*`. None if the account does not list it.
pub(super) fn listed(account: &Account, object: &ManagementObject) -> Option<Rights> {
    let exact = account.permissions.iter().find(|listed| object.answers_to(&listed.moid));
    exact.map_or_else(|| account.rights("*"), |listed| Some(listed.rights)).map(Rights)
}
