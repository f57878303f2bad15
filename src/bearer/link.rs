//! What a link is, from what the kernel and the machine's services say of it. Pure: facts in, a [`Link`] out.

use super::ConnectionType;
use crate::base::Secret;

/// The longest stack of links upon links that is followed.
const DEEPEST: usize = 8;

/// An interface, as the kernel describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The name of the interface.
    pub name: String,
    /// Its own type; none: of no type that the TS has.
    pub kind: Option<ConnectionType>,
    /// The names of the interfaces that carry it: of a VLAN, a bridge, a bond, a tunnel. None of what is real.
    pub below: Vec<String>,
}

/// All that services of the machine say of links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// ModemManager's modems, in the order of their numbers.
    pub modems: Vec<Modem>,
    /// NetworkManager's devices.
    pub devices: Vec<Device>,
    /// Whether a service did not answer: what it knows is not in here.
    pub is_partial: bool,
}

/// A modem with its SIM, as ModemManager has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modem {
    /// The name by which its service knows it.
    pub path: String,
    /// The interfaces of its connected bearers.
    pub links: Vec<String>,
    /// Whether a bearer is connected on which PPP runs: the interface of that is not known to its service.
    pub has_ppp: bool,
    /// Whether it is registered in a network, and whether that is not its home; none: not registered, or not known.
    pub roams: Option<bool>,
    /// The SIM's network, as MCC and MNC.
    pub home: Option<(String, String)>,
    /// The network in which it is registered, as MCC and MNC.
    pub current: Option<(String, String)>,
    /// The SIM's service provider.
    pub sp_name: Option<String>,
    /// The subscriber's identity.
    pub imsi: Option<Secret>,
}

/// A device of NetworkManager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The interfaces by which it is known: its own, and the one that carries its IP.
    pub links: Vec<String>,
    /// The path of the modem that it is, if it is one.
    pub modem: Option<String>,
    /// The type of the device; none: one that says nothing of what is below it.
    pub kind: Option<ConnectionType>,
    /// Whether it is metered.
    pub metered: Metered,
}

/// NetworkManager's word on whether a device is metered (NMMetered).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metered {
    /// Nothing is known.
    #[default]
    Unknown,
    /// Said by the operator, or by the network.
    Said(bool),
    /// Guessed, from what the device is.
    Guessed(bool),
}

/// What a link is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The type of connection that it is; none: another one, or not known.
    pub kind: Option<ConnectionType>,
    /// Whether what goes over it is paid for by its amount.
    pub metered: bool,
    /// Whether its modem is in another network than its home; none: not known, or no modem.
    pub roaming: Option<bool>,
}

impl Told {
    /// The modem that says who the subscriber is: the first that is connected, else registered, else has a SIM.
    #[must_use]
    pub fn subscriber(&self) -> Option<&Modem> {
        let found = |is: fn(&&Modem) -> bool| self.modems.iter().find(is);
        found(|modem| !modem.links.is_empty() || modem.has_ppp)
            .or_else(|| found(|modem| modem.current.is_some()))
            .or_else(|| found(|modem| modem.imsi.is_some() || modem.home.is_some()))
    }

    /// What the interface `name` is. `seen` has it and all that is below it.
    #[must_use]
    pub fn link(&self, name: &str, seen: &[Interface]) -> Link {
        self.at(name, seen, DEEPEST)
    }

    fn at(&self, name: &str, seen: &[Interface], depth: usize) -> Link {
        let is = |links: &[String]| links.iter().any(|link| link == name);
        let device = self.devices.iter().find(|device| is(&device.links));
        let known = device.is_some();
        let device = device.cloned().unwrap_or_default();
        // PPP that nobody else knows of is that of the modem that has some.
        let is_that = |modem: &&Modem| {
            device.modem.as_ref() == Some(&modem.path) || !known && modem.has_ppp && name.starts_with("ppp")
        };
        let own = self.modems.iter().find(|modem| is(&modem.links));
        let modem = own.or_else(|| self.modems.iter().find(is_that));
        let mut link = match (modem, device.kind, seen.iter().find(|interface| interface.name == name)) {
            // Whatever its driver makes it look like.
            (Some(modem), ..) => Link::of(ConnectionType::Mobile, modem.roams),
            (None, Some(kind), _) => Link::of(kind, None),
            (None, None, Some(Interface { below, .. })) if !below.is_empty() && depth > 0 => {
                unite(below.iter().map(|name| self.at(name, seen, depth - 1)).collect())
            }
            (None, None, Some(Interface { kind: Some(kind), .. })) => Link::of(*kind, None),
            (None, None, _) => Link::default(),
        };
        link.metered = match device.metered {
            Metered::Said(metered) => metered,
            // It guesses by the device alone, and not by what is below.
            Metered::Guessed(metered) => metered || link.metered,
            Metered::Unknown => link.metered,
        };
        link
    }
}

impl Link {
    /// A link of which no more is known than its type: what is mobile is metered until somebody says otherwise.
    fn of(kind: ConnectionType, roaming: Option<bool>) -> Self {
        Self { kind: Some(kind), metered: kind == ConnectionType::Mobile, roaming }
    }
}

