//! `mo/links`.

use serde_json::{Value, json};

use super::*;

const LINKS: Published = Published { moid: "urn:x-omadm:mo:links:1.0", root: "Links" };

/// A network of the test's own: a cable between two links, of which one is part of a bridge.
const NETWORK: &str = "mount -t sysfs sysfs /sys; ip link set lo up; ip link add lan0 type veth peer name lan1; \
    ip link add br0 type bridge; ip link set lan1 master br0; ip addr add 192.0.2.2/24 dev lan0; \
    ip link set lan0 up; ip link set lan1 up; ip link set br0 up; ip route add default via 192.0.2.1; exec \"$0\"";

#[test]
fn real_links_are_told_with_their_addresses_and_gateways() {
    let arguments = ["--user", "--map-root-user", "--net", "--mount", "sh", "-ec", NETWORK];
    let output =
        Command::new("unshare").args(arguments).arg(project("packaging/exec/links")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let links: Vec<Value> = serde_json::from_str(&said)
        .unwrap_or_else(|error| panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)));
    let link = |name: &str| links.iter().find(|link| link["name"] == name).unwrap();
    let lan = link("lan0");
    assert_eq!((&lan["type"], &lan["up"], &lan["carrier"]), (&json!("ethernet"), &json!("1"), &json!("1")));
    assert!(lan["address"].as_str().unwrap().starts_with("192.0.2.2/24"), "{lan}");
    assert_eq!(lan["gateway"], "192.0.2.1");
    assert_eq!((&link("br0")["type"], &link("br0")["lower"]), (&json!("bridge"), &json!("lan1")));
    assert_eq!(link("lan1")["upper"], "br0");
    assert_eq!((&link("lo")["type"], &link("lo")["mac"]), (&json!("loopback"), &Value::Null));
}

#[tokio::test]
async fn a_link_is_told_as_the_kernel_and_networkd_have_it() {
    let files = [
        ("sys/class/net/wan0/ifindex", "7\n"),
        ("sys/class/net/wan0/type", "1\n"),
        ("sys/class/net/wan0/uevent", "DEVTYPE=wwan\nINTERFACE=wan0\nIFINDEX=7\n"),
        ("sys/class/net/wan0/address", "02:00:5e:00:00:07\n"),
        ("sys/class/net/wan0/flags", "0x1043\n"),
        ("sys/class/net/wan0/mtu", "1430\n"),
        ("sys/class/net/wan0/operstate", "up\n"),
        ("sys/class/net/wan0/speed", "-1\n"),
        ("sys/class/net/wan0/statistics/rx_bytes", "18446744073\n"),
        ("sys/class/net/bonding_masters", ""),
        (
            "run/systemd/netif/links/7",
            "# private\nADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/a \"b\\.network\n",
        ),
    ];
    let bench = bench("links", "", &files).await;
    let agent = bench.start().await;
    let link = json!({
        "Type": "wwan", "MAC": "02:00:5e:00:00:07", "MTU": 1430, "Enabled": true, "State": "up",
        "Manager": "systemd-networkd", "ManagerState": "configured", "Profile": "a \"b\\.network",
        "Counters": {"Received": 18_446_744_073_u64},
    });
    assert_eq!(LINKS.read(&bench, &agent).await, json!({"Links": {"wan0": link}}), "{}", agent.log());
    agent.stop().await;
}
