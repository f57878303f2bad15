//! Alarms of a mapping, from a file of the machine to the server that hears of it without having asked.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use omadm_agent::lab::files;
use omadm_agent::store::Store;
use serde_json::{Value, json};

use crate::support::{Agent, Bench, LIMIT, SERVER_ID, Setup, SmallDisk, network};

const CLIMATE: &str = "urn:x-omadm:mo:climate:1.0";
/// A minute, and what a slow machine takes.
const MINUTE: Duration = Duration::from_secs(75);

const NODES: &str = "moid = \"urn:x-omadm:mo:climate:1.0\"\nroot = \"Climate\"\ninstances = [\"1\"]\n\
    [node.Celsius]\nformat = \"int\"\nget = { file = \"@folder@/values/celsius\" }\n\
    [node.Limit]\nformat = \"int\"\ndefault = 95\n\
    [node.Door]\nget = { file = \"@folder@/values/door\" }\n\
    [node.Said]\nget = { run = [\"@folder@/tell\", \"@folder@/values/said\"] }\n\
    [node.Hung]\nformat = \"int\"\nget = { file = \"@folder@/hung/celsius\" }\n\
    [node.\"Zones/<z>\"]\nlist = { glob = \"@folder@/values/zones/zone*\" }\n\
    [node.\"Zones/<z>/Celsius\"]\nformat = \"int\"\nget = { file = \"@folder@/values/zones/zone{z}\" }\n\
    [node.\"Zones/<z>/Said\"]\nformat = \"int\"\nget = { run = [\"/bin/cat\", \"@folder@/values/zones/zone{z}\"] }\n\
    [node.\"Devices/<mac>\"]\nlist = { file = \"@folder@/values/leases\", json = true, key = \"mac\" }\n\
    [node.\"Devices/<mac>/IP\"]\nget = { item = \"ip\" }\n\
    [node.\"Guests/<g>\"]\nlist = { run = [\"@folder@/tell\", \"@folder@/values/guests\"], watch = [\"@folder@/values/guests\"] }\n\
    [node.\"Guests/<g>/Here\"]\nget = { value = \"yes\" }\n\
    [node.\"Neighbours/<n>\"]\nlist = { run = [\"@folder@/neighbours\"], watch = [\"neighbours\"] }\n\
    [node.\"Neighbours/<n>/Here\"]\nget = { value = \"yes\" }\n";

/// An agent with an object that has these alarms.
struct Rig {
    bench: Bench,
}

impl Rig {
    async fn new(alarms: &str) -> Self {
        Self::with(Setup::default(), alarms).await
    }

    async fn with(setup: Setup, alarms: &str) -> Self {
        let rig = Self { bench: Bench::with(setup).await };
        rig.alarms(alarms);
        std::fs::create_dir_all(rig.path("values/zones")).unwrap();
        files::put(&rig.path("tell"), "#!/bin/sh\necho >>\"$1.asked\"\ncat \"$1\"\n", files::PROGRAM)
            .unwrap();
        let neighbours = "#!/bin/sh\nip -4 neigh show dev lan | cut -d ' ' -f 1\n";
        files::put(&rig.path("neighbours"), neighbours, files::PROGRAM).unwrap();
        rig
    }

    fn alarms(&self, alarms: &str) {
        self.bench.gateway.put_mo("climate", "climate.toml", &format!("{NODES}{alarms}\n")).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.gateway.path(name)
    }

    /// The file's content is this, from one moment to the next.
    fn put(&self, name: &str, text: impl ToString) {
        put(&self.path("beside"), &self.path("values").join(name), &text.to_string());
    }

    /// The alerts that the server has got: type, source below the instance, and data.
    fn heard(&self) -> Vec<(String, String, Value)> {
        let items = self
            .bench
            .packages()
            .into_iter()
            .flat_map(|package| package.json["Alert"]["Items"].as_array().cloned().unwrap_or_default());
        let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let source = |item: &Value| text(item, "SourceURI").replacen(&format!("{CLIMATE}/1/"), "", 1);
        let alarm = |item: &Value| text(item, "AlertType").replacen("urn:t:at:", "", 1);
        items.map(|item| (alarm(&item), source(&item), item["Data"].clone())).collect()
    }

