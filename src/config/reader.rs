//! One walker over [`Located`] tables that collects all problems instead of stopping at the first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::located::{Item, Located};

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; none where the whole file is meant.
    pub line: Option<usize>,
    /// The dotted key; empty where there is none.
    pub key: String,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// All that is wrong, in the order it was found; displayed one a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds one about a whole file.
    pub fn file(&mut self, file: &Path, what: impl Into<String>) {
        self.push(Problem { file: file.to_path_buf(), line: None, key: String::new(), what: what.into() });
    }

    /// Adds all of `other`.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What a key's value can be read as.
pub trait FromItem: Sized {
    /// What is expected, as in "expected a string".
    const EXPECTED: &'static str;

    /// Reads the value, or says nothing: the reader reports.
    fn from_item(item: &Item) -> Option<Self>;
}

impl FromItem for String {
    const EXPECTED: &'static str = "a string";
    fn from_item(item: &Item) -> Option<Self> {
        if let Item::String(text) = item { Some(text.clone()) } else { None }
    }
}

impl FromItem for PathBuf {
    const EXPECTED: &'static str = "a path";
    fn from_item(item: &Item) -> Option<Self> {
        if let Item::String(text) = item
            && !text.is_empty()
        {
            Some(Self::from(text))
        } else {
            None
        }
    }
}

impl FromItem for bool {
    const EXPECTED: &'static str = "true or false";
    fn from_item(item: &Item) -> Option<Self> {
        if let Item::Boolean(truth) = item { Some(*truth) } else { None }
    }
}

impl FromItem for i64 {
    const EXPECTED: &'static str = "an integer";
    fn from_item(item: &Item) -> Option<Self> {
        if let Item::Integer(number) = item { Some(*number) } else { None }
    }
}

impl FromItem for u32 {
    const EXPECTED: &'static str = "an integer from 0 to 4294967295";
    fn from_item(item: &Item) -> Option<Self> {
        if let Item::Integer(number) = item { Self::try_from(*number).ok() } else { None }
    }
}

impl FromItem for f64 {
    const EXPECTED: &'static str = "a number";
    fn from_item(item: &Item) -> Option<Self> {
        match item {
            Item::Float(number) if number.is_finite() => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "a factor written by hand")]
            Item::Integer(number) => Some(*number as Self),
            _ => None,
        }
    }
}

/// `"5s"`, `"15min"`, `"24h"`, `"7d"`, `"200ms"`, or several in a row (`"1h 30min"`).
impl FromItem for Duration {
    const EXPECTED: &'static str = "a duration such as \"5s\", \"15min\", \"24h\" or \"1d\"";
    fn from_item(item: &Item) -> Option<Self> {
        let Item::String(text) = item else { return None };
        let mut total = Self::ZERO;
        let mut rest = text.trim();
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let (number, unit, after) = number_and_unit(rest)?;
            let millis = match unit {
                "ms" => 1,
                "s" => 1_000,
                "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return None,
            };
            total = total.checked_add(Self::from_millis(number.checked_mul(millis)?))?;
            rest = after.trim_start();
        }
        Some(total)
    }
}

/// A number of bytes: `"512KiB"`, `"1MiB"`, `"4096B"`, or a bare integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub usize);

impl FromItem for ByteSize {
    const EXPECTED: &'static str = "a size such as \"64KiB\" or \"1MiB\"";
    fn from_item(item: &Item) -> Option<Self> {
        match item {
            Item::Integer(number) => usize::try_from(*number).ok().map(Self),
            Item::String(text) => {
                let (number, unit, after) = number_and_unit(text.trim())?;
                let factor: u64 = match unit {
                    "B" => 1,
                    "KiB" => 1 << 10,
                    "MiB" => 1 << 20,
                    "GiB" => 1 << 30,
                    _ => return None,
                };
                let bytes = after.is_empty().then(|| number.checked_mul(factor))??;
                usize::try_from(bytes).ok().map(Self)
            }
            _ => None,
        }
    }
}

impl<T: FromItem> FromItem for Vec<T> {
    const EXPECTED: &'static str = "an array";
    fn from_item(item: &Item) -> Option<Self> {
        let Item::Array(items) = item else { return None };
        items.iter().map(|item| T::from_item(&item.item)).collect()
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at(digits);
    let rest = rest.trim_start();
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(letters);
    Some((number.parse().ok()?, unit, after))
}

/// Walks one table: keys are taken one by one, problems are noted, and [`Reader::finish`] reports the
/// keys that nobody asked for.
#[derive(Debug)]
pub struct Reader<'a> {
    at: &'a Located,
    table: Option<&'a BTreeMap<String, Located>>,
    path: String,
    asked: BTreeSet<String>,
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
        let mut reader = Self { at: located, table, path, asked: BTreeSet::new(), problems };
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

    /// The value of `key` as it stands, unread; marks it as known.
    pub fn raw(&mut self, key: &str) -> Option<&'a Located> {
        self.asked.insert(key.to_owned());
        self.table.and_then(|table| table.get(key))
    }

    /// The value of `key`; absent is fine, a wrong type is a problem.
    pub fn optional<T: FromItem>(&mut self, key: &str) -> Option<T> {
        let found = self.raw(key)?;
        let value = T::from_item(&found.item);
        if value.is_none() {
            self.wrong(key, T::EXPECTED);
        }
        value
    }

    /// The value of `key`; absent is a problem.
    pub fn required<T: FromItem>(&mut self, key: &str) -> Option<T> {
        if self.raw(key).is_none() {
            self.here(format!("`{key}` is missing: expected {}", T::EXPECTED));
            return None;
        }
        self.optional(key)
    }

    /// The value of `key`, or `default` where it is absent or wrong (the problem is noted).
    pub fn or<T: FromItem>(&mut self, key: &str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// Reads the table under `key`, and reports the keys in it that `read` did not ask for.
    pub fn table<T>(&mut self, key: &str, read: impl FnOnce(&mut Reader<'_>) -> T) -> Option<T> {
        let found = self.raw(key)?;
        let mut reader = Reader::at(found, self.dotted(key), self.problems);
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
        let problem = Problem {
            file: at.file.to_path_buf(),
            line: Some(at.line),
            key: self.dotted(key),
            what: what.into(),
        };
        self.problems.push(problem);
    }

    /// Notes a problem with the table itself.
    pub fn here(&mut self, what: impl Into<String>) {
        self.problems.push(Problem {
            file: self.at.file.to_path_buf(),
            line: Some(self.at.line),
            key: self.path.clone(),
            what: what.into(),
        });
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        for (key, value) in self.table.into_iter().flatten() {
            if !self.asked.contains(key) {
                let known: Vec<&str> = self.asked.iter().map(String::as_str).collect();
                self.problems.push(Problem {
                    file: value.file.to_path_buf(),
                    line: Some(value.line),
                    key: join(&self.path, key),
                    what: format!("unknown key; expected one of: {}", known.join(", ")),
                });
            }
        }
    }

    fn wrong(&mut self, key: &str, expected: &str) {
        let found = match self.table.and_then(|table| table.get(key)).map(|value| &value.item) {
            Some(Item::String(text)) => format!("{text:?}"),
            Some(Item::Integer(number)) => number.to_string(),
            Some(item) => item.kind().to_owned(),
            None => "nothing".to_owned(),
        };
        self.problem(key, format!("expected {expected}, found {found}"));
    }

    fn dotted(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { quoted(key) } else { format!("{path}.{}", quoted(key)) }
}

/// A key as TOML would write it.
fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if bare { key.to_owned() } else { format!("{key:?}") }
}
