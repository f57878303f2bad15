//! The values that a leaf may have: of its format, and within what its mapping narrows that to.

use crate::ddf::Format;

use super::Value;
use super::calendar;
use super::mapping::NodeMapping;
use super::value::{ValueError, excerpt};

/// Why a value is none that a leaf may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    /// It is not of the leaf's format.
    #[error(transparent)]
    Format(ValueError),
    /// It is longer than `max-len`, or does not match `pattern`.
    #[error("{0}")]
    Shape(String),
    /// It is outside of `min`, `max` or `enum`.
    #[error("{0}")]
    Limit(String),
}

/// Checks that a leaf of this format and mapping may have a value, so far as nothing has to be read for that.
///
/// # Errors
/// [`Unfit`]
pub(crate) fn admit(mapping: &NodeMapping, format: Format, value: &Value) -> Result<(), Unfit> {
    let text = value.to_text();
    if matches!(format, Format::Date | Format::Time) && !calendar::is_one(format, &text) {
        let expected = if format == Format::Date {
            "a date as ISO 8601 writes it"
        } else {
            "a time as ISO 8601 writes it"
        };
        return Err(Unfit::Format(ValueError { expected, found: excerpt(&text) }));
    }
    if let Some(most) = mapping.max_len
        && text.len() > most
    {
        return Err(Unfit::Shape(format!("{} bytes where {most} are allowed", text.len())));
    }
    if let Some(pattern) = &mapping.pattern
        && !pattern.is_match(&text)
    {
        return Err(Unfit::Shape(format!("does not match the pattern {:?}", pattern.as_str())));
    }
    mapping.limits.admit(&text).map_err(Unfit::Limit)
}
