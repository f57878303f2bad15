//! Watching links and addresses, neighbours or devices for changes, by a netlink socket, so that waiting costs no
//! wake-up.

use std::io;
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket};
use tokio::net::UnixDatagram;

/// The most messages that are taken for one change.
const MOST_AT_ONCE: usize = 64;

/// The multicast groups listened to: `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR`, `RTMGRP_IPV4_ROUTE`
/// and `RTMGRP_IPV6_ROUTE` of rtnetlink(7).
const GROUPS: u32 = 0x1 | 0x10 | 0x100 | 0x40 | 0x400;

/// The group of neighbours, and of what bridges have learned: `RTMGRP_NEIGH` of rtnetlink(7).
const NEIGHBOURS: u32 = 0x4;
/// The group of the kernel's own events of devices (`NETLINK_KOBJECT_UEVENT` of netlink(7)).
const DEVICES: u32 = 0x1;

/// A topic of which the kernel tells by netlink, besides links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KernelTopic {
    /// Neighbours in the network, and who is at which port of a bridge.
    Neighbours,
    /// Devices that come, go, or say that they have changed.
    Devices,
}

/// A netlink socket that wakes up when a link, an address or a route comes or goes; or at what else it is made for.
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
        Self::listen(SockProtocol::NetlinkRoute, GROUPS)
    }

    /// Begins to listen to a topic instead.
    ///
    /// # Errors
    /// As [`NetlinkWatch::new`].
    pub fn of(topic: KernelTopic) -> io::Result<Self> {
        match topic {
            KernelTopic::Neighbours => Self::listen(SockProtocol::NetlinkRoute, NEIGHBOURS),
            KernelTopic::Devices => Self::listen(SockProtocol::NetlinkKObjectUEvent, DEVICES),
        }
    }

    fn listen(protocol: SockProtocol, groups: u32) -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self(UnixDatagram::from_std(socket.into())?))
    }

    /// Returns when a link, an address or a route has changed. What it was is not read: the caller looks at the
    /// interfaces again.
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
        // Of a flood the rest is another change.
        for _ in 0..MOST_AT_ONCE {
            if self.0.try_recv(&mut buffer).is_err() {
                break;
            }
        }
        Ok(())
    }
}
