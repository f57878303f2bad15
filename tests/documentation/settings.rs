//! `docs/configuration.md`.

use std::collections::BTreeSet;

use super::{CONFIGURATION, NESTED, Place, is_told, keys, place};
use crate::support::checked::{Folder, expected_beside};
use crate::support::page::tables;

/// The tables of `docs/configuration.md`.
const SETTINGS: [(&str, Place); 14] = [
    ("notification", place("[notification]\n", &[])),
    ("session", place("[session]\n", &[])),
    ("exec", place("[exec]\n", &[])),
    ("alert", place("[alert]\n", &[])),
    ("store", place("[store]\n", &[])),
    ("show", place("[show]\n", &[])),
    ("dbus", place("[dbus]\n", &[])),
    ("subscription", place("[subscription]\n", &[])),
    ("paths", place("[paths]\n", &[])),
    ("objects", place("[objects]\n", &[])),
    ("bootstrap", place("[bootstrap]\n", &[])),
    ("bootstrap.schedule", place("[bootstrap.schedule]\n", &[])),
    ("subscriber", place("[subscriber]\n", &[])),
    ("", place("", &[])),
];

#[test]
fn the_page_of_the_settings_has_all_keys_and_no_other() {
    let (page, folder) = (tables(CONFIGURATION), Folder::new());
    let sections = expected_beside(&folder.check("zzz = 1\n"));
    let headed: BTreeSet<String> = CONFIGURATION
        .lines()
        .filter_map(|line| Some(line.strip_prefix("## `[")?.strip_suffix("]`")?.to_owned()))
        .collect();
    assert_eq!(headed, sections, "the page's headings, and the program's sections");
    let known: BTreeSet<&str> =
        SETTINGS.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
    assert_eq!(page.keys().map(String::as_str).collect::<BTreeSet<_>>(), known);
    for (name, place) in SETTINGS.iter().filter(|(name, _)| !name.is_empty()) {
        let rows = &page[*name];
        let said = folder.check(&place.with("", "zzz = 1"));
        assert_eq!(keys(rows), expected_beside(&said), "[{name}]");
        for row in rows {
            let is_table =
                [format!("{} = {{ zzz = 1 }}", row.key), format!("{} = {{ x = {{ zzz = 1 }} }}", row.key)];
            let is_table = is_table
                .iter()
                .any(|line| !expected_beside(&folder.check(&place.with(&row.key, line))).is_empty());
            let said_so = NESTED.iter().any(|(table, key, _)| (*table, *key) == (*name, row.key.as_str()));
            assert_eq!(is_table, said_so, "[{name}] {}: the page must have its keys", row.key);
        }
    }
    assert_eq!(
        expected_beside(&folder.check("[subscriber]\nMCC.zzz = 1\n")),
        BTreeSet::from(["get".to_owned()])
    );
}

#[test]
fn the_page_of_the_settings_has_right_examples_defaults_and_errors() {
    let (page, folder) = (tables(CONFIGURATION), Folder::new());
    let programs = folder.path("lib").display().to_string();
    for (name, place) in SETTINGS.iter().filter(|(name, _)| !name.is_empty()) {
        for row in &page[*name] {
            let check = |line: &str| {
                folder.check(&(place.before.to_owned() + &line.replace("/usr/lib/acme", &programs)))
            };
            assert_eq!(check(&row.example), [""; 0], "[{name}] {}", row.example);
            if let Some(default) = &row.default {
                assert_eq!(
                    check(&format!("{} = {default}", row.key)),
                    [""; 0],
                    "[{name}] {}: its default",
                    row.key
                );
            }
            is_told(&check(&row.wrong), row, name);
        }
    }
    // The defaults as the configuration file that is shipped has them.
    let shipped = include_str!("../../packaging/config/omadmd.toml");
    let mut section = String::new();
    for line in shipped.lines() {
        if let Some(name) = line.trim_start_matches('#').strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, default)) = line.strip_prefix('#').and_then(|line| line.split_once(" = "))
            && let Some(row) = page.get(&section).and_then(|rows| rows.iter().find(|row| row.key == key))
            && section != "bootstrap"
        {
            assert_eq!(row.default.as_deref(), Some(default), "[{section}] {key}");
        }
    }
}
