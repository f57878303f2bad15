//! The agent on a real message bus: what is asked of it there, what it tells, and what it bears.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream as _;
use omadm_agent::lab::files;
use serde_json::json;
use zbus::wire::{StructureBuilder, Variant};
use zbus::{Connection, MatchRule, Message, MessageStream};

use crate::support::bus::Daemon;
use crate::support::local::{self, AGENT, Agent, PATH};
use crate::support::{BENCH, Bench, DEVINFO, LIMIT, SERVER_ID, Setup, local::put_on};

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const LOG: &str = "org.freedesktop.LogControl1";
const LOG_PATH: &str = "/org/freedesktop/LogControl1";

/// What the agent signals from now on.
async fn signals(agent: &Agent) -> MessageStream {
    let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).sender(AGENT).build().unwrap();
    MessageStream::for_match_rule(rule.into_owned(), &agent.connection, None).await.unwrap()
}

/// The next signal of this name.
async fn next(signals: &mut MessageStream, name: &str) -> Message {
    let found = async {
        loop {
            let message =
                poll_fn(|context| Pin::new(&mut *signals).poll_next(context)).await.unwrap().unwrap();
            if message.header().member().is_some_and(|member| member.as_str() == name) {
                return message;
            }
        }
    };
    tokio::time::timeout(LIMIT, found).await.unwrap_or_else(|_| panic!("no signal {name}"))
}

#[tokio::test]
async fn a_session_is_started_by_name_and_its_end_is_told() {
    let bench = Bench::new().await;
    bench.play(json!([[["GET", format!("{DEVINFO}//DevID")]]]));
    let agent = Agent::start(&bench).await;
    let mut signals = signals(&agent).await;
    agent.call(AGENT, "StartSession", &[SERVER_ID]).await.unwrap();
    let ended: (String, String, String) =
        next(&mut signals, "SessionEnded").await.body().deserialize().unwrap();
    assert_eq!((ended.0.as_str(), ended.2.as_str()), (SERVER_ID, "completed"));
    assert!(
        agent.agent.log().contains(&format!("session {} begins (operator)", ended.1)),
        "{}",
        agent.agent.log()
    );
    let servers = agent.property("Servers").await.to_string();
    for told in [
        "\"state\": <\"idle\">",
        "\"outcome\": <\"completed\">",
        "\"lastContact\": <uint64 ",
        "\"lastBegan\": <uint64 ",
        "\"lastBeganUptime\": <uint64 ",
        "\"lastEndedUptime\": <uint64 ",
        "\"lastInterfaces\": <[<\"lo\">]>",
    ] {
        assert!(servers.contains(told), "{told}: {servers}");
    }
    let refused = agent.call(AGENT, "StartSession", &["nobody"]).await.unwrap_err();
    assert!(refused.name == "UnknownServer" && refused.why.contains("\"nobody\""), "{refused}");
    agent.stop().await;
}

#[tokio::test]
async fn a_session_that_fails_is_told_with_its_reason_and_when_it_is_tried_again() {
    let bench = Bench::with(Setup {
        account: Box::new(|account, _| account.server_uri = "https://127.0.0.1:1/dm".to_owned()),
        ..Setup::default()
    })
    .await;
    let agent = Agent::start(&bench).await;
    let mut signals = signals(&agent).await;
    agent.call(AGENT, "StartSession", &[SERVER_ID]).await.unwrap();
    let ended: (String, String, String) =
        next(&mut signals, "SessionEnded").await.body().deserialize().unwrap();
    assert!(ended.2.starts_with("failed: ") && ended.2.contains("refused"), "{ended:?}");
    let status = agent.json("Status", &[]).await.unwrap();
    let server = &status["servers"][SERVER_ID];
    assert_eq!((&server["state"], &server["outcome"]), (&json!("waiting"), &json!("failed")), "{status}");
    assert!(server["nextTry"].is_u64() && server["why"].as_str().unwrap().contains("refused"), "{status}");
    assert_eq!(server["waitsFor"], "the end of the pause after a failure", "{status}");
    agent.stop().await;
}

