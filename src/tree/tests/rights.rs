//! Who may do what with which instance, and who may say so (TS 11.3).

use serde_json::json;

use super::*;
use crate::store::{Change, NodeKey};

const DMDAC: &str = "urn:oma:mo:oma-dm-dmdac:1.0";
const BOXES: &str = "urn:oma:mo:oma-dm-dmdac:1.0/urn_t_mo_box_1.0/";
const CRATES: &str = "urn:oma:mo:oma-dm-dmdac:1.0/urn_t_mo_crate_1.0/";

/// An account that lists these MOIDs with these rights.
fn listing(server_id: &str, permissions: &[(&str, u8)]) -> Account {
    let permission = |&(moid, rights): &(&str, u8)| Permission { moid: moid.into(), rights };
    Account { permissions: permissions.iter().map(permission).collect(), ..account(server_id, 0) }
}

/// `acme` may delegate the box, `other` only uses it, `third` lists nothing but crates, `fourth` lists the box without
/// rights.
fn bench() -> Bench {
    let others = vec![
        listing("other", &[("*", 7)]),
        listing("third", &[(CRATE, 7)]),
        listing("fourth", &[(BOX, 0), (CRATE, 0)]),
    ];
    Bench::of("0s", listing("acme", &[("*", 15)]), others)
}

/// What a server meets.
struct Server<'a> {
    bench: &'a Bench,
    account: Arc<Account>,
}

impl Bench {
    fn server(&self, server_id: &str) -> Server<'_> {
        let mut accounts = self.tree.accounts().iter();
        let account = Arc::clone(accounts.find(|account| account.server_id == server_id).unwrap());
        Server { bench: self, account }
    }
}

impl Server<'_> {
    fn principal(&self) -> Principal<'_> {
        Principal { account: &self.account, session: SessionFacts::default() }
    }

    async fn node(&self, uri: &str, wanted: Rights) -> Result<NodeRef, TreeError> {
        self.bench.tree.resolve(&ClientUri::parse(uri).unwrap(), &self.principal(), wanted).await
    }

    async fn read(&self, uri: &str) -> Result<Json, TreeError> {
        let node = self.node(uri, Rights::READ).await?;
        Ok(match self.bench.tree.read(&node, None, &self.principal()).await? {
            Shown::Empty | Shown::Fresh => Json::Null,
            Shown::Leaf { value, .. } => Json::String(value.to_text().into_owned()),
            Shown::Document(json) => {
                let json: Json = serde_json::from_slice(&json).unwrap();
                json["MOData"].as_object().unwrap().values().next().unwrap().clone()
            }
        })
    }

    async fn write(&self, uri: &str, data: Json) -> Result<(), TreeError> {
        let node = self.node(uri, Rights::WRITE).await?;
        self.bench.tree.replace(&node, Data::Json(data.into()), &self.principal()).await
    }

    async fn delete(&self, uri: &str) -> Result<(), TreeError> {
        let node = self.node(uri, Rights::WRITE).await?;
        self.bench.tree.delete(&[node], &self.principal()).await
    }

    async fn create(&self) -> String {
        let data = json!({"Text": self.account.server_id});
        let document =
            Document { moid: Some(CRATE.into()), client_uri: None, data: data.into(), is_bare: false };
        let object = self.bench.tree.object_named(&CRATE.into()).unwrap();
        self.bench.tree.create(object, document, &self.principal()).await.unwrap().client_uri()
    }

    fn miids(&self, moid: &str) -> Option<Vec<String>> {
        let supported = self.bench.tree.supported(&self.principal()).unwrap();
        supported.into_iter().find(|mo| mo.moid == moid).map(|mo| mo.miids)
    }

    /// What it may do with an instance: one digit for all four.
    async fn may(&self, uri: &str) -> u8 {
        let mut bits = 0;
        for right in [1, 2, 4, 8].map(|bit| Rights::new(bit).unwrap()) {
            if self.node(uri, right).await.is_ok() {
                bits += right.bits();
            }
        }
        bits
    }
}

fn entry(miid: &str, maid: &str, rights: u8) -> Json {
    json!({"MIID": miid, "MAID": maid, "AccessRights": rights})
}

