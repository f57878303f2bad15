//! Scalars: what may be written as a string, a number, or true or false.

use crate::spanned::{FromItem, Item};

/// A scalar as text: `map = { up = 1 }` means the same as `map = { up = "1" }`.
pub(super) struct Scalar(pub(super) String);

impl FromItem for Scalar {
    const EXPECTED: &'static str = "a string, a number, true or false";

    fn from_item(item: &Item) -> Option<Self> {
        match item {
            Item::String(text) => Some(Self(text.clone())),
            Item::Integer(number) => Some(Self(number.to_string())),
            Item::Float(number) if number.is_finite() => Some(Self(number.to_string())),
            Item::Boolean(truth) => Some(Self(truth.to_string())),
            _ => None,
        }
    }
}
