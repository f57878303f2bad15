//! The timing of attempts to get accounts: when a bootstrap server is asked again. Pure.

use std::time::{Duration, Instant};

use crate::base::{Backoff, Failures};

/// The backoff of failed attempts: each is repeated after a random time below this, doubled with each failure.
const AGAIN: Backoff = Backoff { base: Duration::from_secs(60), most: Duration::from_secs(6 * 3600) };

/// The timing of the next attempt.
#[derive(Debug, Default)]
pub(super) struct Timing {
    due: Option<Instant>,
    running: bool,
    failures: Failures,
    /// Whether the latest attempt failed for want of a SIM, so that no server was asked.
    pub(super) simless: bool,
}

impl Timing {
    /// Has an attempt made at `at`, as there may be a reason to ask. After a failure its time stays: a server that is
    /// down is not asked more often because something else happens.
    pub(super) fn look(&mut self, at: Instant) {
        if self.failures.is_none() {
            self.due = Some(self.due.map_or(at, |due| due.min(at)));
        }
    }

    /// Has an attempt made at `at`, as the SIM may be another one, or there at last.
    pub(super) fn look_at_sim(&mut self, at: Instant) {
        if self.simless {
            self.afresh();
        }
        self.look(at);
    }

    /// Forgets earlier failures, as the operator has had a hand in it.
    pub(super) fn afresh(&mut self) {
        (self.failures, self.simless) = (Failures::default(), false);
        self.due = None;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.running)
    }

    /// Whether an attempt begins now.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let begins = self.due().is_some_and(|due| due <= now);
        if begins {
            (self.due, self.running) = (None, true);
        }
        begins
    }

    /// Notes the end of an attempt; returns how long until the next one, if it failed. `random` is uniform over all
    /// u32.
    pub(super) fn ended(
        &mut self,
        failed: bool,
        least: Option<Duration>,
        now: Instant,
        random: u32,
    ) -> Option<Duration> {
        self.running = false;
        if !failed {
            self.failures = Failures::default();
            return None;
        }
        let wait = self.failures.add(AGAIN, least, random);
        let due = self.due.filter(|_| self.simless).map_or(now + wait, |due| due.min(now + wait));
        self.due = Some(due);
        Some(due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn one_attempt_at_a_time_and_what_comes_meanwhile_is_looked_at_afterwards() {
        let now = Instant::now();
        let mut timing = Timing::default();
        assert!(!timing.begin(now) && timing.due().is_none(), "nobody asked");
        timing.look(now + HOUR);
        timing.look(now);
        timing.look(now + HOUR);
        assert!(timing.begin(now));
        timing.look(now);
        assert!(!timing.begin(now) && timing.due().is_none());
        assert_eq!(timing.ended(false, None, now, 0), None);
        assert!(timing.begin(now));
        timing.ended(false, None, now, 0);
        assert_eq!(timing.due(), None);
    }

    #[test]
    fn a_sim_that_shows_up_is_looked_at_at_once_and_a_server_that_is_down_is_not() {
        let now = Instant::now();
        let mut timing = Timing::default();
        timing.look(now);
        for simless in [false, true] {
            assert!(timing.begin(timing.due().unwrap()));
            timing.simless = simless;
            timing.ended(true, None, now, u32::MAX);
            timing.look(now);
            assert!(timing.due().unwrap() > now, "what else happens tells nothing of the SIM");
            timing.look_at_sim(now);
            assert_eq!(timing.due() == Some(now), simless);
        }
        assert!(timing.begin(now));
        timing.look_at_sim(now);
        timing.simless = true;
        assert_eq!(timing.ended(true, None, now, u32::MAX), Some(Duration::ZERO), "it came meanwhile");
    }

    #[test]
    fn a_server_that_is_down_is_not_hammered_whatever_happens_here() {
        let now = Instant::now();
        let mut timing = Timing::default();
        timing.look(now);
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert!(timing.begin(timing.due().unwrap()));
            waits.push(timing.ended(true, None, now, u32::MAX).unwrap().as_secs());
            let due = timing.due();
            timing.look(now);
            assert_eq!(timing.due(), due);
        }
        assert_eq!(waits[..3], [59, 119, 239]);
        assert_eq!(waits[11], 6 * 3600 - 1);
        timing.afresh();
        timing.look(now);
        assert!(timing.begin(now), "the operator has repaired it");
        assert_eq!(timing.ended(true, Some(HOUR), now, 0), Some(HOUR), "Retry-After");
    }
}
