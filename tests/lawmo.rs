//! Lock and wipe as the published object has them, with a program that the test plays: a mapping, and nothing of it in
//! the agent.

use omadm_agent::lab::files;
use serde_json::{Value, json};

use crate::support::checked::Folder;
use crate::support::published::{Published, STEPS, at, told};
use crate::support::tools::{put_script, written};
use crate::support::{Agent, Bench};

const MAPPING: &str = include_str!("fixtures/lawmo/lawmo.toml");
const LAWMO: Published = Published { moid: "urn:oma:mo:oma-lawmo:1.0", root: "LAWMO" };

const PROGRAM: &str = r#"
cd @folder@ || exit 1
echo "$* ${OMADM_RESUMED:-0}" >>calls
case $1 in
lock) say '{"../State": 10}' ;;
partially) exit 1 ;;
unlock) say '{"../State": 30}' ;;
reset) [ "${OMADM_RESUMED:-}" ] || step resetting ;;
wipe) cat >wiped ;;
esac
"#;

async fn bench() -> (Bench, Agent) {
    let bench = Bench::new().await;
    bench.gateway.put_mo("lawmo", "lawmo.toml", MAPPING).unwrap();
    put_script(&bench, "lawmo", &format!("{STEPS}{PROGRAM}"));
    let wipeable = r#"[{"id": "sd", "name": "Memory card"}, {"id": "mail", "name": "Mail"}]"#;
    files::put(&bench.gateway.path("wipeable.json"), wipeable, files::PLAIN).unwrap();
    let agent = bench.start().await;
    (bench, agent)
}

fn exec(operation: &str) -> Value {
    json!(["EXEC", LAWMO.node(&format!("Operations/{operation}"))])
}

fn alert(operation: &str, code: u16) -> Value {
    json!({
        "AlertType": "urn:oma:at:lawmo:1.0:OperationComplete",
        "SourceURI": format!("{}/1/Operations/{operation}", LAWMO.moid),
        "MIMEType": "text/plain",
        "Mark": "warning",
        "Data": {"DM1x": code},
    })
}

#[tokio::test]
async fn it_is_locked_unlocked_and_wiped() {
    let (bench, agent) = bench().await;
    let item = |name: &str, wiped: bool| json!({"ListItemName": name, "ToBeWiped": wiped});
    let before = json!({
        "State": 30,
        "AvailableWipeList": {"sd": item("Memory card", false), "mail": item("Mail", false)},
        "LAWMOConfig": {"NotifyUser": false},
        "Operations": {},
    });
    assert_eq!(LAWMO.read(&bench, &agent).await, before);

    let (statuses, _) = LAWMO.session(&bench, &agent, &[exec("FullyLock")]).await;
    assert_eq!(statuses, [202]);
    assert_eq!(told(&bench, &agent, 1).await, alert("FullyLock", 1200));
    assert_eq!(LAWMO.read(&bench, &agent).await["State"], 10);
    LAWMO.session(&bench, &agent, &[exec("PartiallyLock")]).await;
    assert_eq!(told(&bench, &agent, 2).await, alert("PartiallyLock", 1403));
    assert_eq!(LAWMO.read(&bench, &agent).await["State"], 10, "it stays as it was");
    LAWMO.session(&bench, &agent, &[exec("UnLock")]).await;
    assert_eq!(told(&bench, &agent, 3).await, alert("UnLock", 1200));
    assert_eq!(LAWMO.read(&bench, &agent).await["State"], 30);

    let marked = LAWMO.hget(&bench, "AvailableWipeList/sd/ToBeWiped", &json!(true));
    let (statuses, read) = LAWMO.session(&bench, &agent, &[marked, exec("Wipe")]).await;
    assert_eq!(statuses, [200, 202], "{}", agent.log());
    assert_eq!(read["AvailableWipeList"]["sd"], item("Memory card", true));
    assert_eq!(told(&bench, &agent, 4).await, alert("Wipe", 1201));
    let given: Value = serde_json::from_str(&written(&bench, "wiped")).unwrap();
    assert_eq!(given, json!({"../AvailableWipeList/*/ToBeWiped": {"sd": true, "mail": false}}));
    agent.stop().await;
}

#[tokio::test]
async fn a_factory_reset_is_told_after_it_and_once() {
    let (bench, agent) = bench().await;
    LAWMO.session(&bench, &agent, &[exec("FactoryReset")]).await;
    at(&bench, "resetting").await;
    agent.kill().await;
    let agent = bench.start().await;
    assert_eq!(told(&bench, &agent, 1).await, alert("FactoryReset", 1200));
    LAWMO.read(&bench, &agent).await;
    agent.kill().await;
    let agent = bench.start().await;
    LAWMO.read(&bench, &agent).await;
    told(&bench, &agent, 1).await;
    assert_eq!(written(&bench, "calls"), "reset 0\nreset 1\n");
    agent.stop().await;
}

#[test]
fn its_mapping_is_sound() {
    let folder = Folder::new();
    folder
        .mo("lawmo/lawmo.toml", &MAPPING.replace("@folder@/lawmo", "/bin/true").replace("@folder@", "/run"));
    assert_eq!(folder.check(""), [""; 0]);
}