    async fn hears(&self, agent: &Agent, limit: Duration, wanted: &[(&str, &str, Value)]) {
        let wanted: Vec<_> =
            wanted.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), c.clone())).collect();
        let heard = self.bench.tape.until(limit, |_| self.heard().len() >= wanted.len()).await;
        assert!(heard, "{:?}, and not {wanted:?}:\n{}", self.heard(), agent.log());
        assert_eq!(self.heard(), wanted, "{}", agent.log());
    }

    /// Likewise, in any order.
    async fn hears_all(&self, agent: &Agent, wanted: &[(&str, &str, Value)]) {
        let mut wanted: Vec<_> = wanted.iter().map(|(a, b, c)| format!("{a} {b} {c}")).collect();
        let heard = self.bench.tape.until(LIMIT, |_| self.heard().len() >= wanted.len()).await;
        assert!(heard, "{:?}, and not {wanted:?}:\n{}", self.heard(), agent.log());
        let mut heard: Vec<_> = self.heard().iter().map(|(a, b, c)| format!("{a} {b} {c}")).collect();
        heard.sort();
        wanted.sort();
        assert_eq!(heard, wanted, "{}", agent.log());
    }
}

fn put(beside: &Path, file: &Path, text: &str) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    files::put(beside, text, files::PLAIN).unwrap();
    std::fs::rename(beside, file).unwrap();
}

/// Long enough for whatever is told at once.
async fn a_while() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

const HOT: &str = "[alarm.hot]\nleaf = \"Celsius\"\nabove = 85\nclear = 80\n\
    alert = { type = \"urn:t:at:hot\", mark = \"warning\", cleared = \"urn:t:at:cool\" }";

#[tokio::test]
async fn a_value_beyond_its_limit_is_told_at_once_and_once_whatever_restarts() {
    let rig = Rig::new(HOT).await;
    rig.put("celsius", 84);
    let mut agent = rig.bench.start().await;
    a_while().await;
    assert_eq!(rig.heard(), []);
    rig.put("celsius", 90);
    let told = [("hot", "Celsius", json!({"Value": 90, "Limit": 85}))];
    rig.hears(&agent, LIMIT, &told).await;
    assert_eq!(rig.bench.packages()[0].json["Alert"]["Items"][0]["Mark"], "warning");
    // Between the two bounds nothing happens.
    rig.put("celsius", 82);
    a_while().await;
    agent.signal(Signal::SIGHUP);
    agent.logged("about the reload", |line| line.contains("configuration read again")).await;
    a_while().await;
    agent.stop().await;
    for degrees in [82, 99] {
        rig.put("celsius", degrees);
        let agent = rig.bench.start().await;
        a_while().await;
        agent.kill().await;
    }
    assert_eq!(rig.heard().len(), 1);
}

#[tokio::test]
async fn what_turns_within_a_minute_is_counted_and_the_last_of_it_told_when_that_is_over() {
    let rig = Rig::new(HOT).await;
    rig.put("celsius", 90);
    let agent = rig.bench.start().await;
    let begun = Instant::now();
    rig.hears(&agent, LIMIT, &[("hot", "Celsius", json!({"Value": 90, "Limit": 85}))]).await;
    for degrees in [70, 91, 71] {
        // Longer than what comes at once is taken together.
        tokio::time::sleep(Duration::from_secs(3)).await;
        rig.put("celsius", degrees);
    }
    let told = [
        ("hot", "Celsius", json!({"Value": 90, "Limit": 85})),
        ("cool", "Celsius", json!({"Value": 71, "Limit": 85, "Omitted": 2})),
    ];
    rig.hears(&agent, MINUTE, &told).await;
    assert!(begun.elapsed() > Duration::from_secs(55), "{:?}", begun.elapsed());
    agent.stop().await;
}

#[tokio::test]
async fn what_must_hold_is_told_when_it_has_and_not_where_it_ends_before() {
    let rig = Rig::new(&HOT.replace("clear = 80", "for = \"3s\"")).await;
    rig.put("celsius", 90);
    let agent = rig.bench.start().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    rig.put("celsius", 70);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(rig.heard(), [], "{}", agent.log());
    rig.put("celsius", 91);
    let begun = Instant::now();
    rig.hears(&agent, LIMIT, &[("hot", "Celsius", json!({"Value": 91, "Limit": 85}))]).await;
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    agent.stop().await;
}

