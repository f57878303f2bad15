//! FUMO as it ships: a download that breaks off, an installation that power cuts interrupt, the verdict after the
//! reboot.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use omadm_agent::lab::files;
use serde_json::{Value, json};

use super::{bench as shipped, project, put};
use crate::support::published::{Published, alerts, at, told};
use crate::support::tools::{put_script, written};
use crate::support::{Bench, appears};

const FUMO: Published = Published { moid: "urn:oma:mo:oma-fumo:1.0", root: "FUMO" };

/// A server of one package. The first answer breaks off in the middle.
struct Packages {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Packages {
    fn start(package: Vec<u8>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/package", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &package, &seen);
            }
        });
        Self { url, requests }
    }
}

fn answer(mut stream: TcpStream, package: &[u8], requests: &Mutex<Vec<String>>) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let header =
        |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let (range, condition) = (header("Range: bytes="), header("If-Range: "));
    let is_first = requests.lock().unwrap().is_empty();
    requests.lock().unwrap().push(format!("{} {range} {condition}", head[0]));
    if !head[0].starts_with("GET /package ") {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    let from = range.trim_end_matches('-').parse().unwrap_or(0_usize);
    let status = if from == 0 { "200 OK" } else { "206 Partial Content" };
    let rest = &package[from..];
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nETag: \"7\"\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{}\r\n\r\n",
        rest.len(),
        package.len() - 1,
        package.len(),
    );
    let _ = stream.write_all(if is_first { &rest[..rest.len() / 2] } else { rest });
}

/// An integrator's back end. It is what `/etc/omadm/fumo.d` is for.
const BACK_END: &str = r#"
cd @folder@ || exit 10
[ "$1" = probe ] || echo "$1" >>calls
step() { echo "$1" >>steps; until read -r _ <pipe; do :; done; }
case $1 in
probe) ;;
current) cat running ;;
check)
    case $(head -c 4 "$2") in
    good) printf 'name=acme "os"\nversion=2.0\n' ;;
    *) exit 4 ;;
    esac ;;
install)
    echo '{"Ext/Progress": 40}' >&3
    step installing
    cp "$2" slot-b ;;
reboot) exit 8 ;;
verify) [ "$(cat running)" != "$2" ] ;;
good) touch good ;;
bad) touch bad ;;
esac
"#;

const CONFIG: &str =
    "protocols='=http,https'\nreserve=0\nwell_within=60\nreboot() { echo >>@folder@/reboots; }\n";
const BOOT: &str = "proc/sys/kernel/random/boot_id";

async fn bench() -> Bench {
    let bench = shipped("fumo", "", &[(BOOT, "1\n")]).await;
    put_script(&bench, "sysroot/etc/omadm/fumo.d/acme", BACK_END);
    put_script(&bench, "sysroot/etc/omadm/fumo.conf", CONFIG);
    put_script(&bench, "sysroot/etc/omadm/health.d/meter", "echo >>@folder@/asked\n[ -e @folder@/meter ]\n");
    files::put(&bench.gateway.path("running"), "A\n", files::PLAIN).unwrap();
    bench
}

fn exec(path: &str) -> Value {
    json!(["EXEC", FUMO.node(path)])
}

fn alert(last: &str, mark: &str, number: u16) -> Value {
    json!({
        "AlertType": format!("org.openmobilealliance.dm.firmwareupdate.{last}"),
        "SourceURI": format!("{}/system/", FUMO.moid),
        "MIMEType": "text/plain",
        "Mark": mark,
        "Data": {"DM1x": number},
    })
}

/// The gateway starts again, in this slot.
fn boots(bench: &Bench, boot: &str, slot: &str) {
    put(bench, BOOT, boot);
    files::put(&bench.gateway.path("running"), format!("{slot}\n"), files::PLAIN).unwrap();
}

