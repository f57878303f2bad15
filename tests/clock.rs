//! A gateway boots with a clock that was never set.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use omadm_agent::store::{Change, Store};
use serde_json::json;

use crate::support::ddf::node;
use crate::support::tools::{put_script, put_tools, tool, written};
use crate::support::{Bench, Setup, commands, end, fuse, network};
use omadm_agent::lab::{Reply, files};

/// Makes the agent know a time this far ahead of the system's clock.
fn known_ahead(bench: &Bench, ahead: Duration) {
    let state = bench.gateway.path("state");
    std::fs::create_dir_all(&state).unwrap();
    let store = Store::open(&state).unwrap().store;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    store.commit_blocking(&[Change::Clock((now + ahead).as_secs())]).unwrap();
}

async fn bench(clock_wait: &str) -> Bench {
    let bench = Bench::with(Setup {
        // Whether this machine's own clock was set is no matter.
        config: format!("sysroot = \"@folder@/root\"\n[session]\nclock-wait = \"{clock_wait}\"\n"),
        account: Box::new(|account, _| account.extra = "schedule = { first-contact = false }\n".into()),
        ..Setup::default()
    });
    let bench = bench.await;
    files::put(
        &bench.gateway.path("root/etc/machine-id"),
        "0123456789abcdef0123456789abcdef\n",
        files::PLAIN,
    )
    .unwrap();
    bench
}

#[tokio::test]
async fn a_notification_is_followed_at_once_and_the_schedule_waits_for_the_clock() {
    let bench = bench("1h").await;
    known_ahead(&bench, Duration::from_secs(4));
    bench.play(json!([]));
    bench.play(json!([]));
    let mut agent = bench.start().await;
    agent.logged("about the clock", |line| line.contains("behind a time already known")).await;
    bench.notify().await;
    bench.ended(&agent, 1).await;
    let first = agent.log();
    assert!(first.contains("begins (notification)") && !first.contains("begins (boot)"), "{first}");
    // The clock reaches the time already known by itself.
    agent.logged("that the clock is set", |line| line.ends_with("the clock is set")).await;
    agent.stop().await;
}

#[tokio::test]
async fn the_wait_for_the_clock_ends() {
    let bench = bench("2s").await;
    known_ahead(&bench, Duration::from_secs(3600));
    bench.play(json!([]));
    let started = Instant::now();
    let mut agent = bench.start().await;
    agent.logged("that it waits no longer", |line| line.contains("still not set")).await;
    agent.logged("of the session", |line| line.contains("begins (boot)")).await;
    assert!(started.elapsed() >= Duration::from_secs(2));
    bench.ended(&agent, 1).await;
    agent.stop().await;
}

/// The time that the agent knows after a session whose answers have this `Date`.
async fn known_after(bench: &Bench, date: &str) -> Option<u64> {
    let dated = |reply: Reply| reply.header("date", date);
    bench.answer([dated(commands(json!([]))), dated(end())]);
    let mut agent = bench.start().await;
    agent.logged("of the session's end", |line| line.contains("ended well")).await;
    agent.stop().await;
    Store::open(&bench.gateway.path("state")).unwrap().store.snapshot().unwrap().clock().unwrap()
}

#[tokio::test]
async fn a_clock_that_runs_ahead_of_the_server_is_not_remembered() {
    let bench = bench("2s").await;
    assert_eq!(known_after(&bench, "soon").await, None, "nobody has confirmed it");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let servers = now - 10 * 24 * 3600;
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(servers));
    assert_eq!(known_after(&bench, &date).await, Some(servers));
}

#[tokio::test]
async fn a_known_time_that_was_wrong_gives_way_to_a_clock_that_was_set() {
    let bench = bench("1h").await;
    known_ahead(&bench, Duration::from_secs(10 * 24 * 3600));
    files::put(&bench.gateway.path("root/run/systemd/timesync/synchronized"), "", files::PLAIN).unwrap();
    bench.answer([commands(json!([])), end()]);
    let mut agent = bench.start().await;
    agent.logged("of the session's end", |line| line.contains("ended well")).await;
    // What is fresh by the clock is.
    bench.play(json!([]));
    bench.session(&agent, 2).await;
    assert_eq!(agent.log().matches("which a time source has set: forgotten").count(), 1, "{}", agent.log());
    agent.stop().await;
    let known = Store::open(&bench.gateway.path("state")).unwrap().store.snapshot().unwrap().clock().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(known.unwrap() <= now, "the store is corrected");
}

#[tokio::test]
async fn a_time_source_whose_file_hangs_holds_up_nobody() {
    network::of_its_own("a_time_source_whose_file_hangs_holds_up_nobody", async {
        let bench = bench("1h").await;
        let _hung = fuse::silent(&bench.gateway.path("root/run/systemd/timesync"));
        known_ahead(&bench, Duration::from_secs(100));
        bench.play(json!([]));
        let agent = bench.start().await;
        bench.notify().await;
        bench.ended(&agent, 1).await;
        let told = Instant::now();
        agent.stop().await;
        assert!(told.elapsed() < Duration::from_secs(6), "{:?}", told.elapsed());
    })
    .await;
}

#[tokio::test]
async fn while_the_clock_is_not_set_no_window_is_open() {
    let bench = bench("1h").await;
    put_script(&bench, "job", "echo run >>@folder@/runs\n");
    let mapping = "[node.Job.exec]\nrun = [\"@folder@/job\"]\nwindow = \"00:00-24:00\"\n";
    put_tools(&bench, &node("Job", "null", "Exec", "One", ""), mapping, &json!({}));
    known_ahead(&bench, Duration::from_secs(100));
    bench.play(json!([[["EXEC", tool("Job")]]]));
    let mut agent = bench.start().await;
    bench.notify().await;
    bench.ended(&agent, 1).await;
    assert_eq!(bench.statuses(), [[202]], "{}", agent.log());
    agent.logged("that it waits", |line| line.ends_with("the clock is not set yet")).await;
    agent.stop().await;
    assert_eq!(written(&bench, "runs"), "");
}
