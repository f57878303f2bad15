//! Notifications: the sockets they come by, the gate that judges them, the count of what it turned away, and those
//! whose session is not over yet.

use std::sync::Arc;
use std::time::Instant;

use tokio::net::UdpSocket;

use super::clock::Clock;
use super::triggers::Triggers;
use crate::agent_state::AgentState;
use crate::base::journal::id;
use crate::base::waking;
use crate::notification::gate::{self, Admitted, Gate, Policy, Rejected, Remembered, Verifier};
use crate::notification::listener::Listener;
use crate::notification::package;
use crate::notification::tally::{Counts, Tally};
use crate::session::{Cause, Queue, SessionRequest};
use crate::store::{Change, SeenNotification, Store, StoreError};

/// The handling of notifications, from the socket to the queue of sessions.
pub(super) struct Notifications {
    listener: Listener,
    gate: Gate,
    verifiers: Vec<Verifier>,
    tally: Tally,
    /// The count of notifications that were let in, and are nothing new.
    merged: Tally,
    pub(super) triggers: Triggers,
}

impl Notifications {
    /// Makes the component of these sockets. What was let in before the agent was restarted is no news.
    pub(super) fn new(sockets: Vec<UdpSocket>, agent_state: &AgentState) -> Result<Self, StoreError> {
        let mut gate = Gate::new(Policy::from(&agent_state.settings.notification));
        for SeenNotification { server_id, id, time } in agent_state.store.snapshot()?.notifications()? {
            gate.restore(Remembered { server_id, id, time });
        }
        let mut notifications = Self {
            listener: Listener::new(sockets),
            gate,
            verifiers: Vec::new(),
            tally: Tally::default(),
            merged: Tally::default(),
            triggers: Triggers::default(),
        };
        notifications.know(agent_state);
        Ok(notifications)
    }

    /// The addresses listened on, in words.
    pub(super) fn addresses(&self) -> String {
        let addresses = self.listener.addresses().map(|address| format!("UDP {address}"));
        addresses.collect::<Vec<_>>().join(", ")
    }

    /// Goes on in a new agent state, under its policy.
    pub(super) fn follow(&mut self, agent_state: &AgentState) {
        self.gate.set_policy(Policy::from(&agent_state.settings.notification));
        self.know(agent_state);
    }

    /// Takes the accounts of this agent state, which may send notifications from now on.
    fn know(&mut self, agent_state: &AgentState) {
        self.verifiers = agent_state.peers.iter().map(|peer| Verifier::from(&*peer.account)).collect();
    }

    /// Waits for a datagram that is let in; or for one that is turned away, if a journal line has become due by it:
    /// none then. What is turned away is counted, never answered.
    pub(super) async fn next_event(&mut self, clock: &Clock) -> Option<Admitted> {
        let Self { listener, gate, verifiers, tally, .. } = self;
        let judge = |datagram: &[u8]| match gate.admit(datagram, verifiers, clock.now()) {
            Ok(admitted) => Some(Some(admitted)),
            Err(rejected) => {
                let (before, concerned) =
                    (tally.due(), rejected.concerned(gate.candidates(datagram, verifiers)));
                note(tally, rejected, concerned, waking::now());
                (tally.due() != before).then_some(None)
            }
        };
        listener.next(judge).await
    }

    /// Judges a Package#0 that a push client delivers. Why it is turned away is counted likewise, and said to the
    /// client, by the name it is counted under.
    pub(super) fn receive_push(&mut self, package: &[u8], clock: &Clock) -> Result<Admitted, &'static str> {
        let judged = self.gate.admit_package(package, &self.verifiers, clock.now());
        judged.map_err(|rejected| {
            let package = package::decode(package).ok();
            let candidates = package.and_then(|package| gate::candidates(&package, &self.verifiers));
            let concerned = rejected.concerned(candidates.unwrap_or_default());
            note(&mut self.tally, rejected, concerned, waking::now());
            rejected.reason()
        })
    }

    /// Takes a notification that was let in. It is on disk before anything comes of it: a replay after a power cut is
    /// still one.
    pub(super) async fn admit(&mut self, package: Admitted, queue: &mut Queue, store: &Arc<Store>) {
        let trigger = package.trigger;
        let server_id = trigger.server_id.clone();
        let cause = if package.remember.is_some() { Cause::Notification } else { Cause::Unproven };
        let request = SessionRequest { trigger, at: None, cause };
        if let Some(remember) = package.remember {
            let mut changes = vec![Change::Notification {
                server_id: server_id.clone(),
                id: remember.id,
                time: remember.time,
            }];
            changes.extend(
                package.forget.into_iter().map(|id| Change::ForgetNotification(server_id.clone(), id)),
            );
            changes.extend(self.triggers.admitted(remember.id, &queue.with_waiting(&request).trigger));
            if let Err(error) = store.commit(changes).await {
                log::error!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: notification could not be stored ({error}): after a restart, a copy of it counts as new");
            }
        }
        // Anybody may send these, as many as he likes.
        if cause == Cause::Unproven && queue.notified(&request.destination()).is_some() {
            if let Some(counts) = self.merged.note("merged", waking::now()) {
                say_merged(&counts);
            }
        } else {
            log::info!(
                OMADM_SERVER_ID = server_id.as_str();
                "{server_id}: notification {}: let in, a session is due",
                request.trigger.notification_id.map_or_else(|| "without id".to_owned(), |id| id.to_string()),
            );
        }
        queue.ask(request, waking::now());
    }

    /// The time when the next journal line is due about what was turned away, or was nothing new.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.tally.due().into_iter().chain(self.merged.due()).min()
    }

    /// Writes the journal line about dropped notifications, if it is due.
    pub(super) fn report(&mut self, now: Instant) {
        if let Some(counts) = self.tally.take(now) {
            say(&counts);
        }
        if let Some(counts) = self.merged.take(now) {
            say_merged(&counts);
        }
    }

    /// Writes the journal line about dropped notifications now: the agent is about to stop.
    pub(super) fn stop(&mut self) {
        if let Some(counts) = self.tally.rest() {
            say(&counts);
        }
        if let Some(counts) = self.merged.rest() {
            say_merged(&counts);
        }
    }
}

fn note(tally: &mut Tally, rejected: Rejected, concerned: Vec<String>, now: Instant) {
    if let Some(counts) = tally.note_for(rejected.reason(), concerned, now) {
        say(&counts);
    }
}

fn say(counts: &Counts) {
    // Networks repeat datagrams, and so do servers: nobody need do anything about that.
    let level =
        if counts.is_only(Rejected::Duplicate.reason()) { log::Level::Info } else { log::Level::Warn };
    log::log!(
        level, MESSAGE_ID = id::NOTIFICATIONS_DROPPED;
        "{counts}"
    );
}

fn say_merged(counts: &Counts) {
    log::info!("{} further notifications ask for sessions that wait already", counts.total());
}
