//! The outcome of an operation: what its reply says.

use std::fmt::Display;
use std::io;

use serde_json::Value as Json;

use crate::backend::{Answer, BackendError};
use crate::helper_protocol::{HelperReply, code};

/// The outcome of an operation that was done, or can't be.
pub(super) type Outcome = Result<Option<Json>, Failure>;

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// One of [`code`].
    pub(super) code: u16,
    /// Why, for people.
    pub(super) why: String,
}

impl Failure {
    pub(super) fn new(code: u16, why: impl Display) -> Self {
        Self { code, why: why.to_string() }
    }

    /// The files on this machine do not allow it.
    pub(super) fn refused(why: impl Display) -> Self {
        Self::new(code::REFUSED, why)
    }

    /// There is no such thing.
    pub(super) fn not_found(why: impl Display) -> Self {
        Self::new(code::NOT_FOUND, why)
    }

    /// A value is none that may be.
    pub(super) fn unfit(why: impl Display) -> Self {
        Self::new(code::UNFIT, why)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::PermissionDenied => code::REFUSED,
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => code::NOT_FOUND,
            _ => code::FAILED,
        };
        Self::new(code, error)
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        let code = match &error {
            BackendError::NotNow(_)
            | BackendError::Stuck { .. }
            | BackendError::Bus { temporary: true, .. } => code::NOT_NOW,
            BackendError::Timeout { .. } => code::TIMEOUT,
            BackendError::Fill(_)
            | BackendError::Pipeline(_)
            | BackendError::Value(_)
            | BackendError::Odd { .. } => code::UNFIT,
            BackendError::Denied { .. } | BackendError::Unsupported(_) | BackendError::NeedsHelper(_) => {
                code::REFUSED
            }
            _ => code::FAILED,
        };
        // Those quote what was read, which may be a secret of root's.
        match error {
            BackendError::Pipeline(_) | BackendError::Value(_) | BackendError::Odd { .. } => Self::new(
                code,
                "the value does not pass the mapping's pipeline, or is none of the leaf's format",
            ),
            BackendError::List { from, .. } => {
                Self::new(code, format!("{from}: its elements can't be the children of one node"))
            }
            error => Self::new(code, error),
        }
    }
}

/// The value of an answer, as JSON; where there is none, that is an outcome as well.
pub(super) fn answered<T>(
    answer: Answer<T>,
    to_json: impl FnOnce(T) -> Result<Json, Failure>,
) -> Result<Json, Failure> {
    match answer {
        Answer::Value(value) => to_json(value),
        // Why may quote what was read.
        Answer::Absent(_) => Err(Failure::new(code::ABSENT, "there is no value")),
        Answer::Unavailable(why) => Err(Failure::new(code::NOT_NOW, why)),
    }
}

/// The reply that tells an outcome.
pub(super) fn reply(id: &str, index: usize, outcome: Outcome) -> HelperReply {
    let (code, value, error) = match outcome {
        Ok(value) => (code::OK, value, None),
        Err(Failure { code, why }) => (code, None, Some(why)),
    };
    HelperReply { id: id.to_owned(), index, code: Some(code), value, error, ..HelperReply::default() }
}
