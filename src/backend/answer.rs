//! The answer of a source, and how much of it is taken.

use crate::mo::Value;

/// The longest text of a value, in bytes.
pub const MAX_TEXT: usize = 64 << 10;
/// The most bytes that a file or a program may bring, before a pipeline picks from them.
pub const MAX_INPUT: usize = 1 << 20;

/// The answer of a source.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<T> {
    /// The source has this value.
    Value(T),
    /// The source has no value, for this reason.
    Absent(String),
    /// The source can't be read right now, for this reason.
    Unavailable(String),
}

impl<T> Answer<T> {
    pub(super) fn absent(why: impl Into<String>) -> Self {
        Self::Absent(why.into())
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Value(value) => Answer::Value(change(value)),
            Self::Absent(why) => Answer::Absent(why),
            Self::Unavailable(why) => Answer::Unavailable(why),
        }
    }
}

/// A value as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The value.
    pub value: Value,
    /// Whether it is another one after the next boot: not to be pinned.
    pub transient: bool,
}

/// The raw answer of a source, before its pipeline.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    Text(String),
    /// The bytes of a file or a program: as they are for `bin` and `b64`, else text whose end is trimmed.
    Bytes(Vec<u8>),
    /// A value with a type, as builtins and D-Bus have it.
    Typed(Value),
}

impl Raw {
    /// The bytes of the answer as a program would say it.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Bytes(bytes) => bytes,
            Self::Typed(value) => value.to_raw(),
        }
    }
}
