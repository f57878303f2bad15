//! GET ClientURI (TS 5.4.6, Appendix E).

use super::{Answer, CommandError, Context, client_uri, media, plain};
use crate::session::machine::Done;
use crate::tree::{Rights, Shown};

pub(super) async fn run(parameters: &[String], context: &mut Context<'_>) -> Answer {
    let [uri] = parameters else { return Err(CommandError::Malformed("GET takes a ClientURI")) };
    let uri = client_uri(uri)?;
    let found = context.tree.resolve_all(&uri, &context.visitor, Rights::READ).await?;
    let held = uri.cache_validator.as_deref();
    Ok(match context.tree.show(found, uri.level, held, &context.visitor).await? {
        Shown::Empty => plain(204),
        Shown::Fresh => plain(304),
        Shown::Leaf { mime, value } => Done { data: Some((mime, value.to_raw())), ..plain(200) },
        Shown::Document(json) => Done { data: Some((media::DMMO_JSON.to_owned(), json)), ..plain(200) },
    })
}
