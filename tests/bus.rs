//! Management objects on D-Bus: a real bus, services on it, and the real agent between them and its server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use zbus::{fdo, interface};

use crate::support::bus::{Daemon, Glib, MODEM, Modem, SERVICE, State, serve};
use crate::support::ddf::{self, node, of_types};
use crate::support::{Bench, Setup};

const MOID: &str = "urn:t:mo:modem:1.0";
const DMMO: &str = "application/dmmo+json";

const MAPPING: &str = r#"
[object.modem]
dbus = "org.t.Modems1"
path = "/org/t/Modems1/Modem/*"
interface = "org.t.Modems1.Modem"
[object.second]
dbus = "org.t.Modems1"
path = "/org/t/Modems1/Modem/10"
interface = "org.t.Modems1.Modem"
[object.nobody]
dbus = "org.t.Nobody"
path = "/"
interface = "org.t.Nobody"

[node.IMEI]
get = [{ object = "nobody", property = "Id" }, { object = "modem", property = "EquipmentIdentifier", format = "IMEI:{}" }, { value = "none" }]
[node.Second]
get = [{ object = "second", property = "EquipmentIdentifier" }]
[node.Quality]
get = { object = "modem", property = "SignalQuality", select = "[0]" }
[node.Port]
get = { object = "modem", property = "Ports", select = ".wwan0" }
[node.Temperature]
get = { object = "modem", property = "Temperature" }
[node.Power]
get = { object = "modem", property = "Power" }
set = { object = "modem", property = "Power" }
[node.Band]
get = { object = "modem", property = "Band", scale = 10 }
set = { object = "modem", property = "Band" }
[node.Ssid]
get = { object = "modem", property = "Ssid" }
set = { object = "modem", property = "Ssid" }
[node.Modes]
get = { object = "modem", property = "Modes" }
set = { object = "modem", property = "Modes" }
verify = "300ms"
[node.Note]
get = { file = "@folder@/state/note" }
set = { file = "@folder@/state/note" }
[node.Label]
get = { object = "modem", property = "Label" }
set = { object = "modem", property = "Label" }
[node.Stubborn]
get = { object = "modem", property = "Stubborn" }
set = { object = "modem", property = "Stubborn" }
verify = "300ms"
[node.Pin]
set = { object = "modem", property = "Pin" }
[node.Missing]
get = { object = "modem", property = "Nothing" }
set = { object = "modem", property = "Nothing" }
[node.Called]
get = { object = "modem", property = "Label" }
set = { object = "modem", method = "Rename", args = ["{}", "true", "3"] }
[node."Modems/<m>"]
list = { object = "modem" }
[node."Modems/<m>/IMEI"]
get = { object = "modem", property = "EquipmentIdentifier" }
[node."Modems/<m>/Power"]
get = { item = "Power" }
[node."Modems/<m>/Band"]
get = { object = "modem", property = "Band" }
set = { object = "modem", property = "Band" }
[node.Reset]
exec = { object = "modem", method = "Reset", codes = { 1 = 1404 } }
[node.Survey]
input = ["Band"]
exec = { object = "modem", method = "Survey", args = ["{../Band}"], result = { leaf = "Found", select = "[1]", scale = 0.001, format = "{} dBm" } }
[node.Guarded]
exec = { object = "modem", method = "Guarded" }
[node.Slow]
exec = { object = "modem", method = "Slow", timeout = "1s" }
"#;