#[test]
fn the_object_is_described_as_the_ts_describes_it() {
    use crate::ddf::{AccessType, Format, Occurrence};
    let bench = bench();
    let object = bench.tree.object_named(&DMDAC.into()).unwrap();
    for (path, format, occurrence) in [
        ("", Format::Node, Occurrence::ZeroOrMore),
        ("MOID", Format::Chr, Occurrence::One),
        ("<entry>", Format::Node, Occurrence::ZeroOrMore),
        ("<entry>/MIID", Format::Chr, Occurrence::One),
        ("<entry>/MAID", Format::Chr, Occurrence::One),
        ("<entry>/AccessRights", Format::Int, Occurrence::One),
    ] {
        let properties = &object.node(object.find(path).unwrap()).properties;
        assert_eq!((properties.format, properties.occurrence), (format, occurrence), "{path}");
        assert!(properties.access.allows(AccessType::GET), "{path}");
    }
    assert_eq!(object.ids().count(), 6);
}

#[tokio::test]
async fn rights_are_of_the_instance_and_rule_every_node_of_it() {
    let bench = bench();
    let (acme, other) = (bench.server("acme"), bench.server("other"));
    bench.file("/a", "a\n");
    for rights in 0..=7 {
        acme.write(&format!("{BOXES}1.serverid_other/AccessRights"), json!(rights)).await.unwrap();
        for path in ["", "A", "Group/Deep/Leaf", "Fine"] {
            assert_eq!(other.may(&format!("{BOX}/1/{path}")).await, rights, "{path}");
        }
        assert_eq!(other.read(&format!("{BOX}/1/A")).await.is_ok(), rights & 1 != 0, "{rights}");
        assert_eq!(other.write(&format!("{BOX}/1/A"), json!("b")).await.is_ok(), rights & 2 != 0, "{rights}");
    }
}

#[tokio::test]
async fn what_the_device_brings_each_account_uses_as_its_permissions_say() {
    let bench = bench();
    let uri = format!("{BOX}/1/");
    for (server, rights) in [("acme", 15), ("other", 7), ("third", 0), ("fourth", 0)] {
        assert_eq!(bench.server(server).may(&uri).await, rights, "{server}");
    }
    assert_eq!(code(bench.server("third").read(&uri).await), 404, "it must not know of boxes");
    assert_eq!(code(bench.server("fourth").read(&uri).await), 403, "it knows of them");
    assert_eq!(bench.server("third").miids(BOX), None);
    assert_eq!(bench.server("fourth").miids(BOX), Some(vec![]));
}

#[tokio::test]
async fn the_object_is_known_to_everybody_and_its_instances_to_those_who_delegate() {
    let bench = bench();
    let acme = bench.server("acme");
    assert_eq!(acme.miids(DMDAC), Some(vec!["urn_t_mo_box_1.0".into()]), "nobody has a crate yet");
    for server in ["other", "third", "fourth"] {
        let server = bench.server(server);
        let listed = server.account.permissions.iter().any(|listed| listed.moid == "*");
        assert_eq!(server.miids(DMDAC), listed.then(Vec::new), "{}", server.account.server_id);
        assert!(server.principal().sees(bench.tree.object_named(&DMDAC.into()).unwrap()));
        for uri in [BOXES, CRATES, &format!("{DMDAC}/no_such/"), &format!("{DMDAC}//")] {
            assert_eq!(code(server.read(uri).await), 404, "{uri}");
        }
        assert_eq!(server.may(BOXES).await, 0);
    }
    assert_eq!(acme.may(BOXES).await, 3);
    let expected = json!({
        "MOID": BOX,
        "1.serverid_acme": entry("1", "serverid:acme", 15),
        "1.serverid_other": entry("1", "serverid:other", 7),
    });
    assert_eq!(acme.read(BOXES).await.unwrap(), expected, "nothing in it for those without rights");
    assert_eq!(acme.read(&format!("{DMDAC}//MOID")).await.unwrap(), BOX);
    assert_eq!(acme.read(&format!("{BOXES}1.serverid_other/AccessRights")).await.unwrap(), "7");
}

#[tokio::test]
async fn a_creator_has_all_rights_and_nobody_else_any() {
    let bench = bench();
    let uri = bench.server("other").create().await;
    for (server, rights) in [("acme", 0), ("other", 15), ("third", 0), ("fourth", 0)] {
        assert_eq!(bench.server(server).may(&uri).await, rights, "{server}");
    }
    let expected = json!({"MOID": CRATE, "1.serverid_other": entry("1", "serverid:other", 15)});
    assert_eq!(bench.server("other").read(CRATES).await.unwrap(), expected);
    assert_eq!(code(bench.server("acme").read(CRATES).await), 404);
}

