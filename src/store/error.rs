//! Why the store can't do what it is asked for.

use std::io;
use std::path::PathBuf;

/// Why the store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has this file open.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// The disk has failed the file, or a page is damaged: it is being looked at, and is there again soon.
    #[error("{0} has failed, and is being opened again")]
    Opening(PathBuf),
    /// The folder or file can't be made or read.
    #[error("{path}: {source}")]
    File {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database reports an error.
    #[error("store: {0}")]
    Database(#[from] redb::Error),
    /// A record is not in the form that this version writes.
    #[error("store: a record of table {0} is damaged")]
    Damaged(&'static str),
    /// A newer version wrote the store; the number of its layout.
    #[error("store: its layout is {0}, of a newer version")]
    Newer(u64),
    /// An instance of this name was made meanwhile.
    #[error("store: another session made an instance of the same name")]
    Taken,
    /// The store would hold more bytes than this, which is all it may.
    #[error("store: more than the {0} bytes that store.quota allows")]
    Quota(u64),
    /// The task that ran the transaction was cancelled.
    #[error("store: the transaction was cancelled")]
    Cancelled,
}

impl StoreError {
    /// Whether the error says that there is no room left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let kind = self.io_kind();
        let full = matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded));
        full || matches!(self, Self::Quota(_))
    }

    /// Whether the surroundings are at fault, and not the file.
    pub(super) fn may_pass(&self) -> bool {
        use io::ErrorKind::{OutOfMemory, PermissionDenied, ReadOnlyFilesystem};
        let kind = self.io_kind();
        self.is_full() || matches!(kind, Some(OutOfMemory | PermissionDenied | ReadOnlyFilesystem))
    }

    /// Whether the error says that the disk takes nothing now, which says nothing of what can be read.
    pub(crate) fn is_withheld(&self) -> bool {
        self.io().is_some_and(|error| says_withheld(error.kind()))
    }

    pub(super) fn io_kind(&self) -> Option<io::ErrorKind> {
        self.io().map(io::Error::kind)
    }

    pub(super) fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Database(redb::Error::Io(error)) | Self::File { source: error, .. } => Some(error),
            _ => None,
        }
    }
}

/// Whether an error of this kind says that nothing can be written, however much can be read.
pub(super) fn says_withheld(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(kind, StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}

/// Turns redb's several error types into one.
pub(super) fn db(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Database(error.into())
}
