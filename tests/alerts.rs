//! Generic Alerts (TS 5.3), from where they are raised to the server that has taken them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use omadm_agent::alert::{self, Destination};
use omadm_agent::lab::gateway::Account;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::lab::{Options, Reply, Request, Server, files};
use omadm_agent::package::{Alert, Profile};
use omadm_agent::store::Store;
use serde_json::{Value, json};

use crate::support;
use crate::support::local::{AGENT, Agent, Refused};
use crate::support::{BENCH, Bench, DEVINFO, LIMIT, SERVER_ID, Setup, commands};

fn alert(number: usize) -> Alert {
    Alert {
        alert_type: format!("urn:bench:at:{number}"),
        mime_type: None,
        source_uri: None,
        target_uri: None,
        mark: None,
        data: None,
    }
}

/// Alerts that are there when the agent starts.
fn put_alerts(bench: &Bench, place: &Destination, numbers: std::ops::Range<usize>) {
    let store = Store::open(&bench.gateway.path("state")).unwrap().store;
    for number in numbers {
        store.commit_blocking(&alert::keep(&store, place, &alert(number)).unwrap().changes).unwrap();
    }
}

/// The numbers of the alerts in each package of a path.
fn heard(bench: &Bench, path: &str) -> Vec<Vec<usize>> {
    let requests = bench.tape.requests("dm").into_iter().filter(|request| request.path == path);
    let packages = requests.map(|request| request.package().unwrap());
    let number = |item: &Value| {
        let name = item["AlertType"].as_str().unwrap();
        name.strip_prefix("urn:bench:at:").map(|number| number.parse().unwrap())
    };
    let items = |json: &Value| {
        let draft = json["Alert"]["Items"].as_array().cloned();
        draft.or_else(|| json["Alert"].as_array().cloned()).unwrap_or_default()
    };
    packages.map(|package| items(&package.json).iter().filter_map(number).collect()).collect()
}

fn answer(commands: &Value, results: &Value) -> Reply {
    Reply::package(&json!({ "CMD": commands, "Results": results }))
}

async fn raise(agent: &Agent, alert: Alert) -> Result<(), Refused> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (source, target, mark) = (text(&alert.source_uri), text(&alert.target_uri), text(&alert.mark));
    let data = alert.data.as_ref().map(Value::to_string).unwrap_or_default();
    let arguments = [&alert.alert_type, &source, &target, &mark, &text(&alert.mime_type), &data];
    agent.call(AGENT, "RaiseAlert", &arguments.map(String::as_str)).await.map(drop)
}

async fn until(bench: &Bench, what: &str, enough: impl Fn(&Bench) -> bool) {
    assert!(bench.tape.until(LIMIT, |_| enough(bench)).await, "{what}: {:?}", heard(bench, "/dm"));
}

fn put_other_account(bench: &Bench, extra: &str) {
    let mut other = Account {
        secret: Some("other secret".to_owned()),
        ..Account::new("other", &format!("{}/other", bench.server.origin()), &bench.authority)
    };
    other.extra.push_str(extra);
    bench.gateway.put_account(&other).unwrap();
}

#[tokio::test]
async fn the_servers_word_on_each_alert_decides_whether_it_hears_of_it_again() {
    let bench = Bench::new().await;
    put_alerts(&bench, &Destination::of(&SERVER_ID.into()), 0..5);
    bench.answer([answer(
        &json!([["GET", format!("{BENCH}//Fixed")]]),
        &json!([
            { "Code": 200 }, { "Code": 415 }, { "Code": 500 }, { "Code": 202 },
        ]),
    )]);
    let mut agent = bench.start().await;
    agent
        .logged("about the refused one", |line| line.contains("urn:bench:at:1") && line.contains("415"))
        .await;
    bench.ended(&agent, 1).await;
    bench.session(&agent, 2).await;
    bench.session(&agent, 3).await;
    assert_eq!(
        heard(&bench, "/dm"),
        [vec![0, 1, 2, 3, 4], vec![], vec![2], vec![]],
        "in another session, not in this one"
    );
    agent.stop().await;
}

