//! `mo/system`.

use serde_json::json;

use super::*;

const SYSTEM: Published = Published { moid: "urn:x-omadm:mo:system:1.0", root: "System" };

const FILES: [(&str, &str); 34] = [
    ("proc/uptime", "93784.21 180000.00\n"),
    ("proc/stat", "cpu  1 2 3\nctxt 5\nbtime 1769860800\nprocesses 9\n"),
    ("proc/loadavg", "0.52 0.41 1.30 2/143 4711\n"),
    ("proc/sys/kernel/random/boot_id", "1f8b2c52-6ab0-44b4-8d57-7a6fb9a1a111\n"),
    (
        "proc/meminfo",
        "MemTotal:  505432 kB\nMemFree:  100000 kB\nMemAvailable:  200000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
    ),
    (
        "proc/self/mountinfo",
        "20 1 179:2 / / ro,relatime shared:1 - ext4 /dev/mmcblk0p2 rw\n\
         21 20 0:5 / /proc rw - proc proc rw\n\
         22 20 179:2 /var /var rw - ext4 /dev/mmcblk0p2 rw\n\
         23 20 7:0 / /snap rw - squashfs /dev/loop0 ro\n\
         24 20 0:40 / /srv rw - nfs4 far.example:/srv rw\n\
         25 20 179:3 / /boot\\040old rw shared:7 master:3 - vfat /dev/mmcblk0p1 ro,fmask=0022\n",
    ),
    ("boot old/keep", ""),
    ("sys/devices/system/cpu/online", "0-3\n"),
    ("sys/block/mmcblk0/device/name", "DG4008\n"),
    ("sys/block/mmcblk0/device/life_time", "0x03 0x0a\n"),
    ("sys/block/mmcblk0/device/pre_eol_info", "0x02\n"),
    ("sys/block/mmcblk0/size", "15269888\n"),
    (
        "sys/block/mmcblk0/stat",
        "    1037      520    72264     1203      100       51     2048       90        0      300     1294\n",
    ),
    ("sys/block/sda/device/model", "Flash Disk      \n"),
    ("sys/block/sda/size", "2048\n"),
    ("sys/block/loop0/size", "8\n"),
    ("sys/class/ubi/ubi0/max_ec", "812\n"),
    ("sys/class/ubi/ubi0/bad_peb_count", "3\n"),
    ("sys/class/ubi/ubi0/reserved_for_bad", "17\n"),
    ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
    ("sys/class/thermal/thermal_zone0/temp", "47250\n"),
    ("sys/class/hwmon/hwmon1/name", "lm75\n"),
    ("sys/class/hwmon/hwmon1/temp1_input", "-500\n"),
    ("sys/class/hwmon/hwmon1/temp1_max", "80000\n"),
    ("sys/class/hwmon/hwmon1/temp12_input", "61000\n"),
    ("sys/class/hwmon/hwmon1/temp12_label", "Case\n"),
    ("sys/class/hwmon/hwmon2/name", "coretemp\n"),
    ("sys/class/hwmon/hwmon2/temp2_input", "47000\n"),
    ("sys/class/hwmon/hwmon3/name", "fan\n"),
    ("sys/class/watchdog/watchdog0/identity", "imx2+ watchdog\n"),
    ("sys/class/watchdog/watchdog0/state", "active\n"),
    ("sys/class/watchdog/watchdog0/timeout", "60\n"),
    ("sys/class/watchdog/watchdog0/bootstatus", "32\n"),
    ("sys/class/watchdog/watchdog1/dev", "10:1\n"),
];

