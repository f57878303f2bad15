//! Warnings about sources: those that are never asked, those that are asked twice, and what is kept of them.

use std::time::Duration;

use crate::ddf::{AccessType, Format, Properties};

use super::super::join::node_key;
use super::super::mapping::{Call, NodeMapping, Piece, Pipeline, Source, SourceKind, is_same_place};
use super::super::object::{ManagementObject, NodeId};
use super::super::setting::Syntax;

/// The builtins that always have a value.
const ALWAYS: [&str; 7] = [
    "agent-version",
    "hostname",
    "random-uuid",
    "uname-machine",
    "uname-release",
    "uname-sysname",
    "uname-version",
];
/// The files that say something else each time.
const RESTLESS: [&str; 4] = ["/proc/uptime", "/proc/loadavg", "/proc/stat", "/proc/meminfo"];
/// The beginnings of the names of methods that do something.
const ACTS: [&str; 27] = [
    "Activate",
    "Add",
    "Connect",
    "Create",
    "Deactivate",
    "Delete",
    "Disable",
    "Disconnect",
    "Enable",
    "Format",
    "Halt",
    "Install",
    "Kill",
    "PowerOff",
    "Reboot",
    "Reload",
    "Remove",
    "Reset",
    "Restart",
    "Send",
    "Set",
    "Start",
    "Stop",
    "Suspend",
    "Uninstall",
    "Update",
    "Write",
];
/// The longest `wait` and the longest `verify` that are meant.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
const LONGEST_VERIFY: Duration = Duration::from_secs(300);

/// What is hardly meant of a leaf's sources, and of how long they are waited for.
pub(super) fn doubts(object: &ManagementObject, id: NodeId, told: &mut Vec<String>) {
    let node = object.node(id);
    let (mapping, properties) = (&node.mapping, &node.properties);
    let always = mapping.get.iter().position(|source| always_answers(source, properties));
    let always = always.filter(|at| at + 1 < mapping.get.len()).and_then(|at| mapping.get.get(at));
    if let Some(Source { from, .. }) = always {
        told.push(format!("`get` never gets behind {from}, which always answers"));
    }
    for (at, source) in mapping.get.iter().enumerate() {
        if mapping.get.iter().take(at).any(|other| is_alike(other, source)) {
            told.push(format!("`get` has {} twice", source.from));
        }
        if let SourceKind::Method { method, .. } = &source.from
            && acts(method)
        {
            told.push(format!(
                "`get` calls {}, which seems to do something each time that it is read",
                source.from
            ));
        }
    }
    let is_store = |source: &Source| matches!(source.from, SourceKind::Store);
    let sets_store = matches!(mapping.set.as_deref().map(|sink| &sink.to), Some(Call::Store));
    let asks_first = mapping.get.first().is_some_and(|source| !matches!(source.from, SourceKind::Value(_)));
    if sets_store && asks_first && mapping.get.iter().skip(1).any(is_store) {
        told.push(format!(
            "`get` asks the store, where `set` keeps the value, only when {} has none: name it first",
            mapping.get.first().map_or_else(String::new, |source| source.from.to_string())
        ));
    }
    untyped(mapping, properties, told);
    odd_file(mapping, told);
    keeping(mapping, told);
    copied(object, id, told);
}

/// Whether a method does something, by its name. What is read for a person is not called then.
pub(crate) fn acts(method: &str) -> bool {
    let is_word = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_lowercase());
    ACTS.iter().any(|begin| method.strip_prefix(begin).is_some_and(is_word))
}

fn always_answers(source: &Source, properties: &Properties) -> bool {
    let Pipeline { select, matching, map, otherwise, .. } = &source.pipeline;
    let is_open = select.is_empty() && matching.is_none() && (map.is_empty() || otherwise.is_some());
    let has_default = properties.default_value.as_deref().is_some_and(|text| !text.is_empty());
    is_open
        && match &source.from {
            SourceKind::Builtin(name) => ALWAYS.contains(&name.as_str()),
            SourceKind::Store => has_default,
            _ => false,
        }
}

/// Whether two sources say the same.
fn is_alike(one: &Source, other: &Source) -> bool {
    let from = match (&one.from, &other.from) {
        (SourceKind::File { path, setting }, SourceKind::File { path: other, setting: same }) => {
            (path, setting) == (other, same)
        }
        (
            SourceKind::Property { object, property },
            SourceKind::Property { object: other, property: same },
        ) => (object, property) == (other, same),
        (SourceKind::Run(argv), SourceKind::Run(other)) => argv == other,
        (SourceKind::Item(name), SourceKind::Item(other))
        | (SourceKind::Builtin(name), SourceKind::Builtin(other))
        | (SourceKind::OsRelease(name), SourceKind::OsRelease(other)) => name == other,
        (SourceKind::Store, SourceKind::Store) => true,
        _ => false,
    };
    let (one, other) = (&one.pipeline, &other.pipeline);
    from && one.select == other.select
        && one.matching == other.matching
        && (&one.map, &one.otherwise, one.time) == (&other.map, &other.otherwise, other.time)
        && one.scale == other.scale
        && one.format == other.format
}

