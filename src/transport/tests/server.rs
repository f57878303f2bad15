//! A scripted HTTPS server and CONNECT proxy on loopback.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::base::Secret;
use crate::transport::Auth;
use crate::transport::{Binding, Client, ClientSettings, Connection, Proxies, Request};
use crate::uri::Origin;

/// What the server does when it has read a request.
#[derive(Clone)]
pub(super) enum Act {
    Say(Vec<u8>),
    /// Says it a byte at a time.
    Drip(Vec<u8>, Duration),
    Close,
    /// Closes without TLS's close_notify, as a cut cable or an attacker would.
    Cut,
    Hang,
}

pub(super) fn say(text: impl AsRef<[u8]>) -> Vec<Act> {
    vec![Act::Say(text.as_ref().to_vec())]
}

/// A whole 200.
pub(super) fn ok(body: &str) -> Vec<Act> {
    say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

/// What the server saw.
#[derive(Default)]
pub(super) struct Seen {
    /// Header and body of each request.
    pub(super) requests: Vec<String>,
    /// The connection each request came on, from 1.
    pub(super) on: Vec<usize>,
    pub(super) connections: usize,
    pub(super) handshakes: Vec<HandshakeKind>,
}

impl Seen {
    pub(super) fn header(&self, request: usize, name: &str) -> Option<&str> {
        self.requests[request].lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub(super) struct Server {
    pub(super) port: u16,
    pub(super) seen: Arc<Mutex<Seen>>,
}

type Script = Box<dyn FnMut(usize, &str) -> Vec<Act> + Send>;

impl Server {
    /// Answers each request with what `script` makes of its index and text.
    pub(super) async fn start(
        tls: Option<ServerConfig>,
        script: impl FnMut(usize, &str) -> Vec<Act> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let shared = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = {
                    let mut seen = shared.lock().unwrap();
                    seen.connections += 1;
                    seen.connections
                };
                let (seen, script, acceptor) = (shared.clone(), script.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        Some(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            let kind = stream.get_ref().1.handshake_kind().unwrap();
                            seen.lock().unwrap().handshakes.push(kind);
                            serve(stream, number, seen, script).await;
                        }
                        None => serve(stream, number, seen, script).await,
                    }
                });
            }
        });
        Self { port, seen }
    }

    /// One answer after the other.
    pub(super) async fn answering(tls: Option<ServerConfig>, answers: Vec<Vec<Act>>) -> Self {
        let mut answers = VecDeque::from(answers);
        Self::start(tls, move |_, _| answers.pop_front().unwrap_or_else(|| vec![Act::Close])).await
    }

    pub(super) fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    pub(super) fn uri(&self, path: &str) -> hyper::Uri {
        format!("https://localhost:{}{path}", self.port).parse().unwrap()
    }

    pub(super) fn get(&self, path: &str) -> Request {
        Request::new(hyper::Method::GET, self.uri(path))
    }
}

async fn serve<S>(mut stream: S, number: usize, seen: Arc<Mutex<Seen>>, script: Arc<Mutex<Script>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(text) = read_request(&mut stream).await {
        let index = {
            let mut seen = seen.lock().unwrap();
            seen.requests.push(text.clone());
            seen.on.push(number);
            seen.requests.len() - 1
        };
        let acts = (script.lock().unwrap())(index, &text);
        for act in acts {
            match act {
                Act::Say(bytes) => {
                    if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                Act::Drip(bytes, pause) => {
                    for byte in bytes {
                        if stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err() {
                            return;
                        }
                        tokio::time::sleep(pause).await;
                    }
                }
                Act::Close => {
                    let _ = stream.shutdown().await;
                    return;
                }
                Act::Cut => return,
                Act::Hang => std::future::pending().await,
            }
        }
    }
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap().to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).map(str::parse);
    let whole = head + length.map_or(0, Result::unwrap);
    while bytes.len() < whole {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(String::from_utf8(bytes).unwrap())
}

/// A proxy that leads every tunnel to `port`; `refuses`: with this status line instead.
pub(super) async fn proxy(port: u16, refuses: Option<&'static str>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let shared = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let shared = shared.clone();
            tokio::spawn(async move {
                let Some(request) = read_request(&mut stream).await else { return };
                shared.lock().unwrap().push(request);
                if let Some(status) = refuses {
                    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    return;
                }
                let mut onward = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
            });
        }
    });
    (own, asked)
}

/// A throw-away certificate authority.
pub(super) struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "bench CA");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// PEM of a certificate and its key.
    pub(super) fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// A server for `localhost`.
    pub(super) fn server(&self) -> ServerConfig {
        server(&self.issue("localhost", |_| {}), None)
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }
}

/// A server with this certificate and key; `clients`: only for clients with a certificate of that CA.
pub(super) fn server(pair: &(String, String), clients: Option<&Ca>) -> ServerConfig {
    server_speaking(pair, clients, &[&rustls::version::TLS13, &rustls::version::TLS12])
}

/// A server that shows `cert` but has not its key.
pub(super) fn impostor(cert: &str, key: &str) -> ServerConfig {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
    let pair = rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(chain, key));
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(pair))
}

pub(super) fn server_speaking(
    pair: &(String, String),
    clients: Option<&Ca>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ServerConfig {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
    let builder = match clients {
        Some(ca) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(ca.roots(), provider).build().unwrap(),
        ),
        None => builder.with_no_client_auth(),
    };
    let chain = vec![CertificateDer::from_pem_slice(pair.0.as_bytes()).unwrap()];
    builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(pair.1.as_bytes()).unwrap()).unwrap()
}

/// Settings of an account whose server is on localhost.
pub(super) fn settings(ca: &Ca, ports: &[u16]) -> ClientSettings {
    ClientSettings {
        ca_pem: Some(ca.pem()),
        own_origins: ports
            .iter()
            .map(|&port| Origin { secure: true, host: "localhost".to_owned(), port })
            .collect(),
        proxies: Proxies::none(),
        ..ClientSettings::default()
    }
}

pub(super) fn client(ca: &Ca, server: &Server) -> Client {
    Client::new(settings(ca, &[server.port])).unwrap()
}

pub(super) fn connection(ca: &Ca, server: &Server) -> Connection {
    client(ca, server).connection(Binding::Any)
}

pub(super) fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

pub(super) fn basic() -> Auth {
    Auth::Basic { user: "gw".to_owned(), password: secret("sesame") }
}

pub(super) fn digest() -> Auth {
    Auth::Digest { user: "gw".to_owned(), password: secret("sesame") }
}
