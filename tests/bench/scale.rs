//! Whether cost grows with the work: a thousand, ten thousand, a hundred thousand of each, and what one of them takes.

use std::time::Instant;

use omadm_agent::lab::gateway::Gateway;
use omadm_agent::mo::MoData;
use omadm_agent::tree::{Document, Resolved, Rights};
use omadm_agent::uri::ClientUri;
use serde_json::json;

use crate::support::ddf;
use crate::tree::Inside;
use crate::{Table, block_on, mib};

const MOID: &str = "urn:x-omadm:mo:scale:1.0";
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
/// A body has so many documents at the most: the agent takes none of more than 50,000 nodes.
const BODY: usize = 10_000;
/// Commands of one Package#2, and GETs to find out what one takes.
const COMMANDS: usize = 2_000;

pub(crate) fn grows_with_the_work(table: &mut Table) {
    let mut times: Vec<[f64; 4]> = Vec::new();
    for size in SIZES {
        let inside = Inside::with(put_object);
        let before = resident();
        let instances = block_on(store(&inside, size, |_| new()));
        let siblings = block_on(store(&inside, size, |number| {
            at(&format!("{MOID}/1/Items/n{number}"), &json!({"Value": format!("the value of item {number}")}))
        }));
        let one = block_on(gets(&inside, &format!("{MOID}/{size}/Items")));
        let commands: Vec<_> = (0..COMMANDS)
            .map(|number| json!(["GET", format!("{MOID}/1/Items/n{}/Value", number % size)]))
            .collect();
        let package2 = json!({ "CMD": commands }).to_string().into_bytes();
        let begun = Instant::now();
        block_on(inside.session(&package2, 2));
        times.push([instances, siblings, one, begun.elapsed().as_secs_f64() / COMMANDS as f64]);
        table.note(
            &format!("memory that {size} instances and siblings leave behind"),
            mib(resident() - before),
        );
    }
    // A look-up reads more pages of a larger tree, and those that the store's small cache has not from the file.
    let what = [
        ("HGET: a new instance", 3.0),
        ("HGET: a sibling", 3.0),
        ("find one instance", 10.0),
        ("a command on one sibling", 3.0),
    ];
    for (column, (what, most)) in what.into_iter().enumerate() {
        let of = |row: usize| times[row][column] * 1e6;
        let found = format!("{:.1} · {:.1} · {:.1} µs", of(0), of(1), of(2));
        let ratio = of(2) / of(0);
        table.row(
            &format!("{what} among 10³ · 10⁴ · 10⁵ (× {ratio:.1})"),
            found,
            &format!("≤ {most} ×"),
            Some(ratio <= most),
        );
    }
}

/// Seconds for each of `count` documents.
async fn store(inside: &Inside, count: usize, document: impl Fn(usize) -> Document) -> f64 {
    let begun = Instant::now();
    for first in (0..count).step_by(BODY) {
        let body = (first..count.min(first + BODY)).map(&document).collect();
        inside.tree.store(body, None, &inside.principal()).await.unwrap();
    }
    begun.elapsed().as_secs_f64() / count as f64
}

async fn gets(inside: &Inside, uri: &str) -> f64 {
    let uri = ClientUri::parse(uri).unwrap();
    let begun = Instant::now();
    for _ in 0..COMMANDS {
        let found = inside.tree.resolve_all(&uri, &inside.principal(), Rights::READ).await.unwrap();
        assert!(matches!(found, Resolved::One(_)));
    }
    begun.elapsed().as_secs_f64() / COMMANDS as f64
}

fn new() -> Document {
    let data = MoData::from(json!({"Name": "a new one"}));
    Document { moid: Some(MOID.into()), client_uri: None, data, is_bare: false }
}

fn at(client_uri: &str, data: &serde_json::Value) -> Document {
    let data = MoData::from(data.clone());
    Document { moid: None, client_uri: Some(client_uri.to_owned()), data, is_bare: true }
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn put_object(gateway: &Gateway) {
    let item = ddf::node(
        "",
        "node",
        "Add Get Replace",
        "ZeroOrMore",
        &ddf::node("Value", "chr", "Get Replace", "One", ""),
    );
    let children = ddf::node("Name", "chr", "Get Replace", "ZeroOrOne", "")
        + &ddf::node("Items", "node", "Get Replace", "One", &item);
    let root = ddf::node("Scale", "node", "Get Replace", "ZeroOrMore", &children);
    ddf::put(gateway, MOID, "Scale", &root, "dynamic = true\n");
}
