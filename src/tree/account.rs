//! DM accounts as nodes: what their own servers read of them, and what they may write (TS 11.2).
//!
//! A write is kept beside the account's file, never in it: see [`crate::config::Changes`].

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::backend::Answer;
use crate::base::Secret;
use crate::config::{Account, Changes, Leaf, LeafError, StoredChange};
use crate::mo::Value;
use crate::mo::mapping::SourceKind;
use crate::store::{AccountChange, Change, Snapshot, Store, StoreError};
use crate::transport::Auth;

use super::error::TreeError;
use super::node::NodeRef;
use super::registry::Tree;

/// The change of a leaf of an account to the value that its server gives it.
///
/// # Errors
/// It is none that a server may change, or the value can't be one.
pub(super) fn change(tree: &Tree, node: &NodeRef, value: &Value) -> Result<Change, TreeError> {
    let not_allowed = |what| TreeError::NotAllowed { node: node.client_uri(), what };
    let account = tree.account_of(&node.instance);
    let account = account.ok_or_else(|| TreeError::NotFound(node.client_uri()))?;
    let leaf = leaf_of(node).ok_or_else(|| not_allowed("is not the server's to change"))?;
    let value = value.to_raw();
    leaf.check(account, &value).map_err(|error| match error {
        LeafError::Origin => not_allowed("would be of another origin than the account's own"),
        LeafError::Value(why) => TreeError::Invalid { node: node.client_uri(), why },
    })?;
    let change =
        StoredChange { leaf: leaf.name().to_owned(), over: account.hash(leaf), value: Secret::new(value) };
    Ok(Change::Account(AccountChange::Override { server_id: account.server_id.clone(), change }))
}

/// The account's leaf that the node's mapping names.
fn leaf_of(node: &NodeRef) -> Option<Leaf> {
    let name = node.mapping().get.iter().find_map(|source| match &source.from {
        SourceKind::Builtin(name) => name.strip_prefix("account."),
        _ => None,
    });
    changeable(name?)
}

/// The account's leaf that a builtin, less its `account.`, shows.
fn changeable(name: &str) -> Option<Leaf> {
    Some(match name {
        "Name" => Leaf::Name,
        "SrvURI" => Leaf::ServerUri,
        "AuthNoti.AuthType" => Leaf::NotificationType,
        "AuthNoti.AuthSecret" | "Auth.Noti.Secret" => Leaf::NotificationSecret,
        "Auth.Noti.Data" => Leaf::NotificationData,
        "Push.GCM.SenderID" => Leaf::PushSender,
        "Push.GCM.RegURL" => Leaf::PushRegister,
        "Push.GCM.UnRegURL" => Leaf::PushUnregister,
        "Push.GCM.RegParams" => Leaf::PushParams,
        _ => return None,
    })
}

/// The value of the builtin `account.NAME` (TS 11.2, TS D.2.3) as it is now, whenever the session began.
pub(super) fn read(account: &Account, name: &str, store: &Store) -> Answer<String> {
    let value = match changeable(name) {
        Some(leaf) => match store.snapshot().and_then(|snapshot| changes(account, &snapshot)) {
            Ok(changes) => changes.value(account, leaf),
            Err(error) => return Answer::Unavailable(error.to_string()),
        },
        None => fixed(account, name),
    };
    let Some(value) = value else { return Answer::Absent(format!("the account has no {name}")) };
    // The approved text has bytes there, but for the address.
    let binary = name.starts_with("Auth.") && name != "Auth.Bootstrap.ServerURI";
    Answer::Value(if binary {
        BASE64_STANDARD.encode(value)
    } else {
        String::from_utf8_lossy(&value).into_owned()
    })
}

fn fixed(account: &Account, name: &str) -> Option<Vec<u8>> {
    match (name, &account.auth) {
        ("ServerID", _) => Some(account.server_id.as_bytes().to_vec()),
        ("Auth.Trsp.Data", Auth::Basic { user, .. } | Auth::Digest { user, .. }) => {
            Some(user.clone().into_bytes())
        }
        ("Auth.Trsp.Data", Auth::Certificate { cert_pem, .. }) => Some(cert_pem.clone()),
        ("Auth.Bootstrap.ServerURI", _) => Some(account.bootstrap.as_ref()?.server_uri.clone().into_bytes()),
        ("Auth.Bootstrap.SecMode", _) => account.bootstrap.as_ref()?.sec_mode.clone(),
        _ => None,
    }
}

/// The changes that an account's server has made in it.
pub(crate) fn changes(account: &Account, snapshot: &Snapshot) -> Result<Changes, StoreError> {
    Ok(Changes::to(account, snapshot.overrides(&account.server_id)?))
}

/// The account with the changes of its server: what sessions and notifications go by.
///
/// # Errors
/// The store failed.
pub fn as_changed(account: &Arc<Account>, snapshot: &Snapshot) -> Result<Arc<Account>, StoreError> {
    let changed = changes(account, snapshot)?.applied(account);
    Ok(if changed == **account { Arc::clone(account) } else { Arc::new(changed) })
}
