//! Whatever hangs outside, hangs alone: the agent goes on, and ends when it is told to.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use omadm_agent::lab::gateway::{Account, Gateway};
use omadm_agent::lab::{Options, Reply, Server, Tape, files};
use serde_json::json;
use tokio::net::TcpListener;

use crate::support;
use crate::support::{Agent, BENCH, Bench, SERVER_ID, Setup, commands};

const FOREVER: Duration = Duration::from_secs(3600);
/// An agent that is told to end has ended after this time, whatever hangs.
const LONGEST_END: Duration = Duration::from_secs(5);

/// Tells it to end; it does so well, and in time.
async fn ends_in_time(mut agent: Agent, what: &str) {
    let told = Instant::now();
    agent.signal(Signal::SIGTERM);
    let status = agent.exit().await;
    let took = told.elapsed();
    assert!(status.success(), "{what}: {status}:\n{}", agent.log());
    assert!(took < LONGEST_END, "{what}: {took:?}:\n{}", agent.log());
}

/// Accepts connections, and says nothing on any.
async fn silent_server() -> (u16, tokio::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, accepted) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
            let _ = sender.send(()).await;
        }
    });
    (port, accepted)
}

#[tokio::test]
async fn sigterm_breaks_off_what_only_waits_for_a_repository() {
    for (command, leaf) in [("HGET", Some("Name")), ("HGET", None), ("HPUT", Some("")), ("HPOST", Some(""))] {
        let bench = Bench::new().await;
        let options = Options::new("silent", bench.authority.server().unwrap(), &bench.tape);
        let silent = Server::start(options, |_: &_| Reply::status(200).after(FOREVER)).await.unwrap();
        bench.list_origin(&silent.origin());
        let uri = format!("{}/x", silent.origin());
        bench.play(match leaf {
            Some(leaf) => json!([[[command, uri, format!("{BENCH}//{leaf}")]]]),
            None => json!([[[command, uri]]]),
        });
        let agent = bench.start().await;
        bench.notify().await;
        let asked = |tape: &Tape| !tape.requests("silent").is_empty();
        assert!(bench.tape.until(support::LIMIT, asked).await, "{command}: {}", agent.log());
        let told = Instant::now();
        ends_in_time(agent, command).await;
        assert!(told.elapsed() < Duration::from_secs(2), "{command}: nothing was being changed");
    }
}

#[tokio::test]
async fn sigterm_breaks_off_what_waits_for_a_peer_that_says_nothing() {
    let (port, mut accepted) = silent_server().await;
    let account: support::ChangeAccount =
        Box::new(move |account, _| account.server_uri = format!("https://127.0.0.1:{port}/dm"));
    let bench = Bench::with(Setup { account, ..Setup::default() }).await;
    let agent = bench.start().await;
    bench.notify().await;
    accepted.recv().await.unwrap();
    ends_in_time(agent, "TLS").await;

    let (port, mut accepted) = silent_server().await;
    let account: support::ChangeAccount =
        Box::new(|account, _| account.server_uri = "https://dm.example/dm".to_owned());
    let bench = Bench::with(Setup { account, ..Setup::default() }).await;
    let proxy = format!("http://127.0.0.1:{port}");
    let mut agent = Agent::spawn_with(&bench.gateway, &[("HTTPS_PROXY", &proxy)]).await;
    agent.ready().await;
    bench.notify().await;
    accepted.recv().await.unwrap();
    ends_in_time(agent, "a proxy").await;
}

/// A gateway that is told to set a leaf, by a program that says that it has begun and does not end.
async fn with_hanging_change() -> Bench {
    const KNOB: &str = "urn:bench:mo:knob:1.0";
    let leaf = support::ddf::node("Hung", "chr", "Get Replace", "One", "");
    let root = support::ddf::node("Knob", "node", "Get Replace", "One", &leaf);
    let mapping = "instances = [\"1\"]\n[node.Hung]\nget = { value = \"0\" }\nverify = false\n\
         set = { run = [\"@folder@/turn\", \"{}\", \"@folder@/begun\"], timeout = \"50min\" }\n";
    let bench = Bench::playing(json!([[["HGET", "{repository}/knob", format!("{KNOB}//")]]])).await;
    support::ddf::put(&bench.gateway, KNOB, "Knob", &root, mapping);
    let program = "#!/bin/sh\ntrap '' TERM\n: >\"$2\"\nwhile :; do sleep 1; done\n";
    files::put(&bench.gateway.path("turn"), program, files::PROGRAM).unwrap();
    let data = json!({"MOData": {"Hung": "1"}});
    bench.repository.put("/knob", "application/dmmo+json", data.to_string());
    bench
}

#[tokio::test]
async fn sigterm_ends_an_agent_whose_change_hangs() {
    let bench = with_hanging_change().await;
    let agent = bench.start().await;
    bench.notify().await;
    support::appears(&bench.gateway.path("begun")).await;
    ends_in_time(agent, "a change").await;
}

