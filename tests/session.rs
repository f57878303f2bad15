//! A notification starts a real session that reads this machine.

use omadm_agent::lab::Reply;
use omadm_agent::lab::notifier::Notification;
use serde_json::{Value, json};

use crate::support::{BENCH, Bench, DEVINFO, DMACC, SECRET, SERVER_ID, SESSIONINFO, Setup};

fn dmmo(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|error| json!(error.to_string()))
}

#[tokio::test]
async fn a_notification_starts_a_session_that_reads_this_machine() {
    let bench = Bench::playing(json!([[
        ["GET", format!("{DEVINFO}//DevID")],
        ["GET", format!("{DEVINFO}//")],
        ["GET", format!("{SESSIONINFO}//CBT")],
        ["GET", format!("{BENCH}/1/Fixed")],
    ]]))
    .await;
    let agent = bench.start().await;
    bench.send(&Notification { request_mos: true, ..bench.notification() }).await;
    bench.ended(&agent, 1).await;

    let requests = bench.tape.requests("dm");
    assert_eq!(requests.len(), 2, "Package#1 and Package#3, and nothing after END");
    let device = requests[0].header("omadm-devid").to_owned();
    assert!(device.starts_with("UUID:") || device.contains(':'), "{device}");
    for request in &requests {
        assert_eq!(request.method, "POST");
        assert_eq!(request.header("omadm-devid"), device);
        assert_eq!(request.header("accept"), "application/vnd.oma.dm.request+json");
        assert_eq!(request.header("host"), bench.server.address().to_string());
        assert_eq!(request.header("x-omadmdevid"), "", "that was an older draft's");
        assert_eq!(request.connection, 1, "one connection carries the whole session");
        assert_eq!(request.path, "/dm");
        assert_eq!(request.query, format!("id={device}"));
    }

    assert_eq!(requests[0].header("content-type"), "application/vnd.oma.dm.initiation+json");

    let packages = bench.packages();
    let mos = packages[0].json["MOS"].as_array().expect("MOS was asked for");
    let instances = |moid: &str| {
        let mo = mos.iter().find(|mo| mo["MOID"] == moid);
        mo.unwrap_or_else(|| panic!("{moid} is not in {mos:?}"))["MIID"].clone()
    };
    assert_eq!(instances(BENCH), json!(["1"]));
    assert_eq!(instances(DMACC), json!([SERVER_ID]));
    assert_eq!(instances(DEVINFO).as_array().unwrap().len(), 1);
    assert_eq!(instances(SESSIONINFO).as_array().unwrap().len(), 1);
    assert!(mos.iter().all(|mo| mo["DDF"].as_str().is_some_and(|ddf| ddf.starts_with("http"))));

    assert_eq!(packages[1].statuses(), [200, 200, 200, 200]);
    let part = |position| packages[1].part(position).unwrap();
    assert_eq!((part(1).content_type.as_str(), part(1).body.as_slice()), ("text/plain", device.as_bytes()));
    assert_eq!(part(2).content_type, "application/dmmo+json");
    let devinfo = &dmmo(&part(2).body);
    assert_eq!(devinfo["MOID"], DEVINFO);
    assert_eq!(devinfo["MOData"]["DevInfo"]["DevID"], device.as_str());
    assert!(devinfo["MOData"]["DevInfo"]["Man"].as_str().is_some_and(|man| !man.is_empty()));
    let bearer: u8 = std::str::from_utf8(&part(3).body).unwrap().parse().unwrap();
    assert!(bearer <= 3, "{bearer}");
    assert_eq!(part(4).body, b"fixed");
    agent.stop().await;
}

/// What the GETs of one package bring is bounded: what is over is 503, not read, and can be had by the next package.
#[tokio::test]
async fn the_gets_of_a_package_bring_so_much_and_the_next_has_room_again() {
    let config = "[session]\nmax-data = \"64KiB\"\n".to_owned();
    let bench = Bench::with(Setup { config, ..Setup::default() }).await;
    let name = format!("{BENCH}//Name");
    let get = json!(["GET", name]);
    let value = "x".repeat(40_000);
    bench.repository.put("/name", "text/plain", value.clone());
    let fixed = json!(["GET", format!("{BENCH}//Fixed")]);
    bench.play(json!([
        [
            ["HGET", "{repository}/name", name],
            get,
            fixed,
            get,
            fixed,
            get,
            ["HPUT", "{repository}/put", name]
        ],
        [get, fixed],
    ]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 200, 200, 503, 503, 503, 200], vec![200, 200]]);
    let packages = bench.packages();
    let brought = |package: usize, position| packages[package].part(position).map(|part| part.body.clone());
    assert_eq!(brought(1, 2).unwrap(), value.as_bytes());
    assert_eq!((1..8).filter(|at| brought(1, *at).is_some()).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(brought(2, 1).unwrap(), value.as_bytes());
    agent.logged("of the bound", |line| line.contains("at most 65536 bytes (session.max-data)")).await;
    agent.stop().await;
}

