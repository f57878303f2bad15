use std::time::Instant;

use super::super::look::AlarmPlace;
use super::*;
use crate::agent_state::{Peer, Surroundings};
use crate::backend::{Bus, Machine};
use crate::config::{Account, Permission, Settings};
use crate::mo::load::load_one;
use crate::spanned::Problems;
use crate::store::Store;
use crate::tree::{Comparison, Tree};

const MOID: &str = "urn:t:mo:a:1.0";
const MAPPING: &str = "moid = \"urn:t:mo:a:1.0\"\nroot = \"A\"\ninstances = [\"1\"]\n\
    [node.\"D/<d>\"]\nlist = { glob = \"/d/*\" }\n\
    [node.\"D/<d>/X\"]\nformat = \"int\"\nget = { file = \"/d/{d}\" }\n\
    [alarm.list]\nlist = \"D/<d>\"\nalert = { type = \"urn:t:at:came\", cleared = \"urn:t:at:went\" }\n\
    [alarm.hot]\nleaf = \"D/<d>/X\"\nabove = 10\nfor = \"10s\"\nalert = { type = \"urn:t:at:hot\" }\n";

/// Alarms of one object, whose looks a test makes up.
struct Rig {
    _folder: tempfile::TempDir,
    agent_state: AgentState,
    alarms: Alarms,
    start: Instant,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap().store;
        let place = folder.path().join("a");
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("a.toml"), MAPPING).unwrap();
        let mut problems = Problems::default();
        let object = load_one(&place, &mut problems).map(Arc::new).unwrap();
        assert!(problems.is_empty(), "{problems}");
        let account = Arc::new(Account {
            file: "s.toml".into(),
            server_id: "s".into(),
            server_uri: "https://a.example/".into(),
            permissions: vec![Permission { moid: MOID.into(), rights: 7 }],
            ..Account::nobodys("")
        });
        let mut settings = Settings::default();
        (settings.alert.max_queued, settings.alert.max_bytes) = (10_000, 64 << 20);
        let settings = Arc::new(settings);
        let peer = Peer::new(Arc::clone(&account), Arc::clone(&settings), Surroundings::default());
        let machine = Arc::new(Machine::new(folder.path().to_owned(), Bus::none()));
        let start = waking::now();
        let tree = Tree::new(vec![object], vec![account], Arc::clone(&store), machine, start);
        let agent_state = AgentState {
            settings,
            peers: vec![Arc::new(peer)],
            tree: Arc::new(tree),
            store,
            crash_guard: Arc::default(),
            is_sound: true,
            has_all_objects: true,
            is_owned: true,
            folders: Vec::new(),
            problems: Problems::default(),
        };
        let alarms = Alarms::new(&agent_state);
        let mut rig = Self { _folder: folder, agent_state, alarms, start };
        rig.alarms.schedule.due(waking::now());
        rig
    }

    fn at(&self, second: u64) -> At {
        At { now: self.start + Duration::from_secs(second), wall: 1_000_000 + second }
    }

    /// A look at the list that found these elements.
    async fn listed(&mut self, second: u64, names: impl IntoIterator<Item = String>) {
        let place = |name: String| AlarmPlace {
            client_uri: format!("{MOID}/1/D/{name}"),
            within: Some((name, format!("{MOID}/1/D"))),
        };
        let places = names.into_iter().map(place).collect();
        self.looked("list", second, places, Some(format!("{MOID}/1/D"))).await;
    }

    async fn looked(&mut self, name: &str, second: u64, places: Vec<AlarmPlace>, listed: Option<String>) {
        let (at, id) = (self.at(second), id(name));
        self.alarms.schedule.due(at.now);
        let outcome = LookOutcome {
            places,
            listed: listed.into_iter().collect(),
            is_whole: true,
            ..Default::default()
        };
        if self.alarms.rests_until.is_some_and(|until| at.now >= until) {
            self.alarms.rests_until = None;
        }
        self.alarms.tell_what_waited(&self.agent_state, at, &mut Told::default()).await;
        self.alarms.looked(&id, outcome, &self.agent_state, at, &mut Told::default()).await;
    }

    /// A reading of the first element's leaf, and the look that it was of.
    async fn read(&mut self, second: u64, value: i64) {
        let (at, uri) = (self.at(second), format!("{MOID}/1/D/a/X"));
        let [value, limit] = [value, 10].map(|number| Some(crate::mo::Value::Int(number)));
        let reading = Reading::Leaf(Comparison { value, limit, clear: None });
        self.alarms.schedule.due(at.now);
        let mut batch = Batch::default();
        self.alarms.step(&id("hot"), &uri, Some(&reading), None, &self.agent_state, at, &mut batch);
        self.alarms.commit(batch, &self.agent_state, &mut Told::default()).await;
        self.looked("hot", second, vec![AlarmPlace { client_uri: uri, within: None }], None).await;
    }

    /// The time of the next look, in seconds.
    fn next(&self) -> Option<u64> {
        self.alarms.schedule.next_wake().map(|at| at.saturating_duration_since(self.start).as_secs())
    }

    /// The number of alerts of a type that wait.
    fn told(&self, kind: &str) -> usize {
        let mut count = 0;
        let wanted = format!("\"urn:t:at:{kind}\"");
        self.agent_state
            .store
            .snapshot()
            .unwrap()
            .alerts("s", |_, alert| {
                count += usize::from(String::from_utf8_lossy(alert).contains(&wanted));
                true
            })
            .unwrap();
        count
    }
}

