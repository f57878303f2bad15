//! Time as the agent believes it: a gateway without a battery-backed clock boots into the past.

mod setting;

pub(super) use setting::Wait;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::journal::id;
use crate::notification::gate;
use crate::store::{Store, StoreError};

/// No device that runs this version has lived before 2026: seconds since 1970.
const EARLIEST: u64 = 1_767_225_600;
/// The store takes the time this often at most: flash wears.
const STORE_EVERY: u64 = 24 * 3600;

/// The later of the system's clock and the latest time known.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// Shared with the certificate checks.
    floor: Arc<AtomicU64>,
    stored: u64,
    said: Arc<AtomicBool>,
}

impl Clock {
    /// Begins with what the store knows; `floor` is kept up to date from here on.
    pub(super) fn new(store: &Store, floor: Arc<AtomicU64>) -> Result<Self, StoreError> {
        let stored = store.snapshot()?.clock()?.unwrap_or_default();
        floor.fetch_max(stored.max(EARLIEST), Ordering::Relaxed);
        Ok(Self { floor, stored, said: Arc::default() })
    }

    /// The time, and whether the system's clock can be believed: one that is earlier than a time already
    /// known was never set.
    pub(super) fn now(&self) -> gate::Clock {
        self.at(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    fn at(&self, system: u64) -> gate::Clock {
        let floor = self.floor.load(Ordering::Relaxed);
        let synchronised = system >= floor;
        if !synchronised && !self.said.swap(true, Ordering::Relaxed) {
            log::warn!(
                MESSAGE_ID = id::CLOCK_UNSET;
                "the clock is {} s behind a time already known: taken as not set", floor - system
            );
        }
        gate::Clock { now: system.max(floor), synchronised }
    }

    /// The time, if it is so much later than what the store has that it should be written. To be asked only after
    /// a session: by a server's certificate the clock has proved itself, and one that runs decades ahead would
    /// otherwise lock every server out for good.
    pub(super) fn worth_storing(&mut self) -> Option<u64> {
        let now = self.now();
        (now.synchronised && now.now >= self.stored.saturating_add(STORE_EVERY)).then(|| {
            self.stored = now.now;
            now.now
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_the_latest_known_time_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        let clock = Clock::new(&store, Arc::default()).unwrap();
        assert_eq!(clock.at(1_000), gate::Clock { now: EARLIEST, synchronised: false });
        let later = EARLIEST + 1_000_000;
        store.commit_blocking(&[crate::store::Change::Clock(later)]).unwrap();
        let floor = Arc::new(AtomicU64::new(0));
        let clock = Clock::new(&store, Arc::clone(&floor)).unwrap();
        assert_eq!(floor.load(Ordering::Relaxed), later, "certificates are checked against it as well");
        assert_eq!(clock.at(EARLIEST), gate::Clock { now: later, synchronised: false });
        assert_eq!(clock.at(later + 1), gate::Clock { now: later + 1, synchronised: true });
    }
}
