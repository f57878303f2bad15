//! `mo/services`, with a systemctl that the test plays.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use zbus::interface;
use zbus::wire::Variant;

use super::*;
use crate::support::bus::Daemon;
use crate::support::published::told;
use crate::support::tools::written;

const SERVICES: Published = Published { moid: "urn:x-omadm:mo:services:1.0", root: "Services" };

const LISTED: &str = "# what the operator may be asked about\ndnsmasq.service\n  vpn@office.service \n\n\
    --now.service\ngone.service; reboot\nnone.service\nomadmd.service\n";

/// As systemd 252 shows them.
const SHOWN: &str = "NRestarts=0\nResult=success\nExecMainStatus=0\nMemoryCurrent=2514944\nId=dnsmasq.service\n\
    Description=dnsmasq - A lightweight DHCP = DNS server\nActiveState=active\nSubState=running\n\
    UnitFileState=enabled\nStateChangeTimestampMonotonic=3600123456\n\n\
    NRestarts=0\nResult=success\nExecMainStatus=0\nMemoryCurrent=[not set]\nId=none.service\n\
    Description=none.service\nActiveState=inactive\nSubState=dead\nUnitFileState=\nStateChangeTimestampMonotonic=0\n\n\
    NRestarts=5\nResult=exit-code\nExecMainStatus=203\nMemoryCurrent=18446744073709551615\nId=vpn@office.service\n\
    Description=VPN to office\nActiveState=failed\nSubState=failed\nUnitFileState=disabled\n\
    StateChangeTimestampMonotonic=60000000\n\nId=dnsmasq.service\nDescription=by another name\nActiveState=active\n";

const SYSTEMCTL: &str = r#"
echo "$*" >>@folder@/calls
case $1 in
    show)
        case "$*" in *'=Id --value '*) sed -n 's/^Id=//p' @folder@/shown ;; *) cat @folder@/shown ;; esac
        ;;
    *) exit "$(cat @folder@/code)" ;;
esac
"#;

#[tokio::test]
async fn the_listed_units_are_shown_and_commanded_and_no_others() {
    let files =
        [("etc/omadm/services.conf", LISTED), ("bin/systemctl", ""), ("proc/stat", "btime 1769860800\n")];
    let bench = bench_with_programs("services", &files, &[("systemctl", SYSTEMCTL)]).await;
    let own =
        |name: &str, content: &str| files::put(&bench.gateway.path(name), content, files::PLAIN).unwrap();
    own("shown", SHOWN);
    own("code", "0");
    let agent = bench.start().await;
    let mut read = SERVICES.read(&bench, &agent).await;
    for unit in read["Units"].as_object_mut().unwrap().values_mut() {
        let unit = unit.as_object_mut().unwrap();
        assert_eq!(unit.remove("Since").is_some(), unit["State"] != "inactive");
        unit.remove("Operations");
    }
    let expected = json!({"Units": {
        "dnsmasq.service": {
            "Description": "dnsmasq - A lightweight DHCP = DNS server", "State": "active", "SubState": "running",
            "Enabled": "enabled", "Result": "success", "ExitStatus": 0, "Restarts": 0, "Memory": 2514944,
        },
        "none.service": {
            "Description": "none.service", "State": "inactive", "SubState": "dead", "Result": "success",
            "ExitStatus": 0, "Restarts": 0,
        },
        "vpn%40office.service": {
            "Description": "VPN to office", "State": "failed", "SubState": "failed", "Enabled": "disabled",
            "Result": "exit-code", "ExitStatus": 203, "Restarts": 5,
        },
    }});
    assert_eq!(read, expected, "{}", agent.log());
    let asked = written(&bench, "calls");
    assert!(
        asked.ends_with("-- dnsmasq.service none.service omadmd.service vpn@office.service\n"),
        "{asked}"
    );

    std::fs::remove_file(bench.gateway.path("calls")).unwrap();
    let exec = |path: &str| json!(["EXEC", SERVICES.node(&format!("Units/{path}"))]);
    let all = ["Start", "Stop", "Restart", "Enable", "Disable"];
    let commands: Vec<_> =
        all.iter().map(|verb| exec(&format!("vpn%40office.service/Operations/{verb}"))).collect();
    let (statuses, _) = SERVICES.session(&bench, &agent, &commands).await;
    assert_eq!(statuses, [200; 5], "{}", agent.log());
    let calls = written(&bench, "calls");
    let done: Vec<&str> = calls.lines().filter(|line| !line.starts_with("show ")).collect();
    let expected = all.map(|verb| format!("--no-ask-password {} -- vpn@office.service", verb.to_lowercase()));
    assert_eq!(done, expected);
    let foreign = [exec("ssh.service/Operations/Stop"), exec("gone.service/Operations/Start")];
    let (statuses, _) = SERVICES.session(&bench, &agent, &foreign).await;
    assert_eq!(statuses, [404, 404], "{}", agent.log());
    own("code", "1");
    let (statuses, _) = SERVICES.session(&bench, &agent, &[exec("dnsmasq.service/Operations/Restart")]).await;
    assert_eq!(statuses, [500], "{}", agent.log());
    agent.stop().await;
}

