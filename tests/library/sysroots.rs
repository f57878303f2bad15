//! The objects that ship, on machines of several kinds: what is below their root folders is told, and nothing of the
//! machine that reads it.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

/// A machine's root folder.
pub(super) struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    pub(super) fn with(all: &[(&str, &str)]) -> Self {
        let machine = Self { root: tempfile::tempdir().unwrap() };
        for (path, content) in all {
            machine.file(path, content);
        }
        machine
    }

    pub(super) fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        files::put(&self.root.path().join(path), content, files::PLAIN).unwrap();
    }

    pub(super) fn link(&self, path: &str, target: &str) {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn folder(&self, path: &str) {
        std::fs::create_dir_all(self.root.path().join(path)).unwrap();
    }

    pub(super) fn pipe(&self, path: &str) {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    }

    /// All values of an object's leaves.
    pub(super) fn read(&self, object: &str) -> BTreeMap<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(object);
        files::put(&place.join(format!("{object}.toml")), mapping(object), files::PLAIN).unwrap();
        let (root, place) = (self.root.path().to_str().unwrap(), place.to_str().unwrap());
        let said: serde_json::Value =
            serde_json::from_str(&ctl(&["--json", "mo", "read", "--sysroot", root, place])).unwrap();
        let nodes = said["objects"][0]["nodes"].as_array().unwrap();
        let value = |node: &serde_json::Value| {
            Some((node["path"].as_str()?.to_owned(), node["value"].as_str()?.to_owned()))
        };
        nodes.iter().filter_map(value).collect()
    }

    /// What is told of these leaves; `None`: nothing.
    #[track_caller]
    pub(super) fn tells(&self, object: &str, expected: &[(&str, Option<&str>)]) {
        let read = self.read(object);
        for (path, value) in expected {
            assert_eq!(read.get(*path).map(String::as_str), *value, "{object} {path}: {read:#?}");
        }
    }

    /// What a program lists, when `shell` runs it and it finds only what is in `path`. Times of now are left out.
    fn lists(&self, program: &[&str], shell: &Path, path: &str) -> Vec<String> {
        let mut command = Command::new(shell);
        command.arg(project("packaging/exec").join(program[0])).args(&program[1..]);
        command.env_clear().env("PATH", path).env("OMADM_SYSROOT", self.root.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && output.stderr.is_empty(), "{program:?}: {output:?}");
        let is_of_now = |at: usize| program[0] == "lan-devices" && (at == 8 || at == 9);
        let line = |line: &str| {
            let words = line.split(' ').enumerate().filter(|(at, _)| !is_of_now(*at));
            words.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
        };
        let mut lines: Vec<String> = said.lines().map(line).collect();
        lines.sort();
        lines
    }

    /// Whether a gateway that has busybox and nothing else lists the same.
    #[track_caller]
    pub(super) fn is_the_same_to_busybox(&self, programs: &[&[&str]]) {
        let tools = tempfile::tempdir().unwrap();
        let applets = Command::new("busybox")
            .arg("--list")
            .output()
            .expect("busybox (Debian: apt-get install busybox)");
        for applet in String::from_utf8(applets.stdout).unwrap().lines() {
            symlink("/usr/bin/busybox", tools.path().join(applet)).unwrap();
        }
        for program in programs {
            let here = self.lists(program, Path::new("/bin/sh"), "/usr/sbin:/usr/bin:/sbin:/bin");
            let there = self.lists(program, &tools.path().join("ash"), tools.path().to_str().unwrap());
            assert!(!here.is_empty(), "{program:?}");
            assert_eq!(there, here, "{program:?}");
        }
    }

    /// The names of the children of a node that have values.
    pub(super) fn children(&self, object: &str, above: &str) -> Vec<String> {
        let below = |path: &String| Some(path.strip_prefix(above)?.split('/').next()?.to_owned());
        let mut names: Vec<String> = self.read(object).keys().filter_map(below).collect();
        names.dedup();
        names
    }
}

