//! The watch for a SIM that is changed while nothing else happens: by the files that its IMSI comes from, or by the
//! signals of the service that tells it. A program that tells the IMSI is not asked in between.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::agent_state;
use crate::agent_state::AgentState;
use crate::backend::{Bus, BusWatches, Dependencies};
use crate::base;
use crate::base::OrderedSet;
use crate::base::waking;
use crate::watches::FileWatches;

/// How long a bus is left alone that could not be listened to, as it may be restarting: longer each time.
const AGAIN: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// The watch of what the IMSI comes from.
#[derive(Debug, Default)]
pub(super) struct SimWatch {
    /// The watched files; none where no file tells it, or nobody wants to know.
    watches: Option<Arc<FileWatches<()>>>,
    /// The signals; none where no service tells it, or nobody wants to know.
    signals: Option<Arc<BusWatches<()>>>,
    bus: Option<Arc<Bus>>,
    sources: Dependencies,
    /// The look-up of where the files are, and the request for signals; whether because something has changed.
    arming: JoinSet<bool>,
}

impl SimWatch {
    pub(super) fn new(agent_state: &AgentState) -> Self {
        let mut sim = Self::default();
        sim.follow(agent_state);
        sim
    }

    /// Watches what the settings name, where another SIM would mean other accounts.
    pub(super) fn follow(&mut self, agent_state: &AgentState) {
        let is_asked = agent_state.settings.bootstrap.uri.is_some() && !agent_state.is_owned;
        let machine = agent_state.tree.machine();
        let sources = match is_asked {
            true => agent_state::imsi_dependencies(&agent_state.settings, machine),
            false => Dependencies::default(),
        };
        let is_same_bus = self.bus.as_ref().is_some_and(|bus| Arc::ptr_eq(bus, &machine.bus));
        // Watched anew, what has not been told yet would be lost.
        if sources == self.sources && is_same_bus {
            return;
        }
        (self.watches, self.signals) = (None, None);
        self.bus = Some(Arc::clone(&machine.bus));
        if !sources.files.is_empty() {
            let refused = |error: &std::io::Error| {
                log::warn!(
                    "subscriber.IMSI: can't be watched ({error}): a change of the SIM is not noticed at once"
                );
            };
            self.watches = FileWatches::new().inspect_err(refused).ok().map(Arc::new);
        }
        if !sources.signals.is_empty() {
            self.signals = Some(Arc::default());
        }
        self.sources = sources;
        self.watch_files(false);
        self.listen(false);
    }

    /// Looks the files up and watches them, as one may be in another folder than before. That may block.
    fn watch_files(&mut self, has_changed: bool) {
        let Some(watches) = self.watches.clone() else { return };
        let mut files = self.sources.clone();
        files.signals = OrderedSet::new();
        base::spawn_in(&mut self.arming, async move {
            if !watches.follow((), files).await {
                log::debug!("subscriber.IMSI: not every change of its files is told");
            }
            has_changed
        });
    }

    /// Asks the bus for signals, once more if it was restarted. One that has gone away is waited for.
    fn listen(&mut self, has_changed: bool) {
        let (Some(signals), Some(bus)) = (self.signals.clone(), self.bus.clone()) else { return };
        let signs = self.sources.signals.clone();
        base::spawn_in(&mut self.arming, async move {
            let (mut has_changed, mut wait) = (has_changed, AGAIN);
            while let Err(why) = signals.listen(&(), &bus, signs.clone()).await {
                log::debug!("subscriber.IMSI: no signals tell of a change of the SIM: {why}");
                if !bus.was_there() || Arc::strong_count(&signals) == 1 {
                    break;
                }
                waking::sleep(wait).await;
                (has_changed, wait) = (true, (wait * 2).min(LONGEST));
            }
            has_changed
        });
    }

    /// Waits until something has changed, and the next change will be told.
    pub(super) async fn changed(&mut self) {
        loop {
            let (watches, signals) = (self.watches.clone(), self.signals.clone());
            let changed = async {
                match watches {
                    Some(watches) => drop(watches.changed().await),
                    None => std::future::pending().await,
                }
            };
            let signalled = async {
                match signals {
                    Some(signals) => drop(signals.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => self.watch_files(true),
                () = signalled => self.listen(true),
                // Whatever the first of them says, the others are waited for.
                Some(armed) = self.arming.join_next() => if matches!(armed, Ok(true)) {
                    return;
                },
            }
        }
    }
}
