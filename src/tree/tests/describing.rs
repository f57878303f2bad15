//! What the DDF lets a server write: AccessType, Occurrence, Format, Scope, CaseSense, DefaultValue.

use serde_json::json;

use super::*;

const RACK: &str = "urn:t:mo:rack:1.0";

const RACK_TOML: &str = r#"
moid = "urn:t:mo:rack:1.0"
ddf = "rack.ddf.xml"
ddf-uri = "https://t.example/rack.ddf"
root = "Rack"
instances = ["1"]
[node.Fixed]
get = { value = "fixed" }
[node.Conf]
get = { file = "/conf" }
set = { file = "/conf" }
delete = { file = "/conf" }
[node."Machines/<m>"]
list = { glob = "/machines/*" }
[node."Devices/<d>"]
list = { glob = "/devices/*" }
add = { file = "/devices/{d}" }
delete = { file = "/devices/{d}" }
"#;

const ALL: &str = "Add Delete Get Replace";

fn occurs(word: &str) -> String {
    let word = match word.split_once(' ') {
        Some((word, count)) => format!("<{word}>{count}</{word}>"),
        None => format!("<{word}/>"),
    };
    format!("<Occurrence>{word}</Occurrence><Scope><Dynamic/></Scope>")
}

fn rack_ddf() -> String {
    let leaf = |name: &str, format: &str, access: &str, more: &str| node(name, format, access, more, &[]);
    let chr = |name: &str, access: &str, occurrence: &str| leaf(name, "chr", access, &occurs(occurrence));
    let inner = |name: &str, access: &str, occurrence: &str, children: &[String]| {
        node(name, "node", access, &occurs(occurrence), children)
    };
    let typed = |format: &str| leaf(format, format, ALL, MAYBE);
    let slot = [
        chr("Label", "Get Replace", "One"),
        leaf("Kind", "chr", "Get Replace", "<DefaultValue>plain</DefaultValue>"),
        chr("Serial", "Get", "One"),
        chr("Extra", "Get Replace", "ZeroOrOne"),
    ];
    let named = inner("<n>", ALL, "ZeroOrMore", &[chr("V", ALL, "One")]);
    let names = named.replacen("<Occurrence>", "<CaseSense><CIS/></CaseSense><Occurrence>", 1);
    let children = [
        chr("Fixed", "Get", "One"),
        chr("Opt", ALL, "ZeroOrOne"),
        chr("Sticky", "Get Replace", "ZeroOrOne"),
        chr("AddOnly", "Add Get", "ZeroOrOne"),
        chr("Stays", ALL, "One"),
        inner("Single", "Get Replace", "One", &[inner("<q>", "Add Delete Get Replace", "One", &[])]),
        chr("Blind", "Replace", "One"),
        leaf("Perm", "chr", ALL, PERMANENT),
        chr("Conf", ALL, "ZeroOrOne"),
        inner("Slots", "Get Replace", "One", &[inner("<s>", "Add Delete Get Replace", "OneOrMore", &slot)]),
        inner(
            "Trays",
            "Get Replace",
            "One",
            &[inner("<t>", "Add Delete Get Replace", "OneOrN 2", &[chr("V", ALL, "ZeroOrOne")])],
        ),
        inner(
            "Solo",
            "Get Replace",
            "One",
            &[inner("<o>", "Add Delete Get Replace", "ZeroOrOne", &[chr("V", ALL, "ZeroOrOne")])],
        ),
        inner("Names", "Get Replace", "One", &[names]),
        inner("Leaves", "Get Replace", "One", &[chr("<l>", ALL, "ZeroOrMore")]),
        inner(
            "Shelf",
            "Add Delete Get Replace",
            "ZeroOrOne",
            &[chr("Must", "Get Replace", "One"), chr("May", ALL, "ZeroOrOne")],
        ),
        inner("Fan", "Get", "ZeroOrOne", &[chr("Speed", ALL, "ZeroOrOne")]),
        inner(
            "Machines",
            "Delete Get Replace",
            "ZeroOrOne",
            &[inner("<m>", "Delete Get Replace", "ZeroOrMore", &[])],
        ),
        inner(
            "Devices",
            "Delete Get Replace",
            "ZeroOrOne",
            &[inner("<d>", "Add Delete Get Replace", "ZeroOrMore", &[])],
        ),
        typed("bool"),
        typed("int"),
        typed("float"),
        typed("date"),
        typed("time"),
        typed("xml"),
        typed("bin"),
        typed("b64"),
        typed("null"),
    ];
    let root = node("Rack", "node", "Get Replace", "", &children);
    format!("<MgmtTree><VerDTD>1.2</VerDTD>{root}</MgmtTree>")
}

