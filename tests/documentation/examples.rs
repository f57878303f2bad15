//! `examples/`, read and executed by a real agent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use omadm_agent::lab::files;
use serde_json::{Value, json};
use zbus::interface;

use super::MAPPING;
use crate::support::bus::Daemon;
use crate::support::page::block;
use crate::support::{Bench, Setup};

const GATEWAY: &str = "urn:x-acme:mo:gateway:1.0";

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gateway").join(path)
}

/// All files below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

/// A bench with the example on it: its files below the sysroot.
async fn gateway(daemon: &Daemon) -> Bench {
    let config = format!("sysroot = \"@folder@/sysroot\"\n{}", daemon.config());
    let bench = Bench::with(Setup { config, ..Setup::default() }).await;
    for file in below(&example("")) {
        let name = file.strip_prefix(example("")).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        if let Some(object) = name.strip_prefix("mo/") {
            let (object, file) = object.split_once('/').unwrap();
            bench.gateway.put_mo(object, file, &text).unwrap();
        } else {
            files::put(&bench.gateway.path(&name), text, files::PLAIN).unwrap();
        }
    }
    bench
}

/// The JSON of a GET's part in the last Package#3.
pub(super) fn shown(bench: &Bench, position: usize) -> Value {
    let last = bench.packages().into_iter().rfind(|package| !package.initiation).unwrap();
    serde_json::from_slice(&last.part(position).unwrap().body).unwrap()
}

/// The DHCP server, as far as the example calls it: it takes leases out of its file.
struct Dnsmasq(PathBuf);

#[interface(name = "uk.org.thekelleys.dnsmasq")]
impl Dnsmasq {
    fn delete_dhcp_lease(&self, ip: &str) -> bool {
        let leases = fs::read_to_string(&self.0).unwrap();
        let (gone, kept): (Vec<_>, Vec<_>) =
            leases.lines().partition(|line| line.split(' ').nth(2) == Some(ip));
        let kept: String = kept.iter().map(|line| format!("{line}\n")).collect();
        files::put(&self.0, kept, files::PLAIN).unwrap();
        !gone.is_empty()
    }
}

#[test]
fn the_example_is_one_file_and_no_program() {
    let all = below(&example(""));
    let names = all.iter().map(|file| file.strip_prefix(example("")).unwrap().to_str().unwrap());
    let made: Vec<&str> = names.filter(|name| !name.starts_with("sysroot/")).collect();
    for name in &made {
        assert!(["README.md", "mo/gateway/gateway.toml", "script.json", "try"].contains(name), "{name}");
    }
}

