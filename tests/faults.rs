//! What the network and the server do to a session. Above all: no command is ever executed twice.

use std::time::Duration;

use omadm_agent::lab::gateway::Account;
use omadm_agent::lab::{Authority, Options, Reply, Script, Server};
use serde_json::{Value, json};

use crate::support;
use crate::support::{BENCH, Bench, Setup, commands};

fn exec() -> Value {
    json!([["EXEC", format!("{BENCH}//Operations/Count")], ["GET", format!("{BENCH}//Fixed")]])
}

#[tokio::test]
async fn a_lost_package3_is_sent_again_and_nothing_is_executed_again() {
    let bench = Bench::new().await;
    bench.answer([commands(exec()), Reply::closed(), Reply::closed(), commands(exec())]);
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let packages = bench.packages();
    let kinds: Vec<_> = packages.iter().map(|package| package.initiation).collect();
    assert_eq!(kinds, [true, false, false, false, false]);
    assert_eq!(packages[1].json, packages[2].json);
    assert_eq!(packages[1].parts, packages[3].parts, "a repeated package has the same data");
    assert_eq!(bench.counted(), 2, "one for each Package#2 that arrived whole");
    agent.stop().await;
}

#[tokio::test]
async fn half_a_package2_executes_nothing() {
    let bench = Bench::new().await;
    bench.answer([
        commands(exec()).broken_off(),
        commands(exec()),
        commands(exec()).broken_off(),
        Reply { fault: omadm_agent::lab::reply::Fault::Truncate(usize::MAX), ..commands(exec()) },
    ]);
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let kinds: Vec<_> = bench.packages().iter().map(|package| package.initiation).collect();
    assert_eq!(kinds[..4], [true, true, false, false]);
    // The last answer has its Content-Length and loses only the connection afterwards: it counts.
    assert_eq!(bench.counted(), 2);
    agent.stop().await;
}

#[tokio::test]
async fn a_connection_closed_before_the_request_was_read_costs_a_connection_and_nothing_else() {
    let bench = Bench::playing(json!([exec()])).await;
    let agent = bench.start().await;
    bench.server.close_unread(2);
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 200]]);
    assert_eq!(bench.tape.requests("dm")[0].connection, 3);
    assert_eq!(bench.counted(), 1);
    agent.stop().await;
}

/// The server's idle timeout and a package cross each other: that is no failure, and costs no try.
#[tokio::test]
async fn a_kept_connection_that_has_just_closed_costs_no_retry() {
    let setup = Setup { config: "[session]\nretries = 0\n".to_owned(), ..Setup::default() };
    let bench = Bench::with(setup).await;
    bench.answer([commands(exec()), Reply::closed(), commands(exec())]);
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let requests = bench.tape.requests("dm");
    let connections: Vec<_> = requests.iter().map(|request| request.connection).collect();
    assert_eq!(connections, [1, 1, 2, 2]);
    assert_eq!(requests[1].body, requests[2].body, "the same package again");
    assert_eq!(bench.counted(), 2, "one for each Package#2 that arrived");
    agent.stop().await;
}

#[tokio::test]
async fn what_comes_with_a_refusal_is_not_judged() {
    let setup = Setup { config: "[session]\nmax-package = \"4KiB\"\n".to_owned(), ..Setup::default() };
    let bench = Bench::with(setup).await;
    let page = "x".repeat(100_000);
    let busy = |status: u16| Reply { body: page.clone().into(), ..Reply::status(status) };
    bench.answer([
        busy(503).header("retry-after", "1"),
        busy(503).header("content-encoding", "br"),
        Reply { body: "not gzip".into(), ..Reply::status(502).header("content-encoding", "gzip") },
        busy(408).header("retry-after", "1").trickled(1, Duration::from_secs(1)),
        commands(exec()),
    ]);
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let requests = bench.tape.requests("dm");
    let waited = |from: usize| requests[from + 1].at.duration_since(requests[from].at).unwrap();
    assert!(waited(0) >= Duration::from_secs(1), "{:?}", waited(0));
    assert!(waited(3) >= Duration::from_secs(1), "{:?}", waited(3));
    assert_eq!(bench.statuses(), [vec![200, 200]]);
    agent.stop().await;
}

#[tokio::test]
async fn retry_after_is_honoured_and_the_package_is_the_same() {
    let bench = Bench::new().await;
    bench.answer([
        Reply::status(503).header("retry-after", "2"),
        Reply::status(429).header("retry-after", "1"),
        commands(exec()),
        Reply::status(500),
    ]);
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let requests = bench.tape.requests("dm");
    assert_eq!(requests.len(), 5);
    let waited = |from: usize| requests[from + 1].at.duration_since(requests[from].at).unwrap();
    assert!(waited(0) >= Duration::from_secs(2), "{:?}", waited(0));
    assert!(waited(1) >= Duration::from_secs(1), "{:?}", waited(1));
    assert_eq!(requests[3].body, requests[4].body);
    assert_eq!(bench.counted(), 1);
    agent.stop().await;
}

