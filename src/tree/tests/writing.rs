use serde_json::json;

use super::*;

#[tokio::test]
async fn a_write_lasts_and_gives_access_types_their_say() {
    let bench = Bench::new();
    bench.write("Name", json!("gateway")).await.unwrap();
    assert_eq!(bench.read("Name").await.unwrap(), "gateway");
    bench.write("Note", json!("added")).await.unwrap();
    bench.write("A", json!("to a file")).await.unwrap();
    assert_eq!(bench.content("/a").unwrap(), "to a file\n");
    for (path, data) in [("Fixed", json!("x")), ("Gone", json!("x")), ("Must", json!("x"))] {
        assert_eq!(code(bench.write(path, data).await), 405, "{path}");
    }
}

#[tokio::test]
async fn what_the_ddf_does_not_describe_is_not_stored() {
    let bench = Bench::new();
    for (path, data) in [
        ("Level", json!("five")),
        ("Level", json!(1.5)),
        ("Name", json!(5)),
        ("Name", json!({"x": 1})),
        ("Group", json!("x")),
        ("Group", json!([])),
        ("Group", json!({"Inner": "x", "Unknown": 1})),
        ("Pair", json!({"a": {}, "b": {}, "c": {}})),
        ("", json!({"Level": 1, "level": 2})),
    ] {
        assert_eq!(code(bench.write(path, data.clone()).await), 500, "{path} {data}");
    }
    assert_eq!(code(bench.get("Group").await), 404, "nothing of it was stored");
    let pair = json!({"Value": "x"});
    bench.write("Pair", json!({"a": pair, "b": pair})).await.unwrap();
}

#[tokio::test]
async fn a_name_is_no_way_into_another_nodes_place() {
    let bench = Bench::new();
    for name in ["", "a/b", "a\0Value", "a\n", &"x".repeat(256)] {
        assert_eq!(code(bench.write("Items", json!({name: {"Value": "x"}})).await), 500, "{name:?}");
    }
    assert_eq!(bench.get("Items").await.unwrap(), Shown::Empty);
}

#[tokio::test]
async fn a_name_is_stored_as_the_ddf_spells_it() {
    let bench = Bench::new();
    bench.write("", json!({"LEVEL": 4})).await.unwrap();
    assert_eq!(bench.read("Level").await.unwrap(), "4");
    bench.write("", json!({"level": 5})).await.unwrap();
    assert_eq!(bench.read("Level").await.unwrap(), "5");
}

#[tokio::test]
async fn replacing_removes_what_is_dynamic_and_keeps_what_is_not() {
    let bench = Bench::new();
    bench.write("", json!({"Name": "n", "Note": "t", "Kept": "k"})).await.unwrap();
    bench.write("Items", json!({"a": {"Value": "1", "Note": "x"}, "b": {"Value": "2"}})).await.unwrap();
    bench.write("Items", json!({"a": {"Value": "3"}, "c": {"Value": "4"}})).await.unwrap();
    assert_eq!(bench.read("Items").await.unwrap(), json!({"a": {"Value": "3"}, "c": {"Value": "4"}}));
    bench.write("", json!({"Level": 1})).await.unwrap();
    assert_eq!(code(bench.get("Note").await), 404);
    assert_eq!(bench.read("Kept").await.unwrap(), "k", "it is permanent");
    assert_eq!(bench.read("Name").await.unwrap(), "n", "the DDF requires it");
    assert_eq!(bench.get("Items").await.unwrap(), Shown::Empty, "so it does Items, but nothing in it");
}

