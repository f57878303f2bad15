//! One look at what an alarm watches.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::AlarmId;
use super::rule::Reading;
use crate::agent_state::AgentState;
use crate::backend::Seen;
use crate::base;
use crate::config::Account;
use crate::mo::ManagementObject;
use crate::mo::alarm::{Alarm, Condition};
use crate::store::NodeKey;
use crate::tree::{Principal, SessionFacts, TreeError, Watched, WatchedNode};
use crate::watches::{Finding, SourceWatches};

/// The number of leaves of an alarm that are read at a time: one whose source hangs keeps none of the others waiting.
const AT_A_TIME: usize = 8;

/// A look at what an alarm watches: what it takes to run one.
pub(super) struct Look {
    pub(super) agent_state: Arc<AgentState>,
    /// The account on whose behalf it is read: one that may read the object.
    pub(super) account: Arc<Account>,
    pub(super) id: AlarmId,
    /// The epoch that the readings are of: those of an older one count no more.
    pub(super) epoch: u64,
    pub(super) object: Arc<ManagementObject>,
    pub(super) alarm: Arc<Alarm>,
    pub(super) watches: Arc<SourceWatches<AlarmId>>,
    pub(super) readings: mpsc::Sender<LeafRead>,
}

/// The reading of one leaf.
#[derive(Debug)]
pub(crate) struct LeafRead {
    pub(super) id: AlarmId,
    pub(super) epoch: u64,
    pub(super) client_uri: String,
    pub(super) reading: Reading,
}

/// The outcome of a look: what there is, and what could not be read.
#[derive(Debug, Default)]
pub(crate) struct LookOutcome {
    /// The leaves or elements that there are.
    pub(super) places: Vec<AlarmPlace>,
    /// The nodes whose elements could be listed, where the alarm is about a list.
    pub(super) listed: Vec<String>,
    /// Whether `places` is all that there are.
    pub(super) is_whole: bool,
    /// Whether there are more than are watched.
    pub(super) is_cut: bool,
    /// Whether nothing tells of some of the changes there, so that it is looked at every now and then.
    pub(super) polls: bool,
    /// Whether programs are asked that something tells of: not at each of its words, which may be many.
    pub(super) programs: bool,
    /// The keys in the store whose commits are signs for the alarm.
    pub(super) keys: Vec<NodeKey>,
    /// Why something could not be read.
    pub(super) failed: Option<String>,
    /// How long something is left alone yet that the agent has died of.
    pub(super) again: Option<Duration>,
}

/// What went wrong while leaves were read.
#[derive(Debug, Default)]
struct Trouble {
    failed: Option<String>,
    again: Option<Duration>,
}

/// A place that an alarm watches: a leaf, or an element of a list.
#[derive(Debug)]
pub(crate) struct AlarmPlace {
    pub(super) client_uri: String,
    /// The name of an element, and the ClientURI of the node that it is in; none for a leaf.
    pub(super) within: Option<(String, String)>,
}

impl Look {
    pub(super) async fn run(self) -> LookOutcome {
        match self.look().await {
            Ok(outcome) => outcome,
            Err(error) => LookOutcome::failed(error.to_string()),
        }
    }

    /// The name of reading all leaves, for the crash guard.
    pub(super) fn name(&self) -> String {
        format!("{}: the look for its alarm {}", self.id.moid, self.id.name)
    }

    async fn look(&self) -> Result<LookOutcome, TreeError> {
        let search = format!("{}: the search for what its alarm {} watches", self.id.moid, self.id.name);
        let found = Arc::clone(&self.agent_state.crash_guard).run_risky(search, self.follow()).await;
        let (watched, told) = match found {
            Ok(found) => found?,
            Err(fatal) => {
                return Ok(LookOutcome {
                    again: Some(fatal.again),
                    ..LookOutcome::failed(fatal.to_string())
                });
            }
        };
        let mut outcome = LookOutcome {
            places: watched.nodes.iter().map(AlarmPlace::of).collect(),
            listed: watched.listed,
            is_whole: watched.failed.is_none() && !watched.is_cut && !watched.is_away,
            is_cut: watched.is_cut,
            // Who could not be listed may come to be so without a word.
            polls: !told || watched.failed.is_some(),
            programs: watched.programs,
            keys: watched.keys,
            failed: watched.failed,
            again: None,
        };
        if self.alarm.condition != Condition::Listed {
            let trouble = self.read(watched.nodes).await;
            outcome.polls |= trouble.failed.is_some();
            outcome.failed = outcome.failed.or(trouble.failed);
            outcome.again = trouble.again;
        }
        Ok(outcome)
    }

