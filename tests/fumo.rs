//! The whole life of a firmware update as the published object has it, with an installer that the test plays: a mapping
//! and a program, and nothing of it in the agent.

use omadm_agent::lab::gateway::Account;
use omadm_agent::package::Profile;
use serde_json::{Value, json};

use crate::support::published::{Published, STEPS, alerts, at, told};
use crate::support::tools::{put_script, written};
use crate::support::{Bench, Setup};

const FUMO: Published = Published { moid: "urn:oma:mo:oma-fumo:1.0", root: "FUMO" };

const INSTALLER: &str = r#"
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
    put(Bench::new().await)
}

/// The bench, with the object.
fn put(bench: Bench) -> Bench {
    for (file, text) in [
        ("fumo.toml", include_str!("fixtures/fumo/fumo.toml")),
        ("fumo.ddf.xml", include_str!("fixtures/fumo/fumo.ddf.xml")),
    ] {
        bench.gateway.put_mo("fumo", file, text).unwrap();
    }
    put_script(&bench, "fumo", &format!("{STEPS}{INSTALLER}"));
    bench
}

fn exec(path: &str) -> Value {
    json!(["EXEC", FUMO.node(path)])
}

fn alert(last: &str, mark: &str, number: u16) -> Value {
    json!({
        "AlertType": format!("org.openmobilealliance.dm.firmwareupdate.{last}"),
        "SourceURI": format!("{}/system/", FUMO.moid),
        "MIMEType": "text/plain",
        "Mark": mark,
        "Data": {"DM1x": number},
    })
}

#[tokio::test]
async fn a_firmware_update_from_its_download_over_a_reboot_to_its_alert() {
    let bench = bench().await;
    let agent = bench.start().await;
    assert_eq!(FUMO.read(&bench, &agent).await["State"], 10);

    let url = FUMO.hget(&bench, "Download/PkgURL", &json!("https://pkg.example/2.0"));
    let (statuses, _) = FUMO.session(&bench, &agent, &[url, exec("Download")]).await;
    assert_eq!(statuses, [200, 202], "{}", agent.log());
    at(&bench, "downloading").await;
    FUMO.comes_to(&bench, &agent, "/State", 30).await;
    bench.release(0).await;
    at(&bench, "downloaded").await;
    FUMO.comes_to(&bench, &agent, "/State", 40).await;
    bench.release(0).await;
    // What is told is in the store already.
    assert_eq!(told(&bench, &agent, 1).await, alert("download", "informational", 200));
    let ready = FUMO.read(&bench, &agent).await;
    assert_eq!(
        (&ready["State"], &ready["PkgName"], &ready["PkgVersion"]),
        (&json!(50), &json!("system"), &json!("2.0"))
    );

    FUMO.session(&bench, &agent, &[exec("Update")]).await;
    at(&bench, "rebooting").await;
    FUMO.comes_to(&bench, &agent, "/State", 60).await;
    agent.kill().await;
    let agent = bench.start().await;
    at(&bench, "confirming").await;
    assert_eq!(FUMO.read(&bench, &agent).await["State"], 60);
    assert_eq!(alerts(&bench).len(), 1, "nothing is told before the new system is confirmed");
    bench.release(0).await;
    assert_eq!(told(&bench, &agent, 2).await, alert("update", "informational", 200));
    assert_eq!(FUMO.read(&bench, &agent).await["State"], 90);
    agent.kill().await;

    let agent = bench.start().await;
    assert_eq!(FUMO.read(&bench, &agent).await["State"], 90);
    assert_eq!(alerts(&bench).len(), 2, "once");
    assert_eq!(written(&bench, "calls"), "download -- https://pkg.example/2.0 0\nupdate 0\nupdate 1\n");
    agent.stop().await;
}

#[tokio::test]
async fn a_package_that_is_corrupt_is_told_as_the_object_has_it() {
    let bench = bench().await;
    let agent = bench.start().await;
    let url = FUMO.hget(&bench, "DownloadAndUpdate/PkgURL", &json!("https://pkg.example/2.0"));
    FUMO.session(&bench, &agent, &[url, exec("DownloadAndUpdate")]).await;
    assert_eq!(told(&bench, &agent, 1).await, alert("downloadandupdate", "critical", 402));
    assert_eq!(FUMO.read(&bench, &agent).await["State"], 20);
    agent.stop().await;
}

#[tokio::test]
async fn to_a_server_of_the_approved_profile_its_alert_is_that_of_a_dm_1x_object() {
    let account = |account: &mut Account, _: &_| account.profile = Profile::Approved;
    let bench = put(Bench::with(Setup { account: Box::new(account), ..Setup::default() }).await);
    let agent = bench.start().await;
    let url = FUMO.hget(&bench, "DownloadAndUpdate/PkgURL", &json!("https://pkg.example/2.0"));
    bench.play(json!([[url, exec("DownloadAndUpdate")]]));
    bench.notify().await;
    let told = || {
        let packages = bench.packages().into_iter();
        let mut alerts = packages.filter_map(|package| package.json["Alert"].as_array().cloned()).flatten();
        alerts.find(|alert| alert["AlertType"].to_string().contains("firmwareupdate"))
    };
    bench.until(&agent, "the alert", |_| told().is_some()).await;
    let expected = json!({
        "AlertType": "org.openmobilealliance.dm.firmwareupdate.downloadandupdate",
        "SourceURI": format!("{}/system/", FUMO.moid),
        "DataType": "int",
        "Mark": "critical",
        "Data": {"DM1x": 402},
    });
    assert_eq!(told(), Some(expected));
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