#[tokio::test]
async fn an_update_survives_a_broken_download_and_a_power_cut_and_is_over_when_the_new_system_is_well() {
    let bench = bench().await;
    let package = [&b"good"[..], &[7; 300_000]].concat();
    let packages = Packages::start(package.clone());
    let agent = bench.start().await;
    let url = FUMO.hget(&bench, "Download/PkgURL", &json!(packages.url));
    let (statuses, _) = FUMO.session(&bench, &agent, &[url, exec("Download")]).await;
    assert_eq!(statuses, [200, 202], "{}", agent.log());
    assert_eq!(told(&bench, &agent, 1).await, alert("download", "informational", 200), "{}", agent.log());
    let ready = FUMO.read(&bench, &agent).await;
    assert_eq!(ready["State"], 50, "{}", agent.log());
    assert_eq!((&ready["PkgName"], &ready["PkgVersion"]), (&json!("acme os"), &json!("2.0")));
    let requests = packages.requests.lock().unwrap().clone();
    let [first, second] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(first, "GET /package HTTP/1.1  ");
    let half = (package.len() / 2).to_string();
    assert_eq!(
        second,
        &format!("GET /package HTTP/1.1 {half}- \"7\""),
        "the rest, if it is the same package"
    );

    // The power fails in the middle of the installation: that begins anew.
    FUMO.session(&bench, &agent, &[exec("Update")]).await;
    at(&bench, "installing").await;
    FUMO.comes_to(&bench, &agent, "/State", 60).await;
    FUMO.comes_to(&bench, &agent, "/Ext/Progress", 40).await;
    agent.kill().await;
    fs::remove_file(bench.gateway.path("steps")).unwrap();
    boots(&bench, "2", "A");
    let agent = bench.start().await;
    at(&bench, "installing").await;
    bench.release(0).await;
    appears(&bench.gateway.path("reboots")).await;
    assert_eq!(fs::read(bench.gateway.path("slot-b")).unwrap(), package);
    agent.stop().await;

    // The new system runs, and is not well at once.
    boots(&bench, "3", "B");
    let agent = bench.start().await;
    appears(&bench.gateway.path("asked")).await;
    assert_eq!(FUMO.read(&bench, &agent).await["State"], 60);
    assert_eq!(alerts(&bench).len(), 1, "nothing is told before the new system is well");
    assert!(!bench.gateway.path("good").exists());
    files::put(&bench.gateway.path("meter"), "", files::PLAIN).unwrap();
    assert_eq!(told(&bench, &agent, 2).await, alert("update", "informational", 200), "{}", agent.log());
    assert_eq!(FUMO.read(&bench, &agent).await["State"], 100);
    assert!(
        bench.gateway.path("good").exists()
            && !bench.gateway.path("sysroot/var/lib/omadm-fumo/package").exists()
    );

    // There is nothing left to install.
    FUMO.session(&bench, &agent, &[exec("Update")]).await;
    assert_eq!(told(&bench, &agent, 3).await, alert("update", "critical", 409), "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn a_new_system_that_is_not_well_is_left_and_the_failure_is_told_by_the_old_one() {
    let bench = bench().await;
    let short = CONFIG.replace("well_within=60", "well_within=0");
    put_script(&bench, "sysroot/etc/omadm/fumo.conf", &short);
    let packages = Packages::start(b"good, and small".to_vec());
    let agent = bench.start().await;
    let url = FUMO.hget(&bench, "DownloadAndUpdate/PkgURL", &json!(packages.url));
    FUMO.session(&bench, &agent, &[url, exec("DownloadAndUpdate")]).await;
    at(&bench, "installing").await;
    bench.release(0).await;
    appears(&bench.gateway.path("reboots")).await;
    agent.stop().await;
    fs::remove_file(bench.gateway.path("reboots")).unwrap();
    boots(&bench, "2", "B");
    let agent = bench.start().await;
    appears(&bench.gateway.path("reboots")).await;
    assert!(bench.gateway.path("bad").exists() && !bench.gateway.path("good").exists());
    agent.stop().await;
    boots(&bench, "3", "A");
    let agent = bench.start().await;
    assert_eq!(told(&bench, &agent, 1).await, alert("downloadandupdate", "critical", 410), "{}", agent.log());
    assert_eq!(FUMO.read(&bench, &agent).await["State"], 80, "{}", agent.log());
    assert_eq!(written(&bench, "calls").matches("install").count(), 1);
    agent.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_an_address_or_a_package_is_told_as_the_object_has_it() {
    let bench = bench().await;
    let packages = Packages::start([&b"evil"[..], &[7; 1000]].concat());
    let agent = bench.start().await;
    let gone = packages.url.replace("/package", "/gone");
    // No server has written an address at first.
    let cases =
        [("", 411), ("ftp://pkg.example/2.0", 411), (gone.as_str(), 500), (packages.url.as_str(), 404)];
    for (number, (url, code)) in cases.into_iter().enumerate() {
        let url = Some(url)
            .filter(|url| !url.is_empty())
            .map(|url| FUMO.hget(&bench, "Download/PkgURL", &json!(url)));
        let commands: Vec<Value> = url.into_iter().chain([exec("Download")]).collect();
        FUMO.session(&bench, &agent, &commands).await;
        assert_eq!(
            told(&bench, &agent, number + 1).await,
            alert("download", "critical", code),
            "{}",
            agent.log()
        );
        assert_eq!(FUMO.read(&bench, &agent).await["State"], 20);
    }
    assert!(!bench.gateway.path("sysroot/var/lib/omadm-fumo/package").exists());
    agent.stop().await;
}

pub(super) fn shell(bench: &Bench, line: &str) -> Output {
    Command::new("sh").args(["-ec", line]).current_dir(bench.gateway.path("")).output().unwrap()
}

/// A back end that needs nobody, and notes what it does.
const SMALL: &str = "[ \"$1\" = probe ] || echo \"$1\" >>@folder@/calls\n\
    case $1 in\ncurrent) echo 1 ;;\ninstall) touch @folder@/installing; [ -e @folder@/quick ] || sleep 60; exit 40 ;;\nesac\n";

/// Runs the program itself, in a group of its own as the agent has it: what it says, its exit code, and what it logs.
fn fumo(bench: &Bench, verb: &str, url: &str, meanwhile: &str) -> (String, String) {
    let program = project("packaging/exec/fumo").display().to_string();
    let line = format!(
        "export PATH=$PWD/bin:$PATH OMADM_SYSROOT=$PWD/sysroot\n\
         setsid {program} {verb} -- '{url}' 3>said 2>log & group=$!\n{meanwhile}\nwait $group && echo 0 || echo $?\ncat said\n"
    );
    let output = shell(bench, &line);
    (String::from_utf8_lossy(&output.stdout).into_owned(), written(bench, "log"))
}

async fn small() -> Bench {
    let bench = Bench::new().await;
    put_script(&bench, "sysroot/etc/omadm/fumo.d/small", SMALL);
    // It sets its own path.
    let config = "protocols='=https,http'\nreserve=0\nveto_within=0\nPATH=@folder@/bin:$PATH\n";
    put_script(&bench, "sysroot/etc/omadm/fumo.conf", config);
    put(&bench, BOOT, "1\n");
    bench
}

#[tokio::test]
async fn programs_that_may_veto_are_asked_again_after_the_download() {
    let packages = Packages::start(b"a package".to_vec());
    for (exit, code, last) in
        [(0, "0\n", "State\": 100"), (1, "10\n", "State\": 70"), (75, "10\n", "State\": 70")]
    {
        let bench = small().await;
        put_script(&bench, "quick", "");
        // It does not let pass what comes when a package is there.
        put_script(
            &bench,
            "sysroot/etc/omadm/exec-veto.d/parked",
            &format!("echo asked >>@folder@/asked\nexit {exit}\n"),
        );
        let (said, log) = fumo(&bench, "both", &packages.url, "");
        assert!(
            said.starts_with(code) && said.trim_end().ends_with(&format!("{last}}}")),
            "{exit}: {said}{log}"
        );
        assert_eq!(written(&bench, "asked"), "asked\n");
        assert_eq!(written(&bench, "calls").contains("install"), exit == 0, "{log}");
    }
}

#[tokio::test]
async fn an_update_that_is_ended_by_its_time_limit_is_no_more_under_way() {
    let packages = Packages::start(b"a package".to_vec());
    let cut = "until [ -e installing ]; do sleep 0.05; done\nkill -TERM -$group";
    for (system, last) in [("running", "State\": 70"), ("stopping", "State\": 60")] {
        let bench = small().await;
        put_script(&bench, "bin/systemctl", &format!("echo {system}\n"));
        let (said, log) = fumo(&bench, "both", &packages.url, cut);
        assert!(
            said.starts_with("143\n") && said.trim_end().ends_with(&format!("{last}}}")),
            "{system}: {said}{log}"
        );
    }
}

#[tokio::test]
async fn a_package_is_kept_where_the_installer_has_something_else_to_do() {
    let packages = Packages::start(b"a package".to_vec());
    for (busy, state) in [("check", "State\": 20}"), ("install", "State\": 70}")] {
        let bench = small().await;
        let program = format!("[ \"$1\" != {busy} ] || [ -e @folder@/free ] || exit 9\n{SMALL}");
        put_script(&bench, "sysroot/etc/omadm/fumo.d/small", &program);
        let (said, log) = fumo(&bench, "both", &packages.url, "");
        assert!(said.starts_with("9\n") && said.trim_end().ends_with(state), "{busy}: {said}{log}");
        put_script(&bench, "free", "");
        put_script(&bench, "quick", "");
        let asked = packages.requests.lock().unwrap().len();
        let (said, log) = fumo(&bench, "both", &packages.url, "");
        assert!(said.starts_with("0\n"), "{busy}: {said}{log}");
        assert_eq!(packages.requests.lock().unwrap().len(), asked, "{busy}: it was there");
    }
}

#[tokio::test]
async fn who_has_begun_to_install_says_how_it_ended_whoever_else_is_up_by_then() {
    let bench = small().await;
    let by = bench.gateway.path("sysroot/etc/omadm/fumo.d/small").display().to_string();
    put_script(
        &bench,
        "sysroot/etc/omadm/fumo.d/small",
        "[ \"$1\" != probe ] || exit 1\necho \"$1\" >>@folder@/calls\n",
    );
    put_script(&bench, "sysroot/etc/omadm/fumo.d/zz-other", "echo \"other $1\" >>@folder@/calls\nexit 75\n");
    let config =
        format!("{}OMADM_RESUMED=1\nwell_within=0\n", written(&bench, "sysroot/etc/omadm/fumo.conf"));
    put(&bench, "etc/omadm/fumo.conf", &config);
    for (name, content) in [("phase", "rebooting update 0"), ("before", "1"), ("by", by.as_str())] {
        put(&bench, &format!("var/lib/omadm-fumo/{name}"), &format!("{content}\n"));
    }
    let (said, log) = fumo(&bench, "update", "", "");
    assert!(said.starts_with("0\n") && said.trim_end().ends_with("State\": 100}"), "{said}{log}");
    assert_eq!(written(&bench, "calls"), "verify\ngood\n");
}

/// What installers say of packages, in short: as SWUpdate 2022.12 and Mender 3.4 said it of packages that were made for
/// that.
const WORDS: [(&str, &str, &str, i32, i32); 16] = [
    ("swupdate", "check", "[INFO ] : SWUPDATE successful ! SWUPDATE successful !", 0, 0),
    (
        "swupdate",
        "check",
        "[ERROR] : Authentication of all signatures failed\n[ERROR] : Compatible SW not found",
        1,
        4,
    ),
    (
        "swupdate",
        "check",
        "[ERROR] : SW not compatible with hardware\n[ERROR] : Image invalid or corrupted. Not installing ...",
        1,
        3,
    ),
    ("swupdate", "check", "[ERROR] : CPIO Header corrupted, cannot be parsed", 1, 2),
    ("swupdate", "check", "[INFO ] : the signature is looked at\n[ERROR] : something else", 1, 5),
    ("swupdate", "install", "[ERROR] : HASH mismatch : 34dd <--> 32c6", 1, 2),
    (
        "swupdate",
        "install",
        "[ERROR] : Not enough free space to extract root.img (needed 300000, got 65536)",
        1,
        22,
    ),
    ("swupdate", "install", "[ERROR] : Installation failed !", 1, 10),
    ("mender", "install", "Use 'commit' to update", 4, 0),
    ("mender", "install", "installer: image (device types [other]) not compatible with device acme", 1, 3),
    ("mender", "install", "reader: expecting signed artifact, but no signature file found", 1, 4),
    (
        "mender",
        "install",
        "update (9521 bytes) is larger than the size of device /dev/mmcblk0p3 (9479 bytes)",
        1,
        22,
    ),
    (
        "mender",
        "install",
        "readNext: Failed to get next header: reader: error reading archive: unexpected EOF",
        1,
        2,
    ),
    ("zz-fwupd", "check", "Firmware signature is wrong", 1, 4),
    ("zz-fwupd", "install", "No supported devices", 1, 3),
    ("zz-fwupd", "install", "it broke", 1, 10),
];

#[tokio::test]
async fn what_installers_say_of_a_package_becomes_the_number_that_the_object_has_for_it() {
    for (back_end, verb, says, exit, code) in WORDS {
        let bench = Bench::new().await;
        files::put(&bench.gateway.path("says"), format!("{says}\n"), files::PLAIN).unwrap();
        let program = back_end.replace("zz-fwupd", "fwupdmgr");
        put_script(&bench, &format!("bin/{program}"), &format!("cat @folder@/says >&2\nexit {exit}\n"));
        put_script(&bench, "bin/busctl", "echo 'aa{sv} 1 1 \"UpdateState\" u 4'\n");
        let path = project("packaging/exec/fumo.d").join(back_end).display().to_string();
        let output = shell(&bench, &format!("PATH=$PWD/bin:$PATH exec {path} {verb} file 3>&1"));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{back_end} {verb}: {told}");
        assert!(told.contains(says), "{told}");
    }
}

/// fwupd with two devices, as busctl shows them.
const FWUPD: &str = r#"
case "$*" in
*GetDevices)
    echo "aa{sv} 2 4 \"DeviceId\" s \"aa11\" \"Name\" s \"a \\\"Version\\\" s \\\"9\\\"\" \"Flags\" t $(cat @folder@/flags)" \
        "\"RequestFlags\" t 256 \"Version\" s \"$(cat @folder@/version)\"" '3 "DeviceId" s "bb22" "Flags" t 258 "Version" s "1.0"'
    ;;
*GetHistory)
    echo "aa{sv} 2 3 \"DeviceId\" s \"aa11\" \"Modified\" t $(cat @folder@/modified) \"UpdateState\" u $(cat @folder@/update)" \
        '3 "DeviceId" s "bb22" "Modified" t 5 "UpdateState" u 4'
    ;;
