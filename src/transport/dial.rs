//! From an origin to a byte stream: names, addresses, the network interface, the proxy, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::{setsockopt, sockopt};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::client::Inner;
use super::error::{Failure, TransportError};
use super::origin::Origin;
use super::policy::{Refused, Standing, is_local};
use super::tls::Trust;

/// How long one address may take to accept; then the next is tried.
const PER_ADDRESS: Duration = Duration::from_secs(10);
/// Seconds of silence before the other end is asked whether it is there; then between the questions, and how many.
const KEEPALIVE_AFTER: u32 = 45;
const KEEPALIVE_EVERY: u32 = 15;
const KEEPALIVE_PROBES: u32 = 4;
/// Addresses of a host that are tried.
const MOST_ADDRESSES: usize = 8;

/// A dead resolver holds a thread for half a minute; the agent has few, and its store needs one.
static RESOLVING: Semaphore = Semaphore::const_new(1);

/// Which network carries a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// The one the routing table names.
    #[default]
    Any,
    /// This network interface. Name resolution is not bound by it.
    Interface(String),
}

/// Bytes read and written by a connection, so that a slow peer can be told from a dead one.
pub(super) type Moved = Arc<AtomicU64>;

/// A stream that is ready for HTTP.
pub(super) enum Wire {
    Tls(Box<TlsStream<Metered>>),
    Plain(Metered),
}

/// Connects to `origin`, through its proxy if it has one. Returns the local address as well.
pub(super) async fn open(
    client: &Inner,
    binding: &Binding,
    origin: &Origin,
    standing: Standing,
    trust: Trust,
    moved: &Moved,
) -> Result<(Wire, SocketAddr), TransportError> {
    let at = |failure: Failure| failure.at(origin);
    // Before anything is sent: without roots there's no point.
    let config = if origin.secure { Some(client.tls.config(trust).map_err(at)?) } else { None };
    let proxy = client.proxies.of(origin).map_err(at)?;
    let addresses = match &proxy {
        // The proxy is the operator's word, and may well be local.
        Some(proxy) => resolve(&proxy.origin).await.map_err(at)?,
        None => admissible(origin, standing, resolve(origin).await.map_err(at)?)?,
    };
    let stream = connect(&addresses, binding, moved).await.map_err(|error| at(Failure::Connect(error)))?;
    let local = stream.local_addr().map_err(|error| at(Failure::Connect(error)))?;
    let mut stream = Metered { stream, moved: moved.clone() };
    if let Some(proxy) = proxy {
        stream = proxy.tunnel(stream, origin).await.map_err(at)?;
    }
    let Some(config) = config else { return Ok((Wire::Plain(stream), local)) };
    let host = origin.host.strip_suffix('.').unwrap_or(&origin.host).to_owned();
    let name = ServerName::try_from(host).map_err(|error| at(Failure::Request(error.to_string())))?;
    let stream = TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|error| at(Failure::of_handshake(&error)))?;
    Ok((Wire::Tls(Box::new(stream)), local))
}

/// A foreign name must not lead back to this machine, whatever its DNS says.
fn admissible(
    origin: &Origin,
    standing: Standing,
    mut addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, TransportError> {
    if standing == Standing::Own {
        return Ok(addresses);
    }
    let local = addresses.iter().map(SocketAddr::ip).find(|address| is_local(*address));
    addresses.retain(|address| !is_local(address.ip()));
    match local {
        Some(local) if addresses.is_empty() => Err(Refused::ResolvesLocal(origin.clone(), local).into()),
        _ => Ok(addresses),
    }
}

async fn resolve(origin: &Origin) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(address) = origin.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, origin.port)]);
    }
    // The permit goes with the thread: giving up on a request doesn't end the C library's resolver.
    let permit = RESOLVING.acquire().await;
    let (host, port) = (origin.host.clone(), origin.port);
    let found = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        (host.as_str(), port).to_socket_addrs()
    });
    let found = found.await.map_err(|error| Failure::Resolve(io::Error::other(error)))?;
    let mut addresses = Vec::new();
    for address in found.map_err(Failure::Resolve)? {
        if !addresses.contains(&address) && addresses.len() < MOST_ADDRESSES {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(Failure::Resolve(io::Error::new(io::ErrorKind::NotFound, "it has no address")));
    }
    Ok(addresses)
}

