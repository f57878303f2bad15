//! Watching links and addresses for changes, by a netlink socket, so that waiting costs no wake-up.

use std::io;
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket};
use tokio::net::UnixDatagram;

/// The multicast groups listened to: `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR`, `RTMGRP_IPV4_ROUTE`
/// and `RTMGRP_IPV6_ROUTE` of rtnetlink(7).
const GROUPS: u32 = 0x1 | 0x10 | 0x100 | 0x40 | 0x400;

/// A netlink socket that wakes up when a link, an address or a route comes or goes.
///
/// tokio has no netlink socket of its own; its `UnixDatagram` does to the descriptor just what is needed
/// here, poll(2) and recv(2).
#[derive(Debug)]
pub struct NetlinkWatch(UnixDatagram);

impl NetlinkWatch {
    /// Begins to listen; changes from here on are not missed.
    ///
    /// # Errors
    /// The kernel has no netlink, or a sandbox forbids it.
    pub fn new() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        Ok(Self(UnixDatagram::from_std(socket.into())?))
    }

    /// Returns when a link, an address or a route has changed. What it was is not read: the caller looks at the interfaces
    /// again.
    ///
    /// # Errors
    /// The socket is gone.
    pub async fn changed(&self) -> io::Result<()> {
        let mut buffer = [0u8; 8192];
        match self.0.recv(&mut buffer).await {
            Ok(_) => {}
            // Messages were lost: that, too, means that something changed.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => {}
            Err(error) => return Err(error),
        }
        while self.0.try_recv(&mut buffer).is_ok() {}
        Ok(())
    }
}
