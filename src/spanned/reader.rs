//! One walker over [`Located`] tables that collects all problems instead of stopping at the first.

use crate::base::{OrderedMap, OrderedSet};
use std::fmt;
use std::ops::RangeInclusive;

use super::located::{Item, Located};
use super::problem::Problems;
use super::value::FromItem;

/// Walks one table: keys are taken one by one, problems are noted, and [`Reader::finish`] reports the
/// keys that nobody asked for.
#[derive(Debug)]
pub struct Reader<'a> {
    at: &'a Located,
    table: Option<&'a OrderedMap<String, Located>>,
    path: String,
    asked: OrderedSet<String>,
    problems: &'a mut Problems,
}

impl<'a> Reader<'a> {
    /// Starts at a file's root table.
    pub fn new(root: &'a Located, problems: &'a mut Problems) -> Self {
        Self::at(root, String::new(), problems)
    }

    /// Starts at `located`, whose dotted key is `path`; something else than a table is a problem.
    pub fn at(located: &'a Located, path: String, problems: &'a mut Problems) -> Self {
        let table = if let Item::Table(table) = &located.item { Some(table) } else { None };
        let mut reader = Self { at: located, table, path, asked: OrderedSet::new(), problems };
        if reader.table.is_none() {
            reader.here(format!("expected a table, found {}", located.item.kind()));
        }
        reader
    }