struct Rack(Bench);

impl Rack {
    /// The usual bench with one more object.
    fn new() -> Self {
        let Bench { folder, tree, account } = Bench::new();
        let path = folder.path().join("mo/rack");
        put(&path.join("rack.toml"), RACK_TOML);
        put(&path.join("rack.ddf.xml"), &rack_ddf());
        let mut problems = Problems::default();
        let rack = mo::load::load_one(&path, &mut problems).map(Arc::new);
        assert!(problems.is_empty(), "{problems}");
        let objects = tree.objects().iter().cloned().chain(rack).collect();
        let (store, machine) = (Arc::clone(&tree.store), Arc::clone(&tree.machine));
        let tree = Tree::new(objects, vec![Arc::clone(&account)], store, machine, tree.started);
        Self(Bench { folder, tree, account })
    }

    async fn write(&self, path: &str, data: Json) -> u16 {
        status(self.0.write(&format!("{RACK}/1/{path}"), data).await)
    }

    async fn delete(&self, path: &str) -> u16 {
        status(self.0.delete(&format!("{RACK}/1/{path}")).await)
    }

    async fn read(&self, path: &str) -> Json {
        match self.0.read(&format!("{RACK}/1/{path}")).await {
            Ok(json) => json,
            Err(error) => json!(code::<()>(Err(error))),
        }
    }
}

fn status(result: Result<(), TreeError>) -> u16 {
    if result.is_ok() { 200 } else { code(result) }
}

#[tokio::test]
async fn what_is_there_needs_replace_and_what_is_not_needs_add() {
    let rack = Rack::new();
    assert_eq!(rack.write("Sticky", json!("x")).await, 405, "it is not there, and may not be added");
    assert_eq!(rack.write("AddOnly", json!("x")).await, 200);
    assert_eq!(rack.write("AddOnly", json!("y")).await, 405, "now it is there");
    assert_eq!(rack.read("AddOnly").await, "x");
    assert_eq!(rack.write("Blind", json!("x")).await, 200, "a required node is there");
    assert_eq!(rack.write("Fixed", json!("fixed")).await, 405, "whatever the value");
}

#[tokio::test]
async fn what_a_server_got_it_can_put_back() {
    let rack = Rack::new();
    assert_eq!(rack.write("", json!({"Fixed": "fixed", "Opt": "o", "Blind": "b"})).await, 200);
    let whole = rack.read("").await;
    assert_eq!(whole["Fixed"], "fixed");
    assert_eq!(rack.write("", whole.clone()).await, 200);
    assert_eq!(rack.read("").await, whole);
    assert_eq!(rack.write("", json!({"Fixed": "other", "Opt": "new"})).await, 405);
    assert_eq!(rack.read("Opt").await, "o", "nothing of it was written");
    assert_eq!(rack.write("", json!({"Blind": "b"})).await, 200);
}

#[tokio::test]
async fn an_empty_required_leaf_is_put_back_empty_or_null_and_a_full_one_is_not() {
    let bench = Bench::new();
    let whole = bench.read("").await.unwrap();
    assert_eq!(whole["Name"], "");
    bench.write("", json!({"Name": "", "Must": "", "Level": 1})).await.unwrap();
    bench.write("", json!({"Name": null, "Level": 1})).await.unwrap();
    bench.write("Name", json!("n")).await.unwrap();
    assert_eq!(code(bench.write("", json!({"Name": null})).await), 500);
    assert_eq!(code(bench.write("Name", json!(null)).await), 500);
}