#[tokio::test]
async fn without_req_mos_nothing_is_told_and_without_data_nothing_is_multipart() {
    let bench = Bench::playing(json!([[["GET", format!("{BENCH}//NoSuchNode")]], []])).await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;

    let requests = bench.tape.requests("dm");
    assert_eq!(requests[0].header("content-type"), "application/vnd.oma.dm.initiation+json");
    assert_eq!(bench.packages()[0].json, json!({}));
    assert_eq!(requests[1].header("content-type"), "application/vnd.oma.dm.response+json");
    assert_eq!(bench.packages()[1].json, json!({"Status": [[404]]}));
    assert_eq!(bench.packages()[2].json, json!({"Status": []}), "an empty array has an empty answer");
    agent.stop().await;
}

#[tokio::test]
async fn unknown_and_malformed_commands_get_their_status_and_the_others_run_in_order() {
    let bench = Bench::playing(json!([[
        ["FROBNICATE", "x"],
        ["GET"],
        ["GET", format!("{BENCH}//Fixed"), "one too many"],
        ["GET", 5],
        ["GET", "no slash"],
        ["GET", "urn:oma:mo:no-such-object:1.0//"],
        ["get", format!("{BENCH}//Fixed")],
        ["EXEC", format!("{BENCH}//Operations/Count")],
        ["EXEC", format!("{BENCH}//Operations/Fail")],
        ["EXEC", format!("{BENCH}//Fixed")],
        ["DELETE", format!("{BENCH}//Fixed")],
        ["SHOW", "https://portal.example/"],
        ["GET", format!("{BENCH}//Fixed")],
    ]]))
    .await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![501, 400, 400, 400, 400, 404, 501, 200, 1503, 405, 405, 501, 200]]);
    assert_eq!(bench.counted(), 1);
    assert_eq!(bench.packages()[1].part(13).unwrap().body, b"fixed");
    agent.stop().await;
}

#[tokio::test]
async fn hput_and_hpost_bring_what_get_reads() {
    let bench = Bench::playing(json!([
        [
            ["HPUT", "{repository}/put/[DevID]", format!("{DEVINFO}//"), format!("{BENCH}//Fixed")],
            ["HPOST", "{repository}/post", format!("{SESSIONINFO}//")],
            ["HPUT", "{repository}/never", format!("{BENCH}//Fixed"), format!("{BENCH}//NoSuchNode")],
        ],
        [["GET", format!("{DEVINFO}//")]]
    ]))
    .await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 200, 404], vec![200]]);

    let requests = bench.tape.requests("repository");
    let seen: Vec<_> =
        requests.iter().map(|request| (request.method.as_str(), request.path.as_str())).collect();
    let device = bench.tape.requests("dm")[0].header("omadm-devid").to_owned();
    assert_eq!(seen, [("PUT", format!("/put/{device}").as_str()), ("POST", "/post")]);
    assert_eq!(requests[0].header("content-type"), "application/dmmo+json");
    let put = dmmo(&requests[0].body);
    let members = put.as_array().expect("one flat array");
    assert_eq!(members.len(), 2);
    let got = dmmo(&bench.packages()[2].part(1).unwrap().body);
    assert_eq!(members[0]["MOData"], got["MOData"], "HPUT and GET read the same");
    assert_eq!(members[1]["MOData"], json!({"Fixed": "fixed"}));
    agent.stop().await;
}

