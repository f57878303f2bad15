//! Requests of applications on the device.

use tokio::sync::oneshot;

use super::Daemon;
use crate::alert::RaiseError;
use crate::just_in_time::{ConfigurationError, Initiator};
use crate::package::Alert;
use crate::push::{PushError, payload};
use crate::uri::Moid;
use crate::uri::ServerId;

/// The channel for the answer to a request for configuration: the ClientURIs of what was made.
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
        /// Whether the client got it, or lost it.
        register: bool,
        /// The channel for the answer.
        reply: oneshot::Sender<Result<(), PushError>>,
    },
    /// An application lacks the configuration of a management object (TS 10.1).
    Configuration {
        /// The object.
        moid: Moid,
        /// The initiator: who asks.
        initiator: Initiator,
        /// The channel for the answer.
        reply: Configured,
    },
    /// A push message: the base64 of a Package#0 (TS D.2.5).
    Deliver {
        /// The base64.
        payload: String,
        /// The channel for the answer.
        reply: oneshot::Sender<Result<(), PushError>>,
    },
    /// An event on the device (TS 5.3). Answered when it is on disk for each server that may hear of it.
    Alert {
        /// The alert of the event.
        alert: Alert,
        /// The channel for the answer.
        reply: oneshot::Sender<Result<(), RaiseError>>,
    },
}

impl Daemon {
    /// Serves a request of a local application. One that does not wait for the answer has gone: no harm.
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

    /// Takes a push message: it is judged as if it had come by UDP.
    async fn deliver(&mut self, base64: &str) -> Result<(), PushError> {
        let package = payload(base64)?;
        let admitted = self.notifications.receive_push(&package, &self.clock).map_err(PushError::Dropped)?;
        self.admitted(admitted).await;
        Ok(())
    }
}
