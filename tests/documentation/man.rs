//! Manual pages are made of the pages of `docs/`, by `packaging/man`.

use std::io::Write as _;
use std::process::Command;

use super::{MAPPING, keys};
use crate::support::page::tables;

/// The manual page that a page becomes, and what `man` says of it.
fn made(page: &str, name: &str) -> (String, String) {
    let root = env!("CARGO_MANIFEST_DIR");
    let made = Command::new(format!("{root}/packaging/man"))
        .args([&format!("{root}/docs/{page}"), name, "5"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("{name}.5"));
    std::fs::File::create(&file).unwrap().write_all(&made.stdout).unwrap();
    let shown = Command::new("man")
        .args(["--warnings", "-l"])
        .arg(&file)
        .env("MANWIDTH", "100")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    (String::from_utf8_lossy(&shown.stdout).into_owned(), String::from_utf8_lossy(&shown.stderr).into_owned())
}

#[test]
fn the_manual_page_of_the_mapping_has_every_key() {
    let (shown, warnings) = made("mapping.md", "omadm-mo");
    assert_eq!(warnings, "");
    let entries: Vec<&str> = shown.lines().map(str::trim).collect();
    for (table, rows) in tables(MAPPING) {
        for key in keys(&rows) {
            assert!(entries.contains(&key.as_str()), "{table}: {key}");
        }
    }
    assert!(
        !shown.contains("<!--") && !shown.contains("](") && !shown.contains("#the-"),
        "what a page has for readers with a mouse"
    );
}

#[test]
fn the_other_manual_pages_are_clean() {
    for (page, name) in [("configuration.md", "omadmd.toml"), ("accounts.md", "omadm-account")] {
        let (shown, warnings) = made(page, name);
        assert_eq!(warnings, "", "{page}");
        assert!(shown.contains(name) && shown.len() > 2000, "{page}");
    }
}
