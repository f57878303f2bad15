//! The types that a key's value can have, and how each is written.

use std::path::PathBuf;
use std::time::Duration;

use super::located::{Item, Located};
use super::problem::Problems;

/// A type that a key's value can be read as.
pub trait FromItem: Sized {
    /// The expected value in words, as in "expected a string".
    const EXPECTED: &'static str;

    /// Reads the value; none where its type is wrong: [`FromItem::read`] reports.
    fn from_item(item: &Item) -> Option<Self>;

    /// Reads the value that stands at `at` under the dotted `key`; a wrong one is a problem.
    fn read(at: &Located, key: &str, problems: &mut Problems) -> Option<Self> {
        let value = Self::from_item(&at.item);
        if value.is_none() {
            problems.at(at, key, format!("expected {}, found {}", Self::EXPECTED, at.item.shown()));
        }
        value
    }
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

/// Written as `"5s"`, `"15min"`, `"24h"`, `"7d"`, `"200ms"`, or several in a row (`"1h 30min"`).
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

    /// Reads each element; every wrong one is a problem of its own.
    fn read(at: &Located, key: &str, problems: &mut Problems) -> Option<Self> {
        let Item::Array(items) = &at.item else {
            problems.at(at, key, format!("expected {}, found {}", Self::EXPECTED, at.item.shown()));
            return None;
        };
        let values: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| T::read(item, &format!("{key}[{index}]"), problems))
            .collect();
        values.into_iter().collect()
    }
}

/// A path that starts, where it is relative, in the folder of the file that says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(pub PathBuf);

impl FromItem for FilePath {
    const EXPECTED: &'static str = PathBuf::EXPECTED;
    fn from_item(item: &Item) -> Option<Self> {
        PathBuf::from_item(item).map(Self)
    }

    fn read(at: &Located, key: &str, problems: &mut Problems) -> Option<Self> {
        PathBuf::read(at, key, problems).map(|path| Self(at.folder().join(path)))
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
