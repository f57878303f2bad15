//! Who asks, and in which session.

use std::sync::Arc;

use crate::bearer::ConnectionType;
use crate::config::Account;

/// Who asks, and in which session.
#[derive(Clone, Copy, Debug)]
pub struct Principal<'a> {
    /// The server's account.
    pub account: &'a Arc<Account>,
    /// The session.
    pub session: SessionFacts,
}

/// What the Session Information object tells of the running session (TS 11.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// What carries it; none: unknown.
    pub bearer: Option<ConnectionType>,
    /// Whether that roams; none: unknown.
    pub roaming: Option<bool>,
    /// Whether it is held at a foreign origin, or the package being executed leads to one (TS 5.4.8): what an account
    /// keeps between its own origins and the device does not go there.
    pub abroad: bool,
}

impl SessionFacts {
    /// `CBT` (TS 11.4).
    pub(super) fn cbt(self) -> u8 {
        self.bearer.map_or(0, |bearer| bearer as u8)
    }

    /// `Roaming` (TS 11.4).
    pub(super) fn roaming(self) -> u8 {
        match self.roaming {
            Some(false) => 0,
            Some(true) => 1,
            None => 2,
        }
    }
}
