//! Reaching a host: from its addresses to a TCP connection, the first that accepts (RFC 8305), on the network that is
//! asked for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::policy::is_local;
use crate::base;
use crate::base::Order as _;
use crate::base::OrderedMap;
use crate::uri::Origin;

/// How long after an address the next one is tried beside it, if the first has not accepted (RFC 8305 5).
const NEXT_AFTER: Duration = Duration::from_millis(250);
/// How many seconds of silence pass before the other end is asked whether it is there; then between the questions, and
/// how many of them.
const KEEPALIVE_AFTER: u32 = 30;
const KEEPALIVE_EVERY: u32 = 10;
const KEEPALIVE_PROBES: u32 = 3;
/// The milliseconds after which a connection is dead whose other end acknowledges nothing that was sent, be it data or
/// the question whether it is there: as after a change of this machine's address.
const UNACKNOWLEDGED: u32 = 60_000;
/// The most origins of an account whose addresses are remembered.
const MOST_REMEMBERED: usize = 16;

/// The network that carries a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// The network that the routing table names.
    #[default]
    Any,
    /// The network interface of this name.
    Interface(String),
}

/// The memory of which address of an origin has led somewhere, and which only seemed to.
#[derive(Debug, Default)]
pub(super) struct AddressMemory(OrderedMap<Origin, Past>);

#[derive(Clone, Copy, Debug, Default)]
struct Past {
    /// The address that led to a connection that stood, the last time.
    good: Option<IpAddr>,
    /// The address that accepted a connection which then led nowhere.
    bad: Option<IpAddr>,
}

impl AddressMemory {
    /// The order in which addresses are tried: families take turns, so that a dead one costs no more than a moment;
    /// what was good comes first, what was bad last.
    pub(super) fn order(&self, origin: &Origin, addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let past = self.0.get(origin).copied().unwrap_or_default();
        let mut addresses = in_turns(addresses);
        addresses.order_by_key(|address| match Some(address.ip()) {
            ip if ip == past.good => 0,
            ip if ip == past.bad => 2,
            _ => 1,
        });
        addresses
    }

    /// Remembers what came of `address`: a connection that stands, or one on which proxy or TLS failed.
    pub(super) fn learn(&mut self, origin: &Origin, address: IpAddr, stands: bool) {
        if self.0.len() >= MOST_REMEMBERED && !self.0.contains_key(origin) {
            self.0.clear();
        }
        let past = self.0.entry(origin.clone()).or_default();
        let (here, there) = match stands {
            true => (&mut past.good, &mut past.bad),
            false => (&mut past.bad, &mut past.good),
        };
        *here = Some(address);
        there.take_if(|other| *other == address);
    }
}

/// The addresses with their families in turns, beginning with the resolver's first (RFC 8305 4).
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let begins_with_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == begins_with_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return turns;
        }
        turns.extend(pair.into_iter().flatten());
    }
}

/// Connects to the first address that accepts, tried in this order and one beside the other. The caller bounds the
/// time; what is still being tried ends with the future.
pub(super) async fn connect(addresses: &[SocketAddr], binding: &Binding) -> io::Result<TcpStream> {
    let mut rest = addresses.iter();
    let mut attempts = JoinSet::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(&address) = rest.next() {
            let binding = binding.clone();
            base::spawn_in(&mut attempts, async move { connect_one(address, &binding).await });
        }
        let more = rest.len() > 0;
        tokio::select! {
            biased;
            done = attempts.join_next() => match done {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => last = error,
                Some(Err(error)) => last = io::Error::other(error),
                None => return Err(last),
            },
            () = tokio::time::sleep(NEXT_AFTER), if more => {}
        }
    }
}

async fn connect_one(address: SocketAddr, binding: &Binding) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Binding::Interface(interface) = binding
        && !is_own(address.ip()).await
    {
        bind(&socket, interface, address)
            .map_err(|error| io::Error::new(error.kind(), format!("interface {interface}: {error}")))?;
    }
    socket.set_nodelay(true)?;
    notice_death(&socket)?;
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    socket.connect(address).await.map_err(named)
}

