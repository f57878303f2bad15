//! Reading the sources of a value.

use crate::base::OrderedSet;
use crate::spanned::Reader;

use super::parts::{argv, kind, member, object, one_or_many, template, templates, truth};
use super::pipeline::pipeline;
use super::scalar::Scalar;
use super::setting::setting;
use super::watch::watch;
use super::{Source, SourceKind};

/// Reads the sources in `get` of a table that is no node's: the settings name sources too.
pub(crate) fn sources(reader: &mut Reader<'_>, objects: &OrderedSet<String>) -> Vec<Source> {
    one_or_many(reader, "get", |reader| source(reader, objects))
}

type ReadKind = fn(&mut Reader<'_>, &OrderedSet<String>) -> Option<SourceKind>;

/// The kinds of source by the key that each is known by, and how the rest of its table is read.
const KINDS: [(&str, ReadKind); 9] = [
    ("value", |reader, _| reader.optional("value").map(|Scalar(text)| SourceKind::Value(text))),
    ("file", |reader, _| {
        let path = template(reader, "file");
        let setting = setting(reader);
        path.map(|path| SourceKind::File { path, setting })
    }),
    ("os-release", |reader, _| reader.optional("os-release").map(SourceKind::OsRelease)),
    ("machine-id", |reader, _| machine_id(reader).map(SourceKind::MachineId)),
    ("object", bus_source),
    ("run", |reader, _| argv(reader, "run").map(SourceKind::Run)),
    ("item", |reader, _| reader.optional("item").map(SourceKind::Item)),
    ("store", |reader, _| truth(reader, "store").then_some(SourceKind::Store)),
    ("builtin", |reader, _| reader.optional("builtin").map(SourceKind::Builtin)),
];

/// Reads a source of a value; none where it is wrong, which is noted.
pub(super) fn source(reader: &mut Reader<'_>, objects: &OrderedSet<String>) -> Option<Source> {
    let kind = kind(reader, &KINDS.map(|(key, _)| key))?;
    let (_, read) = KINDS.iter().find(|(key, _)| *key == kind)?;
    let from = read(reader, objects);
    for key in ["key", "syntax"] {
        if kind != "file" && reader.raw(key).is_some() {
            reader.problem(
                key,
                "is for a `file`: of what another source says, `select` or `match` picks a part",
            );
        }
    }
    let privileged = matches!(kind, "file" | "object" | "run") && reader.or("privileged", false);
    let watch = watch(reader, matches!(kind, "run" | "item"), objects);
    let pipeline = pipeline(reader);
    Some(Source { from: from?, pipeline, privileged, watch })
}

fn bus_source(reader: &mut Reader<'_>, objects: &OrderedSet<String>) -> Option<SourceKind> {
    let object = object(reader, objects);
    match kind(reader, &["property", "method"])? {
        "property" => {
            let property = member(reader, "property");
            Some(SourceKind::Property { object: object?, property: property? })
        }
        _ => {
            let method = member(reader, "method");
            let args = templates(reader, "args").unwrap_or_default();
            Some(SourceKind::Method { object: object?, method: method?, args })
        }
    }
}

fn machine_id(reader: &mut Reader<'_>) -> Option<[u8; 16]> {
    let text: String = reader.optional("machine-id")?;
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let number = if digits.len() == 32 { u128::from_str_radix(&digits, 16).ok() } else { None };
    if number.is_none() {
        reader.problem("machine-id", "expected the application's UUID: 32 hexadecimal digits");
    }
    number.map(u128::to_be_bytes)
}
