//! Registrations with push services: gives the push bridge its store and its connections.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinError;

use super::shared::Shared;
use crate::agent_state::AgentState;
use crate::agent_state::Parameters;
use crate::base::Random;
use crate::base::crash_guard::Fatal;
use crate::base::tasks::Tasks;
use crate::base::waking;
use crate::config::Push;
use crate::push::bridge::{Bridge, Task, TellResult};
use crate::push::{PushError, checked_id, registration};
use crate::store::Change;
use crate::store::records::Registration;
use crate::tree::{Principal, SessionFacts};
use crate::uri::ServerId;

/// An attempt to tell a server, which is over.
pub(super) struct Attempt {
    /// The address that it went to, as the store has it; nothing where it did not get that far.
    told: String,
    outcome: TellResult,
}

/// The registrations that servers are to be told. What is broken off with the agent is open in the store, and told at
/// its next start.
#[derive(Default)]
pub(super) struct Registrations {
    bridge: Bridge,
    /// The attempts under way, by what each tells whom.
    attempts: Tasks<Task, Attempt>,
}

impl Registrations {
    /// Takes a push client's word that it got an id, or lost it. It is on disk before the client hears so.
    pub(super) async fn ask(
        &mut self,
        agent_state: &AgentState,
        server_id: ServerId,
        id: String,
        register: bool,
    ) -> Result<(), PushError> {
        checked_id(&id)?;
        let peer = agent_state.peer(&server_id).ok_or_else(|| PushError::UnknownServer(server_id.clone()))?;
        let push = peer.account.push.as_ref().ok_or_else(|| PushError::NoPush(server_id.clone()))?;
        let address = address(push, register);
        let known = agent_state.store.snapshot().and_then(|snapshot| snapshot.push());
        let known = known.map_err(|_| PushError::Store)?.into_iter().find(|(other, _)| *other == server_id);
        // Clients say it at every start: what the server knows need not be told again.
        let known = known.map(|(_, standing)| standing);
        let same = known.filter(|standing| (standing.register, &standing.id) == (register, &id));
        let task = Task { server_id: server_id.clone(), register, id: id.clone() };
        match same {
            Some(standing) if standing.open(&server_id, &address).is_none() => return Ok(()),
            // Nor does a client that keeps starting cost flash, or a server that can't be told its peace.
            Some(Registration { told: None, .. }) if self.bridge.has(&task) => return Ok(()),
            _ => {}
        }
        let standing = Registration { register, id, told: None };
        agent_state.store.commit(vec![Change::Push(server_id.clone(), standing)]).await.map_err(|error| {
            log::error!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: push registration could not be stored, and is refused: {error}");
            PushError::Store
        })?;
        self.bridge.ask(task, waking::now());
        Ok(())
    }

    /// Takes up what servers have not been told yet, or not at their present address; at once, whatever failed before:
    /// the configuration is another one.
    pub(super) fn follow(&mut self, agent_state: &AgentState) {
        let known = match agent_state.store.snapshot().and_then(|snapshot| snapshot.push()) {
            Ok(known) => known,
            Err(error) => {
                return log::error!(
                    "push registrations can't be read from the store, and are not resumed: {error}"
                );
            }
        };
        self.bridge.keep(|server_id| push_of(agent_state, server_id).is_some());
        for (server_id, standing) in known {
            if let Some(push) = push_of(agent_state, &server_id)
                && let Some(task) = standing.open(&server_id, &address(push, standing.register))
            {
                self.bridge.ask(task, waking::now());
            }
        }
    }

    /// Begins the attempts that are due, each in a task of its own.
    pub(super) fn start_due(&mut self, agent_state: &Arc<AgentState>, shared: &mut Shared) {
        for task in self.bridge.due(waking::now()) {
            let (told, name) = (task.clone(), format!("{}: push registration", task.server_id));
            let attempt = {
                let agent_state = Arc::clone(agent_state);
                async move { tell(&agent_state, &told).await }
            };
            let attempt = shared.hearts.watch_risky(&agent_state.crash_guard, name, attempt);
            self.attempts.spawn(task, async move {
                let failed =
                    |fatal: Fatal| TellResult::Failed { why: fatal.to_string(), least: Some(fatal.again) };
                attempt.await.unwrap_or_else(|fatal| Attempt { told: String::new(), outcome: failed(fatal) })
            });
        }
    }

    /// The time when an attempt is due next.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.bridge.next_wake()
    }

    /// Waits until an attempt is over.
    pub(super) async fn next_event(&mut self) -> (Task, Result<Attempt, JoinError>) {
        self.attempts.ended().await
    }

    /// Takes note of what became of an attempt.
    pub(super) async fn ended(
        &mut self,
        (task, ended): (Task, Result<Attempt, JoinError>),
        agent_state: &AgentState,
        random: &mut dyn Random,
    ) {
        let Attempt { told, outcome } = ended.unwrap_or_else(|error| {
            let why = format!("internal error: {error}");
            Attempt { told: String::new(), outcome: TellResult::Failed { why, least: None } }
        });
        let Task { server_id, register, id } = &task;
        let what = if *register { "push registration" } else { "push unregistration" };
        let (is_done, wait) = self.bridge.ended(&task, &outcome, waking::now(), random.next_u32());
        match &outcome {
            TellResult::Done => {
                log::info!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: {what} done");
            }
            TellResult::Failed { why, .. } | TellResult::Refused(why) => {
                let wait = wait.map(|wait| format!("; next attempt in {} s", wait.as_secs()));
                log::warn!(
                    OMADM_SERVER_ID = server_id.as_str();
                    "{server_id}: {what} failed: {why}{}", wait.unwrap_or_default()
                );
            }
        }
        if is_done {
            let standing = Registration { register: *register, id: id.clone(), told: Some(told) };
            // The account may name another address by now.
            let push = push_of(agent_state, server_id);
            let open = push.and_then(|push| standing.open(server_id, &address(push, *register)));
            let change = Change::Push(server_id.clone(), standing);
            if let Err(error) = agent_state.store.commit(vec![change]).await {
                log::error!(
                    "{server_id}: that push registration was done could not be stored ({error}): it is repeated after a restart"
                );
            }
            if let Some(task) = open {
                self.bridge.ask(task, waking::now());
            }
        }
    }
}

async fn tell(agent_state: &AgentState, task: &Task) -> Attempt {
    let refused = |why: &str| Attempt { told: String::new(), outcome: TellResult::Refused(why.to_owned()) };
    let Some(peer) = agent_state.peer(&task.server_id) else { return refused("the account is gone") };
    let Some(push) = &peer.account.push else { return refused("the account has no push") };
    let principal = Principal { account: &peer.account, session: SessionFacts::default() };
    let outcome = match Parameters::of(&agent_state.tree, &agent_state.settings, &principal).await {
        Ok(parameters) => registration::send(peer, push, task, &parameters).await,
        Err(error) => TellResult::Failed { why: error.to_string(), least: None },
    };
    Attempt { told: address(push, task.register), outcome }
}

fn push_of<'w>(agent_state: &'w AgentState, server_id: &ServerId) -> Option<&'w Push> {
    agent_state.peer(server_id)?.account.push.as_ref()
}

/// The address of a registration, in the form in which a change of it is noticed: then the server must be told again.
fn address(push: &Push, register: bool) -> String {
    let uri = if register { &push.register_uri } else { &push.unregister_uri };
    format!("{uri} {}", push.params.as_deref().unwrap_or_default())
}
