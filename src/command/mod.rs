//! The DM commands (TS 5.4), one file each. A command gets its parameters and a [`CommandContext`], and answers
//! with a [`Done`], which [`status`] makes: codes are chosen there and nowhere else.

mod allowance;
mod budget;
mod cont;
mod context;
mod default;
mod delete;
mod end;
mod exec;
mod get;
mod hget;
mod hpost;
mod hput;
mod report;
mod show;
mod status;
mod sub;
mod unsub;

pub use allowance::Allowance;
pub use budget::{DataBudget, Over, Share};
pub use context::CommandContext;
pub use report::{Report, Whose};
pub use status::{CommandError, Done};

use hyper::Uri;

use crate::mo::ManagementObject;
use crate::package::{Command, Verb};
use context::CommandResult;

/// Whether a command may change something on the device. The others can be broken off at any time.
#[must_use]
pub fn may_change(verb: &Verb) -> bool {
    !matches!(verb, Verb::Get | Verb::Hput | Verb::Hpost | Verb::Cont | Verb::End)
}

/// Executes one command of a Package#2. Always answers: what fails has a status code, and is in the package's report.
pub async fn execute(command: &Command, context: &mut CommandContext<'_>, report: &mut Report) -> Done {
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
        Err(error) => (Done::failed(&error, &command.verb), Some(error)),
    };
    let whose = Whose { server_id: &context.principal.account.server_id, session_id: context.session_id };
    report.add(command, done.status.code, problem.as_ref(), whose);
    done
}

/// Retrieves what a DEFAULT leads to, and makes it an instance of `object` (TS 10.1). Returns the new instance's
/// ClientURI.
///
/// # Errors
/// As HGET without a ClientURI; the document is of another object.
pub async fn retrieve(
    uri: Uri,
    object: &ManagementObject,
    context: &mut CommandContext<'_>,
) -> Result<Vec<String>, CommandError> {
    hget::retrieve(uri, object, context).await
}

async fn dispatch(verb: &Verb, parameters: &[String], context: &mut CommandContext<'_>) -> CommandResult {
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
