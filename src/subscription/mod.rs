//! Subscriptions (SUB of the approved profile): what a server has subscribed to is put to the place that it named
//! whenever it is another one than what was put there last.
//!
//! Commits to the store, changes of files and signals of D-Bus are *signs* that it may be; where none tells, it is
//! looked at every now and then. A *look* reads what the server would get, and puts it if its digest is a new one:
//! rights are those of that moment, and many changes become one.
//!
//! The store has the digest of what is there, so that nothing is lost with the power, and a start is no change. Flash
//! wears: of what changes all the time the store says that nobody knows, which at worst sends it once too often.

mod look;
mod schedule;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, JoinError};

use crate::agent_state::AgentState;
use crate::base::OneByOne as _;
use crate::base::OrderedMap;
use crate::base::Random;
use crate::base::crash_guard::Fatal;
use crate::base::heartbeat::Hearts;
use crate::base::journal;
use crate::base::said::Said;
use crate::base::tasks::Tasks;
use crate::base::waking;
use crate::package::Verb;
use crate::store::{Change, Changed, CommitWatch, Digest, NodeKey, Store, StoreError, Subscription};
use crate::uri::client::ClientUri;
use crate::watches::SourceWatches;
use look::{Look, LookEnd};
use schedule::{Ended, Schedule, SubscriptionId};

/// The least time between two commits of what is at one ServerURI, except at the end.
const KEEP_EVERY: Duration = Duration::from_secs(3600);

/// All subscriptions of all servers.
pub(crate) struct Subscriptions {
    store: Arc<Store>,
    commits: Arc<CommitWatch>,
    schedule: Schedule,
    known: OrderedMap<SubscriptionId, KnownSubscription>,
    /// The watches of what content comes from; none while there are no subscriptions.
    watches: Option<Arc<SourceWatches<SubscriptionId>>>,
    looks: Tasks<SubscriptionId, LookEnd>,
}

/// The state of one subscription, beyond what the store has.
struct KnownSubscription {
    server_uri: String,
    /// The keys that the content may be stored at or below, and what the server may do with it.
    keys: Vec<NodeKey>,
    /// The digest of content that the repository won't have.
    refused: Option<Digest>,
    /// The digest of what is there; counts where the store does not say.
    there: Option<Digest>,
    /// The time when the store was last told what is there.
    kept: Option<Instant>,
    /// Whether the journal has a line about what is wrong with it.
    said: Said,
    look: Option<AbortHandle>,
}

impl Subscriptions {
    /// Takes the subscriptions that the store has. What changed while the agent was not running is found at the first
    /// poll, at a random time: not all gateways that come back after a power cut are to come at once.
    #[must_use]
    pub(crate) fn new(agent_state: &AgentState, random: &mut dyn Random) -> Self {
        let now = waking::now();
        let poll = agent_state.settings.subscription_poll;
        let origin = now + poll.mul_f64(f64::from(random.next_u32()) / f64::from(u32::MAX));
        let mut subscriptions = Self {
            store: Arc::clone(&agent_state.store),
            commits: agent_state.store.watch_commits(),
            schedule: Schedule::new(origin, poll),
            known: OrderedMap::new(),
            watches: None,
            looks: Tasks::default(),
        };
        subscriptions.learn(agent_state, origin);
        subscriptions
    }

    /// Goes on in a new agent state. Those of an account that has been taken away end; `certain`: one that is not there
    /// has been.
    pub(crate) async fn follow(&mut self, before: &AgentState, agent_state: &AgentState, certain: bool) {
        let gone = |id: &&SubscriptionId| {
            certain && before.peer(&id.server_id).is_some() && agent_state.peer(&id.server_id).is_none()
        };
        let ended: Vec<Change> = self.known.keys().filter(gone).map(SubscriptionId::end).collect();
        if let Err(error) = self.store.commit(ended).await {
            log::error!("subscriptions of a removed account could not be deleted from the store: {error}");
        }
        let now = waking::now();
        self.schedule.set_poll(agent_state.settings.subscription_poll);
        self.learn(agent_state, now);
        for (id, known) in &mut self.known {
            known.refused = None;
            self.schedule.refresh(id, now);
        }
    }

