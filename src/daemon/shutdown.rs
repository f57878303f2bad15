//! The shutdown of the agent, in bounded time.

use std::sync::Arc;

use tokio::time::Instant;

use super::Daemon;
use crate::base::stopping;

impl Daemon {
    /// Stops the agent. Sessions are broken off, after the change that is being made where that does not take long:
    /// their servers see a lost connection, and what was acknowledged is on disk.
    pub(super) async fn stop(mut self) {
        self.shared.systemd.stopping();
        self.shared.stopping.send_replace(true);
        let crash_guard = Arc::clone(&self.agent_state.crash_guard);
        crash_guard.close();
        let winding_up = tokio::time::timeout(stopping::FOR_WORK, self.wind_up());
        if tokio::join!(winding_up, crash_guard.until_written()).0.is_err() {
            log::error!(
                "the store does not answer: the agent stops without a last commit, as after a power cut"
            );
        }
        self.notifications.stop();
        log::info!("omadm-agent stopped");
    }

    async fn wind_up(&mut self) {
        let deadline = Instant::now() + stopping::FOR_CHANGE;
        while let Some(ended) = self.sessions.last(deadline).await {
            self.ended(ended).await;
        }
        self.configurations.stop(deadline).await;
        // What the operator has written.
        let _ = tokio::time::timeout_at(deadline, self.agent_state.store.writer()).await;
        self.sessions.stop().await;
        self.alarms.stop().await;
        self.subscriptions.stop(deadline).await;
        self.last_words().await;
        self.config_files.waiting.clear();
        self.service.stop().await;
    }

    /// Commits what has ended, so that it is on disk before the agent ends.
    async fn last_words(&mut self) {
        let mut ends = self.execs.untold.take();
        ends.finished.extend(self.execs.stop().await.into_iter().map(|finished| (finished.number, finished)));
        if let Err(error) = self.store(&ends).await {
            log::error!("results of EXECs could not be stored, and are not reported: {error}");
        }
    }
}
