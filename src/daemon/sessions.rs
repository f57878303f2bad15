//! Running sessions: from the queue to their task, and what is to be kept of one that has ended.

use std::sync::Arc;

use tokio::task::JoinError;
use tokio::time::timeout_at;

use super::history::{self, History};
use super::network::{Event, Network};
use super::schedule::Due;
use super::shared::Shared;
use super::triggers::Triggers;
use super::untold::Ends;
use super::{Daemon, schedule};
use crate::agent_state::AgentState;
use crate::alert::{self, Destination};
use crate::backend::Bus;
use crate::base::OneByOne as _;
use crate::base::OrderedSet;
use crate::base::Progress;
use crate::base::Random;
use crate::base::journal::id;
use crate::base::tasks::Tasks;
use crate::base::waking;
use crate::bearer::Choice;
use crate::command::DataBudget;
use crate::config::MeteredLinks;
use crate::exec::ExecSlots;
use crate::service::Service;
use crate::session::{
    Again, Circumstances, Ended, MeteredCircumstances, Outcome, Queue, Session, SessionFailure,
    SessionRequest, Step, risk_of_session,
};
use crate::store::Change;
use crate::transport::Binding;
use crate::uri::ServerId;

/// The sessions that wait, those that run, and the network that they wait for.
#[derive(Default)]
pub(super) struct Sessions {
    pub(super) queue: Queue,
    pub(super) history: History,
    /// The servers with whom a session was asked for by D-Bus, and whose next session is told of stage by stage.
    pub(super) followed: OrderedSet<ServerId>,
    /// The tasks of running sessions, by whom each is with.
    tasks: Tasks<Destination, Ended>,
    network: Network,
    /// The budget of what their packages hold in memory.
    budget: DataBudget,
}

/// An event of sessions.
pub(super) enum SessionsEvent {
    /// A session is over.
    Ended((Destination, Result<Ended, JoinError>)),
    /// The network has news.
    Network(Event),
}

/// The sessions that have begun, and those that were given up.
#[derive(Default)]
pub(super) struct Begun {
    /// Whether any session has begun.
    pub(super) any: bool,
    /// The requests for which no preferred connection type came up in time.
    pub(super) given_up: Vec<SessionRequest>,
}

impl Sessions {
    /// Begins the sessions that are due.
    pub(super) fn start_due(
        &mut self,
        agent_state: &Arc<AgentState>,
        exec_slots: &ExecSlots,
        triggers: &mut Triggers,
        service: &Service,
        shared: &mut Shared,
    ) -> Begun {
        let now = waking::now();
        let bus = &agent_state.tree.machine().bus;
        let keeps_off = agent_state.settings.session.metered == MeteredLinks::NoSchedule;
        let must_know = !self.network.is_current() && self.queue.asks_for_bearer(now, keeps_off);
        if must_know || self.network.due().is_some_and(|due| due <= now) {
            self.network.look(bus, &mut shared.hearts);
        }
        let mut begun = Begun::default();
        for step in self.steps(agent_state) {
            match step {
                Step::Begin(request) => {
                    begun.any |= self.start(request, agent_state, exec_slots, triggers, service, shared);
                }
                Step::Wait(request) => {
                    let server_id = request.trigger.server_id.as_str();
                    log::info!(OMADM_SERVER_ID = server_id; "{server_id}: waiting for a preferred connection type");
                }
                Step::WaitMetered(request) => {
                    let server_id = request.trigger.server_id.as_str();
                    let most = agent_state.settings.session.metered_wait.as_secs();
                    log::info!(OMADM_SERVER_ID = server_id; "{server_id}: the scheduled session waits, {most} s at most, as the link is metered (session.metered); another link, or whatever else asks for a session, ends that");
                }
                Step::EndWait(request) => {
                    let server_id = request.trigger.server_id.as_str();
                    log::warn!(OMADM_SERVER_ID = server_id; "{server_id}: the scheduled session goes over a metered link: no other one came up in time (session.metered-wait)");
                }
                Step::GiveUp(request) => begun.given_up.push(request),
            }
        }
        // What is known of the network was needed until here. What was asked for is looked at later: what comes up in
        // between is not missed.
        self.network.follow(&self.queue, bus, &mut shared.hearts);
        begun
    }

