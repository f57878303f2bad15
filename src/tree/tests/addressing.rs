//! x-names and wildcards (TS 6.1), over the object of TS figure 5.

use serde_json::json;

use super::*;
use crate::store::{Change, NodeKey, Stored};

const MOID: &str = "urn:oma:mo:moid:1.0";
const MAPPING: &str = r#"
moid = "urn:oma:mo:moid:1.0"
ddf = "moid.ddf.xml"
ddf-uri = "https://t.example/moid.ddf"
root = "moroot"
instances = [{ miid = "left", data = "left.json" }, { miid = "right", data = "right.json" }]
dynamic = true
[node."Ports/<p>"]
list = { run = ["/bin/sh", "-c", "echo >> ROOT/listed; test ! -e ROOT/unplugged && echo a && echo b"] }
[node."Ports/<p>/Own"]
get = { value = "", format = "{p}" }
[node."Broken/<b>"]
list = { glob = "/broken/*" }
[node."Broken/<b>/Number"]
get = { file = "/broken/{b}" }
"#;

/// A gateway with the two instances of the figure.
struct Figure {
    folder: tempfile::TempDir,
    tree: Tree,
    account: Arc<Account>,
}

impl Figure {
    async fn new() -> Self {
        Self::seen_by(account("acme", 7)).await
    }

    async fn seen_by(account: Account) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("broken")).unwrap();
        let leaf = |name: &str, format: &str, more: &str| node(name, format, "Get Replace", more, &[]);
        let data = [leaf("Date", "float", ""), leaf("Value", "chr", ""), leaf("Note", "chr", MAYBE)];
        let children = [
            leaf("ID", "chr", ""),
            leaf("Setting", "chr", ""),
            node("Pin", "chr", "Replace", MAYBE, &[]),
            node("Vault", "node", "Delete", MAYBE, &[leaf("Inside", "chr", MAYBE)]),
            node("Data", "node", "Get", "", &[node("<x>", "node", "Add Delete Get", MANY, &data)]),
            node(
                "Any",
                "node",
                "Get",
                "",
                &[node("<a>", "chr", "Add Delete Get", &format!("{MANY}<CaseSense><CIS/></CaseSense>"), &[])],
            ),
            node("Ports", "node", "Get", "", &[node("<p>", "node", "Get", MANY, &[leaf("Own", "chr", "")])]),
            node(
                "Broken",
                "node",
                "Get",
                "",
                &[node("<b>", "node", "Get", MANY, &[leaf("Number", "int", "")])],
            ),
        ];
        let ddf = node("moroot", "node", "Delete Get", MANY, &children);
        let moid = folder.path().join("mo/moid");
        put(&moid.join("moid.ddf.xml"), &format!("<MgmtTree><VerDTD>1.2</VerDTD>{ddf}</MgmtTree>"));
        put(&moid.join("moid.toml"), &MAPPING.replace("ROOT", root.to_str().unwrap()));
        let left = json!({"ID": "GPS", "Setting": "0xB1", "Pin": "1234", "Vault": {"Inside": "gold"},
            "Data": {"1": {"Date": 12.1, "Value": "a", "Note": "x:y"}, "2": {"Date": 12.2, "Value": "b"}},
            "Any": {"One": "1", "two": "2"}});
        let right = json!({"ID": "Temperature", "Setting": "0xB2",
            "Data": {"1": {"Date": 12.1, "Value": "c"}, "2": {"Date": 12.3, "Value": "d"}}});
        put(&moid.join("left.json"), &left.to_string());
        put(&moid.join("right.json"), &right.to_string());
        let mut problems = Problems::default();
        let object = mo::load::load_one(&moid, &mut problems).map(Arc::new);
        let dmacc = concat!(env!("CARGO_MANIFEST_DIR"), "/mo/dmacc").as_ref();
        let dmacc = mo::load::load_one(dmacc, &mut problems).map(Arc::new);
        assert!(problems.is_empty(), "{problems}");
        let store = Store::open(&folder.path().join("state")).unwrap().store;
        let account = Arc::new(account);
        let accounts = vec![Arc::clone(&account), Arc::new(self::account("other", 7))];
        let machine = Arc::new(Machine::new(root, crate::backend::Bus::none()));
        let objects = object.into_iter().chain(dmacc).collect();
        let tree = Tree::new(objects, accounts, store, machine, Instant::now());
        tree.seed().await.unwrap();
        Self { folder, tree, account }
    }

    async fn resolve(&self, uri: &str, wanted: Rights) -> Result<Resolved, TreeError> {
        let uri = if uri.starts_with("urn:") { uri.to_owned() } else { format!("{MOID}/{uri}") };
        let principal = Principal { account: &self.account, session: SessionFacts::default() };
        self.tree.resolve_all(&ClientUri::parse(&uri).unwrap(), &principal, wanted).await
    }

    /// The nodes below the MOID that a URI addresses, or the status of the error.
    async fn find(&self, uri: &str) -> Result<Vec<String>, u16> {
        let nodes = match self.resolve(uri, Rights::READ).await {
            Ok(Resolved::One(node)) => vec![node],
            Ok(Resolved::Many(nodes)) => nodes,
            Err(error) => return Err(code::<()>(Err(error))),
        };
        let short = |node: &NodeRef| node.client_uri().trim_start_matches(&format!("{MOID}/")).to_owned();
        Ok(nodes.iter().map(short).collect())
    }

    async fn all(&self, cases: &[(&str, Result<&[&str], u16>)]) {
        for (uri, expected) in cases {
            let expected = expected.map(|nodes| nodes.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(self.find(uri).await, expected, "{uri}");
        }
    }
}

