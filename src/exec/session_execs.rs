//! The EXECs of one session.

use std::sync::Arc;

use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::queued::QueuedExec;
use super::supervision::{Held, Supervision};
use super::{ExecError, ExecRecord, ExecSlots, Finished, ProcessGroup};
use crate::backend::NOT_NOW;
use crate::base;
use crate::base::stopped;
use crate::store::{Change, Store, StoreError};
use crate::tree::{Invocation, Principal, Tree};
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

    /// Does what an EXEC commands: returns its result where it ends within `sync_limit` and nobody is told of it by an
    /// alert only. None: it waits until it may begin, or goes on.
    ///
    /// # Errors
    /// [`ExecError`]
    pub async fn command(
        &mut self,
        tree: &Arc<Tree>,
        principal: &Principal<'_>,
        invocation: Invocation,
        sync_limit: Duration,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<Option<u16>, ExecError> {
        let at_once = invocation.report_to.is_some() || invocation.always_told;
        // What can't be told waits, too.
        let closed = tree.closed(&invocation, self.exec_slots.earliest()).await;
        if invocation.after_session || invocation.may_be_vetoed() || !matches!(closed, Ok(None)) {
            self.postpone(&principal.account.server_id, invocation).await?;
            return Ok(None);
        }
        let mut execution = self.begin(tree, principal, invocation).await?;
        tokio::select! {
            () = std::future::ready(()), if at_once => {}
            finished = execution.end(), if !at_once => return Ok(Some(self.ended(execution, finished))),
            () = tokio::time::sleep(sync_limit) => {}
            () = stopped(stopping) => {}
        }
        self.outlives(execution).await;
        Ok(None)
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
        let request = tree.request_of(&invocation);
        let record = ExecRecord::new(&principal.account.server_id, &invocation);
        let record = record.started(self.exec_slots.boot(), request);
        self.commit_with(Change::Exec(number, record.to_json())).await?;
        let running = match tree.execute(&invocation, record.request.as_deref(), principal).await {
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
            stopping: self.exec_slots.stopping(),
            is_over: Arc::clone(&is_over),
        };
        let task = base::spawn(supervision.run(running, (hold, slot)));
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
        let waiting_place =
            if invocation.needs_permission() { Some(self.exec_slots.waiting_place()?) } else { None };
        let number = self.exec_slots.number();
        let record = ExecRecord::new(server_id, &invocation);
        self.commit_with(Change::Exec(number, record.to_json())).await?;
        self.waiting.push(QueuedExec::new(number, record, invocation, hold, waiting_place));
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
        base::spawn(async move {
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
            let mut session_execs = SessionExecs::new(
                store,
                ExecSlots::new(mpsc::unbounded_channel().0, "boot", 0, Arc::default()),
            );
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
