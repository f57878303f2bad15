//! What `docs/mapping.md` says that a server gets.

use omadm_agent::lab::files;
use serde_json::{Value, json};

use super::MAPPING;
use super::examples::shown;
use crate::support::page::{block, statuses};
use crate::support::{Agent, Bench, Setup, ddf};

const PAGE: &str = "urn:x-acme:mo:page:1.0";

/// The statuses of a table's rows as they are in a session, against what the page says.
fn compare(table: &str, elsewhere: &[&str], found: &[(&str, u64)]) {
    let rows = statuses(MAPPING, table);
    for (row, status) in found {
        let said = rows
            .get(*row)
            .unwrap_or_else(|| panic!("{table}: the page has no row {row:?}: {:?}", rows.keys()));
        assert!(
            said[0].contains(&status.to_string()),
            "{table}: {row}: {status}, and the page says {said:?}"
        );
    }
    for row in rows.keys() {
        let is_tried = found.iter().any(|(tried, _)| tried == row) || elsewhere.contains(&row.as_str());
        assert!(is_tried, "{table}: nobody has tried what the page says of {row:?}");
    }
}

/// An object with a node for each row of the page's tables.
fn put_page(bench: &Bench) {
    let get = |name: &str, format: &str, occurrence: &str| ddf::node(name, format, "Get", occurrence, "");
    let both = |name: &str, format: &str| ddf::node(name, format, "Get Replace", "One", "");
    let inside =
        |name: &str, occurrence: &str, children: &str| ddf::node(name, "node", "Get", occurrence, children);
    let run = |name: &str| ddf::node(name, "null", "Exec", "One", "");
    let many = |children: &str| ddf::node("&lt;x&gt;", "node", "Delete Get", "ZeroOrMore", children);
    let leaves = [
        get("Value", "chr", "One"),
        get("Empty", "chr", "One"),
        get("Nothing", "chr", "One"),
        get("NoNumber", "int", "One"),
        get("Maybe", "chr", "ZeroOrOne"),
        get("Fails", "chr", "One"),
        ddf::node("Hidden", "chr", "Replace", "One", ""),
    ];
    let written = [
        both("Kept", "chr"),
        get("NoReplace", "chr", "One"),
        both("NoSet", "chr"),
        both("Number", "int"),
        both("Patterned", "chr"),
        both("SetFails", "chr"),
        both("SetLater", "chr"),
        both("NotBack", "chr"),
        ddf::node("&lt;k&gt;", "node", "Add Delete Get Replace", "ZeroOrMore", &both("Url", "chr")),
    ];
    let executed = ["Fine", "Coded", "Bad", "NotNow", "Late", "Vetoed", "Unmapped"].map(run).concat()
        + &get("NoExec", "chr", "ZeroOrOne");
    let nodes = [
        inside("Leaves", "One", &leaves.concat()),
        inside("NothingIn", "One", &get("Gone", "chr", "ZeroOrOne")),
        inside("Optional", "ZeroOrOne", &get("Gone", "chr", "ZeroOrOne")),
        inside("BadList", "One", &many(&get("Name", "chr", "ZeroOrOne"))),
        inside("HalfList", "One", &(get("Value", "chr", "One") + &many(&get("Name", "chr", "ZeroOrOne")))),
        inside("NoList", "One", &many(&get("Name", "chr", "ZeroOrOne"))),
        inside("AllFails", "One", &get("Fails", "int", "One")),
        inside("Listed", "One", &many(&get("Name", "chr", "ZeroOrOne"))),
        inside("Written", "One", &written.concat()),
        inside("Executed", "One", &executed),
    ];
    let mapping = r#"
instances = ["1"]
[object.none]
dbus = "org.acme.None"
path = "/org/acme/*"
interface = "org.acme.None"
[node."Leaves/Value"]
get = { value = "v" }
[node."Leaves/Empty"]
get = { file = "@folder@/empty" }
[node."Leaves/Nothing"]
get = { file = "@folder@/nowhere" }
[node."Leaves/NoNumber"]
get = { file = "@folder@/empty" }
[node."Leaves/Maybe"]
get = { file = "@folder@/nowhere" }
[node."Leaves/Fails"]
get = { run = ["/bin/false"] }
[node."NothingIn/Gone"]
get = { file = "@folder@/nowhere" }
[node."Optional/Gone"]
get = { file = "@folder@/nowhere" }
[node."BadList/<x>"]
list = { run = ["/bin/false"] }
[node."HalfList/<x>"]
list = { run = ["/bin/false"] }
[node."HalfList/Value"]
get = { value = "v" }
[node."NoList/<x>"]
list = { object = "none" }
[node."AllFails/Fails"]
get = { run = ["/bin/false"] }
[node."Listed/<x>"]
list = { run = ["/bin/echo", "a"] }
[node."Written/NoReplace"]
get = { value = "v" }
[node."Written/NoSet"]
get = { value = "v" }
[node."Written/Patterned"]
pattern = '[a-z]'
[node."Written/SetFails"]
set = { run = ["/bin/false"] }
[node."Written/SetLater"]
set = { run = ["/bin/sh", "-c", "exit 75"] }
[node."Written/NotBack"]
get = { value = "other" }
set = { run = ["/bin/true"] }
verify = "100ms"
[node."Executed/Fine"]
exec = { run = ["/bin/true"] }
[node."Executed/Coded"]
exec = { run = ["/bin/sh", "-c", "exit 3"], codes = { 3 = 1503 } }
[node."Executed/Bad"]
exec = { run = ["/bin/sh", "-c", "exit 4"], codes = { 3 = 1503 } }
[node."Executed/NotNow"]
exec = { run = ["/bin/sh", "-c", "exit 75"] }
[node."Executed/Vetoed"]
exec = { run = ["/bin/true"], veto = true }
[node."Executed/Late"]
exec = { run = ["/bin/sleep", "2"] }
"#;
    ddf::put(&bench.gateway, PAGE, "Page", &inside("Page", "One", &nodes.concat()), mapping);
    files::put(&bench.gateway.path("empty"), "\n", files::PLAIN).unwrap();
}

