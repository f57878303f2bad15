//! The number of alerts that wait for each account, and of the bytes they take. Counted when the file is opened:
//! whoever adds one need not look at all that wait.

use std::sync::{Mutex, PoisonError};

use redb::{ReadTransaction, ReadableTable};

use super::alert_key::{account_of, alert_queue};
use super::error::{StoreError, db};
use super::tables::ALERTS;
use crate::base::OrderedMap;
use crate::uri::ServerId;

/// The alerts that wait for an account, wherever they are to go, as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertCount {
    /// The number of alerts.
    pub count: usize,
    /// The bytes that they take as JSON.
    pub bytes: usize,
}

/// The changes of a transaction to the counts: alerts that come and that go, by account.
#[derive(Debug, Default, PartialEq)]
pub(super) struct CountChanges(OrderedMap<String, (AlertCount, AlertCount)>);

/// The counts of all accounts.
#[derive(Debug, Default)]
pub(super) struct AlertCounts(Mutex<OrderedMap<String, AlertCount>>);

impl AlertCount {
    fn add(&mut self, bytes: usize) {
        (self.count, self.bytes) = (self.count.saturating_add(1), self.bytes.saturating_add(bytes));
    }
}

impl CountChanges {
    /// Counts all that is in the file as having come.
    pub(super) fn of_all(transaction: &ReadTransaction) -> Result<Self, StoreError> {
        let mut changes = Self::default();
        let table = transaction.open_table(ALERTS).map_err(db)?;
        for entry in table.iter().map_err(db)? {
            let (key, json) = entry.map_err(db)?;
            if let Some(queue) = alert_queue(key.value()) {
                changes.come(queue, json.value().len());
            }
        }
        Ok(changes)
    }

    pub(super) fn come(&mut self, queue: &str, bytes: usize) {
        self.of(queue).0.add(bytes);
    }

    pub(super) fn go(&mut self, queue: &str, bytes: usize) {
        self.of(queue).1.add(bytes);
    }

    fn of(&mut self, queue: &str) -> &mut (AlertCount, AlertCount) {
        self.0.entry(account_of(queue).to_owned()).or_default()
    }
}

impl AlertCounts {
    /// Begins to count with `all`, whatever was counted before.
    pub(super) fn begin(&self, all: CountChanges) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.follow(all);
    }

    /// Takes in changes that are committed.
    pub(super) fn follow(&self, changes: CountChanges) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (server_id, (come, gone)) in changes.0 {
            let known = all.remove(&server_id).unwrap_or_default();
            let now =
                |known: usize, come: usize, gone: usize| known.saturating_add(come).saturating_sub(gone);
            let count = now(known.count, come.count, gone.count);
            let bytes = now(known.bytes, come.bytes, gone.bytes);
            if count > 0 {
                all.insert(server_id, AlertCount { count, bytes });
            }
        }
    }

    pub(super) fn of(&self, server_id: &ServerId) -> AlertCount {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(server_id.as_str())
            .copied()
            .unwrap_or_default()
    }
}
