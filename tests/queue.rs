//! Which session is held when, and what keeps it from others: through the real agent.

use std::time::Duration;

use omadm_agent::alert::{self, Destination};
use omadm_agent::bearer::ConnectionType;
use omadm_agent::lab::gateway::Account;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::lab::{Options, Reply, Request, Server, files};
use omadm_agent::notification::outgoing::OutgoingNotification;
use omadm_agent::notification::wsp::Push;
use omadm_agent::package::Alert;
use omadm_agent::store::records::ExecRecord;
use omadm_agent::store::{Change, Store};
use serde_json::json;
use tokio::net::TcpListener;

use crate::support;
use crate::support::{Agent, BENCH, Bench, LIMIT, SECRET, SERVER_ID, Setup, appears, commands, network};

fn silence() -> Reply {
    commands(json!([])).after(Duration::from_secs(3600))
}

/// A peer that takes connections and never says a word.
async fn silent_peer() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    (listener, origin)
}

fn put_account(bench: &Bench, server_id: &str, uri: &str, extra: &str) {
    let mut account = Account {
        secret: Some(SECRET.to_owned()),
        origins: vec![bench.server.origin()],
        ..Account::new(server_id, uri, &bench.authority)
    };
    account.extra.push_str(extra);
    bench.gateway.put_account(&account).unwrap();
}

async fn notify(bench: &Bench, server_id: &str) {
    bench.send(&Notification { server_id: server_id.to_owned(), ..bench.notification() }).await;
}

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

fn put_alerts(bench: &Bench, numbers: std::ops::Range<usize>) {
    let store = Store::open(&bench.gateway.path("state")).unwrap().store;
    for number in numbers {
        let kept = alert::keep(&store, &Destination::of(&SERVER_ID.into()), &alert(number)).unwrap();
        store.commit_blocking(&kept.changes).unwrap();
    }
}

/// How many alerts each package to the account's server has.
fn alerts(bench: &Bench) -> Vec<usize> {
    let count = |json: &serde_json::Value| json["Alert"]["Items"].as_array().map_or(0, Vec::len);
    bench.packages().iter().map(|package| count(&package.json)).collect()
}

fn scheduled(every: &str) -> Setup {
    let schedule = format!(
        "schedule = {{ at-boot = false, first-contact = false, every = \"{every}\", jitter = \"0s\" }}\n"
    );
    Setup { account: Box::new(move |account: &mut Account, _| account.extra = schedule), ..Setup::default() }
}

fn count(agent: &Agent, text: &str) -> usize {
    agent.log().matches(text).count()
}

