//! DM accounts in the store: those that a bootstrap brought (TS 8.2), and what servers changed in theirs.

use redb::{ReadableTable, WriteTransaction};

use super::alert_key::{account_of, alert_queue};
use super::error::{StoreError, db};
use super::meta::{counter, set_counter};
use super::read::Snapshot;
use super::records::ExecRecord;
use super::size::{Size, size};
use super::tables::{
    ACCOUNTS, ALERTS, CONTACTS, DEFAULTS, EXECS, INSTANCES, META, MOS, NODES, NOTIFICATIONS, OVERRIDES, PUSH,
    SUBSCRIPTIONS, TRIGGERS,
};
use crate::base::OrderedSet;
use crate::base::Secret;
use crate::config::StoredChange;
use crate::uri::ServerId;

/// The creator of an instance whose own creator is gone: no MAID reads like this.
const NOBODY: &[u8] = b"";

/// The keys of the entries of the Delegation Access Control object: the last name of each is the MAID it is about (TS
/// 11.3).
const DELEGATIONS: std::ops::Range<&[u8]> =
    b"urn:oma:mo:oma-dm-dmdac:1.0\0"..b"urn:oma:mo:oma-dm-dmdac:1.0\x01";

/// A change to accounts.
#[derive(Clone, Debug, PartialEq)]
pub enum AccountChange {
    /// A bootstrap brought this account; what its server changed in an earlier one of its name is gone.
    Brought {
        /// The server id of the account.
        server_id: ServerId,
        /// The whole account, as a record.
        record: Secret,
    },
    /// A bootstrap took this account away, and its server is forgotten: see [`super::Change::ServerForgotten`].
    Withdrawn(ServerId),
    /// The account's server changed a value.
    Override {
        /// The server id of the account.
        server_id: ServerId,
        /// The changed leaf and its value, and what it overrides.
        change: StoredChange,
    },
    /// The subscriber is this one: a salt, and a hash of the subscriber's identity with it.
    Subscriber {
        /// The random salt.
        salt: u64,
        /// The hash of the salt and the identity.
        tag: u64,
    },
}

impl AccountChange {
    pub(super) fn apply(&self, transaction: &WriteTransaction, growth: &mut Size) -> Result<(), StoreError> {
        match self {
            Self::Brought { server_id, record } => {
                forget_overrides(transaction, server_id)?;
                forget_contact(transaction, server_id)?;
                let mut accounts = transaction.open_table(ACCOUNTS).map_err(db)?;
                accounts.insert(server_id.as_bytes(), record.expose()).map_err(db)?;
            }
            Self::Withdrawn(server_id) => {
                transaction.open_table(ACCOUNTS).map_err(db)?.remove(server_id.as_bytes()).map_err(db)?;
                forget_server(transaction, server_id, growth)?;
            }
            Self::Override { server_id, change } => {
                let mut record = change.over.to_vec();
                record.extend_from_slice(change.value.expose());
                let mut overrides = transaction.open_table(OVERRIDES).map_err(db)?;
                let key = format!("{server_id}\0{}", change.leaf);
                overrides.insert(key.as_bytes(), record.as_slice()).map_err(db)?;
            }
            Self::Subscriber { salt, tag } => {
                let mut meta = transaction.open_table(META).map_err(db)?;
                set_counter(&mut meta, "subscriber-salt", *salt)?;
                set_counter(&mut meta, "subscriber", *tag)?;
            }
        }
        Ok(())
    }
}

/// The end of a range of keys that go on with a NUL.
const AFTER_NUL: char = '\u{1}';

/// The range of the keys that begin with `server_id` and the NUL after it.
fn range(server_id: &ServerId) -> (String, String) {
    (format!("{server_id}\0"), format!("{server_id}{AFTER_NUL}"))
}

fn forget_overrides(transaction: &WriteTransaction, server_id: &ServerId) -> Result<(), StoreError> {
    let mut overrides = transaction.open_table(OVERRIDES).map_err(db)?;
    let (start, end) = range(server_id);
    overrides.retain_in(start.as_bytes()..end.as_bytes(), |_, _| false).map_err(db)
}

