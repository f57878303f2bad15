//! Judging: readings of alarms become what is known of them, and what servers are told, in one transaction.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::known::Kept;
use super::look::{LeafRead, LookOutcome};
use super::rule::{AlarmState, At, QUIET, Reading, Rule};
use super::{AlarmId, Alarms, AlarmsEvent, Told, schedule, told};
use crate::agent_state::AgentState;
use crate::alert::{self, Destination, Prepared};
use crate::base::OneByOne as _;
use crate::base::OrderedSet;
use crate::base::journal::id;
use crate::base::waking;
use crate::mo::alarm::Condition;
use crate::store::Change;
use crate::store::records::AlarmRecord;

/// The most alerts that go into one transaction.
const MOST_AT_ONCE: usize = 32;
/// How long alarms rest after the store has failed.
const AGAIN: Duration = Duration::from_secs(60);
/// The most leaves or elements of which an alarm knows something, those included that have gone.
const MOST_KNOWN: usize = 2048;

/// A batch of judged readings: what goes into one transaction, and what is known and told once that is on disk.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    states: Vec<(AlarmId, String, Kept)>,
    /// The lists that were looked at for the first time.
    lists: Vec<(AlarmId, String)>,
    /// The leaves that have gone.
    gone: Vec<(AlarmId, String)>,
    alerts: usize,
    told: Told,
    lines: Vec<String>,
}

impl Alarms {
    /// Judges an event, and whatever waited for its time. What servers are to hear is on disk when this
    /// returns.
    pub(crate) async fn judge(&mut self, event: AlarmsEvent, agent_state: &AgentState) -> Told {
        let at = At::now();
        if self.rests_until.is_some_and(|until| at.now >= until) {
            self.rests_until = None;
        }
        let mut told = Told::default();
        match event {
            AlarmsEvent::Sign => {}
            AlarmsEvent::Due => self.tell_what_waited(agent_state, at, &mut told).await,
            AlarmsEvent::Read(readings) => {
                let mut batch = Batch::default();
                for LeafRead { id, epoch, client_uri, reading } in readings {
                    if epoch != self.epoch {
                        continue;
                    }
                    // What is known of it is what the store has: first the one, then the other.
                    if batch.states.iter().any(|(known, place, _)| *known == id && *place == client_uri) {
                        self.commit(std::mem::take(&mut batch), agent_state, &mut told).await;
                    }
                    self.step(&id, &client_uri, Some(&reading), None, agent_state, at, &mut batch);
                    self.commit_if_full(&mut batch, agent_state, &mut told).await;
                }
                self.commit(batch, agent_state, &mut told).await;
            }
            AlarmsEvent::Looked(id, ended) => {
                let outcome =
                    ended.unwrap_or_else(|error| LookOutcome::failed(format!("internal error: {error}")));
                self.looked(&id, outcome, agent_state, at, &mut told).await;
            }
        }
        told
    }

    /// Takes note of a look that is over: elements have come or gone, and what is gone for good is forgotten.
    async fn looked(
        &mut self,
        id: &AlarmId,
        outcome: LookOutcome,
        agent_state: &AgentState,
        at: At,
        told: &mut Told,
    ) {
        self.schedule.ended(id);
        let Some(known) = self.known.get_mut(id) else { return };
        known.look = None;
        known.note(id, &outcome);
        known.pause_unseen(&outcome, at.now);
        let every = known.alarm.every.unwrap_or(schedule::EVERY);
        self.schedule.space(id, outcome.programs.then_some(every));
        if outcome.polls {
            self.schedule.appoint(id, at.now + every);
        }
        if let Some(again) = outcome.again {
            self.schedule.appoint(id, at.now + again);
        }
        if known.keys != outcome.keys && (outcome.is_whole || known.keys.is_empty()) {
            known.keys.clone_from(&outcome.keys);
            self.look_out();
        }
        let mut batch = Batch::default();
        if let Some(until) = self.rests_until {
            self.schedule.appoint(id, until);
        } else if self.is_list(id) {
            self.elements(id, &outcome, agent_state, at, &mut batch, told).await;
        } else if outcome.is_whole {
            self.forget_gone(id, &outcome, &mut batch);
        }
        self.commit(batch, agent_state, told).await;
    }

    fn is_list(&self, id: &AlarmId) -> bool {
        self.known.get(id).is_some_and(|known| known.alarm.condition == Condition::Listed)
    }

