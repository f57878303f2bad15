//! A state disk that takes nothing: the agent comes up, serves what it knows, and goes on by itself when there is room.

use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use omadm_agent::lab::Reply;
use omadm_agent::lab::tape::Received;
use serde_json::json;

use crate::support::{Agent, BENCH, Bench, Setup, SmallDisk, commands};

const PAGE: usize = 4096;
/// Said when the store can't be written, once.
const BEGINS: &str = "the store can't be written";
/// And when it can.
const ENDS: &str = "the store can be written again";
/// Said when there is no room for the second copy, once.
const SINGLE: &str = "the store has no second copy";
/// And when there is.
const TWICE: &str = "the store has its second copy again";
/// Of a store that was damaged.
const DAMAGED: &str = "could not be used as it was";

/// A bench whose agent has a disk of its own, on which a server has written a value.
struct Full {
    bench: Bench,
    disk: SmallDisk,
    sessions: usize,
}

impl Full {
    /// The agent has ended well.
    async fn new() -> Self {
        let bench = Bench::new().await;
        bench.repository.put("/kept", "text/plain", "kept");
        // More than a full disk takes, whatever room there is in the file.
        bench.repository.put("/new", "text/plain", new());
        let state = bench.gateway.path("state");
        std::fs::create_dir_all(&state).unwrap();
        let disk = SmallDisk::new(&state, "3m").await;
        let mut full = Self { bench, disk, sessions: 0 };
        let mut agent = full.start().await;
        assert_eq!(full.session(&mut agent, json!([["HGET", "{repository}/kept", name()]])).await, [200]);
        agent.stop().await;
        full
    }

    async fn start(&self) -> Agent {
        let mut agent = self.disk.spawn(&self.bench.gateway).await;
        agent.ready().await;
        agent
    }

    /// What the commands of a session are answered.
    async fn session(&mut self, agent: &mut Agent, commands: serde_json::Value) -> Vec<u64> {
        self.sessions += 1;
        self.bench.play(json!([commands]));
        self.bench.session(agent, self.sessions).await;
        agent.logged("of the session's end", |line| line.contains("ended well")).await;
        self.bench.statuses().pop().unwrap()
    }

    /// What was written is served; nothing else is, and nobody is told that it was.
    async fn serves_what_it_knows(&mut self, agent: &mut Agent, refusal: u64) {
        let commands = json!([["GET", name()], ["HGET", "{repository}/new", name()], ["GET", name()]]);
        for _ in 0..2 {
            let statuses = self.session(agent, commands.clone()).await;
            assert_eq!(statuses, [200, refusal, 200], "{}", agent.log());
            let last = self.last();
            for position in [1, 3] {
                assert_eq!(&last.part(position).unwrap().body[..], b"kept", "{}", agent.log());
            }
        }
    }

    /// Once there is room, without a restart.
    async fn goes_on(&mut self, agent: &mut Agent) {
        std::fs::remove_file(self.inside("filler")).unwrap();
        let commands = json!([["GET", name()], ["HGET", "{repository}/new", name()], ["GET", name()]]);
        assert_eq!(self.session(agent, commands).await, [200, 200, 200], "{}", agent.log());
        let last = self.last();
        assert_eq!(&last.part(3).unwrap().body[..], new().as_bytes());
        // An agent that is started then has nothing to say of it.
        let [began, ended] = [BEGINS, ENDS].map(|line| agent.log().matches(line).count());
        assert!(began <= 1 && ended == began, "{began} and {ended}: {}", agent.log());
        let [single, twice] = [SINGLE, TWICE].map(|line| agent.log().matches(line).count());
        assert!(single <= 1 && twice == single, "{single} and {twice}: {}", agent.log());
        assert!(self.has_two_copies(), "{}", agent.log());
    }

