//! When a bootstrap server is asked for accounts (TS 8.2): at start, when files are read again, and with every
//! session, for then the SIM may be another one. In between, only a file that the IMSI comes from tells of that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinError;

use super::clock::Wait;
use super::schedule::Due;
use super::{Daemon, schedule};
use crate::base::backoff;
use crate::base::journal::id;
use crate::base::waking;
use crate::bootstrap::{self, BootstrapError};
use crate::config::Fact;
use crate::world::World;

/// A failed attempt is repeated after a random time below this, doubled with each failure.
const AGAIN_BASE: Duration = Duration::from_secs(60);
const AGAIN_MOST: Duration = Duration::from_secs(6 * 3600);
/// A SIM, and a better name for the device, get this long after the start to show up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is due at the start with accounts of bootstraps waits this long at most to hear whose SIM it is.
const LONGEST_HOLD: Duration = Duration::from_secs(300);

/// What became of an attempt.
pub(super) type Bootstrapped = Result<Option<Vec<String>>, BootstrapError>;

/// When the next attempt is due. Pure.
#[derive(Debug, Default)]
pub(super) struct Bootstrapping {
    due: Option<Instant>,
    running: bool,
    failures: u32,
    /// Whether the latest one was for want of a SIM: no server was asked.
    simless: bool,
    held: Option<Held>,
}

/// Sessions that wait for the first look.
#[derive(Debug)]
struct Held {
    due: Vec<Due>,
    until: Instant,
}

impl Bootstrapping {
    /// There may be a reason to ask. After a failure its time stays: a server that is down is not asked more often because
    /// something else happens.
    pub(super) fn look(&mut self, at: Instant) {
        if self.failures == 0 {
            self.due = Some(self.due.map_or(at, |due| due.min(at)));
        }
    }

    /// The SIM may be another one, or there at last.
    pub(super) fn look_at_sim(&mut self, at: Instant) {
        if self.simless {
            self.afresh();
        }
        self.look(at);
    }

    /// The operator has had a hand in it.
    pub(super) fn afresh(&mut self) {
        (self.failures, self.simless) = (0, false);
        self.due = None;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.running)
    }

    /// Whether an attempt begins now.
    fn begin(&mut self, now: Instant) -> bool {
        let begins = self.due().is_some_and(|due| due <= now);
        if begins {
            (self.due, self.running) = (None, true);
        }
        begins
    }

    /// An attempt has ended; how long until the next one, if it failed. `random` is uniform over all u32.
    fn ended(
        &mut self,
        failed: bool,
        least: Option<Duration>,
        now: Instant,
        random: u32,
    ) -> Option<Duration> {
        self.running = false;
        if !failed {
            self.failures = 0;
            return None;
        }
        let wait = least.unwrap_or_default() + backoff(self.failures, AGAIN_BASE, AGAIN_MOST, random);
        self.failures = self.failures.saturating_add(1);
        let due = self.due.filter(|_| self.simless).map_or(now + wait, |due| due.min(now + wait));
        self.due = Some(due);
        Some(due.saturating_duration_since(now))
    }
}

impl Daemon {
    /// A million new devices that are switched on at one moment ask one after the other.
    pub(super) fn look_for_bootstrap_at_start(&mut self) {
        let none = self.world.tree.accounts().is_empty();
        if none && self.world.is_owned && self.world.settings.bootstrap.uri.is_some() {
            log::warn!(
                "bootstrap: no account can be used, but there are account files: no server is asked for others"
            );
        }
        self.warn_of_mixed(None);
        let most = if none { self.world.settings.bootstrap.jitter } else { Duration::ZERO };
        let late = schedule::jitter(most, &mut *self.random);
        self.bootstrapping.look(waking::now() + late);
    }

    /// Says once that the owner's accounts are served besides those of a bootstrap, which nobody renews now.
    pub(super) fn warn_of_mixed(&self, before: Option<&World>) {
        let mixed = |world: &World| {
            let accounts = world.tree.accounts();
            accounts.iter().any(|account| account.is_bootstrapped())
                && accounts.iter().any(|account| !account.is_bootstrapped())
        };
        if mixed(&self.world) && !before.is_some_and(mixed) {
            log::warn!(
                "bootstrap: besides the accounts of files, those that a bootstrap brought are still served; \
                 no server is asked for others"
            );
        }
    }

    /// Keeps back what is due at the start, where the SIM may be another one since: its old subscriber's servers have no
    /// business with the device then. Returns what need not wait.
    pub(super) fn hold_back(&mut self, due: Vec<Due>) -> Vec<Due> {
        let settings = &self.world.settings;
        let may_change =
            settings.bootstrap.uri.is_some() && settings.subscriber.sources(Fact::Imsi).is_some();
        if self.world.is_owned || !may_change {
            return due;
        }
        let from = self.clock_wait.as_ref().map_or_else(waking::now, Wait::until);
        self.bootstrapping.held = Some(Held { due, until: from + LONGEST_HOLD });
        Vec::new()
    }

    /// Lets go what was kept back; `renewed` are the accounts that have a session of their own for it.
    fn release(&mut self, renewed: &[String]) {
        for (ticket, at) in self.bootstrapping.held.take().map(|held| held.due).unwrap_or_default() {
            let server_id = &ticket.trigger.server_id;
            let renewed = ticket.at.is_none() && renewed.contains(server_id);
            if self.world.peer(server_id).is_some() && !renewed {
                self.queue.ask(ticket, at);
            }
        }
    }