#[tokio::test]
async fn many_alerts_ride_in_following_packages_and_sessions_in_their_order() {
    let bench = Bench::new().await;
    put_alerts(&bench, &Destination::of(&SERVER_ID.into()), 0..110);
    bench.answer([commands(json!([])), commands(json!([["END"]]))]);
    let agent = bench.start().await;
    // The server ends the session while some wait: another follows by itself, and only one.
    bench.ended(&agent, 3).await;
    bench.session(&agent, 4).await;
    let heard = heard(&bench, "/dm");
    assert_eq!(heard.iter().map(Vec::len).collect::<Vec<_>>(), [32, 32, 32, 14, 0]);
    assert_eq!(heard.concat(), (0..110).collect::<Vec<_>>());
    agent.stop().await;
}

#[tokio::test]
async fn a_server_that_never_takes_them_loses_none() {
    let bench = Bench::with(Setup { config: "[session]\nretries = 1\n".into(), ..Setup::default() }).await;
    put_alerts(&bench, &Destination::of(&SERVER_ID.into()), 0..2);
    let login = || Reply::ok("text/html", "<html>log in</html>");
    // A connection that is kept and closes is no try: the next one is.
    let silent = vec![Reply::status(503), Reply::closed(), Reply::closed()];
    for replies in [silent, vec![Reply::status(403)], vec![login()]] {
        bench.answer(replies);
    }
    let mut agent = bench.start().await;
    agent.logged("about the first session", |line| line.contains("no answer after 2 attempts")).await;
    bench.notify().await;
    agent.logged("about the second", |line| line.contains("HTTP status 403")).await;
    bench.notify().await;
    agent.logged("about the third", |line| line.contains("Package#2:")).await;
    bench.session(&agent, 1).await;
    bench.session(&agent, 2).await;
    let heard = heard(&bench, "/dm");
    let (last, before) = heard.split_last().unwrap();
    assert!(before.len() >= 5 && before.iter().all(|alerts| alerts == &[0, 1]), "{heard:?}");
    assert_eq!(last, &[] as &[usize]);
    agent.stop().await;
}

/// TS 5.3, CR 004: whatever was raised and not delivered, over power cuts, however much it is, and by each server once.
#[tokio::test]
async fn each_server_hears_of_all_that_was_raised_and_of_each_once() {
    const COUNT: usize = 40;
    let bench = Bench::with(Setup { config: "[session]\nretries = 0\n".into(), ..Setup::default() }).await;
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let answer = move |_: &Request| match is_down.load(Ordering::Relaxed) {
        true => Reply::status(503),
        false => support::end(),
    };
    let options = Options::new("late", bench.authority.server().unwrap(), &bench.tape);
    let late = Server::start(options, answer).await.unwrap();
    let account = Account {
        secret: Some(support::SECRET.to_owned()),
        ..Account::new("late", &format!("{}/late", late.origin()), &bench.authority)
    };
    bench.gateway.put_account(&account).unwrap();
    let of = |tape: &str| -> Vec<Vec<usize>> {
        let packages = bench.tape.requests(tape).into_iter().map(|request| request.package().unwrap());
        let number = |item: &Value| {
            item["AlertType"].as_str().unwrap().strip_prefix("urn:bench:at:").unwrap().parse().unwrap()
        };
        let items = |json: &Value| json["Alert"]["Items"].as_array().cloned().unwrap_or_default();
        packages.map(|package| items(&package.json).iter().map(number).collect()).collect()
    };
    let all: Vec<usize> = (0..COUNT).collect();
    let agent = Agent::start(&bench).await;
    for number in 0..COUNT {
        raise(&agent, alert(number)).await.unwrap();
    }
    until(&bench, "both servers", |_| of("dm").concat().len() >= COUNT && !of("late").is_empty()).await;
    bench.notify().await;
    until(&bench, "a session without any", |_| of("dm").last().unwrap().is_empty()).await;
    agent.stop().await;

    let failed = of("late").len();
    let agent = bench.start().await;
    until(&bench, "another attempt", |_| of("late").len() > failed).await;
    agent.kill().await;
    down.store(false, Ordering::Relaxed);
    let failed = of("late").len();
    let agent = bench.start().await;
    let taken = || of("late").split_off(failed).concat();
    until(&bench, "all of them", |_| taken().len() >= COUNT).await;
    for server_id in [SERVER_ID, "late"] {
        bench.send(&Notification { server_id: server_id.to_owned(), ..bench.notification() }).await;
    }
    until(&bench, "one more session each", |_| {
        [of("dm"), of("late")].iter().all(|all| all.last().unwrap().is_empty())
    })
    .await;
    assert_eq!(taken(), all, "all, once, in their order");
    assert!(of("late")[..failed].iter().all(|alerts| all.starts_with(alerts)), "{:?}", of("late"));
    assert_eq!(of("dm").concat(), all, "who has heard of them hears of none again");
    agent.stop().await;
}