    /// The table being read.
    #[must_use]
    pub fn located(&self) -> &'a Located {
        self.at
    }

    /// The value of `key` as it stands, not converted; marks the key as known.
    pub fn raw(&mut self, key: &str) -> Option<&'a Located> {
        self.asked.insert(key.to_owned());
        self.table.and_then(|table| table.get(key))
    }

    /// Whether there is a `key`; it stays as known or unknown as it was.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// The value of `key`; absent is fine, a wrong type is a problem.
    pub fn optional<T: FromItem>(&mut self, key: &str) -> Option<T> {
        let found = self.raw(key)?;
        T::read(found, &self.dotted(key), self.problems)
    }

    /// The value of `key`; absent is a problem.
    pub fn required<T: FromItem>(&mut self, key: &str) -> Option<T> {
        // What is no table at all was reported once: that it has no keys is no news.
        if self.raw(key).is_none() && self.table.is_some() {
            self.here(format!("`{key}` is missing: expected {}", T::EXPECTED));
            return None;
        }
        self.optional(key)
    }

    /// The value of `key`, or `default` where it is absent or wrong (the problem is noted).
    pub fn or<T: FromItem>(&mut self, key: &str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The value of `key` within `range`, which `expected` says in words, its type included.
    pub fn within<T: FromItem + PartialOrd>(
        &mut self,
        key: &str,
        range: RangeInclusive<T>,
        expected: &str,
    ) -> Option<T> {
        let found = self.raw(key)?;
        let value = T::from_item(&found.item).filter(|value| range.contains(value));
        if value.is_none() {
            self.wrong(key, expected);
        }
        value
    }

    /// The value of `key` put through `parse`, whose error is the problem.
    pub fn parsed<T: FromItem, U, E: fmt::Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<U> {
        let value = self.optional(key)?;
        parse(value).map_err(|error| self.problem(key, error.to_string())).ok()
    }

    /// Every element of the array under `key` put through `parse`; none where one of them is wrong.
    pub fn parsed_each<T: FromItem, U, E: fmt::Display>(
        &mut self,
        key: &str,
        mut parse: impl FnMut(T) -> Result<U, E>,
    ) -> Option<Vec<U>> {
        let elements = self.array(key, |item, key, problems| {
            let value = T::read(item, &key, problems)?;
            parse(value).map_err(|error| problems.at(item, key, error.to_string())).ok()
        });
        elements?.into_iter().collect()
    }

    /// Reads the table under `key`, if it is one, and reports the keys in it that `read` did not ask for.
    pub fn table<T>(&mut self, key: &str, read: impl FnOnce(&mut Reader<'_>) -> T) -> Option<T> {
        let found = self.raw(key)?;
        let mut reader = Reader::at(found, self.dotted(key), self.problems);
        // What is no table was reported just now; its keys need not be missed.
        reader.table?;
        let value = read(&mut reader);
        reader.finish();
        Some(value)
    }

    /// Reads every member of the table under `key` as a table of its own: `read(name, reader)`.
    pub fn tables<T>(
        &mut self,
        key: &str,
        mut read: impl FnMut(&str, &mut Reader<'_>) -> T,
    ) -> Vec<(String, T)> {
        let Some(found) = self.raw(key) else { return Vec::new() };
        let Item::Table(members) = &found.item else {
            self.wrong(key, "a table");
            return Vec::new();
        };
        let path = self.dotted(key);
        members
            .iter()
            .map(|(name, member)| {
                let mut reader = Reader::at(member, format!("{path}.{}", quoted(name)), self.problems);
                let value = read(name, &mut reader);
                reader.finish();
                (name.clone(), value)
            })
            .collect()
    }

    /// Reads every element of the array under `key`: `read(element, dotted key, problems)`.
    pub fn array<T>(
        &mut self,
        key: &str,
        mut read: impl FnMut(&'a Located, String, &mut Problems) -> T,
    ) -> Option<Vec<T>> {
        let found = self.raw(key)?;
        let Item::Array(items) = &found.item else {
            self.wrong(key, "an array");
            return None;
        };
        let path = self.dotted(key);
        Some(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| read(item, format!("{path}[{index}]"), self.problems))
                .collect(),
        )
    }

    /// Notes a problem with the value of `key`.
    pub fn problem(&mut self, key: &str, what: impl Into<String>) {
        let at = self.table.and_then(|table| table.get(key)).unwrap_or(self.at);
        self.problems.at(at, self.dotted(key), what);
    }

    /// Notes a problem with the table itself.
    pub fn here(&mut self, what: impl Into<String>) {
        self.problems.at(self.at, self.path.clone(), what);
    }

    /// Ends the reading of a table whose meaning is not known: its other keys are not reported.
    pub fn give_up(&mut self) {
        self.asked.extend(self.table.into_iter().flatten().map(|(key, _)| key.clone()));
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        for (key, value) in self.table.into_iter().flatten() {
            if !self.asked.contains(key) {
                let known: Vec<&str> = self.asked.iter().map(String::as_str).collect();
                let mut what = match known.join(", ").as_str() {
                    "" => "unknown key; none is expected here".to_owned(),
                    known => format!("unknown key; expected one of: {known}"),
                };
                if let Some(meant) = meant(key, known) {
                    what.push_str(&format!("; did you mean `{meant}`?"));
                }
                self.problems.at(value, join(&self.path, key), what);
            }
        }
    }

    fn wrong(&mut self, key: &str, expected: &str) {
        let found = self.table.and_then(|table| table.get(key)).map(|value| value.item.shown());
        self.problem(key, format!("expected {expected}, found {}", found.unwrap_or_default()));
    }

    fn dotted(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

/// The one of the `known` names that a mistyped one means, which differs in case, `-` for `_`, or one letter.
pub(crate) fn meant<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |name: &str| name.replace('_', "-").to_ascii_lowercase();
    let written = plain(written);
    let distance = |name: &str| {
        let name = plain(name);
        let (one, other) = (written.as_bytes(), name.as_bytes());
        let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
        let (one, other) = (one.get(same..)?, other.get(same..)?);
        let same = one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count();
        match (one.get(..one.len() - same)?, other.get(..other.len() - same)?) {
            ([], []) => Some(0),
            ([_] | [], [_] | []) if name.len() > 3 => Some(1),
            ([a, b], [c, d]) if (a, b) == (d, c) => Some(1),
            _ => None,
        }
    };
    let close = known.into_iter().filter_map(|name| Some((distance(name)?, name)));
    close.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { quoted(key) } else { format!("{path}.{}", quoted(key)) }
}

/// The key as TOML would write it.
fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if bare { key.to_owned() } else { format!("{key:?}") }
}

#[cfg(test)]
mod tests;
