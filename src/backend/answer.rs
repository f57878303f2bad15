//! What a source says, and how much of it is taken.

use crate::mo::Value;

/// The longest text of a value, in bytes.
pub const MAX_TEXT: usize = 64 << 10;
/// The most bytes that a file or a program may bring, before a pipeline picks from them.
pub const MAX_INPUT: usize = 1 << 20;

/// What a source says.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<T> {
    /// This.
    Value(T),
    /// There is none, for this reason.
    Absent(String),
    /// It can't be told right now, for this reason.
    Unavailable(String),
}

impl<T> Answer<T> {
    pub(super) fn absent(why: impl Into<String>) -> Self {
        Self::Absent(why.into())
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
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
    /// It is another one after the next boot: not to be pinned.
    pub transient: bool,
}

/// What a source brings, before its pipeline.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    Text(String),
    /// What a file or a program says: bytes for `bin` and `b64`, else text whose end is trimmed.
    Bytes(Vec<u8>),
    /// Typed already.
    Typed(Value),
}

impl Raw {
    /// As a program would say it.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Bytes(bytes) => bytes,
            Self::Typed(value) => value.to_raw(),
        }
    }
}
