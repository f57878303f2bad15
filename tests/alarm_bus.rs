//! Alarms on what services of a real message bus tell.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::bus::{Daemon, MODEM, Modem, SERVICE, State, manage, serve, set, tell, tune};
use crate::support::{Agent, Bench, LIMIT, Setup};

const RADIO: &str = "urn:x-omadm:mo:radio:1.0";

/// An object with a modem, a list of modems, and these alarms.
async fn bench(daemon: &Daemon, alarms: &str) -> Bench {
    let bench = Bench::with(Setup { config: daemon.config(), ..Setup::default() }).await;
    let object = |name: &str, last: &str| {
        format!(
            "[object.{name}]\ndbus = \"{SERVICE}\"\npath = \"/org/t/Modems1/Modem/{last}\"\ninterface = \"{MODEM}\"\n"
        )
    };
    let mapping = format!(
        "moid = \"{RADIO}\"\nroot = \"Radio\"\ninstances = [\"1\"]\n{}{}\
         [node.Band]\nformat = \"int\"\nget = {{ object = \"one\", property = \"Band\" }}\n\
         [node.\"Modems/<m>\"]\nlist = {{ object = \"all\" }}\n\
         [node.\"Modems/<m>/Imei\"]\nget = {{ object = \"all\", property = \"EquipmentIdentifier\" }}\n{alarms}\n",
        object("one", "0"),
        object("all", "*"),
    );
    bench.gateway.put_mo("radio", "radio.toml", &mapping).unwrap();
    bench
}

/// The alerts that the server has got: type, source below the instance, and data.
fn heard(bench: &Bench) -> Vec<(String, String, Value)> {
    let items = bench
        .packages()
        .into_iter()
        .flat_map(|package| package.json["Alert"]["Items"].as_array().cloned().unwrap_or_default());
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let source = |item: &Value| text(item, "SourceURI").replacen(&format!("{RADIO}/1/"), "", 1);
    items.map(|item| (text(&item, "AlertType"), source(&item), item["Data"].clone())).collect()
}

async fn hears(bench: &Bench, agent: &Agent, wanted: &[(&str, &str, Value)]) {
    let wanted: Vec<_> =
        wanted.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), c.clone())).collect();
    let told = bench.tape.until(LIMIT, |_| heard(bench).len() >= wanted.len()).await;
    assert!(told, "{:?}, and not {wanted:?}:\n{}", heard(bench), agent.log());
    assert_eq!(heard(bench), wanted, "{}", agent.log());
}

const HIGH: &str =
    "[alarm.high]\nleaf = \"Band\"\nabove = 20\nevery = \"1s\"\nalert = { type = \"urn:t:at:high\" }";

/// The modem counts how often it is asked for all of its properties.
fn reads(state: &std::sync::Mutex<State>) -> usize {
    state.lock().unwrap().reads
}

#[tokio::test]
async fn a_property_that_changes_is_told_by_its_signal_and_not_asked_for_otherwise() {
    let daemon = Daemon::start();
    let (modem, state) = Modem::new("1");
    let _service = serve(&daemon, [("0", modem)]).await;
    let bench = bench(&daemon, HIGH).await;
    let agent = bench.start().await;
    let asked = async {
        while reads(&state) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, asked).await.unwrap_or_else(|_| panic!("{}", agent.log()));
    agent.at_rest().await;
    let before = reads(&state);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(reads(&state), before, "nothing has changed: {}", agent.log());
    tune(&daemon, 20).await;
    tune(&daemon, 21).await;
    hears(&bench, &agent, &[("urn:t:at:high", "Band", json!({"Value": 21, "Limit": 20}))]).await;
    assert!((1..=2).contains(&(reads(&state) - before)), "{} times", reads(&state) - before);
    agent.at_rest().await;
    agent.stop().await;
}

#[tokio::test]
async fn a_service_that_goes_tells_nothing_and_what_it_says_when_it_is_back_is_told() {
    let daemon = Daemon::start();
    let (modem, state) = Modem::new("1");
    state.lock().unwrap().band = 7;
    let service = serve(&daemon, [("0", modem)]).await;
    let bench = bench(&daemon, &HIGH.replace("every = \"1s\"", "every = \"1d\"")).await;
    let agent = bench.start().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(service);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(heard(&bench), [], "{}", agent.log());
    let (modem, state) = Modem::new("1");
    state.lock().unwrap().band = 28;
    let _service = serve(&daemon, [("0", modem)]).await;
    hears(&bench, &agent, &[("urn:t:at:high", "Band", json!({"Value": 28, "Limit": 20}))]).await;
    agent.stop().await;
}