/// Unites the links that carry one: of their type, if they have the same. A wireless port among others is an access
/// point, which leads nowhere.
fn unite(below: Vec<Link>) -> Link {
    let wireless = Some(ConnectionType::Wireless);
    let others = below.iter().any(|link| link.kind.is_some_and(|kind| kind != ConnectionType::Wireless));
    let mut ways = below.iter().filter(|link| link.kind.is_some() && !(others && link.kind == wireless));
    let metered = below.iter().any(|link| link.metered);
    match ways.next() {
        Some(first) if ways.all(|link| link.kind == first.kind) => Link { metered, ..*first },
        _ => Link { metered, ..Link::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConnectionType::{Mobile, Wireless, Wireline};

    fn interface(name: &str, kind: Option<ConnectionType>, below: &[&str]) -> Interface {
        let below = below.iter().map(|name| (*name).to_owned()).collect();
        Interface { name: name.to_owned(), kind, below }
    }

    fn modem(link: &str, roams: Option<bool>) -> Modem {
        Modem { links: vec![link.to_owned()], roams, ..Modem::default() }
    }

    fn device(link: &str, kind: Option<ConnectionType>, metered: Metered) -> Device {
        Device { links: vec![link.to_owned()], modem: None, kind, metered }
    }

    #[test]
    fn facts_make_links() {
        let seen = [
            interface("eth0", Some(Wireline), &[]),
            interface("eth1", Some(Wireline), &[]),
            interface("usb0", Some(Wireline), &[]),
            interface("ppp0", None, &[]),
            interface("ppp1", None, &[]),
            interface("wwan0", Some(Mobile), &[]),
            interface("wlan0", Some(Wireless), &[]),
            interface("eth0.7", Some(Wireline), &["eth0"]),
            interface("usb0.7", Some(Wireline), &["usb0"]),
            interface("br-lan", Some(Wireline), &["eth1", "wlan0"]),
            interface("br-air", Some(Wireline), &["wlan0"]),
            interface("br-mixed", Some(Wireline), &["eth0", "usb0"]),
            interface("bond0", Some(Wireline), &["br-lan", "eth0.7"]),
            interface("wg0", None, &["usb0.7"]),
            interface("tun0", None, &["gone0"]),
            interface("tap0", Some(Wireline), &[]),
            interface("a", Some(Wireline), &["b"]),
            interface("b", Some(Wireline), &["a"]),
        ];
        let told = Told {
            modems: vec![modem("usb0", Some(true)), modem("ppp0", None)],
            devices: vec![
                device("wwan0", Some(Mobile), Metered::Said(false)),
                device("ppp1", Some(Wireline), Metered::Unknown),
                device("wlan0", Some(Wireless), Metered::Guessed(true)),
                device("usb0.7", None, Metered::Guessed(false)),
                device("eth1", Some(Wireline), Metered::Said(true)),
                device("tap0", None, Metered::Unknown),
            ],
            is_partial: false,
        };
        let link = |kind, metered, roaming| Link { kind, metered, roaming };
        for (name, expected) in [
            ("eth0", link(Some(Wireline), false, None)),
            ("usb0", link(Some(Mobile), true, Some(true))),
            ("ppp0", link(Some(Mobile), true, None)),
            ("ppp1", link(Some(Wireline), false, None)),
            ("wwan0", link(Some(Mobile), false, None)),
            ("wlan0", link(Some(Wireless), true, None)),
            ("eth0.7", link(Some(Wireline), false, None)),
            ("usb0.7", link(Some(Mobile), true, Some(true))),
            ("br-lan", link(Some(Wireline), true, None)),
            ("br-air", link(Some(Wireless), true, None)),
            ("br-mixed", link(None, true, None)),
            ("bond0", link(Some(Wireline), true, None)),
            ("wg0", link(Some(Mobile), true, Some(true))),
            ("tun0", Link::default()),
            ("tap0", link(Some(Wireline), false, None)),
            ("unheard-of", Link::default()),
        ] {
            assert_eq!(told.link(name, &seen), expected, "{name}");
        }
        let serial = Modem { path: "/M/1".into(), has_ppp: true, roams: Some(true), ..Modem::default() };
        let of_modem =
            Device { modem: Some("/M/1".into()), ..device("ppp2", Some(Mobile), Metered::Unknown) };
        let told = Told { modems: vec![serial], devices: vec![of_modem, told.devices[1].clone()], ..told };
        for (name, expected) in [
            ("ppp0", link(Some(Mobile), true, Some(true))),
            ("ppp1", link(Some(Wireline), false, None)),
            ("ppp2", link(Some(Mobile), true, Some(true))),
            ("eth0", link(Some(Wireline), false, None)),
        ] {
            assert_eq!(told.link(name, &seen), expected, "{name}: PPP over a modem's serial port");
        }
        assert_eq!(told.link("a", &seen).kind, Some(Wireline), "a circle ends");
        let alone = Told::default();
        assert_eq!(alone.link("wwan0", &seen), link(Some(Mobile), true, None), "nobody else says anything");
        assert_eq!(alone.link("usb0", &seen), link(Some(Wireline), false, None));
    }

    #[test]
    fn the_subscriber_is_whose_modem_is_connected() {
        let code = |mnc: &str| Some(("001".to_owned(), mnc.to_owned()));
        let empty = Modem::default();
        let sim = Modem { home: code("01"), ..Modem::default() };
        let registered = Modem { current: code("02"), ..sim.clone() };
        let connected = modem("wwan0", None);
        let of = |modems: &[&Modem]| {
            let modems = modems.iter().map(|modem| (*modem).clone()).collect();
            Told { modems, ..Told::default() }.subscriber().cloned()
        };
        assert_eq!(of(&[&empty, &sim, &registered, &connected]), Some(connected));
        assert_eq!(of(&[&empty, &sim, &registered]), Some(registered));
        assert_eq!(of(&[&empty, &sim]), Some(sim));
        assert_eq!(of(&[&empty]), None, "it has no SIM");
    }
}
