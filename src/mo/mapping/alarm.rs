//! Reading `[alarm.NAME]`: what servers are told without asking.

use std::time::Duration;

use crate::spanned::{Item, Reader};

use super::exec::{alert_type, mark};
use super::scalar::Scalar;

/// The most alarms of a mapping: more are hardly meant.
const MOST: usize = 64;
/// The keys of conditions, of which a leaf's alarm has one.
const CONDITIONS: [&str; 4] = ["above", "below", "equals", "changes"];
/// The shortest and the longest `every`.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// An alarm as the mapping has it; nothing in it was compared with the nodes yet.
#[derive(Debug)]
pub(in crate::mo) struct AlarmEntry {
    pub(in crate::mo) line: usize,
    /// The path of a leaf, or of an un-named node whose elements come and go.
    pub(in crate::mo) path: String,
    pub(in crate::mo) condition: ConditionEntry,
    /// `every`
    pub(in crate::mo) every: Option<Duration>,
    /// `for`
    pub(in crate::mo) hold: Duration,
    pub(in crate::mo) alert: AlarmAlert,
}

/// The condition of an alarm as the mapping has it.
#[derive(Debug)]
pub(in crate::mo) enum ConditionEntry {
    Above {
        limit: ThresholdEntry,
        clear: Option<ThresholdEntry>,
    },
    Below {
        limit: ThresholdEntry,
        clear: Option<ThresholdEntry>,
    },
    Equals(ThresholdEntry),
    Changes,
    /// Elements that come and go.
    Listed,
}

/// A threshold as the mapping has it.
#[derive(Debug)]
pub(in crate::mo) enum ThresholdEntry {
    /// A value, as text.
    Fixed(String),
    /// The path of a leaf.
    Leaf(String),
}

/// The alert by which an alarm is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmAlert {
    /// The alert type.
    pub alert_type: String,
    /// `mark`: how important it is.
    pub mark: Option<String>,
    /// `cleared`: the type of the alert that tells that it is over; none: that is not told.
    pub cleared: Option<String>,
}

/// Reads all alarms of a mapping, by name. Those that something is wrong with are noted, and left out.
pub(super) fn alarms(reader: &mut Reader<'_>) -> Vec<(String, AlarmEntry)> {
    let all = reader.tables("alarm", |name, reader| {
        if name.is_empty() || name.len() > 128 || name.contains(char::is_control) {
            reader.here("expected a name of 1 to 128 bytes");
        }
        alarm(reader)
    });
    if all.len() > MOST {
        reader.problem("alarm", format!("expected {MOST} alarms at most, found {}", all.len()));
    }
    all.into_iter().filter_map(|(name, alarm)| Some((name, alarm?))).collect()
}

fn alarm(reader: &mut Reader<'_>) -> Option<AlarmEntry> {
    let line = reader.located().line;
    let path = match (reader.optional::<String>("leaf"), reader.optional::<String>("list")) {
        (Some(_), Some(_)) => {
            reader.problem("list", "and `leaf` exclude each other: write two alarms");
            None
        }
        (None, None) => {
            if !reader.has("leaf") && !reader.has("list") {
                reader.here(
                    "expected the `leaf` whose value is watched, or the `list` whose elements come and go",
                );
            }
            None
        }
        (leaf, list) => leaf.or(list),
    };
    let condition = condition(reader);
    let every = duration(reader, "every");
    let hold = duration(reader, "for");
    if !reader.has("alert") {
        reader.here("`alert` is missing: expected what servers are told, such as { type = \"urn:x-acme:at:hot:1.0\" }");
    }
    let alert = reader.table("alert", alert).flatten();
    Some(AlarmEntry {
        line,
        path: path?,
        condition: condition?,
        every,
        hold: hold.unwrap_or_default(),
        alert: alert?,
    })
}

fn condition(reader: &mut Reader<'_>) -> Option<ConditionEntry> {
    let found: Vec<&str> = CONDITIONS.into_iter().filter(|key| reader.raw(key).is_some()).collect();
    let clear = threshold(reader, "clear", true);
    let is_list = reader.has("list") && !reader.has("leaf");
    match found.as_slice() {
        [] if is_list => {
            if reader.has("clear") {
                reader.problem("clear", "is for `above` and `below`");
            }
            Some(ConditionEntry::Listed)
        }
        [one, ..] if is_list => {
            reader.problem(one, "is for a `leaf`: of a `list` it is told which elements come and go");
            None
        }
        [] => {
            reader.here("expected one of: above, below, equals, changes");
            None
        }
        [one @ ("above" | "below")] => {
            let limit = threshold(reader, one, true)?;
            Some(match *one {
                "above" => ConditionEntry::Above { limit, clear },
                _ => ConditionEntry::Below { limit, clear },
            })
        }
        [one] => {
            if reader.has("clear") {
                reader.problem("clear", format!("is for `above` and `below`: `{one}` has nothing between"));
            }
            match *one {
                "equals" => threshold(reader, "equals", false).map(ConditionEntry::Equals),
                _ => super::parts::truth(reader, "changes").then_some(ConditionEntry::Changes),
            }
        }
        several => {
            reader
                .here(format!("expected one of these only: {}; write an alarm for each", several.join(", ")));
            None
        }
    }
}

fn threshold(reader: &mut Reader<'_>, key: &str, is_number: bool) -> Option<ThresholdEntry> {
    let item = reader.raw(key).map(|located| &located.item)?;
    if let Item::Table(_) = item {
        return reader.table(key, |reader| reader.required("leaf").map(ThresholdEntry::Leaf)).flatten();
    }
    let is_right = match item {
        Item::Integer(_) => true,
        Item::Float(number) => number.is_finite(),
        Item::String(_) | Item::Boolean(_) => !is_number,
        _ => false,
    };
    if !is_right {
        let what = if is_number { "a number" } else { "a string, a number, true or false" };
        let shown = item.shown();
        reader.problem(key, format!("expected {what}, or {{ leaf = \"Alarm/Limit\" }}, found {shown}"));
        return None;
    }
    reader.optional(key).map(|Scalar(text)| ThresholdEntry::Fixed(text))
}

fn duration(reader: &mut Reader<'_>, key: &str) -> Option<Duration> {
    reader.within(key, SHORTEST..=LONGEST, "a duration from \"1s\" to \"1d\"")
}

fn alert(reader: &mut Reader<'_>) -> Option<AlarmAlert> {
    if !reader.has("type") {
        reader.here("`type` is missing: expected a URN, or a reversed domain name");
    }
    let raised = alert_type(reader, "type");
    let mark = mark(reader, "mark");
    let cleared = alert_type(reader, "cleared");
    Some(AlarmAlert { alert_type: raised?, mark, cleared })
}
