//! The agent: one loop that owns the queue, and starts a task for each session.

mod aftermath;
mod bootstrapping;
mod clock;
mod doorkeeper;
mod loading;
mod local;
mod registrations;
mod schedule;
mod supervisor;
mod triggers;
mod watcher;

pub use loading::{Options, check};
pub use local::{Configured, Local};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{Id, JoinSet};

use crate::alert::{self, Place};
use crate::config::Problems;
use crate::exec::{Finished, Programs};
use crate::journal::id;
use crate::notification::listener;
use crate::push::bridge::{Bridge, Task};
use crate::session::{self, Again, Cause, Ended, Failure, Outcome, Queue, Random, Session, Ticket};
use crate::store::{Change, Store, StoreError};
use crate::subscription::Subscriptions;
use crate::world::World;
use aftermath::Dropped;
use bootstrapping::{Bootstrapped, Bootstrapping};
use clock::{Clock, Wait};
use doorkeeper::Doorkeeper;
use loading::Loader;
use registrations::Attempt;
use supervisor::Supervisor;
use triggers::Triggers;
use watcher::Watcher;

/// What the agent is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Read the configuration again.
    Reload,
    /// End.
    Stop,
}

/// Why the agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The file that `--config` names is broken.
    #[error("the configuration is broken")]
    Configuration(Problems),
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system refuses what every program needs.
    #[error("{0}")]
    Runtime(std::io::Error),
    /// The UDP socket can't be had.
    #[error("notification.listen: {0}")]
    Listen(std::io::Error),
}

/// Notifications that were let in but not acted upon yet; more are dropped.
const MOST_ADMITTED: usize = 64;

/// A command that is being executed when the agent is stopped gets this long. systemd waits 20 s.
const LONGEST_STOP: Duration = Duration::from_secs(8);

struct Daemon {
    loader: Loader,
    world: Arc<World>,
    store: Arc<Store>,
    doorkeeper: Arc<Mutex<Doorkeeper>>,
    queue: Queue,
    clock: Clock,
    /// While the clock is not set.
    clock_wait: Option<Wait>,
    sessions: JoinSet<Ended>,
    /// Whom each session's task is with.
    places: HashMap<Id, Place>,
    places_at_work: Arc<Semaphore>,
    programs: Programs,
    subscriptions: Subscriptions,
    triggers: Triggers,
    dropped: Dropped,
    /// Turns true when sessions are to end.
    stopping: watch::Sender<bool>,
    random: Box<dyn Random>,
    supervisor: Supervisor,
    watcher: Watcher,
    /// What push clients want servers to be told.
    bridge: Bridge,
    registrations: JoinSet<Attempt>,
    /// What each registration's task tells whom.
    telling: HashMap<Id, Task>,
    /// Requests of local applications, and which object each is for.
    configurations: JoinSet<()>,
    configuring: HashMap<Id, String>,
    /// When a bootstrap server is asked for accounts.
    bootstrapping: Bootstrapping,
    bootstraps: JoinSet<Bootstrapped>,
}