#[tokio::test]
async fn what_a_server_may_not_delete_its_data_may_lack() {
    let rack = Rack::new();
    assert_eq!(rack.write("", json!({"Opt": "o", "Perm": "p", "AddOnly": "a"})).await, 200);
    rack.0.file("/conf", "c\n");
    assert_eq!(rack.write("", json!({})).await, 200);
    assert_eq!(rack.read("Opt").await, 404, "dynamic");
    assert_eq!(rack.0.content("/conf"), None, "dynamic, and a file");
    assert_eq!(rack.read("Perm").await, "p", "permanent");
    assert_eq!(rack.read("AddOnly").await, "a", "without Delete access");
}

#[tokio::test]
async fn what_is_there_exactly_once_neither_goes_nor_comes_again() {
    let rack = Rack::new();
    assert_eq!(rack.write("", json!({"Stays": "x"})).await, 200);
    assert_eq!(rack.delete("Stays").await, 405);
    assert_eq!(rack.write("", json!({"Opt": "o"})).await, 200);
    assert_eq!(rack.read("Stays").await, "x", "data that lacks it leaves it as it is");

    assert_eq!(rack.write("Single", json!({"a": {}, "b": {}})).await, 500);
    assert_eq!(rack.write("Single/a", json!({})).await, 200);
    assert_eq!(rack.write("Single/b", json!({})).await, 500);
    assert_eq!(rack.write("Single", json!({})).await, 500);
    assert_eq!(rack.delete("Single/a").await, 405);
    assert_eq!(rack.write("Single", json!({"b": {}})).await, 200, "in the first one's place");
    assert_eq!(rack.read("Single").await, json!({"b": {}}));
}

#[tokio::test]
async fn where_one_or_more_are_the_last_does_not_go() {
    let rack = Rack::new();
    let slot = || json!({"Label": "l", "Serial": "s"});
    assert_eq!(rack.write("Slots", json!({"a": slot(), "b": slot()})).await, 200);
    assert_eq!(rack.write("Slots", json!({})).await, 500);
    assert_eq!(rack.read("Slots/b/Label").await, "l");
    assert_eq!(rack.delete("Slots/a").await, 200);
    assert_eq!(rack.delete("Slots/b").await, 405);
    assert_eq!(rack.read("Slots/b/Label").await, "l");
}

#[tokio::test]
async fn where_one_to_n_are_no_more_come_and_the_last_does_not_go() {
    let rack = Rack::new();
    assert_eq!(rack.write("Trays", json!({"a": {}, "b": {}, "c": {}})).await, 500);
    assert_eq!(rack.write("Trays", json!({"a": {}, "b": {}})).await, 200);
    assert_eq!(rack.write("Trays/c", json!({})).await, 500, "a third one");
    assert_eq!(rack.write("Trays/b", json!({"V": "x"})).await, 200, "it is there");
    assert_eq!(rack.delete("Trays/a").await, 200);
    assert_eq!(rack.write("Trays/c", json!({})).await, 200);
    assert_eq!(rack.delete("Trays/b").await, 200);
    assert_eq!(rack.delete("Trays/c").await, 405);
    assert_eq!(rack.write("Trays", json!({})).await, 500);
    assert_eq!(rack.read("Trays").await, json!({"c": {}}));
}

#[tokio::test]
async fn of_what_is_there_once_or_not_at_all_no_second_comes() {
    let rack = Rack::new();
    assert_eq!(rack.write("Solo", json!({"a": {}, "b": {}})).await, 500);
    assert_eq!(rack.write("Solo/a", json!({})).await, 200);
    assert_eq!(rack.write("Solo/b", json!({})).await, 500);
    assert_eq!(rack.delete("Solo/a").await, 200);
    assert_eq!(rack.write("Solo/b", json!({})).await, 200);
}

