//! Reading what the tables of a node have in common: which kind one is, templates, patterns, pairs.

use zbus::names::MemberName;

use crate::base::OrderedSet;
use crate::spanned::{Item, Reader};

use super::scalar::Scalar;
use super::{Pattern, Template};

/// The keys that only a D-Bus object has.
const MEMBERS: [&str; 3] = ["method", "property", "args"];

/// The one of `kinds` that the table is; none or several are a problem.
pub(super) fn kind(reader: &mut Reader<'_>, kinds: &[&'static str]) -> Option<&'static str> {
    let found: Vec<&'static str> = kinds.iter().copied().filter(|kind| reader.raw(kind).is_some()).collect();
    let members: Vec<&'static str> = MEMBERS.into_iter().filter(|key| reader.has(key)).collect();
    let apart = !kinds.contains(&"method") && kinds.contains(&"object");
    match (found.as_slice(), members.as_slice()) {
        ([one], [member, ..]) if apart && *one != "object" => {
            reader.problem(
                member,
                format!("a D-Bus object's `{member}` and `{one}` exclude each other: keep one of the two"),
            );
            reader.give_up();
            None
        }
        ([], [member, ..]) if apart => {
            reader.problem(member, format!("`{member}` needs the `object` that has it"));
            reader.give_up();
            None
        }
        ([one], _) => Some(one),
        ([], _) => {
            reader.here(format!("expected one of: {}", kinds.join(", ")));
            None
        }
        (several, _) => {
            let several = several.join(", ");
            reader.here(format!("expected one of these only: {several}: they exclude each other"));
            reader.give_up();
            None
        }
    }
}

/// Reads a table, or an array of tables.
pub(super) fn one_or_many<T>(
    reader: &mut Reader<'_>,
    key: &str,
    read: impl Fn(&mut Reader<'_>) -> Option<T>,
) -> Vec<T> {
    if let Some(Item::Array(_)) = reader.raw(key).map(|located| &located.item) {
        let all = reader.array(key, |located, path, problems| {
            let mut reader = Reader::at(located, path, problems);
            let value = if matches!(located.item, Item::Table(_)) { read(&mut reader) } else { None };
            reader.finish();
            value
        });
        if all.as_ref().is_some_and(Vec::is_empty) {
            reader
                .problem(key, "is empty: expected at least one table; without it, the agent keeps the value");
        }
        return all.unwrap_or_default().into_iter().flatten().collect();
    }
    match reader.raw(key).map(|located| &located.item) {
        None => Vec::new(),
        Some(Item::Table(_)) => reader.table(key, read).flatten().into_iter().collect(),
        Some(other) => {
            reader.problem(key, format!("expected a table or an array of tables, found {}", other.kind()));
            Vec::new()
        }
    }
}

/// Reads the members of a table, each made by `read`; nothing if one can't be made.
pub(super) fn pairs<T>(
    reader: &mut Reader<'_>,
    key: &str,
    read: impl Fn(&str, Scalar) -> Option<T>,
) -> Option<Vec<T>> {
    use crate::spanned::FromItem as _;
    match reader.raw(key).map(|located| &located.item) {
        None => Some(Vec::new()),
        Some(Item::Table(members)) => {
            let mut all = Vec::with_capacity(members.len());
            for (name, value) in members {
                all.push(read(name, Scalar::from_item(&value.item)?)?);
            }
            Some(all)
        }
        Some(_) => None,
    }
}

pub(super) fn object(reader: &mut Reader<'_>, objects: &OrderedSet<String>) -> Option<String> {
    let name: String = reader.optional("object")?;
    if !objects.contains(&name) {
        reader.problem("object", format!("there is no [object.{name}]"));
    }
    Some(name)
}

pub(super) fn truth(reader: &mut Reader<'_>, key: &str) -> bool {
    let truth = reader.or(key, false);
    if !truth {
        reader.problem(key, "expected true");
    }
    truth
}

pub(super) fn template(reader: &mut Reader<'_>, key: &str) -> Option<Template> {
    let text: String = reader.optional(key)?;
    Template::parse(&text).map_err(|error| reader.problem(key, error.to_string())).ok()
}

pub(super) fn argv(reader: &mut Reader<'_>, key: &str) -> Option<Vec<Template>> {
    let argv = templates(reader, key)?;
    if argv.is_empty() {
        reader.problem(key, "expected a program and its arguments");
        return None;
    }
    Some(argv)
}

pub(super) fn templates(reader: &mut Reader<'_>, key: &str) -> Option<Vec<Template>> {
    let texts: Vec<Scalar> = reader.optional(key)?;
    let mut all = Vec::with_capacity(texts.len());
    for Scalar(text) in texts {
        match Template::parse(&text) {
            Ok(template) => all.push(template),
            Err(error) => reader.problem(key, format!("{text:?}: {error}")),
        }
    }
    Some(all)
}

/// Reads the name of a D-Bus object's property or method.
pub(super) fn member(reader: &mut Reader<'_>, key: &str) -> Option<String> {
    let name: Option<String> = reader.optional(key);
    if name.as_deref().is_some_and(|name| MemberName::try_from(name).is_err()) {
        reader.problem(key, "expected a D-Bus name of letters, digits and `_`, such as \"PowerState\"");
    }
    name
}

/// Reads a regular expression, in which `^` and `$` match at lines: most of what is matched are files of many lines.
pub(super) fn pattern(
    reader: &mut Reader<'_>,
    key: &str,
    around: impl Fn(&str) -> String,
) -> Option<Pattern> {
    let pattern: String = reader.optional(key)?;
    if let Some(placeholder) = placeholder(&pattern) {
        reader.problem(
            key,
            format!("`{placeholder}` can't be filled in here: `{key}` is a regular expression and nothing else; a brace that is meant as such is written `\\{{`"),
        );
        return None;
    }
    let pattern = Pattern::new(&around(&pattern));
    pattern.map_err(|error| reader.problem(key, format!("not a regular expression: {error}"))).ok()
}

/// The part of a pattern that looks like a variable in braces. A regular expression has none but after `\\p` and its
/// like.
fn placeholder(pattern: &str) -> Option<&str> {
    let opens = pattern.match_indices('{').map(|(at, _)| at);
    opens.into_iter().find_map(|at| {
        let (before, rest) = pattern.split_at_checked(at)?;
        let name = rest.get(1..rest.find('}')?)?;
        let is_name = name.trim_start_matches("../").starts_with(|c: char| c.is_alphabetic());
        let is_escape = before.ends_with('\\')
            || ["\\p", "\\P", "\\x", "\\u", "\\U", "\\b"].iter().any(|escape| before.ends_with(escape));
        (is_name && !is_escape).then(|| rest.get(..name.len() + 2)).flatten()
    })
}
