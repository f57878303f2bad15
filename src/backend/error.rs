//! Why a source gave no answer, or an effect did not happen.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::base::lane::Stuck;
use crate::mo::fill::FillError;
use crate::mo::pipeline::PipelineError;
use crate::mo::setting::SettingError;
use crate::mo::value::ValueError;

/// Why a source gave no answer, or an effect did not happen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The file system refused.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A setting of a file can't be read or written.
    #[error("{}: {setting}: {error}", path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// The setting.
        setting: String,
        /// Why.
        error: SettingError,
    },
    /// A file is another than it was when its change was prepared.
    #[error("{}: somebody else changed it meanwhile: it stays as they left it", .0.display())]
    Changed(PathBuf),
    /// A file did not answer: whether what was to be done there is done, nobody knows.
    #[error("{}: {stuck}", path.display())]
    Stuck {
        /// The file.
        path: PathBuf,
        /// How it is stuck.
        stuck: Stuck,
    },
    /// A source has more than a value may have.
    #[error("{what}: more than {limit} bytes")]
    TooLarge {
        /// The source.
        what: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// A value is no UTF-8, and its leaf no `bin` or `b64`, which alone hold bytes.
    #[error("{0}: not UTF-8")]
    NotUtf8(String),
    /// The braces of a template could not be filled in.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// A value did not pass the pipeline.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The source's answer is no value of the node's format.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A program could not be started, or did not end well.
    #[error("{program}: {reason}")]
    Program {
        /// The program, `run[0]`.
        program: String,
        /// Why the program failed.
        reason: String,
    },
    /// A program says that it can't do it now (EX_TEMPFAIL).
    #[error("{0}: not now, it says (exit code 75)")]
    NotNow(String),
    /// A program was stopped at its time limit.
    #[error("{program}: stopped after {seconds} s")]
    Timeout {
        /// The program, `run[0]`.
        program: String,
        /// The limit in seconds.
        seconds: u64,
    },
    /// What a source has can't be made the node's value.
    #[error("{from}: {why}")]
    Odd {
        /// The source.
        from: String,
        /// Why.
        why: String,
    },
    /// What `list` found can't be the children of one node.
    #[error("{from}: {why}")]
    List {
        /// The file, program, pattern or D-Bus object that has them.
        from: String,
        /// Why.
        why: String,
    },
    /// A call on the message bus did not work.
    #[error("{what}: {why}")]
    Bus {
        /// The service, path, interface and member.
        what: String,
        /// The words of the service, or of the bus.
        why: String,
        /// Whether the same may work later.
        temporary: bool,
    },
    /// A service denies the agent what it asks for.
    #[error("{what}: not permitted: {why}")]
    Denied {
        /// The service, path, interface and member.
        what: String,
        /// The words of the service.
        why: String,
    },
    /// An effect needs root, whom the agent is not.
    #[error(
        "{0} needs root, and the agent is not: give it omadm-exec, the helper that is (`[exec] socket`), or let its user do it"
    )]
    NeedsHelper(String),
    /// The privileged helper did not do what it was asked for.
    #[error("{what}: {why}")]
    Helper {
        /// The node.
        what: String,
        /// The words of the helper, or why there are none.
        why: String,
        /// Whether the same may work later.
        temporary: bool,
    },
    /// A mapping uses what is designed, but not in this version.
    #[error("{0} is not supported in this version")]
    Unsupported(&'static str),
}

impl BackendError {
    /// Turns a denial into [`Self::NeedsHelper`] where a mapping knows that root is needed.
    pub(super) fn or_helper(self, privileged: bool) -> Self {
        match self {
            Self::File { path, error } if privileged && error.kind() == io::ErrorKind::PermissionDenied => {
                Self::NeedsHelper(path.display().to_string())
            }
            Self::Denied { what, .. } if privileged => Self::NeedsHelper(what),
            other => other,
        }
    }

    /// Whether there is no room left for what was to be written.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::File { error, .. } if matches!(error.kind(), StorageFull | QuotaExceeded))
    }

    /// Whether the same might work later without anybody changing the mapping.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Timeout { .. }
                | Self::Program { .. }
                | Self::NotNow(_)
                | Self::File { .. }
                | Self::Stuck { .. }
                | Self::Changed(_)
                | Self::Bus { temporary: true, .. }
                | Self::Helper { temporary: true, .. }
        )
    }
}