#[tokio::test]
async fn properties_are_told_to_have_changed_and_read_by_their_types() {
    let bench = Bench::new().await;
    bench.play(json!([]));
    let agent = Agent::start(&bench).await;
    let mut signals = signals(&agent).await;
    agent.call(AGENT, "StartSession", &[SERVER_ID]).await.unwrap();
    let changed = next(&mut signals, "PropertiesChanged").await;
    type Changed = (String, std::collections::HashMap<String, zbus::wire::OwnedVariant>, Vec<String>);
    let (interface, _, names): Changed = changed.body().deserialize().unwrap();
    assert_eq!((interface.as_str(), names.join(" ").as_str()), (AGENT, "PendingAlerts Servers Sessions"));
    let all = agent.call(PROPERTIES, "GetAll", &[AGENT]).await.unwrap();
    let all: std::collections::BTreeMap<String, zbus::wire::OwnedVariant> = all.body().deserialize().unwrap();
    let kinds: Vec<_> =
        all.iter().map(|(name, value)| (name.as_str(), value.value_signature().to_string())).collect();
    let kinds: Vec<_> = kinds.iter().map(|(name, kind)| (*name, kind.as_str())).collect();
    let expected =
        [("DeviceId", "s"), ("PendingAlerts", "a{st}"), ("Servers", "a{sa{sv}}"), ("Sessions", "aa{sv}")];
    assert_eq!(kinds, expected);
    let device = agent.json("Get", &[&format!("{DEVINFO}//DevID")]).await.unwrap();
    assert_eq!(all["DeviceId"].to_string(), device.to_string());
    agent.stop().await;
}

#[tokio::test]
async fn a_reload_is_over_when_it_is_answered_and_fails_with_all_problems() {
    let bench = Bench::new().await;
    let agent = Agent::start(&bench).await;
    agent.call(AGENT, "Reload", &[]).await.unwrap();
    let account = bench.gateway.path("accounts").join("other.toml");
    files::put(&account, "server-id = \"other\"\nserver-uri = 7\nnonsense = true\n", files::PLAIN).unwrap();
    let settings = std::fs::read_to_string(bench.gateway.config()).unwrap();
    files::put(&bench.gateway.config(), format!("nonsense = 1\n{settings}"), files::PLAIN).unwrap();
    let refused = agent.call(AGENT, "Reload", &[]).await.unwrap_err();
    assert_eq!(refused.name, "ConfigurationBroken");
    // The one file that the agent runs on is not read any further.
    assert!(refused.why.contains("nonsense"), "{refused}");
    let sound = async || agent.json("Status", &[]).await.unwrap()["configuration"]["sound"] == true;
    assert!(!sound().await);
    files::put(&bench.gateway.config(), settings, files::PLAIN).unwrap();
    let refused = agent.call(AGENT, "Reload", &[]).await.unwrap_err();
    for problem in ["other.toml:2: server-uri", "other.toml:3: nonsense"] {
        assert!(refused.why.contains(problem), "{problem}: {refused}");
    }
    std::fs::remove_file(account).unwrap();
    assert!(!sound().await);
    agent.call(AGENT, "Reload", &[]).await.unwrap();
    assert!(sound().await);
    agent.stop().await;
}

#[tokio::test]
async fn the_operator_reads_what_a_server_would_and_no_secret() {
    let bench = Bench::new().await;
    let agent = Agent::start(&bench).await;
    let account = agent.json("Get", &[&format!("{}/{SERVER_ID}/", crate::support::DMACC)]).await.unwrap();
    let text = account.to_string();
    assert!(text.contains(SERVER_ID) && !text.contains(crate::support::SECRET), "{text}");
    for (uri, expected) in [
        (format!("{BENCH}//Nothing"), "NotFound"),
        ("urn:x-test:nothing//A".to_owned(), "NotFound"),
        ("no uri".to_owned(), "InvalidArgument"),
    ] {
        let refused = agent.json("Get", &[&uri]).await.unwrap_err();
        assert_eq!(refused.name, expected, "{uri}: {refused}");
    }
    agent.stop().await;
}

#[tokio::test]
async fn the_level_of_the_log_is_another_one_from_now_on() {
    let bench = Bench::new().await;
    let agent = Agent::start(&bench).await;
    let level = async || {
        let reply =
            local::call(&agent.connection, LOG_PATH, PROPERTIES, "Get", &[LOG, "LogLevel"]).await.unwrap();
        reply.body().deserialize::<zbus::wire::OwnedVariant>().unwrap().to_string()
    };
    let set = async |value: &str| {
        let body = (LOG, "LogLevel", Variant::Str(value.to_owned().into()));
        agent.connection.call_method(Some(AGENT), LOG_PATH, Some(PROPERTIES), "Set", &body).await
    };
    assert_eq!(level().await, "\"info\"");
    set("debug").await.unwrap();
    assert_eq!(level().await, "\"debug\"");
    assert!(set("loud").await.is_err());
    set("err").await.unwrap();
    bench.play(json!([]));
    bench.notify().await;
    bench.answered_end(&agent.agent, 1).await;
    let log = agent.stop().await;
    assert!(!log.contains("a session is due"), "{log}");
}

