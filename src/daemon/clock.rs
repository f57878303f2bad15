//! The clock: time as the agent believes it, as a gateway without a battery-backed clock boots into the past.

mod setting;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::base::journal::id;
use crate::base::lane::{FILES, PathAccess};
use crate::base::said::Said;
use crate::base::{self, AtomicU64};
use crate::notification::gate;
use crate::store::{Store, StoreError};
use setting::Wait;

/// The earliest time that is believed, in seconds since 1970: no device that runs this version has lived before 2026.
const EARLIEST: u64 = 1_767_225_600;
/// The least time between two commits of the time: flash wears.
const STORE_EVERY: u64 = 24 * 3600;
/// The least time between two looks at what a time source says, however often the time is asked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The file, below the root, that systemd-timesyncd touches whenever it has set the clock. It does not outlive the
/// boot.
const SYNCHRONISED: &str = "run/systemd/timesync/synchronized";

/// The agent's clock: the later of the system's clock and the latest time known.
#[derive(Debug)]
pub(super) struct Clock {
    /// The latest time known, shared with the certificate checks.
    floor: Arc<AtomicU64>,
    stored: u64,
    said: Said,
    source: Arc<TimeSource>,
    /// The wait for the clock to be set, after the start.
    wait: Option<Wait>,
}

/// The word of a time source: when it has last set the clock in this boot, as a file tells that is looked at on a lane.
#[derive(Debug, Default)]
struct TimeSource {
    file: PathBuf,
    /// The time when it was set, as it was when last looked at; 0: never.
    set_at: AtomicU64,
    looking: AtomicBool,
}

impl Clock {
    /// Makes the clock of what the store knows; `floor` is kept up to date from here on. What a time source says of
    /// itself is below `sysroot`.
    pub(super) fn new(store: &Store, floor: Arc<AtomicU64>, sysroot: &Path) -> Result<Self, StoreError> {
        let stored = store.snapshot()?.clock()?.unwrap_or_default();
        floor.fetch_max(stored.max(EARLIEST), Ordering::Relaxed);
        let source = Arc::new(TimeSource { file: sysroot.join(SYNCHRONISED), ..TimeSource::default() });
        Ok(Self { floor, stored, said: Said::default(), source, wait: None })
    }

