use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::json;

use super::run::End;
use super::*;
use crate::base::files;
use crate::ddf::Format;
use crate::mo::given::Given;
use crate::mo::mapping::{
    BusObject, Call, Exec, List, ListFrom, NodeMapping, Piece, Pipeline, Program, Select, Sink, Source,
    SourceKind, Template,
};
use crate::mo::{Pattern, Value};
use crate::uri::{Moid, ServerId};

mod effects;
mod lists;
mod programs;
mod shipped;

struct Nothing;

impl Builtins for Nothing {
    fn get(&self, name: &str) -> Answer<String> {
        if name == "session-bearer" {
            Answer::Value("3".into())
        } else {
            Answer::absent(format!("no {name}"))
        }
    }
}

struct Bench {
    folder: tempfile::TempDir,
    machine: Machine,
    objects: Vec<(String, BusObject)>,
    names: Vec<(String, String)>,
    given: Vec<Given>,
    stored: Option<Value>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::new(folder.path().to_path_buf(), Bus::none());
        let modem = BusObject {
            name: "org.t.M".into(),
            path: "/m".into(),
            interface: "org.t.M".into(),
            manager: None,
        };
        let objects = vec![("m".to_owned(), modem)];
        Self { folder, machine, objects, names: Vec::new(), given: Vec::new(), stored: None }
    }

    fn real() -> Self {
        Self { machine: Machine::new("/".into(), Bus::none()), ..Self::new() }
    }

    fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        files::replace(&path, content.as_ref(), 0o644).unwrap();
        self
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn context(&self) -> Context<'_> {
        static ACME: ServerId = ServerId::fixed("acme");
        static X: Moid = Moid::fixed("urn:x");
        Context {
            machine: &self.machine,
            node: None,
            objects: &self.objects,
            listed: &[],
            seen: None,
            expectant: false,
            names: &self.names,
            given: &self.given,
            item: None,
            stored: self.stored.as_ref(),
            builtins: &Nothing,
            request: Request {
                server_id: Some(&ACME),
                node: &"urn:x/1/Leaf",
                moid: Some(&X),
                miid: "1",
                resumed: false,
                exec_id: None,
            },
        }
    }

    async fn read(&self, get: Vec<Source>, format: Format) -> Result<Answer<Value>, BackendError> {
        let mapping = NodeMapping { get, ..NodeMapping::default() };
        Ok(read(&mapping, format, mapping.pin, &self.context()).await?.map(|reading| reading.value))
    }

    async fn run(&self, script: &str) -> Result<Answer<Value>, BackendError> {
        self.read(vec![source(SourceKind::Run(shell(script)))], Format::Chr).await
    }

    async fn list(&self, from: ListFrom, max: usize) -> Result<Vec<Child>, BackendError> {
        match list(&List { from, max, privileged: false, watch: Vec::new() }, &self.context()).await? {
            Answer::Value(children) => Ok(children),
            other => panic!("{other:?}"),
        }
    }

    async fn start(&self, script: &str, timeout: Duration) -> run::Running {
        let program = Program { argv: shell(script), user: "omadm".into(), timeout };
        run::start(&program, None, run::Heard::NOTHING, &self.context()).await.unwrap()
    }
}

/// No file that another test's fork could hold open for writing while we start it.
fn shell(text: &str) -> Vec<Template> {
    ["/bin/sh", "-c", text, "script"].map(literal).to_vec()
}

fn literal(text: &str) -> Template {
    Template(vec![Piece::Literal(text.to_owned())])
}

fn source(from: SourceKind) -> Source {
    Source { from, pipeline: Pipeline::default(), privileged: false, watch: Vec::new() }
}

fn file_source(path: &str) -> Source {
    source(SourceKind::File { path: literal(path), setting: None })
}

fn text(text: &str) -> Answer<Value> {
    Answer::Value(Value::Text(text.to_owned()))
}

#[tokio::test]
async fn absent_goes_on_to_the_next_source() {
    let bench = Bench::new().file("/etc/present", "here\n");
    let get = vec![
        file_source("/etc/missing"),
        source(SourceKind::Property { object: "m".into(), property: "p".into() }),
    ];
    let absent = bench.read(get.clone(), Format::Chr).await.unwrap();
    assert!(
        matches!(&absent, Answer::Absent(why) if why.contains("missing") && why.contains("no bus")),
        "{absent:?}"
    );
    let get = [get, vec![file_source("/etc/present"), source(SourceKind::Value("last".into()))]].concat();
    assert_eq!(bench.read(get, Format::Chr).await.unwrap(), text("here"));
}

