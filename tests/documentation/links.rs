//! Links lead somewhere: to a file that is there, and a heading in it.

use std::path::{Component, Path, PathBuf};

use super::pages::{Page, pages, prose};
use crate::support::named::root;

/// What the links of a page lead to, with their lines.
fn targets(page: &Page) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(&page.text) {
        // Code may look like a link.
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("x");
        for rest in plain.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            found.push((number, target.to_owned()));
        }
    }
    found
}

/// The names that headings have for links, as GitHub and its like make them.
fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, line) in prose(text) {
        let Some(heading) = line.starts_with('#').then(|| line.trim_start_matches('#')) else { continue };
        let Some(heading) = heading.strip_prefix(' ') else { continue };
        let letters = heading.trim().to_lowercase();
        let kept = letters.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let earlier = found.iter().filter(|other| **other == anchor).count();
        found.push(if earlier == 0 { anchor } else { format!("{anchor}-{earlier}") });
    }
    found
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(whole.pop()),
            Component::CurDir => {}
            other => whole.push(other),
        }
    }
    whole
}

/// What is wrong with a link of a page in this folder.
fn problem(page: &Page, target: &str) -> Option<String> {
    if target.starts_with("https://") || target.starts_with("http://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let file = match path {
        "" => page.path.clone(),
        path => normal(&page.path.parent().unwrap().join(path)),
    };
    let whole = root().join(&file);
    if !whole.exists() {
        return Some(format!("{} is not there", file.display()));
    }
    let anchor = anchor?;
    let text = std::fs::read_to_string(&whole).unwrap_or_default();
    let is_there = anchors(&text).iter().any(|known| known == anchor);
    (!is_there).then(|| format!("{} has no heading #{anchor}", file.display()))
}

#[test]
fn every_relative_link_leads_somewhere() {
    let (mut broken, mut count) = (Vec::new(), 0);
    for page in pages() {
        for (line, target) in targets(&page) {
            count += 1;
            if let Some(problem) = problem(&page, &target) {
                broken.push(format!("{}:{line}: {problem}", page.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(count > 50, "only {count} links were found");
}

#[test]
fn a_link_that_leads_nowhere_is_noticed() {
    let page = |text: &str| Page { path: "docs/x.md".into(), text: text.to_owned() };
    let found = targets(&page("[a](../README.md) and [b](y.md#z), not `[c](d)`\n```\n[e](f)\n```\n"));
    assert_eq!(found, [(1, "../README.md".to_owned()), (1, "y.md#z".to_owned())]);
    assert_eq!(anchors("# A `b`: c & d\n## A `b`: c & d\n"), ["a-b-c--d", "a-b-c--d-1"]);
    assert_eq!(problem(&page(""), "../README.md"), None);
    assert_eq!(problem(&page(""), "../nowhere.md").as_deref(), Some("nowhere.md is not there"));
    let lost = problem(&page(""), "../README.md#nowhere");
    assert_eq!(lost.as_deref(), Some("README.md has no heading #nowhere"));
}
