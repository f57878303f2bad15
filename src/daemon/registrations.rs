//! Gives the push bridge its store and its connections.

use std::sync::Arc;

use tokio::task::{Id, JoinError};

use super::Daemon;
use crate::base::attempts::Fatal;
use crate::base::waking;
use crate::config::Push;
use crate::push::bridge::{Outcome, Task};
use crate::push::{PushError, checked_id, payload, registration};
use crate::store::Change;
use crate::store::records::Registration;
use crate::tree::{SessionFacts, Visitor};
use crate::world::Parameters;
use crate::world::World;

/// Where one attempt went, and what became of it.
pub(super) type Attempt = (String, Outcome);

impl Daemon {
    /// A push client has got an id, or lost it. It is on disk before the client hears so.
    pub(super) async fn registration(
        &mut self,
        server_id: String,
        id: String,
        register: bool,
    ) -> Result<(), PushError> {
        checked_id(&id)?;
        let peer = self.world.peer(&server_id).ok_or_else(|| PushError::UnknownServer(server_id.clone()))?;
        let push = peer.account.push.as_ref().ok_or_else(|| PushError::NoPush(server_id.clone()))?;
        let address = address(push, register);
        let known = self.store.snapshot().and_then(|snapshot| snapshot.push());
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
        self.store.commit(vec![Change::Push(server_id.clone(), standing)]).await.map_err(|error| {
            log::error!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: push registration could not be stored, and is refused: {error}");
            PushError::Store
        })?;
        self.bridge.ask(task, waking::now());
        Ok(())
    }

    /// Takes up what servers have not been told yet, or not at their present address; at once, whatever failed before:
    /// the configuration is another one.
    pub(super) fn resume_registrations(&mut self) {
        let known = match self.store.snapshot().and_then(|snapshot| snapshot.push()) {
            Ok(known) => known,
            Err(error) => {
                return log::error!(
                    "push registrations can't be read from the store, and are not resumed: {error}"
                );
            }
        };
        self.bridge.keep(|server_id| push_of(&self.world, server_id).is_some());
        for (server_id, standing) in known {
            if let Some(push) = push_of(&self.world, &server_id)
                && let Some(task) = standing.open(&server_id, &address(push, standing.register))
            {
                self.bridge.ask(task, waking::now());
            }
        }
    }

    /// Tells those whose turn it is, each in a task of its own.
    pub(super) fn start_registrations(&mut self) {
        for task in self.bridge.due(waking::now()) {
            let (world, told) = (Arc::clone(&self.world), task.clone());
            let name = format!("{}: push registration", task.server_id);
            let attempt = async move { tell(&world, &told).await };
            let attempt = self.hearts.watch_attempt(&self.world.attempts, name, attempt);
            let handle = self.registrations.spawn(async move {
                let failed =
                    |fatal: Fatal| Outcome::Failed { why: fatal.to_string(), least: Some(fatal.again) };
                attempt.await.unwrap_or_else(|fatal| (String::new(), failed(fatal)))
            });
            self.telling.insert(handle.id(), task);
        }
    }

    /// Takes note of what became of an attempt.
    pub(super) async fn registered(&mut self, ended: Result<(Id, Attempt), JoinError>) {
        let (attempted, (told, outcome)) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let why = format!("internal error: {error}");
                (error.id(), (String::new(), Outcome::Failed { why, least: None }))
            }
        };
        let Some(task) = self.telling.remove(&attempted) else { return };
        let Task { server_id, register, id } = &task;
        let what = if *register { "push registration" } else { "push unregistration" };
        let (settled, wait) = self.bridge.ended(&task, &outcome, waking::now(), self.random.next_u32());
        match &outcome {
            Outcome::Done => {
                log::info!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: {what} done");
            }
            Outcome::Failed { why, .. } | Outcome::Refused(why) => {
                let wait = wait.map(|wait| format!("; next attempt in {} s", wait.as_secs()));
                log::warn!(
                    OMADM_SERVER_ID = server_id.as_str();
                    "{server_id}: {what} failed: {why}{}", wait.unwrap_or_default()
                );
            }
        }
        if settled {
            let standing = Registration { register: *register, id: id.clone(), told: Some(told) };
            // The account may name another address by now.
            let push = push_of(&self.world, server_id);
            let open = push.and_then(|push| standing.open(server_id, &address(push, *register)));
            let change = Change::Push(server_id.clone(), standing);
            if let Err(error) = self.store.commit(vec![change]).await {
                log::error!(
                    "{server_id}: that push registration was done could not be stored ({error}): it is repeated after a restart"
                );
            }
            if let Some(task) = open {
                self.bridge.ask(task, waking::now());
            }
        }
    }

    /// A push message: judged as if it had come by UDP.
    pub(super) async fn deliver(&mut self, base64: &str) -> Result<(), PushError> {
        let package = payload(base64)?;
        let clock = self.clock.now();
        let admitted = self
            .doorkeeper
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .receive_push(&package, clock, waking::now())
            .map_err(PushError::Dropped)?;
        self.admitted(admitted).await;
        Ok(())
    }
}

async fn tell(world: &World, task: &Task) -> Attempt {
    let refused = |why: &str| (String::new(), Outcome::Refused(why.to_owned()));
    let Some(peer) = world.peer(&task.server_id) else { return refused("the account is gone") };
    let Some(push) = &peer.account.push else { return refused("the account has no push") };
    let visitor = Visitor { account: &peer.account, session: SessionFacts::default() };
    let outcome = match Parameters::of(&world.tree, &world.settings, &visitor).await {
        Ok(parameters) => registration::send(peer, push, task, &parameters).await,
        Err(error) => Outcome::Failed { why: error.to_string(), least: None },
    };
    (address(push, task.register), outcome)
}

fn push_of<'w>(world: &'w World, server_id: &str) -> Option<&'w Push> {
    world.peer(server_id)?.account.push.as_ref()
}

/// What a server must be told again if it changes.
fn address(push: &Push, register: bool) -> String {
    let uri = if register { &push.register_uri } else { &push.unregister_uri };
    format!("{uri} {}", push.params.as_deref().unwrap_or_default())
}
