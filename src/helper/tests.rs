//! The helper, asked by somebody who wants root.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::connection;
use super::rules::Rules;
use crate::backend::{Machine, Stage};
use crate::base::AtomicU64;
use crate::helper_protocol::{HelperReply, frame, hex, length};
use crate::mo;
use crate::spanned::Problems;

/// Somebody whom nothing on the machine belongs to.
const AGENT: (u32, u32) = (54321, 54321);

const MAPPING: &str = r#"
moid = "urn:x-test:mo:gate:1.0"
root = "Gate"
instances = ["1"]

[node.Level]
format = "int"
set = { file = "/data/level", privileged = true }
get = [{ file = "/data/level", privileged = true }, { file = "/data/level" }]
max = 9

[node.Host]
pattern = "[a-z]+"
set = { file = "/data/host.conf", key = "host", syntax = "shell", privileged = true }
get = [{ file = "/data/host.conf", key = "host", syntax = "shell", privileged = true }]

[node.Open]
set = { file = "/data/open" }
get = [{ file = "/data/open" }]

[node.Word]
get = [{ value = "w" }]
set = { run = ["ROOT/bin/say", "{}"], user = "root" }

[node."Links/<if>"]
list = { glob = "/sys/net/*" }
delete = { file = "/sys/net/{if}/mtu", privileged = true }
[node."Links/<if>/Mtu"]
format = "int"
set = { file = "/sys/net/{if}/mtu", privileged = true }
get = [{ file = "/sys/net/{if}/mtu", privileged = true }]

[node."Tunnels/<t>"]
list = { file = "/data/tunnels.ini", lines = true, match = '^\[tunnel (?<t>[^\]]+)\]', key = "t" }
[node."Tunnels/<t>/Enabled"]
format = "bool"
set = { file = "/data/tunnels.ini", key = ["tunnel {t}", "enabled"], privileged = true }
get = [{ file = "/data/tunnels.ini", key = ["tunnel {t}", "enabled"], privileged = true }]

[node."Slow/<if>"]
list = { run = ["ROOT/bin/names"], lines = true, privileged = true }
[node."Slow/<if>/Mtu"]
format = "int"
set = { file = "/sys/net/{if}/mtu", privileged = true }

[node.Deep]
set = { file = "/data/deep/est/file", privileged = true }
get = [{ file = "/data/deep/est/file", privileged = true }]

[node.Serial]
get = [{ file = "/sys/class/dmi/id/product_serial", privileged = true }]
[node.Missing]
get = [{ file = "/data/no/where", privileged = true }]

[node.Limited]
format = "int"
set = { file = "/data/level", privileged = true }
max = { file = "/data/most" }
[node."Leases/<lease>"]
list = { file = "/data/leases", lines = true, privileged = true }
[node."Leases/<lease>/Mtu"]
format = "int"
set = { file = "/sys/net/{lease}/mtu", privileged = true }

[node.PkgURL]
max-len = 20
[node.State]
format = "int"
max = 100
[node.Do]
exec = { run = ["ROOT/bin/do"], user = "root", timeout = "2s", output = ["State"], input = ["PkgURL"], result = "Said" }
[node.Said]
[node.Vetoed]
exec = { run = ["ROOT/bin/do"], veto = true }
[node.Resize]
exec = { run = ["ROOT/bin/do"], user = "root", input = ["Links/*/Mtu"] }
[node.Tells]
exec = { run = ["ROOT/bin/do"], user = "root", output = ["Limited"] }
[node.GoesOn]
exec = { run = ["ROOT/bin/do"], veto = true, resume = true, input = ["PkgURL"] }
[node.Marks]
exec = { file = "/later/mark", privileged = true, veto = true, resume = true }
[node.Timed]
exec = { run = ["ROOT/bin/do"], window = "Mon 02:00-04:00" }

[node."Named/<if>"]
list = { run = ["ROOT/bin/names"], lines = true }
[node."Named/<if>/Mtu"]
format = "int"
set = { file = "/sys/net/{if}/mtu", privileged = true }
max = { run = ["ROOT/bin/most"] }

[node.Port]
set = { file = "/data/host.conf", key = "port", syntax = "shell", privileged = true }
get = [{ file = "/data/host.conf", key = "port", syntax = "shell", privileged = true }]

[node."Files/<f>"]
list = { glob = "/data/files/*" }
add = { file = "/data/files/{f}", privileged = true }
delete = { file = "/data/files/{f}", privileged = true }
[node."Files/<f>/Text"]
set = { file = "/data/files/{f}", privileged = true }

