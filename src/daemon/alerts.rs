//! Alerts for servers outside of their sessions: how EXECs ended, what happened on the device, and what did not fit
//! into a session's packages.

use std::time::Instant;

use super::untold::Ends;
use super::{Daemon, execs};
use crate::alarm::{AlarmsEvent, Told};
use crate::alert::{self, Destination, RaiseError, Raised};
use crate::base::waking;
use crate::exec::Finished;
use crate::package::Alert;
use crate::session::{Cause, Ended, Outcome, SessionRequest};
use crate::store::{Change, StoreError};
use crate::tree::Operator;
use crate::uri::ServerId;

impl Daemon {
    /// Reports an EXEC that ended after its command was answered: its alert waits for the server, in a session started
    /// now unless one is running, or for the destination that the command named.
    pub(super) async fn finished(&mut self, finished: Finished) {
        self.service.exec_finished(&finished.client_uri, finished.code);
        self.service.changed(["PendingAlerts"]);
        let ends = Ends::of(finished);
        match self.store(&ends).await {
            Ok(()) => self.have_told(&ends),
            Err(error) => self.keep_untold(ends, &error),
        }
    }

    /// Tries again what the store did not take, where it is time.
    pub(super) async fn tell_again(&mut self, now: Instant) {
        let Some(mut ends) = self.execs.untold.take_due(now) else { return };
        let stored = match self.agent_state.store.snapshot().and_then(|known| ends.retain_known(&known)) {
            Ok(()) => self.store(&ends).await,
            Err(error) => Err(error),
        };
        match stored {
            Ok(()) => {
                log::info!("the results of EXECs that could not be stored as alerts are stored now");
                self.have_told(&ends);
            }
            // That was said.
            Err(_) => self.execs.untold.keep(ends, waking::now(), self.shared.random.next_u32()),
        }
    }

    /// Stores the alerts that tell these ends, and all that goes with them, in one transaction.
    pub(super) async fn store(&mut self, ends: &Ends) -> Result<(), StoreError> {
        let mut changes = ends.changes.clone();
        for finished in ends.finished.values() {
            changes.extend(self.report(finished)?);
        }
        if !changes.is_empty() {
            self.agent_state.store.commit(changes).await?;
            self.execs.untold.taken(waking::now());
        }
        Ok(())
    }

    /// Asks for the sessions in which these ends are told.
    pub(super) fn have_told(&mut self, ends: &Ends) {
        for finished in ends.finished.values().filter(|finished| !Operator::is_called(&finished.server_id)) {
            let request = SessionRequest::to(&execs::destination_of(finished), Cause::Alert);
            self.sessions.queue.ask(request, waking::now());
        }
    }

    /// Keeps ends that the store did not take, until it does.
    pub(super) fn keep_untold(&mut self, ends: Ends, error: &StoreError) {
        for Finished { server_id, client_uri, code, .. } in ends.finished.values() {
            log::error!(
                OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str(), OMADM_STATUS = *code;
                "{client_uri}: its result, {code}, could not be stored as an alert for {server_id}, and is kept in memory until it can: {error}"
            );
        }
        self.execs.untold.keep(ends, waking::now(), self.shared.random.next_u32());
    }

    /// The changes that have an EXEC's end reported, in one transaction.
    pub(super) fn report(&mut self, finished: &Finished) -> Result<Vec<Change>, StoreError> {
        let Finished { number, server_id, client_uri, .. } = finished;
        // The operator hears it by a signal, if at all.
        if Operator::is_called(server_id) {
            return Ok(vec![Change::ExecEnded(*number)]);
        }
        // Whose account may come back is told then.
        if self.agent_state.peer(server_id).is_some() || self.doubt().is_some() {
            return execs::report(finished, &self.agent_state, &mut self.shared.dropped);
        }
        log::info!(OMADM_CLIENT_URI = client_uri.as_str(); "{client_uri}: EXEC for the account {server_id}, which is gone: reported to nobody");
        Ok(vec![Change::ExecEnded(*number)])
    }

    /// The changes that a session leaves to be committed. Results that no answered package has carried become alerts.
    pub(super) fn leftovers(
        &mut self,
        destination: &Destination,
        ended: Ended,
        for_good: bool,
    ) -> Vec<Change> {
        let server_id = &destination.server_id;
        let mut changes = ended.pending;
        for finished in &ended.untold {
            match self.report(finished) {
                Ok(more) => changes.extend(more),
                Err(error) => self.keep_untold(Ends::of(finished.clone()), &error),
            }
        }
        if destination.uri.is_none() {
            let gone = self.agent_state.peer(server_id).is_none();
            changes.extend(self.notifications.triggers.ended(server_id, for_good || gone));
        }
        changes
    }

    /// Asks for a session at once for alerts that did not fit into the session's packages.
    pub(super) fn follow_with_alerts(&mut self, destination: &Destination, ended: &Ended) {
        if ended.outcome == Outcome::Completed && ended.alerts_left {
            self.sessions.queue.ask(SessionRequest::to(destination, Cause::Alert), waking::now());
        }
    }

    /// Raises an alert for an event on the device: see [`alert::raise`]. Those who hear of it do so in sessions that
    /// begin now.
    ///
    /// # Errors
    /// [`RaiseError`]
    pub(super) async fn raise(&mut self, alert: Alert) -> Result<(), RaiseError> {
        let Raised { destinations, dropped } = alert::raise(&self.agent_state, alert).await?;
        self.are_raised(&destinations, &dropped);
        Ok(())
    }

    /// Something happened that alarms may have to tell of.
    pub(super) async fn judge(&mut self, event: AlarmsEvent) {
        let Told { destinations, dropped } = self.alarms.judge(event, &self.agent_state).await;
        self.are_raised(&destinations, &dropped);
    }

    /// Alerts wait for these, and some had to go for it.
    fn are_raised<'d>(
        &mut self,
        destinations: impl IntoIterator<Item = &'d Destination>,
        dropped: &[(ServerId, usize)],
    ) {
        let now = waking::now();
        self.service.changed(["PendingAlerts"]);
        for (server_id, count) in dropped {
            self.shared.dropped.tell(server_id, *count, now);
        }
        for destination in destinations {
            self.sessions.queue.ask(SessionRequest::to(destination, Cause::Alert), now);
        }
    }
}