    /// The latest time known, in seconds since 1970, as it is from here on.
    pub(super) fn floor(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.floor)
    }

    /// The time, and whether the system's clock can be believed: one that is earlier than a time already known was
    /// never set, unless a time source has set it in this boot. Then what was known was wrong. It waits for nobody:
    /// what such a source has said is known since the last [`Clock::look`], and while it matters somebody looks.
    pub(super) fn now(&self) -> gate::ClockReading {
        let now = self.at(seconds(SystemTime::now()), self.source.set_at.load(Ordering::Relaxed));
        if self.is_in_doubt() && !self.source.looking.swap(true, Ordering::Relaxed) {
            let source = Arc::clone(&self.source);
            base::spawn(async move {
                source.look().await;
                // Who asks often has it looked at now and then.
                tokio::time::sleep(LOOK_AGAIN).await;
                source.looking.store(false, Ordering::Relaxed);
            });
        }
        now
    }

    /// Whether a time source could end the doubt.
    fn is_in_doubt(&self) -> bool {
        (EARLIEST..self.floor.load(Ordering::Relaxed)).contains(&seconds(SystemTime::now()))
    }

    /// Looks whether a time source has set the clock, where that matters.
    pub(super) async fn look(&self) {
        if self.is_in_doubt() {
            self.source.look().await;
        }
    }

    fn at(&self, system: u64, set_at: u64) -> gate::ClockReading {
        let mut floor = self.floor.load(Ordering::Relaxed);
        // A clock that shows an earlier time than when it was set was put back since.
        if (EARLIEST..floor).contains(&system) && (EARLIEST..=system).contains(&set_at) {
            log::warn!(
                "the time already known is {} s ahead of the clock, which a time source has set: forgotten",
                floor - system
            );
            self.floor.store(system, Ordering::Relaxed);
            floor = system;
        }
        let synchronised = system >= floor;
        if !synchronised && self.said.first() {
            log::warn!(
                MESSAGE_ID = id::CLOCK_UNSET;
                "the clock is {} s behind a time already known: taken as not set; what is scheduled waits until it is, for session.clock-wait at most",
                floor - system
            );
        }
        gate::ClockReading { now: system.max(floor), synchronised }
    }

    /// Has what is scheduled wait until the clock is set, at most until this time, where it can't be believed now.
    pub(super) fn begin(&mut self, until: Instant) {
        self.wait = Wait::begin(self, until);
    }

    /// The time until which that lasts at most; none where nobody waits for it.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        self.wait.as_ref().map(Wait::until)
    }

    /// Waits until the clock is set (true), or has kept what is scheduled waiting long enough; for ever where nobody
    /// waits for it.
    pub(super) async fn next_event(&self) -> bool {
        match &self.wait {
            Some(wait) => wait.over(self).await,
            None => std::future::pending().await,
        }
    }

    /// Ends the wait for the clock, and says whether it is set.
    pub(super) fn decided(&mut self, set: bool) {
        match set {
            true => log::info!("the clock is set"),
            false => log::warn!("the clock is still not set: scheduled sessions begin all the same"),
        }
        self.wait = None;
    }

    /// The time to store, after a session whose server said what time it is. The earlier of the two is taken: a
    /// clock that once ran ahead would otherwise make every notification stale until that time has come.
    pub(super) fn worth_storing(&mut self, server_time: Option<u64>) -> Option<u64> {
        let now = self.now();
        self.worth_storing_at(now, server_time?)
    }

    fn worth_storing_at(&mut self, now: gate::ClockReading, server_time: u64) -> Option<u64> {
        let time = now.now.min(server_time);
        let corrected = self.floor.load(Ordering::Relaxed) < self.stored && time < self.stored;
        let worth = time >= self.stored.saturating_add(STORE_EVERY) || corrected;
        (now.synchronised && time >= EARLIEST && worth).then(|| {
            self.stored = time;
            time
        })
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl TimeSource {
    async fn look(&self) {
        let file = self.file.clone();
        let modified =
            move |_: &PathAccess<'_>| file.metadata().and_then(|found| found.modified()).map_or(0, seconds);
        match FILES.at(self.file.clone(), modified).await {
            Ok(set_at) => self.set_at.store(set_at, Ordering::Relaxed),
            Err(stuck) => log::debug!("whether the clock was set is not known: {stuck}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_the_latest_known_time_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        let clock = Clock::new(&store, Arc::default(), folder.path()).unwrap();
        assert_eq!(clock.at(1_000, 0), gate::ClockReading { now: EARLIEST, synchronised: false });
        let later = EARLIEST + 1_000_000;
        store.commit_blocking(&[crate::store::Change::Clock(later)]).unwrap();
        let floor = Arc::new(AtomicU64::new(0));
        let clock = Clock::new(&store, Arc::clone(&floor), folder.path()).unwrap();
        assert_eq!(floor.load(Ordering::Relaxed), later, "certificates are checked against it as well");
        assert_eq!(clock.at(EARLIEST, 0), gate::ClockReading { now: later, synchronised: false });
        assert_eq!(clock.at(later + 1, 0), gate::ClockReading { now: later + 1, synchronised: true });
    }

    const DAY: u64 = 24 * 3600;

    /// A clock with this time in its store.
    fn knowing(time: u64) -> (tempfile::TempDir, Clock) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        store.commit_blocking(&[crate::store::Change::Clock(time)]).unwrap();
        let clock = Clock::new(&store, Arc::default(), folder.path()).unwrap();
        (folder, clock)
    }

    #[test]
    fn a_clock_that_runs_ahead_is_not_stored_and_neither_is_a_server_that_does() {
        let known = EARLIEST + DAY;
        let (_folder, mut clock) = knowing(known);
        let right = known + 5 * DAY;
        let ahead = clock.at(right + 10 * DAY, 0);
        assert_eq!(clock.worth_storing_at(ahead, right), Some(right), "the clock");
        assert_eq!(clock.worth_storing_at(clock.at(right + DAY, 0), right + 10 * DAY), Some(right + DAY));
        assert_eq!(
            clock.worth_storing_at(clock.at(right + DAY + 1, 0), right + DAY + 1),
            None,
            "flash wears"
        );
        let unset = clock.at(known - 1, 0);
        assert_eq!(clock.worth_storing_at(unset, right + 10 * DAY), None, "what is not set proves nothing");
        assert_eq!(clock.worth_storing(None), None, "nobody has confirmed it");
    }

    #[test]
    fn a_known_time_that_was_wrong_gives_way_to_a_clock_that_was_set() {
        let wrong = EARLIEST + 20 * DAY;
        let (_folder, mut clock) = knowing(wrong);
        let right = EARLIEST + 10 * DAY;
        let unset = gate::ClockReading { now: wrong, synchronised: false };
        assert_eq!(clock.at(right, 0), unset, "nobody set it");
        assert_eq!(clock.at(right, right + 60), unset, "it was put back after it was set");
        assert_eq!(clock.at(1_000, 1_000), unset, "no device lived then");
        let set = clock.at(right, right - 60);
        assert_eq!(set, gate::ClockReading { now: right, synchronised: true });
        assert_eq!(clock.floor.load(Ordering::Relaxed), right, "for certificates as well");
        assert_eq!(clock.worth_storing_at(set, right), Some(right), "the store is corrected");
        assert_eq!(clock.worth_storing_at(set, right), None, "once");
    }
}
