//! The end after SIGTERM: how long each part of it may take, and how sessions are told.
//!
//! | from SIGTERM | what | bound |
//! |---|---|---|
//! | at once | a change that is under way comes to its end | [`FOR_CHANGE`] |
//! | then | EXECs that are about to end do so: a reboot stops the agent that ordered it | [`FOR_EXECS`] |
//! | | both, and writing down what came of them | [`FOR_WORK`] |
//! | then | a commit that has begun | [`FOR_COMMIT`] |
//! | | the process, whatever hangs in it | [`FOR_PROCESS`] |
//! | | what an operator, and a machine that goes down, is promised | [`PROMISED`] |

use std::time::Duration;

use tokio::sync::watch;

/// How long a change of the tree that is being made may take after SIGTERM, so that it is whole.
pub(crate) const FOR_CHANGE: Duration = Duration::from_millis(2_500);
/// How long a program that is about to end may take after SIGTERM.
pub(crate) const FOR_EXECS: Duration = Duration::from_secs(1);
/// How long all work with sessions, programs and the store may take after SIGTERM.
pub(crate) const FOR_WORK: Duration = Duration::from_secs(4);
/// How long a commit may take that has begun when that time is over.
pub(crate) const FOR_COMMIT: Duration = Duration::from_millis(300);
/// When the process ends after SIGTERM, whatever hangs in it.
pub(crate) const FOR_PROCESS: Duration = Duration::from_millis(4_800);
/// When the process must be gone after SIGTERM.
const PROMISED: Duration = Duration::from_secs(5);

const _: () = assert!(FOR_CHANGE.as_millis() + FOR_EXECS.as_millis() < FOR_WORK.as_millis());
const _: () = assert!(FOR_WORK.as_millis() + FOR_COMMIT.as_millis() < FOR_PROCESS.as_millis());
const _: () = assert!(FOR_PROCESS.as_millis() < PROMISED.as_millis());

/// Returns when the agent is about to end.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}

/// The result of `work`; none where the agent is about to end before that is done, and `work` is broken off.
pub(crate) async fn unless_stopped<T>(
    stopping: &mut watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = stopped(stopping) => None,
    }
}
