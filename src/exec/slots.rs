//! The slots of the programs that EXEC and SHOW have running, for all servers.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::{ExecError, Finished};
use crate::agent_state::AgentState;
use crate::base::{AtomicU64, OrderedSet};

/// The most programs that may run at one time.
const MOST_RUNNING: usize = 16;

/// The most EXECs that may wait at one time until they may begin.
const MOST_UNPERMITTED: usize = 64;

/// The programs that run, the nodes that are being executed, and who is told when an EXEC ends.
#[derive(Clone, Debug)]
pub struct ExecSlots {
    slots: Arc<Semaphore>,
    nodes: Arc<Mutex<OrderedSet<String>>>,
    next: Arc<AtomicU64>,
    boot: Arc<str>,
    finished: mpsc::UnboundedSender<Finished>,
    /// The places of EXECs that wait until they may begin.
    waiting_places: Arc<Semaphore>,
    /// The agent state as it is now.
    agent_state: Arc<Mutex<Option<Arc<AgentState>>>>,
    /// Turns true when the agent ends.
    stopping: Arc<Mutex<Option<watch::Receiver<bool>>>>,
    /// The latest time known, seconds since 1970: a clock that shows an earlier one is not set.
    time_floor: Arc<AtomicU64>,
}

/// The hold on a node that is being executed, or will be; dropping it ends that.
#[derive(Debug)]
pub(super) struct Hold {
    nodes: Arc<Mutex<OrderedSet<String>>>,
    client_uri: String,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.client_uri);
    }
}

impl ExecSlots {
    /// Makes slots that are all free. `boot` names this boot of the machine; `next` is a number that no EXEC in the
    /// store has, nor a greater one; `time_floor` is the latest time known, in seconds since 1970.
    #[must_use]
    pub fn new(
        finished: mpsc::UnboundedSender<Finished>,
        boot: &str,
        next: u64,
        time_floor: Arc<AtomicU64>,
    ) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(MOST_RUNNING)),
            nodes: Arc::default(),
            next: Arc::new(AtomicU64::new(next)),
            boot: boot.into(),
            finished,
            waiting_places: Arc::new(Semaphore::new(MOST_UNPERMITTED)),
            agent_state: Arc::default(),
            stopping: Arc::default(),
            time_floor,
        }
    }

    /// Follows to a new agent state, in which EXECs begin from now on.
    pub fn follow(&self, agent_state: &Arc<AgentState>) {
        *self.agent_state.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(agent_state));
    }

    /// Heeds that the agent ends, which is when `stopping` turns true.
    pub fn heed(&self, stopping: watch::Receiver<bool>) {
        *self.stopping.lock().unwrap_or_else(PoisonError::into_inner) = Some(stopping);
    }

    pub(super) fn stopping(&self) -> Option<watch::Receiver<bool>> {
        self.stopping.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn agent_state(&self) -> Option<Arc<AgentState>> {
        self.agent_state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The earliest time, in seconds since 1970, that a clock which is set can show.
    #[must_use]
    pub fn earliest(&self) -> u64 {
        self.time_floor.load(Ordering::Relaxed)
    }

    /// Whether the store still has the record of an EXEC, or can't be asked.
    pub(super) fn is_recorded(&self, number: u64) -> bool {
        let execs = self.agent_state().map(|agent_state| agent_state.store.snapshot()?.execs());
        !matches!(execs, Some(Ok(execs)) if execs.iter().all(|(known, _)| *known != number))
    }

    /// Takes a place among the EXECs that wait until they may begin.
    pub(super) fn waiting_place(&self) -> Result<OwnedSemaphorePermit, ExecError> {
        Arc::clone(&self.waiting_places).try_acquire_owned().map_err(|_| ExecError::Crowded)
    }

    /// Takes a slot for one more program.
    ///
    /// # Errors
    /// [`ExecError::Busy`]
    pub fn slot(&self) -> Result<OwnedSemaphorePermit, ExecError> {
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| ExecError::Busy)
    }

    /// Takes a slot for one more program, as soon as there is one.
    pub(super) async fn slot_in_time(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// Keeps others from executing a node.
    pub(super) fn hold(&self, client_uri: &str) -> Result<Hold, ExecError> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if !nodes.insert(client_uri.to_owned()) {
            return Err(ExecError::Running(client_uri.to_owned()));
        }
        Ok(Hold { nodes: Arc::clone(&self.nodes), client_uri: client_uri.to_owned() })
    }

    /// The ClientURIs of the nodes whose EXECs run, or wait until they may.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The id of this boot of the machine.
    #[must_use]
    pub fn boot(&self) -> &str {
        &self.boot
    }

    pub(super) fn report(&self, finished: Finished) {
        // Nobody listens once the agent is on its way out: its record says so at the next start.
        let _ = self.finished.send(finished);
    }

    /// Returns when no program runs.
    pub async fn idle(&self) {
        let all = u32::try_from(MOST_RUNNING).unwrap_or(u32::MAX);
        let _ = self.slots.acquire_many(all).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec_slots() -> ExecSlots {
        ExecSlots::new(mpsc::unbounded_channel().0, "this", 7, Arc::default())
    }

    #[test]
    fn a_node_is_executed_once_at_a_time() {
        let exec_slots = exec_slots();
        let other = exec_slots.clone();
        let hold = exec_slots.hold("urn:m/1/Do").unwrap();
        assert!(matches!(other.hold("urn:m/1/Do"), Err(ExecError::Running(_))));
        assert!(other.hold("urn:m/2/Do").is_ok());
        drop(hold);
        assert!(other.hold("urn:m/1/Do").is_ok());
        assert_eq!((exec_slots.number(), other.number()), (7, 8));
    }

    #[tokio::test]
    async fn a_server_cannot_fill_the_gateway_with_programs() {
        let exec_slots = exec_slots();
        let mut slots: Vec<_> = (0..MOST_RUNNING).map(|_| exec_slots.slot().unwrap()).collect();
        assert!(matches!(exec_slots.slot(), Err(ExecError::Busy)));
        slots.pop();
        drop(exec_slots.slot().unwrap());
        drop(slots);
        exec_slots.idle().await;
    }
}
