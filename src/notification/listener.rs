//! The UDP sockets that notifications arrive on: opening them, or taking systemd's, and reading them for ever.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::task::Poll;
use std::time::Duration;

use listenfd::ListenFd;
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage, sockopt};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

use super::gate::MAX_DATAGRAM;
use crate::base::said::SaidAt;
use crate::base::waking;

/// The most datagrams read from one socket before everybody else on this thread has a turn.
const BURST: usize = 32;
/// How long after a failed read the next is tried: the kernel may be out of memory for a while.
const BACK_OFF: Duration = Duration::from_millis(50);
/// How often a socket that keeps failing gets a line in the journal.
const QUIET: Duration = Duration::from_secs(60);

/// The sockets, read in turn.
#[derive(Debug)]
pub(crate) struct Listener {
    sockets: Vec<UdpSocket>,
    buffer: Box<[u8]>,
    /// The position of the socket that is read first.
    turn: usize,
    /// The time of the next read after one that failed.
    again: Option<Instant>,
    /// When the journal last had a line about a failing socket.
    said: SaidAt,
}

impl Listener {
    /// Makes a listener on these sockets; without any, nothing ever comes.
    pub(crate) fn new(sockets: Vec<UdpSocket>) -> Self {
        let buffer = vec![0; MAX_DATAGRAM + 1].into_boxed_slice();
        Self { sockets, buffer, turn: 0, again: None, said: SaidAt::default() }
    }

    /// The addresses listened on.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok())
    }

    /// Hands each datagram to `judge` until it makes something of one, whatever errors the sockets report. Whoever
    /// stops waiting loses nothing: what is not read yet stays in the sockets.
    ///
    /// A datagram of more than [`MAX_DATAGRAM`] bytes is handed over cut to one byte more than that, so that the
    /// gate tells it from one that fits. Between bursts other tasks of the thread run, however many datagrams wait.
    pub(crate) async fn next<T>(&mut self, mut judge: impl FnMut(&[u8]) -> Option<T>) -> T {
        loop {
            if let Some(again) = self.again {
                sleep_until(again).await;
                self.again = None;
            }
            let (index, socket) = readable(&self.sockets, self.turn).await;
            self.turn = (index + 1) % self.sockets.len();
            match drain(socket, &mut self.buffer, &mut judge) {
                Ok(Some(made)) => return made,
                Ok(None) => tokio::task::yield_now().await,
                Err(error) => {
                    if self.said.first(waking::now(), QUIET) {
                        log::warn!("the notification socket can't be read: {error}; tried again");
                    }
                    self.again = Some(Instant::now() + BACK_OFF);
                }
            }
        }
    }
}

/// The first socket with something to read, from `turn` on.
async fn readable(sockets: &[UdpSocket], turn: usize) -> (usize, &UdpSocket) {
    poll_fn(|context| {
        let in_turn = sockets.iter().enumerate().cycle().skip(turn).take(sockets.len());
        for (index, socket) in in_turn {
            // An error is seen again, and dealt with, on reading.
            if socket.poll_recv_ready(context).is_ready() {
                return Poll::Ready((index, socket));
            }
        }
        Poll::Pending
    })
    .await
}

/// Reads a burst of datagrams at most, and returns what `judge` makes of the latest one.
fn drain<T>(
    socket: &UdpSocket,
    buffer: &mut [u8],
    judge: &mut impl FnMut(&[u8]) -> Option<T>,
) -> io::Result<Option<T>> {
    for _ in 0..BURST {
        match socket.try_recv_from(buffer) {
            Ok((length, _)) => {
                let made = judge(buffer.get(..length).unwrap_or_default());
                if made.is_some() {
                    return Ok(made);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Opens a socket for each address, to be called on the runtime.
///
/// `[::]` takes IPv4 too, whatever the system's default is, unless an IPv4 address of the same port is listed
/// as well; where the kernel has no IPv6, `0.0.0.0` stands in for it.
///
/// # Errors
/// If an address can't be bound; the message names it.
pub(crate) fn bind(addresses: &[SocketAddr]) -> io::Result<Vec<UdpSocket>> {
    let bind_one = |address: &SocketAddr| {
        let only_v6 = addresses.iter().any(|other| other.is_ipv4() && other.port() == address.port());
        open(*address, only_v6).or_else(|error| {
            if address.ip().is_ipv6()
                && address.ip().is_unspecified()
                && error == Errno::EAFNOSUPPORT
                && !only_v6
            {
                log::warn!("the kernel has no IPv6: listening on IPv4 only");
                return open(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()), only_v6);
            }
            Err(error)
        })
    };
    let named = |address: &SocketAddr| {
        let failed =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
        bind_one(address).map_err(io::Error::from).and_then(UdpSocket::from_std).map_err(failed)
    };
    addresses.iter().map(named).collect()
}

fn open(address: SocketAddr, only_v6: bool) -> Result<std::net::UdpSocket, Errno> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket::socket(family, SockType::Datagram, flags, None)?;
    if address.is_ipv6() {
        socket::setsockopt(&socket, sockopt::Ipv6V6Only, &only_v6)?;
    }
    socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(socket.into())
}

/// Takes the UDP sockets that systemd passed (`LISTEN_FDS`), to be called once and on the runtime. Anything
/// else that was passed is left alone, with a line in the journal.
///
/// # Errors
/// If a socket can't be made non-blocking or registered with the runtime.
pub(crate) fn passed() -> io::Result<Vec<UdpSocket>> {
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..passed.len() {
        match passed.take_udp_socket(index) {
            Ok(Some(socket)) => {
                socket.set_nonblocking(true)?;
                sockets.push(UdpSocket::from_std(socket)?);
            }
            Ok(None) => {}
            Err(error) => log::warn!("socket {index}, passed by the service manager, is not used: {error}"),
        }
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests;
