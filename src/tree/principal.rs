//! Principals: who asks, and in which session.

use std::sync::Arc;

use crate::bearer::ConnectionType;
use crate::config::Account;

/// The principal of a command: who asks, and in which session.
#[derive(Clone, Copy, Debug)]
pub struct Principal<'a> {
    /// The server's account.
    pub account: &'a Arc<Account>,
    /// The facts of the session.
    pub session: SessionFacts,
}

/// The facts of the running session that the Session Information object tells (TS 11.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// The bearer of the session; none: unknown.
    pub bearer: Option<ConnectionType>,
    /// Whether that bearer roams; none: unknown.
    pub roaming: Option<bool>,
    /// Whether the session is held at a foreign origin, or the package being executed leads to one (TS 5.4.8): what an
    /// account keeps between its own origins and the device does not go there.
    pub abroad: bool,
    /// Whether no server asks, but the operator of this machine: he reads all instances, and no secret.
    pub is_operator: bool,
}

impl SessionFacts {
    /// The value of the leaf `CBT` (TS 11.4).
    pub(super) fn cbt(self) -> u8 {
        self.bearer.map_or(0, |bearer| bearer as u8)
    }

    /// The value of the leaf `Roaming` (TS 11.4).
    pub(super) fn roaming(self) -> u8 {
        match self.roaming {
            Some(false) => 0,
            Some(true) => 1,
            None => 2,
        }
    }
}
