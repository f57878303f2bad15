//! Why work on a lane has no result.

use std::path::PathBuf;
use std::time::Duration;

/// Why work on a lane has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stuck {
    /// The work was not done in time, or not even begun because all threads of its lane hang.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// The work could not be begun, or was broken off.
    #[error("the work on {0} was not done: no thread is to be had")]
    NoThread(&'static str),
    /// Work that was begun at this path before hangs: nothing more is, until it has come back.
    #[error("{} has not answered for {} s, and is not asked again before it does", .0.display(), .1.as_secs())]
    Hangs(PathBuf, Duration),
}
