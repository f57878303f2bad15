//! Network interfaces as the kernel lists them, and as /sys/class/net describes them. Both are asked on a lane: either
//! may wait for a device.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::{SockaddrLike, SockaddrStorage};

use super::default_route;
use super::known_interfaces::Id;
use super::link::Interface;
use super::stack::{self, Kernel};
use crate::base::OrderedSet;
use crate::base::lane::{FILES, Stuck};

const CLASS: &str = "/sys/class/net";
/// The path that stands for getifaddrs(3) on the lane, to name what hangs.
const LIST: &str = "/proc/net/netlink";

/// The kernel's list of interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// The interfaces that are up, running, and have an address that reaches further than the link, in the kernel's
    /// order. Loopback is not among them.
    pub up: Vec<Id>,
    /// All addresses that reach further than the link, of interfaces that are running; loopback's too: a server may be
    /// there.
    pub addresses: OrderedSet<(String, IpAddr)>,
    /// The interfaces of default routes that are up, the best first: unbound connections leave by that.
    pub defaults: Vec<String>,
}

/// Reads the kernel's list.
///
/// # Errors
/// [`Stuck`]: a driver that hangs while it is configured keeps all others from that list.
pub async fn links() -> Result<Links, Stuck> {
    let running = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    let mut links = Links::default();
    for entry in entries().await?.into_iter().filter(|entry| entry.flags.contains(running)) {
        let address = entry.address.as_ref().and_then(ip).filter(|address| is_routable(*address));
        let Some(address) = address else { continue };
        let name = entry.interface_name;
        let is_known = links.up.iter().any(|known| known.name == name);
        if !entry.flags.contains(InterfaceFlags::IFF_LOOPBACK) && !is_known {
            // One that is gone meanwhile has none.
            links.up.extend(if_nametoindex(name.as_str()).ok().map(|index| Id { name: name.clone(), index }));
        }
        links.addresses.insert((name, address));
    }
    let leaving = FILES.at(default_route::V4.into(), |_| default_interfaces()).await?;
    let is_up = |name: &String| links.up.iter().any(|id| id.name == *name);
    links.defaults = leaving.into_iter().filter(is_up).collect();
    Ok(links)
}

/// The interfaces of default routes, the best first.
fn default_interfaces() -> Vec<String> {
    let [v4, v6] =
        [default_route::V4, default_route::V6].map(|path| fs::read_to_string(path).unwrap_or_default());
    default_route::interfaces(&v4, &v6)
}

/// The addresses of all interfaces, from the kernel. They are asked for one at a time: a driver that hangs costs no
/// second thread.
async fn entries() -> Result<Vec<InterfaceAddress>, Stuck> {
    FILES.at(LIST.into(), |_| getifaddrs().into_iter().flatten().collect()).await
}

fn is_routable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    }
}

/// Whether the address is one of this machine's own.
pub async fn is_here(address: IpAddr) -> bool {
    name_of(address).await.is_some()
}

/// Whether the address is one of this machine's own, of an interface that is up and running. What hangs is not down.
pub async fn is_up(address: IpAddr) -> bool {
    let running = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    let has_it = |entry: &InterfaceAddress| {
        entry.flags.contains(running) && entry.address.as_ref().and_then(ip) == Some(address)
    };
    entries().await.map_or(true, |entries| entries.iter().any(has_it))
}

/// The name of the interface that has this address: a session's socket tells its link by it.
pub async fn name_of(address: IpAddr) -> Option<String> {
    let address = address.to_canonical();
    let has_it = |entry: &InterfaceAddress| entry.address.as_ref().and_then(ip) == Some(address);
    let found =
        entries().await.map(|entries| entries.into_iter().find(has_it).map(|entry| entry.interface_name));
    found.inspect_err(|stuck| log::debug!("whose {address} is, is not known: {stuck}")).ok().flatten()
}

/// Looks at an interface, and at all that are below it.
///
/// # Errors
/// Why that is not known: its device does not answer.
pub async fn look(name: &str) -> Result<Vec<Interface>, String> {
    let asked = name.to_owned();
    let look = move |_: &_| stack::look(Path::new(CLASS), &asked, &ThisKernel);
    let found: Result<io::Result<_>, Stuck> = FILES.at(Path::new(CLASS).join(name), look).await;
    found.map_err(|stuck| stuck.to_string())?.map_err(|error| error.to_string())
}

/// The machine's own kernel.
struct ThisKernel;

impl Kernel for ThisKernel {
    fn towards(&self, remote: IpAddr) -> Option<String> {
        let here: IpAddr = if remote.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let socket = std::net::UdpSocket::bind((here, 0)).ok()?;
        // Nothing is sent: the kernel finds the way, and with it the address of this end.
        socket.connect((remote, 9)).ok()?;
        let local = socket.local_addr().ok()?.ip();
        let mut entries = getifaddrs().ok()?;
        let has_it = |entry: &InterfaceAddress| entry.address.as_ref().and_then(ip) == Some(local);
        entries.find(has_it).map(|entry| entry.interface_name)
    }

    fn name(&self, index: u32) -> Option<String> {
        nix::net::if_::if_nameindex()
            .ok()?
            .iter()
            .find(|known| known.index() == index)?
            .name()
            .to_str()
            .ok()
            .map(str::to_owned)
    }

    fn defaults(&self) -> Vec<String> {
        default_interfaces()
    }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    match address.family()? {
        nix::sys::socket::AddressFamily::Inet => address.as_sockaddr_in().map(|v4| v4.ip().into()),
        nix::sys::socket::AddressFamily::Inet6 => address.as_sockaddr_in6().map(|v6| v6.ip().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn loopback_carries_but_is_not_a_bearer() {
        let here = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(name_of(here).await.as_deref(), Some("lo"));
        assert_eq!(look("lo").await.unwrap(), [Interface { name: "lo".to_owned(), ..Interface::default() }]);
        assert!(is_here(here).await && !is_here(IpAddr::from([192, 0, 2, 77])).await);
        let links = links().await.unwrap();
        assert!(links.up.iter().all(|id| id.name != "lo" && id.index > 0));
        assert!(links.addresses.contains(&("lo".to_owned(), here)));
    }
}