/// Forgets what the server was told: it has yet to hear of the device.
fn forget_contact(transaction: &WriteTransaction, server_id: &ServerId) -> Result<(), StoreError> {
    transaction.open_table(CONTACTS).map_err(db)?.remove(server_id.as_bytes()).map_err(db)?;
    transaction.open_table(MOS).map_err(db)?.remove(server_id.as_bytes()).map_err(db)?;
    Ok(())
}

/// Forgets a server in all tables, its account as a bootstrap brought it aside.
pub(super) fn forget_server(
    transaction: &WriteTransaction,
    server_id: &ServerId,
    growth: &mut Size,
) -> Result<(), StoreError> {
    forget_overrides(transaction, server_id)?;
    forget_contact(transaction, server_id)?;
    transaction.open_table(PUSH).map_err(db)?.remove(server_id.as_bytes()).map_err(db)?;
    let (start, end) = range(server_id);
    let mut notifications = transaction.open_table(NOTIFICATIONS).map_err(db)?;
    notifications.retain_in(start.as_bytes()..end.as_bytes(), |_, _| false).map_err(db)?;
    let mut triggers = transaction.open_table(TRIGGERS).map_err(db)?;
    triggers.retain_in(start.as_bytes()..end.as_bytes(), |_, _| false).map_err(db)?;
    let mut execs = transaction.open_table(EXECS).map_err(db)?;
    let own = |json: &[u8]| ExecRecord::from_json(json).is_some_and(|record| record.server_id == *server_id);
    execs.retain(|_, json| !own(json)).map_err(db)?;
    let mut subscriptions = transaction.open_table(SUBSCRIPTIONS).map_err(db)?;
    subscriptions.retain_in(start.as_bytes()..end.as_bytes(), |_, _| false).map_err(db)?;
    let mut defaults = transaction.open_table(DEFAULTS).map_err(db)?;
    defaults.retain(|_, set| !set.starts_with(start.as_bytes())).map_err(db)?;
    let mut alerts = transaction.open_table(ALERTS).map_err(db)?;
    // Those for a place that it named as well: its name comes first there.
    let own = |queue: &str| account_of(queue) == server_id.as_str();
    let stays = |key: &[u8], json: &[u8]| {
        let queue = alert_queue(key).filter(|queue| own(queue));
        queue.map(|queue| growth.alerts.go(queue, json.len())).is_none()
    };
    alerts.retain(stays).map_err(db)?;
    let creator = format!("serverid:{server_id}");
    let entry = format!("\0{creator}");
    let mut nodes = transaction.open_table(NODES).map_err(db)?;
    let stays = |key: &[u8], record: &[u8]| {
        let own = key.ends_with(entry.as_bytes());
        growth.removed += if own { size(key, record) } else { 0 };
        !own
    };
    nodes.retain_in(DELEGATIONS, stays).map_err(db)?;
    let mut instances = transaction.open_table(INSTANCES).map_err(db)?;
    let mut orphans = Vec::new();
    for entry in instances.iter().map_err(db)? {
        let (key, found) = entry.map_err(db)?;
        if found.value() == creator.as_bytes() {
            orphans.push(key.value().to_vec());
        }
    }
    for orphan in orphans {
        growth.removed += size(&orphan, creator.as_bytes());
        growth.added += size(&orphan, NOBODY);
        instances.insert(orphan.as_slice(), NOBODY).map_err(db)?;
    }
    Ok(())
}

