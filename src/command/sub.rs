//! SUB ClientURI ServerURI (approved profile): has each change there put to the ServerURI from now on.

use super::context::{CommandContext, CommandResult, expand, unless_stopped};
use super::status::{CommandError, Done};
use crate::store::{Change, Subscription};
use crate::tree::{Resolved, Rights, TreeError};
use crate::uri::client::{ClientUri, Fields};

/// The most subscriptions that one server has.
const MOST: usize = 64;

pub(super) async fn run(parameters: &[String], context: &mut CommandContext<'_>) -> CommandResult {
    let [target, server_uri] = parameters else {
        return Err(CommandError::Malformed("SUB takes a ClientURI and a ServerURI"));
    };
    let target = subscribed(target)?;
    // Kept as a template, like DEFAULT's.
    let uri = expand(server_uri, context)?;
    context.connection.admit(&uri)?;
    if target.has_wildcard() {
        return Err(TreeError::NotUnique(target.address()).into());
    }
    // What the server could GET now is where its changes begin.
    let gathering = async {
        let search = context.tree.resolve(&target, &context.principal, Rights::READ);
        let node = context.allowance.search(&target, search).await?;
        let mut gathering = context.tree.gathering(&context.principal)?.without_validators();
        gathering.add(Resolved::One(node), target.level, None).await?;
        Ok(gathering.finish())
    };
    let content = unless_stopped(&context.stopping, gathering).await?;
    let new = Subscription {
        server_id: context.principal.account.server_id.clone(),
        client_uri: target.to_string(),
        server_uri: server_uri.clone(),
        delivered: Some(content.digest(context.principal.account.profile).await?),
    };
    let all = context.store.snapshot().and_then(|snapshot| snapshot.subscriptions());
    let others = all
        .map_err(TreeError::from)?
        .into_iter()
        .filter(|known| known.server_id == new.server_id && known.client_uri != new.client_uri);
    if others.count() >= MOST {
        return Err(CommandError::TooManySubscriptions(MOST));
    }
    context.store.commit(vec![Change::Subscribe(new)]).await.map_err(TreeError::from)?;
    Ok(Done::ok())
}

/// The ClientURI that a subscription is known by: what it shows.
pub(super) fn subscribed(target: &str) -> Result<ClientUri, CommandError> {
    super::context::client_uri(target, Fields::SUBSCRIBE)
}
