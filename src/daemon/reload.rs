//! Going on in a new [`World`]: files were read again, or accounts have changed.

use std::sync::Arc;

use super::loading::{LOOK_AGAIN, Scope};
use super::watching::Reading;
use super::{Daemon, difference, schedule};
use crate::base::journal::id;
use crate::base::waking;
use crate::world::World;

impl Daemon {
    /// Reads everything again, on the operator's word.
    pub(super) fn reload(&mut self) {
        self.shared.systemd.reloading();
        self.watching.load(Scope::Everything, &self.world, &mut self.shared.hearts);
    }

    /// Files were read again.
    pub(super) async fn loaded(&mut self, (scope, read): Reading) {
        match read {
            Ok(read) => {
                if !read.is_whole() {
                    self.watching.look_again(waking::now() + LOOK_AGAIN);
                }
                let world = self.watching.loader.renew(read, &self.world).await;
                if scope == Scope::Everything {
                    self.bootstrapping.afresh();
                }
                self.adopt(world).await;
            }
            Err(error) => log::error!(
                MESSAGE_ID = id::CONFIGURATION_BROKEN; "reload failed, going on as before: {error}"
            ),
        }
        self.shared.rest.begins(&self.world.store);
        let again = self.watching.asked_meanwhile();
        if scope == Scope::Everything && again != Some(Scope::Everything) {
            let status = self.status();
            self.shared.systemd.ready(&status);
        }
        if let Some(again) = again {
            self.watching.load(again, &self.world, &mut self.shared.hearts);
        }
    }

    /// A server changed its account, or a bootstrap brought some.
    pub(super) async fn accounts_changed(&mut self) {
        let world = self.watching.loader.accounts_changed(&self.world).await;
        let differs = world.peers.len() != self.world.peers.len()
            || world.peers.iter().zip(&self.world.peers).any(|(new, old)| !Arc::ptr_eq(new, old));
        let before = self.go_on_in(world).await;
        if differs {
            log::info!("accounts changed: {}; {}", self.status(), difference::accounts(&before, &self.world));
        }
    }

    /// Goes on with what files say now.
    async fn adopt(&mut self, world: World) {
        let before = self.go_on_in(world).await;
        self.bootstrapping.look(waking::now());
        log::info!(
            "configuration read again: {}; {}; {}",
            self.status(),
            difference::accounts(&before, &self.world),
            difference::objects(&before, &self.world),
        );
    }

    /// Goes on in a new world; sessions in flight finish in the old one, which it returns.
    async fn go_on_in(&mut self, world: World) -> Arc<World> {
        self.notifications.follow(&world);
        let before = self.world.peers.iter().map(|peer| peer.account.server_id.clone());
        let gone: Vec<String> = before.filter(|server_id| world.peer(server_id).is_none()).collect();
        self.sessions.queue.keep(|server_id| world.peer(server_id).is_some());
        let came = world.peers.iter().map(|peer| peer.account.server_id.clone());
        let back: Vec<String> = came.filter(|server_id| self.world.peer(server_id).is_none()).collect();
        let before = std::mem::replace(&mut self.world, Arc::new(world));
        self.bootstrapping.follow(&before, &self.world);
        let due = schedule::of_changes(&before, &self.world, waking::now(), &mut *self.shared.random);
        for (request, at) in due {
            self.sessions.queue.ask(request, at);
        }
        let certain = self.doubt().is_none();
        self.subscriptions.follow(&before, &self.world, certain).await;
        self.registrations.follow(&self.world);
        self.forget(&gone).await;
        self.take_up_for(&back).await;
        self.watching.remember(&self.world, &self.clock).await;
        let status = self.status();
        self.shared.systemd.status(&status);
        before
    }

    /// What the agent serves and does, in a line.
    pub(super) fn status(&self) -> String {
        let plural =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        format!(
            "{}, {}, {} running",
            plural(self.world.peers.len(), "account"),
            plural(self.world.tree.objects().len(), "management object"),
            plural(self.sessions.queue.running(), "session"),
        )
    }
}
