use serde_json::json;

use super::*;

async fn status(bench: &Bench, path: &str) -> u16 {
    code(bench.resolve(path, Rights::READ).await)
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let bench = Bench::new();
    for path in [
        "NoSuchNode",
        "Fixed/Below",
        "Interfaces/eth9",
        "Interfaces/eth9/Mtu",
        "Items/none",
        "urn:t:mo:none:1.0//",
        "urn:t:mo:box:1.0/2/",
        "urn:t:mo:crate:1.0//",
    ] {
        assert_eq!(status(&bench, path).await, 404, "{path}");
    }
}

#[tokio::test]
async fn the_only_instance_needs_no_name_and_an_alias_leads_to_the_object() {
    let bench = Bench::new();
    for uri in ["urn:t:mo:box:1.0//Fixed", "urn:t:mo:box:0.9/1/Fixed", "urn:t:mo:box:0.9//Fixed"] {
        let node = bench.resolve(uri, Rights::READ).await.unwrap();
        assert_eq!(node.client_uri(), "urn:t:mo:box:1.0/1/Fixed");
    }
}

#[tokio::test]
async fn names_not_told_apart_by_case_are_spelt_as_described() {
    let bench = Bench::new();
    assert_eq!(bench.resolve("LEVEL", Rights::READ).await.unwrap().name(), "Level");
    assert_eq!(status(&bench, "NAME").await, 404);
}

/// What a server is shown is what it may write into a ClientURI.
#[tokio::test]
async fn a_name_that_needs_percent_encoding_leads_back_to_its_node() {
    let bench = Bench::new();
    bench.file("/net/eth1:0/mtu", "1500\n");
    assert_eq!(bench.read("Interfaces/eth1%3A0/Own").await.unwrap(), "eth1:0");
    bench.write("Items", json!({"a b": {"Value": "1"}, "c%20d": {"Value": "2"}})).await.unwrap();
    let items = json!({"a%20b": {"Value": "1"}, "c%20d": {"Value": "2"}});
    assert_eq!(bench.read("Items").await.unwrap(), items);
    assert_eq!(bench.read("Items/c%20d/Value").await.unwrap(), "2");
    let node = bench.resolve("Items/a%20b/Value", Rights::READ).await.unwrap();
    assert_eq!(node.client_uri(), "urn:t:mo:box:1.0/1/Items/a%20b/Value");
}

#[tokio::test]
async fn rights_are_needed_one_by_one() {
    let bench = Bench::waiting("0s", account("acme", 1));
    bench.resolve("Name", Rights::READ).await.unwrap();
    assert_eq!(code(bench.resolve("Name", Rights::WRITE).await), 403);
    assert_eq!(code(bench.resolve("Fine", Rights::EXECUTE).await), 403);
}

#[tokio::test]
async fn an_object_that_is_not_listed_is_invisible() {
    let permissions = vec![Permission { moid: CRATE.into(), rights: 7 }];
    let bench = Bench::waiting("0s", Account { permissions, ..account("acme", 7) });
    assert_eq!(status(&bench, "Fixed").await, 404);
    let supported = bench.tree.supported(&bench.principal()).unwrap();
    let moids: Vec<_> = supported.iter().map(|mo| (mo.moid.as_str(), mo.miids.len())).collect();
    assert_eq!(
        moids,
        [(CRATE, 0)],
        "what is everybody's to read need not be listed, and is not told of then"
    );
    let dmdac = "urn:oma:mo:oma-dm-dmdac:1.0";
    assert!(bench.principal().sees(bench.tree.object_named(&dmdac.into()).unwrap()));
    let permissions = [CRATE, dmdac].map(|moid| Permission { moid: moid.into(), rights: 7 }).to_vec();
    let bench = Bench::waiting("0s", Account { permissions, ..account("acme", 7) });
    let supported = bench.tree.supported(&bench.principal()).unwrap();
    let moids: Vec<_> = supported.iter().map(|mo| (mo.moid.as_str(), mo.miids.len())).collect();
    assert_eq!(moids, [(CRATE, 0), (dmdac, 0)], "nor is it listed who may what with it");
}

#[tokio::test]
async fn an_exact_entry_for_an_alias_wins_over_the_asterisk() {
    let listed = |moid: &str, rights| Permission { moid: moid.into(), rights };
    let permissions = vec![listed("*", 7), listed("urn:t:mo:box:0.9", 1)];
    let bench = Bench::waiting("0s", Account { permissions, ..account("acme", 7) });
    assert_eq!(code(bench.resolve("Name", Rights::WRITE).await), 403);
}

#[tokio::test]
async fn another_servers_account_does_not_exist() {
    let bench = Bench::new();
    assert_eq!(status(&bench, &format!("{DMACC}/other/")).await, 404);
    let node = bench.resolve(&format!("{DMACC}//Name"), Rights::READ).await.unwrap();
    assert_eq!(node.miid(), "acme");
}
