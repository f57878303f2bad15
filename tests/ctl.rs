//! What holds for each command of `omadmctl`: its exit status, its one answer for programs, and that it ends.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::process::Command;

use crate::support::bus::Daemon;
use crate::support::local::Agent;
use crate::support::{Bench, DEVINFO, SERVER_ID};

/// What is said by a command that went its way, and how it ended.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `omadmctl` on this bus.
pub(crate) async fn ctl(bus: &str, arguments: &[impl AsRef<OsStr>]) -> Said {
    ctl_as_wide(bus, arguments, None).await
}

/// Runs `omadmctl` on this bus, for so many columns.
pub(crate) async fn ctl_as_wide(bus: &str, arguments: &[impl AsRef<OsStr>], columns: Option<usize>) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_omadmctl"));
    command.args(arguments).env("DBUS_SYSTEM_BUS_ADDRESS", bus).env_remove("COLUMNS").stdin(Stdio::null());
    if let Some(columns) = columns {
        command.env("COLUMNS", columns.to_string());
    }
    let Output { status, stdout, stderr } = command.kill_on_drop(true).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// The commands, as the help has them.
async fn commands() -> Vec<String> {
    let help = ctl("", &["--help"]).await.out;
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    lines.map(|line| line.trim_start().split("  ").next().unwrap().to_owned()).collect()
}

/// Arguments with which a command asks the agent.
const ASKING: [&str; 13] = [
    "status",
    "session start acme",
    "session list",
    "get urn:m//A",
    "tree",
    "set --dry-run urn:m//A 1",
    "exec --wait urn:m//A",
    "alert raise com.acme.cabinet",
    "alert list",
    "alert drop acme",
    "account list",
    "account test acme",
    "config-request urn:m",
];

/// Arguments with which a command fails where there is neither bus nor agent: those that ask the agent, and the others.
fn failing() -> Vec<&'static str> {
    let others = [
        "reload",
        "config check /gone/omadmd.toml",
        "notify --server-id acme --secret-file /gone/secret 192.0.2.1",
        "report /gone",
        "ddf show /gone/a.ddf.xml",
        "ddf check /gone/a.ddf.xml",
        "mo list /gone/omadmd.toml",
        "mo check /gone",
        "mo ddf /gone",
        "mo new /gone/a.ddf.xml",
        "mo read --sysroot / /gone",
        "explain --page /gone/page otherwise",
    ];
    ASKING.into_iter().chain(others).collect()
}

/// Arguments that are wrong whatever the machine is like.
const WRONG: [&str; 31] = [
    "status one two",
    "status --wait",
    "session start",
    "session list one",
    "session stop acme",
    "get",
    "get DevID",
    "get urn:m",
    "tree urn:m//A//B",
    "set urn:m//A",
    "set DevID 1",
    "exec DevID",
    "exec --wait --dry-run urn:m//A",
    "alert raise --mark bad com.acme.cabinet",
    "alert raise --source DevID com.acme.cabinet",
    "alert raise cabinet",
    "alert list one",
    "alert drop",
    "account list one",
    "account test",
    "config-request",
    "config check one two",
    "reload now",
    "notify host",
    "notify --server-id a --secret-file b --prefer pigeon host",
    "report one two",
    "ddf show",
    "mo list one two",
    "mo check",
    "explain one two",
    "frobnicate",
];

#[track_caller]
fn answer(words: &str, said: &Said) -> Value {
    let Said { out, err, .. } = said;
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 1, "{words}: one object on one line: {out}{err}");
    let answer: Value = serde_json::from_str(out).unwrap_or_else(|error| panic!("{words}: {error}: {out}"));
    assert!(answer["version"] == 1 && answer["ok"].is_boolean(), "{words}: {answer}");
    answer
}

