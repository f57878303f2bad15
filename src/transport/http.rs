//! HTTP/1.1: one request at a time, over a connection that is kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderValue, USER_AGENT,
};
use hyper::http::response::Parts;
use hyper::{Method, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, oneshot, watch};

use super::account_transport::AccountTransport;
use super::auth::{AuthProblem, hex};
use super::body::{self, Encoding};
use super::bounds::{limit_interim, protocol};
use super::dial;
use super::error::{Failure, TransportError};
use super::limits::within;
use super::link_death;
use super::names::LinkNames;
use super::policy::{Refused, Standing};
use super::produced::RequestBody;
use super::reach::Binding;
use super::request::{PeerRole, Request, Response};
use super::tls::Trust;
use super::wire::{Heard, Moved, Wire};
use crate::base;
use crate::base::{AtomicU64, Progress};
use crate::uri::Origin;

/// The largest body that is read to its end though nobody wants it, to keep the connection; it must come at once.
const MOST_DRAINED: usize = 64 * 1024;
const LONGEST_DRAINED: Duration = Duration::from_secs(1);
/// The most connections to different origins that a session keeps.
const MOST_KEPT: usize = 3;
/// How long a connection that nobody wants any more may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(5);

/// A session's connection to its server; another origin gets another one underneath.
pub struct Connection {
    client: Arc<AccountTransport>,
    binding: Binding,
    /// Who is asked for names, where it is bound to a link.
    names: Option<Arc<dyn LinkNames>>,
    kept: Vec<KeptConnection>,
    moved: Moved,
    /// Who follows how far it comes.
    progress: Progress,
    /// The local address of the connection in use, or that was used last.
    local: watch::Sender<Option<SocketAddr>>,
}

/// An open HTTP connection, kept for the next request.
struct KeptConnection {
    origin: Origin,
    trust: Trust,
    sender: SendRequest<RequestBody>,
    local: SocketAddr,
    /// The bytes of answers read so far.
    heard: Arc<AtomicU64>,
    closer: Closer,
}

/// The handle that ends an open connection: dropped, the connection's task says goodbye and is over soon.
struct Closer(oneshot::Sender<()>);

impl Closer {
    /// Ends the connection at once, without goodbye. One that has closed by itself is left alone.
    fn abort(self) {
        let _ = self.0.send(());
    }
}

/// A request as it is sent.
struct Message {
    request: hyper::Request<RequestBody>,
    /// Whether the request carries credentials.
    is_authorized: bool,
    /// The signal that more interim responses have come than any server needs.
    flooded: Arc<Notify>,
}

/// A response whose body is still to be read.
struct Answer {
    parts: Parts,
    body: Incoming,
    kept: KeptConnection,
    /// Whether the request carried credentials.
    was_authorized: bool,
}

/// The target of a request: its origin, and what that is to the account.
struct Target {
    origin: Origin,
    standing: Standing,
    trust: Trust,
    path: String,
}

