//! What the local operator does by hand: reads the tree, writes, executes, tests an account, notifies; with the real
//! `omadmctl` on a real bus.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;
use std::time::{Duration, SystemTime};

use omadm_agent::lab::{Reply, files};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::bus::Daemon;
use crate::support::local::{AGENT, Agent, PATH, put_on, status_of};
use crate::support::tools::{put_script, takes_root, written};
use crate::support::{Bench, DEVINFO, DMACC, SECRET, SERVER_ID, Setup, appears};

const BOARD: &str = "urn:x-test:mo:board:1.0";

/// An object with a file that is there, one that is not, a value of the agent's own, a list of nothing, and a program.
fn put_board(bench: &Bench, exec: &str) {
    let mapping = format!(
        r#"
moid = "{BOARD}"
root = "Board"
instances = ["1"]
[node.Speed]
format = "int"
get = {{ file = "@folder@/root/speed" }}
set = {{ file = "@folder@/root/speed" }}
max = 100
[node.Gone]
get = {{ file = "@folder@/nothing-here" }}
[node.Note]
access = ["Get", "Replace"]
[node."Ports/<x>"]
list = {{ glob = "@folder@/ports/*" }}
[node."Ports/<x>/Name"]
get = {{ value = "{{x}}" }}
[node.Do.exec]
{exec}
"#
    );
    bench.gateway.put_mo("board", "board.toml", &mapping).unwrap();
    files::put(&bench.gateway.path("root/speed"), "7\n", files::PLAIN).unwrap();
}

fn board(node: &str) -> String {
    format!("{BOARD}/1/{node}")
}

