//! What `omadm-exec` begins and calls as root: the real program, with users and a bus as a gateway has them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::bus::{Daemon, Modem, serve, tune};
use crate::support::helper::{Listening, exec, last, level, signal};

fn goes_on(key: &str, resumed: bool) -> Value {
    json!({ "op": "exec", "node": "GoesOn", "miid": "1", "resumed": resumed, "input": { "Key": key } })
}

#[tokio::test]
async fn a_program_has_the_user_and_the_groups_of_its_mapping_and_no_other() {
    let script = "[ $(id -u) != 0 ] || id -G >groups; id -u; id -g; id -G; grep -E '^(CapEff|CapPrm):' /proc/self/status";
    let listening = Listening::begin(script).await;
    assert_eq!(listening.ask("root-1", exec()).await.unwrap().code, Some(200));
    assert!(listening.said("groups").contains("4242"), "the helper has more groups: it is tried with that");
    let reply = listening.ask("agent-1", json!({ "op": "exec", "node": "DoAsAgent" })).await.unwrap();
    let said = STANDARD.decode(reply.value.unwrap()["stdout"].as_str().unwrap()).unwrap();
    let none = "0000000000000000";
    let expected = format!("54321\n54321\n54321\nCapPrm:\t{none}\nCapEff:\t{none}\n");
    assert_eq!(String::from_utf8(said).unwrap(), expected);
}

#[tokio::test]
async fn one_that_prints_gigabytes_costs_the_helper_no_memory() {
    let peak = "sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\) kB/\\1/p' /proc/$PPID/status";
    let listening = Listening::begin(&format!("{peak}; head -c 2G /dev/zero; {peak} >&2")).await;
    let reply = listening.ask("exec-1", json!({ "op": "exec", "node": "DoAsAgent" })).await.unwrap();
    let end = reply.value.unwrap();
    assert_eq!((&end["exit"], &end["truncated"]), (&json!(0), &json!(true)));
    let said = STANDARD.decode(end["stdout"].as_str().unwrap()).unwrap();
    let first = String::from_utf8_lossy(&said);
    let kib = |text: &str| text.trim().parse::<u64>().unwrap();
    let (before, after) = (kib(first.lines().next().unwrap()), kib(end["said"].as_str().unwrap()));
    assert!(after - before < 8 << 10, "{before} KiB and then {after}");
    assert_eq!(listening.ask("get-1", level()).await.unwrap().value, Some(json!("7")));
}

#[tokio::test]
async fn an_exec_that_is_cut_off_goes_on_with_what_it_began_with_and_then_nothing_of_that_is_on_disk() {
    let script = "read input; echo \"${OMADM_RESUMED:-new} $input\" >>log; echo $PPID >helper; [ -e quick ] || sleep 1000";
    let listening = Listening::begin(script).await;
    let mut stream = listening.send("cut-1", goes_on("hunter2", false)).await;
    listening.until(|| listening.said("helper").ends_with('\n')).await;
    let kept = || {
        let files = std::fs::read_dir(listening.inside("/var/lib/omadm-exec")).unwrap();
        files
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default())
            .collect::<String>()
    };
    assert!(kept().contains("hunter2"));
    signal(&listening.said("helper"), Signal::SIGKILL);
    assert!(last(&mut stream).await.is_none_or(|reply| reply.code.is_none()));
    listening.put("quick", "");
    let reply = listening.ask("cut-2", goes_on("another", true)).await.unwrap();
    assert_eq!(reply.code, Some(200), "{reply:?}");
    let (began, went_on) = ("new {\"Key\":\"hunter2\"}\n", "1 {\"Key\":\"hunter2\"}\n");
    assert_eq!(listening.said("log"), format!("{began}{went_on}"));
    assert!(!kept().contains("hunter2"));
}

#[tokio::test]
async fn a_property_is_set_and_taken_back_and_what_a_method_did_is_not() {
    let bus = Daemon::start();
    let (modem, state) = Modem::new("IMEI");
    let _service = serve(&bus, [("0", modem)]).await;
    state.lock().unwrap().band = 3;
    let listening = Listening::begin_with(&bus, "true").await;
    let ask = async |id: &str, op: Value| {
        let reply = listening.ask(id, op).await.unwrap();
        (reply.code.unwrap(), reply.value.unwrap_or_default())
    };
    let band = || state.lock().unwrap().band;
    let set = |value: u32, undo: &str| json!({ "op": "set", "node": "Band", "value": value, "undo": undo });
    let undo = |name: &str| json!({ "op": "undo", "undo": name });
    assert_eq!(ask("b-1", json!({ "op": "get", "node": "Band", "source": 0 })).await, (200, json!(3)));
    assert_eq!(ask("b-2", set(7, "u-1")).await.0, 200);
    assert_eq!(band(), 7);
    assert_eq!(ask("b-3", undo("u-1")).await, (200, json!("restored")));
    assert_eq!(band(), 3);
    // Somebody else has set it since.
    assert_eq!(ask("b-4", set(7, "u-2")).await.0, 200);
    tune(&bus, 20).await;
    assert_eq!(ask("b-5", undo("u-2")).await, (200, json!("foreign")));
    assert_eq!(band(), 20);
    // What the service refuses is a failure, and leaves it.
    assert_eq!(ask("b-6", set(99, "u-3")).await.0, 500);
    assert_eq!(ask("b-7", undo("u-3")).await, (200, json!("restored")));
    assert_eq!(band(), 20);
    let rename = json!({ "op": "set", "node": "Label", "value": "$(id); x", "undo": "u-4" });
    assert_eq!(ask("m-1", rename).await.0, 200);
    assert_eq!(ask("m-2", undo("u-4")).await, (200, json!("impossible")));
    assert_eq!(state.lock().unwrap().label, "$(id); x");
    assert_eq!(state.lock().unwrap().calls, ["Rename \"$(id); x\" true 3"]);
    // One that the agent may call itself is not called for it.
    assert_eq!(ask("p-1", json!({ "op": "set", "node": "Power", "value": true })).await.0, 403);
    assert!(!state.lock().unwrap().power);
    state.lock().unwrap().power = true;
    assert_eq!(ask("e-1", json!({ "op": "exec", "node": "Reset" })).await, (200, json!({ "exit": 0 })));
    state.lock().unwrap().power = false;
    assert_eq!(ask("e-2", json!({ "op": "exec", "node": "Reset" })).await.1["exit"], json!(1));
}
