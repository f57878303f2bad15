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

const TUNNELS: &str = r#"
moid = "urn:x-omadm:mo:tunnels:1.0"
root = "Tunnels"
instances = ["1"]
[node."Tunnels/<t>"]
list = { file = "@folder@/state/tunnels.ini", match = '^\[tunnel (?<t>[^\]]+)\]', key = "t" }
[node."Tunnels/<t>/Enabled"]
format = "bool"
get = { file = "@folder@/state/tunnels.ini", key = ["tunnel {t}", "enabled"], map = { yes = true, no = false } }
set = { file = "@folder@/state/tunnels.ini", key = ["tunnel {t}", "enabled"] }
"#;

/// The sections of an INI file are a list, and each element's leaf one setting in its section.
#[tokio::test]
async fn the_sections_of_a_file_are_nodes_and_one_is_changed() {
    let bench = Bench::new().await;
    bench.gateway.put_mo("tunnels", "tunnels.toml", TUNNELS).unwrap();
    let file = bench.gateway.path("state/tunnels.ini");
    let before = "# ours\n[tunnel lab]\nenabled = yes\n\n[tunnel head office]\nenabled = yes ; always\n[else]\nenabled = yes\n";
    omadm_agent::lab::files::put(&file, before, 0o644).unwrap();
    let node = |path: &str| format!("urn:x-omadm:mo:tunnels:1.0//{path}");
    bench.repository.put("/no", "text/plain", "false");
    bench.play(json!([[
        ["GET", node("Tunnels")],
        ["HGET", "{repository}/no", node("Tunnels/head%20office/Enabled")],
        ["HGET", "{repository}/no", node("Tunnels/gone/Enabled")],
        ["GET", node("Tunnels/*/Enabled")],
    ]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200, 200, 404, 200]], "{}", agent.log());
    let shown: Value = serde_json::from_slice(&bench.packages()[1].part(1).unwrap().body).unwrap();
    assert_eq!(
        shown["MOData"]["Tunnels"],
        json!({"lab": {"Enabled": true}, "head%20office": {"Enabled": true}})
    );
    let after = before.replace("yes ; always", "no ; always");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), after);
    agent.stop().await;
}
