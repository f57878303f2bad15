//! The store, which is what the agent remembers: one file, `store.redb` in the state folder, in which redb's database
//! is kept twice.
//!
//! [`records`] documents the layout, table by table; `schema` has its versions.
//!
//! # What is damaged
//!
//! redb panics on a damaged page. So the file has two copies of everything (`twin` says where), compared at each start,
//! as a whole, and at each read from the disk. Where they differ, or the agent died with the file open (it may have
//! died of what is in it), a process of its own (`reader`) has redb check each. A copy all of whose checksums are right
//! is what goes on: **nothing is lost** while no page is damaged in both, and neither while it is not the same pages of
//! up to five.
//!
//! | found | kept | told |
//! |---|---|---|
//! | pages damaged in one copy | all | one line, `.bad-N` |
//! | after a death with the file open: copies that differ, and are both whole | all that was committed | a line (info) |
//! | a header damaged in both, or in 0.1.0's one copy | all, but for the last commit if its slot is what is damaged; where both slots are, or the page is gone, nothing | one line, `.bad-N` |
//! | another page damaged in both, or in 0.1.0's one copy | the records that can still be read | one line, `.bad-N` |
//! | no time left: checks have 40 s, all reading 60 s | the records that were read until then | one line, `.bad-N` |
//! | no process to be had for the check, or it was killed | the file, as it is: the start fails | the error |
//!
//! The records that can still be read are those of all tables but what is on the damaged page or, where it leads to
//! others, below it: a table's root is all of that table, the page that lists the tables is all. Counters that are lost
//! with `meta` are derived from what is there: the next alert's number, the last MIIDs, the quota; only the clock, the
//! subscriber and numbers of instances that are gone are not. Intents are salvaged too, so a change that was cut short
//! is still taken back.
//!
//! # What can't be written is read
//!
//! Where the disk is full, or its file system read-only, redb can neither repair a file that was not closed nor go on
//! after a failed write. Then the best view of the file is opened in its place (`withheld`), whose writes stay in
//! memory: snapshots are there, commits fail with the disk's error. Each of them first tries to open the file again, at
//! most once in some seconds, or when there is more room than before; a line says when this begins, and when it is
//! over. Where there is room for commits, and none to bring the second copy in step, the file goes on with one; the first
//! commit that finds room makes the other again.
//!
//! A page that is damaged while the agent runs is noticed when it is read. The file is then looked at as at a start, by
//! who commits or else by a thread; [`Store::snapshot`] waits for that briefly, and fails until it is done.
//!
//! The damaged file is renamed to `store.redb.bad-N`, of which five are kept, and one line says so. A newer version's
//! file makes way as a whole, and so does a folder. A record that can be read and is not in the form that it should
//! have is passed over, with a line, and counts as not there.
//!
//! Numbers of tables and keys are big endian: what is sorted by bytes is sorted by number. Only within a value, and in
//! what `twin` adds around the database, they are little endian, as redb's own. Only the agent opens the file.
//! Everything that must hold together is one [`Store::commit`] of several [`Change`]s: one transaction, one sync. A
//! power cut at any moment leaves the state of the last commit.

mod account;
mod alarm;
mod alert_counts;
mod alert_key;
mod builder;
mod change;
mod commit_watch;
mod error;
#[cfg(test)]
mod faults;
mod file;
mod held_pins;
mod image;
mod key;
mod meta;
mod open;
mod read;
pub(crate) mod reader;
mod rebuild;
pub mod records;
mod schema;
mod size;
mod stored;
mod subscription;
mod tables;
mod twin;
mod withheld;

pub use account::AccountChange;
pub use alarm::AlarmKey;
pub use alert_counts::AlertCount;
pub(crate) use alert_key::SEPARATOR as QUEUE_SEPARATOR;
pub use change::{Change, FOLDER_EMPTIED, FOLDER_HELD};
pub use commit_watch::{Changed, CommitWatch};
pub use error::StoreError;
pub use key::{CacheKey, NodeKey};
pub use open::SetAside;
pub use read::{DefaultSource, SeenNotification, Snapshot, StoredTrigger};
pub use stored::Stored;
pub use subscription::{Digest, Subscription};

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::{ReadableDatabase, WriteTransaction};
use tokio::sync::Notify;

