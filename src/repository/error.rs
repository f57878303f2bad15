//! Why a data repository was not read or written.

use super::FollowError;
use crate::mo::value::excerpt;
use crate::package::Profile;
use crate::transport::TransportError;
use crate::tree::TreeError;

/// Why a data repository was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The tree refuses the read or the write.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The repository can't be reached, or the agent doesn't go there.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The repository answered with this HTTP status.
    #[error("the repository answered with HTTP status {0}")]
    Status(u16),
    /// The repository redirects for ever, or to where the agent doesn't follow.
    #[error("the repository's redirect can't be followed: {0}")]
    Redirect(&'static str),
    /// None of the media types that are accepted is known.
    #[error("the server accepts {}, which are not supported", excerpt(.accepted))]
    NotAcceptable {
        /// The media types that are accepted, as a header has them.
        accepted: String,
        /// The profile, which decides what the server is told.
        profile: Profile,
    },
}

impl From<FollowError> for RepositoryError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Transport(error) => Self::Transport(error),
            FollowError::Redirect(why) => Self::Redirect(why),
        }
    }
}
