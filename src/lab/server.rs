//! An HTTP(S) server that answers from a handler, records everything, and misbehaves on request.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::authority::{Authority, Identity};
use super::challenge::{Challenge, Guard};
use super::reply::{Reply, ReplyBody};
use super::tape::{Exchange, Request, Tape, Tls};

/// The largest request body the lab reads: 64 MiB.
const MAX_BODY: usize = 64 << 20;

/// The options of a server. [`Options::new`] listens on any port of 127.0.0.1 and asks for nothing.
#[derive(Debug)]
pub struct Options {
    /// The name of the server on the tape.
    pub name: &'static str,
    /// The address that it listens on.
    pub listen: SocketAddr,
    /// The certificate it shows; none: plain http.
    pub identity: Option<Identity>,
    /// The CA whose client certificates it demands; none: it demands none.
    pub clients: Option<rustls::pki_types::CertificateDer<'static>>,
    /// Whether a client without a certificate is let in all the same.
    pub clients_optional: bool,
    /// Whether TLS 1.2 is used and nothing newer.
    pub tls12: bool,
    /// The credentials it asks for.
    pub challenge: Challenge,
    /// The tape that exchanges are recorded on.
    pub tape: Tape,
}

impl Options {
    /// The options of an HTTPS server with this certificate.
    #[must_use]
    pub fn new(name: &'static str, identity: Identity, tape: &Tape) -> Self {
        Self { identity: Some(identity), ..Self::plain(name, tape) }
    }

    /// The options of a server without TLS.
    #[must_use]
    pub fn plain(name: &'static str, tape: &Tape) -> Self {
        Self {
            name,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            identity: None,
            clients: None,
            clients_optional: false,
            tls12: false,
            challenge: Challenge::None,
            tape: tape.clone(),
        }
    }

    /// Lets in only clients whose certificate `authority` signed.
    #[must_use]
    pub fn demanding_clients_of(self, authority: &Authority) -> Self {
        Self { clients: Some(authority.certificate().clone()), ..self }
    }

    /// Asks for credentials.
    #[must_use]
    pub fn challenging(self, challenge: Challenge) -> Self {
        Self { challenge, ..self }
    }

    fn acceptor(&self) -> io::Result<Option<TlsAcceptor>> {
        let Some(identity) = &self.identity else { return Ok(None) };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: &[_] = if self.tls12 { &[&rustls::version::TLS12] } else { rustls::ALL_VERSIONS };
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(io::Error::other)?;
        let builder = if let Some(authority) = &self.clients {
            let mut roots = RootCertStore::empty();
            roots.add(authority.clone()).map_err(io::Error::other)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if self.clients_optional { verifier.allow_unauthenticated() } else { verifier };
            builder.with_client_cert_verifier(verifier.build().map_err(io::Error::other)?)
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_single_cert(identity.chain(), identity.key()).map_err(io::Error::other)?;
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }
}

/// A running server. It ends, and all its connections with it, when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    secure: bool,
    tape: Tape,
    unread: Arc<AtomicUsize>,
    /// The number of open connections.
    open: watch::Receiver<usize>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts a server whose answers `handler` gives.
    ///
    /// # Errors
    /// The address is taken, or the certificates are no good.
    pub async fn start(
        options: Options,
        handler: impl FnMut(&Request) -> Reply + Send + 'static,
    ) -> io::Result<Self> {
        let acceptor = options.acceptor()?;
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let unread = Arc::new(AtomicUsize::new(0));
        let (counter, open) = watch::channel(0);
        let server = Arc::new(Serving {
            name: options.name,
            acceptor,
            guard: Mutex::new(Guard::new(options.challenge)),
            handler: Mutex::new(Box::new(handler)),
            tape: options.tape.clone(),
            unread: Arc::clone(&unread),
        });
        Ok(Self {
            address,
            secure: server.acceptor.is_some(),
            tape: options.tape,
            unread,
            open,
            accepting: tokio::spawn(accept(listener, server, counter)),
        })
    }

