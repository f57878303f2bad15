//! Who may do what with which instance (TS 11.3).

use super::delegation::maid_of;
use super::error::TreeError;
use super::node::NodeRef;
use super::registry::{Instance, Origin, Principal, Tree};
use super::state::State;
use crate::config::Account;
use crate::mo::ManagementObject;

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
    /// What the server may do with an instance. Look it up once for each, and from the state that is read.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn rights(
        &self,
        object: &ManagementObject,
        instance: &Instance,
        principal: &Principal<'_>,
        state: &State,
    ) -> Result<Rights, TreeError> {
        // Nobody lacks a right on it: what its DDF does not allow is 405 for every server alike.
        if object.moid == SESSION_INFO {
            return Ok(Rights::ALL.without(Rights::DELEGATE));
        }
        if let Origin::Delegation { moid } = &instance.origin {
            let delegates = self.delegates(moid, principal, state)?;
            // Which entries, and how, the delegation decides.
            return Ok(if delegates { Rights::READ.and(Rights::WRITE) } else { Rights::default() });
        }
        let Some(listed) = listed(principal.account, object) else { return Ok(Rights::default()) };
        match instance.origin {
            // Each server sees its own account only, and gives it to nobody.
            Origin::Account if instance.miid == principal.account.server_id => {
                let withheld = if principal.session.abroad { Rights::WRITE } else { Rights::default() };
                Ok(listed.without(Rights::DELEGATE.and(withheld)))
            }
            Origin::Account => Ok(Rights::default()),
            _ => self.granted(object, instance, principal.account, state),
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
        principal: &Principal<'_>,
        wanted: Rights,
        state: &State,
    ) -> Result<(), TreeError> {
        if self.instance(&node.object, node.miid(), state)?.as_ref() != Some(&*node.instance) {
            return Err(TreeError::NotFound(node.client_uri()));
        }
        if self.rights(&node.object, &node.instance, principal, state)?.allow(wanted) {
            Ok(())
        } else {
            Err(TreeError::Forbidden(node.client_uri()))
        }
    }

    /// Those of the instances that the server has any right on, one after the other: MOS, wildcards and x-names know no
    /// others.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn visible<'t>(
        &'t self,
        object: &'t ManagementObject,
        principal: &'t Principal<'_>,
        state: &'t State,
    ) -> Result<impl Iterator<Item = Result<(Instance, Rights), TreeError>> + 't, TreeError> {
        Ok(self.instances(object, state)?.into_iter().filter_map(move |instance| {
            match self.rights(object, &instance, principal, state) {
                Ok(rights) if rights.is_none() => None,
                Ok(rights) => Some(Ok((instance, rights))),
                Err(error) => Some(Err(error)),
            }
        }))
    }
}

impl Instance {
    /// Whether a server without rights on it must not learn that it is there.
    pub(super) fn is_private(&self) -> bool {
        matches!(self.origin, Origin::Account | Origin::Delegation { .. })
    }
}

impl Principal<'_> {
    /// Whether the server may know that the device has this management object: its bootstrap lists the MOID
    /// (TS 11.2 Permissions), or it is everybody's.
    #[must_use]
    pub fn sees(&self, object: &ManagementObject) -> bool {
        let is_everybodys = object.moid == SESSION_INFO || object.per_object;
        object.is_for(self.account.profile) && (is_everybodys || self.lists(object))
    }

    /// Whether the server's bootstrap lists the MOID. What is everybody's to read need not be listed, but it is in no MOS
    /// list then (TS 5.2.2).
    pub(super) fn lists(&self, object: &ManagementObject) -> bool {
        object.is_for(self.account.profile) && listed(self.account, object).is_some()
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
