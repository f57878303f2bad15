//! The agent, killed at any moment of changes that touch the store, several files and a D-Bus property at once: after
//! the next start all of a change is there, or nothing of it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::bus::{Daemon, MODEM, Modem, SERVICE, serve};
use crate::support::ddf::{self, node};
use crate::support::{Bench, Setup};

/// How often the agent is killed.
const ROUNDS: usize = 100;
/// The longest that it may go on after the first answer, in microseconds.
const LIFE: u32 = 160_000;
/// Documents in a round, and how many of them a package asks for.
const DOCUMENTS: u64 = 24;
const EACH: u64 = 4;
/// How many names the added nodes take turns with.
const NAMES: u64 = 3;

const MOID: &str = "urn:t:mo:mixed:1.0";

/// Two stored leaves, three files, a property, and nodes that are files of a folder.
fn put_object(bench: &Bench) {
    let text = node("Text", "chr", "Get Replace", "One", "");
    let entry = node("&lt;e&gt;", "node", "Add Delete Get Replace", "ZeroOrMore", &text);
    let children = [
        node("Name", "chr", "Get Replace", "One", ""),
        node("Number", "int", "Get Replace", "One", ""),
        node("A", "chr", "Get Replace", "One", ""),
        node("B", "chr", "Get Replace", "One", ""),
        node("C", "chr", "Get Replace", "One", ""),
        node("Label", "chr", "Get Replace", "One", ""),
        node("Entries", "node", "Get Replace", "One", &entry),
    ];
    let root = node("Mixed", "node", "Get Replace", "One", &children.concat());
    let file = |name: &str| format!("get = {{ file = \"{name}\" }}\nset = {{ file = \"{name}\" }}\n");
    let mapping = format!(
        "instances = [\"1\"]\n\
         [object.modem]\ndbus = \"{SERVICE}\"\npath = \"/org/t/Modems1/Modem/*\"\ninterface = \"{MODEM}\"\n\
         [node.Label]\nget = {{ object = \"modem\", property = \"Label\" }}\n\
         set = {{ object = \"modem\", property = \"Label\" }}\n\
         [node.A]\n{}[node.B]\n{}[node.C]\n{}\
         [node.\"Entries/<e>\"]\nlist = {{ glob = \"@folder@/state/entries/*\" }}\n\
         add = {{ file = \"@folder@/state/entries/{{e}}\" }}\n\
         delete = {{ file = \"@folder@/state/entries/{{e}}\" }}\n\
         [node.\"Entries/<e>/Text\"]\n{}",
        file("@folder@/state/a"),
        file("@folder@/state/b"),
        file("@folder@/state/c"),
        file("@folder@/state/entries/{e}"),
    );
    ddf::put(&bench.gateway, MOID, "Mixed", &root, &mapping);
    std::fs::create_dir(bench.gateway.path("state/entries")).unwrap();
}

/// The whole instance in its state of this number.
fn document(number: u64) -> String {
    let text = number.to_string();
    json!({"MOData": {
        "Name": text, "Number": number, "A": text, "B": text, "C": text, "Label": text,
        "Entries": {entry(number): {"Text": text}}
    }})
    .to_string()
}

fn entry(number: u64) -> String {
    format!("e{}", number % NAMES)
}

/// The number that all files, and a property that is `label`, are in the state of.
fn number_outside(state: &Path, label: &str, round: usize) -> u64 {
    let read = |name: &str| std::fs::read_to_string(state.join(name)).unwrap_or_default().trim().to_owned();
    let [a, b, c] = ["a", "b", "c"].map(read);
    let all_same = a == b && b == c && c == label;
    assert!(all_same, "round {round}: files hold {a:?}, {b:?} and {c:?}, the property {label:?}");
    let names = |folder: &Path| {
        let entries = folder.read_dir().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let number = a.parse().unwrap_or_default();
    let mut expected = vec!["entries".to_owned(), "store.redb".to_owned()];
    if number > 0 {
        expected.splice(0..0, ["a", "b", "c"].map(str::to_owned));
        assert_eq!(names(&state.join("entries")), [entry(number)], "round {round}, {number}");
        assert_eq!(read(&format!("entries/{}", entry(number))), a, "round {round}");
    } else {
        assert!(names(&state.join("entries")).is_empty(), "round {round}");
    }
    // The package that the agent was killed in is remembered.
    let names: Vec<_> = names(state).into_iter().filter(|name| name != "risks").collect();
    assert_eq!(names, expected, "round {round}: nothing is left lying around");
    number
}

#[tokio::test]
async fn a_killed_agent_leaves_all_of_a_change_or_nothing() {
    let daemon = Daemon::start();
    let (modem, outside) = Modem::new("35");
    let _service = serve(&daemon, [("0", modem)]).await;
    let bench = Bench::with(Setup { config: daemon.config(), ..Setup::default() }).await;
    put_object(&bench);
    let state = bench.gateway.path("state");
    let (mut offered, mut acknowledged, mut interrupted, mut restored) = (0, 0, 0, 0);
    for round in 0..ROUNDS {
        // What is there; then a session full of changes.
        let reads = json!([["GET", format!("{MOID}//Name")], ["GET", format!("{MOID}//Number")]]);
        let start = offered + 1;
        offered += DOCUMENTS;
        for number in start..=offered {
            bench.repository.put(&format!("/{number}"), "application/dmmo+json", document(number));
        }
        let writes = (start..=offered)
            .map(|number| json!(["HGET", format!("{{repository}}/{number}"), format!("{MOID}//")]));
        let writes: Vec<Value> = writes.collect();
        let packages = writes.chunks(usize::try_from(EACH).unwrap()).map(|package| json!(package));
        bench.play(std::iter::once(reads).chain(packages).collect());

        let before = bench.packages().len();
        let agent = bench.start().await;
        restored += usize::from(agent.log().contains("as it was before"));
        let label = outside.lock().unwrap().label.clone();
        let number = number_outside(&state, &label, round);
        bench.notify().await;
        bench.until(&agent, "what is stored", |exchanges| exchanges.len() > before + 1).await;
        let packages = bench.packages();
        let leaf = |position| packages[before + 1].part(position).map(|part| part.body.clone());
        let stored = leaf(1).map_or(0, |body| String::from_utf8(body).unwrap().parse().unwrap());
        assert_eq!(leaf(1), leaf(2), "round {round}: both leaves are of one document");
        assert_eq!(stored, number, "round {round}: the store and what is outside are of one document");
        assert!(
            (acknowledged..start).contains(&number),
            "round {round}: {acknowledged} was acknowledged, {number}"
        );
        acknowledged = number;

        tokio::time::sleep(Duration::from_micros(u64::from(getrandom::u32().unwrap() % LIFE))).await;
        agent.kill().await;
        let answered = &bench.packages()[before + 2..];
        for package in answered {
            assert!(package.statuses().iter().all(|status| *status == 200), "{:?}", package.json);
        }
        let answered = u64::try_from(answered.len()).unwrap();
        if answered > 0 {
            acknowledged = start - 1 + answered * EACH;
        }
        interrupted += usize::from(answered * EACH < DOCUMENTS);
    }
    assert!(
        interrupted > ROUNDS / 2,
        "the agent was too fast: {interrupted} of {ROUNDS} sessions interrupted"
    );
    println!(
        "{interrupted} of {ROUNDS} sessions were interrupted, {restored} changes taken back, \
         document {acknowledged} of {offered} is there"
    );
}
