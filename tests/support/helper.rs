//! `omadm-exec --listen`: a real program, a real socket, real users. It takes root, and a name space of its own.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use omadm_agent::helper_protocol::{HelperReply, frame, hex, length};
use omadm_agent::mo::load::load_one;
use omadm_agent::spanned::Problems;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::support::bus::Daemon;
use crate::support::tools::takes_root;

/// The agent's user and group.
pub(crate) const AGENT: u32 = 54321;

const MAPPING: &str = r#"
moid = "urn:x-test:mo:gate:1.0"
root = "Gate"
instances = ["1"]

[object.modem]
dbus = "org.t.Modems1"
path = "/org/t/Modems1/Modem/*"
interface = "org.t.Modems1.Modem"

[node.Do]
exec = { run = ["/usr/share/omadm/do"], user = "root", timeout = "30s" }
[node.DoAsAgent]
exec = { run = ["/usr/share/omadm/do"], timeout = "30s", result = "Said" }
[node.Said]
[node.Key]
[node.GoesOn]
exec = { run = ["/usr/share/omadm/do"], user = "root", timeout = "30s", resume = true, input = ["Key"] }
[node.Level]
get = { file = "/usr/share/omadm/level", privileged = true }

[node.Band]
format = "int"
get = { object = "modem", property = "Band", privileged = true }
set = { object = "modem", property = "Band", privileged = true }
[node.Label]
set = { object = "modem", method = "Rename", args = ["{}", "true", "3"], privileged = true }
[node.Power]
format = "bool"
set = { object = "modem", property = "Power" }
[node.Reset]
exec = { object = "modem", method = "Reset", privileged = true }
"#;

/// Begun as an init might: with a narrow mask, groups, and something open. `$1` is the test's folder, `$2` the program,
/// `$3` the socket of the system's bus.
const BEGIN: &str = r#"
for folder in /mnt /usr/share /var/lib /run; do mount -t tmpfs -o mode=755 small $folder || exit 1; done
mkdir -p /usr/share/omadm/mo/gate /run/dbus
ln -s "$3" /run/dbus/system_bus_socket
cp "$1/gate/gate.toml" /usr/share/omadm/mo/gate/
cp "$1/do" /usr/share/omadm/do
echo 7 >/usr/share/omadm/level
cp "$2" /mnt/omadmd
ln -s omadmd /mnt/omadm-exec
{ cat /etc/passwd; echo 'omadm:x:54321:54321::/:/bin/sh'; } >/mnt/passwd
mount --bind /mnt/passwd /etc/passwd || exit 1
umask 077
exec setpriv --groups 0,4242 /mnt/omadm-exec --listen "$1/socket" 7</etc/passwd
"#;

/// A helper that listens.
pub(crate) struct Listening {
    folder: tempfile::TempDir,
    bus: String,
    /// The listener.
    pub(crate) child: Child,
}

impl Listening {
    /// Starts one, for which this script is the program of each EXEC.
    pub(crate) async fn begin(script: &str) -> Self {
        Self::begin_on("/nowhere", script).await
    }

    /// Starts one whose system's bus is this one.
    pub(crate) async fn begin_with(bus: &Daemon, script: &str) -> Self {
        let address = bus.address();
        Self::begin_on(address.strip_prefix("unix:path=").unwrap(), script).await
    }

    async fn begin_on(bus: &str, script: &str) -> Self {
        takes_root("it mounts, and asks as several users");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let write = |name: &str, text: &str| put(&path.join(name), text);
        std::fs::create_dir(path.join("gate")).unwrap();
        write("gate/gate.toml", MAPPING);
        write("do", &format!("#!/bin/sh\ncd {}\n{script}\n", path.display()));
        for name in ["", "do"] {
            std::fs::set_permissions(path.join(name), PermissionsExt::from_mode(0o755)).unwrap();
        }
        let child = command(path, bus).spawn().unwrap();
        let listening = Self { folder, bus: bus.to_owned(), child };
        listening.listens().await;
        listening
    }

    /// Starts another listener at the same socket, for the same agent.
    pub(crate) fn start_another(&self) -> Child {
        self.another().spawn().unwrap()
    }

    /// The command that begins another one with the same socket.
    pub(crate) fn another(&self) -> Command {
        command(self.folder.path(), &self.bus)
    }

    /// Waits until the socket is the agent's.
    pub(crate) async fn listens(&self) {
        self.until(|| self.socket().metadata().is_ok_and(|found| found.mode() & 0o777 == 0o600)).await;
    }

    /// The socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// A file below the root folder of the helper.
    pub(crate) fn inside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.child.id()))
    }

    /// What a program has written to a file in its folder.
    pub(crate) fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// Writes a file into the folder of programs.
    pub(crate) fn put(&self, name: &str, text: &str) {
        put(&self.folder.path().join(name), text);
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it never came to that");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The frame of a request.
    pub(crate) fn request(&self, id: &str, op: Value) -> Vec<u8> {
        let object = load_one(&self.folder.path().join("gate"), &mut Problems::default()).unwrap();
        let sha256 = hex(&object.files_digest);
        frame(&json!({ "v": 1, "id": id, "server": "", "folder": "gate", "sha256": sha256, "ops": [op] }))
            .unwrap()
    }

    /// A connection by which this was asked.
    pub(crate) async fn send(&self, id: &str, op: Value) -> UnixStream {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        stream.write_all(&self.request(id, op)).await.unwrap();
        stream
    }

    /// The last reply to a request.
    pub(crate) async fn ask(&self, id: &str, op: Value) -> Option<HelperReply> {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        stream.write_all(&self.request(id, op)).await.ok()?;
        last(&mut stream).await
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(folder: &Path, bus: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", BEGIN, "sh"]).arg(folder).args([env!("CARGO_BIN_EXE_omadmd"), bus]);
    // What an environment says of the bus is not heeded.
    command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere").stdin(Stdio::null());
    command
}

/// Writes a file.
pub(crate) fn put(path: &Path, text: &str) {
    std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// The last reply that comes.
pub(crate) async fn last(stream: &mut UnixStream) -> Option<HelperReply> {
    let mut last = None;
    let mut header = [0; 4];
    while stream.read_exact(&mut header).await.is_ok() {
        let mut content = vec![0; length(header).unwrap()];
        stream.read_exact(&mut content).await.ok()?;
        last = serde_json::from_slice(&content).ok();
    }
    last
}

/// Sends a signal to a process.
pub(crate) fn signal(process: &str, signal: Signal) {
    kill(Pid::from_raw(process.trim().parse().unwrap()), signal).unwrap();
}

/// A reading of a file.
pub(crate) fn level() -> Value {
    json!({ "op": "get", "node": "Level", "source": 0 })
}

/// An EXEC.
pub(crate) fn exec() -> Value {
    json!({ "op": "exec", "node": "Do" })
}
