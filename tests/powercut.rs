//! The power goes at any moment: what was acknowledged is there afterwards.

use std::time::Duration;

use omadm_agent::lab::{Exchange, Reply};
use serde_json::json;

use crate::support::{Agent, BENCH, Bench, commands};

/// A session that stores a number, one that never ends well; the cut comes as soon as the server has seen the 200.
#[tokio::test]
async fn an_acknowledged_change_survives() {
    let bench = Bench::new().await;
    let is_answer = |exchange: &Exchange| exchange.request.package().is_ok_and(|package| !package.initiation);
    for number in 1..=20 {
        let name = format!("name {number}");
        bench.repository.put("/name", "text/plain", name.clone());
        let hget =
            json!([["HGET", format!("{}/name", bench.repository_server.origin()), format!("{BENCH}//Name")]]);
        // A session that was cut off may come again beside the one that is notified of.
        let answer = async |agent: &Agent, what: &str| {
            let before = bench.packages().len();
            bench.notify().await;
            let is_there = |exchanges: &[Exchange]| exchanges.iter().skip(before).any(is_answer);
            bench.until(agent, what, is_there).await;
            bench.packages().split_off(before).into_iter().find(|package| !package.initiation).unwrap()
        };
        bench.answer([commands(hget), Reply::closed()]);
        let agent = bench.start().await;
        let stored = answer(&agent, "Package#3").await;
        agent.kill().await;
        assert_eq!(stored.statuses(), [200]);

        bench.play(json!([[["GET", format!("{BENCH}//Name")]]]));
        let agent = bench.start().await;
        let read = answer(&agent, "what is stored").await;
        assert_eq!(read.part(1).unwrap().body, name.as_bytes(), "after cut {number}");
        agent.stop().await;
    }
}

/// Cuts at arbitrary moments: the value is an old or a new one, whole, and never older than the last acknowledged.
#[tokio::test]
async fn a_change_cut_off_is_there_or_not() {
    let bench = Bench::new().await;
    let origin = bench.repository_server.origin();
    let mut acknowledged = 0;
    for round in 0_u64..20 {
        let replies = (1..=50).map(|step| {
            let number = round * 50 + step;
            bench.repository.put(&format!("/{number}"), "text/plain", number.to_string());
            commands(json!([["HGET", format!("{origin}/{number}"), format!("{BENCH}//Number")]]))
        });
        bench.answer(replies.collect::<Vec<_>>());
        let agent = bench.start().await;
        let before = bench.tape.exchanges().len();
        bench.notify().await;
        bench
            .until(&agent, "Package#1", |exchanges| {
                exchanges.iter().any(|_| bench.tape.exchanges().len() > before)
            })
            .await;
        tokio::time::sleep(Duration::from_millis(7 * round % 60)).await;
        agent.kill().await;
        let exchanges = bench.tape.since(before);
        let done = exchanges
            .iter()
            .filter(|exchange| exchange.request.package().is_ok_and(|package| package.statuses() == [200]));
        let done = u64::try_from(done.count()).unwrap();
        if done > 0 {
            acknowledged = round * 50 + done;
        }

        let before = bench.tape.exchanges().len();
        bench.play(json!([[["GET", format!("{BENCH}//Number")]]]));
        let agent = bench.start().await;
        bench.notify().await;
        bench
            .until(&agent, "END", |_| {
                bench.tape.since(before).iter().any(|exchange| exchange.reply.ends_session())
            })
            .await;
        let exchanges = bench.tape.since(before);
        let package =
            exchanges.iter().filter_map(|exchange| exchange.request.package().ok()).find(|p| !p.initiation);
        let package = package.unwrap();
        let number = match package.part(1) {
            Some(part) => String::from_utf8(part.body.clone()).unwrap().parse::<u64>().unwrap(),
            None => 0,
        };
        assert!(
            number >= acknowledged && number <= (round + 1) * 50,
            "{number}, acknowledged {acknowledged}"
        );
        assert!(!agent.log().contains(".bad-"), "{}", agent.log());
        agent.stop().await;
    }
}