#[tokio::test]
async fn each_command_tells_what_failed_from_what_is_wrong_to_people_and_to_programs() {
    for command in commands().await {
        let is_it = |words: &&str| format!("{words} ").starts_with(&format!("{command} "));
        assert!(failing().iter().any(is_it), "{command}: how does it fail?");
    }
    for (code, all) in [(1, failing()), (2, WRONG.to_vec())] {
        for words in all {
            let plain: Vec<&str> = words.split(' ').collect();
            let said = ctl("unix:path=/nowhere", &plain).await;
            assert_eq!(said.code, Some(code), "{words}: {}{}", said.out, said.err);
            assert!(!said.err.is_empty() || !said.out.is_empty(), "{words}");
            let said = ctl("unix:path=/nowhere", &[&["--json"][..], &plain].concat()).await;
            assert_eq!(said.code, Some(code), "{words}: {}{}", said.out, said.err);
            let answer = answer(words, &said);
            assert_eq!(answer["ok"], false, "{words}");
            let is_told = answer["error"].is_string() && answer["why"].is_string();
            assert!(is_told || !answer["findings"].as_array().unwrap().is_empty(), "{words}: {answer}");
            assert!(code == 1 || answer["error"] == "WrongUsage", "{words}: {answer}");
        }
    }
    // What is an argument of the command's own asks for nothing.
    let said = ctl("unix:path=/nowhere", &["explain", "--page", "/gone", "--", "--json"]).await;
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
}

#[tokio::test]
async fn each_command_that_succeeds_answers_programs_with_one_object() {
    let bench = Bench::new().await;
    bench.play(serde_json::json!([]));
    let agent = Agent::start(&bench).await;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = |below: &str| root.join(below).display().to_string();
    let (uri, config) = (format!("{DEVINFO}//DevID"), bench.gateway.config().display().to_string());
    let (ddf, page, mo) =
        (path("mo/dmacc/dmacc.ddf.xml"), path("docs/mapping.md"), path("examples/gateway/mo/gateway"));
    let sysroot = path("examples/gateway/sysroot");
    let all: [&[&str]; 18] = [
        &["status"],
        &["session", "list"],
        &["get", &uri],
        &["tree", &uri],
        &["alert", "raise", "com.acme.cabinet"],
        &["alert", "list"],
        &["alert", "drop", SERVER_ID],
        &["account", "list"],
        &["account", "test", SERVER_ID],
        &["config", "check", &config],
        &["reload"],
        &["ddf", "show", &ddf],
        &["ddf", "check", &ddf],
        &["mo", "list"],
        &["mo", "check", &mo],
        &["mo", "new", &ddf],
        &["mo", "read", "--sysroot", &sysroot, &mo],
        &["explain", "--page", &page, "otherwise"],
    ];
    for words in all {
        let said = ctl(&agent.bus.address(), &[words, &["--json"]].concat()).await;
        let answer = answer(&words.join(" "), &said);
        assert_eq!(
            (said.code, &answer["ok"]),
            (Some(0), &Value::Bool(true)),
            "{words:?}: {answer}{}",
            said.err
        );
    }
    agent.stop().await;
}

/// All commands that ask the agent, at once; each must end, and say that nobody answers.
async fn all_end(bus: &str) {
    let begun = Instant::now();
    let mut asked = tokio::task::JoinSet::new();
    for words in ASKING.into_iter().chain(["reload"]) {
        let bus = bus.to_owned();
        asked.spawn(async move {
            let said = ctl(&bus, &words.split(' ').chain(["--json"]).collect::<Vec<_>>()).await;
            (words, said)
        });
    }
    while let Some(ended) = asked.join_next().await {
        let (words, said) = ended.unwrap();
        let answer = answer(words, &said);
        assert_eq!(said.code, Some(1), "{words}: {answer}");
        assert!(said.err.contains("does not answer"), "{words}: {}", said.err);
    }
    // Fifteen, on a machine that has something else to do.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn each_command_ends_where_the_agent_hangs() {
    let bench = Bench::new().await;
    let agent = Agent::start(&bench).await;
    agent.agent.signal(Signal::SIGSTOP);
    all_end(&agent.bus.address()).await;
    let said = ctl(&agent.bus.address(), &["mo", "list"]).await;
    assert!(
        said.err.contains("does not answer") && said.err.contains("what the folders hold"),
        "{}",
        said.err
    );
    agent.agent.signal(Signal::SIGCONT);
    agent.stop().await;
}

#[tokio::test]
async fn each_command_ends_where_the_bus_hangs() {
    let bus = Daemon::start();
    bus.signal(Signal::SIGSTOP);
    all_end(&bus.address()).await;
    bus.signal(Signal::SIGCONT);
}
