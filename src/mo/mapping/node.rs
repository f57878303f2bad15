//! Reading a node's table, `[node."…"]`.

use std::time::Duration;

use crate::base::OrderedSet;
use crate::spanned::ByteSize;
use crate::spanned::{Item, Reader};

use super::call::call;
use super::exec::exec;
use super::input::input;
use super::limits::limits;
use super::list::list;
use super::parts::{one_or_many, pattern};
use super::pipeline::{self, pipeline};
use super::source::sources;
use super::{Call, NodeMapping, Pipeline, Sink, Source, SourceKind};

const VERIFY: Duration = Duration::from_secs(5);
/// The kinds of a change.
const CHANGES: [&str; 4] = ["file", "object", "run", "store"];

/// Reads one node's table. `objects` are the names of the D-Bus objects there are.
pub(super) fn read(reader: &mut Reader<'_>, objects: &OrderedSet<String>) -> NodeMapping {
    let get = sources(reader, objects);
    let mut sets = one_or_many(reader, "set", |reader| sink(reader, objects));
    if sets.len() > 1 {
        reader.problem("set", "a value goes to one place: expected one table");
    }
    let mut given = Vec::new();
    input(reader, &mut given);
    let exec = reader.table("exec", |reader| {
        input(reader, &mut given);
        exec(reader, objects)
    });
    given.shrink_to_fit();
    let set = sets.pop().map(|(to, own)| {
        let own = own.map(|own| match own.invertible() {
            Ok(()) => own,
            Err(why) => {
                reader.problem(
                    "set",
                    format!("its own pipeline can't be run backwards: {why}; leave that out of `set`"),
                );
                Pipeline::default()
            }
        });
        Box::new(Sink { pipeline: own.unwrap_or_else(|| inherited(&get, &to)), to })
    });
    NodeMapping {
        line: reader.located().line,
        add: reader.table("add", |reader| call(reader, &CHANGES, false, objects)).flatten().map(Box::new),
        delete: reader
            .table("delete", |reader| call(reader, &CHANGES, false, objects))
            .flatten()
            .map(Box::new),
        list: reader.table("list", |reader| list(reader, objects)).flatten().map(Box::new),
        exec: exec.flatten().map(Box::new),
        pin: reader.or("pin", false),
        wait: reader.optional("wait"),
        pattern: pattern(reader, "pattern", |pattern| format!(r"\A(?:{pattern})\z")),
        max_len: reader.optional("max-len").map(|ByteSize(bytes)| bytes),
        limits: limits(reader, objects),
        verify: verify(reader, set.as_deref()),
        input: given,
        get,
        set,
    }
}

/// The pipeline of a `set` without pipeline keys of its own: it runs backwards what reading the same place does.
fn inherited(get: &[Source], to: &Call) -> Pipeline {
    let same = |source: &&Source| is_same_place(source, to);
    get.iter().find(same).or(get.first()).map(|source| source.pipeline.clone()).unwrap_or_default()
}

/// Whether a call writes what the source reads.
pub(in crate::mo) fn is_same_place(source: &Source, to: &Call) -> bool {
    match (&source.from, to) {
        (SourceKind::File { path: read, setting }, Call::File { path, setting: written, .. }) => {
            (read, setting) == (path, written)
        }
        (
            SourceKind::Property { object, property },
            Call::Bus { object: called, member, method: false, .. },
        ) => (object, property) == (called, member),
        (SourceKind::Store, Call::Store) => true,
        _ => false,
    }
}

fn verify(reader: &mut Reader<'_>, set: Option<&Sink>) -> Option<Duration> {
    match reader.raw("verify").map(|located| &located.item) {
        Some(Item::Boolean(false)) => None,
        Some(Item::Boolean(true)) => {
            reader.problem("verify", "expected false or a duration such as \"5s\"");
            None
        }
        Some(_) => reader.optional("verify"),
        None => matches!(set?.to, Call::File { .. } | Call::Bus { method: false, .. }).then_some(VERIFY),
    }
}

fn sink(reader: &mut Reader<'_>, objects: &OrderedSet<String>) -> Option<(Call, Option<Pipeline>)> {
    let to = call(reader, &CHANGES, true, objects);
    let own = pipeline::KEYS.iter().any(|key| reader.raw(key).is_some());
    let pipeline = own.then(|| pipeline(reader));
    Some((to?, pipeline))
}