    /// Begins the looks that are due.
    pub(crate) fn start_due(&mut self, agent_state: &Arc<AgentState>, hearts: &mut Hearts, now: Instant) {
        for id in self.schedule.due(now) {
            // An account whose file is broken, or that speaks another profile now, may come back.
            let peer =
                agent_state.peer(&id.server_id).filter(|peer| peer.account.profile.has_command(&Verb::Sub));
            let (Some(peer), Some(known)) = (peer, self.known.get_mut(&id)) else {
                self.schedule.ended(&id, Ended::Done, false, now, 0);
                continue;
            };
            let look = Look {
                agent_state: Arc::clone(agent_state),
                peer: Arc::clone(peer),
                id: id.clone(),
                refused: known.refused,
                there: known.there,
                keep: known.kept.is_none_or(|at| now.saturating_duration_since(at) >= KEEP_EVERY),
                watches: self.watches.clone(),
            };
            let name = format!("{}: the look at {} for its subscription", id.server_id, id.address());
            let there = known.there;
            let look = hearts.watch_risky(&agent_state.crash_guard, name, look.run());
            let handle = self.looks.spawn(id, async move {
                look.await.unwrap_or_else(|Fatal { again }| LookEnd {
                    result: look::LookResult::Failed {
                        why: Fatal { again }.to_string(),
                        retry_after: Some(again),
                    },
                    there,
                    polls: true,
                })
            });
            known.look = Some(handle);
        }
    }

    /// The time when a look is due next.
    #[must_use]
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.schedule.next_wake()
    }

    /// Waits for something that concerns subscriptions, and takes note of it.
    pub(crate) async fn next_event(&mut self, agent_state: &AgentState, random: &mut dyn Random) {
        tokio::select! {
            changed = self.commits.changed() => self.heard(&changed, agent_state),
            ids = SourceWatches::changed(self.watches.as_deref()) => {
                let now = waking::now();
                for id in ids {
                    self.schedule.changed(&id, now);
                }
            }
            ended = self.looks.ended() => self.ended(ended, random),
        }
    }

    /// Stops all looks: what is on its way may arrive until `deadline`; the rest is broken off.
    pub(crate) async fn stop(&mut self, deadline: tokio::time::Instant) {
        let ending = async {
            while !self.looks.is_empty() {
                if let (id, Ok(outcome)) = self.looks.ended().await
                    && let Some(known) = self.known.get_mut(&id)
                {
                    (known.look, known.there) = (None, outcome.there);
                }
            }
        };
        let _ = tokio::time::timeout_at(deadline, ending).await;
        self.looks.shutdown().await;
        if let Err(error) = self.keep().await {
            log::error!(
                "what was delivered to subscribers could not be stored ({error}): it is delivered again after the start"
            );
        }
    }

    /// Tells the store what it does not know of deliveries. Of what was broken off nobody knows it.
    async fn keep(&self) -> Result<(), StoreError> {
        let all = self.store.snapshot()?.subscriptions()?;
        let change = |stored: Subscription| {
            let Subscription { server_id, client_uri, server_uri, delivered: None } = stored else {
                return None;
            };
            let id = SubscriptionId { server_id, client_uri };
            let known =
                self.known.get(&id).filter(|known| known.look.is_none() && known.server_uri == server_uri)?;
            let SubscriptionId { server_id, client_uri } = id;
            let delivered = Some(known.there?);
            Some(Change::Delivered(Subscription { server_id, client_uri, server_uri, delivered }))
        };
        self.store.commit(all.into_iter().filter_map(change).collect()).await
    }

    fn heard(&mut self, changed: &Changed, agent_state: &AgentState) {
        let now = waking::now();
        if changed.subscriptions {
            self.learn(agent_state, now);
        }
        // Who subscribes again begins anew: whatever was refused or failed before is no more.
        for (server_id, client_uri) in &changed.subscribed {
            let id = SubscriptionId { server_id: server_id.clone(), client_uri: client_uri.clone() };
            if let Some(known) = self.known.get_mut(&id) {
                known.refused = None;
                known.said.again();
                self.schedule.refresh(&id, now);
            }
        }
        for (id, known) in &self.known {
            if known.keys.iter().any(|key| changed.nodes.contains(key)) {
                self.schedule.changed(id, now);
            }
        }
    }

    /// Reads from the store what subscriptions there are; a new one is looked at once, at `new`.
    fn learn(&mut self, agent_state: &AgentState, new: Instant) {
        let all = match self.store.snapshot().and_then(|snapshot| snapshot.subscriptions()) {
            Ok(all) => all,
            Err(error) => {
                log::error!("subscriptions can't be read from the store, and are not delivered: {error}");
                return;
            }
        };
        let now = waking::now();
        let mut before = std::mem::take(&mut self.known);
        let mut moved = Vec::new();
        for Subscription { server_id, client_uri, server_uri, .. } in all {
            let mut keys = Vec::new();
            if let (Ok(uri), Some(peer)) = (ClientUri::parse(&client_uri), agent_state.peer(&server_id)) {
                let (tree, profile) = (&agent_state.tree, peer.account.profile);
                keys.extend(
                    tree.key_of(&uri, profile).into_iter().chain(tree.rights_key(&uri.moid, profile)),
                );
            }
            let id = SubscriptionId { server_id, client_uri };
            let known = match before.remove(&id) {
                Some(known) if known.server_uri == server_uri => KnownSubscription { keys, ..known },
                other => {
                    moved.extend(other.map(|known| (id.clone(), known)));
                    KnownSubscription {
                        server_uri,
                        keys,
                        refused: None,
                        there: None,
                        kept: None,
                        said: Said::default(),
                        look: None,
                    }
                }
            };
            self.known.insert(id, known);
        }
        self.schedule.keep(&self.known.keys().cloned().one_by_one(), new, now);
        for (id, known) in moved {
            // What is on its way to the old place need not arrive there.
            self.break_off(known);
            self.schedule.ended(&id, Ended::Done, false, now, 0);
            self.schedule.refresh(&id, now);
        }
        for known in before.into_values() {
            self.break_off(known);
        }
        self.commits
            .look_out_for(self.known.values().flat_map(|known| known.keys.iter().cloned()).one_by_one());
        match &self.watches {
            _ if self.known.is_empty() => self.watches = None,
            Some(watches) => watches.keep(|id| self.known.contains_key(id)),
            None => self.watches = Some(Arc::new(SourceWatches::new("servers subscribe to"))),
        }
    }

    fn break_off(&mut self, known: KnownSubscription) {
        if let Some(look) = known.look {
            self.looks.abort(&look);
        }
    }

    fn ended(&mut self, (id, ended): (SubscriptionId, Result<LookEnd, JoinError>), random: &mut dyn Random) {
        let outcome = ended.unwrap_or_else(|error| {
            let why = format!("internal error: {error}");
            let result = look::LookResult::Failed { why, retry_after: None };
            LookEnd { result, there: None, polls: true }
        });
        let Some(known) = self.known.get_mut(&id) else { return };
        (known.look, known.there) = (None, outcome.there);
        if matches!(outcome.result, look::LookResult::Delivered { kept: true }) {
            known.kept = Some(waking::now());
        }
        let how = match &outcome.result {
            look::LookResult::Failed { retry_after, .. } => Ended::Failed(*retry_after),
            _ => Ended::Done,
        };
        let wait = self.schedule.ended(&id, how, outcome.polls, waking::now(), random.next_u32());
        known.take_note(&id, outcome.result, wait);
    }
}

