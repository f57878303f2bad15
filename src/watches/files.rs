//! Watches of files that something depends on, by inotify(7): told on the agent's own thread, for what changes them
//! only. What looks at file systems does so on a lane.
//!
//! Only local folders are watched: of others the kernel tells half, and to watch one may hang.
//!
//! Folders are watched, not files: a file is replaced by renaming another one over it, and may not be there yet.
//! Symbolic links on the way count as what they are, names that can come to lead elsewhere. Of the folders further up,
//! only their own end counts: what else happens in them wakes nobody; and that something is mounted over one of them, or
//! no more (`mounts`).

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::net::unix::pipe::Receiver;

use super::mounts::MountWatch;
use crate::backend::{self, Dependencies};
use crate::base::lane::{FILES, PathAccess, PathWalk};
use crate::base::{OrderedMap, OrderedSet};

/// The most files and folders that are watched for one.
const MOST_PLACES: usize = 512;

/// The most levels of a tree's folders that are watched.
const MOST_DEPTH: usize = 3;

/// The most tries to watch folders that come and go faster than they can be watched.
const MOST_TURNS: usize = 3;

/// The events in a folder that can change a value.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_MODIFY)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_DELETE)
    .union(GONE);
/// The events of the folder itself.
const GONE: AddWatchFlags = AddWatchFlags::IN_DELETE_SELF.union(AddWatchFlags::IN_MOVE_SELF);

/// The flag that adds to what is told of a folder that is watched already; nix has no name for it.
const MASK_ADD: AddWatchFlags = AddWatchFlags::from_bits_retain(nix::libc::IN_MASK_ADD);

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

/// A place that is watched: what of which folder that exists.
type WatchedPlace = (PathBuf, What);

/// The test whether a path may be touched.
type May<'m> = &'m dyn Fn(&Path) -> bool;

/// The part of a folder that somebody wants to know of. That the folder itself goes or moves concerns everybody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A change of the folder itself alone.
    Itself,
    /// The entry of this name in it, or that will be.
    Name(OsString),
    /// All entries in it.
    All,
}

impl What {
    /// The events that the kernel is to tell. What somebody else wants of the same folder stays.
    fn mask(&self) -> AddWatchFlags {
        let events = if *self == Self::Itself { GONE } else { CHANGES };
        events | AddWatchFlags::IN_ONLYDIR | MASK_ADD
    }

    fn is_at(&self, name: &OsStr) -> bool {
        match self {
            Self::Itself => false,
            Self::Name(wanted) => wanted == name,
            Self::All => true,
        }
    }
}

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

/// The places to be watched, and whether that is all there is.
fn places_of(dependencies: &Dependencies, may: May<'_>) -> (OrderedSet<WatchedPlace>, bool) {
    let (mut places, mut all) = (OrderedSet::new(), true);
    for file in &dependencies.files {
        all &= on_the_way(file, &mut places, may);
    }
    for folder in &dependencies.folders {
        let there = on_the_way(folder, &mut places, may);
        all &= there;
        if there && folder.is_dir() {
            places.insert((folder.clone(), What::All));
        }
    }
    for folder in &dependencies.trees {
        let there = on_the_way(folder, &mut places, may);
        all &= there && in_the_tree(folder, MOST_DEPTH, &mut places, may);
    }
    (places, all)
}

/// Adds a folder of a tree, if it is one, and those in it. False where one may not be looked at.
fn in_the_tree(folder: &Path, depth: usize, places: &mut OrderedSet<WatchedPlace>, may: May<'_>) -> bool {
    if !folder.is_dir() || places.len() > MOST_PLACES {
        return true;
    }
    places.insert((folder.to_owned(), What::All));
    // One that can't be listed has nothing in it for whoever reads it.
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut all = true;
    for path in entries.map(|entry| entry.path()) {
        all &= may(&path) && (depth == 0 || in_the_tree(&path, depth - 1, places, may));
    }
    all
}

