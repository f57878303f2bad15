//! What a DDF says of a node, held to by the agent: what commands it allows (TS 6.3.1, 14.1.1), and what JSON it is
//! (TS 7.5), seen from a server.

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use omadm_agent::lab::files;
use omadm_agent::lab::notifier::Notification;
use serde_json::{Map, Value, json};

use crate::support::tools::put_script;
use crate::support::{Agent, BENCH, Bench, DEVINFO, DMACC, SESSIONINFO, Setup, ddf};

const GATE: &str = "urn:x-omadm:mo:gate:1.0";
const FORMS: &str = "urn:x-omadm:mo:forms:1.0";
/// The access types of the DDF that a command needs.
const TYPES: [&str; 5] = ["Get", "Replace", "Add", "Delete", "Exec"];

/// One session: what the statuses of these commands are.
async fn session(bench: &Bench, agent: &Agent, number: usize, commands: Vec<Value>) -> Vec<u64> {
    bench.play(json!([commands]));
    bench.session(agent, number).await;
    bench.statuses().pop().unwrap()
}

/// The JSON of a GET's part in the last Package#3.
fn shown(bench: &Bench, position: usize) -> Value {
    let last = bench.packages().into_iter().rfind(|package| !package.initiation).unwrap();
    serde_json::from_slice(&last.part(position).unwrap().body).unwrap()
}

/// Two leaves for each of the 32 sets of access types: one that is there, one that is not.
fn put_gate(bench: &Bench) {
    let mut nodes = String::new();
    let mut mapping = "instances = [{ miid = \"1\", data = \"gate.json\" }]\n".to_owned();
    let mut there = Map::new();
    for set in 0..32 {
        let access: String = types(set).map(|kind| format!("<{kind}/>")).collect();
        for name in [format!("There{set}"), format!("Gone{set}")] {
            let leaf = ddf::node(&name, "chr", "Get", "ZeroOrOne", "");
            nodes += &leaf
                .replace("<AccessType><Get/></AccessType>", &format!("<AccessType>{access}</AccessType>"));
            if types(set).any(|kind| kind == "Exec") {
                mapping += &format!(
                    "[node.{name}]\nexec = {{ run = [\"@folder@/count\", \"@folder@/counted\"] }}\n"
                );
            }
        }
        there.insert(format!("There{set}"), json!("old"));
    }
    let root = ddf::node("Gate", "node", "Get", "One", &nodes);
    ddf::put(&bench.gateway, GATE, "Gate", &root, &mapping);
    bench.gateway.put_mo("gate", "gate.json", &Value::Object(there).to_string()).unwrap();
}

fn types(set: usize) -> impl Iterator<Item = &'static str> {
    TYPES.into_iter().enumerate().filter(move |(at, _)| set >> at & 1 == 1).map(|(_, kind)| kind)
}