/// A systemctl that knows the units' own names.
const NAMES: &str = r#"#!/bin/sh
[ "$1" = show ] || { echo "$*"; exit; }
shift 5
for unit; do
    case $unit in
    sshd.service) echo ssh.service ;;
    agent.service) echo omadmd.service ;;
    *) echo "$unit" ;;
    esac
    echo
done
"#;

#[test]
fn a_unit_that_is_not_listed_is_refused_whoever_asks_and_the_agent_is_not_stopped() {
    let root = tempfile::tempdir().unwrap();
    let listed = format!("{LISTED}sshd.service\nagent.service\n");
    files::put(&root.path().join("etc/omadm/services.conf"), listed, files::PLAIN).unwrap();
    files::put(&root.path().join("systemctl"), NAMES, files::PROGRAM).unwrap();
    let command = |verb: &str, unit: &str| {
        let mut command = Command::new(project("packaging/exec/services"));
        let command = command.args([verb, "--", unit]).env("OMADM_SYSROOT", root.path());
        command.env("PATH", format!("{}:/usr/bin:/bin", root.path().display())).output().unwrap()
    };
    let run = |verb: &str, unit: &str| command(verb, unit).status.code();
    // What is listed by another name is commanded by its own, which is the one that servers see.
    let done = command("stop", "ssh.service");
    assert_eq!(String::from_utf8_lossy(&done.stdout), "--no-ask-password stop -- ssh.service\n");
    for unit in [
        "cron.service",
        "sshd.service",
        "dnsmasq.servic.",
        "dnsmasq.service\nssh.service",
        "",
        "--now.service",
    ] {
        assert!(matches!(run("stop", unit), Some(3 | 64)), "{unit:?}");
    }
    assert_eq!(run("stop", "omadmd.service"), Some(4));
    assert_eq!(run("mask", "dnsmasq.service"), Some(64));
}

#[tokio::test]
async fn without_a_list_there_is_nothing_and_nobody_is_asked() {
    let bench = bench_with_programs("services", &[("bin/systemctl", "")], &[("systemctl", SYSTEMCTL)]).await;
    let agent = bench.start().await;
    assert_eq!(SERVICES.read(&bench, &agent).await, json!({"Units": {}}), "{}", agent.log());
    assert_eq!(written(&bench, "calls"), "");
    agent.stop().await;
}

/// The service manager, which tells of changes only those who have asked it to.
struct Manager(Arc<AtomicBool>);

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    fn subscribe(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_unit_that_fails_is_told_and_until_then_nobody_asks() {
    let daemon = Daemon::start();
    let is_asked = Arc::<AtomicBool>::default();
    let systemd = daemon.connect().name("org.freedesktop.systemd1");
    let systemd = systemd.serve_at("/org/freedesktop/systemd1", Manager(Arc::clone(&is_asked)));
    let systemd = systemd.build().await.unwrap();
    let files = [("etc/omadm/services.conf", "vpn@office.service\n"), ("bin/systemctl", "")];
    let bench = bench("services", &daemon.config(), &files).await;
    let bench = with_programs(bench, "services", &[("systemctl", SYSTEMCTL)]);
    let shown = |state: &str| {
        let text = format!("Id=vpn@office.service\nDescription=VPN\nActiveState={state}\nSubState=x\n");
        files::put(&bench.gateway.path("shown"), text, files::PLAIN).unwrap();
    };
    shown("active");
    let text = std::fs::read_to_string(bench.gateway.path("mo/services/services.toml")).unwrap();
    let often = text.replace("equals = \"failed\"\n", "equals = \"failed\"\nevery = \"1s\"\n");
    bench.gateway.put_mo("services", "services.toml", &often).unwrap();
    let agent = bench.start().await;
    while !is_asked.load(Ordering::Relaxed) || !written(&bench, "calls").contains("show") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bench.session(&agent, 1).await;
    agent.at_rest().await;
    shown("failed");
    let (path, properties) =
        ("/org/freedesktop/systemd1/unit/vpn_40office_2eservice", "org.freedesktop.DBus.Properties");
    let changed = HashMap::from([("ActiveState", Variant::from("failed"))]);
    let body = ("org.freedesktop.systemd1.Unit", changed, [""; 0].as_slice());
    systemd.emit_signal(None::<&str>, path, properties, "PropertiesChanged", &body).await.unwrap();
    let alert = told(&bench, &agent, 1).await;
    assert_eq!(alert["AlertType"], "urn:x-omadm:at:services:1.0:Failed", "{}", agent.log());
    agent.stop().await;
}
