//! Going on in a new [`World`]: files were read again, or accounts have changed.

use std::sync::{Arc, PoisonError};

use tokio::task::JoinSet;

use super::loading::{LOOK_AGAIN, LoadError, Scope};
use super::reading::Read;
use super::{Daemon, difference, schedule};
use crate::base::journal::id;
use crate::base::waking;
use crate::world::World;

/// The files that are being read again: once at a time, and once more for all that was asked meanwhile.
#[derive(Default)]
pub(super) struct Loading {
    running: JoinSet<(Scope, Result<Read, LoadError>)>,
    again: Option<Scope>,
}

impl Loading {
    /// Waits for what is being read, if anything is.
    pub(super) async fn done(&mut self) -> Option<(Scope, Result<Read, LoadError>)> {
        self.running.join_next().await?.ok()
    }

    /// Whether what was asked for waits for what is being read.
    fn put_off(&mut self, scope: Scope) -> bool {
        if !self.running.is_empty() {
            self.again = self.again.max(Some(scope));
        }
        !self.running.is_empty()
    }
}

impl Daemon {
    /// Reads everything again, on the operator's word.
    pub(super) fn reload(&mut self) {
        self.supervisor.reloading();
        self.load(Scope::Everything);
    }

    /// Reads files again, while everything else goes on.
    pub(super) fn load(&mut self, scope: Scope) {
        if !self.loading.put_off(scope) {
            let read = self.loader.read(scope, &self.world, self.watcher.watched());
            let task =
                self.hearts.watch("the reading of files".to_owned(), async move { (scope, read.await) });
            self.loading.running.spawn(task);
        }
    }

    /// Files were read again.
    pub(super) async fn loaded(&mut self, (scope, read): (Scope, Result<Read, LoadError>)) {
        match read {
            Ok(read) => {
                if !read.is_whole() {
                    self.watcher.look_again(waking::now() + LOOK_AGAIN);
                }
                let world = self.loader.renew(read, &self.world).await;
                if scope == Scope::Everything {
                    self.bootstrapping.afresh();
                }
                self.adopt(world).await;
            }
            Err(error) => log::error!(
                MESSAGE_ID = id::CONFIGURATION_BROKEN; "reload failed, going on as before: {error}"
            ),
        }
        self.rest.begins(&self.store);
        let again = self.loading.again.take();
        if scope == Scope::Everything && again != Some(Scope::Everything) {
            let status = self.status();
            self.supervisor.ready(&status);
        }
        if let Some(again) = again {
            self.load(again);
        }
    }

    /// A server changed its account, or a bootstrap brought some.
    pub(super) async fn accounts_changed(&mut self) {
        let world = self.loader.accounts_changed(&self.world).await;
        let news = world.peers.len() != self.world.peers.len()
            || world.peers.iter().zip(&self.world.peers).any(|(new, old)| !Arc::ptr_eq(new, old));
        let before = self.go_on_in(world).await;
        if news {
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
        {
            let mut doorkeeper = self.doorkeeper.lock().unwrap_or_else(PoisonError::into_inner);
            doorkeeper.set_policy(&world.settings.notification);
            doorkeeper.know(&world.peers);
        }
        let before = self.world.peers.iter().map(|peer| peer.account.server_id.clone());
        let gone: Vec<String> = before.filter(|server_id| world.peer(server_id).is_none()).collect();
        self.queue.keep(|server_id| world.peer(server_id).is_some());
        let came = world.peers.iter().map(|peer| peer.account.server_id.clone());
        let back: Vec<String> = came.filter(|server_id| self.world.peer(server_id).is_none()).collect();
        let before = std::mem::replace(&mut self.world, Arc::new(world));
        self.warn_of_mixed(Some(&before));
        self.sim.follow(&self.world);
        let due = schedule::of_changes(&before, &self.world, waking::now(), &mut *self.random);
        for (ticket, at) in due {
            self.queue.ask(ticket, at);
        }
        let certain = self.doubt().is_none();
        self.subscriptions.follow(&before, &self.world, certain).await;
        self.resume_registrations();
        self.forget(&gone).await;
        self.take_up_for(&back).await;
        self.remember_folders().await;
        let status = self.status();
        self.supervisor.status(&status);
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
            plural(self.queue.running(), "session"),
        )
    }
}
