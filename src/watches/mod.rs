//! Watches of what values come from: files, by inotify, D-Bus services, by their signals, and what the kernel tells by
//! netlink. Alarms and subscriptions wait by them, and need not ask.

mod files;
mod kernel;
mod mounts;

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backend::{Bus, BusWatches, Dependencies};
use crate::base::{OrderedMap, OrderedSet};
pub(crate) use files::FileWatches;
use kernel::KernelWatches;

/// The number of tries after which a list is given up that comes and goes faster than it can be watched.
const MOST_TURNS: usize = 3;

/// A search under way for what is to be watched: what was found, and what it depends on.
pub(crate) type Finding<'f, T, E> = Pin<Box<dyn Future<Output = Result<(T, Dependencies), E>> + Send + 'f>>;

/// The watches of all that values come from, each for whoever depends on it.
#[derive(Debug)]
pub(crate) struct SourceWatches<K> {
    /// The watches of files; none where the kernel gives no inotify instance.
    files: Option<Arc<FileWatches<K>>>,
    bus: BusWatches<K>,
    kernel: KernelWatches<K>,
    /// What each depended on when it was looked at last: mostly it still does, and one look is enough.
    last: Mutex<OrderedMap<K, Dependencies>>,
}

impl<K: Ord + Clone + Send + Sync + 'static> SourceWatches<K> {
    /// Makes watches of nothing yet; a warning where files can't be watched. `what` says in the journal which files it
    /// is: those that "servers subscribe to".
    pub(crate) fn new(what: &str) -> Self {
        Self {
            files: FileWatches::if_possible(what),
            bus: BusWatches::default(),
            kernel: KernelWatches::default(),
            last: Mutex::default(),
        }
    }

    /// Watches for `id` what `find` says that its finding depends on, and nothing else. Returns what was found, and
    /// whether all of its changes will be told.
    ///
    /// Watched first, found then: what has come into a list before that was watched, nobody tells.
    ///
    /// # Errors
    /// Nothing could be found.
    pub(crate) async fn follow<'f, T, E>(
        &self,
        id: &K,
        bus: &Arc<Bus>,
        find: impl Fn() -> Finding<'f, T, E>,
    ) -> Result<(T, bool), E> {
        let mut watched = self.lock().get(id).cloned();
        let mut is_told = match watched.clone() {
            Some(known) => self.watch(id, bus, known).await,
            None => false,
        };
        for _ in 0..MOST_TURNS {
            let (found, now) = find().await?;
            if watched.as_ref() == Some(&now) {
                return Ok((found, is_told));
            }
            is_told = self.watch(id, bus, now.clone()).await;
            self.lock().insert(id.clone(), now.clone());
            if !now.lists {
                return Ok((found, is_told));
            }
            watched = Some(now);
        }
        Ok((find().await?.0, false))
    }

    fn lock(&self) -> MutexGuard<'_, OrderedMap<K, Dependencies>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the watches for those that are `known`, and for no others.
    pub(crate) fn keep(&self, known: impl Fn(&K) -> bool) {
        if let Some(files) = &self.files {
            files.keep(&known);
        }
        self.lock().retain(|id, _| known(id));
        self.bus.keep(&known);
        self.kernel.keep(known);
    }

    /// Waits until something happens to what `watches` watch, and returns whom it concerns. For ever where there are
    /// none. Whoever stops waiting loses nothing.
    pub(crate) async fn changed(watches: Option<&Self>) -> OrderedSet<K> {
        let Some(watches) = watches else { return std::future::pending().await };
        tokio::select! {
            ids = FileWatches::changed_of(watches.files.as_deref()) => ids,
            ids = watches.bus.changed() => ids,
            ids = watches.kernel.changed() => ids,
        }
    }

    /// Watches dependencies for `id`; returns whether all of their changes will be told.
    async fn watch(&self, id: &K, bus: &Arc<Bus>, mut dependencies: Dependencies) -> bool {
        let (signals, others) = (std::mem::take(&mut dependencies.signals), dependencies.others);
        let kernel = self.kernel.follow(id, &dependencies.kernel);
        let are_told = self.bus.follow(id, bus, signals).await;
        if !are_told {
            // A bus that is not there says nothing when it comes; its socket does.
            dependencies.files.extend(bus.socket());
        }
        let files = match &self.files {
            Some(files) => files.follow(id.clone(), dependencies).await,
            None => false,
        };
        are_told & files & kernel & !others
    }
}
