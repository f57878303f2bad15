//! A management object that a test commands over several sessions: what it says after each, and what was told of it.

use omadm_agent::lab::Exchange;
use serde_json::{Value, json};

use super::{Agent, Bench};

/// The object.
pub(crate) struct Published {
    /// Its MOID.
    pub(crate) moid: &'static str,
    /// Its root's name.
    pub(crate) root: &'static str,
}

impl Published {
    /// A node of its only instance.
    pub(crate) fn node(&self, path: &str) -> String {
        format!("{}//{path}", self.moid)
    }

    /// A command that writes a leaf, or with a JSON object a node.
    pub(crate) fn hget(&self, bench: &Bench, path: &str, value: &Value) -> Value {
        let name = format!("/{}", path.replace('/', "-"));
        let (mime, body) = match value {
            Value::String(text) => ("text/plain", text.clone()),
            Value::Object(_) => ("application/dmmo+json", json!({ "MOData": value }).to_string()),
            other => ("text/plain", other.to_string()),
        };
        bench.repository.put(&name, mime, body);
        json!(["HGET", format!("{{repository}}{name}"), self.node(path)])
    }

    /// One more session with these commands: their statuses, and what the object says afterwards.
    pub(crate) async fn session(
        &self,
        bench: &Bench,
        agent: &Agent,
        commands: &[Value],
    ) -> (Vec<u64>, Value) {
        let before = bench.tape.requests("dm").len();
        self.play(bench, agent, commands).await;
        let new: Vec<_> = bench.tape.requests("dm").split_off(before);
        let new: Vec<_> = new.iter().map(|request| request.package().unwrap()).collect();
        let first = new.iter().find(|package| !package.initiation).unwrap();
        let statuses = if commands.is_empty() { Vec::new() } else { first.statuses() };
        let read = new.iter().find_map(|package| package.part(1)).expect("a GET");
        let document: Value = serde_json::from_slice(&read.body).unwrap();
        (statuses, document["MOData"][self.root].clone())
    }

    /// One more session with these commands and a GET of all, until the server has had everything.
    pub(crate) async fn play(&self, bench: &Bench, agent: &Agent, commands: &[Value]) {
        let before = bench.tape.requests("dm").len();
        let read = json!([["GET", self.node("")]]);
        bench.play(if commands.is_empty() { json!([read]) } else { json!([commands, read]) });
        bench.notify().await;
        let ended = |exchanges: &[Exchange]| {
            exchanges.get(before..).and_then(<[_]>::last).is_some_and(|last| last.reply.ends_session())
        };
        bench.until(agent, "a GET", ended).await;
    }

    /// What the object says now.
    pub(crate) async fn read(&self, bench: &Bench, agent: &Agent) -> Value {
        self.session(bench, agent, &[]).await.1
    }

    /// Waits until a leaf has come to a value.
    pub(crate) async fn comes_to(&self, bench: &Bench, agent: &Agent, pointer: &str, expected: i64) {
        let mut seen = Vec::new();
        for _ in 0..100 {
            seen.push(self.read(bench, agent).await.pointer(pointer).cloned().unwrap_or_default());
            if seen.last().unwrap() == expected {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{pointer}: {expected} is not among {seen:?}: {}", agent.log());
    }
}

/// All alerts that the server was told so far.
pub(crate) fn alerts(bench: &Bench) -> Vec<Value> {
    let packages = bench.packages().into_iter();
    packages.filter_map(|package| package.json["Alert"]["Items"].as_array().cloned()).flatten().collect()
}

/// Waits for alert number `count`, and says what it is; there must be no other after it.
pub(crate) async fn told(bench: &Bench, agent: &Agent, count: usize) -> Value {
    let enough = |exchanges: &[Exchange]| {
        alerts(bench).len() >= count && exchanges.last().unwrap().reply.ends_session()
    };
    bench.until(agent, "an alert", enough).await;
    let mut alerts = alerts(bench);
    assert_eq!(alerts.len(), count, "{alerts:?}");
    alerts.pop().unwrap()
}

/// Waits until a program of the test's, which writes its steps into the bench's file `steps`, is at this one.
pub(crate) async fn at(bench: &Bench, step: &str) {
    super::appears(&bench.gateway.path("steps")).await;
    while super::tools::written(bench, "steps").lines().last() != Some(step) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// What such a program begins with: `say JSON` reports, `step NAME` waits until the test lets it go on. It opens the
/// pipe again where it met the end of the writer of the step before.
pub(crate) const STEPS: &str = r#"
say() { echo "$1" >&3; }
step() { echo "$1" >>@folder@/steps; until read -r _ <@folder@/pipe; do :; done; }
"#;