#[tokio::test]
async fn what_an_application_created_is_no_servers() {
    let bench = bench();
    let instance = crate::store::NodeKey::instance(&CRATE.into(), "1");
    let made = crate::store::Change::AddInstance { instance, creator: "appid:music".into() };
    bench.tree.store.commit(vec![made]).await.unwrap();
    for server in ["acme", "other", "third", "fourth"] {
        assert_eq!(bench.server(server).may(&format!("{CRATE}/1/")).await, 0, "{server}");
    }
}

#[tokio::test]
async fn rights_are_given_changed_and_taken() {
    let bench = bench();
    let (other, fourth) = (bench.server("other"), bench.server("fourth"));
    let uri = other.create().await;
    other.write(CRATES, json!({"MOID": CRATE, "r": entry("1", "serverid:fourth", 1)})).await.unwrap();
    assert_eq!(fourth.may(&uri).await, 1);
    assert_eq!(other.may(&uri).await, 15, "what it did not name of its own stays");
    assert_eq!(fourth.miids(CRATE), Some(vec!["1".into()]));
    assert_eq!(other.read(&format!("{CRATES}r/MAID")).await.unwrap(), "serverid:fourth");

    other.write(&format!("{CRATES}r/AccessRights"), json!(3)).await.unwrap();
    assert_eq!(fourth.may(&uri).await, 3);
    other.write(&format!("{CRATES}r"), json!({"AccessRights": 5})).await.unwrap();
    assert_eq!(fourth.may(&uri).await, 5);
    other.delete(&format!("{CRATES}r")).await.unwrap();
    assert_eq!(fourth.may(&uri).await, 0);
    assert_eq!(code(other.delete(&format!("{CRATES}r")).await), 404);
}

#[tokio::test]
async fn a_wildcard_is_everyone_whose_bootstrap_lists_the_moid() {
    let bench = bench();
    let acme = bench.server("acme");
    acme.write(BOXES, json!({"all": entry("1", "*", 1), "app": entry("1", "appid:music", 7)})).await.unwrap();
    let uri = format!("{BOX}/1/");
    for (server, rights) in [("acme", 15), ("other", 1), ("third", 0), ("fourth", 1)] {
        assert_eq!(bench.server(server).may(&uri).await, rights, "{server}");
    }
    assert_eq!(code(bench.server("third").read(&uri).await), 404);
    // What everyone has adds to what one has.
    acme.write(&format!("{BOXES}all/AccessRights"), json!(9)).await.unwrap();
    acme.write(BOXES, json!({"all": {}, "o": entry("1", "serverid:other", 2)})).await.unwrap();
    assert_eq!(bench.server("other").may(&uri).await, 11);
    assert_eq!(acme.read(BOXES).await.unwrap()["all"], entry("1", "*", 9), "what its data lacks stays");
}

#[tokio::test]
async fn nobody_gives_what_it_lacks() {
    let bench = bench();
    let (acme, other) = (bench.server("acme"), bench.server("other"));
    acme.write(&format!("{BOXES}1.serverid_other/AccessRights"), json!(9)).await.unwrap();
    let own = format!("{BOXES}1.serverid_other");
    for (uri, data) in [
        (own.clone(), json!({"AccessRights": 15})),
        (format!("{own}/AccessRights"), json!(11)),
        (BOXES.to_owned(), json!({"x": entry("1", "serverid:fourth", 2)})),
        (BOXES.to_owned(), json!({"x": entry("1", "*", 4)})),
        // Its own entry under another name.
        (BOXES.to_owned(), json!({"mine": entry("1", "serverid:other", 15)})),
    ] {
        assert_eq!(code(other.write(&uri, data.clone()).await), 403, "{uri} {data}");
        assert_eq!(other.may(&format!("{BOX}/1/")).await, 9);
    }
    let twin = other.write(&format!("{BOXES}1.serverid_acme"), entry("1", "serverid:other", 15)).await;
    assert_eq!(code(twin), 500, "there is an entry for that already");
    // What somebody has already is not given.
    other.write(&format!("{BOXES}1.serverid_acme/AccessRights"), json!(14)).await.unwrap();
    assert_eq!(acme.may(&format!("{BOX}/1/")).await, 14);
    other.write(&format!("{own}/AccessRights"), json!(1)).await.unwrap();
    assert_eq!(code(other.read(BOXES).await), 404, "it has given that right away");
}

