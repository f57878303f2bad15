//! Networks and servers that say nothing: each hangs alone, and none for long.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use omadm_agent::lab::gateway::Account;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::lab::{Options, files};
use serde_json::json;

use crate::support;
use crate::support::{BENCH, Bench, LIMIT, SECRET, Setup, network};

/// Leads to somewhere that nobody answers from, not even for the link.
const SILENT: &str = "198.51.100.9";
/// Likewise.
const SILENT_6: &str = "2001:db8::9";

/// A link that swallows what is sent to [`SILENT`] and [`SILENT_6`].
async fn swallow() {
    network::run("ip link add swallow type veth peer name swallowed").await;
    network::run(
        "ip addr add 198.51.100.1/24 dev swallow && ip link set swallow up && ip link set swallowed up",
    )
    .await;
    network::run("ip addr add 2001:db8::1/64 dev swallow nodad").await;
    for address in [SILENT, SILENT_6] {
        network::run(&format!("ip neigh add {address} lladdr 02:00:00:00:00:09 dev swallow")).await;
    }
}

/// Has `file` of the system say this, within the test's own mounts.
async fn system_file(bench: &Bench, file: &str, text: &str) {
    let own = bench.gateway.path(file.rsplit('/').next().unwrap());
    files::put(&own, text, files::PLAIN).unwrap();
    network::run(&format!("mount --bind {} {file}", own.display())).await;
}

/// One more account, of a server at this URI that has never been heard of.
fn add_account(bench: &Bench, server_id: &str, uri: &str) {
    let account = Account {
        secret: Some(SECRET.to_owned()),
        extra: "schedule = { at-boot = false, first-contact = true, jitter = \"0s\" }\n".to_owned(),
        ..Account::new(server_id, uri, &bench.authority)
    };
    bench.gateway.put_account(&account).unwrap();
}

fn threads(agent: &support::Agent, name: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap().filter_map(Result::ok);
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|found| found.trim() == name).count()
}

/// A resolver keeps its thread for as long as it likes: here for minutes.
#[tokio::test]
async fn names_that_hang_hold_up_no_other_account_and_not_the_end() {
    network::of_its_own("names_that_hang_hold_up_no_other_account_and_not_the_end", async {
        swallow().await;
        let bench = Bench::playing(json!([[["GET", format!("{BENCH}//Fixed")]]])).await;
        let resolver = format!("nameserver {SILENT}\noptions timeout:30 attempts:5\n");
        system_file(&bench, "/etc/resolv.conf", &resolver).await;
        add_account(&bench, "hangs", "https://hangs.example/dm");
        add_account(&bench, "hangs-too", "https://hangs.example/other");
        let mut agent = bench.start().await;
        let asking = async {
            while threads(&agent, "names") == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, asking)
            .await
            .unwrap_or_else(|_| panic!("no name is asked for: {}", agent.log()));
        // Both have had the time to ask; so does the command of a third.
        bench.session(&agent, 1).await;
        bench.notify().await;
        bench.ended(&agent, 2).await;
        assert_eq!(bench.statuses(), [[200]]);
        assert_eq!(threads(&agent, "names"), 1, "one name has one thread, whoever asks: {}", agent.log());

        let asked = Instant::now();
        agent.signal(Signal::SIGTERM);
        assert!(agent.exit().await.success(), "{}", agent.log());
        assert!(asked.elapsed() < Duration::from_secs(8), "{:?} to end: {}", asked.elapsed(), agent.log());
    })
    .await;
}

/// What the server's name leads to first is a hole.
#[tokio::test]
async fn an_address_that_swallows_costs_a_moment_and_the_good_one_is_remembered() {
    const HERE: &str = "192.0.2.1";
    network::of_its_own("an_address_that_swallows_costs_a_moment_and_the_good_one_is_remembered", async {
        swallow().await;
        network::run(&format!("ip addr add {HERE}/32 dev lo")).await;
        let bench = Bench::with(Setup {
            account: Box::new(|account, _| {
                account.server_uri = account.server_uri.replace(HERE, "dm.example");
                account.extra = "schedule = { at-boot = false, first-contact = false }\n".to_owned();
            }),
            server: Box::new(|options, authority| Options {
                listen: format!("{HERE}:0").parse().unwrap(),
                ..Options::new(options.name, authority.server_for("dm.example").unwrap(), &options.tape)
            }),
            ..Setup::default()
        })
        .await;
        // The resolver puts IPv6 first (RFC 6724), and of IPv4 what is nearest.
        let holes = format!("{SILENT} dm.example\n{SILENT_6} dm.example\n");
        let hosts = format!("127.0.0.1 localhost\n{holes}{HERE} dm.example\n");
        system_file(&bench, "/etc/hosts", &hosts).await;
        let first = tokio::net::lookup_host("dm.example:1").await.unwrap().next().unwrap().ip();
        assert_eq!(first.to_string(), SILENT_6, "the good one comes first: this test shows nothing");
        bench.play(json!([[["GET", format!("{BENCH}//Fixed")]]]));
        let agent = bench.start().await;
        for number in 1..=3 {
            let asked = Instant::now();
            bench.session(&agent, number).await;
            assert!(asked.elapsed() < Duration::from_secs(7), "{:?}: {}", asked.elapsed(), agent.log());
        }
        agent.stop().await;
    })
    .await;
}

/// Accepts a connection, and is silent.
#[tokio::test]
async fn who_does_not_answer_the_door_is_left_after_half_a_minute() {
    let bench = Bench::playing(json!([[["GET", format!("{BENCH}//Fixed")]]])).await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    add_account(&bench, "silent", &format!("https://{}/dm", silent.local_addr().unwrap()));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    let begun = Instant::now();
    let left = async {
        while !agent.log().contains("no connection within 30 s: TLS is not answered") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let left = tokio::time::timeout(2 * LIMIT, left).await;
    assert!(left.is_ok(), "{:?}: {}", begun.elapsed(), agent.log());
    let notification = Notification::new("silent", SECRET.as_bytes(), 4711);
    bench.send(&notification).await;
    agent.logged("of the account all the same", |line| line.contains("silent")).await;
    let asked = Instant::now();
    agent.signal(Signal::SIGTERM);
    assert!(agent.exit().await.success(), "{}", agent.log());
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}

/// A data repository that has taken the request and says nothing.
#[tokio::test]
async fn fetching_is_no_change_and_the_end_does_not_wait_for_it() {
    let bench = Bench::new().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("https://{}/x", silent.local_addr().unwrap());
    bench.list_origin(uri.trim_end_matches("/x"));
    let put = json!(["HPUT", uri, format!("{BENCH}//Fixed")]);
    for command in [json!(["HGET", uri, format!("{BENCH}//Name")]), put] {
        bench.play(json!([[command]]));
        let mut agent = bench.start().await;
        bench.notify().await;
        let (stream, _) = silent.accept().await.unwrap();
        let asked = Instant::now();
        agent.signal(Signal::SIGTERM);
        assert!(agent.exit().await.success(), "{}", agent.log());
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}: {}", asked.elapsed(), agent.log());
        drop(stream);
    }
}
