//! `mo/capabilities`.

use serde_json::json;

use super::*;

const CAPABILITIES: Published = Published { moid: "urn:x-omadm:mo:capabilities:1.0", root: "Capabilities" };

const FILES: [(&str, &str); 17] = [
    ("sys/class/rfkill/rfkill0/type", "wlan\n"),
    ("sys/class/rfkill/rfkill0/name", "phy0\n"),
    ("sys/class/rfkill/rfkill0/soft", "0\n"),
    ("sys/class/rfkill/rfkill0/hard", "0\n"),
    ("sys/class/rfkill/rfkill3/type", "bluetooth\n"),
    ("sys/class/rfkill/rfkill3/name", "hci0\n"),
    ("sys/class/rfkill/rfkill3/soft", "1\n"),
    ("sys/class/rfkill/rfkill3/hard", "1\n"),
    ("sys/bus/usb/devices/1-1.2/idVendor", "0403\n"),
    ("sys/bus/usb/devices/1-1.2/idProduct", "6001\n"),
    ("sys/bus/usb/devices/1-1.2/authorized", "1\n"),
    ("sys/bus/usb/devices/1-1.2/product", "FT232R\u{1b}[2J UART\n"),
    ("sys/bus/usb/devices/1-1.2:1.0/authorized", "1\n"),
    ("sys/bus/usb/devices/usb1/idVendor", "1d6b\n"),
    ("sys/bus/usb/devices/usb1/bDeviceClass", "09\n"),
    ("sys/bus/usb/devices/usb1/authorized", "1\n"),
    ("sys/bus/usb/devices/secret/authorized", "1\n"),
];

#[tokio::test]
async fn radios_and_usb_devices_are_switched() {
    let bench = bench("capabilities", "", &FILES).await;
    let agent = bench.start().await;
    let capability = |property: &str, group: &str, description: &str, attached: bool, enabled: bool| {
        json!({
            "Property": property, "Group": group, "Description": description, "Attached": attached,
            "Enabled": enabled, "Operations": {},
        })
    };
    let usb = "0403:6001  FT232R_[2J UART";
    let all = |wlan: bool, bluetooth: bool, serial: bool| {
        json!({
            "WLAN-phy0": capability("WLAN", "Connectivity", "WLAN phy0", true, wlan),
            "Bluetooth-hci0": capability("Bluetooth", "Connectivity", "Bluetooth hci0", false, bluetooth),
            "USB-1-1.2": capability("USB", "IO", usb, true, serial),
        })
    };
    assert_eq!(CAPABILITIES.read(&bench, &agent).await, all(true, false, true), "{}", agent.log());
    let exec = |path: &str| json!(["EXEC", CAPABILITIES.node(path)]);
    let commands = [
        exec("WLAN-phy0/Operations/Disable"),
        exec("Bluetooth-hci0/Operations/Enable"),
        exec("USB-1-1.2/Operations/Disable"),
        exec("USB-secret/Operations/Disable"),
    ];
    let (statuses, read) = CAPABILITIES.session(&bench, &agent, &commands).await;
    assert_eq!(statuses, [200, 200, 200, 404], "{}", agent.log());
    assert_eq!(read, all(false, true, false), "{}", agent.log());
    let commands = [exec("WLAN-phy0/Operations/Enable"), exec("USB-1-1.2/Operations/Enable")];
    let (statuses, read) = CAPABILITIES.session(&bench, &agent, &commands).await;
    assert_eq!((statuses, read), (vec![200, 200], all(true, true, true)), "{}", agent.log());
    agent.stop().await;
}

#[test]
fn radios_that_are_named_alike_are_told_apart() {
    let root = tempfile::tempdir().unwrap();
    for number in [0, 2, 3] {
        let file = |name: &str, content: &str| {
            let path = root.path().join(format!("sys/class/rfkill/rfkill{number}/{name}"));
            files::put(&path, content, files::PLAIN).unwrap();
        };
        for (name, content) in [("type", "wwan"), ("name", "thinkpad"), ("soft", "0"), ("hard", "0")] {
            file(name, content);
        }
    }
    let capabilities = |arguments: &[&str]| {
        let mut command = Command::new(project("packaging/exec/capabilities"));
        let output = command.args(arguments).env("OMADM_SYSROOT", root.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        let enabled =
            said.lines().map(|line| line.split(' ').step_by(4).take(2).collect::<Vec<_>>().join(" "));
        enabled.collect::<Vec<_>>()
    };
    let all = ["WWAN-thinkpad true", "WWAN-thinkpad-2 true", "WWAN-thinkpad-3 true"];
    assert_eq!(capabilities(&[]), all);
    capabilities(&["disable", "--", "WWAN-thinkpad-3"]);
    assert_eq!(capabilities(&[]), [all[0], all[1], "WWAN-thinkpad-3 false"]);
}

#[test]
fn the_switches_of_network_manager_are_two_more() {
    let asked = "shift\ncase \"$*\" in\n*WirelessEnabled) echo 'b true' ;;\n*WwanEnabled) echo 'b false' ;;\n\
        *) echo \"$*\" >&2 ;;\nesac";
    let output = run("capabilities", &[], &[("busctl", asked)]);
    let said = String::from_utf8(output.stdout).unwrap();
    for line in ["All-WLAN WLAN Connectivity true true ", "All-WWAN WWAN Connectivity true false "] {
        assert!(said.lines().any(|said| said.starts_with(line)), "{said}");
    }
    let set = "echo \"$*\" >&2\ncase \"$*\" in *get-property*) echo 'b true' ;; *'WwanEnabled b false') ;; *) exit 1 ;; esac";
    assert!(run("capabilities", &["disable", "--", "All-WWAN"], &[("busctl", set)]).status.success());
    assert_eq!(
        run("capabilities", &["disable", "--", "All-WWAN"], &[("busctl", "exit 1")]).status.code(),
        Some(3)
    );
}