async fn ctl_in(agent: &Agent, columns: Option<&str>, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_omadmctl"));
    command.args(arguments).env("DBUS_SYSTEM_BUS_ADDRESS", agent.bus.address()).env_remove("COLUMNS");
    command.envs(columns.map(|columns| ("COLUMNS", columns)));
    let output = tokio::time::timeout(crate::support::LIMIT, command.output()).await.unwrap().unwrap();
    let Output { status, stdout, stderr } = output;
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

async fn ctl(agent: &Agent, arguments: &[&str]) -> (Option<i32>, String, String) {
    ctl_in(agent, None, arguments).await
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[tokio::test]
async fn each_node_is_shown_with_its_value_or_why_it_has_none() {
    let bench = Bench::new().await;
    put_board(&bench, "run = [\"/bin/true\"]");
    let agent = Agent::start(&bench).await;
    let (code, out, err) = ctl(&agent, &["tree", "--json", &format!("{BOARD}/1/")]).await;
    assert_eq!(code, Some(0), "{err}");
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["version"], 1);
    let of = |node: &str| {
        let nodes = shown["nodes"].as_array().unwrap().iter();
        nodes
            .clone()
            .find(|shown| shown["uri"] == board(node))
            .unwrap_or_else(|| panic!("{node}: {shown}"))
            .clone()
    };
    assert_eq!(of("Speed")["value"], 7);
    let why = |node: &str| of(node)["why"].as_str().unwrap().to_owned();
    assert!(why("Gone").contains("nothing-here"), "{shown}");
    assert_eq!(
        (why("Note"), why("Ports")),
        ("nobody has set it".to_owned(), "the machine lists nothing".to_owned())
    );
    // Everything, in all widths; of secrets and what nobody may GET, nothing.
    for columns in ["60", "80", "200"] {
        let (code, out, err) = ctl_in(&agent, Some(columns), &["tree"]).await;
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        let most: usize = columns.parse().unwrap();
        assert!(out.lines().all(|line| line.chars().count() <= most), "{columns}:\n{out}");
        assert!(out.contains(&format!("{BOARD}/1/\n  Speed = 7\n")), "{out}");
        assert!(out.contains(DEVINFO) && !out.contains(SECRET) && !out.contains('\u{1b}'), "{out}");
    }
    // A slash at the end does no harm, but for that of a root it means nothing.
    for uri in [board("Ports"), board("Ports/"), board("Ports/?lv=1")] {
        let (code, out, err) = ctl(&agent, &["tree", &uri]).await;
        assert_eq!(
            (code, out),
            (Some(0), format!("{}: the machine lists nothing\n", board("Ports"))),
            "{err}"
        );
    }
    let (_, out, _) = ctl(&agent, &["tree", &format!("{DMACC}/{SERVER_ID}/?lv=1")]).await;
    assert!(out.contains("  Push: what is in it is left out\n") && !out.contains("GCM"), "{out}");
    let (code, _, err) = ctl(&agent, &["tree", "urn:nothing//"]).await;
    assert!(code == Some(1) && err.contains("urn:nothing"), "{err}");
    agent.stop().await;
}

/// Of what is left out, it is said why; a value that is empty is not one that is missing.
#[tokio::test]
async fn what_has_no_value_is_told_apart_from_what_is_empty_and_from_what_fails() {
    let bench = Bench::new().await;
    put_board(&bench, "run = [\"/bin/true\"]");
    let failing = "moid = \"urn:x-test:mo:fails:1.0\"\nroot = \"Fails\"\ninstances = [\"1\"]\n\
        [node.Bad]\nformat = \"int\"\nget = { file = \"@folder@/root/word\" }\n[node.Empty]\ndefault = \"\"\n[node.Good]\nget = { value = \"g\" }\n";
    bench.gateway.put_mo("fails", "fails.toml", failing).unwrap();
    files::put(&bench.gateway.path("root/word"), "seven\n", files::PLAIN).unwrap();
    let agent = Agent::start(&bench).await;
    let get = async |uri: &str| ctl(&agent, &["get", uri]).await;
    let (code, out, err) = get(&board("Gone")).await;
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(
        err.starts_with(&format!("{}: no value: ", board("Gone"))) && err.contains("nothing-here"),
        "{err}"
    );
    let (code, out, err) = get(&board("Note")).await;
    assert_eq!(
        (code, out, err),
        (Some(1), String::new(), format!("{}: no value: nobody has set it\n", board("Note")))
    );
    // In the answer of what it is in, a node that must be there looks empty: the reason stands beside it.
    let (code, out, err) = get(&board("")).await;
    assert!(code == Some(0) && out.contains("\"Gone\": \"\""), "{out}");
    let told: Vec<&str> =
        err.lines().filter_map(|line| line.split_once(": no value: ")).map(|(uri, _)| uri).collect();
    assert_eq!(told, [board("Gone"), board("Note"), board("Ports")], "{err}");
    assert!(err.contains("nothing-here"), "{err}");
    let (_, _, err) = get(&format!("{DMACC}/{SERVER_ID}/?lv=1")).await;
    assert!(!err.contains("left out"), "{err}");
    let fails = |node: &str| format!("urn:x-test:mo:fails:1.0/1/{node}");
    assert_eq!(get(&fails("Empty")).await, (Some(0), "\n".to_owned(), String::new()));
    let (code, out, err) = get(&fails("")).await;
    assert!(code == Some(0) && out.contains("\"Good\": \"g\""), "{out}{err}");
    assert!(err.starts_with(&format!("{}: no value: ", fails("Bad"))) && err.lines().count() == 1, "{err}");
    let (code, out, _) = ctl(&agent, &["get", "--json", &fails("")]).await;
    let read: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &read["missing"][0]["uri"]), (Some(0), &json!(fails("Bad"))), "{out}");
    let (code, out, _) = ctl(&agent, &["get", "--json", &board("Note")]).await;
    let read: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &read["ok"], &read["value"]), (Some(1), &json!(false), &Value::Null), "{out}");
    assert_eq!(read["missing"][0]["why"], "nobody has set it");
    assert_eq!(get("urn:nothing//A").await.0, Some(1));
    agent.stop().await;
}

