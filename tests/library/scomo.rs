//! `mo/scomo`: inventories of several package managers, and dpkg itself.

use serde_json::{Value, json};

use super::*;
use crate::support::published::told;
use crate::support::tools::put_script;

const SCOMO: Published = Published { moid: "urn:oma:mo:oma-scomo:1.0", root: "SCOMO" };

const DPKG: &str = "Package: meter\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1:2.0-1\nDescription: reads meters\n more of it\n\n\
    Package: libc6\nStatus: install ok installed\nArchitecture: arm64\nMulti-Arch: same\nVersion: 2.36\nDescription: the C library\n\n\
    Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\nDescription: was here\n\n";
const APK: &str =
    "C:Q1=\nP:musl\nV:1.2.4-r2\nA:aarch64\nT:the C library\n\nP:busybox\nV:1.36\nA:aarch64\nT:many tools\n\n";
const OPKG: &str = "Package: dropbear\nVersion: 2022.83\nStatus: install user installed\nArchitecture: mips\n\n\
    Package: gone\nVersion: 1\nStatus: deinstall ok not-installed\nArchitecture: mips\n\n";

#[tokio::test]
async fn the_inventory_is_that_of_the_package_manager_and_nothing_is_changed_without_leave() {
    let files = [("var/lib/dpkg/status", DPKG), ("var/lib/omadm-scomo/inactive/libc6:arm64", "")];
    let bench = bench("scomo", "", &files).await;
    let agent = bench.start().await;
    let component = |id: &str, name: &str, version: &str, state: u8, summary: &str| {
        json!({
            "ID": id, "PkgIDRef": id, "Name": name, "Version": version, "Description": summary, "EnvType": "arm64",
            "State": state, "Status": 10, "Operations": {},
        })
    };
    let deployed = json!({
        "meter": component("meter", "meter", "1:2.0-1", 20, "reads meters"),
        "libc6%3Aarm64": component("libc6:arm64", "libc6", "2.36", 10, "the C library"),
    });
    let read = SCOMO.read(&bench, &agent).await;
    assert_eq!(
        read,
        json!({"Download": {}, "Inventory": {"Delivered": {}, "Deployed": deployed}}),
        "{}",
        agent.log()
    );

    let remove = "Inventory/Deployed/meter/Operations/Remove";
    let package = json!({"PkgID": "meter", "PkgURL": "http://pkg.example/meter"});
    let download = "Download/1/Operations/Download";
    let exec = |path: &str| json!(["EXEC", SCOMO.node(path)]);
    let alert = |path: &str, code: u16| -> Value {
        json!({
            "AlertType": "urn:oma:at:scomo:1.0:OperationComplete",
            "SourceURI": format!("{}/1/{path}", SCOMO.moid),
            "MIMEType": "text/xml",
            "Mark": "warning",
            "Data": {"DM1x": format!("<ResultCode>{code}</ResultCode><Identifier>meter</Identifier>")},
        })
    };
    SCOMO.session(&bench, &agent, &[exec(remove)]).await;
    assert_eq!(told(&bench, &agent, 1).await, alert(remove, 1411), "{}", agent.log());
    SCOMO.session(&bench, &agent, &[SCOMO.hget(&bench, "Download/1", &package), exec(download)]).await;
    assert_eq!(told(&bench, &agent, 2).await, alert(download, 1402), "not by http: {}", agent.log());
    let read = SCOMO.read(&bench, &agent).await;
    assert_eq!(read["Download"]["1"]["Status"], 20);
    assert_eq!(read["Inventory"]["Deployed"]["meter"]["Status"], 20);
    agent.stop().await;
}

