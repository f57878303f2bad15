//! The objects that ship, where there is much of everything.

use std::time::{Duration, Instant};

use super::*;
use crate::support::bus::Daemon;
use crate::support::much::{leases, links, packages};
use crate::support::shipped::put_all;

/// How long a slow machine may take that does something else besides; `make bench` has the budget.
const MOST: Duration = Duration::from_secs(10);
/// What reading and sending it may take in memory.
const MEMORY: usize = 24 << 20;

/// An object, and how many of which node are in it.
async fn reads(name: &str, object: Published, node: &str, count: usize, sysroot: &[(String, String)]) {
    let files: Vec<(&str, &str)> =
        sysroot.iter().map(|(file, content)| (file.as_str(), content.as_str())).collect();
    let bench = bench(name, "", &files).await;
    let agent = bench.start().await;
    let idle = agent.resident();
    let begun = Instant::now();
    let read = object.read(&bench, &agent).await;
    let taken = begun.elapsed();
    assert_eq!(read.pointer(node).unwrap().as_object().unwrap().len(), count, "{}", agent.log());
    let begun = Instant::now();
    let put = serde_json::json!(["HPUT", "{repository}/put", object.node("")]);
    let (statuses, _) = object.session(&bench, &agent, &[put]).await;
    assert_eq!(statuses, [200], "{}", agent.log());
    assert!(taken < MOST && begun.elapsed() < 2 * MOST, "{taken:?}, {:?}", begun.elapsed());
    let grown = agent.peak().saturating_sub(idle);
    assert!(grown < MEMORY, "{grown} bytes more than {idle}");
    agent.stop().await;
}

#[tokio::test]
async fn five_hundred_devices_are_read_in_bounds() {
    let lan = Published { moid: "urn:x-omadm:mo:lan-devices:1.0", root: "LanDevices" };
    let sysroot = [("var/lib/misc/dnsmasq.leases".to_owned(), leases(500))];
    reads("lan-devices", lan, "/Devices", 500, &sysroot).await;
}

#[tokio::test]
async fn two_thousand_packages_are_read_in_bounds() {
    let scomo = Published { moid: "urn:oma:mo:oma-scomo:1.0", root: "SCOMO" };
    let sysroot = [("var/lib/dpkg/status".to_owned(), packages(2000))];
    reads("scomo", scomo, "/Inventory/Deployed", 2000, &sysroot).await;
}

#[tokio::test]
async fn sixty_four_links_are_read_in_bounds() {
    let object = Published { moid: "urn:x-omadm:mo:links:1.0", root: "Links" };
    reads("links", object, "/Links", 64, &links(64)).await;
}

/// A search for nodes, and the reading of what it finds, are one command.
#[tokio::test]
async fn a_program_is_run_once_for_a_command() {
    let lists = "echo >>@folder@/asked\n\
        for last in 1 2 3; do echo \"02:00:5e:00:00:0$last - - - - - true - - - -\"; done\n";
    let lan = Published { moid: "urn:x-omadm:mo:lan-devices:1.0", root: "LanDevices" };
    let bench = bench("lan-devices", "", &[]).await;
    put_script(&bench, "lists", lists);
    let own = project("packaging/exec/lan-devices").display().to_string();
    let mapping = mapping("lan-devices").replace(&format!("\"{own}\"]\nmatch"), "\"@folder@/lists\"]\nmatch");
    let without_alarms = mapping.split("[alarm.").next().unwrap();
    bench.gateway.put_mo("lan-devices", "lan-devices.toml", without_alarms).unwrap();
    let agent = bench.start().await;
    let asked = || std::fs::read(bench.gateway.path("asked")).unwrap_or_default().len();
    let commands = [
        serde_json::json!(["GET", lan.node("Devices/*/MAC")]),
        serde_json::json!(["GET", lan.node("Devices/02%3A00%3A5e%3A00%3A00%3A02")]),
        serde_json::json!(["HPUT", "{repository}/put", lan.node("Devices/*/MAC"), lan.node("Devices")]),
    ];
    let (statuses, _) = lan.session(&bench, &agent, &commands).await;
    assert_eq!(statuses, [200; 3], "{}", agent.log());
    assert_eq!(asked(), commands.len() + 1, "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn all_that_ships_is_served_together() {
    let bench = Bench::new().await;
    let count = put_all(&bench);
    let mut agent = bench.start().await;
    // The bench has one of its own, and that of the demonstration.
    let served = format!("{} management objects", count + 2);
    agent.logged(&served, |line| line.contains(&served)).await;
    agent.stop().await;
}

/// Whatever has alarms waits for signs: at rest there is no timer.
#[tokio::test]
async fn all_that_ships_wakes_no_gateway_at_rest() {
    let daemon = Daemon::start();
    let bench = Bench::with(Setup { config: daemon.config(), ..Setup::default() }).await;
    for name in described() {
        bench.gateway.put_mo(&name, &format!("{name}.toml"), &mapping(&name)).unwrap();
    }
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    agent.at_rest().await;
    agent.stop().await;
}