#[tokio::test]
async fn a_node_allows_the_commands_of_its_access_types_and_no_other() {
    let bench = Bench::new().await;
    put_gate(&bench);
    bench.repository.put("/new", "text/plain", "new");
    bench.repository.put("/json", "application/dmmo+json", json!({"MOData": "newer"}).to_string());
    let agent = bench.start().await;
    let to = |path: &str| format!("{}/{path}", bench.repository_server.origin());
    let (mut commands, mut expected, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let mut executed = 0;
    let mut readable = Vec::new();
    for set in 0..32 {
        let allows = |kind: &str| types(set).any(|one| one == kind);
        let or_405 = |allowed: bool| if allowed { 200 } else { 405 };
        let (name, node) = (format!("There{set}"), format!("{GATE}//There{set}"));
        let gone = format!("{GATE}//Gone{set}");
        let (get, exec) = (or_405(allows("Get")), or_405(allows("Exec")));
        executed += usize::from(allows("Exec"));
        if allows("Get") && !allows("Delete") {
            readable.push((name.clone(), json!(if allows("Replace") { "new" } else { "old" })));
        }
        if allows("Get") && allows("Add") {
            readable.push((format!("Gone{set}"), json!("new")));
        }
        for (command, status) in [
            (json!(["GET", node]), get),
            (json!(["HPUT", to("put"), node]), get),
            (json!(["HPOST", to("post"), node]), get),
            (json!(["HGET", to("new"), node]), or_405(allows("Replace"))),
            (json!(["EXEC", node]), exec),
            (json!(["DELETE", node]), or_405(allows("Delete"))),
            (json!(["HGET", to("new"), gone]), or_405(allows("Add"))),
        ] {
            names.push(format!("{command} of {:?}", types(set).collect::<Vec<_>>()));
            commands.push(command);
            expected.push(status);
        }
    }
    let statuses = session(&bench, &agent, 1, commands).await;
    for ((found, expected), name) in statuses.iter().zip(&expected).zip(&names) {
        assert_eq!(found, expected, "{name}");
    }
    assert_eq!(statuses.len(), expected.len());
    assert_eq!(bench.counted(), executed);
    // What may not be read is in no serialisation either, and what was refused has changed nothing.
    let put = json!(["HPUT", to("whole"), format!("{GATE}//")]);
    let whole = session(&bench, &agent, 2, vec![json!(["GET", format!("{GATE}//")]), put]).await;
    assert_eq!(whole, [200, 200]);
    let readable = Value::Object(readable.into_iter().collect());
    assert_eq!(shown(&bench, 1)["MOData"]["Gate"], readable);
    let sent: Value = serde_json::from_slice(&bench.repository.get("/whole").unwrap().body).unwrap();
    assert_eq!(sent[0]["MOData"]["Gate"], readable);
    agent.stop().await;
}

/// TS 11.4: its root is there once, can be read, and nothing else.
#[tokio::test]
async fn session_info_is_there_once_and_is_nobodys_to_change() {
    let bench = Bench::new().await;
    let origin = bench.repository_server.origin();
    let root = format!("{SESSIONINFO}//");
    let document = json!({"MOID": SESSIONINFO, "MOData": {"SessionInfoMO": {"CBT": 3, "ROAMING": 1}}});
    bench.repository.put("/info", "application/dmmo+json", document.to_string());
    bench.play(json!([[
        ["GET", root],
        ["GET", format!("{SESSIONINFO}/*/")],
        ["HGET", format!("{origin}/info"), root],
        ["HGET", format!("{origin}/info")],
        ["HGET", format!("{origin}/info"), format!("{SESSIONINFO}/2/")],
        ["DELETE", root],
        ["EXEC", root],
        ["GET", root],
    ]]));
    let agent = bench.start().await;
    bench.send(&Notification { request_mos: true, ..bench.notification() }).await;
    bench.ended(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200, 200, 405, 405, 404, 405, 405, 200]]);
    let mos = bench.packages()[0].json["MOS"].as_array().unwrap().clone();
    let listed: Vec<_> = mos.iter().filter(|mo| mo["MOID"] == SESSIONINFO).collect();
    assert_eq!((listed.len(), listed[0]["MIID"].as_array().unwrap().len()), (1, 1));
    let whole = shown(&bench, 1);
    assert_eq!(whole["MOID"], SESSIONINFO);
    assert_eq!(whole["MOData"], json!({"SessionInfoMO": {"CBT": 0, "ROAMING": 2}}), "loopback is no bearer");
    assert_eq!(shown(&bench, 2).as_array().unwrap().len(), 1);
    assert_eq!(shown(&bench, 8), whole);
    agent.stop().await;
}

/// A format, a value as its source has it, and as JSON has it; what is of the format as well; what is not.
type Form = (&'static str, &'static str, Value, Value, Vec<Value>);

fn forms() -> Vec<Form> {
    vec![
        ("int", "7", json!(7), json!(-8), vec![json!("7"), json!(7.5), json!(true), json!([7]), json!({})]),
        ("float", "2.5", json!(2.5), json!(-0.25), vec![json!("2.5"), json!(true), json!([])]),
        ("bool", "true", json!(true), json!(false), vec![json!("true"), json!(1), json!(0)]),
        ("chr", "7", json!("7"), json!("true"), vec![json!(7), json!(true), json!(["7"]), json!({"x": "7"})]),
        ("xml", "<a/>", json!("<a/>"), json!("<b>1</b>"), vec![json!(1), json!({"a": ""})]),
        ("date", "2026-01-31", json!("2026-01-31"), json!("2026-02-01"), vec![json!(20_260_131)]),
        ("time", "12:00:00Z", json!("12:00:00Z"), json!("13:00:00Z"), vec![json!(12)]),
        ("bin", "AP8=", json!("AP8="), json!("AAE="), vec![json!("?"), json!([0, 255]), json!(0)]),
        ("b64", "AP8=", json!("AP8="), json!("AAE="), vec![json!("?"), json!(255)]),
        ("null", "", Value::Null, Value::Null, vec![json!(""), json!(0), json!({}), json!(false)]),
    ]
}

