//! DELETE ClientURI (TS 5.4.4).

use super::{Answer, CommandError, Context, client_uri, plain};
use crate::tree::Rights;

pub(super) async fn run(parameters: &[String], context: &mut Context<'_>) -> Answer {
    let [uri] = parameters else { return Err(CommandError::Malformed("DELETE takes a ClientURI")) };
    let uri = client_uri(uri)?;
    let node = context.tree.resolve(&uri, &context.visitor, Rights::WRITE).await?;
    context.tree.delete(&node, &context.visitor).await?;
    Ok(plain(200))
}
