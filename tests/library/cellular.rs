//! `mo/cellular`, with what ModemManager says of two modems.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use zbus::wire::{ObjectPath, OwnedVariant, Variant};
use zbus::{OwnedObjectPath, interface};

use super::*;
use crate::support::bus::Daemon;

const CELLULAR: Published = Published { moid: "urn:x-omadm:mo:cellular:1.0", root: "Cellular" };
const MODEM: &str = "org.freedesktop.ModemManager1.Modem";

type Properties = HashMap<String, OwnedVariant>;

/// All modems, as ModemManager tells of them at once; it counts how often it does.
struct Manager(Arc<AtomicUsize>);

fn own<'a>(value: impl Into<Variant<'a>>) -> OwnedVariant {
    OwnedVariant::try_from(value.into()).unwrap()
}

#[interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Manager {
    fn get_managed_objects(&self) -> HashMap<OwnedObjectPath, HashMap<String, Properties>> {
        self.0.fetch_add(1, Ordering::SeqCst);
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
        HashMap::from([modem(2, 8, Some(5)), modem(10, -1, None)])
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
async fn modems_are_told_with_what_each_of_their_interfaces_says_and_all_are_asked_for_at_once() {
    let daemon = Daemon::start();
    let asked = Arc::<AtomicUsize>::default();
    let service = daemon.connect().name("org.freedesktop.ModemManager1");
    let service = service.serve_at("/org/freedesktop/ModemManager1", Manager(Arc::clone(&asked)));
    let service = service.serve_at("/org/freedesktop/ModemManager1/Modem/2", Modem);
    let service = service.serve_at("/org/freedesktop/ModemManager1/SIM/2", Sim);
    let _service = service.serve_at("/org/freedesktop/ModemManager1/Bearer/0", Bearer).build().await.unwrap();
    let there = ("usr/share/dbus-1/system-services/org.freedesktop.ModemManager1.service", "");
    let bench = bench("cellular", &daemon.config(), &[there]).await;
    let agent = bench.start().await;
    let before = asked.load(Ordering::SeqCst);
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
    let expected = json!({
        "Modems": {"2": modem(2, "registered", registered), "10": modem(10, "failed", json!({}))},
        "Sims": {"2": {"ICCID": "8900100000000000001", "IMSI": "001010000000001"}},
        "Bearers": {
            "0": {"Connected": true, "Interface": "wwan0", "Received": 9_000_000_000_u64, "Duration": 75},
        },
    });
    assert_eq!(CELLULAR.read(&bench, &agent).await, expected, "{}", agent.log());
    let asked = asked.load(Ordering::SeqCst) - before;
    assert!(
        (1..=3).contains(&asked),
        "{asked} times: for the list, for all values, and for what carries the session"
    );
    agent.stop().await;
}
