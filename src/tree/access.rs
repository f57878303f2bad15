//! Who may do what with which instance (TS 11.3).

use super::error::TreeError;
use super::registry::{Instance, Origin, Tree, Visitor};
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
    /// Everything: what a creator has.
    pub const ALL: Self = Self(15);

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
const SESSION_INFO: &str = "urn:oma:mo:oma-sessioninfomo:1.0";

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
        _snapshot: &Snapshot,
    ) -> Result<Rights, TreeError> {
        if object.moid == SESSION_INFO {
            return Ok(Rights::READ);
        }
        let Some(listed) = visitor.listed(object) else { return Ok(Rights::default()) };
        Ok(match &instance.origin {
            Origin::Device => listed,
            // Each server sees its own account only.
            Origin::Account if instance.miid == visitor.account.server_id => listed,
            Origin::Account => Rights::default(),
            Origin::Created { creator } if *creator == visitor.maid() => Rights::ALL,
            Origin::Created { .. } => Rights::default(),
        })
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
        self.origin == Origin::Account
    }
}

impl Visitor<'_> {
    /// Whether the server may know that the device has this management object: its bootstrap lists the MOID
    /// (TS 5.2.2, TS 11.2 Permissions).
    #[must_use]
    pub fn sees(&self, object: &ManagementObject) -> bool {
        self.speaks_of(object) && (object.moid == SESSION_INFO || self.listed(object).is_some())
    }

    /// Whether the management object is there for servers of this profile.
    pub(super) fn speaks_of(&self, object: &ManagementObject) -> bool {
        object.profile.is_none_or(|profile| profile == self.account.profile)
    }

    /// The server's Management Authority identifier (TS 11.3 MAID).
    #[must_use]
    pub(super) fn maid(&self) -> String {
        format!("serverid:{}", self.account.server_id)
    }

    /// The rights that `permissions` give; an entry that names the object, by an alias too, wins over `*`.
    fn listed(&self, object: &ManagementObject) -> Option<Rights> {
        let names = || std::iter::once(&object.moid).chain(&object.aliases);
        let exact = self.account.permissions.iter().find(|listed| names().any(|moid| *moid == listed.moid));
        exact.map_or_else(|| self.account.rights("*"), |listed| Some(listed.rights)).map(Rights)
    }
}
