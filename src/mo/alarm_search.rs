//! The search for the nodes that alarms name, from how the mapping writes them; and what is wrong with an alarm.

use std::cmp::Ordering;

use crate::ddf::{AccessType, Format};
use crate::mo::alarm::{Alarm, Condition, Threshold};
use crate::mo::builtin::is_secret;
use crate::mo::limit::compare;
use crate::mo::mapping::{AlarmEntry, ConditionEntry, SourceKind, ThresholdEntry};
use crate::mo::object::{ManagementObject, NodeId, is_placeholder, shown};
use crate::mo::object_files::ObjectFiles;
use crate::mo::value::Value;
use crate::spanned::{Problem, Problems, meant};

/// The alarms of an object whose nodes have their mappings. Those that something is wrong with are noted, and left out.
pub(in crate::mo) fn resolve(
    object: &ManagementObject,
    entries: Vec<(String, AlarmEntry)>,
    files: &ObjectFiles<'_>,
    problems: &mut Problems,
) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    for (name, entry) in entries {
        let mut problem = |what: String| {
            let (file, line) = (files.mapping.to_path_buf(), Some(entry.line));
            problems.push(Problem { file, line, key: alarm_key(&name), what });
        };
        if object.per_account || object.per_object {
            problem("an object with `instances-from` has no alarms".to_owned());
            continue;
        }
        alarms.extend(one(object, &name, &entry).map_err(|all| all.into_iter().for_each(&mut problem)).ok());
    }
    alarms
}

/// The key of an alarm in its mapping, `alarm.NAME`, for messages.
pub(super) fn alarm_key(name: &str) -> String {
    let bare = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if bare { format!("alarm.{name}") } else { format!("alarm.{name:?}") }
}

fn one(object: &ManagementObject, name: &str, entry: &AlarmEntry) -> Result<Alarm, Vec<String>> {
    let is_list = matches!(entry.condition, ConditionEntry::Listed);
    let key = if is_list { "list" } else { "leaf" };
    let at = find(object, key, &entry.path).map_err(|why| vec![why])?;
    let node = object.node(at);
    if is_list && !node.is_unnamed() {
        return Err(vec![format!(
            "`list` names `{}`, which has a name of its own: expected an un-named node such as \"Devices/<d>\"",
            entry.path
        )]);
    }
    if !is_list && !object.is_leaf(at) {
        return Err(vec![format!("`leaf` names `{}`, which is no leaf: it has no value", entry.path)]);
    }
    let mut wrong: Vec<String> = readable(object, at, key).err().into_iter().collect();
    let mut threshold = |key: &str, entry: &ThresholdEntry, is_number: bool| {
        self::threshold(object, at, key, entry, is_number).map_err(|why| wrong.push(why)).ok()
    };
    let condition = match &entry.condition {
        ConditionEntry::Above { limit, clear } | ConditionEntry::Below { limit, clear } => {
            let is_above = matches!(entry.condition, ConditionEntry::Above { .. });
            let key = if is_above { "above" } else { "below" };
            let limit = threshold(key, limit, true);
            let clear = clear.as_ref().map(|clear| threshold("clear", clear, true));
            let format = node.properties.format;
            if !is_number(format) {
                wrong.push(format!(
                    "`{key}` is for numbers, and `{}` has format {}: expected int or float",
                    entry.path,
                    format.word()
                ));
            }
            limit.zip(clear.map_or(Some(None), |clear| clear.map(Some))).map(|(limit, clear)| {
                wrong.extend(wrong_side(&limit, clear.as_ref(), is_above));
                if is_above { Condition::Above { limit, clear } } else { Condition::Below { limit, clear } }
            })
        }
        ConditionEntry::Equals(limit) => threshold("equals", limit, false).map(Condition::Equals),
        ConditionEntry::Changes => Some(Condition::Changes),
        ConditionEntry::Listed => Some(Condition::Listed),
    };
    let condition = condition.filter(|_| wrong.is_empty()).ok_or(wrong)?;
    let (every, hold, alert) = (entry.every, entry.hold, entry.alert.clone());
    let line = entry.line;
    Ok(Alarm { name: name.to_owned(), line, at, condition, every, hold, alert })
}

/// The node at a path, if there is one.
fn find(object: &ManagementObject, key: &str, path: &str) -> Result<NodeId, String> {
    if path.is_empty() {
        return Err(format!(
            "`{key}` is empty: expected the way from the root to a node, such as \"Fan/Speed\""
        ));
    }
    path.split('/').try_fold(ManagementObject::ROOT, |parent, step| {
        let found = if is_placeholder(step) {
            object.unnamed_child(parent)
        } else {
            object.child(parent, step).filter(|id| !object.node(*id).is_unnamed())
        };
        let label = step.strip_prefix('<').and_then(|step| step.strip_suffix('>'));
        match found {
            Some(id) => match (label, object.node(id).label()) {
                (Some(label), Some(known)) if label != known => Err(format!(
                    "`{key}`: `<{label}>` is called `<{known}>` elsewhere in this file: write `<{known}>`"
                )),
                _ => Ok(id),
            },
            None => Err(missing(object, key, path, parent, step)),
        }
    })
}

