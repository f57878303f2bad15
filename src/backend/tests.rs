use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use regex_lite::RegexBuilder;
use serde_json::json;

use super::run::End;
use super::*;
use crate::files;
use crate::mo::mapping::{Call, Exec, List, ListFrom, Piece, Pipeline, Program, Select, Sink, Template};

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
    names: Vec<(String, String)>,
    siblings: Vec<(String, Value)>,
    stored: Option<Value>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine { sysroot: folder.path().to_path_buf() };
        Self { folder, machine, names: Vec::new(), siblings: Vec::new(), stored: None }
    }

    fn real() -> Self {
        Self { machine: Machine { sysroot: "/".into() }, ..Self::new() }
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

    fn script(&self, text: &str) -> Vec<Template> {
        let path = self.path("script");
        files::replace(&path, format!("#!/bin/sh\n{text}\n").as_bytes(), 0o755).unwrap();
        vec![literal(path.to_str().unwrap())]
    }

    fn context(&self) -> Context<'_> {
        Context {
            machine: &self.machine,
            names: &self.names,
            siblings: &self.siblings,
            item: None,
            stored: self.stored.as_ref(),
            builtins: &Nothing,
            request: Request { server_id: "acme", client_uri: "urn:x/1/Leaf", moid: "urn:x", miid: "1" },
        }
    }

    async fn read(&self, get: Vec<Source>, format: Format) -> Result<Answer<Value>, BackendError> {
        let mapping = NodeMapping { get, ..NodeMapping::default() };
        Ok(read(&mapping, format, &self.context()).await?.map(|reading| reading.value))
    }

    async fn run(&self, script: &str) -> Result<Answer<Value>, BackendError> {
        self.read(vec![source(From::Run(self.script(script)))], Format::Chr).await
    }

    async fn list(&self, from: ListFrom, max: usize) -> Result<Vec<Child>, BackendError> {
        match list(&List { from, max }, &self.context()).await? {
            Answer::Value(children) => Ok(children),
            other => panic!("{other:?}"),
        }
    }

    fn start(&self, script: &str, timeout: Duration) -> run::Running {
        let program = Program { argv: self.script(script), user: "omadm".into(), timeout };
        run::start(&program, None, &self.context()).unwrap()
    }
}

fn literal(text: &str) -> Template {
    Template(vec![Piece::Literal(text.to_owned())])
}

fn source(from: From) -> Source {
    Source { from, pipeline: Pipeline::default(), privileged: false }
}

fn file_source(path: &str) -> Source {
    source(From::File(literal(path)))
}

fn text(text: &str) -> Answer<Value> {
    Answer::Value(Value::Text(text.to_owned()))
}

#[tokio::test]
async fn absent_goes_on_to_the_next_source() {
    let bench = Bench::new().file("/etc/present", "here\n");
    let get = vec![
        file_source("/etc/missing"),
        source(From::Property { object: "m".into(), property: "p".into() }),
    ];
    let absent = bench.read(get.clone(), Format::Chr).await.unwrap();
    assert!(
        matches!(&absent, Answer::Absent(why) if why.contains("missing") && why.contains("D-Bus")),
        "{absent:?}"
    );
    let get = [get, vec![file_source("/etc/present"), source(From::Value("last".into()))]].concat();
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
    let get = vec![file_source("/speed"), source(From::Value("7".into()))];
    assert_eq!(bench.read(get.clone(), Format::Int).await.unwrap(), Answer::Value(Value::Int(7)));
    let alone = bench.read(get[..1].to_vec(), Format::Int).await.unwrap_err();
    assert_eq!(alone.to_string(), "expected a whole number of 64 bits (int), found \"fast\"");
    let pinned = NodeMapping { get, pin: true, ..NodeMapping::default() };
    read(&pinned, Format::Int, &bench.context()).await.unwrap_err();
}

#[tokio::test]
async fn unavailable_stops_the_search() {
    let bench = Bench::new().file("/etc/machine-id", "uninitialized\n");
    let get = vec![source(From::MachineId([7; 16])), source(From::Value("worse".into()))];
    assert!(matches!(bench.read(get, Format::Chr).await.unwrap(), Answer::Unavailable(_)));
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
    let get = vec![file_source("/sys/class/dmi/id/sys_vendor"), source(From::Value("unknown".into()))];
    assert_eq!(bench.read(get, Format::Chr).await.unwrap(), text("unknown"));
}