#[tokio::test]
async fn objects_that_come_and_go_are_told_by_their_manager() {
    let daemon = Daemon::start();
    let alarms = "[alarm.modems]\nlist = \"Modems/<m>\"\nevery = \"1d\"\n\
        alert = { type = \"urn:t:at:came\", cleared = \"urn:t:at:went\" }";
    let service = serve(&daemon, [("0", Modem::new("1").0)]).await;
    manage(&service).await;
    let bench = bench(&daemon, alarms).await;
    let agent = bench.start().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(heard(&bench), [], "{}", agent.log());
    service.object_server().at("/org/t/Modems1/Modem/1", Modem::new("2").0).await.unwrap();
    tell(&service, "InterfacesAdded").await;
    let came = ("urn:t:at:came", "Modems/1", json!({"Value": "1"}));
    hears(&bench, &agent, std::slice::from_ref(&came)).await;
    service.object_server().remove::<Modem, _>("/org/t/Modems1/Modem/0").await.unwrap();
    tell(&service, "InterfacesRemoved").await;
    hears(&bench, &agent, &[came, ("urn:t:at:went", "Modems/0", json!({"Value": "0"}))]).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_list_whose_service_has_gone_is_unknown_and_not_empty() {
    let daemon = Daemon::start();
    let alarms = "[alarm.modems]\nlist = \"Modems/<m>\"\nevery = \"1d\"\n\
        alert = { type = \"urn:t:at:came\", cleared = \"urn:t:at:went\" }";
    let all = ["0", "1", "2"].map(|number| (number, Modem::new("1").0));
    let service = serve(&daemon, all).await;
    manage(&service).await;
    let bench = bench(&daemon, alarms).await;
    let agent = bench.start().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(service);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(heard(&bench), [], "{}", agent.log());
    agent.at_rest().await;
    let service = serve(&daemon, ["0", "2"].map(|number| (number, Modem::new("1").0))).await;
    manage(&service).await;
    hears(&bench, &agent, &[("urn:t:at:went", "Modems/1", json!({"Value": "1"}))]).await;
    agent.stop().await;
}

/// A bus that has only so many rules for each, with so many modems, of each of which there is an alarm.
async fn crowd(rules: usize, modems: usize, every: &str) -> (Daemon, zbus::Connection, Bench) {
    let daemon =
        Daemon::start_with(&format!("<limit name=\"max_match_rules_per_connection\">{rules}</limit>"));
    let names: Vec<String> = (0..modems).map(|number| number.to_string()).collect();
    let service = serve(&daemon, names.iter().map(|number| (number.as_str(), Modem::new("1").0))).await;
    let alarm = |number: &String| {
        format!(
            "[object.m{number}]\ndbus = \"{SERVICE}\"\npath = \"/org/t/Modems1/Modem/{number}\"\ninterface = \"{MODEM}\"\n\
             [node.B{number}]\nformat = \"int\"\nget = {{ object = \"m{number}\", property = \"Band\" }}\n\
             [alarm.a{number}]\nleaf = \"B{number}\"\nabove = 20\nevery = \"{every}\"\nalert = {{ type = \"urn:t:at:high\" }}\n"
        )
    };
    let bench = bench(&daemon, &names.iter().map(alarm).collect::<String>()).await;
    (daemon, service, bench)
}

/// Each of these modems is tuned, and that is told.
async fn tells_of(daemon: &Daemon, bench: &Bench, agent: &Agent, modems: &[&str]) {
    for modem in modems {
        set(daemon, modem, "Band", zbus::wire::Variant::U32(21)).await;
    }
    let told = bench.tape.until(LIMIT, |_| heard(bench).len() == modems.len()).await;
    assert!(told, "{:?}\n{}", heard(bench), agent.log());
}

#[tokio::test]
async fn many_objects_of_one_service_are_told_by_few_rules() {
    let (daemon, _service, bench) = crowd(36, 40, "1d").await;
    let agent = bench.start().await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    agent.at_rest().await;
    tells_of(&daemon, &bench, &agent, &["0", "20", "39"]).await;
    assert!(!agent.log().contains("max_match_rules_per_connection"), "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn that_the_bus_refuses_to_tell_of_changes_is_said_and_they_are_polled() {
    let (daemon, _service, bench) = crowd(8, 12, "1s").await;
    let mut agent = bench.start().await;
    agent.logged("what to do", |line| line.contains("raise its limit max_match_rules_per_connection")).await;
    let modems: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    let modems: Vec<&str> = modems.iter().map(String::as_str).collect();
    tells_of(&daemon, &bench, &agent, &modems).await;
    agent.stop().await;
}

/// A bus that is started anew: nobody tells that it is there again but its socket.
#[tokio::test]
async fn after_a_restart_of_the_bus_signals_are_asked_for_anew() {
    let mut daemon = Daemon::start();
    let service = serve(&daemon, [("0", Modem::new("1").0)]).await;
    let bench = bench(&daemon, &HIGH.replace("every = \"1s\"", "every = \"1d\"")).await;
    let agent = bench.start().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(service);
    daemon.stop();
    tokio::time::sleep(Duration::from_secs(2)).await;
    daemon.start_again();
    let (modem, _state) = Modem::new("1");
    let _service = serve(&daemon, [("0", modem)]).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    tune(&daemon, 28).await;
    hears(&bench, &agent, &[("urn:t:at:high", "Band", json!({"Value": 28, "Limit": 20}))]).await;
    agent.stop().await;
}
