//! The ends of EXECs on their way into the store, as alerts that tell them: a disk that is full is waited for.

use std::time::{Duration, Instant};

use crate::base::OrderedMap;
use crate::base::{Backoff, Failures};
use crate::exec::Finished;
use crate::session::Ended;
use crate::store::{Change, Snapshot, StoreError};

/// The backoff of a store that does not take them.
const AGAIN: Backoff = Backoff { base: Duration::from_secs(5), most: Duration::from_secs(300) };

/// The ends of EXECs that servers are to be told, by number, and the changes that go with them. All of them are in one
/// transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ends {
    /// The changes to the records of EXECs that nobody is to be told of any more.
    pub(super) changes: Vec<Change>,
    pub(super) finished: OrderedMap<u64, Finished>,
}

/// The ends that the store did not take yet. No more than may be in the store: an EXEC does not begin unless its record
/// is there.
#[derive(Debug, Default)]
pub(super) struct Untold {
    ends: Ends,
    failures: Failures,
    again: Option<Instant>,
}

impl Ends {
    /// The end of one EXEC.
    pub(super) fn of(finished: Finished) -> Self {
        Self { changes: Vec::new(), finished: [(finished.number, finished)].into() }
    }

    /// What a session leaves of its EXECs.
    pub(super) fn of_session(ended: &Ended) -> Self {
        let of_execs = |change: &&Change| matches!(change, Change::Exec(..) | Change::ExecEnded(_));
        Self {
            changes: ended.pending.iter().filter(of_execs).cloned().collect(),
            finished: ended.untold.iter().map(|finished| (finished.number, finished.clone())).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.finished.is_empty()
    }

    /// Leaves out those whose records are gone: they were told, whatever the store said, or their account is gone.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn retain_known(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let known: Vec<u64> = snapshot.execs()?.into_iter().map(|(number, _)| number).collect();
        self.finished.retain(|number, _| known.contains(number));
        self.changes.retain(|change| !matches!(change, Change::Exec(number, _) if !known.contains(number)));
        Ok(())
    }
}

impl Untold {
    /// Keeps ends that the store did not take, to be tried again later.
    pub(super) fn keep(&mut self, ends: Ends, now: Instant, random: u32) {
        if ends.is_empty() {
            return;
        }
        self.ends.changes.extend(ends.changes);
        self.ends.finished.extend(ends.finished);
        self.again = Some(now + self.failures.add(AGAIN, None, random));
    }

    /// Takes the ends that are tried again now; none where it is not time, or where there are none.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Ends> {
        self.again.is_some_and(|again| again <= now).then(|| self.take())
    }

    /// Takes all of them, as the agent is about to end.
    pub(super) fn take(&mut self) -> Ends {
        self.again = None;
        std::mem::take(&mut self.ends)
    }

    /// Notes that the store takes ends: what waits is due now.
    pub(super) fn taken(&mut self, now: Instant) {
        self.failures = Failures::default();
        self.again = self.again.map(|again| again.min(now));
    }

    /// The time when they are tried again.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.again
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::records::ExecRecord;

    fn finished(number: u64) -> Finished {
        let record = format!(r#"{{"server_id":"a","client_uri":"urn:m/{number}","alert_type":"t"}}"#);
        ExecRecord::from_json(record.as_bytes()).unwrap().finished(number, 200)
    }

    #[test]
    fn what_the_store_did_not_take_is_tried_again_ever_more_rarely_until_it_does() {
        let now = Instant::now();
        let mut untold = Untold::default();
        assert_eq!((untold.take_due(now), untold.next_wake()), (None, None));
        untold.keep(Ends::default(), now, u32::MAX);
        assert_eq!(untold.next_wake(), None, "there is nothing to try");
        untold.keep(Ends::of(finished(1)), now, u32::MAX);
        let first = untold.next_wake().unwrap();
        untold.keep(Ends::of(finished(2)), now, u32::MAX);
        assert!(now < first && first < untold.next_wake().unwrap());
        assert_eq!(untold.take_due(now), None, "not yet");
        untold.taken(now);
        let ends = untold.take_due(now).unwrap();
        assert_eq!(ends.finished.into_keys().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(untold.next_wake(), None);
        untold.keep(Ends::of(finished(3)), now, u32::MAX);
        assert_eq!(untold.next_wake(), Some(first), "begun anew");
    }

    #[test]
    fn nothing_is_told_twice_where_the_store_did_take_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        store.commit_blocking(&[Change::Exec(2, b"{}".to_vec())]).unwrap();
        let mut ends = Ends {
            changes: vec![Change::Exec(1, Vec::new()), Change::Exec(2, Vec::new()), Change::ExecEnded(1)],
            finished: [(1, finished(1)), (2, finished(2))].into(),
        };
        ends.retain_known(&store.snapshot().unwrap()).unwrap();
        assert_eq!(ends.finished.into_keys().collect::<Vec<_>>(), [2]);
        assert_eq!(ends.changes, [Change::Exec(2, Vec::new()), Change::ExecEnded(1)]);
    }
}
