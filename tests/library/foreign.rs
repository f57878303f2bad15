//! The objects that ship, on machines that are unlike most: processors the other way round, files that break off, links
//! that are absolute, attributes that no kernel writes.

use super::sysroots::Machine;

#[test]
fn a_mips_router_of_before_device_trees() {
    let router = Machine::with(&[
        ("etc/os-release", "NAME=\"OpenWrt\"\nVERSION_ID=\"19.07.10\"\nBUILD_ID=\"r11427-9ce6aa9d8d\"\n"),
        (
            "proc/cpuinfo",
            "system type\t\t: Qualcomm Atheros QCA9533 ver 2 rev 0\nmachine\t\t\t: TP-LINK TL-WR841N/ND v11\nprocessor\t\t: 0\n",
        ),
        // The last line has no end: the power failed.
        (
            "tmp/dhcp.leases",
            "duid 00:01:00:01:2c:aa:bb:cc:a0:00:5e:00:00:99\n4102444800 a0:00:5e:00:00:01 192.168.1.10 meter *",
        ),
        (
            "tmp/hosts/odhcpd",
            "# br-lan 00030001a0005e000002 1 broken\\x20phone 4102444800 123 128 2001:db8:0:1::123/128 \n\
             # br-lan 00030001a0005e000003 1a router 4102444800 0 60 2001:db8:0:10::/60 \n",
        ),
        (
            "proc/net/arp",
            "IP address       HW type     Flags       HW address            Mask     Device\n\
             192.0.2.1        0x1         0x2         a0:00:5e:00:00:fe     *        eth0.2\n\
             192.168.1.20     0x1         0x2         a0:00:5e:00:00:04     *        br-lan\n\
             192.168.1.30     0x1         0x6         a0:00:5e:00:00:05     *        br-lan\n",
        ),
        (
            "proc/net/route",
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
             eth0.2\t00000000\tC0000201\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
             eth0.2\tC0000200\t00000000\t0001\t0\t0\t0\tFFFFFF00\t0\t0\t0\n",
        ),
        (
            "usr/lib/opkg/status",
            "Package: dropbear\nVersion: 2019.78-2\nStatus: install user installed\nArchitecture: mips_24kc\n\n\
             Package: dropbear\nVersion: 2019.78-2\nStatus: install user installed\nArchitecture: mips_24kc\n\n\
             Package: last\nVersion: 1\nStatus: install ok installed\nArchitecture: all",
        ),
    ]);
    router.tells("devinfo", &[("Mod", Some("TP-LINK TL-WR841N/ND v11"))]);
    let device = |last: &str, leaf: &str| format!("Devices/a0%3A00%3A5e%3A00%3A00%3A{last}/{leaf}");
    router.tells(
        "lan-devices",
        &[
            ("Count", Some("4")),
            (&device("01", "HostName"), Some("meter")),
            (&device("02", "HostName"), Some("phone")),
            (&device("02", "IPv6"), Some("2001:db8:0:1::123")),
            (&device("03", "HostName"), Some("router")),
            (&device("03", "IPv6"), None),
            (&device("04", "Reachable"), Some("true")),
            (&device("05", "MAC"), None),
            (&device("fe", "MAC"), None),
        ],
    );
    assert_eq!(router.children("scomo", "Inventory/Deployed/"), ["dropbear", "last"]);
    router.is_the_same_to_busybox(&[&["lan-devices"], &["scomo", "list"]]);
}

#[test]
fn a_debian_that_shares_a_link_and_was_cut_off_at_installing() {
    let gateway = Machine::with(&[
        (
            "var/lib/dpkg/status",
            "Package: man-db\nStatus: install ok triggers-pending\nArchitecture: amd64\nVersion: 2.11\n\n\
             Package: libc-bin\nStatus: install ok triggers-awaited\nArchitecture: amd64\nVersion: 2.36\n\n\
             Package: broken\nStatus: install ok half-installed\nArchitecture: amd64\nVersion: 1\n",
        ),
        ("var/lib/NetworkManager/dnsmasq-eth1.leases", "4102444800 a0:00:5e:00:00:01 10.42.0.10 meter *\n"),
        ("var/lib/NetworkManager/timestamps", "[timestamps]\n"),
    ]);
    assert_eq!(gateway.children("scomo", "Inventory/Deployed/"), ["libc-bin", "man-db"]);
    gateway.tells("lan-devices", &[("Devices/a0%3A00%3A5e%3A00%3A00%3A01/IPv4", Some("10.42.0.10"))]);
}

#[test]
fn more_devices_than_a_list_has_are_counted() {
    let leases: String = (0..6000)
        .map(|n| {
            format!(
                "4102444800 a0:00:5e:00:{:02x}:{:02x} 10.0.{}.{} {}-{n} *\n",
                n / 256,
                n % 256,
                n / 256,
                n % 256,
                "x".repeat(150)
            )
        })
        .collect();
    let office = Machine::with(&[("var/lib/misc/dnsmasq.leases", &leases)]);
    let read = office.read("lan-devices");
    let devices = read.keys().filter(|path| path.ends_with("/MAC")).count();
    assert_eq!((read["Count"].as_str(), devices), ("6000", 1024));
}

