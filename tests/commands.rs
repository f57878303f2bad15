//! What single commands do, seen from the server.

use omadm_agent::lab::gateway::Account;
use omadm_agent::lab::{Options, Reply, Script, Server};
use omadm_agent::package::Profile;
use serde_json::{Value, json};

use crate::support;
use crate::support::{BENCH, Bench, DEVINFO, LIMIT, Setup, appears, commands};

fn node(path: &str) -> String {
    format!("{BENCH}//{path}")
}

fn configured(config: &str) -> Setup {
    Setup { config: config.to_owned(), ..Setup::default() }
}

#[tokio::test]
async fn show_starts_the_browser_and_waits_for_nothing() {
    let bench = Bench::with(configured("[show]\nbrowser = [\"@folder@/browser\"]\n")).await;
    bench.play(json!([[
        ["SHOW", "https://portal.example/?uiid=1234&id=[DevID]"],
        ["SHOW", "ftp://portal.example/"],
        ["SHOW", "--help"],
        ["SHOW"],
    ]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 400, 400, 400]]);
    let shown = bench.gateway.path("browser.shown");
    appears(&shown).await;
    let device = bench.tape.requests("dm")[0].header("omadm-devid").to_owned();
    let uri = format!("https://portal.example/?uiid=1234&id={device}\n");
    assert_eq!(std::fs::read_to_string(shown).unwrap(), uri);
    agent.stop().await;
}

#[tokio::test]
async fn a_long_exec_is_accepted_and_reported_until_the_server_has_heard_of_it() {
    let bench = Bench::with(configured("[exec]\nsync-limit = \"100ms\"\n")).await;
    bench.play(json!([[["EXEC", node("Operations/Late")], ["GET", node("Fixed")]]]));
    bench.answer([Reply::closed(), Reply::status(204)]);
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![202, 200]], "what comes after does not wait");

    bench.release(0).await;
    bench.until(&agent, "the alert, twice", |exchanges| exchanges.len() >= 4).await;
    let packages = bench.packages();
    let alert = &packages[2].json["Alert"]["Items"][0];
    assert_eq!(alert["AlertType"], "urn:x-omadm:at:exec:1.0:OperationComplete");
    assert!(alert["SourceURI"].as_str().is_some_and(|uri| uri.ends_with("/Operations/Late")), "{alert}");
    assert_eq!(alert["Data"], json!({"ResultCode": 200}));
    assert_eq!(packages[2].json, packages[3].json, "what was lost is said again");

    bench.notify().await;
    bench.until(&agent, "a session without the alert", |exchanges| exchanges.len() >= 5).await;
    assert_eq!(bench.packages()[4].json, json!({}));
    agent.stop().await;
}

#[tokio::test]
async fn an_exec_with_a_server_uri_is_reported_there_in_a_session_of_its_own() {
    for profile in [Profile::Draft, Profile::Approved] {
        let account = move |account: &mut Account, _: &_| account.profile = profile;
        let bench = Bench::with(Setup { account: Box::new(account), ..Setup::default() }).await;
        let script = Script::session([commands(json!([["GET", node("Fixed")]])), Reply::status(204)]);
        let options = Options::new("elsewhere", bench.authority.server().unwrap(), &bench.tape);
        let elsewhere = Server::start(options, script.handler()).await.unwrap();
        bench.list_origin(&elsewhere.origin());
        let there = format!("{}/report?id=[DevID]", elsewhere.origin());
        bench.play(json!([[
            ["EXEC", node("Operations/Fail"), there],
            ["EXEC", node("Operations/Fail"), "https://127.0.0.1:9/"],
            ["EXEC", node("Operations/Fail"), "file:///etc/passwd"],
            ["EXEC", node("Fixed"), there],
        ]]));
        let agent = bench.start().await;
        bench.session(&agent, 1).await;
        assert_eq!(bench.statuses()[0], [202, 403, 400, 405], "one is executed");
        let heard = bench.tape.until(LIMIT, |tape| tape.requests("elsewhere").len() == 2).await;
        assert!(heard, "{}", agent.log());
        let requests = bench.tape.requests("elsewhere");
        let alert = &requests[0].package().unwrap().json["Alert"];
        let alert = match profile {
            Profile::Draft => &alert["Items"][0],
            // Before it stands why the session is held: nobody there waits for a bootstrap.
            Profile::Approved => {
                assert_eq!(alert[0], json!({"AlertType": "urn:oma:at:dm:2.0:ClientInitiatedMgmt"}));
                &alert[1]
            }
        };
        assert_eq!(
            (&requests[0].path, &alert["Data"]),
            (&"/report".to_owned(), &json!({"ResultCode": 1503})),
            "{profile:?}"
        );
        let device = requests[0].header("omadm-devid");
        assert!(!device.is_empty() && requests[0].query == format!("id={device}"), "{}", requests[0].query);
        let statuses = requests[1].package().unwrap().statuses();
        assert_eq!(statuses, [200], "an origin of the account's may command");
        assert_eq!(bench.packages().len(), 2, "the account's own server hears nothing of it");
        agent.stop().await;
    }
}