#[test]
fn an_openwrt_router() {
    let router = Machine::with(&[
        ("etc/os-release", "NAME=\"OpenWrt\"\nVERSION_ID=\"23.05.3\"\nBUILD_ID=\"r23809-234f1a2efa\"\n"),
        ("proc/sys/kernel/hostname", "GL-MT3000\n"),
        ("proc/sys/kernel/osrelease", "5.15.150\n"),
        ("sys/firmware/devicetree/base/model", "GL.iNet GL-MT3000\0"),
        ("sys/firmware/devicetree/base/compatible", "glinet,gl-mt3000\0mediatek,mt7981\0"),
        (
            "tmp/dhcp.leases",
            "4102444800 3c:22:fb:11:22:33 192.168.8.100 laptop *\n0 3c:22:fb:11:22:44 192.168.8.102 nas's$(x) *\n",
        ),
        (
            "tmp/hosts/odhcpd",
            "# br-lan 000100012b3c4d5e3c22fb112233 0 laptop 4102444800 64 128 fd00::64/128 2001:db8::64/128 \n\
             fd00::64\tlaptop\n# br-lan 3c22fb112255 ipv4 printer 4102444800 32 32 192.168.8.105/32 \n",
        ),
        (
            "tmp/lib/opkg/status",
            "Package: dnsmasq\nVersion: 2.90-2\nStatus: install user installed\nArchitecture: aarch64\n\nPackage: gone\nVersion: 1\nStatus: deinstall ok not-installed\n",
        ),
        (
            "proc/self/mountinfo",
            "1 1 0:19 / / rw,noatime - overlay overlayfs:/overlay rw,lowerdir=/\n20 1 0:18 / /overlay rw - ubifs /dev/ubi0_2 rw\n",
        ),
        ("overlay/x", ""),
    ]);
    // As it is on such a router; where this machine's own is, is none of its business.
    router.link("proc/device-tree", "/sys/firmware/devicetree/base");
    router.link("var", "/tmp");
    router.tells(
        "devinfo",
        &[
            ("Man", Some("glinet")),
            ("Mod", Some("GL.iNet GL-MT3000")),
            ("FwV", Some("r23809-234f1a2efa")),
            ("HwV", Some("glinet,gl-mt3000")),
        ],
    );
    router.tells("system", &[("HostName", Some("GL-MT3000")), ("Kernel", Some("5.15.150"))]);
    assert_eq!(router.children("system", "Storage/"), ["%2F", "%2Foverlay"]);
    router.tells(
        "lan-devices",
        &[
            ("Count", Some("3")),
            ("Devices/3c%3A22%3Afb%3A11%3A22%3A33/IPv6", Some("2001:db8::64")),
            ("Devices/3c%3A22%3Afb%3A11%3A22%3A44/HostName", Some("nas_s__x_")),
            ("Devices/3c%3A22%3Afb%3A11%3A22%3A55/IPv4", Some("192.168.8.105")),
        ],
    );
    assert_eq!(router.children("scomo", "Inventory/Deployed/"), ["dnsmasq"]);
    router.is_the_same_to_busybox(&[&["lan-devices"], &["scomo", "list"]]);
}

#[test]
fn a_yocto_gateway_with_networkd() {
    let lease = r#"{"Address":[10,0,0,1],"Leases":[
        {"ClientId":[1,160,0,94,0,0,8],"Address":[10,0,0,40],"Hostname":"pr{\"x, {y}","HardwareAddressLength":6,"HardwareAddress":[160,0,94,0,0,8,0,0],"ExpirationRealtimeUSec":4102444800123456},
        {"ClientId":[255,1,2],"Address":[10,0,0,41],"HardwareAddress":[2,0,94,0,0,9],"ExpirationRealtimeUSec":4102444800123456}],
        "StaticLeases":[{"ClientId":[1,2,0,94,0,0,10],"Address":[10,0,0,50]}]}"#;
    let gateway = Machine::with(&[
        ("usr/lib/os-release", "VERSION_ID=4.2\nIMAGE_VERSION=\"4.2.7-b19\"\n"),
        ("etc/machine-id", "0f1e2d3c4b5a69788796a5b4c3d2e1f0\n"),
        (
            "etc/machine-info",
            "HARDWARE_VENDOR=\"ACME Corp.\"\nHARDWARE_MODEL=G200\nHARDWARE_VERSION=B2\nCHASSIS=embedded\n",
        ),
        ("etc/hostname", "gw-4711\n"),
        ("run/systemd/netif/dhcp-server-lease/lan0", lease),
        (
            "run/systemd/netif/links/2",
            "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/10-wan.network\n",
        ),
        ("sys/class/net/wan0/ifindex", "2\n"),
        ("sys/class/net/wan0/type", "1"),
    ]);
    gateway.link("etc/os-release", "../usr/lib/os-release");
    gateway.tells(
        "devinfo",
        &[
            ("Man", Some("ACME Corp.")),
            ("OEM", Some("ACME Corp.")),
            ("DevType", Some("embedded")),
            ("FwV", Some("4.2.7-b19")),
            ("HwV", Some("B2")),
        ],
    );
    // There is no /proc/self/mountinfo: that is no failure.
    gateway.tells("system", &[("HostName", Some("gw-4711"))]);
    gateway.tells(
        "lan-devices",
        &[
            ("Count", Some("3")),
            ("Devices/a0%3A00%3A5e%3A00%3A00%3A08/HostName", Some("pr__x__y_")),
            ("Devices/a0%3A00%3A5e%3A00%3A00%3A08/LeaseEnd", Some("2100-01-01T00:00:00Z")),
            ("Devices/02%3A00%3A5e%3A00%3A00%3A09/LeaseEnd", Some("2100-01-01T00:00:00Z")),
            ("Devices/02%3A00%3A5e%3A00%3A00%3A0a/IPv4", Some("10.0.0.50")),
        ],
    );
    gateway.is_the_same_to_busybox(&[&["lan-devices"], &["links"]]);
    gateway.tells(
        "links",
        &[("Links/wan0/Profile", Some("10-wan.network")), ("Links/wan0/Type", Some("ethernet"))],
    );
}

