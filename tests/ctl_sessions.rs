//! What `omadmctl` tells of sessions, accounts and alerts: tables, what is waited for, what is as it was, what failed.

use std::process::Stdio;
use std::time::Duration;

use omadm_agent::lab::{Reply, files};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::ctl::{Said, ctl, ctl_as_wide};
use crate::support::local::Agent;
use crate::support::{Bench, DEVINFO, LIMIT, SERVER_ID, Setup};

/// A bench whose account's server is at this address.
async fn bench_at(uri: &str) -> Bench {
    let uri = uri.to_owned();
    let account =
        Box::new(move |account: &mut omadm_agent::lab::gateway::Account, _: &_| account.server_uri = uri);
    Bench::with(Setup { account, ..Setup::default() }).await
}

/// Waits until a command says that.
async fn until(agent: &Agent, words: &[&str], what: &str) -> String {
    let bus = agent.bus.address();
    let asking = async {
        loop {
            let Said { out, .. } = ctl_as_wide(&bus, words, Some(200)).await;
            if out.contains(what) {
                return out;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, asking).await.unwrap_or_else(|_| panic!("{words:?}: {what}"))
}

#[track_caller]
fn fits(shown: &str, width: usize) {
    assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}:\n{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[tokio::test]
async fn lists_are_tables_as_wide_as_they_may_be() {
    let bench = bench_at("https://127.0.0.1:1/dm").await;
    let agent = Agent::start(&bench).await;
    let bus = agent.bus.address();
    assert_eq!(ctl(&bus, &["alert", "list"]).await.out, "no alert waits\n");
    let source = format!("{DEVINFO}/1/DevID");
    let raise = ["alert", "raise", "--mark", "minor", "--source", &source, "--data", "{\"door\":\"open\"}"];
    assert_eq!(ctl(&bus, &[&raise[..], &["com.acme.cabinet"]].concat()).await.code, Some(0));
    for width in [60, 80, 200] {
        let alerts = ctl_as_wide(&bus, &["alert", "list"], Some(width)).await.out;
        fits(&alerts, width);
        let accounts = ctl_as_wide(&bus, &["account", "list"], Some(width)).await.out;
        fits(&accounts, width);
        assert!(accounts.starts_with("SERVER") && accounts.contains("https://127.0.0.1:1/dm"), "{accounts}");
    }
    let wide = ctl_as_wide(&bus, &["alert", "list"], Some(200)).await.out;
    let headers: Vec<&str> = wide.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(headers, ["TIME", "SERVER", "TYPE", "MARK", "SOURCE", "DATA"], "{wide}");
    let row: Vec<&str> = wide.lines().nth(1).unwrap().split_whitespace().collect();
    assert!(row[0].starts_with("20") && row[0].ends_with('Z'), "{wide}");
    assert_eq!(row[1..], [SERVER_ID, "com.acme.cabinet", "minor", &source, "{\"door\":\"open\"}"], "{wide}");
    let listed: Value = serde_json::from_str(&ctl(&bus, &["alert", "list", "--json"]).await.out).unwrap();
    let alert = &listed["alerts"][0];
    assert!(alert["time"].as_u64().unwrap() > 1_700_000_000 && alert["alert"]["At"].is_null(), "{alert}");
    agent.stop().await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_told_of_while_it_is_waited_for() {
    let bench = Bench::new().await;
    bench.answer([Reply::status(204).after(Duration::from_secs(12))]);
    let agent = Agent::start(&bench).await;
    let bus = agent.bus.address();
    let following = async { ctl(&bus, &["session", "start", SERVER_ID]).await };
    let looking = async {
        let status = until(&agent, &["status"], "the server's answer to package 1").await;
        let list = ctl_as_wide(&bus, &["session", "list"], Some(200)).await;
        (status, list.out)
    };
    let (followed, (status, list)) = tokio::join!(following, looking);
    assert!(status.contains("a session runs for ") && status.contains(" now, and waits for "), "{status}");
    let waits = "waits for the server's answer to package 1, attempt 1 of 6, 5 min at the most, for ";
    assert!(status.contains(waits), "{status}");
    assert!(
        list.starts_with("SERVER")
            && list.contains("answer to package 1, attempt 1 of 6, 5 min at the most, for "),
        "{list}"
    );
    let line = "\n  waits for      the server's answer to package 1, attempt 1 of 6, 5 min at the\n                 most, for ";
    assert!(followed.out.contains(line), "{}", followed.out);
    assert!(followed.code == Some(0) && followed.out.ends_with("completed\n"), "{}", followed.out);
    agent.stop().await;
}

#[tokio::test]
async fn what_is_waited_for_before_a_connection_stands_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bench = bench_at(&format!("https://{}/dm", listener.local_addr().unwrap())).await;
    let agent = Agent::start(&bench).await;
    bench.notify().await;
    let what =
        "the server, in TLS, then the server's answer to package 1, attempt 1 of 6, 5 min at the most, for ";
    until(&agent, &["status"], &format!("waits for {what}")).await;
    agent.stop().await;
}

#[tokio::test]
async fn an_account_that_is_used_as_it_was_is_told_with_what_is_wrong_with_its_file() {
    let bench = Bench::playing(json!([])).await;
    let agent = Agent::start(&bench).await;
    let bus = agent.bus.address();
    let file = bench.gateway.path(&format!("accounts/{SERVER_ID}.toml"));
    let text = std::fs::read_to_string(&file).unwrap();
    files::put(&file, format!("frobnicate = 1\n{text}"), files::PLAIN).unwrap();
    assert_eq!(ctl(&bus, &["reload"]).await.code, Some(1));
    let why = format!("{SERVER_ID}.toml:1: frobnicate: ");
    for words in [&["session", "start", SERVER_ID][..], &["account", "test", SERVER_ID], &["status"]] {
        let Said { out, .. } = ctl_as_wide(&bus, words, Some(400)).await;
        let line = out
            .lines()
            .find(|line| line.starts_with("  account "))
            .unwrap_or_else(|| panic!("{words:?}: {out}"));
        assert!(line.contains("used as it was") && line.contains(&why), "{words:?}: {out}");
    }
    let status = ctl_as_wide(&bus, &["status"], Some(400)).await.out;
    let line = status.lines().find(|line| line.starts_with("  configuration ")).unwrap();
    assert!(line.contains(&why), "{status}");
    // Mended, nothing is said any more.
    files::put(&file, text, files::PLAIN).unwrap();
    assert_eq!(ctl(&bus, &["reload"]).await.code, Some(0));
    let status = ctl(&bus, &["status"]).await.out;
    assert!(!status.contains("as it was") && !status.contains("configuration"), "{status}");
    agent.stop().await;
}

#[tokio::test]
async fn a_store_that_was_set_aside_is_told_as_long_as_it_lies_there() {
    let bench = Bench::new().await;
    let store = bench.gateway.path("state/store.redb");
    files::put(&store, "no store at all", files::SECRET).unwrap();
    let agent = Agent::start(&bench).await;
    let bus = agent.bus.address();
    let status = ctl_as_wide(&bus, &["status"], Some(600)).await.out;
    let aside = format!("set aside today: {}.bad-1; ", store.display());
    assert!(status.contains(&aside), "{status}");
    std::fs::remove_file(store.with_extension("redb.bad-1")).unwrap();
    let status = ctl(&bus, &["status"]).await.out;
    assert!(!status.contains("set aside"), "{status}");
    agent.stop().await;
}

#[tokio::test]
async fn a_pipe_gets_a_value_as_it_is() {
    let bench = Bench::new().await;
    let mapping = "moid = \"urn:x-acme:mo:odd:1.0\"\nroot = \"R\"\ninstances = [\"1\"]\n[node.A]\nget = { file = \"@folder@/odd\" }\n";
    bench.gateway.put_mo("odd", "odd.toml", mapping).unwrap();
    files::put(&bench.gateway.path("odd"), "a\u{202e}b\u{200b}", files::PLAIN).unwrap();
    let agent = Agent::start(&bench).await;
    let said = ctl(&agent.bus.address(), &["get", "urn:x-acme:mo:odd:1.0//A"]).await;
    assert_eq!((said.code, said.out.as_str()), (Some(0), "a\u{202e}b\u{200b}\n"), "{}", said.err);
    agent.stop().await;
}

#[tokio::test]
async fn where_a_server_sends_the_agent_and_what_it_sends_instead_of_a_package_is_told() {
    let bench = Bench::new().await;
    bench.answer([Reply::status(302).header("location", "https://portal.example/login?token=secret")]);
    bench.answer([Reply::ok("text/html; charset=utf-8", "<html></html>")]);
    let mut agent = Agent::start(&bench).await;
    let bus = agent.bus.address();
    for told in
        ["HTTP status 302: go to https://portal.example/login; that is not done", "content type \"text/html"]
    {
        let said = ctl_as_wide(&bus, &["session", "start", SERVER_ID], Some(400)).await;
        assert!(said.code == Some(1) && said.out.contains(told), "{}", said.out);
        agent.agent.logged(told, |log| log.contains(told)).await;
    }
    assert!(!agent.stop().await.contains("token=secret"));
}

/// A refused session is not repeated: who looks is told so, and what begins the next one.
#[tokio::test]
async fn a_session_that_is_not_tried_again_by_itself_is_told_with_what_begins_the_next_one() {
    let begins = format!("a notification, an alert or `omadmctl session start {SERVER_ID}` begins one");
    for (every, next) in [
        (None, format!("the last session is not tried again by itself: {begins}")),
        (
            Some("24h"),
            format!(
                "(schedule); it waits for the time for it; the last one is not tried again before that by itself: {begins}"
            ),
        ),
    ] {
        let bench = Bench::with(Setup {
            account: Box::new(move |account, _| {
                if let Some(every) = every {
                    account.extra = account.extra.replace(" }", &format!(", every = \"{every}\" }}"));
                }
            }),
            ..Setup::default()
        })
        .await;
        bench.answer([Reply::status(403)]);
        let agent = Agent::start(&bench).await;
        let bus = agent.bus.address();
        let status = async || ctl_as_wide(&bus, &["status"], Some(400)).await.out;
        assert!(every.is_some() || status().await.contains(&format!("no session is due: {begins}\n")));
        let said = ctl_as_wide(&bus, &["session", "start", SERVER_ID], Some(400)).await;
        let line = said.out.lines().last().unwrap_or_default();
        assert!(
            said.code == Some(1) && line.starts_with("  next  ") && line.ends_with(&next),
            "{}",
            said.out
        );
        let status = status().await;
        assert!(status.lines().any(|line| line.starts_with("  now  ") && line.ends_with(&next)), "{status}");
        agent.stop().await;
    }
}

#[tokio::test]
async fn when_a_busy_server_is_asked_again_is_told_with_the_reason() {
    let bench = Bench::new().await;
    bench.answer([Reply::status(503).header("retry-after", "7200")]);
    let agent = Agent::start(&bench).await;
    let bus = agent.bus.address();
    let said = ctl_as_wide(&bus, &["session", "start", SERVER_ID], Some(400)).await;
    let next = "a session begins in 2 h 0 min (retry); it waits for the end of the pause that the server asked for (Retry-After)\n";
    for told in [
        "it asks for a pause of 7200 s (Retry-After)\n",
        "  look at        nothing here: the server is busy",
        next,
    ] {
        assert!(said.code == Some(1) && said.out.contains(told), "{told}: {}", said.out);
    }
    let said = ctl(&bus, &["status", "--json"]).await;
    let status: Value = serde_json::from_str(&said.out).unwrap();
    let server = &status["servers"][SERVER_ID];
    assert_eq!(
        server["waitsFor"], "the end of the pause that the server asked for (Retry-After)",
        "{server}"
    );
    agent.stop().await;
}

/// One session with a server at a time: who waits is told for which. An interrupt ends the following alone.
#[tokio::test]
async fn who_waits_for_another_session_is_told_which_and_whoever_is_interrupted_that_it_goes_on() {
    let bench = Bench::new().await;
    bench.answer([Reply::status(204).after(Duration::from_secs(5)), Reply::status(204)]);
    let agent = Agent::start(&bench).await;
    let bus = agent.bus.address();
    for as_json in [false, true] {
        let mut first = tokio::process::Command::new(env!("CARGO_BIN_EXE_omadmctl"));
        first.args(["session", "start", SERVER_ID]).env("DBUS_SYSTEM_BUS_ADDRESS", &bus);
        first.args(as_json.then_some("--json")).stdout(Stdio::piped()).stderr(Stdio::piped());
        let first = first.kill_on_drop(true).spawn().unwrap();
        if !as_json {
            let list = until(&agent, &["session", "list", "--json"], "\"id\"").await;
            let list: Value = serde_json::from_str(&list).unwrap();
            let id = list["sessions"][0]["id"].as_str().unwrap();
            let second = ctl_as_wide(&bus, &["session", "start", SERVER_ID], Some(400));
            let (second, ended) = tokio::join!(second, interrupted(first));
            let waits =
                format!("  waits for      the end of the session {id} (operator), which runs since 20");
            assert!(second.out.starts_with(&waits) && second.code == Some(0), "{}", second.out);
            let why = format!(
                "interrupted: the session is held all the same: `omadmctl session list` says whether it runs, `omadmctl status {SERVER_ID}` how it ended\n"
            );
            assert_eq!((ended.code, ended.err), (Some(1), why));
            bench.answer([Reply::status(204).after(Duration::from_secs(5))]);
        } else {
            until(&agent, &["session", "list", "--json"], "\"id\"").await;
            let ended = interrupted(first).await;
            let last: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
            assert_eq!(
                (ended.code, &last["ok"], &last["error"]),
                (Some(1), &json!(false), &json!("Interrupted"))
            );
        }
    }
    until(&agent, &["session", "list"], "no session runs").await;
    assert!(!agent.stop().await.contains("failed"));
}

/// A command that is interrupted once it follows its session.
async fn interrupted(mut command: tokio::process::Child) -> Said {
    let id = nix::unistd::Pid::from_raw(command.id().unwrap().try_into().unwrap());
    let mut out = BufReader::new(command.stdout.take().unwrap());
    // What it says of the session, it says when it hears of interrupts.
    let mut said = String::new();
    out.read_line(&mut said).await.unwrap();
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
    out.read_to_string(&mut said).await.unwrap();
    let ended = command.wait_with_output().await.unwrap();
    Said { code: ended.status.code(), out: said, err: String::from_utf8(ended.stderr).unwrap() }
}