fn missing(object: &ManagementObject, key: &str, path: &str, parent: NodeId, step: &str) -> String {
    let names: Vec<String> = object.children(parent).iter().map(|id| shown(&object.node(*id).name)).collect();
    let meant = meant(step, names.iter().map(String::as_str));
    let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
    let there = match names.as_slice() {
        [] => "that is a leaf".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    let parent = object.path(parent);
    let parent = if parent.is_empty() { "the root".to_owned() } else { format!("`{parent}`") };
    format!("`{key}` names `{path}`: there is no `{step}` below {parent}; {there}{meant}")
}

/// Checks that a server could read the node: what it may not read, no alert tells it.
fn readable(object: &ManagementObject, id: NodeId, key: &str) -> Result<(), String> {
    let path = object.path(id);
    let is_secret = object
        .node(id)
        .mapping
        .get
        .iter()
        .any(|source| matches!(&source.from, SourceKind::Builtin(name) if is_secret(name)));
    let closed = object.lineage(id).any(|node| !node.properties.access.allows(AccessType::GET));
    if closed || is_secret {
        return Err(format!(
            "`{key}` names `{path}`, which servers may not read: give it, and all that it is in, Get"
        ));
    }
    Ok(())
}

fn is_number(format: Format) -> bool {
    matches!(format, Format::Int | Format::Float)
}

fn threshold(
    object: &ManagementObject,
    at: NodeId,
    key: &str,
    entry: &ThresholdEntry,
    must_be_number: bool,
) -> Result<Threshold, String> {
    let path = match entry {
        ThresholdEntry::Fixed(text) if must_be_number => {
            let value =
                Value::from_text(Format::Int, text).or_else(|_| Value::from_text(Format::Float, text));
            return value.map(Threshold::Fixed).map_err(|error| format!("`{key}`: {error}"));
        }
        ThresholdEntry::Fixed(text) => {
            let format = object.node(at).properties.format;
            let value = Value::from_text(format, text);
            return value
                .map(Threshold::Fixed)
                .map_err(|error| format!("`{key}` is what format {} can't hold: {error}", format.word()));
        }
        ThresholdEntry::Leaf(path) => path,
    };
    let leaf = find(object, key, path)?;
    if leaf == at {
        return Err(format!(
            "`{key}` names `{path}`, which is the leaf that is watched: it is its own limit"
        ));
    }
    if !object.is_leaf(leaf) {
        return Err(format!("`{key}` names `{path}`, which is no leaf: it has no value"));
    }
    let format = object.node(leaf).properties.format;
    if must_be_number && !is_number(format) {
        return Err(format!(
            "`{key}` names `{path}`, which has format {}: expected int or float",
            format.word()
        ));
    }
    readable(object, leaf, key)?;
    way(object, at, leaf).ok_or_else(|| {
        format!("`{key}` names `{path}`: of the elements there it can't be told which one is meant")
    })
}

/// The way from one node to another by names alone; none where it leads through an un-named node.
fn way(object: &ManagementObject, from: NodeId, to: NodeId) -> Option<Threshold> {
    let lineage = |id: NodeId| std::iter::successors(Some(id), |id| object.node(*id).parent);
    let above: Vec<NodeId> = lineage(from).collect();
    let mut down: Vec<NodeId> = lineage(to).take_while(|id| !above.contains(id)).collect();
    down.reverse();
    let common = down.first().map_or(Some(to), |first| object.node(*first).parent)?;
    let up = above.iter().position(|id| *id == common)?;
    let is_named = down.iter().all(|id| !object.node(*id).is_unnamed());
    is_named.then_some(Threshold::Leaf { up, down })
}

/// The problem with a `clear` on the wrong side of its limit, which would have the alarm flap; none if it is right.
fn wrong_side(limit: &Threshold, clear: Option<&Threshold>, is_above: bool) -> Option<String> {
    let (Threshold::Fixed(limit), Some(Threshold::Fixed(clear))) = (limit, clear) else { return None };
    let (limit, clear) = (limit.to_text(), clear.to_text());
    let (key, wrong, right) =
        if is_above { ("above", Ordering::Greater, "most") } else { ("below", Ordering::Less, "least") };
    (compare(&clear, &limit)? == wrong)
        .then(|| format!("`clear` is {clear}, and `{key}` {limit}: expected {limit} at {right}"))
}