#[tokio::test]
async fn this_machine_tells_what_it_is() {
    let bench = Bench::real();
    let mut memory = file_source("/proc/meminfo");
    memory.pipeline.matching =
        Some(RegexBuilder::new(r"^MemTotal:\s+(\d+)").multi_line(true).build().unwrap());
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
    let get = vec![source(From::OsRelease("VERSION_ID".into()))];
    assert_eq!(vendor.read(get.clone(), Format::Chr).await.unwrap(), text("12"));
    let both = vendor.file("/etc/os-release", "VERSION_ID=13\n");
    assert_eq!(both.read(get.clone(), Format::Chr).await.unwrap(), text("13"));
    assert!(matches!(Bench::new().read(get, Format::Chr).await.unwrap(), Answer::Absent(_)));
}

#[tokio::test]
async fn machine_ids_are_derived() {
    let bench = Bench::new().file("/etc/machine-id", "0f1e2d3c4b5a69788796a5b4c3d2e1f0\n");
    let read = read_source(&source(From::MachineId([7; 16])), Format::Chr, &bench.context()).await.unwrap();
    let Answer::Value(Reading { value: Value::Text(uuid), transient: false }) = read else {
        panic!("{read:?}")
    };
    assert!(uuid.len() == 36 && !uuid.contains("0f1e2d3c"), "{uuid}");
    let empty = Bench::new().file("/etc/machine-id", "");
    let answer = empty.read(vec![source(From::MachineId([7; 16]))], Format::Chr).await.unwrap();
    assert!(matches!(answer, Answer::Absent(_)));
}

#[tokio::test]
async fn builtins_of_machine_and_agent() {
    let bench = Bench::new().file("/etc/locale.conf", "LANG=de_AT.UTF-8\n");
    let get = |name: &str| vec![source(From::Builtin(name.into()))];
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
        read_source(&source(From::Item(key.into())), Format::Chr, &context)
            .await
            .unwrap()
            .map(|reading| reading.value)
    };
    assert_eq!(get("ip").await, text("192.0.2.7"));
    assert!(matches!(get("gone").await, Answer::Absent(_)));
    let mut nested = source(From::Item("lease".into()));
    nested.pipeline.select = vec![Select::Key("left".into())];
    let left = read_source(&nested, Format::Int, &context).await.unwrap().map(|reading| reading.value);
    assert_eq!(left, Answer::Value(Value::Int(60)));
}

#[tokio::test]
async fn a_script_gets_the_documented_environment_and_no_more() {
    let answer =
        Bench::new().run("/usr/bin/env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= | sort; pwd").await.unwrap();
    let expected = "OMADM_CLIENT_URI=urn:x/1/Leaf\nOMADM_MIID=1\nOMADM_MOID=urn:x\nOMADM_SERVER_ID=acme\n\
                    PATH=/usr/sbin:/usr/bin:/sbin:/bin\n/";
    assert_eq!(answer, text(expected));
}

