//! The agent in the test's own process, for what local applications ask: they have no other way to it yet.

use omadm_agent::agent_state::Surroundings;
use omadm_agent::config::{Environment, Selection};
use omadm_agent::daemon::{self, Local, Signal};
use omadm_agent::startup::OsRandom;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Bench, LIMIT};

/// The agent in this process.
pub(crate) struct Agent {
    asks: mpsc::Sender<Local>,
    signals: mpsc::Sender<Signal>,
    running: JoinHandle<()>,
}

impl Agent {
    /// Starts it.
    pub(crate) fn start(bench: &Bench) -> Self {
        let options = daemon::Options {
            selection: Selection::File(bench.gateway.config()),
            environment: Environment::current(),
            surroundings: Surroundings::default(),
            main_thread: omadm_agent::base::lane::MainThread::default(),
        };
        let (asks, requests) = mpsc::channel(1);
        let (signals, told) = mpsc::channel(1);
        let agent = daemon::run(options, Vec::new(), told, requests, Box::new(OsRandom));
        let running = tokio::spawn(async { agent.await.unwrap() });
        Self { asks, signals, running }
    }

    /// Asks as a local application does, and waits for the answer.
    pub(crate) async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Local) -> T {
        let (reply, answer) = oneshot::channel();
        self.send(request(reply)).await;
        tokio::time::timeout(LIMIT, answer).await.unwrap().unwrap()
    }

    /// Asks, and lets the answer come when it will.
    pub(crate) async fn send(&self, request: Local) {
        assert!(self.asks.send(request).await.is_ok(), "the agent has ended");
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        self.signals.send(Signal::Stop).await.unwrap();
        tokio::time::timeout(LIMIT, self.running).await.unwrap().unwrap();
    }
}
