//! `mo/lan-devices`.

use std::collections::HashMap;

use serde_json::{Value, json};
use zbus::wire::{OwnedVariant, Variant};
use zbus::{OwnedObjectPath, interface};

use super::*;
use crate::support::bus::{Calls, Daemon};
use crate::support::published::told;

const DEVICES: Published = Published { moid: "urn:x-omadm:mo:lan-devices:1.0", root: "LanDevices" };

/// What DHCP servers of several kinds leave; no gateway has all of them. Host names are what devices say.
const FILES: [(&str, &str); 21] = [
    (
        "var/lib/misc/dnsmasq.leases",
        "4102444800 a0:00:5e:00:00:01 192.0.2.10 meter-1 01:a0:00:5e:00:00:01\n\
         0 A0:00:5E:00:00:02 192.0.2.11 * *\n\
         1000000000 a0:00:5e:00:00:03 192.0.2.12 gone *\n\
         duid 00:01:00:01:2c:aa:bb:cc:a0:00:5e:00:00:99\n\
         4102444800 1234 2001:db8::10 meter-1 00:01:00:01:2c:11:22:33:a0:00:5e:00:00:01\n",
    ),
    (
        "tmp/hosts/odhcpd",
        "# br-lan a0005e000004 ipv4 $(id)\"> 4102444801 14 32 192.0.2.20/32 \n\
         # br-lan 00030001a0005e000005 1f tablet -1 15 128 2001:db8::15/128 \n\
         192.0.2.20\tevil\n",
    ),
    (
        "var/lib/kea/kea-leases4.csv",
        "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n\
         192.0.2.30,a0:00:5e:00:00:06,01:a0,3600,4102444802,1,0,0,old.lan,0,,0\n\
         192.0.2.30,a0:00:5e:00:00:06,01:a0,3600,4102444803,1,0,0,cam.lan,0,,0\n\
         192.0.2.31,a0:00:5e:00:00:07,,3600,4102444803,1,0,0,freed,0,,0\n\
         192.0.2.31,a0:00:5e:00:00:07,,3600,0,1,0,0,freed,2,,0\n",
    ),
    (
        "run/systemd/netif/dhcp-server-lease/br0",
        "{\n\t\"BootID\" : \"aaaa\", \"Address\" : [192,0,2,1],\n\t\"Leases\" : [ { \"ClientId\" : [1,160,0], \
         \"Address\" : [192,0,2,40], \"Hostname\" : \"printer\", \"HardwareAddress\" : [160,0,94,0,0,8], \
         \"ExpirationRealtimeUSec\" : 4102444804123456 },\n{\"ClientId\":[1,160,0,94,0,0,12],\"Address\":[192,0,2,41]} ] }\n",
    ),
    (
        "proc/net/arp",
        "IP address       HW type     Flags       HW address            Mask     Device\n\
         192.0.2.10       0x1         0x2         a0:00:5e:00:00:01     *        br-lan\n\
         192.0.2.50       0x1         0x0         00:00:00:00:00:00     *        br-lan\n\
         192.0.2.51       0x1         0x2         a0:00:5e:00:00:0a     *        br-lan\n\
         203.0.113.1      0x1         0x2         a0:00:5e:00:00:ff     *        wan\n",
    ),
    (
        "proc/net/route",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
         wan\t00000000\t017100CB\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
    ),
    ("var/lib/omadm/lan-devices.seen", "a0:00:5e:00:00:01 1769860800\na0:00:5e:00:00:63 1769860800\n"),
    ("sys/class/net/lan1/brport/state", "3\n"),
    ("sys/class/net/lan1/carrier", "1\n"),
    ("sys/class/net/lan1/speed", "1000\n"),
    ("sys/class/net/lan2/brport/state", "0\n"),
    ("sys/class/net/lan2/carrier", "0\n"),
    ("sys/class/net/lan2/speed", "-1\n"),
    ("sys/class/net/wan/carrier", "1\n"),
    ("sys/bus/usb/devices/1-1.2/idVendor", "0403\n"),
    ("sys/bus/usb/devices/1-1.2/idProduct", "6001\n"),
    ("sys/bus/usb/devices/1-1.2/product", "FT232R USB UART\n"),
    ("sys/bus/usb/devices/1-1.2/serial", "A50285BI\n"),
    ("sys/bus/usb/devices/1-1.2/speed", "12\n"),
    ("sys/bus/usb/devices/1-1.2:1.0/bInterfaceClass", "ff\n"),
    ("sys/class/tty/ttyUSB0/device/uevent", "DRIVER=ftdi_sio\n"),
];

