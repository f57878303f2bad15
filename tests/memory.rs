//! What large work takes of the memory, it gives back.

use std::fmt::Write;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Agent, Bench, ddf};

const LARGE: &str = "urn:bench:mo:large:1.0";
const JSON: &str = "application/dmmo+json";
const CHILDREN: usize = 6_000;
const LEAVES: [&str; 7] = ["A", "B", "C", "D", "E", "F", "G"];
/// What is kept of large work after this time is kept for good.
const REST: Duration = Duration::from_secs(10);
/// Of an agent's own memory: the store's cache, ends of heaps, stacks.
const MOST_KEPT: usize = 2 << 20;

/// The description of an object that is as large as a server likes.
fn root() -> String {
    let leaf = |name: &&str| ddf::node(name, "chr", "Get Replace", "ZeroOrOne", "");
    let leaves = LEAVES.iter().map(leaf).collect::<String>();
    let child = ddf::node("", "node", "Get Replace Add Delete", "ZeroOrMore", &leaves);
    let items = ddf::node("Items", "node", "Get Replace Add Delete", "ZeroOrOne", &child);
    ddf::node("Large", "node", "Get Replace Add Delete", "One", &items)
}

/// Eight nodes for each child.
fn as_json(children: usize) -> String {
    let leaves = LEAVES.map(|name| format!("\"{name}\":\"value of {name}\"")).join(",");
    let items = (0..children).map(|n| format!("\"n{n}\":{{{leaves}}}")).collect::<Vec<_>>().join(",");
    format!("{{\"MOID\":\"{LARGE}\",\"MOData\":{{\"Large\":{{\"Items\":{{{items}}}}}}}}}")
}

/// Half as many as a DM 1.x document, whose elements are counted.
fn as_xml() -> String {
    let node = |name: &str, inner: &str| format!("<Node><NodeName>{name}</NodeName>{inner}</Node>");
    let leaves = LEAVES.map(|name| node(name, &format!("<Value>value of {name}</Value>"))).concat();
    let items = (0..CHILDREN / 2).map(|n| node(&format!("n{n}"), &leaves)).collect::<String>();
    let named = format!("<RTProperties><Type><DDFName>{LARGE}</DDFName></Type></RTProperties>");
    let root = node("Large", &format!("{named}{}", node("Items", &items)));
    format!("<MgmtTree><VerDTD>1.2</VerDTD>{root}</MgmtTree>")
}

/// Waits until the agent has no more memory of its own than it had `before`, all but a little.
async fn gives_back(agent: &Agent, before: usize, what: &str) {
    let begun = Instant::now();
    while agent.anonymous() > before + MOST_KEPT {
        let (after, peak) = (agent.anonymous(), agent.peak());
        assert!(begun.elapsed() < REST, "{what}: {before} → {after} bytes; {peak} at most, of all kinds");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Has a session store the large instance, and a smaller one, which it sends in two ways.
async fn works(document: (&str, String)) {
    let smaller = format!("{LARGE}/2/");
    let bench = Bench::playing(json!([
        [["HGET", "{repository}/large"], ["HGET", "{repository}/smaller"]],
        [["HPUT", "{repository}/copy", smaller], ["GET", smaller]],
    ]))
    .await;
    ddf::put(&bench.gateway, LARGE, "Large", &root(), "dynamic = true\n");
    bench.repository.put("/large", document.0, document.1);
    bench.repository.put("/smaller", JSON, as_json(CHILDREN / 20));
    let agent = bench.start().await;
    let (before, resident) = (agent.anonymous(), agent.resident());
    bench.notify().await;
    bench.until(&agent, "the end", |exchanges| exchanges.len() >= 3).await;
    assert_eq!(bench.statuses(), [vec![201, 201], vec![200, 200]], "{}", agent.log());
    gives_back(&agent, before, document.0).await;
    assert!(agent.peak() > resident + 3 * MOST_KEPT, "it was no large work: {}", agent.peak());
    agent.stop().await;
}

#[tokio::test]
async fn what_a_large_instance_takes_of_the_memory_is_given_back() {
    works((JSON, as_json(CHILDREN))).await;
}

/// Most of what is made for a package's answers goes with them; the first that is large comes when the heap is as well.
#[tokio::test]
async fn so_it_is_of_many_commands_after_a_large_instance() {
    const GETS: usize = 15_000;
    let gets = vec![json!(["GET", format!("{LARGE}/2/Items/n7/A")]); GETS];
    let bench =
        Bench::playing(json!([[["HGET", "{repository}/large"], ["HGET", "{repository}/smaller"]], gets,]))
            .await;
    ddf::put(&bench.gateway, LARGE, "Large", &root(), "dynamic = true\n");
    bench.repository.put("/large", JSON, as_json(CHILDREN / 6));
    bench.repository.put("/smaller", JSON, as_json(CHILDREN / 20));
    let agent = bench.start().await;
    let (before, resident) = (agent.anonymous(), agent.resident());
    bench.notify().await;
    bench.until(&agent, "the end", |exchanges| exchanges.len() >= 3).await;
    assert_eq!(bench.statuses(), [vec![201, 201], vec![200; GETS]], "{}", agent.log());
    gives_back(&agent, before, "many commands").await;
    assert!(agent.peak() > resident + 3 * MOST_KEPT, "it was no large work: {}", agent.peak());
    agent.stop().await;
}

#[tokio::test]
async fn so_it_is_of_a_dm_1_document() {
    works(("application/vnd.syncml.dmtnds+xml", as_xml())).await;
}

#[tokio::test]
async fn so_it_is_of_large_descriptions() {
    let bench = Bench::new().await;
    ddf::put(&bench.gateway, LARGE, "Large", &root(), "dynamic = true\n");
    let agent = bench.start().await;
    let (before, resident) = (agent.anonymous(), agent.resident());
    let mut comments = String::new();
    for number in 0..120_000 {
        write!(comments, "<!-- comment {number}: nothing that is kept of it -->").unwrap();
    }
    ddf::put(&bench.gateway, LARGE, "Large", &(comments + &root()), "dynamic = true\n# again\n");
    let begun = Instant::now();
    agent.signal(Signal::SIGHUP);
    while agent.times_said("READY=1") < 2 {
        assert!(begun.elapsed() < 3 * REST, "{}", agent.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    gives_back(&agent, before, "a reload").await;
    assert!(agent.peak() > resident + 3 * MOST_KEPT, "it was no large work: {}", agent.peak());
    agent.stop().await;
}
