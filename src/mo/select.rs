//! Steps into structured data: `.key`, `[1]`.

use serde_json::Value as Json;

/// A step into structured data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    /// The member of an object: `.key`.
    Key(String),
    /// The element of an array: `[1]`.
    Index(usize),
}

/// The text of a JSON value: scalars as text, anything larger as JSON; `null` is absent.
pub(crate) fn json_text(json: &Json) -> Option<String> {
    match json {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The steps as they are written.
pub(crate) fn shown(steps: &[Select]) -> String {
    let step = |step: &Select| match step {
        Select::Key(key) => format!(".{key}"),
        Select::Index(index) => format!("[{index}]"),
    };
    steps.iter().map(step).collect()
}

/// The value at the end of some steps.
pub(crate) fn walk<'j>(steps: &[Select], document: &'j Json) -> Option<&'j Json> {
    steps.iter().try_fold(document, |json, step| match step {
        Select::Key(key) => json.get(key),
        Select::Index(index) => json.get(index),
    })
}

/// Selects the text at the end of some steps into JSON; of a single key, what a `key = value` line has for it. None: it
/// is not there.
///
/// # Errors
/// The text is neither.
pub(super) fn select(steps: &[Select], input: &str) -> Result<Option<String>, serde_json::Error> {
    // A line may begin with `[section]`; a JSON array has no keys, so a key decides.
    let object = input.trim_start().starts_with('{');
    if let ([Select::Key(key)], false) = (steps, object) {
        return Ok(key_value(key, input));
    }
    let document: Json = serde_json::from_str(input)?;
    Ok(walk(steps, &document).and_then(json_text))
}

/// The value of a key in `key = value` or `key: value` lines; quotes around the value go. The last one counts.
fn key_value(key: &str, text: &str) -> Option<String> {
    let value = |line: &str| {
        let rest = line.trim().strip_prefix(key)?.trim_start();
        let value = rest.strip_prefix(['=', ':'])?.trim();
        let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        Some(quoted.unwrap_or(value).to_owned())
    };
    text.lines().rev().find_map(value)
}
