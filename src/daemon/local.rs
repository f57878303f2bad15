//! What applications on the device ask for.

use tokio::sync::oneshot;

use super::Daemon;
use crate::alert::RaiseError;
use crate::just_in_time::{ConfigurationError, Initiator};
use crate::package::Alert;
use crate::push::{PushError, payload};
use crate::uri::Moid;
use crate::uri::ServerId;

/// Where the answer to a request for configuration goes: the ClientURIs of what was made.
pub type Configured = oneshot::Sender<Result<Vec<String>, ConfigurationError>>;

/// A request from the device itself. Whoever receives it answers once, at the end.
#[derive(Debug)]
pub enum Local {
    /// A push client got a registration id, or lost it (TS D.2.2). Answered when it is on disk: the server is
    /// told as soon as it can be.
    Registration {
        /// The account.
        server_id: ServerId,
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
        moid: Moid,
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
                let registered = self.registrations.ask(&self.agent_state, server_id, id, register).await;
                let _ = reply.send(registered);
            }
            Local::Configuration { moid, initiator, reply } => {
                let Self { configurations, agent_state, execs, shared, .. } = self;
                configurations.ask(&moid, initiator, reply, agent_state, &execs.exec_slots, shared);
            }
            Local::Deliver { payload, reply } => {
                let _ = reply.send(self.deliver(&payload).await);
            }
            Local::Alert { alert, reply } => {
                let _ = reply.send(self.raise(alert).await);
            }
        }
    }

    /// A push message: judged as if it had come by UDP.
    async fn deliver(&mut self, base64: &str) -> Result<(), PushError> {
        let package = payload(base64)?;
        let admitted = self.notifications.receive_push(&package, &self.clock).map_err(PushError::Dropped)?;
        self.admitted(admitted).await;
        Ok(())
    }
}