#[tokio::test]
async fn rights_go_only_to_whom_the_bootstrap_lets_know_of_the_object() {
    let bench = bench();
    let acme = bench.server("acme");
    for maid in ["serverid:third", "serverid:nobody", "serverid:", "serverid:OTHER", "serverid:fourth "] {
        let data = json!({"x": entry("1", maid, 1)});
        assert_eq!(code(acme.write(BOXES, data).await), 403, "{maid:?}");
    }
    let long = format!("appid:{}", "x".repeat(256));
    for maid in ["SERVERID:other", "other", "", "**", " serverid:other", "appid:", "appid:\n", &long] {
        let data = json!({"x": entry("1", maid, 1)});
        assert_eq!(code(acme.write(BOXES, data).await), 500, "{maid:?}");
    }
    assert_eq!(acme.read(BOXES).await.unwrap().as_object().unwrap().len(), 3, "nothing of it was kept");
}

#[tokio::test]
async fn entries_name_instances_that_are_the_servers_to_delegate() {
    let bench = bench();
    let (acme, other) = (bench.server("acme"), bench.server("other"));
    let crate_of_other = other.create().await;
    let crate_of_acme = acme.create().await;
    assert_eq!((crate_of_other, crate_of_acme), (format!("{CRATE}/1/"), format!("{CRATE}/2/")));
    // Somebody else's instance, one that is yet to come, one of another object, and none.
    for miid in ["1", "3", "acme", ""] {
        let data = json!({"x": entry(miid, "serverid:acme", 1)});
        assert_eq!(code(acme.write(CRATES, data).await), 403, "{miid:?}");
        let moved = json!({"MIID": miid});
        assert_eq!(code(acme.write(&format!("{CRATES}2.serverid_acme"), moved).await), 403, "{miid:?}");
    }
    let third = other.create().await;
    assert_eq!((acme.may(&third).await, other.may(&third).await), (0, 15), "nothing was prepared");
}

#[tokio::test]
async fn what_a_server_does_not_see_it_does_not_change() {
    let bench = bench();
    let (acme, other) = (bench.server("acme"), bench.server("other"));
    let (one, two) = (other.create().await, acme.create().await);
    other.write(CRATES, json!({"x": entry("1", "serverid:fourth", 1)})).await.unwrap();
    acme.write(CRATES, json!({"x": entry("2", "serverid:fourth", 2)})).await.unwrap();
    acme.write(CRATES, json!({})).await.unwrap();
    let fourth = bench.server("fourth");
    assert_eq!((fourth.may(&one).await, fourth.may(&two).await), (1, 0));
    for hidden in ["x/MIID", "1/MIID", "1", "1.serverid_other", "(x)/MAID?nv=(x)/MIID:1"] {
        assert_eq!(code(acme.read(&format!("{CRATES}{hidden}")).await), 404, "{hidden}");
    }
    assert_eq!(acme.read(&format!("{CRATES}(x)/MAID?nv=(x)/MIID:2")).await.unwrap(), "serverid:acme");
    assert_eq!(code(acme.delete(&format!("{CRATES}1.serverid_other")).await), 404);
    assert_eq!(code(acme.write(&format!("{CRATES}1.serverid_other/AccessRights"), json!(0)).await), 404);
    assert_eq!(other.read(&format!("{CRATES}x/AccessRights")).await.unwrap(), "1");
}

#[tokio::test]
async fn one_name_that_two_servers_chose_becomes_two_for_who_sees_both() {
    let bench = bench();
    let (acme, other) = (bench.server("acme"), bench.server("other"));
    other.create().await;
    acme.create().await;
    other.write(CRATES, json!({"x": entry("1", "serverid:fourth", 1)})).await.unwrap();
    acme.write(CRATES, json!({"x": entry("2", "serverid:fourth", 2), "y": entry("2", "serverid:other", 15)}))
        .await
        .unwrap();
    let seen = other.read(CRATES).await.unwrap();
    assert_eq!((&seen["x"]["MIID"], &seen["2.serverid_fourth"]["MIID"]), (&json!("1"), &json!("2")));
    assert_eq!(seen.as_object().unwrap().len(), 6, "{seen}");
}