#[tokio::test]
async fn an_alert_survives_a_power_cut() {
    let bench = Bench::with(configured("[exec]\nsync-limit = \"100ms\"\n[session]\nretries = 0\n")).await;
    bench.play(json!([[["EXEC", node("Operations/Late")]]]));
    bench.answer([Reply::closed()]);
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    bench.release(75).await;
    bench.until(&agent, "the alert", |exchanges| exchanges.len() >= 3).await;
    agent.kill().await;
    let before = bench.packages().len();

    let agent = bench.start().await;
    bench.session(&agent, 2).await;
    let alert = bench.packages()[before].json["Alert"]["Items"][0].clone();
    assert_eq!(alert["Data"], json!({"ResultCode": 500}), "an exit code that nothing maps: {alert}");
    agent.stop().await;
}

#[tokio::test]
async fn what_waits_for_the_end_of_the_session_does() {
    let bench = Bench::playing(json!([
        [["EXEC", node("Operations/After")], ["EXEC", node("Operations/Count")]],
        [["EXEC", node("Operations/Count")]],
    ]))
    .await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![202, 200], vec![200]]);
    // Its alert starts a session of its own: by then it has run.
    bench.ended(&agent, 2).await;
    let order = std::fs::read_to_string(bench.gateway.path("counted")).unwrap();
    assert_eq!(order, "run\nrun\nafter\n");
    agent.stop().await;
}

#[tokio::test]
async fn delete_and_default_know_their_limits() {
    let bench = Bench::playing(json!([[
        ["DELETE", node("Name")],
        ["DELETE", node("Operations")],
        ["DELETE", node("NoSuchNode")],
        ["DELETE", format!("{BENCH}/1/")],
        ["DELETE", format!("{BENCH}/7/")],
        ["DEFAULT", "{repository}/defaults?id=[DevID]", BENCH],
        ["DEFAULT", "{repository}/defaults", "urn:oma:mo:no-such-object:1.0"],
        ["DEFAULT", BENCH],
        ["DEFAULT", "http://plain.example/", BENCH],
        ["DEFAULT", "https://localhost/", BENCH],
        ["DEFAULT", "ftp://files.example/", BENCH],
        ["GET", node("Fixed")],
    ]]))
    .await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![405, 405, 404, 405, 404, 200, 404, 400, 403, 403, 400, 200]]);
    agent.stop().await;
}

fn document(data: Value) -> String {
    json!({"MOID": BENCH, "MOData": {"Bench": data}}).to_string()
}

