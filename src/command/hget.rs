//! `HGET ServerURI [ClientURI]` (TS 5.4.1): stores what a data repository has.

use hyper::Uri;

use super::{Answer, CommandError, Context, client_uri, media, plain, repository};
use crate::mo::{ManagementObject, Value};
use crate::package::{Status, is_media_type};
use crate::session::machine::Done;
use crate::tree::{NodeRef, Rights, TreeError};

pub(super) async fn run(parameters: &[String], context: &mut Context<'_>) -> Answer {
    let (server_uri, target) = match parameters {
        [server_uri] => (server_uri, None),
        [server_uri, target] => (server_uri, Some(client_uri(target)?)),
        _ => return Err(CommandError::Malformed("HGET takes a ServerURI and at most one ClientURI")),
    };
    let uri = repository::expand(server_uri, context)?;
    // A target that can't be written is known without asking the repository.
    let target = match target {
        Some(target) => {
            let node = context.tree.resolve(&target, &context.visitor, Rights::WRITE).await?;
            if node.is_leaf() && !node.takes_values() {
                let what = "may not be replaced";
                return Err(TreeError::NotAllowed { node: node.client_uri(), what }.into());
            }
            Some(node)
        }
        None => None,
    };
    let leaf_type = target.as_ref().filter(|node| node.is_leaf()).map(own_type);
    let fetched = repository::fetch(uri, leaf_type.as_deref(), context).await?;
    match target {
        Some(node) => replace(&node, leaf_type.as_deref(), &fetched, context).await.map(|()| plain(200)),
        None => place(&fetched, None, context).await,
    }
}

/// The same without a server's command (TS 10.1): only an instance of `object` is stored. Returns its ClientURI.
pub(super) async fn retrieve(
    uri: Uri,
    object: &ManagementObject,
    context: &mut Context<'_>,
) -> Result<Vec<String>, CommandError> {
    let fetched = repository::fetch(uri, None, context).await?;
    Ok(place(&fetched, Some(object), context).await?.status.extra)
}

async fn replace(
    node: &NodeRef,
    leaf_type: Option<&str>,
    fetched: &repository::Fetched,
    context: &Context<'_>,
) -> Result<(), CommandError> {
    if media::is_serialisation(&fetched.content_type) {
        let document = fetched.document(Some(node), context.tree)?;
        if let Some(moid) = &document.moid
            && !node.object.answers_to(moid)
        {
            let why = format!("the retrieved document is of {moid:?}");
            return Err(TreeError::Invalid { node: node.client_uri(), why }.into());
        }
        let data = document.data_of(node);
        return Ok(context.tree.replace(node, data, &context.visitor).await?);
    }
    if leaf_type.is_some_and(|own| is_media_type(&fetched.content_type, own)) {
        let value = Value::from_raw(node.properties().format, &fetched.body)
            .map_err(|error| TreeError::Invalid { node: node.client_uri(), why: error.to_string() })?;
        return Ok(context.tree.replace_leaf(node, value, &context.visitor).await?);
    }
    Err(CommandError::MediaType(fetched.content_type.clone()))
}

/// Without ClientURI, the document itself says where it belongs. With `only`, a document of another object is refused.
async fn place(
    fetched: &repository::Fetched,
    only: Option<&ManagementObject>,
    context: &Context<'_>,
) -> Answer {
    if !media::is_serialisation(&fetched.content_type) {
        return Err(CommandError::MediaType(fetched.content_type.clone()));
    }
    let document = fetched.document(None, context.tree)?;
    let moid = match (&document.moid, &document.client_uri) {
        (Some(moid), _) => moid.clone(),
        (None, Some(uri)) => client_uri(uri)?.moid,
        (None, None) => {
            let why = "has neither MOID nor ClientURI".to_owned();
            return Err(TreeError::Invalid { node: "the retrieved document".to_owned(), why }.into());
        }
    };
    let object = context.tree.object_for(&moid, &context.visitor);
    let object = object.ok_or_else(|| TreeError::NotFound(moid.clone()))?;
    if let Some(wanted) = only.filter(|only| only.moid != object.moid) {
        let why = format!("is of {moid:?}, not of {}", wanted.moid);
        return Err(TreeError::Invalid { node: "the retrieved document".to_owned(), why }.into());
    }
    let created = context.tree.create(object, document, &context.visitor).await?;
    let status = Status { code: 201, extra: vec![created.client_uri()] };
    Ok(Done { status, data: None, continue_at: None })
}

fn own_type(node: &NodeRef) -> String {
    node.properties().mime.first().cloned().unwrap_or_else(|| media::TEXT_PLAIN.to_owned())
}
