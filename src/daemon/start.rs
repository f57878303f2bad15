//! The agent's start, from what was loaded to what is due at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::aftermath::Dropped;
use super::bootstrapping::Bootstrapping;
use super::clock::{Clock, Wait};
use super::doorkeeper::Doorkeeper;
use super::loading::Loader;
use super::network::Network;
use super::sim::Sim;
use super::supervisor::Supervisor;
use super::triggers::Triggers;
use super::watcher::Watcher;
use super::{Daemon, schedule};
use crate::exec::{Finished, Programs};
use crate::push::bridge::Bridge;
use crate::session::{Queue, Random, Room};
use crate::store::StoreError;
use crate::subscription::Subscriptions;
use crate::world::World;

impl Daemon {
    /// One at rest. Whose end `finished` hears of are EXECs that outlive their session.
    pub(super) fn new(
        (loader, world): (Loader, Arc<World>),
        doorkeeper: Arc<Mutex<Doorkeeper>>,
        clock: Clock,
        finished: mpsc::UnboundedSender<Finished>,
        mut random: Box<dyn Random>,
    ) -> Result<Self, StoreError> {
        let next_exec = world.store.snapshot()?.execs()?.last().map_or(0, |(last, _)| last.saturating_add(1));
        let programs = Programs::new(finished, &boot_id(), next_exec);
        let watcher = Watcher::new(&world.settings.paths);
        let sim = Sim::new(&world);
        let subscriptions = Subscriptions::new(&world, &mut *random);
        Ok(Self {
            store: Arc::clone(&world.store),
            loader,
            world,
            doorkeeper,
            queue: Queue::default(),
            clock,
            clock_wait: None,
            sessions: JoinSet::new(),
            places: HashMap::new(),
            room: Room::default(),
            network: Network::default(),
            programs,
            subscriptions,
            triggers: Triggers::default(),
            dropped: Dropped::default(),
            stopping: watch::Sender::new(false),
            random,
            supervisor: Supervisor::new(),
            watcher,
            bridge: Bridge::default(),
            registrations: JoinSet::new(),
            telling: HashMap::new(),
            configurations: JoinSet::new(),
            configuring: HashMap::new(),
            bootstrapping: Bootstrapping::default(),
            bootstraps: JoinSet::new(),
            sim,
        })
    }

    /// What is due because the agent has started.
    pub(super) async fn boot(&mut self) {
        let until = Instant::now() + self.world.settings.session.clock_wait;
        self.clock_wait = Wait::begin(&self.clock, until);
        self.queue.hold(self.clock_wait.as_ref().map(Wait::until));
        self.resume_registrations();
        self.look_for_bootstrap_at_start();
        self.forget_unknown().await;
        self.hold_fatal();
        self.take_up().await;
        let due = schedule::at_start(&self.world, Instant::now(), &mut *self.random);
        for (ticket, at) in self.hold_back(due) {
            self.queue.ask(ticket, at);
        }
    }
}

/// What the kernel calls this boot of the machine; empty where it does not say.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
