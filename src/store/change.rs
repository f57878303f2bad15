//! The changes a transaction is made of.

use redb::{ReadableTable, WriteTransaction};

use super::{
    ALERTS, CONTACTS, DEFAULTS, INSTANCES, META, NODES, NOTIFICATIONS, NodeKey, PINS, PUSH, StoreError,
    Stored, Subscription, db, subscription,
};
use crate::push::bridge::Standing;

/// One change. Several that must hold together go into one [`super::Store::commit`].
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A node is there with this value.
    Put(NodeKey, Stored),
    /// A node and all below it are gone.
    Remove(NodeKey),
    /// An instance exists, created by this MAID. [`StoreError::Taken`] if there is one already.
    AddInstance {
        /// Its root's key.
        instance: NodeKey,
        /// `serverid:…`
        creator: String,
    },
    /// An instance and all in it are gone.
    RemoveInstance(NodeKey),
    /// A pinned node has had its first definitive answer; one that it has already stays.
    Pin(NodeKey, Stored),
    /// A notification was acted upon at `time` (seconds since 1970).
    Notification {
        /// Account.
        server_id: String,
        /// NOTIFICATION-ID.
        id: u16,
        /// When.
        time: u64,
    },
    /// A notification of this server and id need no longer be remembered.
    ForgetNotification(String, u16),
    /// A session with this server ended well at this time (seconds since 1970).
    Contact(String, u64),
    /// DEFAULT: where configuration for a MOID comes from (TS 5.4.10).
    Default {
        /// The MOID.
        moid: String,
        /// Who set it.
        server_id: String,
        /// The ServerURI template.
        server_uri: String,
    },
    /// What a push client wants a server to be told, and whether it was (TS D.2.4).
    Push(String, Standing),
    /// An alert waits for a server: its JSON.
    Alert(String, Vec<u8>),
    /// Alerts of a server up to and including this number were delivered.
    AlertsDelivered(String, u64),
    /// The latest time known (seconds since 1970).
    Clock(u64),
    /// A server has subscribed; in place of what it had for the same ClientURI.
    Subscribe(Subscription),
    /// What is at the ServerURI now, if the server still has this subscription.
    Delivered(Subscription),
    /// A server's subscription to a ClientURI is no more.
    Unsubscribe {
        /// The server.
        server_id: String,
        /// As subscribed to.
        client_uri: String,
    },
}

impl Change {
    pub(super) fn apply(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        match self {
            Self::Put(key, stored) => {
                let mut nodes = transaction.open_table(NODES).map_err(db)?;
                nodes.insert(key.as_bytes(), stored.encode().as_slice()).map_err(db)?;
            }
            Self::Remove(key) => remove(transaction, key)?,
            Self::AddInstance { instance, creator } => {
                let mut instances = transaction.open_table(INSTANCES).map_err(db)?;
                // Another session was faster: its instance is not ours to replace.
                if instances.insert(instance.as_bytes(), creator.as_str()).map_err(db)?.is_some() {
                    return Err(StoreError::Taken);
                }
            }
            Self::RemoveInstance(instance) => {
                remove(transaction, instance)?;
                transaction.open_table(INSTANCES).map_err(db)?.remove(instance.as_bytes()).map_err(db)?;
            }
            Self::Pin(key, stored) => {
                let mut pins = transaction.open_table(PINS).map_err(db)?;
                if pins.get(key.as_bytes()).map_err(db)?.is_none() {
                    pins.insert(key.as_bytes(), stored.encode().as_slice()).map_err(db)?;
                }
            }
            Self::Notification { server_id, id, time } => {
                let key = notification_key(server_id, *id);
                let mut table = transaction.open_table(NOTIFICATIONS).map_err(db)?;
                table.insert(key.as_slice(), *time).map_err(db)?;
            }
            Self::ForgetNotification(server_id, id) => {
                let mut table = transaction.open_table(NOTIFICATIONS).map_err(db)?;
                table.remove(notification_key(server_id, *id).as_slice()).map_err(db)?;
            }
            Self::Contact(server_id, time) => {
                let mut table = transaction.open_table(CONTACTS).map_err(db)?;
                table.insert(server_id.as_str(), *time).map_err(db)?;
            }
            Self::Default { moid, server_id, server_uri } => {
                let mut table = transaction.open_table(DEFAULTS).map_err(db)?;
                table.insert(moid.as_str(), format!("{server_id}\0{server_uri}").as_str()).map_err(db)?;
            }
            Self::Push(server_id, Standing { register, id, told }) => {
                let mut table = transaction.open_table(PUSH).map_err(db)?;
                let action = if *register { "R" } else { "U" };
                let record = format!("{action}\0{id}\0{}", told.as_deref().unwrap_or_default());
                table.insert(server_id.as_str(), record.as_str()).map_err(db)?;
            }
            Self::Alert(server_id, json) => {
                let mut table = transaction.open_table(ALERTS).map_err(db)?;
                let last = {
                    let (start, end) = alert_range(server_id, u64::MAX);
                    let mut range = table.range(start.as_slice()..=end.as_slice()).map_err(db)?;
                    range.next_back().transpose().map_err(db)?.and_then(|(key, _)| alert_number(key.value()))
                };
                let number = last.map_or(0, |last| last.saturating_add(1));
                table.insert(alert_key(server_id, number).as_slice(), json.as_slice()).map_err(db)?;
            }
            Self::AlertsDelivered(server_id, number) => {
                let mut table = transaction.open_table(ALERTS).map_err(db)?;
                let (start, end) = alert_range(server_id, *number);
                table.retain_in(start.as_slice()..=end.as_slice(), |_, _| false).map_err(db)?;
            }
            Self::Clock(time) => {
                transaction.open_table(META).map_err(db)?.insert("clock", *time).map_err(db)?;
            }
            Self::Subscribe(new) => subscription::put(transaction, new)?,
            Self::Delivered(delivered) => subscription::delivered(transaction, delivered)?,
            Self::Unsubscribe { server_id, client_uri } => {
                subscription::remove(transaction, server_id, client_uri)?;
            }
        }
        Ok(())
    }
}

fn remove(transaction: &WriteTransaction, key: &NodeKey) -> Result<(), StoreError> {
    let (start, end) = key.below();
    for table in [NODES, PINS] {
        let mut table = transaction.open_table(table).map_err(db)?;
        table.remove(key.as_bytes()).map_err(db)?;
        table.retain_in(start.as_slice()..end.as_slice(), |_, _| false).map_err(db)?;
    }
    Ok(())
}

fn notification_key(server_id: &str, id: u16) -> Vec<u8> {
    let mut key = server_id.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(&id.to_be_bytes());
    key
}

fn alert_key(server_id: &str, number: u64) -> Vec<u8> {
    let mut key = server_id.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

pub(super) fn alert_range(server_id: &str, last: u64) -> (Vec<u8>, Vec<u8>) {
    (alert_key(server_id, 0), alert_key(server_id, last))
}

pub(super) fn alert_queue(key: &[u8]) -> Option<&str> {
    let (queue, _) = key.split_last_chunk::<8>()?;
    std::str::from_utf8(queue.strip_suffix(&[0])?).ok()
}

pub(super) fn alert_number(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|number| u64::from_be_bytes(*number))
}
