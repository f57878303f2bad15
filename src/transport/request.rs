//! A request to a server, and its response.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Uri};

use super::produced::Produced;

/// The role of a request's server: it decides whose certificates are trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerRole {
    /// A DM Server: the account's `ca-file`, wherever CONT leads.
    #[default]
    Server,
    /// A data repository: `repository-ca-file`, but for the account's own origins.
    Repository,
}

/// A request to a server. Host, User-Agent, Accept-Encoding, Content-Length and Authorization are added.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The URI, an absolute http(s) one.
    pub uri: Uri,
    /// The role of the server.
    pub role: PeerRole,
    /// The header fields.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
    /// The body, if it is one that is produced while it is sent.
    pub produced: Option<Produced>,
    /// The largest response body in bytes, decoded.
    pub max_body: usize,
    /// The time limit for everything: resolving, connecting, authenticating, the last byte of the body. What moves at
    /// least at the `slowest` rate gets more, up to an hour in all.
    pub timeout: Duration,
    /// The rate in bytes a second, in both directions, from which on a request gets more time: a trickle is slower, an
    /// honest 2G link faster. 0: no more time for anything.
    pub slowest: u32,
    /// The longest time without a byte in either direction; noticed after at most twice that.
    pub idle: Duration,
    /// Whether the request may be sent again where a kept connection ended before one byte of an answer: the server may
    /// have acted. As the method says (RFC 9110 9.2.2), unless who sends it knows better.
    pub repeatable: bool,
}

/// A response, its body complete and decoded.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The header, without what was true only of the encoded body.
    pub headers: HeaderMap,
    /// The body, of a 2xx. What comes with another status says nothing that the agent needs: it is not judged, and is
    /// empty here.
    pub body: Bytes,
}

impl Request {
    /// Makes a request without body, with 1 MiB, 5 minutes or 512 bytes a second, and 60 seconds as its limits.
    #[must_use]
    pub fn new(method: Method, uri: Uri) -> Self {
        Self {
            repeatable: method.is_idempotent(),
            method,
            uri,
            role: PeerRole::default(),
            headers: Vec::new(),
            body: Bytes::new(),
            produced: None,
            max_body: 1 << 20,
            timeout: Duration::from_secs(5 * 60),
            slowest: 512,
            idle: Duration::from_secs(60),
        }
    }
}
