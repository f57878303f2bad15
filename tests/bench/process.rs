//! The process: its size, its start, and what it costs at rest.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use omadm_agent::lab::gateway::Account;

use crate::support::bus::Daemon;
use crate::support::links::{Modems, Networks, State};
use crate::support::{Agent, Bench, Setup, shipped};
use crate::{Processor, Table, block_on, median, mib, millis};

const BINARY: &str = env!("CARGO_BIN_EXE_omadmd");
const MANIFEST: &str = env!("CARGO_MANIFEST_DIR");
/// What is installed besides the program: the folders and files of the package's list.
const INSTALLED: [&str; 6] =
    ["mo", "systemd", "packaging/config", "packaging/exec", "packaging/examples", "packaging/deb/copyright"];
/// Libraries that every Debian has because of libc6.
const LIBC: [&str; 5] = ["linux-vdso", "libc.so", "ld-linux", "libm.so", "libpthread"];
/// How long nothing happens before the agent counts as idle: its runtime keeps a used thread for 10 s.
const SETTLE: Duration = Duration::from_secs(12);
const REST: Duration = Duration::from_secs(10);
/// The budget of a start.
const START: Duration = Duration::from_millis(15);

pub(crate) fn size(table: &mut Table) {
    let binary = std::fs::metadata(BINARY).unwrap().len();
    table.note("omadmd, stripped", mib(binary));
    let files: u64 = INSTALLED.iter().map(|path| size_of(&Path::new(MANIFEST).join(path))).sum();
    let libraries: Vec<PathBuf> = libraries();
    let shared: u64 = libraries.iter().map(|path| std::fs::metadata(path).unwrap().len()).sum();
    // This build has the lab's features: the budget of 5 MiB is of what is packaged, and `make system` holds it.
    table.note("program with the lab's features, and libraries beyond libc", mib(binary + shared));
    let names: Vec<_> = libraries.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    table.note("  of it libraries", format!("{} {} KiB", names.join(" "), shared >> 10));
    table.note("objects, units, configuration beside it", format!("{} KiB", files >> 10));
}

fn size_of(path: &Path) -> u64 {
    if !path.is_dir() {
        return std::fs::metadata(path).unwrap().len();
    }
    path.read_dir().unwrap().map(|entry| size_of(&entry.unwrap().path())).sum()
}

fn libraries() -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(BINARY).output().unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    let beyond = listed.lines().filter(|line| !LIBC.iter().any(|known| line.contains(known)));
    beyond.filter_map(|line| Some(line.split_once("=> ")?.1.split_whitespace().next()?.into())).collect()
}

pub(crate) fn start(table: &mut Table) {
    let bench = block_on(Bench::new());
    let first = start_once(&bench);
    let starts: Vec<_> = (0..20).map(|_| start_once(&bench)).collect();
    let of = |part: fn(&Start) -> Duration| median(starts.iter().map(part).collect());
    table.note("start to READY, the store is made", millis(first.taken));
    let taken = of(|start| start.taken);
    table.row("start to READY, median of 20", millis(taken), "≤ 15 ms", Some(taken <= START));
    let (running, waiting) = (of(|start| start.processor.running), of(|start| start.processor.waiting));
    let found = format!("{} · {}", millis(running), millis(waiting));
    table.note("  on a processor · others were on it", found);
    table.note("  best of 20", millis(starts.iter().map(|start| start.taken).min().unwrap()));
}

/// One start, from fork to the datagram.
struct Start {
    taken: Duration,
    processor: Processor,
}