#[tokio::test]
async fn a_name_that_another_entry_gets_by_itself_later_is_its_own_all_the_same() {
    let bench = bench();
    let acme = bench.server("acme");
    acme.create().await;
    acme.write(CRATES, json!({"2.serverid_acme": entry("1", "serverid:other", 1)})).await.unwrap();
    acme.create().await;
    let seen = acme.read(CRATES).await.unwrap();
    assert_eq!(seen.as_object().unwrap().len(), 4, "{seen}");
    assert_eq!(seen["2.serverid_acme"]["MIID"], "1");
    assert_eq!(seen["2.serverid_acme~"], entry("2", "serverid:acme", 15));
    acme.delete(&format!("{CRATES}2.serverid_acme")).await.unwrap();
    assert_eq!(acme.read(CRATES).await.unwrap()["2.serverid_acme"], entry("2", "serverid:acme", 15));
}

#[tokio::test]
async fn who_has_made_more_instances_than_entries_are_allowed_can_still_delegate_less() {
    let bench = bench();
    let acme = bench.server("acme");
    let made = (1..=1025).map(|miid| Change::AddInstance {
        instance: NodeKey::instance(&CRATE.into(), &miid.to_string()),
        creator: "serverid:acme".into(),
    });
    bench.tree.store.commit(made.collect()).await.unwrap();
    acme.write(&format!("{CRATES}1.serverid_acme/AccessRights"), json!(9)).await.unwrap();
    assert_eq!(code(acme.write(CRATES, json!({"x": entry("1", "serverid:other", 1)})).await), 506);
}

