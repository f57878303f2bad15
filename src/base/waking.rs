//! The clock that the agent waits by: it goes on while the machine is suspended.
//!
//! A gateway that sleeps through the night is due for its daily session in the morning, not a night later.
//! `Instant::now` and tokio's timers stop meanwhile (CLOCK_MONOTONIC); what is waited for here goes by CLOCK_BOOTTIME,
//! and is due at once when the machine wakes up. It does not wake the machine.
//!
//! | by this clock | why |
//! |---|---|
//! | the schedule, jitter, the first contact | a server counts the days by the wall's clock |
//! | backoff, `Retry-After`, between sessions and within one | so does the server that is to be left alone |
//! | the wait for a preferred bearer, and for a clock that is set | they say when it is too late |
//! | polls and PUTs of subscriptions, push registrations, bootstraps | as the schedule |
//! | files that have changed and come to rest; lines that the journal has once a minute or hour; how long a server was away | the loop sleeps by one clock, and an operator reads the time on the wall |
//!
//! | by the clock that stops | why |
//! |---|---|
//! | time limits of connections, answers, D-Bus, reads of files, looks | whoever was to answer could not either |
//! | time limits of programs, undoing, SIGTERM's 5 s | they did not run |
//! | hearts | as long as nothing runs, nothing stands still |
//! | how long the agent has been running, the patience for a SIM at its start | a modem needs time awake |
//!
//! The service manager's watchdog stops as well. The agent's pings go by this clock: that is never later than due.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// One moment as both clocks show it, from which `Instant`s count suspended time too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    pub(crate) instant: Instant,
    /// The time since the machine was booted.
    pub(crate) booted: Duration,
}

impl Anchor {
    /// The anchor of this process; none where the kernel has no such clock.
    fn own() -> Option<Self> {
        static OWN: OnceLock<Option<Anchor>> = OnceLock::new();
        *OWN.get_or_init(|| Some(Self { instant: Instant::now(), booted: booted()? }))
    }

    /// The instant at which the machine has been up for `booted`. Of the two clocks it reads only one, which never goes
    /// backwards: nor does this.
    pub(crate) fn instant(&self, booted: Duration) -> Instant {
        let since = booted.saturating_sub(self.booted);
        self.instant.checked_add(since).unwrap_or(self.instant)
    }

    /// The time since boot at this instant. Never 0, which would unset a timer.
    fn booted(&self, instant: Instant) -> Duration {
        let since = instant.saturating_duration_since(self.instant);
        self.booted.saturating_add(since).max(Duration::from_nanos(1))
    }
}

/// The time since the machine was booted; none where the kernel has no such clock.
pub(crate) fn booted() -> Option<Duration> {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).ok()?;
    Some(Duration::from(time))
}

/// The time now, counting what the machine has been suspended since the agent's start.
///
/// To be compared only with what came from here.
#[must_use]
pub(crate) fn now() -> Instant {
    let now = Anchor::own().and_then(|anchor| Some(anchor.instant(booted()?)));
    now.unwrap_or_else(Instant::now)
}

/// Waits for this time, suspended time included.
pub(crate) async fn sleep(time: Duration) {
    WakeTimer::default().until(now().checked_add(time)).await;
}

/// A timer that ends when a time has come by [`now`], also when the machine wakes up later than that.
#[derive(Debug, Default)]
pub(crate) struct WakeTimer {
    timer: Option<KernelTimer>,
    set: Option<Instant>,
}

impl WakeTimer {
    /// Waits until `wake`; for ever if there is no such time. Who stops waiting, and waits again, sets nothing anew.
    pub(crate) async fn until(&mut self, wake: Option<Instant>) {
        let Some(wake) = wake else {
            self.unset();
            return std::future::pending().await;
        };
        while now() < wake {
            if let Err(error) = self.rings(wake).await {
                log::debug!("no timer counts the time that the machine is suspended: {error}");
                self.unset();
                tokio::time::sleep(wake.saturating_duration_since(now())).await;
            }
        }
    }

    async fn rings(&mut self, wake: Instant) -> io::Result<()> {
        let timer = match self.timer.take() {
            Some(timer) => timer,
            None => KernelTimer::new(ClockId::CLOCK_BOOTTIME)?,
        };
        let timer = self.timer.insert(timer);
        if self.set != Some(wake) {
            let anchor = Anchor::own().ok_or(io::ErrorKind::Unsupported)?;
            timer.set(anchor.booted(wake), TimerSetTimeFlags::empty())?;
            self.set = Some(wake);
        }
        timer.fired().await?;
        self.set = None;
        Ok(())
    }

    /// Unsets the timer: at rest, nothing wakes the agent that nobody waits for.
    fn unset(&mut self) {
        if self.set.take().is_some() {
            self.timer = None;
        }
    }
}

/// A timer of the kernel.
#[derive(Debug)]
pub(crate) struct KernelTimer(AsyncFd<Descriptor>);

#[derive(Debug)]
struct Descriptor(TimerFd);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl KernelTimer {
    pub(crate) fn new(clock: ClockId) -> io::Result<Self> {
        let timer = TimerFd::new(clock, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe to call; a TimerFd is not closed under our feet"
        )]
        let timer = AsyncFd::with_interest(Descriptor(timer), Interest::READABLE)?;
        Ok(Self(timer))
    }

    /// Sets the timer to fire when its clock shows this time.
    pub(crate) fn set(&self, time: Duration, more: TimerSetTimeFlags) -> io::Result<()> {
        let when = Expiration::OneShot(TimeSpec::from_duration(time));
        Ok(self.0.get_ref().0.set(when, more | TimerSetTimeFlags::TFD_TIMER_ABSTIME)?)
    }

    /// Waits until the timer has fired, or its clock was set where that was asked for.
    pub(crate) async fn fired(&self) -> io::Result<()> {
        loop {
            let mut guard = self.0.readable().await?;
            if let Ok(read) = guard.try_io(|timer| Ok(timer.get_ref().0.wait()?)) {
                return read;
            }
        }
    }
}

#[cfg(test)]
#[path = "waking/tests.rs"]
mod tests;
