//! A whole session over TLS, beside curl with the same requests.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{BENCH, Bench};
use crate::{Table, block_on, median, millis};

const RUNS: usize = 30;
const GETS: usize = 10;

pub(crate) fn against_curl(table: &mut Table) {
    block_on(async {
        let bench = Bench::new().await;
        let agent = bench.start().await;
        let package = || json!([vec![json!(["GET", format!("{BENCH}//Fixed")]); GETS]]);
        let mut times = Vec::new();
        for number in 1..=RUNS {
            times.push(one_session(&bench, &agent, package(), number).await);
        }
        let first = times.remove(0);
        let resumed =
            bench.tape.requests("dm").last().and_then(|request| request.tls).is_some_and(|tls| tls.resumed);
        let ours = median(times);
        table.note(&format!("a session, Package#1 and #3 ({GETS} GETs): the first"), millis(first));
        let handshake = if resumed { "resumed" } else { "not resumed" };
        table.note(&format!("  later ones (TLS {handshake}), from the notification on"), millis(ours));
        agent.stop().await;
        let Some(curl) = curl(&bench, &package()).await else {
            return table.note("  curl", "is not there");
        };
        table.note("  curl, the same two requests, its own time", millis(curl));
        let ratio = ours.as_secs_f64() / curl.as_secs_f64();
        table.row("  later ones against curl", format!("{ratio:.2} ×"), "≤ 1.3 ×", Some(ratio <= 1.3));
    });
}

async fn one_session(
    bench: &Bench,
    agent: &crate::support::Agent,
    packages: Value,
    number: usize,
) -> Duration {
    bench.play(packages);
    let begun = Instant::now();
    bench.notify().await;
    bench.answered_end(agent, number).await;
    let elapsed = begun.elapsed();
    bench.ended(agent, number).await;
    elapsed
}

/// curl's median time for the requests of the last session, both over one connection.
async fn curl(bench: &Bench, packages: &Value) -> Option<Duration> {
    let requests = bench.tape.requests("dm");
    let ca = bench.gateway.path("accounts").join("bench.ca.pem");
    let mut command = Command::new("curl");
    for (index, request) in requests[requests.len() - 2..].iter().enumerate() {
        let body = bench.gateway.path(&format!("request-{index}"));
        omadm_agent::lab::files::put(&body, &request.body, omadm_agent::lab::files::PLAIN).unwrap();
        if index > 0 {
            command.arg("--next");
        }
        command.args(["--silent", "--show-error", "--http1.1", "--output", "/dev/null"]);
        command.args(["--write-out", "%{time_total} %{http_code}\n", "--cacert"]).arg(&ca);
        for name in ["content-type", "accept", "omadm-devid"] {
            command.arg("--header").arg(format!("{name}: {}", request.header(name)));
        }
        command.arg("--data-binary").arg(format!("@{}", body.display()));
        command.arg(format!("{}{}", bench.server.origin(), request.target()));
    }
    let mut times = Vec::new();
    for _ in 0..RUNS {
        bench.play(packages.clone());
        let output = command.output().await.ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let seconds = String::from_utf8(output.stdout).unwrap();
        let seconds = seconds.lines().map(|line| line.strip_suffix(" 200").unwrap().parse::<f64>().unwrap());
        times.push(Duration::from_secs_f64(seconds.sum()));
    }
    Some(median(times))
}
