//! Warnings about a `set` that writes something else than its leaf's `get` reads.

use crate::ddf::{AccessType, Format};

use super::super::admit::admit;
use super::super::fill::Variables;
use super::super::limit::{Bound, compare};
use super::super::mapping::{Call, NodeMapping, Pipeline, Sink, Source, SourceKind, is_same_place};
use super::super::object::{ManagementObject, NodeId};
use super::super::pipeline::{Passed, PipelineError};
use super::super::template::Template;
use super::super::value::Value;

/// Where the kernel's own files are: what is written there often shows elsewhere.
const OF_KERNEL: [&str; 2] = ["/sys/", "/proc/"];

/// What is hardly meant of a `set` beside its `get`.
pub(super) fn doubts(object: &ManagementObject, id: NodeId, told: &mut Vec<String>) {
    let node = object.node(id);
    let Some(sink) = node.mapping.set.as_deref() else { return };
    if !node.properties.access.allows(AccessType::GET) {
        return;
    }
    if node.mapping.verify.is_some() {
        told.extend(other_place(&node.mapping, sink));
    }
    told.extend(round_trip(&node.mapping, sink, node.properties.format));
}

/// That no source reads what is written, where some read the like of it.
fn other_place(mapping: &NodeMapping, sink: &Sink) -> Option<String> {
    let alike: Vec<&Source> = mapping.get.iter().filter(|source| is_alike(&source.from, &sink.to)).collect();
    let reads = |source: &&&Source| is_same_place(source, &sink.to) || is_whole(source, &sink.to);
    let first = alike.first().filter(|_| !alike.iter().any(|source| reads(&source)))?;
    if let SourceKind::File { path, .. } = &first.from
        && OF_KERNEL.iter().any(|place| path.literal_start().starts_with(place))
    {
        return None;
    }
    let written = match &sink.to {
        Call::File { path, setting: Some(setting), .. } => format!("{path}: {setting}"),
        Call::File { path, .. } => path.to_string(),
        Call::Bus { object, member, .. } => format!("{object} {member}"),
        Call::Run(_) | Call::Store => return None,
    };
    Some(format!(
        "`set` writes {written}, and `get` reads {}: what is set is not read back; if that is meant, say `verify = false`",
        first.from
    ))
}

fn is_alike(from: &SourceKind, to: &Call) -> bool {
    matches!(
        (from, to),
        (SourceKind::File { .. }, Call::File { .. })
            | (SourceKind::Property { .. }, Call::Bus { method: false, .. })
    )
}

/// Whether the source takes its value out of the whole file in which the call writes a setting, or which it replaces.
fn is_whole(source: &Source, to: &Call) -> bool {
    let picks = !source.pipeline.select.is_empty() || source.pipeline.matching.is_some();
    picks && file(&source.from) == written(to)
}

fn file(from: &SourceKind) -> Option<&Template> {
    if let SourceKind::File { path, setting: None } = from { Some(path) } else { None }
}

fn written(to: &Call) -> Option<&Template> {
    if let Call::File { path, .. } = to { Some(path) } else { None }
}

/// That a value does not come back as it was set: samples are put through both pipelines.
fn round_trip(mapping: &NodeMapping, sink: &Sink, format: Format) -> Option<String> {
    use Format::{Bool, Chr, Date, Float, Int, Time};
    let source = mapping.get.iter().find(|source| is_same_place(source, &sink.to))?;
    if !matches!(format, Bool | Chr | Date | Float | Int | Time) {
        return None;
    }
    samples(mapping, &source.pipeline, format)
        .into_iter()
        .find_map(|value| differs(&value, &source.pipeline, sink, format))
}

/// How a value that was set reads back; none where that is the value, or it can't be set.
fn differs(value: &str, get: &Pipeline, sink: &Sink, format: Format) -> Option<String> {
    let names = Variables::default();
    let raw = match sink.pipeline.invert(value, &names) {
        Ok(raw) => raw,
        // `get` made it: its format is another one.
        Err(PipelineError::Unformat(_)) if get.format.is_some() => {
            return Some(format!("`set` can't write {value:?}, which `get` reads: their `format` differs"));
        }
        Err(_) => return None,
    };
    let read = match get.apply(&raw, format, &names) {
        Ok(Passed::Value(read)) => read,
        // Braces in it are known when it is served.
        Err(PipelineError::Format(_)) => return None,
        Ok(Passed::Absent(_)) | Err(_) if get.matching.is_some() || !get.select.is_empty() => {
            return Some(format!(
                "`set` replaces all of the file, out of which `get` takes a part: {raw:?} is no such file; write the \
                 one setting, with `key`"
            ));
        }
        Ok(Passed::Absent(why)) => return Some(disagree(value, &raw, &format!("as nothing: {why}"))),
        Err(error) => return Some(disagree(value, &raw, &format!("as nothing: {error}"))),
    };
    let is_same = match format {
        Format::Int | Format::Float => is_close(&read, value),
        _ => Value::from_text(format, &read) == Value::from_text(format, value),
    };
    (!is_same).then(|| disagree(value, &raw, &format!("as {read:?}")))
}

fn disagree(value: &str, raw: &str, read: &str) -> String {
    format!(
        "`set` and `get` disagree: {value:?} is written as {raw:?}, which is read {read}; say `map`, `scale` and \
         `format` in `get` only"
    )
}

fn is_close(one: &str, other: &str) -> bool {
    match (one.trim().parse::<f64>(), other.trim().parse::<f64>()) {
        (Ok(one), Ok(other)) => (one - other).abs() <= 1e-6 * one.abs().max(other.abs()),
        _ => compare(one, other).is_some_and(std::cmp::Ordering::is_eq),
    }
}

/// Values that a server may set: those that the mapping names, and what `get` makes of a few things.
fn samples(mapping: &NodeMapping, get: &Pipeline, format: Format) -> Vec<String> {
    let number = |(_, bound): (_, &Bound)| match bound {
        Bound::Number(number) => Some(number.clone()),
        Bound::Leaf(_) | Bound::Source(_) => None,
    };
    let mut all: Vec<String> = mapping.limits.one_of.clone();
    all.extend(mapping.limits.bounds().filter_map(number));
    if format == Format::Bool {
        all.extend(["true".to_owned(), "false".to_owned()]);
    }
    let raw = get.map.iter().map(|(raw, _)| raw.as_str());
    for raw in raw.chain(["7", "40", "x1"]) {
        if let Ok(Passed::Value(value)) = get.apply(raw, format, &Variables::default()) {
            all.push(value);
        }
    }
    if format == Format::Int {
        all.push("7".to_owned());
    }
    let otherwise = get.otherwise.as_ref();
    let is_value = |text: &String| {
        Value::from_text(format, text).is_ok_and(|value| admit(mapping, format, &value).is_ok())
    };
    all.retain(|value| Some(value) != otherwise && is_value(value));
    all
}