/// That a number is served as text, as no `format` says what it is.
fn untyped(mapping: &NodeMapping, properties: &Properties, told: &mut Vec<String>) {
    if properties.format != Format::Chr {
        return;
    }
    let is_bare = |source: &Source| source.pipeline.scale.is_some() && source.pipeline.format.is_none();
    if !mapping.get.is_empty() && mapping.get.iter().all(is_bare) && mapping.set.is_none() {
        told.push(
            "`get` scales a number, which is served as text: say `format = \"float\"` or \"int\"".to_owned(),
        );
    }
}

/// That root reads what the agent writes, or the key of another way of writing settings than the file's.
fn odd_file(mapping: &NodeMapping, told: &mut Vec<String>) {
    for source in &mapping.get {
        let SourceKind::File { path, setting } = &source.from else { continue };
        let writes = mapping.set.as_deref().map(|sink| &sink.to);
        if source.privileged
            && let Some(Call::File { path: written, privileged: false, .. }) = writes
            && written == path
        {
            told.push(
                "`get` takes root for the file, and `set` does not: say `privileged = true` in both"
                    .to_owned(),
            );
        }
        let ends = |ending| matches!(path.0.last(), Some(Piece::Literal(text)) if text.ends_with(ending));
        if setting.as_ref().is_some_and(|key| key.syntax == Syntax::Shell) && ends(".ini") {
            told.push(format!("`get.syntax`: {path} is hardly a shell's, whose settings have no sections"));
        }
    }
}

fn keeping(mapping: &NodeMapping, told: &mut Vec<String>) {
    let outside = |source: &&Source| !matches!(source.from, SourceKind::Store | SourceKind::Value(_));
    let asks = mapping.get.iter().any(|source| outside(&source));
    if mapping.pin && !asks {
        told.push("`pin` keeps what a source says first, and `get` asks none".to_owned());
    } else if mapping.pin && mapping.get.iter().any(|source| matches!(source.from, SourceKind::Store)) {
        told.push("`pin` keeps the first value for good: what servers set is never read".to_owned());
    }
    if mapping.wait.is_some() && !asks {
        told.push("`wait` is for sources, and `get` asks none".to_owned());
    }
    if mapping.wait.is_some_and(|wait| wait > LONGEST_WAIT) {
        told.push(
            "`wait` is more than an hour: so long after each start the leaf may have no value".to_owned(),
        );
    }
    if mapping.verify.is_some_and(|verify| verify > LONGEST_VERIFY) {
        told.push("`verify` is more than 5 minutes: the session waits for it".to_owned());
    }
    if mapping.pin && mapping.get.iter().any(is_restless) {
        told.push("`pin` keeps for good what changes all the time".to_owned());
    }
    if mapping.get.iter().any(|source| matches!(source.from, SourceKind::MachineId([0, .., 0]))) {
        told.push("`get.machine-id` is the UUID of nobody: make one of your own, with `uuidgen`".to_owned());
    }
    let is_random =
        |source: &Source| matches!(&source.from, SourceKind::Builtin(name) if name == "random-uuid");
    if !mapping.pin && mapping.get.iter().any(is_random) {
        told.push("`get` makes another UUID at each reading: `pin = true` keeps the first".to_owned());
    }
}

/// Whether a source says something else all the time.
pub(super) fn is_restless(source: &Source) -> bool {
    matches!(&source.from, SourceKind::File { path, .. } if path.literal().is_some_and(|path| RESTLESS.contains(&path)))
}

/// That another leaf has the same `set`, or one beside it the same source: what was copied and not changed.
fn copied(object: &ManagementObject, id: NodeId, told: &mut Vec<String>) {
    let node = object.node(id);
    let before = |other: &NodeId| other.index() < id.index();
    let key = |other: NodeId| node_key(&object.path(other));
    if let Some(sink) = &node.mapping.set {
        let same = |other: &NodeId| {
            let mapping = &object.node(*other).mapping;
            let both = [&mapping.get, &node.mapping.get].into_iter().flatten();
            let same_set = mapping.set.as_deref().is_some_and(|set| is_same_call(&set.to, &sink.to));
            // Two parts of one place differ in what they read of it.
            same_set && both.into_iter().all(|source| is_same_place(source, &sink.to))
        };
        if let Some(other) = object.ids().filter(before).find(same) {
            told.push(format!("`set` writes what [{}] writes too", key(other)));
        }
    }
    let [source] = node.mapping.get.as_slice() else { return };
    let Some(parent) = node.parent else { return };
    let is_outside = matches!(source.from, SourceKind::File { .. } | SourceKind::Property { .. });
    let same = |other: &NodeId| {
        let there = object.node(*other);
        is_outside
            && there.properties.access.allows(AccessType::GET)
            && matches!(there.mapping.get.as_slice(), [one] if is_alike(one, source))
    };
    if let Some(other) = object.children(parent).iter().copied().filter(before).find(same) {
        told.push(format!("`get` is the same as that of [{}], beside it", key(other)));
    }
}

/// Whether two calls change the same.
pub(super) fn is_same_call(one: &Call, other: &Call) -> bool {
    match (one, other) {
        (Call::File { path, setting, .. }, Call::File { path: other, setting: same, .. }) => {
            (path, setting) == (other, same)
        }
        (
            Call::Bus { object, member, args, .. },
            Call::Bus { object: other, member: same, args: alike, .. },
        ) => (object, member, args) == (other, same, alike),
        _ => false,
    }
}
