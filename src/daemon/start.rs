//! The agent's start, from what was loaded to what is due at once.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::aftermath::Dropped;
use super::bootstrapping::Bootstrapping;
use super::clock::{Clock, Wait};
use super::doorkeeper::Doorkeeper;
use super::evidence::Seen;
use super::loading::Loader;
use super::network::Network;
use super::renewal::Loading;
use super::sim::Sim;
use super::supervisor::Supervisor;
use super::triggers::Triggers;
use super::watcher::Watcher;
use super::{Daemon, DaemonError, Options, loading, schedule};
use crate::base::Random;
use crate::base::heartbeat::Hearts;
use crate::base::waking;
use crate::command::Room;
use crate::exec::{Finished, Programs};
use crate::notification::listener;
use crate::push::bridge::Bridge;
use crate::session::Queue;
use crate::store::StoreError;
use crate::subscription::Subscriptions;
use crate::world::World;

/// What the loop begins with.
pub(super) struct Started {
    pub(super) loader: Loader,
    pub(super) world: Arc<World>,
    pub(super) watcher: Watcher,
    pub(super) sockets: Vec<UdpSocket>,
    pub(super) clock: Clock,
    pub(super) doorkeeper: Arc<Mutex<Doorkeeper>>,
}

/// Reads what there is, and opens what notifications come by, where no `sockets` were passed.
pub(super) async fn start(
    options: Options,
    sockets: Vec<UdpSocket>,
    random: &mut dyn Random,
) -> Result<Started, DaemonError> {
    let (loader, world, watcher) = Loader::start(options).await?;
    loading::make_cache_key(&world.store, random).await?;
    let sockets = if sockets.is_empty() {
        listener::bind(&world.settings.notification.listen).map_err(DaemonError::Listen)?
    } else {
        sockets
    };
    let clock = Clock::new(&world.store, loader.time_floor(), &world.settings.paths.sysroot)?;
    clock.look().await;
    let mut doorkeeper = Doorkeeper::new(&world.settings.notification);
    doorkeeper.know(&world.peers);
    doorkeeper.restore(&world.store)?;
    Ok(Started { loader, world, watcher, sockets, clock, doorkeeper: Arc::new(Mutex::new(doorkeeper)) })
}

impl Daemon {
    /// One at rest. Whose end `finished` hears of are EXECs that outlive their session.
    pub(super) fn new(
        (loader, world, watcher): (Loader, Arc<World>, Watcher),
        doorkeeper: Arc<Mutex<Doorkeeper>>,
        clock: Clock,
        finished: mpsc::UnboundedSender<Finished>,
        mut random: Box<dyn Random>,
    ) -> Result<Self, StoreError> {
        let next_exec = world.store.snapshot()?.execs()?.last().map_or(0, |(last, _)| last.saturating_add(1));
        let programs = Programs::new(finished, &boot_id(), next_exec);
        let sim = Sim::new(&world);
        let subscriptions = Subscriptions::new(&world, &mut *random);
        Ok(Self {
            store: Arc::clone(&world.store),
            loader,
            loading: Loading::default(),
            world,
            doorkeeper,
            queue: Queue::default(),
            clock,
            clock_wait: None,
            sessions: JoinSet::new(),
            hearts: Hearts::default(),
            places: HashMap::new(),
            rest: super::rest::Rest::default(),
            room: Room::default(),
            network: Network::default(),
            programs,
            subscriptions,
            triggers: Triggers::default(),
            left_execs: BTreeSet::new(),
            dropped: Dropped::default(),
            seen: Seen::default(),
            stopping: watch::Sender::new(false),
            random,
            supervisor: Supervisor::new(waking::now()),
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
        let until = waking::now() + self.world.settings.session.clock_wait;
        self.clock_wait = Wait::begin(&self.clock, until);
        self.queue.hold(self.clock_wait.as_ref().map(Wait::until));
        self.resume_registrations();
        self.look_for_bootstrap_at_start();
        self.forget_unknown().await;
        self.hold_fatal(|_| true);
        self.take_up().await;
        let due = schedule::at_start(&self.world, waking::now(), &mut *self.random);
        for (ticket, at) in self.hold_back(due) {
            self.queue.ask(ticket, at);
        }
    }
}

/// What the kernel calls this boot of the machine; empty where it does not say.
pub(super) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
