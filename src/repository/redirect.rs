//! Redirects: which are followed, and where they lead.

use hyper::header::LOCATION;
use hyper::{HeaderMap, Uri};

use super::{DEV_ID, is_own};
use crate::transport::{Connection, Request, Response, TransportError};
use crate::uri::Origin;

const MOST_REDIRECTS: usize = 5;

/// Why a request that may be redirected has no response.
#[derive(Debug)]
pub(crate) enum FollowError {
    /// The server can't be reached, or the agent doesn't go there.
    Transport(TransportError),
    /// The server redirects for ever, or to where the agent doesn't follow.
    Redirect(&'static str),
}

impl From<TransportError> for FollowError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

/// Sends a request and follows redirects of these statuses; then `request` is the one that was answered.
///
/// # Errors
/// [`FollowError`]
pub(crate) async fn follow(
    request: &mut Request,
    statuses: &[u16],
    connection: &mut Connection,
) -> Result<Response, FollowError> {
    for _ in 0..=MOST_REDIRECTS {
        let response = connection.send(request).await?;
        if !statuses.contains(&response.status) {
            return Ok(response);
        }
        let next = redirected(&request.uri, &response.headers).map_err(FollowError::Redirect)?;
        if !is_own(&next, connection) {
            request.headers.retain(|(name, _)| *name != DEV_ID);
        }
        request.uri = next;
    }
    Err(FollowError::Redirect("too many"))
}

/// The URI that a redirect leads to. Never from https to http; whether http is allowed at all, the transport knows.
fn redirected(from: &Uri, headers: &HeaderMap) -> Result<Uri, &'static str> {
    let location = headers.get(LOCATION).ok_or("no Location")?;
    let next = location.to_str().ok().and_then(|location| resolve(from, location));
    let next = next.ok_or("Location is not a URI")?;
    match (Origin::of(from), Origin::of(&next)) {
        (_, Err(_)) => Err("Location is no http(s) URI"),
        (Ok(from), Ok(next)) if from.secure && !next.secure => Err("from https to http"),
        _ => Ok(next),
    }
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
    parts.path_and_query = Some(without_dots(&path).parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// A path without its `.` and `..`, which are steps, not names (RFC 3986 5.2.4).
fn without_dots(path_and_query: &str) -> String {
    let end = path_and_query.find('?').unwrap_or(path_and_query.len());
    let (path, query) = path_and_query.split_at_checked(end).unwrap_or((path_and_query, ""));
    let mut kept: Vec<&str> = Vec::new();
    let mut steps = path.split('/').skip(1).peekable();
    while let Some(step) = steps.next() {
        match step {
            "." | ".." => {
                if step == ".." {
                    kept.pop();
                }
                if steps.peek().is_none() {
                    kept.push("");
                }
            }
            name => kept.push(name),
        }
    }
    format!("/{}{query}", kept.join("/"))
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
            ("../x?../y", "https://r.example:8443/x?../y"),
            ("../../../x/./y/..", "https://r.example:8443/x/"),
            ("/a//b/", "https://r.example:8443/a//b/"),
            ("..", "https://r.example:8443/"),
        ] {
            assert_eq!(resolve(&base, location), Some(expected.parse().unwrap()), "{location}");
        }
        assert_eq!(resolve(&base, "x y"), None);
    }
}