use alert_counts::CountChanges;
use error::db;
use file::{DatabaseFile, Pace};
use meta::{counter, set_counter};
use size::Size;
use tables::META;

use crate::base::AtomicU64;
use crate::uri::ServerId;

const FILE: &str = "store.redb";

/// The open store.
#[derive(Debug)]
pub struct Store {
    file: DatabaseFile,
    quota: AtomicU64,
    writer: tokio::sync::Mutex<()>,
    /// The lock that is held over a whole commit: what is counted beside the file is counted in the order of the
    /// commits.
    committing: Mutex<()>,
    roll_backs: AtomicUsize,
    accounts: Notify,
    commit_watches: commit_watch::CommitWatches,
    odd: Arc<read::Odd>,
    alert_counts: alert_counts::AlertCounts,
    held_pins: held_pins::HeldPins,
    /// The faults that a test gives the disk.
    #[cfg(test)]
    pub(crate) faults: faults::Faults,
}

/// A store that was opened, and the damaged one that had to make way for it.
#[derive(Debug)]
pub struct Opened {
    /// The open store.
    pub store: Arc<Store>,
    /// The damaged file that had to make way, if one had to.
    pub set_aside: Option<SetAside>,
}

impl Store {
    /// Opens the store in `folder`, or makes it. A file that is damaged, or that a newer version wrote, is renamed to
    /// `store.redb.bad-N` and a new one made of what can be salvaged: a gateway must come up.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another agent runs; the folder can't be written; the disk is full or read-only,
    /// which is no reason to give up what is in the file.
    pub fn open(folder: &Path) -> Result<Opened, StoreError> {
        let (file, set_aside) = DatabaseFile::open(&folder.join(FILE))?;
        let (quota, writer) = (AtomicU64::new(u64::MAX), tokio::sync::Mutex::default());
        let (accounts, commit_watches) = (Notify::new(), commit_watch::CommitWatches::default());
        let store = Self {
            file,
            quota,
            writer,
            committing: Mutex::default(),
            roll_backs: AtomicUsize::new(0),
            accounts,
            commit_watches,
            odd: Arc::default(),
            alert_counts: alert_counts::AlertCounts::default(),
            held_pins: held_pins::HeldPins::default(),
            #[cfg(test)]
            faults: faults::Faults::default(),
        };
        store.follow(CountChanges::default());
        Ok(Opened { store: Arc::new(store), set_aside })
    }