#[tokio::test]
async fn each_format_has_its_own_json_wherever_it_comes_from_and_takes_no_other() {
    let bench = Bench::new().await;
    let (mut nodes, mut mapping) = (String::new(), "instances = [\"1\"]\n".to_owned());
    for (format, text, ..) in forms() {
        nodes += &ddf::node(&format!("from-{format}"), format, "Get", "One", "");
        mapping += &format!("[node.from-{format}]\nget = {{ value = \"{text}\" }}\n");
        nodes += &ddf::node(format, format, "Add Get Replace", "ZeroOrOne", "");
    }
    let root = ddf::node("Forms", "node", "Get Replace", "One", &nodes);
    ddf::put(&bench.gateway, FORMS, "Forms", &root, &mapping);
    let agent = bench.start().await;
    let document = |path: &str, data: Value| {
        bench.repository.put(path, "application/dmmo+json", json!({"MOData": data}).to_string());
        json!(["HGET", format!("{}{path}", bench.repository_server.origin()), format!("{FORMS}//")])
    };
    let whole = json!(["GET", format!("{FORMS}//")]);
    let sources = forms().into_iter().map(|(format, _, json, ..)| (format!("from-{format}"), json));
    let sources: Map<String, Value> = sources.collect();
    let all = |pick: fn(&Form) -> Value| -> Map<String, Value> {
        forms().iter().map(|form| (form.0.to_owned(), pick(form))).collect()
    };
    let (first, second) = (all(|form| form.2.clone()), all(|form| form.3.clone()));
    let with = |own: &Map<String, Value>| {
        Value::Object(sources.clone().into_iter().chain(own.clone()).collect::<Map<_, _>>())
    };

    let store = |path: &str, own: &Map<String, Value>| document(path, json!({"Forms": own}));
    let commands =
        vec![whole.clone(), store("/1", &first), whole.clone(), store("/2", &second), whole.clone()];
    assert_eq!(session(&bench, &agent, 1, commands).await, [200; 5]);
    assert_eq!(shown(&bench, 1)["MOData"]["Forms"], with(&Map::new()));
    assert_eq!(shown(&bench, 3)["MOData"]["Forms"], with(&first));
    assert_eq!(shown(&bench, 5)["MOData"]["Forms"], with(&second));

    // One value of another type, and none of the document is taken: alone, and among good ones.
    let mut wrong = Vec::new();
    for (at, (format, .., others)) in forms().into_iter().enumerate() {
        for (number, other) in others.into_iter().enumerate() {
            let mut own = first.clone();
            own.insert(format.to_owned(), other.clone());
            wrong.push(store(&format!("/{at}/{number}/all"), &own));
            let mut leaf = document(&format!("/{at}/{number}/leaf"), json!({ format: other }));
            leaf[2] = json!(format!("{FORMS}//{format}"));
            wrong.push(leaf);
        }
    }
    let count = wrong.len();
    wrong.push(whole.clone());
    let statuses = session(&bench, &agent, 2, wrong).await;
    assert_eq!(statuses[..count], vec![500; count]);
    assert_eq!(shown(&bench, count + 1)["MOData"]["Forms"], with(&second));
    agent.kill().await;

    let agent = bench.start().await;
    assert_eq!(session(&bench, &agent, 3, vec![whole]).await, [200]);
    assert_eq!(shown(&bench, 1)["MOData"]["Forms"], with(&second), "it is stored as what it is");
    agent.stop().await;
}

