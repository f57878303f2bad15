//! Network interfaces as the kernel describes them in /sys/class/net.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{SockaddrLike, SockaddrStorage};

use crate::lane::FILES;
use crate::notification::ConnectionType;

const CLASS: &str = "/sys/class/net";
const ARPHRD_ETHER: u32 = 1;
const ARPHRD_RAWIP: u32 = 519;

/// An interface and the connection type it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Mobile, wireless or wireline; none for everything else (loopback, tunnels).
    pub kind: Option<ConnectionType>,
}

/// The interfaces that are up, running, and have an address that reaches further than the link, in the
/// kernel's order. Loopback is not among them.
pub async fn up() -> Vec<Interface> {
    let mut names: Vec<String> = Vec::new();
    for entry in getifaddrs().into_iter().flatten() {
        let usable = entry.flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING)
            && !entry.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        let routable = entry.address.as_ref().and_then(ip).is_some_and(is_routable);
        if usable && routable && !names.contains(&entry.interface_name) {
            names.push(entry.interface_name);
        }
    }
    let mut interfaces = Vec::with_capacity(names.len());
    for name in names {
        interfaces.push(described(name).await);
    }
    interfaces
}

/// All addresses that reach further than the link, of interfaces that are up; loopback's too: a server may be there.
#[must_use]
pub fn addresses() -> BTreeSet<(String, IpAddr)> {
    let running = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    let up = getifaddrs().into_iter().flatten().filter(|entry| entry.flags.contains(running));
    up.filter_map(|entry| {
        let address = entry.address.as_ref().and_then(ip)?;
        is_routable(address).then_some((entry.interface_name, address))
    })
    .collect()
}

fn is_routable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    }
}

/// The interface that has this address: a session's socket tells its bearer by it.
pub async fn carrying(address: IpAddr) -> Option<Interface> {
    Some(described(name_of(address)?).await)
}

/// Whether the address is one of this machine's own.
#[must_use]
pub fn is_here(address: IpAddr) -> bool {
    name_of(address).is_some()
}

fn name_of(address: IpAddr) -> Option<String> {
    let address = address.to_canonical();
    let mut all = getifaddrs().ok()?;
    let found = all.find(|entry| entry.address.as_ref().and_then(ip) == Some(address));
    found.map(|entry| entry.interface_name)
}

/// A device whose attributes hang is of no known type.
async fn described(name: String) -> Interface {
    let asked = name.clone();
    let kind = FILES.at(Path::new(CLASS).join(&name), move |_| kind(Path::new(CLASS), &asked)).await;
    let kind = kind.inspect_err(|stuck| log::warn!("{name}: its type is not known: {stuck}"));
    Interface { kind: kind.unwrap_or_default(), name }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    match address.family()? {
        nix::sys::socket::AddressFamily::Inet => address.as_sockaddr_in().map(|v4| v4.ip().into()),
        nix::sys::socket::AddressFamily::Inet6 => address.as_sockaddr_in6().map(|v6| v6.ip().into()),
        _ => None,
    }
}

fn kind(class: &Path, name: &str) -> Option<ConnectionType> {
    let folder = class.join(name);
    let uevent = fs::read_to_string(folder.join("uevent")).unwrap_or_default();
    match uevent.lines().find_map(|line| line.strip_prefix("DEVTYPE=")) {
        Some("wwan") => return Some(ConnectionType::Mobile),
        Some("wlan" | "bluetooth") => return Some(ConnectionType::Wireless),
        _ => {}
    }
    if folder.join("phy80211").exists() || folder.join("wireless").exists() {
        return Some(ConnectionType::Wireless);
    }
    let hardware: u32 = fs::read_to_string(folder.join("type")).ok()?.trim().parse().ok()?;
    match hardware {
        ARPHRD_RAWIP => Some(ConnectionType::Mobile),
        // Older modem drivers look like Ethernet but for their name.
        ARPHRD_ETHER if name.starts_with("wwan") || name.starts_with("rmnet") => Some(ConnectionType::Mobile),
        ARPHRD_ETHER => Some(ConnectionType::Wireline),
        _ => None,
    }
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
        assert_eq!(kind(class.path(), "eth0"), Some(ConnectionType::Wireline));
        assert_eq!(kind(class.path(), "wwan0"), Some(ConnectionType::Mobile));
        assert_eq!(kind(class.path(), "wlan0"), Some(ConnectionType::Wireless));
        assert_eq!(kind(class.path(), "rmnet_data0"), Some(ConnectionType::Mobile));
        assert_eq!(kind(class.path(), "lo"), None);
        assert_eq!(kind(class.path(), "gone"), None);
    }

    #[tokio::test]
    async fn loopback_carries_but_is_not_a_bearer() {
        let interface = carrying(IpAddr::from([127, 0, 0, 1])).await.unwrap();
        assert_eq!((interface.name.as_str(), interface.kind), ("lo", None));
        assert!(is_here(IpAddr::from([127, 0, 0, 1])) && !is_here(IpAddr::from([192, 0, 2, 77])));
        assert!(up().await.iter().all(|interface| interface.name != "lo"));
    }
}
