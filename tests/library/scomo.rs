//! `mo/scomo`: inventories of several package managers, and dpkg itself.

use serde_json::{Value, json};

use super::*;
use crate::support::published::told;
use crate::support::tools::{put_script, written};

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
            "musl\t1.2.4-r2\taarch64\t20\tmusl\tthe C library\nbusybox\t1.36\taarch64\t20\tbusybox\tmany tools\n",
        ),
        ("usr/lib/opkg/status", OPKG, "dropbear\t2022.83\tmips\t20\tdropbear\t\n"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        files::put(&folder.path().join(file), content, files::PLAIN).unwrap();
        let mut list = Command::new(project("packaging/exec/scomo"));
        let output = list.arg("list").env("OMADM_SYSROOT", folder.path()).output().unwrap();
        assert_eq!(listed(&output.stdout), expected, "{file}");
    }
}

#[test]
fn rpm_has_an_inventory_where_several_of_one_name_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let rpm = "#!/bin/sh\ncase \"$*\" in \"--dbpath=$OMADM_SYSROOT/var/lib/rpm -qa --queryformat \"*) ;; *) exit 1 ;; esac\n\
        printf 'kernel\\t6.1-1\\tx86_64\\tthe kernel\\nmeter\\t2.0-1\\tnoarch\\treads meters\\nkernel\\t6.1-2\\tx86_64\\tthe kernel\\n'\n";
    files::put(&folder.path().join("rpm"), rpm, files::PROGRAM).unwrap();
    files::put(&folder.path().join("var/lib/rpm/rpmdb.sqlite"), "", files::PLAIN).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let mut list = Command::new(project("packaging/exec/scomo"));
    let output = list.arg("list").env("OMADM_SYSROOT", folder.path()).env("PATH", path).output().unwrap();
    let expected = "kernel\t6.1-1\tx86_64\t20\tkernel\tthe kernel\nmeter\t2.0-1\tnoarch\t20\tmeter\treads meters\n\
        kernel-6.1-2\t6.1-2\tx86_64\t20\tkernel-6.1-2\tthe kernel\n";
    assert_eq!(listed(&output.stdout), expected);
}

/// A server takes what is not in a list for removed.
#[test]
fn what_can_not_be_listed_is_no_empty_list() {
    let folder = tempfile::tempdir().unwrap();
    files::put(&folder.path().join("rpm"), "#!/bin/sh\nexit 1\n", files::PROGRAM).unwrap();
    // Another distribution's tool is there, with nothing in it.
    files::put(&folder.path().join("var/lib/dpkg/status"), "", files::PLAIN).unwrap();
    files::put(&folder.path().join("usr/lib/sysimage/rpm/rpmdb.sqlite"), "broken", files::PLAIN).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let mut list = Command::new(project("packaging/exec/scomo"));
    let output = list.arg("list").env("OMADM_SYSROOT", folder.path()).env("PATH", path).output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
}

/// A list of components, as lines: identity, version, architecture, state, what it came from and summary, with tabs between.
fn listed(json: &[u8]) -> String {
    let components: Vec<serde_json::Value> = serde_json::from_slice(json).unwrap();
    let line = |component: &serde_json::Value| {
        let id = component["id"].as_str().unwrap();
        let text = |member: &str| component[member].as_str().unwrap_or(id).to_owned();
        let all = [
            id.to_owned(),
            text("version"),
            text("arch"),
            component["state"].to_string(),
            text("from"),
            text("summary"),
        ];
        all.join("\t") + "\n"
    };
    components.iter().map(line).collect()
}

