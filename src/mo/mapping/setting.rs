//! Reading `key` and `syntax`: which setting of a file is meant.

use crate::mo::setting::{Setting, Syntax};
use crate::spanned::{Item, Located, Reader};

use super::Select;
use super::pipeline::steps;

/// Reads the setting that `key` names in the table's `file`; none without a `key`.
pub(super) fn setting(reader: &mut Reader<'_>) -> Option<Setting> {
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
        Ok(setting) => Some(setting),
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

fn named(key: &Located, syntax: Syntax) -> Result<Setting, String> {
    match (syntax, &key.item) {
        (Syntax::Shell, Item::String(name)) => variable(name),
        (Syntax::Ini, Item::String(name)) => match name.rsplit_once('.') {
            Some((section, name)) => ini(Some(section), name),
            None => ini(None, name),
        },
        (Syntax::Ini, Item::Array(parts)) => match parts.as_slice() {
            [name] => ini(None, text(name)?),
            [section, name] => ini(Some(text(section)?), text(name)?),
            _ => Err("expected [\"section\", \"key\"], or [\"key\"] before the first section".to_owned()),
        },
        (Syntax::Json, Item::String(path)) => {
            let path = if path.starts_with(['.', '[']) { path.clone() } else { format!(".{path}") };
            let steps = steps(&path).filter(|steps| !steps.is_empty());
            steps.map(Setting::Member).ok_or_else(|| "expected steps such as \".radio[0].rssi\"".to_owned())
        }
        (Syntax::Json, Item::Array(parts)) if !parts.is_empty() => {
            parts.iter().map(step).collect::<Result<_, _>>().map(Setting::Member)
        }
        (Syntax::Shell, _) => Err("expected a name such as \"INTERVAL\"".to_owned()),
        (Syntax::Ini, _) => Err("expected a name such as \"section.key\"".to_owned()),
        (Syntax::Json, _) => Err("expected a path such as \".radio[0].rssi\"".to_owned()),
    }
}

fn variable(name: &str) -> Result<Setting, String> {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit()) {
        return Ok(Setting::Variable(name.to_owned()));
    }
    let hint = "expected a name of letters, digits and `_`; for other files say `syntax = \"ini\"` or `syntax = \"json\"`";
    Err(format!("{name:?} is no variable of a shell: {hint}"))
}

fn ini(section: Option<&str>, name: &str) -> Result<Setting, String> {
    let sound = |text: &str| !text.is_empty() && text.trim() == text && !text.contains(['\n', '\r', '\0']);
    let name_is_sound = sound(name) && !name.starts_with(['[', '#', ';']) && !name.contains('=');
    if !name_is_sound || section.is_some_and(|section| !sound(section) || section.contains(']')) {
        return Err("expected a key, or a section, a dot and a key, such as \"network.mtu\"".to_owned());
    }
    Ok(Setting::Key { section: section.map(str::to_owned), name: name.to_owned() })
}

fn text(part: &Located) -> Result<&str, String> {
    match &part.item {
        Item::String(text) => Ok(text),
        other => Err(format!("expected an array of strings, found {} in it", other.kind())),
    }
}

fn step(part: &Located) -> Result<Select, String> {
    match &part.item {
        Item::String(name) => Ok(Select::Key(name.clone())),
        Item::Integer(index) => {
            usize::try_from(*index).map(Select::Index).map_err(|_| format!("{index} is no position"))
        }
        other => Err(format!("expected names and positions, found {}", other.kind())),
    }
}
