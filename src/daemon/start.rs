//! The start of the agent, from what was loaded to what is due at once.

use std::sync::Arc;

use tokio::net::UdpSocket;

use super::bootstrapping::Bootstrapping;
use super::clock::Clock;
use super::config_files::ConfigFiles;
use super::configurations::Configurations;
use super::execs::Execs;
use super::folder_watch::FolderWatch;
use super::loader::Loader;
use super::notifications::Notifications;
use super::registrations::Registrations;
use super::sessions::Sessions;
use super::shared::Shared;
use super::{Daemon, DaemonError, Options, loader, schedule};
use crate::agent_state::AgentState;
use crate::alarm::Alarms;
use crate::base::Random;
use crate::base::waking;
use crate::notification::listener;
use crate::service::Service;
use crate::store::StoreError;
use crate::subscription::Subscriptions;

/// The agent that has been loaded, with which the loop begins.
pub(super) struct Started {
    pub(super) loader: Loader,
    pub(super) agent_state: Arc<AgentState>,
    pub(super) watcher: FolderWatch,
    pub(super) clock: Clock,
    pub(super) notifications: Notifications,
}

/// Reads what there is, and opens the sockets for notifications, where no `sockets` were passed.
pub(super) async fn start(
    options: Options,
    sockets: Vec<UdpSocket>,
    random: &mut dyn Random,
) -> Result<Started, DaemonError> {
    let (loader, agent_state, watcher) = Loader::start(options).await?;
    loader::make_cache_key(&agent_state.store, random).await?;
    let sockets = if sockets.is_empty() {
        listener::bind(&agent_state.settings.notification.listen).map_err(DaemonError::Listen)?
    } else {
        sockets
    };
    let clock = Clock::new(&agent_state.store, loader.time_floor(), &agent_state.settings.paths.sysroot)?;
    clock.look().await;
    let notifications = Notifications::new(sockets, &agent_state)?;
    Ok(Started { loader, agent_state, watcher, clock, notifications })
}

impl Daemon {
    /// Makes an agent at rest.
    pub(super) fn new(
        Started { loader, agent_state, watcher, clock, notifications }: Started,
        mut random: Box<dyn Random>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            notifications,
            sessions: Sessions::default(),
            execs: Execs::new(&agent_state, clock.floor())?,
            registrations: Registrations::default(),
            configurations: Configurations::default(),
            bootstrapping: Bootstrapping::new(&agent_state),
            subscriptions: Subscriptions::new(&agent_state, &mut *random),
            alarms: Alarms::new(&agent_state),
            config_files: ConfigFiles::new(loader, watcher),
            service: Service::new(&agent_state.settings.dbus_address),
            clock,
            agent_state,
            shared: Shared::new(random),
        })
    }

    /// Asks for what is due because the agent has started.
    pub(super) async fn boot(&mut self) {
        let until = waking::now() + self.agent_state.settings.session.clock_wait;
        self.clock.begin(until);
        self.sessions.queue.hold(self.clock.waits_until());
        self.registrations.follow(&self.agent_state);
        self.bootstrapping.begin(&self.agent_state, &mut *self.shared.random);
        self.forget_unknown().await;
        let certain = self.doubt().is_none();
        self.alarms.forget_unknown(&self.agent_state, certain).await;
        self.sessions.hold_fatal(&|_| true, &self.agent_state, &mut *self.shared.random);
        self.take_up().await;
        let due = schedule::at_start(&self.agent_state, waking::now(), &mut *self.shared.random);
        self.sessions.ask(self.bootstrapping.hold_back(due, &self.agent_state, &self.clock));
        self.service.begin().await;
    }
}
