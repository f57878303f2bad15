//! What the agent remembers: one redb file, `store.redb` in the state folder.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `schema`, `clock`, `used` (bytes in `nodes`), `alerts` (the next number), `miid ` MOID (the last one assigned), `folder ` path (it has held something), `subscriber`… | u64 |
//! | `nodes` | MOID `\0` MIID (`\0` name)… | a tag byte and the value: see [`Stored`] |
//! | `instances` | MOID `\0` MIID | who created it, as a MAID (TS 11.3): `serverid:…` |
//! | `pins` | as `nodes` | the first definitive answer of a pinned node |
//! | `notifications` | server id `\0` id (u16, big endian) | when it came, seconds since 1970 |
//! | `contacts` | server id | when a session last ended well, seconds since 1970 |
//! | `defaults` | MOID | server id `\0` ServerURI (TS 5.4.10) |
//! | `push` | server id | `R` or `U`, the registration id, and where the server was told, joined by `\0` (TS D.2) |
//! | `cache` | empty | the key of cache validators (TS 12): 64 random bytes |
//! | `mos` | server id | the MOIDs of the last MOS list that the server got, a line each |
//! | `accounts` | server id | the account as a bootstrap brought it |
//! | `overrides` | server id `\0` leaf | a hash of the value it overrides, and the value that the server set |
//! | `intents` | number (u64) | what takes back an effect that a change in progress has on a file |
//! | `subscriptions` | server id `\0` ClientURI | see [`Subscription`] |
//! | `alerts` | place `\0` number (u64, big endian) | the alert as JSON |
//! | `execs` | number | an EXEC that waits, runs, or whose end nobody was told: JSON |
//! | `triggers` | as `notifications` | what a notification asks for, until its session has ended for good: JSON |
//!
//! Numbers are big endian. Only the agent opens the file. Everything that must hold together is one [`Store::commit`] of several
//! [`Change`]s: one transaction, one sync. A power cut at any moment leaves the state of the last commit.

mod account;
mod change;
mod file;
mod key;
mod news;
mod read;
mod stored;
mod subscription;

pub use account::AccountChange;
pub use change::Change;
pub use key::NodeKey;
pub use news::News;
pub use read::{SeenNotification, Snapshot};
pub use stored::Stored;
pub use subscription::{Digest, Subscription};

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::{ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};
use tokio::sync::Notify;

use change::Size;
use file::DatabaseFile;

/// The layout that this version writes; a larger number in the file comes from a newer agent.
const SCHEMA: u64 = 3;
const FILE: &str = "store.redb";

/// All tables hold bytes: for each pair of types, redb's trees would be in the program once more.
type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

const META: Bytes = TableDefinition::new("meta");
const NODES: Bytes = TableDefinition::new("nodes");
const INSTANCES: Bytes = TableDefinition::new("instances");
const PINS: Bytes = TableDefinition::new("pins");
const NOTIFICATIONS: Bytes = TableDefinition::new("notifications");
const CONTACTS: Bytes = TableDefinition::new("contacts");
const DEFAULTS: Bytes = TableDefinition::new("defaults");
const PUSH: Bytes = TableDefinition::new("push");
const ALERTS: Bytes = TableDefinition::new("alerts");
const INTENTS: Bytes = TableDefinition::new("intents");

const CACHE_KEY: Bytes = TableDefinition::new("cache");
const MOS: Bytes = TableDefinition::new("mos");

/// What cache validators are keyed with.
pub type CacheKey = [u8; 64];
const SUBSCRIPTIONS: Bytes = TableDefinition::new("subscriptions");

const EXECS: Bytes = TableDefinition::new("execs");
const TRIGGERS: Bytes = TableDefinition::new("triggers");
/// Why the store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// The folder or file can't be made or read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database reports an error.
    #[error("store: {0}")]
    Database(#[from] redb::Error),
    /// A record is not in the form that this version writes.
    #[error("store: a record of table {0} is damaged")]
    Damaged(&'static str),
    /// An instance of this name was made meanwhile.
    #[error("store: another session made an instance of the same name")]
    Taken,
    /// It would hold more than it may.
    #[error("store: more than the {0} bytes that store.quota allows")]
    Quota(u64),
    /// The task that ran the transaction was cancelled.
    #[error("store: the transaction was cancelled")]
    Cancelled,
}

impl StoreError {
    /// Whether there is no room left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let full = matches!(self.io_kind(), Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded));
        full || matches!(self, Self::Quota(_))
    }

    /// Whether it is the surroundings that are at fault, and not the file.
    fn may_pass(&self) -> bool {
        use io::ErrorKind::{OutOfMemory, PermissionDenied, ReadOnlyFilesystem};
        let kind = self.io_kind();
        self.is_full() || matches!(kind, Some(OutOfMemory | PermissionDenied | ReadOnlyFilesystem))
    }

    fn io_kind(&self) -> Option<io::ErrorKind> {
        if let Self::Database(redb::Error::Io(error)) = self { Some(error.kind()) } else { None }
    }
}