fn mac(last: &str) -> String {
    format!("a0%3A00%3A5e%3A00%3A00%3A{last}")
}

#[tokio::test]
async fn a_device_is_one_whoever_knows_of_it() {
    let bench = bench("lan-devices", "", &FILES).await;
    let agent = bench.start().await;
    let mut read = DEVICES.read(&bench, &agent).await;
    let mut devices = read["Devices"].take();
    assert_eq!(read["Count"].take(), 8, "{devices}");
    let mut first_seen = Vec::new();
    for (_, device) in devices.as_object_mut().unwrap() {
        let device = device.as_object_mut().unwrap();
        first_seen.push(device.remove("FirstSeen").unwrap().as_str().unwrap().to_owned());
        // The kernel's table that a file shows is of now.
        assert_eq!(device.remove("LastSeen").is_some(), device["Reachable"] == true);
    }
    let in_2100 = |second: u32| Value::from(format!("2100-01-01T00:00:0{second}Z"));
    let expected = json!({
        mac("01"): {
            "MAC": "a0:00:5e:00:00:01", "IPv4": "192.0.2.10", "IPv6": "2001:db8::10", "HostName": "meter-1",
            "Interface": "br-lan", "Reachable": true, "LeaseEnd": in_2100(0),
        },
        mac("02"): {"MAC": "a0:00:5e:00:00:02", "IPv4": "192.0.2.11", "Reachable": false},
        mac("04"): {
            "MAC": "a0:00:5e:00:00:04", "IPv4": "192.0.2.20", "HostName": "__id___", "Interface": "br-lan",
            "Reachable": false, "LeaseEnd": in_2100(1),
        },
        mac("05"): {
            "MAC": "a0:00:5e:00:00:05", "IPv6": "2001:db8::15", "HostName": "tablet", "Interface": "br-lan",
            "Reachable": false,
        },
        mac("06"): {
            "MAC": "a0:00:5e:00:00:06", "IPv4": "192.0.2.30", "HostName": "cam.lan", "Reachable": false,
            "LeaseEnd": in_2100(3),
        },
        mac("08"): {
            "MAC": "a0:00:5e:00:00:08", "IPv4": "192.0.2.40", "HostName": "printer", "Reachable": false,
            "LeaseEnd": in_2100(4),
        },
        mac("0a"): {"MAC": "a0:00:5e:00:00:0a", "IPv4": "192.0.2.51", "Interface": "br-lan", "Reachable": true},
        mac("0c"): {"MAC": "a0:00:5e:00:00:0c", "IPv4": "192.0.2.41", "Reachable": false},
    });
    assert_eq!(devices, expected, "{}", agent.log());
    assert_eq!(first_seen.iter().filter(|time| *time == "2026-01-31T12:00:00Z").count(), 1, "{first_seen:?}");
    read.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let expected = json!({
        "Ports": {
            "lan1": {"Link": true, "State": "forwarding", "Speed": 1000},
            "lan2": {"Link": false, "State": "disabled"},
        },
        "Usb": {"1-1.2": {
            "Vendor": "0403", "Product": "6001", "Name": "FT232R USB UART", "Serial": "A50285BI", "Speed": 12.0,
        }},
        "Serial": {"ttyUSB0": {"Driver": "ftdi_sio"}},
        "Bluetooth": {},
    });
    assert_eq!(read, expected, "{}", agent.log());
    let seen = std::fs::read_to_string(bench.gateway.path("sysroot/var/lib/omadm/lan-devices.seen")).unwrap();
    assert!(seen.starts_with(FILES[6].1) && seen.lines().count() == 9, "{seen}");
    let again = DEVICES.read(&bench, &agent).await;
    assert_eq!(again["Devices"][mac("0c")]["FirstSeen"], first_seen[7]);
    agent.stop().await;
}

