//! Builtins of the agent itself: the session, and the DM accounts.

use std::sync::Arc;

use crate::backend::{Answer, Builtins};
use crate::config::Account;
use crate::store::Store;

use super::account;
use super::delegation;
use super::node::NodeRef;
use super::principal::SessionFacts;

/// The builtins of one instance within one session.
pub(super) struct BuiltinValues<'a> {
    pub(super) session: SessionFacts,
    /// The account that the instance stands for, in an object that has one instance for each.
    pub(super) account: Option<&'a Arc<Account>>,
    /// The store, which has what the account's server changed.
    pub(super) store: &'a Store,
    pub(super) node: &'a NodeRef,
}

impl Builtins for BuiltinValues<'_> {
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
