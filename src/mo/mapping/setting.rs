//! Reading `key` and `syntax`: which setting of a file is meant.

use crate::mo::key::{Key, Step};
use crate::mo::setting::Syntax;
use crate::spanned::{Item, Located, Reader};

use super::pipeline::steps;
use super::{Select, Template};

/// Reads the setting that `key` names in the table's `file`; none without a `key`.
pub(super) fn setting(reader: &mut Reader<'_>) -> Option<Key> {
    let written = reader.parsed("syntax", syntax);
    let Some(key) = reader.raw("key") else {
        if reader.has("syntax") {
            reader.problem("syntax", "says how a file writes its settings: it needs a `key`");
        }
        return None;
    };
    let syntax = written.unwrap_or_else(|| match reader.raw("file").map(|file| &file.item) {
        Some(Item::String(path)) => Syntax::of_file(path),
        _ => Syntax::Shell,
    });
    match named(key, syntax) {
        Ok(key) => Some(key),
        Err(what) => {
            reader.problem("key", what);
            None
        }
    }
}

fn syntax(name: String) -> Result<Syntax, String> {
    [Syntax::Shell, Syntax::Ini, Syntax::Json]
        .into_iter()
        .find(|syntax| syntax.to_string() == name)
        .ok_or_else(|| format!("expected \"shell\", \"ini\" or \"json\", found {name:?}"))
}

fn named(key: &Located, syntax: Syntax) -> Result<Key, String> {
    let steps = match (syntax, &key.item) {
        (Syntax::Ini, Item::String(name)) => match name.rsplit_once('.') {
            Some((section, name)) => vec![self::name(section)?, self::name(name)?],
            None => vec![self::name(name)?],
        },
        (Syntax::Ini, Item::Array(parts)) => {
            parts.iter().map(|part| text(part).and_then(name)).collect::<Result<_, _>>()?
        }
        (Syntax::Json, Item::String(path)) => {
            let path = if path.starts_with(['.', '[']) { path.clone() } else { format!(".{path}") };
            let steps = steps(&path).ok_or("expected steps such as \".radio[0].rssi\"")?;
            let step = |step| match step {
                Select::Key(key) => name(&key),
                Select::Index(index) => Ok(Step::Index(index)),
            };
            steps.into_iter().map(step).collect::<Result<_, _>>()?
        }
        (Syntax::Json, Item::Array(parts)) => parts.iter().map(step).collect::<Result<_, _>>()?,
        (Syntax::Shell, Item::String(text)) => vec![name(text)?],
        (Syntax::Shell, _) => return Err("expected a name such as \"INTERVAL\"".to_owned()),
        (Syntax::Ini, _) => return Err("expected a name such as \"section.key\"".to_owned()),
        (Syntax::Json, _) => return Err("expected a path such as \".radio[0].rssi\"".to_owned()),
    };
    let key = Key { syntax, steps };
    key.check().map(|()| key)
}

fn name(text: &str) -> Result<Step, String> {
    Template::parse(text).map(Step::Name).map_err(|error| format!("{text:?}: {error}"))
}

fn text(part: &Located) -> Result<&str, String> {
    match &part.item {
        Item::String(text) => Ok(text),
        other => Err(format!("expected an array of strings, found {} in it", other.kind())),
    }
}

fn step(part: &Located) -> Result<Step, String> {
    match &part.item {
        Item::String(text) => name(text),
        Item::Integer(index) => {
            usize::try_from(*index).map(Step::Index).map_err(|_| format!("{index} is no position"))
        }
        other => Err(format!("expected names and positions, found {}", other.kind())),
    }
}
