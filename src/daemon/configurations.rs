//! Requests for configuration that applications on the device lack: each is served by a task of its own.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::calls::of_configuration;
use super::shared::Shared;
use crate::agent_state::AgentState;
use crate::base::tasks::Tasks;
use crate::exec::ExecSlots;
use crate::just_in_time::{ConfigurationError, DefaultOrigin, Initiator};
use crate::service::{Caller, Values};
use crate::uri::Moid;

/// The most requests that are served at one time.
const MOST: usize = 4;

/// The requests that are being served, by the MOID that each is for.
#[derive(Default)]
pub(super) struct Configurations {
    tasks: Tasks<Moid, ()>,
}

impl Configurations {
    /// Fetches the configuration of an object; one at a time for each object.
    pub(super) fn ask(
        &mut self,
        moid: &Moid,
        initiator: Initiator,
        caller: Caller,
        agent_state: &Arc<AgentState>,
        exec_slots: &ExecSlots,
        shared: &mut Shared,
    ) {
        let source = match DefaultOrigin::of(agent_state, moid) {
            Ok(source) => source,
            Err(error) => {
                caller.answer(Err(of_configuration(&error)));
                return;
            }
        };
        let moid = source.moid().clone();
        if self.tasks.keys().len() == MOST || self.tasks.keys().any(|other| *other == moid) {
            caller.answer(Err(of_configuration(&ConfigurationError::Busy)));
            return;
        }
        let (exec_slots, stopping) = (exec_slots.clone(), shared.stopping.subscribe());
        let source = Arc::new(source);
        let fetching = {
            let (source, agent_state) = (Arc::clone(&source), Arc::clone(agent_state));
            async move { source.fetch(&agent_state, initiator, &exec_slots, stopping).await }
        };
        let name = format!("{moid}: its configuration");
        let fetching = shared.hearts.watch_risky(&agent_state.crash_guard, name, fetching);
        let configuring = async move {
            let done = fetching.await.unwrap_or_else(|fatal| Err(fatal.into()));
            let (server_id, moid) = (source.server_id(), source.moid());
            match &done {
                Ok(made) => log::info!(
                    OMADM_SERVER_ID = server_id;
                    "{moid}: configured from {server_id}'s DEFAULT: {}", made.join(", ")
                ),
                Err(error) => log::warn!(
                    OMADM_SERVER_ID = server_id;
                    "{moid}: not configured from {server_id}'s DEFAULT: {error}"
                ),
            }
            let made = |made: Vec<String>| Values::Of("as", serde_json::json!([made]));
            caller.answer(done.map(made).map_err(|error| of_configuration(&error)));
        };
        self.tasks.spawn(moid, configuring);
    }

    /// Waits until a request has been served. Whoever asked has heard of it.
    pub(super) async fn next_event(&mut self) {
        drop(self.tasks.ended().await);
    }

    /// Stops all requests: what is being made may be whole by `deadline`; the rest is broken off.
    pub(super) async fn stop(&mut self, deadline: Instant) {
        let ending = async {
            while !self.tasks.is_empty() {
                drop(self.tasks.ended().await);
            }
        };
        if timeout_at(deadline, ending).await.is_err() {
            log::warn!("the configuration of a local application takes too long to wait for: interrupted");
        }
        self.tasks.shutdown().await;
    }
}
