//! GET ClientURI (TS 5.4.6, Appendix E): reads nodes.

use super::context::{CommandContext, CommandResult, client_uri};
use super::status::{CommandError, Done};
use crate::repository::media;
use crate::tree::{MOST_SHOWN, Rights, Shown, TreeError};
use crate::uri::client::Fields;

pub(super) async fn run(parameters: &[String], context: &mut CommandContext<'_>) -> CommandResult {
    let [uri] = parameters else { return Err(CommandError::Malformed("GET takes a ClientURI")) };
    let uri = client_uri(uri, Fields::READ)?;
    // What can't be sent is not even looked for: a package may have thousands that are over.
    let most = MOST_SHOWN.min(context.budget.left()?);
    let (tree, principal) = (context.tree, &context.principal);
    let reading = tree.reading(principal)?;
    let found = context.allowance.search(&uri, reading.resolve_all(&uri, Rights::READ)).await?;
    let held = uri.cache_validator.as_deref();
    let (mime, body) = match reading.show(found, uri.level, held, most).await {
        Ok(Shown::Empty) => return Ok(Done::no_content()),
        Ok(Shown::Fresh) => return Ok(Done::not_modified()),
        Ok(Shown::Leaf { mime, value }) => (mime, value.to_raw()),
        Ok(Shown::Document(json)) => (media::DMMO_JSON.to_owned(), json),
        Err(TreeError::TooLarge(_)) if most < MOST_SHOWN => return Err(context.budget.refuse(most).into()),
        Err(error) => return Err(error.into()),
    };
    // Others may have taken what was left.
    context.budget.take(body.len())?;
    Ok(Done::data(mime, body))
}
