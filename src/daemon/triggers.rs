//! Triggers: notifications whose session is not over yet. Their ids are spent, so they are on disk until then: after a
//! crash the session is held all the same.

use std::time::Duration;

use super::schedule::{self, Due};
use super::taken_up::TakenUp;
use crate::agent_state::AgentState;
use crate::alert::Destination;
use crate::base::OrderedMap;
use crate::base::Random;
use crate::base::waking;
use crate::notification::Trigger;
use crate::session::{Cause, SessionRequest, risk_of_session};
use crate::store::records::trigger::{from_json, to_json};
use crate::store::{Change, StoreError, StoredTrigger};
use crate::uri::ServerId;

/// The triggers by server: the ids of those whose session is to come, and of those whose session runs.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    waiting: OrderedMap<ServerId, Vec<u16>>,
    running: OrderedMap<ServerId, Vec<u16>>,
}

impl Triggers {
    /// Notes that a notification was let in; returns the changes to be committed. `merged` is what it asks for together
    /// with those that wait already; it stands for them from now on.
    pub(super) fn admitted(&mut self, id: u16, merged: &Trigger) -> Vec<Change> {
        let server_id = &merged.server_id;
        let before = self.waiting.insert(server_id.clone(), vec![id]).unwrap_or_default();
        let mut changes: Vec<Change> = before.into_iter().map(|id| done(server_id, id)).collect();
        changes.push(Change::Trigger { server_id: server_id.clone(), id, json: to_json(merged) });
        changes
    }

    /// Takes up the triggers on disk of these servers, as the agent has started or their accounts are back. Of an
    /// account that is not there, where that is `in_doubt`, they stay.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn take_up(
        &mut self,
        of: &dyn Fn(&ServerId) -> bool,
        agent_state: &AgentState,
        in_doubt: bool,
        random: &mut dyn Random,
    ) -> Result<TakenUp, StoreError> {
        let mut taken = TakenUp::default();
        for StoredTrigger { server_id, id: number, json } in agent_state.store.snapshot()?.triggers()? {
            if !of(&server_id) {
                continue;
            }
            let trigger = from_json(&server_id, number, &json);
            let peer = agent_state.peer(&server_id);
            let (Some(trigger), Some(peer)) = (trigger, peer) else {
                if !in_doubt {
                    log::warn!(
                        OMADM_SERVER_ID = server_id.as_str();
                        "{server_id}: notification {number} is dropped: {}",
                        if peer.is_none() { "the account is gone" } else { "its record is damaged" }
                    );
                    taken.changes.push(done(&server_id, number));
                }
                continue;
            };
            // What its session has killed the agent with so often, a further one would again.
            let risk = risk_of_session(&Destination::of(&server_id));
            if agent_state.crash_guard.is_hopeless(&risk) {
                log::info!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: notification {number} is given up with its session");
                taken.changes.push(done(&server_id, number));
                continue;
            }
            let held = agent_state.crash_guard.leaves_alone(&risk).map_or(Duration::ZERO, |(_, least)| least);
            let wait = held + schedule::jitter(peer.account.schedule.jitter, random);
            log::info!(
                OMADM_SERVER_ID = server_id.as_str();
                "{server_id}: notification {number} from before the start: its session was not over"
            );
            self.found(&server_id, number);
            let request = SessionRequest { trigger, at: None, cause: Cause::Notification };
            taken.due.push(Due { request, at: waking::now() + wait });
        }
        Ok(taken)
    }

    /// Notes a trigger that was found on disk.
    fn found(&mut self, server_id: &ServerId, id: u16) {
        self.waiting.entry(server_id.clone()).or_default().push(id);
    }

    /// Notes that the session which the triggers ask for has begun.
    pub(super) fn began(&mut self, server_id: &ServerId) {
        if let Some(ids) = self.waiting.remove(server_id) {
            self.running.entry(server_id.clone()).or_default().extend(ids);
        }
    }

    /// Notes that this session is over; for good, or there will be another attempt.
    pub(super) fn ended(&mut self, server_id: &ServerId, for_good: bool) -> Vec<Change> {
        let ids = self.running.remove(server_id).unwrap_or_default();
        if for_good {
            return ids.into_iter().map(|id| done(server_id, id)).collect();
        }
        if !ids.is_empty() {
            self.waiting.entry(server_id.clone()).or_default().extend(ids);
        }
        Vec::new()
    }

    /// Forgets the triggers of an account that is gone. A session that runs with it ends by itself.
    pub(super) fn forget(&mut self, server_id: &ServerId) -> Vec<Change> {
        let ids = self.waiting.remove(server_id).unwrap_or_default();
        ids.into_iter().map(|id| done(server_id, id)).collect()
    }
}

fn done(server_id: &ServerId, id: u16) -> Change {
    Change::TriggerDone(server_id.clone(), id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bearer::ConnectionType;

    fn trigger(id: u16) -> Trigger {
        Trigger {
            server_id: "a".into(),
            notification_id: Some(id),
            preferred: vec![ConnectionType::Wireline, ConnectionType::AnyAvailable],
            req_mos: true,
            requested: vec![(3, vec![0, 0xff, 7])],
        }
    }

    fn kept(id: u16) -> Change {
        Change::Trigger { server_id: "a".into(), id, json: to_json(&trigger(id)) }
    }

    #[test]
    fn one_stands_for_all_that_wait_and_none_for_what_runs() {
        let mut triggers = Triggers::default();
        assert_eq!(triggers.admitted(1, &trigger(1)), [kept(1)]);
        triggers.began(&"a".into());
        assert_eq!(triggers.admitted(2, &trigger(2)), [kept(2)], "the first one's session runs");
        assert_eq!(triggers.admitted(3, &trigger(3)), [done(&"a".into(), 2), kept(3)]);
        assert_eq!(triggers.ended(&"a".into(), true), [done(&"a".into(), 1)]);
        triggers.began(&"a".into());
        assert_eq!(triggers.ended(&"a".into(), true), [done(&"a".into(), 3)]);
        assert_eq!(triggers.ended(&"a".into(), true), []);
    }

    #[test]
    fn a_session_that_is_tried_again_keeps_what_asked_for_it() {
        let mut triggers = Triggers::default();
        triggers.found(&"a".into(), 1);
        triggers.began(&"a".into());
        assert_eq!(triggers.ended(&"a".into(), false), []);
        triggers.began(&"a".into());
        assert_eq!(triggers.ended(&"a".into(), true), [done(&"a".into(), 1)]);
    }

    #[test]
    fn what_a_server_asked_for_goes_with_its_account() {
        let mut triggers = Triggers::default();
        triggers.found(&"a".into(), 1);
        triggers.found(&"b".into(), 1);
        assert_eq!(triggers.forget(&"a".into()), [done(&"a".into(), 1)]);
        triggers.began(&"b".into());
        assert_eq!(triggers.ended(&"b".into(), true), [done(&"b".into(), 1)]);
    }
}