/// Runs the agent until it is told to stop.
///
/// `sockets` receive notifications; none: those that `notification.listen` names are opened. `requests` come from
/// applications on the device.
///
/// # Errors
/// [`DaemonError`], before it is ready; nothing later ends it.
pub async fn run(
    options: Options,
    sockets: Vec<UdpSocket>,
    mut signals: mpsc::Receiver<Signal>,
    mut requests: mpsc::Receiver<Local>,
    mut random: Box<dyn Random>,
) -> Result<(), DaemonError> {
    let (loader, world) = Loader::start(options).await?;
    loading::make_cache_key(&world.store, &mut *random).await?;
    let sockets = if sockets.is_empty() {
        listener::bind(&world.settings.notification.listen).map_err(DaemonError::Listen)?
    } else {
        sockets
    };
    let clock = Clock::new(&world.store, loader.time_floor(), &world.settings.paths.sysroot)?;
    let mut doorkeeper = Doorkeeper::new(&world.settings.notification);
    doorkeeper.know(&world.peers);
    doorkeeper.restore(&world.store)?;
    let doorkeeper = Arc::new(Mutex::new(doorkeeper));

    let (admitted_sender, mut admitted) = mpsc::channel(MOST_ADMITTED);
    let listening = {
        let (doorkeeper, clock) = (Arc::clone(&doorkeeper), clock.clone());
        listener::run(sockets, move |datagram, _from| {
            // A full queue drops it unseen, as the network may: sent again, it must not pass for a duplicate.
            let Ok(place) = admitted_sender.try_reserve() else { return };
            let mut doorkeeper = doorkeeper.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(package) = doorkeeper.receive(datagram, clock.now(), Instant::now()) {
                place.send(package);
            }
        })
    };
    let mut listening = std::pin::pin!(listening);

    let (finished_sender, mut finished) = mpsc::unbounded_channel();
    let next_exec = world.store.snapshot()?.execs()?.last().map_or(0, |(last, _)| last.saturating_add(1));
    let programs = Programs::new(finished_sender, &boot_id(), next_exec);
    let watcher = Watcher::new(&world.settings.paths);
    let subscriptions = Subscriptions::new(&world, &mut *random);
    let mut daemon = Daemon {
        store: Arc::clone(&world.store),
        loader,
        world,
        doorkeeper,
        queue: Queue::default(),
        clock,
        clock_wait: None,
        sessions: JoinSet::new(),
        places: HashMap::new(),
        places_at_work: session::places(),
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
    };
    daemon.boot().await;
    let status = daemon.status();
    daemon.supervisor.ready(&status);

    loop {
        daemon.start_due();
        daemon.start_registrations();
        daemon.start_bootstrap();
        let wake = daemon.next_wake();
        tokio::select! {
            never = &mut listening => match never {},
            Some(package) = admitted.recv() => daemon.admitted(package).await,
            Some(finished) = finished.recv() => daemon.finished(finished).await,
            Some(ended) = daemon.sessions.join_next_with_id() => daemon.ended(ended).await,
            Some(ended) = daemon.registrations.join_next_with_id() => daemon.registered(ended).await,
            Some(ended) = daemon.configurations.join_next_with_id() => {
                let task = ended.map_or_else(|error| error.id(), |(task, ())| task);
                daemon.configuring.remove(&task);
            }
            Some(ended) = daemon.bootstraps.join_next() => daemon.bootstrapped(ended).await,
            () = daemon.store.accounts_changed() => daemon.accounts_changed().await,
            Some(request) = requests.recv() => daemon.local(request).await,
            () = daemon.watcher.changed() => {}
            () = daemon.subscriptions.turn(&daemon.world, &mut *daemon.random) => {}
            set = clock_settled(daemon.clock_wait.as_ref(), &daemon.clock) => daemon.clock_settled(set),
            () = sleep_until(wake) => daemon.tick().await,
            signal = signals.recv() => match signal {
                Some(Signal::Reload) => daemon.reload().await,
                Some(Signal::Stop) | None => break,
            },
        }
    }
    daemon.stop(&mut finished).await;
    Ok(())
}

/// What the kernel calls this boot of the machine; empty where it does not say.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake.into()).await,
        None => std::future::pending().await,
    }
}

async fn clock_settled(wait: Option<&Wait>, clock: &Clock) -> bool {
    match wait {
        Some(wait) => wait.over(clock).await,
        None => std::future::pending().await,
    }
}

impl Daemon {
    /// What is due because the agent has started.
    async fn boot(&mut self) {
        let until = Instant::now() + self.world.settings.session.clock_wait;
        self.clock_wait = Wait::begin(&self.clock, until);
        self.queue.hold(self.clock_wait.as_ref().map(Wait::until));
        self.resume_registrations();
        self.look_for_bootstrap_at_start();
        self.forget_unknown().await;
        self.take_up().await;
        let due = schedule::at_start(&self.world, Instant::now(), &mut *self.random);
        for (ticket, at) in self.hold_back(due) {
            self.queue.ask(ticket, at);
        }
    }

    /// What is scheduled need not wait any longer.
    fn clock_settled(&mut self, set: bool) {
        match set {
            true => log::info!("the clock is set"),
            false => log::warn!("the clock is still not set: scheduled sessions begin all the same"),
        }
        self.clock_wait = None;
        self.queue.hold(None);
    }

    fn next_wake(&self) -> Option<Instant> {
        let tally = self.doorkeeper.lock().unwrap_or_else(PoisonError::into_inner).due();
        let dues = [
            self.queue.next_wake(),
            tally,
            self.supervisor.next_ping(),
            self.watcher.due(),
            self.bridge.next_wake(),
            self.bootstrap_due(),
            self.subscriptions.next_wake(),
        ];
        dues.into_iter().flatten().min()
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        self.doorkeeper.lock().unwrap_or_else(PoisonError::into_inner).report(now);
        self.supervisor.ping(now);
        if self.watcher.take_due(now) {
            let world = self.loader.refresh(&self.world).await;
            self.adopt(world).await;
        }
    }