#[test]
fn a_debian_with_kea() {
    const HEAD: &str = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n";
    let server = Machine::with(&[
        (
            "var/lib/kea/kea-leases4.csv",
            &format!(
                "{HEAD}192.0.2.30,a0:00:5e:00:00:06,01:a0,3600,4102444802,1,0,0,old.lan,0,,0\n\
                 192.0.2.30,a0:00:5e:00:00:06,01:a0,3600,4102444803,1,0,0,cam.lan,0,{{ \"x\": 1 }},0\n\
                 192.0.2.31,a0:00:5e:00:00:07,,3600,1000000000,1,0,0,expired,0,,0\n\
                 192.0.2.32,a0:00:5e:00:00:08,,3600,4102444803,1,0,0,declined,1,,0\n\
                 192.0.2.33,a0:00:5e:00:00:09,,3600,4102444803,1,0,0,reclaimed,2,,0\n\
                 192.0.2.34,A0:00:5E:00:00:0A,,4294967295,4294967295,1,0,0,,0,,0\n\
                 192.0.2.35,,01:a0:00:5e:00:00:0b,3600,4102444803,1,0,0,noaddr,0,,0\n{HEAD}\
                 192.0.2.61,a0:00:5e:00:00:61,,0,0,1,0,0,freed,0,,0\n\
                 192.0.2.36,a0:00:5e:00:00:0c,,3600,4102444803,1,0,0,half"
            ),
        ),
        // What Kea has tidied up: it is not in the first any more.
        (
            "var/lib/kea/kea-leases4.csv.2",
            &format!(
                "{HEAD}192.0.2.60,a0:00:5e:00:00:60,,3600,4102444802,1,0,0,kept.lan,0,,0\n\
                 192.0.2.61,a0:00:5e:00:00:61,,3600,4102444802,1,0,0,freed,0,,0\n\
                 192.0.2.30,a0:00:5e:00:00:06,01:a0,3600,4102444801,1,0,0,older.lan,0,,0\n"
            ),
        ),
        (
            "var/lib/kea/kea-leases6.csv",
            "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state\n\
             2001:db8::30,00:03:00:01:a0:00:5e:00:00:06,3600,4102444803,1,1800,0,1,128,0,0,cam.lan,,0\n\
             2001:db8:1::,00:03:00:01:a0:00:5e:00:00:0d,3600,4102444803,1,1800,2,1,56,0,0,,a0:00:5e:00:00:0d,0\n",
        ),
        ("sys/class/dmi/id/sys_vendor", "Advantech\n"),
        ("sys/class/dmi/id/product_name", "To be filled by O.E.M.\n"),
        ("sys/class/dmi/id/board_name", "UNO-2271G V2\n"),
        ("sys/class/dmi/id/board_version", "A101-1 \n"),
    ]);
    server.file(
        "var/lib/dpkg/status",
        b"Package: libc6\nStatus: install ok installed\nArchitecture: i386\nMulti-Arch: same\nVersion: 2.36\n\n\
          Package: hold\nStatus: hold ok installed\nVersion: 1:2-3~x\nDescription: caf\xe9 tab\there\n\n\
          Package: old\nStatus: deinstall ok config-files\nVersion: 1\n",
    );
    let device = |last: &str, leaf: &str| format!("Devices/a0%3A00%3A5e%3A00%3A00%3A{last}/{leaf}");
    server.tells(
        "lan-devices",
        &[
            ("Count", Some("4")),
            (&device("06", "HostName"), Some("cam.lan")),
            (&device("06", "IPv6"), Some("2001:db8::30")),
            (&device("06", "LeaseEnd"), Some("2100-01-01T00:00:03Z")),
            (&device("0a", "IPv4"), Some("192.0.2.34")),
            (&device("0a", "LeaseEnd"), None),
            (&device("0b", "HostName"), Some("noaddr")),
            (&device("60", "HostName"), Some("kept.lan")),
        ],
    );
    server.is_the_same_to_busybox(&[&["lan-devices"], &["lan-devices", "count"], &["scomo", "list"]]);
    server.tells("devinfo", &[("Mod", Some("UNO-2271G V2")), ("HwV", Some("A101-1"))]);
    server.tells(
        "scomo",
        &[
            ("Inventory/Deployed/libc6%3Ai386/Version", Some("2.36")),
            ("Inventory/Deployed/hold/Description", Some("caf\u{fffd} tab here")),
            ("Inventory/Deployed/old/Version", None),
        ],
    );
}

