//! How many alerts wait for each account, and how many bytes they take. Counted when the file is opened: whoever adds one need
//! not look at all that wait.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use redb::{ReadTransaction, ReadableTable};

use super::alert_key::alert_queue;
use super::error::{StoreError, db};
use super::tables::ALERTS;
use crate::uri::ServerId;

/// How much waits, wherever it is to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Alerts.
    pub count: usize,
    /// What they take as JSON.
    pub bytes: usize,
}

/// What comes and goes, by account.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Moves(BTreeMap<String, (Waiting, Waiting)>);

/// What there is, by account.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<BTreeMap<String, Waiting>>);

impl Waiting {
    fn add(&mut self, bytes: usize) {
        (self.count, self.bytes) = (self.count.saturating_add(1), self.bytes.saturating_add(bytes));
    }
}

impl Moves {
    /// All that is there has come.
    pub(super) fn of_all(transaction: &ReadTransaction) -> Result<Self, StoreError> {
        let mut moves = Self::default();
        let table = transaction.open_table(ALERTS).map_err(db)?;
        for entry in table.iter().map_err(db)? {
            let (key, json) = entry.map_err(db)?;
            if let Some(queue) = alert_queue(key.value()) {
                moves.come(queue, json.value().len());
            }
        }
        Ok(moves)
    }

    pub(super) fn come(&mut self, queue: &str, bytes: usize) {
        self.of(queue).0.add(bytes);
    }

    pub(super) fn go(&mut self, queue: &str, bytes: usize) {
        self.of(queue).1.add(bytes);
    }

    fn of(&mut self, queue: &str) -> &mut (Waiting, Waiting) {
        self.0.entry(account(queue).to_owned()).or_default()
    }
}

impl Tally {
    /// What there is, whatever was counted before.
    pub(super) fn begin(&self, all: Moves) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.follow(all);
    }

    /// What has moved is committed.
    pub(super) fn follow(&self, moves: Moves) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (server_id, (come, gone)) in moves.0 {
            let known = all.remove(&server_id).unwrap_or_default();
            let now =
                |known: usize, come: usize, gone: usize| known.saturating_add(come).saturating_sub(gone);
            let count = now(known.count, come.count, gone.count);
            let bytes = now(known.bytes, come.bytes, gone.bytes);
            if count > 0 {
                all.insert(server_id, Waiting { count, bytes });
            }
        }
    }

    pub(super) fn of(&self, server_id: &ServerId) -> Waiting {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(server_id.as_str())
            .copied()
            .unwrap_or_default()
    }
}

/// The account comes first in the name of a place.
fn account(queue: &str) -> &str {
    queue.split('\u{1}').next().unwrap_or_default()
}