    /// A notification was let in. It is on disk before anything comes of it: a replay after a power cut is
    /// still one.
    async fn admitted(&mut self, package: crate::notification::gate::Admitted) {
        let trigger = package.trigger;
        let server_id = trigger.server_id.clone();
        let ticket = Ticket { trigger, at: None, cause: Cause::Notification };
        if let Some(remember) = package.remember {
            let mut changes = vec![Change::Notification {
                server_id: server_id.clone(),
                id: remember.id,
                time: remember.time,
            }];
            changes.extend(
                package.forget.into_iter().map(|id| Change::ForgetNotification(server_id.clone(), id)),
            );
            changes.extend(self.triggers.admitted(remember.id, &self.queue.with_waiting(&ticket).trigger));
            if let Err(error) = self.store.commit(changes).await {
                log::error!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: notification not remembered: {error}");
            }
        }
        log::info!(
            OMADM_SERVER_ID = server_id.as_str();
            "{server_id}: notification {}",
            ticket.trigger.notification_id.map_or_else(|| "without id".to_owned(), |id| id.to_string()),
        );
        self.queue.ask(ticket, Instant::now());
    }

    fn start_due(&mut self) {
        self.subscriptions.start_due(&self.world, Instant::now());
        for ticket in self.queue.due(Instant::now()) {
            let server_id = ticket.trigger.server_id.clone();
            let peer = self.world.peer(&server_id).filter(|_| self.wanted(&ticket)).cloned();
            let Some(peer) = peer else {
                self.queue.ended(&ticket.place(), &Outcome::Completed, Instant::now(), 0);
                continue;
            };
            self.bootstrapping.look(Instant::now());
            let session_id = format!("{:08x}", self.random.next_u32());
            log::info!(
                OMADM_SERVER_ID = server_id.as_str(), OMADM_SESSION_ID = session_id.as_str();
                "{server_id}: session {session_id} begins ({})", ticket.cause.name()
            );
            let place = ticket.place();
            if place.uri.is_none() {
                self.triggers.began(&server_id);
            }
            let session = Session {
                world: Arc::clone(&self.world),
                peer,
                ticket,
                id: session_id,
                programs: self.programs.clone(),
                places: Arc::clone(&self.places_at_work),
                stopping: self.stopping.subscribe(),
            };
            let mut random = self.random.fork();
            let task = async move { session.run(&mut *random).await };
            let handle = self.sessions.spawn(task);
            self.places.insert(handle.id(), place);
            let status = self.status();
            self.supervisor.status(&status);
        }
    }

    /// Alerts that rode in a session that was running need none of their own.
    fn wanted(&self, ticket: &Ticket) -> bool {
        ticket.cause != Cause::Alert || alert::is_waiting(&self.store, &ticket.place()).unwrap_or(true)
    }

