//! The page for operators names messages as the agent writes them.

use super::pages::files;
use crate::support::named::root;

/// What is the operating system's to say.
const OF_THE_SYSTEM: [&str; 2] = ["Connection refused", "unreachable"];

/// The messages in the table of why a device is not at its server.
fn messages(page: &str) -> Vec<&str> {
    let (_, table) = page.split_once("\n| the journal says |").expect("the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split(" | ").next().unwrap());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// The parts of a message that the source has as they are: between numbers, names, and what one error says of another.
fn parts(message: &str) -> Vec<&str> {
    let parts = message.split(|c: char| c.is_ascii_digit() || ['…', ':', ';'].contains(&c));
    let words = |part: &&str| part.chars().filter(|c| c.is_alphabetic()).count() > 3;
    parts.map(str::trim).filter(words).filter(|part| !OF_THE_SYSTEM.contains(part)).collect()
}

#[test]
fn the_messages_that_operators_are_told_of_are_the_agents() {
    let page = std::fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let sources: Vec<String> = files(&root().join("src"), "rs", true)
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let all: Vec<&str> = messages(&page).into_iter().flat_map(parts).collect();
    let lost: Vec<&&str> =
        all.iter().filter(|part| !sources.iter().any(|source| source.contains(**part))).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(all.len() > 15, "{all:?}");
}
