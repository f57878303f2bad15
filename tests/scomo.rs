//! Software components as the published object has them, with an installer that the test plays: a package is fetched,
//! installed, switched off and removed, and nothing of that is in the agent.

use serde_json::{Value, json};

use crate::support::checked::Folder;
use crate::support::published::{Published, STEPS, at, told};
use crate::support::tools::{put_script, written};
use crate::support::{Agent, Bench};

const MAPPING: &str = include_str!("fixtures/scomo/scomo.toml");
const SCOMO: Published = Published { moid: "urn:oma:mo:oma-scomo:1.0", root: "SCOMO" };

const INSTALLER: &str = r#"
cd @folder@ || exit 1
echo "$*" >>calls
status() { say "{\"../Status\": $1}"; }
deploy() {
    printf '[{"id": "%s", "package": "%s", "version": "2.0", "active": %s}]\n' "$1" "$1" "$2" >new
    mv new deployed.json
}
fetch() {
    status 30; step fetching
    case $2 in *broken*) status 20; exit 7 ;; esac
    mkdir -p "delivered/$1"
    echo "$1" >"delivered/$1/id"
    status 40
}
verb=$1
shift 2
case $verb in
fetch) fetch "$@" ;;
both) fetch "$@"; status 50; step installing; deploy "$1" true; echo yes >"delivered/$1/installed" ;;
install) status 40; step installing; deploy "$1" true; echo yes >"delivered/$1/installed"; status 10 ;;
off) status 70; deploy "$1" false; status 10 ;;
remove) status 30; step removing; rm "delivered/$1/installed"; echo '[]' >deployed.json; status 10 ;;
drop) rm -r "delivered/$1"; status 10 ;;
esac
"#;

async fn bench() -> (Bench, Agent) {
    let bench = Bench::new().await;
    bench.gateway.put_mo("scomo", "scomo.toml", MAPPING).unwrap();
    put_script(&bench, "scomo", &format!("{STEPS}{INSTALLER}"));
    omadm_agent::lab::files::put(&bench.gateway.path("deployed.json"), "[]", omadm_agent::lab::files::PLAIN)
        .unwrap();
    let agent = bench.start().await;
    (bench, agent)
}

fn exec(path: &str) -> Value {
    json!(["EXEC", SCOMO.node(path)])
}

fn alert(path: &str, code: u16, identifier: &str) -> Value {
    json!({
        "AlertType": "urn:oma:at:scomo:1.0:OperationComplete",
        "SourceURI": format!("{}/1/{path}", SCOMO.moid),
        "MIMEType": "text/xml",
        "Mark": "warning",
        "Data": {"DM1x": format!("<ResultCode>{code}</ResultCode><Identifier>{identifier}</Identifier>")},
    })
}

