//! Being told when links and addresses change: a netlink socket, so that waiting costs no wake-up.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::unix::AsyncFd;

/// `RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR` of rtnetlink(7).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// Wakes up when a link or an address comes or goes.
#[derive(Debug)]
pub struct Watch(AsyncFd<OwnedFd>);

impl Watch {
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
        Ok(Self(AsyncFd::register(socket)?))
    }

    /// Returns when something changed. What it was is not read: the caller looks at the interfaces again.
    ///
    /// # Errors
    /// The socket is gone.
    pub async fn changed(&self) -> io::Result<()> {
        let mut guard = self.0.readable().await?;
        let mut buffer = [0u8; 8192];
        loop {
            match recv(self.0.get_ref().as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(_) => {}
                Err(nix::Error::EAGAIN) => {
                    guard.clear_ready();
                    return Ok(());
                }
                // Messages were lost: that, too, means that something changed.
                Err(nix::Error::ENOBUFS) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