#[test]
fn links_with_attributes_that_are_odd() {
    let machine = Machine::with(&[
        // Neither these numbers, nor what comes behind them, stop the others.
        ("sys/class/net/a0/flags", "garbage\n"),
        ("sys/class/net/a1/flags", "0x\n"),
        ("sys/class/net/a2/flags", "a[$(exit)]\n"),
        ("sys/class/net/a3/flags", "0x1003\n"),
        ("sys/class/net/lan1/uevent", "DEVTYPE=dsa\nINTERFACE=lan1\n"),
        ("sys/class/net/sit1/address", "c0:00:02:01\n"),
    ]);
    machine.file("sys/class/net/a4/mtu", "9".repeat(5000));
    for (index, (name, number)) in
        [("a0", 1), ("a1", 1), ("a2", 1), ("a3", 1), ("a4", 1), ("lan1", 1), ("sit1", 776), ("rmnet0", 519)]
            .iter()
            .enumerate()
    {
        machine.file(&format!("sys/class/net/{name}/ifindex"), format!("{}\n", index + 1));
        machine.file(&format!("sys/class/net/{name}/type"), format!("{number}\n"));
    }
    machine.file("sys/class/net/noindex/address", "a0:00:5e:00:00:01\n");
    machine.tells(
        "links",
        &[
            ("Links/a0/Type", Some("ethernet")),
            ("Links/a0/Enabled", None),
            ("Links/a1/Enabled", None),
            ("Links/a2/Enabled", None),
            ("Links/a3/Enabled", Some("true")),
            ("Links/a4/Type", Some("ethernet")),
            ("Links/a4/MTU", None),
            ("Links/lan1/Type", Some("ethernet")),
            ("Links/sit1/Type", Some("tunnel")),
            ("Links/sit1/MAC", None),
            ("Links/rmnet0/Type", Some("wwan")),
            ("Links/noindex/MAC", Some("a0:00:5e:00:00:01")),
        ],
    );
    machine.is_the_same_to_busybox(&[&["links"]]);
}

#[test]
fn links_of_folders_lead_where_they_do_on_that_machine() {
    let machine = Machine::with(&[
        ("sys/devices/virtual/net/lo/ifindex", "1\n"),
        ("sys/devices/virtual/net/lo/type", "772\n"),
        ("sys/devices/radio/soft", "1\n"),
        ("sys/devices/radio/hard", "0\n"),
        ("sys/devices/radio/type", "wlan\n"),
        ("sys/devices/radio/name", "phy0\n"),
        ("sys/devices/stick/idVendor", "12d1\n"),
        ("sys/devices/stick/idProduct", "1506\n"),
        ("sys/devices/stick/authorized", "1\n"),
    ]);
    machine.file("sys/devices/stick/product", "p".repeat(5000));
    machine.link("sys/class/net/lo", "/sys/devices/virtual/net/lo");
    machine.link("sys/class/net/gone", "/sys/devices/gone");
    machine.link("sys/class/net/circle", "circle");
    machine.link("sys/class/rfkill/rfkill0", "/sys/devices/radio");
    machine.link("sys/bus/usb/devices/1-1", "/sys/devices/stick");
    // This machine has one as well.
    machine.tells("links", &[("Links/lo/Type", Some("loopback")), ("Links/lo/MTU", None)]);
    assert_eq!(machine.children("links", "Links/"), ["lo"]);
    machine.tells(
        "capabilities",
        &[("WLAN-phy0/Enabled", Some("false")), ("USB-1-1/Description", Some("12d1:1506  "))],
    );
    machine.is_the_same_to_busybox(&[&["links"], &["capabilities"]]);
}

#[test]
fn serial_ports_that_are_not_there_are_none() {
    let board = Machine::with(&[
        ("sys/devices/pnp0/00:01/uevent", "DRIVER=serial\nPNP_ID=PNP0501\n"),
        ("sys/devices/pnp0/00:01/tty/ttyS0/type", "4\n"),
        ("sys/devices/platform/serial8250/uevent", "DRIVER=serial8250\nMODALIAS=platform:serial8250\n"),
        ("sys/devices/platform/serial8250/tty/ttyS1/type", "0\n"),
        ("sys/devices/platform/serial8250/tty/ttyS2/line", "2\n"),
        ("sys/class/tty/ttyACM0/device/uevent", "DEVTYPE=usb_interface\nDRIVER=cdc_acm\n"),
        ("sys/class/tty/ttyGS0/device/uevent", ""),
        ("sys/class/tty/tty1/dev", "4:1\n"),
        // As of Linux 6.5.
        ("sys/devices/platform/soc/serial0/uevent", "DRIVER=uart-pl011\n"),
        ("sys/devices/platform/soc/serial0/serial0:0/uevent", "DEVTYPE=ctrl\nDRIVER=ctrl\n"),
        ("sys/devices/platform/soc/serial0/serial0:0/serial0:0.0/uevent", "DEVTYPE=port\nDRIVER=port\n"),
        ("sys/devices/platform/soc/serial0/serial0:0/serial0:0.0/tty/ttyAMA0/type", "32\n"),
    ]);
    for (tty, folder, device) in [
        ("ttyS0", "pnp0/00:01", "../../../00:01"),
        ("ttyAMA0", "platform/soc/serial0/serial0:0/serial0:0.0", "../../../serial0:0.0"),
        ("ttyS1", "platform/serial8250", "../../../serial8250"),
        // Its type is root's only: that it isn't there can't be told.
        ("ttyS2", "platform/serial8250", "../../../serial8250"),
    ] {
        board.link(&format!("sys/class/tty/{tty}"), &format!("../../devices/{folder}/tty/{tty}"));
        board.link(&format!("sys/devices/{folder}/tty/{tty}/device"), device);
    }
    board.link("sys/class/tty/ttyS9", "ttyS9");
    board.tells(
        "lan-devices",
        &[
            ("Serial/ttyS0/Driver", Some("serial")),
            ("Serial/ttyS1/Driver", None),
            ("Serial/ttyS2/Driver", Some("serial8250")),
            ("Serial/ttyACM0/Driver", Some("cdc_acm")),
            ("Serial/ttyAMA0/Driver", Some("uart-pl011")),
        ],
    );
    board.is_the_same_to_busybox(&[&["lan-devices", "serial"]]);
}