#[tokio::test]
async fn hget_of_a_subtree_is_all_or_nothing() {
    let bench = Bench::playing(json!([
        [["HGET", "{repository}/good", node("")], ["GET", node("")]],
        [
            ["HGET", "{repository}/half", node("")],
            ["HGET", "{repository}/stranger", node("")],
            ["HGET", "{repository}/twice", node("")],
            ["HGET", "{repository}/two", node("")],
            ["HGET", "{repository}/other", node("")],
        ],
        [["GET", node("Name")], ["GET", node("Number")]],
    ]))
    .await;
    let put = |path: &str, data: Value| bench.repository.put(path, "application/dmmo+json", document(data));
    put("/good", json!({"Name": "first", "Number": 7}));
    put("/half", json!({"Name": "second", "Number": "no number"}));
    put("/stranger", json!({"Name": "third", "NoSuchNode": 1}));
    // What has one name is one node: neither of two values is the right one.
    for (path, document) in [
        ("/twice", r#"{"MOData": {"Name": "fourth", "Name": "fifth", "Number": 8}}"#),
        ("/two", r#"{"MOData": {"Name": "sixth"}, "MOData": {"Number": 9}}"#),
        ("/other", r#"{"MOID": "urn:oma:mo:oma-dm-devinfo:1.2", "MOData": {"Name": "seventh"}}"#),
    ] {
        bench.repository.put(path, "application/dmmo+json", document);
    }
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let statuses = bench.statuses();
    assert_eq!(statuses[0], [200, 200]);
    assert!(statuses[1].iter().all(|status| (400..600).contains(status)), "{statuses:?}");
    assert_eq!(statuses[2], [200, 200]);
    let packages = bench.packages();
    let whole: Value = serde_json::from_slice(&packages[1].part(2).unwrap().body).unwrap();
    assert_eq!(whole["MOData"]["Bench"]["Name"], "first");
    assert_eq!(whole["MOData"]["Bench"]["Number"], 7);
    assert_eq!(whole["MOData"]["Bench"]["Fixed"], "fixed");
    assert_eq!(packages[3].part(1).unwrap().body, b"first");
    assert_eq!(packages[3].part(2).unwrap().body, b"7");
    agent.stop().await;
}

#[tokio::test]
async fn hput_without_client_uri_sends_every_instance() {
    let bench = Bench::playing(json!([[["HPUT", "{repository}/all"]]])).await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200]]);
    let body = bench.repository.get("/all").unwrap().body;
    let all: Vec<Value> = serde_json::from_slice(&body).unwrap();
    let moids: Vec<_> = all.iter().filter_map(|member| member["MOID"].as_str()).collect();
    for moid in [BENCH, DEVINFO, support::SESSIONINFO, support::DMACC] {
        assert!(moids.contains(&moid), "{moid} is not in {moids:?}");
    }
    assert!(!String::from_utf8_lossy(&body).contains(support::SECRET));
    agent.stop().await;
}

#[tokio::test]
async fn the_server_chooses_among_the_formats_of_what_is_sent() {
    let bench = Bench::new().await;
    let uri = format!("{}/x", bench.repository_server.origin());
    let hput = |accepted: &str| {
        Reply::package(&json!({
            "SessionInfo": {"AcceptMO": accepted},
            "CMD": [["HPUT", uri, node("Fixed")]],
        }))
    };
    bench.answer([
        hput("application/xml"),
        hput("application/xml, application/vnd.oma.dm.mo+json"),
        hput("*/*"),
        hput("application/dmmo+json;q=0"),
        hput("application/dmmo+json;q=0, */*"),
        Reply::status(204),
    ]);
    let agent = bench.start().await;
    bench.notify().await;
    bench.until(&agent, "five answers", |exchanges| exchanges.len() >= 6).await;
    assert_eq!(bench.statuses(), [[500], [200], [200], [500], [200]]);
    let sent = bench.tape.requests("repository");
    let types: Vec<_> = sent.iter().map(|request| request.header("content-type")).collect();
    let other = "application/vnd.oma.dm.mo+json";
    assert_eq!(types, [other, "application/dmmo+json", other]);
    agent.stop().await;
}