    fn steps(&mut self, agent_state: &AgentState) -> Vec<Step> {
        let settings = &agent_state.settings.session;
        let metered = MeteredCircumstances {
            leaves_metered: &|| self.network.leaves_metered(),
            wait: settings.metered_wait,
        };
        let circumstances = Circumstances {
            choose: &|preferred| self.network.choose(preferred),
            bearer_wait: settings.bearer_wait,
            metered: (settings.metered == MeteredLinks::NoSchedule).then_some(metered),
            has_alerts: &|destination| alert::is_waiting(&agent_state.store, destination).unwrap_or(true),
        };
        self.queue.due(waking::now(), &circumstances)
    }

    /// Begins a session; false where its account is gone.
    fn start(
        &mut self,
        request: SessionRequest,
        agent_state: &Arc<AgentState>,
        exec_slots: &ExecSlots,
        triggers: &mut Triggers,
        service: &Service,
        shared: &mut Shared,
    ) -> bool {
        let server_id = request.trigger.server_id.clone();
        let Some(peer) = agent_state.peer(&server_id).cloned() else {
            self.queue.ended(&request.destination(), &Outcome::Completed, waking::now(), 0);
            return false;
        };
        let session_id = format!("{:08x}", shared.random.next_u32());
        log::info!(
            OMADM_SERVER_ID = server_id.as_str(), OMADM_SESSION_ID = session_id.as_str();
            "{server_id}: session {session_id} begins ({})", request.cause.name()
        );
        let destination = request.destination();
        let is_followed = destination.uri.is_none() && self.followed.remove(&server_id);
        let progress = match is_followed {
            true => service.progress(server_id.as_str(), &session_id),
            false => Progress::default(),
        }
        .watched();
        progress.tell("session", format_args!("{session_id} begins"));
        self.history.began(&destination, &session_id, request.cause, progress.clone());
        if request.cause.is_notification() {
            triggers.began(&server_id);
        }
        let binding = match self.network.choose(&request.trigger.preferred) {
            Choice::Bound(interface) => Binding::Interface(interface.name),
            // Who has to wait has not begun.
            Choice::Any | Choice::Wait | Choice::Unknown => Binding::Any,
        };
        let session = Session {
            binding,
            agent_state: Arc::clone(agent_state),
            peer,
            request,
            id: session_id,
            exec_slots: exec_slots.clone(),
            budget: self.budget.clone(),
            outage: self.queue.outage(&destination),
            alert_bound: self.queue.alert_bound(&destination),
            progress,
            stopping: shared.stopping.subscribe(),
        };
        let mut random = shared.random.fork();
        let name = format!("{server_id}: session {}", session.id);
        let task = async move { session.run(&mut *random).await };
        self.tasks.spawn(destination, shared.hearts.watch(name, task));
        true
    }

    /// Asks for these sessions.
    pub(super) fn ask(&mut self, due: impl IntoIterator<Item = Due>) {
        due.into_iter().for_each(|Due { request, at }| self.queue.ask(request, at));
    }

