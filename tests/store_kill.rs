//! The store and the agent, killed at any moment: what was acknowledged is there, whole, and nothing else is.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use omadm_agent::lab::notifier::Notification;
use omadm_agent::lab::tape::Exchange;
use omadm_agent::mo::Value;
use omadm_agent::store::{Change, NodeKey, Snapshot, Store, Stored};
use serde_json::json;

use crate::support::{BENCH, Bench};

/// How often the store's writer is killed.
const ROUNDS: u32 = 60;
/// The longest that a writer may live, in milliseconds.
const LIFE: u32 = 120;
/// How many batches are kept; the writer removes older ones, as it goes on.
const KEPT: u64 = 8;
/// The folder of the store, for the writer's process.
const FOLDER: &str = "OMADM_TEST_STORE";
/// What the writer says of each batch that the store acknowledged.
const ACKNOWLEDGED: &str = "acknowledged ";

#[test]
fn a_killed_writer_loses_nothing_acknowledged_and_leaves_nothing_half_done() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    let mut cut_short = 0;
    for round in 0..ROUNDS {
        let (mut writer, output) = start_writer(folder.path());
        let life = getrandom::u32().unwrap() % LIFE;
        live_for(life);
        writer.kill().unwrap();
        writer.wait().unwrap();
        if let Some(last) = last_acknowledged(output) {
            acknowledged = last;
        }

        let opened = Store::open(folder.path()).unwrap();
        assert_eq!(opened.set_aside, None, "round {round}, killed after {life} ms");
        let snapshot = opened.store.snapshot().unwrap();
        let last = last_batch(&snapshot);
        // A writer has one batch on its way: that one may be there already.
        assert!(
            last == acknowledged || last == acknowledged + 1,
            "round {round}, killed after {life} ms: {acknowledged} was acknowledged, the store has {last}"
        );
        cut_short += u32::from(last > acknowledged);
        check_batches(&snapshot, last);
        acknowledged = last;
    }
    let names: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["store.redb"]);
    assert!(acknowledged > 0, "no writer lived long enough to commit anything");
    println!("{acknowledged} batches, {cut_short} of {ROUNDS} kills between commit and acknowledgement");
}

/// Not a test of its own: what the test above starts and kills.
#[test]
#[ignore = "the process that another test kills"]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = Store::open(Path::new(&folder)).unwrap().store;
    let first = last_batch(&store.snapshot().unwrap()) + 1;
    for number in first.. {
        store.commit_blocking(&batch(number)).unwrap();
        // Not println: the harness would keep it.
        writeln!(std::io::stdout(), "{ACKNOWLEDGED}{number}").unwrap();
    }
}

fn start_writer(folder: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store_kill::writer", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(writer.stdout.take().unwrap());
    (writer, output)
}

#[expect(clippy::disallowed_methods, reason = "the moment of the kill is what this is about")]
fn live_for(millis: u32) {
    std::thread::sleep(Duration::from_millis(millis.into()));
}

/// The last number that was said whole: a kill may cut a line short.
fn last_acknowledged(output: BufReader<ChildStdout>) -> Option<u64> {
    let lines = output.split(b'\n').map_while(Result::ok);
    let numbers = lines.filter_map(|line| {
        let line = String::from_utf8(line).ok()?;
        let (_, number) = line.split_once(ACKNOWLEDGED)?;
        number.parse().ok()
    });
    numbers.last()
}

/// A subtree of leaves, an instance, and the batch's number; and an older batch goes.
fn batch(number: u64) -> Vec<Change> {
    let root = subtree(number);
    let creator = format!("serverid:{number}");
    let mut changes = vec![
        Change::AddInstance { instance: root.clone(), creator },
        Change::Clock(number),
        Change::Notification { server_id: "acme".into(), id: number.to_le_bytes()[0].into(), time: number },
    ];
    changes.extend((0..leaves(number)).map(|leaf| {
        Change::Put(root.child(&leaf.to_string()), Stored::Leaf(Value::Text(text(number, leaf))))
    }));
    changes.extend(number.checked_sub(KEPT).map(|old| Change::RemoveInstance(subtree(old))));
    changes
}

fn subtree(number: u64) -> NodeKey {
    NodeKey::instance(&"urn:test".into(), &number.to_string())
}

/// From a few bytes to more than the store's cache in one batch.
fn leaves(number: u64) -> u64 {
    if number.is_multiple_of(16) { 300 } else { number % 7 + 1 }
}

fn text(number: u64, leaf: u64) -> String {
    format!("{number} {leaf} ").repeat(1 + usize::try_from(number % 100).unwrap())
}

fn last_batch(snapshot: &Snapshot) -> u64 {
    snapshot.clock().unwrap().unwrap_or_default()
}

