//! Subscriptions to what services of a real message bus have.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;

use crate::subscription::Rig;
use crate::support::bus::{Daemon, MODEM, Modem, SERVICE, State, manage, serve, set, tell, tune};
use crate::support::{Agent, LIMIT};

const RADIO: &str = "urn:x-omadm:mo:radio:1.0";

/// A rig whose agent has an object with a modem's band, and all modems; what tells nothing is polled this often.
async fn rig(daemon: &Daemon, poll: &str) -> Rig {
    let rig = Rig::new(&format!("{}[subscription]\npoll = \"{poll}\"\n", daemon.config())).await;
    let mapping = format!(
        "moid = \"{RADIO}\"\nroot = \"Radio\"\ninstances = [\"1\"]\n\
         [object]\n\
         one = {{ dbus = \"{SERVICE}\", path = \"/org/t/Modems1/Modem/0\", interface = \"{MODEM}\" }}\n\
         all = {{ dbus = \"{SERVICE}\", path = \"/org/t/Modems1/Modem/*\", interface = \"{MODEM}\" }}\n\
         [node.Band]\nget = {{ object = \"one\", property = \"Band\" }}\n\
         [node.\"Modems/<m>\"]\nlist = {{ object = \"all\" }}\n\
         [node.\"Modems/<m>/Label\"]\nget = {{ object = \"all\", property = \"Label\" }}\n"
    );
    rig.bench.gateway.put_mo("radio", "radio.toml", &mapping).unwrap();
    rig
}

fn reads(state: &Mutex<State>) -> usize {
    state.lock().unwrap().reads
}

/// Subscribes, and waits until that was looked at. What there is now, the server has.
async fn subscribed(rig: &Rig, agent: &Agent, path: &str) {
    rig.subscribe(agent, &format!("{RADIO}/1/{path}")).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    agent.at_rest().await;
}

#[tokio::test]
async fn a_property_is_put_by_its_signal_and_asked_for_at_no_other_time() {
    let daemon = Daemon::start();
    let (modem, state) = Modem::new("1");
    let _service = serve(&daemon, [("0", modem)]).await;
    let rig = rig(&daemon, "1d").await;
    let agent = rig.bench.start().await;
    subscribed(&rig, &agent, "Band").await;
    let before = reads(&state);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(reads(&state), before, "nothing has changed: {}", agent.log());
    tune(&daemon, 20).await;
    rig.arrives(&agent, &json!("20")).await;
    assert_eq!(reads(&state), before + 1);
    assert_eq!(rig.values(), ["20"]);
    agent.at_rest().await;
    agent.stop().await;
}

#[tokio::test]
async fn a_service_that_goes_is_put_and_so_is_what_it_says_when_it_is_back() {
    let daemon = Daemon::start();
    let (modem, state) = Modem::new("1");
    state.lock().unwrap().band = 7;
    let service = serve(&daemon, [("0", modem)]).await;
    let rig = rig(&daemon, "1d").await;
    let agent = rig.bench.start().await;
    subscribed(&rig, &agent, "Band").await;
    drop(service);
    rig.arrives(&agent, &json!("")).await;
    let (modem, state) = Modem::new("1");
    state.lock().unwrap().band = 28;
    let _service = serve(&daemon, [("0", modem)]).await;
    rig.arrives(&agent, &json!("28")).await;
    agent.at_rest().await;
    agent.stop().await;
}

/// Nobody tells that a bus is there again: what has lost it asks for its signals anew, and is told from then on.
#[tokio::test]
async fn after_a_restart_of_the_bus_signals_are_asked_for_anew() {
    let mut daemon = Daemon::start();
    let service = serve(&daemon, [("0", Modem::new("1").0)]).await;
    let rig = rig(&daemon, "1s").await;
    let agent = rig.bench.start().await;
    subscribed(&rig, &agent, "Band").await;
    drop(service);
    daemon.stop();
    let lost = || !agent.timers().is_empty();
    let polls = async {
        while !lost() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, polls).await.unwrap_or_else(|_| panic!("it is not polled\n{}", agent.log()));
    daemon.start_again();
    let (modem, state) = Modem::new("1");
    state.lock().unwrap().band = 3;
    let _service = serve(&daemon, [("0", modem)]).await;
    rig.arrives(&agent, &json!("3")).await;
    agent.at_rest().await;
    tune(&daemon, 28).await;
    rig.arrives(&agent, &json!("28")).await;
    agent.stop().await;
}

#[tokio::test]
async fn of_a_list_each_element_is_told() {
    let daemon = Daemon::start();
    let service = serve(&daemon, [("0", Modem::new("1").0)]).await;
    manage(&service).await;
    let rig = rig(&daemon, "1d").await;
    let agent = rig.bench.start().await;
    subscribed(&rig, &agent, "Modems").await;
    let puts = async |number: usize| {
        let put = rig.bench.tape.until(LIMIT, |_| rig.puts().len() >= number).await;
        assert!(put, "{:?}\n{}", rig.puts().len(), agent.log());
        let json: serde_json::Value = serde_json::from_slice(&rig.puts().last().unwrap().body).unwrap();
        json[0]["MOData"]["Modems"].clone()
    };
    service.object_server().at("/org/t/Modems1/Modem/1", Modem::new("2").0).await.unwrap();
    tell(&service, "InterfacesAdded").await;
    assert_eq!(puts(1).await, json!({"0": {"Label": ""}, "1": {"Label": ""}}));
    agent.at_rest().await;
    set(&daemon, "1", "Label", zbus::wire::Variant::Str("new".into())).await;
    assert_eq!(puts(2).await, json!({"0": {"Label": ""}, "1": {"Label": "new"}}));
    agent.stop().await;
}
