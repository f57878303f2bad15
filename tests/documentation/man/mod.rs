//! Manual pages are made of `docs/manual`, of pages of `docs/`, and of the objects in `mo/`, by `packaging/man`.

mod objects;
mod programs;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{MAPPING, keys};
use crate::support::named::root;
use crate::support::page::tables;

/// All manual pages, by names such as `omadmd.8`, as `packaging/man` writes them.
fn made() -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(root().join("packaging/man")).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| (file.file_stem().unwrap().to_str().unwrap().to_owned(), unpacked(&file))).collect()
}

fn unpacked(file: &Path) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// What a program makes of a page on its standard input.
fn by(program: &mut Command, page: &str) -> Output {
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("LC_ALL", "C.UTF-8");
    let mut child = program.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(page.as_bytes()).unwrap());
        child.wait_with_output().unwrap()
    })
}

/// The text of a line of a page, without what troff has in it.
fn told(line: &str) -> String {
    let fonts = [("\\fB", ""), ("\\fI", ""), ("\\fR", ""), ("\\:", ""), ("\\&", "")];
    let letters =
        [("\\-", "-"), ("\\(dq", "\""), ("\\(aq", "'"), ("\\(ha", "^"), ("\\(ti", "~"), ("\\e", "\\")];
    fonts.iter().chain(&letters).fold(line.to_owned(), |text, (troff, plain)| text.replace(troff, plain))
}

/// The terms of a page, and the line after each.
fn terms(page: &str) -> BTreeMap<String, String> {
    let lines: Vec<&str> = page.lines().collect();
    let terms = lines.windows(3).filter(|lines| lines[0].starts_with(".TP"));
    terms.map(|lines| (told(lines[1]), told(lines[2]))).collect()
}

/// The section of a page with this heading.
fn section<'page>(page: &'page str, heading: &str) -> &'page str {
    let (_, from) =
        page.split_once(&format!("\n.SH {heading}\n")).unwrap_or_else(|| panic!("no {heading}: {page}"));
    from.split("\n.SH ").next().unwrap()
}

#[test]
fn every_manual_page_is_clean_in_any_width() {
    for (name, page) in made() {
        for width in ["60", "80", "100"] {
            let shown = by(Command::new("man").args(["--warnings", "-l", "-"]).env("MANWIDTH", width), &page);
            assert_eq!(String::from_utf8_lossy(&shown.stderr), "", "{name} in {width} columns");
            assert!(shown.stdout.len() > 500, "{name}");
        }
        let lint = by(Command::new("mandoc").args(["-Tlint", "-Wwarning"]), &page);
        assert_eq!(String::from_utf8_lossy(&lint.stdout), "", "{name}");
        let left = ["<!--", "](", "```"].iter().find(|left| page.contains(**left));
        assert_eq!(left, None, "{name} has what is for readers with a mouse");
    }
}

#[test]
fn whatis_has_a_line_for_each_page() {
    for (name, page) in made() {
        let (title, _) = name.rsplit_once('.').unwrap();
        let line = told(section(&page, "NAME")).trim().to_owned();
        let what = line.strip_prefix(&format!("{title} - ")).unwrap_or_else(|| panic!("{name}: {line}"));
        assert!(what.len() > 10 && what.len() < 100 && !what.contains('\n'), "{name}: {what}");
    }
}

#[test]
fn every_page_leads_on_to_pages_that_are_there() {
    let pages = made();
    let mut count = 0;
    for (name, page) in &pages {
        assert!(section(page, "SEE ALSO").contains("\\fBomadm"), "{name}");
        let text = told(page);
        for (at, _) in text.match_indices("omadm") {
            let word: String =
                text[at..].chars().take_while(|c| c.is_alphanumeric() || "-.".contains(*c)).collect();
            let rest = &text[at + word.len()..];
            let Some(section) = rest.strip_prefix('(').and_then(|rest| rest.split(')').next()) else {
                continue;
            };
            if section.len() != 1 {
                continue;
            }
            count += 1;
            let other = format!("{word}.{section}");
            assert!(pages.contains_key(&other) || other.contains("NAME"), "{name}: {other}");
        }
    }
    assert!(count > 50, "{count}");
}

/// The lab is not for gateways; each other page is in the package, once.
#[test]
fn the_package_has_every_page_but_the_labs() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (gateways, _) = manifest.split_once("[package.metadata.deb.variants.lab]").unwrap();
    let assets: Vec<(&str, &str)> = gateways
        .lines()
        .filter_map(|line| line.trim().strip_prefix("[\"target/man/"))
        .filter_map(|line| line.split_once("\", \""))
        .collect();
    for name in made().into_keys() {
        let file = format!("{name}.gz");
        let is_it = |pattern: &str| glob::Pattern::new(pattern).unwrap().matches(&file);
        let whither: Vec<&str> =
            assets.iter().filter(|(pattern, _)| is_it(pattern)).map(|(_, rest)| *rest).collect();
        let (_, number) = name.rsplit_once('.').unwrap();
        let is_there = whither.len() == 1 && whither[0].starts_with(&format!("usr/share/man/man{number}/\""));
        assert_eq!(is_there, name != "omadm-lab.1", "{name}: {whither:?}");
    }
}

#[test]
fn the_manual_page_of_the_mapping_has_every_key() {
    let terms = terms(&made()["omadm-mo.5"]);
    for (table, rows) in tables(MAPPING) {
        for key in keys(&rows) {
            assert!(terms.contains_key(&key), "{table}: {key}");
        }
    }
}
