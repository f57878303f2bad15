//! The gate of an EXEC: whether it may begin now, by its window and by what the machine's own programs say.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::backend::{self, End, Exit};
use crate::base::wall_time::WallTime;
use crate::mo::mapping::{Exec, Window};

use super::error::TreeError;
use super::exec::Invocation;
use super::principal::Principal;
use super::registry::Tree;

/// An EXEC's window that is not open.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    /// The time until the window opens.
    pub opens_in: Duration,
    /// The time on the wall when it opens.
    pub opens_at: WallTime,
}

impl Invocation {
    /// Whether the EXEC may have to wait, whenever it is commanded.
    #[must_use]
    pub fn is_gated(&self) -> bool {
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
        self.node.mapping().exec.as_ref()
    }
}

impl Tree {
    /// The window of the EXEC if it is closed, by the machine's clock and time zone.
    pub async fn closed(&self, invocation: &Invocation) -> Option<Closed> {
        let window = invocation.window()?;
        let zone = backend::zone(&self.machine).await;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let (opens, opens_at) = window.opens(now, |seconds| zone.at(seconds))?;
        let opens_in = Duration::from_secs(opens.saturating_sub(now).try_into().unwrap_or_default());
        (!opens_in.is_zero()).then_some(Closed { opens_in, opens_at })
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
