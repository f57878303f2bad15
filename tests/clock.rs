//! A gateway boots with a clock that was never set.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use omadm_agent::store::{Change, Store};
use serde_json::json;

use support::{Bench, Setup};

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
        config: format!("[session]\nclock-wait = \"{clock_wait}\"\n"),
        account: Box::new(|account, _| account.extra = "schedule = { first-contact = false }\n".into()),
        ..Setup::default()
    });
    bench.await
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
