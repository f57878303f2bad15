//! Interfaces upon interfaces: what carries a VLAN, a bridge, a bond or a tunnel, by what /sys/class/net says.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use super::ConnectionType;
use super::link::Interface;
use crate::base::Order as _;

const ARPHRD_ETHER: u32 = 1;
const ARPHRD_RAWIP: u32 = 519;
/// tun, WireGuard, and modems without a link layer.
const ARPHRD_NONE: u32 = 0xfffe;
/// `ARPHRD_TUNNEL`, `TUNNEL6`, `SIT`, `IPGRE`, `IP6GRE`: in place of hardware addresses they have both their ends.
const TUNNELS: [u32; 5] = [768, 769, 776, 778, 823];

/// The most interfaces of one stack that are looked at.
const MOST: usize = 64;

/// The kernel's answers that are not in files below /sys/class/net.
pub(super) trait Kernel {
    /// The interface by which packets to `remote` leave.
    fn towards(&self, remote: IpAddr) -> Option<String>;
    /// The name of the interface that has this index.
    fn name(&self, index: u32) -> Option<String>;
    /// The interfaces of default routes, the best first.
    fn defaults(&self) -> Vec<String>;
}

/// Looks at an interface, and at all that are below it: those are last, and what can't be read of them is left out.
///
/// # Errors
/// The interface itself can't be read.
pub(super) fn look(class: &Path, name: &str, kernel: &dyn Kernel) -> io::Result<Vec<Interface>> {
    let mut seen = vec![one(class, name, kernel)?];
    let mut next: VecDeque<String> = seen.iter().flat_map(|top| top.below.clone()).collect();
    while let Some(name) = next.pop_front().filter(|_| seen.len() < MOST) {
        if seen.iter().any(|known| known.name == name) {
            continue;
        }
        if let Ok(interface) = one(class, &name, kernel) {
            next.extend(interface.below.iter().cloned());
            seen.push(interface);
        }
    }
    Ok(seen)
}

fn one(class: &Path, name: &str, kernel: &dyn Kernel) -> io::Result<Interface> {
    let folder = class.join(name);
    let uevent = fs::read_to_string(folder.join("uevent"))?;
    let device = uevent.lines().find_map(|line| line.strip_prefix("DEVTYPE=")).unwrap_or_default();
    let hardware = number(&folder, "type");
    let kind = kind(&folder, name, device, hardware);
    let mut below = lower(&folder);
    // A modem has its own kind; all else of this make has another end, and a way there.
    if below.is_empty() && kind.is_none() && hardware.is_some_and(is_tunnel) {
        below = carrier(&folder, name, kernel).into_iter().collect();
    }
    Ok(Interface { name: name.to_owned(), kind, below })
}

/// The interface's own type: mobile, wireless or wireline; none for everything else.
fn kind(folder: &Path, name: &str, device: &str, hardware: Option<u32>) -> Option<ConnectionType> {
    // Older modem drivers look like Ethernet, or like nothing, but for their name.
    let is_modem = name.starts_with("wwan") || name.starts_with("rmnet");
    match (device, hardware) {
        ("wwan", _) => Some(ConnectionType::Mobile),
        ("wlan" | "bluetooth", _) => Some(ConnectionType::Wireless),
        _ if folder.join("phy80211").exists() || folder.join("wireless").exists() => {
            Some(ConnectionType::Wireless)
        }
        (_, Some(ARPHRD_RAWIP)) => Some(ConnectionType::Mobile),
        (_, Some(ARPHRD_ETHER | ARPHRD_NONE)) if is_modem => Some(ConnectionType::Mobile),
        // The other end of a tap is a program.
        (_, Some(ARPHRD_ETHER)) if !folder.join("tun_flags").exists() => Some(ConnectionType::Wireline),
        _ => None,
    }
}

fn is_tunnel(hardware: u32) -> bool {
    TUNNELS.contains(&hardware) || matches!(hardware, ARPHRD_NONE | ARPHRD_ETHER)
}

/// The interfaces that this one is made of, as the kernel links them; of a bond the one that is in use.
fn lower(folder: &Path) -> Vec<String> {
    let active = fs::read_to_string(folder.join("bonding/active_slave")).unwrap_or_default();
    if !active.trim().is_empty() {
        return vec![active.trim().to_owned()];
    }
    let mut found: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_prefix("lower_")).map(str::to_owned));
        if found.len() >= MOST {
            break;
        }
    }
    found.order_by_key(Clone::clone);
    found
}

/// The interface that carries a tunnel: the one that it is tied to, else the one that leads to its other end. Where
/// that is not to be had, the best way out that is not the tunnel itself.
fn carrier(folder: &Path, name: &str, kernel: &dyn Kernel) -> Option<String> {
    let [own, tied] = ["ifindex", "iflink"].map(|file| number(folder, file));
    let tied = tied.filter(|index| *index != 0 && Some(*index) != own).and_then(|index| kernel.name(index));
    let remote = || {
        let text = fs::read_to_string(folder.join("broadcast")).ok()?;
        let remote = remote(text.trim())?;
        kernel.towards(remote)
    };
    let elsewhere = || kernel.defaults().into_iter().find(|other| other != name);
    tied.or_else(remote).or_else(elsewhere).filter(|below| below != name)
}

