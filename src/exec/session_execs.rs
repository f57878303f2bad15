//! The EXECs of one session.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedSemaphorePermit, watch};
use tokio::task::JoinHandle;

use super::gate;
use super::slots::Hold;
use super::supervision::{Held, Supervision};
use super::{ExecError, ExecRecord, ExecSlots, Finished, ProcessGroup};
use crate::agent_state::AgentState;
use crate::backend::NOT_NOW;
use crate::config::Account;
use crate::store::{Change, Store, StoreError};
use crate::tree::{Invocation, Principal, SessionFacts, Tree};
use crate::uri::ServerId;

/// The most EXECs of one session that wait for its end.
const MOST_WAITING: usize = 16;

/// The EXECs of a session, and the ends of some that are not told yet.
#[derive(Debug)]
pub struct SessionExecs {
    store: Arc<Store>,
    exec_slots: ExecSlots,
    /// The EXECs that ended within their command, their status in no package that was answered.
    untold: Vec<Finished>,
    waiting: Vec<QueuedExec>,
    /// The changes not committed yet: what became of EXECs, and what follows from a package that was answered. The next
    /// commit takes them along: the one before a program starts, before a package goes out, or that of the session's
    /// end.
    pending: Vec<Change>,
}

/// An EXEC whose program runs.
#[derive(Debug)]
pub struct Execution {
    number: u64,
    record: ExecRecord,
    task: JoinHandle<(Finished, Held)>,
    /// The node and the slot, from the program's end until that was reported.
    held: Option<Held>,
    /// Whether the end is on disk.
    is_over: Arc<Mutex<bool>>,
}

/// An EXEC that waits for the end of its session.
#[derive(Debug)]
pub struct QueuedExec {
    number: u64,
    record: ExecRecord,
    /// The invocation; none: it is looked up when it is needed, as for an EXEC that was found in the store.
    invocation: Option<Invocation>,
    hold: Hold,
    /// The place among the EXECs that wait until they may begin.
    gate: Option<OwnedSemaphorePermit>,
}

impl SessionExecs {
    /// Makes the record of a session that has executed nothing yet.
    #[must_use]
    pub fn new(store: Arc<Store>, exec_slots: ExecSlots) -> Self {
        Self { store, exec_slots, untold: Vec::new(), waiting: Vec::new(), pending: Vec::new() }
    }

    /// The slots of all EXECs and SHOWs that run.
    #[must_use]
    pub fn exec_slots(&self) -> &ExecSlots {
        &self.exec_slots
    }

    /// Executes a node now. It is on disk before it starts.
    ///
    /// # Errors
    /// [`ExecError`]
    pub async fn begin(
        &mut self,
        tree: &Arc<Tree>,
        principal: &Principal<'_>,
        mut invocation: Invocation,
    ) -> Result<Execution, ExecError> {
        invocation.alert = tree.alert_of(&invocation, principal).await?;
        let hold = self.exec_slots.hold(&invocation.node.client_uri())?;
        let slot = self.exec_slots.slot()?;
        let number = self.exec_slots.number();
        let record =
            ExecRecord::new(&principal.account.server_id, &invocation).started(self.exec_slots.boot());
        self.commit_with(Change::Exec(number, record.to_json())).await?;
        let running = match tree.execute(&invocation, principal).await {
            Ok(running) => running,
            Err(error) => {
                self.pending.push(Change::ExecEnded(number));
                return Err(error.into());
            }
        };
        let record = ExecRecord { process_group: running.group().and_then(ProcessGroup::find), ..record };
        let is_over = Arc::default();
        let supervision = Supervision {
            number,
            record: record.clone(),
            invocation,
            tree: Arc::clone(tree),
            store: Arc::clone(&self.store),
            account: Arc::clone(principal.account),
            session: principal.session,
            is_over: Arc::clone(&is_over),
        };
        let task = tokio::spawn(supervision.run(running, (hold, slot)));
        Ok(Execution { number, record, task, held: None, is_over })
    }

    /// Queues an EXEC of a node for the end of the session: whatever happens before.
    ///
    /// # Errors
    /// [`ExecError`]
    pub async fn postpone(&mut self, server_id: &ServerId, invocation: Invocation) -> Result<(), ExecError> {
        if self.waiting.len() == MOST_WAITING {
            return Err(ExecError::Crowded);
        }
        let hold = self.exec_slots.hold(&invocation.node.client_uri())?;
        let gate = if invocation.is_gated() { Some(self.exec_slots.gate()?) } else { None };
        let number = self.exec_slots.number();
        let record = ExecRecord::new(server_id, &invocation);
        self.commit_with(Change::Exec(number, record.to_json())).await?;
        self.waiting.push(QueuedExec { number, record, invocation: Some(invocation), hold, gate });
        Ok(())
    }