    /// Judges the elements of a list that have come, and those that have gone.
    async fn elements(
        &mut self,
        id: &AlarmId,
        outcome: &LookOutcome,
        agent_state: &AgentState,
        at: At,
        batch: &mut Batch,
        told: &mut Told,
    ) {
        let here: OrderedSet<&str> =
            outcome.places.iter().map(|place| place.client_uri.as_str()).one_by_one();
        let Some(known) = self.known.get_mut(id) else { return };
        // Who has gone, and of whom all is told, makes room.
        known.places.retain(|_, kept| !kept.state.is_over(at.now));
        let is_listed = |within: &String| outcome.listed.contains(within);
        let new: Vec<String> =
            outcome.listed.iter().filter(|list| !known.lists.contains(*list)).cloned().collect();
        let is_gone = |(client_uri, kept): (&String, &Kept)| {
            let was_here = !here.contains(client_uri.as_str());
            let within = kept.element.as_ref().is_some_and(|(_, within)| is_listed(within));
            (was_here && within && !outcome.is_cut).then(|| (client_uri.clone(), kept.element.clone()))
        };
        let gone: Vec<_> = known.places.iter().filter_map(is_gone).collect();
        for place in &outcome.places {
            let Some(element) = place.within.clone() else { continue };
            if new.contains(&element.1) {
                // What is there when a list is looked at first is no news.
                let kept = Kept { state: AlarmState::found_there(), element: Some(element) };
                batch.changes.push(Change::Alarm(id.key(&place.client_uri), kept.state.record()));
                batch.states.push((id.clone(), place.client_uri.clone(), kept));
                continue;
            }
            let there = Some(&Reading::There(true));
            self.step(id, &place.client_uri, there, Some(element), agent_state, at, batch);
            self.commit_if_full(batch, agent_state, told).await;
        }
        for (client_uri, element) in gone {
            self.step(id, &client_uri, Some(&Reading::There(false)), element, agent_state, at, batch);
            self.commit_if_full(batch, agent_state, told).await;
        }
        for list in new {
            batch.changes.push(Change::Alarm(id.key(&list), AlarmRecord::default()));
            batch.lists.push((id.clone(), list));
        }
    }

    /// Forgets leaves whose elements have gone.
    fn forget_gone(&mut self, id: &AlarmId, outcome: &LookOutcome, batch: &mut Batch) {
        let Some(known) = self.known.get_mut(id) else { return };
        let here: OrderedSet<&str> =
            outcome.places.iter().map(|place| place.client_uri.as_str()).one_by_one();
        let gone: Vec<String> =
            known.places.keys().filter(|client_uri| !here.contains(client_uri.as_str())).cloned().collect();
        for client_uri in gone {
            batch.changes.push(Change::AlarmForgotten(id.key(&client_uri)));
            batch.gone.push((id.clone(), client_uri));
        }
    }

    /// Tells what waited for its minute to be over.
    async fn tell_what_waited(&mut self, agent_state: &AgentState, at: At, told: &mut Told) {
        let mut batch = Batch::default();
        while self.rests_until.is_none()
            && let Some(first) = self.waiting.first().filter(|(then, ..)| *then <= at.now)
        {
            let (_, id, client_uri) = first.clone();
            self.waiting.pop_first();
            self.step(&id, &client_uri, None, None, agent_state, at, &mut batch);
            self.commit_if_full(&mut batch, agent_state, told).await;
        }
        self.commit(batch, agent_state, told).await;
    }

    /// Sees to it that what is held back is told at its time.
    fn waits(&mut self, id: &AlarmId, client_uri: &str, state: &AlarmState) {
        if let Some(at) = state.tells_at() {
            self.waiting.insert((at, id.clone(), client_uri.to_owned()));
        }
    }