#[tokio::test]
async fn a_session_gives_up_after_its_retries() {
    let setup = Setup { config: "[session]\nretries = 2\n".to_owned(), ..Setup::default() };
    let bench = Bench::with(setup).await;
    bench.answer([Reply::closed(), Reply::closed(), Reply::closed()]);
    let mut agent = bench.start().await;
    bench.notify().await;
    agent.logged("that the session failed", |line| line.contains("failed")).await;
    assert_eq!(bench.tape.requests("dm").len(), 3, "the first try and two more");
    agent.stop().await;
}

#[tokio::test]
async fn a_large_package_ends_the_session_and_a_slow_one_does_not() {
    let setup = Setup { config: "[session]\nmax-package = \"4KiB\"\n".to_owned(), ..Setup::default() };
    let bench = Bench::with(setup).await;
    bench.answer([commands(exec()).trickled(7, Duration::from_millis(5))]);
    let padding = "x".repeat(5000);
    bench.answer([Reply::package(&json!({"CMD": exec(), "padding": padding}))]);
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.counted(), 1);
    bench.notify().await;
    agent.logged("that the session failed", |line| line.contains("failed")).await;
    assert_eq!(bench.counted(), 1);
    agent.stop().await;
}

#[tokio::test]
async fn a_server_with_another_ca_gets_no_request() {
    let setup = Setup {
        config: "[session]\nretries = 0\n".to_owned(),
        server: Box::new(|options, _| {
            let stranger = Authority::new("somebody else's CA").unwrap();
            Options { identity: Some(stranger.server().unwrap()), ..options }
        }),
        ..Setup::default()
    };
    let bench = Bench::with(setup).await;
    let mut agent = bench.start().await;
    bench.notify().await;
    let line = agent.logged("about the certificate", |line| line.contains("certificate")).await;
    assert!(line.to_lowercase().contains("unknown") || line.contains("trust"), "{line}");
    assert!(bench.tape.requests("dm").is_empty());
    assert!(!bench.tape.refused().is_empty(), "the handshake was tried");
    agent.stop().await;
}

#[tokio::test]
async fn a_server_with_another_name_gets_no_request() {
    let setup = Setup {
        config: "[session]\nretries = 0\n".to_owned(),
        server: Box::new(|options, authority| Options {
            identity: Some(authority.server_for("dm.example").unwrap()),
            ..options
        }),
        ..Setup::default()
    };
    let bench = Bench::with(setup).await;
    let mut agent = bench.start().await;
    bench.notify().await;
    agent.logged("about the certificate", |line| line.contains("certificate")).await;
    assert!(bench.tape.requests("dm").is_empty());
    agent.stop().await;
}

#[tokio::test]
async fn a_server_that_comes_up_late_gets_its_first_contact_or_the_session_it_asked_for() {
    for notified in [false, true] {
        let extra = format!("schedule = {{ at-boot = false, first-contact = {} }}\n", !notified);
        let account = move |account: &mut Account, _: &_| account.extra = extra;
        let mut bench = Bench::with(Setup { account: Box::new(account), ..Setup::default() }).await;
        let listen = bench.server.address();
        // Nobody listens at first.
        let tape = bench.tape.clone();
        let options = Options { listen, ..Options::new("dm", bench.authority.server().unwrap(), &tape) };
        let idle = Options::new("idle", bench.authority.server().unwrap(), &tape);
        bench.server = Server::start(idle, |_| Reply::status(404)).await.unwrap();
        let mut agent = bench.start().await;
        if notified {
            bench.notify().await;
        }
        agent.logged("about the refused connection", |line| line.to_lowercase().contains("refused")).await;
        bench.server = Server::start(options, Script::default().handler()).await.unwrap();
        bench.ended(&agent, 1).await;
        agent.stop().await;
    }
}

#[tokio::test]
async fn repository_troubles_are_that_commands_trouble_alone() {
    let bench = Bench::playing(json!([[
        ["HGET", "{repository}/busy", format!("{BENCH}//Name")],
        ["HGET", "http://127.0.0.1:9/plain", format!("{BENCH}//Name")],
        ["HGET", "https://127.0.0.1:9/unlisted", format!("{BENCH}//Name")],
        ["HPUT", "{repository}/kept", format!("{BENCH}//Fixed")],
        ["HGET", "{repository}/odd", format!("{BENCH}//Name")],
    ]]))
    .await;
    bench.repository.put("/odd", "image/png", "not one");
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![500, 403, 403, 200, 415]]);
    assert!(bench.repository.get("/kept").is_some());
    agent.stop().await;
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_costs_resumed_handshakes_only() {
    let bench = Bench::new().await;
    let closing = |commands: Value| support::commands(commands).header("connection", "close");
    bench.answer([closing(exec()), closing(exec()), closing(json!([["END"]]))]);
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let requests = bench.tape.requests("dm");
    let connections: Vec<_> = requests.iter().map(|request| request.connection).collect();
    assert_eq!(connections, [1, 2, 3]);
    assert!(requests[1..].iter().all(|request| request.tls.unwrap().resumed));
    assert_eq!(bench.counted(), 2);
    agent.stop().await;
}