#[tokio::test]
async fn an_edit_is_made_whole_or_not_at_all() {
    let bench = bench();
    let acme = bench.server("acme");
    for bad in
        [entry("1", "serverid:third", 1), entry("1", "serverid:fourth", 16), json!({"MIID": "1"}), json!(1)]
    {
        let data = json!({"good": entry("1", "*", 1), "bad": bad});
        assert!(matches!(code(acme.write(BOXES, data).await), 403 | 500));
    }
    for bad in [
        json!({"MOID": CRATE}),
        json!({"a": entry("1", "*", 1), "b": entry("1", "*", 2)}),
        json!({"a": {"MIID": "1", "MAID": "*", "AccessRights": -1}}),
        json!({"a": {"MIID": 1, "MAID": "*", "AccessRights": 1}}),
        json!({"a": {"MIID": "1", "MAID": "*", "AccessRights": 1, "More": 1}}),
        json!([]),
    ] {
        assert_eq!(code(acme.write(BOXES, bad.clone()).await), 500, "{bad}");
    }
    for (path, data) in [("MOID", json!("x")), ("1.serverid_acme/MAID", json!("*"))] {
        assert_eq!(code(acme.write(&format!("{BOXES}{path}"), data).await), 405, "{path}");
    }
    for path in ["", "MOID", "1.serverid_acme/AccessRights"] {
        assert_eq!(code(acme.delete(&format!("{BOXES}{path}")).await), 405, "{path}");
    }
    let many: serde_json::Map<_, _> =
        (0..1024).map(|number| (number.to_string(), entry("1", &format!("appid:{number}"), 1))).collect();
    assert_eq!(code(acme.write(BOXES, Json::Object(many)).await), 506);
    assert_eq!(bench.server("other").may(&format!("{BOX}/1/")).await, 7, "all is as before");
    assert_eq!(acme.read(BOXES).await.unwrap().as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn what_a_server_created_is_always_somebodys_to_delegate() {
    let bench = bench();
    let other = bench.server("other");
    let uri = other.create().await;
    let own = format!("{CRATES}1.serverid_other");
    assert_eq!(code(other.delete(&own).await), 403);
    assert_eq!(code(other.write(&format!("{own}/AccessRights"), json!(7)).await), 403);
    other.write(CRATES, json!({"heir": entry("1", "serverid:acme", 15)})).await.unwrap();
    other.delete(&own).await.unwrap();
    assert_eq!((other.may(&uri).await, bench.server("acme").may(&uri).await), (0, 15));
    // On what the device brings the owner has the last word, in a file.
    bench.server("acme").delete(&format!("{BOXES}1.serverid_acme")).await.unwrap();
    assert_eq!(bench.server("acme").may(&format!("{BOX}/1/")).await, 0);
}

#[tokio::test]
async fn of_two_who_take_delegation_from_each_other_at_the_same_moment_one_succeeds() {
    for is_deleted in [true, false] {
        let bench = bench();
        let (acme, other) = (bench.server("acme"), bench.server("other"));
        let uri = other.create().await;
        other.write(CRATES, json!({"acme": entry("1", "serverid:acme", 15)})).await.unwrap();
        let take = async |server: &Server<'_>, from: &str| {
            let (place, principal) = (format!("{CRATES}{from}"), server.principal());
            if is_deleted {
                let node = server.node(&place, Rights::WRITE).await.unwrap();
                tokio::task::yield_now().await;
                return bench.tree.delete(&[node], &principal).await;
            }
            let node = server.node(&format!("{place}/AccessRights"), Rights::WRITE).await.unwrap();
            tokio::task::yield_now().await;
            bench.tree.replace(&node, Data::Json(json!(7).into()), &principal).await
        };
        let (acmes, others) = tokio::join!(take(&acme, "1.serverid_other"), take(&other, "acme"));
        assert_ne!(acmes.is_ok(), others.is_ok(), "{acmes:?} {others:?}");
        let (winner, loser, refused) =
            if acmes.is_ok() { (&acme, &other, others) } else { (&other, &acme, acmes) };
        assert_eq!(code(refused), 403);
        let left = if is_deleted { 0 } else { 7 };
        assert_eq!((winner.may(&uri).await, loser.may(&uri).await), (15, left));
    }
}

#[tokio::test]
async fn a_new_instance_inherits_no_rights() {
    let bench = bench();
    let (acme, other, fourth) = (bench.server("acme"), bench.server("other"), bench.server("fourth"));
    let uri = other.create().await;
    other.write(CRATES, json!({"x": entry("1", "serverid:fourth", 7)})).await.unwrap();
    other.delete(&uri).await.unwrap();
    let gone = uri;
    let uri = acme.create().await;
    assert_ne!(uri, gone, "its MIID is never given again");
    assert_eq!((acme.may(&uri).await, other.may(&uri).await, fourth.may(&uri).await), (15, 0, 0));
    assert_eq!(acme.read(CRATES).await.unwrap().as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn rights_are_asked_again_when_the_data_is_there_at_last() {
    let bench = bench();
    let (acme, other) = (bench.server("acme"), bench.server("other"));
    let uri = other.create().await;
    other.write(CRATES, json!({"x": entry("1", "serverid:acme", 2)})).await.unwrap();
    let slow = acme.node(&format!("{uri}Text"), Rights::WRITE).await.unwrap();
    let write = async || bench.tree.replace(&slow, Data::Json(json!("late").into()), &acme.principal()).await;
    other.delete(&format!("{CRATES}x")).await.unwrap();
    assert_eq!(code(write().await), 403);
    assert_eq!(code(bench.tree.delete(&[slow.parent().unwrap()], &acme.principal()).await), 403);

    other.write(CRATES, json!({"x": entry("1", "*", 15)})).await.unwrap();
    write().await.unwrap();
    other.delete(&uri).await.unwrap();
    assert_eq!(code(write().await), 404);
    let fourth = bench.server("fourth");
    let next = fourth.create().await;
    assert_eq!(code(write().await), 404, "another one is nothing to it");
    assert_eq!(fourth.read(&format!("{next}Text")).await.unwrap(), "fourth");
}

/// The same device after a restart with these accounts.
fn restarted(bench: Bench, accounts: Vec<Account>) -> Bench {
    let Bench { folder, tree, .. } = bench;
    let accounts: Vec<_> = accounts.into_iter().map(Arc::new).collect();
    let account = Arc::clone(&accounts[0]);
    let objects = tree.objects().to_vec();
    let tree = Tree::new(objects, accounts, Arc::clone(&tree.store), Arc::clone(&tree.machine), tree.started);
    Bench { folder, tree, account }
}

#[tokio::test]
async fn an_operator_repairs_in_a_file_what_a_server_did() {
    let bench = bench();
    let uri = format!("{BOX}/1/");
    bench.server("acme").write(&format!("{BOXES}1.serverid_other/AccessRights"), json!(0)).await.unwrap();
    let same = vec![listing("acme", &[("*", 15)]), listing("other", &[("*", 7)])];
    let bench = restarted(bench, same);
    assert_eq!(bench.server("other").may(&uri).await, 0, "what was delegated outlives a restart");
    let bench = restarted(bench, vec![listing("acme", &[("*", 15)]), listing("other", &[("*", 5)])]);
    assert_eq!(bench.server("other").may(&uri).await, 5, "the file has changed since");
}

#[tokio::test]
async fn an_entry_of_a_server_that_has_gone_does_no_harm() {
    let bench = bench();
    bench.server("acme").write(BOXES, json!({"x": entry("1", "serverid:fourth", 9)})).await.unwrap();
    let bench = restarted(bench, vec![listing("acme", &[("*", 15)]), listing("fourth", &[(CRATE, 7)])]);
    assert_eq!(
        code(bench.server("fourth").read(&format!("{BOX}/1/")).await),
        404,
        "it no longer lists boxes"
    );
    let bench = restarted(bench, vec![listing("acme", &[("*", 15)])]);
    let acme = bench.server("acme");
    assert_eq!(acme.read(BOXES).await.unwrap()["x"], entry("1", "serverid:fourth", 9));
    acme.write(&format!("{BOXES}x/AccessRights"), json!(1)).await.unwrap();
    assert_eq!(code(acme.write(&format!("{BOXES}x/AccessRights"), json!(2)).await), 403);
    acme.write(BOXES, json!({})).await.unwrap();
    assert_eq!(acme.read(BOXES).await.unwrap().as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn an_account_is_nobodys_to_delegate() {
    let bench = bench();
    let acme = bench.server("acme");
    assert_eq!(acme.may(&format!("{DMACC}/acme/")).await, 7);
    assert_eq!(code(acme.read(&format!("{DMACC}/other/")).await), 404);
    assert_eq!(acme.miids(DMACC), Some(vec!["acme".into()]));
    assert_eq!(code(acme.read(&format!("{DMDAC}/urn_oma_mo_oma-dm-dmacc_2.0/")).await), 404);
    assert_eq!(code(acme.read(&format!("{DMDAC}/urn_oma_mo_oma-dm-dmdac_1.0/")).await), 404);
}

#[tokio::test]
async fn everything_is_what_the_server_may_read() {
    let bench = bench();
    let (acme, other) = (bench.server("acme"), bench.server("other"));
    other.create().await;
    acme.write(BOXES, json!({"x": entry("1", "serverid:other", 6)})).await.unwrap();
    let of = async |server: &Server<'_>| {
        let documents = bench.tree.everything(&server.principal()).await.unwrap();
        let uri = |document: &Vec<u8>| {
            let json: Json = serde_json::from_slice(document).unwrap();
            json["ClientURI"].as_str().unwrap().to_owned()
        };
        documents.iter().map(uri).collect::<Vec<_>>()
    };
    assert_eq!(of(&acme).await, [format!("{BOX}/1/"), format!("{DMACC}/acme/"), BOXES.to_owned()]);
    assert_eq!(of(&other).await, [format!("{CRATE}/1/"), format!("{DMACC}/other/"), CRATES.to_owned()]);
    assert!(of(&bench.server("third")).await.is_empty());
}

/// One edit by one of two servers who share an instance.
fn edits() -> impl proptest::strategy::Strategy<Value = Vec<(bool, u8, u8, u8)>> {
    proptest::collection::vec((proptest::bool::ANY, 0..5u8, 0..4u8, 0..16u8), 1..12)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// Whatever two servers do in turn: what anybody gains, the one who gave it had, and somebody can always delegate.
    #[test]
    fn no_sequence_of_edits_makes_rights_out_of_nothing(edits in edits()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = bench();
            let servers = ["acme", "other", "fourth"].map(|name| bench.server(name));
            let uri = servers[0].create().await;
            let first = entry("1", "serverid:other", 13);
            servers[0].write(CRATES, json!({"first": first})).await.unwrap();
            for (second, kind, whom, rights) in edits {
                let by = usize::from(second);
                let mut before = Vec::new();
                for server in &servers {
                    before.push(server.may(&uri).await);
                }
                let maid = ["serverid:acme", "serverid:other", "serverid:fourth", "*"][usize::from(whom)];
                let entry = entry("1", maid, rights);
                let place = format!("{CRATES}{}", name_in(&servers[by], maid).await);
                let edit = match kind {
                    0 => servers[by].write(CRATES, json!({"x": entry})).await,
                    1 => servers[by].write(CRATES, json!({"x": entry, "y": entry})).await,
                    2 => servers[by].write(&place, json!({"AccessRights": rights})).await,
                    3 => servers[by].write(&place, entry).await,
                    _ => servers[by].delete(&place).await,
                };
                let mut somebody = false;
                for (server, before_it) in servers.iter().zip(&before) {
                    let after = server.may(&uri).await;
                    assert_eq!(after & !before_it & !before[by], 0, "{edit:?}: {maid} {rights}");
                    assert!(edit.is_ok() || after == *before_it, "{edit:?} changed something");
                    somebody |= after & 8 != 0;
                    check_names(server, &place).await;
                }
                assert!(somebody, "{edit:?}: {maid} {rights}");
            }
        });
    }
}

/// What is addressed by name is what is listed, and nothing else.
async fn check_names(server: &Server<'_>, place: &str) {
    let seen = server.read(CRATES).await.unwrap_or_default();
    let place = place.strip_prefix(CRATES).unwrap();
    let others =
        ["first", "x", "y", "x~", "1.serverid_acme", "1.serverid_other", "1.serverid_fourth", "1.~2A", place];
    for name in
        others.into_iter().chain(seen.as_object().into_iter().flatten().map(|(name, _)| name.as_str()))
    {
        if name == "MOID" {
            continue;
        }
        match (server.read(&format!("{CRATES}{name}")).await, seen.get(name)) {
            (Ok(entry), Some(listed)) => assert_eq!(entry, *listed, "{name}"),
            (found, listed) => {
                assert_eq!((code(found), listed), (404, None), "{name}");
            }
        }
    }
}

/// Under which name a server sees an entry; some other if it does not.
async fn name_in(server: &Server<'_>, maid: &str) -> String {
    let seen = server.read(CRATES).await.unwrap_or_default();
    let found = seen.as_object().and_then(|seen| seen.iter().find(|(_, entry)| entry["MAID"] == maid));
    found.map_or_else(|| "none".to_owned(), |(name, _)| name.clone())
}

/// Write without Read: what is there, the server must not learn.
#[tokio::test]
async fn who_may_only_write_can_compare_with_nothing() {
    let bench = Bench::of("0s", listing("acme", &[("*", 15)]), vec![listing("blind", &[("*", 6)])]);
    let data = json!({"a": {"Value": "secret"}, "b": {"Value": "other"}});
    bench.write("Items", data).await.unwrap();
    bench.file("/gone", "known");
    let blind = bench.server("blind");
    for value in ["secret", "wrong"] {
        for place in [
            format!("{BOX}/1/Items/(x)?nv=(x)/Value:{value}"),
            format!("{BOX}/(x)/Items/a?nv=(x)/Fixed:{value}"),
        ] {
            let found = blind.node(&place, Rights::WRITE).await;
            assert_eq!(code(found), 404, "{place}");
        }
    }
    assert_eq!(code(blind.node(&format!("{BOX}/(x)/Fine?nv=(x)/Fixed:fixed"), Rights::EXECUTE).await), 404);
    // An unchanged value of a leaf that it may not set, and a leaf without a value, are tolerated only where it can see
    // that.
    for (value, blind_gets, acme_gets) in [("known", 405, 200), ("guessed", 405, 405)] {
        let data = json!({"Level": 1, "Must": value});
        let status = |result: Result<(), TreeError>| if result.is_ok() { 200 } else { code(result) };
        assert_eq!(status(blind.write(&format!("{BOX}/1/"), data.clone()).await), blind_gets, "{value}");
        assert_eq!(
            status(bench.server("acme").write(&format!("{BOX}/1/"), data).await),
            acme_gets,
            "{value}"
        );
    }
    bench.write("Name", json!("")).await.unwrap();
    for note in [None, Some("there")] {
        if let Some(note) = note {
            bench.write("Note", json!(note)).await.unwrap();
        }
        let written = blind.write(&format!("{BOX}/1/"), json!({"Note": null, "Kept": "k"})).await;
        assert_eq!(code(written), 500, "{note:?}: it is all the same");
    }
}

#[tokio::test]
async fn an_object_that_is_hidden_is_as_one_that_is_not_there() {
    let bench = bench();
    let third = bench.server("third");
    let tnds = |moid: &str| {
        format!(
            "<MgmtTree><VerDTD>1.2</VerDTD><Node><NodeName>x</NodeName><RTProperties><Format><node/></Format>\
             <Type><DDFName>{moid}</DDFName></Type></RTProperties></Node></MgmtTree>"
        )
    };
    let stored = async |moid: &str| {
        let xml = tnds(moid);
        let documents = Document::parse_tnds(xml.as_bytes(), None, &bench.tree, &third.principal())?;
        bench.tree.store(documents, None, &third.principal()).await
    };
    let (hidden, unknown) = (stored(BOX).await.unwrap_err(), stored("urn:t:mo:none:1.0").await.unwrap_err());
    assert!(
        matches!((&hidden, &unknown), (TreeError::NotFound(_), TreeError::NotFound(_))),
        "{hidden} {unknown}"
    );
    assert_eq!(hidden.to_string().replace(BOX, "urn:t:mo:none:1.0"), unknown.to_string());
}
