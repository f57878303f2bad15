//! Watches of files that something depends on, by inotify(7): told on the agent's own thread, for what changes them
//! only. What looks at file systems does so on a lane.
//!
//! Only local folders are watched: of others the kernel tells half, and to watch one may hang.
//!
//! Folders are watched, not files: a file is replaced by renaming another one over it, and may not be there yet.
//! Symbolic links on the way count as what they are, names that can come to lead elsewhere. Of the folders further up,
//! only their own end counts: what else happens in them wakes nobody; and that something is mounted over one of them,
//! or no more (`mounts`).

mod places;

use std::io::{self, ErrorKind};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use places::{GONE, MOST_PLACES, May, WatchedPlace, What, places_of};
use tokio::net::unix::pipe::Receiver;

use super::mounts::MountWatch;
use crate::backend::{self, Dependencies};
use crate::base::lane::{FILES, PathAccess};
use crate::base::{OrderedMap, OrderedSet};

/// The most tries to watch folders that come and go faster than they can be watched.
const MOST_TURNS: usize = 3;

/// The watches of all folders, each for whoever depends on what is in it.
#[derive(Debug)]
pub(crate) struct FileWatches<K> {
    inotify: Inotify,
    /// The descriptor of inotify once more, to wait on. tokio has no inotify of its own; its pipe does to it just what
    /// is needed here, poll(2).
    readiness: Receiver,
    /// The watch of what is mounted where; none where the kernel does not say.
    mounts: Option<MountWatch>,
    folders: Mutex<Folders<K>>,
}

#[derive(Debug)]
struct Folders<K> {
    all: OrderedMap<WatchDescriptor, Folder<K>>,
    /// The number of threads waiting for the kernel to watch a folder, which may take for ever. What nobody wants any
    /// more is given up when there are none: it may be just what the kernel is about to answer.
    adding: usize,
}

/// A folder that is watched: the ways to it, and who wants to know of it.
#[derive(Debug)]
struct Folder<K> {
    paths: OrderedSet<PathBuf>,
    interests: Interests<K>,
}

/// The interests in a folder: who wants to know what happens to what of it.
type Interests<K> = OrderedSet<(K, What)>;

