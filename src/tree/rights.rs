//! The rights of a server on an instance (TS 11.3 AccessRights), and what its account's file gives it.

use crate::config::Account;
use crate::mo::ManagementObject;
use crate::uri::Moid;

/// A set of rights: Read 1, Write 2, Execute 4, Delegate 8, added up (TS 11.3 AccessRights).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// The right to read: GET, HPUT, HPOST.
    pub const READ: Self = Self(1);
    /// The right to write: HGET, DELETE.
    pub const WRITE: Self = Self(2);
    /// The right to execute: EXEC.
    pub const EXECUTE: Self = Self(4);
    /// The right to delegate: HGET and DELETE of the entries that say who may do what.
    pub const DELEGATE: Self = Self(8);
    /// All rights, which a creator has.
    pub const ALL: Self = Self(15);

    /// The rights that the number stands for; none above 15.
    #[must_use]
    pub fn new(bits: u8) -> Option<Self> {
        (bits <= Self::ALL.0).then_some(Self(bits))
    }

    /// The number that stands for the rights.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The union of both sets.
    #[must_use]
    pub fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// The rights less `others`.
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

/// The MOID of the Session Information object, which every account sees without listing it: it tells of the session,
/// not of the device.
pub const SESSION_INFO: &str = "urn:oma:mo:oma-sessioninfomo:1.0";

/// The entry of an account that lists all objects.
static EVERY: Moid = Moid::fixed("*");

/// The rights that an account's `permissions` give on what the device brings; an entry that names the object, by an
/// alias too, wins over `*`. None if the account does not list it.
pub(super) fn listed(account: &Account, object: &ManagementObject) -> Option<Rights> {
    let exact = account.permissions.iter().find(|listed| object.answers_to(&listed.moid));
    exact.map_or_else(|| account.rights(&EVERY), |listed| Some(listed.rights)).map(Rights)
}