    /// Notes that an EXEC ended within its command; returns the code that the next package carries. Should the agent
    /// die before that was answered, its next start still knows it.
    pub fn ended(&mut self, execution: Execution, mut finished: Finished) -> u16 {
        // "Not now" is worth another command, unless the mapping has its own word for it.
        if finished.exit == Some(NOT_NOW) && finished.code == 500 {
            finished.code = 503;
        }
        let code = finished.code;
        let record = ExecRecord { code: Some(code), exit: finished.exit, ..execution.record };
        self.pending.push(Change::Exec(finished.number, record.to_json()));
        self.untold.push(finished);
        code
    }

    /// Notes that an EXEC outlives its command: it is reported when it ends. What runs is on disk before the command is
    /// answered.
    pub async fn outlives(&mut self, mut execution: Execution) {
        let is_over = Arc::clone(&execution.is_over);
        let is_over = is_over.lock().await;
        let runs = Change::Exec(execution.number, execution.record.to_json());
        if !*is_over && let Err(error) = self.commit_with(runs).await {
            log::error!(
                "a program of an EXEC runs, and that could not be stored ({error}): if the agent dies, nobody ends it or reports its end"
            );
        }
        drop(is_over);
        let exec_slots = self.exec_slots.clone();
        tokio::spawn(async move {
            let finished = execution.end().await;
            exec_slots.report(finished);
        });
    }

    /// Notes that the package which carried the statuses so far was answered; and what else follows from that.
    pub fn told(&mut self, alerts: Option<Change>) {
        self.pending.extend(self.untold.drain(..).map(|finished| Change::ExecEnded(finished.number)));
        self.pending.extend(alerts);
    }

    /// Commits the pending changes. May be given up: they then stay pending, and are committed again.
    pub async fn commit_pending(&mut self) {
        match self.store.commit(self.pending.clone()).await {
            Ok(()) => self.pending.clear(),
            Err(error) => log::error!(
                "what a server has been told of EXECs and alerts could not be stored ({error}): after a crash, it is told again"
            ),
        }
    }

    /// Closes the session's EXECs: returns what is to be committed, and the ends that nobody was told.
    pub fn close(&mut self) -> (Vec<Change>, Vec<Finished>) {
        (std::mem::take(&mut self.pending), std::mem::take(&mut self.untold))
    }

    /// Takes the EXECs that waited for the end of the session.
    pub fn take_waiting(&mut self) -> Vec<QueuedExec> {
        std::mem::take(&mut self.waiting)
    }

    async fn commit_with(&mut self, change: Change) -> Result<(), StoreError> {
        let mut changes = self.pending.clone();
        changes.push(change);
        self.store.commit(changes).await?;
        self.pending.clear();
        Ok(())
    }
}

impl Execution {
    /// Waits for the end of the EXEC. May be given up and called again.
    pub async fn end(&mut self) -> Finished {
        match (&mut self.task).await {
            Ok((finished, held)) => {
                self.held = Some(held);
                finished
            }
            // Nobody saw its end.
            Err(_) => self.record.finished(self.number, 500),
        }
    }
}