    /// Why the disk takes nothing now, from a write that it refused until one that it takes: with more room than then,
    /// or a minute after the last refusal.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        self.file.refused()
    }

    /// Sets the quota: how much the nodes that servers write may take, in bytes of their keys and values.
    pub fn set_quota(&self, bytes: u64) {
        self.quota.store(bytes, Ordering::Relaxed);
    }

    /// Waits until nobody else changes the tree, and keeps others from it until the guard goes.
    ///
    /// Two changes that were validated against the same state could each be right and together be wrong, and the
    /// second would take the first one's half-done files for what was there before. So changes go one after the
    /// other, outside effects included; whoever reads waits for nobody.
    pub async fn writer(&self) -> tokio::sync::MutexGuard<'_, ()> {
        // Who changes it has limits of its own, and a heart.
        crate::base::heartbeat::patiently(self.writer.lock()).await
    }

    /// How often it was asked, of the task that tries again and again to take back what unfinished changes have left
    /// behind, to begin its tries; none: there is no such task.
    pub fn roll_backs(&self) -> &AtomicUsize {
        &self.roll_backs
    }

    /// A snapshot of the store as it is now, unmoved by later commits. All who ask between two commits get the same
    /// one.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>, StoreError> {
        #[cfg(test)]
        self.faults.at_read()?;
        self.file.latest(|database| Snapshot::of(database.begin_read().map_err(db)?, &self.odd))
    }

    /// Keeps nothing for the next reader: for an agent at rest.
    pub fn rest(&self) {
        self.file.forget_latest();
    }

    /// Opens the file afresh, if nobody reads from it: what was made for its cache in the midst of large work keeps the
    /// heap from going back. For a caller that may block.
    pub fn renew(&self) {
        self.file.renew();
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
        #[cfg(test)]
        self.faults.at_commit()?;
        let _one_by_one = self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = self.file.write(|database| {
            let transaction = database.begin_write().map_err(db)?;
            let counted = self.apply(changes, &transaction)?;
            transaction.commit().map_err(db)?;
            Ok(counted)
        })?;
        self.follow(counted);
        if changes.iter().any(|change| matches!(change, Change::Account(_))) {
            self.accounts.notify_one();
        }
        self.commit_watches.report(changes);
        for change in changes {
            match change {
                Change::Pin(stored, _) => self.held_pins.let_go(|key| key == stored),
                Change::Remove(gone) | Change::RemoveInstance(gone) => {
                    self.held_pins.let_go(|key| key.is_at_or_below(gone));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Pins a node to its first definitive answer; returns which that is: another session may have been earlier. Where
    /// the disk does not take it, it is held in memory, and stored when the node is read next; why it is, is returned
    /// for the first of those that are held.
    pub async fn pin(self: &Arc<Self>, key: NodeKey, answer: Stored) -> (Stored, Option<StoreError>) {
        let first = self.held_pin(&key).unwrap_or(answer);
        if let Err(error) = self.commit(vec![Change::Pin(key.clone(), first.clone())]).await {
            let is_news = self.held_pins.hold(key.clone(), first.clone());
            return (self.held_pin(&key).unwrap_or(first), is_news.then_some(error));
        }
        let stored = self.snapshot().and_then(|snapshot| snapshot.pin(&key)).ok().flatten();
        (stored.unwrap_or(first), None)
    }

    /// The pin of a node that the disk did not take yet.
    pub fn held_pin(&self, key: &NodeKey) -> Option<Stored> {
        self.held_pins.get(key)
    }

    /// Applies all of `changes` in a transaction that is given up, so that it is known beforehand what would be in
    /// their way. Returns them for the commit.
    ///
    /// # Errors
    /// What [`Store::commit`] would fail with, except for what the disk has to say.
    pub async fn rehearse(self: &Arc<Self>, changes: Vec<Change>) -> Result<Vec<Change>, StoreError> {
        let store = Arc::clone(self);
        let rehearsed = tokio::task::spawn_blocking(move || {
            store.file.write(|database| {
                let transaction = database.begin_write().map_err(db)?;
                store.apply(&changes, &transaction)?;
                transaction.abort().map_err(db)
            })?;
            Ok(changes)
        });
        rehearsed.await.map_err(|_| StoreError::Cancelled)?
    }

    fn apply(&self, changes: &[Change], transaction: &WriteTransaction) -> Result<CountChanges, StoreError> {
        let mut size = Size::default();
        for change in changes {
            change.apply(transaction, &mut size)?;
        }
        let counted = std::mem::take(&mut size.alerts);
        if size == Size::default() {
            return Ok(counted);
        }
        let mut meta = transaction.open_table(META).map_err(db)?;
        let before = counter(&meta, "used")?.unwrap_or_default();
        let used = before.saturating_add(size.added).saturating_sub(size.removed);
        let quota = self.quota.load(Ordering::Relaxed);
        // Whoever makes room may, however much is still there.
        if used > quota && used > before {
            return Err(StoreError::Quota(quota));
        }
        set_counter(&mut meta, "used", used)?;
        Ok(counted)
    }

    /// Counts the alerts that a transaction brought and took. A file that was opened again may be another one: there
    /// they are counted anew.
    fn follow(&self, changes: CountChanges) {
        if !self.file.was_opened() {
            return self.alert_counts.follow(changes);
        }
        let count = |database: &redb::Database| CountChanges::of_all(&database.begin_read().map_err(db)?);
        match self.file.with(Pace::Patient, count) {
            Ok(all) => self.alert_counts.begin(all),
            // What can't be counted is not found either.
            Err(error) => log::warn!("queued alerts can't be counted in the store: {error}"),
        }
    }

    /// The number of alerts that wait for an account, wherever they are to go.
    pub fn waiting(&self, server_id: &ServerId) -> AlertCount {
        self.alert_counts.of(server_id)
    }

    /// Waits until accounts have changed since this was last asked. For one listener.
    pub async fn accounts_changed(&self) {
        self.accounts.notified().await;
    }

    /// Watches commits for one listener, as long as that keeps it.
    pub fn watch_commits(&self) -> Arc<CommitWatch> {
        self.commit_watches.add()
    }
}

#[cfg(test)]
mod tests;
