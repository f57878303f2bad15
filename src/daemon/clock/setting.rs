//! Waiting for the clock to be set. timedate1's property tells nobody when it changes; a timer of the kernel does.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::timerfd::{ClockId, TimerSetTimeFlags};

use super::Clock;
use crate::base::waking::{KernelTimer, WakeTimer};

/// How often the clock is looked at where the kernel has no such timer.
const LOOK: Duration = Duration::from_secs(30);

/// The wait of an agent that has started with a clock that was never set.
#[derive(Debug)]
pub(in crate::daemon) struct Wait {
    until: Instant,
    timer: Option<KernelTimer>,
}

impl Wait {
    /// Begins to wait, at most until this time; none where the clock can be believed.
    pub(in crate::daemon) fn begin(clock: &Clock, until: Instant) -> Option<Self> {
        let now = clock.now();
        if now.synchronised {
            return None;
        }
        let timer = timer(now.now)
            .inspect_err(|error| log::warn!("the kernel does not tell when the clock is set: {error}"));
        Some(Self { until, timer: timer.ok() })
    }

    /// The time when the wait ends at the latest.
    pub(in crate::daemon) fn until(&self) -> Instant {
        self.until
    }

    /// Returns once the clock can be believed (true), or the time is over.
    pub(in crate::daemon) async fn over(&self, clock: &Clock) -> bool {
        let mut wake_timer = WakeTimer::default();
        let mut looked = false;
        loop {
            if clock.now().synchronised {
                return true;
            }
            tokio::select! {
                () = clock.look(), if !looked => looked = true,
                () = changed(self.timer.as_ref()) => looked = false,
                () = wake_timer.until(Some(self.until)) => return clock.now().synchronised,
            }
        }
    }
}

/// Makes a timer that becomes readable when the clock reaches `time` (seconds since 1970) by itself, and whenever
/// somebody sets it.
fn timer(time: u64) -> io::Result<KernelTimer> {
    let timer = KernelTimer::new(ClockId::CLOCK_REALTIME)?;
    timer.set(Duration::from_secs(time), TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET)?;
    Ok(timer)
}

async fn changed(timer: Option<&KernelTimer>) {
    let fired = match timer {
        Some(timer) => timer.fired().await,
        None => Err(io::ErrorKind::Unsupported.into()),
    };
    if fired.is_err() {
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;
    use crate::store::{Change, Store};

    /// A clock that is believed once it shows a time this far ahead.
    fn behind(seconds: u64) -> (tempfile::TempDir, Clock) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        store.commit_blocking(&[Change::Clock(now + seconds)]).unwrap();
        let clock = Clock::new(&store, Arc::default(), folder.path()).unwrap();
        (folder, clock)
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_clock_that_can_be_believed_keeps_nobody_waiting() {
        let (_folder, clock) = behind(0);
        assert!(Wait::begin(&clock, Instant::now() + HOUR).is_none());
    }

    #[tokio::test]
    async fn the_wait_ends_when_the_clock_reaches_the_time_already_known() {
        let (_folder, clock) = behind(2);
        let wait = Wait::begin(&clock, Instant::now() + HOUR).unwrap();
        assert!(wait.over(&clock).await);
    }

    #[tokio::test]
    async fn the_wait_is_bounded() {
        let (_folder, clock) = behind(3600);
        let until = Instant::now() + Duration::from_millis(50);
        let wait = Wait::begin(&clock, until).unwrap();
        assert!(!wait.over(&clock).await);
        assert!(Instant::now() >= until);
    }

    #[tokio::test]
    async fn without_the_timer_it_still_ends() {
        let (_folder, clock) = behind(3600);
        let wait = Wait { until: Instant::now() + Duration::from_millis(50), timer: None };
        assert!(!wait.over(&clock).await);
        clock.floor.store(0, Ordering::Relaxed);
        assert!(wait.over(&clock).await);
    }
}