/// TS Appendix C, "Applied DM Commands": what may be said of one command and not of another, provoked with each.
#[tokio::test]
async fn a_status_is_said_of_the_commands_that_it_applies_to() {
    let setup = Setup {
        config: "[store]\nquota = \"64KiB\"\n".to_owned(),
        account: Box::new(|account: &mut Account, _| account.profile = Profile::Approved),
        ..Setup::default()
    };
    let bench = Bench::with(setup).await;
    bench.repository.put("/html", "text/html", "<html/>");
    bench.repository.put("/large", "text/plain", vec![b'x'; 70_000]);
    let to = |path: &str| format!("{}/{path}", bench.repository_server.origin());
    bench.play(json!([[["GET", format!("{DEVINFO}//")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let packages = bench.packages();
    let whole: Value = serde_json::from_slice(&packages.last().unwrap().part(1).unwrap().body).unwrap();
    let held = format!("{DEVINFO}//?cv={}", whole[0]["CV"].as_str().unwrap());
    let commands = json!([
        // Of what can't be stored, and of what there is no room for, HGET alone tells.
        [415, ["HGET", to("html"), node("")]],
        [506, ["HGET", to("large"), node("Name")]],
        // Of what is fresh or empty, the commands that send.
        [304, ["GET", held]],
        [304, ["HPUT", to("held"), held]],
        [304, ["HPOST", to("held"), held]],
        [405, ["DELETE", held]],
        [405, ["EXEC", held]],
        [415, ["HGET", to("html"), format!("{}?cv=x", node(""))]],
        [200, ["SUB", held, to("sub")]],
        [200, ["UNSUB", held]],
        [204, ["GET", node("Name")]],
        [405, ["DELETE", node("Name")]],
        [200, ["EXEC", node("Operations/Count")]],
        [501, ["SHOW", "https://portal.example/"]],
        [200, ["DEFAULT", to("default"), BENCH]],
    ]);
    let pairs = commands.as_array().unwrap();
    let expected: Vec<u64> = pairs.iter().map(|pair| pair[0].as_u64().unwrap()).collect();
    let commands: Vec<Value> = pairs.iter().map(|pair| pair[1].clone()).collect();
    bench.play(json!([commands]));
    bench.session(&agent, 2).await;
    assert_eq!(bench.statuses()[1], expected);
    agent.stop().await;
}

#[tokio::test]
async fn a_server_sees_and_does_what_its_account_permits() {
    let permissions = format!("permissions = [\"{DEVINFO}\", {{ moid = \"{BENCH}\", rights = 1 }}]\n");
    let setup = Setup {
        account: Box::new(move |account: &mut Account, _| account.extra.push_str(&permissions)),
        ..Setup::default()
    };
    let bench = Bench::with(setup).await;
    bench.answer([commands(json!([
        ["GET", node("Fixed")],
        ["EXEC", node("Operations/Count")],
        ["HGET", format!("{}/name", bench.repository_server.origin()), node("Name")],
        ["GET", "urn:x-omadm:mo:demo:1.0//Uptime"],
        ["GET", format!("{}//CBT", support::SESSIONINFO)],
        ["DEFAULT", "https://x.example/", "urn:x-omadm:mo:demo:1.0"],
        // Everybody's to read.
        ["DEFAULT", "https://x.example/", support::SESSIONINFO],
        ["DEFAULT", "https://x.example/", "urn:oma:mo:oma-dm-dmdac:1.0"],
    ]))]);
    bench.repository.put("/name", "text/plain", "not to be stored");
    let agent = bench.start().await;
    let notification = bench.notification();
    bench.send(&omadm_agent::lab::notifier::Notification { request_mos: true, ..notification }).await;
    bench.ended(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 403, 403, 404, 200, 403, 403, 403]]);
    assert_eq!(bench.counted(), 0);
    let mos = bench.packages()[0].json["MOS"].to_string();
    assert!(mos.contains(BENCH) && mos.contains(DEVINFO) && !mos.contains("mo:demo"), "{mos}");
    agent.stop().await;
}
