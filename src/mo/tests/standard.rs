//! The standard's own objects, as they ship.

use std::path::Path;

use super::*;
use crate::ddf::{AccessType, CaseSense, Format, Occurrence};

/// Path, occurrence, format, and whether servers may read it: the TS's node tables. An empty path is the root.
type Described = (&'static str, Occurrence, Format, bool);

use Format::{Bin, Chr, Int, Node as Interior};
use Occurrence::{One, OneOrMore, ZeroOrMore, ZeroOrOne};

/// TS 11.1, less what is optional and not supported.
const DEV_INFO: &[Described] = &[
    ("", One, Interior, true),
    ("DevID", One, Chr, true),
    ("Man", One, Chr, true),
    ("Mod", One, Chr, true),
    ("DmV", One, Chr, true),
    ("Lang", One, Chr, true),
    ("DevType", One, Chr, true),
    ("OEM", One, Chr, true),
    ("FwV", One, Chr, true),
    ("SwV", One, Chr, true),
    ("HwV", One, Chr, true),
];

/// TS 11.2 and D.2.3. AuthNoti, Push and GCM are One where they are supported; an account may lack them.
const DM_ACC: &[Described] = &[
    ("", ZeroOrMore, Interior, true),
    ("ServerID", One, Chr, true),
    ("Name", One, Chr, true),
    ("SrvURI", One, Chr, true),
    ("Permissions", One, Interior, false),
    ("Permissions/<x>", OneOrMore, Interior, false),
    ("Permissions/<x>/MOID", One, Chr, false),
    ("AuthNoti", ZeroOrOne, Interior, true),
    ("AuthNoti/AuthType", One, Int, true),
    ("AuthNoti/AuthSecret", One, Chr, true),
    ("Push", ZeroOrOne, Interior, true),
    ("Push/GCM", ZeroOrOne, Interior, true),
    ("Push/GCM/SenderID", One, Chr, true),
    ("Push/GCM/RegURL", One, Chr, true),
    ("Push/GCM/UnRegURL", One, Chr, true),
    ("Push/GCM/RegParams", One, Chr, true),
];

/// The approved text's names for the same, and its bootstrap server.
const DM_ACC_APPROVED: &[Described] = &[
    ("", ZeroOrMore, Interior, true),
    ("SrvID", One, Chr, true),
    ("SrvURI", One, Chr, true),
    ("Name", One, Chr, true),
    ("Perm", One, Interior, false),
    ("Perm/<x>", OneOrMore, Interior, false),
    ("Perm/<x>/MOID", One, Chr, false),
    ("Auth", ZeroOrOne, Interior, true),
    ("Auth/Bootstrap", ZeroOrOne, Interior, true),
    ("Auth/Bootstrap/ServerURI", One, Chr, true),
    ("Auth/Bootstrap/SecMode", ZeroOrOne, Bin, true),
    ("Auth/Bootstrap/ClientPubKey", ZeroOrOne, Bin, false),
    ("Auth/Bootstrap/ServerPubKey", ZeroOrOne, Bin, false),
    ("Auth/Bootstrap/ClientSecretKey", ZeroOrOne, Bin, false),
    ("Auth/Noti", ZeroOrOne, Interior, true),
    ("Auth/Noti/Type", One, Int, true),
    ("Auth/Noti/Data", One, Bin, true),
    ("Auth/Noti/Secret", One, Bin, true),
    ("Auth/Trsp", ZeroOrOne, Interior, true),
    ("Auth/Trsp/Data", One, Bin, true),
    ("Auth/Trsp/Secret", One, Bin, false),
    ("Push", ZeroOrOne, Interior, true),
    ("Push/GCM", ZeroOrOne, Interior, true),
    ("Push/GCM/SenderID", One, Chr, true),
    ("Push/GCM/RegURI", One, Chr, true),
    ("Push/GCM/UnRegURI", One, Chr, true),
    ("Push/GCM/RegParams", One, Chr, true),
];

/// TS 11.3. The TS hangs the entries below the leaf MOID; they are its siblings.
const DMDAC: &[Described] = &[
    ("", ZeroOrMore, Interior, true),
    ("MOID", One, Chr, true),
    ("<entry>", ZeroOrMore, Interior, true),
    ("<entry>/MIID", One, Chr, true),
    ("<entry>/MAID", One, Chr, true),
    ("<entry>/AccessRights", One, Int, true),
];

/// TS 11.4.
const SESSION_INFO: &[Described] =
    &[("", One, Interior, true), ("CBT", One, Int, true), ("ROAMING", One, Int, true)];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mo").join(name)
}

