//! Why a command can't have its way with the tree.

use crate::backend::BackendError;
use crate::store::StoreError;

/// Why a command can't have its way with the tree. Status codes are chosen from it in one place, `command::status`.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// There is no such management object, instance or node, or none that the server may know of.
    #[error("{0}: not found")]
    NotFound(String),
    /// Several instances or nodes are meant where one is asked for.
    #[error("{0}: not unique")]
    NotUnique(String),
    /// The server has no right to do this with the instance.
    #[error("{0}: the server lacks the right")]
    Forbidden(String),
    /// The server may not give these rights on that instance, or take them (TS 11.3).
    #[error("access rights on {entry}: {why}")]
    NotDelegable {
        /// The instance, and whom the rights are for.
        entry: String,
        /// Why the server may not.
        why: &'static str,
    },
    /// The node's DDF does not allow the command.
    #[error("{node}: {what}")]
    NotAllowed {
        /// The node.
        node: String,
        /// The thing that is not allowed.
        what: &'static str,
    },
    /// The command asks for something that is not in this version.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// A value or a document does not fit the DDF.
    #[error("{node}: {why}")]
    Invalid {
        /// The node.
        node: String,
        /// Why it does not fit.
        why: String,
    },
    /// The command asks for more than is read at a time.
    #[error("{0}: too large to be read at once")]
    TooLarge(String),
    /// The lists that the command needs say more of their nodes than is kept at a time.
    #[error("{node}: the lists that one command needs take more than {most} bytes of memory")]
    ListsTooLarge {
        /// The node whose list was one too many.
        node: String,
        /// The bytes that they may take.
        most: usize,
    },
    /// The command addresses more nodes than are addressed at once.
    #[error("{0}: addresses more nodes than are handled at once")]
    TooMany(String),
    /// The write brings more than the device keeps.
    #[error("{0}: more than the device keeps")]
    Full(String),
    /// The write brings a value that is longer than the device keeps.
    #[error("{0}: the value is longer than the device keeps")]
    TooLong(String),
    /// The source of a value is not there now, but may come back.
    #[error("{node}: unavailable: {why}")]
    Unavailable {
        /// The node.
        node: String,
        /// What is missing.
        why: String,
    },
    /// A source or an outside effect failed.
    #[error("{node}: {source}")]
    Backend {
        /// The node.
        node: String,
        /// Why it failed.
        source: BackendError,
    },
    /// The machine does not show the value that was written.
    #[error("{node}: the written value does not read back: {read} is read")]
    NotVerified {
        /// The node.
        node: String,
        /// What is read in its place.
        read: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