#[test]
fn a_raspberry_with_broken_sensors() {
    let pi = Machine::with(&[
        ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0"),
        ("proc/device-tree/compatible", "raspberrypi,4-model-b\0brcm,bcm2711\0"),
        ("proc/sys/kernel/osrelease", "6.1.21-v8+\n"),
        ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
        ("sys/class/thermal/thermal_zone0/temp", "-5123\n"),
        ("sys/class/thermal/thermal_zone1/temp", "2147483647\n"),
        ("sys/class/thermal/thermal_zone2/temp", "-274000\n"),
        ("sys/class/thermal/thermal_zone3/temp", ""),
        ("sys/class/thermal/thermal_zone4/temp", "40000"),
        ("sys/class/hwmon/hwmon0/name", "cpu_thermal\n"),
        ("sys/class/hwmon/hwmon0/temp1_input", "48312\n"),
        ("sys/class/hwmon/hwmon3/temp1_input", "garbage\n"),
        ("sys/class/hwmon/hwmon4/temp1_input", " 21000 \n"),
        ("sys/class/hwmon/hwmon4/device/name", "old style\n"),
        ("sys/class/watchdog/watchdog0/state", "inactive\n"),
        ("sys/class/watchdog/watchdog0/timeout", "15\n"),
    ]);
    pi.folder("sys/class/thermal/thermal_zone5/temp");
    pi.file("sys/class/hwmon/hwmon3/name", b"\xff\xfe\n");
    pi.tells(
        "devinfo",
        &[("Man", Some("raspberrypi")), ("FwV", Some("Linux 6.1.21-v8+")), ("DevType", Some("gateway"))],
    );
    pi.tells(
        "system",
        &[
            ("Temperatures/0/Celsius", Some("-5.123")),
            ("Temperatures/1/Celsius", None),
            ("Temperatures/2/Celsius", None),
            ("Temperatures/3/Celsius", None),
            ("Temperatures/4/Celsius", Some("40")),
            ("Temperatures/5/Celsius", None),
            ("Sensors/0/Celsius", Some("48.312")),
            ("Sensors/3/Name", None),
            ("Sensors/3/Celsius", None),
            ("Sensors/4/Name", Some("old style")),
            ("Sensors/4/Celsius", Some("21")),
            ("Watchdogs/0/Active", Some("false")),
        ],
    );
}