/// TS 6.3: whoever has an MO's name or a part of it has the way to its description.
#[tokio::test]
async fn every_object_comes_with_the_link_to_its_own_description() {
    let bench = Bench::new().await;
    let moids = [DEVINFO, DMACC, SESSIONINFO, BENCH];
    bench
        .play(json!([moids.map(|moid| json!(["GET", format!("{moid}//")])), [["HPUT", "{repository}/all"]]]));
    let agent = bench.start().await;
    bench.send(&Notification { request_mos: true, ..bench.notification() }).await;
    bench.ended(&agent, 1).await;
    let packages = bench.packages();
    let listed: Map<String, Value> = packages[0].json["MOS"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mo| (mo["MOID"].as_str().unwrap().to_owned(), mo["DDF"].clone()))
        .collect();
    assert_eq!(listed[BENCH], "https://omadm.example/ddf/bench", "as its mapping says");
    let mut links: Vec<&str> = listed.values().map(|link| link.as_str().unwrap()).collect();
    links.sort_unstable();
    links.dedup();
    assert_eq!(links.len(), listed.len(), "each has its own");
    for (at, moid) in moids.iter().enumerate() {
        let whole: Value = serde_json::from_slice(&packages[1].part(at + 1).unwrap().body).unwrap();
        assert_eq!(whole["DDF"], listed[*moid], "{moid}");
    }
    let sent: Value = serde_json::from_slice(&bench.repository.get("/all").unwrap().body).unwrap();
    for one in sent.as_array().unwrap() {
        assert_eq!(one["DDF"], listed[one["MOID"].as_str().unwrap()], "{one}");
    }
    agent.stop().await;
}

/// Bounds that no setting changes: the journal says that it is one.
#[tokio::test]
async fn what_a_bound_of_the_device_refuses_is_said() {
    const LARGEST: usize = 128 << 10;
    const MANY: &str = "urn:x-omadm:mo:many:1.0";
    let bench = Bench::new().await;
    let leaf = ddf::node("", "chr", "Delete Get", "ZeroOrMore", "");
    let groups = ["Some", "Many"].map(|name| ddf::node(name, "node", "Get", "One", &leaf)).concat();
    let root = ddf::node("Many", "node", "Get", "One", &groups);
    let mapping = "instances = [{ miid = \"1\", data = \"many.json\" }]\n";
    ddf::put(&bench.gateway, MANY, "Many", &root, mapping);
    let leaves = |count: usize| (0..count).map(|n| (n.to_string(), json!("v"))).collect::<Map<_, _>>();
    let data = json!({"Some": leaves(10_000), "Many": leaves(10_001)});
    bench.gateway.put_mo("many", "many.json", &data.to_string()).unwrap();
    bench.repository.put("/most", "text/plain", "x".repeat(LARGEST));
    bench.repository.put("/more", "text/plain", "x".repeat(LARGEST + 1));
    let to = |path: &str| format!("{}/{path}", bench.repository_server.origin());
    let name = format!("{BENCH}//Name");
    let mut agent = bench.start().await;
    let commands = json!([
        ["HGET", to("most"), name],
        ["HGET", to("more"), name],
        ["GET", format!("{MANY}//Some/*")],
        ["GET", format!("{MANY}//Many/*")],
        ["HPUT", to("put"), format!("{MANY}//Many/*")],
        ["DELETE", format!("{MANY}//Many/*")],
        ["GET", format!("{MANY}//Many/10000")],
    ]);
    let statuses = session(&bench, &agent, 1, commands.as_array().unwrap().clone()).await;
    assert_eq!(statuses, [200, 506, 200, 500, 500, 500, 200]);
    assert_eq!(shown(&bench, 3).as_array().unwrap().len(), 10_000);
    assert_eq!(bench.repository.get("/put"), None);
    for what in ["the value is longer than the device keeps", "addresses more nodes than are handled at once"]
    {
        agent.logged(what, |line| line.starts_with("warn") && line.contains(what)).await;
    }
    agent.stop().await;
}

const LISTED: &str = r#"
moid = "urn:x-omadm:mo:listed:1.0"
root = "Listed"
instances = ["1"]
[node."Things/<t>"]
list = { glob = "@folder@/things/*" }
[node."Things/<t>/Text"]
get = { file = "@folder@/things/{t}" }
[node."Sets/<s>"]
list = { glob = "@folder@/sets/*" }
[node."Sets/<s>/Parts/<p>"]
list = { file = "@folder@/sets/{s}", json = true }
[node."Sets/<s>/Parts/<p>/Name"]
get = { item = "name" }
"#;

