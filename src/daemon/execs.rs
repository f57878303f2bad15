//! EXECs that outlive their session.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::mpsc;

use super::dropped::Dropped;
use crate::agent_state::AgentState;
use crate::base::boot_id;
use crate::exec::{ExecSlots, Finished};
use crate::store::StoreError;

/// A program that is about to end when the agent is stopped gets this long: a reboot stops the agent that ordered it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the agent executes, beyond the session whose command it was.
pub(super) struct Execs {
    pub(super) exec_slots: ExecSlots,
    ended: mpsc::UnboundedReceiver<Finished>,
    /// From before the start, whose account or object may come back.
    pub(super) left: BTreeSet<u64>,
    /// Alerts, of their end as well, that had to go.
    pub(super) dropped: Dropped,
}

impl Execs {
    /// Nothing runs; numbers go on from those in the store.
    pub(super) fn new(agent_state: &AgentState) -> Result<Self, StoreError> {
        let next =
            agent_state.store.snapshot()?.execs()?.last().map_or(0, |(last, _)| last.saturating_add(1));
        let (told, ended) = mpsc::unbounded_channel();
        let exec_slots = ExecSlots::new(told, &boot_id(), next);
        Ok(Self { exec_slots, ended, left: BTreeSet::new(), dropped: Dropped::default() })
    }

    /// Waits until one has ended.
    pub(super) async fn turn(&mut self) -> Finished {
        match self.ended.recv().await {
            Some(finished) => finished,
            None => std::future::pending().await,
        }
    }

    /// The agent is about to end: those that end just now. What has not is reported at its next start.
    pub(super) async fn stop(&mut self) -> Vec<Finished> {
        let _ = tokio::time::timeout(LAST_WORDS, self.exec_slots.idle()).await;
        std::iter::from_fn(|| self.ended.try_recv().ok()).collect()
    }
}
