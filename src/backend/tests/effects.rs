//! `set`, `verify`, undo.

use super::*;

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