#[tokio::test]
async fn a_package_is_fetched_installed_switched_off_and_removed() {
    let (bench, agent) = bench().await;
    let inventory = json!({"Delivered": {}, "Deployed": {}});
    assert_eq!(SCOMO.read(&bench, &agent).await["Inventory"], inventory);

    let package = json!({"PkgID": "meter", "PkgURL": "https://pkg.example/meter"});
    let download = "Download/first/Operations/Download";
    let (statuses, _) = SCOMO
        .session(&bench, &agent, &[SCOMO.hget(&bench, "Download/first", &package), exec(download)])
        .await;
    assert_eq!(statuses, [200, 202], "{}", agent.log());
    at(&bench, "fetching").await;
    SCOMO.comes_to(&bench, &agent, "/Download/first/Status", 30).await;
    bench.release(0).await;
    assert_eq!(told(&bench, &agent, 1).await, alert(download, 1200, "meter"));
    let delivered = json!({"PkgID": "meter", "State": 10, "Status": 10, "Operations": {}});
    let read = SCOMO.read(&bench, &agent).await;
    assert_eq!(read["Inventory"], json!({"Delivered": {"meter": delivered}, "Deployed": {}}));
    let mut downloaded = package.clone();
    downloaded["Status"] = 40.into();
    downloaded["Operations"] = json!({});
    assert_eq!(read["Download"], json!({"first": downloaded}));

    let install = "Inventory/Delivered/meter/Operations/Install";
    let delete = json!(["DELETE", SCOMO.node("Download/first")]);
    let (statuses, read) = SCOMO.session(&bench, &agent, &[delete, exec(install)]).await;
    assert_eq!((statuses, &read["Download"]), (vec![200, 202], &json!({})), "{}", agent.log());
    at(&bench, "installing").await;
    SCOMO.comes_to(&bench, &agent, "/Inventory/Delivered/meter/Status", 40).await;
    bench.release(0).await;
    assert_eq!(told(&bench, &agent, 2).await, alert(install, 1200, "meter"));
    let read = SCOMO.read(&bench, &agent).await;
    assert_eq!(read["Inventory"]["Delivered"]["meter"]["State"], 20);
    let deployed = json!({
        "ID": "meter", "PkgIDRef": "meter", "Version": "2.0", "State": 20, "Status": 10, "Operations": {},
    });
    assert_eq!(read["Inventory"]["Deployed"], json!({"meter": deployed}));

    let off = "Inventory/Deployed/meter/Operations/Deactivate";
    SCOMO.session(&bench, &agent, &[exec(off)]).await;
    assert_eq!(told(&bench, &agent, 3).await, alert(off, 1200, "meter"));
    assert_eq!(SCOMO.read(&bench, &agent).await["Inventory"]["Deployed"]["meter"]["State"], 10);

    let remove = "Inventory/Deployed/meter/Operations/Remove";
    SCOMO.session(&bench, &agent, &[exec(remove)]).await;
    at(&bench, "removing").await;
    SCOMO.comes_to(&bench, &agent, "/Inventory/Deployed/meter/Status", 30).await;
    bench.release(0).await;
    assert_eq!(told(&bench, &agent, 4).await, alert(remove, 1200, "meter"));
    let drop = "Inventory/Delivered/meter/Operations/Remove";
    SCOMO.session(&bench, &agent, &[exec(drop)]).await;
    assert_eq!(told(&bench, &agent, 5).await, alert(drop, 1200, "meter"));
    assert_eq!(SCOMO.read(&bench, &agent).await["Inventory"], inventory);
    let (statuses, _) = SCOMO.session(&bench, &agent, &[exec(remove)]).await;
    assert_eq!(statuses, [404], "it is gone");
    assert_eq!(
        written(&bench, "calls"),
        "fetch -- meter https://pkg.example/meter\ninstall -- meter\noff -- meter\nremove -- meter\ndrop -- meter\n"
    );
    agent.stop().await;
}

#[tokio::test]
async fn a_package_whose_signature_is_wrong_is_told_as_the_object_has_it() {
    let (bench, agent) = bench().await;
    let package = json!({"PkgID": "meter", "PkgURL": "https://pkg.example/broken"});
    let both = "Download/1/Operations/DownloadInstall";
    SCOMO.session(&bench, &agent, &[SCOMO.hget(&bench, "Download/1", &package), exec(both)]).await;
    at(&bench, "fetching").await;
    bench.release(0).await;
    assert_eq!(told(&bench, &agent, 1).await, alert(both, 1407, "meter"));
    let read = SCOMO.read(&bench, &agent).await;
    assert_eq!(read["Download"]["1"]["Status"], 20);
    assert_eq!(read["Inventory"], json!({"Delivered": {}, "Deployed": {}}));
    agent.stop().await;
}

#[test]
fn its_mapping_is_sound() {
    let folder = Folder::new();
    folder
        .mo("scomo/scomo.toml", &MAPPING.replace("@folder@/scomo", "/bin/true").replace("@folder@", "/run"));
    assert_eq!(folder.check(""), [""; 0]);
}
