//! `HGET ServerURI [ClientURI]` (TS 5.4.1): stores what a data repository has.

use hyper::Uri;

use super::context::{CommandContext, CommandResult, client_uri, expand, unless_stopped};
use super::status::{CommandError, Done};
use crate::mo::ManagementObject;
use crate::package::is_media_type;
use crate::repository::{self, media};
use crate::tree::{Data, Document, NodeRef};
use crate::uri::client::Fields;

pub(super) async fn run(parameters: &[String], context: &mut CommandContext<'_>) -> CommandResult {
    let (server_uri, target) = match parameters {
        [server_uri] => (server_uri, None),
        [server_uri, target] => (server_uri, Some(client_uri(target, Fields::TARGET)?)),
        _ => return Err(CommandError::Malformed("HGET takes a ServerURI and at most one ClientURI")),
    };
    let uri = expand(server_uri, context)?;
    let stopping = context.stopping.clone();
    let fetching = async {
        // A target that can't be written is known without asking the repository.
        let target = match target {
            Some(target) => {
                let search = context.tree.destination(&target, &context.principal);
                Some(context.allowance.search(&target, search).await?)
            }
            None => None,
        };
        let leaf_types = target.as_ref().filter(|node| node.is_leaf()).map_or_else(Vec::new, own_types);
        let fetched = repository::fetch(uri, &leaf_types, context.connection).await?;
        Ok((target, leaf_types, fetched))
    };
    // Fetching is no change yet.
    let (target, leaf_types, fetched) = unless_stopped(&stopping, fetching).await?;
    match target {
        Some(node) => replace(&node, &leaf_types, &fetched, context).await.map(|()| Done::ok()),
        None => place(&fetched, None, context).await,
    }
}

/// Retrieves an object without a server's command (TS 10.1): only instances of `object` are stored. Returns their
/// ClientURIs.
pub(super) async fn retrieve(
    uri: Uri,
    object: &ManagementObject,
    context: &mut CommandContext<'_>,
) -> Result<Vec<String>, CommandError> {
    let fetching = async { Ok(repository::fetch(uri, &[], context.connection).await?) };
    let fetched = unless_stopped(&context.stopping, fetching).await?;
    Ok(place(&fetched, Some(object), context).await?.status.extra)
}

async fn replace(
    node: &NodeRef,
    leaf_types: &[String],
    fetched: &repository::Fetched,
    context: &CommandContext<'_>,
) -> Result<(), CommandError> {
    let data = if media::is_serialisation(&fetched.content_type) {
        let reading = async { Ok(fetched.documents(Some(node), context.tree, &context.principal).await?) };
        let documents = unless_stopped(&context.stopping, reading).await?;
        Data::Json(Document::only(documents, node)?)
    } else if leaf_types.iter().any(|own| is_media_type(&fetched.content_type, own)) {
        Data::raw(node, &fetched.body)?
    } else {
        return Err(CommandError::MediaType(fetched.content_type.clone()));
    };
    Ok(context.tree.replace(node, data, &context.principal).await?)
}

/// Places documents where they say themselves that they belong, as HGET does without ClientURI. With `only`, those of
/// other objects are refused.
async fn place(
    fetched: &repository::Fetched,
    only: Option<&ManagementObject>,
    context: &CommandContext<'_>,
) -> CommandResult {
    if !media::is_serialisation(&fetched.content_type) {
        return Err(CommandError::MediaType(fetched.content_type.clone()));
    }
    let reading = async { Ok(fetched.documents(None, context.tree, &context.principal).await?) };
    let documents = unless_stopped(&context.stopping, reading).await?;
    let stored = context.tree.store(documents, only, &context.principal).await?;
    Ok(Done::created(stored.iter().map(NodeRef::client_uri).collect()))
}

fn own_types(node: &NodeRef) -> Vec<String> {
    match node.properties().mime.as_slice() {
        [] => vec![media::TEXT_PLAIN.to_owned()],
        types => types.to_vec(),
    }
}
