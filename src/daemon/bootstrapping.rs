//! Bootstrapping: when a bootstrap server is asked for accounts (TS 8.2): at start, when files are read again, and with
//! every session, for then the SIM may be another one. In between, only a file that the IMSI comes from tells of that.

mod timing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};

use super::clock::Clock;
use super::loader::Loader;
use super::schedule::{self, Due};
use super::shared::Shared;
use super::sim_watch::SimWatch;
use crate::agent_state::AgentState;
use crate::base;
use crate::base::journal::id;
use crate::base::{Random, waking};
use crate::bootstrap::{self, BootstrapError};
use crate::config::Fact;
use crate::session::Queue;
use crate::uri::ServerId;
use timing::Timing;

/// How long after the start a SIM, and a better name for the device, get to show up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest time that sessions due at the start with accounts of bootstraps wait to hear whose SIM it is.
const LONGEST_HOLD: Duration = Duration::from_secs(300);

/// How long after a change of its file the IMSI is read: a modem's service writes in several steps.
const DEBOUNCE: Duration = Duration::from_secs(1);

/// The result of an attempt: the accounts that it brought, or none where there was nothing to ask for.
pub(super) type Attempt = Result<Result<Option<Vec<ServerId>>, BootstrapError>, JoinError>;

/// The attempts to get accounts, one at a time, and what waits for the first of them.
pub(super) struct Bootstrapping {
    timing: Timing,
    attempts: JoinSet<Result<Option<Vec<ServerId>>, BootstrapError>>,
    held: Option<Held>,
    sim: SimWatch,
}

/// The sessions that wait for the first look at the SIM.
#[derive(Debug)]
struct Held {
    due: Vec<Due>,
    until: Instant,
}

impl Bootstrapping {
    /// Makes the component, which watches whose SIM it is, and has asked nobody yet.
    pub(super) fn new(agent_state: &AgentState) -> Self {
        Self {
            timing: Timing::default(),
            attempts: JoinSet::new(),
            held: None,
            sim: SimWatch::new(agent_state),
        }
    }

    /// Has the first attempt made, after a random time where there is no account: a million new devices that are
    /// switched on at one moment ask one after the other.
    pub(super) fn begin(&mut self, agent_state: &AgentState, random: &mut dyn Random) {
        let none = agent_state.tree.accounts().is_empty();
        if none && agent_state.is_owned && agent_state.settings.bootstrap.uri.is_some() {
            log::warn!(
                "bootstrap: no account can be used, but there are account files: no server is asked for others"
            );
        }
        warn_of_mixed(agent_state, None);
        let most = if none { agent_state.settings.bootstrap.jitter } else { Duration::ZERO };
        let late = schedule::jitter(most, random);
        self.timing.look(waking::now() + late);
    }

    /// Goes on in a new agent state.
    pub(super) fn follow(&mut self, before: &AgentState, agent_state: &AgentState) {
        warn_of_mixed(agent_state, Some(before));
        self.sim.follow(agent_state);
    }

    /// Has an attempt made at `at`, as there may be a reason to ask.
    pub(super) fn look(&mut self, at: Instant) {
        self.timing.look(at);
    }

    /// Forgets earlier failures, as the operator has had a hand in it.
    pub(super) fn afresh(&mut self) {
        self.timing.afresh();
    }

    /// Holds back sessions that are due at the start, where the SIM may be another one since: its old subscriber's
    /// servers have no business with the device then. Returns what need not wait.
    pub(super) fn hold_back(&mut self, due: Vec<Due>, agent_state: &AgentState, clock: &Clock) -> Vec<Due> {
        let settings = &agent_state.settings;
        let known = || agent_state.store.snapshot().and_then(|snapshot| snapshot.subscriber());
        let may_change = settings.bootstrap.uri.is_some()
            && (settings.subscriber.sources(Fact::Imsi).is_some()
                || known().is_ok_and(|known| known.is_some()));
        if agent_state.is_owned || !may_change {
            return due;
        }
        let from = clock.waits_until().unwrap_or_else(waking::now);
        self.held = Some(Held { due, until: from + LONGEST_HOLD });
        Vec::new()
    }