/// The address of a tunnel's other end, from how the kernel shows its `broadcast`: `c0:00:02:01`.
fn remote(text: &str) -> Option<IpAddr> {
    let bytes: Option<Vec<u8>> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    let bytes = bytes?;
    let v4 = <[u8; 4]>::try_from(bytes.as_slice()).map(IpAddr::from);
    let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes.as_slice()).map(IpAddr::from)).ok()?;
    (!address.is_unspecified()).then_some(address)
}

fn number(folder: &Path, file: &str) -> Option<u32> {
    fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test writes the files that the kernel would show")]
mod tests {
    use super::*;
    use ConnectionType::{Mobile, Wireless, Wireline};

    struct Table;

    impl Kernel for Table {
        fn towards(&self, remote: IpAddr) -> Option<String> {
            (remote == IpAddr::from([192, 0, 2, 1])).then(|| "usb0".to_owned())
        }
        fn name(&self, index: u32) -> Option<String> {
            (index == 2).then(|| "eth0".to_owned())
        }
        fn defaults(&self) -> Vec<String> {
            vec!["wg0".to_owned(), "eth0".to_owned()]
        }
    }

    fn device(class: &Path, name: &str, files: &[(&str, &str)]) {
        let folder = class.join(name);
        for (file, content) in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    #[test]
    fn the_kernels_description_tells_the_type() {
        let class = tempfile::tempdir().unwrap();
        device(class.path(), "eth0", &[("type", "1\n"), ("uevent", "INTERFACE=eth0\nIFINDEX=2\n")]);
        device(class.path(), "wwan0", &[("type", "65534\n"), ("uevent", "DEVTYPE=wwan\nINTERFACE=wwan0\n")]);
        device(class.path(), "wlan0", &[("type", "1\n"), ("uevent", "DEVTYPE=wlan\n")]);
        device(class.path(), "rmnet_data0", &[("type", "519\n"), ("uevent", "")]);
        device(class.path(), "wwan1", &[("type", "65534\n"), ("uevent", "")]);
        device(class.path(), "lo", &[("type", "772\n"), ("uevent", "")]);
        device(class.path(), "ppp0", &[("type", "512\n"), ("uevent", "")]);
        let kind = |name| Some(look(class.path(), name, &Table).ok()?[0].kind);
        assert_eq!(kind("eth0"), Some(Some(Wireline)));
        assert_eq!(kind("wwan0"), Some(Some(Mobile)));
        assert_eq!(kind("wlan0"), Some(Some(Wireless)));
        assert_eq!(kind("rmnet_data0"), Some(Some(Mobile)));
        assert_eq!(kind("wwan1"), Some(Some(Mobile)));
        assert_eq!(kind("lo"), Some(None));
        assert_eq!(kind("ppp0"), Some(None), "a modem's or a telephone line's");
        assert_eq!(kind("gone"), None, "what can't be read is not known");
    }

    #[test]
    fn what_is_below_is_found_to_the_ground() {
        let class = tempfile::tempdir().unwrap();
        let class = class.path();
        let ether = ("type", "1\n");
        device(class, "eth0", &[ether, ("uevent", "")]);
        device(class, "usb0", &[ether, ("uevent", "")]);
        device(class, "eth0.7", &[ether, ("uevent", "DEVTYPE=vlan\n"), ("lower_eth0", "")]);
        device(
            class,
            "br0",
            &[ether, ("uevent", "DEVTYPE=bridge\n"), ("lower_usb0", ""), ("lower_eth0.7", "")],
        );
        let bond = ("bonding/active_slave", "usb0\n");
        device(class, "bond0", &[ether, ("uevent", ""), bond, ("lower_eth0", ""), ("lower_usb0", "")]);
        let tunnel = |name, kind, broadcast, link| {
            let files = [
                ("type", kind),
                ("uevent", ""),
                ("broadcast", broadcast),
                ("iflink", link),
                ("ifindex", "9"),
            ];
            device(class, name, &files);
        };
        tunnel("gre1", "778", "c0:00:02:01\n", "0");
        tunnel("gre2", "778", "c0:00:02:63\n", "2");
        tunnel("gre3", "778", "00:00:00:00\n", "0");
        tunnel("wg0", "65534", "", "9");
        device(class, "tap0", &[ether, ("uevent", ""), ("tun_flags", "0x1002\n")]);
        let names = |name| -> Vec<String> {
            look(class, name, &Table).unwrap().into_iter().map(|interface| interface.name).collect()
        };
        for (name, expected) in [
            ("eth0", &["eth0"][..]),
            ("eth0.7", &["eth0.7", "eth0"]),
            ("br0", &["br0", "eth0.7", "usb0", "eth0"]),
            ("bond0", &["bond0", "usb0"]),
            ("gre1", &["gre1", "usb0"]),
            ("gre2", &["gre2", "eth0"]),
            ("gre3", &["gre3", "wg0", "eth0"]),
            ("wg0", &["wg0", "eth0"]),
            ("tap0", &["tap0", "wg0", "eth0"]),
        ] {
            assert_eq!(names(name), expected, "{name}");
        }
    }
}
