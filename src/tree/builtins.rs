//! What the agent itself knows: the session, and the DM accounts.

use std::sync::Arc;

use crate::backend::{Answer, Builtins};
use crate::config::Account;
use crate::notification::ConnectionType;

use super::delegation;
use super::node::NodeRef;

/// What the Session Information object tells of the running session (TS 11.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// What carries it; none: unknown.
    pub bearer: Option<ConnectionType>,
    /// Whether that roams; none: unknown.
    pub roaming: Option<bool>,
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
    pub(super) node: &'a NodeRef,
}

impl Builtins for View<'_> {
    fn get(&self, name: &str) -> Answer<String> {
        let value = match (name, name.split_once('.')) {
            ("session-bearer", _) => Some(self.session.cbt().to_string()),
            ("session-roaming", _) => Some(self.session.roaming().to_string()),
            (_, Some(("account", leaf))) => self.account.and_then(|account| of_account(account, leaf)),
            (_, Some(("delegation", leaf))) => delegation::leaf(self.node, leaf),
            _ => None,
        };
        value.map_or_else(|| Answer::Absent(format!("nothing known of {name}")), Answer::Value)
    }
}

/// The DM Account object's leaves (TS 11.2, TS D.2.3).
fn of_account(account: &Account, leaf: &str) -> Option<String> {
    let push = account.push.as_ref();
    let noti = account.notification.as_ref();
    match leaf {
        "ServerID" => Some(account.server_id.clone()),
        "Name" => Some(account.name.clone()),
        "SrvURI" => Some(account.server_uri.clone()),
        "AuthNoti.AuthType" => noti.map(|_| "0".to_owned()),
        "AuthNoti.AuthSecret" => noti.map(|noti| String::from_utf8_lossy(noti.secret.expose()).into_owned()),
        "Push.GCM.SenderID" => push.map(|push| push.sender_id.clone()),
        "Push.GCM.RegURL" => push.map(|push| push.register_uri.clone()),
        "Push.GCM.UnRegURL" => push.map(|push| push.unregister_uri.clone()),
        "Push.GCM.RegParams" => push.and_then(|push| push.params.clone()),
        _ => None,
    }
}
