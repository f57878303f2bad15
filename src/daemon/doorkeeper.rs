//! Stands between the UDP socket and the queue: the gate, the accounts it knows, and the count of what it
//! turned away.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::Daemon;
use crate::base::journal::id;
use crate::base::waking;
use crate::config::Notification;
use crate::notification::gate::{self, Admitted, Clock, Gate, Policy, Rejected, Remembered, Verifier};
use crate::notification::package;
use crate::notification::tally::{Counts, Tally};
use crate::session::{Cause, Ticket};
use crate::store::{Change, Store, StoreError};
use crate::world::Peer;

pub(super) struct Doorkeeper {
    gate: Gate,
    verifiers: Vec<Verifier>,
    tally: Tally,
    /// Of what was let in, and is nothing new.
    merged: Tally,
}

impl Doorkeeper {
    pub(super) fn new(settings: &Notification) -> Self {
        let (tally, merged) = (Tally::default(), Tally::default());
        Self { gate: Gate::new(Policy::from(settings)), verifiers: Vec::new(), tally, merged }
    }

    pub(super) fn set_policy(&mut self, settings: &Notification) {
        self.gate.set_policy(Policy::from(settings));
    }

    /// These accounts may send notifications from now on.
    pub(super) fn know(&mut self, peers: &[Arc<Peer>]) {
        self.verifiers = peers.iter().map(|peer| Verifier::from(&*peer.account)).collect();
    }

    /// Takes back what was let in before the agent was restarted.
    pub(super) fn restore(&mut self, store: &Store) -> Result<(), StoreError> {
        for (server_id, id, time) in store.snapshot()?.notifications()? {
            self.gate.restore(Remembered { server_id, id, time });
        }
        Ok(())
    }

    /// Judges a datagram. What is turned away is counted, never answered.
    pub(super) fn receive(&mut self, datagram: &[u8], clock: Clock, now: Instant) -> Option<Admitted> {
        let judged = self.gate.admit(datagram, &self.verifiers, clock);
        judged
            .map_err(|rejected| {
                let concerned = rejected.concerned(self.gate.candidates(datagram, &self.verifiers));
                self.note(rejected, concerned, now);
            })
            .ok()
    }

    /// Judges a Package#0 that a push client delivers. Why it is turned away is counted likewise, and said to the
    /// client, by the name it is counted under.
    pub(super) fn receive_push(
        &mut self,
        package: &[u8],
        clock: Clock,
        now: Instant,
    ) -> Result<Admitted, &'static str> {
        let judged = self.gate.admit_package(package, &self.verifiers, clock);
        judged.map_err(|rejected| {
            let package = package::decode(package).ok();
            let candidates = package.and_then(|package| gate::candidates(&package, &self.verifiers));
            self.note(rejected, rejected.concerned(candidates.unwrap_or_default()), now);
            rejected.reason()
        })
    }

    fn note(&mut self, rejected: Rejected, concerned: Vec<String>, now: Instant) {
        if let Some(counts) = self.tally.note_for(rejected.reason(), concerned, now) {
            say(&counts);
        }
    }

    /// One was let in that asks for a session which waits already.
    fn note_merged(&mut self, now: Instant) {
        if let Some(counts) = self.merged.note("merged", now) {
            say_merged(&counts);
        }
    }

    /// When the next journal line about what was turned away, or was nothing new, is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.tally.due().into_iter().chain(self.merged.due()).min()
    }

    /// Writes that line if it is due.
    pub(super) fn report(&mut self, now: Instant) {
        if let Some(counts) = self.tally.take(now) {
            say(&counts);
        }
        if let Some(counts) = self.merged.take(now) {
            say_merged(&counts);
        }
    }

    /// Writes it now: the agent is about to stop.
    pub(super) fn report_all(&mut self) {
        if let Some(counts) = self.tally.rest() {
            say(&counts);
        }
        if let Some(counts) = self.merged.rest() {
            say_merged(&counts);
        }
    }
}

fn say(counts: &Counts) {
    log::warn!(
        MESSAGE_ID = id::NOTIFICATIONS_DROPPED;
        "{counts}"
    );
}

fn say_merged(counts: &Counts) {
    log::info!("{} further notifications ask for sessions that wait already", counts.total());
}

impl Daemon {
    /// A notification was let in. It is on disk before anything comes of it: a replay after a power cut is
    /// still one.
    pub(super) async fn admitted(&mut self, package: Admitted) {
        let trigger = package.trigger;
        let server_id = trigger.server_id.clone();
        let cause = if package.remember.is_some() { Cause::Notification } else { Cause::Unsigned };
        let ticket = Ticket { trigger, at: None, cause };
        if let Some(remember) = package.remember {
            let mut changes = vec![Change::Notification {
                server_id: server_id.clone(),
                id: remember.id,
                time: remember.time,
            }];
            changes.extend(
                package.forget.into_iter().map(|id| Change::ForgetNotification(server_id.clone(), id)),
            );
            changes.extend(self.triggers.admitted(remember.id, &self.queue.with_waiting(&ticket).trigger));
            if let Err(error) = self.store.commit(changes).await {
                log::error!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: notification could not be stored ({error}): after a restart, a copy of it counts as new");
            }
        }
        // Anybody may send these, as many as he likes.
        if cause == Cause::Unsigned && self.queue.notified(&ticket.place()).is_some() {
            let mut doorkeeper = self.doorkeeper.lock().unwrap_or_else(PoisonError::into_inner);
            doorkeeper.note_merged(waking::now());
        } else {
            log::info!(
                OMADM_SERVER_ID = server_id.as_str();
                "{server_id}: notification {}: let in, a session is due",
                ticket.trigger.notification_id.map_or_else(|| "without id".to_owned(), |id| id.to_string()),
            );
        }
        self.queue.ask(ticket, waking::now());
    }
}