#[tokio::test]
async fn a_script_gets_the_listed_leaves_as_json() {
    let mut bench = Bench::new();
    bench.siblings = vec![("PkgURL".into(), Value::Text("https://x/\"".into())), ("N".into(), Value::Int(3))];
    assert_eq!(bench.run("cat").await.unwrap(), text(r#"{"PkgURL":"https://x/\"","N":3}"#));
    // One that doesn't read it, and ends while we still write, is fine.
    bench.siblings = vec![("Big".into(), Value::Text("x".repeat(60_000)))];
    assert_eq!(bench.run("exec <&-; echo done").await.unwrap(), text("done"));
    bench.siblings = vec![("Big".into(), Value::Text("x".repeat(run::MAX_STDIN)))];
    assert!(matches!(bench.run("cat").await, Err(BackendError::TooLarge { .. })));
}

#[tokio::test]
async fn scripts_that_fail_say_how() {
    let bench = Bench::new();
    assert!(bench.run("echo no; exit 3").await.unwrap_err().to_string().ends_with("script: exit code 3"));
    assert!(bench.run("kill -9 $$").await.unwrap_err().to_string().ends_with("ended by signal 9"));
    let error = bench.run("head -c 2000000 /dev/zero").await.unwrap_err();
    assert!(matches!(error, BackendError::TooLarge { limit: MAX_INPUT, .. }), "{error}");
    for program in ["sh", "/nonexistent/script"] {
        let get = vec![source(From::Run(vec![literal(program)]))];
        assert!(matches!(bench.read(get, Format::Chr).await, Err(BackendError::Program { .. })));
    }
}

#[tokio::test]
async fn braces_reach_scripts_as_one_argument() {
    let mut bench = Bench::new();
    bench.names = vec![("p".into(), "a b; $(id) '\"*".into())];
    let mut argv = bench.script("printf '%s|' \"$@\"");
    argv.push(Template(vec![Piece::Variable("p".into())]));
    let answer = bench.read(vec![source(From::Run(argv))], Format::Chr).await.unwrap();
    assert_eq!(answer, text("a b; $(id) '\"*|"));
}

async fn gone(pid: i32) -> bool {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(5) {
        // A zombie of this process' orphans counts as gone as well.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH) || stat.contains(") Z ") {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

async fn pid_in(path: &Path) -> i32 {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(5) {
        if let Ok(pid) = fs::read_to_string(path).unwrap_or_default().trim().parse() {
            return pid;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} was never written", path.display());
}

#[tokio::test]
async fn a_time_limit_ends_the_whole_group() {
    let bench = Bench::new();
    let pid = bench.path("pid");
    let script = format!("trap '' TERM\nsleep 600 &\necho $! > {}\nwait", pid.display());
    let mut running = bench.start(&script, Duration::from_millis(300));
    let sleeper = pid_in(&pid).await;
    assert_eq!(running.finish().await.end, End::Timeout);
    assert!(gone(sleeper).await, "the child of a script that ignores TERM lives");
}

#[tokio::test]
async fn what_a_script_leaves_behind_does_not_hold_it_open() {
    let bench = Bench::new();
    let pid = bench.path("pid");
    let mut running =
        bench.start(&format!("sleep 600 &\necho $! > {}", pid.display()), Duration::from_secs(60));
    let since = Instant::now();
    assert!(running.finish().await.success());
    assert!(since.elapsed() < Duration::from_secs(10), "waited for the pipe's other holder");
    assert!(gone(pid_in(&pid).await).await);
}

#[tokio::test]
async fn dropping_kills_and_giving_up_does_not() {
    let bench = Bench::new();
    let pid = bench.path("pid");
    let mut running =
        bench.start(&format!("echo $$ > {}\nsleep 600", pid.display()), Duration::from_secs(600));
    let leader = pid_in(&pid).await;
    tokio::time::timeout(Duration::from_millis(50), running.finish()).await.unwrap_err();
    assert!(kill(Pid::from_raw(leader), None).is_ok(), "giving up waiting ended it");
    drop(running);
    assert!(gone(leader).await);
}

#[tokio::test]
async fn exec_codes() {
    let bench = Bench::new();
    let program =
        Program { argv: bench.script("exit 75"), user: "omadm".into(), timeout: Duration::from_secs(60) };
    let exec = Exec {
        call: Call::Run(program),
        codes: vec![(75, 1503)],
        after_session: false,
        alert_type: String::new(),
        resume: false,
    };
    let exit = start(&exec, &bench.context()).await.unwrap().finish().await;
    assert_eq!((exit.success(), exit.mapped(&exec.codes)), (false, Some(1503)));
    let bus = Call::Bus {
        object: "o".into(),
        member: "m".into(),
        method: true,
        args: Vec::new(),
        privileged: false,
    };
    let error = start(&Exec { call: bus, ..exec.clone() }, &bench.context()).await.unwrap_err();
    assert_eq!(error.to_string(), "D-Bus is not supported in this version");
    let trigger = bench.path("trigger");
    let file = Call::File { path: literal("/trigger"), privileged: false };
    assert!(start(&Exec { call: file, ..exec }, &bench.context()).await.unwrap().finish().await.success());
    assert_eq!(fs::read_to_string(trigger).unwrap(), "1\n");
}

fn sink(path: &str, pipeline: Pipeline) -> Sink {
    Sink { to: Call::File { path: literal(path), privileged: false }, pipeline }
}

#[tokio::test]
async fn set_writes_and_undo_takes_back() {
    let bench = Bench::new().file("/etc/led", "off");
    let path = bench.path("/etc/led");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let map = vec![("on".to_owned(), "true".to_owned()), ("off".to_owned(), "false".to_owned())];
    let sink = sink("/etc/led", Pipeline { map, ..Pipeline::default() });
    let undo = set(&sink, &Value::Bool(true), &bench.context()).await.unwrap().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "on\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    undo.undo().await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "off");
}

#[tokio::test]
async fn undo_of_a_new_file_removes_it() {
    let bench = Bench::new();
    let sink = sink("/new", Pipeline::default());
    let planned = before(&sink.to, &bench.context()).await.unwrap().unwrap();
    let undo = set(&sink, &Value::Bytes(vec![b'a']), &bench.context()).await.unwrap().unwrap();
    assert_eq!(undo, planned);
    assert_eq!(fs::read(bench.path("new")).unwrap(), b"a", "bytes gain no line's end");
    undo.undo().await.unwrap();
    assert!(!bench.path("new").exists());
}

#[tokio::test]
async fn attributes_are_written_in_place() {
    let bench = Bench::real();
    let comm = format!("/proc/{}/comm", std::process::id());
    let old = fs::read_to_string(&comm).unwrap();
    let sink = sink(&comm, Pipeline::default());
    let undo = set(&sink, &Value::Text("gateway".into()), &bench.context()).await.unwrap().unwrap();
    assert_eq!(fs::read_to_string(&comm).unwrap(), "gateway\n");
    undo.undo().await.unwrap();
    assert_eq!(fs::read_to_string(&comm).unwrap(), old);
}

#[tokio::test]
async fn written_values_are_read_back() {
    let bench = Bench::new().file("/a", "1\n");
    let verify = Some(Duration::from_millis(150));
    let mapping = NodeMapping { get: vec![file_source("/a")], verify, ..NodeMapping::default() };
    assert!(verified(&mapping, Format::Int, &Value::Int(1), &bench.context()).await.unwrap());
    assert!(!verified(&mapping, Format::Int, &Value::Int(2), &bench.context()).await.unwrap());
    let one_way = NodeMapping { verify: None, ..mapping };
    assert!(verified(&one_way, Format::Int, &Value::Int(2), &bench.context()).await.unwrap());
}

#[tokio::test]
async fn globs_name_children() {
    let bench = Bench::new()
        .file("/sys/net/eth0/mtu", "1500")
        .file("/sys/net/br:1/mtu", "1500")
        .file("/sys/net/.hidden/mtu", "1")
        .file("/dev/ttyS0", "")
        .file("/dev/ttyUSB1", "");
    let glob = async |pattern: &str| {
        let children = bench.list(ListFrom::Glob(pattern.into()), 1024).await?;
        Ok::<_, BackendError>(
            children.into_iter().map(|child| (child.name, child.captured)).collect::<Vec<_>>(),
        )
    };
    let pair = |name: &str, captured: &str| (name.to_owned(), captured.to_owned());
    assert_eq!(glob("/sys/net/*").await.unwrap(), [pair("br%3A1", "br:1"), pair("eth0", "eth0")]);
    assert_eq!(glob("/sys/net/*/mtu").await.unwrap(), [pair("br%3A1", "br:1"), pair("eth0", "eth0")]);
    assert_eq!(glob("/dev/tty*[0-9]").await.unwrap(), [pair("S", "S"), pair("USB", "USB")]);
    assert_eq!(glob("/none/*").await.unwrap(), []);
    // The same name twice.
    let twice = glob("/*/*").await.unwrap_err().to_string();
    assert_eq!(twice, "list: \"dev\" is there twice");
    for pattern in ["/sys/net", "/sys/*-*", "/../*", "/**"] {
        glob(pattern).await.unwrap_err();
    }
    assert_eq!(bench.list(ListFrom::Glob("/sys/net/*".into()), 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nested_globs_use_the_names_above() {
    let mut bench = Bench::new().file("/net/eth0/queues/rx-0", "").file("/net/[ab]/queues/rx-1", "");
    let glob = || ListFrom::Glob("/net/{if}/queues/rx-*".into());
    bench.names = vec![("if".into(), "[ab]".into())];
    assert_eq!(bench.list(glob(), 10).await.unwrap()[0].name, "1");
    bench.names = vec![("if".into(), "..".into())];
    assert!(matches!(bench.list(glob(), 10).await, Err(BackendError::Fill(_))));
}

#[tokio::test]
async fn programs_name_children() {
    let bench = Bench::new();
    let names = async |script: &str, json, key: Option<&str>| {
        let argv = bench.script(script);
        let from = ListFrom::Run { argv, json, key: key.map(str::to_owned), matching: None };
        let children = bench.list(from, 10).await?;
        Ok::<_, BackendError>(children.into_iter().map(|child| (child.name, child.item)).collect::<Vec<_>>())
    };
    let leases = r#"echo '[{"mac":"aa:bb","ip":"192.0.2.7"}]'"#;
    let item = json!({ "mac": "aa:bb", "ip": "192.0.2.7" });
    assert_eq!(names(leases, true, Some("mac")).await.unwrap(), [("aa%3Abb".to_owned(), Some(item))]);
    assert_eq!(names(r#"echo '{"a":{"v":1}}'"#, true, None).await.unwrap()[0].1, Some(json!({ "v": 1 })));
    assert_eq!(names("echo '[7]'", true, None).await.unwrap()[0].0, "7");
    assert_eq!(names("printf 'a\\n\\n b \\n'", false, None).await.unwrap().len(), 2);
    for (script, json, key) in [
        (leases, true, Some("name")),
        (leases, true, None),
        ("echo '['", true, None),
        (r#"echo '[""]'"#, true, None),
        (r#"echo '["a","a"]'"#, true, None),
        ("exit 1", false, None),
    ] {
        names(script, json, key).await.unwrap_err();
    }
}
