//! `mo/cellular`, with what ModemManager says of two modems.

use serde_json::json;
use std::collections::HashMap;
use zbus::wire::{ObjectPath, OwnedVariant, Variant};
use zbus::{OwnedObjectPath, interface};

use super::*;
use crate::support::bus::{Calls, Daemon};

const CELLULAR: Published = Published { moid: "urn:x-omadm:mo:cellular:1.0", root: "Cellular" };
const MODEM: &str = "org.freedesktop.ModemManager1.Modem";

type Properties = HashMap<String, OwnedVariant>;

const SERVICE: &str = "org.freedesktop.ModemManager1";

/// All modems, as ModemManager tells of them at once.
struct Manager;

fn own<'a>(value: impl Into<Variant<'a>>) -> OwnedVariant {
    OwnedVariant::try_from(value.into()).unwrap()
}

#[interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Manager {
    fn get_managed_objects(&self) -> HashMap<OwnedObjectPath, HashMap<String, Properties>> {
        let path = |text: String| OwnedObjectPath::try_from(text).unwrap();
        let modem = |number: u32, state: i32, registration: Option<u32>| {
            let sim = ObjectPath::try_from(format!("/org/freedesktop/ModemManager1/SIM/{number}")).unwrap();
            let modem = [
                ("Model", own("LX-7")),
                ("EquipmentIdentifier", own(format!("35693803564380{number}"))),
                ("State", own(state)),
                ("SignalQuality", own((64_u32, true))),
                ("AccessTechnologies", own(16_384_u32)),
                ("Sim", own(sim)),
            ];
            let modem: Properties = modem.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let mut interfaces = HashMap::from([(MODEM.to_owned(), modem)]);
            if let Some(registration) = registration {
                let network = [("RegistrationState", own(registration)), ("OperatorCode", own("00101"))];
                let network = network.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                interfaces.insert(format!("{MODEM}.Modem3gpp"), network);
                let lte = HashMap::from([("rsrp", Variant::from(-97.5)), ("snr", Variant::from(11.0))]);
                interfaces.insert(format!("{MODEM}.Signal"), HashMap::from([("Lte".to_owned(), own(lte))]));
            }
            (path(format!("/org/freedesktop/ModemManager1/Modem/{number}")), interfaces)
        };
        HashMap::from([modem(2, 8, Some(5)), modem(3, 8, Some(5)), modem(10, -1, None)])
    }
}

/// What DevInfo asks of it.
struct Modem;

#[interface(name = "org.freedesktop.ModemManager1.Modem")]
impl Modem {
    #[zbus(property)]
    fn equipment_identifier(&self) -> &str {
        "356938035643802"
    }
}

struct Sim;

#[interface(name = "org.freedesktop.ModemManager1.Sim")]
impl Sim {
    #[zbus(property)]
    fn imsi(&self) -> &str {
        "001010000000001"
    }

    #[zbus(property)]
    fn sim_identifier(&self) -> &str {
        "8900100000000000001"
    }
}

struct Bearer;

#[interface(name = "org.freedesktop.ModemManager1.Bearer")]
impl Bearer {
    #[zbus(property)]
    fn connected(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn interface(&self) -> &str {
        "wwan0"
    }

    #[zbus(property)]
    fn stats(&self) -> HashMap<String, OwnedVariant> {
        let stats = [("rx-bytes", own(9_000_000_000_u64)), ("duration", own(75_u32))];
        stats.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

#[tokio::test]
async fn modems_are_told_with_what_each_of_their_interfaces_says_and_each_of_it_is_asked_once() {
    let daemon = Daemon::start();
    let service = daemon.connect().name(SERVICE);
    let service = service.serve_at("/org/freedesktop/ModemManager1", Manager);
    let service = service.serve_at("/org/freedesktop/ModemManager1/Modem/2", Modem);
    let service = service.serve_at("/org/freedesktop/ModemManager1/SIM/2", Sim);
    let service = service.serve_at("/org/freedesktop/ModemManager1/SIM/3", Sim);
    let service = service.serve_at("/org/freedesktop/ModemManager1/Bearer/1", Bearer);
    let _service = service.serve_at("/org/freedesktop/ModemManager1/Bearer/0", Bearer).build().await.unwrap();
    let there = ("usr/share/dbus-1/system-services/org.freedesktop.ModemManager1.service", "");
    let bench = bench("cellular", &daemon.config(), &[there]).await;
    let agent = bench.start().await;
    let calls = Calls::of(&daemon, SERVICE).await;
    bench.session(&agent, 1).await;
    calls.take();
    let modem = |number: u32, state: &str, more: serde_json::Value| {
        let mut modem = json!({
            "Model": "LX-7", "IMEI": format!("35693803564380{number}"), "State": state, "Technology": "LTE",
            "Sim": number.to_string(), "Signal": {"Quality": 64}, "Operations": {},
        });
        for (name, value) in more.as_object().unwrap() {
            modem[name] = value.clone();
        }
        modem
    };
    let registered = json!({
        "Registration": {"State": "roaming", "Roaming": true, "Operator": "00101"},
        "Signal": {"Quality": 64, "LTE": {"RSRP": -97.5, "SNR": 11.0}},
    });
    let sim = json!({"ICCID": "8900100000000000001", "IMSI": "001010000000001"});
    let bearer =
        json!({"Connected": true, "Interface": "wwan0", "Received": 9_000_000_000_u64, "Duration": 75});
    let expected = json!({
        "Modems": {
            "2": modem(2, "registered", registered.clone()), "3": modem(3, "registered", registered),
            "10": modem(10, "failed", json!({})),
        },
        "Sims": {"2": sim, "3": sim},
        "Bearers": {"0": bearer, "1": bearer},
    });
    assert_eq!(CELLULAR.read(&bench, &agent).await, expected, "{}", agent.log());
    // What carries the session is asked for when it begins: all modems, and the SIMs of three. Of SIMs and bearers
    // nobody tells at once; and where a method is called, each modem says what it takes.
    let expected = [("Get", 2 * 5), ("GetAll", 4 + 3), ("GetManagedObjects", 1 + 1), ("Introspect", 2 + 3)];
    let expected = expected.map(|(method, times)| (method.to_owned(), times));
    assert_eq!(calls.take().into_iter().collect::<Vec<_>>(), expected);
    // The search for nodes, and what is read of them, are one.
    let states = json!(["GET", CELLULAR.node("Modems/*/Registration/State")]);
    assert_eq!(CELLULAR.session(&bench, &agent, &[states]).await.0, [200]);
    assert_eq!(calls.take()["GetManagedObjects"], 1 + 1 + 1);
    agent.stop().await;
}
