//! A damaged state folder: the agent comes up at the next start, and what it knew is there.

use std::path::PathBuf;
use std::time::Duration;

use omadm_agent::mo::Value;
use omadm_agent::store::{Change, NodeKey, Store, Stored, Subscription};
use serde_json::json;

use crate::support::{Agent, BENCH, Bench, SERVER_ID};

const PAGE: usize = 4096;
/// Where the file says whether it is open.
const BUSY: usize = 64;
/// The line of it in the journal.
const LINE: &str = "the store could not be used as it was";
/// How often a file is damaged at random.
const ROUNDS: u32 = 250;
/// How long an agent at rest may take to write what it has left to write.
const AFTERMATH: Duration = Duration::from_millis(500);

/// A bench whose agent has a store of which every table but those of work that waits holds something.
struct Damaged {
    bench: Bench,
    good: Vec<u8>,
}

fn other(name: &str) -> NodeKey {
    NodeKey::node(&"urn:x:other".into(), "7", [name])
}

fn granted() -> NodeKey {
    NodeKey::node(&"urn:oma:mo:oma-dm-dmdac:1.0".into(), "m", ["1", "serverid:bench"])
}

fn leaf(text: &str) -> Stored {
    Stored::Leaf(Value::Text(text.to_owned()))
}

fn subscription() -> Subscription {
    Subscription {
        server_id: "elsewhere".into(),
        client_uri: "urn:x:other/7/a".to_owned(),
        server_uri: "https://127.0.0.1:9/".to_owned(),
        delivered: None,
    }
}

impl Damaged {
    async fn new(clean: bool) -> Self {
        let bench = Bench::new().await;
        let instance = |miid: &str| NodeKey::instance(&"urn:x:other".into(), miid);
        let creator = "serverid:bench".to_owned();
        let long = "long".repeat(2000);
        let mut changes = vec![
            Change::AddInstance { instance: instance("7"), creator: creator.clone() },
            Change::AddInstance { instance: instance("9"), creator },
            Change::Put(other("a"), leaf("value")),
            Change::Put(other("long"), leaf(&long)),
            Change::Put(granted(), leaf("1 16 urn:x:other")),
            Change::Pin(other("pin"), leaf("pinned")),
            Change::Default {
                moid: "urn:x:other".into(),
                server_id: SERVER_ID.into(),
                server_uri: "https://127.0.0.1:9/default".to_owned(),
            },
            Change::MosSent(SERVER_ID.into(), vec!["urn:x:other".into()]),
            Change::Subscribe(subscription()),
        ];
        changes.extend((0..100).map(|number| Change::Put(other(&format!("n{number:03}")), leaf("x"))));
        let store = Store::open(&bench.gateway.path("state")).unwrap().store;
        store.commit_blocking(&changes).unwrap();
        store.commit_blocking(&[Change::RemoveInstance(instance("9"))]).unwrap();
        drop(store);
        let mut agent = bench.start().await;
        bench.session(&agent, 1).await;
        // What a session leaves behind is written after its end.
        agent.logged("of the session's end", |line| line.contains("ended well")).await;
        tokio::time::sleep(AFTERMATH).await;
        if clean {
            agent.stop().await;
        } else {
            agent.kill().await;
        }
        let good = std::fs::read(bench.gateway.path("state/store.redb")).unwrap();
        Self { bench, good }
    }

    fn path(&self) -> PathBuf {
        self.bench.gateway.path("state/store.redb")
    }

    /// The pages of the file that are not empty.
    fn pages(&self) -> Vec<usize> {
        let pages = self.good.chunks(PAGE).enumerate();
        pages.filter(|(_, page)| page.iter().any(|&byte| byte != 0)).map(|(number, _)| number).collect()
    }

