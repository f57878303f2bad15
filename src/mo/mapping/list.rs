//! Reading `list`: where an un-named node's children come from.

use crate::base::OrderedSet;
use crate::spanned::Reader;

use super::parts::{argv, kind, object, pattern, template};
use super::pipeline::select;
use super::watch::watch;
use super::{List, ListFrom, Pattern, RecordsPlace, RecordsShape};

const MAX_CHILDREN: usize = 1024;

pub(super) fn list(reader: &mut Reader<'_>, objects: &OrderedSet<String>) -> Option<List> {
    let kind = kind(reader, &["glob", "file", "run", "object"])?;
    let from = match kind {
        "glob" => glob(reader),
        "object" => object(reader, objects).map(ListFrom::Object),
        kind => records(reader, kind),
    };
    let max = usize::try_from(reader.or("max", u32::try_from(MAX_CHILDREN).unwrap_or(u32::MAX)));
    let max = max.unwrap_or(MAX_CHILDREN);
    if max == 0 {
        reader.problem("max", "expected at least 1");
    }
    let privileged = matches!(kind, "file" | "run") && reader.or("privileged", false);
    Some(List { from: from?, max, privileged, watch: watch(reader, kind == "run", objects) })
}

fn glob(reader: &mut Reader<'_>) -> Option<ListFrom> {
    let pattern: String = reader.optional("glob")?;
    if !pattern.starts_with('/') || !pattern.contains('*') {
        reader.problem("glob", "expected an absolute path with a `*` where the names are");
    } else if let Err(error) = glob::Pattern::new(&pattern) {
        reader.problem("glob", format!("not a pattern: {error}"));
    }
    Some(ListFrom::Glob(pattern))
}

/// Reads where records are, in a file or of a program, and their shape.
fn records(reader: &mut Reader<'_>, kind: &str) -> Option<ListFrom> {
    let place = match kind {
        "file" => template(reader, "file").map(RecordsPlace::File),
        _ => argv(reader, "run").map(RecordsPlace::Run),
    };
    let json = reader.or("json", false);
    let lines = reader.or("lines", !json);
    let key: Option<String> = reader.optional("key");
    let matching = pattern(reader, "match", str::to_owned);
    let select = select(reader);
    if json == lines {
        reader.here("a listing is either `json = true` or `lines = true`");
    }
    if json && matching.is_some() {
        reader.problem("match", "only with `lines = true`");
    }
    if !json && !select.is_empty() {
        reader.problem("select", "only with `json = true`");
    }
    let groups: Vec<&str> = matching.iter().flat_map(Pattern::names).collect();
    if let Some(key) = key.as_deref().filter(|key| !json && !groups.contains(key)) {
        let what = match groups.join(", ").as_str() {
            "" => "only with `json = true`, or with a `match` that has named groups such as (?<mac>\\S+)"
                .to_owned(),
            groups => format!("`match` has no group {key:?}; there are: {groups}"),
        };
        reader.problem("key", what);
    }
    if !json && matching.as_ref().is_some_and(|pattern| pattern.groups() < 2) {
        reader.problem("match", "has no group for the child's name: put ( and ) around it");
    }
    let shape = if json { RecordsShape::Json { select, key } } else { RecordsShape::Lines { matching, key } };
    Some(ListFrom::Records { place: place?, shape })
}