/// The last batches are there with all that is in them, and no other one is, not even in part.
fn check_batches(snapshot: &Snapshot, last: u64) {
    let first = last.saturating_sub(KEPT) + 1;
    let mut instances = snapshot.instances(&"urn:test".into()).unwrap();
    instances.sort_by_key(|(miid, _)| miid.parse::<u64>().unwrap());
    let expected: Vec<_> =
        (first..=last).map(|number| (number.to_string(), format!("serverid:{number}"))).collect();
    assert_eq!(instances, expected);
    for number in first..=last {
        let root = subtree(number);
        let names = snapshot.children(&root).unwrap();
        assert_eq!(names.len() as u64, leaves(number), "leaves of batch {number}");
        for leaf in 0..leaves(number) {
            let stored = snapshot.node(&root.child(&leaf.to_string())).unwrap();
            assert_eq!(stored, Some(Stored::Leaf(Value::Text(text(number, leaf)))), "batch {number}");
        }
    }
    for number in [first.saturating_sub(1), last + 1] {
        assert!(!snapshot.exists(&subtree(number)).unwrap(), "something of batch {number} is there");
    }
    let newest = snapshot.notifications().unwrap().into_iter().map(|seen| seen.time).max();
    assert_eq!(newest.unwrap_or_default(), last);
}

/// Each document sets two leaves in one change; each session brings many.
#[tokio::test]
async fn a_killed_agent_keeps_what_it_acknowledged_and_knows_its_notifications() {
    const PACKAGES: u64 = 5;
    const DOCUMENTS: u64 = 6;
    let bench = Bench::new().await;
    let mut used: Vec<Notification> = Vec::new();
    let (mut offered, mut acknowledged, mut interrupted) = (0, 0, 0);
    for round in 1..=12 {
        // A session full of changes, killed on the way.
        let package = |numbers: std::ops::Range<u64>| -> Vec<_> {
            let target = format!("{BENCH}//");
            numbers.map(|number| json!(["HGET", format!("{{repository}}/{number}"), target])).collect()
        };
        let start = offered + 1;
        offered += PACKAGES * DOCUMENTS;
        for number in start..=offered {
            let data = json!({"MOData": {"Name": number.to_string(), "Number": number}}).to_string();
            bench.repository.put(&format!("/{number}"), "application/dmmo+json", data);
        }
        let packages = (0..PACKAGES).map(|index| start + index * DOCUMENTS);
        bench.play(packages.map(|first| package(first..first + DOCUMENTS)).collect());
        let before = bench.packages().len();
        let mut agent = bench.start().await;
        let notification = bench.notification();
        bench.send(&notification).await;
        // The session of the round before may not have been over: its Package#1 says nothing of this notification.
        let let_in = format!("notification {}: let in", notification.id);
        agent.logged("about the notification", |line| line.contains(&let_in)).await;
        bench.until(&agent, "Package#1", |exchanges| exchanges.len() > before).await;
        used.push(notification);
        tokio::time::sleep(Duration::from_micros(u64::from(getrandom::u32().unwrap() % 150_000))).await;
        agent.kill().await;
        let packages = bench.packages();
        let answered: Vec<_> = packages[before..].iter().filter(|package| !package.initiation).collect();
        for (index, package) in answered.iter().enumerate() {
            assert!(package.statuses().iter().all(|status| *status == 200), "{:?}", package.json);
            acknowledged = start - 1 + (index as u64 + 1) * DOCUMENTS;
        }
        interrupted += u32::from((answered.len() as u64) < PACKAGES);

        // What is left of it. A session that was cut off is held again; none of the notifications so far starts
        // another one.
        bench.play(json!([[["GET", format!("{BENCH}//Name")], ["GET", format!("{BENCH}//Number")]]]));
        let before = bench.packages().len();
        let mut agent = bench.start().await;
        for notification in &used {
            bench.send(notification).await;
        }
        let notification = bench.notification();
        bench.send(&notification).await;
        used.push(notification);
        let is_told =
            |exchange: &Exchange| exchange.request.package().is_ok_and(|package| !package.initiation);
        bench.until(&agent, "what was stored", |exchanges| exchanges[before..].iter().any(is_told)).await;
        let packages = bench.packages();
        let told = packages[before..].iter().find(|package| !package.initiation).unwrap();
        let leaf = |position| told.part(position).map(|part| part.body.clone());
        assert_eq!(leaf(1), leaf(2), "round {round}: both leaves are of one document, or neither is there");
        let stored = leaf(1).map_or(0, |body| String::from_utf8(body).unwrap().parse().unwrap());
        assert!(
            (acknowledged..=offered).contains(&stored),
            "round {round}: {acknowledged} was acknowledged, {stored} is stored"
        );
        acknowledged = stored;
        let let_in = |line: &&str| {
            let of_before = line.contains("before the start") || line.contains("is given up");
            line.contains(": notification ") && !of_before
        };
        agent.logged("about the notification", |line| let_in(&line)).await;
        assert_eq!(
            agent.log().lines().filter(let_in).count(),
            1,
            "one that was used up is let in: {}",
            agent.log()
        );
        agent.stop().await;
    }
    let state = bench.gateway.path("state");
    let mut names: Vec<_> = state.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.retain(|name| name != "risks");
    assert_eq!(names, ["store.redb"]);
    println!("{interrupted} of 12 sessions were interrupted, document {acknowledged} of {offered} is stored");
}

