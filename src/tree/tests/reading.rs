use serde_json::json;

use super::*;
use crate::store::{Change, Stored};

#[tokio::test]
async fn an_optional_node_without_a_value_is_not_there_and_a_required_one_is_empty() {
    let bench = Bench::new();
    assert_eq!(code(bench.get("Gone").await), 404);
    assert_eq!(code(bench.get("Note").await), 404);
    assert_eq!(bench.get("Must").await.unwrap(), Shown::Empty);
    assert_eq!(bench.get("Name").await.unwrap(), Shown::Empty);
    assert_eq!(bench.read("Default").await.unwrap(), "seven");
    let all = bench.read("").await.unwrap();
    assert_eq!(
        (&all["Must"], &all["Default"], &all["Fixed"]),
        (&json!(""), &json!("seven"), &json!("fixed"))
    );
    for name in ["Gone", "Note", "Group", "Fine"] {
        assert_eq!(all.get(name), None, "{name}");
    }
    bench.write("Default", json!("eight")).await.unwrap();
    assert_eq!(bench.read("Default").await.unwrap(), "eight", "until another is set");
}

#[tokio::test]
async fn a_leaf_has_its_type() {
    let bench = Bench::new();
    let value = Value::Text("fixed".into());
    assert_eq!(bench.get("Fixed").await.unwrap(), Shown::Leaf { mime: "text/plain".into(), value });
    bench.write("Level", json!(-3)).await.unwrap();
    assert_eq!(bench.read("").await.unwrap()["Level"], json!(-3));
}

#[tokio::test]
async fn an_optional_group_is_there_once_anything_in_it_is() {
    let bench = Bench::new();
    for path in ["Group", "Group/Inner", "Group/Deep", "Group/Deep/Leaf"] {
        assert_eq!(code(bench.get(path).await), 404, "{path}");
    }
    let group = json!({"Inner": "", "Deep": {"Leaf": "x"}});
    bench.write("Group", group.clone()).await.unwrap();
    assert_eq!(bench.read("Group").await.unwrap(), group);
    assert_eq!(bench.get("Group/Inner").await.unwrap(), Shown::Empty);
    assert_eq!(bench.read("?lv=1").await.unwrap()["Group"], json!({}), "what is cut off is looked into");
}

#[tokio::test]
async fn levels_are_cut() {
    let bench = Bench::new();
    bench.file("/net/eth0/mtu", "1500\n");
    assert_eq!(bench.read("Interfaces?lv=1").await.unwrap(), json!({"eth0": {}}));
    let whole = json!({"eth0": {"Mtu": 1500, "Own": "eth0"}});
    assert_eq!(bench.read("Interfaces?lv=2").await.unwrap(), whole);
    assert_eq!(bench.read("Interfaces").await.unwrap(), whole);
    assert_eq!(bench.read("?lv=1").await.unwrap()["Interfaces"], json!({}));
}

#[tokio::test]
async fn a_leaf_that_fails_does_not_withhold_the_others() {
    let bench = Bench::new();
    bench.file("/net/eth0/mtu", "fast\n");
    assert_eq!(code(bench.get("Interfaces/eth0/Mtu").await), 500);
    assert_eq!(bench.read("Interfaces").await.unwrap(), json!({"eth0": {"Own": "eth0"}}));
}

#[tokio::test]
async fn an_empty_interior_node_has_no_content() {
    let bench = Bench::new();
    assert_eq!(bench.get("Interfaces").await.unwrap(), Shown::Empty);
    assert_eq!(bench.get("Items").await.unwrap(), Shown::Empty);
}

#[tokio::test]
async fn what_may_not_be_read_is_shown_by_no_way() {
    let bench = Bench::new();
    bench.write("Hidden", json!("sesame")).await.unwrap();
    for path in ["Hidden", "Vault", "Vault/Inside"] {
        assert_eq!(code(bench.get(path).await), 405, "{path}");
        let node = bench.resolve(path, Rights::READ).await.unwrap();
        assert_eq!(code(bench.tree.document(&node, None, &bench.principal()).await), 405, "{path}");
    }
    let all = bench.read("").await.unwrap();
    assert!(all.get("Hidden").is_none() && all.get("Vault").is_none(), "{all}");
    let everything = bench.tree.everything(&bench.principal()).await.unwrap();
    assert!(everything.iter().all(|document| !String::from_utf8_lossy(document).contains("sesame")));
}