/// Adds the places that decide which file `path` is: each folder and symbolic link on the way, and the file itself, or
/// the first name that is not there. False where it may not be looked at.
fn on_the_way(path: &Path, places: &mut OrderedSet<WatchedPlace>, may: May<'_>) -> bool {
    let mut walk = PathWalk::to(path);
    while let Some(next) = walk.next_place() {
        if !may(&next) {
            return false;
        }
        places.insert(match walk.step() {
            None => (next, What::Itself),
            Some((folder, name)) => (folder, What::Name(name)),
        });
    }
    true
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "other programs write without the agent's care")]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    impl FileWatches<&'static str> {
        fn look(&self, id: &'static str, dependencies: &Dependencies) -> bool {
            self.set(&id, dependencies, &|_| true)
        }
    }

    fn files(files: &[PathBuf]) -> Dependencies {
        Dependencies { files: files.iter().cloned().collect(), ..Dependencies::default() }
    }

    /// The ids that the next event concerns; none where there is no event.
    async fn told(watches: &FileWatches<&'static str>) -> Vec<&'static str> {
        let mut all = OrderedSet::new();
        while let Ok(ids) = tokio::time::timeout(Duration::from_millis(100), watches.changed()).await {
            all.extend(ids);
        }
        all.into_iter().collect()
    }

    #[tokio::test]
    async fn writing_replacing_and_removing_are_told_and_reading_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other] = ["file", "other"].map(|name| folder.path().join(name));
        fs::write(&file, "x").unwrap();
        let watches = FileWatches::<&str>::new().unwrap();
        assert!(watches.look("a", &files(std::slice::from_ref(&file))));
        fs::read(&file).unwrap();
        fs::write(&other, "x").unwrap();
        assert_eq!(told(&watches).await, [""; 0], "nobody asked for that one");
        fs::write(&file, "y").unwrap();
        assert_eq!(told(&watches).await, ["a"]);
        fs::rename(&other, &file).unwrap();
        assert_eq!(told(&watches).await, ["a"]);
        fs::write(&file, "z").unwrap();
        assert_eq!(told(&watches).await, ["a"], "what was renamed over it is watched as well");
        fs::remove_file(&file).unwrap();
        assert_eq!(told(&watches).await, ["a"]);
        watches.keep(|_| false);
        fs::write(&file, "z").unwrap();
        assert_eq!(told(&watches).await, [""; 0]);
    }

    #[tokio::test]
    async fn a_file_in_a_folder_that_is_not_there_yet_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b/file");
        let watches = FileWatches::<&str>::new().unwrap();
        let look = || watches.look("a", &files(std::slice::from_ref(&file)));
        assert!(look());
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        assert_eq!(told(&watches).await, ["a"]);
        assert!(look());
        fs::write(&file, "x").unwrap();
        assert_eq!(told(&watches).await, ["a"]);
        fs::rename(folder.path().join("a/b"), folder.path().join("c")).unwrap();
        assert_eq!(told(&watches).await, ["a"], "a folder that moves away takes the file along");
    }

    #[tokio::test]
    async fn whatever_folder_on_the_way_goes_takes_the_file_along_and_what_else_is_in_it_wakes_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let [top, file] = ["a", "a/b/c/file"].map(|name| folder.path().join(name));
        let watches = FileWatches::<&str>::new().unwrap();
        let look = || watches.look("a", &files(std::slice::from_ref(&file)));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "x").unwrap();
        assert!(look());
        for other in ["a/other", "a/b/other"] {
            fs::write(folder.path().join(other), "x").unwrap();
        }
        let quiet = tokio::time::timeout(Duration::from_millis(100), watches.readiness.readable()).await;
        assert!(quiet.is_err(), "the kernel has something to tell");
        fs::rename(&top, folder.path().join("elsewhere")).unwrap();
        assert_eq!(told(&watches).await, ["a"]);
        assert!(look());
        fs::rename(folder.path().join("elsewhere"), &top).unwrap();
        assert_eq!(told(&watches).await, ["a"], "and brings it back");
        assert!(look());
        fs::remove_dir_all(&top).unwrap();
        assert_eq!(told(&watches).await, ["a"]);
    }

    #[tokio::test]
    async fn a_folder_that_has_what_was_missing_in_it_wakes_nobody_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/file");
        let watches = FileWatches::<&str>::new().unwrap();
        let look = || watches.look("a", &files(std::slice::from_ref(&file)));
        assert!(look());
        fs::create_dir(folder.path().join("a")).unwrap();
        assert_eq!(told(&watches).await, ["a"]);
        assert!(look());
        assert_eq!(told(&watches).await, [""; 0]);
        fs::write(folder.path().join("other"), "x").unwrap();
        let quiet = tokio::time::timeout(Duration::from_millis(100), watches.readiness.readable()).await;
        assert!(quiet.is_err(), "the kernel has something to tell");
        fs::write(&file, "x").unwrap();
        assert_eq!(told(&watches).await, ["a"]);
    }

    #[tokio::test]
    async fn what_comes_while_it_is_looked_for_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let watches = FileWatches::<&str>::new().unwrap();
        // It takes a while to watch them all; the one that comes meanwhile is the last.
        let others: Vec<PathBuf> =
            (0..200).map(|number| folder.path().join(format!("{number:03}"))).collect();
        others.iter().for_each(|other| fs::create_dir(other).unwrap());
        for round in 0..80 {
            let within = folder.path().join(format!("last{round}/within"));
            fs::create_dir(within.parent().unwrap()).unwrap();
            let all: Vec<PathBuf> =
                others.iter().chain([&within]).map(|folder| folder.join("file")).collect();
            let both = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    both.wait();
                    std::thread::sleep(Duration::from_micros(50 * round));
                    fs::create_dir(&within).unwrap();
                });
                both.wait();
                watches.look("a", &files(&all));
            });
            fs::write(within.join("file"), "x").unwrap();
            let told = tokio::time::timeout(Duration::from_secs(10), watches.changed()).await;
            assert!(told.is_ok(), "round {round}");
        }
    }

    #[tokio::test]
    async fn who_wants_less_of_a_folder_takes_nothing_from_who_wants_more() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        let watches = FileWatches::<&str>::new().unwrap();
        for (name, file) in [("near", "near"), ("far", "below/far")] {
            assert!(watches.look(name, &files(&[folder.path().join(file)])));
        }
        fs::write(folder.path().join("near"), "x").unwrap();
        assert_eq!(told(&watches).await, ["near"]);
        fs::rename(folder.path(), folder.path().with_extension("gone")).unwrap();
        assert_eq!(told(&watches).await, ["far", "near"]);
        fs::rename(folder.path().with_extension("gone"), folder.path()).unwrap();
    }

    #[tokio::test]
    async fn a_link_that_leads_elsewhere_is_a_change_and_so_is_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["1", "2"] {
            fs::create_dir(folder.path().join(version)).unwrap();
            fs::write(folder.path().join(version).join("file"), version).unwrap();
        }
        // As atomic updates of whole folders are made.
        symlink("1", folder.path().join("current")).unwrap();
        symlink("current/file", folder.path().join("file")).unwrap();
        let watches = FileWatches::<&str>::new().unwrap();
        let look = || watches.look("a", &files(&[folder.path().join("file")]));
        assert!(look());
        fs::write(folder.path().join("1/file"), "new").unwrap();
        assert_eq!(told(&watches).await, ["a"]);
        symlink("2", folder.path().join("next")).unwrap();
        fs::rename(folder.path().join("next"), folder.path().join("current")).unwrap();
        assert_eq!(told(&watches).await, ["a"]);
        assert!(look());
        fs::write(folder.path().join("1/file"), "old").unwrap();
        assert_eq!(told(&watches).await, [""; 0], "it leads there no more");
    }

    #[tokio::test]
    async fn of_a_folder_every_name_counts_and_two_may_watch_one() {
        let folder = tempfile::tempdir().unwrap();
        let watches = FileWatches::<&str>::new().unwrap();
        let whole = Dependencies { folders: [folder.path().to_owned()].into(), ..Dependencies::default() };
        assert!(watches.look("folder", &whole));
        assert!(watches.look("file", &files(&[folder.path().join("file")])));
        fs::write(folder.path().join("other"), "x").unwrap();
        assert_eq!(told(&watches).await, ["folder"]);
        fs::write(folder.path().join("file"), "x").unwrap();
        assert_eq!(told(&watches).await, ["file", "folder"]);
        watches.keep(|id| *id == "file");
        fs::write(folder.path().join("file"), "y").unwrap();
        assert_eq!(told(&watches).await, ["file"], "one goes on when the other ends");
    }

    #[tokio::test]
    async fn a_mount_concerns_whoever_goes_through_its_place_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join("else")).unwrap();
        symlink("../else", root.join("a/link")).unwrap();
        let watches = FileWatches::<&str>::new().unwrap();
        for (id, file) in
            [("deep", "a/b/file"), ("near", "a/file"), ("linked", "a/link/file"), ("other", "x")]
        {
            assert!(watches.look(id, &files(&[root.join(file)])));
        }
        let below = |place: &str| {
            let concerned = watches.below(&[root.join(place)].into());
            concerned.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(below("a"), ["deep", "linked", "near"]);
        assert_eq!(below("a/b"), ["deep"]);
        assert_eq!(below("a/file"), ["near"], "a file may be mounted over");
        assert_eq!(below("else"), ["linked"]);
        assert_eq!(below("elsewhere"), [""; 0]);
        assert_eq!(watches.below(&["/".into()].into()).len(), 4);
    }

    #[tokio::test]
    async fn the_kernels_own_files_are_not_told_of() {
        let watches = FileWatches::<&str>::new().unwrap();
        for file in ["/proc/uptime", "/sys/class/net/eth77/mtu"] {
            assert!(!watches.look("a", &files(&[file.into()])), "{file}");
        }
    }
}
