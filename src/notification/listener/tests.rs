use std::cell::RefCell;
use std::net::Ipv6Addr;
use std::process::{Command, Stdio};
use std::rc::Rc;

use super::*;

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn on_runtime(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let limited = async { tokio::time::timeout(Duration::from_secs(10), test).await };
    local.block_on(&runtime, limited).expect("the test takes too long");
}

/// Reads the sockets for ever.
async fn run(sockets: Vec<UdpSocket>, mut on_datagram: impl FnMut(&[u8])) {
    let judge = |datagram: &[u8]| {
        on_datagram(datagram);
        None
    };
    Listener::new(sockets).next::<()>(judge).await;
}

/// Runs the listener beside the test, and says what came.
fn listen(sockets: Vec<UdpSocket>) -> (Vec<SocketAddr>, tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>) {
    let addresses = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::task::spawn(run(sockets, move |datagram| sender.send(datagram.to_vec()).unwrap()));
    (addresses, receiver)
}

fn client() -> std::net::UdpSocket {
    std::net::UdpSocket::bind(LOOPBACK).unwrap()
}

#[test]
fn hears_every_socket_and_shows_what_is_too_long() {
    on_runtime(async {
        let (addresses, mut heard) = listen(bind(&[LOOPBACK, LOOPBACK]).unwrap());
        for address in addresses {
            for length in [0, 1, MAX_DATAGRAM, MAX_DATAGRAM + 1, 2 * MAX_DATAGRAM] {
                client().send_to(&vec![7; length], address).unwrap();
                assert_eq!(heard.recv().await.unwrap().len(), length.min(MAX_DATAGRAM + 1));
            }
        }
    });
}

#[test]
fn others_have_their_turn_during_a_flood() {
    on_runtime(async {
        let sockets = bind(&[LOOPBACK]).unwrap();
        let address = sockets[0].local_addr().unwrap();
        let client = client();
        for _ in 0..4 * BURST {
            client.send_to(b"bad", address).unwrap();
        }
        let heard = Rc::new(RefCell::new(0));
        let count = heard.clone();
        tokio::task::spawn_local(run(sockets, move |_| *count.borrow_mut() += 1));
        let mut before = 0;
        while before < 4 * BURST {
            tokio::task::yield_now().await;
            let now = *heard.borrow();
            assert!(now - before <= BURST, "{} at once", now - before);
            before = now;
        }
    });
}

#[test]
fn one_flooded_socket_does_not_silence_another() {
    on_runtime(async {
        let sockets = bind(&[LOOPBACK, LOOPBACK]).unwrap();
        let addresses: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        let client = client();
        for _ in 0..4 * BURST {
            client.send_to(b"bad", addresses[0]).unwrap();
        }
        client.send_to(b"good", addresses[1]).unwrap();
        let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
        tokio::task::spawn(run(sockets, move |datagram| sender.send(datagram == b"good").unwrap()));
        let mut place = 0;
        while !heard.recv().await.unwrap() {
            place += 1;
        }
        assert!(place <= 2 * BURST, "after {place} others");
    });
}

#[test]
fn goes_on_after_an_error() {
    on_runtime(async {
        // A connected socket whose peer is gone: each datagram sent makes the next read say so.
        let (socket, peer) = (client(), client());
        let (address, peer_address) = (socket.local_addr().unwrap(), peer.local_addr().unwrap());
        socket.connect(peer_address).unwrap();
        drop(peer);
        socket.send(b"anybody?").unwrap();
        assert_eq!(socket.recv(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        socket.send(b"anybody?").unwrap();
        socket.set_nonblocking(true).unwrap();

        let (_, mut heard) = listen(vec![UdpSocket::from_std(socket).unwrap()]);
        let peer = std::net::UdpSocket::bind(peer_address).unwrap();
        peer.send_to(b"back", address).unwrap();
        assert_eq!(heard.recv().await.unwrap(), b"back");
    });
}

#[test]
fn the_unspecified_address_takes_both_families() {
    on_runtime(async {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let (addresses, mut heard) = listen(bind(&[any]).unwrap());
        let port = addresses[0].port();
        client().send_to(b"four", (Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_eq!(heard.recv().await.unwrap(), b"four");
    });
}

#[test]
fn both_families_can_be_listed() {
    on_runtime(async {
        let free = client().local_addr().unwrap().port();
        let any6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, free));
        let any4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, free));
        assert_eq!(bind(&[any6, any4]).unwrap().len(), 2);
    });
}

#[test]
fn the_socket_unit_listens_where_the_ts_says() {
    let unit = include_str!("../../../systemd/omadmd.socket");
    let streams: Vec<_> = unit.lines().filter(|line| line.starts_with("Listen")).collect();
    assert_eq!(streams, ["ListenDatagram=2948"]);
}

#[test]
fn an_address_in_use_is_named() {
    on_runtime(async {
        let taken = client();
        let address = taken.local_addr().unwrap();
        let error = bind(&[address]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    });
}

/// This program again, with a UDP socket as descriptor 0 and a pipe as 1: the first is taken.
#[test]
fn takes_the_udp_sockets_that_were_passed() {
    let socket = client();
    let address = socket.local_addr().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "notification::listener::tests::child"])
        .env("LISTEN_FDS", "2")
        .env("LISTEN_FDS_FIRST_FD", "0")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(socket)))
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(output.contains(&format!("took [{address}]")), "{output}");
}

#[test]
#[ignore = "started by takes_the_udp_sockets_that_were_passed"]
fn child() {
    on_runtime(async {
        let sockets = passed().unwrap();
        let addresses: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        println!("took {addresses:?}");
    });
}