#[tokio::test]
async fn empty_counts_only_where_nothing_better_follows() {
    let bench = Bench::new().file("/alias", "\n").file("/name", "eth0\n");
    let empty = bench.read(vec![file_source("/alias"), file_source("/none")], Format::Chr).await.unwrap();
    assert_eq!(empty, text(""));
    let better = bench.read(vec![file_source("/alias"), file_source("/name")], Format::Chr).await.unwrap();
    assert_eq!(better, text("eth0"));
    let int = bench.read(vec![file_source("/alias")], Format::Int).await.unwrap();
    assert!(matches!(int, Answer::Absent(_)));
}

#[tokio::test]
async fn a_failing_source_is_passed_over_unless_the_node_is_pinned() {
    let bench = Bench::new().file("/speed", "fast\n");
    let get = vec![file_source("/speed"), source(SourceKind::Value("7".into()))];
    assert_eq!(bench.read(get.clone(), Format::Int).await.unwrap(), Answer::Value(Value::Int(7)));
    let alone = bench.read(get[..1].to_vec(), Format::Int).await.unwrap_err();
    assert_eq!(alone.to_string(), "/speed: expected a whole number of 64 bits (int), found \"fast\"");
    let pinned = NodeMapping { get, pin: true, ..NodeMapping::default() };
    read(&pinned, Format::Int, true, &bench.context()).await.unwrap_err();
}

#[tokio::test]
async fn unavailable_stops_the_search_of_the_patient() {
    let bench = Bench::new().file("/etc/machine-id", "uninitialized\n");
    let get = vec![source(SourceKind::MachineId([7; 16])), source(SourceKind::Value("worse".into()))];
    assert_eq!(
        bench.read(get.clone(), Format::Chr).await.unwrap(),
        Answer::Value(Value::Text("worse".into())),
    );
    let mapping = NodeMapping { get, ..NodeMapping::default() };
    let answer = read(&mapping, Format::Chr, true, &bench.context()).await.unwrap();
    assert!(matches!(answer, Answer::Unavailable(_)));
    let alone = bench.read(vec![source(SourceKind::MachineId([7; 16]))], Format::Chr).await.unwrap();
    assert!(matches!(alone, Answer::Unavailable(_)), "nothing else answers");
}

#[tokio::test]
async fn a_node_without_sources_is_stored() {
    let mut bench = Bench::new();
    assert!(matches!(bench.read(Vec::new(), Format::Int).await.unwrap(), Answer::Absent(_)));
    bench.stored = Some(Value::Int(4));
    assert_eq!(bench.read(Vec::new(), Format::Int).await.unwrap(), Answer::Value(Value::Int(4)));
}

#[tokio::test]
async fn bytes_stay_bytes_only_for_bin() {
    let bench = Bench::new().file("/blob", [0xFF, 0, b'\n']).file("/model", "Banana Pi\0");
    let blob = vec![file_source("/blob")];
    let bytes = bench.read(blob.clone(), Format::Bin).await.unwrap();
    assert_eq!(bytes, Answer::Value(Value::Bytes(vec![0xFF, 0, b'\n'])));
    assert!(matches!(bench.read(blob, Format::Chr).await, Err(BackendError::NotUtf8(_))));
    assert_eq!(bench.read(vec![file_source("/model")], Format::Chr).await.unwrap(), text("Banana Pi"));
}

