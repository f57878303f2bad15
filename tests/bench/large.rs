//! An instance of many nodes on its way to a data repository.

use std::time::{Duration, Instant};

use omadm_agent::lab::gateway::Gateway;
use omadm_agent::mo::Value;
use omadm_agent::store::{Change, NodeKey, Store, Stored};
use serde_json::json;

use crate::process::field;
use crate::support::{Bench, ddf};
use crate::{Table, block_on, mib, millis};

const MOID: &str = "urn:x-omadm:mo:large:1.0";
const WRITABLE: &str = "urn:x-omadm:mo:writable:1.0";
const NODES: usize = 100_000;
const BUDGET: u64 = 16 << 20;

pub(crate) fn instance(table: &mut Table) {
    block_on(async {
        let bench = Bench::new().await;
        put_object(&bench.gateway);
        fill(&bench.gateway);
        let agent = bench.start().await;
        bench.play(json!([]));
        bench.session(&agent, 1).await;
        let idle = agent.resident() as u64;
        for (number, command) in [(2, "HPUT"), (3, "HPOST")] {
            bench.play(json!([[[command, "{repository}/large", format!("{MOID}//")]]]));
            let begun = Instant::now();
            bench.session(&agent, number).await;
            let taken = begun.elapsed();
            let body = bench.repository.get("/large").unwrap().body;
            assert!(body.len() > NODES * 10, "{}", bench.statuses().concat().len());
            // The kernel keeps the highest.
            let above = (field(&agent, "VmHWM:") << 10).saturating_sub(idle);
            let what = format!("{command} of {NODES} nodes ({}): RSS above idle", mib(body.len() as u64));
            table.row(&what, mib(above), "< 16 MiB", Some(above < BUDGET));
            table.note("  from the notification to END", millis(taken));
        }
        agent.stop().await;
    });
    after_large_work(table, 24_000, 1);
    after_large_work(table, 4_000, 15_000);
}

/// What is kept of the memory that large work took.
fn after_large_work(table: &mut Table, children: usize, gets: usize) {
    const REST: Duration = Duration::from_secs(10);
    block_on(async {
        let bench = Bench::new().await;
        put_object(&bench.gateway);
        put_writable(&bench.gateway);
        let items: serde_json::Map<_, _> =
            (0..children).map(|number| (format!("n{number}"), json!({"Value": "a value"}))).collect();
        let document = json!({"MOID": WRITABLE, "MOData": {"Writable": {"Items": items}}});
        bench.repository.put("/new", "application/dmmo+json", document.to_string());
        let commands = vec![json!(["GET", format!("{WRITABLE}//Items/n7/Value")]); gets];
        bench.play(json!([[["HGET", "{repository}/new"]], commands]));
        let agent = bench.start().await;
        bench.session(&agent, 1).await;
        assert_eq!(bench.statuses(), [vec![201], vec![200; gets]], "{}", agent.log());
        let (highest, begun) = (field(&agent, "VmHWM:") << 10, Instant::now());
        while begun.elapsed() < REST {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let kept = agent.resident() as u64;
        let what = format!("HGET of {} nodes, {gets} GETs, 10 s: RSS", 2 * children);
        table.row(&what, mib(kept), "≤ 8 MiB", Some(kept <= 8 << 20));
        table.note("  at most", mib(highest));
        agent.stop().await;
    });
}

fn put_writable(gateway: &Gateway) {
    let node = |name: &str, format: &str, occurrence: &str, below: &str| {
        ddf::node(name, format, "Add Delete Get Replace", occurrence, below)
    };
    let item = node("", "node", "ZeroOrMore", &node("Value", "chr", "One", ""));
    let root = node("Writable", "node", "ZeroOrMore", &node("Items", "node", "One", &item));
    ddf::put(gateway, WRITABLE, "Writable", &root, "dynamic = true\n");
}

/// Half of the nodes are un-named, the others their leaves.
fn fill(gateway: &Gateway) {
    let store = Store::open(&gateway.path("state")).unwrap().store;
    let items = (0..NODES / 2).flat_map(|number| {
        let item = format!("item-{number:06}");
        let key = |names: &[&str]| NodeKey::node(&MOID.into(), "1", names.iter().copied());
        let value = Value::Text(format!("the value of item number {number}"));
        [
            Change::Put(key(&["Items", &item]), Stored::Interior),
            Change::Put(key(&["Items", &item, "Value"]), Stored::Leaf(value)),
        ]
    });
    store.commit_blocking(&items.collect::<Vec<_>>()).unwrap();
}

fn put_object(gateway: &Gateway) {
    let node = |name: &str, format: &str, occurrence: &str, below: &str| {
        ddf::node(name, format, "Get", occurrence, below)
    };
    let item = node("", "node", "ZeroOrMore", &node("Value", "chr", "One", ""));
    let root = node("Large", "node", "One", &node("Items", "node", "One", &item));
    ddf::put(gateway, MOID, "Large", &root, "instances = [\"1\"]");
}