    /// Judges one reading. What the store has to have first is put into the batch.
    #[expect(clippy::too_many_arguments, reason = "one reading, and all that it is judged by")]
    fn step(
        &mut self,
        id: &AlarmId,
        client_uri: &str,
        reading: Option<&Reading>,
        element: Option<(String, String)>,
        agent_state: &AgentState,
        at: At,
        batch: &mut Batch,
    ) {
        let Some(known) = self.known.get_mut(id) else { return };
        if let Some(until) = self.rests_until {
            self.schedule.appoint(id, until);
            return;
        }
        if !known.places.contains_key(client_uri) && known.places.len() >= MOST_KNOWN {
            // Who has gone makes room once all is told of it, and nothing tells when that is.
            if known.places.values().any(|kept| kept.state.is_away()) {
                self.schedule.appoint(id, at.now + QUIET);
            } else {
                known.say_more(id);
            }
            return;
        }
        let alarm = Arc::clone(&known.alarm);
        let rule =
            Rule { condition: &alarm.condition, hold: alarm.hold, tells_end: alarm.alert.cleared.is_some() };
        let kept = known.places.entry(client_uri.to_owned()).or_default();
        let step = kept.state.step(rule, reading, at);
        if let Some(then) = step.state.reads_at(rule) {
            self.schedule.appoint(id, then);
        }
        if !step.keep {
            kept.element = element.or(kept.element.take());
            kept.state = step.state.clone();
            self.waits(id, client_uri, &step.state);
            return;
        }
        if let Some(news) = &step.news {
            let name = element.as_ref().or(kept.element.as_ref()).map(|(name, _)| name.as_str());
            let alert = told::alert(&alarm, client_uri, name, news);
            match alert::prepare(agent_state, alert) {
                // As long as nobody may hear of it, it is not told.
                Ok(Prepared { raised, .. }) if raised.destinations.is_empty() => return,
                Ok(Prepared { raised, changes }) => {
                    batch.alerts += 1;
                    batch.changes.extend(changes);
                    batch.told.destinations.extend(raised.destinations);
                    batch.told.dropped.extend(raised.dropped);
                    batch.lines.push(format!("{client_uri}: alarm {} {}", id.name, told::shown(news, name)));
                }
                // The instance has gone meanwhile, or the store fails: the next look tells.
                Err(error) => {
                    log::debug!("{client_uri}: alarm {} is not told: {error}", id.name);
                    self.schedule.appoint(id, at.now + AGAIN);
                    return;
                }
            }
        }
        let is_gone = alarm.condition == Condition::Listed && !step.state.is_raised();
        batch.changes.push(match is_gone {
            true => Change::AlarmForgotten(id.key(client_uri)),
            false => Change::Alarm(id.key(client_uri), step.state.record()),
        });
        let element = element.or(kept.element.clone());
        batch.states.push((id.clone(), client_uri.to_owned(), Kept { state: step.state, element }));
    }

    /// Commits a batch where there is enough in it, or where what waits for a server must be counted before there is
    /// more.
    async fn commit_if_full(&mut self, batch: &mut Batch, agent_state: &AgentState, told: &mut Told) {
        let bounds = agent_state.settings.alert;
        let is_near = |destination: &Destination| {
            let waiting = agent_state.store.waiting(&destination.server_id);
            waiting.count + MOST_AT_ONCE >= bounds.max_queued
                || waiting.bytes.saturating_add(MOST_AT_ONCE << 13) >= bounds.max_bytes
        };
        if batch.alerts >= MOST_AT_ONCE || batch.told.destinations.iter().any(is_near) {
            self.commit(std::mem::take(batch), agent_state, told).await;
        }
    }

    /// Commits a batch; what is known afterwards is what the store has: where that fails, all is as it was.
    async fn commit(&mut self, batch: Batch, agent_state: &AgentState, told: &mut Told) {
        let Batch { changes, states, lists, gone, told: more, lines, .. } = batch;
        if let Err(error) = agent_state.store.commit(changes).await {
            let until = waking::now() + AGAIN;
            self.rests_until = Some(until);
            for (id, _) in lists.iter().chain(&gone) {
                self.schedule.appoint(id, until);
            }
            for (id, client_uri, _) in &states {
                self.schedule.appoint(id, until);
                let known = self.known.get(id).and_then(|known| known.places.get(client_uri));
                if let Some(at) = known.and_then(|kept| kept.state.tells_at()) {
                    self.waiting.insert((at, id.clone(), client_uri.clone()));
                }
            }
            if self.said.first() {
                log::error!(
                    MESSAGE_ID = id::ALARMS_FAILING;
                    "alarms can't be told, for the store fails ({error}): tried again each {} s", AGAIN.as_secs()
                );
            }
            return;
        }
        if !states.is_empty() {
            self.said.again();
        }
        for (id, client_uri, kept) in states {
            if let Some(known) = self.known.get_mut(&id) {
                known.places.insert(client_uri, kept);
            }
        }
        for (id, list) in lists {
            if let Some(known) = self.known.get_mut(&id) {
                known.lists.insert(list);
            }
        }
        for (id, client_uri) in gone {
            if let Some(known) = self.known.get_mut(&id) {
                known.places.remove(&client_uri);
            }
        }
        for line in lines {
            log::info!("{line}");
        }
        told.destinations.extend(more.destinations);
        told.dropped.extend(more.dropped);
    }
}

impl At {
    pub(super) fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { now: waking::now(), wall }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test writes a mapping")]
#[path = "judging/tests.rs"]
mod tests;
