//! What one server can ask for at once, through the program and the network: how long it takes, and in how much memory.

use std::time::{Duration, Instant};

use omadm_agent::lab::gateway::Gateway;
use serde_json::{Value, json};

use crate::process::field;
use crate::support::{Agent, Bench, ddf};
use crate::{Table, block_on, mib};

const MOID: &str = "urn:x-omadm:mo:busy:1.0";
/// A body has no more nodes than this, its root included.
const SIBLINGS: usize = 49_000;
/// How often a Package#2 asks for the same instance, and how many nodes that has.
const GETS: usize = 25_000;
const NODES: usize = 600;
/// Far from what any of it takes, and near what it took when it grew faster than the work.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn much_at_once(table: &mut Table) {
    block_on(async {
        for count in [2_000, 9_000] {
            let mut running = Running::new().await;
            running.put("/new", (0..count).map(|number| instance(json!({"Name": number.to_string()}))));
            running
                .row(table, &format!("HGET of {count} new instances"), json!([["HGET", "{repository}/new"]]))
                .await;
            running.row(table, &format!("GET of all {count}"), json!([["GET", format!("{MOID}/*/")]])).await;
            running.agent.stop().await;
        }
        let mut running = Running::new().await;
        running.put("/tags", [instance(json!({"Tags": tags(SIBLINGS)}))]);
        let what = format!("HGET of {SIBLINGS} un-named siblings");
        running.row(table, &what, json!([["HGET", "{repository}/tags"]])).await;
        running.agent.stop().await;

        let mut running = Running::new().await;
        running.put("/tags", [instance(json!({"Tags": tags(NODES)}))]);
        running.session(json!([["HGET", "{repository}/tags"]])).await;
        let gets: Vec<_> = (0..GETS).map(|_| json!(["GET", format!("{MOID}/1/")])).collect();
        let what = format!("{GETS} GETs of an instance of {NODES} nodes");
        running.row(table, &what, Value::Array(gets)).await;
        running.agent.stop().await;
    });
}

/// The agent, and how many sessions it has had.
struct Running {
    bench: Bench,
    agent: Agent,
    sessions: usize,
}

impl Running {
    async fn new() -> Self {
        let bench = Bench::new().await;
        put_object(&bench.gateway);
        let agent = bench.start().await;
        let mut running = Self { bench, agent, sessions: 0 };
        running.session(json!([])).await;
        running
    }

    fn put(&self, path: &str, documents: impl IntoIterator<Item = Value>) {
        let body: Value = documents.into_iter().collect();
        self.bench.repository.put(path, "application/dmmo+json", body.to_string());
    }

    /// A session with one Package#2 of these commands, and how long it took.
    async fn session(&mut self, commands: Value) -> Duration {
        self.bench.play(json!([commands]));
        self.sessions += 1;
        let begun = Instant::now();
        self.bench.session(&self.agent, self.sessions).await;
        begun.elapsed()
    }

    async fn row(&mut self, table: &mut Table, what: &str, commands: Value) {
        let idle = self.agent.resident() as u64;
        let taken = self.session(commands).await;
        let above = (field(&self.agent, "VmHWM:") << 10).saturating_sub(idle);
        let found = format!("{:.2} s · + {}", taken.as_secs_f64(), mib(above));
        table.row(what, found, &format!("≤ {} s", PATIENCE.as_secs()), Some(taken <= PATIENCE));
    }
}

fn instance(data: Value) -> Value {
    json!({"MOID": MOID, "MOData": data})
}

fn tags(count: usize) -> Value {
    (0..count).map(|number| (format!("tag{number:05}"), json!("t"))).collect::<serde_json::Map<_, _>>().into()
}

fn put_object(gateway: &Gateway) {
    let tag = ddf::node("", "chr", "Add Delete Get Replace", "ZeroOrMore", "");
    let children = ddf::node("Name", "chr", "Get Replace", "ZeroOrOne", "")
        + &ddf::node("Tags", "node", "Get Replace", "ZeroOrOne", &tag);
    let root = ddf::node("Busy", "node", "Get Replace", "ZeroOrMore", &children);
    ddf::put(gateway, MOID, "Busy", &root, "dynamic = true\n");
}
