//! Sessions: from the queue to their task, and what is to be kept of one that has ended.

use std::sync::Arc;

use tokio::task::{Id, JoinError};

use super::{Daemon, schedule};
use crate::alert::{self, Place};
use crate::base::journal::id;
use crate::base::waking;
use crate::bearer::Choice;
use crate::session::{Again, Ended, Failure, Look, Outcome, Session, Step, Ticket};
use crate::store::Change;
use crate::transport::Binding;

impl Daemon {
    /// Begins what is due.
    pub(super) async fn start_due(&mut self) {
        self.subscriptions.start_due(&self.world, &mut self.hearts, waking::now());
        if !self.network.is_current() && self.queue.asks_for_bearer(waking::now()) {
            self.look_at_network();
        }
        let mut given_up = Vec::new();
        for step in self.steps() {
            match step {
                Step::Begin(ticket) => self.start(ticket),
                Step::Wait(ticket) => {
                    let server_id = ticket.trigger.server_id.as_str();
                    log::info!(OMADM_SERVER_ID = server_id; "{server_id}: waiting for a preferred connection type");
                }
                Step::GiveUp(ticket) => given_up.push(ticket),
            }
        }
        // What is known of the network was needed until here. What was asked for is looked at later: what comes up in
        // between is not missed.
        self.listen_to_network();
        for ticket in given_up {
            self.give_up(&ticket).await;
        }
    }

    fn steps(&mut self) -> Vec<Step> {
        let look = Look {
            choose: &|preferred| self.network.choose(preferred),
            bearer_wait: self.world.settings.session.bearer_wait,
            has_alerts: &|place| alert::is_waiting(&self.store, place).unwrap_or(true),
        };
        self.queue.due(waking::now(), &look)
    }

    fn start(&mut self, ticket: Ticket) {
        let server_id = ticket.trigger.server_id.clone();
        let Some(peer) = self.world.peer(&server_id).cloned() else {
            self.queue.ended(&ticket.place(), &Outcome::Completed, waking::now(), 0);
            return;
        };
        self.bootstrapping.look(waking::now());
        let session_id = format!("{:08x}", self.random.next_u32());
        log::info!(
            OMADM_SERVER_ID = server_id.as_str(), OMADM_SESSION_ID = session_id.as_str();
            "{server_id}: session {session_id} begins ({})", ticket.cause.name()
        );
        let place = ticket.place();
        if ticket.cause.is_notification() {
            self.triggers.began(&server_id);
        }
        let binding = match self.network.choose(&ticket.trigger.preferred) {
            Choice::Bound(interface) => Binding::Interface(interface),
            // Who has to wait has not begun.
            Choice::Any | Choice::Wait | Choice::Unknown => Binding::Any,
        };
        let session = Session {
            binding,
            world: Arc::clone(&self.world),
            peer,
            ticket,
            id: session_id,
            programs: self.programs.clone(),
            room: self.room.clone(),
            outage: self.queue.outage(&place),
            stopping: self.stopping.subscribe(),
        };
        let mut random = self.random.fork();
        let name = format!("{server_id}: session {}", session.id);
        let task = async move { session.run(&mut *random).await };
        let handle = self.sessions.spawn(self.hearts.watch(name, task));
        self.places.insert(handle.id(), place);
        let status = self.status();
        self.supervisor.status(&status);
    }

    /// None of the connection types that a notification prefers came up in time.
    async fn give_up(&mut self, ticket: &Ticket) {
        let server_id = ticket.trigger.server_id.as_str();
        log::warn!(
            MESSAGE_ID = id::SESSION_FAILED, OMADM_SERVER_ID = server_id;
            "{server_id}: no session: none of the preferred connection types came up in time"
        );
        let changes = self.triggers.forget(server_id);
        if let Err(error) = self.store.commit(changes).await {
            log::error!(OMADM_SERVER_ID = server_id; "{server_id}: a notification that is given up could not be deleted from the store ({error}): it may begin a session after a restart");
        }
    }

    /// A session is over: what follows from it, in one transaction.
    pub(super) async fn ended(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let (task, ended) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let failure = Failure::Transport(format!("internal error: {error}"));
                (error.id(), Outcome::Failed { failure, again: Again::Later }.into())
            }
        };
        let Some(place) = self.places.remove(&task) else { return };
        let now = waking::now();
        let wait = self.queue.ended(&place, &ended.outcome, now, self.random.next_u32());
        let (outcome, server_time) = (ended.outcome.clone(), ended.server_time);
        self.follow_with_alerts(&place, &ended);
        // What the agent's own end breaks off is taken up at its next start.
        let mut changes = self.settled(&place, ended, wait.is_none() && !outcome.is_stopped());
        let Place { server_id, uri } = place;
        if let Some(wait) = wait {
            log::info!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: next attempt in {} s", wait.as_secs());
        }
        // What was posted elsewhere is nothing to the account's schedule.
        if uri.is_none() {
            changes.extend(self.follow_up(&server_id, &outcome, server_time, wait.is_none()));
        }
        if let Err(error) = self.store.commit(changes).await {
            log::error!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: the outcome of the session could not be stored ({error}): after a restart, it may be repeated");
        }
        self.rest.begins(&self.store);
        let status = self.status();
        self.supervisor.status(&status);
    }

    /// What comes after a session with an account's server.
    fn follow_up(
        &mut self,
        server_id: &str,
        outcome: &Outcome,
        server_time: Option<u64>,
        no_retry: bool,
    ) -> Vec<Change> {
        let first = self.first_contact_missing(server_id);
        let completed = *outcome == Outcome::Completed;
        let changes = if completed { self.contact(server_id, first, server_time) } else { Vec::new() };
        let failed_for_good = *outcome != Outcome::Completed && no_retry;
        if let Some(peer) = self.world.peer(server_id)
            && let Some((ticket, at)) =
                schedule::after_session(peer, failed_for_good && first, waking::now(), &mut *self.random)
        {
            if failed_for_good && !outcome.is_stopped() {
                let wait = at.saturating_duration_since(waking::now());
                log::info!(OMADM_SERVER_ID = server_id; "{server_id}: next attempt in {} s", wait.as_secs());
            }
            self.queue.ask(ticket, at);
        }
        changes
    }

    fn first_contact_missing(&self, server_id: &str) -> bool {
        let contact = self.store.snapshot().and_then(|snapshot| snapshot.contact(server_id));
        contact.is_ok_and(|contact| contact.is_none())
    }

    /// What is to be remembered of a session that ended well.
    fn contact(&mut self, server_id: &str, first: bool, server_time: Option<u64>) -> Vec<Change> {
        let now = self.clock.now();
        let contact = first.then(|| Change::Contact(server_id.to_owned(), now.now));
        contact.into_iter().chain(self.clock.worth_storing(server_time).map(Change::Clock)).collect()
    }
}