/// One session: what the statuses of these commands are.
async fn session(bench: &Bench, agent: &Agent, number: usize, commands: Vec<Value>) -> Vec<u64> {
    bench.play(json!([commands]));
    bench.session(agent, number).await;
    bench.statuses().pop().unwrap()
}

#[tokio::test]
async fn a_server_gets_what_the_page_says() {
    let config = "[dbus]\naddress = \"unix:path=@folder@/no-bus\"\n[exec]\nsync-limit = \"500ms\"\n";
    let bench = Bench::with(Setup { config: config.to_owned(), ..Setup::default() }).await;
    put_page(&bench);
    for (name, value) in [("word", "word"), ("digit", "7")] {
        bench.repository.put(&format!("/{name}"), "text/plain", value);
    }
    bench.repository.put("/image", "image/png", "no text");
    let agent = bench.start().await;
    let at = |path: &str| format!("{PAGE}//{path}");
    let hget = |path: &str| json!(["HGET", format!("{}/word", bench.repository_server.origin()), at(path)]);
    let command = |name: &str, path: &str| json!([name, at(path)]);

    let rows = [
        ("has a value", "Value"),
        ("is an empty text", "Empty"),
        ("must be there (`One`), and has no value", "Nothing"),
        ("must be there (`One`), and has no value", "NoNumber"),
        ("may be missing (`ZeroOrOne`), and has no value", "Maybe"),
        ("has a source that failed", "Fails"),
        ("has no `<Get/>`, or a node above has none", "Hidden"),
    ];
    let mut commands: Vec<Value> =
        rows.iter().map(|(_, leaf)| command("GET", &format!("Leaves/{leaf}"))).collect();
    commands.push(command("GET", "Leaves"));
    let found = session(&bench, &agent, 1, commands).await;
    let found: Vec<(&str, u64)> = rows.iter().map(|(row, _)| *row).zip(found).collect();
    // The table of statuses has tests of its own for these, in `command`.
    let elsewhere = ["is unavailable now", "takes root (`privileged = true`), and there is no helper"];
    compare("leaf", &elsewhere, &found);
    let json = shown(&bench, rows.len() + 1);
    assert_eq!(json["MOData"]["Leaves"], json!({"Value": "v", "Empty": "", "Nothing": ""}));

    let rows = [
        ("has anything in it", "Leaves"),
        ("must be there, and has nothing in it", "NothingIn"),
        ("may be missing, and has nothing in it", "Optional"),
        ("has a `list` below it that failed or is unavailable, and something else", "HalfList"),
        ("has a `list` below it that failed or is unavailable, and nothing else", "BadList"),
        ("has a `list` whose source is absent, and nothing else", "NoList"),
        ("all that it could show has failed", "AllFails"),
    ];
    let commands = rows.iter().map(|(_, node)| command("GET", node)).collect();
    let found = session(&bench, &agent, 2, commands).await;
    let found: Vec<(&str, u64)> = rows.iter().map(|(row, _)| *row).zip(found).collect();
    compare("interior", &[], &found);
    assert_eq!(shown(&bench, 4)["MOData"]["HalfList"], json!({"Value": "v"}));

    let rows = [
        ("all is done", "Kept"),
        ("the DDF has no such node", "Kept/Nowhere"),
        ("no `<Replace/>` for what is there, or no `<Add/>` for what is not", "NoReplace"),
        ("the leaf has a `get`, and no `set` nor `{ store = true }`", "NoSet"),
        ("the value is none of the format", "Number"),
        ("`pattern`, `max-len`, `min`, `max`, `enum` or `map` refuse the value", "Patterned"),
        ("a file can't be written, a program fails, a service refuses", "SetFails"),
        ("a program ends with 75 (\"not now\", EX_TEMPFAIL)", "SetLater"),
        ("it does not read back", "NotBack"),
    ];
    let fetched = [
        ("what is fetched is of another media type", "image"),
        ("the repository answers with an error such as 404", "gone"),
    ];
    let from = |name: &str| format!("{}/{name}", bench.repository_server.origin());
    let commands = rows.iter().map(|(_, leaf)| hget(&format!("Written/{leaf}")));
    let others = fetched.iter().map(|(_, name)| json!(["HGET", from(name), at("Written/Kept")]));
    let found = session(&bench, &agent, 3, commands.chain(others).collect()).await;
    let found: Vec<(&str, u64)> = rows.iter().chain(&fetched).map(|(row, _)| *row).zip(found).collect();
    // Likewise; and an instance is made below.
    let elsewhere = [
        "it takes root",
        "it has made an instance",
        "the repository can't be reached, or answers 408, 429 or 5xx",
        "a file hangs",
        "the store or the disk is full; a kept value is over 128 KiB",
    ];
    compare("hget", &elsewhere, &found);

    bench.repository.put("/url", "application/dmmo+json", json!({"MOData": {"Url": "u"}}).to_string());
    let origin = bench.repository_server.origin();
    let add = json!(["HGET", format!("{origin}/url"), at("Written/north")]);
    let rows = [
        ("it is gone", "Written/north"),
        ("it was not there", "Written/south"),
        ("no `<Delete/>`, or the node is permanent or required", "Written/Kept"),
        ("the node is listed, and has no `delete`", "Listed/a"),
    ];
    let deletions = rows.iter().map(|(_, node)| command("DELETE", node));
    let found = session(&bench, &agent, 4, std::iter::once(add).chain(deletions).collect()).await;
    let found: Vec<(&str, u64)> = rows.iter().map(|(row, _)| *row).zip(found.into_iter().skip(1)).collect();
    compare("delete", &[], &found);

    let rows = [
        ("it ends with 0 within `[exec] sync-limit` (5 s)", "Fine"),
        ("it ends with a code that `codes` has", "Coded"),
        ("it ends with another code, by a signal, or at its `timeout`", "Bad"),
        ("it ends with 75 (\"not now\", EX_TEMPFAIL), which `codes` does not have", "NotNow"),
        (
            "it takes longer than `sync-limit`, or `after-session` is set, or the server named an address for the report",
            "Late",
        ),
        ("its alert says `always`, its `window` is closed, or it has `veto`", "Vetoed"),
        ("the same node is still being executed or waits, 16 programs run, or 64 EXECs wait", "Late"),
        ("the node has no `exec` in the mapping", "Unmapped"),
        ("no `<Exec/>` in the DDF", "NoExec"),
    ];
    let commands = rows.iter().map(|(_, leaf)| command("EXEC", &format!("Executed/{leaf}"))).collect();
    let found = session(&bench, &agent, 5, commands).await;
    let found: Vec<(&str, u64)> = rows.iter().map(|(row, _)| *row).zip(found).collect();
    compare("exec", &["takes root (`user = \"root\"`, `privileged = true`), and there is no helper"], &found);
    agent.stop().await;
}

#[tokio::test]
async fn a_server_makes_an_instance_as_the_page_says() {
    let bench = Bench::new().await;
    let body = block(MAPPING, "json instance");
    let made: Value = serde_json::from_str(&body).unwrap();
    let moid = made["MOID"].as_str().unwrap();
    let leaf = ddf::node("Name", "chr", "Get Replace", "One", "");
    let root = ddf::node("Made", "node", "Get Delete", "One", &leaf);
    ddf::put(&bench.gateway, moid, "Made", &root, "dynamic = true\n");
    bench.repository.put("/made", "application/dmmo+json", body);
    let agent = bench.start().await;
    let origin = bench.repository_server.origin();
    let commands = vec![
        json!(["GET", format!("{moid}//Name")]),
        json!(["HGET", format!("{origin}/made")]),
        json!(["GET", format!("{moid}/1/Name")]),
    ];
    assert_eq!(session(&bench, &agent, 1, commands).await, [404, 201, 200]);
    agent.stop().await;
}