    /// Finds and watches what there is now; returns it, and whether all of its changes will be told.
    async fn follow(&self) -> Result<(Watched, bool), TreeError> {
        let tree = &self.agent_state.tree;
        let principal = self.principal();
        let find = || -> Finding<'_, Watched, TreeError> {
            Box::pin(async {
                let mut watched = tree.watched(&self.object, &self.alarm, &principal).await?;
                let dependencies = std::mem::take(&mut watched.dependencies);
                Ok((watched, dependencies))
            })
        };
        self.watches.follow(&self.id, &tree.machine().bus, find).await
    }

    /// Reads the leaves, unless the agent dies of it; where it did, which of many leaves it dies of is found out.
    async fn read(&self, nodes: Vec<WatchedNode>) -> Trouble {
        let (guard, name) = (&self.agent_state.crash_guard, self.name());
        if nodes.len() != 1 && guard.is_suspect(&name) {
            let trouble = self.read_all(nodes, true).await;
            if trouble.again.is_none() {
                guard.forgive(&name);
            }
            return trouble;
        }
        let read = Arc::clone(guard).run_risky(name, self.read_all(nodes, false)).await;
        read.unwrap_or_else(|fatal| Trouble { failed: Some(fatal.to_string()), again: Some(fatal.again) })
    }

    /// Reads the leaves, and hands each reading over. `each`: each is risky by itself.
    async fn read_all(&self, nodes: Vec<WatchedNode>, each: bool) -> Trouble {
        let (mut nodes, mut running, mut trouble) = (nodes.into_iter(), JoinSet::new(), Trouble::default());
        let seen = Arc::<Seen>::default();
        loop {
            while running.len() < AT_A_TIME
                && let Some(watched) = nodes.next()
            {
                let (agent_state, account) = (Arc::clone(&self.agent_state), Arc::clone(&self.account));
                let (alarm, seen) = (Arc::clone(&self.alarm), Arc::clone(&seen));
                base::spawn_in(&mut running, async move {
                    let principal = Principal { account: &account, session: SessionFacts::default() };
                    let read = agent_state.tree.compare(&watched.node, &alarm.condition, &principal, &seen);
                    let read = if each {
                        let name = format!("{}: reading it for its alarm {}", watched.client_uri, alarm.name);
                        Arc::clone(&agent_state.crash_guard).run_risky(name, read).await
                    } else {
                        Ok(read.await)
                    };
                    (watched.client_uri, read)
                });
            }
            match running.join_next().await {
                None => return trouble,
                Some(Ok((client_uri, read))) => {
                    let reading = match read {
                        Ok(Ok(comparison)) => Reading::Leaf(comparison),
                        Ok(Err(error)) => trouble.failed(error.to_string()),
                        Err(fatal) => {
                            let again = trouble.again.unwrap_or(fatal.again);
                            trouble.again = Some(again.min(fatal.again));
                            trouble.failed(fatal.to_string())
                        }
                    };
                    let read = LeafRead { id: self.id.clone(), epoch: self.epoch, client_uri, reading };
                    // Without a receiver the agent is about to end.
                    let _ = self.readings.send(read).await;
                }
                Some(Err(error)) => trouble.failed = Some(format!("internal error: {error}")),
            }
        }
    }

    fn principal(&self) -> Principal<'_> {
        Principal { account: &self.account, session: SessionFacts::default() }
    }
}

impl Trouble {
    /// Notes why a leaf could not be read.
    fn failed(&mut self, why: String) -> Reading {
        self.failed = Some(why);
        Reading::Unread
    }
}

impl LookOutcome {
    /// The outcome of a look that found out nothing.
    pub(super) fn failed(why: String) -> Self {
        Self { polls: true, failed: Some(why), ..Self::default() }
    }
}

impl AlarmPlace {
    fn of(watched: &WatchedNode) -> Self {
        let within = watched.within.clone().map(|within| (watched.name(), within));
        Self { client_uri: watched.client_uri.clone(), within }
    }
}
