//! What is noted of values, limits and lists that were read: what is hardly meant shows in what the machine says.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::backend::{self, Answer, Context};
use crate::base::is_unseen;
use crate::ddf::Format;
use crate::mo::Value;
use crate::mo::admit::admit;
use crate::mo::limit::{Bound, Side};
use crate::mo::mapping::{List, ListFrom, NodeMapping, RecordsPlace, RecordsShape, Source};

/// The longest value that is shown, in characters.
const LONGEST: usize = 160;
/// The years before which no date is meant, and how many from now on.
const FIRST_YEAR: u64 = 2000;
const YEARS_AHEAD: u64 = 30;
/// A year in seconds, on the average.
const YEAR: u64 = 31_556_952;

/// What a row notes, each by its key.
pub(super) type Marks = Vec<(&'static str, String)>;

/// What is noted of the value that a source gave.
pub(super) fn of_value(mapping: &NodeMapping, format: Format, source: &Source, value: &Value) -> Marks {
    let (mut marks, text, pipeline) = (Marks::new(), value.to_text(), &source.pipeline);
    if let Err(unfit) = admit(mapping, format, value) {
        marks.push(("value", format!("could not be set: {unfit}")));
    }
    let is_last = pipeline.time.is_none() && pipeline.scale.is_none() && pipeline.format.is_none();
    let is_else = pipeline.otherwise.as_deref() == Some(&*text);
    if is_last && is_else && pipeline.map.iter().all(|(_, to)| *to != text) {
        marks.push(("map", "by `otherwise`".to_owned()));
    }
    let year = text.get(..4).and_then(|year| year.parse::<u64>().ok()).filter(|_| format != Format::Time);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / YEAR + 1970);
    let is_meant = |year: u64| (FIRST_YEAR..=now + YEARS_AHEAD).contains(&year);
    if pipeline.time.is_some() && year.is_some_and(|year| !is_meant(year)) {
        marks.push(("time", "is it counted in another unit, or from another time?".to_owned()));
    }
    let is_json =
        text.starts_with(['[', '{']) && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
    if format == Format::Chr && pipeline.format.is_none() && is_json {
        marks.push(("value", "is JSON with more in it: `select` takes a part".to_owned()));
    }
    marks
}

/// What is noted of both limits, as they were read or are written: that they leave one value at most.
pub(super) fn of_limits(
    mapping: &NodeMapping,
    read: &[(&'static str, String)],
) -> Option<(&'static str, String)> {
    let number = |side: Side| {
        let (_, bound) = mapping.limits.bounds().find(|(there, _)| *there == side)?;
        let said = read.iter().find(|(key, _)| *key == side.key()).map(|(_, said)| said);
        let written = if let Bound::Number(number) = bound { Some(number) } else { None };
        said.or(written)?.parse::<f64>().ok()
    };
    let (min, max) = (number(Side::Min)?, number(Side::Max)?);
    (min >= max).then(|| ("limits", format!("nothing is between {min} and {max}")))
}

/// What is noted of a list that was read, with so many children.
pub(super) async fn of_list(list: &List, children: usize, context: &Context<'_>) -> Option<String> {
    if let ListFrom::Records { place: RecordsPlace::Run(_), .. } = &list.from {
        // A program is run once.
        return None;
    }
    if children == list.max {
        let longer = List { max: list.max.saturating_add(1), ..list.clone() };
        let all = backend::list(&longer, context).await;
        if matches!(all, Ok(Answer::Value(all)) if all.len() > children) {
            return Some(format!("there are more than its `max` of {children}: the others are left out"));
        }
    }
    let ListFrom::Records { place, shape: RecordsShape::Lines { matching: Some(pattern), key } } = &list.from
    else {
        return None;
    };
    let shape = RecordsShape::Lines { matching: None, key: None };
    let from = ListFrom::Records { place: place.clone(), shape };
    let lines = List { from, max: usize::MAX, ..list.clone() };
    let Ok(Answer::Value(lines)) = backend::list(&lines, context).await else { return None };
    let found: Vec<_> = lines.iter().filter_map(|line| pattern.captures(&line.captured)).collect();
    if found.is_empty() && !lines.is_empty() {
        return Some(format!("`match` fits none of {} lines", lines.len()));
    }
    let is_unnamed = |found: &&regex_lite::Captures<'_>| match key {
        Some(key) => found.name(key).is_none(),
        None => found.get(1).is_none(),
    };
    let unnamed = found.iter().filter(is_unnamed).count();
    (unnamed > 0).then(|| {
        format!("{unnamed} lines fit `match`, and the group that names the child has no part in them")
    })
}

/// The text of a value on one line.
pub(super) fn shown(value: &Value) -> String {
    if let Value::Bytes(bytes) = value {
        return format!("{} bytes", bytes.len());
    }
    let text = value.to_text();
    let is_plain = !text.is_empty() && !text.contains(is_unseen) && text.trim() == text;
    let whole = if is_plain { text.into_owned() } else { format!("{text:?}") };
    match whole.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", whole.get(..at).unwrap_or_default()),
        None => whole,
    }
}
