//! Warnings about the names of nodes, and about what the head of a mapping names.

use crate::spanned::{Problem, Problems, meant};

use super::super::ddf_uri::NOWHERE;
use super::super::limit::Bound;
use super::super::mapping::{Call, ListFrom, Source, SourceKind, WatchEntry};
use super::super::object::{ManagementObject, NodeId};

/// The schemes by which servers get a DDF.
const SCHEMES: [&str; 2] = ["https", "http"];

/// What is hardly meant of a node's name in a mapping that describes its nodes itself.
pub(super) fn doubts(object: &ManagementObject, id: NodeId, told: &mut Vec<String>) {
    let node = object.node(id);
    let (Some(parent), name) = (node.parent, node.own_name()) else { return };
    if name.is_empty() {
        return;
    }
    let first = parent == ManagementObject::ROOT;
    let is_miid = object.instances.iter().any(|seed| seed.miid == name);
    // What is in it is at the root as well.
    let is_beside = |child: &NodeId| {
        let child = object.node(*child).own_name();
        object.children(parent).iter().any(|other| *other != id && object.node(*other).own_name() == child)
    };
    let is_own = |text: &str| name.contains(text);
    let after = |at: usize| name.as_bytes().get(at + 1..at + 3);
    let is_hex = |two: &[u8]| two.iter().all(u8::is_ascii_hexdigit);
    if first && *name == *object.moid.as_str() {
        told.push("paths begin below the root: leave the MOID out".to_owned());
    } else if first && (name == object.root_name || is_miid) && node.children.iter().any(is_beside) {
        told.push(format!("paths begin below the root: leave `{name}/` out"));
    } else if is_own("\"") || is_own("'") || is_own("\\") {
        told.push(format!(
            "the name {name} has a quote or a backslash in it: `/` is between names, and no quote around them"
        ));
    } else if name.match_indices('%').any(|(at, _)| after(at).is_some_and(is_hex)) {
        told.push(format!("the name {name} is taken as it is: servers see each % of it as %25"));
    }
    let siblings = object.children(parent).iter().take_while(|other| **other != id);
    let siblings: Vec<&str> = siblings.map(|other| object.node(*other).own_name()).collect();
    if let Some(alike) = siblings.iter().find(|other| other.eq_ignore_ascii_case(name) && **other != name) {
        told.push(format!("`{name}` and `{alike}` beside it differ in case only"));
    }
    if let Some(before) = name.split_once('.').map(|(before, _)| before)
        && object.children(parent).iter().any(|other| object.node(*other).own_name() == before)
    {
        told.push(format!("`{name}` has a dot in it, and `{before}` is beside it: write `/` between names"));
    }
    let doubled = |other: &&&str| !node.children.is_empty() && is_slip(other, name);
    if let Some(alike) = siblings.iter().find(doubled) {
        told.push(format!("`{name}` and `{alike}` beside it differ in one letter"));
    }
}

/// Whether two long names are the same, but for a letter that the one has once and the other twice.
fn is_slip(one: &str, other: &str) -> bool {
    let once = |name: &str| {
        let mut letters: Vec<char> = name.chars().collect();
        letters.dedup();
        letters
    };
    one.len().min(other.len()) > 4 && one.len() != other.len() && once(one) == once(other)
}

/// What is hardly meant of what the head names.
pub(super) fn head(object: &ManagementObject) -> Problems {
    let mut found = Problems::default();
    let mut tell = |key: String, what: String| {
        found.push(Problem { file: object.mapping_file.clone(), line: None, key, what });
    };
    if let Some((scheme, _)) =
        object.ddf_uri.split_once("://").filter(|(scheme, _)| !SCHEMES.contains(scheme))
        && let Some(known) = meant(scheme, SCHEMES)
    {
        tell("ddf-uri".to_owned(), format!("`{scheme}` is hardly meant: did you mean `{known}`?"));
    }
    let relative = object.ddf_uri.strip_prefix(NOWHERE).and_then(|uri| uri.split_once('/'));
    if let Some((host, _)) = relative.filter(|(host, _)| host.contains('.') && !host.starts_with('.')) {
        tell(
            "ddf-uri".to_owned(),
            format!("`{host}` is a folder here, below `[objects] ddf-base`: did you mean https://{host}/…?"),
        );
    }
    for (name, bus) in &object.objects {
        // Another may be what a list of the same objects is called by.
        if !is_named(object, name) && !object.per_account && !object.per_object {
            tell(format!("object.{name}"), format!("nothing names it: {} is never asked", bus.name));
        }
    }
    let leaves = || object.ids().filter(|id| object.is_leaf(*id));
    let shared = leaves().filter(|id| object.node(*id).mapping.get.iter().any(is_of_machine)).count();
    // A few may be meant to be the same in each.
    let is_seeded = object.instances.iter().any(|seed| seed.data.is_some());
    if object.instances.len() > 1 && !is_seeded && shared * 2 > leaves().count() {
        tell(
            "instances".to_owned(),
            "all of them say the same of the machine: what is there several times is a `list`".to_owned(),
        );
    }
    found
}

/// Whether a source is the same in each instance: programs are told which one they are asked for.
fn is_of_machine(source: &Source) -> bool {
    use SourceKind::{Builtin, File, OsRelease, Property};
    matches!(source.from, File { .. } | Property { .. } | OsRelease(_) | Builtin(_))
}

fn is_named(object: &ManagementObject, name: &str) -> bool {
    let by_source = |from: &SourceKind| match from {
        SourceKind::Property { object, .. } | SourceKind::Method { object, .. } => object == name,
        _ => false,
    };
    let by_call = |call: &Call| matches!(call, Call::Bus { object, .. } if object == name);
    object.ids().any(|id| {
        let mapping = &object.node(id).mapping;
        let by_limit = mapping.limits.bounds().any(|(_, bound)| match bound {
            Bound::Source(source) => by_source(&source.from),
            _ => false,
        });
        let by_list = mapping
            .list
            .as_ref()
            .is_some_and(|list| matches!(&list.from, ListFrom::Object(of) if of == name));
        let watches = mapping.get.iter().map(|source| &source.watch);
        let watches = watches.chain(mapping.list.as_deref().map(|list| &list.watch));
        let by_watch = |entry: &WatchEntry| matches!(entry, WatchEntry::Object(of) if of == name);
        by_limit
            || by_list
            || watches.flatten().any(by_watch)
            || mapping.get.iter().any(|source| by_source(&source.from))
            || super::machine::calls(mapping).any(|(_, call)| by_call(call))
    })
}
