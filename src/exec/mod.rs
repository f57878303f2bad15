//! EXECs (TS 5.4.5) from their command to the moment a server was told how they ended.
//!
//! Each is on disk before it starts ([`ExecRecord`]), and its end before a package carries it. Its record goes when
//! that package was answered, or in the transaction that keeps the alert which tells its end. So whatever happens to
//! the agent, what it was executing is known at its next start ([`Fate`]), and reported as it was known.
//!
//! [`ExecSlots`] is what the whole agent has running: two EXECs of one node never overlap, whoever gives them.
//! [`SessionExecs`] is one session's part of it.

mod permission;
mod process_group;
mod queued;
mod record;
mod session_execs;
mod slots;
mod supervision;

pub use permission::waits_for;
pub use queued::{AfterSession, QueuedExec, risk_of_exec};
pub use record::Fate;
pub use session_execs::{Execution, SessionExecs};
pub use slots::ExecSlots;

use crate::backend::BackendError;
use crate::store::StoreError;
use crate::store::records::{EndAlert, ExecRecord, ProcessGroup};
use crate::tree::TreeError;
use crate::uri::ServerId;

/// An EXEC that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The number of the EXEC in the store.
    pub number: u64,
    /// The server that gave the command.
    pub server_id: ServerId,
    /// The ClientURI of the node.
    pub client_uri: String,
    /// The type of the alert.
    pub alert_type: String,
    /// The result code: 200, a mapped 1xxx, or 500.
    pub code: u16,
    /// The address that the alert is posted to, if not where the server's sessions go.
    pub report_to: Option<String>,
    /// The exit code of its program, where that ended by itself.
    pub exit: Option<i32>,
    /// The alert, where the mapping says more of it than the type.
    pub alert: Option<EndAlert>,
    /// How it ended and what its program said last, where that is no success: for the operator who had it executed.
    pub why: String,
}

/// Why an EXEC does not begin.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// No slot is free: as many programs as may run at one time run already.
    #[error("too many programs are running")]
    Busy,
    /// The node of this ClientURI is being executed: two EXECs of one node never overlap.
    #[error("{0} is still being executed, or waits until it may be")]
    Running(String),
    /// Too many EXECs wait for the end of the session, or until they may begin.
    #[error("too many EXECs wait to begin")]
    Crowded,
    /// The EXEC can't be started, or not be remembered.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl ExecError {
    /// Whether the privileged helper has not taken it, and may do so later.
    fn is_helpers_moment(&self) -> bool {
        let Self::Tree(TreeError::Backend { source, .. }) = self else { return false };
        matches!(source, BackendError::Helper { temporary: true, .. })
    }
}

impl From<StoreError> for ExecError {
    fn from(error: StoreError) -> Self {
        Self::Tree(error.into())
    }
}