#[tokio::test]
async fn the_ten_examples_of_the_specification() {
    let figure = Figure::new().await;
    figure
        .all(&[
            ("left/", Ok(&["left/"])),
            ("/", Err(404)),
            // The text says the ID node; the syntax says the root.
            ("(x)/?nv=(x)/ID:Temperature", Ok(&["right/"])),
            ("(x)/Data/1/Value?nv=(x)/ID:GPS", Ok(&["left/Data/1/Value"])),
            ("right/Data/(x)/Value?nv=(x)/Date:12.1", Ok(&["right/Data/1/Value"])),
            ("(x)/Data/(y)/Value?nv=(x)/ID:GPS&nv=(y)/Date:12.2", Ok(&["left/Data/2/Value"])),
            ("*/Setting", Ok(&["left/Setting", "right/Setting"])),
            ("(x)/Data/*/Value?nv=(x)/ID:GPS", Ok(&["left/Data/1/Value", "left/Data/2/Value"])),
            ("(x)/Data/*/Value?nv=(x)/ID:GPS&nv=(x)/Setting:0xB2", Err(404)),
            (
                "*/Data/*/Value",
                Ok(&["left/Data/1/Value", "left/Data/2/Value", "right/Data/1/Value", "right/Data/2/Value"]),
            ),
        ])
        .await;
}

#[tokio::test]
async fn an_x_name_is_satisfied_by_all_its_fields_and_by_one_node_only() {
    let figure = Figure::new().await;
    figure
        .all(&[
            ("(x)/ID?nv=(x)/ID:GPS&nv=(x)/Setting:0xB1", Ok(&["left/ID"])),
            ("(x)/ID?nv=(x)/Data/2/Date:12.3", Ok(&["right/ID"])),
            ("(x)/ID?nv=(x)/Data/1/Date:12.1", Err(404)),
            ("(x)/ID?nv=(x)/Data/9/Date:12.1", Err(404)),
            ("(x)/ID?nv=(x)/NoSuch:1", Err(404)),
            ("(x)/ID?nv=(x)/Data:1", Err(404)),
            ("left/Data/(x)?nv=(x)/Date:12.2", Ok(&["left/Data/2"])),
            ("left/Data/(x)?nv=(x)/Date:12.2&nv=(x)/Value:a", Err(404)),
            ("left/Any/(x)?nv=(x):2", Ok(&["left/Any/two"])),
            ("(x)/Data/(y)/Value?nv=(y)/Value:d&nv=(x)/Setting:0xB2", Ok(&["right/Data/2/Value"])),
        ])
        .await;
}

#[tokio::test]
async fn a_field_is_compared_as_the_leafs_format_has_it_and_splits_at_its_first_colon() {
    let figure = Figure::new().await;
    figure
        .all(&[
            ("left/Data/(x)?nv=(x)/Date:12.20", Ok(&["left/Data/2"])),
            ("left/Data/(x)?nv=(x)/Date:later", Err(404)),
            ("left/Data/(x)?nv=(x)/Note:x:y", Ok(&["left/Data/1"])),
            ("left/Data/(x)?nv=(x)/Note:x%3Ay", Ok(&["left/Data/1"])),
            ("left/Data/(x)?nv=(x)/Note:", Err(404)),
            ("(x)/ID?nv=(x)/Data/2/Note:", Err(404)),
        ])
        .await;
}

