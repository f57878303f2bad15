//! Marks: how important an alert is (TS 5.3).

use std::str::FromStr;

use crate::package::Alert;
use crate::store::records::alert;

/// The mark of an alert, the least important first. An alert without one counts as informational.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// An importance that nobody knows.
    Indeterminate,
    /// An event that does no harm.
    Harmless,
    /// An event that is told for information.
    #[default]
    Informational,
    /// A sign that something may go wrong.
    Warning,
    /// A trouble that can wait.
    Minor,
    /// A trouble that can't wait.
    Critical,
    /// A trouble with which it does not go on.
    Fatal,
}

/// The error that a mark is none of the TS's levels.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown level")]
pub struct UnknownMark;

impl FromStr for Mark {
    type Err = UnknownMark;

    fn from_str(text: &str) -> Result<Self, UnknownMark> {
        Ok(match text {
            "fatal" => Self::Fatal,
            "critical" => Self::Critical,
            "minor" => Self::Minor,
            "warning" => Self::Warning,
            "informational" => Self::Informational,
            "harmless" => Self::Harmless,
            "indeterminate" => Self::Indeterminate,
            _ => return Err(UnknownMark),
        })
    }
}

/// The mark of an alert's JSON; what can't be read is the least important.
pub(super) fn of_json(json: &[u8]) -> Mark {
    alert::from_json(json).map_or(Mark::Indeterminate, |alert| of(&alert))
}

pub(super) fn of(alert: &Alert) -> Mark {
    alert.mark.as_deref().and_then(|mark| mark.parse().ok()).unwrap_or_default()
}