[node."Users/<u>"]
[node."Users/<u>/Age"]
format = "int"
max = { file = "/data/most" }
[node.Count]
input = ["Users/*/Age"]
exec = { run = ["ROOT/bin/do"], user = "root" }
"#;

/// A machine with an object, a helper for it, and what nobody else may have a hand in.
struct Bench {
    folder: TempDir,
    rules: Rules,
}

impl Bench {
    fn new() -> Self {
        assert!(geteuid().is_root(), "this test takes root: it gives files away");
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_path_buf();
        let bench = Self {
            rules: Rules {
                root: root.clone(),
                owner: 0,
                objects: vec![root.join("usr/mo"), root.join("etc/mo.d")],
                vetoes: root.join("etc/veto.d"),
                results: root.join("run/results"),
                kept: root.join("var/kept"),
                agent: AGENT,
                longest: None,
                stage: Stage { program: root.join("stage"), name: "stage", judge: "omadm-run" },
            },
            folder,
        };
        for name in [
            "usr/mo/gate",
            "etc/mo.d",
            "etc/veto.d",
            "bin",
            "sys/net/eth0",
            "sys/net/eth1",
            "run",
            "var",
            "data/files",
            "data/deep/est",
        ] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        bench.script("stage", "shift 3; exec \"$@\"");
        bench.write("usr/mo/gate/gate.toml", &MAPPING.replace("ROOT", &root.display().to_string()));
        bench.write("sys/net/eth0/mtu", "1500\n");
        bench.write("sys/net/eth1/mtu", "1500\n");
        bench.write("data/level", "3\n");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::File::create(self.path(name)).unwrap().write_all(text.as_bytes()).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o644)).unwrap();
    }

    fn script(&self, name: &str, text: &str) {
        self.write(name, &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(self.path(name), Permissions::from_mode(0o755)).unwrap();
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The digest of the object as an agent loads it.
    fn digest(&self) -> String {
        let mut problems = Problems::default();
        let object = mo::load::load_one(&self.path("usr/mo/gate"), &mut problems);
        hex(&object.unwrap_or_else(|| panic!("{problems}")).files_digest)
    }

    fn machine(&self) -> Machine {
        let bus = crate::backend::Bus::none();
        Machine { stage: Some(self.rules.stage.clone()), ..Machine::new(self.rules.root.clone(), bus) }
    }

    /// Starts a helper; returns the end of its socket.
    fn helper(&self) -> (UnixStream, tokio::task::JoinHandle<std::io::Result<()>>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (machine, rules) = (self.machine(), self.rules.clone());
        (ours, tokio::spawn(async move { connection::serve(theirs, &machine, &rules).await }))
    }

    fn request(&self, id: &str, ops: Json) -> Json {
        json!({ "v": 1, "id": id, "server": "acme", "folder": "gate", "sha256": self.digest(), "ops": ops })
    }

    /// All replies to a request.
    async fn replies(&self, request: &Json) -> Vec<HelperReply> {
        let (mut stream, helper) = self.helper();
        stream.write_all(&frame(request).unwrap()).await.unwrap();
        let mut replies = Vec::new();
        while let Some(reply) = next(&mut stream).await {
            replies.push(reply);
        }
        helper.await.unwrap().unwrap();
        replies
    }

    /// The code and the error, or the value, of one operation.
    async fn one(&self, op: Json) -> (u16, Json) {
        let request = self.request(&format!("r-{}", unique()), json!([op]));
        let replies = self.replies(&request).await;
        let last = replies.last().unwrap();
        let value = last.value.clone().or_else(|| last.error.clone().map(Json::from));
        (last.code.unwrap(), value.unwrap_or_default())
    }

    async fn refused(&self, op: Json, code: u16, why: &str) {
        let (found, error) = self.one(op.clone()).await;
        assert_eq!(found, code, "{op}: {error}");
        assert!(error.to_string().contains(why), "{op}: {error}");
    }
}

fn unique() -> u64 {
    use std::sync::atomic::Ordering;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

async fn next(stream: &mut UnixStream) -> Option<HelperReply> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.ok()?;
    let mut content = vec![0; length(header).unwrap()];
    stream.read_exact(&mut content).await.unwrap();
    Some(serde_json::from_slice(&content).unwrap())
}

fn set(node: &str, value: Json) -> Json {
    json!({ "op": "set", "node": node, "value": value })
}

mod agent;
mod effects;
mod execs;
mod files;
mod frames;
mod going_on;