impl QueuedExec {
    /// Makes a queued EXEC of one that was found in the store when the agent started.
    ///
    /// # Errors
    /// [`ExecError::Running`]
    pub fn found(number: u64, record: ExecRecord, exec_slots: &ExecSlots) -> Result<Self, ExecError> {
        let hold = exec_slots.hold(&record.client_uri)?;
        // It was let in before the start.
        let gate = if record.gated { exec_slots.gate().ok() } else { None };
        Ok(Self { number, record, invocation: None, hold, gate })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn server_id(&self) -> &ServerId {
        &self.record.server_id
    }

    pub(super) fn client_uri(&self) -> &str {
        &self.record.client_uri
    }

    /// Whether the EXEC goes on after a reboot.
    pub(super) fn has_begun(&self) -> bool {
        self.record.starts > 0
    }

    /// Forgets the invocation, which is looked up when the EXEC begins.
    pub(super) fn forget_invocation(&mut self) {
        self.invocation = None;
    }

    /// Ends the EXEC without having begun it, as if its program had ended with this exit code.
    pub(super) fn refuse(mut self, exit: Option<i32>, code: u16, exec_slots: &ExecSlots) {
        (self.record.code, self.record.exit) = (Some(code), exit);
        exec_slots.report(self.record.finished(self.number, code));
    }

    /// Executes the EXEC, and reports its end. That it starts is on disk before: it is never started twice, unless it
    /// is one that goes on after a reboot.
    pub(super) async fn run(self, after: &AfterSession) {
        let Self { number, record, invocation, hold, gate } = self;
        drop(gate);
        let AfterSession { agent_state, account, exec_slots, .. } = after;
        let (tree, store) = (&agent_state.tree, &agent_state.store);
        let principal = Principal { account, session: after.session };
        let resumed = record.starts > 0;
        let mut record = record.started(exec_slots.boot());
        let Some(slot) = exec_slots.slot_in_time().await else { return };
        let started = async {
            let mut invocation = match invocation {
                Some(invocation) => invocation,
                None => tree.invocation_again(&record.client_uri, resumed, &principal).await?,
            };
            if !resumed {
                invocation.alert = tree.alert_of(&invocation, &principal).await?;
                record.alert.clone_from(&invocation.alert);
            }
            store.commit(vec![Change::Exec(number, record.to_json())]).await?;
            let running = tree.execute(&invocation, &principal).await?;
            let process_group = running.group().and_then(ProcessGroup::find);
            record.process_group = process_group;
            if let Err(error) = store.commit(vec![Change::Exec(number, record.to_json())]).await {
                log::error!("a program would outlive the agent's death: {error}");
            }
            Ok::<_, ExecError>((invocation, running))
        };
        let (finished, _held) = match started.await {
            Ok((invocation, running)) => {
                let supervision = Supervision {
                    number,
                    record,
                    invocation,
                    tree: Arc::clone(tree),
                    store: Arc::clone(store),
                    account: Arc::clone(account),
                    session: after.session,
                    is_over: Arc::default(),
                };
                supervision.run(running, (hold, slot)).await
            }
            Err(error) => {
                log::error!(
                    OMADM_SERVER_ID = record.server_id.as_str(), OMADM_CLIENT_URI = record.client_uri.as_str();
                    "{}: not executed: {error}", record.client_uri
                );
                (record.finished(number, 500), (hold, slot))
            }
        };
        exec_slots.report(finished);
    }
}

/// The name by which the crash guard knows this EXEC.
#[must_use]
pub fn risk_of_exec(number: u64) -> String {
    format!("exec {number}")
}

/// The surroundings in which the EXECs that waited for the end of a session are executed.
pub struct AfterSession {
    /// The agent state: the tree, the store, and the crash guard, which says at the next start which EXEC the agent
    /// died of.
    pub agent_state: Arc<AgentState>,
    /// The account of the server that gave the commands.
    pub account: Arc<Account>,
    /// The facts about the session that is over.
    pub session: SessionFacts,
    /// The slots of all that the agent has running.
    pub exec_slots: ExecSlots,
    /// Turns true when the agent ends.
    pub stopping: watch::Receiver<bool>,
}

impl AfterSession {
    /// The surroundings for an EXEC that begins now, whenever it was commanded; none where the account is gone.
    pub(super) fn now(
        server_id: &ServerId,
        session: SessionFacts,
        exec_slots: &ExecSlots,
        stopping: &watch::Receiver<bool>,
    ) -> Option<Self> {
        let agent_state = exec_slots.agent_state()?;
        let account = Arc::clone(&agent_state.peer(server_id)?.account);
        let (exec_slots, stopping) = (exec_slots.clone(), stopping.clone());
        Some(Self { agent_state, account, session, exec_slots, stopping })
    }

    /// Executes the queued EXECs one after the other, but for those that wait until they may begin. What has not begun
    /// when the agent stops is left to its next start.
    pub async fn run(self, waiting: Vec<QueuedExec>) {
        let (gated, waiting): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|waiting| waiting.record.gated);
        for waiting in gated {
            tokio::spawn(gate::pass(waiting, self.session, self.exec_slots.clone(), self.stopping.clone()));
        }
        for waiting in waiting {
            if *self.stopping.borrow() {
                return;
            }
            let _risk = self.agent_state.crash_guard.begin(&risk_of_exec(waiting.number)).await;
            waiting.run(&self).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn what_was_about_to_be_committed_when_the_agent_was_stopped_is_still_pending() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            // While the only thread that commits is busy, nothing is on disk.
            let (free, busy) = std::sync::mpsc::channel::<()>();
            let occupied = tokio::task::spawn_blocking(move || busy.recv());
            let mut session_execs =
                SessionExecs::new(store, ExecSlots::new(mpsc::unbounded_channel().0, "boot", 0));
            let heard = Change::AlertsSettled("a".to_owned(), vec![7]);
            session_execs.told(Some(heard.clone()));
            assert!(
                pin!(session_execs.commit_pending())
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
            drop(free);
            assert!(occupied.await.unwrap().is_err());
            assert_eq!(session_execs.close().0, [heard]);
        });
    }
}