#[test]
fn apk_and_opkg_have_inventories_as_well() {
    for (file, content, expected) in [
        (
            "lib/apk/db/installed",
            APK,
            "musl\t1.2.4-r2\taarch64\t20\tthe C library\nbusybox\t1.36\taarch64\t20\tmany tools\n",
        ),
        ("usr/lib/opkg/status", OPKG, "dropbear\t2022.83\tmips\t20\t\n"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        files::put(&folder.path().join(file), content, files::PLAIN).unwrap();
        let mut list = Command::new(project("packaging/exec/scomo"));
        let output = list.arg("list").env("OMADM_SYSROOT", folder.path()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{file}");
    }
}

/// A package is made by dpkg-deb, installed and removed by dpkg, in a root of its own.
const LIFE: &str = r#"
mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates root/etc/omadm/scomo.d deb/DEBIAN deb/opt delivered
: >root/var/lib/dpkg/status
mv allow root/etc/omadm/scomo.d/allow
printf 'Package: meter\nVersion: 2.0\nArchitecture: all\nMaintainer: nobody\nDescription: reads meters\n' >deb/DEBIAN/control
echo two >deb/opt/meter
mkdir -p root/var/lib/omadm-scomo/delivered/meter
dpkg-deb --root-owner-group --build deb root/var/lib/omadm-scomo/delivered/meter/package >/dev/null
export OMADM_SYSROOT=$PWD/root
do_it() { code=0; "$scomo" "$@" 3>&1 >/dev/null 2>>log || code=$?; echo "$1 $code"; }
scomo=$1
do_it install -- meter
"$scomo" list
cat root/opt/meter
do_it deactivate -- meter
"$scomo" list
do_it remove -- meter
do_it remove -- other
do_it remove -- '--force-all'
"$scomo" list
ls root/opt 2>/dev/null || :
do_it drop -- meter
ls root/var/lib/omadm-scomo/delivered
"#;

#[tokio::test]
async fn dpkg_installs_and_removes_what_is_allowed() {
    let bench = Bench::new().await;
    put_script(&bench, "allow", "[ \"$2\" != other ]\n");
    let (said, log) = life(&bench, LIFE);
    let status = |status: u8| format!("{{\"../Status\": {status}}}\n");
    let expected = [
        status(40),
        status(10),
        "install 0\nmeter\t2.0\tall\t20\treads meters\ntwo\n".into(),
        status(70),
        status(10),
        "deactivate 0\nmeter\t2.0\tall\t10\treads meters\n".into(),
        status(30),
        status(10),
        "remove 0\n".into(),
        status(30),
        status(20),
        "remove 8\n".into(),
        status(30),
        status(20),
        "remove 8\n".into(),
        status(30),
        status(10),
        "drop 0\n".into(),
    ];
    assert_eq!(said, expected.concat(), "{log}");
}

/// Runs a script with `scomo` as its argument, as root in a namespace of its own: what it says, and what is in its `log`.
fn life(bench: &Bench, script: &str) -> (String, String) {
    let mut life = Command::new("unshare");
    life.args(["--user", "--map-root-user", "sh", "-ec", script, "sh"]).arg(project("packaging/exec/scomo"));
    let output = life.current_dir(bench.gateway.path("")).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    (said, crate::support::tools::written(bench, "log"))
}

/// A package that is here may be installed, and what a server calls it is the name of another service.
const INACTIVE: &str = r#"
mkdir -p root/etc/omadm/scomo.d root/var/lib/omadm-scomo/delivered/sshd
mv allow root/etc/omadm/scomo.d/allow
printf '!<arch>\nnone' >root/var/lib/omadm-scomo/delivered/sshd/package
chmod +x bin/*
export OMADM_SYSROOT=$PWD/root PATH=$PWD/bin:$PATH
code=0; "$1" install-inactive -- sshd 3>&1 2>log || code=$?
echo "$code $(cat called 2>/dev/null)"
"#;

#[tokio::test]
async fn nothing_is_switched_off_by_an_installation_without_leave() {
    let bench = Bench::new().await;
    put_script(&bench, "allow", "[ \"$1\" = install ]\n");
    for program in ["systemctl", "dpkg"] {
        put_script(&bench, &format!("bin/{program}"), "echo \"${0##*/} $*\" >>@folder@/called\n");
    }
    let (said, log) = life(&bench, INACTIVE);
    assert_eq!(said, "{\"../Status\": 40}\n{\"../Status\": 50}\n5 \n", "{log}");
    assert!(log.contains("sshd may not be switched off"), "{log}");
}
