//! What version 0.1.0 left behind: one record and more of each table.

use std::io::Read;
use std::path::Path;

use super::*;
use crate::base::Secret;
use crate::config::StoredChange;
use crate::store::records::Registration;

pub(super) fn unpack(folder: &Path) {
    unpack_from(folder, include_bytes!("../../../tests/fixtures/store-0.1.0.redb.gz"));
}

fn unpack_from(folder: &Path, packed: &[u8]) {
    let mut whole = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut whole).unwrap();
    put(&folder.join("store.redb"), &whole);
}

#[expect(clippy::disallowed_methods, reason = "the test makes the file that an agent finds")]
pub(super) fn put(path: &Path, content: &[u8]) {
    std::fs::write(path, content).unwrap();
}

/// How many of the fixture's facts are not there.
pub(super) fn missing(store: &Store) -> Vec<&'static str> {
    const X: &str = "urn:oma:mo:x:1.0";
    let at = store.snapshot().unwrap();
    let node = |name: &str| at.node(&NodeKey::node(&X.into(), "7", [name])).unwrap();
    let text = |text: &str| text.to_owned();
    let acme = || ServerId::from("acme");
    let mut alerts = Vec::new();
    at.alerts("acme", |number, json| {
        alerts.push((number, String::from_utf8(json.to_vec()).unwrap()));
        true
    })
    .unwrap();
    let alert = r#"{"AlertType":"urn:oma:at:x:1.0","SourceURI":"urn:oma:mo:x:1.0/7"}"#;
    let instances = [("7".into(), "serverid:acme".into()), ("empty".into(), "serverid:other".into())];
    let granted = NodeKey::node(&"urn:oma:mo:oma-dm-dmdac:1.0".into(), "m", ["1", "serverid:acme"]);
    let devid = NodeKey::node(&"urn:oma:mo:oma-dm-devinfo:1.2".into(), "1", ["DevID"]);
    let change =
        StoredChange { leaf: text("name"), over: [5; 32], value: Secret::new(b"a new name".to_vec()) };
    let standing = Registration { register: true, id: text("registration"), told: Some(text("told")) };
    let subscription = Subscription {
        server_id: acme(),
        client_uri: text("urn:oma:mo:x:1.0/7/"),
        server_uri: text("https://acme.example/put"),
        delivered: Some([6; 32]),
    };
    let trigger = br#"{"starts":0,"preferred":[],"req_mos":true,"requested":[]}"#.to_vec();
    let facts = [
        ("text", node("Text") == Some(leaf("a text"))),
        ("interior", node("Interior") == Some(Stored::Interior)),
        ("number", node("Number") == Some(Stored::Leaf(Value::Int(-5)))),
        ("float", node("Float") == Some(Stored::Leaf(Value::Float(0.5)))),
        ("truth", node("Truth") == Some(Stored::Leaf(Value::Bool(true)))),
        ("null", node("Null") == Some(Stored::Leaf(Value::Null))),
        ("bytes", node("Bytes") == Some(Stored::Leaf(Value::Bytes(vec![0, 255, 1])))),
        ("instances", at.instances(&X.into()).unwrap() == instances),
        ("rights", at.node(&granted).unwrap() == Some(leaf("1 16 urn:oma:mo:x:1.0"))),
        ("pin", at.pin(&devid).unwrap() == Some(leaf("IMEI:490154203237518"))),
        (
            "notification",
            at.notifications().unwrap()
                == [SeenNotification { server_id: acme(), id: 513, time: 1_790_000_000 }],
        ),
        ("contact", at.contact(&acme()).unwrap() == Some(1_790_000_001)),
        (
            "default",
            at.default_uri(&"urn:oma:mo:y:1.0".into()).unwrap()
                == Some(DefaultSource {
                    server_id: acme(),
                    server_uri: text("https://acme.example/default"),
                }),
        ),
        ("push", at.push().unwrap() == [(acme(), standing)]),
        ("trigger", at.triggers().unwrap() == [StoredTrigger { server_id: acme(), id: 513, json: trigger }]),
        ("alert", alerts == [(1, text(alert))]),
        ("cache", at.cache_key().unwrap() == Some([9; 64])),
        ("mos", at.mos_sent(&acme()).unwrap() == [X, "urn:oma:mo:y:1.0"]),
        ("exec", at.execs().unwrap().first().is_some_and(|(number, json)| *number == 3 && json.len() > 50)),
        ("intent", at.intents().unwrap() == [(4, b"an intent".to_vec())]),
        ("account", at.brought().unwrap().first().is_some_and(|(server_id, _)| server_id == "brought")),
        ("override", at.overrides(&acme()).unwrap() == [change]),
        ("subscription", at.subscriptions().unwrap() == [subscription]),
        ("miid", at.last_miid(&X.into()).unwrap() == Some(7)),
        ("quota", used(store) == recounted(store)),
        ("clock", at.clock().unwrap() == Some(1_790_000_002)),
        ("subscriber", at.subscriber().unwrap() == Some((11, 12))),
    ];
    facts.into_iter().filter(|(_, holds)| !holds).map(|(name, _)| name).collect()
}

#[test]
fn the_store_of_0_1_0_is_found_whole_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    unpack(folder.path());
    let opened = Store::open(folder.path()).unwrap();
    assert_eq!(opened.set_aside, None);
    assert_eq!(missing(&opened.store), [""; 0]);
    opened.store.commit_blocking(&[Change::Alert("acme".into(), b"{}".to_vec())]).unwrap();
    drop(opened);
    let opened = Store::open(folder.path()).unwrap();
    assert_eq!((opened.set_aside, missing(&opened.store)), (None, vec!["alert"]), "there are two now");
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

/// The same records, in the layout of before alarms.
#[test]
fn the_store_of_schema_4_is_found_whole_and_takes_alarms() {
    let folder = tempfile::tempdir().unwrap();
    unpack_from(folder.path(), include_bytes!("../../../tests/fixtures/store-schema-4.redb.gz"));
    let opened = Store::open(folder.path()).unwrap();
    assert_eq!((opened.set_aside, missing(&opened.store)), (None, Vec::new()));
    let key =
        crate::store::AlarmKey { moid: "urn:m".into(), name: "a".into(), client_uri: "urn:m/1/L".into() };
    let record = crate::store::records::AlarmRecord { raised: true, ..Default::default() };
    assert_eq!(opened.store.snapshot().unwrap().alarms().unwrap(), []);
    opened.store.commit_blocking(&[Change::Alarm(key.clone(), record.clone())]).unwrap();
    drop(opened.store);
    let store = Store::open(folder.path()).unwrap().store;
    assert_eq!(store.snapshot().unwrap().alarms().unwrap(), [(key, record)]);
}

/// As a version to come leaves it: what the machine's life over versions (`tests/system/upgrade`) goes back from.
#[test]
fn a_store_of_a_newer_layout_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    unpack_from(folder.path(), include_bytes!("../../../tests/fixtures/store-newer.redb.gz"));
    let aside = Store::open(folder.path()).unwrap().set_aside.unwrap();
    assert!(aside.why.contains("newer") && aside.kept.contains("factory state"), "{aside:?}");
    assert!(aside.file.is_file());
    assert_eq!(Store::open(folder.path()).unwrap().set_aside, None, "the new one stays");
}
