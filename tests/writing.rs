//! What servers write, seen from them: HGET and DELETE end to end.

use omadm_agent::lab::gateway::Gateway;
use serde_json::{Value, json};

use crate::support;
use crate::support::ddf::{self, node, of_types};
use crate::support::{Agent, Bench, Setup};

const MOID: &str = "urn:t:mo:shop:1.0";
const DMMO: &str = "application/dmmo+json";

/// Servers create shops; a shop has a picture, a file, and shelves.
fn put_object(gateway: &Gateway) {
    let all = "Add Delete Get Replace";
    let shelf = node("Label", "chr", "Get Replace", "One", "");
    let shelves = node("&lt;s&gt;", "node", "Add Delete Get Replace", "ZeroOrMore", &shelf);
    let children = [
        node("Name", "chr", "Get Replace", "One", ""),
        node("Notice", "chr", "Get Replace", "ZeroOrOne", ""),
        of_types(&["image/png", "image/jpeg"], &node("Picture", "bin", all, "ZeroOrOne", "")),
        node("Shelves", "node", "Get Replace", "One", &shelves),
    ];
    let root = node("Shop", "node", "Delete Get Replace", "ZeroOrMore", &children.concat());
    let mapping = "instances = [\"main\"]\ndynamic = true\n\
         [node.Notice]\nget = { file = \"@folder@/state/notice\" }\nset = { file = \"@folder@/state/notice\" }\n";
    ddf::put(gateway, MOID, "Shop", &root, mapping);
    omadm_agent::lab::files::put(&gateway.path("state/notice"), "open\n", 0o644).unwrap();
}

async fn bench() -> Bench {
    let bench = Bench::new().await;
    put_object(&bench.gateway);
    bench
}

fn serve(bench: &Bench, path: &str, document: &Value) {
    bench.repository.put(path, DMMO, document.to_string());
}

fn shop(data: &Value) -> Value {
    json!({"MOID": MOID, "MIID": "", "MOData": {"Shop": data}})
}

fn main(path: &str) -> String {
    format!("{MOID}/main/{path}")
}

/// The JSON of a GET's part.
fn part(bench: &Bench, package: usize, position: usize) -> Value {
    let packages = bench.packages();
    serde_json::from_slice(&packages[package].part(position).unwrap().body).unwrap()
}

#[tokio::test]
async fn a_leaf_takes_its_own_types_raw_and_no_other() {
    let bench = bench().await;
    bench.repository.put("/png", "image/png", vec![0x89, b'P', 0, 0xff]);
    bench.repository.put("/jpeg", "IMAGE/JPEG; q=x", vec![0xff, 0xd8]);
    bench.repository.put("/text", "text/plain; charset=utf-8", "hello");
    bench.repository.put("/gif", "image/gif", "GIF89a");
    bench.repository.put("/latin", "text/plain", vec![0xe4]);
    bench.play(json!([[
        ["HGET", "{repository}/png", main("Picture")],
        ["GET", main("Picture")],
        ["HGET", "{repository}/jpeg", main("Picture")],
        ["GET", main("Picture")],
        ["HGET", "{repository}/gif", main("Picture")],
        ["HGET", "{repository}/text", main("Picture")],
        ["HGET", "{repository}/text", main("Name")],
        ["HGET", "{repository}/png", main("Name")],
        ["HGET", "{repository}/latin", main("Name")],
        ["HGET", "{repository}/text", main("")],
        ["GET", main("Name")],
    ]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200, 200, 200, 200, 415, 415, 200, 415, 500, 415, 200]]);
    let packages = bench.packages();
    let body = |position| packages[1].part(position).unwrap().body.to_vec();
    assert_eq!(
        (body(2), body(4), body(11)),
        (vec![0x89, b'P', 0, 0xff], vec![0xff, 0xd8], b"hello".to_vec())
    );
    let accept = bench.tape.requests("repository")[0].header("accept").to_owned();
    assert!(accept.contains("image/png;q=0.5") && accept.contains("image/jpeg;q=0.5"), "{accept}");
    agent.stop().await;
}

