//! Mark: how important an alert is (TS 5.3).

use std::str::FromStr;

use crate::package::Alert;
use crate::store::records::alert;

/// The levels, the least important first. An alert without one counts as informational.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Nobody knows.
    Indeterminate,
    /// No harm is done.
    Harmless,
    /// For information.
    #[default]
    Informational,
    /// Something may go wrong.
    Warning,
    /// Something went wrong that can wait.
    Minor,
    /// Something went wrong that can't.
    Critical,
    /// It does not go on like this.
    Fatal,
}

/// A level that the TS does not have.
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

/// How important it is; what can't be read is not.
pub(super) fn of_json(json: &[u8]) -> Mark {
    alert::from_json(json).map_or(Mark::Indeterminate, |alert| of(&alert))
}

pub(super) fn of(alert: &Alert) -> Mark {
    alert.mark.as_deref().and_then(|mark| mark.parse().ok()).unwrap_or_default()
}
