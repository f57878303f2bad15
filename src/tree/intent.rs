//! The intent of a write, which makes it whole though it has effects on files and D-Bus properties: how to take each
//! effect back is on disk before the first begins.
//!
//! A write's life: validated → intent committed → effects, each verified → one transaction that stores the values and
//! settles the intent. Whoever dies before that transaction is on disk has changed nothing: the next start takes the
//! effects back, the latest first.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::backend::{self, Machine, Undo, Undone};
use crate::base;
use crate::base::journal::id;
use crate::store::{Change, Store, StoreError};

use super::error::TreeError;
use super::registry::Tree;

/// The longest time that rolling back one effect takes: a file system or a service that does not answer does not keep
/// the agent from starting. Longer than a service may take to tell something: who does not answer in time is then not
/// asked for each of its properties.
const LONGEST_ROLLBACK: Duration = Duration::from_secs(12);
/// The longest time that rolling back all effects takes: what has not begun by then is left for later.
const LONGEST_OF_ALL: Duration = Duration::from_secs(30);
/// The time from the agent's start to the first retry of what could not be rolled back.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// The longest time between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// The most retries after the last failure, an hour's worth, about.
const MOST_RETRIES: usize = 12;

/// The most records of the same files that are kept of writes that could not be taken back.
const MOST_REPLACED: usize = 64;

/// The recorded undoing of one write.
pub(super) struct Intent {
    /// The undos, one for each of the write's effects, by the number that it is recorded under.
    undos: Vec<(u64, Option<Undo>)>,
    /// The records of earlier writes that are of no account once this one has come to its end.
    replaced: Vec<(u64, Option<Undo>)>,
}

impl Intent {
    /// Records how to take a write back. Nothing is written where there is nothing to take back.
    pub(super) async fn record(store: &Arc<Store>, undos: Vec<Option<Undo>>) -> Result<Self, TreeError> {
        if undos.iter().all(Option::is_none) {
            return Ok(Self { undos: Vec::new(), replaced: Vec::new() });
        }
        let left = store.snapshot()?.intents()?;
        let first = left.last().map_or(0, |(number, _)| number.saturating_add(1));
        let undos: Vec<(u64, Option<Undo>)> = (first..).zip(undos).collect();
        let recorded =
            |(number, undo): &(u64, Option<Undo>)| Some(Change::Intent(*number, undo.as_ref()?.encode()));
        let mut changes: Vec<Change> = undos.iter().filter_map(recorded).collect();
        // An earlier write could not be taken back; once this one is done, what it makes of the same file counts. If it
        // is not, both are to be taken back.
        let is_replaced = |old: &Option<Undo>| {
            let is_of_same = |old| undos.iter().flat_map(|(_, undo)| undo).any(|undo| undo.is_of_same(old));
            old.as_ref().is_none_or(is_of_same)
        };
        let old = left.iter().map(|(number, record)| (*number, Undo::decode(record)));
        let mut replaced: Vec<(u64, Option<Undo>)> = old.filter(|(_, old)| is_replaced(old)).collect();
        if replaced.len() > MOST_REPLACED {
            changes.extend(replaced.drain(..).map(|(number, _)| Change::Settled(number)));
        }
        store.commit(changes).await?;
        Ok(Self { undos, replaced })
    }

    /// The undo of the write's effect at this position.
    pub(super) fn undo(&self, position: usize) -> Option<&Undo> {
        self.undos.get(position)?.1.as_ref()
    }

    /// Notes that the write's effect at this position has just happened: see [`Undo::note`]. Where it is the only one,
    /// nobody has time to come in between.
    pub(super) async fn note(&mut self, position: usize, machine: &Machine) {
        if self.undos.len() > 1
            && let Some((_, Some(undo))) = self.undos.get_mut(position)
        {
            undo.note(machine).await;
        }
    }

    /// Lets go of what was kept elsewhere to take the write back, which is final now.
    pub(super) fn forget(&self, machine: &Machine) {
        let all = self.undos.iter().chain(&self.replaced);
        let elsewhere = all.filter_map(|(_, undo)| undo.clone().filter(Undo::is_kept_elsewhere));
        let elsewhere: Vec<Undo> = elsewhere.collect();
        if elsewhere.is_empty() {
            return;
        }
        let machine = machine.clone();
        // The writer's guard is held: nobody waits for that.
        base::spawn(async move {
            for undo in elsewhere {
                backend::forget(&undo, &machine).await;
            }
        });
    }