fn listed(path: &str) -> String {
    format!("urn:x-omadm:mo:listed:1.0//{path}")
}

/// A search for nodes, and the reading of what it finds, are one command.
#[tokio::test]
async fn a_folder_is_listed_once_for_a_command() {
    let bench = Bench::new().await;
    bench.gateway.put_mo("listed", "listed.toml", LISTED).unwrap();
    for name in ["a", "b", "c"] {
        files::put(&bench.gateway.path("things").join(name), name, files::PLAIN).unwrap();
    }
    let agent = bench.start().await;
    let opened = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    opened.add_watch(&bench.gateway.path("things"), AddWatchFlags::IN_OPEN).unwrap();
    let commands = [
        json!(["GET", listed("Things")]),
        json!(["GET", listed("Things/*/Text")]),
        json!(["GET", listed("Things/(x)/Text?nv=(x)/Text:b")]),
        json!(["HPUT", "{repository}/put", listed("Things/*/Text"), listed("Things/a"), listed("")]),
    ];
    assert_eq!(session(&bench, &agent, 1, commands.to_vec()).await, [200; 4], "{}", agent.log());
    assert_eq!(shown(&bench, 1)["MOData"]["Things"]["b"]["Text"], "b");
    // Of the folder itself, and not of a file in it.
    let listings = opened.read_events().unwrap().into_iter().filter(|event| event.name.is_none()).count();
    assert_eq!(listings, commands.len(), "{}", agent.log());
    agent.stop().await;
}

/// Each list may be as large as an input, and each of its children have a list.
#[tokio::test]
async fn the_lists_that_a_command_needs_are_bounded_in_bytes() {
    let bench = Bench::new().await;
    bench.gateway.put_mo("listed", "listed.toml", LISTED).unwrap();
    let part = json!({"p": {"name": "a part", "what nobody asks for": "x".repeat(900 << 10)}}).to_string();
    for set in 0..20 {
        files::put(&bench.gateway.path("sets").join(set.to_string()), &part, files::PLAIN).unwrap();
    }
    let mut agent = bench.start().await;
    let commands =
        ["Sets/7", "Sets", "Sets/*/Parts/*/Name", "Sets/8"].map(|path| json!(["GET", listed(path)]));
    assert_eq!(session(&bench, &agent, 1, commands.to_vec()).await, [200, 500, 500, 200], "{}", agent.log());
    assert_eq!(shown(&bench, 4)["MOData"]["8"], json!({"Parts": {"p": {"Name": "a part"}}}));
    let why = "the lists that one command needs take more than 16777216 bytes of memory";
    agent.logged(why, |line| line.starts_with("warn") && line.contains(why)).await;
    agent.stop().await;
}