/// The first address that accepts, in the resolver's order.
async fn connect(addresses: &[SocketAddr], binding: &Binding, moved: &Moved) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no address");
    for &address in addresses {
        // An attempt is progress: each has a limit of its own.
        moved.fetch_add(1, Ordering::Relaxed);
        match tokio::time::timeout(PER_ADDRESS, connect_one(address, binding)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
            Err(_) => {
                last = io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("{address}: no answer within {PER_ADDRESS:?}"),
                );
            }
        }
    }
    Err(last)
}

async fn connect_one(address: SocketAddr, binding: &Binding) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Binding::Interface(interface) = binding
        && !is_own(address.ip())
    {
        bind(&socket, interface, address)
            .map_err(|error| io::Error::new(error.kind(), format!("interface {interface}: {error}")))?;
    }
    socket.set_nodelay(true)?;
    notice_death(&socket)?;
    socket.connect(address).await
}

/// A server may think for long, and says nothing meanwhile. Whether it is still there, and the way to it, the kernel
/// finds out: without it a connection that a NAT has forgotten looks like a server that thinks.
fn notice_death(socket: &TcpSocket) -> io::Result<()> {
    setsockopt(socket, sockopt::KeepAlive, &true)?;
    setsockopt(socket, sockopt::TcpKeepIdle, &KEEPALIVE_AFTER)?;
    setsockopt(socket, sockopt::TcpKeepInterval, &KEEPALIVE_EVERY)?;
    setsockopt(socket, sockopt::TcpKeepCount, &KEEPALIVE_PROBES)?;
    Ok(())
}

/// No interface but loopback leads to this machine's own addresses: bound to one, a connection is never answered.
fn is_own(address: IpAddr) -> bool {
    address.to_canonical().is_loopback() || crate::bearer::is_here(address)
}

/// Binds to the interface itself, or, where the kernel (before 5.7) wants CAP_NET_RAW for that, to its address.
fn bind(socket: &TcpSocket, interface: &str, to: SocketAddr) -> io::Result<()> {
    match socket.bind_device(Some(interface.as_bytes())) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            socket.bind(source_address(interface, to)?)
        }
        other => other,
    }
}

/// An address of `interface` in the family of `to`.
fn source_address(interface: &str, to: SocketAddr) -> io::Result<SocketAddr> {
    let address = |storage: &SockaddrStorage| -> Option<IpAddr> {
        let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    nix::ifaddrs::getifaddrs()?
        .filter(|entry| entry.interface_name == interface)
        .filter_map(|entry| entry.address.as_ref().and_then(address))
        // A link-local source would need its scope, and reaches no server.
        .find(|found| found.is_ipv4() == to.is_ipv4() && (!is_local(*found) || is_local(to.ip())))
        .map(|found| SocketAddr::new(found, 0))
        .ok_or_else(|| io::Error::new(io::ErrorKind::AddrNotAvailable, "no address of the server's kind"))
}

/// A TCP stream that counts what moves.
pub(super) struct Metered {
    stream: TcpStream,
    moved: Moved,
}

impl Metered {
    fn count(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.count(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, data))?;
        self.count(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, data))?;
        self.count(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_name_keeps_only_its_outside_addresses() {
        let origin: Origin = "https://a.example".parse().unwrap();
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        let mixed = addresses(&["127.0.0.1:443", "203.0.113.1:443", "[fe80::1]:443"]);
        assert_eq!(
            admissible(&origin, Standing::Foreign, mixed.clone()).unwrap(),
            addresses(&["203.0.113.1:443"])
        );
        assert_eq!(admissible(&origin, Standing::Own, mixed.clone()).unwrap(), mixed);
        let error = admissible(&origin, Standing::Foreign, addresses(&["[::ffff:7f00:1]:443"])).unwrap_err();
        assert!(matches!(error, TransportError::Refused(Refused::ResolvesLocal(..))));
    }

    #[test]
    fn the_loopback_interface_has_a_source_address() {
        let found = source_address("lo", "127.0.0.1:443".parse().unwrap()).unwrap();
        assert!(found.ip().is_loopback() && found.is_ipv4());
        assert!(source_address("no-such-if", "127.0.0.1:443".parse().unwrap()).is_err());
    }

    #[tokio::test]
    async fn an_interface_that_is_gone_is_said_before_anything_is_sent() {
        // TEST-NET-1: nobody is there, and nobody is asked.
        let address = SocketAddr::from(([192, 0, 2, 1], 9));
        let binding = Binding::Interface("no-such-if".to_owned());
        let error = connect_one(address, &binding).await.unwrap_err();
        assert!(error.to_string().contains("no-such-if"), "{error}");
    }
}
