//! Warnings about what a leaf's values come from and go to: what is hardly meant.

use crate::ddf::AccessType;

use super::super::admit::{Unfit, admit};
use super::super::mapping::{Call, Key, ListFrom, NodeMapping, Program, Source, SourceKind};
use super::super::object::{ManagementObject, NodeId};
use super::super::template::{Piece, Template};
use super::super::value::Value;

/// What is hardly meant of a leaf. `is_filled`: something else than servers gives it values, such as an EXEC.
pub(super) fn doubts(object: &ManagementObject, id: NodeId, is_filled: bool, told: &mut Vec<String>) {
    let node = object.node(id);
    let (mapping, access) = (&node.mapping, node.properties.access);
    if let Some(sink) = mapping.set.as_deref().filter(|sink| !matches!(sink.to, Call::Store)) {
        if mapping.get.is_empty() && access.allows(AccessType::GET) {
            told.push(
                "has a `set` and no `get`: what was set can't be read; add a `get`, or say `access = \"replace\"`"
                    .to_owned(),
            );
        }
        let given = match &sink.to {
            Call::Run(program) => Some(program.argv.as_slice()),
            Call::Bus { method: true, args, .. } => Some(args.as_slice()),
            _ => None,
        };
        let itself = |input: &super::super::mapping::Input| input.path.find(object, id) == Some(id);
        let is_told = |given: &[Template]| given.iter().any(|one| one.0.contains(&Piece::Value));
        if given.is_some_and(|given| !is_told(given)) && !mapping.input.iter().any(itself) {
            told.push("`set` has no `{}`: the value that a server sets reaches nothing".to_owned());
        }
        let pipeline = &sink.pipeline;
        if !pipeline.map.is_empty() && pipeline.scale.is_none() && pipeline.format.is_none() {
            let lacks = |one: &&String| !pipeline.map.iter().any(|(_, node)| node == *one);
            for one in mapping.limits.one_of.iter().filter(lacks) {
                told.push(format!("`enum` has {one:?}, which `map` knows nothing for: it can't be set"));
            }
        }
    }
    let narrowed = [
        ("pattern", mapping.pattern.is_some()),
        ("max-len", mapping.max_len.is_some()),
        ("enum", !mapping.limits.one_of.is_empty()),
        ("min` or `max", mapping.limits.bounds().next().is_some()),
    ];
    let is_written = access.allows(AccessType::REPLACE) || access.allows(AccessType::ADD) || is_filled;
    if let Some((key, _)) = narrowed.iter().find(|(_, there)| *there && !is_written) {
        told.push(format!(
            "`{key}` is for what servers write, and they can't write this: nothing is checked"
        ));
    }
    let (format, default) = (node.properties.format, node.properties.default_value.as_deref());
    let default =
        default.filter(|text| !text.is_empty()).and_then(|text| Value::from_text(format, text).ok());
    if let Some(Err(Unfit::Shape(why))) = default.map(|default| admit(mapping, format, &default)) {
        told.push(format!("the default is none that a server could set: {why}"));
    }
}

/// What is hardly meant of a node whose children, or whose own names, a list brings: the same for all of them.
pub(super) fn of_each(object: &ManagementObject, id: NodeId, told: &mut Vec<String>) {
    let Some(listed) = object.lineage(id).find(|node| node.is_unnamed()) else { return };
    let (Some(list), Some(label)) = (&listed.mapping.list, listed.label()) else { return };
    let mapping = &object.node(id).mapping;
    let place = |name: &String| {
        let known = object.objects.iter().find(|(known, _)| known == name);
        known.map(|(_, object)| (&object.name, &object.path))
    };
    // Another interface of the same objects is called at the same one.
    let is_listed =
        |object: &String| matches!(&list.from, ListFrom::Object(of) if place(of) == place(object));
    let is_outside = |source: &Source| {
        use SourceKind::{File, Method, Property, Run};
        matches!(source.from, File { .. } | Run(_) | Property { .. } | Method { .. })
    };
    let is_own = |source: &Source| match &source.from {
        SourceKind::Item(_) => true,
        SourceKind::Property { object, .. } => is_listed(object),
        SourceKind::Method { object, .. } if is_listed(object) => true,
        _ => source_uses(source, label),
    };
    if mapping.get.iter().any(is_outside) && !mapping.get.iter().any(is_own) {
        told.push(format!(
            "has neither `{{{label}}}` nor an `item` in its sources: it is the same for each `<{label}>`"
        ));
    }
    let is_own = |call: &Call| match call {
        Call::Bus { object, .. } if is_listed(object) => true,
        Call::File { path, setting, .. } => has_label(path, label) || key_uses(setting.as_ref(), label),
        Call::Run(Program { argv: given, .. }) | Call::Bus { args: given, .. } => {
            given.iter().any(|one| has_label(one, label) || one.has_leaves()) || !mapping.input.is_empty()
        }
        Call::Store => true,
    };
    for (key, call) in super::machine::calls(mapping) {
        if !is_own(call) {
            told.push(format!("`{key}` has no `{{{label}}}`: it does the same for each `<{label}>`"));
        }
    }
}

/// What is hardly meant of the files that a mapping names.
pub(super) fn places(mapping: &NodeMapping, told: &mut Vec<String>) {
    let read = mapping.get.iter().filter_map(|source| match &source.from {
        SourceKind::File { path, .. } => Some(("get", path)),
        _ => None,
    });
    let written = super::machine::calls(mapping).filter_map(|(key, call)| match call {
        Call::File { path, .. } => Some((key, path)),
        _ => None,
    });
    for (key, path) in read.chain(written) {
        if let Some(odd) = taken_literally(path) {
            told.push(format!(
                "`{key}.file`: `{odd}` in {path} is taken literally: a variable is written {{if}}, and `*` is for lists"
            ));
        }
    }
}

/// What looks like a variable or a pattern in a path, and is none.
fn taken_literally(path: &Template) -> Option<&'static str> {
    path.0.iter().find_map(|piece| {
        let Piece::Literal(text) = piece else { return None };
        let has_placeholder = text
            .split_once('<')
            .is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|name| name.contains('>')));
        [("$", text.contains('$')), ("*", text.contains('*')), ("<…>", has_placeholder)]
            .into_iter()
            .find_map(|(odd, there)| there.then_some(odd))
    })
}

/// Whether a template has `{label}` in it.
pub(super) fn has_label(template: &Template, label: &str) -> bool {
    template.0.iter().any(|piece| matches!(piece, Piece::Variable(name) if name == label))
}

fn key_uses(key: Option<&Key>, label: &str) -> bool {
    key.is_some_and(|key| key.templates().any(|name| has_label(name, label)))
}

/// Whether a source has `{label}` in it.
pub(super) fn source_uses(source: &Source, label: &str) -> bool {
    let from = match &source.from {
        SourceKind::File { path, setting } => has_label(path, label) || key_uses(setting.as_ref(), label),
        SourceKind::Run(argv) | SourceKind::Method { args: argv, .. } => {
            argv.iter().any(|one| has_label(one, label))
        }
        _ => false,
    };
    from || source.pipeline.format.as_ref().is_some_and(|format| has_label(format, label))
}