#[tokio::test]
async fn the_agent_comes_back_to_a_bus_that_comes_back() {
    let bench = Bench::new().await;
    let mut agent = Agent::start(&bench).await;
    agent.bus.stop();
    agent.agent.logged("that the bus has gone", |line| line.contains("can't be called: ")).await;
    agent.bus.start_again();
    agent.agent.logged("that the bus is back", |line| line.contains("can be called again")).await;
    agent.connection = agent.bus.connect().build().await.unwrap();
    agent.call(AGENT, "Reload", &[]).await.unwrap();
    agent.stop().await;
}

#[tokio::test]
async fn without_a_bus_the_agent_is_as_well_and_says_nothing_of_it() {
    let bench = Bench::new().await;
    let bus = {
        let bus = Daemon::start();
        put_on(&bench, &bus);
        bus
    };
    drop(bus);
    bench.play(json!([]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let log = agent.stop().await;
    assert!(!log.contains("D-Bus"), "{log}");
}

#[tokio::test]
async fn a_name_that_somebody_else_has_is_said_and_taken_when_it_is_free() {
    let bench = Bench::new().await;
    let bus = Daemon::start();
    put_on(&bench, &bus);
    let other = bus.connect().build().await.unwrap();
    other.request_name(AGENT).await.unwrap();
    let mut agent = bench.start().await;
    agent.logged("that the name is taken", |line| line.contains("another program has it")).await;
    other.close().await.unwrap();
    agent.logged("that it is not any more", |line| line.contains("can be called again")).await;
    agent.stop().await;
}

/// Who calls and calls, and reads no answer, gets none: others do, and a notification is served.
#[tokio::test]
async fn who_floods_the_agent_harms_nobody_else() {
    let bench = Bench::new().await;
    bench.play(json!([]));
    let agent = Agent::start(&bench).await;
    let flooder = agent.bus.connect().build().await.unwrap();
    let large = "x".repeat(1 << 20);
    let flood = tokio::spawn(async move {
        loop {
            for uri in [&format!("{DEVINFO}//"), &large] {
                let mut body = StructureBuilder::new();
                body.push_field(uri.clone());
                let call = Message::method_call(PATH, "Get").destination(AGENT).interface(AGENT);
                let _ = flooder.send(&call.build(&body.build().unwrap()).unwrap()).await;
            }
            tokio::task::yield_now().await;
        }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = std::time::Instant::now();
    let status = agent.json("Status", &[]).await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
    assert_eq!(status["version"], 1);
    bench.session(&agent.agent, 1).await;
    flood.abort();
    agent.stop().await;
}

#[tokio::test]
async fn too_many_calls_of_one_are_refused_and_those_of_others_are_not() {
    let bench = Bench::new().await;
    let agent = Agent::start(&bench).await;
    let other: Connection = agent.bus.connect().build().await.unwrap();
    // Each waits until all files were read again.
    let many: Vec<_> = (0..64)
        .map(|_| {
            let connection = agent.connection.clone();
            tokio::spawn(async move { local::call(&connection, PATH, AGENT, "Reload", &[]).await })
        })
        .collect();
    let of_another = local::call(&other, PATH, AGENT, "Reload", &[]).await;
    assert!(of_another.is_ok(), "{of_another:?}");
    let mut refused = 0;
    for one in many {
        if let Err(error) = one.await.unwrap() {
            assert_eq!(error.name, "org.freedesktop.DBus.Error.LimitsExceeded", "{error}");
            refused += 1;
        }
    }
    assert!((1..=56).contains(&refused), "{refused}");
    agent.stop().await;
}

#[tokio::test]
async fn however_many_calls_applications_make_the_operator_is_answered() {
    let bench = Bench::new().await;
    let agent = Agent::start(&bench).await;
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let connection: Connection = agent.bus.connect().build().await.unwrap();
        for _ in 0..8 {
            let connection = connection.clone();
            flood.spawn(async move {
                loop {
                    let _ =
                        local::call(&connection, PATH, &format!("{AGENT}.Push"), "Deliver", &["AAAA"]).await;
                }
            });
        }
    }
    for _ in 0..50 {
        assert_eq!(agent.json("Status", &[]).await.unwrap()["version"], 1);
    }
    flood.abort_all();
    agent.stop().await;
}
