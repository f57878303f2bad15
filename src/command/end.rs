//! END (TS 5.4.9): the session machine acts upon it; here it is only checked.

use super::context::{Answer, Done};
use super::status::CommandError;

pub(super) fn run(parameters: &[String]) -> Answer {
    match parameters {
        [] => Ok(Done::ok()),
        _ => Err(CommandError::Malformed("END takes no parameters")),
    }
}