#[test]
fn what_a_package_says_of_itself_breaks_no_list() {
    let folder = tempfile::tempdir().unwrap();
    let status = b"Package: odd\nMulti-Arch: same\nVersion: 1\"2\\3\nArchitecture: amd64\nStatus: install ok installed\n\
        Description: a \"text\" with \\ and \x01 \xff\n\n";
    files::put(&folder.path().join("var/lib/dpkg/status"), status, files::PLAIN).unwrap();
    let mut list = Command::new(project("packaging/exec/scomo"));
    let output = list.arg("list").env("OMADM_SYSROOT", folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let expected = "odd:amd64\t1\"2\\3\tamd64\t20\todd:amd64\ta \"text\" with \\ and   \u{fffd}\n";
    assert_eq!(listed(said.as_bytes()), expected);
    // And none of it is the name.
    assert!(said.contains(r#""name":"odd""#), "{said}");
    files::put(&folder.path().join("var/lib/dpkg/status"), "", files::PLAIN).unwrap();
    assert_eq!(listed(&list.output().unwrap().stdout), "");
}

/// A package is made by dpkg-deb, installed and removed by dpkg, in a root of its own. Its server calls it otherwise.
const MADE: &str = r#"
mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates root/etc/omadm/scomo.d deb/DEBIAN deb/opt
: >root/var/lib/dpkg/status
mv allow root/etc/omadm/scomo.d/allow
printf 'Package: meter\nVersion: 2.0\nArchitecture: all\nMaintainer: nobody\nDescription: reads meters\n' >deb/DEBIAN/control
echo two >deb/opt/meter
mkdir -p root/var/lib/omadm-scomo/delivered/acme-2
dpkg-deb --root-owner-group --build deb root/var/lib/omadm-scomo/delivered/acme-2/package >/dev/null
export OMADM_SYSROOT=$PWD/root PATH=$PWD/bin:$PATH
do_it() { code=0; "$scomo" "$@" 3>&1 >/dev/null 2>>log || code=$?; echo "$1 $code"; }
list() {
    of='^[[,]\{"id":"(.*)","version":"(.*)","arch":"(.*)","state":([0-9]+)' summary=',"summary":"(.*)"\}$'
    "$scomo" list | sed -nE "s/$of$summary/\1\t\2\t\3\t\4\t\1\t\5/p; s/$of,\"from\":\"(.*)\"$summary/\1\t\2\t\3\t\4\t\5\t\6/p"
}
scomo=$1
"#;

const LIFE: &str = r#"
do_it install -- acme-2
list
cat root/opt/meter
do_it deactivate -- meter
list
ls root/var/lib/omadm-scomo/delivered/acme-2
do_it remove -- meter
ls root/var/lib/omadm-scomo/delivered/acme-2
do_it remove -- other
do_it remove -- '--force-all'
OMADM_RESUMED=1 do_it remove -- meter
list
ls root/opt 2>/dev/null || :
dpkg --root=root --install root/var/lib/omadm-scomo/delivered/acme-2/package >/dev/null
list
OMADM_RESUMED=1 do_it install -- acme-2
do_it drop -- acme-2
ls root/var/lib/omadm-scomo/delivered
"#;

/// Runs a script with `scomo` as its argument, as root in a namespace of its own: what it says, and what is in its `log`.
fn life(bench: &Bench, script: &str) -> (String, String) {
    let mut life = Command::new("unshare");
    let script = format!("{MADE}{script}");
    life.args(["--user", "--map-root-user", "sh", "-ec", &script, "sh"]).arg(project("packaging/exec/scomo"));
    let output = life.current_dir(bench.gateway.path("")).output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    (said, written(bench, "log"))
}

/// What it says of its status.
fn status(status: u8) -> String {
    format!("{{\"../Status\": {status}}}\n")
}

const COMPONENT: &str = "{\"../Ext/Component\": \"meter\"}\n";

#[tokio::test]
async fn dpkg_installs_and_removes_what_is_allowed() {
    let bench = Bench::new().await;
    put_script(&bench, "allow", "[ \"$2\" != other ]\n");
    let (said, log) = life(&bench, LIFE);
    let expected = [
        status(40),
        COMPONENT.into(),
        status(10),
        "install 0\nmeter\t2.0\tall\t20\tacme-2\treads meters\ntwo\n".into(),
        status(70),
        status(10),
        "deactivate 0\nmeter\t2.0\tall\t10\tacme-2\treads meters\ninstalled\npackage\n".into(),
        status(30),
        status(10),
        "remove 0\npackage\n".into(),
        status(30),
        status(20),
        "remove 8\n".into(),
        status(30),
        status(20),
        "remove 8\n".into(),
        // It was done when the power failed.
        status(30),
        status(10),
        "remove 0\n".into(),
        // What comes under its name later is neither off nor from that package.
        "meter\t2.0\tall\t20\tmeter\treads meters\n".into(),
        status(50),
        "install 5\n".into(),
        status(30),
        status(10),
        "drop 0\n".into(),
    ];
    assert_eq!(said, expected.concat(), "{log}");
}

#[tokio::test]
async fn nothing_is_switched_off_by_an_installation_without_leave() {
    let bench = Bench::new().await;
    put_script(&bench, "allow", "echo \"$*\" >>@folder@/asked\n[ \"$1\" = install ]\n");
    for program in ["systemctl", "dpkg"] {
        put_script(&bench, &format!("bin/{program}"), "echo \"${0##*/} $*\" >>@folder@/called\n");
    }
    let (said, log) = life(&bench, "do_it install-inactive -- acme-2\n");
    assert_eq!(said, [status(40), status(50), "install-inactive 5\n".into()].concat(), "{log}");
    assert!(log.contains("meter may not be switched off"), "{log}");
    assert_eq!(written(&bench, "called"), "");
    let asked = written(&bench, "asked");
    assert_eq!(asked.lines().last(), Some("deactivate meter"), "{asked}");
}

#[tokio::test]
async fn a_full_disk_is_told_from_a_package_that_does_not_install() {
    for (says, code) in [("cannot copy './opt/meter': No space left on device", 6), ("it is broken", 5)] {
        let bench = Bench::new().await;
        put_script(&bench, "allow", "");
        put_script(&bench, "bin/dpkg", &format!("echo \"dpkg: error: {says}\" >&2\nexit 1\n"));
        let (said, log) = life(&bench, "do_it install -- acme-2\n");
        assert_eq!(said, format!("{}{}install {code}\n", status(40), status(50)), "{log}");
        assert!(log.contains(says), "{log}");
    }
}

#[tokio::test]
async fn a_component_is_active_as_its_service_is() {
    let bench = Bench::new().await;
    put_script(&bench, "allow", "");
    let systemctl =
        "case $1 in\nlist-unit-files) cat @folder@/files ;;\nlist-units) cat @folder@/runs ;;\nesac\n";
    put_script(&bench, "bin/systemctl", systemctl);
    let script = "do_it install -- acme-2 >/dev/null\nmkdir -p root/run/systemd/system root/var/lib/omadm-scomo/inactive\n\
        state() { list | cut -f 4; }\n: >runs\n: >files\nstate\necho 'meter.service disabled enabled' >files\nstate\n\
        echo 'meter.service loaded active running reads meters' >runs\n: >root/var/lib/omadm-scomo/inactive/meter\nstate\n\
        echo 'other.service loaded active running something else' >runs\n: >files\nstate\n";
    let (said, log) = life(&bench, script);
    assert_eq!(said, "20\n10\n20\n10\n", "{log}");
}

/// A package manager that takes its time.
const CUT_OFF: &str = "setsid \"$scomo\" install -- acme-2 3>said 2>>log & group=$!\n\
    until [ -e installing ]; do sleep 0.05; done\nkill -TERM -$group\n{ wait $group; } 2>/dev/null || echo $?\ncat said\n";

#[tokio::test]
async fn what_is_ended_by_its_time_limit_is_no_more_under_way() {
    let bench = Bench::new().await;
    put_script(&bench, "allow", "");
    put_script(&bench, "bin/dpkg", "touch @folder@/installing\nsleep 60\n");
    put_script(&bench, "bin/systemctl", "echo running\n");
    let (said, log) = life(&bench, CUT_OFF);
    assert_eq!(said, ["143\n".into(), status(40), status(50)].concat(), "{log}");
    // Where the machine stops, it goes on later.
    let bench = Bench::new().await;
    put_script(&bench, "allow", "");
    put_script(&bench, "bin/dpkg", "touch @folder@/installing\nsleep 60\n");
    put_script(&bench, "bin/systemctl", "echo stopping\n");
    let (said, log) = life(&bench, CUT_OFF);
    assert_eq!(said, ["143\n".into(), status(40)].concat(), "{log}");
}