    /// Releases the sessions that were held back; `renewed` are the accounts that have a session of their own for it.
    fn release(&mut self, renewed: &[ServerId], agent_state: &AgentState, queue: &mut Queue) {
        for Due { request, at } in self.held.take().map(|held| held.due).unwrap_or_default() {
            let server_id = &request.trigger.server_id;
            let renewed = request.at.is_none() && renewed.contains(server_id);
            if agent_state.peer(server_id).is_some() && !renewed {
                queue.ask(request, at);
            }
        }
    }

    /// The time when the next attempt is due, none while the clock is not set; or when what is held back has waited
    /// long enough.
    pub(super) fn next_wake(&self, clock: &Clock) -> Option<Instant> {
        let attempt = self.timing.due().filter(|_| clock.waits_until().is_none());
        let held = self.held.as_ref().map(|held| held.until);
        attempt.into_iter().chain(held).min()
    }

    /// Begins an attempt, if it is time to; what is held back has its time as well.
    pub(super) fn start_due(
        &mut self,
        agent_state: &Arc<AgentState>,
        loader: &Loader,
        clock: &Clock,
        queue: &mut Queue,
        shared: &mut Shared,
    ) {
        if self.held.as_ref().is_some_and(|held| held.until <= waking::now()) {
            log::warn!(
                "bootstrap: no bootstrap server has said in time which accounts the SIM has: sessions begin with those that are there"
            );
            self.release(&[], agent_state, queue);
        }
        if clock.waits_until().is_some() || !self.timing.begin(waking::now()) {
            return;
        }
        let surroundings = loader.surroundings();
        let (salt, patient) = (shared.random.next(), loader.running_for() < PATIENCE);
        let asking = {
            let agent_state = Arc::clone(agent_state);
            async move { bootstrap::run(&agent_state, &surroundings, salt, patient).await }
        };
        let asking = shared.hearts.watch_risky(&agent_state.crash_guard, "bootstrap".to_owned(), asking);
        base::spawn_in(&mut self.attempts, async move { asking.await? });
    }

    /// Waits until the attempt is over, or the SIM may be another one, which may make the next one due: none then.
    pub(super) async fn next_event(&mut self) -> Option<Attempt> {
        tokio::select! {
            Some(attempt) = self.attempts.join_next() => Some(attempt),
            () = self.sim.changed() => {
                self.timing.look_at_sim(waking::now() + DEBOUNCE);
                None
            }
        }
    }

    /// Takes note of an attempt that is over, as the accounts that it brought are there.
    pub(super) fn ended(
        &mut self,
        attempt: Attempt,
        agent_state: &AgentState,
        queue: &mut Queue,
        random: u32,
    ) {
        self.timing.simless = matches!(attempt, Ok(Err(BootstrapError::NoSubscriber)));
        let (problem, least) = match attempt {
            Ok(Ok(brought)) => {
                self.release(&brought.unwrap_or_default(), agent_state, queue);
                (None, None)
            }
            Ok(Err(error)) => (Some(error.to_string()), error.retry_after()),
            Err(error) => (Some(format!("internal error: {error}")), None),
        };
        let wait = self.timing.ended(problem.is_some(), least, waking::now(), random);
        if let (Some(problem), Some(wait)) = (problem, wait) {
            log::warn!(
                MESSAGE_ID = id::BOOTSTRAP_FAILED;
                "bootstrap: {problem}; next attempt in {} s", wait.as_secs()
            );
        }
    }
}

/// Warns once that the owner's accounts are served besides those of a bootstrap, which nobody renews now.
fn warn_of_mixed(agent_state: &AgentState, before: Option<&AgentState>) {
    let mixed = |agent_state: &AgentState| {
        let accounts = agent_state.tree.accounts();
        accounts.iter().any(|account| account.is_bootstrapped())
            && accounts.iter().any(|account| !account.is_bootstrapped())
    };
    if mixed(agent_state) && !before.is_some_and(mixed) {
        log::warn!(
            "bootstrap: besides the accounts of files, those that a bootstrap brought are still served; \
             no server is asked for others"
        );
    }
}