#[tokio::test]
async fn a_server_that_never_ends_is_left() {
    let setup = Setup { config: "[session]\nmax-packages = 5\n".to_owned(), ..Setup::default() };
    let bench = Bench::with(setup).await;
    bench.answer((0..10).map(|_| commands(exec())));
    let mut agent = bench.start().await;
    bench.notify().await;
    agent.logged("that the session failed", |line| line.contains("failed")).await;
    assert_eq!(bench.counted(), 5);
    agent.stop().await;
}

#[tokio::test]
async fn a_repository_may_redirect_so_far() {
    let bench = Bench::new().await;
    let options = Options::new("hops", bench.authority.server().unwrap(), &bench.tape);
    let hops = Server::start(options, |request| match request.path.trim_start_matches('/').parse::<u32>() {
        Ok(0) => Reply::ok("text/plain", "arrived"),
        Ok(left) => Reply::status(307).header("location", &format!("/{}", left - 1)),
        Err(_) => Reply::status(302).header("location", "http://127.0.0.1:9/plain"),
    })
    .await
    .unwrap();
    bench.list_origin(&hops.origin());
    let at = |path: &str| format!("{}/{path}", hops.origin());
    bench.play(json!([[
        ["HGET", at("5"), format!("{BENCH}//Name")],
        ["GET", format!("{BENCH}//Name")],
        ["HGET", at("6"), format!("{BENCH}//Name")],
        ["HGET", at("away"), format!("{BENCH}//Name")],
        ["HPUT", at("1"), format!("{BENCH}//Fixed")],
        ["HPUT", at("away"), format!("{BENCH}//Fixed")],
    ]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let statuses = &bench.statuses()[0];
    assert_eq!(statuses[..3], [200, 200, 500]);
    assert_eq!(statuses[4], 200);
    assert!(statuses[3] >= 400 && statuses[5] >= 400, "{statuses:?}");
    let puts = bench.tape.requests("hops").into_iter().filter(|request| request.method == "PUT");
    let bodies: Vec<_> = puts.map(|request| (request.path.clone(), request.body.len())).collect();
    assert_eq!(bodies[0].1, bodies[1].1, "307 takes the body along: {bodies:?}");
    agent.stop().await;
}

/// HGET follows each kind of redirect, HPUT and HPOST those that keep the method and the body.
#[tokio::test]
async fn what_is_sent_follows_the_redirects_that_keep_it() {
    let bench = Bench::new().await;
    let options = Options::new("hops", bench.authority.server().unwrap(), &bench.tape);
    let hops = Server::start(options, |request| match request.path.trim_start_matches('/').parse() {
        Ok(status) => Reply::status(status).header("location", "/there"),
        Err(_) => Reply::ok("text/plain", "arrived"),
    })
    .await
    .unwrap();
    bench.list_origin(&hops.origin());
    let kinds = [301, 302, 303, 307, 308];
    let all = ["HGET", "HPUT", "HPOST"].into_iter().flat_map(|command| {
        kinds.map(|status| json!([command, format!("{}/{status}", hops.origin()), format!("{BENCH}//Name")]))
    });
    bench.play(json!([all.collect::<Vec<_>>()]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let sent = [500, 500, 500, 200, 200];
    assert_eq!(bench.statuses(), [[[200; 5], sent, sent].concat()]);
    let arrived = bench.tape.requests("hops").into_iter().filter(|request| request.path == "/there");
    let methods: Vec<_> = arrived.map(|request| request.method).collect();
    assert_eq!(methods, ["GET", "GET", "GET", "GET", "GET", "PUT", "PUT", "POST", "POST"]);
    agent.stop().await;
}

#[tokio::test]
async fn a_package_of_nothing_but_bad_commands_does_not_flood_the_journal() {
    let bench = Bench::new().await;
    bench.answer([
        commands(json!(vec![0; 50_000])),
        commands(json!(vec![json!(["GET", format!("{BENCH}//Fixed")]); 101])),
    ]);
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    let bad = agent.logged("of the rest", |line| line.contains("more commands")).await;
    assert!(bad.ends_with("… and 49900 more commands: 400"), "{bad}");
    let good = agent.logged("of the next package's rest", |line| line.contains("1 more command:")).await;
    assert!(good.ends_with("… and 1 more command: 200"), "{good}");
    let log = agent.log();
    let count = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!((count(": nameless command: 400"), count("//Fixed: 200")), (100, 100));
    let statuses = bench.statuses();
    assert_eq!((statuses[0].len(), statuses[1].len()), (50_000, 101), "each has its status all the same");
    agent.stop().await;
}