fn id(name: &str) -> AlarmId {
    AlarmId { moid: MOID.into(), name: name.to_owned() }
}

fn names(first: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{first}{number}")).collect()
}

#[tokio::test]
async fn what_was_there_before_a_disk_was_full_is_no_news_once_there_is_room() {
    let mut rig = Rig::new();
    rig.agent_state.store.faults.fill();
    rig.listed(1, names("a", 3)).await;
    assert!(rig.alarms.rests_until.is_some() && rig.next().is_some(), "it is looked at again");
    rig.agent_state.store.faults.heal();
    rig.listed(100, names("a", 4)).await;
    assert_eq!(rig.told("came"), 0);
    rig.listed(200, names("a", 5)).await;
    assert_eq!(rig.told("came"), 1);
}

#[tokio::test]
async fn what_can_not_be_forgotten_on_disk_is_not_forgotten() {
    let mut rig = Rig::new();
    rig.read(0, 20).await;
    rig.read(20, 20).await;
    assert_eq!(rig.told("hot"), 1);
    rig.agent_state.store.faults.fill();
    rig.looked("hot", 100, Vec::new(), None).await;
    rig.agent_state.store.faults.heal();
    for second in [200, 220, 240] {
        rig.read(second, 20).await;
    }
    assert_eq!(rig.told("hot"), 1, "it was told, and the store says so");
    rig.looked("hot", 300, Vec::new(), None).await;
    rig.read(400, 20).await;
    rig.read(420, 20).await;
    assert_eq!(rig.told("hot"), 2, "another one has come");
}

#[tokio::test]
async fn of_elements_that_come_and_go_faster_than_can_be_known_each_is_told_in_the_end() {
    let mut rig = Rig::new();
    rig.listed(0, Vec::new()).await;
    for (number, first) in ["a", "b", "c"].into_iter().enumerate() {
        rig.listed(5 + 5 * number as u64, names(first, 1000)).await;
    }
    assert_eq!(rig.told("came"), MOST_KNOWN);
    let mut looks = 0;
    while let Some(second) = rig.next() {
        rig.listed(second + 1, names("c", 1000)).await;
        looks += 1;
    }
    assert_eq!((rig.told("came"), rig.told("went")), (3000, 2000));
    assert!(looks < 5, "{looks}");
}

#[tokio::test]
async fn time_in_which_nobody_could_look_does_not_count_as_time_that_it_holds() {
    let mut rig = Rig::new();
    rig.read(0, 20).await;
    let at = rig.at(4);
    let failed = LookOutcome::failed("the store fails".to_owned());
    rig.alarms.looked(&id("hot"), failed, &rig.agent_state, at, &mut Told::default()).await;
    rig.read(20, 20).await;
    assert_eq!((rig.told("hot"), rig.next()), (0, Some(26)));
    rig.read(26, 20).await;
    assert_eq!(rig.told("hot"), 1);
}