esac
"#;

#[tokio::test]
async fn what_fwupd_has_only_staged_is_no_success_before_the_next_start() {
    let bench = Bench::new().await;
    put_script(&bench, "bin/busctl", FWUPD);
    let manager = "cd @folder@; cp becomes update; cp flagged flags; cp then modified\n";
    put_script(&bench, "bin/fwupdmgr", manager);
    let own =
        |name: &str, content: &str| files::put(&bench.gateway.path(name), content, files::PLAIN).unwrap();
    let path = project("packaging/exec/fumo.d/zz-fwupd").display().to_string();
    let back_end = |line: &str| {
        let output = shell(&bench, &format!("PATH=$PWD/bin:$PATH exec {path} {line}"));
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    own("version", "1.2 beta");
    for (name, content) in [("update", "2"), ("becomes", "4"), ("modified", "7"), ("then", "8")] {
        own(name, content);
    }
    for name in ["flags", "flagged"] {
        own(name, "4785074704744482");
    }
    let before = "aa11=1.2_beta bb22=1.0";
    assert_eq!(back_end("current"), (0, before.to_owned()));
    assert_eq!(back_end("install file").0, 0, "it waits for a reboot");
    assert_eq!(
        back_end("install file").0,
        0,
        "it does still, by a clock that was set back to the same second"
    );
    assert_eq!(back_end(&format!("verify '{before} '")).0, 75, "nothing has changed");
    own("version", "1.3");
    assert_eq!(back_end(&format!("verify '{before} '")).0, 0);
    own("becomes", "2");
    own("then", "9");
    // As fwupd 2.0 has it of its own device for tests.
    own("flagged", "4785074704744738");
    assert_eq!(back_end("install file").0, 0, "the device waits, which the history does not say");
    own("then", "10");
    own("flagged", "4785074704744482");
    assert_eq!(
        back_end("install file").0,
        40,
        "it runs already, and what another one waits for says nothing"
    );
}
