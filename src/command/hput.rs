//! HPUT ServerURI ClientURI… (TS 5.4.2): sends serialised MOs to a data repository.

use hyper::Method;

use super::context::{CommandContext, CommandResult, client_uri, expand};
use super::status::{CommandError, Done};
use crate::repository::{RepositoryError, Upload, media};
use crate::tree::Rights;
use crate::uri::client::Fields;

pub(super) async fn run(parameters: &[String], context: &mut CommandContext<'_>) -> CommandResult {
    send(Method::PUT, parameters, context).await
}

pub(super) async fn send(
    method: Method,
    parameters: &[String],
    context: &mut CommandContext<'_>,
) -> CommandResult {
    let [server_uri, client_uris @ ..] = parameters else {
        return Err(CommandError::Malformed("HPUT and HPOST take a ServerURI and ClientURIs"));
    };
    let uri = expand(server_uri, context)?;
    context.connection.admit(&uri)?;
    let content_type = match context.accept_mo {
        None => media::DMMO_JSON,
        Some(accepted) => media::choose(accepted).ok_or_else(|| RepositoryError::NotAcceptable {
            accepted: accepted.join(", "),
            profile: context.principal.account.profile,
        })?,
    };
    // All are looked at before anything is sent: one URI in error, and nothing is.
    let uris = client_uris.iter().map(|uri| client_uri(uri, Fields::READ)).collect::<Result<Vec<_>, _>>()?;
    let mut gathering = context.tree.gathering(&context.principal)?;
    for uri in &uris {
        let found = context.allowance.search(uri, gathering.resolve_all(uri, Rights::READ)).await?;
        gathering.add(found, uri.level, uri.cache_validator.as_deref()).await?;
    }
    if uris.is_empty() {
        gathering.add_everything().await?;
    }
    if gathering.is_all_fresh() {
        return Ok(Done::not_modified());
    }
    let batch = gathering.finish();
    if batch.is_empty() {
        return Ok(Done::no_content());
    }
    let upload = Upload {
        method,
        uri,
        batch: &batch,
        tree: context.tree,
        parameters: context.parameters,
        principal: context.principal,
    };
    upload.deliver(content_type, context.connection).await?;
    Ok(Done::ok())
}
