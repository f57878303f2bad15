//! Telling a DM Server the device's registration id (TS D.2.4).

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use percent_encoding::utf8_percent_encode;

use super::bridge::{Task, TellResult};
use crate::agent_state;
use crate::agent_state::Parameters;
use crate::config::Push;
use crate::transport::{Binding, PeerRole, Remedy, Request, is_temporary, retry_after};
use crate::uri::NOT_UNRESERVED;
use crate::uri::server::shown;

/// The media type of the body.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded;charset=UTF-8";
/// The most bytes of an answer, which nobody reads.
const MOST_ANSWERED: usize = 64 << 10;

/// The body of the request: the id, and what the bootstrap adds. `params` is a URI query already.
#[must_use]
pub(crate) fn body(id: &str, params: Option<&str>) -> String {
    let id = utf8_percent_encode(id, NOT_UNRESERVED);
    match params.filter(|params| !params.is_empty()) {
        Some(params) => format!("RegId={id}&{params}"),
        None => format!("RegId={id}"),
    }
}

/// POSTs one registration or unregistration, with the account's credentials.
pub(crate) async fn send(
    peer: &agent_state::Peer,
    push: &Push,
    task: &Task,
    parameters: &Parameters,
) -> TellResult {
    let template = if task.register { &push.register_uri } else { &push.unregister_uri };
    let uri = match parameters.expand(template) {
        Ok(uri) => uri,
        Err(error) => return TellResult::Refused(error.to_string()),
    };
    let client = match peer.client(parameters) {
        Ok(client) => client,
        Err(error) => return TellResult::Refused(error.to_string()),
    };
    let mut request = Request { role: PeerRole::Server, ..Request::new(Method::POST, uri) };
    request.headers.push((CONTENT_TYPE, HeaderValue::from_static(FORM)));
    request.body = Bytes::from(body(&task.id, push.params.as_deref()));
    request.max_body = MOST_ANSWERED;
    match client.connection(Binding::Any).send(&request).await {
        Ok(response) if (200..300).contains(&response.status) => TellResult::Done,
        Ok(response) => {
            let why = format!("HTTP status {} ({})", response.status, shown(template));
            match is_temporary(response.status) {
                true => TellResult::Failed {
                    why,
                    least: retry_after(&response.headers, std::time::SystemTime::now()),
                },
                false => TellResult::Refused(why),
            }
        }
        Err(error) if error.remedy() == Remedy::None => TellResult::Refused(error.to_string()),
        Err(error) => TellResult::Failed { why: error.to_string(), least: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_a_query_whatever_the_id_holds() {
        assert_eq!(body("APA91b-x", None), "RegId=APA91b-x");
        assert_eq!(body("a&b=c d:é", Some("k=v&l=%20")), "RegId=a%26b%3Dc%20d%3A%C3%A9&k=v&l=%20");
        assert_eq!(body("a", Some("")), "RegId=a");
    }
}
