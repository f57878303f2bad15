//! Keeps `tests/conformance.md` honest: every row is whole, and every test that it names is there.

use std::collections::BTreeSet;

use crate::support::named::{exists, root};

const STRENGTHS: [&str; 6] = ["MUST", "MUST NOT", "SHOULD", "MAY", "plain", "decision"];

struct Row {
    line: usize,
    id: String,
    section: String,
    strength: String,
    asks: String,
    shown: Shown,
}

/// What stands behind a test that asks for a local application, which has no way to ask.
const OVER_THE_BUS: &str = " (over the bus)";

/// The last cell of a row.
enum Shown {
    /// By these tests, and whether it is said that they ask over the bus.
    By(Vec<(String, bool)>),
    /// By none, for this reason.
    NotHere(String),
}

fn table() -> String {
    std::fs::read_to_string(root().join("tests/conformance.md")).unwrap()
}

/// The rows of all tables, heads left out. What can't be read is a failure that names its line.
fn rows(text: &str) -> Vec<Row> {
    let lines = text.lines().enumerate().filter(|(_, line)| line.starts_with('|'));
    lines.filter_map(|(at, line)| row(at + 1, line)).collect()
}

fn row(line: usize, text: &str) -> Option<Row> {
    let cells: Vec<&str> = text.trim_matches('|').split('|').map(str::trim).collect();
    let [id, section, strength, asks, shown] = cells.as_slice() else {
        panic!("line {line}: {} cells instead of 5", cells.len());
    };
    if *id == "id" || id.chars().all(|c| c == '-') {
        return None;
    }
    let shown =
        shown_by(shown).unwrap_or_else(|| panic!("line {line}: {id}: neither tests nor a reason: {shown:?}"));
    let own = |text: &str| text.to_owned();
    Some(Row { line, id: own(id), section: own(section), strength: own(strength), asks: own(asks), shown })
}

fn shown_by(cell: &str) -> Option<Shown> {
    if let Some(reason) = cell.strip_prefix("– ") {
        return Some(Shown::NotHere(reason.to_owned()));
    }
    let names = cell.split(", ").map(|name| {
        let (name, over_the_bus) = name.strip_suffix(OVER_THE_BUS).map_or((name, false), |name| (name, true));
        Some((name.strip_prefix('`')?.strip_suffix('`')?.to_owned(), over_the_bus))
    });
    names.collect::<Option<Vec<_>>>().map(Shown::By)
}

#[test]
fn every_row_is_whole_and_there_once() {
    let mut seen = BTreeSet::new();
    let rows = rows(&table());
    assert!(rows.len() > 700, "only {} rows were read", rows.len());
    for Row { line, id, section, strength, asks, .. } in &rows {
        let (part, number) = id.rsplit_once('-').unwrap_or_else(|| panic!("line {line}: {id}: no number"));
        assert!(!part.is_empty() && number.parse::<u16>().is_ok(), "line {line}: {id}");
        assert!(seen.insert(id.clone()), "line {line}: {id} is there twice");
        assert!(!section.is_empty(), "line {line}: {id} says no section");
        assert!(STRENGTHS.contains(&strength.as_str()), "line {line}: {id}: {strength:?}");
        assert!(asks.len() > 5, "line {line}: {id} asks nothing");
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let rows = rows(&table());
    let named = rows.iter().filter_map(|row| match &row.shown {
        Shown::By(tests) => Some((row, tests)),
        Shown::NotHere(_) => None,
    });
    let lost: Vec<String> = named
        .flat_map(|(row, tests)| tests.iter().map(move |test| (row, test)))
        .filter(|(_, (test, _))| !exists(test))
        .map(|(row, (test, _))| format!("line {}: {}: {test}", row.line, row.id))
        .collect();
    assert!(lost.is_empty(), "no such tests:\n{}", lost.join("\n"));
}

/// Whether the test asks the agent by D-Bus, as local applications do.
fn asks_over_the_bus(test: &str) -> bool {
    let Some((file, name)) = test.strip_prefix("tests/").and_then(|test| test.split_once("::")) else {
        return false;
    };
    let text = std::fs::read_to_string(root().join(format!("tests/{file}.rs"))).unwrap_or_default();
    let body = text.split_once(&format!("fn {name}(")).map_or("", |(_, rest)| rest);
    let body = body.split("\n}\n").next().unwrap_or_default();
    text.contains("use crate::support::local::") && body.contains("Agent::start(")
}

#[test]
fn a_test_that_asks_over_the_bus_is_said_to() {
    let mut found = 0;
    for Row { line, id, shown, .. } in rows(&table()) {
        let Shown::By(tests) = shown else { continue };
        for (test, said) in tests {
            assert_eq!(asks_over_the_bus(&test), said, "line {line}: {id}: {test}");
            found += usize::from(said);
        }
    }
    assert!(found > 20, "only {found}");
}

#[test]
fn a_row_without_a_test_says_why() {
    for Row { line, id, shown, .. } in rows(&table()) {
        match shown {
            Shown::By(tests) => assert!(!tests.is_empty(), "line {line}: {id}"),
            Shown::NotHere(reason) => {
                assert!(reason.len() >= 15, "line {line}: {id}: {reason:?} is no reason");
            }
        }
    }
}

/// What binds the server alone is listed too, so that a reader sees that nothing was overlooked.
#[test]
fn what_binds_the_server_only_is_counted() {
    let text = table();
    let lists: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("Server only (")).collect();
    assert!(lists.len() > 5, "only {} lists were read", lists.len());
    for list in lists {
        let (count, items) = list.split_once("): ").unwrap_or_else(|| panic!("no count: {list}"));
        assert_eq!(count.parse(), Ok(items.split("; ").count()), "{list}");
    }
}

#[test]
fn a_test_that_is_not_there_is_noticed() {
    assert!(exists("tests/conformance::a_test_that_is_not_there_is_noticed"));
    assert!(exists("uri::server::tests::every_template_expands"), "a property within a macro");
    assert!(exists("uri::client::tests::the_ten_examples_of_ts_6_1_3"), "a module of its own");
    assert!(!exists("uri::server::every_template_expands"), "the module is part of the name");
    assert!(!exists("uri::server::tests::every_template"));
    assert!(!exists("uri::server::tests::expand"), "a helper");
    assert!(!exists("tests/conformance::exists"));
    assert!(!exists("notification::listener::tests::child"), "it is switched off");
    assert!(!exists("nowhere::tests::x"));
}