#[tokio::test]
async fn what_stays_of_a_replaced_node_keeps_nothing_that_its_data_lacks() {
    let bench = Bench::new();
    let lasting = json!({"Note": "n", "Kept": "k", "one": {"Note": "o"}});
    let shelf = json!({"a": {"Value": "1"}, "b": {"Value": "2"}, "Lasting": lasting, "Held": {"Note": "n", "Fast": "f"}});
    bench.write("Shelf", shelf.clone()).await.unwrap();
    bench.write("", json!({"Shelf": shelf, "Level": 1})).await.unwrap();
    bench.file("/net/eth0/mtu", "1500");
    bench.file("/files/old", "1\n");
    let before = bench.read("Shelf").await.unwrap();
    assert_eq!(before["b"]["Value"], "2");
    bench.write("", json!({"Level": 2})).await.unwrap();
    let left = bench.read("Shelf").await.unwrap();
    assert_eq!(left, json!({"Held": {"Fast": "f"}, "Lasting": {"Kept": "k", "one": {"Note": "o"}}}));
    assert_eq!(bench.content("/files/old"), None, "the mapping says how it goes");
    assert_eq!(bench.content("/net/eth0/mtu").unwrap(), "1500", "and here it does not");
    // The machine's part of it is in the same all or nothing.
    bench.file("/files/old", "1\n");
    assert_eq!(code(bench.write("", json!({"Level": "x"})).await), 500);
    assert_eq!(bench.content("/files/old").unwrap(), "1\n");
}

#[tokio::test]
async fn a_wrapper_is_told_in_whichever_case_its_ddf_ignores() {
    let bench = Bench::new();
    for (path, data, expected) in [
        ("Level", json!({"LEVEL": 5}), json!(5)),
        ("LEVEL", json!({"level": 6}), json!(6)),
        ("Name", json!({"NAME": "x"}), json!({"NAME": "x"})),
    ] {
        let node = bench.resolve(path, Rights::WRITE).await.unwrap();
        let body = json!({ "MOData": data }).to_string();
        let data = Document::parse(body.as_bytes()).unwrap().remove(0).data_of(&node);
        assert_eq!(Json::from(data), expected, "{path}");
    }
}

#[tokio::test]
async fn a_failing_effect_takes_the_others_back() {
    let bench = Bench::new();
    bench.file("/a", "before\n");
    // A folder where the file should be: writing it fails, for root too.
    std::fs::create_dir(bench.path("/locked/b")).unwrap();
    let failed = bench.write("", json!({"Name": "new", "A": "new", "B": "new"})).await;
    assert_eq!(code(failed), 500);
    assert_eq!(bench.content("/a").unwrap(), "before\n");
    assert_eq!(bench.get("Name").await.unwrap(), Shown::Empty, "nor was anything stored");
}

#[tokio::test]
async fn what_does_not_read_back_was_not_written() {
    let bench = Bench::new();
    bench.file("/deaf", "old\n");
    let failed = bench.write("Deaf", json!("new")).await;
    assert!(matches!(failed, Err(TreeError::NotVerified { .. })), "{failed:?}");
    assert_eq!(bench.content("/mouth"), None, "the effect is taken back");
    bench.write("Deaf", json!("old")).await.unwrap();
}

#[tokio::test]
async fn an_effect_sees_its_inputs_as_they_will_be() {
    let bench = Bench::new();
    bench.write("", json!({"Joined": "hello", "Name": "first"})).await.unwrap();
    assert_eq!(bench.content("/joined").unwrap(), "hello for first\n");
    bench.write("", json!({"Joined": "hello", "Name": "second"})).await.unwrap();
    assert_eq!(bench.content("/joined").unwrap(), "hello for second\n");
}

#[tokio::test]
async fn listed_nodes_are_written_by_the_machines_own_name() {
    let bench = Bench::new();
    bench.file("/net/eth1:0/mtu", "9000");
    bench.write("Interfaces", json!({"eth1%3A0": {"Mtu": 1400}})).await.unwrap();
    assert_eq!(bench.content("/net/eth1:0/mtu").unwrap(), "1400\n");
    let added = bench.write("Interfaces", json!({"eth7": {"Mtu": 1400}})).await;
    assert_eq!(code(added), 405, "the mapping says nothing of adding");
    assert_eq!(bench.read("Interfaces").await.unwrap(), json!({"eth1%3A0": {"Mtu": 1400, "Own": "eth1:0"}}));
}

#[tokio::test]
async fn the_mapping_adds_and_deletes_what_it_lists() {
    let bench = Bench::new();
    bench.file("/files/old", "1\n");
    bench.file("/files/stays", "2\n");
    bench.write("Files", json!({"stays": {}, "n%3Aew": {"Text": "3"}})).await.unwrap();
    let files = json!({"n%3Aew": {"Text": "3"}, "stays": {"Text": "2"}});
    assert_eq!(bench.read("Files").await.unwrap(), files);
    assert_eq!(bench.content("/files/n:ew").unwrap(), "3\n");
    bench.delete("Files/stays").await.unwrap();
    assert_eq!(bench.content("/files/stays"), None);
    bench.file("/removable", "x\n");
    bench.delete("Removable").await.unwrap();
    assert_eq!(code(bench.delete("Removable").await), 404);
}