fn start_once(bench: &Bench) -> Start {
    let path = bench.gateway.path("ready");
    let _ = std::fs::remove_file(&path);
    let ready = UnixDatagram::bind(&path).unwrap();
    ready.set_read_timeout(Some(crate::support::LIMIT)).unwrap();
    let begun = Instant::now();
    let mut child: Child = Command::new(BINARY)
        .arg("--config")
        .arg(bench.gateway.config())
        .env_clear()
        .env("NOTIFY_SOCKET", &path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = [0; 512];
    let length = ready.recv(&mut said).unwrap();
    let taken = begun.elapsed();
    let processor = Processor::of(&child.id().to_string()).unwrap_or_default();
    assert!(said[..length].starts_with(b"READY=1"));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert!(child.wait().unwrap().success());
    Start { taken, processor }
}

/// With every object that ships, ModemManager and NetworkManager beside it: the gateway that has most.
pub(crate) fn all_that_ships(table: &mut Table) {
    block_on(async {
        let daemon = Daemon::start();
        let _modems = Modems::start(&daemon, State::default()).await;
        let _networks = Networks::start(&daemon, 2).await;
        let bench = Bench::with(Setup { config: daemon.config(), ..Setup::default() }).await;
        let count = shipped::put_all(&bench);
        let agent = bench.start().await;
        tokio::time::sleep(SETTLE).await;
        resident(table, &format!("idle, all {count} objects that ship, on D-Bus"), &agent);
        for number in 1..=20 {
            bench.session(&agent, number).await;
        }
        tokio::time::sleep(SETTLE).await;
        resident(table, "idle, the same after 20 sessions", &agent);
        assert!(agent.log().contains(&format!("{} management objects", count + 2)), "{}", agent.log());
        agent.stop().await;
    });
}

pub(crate) fn idle(table: &mut Table) {
    block_on(async {
        // DevInfo asks it for a modem; the connection stays.
        let daemon = Daemon::start();
        let bench = Bench::with(Setup { config: daemon.config(), ..Setup::default() }).await;
        let agent = bench.start().await;
        tokio::time::sleep(SETTLE).await;
        at_rest(table, "idle, never had a session", &agent).await;
        for number in 1..=20 {
            bench.session(&agent, number).await;
        }
        table.note("  threads right after a session", threads(&agent));
        tokio::time::sleep(SETTLE).await;
        at_rest(table, "idle, after 20 sessions over TLS, on D-Bus", &agent).await;
        agent.stop().await;

        // Without a CA of its own the account trusts the system's, which do not know the bench's server.
        let of_system = |account: &mut Account, _: &_| account.ca_pem = None;
        let setup = Setup { config: daemon.config(), account: Box::new(of_system), ..Setup::default() };
        let bench = Bench::with(setup).await;
        let mut agent = bench.start().await;
        bench.notify().await;
        agent.logged("of a session that can't be", |line| line.contains(" failed: ")).await;
        // It tries again and again: that is no rest, but memory is as it will be.
        tokio::time::sleep(SETTLE).await;
        resident(table, "between attempts, with the system's roots", &agent);
        agent.stop().await;
    });
}

async fn at_rest(table: &mut Table, what: &str, agent: &Agent) {
    resident(table, what, agent);
    let before = switches(agent);
    tokio::time::sleep(REST).await;
    let wakes = switches(agent) - before;
    let threads = threads(agent);
    table.row("  threads", threads, "2: the agent's, and the one that hears signals", Some(threads <= 2));
    table.row("  wake-ups in 10 s", wakes, "0", Some(wakes == 0));
}

fn resident(table: &mut Table, what: &str, agent: &Agent) {
    let resident = agent.resident() as u64;
    table.row(&format!("{what}: RSS"), mib(resident), "≤ 8 MiB", Some(resident <= 8 << 20));
    table.note("  of it anonymous", format!("{} KiB", field(agent, "RssAnon:")));
}

fn threads(agent: &Agent) -> u64 {
    field(agent, "Threads:")
}

/// Context switches of all its threads, voluntary and not.
fn switches(agent: &Agent) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
    let files = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).unwrap());
    let lines: String = files.collect();
    lines
        .lines()
        .filter_map(|line| line.split_once("voluntary_ctxt_switches:"))
        .map(|(_, count)| number(count))
        .sum()
}

pub(crate) fn field(agent: &Agent, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    number(status.lines().find_map(|line| line.strip_prefix(name)).unwrap())
}

fn number(text: &str) -> u64 {
    text.trim().trim_end_matches(" kB").parse().unwrap()
}
