//! The whole life of a firmware update as the published object has it, with an installer that the test plays: a mapping and
//! a program, and nothing of it in the agent.

use omadm_agent::lab::Exchange;
use serde_json::{Value, json};

use crate::support::tools::{put_script, written};
use crate::support::{Agent, Bench, appears};

const FUMO: &str = "urn:oma:mo:oma-fumo:1.0";

/// It goes on where the test lets it: each step takes a line from the pipe, and opens it again where it met the end of
/// the writer of the step before.
const INSTALLER: &str = r#"
say() { echo "$1" >&3; }
step() { echo "$1" >>@folder@/steps; until read -r _ <@folder@/pipe; do :; done; }
echo "$* ${OMADM_RESUMED:-0}" >>@folder@/calls
case $1${OMADM_RESUMED:-} in
download)
    say '{"State": 30}'; step downloading
    say '{"State": 40, "PkgName": "system", "PkgVersion": "2.0"}'; step downloaded
    say '{"State": 50}' ;;
update)
    say '{"State": 60}'; step rebooting
    exit 1 ;;
update1)
    step confirming
    say '{"State": 90}' ;;
both)
    say '{"State": 30}'
    say '{"State": 20}'
    exit 10 ;;
esac
"#;

async fn bench() -> Bench {
    let bench = Bench::new().await;
    for (file, text) in [
        ("fumo.toml", include_str!("fixtures/fumo/fumo.toml")),
        ("fumo.ddf.xml", include_str!("fixtures/fumo/fumo.ddf.xml")),
    ] {
        bench.gateway.put_mo("fumo", file, text).unwrap();
    }
    put_script(&bench, "fumo", INSTALLER);
    bench
}

fn node(path: &str) -> String {
    format!("{FUMO}//{path}")
}

