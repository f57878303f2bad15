//! The tape: what went over the wire, in the order in which the lab's servers answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use hyper::{HeaderMap, Method};
use serde_json::Value;
use tokio::sync::watch;

use super::multipart::{self, Part, media_type};
use super::reply::Reply;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// The server it came to, as [`Options::name`](super::Options::name) calls it.
    pub server: &'static str,
    /// The number of the server's connection that carried it, from 1.
    pub connection: usize,
    /// The address that the connection came from.
    pub peer: SocketAddr,
    /// The TLS version and whether the handshake resumed an earlier session; none over plain http.
    pub tls: Option<Tls>,
    /// The time when it had been read.
    pub at: SystemTime,
    /// The HTTP method.
    pub method: Method,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query, still percent-encoded; empty where there is none.
    pub query: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// The security of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The version, `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// Whether the handshake resumed an earlier session.
    pub resumed: bool,
    /// Whether the client showed a certificate that the server trusts.
    pub client_certificate: bool,
}

/// A package that a DM client sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Whether it is Package#1; else it is Package#3.
    pub initiation: bool,
    /// The JSON of the package.
    pub json: Value,
    /// The parts after the package (TS Appendix E); empty where it was not multipart.
    pub parts: Vec<Part>,
}

impl Request {
    /// The header field `name`, empty where it is absent or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The path and the query, as the request line had them.
    #[must_use]
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    /// The package that the request carries, alone or as the first part of a multipart body.
    ///
    /// # Errors
    /// What keeps the body from being Package#1 or Package#3.
    pub fn package(&self) -> Result<Received, String> {
        let content_type = self.header("content-type");
        if media_type(content_type) != "multipart/form-data" {
            return received(content_type, &self.body, Vec::new());
        }
        let mut parts = multipart::read(content_type, &self.body)?;
        if parts.is_empty() {
            return Err("a multipart body without parts".to_owned());
        }
        let first = parts.remove(0);
        if first.name.is_some() {
            return Err("the first part, which holds the package, has a name".to_owned());
        }
        received(&first.content_type, &first.body, parts)
    }

    /// Whether the request carries Package#1.
    #[must_use]
    pub fn is_initiation(&self) -> bool {
        media_type(self.header("content-type")) == "application/vnd.oma.dm.initiation+json"
    }
}

impl Received {
    /// The status codes, of the draft's `[200, …]` or the approved profile's `{"sc": 200}`.
    #[must_use]
    pub fn statuses(&self) -> Vec<u64> {
        let list = self.json.get("Status").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .map(|status| status.get(0).or(status.get("sc")).unwrap_or(status).as_u64().unwrap_or(0))
            .collect()
    }

    /// The words of the status at `index` besides its code, each after a space.
    #[must_use]
    pub fn extra(&self, index: usize) -> String {
        let status = self.json.get("Status").and_then(|list| list.get(index));
        let list = status.map(|status| status.get("URI").unwrap_or(status)).and_then(Value::as_array);
        let words = list.into_iter().flatten().filter_map(Value::as_str);
        words.map(|word| format!(" {word}")).collect()
    }

    /// The part that answers the GET at `position`, from 1.
    #[must_use]
    pub fn part(&self, position: usize) -> Option<&Part> {
        let name = position.to_string();
        self.parts.iter().find(|part| part.name.as_deref() == Some(&name))
    }
}

fn received(content_type: &str, body: &[u8], parts: Vec<Part>) -> Result<Received, String> {
    let initiation = match media_type(content_type).as_str() {
        "application/vnd.oma.dm.initiation+json" => true,
        "application/vnd.oma.dm.response+json" => false,
        other => return Err(format!("`{other}` is the type of no package")),
    };
    let json = serde_json::from_slice(body).map_err(|error| format!("the package is not JSON: {error}"))?;
    Ok(Received { initiation, json, parts })
}

/// A request and its reply.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request that came.
    pub request: Request,
    /// The reply that went back.
    pub reply: Reply,
}

/// The record that all servers of a bench share. Cloning it gives another handle to the same one.
#[derive(Clone, Debug)]
pub struct Tape(Arc<TapeState>);

#[derive(Debug)]
struct TapeState {
    record: Mutex<Record>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Record {
    exchanges: Vec<Exchange>,
    refused: Vec<String>,
}

impl Default for Tape {
    fn default() -> Self {
        Self(Arc::new(TapeState { record: Mutex::default(), changed: watch::Sender::new(()) }))
    }
}

impl Tape {
    /// Adds an exchange.
    pub fn push(&self, exchange: Exchange) {
        self.write(|record| record.exchanges.push(exchange));
    }

    /// Adds a connection that never came to a request, and why.
    pub fn refuse(&self, why: String) {
        self.write(|record| record.refused.push(why));
    }

    /// All exchanges so far.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.read(|record| record.exchanges.clone())
    }

    /// The exchanges from number `from` on, counted from 0.
    #[must_use]
    pub fn since(&self, from: usize) -> Vec<Exchange> {
        self.read(|record| record.exchanges.iter().skip(from).cloned().collect())
    }

    /// The reasons why connections never came to a request: failed TLS handshakes.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.read(|record| record.refused.clone())
    }

    /// The requests that came to the server called `server`.
    #[must_use]
    pub fn requests(&self, server: &str) -> Vec<Request> {
        self.read(|record| {
            let all = record.exchanges.iter().map(|exchange| &exchange.request);
            all.filter(|request| request.server == server).cloned().collect()
        })
    }

    /// Waits until the tape satisfies `enough`; false if that took longer than `limit`.
    pub async fn until(&self, limit: Duration, mut enough: impl FnMut(&Self) -> bool) -> bool {
        let mut changed = self.0.changed.subscribe();
        let wait = async {
            while !enough(self) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
    }

    /// Waits for the next change after what `watcher` has seen. See [`Tape::watcher`].
    #[must_use]
    pub fn watcher(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    fn write(&self, change: impl FnOnce(&mut Record)) {
        change(&mut self.0.record.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.changed.send_replace(());
    }

    fn read<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        look(&self.0.record.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
