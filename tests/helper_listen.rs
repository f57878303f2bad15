//! `omadm-exec --listen`: a real program, a real socket, real users. It takes root, and a name space of its own.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use omadm_agent::helper_protocol::{HelperReply, frame, hex, length};
use omadm_agent::mo::load::load_one;
use omadm_agent::spanned::Problems;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

const AGENT: u32 = 54321;

const MAPPING: &str = r#"
moid = "urn:x-test:mo:gate:1.0"
root = "Gate"
instances = ["1"]

[node.Do]
exec = { run = ["/usr/share/omadm/do"], user = "root", timeout = "30s" }
[node.Level]
get = { file = "/usr/share/omadm/level", privileged = true }
"#;

/// Begun as an init might: with a narrow mask, and something open. `$1` is the test's folder, `$2` the program.
const BEGIN: &str = r#"
for folder in /mnt /usr/share /var/lib /run; do mount -t tmpfs -o mode=755 small $folder || exit 1; done
mkdir -p /usr/share/omadm/mo/gate
cp "$1/gate/gate.toml" /usr/share/omadm/mo/gate/
cp "$1/do" /usr/share/omadm/do
echo 7 >/usr/share/omadm/level
cp "$2" /mnt/omadmd
ln -s omadmd /mnt/omadm-exec
{ cat /etc/passwd; echo 'omadm:x:54321:54321::/:/bin/sh'; } >/mnt/passwd
mount --bind /mnt/passwd /etc/passwd || exit 1
umask 077
exec /mnt/omadm-exec --listen "$1/socket" 7</etc/passwd
"#;

struct Listening {
    folder: tempfile::TempDir,
    child: Child,
}

impl Listening {
    /// None without the rights that it takes.
    async fn begin(script: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let write = |name: &str, text: &str| put(&path.join(name), text);
        std::fs::create_dir(path.join("gate")).unwrap();
        write("gate/gate.toml", MAPPING);
        write("do", &format!("#!/bin/sh\ncd {}\n{script}\n", path.display()));
        for name in ["", "do"] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(path.join(name), mode).unwrap();
        }
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", BEGIN, "sh"]).arg(path).arg(env!("CARGO_BIN_EXE_omadmd"));
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let listening = Self { folder, child };
        listening
            .until(|| listening.socket().metadata().is_ok_and(|found| found.mode() & 0o777 == 0o600))
            .await;
        Some(listening)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it never came to that");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn request(&self, id: &str, op: Value) -> Vec<u8> {
        let object = load_one(&self.folder.path().join("gate"), &mut Problems::default()).unwrap();
        let sha256 = hex(&object.files_digest);
        frame(&json!({ "v": 1, "id": id, "server": "", "folder": "gate", "sha256": sha256, "ops": [op] }))
            .unwrap()
    }

    async fn ask(&self, id: &str, op: Value) -> Option<HelperReply> {
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

fn put(path: &Path, text: &str) {
    std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

async fn last(stream: &mut UnixStream) -> Option<HelperReply> {
    let mut last = None;
    let mut header = [0; 4];
    while stream.read_exact(&mut header).await.is_ok() {
        let mut content = vec![0; length(header).unwrap()];
        stream.read_exact(&mut content).await.ok()?;
        last = serde_json::from_slice(&content).ok();
    }
    last
}

fn level() -> Value {
    json!({ "op": "get", "node": "Level", "source": 0 })
}

fn exec() -> Value {
    json!({ "op": "exec", "node": "Do" })
}

/// Whether a user who connects, and sends nothing, is let in.
fn may_connect(socket: &Path, user: u32) -> bool {
    let connect = "use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0); \
         connect($s, pack_sockaddr_un($ARGV[0])) or exit 1;";
    let mut command = Command::new("perl");
    command.args(["-e", connect]).arg(socket).uid(user).gid(user);
    command.status().unwrap().success()
}

#[tokio::test]
async fn a_program_begins_with_nothing_that_was_inherited_and_only_the_agent_may_ask() {
    let script = "umask >mask; ls /proc/self/fd >open; sed -n 's/^SigIgn:.*\\(.....\\)$/\\1/p' /proc/self/status >ignored; \
                  cut -d' ' -f6 /proc/self/stat >session; echo done >done";
    let Some(listening) = Listening::begin(script).await else { return };
    assert!(may_connect(&listening.socket(), AGENT));
    assert!(!may_connect(&listening.socket(), 65534));
    assert_eq!(listening.ask("get-1", level()).await.unwrap().value, Some(json!("7")));
    assert_eq!(listening.ask("exec-1", exec()).await.unwrap().code, Some(200));
    assert_eq!(listening.said("mask"), "0022\n");
    // The last is the folder's own.
    assert_eq!(listening.said("open"), "0\n1\n2\n3\n");
    // SIGPIPE, 13, is not among them.
    let ignored = u32::from_str_radix(listening.said("ignored").trim(), 16).unwrap();
    assert_eq!(ignored & 1 << 12, 0, "{ignored:x}");
    let own = std::fs::read_to_string("/proc/self/stat").unwrap();
    assert_ne!(listening.said("session").trim(), own.split(' ').nth(5).unwrap());
}

#[tokio::test]
async fn the_seventeenth_waits_for_those_who_say_nothing_and_is_served() {
    let Some(listening) = Listening::begin("true").await else { return };
    let mut hung = Vec::new();
    for _ in 0..16 {
        hung.push(UnixStream::connect(listening.socket()).await.unwrap());
    }
    let begun = Instant::now();
    let reply = listening.ask("get-1", level()).await.unwrap();
    assert_eq!(reply.value, Some(json!("7")));
    let took = begun.elapsed();
    assert!((3..20).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn programs_end_with_their_helper_and_the_next_is_of_the_new_version() {
    let Some(listening) = Listening::begin("echo $$ $PPID >process; sleep 1000").await else { return };
    let mut stream = UnixStream::connect(listening.socket()).await.unwrap();
    stream.write_all(&listening.request("exec-1", exec())).await.unwrap();
    listening.until(|| listening.said("process").ends_with('\n')).await;
    let said = listening.said("process");
    let (program, helper) = said.trim().split_once(' ').unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(helper.parse().unwrap()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    let program = PathBuf::from(format!("/proc/{program}"));
    listening.until(|| !program.exists()).await;
    // An upgrade: another file has the name.
    let folder = PathBuf::from(format!("/proc/{}/root/mnt", listening.child.id()));
    let newer = format!("#!/bin/sh\necho newer >{}/version\n", listening.folder.path().display());
    put(&folder.join("newer"), &newer);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.join("newer"), mode).unwrap();
    std::fs::rename(folder.join("newer"), folder.join("omadmd")).unwrap();
    listening.ask("get-1", level()).await;
    listening.until(|| listening.said("version") == "newer\n").await;
}