/// Waits until the installer is at this step.
async fn at(bench: &Bench, step: &str) {
    appears(&bench.gateway.path("steps")).await;
    while written(bench, "steps").lines().last() != Some(step) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// One more session with these commands; what the object says afterwards.
async fn session(bench: &Bench, agent: &Agent, commands: Value) -> Value {
    let before = bench.packages().len();
    bench.play(json!([commands, [["GET", node("")]]]));
    bench.notify().await;
    let read = |bench: &Bench| {
        let packages = bench.packages().into_iter().skip(before);
        packages.filter_map(|package| package.part(1).cloned()).next()
    };
    let ended =
        |exchanges: &[Exchange]| read(bench).is_some() && exchanges.last().unwrap().reply.ends_session();
    bench.until(agent, "a GET", ended).await;
    let document: Value = serde_json::from_slice(&read(bench).unwrap().body).unwrap();
    document["MOData"]["FUMO"].clone()
}

async fn state(bench: &Bench, agent: &Agent) -> i64 {
    session(bench, agent, json!([])).await["State"].as_i64().unwrap()
}

/// Waits until the object has come to a state.
async fn comes_to(bench: &Bench, agent: &Agent, expected: i64) {
    let mut seen = Vec::new();
    for _ in 0..100 {
        seen.push(state(bench, agent).await);
        if seen.last() == Some(&expected) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{expected} is not among {seen:?}: {}", agent.log());
}

/// What was told so far: type, source, mark and data.
fn alerts(bench: &Bench) -> Vec<(String, String, String, Value)> {
    let packages = bench.packages().into_iter();
    let items = packages.filter_map(|package| package.json["Alert"]["Items"].as_array().cloned());
    let text = |item: &Value, member: &str| item[member].as_str().unwrap_or_default().to_owned();
    let told = |item: Value| {
        let alert_type = text(&item, "AlertType");
        let last = alert_type.rsplit('.').next().unwrap().to_owned();
        (last, text(&item, "SourceURI"), text(&item, "Mark"), item["Data"].clone())
    };
    items.flatten().map(told).collect()
}

async fn told(bench: &Bench, agent: &Agent, count: usize) -> (String, String, String, Value) {
    let enough = |exchanges: &[Exchange]| {
        alerts(bench).len() >= count && exchanges.last().unwrap().reply.ends_session()
    };
    bench.until(agent, "an alert", enough).await;
    let alerts = alerts(bench);
    assert_eq!(alerts.len(), count, "{alerts:?}");
    alerts.last().unwrap().clone()
}

fn alert(last: &str, mark: &str, number: u16) -> (String, String, String, Value) {
    (last.to_owned(), format!("{FUMO}/system/"), mark.to_owned(), json!({ "DM1x": number }))
}

#[tokio::test]
async fn a_firmware_update_from_its_download_over_a_reboot_to_its_alert() {
    let bench = bench().await;
    let agent = bench.start().await;
    assert_eq!(state(&bench, &agent).await, 10);

    bench.repository.put("/url", "text/plain", "https://pkg.example/2.0");
    let commands = json!([["HGET", "{repository}/url", node("Download/PkgURL")], ["EXEC", node("Download")]]);
    session(&bench, &agent, commands).await;
    assert_eq!(bench.statuses().iter().rev().nth(1).unwrap(), &[200, 202], "{}", agent.log());
    at(&bench, "downloading").await;
    comes_to(&bench, &agent, 30).await;
    bench.release(0).await;
    at(&bench, "downloaded").await;
    comes_to(&bench, &agent, 40).await;
    bench.release(0).await;
    // What is told is in the store already.
    assert_eq!(told(&bench, &agent, 1).await, alert("download", "informational", 200));
    let ready = session(&bench, &agent, json!([])).await;
    assert_eq!(
        (&ready["State"], &ready["PkgName"], &ready["PkgVersion"]),
        (&json!(50), &json!("system"), &json!("2.0"))
    );

    session(&bench, &agent, json!([["EXEC", node("Update")]])).await;
    at(&bench, "rebooting").await;
    comes_to(&bench, &agent, 60).await;
    agent.kill().await;
    let agent = bench.start().await;
    at(&bench, "confirming").await;
    assert_eq!(state(&bench, &agent).await, 60);
    assert_eq!(alerts(&bench).len(), 1, "nothing is told before the new system is confirmed");
    bench.release(0).await;
    assert_eq!(told(&bench, &agent, 2).await, alert("update", "informational", 200));
    assert_eq!(state(&bench, &agent).await, 90);
    agent.kill().await;

    let agent = bench.start().await;
    assert_eq!(state(&bench, &agent).await, 90);
    assert_eq!(alerts(&bench).len(), 2, "once");
    assert_eq!(written(&bench, "calls"), "download -- https://pkg.example/2.0 0\nupdate 0\nupdate 1\n");
    agent.stop().await;
}

#[tokio::test]
async fn a_package_that_is_corrupt_is_told_as_the_object_has_it() {
    let bench = bench().await;
    let agent = bench.start().await;
    bench.repository.put("/url", "text/plain", "https://pkg.example/2.0");
    let url = node("DownloadAndUpdate/PkgURL");
    let commands = json!([["HGET", "{repository}/url", url], ["EXEC", node("DownloadAndUpdate")]]);
    session(&bench, &agent, commands).await;
    assert_eq!(told(&bench, &agent, 1).await, alert("downloadandupdate", "critical", 402));
    assert_eq!(state(&bench, &agent).await, 20);
    agent.stop().await;
}

#[test]
fn its_mapping_is_sound() {
    let folder = crate::support::checked::Folder::new();
    folder.mo("fumo/fumo.ddf.xml", include_str!("fixtures/fumo/fumo.ddf.xml"));
    folder
        .mo("fumo/fumo.toml", &include_str!("fixtures/fumo/fumo.toml").replace("@folder@/fumo", "/bin/true"));
    assert_eq!(folder.check(""), [""; 0]);
}
