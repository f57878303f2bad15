//! Settings of JSON documents: a member, written in its place.

use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::Value as Json;

use super::error::SettingError;
use super::lines::splice;
use crate::ddf::Format;
use crate::mo::select::Select;

pub(super) fn read(steps: &[Select], file: &[u8]) -> Result<Option<String>, SettingError> {
    let Walk::Found(place) = walk(steps, text(file)?) else { return Ok(None) };
    let text = text(file)?.get(place).unwrap_or_default();
    let json = || serde_json::from_str::<Json>(text).map_err(|error| SettingError::Json(error.to_string()));
    Ok(match text.as_bytes().first() {
        // A number as it was written: 1.10, or 30 digits.
        Some(b'-' | b'0'..=b'9' | b't' | b'f') => Some(text.to_owned()),
        _ => crate::mo::select::json_text(&json()?),
    })
}

pub(super) fn write(
    steps: &[Select],
    file: &[u8],
    value: &str,
    format: Format,
) -> Result<Vec<u8>, SettingError> {
    if file.iter().all(u8::is_ascii_whitespace) {
        let mut document = nested(steps, new(value, format))?;
        document.push('\n');
        return Ok(document.into_bytes());
    }
    let text = text(file)?;
    Ok(match walk(steps, text) {
        Walk::Found(place) => {
            let new = like(text.get(place.clone()).unwrap_or_default(), value, format)?;
            splice(file, place, new.as_bytes())
        }
        Walk::Missing { object, rest } => {
            let Some((Select::Key(key), rest)) = rest.split_first() else {
                return Err(SettingError::Unwritable(
                    "the array has no such element, and one can't be added",
                ));
            };
            let member = nested(rest, new(value, format))?;
            add(file, text, object, key, &member)
        }
        Walk::Other => {
            return Err(SettingError::Unwritable(
                "what is on the way there is no object that a member could be added to",
            ));
        }
    })
}

fn text(file: &[u8]) -> Result<&str, SettingError> {
    let text = std::str::from_utf8(file).map_err(|error| SettingError::Json(error.to_string()))?;
    // From here on the document is known to be sound, and not too deep.
    let _: IgnoredAny = serde_json::from_str(text).map_err(|error| SettingError::Json(error.to_string()))?;
    Ok(text)
}

/// The JSON of a new value, as the node's format has it.
fn new(value: &str, format: Format) -> String {
    let bare = matches!(format, Format::Int | Format::Float | Format::Bool);
    match serde_json::from_str::<Json>(value) {
        Ok(Json::Number(_) | Json::Bool(_)) if bare => value.trim().to_owned(),
        _ => Json::from(value).to_string(),
    }
}

/// The JSON of a value, of the kind that the old one has.
fn like(old: &str, value: &str, format: Format) -> Result<String, SettingError> {
    let json = serde_json::from_str::<Json>(value).ok();
    match (old.as_bytes().first(), json) {
        (Some(b'"'), _) => Ok(Json::from(value).to_string()),
        (Some(b't' | b'f'), Some(Json::Bool(_))) | (Some(b'-' | b'0'..=b'9'), Some(Json::Number(_))) => {
            Ok(value.trim().to_owned())
        }
        (Some(b'[' | b'{'), _) => {
            Err(SettingError::Unwritable("an array or an object is there, which has no one value"))
        }
        _ => Ok(new(value, format)),
    }
}

/// The object in which `member` is below the objects that `steps` name, none of which is there.
fn nested(steps: &[Select], member: String) -> Result<String, SettingError> {
    steps.iter().rev().try_fold(member, |inner, step| match step {
        Select::Key(key) => Ok(format!("{{{}: {inner}}}", Json::from(key.as_str()))),
        Select::Index(_) => Err(SettingError::Unwritable("an array that is not there can't be made")),
    })
}

/// The document with one more member of the object at `object`, laid out as its last member is.
fn add(file: &[u8], text: &str, object: Range<usize>, key: &str, member: &str) -> Vec<u8> {
    let key = Json::from(key);
    match members(text, object.clone()).last() {
        None => splice(file, object, format!("{{{key}: {member}}}").as_bytes()),
        Some(last) => {
            let begin = text.get(..last.key.start).unwrap_or_default();
            let lead = begin.get(begin.trim_end().len()..).unwrap_or_default();
            let between = text.get(last.key.end..last.value.start).unwrap_or(": ");
            let end = last.value.end;
            splice(file, end..end, format!(",{lead}{key}{between}{member}").as_bytes())
        }
    }
}

/// The place that some steps lead to.
enum Walk<'s> {
    /// The place of the value.
    Found(Range<usize>),
    /// The last object or array on the way, and the steps that it lacks.
    Missing {
        /// The place of the object or array.
        object: Range<usize>,
        /// The steps of which the first is not there.
        rest: &'s [Select],
    },
    /// Something else is on the way: a value that has nothing below it, or an array where a key was asked for.
    Other,
}

fn walk<'s>(steps: &'s [Select], text: &str) -> Walk<'s> {
    let mut place = skip_blank(text.as_bytes(), 0)..text.trim_end().len();
    let mut rest = steps;
    while let Some((step, after)) = rest.split_first() {
        let found = match (text.as_bytes().get(place.start), step) {
            (Some(b'{'), Select::Key(key)) => {
                let is_key = |member: &Member| {
                    let name = text.get(member.key.clone()).unwrap_or_default();
                    serde_json::from_str::<String>(name).is_ok_and(|name| name == *key)
                };
                members(text, place.clone()).filter(is_key).last().map(|member| member.value)
            }
            (Some(b'['), Select::Index(index)) => {
                members(text, place.clone()).nth(*index).map(|member| member.value)
            }
            _ => return Walk::Other,
        };
        match found {
            Some(value) => place = value,
            None => return Walk::Missing { object: place, rest },
        }
        rest = after;
    }
    Walk::Found(place)
}

/// A member of an object, or an element of an array, whose key is empty.
struct Member {
    key: Range<usize>,
    value: Range<usize>,
}

/// The members of the object or array at `place` of a sound document.
fn members(text: &str, place: Range<usize>) -> impl Iterator<Item = Member> {
    let bytes = text.as_bytes();
    let is_object = bytes.get(place.start) == Some(&b'{');
    let mut at = place.start + 1;
    std::iter::from_fn(move || {
        at = skip_blank(bytes, at);
        if at >= place.end || matches!(bytes.get(at), None | Some(b'}' | b']')) {
            return None;
        }
        let mut key = at..at;
        if is_object {
            key = at..end_of_value(bytes, at);
            // The colon.
            at = skip_blank(bytes, skip_blank(bytes, key.end) + 1);
        }
        let value = at..end_of_value(bytes, at);
        at = skip_blank(bytes, value.end);
        if bytes.get(at) == Some(&b',') {
            at += 1;
        }
        Some(Member { key, value })
    })
}

fn skip_blank(bytes: &[u8], at: usize) -> usize {
    let blank = bytes.iter().skip(at).take_while(|byte| byte.is_ascii_whitespace()).count();
    at + blank
}

/// The end of the value that begins at `at` of a sound document.
fn end_of_value(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (offset, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => {
                in_text = !in_text;
                if !in_text && depth == 0 {
                    return offset + 1;
                }
            }
            _ if in_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' if depth == 1 => return offset + 1,
            b',' | b'}' | b']' if depth == 0 => return offset,
            _ if depth == 0 && byte.is_ascii_whitespace() => return offset,
            _ => {}
        }
    }
    bytes.len()
}
