//! What an EXEC may have to wait for: its window, and the machine's own programs.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::backend::{self, End, Exit};
use crate::base::wall_time::WallTime;
use crate::mo::mapping::{Exec, Window};

use super::error::TreeError;
use super::exec::Invocation;
use super::principal::Principal;
use super::registry::Tree;

/// Why an EXEC's window is taken for closed.
#[derive(Clone, Copy, Debug)]
pub enum Closed {
    /// The window opens later.
    Until {
        /// The time until the window opens.
        opens_in: Duration,
        /// The time on the wall when it opens.
        opens_at: WallTime,
    },
    /// The window does not open within two weeks.
    NotSoon,
    /// The machine's clock is not set, so that nobody knows whether the window is open.
    ClockUnset,
}

impl Invocation {
    /// Whether the EXEC may have to wait, whenever it is commanded.
    #[must_use]
    pub fn needs_permission(&self) -> bool {
        self.exec().is_some_and(|exec| exec.veto || exec.window.is_some())
    }

    /// Whether programs are asked before the EXEC.
    #[must_use]
    pub fn may_be_vetoed(&self) -> bool {
        self.exec().is_some_and(|exec| exec.veto)
    }

    /// The time that the EXEC may take, and that programs may say "not now".
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.exec().map(Exec::timeout).unwrap_or_default()
    }

    /// The window in which the EXEC may begin.
    #[must_use]
    pub fn window(&self) -> Option<&Window> {
        self.exec()?.window.as_ref()
    }

    fn exec(&self) -> Option<&Exec> {
        self.node.mapping().exec.as_deref()
    }
}

impl Tree {
    /// Why the EXEC's window is closed, by the machine's clock and time zone; none where it is open, or there is none.
    /// A clock that shows a time before `earliest`, in seconds since 1970, is not set.
    ///
    /// # Errors
    /// The machine's time zone can't be read.
    pub async fn closed(&self, invocation: &Invocation, earliest: u64) -> Result<Option<Closed>, TreeError> {
        let Some(window) = invocation.window() else { return Ok(None) };
        let failed = |source| TreeError::Backend { node: invocation.node.client_uri(), source };
        let zone = backend::zone(&self.machine).await.map_err(failed)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        if now < earliest {
            return Ok(Some(Closed::ClockUnset));
        }
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let Some((opens, opens_at)) = window.opens(now, |seconds| zone.at(seconds)) else {
            return Ok(Some(Closed::NotSoon));
        };
        let opens_in = Duration::from_secs(opens.saturating_sub(now).try_into().unwrap_or_default());
        Ok((!opens_in.is_zero()).then_some(Closed::Until { opens_in, opens_at }))
    }

    /// Asks the programs in `folder`, one after the other; returns the first one that does not let the EXEC pass, and
    /// how that ended.
    ///
    /// # Errors
    /// One can't be asked.
    pub async fn vetoed(
        &self,
        invocation: &Invocation,
        folder: &Path,
        principal: &Principal<'_>,
    ) -> Result<Option<(PathBuf, Exit)>, TreeError> {
        let node = &invocation.node;
        let failed = |source| TreeError::Backend { node: node.client_uri(), source };
        for program in backend::programs(folder).await.map_err(failed)? {
            let scope = self.scope(node, principal);
            let exit = backend::ask(&program, &scope.context()).await.map_err(failed)?;
            if exit.end != End::Code(0) {
                return Ok(Some((program, exit)));
            }
        }
        Ok(None)
    }
}
