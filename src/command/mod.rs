//! The DM commands (TS 5.4), one file each. A command gets its parameters and a [`Context`], and answers
//! with a [`Done`]; what went wrong becomes a status code in [`status`] and nowhere else.

mod allowance;
mod cont;
mod default;
mod delete;
mod end;
mod exec;
mod get;
mod hget;
mod hpost;
mod hput;
mod report;
mod room;
mod show;
mod status;
mod sub;
mod unsub;

pub use allowance::Allowance;
pub use report::Report;
pub use room::{Over, Room, Share};
pub use status::CommandError;

use std::sync::Arc;

use hyper::Uri;
use tokio::sync::watch;

use crate::agent_state::Parameters;
use crate::base;
use crate::config::Settings;
use crate::exec::SessionExecs;
use crate::mo::ManagementObject;
use crate::package::{Command, Status, Verb};
use crate::store::Store;
use crate::transport::Connection;
use crate::tree::{Principal, Tree};
use crate::uri::client::{ClientUri, Fields};

/// What a command may use.
pub struct Context<'a> {
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
    /// What the parameters of a ServerURI stand for (TS 6.2).
    pub parameters: &'a Parameters,
    /// `SessionInfo.AcceptMO` of the Package#2.
    pub accept_mo: Option<&'a [String]>,
    /// What the GETs of the package may bring yet.
    pub room: &'a mut Share,
    /// The session's EXECs.
    pub execs: &'a mut SessionExecs,
    /// What the Package#2 may still cost.
    pub allowance: &'a mut Allowance,
    /// Turns true when the agent is about to end.
    pub stopping: watch::Receiver<bool>,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// For Package#3.
    pub status: Status,
    /// A GET's data: media type and bytes.
    pub data: Option<(String, Vec<u8>)>,
    /// CONT: where further packages go (TS 5.4.8).
    pub continue_at: Option<String>,
}

type Answer = Result<Done, CommandError>;

/// Whether a command may change something on the device. The others can be broken off at any time.
#[must_use]
pub fn may_change(verb: &Verb) -> bool {
    !matches!(verb, Verb::Get | Verb::Hput | Verb::Hpost | Verb::Cont | Verb::End)
}

/// What a command does before it changes anything: broken off where the agent is about to end.
async fn unless_stopped<T>(
    stopping: &watch::Receiver<bool>,
    work: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    base::unless_stopped(&mut stopping.clone(), work).await.unwrap_or(Err(CommandError::Stopped))
}

/// Executes one command of a Package#2. Always answers: what fails has a status code, and is in the package's report.
pub async fn execute(command: &Command, context: &mut Context<'_>, report: &mut Report) -> Done {
    let known = context.principal.account.profile.has_command(&command.verb);
    let answer = match &command.parameters {
        Some(parameters) if known => dispatch(&command.verb, parameters, context).await,
        None if known || command.verb.name().is_empty() => {
            Err(CommandError::Malformed("its parameters are not a list of strings"))
        }
        _ => Err(CommandError::Unknown),
    };
    let (done, problem) = match answer {
        Ok(done) => (done, None),
        Err(error) => (plain(error.status(&command.verb)), Some(error)),
    };
    let ids = (context.principal.account.server_id.as_str(), context.session_id);
    report.add(command, done.status.code, problem.as_ref(), ids);
    done
}

/// Retrieves what a DEFAULT leads to, and makes it an instance of `object` (TS 10.1). Returns the new instance's ClientURI.
///
/// # Errors
/// As HGET without a ClientURI; the document is of another object.
pub async fn retrieve(
    uri: Uri,
    object: &ManagementObject,
    context: &mut Context<'_>,
) -> Result<Vec<String>, CommandError> {
    hget::retrieve(uri, object, context).await
}

async fn dispatch(verb: &Verb, parameters: &[String], context: &mut Context<'_>) -> Answer {
    // What the other commands keep while they wait is large: no GET moves it about.
    match verb {
        Verb::Get => get::run(parameters, context).await,
        Verb::Hput => Box::pin(hput::run(parameters, context)).await,
        Verb::Hpost => Box::pin(hpost::run(parameters, context)).await,
        Verb::Hget => Box::pin(hget::run(parameters, context)).await,
        Verb::Delete => Box::pin(delete::run(parameters, context)).await,
        Verb::Exec => Box::pin(exec::run(parameters, context)).await,
        Verb::Cont => cont::run(parameters, context),
        Verb::End => end::run(parameters),
        Verb::Default => Box::pin(default::run(parameters, context)).await,
        Verb::Show => show::run(parameters, context).await,
        Verb::Sub => Box::pin(sub::run(parameters, context)).await,
        Verb::Unsub => Box::pin(unsub::run(parameters, context)).await,
        Verb::Unknown(_) => Err(CommandError::Unknown),
    }
}

/// A status code and nothing else.
fn plain(code: u16) -> Done {
    Done { status: Status { code, extra: Vec::new() }, data: None, continue_at: None }
}

/// A ServerURI with this device's values in it (TS 6.2).
fn expand(server_uri: &str, context: &Context<'_>) -> Result<Uri, CommandError> {
    context.parameters.expand(server_uri).map_err(CommandError::ServerUri)
}

fn client_uri(text: &str, fields: Fields) -> Result<ClientUri, CommandError> {
    ClientUri::parse_for(text, fields).map_err(CommandError::ClientUri)
}