#[tokio::test]
async fn a_limit_that_a_server_sets_counts_at_once() {
    let rig = Rig::new(&HOT.replace("above = 85\nclear = 80", "above = { leaf = \"Limit\" }")).await;
    rig.put("celsius", 90);
    rig.bench.repository.put("/limit", "text/plain", "89");
    let uri = "{repository}/limit";
    rig.bench.play(json!([[["HGET", uri, format!("{CLIMATE}//Limit")]]]));
    let agent = rig.bench.start().await;
    a_while().await;
    assert_eq!(rig.heard(), []);
    rig.bench.notify().await;
    rig.hears(&agent, LIMIT, &[("hot", "Celsius", json!({"Value": 90, "Limit": 89}))]).await;
    agent.stop().await;
}

#[tokio::test]
async fn elements_that_come_and_go_are_told_and_those_that_were_there_are_not() {
    let alarms = "[alarm.devices]\nlist = \"Devices/<mac>\"\nalert = { type = \"urn:t:at:came\", cleared = \"urn:t:at:went\" }";
    let rig = Rig::new(alarms).await;
    rig.put("leases", json!([{"mac": "a:1", "ip": "1"}, {"mac": "b", "ip": "2"}]));
    let agent = rig.bench.start().await;
    a_while().await;
    assert_eq!(rig.heard(), [], "{}", agent.log());
    rig.put("leases", json!([{"mac": "b", "ip": "2"}, {"mac": "c/d", "ip": "3"}]));
    let told = [
        ("came", "Devices/c%2Fd", json!({"Value": "c/d"})),
        ("went", "Devices/a%3A1", json!({"Value": "a:1"})),
    ];
    rig.hears_all(&agent, &told).await;
    // What can't be read tells nothing of what is in it.
    rig.put("leases", "no JSON");
    a_while().await;
    agent.stop().await;
    rig.put("leases", json!([{"mac": "c/d", "ip": "3"}, {"mac": "e", "ip": "4"}]));
    let agent = rig.bench.start().await;
    let more = [("came", "Devices/e", json!({"Value": "e"})), ("went", "Devices/b", json!({"Value": "b"}))];
    rig.hears_all(&agent, &[told, more].concat()).await;
    agent.stop().await;
}

