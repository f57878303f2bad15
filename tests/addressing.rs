//! ClientURIs with all that they may have (TS 6.1), from a server's side.

use omadm_agent::package::Profile;
use serde_json::{Value, json};

use crate::support;
use crate::support::figure::{FIGURE, figure, put_figure};
use crate::support::{BENCH, Bench, DEVINFO, DMACC, SESSIONINFO, Setup};

async fn bench(profile: Profile) -> Bench {
    let account =
        Box::new(move |account: &mut omadm_agent::lab::gateway::Account, _: &_| account.profile = profile);
    let bench = Bench::with(Setup { account, ..Setup::default() }).await;
    put_figure(&bench.gateway);
    bench
}

/// One session of one package: its statuses, and the data of each GET as text.
async fn session(bench: &Bench, commands: Value) -> (Vec<u64>, Vec<String>) {
    let count = commands.as_array().unwrap().len();
    bench.play(json!([commands]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    agent.stop().await;
    let packages = bench.packages();
    let response = packages.iter().find(|package| !package.initiation).unwrap();
    let data = |position| response.part(position).map(|part| String::from_utf8(part.body.to_vec()).unwrap());
    (response.statuses(), (1..=count).map(|position| data(position).unwrap_or_default()).collect())
}

fn gets(uris: &[&str]) -> Value {
    uris.iter().map(|uri| json!(["GET", figure(uri)])).collect()
}

/// `ClientURI` and `MOData` of each member.
fn members(json: &str) -> Vec<(String, Value)> {
    let list: Vec<Value> = serde_json::from_str(json).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.iter().map(|member| (text(&member["ClientURI"]), member["MOData"].clone())).collect()
}

#[tokio::test]
async fn the_ten_examples_of_the_specification_are_answered() {
    let bench = bench(Profile::Draft).await;
    let examples = [
        "left/",
        "/",
        "(x)/?nv=(x)/ID:Temperature",
        "(x)/Data/1/Value?nv=(x)/ID:GPS",
        "right/Data/(x)/Value?nv=(x)/Date:12.1",
        "(x)/Data/(y)/Value?nv=(x)/ID:GPS&nv=(y)/Date:12.2",
        "*/Setting",
        "(x)/Data/*/Value?nv=(x)/ID:GPS",
        "(x)/Data/*/Value?nv=(x)/ID:GPS&nv=(x)/Setting:0xB2",
        "*/Data/*/Value",
    ];
    let (statuses, data) = session(&bench, gets(&examples)).await;
    assert_eq!(statuses, [200, 404, 200, 200, 200, 200, 200, 200, 404, 200]);
    let left: Value = serde_json::from_str(&data[0]).unwrap();
    assert_eq!((&left["MIID"], &left["MOData"]["moroot"]["ID"]), (&json!("left"), &json!("GPS")));
    let right: Value = serde_json::from_str(&data[2]).unwrap();
    assert_eq!((&right["MIID"], &right["ClientURI"]), (&json!("right"), &json!(figure("right/"))));
    assert_eq!(data[3..6], ["a", "c", "b"], "a single leaf is sent as it is");
    let expected = |nodes: &[(&str, &str, &str)]| -> Vec<(String, Value)> {
        nodes.iter().map(|(uri, name, value)| (figure(uri), json!({ *name: value }))).collect()
    };
    let settings = expected(&[("left/Setting", "Setting", "0xB1"), ("right/Setting", "Setting", "0xB2")]);
    assert_eq!(members(&data[6]), settings);
    let of_left = [("left/Data/1/Value", "Value", "a"), ("left/Data/2/Value", "Value", "b")];
    assert_eq!(members(&data[7]), expected(&of_left));
    let of_right = [("right/Data/1/Value", "Value", "c"), ("right/Data/2/Value", "Value", "d")];
    assert_eq!(members(&data[9]), expected(&[of_left, of_right].concat()));
}

#[tokio::test]
async fn what_is_no_client_uri_is_400() {
    let bench = bench(Profile::Draft).await;
    let wrong = [
        "left",
        "left//ID",
        "left/ID/",
        "(x)/ID",
        "(xy)/ID?nv=(xy)/ID:GPS",
        "(1)/ID?nv=(1)/ID:GPS",
        "(x)/Data/(x)/Value?nv=(x)/ID:GPS",
        "(x)/ID?nv=(y)/ID:GPS",
        "(x)/ID?nv=ID:GPS",
        "(x)/ID?nv=(x)/ID",
        "left/ID?nv=(x)/ID:GPS",
        "left/I*",
        "left/Data/(x",
        "left/?lv=0",
        "left/?lv=-1",
        "left/?lv=x",
        "left/?lv=1&lv=1",
        "left/?cv=a&cv=b",
        "left/?cv=",
        "left/%",
        "left/%zz",
        "left/%00",
        "left/I D",
        "left/#ID",
    ];
    let mut commands: Vec<Value> = wrong.iter().map(|uri| json!(["GET", figure(uri)])).collect();
    commands.extend([json!(["GET", "//"]), json!(["GET", FIGURE]), json!(["GET", ""]), json!(["GET", "*"])]);
    let (statuses, _) = session(&bench, commands.clone().into()).await;
    let shown: Vec<_> = commands.iter().zip(&statuses).filter(|(_, status)| **status != 400).collect();
    assert!(shown.is_empty() && statuses.len() == commands.len(), "{shown:?}");
}

#[tokio::test]
async fn a_wildcard_that_matches_nothing_is_204_and_nothing_is_sent_for_it() {
    let bench = bench(Profile::Draft).await;
    let (statuses, _) = session(
        &bench,
        json!([
            ["DELETE", figure("left/Data/1")],
            ["DELETE", figure("left/Data/2")],
            ["GET", figure("left/Data/*")],
            ["GET", figure("left/Data/*/Value")],
            ["GET", figure("left/*")],
            ["HPUT", "{repository}/none", figure("left/Data/*")],
            ["GET", figure("left/Data/*/NoSuchNode")],
            ["GET", "urn:oma:mo:none:1.0/*/"],
            ["GET", format!("{DMACC}/*/AuthNoti/AuthSecret")],
            ["GET", figure("*/Pin")],
        ]),
    )
    .await;
    assert_eq!(statuses, [200, 200, 204, 204, 204, 204, 404, 404, 405, 405]);
    assert_eq!(bench.repository.get("/none"), None);
}

#[tokio::test]
async fn get_hput_and_hpost_include_as_many_levels_as_are_asked_for() {
    let bench = bench(Profile::Draft).await;
    let (statuses, data) = session(
        &bench,
        json!([
            ["GET", figure("left/?lv=1")],
            ["HPUT", "{repository}/put", figure("left/?lv=2"), figure("left/Data")],
            ["HPOST", "{repository}/post", figure("*/Data?lv=1")],
            ["GET", figure("left/Data/*?lv=1")],
            ["GET", figure("left/ID?lv=1")],
        ]),
    )
    .await;
    assert_eq!(statuses, [200; 5]);
    let one: Value = serde_json::from_str(&data[0]).unwrap();
    let root = |data: Value, jobs: Value| json!({"moroot": {"ID": "GPS", "Setting": "0xB1", "Data": data, "Jobs": jobs}});
    assert_eq!(one["MOData"], root(json!({}), json!({})));
    let body = |path: &str| {
        let body = bench.repository.get(path).unwrap().body.to_vec();
        members(&String::from_utf8(body).unwrap()).into_iter().map(|(_, data)| data).collect::<Vec<_>>()
    };
    let [first, second] =
        [("12.1", "a"), ("12.2", "b")].map(|(date, value)| json!({"Date": date, "Value": value}));
    let whole = json!({"Data": {"1": first, "2": second}});
    assert_eq!(body("/put"), [root(json!({"1": {}, "2": {}}), json!({"only": {}})), whole]);
    assert_eq!(body("/post"), vec![json!({"Data": {"1": {}, "2": {}}}); 2]);
    let each: Vec<Value> = members(&data[3]).into_iter().map(|(_, data)| data).collect();
    assert_eq!(each, [json!({ "1": first }), json!({ "2": second })], "counted from the node addressed");
    assert_eq!(data[4], "GPS");
}

#[tokio::test]
async fn each_command_finds_its_node_by_values() {
    let bench = bench(Profile::Draft).await;
    bench.repository.put("/leaf", "text/plain", "new");
    let (statuses, data) = session(
        &bench,
        json!([
            ["HGET", "{repository}/leaf", figure("(x)/Data/(y)/Value?nv=(x)/ID:GPS&nv=(y)/Value:a")],
            ["GET", figure("left/Data/1/Value")],
            ["HPUT", "{repository}/put", figure("(x)/Data/(y)?nv=(x)/ID:GPS&nv=(y)/Value:new")],
            ["HPOST", "{repository}/post", figure("*/ID"), figure("(x)/Setting?nv=(x)/ID:GPS")],
            ["DELETE", figure("(x)/Data/(y)?nv=(x)/Setting:0xB2&nv=(y)/Value:d")],
            ["GET", figure("right/Data/*/Value")],
            ["EXEC", figure("(x)/Jobs/*/Run?nv=(x)/ID:GPS")],
            ["EXEC", figure("right/Jobs/*/Run")],
            ["EXEC", figure("right/Jobs/two/Run")],
            ["GET", figure("(x)/ID?nv=(x)/Pin:1234")],
            ["HGET", "{repository}/leaf", figure("*/ID")],
            ["GET", figure("(x)/ID?nv=(x)/ID:G%50S")],
            ["HGET", "{repository}/leaf", figure("left/Data/2/Value")],
            ["GET", figure("left/Data/(x)/Date?nv=(x)/Value:new")],
            ["DELETE", figure("left/Data/(x)?nv=(x)/Value:new")],
            ["GET", figure("left/Data/(x)/Date?nv=(x)/Value:new&nv=(x)/Date:12.2")],
            ["GET", figure("(x)/Data/1/Value?nv=(x)/Data/1/Date:12.1")],
        ]),
    )
    .await;
    assert_eq!(statuses[..12], [200, 200, 200, 200, 200, 200, 200, 404, 200, 404, 404, 200]);
    assert_eq!(statuses[12..], [200, 404, 404, 200, 404], "two nodes are one too many, and two instances");
    assert_eq!((data[1].as_str(), data[11].as_str(), data[15].as_str()), ("new", "GPS", "12.2"));
    assert_eq!(members(&data[5]), [(figure("right/Data/1/Value"), json!({"Value": "c"}))]);
    assert_eq!(bench.counted(), 2);
    let body = |path: &str| String::from_utf8(bench.repository.get(path).unwrap().body.to_vec()).unwrap();
    let put = members(&body("/put"));
    assert_eq!(put, [(figure("left/Data/1"), json!({"1": {"Date": "12.1", "Value": "new"}}))]);
    let post: Vec<Value> = members(&body("/post")).into_iter().map(|(_, data)| data).collect();
    assert_eq!(
        post,
        [json!({"ID": "GPS"}), json!({"ID": "Temperature"}), json!({"Setting": "0xB1"})],
        "flat"
    );
}

#[tokio::test]
async fn fields_that_a_command_has_no_use_for_are_ignored() {
    let bench = bench(Profile::Draft).await;
    bench.repository.put("/leaf", "text/plain", "new");
    let (statuses, data) = session(
        &bench,
        json!([
            ["HGET", "{repository}/leaf", figure("left/ID?lv=1&cv=x&vendor=1")],
            ["EXEC", figure("left/Jobs/only/Run?lv=1&cv=x")],
            ["DELETE", figure("left/Data/2?cv=x&lv=7&nvx")],
            ["GET", figure("left/ID?vendor=(x)/y&&lv=3")],
        ]),
    )
    .await;
    assert_eq!(statuses, [200, 200, 200, 200]);
    assert_eq!(data[3], "new");
}

#[tokio::test]
async fn in_an_approved_session_a_serialisation_is_always_an_array() {
    let bench = bench(Profile::Approved).await;
    let (statuses, data) = session(
        &bench,
        json!([
            ["GET", figure("left/Data/1")],
            ["GET", figure("left/Data/1/Value")],
            ["GET", figure("*/Data/1")],
            ["GET", figure("left/")],
            ["HPUT", "{repository}/put", figure("left/Data/1/Value"), figure("right/Data/2")],
        ]),
    )
    .await;
    assert_eq!(statuses, [200; 5]);
    let whole: Value = serde_json::from_str(&data[0]).unwrap();
    let (ddf, uri) = ("https://omadm.example/ddf/figure", figure("left/Data/1"));
    let data_of = json!({"1": {"Date": "12.1", "Value": "a"}});
    assert_eq!(whole, json!([{"DDF": ddf, "ClientURI": uri, "MOData": data_of}]));
    assert_eq!(data[1], "a");
    assert_eq!(members(&data[2]).len(), 2);
    let root: Value = serde_json::from_str(&data[3]).unwrap();
    let names: Vec<&String> = root[0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["CV", "ClientURI", "DDF", "MOData"]);
    let put = bench.repository.get("/put").unwrap().body;
    let put = members(std::str::from_utf8(&put).unwrap());
    assert_eq!(put[0], (figure("left/Data/1/Value"), json!({"Value": "a"})));
    assert_eq!(put[1].1, json!({"2": {"Date": "12.3", "Value": "d"}}));
}

#[tokio::test]
async fn without_an_address_every_instance_is_sent_that_the_server_may_read() {
    let bench = bench(Profile::Draft).await;
    let (statuses, data) =
        session(&bench, json!([["HPUT", "{repository}/all"], ["GET", format!("{DMACC}/*/")],])).await;
    assert_eq!(statuses, [200, 200]);
    let all = bench.repository.get("/all").unwrap().body;
    let text = String::from_utf8(all.to_vec()).unwrap();
    let uris: Vec<String> = members(&text).into_iter().map(|(uri, _)| uri).collect();
    for moid in [DEVINFO, SESSIONINFO, DMACC, BENCH, FIGURE] {
        assert!(uris.iter().any(|uri| uri.starts_with(&format!("{moid}/"))), "{moid}: {uris:?}");
    }
    assert_eq!(uris.iter().filter(|uri| uri.starts_with(FIGURE)).count(), 2);
    for secret in ["AuthSecret", support::SECRET, "1234"] {
        assert!(!text.contains(secret) && !data[1].contains(secret), "{secret}");
    }
}