#[tokio::test]
async fn a_node_is_set_whole_or_not_at_all_and_a_dry_run_does_nothing() {
    let bench = Bench::new().await;
    put_board(&bench, "run = [\"/bin/true\"]");
    let mut agent = Agent::start(&bench).await;
    let speed = || std::fs::read_to_string(bench.gateway.path("root/speed")).unwrap();
    let uri = board("Speed");
    let dry = ctl(&agent, &["set", "--dry-run", &uri, "40"]).await;
    assert_eq!(dry, (Some(0), String::new(), String::new()));
    assert_eq!(speed(), "7\n");
    let (code, _, err) = ctl(&agent, &["set", "--dry-run", &uri, "500"]).await;
    assert!(code == Some(1) && err.contains("above the maximum"), "{err}");
    for (node, value, expected) in [
        (board("Speed"), "fast", "InvalidArgument"),
        (board("Gone"), "x", "Forbidden"),
        (board("Nothing"), "x", "NotFound"),
        (format!("{DMACC}/{SERVER_ID}/Name"), "x", "Forbidden"),
    ] {
        let (code, out, err) = ctl(&agent, &["set", "--json", "--dry-run", &node, value]).await;
        let error: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &error["error"]), (Some(1), &json!(expected)), "{node}: {err}");
    }
    let (code, out, err) = ctl(&agent, &["set", &uri, "40"]).await;
    if is_root() {
        assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "", ""));
        assert_eq!(speed(), "40\n");
        let said = format!("{uri}: set, on the operator's word");
        agent.agent.logged("of what was set", |line| line.contains(&said)).await;
        let (code, _, err) = ctl(&agent, &["set", &uri, "500"]).await;
        assert!(code == Some(1) && err.contains("above the maximum"), "{err}");
        assert_eq!(speed(), "40\n");
        // What is kept by the agent, and an interior node as `get` shows it.
        assert_eq!(ctl(&agent, &["set", &board("Note"), ""]).await.0, Some(0));
        let document = format!(r#"{{"MOData":{{"Speed":41,"Note":"n"}},"ClientURI":"{BOARD}/1/"}}"#);
        let set = ctl(&agent, &["set", &format!("{BOARD}/1/"), &document]).await;
        assert!(set.0 == Some(0) || set.2.contains("replaced"), "{set:?}");
    } else {
        assert!(code == Some(1) && err.contains("only root") && speed() == "7\n", "{err}");
    }
    agent.stop().await;
}

/// That it takes root is said before anybody is asked, and that a dry run does not.
#[tokio::test]
async fn who_is_not_root_hears_beforehand_that_it_takes_root_and_what_does_not() {
    takes_root("it runs as another user");
    // The program's own folder may be closed to others.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("omadmctl");
    std::fs::copy(env!("CARGO_BIN_EXE_omadmctl"), &program).unwrap();
    for (words, is_asked) in [
        (&["set", "urn:m//A", "1"][..], false),
        (&["set", "--dry-run", "urn:m//A", "1"], true),
        (&["exec", "urn:m//A"], false),
        (&["exec", "--dry-run", "urn:m//A"], true),
    ] {
        let mut command = Command::new(&program);
        command.args(words).arg("--json").env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere");
        let output = command.uid(65534).gid(65534).output().await.unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let error = if is_asked { "NoBus" } else { "NotRoot" };
        assert_eq!((output.status.code(), &answer["error"]), (Some(1), &json!(error)), "{words:?}: {answer}");
        assert!(is_asked || answer["why"].as_str().unwrap().contains("with --dry-run"), "{answer}");
    }
}