/// How often an agent is killed while it makes its file anew.
const REMADE: u32 = 30;

/// Starts the agent on a copy of `file`, and kills it at any moment from when it makes the file anew until it is done;
/// at last it may open it. Whether it was ever killed before it had ended.
#[expect(clippy::disallowed_methods, reason = "the test makes the file that an agent finds")]
async fn killed_while_it_makes_anew(bench: &Bench, file: &[u8], check: impl Fn(&Snapshot, &str)) -> u32 {
    let state = bench.gateway.path("state");
    let (path, new) = (state.join("store.redb"), state.join("store.redb.new"));
    let mut cut_short = 0;
    for round in 0..REMADE {
        let _ = std::fs::remove_dir_all(&state);
        std::fs::create_dir_all(&state).unwrap();
        std::fs::write(&path, file).unwrap();
        // Twice, for what the first one leaves is found by the second.
        for _ in 0..2 {
            let agent = bench.spawn().await;
            let pid = agent.pid();
            let wanted = new.clone();
            let wait = move || {
                let begun = std::time::Instant::now();
                let is_there = || wanted.exists() || begun.elapsed() > Duration::from_secs(2);
                while !is_there() {
                    std::thread::yield_now();
                }
                live_for(getrandom::u32().unwrap() % 8);
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
            };
            tokio::task::spawn_blocking(wait).await.unwrap();
            agent.kill().await;
            cut_short += u32::from(new.exists());
        }
        let opened = Store::open(&state).unwrap();
        assert_eq!(opened.set_aside, None, "round {round}");
        check(&opened.store.snapshot().unwrap(), &format!("round {round}"));
        drop(opened);
        let mut names: Vec<_> = state.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        // What it was at when it was killed is there as well.
        names.retain(|name| name != "risks");
        assert_eq!(names, ["store.redb"], "round {round}");
    }
    cut_short
}

#[tokio::test]
async fn a_file_of_0_1_0_survives_every_moment_of_its_migration() {
    use std::io::Read;
    let bench = Bench::new().await;
    let mut old = Vec::new();
    let packed = include_bytes!("fixtures/store-0.1.0.redb.gz");
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut old).unwrap();
    let all_is_there = |at: &Snapshot, round: &str| {
        let moid = "urn:oma:mo:x:1.0";
        assert_eq!(at.instances(&moid.into()).unwrap().len(), 2, "{round}");
        let text = at.node(&NodeKey::node(&moid.into(), "7", ["Text"])).unwrap();
        assert_eq!(text, Some(Stored::Leaf(Value::Text("a text".into()))), "{round}");
        assert_eq!(at.cache_key().unwrap(), Some([9; 64]), "{round}");
        assert_eq!(at.last_miid(&moid.into()).unwrap(), Some(7), "{round}");
        assert!(at.clock().unwrap() >= Some(1_790_000_002), "{round}");
        // That acme was contacted is forgotten once an agent has seen that acme has no account here.
    };
    let cut_short = killed_while_it_makes_anew(&bench, &old, all_is_there).await;
    assert!(cut_short > 0, "none was killed in time");
}

#[tokio::test]
async fn a_file_of_air_survives_every_moment_of_its_shrinking() {
    const KEPT: u64 = 200;
    let bench = Bench::new().await;
    let folder = tempfile::tempdir().unwrap();
    let node = |number: u64| NodeKey::node(&"urn:x:other".into(), "7", [format!("n{number}").as_str()]);
    let value = |number: u64| Stored::Leaf(Value::Text(number.to_string().repeat(1000)));
    let store = Store::open(folder.path()).unwrap().store;
    let all = (0..6000).map(|number| Change::Put(node(number), value(number)));
    store.commit_blocking(&all.collect::<Vec<_>>()).unwrap();
    let most = (KEPT..6000).map(|number| Change::Remove(node(number)));
    store.commit_blocking(&most.collect::<Vec<_>>()).unwrap();
    drop(store);
    let file = std::fs::read(folder.path().join("store.redb")).unwrap();
    let all_is_there = |at: &Snapshot, round: &str| {
        let instance = NodeKey::instance(&"urn:x:other".into(), "7");
        assert_eq!(at.children(&instance).unwrap().len() as u64, KEPT, "{round}");
        for number in 0..KEPT {
            assert_eq!(at.node(&node(number)).unwrap(), Some(value(number)), "{round}");
        }
    };
    let cut_short = killed_while_it_makes_anew(&bench, &file, all_is_there).await;
    assert!(cut_short > 0, "none was killed in time");
    // At last it is small.
    bench.start().await.stop().await;
    let length = bench.gateway.path("state/store.redb").metadata().unwrap().len();
    assert!(length * 3 < file.len() as u64, "{length} of {}", file.len());
}
