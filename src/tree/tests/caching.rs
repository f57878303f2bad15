//! Cache validators (TS 12).

use serde_json::json;

use super::*;
use crate::store::Change;

const LISTED: &str = "urn:t:mo:crate:1.0";

async fn keyed() -> Bench {
    let bench = Bench::new();
    bench.tree.store.commit(vec![Change::CacheKey([7; 64])]).await.unwrap();
    bench
}

/// GET of a ClientURI below the MOID, or a whole one.
async fn show(bench: &Bench, uri: &str) -> Result<Shown, TreeError> {
    let uri = if uri.starts_with("urn:") { uri.to_owned() } else { format!("{BOX}/{uri}") };
    let uri = ClientUri::parse(&uri).unwrap();
    let found = bench.tree.resolve_all(&uri, &bench.principal(), Rights::READ).await?;
    bench.tree.show(found, uri.level, uri.cache_validator.as_deref(), MOST_SHOWN, &bench.principal()).await
}

async fn document(bench: &Bench, uri: &str) -> String {
    let Shown::Document(json) = show(bench, uri).await.unwrap() else { panic!("{uri}: no document") };
    String::from_utf8(json).unwrap()
}

async fn validator(bench: &Bench) -> String {
    let json: Json = serde_json::from_str(&document(bench, "1/").await).unwrap();
    json["CV"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_root_of_an_instance_comes_with_its_validator_as_the_last_member() {
    let bench = keyed().await;
    let whole = document(&bench, "1/").await;
    let cv = validator(&bench).await;
    assert!(whole.ends_with(&format!(r#"}},"CV":"{cv}"}}"#)), "{whole}");
    assert!(cv.len() == 22 && !cv.contains(['+', '/', '=']), "it stands bare in a query: {cv}");
    let cut = document(&bench, "1/?lv=1").await;
    assert!(cut.ends_with(&format!(r#"}},"CV":"{cv}"}}"#)), "{cut}");
    bench.write("Group", json!({"Inner": "x"})).await.unwrap();
    assert!(!document(&bench, "1/Group").await.contains("\"CV\""), "it is the instance's, not the node's");
    let wild: Json = serde_json::from_str(&document(&bench, "*/").await).unwrap();
    assert_eq!(wild[0]["CV"], json!(validator(&bench).await));
}

#[tokio::test]
async fn every_change_makes_another_validator_and_its_undoing_the_first_one_again() {
    let bench = keyed().await;
    bench.write("Hidden", json!("a")).await.unwrap();
    let first = validator(&bench).await;
    assert_eq!(validator(&bench).await, first, "nothing has changed");
    for (path, one, other) in [
        ("Name", json!("a"), json!("")),
        ("Hidden", json!("b"), json!("a")),
        ("Items", json!({"i": {"Value": "v"}}), json!({})),
        ("Level", json!(1), json!(2)),
    ] {
        bench.write(path, other.clone()).await.unwrap();
        let before = validator(&bench).await;
        bench.write(path, one).await.unwrap();
        assert_ne!(validator(&bench).await, before, "{path}");
        bench.write(path, other).await.unwrap();
        assert_eq!(validator(&bench).await, before, "{path}");
    }
    let before = validator(&bench).await;
    bench.file("/net/eth0/mtu", "1500\n");
    let listed = validator(&bench).await;
    assert_ne!(listed, before, "the machine lists another node");
    bench.file("/net/eth0/mtu", "9000\n");
    assert_ne!(validator(&bench).await, listed, "a value from outside is another one");
}

#[tokio::test]
async fn what_moves_between_neighbours_is_a_change() {
    let bench = keyed().await;
    bench.write("", json!({"Name": "ab", "Note": "c"})).await.unwrap();
    let before = validator(&bench).await;
    bench.write("", json!({"Name": "a", "Note": "bc"})).await.unwrap();
    assert_ne!(validator(&bench).await, before);
}

#[tokio::test]
async fn a_validator_is_good_for_every_node_that_the_server_may_read() {
    let bench = keyed().await;
    bench.write("Name", json!("n")).await.unwrap();
    bench.write("Hidden", json!("h")).await.unwrap();
    let cv = validator(&bench).await;
    for path in ["1/", "/", "1/Name", "1/Must", "1/Interfaces", "1/?lv=1", "(x)/Name?nv=(x)/Name:n"] {
        let separator = if path.contains('?') { '&' } else { '?' };
        let uri = |cv: &str| format!("{path}{separator}cv={cv}");
        assert_eq!(show(&bench, &uri(&cv)).await.unwrap(), Shown::Fresh, "{path}");
        assert_ne!(show(&bench, &uri("other")).await.unwrap(), Shown::Fresh, "{path}");
    }
    for (path, status) in [("1/Gone", 404), ("1/Group", 404), ("1/NoSuchNode", 404), ("1/Hidden", 405)] {
        assert_eq!(code(show(&bench, &format!("{path}?cv={cv}")).await), status, "{path}");
    }
    let wild = show(&bench, &format!("*/Name?cv={cv}")).await.unwrap();
    assert!(matches!(wild, Shown::Document(_)), "what a wildcard addresses is never fresh");
    bench.write("Items", json!({"i": {"Value": "v"}})).await.unwrap();
    assert_eq!(bench.read("Name").await.unwrap(), "n");
    assert_ne!(show(&bench, &format!("1/Name?cv={cv}")).await.unwrap(), Shown::Fresh, "another node changed");
}

#[tokio::test]
async fn a_validator_tells_nothing_to_who_lacks_the_devices_key() {
    let one = keyed().await;
    let other = Bench::new();
    assert!(!document(&other, "1/").await.contains("CV"), "without a key there is none");
    other.tree.store.commit(vec![Change::CacheKey([8; 64])]).await.unwrap();
    assert_ne!(validator(&one).await, validator(&other).await);
    one.tree.store.commit(vec![Change::CacheKey([9; 64])]).await.unwrap();
    let kept = one.tree.store.snapshot().unwrap().cache_key().unwrap();
    assert_eq!(kept, Some([7; 64]), "it is made once");
}

#[tokio::test]
async fn only_a_server_that_may_read_learns_that_nothing_changed() {
    let bench = keyed().await;
    let cv = validator(&bench).await;
    let account = Arc::new(super::account("acme", 6));
    let principal = Principal { account: &account, session: SessionFacts::default() };
    let uri = ClientUri::parse(&format!("{BOX}/1/Name?cv={cv}")).unwrap();
    assert_eq!(code(bench.tree.resolve_all(&uri, &principal, Rights::READ).await), 403);
    assert_eq!(code(show(&bench, &format!("{LISTED}/1/?cv={cv}")).await), 404);
}

#[tokio::test]
async fn what_is_fresh_is_left_out_of_what_is_sent() {
    let bench = keyed().await;
    let cv = validator(&bench).await;
    let principal = bench.principal();
    let uris = |texts: &[&str]| -> Vec<ClientUri> {
        texts.iter().map(|text| ClientUri::parse(&format!("{BOX}/{text}")).unwrap()).collect()
    };
    let (fresh, stale) = (format!("1/?cv={cv}"), "1/Fixed?cv=other");
    for (texts, expected, all_fresh) in [
        (vec![fresh.as_str(), stale], 1, false),
        (vec![fresh.as_str(), fresh.as_str()], 0, true),
        (vec!["1/Items/*"], 0, false),
        (vec!["1/Fixed", "*/Fixed", "1/Items/*"], 2, false),
    ] {
        let mut gathering = bench.tree.gathering(&principal).unwrap();
        for uri in uris(&texts) {
            let found = bench.tree.resolve_all(&uri, &principal, Rights::READ).await.unwrap();
            gathering.add(found, uri.level, uri.cache_validator.as_deref()).await.unwrap();
        }
        assert_eq!(gathering.is_all_fresh(), all_fresh, "{texts:?}");
        assert_eq!(gathering.finish().len(), expected, "{texts:?}");
    }
}