fn shipped(name: &str) -> ManagementObject {
    let mut problems = Problems::default();
    let object = load::load_one(&folder(name), &mut problems);
    assert!(problems.is_empty(), "{problems}");
    object.unwrap()
}

/// The names of the nodes that have none.
fn without_description(nodes: &[crate::ddf::Node]) -> Vec<String> {
    let own = nodes.iter().filter(|node| node.properties.description.is_none());
    let own = own.map(|node| format!("{:?}", node.name));
    own.chain(nodes.iter().flat_map(|node| without_description(&node.children))).collect()
}

#[test]
fn the_standard_objects_are_as_the_ts_describes_them() {
    for (name, moid, described) in [
        ("devinfo", "urn:oma:mo:oma-dm-devinfo:1.2", DEV_INFO),
        ("dmacc", "urn:oma:mo:oma-dm-dmacc:2.0", DM_ACC),
        ("dmacc-approved", "urn:oma:mo:oma-dm-dmacc:1.2", DM_ACC_APPROVED),
        ("dmdac", "urn:oma:mo:oma-dm-dmdac:1.0", DMDAC),
        ("sessioninfo", "urn:oma:mo:oma-sessioninfomo:1.0", SESSION_INFO),
    ] {
        let object = shipped(name);
        assert_eq!(object.moid, moid);
        let root = &object.node(ManagementObject::ROOT).properties;
        assert_eq!(root.ddf_name.as_deref(), Some(moid), "{name}: DFType of the root");
        let mut paths = Vec::new();
        for id in object.ids() {
            let (path, node) = (object.path(id), object.node(id));
            let found = described.iter().find(|(wanted, ..)| *wanted == path);
            let (_, occurrence, format, readable) =
                found.unwrap_or_else(|| panic!("{name}: {path} is no node of the TS"));
            let properties = &node.properties;
            assert_eq!((properties.occurrence, properties.format), (*occurrence, *format), "{name}: {path}");
            assert_eq!(properties.access.allows(AccessType::GET), *readable, "{name}: {path}: Get");
            assert_eq!(properties.mime.is_empty(), *format == Interior, "{name}: {path}: MIME type");
            paths.push(path);
        }
        assert_eq!(paths.len(), described.len(), "{name}: {paths:?}");
        let made = load::ddf(&folder(name), &mut Problems::default()).unwrap().to_xml();
        let xml = fs::read_to_string(folder(name).join(format!("{name}.ddf.xml"))).unwrap_or(made);
        // What is for people only is not kept once loaded.
        let ddf = crate::ddf::parse(xml.as_bytes()).unwrap();
        let case_sense = ddf.roots[0].properties.case_sense;
        assert_eq!(case_sense, Some(CaseSense::Sensitive), "{name}: whether case matters is said");
        assert_eq!(without_description(&ddf.roots), [""; 0], "{name}");
    }
    let session = shipped("sessioninfo");
    let fixed = |id| session.node(id).properties.access == AccessType::GET;
    assert!(session.ids().all(fixed), "No Replace, nor anything else");
}

/// A name that flips when a modem wakes up would make two devices of one.
#[test]
fn the_device_id_is_kept_once_a_better_source_has_had_its_time() {
    let devinfo = shipped("devinfo");
    let mapping = &devinfo.node(devinfo.find("DevID").unwrap()).mapping;
    assert_eq!((mapping.pin, mapping.wait), (true, Some(std::time::Duration::from_secs(60))));
    let names = |source: &crate::mo::mapping::Source| match &source.from {
        SourceKind::Property { property, .. } => property.clone(),
        SourceKind::MachineId(_) => "machine-id".to_owned(),
        SourceKind::Builtin(name) => name.clone(),
        other => panic!("{other:?}"),
    };
    let sources: Vec<String> = mapping.get.iter().map(names).collect();
    assert_eq!(sources, ["EquipmentIdentifier", "machine-id", "hardware-uuid", "mac-uuid", "random-uuid"]);
}