#[tokio::test]
async fn a_secret_is_shown_to_an_exact_get_and_to_nothing_else() {
    let bench = Bench::new();
    let exact = format!("{DMACC}//AuthNoti/AuthSecret");
    let Shown::Leaf { value, .. } = bench.get(&exact).await.unwrap() else { panic!("no leaf") };
    assert_eq!(value.to_raw(), b"acme's secret");
    let node = bench.resolve(&exact, Rights::READ).await.unwrap();
    assert_eq!(code(bench.tree.document(&node, None, &bench.principal()).await), 405);
    for path in ["", "AuthNoti"] {
        let Shown::Document(json) = bench.get(&format!("{DMACC}//{path}")).await.unwrap() else { panic!() };
        let json = String::from_utf8(json).unwrap();
        assert!(json.contains("AuthType") && !json.contains("secret") && !json.contains("Secret"), "{json}");
    }
    let everything = bench.tree.everything(&bench.principal()).await.unwrap();
    let everything = String::from_utf8(everything.join(&b'\n')).unwrap();
    assert!(everything.contains("The acme server") && everything.contains("Box"), "{everything}");
    assert!(!everything.contains("secret") && !everything.contains("The other server"), "{everything}");
}

#[tokio::test]
async fn a_pinned_node_keeps_its_first_answer() {
    let bench = Bench::new();
    assert_eq!(code(bench.get("Pinned").await), 404, "no answer is none to keep");
    bench.file("/worse", "\n");
    assert_eq!(bench.get("Pinned").await.unwrap(), Shown::Empty, "nor is an empty one");
    bench.file("/worse", "uuid\n");
    assert_eq!(bench.read("Pinned").await.unwrap(), "uuid");
    bench.file("/better", "imei\n");
    assert_eq!(bench.read("Pinned").await.unwrap(), "uuid");
}

#[tokio::test]
async fn a_full_disk_keeps_no_pinned_node_from_its_answer_nor_from_keeping_to_it() {
    let bench = Bench::new();
    let store = &bench.tree.store;
    let key = bench.resolve("Pinned", Rights::READ).await.unwrap().key().clone();
    let pinned = || store.snapshot().unwrap().pin(&key).unwrap();
    store.faults.fill();
    bench.file("/worse", "first\n");
    assert_eq!(bench.read("Pinned").await.unwrap(), "first");
    bench.file("/worse", "second\n");
    assert_eq!(bench.read("Pinned").await.unwrap(), "first");
    assert_eq!(pinned(), None);
    store.faults.heal();
    assert_eq!(bench.read("Pinned").await.unwrap(), "first");
    assert_eq!(pinned(), Some(Stored::Leaf(Value::Text("first".into()))));
    assert_eq!(store.held_pin(&key), None);
}

#[tokio::test]
async fn of_two_first_answers_the_earlier_is_kept_and_both_readers_have_it() {
    let bench = Bench::new();
    bench.file("/worse", "late\n");
    let node = bench.resolve("Pinned", Rights::READ).await.unwrap();
    let principal = bench.principal();
    let pass = bench.tree.pass(&principal).unwrap();
    let early = Stored::Leaf(Value::Text("early".into()));
    bench.tree.store.commit(vec![Change::Pin(node.key().clone(), early)]).await.unwrap();
    let read = pass.leaf(&node).await.unwrap();
    assert_eq!(read, Some(Value::Text("early".into())), "its snapshot is older than the pin");
}

#[tokio::test]
async fn un_named_nodes_come_from_a_listing_and_from_the_store() {
    let bench = Bench::new();
    bench.file("/net/eth0/mtu", "1500");
    bench.file("/net/eth1:0/mtu", "9000");
    bench.write("Items", json!({"b": {"Value": "2"}, "a": {"Value": "1"}})).await.unwrap();
    assert_eq!(bench.read("Items").await.unwrap(), json!({"a": {"Value": "1"}, "b": {"Value": "2"}}));
    assert_eq!(bench.read("Items/a/Value").await.unwrap(), "1");
    assert_eq!(bench.read("Interfaces/eth0/Mtu").await.unwrap(), "1500");
    let encoded = "Interfaces/eth1%3A0/Own";
    assert_eq!(bench.read(encoded).await.unwrap(), "eth1:0", "the variable is the machine's own name");
}

#[tokio::test]
async fn seeds_are_planted_once() {
    let bench = Bench::new();
    bench.tree.seed().await.unwrap();
    assert_eq!(
        bench.tree.own_leaf(&BOX.into(), "Fixed", &bench.principal()).await.unwrap().as_deref(),
        Some("fixed")
    );
    assert_eq!(bench.tree.own_leaf(&BOX.into(), "Name", &bench.principal()).await.unwrap(), None);
    assert_eq!(
        bench.tree.own_leaf(&"urn:t:mo:none:1.0".into(), "Name", &bench.principal()).await.unwrap(),
        None
    );
}

