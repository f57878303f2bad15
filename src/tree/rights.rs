//! What a server may do with an instance (TS 11.3 AccessRights), and what its account's file gives it.

use crate::config::Account;
use crate::mo::ManagementObject;
use crate::uri::Moid;

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

/// What an account lists that lists all objects.
static EVERY: Moid = Moid::fixed("*");

/// The rights that an account's `permissions` give on what the device brings; an entry that names the object, by an
/// alias too, wins over `*`. None if the account does not list it.
pub(super) fn listed(account: &Account, object: &ManagementObject) -> Option<Rights> {
    let exact = account.permissions.iter().find(|listed| object.answers_to(&listed.moid));
    exact.map_or_else(|| account.rights(&EVERY), |listed| Some(listed.rights)).map(Rights)
}
