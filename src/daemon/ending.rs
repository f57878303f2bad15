//! The agent's end, in bounded time.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Daemon;
use crate::exec::Finished;

/// A command that is being executed when the agent is stopped gets this long. systemd waits 20 s.
const LONGEST_STOP: Duration = Duration::from_secs(8);
/// A program that is about to end when the agent is stopped gets this long: a reboot stops the agent that ordered it.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Daemon {
    /// Sessions are broken off, after the command that is being executed where that does not take long: their
    /// servers see a lost connection, and what was acknowledged is on disk.
    pub(super) async fn stop(mut self, finished: &mut mpsc::UnboundedReceiver<Finished>) {
        self.supervisor.stopping();
        self.stopping.send_replace(true);
        let deadline = tokio::time::Instant::now() + LONGEST_STOP;
        loop {
            match tokio::time::timeout_at(deadline, self.sessions.join_next_with_id()).await {
                Ok(Some(ended)) => self.ended(ended).await,
                Ok(None) => break,
                Err(_) => {
                    log::warn!("a command takes too long: broken off");
                    break;
                }
            }
        }
        let configuring = async { while self.configurations.join_next().await.is_some() {} };
        if tokio::time::timeout_at(deadline, configuring).await.is_err() {
            log::warn!("a configuration takes too long: broken off");
        }
        self.sessions.shutdown().await;
        self.configurations.shutdown().await;
        self.subscriptions.stop().await;
        self.last_words(finished).await;
        self.doorkeeper.lock().unwrap_or_else(PoisonError::into_inner).report_all();
        self.world.attempts.close();
        log::info!("stopped");
    }

    /// The agent is about to end: what has ended is on disk before it does. What has not is reported at its next
    /// start.
    async fn last_words(&mut self, finished: &mut mpsc::UnboundedReceiver<Finished>) {
        let _ = tokio::time::timeout(LAST_WORDS, self.programs.idle()).await;
        let mut changes = Vec::new();
        while let Ok(finished) = finished.try_recv() {
            changes.extend(self.report(&finished).unwrap_or_default());
        }
        if let Err(error) = self.store.commit(changes).await {
            log::error!("results are not kept: {error}");
        }
    }
}
