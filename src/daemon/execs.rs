//! EXECs that outlive their session.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::dropped::Dropped;
use super::shared::Shared;
use super::untold::{Ends, Untold};
use crate::agent_state::AgentState;
use crate::alert::{self, Destination};
use crate::base;
use crate::base::boot_id;
use crate::base::journal::id;
use crate::base::stopping;
use crate::base::waking;
use crate::base::{AtomicU64, OrderedMap, OrderedSet};
use crate::exec::{self, AfterSession, ExecSlots, Fate, Finished, QueuedExec};
use crate::store::records::ExecRecord;
use crate::store::{Change, StoreError};
use crate::tree::{Operator, SessionFacts};
use crate::uri::ServerId;
use crate::uri::client::ClientUri;

/// The EXECs that the agent executes beyond the session whose command each was.
pub(super) struct Execs {
    pub(super) exec_slots: ExecSlots,
    ended: mpsc::UnboundedReceiver<Finished>,
    /// The EXECs from before the start whose account or object may come back.
    pub(super) left: OrderedSet<u64>,
    /// The ends that the store did not take yet.
    pub(super) untold: Untold,
}

impl Execs {
    /// Makes the component, with nothing running; numbers go on from those in the store. `time_floor` is the latest
    /// time known.
    pub(super) fn new(agent_state: &Arc<AgentState>, time_floor: Arc<AtomicU64>) -> Result<Self, StoreError> {
        let next =
            agent_state.store.snapshot()?.execs()?.last().map_or(0, |(last, _)| last.saturating_add(1));
        let (told, ended) = mpsc::unbounded_channel();
        let exec_slots = ExecSlots::new(told, &boot_id(), next, time_floor);
        exec_slots.follow(agent_state);
        Ok(Self { exec_slots, ended, left: OrderedSet::new(), untold: Untold::default() })
    }

    /// Waits until an EXEC has ended.
    pub(super) async fn next_event(&mut self) -> Finished {
        match self.ended.recv().await {
            Some(finished) => finished,
            None => std::future::pending().await,
        }
    }

