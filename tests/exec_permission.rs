//! EXECs that may not begin yet: outside of their window, or refused by the machine's own programs.

use std::time::SystemTime;

use omadm_agent::lab::{Exchange, files};
use omadm_agent::store::Store;
use serde_json::{Value, json};

use crate::support::ddf::node;
use crate::support::tools::{put_script, put_tools, tool, written};
use crate::support::{Agent, Bench, SERVER_ID, Setup};

fn put(bench: &Bench, exec: &str) {
    let mapping = format!("[node.Job.exec]\nrun = [\"@folder@/job\"]\n{exec}\n");
    put_tools(bench, &node("Job", "null", "Exec", "One", ""), &mapping, &json!({}));
}

/// Minutes from midnight, in UTC: the bench's machine has no time zone.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_secs() / 60 % (24 * 60)
}

fn window(begin: u64, end: u64) -> String {
    let shown = |minute: u64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
    format!("window = \"{}-{}\"", shown(begin), shown(end))
}

fn alerts(bench: &Bench) -> Vec<Value> {
    let packages = bench.packages().into_iter();
    let items = packages.filter_map(|package| package.json["Alert"]["Items"].as_array().cloned());
    items.flatten().map(|item| item["Data"].clone()).collect()
}

async fn told(bench: &Bench, agent: &Agent, expected: Value) {
    let ended =
        |exchanges: &[Exchange]| !alerts(bench).is_empty() && exchanges.last().unwrap().reply.ends_session();
    bench.until(agent, "the alert", ended).await;
    assert_eq!(alerts(bench), [expected], "{}", agent.log());
}

#[tokio::test]
async fn outside_of_its_window_it_waits_across_restarts() {
    let bench = Bench::new().await;
    put_script(&bench, "job", "echo run >>@folder@/runs\n");
    let hours = |count: u64| count * 60;
    put(&bench, &window(now() + hours(3), now() + hours(5)));
    bench.play(json!([[["EXEC", tool("Job")], ["EXEC", tool("Job")]]]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[202, 503]]);
    let line = agent.logged("about its window", |line| line.contains("waits for its window")).await;
    assert!(line.contains("local time"), "{line}");
    agent.kill().await;
    let mut agent = bench.start().await;
    agent.logged("about its window again", |line| line.contains("waits for its window")).await;
    agent.stop().await;
    assert_eq!(written(&bench, "runs"), "");
    // The window is another one now.
    put(&bench, &window(now() + hours(22), now() + hours(2)));
    let agent = bench.start().await;
    told(&bench, &agent, json!({"ResultCode": 200})).await;
    assert_eq!(written(&bench, "runs"), "run\n");
    agent.stop().await;
}

