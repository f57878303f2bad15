//! The changes a transaction is made of.

use redb::{ReadableTable, WriteTransaction};

use super::account::{self, AccountChange};
use super::alarm::{self, AlarmKey};
use super::alert_key::{alert_key, alert_range};
use super::error::{StoreError, db};
use super::key::{CacheKey, NodeKey};
use super::meta::{counter, folder_key, miid_key, set_counter};
use super::records::{AlarmRecord, Registration};
use super::size::{Size, size};
use super::stored::Stored;
use super::subscription;
use super::subscription::Subscription;
use super::tables::{
    ALERTS, CACHE_KEY, CONTACTS, DEFAULTS, EXECS, INSTANCES, INTENTS, META, MOS, NODES, NOTIFICATIONS, PINS,
    PUSH, TRIGGERS,
};
use crate::uri::Moid;
use crate::uri::ServerId;

/// A change of the store. Several that must hold together go into one [`super::Store::commit`].
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A node is there with this value.
    Put(NodeKey, Stored),
    /// A node and all below it are gone.
    Remove(NodeKey),
    /// An instance exists, created by this MAID. [`StoreError::Taken`] if there is one already.
    AddInstance {
        /// The key of its root.
        instance: NodeKey,
        /// The creator's MAID, `serverid:…`.
        creator: String,
    },
    /// An instance and all in it are gone.
    RemoveInstance(NodeKey),
    /// A pinned node has had its first definitive answer; one that it has already stays.
    Pin(NodeKey, Stored),
    /// A notification was acted upon at `time` (seconds since 1970).
    Notification {
        /// The server id of the account.
        server_id: ServerId,
        /// NOTIFICATION-ID.
        id: u16,
        /// The time when it was acted upon.
        time: u64,
    },
    /// A notification of this server and id need no longer be remembered.
    ForgetNotification(ServerId, u16),
    /// A session with this server ended well at this time (seconds since 1970).
    Contact(ServerId, u64),
    /// DEFAULT: where configuration for a MOID comes from (TS 5.4.10).
    Default {
        /// The MOID.
        moid: Moid,
        /// The server that set it.
        server_id: ServerId,
        /// The ServerURI template.
        server_uri: String,
    },
    /// A push client wants a server to be told this registration, or it was told (TS D.2.4).
    Push(ServerId, Registration),
    /// The session that a notification asks for is still to be held, or not at its end: the trigger's JSON.
    Trigger {
        /// The server id of the account.
        server_id: ServerId,
        /// NOTIFICATION-ID.
        id: u16,
        /// The trigger as JSON.
        json: Vec<u8>,
    },
    /// The session of a notification has come to its end.
    TriggerDone(ServerId, u16),
    /// An alert waits for a place: its JSON. It gets a number that none had before.
    Alert(String, Vec<u8>),
    /// The key that cache validators are made with is this; a key that is there already stays.
    CacheKey(CacheKey),
    /// A server got a MOS list of these MOIDs.
    MosSent(ServerId, Vec<Moid>),
    /// Alerts of a place need not wait any longer.
    AlertsSettled(String, Vec<u64>),
    /// The alerts that wait for this place are forgotten.
    AlertsForgotten(String),
    /// An EXEC that waits or runs is known as this JSON; in place of what was known before.
    Exec(u64, Vec<u8>),
    /// The end of an EXEC was told, or is about to be by an alert of the same transaction.
    ExecEnded(u64),
    /// Servers were told this of a leaf or an element by an alarm.
    Alarm(AlarmKey, AlarmRecord),
    /// What servers were told by an alarm need not be known any longer.
    AlarmForgotten(AlarmKey),
    /// The clock has shown this time (seconds since 1970): the latest that is known, which a clock that is not set is
    /// told by.
    Clock(u64),
    /// A folder of accounts or management objects is in this state: [`FOLDER_EMPTIED`], [`FOLDER_HELD`], or since when
    /// (seconds since 1970) it has been found empty.
    Folder(String, u64),
    /// A change begins whose effect on a file this record takes back, under a number of its own.
    Intent(u64, Vec<u8>),
    /// The effect of this number is there to stay, or was taken back.
    Settled(u64),
    /// DM accounts change like this.
    Account(AccountChange),
    /// A server's account is gone. All that waits for the server, what it was told and what it changed go with it; what
    /// it created is nobody's from now on: another server of that name must not inherit it.
    ServerForgotten(ServerId),
    /// A server has subscribed; in place of what it had for the same ClientURI.
    Subscribe(Subscription),
    /// The content at a subscription's ServerURI is known to be this, if the server still has the subscription.
    Delivered(Subscription),
    /// A server's subscription to a ClientURI is no more.
    Unsubscribe {
        /// The server.
        server_id: ServerId,
        /// The ClientURI as subscribed to.
        client_uri: String,
    },
}