    /// Whether everything is twice in the store's file: a head, then pieces of both copies in turns.
    fn has_two_copies(&self) -> bool {
        const STRIPE: usize = 256 << 10;
        let file = std::fs::read(self.inside("store.redb")).unwrap();
        file[PAGE..].chunks(2 * STRIPE).all(|both| {
            let (first, second) = both.split_at(STRIPE.min(both.len()));
            first.starts_with(second)
        })
    }

    /// The last package with results. Where it could not be noted that a notification's session is over, it is held
    /// again.
    fn last(&self) -> Received {
        let mut packages = self.bench.packages();
        packages.retain(|package| package.part(3).is_some());
        packages.pop().unwrap()
    }

    fn inside(&self, name: &str) -> PathBuf {
        self.disk.inside(name)
    }

    /// The store, and nothing that was set aside or left half made.
    fn only_the_store_is_there(&self) {
        let names = self.inside("").read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        let names: Vec<_> = names.filter(|name| name != "risks" && name != "filler").collect();
        assert_eq!(names, ["store.redb"]);
    }
}

fn new() -> String {
    "new".repeat(40_000)
}

fn name() -> String {
    format!("{BENCH}//Name")
}

/// Takes all room that is left.
fn fill(path: &Path) {
    let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
    for size in [64 << 10, 4 << 10, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

#[tokio::test]
async fn an_agent_whose_disk_is_full_serves_what_it_knows_and_goes_on_by_itself() {
    let mut full = Full::new().await;
    let mut agent = full.start().await;
    fill(&full.inside("filler"));
    full.serves_what_it_knows(&mut agent, 506).await;
    assert_eq!([BEGINS, SINGLE].map(|line| agent.log().matches(line).count()), [1, 1], "{}", agent.log());
    assert!(!full.has_two_copies());
    full.goes_on(&mut agent).await;
    assert!(!agent.log().contains(DAMAGED), "{}", agent.log());
    full.only_the_store_is_there();
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_that_was_killed_comes_up_on_a_full_disk_and_nothing_is_damaged_later() {
    let mut full = Full::new().await;
    let mut agent = full.start().await;
    fill(&full.inside("filler"));
    full.serves_what_it_knows(&mut agent, 506).await;
    agent.kill().await;
    for _ in 0..2 {
        fill(&full.inside("filler"));
        let mut agent = full.start().await;
        full.serves_what_it_knows(&mut agent, 506).await;
        assert!(!agent.log().contains(DAMAGED), "{}", agent.log());
        agent.kill().await;
    }
    let mut agent = full.start().await;
    full.goes_on(&mut agent).await;
    agent.stop().await;
    let mut agent = full.start().await;
    assert_eq!(full.session(&mut agent, json!([["GET", name()]])).await, [200]);
    assert!(!agent.log().contains(DAMAGED) && !agent.log().contains(BEGINS), "{}", agent.log());
    full.only_the_store_is_there();
    agent.stop().await;
}

#[tokio::test]
async fn where_there_is_no_room_for_a_repair_the_copy_that_is_whole_is_read() {
    let mut full = Full::new().await;
    let path = full.inside("store.redb");
    let good = std::fs::read(&path).unwrap();
    let pages = good.chunks(PAGE).enumerate().skip(1);
    let pages: Vec<_> = pages.filter(|(_, page)| page.iter().any(|&byte| byte != 0)).collect();
    // Of either copy.
    for page in [pages[1].0, pages[pages.len() - 2].0] {
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(good.len() as u64).unwrap();
        file.write_all_at(&good, 0).unwrap();
        fill(&full.inside("filler"));
        file.write_all_at(&[0; PAGE], (page * PAGE) as u64).unwrap();
        let mut agent = full.start().await;
        assert!(agent.log().contains(BEGINS), "page {page}: {}", agent.log());
        full.serves_what_it_knows(&mut agent, 506).await;
        full.only_the_store_is_there();
        agent.kill().await;
        let mut agent = full.start().await;
        full.goes_on(&mut agent).await;
        assert_eq!(agent.log().matches(DAMAGED).count(), 1, "page {page}: {}", agent.log());
        agent.stop().await;
        std::fs::remove_file(full.inside("store.redb.bad-1")).unwrap();
    }
}

#[tokio::test]
async fn on_a_read_only_file_system_what_is_known_is_served() {
    for clean in [true, false] {
        let mut full = Full::new().await;
        if !clean {
            full.start().await.kill().await;
        }
        full.disk.remount("ro").await;
        let mut agent = full.start().await;
        full.serves_what_it_knows(&mut agent, 500).await;
        assert_eq!(agent.log().matches(BEGINS).count(), 1, "{}", agent.log());
        full.disk.remount("rw").await;
        // At most once in some seconds it looks.
        agent.logged("of the start", |line| line.contains(BEGINS)).await;
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        assert_eq!(full.session(&mut agent, json!([["HGET", "{repository}/new", name()]])).await, [200]);
        agent.logged("of the end", |line| line.contains(ENDS)).await;
        assert!(!agent.log().contains(DAMAGED), "{}", agent.log());
        full.only_the_store_is_there();
        agent.stop().await;
    }
}

#[tokio::test]
async fn an_exec_that_ends_while_the_disk_takes_nothing_is_told_as_it_ended_once_it_does() {
    let bench =
        Bench::with(Setup { config: "[exec]\nsync-limit = \"1ms\"\n".to_owned(), ..Setup::default() }).await;
    bench.play(json!([[["EXEC", format!("{BENCH}//Operations/Late")]]]));
    let mut agent = Agent::spawn_whose_disk_may_fail(&bench.gateway).await;
    agent.ready().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[202]]);
    agent.logged("of the session's end", |line| line.contains("ended well")).await;
    agent.fail_writes(true).await;
    bench.release(0).await;
    agent.logged("of the store", |line| line.contains("200, could not be stored as an alert")).await;
    agent.fail_writes(false).await;
    let is_alert = |package: &Received| package.json["Alert"].is_object();
    bench.until(&agent, "the alert", |_| bench.packages().iter().any(is_alert)).await;
    let told: Vec<_> = bench.packages().into_iter().filter(is_alert).collect();
    assert_eq!(told[0].json["Alert"]["Items"][0]["Data"], json!({"ResultCode": 200}), "{}", agent.log());
    bench.ended(&agent, 2).await;
    agent.stop().await;
    let agent = bench.start().await;
    bench.session(&agent, 3).await;
    let last = bench.packages().pop().unwrap();
    assert!(last.json["Alert"].is_null(), "nor is it told twice: {}", last.json);
    agent.stop().await;
}

#[tokio::test]
async fn a_status_that_no_package_carried_while_the_disk_took_nothing_is_told_once_it_does() {
    let bench = Bench::new().await;
    // The package with the status is not taken: that ends the session.
    let exec = commands(json!([["EXEC", format!("{BENCH}//Operations/Late")]]));
    bench.answer([exec, Reply::status(404)]);
    let mut agent = Agent::spawn_whose_disk_may_fail(&bench.gateway).await;
    agent.ready().await;
    bench.notify().await;
    // It can be opened once the program is there to read.
    let mut options = std::fs::File::options();
    options.write(true).custom_flags(nix::libc::O_NONBLOCK);
    let mut pipe = loop {
        match options.open(bench.gateway.path("pipe")) {
            Ok(pipe) => break pipe,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    };
    agent.fail_writes(true).await;
    pipe.write_all(b"0\n").unwrap();
    drop(pipe);
    agent.logged("of the store", |line| line.contains("200, could not be stored as an alert")).await;
    agent.fail_writes(false).await;
    let is_alert = |package: &Received| package.json["Alert"].is_object();
    bench.until(&agent, "the alert", |_| bench.packages().iter().any(is_alert)).await;
    let told: Vec<_> = bench.packages().into_iter().filter(is_alert).collect();
    assert_eq!(told[0].json["Alert"]["Items"][0]["Data"], json!({"ResultCode": 200}), "{}", agent.log());
    agent.stop().await;
}
