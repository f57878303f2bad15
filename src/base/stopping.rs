//! Sessions are told when the agent ends.

use tokio::sync::watch;

/// Returns when the agent is about to end.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}

/// What `work` brings; none where the agent is about to end before it does: `work` is broken off then.
pub(crate) async fn unless_stopped<T>(
    stopping: &mut watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = stopped(stopping) => None,
    }
}