#[tokio::test]
async fn files_are_bounded_and_regular() {
    let bench =
        Bench::new().file("/large", vec![b'x'; MAX_INPUT + 1]).file("/long", vec![b'x'; MAX_TEXT + 1]);
    nix::unistd::mkfifo(&bench.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in ["/large", "/long"] {
        let error = bench.read(vec![file_source(path)], Format::Chr).await.unwrap_err();
        assert!(matches!(error, BackendError::TooLarge { .. }), "{error}");
    }
    for path in ["/fifo", "/", "/../etc/passwd", "relative"] {
        let error = bench.read(vec![file_source(path)], Format::Chr).await.unwrap_err();
        assert!(matches!(error, BackendError::File { .. } | BackendError::Fill(_)), "{path}: {error}");
    }
}

#[tokio::test]
async fn dmi_placeholders_are_absent() {
    let bench = Bench::new().file("/sys/class/dmi/id/sys_vendor", "To Be Filled By O.E.M.\n");
    let get = vec![file_source("/sys/class/dmi/id/sys_vendor"), source(SourceKind::Value("unknown".into()))];
    assert_eq!(bench.read(get, Format::Chr).await.unwrap(), text("unknown"));
}

#[tokio::test]
async fn this_machine_tells_what_it_is() {
    let bench = Bench::real();
    let mut memory = file_source("/proc/meminfo");
    memory.pipeline.matching = Some(Pattern::new(r"^MemTotal:\s+(\d+)").unwrap());
    let Answer::Value(Value::Int(kilobytes)) = bench.read(vec![memory], Format::Int).await.unwrap() else {
        panic!("no memory");
    };
    assert!(kilobytes > 1000);
    let mtu = bench.read(vec![file_source("/sys/class/net/lo/mtu")], Format::Int).await.unwrap();
    assert!(matches!(mtu, Answer::Value(Value::Int(1..))), "{mtu:?}");
    // What the kernel answers with EINVAL is no error: the loopback has no speed.
    let speed = bench.read(vec![file_source("/sys/class/net/lo/speed")], Format::Int).await.unwrap();
    assert!(matches!(speed, Answer::Absent(_)), "{speed:?}");
}

#[tokio::test]
async fn os_release_from_either_place() {
    let vendor = Bench::new().file("/usr/lib/os-release", "VERSION_ID=\"12\"\n");
    let get = vec![source(SourceKind::OsRelease("VERSION_ID".into()))];
    assert_eq!(vendor.read(get.clone(), Format::Chr).await.unwrap(), text("12"));
    let both = vendor.file("/etc/os-release", "VERSION_ID=13\n");
    assert_eq!(both.read(get.clone(), Format::Chr).await.unwrap(), text("13"));
    assert!(matches!(Bench::new().read(get, Format::Chr).await.unwrap(), Answer::Absent(_)));
}

#[tokio::test]
async fn machine_ids_are_derived() {
    let bench = Bench::new().file("/etc/machine-id", "0f1e2d3c4b5a69788796a5b4c3d2e1f0\n");
    let read =
        read_source(&source(SourceKind::MachineId([7; 16])), Format::Chr, &bench.context()).await.unwrap();
    let Answer::Value(Reading { value: Value::Text(uuid), transient: false }) = read else {
        panic!("{read:?}")
    };
    assert!(uuid.len() == 36 && !uuid.contains("0f1e2d3c"), "{uuid}");
    for first in [None, Some(""), Some("00000000000000000000000000000000\n"), Some("no id\n")] {
        let second = Bench::new().file("/var/lib/dbus/machine-id", "0f1e2d3c4b5a69788796a5b4c3d2e1f0\n");
        let second = first.into_iter().fold(second, |bench, id| bench.file("/etc/machine-id", id));
        let answer = second.read(vec![source(SourceKind::MachineId([7; 16]))], Format::Chr).await.unwrap();
        assert_eq!(answer, text(&uuid), "the second file, where the first has no id but {first:?}");
    }
    let other = "ffffffffffffffffffffffffffffffff\n";
    let both = Bench::new()
        .file("/etc/machine-id", "0f1e2d3c4b5a69788796a5b4c3d2e1f0\n")
        .file("/var/lib/dbus/machine-id", other);
    let answer = both.read(vec![source(SourceKind::MachineId([7; 16]))], Format::Chr).await.unwrap();
    assert_eq!(answer, text(&uuid), "the first goes before");
    let empty = Bench::new().file("/etc/machine-id", "");
    let answer = empty.read(vec![source(SourceKind::MachineId([7; 16]))], Format::Chr).await.unwrap();
    assert!(matches!(answer, Answer::Absent(_)));
}

#[tokio::test]
async fn builtins_of_machine_and_agent() {
    let bench = Bench::new().file("/etc/locale.conf", "LANG=de_AT.UTF-8\n");
    let get = |name: &str| vec![source(SourceKind::Builtin(name.into()))];
    assert_eq!(bench.read(get("language"), Format::Chr).await.unwrap(), text("de-AT"));
    assert_eq!(bench.read(get("agent-version"), Format::Chr).await.unwrap(), text(env!("CARGO_PKG_VERSION")));
    assert_eq!(bench.read(get("session-bearer"), Format::Int).await.unwrap(), Answer::Value(Value::Int(3)));
    assert!(matches!(bench.read(get("account.Name"), Format::Chr).await.unwrap(), Answer::Absent(_)));
}

#[tokio::test]
async fn items_serve_leaves_from_the_listing() {
    let bench = Bench::new();
    let item = json!({ "ip": "192.0.2.7", "lease": { "left": 60 }, "gone": null });
    let context = Context { item: Some(&item), ..bench.context() };
    let get = async |key: &str| {
        read_source(&source(SourceKind::Item(key.into())), Format::Chr, &context)
            .await
            .unwrap()
            .map(|reading| reading.value)
    };
    assert_eq!(get("ip").await, text("192.0.2.7"));
    assert!(matches!(get("gone").await, Answer::Absent(_)));
    let mut nested = source(SourceKind::Item("lease".into()));
    nested.pipeline.select = vec![Select::Key("left".into())];
    let left = read_source(&nested, Format::Int, &context).await.unwrap().map(|reading| reading.value);
    assert_eq!(left, Answer::Value(Value::Int(60)));
}
