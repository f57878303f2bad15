//! What the tree has the helper do: over how many connections, and in which order.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::*;
use crate::backend::{Bus, Helper};
use crate::helper_protocol::{HelperOp, HelperReply, Verb, code, frame, length, parse};

const GATE: &str = "urn:t:mo:gate:1.0/1/";

const HEAD: &str = r#"
moid = "urn:t:mo:gate:1.0"
root = "Gate"
instances = ["1"]
[node.Limit]
access = "get replace"
[node."Limit/Value"]
format = "int"
get = { file = "/value", privileged = true }
set = { file = "/value", privileged = true }
max = { leaf = "../Most" }
[node."Limit/Most"]
format = "int"
get = { file = "/most", privileged = true }
set = { file = "/most", privileged = true }
min = { leaf = "../Value" }
[node."Links/<if>"]
list = { glob = "/net/*" }
[node."Links/<if>/Mtu"]
get = { file = "/net/{if}/mtu", privileged = true }
[node."Links/<if>/State/Up"]
get = { file = "/net/{if}/up", privileged = true }
"#;

/// The requests that were made, each with its operations.
type Asked = Arc<Mutex<Vec<Vec<HelperOp>>>>;

/// A helper that keeps what it is told.
async fn help(mut stream: UnixStream, asked: Asked, values: Arc<Mutex<HashMap<String, Json>>>) {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.unwrap();
    let mut content = vec![0; length(header).unwrap()];
    stream.read_exact(&mut content).await.unwrap();
    let request = parse(&content).unwrap();
    asked.lock().unwrap().push(request.ops.clone());
    for (index, op) in request.ops.into_iter().enumerate() {
        let place = format!("{} {:?}", op.node, op.vars);
        let value = {
            let mut values = values.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Verb::Set, Some(value)) = (op.op, op.value) {
                values.insert(place, value);
                None
            } else {
                let unset = if op.node.starts_with("Limit") { json!(7) } else { json!("7") };
                Some(values.get(&place).cloned().unwrap_or(unset))
            }
        };
        let reply = HelperReply { index, code: Some(code::OK), value, ..HelperReply::default() };
        stream.write_all(&frame(&reply).unwrap()).await.unwrap();
    }
}

fn bench() -> (Bench, Asked) {
    let mut bench = Bench::new();
    let folder = bench.folder.path();
    let many: String = (0..100)
        .map(|n| format!("[node.\"Many/L{n}\"]\nget = {{ file = \"/l{n}\", privileged = true }}\n"))
        .collect();
    put(&folder.join("mo/gate/gate.toml"), &format!("{HEAD}{many}"));
    for number in 0..50 {
        std::fs::create_dir(folder.join(format!("root/net/eth{number}"))).unwrap();
    }
    let mut problems = Problems::default();
    let object = mo::load::load_one(&folder.join("mo/gate"), &mut problems);
    let object = Arc::new(object.unwrap_or_else(|| panic!("{problems}")));
    let listener = UnixListener::bind(folder.join("socket")).unwrap();
    let (asked, values) = (Asked::default(), Arc::default());
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(help(stream, Arc::clone(&noted), Arc::clone(&values)));
        }
    });
    let machine = Machine::new(folder.join("root"), Bus::none());
    let machine = Machine { helper: Some(Arc::new(Helper::new(folder.join("socket")))), ..machine };
    let store = Store::open(&folder.join("state-of-gate")).unwrap().store;
    let accounts = vec![Arc::clone(&bench.account)];
    bench.tree = Tree::new(vec![object], accounts, store, Arc::new(machine), Instant::now());
    (bench, asked)
}

#[tokio::test]
async fn one_reading_asks_the_helper_over_a_few_connections() {
    let (bench, asked) = bench();
    let read = bench.read(GATE).await.unwrap();
    assert_eq!(read["Many"]["L99"], "7");
    assert_eq!(read["Links"]["eth49"], json!({ "Mtu": "7", "State": { "Up": "7" } }));
    let requests: Vec<usize> = asked.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(requests.iter().sum::<usize>(), 202, "nothing is asked twice: {requests:?}");
    assert_eq!(requests, [102, 100]);
    // One leaf is one request.
    assert_eq!(bench.read(&format!("{GATE}Many/L3")).await.unwrap(), "7");
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_limit_that_moves_with_its_value_is_written_before_what_it_does_not_yet_let_pass() {
    let (bench, asked) = bench();
    let written = || -> Vec<String> {
        let ops: Vec<HelperOp> = asked.lock().unwrap().drain(..).flatten().collect();
        ops.into_iter().filter(|op| op.op == Verb::Set).map(|op| op.node).collect()
    };
    // Both are 7.
    bench.write(&format!("{GATE}Limit"), json!({ "Value": 15, "Most": 20 })).await.unwrap();
    assert_eq!(written(), ["Limit/Most", "Limit/Value"]);
    bench.write(&format!("{GATE}Limit"), json!({ "Most": 4, "Value": 3 })).await.unwrap();
    assert_eq!(written(), ["Limit/Value", "Limit/Most"]);
}
