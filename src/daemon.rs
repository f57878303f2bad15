//! The agent: one loop that owns the queue, and starts a task for each session.

mod account_test;
mod alerts;
mod bootstrapping;
mod calls;
mod checking;
mod clock;
mod config_files;
mod configurations;
mod dropped;
mod execs;
mod folder_reading;
mod folder_watch;
mod gone_accounts;
mod helper_socket;
mod history;
mod loader;
mod memory_release;
mod network;
mod new_state;
mod notifications;
mod operator;
mod registrations;
mod removal_evidence;
mod resuming;
mod schedule;
mod sessions;
mod shared;
mod shutdown;
mod sim_watch;
mod start;
mod state_difference;
mod status;
mod systemd;
mod taken_up;
mod triggers;
mod unpacking;
mod untold;

pub use checking::{Checked, check};
pub(crate) use checking::{stray_objects, strays_beside};
pub use loader::Options;

use std::sync::Arc;
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::agent_state::AgentState;
use crate::alarm::{Alarms, AlarmsEvent};
use crate::base::Random;
use crate::base::journal::id;
use crate::base::lane::Stuck;
use crate::base::waking::{self, WakeTimer};
use crate::notification::gate::Admitted;
use crate::service::Service;
use crate::spanned::Problems;
use crate::store::StoreError;
use crate::subscription::Subscriptions;
use bootstrapping::{Attempt, Bootstrapping};
use clock::Clock;
use config_files::ConfigFiles;
use configurations::Configurations;
use execs::Execs;
use notifications::Notifications;
use registrations::Registrations;
use sessions::{Sessions, SessionsEvent};
use shared::Shared;
use start::start;

/// A signal to the agent from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The configuration is to be read again.
    Reload,
    /// The agent is to end.
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

/// The agent, as its loop has it. What it does is done by components of one shape, which the loop in [`run`] goes
/// round:
///
/// - `start_due` begins what it is time for, in tasks of their own;
/// - `next_wake` says when it has to be called again, whatever else happens;
/// - `next_event` waits for whatever else concerns the component. Whoever stops waiting loses nothing. What comes of it
///   the component takes note of, or the agent does where others are concerned: it commits, or asks for a session. It
///   returns at the latest when `next_wake` has another answer;
/// - `follow` goes on in a new agent state, after a reload or a change of accounts;
/// - `stop` ends it in bounded time. A component without one is dropped, and its tasks with it.
///
/// The loop has them all to itself: nothing is locked.
struct Daemon {
    agent_state: Arc<AgentState>,
    notifications: Notifications,
    sessions: Sessions,
    execs: Execs,
    registrations: Registrations,
    configurations: Configurations,
    bootstrapping: Bootstrapping,
    subscriptions: Subscriptions,
    alarms: Alarms,
    config_files: ConfigFiles,
    service: Service,
    clock: Clock,
    shared: Shared,
}

/// Runs the agent until it is told to stop.
///
/// `sockets` receive notifications; none: those that `notification.listen` names are opened.
///
/// # Errors
/// [`DaemonError`], before it is ready; nothing later ends it.
pub async fn run(
    options: Options,
    sockets: Vec<UdpSocket>,
    mut signals: mpsc::Receiver<Signal>,
    mut random: Box<dyn Random>,
) -> Result<(), DaemonError> {
    let started = start(options, sockets, &mut *random);
    let Some(started) = until_stop_signal(&mut signals, started).await else { return Ok(()) };
    let mut daemon = Daemon::new(started?, random)?;
    daemon.boot().await;
    let status = daemon.status();
    let listens = daemon.notifications.addresses();
    log::info!("omadm-agent {}, notifications on {listens}: {status}", env!("CARGO_PKG_VERSION"));
    daemon.shared.systemd.ready(&status);
    let mut wake_timer = WakeTimer::default();

    loop {
        daemon.start_due().await;
        let wake = daemon.next_wake();
        tokio::select! {
            package = daemon.notifications.next_event(&daemon.clock) => if let Some(package) = package {
                daemon.admitted(package).await;
            },
            event = daemon.sessions.next_event() => match event {
                SessionsEvent::Ended(ended) => daemon.ended(ended).await,
                SessionsEvent::Network(event) => {
                    let Daemon { sessions, agent_state, shared, .. } = &mut daemon;
                    sessions.network_event(event, &agent_state.tree.machine().bus, shared);
                }
            },
            finished = daemon.execs.next_event() => daemon.finished(finished).await,
            ended = daemon.registrations.next_event() => {
                daemon.registrations.ended(ended, &daemon.agent_state, &mut *daemon.shared.random).await;
            }
            () = daemon.configurations.next_event() => {}
            attempt = daemon.bootstrapping.next_event() => if let Some(attempt) = attempt {
                daemon.bootstrapped(attempt).await;
            },
            () = daemon.subscriptions.next_event(&daemon.agent_state, &mut *daemon.shared.random) => {}
            event = daemon.alarms.next_event() => daemon.judge(event).await,
            read = daemon.config_files.next_event() => if let Some(read) = read {
                daemon.loaded(read).await;
            },
            set = daemon.clock.next_event() => daemon.clock_decided(set).await,
            () = daemon.agent_state.store.accounts_changed() => daemon.accounts_changed().await,
            call = daemon.service.next_event() => if let Some(call) = call {
                daemon.called(call).await;
            },
            () = wake_timer.until(wake) => {}
            signal = signals.recv() => match signal {
                Some(Signal::Reload) => daemon.reload(),
                Some(Signal::Stop) | None => break,
            },
        }
    }
    daemon.stop().await;
    Ok(())
}