fn put_object(bench: &Bench) {
    let leaf = |name: &str, format: &str, access: &str| node(name, format, access, "ZeroOrOne", "");
    let exec = |name: &str| node(name, "null", "Exec", "ZeroOrOne", "");
    let modem =
        [leaf("IMEI", "chr", "Get"), leaf("Power", "bool", "Get"), leaf("Band", "int", "Get Replace")];
    let modems = node("&lt;m&gt;", "node", "Get Replace", "ZeroOrMore", &modem.concat());
    let children = [
        leaf("IMEI", "chr", "Get"),
        leaf("Second", "chr", "Get"),
        leaf("Quality", "int", "Get"),
        leaf("Port", "int", "Get"),
        leaf("Temperature", "float", "Get"),
        leaf("Power", "bool", "Get Replace"),
        leaf("Band", "int", "Get Replace"),
        of_types(&["image/png"], &leaf("Ssid", "bin", "Get Replace")),
        leaf("Modes", "chr", "Get Replace"),
        leaf("Note", "chr", "Add Get Replace"),
        leaf("Label", "chr", "Get Replace"),
        leaf("Stubborn", "int", "Get Replace"),
        leaf("Pin", "chr", "Replace Add"),
        leaf("Missing", "chr", "Get Replace Add"),
        leaf("Called", "chr", "Get Replace"),
        node("Modems", "node", "Get Replace", "One", &modems),
        exec("Reset"),
        exec("Survey"),
        leaf("Found", "chr", "Get"),
        exec("Guarded"),
        exec("Slow"),
    ];
    let root = node("Modem", "node", "Get Replace", "One", &children.concat());
    ddf::put(&bench.gateway, MOID, "Modem", &root, &format!("instances = [\"1\"]\n{MAPPING}"));
}

async fn bench(daemon: &Daemon) -> Bench {
    let bench = Bench::with(Setup { config: daemon.config(), ..Setup::default() }).await;
    put_object(&bench);
    bench
}

fn leaf(name: &str) -> String {
    format!("{MOID}/1/{name}")
}

/// HGET commands of these documents, one each.
fn hgets(bench: &Bench, documents: &[(&str, Value)]) -> Vec<Value> {
    let hget = |(number, (path, data)): (usize, &(&str, Value))| {
        bench.repository.put(&format!("/{number}"), DMMO, json!({"MOData": data}).to_string());
        json!(["HGET", format!("{{repository}}/{number}"), leaf(path)])
    };
    documents.iter().enumerate().map(hget).collect()
}

/// The bodies of a Package#3's parts after its JSON.
fn body(bench: &Bench, package: usize, position: usize) -> Option<Vec<u8>> {
    bench.packages()[package].part(position).map(|part| part.body.to_vec())
}

/// Its Power and its Label.
fn now(state: &Arc<Mutex<State>>) -> (bool, String) {
    let state = lock(state);
    (state.power, state.label.clone())
}

fn lock(state: &Arc<Mutex<State>>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap()
}

#[tokio::test]
async fn a_property_is_read_from_the_first_object_of_its_kind() {
    let daemon = Daemon::start();
    let (nine, _) = Modem::new("9");
    let (ten, _) = Modem::new("10");
    let _service = serve(&daemon, [("10", ten), ("9", nine)]).await;
    let bench = bench(&daemon).await;
    let names = ["IMEI", "Second", "Quality", "Port", "Temperature", "Power", "Missing", "Modes"];
    bench.play(json!([names.map(|name| json!(["GET", leaf(name)]))]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200, 200, 200, 200, 200, 200, 404, 200]]);
    let text = |position| String::from_utf8(body(&bench, 1, position).unwrap()).unwrap();
    let read: Vec<String> = (1..=6).map(text).collect();
    // Nine comes before ten; who has no service is passed over.
    assert_eq!(read, ["IMEI:9", "10", "64", "2", "41.5", "false"]);
    assert_eq!(text(8), "[]", "what is no scalar is JSON");
    agent.stop().await;
}