impl KnownSubscription {
    /// Takes note of a look's result. What goes wrong is logged once, until it goes well again.
    fn take_note(&mut self, id: &SubscriptionId, result: look::LookResult, wait: Option<Duration>) {
        let SubscriptionId { server_id, .. } = id;
        let client_uri = id.address();
        let problem = match result {
            look::LookResult::Unchanged => {
                // What is still refused has not gone well.
                if self.refused.is_none() {
                    self.said.again();
                }
                return;
            }
            look::LookResult::Delivered { .. } => {
                log::info!(
                    OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri;
                    "{server_id}: {client_uri} has changed: put where the server wants it"
                );
                self.refused = None;
                self.said.again();
                return;
            }
            look::LookResult::Refused { content, why } => {
                self.refused = Some(content);
                format!("{why}; next attempt after the next change")
            }
            look::LookResult::Failed { why, .. } => {
                format!("{why}; next attempt in {} s", wait.unwrap_or_default().as_secs())
            }
            look::LookResult::Withheld(why) => why,
        };
        if self.said.first() {
            log::warn!(
                MESSAGE_ID = journal::id::SUBSCRIPTION_FAILING, OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri;
                "{server_id}: subscription to {client_uri}: {problem}"
            );
        }
    }
}

impl SubscriptionId {
    /// The ClientURI as the journal has it: what its query compares with may be a secret.
    fn address(&self) -> &str {
        self.client_uri.split('?').next().unwrap_or_default()
    }

    fn end(&self) -> Change {
        Change::Unsubscribe { server_id: self.server_id.clone(), client_uri: self.client_uri.clone() }
    }
}
