//! Configuration files: those of accounts and management objects take effect by themselves, all of them when the
//! operator says so.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use super::clock::Clock;
use super::folder_reading::Read;
use super::folder_watch::FolderWatch;
use super::loader::{LoadError, Loader, Scope};
use super::removal_evidence::SeenFolders;
use crate::agent_state::AgentState;
use crate::base;
use crate::base::heartbeat::Hearts;
use crate::base::waking;
use crate::service::Caller;

/// The result of reading files again.
pub(super) struct Reread {
    /// The scope that was asked for.
    pub(super) scope: Scope,
    pub(super) read: Result<Read, LoadError>,
}

impl Reread {
    /// All that is wrong with the files, a problem a line; empty where nothing is.
    pub(super) fn problems(&self) -> String {
        match &self.read {
            Ok(read) => read.problems().to_string(),
            Err(error) => error.to_string(),
        }
    }
}

/// The files that the agent state is made of: watched, read again apart from the loop, and what their folders have
/// held. Dropped, it breaks off what is being read.
pub(super) struct ConfigFiles {
    pub(super) loader: Loader,
    watcher: FolderWatch,
    seen: SeenFolders,
    /// The reading under way: once at a time, and once more for all that was asked meanwhile.
    running: JoinSet<Reread>,
    again: Option<Scope>,
    /// Who waits to hear what comes of reading everything again.
    pub(super) waiting: Vec<Caller>,
}

impl ConfigFiles {
    /// Makes the component, which reads nothing again yet.
    pub(super) fn new(loader: Loader, watcher: FolderWatch) -> Self {
        Self {
            loader,
            watcher,
            seen: SeenFolders::default(),
            running: JoinSet::new(),
            again: None,
            waiting: Vec::new(),
        }
    }

    /// Begins to read the folders again, if one has changed.
    pub(super) fn start_due(&mut self, agent_state: &AgentState, hearts: &mut Hearts) {
        if self.watcher.take_due(waking::now()) {
            self.load(Scope::Folders, agent_state, hearts);
        }
    }

    /// The time when folders are to be read next.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.watcher.due()
    }

    /// Waits for the reading under way; or for a change, after which reading is due: none then.
    pub(super) async fn next_event(&mut self) -> Option<Reread> {
        tokio::select! {
            Some(Ok(read)) = self.running.join_next() => Some(read),
            () = self.watcher.changed() => None,
            () = self.loader.found_stale() => {
                log::info!("omadm-exec finds other files of an object than those that are loaded: read again now");
                self.watcher.look_again(waking::now());
                None
            }
        }
    }

    /// Reads files again, while everything else goes on.
    pub(super) fn load(&mut self, scope: Scope, agent_state: &AgentState, hearts: &mut Hearts) {
        if self.running.is_empty() {
            let read = self.loader.read(scope, agent_state, self.watcher.watched());
            let task = hearts
                .watch("the reading of files".to_owned(), async move { Reread { scope, read: read.await } });
            base::spawn_in(&mut self.running, task);
        } else {
            self.again = self.again.max(Some(scope));
        }
    }

    /// The scope that was asked for while something else was read.
    pub(super) fn asked_meanwhile(&mut self) -> Option<Scope> {
        self.again.take()
    }

    /// Has the folders read again at `at`, as changes may have gone unnoticed.
    pub(super) fn look_again(&mut self, at: Instant) {
        self.watcher.look_again(at);
    }

    /// Why an account that is not there may not have been removed; none where it has been.
    pub(super) fn doubt(&self, agent_state: &AgentState, clock: &Clock) -> Option<String> {
        self.seen.doubt(agent_state, clock)
    }

    /// Remembers which folders hold something, and since when which do not.
    pub(super) async fn remember(&mut self, agent_state: &Arc<AgentState>, clock: &Clock) {
        self.seen.remember(agent_state, clock).await;
    }
}