#[tokio::test]
async fn the_example_is_read_written_and_executed() {
    let daemon = Daemon::start();
    let bench = gateway(&daemon).await;
    let leases = bench.gateway.path("sysroot/var/lib/misc/dnsmasq.leases");
    let dnsmasq = daemon.connect().name("uk.org.thekelleys.dnsmasq");
    let dnsmasq = dnsmasq.serve_at("/uk/org/thekelleys/dnsmasq", Dnsmasq(leases));
    let _dnsmasq = dnsmasq.build().await.unwrap();
    let at = |path: &str| format!("{GATEWAY}//{path}");
    let file = |name: &str| fs::read_to_string(bench.gateway.path("sysroot").join(name)).unwrap();
    let agent = bench.start().await;
    bench.play(json!([[
        ["GET", at("")],
        ["GET", at("Temperature")],
        ["GET", at("Modem")],
        ["GET", at("Interfaces/*/Mtu")]
    ]]));
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses().pop().unwrap(), [200, 200, 404, 200]);
    let leases = json!({
        "192.0.2.10": {"Mac": "a0:00:5e:00:00:01", "Until": "2026-11-21T03:38:40Z", "Host": "meter-1"},
        "192.0.2.11": {"Mac": "a0:00:5e:00:00:02", "Until": "2026-11-21T03:38:41Z"},
    });
    let expected = json!({
        "SerialNumber": "G100A0042", "Temperature": 47.25, "Uptime": 86400, "Contact": "nobody yet", "Led": "on",
        "Polling": {"Interval": 60, "Factory": 30},
        "Interfaces": {"eth0": {"Mtu": 1500}, "wan0": {"Mtu": 1430}},
        "Leases": leases, "Sites": {}, "Operations": {"Target": "localhost"},
    });
    assert_eq!(shown(&bench, 1)["MOData"]["Gateway"], expected);

    let matching = shown(&bench, 4);
    assert_eq!(matching.as_array().unwrap().len(), 2, "{matching}");
    let repository = bench.repository_server.origin();
    for (name, value) in [
        ("interval", "30"),
        ("never", "0"),
        ("blink", "blink"),
        ("text", "Ann"),
        ("host", "nobody.invalid"),
        ("address", "127.0.0.1"),
        ("option", "--help;x"),
    ] {
        bench.repository.put(&format!("/{name}"), "text/plain", value);
    }
    bench.repository.put("/site", "application/dmmo+json", block(MAPPING, "json node"));
    let hget = |name: &str, path: &str| json!(["HGET", format!("{repository}/{name}"), at(path)]);
    let written = json!([
        hget("interval", "Polling/Interval"),
        hget("blink", "Led"),
        hget("text", "Contact"),
        hget("site", "Sites/north"),
        hget("never", "Polling/Interval"),
        hget("text", "Led"),
        hget("interval", "Temperature"),
        hget("option", "Operations/Target"),
        hget("address", "Operations/Target"),
    ]);
    let other = "Leases/192.0.2.11";
    let done = json!([
        ["DELETE", at(other)],
        ["EXEC", at("Operations/Resolve")],
        ["GET", at("Operations/Report")],
        ["GET", at("")],
        hget("host", "Operations/Target"),
        ["EXEC", at("Operations/Resolve")],
    ]);
    bench.play(json!([written, done]));
    bench.session(&agent, 2).await;
    let statuses = bench.statuses();
    assert_eq!(
        statuses[statuses.len() - 2],
        [200, 200, 200, 200, 500, 500, 405, 500, 200],
        "{}",
        agent.log()
    );
    assert_eq!(statuses[statuses.len() - 1], [200, 200, 200, 200, 200, 1503], "{}", agent.log());
    let poll = fs::read_to_string(example("sysroot/etc/acme/poll.conf")).unwrap();
    assert_eq!(file("etc/acme/poll.conf"), poll.replace("=60", "=30"), "one setting, and no other byte");
    assert_eq!(file("run/acme/led"), "2\n");
    assert_eq!(file("var/lib/misc/dnsmasq.leases").lines().count(), 1);
    let after = &shown(&bench, 4)["MOData"]["Gateway"];
    assert_eq!(
        (&after["Led"], &after["Contact"], &after["Polling"]["Interval"], &after["Operations"]["Report"]),
        (&json!("blink"), &json!("Ann"), &json!(30), &json!("127.0.0.1"))
    );
    assert_eq!(after["Sites"], json!({"north": {"Url": "https://data.acme.example/north", "Every": 60}}));
    assert!(after["Leases"].get(other.trim_start_matches("Leases/")).is_none());
    agent.stop().await;
}

/// The commands of the script and the README's way of playing it.
#[tokio::test]
async fn the_example_can_be_tried() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("not tried: there is no curl");
        return;
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_omadmd")).parent().unwrap();
    let mut command = Command::new(example("try"));
    command.arg(programs).env("PORT", (20_000 + std::process::id() % 20_000).to_string());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}\n{told}");
    for wanted in [
        "the configuration is sound",
        "\"SerialNumber\": \"G100A0042\"",
        "7  200  DELETE",
        "2  200  GET urn:x-acme:mo:gateway:1.0//Operations/Report",
        "ended well",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}\n{told}");
    }
}
