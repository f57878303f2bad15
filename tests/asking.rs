//! `omadmctl` asks a running agent: on a bus of the test's own, or where there is none.

use std::process::{Output, Stdio};

use omadm_agent::lab::files;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::local::{Agent, status_of};
use crate::support::{BENCH, Bench, DEVINFO, SERVER_ID, Setup};

async fn ctl_at(bus: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_omadmctl"));
    command.args(arguments).stdin(Stdio::null()).env("DBUS_SYSTEM_BUS_ADDRESS", bus).env_remove("COLUMNS");
    tokio::time::timeout(crate::support::LIMIT, command.output()).await.unwrap().unwrap()
}

async fn ctl(agent: &Agent, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = ctl_at(&agent.bus.address(), arguments).await;
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn a_session_is_followed_stage_by_stage() {
    let bench = Bench::new().await;
    bench.play(json!([[["GET", format!("{DEVINFO}//DevID")], ["GET", format!("{BENCH}//Nothing")]]]));
    let agent = Agent::start(&bench).await;
    let (code, out, err) = ctl(&agent, &["session", "start", SERVER_ID]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let stages = ["session", "name", "TCP", "TLS", "package", "command", "end"];
    let places: Vec<_> = stages.iter().map(|stage| out.find(&format!("\n  {stage} "))).collect();
    // The first line has none before it.
    assert!(out.starts_with("  session ") && places[1..].iter().all(Option::is_some), "{out}");
    assert!(places[1..].is_sorted(), "{out}");
    assert!(out.contains("//DevID: 200") && out.contains("Nothing: 404"), "{out}");
    assert!(out.ends_with("completed; 1 of 2 commands failed\n"), "{out}");
    let (_, status, _) = ctl(&agent, &["status"]).await;
    assert!(status.contains(" ago; 1 of 2 commands failed\n"), "{status}");
    let (code, out, _) = ctl(&agent, &["session", "start", SERVER_ID, "--json"]).await;
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert_eq!((code, &last["stage"], &last["what"]), (Some(0), &json!("end"), &json!("completed")), "{out}");
    assert_eq!((&last["commands"], &last["commandsFailed"]), (&json!(0), &json!(0)), "{out}");
    assert!(last["ok"] == true && lines.iter().filter(|line| line["ok"].is_boolean()).count() == 1, "{out}");
    let (code, _, err) = ctl(&agent, &["session", "start", "nobody"]).await;
    assert!(code == Some(1) && err.contains("no account has the server id \"nobody\""), "{err}");
    agent.stop().await;
}

/// A bench whose server takes connections and says nothing.
async fn silent() -> (Bench, std::net::TcpListener) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("https://{}/dm", listener.local_addr().unwrap());
    let setup = Setup {
        account: Box::new(move |account, _| account.server_uri.clone_from(&uri)),
        ..Setup::default()
    };
    (Bench::with(setup).await, listener)
}

fn following(bus: &str) -> tokio::process::Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_omadmctl"));
    command.args(["session", "start", SERVER_ID]).env("DBUS_SYSTEM_BUS_ADDRESS", bus);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Reads what it says until that line.
async fn until(child: &mut tokio::process::Child, stage: &str) {
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let read = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.trim_start().starts_with(stage) {
                return;
            }
        }
        panic!("it never says {stage}");
    };
    tokio::time::timeout(crate::support::LIMIT, read).await.unwrap();
}

#[tokio::test]
async fn a_session_is_over_for_who_follows_it_when_the_agent_is_started_anew() {
    let (bench, _listener) = silent().await;
    let Agent { agent, bus, connection: _connection } = Agent::start(&bench).await;
    let mut following = following(&bus.address());
    until(&mut following, "TCP").await;
    agent.kill().await;
    let agent = bench.start().await;
    let ended = tokio::time::timeout(crate::support::LIMIT, following.wait_with_output()).await;
    let Output { status, stderr, .. } = ended.unwrap().unwrap();
    let err = String::from_utf8(stderr).unwrap();
    // What it meets first may be that nobody is there.
    assert!(err.contains("started anew") || err.contains("does not run"), "{err}");
    assert_eq!(status.code(), Some(1), "{err}");
    agent.stop().await;
}

