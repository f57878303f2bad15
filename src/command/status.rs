//! The one place that chooses status codes (TS Appendix C).

use crate::backend::BackendError;
use crate::mo::value::excerpt;
use crate::package::Profile;
use crate::transport::{Refused, TransportError};
use crate::tree::TreeError;
use crate::uri::client::ClientUriError;
use crate::uri::server::ServerUriError;

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Not one of the ten.
    #[error("unknown command")]
    Unknown,
    /// Wrong number or type of parameters.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// A ClientURI is wrong.
    #[error("ClientURI: {0}")]
    ClientUri(#[source] ClientUriError),
    /// A ServerURI is wrong.
    #[error("ServerURI: {0}")]
    ServerUri(#[source] ServerUriError),
    /// The agent doesn't go there.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// The settings forbid it.
    #[error("{0} is not among the origins that CONT may lead to")]
    NotContinued(String),
    /// The account does not list the MOID.
    #[error("{0} is not in the account's permissions")]
    NotPermitted(String),
    /// The tree says no.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A data repository can't be reached.
    #[error(transparent)]
    Transport(TransportError),
    /// A data repository answered with this HTTP status.
    #[error("the repository answered with HTTP status {0}")]
    Repository(u16),
    /// A data repository redirects for ever, or to where the agent doesn't follow.
    #[error("the repository's redirect can't be followed: {0}")]
    Redirect(&'static str),
    /// A media type that can't be stored.
    #[error("media type {} is not supported", excerpt(.0))]
    MediaType(String),
    /// None of the media types that the server accepts is known.
    #[error("the server accepts {}, which are not supported", excerpt(.accepted))]
    NotAcceptable {
        /// What it accepts.
        accepted: String,
        /// It decides what the server is told.
        profile: Profile,
    },
    /// SHOW without a browser configured.
    #[error("no browser is configured (show.browser)")]
    NoBrowser,
    /// The browser did not start.
    #[error("the browser did not start: {0}")]
    Browser(std::io::Error),
    /// As many programs as may run at one time run already.
    #[error("too many programs are running")]
    Busy,
    /// Not in this version.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
}

impl From<TransportError> for CommandError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Refused(refused) => Self::Refused(refused),
            other => Self::Transport(other),
        }
    }
}

impl CommandError {
    /// The code that Package#3 carries.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::ClientUri(_) | Self::ServerUri(_) | Self::Refused(Refused::Uri(_)) => {
                400
            }
            Self::Refused(_) | Self::NotContinued(_) | Self::NotPermitted(_) => 403,
            Self::Tree(error) => of_tree(error),
            Self::NotAcceptable { profile: Profile::Approved, .. } => 406,
            Self::MediaType(_) | Self::NotAcceptable { .. } => 415,
            Self::Redirect(_) | Self::Browser(_) => 500,
            Self::Busy | Self::Repository(429 | 500..=599) => 503,
            Self::Repository(_) => 500,
            Self::Transport(error) if error.is_retryable() => 503,
            Self::Transport(_) => 500,
            Self::Unknown | Self::NoBrowser | Self::Unsupported(_) => 501,
        }
    }
}

fn of_tree(error: &TreeError) -> u16 {
    match error {
        TreeError::NotFound(_) | TreeError::NotUnique(_) => 404,
        TreeError::Forbidden(_) => 403,
        TreeError::NotAllowed { .. } => 405,
        TreeError::Unsupported(_) => 501,
        TreeError::Unavailable { .. } => 503,
        TreeError::Full(_) => 506,
        TreeError::Store(error) if error.is_full() => 506,
        TreeError::Backend {
            source: BackendError::Unsupported(_) | BackendError::NeedsHelper(_), ..
        } => 501,
        TreeError::Invalid { .. }
        | TreeError::TooLarge(_)
        | TreeError::Backend { .. }
        | TreeError::NotVerified(_)
        | TreeError::Store(_) => 500,
    }
}