#[tokio::test]
async fn what_a_machine_has_is_told_and_what_it_lacks_is_left_out() {
    let bench = bench("system", "", &FILES).await;
    let agent = bench.start().await;
    let mut read = SYSTEM.read(&bench, &agent).await;
    let storage = read["Storage"].take();
    let (root, boot) = (&storage["%2F"], &storage["%2Fboot%20old"]);
    assert_eq!(storage.as_object().unwrap().len(), 2, "{storage}");
    assert!(root["Size"].as_i64() > root["Used"].as_i64() && root["Used"].as_i64() > Some(0), "{storage}");
    assert_eq!((&root["Type"], &root["ReadOnly"]), (&json!("ext4"), &json!(false)), "{storage}");
    assert_eq!((&boot["Type"], &boot["ReadOnly"]), (&json!("vfat"), &json!(true)), "{storage}");
    for (own, here) in [("HostName", "hostname"), ("Kernel", "osrelease")] {
        let expected = std::fs::read_to_string(format!("/proc/sys/kernel/{here}")).unwrap();
        assert_eq!(read[own].take(), json!(expected.trim()));
    }
    read.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    read.as_object_mut().unwrap().remove("Boots");
    let expected = json!({
        "Uptime": 93784,
        "BootTime": "2026-01-31T12:00:00Z",
        "BootId": "1f8b2c52-6ab0-44b4-8d57-7a6fb9a1a111",
        "Load": {"Average1": 0.52, "Average5": 0.41, "Average15": 1.3, "Tasks": 143, "Processors": "0-3"},
        "Memory": {"Total": 517562368, "Available": 204800000, "SwapTotal": 0, "SwapFree": 0},
        "Disks": {
            "mmcblk0": {
                "Model": "DG4008", "Size": 7818182656i64, "Written": 1048576,
                "LifeUsedA": 30, "LifeUsedB": 100, "Reserve": "warning",
            },
            "sda": {"Model": "Flash Disk", "Size": 1048576},
        },
        "Ubi": {"0": {"MaxErased": 812, "Bad": 3, "Reserve": 17}},
        "Temperatures": {"0": {"Name": "cpu-thermal", "Celsius": 47.25}},
        "Sensors": {
            "1": {
                "Name": "lm75", "Celsius": -0.5,
                "Temperatures": {"1": {"Celsius": -0.5}, "12": {"Label": "Case", "Celsius": 61.0}},
            },
            "2": {"Name": "coretemp", "Temperatures": {"2": {"Celsius": 47.0}}},
            "3": {"Name": "fan", "Temperatures": {}},
        },
        "Watchdogs": {"0": {"Name": "imx2+ watchdog", "Active": true, "Timeout": 60, "Reset": true}},
        "Operations": {},
    });
    assert_eq!(read, expected, "{}", agent.log());
    agent.stop().await;
}

/// As journald has it: the boot before was cut off, the one before that rebooted, the oldest was switched off by hand.
const JOURNAL: &str = r#"
case $* in
    *--boot=-0*) id=aaa first=1769860800 last=1769864400 ;;
    *--boot=-1*) id=bbb first=1769850000 last=1769851000 ;;
    *--boot=-2*) id=ccc first=1769840000 last=1769841000; target=reboot.target ;;
    *--boot=-3*) id=ddd first=1769830000 last=1769831000; stopped=1 ;;
    *) exit 1 ;;
esac
case $* in
    *UNIT=reboot.target*) [ ! "${target-}" ] || printf '__REALTIME_TIMESTAMP=%s000000\nUNIT=%s\n\n' $last $target ;;
    *MESSAGE_ID=*) [ ! "${stopped-}" ] || printf '__REALTIME_TIMESTAMP=%s000000\n_BOOT_ID=%s\n\n' $last $id ;;
    *--lines=1*) printf '__CURSOR=x\n__REALTIME_TIMESTAMP=%s123456\n_BOOT_ID=%s\n\n' $last $id ;;
    *) printf '__REALTIME_TIMESTAMP=%s654321\n_BOOT_ID=%s\n\n' $first $id
       while printf '__REALTIME_TIMESTAMP=%s123456\n_BOOT_ID=%s\n\n' $last $id; do :; done 2>/dev/null ;;
esac
"#;

#[test]
fn how_boots_ended_is_what_the_journal_says() {
    let output = run("system", &["boots"], &[("journalctl", JOURNAL)]);
    let expected = "0 aaa 1769860800 1769864400 running\n1 bbb 1769850000 1769851000 cut\n\
                    2 ccc 1769840000 1769841000 reboot\n3 ddd 1769830000 1769831000 shutdown\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn a_reboot_that_is_refused_has_failed_and_one_that_is_not_waits_for_the_end() {
    let refused = [("systemctl", "exit 1"), ("reboot", "exit 1"), ("sleep", "exit 0")];
    assert_eq!(run("system", &["reboot"], &refused).status.code(), Some(1));
    let begun = [("systemctl", "echo \"$@\""), ("reboot", "echo reboot"), ("sleep", "echo sleeping; exit 3")];
    let output = run("system", &["reboot"], &begun);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "reboot\nsleeping\n");
    assert_eq!(output.status.code(), Some(3), "as long as it waits, it is not over");
}
