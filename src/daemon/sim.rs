//! A SIM that is changed while nothing else happens: the files that its IMSI comes from are watched. A program that tells
//! the IMSI is not asked in between.

use std::time::{Duration, Instant};

use super::Daemon;
use crate::config::Fact;
use crate::session;
use crate::watches::Watches;
use crate::world::World;

/// A modem's service writes in several steps.
const DEBOUNCE: Duration = Duration::from_secs(1);

/// Where the IMSI comes from.
#[derive(Debug)]
pub(super) struct Sim {
    /// None where no file tells it, or nobody wants to know.
    watches: Option<Watches<()>>,
}

impl Sim {
    pub(super) fn new(world: &World) -> Self {
        let mut sim = Self { watches: None };
        sim.follow(world);
        sim
    }

    /// Watches what the settings name, where another SIM would mean other accounts.
    pub(super) fn follow(&mut self, world: &World) {
        let is_asked = world.settings.bootstrap.uri.is_some() && !world.is_owned;
        let files = session::dependencies(Fact::Imsi, &world.settings, world.tree.machine());
        if !is_asked || files.files.is_empty() {
            self.watches = None;
            return;
        }
        if self.watches.is_none() {
            let watches = Watches::new();
            let refused = |error: &std::io::Error| log::warn!("subscriber.IMSI: not watched: {error}");
            self.watches = watches.inspect_err(refused).ok();
        }
        if let Some(watches) = &self.watches
            && !watches.set(&(), &files)
        {
            log::debug!("subscriber.IMSI: not every change of its files is told");
        }
    }

    pub(super) async fn changed(&self) {
        match &self.watches {
            Some(watches) => drop(watches.changed().await),
            None => std::future::pending().await,
        }
    }
}

impl Daemon {
    /// The file may be where no folder was before.
    pub(super) fn sim_changed(&mut self) {
        self.sim.follow(&self.world);
        self.bootstrapping.look(Instant::now() + DEBOUNCE);
    }
}
