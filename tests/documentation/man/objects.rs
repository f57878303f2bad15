//! The manual pages of the objects that ship have what the objects have.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use omadm_agent::ddf::{Node, NodeName, Occurrence, parse};

use super::{made, terms};
use crate::support::named::root;

/// What a page has to say first of each node below one: its format, what servers may do, how often it is there.
fn lines(node: &Node, path: &str, found: &mut BTreeMap<String, Vec<String>>) {
    for child in &node.children {
        let name = match &child.name {
            NodeName::Named(name) => name.clone(),
            NodeName::Unnamed(label) => format!("<{}>", label.as_ref().unwrap()),
        };
        let path = if path.is_empty() { name } else { format!("{path}/{name}") };
        let access = format!("{:?}", child.properties.access).replace(['{', '}', '"'], "");
        let mut access: Vec<&str> = access.split(", ").collect();
        access.sort_unstable();
        let occurs = match child.properties.occurrence {
            Occurrence::One => None,
            Occurrence::ZeroOrOne => Some("may be missing".to_owned()),
            Occurrence::ZeroOrMore => Some("any number".to_owned()),
            Occurrence::OneOrMore => Some("at least one".to_owned()),
            Occurrence::ZeroOrN(most) | Occurrence::OneOrN(most) => Some(format!("up to {most}")),
        };
        let access = if access == [""] { "no access".to_owned() } else { access.join(", ") };
        let told = [child.properties.format.word().to_owned(), access].into_iter().chain(occurs);
        found.insert(path.clone(), told.collect());
        lines(child, &path, found);
    }
}

/// The nodes of an object that ships, as servers are told of them.
fn nodes(name: &str) -> BTreeMap<String, Vec<String>> {
    let object = root().join("mo").join(name);
    let said = Command::new(env!("CARGO_BIN_EXE_omadmctl")).args(["mo", "ddf"]).arg(object).output().unwrap();
    let mut found = BTreeMap::new();
    lines(&parse(&said.stdout).unwrap().roots[0], "", &mut found);
    assert!(!found.is_empty(), "{name}");
    found
}

/// The names of the objects that ship.
fn shipped() -> Vec<String> {
    let folders = std::fs::read_dir(root().join("mo")).unwrap();
    folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_node_of_every_object_that_ships_has_its_line() {
    let pages = made();
    let objects = shipped();
    assert_eq!(pages.keys().filter(|name| name.starts_with("omadm-mo-")).count(), objects.len());
    for name in objects {
        let terms = terms(&pages[&format!("omadm-mo-{name}.7")]);
        for (path, told) in nodes(&name) {
            let line = terms.get(&path).unwrap_or_else(|| panic!("{name} has no {path}"));
            let mut said: Vec<String> = line.trim_end_matches('.').split("; ").map(str::to_owned).collect();
            let mut access: Vec<&str> = said[1].split(", ").collect();
            access.sort_unstable();
            said[1] = access.join(", ");
            assert_eq!(said, told, "{name}: {path}");
        }
    }
}

/// What stands in a text between these two, each time.
fn between<'text>(text: &'text str, from: &'text str, to: char) -> impl Iterator<Item = &'text str> {
    text.split(from).skip(1).filter_map(move |rest| rest.split(to).next())
}

#[test]
fn alarms_and_the_results_of_execs_are_on_the_pages() {
    let pages = made();
    let mut count = 0;
    for name in shipped() {
        let page = super::told(&pages[&format!("omadm-mo-{name}.7")]);
        let mapping = std::fs::read_to_string(root().join(format!("mo/{name}/{name}.toml"))).unwrap();
        let mut wanted = BTreeSet::new();
        wanted.extend(between(&mapping, "moid = \"", '"').map(str::to_owned));
        wanted.extend(between(&mapping, "type = \"urn", '"').map(|rest| format!("urn{rest}")));
        wanted.extend(between(&mapping, "cleared = \"", '"').map(str::to_owned));
        wanted.extend(between(&mapping, "\n[alarm.", ']').map(|alarm| format!("\n{alarm}\nTells that ")));
        let codes = between(&mapping, "codes = {", '}').flat_map(|codes| codes.split(','));
        let codes = codes.filter_map(|pair| pair.split_once(" = "));
        wanted.extend(codes.map(|(exit, status)| match exit.trim() {
            veto if veto.starts_with("veto") => format!("{} ({veto})", status.trim()),
            exit => format!("{} (exit code {exit})", status.trim()),
        }));
        count += wanted.len();
        let missing: Vec<&String> = wanted.iter().filter(|wanted| !page.contains(wanted.as_str())).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
    }
    assert!(count > 50, "{count}");
}
