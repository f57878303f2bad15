//! HPUT ServerURI ClientURI… (TS 5.4.2): sends serialised MOs to a data repository.

use hyper::Method;

use super::{Answer, CommandError, Context, client_uri, media, plain, repository};
use crate::tree::{Rights, TreeError};

/// The most bytes that one command sends: a URI may stand there any number of times.
const MOST_SENT: usize = 16 << 20;

pub(super) async fn run(parameters: &[String], context: &mut Context<'_>) -> Answer {
    send(Method::PUT, parameters, context).await
}

pub(super) async fn send(method: Method, parameters: &[String], context: &mut Context<'_>) -> Answer {
    let [server_uri, client_uris @ ..] = parameters else {
        return Err(CommandError::Malformed("HPUT and HPOST take a ServerURI and ClientURIs"));
    };
    let uri = repository::expand(server_uri, context)?;
    context.connection.admit(&uri)?;
    let content_type = match context.accept_mo {
        None => media::DMMO_JSON,
        Some(accepted) => media::choose(accepted).ok_or_else(|| CommandError::NotAcceptable {
            accepted: accepted.join(", "),
            profile: context.visitor.account.profile,
        })?,
    };
    // All are read before anything is sent: one URI in error, and nothing is.
    let uris = client_uris.iter().map(|uri| client_uri(uri)).collect::<Result<Vec<_>, _>>()?;
    let mut documents = Vec::new();
    let mut total = 0;
    for uri in &uris {
        let node = context.tree.resolve(uri, &context.visitor, Rights::READ).await?;
        let document = context.tree.document(&node, uri.level, &context.visitor).await?;
        total += document.len();
        if total > MOST_SENT {
            return Err(TreeError::TooLarge(uri.to_string()).into());
        }
        documents.push(document);
    }
    if uris.is_empty() {
        documents = context.tree.everything(&context.visitor).await?;
    }
    repository::deliver(method, uri, content_type, &documents, context).await?;
    Ok(plain(200))
}