/// Turns redb's several error types into one.
fn db(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Database(error.into())
}

/// The open store.
#[derive(Debug)]
pub struct Store {
    file: DatabaseFile,
    quota: AtomicU64,
    writer: tokio::sync::Mutex<()>,
    settling: AtomicBool,
    accounts: Notify,
    desk: news::Desk,
}

/// Makes the file where there is none. It gets its name when it is whole: what a power cut leaves of a file that is
/// being made is no damaged store.
fn make_file(path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return Ok(());
    }
    let failed = |source| StoreError::File { path: path.to_path_buf(), source };
    let new = path.with_extension("redb.new");
    match Store::open_file(&new) {
        Ok(_) => {}
        Err(StoreError::Database(_) | StoreError::Damaged(_)) => {
            // The remains of an earlier attempt.
            std::fs::remove_file(&new).map_err(failed)?;
            Store::open_file(&new)?;
        }
        Err(error) => return Err(error),
    }
    // Never in place of one that another agent has made meanwhile; but not every file system has links.
    match std::fs::hard_link(&new, path) {
        Ok(()) => std::fs::remove_file(&new),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => std::fs::remove_file(&new),
        Err(_) => std::fs::rename(&new, path),
    }
    .map_err(failed)
}

/// Makes the tables that are not there yet.
fn make_tables(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(NODES).map_err(db)?;
    transaction.open_table(INSTANCES).map_err(db)?;
    transaction.open_table(PINS).map_err(db)?;
    transaction.open_table(NOTIFICATIONS).map_err(db)?;
    transaction.open_table(CONTACTS).map_err(db)?;
    transaction.open_table(DEFAULTS).map_err(db)?;
    transaction.open_table(PUSH).map_err(db)?;
    transaction.open_table(ALERTS).map_err(db)?;
    transaction.open_table(CACHE_KEY).map_err(db)?;
    transaction.open_table(MOS).map_err(db)?;
    transaction.open_table(INTENTS).map_err(db)?;
    account::prepare(transaction)?;
    transaction.open_table(SUBSCRIPTIONS).map_err(db)?;
    transaction.open_table(EXECS).map_err(db)?;
    transaction.open_table(TRIGGERS).map_err(db)?;
    Ok(())
}

/// A store that was opened, and the damaged one that had to make way for it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Arc<Store>,
    /// Where the old file is now and why it could not be used, if that was so.
    pub set_aside: Option<(PathBuf, String)>,
}

impl Store {
    /// Opens the store in `folder`, or makes it. A file that can't be read, or that a newer version wrote,
    /// is renamed to `store.redb.bad-N` and a new one made: a gateway must come up.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another agent runs; the folder can't be written; the disk is full or read-only,
    /// which is no reason to give up what is in the file.
    pub fn open(folder: &Path) -> Result<Opened, StoreError> {
        let path = folder.join(FILE);
        make_file(&path)?;
        match Self::open_file(&path) {
            Ok(store) => Ok(Opened { store: Arc::new(store), set_aside: None }),
            Err(error @ (StoreError::InUse(_) | StoreError::File { .. })) => Err(error),
            Err(error) if error.may_pass() => Err(error),
            Err(error) => {
                let aside = set_aside(&path)?;
                make_file(&path)?;
                let store = Arc::new(Self::open_file(&path)?);
                Ok(Opened { store, set_aside: Some((aside, error.to_string())) })
            }
        }
    }

    fn open_file(path: &Path) -> Result<Self, StoreError> {
        let file = DatabaseFile::open(path)?;
        let (quota, writer) = (AtomicU64::new(u64::MAX), tokio::sync::Mutex::default());
        let (accounts, desk) = (Notify::new(), news::Desk::default());
        let store = Self { file, quota, writer, settling: AtomicBool::new(false), accounts, desk };
        store.prepare()?;
        // A file that was made just now must be found after a power cut, whatever was committed to it.
        if let Some(folder) = path.parent() {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(|source| StoreError::File { path: folder.to_path_buf(), source })?;
        }
        Ok(store)
    }

    /// Checks the schema; makes the tables that are not there yet, so that a reader never meets a missing one.
    fn prepare(&self) -> Result<(), StoreError> {
        let known = self.file.with(|database| {
            let transaction = database.begin_read().map_err(db)?;
            match transaction.open_table(META) {
                Ok(meta) => counter(&meta, "schema"),
                Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(db(error)),
            }
        })?;
        match known {
            Some(SCHEMA) => return Ok(()),
            None => {}
            Some(_) => return Err(StoreError::Damaged("meta: the schema is of another version")),
        }
        self.file.with(|database| {
            let transaction = database.begin_write().map_err(db)?;
            set_counter(&mut transaction.open_table(META).map_err(db)?, "schema", SCHEMA)?;
            make_tables(&transaction)?;
            transaction.commit().map_err(db)
        })
    }

