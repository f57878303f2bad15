//! END (TS 5.4.9): the session machine acts upon it; here it is only checked.

use super::context::{Answer, plain};
use super::status::CommandError;

pub(super) fn run(parameters: &[String]) -> Answer {
    match parameters {
        [] => Ok(plain(200)),
        _ => Err(CommandError::Malformed("END takes no parameters")),
    }
}
