//! The context of a command, and its result.

use std::sync::Arc;

use hyper::Uri;
use tokio::sync::watch;

use super::allowance::Allowance;
use super::budget::Share;
use super::status::{CommandError, Done};
use crate::agent_state::Parameters;
use crate::base;
use crate::config::Settings;
use crate::exec::SessionExecs;
use crate::store::Store;
use crate::transport::Connection;
use crate::tree::{Principal, Tree};
use crate::uri::client::{ClientUri, Fields};

/// The context of a command: what it may use.
pub struct CommandContext<'a> {
    /// The settings the session runs under.
    pub settings: &'a Settings,
    /// The tree.
    pub tree: &'a Arc<Tree>,
    /// The store.
    pub store: &'a Arc<Store>,
    /// The session's number, for the journal.
    pub session_id: &'a str,
    /// The server and its session.
    pub principal: Principal<'a>,
    /// The session's connections.
    pub connection: &'a mut Connection,
    /// The values of a ServerURI's parameters (TS 6.2).
    pub parameters: &'a Parameters,
    /// The media types that the server takes MO data in, `SessionInfo.AcceptMO` of the Package#2.
    pub accept_mo: Option<&'a [String]>,
    /// The share of the package in the budget of GETs' data.
    pub budget: &'a mut Share,
    /// The session's EXECs.
    pub execs: &'a mut SessionExecs,
    /// The allowance that the Package#2 has left.
    pub allowance: &'a mut Allowance,
    /// Turns true when the agent is about to end.
    pub stopping: watch::Receiver<bool>,
}

pub(super) type CommandResult = Result<Done, CommandError>;

/// Does the part of a command before it changes anything: broken off where the agent is about to end.
pub(super) async fn unless_stopped<T>(
    stopping: &watch::Receiver<bool>,
    work: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    base::unless_stopped(&mut stopping.clone(), work).await.unwrap_or(Err(CommandError::Stopped))
}

/// A ServerURI with this device's values in it (TS 6.2).
pub(super) fn expand(server_uri: &str, context: &CommandContext<'_>) -> Result<Uri, CommandError> {
    context.parameters.expand(server_uri).map_err(CommandError::ServerUri)
}

pub(super) fn client_uri(text: &str, fields: Fields) -> Result<ClientUri, CommandError> {
    ClientUri::parse_for(text, fields).map_err(CommandError::ClientUri)
}
