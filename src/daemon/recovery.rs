//! What is left to do when a session, a program or the agent itself has ended: results to report, sessions to hold
//! again, and what goes with an account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Daemon, schedule};
use crate::alert::{self, Destination, RaiseError};
use crate::base::attempts;
use crate::base::journal::id;
use crate::base::waking;
use crate::exec::{self, AfterSession, Fate, Finished, Waiting};
use crate::package::Alert;
use crate::session::{Cause, Ended, Outcome, SessionRequest, attempt_with};
use crate::store::records::{ExecRecord, trigger};
use crate::store::{Change, StoreError, StoredTrigger};
use crate::tree::SessionFacts;
use crate::uri::client::ClientUri;

impl Daemon {
    /// Takes up what a crash or a stop broke off: EXECs that waited or ran, and sessions.
    pub(super) async fn take_up(&mut self) {
        let taken = match self.take_up_execs(None) {
            Ok((changes, _)) => self.agent_state.store.commit(changes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            log::error!(
                "EXECs from before the start can't be read from the store, or written, and are not resumed: {error}"
            );
        }
        let taken = match self.take_up_triggers(|_| true) {
            Ok(changes) => self.agent_state.store.commit(changes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            log::error!(
                "notifications from before the start can't be read from the store, or written: their sessions are not resumed, or again at the next start: {error}"
            );
        }
    }

    /// Sessions that the agent has died in twice do not begin by themselves for now: it must come up. Each destination stands
    /// for itself: an URI that a server has named for reports may answer what the server itself does not.
    pub(super) fn hold_fatal(&mut self, of: impl Fn(&str) -> bool) {
        let own = self.agent_state.peers.iter().map(|peer| Destination::of(&peer.account.server_id));
        let elsewhere = alert::destinations(&self.agent_state.store).unwrap_or_default();
        let destinations: BTreeSet<Destination> =
            own.chain(elsewhere).filter(|destination| of(&destination.server_id)).collect();
        for destination in destinations {
            if self.agent_state.attempts.is_fatal(&attempt_with(&destination)) {
                let wait = attempts::AGAIN + schedule::jitter(attempts::AGAIN, &mut *self.shared.random);
                let server_id = destination.server_id.as_str();
                log::error!(
                    MESSAGE_ID = id::GIVEN_UP, OMADM_SERVER_ID = server_id;
                    "{server_id}: the agent has died twice in a session with {}: none begins by itself for {} s",
                    if destination.uri.is_none() { "this server" } else { "an URI that this server has named" },
                    wait.as_secs()
                );
                self.sessions.queue.hold_fatal(&destination, waking::now() + wait);
            }
        }
    }

    /// Takes up these EXECs; at the start all that are there. Whose account or object may come back is left for then.
    /// Returns also where there is a result to be told.
    fn take_up_execs(
        &mut self,
        these: Option<&BTreeSet<u64>>,
    ) -> Result<(Vec<Change>, Vec<Destination>), StoreError> {
        let (mut changes, mut told) = (Vec::new(), Vec::new());
        let doubt = self.doubt();
        let mut waiting: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
        for (number, json) in self.agent_state.store.snapshot()?.execs()? {
            if these.is_some_and(|these| !these.contains(&number)) {
                continue;
            }
            let Some(record) = ExecRecord::from_json(&json) else {
                log::error!(
                    "the record of an EXEC is damaged: it is deleted, and no server is told how the EXEC ended"
                );
                changes.push(Change::ExecEnded(number));
                continue;
            };
            let ExecRecord { server_id, client_uri, .. } = &record;
            if these.is_none() && record.kill_left_over(self.execs.exec_slots.boot()) {
                log::warn!(
                    OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str();
                    "{client_uri}: the agent's death left it running: killed"
                );
            }
            if self.agent_state.peer(server_id).is_none() {
                // The account of a file that can't be read now may come back.
                if doubt.is_none() {
                    log::warn!(
                        OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str();
                        "{client_uri}: EXEC for the account {server_id}, which is gone: reported to nobody"
                    );
                    changes.push(Change::ExecEnded(number));
                } else {
                    self.execs.left.insert(number);
                }
                continue;
            }
            let fate = record.fate(self.execs.exec_slots.boot());
            // So may the object.
            if fate == Fate::Start && doubt.is_some() && !self.has_object(client_uri) {
                self.execs.left.insert(number);
                continue;
            }
            let code = match fate {
                Fate::Over(code) => code,
                Fate::Start if self.agent_state.attempts.is_fatal(&exec::attempt(number)) => {
                    log::error!(
                        MESSAGE_ID = id::GIVEN_UP, OMADM_CLIENT_URI = client_uri.as_str();
                        "{client_uri}: the agent has died twice executing it: given up"
                    );
                    500
                }
                Fate::Start => match Waiting::found(number, record.clone(), &self.execs.exec_slots) {
                    Ok(found) => {
                        log::info!(
                            OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str();
                            "{client_uri}: EXEC from before the start: begun now"
                        );
                        waiting.entry(server_id.clone()).or_default().push(found);
                        continue;
                    }
                    Err(_) => 500,
                },
            };
            let what = match record.code {
                Some(_) => "its result was not told yet",
                None => "it was being executed",
            };
            log::warn!(
                OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str(), OMADM_STATUS = code;
                "{client_uri}: {what} when the agent ended: {code} is reported to {server_id}"
            );
            let finished = record.finished(number, code);
            changes.extend(self.report(&finished)?);
            told.push(destination_of(&finished));
        }
        for (server_id, waiting) in waiting {
            let Some(peer) = self.agent_state.peer(&server_id) else { continue };
            let after = AfterSession {
                tree: Arc::clone(&self.agent_state.tree),
                store: Arc::clone(&self.agent_state.store),
                account: Arc::clone(&peer.account),
                session: SessionFacts::default(),
                exec_slots: self.execs.exec_slots.clone(),
                attempts: Arc::clone(&self.agent_state.attempts),
                stopping: self.shared.stopping.subscribe(),
            };
            tokio::spawn(after.run(waiting));
        }
        Ok((changes, told))
    }

    /// Why an account that is not there may not have been removed; none where it has been.
    pub(super) fn doubt(&self) -> Option<String> {
        self.watching.doubt(&self.agent_state, &self.clock)
    }

    fn has_object(&self, client_uri: &str) -> bool {
        let uri = ClientUri::parse(client_uri);
        uri.is_ok_and(|uri| self.agent_state.tree.objects_of(&uri.moid).next().is_some())
    }

    /// Accounts are there that were not, or objects may be: what waits for them is taken up.
    pub(super) async fn take_up_for(&mut self, back: &[String]) {
        self.take_up_left().await;
        if back.is_empty() {
            return;
        }
        self.hold_fatal(|server_id| back.iter().any(|back| back == server_id));
        let taken = match self.take_up_triggers(|server_id| back.iter().any(|back| back == server_id)) {
            Ok(changes) => self.agent_state.store.commit(changes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            log::error!(
                "accounts are back, but notifications that waited for them can't be read from the store, or written: {error}"
            );
        }
    }

    /// EXECs that the start has left.
    async fn take_up_left(&mut self) {
        let left = std::mem::take(&mut self.execs.left);
        if left.is_empty() {
            return;
        }
        let taken = match self.take_up_execs(Some(&left)) {
            Ok((changes, told)) => self.agent_state.store.commit(changes).await.map(|()| told),
            Err(error) => Err(error),
        };
        match taken {
            Ok(told) => {
                for destination in told {
                    self.sessions.queue.ask(SessionRequest::to(&destination, Cause::Alert), waking::now());
                }
            }
            Err(error) => {
                log::error!(
                    "EXECs from before the start can't be read from the store, or written, and are tried at the next reload: {error}"
                );
                self.execs.left.extend(left);
            }
        }
    }

    fn take_up_triggers(&mut self, of: impl Fn(&str) -> bool) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        let doubt = self.doubt();
        for StoredTrigger { server_id, id: number, json } in self.agent_state.store.snapshot()?.triggers()? {
            if !of(&server_id) {
                continue;
            }
            let trigger = trigger::from_json(&server_id, number, &json);
            let peer = self.agent_state.peer(&server_id);
            let (Some(trigger), Some(peer)) = (trigger, peer) else {
                if doubt.is_none() {
                    log::warn!(
                        OMADM_SERVER_ID = server_id.as_str();
                        "{server_id}: notification {number} is dropped: {}",
                        if peer.is_none() { "the account is gone" } else { "its record is damaged" }
                    );
                    changes.push(Change::TriggerDone(server_id, number));
                }
                continue;
            };
            // What its session has killed the agent with twice, a third one would again.
            if self.agent_state.attempts.is_fatal(&attempt_with(&Destination::of(&server_id))) {
                log::info!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: notification {number} is given up with its session");
                changes.push(Change::TriggerDone(server_id, number));
                continue;
            }
            let wait = schedule::jitter(peer.account.schedule.jitter, &mut *self.shared.random);
            log::info!(
                OMADM_SERVER_ID = server_id.as_str();
                "{server_id}: notification {number} from before the start: its session was not over"
            );
            self.notifications.triggers.found(&server_id, number);
            self.sessions
                .queue
                .ask(SessionRequest { trigger, at: None, cause: Cause::Notification }, waking::now() + wait);
        }
        Ok(changes)
    }

    /// An EXEC ended after its command was answered: its alert waits for the server, in a session started now
    /// unless one is running, or for the destination that the command named.
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
        self.sessions.queue.ask(SessionRequest::to(&destination_of(&finished), Cause::Alert), waking::now());
    }

    /// What it takes to have an EXEC's end reported, in one transaction.
    pub(super) fn report(&mut self, finished: &Finished) -> Result<Vec<Change>, StoreError> {
        let Finished { number, server_id, client_uri, .. } = finished;
        let mut changes = vec![Change::ExecEnded(*number)];
        if self.agent_state.peer(server_id).is_some() || self.doubt().is_some() {
            let bounds = self.agent_state.settings.alert;
            let kept = alert::keep_within(
                &self.agent_state.store,
                &destination_of(finished),
                &alert::of_exec(finished),
                bounds,
            )?;
            changes.extend(kept.changes);
            self.note_dropped(server_id, kept.dropped);
        } else {
            log::info!(OMADM_CLIENT_URI = client_uri.as_str(); "{client_uri}: EXEC for the account {server_id}, which is gone: reported to nobody");
        }
        Ok(changes)
    }

    /// What a session leaves to be committed. Results that no answered package has carried become alerts.
    pub(super) fn settled(&mut self, destination: &Destination, ended: Ended, for_good: bool) -> Vec<Change> {
        let server_id = destination.server_id.as_str();
        let mut changes = ended.settled;
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

    /// Alerts that did not fit into the session's packages follow at once.
    pub(super) fn follow_with_alerts(&mut self, destination: &Destination, ended: &Ended) {
        if ended.outcome == Outcome::Completed && ended.alerts_left {
            self.sessions.queue.ask(SessionRequest::to(destination, Cause::Alert), waking::now());
        }
    }

    /// An event on the device: see [`alert::raise`]. Those who hear of it do so in sessions that begin now.
    ///
    /// # Errors
    /// [`RaiseError`]
    pub(super) async fn raise(&mut self, alert: Alert) -> Result<(), RaiseError> {
        let raised = alert::raise(&self.agent_state, alert).await?;
        for (server_id, count) in &raised.dropped {
            self.note_dropped(server_id, *count);
        }
        for destination in &raised.destinations {
            self.sessions.queue.ask(SessionRequest::to(destination, Cause::Alert), waking::now());
        }
        Ok(())
    }

    fn note_dropped(&mut self, server_id: &str, count: usize) {
        if let Some(count) = self.execs.dropped.note(server_id, count, waking::now()) {
            log::warn!(
                MESSAGE_ID = id::ALERTS_DROPPED, OMADM_SERVER_ID = server_id;
                "{server_id}: dropped {count} queued alert{}: queue full (alert.max-queued, alert.max-bytes)",
                if count == 1 { "" } else { "s" }
            );
        }
    }

    /// What waits for servers whose accounts are gone need not. What runs for them ends by itself.
    pub(super) async fn forget(&mut self, gone: &[String]) {
        if gone.is_empty() {
            return;
        }
        if let Some(doubt) = self.doubt() {
            log::warn!(
                "{}: the accounts are not there, but {doubt}: what waits for them stays: alerts, notifications, EXECs",
                gone.join(", ")
            );
            return;
        }
        self.say_forgotten(gone);
        let mut changes: Vec<Change> =
            gone.iter().flat_map(|server_id| self.notifications.triggers.forget(server_id)).collect();
        let alerts =
            alert::forget(&self.agent_state.store, |server_id| gone.iter().any(|gone| gone == server_id));
        let forgotten = match alerts {
            Ok(alerts) => {
                changes.extend(alerts);
                self.agent_state.store.commit(changes).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = forgotten {
            log::error!(
                "alerts and notifications of removed accounts could not be deleted from the store: {error}"
            );
        }
    }

    fn say_forgotten(&self, gone: &[String]) {
        for server_id in gone {
            let alerts = self.agent_state.store.waiting(server_id).count;
            if alerts > 0 {
                log::warn!(
                    OMADM_SERVER_ID = server_id.as_str();
                    "{server_id}: dropped {alerts} queued alert{}: the account is gone",
                    if alerts == 1 { "" } else { "s" }
                );
            }
        }
    }

    /// Alerts for accounts that were removed while the agent was not running.
    pub(super) async fn forget_unknown(&mut self) {
        let destinations = alert::destinations(&self.agent_state.store)
            .unwrap_or_default()
            .into_iter()
            .map(|destination| destination.server_id);
        let unknown: BTreeSet<String> =
            destinations.filter(|server_id| self.agent_state.peer(server_id).is_none()).collect();
        self.forget(&unknown.into_iter().collect::<Vec<_>>()).await;
        self.watching.remember(&self.agent_state, &self.clock).await;
    }
}

fn destination_of(finished: &Finished) -> Destination {
    Destination { server_id: finished.server_id.clone(), uri: finished.report_to.clone() }
}