#[tokio::test]
async fn a_wildcard_deletes_all_or_nothing() {
    let rack = Rack::new();
    let slot = || json!({"Label": "l", "Serial": "s"});
    assert_eq!(rack.write("Slots", json!({"a": slot(), "b": slot()})).await, 200);
    let all = |path: &str| {
        let uri = ClientUri::parse(&format!("{RACK}/1/{path}")).unwrap();
        let bench = &rack.0;
        async move {
            let Resolved::Many(nodes) =
                bench.tree.resolve_all(&uri, &bench.principal(), Rights::WRITE).await?
            else {
                panic!("no wildcard")
            };
            let nodes = bench.tree.existing(nodes, &bench.principal()).await?;
            bench.tree.delete(&nodes, &bench.principal()).await
        }
    };
    assert_eq!(status(all("Slots/*").await), 405, "one must stay");
    assert_eq!(rack.read("Slots/a/Label").await, "l");
    assert_eq!(rack.write("Leaves", json!({"x": "1", "y": "2"})).await, 200);
    assert_eq!(status(all("Leaves/*").await), 200);
    assert_eq!(rack.read("Leaves").await, Json::Null);
    assert_eq!(rack.write("Trays", json!({"a": {"V": "1"}, "b": {}})).await, 200);
    assert_eq!(status(all("Trays/*/V").await), 200, "one of them has it");
    assert_eq!(rack.read("Trays").await, json!({"a": {}, "b": {}}));
}

#[tokio::test]
async fn a_new_node_is_complete() {
    let rack = Rack::new();
    assert_eq!(rack.write("Slots/a", json!({"Serial": "s"})).await, 500, "nobody gives it a label");
    assert_eq!(rack.write("Slots/a", json!({"Label": "l", "Serial": null})).await, 500);
    assert_eq!(rack.read("Slots").await, Json::Null, "nothing of it is there");
    let given = json!({"Label": "l", "Serial": "s", "Extra": "e"});
    assert_eq!(rack.write("Slots/a", given).await, 200, "what comes with its parent needs no Add");
    assert_eq!(rack.read("Slots/a/Kind").await, "plain", "its DefaultValue");
    assert_eq!(rack.write("Slots/a/Serial", json!("t")).await, 405, "given once and for all");
    assert_eq!(rack.write("Slots/a", json!({"Label": "m"})).await, 200, "what is there keeps what it has");
    assert_eq!(
        rack.read("Slots/a").await,
        json!({"Label": "m", "Kind": "plain", "Serial": "s", "Extra": "e"})
    );
}

#[tokio::test]
async fn an_optional_interior_node_is_added_whole() {
    let rack = Rack::new();
    assert_eq!(rack.write("Shelf/May", json!("x")).await, 500, "a shelf would lack what it must have");
    assert_eq!(rack.read("Shelf").await, 404);
    assert_eq!(rack.write("Shelf/Must", json!("x")).await, 200, "with what it must have it comes into being");
    assert_eq!(rack.read("Shelf").await, json!({"Must": "x"}));
    assert_eq!(rack.delete("Shelf").await, 200);
    assert_eq!(rack.write("Shelf", json!({"May": "x"})).await, 500);
    assert_eq!(rack.write("Shelf", json!({"Must": "x"})).await, 200);
    assert_eq!(rack.write("Shelf/May", json!("x")).await, 200);
    assert_eq!(rack.write("Fan", json!({"Speed": "1"})).await, 405, "without Add access");
    assert_eq!(rack.write("Fan/Speed", json!("1")).await, 405);
    assert_eq!(rack.delete("Shelf").await, 200);
    assert_eq!(rack.read("Shelf").await, 404);
}

