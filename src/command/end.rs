//! END (TS 5.4.9): only checked here, for the session machine acts upon it.

use super::context::CommandResult;
use super::status::{CommandError, Done};

pub(super) fn run(parameters: &[String]) -> CommandResult {
    match parameters {
        [] => Ok(Done::ok()),
        _ => Err(CommandError::Malformed("END takes no parameters")),
    }
}
