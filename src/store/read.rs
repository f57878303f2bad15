//! Reading the store: one pinned state, however many commits come meanwhile.

use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use super::alert_key::{alert_number, alert_queue, alert_range};
use super::error::{StoreError, db};
use super::key::{CacheKey, NodeKey};
use super::meta::{counter, folder_key, miid_key};
use super::records::Registration;
use super::stored::Stored;
use super::tables::{
    ALERTS, CACHE_KEY, CONTACTS, DEFAULTS, EXECS, INSTANCES, INTENTS, META, MOS, NODES, NOTIFICATIONS, PINS,
    PUSH, TRIGGERS, number,
};
use crate::base::said::SaidOf;
use crate::uri::Moid;
use crate::uri::ServerId;

/// The most records that are read one after the other before the tree is searched anew.
const CHEAPER_THAN_A_SEEK: usize = 32;

/// A snapshot: the store at one moment.
pub struct Snapshot {
    pub(super) transaction: ReadTransaction,
    odd: Arc<Odd>,
    nodes: ReadOnlyTable<&'static [u8], &'static [u8]>,
    /// Whether anything is stored of the object that each access asks for first.
    has_delegations: OnceLock<bool>,
    /// Whether something could not be read.
    failed: AtomicBool,
    /// A clone of the file's count of readers, which tells it that it is read.
    pub(super) reader: Option<Arc<()>>,
}