impl<K: Ord + Clone> FileWatches<K> {
    /// Makes watches of nothing yet.
    ///
    /// # Errors
    /// The kernel gives no inotify instance.
    pub(crate) fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let readiness = Receiver::from_owned_fd_unchecked(inotify.as_fd().try_clone_to_owned()?)?;
        let mounts =
            MountWatch::new().inspect_err(|error| log::debug!("mounts are not watched: {error}")).ok();
        Ok(Self {
            inotify,
            readiness,
            mounts,
            folders: Mutex::new(Folders { all: OrderedMap::new(), adding: 0 }),
        })
    }

    /// Makes watches of nothing yet; none, and a warning, where the kernel gives no inotify instance. `what` says in
    /// the journal which files it is: those that "servers subscribe to".
    pub(crate) fn if_possible(what: &str) -> Option<Arc<Self>> {
        let watches = Self::new().inspect_err(|error| {
            log::warn!("files that {what} can't be watched ({error}): they are polled");
        });
        watches.ok().map(Arc::new)
    }

    /// Waits as [`Self::changed`] does; for ever where there are no watches.
    pub(crate) async fn changed_of(watches: Option<&Self>) -> OrderedSet<K> {
        match watches {
            Some(watches) => watches.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Watches what `id` depends on, and nothing else for it. False where the kernel would not tell of every change, or
    /// a file system does not answer. What happened to it before and was not told yet may stay untold: look at it after
    /// this.
    pub(crate) async fn follow(self: &Arc<Self>, id: K, dependencies: Dependencies) -> bool
    where
        K: Send + Sync + 'static,
    {
        let watches = Arc::clone(self);
        let set = move |access: &PathAccess<'_>| {
            watches.set(&id, &dependencies, &|path| access.enter(path).is_ok())
        };
        FILES.at("/".into(), set).await.unwrap_or(false)
    }

    /// Watches for `id` what is in `dependencies`. `may` says whether a path may be touched: who hangs there before has
    /// others kept away.
    fn set(&self, id: &K, dependencies: &Dependencies, may: May<'_>) -> bool {
        if let Some(mounts) = &self.mounts {
            mounts.begin();
        }
        let mut places = places_of(dependencies, may);
        for _ in 0..MOST_TURNS {
            let all = self.watch(id, &places);
            // What has come to be before its folder was watched, nobody tells.
            let now = places_of(dependencies, may);
            if now == places {
                return all;
            }
            places = now;
        }
        false
    }

    fn watch(&self, id: &K, (places, all): &(OrderedSet<WatchedPlace>, bool)) -> bool {
        let mut all = *all && places.len() <= MOST_PLACES;
        let first = places.iter().take(MOST_PLACES);
        let told: Vec<&WatchedPlace> =
            first.filter(|(folder, _)| backend::has_change_events(folder)).collect();
        all &= told.len() == places.len();
        {
            let mut folders = self.folders();
            // Anew, for a watch only ever grows: a folder whose missing name has come would wake for all that is in it.
            folders.forget(&self.inotify, |known| known == id);
            folders.adding += 1;
        }
        for (folder, what) in told {
            match self.inotify.add_watch(folder, what.mask()) {
                Ok(watch) => {
                    let mut folders = self.folders();
                    let new = Folder { paths: OrderedSet::new(), interests: OrderedSet::new() };
                    let known = folders.all.entry(watch).or_insert(new);
                    if !known.paths.contains(folder) {
                        known.paths.insert(folder.clone());
                    }
                    known.interests.insert((id.clone(), what.clone()));
                }
                // Nothing in it can be read by whoever may not enter it; the folder above tells when he may.
                Err(Errno::EACCES) if folder.join(".").symlink_metadata().is_err() => {}
                Err(error) => {
                    log::debug!("{} is not watched: {error}", folder.display());
                    all = false;
                }
            }
        }
        let mut folders = self.folders();
        folders.adding -= 1;
        folders.forget(&self.inotify, |_| false);
        all
    }

    /// Keeps the watches of these, and of no others.
    pub(crate) fn keep(&self, known: impl Fn(&K) -> bool) {
        self.folders().forget(&self.inotify, |id| !known(id));
    }

    /// Waits until something happens to what is watched, and returns whom it concerns.
    pub(crate) async fn changed(&self) -> OrderedSet<K> {
        loop {
            let concerned = tokio::select! {
                events = self.events() => self.concerned(&events),
                Some(places) = async { Some(self.mounts.as_ref()?.changed().await) } => self.below(&places),
            };
            if !concerned.is_empty() {
                return concerned;
            }
        }
    }

    /// Waits for events of inotify.
    async fn events(&self) -> Vec<InotifyEvent> {
        loop {
            let read = || self.inotify.read_events().map_err(io::Error::from);
            let events = match self.readiness.readable().await {
                Ok(()) => self.readiness.try_io(read),
                Err(error) => Err(error),
            };
            match events {
                Ok(events) => return events,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => {
                    log::error!(
                        "inotify failed, and changes of files are not noticed until the agent is restarted: {error}"
                    );
                    return std::future::pending().await;
                }
            }
        }
    }

    fn concerned(&self, events: &[InotifyEvent]) -> OrderedSet<K> {
        let mut folders = self.folders();
        let mut concerned = OrderedSet::new();
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                concerned.extend(
                    folders.all.values().flat_map(|known| &known.interests).map(|(id, _)| id.clone()),
                );
                continue;
            }
            let Some(Folder { interests, .. }) = folders.all.get(&event.wd) else { continue };
            let gone = event.mask.intersects(GONE | AddWatchFlags::IN_IGNORED | AddWatchFlags::IN_UNMOUNT);
            let hit = |what: &What| gone || event.name.as_deref().is_some_and(|name| what.is_at(name));
            concerned.extend(interests.iter().filter(|(_, what)| hit(what)).map(|(id, _)| id.clone()));
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                folders.all.remove(&event.wd);
            }
        }
        concerned
    }

    /// Whom it concerns that something was mounted or unmounted at these places.
    fn below(&self, places: &OrderedSet<PathBuf>) -> OrderedSet<K> {
        let folders = self.folders();
        let mut concerned = OrderedSet::new();
        for Folder { paths, interests } in folders.all.values() {
            for (path, place) in paths.iter().flat_map(|path| places.iter().map(move |place| (path, place))) {
                let is_below = path.starts_with(place);
                let name = place.file_name().filter(|_| place.parent() == Some(path.as_path()));
                let hit = |what: &What| is_below || name.is_some_and(|name| what.is_at(name));
                concerned.extend(interests.iter().filter(|(_, what)| hit(what)).map(|(id, _)| id.clone()));
            }
        }
        concerned
    }

    fn folders(&self) -> MutexGuard<'_, Folders<K>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord> Folders<K> {
    /// Forgets the interests of these, and gives up what then nobody wants.
    fn forget(&mut self, inotify: &Inotify, unwanted: impl Fn(&K) -> bool) {
        self.all.retain(|watch, Folder { interests, .. }| {
            interests.retain(|(id, _)| !unwanted(id));
            let is_kept = !interests.is_empty() || self.adding > 0;
            if !is_kept {
                // Fails where the folder is gone, and the watch with it.
                let _ = inotify.rm_watch(*watch);
            }
            is_kept
        });
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "other programs write without the agent's care")]
mod tests;