    /// Takes up, at the start, all EXECs that the store has; returns what is to be told of them. What waits for an
    /// account or an object that may come back, where their absence is `in_doubt`, is left for then.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn take_up(
        &mut self,
        agent_state: &Arc<AgentState>,
        in_doubt: bool,
        shared: &Shared,
    ) -> Result<Ends, StoreError> {
        self.exec_slots.heed(shared.stopping.subscribe());
        self.take_up_these(None, agent_state, in_doubt, shared)
    }

    /// Takes up the EXECs that were left: accounts are there that were not, or objects may be. None of them is left any
    /// more, unless it is still in doubt: what has begun is never taken up a second time.
    ///
    /// # Errors
    /// The store's: then none was taken up.
    pub(super) fn take_up_left(
        &mut self,
        agent_state: &Arc<AgentState>,
        in_doubt: bool,
        shared: &Shared,
    ) -> Result<Ends, StoreError> {
        let left = std::mem::take(&mut self.left);
        if left.is_empty() {
            return Ok(Ends::default());
        }
        let taken = self.take_up_these(Some(&left), agent_state, in_doubt, shared);
        if taken.is_err() {
            self.left = left;
        }
        taken
    }

    /// Takes up the EXECs of these numbers; none: all, as the agent has just started.
    fn take_up_these(
        &mut self,
        these: Option<&OrderedSet<u64>>,
        agent_state: &Arc<AgentState>,
        in_doubt: bool,
        shared: &Shared,
    ) -> Result<Ends, StoreError> {
        let mut taken = Ends::default();
        let mut waiting: OrderedMap<ServerId, Vec<QueuedExec>> = OrderedMap::new();
        for (number, json) in agent_state.store.snapshot()?.execs()? {
            if these.is_some_and(|these| !these.contains(&number)) {
                continue;
            }
            let Some(record) = ExecRecord::from_json(&json) else {
                log::error!(
                    "the record of an EXEC is damaged: it is deleted, and no server is told how the EXEC ended"
                );
                taken.changes.push(Change::ExecEnded(number));
                continue;
            };
            if these.is_none() {
                self.kill_left_over(&record);
            }
            match self.next(number, &record, agent_state, in_doubt) {
                Next::Leave => drop(self.left.insert(number)),
                Next::Forget => taken.changes.push(Change::ExecEnded(number)),
                Next::Begin(found) => waiting.entry(record.server_id).or_default().push(*found),
                Next::Tell(code) => {
                    taken.finished.insert(number, record.finished(number, code));
                }
            }
        }
        for (server_id, waiting) in waiting {
            let Some(account) = agent_state.account_of(&server_id) else { continue };
            let of_operator = Operator::is_called(&server_id);
            let after = AfterSession {
                agent_state: Arc::clone(agent_state),
                account,
                session: if of_operator { Operator::session() } else { SessionFacts::default() },
                exec_slots: self.exec_slots.clone(),
                stopping: shared.stopping.subscribe(),
            };
            base::spawn(after.run(waiting));
        }
        Ok(taken)
    }

    fn kill_left_over(&self, record: &ExecRecord) {
        let ExecRecord { server_id, client_uri, .. } = record;
        if record.kill_left_over(self.exec_slots.boot()) {
            log::warn!(
                OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str();
                "{client_uri}: the agent's death left it running: killed"
            );
        }
    }

    /// The next step for an EXEC that was waiting or running when the agent ended.
    fn next(&self, number: u64, record: &ExecRecord, agent_state: &AgentState, in_doubt: bool) -> Next {
        let ExecRecord { server_id, client_uri, .. } = record;
        if agent_state.account_of(server_id).is_none() {
            // The account of a file that can't be read now may come back.
            if in_doubt {
                return Next::Leave;
            }
            log::warn!(
                OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str();
                "{client_uri}: EXEC for the account {server_id}, which is gone: reported to nobody"
            );
            return Next::Forget;
        }
        let fate = record.fate(self.exec_slots.boot());
        // So may the object.
        if matches!(fate, Fate::Start | Fate::Collect) && in_doubt && !has_object(agent_state, client_uri) {
            return Next::Leave;
        }
        let code = match fate {
            Fate::Over(code) => code,
            Fate::Start if agent_state.crash_guard.is_fatal(&exec::risk_of_exec(number)) => {
                log::error!(
                    MESSAGE_ID = id::GIVEN_UP, OMADM_CLIENT_URI = client_uri.as_str();
                    "{client_uri}: the agent has died twice executing it: given up"
                );
                500
            }
            Fate::Start | Fate::Collect => {
                match QueuedExec::found(number, record.clone(), &self.exec_slots) {
                    Ok(found) => {
                        if fate == Fate::Collect {
                            log::info!(
                                OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str();
                                "{client_uri}: the EXEC went on without the agent: its result is waited for"
                            );
                        } else if !record.needs_permission {
                            log::info!(
                                OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str();
                                "{client_uri}: EXEC from before the start: begun now"
                            );
                        }
                        return Next::Begin(Box::new(found));
                    }
                    Err(_) => 500,
                }
            }
        };
        let what = match record.code {
            Some(_) => "its result was not told yet",
            None => "it was being executed",
        };
        let whom = if Operator::is_called(server_id) { "nobody" } else { server_id.as_str() };
        log::warn!(
            OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str(), OMADM_STATUS = code;
            "{client_uri}: {what} when the agent ended: {code} is reported to {whom}"
        );
        Next::Tell(code)
    }

    /// Stops, as the agent is about to end; returns the EXECs that end just now. What has not is reported at its next
    /// start.
    pub(super) async fn stop(&mut self) -> Vec<Finished> {
        let _ = tokio::time::timeout(stopping::FOR_EXECS, self.exec_slots.idle()).await;
        std::iter::from_fn(|| self.ended.try_recv().ok()).collect()
    }
}

/// The next step for an EXEC from before the start.
enum Next {
    /// The EXEC is left: its account or object may come back, and it is taken up then.
    Leave,
    /// The EXEC is forgotten: nobody is to hear of it any more.
    Forget,
    /// The EXEC is begun.
    Begin(Box<QueuedExec>),
    /// The end of the EXEC is told: it is over, with this result.
    Tell(u16),
}