    /// When the next attempt is due, none while the clock is not set; or when what is held back has waited long enough.
    pub(super) fn bootstrap_due(&self) -> Option<Instant> {
        let attempt = self.bootstrapping.due().filter(|_| self.clock_wait.is_none());
        let held = self.bootstrapping.held.as_ref().map(|held| held.until);
        attempt.into_iter().chain(held).min()
    }

    pub(super) fn start_bootstrap(&mut self) {
        if self.bootstrapping.held.as_ref().is_some_and(|held| held.until <= waking::now()) {
            log::warn!(
                "bootstrap: no bootstrap server has said in time which accounts the SIM has: sessions begin with those that are there"
            );
            self.release(&[]);
        }
        if self.clock_wait.is_some() || !self.bootstrapping.begin(waking::now()) {
            return;
        }
        let (world, surroundings) = (Arc::clone(&self.world), self.loader.surroundings());
        let (salt, patient) = (self.random.next(), self.loader.running_for() < PATIENCE);
        let attempts = Arc::clone(&self.world.attempts);
        let task = async move { bootstrap::run(&world, &surroundings, salt, patient).await };
        let task = self.hearts.watch_attempt(&attempts, "bootstrap".to_owned(), task);
        self.bootstraps.spawn(async move { task.await? });
    }

    pub(super) async fn bootstrapped(&mut self, ended: Result<Bootstrapped, JoinError>) {
        self.bootstrapping.simless = matches!(ended, Ok(Err(BootstrapError::NoSubscriber)));
        let (problem, least) = match ended {
            Ok(Ok(None)) => {
                self.release(&[]);
                (None, None)
            }
            Ok(Ok(Some(server_ids))) => {
                log::info!(MESSAGE_ID = id::BOOTSTRAPPED; "bootstrap: the accounts are {}", server_ids.join(", "));
                let now = waking::now();
                self.accounts_changed().await;
                for (ticket, at) in schedule::brought(&self.world, &server_ids, now) {
                    self.queue.ask(ticket, at);
                }
                self.release(&server_ids);
                (None, None)
            }
            Ok(Err(error)) => (Some(error.to_string()), error.retry_after()),
            Err(error) => (Some(format!("internal error: {error}")), None),
        };
        let random = self.random.next_u32();
        let wait = self.bootstrapping.ended(problem.is_some(), least, waking::now(), random);
        if let (Some(problem), Some(wait)) = (problem, wait) {
            log::warn!(
                MESSAGE_ID = id::BOOTSTRAP_FAILED;
                "bootstrap: {problem}; next attempt in {} s", wait.as_secs()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn one_attempt_at_a_time_and_what_comes_meanwhile_is_looked_at_afterwards() {
        let now = Instant::now();
        let mut bootstrapping = Bootstrapping::default();
        assert!(!bootstrapping.begin(now) && bootstrapping.due().is_none(), "nobody asked");
        bootstrapping.look(now + HOUR);
        bootstrapping.look(now);
        bootstrapping.look(now + HOUR);
        assert!(bootstrapping.begin(now));
        bootstrapping.look(now);
        assert!(!bootstrapping.begin(now) && bootstrapping.due().is_none());
        assert_eq!(bootstrapping.ended(false, None, now, 0), None);
        assert!(bootstrapping.begin(now));
        bootstrapping.ended(false, None, now, 0);
        assert_eq!(bootstrapping.due(), None);
    }

    #[test]
    fn a_sim_that_shows_up_is_looked_at_at_once_and_a_server_that_is_down_is_not() {
        let now = Instant::now();
        let mut bootstrapping = Bootstrapping::default();
        bootstrapping.look(now);
        for simless in [false, true] {
            assert!(bootstrapping.begin(bootstrapping.due().unwrap()));
            bootstrapping.simless = simless;
            bootstrapping.ended(true, None, now, u32::MAX);
            bootstrapping.look(now);
            assert!(bootstrapping.due().unwrap() > now, "what else happens tells nothing of the SIM");
            bootstrapping.look_at_sim(now);
            assert_eq!(bootstrapping.due() == Some(now), simless);
        }
        assert!(bootstrapping.begin(now));
        bootstrapping.look_at_sim(now);
        bootstrapping.simless = true;
        assert_eq!(bootstrapping.ended(true, None, now, u32::MAX), Some(Duration::ZERO), "it came meanwhile");
    }

    #[test]
    fn a_server_that_is_down_is_not_hammered_whatever_happens_here() {
        let now = Instant::now();
        let mut bootstrapping = Bootstrapping::default();
        bootstrapping.look(now);
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert!(bootstrapping.begin(bootstrapping.due().unwrap()));
            waits.push(bootstrapping.ended(true, None, now, u32::MAX).unwrap().as_secs());
            let due = bootstrapping.due();
            bootstrapping.look(now);
            assert_eq!(bootstrapping.due(), due);
        }
        assert_eq!(waits[..3], [59, 119, 239]);
        assert_eq!(waits[11], 6 * 3600 - 1);
        bootstrapping.afresh();
        bootstrapping.look(now);
        assert!(bootstrapping.begin(now), "the operator has repaired it");
        assert_eq!(bootstrapping.ended(true, Some(HOUR), now, 0), Some(HOUR), "Retry-After");
    }
}
