//! DELETE ClientURI (TS 5.4.4): deletes nodes.

use super::context::{CommandContext, CommandResult, client_uri, unless_stopped};
use super::status::{CommandError, Done};
use crate::tree::{Resolved, Rights, TreeError};
use crate::uri::client::Fields;

/// Deletes the node; a wildcard deletes all that it matches, or nothing.
pub(super) async fn run(parameters: &[String], context: &mut CommandContext<'_>) -> CommandResult {
    let [uri] = parameters else { return Err(CommandError::Malformed("DELETE takes a ClientURI")) };
    let uri = client_uri(uri, Fields::TARGET)?;
    let resolving = async {
        let search = context.tree.resolve_all(&uri, &context.principal, Rights::WRITE);
        Ok(match context.allowance.search(&uri, search).await? {
            Resolved::One(node) => vec![node],
            Resolved::Many(nodes) => context.tree.existing(nodes, &context.principal).await?,
        })
    };
    let nodes = unless_stopped(&context.stopping, resolving).await?;
    if nodes.is_empty() {
        return Err(TreeError::NotFound(uri.address()).into());
    }
    context.tree.delete(&nodes, &context.principal).await?;
    Ok(Done::ok())
}