#[tokio::test]
async fn an_alert_raised_during_a_session_rides_in_its_next_package() {
    let bench = Bench::new().await;
    bench.answer([commands(json!([["GET", format!("{BENCH}//Fixed")]])).after(Duration::from_secs(1))]);
    let agent = Agent::start(&bench).await;
    raise(&agent, alert(1)).await.unwrap();
    until(&bench, "Package#1", |bench| !heard(bench, "/dm").is_empty()).await;
    raise(&agent, alert(2)).await.unwrap();
    raise(&agent, alert(3)).await.unwrap();
    until(&bench, "END", |bench| bench.tape.exchanges().iter().any(|exchange| exchange.reply.ends_session()))
        .await;
    bench.notify().await;
    until(&bench, "another session", |bench| bench.packages().len() >= 3).await;
    assert_eq!(heard(&bench, "/dm"), [vec![1], vec![2, 3], vec![]], "and starts none of its own");
    agent.stop().await;
}

#[tokio::test]
async fn whoever_may_read_where_it_happened_hears_of_it() {
    let bench = Bench::new().await;
    put_other_account(
        &bench,
        &format!("permissions = [\"{DEVINFO}\", {{ moid = \"{BENCH}\", rights = 6 }}]\n"),
    );
    let agent = Agent::start(&bench).await;
    let at = |number, source: &str| Alert { source_uri: Some(source.to_owned()), ..alert(number) };
    raise(&agent, at(1, &format!("{BENCH}/1/Operations/Late"))).await.unwrap();
    raise(&agent, at(2, &format!("{DEVINFO}//Man"))).await.unwrap();
    raise(&agent, at(3, &format!("{}/other/", support::DMACC))).await.unwrap();
    for (source, what) in [
        ("urn:bench:mo:no-such-object:1.0//", "not found"),
        (&*format!("{BENCH}/7/"), "not found"),
        (&*format!("{BENCH}/*/"), "not found"),
        (&*format!("{}//", support::DMACC), "not unique"),
        ("no client uri", "source"),
    ] {
        let error = raise(&agent, at(4, source)).await.unwrap_err().to_string();
        assert!(error.contains(what), "{source}: {error}");
    }
    let error = raise(&agent, Alert { mark: Some("major".into()), ..alert(4) }).await.unwrap_err();
    assert!(error.name == "InvalidArgument" && error.why.contains("mark \"major\""), "{error}");
    let marked = Alert { mark: Some("warning".into()), data: Some(json!(1404)), ..alert(5) };
    raise(&agent, marked).await.unwrap();
    let all = |bench: &Bench, path: &str| heard(bench, path).concat();
    until(&bench, "all alerts", |bench| all(bench, "/dm").contains(&5) && all(bench, "/other").contains(&5))
        .await;
    assert_eq!(all(&bench, "/dm"), [1, 2, 5]);
    assert_eq!(all(&bench, "/other"), [2, 5], "DMAcc is not among its permissions");
    let requests = bench.tape.requests("dm");
    let items = requests.iter().flat_map(|request| {
        request.package().unwrap().json["Alert"]["Items"].as_array().cloned().unwrap_or_default()
    });
    let last = items.filter(|item| item["AlertType"] == "urn:bench:at:5").last().unwrap();
    assert_eq!(last, json!({"AlertType": "urn:bench:at:5", "Mark": "warning", "Data": {"DM1x": 1404}}));
    agent.stop().await;
}