    /// The address that the server listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The origin of the server, `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.address)
    }

    /// Waits until no connection is open: whoever had one is done.
    pub async fn idle(&self) {
        // An error would say that the server has ended: then nothing is open either.
        let _ = self.open.clone().wait_for(|open| *open == 0).await;
    }

    /// The tape of its exchanges.
    #[must_use]
    pub fn tape(&self) -> &Tape {
        &self.tape
    }

    /// Closes the connections of the next `count` requests before their bodies are read; they are not recorded.
    pub fn close_unread(&self, count: usize) {
        self.unread.store(count, Ordering::SeqCst);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A handler, which answers each request.
type Handler = Box<dyn FnMut(&Request) -> Reply + Send>;

/// The state that a server's connections share.
struct Serving {
    name: &'static str,
    acceptor: Option<TlsAcceptor>,
    guard: Mutex<Guard>,
    handler: Mutex<Handler>,
    tape: Tape,
    unread: Arc<AtomicUsize>,
}

async fn accept(listener: TcpListener, server: Arc<Serving>, open: watch::Sender<usize>) {
    let open = Arc::new(open);
    let mut connections = JoinSet::new();
    let mut number = 0;
    while let Ok((stream, peer)) = listener.accept().await {
        number += 1;
        open.send_modify(|open| *open += 1);
        let (server, open) = (Arc::clone(&server), Arc::clone(&open));
        connections.spawn(async move {
            connect(server, stream, peer, number).await;
            open.send_modify(|open| *open -= 1);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(server: Arc<Serving>, stream: TcpStream, peer: SocketAddr, number: usize) {
    // The lab's own buffering must not look like the agent's latency.
    let _ = stream.set_nodelay(true);
    match &server.acceptor {
        None => serve(&server, stream, peer, number, None).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => {
                let (_, session) = stream.get_ref();
                let tls = Tls {
                    version: match session.protocol_version() {
                        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                        _ => "TLSv1.2",
                    },
                    resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
                    client_certificate: session.peer_certificates().is_some(),
                };
                serve(&server, stream, peer, number, Some(tls)).await;
            }
            Err(error) => server.tape.refuse(format!("{}: {error}", server.name)),
        },
    }
}

async fn serve(
    server: &Arc<Serving>,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    connection: usize,
    tls: Option<Tls>,
) {
    let answer = service_fn(|request: hyper::Request<Incoming>| async move {
        let unread = &server.unread;
        if unread.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(io::Error::other("the lab closes before reading"));
        }
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(io::Error::other)?.to_bytes();
        let request = Request {
            server: server.name,
            connection,
            peer,
            tls,
            at: SystemTime::now(),
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
        };
        server.answer(request).await.ok_or_else(|| io::Error::other("the lab closes without an answer"))
    });
    // Errors here are the faults that a test asked for, or a client that went away.
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await;
}

impl Serving {
    async fn answer(&self, request: Request) -> Option<hyper::Response<ReplyBody>> {
        let admitted = self.guard.lock().unwrap_or_else(PoisonError::into_inner).admit(&request);
        let reply = match admitted {
            Ok(()) => (self.handler.lock().unwrap_or_else(PoisonError::into_inner))(&request),
            Err(fields) => {
                let refusal = Reply::status(401);
                fields.iter().fold(refusal, |reply, field| reply.header("www-authenticate", field))
            }
        };
        self.tape.push(Exchange { request, reply: reply.clone() });
        if !reply.delay.is_zero() {
            tokio::time::sleep(reply.delay).await;
        }
        reply.response()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::challenge::Algorithm;
    use super::*;

    const ASK: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    async fn ask(server: &Server) -> String {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(ASK).await.unwrap();
        let mut answer = Vec::new();
        // A reset is one way of closing.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    async fn plain(handler: impl FnMut(&Request) -> Reply + Send + 'static) -> (Server, Tape) {
        let tape = Tape::default();
        (Server::start(Options::plain("dm", &tape), handler).await.unwrap(), tape)
    }

    #[tokio::test]
    async fn every_fault_is_what_it_says() {
        let body = "0123456789";
        let mut replies = [
            Reply::ok("text/plain", body),
            Reply::closed(),
            Reply::ok("text/plain", body).broken_off(),
            Reply::ok("text/plain", body).trickled(3, Duration::from_millis(1)),
        ]
        .into_iter();
        let (server, tape) = plain(move |_| replies.next().unwrap()).await;

        assert!(ask(&server).await.ends_with("\r\n\r\n0123456789"));
        assert_eq!(ask(&server).await, "");
        let half = ask(&server).await;
        assert!(half.contains("content-length: 10\r\n") && half.ends_with("\r\n\r\n01234"), "{half}");
        assert!(ask(&server).await.ends_with("0123456789"));
        server.close_unread(1);
        assert_eq!(ask(&server).await, "");

        let requests = tape.requests("dm");
        assert_eq!(requests.len(), 4, "an unread request is not recorded");
        assert_eq!((requests[3].target().as_str(), requests[3].connection), ("/a?b", 4));
    }

    #[tokio::test]
    async fn credentials_are_asked_for_before_the_handler() {
        let tape = Tape::default();
        let digest = Challenge::Digest {
            user: "u".into(),
            password: "p".into(),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            uses: 1,
        };
        let server =
            Server::start(Options::plain("dm", &tape).challenging(digest), |_| panic!("not admitted"))
                .await
                .unwrap();
        let answer = ask(&server).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert_eq!(answer.matches("www-authenticate: Digest").count(), 2);
    }
}
