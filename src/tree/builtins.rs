//! What the agent itself knows: the session, and the DM accounts.

use std::sync::Arc;

use crate::backend::{Answer, Builtins};
use crate::bearer::ConnectionType;
use crate::config::Account;
use crate::store::Store;

use super::account;

use super::delegation;
use super::node::NodeRef;

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
    fn cbt(self) -> u8 {
        self.bearer.map_or(0, |bearer| bearer as u8)
    }

    fn roaming(self) -> u8 {
        match self.roaming {
            Some(false) => 0,
            Some(true) => 1,
            None => 2,
        }
    }
}

/// Builtins of one instance within one session.
pub(super) struct View<'a> {
    pub(super) session: SessionFacts,
    /// The account that the instance stands for, in an object that has one instance for each.
    pub(super) account: Option<&'a Arc<Account>>,
    /// Where what its server changed in it is.
    pub(super) store: &'a Store,
    pub(super) node: &'a NodeRef,
}

impl Builtins for View<'_> {
    fn get(&self, name: &str) -> Answer<String> {
        let value = match (name, name.split_once('.')) {
            ("session-bearer", _) => Some(self.session.cbt().to_string()),
            ("session-roaming", _) => Some(self.session.roaming().to_string()),
            (_, Some(("account", leaf))) => match self.account {
                Some(account) => return account::read(account, leaf, self.store),
                None => None,
            },
            (_, Some(("delegation", leaf))) => delegation::leaf(self.node, leaf),
            _ => None,
        };
        value.map_or_else(|| Answer::Absent(format!("nothing known of {name}")), Answer::Value)
    }
}
