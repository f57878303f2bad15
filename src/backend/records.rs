//! Records that name an un-named node's children: those of a file, or of a program's output.

use std::borrow::Cow;

use regex_lite::Regex;
use serde_json::{Map, Value as Json};

use super::answer::Answer;
use super::context::Context;
use super::element::Element;
use super::error::BackendError;
use super::{file, run};
use crate::base::OneByOne as _;
use crate::mo::Pattern;
use crate::mo::mapping::{RecordsPlace, RecordsShape, Select, Template};
use crate::mo::select::{json_text, shown, walk};

/// Reads the records, in their order; of more than `max` one more, which tells that there are too many.
pub(super) async fn read(
    place: &RecordsPlace,
    shape: &RecordsShape,
    max: usize,
    privileged: bool,
    context: &Context<'_>,
) -> Result<Answer<Vec<Element>>, BackendError> {
    let (bytes, from) = match place {
        RecordsPlace::Run(argv) => (run::output(argv, privileged, context).await?, words(argv, context)),
        RecordsPlace::File(path) => {
            let path = path.fill_path(&context.variables(None))?;
            (file::content(context.machine, &path).await?, path)
        }
    };
    let bytes = match bytes {
        Answer::Value(bytes) => bytes,
        Answer::Absent(why) => return Ok(Answer::Absent(why)),
        Answer::Unavailable(why) => return Ok(Answer::Unavailable(why)),
    };
    match elements(&bytes, shape, max, matches!(place, RecordsPlace::File(_))) {
        Ok(Answer::Absent(why)) => Ok(Answer::Absent(format!("{from}: {why}"))),
        Ok(answer) => Ok(answer),
        Err(why) => Err(BackendError::List { from, why }),
    }
}

/// An argv as people are told of it: with the names that it has been given.
pub(super) fn words(argv: &[Template], context: &Context<'_>) -> String {
    let variables = context.variables(None);
    let word = |one: &Template| one.fill_partly(&variables).to_string();
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The elements of a text, in their order; those of a JSON array without names are known `by_position`, or by
/// themselves. What is not UTF-8 is shown as U+FFFD, so that it costs nobody else; whose name has such is passed over.
/// Of more than `max` there is one more, which tells that there are too many: a line takes hundreds of bytes as an
/// element, and of short ones a text has hundreds of thousands.
///
/// # Errors
/// Why the text has none.
pub fn elements(
    content: &[u8],
    shape: &RecordsShape,
    max: usize,
    by_position: bool,
) -> Result<Answer<Vec<Element>>, String> {
    let text = String::from_utf8_lossy(content);
    let is_utf_8 = matches!(text, Cow::Borrowed(_));
    let is_sound = |element: &Element| is_utf_8 || !element.captured.contains(char::REPLACEMENT_CHARACTER);
    let most = max.saturating_add(1);
    let found: Vec<Element> = match shape {
        RecordsShape::Json { select, key } => match members(
            &text,
            select,
            key.as_deref(),
            if is_utf_8 { most } else { usize::MAX },
            by_position,
        )? {
            Some(found) => found.into_iter().filter(is_sound).collect(),
            None => return Ok(Answer::Absent(format!("`select` finds no {}", shown(select)))),
        },
        RecordsShape::Lines { matching, key } => {
            let regex = matching.as_ref().map(Pattern::compiled).transpose();
            let regex = regex.map_err(|error| error.to_string())?;
            let record = |line| record(line, regex.as_deref(), key.as_deref());
            text.lines().filter_map(record).filter(is_sound).take(most).collect()
        }
    };
    Ok(Answer::Value(found))
}

/// The element that a line names: the child's name, and its record where `matching` has named groups. None: it is
/// passed over.
fn record(line: &str, matching: Option<&Regex>, key: Option<&str>) -> Option<Element> {
    let Some(regex) = matching else {
        let captured = line.trim().to_owned();
        return (!captured.is_empty()).then_some(Element { captured, item: None });
    };
    let found = regex.captures(line)?;
    let name = match key {
        Some(key) => found.name(key),
        None => found.get(1),
    };
    let groups: Map<String, Json> = regex
        .capture_names()
        .flatten()
        .map(|group| (group.to_owned(), found.name(group).map_or(Json::Null, |found| found.as_str().into())))
        .one_by_one();
    let item = Some(Json::Object(groups)).filter(|_| regex.capture_names().flatten().next().is_some());
    Some(Element { captured: name?.as_str().to_owned(), item })
}

/// The first elements of the JSON array, or members of the JSON object, to which `select` leads; none where it leads
/// nowhere.
/// Without a `key` elements are named by their positions, from 0; those of a program that are plain names by
/// themselves, unless they are meant `by_position` too.
fn members(
    text: &str,
    select: &[Select],
    key: Option<&str>,
    most: usize,
    by_position: bool,
) -> Result<Option<Vec<Element>>, String> {
    let document: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Some(json) = walk(select, &document) else { return Ok(None) };
    let is_plain = |element: &Json| !element.is_object() && !element.is_array();
    let found = |captured, element: &Json| Element { captured, item: Some(element.clone()) };
    let named = |element: &Json, key: &str| {
        let name = element.get(key).and_then(json_text);
        let name = name.ok_or_else(|| format!("an element has no {key:?}"))?;
        Ok(found(name, element))
    };
    let plain = |element: &Json| {
        let name = json_text(element).ok_or_else(|| "an element is null".to_owned())?;
        Ok(found(name, element))
    };
    let placed = |(position, element): (usize, &Json)| found(position.to_string(), element);
    let all = match (json, key) {
        (Json::Array(elements), Some(key)) => {
            elements.iter().take(most).map(|element| named(element, key)).collect()
        }
        (Json::Array(elements), None) if !by_position && elements.iter().all(is_plain) => {
            elements.iter().take(most).map(plain).collect()
        }
        (Json::Array(elements), None) => Ok(elements.iter().enumerate().take(most).map(placed).collect()),
        (Json::Object(members), Some(key)) => {
            members.values().take(most).map(|element| named(element, key)).collect()
        }
        (Json::Object(members), None) => {
            Ok(members.iter().take(most).map(|(name, element)| found(name.clone(), element)).collect())
        }
        _ => Err("expected a JSON array or object".to_owned()),
    };
    all.map(Some)
}