/// What a batch is in pieces, in whole, and once more.
#[tokio::test]
async fn a_large_batch_comes_in_pieces_and_the_same_ones_again() {
    let bench = Bench::new();
    let item = |n: usize| (format!("i{n}"), json!({"Value": "v".repeat(n % 100)}));
    let items: serde_json::Map<_, _> = (0..3000).map(item).collect();
    bench.write("Items", Json::Object(items)).await.unwrap();
    let principal = bench.principal();
    let mut gathering = bench.tree.gathering(&principal).unwrap();
    gathering.add_everything().await.unwrap();
    let batch = gathering.finish();
    // A change that comes later is none of it.
    bench.write("Items", json!({})).await.unwrap();
    let pieces: Vec<Vec<u8>> = batch.array(Profile::Draft).map(Result::unwrap).collect();
    assert!(pieces.len() > 3 && pieces.iter().all(|piece| piece.len() < 70_000), "{}", pieces.len());
    let whole: Json = serde_json::from_slice(&pieces.concat()).unwrap();
    let of_box = whole.as_array().unwrap().iter().find(|document| document["MOID"] == json!(BOX)).unwrap();
    assert_eq!(of_box["MOData"]["Box"]["Items"].as_object().unwrap().len(), 3000);
    assert_eq!(of_box["MOData"]["Box"]["Items"]["i42"]["Value"], json!("v".repeat(42)));
    let again: Vec<Vec<u8>> = batch.array(Profile::Draft).map(Result::unwrap).collect();
    assert_eq!(again, pieces);
}

#[tokio::test]
async fn a_profile_says_what_a_serialisation_is_wrapped_in() {
    let bench = Bench::waiting("0s", Account { profile: Profile::Approved, ..account("acme", 7) });
    let node = bench.resolve(&format!("{BOX}//Interfaces"), Rights::READ).await.unwrap();
    bench.file("/net/eth0/mtu", "1500");
    let Shown::Document(json) = bench.tree.read(&node, None, &bench.principal()).await.unwrap() else {
        panic!()
    };
    let data = json!({"Interfaces": {"eth0": {"Mtu": 1500, "Own": "eth0"}}});
    let uri = format!("{BOX}//Interfaces");
    let expected = json!([{"DDF": "https://t.example/box.ddf", "ClientURI": uri, "MOData": data}]);
    assert_eq!(serde_json::from_slice::<Json>(&json).unwrap(), expected);
}

#[tokio::test]
async fn what_has_no_value_is_an_empty_text_or_left_out_and_never_null() {
    let bench = Bench::new();
    let whole = bench.read("").await.unwrap();
    assert_eq!((&whole["Name"], &whole["Must"]), (&json!(""), &json!("")), "text, and required");
    assert_eq!(whole.get("Level"), None, "no number is empty");
    assert!(!whole.to_string().contains("null"), "{whole}");
    bench.write("", whole).await.unwrap();
    // One by one, as they are sent.
    for (path, data) in [("Name", Some(json!({"Name": ""}))), ("Level", None)] {
        let node = bench.resolve(path, Rights::READ).await.unwrap();
        let principal = bench.principal();
        let mut gathering = bench.tree.gathering(&principal).unwrap();
        gathering.add(Resolved::One(node), None, None).await.unwrap();
        let sent = gathering.finish().documents(Profile::Draft, 1 << 20).await.unwrap().pop();
        let sent = sent.map(|json| serde_json::from_slice::<Json>(&json).unwrap()["MOData"].clone());
        assert_eq!(sent, data, "{path}");
    }
}

#[tokio::test]
async fn what_has_nothing_but_failing_sources_is_unavailable() {
    let bench = Bench::new();
    // No number, and so no value.
    bench.file("/net/eth0/mtu", "many");
    assert_eq!(
        bench.read("Interfaces/eth0").await.unwrap(),
        json!({"Own": "eth0"}),
        "what fails is left out"
    );
    std::fs::create_dir_all(bench.path("/files/folder")).unwrap();
    assert_eq!(code(bench.get("Files/folder").await), 503, "its only source fails");
    assert_eq!(code(bench.get("Files").await), 503);
    bench.file("/files/other", "there");
    let files = bench.read("Files").await.unwrap();
    assert_eq!(files["other"], json!({"Text": "there"}));
    let uri = ClientUri::parse(&format!("{BOX}/1/Files/*/Text")).unwrap();
    let found = bench.tree.resolve_all(&uri, &bench.principal(), Rights::READ).await.unwrap();
    let shown = bench.tree.show(found, None, None, MOST_SHOWN, &bench.principal()).await.unwrap();
    assert!(matches!(shown, Shown::Document(_)), "one of them is there");
    std::fs::remove_file(bench.path("/files/other")).unwrap();
    let found = bench.tree.resolve_all(&uri, &bench.principal(), Rights::READ).await.unwrap();
    assert_eq!(code(bench.tree.show(found, None, None, MOST_SHOWN, &bench.principal()).await), 503);
}
