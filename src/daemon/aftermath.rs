//! What is left to do when a session, a program or the agent itself has ended: results to report, sessions to hold
//! again, and what goes with an account.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Daemon, schedule, triggers};
use crate::alert::{self, Place, RaiseError};
use crate::exec::{self, Fate, Finished, Record, Waiting};
use crate::journal::id;
use crate::package::Alert;
use crate::session::{Cause, Ended, Outcome, Ticket, attempt_with};
use crate::store::{Change, StoreError};
use crate::tree::SessionFacts;

/// Alerts that had to go are in the journal at most this often.
const SAY_EVERY: Duration = Duration::from_secs(3600);

/// How long a server is left alone, at least, that the agent has died of twice.
const FATAL_AGAIN: Duration = Duration::from_secs(3600);

/// Alerts that had to go for want of room.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    count: usize,
    said: Option<Instant>,
}

impl Dropped {
    /// Counts them; how many the journal should hear of now.
    fn note(&mut self, count: usize, now: Instant) -> Option<usize> {
        self.count += count;
        let due = self.said.is_none_or(|said| now.saturating_duration_since(said) >= SAY_EVERY);
        (due && self.count > 0).then(|| {
            self.said = Some(now);
            std::mem::take(&mut self.count)
        })
    }
}

impl Daemon {
    /// Takes up what a crash or a stop broke off: EXECs that waited or ran, and sessions.
    pub(super) async fn take_up(&mut self) {
        let taken = match self.take_up_execs() {
            Ok(changes) => self.store.commit(changes).await,
            Err(error) => Err(error),
        };
        let taken = taken.and_then(|()| self.take_up_triggers());
        let taken = match taken {
            Ok(changes) => self.store.commit(changes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            log::error!("what was going on before the start is not taken up: {error}");
        }
    }

    /// Sessions that the agent has died in twice do not begin by themselves for now: it must come up.
    pub(super) fn hold_fatal(&mut self) {
        for peer in &self.world.peers {
            let server_id = peer.account.server_id.as_str();
            if self.world.attempts.is_fatal(&attempt_with(server_id)) {
                let wait = FATAL_AGAIN + schedule::jitter(FATAL_AGAIN, &mut *self.random);
                log::error!(
                    MESSAGE_ID = id::GIVEN_UP, OMADM_SERVER_ID = server_id;
                    "{server_id}: the agent has died twice in a session with this server: none begins by itself for {} s",
                    wait.as_secs()
                );
                self.queue.hold_place(&Place::of(server_id), Instant::now() + wait);
            }
        }
    }

    fn take_up_execs(&mut self) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        let mut waiting: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
        for (number, json) in self.store.snapshot()?.execs()? {
            let Some(record) = Record::from_json(&json) else {
                log::error!("the record of an EXEC is damaged: forgotten");
                changes.push(Change::ExecEnded(number));
                continue;
            };
            let Record { server_id, client_uri, .. } = &record;
            if record.kill_left_over(self.programs.boot()) {
                log::warn!(
                    OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str();
                    "{client_uri}: the agent's death left it running: killed"
                );
            }
            if self.world.peer(server_id).is_none() {
                // The account of a file that can't be read now may come back.
                if self.world.is_sound {
                    changes.push(Change::ExecEnded(number));
                }
                continue;
            }
            let code = match record.fate(self.programs.boot()) {
                Fate::Over(code) => code,
                Fate::Start => match Waiting::found(number, record.clone(), &self.programs) {
                    Ok(found) => {
                        log::info!(
                            OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str();
                            "{client_uri}: taken up from before the start"
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
                "{client_uri}: {what} when the agent ended: {code}"
            );
            changes.extend(self.report(&record.finished(number, code))?);
        }
        for (server_id, waiting) in waiting {
            let Some(peer) = self.world.peer(&server_id) else { continue };
            let (tree, account) = (Arc::clone(&self.world.tree), Arc::clone(&peer.account));
            let rest = (self.programs.clone(), Arc::clone(&self.store));
            let stopping = self.stopping.subscribe();
            tokio::spawn(exec::run_all(waiting, tree, account, SessionFacts::default(), rest, stopping));
        }
        Ok(changes)
    }

    fn take_up_triggers(&mut self) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        for (server_id, number, json) in self.store.snapshot()?.triggers()? {
            let trigger = triggers::from_json(&server_id, number, &json);
            let peer = self.world.peer(&server_id);
            let (Some(trigger), Some(peer)) = (trigger, peer) else {
                if self.world.is_sound {
                    changes.push(Change::TriggerDone(server_id, number));
                }
                continue;
            };
            // What its session has killed the agent with twice, a third one would again.
            if self.world.attempts.is_fatal(&attempt_with(&server_id)) {
                log::error!(
                    MESSAGE_ID = id::GIVEN_UP, OMADM_SERVER_ID = server_id.as_str();
                    "{server_id}: notification {number} is given up: the agent has died twice in a session of it"
                );
                changes.push(Change::TriggerDone(server_id, number));
                continue;
            }
            let wait = schedule::jitter(peer.account.schedule.jitter, &mut *self.random);
            log::info!(
                OMADM_SERVER_ID = server_id.as_str();
                "{server_id}: notification {number} from before the start: its session was not over"
            );
            self.triggers.found(&server_id, number);
            self.queue.ask(Ticket { trigger, at: None, cause: Cause::Notification }, Instant::now() + wait);
        }
        Ok(changes)
    }

    /// An EXEC ended after its command was answered: its alert waits for the server, in a session started now
    /// unless one is running, or for the place that the command named.
    pub(super) async fn finished(&mut self, finished: Finished) {
        let committed = match self.report(&finished) {
            Ok(changes) => self.store.commit(changes).await,
            Err(error) => Err(error),
        };
        let server_id = finished.server_id.as_str();
        if let Err(error) = committed {
            log::error!(OMADM_SERVER_ID = server_id; "{server_id}: alert not kept: {error}");
            return;
        }
        self.queue.ask(Ticket::to(&place_of(&finished), Cause::Alert), Instant::now());
    }

    /// What it takes to have an EXEC's end reported, in one transaction.
    pub(super) fn report(&mut self, finished: &Finished) -> Result<Vec<Change>, StoreError> {
        let Finished { number, server_id, client_uri, .. } = finished;
        let mut changes = vec![Change::ExecEnded(*number)];
        if self.world.peer(server_id).is_some() {
            let kept = alert::keep(&self.store, &place_of(finished), &alert::of_exec(finished))?;
            changes.extend(kept.changes);
            self.note_dropped(kept.dropped);
        } else {
            log::info!(OMADM_CLIENT_URI = client_uri.as_str(); "{client_uri}: the account {server_id} is gone: reported to nobody");
        }
        Ok(changes)
    }

    /// What a session leaves to be committed. Results that no answered package has carried become alerts.
    pub(super) fn settled(&mut self, place: &Place, ended: Ended, for_good: bool) -> Vec<Change> {
        let server_id = place.server_id.as_str();
        let mut changes = ended.settled;
        for finished in &ended.untold {
            match self.report(finished) {
                Ok(more) => changes.extend(more),
                Err(error) => {
                    log::error!(OMADM_SERVER_ID = server_id; "{server_id}: alert not kept: {error}");
                }
            }
        }
        if place.uri.is_none() {
            let gone = self.world.peer(server_id).is_none();
            changes.extend(self.triggers.ended(server_id, for_good || gone));
        }
        changes
    }

    /// Alerts that did not fit into the session's packages follow at once.
    pub(super) fn follow_with_alerts(&mut self, place: &Place, ended: &Ended) {
        if ended.outcome == Outcome::Completed && ended.alerts_left {
            self.queue.ask(Ticket::to(place, Cause::Alert), Instant::now());
        }
    }

    /// An event on the device: see [`alert::raise`]. Those who hear of it do so in sessions that begin now.
    ///
    /// # Errors
    /// [`RaiseError`]
    pub(super) async fn raise(&mut self, alert: Alert) -> Result<(), RaiseError> {
        let raised = alert::raise(&self.world, alert).await?;
        self.note_dropped(raised.dropped);
        for place in &raised.places {
            self.queue.ask(Ticket::to(place, Cause::Alert), Instant::now());
        }
        Ok(())
    }

    fn note_dropped(&mut self, count: usize) {
        if let Some(count) = self.dropped.note(count, Instant::now()) {
            log::warn!("{count} alerts had to go: more wait for their servers than are kept");
        }
    }

    /// What waits for servers whose accounts are gone need not. What runs for them ends by itself.
    pub(super) async fn forget(&mut self, gone: &[String]) {
        if gone.is_empty() {
            return;
        }
        let mut changes: Vec<Change> =
            gone.iter().flat_map(|server_id| self.triggers.forget(server_id)).collect();
        let alerts = alert::forget(&self.store, |server_id| gone.iter().any(|gone| gone == server_id));
        let forgotten = match alerts {
            Ok(alerts) => {
                changes.extend(alerts);
                self.store.commit(changes).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = forgotten {
            log::error!("what waits for accounts that are gone is still there: {error}");
        }
    }

    /// Alerts for accounts that were removed while the agent was not running.
    pub(super) async fn forget_unknown(&mut self) {
        let places = if self.world.is_sound { alert::places(&self.store) } else { Ok(Vec::new()) };
        let unknown = places.unwrap_or_default().into_iter().map(|place| place.server_id);
        let unknown: Vec<String> = unknown.filter(|server_id| self.world.peer(server_id).is_none()).collect();
        self.forget(&unknown).await;
    }
}

fn place_of(finished: &Finished) -> Place {
    Place { server_id: finished.server_id.clone(), uri: finished.report_to.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_had_to_go_is_said_at_once_and_then_once_an_hour() {
        let now = Instant::now();
        let mut dropped = Dropped::default();
        assert_eq!(dropped.note(0, now), None);
        assert_eq!(dropped.note(1, now), Some(1));
        assert_eq!(dropped.note(2, now + SAY_EVERY / 2), None);
        assert_eq!(dropped.note(3, now + SAY_EVERY), Some(5));
    }
}