/// The records that could not be made sense of: each is logged once.
#[derive(Debug)]
pub(super) struct Odd(SaidOf<(&'static str, Vec<u8>)>);

impl Default for Odd {
    fn default() -> Self {
        Self(SaidOf::at_most(100))
    }
}

impl Odd {
    fn report(&self, table: &'static str, key: &[u8]) {
        if self.0.first((table, key.to_vec())) {
            let key = String::from_utf8_lossy(key);
            log::error!("store: the record of table {table} at {key:?} is damaged, and is ignored");
        }
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

/// A notification that was acted upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenNotification {
    /// The server that sent it.
    pub server_id: ServerId,
    /// NOTIFICATION-ID.
    pub id: u16,
    /// The time when it was acted upon, in seconds since 1970.
    pub time: u64,
}

/// A session that a notification asked for, and that is still to be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTrigger {
    /// The server that the session is with.
    pub server_id: ServerId,
    /// NOTIFICATION-ID.
    pub id: u16,
    /// The trigger's JSON.
    pub json: Vec<u8>,
}

/// The source of configuration for a MOID (TS 5.4.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultSource {
    /// The server that set it.
    pub server_id: ServerId,
    /// The ServerURI template.
    pub server_uri: String,
}

impl Snapshot {
    pub(super) fn of(transaction: ReadTransaction, odd: &Arc<Odd>) -> Result<Self, StoreError> {
        let nodes = transaction.open_table(NODES).map_err(db)?;
        Ok(Self {
            transaction,
            odd: Arc::clone(odd),
            nodes,
            has_delegations: OnceLock::new(),
            failed: AtomicBool::new(false),
            reader: None,
        })
    }

    /// Whether something could not be read: the next reader is better off with another one.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Turns an error of redb's into one of ours, and remembers that there was one.
    pub(super) fn noting<E: Into<redb::Error>>(&self) -> impl FnOnce(E) -> StoreError + '_ {
        |error| {
            self.failed.store(true, Ordering::Relaxed);
            db(error)
        }
    }

    /// The value that was read of a record; one that is not in the form that it should have is as if it were not there.
    pub(super) fn known<T>(&self, table: &'static str, key: &[u8], read: Option<T>) -> Option<T> {
        if read.is_none() {
            self.odd.report(table, key);
        }
        read
    }

    pub(super) fn transaction(&self) -> &ReadTransaction {
        &self.transaction
    }

    /// A stored node.
    ///
    /// # Errors
    /// The file can't be read, or the record is damaged.
    pub fn node(&self, key: &NodeKey) -> Result<Option<Stored>, StoreError> {
        let Some(record) = self.nodes.get(key.as_bytes()).map_err(self.noting())? else { return Ok(None) };
        Stored::decode(record.value()).map(Some).ok_or(StoreError::Damaged("nodes"))
    }

    /// The names of a node's stored children, in order, each once.
    ///
    /// # Errors
    /// The file can't be read, or a record is damaged.
    pub fn children(&self, key: &NodeKey) -> Result<Vec<String>, StoreError> {
        self.children_after(key, "", usize::MAX)
    }

    /// The first `most` names of a node's stored children that come after `after`; after the empty name, all do.
    ///
    /// # Errors
    /// The file can't be read, or a record is damaged.
    pub fn children_after(&self, key: &NodeKey, after: &str, most: usize) -> Result<Vec<String>, StoreError> {
        let (mut start, end) = key.below();
        let prefix = start.len();
        if !after.is_empty() {
            start.extend_from_slice(after.as_bytes());
            start.push(1);
        }
        let mut names: Vec<String> = Vec::new();
        'seek: loop {
            let mut passed_over = 0;
            for entry in self.nodes.range(start.as_slice()..end.as_slice()).map_err(self.noting())? {
                let (found, _) = entry.map_err(self.noting())?;
                let rest = found.value().get(prefix..).unwrap_or_default();
                let name = rest.split(|&byte| byte == 0).next().unwrap_or_default();
                if names.last().is_none_or(|last| last.as_bytes() != name) {
                    if names.len() == most {
                        return Ok(names);
                    }
                    let name = std::str::from_utf8(name).map_err(|_| StoreError::Damaged("nodes"))?;
                    names.push(name.to_owned());
                    passed_over = 0;
                    continue;
                }
                // What is below a child is passed over, and jumped over where it is much.
                passed_over += 1;
                if passed_over == CHEAPER_THAN_A_SEEK {
                    start.truncate(prefix);
                    start.extend_from_slice(name);
                    start.push(1);
                    continue 'seek;
                }
            }
            return Ok(names);
        }
    }

    /// Whether anything is stored at `key` or below it.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn exists(&self, key: &NodeKey) -> Result<bool, StoreError> {
        if self.nodes.get(key.as_bytes()).map_err(self.noting())?.is_some() {
            return Ok(true);
        }
        let (start, end) = key.below();
        let found =
            self.nodes.range(start.as_slice()..end.as_slice()).map_err(self.noting())?.next().is_some();
        Ok(found)
    }

    /// Whether anything is stored of the object that says who may do what, as [`Snapshot::exists`] says of its key, and
    /// asked of the file once for each state of it.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn has_delegations(&self, object: &NodeKey) -> Result<bool, StoreError> {
        if let Some(known) = self.has_delegations.get() {
            return Ok(*known);
        }
        let found = self.exists(object)?;
        Ok(*self.has_delegations.get_or_init(|| found))
    }

    /// The first definitive answer of a pinned node.
    ///
    /// # Errors
    /// The file can't be read, or the record is damaged.
    pub fn pin(&self, key: &NodeKey) -> Result<Option<Stored>, StoreError> {
        let pins = self.transaction.open_table(PINS).map_err(self.noting())?;
        let Some(record) = pins.get(key.as_bytes()).map_err(self.noting())? else { return Ok(None) };
        Ok(self.known("pins", key.as_bytes(), Stored::decode(record.value())))
    }

    /// The created instances of a MOID: MIID and creator.
    ///
    /// # Errors
    /// The file can't be read, or a record is damaged.
    pub fn instances(&self, moid: &Moid) -> Result<Vec<(String, String)>, StoreError> {
        let mut instances = Vec::new();
        self.each_instance(moid, &mut |miid, creator| {
            instances.push((miid.to_owned(), creator.to_owned()));
            true
        })?;
        Ok(instances)
    }

    /// Shows MIID and creator of the created instances of a MOID, one after the other, while `more` says to go on.
    ///
    /// # Errors
    /// The file can't be read, or a record is damaged.
    pub fn each_instance(
        &self,
        moid: &Moid,
        more: &mut dyn FnMut(&str, &str) -> bool,
    ) -> Result<(), StoreError> {
        let table = self.transaction.open_table(INSTANCES).map_err(self.noting())?;
        let start = NodeKey::instance(moid, "");
        let mut end = moid.as_bytes().to_vec();
        end.push(1);
        let prefix = start.as_bytes().len();
        for entry in table.range(start.as_bytes()..end.as_slice()).map_err(self.noting())? {
            let (key, creator) = entry.map_err(self.noting())?;
            let miid = key.value().get(prefix..).and_then(|miid| std::str::from_utf8(miid).ok());
            let read = miid.zip(std::str::from_utf8(creator.value()).ok());
            if let Some((miid, creator)) = self.known("instances", key.value(), read)
                && !more(miid, creator)
            {
                break;
            }
        }
        Ok(())
    }

    /// The creator of the instance with this MIID; none: nobody created it.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn creator(&self, moid: &Moid, miid: &str) -> Result<Option<String>, StoreError> {
        let table = self.transaction.open_table(INSTANCES).map_err(self.noting())?;
        let key = NodeKey::instance(moid, miid);
        let Some(creator) = table.get(key.as_bytes()).map_err(self.noting())? else { return Ok(None) };
        let creator = std::str::from_utf8(creator.value()).ok();
        Ok(self.known("instances", key.as_bytes(), creator.map(ToOwned::to_owned)))
    }

    /// The last MIID that was assigned to an instance of a MOID, whether that is still there or not.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn last_miid(&self, moid: &Moid) -> Result<Option<u64>, StoreError> {
        let table = self.transaction.open_table(META).map_err(self.noting())?;
        counter(&table, &miid_key(moid))
    }

    /// The records that take back the effects of changes which did not come to their end, in the order of the effects.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn intents(&self) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let table = self.transaction.open_table(INTENTS).map_err(self.noting())?;
        let mut intents = Vec::new();
        for entry in table.iter().map_err(self.noting())? {
            let (number, record) = entry.map_err(self.noting())?;
            if let Some(at) = self.known("intents", number.value(), super::tables::number(number.value())) {
                intents.push((at, record.value().to_vec()));
            }
        }
        Ok(intents)
    }

    /// All notifications that are remembered.
    ///
    /// # Errors
    /// The file can't be read, or a record is damaged.
    pub fn notifications(&self) -> Result<Vec<SeenNotification>, StoreError> {
        let table = self.transaction.open_table(NOTIFICATIONS).map_err(self.noting())?;
        let mut seen = Vec::new();
        for entry in table.iter().map_err(self.noting())? {
            let (key, time) = entry.map_err(self.noting())?;
            let read = split_notification(key.value()).zip(number(time.value()));
            if let Some(((server_id, id), time)) = self.known("notifications", key.value(), read) {
                seen.push(SeenNotification { server_id, id, time });
            }
        }
        Ok(seen)
    }

    /// The time when a session with the server last ended well (seconds since 1970).
    ///
    /// # Errors
    /// The file can't be read.
    pub fn contact(&self, server_id: &ServerId) -> Result<Option<u64>, StoreError> {
        let table = self.transaction.open_table(CONTACTS).map_err(self.noting())?;
        let Some(time) = table.get(server_id.as_bytes()).map_err(self.noting())? else { return Ok(None) };
        Ok(self.known("contacts", server_id.as_bytes(), number(time.value())))
    }

    /// The source that DEFAULT set for a MOID.
    ///
    /// # Errors
    /// The file can't be read, or the record is damaged.
    pub fn default_uri(&self, moid: &Moid) -> Result<Option<DefaultSource>, StoreError> {
        let table = self.transaction.open_table(DEFAULTS).map_err(self.noting())?;
        let Some(record) = table.get(moid.as_bytes()).map_err(self.noting())? else { return Ok(None) };
        let read = std::str::from_utf8(record.value()).ok().and_then(|record| record.split_once('\0'));
        let read = self.known("defaults", moid.as_bytes(), read);
        Ok(read.map(|(server_id, server_uri)| DefaultSource {
            server_id: server_id.into(),
            server_uri: server_uri.to_owned(),
        }))
    }

    /// The registrations that push clients want servers to be told, by server id (TS D.2.4).
    ///
    /// # Errors
    /// The file can't be read, or a record is damaged.
    pub fn push(&self) -> Result<Vec<(ServerId, Registration)>, StoreError> {
        let table = self.transaction.open_table(PUSH).map_err(self.noting())?;
        let mut all = Vec::new();
        for entry in table.iter().map_err(self.noting())? {
            let (server_id, record) = entry.map_err(self.noting())?;
            let read = std::str::from_utf8(server_id.value()).ok().zip(Registration::decode(record.value()));
            if let Some((server_id, registration)) = self.known("push", server_id.value(), read) {
                all.push((server_id.into(), registration));
            }
        }
        Ok(all)
    }

    /// The sessions that notifications asked for, and that are still to be held.
    ///
    /// # Errors
    /// The file can't be read, or a record is damaged.
    pub fn triggers(&self) -> Result<Vec<StoredTrigger>, StoreError> {
        let table = self.transaction.open_table(TRIGGERS).map_err(self.noting())?;
        let mut triggers = Vec::new();
        for entry in table.iter().map_err(self.noting())? {
            let (key, json) = entry.map_err(self.noting())?;
            if let Some((server_id, id)) =
                self.known("triggers", key.value(), split_notification(key.value()))
            {
                triggers.push(StoredTrigger { server_id, id, json: json.value().to_vec() });
            }
        }
        Ok(triggers)
    }

    /// The EXECs that wait, run, or whose end nobody was told, in the order they were commanded: number and JSON.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn execs(&self) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let table = self.transaction.open_table(EXECS).map_err(self.noting())?;
        let mut execs = Vec::new();
        for entry in table.iter().map_err(self.noting())? {
            let (number, json) = entry.map_err(self.noting())?;
            if let Some(at) = self.known("execs", number.value(), super::tables::number(number.value())) {
                execs.push((at, json.value().to_vec()));
            }
        }
        Ok(execs)
    }

    /// Shows the alerts that wait for a place to `each`, number and JSON, oldest first, for as long as it wants
    /// to see more.
    ///
    /// # Errors
    /// The file can't be read, or a record is damaged.
    pub fn alerts(&self, queue: &str, mut each: impl FnMut(u64, &[u8]) -> bool) -> Result<(), StoreError> {
        let table = self.transaction.open_table(ALERTS).map_err(self.noting())?;
        let (start, end) = alert_range(queue);
        for entry in table.range(start.as_slice()..=end.as_slice()).map_err(self.noting())? {
            let (key, json) = entry.map_err(self.noting())?;
            let number = self.known("alerts", key.value(), alert_number(key.value()));
            if number.is_some_and(|number| !each(number, json.value())) {
                break;
            }
        }
        Ok(())
    }

    /// The queues in which alerts wait, in order.
    ///
    /// # Errors
    /// The file can't be read, or a record is damaged.
    pub fn alert_queues(&self) -> Result<Vec<String>, StoreError> {
        let table = self.transaction.open_table(ALERTS).map_err(self.noting())?;
        let (mut queues, mut after) = (Vec::new(), Vec::new());
        // What waits for one is jumped over.
        while let Some(entry) =
            table.range::<&[u8]>((Excluded(after.as_slice()), Unbounded)).map_err(self.noting())?.next()
        {
            let (key, _) = entry.map_err(self.noting())?;
            after = match self.known("alerts", key.value(), alert_queue(key.value())) {
                Some(queue) => {
                    queues.push(queue.to_owned());
                    alert_range(queue).1
                }
                None => key.value().to_vec(),
            };
        }
        Ok(queues)
    }

    /// The key that cache validators are made with; none before the agent has made it.
    ///
    /// # Errors
    /// The file can't be read, or the record is damaged.
    pub fn cache_key(&self) -> Result<Option<CacheKey>, StoreError> {
        let table = self.transaction.open_table(CACHE_KEY).map_err(self.noting())?;
        let Some(key) = table.get([].as_slice()).map_err(self.noting())? else { return Ok(None) };
        Ok(self.known("cache", &[], key.value().try_into().ok()))
    }

    /// The MOIDs of the last MOS list that a server got, in its order.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn mos_sent(&self, server_id: &ServerId) -> Result<Vec<Moid>, StoreError> {
        let table = self.transaction.open_table(MOS).map_err(self.noting())?;
        let Some(list) = table.get(server_id.as_bytes()).map_err(self.noting())? else {
            return Ok(Vec::new());
        };
        let list = self.known("mos", server_id.as_bytes(), std::str::from_utf8(list.value()).ok());
        Ok(list.unwrap_or_default().lines().map(Moid::from).collect())
    }

    /// The state of a folder of accounts or management objects, as [`super::Change::Folder`] has it.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn folder(&self, folder: &str) -> Result<Option<u64>, StoreError> {
        let table = self.transaction.open_table(META).map_err(self.noting())?;
        counter(&table, &folder_key(folder))
    }

    /// The latest time known when it was last written (seconds since 1970).
    ///
    /// # Errors
    /// The file can't be read.
    pub fn clock(&self) -> Result<Option<u64>, StoreError> {
        let table = self.transaction.open_table(META).map_err(self.noting())?;
        counter(&table, "clock")
    }
}

fn split_notification(key: &[u8]) -> Option<(ServerId, u16)> {
    let (rest, id) = key.split_last_chunk()?;
    let server_id = std::str::from_utf8(rest.strip_suffix(&[0])?).ok()?;
    Some((server_id.into(), u16::from_be_bytes(*id)))
}