#[tokio::test]
async fn a_device_that_comes_and_one_that_goes_are_told() {
    let leases = |numbers: std::ops::Range<u32>| -> String {
        numbers.map(|n| format!("4102444800 a0:00:5e:00:01:{n:02x} 192.0.2.{n} host{n} *\n")).collect()
    };
    let bench = bench("lan-devices", "", &[("var/lib/misc/dnsmasq.leases", &leases(1..3))]).await;
    let mapping = mapping("lan-devices")
        .replace("list = \"Devices/<mac>\"", "list = \"Devices/<mac>\"\nevery = \"1s\"");
    bench.gateway.put_mo("lan-devices", "lan-devices.toml", &mapping).unwrap();
    let agent = bench.start().await;
    assert_eq!(DEVICES.read(&bench, &agent).await["Count"], 2);
    // What the first look finds is no news.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let alert = |name: &str, last: &str| {
        json!({
            "AlertType": format!("urn:x-omadm:at:lan-devices:1.0:{name}"),
            "SourceURI": format!("{}/1/Devices/a0%3A00%3A5e%3A00%3A01%3A{last}", DEVICES.moid),
            "Mark": "informational",
            "MIMEType": "application/json",
            "Data": {"Value": format!("a0:00:5e:00:01:{last}")},
        })
    };
    let without = |mut alert: Value| {
        alert["MIMEType"] = "application/json".into();
        alert
    };
    put(&bench, "var/lib/misc/dnsmasq.leases", &leases(1..4));
    assert_eq!(without(told(&bench, &agent, 1).await), alert("Come", "03"), "{}", agent.log());
    put(&bench, "var/lib/misc/dnsmasq.leases", &leases(2..4));
    assert_eq!(without(told(&bench, &agent, 2).await), alert("Gone", "01"), "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn a_serial_port_that_comes_is_told_of() {
    let uevent = |tty: &str| format!("sys/class/tty/{tty}/device/uevent");
    let bench = bench("lan-devices", "", &[(&uevent("ttyS0"), "DRIVER=serial8250\n")]).await;
    let agent = bench.start().await;
    assert_eq!(DEVICES.read(&bench, &agent).await["Serial"]["ttyS0"]["Driver"], "serial8250");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    // As a whole, as the kernel does it.
    put(&bench, "ttyUSB0/device/uevent", "DRIVER=ftdi_sio\n");
    let place = |path: &str| bench.gateway.path(&format!("sysroot/{path}"));
    std::fs::rename(place("ttyUSB0"), place("sys/class/tty/ttyUSB0")).unwrap();
    let alert = told(&bench, &agent, 1).await;
    assert_eq!(alert["AlertType"], "urn:x-omadm:at:lan-devices:1.0:SerialCome", "{alert}");
    assert_eq!(alert["SourceURI"], format!("{}/1/Serial/ttyUSB0", DEVICES.moid), "{alert}");
    agent.stop().await;
}

