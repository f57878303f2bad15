//! Network interfaces as the kernel lists them, and as /sys/class/net describes them. Both are asked on a lane: either
//! may wait for a device.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::{SockaddrLike, SockaddrStorage};

use super::known_interfaces::Id;
use crate::base::lane::{FILES, Stuck};
use crate::bearer::ConnectionType;

const CLASS: &str = "/sys/class/net";
/// The path that stands for getifaddrs(3) on the lane, to name what hangs.
const LIST: &str = "/proc/net/netlink";
const ARPHRD_ETHER: u32 = 1;
const ARPHRD_RAWIP: u32 = 519;

/// The kernel's list of interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// The interfaces that are up, running, and have an address that reaches further than the link, in the kernel's
    /// order. Loopback is not among them.
    pub up: Vec<Id>,
    /// All addresses that reach further than the link, of interfaces that are running; loopback's too: a server may be
    /// there.
    pub addresses: BTreeSet<(String, IpAddr)>,
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
    Ok(links)
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

/// The connection type of the interface that has this address: a session's socket tells its bearer by it.
pub async fn carrying(address: IpAddr) -> Option<ConnectionType> {
    let name = name_of(address).await?;
    let kind = kind_of(&name).await;
    kind.inspect_err(|why| log::debug!("{name}: its connection type is not known: {why}")).unwrap_or_default()
}

/// Whether the address is one of this machine's own.
pub async fn is_here(address: IpAddr) -> bool {
    name_of(address).await.is_some()
}

async fn name_of(address: IpAddr) -> Option<String> {
    let address = address.to_canonical();
    let has_it = |entry: &InterfaceAddress| entry.address.as_ref().and_then(ip) == Some(address);
    let found =
        entries().await.map(|entries| entries.into_iter().find(has_it).map(|entry| entry.interface_name));
    found.inspect_err(|stuck| log::debug!("whose {address} is, is not known: {stuck}")).ok().flatten()
}

/// The connection type of an interface: mobile, wireless or wireline; none for everything else (tunnels).
///
/// # Errors
/// Why that is not known: its device does not answer.
pub async fn kind_of(name: &str) -> Result<Option<ConnectionType>, String> {
    let asked = name.to_owned();
    let kind = FILES.at(Path::new(CLASS).join(name), move |_| kind(Path::new(CLASS), &asked)).await;
    kind.map_err(|stuck| stuck.to_string())?.map_err(|error| error.to_string())
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    match address.family()? {
        nix::sys::socket::AddressFamily::Inet => address.as_sockaddr_in().map(|v4| v4.ip().into()),
        nix::sys::socket::AddressFamily::Inet6 => address.as_sockaddr_in6().map(|v6| v6.ip().into()),
        _ => None,
    }
}

fn kind(class: &Path, name: &str) -> io::Result<Option<ConnectionType>> {
    let folder = class.join(name);
    let uevent = fs::read_to_string(folder.join("uevent"))?;
    match uevent.lines().find_map(|line| line.strip_prefix("DEVTYPE=")) {
        Some("wwan") => return Ok(Some(ConnectionType::Mobile)),
        Some("wlan" | "bluetooth") => return Ok(Some(ConnectionType::Wireless)),
        _ => {}
    }
    if folder.join("phy80211").exists() || folder.join("wireless").exists() {
        return Ok(Some(ConnectionType::Wireless));
    }
    let hardware: Option<u32> = fs::read_to_string(folder.join("type"))?.trim().parse().ok();
    Ok(match hardware {
        Some(ARPHRD_RAWIP) => Some(ConnectionType::Mobile),
        // Older modem drivers look like Ethernet but for their name.
        Some(ARPHRD_ETHER) if name.starts_with("wwan") || name.starts_with("rmnet") => {
            Some(ConnectionType::Mobile)
        }
        Some(ARPHRD_ETHER) => Some(ConnectionType::Wireline),
        _ => None,
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test writes the files that the kernel would show")]
mod tests {
    use super::*;

    fn device(class: &Path, name: &str, files: &[(&str, &str)]) {
        let folder = class.join(name);
        fs::create_dir_all(&folder).unwrap();
        for (file, content) in files {
            fs::write(folder.join(file), content).unwrap();
        }
    }

    #[test]
    fn the_kernels_description_tells_the_type() {
        let class = tempfile::tempdir().unwrap();
        device(class.path(), "eth0", &[("type", "1\n"), ("uevent", "INTERFACE=eth0\nIFINDEX=2\n")]);
        device(class.path(), "wwan0", &[("type", "65534\n"), ("uevent", "DEVTYPE=wwan\nINTERFACE=wwan0\n")]);
        device(class.path(), "wlan0", &[("type", "1\n"), ("uevent", "DEVTYPE=wlan\n")]);
        device(class.path(), "rmnet_data0", &[("type", "519\n"), ("uevent", "")]);
        device(class.path(), "lo", &[("type", "772\n"), ("uevent", "")]);
        let kind = |name| kind(class.path(), name).ok();
        assert_eq!(kind("eth0"), Some(Some(ConnectionType::Wireline)));
        assert_eq!(kind("wwan0"), Some(Some(ConnectionType::Mobile)));
        assert_eq!(kind("wlan0"), Some(Some(ConnectionType::Wireless)));
        assert_eq!(kind("rmnet_data0"), Some(Some(ConnectionType::Mobile)));
        assert_eq!(kind("lo"), Some(None));
        assert_eq!(kind("gone"), None, "what can't be read is not known");
    }

    #[tokio::test]
    async fn loopback_carries_but_is_not_a_bearer() {
        let here = IpAddr::from([127, 0, 0, 1]);
        assert_eq!((name_of(here).await.as_deref(), carrying(here).await), (Some("lo"), None));
        assert!(is_here(here).await && !is_here(IpAddr::from([192, 0, 2, 77])).await);
        let links = links().await.unwrap();
        assert!(links.up.iter().all(|id| id.name != "lo" && id.index > 0));
        assert!(links.addresses.contains(&("lo".to_owned(), here)));
    }
}
