//! Alarms (`[alarm.NAME]` of a mapping): what servers are told without having asked for it.
//!
//! Commits to the store, changes of files and signals of D-Bus are *signs* that something may be to tell; where none
//! tells, it is looked at every now and then. A *look* finds the leaves or elements there are, and reads them: each
//! reading, with what is known of its leaf and the time, says what is known now, and perhaps what servers are to hear
//! (`rule`). That alert and what is known are one transaction: whatever ends the agent, servers hear of each turn once.
//!
//! What can't be read tells nothing: it neither raises an alarm nor ends one.

mod judging;
mod known;
mod look;
mod rule;
mod schedule;
mod told;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinError;

use crate::agent_state::{AgentState, Peer};
use crate::alert::Destination;
use crate::base::OneByOne as _;
use crate::base::heartbeat::Hearts;
use crate::base::said::Said;
use crate::base::tasks::Tasks;
use crate::base::waking;
use crate::base::{OrderedMap, OrderedSet};
use crate::mo::ManagementObject;
use crate::store::{AlarmKey, Change, CommitWatch, StoreError};
use crate::tree::{Principal, SessionFacts};
use crate::uri::{Moid, ServerId};
use crate::watches::SourceWatches;
use known::{Known, kind};
use look::{LeafRead, Look, LookOutcome};
use rule::At;
use schedule::Schedule;

/// The most readings that wait to be judged.
const MOST_READINGS: usize = 64;

/// The id of an alarm: its object, and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AlarmId {
    moid: Moid,
    name: String,
}

/// The alarms of all objects: what is known of each, and when each is looked at.
pub(crate) struct Alarms {
    schedule: Schedule,
    known: OrderedMap<AlarmId, Known>,
    /// The watches of what values come from; none while there are no alarms.
    watches: Option<Arc<SourceWatches<AlarmId>>>,
    commits: Arc<CommitWatch>,
    looks: Tasks<AlarmId, LookOutcome>,
    readings: mpsc::Receiver<LeafRead>,
    reads: mpsc::Sender<LeafRead>,
    /// The number of reloads so far: readings of before the last one count no more.
    epoch: u64,
    /// The news that wait for their minute to be over: until when, of which alarm, and of which leaf or element.
    waiting: OrderedSet<(Instant, AlarmId, String)>,
    /// Until when alarms rest, as the store has failed.
    rests_until: Option<Instant>,
    /// Whether the journal has a line about the store having failed.
    said: Said,
}

/// An event that may be to tell, which [`Alarms::judge`] takes.
pub(crate) enum AlarmsEvent {
    /// A sign of a change: something is to be looked at, and nothing to be told yet.
    Sign,
    /// News have waited for long enough.
    Due,
    /// Leaves were read.
    Read(Vec<LeafRead>),
    /// A look is over.
    Looked(AlarmId, Result<LookOutcome, JoinError>),
}

/// The destinations that are to hear of what alarms told, and the alerts that were dropped for it.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) destinations: OrderedSet<Destination>,
    pub(crate) dropped: Vec<(ServerId, usize)>,
}

impl Alarms {
    /// Makes the alarms of an agent state; what servers were told of them is read from the store.
    pub(crate) fn new(agent_state: &AgentState) -> Self {
        let (reads, readings) = mpsc::channel(MOST_READINGS);
        let mut alarms = Self {
            schedule: Schedule::default(),
            known: OrderedMap::new(),
            watches: None,
            commits: agent_state.store.watch_commits(),
            looks: Tasks::default(),
            readings,
            reads,
            epoch: 0,
            waiting: OrderedSet::new(),
            rests_until: None,
            said: Said::default(),
        };
        alarms.learn(agent_state);
        alarms
    }

    /// Has the alarms go on in a new agent state. What is known of alarms that stay, stays; what is known of others is
    /// forgotten where it is `certain` that they have gone.
    pub(crate) async fn follow(&mut self, agent_state: &AgentState, certain: bool) {
        self.epoch += 1;
        self.learn(agent_state);
        self.forget_unknown(agent_state, certain).await;
    }

    /// Forgets what is known of alarms that are no more, where it is `certain` that they have gone.
    pub(crate) async fn forget_unknown(&self, agent_state: &AgentState, certain: bool) {
        if !certain || !agent_state.has_all_objects {
            return;
        }
        if let Err(error) = self.sweep(agent_state).await {
            log::error!("what was told by removed alarms could not be deleted from the store: {error}");
        }
    }

    /// Begins the looks that are due.
    pub(crate) fn start_due(&mut self, agent_state: &Arc<AgentState>, hearts: &mut Hearts, now: Instant) {
        for id in self.schedule.due(now) {
            let (Some(known), Some(watches)) = (self.known.get_mut(&id), &self.watches) else { continue };
            // Whom nobody hears need not be watched. Who comes makes a new agent state.
            let Some(peer) = listener(agent_state, &known.object) else {
                self.schedule.ended(&id);
                continue;
            };
            let look = Look {
                agent_state: Arc::clone(agent_state),
                account: Arc::clone(&peer.account),
                id: id.clone(),
                epoch: self.epoch,
                object: Arc::clone(&known.object),
                alarm: Arc::clone(&known.alarm),
                watches: Arc::clone(watches),
                readings: self.reads.clone(),
            };
            let name = look.name();
            let look = hearts.watch(name, look.run());
            known.look = Some(self.looks.spawn(id, look));
        }
    }