#[test]
fn an_x86_gateway_with_disks_of_all_kinds() {
    let gateway = Machine::with(&[
        ("sys/block/nvme0n1/device/model", "KIOXIA KBG40ZNS512G NVMe      \n"),
        ("sys/block/nvme0n1/size", "1000215216\n"),
        ("sys/block/sda/device/model", "Samsung SSD 870 \n"),
        ("sys/block/sda/size", "1953525168\n"),
        ("sys/block/vda/device/vendor", "0x1af4\n"),
        ("sys/block/vda/size", "20971520\n"),
        ("sys/block/md127/size", "2048\n"),
        ("sys/block/dm-0/size", "2048\n"),
        ("sys/block/loop0/size", "2048\n"),
        ("sys/block/zram0/size", "2048\n"),
        ("sys/block/mmcblk1/device/life_time", "0x0b 0x00\n"),
        ("sys/block/mmcblk1/device/pre_eol_info", "0x00\n"),
        ("sys/block/mmcblk1/size", "0\n"),
        (
            "proc/self/mountinfo",
            "1 1 253:0 / / rw - ext4 /dev/mapper/vg-root rw\n3 1 9:127 / /data rw - xfs /dev/md127 rw\n\
             4 1 0:50 / /mnt/nfs rw - nfs4 srv:/x rw\n5 1 7:1 / /snap ro - squashfs /dev/loop1 ro\n\
             7 1 0:61 /sub /btr rw - btrfs /dev/sda1 rw\n8 1 0:61 / /btr2 rw - btrfs /dev/sda1 rw\n\
             9 1 8:2 / /we\\040ird\\011tab\\134bs rw - ext4 /dev/sda2 ro\n10 1 8:3 / /two\\012lines rw - ext4 /dev/sda3 rw\n",
        ),
    ]);
    for folder in ["data", "btr", "we ird\ttab\\bs", "two\nlines"] {
        gateway.folder(folder);
    }
    assert_eq!(gateway.children("system", "Disks/"), ["mmcblk1", "nvme0n1", "sda", "vda"]);
    assert_eq!(
        gateway.children("system", "Storage/"),
        ["%2F", "%2Fbtr", "%2Fdata", "%2Fwe%20ird%09tab%5Cbs"]
    );
    gateway.tells(
        "system",
        &[
            ("Disks/nvme0n1/Model", Some("KIOXIA KBG40ZNS512G NVMe")),
            ("Disks/nvme0n1/Size", Some("512110190592")),
            ("Disks/vda/Model", None),
            ("Disks/mmcblk1/LifeUsedA", Some("110")),
            ("Disks/mmcblk1/LifeUsedB", None),
            ("Disks/mmcblk1/Reserve", None),
            ("Storage/%2Fwe%20ird%09tab%5Cbs/ReadOnly", Some("true")),
        ],
    );
}

#[test]
fn links_of_all_kinds() {
    let machine = Machine::with(&[("sys/class/net/bonding_masters", "bond0\n")]);
    let kinds = [
        ("eth0", 1, "", "ethernet"),
        ("eth0.100", 1, "DEVTYPE=vlan\n", "vlan"),
        ("br0", 1, "DEVTYPE=bridge\n", "bridge"),
        ("bond0", 1, "DEVTYPE=bond\n", "bond"),
        ("wwan0", 65534, "DEVTYPE=wwan\n", "wwan"),
        ("wg0", 65534, "DEVTYPE=wireguard\n", "wireguard"),
        ("tun0", 65534, "", "tunnel"),
        ("ppp0", 512, "", "ppp"),
        ("can0", 280, "", "can"),
        ("lo", 772, "", "loopback"),
        ("odd\"\\$*name", 1, "", "ethernet"),
    ];
    for (index, (name, number, event, _)) in kinds.iter().enumerate() {
        let file =
            |file: &str, content: String| machine.file(&format!("sys/class/net/{name}/{file}"), content);
        file("ifindex", format!("{}\n", index + 1));
        file("type", format!("{number}\n"));
        file("uevent", format!("{event}INTERFACE={name}\n"));
        file("speed", "-1\n".to_owned());
        file("mtu", "1500".to_owned());
    }
    // A pipe holds nobody up.
    machine.pipe("sys/class/net/eth0/carrier");
    machine.pipe("run/systemd/netif/links/1");
    let read = machine.read("links");
    for (name, _, _, kind) in kinds {
        let name = name.replace('"', "%22").replace('\\', "%5C").replace('$', "%24").replace('*', "%2A");
        let value = |leaf: &str| read.get(&format!("Links/{name}/{leaf}")).map(String::as_str);
        assert_eq!(
            (value("Type"), value("MTU"), value("Speed")),
            (Some(kind), Some("1500"), None),
            "{read:#?}"
        );
    }
    machine.is_the_same_to_busybox(&[&["links"]]);
    assert_eq!(machine.children("links", "Links/").len(), kinds.len());
}

