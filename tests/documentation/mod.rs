//! The pages of `docs/` for integrators and operators, and `examples/`, held against the program: each key that a page
//! has is one that `omadmd` reads, and the other way round; each example passes `omadmd --check`, each line that a page
//! calls wrong gets the message that the page has for it, and a server gets the statuses that a page says.
//!
//! What any page leads to and names is there, and the page of the journal has every message.
//!
//! The keys that the program knows are asked of itself: it lists them where it meets one that it does not know.

mod accounts;
mod blocks;
mod examples;
mod journal;
mod lanes;
mod links;
mod man;
mod mapping;
mod names;
mod operating;
mod packages;
mod pages;
mod settings;
mod statuses;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::support::page::Row;

const MAPPING: &str = include_str!("../../docs/mapping.md");
const CONFIGURATION: &str = include_str!("../../docs/configuration.md");
const ACCOUNTS: &str = include_str!("../../docs/accounts.md");

/// The least account.
const LEAST: &str = "server-id = \"least\"\nserver-uri = \"https://dm.example/\"\n";

/// Where the rows of a table stand in a file: what is before them, and what else is needed there, by its key.
struct Place {
    before: &'static str,
    beside: &'static [(&'static str, &'static str)],
}

impl Place {
    /// A file with `line`, whose key is `key`.
    fn with(&self, key: &str, line: &str) -> String {
        let mut text = self.before.to_owned();
        for (_, beside) in self.beside.iter().filter(|(own, _)| own.is_empty() || *own != key) {
            let _ = writeln!(text, "{beside}");
        }
        format!("{text}{line}\n")
    }
}

const fn place(before: &'static str, beside: &'static [(&'static str, &'static str)]) -> Place {
    Place { before, beside }
}

/// The keys that are tables themselves, and which table of the page has theirs.
const NESTED: [(&str, &str, &str); 23] = [
    ("account", "permissions", "permission"),
    ("account", "tls", "tls"),
    ("account", "auth", "auth"),
    ("auth", "basic", "auth.password"),
    ("auth", "digest", "auth.password"),
    ("auth", "certificate", "auth.certificate"),
    ("account", "notification", "account.notification"),
    ("account", "schedule", "account.schedule"),
    ("account", "push", "push"),
    ("account", "bootstrap", "account.bootstrap"),
    ("bootstrap", "schedule", "bootstrap.schedule"),
    ("subscriber", "MCC", ""),
    ("subscriber", "MNC", ""),
    ("subscriber", "CMCC", ""),
    ("subscriber", "CMNC", ""),
    ("subscriber", "SPName", ""),
    ("subscriber", "IMSI", ""),
    ("subscriber", "object", ""),
    ("head", "instances", "instance"),
    ("head", "object", "object"),
    ("head", "node", "node"),
    ("node", "exec", "exec-of-node"),
    ("exec-of-node", "alert", "exec-alert"),
];

/// The keys of a table.
fn keys(rows: &[Row]) -> BTreeSet<String> {
    let keys: BTreeSet<String> = rows.iter().map(|row| row.key.clone()).collect();
    assert_eq!(keys.len(), rows.len(), "a key is there twice: {keys:?}");
    keys
}

/// The program must say of a wrong line what the page says that it does.
fn is_told(said: &[String], row: &Row, table: &str) {
    let told = said.iter().any(|line| line.contains(&row.message));
    assert!(told, "{table}: {}\nthe page says: {}\nthe program: {said:#?}", row.wrong, row.message);
}