    /// Holds back sessions that the agent has died in twice, so that they do not begin by themselves for now: it must
    /// come up. Each destination stands for itself: an URI that a server has named for reports may answer what the
    /// server itself does not.
    pub(super) fn hold_fatal(
        &mut self,
        of: &dyn Fn(&ServerId) -> bool,
        agent_state: &AgentState,
        random: &mut dyn Random,
    ) {
        let own = agent_state.peers.iter().map(|peer| Destination::of(&peer.account.server_id));
        let elsewhere = alert::destinations(&agent_state.store).unwrap_or_default();
        let destinations: OrderedSet<Destination> =
            own.chain(elsewhere).filter(|destination| of(&destination.server_id)).one_by_one();
        for destination in destinations {
            if let Some((deaths, least)) =
                agent_state.crash_guard.leaves_alone(&risk_of_session(&destination))
            {
                let wait = least + schedule::jitter(least, random);
                let server_id = destination.server_id.as_str();
                log::error!(
                    MESSAGE_ID = id::GIVEN_UP, OMADM_SERVER_ID = server_id;
                    "{server_id}: the agent has died {deaths} times in a session with {}: none begins by itself for {} s",
                    if destination.uri.is_none() { "this server" } else { "an URI that this server has named" },
                    wait.as_secs()
                );
                self.queue.hold_fatal(&destination, waking::now() + wait);
            }
        }
    }

    /// The time when a session is due, or what it waits for is looked at again.
    pub(super) fn next_wake(&self) -> Option<std::time::Instant> {
        self.queue.next_wake().into_iter().chain(self.network.due()).min()
    }

    /// Waits until a session is over, or something about the network is new.
    pub(super) async fn next_event(&mut self) -> SessionsEvent {
        tokio::select! {
            ended = self.tasks.ended() => SessionsEvent::Ended(ended),
            event = self.network.event() => SessionsEvent::Network(event),
        }
    }

    /// Takes note of something about the network.
    pub(super) fn network_event(&mut self, event: Event, bus: &Arc<Bus>, shared: &mut Shared) {
        self.network.take_note(event, &mut self.queue, bus, shared);
    }

    /// The next session that is over until `deadline`, once all have been told to end.
    pub(super) async fn last(
        &mut self,
        deadline: tokio::time::Instant,
    ) -> Option<(Destination, Result<Ended, JoinError>)> {
        if self.tasks.is_empty() {
            return None;
        }
        let ended = timeout_at(deadline, self.tasks.ended()).await.ok();
        if ended.is_none() {
            log::warn!(
                "a server's change takes too long to wait for: interrupted, to be rolled back at the next start"
            );
        }
        ended
    }

    /// Breaks off the sessions that are left.
    pub(super) async fn stop(&mut self) {
        self.tasks.shutdown().await;
    }
}

impl Daemon {
    /// Begins the sessions that are due.
    pub(super) async fn start_sessions(&mut self) {
        let Self { sessions, agent_state, execs, notifications, service, shared, .. } = self;
        let triggers = &mut notifications.triggers;
        let begun = sessions.start_due(agent_state, &execs.exec_slots, triggers, service, shared);
        if begun.any {
            self.bootstrapping.look(waking::now());
            self.tell_status();
        }
        for request in begun.given_up {
            self.give_up(&request).await;
        }
    }

    /// Gives up a notification's session, as none of the connection types that it prefers came up in time.
    async fn give_up(&mut self, request: &SessionRequest) {
        let server_id = &request.trigger.server_id;
        log::warn!(
            MESSAGE_ID = id::SESSION_FAILED, OMADM_SERVER_ID = server_id;
            "{server_id}: no session: none of the preferred connection types came up in time"
        );
        let changes = self.notifications.triggers.forget(server_id);
        if let Err(error) = self.agent_state.store.commit(changes).await {
            log::error!(OMADM_SERVER_ID = server_id; "{server_id}: a notification that is given up could not be deleted from the store ({error}): it may begin a session after a restart");
        }
    }

