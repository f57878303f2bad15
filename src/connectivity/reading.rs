//! What properties of ModemManager and NetworkManager mean. Pure.

use serde_json::{Map, Value as Json};

use crate::backend::ServiceObject;
use crate::base::{Order as _, Secret};
use crate::bearer::{ConnectionType, Device, Metered, Modem};

pub(super) const MODEM: &str = "org.freedesktop.ModemManager1.Modem";
pub(super) const MODEM_3GPP: &str = "org.freedesktop.ModemManager1.Modem.Modem3gpp";
pub(super) const SIM: &str = "org.freedesktop.ModemManager1.Sim";
pub(super) const BEARER: &str = "org.freedesktop.ModemManager1.Bearer";
pub(super) const DEVICE: &str = "org.freedesktop.NetworkManager.Device";

/// The most modems that are asked about, and the most bearers of each.
const MOST_MODEMS: usize = 8;
const MOST_BEARERS: usize = 8;
/// The longest name of a service provider, in bytes, as of other facts of the network.
const LONGEST: usize = 255;

type Properties = Map<String, Json>;

/// A modem with the objects that say more of it.
#[derive(Debug, PartialEq)]
pub(super) struct FoundModem {
    pub(super) modem: Modem,
    /// The path of its SIM.
    pub(super) sim: Option<String>,
    /// The paths of its bearers.
    pub(super) bearers: Vec<String>,
}

/// The modems among these objects, in the order of their numbers.
pub(super) fn modems(objects: &[ServiceObject]) -> Vec<FoundModem> {
    let number = |object: &&ServiceObject| -> u64 {
        object.path.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(u64::MAX)
    };
    let mut all: Vec<&ServiceObject> = objects.iter().filter(|object| object.interface == MODEM).collect();
    all.order_by_key(number);
    all.truncate(MOST_MODEMS);
    let found = all.into_iter().map(|object| {
        let of_3gpp = objects.iter().find(|other| other.path == object.path && other.interface == MODEM_3GPP);
        let bearers = object.properties.get("Bearers").and_then(Json::as_array).into_iter().flatten();
        FoundModem {
            modem: Modem {
                path: object.path.clone(),
                ..of_3gpp.map(|object| registered(&object.properties)).unwrap_or_default()
            },
            sim: text(&object.properties, "Sim").filter(|path| path != "/"),
            bearers: bearers.filter_map(Json::as_str).take(MOST_BEARERS).map(str::to_owned).collect(),
        }
    });
    found.collect()
}

/// The modem's registration (MMModem3gppRegistrationState).
fn registered(properties: &Properties) -> Modem {
    let roams = match properties.get("RegistrationState").and_then(Json::as_u64) {
        // At home: for all, for SMS only, without circuit-switched calls.
        Some(1 | 6 | 9) => Some(false),
        Some(5 | 7 | 10) => Some(true),
        _ => None,
    };
    let current = text(properties, "OperatorCode").as_deref().and_then(codes).filter(|_| roams.is_some());
    // Of a network without a name, it is the code.
    let is_name = |name: &String| roams == Some(false) && codes(name).is_none();
    let sp_name = text(properties, "OperatorName").filter(is_name);
    Modem { roams, current, sp_name, ..Modem::default() }
}

/// Adds what the SIM says. Its own word on the provider is better than the network's name.
pub(super) fn add_sim(modem: &mut Modem, properties: &Properties) {
    modem.home = text(properties, "OperatorIdentifier").as_deref().and_then(codes);
    modem.sp_name = text(properties, "OperatorName").or_else(|| modem.sp_name.take());
    modem.imsi = text(properties, "Imsi").map(|imsi| Secret::new(imsi.into_bytes()));
}

/// Adds a bearer's interface, while it is connected. Where PPP runs on it (MMBearerIpMethod), it is a serial port, and
/// whoever runs PPP has the interface.
pub(super) fn add_bearer(modem: &mut Modem, properties: &Properties) {
    if properties.get("Connected").and_then(Json::as_bool) != Some(true) {
        return;
    }
    let method = |config: &str| properties.get(config)?.get("method")?.as_u64();
    match ["Ip4Config", "Ip6Config"].into_iter().any(|config| method(config) == Some(1)) {
        true => modem.has_ppp = true,
        false => modem.links.extend(text(properties, "Interface")),
    }
}

/// A device as NetworkManager describes it (NMDeviceType, NMMetered).
pub(super) fn device(properties: &Properties) -> Device {
    let number = |name| properties.get(name).and_then(Json::as_u64);
    let kind = match number("DeviceType") {
        // Ethernet, InfiniBand, DSL.
        Some(1 | 9 | 12) => Some(ConnectionType::Wireline),
        // WLAN, Bluetooth, WLAN between peers.
        Some(2 | 5 | 30) => Some(ConnectionType::Wireless),
        // WiMAX, modems.
        Some(7 | 8) => Some(ConnectionType::Mobile),
        // What is upon others, and what it knows no better than the kernel.
        _ => None,
    };
    let metered = match number("Metered") {
        Some(1) => Metered::Said(true),
        Some(2) => Metered::Said(false),
        Some(3) => Metered::Guessed(true),
        Some(4) => Metered::Guessed(false),
        _ => Metered::Unknown,
    };
    let links = ["IpInterface", "Interface"].into_iter().filter_map(|name| text(properties, name)).collect();
    let modem =
        text(properties, "Udi").filter(|udi| kind == Some(ConnectionType::Mobile) && udi.contains("/Modem/"));
    Device { links, modem, kind, metered }
}

