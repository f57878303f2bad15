//! A session that a notification asked for is held, whatever happens to the agent on the way.

use std::time::Duration;

use omadm_agent::lab::Reply;
use omadm_agent::lab::notifier::Notification;
use serde_json::json;

use crate::support::{Agent, BENCH, Bench, Setup, commands};

fn silence() -> Reply {
    commands(json!([])).after(Duration::from_secs(3600))
}

async fn packages(bench: &Bench, agent: &Agent, count: usize) {
    bench.until(agent, &format!("{count} packages"), |exchanges| exchanges.len() >= count).await;
}

#[tokio::test]
async fn a_session_that_a_crash_breaks_off_is_held_again_with_all_that_was_asked_for() {
    let bench = Bench::new().await;
    bench.answer([silence()]);
    let agent = bench.start().await;
    bench.send(&Notification { request_mos: true, ..bench.notification() }).await;
    packages(&bench, &agent, 1).await;
    // Comes while the session runs, and asks for less.
    bench.notify().await;
    packages(&bench, &agent, 1).await;
    agent.kill().await;

    let agent = bench.start().await;
    bench.ended(&agent, 1).await;
    assert!(bench.packages()[1].json["MOS"].is_array(), "{}", bench.packages()[1].json);
    agent.stop().await;
}

#[tokio::test]
async fn one_that_came_to_its_end_is_not() {
    let bench = Bench::new().await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    // Its end is on disk when another begins.
    bench.session(&agent, 2).await;
    agent.stop().await;
    let agent = bench.start().await;
    bench.session(&agent, 3).await;
    assert_eq!(bench.packages().len(), 3);
    assert!(!agent.log().contains("before the start"), "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn nor_is_one_that_was_given_up() {
    let bench = Bench::new().await;
    bench.answer([Reply::status(404)]);
    let mut agent = bench.start().await;
    bench.notify().await;
    agent.logged("about the end", |line| line.contains("HTTP status 404")).await;
    bench.session(&agent, 1).await;
    agent.kill().await;
    let agent = bench.start().await;
    bench.session(&agent, 2).await;
    assert!(bench.packages().len() <= 4, "{:?}", bench.packages().len());
    agent.stop().await;
}

#[tokio::test]
async fn a_session_that_is_tried_again_later_outlives_the_agent() {
    let bench = Bench::with(Setup { config: "[session]\nretries = 0\n".into(), ..Setup::default() }).await;
    bench.answer([Reply::status(503).header("retry-after", "3600")]);
    let mut agent = bench.start().await;
    bench.notify().await;
    agent.logged("about the next attempt", |line| line.contains("next attempt in")).await;
    agent.stop().await;
    let agent = bench.start().await;
    bench.ended(&agent, 1).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_was_executed_before_the_crash_is_not_executed_again() {
    let bench = Bench::new().await;
    bench.answer([commands(json!([["EXEC", format!("{BENCH}//Operations/Count")]])), silence()]);
    let agent = bench.start().await;
    bench.notify().await;
    packages(&bench, &agent, 2).await;
    assert_eq!(bench.statuses(), [[200]]);
    agent.kill().await;

    let agent = bench.start().await;
    bench.ended(&agent, 1).await;
    assert_eq!(bench.counted(), 1);
    let alert = &bench.packages()[2].json["Alert"]["Items"][0];
    assert_eq!(alert["Data"], json!({"ResultCode": 200}), "whether the server heard of it nobody knows");
    agent.stop().await;
}