    /// Takes note of a session that is over: what follows from it is in one transaction.
    pub(super) async fn ended(&mut self, (destination, ended): (Destination, Result<Ended, JoinError>)) {
        let ended = ended.unwrap_or_else(|error| {
            let failure = SessionFailure::Internal(error.to_string());
            Outcome::Failed { failure, again: Again::Later }.into()
        });
        let id = self.sessions.history.ended(&destination, &ended);
        let told = history::outcome(&ended.outcome);
        self.service.session_ended(destination.server_id.as_str(), &id, &told);
        let now = waking::now();
        // A session is as it was when it began: its account may be gone by now, or another one.
        let is_gone = self.sessions.queue.is_gone(&destination)
            || self.agent_state.peer(&destination.server_id).is_none();
        if is_gone {
            self.sessions.history.keep(|server_id| *server_id != destination.server_id);
        }
        self.sessions.queue.learn_alert_bound(&destination, ended.alert_bound);
        let wait =
            self.sessions.queue.ended(&destination, &ended.outcome, now, self.shared.random.next_u32());
        let (outcome, server_time) = (ended.outcome.clone(), ended.server_time);
        if !is_gone {
            self.follow_with_alerts(&destination, &ended);
        }
        let ends = Ends::of_session(&ended);
        // What the agent's own end breaks off is taken up at its next start.
        let mut changes = self.leftovers(&destination, ended, wait.is_none() && !outcome.is_stopped());
        let Destination { server_id, uri } = destination;
        if let Some(wait) = wait
            && !is_gone
        {
            log::info!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: next attempt in {} s", wait.as_secs());
        }
        // What was posted elsewhere is nothing to the account's schedule; and what is gone has none.
        if uri.is_none() && !is_gone {
            changes.extend(self.follow_up(&server_id, &outcome, server_time, wait.is_none()));
        }
        if let Err(error) = self.agent_state.store.commit(changes).await {
            log::error!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: the outcome of the session could not be stored ({error}): after a restart, it may be repeated");
            self.keep_untold(ends, &error);
        }
        self.shared.memory_release.begins(&self.agent_state.store);
        self.tell_status();
    }

    /// Follows up a session with an account's server.
    fn follow_up(
        &mut self,
        server_id: &ServerId,
        outcome: &Outcome,
        server_time: Option<u64>,
        no_retry: bool,
    ) -> Vec<Change> {
        let first = self.first_contact_missing(server_id);
        let completed = *outcome == Outcome::Completed;
        let changes = if completed { self.contact(server_id, first, server_time) } else { Vec::new() };
        let failed_for_good = *outcome != Outcome::Completed && no_retry;
        if let Some(peer) = self.agent_state.peer(server_id)
            && let Some(due) = schedule::after_session(
                peer,
                failed_for_good && first,
                waking::now(),
                &mut *self.shared.random,
            )
        {
            if failed_for_good && !outcome.is_stopped() {
                let wait = due.at.saturating_duration_since(waking::now());
                log::info!(OMADM_SERVER_ID = server_id; "{server_id}: next attempt in {} s", wait.as_secs());
            }
            self.sessions.ask(Some(due));
        } else if failed_for_good && !outcome.is_stopped() {
            log::info!(OMADM_SERVER_ID = server_id; "{server_id}: not tried again by itself: a notification, an alert or `omadmctl session start` begins the next session");
        }
        changes
    }

    fn first_contact_missing(&self, server_id: &ServerId) -> bool {
        let contact = self.agent_state.store.snapshot().and_then(|snapshot| snapshot.contact(server_id));
        contact.is_ok_and(|contact| contact.is_none())
    }

    /// The changes that remember a session that ended well: the first one, and one a day, so that flash is spared.
    fn contact(&mut self, server_id: &ServerId, first: bool, server_time: Option<u64>) -> Vec<Change> {
        const DAY: u64 = 24 * 60 * 60;
        let now = self.clock.now();
        let known = self.agent_state.store.snapshot().and_then(|snapshot| snapshot.contact(server_id));
        let is_old = |known: u64| now.now.saturating_sub(known) >= DAY;
        let is_kept = first || known.is_ok_and(|known| known.is_some_and(is_old));
        let contact = is_kept.then(|| Change::Contact(server_id.to_owned(), now.now));
        contact.into_iter().chain(self.clock.worth_storing(server_time).map(Change::Clock)).collect()
    }
}
