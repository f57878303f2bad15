//! Warnings about `pattern`, `max-len`, `min`, `max` and `enum` that let through too little together.

use crate::ddf::AccessType;

use super::super::admit::{Unfit, admit};
use super::super::limit::{Bound, Side};
use super::super::mapping::{NodeMapping, Source, SourceKind};
use super::super::object::{ManagementObject, NodeId};
use super::super::value::Value;
use super::shortest::shortest;

/// The characters that mean something else than themselves.
const SPECIAL: [char; 14] = ['.', '[', ']', '(', ')', '|', '*', '+', '?', '{', '}', '\\', '^', '$'];

/// What is hardly meant of a leaf's limits.
pub(super) fn doubts(object: &ManagementObject, id: NodeId, told: &mut Vec<String>) {
    let node = object.node(id);
    let (mapping, format) = (&node.mapping, node.properties.format);
    let bounds = mapping.limits.bounds().filter_map(|(side, bound)| match bound {
        Bound::Number(number) => Some((if side == Side::Min { "min" } else { "max" }, number)),
        Bound::Leaf(_) | Bound::Source(_) => None,
    });
    let one_of = mapping.limits.one_of.iter().map(|one| ("enum", one));
    let unfit = one_of.chain(bounds).find_map(|(key, text)| {
        let value = Value::from_text(format, text).ok()?;
        let Err(Unfit::Shape(why)) = admit(mapping, format, &value) else { return None };
        Some(format!("`{key}` has {text:?}, which can't be set: {why}"))
    });
    // That the default is none says the same.
    told.extend(unfit.filter(|_| told.is_empty()));
    told.extend(pattern(mapping));
    for (side, bound) in mapping.limits.bounds() {
        let Bound::Source(source) = bound else { continue };
        if mapping.get.iter().any(|own| is_unscaled(own, source)) {
            let key = if side == Side::Min { "min" } else { "max" };
            told.push(format!("`{key}` reads the leaf's own file, and without its `scale`"));
        }
    }
    let access = node.properties.access;
    let is_told = told.iter().any(|what| what.starts_with("`enum`"));
    if !is_told && (access.allows(AccessType::REPLACE) || access.allows(AccessType::ADD)) {
        told.extend(outside_of_enum(mapping));
    }
}

/// What is wrong with a pattern by itself. It is read as `\A(?:…)\z`.
fn pattern(mapping: &NodeMapping) -> Option<String> {
    let whole = mapping.pattern.as_ref()?.as_str();
    let written = whole.strip_prefix(r"\A(?:")?.strip_suffix(r")\z")?;
    if written.is_empty() {
        return Some("`pattern` is empty: only the empty text can be set".to_owned());
    }
    if written.starts_with("/^") || (written.len() > 1 && written.starts_with('/') && written.ends_with("$/"))
    {
        return Some("`pattern` is in slashes, which are part of it here: leave them out".to_owned());
    }
    let begin = written.strip_prefix('^').filter(|rest| !rest.contains(SPECIAL));
    if let Some(begin) = begin {
        return Some(format!("`pattern` is for the whole value: only {begin:?} can be set"));
    }
    let (least, most) = (shortest(written)?, mapping.max_len?);
    (least > most).then(|| {
        format!("`max-len` is {most}, and what fits `pattern` has {least} at least: nothing can be set")
    })
}

/// Whether a limit reads the file of its own leaf, and scales it in another way.
fn is_unscaled(own: &Source, limit: &Source) -> bool {
    let (SourceKind::File { path, setting }, SourceKind::File { path: other, setting: same }) =
        (&own.from, &limit.from)
    else {
        return false;
    };
    (path, setting) == (other, same) && own.pipeline.scale != limit.pipeline.scale
}

/// That `get` says what `enum` does not have.
fn outside_of_enum(mapping: &NodeMapping) -> Option<String> {
    let limits = &mapping.limits.one_of;
    let makes = mapping.get.iter().flat_map(|source| {
        let pipeline = &source.pipeline;
        let is_last = pipeline.time.is_none() && pipeline.scale.is_none() && pipeline.format.is_none();
        let map = pipeline.map.iter().map(|(_, node)| node).chain(&pipeline.otherwise);
        map.filter(move |_| is_last)
    });
    let odd = makes.into_iter().find(|value| !limits.is_empty() && !limits.contains(value))?;
    Some(format!("`map` makes {odd:?}, which `enum` lacks: servers read it, and can't set it"))
}