#[tokio::test]
async fn nobody_waits_for_who_reads_the_journal() {
    let bench = Bench::playing(json!([[["GET", format!("{BENCH}//Name")]]])).await;
    // Nobody reads what it says, and there is no room for another word.
    let (unread, mut full) = std::io::pipe().unwrap();
    fcntl(&full, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while full.write(&[b'x'; 1]).is_ok() {}
    fcntl(&full, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    let mut agent = tokio::process::Command::new(env!("CARGO_BIN_EXE_omadmd"))
        .arg("--config")
        .arg(bench.gateway.config())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(full)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // Its socket may not be there yet.
    for sessions in 1..=3 {
        let served = async {
            loop {
                bench.notify().await;
                let ends = |tape: &Tape| {
                    tape.exchanges().iter().filter(|exchange| exchange.reply.ends_session()).count()
                        >= sessions
                };
                if bench.tape.until(Duration::from_secs(1), ends).await {
                    break;
                }
            }
        };
        tokio::time::timeout(support::LIMIT, served).await.unwrap();
    }
    assert_eq!(agent.try_wait().unwrap(), None);
    let told = Instant::now();
    kill(Pid::from_raw(agent.id().unwrap().try_into().unwrap()), Signal::SIGTERM).unwrap();
    let status = tokio::time::timeout(support::LIMIT, agent.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    assert!(told.elapsed() < LONGEST_END, "{:?}", told.elapsed());
    drop(unread);
}

/// A gateway whose accounts are in a second folder as well, which is a link that can be made to lead elsewhere.
async fn with_second_folder() -> (Bench, impl Fn(&str)) {
    let bench = Bench::new().await;
    let config = bench.gateway.config();
    let text = std::fs::read_to_string(&config).unwrap();
    let folder = bench.gateway.path("").display().to_string();
    let accounts = format!("accounts = [\"{folder}accounts\", \"{folder}second\"]");
    let text = text.replace(&format!("accounts = [\"{folder}accounts\"]"), &accounts);
    assert!(text.contains(&accounts));
    files::put(&config, text, files::PLAIN).unwrap();
    std::fs::create_dir(bench.gateway.path("empty")).unwrap();
    let gateway: Gateway = bench.gateway.clone();
    let lead = move |to: &str| {
        let _ = std::fs::remove_file(gateway.path("second.new"));
        symlink(gateway.path(to), gateway.path("second.new")).unwrap();
        std::fs::rename(gateway.path("second.new"), gateway.path("second")).unwrap();
    };
    (bench, lead)
}

#[tokio::test]
async fn a_reload_that_hangs_holds_up_nothing_and_leaves_everything_as_it_was() {
    let (bench, lead) = with_second_folder().await;
    lead("empty");
    let mut agent = Agent::spawn_with_hung_folder(&bench.gateway, &bench.gateway.path("hung")).await;
    agent.ready().await;
    lead("hung");
    agent.signal(Signal::SIGHUP);
    agent.said("RELOADING=1").await;
    let begun = Instant::now();
    bench.session(&agent, 1).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "the session did not wait for the folder");
    assert_eq!(agent.times_said("READY=1"), 1, "the reload is not over: {}", agent.log());
    // What is asked for meanwhile comes afterwards.
    agent.signal(Signal::SIGHUP);
    // It is to be watched within 2 s, and read within 30 s.
    tokio::time::sleep(Duration::from_secs(5)).await;
    agent
        .logged("about the folder", |line| line.contains("no answer within") && line.contains("second"))
        .await;
    bench.session(&agent, 2).await;
    ends_in_time(agent, "a folder that hangs").await;
}

#[tokio::test]
async fn sigterm_ends_an_agent_that_hangs_at_its_start() {
    let (bench, lead) = with_second_folder().await;
    lead("hung");
    let agent = Agent::spawn_with_hung_folder(&bench.gateway, &bench.gateway.path("hung")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    ends_in_time(agent, "its start").await;
}

#[tokio::test]
async fn sigterm_ends_an_agent_that_hangs_in_its_store() {
    let bench = Bench::new().await;
    let agent = Agent::spawn_with_hung_folder(&bench.gateway, &bench.gateway.path("state")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(agent.times_said("READY=1"), 0);
    ends_in_time(agent, "its store").await;
}

#[tokio::test]
async fn an_agent_comes_up_without_the_folder_that_hangs_and_takes_its_accounts_when_it_is_back() {
    let (bench, lead) = with_second_folder().await;
    std::fs::rename(bench.gateway.path("accounts"), bench.gateway.path("kept")).unwrap();
    lead("hung");
    let mut agent = Agent::spawn_with_hung_folder(&bench.gateway, &bench.gateway.path("hung")).await;
    // Longer than the limit of a folder.
    tokio::time::timeout(Duration::from_secs(90), async {
        while agent.times_said("READY=1") == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{}", agent.log()));
    lead("kept");
    agent.signal(Signal::SIGHUP);
    agent.logged("of the account", |line| line.contains("configuration read again: 1 account,")).await;
    bench.session(&agent, 1).await;
    ends_in_time(agent, "a folder that hung").await;
}

/// What leads through the link `way`, which can be made to lead where everything hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Through {
    /// The program of an object.
    Program,
    /// An object's folder.
    Folder,
    /// The secret of an account.
    Secret,
    /// The certificates of an account.
    Certificates,
}

impl Through {
    /// What the log says about it.
    fn is_named(self, line: &str) -> bool {
        let (name, what) = match self {
            Self::Program | Self::Folder => ("mo/away: ", "the management object "),
            Self::Secret | Self::Certificates => ("accounts/away.toml: ", "the account "),
        };
        line.contains(name) && line.contains(what)
    }

    fn is_object(self) -> bool {
        matches!(self, Self::Program | Self::Folder)
    }
}

fn other_account(bench: &Bench, server_id: &str) -> Account {
    let uri = format!("{}/{server_id}", bench.server.origin());
    Account { secret: Some(support::SECRET.to_owned()), ..Account::new(server_id, &uri, &bench.authority) }
}

/// A gateway with one account or object more, part of which is behind the link `way`.
fn with_one_through_a_link(bench: &Bench, through: Through) -> impl Fn(&str) + use<> {
    const AWAY: &str = "urn:bench:mo:away:1.0";
    let gateway: Gateway = bench.gateway.clone();
    std::fs::create_dir(gateway.path("good")).unwrap();
    let behind = |file: &str, name: &str| {
        std::fs::rename(gateway.path(file), gateway.path("good").join(name)).unwrap();
        symlink(gateway.path("way").join(name), gateway.path(file)).unwrap();
    };
    let program = gateway.path("good/program");
    files::put(&program, "#!/bin/sh\n", files::PROGRAM).unwrap();
    if through.is_object() {
        let leaf = support::ddf::node("Run", "null", "Exec", "One", "");
        let root = support::ddf::node("Away", "node", "Get Replace", "One", &leaf);
        let way = if through == Through::Program { "way" } else { "good" };
        let mapping =
            format!("instances = [\"1\"]\n[node.Run]\nexec = {{ run = [\"@folder@/{way}/program\"] }}\n");
        support::ddf::put(&gateway, AWAY, "Away", &root, &mapping);
        if through == Through::Folder {
            behind("mo/away", "away");
        }
    } else {
        gateway.put_account(&other_account(bench, "away")).unwrap();
        match through {
            Through::Secret => behind("accounts/away.notify", "away.notify"),
            _ => behind("accounts/away.ca.pem", "away.ca.pem"),
        }
    }
    move |to: &str| {
        let _ = std::fs::remove_file(gateway.path("way.new"));
        symlink(gateway.path(to), gateway.path("way.new")).unwrap();
        std::fs::rename(gateway.path("way.new"), gateway.path("way")).unwrap();
    }
}

/// How many accounts and objects the agent has read, by its log.
fn counts(line: &str) -> (usize, usize) {
    let (_, counts) = line.split_once("configuration read again: ").unwrap();
    let mut numbers = counts.split(", ").map(|count| count.split(' ').next().unwrap().parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// One that hangs at a start is missing alone, and is there when it is back.
async fn one_that_hangs_at_a_start(through: Through) {
    let bench = Bench::new().await;
    let lead = with_one_through_a_link(&bench, through);
    lead("hung");
    let mut agent = Agent::spawn_with_hung_folder(&bench.gateway, &bench.gateway.path("hung")).await;
    agent.ready().await;
    let line = agent.logged("about it", |line| through.is_named(line)).await;
    assert!(line.contains("is left out") && line.contains("no answer within"), "{line}");
    bench.play(json!([[["GET", format!("{}//", support::DEVINFO)], ["GET", format!("{BENCH}//Fixed")]]]));
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200, 200]], "{through:?}: all others are there:\n{}", agent.log());
    lead("good");
    // What began where it hung is not waited for: its files lead elsewhere now.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let again = |line: &str| line.contains("configuration read again");
    let before = agent.log().lines().filter(|line| again(line)).count();
    agent.signal(Signal::SIGHUP);
    tokio::time::sleep(Duration::from_secs(10)).await;
    agent.logged("its return", |line| through.is_named(line) && line.contains("no longer hangs")).await;
    let line = agent.logged_times(before + 1, "of the reload", again).await;
    assert_eq!(counts(&line).0, if through.is_object() { 1 } else { 2 }, "{through:?}: {line}");
    ends_in_time(agent, "one that hung").await;
}

#[tokio::test]
async fn an_object_whose_program_hangs_at_a_start_is_missing_alone() {
    one_that_hangs_at_a_start(Through::Program).await;
}

#[tokio::test]
async fn an_object_whose_folder_hangs_at_a_start_is_missing_alone() {
    one_that_hangs_at_a_start(Through::Folder).await;
}

#[tokio::test]
async fn an_account_whose_secret_hangs_at_a_start_is_missing_alone() {
    one_that_hangs_at_a_start(Through::Secret).await;
}

#[tokio::test]
async fn an_account_whose_certificates_hang_at_a_start_is_missing_alone() {
    one_that_hangs_at_a_start(Through::Certificates).await;
}

/// One that hangs at a reload stays as it was; what else has changed takes effect.
async fn one_that_hangs_at_a_reload(through: Through) {
    let bench = Bench::new().await;
    let lead = with_one_through_a_link(&bench, through);
    lead("good");
    let mut agent = Agent::spawn_with_hung_folder(&bench.gateway, &bench.gateway.path("hung")).await;
    agent.ready().await;
    agent.signal(Signal::SIGHUP);
    let again = |line: &str| line.contains("configuration read again");
    let (accounts, objects) = counts(&agent.logged("of a reload", again).await);
    lead("hung");
    bench.gateway.put_account(&other_account(&bench, "new")).unwrap();
    std::fs::remove_dir_all(bench.gateway.path("mo/dmdac")).unwrap();
    agent.signal(Signal::SIGHUP);
    bench.session(&agent, 1).await;
    // It has 30 s.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let line = agent.logged("about it", |line| through.is_named(line)).await;
    assert!(line.contains("stays as it was") && line.contains("no answer within"), "{line}");
    let line = agent.logged_times(2, "of the other reload", again).await;
    assert_eq!(counts(&line), (accounts + 1, objects - 1), "{through:?}: {}", agent.log());
    bench.session(&agent, 2).await;
    ends_in_time(agent, "one that hangs").await;
}

#[tokio::test]
async fn an_object_whose_program_hangs_at_a_reload_stays_as_it_was() {
    one_that_hangs_at_a_reload(Through::Program).await;
}

#[tokio::test]
async fn an_object_whose_folder_hangs_at_a_reload_stays_as_it_was() {
    one_that_hangs_at_a_reload(Through::Folder).await;
}

#[tokio::test]
async fn an_account_whose_secret_hangs_at_a_reload_stays_as_it_was() {
    one_that_hangs_at_a_reload(Through::Secret).await;
}

/// What a standstill is takes hours: the tests of `heartbeat` and of who waits have hours. Here it is shown that no
/// wait holds up the loop itself, which would be noticed within seconds.
#[tokio::test]
async fn the_watchdog_hears_of_an_agent_whose_change_takes_long() {
    let bench = with_hanging_change().await;
    let mut agent = Agent::spawn_with(&bench.gateway, &[("WATCHDOG_USEC", "1500000")]).await;
    agent.ready().await;
    bench.notify().await;
    support::appears(&bench.gateway.path("begun")).await;
    let before = agent.times_said("WATCHDOG=1");
    agent.said_times("WATCHDOG=1", before + 6).await;
    ends_in_time(agent, "a change").await;
}

/// As above.
#[tokio::test]
async fn the_watchdog_hears_of_an_agent_that_waits_long_for_good_reason() {
    let bench = Bench::new().await;
    // Neither an answer from this one…
    bench.answer([commands(json!([])).after(FOREVER)]);
    // … nor a connection of the preferred type for that one.
    let waiting = Account {
        secret: Some(support::SECRET.to_owned()),
        ..Account::new("waiting", &format!("{}/other", bench.server.origin()), &bench.authority)
    };
    bench.gateway.put_account(&waiting).unwrap();
    let mut agent = Agent::spawn_with(&bench.gateway, &[("WATCHDOG_USEC", "1500000")]).await;
    agent.ready().await;
    bench.notify().await;
    bench.until(&agent, "Package#1", |exchanges| !exchanges.is_empty()).await;
    let mut preferring = bench.notification();
    preferring.server_id = "waiting".to_owned();
    preferring.preferred = vec![omadm_agent::bearer::ConnectionType::Mobile];
    bench.send(&preferring).await;
    agent.logged("of a bearer", |line| line.contains("waiting for a preferred")).await;
    let before = agent.times_said("WATCHDOG=1");
    // Three within each limit: one that is lost is no bite.
    let begun = Instant::now();
    agent.said_times("WATCHDOG=1", before + 6).await;
    assert!(begun.elapsed() >= Duration::from_secs(2), "it is not pinged more often than that");
    assert!(agent.log().contains(SERVER_ID));
    agent.stop().await;
}
