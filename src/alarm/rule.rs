//! The rule by which an alarm tells of a leaf, or of an element of a list. Pure: it is told what was read and the time,
//! and says what the state is now, and what servers are to hear.
//!
//! A value crosses the limit, and is so until it is back at `clear`: between the two nothing happens. What turns must
//! hold for `for`, for as long as it can be read; that it is over need not. Servers hear of one place once a minute at
//! most: what turns meanwhile is counted, and the last of it that is told at all is told when the minute is over.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::mo::Value;
use crate::mo::alarm::Condition;
use crate::mo::limit::compare;
use crate::store::records::AlarmRecord;
use crate::tree::Comparison;

/// The least time between two alerts of one leaf or element.
pub(super) const QUIET: Duration = Duration::from_secs(60);

/// The rule of an alarm: its condition, and what is told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule<'a> {
    pub(super) condition: &'a Condition,
    /// How long the condition must hold.
    pub(super) hold: Duration,
    /// Whether servers are told when it is over.
    pub(super) tells_end: bool,
}

/// A reading: what was found of a leaf, or of an element.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reading {
    /// The value of a leaf, and what it is compared with.
    Leaf(Comparison),
    /// Whether an element is there.
    There(bool),
    /// It can't be read now.
    Unread,
}

/// The time now, by the clock that only goes forward, and by the one that people set (seconds since 1970).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) now: Instant,
    pub(super) wall: u64,
}

/// The state of a leaf or an element, as an alarm knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct AlarmState {
    /// The position that servers were told, or in which it was found first.
    told: Position,
    /// The position in which it is.
    actual: Position,
    /// The position that it is about to turn to, once it has held for long enough, and since when.
    turning: Option<(Position, Instant)>,
    /// The time since when it can't be read, while it is about to turn.
    unread: Option<Instant>,
    /// The news to be told next, once `quiet_until` has passed.
    held: Option<News>,
    /// The number of news that were left out since the last that were told.
    omitted: u32,
    /// The time before which nothing is told.
    quiet_until: Option<Instant>,
    /// The time when servers were told last (seconds since 1970); 0: never.
    told_at: u64,
}

/// The position of a leaf or an element: on which side of its limit it is, or which value it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Position {
    /// Whether it is beyond the limit; of an element: whether it is there.
    raised: bool,
    /// The digest of the value, where changes are told.
    value: Option<String>,
}

/// News of a leaf or an element, for servers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct News {
    /// Whether the condition has begun to hold; else it is over.
    pub(super) raised: bool,
    /// The value that made it so.
    pub(super) value: Option<Value>,
    /// What it was compared with.
    pub(super) limit: Option<Value>,
    /// The number of news that were left out before these.
    pub(super) omitted: u32,
}

/// What follows from a reading, or from the time.
#[derive(Debug, PartialEq)]
pub(super) struct Step {
    pub(super) state: AlarmState,
    /// The news to be told now, in one transaction with the state.
    pub(super) news: Option<News>,
    /// Whether the store is to have the state.
    pub(super) keep: bool,
}

impl AlarmState {
    /// Makes the state of what the store has of it.
    pub(super) fn of(record: &AlarmRecord, at: At) -> Self {
        let position = Position { raised: record.raised, value: record.value.clone() };
        let passed = at.wall.checked_sub(record.told).map(Duration::from_secs);
        // By a clock that was set back, nobody knows how long ago it was.
        let left = QUIET.saturating_sub(passed.unwrap_or_default());
        let is_quiet = record.told > 0 && !left.is_zero();
        Self {
            told: position.clone(),
            actual: position,
            quiet_until: is_quiet.then(|| at.now + left),
            told_at: record.told,
            ..Self::default()
        }
    }

    /// The state of an element that was there when its list was looked at first: no news.
    pub(super) fn found_there() -> Self {
        let position = Position { raised: true, value: None };
        Self { told: position.clone(), actual: position, ..Self::default() }
    }

    /// The record of the state, for the store.
    pub(super) fn record(&self) -> AlarmRecord {
        AlarmRecord { raised: self.told.raised, value: self.told.value.clone(), told: self.told_at }
    }

    /// Whether servers were told that it is raised, or an element there.
    pub(super) fn is_raised(&self) -> bool {
        self.told.raised
    }

    /// Whether it is an element that has gone.
    pub(super) fn is_away(&self) -> bool {
        !self.actual.raised
    }

    /// Whether it is about to turn, once that has held for long enough.
    pub(super) fn is_turning(&self) -> bool {
        self.turning.is_some()
    }

