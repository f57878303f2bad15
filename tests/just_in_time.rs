//! A local application lacks its configuration (TS 10.1), and a server's DEFAULT says where that is.

use std::time::Duration;

use omadm_agent::lab::files;
use serde_json::{Value, json};

use crate::support::local::{self, AGENT, Agent, Refused};
use crate::support::{BENCH, Bench, Setup, ddf};

const MMS: &str = "urn:x-omadm:mo:mms:1.0";

/// A bench with an object of which servers make instances, and whose server has given a DEFAULT for it.
async fn bench(config: &str) -> Bench {
    let bench = Bench::with(Setup { config: config.to_owned(), ..Setup::default() }).await;
    let relay = ddf::node("Relay", "chr", "Get Replace", "One", "");
    let root = ddf::node("MMS", "node", "Get Replace", "One", &relay);
    ddf::put(&bench.gateway, MMS, "MMS", &root, "dynamic = true");
    bench.play(json!([[["DEFAULT", "{repository}/mms/[MCC]", MMS]]]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    // What the agent has not read yet it would ask for again.
    agent.logged("that the session ended well", |line| line.contains("ended well")).await;
    agent.stop().await;
    bench
}

async fn configure(agent: &Agent, moid: &str) -> Result<Vec<String>, Refused> {
    let reply = agent.call(AGENT, "RequestConfiguration", &[moid, "Device"]).await?;
    Ok(reply.body().deserialize().unwrap())
}

fn document(moid: &str) -> String {
    json!({ "MOID": moid, "MOData": { "MMS": { "Relay": "mmsc.example" } } }).to_string()
}

#[tokio::test]
async fn an_application_gets_its_configuration_from_where_a_server_said() {
    let networks = "[subscriber]\nMCC.get = { file = \"@folder@/mcc\" }\n";
    let bench = bench(networks).await;
    // Nobody knew it when the server gave the DEFAULT.
    files::put(&bench.gateway.path("mcc"), "262\n", files::PLAIN).unwrap();
    bench.repository.put("/mms/262", "application/dmmo+json", document(MMS));
    let before = bench.packages().len();
    let agent = Agent::start(&bench).await;
    assert_eq!(configure(&agent, MMS).await.unwrap(), [format!("{MMS}/1/")]);
    let request = bench.tape.requests("repository").pop().unwrap();
    assert_eq!((request.method.as_str(), request.target().as_str()), ("GET", "/mms/262"));
    assert_eq!(bench.packages().len(), before, "no server is told");
    agent.stop().await;

    // It belongs to the server that gave the DEFAULT.
    bench
        .play(json!([[["GET", format!("{MMS}//Relay")], ["HPUT", "{repository}/made", format!("{MMS}//")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 2).await;
    assert_eq!(bench.statuses().pop().unwrap(), [200, 200]);
    assert_eq!(bench.packages().last().unwrap().part(1).unwrap().body, b"mmsc.example");
    let made: Value = serde_json::from_slice(&bench.repository.get("/made").unwrap().body).unwrap();
    assert_eq!(made[0]["MOData"], json!({ "MMS": { "Relay": "mmsc.example" } }));
    agent.stop().await;
}

#[tokio::test]
async fn who_asks_is_said_only_where_the_settings_want_it() {
    let bench = bench("[session]\ndefault-initiated-by = true\n").await;
    bench.repository.put("/mms/-1", "application/dmmo+json", document(MMS));
    let agent = Agent::start(&bench).await;
    configure(&agent, MMS).await.unwrap();
    let request = bench.tape.requests("repository").pop().unwrap();
    assert_eq!(request.target(), "/mms/-1?InitiatedBy=Device");
    agent.stop().await;
}

#[tokio::test]
async fn a_document_of_another_object_is_discarded() {
    let bench = bench("").await;
    bench.repository.put("/mms/-1", "application/dmmo+json", document(BENCH));
    let agent = Agent::start(&bench).await;
    let refused = configure(&agent, MMS).await.unwrap_err().to_string();
    assert!(refused.contains(BENCH) && refused.contains(MMS), "{refused}");
    bench.repository.put("/mms/-1", "text/html", "<html/>");
    let refused = configure(&agent, MMS).await.unwrap_err();
    assert_eq!(refused.name, "Failed", "{refused}");
    agent.stop().await;
}

#[tokio::test]
async fn without_a_default_nothing_is_fetched() {
    let bench = bench("").await;
    let agent = Agent::start(&bench).await;
    let refused = configure(&agent, BENCH).await.unwrap_err();
    assert_eq!(refused.name, "NoDefault", "{refused}");
    let refused = configure(&agent, "urn:nothing").await.unwrap_err();
    assert_eq!(refused.name, "UnknownObject", "{refused}");
    assert!(bench.tape.requests("repository").is_empty());
    agent.stop().await;
}

#[tokio::test]
async fn a_server_that_lost_the_object_lost_its_default() {
    let bench = bench("").await;
    bench.repository.put("/mms/-1", "application/dmmo+json", document(MMS));
    let file = bench.gateway.path("accounts").join("bench.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let kept = format!("permissions = [\"{BENCH}\"]\n{text}");
    files::put(&file, kept, files::PLAIN).unwrap();
    let agent = Agent::start(&bench).await;
    let refused = configure(&agent, MMS).await.unwrap_err();
    assert_eq!(refused.name, "NoAccount", "{refused}");
    assert!(bench.tape.requests("repository").is_empty());
    agent.stop().await;
}

#[tokio::test]
async fn a_repository_that_never_answers_does_not_hold_up_the_end() {
    let bench = bench("").await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://{}", silent.local_addr().unwrap());
    bench.list_origin(&origin);
    bench.play(json!([[["DEFAULT", format!("{origin}/mms"), MMS]]]));
    let agent = bench.start().await;
    bench.session(&agent, 2).await;
    agent.stop().await;
    let agent = Agent::start(&bench).await;
    let connection = agent.connection.clone();
    let answer = tokio::spawn(async move {
        local::call(&connection, local::PATH, AGENT, "RequestConfiguration", &[MMS, "Device"]).await
    });
    let asked = silent.accept().await.unwrap();
    let before = std::time::Instant::now();
    agent.stop().await;
    assert!(before.elapsed() < Duration::from_secs(4), "{:?}", before.elapsed());
    let refused = answer.await.unwrap().unwrap_err();
    assert!(refused.why.contains("stops"), "{refused}");
    drop(asked);
}
