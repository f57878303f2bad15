//! The agent's end, in bounded time.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::Daemon;
use crate::exec::Finished;

/// All of it. An operator who stops the agent, and a machine that goes down, have no more time for it.
const LONGEST_STOP: Duration = Duration::from_secs(4);
/// A change that is being made when the agent is stopped gets this long, so that it is whole.
const LONGEST_CHANGE: Duration = Duration::from_millis(2_500);
/// A program that is about to end when the agent is stopped gets this long: a reboot stops the agent that ordered it.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Daemon {
    /// Sessions are broken off, after the change that is being made where that does not take long: their servers see a
    /// lost connection, and what was acknowledged is on disk.
    pub(super) async fn stop(mut self, finished: &mut mpsc::UnboundedReceiver<Finished>) {
        self.supervisor.stopping();
        self.stopping.send_replace(true);
        let attempts = Arc::clone(&self.world.attempts);
        attempts.close();
        let winding_up = tokio::time::timeout(LONGEST_STOP, self.wind_up(finished));
        if tokio::join!(winding_up, attempts.written()).0.is_err() {
            log::error!(
                "the store does not answer: the agent stops without a last commit, as after a power cut"
            );
        }
        self.doorkeeper.lock().unwrap_or_else(PoisonError::into_inner).report_all();
        log::info!("omadm-agent stopped");
    }

    async fn wind_up(&mut self, finished: &mut mpsc::UnboundedReceiver<Finished>) {
        let deadline = Instant::now() + LONGEST_CHANGE;
        loop {
            match timeout_at(deadline, self.sessions.join_next_with_id()).await {
                Ok(Some(ended)) => self.ended(ended).await,
                Ok(None) => break,
                Err(_) => {
                    log::warn!(
                        "a server's change takes too long to wait for: interrupted, to be rolled back at the next start"
                    );
                    break;
                }
            }
        }
        let configuring = async { while self.configurations.join_next().await.is_some() {} };
        if timeout_at(deadline, configuring).await.is_err() {
            log::warn!("the configuration of a local application takes too long to wait for: interrupted");
        }
        self.sessions.shutdown().await;
        self.configurations.shutdown().await;
        self.subscriptions.stop(deadline).await;
        self.last_words(finished).await;
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
            log::error!("results of EXECs could not be stored, and are not reported: {error}");
        }
    }
}