    /// Whether there is nothing to know: an element that is gone, and all is told of it.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let is_quiet = self.quiet_until.is_some_and(|until| now < until);
        !self.told.raised && !self.actual.raised && self.turning.is_none() && self.held.is_none() && !is_quiet
    }

    /// The time when it has to be read again, for it to be told that the condition has held for long enough; none while
    /// it can't be read.
    pub(super) fn reads_at(&self, rule: Rule<'_>) -> Option<Instant> {
        self.turning.as_ref().filter(|_| self.unread.is_none()).map(|(_, since)| *since + rule.hold)
    }

    /// Notes that it can't be read: until it can, nobody knows whether what is about to turn holds.
    pub(super) fn pause(&mut self, now: Instant) {
        if self.turning.is_some() {
            self.unread.get_or_insert(now);
        }
    }

    /// Leaves out of the time that something must hold the time in which it could not be read.
    fn go_on(&mut self, now: Instant) {
        if let (Some(from), Some((_, since))) = (self.unread.take(), &mut self.turning) {
            *since += now.saturating_duration_since(from);
        }
    }

    /// The time when news are told that wait for their minute to be over.
    pub(super) fn tells_at(&self) -> Option<Instant> {
        self.held.as_ref().and(self.quiet_until)
    }

    /// Computes what follows from a reading; without one, from the time alone.
    pub(super) fn step(&self, rule: Rule<'_>, reading: Option<&Reading>, at: At) -> Step {
        let mut state = self.clone();
        if let Some(reading) = reading {
            // What changes are told of must be known once before.
            if *rule.condition == Condition::Changes && state.actual.value.is_none() {
                let value = position(rule.condition, &state.actual, reading);
                let keep = value.is_some();
                state.actual = value.unwrap_or_default();
                state.told = state.actual.clone();
                return Step { state, news: None, keep };
            }
            state.read(rule, reading, at.now);
        }
        let is_quiet = state.quiet_until.is_some_and(|until| at.now < until);
        let Some(news) = state.held.take_if(|_| !is_quiet) else {
            return Step { state, news: None, keep: false };
        };
        state.told = state.actual.clone();
        state.quiet_until = None;
        let news = rule.tells(&news).then(|| News { omitted: std::mem::take(&mut state.omitted), ..news });
        if news.is_some() {
            state.quiet_until = Some(at.now + QUIET);
            state.told_at = at.wall;
        }
        Step { state, news, keep: true }
    }

    fn read(&mut self, rule: Rule<'_>, reading: &Reading, now: Instant) {
        // What has no value now, or can't be compared, says nothing.
        let Some(position) = position(rule.condition, &self.actual, reading) else {
            self.pause(now);
            return;
        };
        self.go_on(now);
        if position == self.actual {
            self.turning = None;
            return;
        }
        let since = match &self.turning {
            Some((turning, since)) if *turning == position => *since,
            _ => now,
        };
        let ends = matches!(reading, Reading::Leaf(_)) && !position.raised;
        let hold = if ends { Duration::ZERO } else { rule.hold };
        if now.saturating_duration_since(since) < hold {
            self.turning = Some((position, since));
            return;
        }
        (self.turning, self.actual) = (None, position);
        let (value, limit) = match reading {
            Reading::Leaf(Comparison { value, limit, .. }) => (value.clone(), limit.clone()),
            Reading::There(_) | Reading::Unread => (None, None),
        };
        let news = News { raised: self.actual.raised, value, limit, omitted: 0 };
        // An end of which nobody hears takes no beginning away that waits to be told.
        if !rule.tells(&news) && self.held.as_ref().is_some_and(|held| rule.tells(held)) {
            return;
        }
        if self.held.replace(news).is_some_and(|before| rule.tells(&before)) {
            self.omitted = self.omitted.saturating_add(1);
        }
    }
}

impl Rule<'_> {
    /// Whether servers hear of these news.
    fn tells(&self, news: &News) -> bool {
        news.raised || self.tells_end
    }
}

/// The position in which a reading finds it; none where that can't be told.
fn position(condition: &Condition, actual: &Position, reading: &Reading) -> Option<Position> {
    let raised = |raised: bool| Some(Position { raised, value: None });
    let (value, limit, clear) = match reading {
        Reading::There(there) => return raised(*there),
        Reading::Unread => return None,
        Reading::Leaf(Comparison { value, limit, clear }) => (value.as_ref()?, limit, clear),
    };
    match condition {
        Condition::Above { .. } => {
            beyond(value, limit.as_ref()?, clear.as_ref(), Ordering::Greater, actual.raised).and_then(raised)
        }
        Condition::Below { .. } => {
            beyond(value, limit.as_ref()?, clear.as_ref(), Ordering::Less, actual.raised).and_then(raised)
        }
        Condition::Equals(_) => {
            let limit = limit.as_ref()?;
            let (value, limit) = (value.to_text(), limit.to_text());
            raised(value == limit || compare(&value, &limit) == Some(Ordering::Equal))
        }
        // All that is told of it is that it has begun to be so.
        Condition::Changes => Some(Position { raised: true, value: Some(digest(value)) }),
        Condition::Listed => None,
    }
}

/// Whether a value is beyond its limit, or was and is not back yet; none where that can't be told.
fn beyond(value: &Value, limit: &Value, clear: Option<&Value>, side: Ordering, was: bool) -> Option<bool> {
    let (value, limit) = (value.to_text(), limit.to_text());
    let is_beyond = compare(&value, &limit)? == side;
    if is_beyond || !was {
        return Some(is_beyond);
    }
    // A bound on the wrong side of the limit is none.
    let back = clear.map(Value::to_text).filter(|clear| compare(clear, &limit) != Some(side));
    match back {
        Some(back) => Some(compare(&value, &back)? == side),
        None => Some(false),
    }
}

fn digest(value: &Value) -> String {
    let hash = Sha256::digest(value.to_text().as_bytes());
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "rule/tests.rs"]
mod tests;