impl Request {
    fn to_hyper(
        &self,
        target: &Target,
        authorization: Option<HeaderValue>,
    ) -> Result<hyper::Request<RequestBody>, Failure> {
        let mut builder = hyper::Request::builder()
            .method(self.method.clone())
            .uri(target.path.as_str())
            .header(HOST, target.origin.authority())
            .header(USER_AGENT, concat!("omadm-agent/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT_ENCODING, "gzip");
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        if let Some(authorization) = authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        builder
            .body(RequestBody::new(&self.body, self.produced.as_ref()))
            .map_err(|error| Failure::Request(error.to_string()))
    }
}

impl Connection {
    pub(super) fn new(client: Arc<AccountTransport>, binding: Binding) -> Self {
        Self {
            client,
            binding,
            names: None,
            progress: Progress::default(),
            kept: Vec::new(),
            moved: Moved::default(),
            local: watch::Sender::new(None),
        }
    }

    /// The same, which asks these for names as long as it is bound to a link.
    #[must_use]
    pub fn with_names(mut self, names: Arc<dyn LinkNames>) -> Self {
        self.names = Some(names);
        self
    }

    /// The network that what is opened next is bound to.
    #[must_use]
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Binds what is opened from now on to another network, and keeps nothing that is open.
    pub fn rebind(&mut self, binding: Binding) {
        self.binding = binding;
        for kept in self.kept.drain(..) {
            kept.closer.abort();
        }
    }

    /// Has somebody follow how far it comes.
    pub fn follow(&mut self, progress: &Progress) {
        self.progress = progress.clone();
    }

    /// Whether the agent may go to `uri`, and what that origin is to the account; [`Connection::send`] asks too.
    ///
    /// # Errors
    /// Why it may not.
    pub fn admit(&self, uri: &Uri) -> Result<Standing, Refused> {
        self.client.policy.admit(uri).map(|(_, standing)| standing)
    }

    /// The local address of the connection that carried the last request, or was opened last.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        *self.local.borrow()
    }

    /// Sends a request and reads the response. The account's own origins get its credentials, once they have
    /// asked for them. Any HTTP status is a response, except a 401 of an own origin; it counts as soon as it comes,
    /// whether or not the server has read the request.
    ///
    /// A kept connection that turns out closed before the request was written, or before any answer to a repeatable
    /// one, is replaced, once. Whatever fails later is the caller's to repeat or not: the server may have acted.
    ///
    /// # Errors
    /// [`TransportError`]; dropping the future ends the connection it used.
    pub async fn send(&mut self, request: &Request) -> Result<Response, TransportError> {
        let target = self.target(request)?;
        let moved = self.moved.clone();
        let link = link_death::of(self.local.subscribe());
        let conversing = within(request, &moved, self.converse(request, &target));
        let done = tokio::select! {
            biased;
            done = conversing => done,
            address = link => Err(Failure::LinkDown(address)),
        };
        done.unwrap_or_else(|failure| Err(failure.at(&target.origin)))
    }

    /// Opens the connection that the next request to the DM Server at `uri` is sent on: its local address is known from
    /// then on.
    ///
    /// # Errors
    /// [`TransportError`]
    pub async fn open_to(&mut self, uri: &Uri) -> Result<(), TransportError> {
        let request = Request::new(Method::POST, uri.clone());
        let target = self.target(&request)?;
        let moved = self.moved.clone();
        let kept = within(&request, &moved, self.open(&target))
            .await
            .unwrap_or_else(|failure| Err(failure.at(&target.origin)))?;
        self.local.send_replace(Some(kept.local));
        self.keep(kept).await;
        Ok(())
    }

    fn target(&self, request: &Request) -> Result<Target, TransportError> {
        let (origin, standing) = self.client.policy.admit(&request.uri)?;
        let trust = match (standing, request.role) {
            (Standing::Own, _) => Trust::Own,
            (Standing::Foreign, PeerRole::Server) => Trust::Account,
            (Standing::Foreign, PeerRole::Repository) => Trust::Repository,
        };
        let path = request.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Target { origin, standing, trust, path })
    }

    /// Sends the request, and once more if it was only for want of credentials that it failed.
    async fn converse(&mut self, request: &Request, target: &Target) -> Result<Response, TransportError> {
        let at = |failure: Failure| failure.at(&target.origin);
        let denied = |problem: AuthProblem| at(Failure::Authentication(problem));
        let own = target.standing == Standing::Own;

        let mut answer = self.exchange(request, target).await?;
        if own && answer.parts.status == StatusCode::UNAUTHORIZED {
            self.progress.tell("authentication", format_args!("the server asks for credentials (401)"));
            self.client
                .auth()
                .challenged(&target.origin, &answer.parts.headers, answer.was_authorized, cnonce)
                .map_err(denied)?;
            self.discard(answer.body, answer.kept).await;
            answer = self.exchange(request, target).await?;
            if answer.parts.status == StatusCode::UNAUTHORIZED {
                self.client.auth().forget(&target.origin);
                return Err(denied(AuthProblem::Rejected));
            }
            self.progress.tell("authentication", format_args!("the credentials are accepted"));
        }
        let Answer { mut parts, body, kept, .. } = answer;
        if own {
            self.client.auth().accepted(&target.origin, &parts.headers);
        }

        let status = parts.status.as_u16();
        if !parts.status.is_success() {
            self.discard(body, kept).await;
            return Ok(Response { status, headers: parts.headers, body: Bytes::new() });
        }
        let encoding = Encoding::of(&parts.headers).map_err(at)?;
        let body = body::collect(body, encoding, request.max_body).await.map_err(at)?;
        self.keep(kept).await;
        if encoding != Encoding::Identity {
            parts.headers.remove(CONTENT_ENCODING);
            parts.headers.remove(CONTENT_LENGTH);
        }
        Ok(Response { status, headers: parts.headers, body })
    }

    fn message(&self, request: &Request, target: &Target) -> Result<Message, Failure> {
        let authorization = match target.standing {
            Standing::Own => {
                let (method, path) = (request.method.as_str(), &target.path);
                let credentials = self.client.auth().authorization(&target.origin, method, path);
                credentials.map_err(Failure::Authentication)?
            }
            Standing::Foreign => None,
        };
        let is_authorized = authorization.is_some();
        let mut request = request.to_hyper(target, authorization)?;
        let flooded = limit_interim(&mut request);
        Ok(Message { request, is_authorized, flooded })
    }