    /// The changes that settle the intent: they belong into the transaction that stores the values.
    pub(super) fn settled(&self) -> impl Iterator<Item = Change> + '_ {
        self.undos.iter().chain(&self.replaced).map(|(number, _)| Change::Settled(*number))
    }

    /// Whether the transaction that settles the intent is on disk, whatever its commit said.
    pub(super) fn is_settled(&self, store: &Store) -> Result<bool, StoreError> {
        let Some((first, _)) = self.undos.iter().find(|(_, undo)| undo.is_some()) else { return Ok(false) };
        Ok(store.snapshot()?.intents()?.iter().all(|(number, _)| number != first))
    }

    /// Leaves the write as it is, as nobody can tell whether the transaction that settles it is on disk: what the store
    /// says once it can be read is what holds, and the effects of a write that is still recorded there are taken back.
    pub(super) fn leave(self, why: &StoreError, store: &Arc<Store>, machine: &Machine) {
        log::error!(
            "a change could not be stored, and the store can't be read either ({why}): what it has done is taken back later"
        );
        base::spawn(Tree::roll_back_later(Arc::clone(store), machine.clone()));
    }

    /// Takes back the effects that have `begun`, the latest first. What can't be taken back stays recorded, and is
    /// tried again later.
    pub(super) async fn take_back(self, begun: usize, store: &Arc<Store>, machine: &Machine) {
        let (mut settled, mut is_done, since) = (Vec::new(), true, Instant::now());
        for (position, (number, undo)) in self.undos.into_iter().enumerate().rev() {
            let Some(undo) = undo else { continue };
            if position >= begun {
                settled.push(Change::Settled(number));
                continue;
            }
            let place = undo.to_string();
            // The writer's guard is held: what hangs is left for later.
            if since.elapsed() >= LONGEST_OF_ALL {
                is_done = false;
                continue;
            }
            match undo.undo(machine).await {
                Ok(Undone::Restored) => settled.push(Change::Settled(number)),
                Ok(Undone::Foreign) => {
                    log::warn!(
                        OMADM_PLACE = place.as_str();
                        "a change failed, and {place} has been changed by somebody else since: it stays as it is"
                    );
                    settled.push(Change::Settled(number));
                }
                Ok(Undone::Impossible) => {
                    log::error!(
                        MESSAGE_ID = id::UNDO_FAILED, OMADM_PLACE = place.as_str();
                        "a change failed, and what it had done to {place} can't be taken back, as nobody knows what was there before: it stays"
                    );
                    settled.push(Change::Settled(number));
                }
                Err(error) => {
                    is_done = false;
                    log::error!(
                        MESSAGE_ID = id::UNDO_FAILED, OMADM_PLACE = place.as_str();
                        "a change failed, and what it had done can't be taken back: {error}; tried again later"
                    );
                }
            }
        }
        if let Err(error) = store.commit(settled).await {
            is_done = false;
            log::error!(
                "a change is rolled back, but its record remains in the store ({error}): it is looked at again"
            );
        }
        if !is_done || !self.replaced.is_empty() {
            base::spawn(Tree::roll_back_later(Arc::clone(store), machine.clone()));
        }
    }
}

impl Tree {
    /// Takes back what a change had done to files and D-Bus properties when the agent was killed in the middle of it.
    /// Before anything is read or changed. True if nothing of it is left, neither done nor recorded; what can't be
    /// taken back, or not even read, is worth another try later: a service may not be up yet.
    pub async fn roll_back_interrupted(store: &Arc<Store>, machine: &Machine) -> bool {
        let is_done = Self::roll_back_recorded(store, machine, log::Level::Error).await;
        if is_done && machine.helper.is_some() {
            let machine = machine.clone();
            // Nothing of earlier lives is to be taken back any more, whatever their helper did not hear of.
            base::spawn(async move { backend::forget_earlier(&machine).await });
        }
        is_done
    }

    /// Tries again to take back what could not be, each time after twice as long; then the next start does. One task
    /// does that for all changes; whoever asks for it meanwhile has all the tries before him.
    pub async fn roll_back_later(store: Arc<Store>, machine: Machine) {
        let asked = store.roll_backs();
        if asked.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        loop {
            let served = asked.load(Ordering::Acquire);
            let mut wait = FIRST_RETRY;
            for _ in 0..MOST_RETRIES {
                tokio::time::sleep(wait).await;
                if Self::roll_back_recorded(&store, &machine, log::Level::Debug).await {
                    break;
                }
                if asked.load(Ordering::Acquire) != served {
                    break;
                }
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            if asked.compare_exchange(served, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return;
            }
        }
    }

    /// Rolls back all that is recorded. Failures are logged at this level.
    async fn roll_back_recorded(store: &Arc<Store>, machine: &Machine, failure: log::Level) -> bool {
        // What is recorded while nobody writes, nobody will roll back.
        let _writer = store.writer().await;
        let left = match store.snapshot().and_then(|snapshot| snapshot.intents()) {
            Ok(left) => left,
            Err(error) => {
                log::log!(
                    failure,
                    "interrupted changes can't be read from the store ({error}): they are rolled back later"
                );
                return false;
            }
        };
        let all = left.len();
        let (mut settled, begun) = (Vec::new(), Instant::now());
        for (number, record) in left.into_iter().rev() {
            if begun.elapsed() < LONGEST_OF_ALL && roll_back_one(&record, machine, failure).await {
                settled.push(Change::Settled(number));
            }
        }
        let is_done = settled.len() == all;
        if let Err(error) = store.commit(settled).await {
            log::log!(
                failure,
                "what was taken back is still recorded ({error}): it is looked at again later"
            );
            return false;
        }
        is_done
    }
}

/// Rolls back one effect of an interrupted change. True if that is done for good: its record is of no use any more.
async fn roll_back_one(record: &[u8], machine: &Machine, failure: log::Level) -> bool {
    let Some(undo) = Undo::decode(record) else {
        log::error!(
            "the record of an interrupted change is damaged: it is deleted, and what the change has done stays"
        );
        return true;
    };
    let place = undo.to_string();
    let why = match tokio::time::timeout(LONGEST_ROLLBACK, undo.roll_back(machine)).await {
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
        Ok(Ok(Undone::Impossible)) => {
            log::error!(
                MESSAGE_ID = id::UNDO_FAILED, OMADM_PLACE = place.as_str();
                "a change was cut short, and what it had done to {place} can't be taken back, as nobody knows what was there before: it stays"
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