/// Who is not root, and whom the policy lets call, has nothing done.
#[tokio::test]
async fn only_root_has_anything_done() {
    takes_root("it asks as another user");
    let bench = Bench::new().await;
    put_board(&bench, "run = [\"@folder@/job\"]");
    put_script(&bench, "job", "echo run >>@folder@/runs\n");
    let bus = Daemon::start_with("<policy context=\"default\"><allow user=\"*\"/></policy>");
    let socket = bus.address();
    let folder =
        std::path::Path::new(socket.strip_prefix("unix:path=").unwrap()).parent().unwrap().to_owned();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    put_on(&bench, &bus);
    let connection = bus.connect().build().await.unwrap();
    let agent = Agent { agent: bench.start().await, bus, connection };
    let nobody = async |arguments: &[&str]| {
        let mut command = Command::new("dbus-send");
        command.arg(format!("--bus={socket}")).args(["--print-reply", "--dest=org.omadm.Agent1", PATH]);
        let output = command.args(arguments).uid(65534).gid(65534).output().await.unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (set, exec) = (format!("{AGENT}.Set"), format!("{AGENT}.Exec"));
    let (speed, job) = (format!("string:{}", board("Speed")), format!("string:{}", board("Do")));
    for (is_dry, expected) in [("boolean:true", true), ("boolean:false", false)] {
        for call in [&[set.as_str(), &speed, "string:40", is_dry][..], &[&exec, &job, is_dry]] {
            let (done, err) = nobody(call).await;
            assert_eq!(done, expected, "{call:?}: {err}");
            assert!(done || err.contains("org.omadm.Agent1.Error.NotRoot"), "{err}");
        }
    }
    assert_eq!(std::fs::read_to_string(bench.gateway.path("root/speed")).unwrap(), "7\n");
    assert_eq!(written(&bench, "runs"), "");
    agent.stop().await;
}

#[tokio::test]
async fn a_node_is_executed_and_waited_for_and_no_server_is_told() {
    takes_root("nobody else may execute a node");
    let bench =
        Bench::with(Setup { config: "[exec]\nsync-limit = \"1s\"\n".into(), ..Setup::default() }).await;
    put_board(&bench, "run = [\"@folder@/job\"]");
    put_script(&bench, "job", "echo run >>@folder@/runs\n");
    let agent = Agent::start(&bench).await;
    let (uri, x_name) = (board("Do"), format!("{BOARD}//Do"));
    let (code, out, err) = ctl(&agent, &["exec", &x_name]).await;
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), format!("{uri}: 200\n").as_str(), ""));
    assert_eq!(written(&bench, "runs"), "run\n");
    // What fails says why, and where to look.
    put_script(&bench, "job", "echo begun >&2; echo 'no \u{202e}modem' >&2; exit 3\n");
    let (code, out, _) = ctl(&agent, &["exec", "--json", "--wait", &uri]).await;
    let ended: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &ended["version"], &ended["status"]), (Some(1), &json!(1), &json!(500)), "{out}");
    assert_eq!(ended["what"], "ended with code 3: no \u{fffd}modem", "{out}");
    assert!(ended["lookAt"].as_str().unwrap().starts_with("what its program said: `"), "{out}");
    let (code, out, err) = ctl(&agent, &["exec", &uri]).await;
    assert_eq!((code, out), (Some(1), format!("{uri}: 500: ended with code 3: no \u{fffd}modem\n")));
    assert!(err.starts_with("look at what its program said"), "{err}");
    // What outlives the command.
    put_script(&bench, "job", "touch @folder@/begun; while ! [ -e @folder@/go ]; do sleep 0.1; done\n");
    let (code, out, _) = ctl(&agent, &["exec", &uri]).await;
    assert!(code == Some(0) && out.contains(": 202: it goes on"), "{out}");
    let (_, out, _) = ctl(&agent, &["status"]).await;
    assert!(out.contains(&uri), "{out}");
    let (code, _, err) = ctl(&agent, &["exec", &uri]).await;
    assert!(code == Some(1) && err.contains("still being executed"), "{err}");
    files::put(&bench.gateway.path("go"), "", files::PLAIN).unwrap();
    while ctl(&agent, &["status"]).await.1.contains(&uri) {}
    std::fs::remove_file(bench.gateway.path("go")).unwrap();
    std::fs::remove_file(bench.gateway.path("begun")).unwrap();
    let waited = async { ctl(&agent, &["exec", "--wait", &uri]).await };
    let going = async {
        appears(&bench.gateway.path("begun")).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        files::put(&bench.gateway.path("go"), "", files::PLAIN).unwrap();
    };
    let ((code, out, err), ()) = tokio::join!(waited, going);
    assert_eq!((code, out.as_str()), (Some(0), format!("{uri}: 200\n").as_str()), "{err}");
    // Nobody hears of it, nor is anything kept of it.
    let (_, out, _) = ctl(&agent, &["alert", "list"]).await;
    assert_eq!((out.as_str(), bench.packages().len()), ("no alert waits\n", 0));
    agent.stop().await;
    let agent = bench.start().await;
    let log = agent.stop().await;
    assert!(!log.contains("EXEC"), "{log}");
}