#[tokio::test]
async fn delete_goes_by_scope_access_and_presence() {
    let bench = Bench::new();
    bench.file("/net/eth0/mtu", "1500");
    bench.write("", json!({"Note": "t", "Kept": "k", "Group": {"Inner": "i"}})).await.unwrap();
    bench.write("Items", json!({"a": {"Value": "1"}, "ab": {"Value": "2"}})).await.unwrap();
    for path in ["Kept", "Name", "Fixed", "Interfaces/eth0", "", &format!("{DMACC}//")] {
        assert_eq!(code(bench.delete(path).await), 405, "{path}");
    }
    bench.delete("Note").await.unwrap();
    assert_eq!(code(bench.delete("Note").await), 404);
    bench.delete("Group").await.unwrap();
    assert_eq!(code(bench.get("Group/Inner").await), 404);
    bench.delete("Items/a").await.unwrap();
    assert_eq!(bench.read("Items").await.unwrap(), json!({"ab": {"Value": "2"}}));
}

#[tokio::test]
async fn an_account_is_changed_beside_its_file_and_within_its_origin() {
    let bench = Bench::new();
    let uri = format!("{DMACC}//SrvURI");
    assert_eq!(code(bench.write(&uri, json!("https://evil.example/")).await), 405);
    assert_eq!(code(bench.write(&uri, json!("https://acme.example/[")).await), 500);
    assert_eq!(code(bench.write(&format!("{DMACC}//ServerID"), json!("evil")).await), 405);
    assert_eq!(bench.read(&uri).await.unwrap(), "https://acme.example/dm");
    bench.write(&uri, json!("https://acme.example/new")).await.unwrap();
    assert_eq!(
        bench.read(&uri).await.unwrap(),
        "https://acme.example/new",
        "within the session that changed it"
    );
    let snapshot = bench.tree.store.snapshot().unwrap();
    let before = bench.tree.accounts().iter().find(|account| account.server_id == "acme").unwrap();
    let after = crate::tree::as_changed(before, &snapshot).unwrap();
    assert_eq!(
        (before.server_uri.as_str(), after.server_uri.as_str()),
        ("https://acme.example/dm", "https://acme.example/new")
    );
}

async fn create(bench: &Bench, moid: &str, data: Json) -> Result<NodeRef, TreeError> {
    let document = Document { moid: Some(moid.into()), client_uri: None, data: data.into(), is_bare: false };
    Ok(bench.tree.store(vec![document], None, &bench.principal()).await?.remove(0))
}

#[tokio::test]
async fn a_server_creates_instances_of_its_own() {
    let bench = Bench::new();
    let first = create(&bench, CRATE, json!({"Crate": {"Text": "one"}})).await.unwrap();
    let second = create(&bench, CRATE, json!({"Text": "two"})).await.unwrap();
    assert_eq!(first.client_uri(), "urn:t:mo:crate:1.0/1/");
    assert_eq!(second.client_uri(), "urn:t:mo:crate:1.0/2/");
    assert_eq!(bench.read(&format!("{CRATE}/2/Text")).await.unwrap(), "two");
    assert_eq!(code(bench.resolve(&format!("{CRATE}//Text"), Rights::READ).await), 404, "which of the two?");
    assert_eq!(code(create(&bench, BOX, json!({})).await), 405);
    assert_eq!(code(create(&bench, CRATE, json!({"Text": 5})).await), 500);
    let other = Arc::new(account("other", 7));
    let principal = Principal { account: &other, session: SessionFacts::default() };
    let uri = ClientUri::parse(&format!("{CRATE}/1/Text")).unwrap();
    assert_eq!(code(bench.tree.resolve(&uri, &principal, Rights::READ).await), 403, "it is its creator's");
    bench.delete(&format!("{CRATE}/1/")).await.unwrap();
    let miids =
        |mos: Vec<crate::package::SupportedMo>| mos.into_iter().find(|mo| mo.moid == CRATE).unwrap().miids;
    assert_eq!(miids(bench.tree.supported(&bench.principal()).unwrap()), ["2"]);
}

