//! Queued EXECs, which wait, and what they are executed with when they begin.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};

use super::slots::Hold;
use super::supervision::Supervision;
use super::{ExecError, ExecRecord, ExecSlots, ProcessGroup};
use crate::agent_state::AgentState;
use crate::backend::End;
use crate::base::{stopped, waking};
use crate::config::Account;
use crate::store::Change;
use crate::tree::{Invocation, Principal, SessionFacts};
use crate::uri::ServerId;

/// The waits before an EXEC is tried again that the helper could not begin.
const AGAIN: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(180),
    Duration::from_secs(600),
];

/// An EXEC that waits: for the end of its session, or until it may begin.
#[derive(Debug)]
pub struct QueuedExec {
    number: u64,
    record: ExecRecord,
    /// The invocation; none: it is looked up when it is needed, as for an EXEC that was found in the store.
    invocation: Option<Invocation>,
    hold: Hold,
    /// The place among the EXECs that wait until they may begin.
    waiting_place: Option<OwnedSemaphorePermit>,
}

impl QueuedExec {
    /// Makes a queued EXEC of its record.
    pub(super) fn new(
        number: u64,
        record: ExecRecord,
        invocation: Invocation,
        hold: Hold,
        waiting_place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self { number, record, invocation: Some(invocation), hold, waiting_place }
    }

    /// Makes a queued EXEC of one that was found in the store when the agent started.
    ///
    /// # Errors
    /// [`ExecError::Running`]
    pub fn found(number: u64, record: ExecRecord, exec_slots: &ExecSlots) -> Result<Self, ExecError> {
        let hold = exec_slots.hold(&record.client_uri)?;
        // It was let in before the start.
        let waiting_place = if record.needs_permission { exec_slots.waiting_place().ok() } else { None };
        Ok(Self { number, record, invocation: None, hold, waiting_place })
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

    /// Whether the EXEC waits until it may begin, beyond its session's end.
    pub(super) fn needs_permission(&self) -> bool {
        self.record.needs_permission
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

    /// Executes the EXEC, and reports its end. What the helper can't begin now is tried again a few times; if the agent
    /// stops meanwhile, its next start does.
    pub(super) async fn run(self, slot: OwnedSemaphorePermit, after: &AfterSession) {
        let (mut queued, mut slot, mut now) = (self, slot, None);
        let (exec_slots, mut stopping) = (&after.exec_slots, after.stopping.clone());
        for wait in AGAIN {
            queued = match queued.try_to_run(slot, now.as_ref().unwrap_or(after), false).await {
                Some(again) => again,
                None => return,
            };
            tokio::select! {
                () = waking::sleep(wait) => {}
                () = stopped(&mut stopping) => return,
            }
            let Some(free) = exec_slots.slot_in_time().await else { return };
            slot = free;
            // Files may have been read again.
            now = AfterSession::now(queued.server_id(), after.session, exec_slots, &after.stopping);
            if !exec_slots.is_recorded(queued.number()) {
                return;
            }
        }
        let _ = queued.try_to_run(slot, now.as_ref().unwrap_or(after), true).await;
    }

    /// Executes the EXEC, and reports its end, unless the helper could not begin it and this is not the last try: then
    /// it is returned. That it starts is on disk before: it is never started twice, unless it is one that goes on after
    /// a reboot.
    async fn try_to_run(
        self,
        slot: OwnedSemaphorePermit,
        after: &AfterSession,
        is_last: bool,
    ) -> Option<Self> {
        let Self { number, record, invocation, hold, waiting_place } = self;
        drop(waiting_place);
        let AfterSession { agent_state, account, exec_slots, .. } = after;
        let (tree, store) = (&agent_state.tree, &agent_state.store);
        let principal = Principal { account, session: after.session };
        let resumed = record.starts > 0;
        let elsewhere = record.runs_elsewhere(exec_slots.boot()).map(str::to_owned);
        let before = record.clone();
        let mut record = record;
        let invocation = match invocation {
            Some(invocation) => Ok(invocation),
            None => tree.invocation_again(&record.client_uri, resumed, &principal).await,
        };
        if let (Err(_), Some(request)) = (&invocation, &elsewhere) {
            // Its node is gone: what its mapping would say of the end nobody knows.
            let exit = tree.collect(None, request).finish().await;
            let code = if exit.success() { 200 } else { 500 };
            record.code = Some(code);
            record.exit = if let End::Code(exit) = exit.end { Some(exit) } else { None };
            exec_slots.report(record.finished(number, code));
            return None;
        }
        let is_collected = elsewhere.is_some();
        let started = async {
            let mut invocation = invocation?;
            if !resumed {
                invocation.alert = tree.alert_of(&invocation, &principal).await?;
                record.alert.clone_from(&invocation.alert);
            }
            if let Some(request) = elsewhere {
                let running = tree.collect(Some(&invocation), &request);
                return Ok((invocation, running));
            }
            record = record.started(exec_slots.boot(), tree.request_of(&invocation));
            store.commit(vec![Change::Exec(number, record.to_json())]).await?;
            let running = tree.execute(&invocation, record.request.as_deref(), &principal).await?;
            let process_group = running.group().and_then(ProcessGroup::find);
            record.process_group = process_group;
            if let Err(error) = store.commit(vec![Change::Exec(number, record.to_json())]).await {
                log::error!("a program would outlive the agent's death: {error}");
            }
            Ok::<_, ExecError>((invocation, running))
        };
        let (finished, held) = match started.await {
            Ok((invocation, running)) => {
                let supervision = Supervision {
                    number,
                    record,
                    invocation,
                    tree: Arc::clone(tree),
                    store: Arc::clone(store),
                    account: Arc::clone(account),
                    session: after.session,
                    stopping: exec_slots.stopping(),
                    is_over: Arc::default(),
                };
                supervision.run(running, (hold, slot)).await
            }
            Err(error) => {
                log::error!(
                    OMADM_SERVER_ID = record.server_id.as_str(), OMADM_CLIENT_URI = record.client_uri.as_str();
                    "{}: not executed: {error}", record.client_uri
                );
                let code = if error.is_helpers_moment() { Invocation::NOT_BEGUN } else { 500 };
                (record.finished(number, code), (hold, slot))
            }
        };
        if finished.code == Invocation::NOT_BEGUN && !is_last {
            // As if it had not been tried: what dies now is not to be collected.
            let before = if is_collected {
                ExecRecord { request: None, starts: before.starts.saturating_sub(1), ..before }
            } else {
                before
            };
            if let Err(error) = store.commit(vec![Change::Exec(number, before.to_json())]).await {
                log::error!("{}: that it was not begun could not be stored: {error}", before.client_uri);
            }
            let hold = held.0;
            return Some(Self { number, record: before, invocation: None, hold, waiting_place: None });
        }
        exec_slots.report(finished);
        None
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
        let account = agent_state.account_of(server_id)?;
        let (exec_slots, stopping) = (exec_slots.clone(), stopping.clone());
        Some(Self { agent_state, account, session, exec_slots, stopping })
    }
}