    /// Writes the request and reads the response's header.
    async fn exchange(&mut self, request: &Request, target: &Target) -> Result<Answer, TransportError> {
        let at = |failure: Failure| failure.at(&target.origin);
        let mut message = self.message(request, target).map_err(at)?;
        loop {
            let (mut kept, fresh) = match self.take(target).await {
                Some(kept) => (kept, false),
                None => (self.open(target).await?, true),
            };
            self.local.send_replace(Some(kept.local));
            let before = kept.heard.load(Ordering::Relaxed);
            let Message { request: sent, is_authorized, flooded } = message;
            let sent = tokio::select! {
                sent = kept.sender.try_send_request(sent) => sent,
                () = flooded.notified() => {
                    return Err(at(Failure::Malformed("interim responses without end".to_owned())));
                }
            };
            let mut error = match sent {
                Ok(response) => {
                    let (parts, body) = response.into_parts();
                    return Ok(Answer { parts, body, kept, was_authorized: is_authorized });
                }
                Err(error) => error,
            };
            // hyper hands the message back if not one byte of it was written.
            message = match error.take_message() {
                Some(request) if !fresh => Message { request, is_authorized, flooded },
                _ => {
                    let failure = Failure::of_exchange(error.error());
                    // It had carried answers, and gave none to this one: the server had closed it just then.
                    let silent = before > 0 && before == kept.heard.load(Ordering::Relaxed);
                    if !(silent && !fresh && request.repeatable && matches!(failure, Failure::Lost(_))) {
                        return Err(at(failure));
                    }
                    self.message(request, target).map_err(at)?
                }
            };
        }
    }

    /// The kept connection to `target`, if it still stands.
    async fn take(&mut self, target: &Target) -> Option<KeptConnection> {
        let index =
            self.kept.iter().position(|kept| kept.origin == target.origin && kept.trust == target.trust)?;
        let mut kept = self.kept.remove(index);
        // Lets the runtime look at its sockets: a goodbye that has arrived is seen before we write.
        tokio::task::yield_now().await;
        kept.sender.ready().await.ok()?;
        Some(kept)
    }

    /// Keeps a connection for the next request. One on which the last request is still being sent, though it was
    /// answered, is of no use: whoever answers before he has read may never read on.
    async fn keep(&mut self, kept: KeptConnection) {
        if !kept.sender.is_ready() {
            tokio::task::yield_now().await;
        }
        if !kept.sender.is_ready() {
            kept.closer.abort();
            return;
        }
        if self.kept.len() == MOST_KEPT {
            self.kept.remove(0);
        }
        self.kept.push(kept);
    }

    /// Keeps a connection whose answer's body nobody wants, if that costs little.
    async fn discard(&mut self, body: Incoming, kept: KeptConnection) {
        if let Ok(true) = tokio::time::timeout(LONGEST_DRAINED, body::skip(body, MOST_DRAINED)).await {
            self.keep(kept).await;
        } else {
            kept.closer.abort();
        }
    }

    async fn open(&self, target: &Target) -> Result<KeptConnection, TransportError> {
        let Target { origin, standing, trust, .. } = target;
        // Whatever was used before says nothing of what is used now.
        self.local.send_replace(None);
        let way = (&self.binding, self.names.as_deref());
        let (moved, progress) = (&self.moved, &self.progress);
        let (wire, local) = dial::open(&self.client, way, origin, *standing, *trust, moved, progress).await?;
        let heard = Arc::new(AtomicU64::new(0));
        let opened = match wire {
            Wire::Tls(stream) => start(Heard::new(stream, Arc::clone(&heard))).await,
            Wire::Plain(stream) => start(Heard::new(stream, Arc::clone(&heard))).await,
        };
        let (sender, closer) = opened.map_err(|error| Failure::of_exchange(&error).at(origin))?;
        Ok(KeptConnection { origin: origin.clone(), trust: *trust, sender, local, heard, closer })
    }
}

/// Speaks HTTP on `stream` in a task of its own, which ends soon after the returned pair is dropped, or at once by
/// [`Closer::abort`].
async fn start<S>(stream: S) -> hyper::Result<(SendRequest<RequestBody>, Closer)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, mut connection) = protocol().handshake(TokioIo::new(stream)).await?;
    let (abort, aborted) = oneshot::channel();
    base::spawn(async move {
        // What goes wrong is told to the request it concerns.
        tokio::select! {
            _ = &mut connection => return,
            aborted = aborted => if aborted.is_ok() {
                return;
            },
        }
        // hyper closes by itself now that its sender is gone; a dead peer mustn't hold it up.
        let _ = tokio::time::timeout(FAREWELL, connection).await;
    });
    Ok((sender, Closer(abort)))
}

/// A fresh client nonce. Without randomness from the kernel a counter would do too: it needs no secrecy.
fn cnonce() -> String {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => hex(&bytes),
        Err(_) => format!("{:?}", std::time::Instant::now()),
    }
}
