//! UNSUB ClientURI (approved profile): ends the server's own subscription.

use super::context::{CommandContext, CommandResult};
use super::status::{CommandError, Done};
use super::sub::subscribed;
use crate::store::Change;
use crate::tree::TreeError;

pub(super) async fn run(parameters: &[String], context: &mut CommandContext<'_>) -> CommandResult {
    let [target] = parameters else {
        return Err(CommandError::Malformed("UNSUB takes a ClientURI"));
    };
    let target = subscribed(target)?;
    let client_uri = target.to_string();
    let server_id = context.principal.account.server_id.clone();
    let snapshot = context.store.snapshot().map_err(TreeError::from)?;
    if snapshot.subscription(&server_id, &client_uri).map_err(TreeError::from)?.is_none() {
        return Err(TreeError::NotFound(format!("a subscription to {}", target.address())).into());
    }
    let change = Change::Unsubscribe { server_id, client_uri };
    context.store.commit(vec![change]).await.map_err(TreeError::from)?;
    Ok(Done::ok())
}
