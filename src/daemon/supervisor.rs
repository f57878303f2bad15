//! What systemd is told: readiness, status, and that the loop still turns.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The service manager, if one supervises the agent.
pub(super) struct Supervisor {
    /// Half the watchdog's limit; the pings come from the loop that owns the queue.
    every: Option<Duration>,
    next: Option<Instant>,
}

impl Supervisor {
    pub(super) fn new() -> Self {
        let every = sd_notify::watchdog_enabled().map(|limit| limit / 2);
        Self { every, next: every.map(|every| Instant::now() + every) }
    }

    pub(super) fn ready(&self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    pub(super) fn status(&self, status: &str) {
        tell(&[NotifyState::Status(status)]);
    }

    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    pub(super) fn next_ping(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn ping(&mut self, now: Instant) {
        if let (Some(every), Some(next)) = (self.every, self.next)
            && next <= now
        {
            tell(&[NotifyState::Watchdog]);
            self.next = Some(now + every);
        }
    }
}

/// Nobody listens where no service manager started the agent.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("the service manager does not listen: {error}");
    }
}
