//! What applications on the device ask for.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Daemon;
use crate::alert::RaiseError;
use crate::just_in_time::{ConfigurationError, Initiator, Source};
use crate::package::Alert;
use crate::push::PushError;

/// Requests for configuration that are served at one time.
const MOST_CONFIGURED: usize = 4;

/// Where the answer to a request for configuration goes: the ClientURIs of what was made.
pub type Configured = oneshot::Sender<Result<Vec<String>, ConfigurationError>>;

/// A request from the device itself. Whoever receives it answers once, at the end.
#[derive(Debug)]
pub enum Local {
    /// A push client got a registration id, or lost it (TS D.2.2). Answered when it is on disk: the server is
    /// told as soon as it can be.
    Registration {
        /// The account.
        server_id: String,
        /// The id that the push service gave.
        id: String,
        /// Got it, or lost it.
        register: bool,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<(), PushError>>,
    },
    /// An application lacks the configuration of a management object (TS 10.1).
    Configuration {
        /// The object.
        moid: String,
        /// Who asks.
        initiator: Initiator,
        /// Where the answer goes.
        reply: Configured,
    },
    /// A push message: the base64 of a Package#0 (TS D.2.5).
    Deliver {
        /// The base64.
        payload: String,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<(), PushError>>,
    },
    /// Something happened on the device (TS 5.3). Answered when it is on disk for each server that may hear of it.
    Alert {
        /// What.
        alert: Alert,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<(), RaiseError>>,
    },
}

impl Daemon {
    /// Does what a local application asks for. One that does not wait for the answer has gone: no harm.
    pub(super) async fn local(&mut self, request: Local) {
        match request {
            Local::Registration { server_id, id, register, reply } => {
                let _ = reply.send(self.registration(server_id, id, register).await);
            }
            Local::Configuration { moid, initiator, reply } => self.configure(&moid, initiator, reply),
            Local::Deliver { payload, reply } => {
                let _ = reply.send(self.deliver(&payload).await);
            }
            Local::Alert { alert, reply } => {
                let _ = reply.send(self.raise(alert).await);
            }
        }
    }

    /// Fetches the configuration of an object, in a task of its own; one at a time for each object.
    fn configure(&mut self, moid: &str, initiator: Initiator, reply: Configured) {
        let source = match Source::of(&self.world, moid) {
            Ok(source) => source,
            Err(error) => {
                let _ = reply.send(Err(error));
                return;
            }
        };
        let moid = source.moid().to_owned();
        if self.configuring.len() == MOST_CONFIGURED || self.configuring.values().any(|other| *other == moid)
        {
            let _ = reply.send(Err(ConfigurationError::Busy));
            return;
        }
        let world = Arc::clone(&self.world);
        let (programs, stopping) = (self.programs.clone(), self.stopping.subscribe());
        let source = Arc::new(source);
        let fetching = {
            let source = Arc::clone(&source);
            async move { source.fetch(&world, initiator, &programs, stopping).await }
        };
        let name = format!("{moid}: its configuration");
        let fetching = self.hearts.watch_attempt(&self.world.attempts, name, fetching);
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
            let _ = reply.send(done);
        };
        let task = self.configurations.spawn(configuring);
        self.configuring.insert(task.id(), moid);
    }
}
