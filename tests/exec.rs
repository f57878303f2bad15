//! EXEC (TS 5.4.5): once at a time, and never forgotten.

use std::time::Duration;

use omadm_agent::lab::gateway::Account;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::lab::tape::Received;
use omadm_agent::lab::{Options, Reply, Script, Server, files};
use serde_json::{Value, json};

use crate::support;
use crate::support::{Agent, BENCH, Bench, LIMIT, Setup, appears, commands, ddf, network};

const TOOLS: &str = "urn:bench:mo:tools:1.0";

fn node(name: &str) -> String {
    format!("{BENCH}//Operations/{name}")
}

fn tool(name: &str) -> String {
    format!("{TOOLS}//{name}")
}

fn at_once() -> Setup {
    Setup { config: "[exec]\nsync-limit = \"1ms\"\n".to_owned(), ..Setup::default() }
}

/// An object with these nodes, each with what stands in its mapping.
fn put_tools(bench: &Bench, nodes: &[(&str, &str)]) {
    let leaf = |(name, mapping): &(&str, &str)| {
        let access = if mapping.contains("exec =") { "Exec" } else { "Get Replace" };
        let format = if mapping.contains("exec =") { "null" } else { "chr" };
        ddf::node(name, format, access, "One", "")
    };
    let leaves: String = nodes.iter().map(leaf).collect();
    let root = ddf::node("Tools", "node", "Get", "One", &leaves);
    let mappings = nodes.iter().map(|(name, mapping)| format!("[node.{name}]\n{mapping}\n"));
    let mapping = format!("instances = [\"1\"]\n{}", mappings.collect::<String>());
    ddf::put(&bench.gateway, TOOLS, "Tools", &root, &mapping);
}

fn put_script(bench: &Bench, name: &str, text: &str) {
    let text = format!("#!/bin/sh\n{text}");
    let text = text.replace("@folder@", &bench.gateway.path("").display().to_string());
    files::put(&bench.gateway.path(name), text, files::PROGRAM).unwrap();
}

/// As a crash is under systemd: what the agent was running ends with it.
async fn crash(bench: &Bench, agent: Agent) {
    agent.kill().await;
    bench.release(0).await;
}

fn written(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.gateway.path(name)).unwrap_or_default()
}

fn alerts(packages: &[Received]) -> Vec<(String, u64)> {
    let items = packages.iter().filter_map(|package| package.json["Alert"]["Items"].as_array());
    let shown = |item: &Value| {
        let source = item["SourceURI"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        (source, item["Data"]["ResultCode"].as_u64().unwrap())
    };
    items.flatten().map(shown).collect()
}

/// Waits until this many alerts have come, and a session after that has none.
async fn told(bench: &Bench, agent: &Agent, expected: &[(&str, u64)]) {
    let expected: Vec<(String, u64)> =
        expected.iter().map(|(name, code)| ((*name).to_owned(), *code)).collect();
    let count = expected.len();
    bench.until(agent, &format!("{expected:?}"), |_| alerts(&bench.packages()).len() >= count).await;
    let before = bench.packages().len();
    bench.notify().await;
    bench
        .until(agent, "one more session", |exchanges| {
            exchanges.len() > before && exchanges.last().unwrap().reply.ends_session()
        })
        .await;
    assert_eq!(alerts(&bench.packages()), expected, "{}", agent.log());
}

#[tokio::test]
async fn an_end_is_reported_as_the_mapping_says_even_by_the_next_agent() {
    let bench = Bench::with(at_once()).await;
    let mapping = "exec = { run = [\"@folder@/late\", \"@folder@/pipe\"], codes = { 7 = 1407 }, \
                   alert-type = \"urn:bench:at:job:1.0:Done\" }";
    put_tools(&bench, &[("Job", mapping)]);
    bench.play(json!([[["EXEC", tool("Job")]]]));
    bench.answer([Reply::closed()]);
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[202]]);
    bench.release(7).await;
    bench.until(&agent, "the alert", |exchanges| exchanges.len() >= 3).await;
    agent.kill().await;
    let before = bench.packages().len();
    let agent = bench.start().await;
    bench.session(&agent, 2).await;
    let packages = bench.packages();
    let reported = json!({"Items": [{
        "AlertType": "urn:bench:at:job:1.0:Done",
        "MIMEType": "application/json",
        "SourceURI": format!("{TOOLS}/1/Job"),
        "Data": {"ResultCode": 1407},
    }]});
    // Of the next agent the first one: the notification may have begun another session since.
    assert_eq!((&packages[2].json["Alert"], &packages[before].json["Alert"]), (&reported, &reported));
    agent.stop().await;
}