/// The result of `work`; none where the agent is told to end before. What is being read is read for the first time:
/// there is nothing to read again.
async fn until_stop_signal<T>(
    signals: &mut mpsc::Receiver<Signal>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let stopped = async { while signals.recv().await.is_some_and(|signal| signal != Signal::Stop) {} };
    tokio::select! {
        done = work => Some(done),
        () = stopped => None,
    }
}

impl Daemon {
    /// Begins all work of the components that is due.
    async fn start_due(&mut self) {
        let now = waking::now();
        self.notifications.report(now);
        // Asleep, no session can advance.
        self.shared.systemd.ping_if_due_and_alive(now, || self.shared.hearts.silent(Instant::now()));
        self.config_files.start_due(&self.agent_state, &mut self.shared.hearts);
        self.subscriptions.start_due(&self.agent_state, &mut self.shared.hearts, now);
        self.alarms.start_due(&self.agent_state, &mut self.shared.hearts, now);
        if self.alarms.have_waited(now) {
            self.judge(AlarmsEvent::Due).await;
        }
        self.tell_again(now).await;
        self.start_sessions().await;
        self.registrations.start_due(&self.agent_state, &mut self.shared);
        self.service.start_due(&self.agent_state.settings.dbus_address, now);
        let Self { bootstrapping, config_files, clock, sessions, agent_state, shared, .. } = self;
        bootstrapping.start_due(agent_state, &config_files.loader, clock, &mut sessions.queue, shared);
    }

    fn next_wake(&self) -> Option<Instant> {
        let dues = [
            self.notifications.next_wake(),
            self.sessions.next_wake(),
            self.execs.untold.next_wake(),
            self.registrations.next_wake(),
            self.bootstrapping.next_wake(&self.clock),
            self.subscriptions.next_wake(),
            self.alarms.next_wake(),
            self.config_files.next_wake(),
            self.service.next_wake(),
            self.shared.systemd.next_ping(),
        ];
        dues.into_iter().flatten().min()
    }

    /// Takes note of a notification that was let in.
    async fn admitted(&mut self, package: Admitted) {
        self.notifications.admit(package, &mut self.sessions.queue, &self.agent_state.store).await;
    }

    /// Takes note of an attempt to get accounts that is over: those that it brought have a session at once.
    async fn bootstrapped(&mut self, attempt: Attempt) {
        if let Ok(Ok(Some(server_ids))) = &attempt {
            log::info!(MESSAGE_ID = id::BOOTSTRAPPED; "bootstrap: the accounts are {}", server_ids.join(", "));
            let now = waking::now();
            self.accounts_changed().await;
            self.sessions.ask(schedule::brought(&self.agent_state, server_ids, now));
        }
        let random = self.shared.random.next_u32();
        self.bootstrapping.ended(attempt, &self.agent_state, &mut self.sessions.queue, random);
    }

    /// Has scheduled sessions wait no longer for the clock.
    async fn clock_decided(&mut self, set: bool) {
        self.clock.decided(set);
        self.sessions.queue.hold(None);
        if set {
            // What only a clock can tell is known now.
            self.forget_unknown().await;
        }
    }
}