#[tokio::test]
async fn a_node_that_is_named_by_its_real_name_is_added() {
    let rack = Rack::new();
    assert_eq!(rack.write("Names/eth%200", json!({"V": "1"})).await, 200);
    assert_eq!(rack.read("Names").await, json!({"eth%200": {"V": "1"}}));
    assert_eq!(rack.write("Leaves/x", json!("1")).await, 200);
    assert_eq!(rack.write("Leaves/x", json!("2")).await, 200);
    assert_eq!(rack.read("Leaves").await, json!({"x": "2"}));
    for path in ["Names/a/V", "Names/a/b/c", "NoSuch/a"] {
        assert!(matches!(rack.write(path, json!({"V": "1"})).await, 404 | 500), "{path}");
    }
    assert_eq!(rack.write("Machines/m", json!({})).await, 405);
    assert_eq!(rack.read("Names").await, json!({"eth%200": {"V": "1"}}));
}

#[tokio::test]
async fn where_case_does_not_count_two_spellings_are_one_node() {
    let rack = Rack::new();
    assert_eq!(rack.write("Names", json!({"Eth": {"V": "1"}})).await, 200);
    assert_eq!(rack.write("Names", json!({"ETH": {"v": "2"}})).await, 200);
    assert_eq!(rack.read("Names").await, json!({"Eth": {"V": "2"}}));
    assert_eq!(rack.write("Names", json!({"eth": {"V": "1"}, "ETH": {"V": "2"}})).await, 500);
    assert_eq!(rack.write("Names/eTH", json!({"V": "3"})).await, 200);
    assert_eq!(rack.read("Names").await, json!({"Eth": {"V": "3"}}));
    assert_eq!(rack.write("Leaves", json!({"a": "1", "A": "2"})).await, 200, "elsewhere they are two");
}

#[tokio::test]
async fn values_are_of_their_format() {
    let rack = Rack::new();
    let right = json!({
        "bool": true, "int": i64::MIN, "float": 1.5e10, "date": "2026-02-28", "time": "23:59:59Z",
        "xml": "<a/>", "bin": "AAH/", "b64": "AAH/", "null": null
    });
    assert_eq!(rack.write("", right.clone()).await, 200);
    let there = rack.read("").await;
    for (name, value) in right.as_object().unwrap() {
        assert_eq!(there[name], *value, "{name}");
    }
    for (name, wrong) in [
        ("bool", json!("true")),
        ("bool", json!(1)),
        ("int", json!(1.5)),
        ("int", json!(1e30)),
        ("int", json!(u64::MAX)),
        ("int", json!("1")),
        ("int", json!(true)),
        ("float", json!("1.5")),
        ("float", json!([])),
        ("date", json!("2026-02-30")),
        ("date", json!("soon")),
        ("date", json!(20260228)),
        ("time", json!("25:00:00")),
        ("time", json!("")),
        ("xml", json!({})),
        ("bin", json!("a*b")),
        ("bin", json!([1, 2])),
        ("b64", json!(7)),
        ("null", json!("x")),
        ("null", json!({})),
    ] {
        assert_eq!(rack.write(name, wrong.clone()).await, 500, "{name}: {wrong}");
        assert_eq!(rack.write("", json!({"Opt": "new", name: wrong})).await, 500, "{name}: {wrong}");
    }
    assert_eq!(rack.read("").await, there, "half-valid data changes nothing");
}

#[tokio::test]
async fn what_the_machine_lists_goes_only_where_its_mapping_says_how() {
    let rack = Rack::new();
    rack.0.file("/machines/a", "");
    rack.0.file("/devices/a", "");
    rack.0.file("/devices/b", "");
    assert_eq!(rack.delete("Machines/a").await, 405);
    assert_eq!(rack.delete("Machines").await, 405, "it would still be there");
    assert_eq!(rack.write("", json!({"Devices": {"b": {}, "c": {}}})).await, 200);
    assert_eq!(rack.read("Devices").await, json!({"b": {}, "c": {}}));
    assert_eq!(rack.read("Machines").await, json!({"a": {}}), "the machine's stays");
    assert_eq!(rack.delete("Devices").await, 200);
    assert_eq!(rack.0.content("/devices/b").or(rack.0.content("/devices/c")), None);
}