#[tokio::test]
async fn each_level_is_sent_as_it_was_given() {
    let levels = ["fatal", "critical", "minor", "warning", "informational", "harmless", "indeterminate"];
    let bench = Bench::new().await;
    bench.answer([commands(json!([])).after(Duration::from_secs(1))]);
    let agent = Agent::start(&bench).await;
    raise(&agent, alert(0)).await.unwrap();
    for (number, level) in levels.iter().enumerate() {
        raise(&agent, Alert { mark: Some((*level).to_owned()), ..alert(number + 1) }).await.unwrap();
    }
    until(&bench, "all alerts", |bench| heard(bench, "/dm").concat().len() > levels.len()).await;
    let packages = bench.packages();
    let items = packages.iter().filter_map(|package| package.json["Alert"]["Items"].as_array()).flatten();
    let marks: Vec<_> = items.filter_map(|item| item["Mark"].as_str()).collect();
    assert_eq!(marks, levels);
    agent.stop().await;
}

#[tokio::test]
async fn alerts_of_an_account_that_is_removed_go_with_it() {
    let bench = Bench::new().await;
    put_other_account(&bench, "");
    let elsewhere =
        Destination { uri: Some("https://192.0.2.1/".into()), ..Destination::of(&"other".into()) };
    put_alerts(&bench, &elsewhere, 0..1);
    put_alerts(&bench, &Destination::of(&"gone".into()), 0..1);
    bench.answer([Reply::status(403)]);
    put_alerts(&bench, &Destination::of(&"other".into()), 1..2);
    let mut agent = bench.start().await;
    agent.logged("about the session", |line| line.contains("HTTP status 403")).await;
    std::fs::remove_file(bench.gateway.path("accounts").join("other.toml")).unwrap();
    agent
        .logged("about one account", |line| line.contains("1 account,") && line.contains("read again"))
        .await;
    agent.stop().await;
    let store = Store::open(&bench.gateway.path("state")).unwrap().store;
    assert_eq!(alert::destinations(&store).unwrap(), []);
    drop(store);

    put_other_account(&bench, "");
    let agent = bench.start().await;
    bench.send(&Notification::new("other", b"other secret", 1)).await;
    bench.ended(&agent, 1).await;
    assert_eq!(heard(&bench, "/other"), [vec![1], vec![]]);
    agent.stop().await;
}

#[tokio::test]
async fn alerts_of_an_account_whose_file_is_broken_wait_for_its_repair() {
    let bench = Bench::new().await;
    put_alerts(&bench, &Destination::of(&SERVER_ID.into()), 0..1);
    let file = bench.gateway.path("accounts").join(format!("{SERVER_ID}.toml"));
    let text = std::fs::read_to_string(&file).unwrap();
    files::put(&file, text.replace("server-uri", "server-url"), files::PLAIN).unwrap();
    bench.start().await.stop().await;
    files::put(&file, text, files::PLAIN).unwrap();
    let agent = bench.start().await;
    bench.ended(&agent, 1).await;
    assert_eq!(heard(&bench, "/dm"), [[0]]);
    agent.stop().await;
}