#[tokio::test]
async fn behind_a_wildcard_each_branch_has_its_own_match_or_none() {
    let figure = Figure::new().await;
    figure
        .all(&[
            ("*/Data/(x)/Value?nv=(x)/Date:12.1", Ok(&["left/Data/1/Value", "right/Data/1/Value"])),
            ("*/Data/(x)/Value?nv=(x)/Date:12.3", Ok(&["right/Data/2/Value"])),
            ("*/Data/(x)/Value?nv=(x)/Date:99", Err(404)),
            ("*/Any/two", Ok(&["left/Any/two"])),
            ("*/Any/*", Ok(&["left/Any/One", "left/Any/two"])),
            ("*/", Ok(&["left/", "right/"])),
            ("right/Any/*", Ok(&[])),
            ("*/Data/*/NoSuch", Err(404)),
            ("*/NoSuch", Err(404)),
        ])
        .await;
}

#[tokio::test]
async fn what_a_wildcard_has_matched_must_lead_on_somewhere() {
    let figure = Figure::new().await;
    figure
        .all(&[
            ("left/Data/99/*", Err(404)),
            ("left/Data/(x)/*?nv=(x)/Date:99", Err(404)),
            ("(x)/Data/99/*?nv=(x)/ID:GPS", Err(404)),
            ("*/Data/99/*", Err(404)),
            ("*/Data/(x)/*?nv=(x)/Date:99", Err(404)),
            ("*/Data/2/*", Ok(&[])),
            // A wildcard that has matched nothing leads nowhere.
            ("left/*/99/Value", Ok(&[])),
            ("left/*/(x)/Value?nv=(x)/Date:99", Ok(&[])),
        ])
        .await;
}

#[tokio::test]
async fn x_names_and_wildcards_stand_for_no_named_node() {
    let figure = Figure::new().await;
    figure
        .all(&[
            ("left/(x)?nv=(x):GPS", Err(404)),
            ("left/(x)/1?nv=(x)/1/Value:a", Err(404)),
            ("left/*", Ok(&[])),
            ("left/Data/1/*", Ok(&[])),
            ("left/*/1/Value", Ok(&[])),
        ])
        .await;
}

#[tokio::test]
async fn what_a_server_may_not_get_it_can_not_guess() {
    let figure = Figure::new().await;
    figure
        .all(&[
            ("(x)/ID?nv=(x)/Pin:1234", Err(404)),
            ("(x)/ID?nv=(x)/Vault/Inside:gold", Err(404)),
            (&format!("{DMACC}/(x)/Name?nv=(x)/AuthNoti/AuthSecret:acme's%20secret"), Err(404)),
            (&format!("{DMACC}/(x)/Name?nv=(x)/ServerID:other"), Err(404)),
            (&format!("{DMACC}/(x)/Name?nv=(x)/ServerID:acme"), Ok(&[&format!("{DMACC}/acme/Name")])),
        ])
        .await;
    let figure = Figure::seen_by(account("acme", 6)).await;
    let found = figure.resolve("(x)/ID?nv=(x)/ID:GPS", Rights::WRITE).await;
    assert_eq!(code(found), 404, "without Read, nothing is compared");
}

#[tokio::test]
async fn only_instances_count_that_the_server_has_a_right_on() {
    let figure = Figure::new().await;
    let principal = Principal { account: &figure.account, session: SessionFacts::default() };
    let root = match figure.resolve("left/", Rights::READ).await.unwrap() {
        Resolved::One(root) => root,
        Resolved::Many(_) => panic!("no wildcard"),
    };
    let instance = |miid: &str, creator: &str| Change::AddInstance {
        instance: NodeKey::instance(&root.object.moid, miid),
        creator: creator.to_owned(),
    };
    let changes = vec![instance("theirs", "serverid:other"), instance("ours", "serverid:acme")];
    figure.tree.store.commit(changes).await.unwrap();
    figure.all(&[("*/", Ok(&["left/", "right/", "ours/"])), ("theirs/", Err(403))]).await;
    let uri = ClientUri::parse(&format!("{DMACC}/*/")).unwrap();
    let Ok(Resolved::Many(accounts)) = figure.tree.resolve_all(&uri, &principal, Rights::READ).await else {
        panic!("no list");
    };
    assert_eq!(accounts.iter().map(NodeRef::miid).collect::<Vec<_>>(), ["acme"]);
    let permissions = vec![Permission { moid: MOID.into(), rights: 0 }];
    let figure = Figure::seen_by(Account { permissions, ..account("acme", 7) }).await;
    figure.all(&[("*/", Err(404)), ("/", Err(404)), ("(x)/?nv=(x)/ID:GPS", Err(404))]).await;
}

#[tokio::test]
async fn a_right_is_needed_on_every_instance_that_a_wildcard_matches() {
    let figure = Figure::seen_by(account("acme", 1)).await;
    assert_eq!(code(figure.resolve("*/ID", Rights::WRITE).await), 403);
    assert_eq!(code(figure.resolve("(x)/ID?nv=(x)/ID:GPS", Rights::WRITE).await), 403);
}