#[tokio::test]
async fn within_its_window_it_begins_at_once() {
    let bench =
        Bench::with(Setup { config: "[exec]\nsync-limit = \"30s\"\n".into(), ..Setup::default() }).await;
    put_script(&bench, "job", "exit 75\n");
    put(&bench, &window(now() + 23 * 60, now() + 60));
    bench.play(json!([[["EXEC", tool("Job")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[503]], "75 is \"not now\"");
    agent.stop().await;
}

#[tokio::test]
async fn programs_of_the_machine_let_it_pass_or_refuse_it() {
    for (refusal, expected) in
        [("", 200), ("exit 3", 1403), ("exit 4", 409), ("exit 5", 1405), ("kill -9 $$", 409)]
    {
        let bench = Bench::new().await;
        put_script(&bench, "job", "echo run >>@folder@/runs\n");
        put_script(
            &bench,
            "exec-veto.d/10-first",
            "echo \"$OMADM_CLIENT_URI $#\" >>@folder@/asked\ncat >>@folder@/asked\n",
        );
        put_script(&bench, "exec-veto.d/20-second", &format!("echo 2 >>@folder@/asked\n{refusal}\n"));
        put_script(&bench, "exec-veto.d/30-backup~", "exit 9\n");
        // A program that can't be run is not asked, and said so.
        files::put(&bench.gateway.path("exec-veto.d/40-mute"), "#!/bin/sh\nexit 9\n", files::PLAIN).unwrap();
        put(&bench, "veto = true\nalert = { codes = { 3 = 1403, 5 = 404, veto-5 = 1405 }, otherwise = 409 }");
        bench.play(json!([[["EXEC", tool("Job")]]]));
        let mut agent = bench.start().await;
        bench.session(&agent, 1).await;
        assert_eq!(bench.statuses(), [[202]]);
        told(&bench, &agent, json!({"ResultCode": expected})).await;
        assert_eq!(written(&bench, "asked"), "urn:bench:mo:tools:1.0/1/Job 0\n2\n");
        assert_eq!(written(&bench, "runs"), if refusal.is_empty() { "run\n" } else { "" });
        agent.logged("about the mute one", |line| line.contains("40-mute is not executable")).await;
        if !refusal.is_empty() {
            let told = format!("is told {expected}");
            agent
                .logged("about the refusal", |line| {
                    line.contains("refused by") && line.contains("20-second") && line.ends_with(&told)
                })
                .await;
        }
        agent.stop().await;
    }
}

#[tokio::test]
async fn whoever_says_not_now_is_asked_again_until_the_time_is_over() {
    let bench = Bench::new().await;
    put_script(&bench, "job", "echo run >>@folder@/runs\n");
    put_script(&bench, "exec-veto.d/busy", "exit 75\n");
    put(&bench, "veto = true");
    bench.play(json!([[["EXEC", tool("Job")]]]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    agent.logged("about later", |line| line.contains("\"not now\": asked again in a minute")).await;
    assert!(alerts(&bench).is_empty());
    agent.kill().await;
    // The next agent asks at once.
    std::fs::remove_file(bench.gateway.path("exec-veto.d/busy")).unwrap();
    let agent = bench.start().await;
    told(&bench, &agent, json!({"ResultCode": 200})).await;
    assert_eq!(written(&bench, "runs"), "run\n");
    agent.stop().await;
}

#[tokio::test]
async fn what_can_not_be_looked_up_waits_and_is_not_executed() {
    let bench = Bench::new().await;
    put_script(&bench, "job", "echo run >>@folder@/runs\n");
    put_script(&bench, "exec-veto.d/passes", "exit 0\n");
    put(&bench, "veto = true");
    bench.play(json!([[["EXEC", tool("Job")]]]));
    // The folder of programs is something else: nobody can tell whether one would say no.
    let (folder, aside) = (bench.gateway.path("exec-veto.d"), bench.gateway.path("aside"));
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::File::create(&folder).unwrap();
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[202]]);
    agent.logged("that it waits", |line| line.contains("can't be told, so it waits")).await;
    assert_eq!(written(&bench, "runs"), "");
    agent.kill().await;
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    let agent = bench.start().await;
    told(&bench, &agent, json!({"ResultCode": 200})).await;
    assert_eq!(written(&bench, "runs"), "run\n");
    agent.stop().await;
}

#[tokio::test]
async fn an_exec_waits_as_long_as_its_account_may_come_back_and_no_longer() {
    let bench = Bench::new().await;
    put_script(&bench, "job", "echo run >>@folder@/runs\n");
    put(&bench, &window(now() + 3 * 60, now() + 5 * 60));
    bench.play(json!([[["EXEC", tool("Job")]]]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    agent.logged("that it waits", |line| line.contains("waits for its window")).await;
    let file = bench.gateway.path("accounts").join(format!("{SERVER_ID}.toml"));
    std::fs::remove_file(&file).unwrap();
    agent.logged("that it is forgotten", |line| line.contains("which is gone: it is not executed")).await;
    agent.stop().await;
    let store = Store::open(&bench.gateway.path("state")).unwrap().store;
    assert_eq!(store.snapshot().unwrap().execs().unwrap(), []);
}