#[tokio::test]
async fn what_hget_stores_is_read_back_even_after_a_power_cut() {
    let bench = Bench::playing(json!([[
        ["HGET", "{repository}/name", format!("{BENCH}//Name")],
        ["HGET", "{repository}/number", format!("{BENCH}//Number")],
        ["HGET", "{repository}/word", format!("{BENCH}//Number")],
        ["HGET", "{repository}/nothing", format!("{BENCH}//Name")],
        ["HGET", "{repository}/name", format!("{BENCH}//Fixed")],
        ["HGET", "{repository}/name", format!("{BENCH}//Operations/Count")],
        ["GET", format!("{BENCH}//Name")],
        ["GET", format!("{BENCH}//Number")],
    ]]))
    .await;
    bench.repository.put("/name", "text/plain", "gateway of the attic");
    bench.repository.put("/number", "text/plain", "42");
    bench.repository.put("/word", "text/plain", "forty-two");
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let statuses = &bench.statuses()[0];
    assert_eq!(statuses[..2], [200, 200]);
    assert!((400..=599).contains(&statuses[2]), "an int is no word: {statuses:?}");
    assert_eq!(statuses[3..], [500, 405, 405, 200, 200]);
    let package = &bench.packages()[1];
    assert_eq!(package.part(7).unwrap().body, b"gateway of the attic");
    assert_eq!(package.part(8).unwrap().body, b"42");
    let requests = bench.tape.requests("repository");
    assert!(requests.iter().all(|request| request.method == "GET"));
    assert_eq!(requests.len(), 4, "nothing is fetched for a node that takes no value");
    agent.kill().await;

    bench.play(json!([[["GET", format!("{BENCH}//Name")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 2).await;
    assert_eq!(bench.packages()[3].part(1).unwrap().body, b"gateway of the attic");
    agent.stop().await;
}

#[tokio::test]
async fn a_package_with_end_is_run_and_not_answered() {
    let count = format!("{BENCH}//Operations/Count");
    let bench = Bench::playing(json!([[["EXEC", count], ["END"], ["EXEC", count]]])).await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    // The second session proves that the first one sent nothing after its END.
    bench.session(&agent, 2).await;
    assert_eq!(bench.counted(), 2, "all commands of the package run");
    assert!(bench.packages().iter().all(|package| package.initiation));
    agent.stop().await;
}

#[tokio::test]
async fn what_is_no_package_ends_the_session_and_runs_nothing() {
    let exec = json!({"CMD": [["EXEC", format!("{BENCH}//Operations/Count")]]});
    let twice = json!({"CMD": [["EXEC", format!("{BENCH}//Operations/Count")]], "Cmd": []});
    let replies = [
        (Reply::ok("application/vnd.oma.dm.request+json", "{\"CMD\": [[\"EXEC\""), "JSON"),
        (Reply::ok("text/html", exec.to_string()), "text/html"),
        (Reply::package(&twice), "CMD"),
        (Reply::package(&json!({"Commands": []})), "CMD"),
        (Reply::package(&json!([1])), "JSON"),
        (Reply::status(404), "404"),
        (Reply::status(302).header("location", "/elsewhere"), "302"),
        (Reply::status(307).header("location", "/elsewhere"), "307"),
    ];
    for (reply, why) in replies {
        let bench = Bench::new().await;
        bench.answer([reply.clone()]);
        let mut agent = bench.start().await;
        bench.notify().await;
        let line = agent.logged("that the session failed", |line| line.contains("failed")).await;
        assert!(line.contains(why), "{line}");
        assert_eq!(bench.counted(), 0, "{reply:?}");
        agent.stop().await;
        let targets: Vec<_> = bench.tape.requests("dm").into_iter().map(|request| request.path).collect();
        assert_eq!(targets, ["/dm"], "neither followed nor tried again: {reply:?}");
    }
}

#[tokio::test]
async fn no_content_ends_the_session_well_and_an_empty_200_is_no_answer() {
    let bench = Bench::new().await;
    bench.answer([Reply::status(204)]);
    bench.answer([Reply::status(200).header("retry-after", "1"), Reply::status(204)]);
    let mut agent = bench.start().await;
    bench.notify().await;
    bench.until(&agent, "Package#1", |exchanges| exchanges.len() == 1).await;
    agent.logged("that the session ended well", |line| line.contains("ended well")).await;
    bench.notify().await;
    bench.until(&agent, "the next Package#1, twice", |exchanges| exchanges.len() == 3).await;
    let requests = bench.tape.requests("dm");
    assert_eq!(requests[1].body, requests[2].body, "the same package, once more");
    let waited = requests[2].at.duration_since(requests[1].at).unwrap();
    assert!(waited >= std::time::Duration::from_secs(1), "{waited:?}");
    bench.session(&agent, 1).await;
    assert!(bench.packages().iter().all(|package| package.initiation));
    agent.stop().await;
}

#[tokio::test]
async fn the_account_shows_itself_without_its_secret() {
    let bench = Bench::playing(json!([[
        ["GET", format!("{DMACC}//")],
        ["GET", format!("{DMACC}/{SERVER_ID}/SrvURI")],
        ["GET", format!("{DMACC}/somebody-else/")],
    ]]))
    .await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 200, 404]]);
    let package = &bench.packages()[1];
    let account = String::from_utf8(package.part(1).unwrap().body.clone()).unwrap();
    assert!(account.contains(SERVER_ID) && !account.contains(SECRET), "{account}");
    assert!(!account.contains("Permissions"), "{account}");
    assert!(package.part(2).unwrap().body.starts_with(b"https://127.0.0.1:"));
    assert!(!agent.log().contains(SECRET));
    agent.stop().await;
}
