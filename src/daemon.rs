//! The agent: one loop that owns the queue, and starts a task for each session.

mod clock;
mod doorkeeper;
mod loading;
mod local;
mod registrations;
mod schedule;
mod supervisor;
mod watcher;

pub use loading::{Options, check};
pub use local::{Configured, Local};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};

use crate::alert::{self, Place};
use crate::command::{Finished, Programs};
use crate::config::Problems;
use crate::journal::id;
use crate::notification::listener;
use crate::push::bridge::{Bridge, Task};
use crate::session::{Again, Cause, Failure, Outcome, Queue, Random, Session, Ticket};
use crate::store::{Change, Store, StoreError};
use crate::subscription::Subscriptions;
use crate::world::World;
use clock::{Clock, Wait};
use doorkeeper::Doorkeeper;
use loading::Loader;
use registrations::Attempt;
use supervisor::Supervisor;
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
    sessions: JoinSet<Outcome>,
    /// Whom each session's task is with.
    places: HashMap<Id, Place>,
    programs: Programs,
    subscriptions: Subscriptions,
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
    let sockets = if sockets.is_empty() {
        listener::bind(&world.settings.notification.listen).map_err(DaemonError::Listen)?
    } else {
        sockets
    };
    let clock = Clock::new(&world.store, loader.time_floor())?;
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
        programs: Programs::new(finished_sender),
        subscriptions,
        stopping: watch::Sender::new(false),
        random,
        supervisor: Supervisor::new(),
        watcher,
        bridge: Bridge::default(),
        registrations: JoinSet::new(),
        telling: HashMap::new(),
        configurations: JoinSet::new(),
        configuring: HashMap::new(),
    };
    daemon.boot();
    let status = daemon.status();
    daemon.supervisor.ready(&status);

    loop {
        daemon.start_due();
        daemon.start_registrations();
        let wake = daemon.next_wake();
        tokio::select! {
            never = &mut listening => match never {},
            Some(package) = admitted.recv() => daemon.admitted(package).await,
            Some(finished) = finished.recv() => daemon.finished(&finished).await,
            Some(ended) = daemon.sessions.join_next_with_id() => daemon.ended(ended).await,
            Some(ended) = daemon.registrations.join_next_with_id() => daemon.registered(ended).await,
            Some(ended) = daemon.configurations.join_next_with_id() => {
                let task = ended.map_or_else(|error| error.id(), |(task, ())| task);
                daemon.configuring.remove(&task);
            }
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
    daemon.stop().await;
    Ok(())
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
    fn boot(&mut self) {
        let until = Instant::now() + self.world.settings.session.clock_wait;
        self.clock_wait = Wait::begin(&self.clock, until);
        self.queue.hold(self.clock_wait.as_ref().map(Wait::until));
        self.resume_registrations();
        for (ticket, at) in schedule::at_start(&self.world, Instant::now(), &mut *self.random) {
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
        if let Some(remember) = package.remember {
            let mut changes = vec![Change::Notification {
                server_id: server_id.clone(),
                id: remember.id,
                time: remember.time,
            }];
            changes.extend(
                package.forget.into_iter().map(|id| Change::ForgetNotification(server_id.clone(), id)),
            );
            if let Err(error) = self.store.commit(changes).await {
                log::error!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: notification not remembered: {error}");
            }
        }
        log::info!(
            OMADM_SERVER_ID = server_id.as_str();
            "{server_id}: notification {}",
            trigger.notification_id.map_or_else(|| "without id".to_owned(), |id| id.to_string()),
        );
        self.queue.ask(Ticket { trigger, at: None, cause: Cause::Notification }, Instant::now());
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
            let session_id = format!("{:08x}", self.random.next_u32());
            log::info!(
                OMADM_SERVER_ID = server_id.as_str(), OMADM_SESSION_ID = session_id.as_str();
                "{server_id}: session {session_id} begins ({})", ticket.cause.name()
            );
            let place = ticket.place();
            let session = Session {
                world: Arc::clone(&self.world),
                peer,
                ticket,
                id: session_id,
                programs: self.programs.clone(),
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
        let waiting = || alert::waiting(&self.store, &ticket.place());
        ticket.cause != Cause::Alert || waiting().map_or(true, |waiting| !waiting.alerts.is_empty())
    }

    async fn ended(&mut self, ended: Result<(Id, Outcome), tokio::task::JoinError>) {
        let (task, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let failure = Failure::Transport(format!("internal error: {error}"));
                (error.id(), Outcome::Failed { failure, again: Again::Later })
            }
        };
        let Some(place) = self.places.remove(&task) else { return };
        let now = Instant::now();
        let wait = self.queue.ended(&place, &outcome, now, self.random.next_u32());
        let Place { server_id, uri } = place;
        if let Some(wait) = wait {
            log::info!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: next attempt in {} s", wait.as_secs());
        }
        // What was posted elsewhere is nothing to the account's schedule.
        if uri.is_none() {
            self.follow_up(&server_id, &outcome, wait.is_none()).await;
        }
        let status = self.status();
        self.supervisor.status(&status);
    }

    /// What comes after a session with an account's server.
    async fn follow_up(&mut self, server_id: &str, outcome: &Outcome, no_retry: bool) {
        let first = self.first_contact_missing(server_id);
        if *outcome == Outcome::Completed {
            self.remember_contact(server_id, first).await;
        }
        let failed_for_good = *outcome != Outcome::Completed && no_retry;
        if let Some(peer) = self.world.peer(server_id)
            && let Some((ticket, at)) =
                schedule::after_session(peer, failed_for_good && first, Instant::now(), &mut *self.random)
        {
            self.queue.ask(ticket, at);
        }
    }

    fn first_contact_missing(&self, server_id: &str) -> bool {
        let contact = self.store.snapshot().and_then(|snapshot| snapshot.contact(server_id));
        contact.is_ok_and(|contact| contact.is_none())
    }

    async fn remember_contact(&mut self, server_id: &str, first: bool) {
        let now = self.clock.now();
        let mut changes = Vec::new();
        if first {
            changes.push(Change::Contact(server_id.to_owned(), now.now));
        }
        changes.extend(self.clock.worth_storing().map(Change::Clock));
        if let Err(error) = self.store.commit(changes).await {
            log::error!(OMADM_SERVER_ID = server_id; "{server_id}: first contact not remembered: {error}");
        }
    }

    /// An EXEC ended after its command was answered: its alert waits for the server, in a session started now
    /// unless one is running, or for the place that the command named.
    async fn finished(&mut self, finished: &Finished) {
        let server_id = &finished.server_id;
        let place = Place { server_id: server_id.clone(), uri: finished.report_to.clone() };
        if let Err(error) = alert::keep(&self.store, &place, &alert::of_exec(finished)).await {
            log::error!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: alert not kept: {error}");
            return;
        }
        self.queue.ask(Ticket::to(&place, Cause::Alert), Instant::now());
    }

    /// Reads everything again, on the operator's word.
    async fn reload(&mut self) {
        self.supervisor.reloading();
        match self.loader.reload(&self.world).await {
            Ok(world) => self.adopt(world).await,
            Err(error) => log::error!(
                MESSAGE_ID = id::CONFIGURATION_BROKEN; "reload failed, going on as before: {error}"
            ),
        }
        let status = self.status();
        self.supervisor.ready(&status);
    }

    /// Goes on in a new world; sessions in flight finish in the old one.
    async fn adopt(&mut self, world: World) {
        {
            let mut doorkeeper = self.doorkeeper.lock().unwrap_or_else(PoisonError::into_inner);
            doorkeeper.set_policy(&world.settings.notification);
            doorkeeper.know(&world.peers);
        }
        self.queue.keep(|server_id| world.peer(server_id).is_some());
        self.watcher.look_at(&world.settings.paths);
        let before = std::mem::replace(&mut self.world, Arc::new(world));
        let due = schedule::of_changes(&before, &self.world, Instant::now(), &mut *self.random);
        for (ticket, at) in due {
            self.queue.ask(ticket, at);
        }
        self.subscriptions.follow(&before, &self.world).await;
        self.resume_registrations();
        let status = self.status();
        log::info!("configuration read again: {status}");
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
    async fn stop(mut self) {
        self.supervisor.stopping();
        self.stopping.send_replace(true);
        let ending = async {
            while self.sessions.join_next().await.is_some() {}
            while self.configurations.join_next().await.is_some() {}
        };
        if tokio::time::timeout(LONGEST_STOP, ending).await.is_err() {
            log::warn!("a command takes too long: broken off");
        }
        self.sessions.shutdown().await;
        self.configurations.shutdown().await;
        self.subscriptions.stop().await;
        self.doorkeeper.lock().unwrap_or_else(PoisonError::into_inner).report_all();
        log::info!("stopped");
    }
}