/// TS 6.3.1: ZeroOrN and OneOrN, to the node.
#[tokio::test]
async fn of_n_nodes_there_are_n_and_no_more() {
    const LISTS: &str = "urn:x-omadm:mo:lists:1.0";
    let bench = Bench::new().await;
    let list = |name: &str, occurrence: &str| {
        let leaf = ddf::node("", "chr", "Add Delete Get Replace", "ZeroOrMore", "");
        let leaf = leaf.replace("<ZeroOrMore/>", &format!("<{occurrence}>2</{occurrence}>"));
        ddf::node(name, "node", "Get Replace", "One", &leaf)
    };
    let root = ddf::node("Lists", "node", "Get", "One", &(list("Zero", "ZeroOrN") + &list("One", "OneOrN")));
    let mapping = "instances = [{ miid = \"1\", data = \"lists.json\" }]\n";
    ddf::put(&bench.gateway, LISTS, "Lists", &root, mapping);
    bench.gateway.put_mo("lists", "lists.json", r#"{"Zero": {"a": "v"}, "One": {"a": "v"}}"#).unwrap();
    bench.repository.put("/v", "text/plain", "v");
    for (path, list) in
        [("/two", json!({"a": "v", "b": "v"})), ("/three", json!({"a": "v", "b": "v", "c": "v"}))]
    {
        bench.repository.put(path, "application/dmmo+json", json!({ "MOData": list }).to_string());
    }
    bench.repository.put("/none", "application/dmmo+json", json!({"MOData": {}}).to_string());
    let agent = bench.start().await;
    let mut number = 0;
    for (list, none) in [("Zero", 200), ("One", 500)] {
        number += 1;
        let to = |path: &str| format!("{}{path}", bench.repository_server.origin());
        let node = |name: &str| format!("{LISTS}//{list}{name}");
        let commands = json!([
            ["HGET", to("/v"), node("/b")],
            ["HGET", to("/v"), node("/c")],
            ["HGET", to("/three"), node("")],
            ["HGET", to("/two"), node("")],
            ["GET", node("")],
            ["DELETE", node("/b")],
            ["HGET", to("/none"), node("")],
        ]);
        let statuses = session(&bench, &agent, number, commands.as_array().unwrap().clone()).await;
        assert_eq!(statuses, [200, 500, 500, 200, 200, 200, none], "{list}");
        assert_eq!(shown(&bench, 5)["MOData"][list], json!({"a": "v", "b": "v"}));
    }
    agent.stop().await;
}

const GONE: &str = r#"
moid = "urn:x-omadm:mo:gone:1.0"
root = "Gone"
instances = ["1"]
[node.File]
occurs = "?"
get = { file = "/no/such/file" }
[node.Word]
occurs = "?"
get = { file = "@folder@/word", map = { up = 1 } }
[node.Service]
occurs = "?"
get = { object = "nobody", property = "State" }
[node.Later]
occurs = "?"
get = [{ run = ["@folder@/later"] }, { value = "worse" }]
[node."List/<l>"]
list = { file = "/no/such/list" }
[node."Broken/<b>"]
list = { file = "@folder@/word", json = true }
[node.Number]
format = "int"
occurs = "?"
get = { file = "@folder@/word" }
[node.Level]
format = "int"
default = 1
max = { file = "/no/such/limit" }
[object.nobody]
dbus = "org.t.Nobody"
path = "/org/t/Nobody"
interface = "org.t.Nobody"
"#;

#[tokio::test]
async fn why_a_source_has_no_value_is_said_to_whoever_asks() {
    let config = "[dbus]\naddress = \"unix:path=@folder@/no-bus\"\n".to_owned();
    let bench = Bench::with(Setup { config, ..Setup::default() }).await;
    bench.gateway.put_mo("gone", "gone.toml", GONE).unwrap();
    files::put(&bench.gateway.path("word"), "odd\n", files::PLAIN).unwrap();
    put_script(&bench, "later", "exit 75\n");
    bench.repository.put("/nine", "text/plain", "9");
    let node = |path: &str| format!("urn:x-omadm:mo:gone:1.0/1/{path}");
    let folder = bench.gateway.path("").display().to_string();
    for (variables, is_said) in [(&[("SYSTEMD_LOG_LEVEL", "debug")][..], true), (&[][..], false)] {
        let mut agent = Agent::spawn_with(&bench.gateway, variables).await;
        agent.ready().await;
        let number = 1 + bench.statuses().len();
        let commands = json!([["GET", node("")], ["HGET", "{repository}/nine", node("Level")]]);
        let statuses = session(&bench, &agent, number, commands.as_array().unwrap().clone()).await;
        assert_eq!(statuses, [200, 500]);
        assert_eq!(shown(&bench, 1)["MOData"]["Gone"]["Later"], "worse");
        let log = agent.log();
        for (path, why) in [
            ("Broken", "@folder@/word: expected value at line 1"),
            ("Number", "@folder@/word: "),
            ("Level", "500: `max` has no value: /no/such/limit: No such file or directory"),
        ] {
            let line = format!("{}: {why}", node(path));
            let line = line.replace("@folder@", folder.trim_end_matches('/'));
            assert!(log.contains(&line), "what fails is said, with its file: {line}\n{log}");
        }
        for (path, why) in [
            ("File", "a source has no value: /no/such/file: No such file or directory"),
            ("Word", "a source has no value: @folder@/word: `map` has no \"odd\""),
            ("Service", "a source has no value: there is no bus at "),
            ("Later", "a source is unavailable: "),
            ("List", "a list has no children: /no/such/list: No such file or directory"),
        ] {
            let line = format!("{}: {why}", node(path)).replace("@folder@", folder.trim_end_matches('/'));
            assert_eq!(log.contains(&line), is_said, "{path}: {log}");
        }
        agent.stop().await;
    }
}
