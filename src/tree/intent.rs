//! What makes a write with effects on files and D-Bus properties whole: how to take each effect back is on disk before
//! the first begins.
//!
//! A write's life: validated → intent committed → effects, each verified → one transaction that stores the values and
//! settles the intent. Whoever dies before that transaction is on disk has changed nothing: the next start takes the
//! effects back, the latest first.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Machine, Undo, Undone};
use crate::journal::id;
use crate::store::{Change, Store, StoreError};

use super::error::TreeError;
use super::registry::Tree;

/// A file system or a service that does not answer does not keep the agent from starting.
const LONGEST_SETTLING: Duration = Duration::from_secs(10);
/// After a start, when what could not be settled is tried again for the first time.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// The longest time between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// An hour's worth, about.
const MOST_RETRIES: usize = 12;

/// The recorded undoing of one write.
pub(super) struct Intent {
    undos: Vec<(u64, Undo)>,
}

impl Intent {
    /// Records how to take a write back. Nothing is written where there is nothing to take back.
    pub(super) async fn record(store: &Arc<Store>, undos: Vec<Undo>) -> Result<Self, TreeError> {
        if undos.is_empty() {
            return Ok(Self { undos: Vec::new() });
        }
        let left = store.snapshot()?.intents()?;
        let first = left.last().map_or(0, |(number, _)| number.saturating_add(1));
        let undos: Vec<(u64, Undo)> = (first..).zip(undos).collect();
        let mut changes: Vec<Change> =
            undos.iter().map(|(number, undo)| Change::Intent(*number, undo.encode())).collect();
        // An earlier write could not be taken back; what this one makes of the same file counts from now on.
        let replaced = |record: &[u8]| {
            let old = Undo::decode(record);
            old.is_none_or(|old| undos.iter().any(|(_, undo)| undo.is_of_same(&old)))
        };
        changes.extend(
            left.iter().filter(|(_, record)| replaced(record)).map(|(number, _)| Change::Settled(*number)),
        );
        store.commit(changes).await?;
        Ok(Self { undos })
    }

    /// The changes that settle it: they belong into the transaction that stores the values.
    pub(super) fn settled(&self) -> impl Iterator<Item = Change> + '_ {
        self.undos.iter().map(|(number, _)| Change::Settled(*number))
    }

    /// Whether the transaction that settles it is on disk, whatever its commit said.
    pub(super) fn is_settled(&self, store: &Store) -> Result<bool, StoreError> {
        let Some((first, _)) = self.undos.first() else { return Ok(false) };
        Ok(store.snapshot()?.intents()?.iter().all(|(number, _)| number != first))
    }

    /// Takes the effects back, the latest first. What can't be taken back stays recorded for the next start.
    pub(super) async fn take_back(self, store: &Arc<Store>, machine: &Machine) {
        let mut settled = Vec::new();
        for (number, undo) in self.undos.into_iter().rev() {
            let place = undo.to_string();
            match undo.undo(machine).await {
                Ok(()) => settled.push(Change::Settled(number)),
                Err(error) => log::error!(
                    MESSAGE_ID = id::UNDO_FAILED, OMADM_PLACE = place.as_str();
                    "a change failed, and what it had done can't be taken back: {error}"
                ),
            }
        }
        if let Err(error) = store.commit(settled).await {
            log::error!("what was taken back is still recorded: {error}");
        }
    }
}

impl Tree {
    /// Takes back what a change had done to files and D-Bus properties when the agent was killed in the middle of it.
    /// Before anything is read or changed. True if nothing of it is left; what can't be taken back is worth another
    /// try later: a service may not be up yet.
    pub async fn recover(store: &Arc<Store>, machine: &Machine) -> bool {
        Self::settle(store, machine, log::Level::Error).await
    }

    /// Tries again what [`Tree::recover`] could not take back, each time after twice as long; then the next start does.
    pub async fn recover_later(store: Arc<Store>, machine: Machine) {
        let mut wait = FIRST_RETRY;
        for _ in 0..MOST_RETRIES {
            tokio::time::sleep(wait).await;
            if Self::settle(&store, &machine, log::Level::Debug).await {
                return;
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Failures are told at this level.
    async fn settle(store: &Arc<Store>, machine: &Machine, failure: log::Level) -> bool {
        // What is recorded while nobody writes, nobody will settle.
        let _writer = store.writer().await;
        let left = match store.snapshot().and_then(|snapshot| snapshot.intents()) {
            Ok(left) => left,
            Err(error) => {
                log::error!("changes that were cut short are not known: {error}");
                return true;
            }
        };
        let all = left.len();
        let mut settled = Vec::new();
        for (number, record) in left.into_iter().rev() {
            if settle(&record, machine, failure).await {
                settled.push(Change::Settled(number));
            }
        }
        let is_done = settled.len() == all;
        if let Err(error) = store.commit(settled).await {
            log::error!("what was taken back is still recorded: {error}");
        }
        is_done
    }
}

/// Whether an effect was settled for good.
async fn settle(record: &[u8], machine: &Machine, failure: log::Level) -> bool {
    let Some(undo) = Undo::decode(record) else {
        log::error!("a damaged record of a change that was cut short is given up");
        return true;
    };
    let place = undo.to_string();
    let why = match tokio::time::timeout(LONGEST_SETTLING, undo.settle(machine)).await {
        Ok(Ok(Undone::Restored)) => {
            log::info!(OMADM_PLACE = place.as_str(); "a change was cut short: {place} is as it was before");
            return true;
        }
        Ok(Ok(Undone::Foreign)) => {
            log::warn!(
                OMADM_PLACE = place.as_str();
                "a change was cut short, and {place} has been changed by somebody else since: it stays as it is"
            );
            return true;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("{place} does not answer"),
    };
    log::log!(
        failure, MESSAGE_ID = id::UNDO_FAILED, OMADM_PLACE = place.as_str();
        "a change was cut short, and what it had done can't be taken back: {why}"
    );
    false
}