#[test]
fn usb_devices_and_radios_with_odd_names() {
    let machine = Machine::with(&[
        ("sys/bus/usb/devices/usb1/idVendor", "1d6b\n"),
        ("sys/bus/usb/devices/usb1/bDeviceClass", "09\n"),
        ("sys/bus/usb/devices/1-1/idVendor", "12d1\n"),
        ("sys/bus/usb/devices/1-1/idProduct", "1506\n"),
        // A shell's echo makes lines of it.
        ("sys/bus/usb/devices/1-1/product", "x\\nUSB-../../../../tmp USB IO true true y\\c *`x` $(x)\n"),
        ("sys/bus/usb/devices/1-1/authorized", "1\n"),
        ("sys/bus/usb/devices/1-2/idVendor", "0403\n"),
        ("sys/bus/usb/devices/1-2/idProduct", "6001\n"),
        ("sys/bus/usb/devices/1-2/authorized", "0\n"),
        ("sys/bus/usb/devices/1-2:1.0/bInterfaceClass", "ff\n"),
        ("sys/class/rfkill/rfkill0/name", "bad%name\n"),
        ("sys/class/rfkill/rfkill0/type", "wlan\n"),
        ("sys/class/rfkill/rfkill0/soft", "0\n"),
        ("sys/class/rfkill/rfkill0/hard", "1"),
        ("sys/class/tty/ttyUSB0/device/uevent", "DRIVER=ftdi_sio\n"),
        ("sys/class/tty/tty1/dev", "4:1\n"),
    ]);
    machine.file("sys/bus/usb/devices/1-2/product", b"HUAWEI\xc2\xae \xff\n");
    assert_eq!(machine.children("capabilities", ""), ["USB-1-1", "USB-1-2", "WLAN-bad_name"]);
    machine.tells(
        "capabilities",
        &[
            (
                "USB-1-1/Description",
                Some("12d1:1506  x\\nUSB-../../../../tmp USB IO true true y\\c *`x` $(x)"),
            ),
            ("USB-1-2/Enabled", Some("false")),
            ("USB-1-2/Description", Some("0403:6001  HUAWEI__ _")),
            ("WLAN-bad_name/Attached", Some("false")),
        ],
    );
    assert_eq!(machine.children("lan-devices", "Usb/"), ["1-1", "1-2", "usb1"]);
    machine.tells(
        "lan-devices",
        &[
            ("Usb/1-2/Vendor", Some("0403")),
            ("Usb/1-2/Name", None),
            ("Serial/ttyUSB0/Driver", Some("ftdi_sio")),
        ],
    );
    machine.is_the_same_to_busybox(&[&["capabilities"]]);
    // What a device says of itself leads to no file.
    let forged = Command::new(project("packaging/exec/capabilities"))
        .args(["disable", "--", "USB-../../../../tmp"])
        .env("OMADM_SYSROOT", machine.root.path())
        .output()
        .unwrap();
    assert_eq!(forged.status.code(), Some(3));
}

#[test]
fn a_root_folder_full_of_traps() {
    let machine = Machine::with(&[("sys/class/net/eth0/ifindex", "1\n")]);
    for (path, target) in [
        ("etc/hostname", "/etc/passwd"),
        ("proc/loadavg", "../../../../../../../../etc/passwd"),
        ("proc/meminfo", "/dev/zero"),
        ("etc/machine-id", "machine-id"),
        ("etc/os-release", "/etc/os-release"),
        ("sys/class/dmi/id/sys_vendor", "/proc/self/environ"),
        ("sys/class/thermal/thermal_zone0", "/sys/class/thermal"),
        ("sys/bus/usb/devices", "/etc"),
    ] {
        machine.link(path, target);
    }
    for pipe in
        ["proc/uptime", "proc/self/mountinfo", "var/lib/misc/dnsmasq.leases", "sys/class/net/eth0/mtu"]
    {
        machine.pipe(pipe);
    }
    machine.file("proc/stat", vec![b'x'; 5 << 20]);
    machine.file("proc/sys/kernel/hostname", "");
    let known = machine.read("system");
    let own = ["HostName", "Kernel"];
    let told: Vec<&String> = known.keys().filter(|path| !own.contains(&path.as_str())).collect();
    assert_eq!(told, [""; 0], "{known:#?}");
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(known["HostName"], hostname.trim(), "nothing below the root says it");
    machine.tells("devinfo", &[("Man", Some("unknown"))]);
    machine.tells("lan-devices", &[("Count", Some("0"))]);
    assert_eq!(machine.children("links", "Links/"), ["eth0"]);
}