#[tokio::test]
async fn peers_that_never_answer_keep_no_other_server_waiting() {
    let bench = Bench::new().await;
    let (_listener, origin) = silent_peer().await;
    // In the order of their names before the one that is well; some in TLS, some in their answer, some in backoff.
    for number in 0..12 {
        let uri =
            if number % 2 == 0 { format!("{origin}/dm") } else { format!("{}/dm", bench.server.origin()) };
        put_account(&bench, &format!("a-{number:02}"), &uri, "");
    }
    (0..3).for_each(|_| bench.answer([silence()]));
    (0..3).for_each(|_| bench.answer([Reply::status(503).header("retry-after", "100")]));
    let mut agent = bench.start().await;
    for number in 0..12 {
        let server_id = format!("a-{number:02}");
        notify(&bench, &server_id).await;
        agent.logged("that it begins", |line| line.contains(&format!("{server_id}: session"))).await;
    }
    bench.until(&agent, "their requests", |exchanges| exchanges.len() >= 6).await;
    bench.session(&agent, 1).await;
    bench.session(&agent, 2).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_repository_that_never_answers_keeps_no_other_server_waiting() {
    let bench = Bench::new().await;
    let (_listener, origin) = silent_peer().await;
    for number in 0..6 {
        put_account(&bench, &format!("a-{number}"), &format!("{}/dm", bench.server.origin()), "");
        let file = bench.gateway.path("accounts").join(format!("a-{number}.toml"));
        let text = std::fs::read_to_string(&file).unwrap();
        files::put(&file, text.replace("origins = [", &format!("origins = [\"{origin}\", ")), files::PLAIN)
            .unwrap();
        bench.answer([commands(json!([["HGET", format!("{origin}/x"), format!("{BENCH}//Name")]]))]);
    }
    let agent = bench.start().await;
    for number in 0..6 {
        notify(&bench, &format!("a-{number}")).await;
    }
    bench.until(&agent, "six sessions", |exchanges| exchanges.len() >= 6).await;
    bench.session(&agent, 1).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_report_to_a_silent_place_does_not_keep_the_servers_own_sessions_waiting() {
    let bench = Bench::new().await;
    let (listener, origin) = silent_peer().await;
    bench.list_origin(&origin);
    bench.play(json!([[["EXEC", format!("{BENCH}//Operations/Count"), format!("{origin}/report")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let (_connection, _) = tokio::time::timeout(support::LIMIT, listener.accept()).await.unwrap().unwrap();
    bench.session(&agent, 2).await;
    bench.session(&agent, 3).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_notification_that_prefers_what_is_up_does_not_wait_with_one_that_prefers_what_is_not() {
    let bench = Bench::new().await;
    let mut agent = bench.start().await;
    let mobile = vec![ConnectionType::Mobile];
    bench.send(&Notification { preferred: mobile, request_mos: true, ..bench.notification() }).await;
    agent.logged("that it waits", |line| line.contains("waiting for a preferred connection type")).await;
    bench.session(&agent, 1).await;
    assert!(bench.packages()[0].json["MOS"].is_array(), "and asks for what the first one asked for");
    agent.stop().await;
}

#[tokio::test]
async fn the_schedule_goes_on_after_an_alert_rode_in_a_running_session() {
    let config = "[exec]\nsync-limit = \"1s\"\n".to_owned();
    let bench = Bench::with(Setup { config, ..scheduled("2s") }).await;
    // Its end is told in the session that runs: what was asked for meanwhile finds nothing to tell.
    let late =
        commands(json!([["EXEC", format!("{BENCH}//Operations/Late")], ["GET", format!("{BENCH}//Fixed")]]));
    bench.answer([late, commands(json!([])).after(Duration::from_secs(3))]);
    let agent = bench.start().await;
    bench.until(&agent, "its result", |exchanges| exchanges.len() >= 2).await;
    bench.release(0).await;
    bench.ended(&agent, 3).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_a_server_said_about_when_to_come_back_holds_against_schedule_and_alerts() {
    let setup = Setup { config: "[session]\nretries = 0\n".to_owned(), ..scheduled("1s") };
    let bench = Bench::with(setup).await;
    bench.answer([
        commands(json!([[
            "EXEC",
            format!("{BENCH}//Operations/Late"),
            format!("{}/dm", bench.server.origin())
        ]])),
        Reply::status(503).header("retry-after", "3600"),
    ]);
    let mut agent = bench.start().await;
    agent.logged("when it comes back", |line| line.contains("next attempt in 36")).await;
    let before = bench.packages().len();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(bench.packages().len(), before, "{}", agent.log());
    bench.notify().await;
    bench.ended(&agent, 1).await;
    bench.release(0).await;
    agent.stop().await;
}

#[tokio::test]
async fn an_outage_is_two_lines_and_ends_when_an_address_comes_up() {
    network::of_its_own("an_outage_is_two_lines_and_ends_when_an_address_comes_up", async {
        network::run("mount -t sysfs sysfs /sys").await;
        let config = "[session]\nretries = 1\nallow-http = true\n".to_owned();
        let bench = Bench::with(Setup { config, ..Setup::default() }).await;
        let elsewhere = "192.0.2.7:4433";
        put_account(&bench, "away", &format!("http://{elsewhere}/dm"), "");
        let mut agent = bench.start().await;
        notify(&bench, "away").await;
        agent.logged("when it tries again", |line| line.contains("away: next attempt in")).await;
        // Several more failures, until the wait is a long one.
        for _ in 0..7 {
            let before = count(&agent, "away: next attempt in");
            notify(&bench, "away").await;
            let again = async {
                while count(&agent, "away: next attempt in") == before {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::time::timeout(support::LIMIT, again).await.unwrap();
        }
        assert_eq!(count(&agent, "away: package not answered"), 1, "{}", agent.log());
        let line = agent.logged("about it", |line| line.contains("away: package not answered")).await;
        assert!(line.contains("; attempt 1 of ") && line.contains(", the next in "), "{line}");
        let options = Options {
            listen: elsewhere.parse().unwrap(),
            ..Options::plain("away", &bench.tape)
        };
        network::run("ip link add e0 type veth peer name e1; ip addr add 192.0.2.7/24 dev e0; ip link set e1 up; ip link set e0 up").await;
        let _server = Server::start(options, |_: &Request| Reply::status(204)).await.unwrap();
        let line = agent.logged("that it is back", |line| line.contains("away: reachable again after")).await;
        assert!(line.contains("failures, "), "{line}");
        assert_eq!(count(&agent, "reachable again"), 1);
        agent.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_refuses_alerts_manages_the_device_all_the_same() {
    let bench = Bench::new().await;
    put_alerts(&bench, 0..5);
    // 5, 2, 1, none; then one by one.
    bench.answer([
        Reply::status(413),
        Reply::status(400),
        Reply::status(413),
        commands(json!([["GET", format!("{BENCH}//Fixed")]])),
        commands(json!([])),
    ]);
    let mut agent = bench.start().await;
    agent
        .logged("about the one that is refused", |line| {
            line.contains("urn:bench:at:0") && line.contains("dropped")
        })
        .await;
    bench.ended(&agent, 2).await;
    bench.session(&agent, 3).await;
    assert_eq!(alerts(&bench), [5, 2, 1, 0, 1, 1, 2, 0], "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn damaged_alerts_begin_no_sessions_and_go() {
    let bench = Bench::new().await;
    let store = Store::open(&bench.gateway.path("state")).unwrap().store;
    store.commit_blocking(&[Change::Alert(SERVER_ID.into(), b"{".to_vec())]).unwrap();
    drop(store);
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    agent.logged("about it", |line| line.contains("dropped 1 queued alert: damaged")).await;
    bench.session(&agent, 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(count(&agent, " begins ("), 2, "{}", agent.log());
    agent.stop().await;
    let store = Store::open(&bench.gateway.path("state")).unwrap().store;
    assert_eq!(alert::destinations(&store).unwrap(), []);
}

#[tokio::test]
async fn a_notification_outlives_any_number_of_clean_restarts_while_its_server_is_down() {
    let bench = Bench::with(Setup { config: "[session]\nretries = 0\n".into(), ..Setup::default() }).await;
    bench.answer(std::iter::repeat_n(Reply::status(503).header("retry-after", "3600"), 8));
    let mut agent = bench.start().await;
    bench.notify().await;
    for _ in 0..7 {
        agent.logged("about the next attempt", |line| line.contains("next attempt in")).await;
        agent.stop().await;
        agent = bench.start().await;
    }
    agent.logged("about the next attempt", |line| line.contains("next attempt in")).await;
    agent.kill().await;
    let agent = bench.start().await;
    bench.ended(&agent, 1).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_session_that_the_agent_dies_in_twice_is_not_held_a_third_time() {
    let first_contact = "schedule = { at-boot = true, first-contact = true, jitter = \"0s\" }\n";
    for by_itself in [false, true] {
        let bench = Bench::with(Setup {
            config: "[exec]\nsync-limit = \"1h\"\n".to_owned(),
            account: Box::new(move |account: &mut Account, _| {
                if by_itself {
                    account.extra = first_contact.to_owned();
                }
            }),
            ..Setup::default()
        })
        .await;
        for _ in 0..3 {
            bench.answer([commands(json!([["EXEC", format!("{BENCH}//Operations/Slow")]]))]);
        }
        let slowed = bench.gateway.path("slowed");
        for life in 0..2 {
            let agent = bench.start().await;
            if life == 0 && !by_itself {
                bench.notify().await;
            }
            appears(&slowed).await;
            agent.kill().await;
            std::fs::remove_file(&slowed).unwrap();
            bench.release(0).await;
        }
        let sessions = bench.packages().len();
        let mut agent = bench.start().await;
        agent.logged("that it is given up", |line| line.contains("the agent has died 2 times")).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(bench.packages().len(), sessions, "{}", agent.log());
        agent.stop().await;
    }
}

#[tokio::test]
async fn what_the_agent_dies_of_at_a_report_uri_is_held_there_and_nowhere_else() {
    let config = "[exec]\nsync-limit = \"1h\"\n[session]\nallow-http = true\n".to_owned();
    let bench = Bench::with(Setup { config, ..Setup::default() }).await;
    let options = Options::plain("other", &bench.tape);
    let deadly = |request: &Request| match request.path.as_str() {
        "/report" => commands(json!([["EXEC", format!("{BENCH}//Operations/Slow")]])),
        _ => Reply::status(204),
    };
    let server = Server::start(options, deadly).await.unwrap();
    let file = bench.gateway.path("accounts").join(format!("{SERVER_ID}.toml"));
    let text = std::fs::read_to_string(&file).unwrap().replace(&bench.server.origin(), &server.origin());
    files::put(&file, text, files::PLAIN).unwrap();
    let place = Destination {
        uri: Some(format!("{}/report", server.origin())),
        ..Destination::of(&SERVER_ID.into())
    };
    let report = |number| {
        let store = Store::open(&bench.gateway.path("state")).unwrap().store;
        store.commit_blocking(&alert::keep(&store, &place, &alert(number)).unwrap().changes).unwrap();
    };
    let hits =
        |path: &str| bench.tape.requests("other").iter().filter(|request| request.path == path).count();
    let slowed = bench.gateway.path("slowed");
    for life in 0..2 {
        report(life);
        let agent = bench.start().await;
        appears(&slowed).await;
        agent.kill().await;
        std::fs::remove_file(&slowed).unwrap();
        bench.release(0).await;
    }
    report(2);
    let before = hits("/dm");
    let mut agent = bench.start().await;
    agent
        .logged("that it is given up", |line| line.contains("has died 2 times in a session with an URI"))
        .await;
    // What it was executing is told where the account's sessions go.
    agent.logged("the server's own session", |line| line.contains("ended well")).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(hits("/dm") > before && hits("/report") == 2, "{}", agent.log());
    assert_eq!(count(&agent, "the agent has died 2 times"), 1, "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn unsigned_notifications_fill_neither_the_journal_nor_the_day() {
    let setup =
        Setup { account: Box::new(|account: &mut Account, _| account.secret = None), ..Setup::default() };
    let bench = Bench::with(setup).await;
    for _ in 0..50 {
        bench.answer([Reply::status(403)]);
    }
    let mut agent = bench.start().await;
    for number in 0..5000u16 {
        let unsigned = OutgoingNotification {
            server_id: Some(SERVER_ID.to_owned()),
            id: Some(number),
            ..OutgoingNotification::default()
        };
        let push = Push::default().wrap(&unsigned.encode().unwrap());
        bench.send_raw(&push).await;
        if number % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let line = agent.logged("about a session", |line| line.contains("HTTP status 403")).await;
    assert!(line.ends_with(&format!(" ({}/dm)", bench.server.origin())), "{line}");
    assert!(agent.log().lines().count() < 100, "{} lines", agent.log().lines().count());
    assert!(bench.packages().len() < 10, "{} sessions", bench.packages().len());
    agent.stop().await;
}

/// Where the account's alerts and notification are to be kept, and are told when it is back.
async fn mishap(what: &str, spoil: impl Fn(&Bench), repair: impl Fn(&Bench)) {
    let bench = Bench::with(Setup { config: "[session]\nretries = 0\n".into(), ..Setup::default() }).await;
    put_alerts(&bench, 0..2);
    bench.answer(std::iter::repeat_n(Reply::status(503).header("retry-after", "3600"), 2));
    let mut agent = bench.start().await;
    agent.logged("about the next attempt", |line| line.contains("next attempt in")).await;
    bench.send(&Notification { request_mos: true, ..bench.notification() }).await;
    bench.until(&agent, "both sessions", |exchanges| exchanges.len() == 2).await;
    agent.logged("about the second one", |line| line.contains("(notification)")).await;
    agent.stop().await;
    for _ in 0..2 {
        spoil(&bench);
        let agent = bench.start().await;
        agent.stop().await;
        repair(&bench);
    }
    let agent = bench.start().await;
    bench.ended(&agent, 1).await;
    let asked = bench
        .packages()
        .iter()
        .any(|package| package.json["MOS"].is_array() && package.json["Alert"].is_object());
    assert!(asked && alerts(&bench).last() == Some(&2), "{what}: {:?}\n{}", alerts(&bench), agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn an_account_or_object_that_comes_late_finds_its_execs_and_reports() {
    for folder in ["accounts", "mo"] {
        let bench = Bench::new().await;
        // Seen once: a folder that has held nothing yet may be empty.
        let agent = bench.start().await;
        agent.stop().await;
        let exec = |starts, code, report_to| ExecRecord {
            server_id: SERVER_ID.into(),
            client_uri: format!("{BENCH}//Operations/Count"),
            alert_type: "urn:bench:at:exec".to_owned(),
            report_to,
            after_session: starts == 0,
            resume: false,
            needs_permission: false,
            starts,
            boot: String::new(),
            process_group: None,
            request: None,
            code,
            exit: None,
            alert: None,
        };
        let store = Store::open(&bench.gateway.path("state")).unwrap().store;
        let report = |path: &str| Some(format!("{}/{path}", bench.server.origin()));
        let waiting = Destination { uri: report("alert"), ..Destination::of(&SERVER_ID.into()) };
        let mut changes = alert::keep(&store, &waiting, &alert(0)).unwrap().changes;
        let execs = [exec(0, None, None), exec(1, Some(200), None), exec(1, Some(200), report("result"))];
        for (number, record) in (1..).zip(&execs) {
            changes.push(Change::Exec(number, serde_json::to_vec(record).unwrap()));
        }
        store.commit_blocking(&changes).unwrap();
        drop(store);
        std::fs::rename(bench.gateway.path(folder), bench.gateway.path("away")).unwrap();
        let agent = bench.start().await;
        std::fs::rename(bench.gateway.path("away"), bench.gateway.path(folder)).unwrap();
        agent.signal(nix::sys::signal::Signal::SIGHUP);
        let told = |exchanges: &[omadm_agent::lab::Exchange]| {
            let at = |path: &str| exchanges.iter().any(|exchange| exchange.request.path == path);
            at("/alert") && at("/result") && alerts(&bench).iter().sum::<usize>() >= 4
        };
        bench.until(&agent, "all that waited", told).await;
        assert_eq!(bench.counted(), 1, "{folder}: {}", agent.log());
        agent.stop().await;
    }
}

#[tokio::test]
async fn an_account_that_can_not_be_seen_at_a_start_loses_nothing_that_waits_for_it() {
    let moved = |from: &'static str, to: &'static str| {
        move |bench: &Bench| std::fs::rename(bench.gateway.path(from), bench.gateway.path(to)).unwrap()
    };
    mishap("a folder that is not there", moved("accounts", "away"), moved("away", "accounts")).await;
    mishap("no management objects", moved("mo", "away"), moved("away", "mo")).await;
    let empty = |bench: &Bench| {
        moved("accounts", "away")(bench);
        std::fs::create_dir(bench.gateway.path("accounts")).unwrap();
    };
    let full = |bench: &Bench| {
        std::fs::remove_dir(bench.gateway.path("accounts")).unwrap();
        moved("away", "accounts")(bench);
    };
    mishap("a folder that is empty", empty, full).await;
    // A file in the folder's place can't be read as one.
    let other = |bench: &Bench| {
        moved("accounts", "away")(bench);
        files::put(&bench.gateway.path("accounts"), "", files::PLAIN).unwrap();
    };
    let back = |bench: &Bench| {
        std::fs::remove_file(bench.gateway.path("accounts")).unwrap();
        moved("away", "accounts")(bench);
    };
    mishap("no folder", other, back).await;
}

#[tokio::test]
async fn a_folder_that_vanishes_for_a_while_loses_nothing_either() {
    let bench = Bench::with(Setup { config: "[session]\nretries = 0\n".into(), ..Setup::default() }).await;
    put_alerts(&bench, 0..2);
    bench.answer([Reply::status(503).header("retry-after", "3600")]);
    let mut agent = bench.start().await;
    agent.logged("about the next attempt", |line| line.contains("next attempt in")).await;
    std::fs::rename(bench.gateway.path("accounts"), bench.gateway.path("away")).unwrap();
    agent.signal(nix::sys::signal::Signal::SIGHUP);
    agent.logged("that it stays", |line| line.contains("what waits for them stays")).await;
    std::fs::rename(bench.gateway.path("away"), bench.gateway.path("accounts")).unwrap();
    agent.signal(nix::sys::signal::Signal::SIGHUP);
    bench.ended(&agent, 1).await;
    assert_eq!(alerts(&bench).last(), Some(&2), "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn what_is_dropped_with_an_account_is_said() {
    let bench = Bench::new().await;
    put_account(&bench, "other", &format!("{}/other", bench.server.origin()), "");
    let store = Store::open(&bench.gateway.path("state")).unwrap().store;
    let kept = alert::keep(&store, &Destination::of(&"other".into()), &alert(1)).unwrap();
    store.commit_blocking(&kept.changes).unwrap();
    drop(store);
    std::fs::remove_file(bench.gateway.path("accounts").join("other.toml")).unwrap();
    let mut agent = bench.start().await;
    agent
        .logged("about it", |line| line.contains("other: dropped 1 queued alert: the account is gone"))
        .await;
    agent.stop().await;
}

#[tokio::test]
async fn a_folder_that_stays_empty_has_been_emptied_and_that_is_said_once() {
    let bench = Bench::new().await;
    bench.start().await.stop().await;
    let store = || Store::open(&bench.gateway.path("state")).unwrap().store;
    let kept = alert::keep(&store(), &Destination::of(&"other".into()), &alert(1)).unwrap();
    store().commit_blocking(&kept.changes).unwrap();
    let accounts = bench.gateway.path("accounts");
    for file in std::fs::read_dir(&accounts).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let name = accounts.display().to_string();
    let start = async |what: &str| {
        let mut agent = bench.start().await;
        agent.logged("that it is up", |line| line.contains("omadm-agent")).await;
        let log = agent.stop().await;
        assert_eq!(log.contains("what waits for them stays"), what == "doubt", "{what}: {log}");
        assert_eq!(log.contains("empty for three days"), what == "emptied", "{what}: {log}");
        assert_eq!(log.contains("dropped 1 queued alert"), what == "emptied", "{what}: {log}");
    };
    let since = |store: &Store| store.snapshot().unwrap().folder(&name).unwrap().unwrap();
    start("doubt").await;
    let first = since(&store());
    assert!(first > 1_700_000_000, "{first}");
    start("doubt").await;
    assert_eq!(since(&store()), first, "it is since then");
    let day = 24 * 3600;
    store().commit_blocking(&[Change::Folder(name.clone(), first - 3 * day + 600)]).unwrap();
    start("doubt").await;
    // Not while it is not there, for however long.
    store().commit_blocking(&[Change::Folder(name.clone(), first - 3 * day)]).unwrap();
    std::fs::remove_dir(&accounts).unwrap();
    start("doubt").await;
    std::fs::create_dir(&accounts).unwrap();
    start("emptied").await;
    start("nothing").await;
}

/// Waits until the only timer that the agent waits by has so long yet.
async fn waits(agent: &Agent, what: &str, seconds: std::ops::RangeInclusive<u64>) {
    let waits = async {
        while !matches!(agent.timers()[..], [left] if seconds.contains(&left.as_secs())) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(LIMIT, waits).await;
    waited.unwrap_or_else(|_| panic!("no timer for {what}: {:?}\n{}", agent.timers(), agent.log()));
}

#[tokio::test]
async fn the_schedule_and_what_a_server_said_count_the_time_that_the_machine_is_suspended() {
    let bench = Bench::with(scheduled("1h")).await;
    let mut agent = Agent::spawn_after_suspension(&bench.gateway, 1_000_000).await;
    agent.ready().await;
    waits(&agent, "the first session", 3500..=3600).await;
    assert!(bench.tape.requests("dm").is_empty(), "the time before its start is not the agent's");

    bench.answer([Reply::status(503).header("retry-after", "100")]);
    bench.notify().await;
    // Within the session: beside it, the loop waits for nothing else than before.
    let within = async {
        while !agent.timers().iter().any(|left| (50..200).contains(&left.as_secs())) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(LIMIT, within).await;
    waited.unwrap_or_else(|_| panic!("no timer for Retry-After: {:?}\n{}", agent.timers(), agent.log()));
    assert_eq!(bench.tape.requests("dm").len(), 1);
    agent.stop().await;

    // Between sessions; longer than a session lasts.
    bench.answer([Reply::status(503).header("retry-after", "2000")]);
    let mut agent = Agent::spawn_after_suspension(&bench.gateway, 1_000_000).await;
    agent.ready().await;
    bench.until(&agent, "its request", |exchanges| exchanges.len() >= 2).await;
    waits(&agent, "the next session", 1900..=2600).await;
    agent.stop().await;
}

#[tokio::test]
async fn where_nothing_is_due_no_timer_wakes_the_agent() {
    let bench = Bench::new().await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let rest = async {
        while !agent.timers().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let rested = tokio::time::timeout(LIMIT, rest).await;
    rested.unwrap_or_else(|_| panic!("{:?}\n{}", agent.timers(), agent.log()));
    agent.stop().await;
}
