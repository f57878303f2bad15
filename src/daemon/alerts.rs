//! Alerts for servers outside of their sessions: how EXECs ended, what happened on the device, and what did not fit
//! into a session's packages.

use super::{Daemon, execs};
use crate::alarm::{AlarmsEvent, Told};
use crate::alert::{self, Destination, RaiseError, Raised};
use crate::base::waking;
use crate::exec::Finished;
use crate::package::Alert;
use crate::session::{Cause, Ended, Outcome, SessionRequest};
use crate::store::{Change, StoreError};
use crate::uri::ServerId;

impl Daemon {
    /// Reports an EXEC that ended after its command was answered: its alert waits for the server, in a session started
    /// now unless one is running, or for the destination that the command named.
    pub(super) async fn finished(&mut self, finished: Finished) {
        let committed = match self.report(&finished) {
            Ok(changes) => self.agent_state.store.commit(changes).await,
            Err(error) => Err(error),
        };
        let server_id = finished.server_id.as_str();
        if let Err(error) = committed {
            log::error!(OMADM_SERVER_ID = server_id; "{server_id}: the result of an EXEC could not be stored as an alert: {error}");
            return;
        }
        self.sessions
            .queue
            .ask(SessionRequest::to(&execs::destination_of(&finished), Cause::Alert), waking::now());
    }

    /// The changes that have an EXEC's end reported, in one transaction.
    pub(super) fn report(&mut self, finished: &Finished) -> Result<Vec<Change>, StoreError> {
        let Finished { number, server_id, client_uri, .. } = finished;
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
                Err(error) => {
                    log::error!(OMADM_SERVER_ID = server_id; "{server_id}: the result of an EXEC could not be stored as an alert: {error}");
                }
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
        for (server_id, count) in dropped {
            self.shared.dropped.tell(server_id, *count, now);
        }
        for destination in destinations {
            self.sessions.queue.ask(SessionRequest::to(destination, Cause::Alert), now);
        }
    }
}