#[tokio::test]
async fn several_documents_are_stored_or_none() {
    let bench = Bench::new();
    let document =
        |text: &str| format!(r#"{{"MOID": "{CRATE}", "MIIDS": ["9"], "MOData": {{"Crate": {text}}}}}"#);
    let store = async |documents: &[String]| -> Result<Vec<String>, TreeError> {
        let body = format!("[{}]", documents.join(","));
        let documents = Document::parse(body.as_bytes())?;
        let stored = bench.tree.store(documents, None, &bench.principal()).await?;
        Ok(stored.iter().map(NodeRef::client_uri).collect())
    };
    let (good, bad) = (document(r#"{"Text": "t"}"#), document(r#"{"Text": 5}"#));
    assert_eq!(code(store(&[good.clone(), bad]).await), 500);
    let uris = store(&[good.clone(), good.clone()]).await.unwrap();
    assert_eq!(uris, [format!("{CRATE}/1/"), format!("{CRATE}/2/")], "the failed ones used no number up");
    assert_eq!(code(store(&[]).await), 500);
    // One that says below which instance it belongs.
    let part = format!(r#"{{"ClientURI": "{CRATE}/2/Text", "MOData": {{"Text": "new"}}}}"#);
    assert_eq!(store(&[part]).await.unwrap(), [format!("{CRATE}/2/Text")]);
    assert_eq!(bench.read(&format!("{CRATE}/2/Text")).await.unwrap(), "new");
    let stray = format!(r#"{{"MOID": "{BOX}", "ClientURI": "{CRATE}/2/Text", "MOData": "x"}}"#);
    assert_eq!(code(store(&[stray]).await), 500, "of two objects");
    for invalid in ["[]", "[7]", "{}", r#"{"MOID": 5, "MOData": {}}"#, r#"[{"MOData": {}}, 1]"#] {
        assert_eq!(code(Document::parse(invalid.as_bytes())), 500, "{invalid}");
    }
}

#[tokio::test]
async fn each_document_is_checked_against_the_state_with_those_before_it() {
    let bench = Bench::new();
    let document = |uri: &str, data: Json| {
        let client_uri = Some(format!("{BOX}/1/{uri}"));
        Document { moid: None, client_uri, data: data.into(), is_bare: false }
    };
    let store = async |documents: &[(&str, Json)]| {
        let documents = documents.iter().map(|(uri, data)| document(uri, data.clone())).collect();
        bench.tree.store(documents, None, &bench.principal()).await
    };
    let value = || json!({"Value": "v"});
    // What one makes, the next one finds.
    store(&[("Items/a", value()), ("Items/a/Note", json!("n"))]).await.unwrap();
    assert_eq!(bench.read("Items").await.unwrap(), json!({"a": {"Value": "v", "Note": "n"}}));
    bench.file("/files/old", "1\n");
    store(&[("Files/new", json!({"Text": "t"})), ("Files/new/Text", json!("u"))]).await.unwrap();
    assert_eq!(bench.content("/files/new").unwrap(), "u\n");
    // What is the machine's comes and goes in the same order: what was last holds.
    let text = |text: &str| json!({"Text": text});
    let (made, gone) = (("Files/x", text("t")), [("Files", json!({})), ("Files/x/Text", json!("u"))]);
    assert_eq!(code(store(&[&[made][..], &gone].concat()).await), 404, "what came first has gone again");
    assert_eq!(bench.content("/files/x"), None);
    bench.file("/files/x", "there\n");
    assert_eq!(code(store(&gone).await), 404, "what was there has gone");
    assert_eq!(bench.content("/files/x").unwrap(), "there\n");
    store(&[
        ("Files/x/Text", json!("t")),
        ("Files/y", text("y")),
        ("Files", json!({})),
        ("Files/z", text("z")),
        ("Files/x", text("again")),
        ("Files/x/Text", json!("last")),
    ])
    .await
    .unwrap();
    assert_eq!(bench.content("/files/x").unwrap(), "last\n");
    assert_eq!(bench.read("Files").await.unwrap(), json!({"x": {"Text": "last"}, "z": {"Text": "z"}}));
    // Together they are too many.
    let pairs = [("Pair/a", value()), ("Pair/b", value()), ("Pair/c", value())];
    assert_eq!(code(store(&pairs).await), 500);
    assert_eq!(bench.get("Pair").await.unwrap(), Shown::Empty, "none of them is stored");
    store(&pairs[..2]).await.unwrap();
    assert_eq!(code(store(&pairs[2..]).await), 500);
    // What one takes away, the next one lacks; and its place is free again.
    assert_eq!(code(store(&[("Items", json!({"b": value()})), ("Items/a/Note", json!("x"))]).await), 404);
    store(&[("Pair", json!({"c": value()})), ("Pair/d", value())]).await.unwrap();
    assert_eq!(bench.read("Pair").await.unwrap(), json!({"c": value(), "d": value()}));
    // A new instance too: it is the only one.
    let new = Document {
        moid: Some(CRATE.into()),
        client_uri: None,
        data: json!({"Text": "one"}).into(),
        is_bare: false,
    };
    let part = Document { client_uri: Some(format!("{CRATE}//Text")), ..document("", json!("two")) };
    bench.tree.store(vec![new, part], None, &bench.principal()).await.unwrap();
    assert_eq!(bench.read(&format!("{CRATE}//Text")).await.unwrap(), "two");
}

#[tokio::test]
async fn what_may_not_be_replaced_is_not_whatever_is_in_it() {
    let rack = Rack::new();
    let bench = &rack.0;

    bench.write("Shelf", json!({"Lasting": {"one": {"Note": "o"}}, "Held": {"Note": "n"}})).await.unwrap();
    // `Held` may be added, not replaced.
    for body in [json!({}), json!({"Note": "x"})] {
        let uri = ClientUri::parse(&format!("{BOX}/1/Shelf/Held")).unwrap();
        assert_eq!(
            code(bench.tree.destination(&uri, &bench.principal()).await),
            405,
            "before anything is fetched"
        );
        assert_eq!(code(bench.write("Shelf/Held", body).await), 405);
    }
    for body in [json!({}), json!({"Speed": "1"})] {
        assert_eq!(rack.write("Fan", body).await, 405);
    }
    bench.delete("Shelf").await.unwrap_err();
    assert_eq!(bench.read("Shelf/Held/Note").await.unwrap(), "n");
}

#[tokio::test]
async fn an_instance_that_went_meanwhile_is_not_written() {
    let bench = Bench::new();
    let document =
        || Document::parse(format!(r#"{{"MOID": "{CRATE}", "MOData": {{"Text": "t"}}}}"#).as_bytes());
    let root = bench.tree.store(document().unwrap(), None, &bench.principal()).await.unwrap();
    let text = bench.resolve(&format!("{CRATE}/1/Text"), Rights::WRITE).await.unwrap();
    bench.tree.delete(&root, &bench.principal()).await.unwrap();
    let late = bench.tree.replace(&text, Data::Json(json!("late").into()), &bench.principal()).await;
    assert_eq!(code(late), 404);
    assert_eq!(code(bench.tree.delete(&[text], &bench.principal()).await), 404);
    assert!(!bench.tree.store.snapshot().unwrap().exists(root[0].key()).unwrap());
}

#[tokio::test]
async fn more_than_the_quota_is_refused_before_the_machine_is_touched() {
    let bench = Bench::new();
    bench.tree.store.set_quota(1000);
    bench.file("/a", "before\n");
    assert_eq!(code(bench.write("", json!({"Name": "n".repeat(1000), "A": "after"})).await), 506);
    assert_eq!(bench.content("/a").unwrap(), "before\n");
    assert_eq!(bench.get("Name").await.unwrap(), Shown::Empty);
    bench.write("", json!({"Name": "n", "A": "after"})).await.unwrap();
    assert_eq!(bench.content("/a").unwrap(), "after\n");
}
