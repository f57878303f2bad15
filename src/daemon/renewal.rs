//! Going on in a new [`World`]: files were read again, or accounts have changed.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::{Daemon, schedule};
use crate::journal::id;
use crate::world::World;

impl Daemon {
    /// Reads everything again, on the operator's word.
    pub(super) async fn reload(&mut self) {
        self.supervisor.reloading();
        match self.loader.reload(&self.world).await {
            Ok(world) => {
                self.bootstrapping.afresh();
                self.adopt(world).await;
            }
            Err(error) => log::error!(
                MESSAGE_ID = id::CONFIGURATION_BROKEN; "reload failed, going on as before: {error}"
            ),
        }
        let status = self.status();
        self.supervisor.ready(&status);
    }

    /// A server changed its account, or a bootstrap brought some.
    pub(super) async fn accounts_changed(&mut self) {
        let world = self.loader.accounts_changed(&self.world).await;
        let news = world.peers.len() != self.world.peers.len()
            || world.peers.iter().zip(&self.world.peers).any(|(new, old)| !Arc::ptr_eq(new, old));
        self.go_on_in(world).await;
        if news {
            log::info!("accounts changed: {}", self.status());
        }
    }

    /// Goes on with what files say now.
    pub(super) async fn adopt(&mut self, world: World) {
        self.go_on_in(world).await;
        self.bootstrapping.look(Instant::now());
        log::info!("configuration read again: {}", self.status());
    }

    /// Goes on in a new world; sessions in flight finish in the old one.
    async fn go_on_in(&mut self, world: World) {
        {
            let mut doorkeeper = self.doorkeeper.lock().unwrap_or_else(PoisonError::into_inner);
            doorkeeper.set_policy(&world.settings.notification);
            doorkeeper.know(&world.peers);
        }
        let before = self.world.peers.iter().map(|peer| peer.account.server_id.clone());
        let gone: Vec<String> = before.filter(|server_id| world.peer(server_id).is_none()).collect();
        self.queue.keep(|server_id| world.peer(server_id).is_some());
        self.watcher.look_at(&world.settings.paths);
        let before = std::mem::replace(&mut self.world, Arc::new(world));
        self.warn_of_mixed(Some(&before));
        self.sim.follow(&self.world);
        let due = schedule::of_changes(&before, &self.world, Instant::now(), &mut *self.random);
        for (ticket, at) in due {
            self.queue.ask(ticket, at);
        }
        self.subscriptions.follow(&before, &self.world).await;
        self.resume_registrations();
        self.forget(&gone).await;
        let status = self.status();
        self.supervisor.status(&status);
    }

    /// What the agent serves and does, in a line.
    pub(super) fn status(&self) -> String {
        let plural =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        format!(
            "{}, {}, {} running",
            plural(self.world.peers.len(), "account"),
            plural(self.world.tree.objects().len(), "management object"),
            plural(self.queue.running(), "session"),
        )
    }
}