#[tokio::test]
async fn where_one_node_is_wanted_a_wildcard_must_match_one() {
    let figure = Figure::new().await;
    let principal = Principal { account: &figure.account, session: SessionFacts::default() };
    for (path, expected) in
        [("left/Data/*", Err(404)), ("*/ID", Err(404)), ("right/Any/*", Err(404)), ("*/Any/two", Ok("left"))]
    {
        let uri = ClientUri::parse(&format!("{MOID}/{path}")).unwrap();
        let found = figure.tree.resolve(&uri, &principal, Rights::EXECUTE).await;
        assert_eq!(found.as_ref().map_or(Err(404), |node| Ok(node.miid())), expected, "{path}");
        if let Err(error) = found {
            assert_eq!(code::<()>(Err(error)), 404, "{path}");
        }
    }
}

#[tokio::test]
async fn un_named_nodes_not_told_apart_by_case_are_found_by_either() {
    let figure = Figure::new().await;
    figure.all(&[("left/Any/ONE", Ok(&["left/Any/One"])), ("left/Data/1/VALUE", Err(404))]).await;
}

#[tokio::test]
async fn one_listing_serves_a_whole_address() {
    let figure = Figure::new().await;
    figure.all(&[("left/Ports/(p)/Own?nv=(p)/Own:b", Ok(&["left/Ports/b/Own"]))]).await;
    let uri = "(x)/Ports/(p)/Own?nv=(p)/Own:b&nv=(x)/ID:GPS&nv=(x)/Ports/a/Own:a&nv=(x)/Ports/b/Own:b";
    figure.all(&[(uri, Ok(&["left/Ports/b/Own"]))]).await;
    let listed = std::fs::read_to_string(figure.folder.path().join("root/listed")).unwrap();
    assert_eq!(listed.lines().count(), 2, "once for each of the two URIs");
}

#[tokio::test]
async fn a_leaf_that_fails_is_no_match_and_does_not_withhold_the_others() {
    let figure = Figure::new().await;
    for (name, text) in [("1", "seven"), ("2", "7")] {
        put(&figure.folder.path().join("root/broken").join(name), text);
    }
    figure.all(&[("left/Broken/(b)?nv=(b)/Number:7", Ok(&["left/Broken/2"]))]).await;
}

#[tokio::test]
async fn an_address_of_too_many_nodes_ends_in_a_status() {
    let figure = Figure::new().await;
    let Ok(Resolved::One(data)) = figure.resolve("left/Data", Rights::READ).await else { panic!() };
    let puts = (0..10_001).map(|n| Change::Put(data.key().child(&format!("n{n}")), Stored::Interior));
    figure.tree.store.commit(puts.collect()).await.unwrap();
    figure.all(&[("left/Data/*", Err(500)), ("left/Data/*/Value", Err(500))]).await;
    figure.all(&[("left/Data/(x)?nv=(x)/Value:a", Ok(&["left/Data/1"]))]).await;
}

#[tokio::test]
async fn a_listing_that_fails_withholds_only_what_would_show_it() {
    let figure = Figure::new().await;
    figure.tree.store.commit(vec![Change::CacheKey([7; 64])]).await.unwrap();
    put(&figure.folder.path().join("root/unplugged"), "");
    let principal = Principal { account: &figure.account, session: SessionFacts::default() };
    let show = async |uri: &str| {
        let found = figure.resolve(uri, Rights::READ).await?;
        let uri = ClientUri::parse(&format!("{MOID}/{uri}")).unwrap();
        figure.tree.show(found, uri.level, uri.cache_validator.as_deref(), MOST_SHOWN, &principal).await
    };
    let Shown::Document(json) = show("left/").await.unwrap() else { panic!("no document") };
    let json: Json = serde_json::from_slice(&json).unwrap();
    let shown = &json["MOData"]["moroot"];
    assert_eq!((&shown["ID"], shown.get("Ports")), (&json!("GPS"), None), "nobody is told that it is empty");
    assert_eq!(code(show("left/Ports").await), 503);
    let Shown::Document(json) = show("left/?lv=1").await.unwrap() else { panic!("no document") };
    let json: Json = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        (&json["MOData"]["moroot"]["Ports"], &json["MOData"]["moroot"]["ID"]),
        (&json!({}), &json!("GPS"))
    );
    let cv = json["CV"].as_str().unwrap();
    assert_eq!(show(&format!("left/ID?cv={cv}")).await.unwrap(), Shown::Fresh);
    std::fs::remove_file(figure.folder.path().join("root/unplugged")).unwrap();
    assert_ne!(show(&format!("left/ID?cv={cv}")).await.unwrap(), Shown::Fresh);
}
