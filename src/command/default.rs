//! DEFAULT ServerURI MOID (TS 5.4.10): remembers where configuration for a MOID is to be had.

use super::context::{CommandContext, CommandResult};
use super::status::{CommandError, Done};
use crate::store::Change;
use crate::tree::TreeError;

pub(super) async fn run(parameters: &[String], context: &mut CommandContext<'_>) -> CommandResult {
    let [server_uri, moid] = parameters else {
        return Err(CommandError::Malformed("DEFAULT takes a ServerURI and a MOID"));
    };
    let object = context.tree.object_for(&moid.as_str().into(), context.principal.account.profile);
    let object = object.ok_or_else(|| TreeError::NotFound(moid.clone()))?;
    // What is everybody's to read is not everybody's to say where it comes from.
    if !context.principal.lists(object) {
        return Err(CommandError::NotPermitted(moid.clone()));
    }
    // Kept as a template: the network codes are those of the moment when it is used.
    let uri = super::context::expand(server_uri, context)?;
    context.connection.admit(&uri)?;
    let change = Change::Default {
        moid: object.moid.clone(),
        server_id: context.principal.account.server_id.clone(),
        server_uri: server_uri.clone(),
    };
    context.store.commit(vec![change]).await.map_err(TreeError::from)?;
    Ok(Done::ok())
}
