//! A management object that is one file: its mapping describes the nodes, and servers see what it can do.

use omadm_agent::lab::notifier::Notification;
use serde_json::{Value, json};

use crate::support::Bench;

const SHED: &str = "urn:x-omadm:mo:shed:1.0";
const MAPPING: &str = r#"
moid = "urn:x-omadm:mo:shed:1.0"
root = "Shed"
instances = ["1"]

[node.Celsius]
format = "int"
get = { value = 21 }
[node.Contact]
default = "Ann"
[node.Key]
access = "replace"
[node."Pens/<p>"]
occurs = "*2"
[node."Pens/<p>/Feed"]
format = "int"
"#;

#[tokio::test]
async fn an_object_without_a_ddf_is_served_as_its_mapping_says() {
    let bench = Bench::new().await;
    bench.gateway.put_mo("shed", "shed.toml", MAPPING).unwrap();
    let origin = bench.repository_server.origin();
    bench.repository.put("/word", "text/plain", "Bob");
    bench.repository.put("/nine", "text/plain", "9");
    for pen in ["a", "b", "c"] {
        let data = json!({"MOData": {"Feed": 3}}).to_string();
        bench.repository.put(&format!("/{pen}"), "application/dmmo+json", data);
    }
    let node = |path: &str| format!("{SHED}//{path}");
    let put = |name: &str, path: &str| json!(["HGET", format!("{origin}/{name}"), node(path)]);
    bench.play(json!([[
        ["GET", node("Celsius")],
        put("word", "Contact"),
        put("nine", "Celsius"),
        put("word", "Key"),
        ["GET", node("Key")],
        put("a", "Pens/a"),
        put("b", "Pens/b"),
        put("c", "Pens/c"),
        ["DELETE", node("Pens/a")],
        ["DELETE", node("Contact")],
        ["GET", node("")],
    ]]));
    let agent = bench.start().await;
    bench.send(&Notification { request_mos: true, ..bench.notification() }).await;
    bench.ended(&agent, 1).await;
    let statuses = bench.statuses().pop().unwrap();
    assert_eq!(statuses, [200, 200, 405, 200, 405, 200, 200, 500, 200, 405, 200], "{}", agent.log());
    let packages = bench.packages();
    let whole: Value = serde_json::from_slice(&packages[1].part(11).unwrap().body).unwrap();
    let expected = json!({"Celsius": 21, "Contact": "Bob", "Pens": {"b": {"Feed": 3}}});
    assert_eq!(whole["MOData"]["Shed"], expected);
    assert_eq!(whole["DDF"], "https://omadm.example/ddf/shed.ddf.xml");
    let listed = packages[0].json["MOS"].as_array().unwrap();
    assert!(listed.iter().any(|mo| mo["MOID"] == SHED && mo["DDF"] == whole["DDF"]), "{listed:?}");
    agent.stop().await;
}