    /// Bounds what the nodes that servers write may take, in bytes of their keys and values.
    pub fn set_quota(&self, bytes: u64) {
        self.quota.store(bytes, Ordering::Relaxed);
    }

    /// Waits until nobody else changes the tree, and keeps others from it until the guard goes.
    ///
    /// Two changes that were validated against the same state could each be right and together be wrong, and the
    /// second would take the first one's half-done files for what was there before. So changes go one after the
    /// other, outside effects included; whoever reads waits for nobody.
    pub async fn writer(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.writer.lock().await
    }

    /// Whether somebody tries again and again to take back what changes have left behind.
    pub fn is_settling(&self) -> &AtomicBool {
        &self.settling
    }

    /// The state as it is now, unmoved by later commits.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.file.with(|database| Snapshot::of(database.begin_read().map_err(db)?))
    }

    /// Applies all of `changes` in one transaction, off the agent's thread; on return they are on flash.
    ///
    /// # Errors
    /// None of them was applied.
    pub async fn commit(self: &Arc<Self>, changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let store = Arc::clone(self);
        tokio::task::spawn_blocking(move || store.commit_blocking(&changes))
            .await
            .map_err(|_| StoreError::Cancelled)?
    }

    /// [`Store::commit`] for a caller that may block.
    ///
    /// # Errors
    /// None of the changes was applied.
    pub fn commit_blocking(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.file.with(|database| {
            let transaction = database.begin_write().map_err(db)?;
            self.apply(changes, &transaction)?;
            transaction.commit().map_err(db)
        })?;
        if changes.iter().any(|change| matches!(change, Change::Account(_))) {
            self.accounts.notify_one();
        }
        self.desk.report(changes);
        Ok(())
    }

    /// Whether all of `changes` could be applied: does that, and forgets it.
    ///
    /// # Errors
    /// What [`Store::commit`] would fail with, except for what the disk has to say.
    pub async fn rehearse(self: &Arc<Self>, changes: &[Change]) -> Result<(), StoreError> {
        let (store, changes) = (Arc::clone(self), changes.to_vec());
        let rehearsed = tokio::task::spawn_blocking(move || {
            store.file.with(|database| {
                let transaction = database.begin_write().map_err(db)?;
                store.apply(&changes, &transaction)?;
                transaction.abort().map_err(db)
            })
        });
        rehearsed.await.map_err(|_| StoreError::Cancelled)?
    }

    fn apply(&self, changes: &[Change], transaction: &WriteTransaction) -> Result<(), StoreError> {
        let mut size = Size::default();
        for change in changes {
            change.apply(transaction, &mut size)?;
        }
        if size == Size::default() {
            return Ok(());
        }
        let mut meta = transaction.open_table(META).map_err(db)?;
        let before = counter(&meta, "used")?.unwrap_or_default();
        let used = before.saturating_add(size.added).saturating_sub(size.removed);
        let quota = self.quota.load(Ordering::Relaxed);
        // Whoever makes room may, however much is still there.
        if used > quota && used > before {
            return Err(StoreError::Quota(quota));
        }
        set_counter(&mut meta, "used", used)
    }

    /// Waits until accounts have changed since this was last asked. For one listener.
    pub async fn accounts_changed(&self) {
        self.accounts.notified().await;
    }

    /// From now on [`Store::news`] tells of commits at or below these keys, and of no others.
    pub fn look_out_for(&self, keys: Vec<NodeKey>) {
        self.desk.look_out_for(keys);
    }

    /// Waits for a commit that changes a subscription, or what [`Store::look_out_for`] names. For one listener;
    /// what is committed while it does not listen is told the next time.
    pub async fn news(&self) -> News {
        self.desk.news().await
    }
}

/// A number of the table `meta`.
fn counter(
    meta: &impl ReadableTable<&'static [u8], &'static [u8]>,
    name: &str,
) -> Result<Option<u64>, StoreError> {
    let Some(record) = meta.get(name.as_bytes()).map_err(db)? else { return Ok(None) };
    number(record.value()).map(Some).ok_or(StoreError::Damaged("meta"))
}

fn set_counter(meta: &mut Table<'_, &[u8], &[u8]>, name: &str, value: u64) -> Result<(), StoreError> {
    meta.insert(name.as_bytes(), value.to_be_bytes().as_slice()).map_err(db)?;
    Ok(())
}

/// Numbers are big endian, so that the order of keys is theirs.
fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

fn text<'b>(bytes: &'b [u8], table: &'static str) -> Result<&'b str, StoreError> {
    std::str::from_utf8(bytes).map_err(|_| StoreError::Damaged(table))
}

fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let aside = (1..=u32::MAX)
        .map(|number| path.with_extension(format!("redb.bad-{number}")))
        .find(|candidate| !candidate.exists())
        .unwrap_or_else(|| path.with_extension("redb.bad"));
    std::fs::rename(path, &aside).map_err(|source| StoreError::File { path: path.to_path_buf(), source })?;
    Ok(aside)
}

#[cfg(test)]
mod tests;
