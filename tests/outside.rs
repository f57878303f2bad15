//! What is outside of the agent and does not do as it should: files that hang, names that are none, a machine that
//! does not know who it is, somebody else who writes.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use omadm_agent::lab::gateway::Account;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::lab::{Options, Reply, Script, Server, files};
use serde_json::{Value, json};

use crate::support::{Agent, BENCH, Bench, DEVINFO, LIMIT, SECRET, Setup, ddf, fuse, network};

const OUT: &str = "urn:bench:mo:out:1.0";
const DMMO: &str = "application/dmmo+json";

fn out(path: &str) -> String {
    format!("{OUT}//{path}")
}

/// An object with these leaves, each with what stands in its mapping.
fn put_object(bench: &Bench, leaves: &[(String, String)]) {
    let leaf = |(name, mapping): &(String, String)| {
        let (format, access) = match mapping {
            exec if exec.contains("exec =") => ("null", "Exec"),
            _ => ("chr", "Get Replace"),
        };
        ddf::node(name, format, access, "One", "")
    };
    let children: String = leaves.iter().map(leaf).collect();
    let root = ddf::node("Out", "node", "Get Replace", "One", &children);
    let mappings: String =
        leaves.iter().map(|(name, mapping)| format!("[node.{name}]\n{mapping}\n")).collect();
    ddf::put(&bench.gateway, OUT, "Out", &root, &format!("instances = [\"1\"]\n{mappings}"));
}

/// Another account, its server, and how its sessions begin.
struct Other {
    _server: Server,
    udp: std::net::SocketAddr,
    next: u16,
}

impl Other {
    async fn new(bench: &Bench, sessions: usize) -> Self {
        bench.repository.put("/name", "text/plain", "committed");
        let origin = bench.repository_server.origin();
        let session = json!([
            ["HGET", format!("{origin}/name"), format!("{BENCH}//Name")],
            ["GET", format!("{BENCH}//Name")]
        ]);
        let mut script = Script::default();
        for _ in 0..sessions {
            script.push([Reply::commands(&session)]);
        }
        let options = Options::new("other", bench.authority.server().unwrap(), &bench.tape);
        let server = Server::start(options, script.handler()).await.unwrap();
        let account = Account {
            origins: vec![origin],
            secret: Some(SECRET.to_owned()),
            ..Account::new("other", &format!("{}/dm", server.origin()), &bench.authority)
        };
        bench.gateway.put_account(&account).unwrap();
        Self { _server: server, udp: bench.udp, next: 0 }
    }

    /// Notifies, and waits for the end of a session in which something is written and committed.
    async fn session(&mut self, bench: &Bench, agent: &Agent) {
        self.next += 1;
        let notification = Notification::new("other", SECRET.as_bytes(), 5000 + self.next);
        notification.send(self.udp).await.unwrap();
        let count = usize::from(self.next);
        let ended = |tape: &omadm_agent::lab::Tape| {
            let packages: Vec<_> =
                tape.requests("other").iter().filter_map(|request| request.package().ok()).collect();
            packages.iter().filter(|package| !package.initiation).count() == count
        };
        assert!(bench.tape.until(LIMIT, ended).await, "the other account: {}", agent.log());
        let last = bench.tape.requests("other").last().unwrap().package().unwrap();
        assert_eq!(last.statuses(), [200, 200]);
    }
}

/// How many threads do file work.
fn file_threads(agent: &Agent) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
    let names =
        tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
    names.filter(|name| name.trim() == "files").count()
}

