//! The two published forms of the protocol, end to end.

use omadm_agent::lab::Reply;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::package::Profile;
use serde_json::{Value, json};

use crate::support::{BENCH, Bench, Setup};

const COMPLETE: &str = "urn:x-omadm:at:exec:1.0:OperationComplete";

#[tokio::test]
async fn a_session_speaks_its_accounts_profile() {
    for profile in [Profile::Draft, Profile::Approved] {
        let bench = Bench::with(Setup {
            config: "[exec]\nsync-limit = \"100ms\"\n".to_owned(),
            account: Box::new(move |account, _| account.profile = profile),
            ..Setup::default()
        })
        .await;
        let node = |path: &str| format!("{BENCH}//{path}");
        bench.play(json!([[
            ["GET", node("Fixed")],
            ["GET", node("Missing")],
            ["EXEC", node("Operations/Late")],
        ]]));
        let agent = bench.start().await;
        // The form of a notification is its own affair.
        bench.send(&Notification { request_mos: true, ..bench.notification() }).await;
        bench.ended(&agent, 1).await;
        bench.release(0).await;
        bench.ended(&agent, 2).await;

        let packages = bench.packages();
        let bench_mo = packages[0].json["MOS"].as_array().unwrap().iter().find(|mo| mo["MOID"] == BENCH);
        assert_eq!(bench_mo.unwrap()["MIID"], json!(["1"]), "{profile:?}");
        let statuses = match profile {
            Profile::Draft => json!([[200], [404], [202]]),
            Profile::Approved => json!([{"sc": 200}, {"sc": 404}, {"sc": 202}]),
        };
        assert_eq!(packages[1].json["Status"], statuses);
        assert_eq!(&packages[1].part(1).unwrap().body[..], b"fixed");
        let alert = &packages[2].json["Alert"];
        let list = if profile == Profile::Draft { &alert["Items"] } else { alert };
        let of_exec = list.as_array().unwrap().iter().find(|alert| alert["AlertType"] == COMPLETE).unwrap();
        assert_eq!(of_exec["Data"], json!({"ResultCode": 200}));
        let (kind, other) = match profile {
            Profile::Draft => ("MIMEType", "DataType"),
            Profile::Approved => ("DataType", "MIMEType"),
        };
        assert_eq!((&of_exec[kind], &of_exec[other]), (&json!("application/json"), &Value::Null));
        agent.stop().await;
    }
}

#[tokio::test]
async fn an_approved_session_leaves_a_5xx_to_the_schedule() {
    for (profile, requests) in [(Profile::Draft, 2), (Profile::Approved, 1)] {
        let bench = Bench::with(Setup {
            account: Box::new(move |account, _| account.profile = profile),
            ..Setup::default()
        })
        .await;
        bench.answer([Reply::status(503), Reply::status(404)]);
        let mut agent = bench.start().await;
        bench.notify().await;
        agent.logged("that the session failed", |line| line.contains("failed")).await;
        assert_eq!(bench.tape.requests("dm").len(), requests, "{profile:?}: {}", agent.log());
        agent.stop().await;
    }
}

#[tokio::test]
async fn no_format_that_both_know_is_500_and_in_an_approved_session_406() {
    for (profile, status) in [(Profile::Draft, 500), (Profile::Approved, 406)] {
        let bench = Bench::with(Setup {
            account: Box::new(move |account, _| account.profile = profile),
            ..Setup::default()
        })
        .await;
        let put =
            json!(["HPUT", format!("{}/x", bench.repository_server.origin()), format!("{BENCH}//Fixed")]);
        let package = json!({"SessionInfo": {"AcceptMO": "application/xml"}, "CMD": [put]});
        bench.answer([Reply::package(&package)]);
        let agent = bench.start().await;
        bench.session(&agent, 1).await;
        assert_eq!(bench.statuses(), [[status]]);
        assert!(bench.tape.requests("repository").is_empty());
        agent.stop().await;
    }
}

/// The profiles differ in shapes, not in what commands do.
#[tokio::test]
async fn the_same_commands_come_to_the_same_in_both() {
    for profile in [Profile::Draft, Profile::Approved] {
        let bench = Bench::with(Setup {
            account: Box::new(move |account, _| account.profile = profile),
            ..Setup::default()
        })
        .await;
        let node = |path: &str| format!("{BENCH}//{path}");
        bench.repository.put("/name", "text/plain", "new");
        bench.repository.put("/html", "text/html", "<html/>");
        let expected = json!([
            [200, ["GET", node("Fixed")]],
            [204, ["GET", node("Name")]],
            [404, ["GET", node("NoSuchNode")]],
            [404, ["GET", "urn:x-omadm:mo:nothing:1.0//"]],
            [400, ["GET", "no ClientURI"]],
            [400, ["GET"]],
            [501, ["INCLUDE", node("Fixed")]],
            [200, ["HGET", "{repository}/name", node("Name")]],
            [405, ["HGET", "{repository}/name", node("Fixed")]],
            [415, ["HGET", "{repository}/html", node("")]],
            [403, ["HGET", "http://127.0.0.1:9/", node("Name")]],
            [200, ["GET", node("Name")]],
            [200, ["HPUT", "{repository}/put", node("Fixed")]],
            [404, ["HPOST", "{repository}/post", node("Fixed"), node("NoSuchNode")]],
            [405, ["DELETE", node("Fixed")]],
            [405, ["DELETE", format!("{BENCH}/1/")]],
            [200, ["EXEC", node("Operations/Count")]],
            [405, ["EXEC", node("Fixed")]],
            [501, ["SHOW", "https://portal.example/"]],
            [404, ["DEFAULT", "{repository}/x", "urn:x-omadm:mo:nothing:1.0"]],
            [200, ["DEFAULT", "{repository}/x", BENCH]],
        ]);
        let (statuses, commands): (Vec<Value>, Vec<Value>) =
            expected.as_array().unwrap().iter().map(|pair| (pair[0].clone(), pair[1].clone())).unzip();
        bench.play(json!([commands]));
        let agent = bench.start().await;
        bench.session(&agent, 1).await;
        let found: Vec<Value> = bench.statuses()[0].iter().map(|status| json!(status)).collect();
        assert_eq!(found, statuses, "{profile:?}");
        assert_eq!(&bench.packages()[1].part(12).unwrap().body[..], b"new");
        assert_eq!(bench.tape.requests("repository").len(), 3, "what is refused is not fetched");
        agent.stop().await;
    }
}
