//! FUMO's back end for RAUC on RAUC itself: by its service, and by its command line.

use std::fs;
use std::process::{Child, Command, Output, Stdio};

use omadm_agent::lab::files;

use super::fumo::shell;
use super::project;
use crate::support::bus::Daemon;
use crate::support::tools::{put_script, takes_root, written};
use crate::support::{Bench, appears};

/// RAUC's service with two slots, which are files, and a boot loader that is a program.
struct Rauc<'a> {
    bench: &'a Bench,
    daemon: Daemon,
    service: Option<Child>,
}

const SYSTEM: &str = "[system]\ncompatible=acme-g200\nbootloader=custom\nstatusfile=@folder@/status\n\
    mountprefix=@folder@/mnt\n[handlers]\nbootloader-custom-backend=@folder@/loader\npre-install=@folder@/hold\n\
    [keyring]\npath=@folder@/own.pem\n[slot.rootfs.0]\ndevice=@folder@/a\ntype=raw\nbootname=A\n\
    [slot.rootfs.1]\ndevice=@folder@/b\ntype=raw\nbootname=B\n";

const LOADER: &str = "cd @folder@ || exit 1\ncase $1 in\nget-primary) cat primary ;;\nset-primary) echo \"$2\" >primary ;;\n\
    get-state) cat \"state.$2\" 2>/dev/null || echo good ;;\nset-state) echo \"$3\" >\"state.$2\" ;;\nesac\n";

/// Holds an installation up as long as there is something to be held up for.
const HOLD: &str =
    "cd @folder@ || exit 1\n[ ! -e stay ] || touch held\nwhile [ -e stay ]; do sleep 0.1; done\n";

impl<'a> Rauc<'a> {
    fn new(bench: &'a Bench) -> Self {
        put_script(bench, "loader", LOADER);
        put_script(bench, "hold", HOLD);
        let system =
            SYSTEM.replace("@folder@", bench.gateway.path("").to_str().unwrap().trim_end_matches('/'));
        for (name, content) in
            [("system.conf", system.as_str()), ("a", "the old system"), ("b", ""), ("primary", "A")]
        {
            files::put(&bench.gateway.path(name), content, files::PLAIN).unwrap();
        }
        fs::OpenOptions::new().write(true).open(bench.gateway.path("b")).unwrap().set_len(1 << 20).unwrap();
        let daemon = Daemon::start();
        // A RAUC that was built without a service does not name it.
        let own = "[ \"$*\" != --help ] || [ ! -e @folder@/alone ] || exit 0\nexec /usr/bin/rauc --conf=@folder@/system.conf \"$@\"\n";
        put_script(bench, "bin/rauc", own);
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

    fn bundle(&self, name: &str, key: &str, compatible: &str, version: &str) -> String {
        let manifest = format!(
            "[update]\ncompatible={compatible}\nversion={version}\n[bundle]\nformat=plain\n[image.rootfs]\nfilename=root.img\n"
        );
        for (file, content) in [("manifest.raucm", manifest.as_str()), ("root.img", "the new system")] {
            files::put(&self.bench.gateway.path(name).join(file), content, files::PLAIN).unwrap();
        }
        let line = format!(
            "/usr/bin/rauc --cert {key}.pem --key {key}.key --keyring {key}.pem bundle {name} {name}.raucb"
        );
        let made = shell(self.bench, &line);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.bench.gateway.path(&format!("{name}.raucb")).display().to_string()
    }

    /// The back end, to be run. What it reports goes to its standard output as well.
    fn command(&self, verb: &str, argument: &str) -> Command {
        let back_end = project("packaging/exec/fumo.d/rauc").display().to_string();
        let mut command = Command::new("sh");
        command.args(["-ec", &format!("PATH=$PWD/bin:$PATH exec {back_end} {verb} '{argument}' 3>&1")]);
        // `rauc` itself always asks the bus of the system.
        command.env("DBUS_SYSTEM_BUS_ADDRESS", self.daemon.address());
        command.current_dir(self.bench.gateway.path(""));
        command
    }

    fn back_end(&self, verb: &str, argument: &str) -> Output {
        self.command(verb, argument).output().unwrap()
    }

    /// Begins an installation, which does not end before it is let go.
    async fn held_up(&self, bundle: &str) -> Child {
        files::put(&self.bench.gateway.path("stay"), "", files::PLAIN).unwrap();
        let mut command = self.command("install", bundle);
        let begun = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        appears(&self.bench.gateway.path("held")).await;
        begun
    }

    fn let_go(&self) {
        for file in ["held", "stay"] {
            fs::remove_file(self.bench.gateway.path(file)).unwrap();
        }
    }

    /// Somebody else's call of the service, and what it answers.
    fn call(&self, what: &str) -> String {
        let address = self.daemon.address();
        let service = "de.pengutronix.rauc / de.pengutronix.rauc.Installer";
        let line = format!("DBUS_SYSTEM_BUS_ADDRESS={address} busctl {} 2>&1", what.replace('@', service));
        String::from_utf8_lossy(&shell(self.bench, &line).stdout).into_owned()
    }
}

impl Drop for Rauc<'_> {
    fn drop(&mut self) {
        self.stop();
        // A service that was killed has left the bundle mounted.
        shell(self.bench, "while umount mnt/bundle; do :; done");
    }
}

/// What is told, and logged.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const WHY_ROOT: &str = "nobody else may mount a bundle";

