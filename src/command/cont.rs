//! CONT ServerURI (TS 5.4.8): sends further packages there.

use super::context::{CommandContext, CommandResult};
use super::status::{CommandError, Done};
use crate::uri::Origin;

pub(super) fn run(parameters: &[String], context: &mut CommandContext<'_>) -> CommandResult {
    let [uri] = parameters else { return Err(CommandError::Malformed("CONT takes a ServerURI")) };
    let uri = super::context::expand(uri, context)?;
    context.connection.admit(&uri)?;
    let origin = Origin::of(&uri).map_err(crate::transport::Refused::Uri)?;
    let allowed = &context.settings.session.continue_origins;
    if !allowed.is_empty() && !allowed.contains(&origin) {
        return Err(CommandError::NotContinued(origin.to_string()));
    }
    Ok(Done::continue_at(uri.to_string()))
}