#[tokio::test]
async fn a_deleted_instance_leaves_nothing_to_its_successor() {
    let bench = Bench::new();
    bench.file("/serial", "first\n");
    create(&bench, CRATE, json!({"Text": "one"})).await.unwrap();
    assert_eq!(bench.read(&format!("{CRATE}/1/Serial")).await.unwrap(), "first");
    bench.delete(&format!("{CRATE}/1/")).await.unwrap();
    bench.file("/serial", "second\n");
    create(&bench, CRATE, json!({"Text": "two"})).await.unwrap();
    assert_eq!(bench.read(&format!("{CRATE}/2/")).await.unwrap(), json!({"Text": "two", "Serial": "second"}));
    assert_eq!(code(bench.get(&format!("{CRATE}/1/")).await), 404, "its name is nobody's from now on");
}

#[tokio::test]
async fn two_sessions_do_not_create_one_instance() {
    let bench = Bench::new();
    let (one, two) = tokio::join!(
        create(&bench, CRATE, json!({"Text": "one"})),
        create(&bench, CRATE, json!({"Text": "two"})),
    );
    let made: Vec<_> = [("one", one), ("two", two)]
        .into_iter()
        .filter_map(|(text, made)| made.ok().map(|root| (root.client_uri(), text)))
        .collect();
    assert!(!made.is_empty());
    for (root, text) in made {
        assert_eq!(bench.read(&format!("{root}Text")).await.unwrap(), text);
    }
}

#[tokio::test]
async fn a_write_of_too_many_nodes_is_refused() {
    let many: serde_json::Map<String, Json> = (0..25_000).map(|n| (n.to_string(), json!({}))).collect();
    let document = |count| Json::from(vec![json!({"MOData": {"Items": many}}); count]).to_string();
    assert_eq!(Document::parse(document(1).as_bytes()).unwrap().len(), 1);
    assert_eq!(code(Document::parse(document(2).as_bytes())), 506, "they are counted together");
    let empty = format!("[{}]", vec!["{\"MOData\":0}"; 60_000].join(","));
    assert_eq!(code(Document::parse(empty.as_bytes())), 506);
}

#[tokio::test]
async fn what_is_wrong_with_a_document_is_told_in_few_words() {
    let long = "x".repeat(100_000);
    let bench = Bench::new();
    for wrong in [
        json!(long),
        json!([long]),
        json!({long.as_str(): 1}),
        json!({"MOData": 1, "MOID": {long.as_str(): 1}}),
    ] {
        let error = Document::parse(wrong.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.len() < 250, "{error}");
    }
    for wrong in [json!({long.as_str(): 1}), json!({"Items": {long.as_str(): {}}})] {
        let error = bench.write("", wrong).await.unwrap_err().to_string();
        assert!(error.len() < 250, "{error}");
    }
}

#[tokio::test]
async fn a_value_that_would_slow_down_its_neighbours_is_refused() {
    let bench = Bench::new();
    bench.write("Name", json!("x".repeat(128 << 10))).await.unwrap();
    assert_eq!(code(bench.write("Name", json!("x".repeat((128 << 10) + 1))).await), 506);
}

/// What the agent wrote it also reads: below an un-named node any name is described.
#[tokio::test]
async fn data_wrapped_in_the_name_of_a_node_with_unnamed_children_is_unwrapped() {
    let bench = Bench::new();
    let items = bench.resolve("Items", Rights::WRITE).await.unwrap();
    let body = json!({"MOData": {"Items": {"a": {"Value": "1"}}}}).to_string();
    let data = Document::parse(body.as_bytes()).unwrap().remove(0).data_of(&items);
    bench.tree.replace(&items, Data::Json(data), &bench.principal()).await.unwrap();
    assert_eq!(bench.read("Items").await.unwrap(), json!({"a": {"Value": "1"}}));
}