#[tokio::test]
async fn an_exec_of_the_operators_waits_for_its_window_and_vetoes_and_outlives_the_agent() {
    takes_root("nobody else may execute a node");
    let minutes = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 60;
    let at = |hours: u64| format!("{:02}:{:02}", (minutes / 60 + hours) % 24, minutes % 60);
    let bench = Bench::new().await;
    let run = "run = [\"@folder@/job\"]";
    put_board(&bench, &format!("{run}\nwindow = \"{}-{}\"\nveto = true", at(3), at(5)));
    put_script(&bench, "job", "echo run >>@folder@/runs\n");
    put_script(&bench, "exec-veto.d/10-busy", "echo asked >>@folder@/asked\n");
    let agent = Agent::start(&bench).await;
    let (code, out, err) = ctl(&agent, &["exec", "--dry-run", &board("Do")]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(
        out.contains("202: would wait for its window")
            && out.contains("would ask")
            && out.contains("10-busy"),
        "{out}"
    );
    assert_eq!((written(&bench, "runs"), written(&bench, "asked")), (String::new(), String::new()));
    let (code, out, _) = ctl(&agent, &["exec", &board("Do")]).await;
    assert!(code == Some(0) && out.contains("202"), "{out}");
    let Agent { agent, bus, .. } = agent;
    agent.kill().await;
    // The window is another one at the next start.
    put_board(&bench, &format!("{run}\nwindow = \"{}-{}\"\nveto = true", at(22), at(2)));
    let agent = bench.start().await;
    appears(&bench.gateway.path("runs")).await;
    assert_eq!((written(&bench, "asked").as_str(), bench.packages().len()), ("asked\n", 0));
    agent.stop().await;
    drop(bus);
}

#[tokio::test]
async fn where_a_program_refuses_what_the_operator_asked_for_no_server_is_said_to_be_told() {
    takes_root("nobody else may execute a node");
    let bench = Bench::new().await;
    put_board(&bench, "run = [\"@folder@/job\"]\nveto = true");
    put_script(&bench, "job", "echo run >>@folder@/runs\n");
    put_script(&bench, "exec-veto.d/10-never", "exit 3\n");
    let mut agent = Agent::start(&bench).await;
    let (code, out, _) = ctl(&agent, &["exec", &board("Do")]).await;
    assert!(code == Some(0) && out.contains("202"), "{out}");
    let asked = "the operator had asked for it, and no server is told";
    let refused =
        |line: &str| line.contains("refused by") && line.contains("10-never") && line.ends_with(asked);
    agent.agent.logged("of the refusal", refused).await;
    assert_eq!(written(&bench, "runs"), "");
    agent.stop().await;
}

#[tokio::test]
async fn an_account_is_tested_without_a_session() {
    let bench = Bench::new().await;
    let agent = Agent::start(&bench).await;
    let (code, out, err) = ctl(&agent, &["account", "test", SERVER_ID]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    for stage in ["  name ", "\n  TCP ", "\n  TLS ", "\n  HTTP ", "valid", "the server answers"] {
        assert!(out.contains(stage), "{stage}: {out}");
    }
    let (_, out, _) = ctl(&agent, &["account", "test", "--json", SERVER_ID]).await;
    let tested: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&tested["version"], &tested["ok"], &tested["why"]), (&json!(1), &json!(true), &Value::Null));
    let exchanges = bench.tape.exchanges();
    assert!(exchanges.iter().all(|exchange| exchange.request.method == "HEAD"), "no package: {exchanges:?}");
    assert_eq!(ctl(&agent, &["account", "test", "nobody"]).await.0, Some(1));
    // What is seen on the way is in the status.
    let (_, out, _) = ctl(&agent, &["status", "--json"]).await;
    let server = &serde_json::from_str::<Value>(&out).unwrap()["servers"][SERVER_ID];
    assert!(server["certificateUntil"].as_u64().is_some_and(|until| until > 1_700_000_000), "{server}");
    assert!(server["sent"].as_u64() > Some(200) && server["received"].as_u64() > Some(200), "{server}");
    let (_, out, _) = ctl(&agent, &["status"]).await;
    for line in ["certificate ", "traffic ", " received since", "\n  link "] {
        assert!(out.contains(line), "{line}: {out}");
    }
    agent.stop().await;
}

/// That something answers does not mean that it is a DM server.
#[tokio::test]
async fn an_account_whose_address_is_a_portals_is_told_with_what_answers() {
    let bench = Bench::new().await;
    let package = "application/vnd.oma.dm.request+json";
    bench.answer([
        // A session: what is left of its answers is for what comes then.
        Reply::status(204),
        Reply::ok("text/html; charset=utf-8", "<html></html>"),
        Reply::ok("application/json", "{}"),
        Reply::ok("text/html", ""),
        Reply::ok(package, "{}"),
    ]);
    let agent = Agent::start(&bench).await;
    assert_eq!(ctl(&agent, &["session", "start", SERVER_ID]).await.0, Some(0));
    for (kind, hint) in
        [("text/html; charset=utf-8", "a portal's perhaps"), ("application/json", "something else")]
    {
        let (code, out, _) = ctl_in(&agent, Some("400"), &["account", "test", SERVER_ID]).await;
        let why = format!(
            "  end            what answers is no DM package: content type \"{kind}\", expected {package}\n"
        );
        assert!(code == Some(1) && out.contains(&why), "{out}");
        assert!(out.contains(&format!("200 to a HEAD, content type \"{kind}\"\n")), "{out}");
        assert!(out.lines().any(|line| line.starts_with("  look at ") && line.contains(hint)), "{out}");
    }
    for is_told in [false, true] {
        let (code, out, _) = ctl_in(&agent, Some("400"), &["account", "test", SERVER_ID]).await;
        assert!(code == Some(0) && out.ends_with("  end            the server answers\n"), "{out}");
        assert!(out.contains("only a session tells whether it is a DM server") != is_told, "{out}");
    }
    agent.stop().await;
}

