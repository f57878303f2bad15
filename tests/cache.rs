//! The cache (TS 12), and what a notification asks for with it (CR 001), from a server's side.

use omadm_agent::lab::files;
use omadm_agent::lab::gateway::Account;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::lab::tape::Received;
use omadm_agent::package::Profile;
use serde_json::{Value, json};

use crate::support::figure::{FIGURE, figure, put_figure};
use crate::support::{Agent, BENCH, Bench, DEVINFO, DMACC, SERVER_ID, SESSIONINFO, Setup};

async fn new() -> Bench {
    let bench = Bench::new().await;
    put_figure(&bench.gateway);
    bench
}

/// Session number `number`, of one package: Package#3.
async fn session(bench: &Bench, agent: &Agent, number: usize, commands: Value) -> Received {
    bench.play(json!([commands]));
    bench.session(agent, number).await;
    bench.packages().into_iter().rfind(|package| !package.initiation).unwrap()
}

fn validator(response: &Received, position: usize) -> String {
    let json: Value = serde_json::from_slice(&response.part(position).unwrap().body).unwrap();
    json["CV"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn every_instance_but_that_of_the_session_has_a_validator() {
    let bench = new().await;
    let agent = bench.start().await;
    let roots: Vec<Value> =
        [DEVINFO, DMACC, BENCH, SESSIONINFO].iter().map(|moid| json!(["GET", format!("{moid}//")])).collect();
    let first = session(&bench, &agent, 1, roots.clone().into()).await;
    let validators: Vec<String> = (1..=4).map(|position| validator(&first, position)).collect();
    assert!(validators[..3].iter().all(|cv| cv.len() == 22), "{validators:?}");
    assert_eq!(validators[3], "");
    let again = session(&bench, &agent, 2, roots.into()).await;
    let same: Vec<String> = (1..=4).map(|position| validator(&again, position)).collect();
    assert_eq!(same, validators, "nothing has changed: not in DevInfo either");
    let session_info =
        session(&bench, &agent, 3, json!([["GET", format!("{SESSIONINFO}//?cv={}", validators[0])]])).await;
    assert_eq!(session_info.statuses(), [200]);
    agent.stop().await;
}

#[tokio::test]
async fn what_the_server_holds_is_not_sent_again() {
    let bench = new().await;
    bench.repository.put("/leaf", "text/plain", "new");
    let agent = bench.start().await;
    let first =
        session(&bench, &agent, 1, json!([["GET", figure("left/")], ["GET", figure("right/")]])).await;
    let (left, right) = (validator(&first, 1), validator(&first, 2));
    assert_ne!(left, right);
    agent.stop().await;

    let agent = bench.start().await;
    let fresh = json!([
        ["GET", figure(&format!("left/?cv={left}"))],
        ["GET", figure(&format!("left/Data/1/Value?cv={left}"))],
        [
            "HPUT",
            "{repository}/fresh",
            figure(&format!("left/ID?cv={left}")),
            figure(&format!("right/?cv={right}"))
        ],
        ["HPOST", "{repository}/fresh", figure(&format!("left/Data?cv={left}"))],
        [
            "HPUT",
            "{repository}/half",
            figure(&format!("left/?cv={left}")),
            figure(&format!("right/ID?cv={left}"))
        ],
        ["GET", figure(&format!("left/NoSuchNode?cv={left}"))],
        ["GET", figure(&format!("left/Pin?cv={left}"))],
        ["GET", figure(&format!("*/ID?cv={left}"))],
        ["GET", figure(&format!("left/?cv={right}"))],
    ]);
    let response = session(&bench, &agent, 2, fresh).await;
    assert_eq!(response.statuses(), [304, 304, 304, 304, 200, 404, 405, 200, 200]);
    assert!(response.part(1).is_none() && response.part(2).is_none(), "no data with a 304");
    assert_eq!(validator(&response, 9), left, "a stale validator is answered with the new one");
    assert_eq!(bench.repository.get("/fresh"), None, "nobody was asked");
    let half: Value = serde_json::from_slice(&bench.repository.get("/half").unwrap().body).unwrap();
    assert_eq!(half.as_array().unwrap().len(), 1);
    assert_eq!(half[0]["MOData"], json!({"ID": "Temperature"}));

    // What the server can't read is a change too.
    let change = session(
        &bench,
        &agent,
        3,
        json!([
            ["HGET", "{repository}/leaf", figure("left/Pin")],
            ["GET", figure(&format!("left/Data/1/Value?cv={left}"))],
            ["GET", figure(&format!("right/Data/1/Value?cv={right}"))],
        ]),
    )
    .await;
    assert_eq!(change.statuses(), [200, 200, 304]);
    agent.stop().await;
}

#[tokio::test]
async fn a_notification_brings_the_objects_that_the_server_has_not() {
    let bench = new().await;
    let mut agent = bench.start().await;
    let ask = |requested: Vec<(u16, Vec<u8>)>| Notification { requested, ..bench.notification() };
    bench.send(&ask(vec![(0, b"any".to_vec())])).await;
    bench.ended(&agent, 1).await;
    agent.logged("of an index without a list", |line| line.contains("no MO 0 in the last MOS list")).await;
    assert_eq!(bench.packages()[0].json, json!({}));

    bench.play(json!([[
        ["GET", format!("{DEVINFO}//")],
        ["GET", figure("left/")],
        ["GET", figure("right/")]
    ]]));
    bench.send(&Notification { request_mos: true, ..bench.notification() }).await;
    bench.ended(&agent, 2).await;
    let packages = bench.packages();
    let (mos, data) = (packages[1].json["MOS"].as_array().unwrap().clone(), packages.last().unwrap());
    assert_eq!(packages[1].json["MOD"], Value::Null, "no data but for what is asked for");
    let index = |moid: &str| u16::try_from(mos.iter().position(|mo| mo["MOID"] == moid).unwrap()).unwrap();
    let (devinfo, left) = (validator(data, 1), validator(data, 2));
    agent.stop().await;

    // The list that the server got counts, not the one it would get now.
    std::fs::remove_dir_all(bench.gateway.path("mo/bench")).unwrap();
    let account = bench.gateway.path("accounts").join(format!("{SERVER_ID}.toml"));
    let text = std::fs::read_to_string(&account).unwrap();
    let narrowed = format!("permissions = [\"{DEVINFO}\", \"{FIGURE}\"]\n{text}");
    files::put(&account, narrowed, files::PLAIN).unwrap();
    let mut agent = bench.start().await;
    bench.play(json!([]));
    bench
        .send(&ask(vec![
            (index(DEVINFO), devinfo.into_bytes()),
            (index(FIGURE), left.into_bytes()),
            (index(BENCH), b"gone".to_vec()),
            (index(DMACC), b"no longer listed".to_vec()),
            (index(SESSIONINFO), b"none".to_vec()),
            (999, b"x".to_vec()),
        ]))
        .await;
    bench.ended(&agent, 3).await;
    agent.logged("of an index beyond the list", |line| line.contains("no MO 999 in the last MOS list")).await;
    let package1 = bench.packages().into_iter().rfind(|package| package.initiation).unwrap();
    let sent = package1.json["MOD"].as_array().unwrap();
    assert_eq!(sent[0], json!({"URI": format!("{DEVINFO}/1/"), "Code": 304}));
    assert_eq!(sent[1], json!({"URI": figure("left/"), "Code": 304}));
    assert_eq!(
        (&sent[2]["MIID"], &sent[2]["MOData"]["moroot"]["ID"]),
        (&json!("right"), &json!("Temperature"))
    );
    assert!(sent[2]["CV"].is_string());
    assert_eq!(sent[3]["MOID"], json!(SESSIONINFO), "it is never fresh");
    assert_eq!(sent.len(), 4);
    agent.stop().await;
}

/// What Package#1 has in MOD of the object at this index, for the validators that the server holds: what is serialised,
/// by its MIID, and what is fresh, by its ClientURI.
async fn requested(bench: &Bench, agent: &Agent, index: u16, held: &[&[u8]]) -> Vec<Value> {
    let ends = bench.tape.exchanges().iter().filter(|exchange| exchange.reply.ends_session()).count();
    let requested = held.iter().map(|held| (index, held.to_vec())).collect();
    bench.send(&Notification { requested, ..bench.notification() }).await;
    bench.ended(agent, ends + 1).await;
    let package1 = bench.packages().into_iter().rfind(|package| package.initiation).unwrap();
    let sent = package1.json["MOD"].as_array().unwrap().clone();
    sent.into_iter()
        .map(|one| if one["Code"] == 304 { one["URI"].clone() } else { one["MIID"].clone() })
        .collect()
}

/// CR 001, 8.1.2.1: what counts is how the object is now, not what was sent last, and all of the validator.
#[tokio::test]
async fn a_validator_of_what_has_changed_since_brings_the_object() {
    let bench = new().await;
    let agent = bench.start().await;
    bench.play(json!([[["GET", figure("left/")], ["GET", figure("right/")]]]));
    bench.send(&Notification { request_mos: true, ..bench.notification() }).await;
    bench.ended(&agent, 1).await;
    let packages = bench.packages();
    let mos = packages[0].json["MOS"].as_array().unwrap();
    let index = u16::try_from(mos.iter().position(|mo| mo["MOID"] == FIGURE).unwrap()).unwrap();
    let (left, right) = (validator(&packages[1], 1).into_bytes(), validator(&packages[1], 2).into_bytes());
    let fresh = [json!(figure("left/")), json!(figure("right/"))];
    assert_eq!(requested(&bench, &agent, index, &[&left, &right]).await, fresh);
    let (cut, longer) = (&left[..left.len() - 1], [&right[..], b"x"].concat());
    assert_eq!(
        requested(&bench, &agent, index, &[cut, &longer]).await,
        ["left", "right"],
        "part of one is none"
    );

    // A change of what the server can't even read.
    bench.repository.put("/pin", "text/plain", "4321");
    let change = session(&bench, &agent, 4, json!([["HGET", "{repository}/pin", figure("left/Pin")]])).await;
    assert_eq!(change.statuses(), [200]);
    assert_eq!(requested(&bench, &agent, index, &[&left, &right]).await, [json!("left"), fresh[1].clone()]);
    // It comes as often as it is asked for: that it was sent does not make it fresh.
    assert_eq!(requested(&bench, &agent, index, &[&left, &right]).await, [json!("left"), fresh[1].clone()]);
    agent.stop().await;
}

#[tokio::test]
async fn in_an_approved_session_too_what_is_asked_for_comes_with_package1() {
    let account = |account: &mut Account, _: &_| account.profile = Profile::Approved;
    let bench = Bench::with(Setup { account: Box::new(account), ..Setup::default() }).await;
    put_figure(&bench.gateway);
    let agent = bench.start().await;
    bench.play(json!([[["GET", figure("left/")]]]));
    bench.send(&Notification { request_mos: true, ..bench.notification() }).await;
    bench.ended(&agent, 1).await;
    let packages = bench.packages();
    let mos = packages[0].json["MOS"].as_array().unwrap();
    let index = u16::try_from(mos.iter().position(|mo| mo["MOID"] == FIGURE).unwrap()).unwrap();
    let left: Value = serde_json::from_slice(&packages[1].part(1).unwrap().body).unwrap();
    let held = left[0]["CV"].as_str().unwrap().as_bytes().to_vec();
    bench.play(json!([]));
    let notification =
        Notification { requested: vec![(index, held)], profile: Profile::Approved, ..bench.notification() };
    bench.send(&notification).await;
    bench.ended(&agent, 2).await;
    let package1 = bench.packages().pop().unwrap();
    let sent = package1.json["MOD"].as_array().unwrap();
    assert_eq!(sent[0], json!({"URI": figure("left/"), "Code": 304}));
    let names: Vec<&String> = sent[1].as_object().unwrap().keys().collect();
    assert_eq!(names, ["CV", "ClientURI", "DDF", "MOData"], "as this profile serialises");
    assert_eq!((&sent[1]["ClientURI"], sent.len()), (&json!(figure("right/")), 2));
    agent.stop().await;
}