#[tokio::test]
async fn an_instance_is_read_with_one_call_an_object() {
    let daemon = Daemon::start();
    let (modem, state) = Modem::new("35");
    let (other, _) = Modem::new("36");
    lock(&state).power = true;
    let _service = serve(&daemon, [("0", modem), ("1", other)]).await;
    let bench = bench(&daemon).await;
    bench.play(json!([[["GET", format!("{MOID}//")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let document: Value = serde_json::from_slice(&body(&bench, 1, 1).unwrap()).unwrap();
    let data = &document["MOData"]["Modem"];
    assert_eq!((&data["IMEI"], &data["Power"], &data["Band"]), (&json!("IMEI:35"), &json!(true), &json!(0)));
    let modems = json!({"0": {"IMEI": "35", "Power": true, "Band": 0}, "1": {"IMEI": "36", "Power": false, "Band": 0}});
    assert_eq!(data["Modems"], modems);
    assert!(data.get("Second").is_none() && data.get("Missing").is_none(), "{data}");
    // Once by its kind, once in the list, once as a listed one, whatever the number of leaves.
    assert!(lock(&state).reads <= 3, "{} calls", lock(&state).reads);
    agent.stop().await;
}

/// A battery whose charge is not among all of its properties; some have none at all.
struct Battery {
    has_charge: bool,
    asked: AtomicUsize,
}

#[interface(name = "org.t.Battery1")]
impl Battery {
    #[zbus(property)]
    fn kind(&self) -> &str {
        "cell"
    }

    #[zbus(property)]
    fn charge(&self) -> fdo::Result<u32> {
        // The first time it is for all of them, which leaves out what can't be told.
        match self.asked.fetch_add(1, Ordering::Relaxed) > 0 && self.has_charge {
            true => Ok(87),
            false => Err(fdo::Error::UnknownProperty("there is no charge".to_owned())),
        }
    }
}

#[tokio::test]
async fn what_one_object_lacks_another_of_its_kind_may_have() {
    const BATTERIES: &str = r#"
moid = "urn:t:mo:batteries:1.0"
root = "Batteries"
instances = ["1"]
[object.battery]
dbus = "org.t.Batteries1"
path = "/org/t/Batteries1/*"
interface = "org.t.Battery1"
[node."<b>"]
list = { object = "battery" }
[node."<b>/Kind"]
get = { object = "battery", property = "Kind" }
[node."<b>/Charge"]
format = "int"
occurs = "?"
get = { object = "battery", property = "Charge" }
"#;
    let daemon = Daemon::start();
    let battery = |has_charge| Battery { has_charge, asked: AtomicUsize::new(0) };
    let service = daemon.connect().name("org.t.Batteries1");
    let service = service.serve_at("/org/t/Batteries1/1", battery(false));
    let _service = service.serve_at("/org/t/Batteries1/2", battery(true)).build().await.unwrap();
    let bench = Bench::with(Setup { config: daemon.config(), ..Setup::default() }).await;
    bench.gateway.put_mo("batteries", "batteries.toml", BATTERIES).unwrap();
    bench.play(json!([[["GET", "urn:t:mo:batteries:1.0//"]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let document: Value = serde_json::from_slice(&body(&bench, 1, 1).unwrap()).unwrap();
    let expected = json!({"1": {"Kind": "cell"}, "2": {"Kind": "cell", "Charge": 87}});
    assert_eq!(document["MOData"]["Batteries"], expected, "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn without_a_bus_the_next_source_has_its_turn() {
    let mut daemon = Daemon::start();
    daemon.stop();
    let bench = bench(&daemon).await;
    bench.play(json!([[
        ["GET", leaf("IMEI")],
        ["GET", leaf("Power")],
        ["HGET", "{repository}/0", leaf("")]
    ]]));
    bench.repository.put("/0", DMMO, json!({"MOData": {"Note": "n", "Pin": "1"}}).to_string());
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200, 404, 500]]);
    assert_eq!(body(&bench, 1, 1).unwrap(), b"none");
    assert!(!bench.gateway.path("state/note").exists(), "half of a change");
    agent.stop().await;
}

#[tokio::test]
async fn a_bus_that_is_restarted_is_found_again() {
    let mut daemon = Daemon::start();
    let (modem, _) = Modem::new("35");
    let service = serve(&daemon, [("0", modem)]).await;
    let bench = bench(&daemon).await;
    let agent = bench.start().await;
    bench.play(json!([[["GET", leaf("IMEI")]]]));
    bench.session(&agent, 1).await;
    daemon.stop();
    drop(service);
    bench.play(json!([[["GET", leaf("Second")]]]));
    bench.session(&agent, 2).await;
    daemon.start_again();
    let (modem, _) = Modem::new("36");
    let _service = serve(&daemon, [("0", modem)]).await;
    bench.play(json!([[["GET", leaf("IMEI")]]]));
    bench.session(&agent, 3).await;
    // Gone away is not the same as not there.
    assert_eq!(bench.statuses(), [[200], [503], [200]]);
    assert_eq!(body(&bench, 5, 1).unwrap(), b"IMEI:36");
    agent.stop().await;
}

#[tokio::test]
async fn properties_are_set_in_their_own_types_and_read_back() {
    let daemon = Daemon::start();
    let (modem, state) = Modem::new("35");
    let (other, others) = Modem::new("36");
    let _service = serve(&daemon, [("0", modem), ("1", other)]).await;
    let bench = bench(&daemon).await;
    let all = json!({"Power": true, "Band": 70, "Modes": "[\"4g\", \"5g\"]", "Note": "n", "Label": "α", "Pin": "0000"});
    let documents = [
        ("", all),
        ("Modems/1/Band", json!(20)),
        ("Called", json!("by method")),
        // Of these, nothing happens.
        ("", json!({"Band": 75, "Label": "new"})),
        ("", json!({"Label": "new", "Modes": "[1]"})),
        ("", json!({"Label": "new", "Modes": "none"})),
        ("", json!({"Label": "new", "Missing": "x"})),
    ];
    let mut commands = hgets(&bench, &documents[..1]);
    bench.repository.put("/ssid", "image/png", vec![0xff, 0, b'x']);
    commands.push(json!(["HGET", "{repository}/ssid", leaf("Ssid")]));
    commands.push(json!(["GET", leaf("Ssid")]));
    let leaves = hgets(&bench, &documents);
    bench.repository.put("/1", "text/plain", "20");
    bench.repository.put("/2", "text/plain", "by method");
    commands.extend_from_slice(&leaves[1..]);
    bench.play(json!([commands]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200, 200, 200, 200, 200, 500, 500, 500, 500]], "{}", agent.log());
    agent.stop().await;
    let state = lock(&state);
    assert_eq!((state.power, state.band, state.pin.as_str()), (true, 7, "0000"));
    assert_eq!(
        (state.modes.as_slice(), state.label.as_str()),
        (&["4g".to_owned(), "5g".to_owned()][..], "by method")
    );
    assert_eq!(state.ssid, [0xff, 0, b'x']);
    assert_eq!(body(&bench, 1, 3).unwrap(), [0xff, 0, b'x']);
    assert_eq!(state.calls, ["Rename \"by method\" true 3"]);
    assert_eq!(lock(&others).band, 20, "a listed object is the one of its name");
}

#[tokio::test]
async fn a_property_is_set_back_where_a_later_one_fails() {
    let daemon = Daemon::start();
    let (modem, state) = Modem::new("35");
    let _service = serve(&daemon, [("0", modem)]).await;
    lock(&state).label = "before".to_owned();
    lock(&state).modes = vec!["3g".to_owned()];
    let bench = bench(&daemon).await;
    let more = |last: Value| {
        let mut data = json!({"Power": true, "Modes": "[]", "Note": "n", "Label": "after"});
        data.as_object_mut().unwrap().extend(last.as_object().unwrap().clone());
        data
    };
    bench.play(json!([hgets(
        &bench,
        &[
            // It says that it takes it; it says that it does not.
            ("", more(json!({"Stubborn": 8}))),
            ("", json!({"Power": true, "Label": "after", "Band": 910})),
        ]
    )]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[500, 500]], "{}", agent.log());
    assert!(agent.log().contains("there is no such band"), "{}", agent.log());
    agent.stop().await;
    assert_eq!(now(&state), (false, "before".to_owned()));
    assert_eq!(lock(&state).modes, ["3g"]);
    assert!(!bench.gateway.path("state/note").exists());
    assert_eq!(lock(&state).calls, ["Stubborn 8", "Stubborn 7"], "what it has taken may yet show");
}

#[tokio::test]
async fn what_can_t_be_set_back_at_once_is_later() {
    let daemon = Daemon::start();
    let (modem, state) = Modem::new("35");
    let lockable = Arc::clone(&state);
    let hook = move |property: &str| lock(&lockable).is_locked |= property == "Stubborn";
    let _service = serve(&daemon, [("0", Modem { hook: Box::new(hook), ..modem })]).await;
    lock(&state).label = "before".to_owned();
    let bench = bench(&daemon).await;
    bench.play(json!([hgets(&bench, &[("", json!({"Label": "after", "Stubborn": 8}))])]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[500]]);
    assert!(agent.log().contains("can't be taken back"), "{}", agent.log());
    assert_eq!(lock(&state).label, "after");
    lock(&state).is_locked = false;
    agent.logged("that it is taken back", |log| log.contains("Label is as it was before")).await;
    assert_eq!(lock(&state).label, "before");
    agent.stop().await;
}

#[tokio::test]
async fn what_somebody_else_has_set_meanwhile_is_not_set_back() {
    let daemon = Daemon::start();
    let (modem, state) = Modem::new("35");
    let others = Arc::clone(&state);
    let hook = move |property: &str| {
        if property == "Stubborn" {
            lock(&others).label = "theirs".to_owned();
        }
    };
    let _service = serve(&daemon, [("0", Modem { hook: Box::new(hook), ..modem })]).await;
    lock(&state).label = "before".to_owned();
    let bench = bench(&daemon).await;
    bench.play(json!([hgets(&bench, &[("", json!({"Label": "after", "Stubborn": 8}))])]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[500]], "{}", agent.log());
    agent.logged("that it is left", |log| log.contains("Label has been changed by somebody else")).await;
    assert_eq!(lock(&state).label, "theirs");
    agent.stop().await;
}

#[tokio::test]
async fn what_is_set_is_what_would_be_set_back() {
    let daemon = Daemon::start();
    let ((modem, state), (other, others)) = (Modem::new("35"), Modem::new("36"));
    lock(&others).label = "after".to_owned();
    let (shown, other) = (Arc::clone(&state), Mutex::new(Some(other)));
    let objects = Arc::new(Mutex::new(None));
    let service: Arc<Mutex<Option<zbus::Connection>>> = Arc::clone(&objects);
    // In the middle of the change another one becomes the first of its kind, and the change goes on once it is.
    let hook = move |property: &str| {
        if property == "Label"
            && let Some(other) = other.lock().unwrap().take()
        {
            lock(&shown).label.clear();
            let service = service.lock().unwrap().clone().unwrap();
            tokio::spawn(async move {
                service.object_server().at("/org/t/Modems1/Modem/0", other).await.unwrap()
            });
        }
    };
    let service = serve(&daemon, [("1", Modem { hook: Box::new(hook), ..modem })]).await;
    *objects.lock().unwrap() = Some(service);
    let bench = bench(&daemon).await;
    bench.play(json!([hgets(&bench, &[("", json!({"Label": "after", "Power": true}))])]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[500]], "{}", agent.log());
    assert_eq!((now(&state), now(&others)), ((false, String::new()), (false, "after".to_owned())));
    agent.stop().await;
}

#[tokio::test]
async fn what_a_service_tells_is_bounded() {
    let daemon = Daemon::start();
    let (modem, state) = Modem::new("35");
    let _service = serve(&daemon, [("0", modem)]).await;
    lock(&state).ssid = vec![0; 2 << 20];
    let bench = bench(&daemon).await;
    bench.play(json!([[["GET", leaf("Ssid")], ["GET", leaf("IMEI")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[500, 200]], "{}", agent.log());
    agent.stop().await;
}

/// The agent, once it is known.
type Victim = Arc<Mutex<Option<Pid>>>;

/// Kills the agent when a property was set, before the service answers.
fn deadly(on: &'static str) -> (Modem, Arc<Mutex<State>>, Victim) {
    let (modem, state) = Modem::new("35");
    let victim = Victim::default();
    let aim = Arc::clone(&victim);
    let hook = move |property: &str| {
        if property == on
            && let Some(pid) = aim.lock().unwrap().take()
        {
            kill(pid, Signal::SIGKILL).unwrap();
        }
    };
    (Modem { hook: Box::new(hook), ..modem }, state, victim)
}

#[tokio::test]
async fn a_property_is_set_back_after_a_crash() {
    let daemon = Daemon::start();
    let (modem, state, victim) = deadly("Power");
    let _service = serve(&daemon, [("0", modem)]).await;
    lock(&state).label = "before".to_owned();
    let bench = bench(&daemon).await;
    bench.play(json!([hgets(&bench, &[("", json!({"Power": true, "Note": "n", "Label": "after"}))])]));
    let mut agent = bench.start().await;
    *victim.lock().unwrap() = Some(agent.pid());
    bench.notify().await;
    agent.exit().await;
    assert_eq!(now(&state), (true, "after".to_owned()), "killed too early");

    // The session that was cut off is held again.
    bench.play(json!([[["GET", leaf("Power")], ["GET", leaf("Note")], ["GET", leaf("Label")]]]));
    let agent = bench.start().await;
    bench.ended(&agent, 1).await;
    let log = agent.log();
    for place in [&format!("{SERVICE} /org/t/Modems1/Modem/0 {MODEM}.Label"), "Modem.Power", "state/note"] {
        assert!(log.contains(&format!("{place} is as it was before")), "{place}: {log}");
    }
    assert_eq!(bench.statuses().last().unwrap(), &[200, 404, 200]);
    assert_eq!(now(&state), (false, "before".to_owned()));
    assert!(!bench.gateway.path("state/note").exists());
    agent.stop().await;
}

#[tokio::test]
async fn a_service_that_is_not_up_after_a_crash_is_waited_for() {
    let daemon = Daemon::start();
    let (modem, state, victim) = deadly("Power");
    let service = serve(&daemon, [("0", modem)]).await;
    let bench = bench(&daemon).await;
    bench.play(json!([hgets(&bench, &[("", json!({"Power": true, "Label": "after"}))])]));
    let mut agent = bench.start().await;
    *victim.lock().unwrap() = Some(agent.pid());
    bench.notify().await;
    agent.exit().await;
    service.close().await.unwrap();
    // Somebody else has had a say meanwhile.
    let (modem, new) = Modem::new("35");
    *lock(&new) = State { power: true, label: "by hand".to_owned(), ..State::default() };

    let mut agent = bench.start().await;
    agent.logged("that it can't be taken back", |log| log.contains("can't be taken back")).await;
    let _service = serve(&daemon, [("0", modem)]).await;
    agent.logged("that it is taken back", |log| log.contains("Power is as it was before")).await;
    let log = agent.logged("that another's is left", |log| log.contains("it stays as it is")).await;
    assert!(log.contains("Modem.Label has been changed by somebody else"), "{log}");
    assert_eq!(now(&new), (false, "by hand".to_owned()));
    assert!(lock(&state).power, "the old one is gone");
    agent.stop().await;
}

#[tokio::test]
async fn exec_calls_a_method() {
    let daemon = Daemon::start();
    let (modem, state) = Modem::new("35");
    let _service = serve(&daemon, [("0", modem)]).await;
    let bench = bench(&daemon).await;
    bench.play(json!([
        [["EXEC", leaf("Reset")], ["EXEC", leaf("Guarded")]],
        hgets(&bench, &[("", json!({"Power": true}))]),
        [["EXEC", leaf("Reset")], ["EXEC", leaf("Slow")]],
    ]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![1404, 500], vec![200], vec![200, 500]], "{}", agent.log());
    assert_eq!(lock(&state).calls, ["Reset", "Reset"]);
    let log = agent.stop().await;
    for told in ["it is off", "not permitted: only root may", "does not answer"] {
        assert!(log.contains(told), "{told}: {log}");
    }
}

#[tokio::test]
async fn what_a_method_answers_goes_into_a_leaf_by_the_pipeline_of_result() {
    let daemon = Daemon::start();
    let (modem, state) = Modem::new("35");
    lock(&state).band = 20;
    let _service = serve(&daemon, [("0", modem)]).await;
    let bench = bench(&daemon).await;
    bench.play(json!([[["EXEC", leaf("Survey")]], [["GET", leaf("Found")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200], [200]], "{}", agent.log());
    assert_eq!(lock(&state).calls, ["Survey 200"]);
    assert_eq!(body(&bench, 2, 1).unwrap(), b"-71.5 dBm");
    agent.stop().await;
}

#[tokio::test]
async fn what_is_pinned_waits_for_a_modem_that_is_being_probed() {
    let daemon = Daemon::start();
    // The service is there; its modem is not, yet.
    let service = serve(&daemon, []).await;
    let objects = service.object_server();
    objects.at("/org/t/Modems1/Spare", Modem::new("0").0).await.unwrap();
    let bench = bench(&daemon).await;
    let file = bench.gateway.path("mo/modem/modem.toml");
    let mapping = std::fs::read_to_string(&file).unwrap();
    let mapping = mapping.replace("[node.IMEI]\n", "[node.IMEI]\npin = true\nwait = \"60s\"\n");
    omadm_agent::lab::files::put(&file, mapping, 0o644).unwrap();
    let agent = bench.start().await;
    for session in 1..=3 {
        bench.play(json!([[["GET", leaf("IMEI")], ["GET", leaf("Quality")]]]));
        bench.session(&agent, session).await;
        let path = "/org/t/Modems1/Modem/7";
        match session {
            1 => assert!(objects.at(path, Modem::new("35").0).await.unwrap().is_none()),
            2 => drop(objects.remove::<Modem, _>(path).await.unwrap()),
            _ => {}
        }
    }
    // What need not wait is not there; what was pinned stays.
    assert_eq!(bench.statuses(), [[503, 404], [200, 200], [200, 404]]);
    assert_eq!(body(&bench, 5, 1).unwrap(), b"IMEI:35");
    agent.stop().await;
}

#[tokio::test]
async fn a_service_made_with_glib_is_as_good() {
    let daemon = Daemon::start();
    let glib = Glib::start(&daemon);
    let bench = bench(&daemon).await;
    let file = bench.gateway.path("mo/modem/modem.toml");
    let mut mapping = std::fs::read_to_string(&file).unwrap();
    for (ours, theirs) in [
        ("org.t.Modems1", "org.t.Glib"),
        ("/org/t/Modems1/", "/org/t/Glib/"),
        // What is there is no modem.
        ("/Modem/10", "/Modem/0"),
        ("EquipmentIdentifier", "Id"),
        ("method = \"Reset\"", "method = \"Reset\", args = [\"true\"]"),
    ] {
        mapping = mapping.replace(ours, theirs);
    }
    omadm_agent::lab::files::put(&file, mapping, 0o644).unwrap();
    let mut commands = hgets(&bench, &[("", json!({"Band": 70, "Pin": "1234"}))]);
    commands.extend(
        ["IMEI", "Second", "Band", "Missing", "Modems/2/IMEI", "Modems/0/IMEI"]
            .map(|name| json!(["GET", leaf(name)])),
    );
    commands.push(json!(["EXEC", leaf("Reset")]));
    bench.play(json!([commands]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200, 200, 404, 200, 404, 200, 404, 200]], "{}", agent.log());
    assert_eq!(
        [2, 4, 6].map(|part| body(&bench, 1, part).unwrap()),
        [b"IMEI:glib".to_vec(), b"70".into(), b"glib".into()]
    );
    agent.stop().await;
    assert_eq!(glib.told(), "Band 7\nPin 1234\nReset (True,)\n");
}

#[tokio::test]
async fn a_hung_service_holds_up_nobody_else() {
    let daemon = Daemon::start();
    // It has the name, and never answers.
    let _mute = daemon.connect().name(SERVICE).build().await.unwrap();
    let bench = bench(&daemon).await;
    bench.play(json!([[["GET", format!("{MOID}//")], ["GET", leaf("Note")]]]));
    files_note(&bench);
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    // What is listed from it can't be told, and is left out; it is waited for once, not for each of its properties.
    assert_eq!(bench.statuses(), [[200, 200]]);
    let whole: Value = serde_json::from_slice(&body(&bench, 1, 1).unwrap()).unwrap();
    assert_eq!(whole["MOData"], json!({"Modem": {"IMEI": "none", "Note": "here"}}));
    assert_eq!(body(&bench, 1, 2).unwrap(), b"here");
    agent.stop().await;
}

fn files_note(bench: &Bench) {
    omadm_agent::lab::files::put(&bench.gateway.path("state/note"), "here\n", 0o644).unwrap();
}

/// What an integrator has misspelt is told by what the service says of itself, without calling anything.
#[tokio::test]
async fn members_that_a_service_does_not_have_are_told_before_a_server_asks() {
    const MAPPING: &str = r#"
moid = "urn:x-acme:mo:typos:1.0"
root = "Typos"
instances = ["1"]
[object.modem]
dbus = "org.t.Modems1"
path = "/org/t/Modems1/Modem/*"
interface = "org.t.Modems1.Modem"
[node.Label]
get = { object = "modem", property = "Label" }
set = { object = "modem", property = "Label" }
[node.Labels]
occurs = "?"
get = { object = "modem", property = "Lable" }
[node.Celsius]
format = "float"
get = { object = "modem", property = "Temperature" }
set = { object = "modem", property = "Temperature" }
[node.Called]
get = { object = "modem", property = "Label" }
set = { object = "modem", method = "Rename", args = ["{}"] }
[node.Reset]
exec = { object = "modem", method = "Rest" }
[node.Sound]
exec = { object = "modem", method = "Reset" }
"#;
    let daemon = Daemon::start();
    let (modem, state) = Modem::new("9");
    let _service = serve(&daemon, [("9", modem)]).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("typos")).unwrap();
    omadm_agent::lab::files::put(&folder.path().join("typos/typos.toml"), MAPPING, 0o644).unwrap();
    let (folder, address) = (folder.path().join("typos"), daemon.address());
    let read = tokio::task::spawn_blocking(move || {
        std::process::Command::new(env!("CARGO_BIN_EXE_omadmctl"))
            .args(["mo", "check", "--read"])
            .arg(folder)
            .env("DBUS_SYSTEM_BUS_ADDRESS", address)
            .output()
            .unwrap()
    });
    let read = read.await.unwrap();
    let told = String::from_utf8(read.stdout).unwrap();
    for expected in [
        "has no property Lable; it has: ",
        "set: ",
        "says that its property Temperature can only be read",
        "has a method Rename that takes 3 arguments, and `args` has 1",
        "has no method Rest; it has: ",
    ] {
        assert!(told.contains(expected), "{expected:?} is not in:\n{told}");
    }
    let doubts = told.matches(" has ").count() + told.matches(" says that ").count();
    assert_eq!((doubts, read.status.code()), (8, Some(1)), "{told}");
    assert!(lock(&state).calls.is_empty(), "nothing was called");
}