/// Has the kernel notice that the other end, or the way to it, is gone. A server may think for long, and says nothing
/// meanwhile: without this, a connection that a NAT has forgotten looks like one whose server thinks, and what was sent
/// on it would be sent again for a quarter of an hour.
fn notice_death(socket: &TcpSocket) -> io::Result<()> {
    setsockopt(socket, sockopt::KeepAlive, &true)?;
    setsockopt(socket, sockopt::TcpKeepIdle, &KEEPALIVE_AFTER)?;
    setsockopt(socket, sockopt::TcpKeepInterval, &KEEPALIVE_EVERY)?;
    setsockopt(socket, sockopt::TcpKeepCount, &KEEPALIVE_PROBES)?;
    setsockopt(socket, sockopt::TcpUserTimeout, &UNACKNOWLEDGED)?;
    Ok(())
}

/// Whether an address is this machine's own: no interface but loopback leads there, and a connection that is bound to
/// one is never answered.
async fn is_own(address: IpAddr) -> bool {
    address.to_canonical().is_loopback() || crate::bearer::is_here(address).await
}

/// Binds a socket to the interface itself, or, where the kernel (before 5.7) wants CAP_NET_RAW for that, to its
/// address.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_experience_comes_before_order() {
        let origin: Origin = "https://a.example".parse().unwrap();
        let [six, six2, six3, four, four2] =
            ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "192.0.2.1:1", "192.0.2.2:1"];
        let all = || addresses(&[six, six2, six3, four, four2]);
        let mut memory = AddressMemory::default();
        assert_eq!(memory.order(&origin, all()), addresses(&[six, four, six2, four2, six3]));
        assert_eq!(memory.order(&origin, addresses(&[four, four2, six])), addresses(&[four, six, four2]));

        let ip = |text: &str| text.parse::<SocketAddr>().unwrap().ip();
        memory.learn(&origin, ip(four2), true);
        memory.learn(&origin, ip(six), false);
        assert_eq!(memory.order(&origin, all()), addresses(&[four2, four, six2, six3, six]));
        memory.learn(&origin, ip(four2), false);
        assert_eq!(
            memory.order(&origin, all()),
            addresses(&[six, four, six2, six3, four2]),
            "not good any more"
        );
        let other = "https://b.example".parse().unwrap();
        assert_eq!(memory.order(&other, all()), addresses(&[six, four, six2, four2, six3]), "another origin");
        for n in 0..1000 {
            memory.learn(&format!("https://{n}.example").parse().unwrap(), ip(four), true);
        }
        assert!(memory.0.len() <= MOST_REMEMBERED);
    }

    #[tokio::test]
    async fn an_address_that_refuses_costs_no_wait_and_one_that_is_silent_costs_a_moment() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        // Nobody listens there, and who connects to a full queue is not answered.
        let refuses = SocketAddr::from(([127, 0, 0, 2], here.port()));
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        nix::sys::socket::listen(&silent, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
        let silent = (silent.local_addr().unwrap(), silent);
        let full: Vec<_> = (0..4).map(|_| tokio::spawn(TcpStream::connect(silent.0))).collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let started = std::time::Instant::now();
        let reached = connect(&[refuses, silent.0, here], &Binding::Any).await.unwrap();
        assert_eq!(reached.peer_addr().unwrap(), here);
        assert!(started.elapsed() >= NEXT_AFTER, "the silent one was reached: this test shows nothing");
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
        full.iter().for_each(tokio::task::JoinHandle::abort);
        let error = connect(&[refuses], &Binding::Any).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_connection_knows_when_it_is_dead() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = connect_one(listener.local_addr().unwrap(), &Binding::Any).await.unwrap();
        let option = nix::sys::socket::getsockopt(&stream, sockopt::TcpUserTimeout).unwrap();
        let keepalive = KEEPALIVE_AFTER + KEEPALIVE_EVERY * KEEPALIVE_PROBES;
        assert_eq!((option, keepalive * 1000), (UNACKNOWLEDGED, UNACKNOWLEDGED), "both say the same");
        assert!(nix::sys::socket::getsockopt(&stream, sockopt::KeepAlive).unwrap());
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