#[tokio::test]
async fn hundreds_of_devices_are_one_reading() {
    let line = |n: u32| {
        format!(
            "4102444800 a0:00:5e:00:{:02x}:{:02x} 192.0.{}.{} host{n} *\n",
            n / 256,
            n % 256,
            n / 250,
            n % 250
        )
    };
    let leases: String = (0..500).map(line).collect();
    let bench = bench("lan-devices", "", &[("var/lib/misc/dnsmasq.leases", &leases)]).await;
    let agent = bench.start().await;
    let read = DEVICES.read(&bench, &agent).await;
    assert_eq!(read["Devices"].as_object().unwrap().len(), 500, "{}", agent.log());
    assert_eq!(read["Count"], 500);
    assert_eq!(read["Devices"]["a0%3A00%3A5e%3A00%3A01%3Af3"]["HostName"], "host499");
    agent.stop().await;
}

#[test]
fn what_the_kernel_knows_is_read_in_a_network_of_its_own() {
    let set_up = "ip link add br0 type bridge; ip link add p0 type veth peer name p1; ip link set p0 master br0; \
        for i in lo p0 p1 br0; do ip link set $i up; done; ip addr add 192.0.2.1/24 dev br0; \
        ip neigh add 192.0.2.5 lladdr a0:00:5e:00:00:11 dev br0 nud reachable; \
        ip neigh add 192.0.2.7 lladdr a0:00:5e:00:00:14 dev br0 nud permanent; \
        ip neigh add 192.0.2.254 lladdr a0:00:5e:00:00:13 dev br0 nud stale; \
        ip -6 neigh add 2001:db8::5 lladdr a0:00:5e:00:00:11 dev br0 nud stale; \
        ip route add default via 192.0.2.254; bridge fdb add a0:00:5e:00:00:11 dev p0 master dynamic; exec ";
    let program = format!("{set_up}{}", project("packaging/exec/lan-devices").display());
    let output =
        Command::new("unshare").args(["--user", "--map-root-user", "--net", "sh", "-ec", &program]).output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let fields: Vec<&str> = said.split_whitespace().take(7).collect();
    let expected = ["a0:00:5e:00:00:11", "192.0.2.5", "2001:db8::5", "-", "br0", "p0", "true"];
    assert_eq!(fields, expected, "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// BlueZ, with many devices.
struct BlueZ;

#[interface(name = "org.freedesktop.DBus.ObjectManager")]
impl BlueZ {
    fn get_managed_objects(
        &self,
    ) -> HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>> {
        let own = |value: Variant<'static>| OwnedVariant::try_from(value).unwrap();
        let device = |number: u8| {
            let device = [
                ("Address", own(format!("A0:00:5E:00:00:{number:02X}").into())),
                ("Alias", own(format!("Sensor {number}").into())),
                ("Paired", own(true.into())),
                ("Connected", own(false.into())),
                ("RSSI", own((-67_i16).into())),
            ];
            let device = device.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let path = OwnedObjectPath::try_from(format!("/org/bluez/hci0/dev_A0_00_5E_00_00_{number:02X}"));
            (path.unwrap(), HashMap::from([("org.bluez.Device1".to_owned(), device)]))
        };
        (0..50).map(device).collect()
    }
}

#[tokio::test]
async fn bluetooth_devices_are_asked_for_in_one_call_however_many_there_are() {
    let daemon = Daemon::start();
    let _service = daemon.connect().name("org.bluez").serve_at("/", BlueZ).build().await.unwrap();
    let bench = bench("lan-devices", &daemon.config(), &[]).await;
    let agent = bench.start().await;
    let calls = Calls::of(&daemon, "org.bluez").await;
    // An alarm looks as well, at first.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    calls.take();
    let read = DEVICES.read(&bench, &agent).await;
    let told = json!({"Address": "A0:00:5E:00:00:0A", "Name": "Sensor 10", "Paired": true, "Connected": false, "Signal": -67});
    assert_eq!(read["Bluetooth"]["A0_00_5E_00_00_0A"], told, "{}", agent.log());
    assert_eq!(read["Bluetooth"].as_object().unwrap().len(), 50);
    assert_eq!(calls.take().into_iter().collect::<Vec<_>>(), [("GetManagedObjects".to_owned(), 1)]);
    agent.stop().await;
}