#[tokio::test]
async fn a_node_is_executed_once_at_a_time_whoever_asks() {
    let bench = Bench::with(at_once()).await;
    let other = Account {
        secret: Some("other secret".to_owned()),
        ..Account::new("other", &format!("{}/other", bench.server.origin()), &bench.authority)
    };
    bench.gateway.put_account(&other).unwrap();
    let late = || json!([["EXEC", node("Late")]]);
    bench.play(json!([[
        ["EXEC", node("Late")],
        ["EXEC", node("Late")],
        ["EXEC", format!("{BENCH}/1/Operations/Late")]
    ]]));
    bench.play(json!([late()]));
    bench.play(json!([late()]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    bench.send(&Notification::new("other", b"other secret", 1)).await;
    bench.ended(&agent, 2).await;
    assert_eq!(bench.statuses(), [vec![202, 503, 503], vec![503]]);
    // Its end starts a session, in which it may be executed again.
    bench.release(0).await;
    bench.ended(&agent, 3).await;
    assert_eq!(bench.statuses()[2], [202]);
    bench.release(0).await;
    told(&bench, &agent, &[("Late", 200), ("Late", 200)]).await;
    agent.stop().await;
}

#[tokio::test]
async fn an_end_within_the_session_is_reported_in_its_next_package() {
    let bench = Bench::with(at_once()).await;
    let pause = Duration::from_secs(2);
    bench.answer([
        commands(json!([["EXEC", node("Late")]])),
        commands(json!([["GET", format!("{BENCH}//Fixed")]])).after(pause),
    ]);
    let agent = bench.start().await;
    bench.notify().await;
    bench.until(&agent, "202", |exchanges| exchanges.len() == 2).await;
    bench.release(0).await;
    bench.ended(&agent, 1).await;
    assert_eq!(bench.statuses(), [[202], [200]]);
    assert_eq!(alerts(&bench.packages()[2..]), [("Late".to_owned(), 200)]);
    bench.session(&agent, 2).await;
    assert_eq!(bench.packages().len(), 4, "no session of its own");
    agent.stop().await;
}

#[tokio::test]
async fn a_server_cannot_fill_the_gateway_with_programs() {
    let bench = Bench::with(at_once()).await;
    let names: Vec<String> = (0..17).map(|number| format!("N{number}")).collect();
    let late = "exec = { run = [\"@folder@/late\", \"@folder@/pipe\"] }";
    let nodes: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), late)).collect();
    put_tools(&bench, &nodes);
    let all: Vec<Value> = names.iter().map(|name| json!(["EXEC", tool(name)])).collect();
    bench.play(json!([all]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let mut expected = vec![202; 16];
    expected.push(503);
    assert_eq!(bench.statuses(), [expected]);
    agent.stop().await;
}

#[tokio::test]
async fn what_was_being_executed_when_the_agent_died_is_reported_as_failed_and_once() {
    // Within its command, and after it was answered.
    for setup in [Setup::default(), at_once()] {
        let bench = Bench::with(setup).await;
        bench.answer([commands(json!([["EXEC", node("Slow")]])), commands(json!([])).after(LIMIT * 2)]);
        let agent = bench.start().await;
        bench.notify().await;
        appears(&bench.gateway.path("slowed")).await;
        crash(&bench, agent).await;
        let mut agent = bench.start().await;
        agent
            .logged("about it", |line| line.contains("it was being executed when the agent ended: 500"))
            .await;
        told(&bench, &agent, &[("Slow", 500)]).await;
        agent.stop().await;
        let agent = bench.start().await;
        told(&bench, &agent, &[("Slow", 500)]).await;
        agent.stop().await;
    }
}

#[tokio::test]
async fn what_had_ended_before_the_agent_died_in_the_next_command_is_reported_as_it_ended() {
    let bench = Bench::new().await;
    bench.play(json!([[["EXEC", node("Count")], ["EXEC", node("Fail")], ["EXEC", node("Slow")]]]));
    let agent = bench.start().await;
    bench.notify().await;
    appears(&bench.gateway.path("slowed")).await;
    crash(&bench, agent).await;
    let agent = bench.start().await;
    told(&bench, &agent, &[("Count", 200), ("Fail", 1503), ("Slow", 500)]).await;
    assert_eq!(bench.counted(), 1);
    agent.stop().await;
}

#[tokio::test]
async fn what_had_ended_before_the_agent_died_with_its_package_unanswered_is_reported_as_it_ended() {
    let bench = Bench::new().await;
    let execs = json!([["EXEC", node("Count")], ["EXEC", node("Fail")]]);
    bench.answer([commands(execs), commands(json!([])).after(LIMIT * 2)]);
    let agent = bench.start().await;
    bench.notify().await;
    bench.until(&agent, "Package#3", |exchanges| exchanges.len() == 2).await;
    agent.kill().await;
    let agent = bench.start().await;
    told(&bench, &agent, &[("Count", 200), ("Fail", 1503)]).await;
    assert_eq!(bench.counted(), 1);
    agent.stop().await;
}

#[tokio::test]
async fn what_was_told_before_the_agent_died_is_not_told_again() {
    let bench = Bench::new().await;
    bench.play(json!([[["EXEC", node("Fail")]], [["EXEC", node("Slow")]]]));
    let agent = bench.start().await;
    bench.notify().await;
    appears(&bench.gateway.path("slowed")).await;
    assert_eq!(bench.statuses(), [[1503]]);
    crash(&bench, agent).await;
    let agent = bench.start().await;
    told(&bench, &agent, &[("Slow", 500)]).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_the_agents_death_left_running_is_killed_before_the_node_is_executed_again() {
    for mapping in ["", ", resume = true"] {
        let bench = Bench::with(at_once()).await;
        let script = "[ -z \"$OMADM_RESUMED\" ] || exit 0\nsleep 600 &\n\
                      echo \"$$ $!\" >@folder@/part && mv @folder@/part @folder@/processes\nwait\n";
        put_script(&bench, "endless", script);
        let mapping = format!("exec = {{ run = [\"@folder@/endless\"]{mapping} }}");
        put_tools(&bench, &[("Endless", &mapping)]);
        bench.play(json!([[["EXEC", tool("Endless")]]]));
        let agent = bench.start().await;
        bench.session(&agent, 1).await;
        appears(&bench.gateway.path("processes")).await;
        agent.kill().await;
        let agent = bench.start().await;
        let result = if mapping.contains("resume") { 200 } else { 500 };
        told(&bench, &agent, &[("Endless", result)]).await;
        for process in written(&bench, "processes").split_whitespace() {
            let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            assert!(state.is_empty() || state.contains(") Z "), "{state}");
        }
        assert!(agent.log().contains("left it running: killed"), "{}", agent.log());
        agent.stop().await;
    }
}

#[tokio::test]
async fn what_the_agents_stop_broke_off_is_reported_as_failed() {
    let bench = Bench::with(at_once()).await;
    bench.play(json!([[["EXEC", node("Slow")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    appears(&bench.gateway.path("slowed")).await;
    agent.stop().await;
    let agent = bench.start().await;
    told(&bench, &agent, &[("Slow", 500)]).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_ends_while_the_agent_stops_is_reported_as_it_ended() {
    let bench = Bench::with(at_once()).await;
    put_script(&bench, "goodbye", "echo >@folder@/greeted\nsleep 0.3\nexit 75\n");
    put_tools(&bench, &[("Bye", "exec = { run = [\"@folder@/goodbye\"], codes = { 75 = 1503 } }")]);
    bench.play(json!([[["EXEC", tool("Bye")]]]));
    let agent = bench.start().await;
    bench.notify().await;
    appears(&bench.gateway.path("greeted")).await;
    agent.stop().await;
    let agent = bench.start().await;
    told(&bench, &agent, &[("Bye", 1503)]).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_result_that_no_answered_package_has_carried_is_reported_in_the_next_session() {
    let bench = Bench::with(Setup { config: "[session]\nretries = 0\n".into(), ..Setup::default() }).await;
    bench.answer([commands(json!([["EXEC", node("Fail")], ["EXEC", node("Count")]])), Reply::status(404)]);
    bench.play(json!([[["EXEC", node("Count")]]]));
    let mut agent = bench.start().await;
    bench.notify().await;
    agent.logged("about the failure", |line| line.contains("HTTP status 404")).await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![1503, 200], vec![200]]);
    // What was answered is told for good.
    told(&bench, &agent, &[("Fail", 1503), ("Count", 200)]).await;
    agent.kill().await;
    let agent = bench.start().await;
    told(&bench, &agent, &[("Fail", 1503), ("Count", 200)]).await;
    assert_eq!(bench.counted(), 2);
    agent.stop().await;
}

#[tokio::test]
async fn what_waits_for_the_end_of_the_session_outlives_a_crash_and_happens_once() {
    let bench = Bench::new().await;
    let silence = || commands(json!([])).after(LIMIT * 2);
    bench.answer([commands(json!([["EXEC", node("After")], ["EXEC", node("After")]])), silence()]);
    let agent = bench.start().await;
    bench.notify().await;
    bench.until(&agent, "Package#3", |exchanges| exchanges.len() == 2).await;
    assert_eq!(bench.statuses(), [[202, 503]]);
    agent.kill().await;
    assert_eq!(written(&bench, "counted"), "");
    let agent = bench.start().await;
    told(&bench, &agent, &[("After", 200)]).await;
    agent.kill().await;
    let agent = bench.start().await;
    told(&bench, &agent, &[("After", 200)]).await;
    assert_eq!(written(&bench, "counted"), "after\n");
    agent.stop().await;
}

#[tokio::test]
async fn it_happens_as_well_where_the_session_fails_and_is_not_begun_where_the_agent_stops() {
    let bench = Bench::new().await;
    bench.answer([commands(json!([["EXEC", node("After")]])), Reply::status(404)]);
    bench.answer([commands(json!([["EXEC", node("After")]])), commands(json!([])).after(LIMIT * 2)]);
    let agent = bench.start().await;
    bench.notify().await;
    bench.until(&agent, "its alert", |_| alerts(&bench.packages()).len() == 1).await;
    assert_eq!(written(&bench, "counted"), "after\n");
    // The alert's own session was given the second script.
    bench.until(&agent, "202 again", |_| bench.statuses().len() == 2).await;
    agent.stop().await;
    assert_eq!(written(&bench, "counted"), "after\n");
    let agent = bench.start().await;
    told(&bench, &agent, &[("After", 200), ("After", 200)]).await;
    assert_eq!(written(&bench, "counted"), "after\nafter\n");
    agent.stop().await;
}

#[tokio::test]
async fn a_reboot_that_was_begun_is_never_begun_again() {
    let bench = Bench::new().await;
    put_script(&bench, "reboot", "echo reboot >>@folder@/rebooted\nread -r forever <@folder@/pipe\n");
    put_tools(&bench, &[("Reboot", "exec = { run = [\"@folder@/reboot\"], after-session = true }")]);
    bench.play(json!([[["EXEC", tool("Reboot")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    appears(&bench.gateway.path("rebooted")).await;
    crash(&bench, agent).await;
    let agent = bench.start().await;
    // The machine was not booted: the agent died alone.
    told(&bench, &agent, &[("Reboot", 500)]).await;
    assert_eq!(written(&bench, "rebooted"), "reboot\n");
    agent.stop().await;
}

#[tokio::test]
async fn what_goes_on_after_a_reboot_is_started_again_and_says_itself_how_it_ended() {
    let bench = Bench::with(at_once()).await;
    let script = "echo \"${OMADM_RESUMED:-0}\" >>@folder@/runs\n\
                  [ -z \"$OMADM_RESUMED\" ] || exit 75\nread -r forever <@folder@/pipe\n";
    put_script(&bench, "update", script);
    put_tools(
        &bench,
        &[("Update", "exec = { run = [\"@folder@/update\"], codes = { 75 = 1206 }, resume = true }")],
    );
    bench.play(json!([[["EXEC", tool("Update")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    appears(&bench.gateway.path("runs")).await;
    crash(&bench, agent).await;
    let agent = bench.start().await;
    told(&bench, &agent, &[("Update", 1206)]).await;
    assert_eq!(written(&bench, "runs"), "0\n1\n");
    agent.stop().await;
}

#[tokio::test]
async fn one_that_never_comes_to_an_end_is_given_up() {
    let bench = Bench::with(at_once()).await;
    put_script(&bench, "update", "echo run >>@folder@/runs\nread -r forever <@folder@/pipe\n");
    put_tools(&bench, &[("Update", "exec = { run = [\"@folder@/update\"], resume = true }")]);
    bench.play(json!([[["EXEC", tool("Update")]]]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    for runs in 1..=3 {
        let wait = async {
            while written(&bench, "runs").lines().count() < runs {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("run {runs}: {}", agent.log()));
        crash(&bench, agent).await;
        agent = bench.start().await;
    }
    told(&bench, &agent, &[("Update", 500)]).await;
    assert_eq!(written(&bench, "runs").lines().count(), 3);
    agent.stop().await;
}

#[tokio::test]
async fn a_program_gets_what_it_needs_and_nothing_else() {
    let bench = Bench::new().await;
    put_script(
        &bench,
        "show",
        "env | sort >@folder@/environment\ncat >@folder@/stdin\npwd >@folder@/folder\n",
    );
    put_tools(
        &bench,
        &[
            ("Show", "exec = { run = [\"@folder@/show\"] }\ninput = [\"PkgURL\", \"Empty\"]"),
            ("PkgURL", "get = [{ value = \"https://x.example/?a=\\\"b\\\"\" }]"),
            ("Secret", "get = [{ value = \"not for it\" }]"),
            ("Empty", ""),
        ],
    );
    bench.play(json!([[["EXEC", tool("Show")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200]], "{}", agent.log());
    let environment = written(&bench, "environment");
    let names: Vec<_> = environment.lines().filter_map(|line| line.split_once('=')).collect();
    let expected = [
        ("OMADM_CLIENT_URI", format!("{TOOLS}/1/Show")),
        ("OMADM_MIID", "1".to_owned()),
        ("OMADM_MOID", TOOLS.to_owned()),
        ("OMADM_SERVER_ID", support::SERVER_ID.to_owned()),
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("PWD", "/".to_owned()),
    ];
    let expected: Vec<_> = expected.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let own = |(name, _): &(&str, &str)| !["_", "SHLVL", "OLDPWD"].contains(name);
    assert_eq!(names.into_iter().filter(own).collect::<Vec<_>>(), expected);
    let input: Value = serde_json::from_str(&written(&bench, "stdin")).unwrap();
    assert_eq!(input, json!({"PkgURL": "https://x.example/?a=\"b\""}));
    assert_eq!(written(&bench, "folder"), "/\n");
    agent.stop().await;
}

#[tokio::test]
async fn a_program_that_takes_too_long_ends_with_all_its_children_and_one_that_talks_too_much_ends_well() {
    let bench =
        Bench::with(Setup { config: "[exec]\nsync-limit = \"30s\"\n".into(), ..Setup::default() }).await;
    put_script(&bench, "hang", "sh -c 'read -r forever <@folder@/pipe' &\nread -r forever <@folder@/pipe\n");
    put_script(
        &bench,
        "talk",
        "i=0\nwhile [ $i -lt 5000 ]; do echo \"line $i of very many\"; i=$((i+1)); done\n",
    );
    put_tools(
        &bench,
        &[
            ("Hang", "exec = { run = [\"@folder@/hang\"], timeout = \"1s\" }"),
            ("Talk", "exec = { run = [\"@folder@/talk\"] }"),
        ],
    );
    bench.play(json!([[["EXEC", tool("Hang")], ["EXEC", tool("Talk")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[500, 200]]);
    // Nothing is left behind: see `stop`.
    let log = agent.stop().await;
    assert!(log.contains("killed at its time limit"), "{log}");
    assert!(
        log.contains("talk: line 0 of") && log.contains("more lines") && !log.contains("line 4999"),
        "{log}"
    );
}

#[tokio::test]
async fn what_runs_for_an_account_that_is_removed_ends_by_itself_and_is_reported_to_nobody() {
    let bench = Bench::with(at_once()).await;
    bench.play(json!([[["EXEC", node("Late")]]]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    let file = bench.gateway.path("accounts").join(format!("{}.toml", support::SERVER_ID));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    agent.logged("about no accounts", |line| line.contains("0 accounts")).await;
    bench.release(0).await;
    agent.logged("about the end", |line| line.contains("reported to nobody")).await;
    files::put(&file, text, files::PLAIN).unwrap();
    agent
        .logged("about the account", |line| line.contains("1 account,") && line.contains("read again"))
        .await;
    told(&bench, &agent, &[]).await;
    agent.stop().await;
}

/// TS 5.4.5: it is posted there, however long it takes, whoever died meanwhile, and however often that place is down.
#[tokio::test]
async fn an_exec_with_a_server_uri_is_reported_there_until_it_is_heard() {
    let bench =
        Bench::with(Setup { config: "[session]\nretries = 0\n".to_owned(), ..Setup::default() }).await;
    let script = Script::session([Reply::closed(), Reply::status(204)]);
    let options = Options::new("elsewhere", bench.authority.server().unwrap(), &bench.tape);
    let elsewhere = Server::start(options, script.handler()).await.unwrap();
    bench.list_origin(&elsewhere.origin());
    let there = format!("{}/report?id=[DevID]", elsewhere.origin());
    bench.play(json!([[["EXEC", node("Late"), there], ["EXEC", node("Fail")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[202, 1503]], "with a ServerURI it is 202 at once, without one as it ends");
    assert!(bench.tape.requests("elsewhere").is_empty(), "it has not ended");
    bench.release(75).await;
    let heard = bench.tape.until(LIMIT, |tape| tape.requests("elsewhere").len() == 1).await;
    assert!(heard, "{}", agent.log());
    agent.kill().await;
    let agent = bench.start().await;
    let heard = bench.tape.until(LIMIT, |tape| tape.requests("elsewhere").len() == 2).await;
    assert!(heard, "{}", agent.log());
    bench.session(&agent, 2).await;
    let device = bench.tape.requests("dm")[0].header("omadm-devid").to_owned();
    for request in bench.tape.requests("elsewhere") {
        assert_eq!((request.method.as_str(), request.target()), ("POST", format!("/report?id={device}")));
        assert_eq!(request.header("content-type"), "application/vnd.oma.dm.initiation+json");
        assert_eq!(alerts(&[request.package().unwrap()]), [("Late".to_owned(), 500)]);
    }
    assert_eq!(bench.tape.requests("elsewhere").len(), 2);
    assert_eq!(alerts(&bench.packages()), [], "the account's own server hears nothing of it");
    agent.stop().await;
}

#[tokio::test]
async fn whoever_is_told_of_an_execs_end_and_is_not_the_accounts_has_nothing_to_command() {
    let test = "whoever_is_told_of_an_execs_end_and_is_not_the_accounts_has_nothing_to_command";
    network::of_its_own(test, async {
        network::run("ip addr add 198.51.100.1/32 dev lo").await;
        let bench = Bench::new().await;
        let address = "198.51.100.1".parse().unwrap();
        let identity = bench.authority.server_for("198.51.100.1").unwrap();
        let listen = std::net::SocketAddr::new(address, 0);
        let options = Options { listen, ..Options::new("stranger", identity, &bench.tape) };
        let script = Script::session([commands(json!([["EXEC", node("Count")]])), commands(json!([]))]);
        let stranger = Server::start(options, script.handler()).await.unwrap();
        bench.play(json!([[["EXEC", node("Fail"), format!("{}/report", stranger.origin())]]]));
        let mut agent = bench.start().await;
        bench.session(&agent, 1).await;
        assert_eq!(bench.statuses(), [[202]]);
        let well = |line: &str| line.contains("ended well");
        agent.logged("about the report", |_| true).await;
        let heard = bench.tape.until(LIMIT, |tape| tape.requests("stranger").len() == 1).await;
        assert!(heard, "{}", agent.log());
        bench.session(&agent, 2).await;
        agent.logged_times(3, "about a session's good end, the one there included", well).await;
        assert_eq!((bench.tape.requests("stranger").len(), bench.counted()), (1, 0));
        let told = bench.tape.requests("stranger")[0].package().unwrap();
        assert_eq!(alerts(&[told]), [("Fail".to_owned(), 1503)]);
        agent.stop().await;
    })
    .await;
}