/// The state of a folder whose content was removed from it.
pub const FOLDER_EMPTIED: u64 = 0;
/// The state of a folder that held something when it was last looked at.
pub const FOLDER_HELD: u64 = 1;

impl Change {
    pub(super) fn apply(&self, transaction: &WriteTransaction, growth: &mut Size) -> Result<(), StoreError> {
        match self {
            Self::Put(key, stored) => {
                let mut nodes = transaction.open_table(NODES).map_err(db)?;
                let record = stored.encode();
                growth.added += size(key.as_bytes(), &record);
                if let Some(old) = nodes.insert(key.as_bytes(), record.as_slice()).map_err(db)? {
                    growth.removed += size(key.as_bytes(), old.value());
                }
            }
            Self::Remove(key) => remove(transaction, key, growth)?,
            Self::AddInstance { instance, creator } => {
                let mut instances = transaction.open_table(INSTANCES).map_err(db)?;
                // Another session was faster: its instance is not ours to replace.
                if instances.insert(instance.as_bytes(), creator.as_bytes()).map_err(db)?.is_some() {
                    return Err(StoreError::Taken);
                }
                growth.added += size(instance.as_bytes(), creator.as_bytes());
                if let Some((moid, number)) = NodeKey::assigned(instance.as_bytes()) {
                    let mut meta = transaction.open_table(META).map_err(db)?;
                    let key = miid_key(&moid);
                    let last = counter(&meta, &key)?.unwrap_or_default();
                    set_counter(&mut meta, &key, last.max(number))?;
                }
            }
            Self::RemoveInstance(instance) => {
                remove(transaction, instance, growth)?;
                let mut instances = transaction.open_table(INSTANCES).map_err(db)?;
                if let Some(creator) = instances.remove(instance.as_bytes()).map_err(db)? {
                    growth.removed += size(instance.as_bytes(), creator.value());
                }
            }
            Self::Pin(key, stored) => {
                let mut pins = transaction.open_table(PINS).map_err(db)?;
                let known = pins.get(key.as_bytes()).map_err(db)?;
                let known = known.is_some_and(|record| Stored::decode(record.value()).is_some());
                if !known {
                    pins.insert(key.as_bytes(), stored.encode().as_slice()).map_err(db)?;
                }
            }
            Self::Notification { server_id, id, time } => {
                let key = notification_key(server_id, *id);
                let mut table = transaction.open_table(NOTIFICATIONS).map_err(db)?;
                table.insert(key.as_slice(), time.to_be_bytes().as_slice()).map_err(db)?;
            }
            Self::ForgetNotification(server_id, id) => {
                let mut table = transaction.open_table(NOTIFICATIONS).map_err(db)?;
                table.remove(notification_key(server_id, *id).as_slice()).map_err(db)?;
            }
            Self::Contact(server_id, time) => {
                let mut table = transaction.open_table(CONTACTS).map_err(db)?;
                table.insert(server_id.as_bytes(), time.to_be_bytes().as_slice()).map_err(db)?;
            }
            Self::Default { moid, server_id, server_uri } => {
                let mut table = transaction.open_table(DEFAULTS).map_err(db)?;
                table.insert(moid.as_bytes(), format!("{server_id}\0{server_uri}").as_bytes()).map_err(db)?;
            }
            Self::Push(server_id, registration) => {
                let mut table = transaction.open_table(PUSH).map_err(db)?;
                table.insert(server_id.as_bytes(), registration.encode().as_slice()).map_err(db)?;
            }
            Self::Trigger { server_id, id, json } => {
                let mut table = transaction.open_table(TRIGGERS).map_err(db)?;
                table.insert(notification_key(server_id, *id).as_slice(), json.as_slice()).map_err(db)?;
            }
            Self::TriggerDone(server_id, id) => {
                let mut table = transaction.open_table(TRIGGERS).map_err(db)?;
                table.remove(notification_key(server_id, *id).as_slice()).map_err(db)?;
            }
            Self::Alert(queue, json) => {
                let number = next_alert(transaction)?;
                let mut table = transaction.open_table(ALERTS).map_err(db)?;
                table.insert(alert_key(queue, number).as_slice(), json.as_slice()).map_err(db)?;
                growth.alerts.come(queue, json.len());
            }
            Self::AlertsSettled(queue, numbers) => {
                let mut table = transaction.open_table(ALERTS).map_err(db)?;
                for number in numbers {
                    if let Some(json) = table.remove(alert_key(queue, *number).as_slice()).map_err(db)? {
                        growth.alerts.go(queue, json.value().len());
                    }
                }
            }
            Self::AlertsForgotten(queue) => {
                let mut table = transaction.open_table(ALERTS).map_err(db)?;
                let (start, end) = alert_range(queue);
                let gone = |_: &[u8], json: &[u8]| {
                    growth.alerts.go(queue, json.len());
                    false
                };
                table.retain_in(start.as_slice()..=end.as_slice(), gone).map_err(db)?;
            }
            Self::CacheKey(key) => {
                let mut table = transaction.open_table(CACHE_KEY).map_err(db)?;
                let known = table.get([].as_slice()).map_err(db)?;
                let known = known.is_some_and(|record| record.value().len() == key.len());
                if !known {
                    table.insert([].as_slice(), key.as_slice()).map_err(db)?;
                }
            }
            Self::MosSent(server_id, moids) => {
                let mut table = transaction.open_table(MOS).map_err(db)?;
                let moids: Vec<&str> = moids.iter().map(Moid::as_str).collect();
                table.insert(server_id.as_bytes(), moids.join("\n").as_bytes()).map_err(db)?;
            }
            Self::Account(change) => change.apply(transaction, growth)?,
            Self::ServerForgotten(server_id) => account::forget_server(transaction, server_id, growth)?,
            Self::Exec(number, json) => {
                let mut table = transaction.open_table(EXECS).map_err(db)?;
                table.insert(number.to_be_bytes().as_slice(), json.as_slice()).map_err(db)?;
            }
            Self::ExecEnded(number) => {
                let mut table = transaction.open_table(EXECS).map_err(db)?;
                table.remove(number.to_be_bytes().as_slice()).map_err(db)?;
            }
            Self::Alarm(key, record) => alarm::put(transaction, key, record)?,
            Self::AlarmForgotten(key) => alarm::remove(transaction, key)?,
            Self::Clock(time) => {
                set_counter(&mut transaction.open_table(META).map_err(db)?, "clock", *time)?;
            }
            Self::Folder(path, known) => {
                set_counter(&mut transaction.open_table(META).map_err(db)?, &folder_key(path), *known)?;
            }
            Self::Intent(number, record) => {
                let mut intents = transaction.open_table(INTENTS).map_err(db)?;
                intents.insert(number.to_be_bytes().as_slice(), record.as_slice()).map_err(db)?;
            }
            Self::Settled(number) => {
                let mut intents = transaction.open_table(INTENTS).map_err(db)?;
                intents.remove(number.to_be_bytes().as_slice()).map_err(db)?;
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

fn remove(transaction: &WriteTransaction, key: &NodeKey, growth: &mut Size) -> Result<(), StoreError> {
    let (start, end) = key.below();
    let mut nodes = transaction.open_table(NODES).map_err(db)?;
    if let Some(old) = nodes.remove(key.as_bytes()).map_err(db)? {
        growth.removed += size(key.as_bytes(), old.value());
    }
    let gone = |key: &[u8], record: &[u8]| {
        growth.removed += size(key, record);
        false
    };
    nodes.retain_in(start.as_slice()..end.as_slice(), gone).map_err(db)?;
    let mut pins = transaction.open_table(PINS).map_err(db)?;
    pins.remove(key.as_bytes()).map_err(db)?;
    pins.retain_in(start.as_slice()..end.as_slice(), |_, _| false).map_err(db)?;
    Ok(())
}

/// The number of the next alert. Numbers are never used twice: what is settled late must not be another alert.
fn next_alert(transaction: &WriteTransaction) -> Result<u64, StoreError> {
    let mut meta = transaction.open_table(META).map_err(db)?;
    let next = counter(&meta, "alerts")?.unwrap_or_default();
    set_counter(&mut meta, "alerts", next.saturating_add(1))?;
    Ok(next)
}

fn notification_key(server_id: &ServerId, id: u16) -> Vec<u8> {
    let mut key = server_id.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(&id.to_be_bytes());
    key
}