/// MCC and MNC of an operator's code: three digits, and two or three.
fn codes(code: &str) -> Option<(String, String)> {
    let sound = (5..=6).contains(&code.len()) && code.bytes().all(|digit| digit.is_ascii_digit());
    let (mcc, mnc) = code.split_at_checked(3).filter(|_| sound)?;
    Some((mcc.to_owned(), mnc.to_owned()))
}

/// A property that says something.
fn text(properties: &Properties, name: &str) -> Option<String> {
    let text = properties.get(name)?.as_str()?.trim();
    let sound = !text.is_empty() && text.len() <= LONGEST && !text.contains(char::is_control);
    sound.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn properties(json: Json) -> Properties {
        json.as_object().unwrap().clone()
    }

    fn object(path: &str, interface: &str, json: Json) -> ServiceObject {
        ServiceObject { path: path.into(), interface: interface.into(), properties: properties(json) }
    }

    #[test]
    fn modems_come_in_the_order_of_their_numbers_with_what_says_more_of_them() {
        let objects = [
            object("/M/10", MODEM, json!({ "Sim": "/", "Bearers": [] })),
            object("/M/2", MODEM, json!({ "Sim": "/S/1", "Bearers": ["/B/1", "/B/2"] })),
            object(
                "/M/2",
                MODEM_3GPP,
                json!({ "RegistrationState": 5, "OperatorCode": "310410", "OperatorName": "AT&T" }),
            ),
        ];
        let [second, tenth] = modems(&objects).try_into().unwrap();
        assert_eq!(
            tenth,
            FoundModem {
                modem: Modem { path: "/M/10".into(), ..Modem::default() },
                sim: None,
                bearers: Vec::new()
            }
        );
        assert_eq!(second.sim.as_deref(), Some("/S/1"));
        assert_eq!(second.bearers, ["/B/1", "/B/2"]);
        let mut modem = second.modem;
        assert_eq!(modem.sp_name, None, "that is the name of somebody else's network");
        add_sim(
            &mut modem,
            &properties(json!({ "OperatorIdentifier": "00101", "OperatorName": "", "Imsi": "00101" })),
        );
        add_bearer(&mut modem, &properties(json!({ "Interface": "usb0", "Connected": true })));
        add_bearer(&mut modem, &properties(json!({ "Interface": "usb1", "Connected": false })));
        add_bearer(&mut modem, &properties(json!({ "Interface": "", "Connected": true })));
        let serial = json!({ "Interface": "ttyUSB2", "Connected": true, "Ip4Config": { "method": 1 } });
        add_bearer(&mut modem, &properties(serial));
        let code = |mcc: &str, mnc: &str| Some((mcc.to_owned(), mnc.to_owned()));
        let expected = Modem {
            path: "/M/2".into(),
            links: vec!["usb0".into()],
            has_ppp: true,
            roams: Some(true),
            home: code("001", "01"),
            current: code("310", "410"),
            sp_name: None,
            imsi: Some(Secret::new(b"00101".to_vec())),
        };
        assert_eq!(modem, expected);
    }

    #[test]
    fn registration_says_where_a_modem_is() {
        let at = |state: u64| {
            let json = json!({ "RegistrationState": state, "OperatorCode": "26201", "OperatorName": "Home" });
            let modem = registered(&properties(json));
            (modem.roams, modem.current.is_some(), modem.sp_name.is_some())
        };
        for state in [1, 6, 9] {
            assert_eq!(at(state), (Some(false), true, true), "{state}");
        }
        for state in [5, 7, 10] {
            assert_eq!(at(state), (Some(true), true, false), "{state}");
        }
        let nameless = json!({ "RegistrationState": 1, "OperatorCode": "00101", "OperatorName": "00101" });
        assert_eq!(registered(&properties(nameless)).sp_name, None);
        for state in [0, 2, 3, 4, 8, 11] {
            assert_eq!(at(state), (None, false, false), "{state}: it is in no network");
        }
        for code in ["", "262", "2620", "2620112", "26 01", "abcde", "262é1"] {
            assert_eq!(codes(code), None, "{code}");
        }
    }

    #[test]
    fn devices_are_what_they_are_and_what_is_upon_others_is_left_to_the_kernel() {
        use ConnectionType::{Mobile, Wireless, Wireline};
        for (kind, expected) in [
            (1, Some(Wireline)),
            (2, Some(Wireless)),
            (5, Some(Wireless)),
            (8, Some(Mobile)),
            (11, None),
            (13, None),
        ] {
            let device = device(&properties(json!({ "DeviceType": kind, "Interface": "x0" })));
            assert_eq!((device.kind, device.metered), (expected, Metered::Unknown), "{kind}");
        }
        let modem = json!({ "DeviceType": 8, "Interface": "cdc-wdm0", "IpInterface": "wwan0", "Metered": 3, "Udi": "/MM/Modem/0" });
        let modem = device(&properties(modem));
        assert_eq!(
            (modem.links, modem.metered),
            (vec!["wwan0".into(), "cdc-wdm0".into()], Metered::Guessed(true))
        );
    }
}