#[tokio::test]
async fn a_session_that_can_t_be_held_stops_at_its_stage_with_a_hint() {
    let bench = Bench::with(Setup {
        account: Box::new(|account, _| account.server_uri = "https://127.0.0.1:1/dm".to_owned()),
        ..Setup::default()
    })
    .await;
    let mut agent = Agent::start(&bench).await;
    let (code, out, _) = ctl(&agent, &["session", "start", SERVER_ID]).await;
    assert_eq!(code, Some(1), "{out}");
    let (_, status, _) = ctl(&agent, &["status", "--json"]).await;
    let objects = serde_json::from_str::<Value>(&status).unwrap()["objects"].clone();
    let line = format!(
        "STATUS=1 account, {objects} management objects, 0 sessions running; failed last: {SERVER_ID}"
    );
    agent.agent.said(&line).await;
    assert!(out.contains("\n  name ") && !out.contains("\n  TCP "), "{out}");
    assert!(
        out.contains("  again          attempt 1 of ")
            && out.contains("not answered: ")
            && out.contains("can't connect")
            && out.contains("look at"),
        "{out}"
    );
    let (code, out, err) = ctl(&agent, &["status"]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    for told in ["failed", "can't connect", "(retry)", "last contact", "never", "look at"] {
        assert!(out.contains(told), "{told}:\n{out}");
    }
    agent.stop().await;
}

#[tokio::test]
async fn the_status_is_as_wide_as_it_may_be_and_has_no_colour_in_a_pipe() {
    let bench = Bench::new().await;
    let agent = Agent::start(&bench).await;
    for columns in ["60", "80", "200"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_omadmctl"));
        command.arg("status").env("DBUS_SYSTEM_BUS_ADDRESS", agent.bus.address()).env("COLUMNS", columns);
        let out = String::from_utf8(command.output().await.unwrap().stdout).unwrap();
        let most: usize = columns.parse().unwrap();
        assert!(out.lines().all(|line| line.chars().count() <= most), "{columns}:\n{out}");
        assert!(out.contains(SERVER_ID) && !out.contains('\u{1b}'), "{out}");
    }
    let (code, out, _) = ctl(&agent, &["status", SERVER_ID, "--json"]).await;
    let status: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &status["version"]), (Some(0), &json!(1)), "{out}");
    assert!(status["deviceId"].as_str().is_some_and(|id| !id.is_empty()), "{out}");
    assert_eq!(status["servers"][SERVER_ID]["state"], "idle", "{out}");
    let (code, out, err) = ctl(&agent, &["status", "nobody", "--json"]).await;
    let error: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &error["error"]), (Some(1), &json!("UnknownServer")), "{err}");
    agent.stop().await;
}

#[tokio::test]
async fn a_reload_fails_where_a_file_is_broken_and_says_what_is() {
    let bench = Bench::new().await;
    let agent = Agent::start(&bench).await;
    assert_eq!(ctl(&agent, &["reload"]).await, (Some(0), String::new(), String::new()));
    let account = bench.gateway.path("accounts").join("other.toml");
    files::put(&account, "server-id = \"other\"\nserver-uri = 7\n", files::PLAIN).unwrap();
    let (code, _, err) = ctl(&agent, &["reload"]).await;
    assert!(code == Some(1) && err.contains("other.toml:2: server-uri"), "{err}");
    let config = bench.gateway.config();
    let (code, out, _) = ctl(&agent, &["config", "check", config.to_str().unwrap()]).await;
    assert!(code == Some(1) && out.contains("other.toml:2: server-uri"), "{out}");
    // Of one mistake, all name the same line: that of its key, not of the table that it is in.
    std::fs::remove_file(&account).unwrap();
    let wrong = "moid = \"urn:x\"\nroot = \"Wrong\"\ninstances = [\"1\"]\n[node.Level]\nformat = \"int\"\n\
        get = { file = \"/x\" }\nmin = 7\nmax = 3\n";
    bench.gateway.put_mo("wrong", "wrong.toml", wrong).unwrap();
    let lines = |told: &str| {
        let of_it = told.lines().filter(|line| line.contains("wrong.toml")).map(str::to_owned);
        of_it.collect::<Vec<_>>()
    };
    let (_, _, by_agent) = ctl(&agent, &["reload"]).await;
    let (_, by_hand, _) = ctl(&agent, &["config", "check", config.to_str().unwrap()]).await;
    let folder = config.parent().unwrap().join("mo/wrong").display().to_string();
    let (_, alone, _) = ctl(&agent, &["mo", "check", &folder]).await;
    assert!(lines(&by_hand).iter().any(|line| !line.contains("wrong.toml:4:")), "{by_hand}");
    assert_eq!((lines(&by_agent), lines(&alone)), (lines(&by_hand), lines(&by_hand)));
    for line in lines(&by_hand) {
        assert!(agent.agent.log().contains(line.as_str()), "{line}: {}", agent.agent.log());
    }
    agent.stop().await;
}