fn has_object(agent_state: &AgentState, client_uri: &str) -> bool {
    let uri = ClientUri::parse(client_uri);
    uri.is_ok_and(|uri| agent_state.tree.objects_of(&uri.moid).next().is_some())
}

/// The changes that have an EXEC's end reported to its account's server, in one transaction.
///
/// # Errors
/// The store's.
pub(super) fn report(
    finished: &Finished,
    agent_state: &AgentState,
    dropped: &mut Dropped,
) -> Result<Vec<Change>, StoreError> {
    let kept = alert::keep_within(
        &agent_state.store,
        &destination_of(finished),
        &alert::of_exec(finished),
        agent_state.settings.alert,
    )?;
    dropped.tell(&finished.server_id, kept.dropped, waking::now());
    Ok([Change::ExecEnded(finished.number)].into_iter().chain(kept.changes).collect())
}

/// The destination that is told of an EXEC's end.
pub(super) fn destination_of(finished: &Finished) -> Destination {
    Destination { server_id: finished.server_id.clone(), uri: finished.report_to.clone() }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's own files")]
mod tests {
    use super::super::schedule::tests::{Half, QUIET, agent_state};
    use super::*;
    use crate::agent_state::{Peer, Surroundings};
    use crate::backend::{Helper, Machine};
    use crate::config::{Account, Permission};
    use crate::helper_protocol;
    use crate::mo::{self, ManagementObject};
    use crate::spanned::Problems;
    use crate::store::Store;
    use crate::tree::Tree;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    fn record(starts: u32) -> Vec<u8> {
        let json = format!(
            r#"{{"server_id":"a","client_uri":"urn:m/1/Do{starts}","alert_type":"t","starts":{starts}}}"#
        );
        json.into_bytes()
    }

    #[tokio::test]
    async fn what_was_left_is_taken_up_once_whether_or_not_the_store_takes_what_follows() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        let records = [Change::Exec(1, record(0)), Change::Exec(2, record(1))];
        store.commit(records.to_vec()).await.unwrap();
        let shared = Shared::new(Box::new(Half));
        let without = Arc::new(agent_state(&store, &[]));
        let mut execs = Execs::new(&without, Arc::default()).unwrap();
        assert_eq!(execs.take_up(&without, true, &shared).unwrap(), Ends::default());
        assert_eq!(execs.left, [1, 2].into(), "the account may come back");

        let with = Arc::new(agent_state(&store, &[("a", QUIET)]));
        store.faults.fail();
        assert!(execs.take_up_left(&with, false, &shared).is_err());
        assert_eq!(execs.left, [1, 2].into(), "nothing was read");
        store.faults.heal();
        let ends = execs.take_up_left(&with, false, &shared).unwrap();
        assert_eq!(ends.finished.keys().collect::<Vec<_>>(), [&2]);
        // What runs must not be told as failed by the next reload.
        assert_eq!(execs.left, OrderedSet::new());
        let again = execs.take_up_left(&with, false, &shared).unwrap();
        assert_eq!(again, Ends::default());
    }

    #[tokio::test]
    async fn an_exec_that_waits_is_not_executed_for_whoever_has_its_accounts_name_later() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        let json = br#"{"server_id":"a","client_uri":"urn:m/1/Do","alert_type":"t","starts":0,"gated":true}"#;
        store.commit_blocking(&[Change::Exec(1, json.to_vec())]).unwrap();
        let with = Arc::new(agent_state(&store, &[("a", QUIET)]));
        let mut execs = Execs::new(&with, Arc::default()).unwrap();
        execs.take_up(&with, false, &Shared::new(Box::new(Half))).unwrap();
        let record = ExecRecord::from_json(json).unwrap();
        let queued = || QueuedExec::found(2, record.clone(), &execs.exec_slots);
        assert!(queued().is_err(), "the node is held");
        // Before it is looked at, the account goes for good, and another one comes.
        store.commit_blocking(&[Change::ServerForgotten("a".into())]).unwrap();
        let free = async {
            while queued().is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), free).await.unwrap();
        assert!(execs.stop().await.is_empty());
    }

    /// The state of an agent that has this helper and perhaps an object, and an account that may execute all.
    fn with_helper(
        store: &Arc<Store>,
        helper: Helper,
        objects: Vec<Arc<ManagementObject>>,
    ) -> Arc<AgentState> {
        let mut state = agent_state(store, &[("a", QUIET)]);
        let machine = Machine { helper: Some(Arc::new(helper)), ..state.tree.machine().clone() };
        let mut account = Account::clone(&state.tree.accounts()[0]);
        account.permissions = vec![Permission { moid: "*".into(), rights: 7 }];
        let accounts = vec![Arc::new(account)];
        let now = std::time::Instant::now();
        state.tree =
            Arc::new(Tree::new(objects, accounts.clone(), Arc::clone(store), Arc::new(machine), now));
        let settings = Arc::clone(&state.settings);
        let peer = |account| Arc::new(Peer::new(account, Arc::clone(&settings), Surroundings::default()));
        state.peers = accounts.into_iter().map(peer).collect();
        Arc::new(state)
    }

    async fn finished(store: &Arc<Store>, state: &Arc<AgentState>, record: String) -> (u16, Option<i32>) {
        store.commit_blocking(&[Change::Exec(1, record.into_bytes())]).unwrap();
        let mut execs = Execs::new(state, Arc::default()).unwrap();
        execs.take_up(state, false, &Shared::new(Box::new(Half))).unwrap();
        let ended =
            tokio::time::timeout(std::time::Duration::from_secs(60), execs.next_event()).await.unwrap();
        (ended.code, ended.exit)
    }

    #[tokio::test]
    async fn what_went_on_without_the_agent_is_collected_though_its_node_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap().store;
        for (json, expected) in [
            (r#"{"exit":0}"#, (200, Some(0))),
            (r#"{"exit":3}"#, (500, Some(3))),
            (r#"{"code":503}"#, (500, None)),
        ] {
            std::fs::write(folder.path().join("r-1"), json).unwrap();
            let helper = Helper::new("/nowhere".into()).with_results(folder.path().into());
            let state = with_helper(&store, helper, Vec::new());
            let record = format!(
                r#"{{"server_id":"a","client_uri":"urn:m/1/Do","alert_type":"t","starts":1,"boot":"{}","request":"r-1"}}"#,
                boot_id()
            );
            assert_eq!(finished(&store, &state, record).await, expected, "{json}");
        }
    }

    #[tokio::test]
    async fn what_the_helper_can_t_begin_now_is_begun_a_little_later() {
        let folder = tempfile::tempdir().unwrap();
        let object = folder.path().join("gate");
        std::fs::create_dir(&object).unwrap();
        let mapping = r#"
moid = "urn:x-test:mo:gate:1.0"
root = "Gate"
instances = ["1"]
[node.Do]
exec = { run = ["/bin/true"] }
"#;
        std::fs::write(object.join("gate.toml"), mapping).unwrap();
        let mut problems = Problems::default();
        let object = mo::load::load_one(&object, &mut problems).unwrap_or_else(|| panic!("{problems}"));
        let store = Store::open(&folder.path().join("store")).unwrap().store;
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let (serving, shown) = (Arc::clone(&store), folder.path().join("socket"));
        let helper = base::spawn(async move {
            // The first one goes before it has taken anything.
            drop(listener.accept().await.unwrap());
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            let (_, left) = serving.snapshot().unwrap().execs().unwrap().remove(0);
            let left = ExecRecord::from_json(&left).unwrap();
            assert_eq!(
                (left.starts, left.request),
                (0, None),
                "if the agent dies now, its next start begins it"
            );
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u32().await.unwrap();
            for reply in [
                r#"{"id":"","index":0,"taken":true}"#,
                r#"{"id":"","index":0,"code":200,"value":{"exit":0}}"#,
            ] {
                let reply: serde_json::Value = serde_json::from_str(reply).unwrap();
                stream.write_all(&helper_protocol::frame(&reply).unwrap()).await.unwrap();
            }
        });
        let state = with_helper(&store, Helper::new(shown), vec![Arc::new(object)]);
        let record =
            r#"{"server_id":"a","client_uri":"urn:x-test:mo:gate:1.0/1/Do","alert_type":"t","starts":0}"#;
        assert_eq!(finished(&store, &state, record.to_owned()).await, (200, Some(0)));
        helper.await.unwrap();
    }
}
