//! GET ClientURI (TS 5.4.6, Appendix E).

use super::{Answer, CommandError, Context, client_uri, media, plain};
use crate::session::machine::Done;
use crate::tree::{Rights, Shown};

pub(super) async fn run(parameters: &[String], context: &mut Context<'_>) -> Answer {
    let [uri] = parameters else { return Err(CommandError::Malformed("GET takes a ClientURI")) };
    let uri = client_uri(uri)?;
    // What can't be sent is not even looked for: a package may have thousands that are over.
    let over = CommandError::TooMuchData(context.settings.session.max_data);
    if *context.room == 0 {
        return Err(over);
    }
    let found = context.tree.resolve_all(&uri, &context.visitor, Rights::READ).await?;
    let held = uri.cache_validator.as_deref();
    let (mime, body) = match context.tree.show(found, uri.level, held, &context.visitor).await? {
        Shown::Empty => return Ok(plain(204)),
        Shown::Fresh => return Ok(plain(304)),
        Shown::Leaf { mime, value } => (mime, value.to_raw()),
        Shown::Document(json) => (media::DMMO_JSON.to_owned(), json),
    };
    let left = context.room.checked_sub(body.len());
    *context.room = left.unwrap_or_default();
    left.ok_or(over)?;
    Ok(Done { data: Some((mime, body)), ..plain(200) })
}