#[tokio::test]
async fn rauc_says_what_is_wrong_with_a_bundle_and_which_system_runs() {
    takes_root(WHY_ROOT);
    for way in ["served", "alone"] {
        let bench = Bench::new().await;
        let mut rauc = Rauc::new(&bench);
        files::put(&bench.gateway.path(way), "", files::PLAIN).unwrap();
        rauc.boot("A").await;
        let verdict =
            |output: &Output| (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned());
        let good = rauc.bundle("good", "own", "acme-g200", "2.0");
        assert_eq!(verdict(&rauc.back_end("probe", "")), (Some(0), String::new()), "{way}");
        let named = "name=acme-g200\nversion=2.0\n".to_owned();
        assert_eq!(verdict(&rauc.back_end("check", &good)), (Some(0), named), "{way}");
        let short = bench.gateway.path("short.raucb");
        files::put(&short, &fs::read(&good).unwrap()[..3000], files::PLAIN).unwrap();
        for (bundle, code) in [
            (rauc.bundle("foreign", "other", "acme-g200", "2.0"), 4),
            (rauc.bundle("wrong", "own", "acme-g100", "2.0"), 3),
            (short.display().to_string(), 2),
        ] {
            for verb in ["check", "install"] {
                let output = rauc.back_end(verb, &bundle);
                assert_eq!(output.status.code(), Some(code), "{way}: {verb} {bundle}: {}", said(&output));
                assert!(
                    way == "alone" || !said(&output).contains("Progress\": 100"),
                    "{verb} {bundle}: {}",
                    said(&output)
                );
            }
        }

        let installed = rauc.back_end("install", &good);
        let told = said(&installed);
        assert_eq!(installed.status.code(), Some(0), "{way}: {told}");
        assert_eq!(told.matches("{\"Ext/Progress\": 100}\n").count(), 1, "{way}: {told}");
        assert_eq!(&fs::read(bench.gateway.path("b")).unwrap()[..14], b"the new system");
        assert_eq!(written(&bench, "primary").trim(), "B");
        assert_eq!(rauc.back_end("verify", "A").status.code(), Some(1), "{way}: the old system still runs");
        rauc.stop();
        assert_eq!(
            rauc.back_end("verify", "A").status.code(),
            Some(75),
            "{way}: nobody knows which system runs"
        );
        rauc.boot("B").await;
        assert_eq!(rauc.back_end("verify", "A").status.code(), Some(0), "{way}");
        assert_eq!(rauc.back_end("good", "").status.code(), Some(0), "{way}");
        assert_eq!(written(&bench, "state.B").trim(), "good", "{way}");
        assert_eq!(rauc.back_end("bad", "").status.code(), Some(0), "{way}");
        assert_eq!(written(&bench, "state.B").trim(), "bad", "{way}");
    }
}

#[tokio::test]
async fn what_a_bundle_calls_itself_can_say_nothing_else() {
    let bench = Bench::new().await;
    let mut rauc = Rauc::new(&bench);
    rauc.boot("A").await;
    let odd = rauc.bundle("odd", "own", "acme-g200", "2\" \"3\\\\\\nname=é");
    let output = rauc.back_end("check", &odd);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(told, "name=acme-g200\nversion=2_ _3__name=__\n", "{}", said(&output));
}

#[tokio::test]
async fn an_installation_of_somebody_else_is_not_taken_for_the_own_one() {
    takes_root(WHY_ROOT);
    let bench = Bench::new().await;
    let mut rauc = Rauc::new(&bench);
    rauc.boot("A").await;
    let good = rauc.bundle("good", "own", "acme-g200", "2.0");
    let mut begun = rauc.held_up(&good).await;
    let second = rauc.back_end("install", &good);
    assert_eq!(second.status.code(), Some(9), "{}", said(&second));
    assert!(said(&second).contains("somebody else"), "{}", said(&second));
    let refused = rauc.call(&format!("call @ InstallBundle 'sa{{sv}}' {good} 0"));
    assert!(refused.contains("lready processing"), "{refused}");
    assert_eq!(rauc.call("get-property @ Operation"), "s \"idle\"\n", "the service forgets what it does");
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert!(begun.try_wait().unwrap().is_none(), "it is not over");
    assert_eq!(written(&bench, "primary").trim(), "A");
    // One that goes on after it was cut off waits for what is under way, and installs then.
    let mut again = rauc.command("install", &good);
    let again =
        again.env("OMADM_RESUMED", "1").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    rauc.let_go();
    for installed in [begun, again] {
        let output = installed.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    assert_eq!(written(&bench, "primary").trim(), "B");
}

#[tokio::test]
async fn an_installation_whose_service_ends_begins_anew_or_fails() {
    takes_root(WHY_ROOT);
    let bench = Bench::new().await;
    let mut rauc = Rauc::new(&bench);
    rauc.boot("A").await;
    let good = rauc.bundle("good", "own", "acme-g200", "2.0");
    let begun = rauc.held_up(&good).await;
    // Another one has its name before the next look.
    rauc.boot("A").await;
    rauc.let_go();
    let output = begun.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("begins anew"), "{}", said(&output));
    assert_eq!(written(&bench, "primary").trim(), "B");

    let begun = rauc.held_up(&good).await;
    for again in [false, true] {
        fs::remove_file(bench.gateway.path("held")).unwrap();
        rauc.boot("A").await;
        if !again {
            appears(&bench.gateway.path("held")).await;
        }
    }
    let output = begun.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(10), "{}", said(&output));
    assert!(said(&output).contains("again"), "{}", said(&output));
    fs::remove_file(bench.gateway.path("stay")).unwrap();
}