impl Snapshot {
    /// The accounts that bootstraps brought: server id and record.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn brought(&self) -> Result<Vec<(ServerId, Secret)>, StoreError> {
        let table = self.transaction.open_table(ACCOUNTS).map_err(self.noting())?;
        let mut accounts = Vec::new();
        for entry in table.iter().map_err(self.noting())? {
            let (server_id, record) = entry.map_err(self.noting())?;
            let read = std::str::from_utf8(server_id.value()).ok();
            if let Some(server_id) = self.known("accounts", server_id.value(), read) {
                accounts.push((server_id.into(), Secret::new(record.value().to_vec())));
            }
        }
        Ok(accounts)
    }

    /// The servers that have heard of the device, that something waits for, or that is remembered of them.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn servers(&self) -> Result<OrderedSet<ServerId>, StoreError> {
        let mut servers = OrderedSet::new();
        for table in [CONTACTS, MOS, PUSH, OVERRIDES, NOTIFICATIONS, TRIGGERS, SUBSCRIPTIONS, ALERTS] {
            let table = self.transaction.open_table(table).map_err(self.noting())?;
            let mut from = Vec::new();
            // What else there is of one is jumped over.
            while let Some(entry) = table.range::<&[u8]>(from.as_slice()..).map_err(self.noting())?.next() {
                let (key, _) = entry.map_err(self.noting())?;
                // A NUL comes behind its name, or what stands before the URI of an alert's place.
                let name = key.value().split(|&byte| byte <= 1).next().unwrap_or_default();
                servers.extend(
                    std::str::from_utf8(name).ok().filter(|name| !name.is_empty()).map(ServerId::from),
                );
                from = [name, &[2]].concat();
            }
        }
        Ok(servers)
    }

    /// The changes that a server made in its account.
    ///
    /// # Errors
    /// The file can't be read, or a record is damaged.
    pub fn overrides(&self, server_id: &ServerId) -> Result<Vec<StoredChange>, StoreError> {
        let table = self.transaction.open_table(OVERRIDES).map_err(self.noting())?;
        let (start, end) = range(server_id);
        let mut changes = Vec::new();
        for entry in table.range(start.as_bytes()..end.as_bytes()).map_err(self.noting())? {
            let (key, record) = entry.map_err(self.noting())?;
            let leaf = std::str::from_utf8(key.value()).ok().and_then(|key| key.strip_prefix(&start));
            let read = leaf.zip(record.value().split_first_chunk());
            if let Some((leaf, (over, value))) = self.known("overrides", key.value(), read) {
                changes.push(StoredChange {
                    leaf: leaf.to_owned(),
                    over: *over,
                    value: Secret::new(value.to_vec()),
                });
            }
        }
        Ok(changes)
    }

    /// The subscriber that the device belonged to at its last bootstrap: salt and hash; none if that is not known.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn subscriber(&self) -> Result<Option<(u64, u64)>, StoreError> {
        let meta = self.transaction.open_table(META).map_err(self.noting())?;
        Ok(counter(&meta, "subscriber-salt")?.zip(counter(&meta, "subscriber")?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::Registration;
    use super::super::{Change, NodeKey, SeenNotification, Store, Stored, Subscription};
    use super::*;

    fn overridden(server_id: &str, leaf: &str) -> Change {
        let change = StoredChange { leaf: leaf.into(), over: [7; 32], value: Secret::new(b"v".to_vec()) };
        Change::Account(AccountChange::Override { server_id: server_id.into(), change })
    }

    fn brought(server_id: &str, record: &str) -> Change {
        let record = Secret::new(record.as_bytes().to_vec());
        Change::Account(AccountChange::Brought { server_id: server_id.into(), record })
    }

    fn store() -> (tempfile::TempDir, std::sync::Arc<Store>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        (folder, store)
    }

    #[test]
    fn an_account_that_comes_again_is_replaced_whole() {
        let (_folder, store) = store();
        let contact = Change::Contact("a".into(), 1);
        store
            .commit_blocking(&[brought("a", "1"), contact, overridden("a", "name"), overridden("ab", "name")])
            .unwrap();
        assert_eq!(store.snapshot().unwrap().overrides(&"a".into()).unwrap().len(), 1);
        store.commit_blocking(&[brought("a", "2")]).unwrap();
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.brought().unwrap(), [("a".into(), Secret::new(b"2".to_vec()))]);
        assert_eq!(
            (snapshot.overrides(&"a".into()).unwrap().len(), snapshot.contact(&"a".into()).unwrap()),
            (0, None)
        );
        assert_eq!(snapshot.overrides(&"ab".into()).unwrap().len(), 1, "a longer name is another's");
    }

    fn exec(server_id: &str) -> Vec<u8> {
        format!(r#"{{"server_id":"{server_id}","client_uri":"u","alert_type":"t"}}"#).into_bytes()
    }

    #[test]
    fn what_a_server_had_is_inherited_by_nobody_whoever_took_its_account_away() {
        let withdrawn = |server_id| Change::Account(AccountChange::Withdrawn(server_id));
        forgets(&withdrawn, 1);
        forgets(&Change::ServerForgotten, 2);
    }

    fn forgets(how: &dyn Fn(ServerId) -> Change, brought_left: usize) {
        let (_folder, store) = store();
        let instance = |miid: &str| NodeKey::instance(&"urn:m".into(), miid);
        let granted = |server_id: &str| {
            NodeKey::node(&"urn:oma:mo:oma-dm-dmdac:1.0".into(), "m", ["1", &format!("serverid:{server_id}")])
        };
        let of = |server_id: &str| {
            vec![
                brought(server_id, "1"),
                overridden(server_id, "name"),
                Change::Contact(server_id.into(), 1),
                Change::Notification { server_id: server_id.into(), id: 1, time: 1 },
                Change::Default {
                    moid: format!("urn:{server_id}").into(),
                    server_id: server_id.into(),
                    server_uri: "https://x".into(),
                },
                Change::MosSent(server_id.into(), vec!["urn:m".into()]),
                Change::Push(server_id.into(), Registration { register: true, id: "id".into(), told: None }),
                Change::Exec(if server_id == "a" { 1 } else { 2 }, exec(server_id)),
                Change::Alert(server_id.into(), b"{}".to_vec()),
                Change::Alert(format!("{server_id}\u{1}https://x"), b"{}".to_vec()),
                Change::Put(granted(server_id), Stored::Interior),
                Change::Trigger { server_id: server_id.into(), id: 1, json: b"{}".to_vec() },
                Change::Subscribe(Subscription {
                    server_id: server_id.into(),
                    client_uri: "urn:m/1/".into(),
                    server_uri: "https://x".into(),
                    delivered: None,
                }),
                Change::AddInstance {
                    instance: instance(server_id),
                    creator: format!("serverid:{server_id}"),
                },
            ]
        };
        let changes: Vec<Change> = ["a", "ab"].into_iter().flat_map(of).collect();
        store.commit_blocking(&changes).unwrap();
        assert_eq!(store.snapshot().unwrap().servers().unwrap(), ["a".into(), "ab".into()].into());
        store.commit_blocking(&[how("a".into())]).unwrap();
        let left = store.snapshot().unwrap();
        assert_eq!(left.brought().unwrap().len(), brought_left);
        assert_eq!(left.servers().unwrap(), ["ab".into()].into());
        assert_eq!(left.execs().unwrap(), [(2, exec("ab"))]);
        assert!(left.mos_sent(&"a".into()).unwrap().is_empty());
        assert_eq!(left.mos_sent(&"ab".into()).unwrap().len(), 1);
        assert_eq!(left.push().unwrap().len(), 1);
        assert_eq!(left.overrides(&"a".into()).unwrap(), []);
        assert_eq!(left.contact(&"a".into()).unwrap(), None);
        assert_eq!(left.default_uri(&"urn:a".into()).unwrap(), None);
        assert_eq!(left.alert_queues().unwrap(), ["ab", "ab\u{1}https://x"]);
        assert!(!left.exists(&granted("a")).unwrap() && left.exists(&granted("ab")).unwrap());
        assert_eq!(left.subscriptions().unwrap().len(), 1);
        assert_eq!(left.triggers().unwrap().len(), 1);
        assert_eq!(
            left.notifications().unwrap(),
            [SeenNotification { server_id: "ab".into(), id: 1, time: 1 }]
        );
        let instances = [("a".to_owned(), String::new()), ("ab".to_owned(), "serverid:ab".to_owned())];
        assert_eq!(left.instances(&"urn:m".into()).unwrap(), instances);
        assert!(
            left.default_uri(&"urn:ab".into()).unwrap().is_some()
                && left.contact(&"ab".into()).unwrap().is_some()
        );
    }

    #[test]
    fn the_subscriber_is_known_once_it_was_said() {
        let (_folder, store) = store();
        assert_eq!(store.snapshot().unwrap().subscriber().unwrap(), None);
        store.commit_blocking(&[Change::Account(AccountChange::Subscriber { salt: 1, tag: 2 })]).unwrap();
        assert_eq!(store.snapshot().unwrap().subscriber().unwrap(), Some((1, 2)));
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_a_changed_account_and_of_nothing_else() {
        let (_folder, store) = store();
        let heard = || async {
            tokio::time::timeout(std::time::Duration::from_millis(20), store.accounts_changed()).await.is_ok()
        };
        store.commit(vec![Change::Clock(1)]).await.unwrap();
        assert!(!heard().await);
        store.commit(vec![overridden("a", "name")]).await.unwrap();
        assert!(heard().await, "told even if nobody waited at the time");
        assert!(!heard().await);
    }
}
