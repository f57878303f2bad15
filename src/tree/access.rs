//! Who may do what with which instance (TS 11.3).

use super::registry::{Instance, Origin, Visitor};
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

impl Visitor<'_> {
    /// Whether the server may know that the device has this management object: its bootstrap lists the MOID
    /// (TS 5.2.2, TS 11.2 Permissions).
    #[must_use]
    pub fn sees(&self, object: &ManagementObject) -> bool {
        object.moid == SESSION_INFO || self.listed(object).is_some()
    }

    /// What the server may do with an instance.
    #[must_use]
    pub(super) fn rights(&self, object: &ManagementObject, instance: &Instance) -> Rights {
        if object.moid == SESSION_INFO {
            return Rights::READ;
        }
        let Some(listed) = self.listed(object) else { return Rights::default() };
        match &instance.origin {
            Origin::Device => listed,
            // Each server sees its own account only.
            Origin::Account if instance.miid == self.account.server_id => listed,
            Origin::Account => Rights::default(),
            Origin::Created { creator } if *creator == self.maid() => Rights::ALL,
            Origin::Created { .. } => Rights::default(),
        }
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
