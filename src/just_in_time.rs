//! Just-in-time configuration (TS 10.1): a local application lacks the configuration of a management object, and a DM
//! Server has said by DEFAULT where it is to be had (TS 5.4.10). What HGET without a ClientURI does is done, with the
//! rights of the server that gave the DEFAULT; no server is told of it.

use std::sync::Arc;

use hyper::Uri;
use tokio::sync::watch;

use crate::agent_state::Parameters;
use crate::agent_state::{AgentState, Peer};
use crate::base::crash_guard::Fatal;
use crate::command::DataBudget;
use crate::command::{self, Allowance, CommandContext, CommandError};
use crate::exec::{ExecSlots, SessionExecs};
use crate::mo::ManagementObject;
use crate::store::{DefaultSource, StoreError};
use crate::transport::{Binding, TlsSettingsError};
use crate::tree::{Principal, SessionFacts, TreeError};
use crate::uri::Moid;
use crate::uri::ServerId;
use crate::uri::server::{ServerUriError, ServerUriTemplate};

/// The initiator of a request for configuration: at whose wish it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// The user, who waits for it.
    User,
    /// The device by itself.
    Device,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The device has no such management object.
    #[error("{0:?} is not a management object of this device")]
    UnknownMoid(Moid),
    /// No server has said where the configuration is to be had.
    #[error("no server has given a DEFAULT for {0}")]
    NoDefault(Moid),
    /// The server that said where it is to be had may not manage the object any more.
    #[error("{moid}: the account {server_id:?}, which gave the DEFAULT, is gone or may not manage it")]
    NoAccount {
        /// The object.
        moid: Moid,
        /// The account.
        server_id: ServerId,
    },
    /// The configuration is being fetched already, or too many others are.
    #[error("a request of this kind is under way")]
    Busy,
    /// The server's address for it can't be made one.
    #[error("the DEFAULT's ServerURI: {0}")]
    ServerUri(#[from] ServerUriError),
    /// The configuration could not be retrieved or stored.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// DevID can't be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The account's certificates can't be used.
    #[error(transparent)]
    Tls(#[from] TlsSettingsError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The configuration was not fetched, as the agent has died of that twice.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

/// The source of an object's configuration.
pub struct DefaultOrigin {
    object: Arc<ManagementObject>,
    peer: Arc<Peer>,
    template: ServerUriTemplate,
}

impl DefaultOrigin {
    /// The source of `moid`'s configuration, by the word of a server that may still manage it.
    ///
    /// # Errors
    /// There is none.
    pub fn of(agent_state: &AgentState, moid: &Moid) -> Result<Self, ConfigurationError> {
        let mut error = ConfigurationError::UnknownMoid(moid.clone());
        for object in agent_state.tree.objects_of(moid) {
            match Self::of_object(agent_state, object) {
                Err(why) => error = why,
                found => return found,
            }
        }
        Err(error)
    }

    fn of_object(
        agent_state: &AgentState,
        object: &Arc<ManagementObject>,
    ) -> Result<Self, ConfigurationError> {
        let default = agent_state.store.snapshot()?.default_uri(&object.moid)?;
        let DefaultSource { server_id, server_uri } =
            default.ok_or_else(|| ConfigurationError::NoDefault(object.moid.clone()))?;
        let template = ServerUriTemplate::parse(&server_uri)?;
        match agent_state.peer(&server_id) {
            Some(peer) if sees(peer, object) => {
                Ok(Self { object: Arc::clone(object), peer: Arc::clone(peer), template })
            }
            _ => Err(ConfigurationError::NoAccount { moid: object.moid.clone(), server_id }),
        }
    }

    /// Retrieves and stores the configuration. Returns the ClientURIs of the instances that were made.
    ///
    /// # Errors
    /// The repository, the document or the tree say no. A document of another object is discarded.
    pub async fn fetch(
        &self,
        agent_state: &AgentState,
        initiator: Initiator,
        exec_slots: &ExecSlots,
        stopping: watch::Receiver<bool>,
    ) -> Result<Vec<String>, ConfigurationError> {
        let principal = Principal { account: &self.peer.account, session: SessionFacts::default() };
        let parameters = Parameters::of(&agent_state.tree, &agent_state.settings, &principal).await?;
        let mut uri = parameters.fill(&self.template)?;
        if agent_state.settings.session.default_initiated_by {
            uri = with_initiator(&uri, initiator).unwrap_or(uri);
        }
        let mut connection = self.peer.client(&parameters)?.connection(Binding::Any);
        let mut context = CommandContext {
            settings: &agent_state.settings,
            tree: &agent_state.tree,
            store: &agent_state.store,
            session_id: "",
            principal,
            connection: &mut connection,
            parameters: &parameters,
            accept_mo: None,
            budget: &mut DataBudget::default().share(0),
            execs: &mut SessionExecs::new(Arc::clone(&agent_state.store), exec_slots.clone()),
            allowance: &mut Allowance::default(),
            stopping,
        };
        Ok(command::retrieve(uri, &self.object, &mut context).await?)
    }

    /// The account by whose rights the configuration is stored.
    #[must_use]
    pub fn server_id(&self) -> &ServerId {
        &self.peer.account.server_id
    }

    /// The MOID of the object.
    #[must_use]
    pub fn moid(&self) -> &Moid {
        &self.object.moid
    }
}

fn sees(peer: &Peer, object: &ManagementObject) -> bool {
    Principal { account: &peer.account, session: SessionFacts::default() }.sees(object)
}

/// The URI `uri` with who asks as a query field (`session.default-initiated-by`).
fn with_initiator(uri: &Uri, initiator: Initiator) -> Option<Uri> {
    let who = match initiator {
        Initiator::User => "User",
        Initiator::Device => "Device",
    };
    let separator = if uri.query().is_some() { '&' } else { '?' };
    let mut parts = uri.clone().into_parts();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    parts.path_and_query = Some(format!("{path}{separator}InitiatedBy={who}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_added_to_the_query() {
        for (uri, expected) in [
            ("https://a.example", "https://a.example/?InitiatedBy=User"),
            ("https://a.example/b", "https://a.example/b?InitiatedBy=User"),
            ("https://a.example/b?c=d", "https://a.example/b?c=d&InitiatedBy=User"),
        ] {
            let uri = with_initiator(&uri.parse().unwrap(), Initiator::User);
            assert_eq!(uri.unwrap().to_string(), expected);
        }
    }
}