    fn empty(&self) {
        for entry in self.bench.gateway.path("state").read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the test makes a damaged file")]
    fn damage(&self, damage: impl Fn(&mut Vec<u8>)) {
        self.empty();
        let mut bytes = self.good.clone();
        damage(&mut bytes);
        std::fs::write(self.path(), bytes).unwrap();
    }

    /// Starts the agent once: it must come up, and all must be there. Whether it set something aside.
    async fn comes_up(&self, how: &str) -> bool {
        let log = self.bench.start().await.stop().await;
        let said = log.lines().filter(|line| line.contains(LINE) && line.starts_with("error: ")).count();
        let aside = self.path().with_extension("redb.bad-1").exists();
        assert_eq!(said, usize::from(aside), "{how}: {log}");
        assert!(!log.contains("factory"), "{how}: {log}");
        self.all_is_there(how);
        aside
    }

    fn all_is_there(&self, how: &str) {
        let opened = Store::open(&self.bench.gateway.path("state")).unwrap();
        assert_eq!(opened.set_aside, None, "{how}");
        let at = opened.store.snapshot().unwrap();
        let instances = [("7".to_owned(), "serverid:bench".to_owned())];
        assert_eq!(at.instances(&"urn:x:other".into()).unwrap(), instances, "{how}");
        assert_eq!(at.last_miid(&"urn:x:other".into()).unwrap(), Some(9), "{how}");
        assert_eq!(at.node(&other("a")).unwrap(), Some(leaf("value")), "{how}");
        assert_eq!(at.node(&other("long")).unwrap(), Some(leaf(&"long".repeat(2000))), "{how}");
        assert_eq!(at.children(&NodeKey::instance(&"urn:x:other".into(), "7")).unwrap().len(), 102, "{how}");
        assert_eq!(at.node(&granted()).unwrap(), Some(leaf("1 16 urn:x:other")), "{how}");
        assert_eq!(at.pin(&other("pin")).unwrap(), Some(leaf("pinned")), "{how}");
        assert!(at.default_uri(&"urn:x:other".into()).unwrap().is_some(), "{how}");
        assert!(at.contact(&SERVER_ID.into()).unwrap().is_some(), "{how}");
        assert!(at.cache_key().unwrap().is_some(), "{how}");
        assert_eq!(at.notifications().unwrap().len(), 1, "{how}");
        assert!(at.subscriptions().unwrap().len() <= 1, "{how}");
    }
}

fn zero(file: &mut [u8], page: usize) {
    file[page * PAGE..].iter_mut().take(PAGE).for_each(|byte| *byte = 0);
}

#[tokio::test]
async fn every_page_zeroed_or_flipped_leaves_an_agent_that_knows_everything() {
    for clean in [true, false] {
        let damaged = Damaged::new(clean).await;
        assert!(!damaged.comes_up("nothing").await);
        for page in damaged.pages() {
            damaged.damage(|file| zero(file, page));
            let aside = damaged.comes_up(&format!("page {page} zeroed, clean: {clean}")).await;
            // What differs after a kill may be what was being written.
            assert!(aside || !clean, "page {page}");
            damaged.damage(|file| file[page * PAGE] ^= 0xff);
            let aside = damaged.comes_up(&format!("page {page} flipped, clean: {clean}")).await;
            assert!(aside || !clean, "page {page}");
        }
    }
}

async fn at_random(clean: bool) {
    let damaged = Damaged::new(clean).await;
    let pages = damaged.pages();
    for round in 0..ROUNDS {
        let [page, at, length, value] = [(); 4].map(|()| getrandom::u32().unwrap() as usize);
        let start = pages[page % pages.len()] * PAGE + at % PAGE;
        // A byte, a few, a sector.
        let length = [1, 1, 7, 512][length % 4];
        damaged.damage(|file| {
            let end = file.len().min(start + length);
            for (offset, byte) in file[start..end].iter_mut().enumerate() {
                *byte ^= (value >> (offset % 3 * 8)) as u8 | 1;
            }
        });
        let how = format!("round {round}: {length} bytes at {start}, clean: {clean}");
        let aside = damaged.comes_up(&how).await;
        // That byte alone may say that the agent was killed.
        assert!(aside || !clean || (start..start + length).contains(&BUSY), "{how}: nobody was told");
    }
}

#[tokio::test]
async fn random_damage_after_a_clean_end_loses_nothing() {
    at_random(true).await;
}

#[tokio::test]
async fn random_damage_after_a_kill_loses_nothing() {
    at_random(false).await;
}

#[tokio::test]
async fn what_is_no_store_makes_way() {
    let damaged = Damaged::new(true).await;
    let aside = damaged.path().with_extension("redb.bad-1");
    let files: [(&str, Vec<u8>); 4] = [
        ("empty", vec![]),
        ("text", b"not a database, and long enough to be looked at".to_vec()),
        ("zeros", vec![0; damaged.good.len()]),
        ("noise", (0..damaged.good.len()).map(|at| ((at * 7919) >> 3) as u8).collect()),
    ];
    for (what, content) in files {
        damaged.damage(|file| file.clone_from(&content));
        let mut agent = damaged.bench.start().await;
        agent.logged("about it", |line| line.contains(LINE) && line.contains("factory state")).await;
        agent.stop().await;
        assert!(aside.is_file(), "{what}");
    }
    damaged.empty();
    std::fs::create_dir(damaged.path()).unwrap();
    let mut agent = damaged.bench.start().await;
    agent.logged("about the folder", |line| line.contains(LINE)).await;
    agent.stop().await;
    assert!(aside.is_dir() && damaged.path().is_file());
    // In the place of what it makes on the way, too.
    damaged.damage(|_| ());
    std::fs::create_dir(damaged.path().with_extension("redb.new")).unwrap();
    damaged.bench.start().await.stop().await;
    damaged.all_is_there("a folder named as the new file");
}

#[tokio::test]
async fn a_newer_layout_makes_way_as_a_whole() {
    const META: redb::TableDefinition<'static, &[u8], &[u8]> = redb::TableDefinition::new("meta");
    let bench = Bench::new().await;
    let path = bench.gateway.path("state/store.redb");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let database = redb::Builder::new().create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let newer = 99_u64.to_be_bytes();
    transaction.open_table(META).unwrap().insert(b"schema".as_slice(), newer.as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let mut agent = bench.start().await;
    agent.logged("about it", |line| line.contains(LINE) && line.contains("newer")).await;
    bench.session(&agent, 1).await;
    agent.stop().await;
    assert!(path.with_extension("redb.bad-1").is_file());
    bench.start().await.stop().await;
    assert!(!path.with_extension("redb.bad-2").exists(), "the new one stays");
}

#[tokio::test]
async fn the_store_of_0_1_0_goes_on() {
    use std::io::Read;
    let damaged = Damaged::new(true).await;
    let mut old = Vec::new();
    let packed = include_bytes!("fixtures/store-0.1.0.redb.gz");
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut old).unwrap();
    damaged.damage(|file| file.clone_from(&old));
    let agent = damaged.bench.start().await;
    damaged.bench.session(&agent, 2).await;
    assert!(!agent.log().contains(LINE), "{}", agent.log());
    agent.stop().await;
    let opened = Store::open(&damaged.bench.gateway.path("state")).unwrap();
    assert_eq!(opened.set_aside, None);
    let at = opened.store.snapshot().unwrap();
    assert_eq!(at.instances(&"urn:oma:mo:x:1.0".into()).unwrap().len(), 2);
    assert_eq!(at.cache_key().unwrap(), Some([9; 64]));
    assert!(at.clock().unwrap() >= Some(1_790_000_002));
}

#[tokio::test]
async fn what_is_damaged_while_the_agent_runs_is_set_right_without_a_restart() {
    use std::os::unix::fs::FileExt;
    let damaged = Damaged::new(true).await;
    let mut agent = damaged.bench.start().await;
    let file = std::fs::OpenOptions::new().write(true).open(damaged.path()).unwrap();
    for page in damaged.pages().into_iter().filter(|page| (2..60).contains(page)) {
        file.write_all_at(&[0x55; 16], (page * PAGE) as u64).unwrap();
    }
    damaged.bench.play(json!([[["HGET", "{repository}/none", format!("{BENCH}//Name")]]]));
    damaged.bench.session(&agent, 2).await;
    agent.logged("about it", |line| line.contains(LINE)).await;
    agent.stop().await;
    let names = damaged.bench.gateway.path("state").read_dir().unwrap().count();
    assert_eq!(names, 2, "the store, and the one that was set aside");
    let opened = Store::open(&damaged.bench.gateway.path("state")).unwrap();
    assert_eq!(opened.store.snapshot().unwrap().node(&other("a")).unwrap(), Some(leaf("value")));
}

/// A device that has never had a store has none that could be damaged.
#[tokio::test]
async fn a_disk_that_was_full_at_the_first_start_is_no_damage_at_the_next() {
    for size in ["8k", "16k", "64k"] {
        let bench = Bench::new().await;
        let state = bench.gateway.path("state");
        std::fs::create_dir_all(&state).unwrap();
        let mut agent = Agent::spawn_on_disk_that_was_full(&bench.gateway, &state, size).await;
        agent.ready().await;
        assert!(agent.log().contains("store.redb: "), "{size}: why it did not start: {}", agent.log());
        assert!(!agent.log().contains("could not be used"), "{size}: {}", agent.log());
        let inside = std::path::PathBuf::from(format!("/proc/{}/root", agent.pid()));
        let names = inside.join(state.strip_prefix("/").unwrap()).read_dir().unwrap();
        let names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name()).filter(|name| name != "risks").collect();
        assert_eq!(names, ["store.redb"], "{size}");
        bench.session(&agent, 1).await;
        agent.stop().await;
    }
}