#[tokio::test]
async fn the_approved_profile_says_first_why_a_session_is_held_and_hears_no_answer_to_alerts() {
    let setup = Setup {
        account: Box::new(|account, _| {
            account.profile = Profile::Approved;
            account.extra = "schedule = { at-boot = false }\n".to_owned();
        }),
        ..Setup::default()
    };
    let bench = Bench::with(setup).await;
    put_alerts(&bench, &Destination::of(&SERVER_ID.into()), 0..1);
    // Of the alert that waits, this would be a refusal for now.
    bench.answer([answer(&json!([["END"]]), &json!([500, 500]))]);
    let agent = bench.start().await;
    bench.ended(&agent, 1).await;
    let notification = Notification { id: 4711, profile: Profile::Approved, ..bench.notification() };
    bench.send(&notification).await;
    bench.ended(&agent, 2).await;
    agent.stop().await;
    put_alerts(&bench, &Destination::of(&SERVER_ID.into()), 1..2);
    let agent = bench.start().await;
    bench.ended(&agent, 3).await;
    agent.stop().await;
    let mgmt = |name: &str| json!({ "AlertType": format!("urn:oma:at:dm:2.0:{name}") });
    let sent: Vec<Value> = bench.packages().iter().map(|package| package.json["Alert"].clone()).collect();
    let mut server = mgmt("ServerInitiatedMgmt");
    server["Data"] = json!({ "NOTIFICATION-ID": 4711 });
    assert_eq!(
        sent,
        [
            json!([mgmt("BootstrapComplete"), { "AlertType": "urn:bench:at:0" }]),
            json!([server]),
            json!([mgmt("ClientInitiatedMgmt"), { "AlertType": "urn:bench:at:1" }]),
        ]
    );
}

/// What is wrong with one alert keeps the server from managing the device in neither profile; but the approved one breaks off a
/// session whose package is refused.
#[tokio::test]
async fn in_the_approved_profile_a_refused_package_ends_its_session_and_the_next_has_fewer_alerts() {
    let setup = Setup {
        account: Box::new(|account, _| {
            account.profile = Profile::Approved;
            account.extra = "schedule = { at-boot = false, first-contact = false }\n".to_owned();
        }),
        ..Setup::default()
    };
    let bench = Bench::with(setup).await;
    put_alerts(&bench, &Destination::of(&SERVER_ID.into()), 0..3);
    for status in [413, 400] {
        bench.answer([Reply::status(status)]);
    }
    let mut agent = bench.start().await;
    for most in [1, 0] {
        bench.notify().await;
        let what = format!("the next has {most} at most");
        agent.logged("about the refusal", |line| line.contains(&what)).await;
    }
    // Three that end well: without any, and then all that are left, at once.
    bench.session(&agent, 3).await;
    assert_eq!(heard(&bench, "/dm"), [vec![0, 1, 2], vec![0], vec![], vec![1], vec![2]], "{}", agent.log());
    assert!(agent.log().contains("alert urn:bench:at:0 is dropped"), "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn of_a_bootstrap_the_server_hears_even_if_its_notification_comes_first() {
    for (schedule, complete) in [("jitter = \"24h\"", true), ("first-contact = false", false)] {
        let setup = Setup {
            account: Box::new(move |account, _| {
                account.profile = Profile::Approved;
                account.extra = format!("schedule = {{ at-boot = false, {schedule} }}\n");
            }),
            ..Setup::default()
        };
        let bench = Bench::with(setup).await;
        let agent = bench.start().await;
        for (id, sessions) in [(7, 1), (8, 2)] {
            let notification = Notification { id, profile: Profile::Approved, ..bench.notification() };
            bench.send(&notification).await;
            bench.ended(&agent, sessions).await;
        }
        let told = |package: usize| -> Vec<(String, Value)> {
            let alerts = bench.packages()[package].json["Alert"].as_array().unwrap().clone();
            alerts.iter().map(|alert| (alert["AlertType"].to_string(), alert["Data"].clone())).collect()
        };
        let mgmt = |name: &str| format!("\"urn:oma:at:dm:2.0:{name}\"");
        let server = |id: u16| (mgmt("ServerInitiatedMgmt"), json!({ "NOTIFICATION-ID": id }));
        let mut first = vec![server(7)];
        first.extend(complete.then(|| (mgmt("BootstrapComplete"), Value::Null)));
        assert_eq!((told(0), told(1)), (first, vec![server(8)]), "{schedule}");
        agent.stop().await;
    }
}