#[tokio::test]
async fn what_is_in_the_tree_is_printed_and_alerts_are_raised() {
    let bench = Bench::new().await;
    let named = "moid = \"urn:x-test:mo:named:1.0\"\nroot = \"Named\"\ninstances = [\"1\"]\n[node.Name]\nget = { value = \"a\\u001b[2Jb\" }\n";
    bench.gateway.put_mo("named", "named.toml", named).unwrap();
    let agent = Agent::start(&bench).await;
    let device = agent.json("Get", &[&format!("{DEVINFO}//DevID")]).await.unwrap();
    let (code, out, _) = ctl(&agent, &["get", &format!("{DEVINFO}//DevID")]).await;
    assert_eq!((code, out.trim_end()), (Some(0), device.as_str().unwrap()));
    let (code, out, _) = ctl(&agent, &["get", "--json", &format!("{DEVINFO}//")]).await;
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert!(code == Some(0) && shown["value"]["MOData"]["DevInfo"]["DevID"] == device, "{out}");
    // Who names a device does not steer the terminal of who looks at it; programs get what is there.
    let (code, out, err) = ctl(&agent, &["get", "urn:x-test:mo:named:1.0//Name"]).await;
    assert_eq!((code, out.as_str()), (Some(0), "a\u{1b}[2Jb\n"), "{err}{}", agent.agent.log());
    let get = format!("{} get urn:x-test:mo:named:1.0//Name", env!("CARGO_BIN_EXE_omadmctl"));
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &get, "/dev/null"]).stdin(Stdio::null());
    let shown = terminal.env("DBUS_SYSTEM_BUS_ADDRESS", agent.bus.address()).output().await.unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("a?[2Jb") && !shown.contains('\u{1b}'), "{shown:?}");
    let (code, _, err) = ctl(&agent, &["get", "urn:nothing//A"]).await;
    assert!(code == Some(1) && err.contains("urn:nothing"), "{err}");
    bench.play(json!([]));
    let raised = ctl(&agent, &["alert", "raise", "--data", "{\"door\":\"open\"}", "com.acme.cabinet"]).await;
    assert_eq!(raised, (Some(0), String::new(), String::new()));
    bench.answered_end(&agent.agent, 1).await;
    assert!(bench.packages()[0].json.to_string().contains("com.acme.cabinet"));
    let (code, _, err) = ctl(&agent, &["alert", "raise", "no type"]).await;
    assert!(code == Some(2) && err.contains("alert type"), "{err}");
    agent.stop().await;
}

#[tokio::test]
async fn alerts_that_wait_are_listed_and_forgotten() {
    let bench = Bench::with(Setup {
        account: Box::new(|account, _| account.server_uri = "https://127.0.0.1:1/dm".to_owned()),
        ..Setup::default()
    })
    .await;
    let agent = Agent::start(&bench).await;
    assert_eq!(ctl(&agent, &["alert", "raise", "com.acme.cabinet"]).await.0, Some(0));
    let (code, out, _) = ctl(&agent, &["alert", "list"]).await;
    assert!(
        code == Some(0) && out.contains(&format!("  {SERVER_ID}")) && out.contains("com.acme.cabinet"),
        "{out}"
    );
    let (_, out, _) = ctl(&agent, &["status"]).await;
    assert!(out.contains("1 waits for the server"), "{out}");
    assert_eq!(ctl(&agent, &["alert", "drop", "nobody"]).await.0, Some(1));
    assert_eq!(ctl(&agent, &["alert", "drop", SERVER_ID]).await.0, Some(0));
    let (_, out, _) = ctl(&agent, &["alert", "list", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(&out).unwrap(),
        json!({ "version": 1, "ok": true, "alerts": [] })
    );
    let (_, out, _) = ctl(&agent, &["account", "list"]).await;
    let row: Vec<&str> = out.lines().nth(1).unwrap().split_whitespace().collect();
    assert!(out.starts_with("SERVER ") && row == [SERVER_ID, SERVER_ID, "https://127.0.0.1:1/dm"], "{out}");
    let (code, _, err) = ctl(&agent, &["config-request", "urn:nothing"]).await;
    assert!(code == Some(1) && err.contains("urn:nothing"), "{err}");
    agent.stop().await;
}

#[tokio::test]
async fn without_an_agent_or_a_bus_it_says_what_to_do() {
    let bus = crate::support::bus::Daemon::start();
    let said = |output: Output| {
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let told = said(ctl_at(&bus.address(), &["status"]).await);
    assert!(told.contains(&status_of("omadmd")), "{told}");
    let told = said(ctl_at("unix:path=/nowhere/bus", &["status"]).await);
    assert!(told.contains("no message bus") && told.contains(&status_of("dbus")), "{told}");
}
