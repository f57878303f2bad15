//! FUMO as it ships: a download that breaks off, an installation that power cuts interrupt, the verdict after the
//! reboot; and RAUC itself.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use omadm_agent::lab::files;
use serde_json::{Value, json};

use super::{bench as shipped, project, put};
use crate::support::bus::Daemon;
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

/// RAUC's service with two slots, which are files, and a boot loader that is a program.
struct Rauc<'a> {
    bench: &'a Bench,
    daemon: Daemon,
    service: Option<Child>,
}

const SYSTEM: &str = "[system]\ncompatible=acme-g200\nbootloader=custom\nstatusfile=@folder@/status\n\
    mountprefix=@folder@/mnt\n[handlers]\nbootloader-custom-backend=@folder@/loader\n\
    [keyring]\npath=@folder@/own.pem\n[slot.rootfs.0]\ndevice=@folder@/a\ntype=raw\nbootname=A\n\
    [slot.rootfs.1]\ndevice=@folder@/b\ntype=raw\nbootname=B\n";

const LOADER: &str = "cd @folder@ || exit 1\ncase $1 in\nget-primary) cat primary ;;\nset-primary) echo \"$2\" >primary ;;\n\
    get-state) cat \"state.$2\" 2>/dev/null || echo good ;;\nset-state) echo \"$3\" >\"state.$2\" ;;\nesac\n";

impl<'a> Rauc<'a> {
    fn new(bench: &'a Bench) -> Self {
        put_script(bench, "loader", LOADER);
        let system =
            SYSTEM.replace("@folder@", bench.gateway.path("").to_str().unwrap().trim_end_matches('/'));
        for (name, content) in
            [("system.conf", system.as_str()), ("a", "the old system"), ("b", ""), ("primary", "A")]
        {
            files::put(&bench.gateway.path(name), content, files::PLAIN).unwrap();
        }
        fs::OpenOptions::new().write(true).open(bench.gateway.path("b")).unwrap().set_len(1 << 20).unwrap();
        // `rauc` itself always asks the bus of the system.
        let daemon = Daemon::start();
        let own = format!(
            "DBUS_SYSTEM_BUS_ADDRESS={}\nexport DBUS_SYSTEM_BUS_ADDRESS\nexec /usr/bin/rauc --conf=@folder@/system.conf \"$@\"\n",
            daemon.address()
        );
        put_script(bench, "bin/rauc", &own);
        for name in ["own", "other"] {
            let key = format!(
                "openssl req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -subj /CN={name} -days 30"
            );
            assert!(shell(bench, &key).status.success());
        }
        Self { bench, daemon, service: None }
    }

    /// Starts the service, as if this slot had been booted.
    async fn boot(&mut self, slot: &str) {
        self.stop();
        let mut service = Command::new("/usr/bin/rauc");
        service.arg(format!("--conf={}", self.bench.gateway.path("system.conf").display()));
        service.arg(format!("--override-boot-slot={slot}")).arg("service");
        service.env("DBUS_SYSTEM_BUS_ADDRESS", self.daemon.address()).env("DBUS_STARTER_BUS_TYPE", "system");
        self.service =
            Some(service.stderr(Stdio::null()).spawn().expect("rauc (Debian: apt-get install rauc)"));
        let ready = || {
            self.back_end("current", "").status.success() && !self.back_end("current", "").stdout.is_empty()
        };
        while !ready() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    fn stop(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.kill().unwrap();
            service.wait().unwrap();
        }
    }

    fn bundle(&self, name: &str, key: &str, compatible: &str) -> String {
        let line = format!(
            "mkdir {name}\nprintf 'the new system' >{name}/root.img\n\
             printf '[update]\\ncompatible={compatible}\\nversion=2.0\\n[bundle]\\nformat=plain\\n[image.rootfs]\\nfilename=root.img\\n' >{name}/manifest.raucm\n\
             /usr/bin/rauc --cert {key}.pem --key {key}.key --keyring {key}.pem bundle {name} {name}.raucb"
        );
        let made = shell(self.bench, &line);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.bench.gateway.path(&format!("{name}.raucb")).display().to_string()
    }

    /// What the back end says. What it reports goes to its standard output as well.
    fn back_end(&self, verb: &str, argument: &str) -> Output {
        let back_end = project("packaging/exec/fumo.d/rauc").display().to_string();
        let line = format!("PATH=$PWD/bin:$PATH exec {back_end} {verb} '{argument}' 3>&1");
        shell(self.bench, &line)
    }
}

impl Drop for Rauc<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

fn shell(bench: &Bench, line: &str) -> Output {
    Command::new("sh").args(["-ec", line]).current_dir(bench.gateway.path("")).output().unwrap()
}

#[tokio::test]
async fn rauc_says_what_is_wrong_with_a_bundle_and_which_system_runs() {
    let bench = Bench::new().await;
    let mut rauc = Rauc::new(&bench);
    rauc.boot("A").await;
    let verdict =
        |output: &Output| (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned());
    let good = rauc.bundle("good", "own", "acme-g200");
    assert_eq!(verdict(&rauc.back_end("probe", "")), (Some(0), String::new()));
    let named = "name=acme-g200\nversion=2.0\n".to_owned();
    assert_eq!(verdict(&rauc.back_end("check", &good)), (Some(0), named));
    let short = bench.gateway.path("short.raucb");
    files::put(&short, &fs::read(&good).unwrap()[..3000], files::PLAIN).unwrap();
    for (bundle, code) in [
        (rauc.bundle("foreign", "other", "acme-g200"), 4),
        (rauc.bundle("wrong", "own", "acme-g100"), 3),
        (short.display().to_string(), 2),
    ] {
        let output = rauc.back_end("check", &bundle);
        assert_eq!(output.status.code(), Some(code), "{bundle}: {}", String::from_utf8_lossy(&output.stderr));
    }

    let installed = rauc.back_end("install", &good);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&installed.stdout),
        String::from_utf8_lossy(&installed.stderr)
    );
    if !nix::unistd::geteuid().is_root() {
        // Nobody else may mount the bundle: that is told as a failure.
        assert_eq!(installed.status.code(), Some(10), "{said}");
        return;
    }
    assert_eq!(installed.status.code(), Some(0), "{said}");
    assert!(said.contains("{\"Ext/Progress\": 100}\n"), "{said}");
    assert_eq!(&fs::read(bench.gateway.path("b")).unwrap()[..14], b"the new system");
    assert_eq!(written(&bench, "primary").trim(), "B");
    assert_eq!(rauc.back_end("verify", "A").status.code(), Some(1), "the old system still runs");
    rauc.boot("B").await;
    assert_eq!(rauc.back_end("verify", "A").status.code(), Some(0));
    assert_eq!(rauc.back_end("good", "").status.code(), Some(0));
    assert_eq!(written(&bench, "state.B").trim(), "good");
    assert_eq!(rauc.back_end("bad", "").status.code(), Some(0));
    assert_eq!(written(&bench, "state.B").trim(), "bad");
}