#[tokio::test]
async fn each_of_a_list_is_watched_by_itself_and_a_change_is_any_other_value() {
    let alarms = "[alarm.zone]\nleaf = \"Zones/<z>/Celsius\"\nbelow = 5\nalert = { type = \"urn:t:at:cold\" }\n\
        [alarm.door]\nleaf = \"Door\"\nchanges = true\nalert = { type = \"urn:t:at:door\" }\n\
        [alarm.open]\nleaf = \"Door\"\nequals = \"open\"\nalert = { type = \"urn:t:at:open\" }";
    let rig = Rig::new(alarms).await;
    for zone in 1..=3 {
        rig.put(&format!("zones/zone{zone}"), 20);
    }
    rig.put("door", "shut");
    let agent = rig.bench.start().await;
    a_while().await;
    rig.put("zones/zone2", 4);
    rig.put("zones/zone4", 3);
    rig.put("door", "open");
    let told = [
        ("cold", "Zones/2/Celsius", json!({"Value": 4, "Limit": 5})),
        ("cold", "Zones/4/Celsius", json!({"Value": 3, "Limit": 5})),
        ("door", "Door", json!({"Value": "open"})),
        ("open", "Door", json!({"Value": "open", "Limit": "open"})),
    ];
    rig.hears_all(&agent, &told).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_program_is_asked_again_and_again_and_where_files_tell_nothing_wakes_the_agent() {
    let said =
        "[alarm.said]\nleaf = \"Said\"\nchanges = true\nevery = \"1s\"\nalert = { type = \"urn:t:at:said\" }";
    let rig = Rig::new(&format!("{HOT}\n{said}")).await;
    rig.put("said", "one");
    rig.put("celsius", 20);
    let mut agent = rig.bench.start().await;
    a_while().await;
    rig.put("said", "two");
    rig.hears(&agent, LIMIT, &[("said", "Said", json!({"Value": "two"}))]).await;
    rig.alarms(HOT);
    agent.logged("about the object", |line| line.contains("configuration read again")).await;
    let rest = async {
        while !agent.timers().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let rested = tokio::time::timeout(LIMIT, rest).await;
    rested.unwrap_or_else(|_| panic!("{:?}\n{}", agent.timers(), agent.log()));
    rig.put("celsius", 90);
    let bench = &rig.bench;
    let told = bench.tape.until(LIMIT, |_| rig.heard().len() == 2).await;
    assert!(told, "{:?}\n{}", rig.heard(), agent.log());
    agent.stop().await;
    // What was told by an alarm that is no more is forgotten.
    let store = Store::open(&rig.path("state")).unwrap().store;
    let names: Vec<String> =
        store.snapshot().unwrap().alarms().unwrap().into_iter().map(|(key, _)| key.name).collect();
    assert_eq!(names, ["hot"]);
}

#[tokio::test]
async fn a_program_is_asked_at_a_sign_of_what_it_has_and_at_no_other_time() {
    let guests = "[alarm.guests]\nlist = \"Guests/<g>\"\nevery = \"1s\"\n\
        alert = { type = \"urn:t:at:come\", cleared = \"urn:t:at:gone\" }";
    let rig = Rig::new(guests).await;
    rig.put("guests", "ann\n");
    let agent = rig.bench.start().await;
    a_while().await;
    agent.at_rest().await;
    let asked = || std::fs::read(rig.path("values/guests.asked")).unwrap().len();
    let before = asked();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((asked(), agent.timers()), (before, Vec::new()), "{}", agent.log());
    rig.put("guests", "ann\nbob\n");
    let bob = |what: &'static str| (what, "Guests/bob", json!({"Value": "bob"}));
    rig.hears(&agent, LIMIT, &[bob("come")]).await;
    assert_eq!(asked(), before + 1, "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn who_comes_into_the_network_is_told_by_the_kernel() {
    network::of_its_own("who_comes_into_the_network_is_told_by_the_kernel", async {
        network::run(
            "ip link add lan type veth peer name port; ip link set port up; ip link set lan up
             ip addr add 192.0.2.1/24 dev lan",
        )
        .await;
        let neighbours = "[alarm.neighbours]\nlist = \"Neighbours/<n>\"\nevery = \"1s\"\n\
            alert = { type = \"urn:t:at:come\", cleared = \"urn:t:at:gone\" }";
        let rig = Rig::new(neighbours).await;
        let agent = rig.bench.start().await;
        a_while().await;
        agent.at_rest().await;
        network::run("ip neigh add 192.0.2.7 lladdr 02:00:5e:00:00:07 dev lan nud reachable").await;
        let seven = |what: &'static str| (what, "Neighbours/192.0.2.7", json!({"Value": "192.0.2.7"}));
        rig.hears(&agent, LIMIT, &[seven("come")]).await;
        agent.at_rest().await;
        agent.stop().await;
    })
    .await;
}

/// A file system that does not answer.
#[tokio::test]
async fn a_source_that_hangs_delays_no_other_alarm_and_not_the_end() {
    let hung = HOT
        .replace("alarm.hot", "alarm.a")
        .replace("Celsius", "Hung")
        .replace("clear = 80", "every = \"1s\"");
    let rig = Rig::new(&format!("{hung}\n{HOT}")).await;
    rig.put("celsius", 20);
    let mut agent = Agent::spawn_with_hung_folder(&rig.bench.gateway, &rig.path("hung")).await;
    agent.ready().await;
    a_while().await;
    let begun = Instant::now();
    rig.put("celsius", 90);
    rig.hears(&agent, LIMIT, &[("hot", "Celsius", json!({"Value": 90, "Limit": 85}))]).await;
    // What hangs is given up after 10 s.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let told = Instant::now();
    agent.signal(Signal::SIGTERM);
    assert!(agent.exit().await.success(), "{}", agent.log());
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}: {}", told.elapsed(), agent.log());
}

#[tokio::test]
async fn a_look_that_the_agent_has_died_of_twice_is_left_alone_and_the_others_go_on() {
    let said = "[alarm.said]\nleaf = \"Said\"\nchanges = true\nalert = { type = \"urn:t:at:said\" }";
    let rig = Rig::new(&format!("{HOT}\n{said}")).await;
    rig.put("celsius", 20);
    let pipe = rig.path("values/said");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let asked =
        || std::fs::read_to_string(rig.path("values/said.asked")).map_or(0, |text| text.lines().count());
    for life in 1..3 {
        let agent = rig.bench.start().await;
        let deadline = Instant::now() + LIMIT;
        while asked() < life && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(asked(), life, "{}", agent.log());
        agent.kill().await;
        // The program goes with its pipe.
        std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    }
    let mut agent = rig.bench.start().await;
    let line =
        agent.logged("that it is left alone", |line| line.contains("has died 2 times doing this")).await;
    assert!(line.contains("the look for its alarm said") && line.contains("left alone for 5 s"), "{line}");
    assert_eq!(asked(), 2);
    rig.put("celsius", 90);
    let told = ("hot", "Celsius", json!({"Value": 90, "Limit": 85}));
    rig.hears(&agent, LIMIT, std::slice::from_ref(&told)).await;
    // It was somebody else who killed it: seconds later all is as if nothing had been.
    std::fs::remove_file(&pipe).unwrap();
    rig.put("said", "one");
    let again = async {
        while asked() == 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, again).await.unwrap_or_else(|_| panic!("{}", agent.log()));
    a_while().await;
    let risks = std::fs::read_to_string(rig.path("state/risks")).unwrap_or_default();
    assert!(!risks.split("\n.\n").next().unwrap().contains("alarm said"), "{risks}");
    agent.stop().await;
}

/// Of many leaves, the one that kills is found out, and the others are read.
#[tokio::test]
async fn of_many_leaves_only_the_one_that_the_agent_dies_of_is_left_alone() {
    let alarms = "[alarm.zone]\nleaf = \"Zones/<z>/Said\"\nabove = 85\nalert = { type = \"urn:t:at:hot\" }";
    let rig = Rig::new(alarms).await;
    for zone in [1, 3, 4, 5] {
        rig.put(&format!("zones/zone{zone}"), 20);
    }
    let pipe = rig.path("values/zones/zone2");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let does = |wanted: &'static str| {
        let risks = rig.path("state/risks");
        async move {
            let is_noted = || {
                let text = std::fs::read_to_string(&risks).unwrap_or_default();
                let text = text.split("\n.\n").next().unwrap_or_default().to_owned();
                text.lines().any(|line| line.contains(wanted) && line.split(' ').nth(1) == Some("1"))
            };
            while !is_noted() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let leaf = "Zones/2/Said: reading it for its alarm zone";
    for noted in ["the look for its alarm zone", leaf, leaf] {
        let agent = rig.bench.start().await;
        let waited = tokio::time::timeout(LIMIT, does(noted)).await;
        waited.unwrap_or_else(|_| panic!("{noted}:\n{}", agent.log()));
        agent.kill().await;
        std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    }
    rig.put("zones/zone4", 90);
    let mut agent = rig.bench.start().await;
    let line =
        agent.logged("that it is left alone", |line| line.contains("has died 2 times doing this")).await;
    assert!(line.contains(leaf), "{line}");
    rig.hears(&agent, LIMIT, &[("hot", "Zones/4/Said", json!({"Value": 90, "Limit": 85}))]).await;
    agent.stop().await;
}

/// What is mounted over a folder is another one, of which the watch of the first says nothing.
#[tokio::test]
async fn what_is_mounted_over_a_folder_is_watched_and_what_it_hid_when_it_has_gone() {
    let open = "[alarm.open]\nleaf = \"Door\"\nequals = \"open\"\nalert = { type = \"urn:t:at:open\" }";
    let rig = Rig::new(&format!("{HOT}\n{open}")).await;
    let [other, values] = ["other", "values"].map(|name| rig.path(name).to_str().unwrap().to_owned());
    for (name, text) in
        [("celsius", "20"), ("door", "shut"), ("../other/celsius", "20"), ("../other/door", "shut")]
    {
        rig.put(name, text);
    }
    let place = rig.path("small");
    std::fs::create_dir(&place).unwrap();
    let disk = SmallDisk::new(&place, "1m").await;
    let mut agent = disk.spawn(&rig.bench.gateway).await;
    agent.ready().await;
    a_while().await;
    disk.run(&["mount", "--bind", &other, &values]).await;
    a_while().await;
    rig.put("../other/celsius", 90);
    let hot = ("hot", "Celsius", json!({"Value": 90, "Limit": 85}));
    rig.hears(&agent, LIMIT, std::slice::from_ref(&hot)).await;
    agent.at_rest().await;
    rig.put("door", "open");
    a_while().await;
    assert_eq!(rig.heard().len(), 1, "it is hidden");
    disk.run(&["umount", &values]).await;
    let opened = ("open", "Door", json!({"Value": "open", "Limit": "open"}));
    rig.hears(&agent, LIMIT, &[hot, opened]).await;
    agent.stop().await;
}

/// Nothing tells of the value, and it is not looked at again: that somebody may hear of it now is the sign.
#[tokio::test]
async fn who_may_read_it_later_hears_of_it_then() {
    let alarms = "[alarm.said]\nleaf = \"Said\"\nequals = \"open\"\nevery = \"1d\"\nalert = { type = \"urn:t:at:open\" }";
    let unread = format!("permissions = [{{ moid = \"{CLIMATE}\", rights = 6 }}]\n");
    let extra = unread.clone();
    let setup =
        Setup { account: Box::new(move |account, _| account.extra.push_str(&extra)), ..Setup::default() };
    let rig = Rig::with(setup, alarms).await;
    rig.put("said", "open");
    let agent = rig.bench.start().await;
    let asked = rig.path("values/said.asked");
    let looked = async {
        while !asked.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, looked).await.unwrap_or_else(|_| panic!("{}", agent.log()));
    a_while().await;
    assert_eq!(rig.heard(), [], "it may not be read");
    let account = rig.path("accounts").join(format!("{SERVER_ID}.toml"));
    let text = std::fs::read_to_string(&account).unwrap();
    files::put(&account, text.replace("rights = 6", "rights = 7"), files::PLAIN).unwrap();
    rig.hears(&agent, LIMIT, &[("open", "Said", json!({"Value": "open", "Limit": "open"}))]).await;
    agent.stop().await;
}

/// The server is never there: what waits for it is counted.
#[tokio::test]
async fn a_killed_agent_tells_of_each_that_turned_and_of_each_once() {
    const ZONES: usize = 24;
    let alarms = "[alarm.zone]\nleaf = \"Zones/<z>/Celsius\"\nabove = 85\nalert = { type = \"urn:t:at:hot\" }\n\
        [alarm.zones]\nlist = \"Zones/<z>\"\nalert = { type = \"urn:t:at:came\" }";
    let rig = Rig::with(
        Setup {
            account: Box::new(|account, _| account.server_uri = "https://127.0.0.1:1/dm".to_owned()),
            ..Setup::default()
        },
        alarms,
    )
    .await;
    // The lists have been looked at.
    let agent = rig.bench.start().await;
    a_while().await;
    agent.kill().await;
    for zone in 0..ZONES {
        let mut agent = rig.bench.spawn().await;
        if zone % 3 == 0 {
            agent.ready().await;
        }
        rig.put(&format!("zones/zone{zone}"), 90 + zone);
        let lives = u64::from(getrandom::u32().unwrap() % 600);
        tokio::time::sleep(Duration::from_millis(lives)).await;
        agent.kill().await;
        // Whoever dies twice of a look leaves it alone: these deaths have another cause.
        let _ = std::fs::remove_file(rig.path("state/risks"));
    }
    // Each that was not told before is now; the log has a line of each.
    let agent = rig.bench.start().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    a_while().await;
    agent.kill().await;
    let store = Store::open(&rig.path("state")).unwrap().store;
    let mut told = Vec::new();
    store
        .snapshot()
        .unwrap()
        .alerts(SERVER_ID, |_, alert| {
            let alert: Value = serde_json::from_slice(alert).unwrap();
            told.push(format!(
                "{} {}",
                alert["AlertType"].as_str().unwrap(),
                alert["SourceURI"].as_str().unwrap()
            ));
            true
        })
        .unwrap();
    told.sort();
    let mut wanted: Vec<String> = (0..ZONES)
        .flat_map(|zone| {
            [
                format!("urn:t:at:hot {CLIMATE}/1/Zones/{zone}/Celsius"),
                format!("urn:t:at:came {CLIMATE}/1/Zones/{zone}"),
            ]
        })
        .collect();
    wanted.sort();
    assert_eq!(told, wanted);
}