/// SIGTERM ends it within 5 s, whatever hangs; and a machine that is busy has a little more.
async fn stop(agent: Agent) {
    let begun = Instant::now();
    agent.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

/// So many leaves, in as many file systems that hang.
async fn others_go_on(leaves: usize, mounts: usize) {
    let bench =
        Bench::with(Setup { config: "[session]\nretries = 1\n".to_owned(), ..Setup::default() }).await;
    let folder = |number: usize| bench.gateway.path(&format!("dead{number}"));
    let silent: Vec<_> = (0..mounts).map(|number| fuse::silent(&folder(number))).collect();
    let leaf = |number: usize| {
        let file = folder(number % mounts).join(format!("leaf{number}"));
        (format!("L{number}"), format!("get = [{{ file = \"{}\" }}]", file.display()))
    };
    put_object(&bench, &(0..leaves).map(leaf).collect::<Vec<_>>());
    let gets: Vec<_> = (0..leaves).map(|number| json!(["GET", out(&format!("L{number}"))])).collect();
    bench.play(json!([gets]));
    let mut other = Other::new(&bench, 4).await;
    let agent = bench.start().await;
    bench.notify().await;
    bench.until(&agent, "the session that will hang", |exchanges| !exchanges.is_empty()).await;
    for _ in 0..4 {
        other.session(&bench, &agent).await;
    }
    if mounts == 1 {
        // One limit for all of them: one by one they would take longer than anybody waits here.
        bench.ended(&agent, 1).await;
        assert_eq!(bench.statuses(), [vec![503; leaves]], "{}", agent.log());
        let begun = Instant::now();
        while file_threads(&agent) != 1 {
            // A thread that is done waits a little for more.
            assert!(begun.elapsed() < LIMIT, "{} threads", file_threads(&agent));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    stop(agent).await;
    drop(silent);
}

#[tokio::test]
async fn one_file_that_hangs_holds_up_nobody_else() {
    network::of_its_own("one_file_that_hangs_holds_up_nobody_else", others_go_on(1, 1)).await;
}

#[tokio::test]
async fn two_file_systems_that_hang_hold_up_nobody_else() {
    network::of_its_own("two_file_systems_that_hang_hold_up_nobody_else", others_go_on(2, 2)).await;
}

#[tokio::test]
async fn forty_files_that_hang_in_one_file_system_cost_one_thread_and_one_limit() {
    let test = "forty_files_that_hang_in_one_file_system_cost_one_thread_and_one_limit";
    network::of_its_own(test, others_go_on(40, 1)).await;
}

#[tokio::test]
async fn forty_file_systems_that_hang_hold_up_nobody_else() {
    network::of_its_own("forty_file_systems_that_hang_hold_up_nobody_else", others_go_on(40, 40)).await;
}

#[tokio::test]
async fn a_list_that_hangs_and_what_is_written_there_are_unavailable() {
    network::of_its_own("a_list_that_hangs_and_what_is_written_there_are_unavailable", async {
        let bench = Bench::new().await;
        let dead = bench.gateway.path("dead");
        let silent = fuse::silent(&dead);
        let text = ddf::node("Text", "chr", "Get Replace", "One", "");
        let entry = ddf::node("", "node", "Get", "ZeroOrMore", &text);
        let entries = ddf::node("Entries", "node", "Get", "One", &entry);
        let a = ddf::node("A", "chr", "Get Replace", "One", "");
        let root = ddf::node("Out", "node", "Get Replace", "One", &format!("{a}{entries}"));
        let mapping = "instances = [\"1\"]\n[node.\"Entries/<e>\"]\nlist = { glob = \"@folder@/dead/*\" }\n\
             [node.\"Entries/<e>/Text\"]\nget = [{ file = \"@folder@/dead/{e}\" }]\n\
             [node.A]\nget = [{ file = \"@folder@/dead/a\" }]\nset = { file = \"@folder@/dead/a\" }\n";
        ddf::put(&bench.gateway, OUT, "Out", &root, mapping);
        bench.repository.put("/a", "text/plain", "x");
        bench.play(json!([[
            ["GET", out("Entries/x/Text")],
            ["HGET", "{repository}/a", out("A")],
            ["GET", format!("{BENCH}//Name")]
        ]]));
        let agent = bench.start().await;
        bench.session(&agent, 1).await;
        let statuses = bench.statuses();
        assert_eq!(statuses[0][..2], [503, 503], "{}", agent.log());
        stop(agent).await;
        drop(silent);
    })
    .await;
}

/// The file system can be read, so the change begins; then it hangs. What it was about to do there is settled when it
/// answers again.
#[tokio::test]
async fn a_write_that_hangs_fails_takes_the_rest_back_and_is_settled_later() {
    network::of_its_own("a_write_that_hangs_fails_takes_the_rest_back_and_is_settled_later", async {
        let bench = Bench::new().await;
        let (dead, a) = (bench.gateway.path("dead"), bench.gateway.path("a"));
        std::fs::create_dir(&dead).unwrap();
        for file in [&a, &dead.join("leaf")] {
            files::put(file, "before\n", files::PLAIN).unwrap();
        }
        let silent = fuse::unwritable(&dead, b"before\n");
        let file = |path: &str| format!("get = [{{ file = \"{path}\" }}]\nset = {{ file = \"{path}\" }}");
        let leaves = [("A", file("@folder@/a")), ("B", file("@folder@/dead/leaf"))];
        put_object(&bench, &leaves.map(|(name, mapping)| (name.to_owned(), mapping)));
        let document = json!({"MOData": {"Out": {"A": "after", "B": "after"}}});
        bench.repository.put("/out", DMMO, document.to_string());
        bench.play(json!([[["GET", out("B")], ["HGET", "{repository}/out", out("")]]]));
        let mut other = Other::new(&bench, 2).await;
        let mut agent = bench.start().await;
        bench.session(&agent, 1).await;
        assert_eq!(bench.statuses(), [[200, 503]], "{}", agent.log());
        assert_eq!(std::fs::read_to_string(&a).unwrap(), "before\n", "what had been done is taken back");
        agent.logged("that it can't be taken back", |line| line.contains("can't be taken back")).await;
        other.session(&bench, &agent).await;
        network::run(&format!("umount -l {}", dead.display())).await;
        drop(silent);
        let settled = format!("{} is as it was before", dead.join("leaf").display());
        agent.logged("that it is settled", |line| line.contains(&settled)).await;
        other.session(&bench, &agent).await;
        stop(agent).await;
    })
    .await;
}

#[tokio::test]
async fn an_exec_of_a_file_that_hangs_is_202_and_reported_when_it_is_given_up() {
    network::of_its_own("an_exec_of_a_file_that_hangs_is_202_and_reported_when_it_is_given_up", async {
        let setup = Setup { config: "[exec]\nsync-limit = \"1s\"\n".to_owned(), ..Setup::default() };
        let bench = Bench::with(setup).await;
        let silent = fuse::silent(&bench.gateway.path("dead"));
        put_object(&bench, &[("Go".to_owned(), "exec = { file = \"@folder@/dead/go\" }".to_owned())]);
        bench.play(json!([[["EXEC", out("Go")]]]));
        let agent = bench.start().await;
        bench.session(&agent, 1).await;
        assert_eq!(bench.statuses(), [[202]], "{}", agent.log());
        bench.ended(&agent, 2).await;
        let packages = bench.packages();
        let alert = packages.iter().find_map(|package| package.json["Alert"]["Items"].as_array()).unwrap();
        assert_eq!(alert[0]["Data"]["ResultCode"], 500, "{alert:?}");
        stop(agent).await;
        drop(silent);
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_not_utf_8_is_passed_over() {
    let bench = Bench::new().await;
    let folder = bench.gateway.path("names");
    std::fs::create_dir(&folder).unwrap();
    for name in [b"good".as_slice(), b"caf\xe9", b"\xff\xfe"] {
        files::put(&folder.join(std::ffi::OsStr::from_bytes(name)), "text\n", files::PLAIN).unwrap();
    }
    let text = ddf::node("Text", "chr", "Get", "One", "");
    let entry = ddf::node("", "node", "Get", "ZeroOrMore", &text);
    let entries = ddf::node("Entries", "node", "Get", "One", &entry);
    let root = ddf::node("Out", "node", "Get", "One", &entries);
    let mapping = "instances = [\"1\"]\n[node.\"Entries/<e>\"]\nlist = { glob = \"@folder@/names/*\" }\n\
         [node.\"Entries/<e>/Text\"]\nget = [{ file = \"@folder@/names/{e}\" }]\n";
    ddf::put(&bench.gateway, OUT, "Out", &root, mapping);
    bench.play(json!([[["GET", out("Entries")], ["GET", out("Entries/good/Text")]]]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200, 200]], "{}", agent.log());
    let listed: Value = serde_json::from_slice(&bench.packages()[1].part(1).unwrap().body).unwrap();
    assert_eq!(listed["MOData"]["Entries"], json!({"good": {"Text": "text"}}));
    agent
        .logged("what is passed over", |line| line.contains("2 names below") && line.contains("not UTF-8"))
        .await;
    agent.stop().await;
}

/// A machine of which nothing is known.
async fn on_nothing(bench: &Bench, sysroot: &str, wait: &str) -> PathBuf {
    let root = bench.gateway.path("root");
    std::fs::create_dir_all(root.join("etc")).unwrap();
    if !sysroot.is_empty() {
        files::put(&root.join("etc/machine-id"), sysroot, files::PLAIN).unwrap();
    }
    let mapping = std::fs::read_to_string(bench.gateway.path("mo/devinfo/devinfo.toml")).unwrap();
    assert!(mapping.contains("wait = \"60s\""));
    let mapping = mapping.replace("wait = \"60s\"", &format!("wait = \"{wait}\""));
    bench.gateway.put_mo("devinfo", "devinfo.toml", &mapping).unwrap();
    let config = std::fs::read_to_string(bench.gateway.config()).unwrap();
    let config = config.replace("[paths]\n", &format!("[paths]\nsysroot = \"{}\"\n", root.display()));
    files::put(&bench.gateway.config(), config, files::PLAIN).unwrap();
    root
}

async fn dev_id(bench: &Bench, agent: &Agent, session: usize) -> String {
    bench.play(json!([[["GET", format!("{DEVINFO}//DevID")]]]));
    bench.session(agent, session).await;
    let packages = bench.packages();
    let told = String::from_utf8(packages.last().unwrap().part(1).unwrap().body.to_vec()).unwrap();
    let header = bench.tape.requests("dm").last().unwrap().header("omadm-devid").to_owned();
    assert_eq!(header, told);
    told
}

fn is_uuid(id: &str, version: char) -> bool {
    id.len() == 41 && id.starts_with("UUID:") && id.chars().nth(19) == Some(version)
}

#[tokio::test]
async fn a_machine_that_does_not_know_who_it_is_makes_itself_a_name_and_keeps_it() {
    let bench = Bench::new().await;
    let root = on_nothing(&bench, "", "60s").await;
    let agent = bench.start().await;
    let made_up = dev_id(&bench, &agent, 1).await;
    assert!(is_uuid(&made_up, '4'), "{made_up}");
    agent.stop().await;
    // What comes later is too late.
    files::put(&root.join("etc/machine-id"), "0f1e2d3c4b5a69788796a5b4c3d2e1f0\n", files::PLAIN).unwrap();
    let agent = bench.start().await;
    assert_eq!(dev_id(&bench, &agent, 2).await, made_up);
    agent.stop().await;
}

#[tokio::test]
async fn what_is_fixed_to_a_machine_names_it_where_its_machine_id_stays_uninitialized() {
    let mut seen = Vec::new();
    for serial in [None, Some("10000000abcdef01\0")] {
        let bench = Bench::new().await;
        let root = on_nothing(&bench, "uninitialized\n", "2s").await;
        for (interface, address) in [("eth0", "a0:00:5e:00:00:09"), ("eth1", "a0:00:5e:00:00:08")] {
            let folder = root.join("sys/class/net").join(interface);
            std::fs::create_dir_all(folder.join("device")).unwrap();
            for (file, content) in [("address", address), ("addr_assign_type", "0"), ("type", "1")] {
                files::put(&folder.join(file), format!("{content}\n"), files::PLAIN).unwrap();
            }
        }
        if let Some(serial) = serial {
            files::put(&root.join("proc/device-tree/serial-number"), serial, files::PLAIN).unwrap();
        }
        let agent = bench.start().await;
        // The better source gets its time.
        tokio::time::sleep(Duration::from_secs(3)).await;
        seen.push(dev_id(&bench, &agent, 1).await);
        agent.stop().await;
    }
    // RFC 9562, appendix B.2, of "mac:a0:00:5e:00:00:08".
    assert_eq!(seen[0], "UUID:2241f170-da18-8068-9d0e-c3065d1f0964");
    assert!(is_uuid(&seen[1], '8') && seen[0] != seen[1], "{seen:?}");
}

#[tokio::test]
async fn a_change_that_fails_leaves_what_somebody_else_has_written_meanwhile() {
    let bench = Bench::new().await;
    let [theirs, ours] = ["theirs", "ours"].map(|name| bench.gateway.path(name));
    for file in [&theirs, &ours] {
        files::put(file, "before\n", files::PLAIN).unwrap();
    }
    std::os::unix::fs::chown(&ours, Some(0), Some(0)).unwrap();
    let script = "#!/bin/sh\ncat \"$1/ours\" >\"$1/seen\"\necho 'by somebody else' >\"$1/theirs\"\nexit 1\n";
    files::put(&bench.gateway.path("fail-late"), script, files::PROGRAM).unwrap();
    let file = |path: &str| format!("get = [{{ file = \"{path}\" }}]\nset = {{ file = \"{path}\" }}");
    let run = "set = { run = [\"@folder@/fail-late\", \"@folder@\"] }\nverify = false".to_owned();
    // In the order of the DDF the program comes first; it runs last.
    let leaves = [("A", run), ("B", file("@folder@/theirs")), ("C", file("@folder@/ours"))];
    put_object(&bench, &leaves.map(|(name, mapping)| (name.to_owned(), mapping)));
    let document = json!({"MOData": {"Out": {"A": "x", "B": "after", "C": "after"}}});
    bench.repository.put("/out", DMMO, document.to_string());
    bench.play(json!([[["HGET", "{repository}/out", out("")]]]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[500]], "{}", agent.log());
    let content = |name: &str| std::fs::read_to_string(bench.gateway.path(name)).unwrap();
    assert_eq!((content("seen").as_str(), content("theirs").as_str()), ("after\n", "by somebody else\n"));
    assert_eq!(content("ours"), "before\n");
    let said = |line: &str| {
        line.contains("theirs has been changed by somebody else") && line.contains("stays as it is")
    };
    agent.logged("that it is left", said).await;
    agent.stop().await;
}

/// One interface's device does not answer; it has an address, and may be of any type.
#[tokio::test]
async fn an_interface_whose_device_hangs_hides_no_other_and_holds_up_nobody() {
    use omadm_agent::bearer::ConnectionType::{Mobile, Wireline};
    network::of_its_own("an_interface_whose_device_hangs_hides_no_other_and_holds_up_nobody", async {
        network::run("mount -t sysfs sysfs /sys").await;
        for (name, address) in [("wwan0", "192.0.2.1/24"), ("e0", "198.51.100.1/24")] {
            let peer = format!("to-{name}");
            network::run(&format!("ip link add {name} type veth peer name {peer}; ip link set {peer} up"))
                .await;
            network::run(&format!("ip addr add {address} dev {name}; ip link set {name} up")).await;
        }
        let device = "/sys/devices/virtual/net/wwan0";
        let hung = fuse::silent(std::path::Path::new(device));
        let bench = Bench::new().await;
        let mut other = Other::new(&bench, 3).await;
        let mut agent = bench.start().await;
        bench.send(&Notification { preferred: vec![Wireline], ..bench.notification() }).await;
        bench.ended(&agent, 1).await;
        bench.send(&Notification { preferred: vec![Mobile], ..bench.notification() }).await;
        for _ in 0..3 {
            other.session(&bench, &agent).await;
        }
        assert!(!agent.log().contains("waiting for a preferred"), "nobody knows that yet: {}", agent.log());
        agent.logged("that it waits", |line| line.contains("waiting for a preferred connection type")).await;
        let log = agent.log();
        assert_eq!(log.matches("wwan0: its connection type is not known: no answer").count(), 1, "{log}");
        assert_eq!(bench.packages().len(), 1, "{log}");
        drop(hung);
        network::run(&format!("umount {device}")).await;
        // Nothing tells that; it is looked at every now and then.
        let begins = |tape: &omadm_agent::lab::Tape| tape.requests("dm").len() > 1;
        assert!(bench.tape.until(2 * LIMIT, begins).await, "{}", agent.log());
        bench.ended(&agent, 2).await;
        stop(agent).await;
    })
    .await;
}