    async fn ended(&mut self, ended: Result<(Id, Ended), tokio::task::JoinError>) {
        let (task, ended) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let failure = Failure::Transport(format!("internal error: {error}"));
                (error.id(), Outcome::Failed { failure, again: Again::Later }.into())
            }
        };
        let Some(place) = self.places.remove(&task) else { return };
        let now = Instant::now();
        let wait = self.queue.ended(&place, &ended.outcome, now, self.random.next_u32());
        let (outcome, server_time) = (ended.outcome.clone(), ended.server_time);
        self.follow_with_alerts(&place, &ended);
        // What the agent's own end breaks off is taken up at its next start.
        let mut changes = self.settled(&place, ended, wait.is_none() && !outcome.is_stopped());
        let Place { server_id, uri } = place;
        if let Some(wait) = wait {
            log::info!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: next attempt in {} s", wait.as_secs());
        }
        // What was posted elsewhere is nothing to the account's schedule.
        if uri.is_none() {
            changes.extend(self.follow_up(&server_id, &outcome, server_time, wait.is_none()));
        }
        if let Err(error) = self.store.commit(changes).await {
            log::error!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: what the session leaves is not kept: {error}");
        }
        let status = self.status();
        self.supervisor.status(&status);
    }

    /// What comes after a session with an account's server.
    fn follow_up(
        &mut self,
        server_id: &str,
        outcome: &Outcome,
        server_time: Option<u64>,
        no_retry: bool,
    ) -> Vec<Change> {
        let first = self.first_contact_missing(server_id);
        let completed = *outcome == Outcome::Completed;
        let changes = if completed { self.contact(server_id, first, server_time) } else { Vec::new() };
        let failed_for_good = *outcome != Outcome::Completed && no_retry;
        if let Some(peer) = self.world.peer(server_id)
            && let Some((ticket, at)) =
                schedule::after_session(peer, failed_for_good && first, Instant::now(), &mut *self.random)
        {
            if failed_for_good && !outcome.is_stopped() {
                let wait = at.saturating_duration_since(Instant::now());
                log::info!(OMADM_SERVER_ID = server_id; "{server_id}: next attempt in {} s", wait.as_secs());
            }
            self.queue.ask(ticket, at);
        }
        changes
    }

    fn first_contact_missing(&self, server_id: &str) -> bool {
        let contact = self.store.snapshot().and_then(|snapshot| snapshot.contact(server_id));
        contact.is_ok_and(|contact| contact.is_none())
    }

    /// What is to be remembered of a session that ended well.
    fn contact(&mut self, server_id: &str, first: bool, server_time: Option<u64>) -> Vec<Change> {
        let now = self.clock.now();
        let contact = first.then(|| Change::Contact(server_id.to_owned(), now.now));
        contact.into_iter().chain(self.clock.worth_storing(server_time).map(Change::Clock)).collect()
    }

    /// Reads everything again, on the operator's word.
    async fn reload(&mut self) {
        self.supervisor.reloading();
        match self.loader.reload(&self.world).await {
            Ok(world) => {
                self.bootstrapping.afresh();
                self.adopt(world).await;
            }
            Err(error) => log::error!(
                MESSAGE_ID = id::CONFIGURATION_BROKEN; "reload failed, going on as before: {error}"
            ),
        }
        let status = self.status();
        self.supervisor.ready(&status);
    }

    /// A server changed its account, or a bootstrap brought some.
    async fn accounts_changed(&mut self) {
        let world = self.loader.accounts_changed(&self.world).await;
        let news = world.peers.len() != self.world.peers.len()
            || world.peers.iter().zip(&self.world.peers).any(|(new, old)| !Arc::ptr_eq(new, old));
        self.go_on_in(world).await;
        if news {
            log::info!("accounts changed: {}", self.status());
        }
    }

    /// Goes on with what files say now.
    async fn adopt(&mut self, world: World) {
        self.go_on_in(world).await;
        self.bootstrapping.look(Instant::now());
        log::info!("configuration read again: {}", self.status());
    }

    /// Goes on in a new world; sessions in flight finish in the old one.
    async fn go_on_in(&mut self, world: World) {
        {
            let mut doorkeeper = self.doorkeeper.lock().unwrap_or_else(PoisonError::into_inner);
            doorkeeper.set_policy(&world.settings.notification);
            doorkeeper.know(&world.peers);
        }
        let before = self.world.peers.iter().map(|peer| peer.account.server_id.clone());
        let gone: Vec<String> = before.filter(|server_id| world.peer(server_id).is_none()).collect();
        self.queue.keep(|server_id| world.peer(server_id).is_some());
        self.watcher.look_at(&world.settings.paths);
        let before = std::mem::replace(&mut self.world, Arc::new(world));
        self.warn_of_mixed(Some(&before));
        let due = schedule::of_changes(&before, &self.world, Instant::now(), &mut *self.random);
        for (ticket, at) in due {
            self.queue.ask(ticket, at);
        }
        self.subscriptions.follow(&before, &self.world).await;
        self.resume_registrations();
        self.forget(&gone).await;
        let status = self.status();
        self.supervisor.status(&status);
    }

    fn status(&self) -> String {
        let plural =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        format!(
            "{}, {}, {} running",
            plural(self.world.peers.len(), "account"),
            plural(self.world.tree.objects().len(), "management object"),
            plural(self.queue.running(), "session"),
        )
    }

    /// Sessions are broken off, after the command that is being executed where that does not take long: their
    /// servers see a lost connection, and what was acknowledged is on disk.
    async fn stop(mut self, finished: &mut mpsc::UnboundedReceiver<Finished>) {
        self.supervisor.stopping();
        self.stopping.send_replace(true);
        let deadline = tokio::time::Instant::now() + LONGEST_STOP;
        loop {
            match tokio::time::timeout_at(deadline, self.sessions.join_next_with_id()).await {
                Ok(Some(ended)) => self.ended(ended).await,
                Ok(None) => break,
                Err(_) => {
                    log::warn!("a command takes too long: broken off");
                    break;
                }
            }
        }
        let configuring = async { while self.configurations.join_next().await.is_some() {} };
        if tokio::time::timeout_at(deadline, configuring).await.is_err() {
            log::warn!("a configuration takes too long: broken off");
        }
        self.sessions.shutdown().await;
        self.configurations.shutdown().await;
        self.subscriptions.stop().await;
        self.last_words(finished).await;
        self.doorkeeper.lock().unwrap_or_else(PoisonError::into_inner).report_all();
        log::info!("stopped");
    }
}
