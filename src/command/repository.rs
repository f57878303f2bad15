//! HTTP with data repositories (TS 5.1.4): what HGET, HPUT and HPOST share.

use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::{Method, Uri};

use super::{CommandError, Context, media};
use crate::session::Parameters;
use crate::transport::{Connection, Peer, Request, Response};
use crate::uri::server::Template;

const MOST_REDIRECTS: usize = 5;
/// Those under which the same is sent elsewhere.
const UPLOAD_REDIRECTS: &[u16] = &[307, 308];
/// The largest document that is retrieved.
const MOST_RETRIEVED: usize = 8 << 20;

/// What a repository sent.
pub(super) struct Fetched {
    /// Content-Type, as sent.
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

/// A ServerURI with this device's values in it (TS 6.2).
pub(super) fn expand(server_uri: &str, context: &Context<'_>) -> Result<Uri, CommandError> {
    Template::parse(server_uri)
        .and_then(|template| template.expand(&|parameter| context.parameters.value(parameter)))
        .map_err(CommandError::ServerUri)
}

/// GETs a document. `leaf_type` is the media type of the leaf that it is for.
pub(super) async fn fetch(
    uri: Uri,
    leaf_type: Option<&str>,
    context: &mut Context<'_>,
) -> Result<Fetched, CommandError> {
    let mut accept = format!("{}, {}", media::DMMO_JSON, media::OMA_MO_JSON);
    if let Some(leaf_type) = leaf_type {
        accept = format!("{accept}, {leaf_type};q=0.5");
    }
    let accept = HeaderValue::try_from(accept).unwrap_or(HeaderValue::from_static(media::DMMO_JSON));
    let mut request = Request { peer: Peer::Repository, ..Request::new(Method::GET, uri) };
    request.headers.push((ACCEPT, accept));
    request.max_body = MOST_RETRIEVED;
    let response = follow(request, &[301, 302, 303, 307, 308], context.connection).await?;
    if !(200..300).contains(&response.status) {
        return Err(CommandError::Repository(response.status));
    }
    let content_type =
        response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok(Fetched { content_type: content_type.to_owned(), body: response.body })
}

/// PUTs or POSTs a JSON array of serialised MOs.
pub(super) async fn deliver(
    method: Method,
    uri: Uri,
    content_type: &'static str,
    body: Bytes,
    context: &mut Context<'_>,
) -> Result<(), CommandError> {
    let request = upload(method, uri, content_type, body, context.parameters);
    let response = follow(request, UPLOAD_REDIRECTS, context.connection).await?;
    if (200..300).contains(&response.status) {
        Ok(())
    } else {
        Err(CommandError::Repository(response.status))
    }
}

/// PUTs what a server has subscribed to, outside a session; any status is a response.
pub(crate) async fn put(
    uri: Uri,
    body: Bytes,
    parameters: &Parameters,
    connection: &mut Connection,
) -> Result<Response, CommandError> {
    let request = upload(Method::PUT, uri, media::DMMO_JSON, body, parameters);
    follow(request, UPLOAD_REDIRECTS, connection).await
}

fn upload(
    method: Method,
    uri: Uri,
    content_type: &'static str,
    body: Bytes,
    parameters: &Parameters,
) -> Request {
    let mut request = Request { peer: Peer::Repository, body, ..Request::new(method, uri) };
    request.headers.push((CONTENT_TYPE, HeaderValue::from_static(content_type)));
    let dev_id = HeaderValue::try_from(parameters.dev_id()).ok();
    let name = HeaderName::from_static("omadm-devid");
    request.headers.extend(dev_id.map(|dev_id| (name, dev_id)));
    request
}

/// Sends a request and follows redirects of these statuses.
async fn follow(
    mut request: Request,
    statuses: &[u16],
    connection: &mut Connection,
) -> Result<Response, CommandError> {
    for _ in 0..=MOST_REDIRECTS {
        let response = connection.send(&request).await?;
        if !statuses.contains(&response.status) {
            return Ok(response);
        }
        let location = response.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or(CommandError::Redirect("no Location"))?;
        let next = resolve(&request.uri, location).ok_or(CommandError::Redirect("Location is not a URI"))?;
        if next.scheme() != request.uri.scheme() {
            return Err(CommandError::Redirect("to another scheme"));
        }
        request.uri = next;
    }
    Err(CommandError::Redirect("too many"))
}

/// A Location, which may be relative, as an absolute URI.
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or(location);
    if let Ok(absolute) = location.parse::<Uri>()
        && absolute.scheme().is_some()
    {
        return Some(absolute);
    }
    let mut parts = base.clone().into_parts();
    if let Some(rest) = location.strip_prefix("//") {
        return format!("{}://{rest}", base.scheme_str()?).parse().ok();
    }
    let path = if location.starts_with('/') {
        location.to_owned()
    } else if location.starts_with('?') {
        format!("{}{location}", base.path())
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{location}")
    };
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved_against_the_request() {
        let base: Uri = "https://r.example:8443/a/b?c".parse().unwrap();
        for (location, expected) in [
            ("https://other.example/x", "https://other.example/x"),
            ("//other.example/x", "https://other.example/x"),
            ("/x?y#z", "https://r.example:8443/x?y"),
            ("x", "https://r.example:8443/a/x"),
            ("?y", "https://r.example:8443/a/b?y"),
        ] {
            assert_eq!(resolve(&base, location), Some(expected.parse().unwrap()), "{location}");
        }
        assert_eq!(resolve(&base, "x y"), None);
    }
}