/// A secret in the wrong form is one: the error goes into the journal.
#[tokio::test]
async fn what_no_server_may_read_is_in_no_error_either() {
    let bench = Bench::new();
    let shown = bench.write("Name", json!(4711)).await.unwrap_err().to_string();
    assert!(shown.contains("4711"), "{shown}");
    for document in [false, true] {
        let (path, data) = if document { ("", json!({"Hidden": 4711})) } else { ("Hidden", json!(4711)) };
        let error = bench.write(path, data).await.unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains("Hidden: expected") && !shown.contains("4711"), "{shown}");
    }
    let hidden = bench.resolve("Hidden", Rights::WRITE).await.unwrap();
    let shown = Data::raw(&hidden, b"4711\xFF").unwrap_err().to_string();
    assert!(shown.contains("Hidden: expected") && !shown.contains("4711"), "{shown}");
}

#[tokio::test]
async fn settings_of_one_file_change_together_or_not_at_all() {
    const FILE: &str = "# ours\r\n[poll]\r\ninterval = 30 ; seconds\r\n\r\n[other]\r\nunit = x\r\n";
    let bench = Bench::new();
    bench.file("/poll.ini", FILE);
    assert_eq!(bench.read("Poll").await.unwrap(), json!({"Interval": 30}));
    // What runs at last fails: the two that were written before it are what they were.
    let all = json!({"Interval": 60, "Unit": "s", "Hook": "1"});
    assert_eq!(code(bench.write("Poll", all).await), 500);
    assert_eq!(bench.content("/poll.ini").unwrap(), FILE);
    bench.write("Poll", json!({"Interval": 60, "Unit": "s", "Hook": "0"})).await.unwrap();
    let written = FILE.replace("30 ;", "60 ;").replace("seconds\r\n", "seconds\r\nunit = s\r\n");
    assert_eq!(bench.content("/poll.ini").unwrap(), written);
    assert_eq!(bench.read("Poll").await.unwrap(), json!({"Interval": 60, "Unit": "s"}));
    // What the file can't hold.
    assert_eq!(code(bench.write("Poll/Unit", json!("two\nlines")).await), 500);
    assert_eq!(bench.content("/poll.ini").unwrap(), written);
}

#[tokio::test]
async fn values_are_within_their_limits_or_nothing_is_done() {
    let bench = Bench::new();
    bench.write("Bounded", json!({"Value": 70})).await.expect("where the limit has no value there is none");
    assert_eq!(code(bench.write("Bounded/Value", json!(0)).await), 500);
    bench.write("Bounded/Most", json!(80)).await.unwrap();
    bench.write("Bounded/Value", json!(80)).await.unwrap();
    let error = bench.write("Bounded/Value", json!(81)).await.unwrap_err();
    assert!(error.to_string().ends_with(r#""81" is above the maximum of "80""#), "{error}");
    assert_eq!(bench.content("/bounded").unwrap(), "80\n", "nothing was done");
    // What counts is the limit that comes with it.
    bench.write("Bounded", json!({"Value": 90, "Most": 100})).await.unwrap();
    assert_eq!(code(bench.write("Bounded", json!({"Value": 90, "Most": 10})).await), 500);
    assert_eq!(bench.read("Bounded").await.unwrap(), json!({"Value": 90, "Most": 100}));

    let error = bench.write("Bounded/Celsius", json!(20)).await.unwrap_err();
    assert!(
        error.to_string().contains("`max` has no value: ") && error.to_string().contains("/most-celsius: "),
        "{error}"
    );
    bench.file("/most-celsius", "\n");
    assert_eq!(code(bench.write("Bounded/Celsius", json!(20)).await), 500, "a limit that is empty");
    bench.file("/most-celsius", "85000\n");
    bench.write("Bounded/Celsius", json!(85.0)).await.unwrap();
    assert_eq!(code(bench.write("Bounded/Celsius", json!(85.5)).await), 500, "a limit that is read");
    assert_eq!(code(bench.write("Bounded/Celsius", json!(-41)).await), 500);
    bench.file("/most-celsius", "hot\n");
    assert_eq!(code(bench.write("Bounded/Celsius", json!(20)).await), 500, "a limit that can't be told");
    bench.write("Bounded/Kind", json!("on")).await.unwrap();
    assert_eq!(code(bench.write("Bounded/Kind", json!("purple")).await), 500);
}