#[tokio::test]
async fn an_account_whose_server_is_not_there_is_told_with_a_hint() {
    let bench = Bench::with(Setup {
        account: Box::new(|account, _| account.server_uri = "https://127.0.0.1:1/dm".to_owned()),
        ..Setup::default()
    })
    .await;
    let agent = Agent::start(&bench).await;
    let (code, out, _) = ctl(&agent, &["account", "test", SERVER_ID]).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("  name ") && out.contains("can't connect") && out.contains("look at"), "{out}");
    agent.stop().await;
}

#[tokio::test]
async fn a_notification_is_sent_from_any_machine_and_begins_a_session() {
    let bench = Bench::new().await;
    bench.play(json!([]));
    let agent = Agent::start(&bench).await;
    let secret = bench.gateway.path("notify.secret");
    files::put(&secret, format!("{SECRET}\n"), files::PLAIN).unwrap();
    let to = bench.udp.to_string();
    let send = async |arguments: &[&str]| {
        let secret = secret.to_str().unwrap();
        let common = ["notify", "--server-id", SERVER_ID, "--secret-file", secret, to.as_str()];
        ctl(&agent, &[&common[..], arguments].concat()).await
    };
    let (code, out, err) = send(&["--id", "7", "--request-mos"]).await;
    assert!(code == Some(0) && out.contains("notification 7"), "{out}{err}");
    bench.answered_end(&agent.agent, 1).await;
    assert!(bench.packages()[0].json["MOS"].is_array(), "{:?}", bench.packages()[0].json);
    let (code, _, err) = send(&["--prefer", "pigeon"]).await;
    assert!(code == Some(2) && err.contains("--prefer"), "{err}");
    std::fs::remove_file(&secret).unwrap();
    let (code, _, err) = send(&[]).await;
    assert!(code == Some(1) && err.contains("notify.secret"), "{err}");
    agent.stop().await;
}

#[tokio::test]
async fn the_last_contact_is_known_after_a_restart() {
    let bench = Bench::new().await;
    bench.play(json!([]));
    let agent = Agent::start(&bench).await;
    assert_eq!(ctl(&agent, &["session", "start", SERVER_ID]).await.0, Some(0));
    let Agent { agent, bus, connection } = agent;
    agent.stop().await;
    let agent = Agent { agent: bench.start().await, bus, connection };
    let (_, out, _) = ctl(&agent, &["status", "--json"]).await;
    let server = &serde_json::from_str::<Value>(&out).unwrap()["servers"][SERVER_ID];
    assert!(server["lastContact"].is_u64() && server["outcome"].is_null(), "{server}");
    assert_eq!(server["lastContactPrecision"], "day", "no more is kept");
    let (_, out, _) = ctl(&agent, &["status", SERVER_ID]).await;
    assert!(out.contains("last contact   today\n") || out.contains("last contact   yesterday\n"), "{out}");
    assert!(
        out.starts_with("omadm-agent ") && out.contains("\n  link "),
        "of one server, the head is shown too: {out}"
    );
    agent.stop().await;
}

#[tokio::test]
async fn without_an_agent_or_a_bus_each_says_what_to_do() {
    let bus = Daemon::start();
    for (address, what) in
        [(bus.address(), status_of("omadmd")), ("unix:path=/nowhere".to_owned(), "no message bus".to_owned())]
    {
        for arguments in [
            &["tree"][..],
            &["set", "urn:m/1/A", "1"],
            &["exec", "--wait", "urn:m/1/A"],
            &["account", "test", "a"],
        ] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_omadmctl"));
            let output =
                command.args(arguments).env("DBUS_SYSTEM_BUS_ADDRESS", &address).output().await.unwrap();
            let err = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(1) && err.contains(&what), "{arguments:?}: {err}");
        }
    }
}
