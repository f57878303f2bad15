//! Warnings about un-named nodes: those that stay empty, and those whose elements are mixed up.

use crate::ddf::AccessType;

use super::super::mapping::{Call, List, ListFrom, RecordsPlace, RecordsShape, SourceKind};
use super::super::object::{ManagementObject, Node, NodeId, shown};
use super::super::template::{Piece, Template};
use super::values::has_label;

/// What is hardly meant of an un-named node; `may_come`: its children may come with what is above them.
pub(super) fn doubts(object: &ManagementObject, id: NodeId, may_come: bool, told: &mut Vec<String>) {
    let Node { properties, mapping, .. } = object.node(id);
    if told.is_empty() && mapping.list.is_none() && !may_come && !properties.access.allows(AccessType::ADD) {
        told.push("has no `list`, and no server may add to it: it stays empty".to_owned());
    }
    let Some(list) = &mapping.list else { return };
    told.extend(shape(object.node(id).label().unwrap_or_default(), list));
    if matches!(mapping.delete.as_deref(), Some(Call::Store)) {
        told.push("`delete` takes nothing away here: the `list` brings it again".to_owned());
    }
    let outer: Vec<&str> = listed_above(object, id).collect();
    let uses = |label: &&str| match &list.from {
        ListFrom::Glob(pattern) => pattern.contains(&format!("{{{label}}}")),
        ListFrom::Records { place: RecordsPlace::File(path), .. } => has_label(path, label),
        ListFrom::Records { place: RecordsPlace::Run(_), .. } | ListFrom::Object(_) => true,
    };
    if let Some(nearest) = outer.first().filter(|_| !outer.iter().any(uses)) {
        told.push(format!("`list` has no `{{{nearest}}}`: it is the same for each `<{nearest}>`"));
    }
}

/// That a list is taken for lines which are JSON, or names its children by another group than the node's label.
fn shape(label: &str, List { from, .. }: &List) -> Option<String> {
    let ListFrom::Records { place, shape: RecordsShape::Lines { matching, key } } = from else { return None };
    if let RecordsPlace::File(path) = place
        && matches!(path.0.last(), Some(Piece::Literal(text)) if text.ends_with(".json"))
    {
        return Some(format!("`list`: {path} is read as lines: is `json = true` missing?"));
    }
    let groups: Vec<&str> = matching.as_ref()?.names().collect();
    let first =
        groups.first().filter(|first| **first != label && groups.contains(&label) && key.is_none())?;
    Some(format!("`list` names the children by its first group, {first}: say `key = \"{label}\"`"))
}

/// That a path goes the way of the lists above it, but with a name where they have an outer variable.
pub(super) fn other_way(object: &ManagementObject, id: NodeId, told: &mut Vec<String>) {
    let Some(List { from: ListFrom::Glob(pattern), .. }) =
        object.lineage(id).find(|node| node.is_unnamed()).and_then(|node| node.mapping.list.as_deref())
    else {
        return;
    };
    let Ok(pattern) = Template::parse(pattern) else { return };
    for source in &object.node(id).mapping.get {
        let SourceKind::File { path, .. } = &source.from else { continue };
        if let Some(label) = left(&pattern, path) {
            told.push(format!("`get` has no `{{{label}}}` in {path}, where the `list` above has it"));
        }
    }
}

/// The variable of the pattern in whose place the path has something else, and goes on as the pattern does.
fn left<'a>(pattern: &'a Template, path: &Template) -> Option<&'a str> {
    let [Piece::Literal(before), Piece::Variable(label), Piece::Literal(after), ..] = pattern.0.as_slice()
    else {
        return None;
    };
    let next = after.split(['*', '{']).next().filter(|next| next.len() > 1 && next.starts_with('/'))?;
    let rest = path.literal_start().strip_prefix(before.as_str())?;
    let (_, on) = rest.split_once('/')?;
    on.starts_with(next.strip_prefix('/')?).then_some(label)
}

/// The labels of the un-named nodes above one that have a list, the nearest first.
fn listed_above(object: &ManagementObject, id: NodeId) -> impl Iterator<Item = &str> {
    object.lineage(id).skip(1).filter(|node| node.mapping.list.is_some()).filter_map(Node::label)
}

/// The names that servers choose in what the privileged helper does, which refuses them.
pub(super) fn chosen(object: &ManagementObject, id: NodeId, told: &mut Vec<String>) {
    let unlisted = |node: &&Node| node.is_unnamed() && node.mapping.list.is_none();
    for (key, call) in super::machine::calls(&object.node(id).mapping) {
        let templates: Vec<&Template> = match call {
            Call::Run(program) => program.argv.iter().collect(),
            Call::File { path, privileged: true, .. } => vec![path],
            Call::Bus { args, privileged: true, .. } => args.iter().collect(),
            _ => continue,
        };
        let is_used = |node: &&Node| {
            node.label().is_some_and(|label| templates.iter().any(|template| has_label(template, label)))
        };
        // The name of what is to be added is what `add` is about.
        let above = object.lineage(id).skip(usize::from(key == "add"));
        if let Some(node) = above.filter(unlisted).find(is_used) {
            let label = node.label().unwrap_or_default();
            told.push(format!(
                "`{key}`: servers choose the name {}, and omadm-exec takes no such `{{{label}}}`: it is in OMADM_CLIENT_URI",
                shown(&node.name)
            ));
        }
    }
}
