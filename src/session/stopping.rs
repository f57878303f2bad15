//! Sessions are told when the agent ends.

use tokio::sync::watch;

/// Returns when the agent is about to end.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}
