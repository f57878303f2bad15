//! `EXEC ClientURI [ServerURI]` (TS 5.4.5): executes a node.
//!
//! With a ServerURI, the answer is 202, and the end is reported there, in a session of its own. Otherwise what ends
//! within `exec.sync-limit` is answered with its result; what takes longer with 202, and reports by a Generic Alert (TS
//! 5.3). What may not begin yet waits, and is answered 202. What follows from that is the business of [`crate::exec`].

use super::context::{CommandContext, CommandResult, client_uri, expand, unless_stopped};
use super::status::{CommandError, Done};
use crate::tree::Rights;
use crate::uri::client::Fields;

pub(super) async fn run(parameters: &[String], context: &mut CommandContext<'_>) -> CommandResult {
    let (uri, server_uri) = match parameters {
        [uri] => (client_uri(uri, Fields::TARGET)?, None),
        [uri, server_uri] => (client_uri(uri, Fields::TARGET)?, Some(expand(server_uri, context)?)),
        _ => return Err(CommandError::Malformed("EXEC takes a ClientURI and at most one ServerURI")),
    };
    if let Some(server_uri) = &server_uri {
        context.connection.admit(server_uri)?;
    }
    let search = context.tree.resolve(&uri, &context.principal, Rights::EXECUTE);
    let node = unless_stopped(&context.stopping, context.allowance.search(&uri, search)).await?;
    let mut invocation = context.tree.invocation(&node, context.principal.account.profile)?;
    invocation.report_to = server_uri.map(|uri| uri.to_string());
    let CommandContext { execs, tree, principal, settings, stopping, .. } = context;
    let code = execs.command(tree, principal, invocation, settings.exec.sync_limit, stopping).await?;
    Ok(code.map_or_else(Done::accepted, Done::of_program))
}