    /// The time when a look, or news that wait, are due next.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let waited =
            self.waiting.first().map(|(at, ..)| self.rests_until.map_or(*at, |until| until.max(*at)));
        [self.schedule.next_wake(), waited].into_iter().flatten().min()
    }

    /// Whether news that were held back have waited for long enough.
    pub(crate) fn have_waited(&self, now: Instant) -> bool {
        let is_over = |at: &Instant| *at <= now && self.rests_until.is_none_or(|until| until <= now);
        self.waiting.first().is_some_and(|(at, ..)| is_over(at))
    }

    /// Waits for something that concerns alarms. Whoever stops waiting loses nothing.
    pub(crate) async fn next_event(&mut self) -> AlarmsEvent {
        tokio::select! {
            Some(first) = self.readings.recv() => {
                let mut all = vec![first];
                while all.len() < MOST_READINGS && let Ok(next) = self.readings.try_recv() {
                    all.push(next);
                }
                AlarmsEvent::Read(all)
            }
            (id, ended) = self.looks.ended() => AlarmsEvent::Looked(id, ended),
            changed = self.commits.changed() => {
                let now = waking::now();
                for (id, known) in &self.known {
                    if known.keys.iter().any(|key| changed.nodes.contains(key)) {
                        self.schedule.changed(id, now);
                    }
                }
                AlarmsEvent::Sign
            }
            ids = SourceWatches::changed(self.watches.as_deref()) => {
                let now = waking::now();
                for id in ids {
                    self.schedule.changed(&id, now);
                }
                AlarmsEvent::Sign
            }
        }
    }

    /// Stops the component: a look can be broken off at any time.
    pub(crate) async fn stop(&mut self) {
        self.looks.shutdown().await;
    }

    /// Takes the alarms that there are now; each is looked at.
    fn learn(&mut self, agent_state: &AgentState) {
        let (mut before, mut new) = (std::mem::take(&mut self.known), OrderedSet::new());
        for object in agent_state.tree.objects() {
            for alarm in &object.alarms {
                let id = AlarmId { moid: object.moid.clone(), name: alarm.name.clone() };
                let mut known = before.remove(&id).unwrap_or_else(|| {
                    new.insert(id.clone());
                    Known::new(object, alarm)
                });
                // Of another kind of alarm nothing is known.
                if kind(&known.alarm.condition) != kind(&alarm.condition) {
                    (known.places, known.lists) = (HashMap::new(), OrderedSet::new());
                }
                (known.object, known.alarm) = (Arc::clone(object), Arc::new(alarm.clone()));
                self.break_off(&id, &mut known);
                // Another profile's object may have the same MOID and alarm: one of the two is watched.
                self.known.insert(id, known);
            }
        }
        for (id, mut known) in before {
            self.break_off(&id, &mut known);
        }
        self.schedule.keep(&self.known.keys().cloned().one_by_one(), waking::now());
        for (id, known) in &self.known {
            self.schedule.asks(id, known.alarm.asks(&known.object));
        }
        match &self.watches {
            _ if self.known.is_empty() => self.watches = None,
            Some(watches) => watches.keep(|id| self.known.contains_key(id)),
            None => self.watches = Some(Arc::new(SourceWatches::new("alarms depend on"))),
        }
        self.look_out();
        if !new.is_empty() {
            self.remember(agent_state, &new);
        }
    }

    fn break_off(&mut self, id: &AlarmId, known: &mut Known) {
        if let Some(look) = known.look.take() {
            self.looks.abort(&look);
            self.schedule.ended(id);
        }
    }

    /// Reads from the store what servers were told by the `new` alarms.
    fn remember(&mut self, agent_state: &AgentState, new: &OrderedSet<AlarmId>) {
        let all = match agent_state.store.snapshot().and_then(|snapshot| snapshot.alarms()) {
            Ok(all) => all,
            Err(error) => {
                log::error!(
                    "what alarms have told can't be read from the store: servers may hear of it twice: {error}"
                );
                return;
            }
        };
        let at = At::now();
        for (AlarmKey { moid, name, client_uri }, record) in all {
            let id = AlarmId { moid, name };
            let Some(known) = self.known.get_mut(&id).filter(|_| new.contains(&id)) else { continue };
            known.take(client_uri, &record, at);
        }
    }

    async fn sweep(&self, agent_state: &AgentState) -> Result<(), StoreError> {
        let all = agent_state.store.snapshot()?.alarms()?;
        let gone = all.into_iter().map(|(key, _)| key).filter(|key| {
            let id = AlarmId { moid: key.moid.clone(), name: key.name.clone() };
            let is_known = |known: &Known| {
                known.places.contains_key(&key.client_uri) || known.lists.contains(&key.client_uri)
            };
            !self.known.get(&id).is_some_and(is_known)
        });
        agent_state.store.commit(gone.map(Change::AlarmForgotten).collect()).await
    }

    fn look_out(&self) {
        self.commits
            .look_out_for(self.known.values().flat_map(|known| known.keys.iter().cloned()).one_by_one());
    }
}

impl AlarmId {
    fn key(&self, client_uri: &str) -> AlarmKey {
        AlarmKey { moid: self.moid.clone(), name: self.name.clone(), client_uri: client_uri.to_owned() }
    }
}

/// The first server that may know of the object, on whose behalf it is looked at.
fn listener<'a>(agent_state: &'a AgentState, object: &ManagementObject) -> Option<&'a Arc<Peer>> {
    agent_state.peers.iter().find(|peer| {
        let principal = Principal { account: &peer.account, session: SessionFacts::default() };
        principal.sees(object)
    })
}
