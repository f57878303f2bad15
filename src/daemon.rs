//! The agent: one loop that owns the queue, and starts a task for each session.

mod aftermath;
mod bootstrapping;
mod checking;
mod clock;
mod difference;
mod doorkeeper;
mod ending;
mod evidence;
mod loading;
mod local;
mod network;
mod reading;
mod registrations;
mod renewal;
mod rest;
mod schedule;
mod sessions;
mod sim;
mod start;
mod supervisor;
mod triggers;
mod watcher;

pub use checking::{Checked, check};
pub use loading::Options;
pub use local::{Configured, Local};

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};

use crate::alert::Place;
use crate::base::Random;
use crate::base::heartbeat::Hearts;
use crate::base::lane::Stuck;
use crate::base::waking::{self, Alarm};
use crate::command::Room;
use crate::exec::Programs;
use crate::notification::listener;
use crate::push::bridge::{Bridge, Task};
use crate::session::{Ended, Queue};
use crate::spanned::Problems;
use crate::store::{Store, StoreError};
use crate::subscription::Subscriptions;
use crate::world::World;
use aftermath::Dropped;
use bootstrapping::{Bootstrapped, Bootstrapping};
use clock::{Clock, Wait};
use doorkeeper::Doorkeeper;
use evidence::Seen;
use loading::{Loader, Scope};
use network::Network;
use registrations::Attempt;
use renewal::Loading;
use sim::Sim;
use start::{Started, start};
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
    /// The configuration is on a disk that does not answer.
    #[error("the configuration can't be read: {0}")]
    Stuck(#[from] Stuck),
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

struct Daemon {
    loader: Loader,
    /// The files that are being read again.
    loading: Loading,
    world: Arc<World>,
    store: Arc<Store>,
    doorkeeper: Arc<Mutex<Doorkeeper>>,
    queue: Queue,
    clock: Clock,
    /// While the clock is not set.
    clock_wait: Option<Wait>,
    sessions: JoinSet<Ended>,
    /// Whether these and the other tasks advance.
    hearts: Hearts,
    /// Whom each session's task is with.
    places: HashMap<Id, Place>,
    /// After sessions and reloads.
    rest: rest::Rest,
    room: Room,
    network: Network,
    programs: Programs,
    subscriptions: Subscriptions,
    triggers: Triggers,
    /// EXECs from before the start whose account or object may come back.
    left_execs: BTreeSet<u64>,
    dropped: Dropped,
    seen: Seen,
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
    sim: Sim,
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
    let started = start(options, sockets, &mut *random);
    let Some(started) = unless_stopped(&mut signals, started).await else { return Ok(()) };
    let Started { loader, world, watcher, sockets, clock, doorkeeper } = started?;

    let addresses = sockets.iter().filter_map(|socket| socket.local_addr().ok());
    let listens = addresses.map(|address| format!("UDP {address}")).collect::<Vec<_>>().join(", ");
    let (admitted_sender, mut admitted) = mpsc::channel(MOST_ADMITTED);
    let listening = {
        let (doorkeeper, clock) = (Arc::clone(&doorkeeper), clock.clone());
        listener::run(sockets, move |datagram, _from| {
            // A full queue drops it unseen, as the network may: sent again, it must not pass for a duplicate.
            let Ok(place) = admitted_sender.try_reserve() else { return };
            let mut doorkeeper = doorkeeper.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(package) = doorkeeper.receive(datagram, clock.now(), waking::now()) {
                place.send(package);
            }
        })
    };
    let mut listening = std::pin::pin!(listening);

    let (finished_sender, mut finished) = mpsc::unbounded_channel();
    let mut daemon = Daemon::new((loader, world, watcher), doorkeeper, clock, finished_sender, random)?;
    daemon.boot().await;
    let status = daemon.status();
    log::info!("omadm-agent {}, notifications on {listens}: {status}", env!("CARGO_PKG_VERSION"));
    daemon.supervisor.ready(&status);
    let mut alarm = Alarm::default();

    loop {
        daemon.start_due().await;
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
            Some(read) = daemon.loading.done() => daemon.loaded(read).await,
            () = daemon.store.accounts_changed() => daemon.accounts_changed().await,
            Some(request) = requests.recv() => daemon.local(request).await,
            () = daemon.watcher.changed() => {}
            news = daemon.network.news() => daemon.network_news(news),
            () = daemon.sim.changed() => daemon.sim_changed(),
            () = daemon.subscriptions.turn(&daemon.world, &mut *daemon.random) => {}
            set = clock::settled(daemon.clock_wait.as_ref(), &daemon.clock) => daemon.clock_settled(set).await,
            () = alarm.until(wake) => daemon.tick(),
            signal = signals.recv() => match signal {
                Some(Signal::Reload) => daemon.reload(),
                Some(Signal::Stop) | None => break,
            },
        }
    }
    daemon.stop(&mut finished).await;
    Ok(())
}

/// What `work` brings; none where the agent is told to end before. What is being read is read for the first time: there is
/// nothing to read again.
async fn unless_stopped<T>(signals: &mut mpsc::Receiver<Signal>, work: impl Future<Output = T>) -> Option<T> {
    let stopped = async { while signals.recv().await.is_some_and(|signal| signal != Signal::Stop) {} };
    tokio::select! {
        done = work => Some(done),
        () = stopped => None,
    }
}

impl Daemon {
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
            self.network.due(),
        ];
        dues.into_iter().flatten().min()
    }

    fn tick(&mut self) {
        let now = waking::now();
        self.doorkeeper.lock().unwrap_or_else(PoisonError::into_inner).report(now);
        // Asleep, no session can advance.
        self.supervisor.ping(now, || self.hearts.silent(Instant::now()));
        if self.network.due().is_some_and(|due| due <= now) {
            self.look_at_network();
        }
        if self.watcher.take_due(now) {
            self.load(Scope::Folders);
        }
    }
}