#[tokio::test]
async fn instances_are_created_with_names_that_never_come_again() {
    let bench = bench().await;
    let good = shop(&json!({"Name": "corner", "Shelves": {"a": {"Label": "bread"}}}));
    serve(&bench, "/one", &good);
    serve(
        &bench,
        "/two",
        &json!([good, {"ClientURI": format!("{MOID}//"), "MIIDS": ["9"], "MOData": {"Name": "other"}}]),
    );
    serve(&bench, "/half", &json!([good, shop(&json!({"Name": 5}))]));
    serve(&bench, "/lacking", &shop(&json!({"Shelves": {}})));
    serve(&bench, "/fixed", &json!({"MOID": support::DEVINFO, "MOData": {}}));
    serve(&bench, "/stranger", &json!({"MOID": "urn:t:mo:none:1.0", "MOData": {}}));
    serve(&bench, "/nameless", &json!({"MOData": {"Name": "x"}}));
    let hget = |path: &str| json!(["HGET", format!("{{repository}}{path}")]);
    bench.play(json!([[
        hget("/one"),
        hget("/half"),
        hget("/lacking"),
        hget("/fixed"),
        hget("/stranger"),
        hget("/nameless"),
        hget("/two"),
        ["GET", format!("{MOID}/1/")],
        ["DELETE", format!("{MOID}/3/")],
    ],]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[201, 500, 500, 405, 404, 500, 201, 200, 200]]);
    let packages = bench.packages();
    assert_eq!(packages[1].extra(0), format!(" {MOID}/1/"));
    assert_eq!(packages[1].extra(6), format!(" {MOID}/2/ {MOID}/3/"));
    let data = &part(&bench, 1, 8)["MOData"]["Shop"];
    assert_eq!(data["Shelves"], json!({"a": {"Label": "bread"}}));
    agent.kill().await;

    bench.play(json!([[hget("/one"), ["GET", format!("{MOID}/3/")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 2).await;
    assert_eq!(bench.statuses()[1], [201, 404]);
    assert_eq!(bench.packages().last().unwrap().extra(0), format!(" {MOID}/4/"));
    agent.stop().await;
}

#[tokio::test]
async fn nodes_are_added_by_name_and_deleted_all_or_none() {
    let bench = bench().await;
    let shelf = |label: &str| json!({"MOData": {"Label": label}});
    serve(&bench, "/a", &shelf("a"));
    serve(&bench, "/wrapped", &json!({"MOData": {"b b": {"Label": "b"}}}));
    serve(&bench, "/empty", &json!({"MOData": {}}));
    serve(
        &bench,
        "/shop",
        &json!({"MOData": {"Shop": {"Name": "n", "Notice": "closed", "Shelves": {"c": {"Label": "c"}}}}}),
    );
    serve(
        &bench,
        "/bad",
        &json!({"MOData": {"Name": "lost", "Notice": "lost", "Shelves": {"d": {"Label": 7}}}}),
    );
    let hget = |path: &str, target: &str| json!(["HGET", format!("{{repository}}{path}"), main(target)]);
    bench.play(json!([
        [
            hget("/a", "Shelves/a"),
            hget("/wrapped", "Shelves/b%20b"),
            hget("/empty", "Shelves/x"),
            hget("/a", "Shelves/none/Label"),
            hget("/a", "NoSuch/a"),
            ["GET", main("Shelves")],
        ],
        [
            hget("/shop", ""),
            hget("/bad", ""),
            ["GET", main("")],
            ["DELETE", main("Shelves/*")],
            ["DELETE", main("Shelves/*")],
            ["GET", main("Shelves")],
            ["DELETE", main("*")],
            ["DELETE", main("")],
            ["DELETE", main("Name")],
        ],
    ]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses()[0], [200, 200, 500, 404, 404, 200]);
    assert_eq!(
        part(&bench, 1, 6)["MOData"]["Shelves"],
        json!({"a": {"Label": "a"}, "b%20b": {"Label": "b"}})
    );
    assert_eq!(bench.statuses()[1], [200, 500, 200, 200, 404, 204, 404, 405, 405]);
    let shop = &part(&bench, 2, 3)["MOData"]["Shop"];
    assert_eq!(*shop, json!({"Name": "n", "Notice": "closed", "Shelves": {"c": {"Label": "c"}}}));
    assert_eq!(std::fs::read_to_string(bench.gateway.path("state/notice")).unwrap(), "closed\n");
    agent.stop().await;
}

#[tokio::test]
async fn over_quota_is_506_and_changes_nothing() {
    let config = "[store]\nquota = \"64KiB\"\n".to_owned();
    let bench = Bench::with(Setup { config, ..Setup::default() }).await;
    put_object(&bench.gateway);
    serve(&bench, "/large", &json!({"MOData": {"Name": "x".repeat(70_000), "Notice": "lost"}}));
    serve(&bench, "/small", &json!({"MOData": {"Name": "small", "Notice": "kept"}}));
    bench.play(json!([[
        ["HGET", "{repository}/large", main("")],
        ["GET", main("Notice")],
        ["HGET", "{repository}/small", main("")],
        ["GET", main("Name")],
    ]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[506, 200, 200, 200]]);
    let packages = bench.packages();
    let body = |position| packages[1].part(position).unwrap().body.clone();
    assert_eq!((&body(2)[..], &body(4)[..]), (&b"open"[..], &b"small"[..]));
    agent.stop().await;
}

/// The disk is a small one of the agent's own, which only its own processes see.
#[tokio::test]
async fn a_full_disk_is_506_changes_nothing_and_passes() {
    let bench = bench().await;
    let state = bench.gateway.path("state");
    let mut agent = Agent::spawn_on_small_disk(&bench.gateway, &state, "6m").await;
    agent.ready().await;
    let inside = std::path::PathBuf::from(format!("/proc/{}/root", agent.pid()))
        .join(state.strip_prefix("/").unwrap());
    serve(&bench, "/small", &json!({"MOData": {"Name": "first", "Notice": "first"}}));
    let shelves: serde_json::Map<String, Value> =
        (0..20).map(|number| (number.to_string(), json!({"Label": "x".repeat(100_000)}))).collect();
    serve(&bench, "/large", &json!({"MOData": {"Name": "second", "Notice": "second", "Shelves": shelves}}));
    let gets = [json!(["GET", main("Name")]), json!(["GET", main("Notice")])];
    bench.play(json!([[["HGET", "{repository}/small", main("")], gets[0], gets[1]]]));
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses()[0], [200, 200, 200], "{}", agent.log());

    fill(&inside.join("filler"));
    bench.play(json!([[["HGET", "{repository}/large", main("")], gets[0], gets[1]]]));
    bench.session(&agent, 2).await;
    assert_eq!(bench.statuses()[1], [506, 200, 200], "{}", agent.log());
    let last = bench.packages().pop().unwrap();
    let body = |position| last.part(position).unwrap().body.clone();
    assert_eq!((&body(2)[..], &body(3)[..]), (&b"first"[..], &b"first"[..]));

    std::fs::remove_file(inside.join("filler")).unwrap();
    bench.play(json!([[["HGET", "{repository}/small", main("")], gets[0], gets[1]]]));
    bench.session(&agent, 3).await;
    assert_eq!(bench.statuses()[2], [200, 200, 200], "{}", agent.log());
    agent.stop().await;
}

/// Takes all room that is left.
fn fill(path: &std::path::Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    for size in [64 << 10, 4 << 10, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}
