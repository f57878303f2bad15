//! The shipped management objects, read on this machine and on made-up ones.

use super::*;
use crate::mo::builtin;
use crate::mo::fill::Variables;
use crate::mo::pipeline::Passed;
use crate::mo::{ManagementObject, load};
use crate::spanned::Problems;

const MACHINE_ID: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0\n";

fn object(name: &str) -> ManagementObject {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mo").join(name);
    let mut problems = Problems::default();
    let object = load::load_one(&folder, &mut problems);
    assert!(problems.is_empty(), "{problems}");
    object.unwrap()
}

/// Paths and values of DevInfo's leaves.
async fn devinfo(bench: &Bench) -> Vec<(String, String)> {
    let object = object("devinfo");
    let mut leaves = Vec::new();
    for id in object.ids().filter(|id| object.is_leaf(*id)) {
        let node = object.node(id);
        let answer = read(&node.mapping, node.properties.format, false, &bench.context()).await.unwrap();
        let Answer::Value(reading) = answer else { panic!("{}: {answer:?}", object.path(id)) };
        leaves.push((object.path(id), reading.value.to_text().into_owned()));
    }
    leaves
}

fn leaf<'a>(leaves: &'a [(String, String)], name: &str) -> &'a str {
    let found = leaves.iter().find(|(path, _)| path.rsplit('/').next() == Some(name));
    &found.unwrap_or_else(|| panic!("no {name} in {leaves:?}")).1
}

#[tokio::test]
async fn every_leaf_says_something_on_this_machine() {
    let leaves = devinfo(&Bench::real()).await;
    assert_eq!(leaves.len(), 10);
    assert!(leaves.iter().all(|(_, value)| !value.trim().is_empty()), "{leaves:?}");
    assert!(leaf(&leaves, "DevID").starts_with("UUID:"), "{leaves:?}");
    println!("{leaves:#?}");
}

#[tokio::test]
async fn a_pc_with_careless_firmware() {
    let bench = Bench::new()
        .file("/etc/machine-id", MACHINE_ID)
        .file("/etc/os-release", "VERSION_ID=\"12\"\nIMAGE_VERSION=7.1\n")
        .file("/etc/default/locale", "LANG=fr_CH.UTF-8\n")
        .file("/sys/class/dmi/id/sys_vendor", "To Be Filled By O.E.M.\n")
        .file("/sys/class/dmi/id/board_vendor", "Acme Boards\n")
        .file("/sys/class/dmi/id/product_name", "APU2\n")
        .file("/sys/class/dmi/id/product_version", "Default string\n")
        .file("/sys/class/dmi/id/board_version", "r3\n")
        .file("/sys/class/dmi/id/chassis_type", "3\n")
        .file("/sys/class/dmi/id/bios_version", "v4.19\n");
    let leaves = devinfo(&bench).await;
    let found = ["Man", "Mod", "Lang", "DevType", "OEM", "FwV", "SwV", "HwV"].map(|name| leaf(&leaves, name));
    assert_eq!(found, ["Acme Boards", "APU2", "fr-CH", "desktop", "Acme Boards", "7.1", "12", "r3"]);
}

#[tokio::test]
async fn a_board_with_a_device_tree() {
    let bench = Bench::new()
        .file("/etc/machine-id", MACHINE_ID)
        .file("/proc/device-tree/compatible", "sinovoip,bpi-r3\0mediatek,mt7986a\0")
        .file("/proc/device-tree/model", "Bananapi BPI-R3\0")
        .file("/proc/device-tree/chosen/u-boot,version", "2024.01\0");
    let leaves = devinfo(&bench).await;
    let found = ["Man", "Mod", "DevType", "OEM", "FwV", "HwV"].map(|name| leaf(&leaves, name));
    assert_eq!(found, ["sinovoip", "Bananapi BPI-R3", "gateway", "sinovoip", "2024.01", "sinovoip,bpi-r3"]);
}

#[tokio::test]
async fn what_the_integrator_wrote_wins() {
    let bench = Bench::new()
        .file("/etc/machine-info", "HARDWARE_VENDOR=\"Acme\"\nHARDWARE_MODEL=GW-1\nCHASSIS=embedded\n")
        .file("/etc/machine-id", MACHINE_ID)
        .file("/sys/class/dmi/id/chassis_type", "3\n")
        .file("/sys/class/dmi/id/sys_vendor", "Maker\n");
    let leaves = devinfo(&bench).await;
    let found = ["Man", "Mod", "DevType", "OEM"].map(|name| leaf(&leaves, name));
    assert_eq!(found, ["Acme", "GW-1", "embedded", "Maker"]);
}

/// TS 11.1: IMEI of 15 digits, or a UUID.
#[tokio::test]
async fn the_device_id_is_a_urn_of_one_of_the_known_forms() {
    let leaves = devinfo(&Bench::new().file("/etc/machine-id", MACHINE_ID)).await;
    let uuid = leaf(&leaves, "DevID").strip_prefix("UUID:").unwrap();
    let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
    assert!(uuid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()), "{uuid}");

    let object = object("devinfo");
    let modem = &object.node(object.find("DevID").unwrap()).mapping.get[0];
    let read = |text: &str| match modem.pipeline.apply(text, Format::Chr, &Variables::default()).unwrap() {
        Passed::Value(value) => Some(value),
        Passed::Absent(_) => None,
    };
    assert_eq!(read("493005100592800").as_deref(), Some("IMEI:493005100592800"));
    for none in ["49300510059280", "4930051005928000", "A0000012345678", ""] {
        assert_eq!(read(none), None, "{none:?}");
    }
}

#[test]
fn every_builtin_is_known_and_every_account_value_mapped() {
    let mut named = Vec::new();
    for object in ["devinfo", "sessioninfo", "dmacc", "dmacc-approved", "dmdac"].map(object) {
        for source in object.ids().flat_map(|id| &object.node(id).mapping.get) {
            if let SourceKind::Builtin(name) = &source.from {
                assert!(builtin::known(name), "{name}");
                named.push(name.clone());
            }
        }
    }
    let account = builtin::FROM_ACCOUNT.map(|value| format!("account.{value}"));
    for name in account.iter().map(String::as_str).chain(builtin::FROM_AGENT) {
        assert!(named.iter().any(|known| known == name), "{name}");
    }
}
