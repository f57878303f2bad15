//! The watch for a SIM that is changed while nothing else happens, by the files that its IMSI comes from. A program
//! that tells the IMSI is not asked in between.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::agent_state;
use crate::agent_state::AgentState;
use crate::backend::Dependencies;
use crate::config::Fact;
use crate::watches::FileWatches;

/// The watch of the files that the IMSI comes from.
#[derive(Debug)]
pub(super) struct SimWatch {
    /// The watched files; none where no file tells it, or nobody wants to know.
    watches: Option<Arc<FileWatches<()>>>,
    files: Dependencies,
    /// The look-up of where the files are; whether because something has changed.
    arming: JoinSet<bool>,
}

impl SimWatch {
    pub(super) fn new(agent_state: &AgentState) -> Self {
        let mut sim = Self { watches: None, files: Dependencies::default(), arming: JoinSet::new() };
        sim.follow(agent_state);
        sim
    }

    /// Watches the files that the settings name, where another SIM would mean other accounts.
    pub(super) fn follow(&mut self, agent_state: &AgentState) {
        let is_asked = agent_state.settings.bootstrap.uri.is_some() && !agent_state.is_owned;
        let files = agent_state::dependencies(Fact::Imsi, &agent_state.settings, agent_state.tree.machine());
        if !is_asked || files.files.is_empty() {
            self.watches = None;
            return;
        }
        // Watched anew, what has not been told yet would be lost.
        if self.watches.is_some() && files == self.files {
            return;
        }
        self.files = files;
        let watches = FileWatches::new();
        let refused = |error: &std::io::Error| {
            log::warn!(
                "subscriber.IMSI: can't be watched ({error}): a change of the SIM is not noticed at once"
            );
        };
        self.watches = watches.inspect_err(refused).ok().map(Arc::new);
        self.watch(false);
    }

    /// Looks the files up and watches them, as one may be in another folder than before. That may block.
    fn watch(&mut self, has_changed: bool) {
        let Some(watches) = self.watches.clone() else { return };
        let files = self.files.clone();
        self.arming.spawn(async move {
            if !watches.follow((), files).await {
                log::debug!("subscriber.IMSI: not every change of its files is told");
            }
            has_changed
        });
    }

    /// Waits until a file has changed, and the next change will be told.
    pub(super) async fn changed(&mut self) {
        loop {
            let watches = self.watches.clone();
            let changed = async {
                match watches {
                    Some(watches) => drop(watches.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => self.watch(true),
                // Whatever the first of them says, the others are waited for.
                Some(armed) = self.arming.join_next() => if matches!(armed, Ok(true)) {
                    return;
                },
            }
        }
    }
}
