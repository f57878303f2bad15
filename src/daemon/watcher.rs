//! Accounts and management objects take effect by themselves: their folders are watched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::config::Paths;
use crate::lane::{FILES, Spot};
use crate::waking;

/// A change is acted upon this long after the first was seen: files come in several steps.
const DEBOUNCE: Duration = Duration::from_secs(1);

/// Watches the folders of accounts and management objects.
pub(super) struct Watcher {
    /// Changed on a lane: a folder that does not answer keeps nobody else waiting.
    watched: Arc<Mutex<Watched>>,
    wanted: Arc<Mutex<Wanted>>,
    sender: mpsc::Sender<()>,
    events: mpsc::Receiver<()>,
    due: Option<Instant>,
}

/// What is to be watched. Who is at it takes up what is asked for meanwhile.
#[derive(Default)]
struct Wanted {
    next: Option<BTreeSet<PathBuf>>,
    busy: bool,
}

struct Watched {
    /// Reads inotify on a thread of its own.
    watcher: Option<RecommendedWatcher>,
    /// Each as the file system knows it: one that was made anew is another one.
    folders: BTreeMap<PathBuf, (u64, u64)>,
    roots: Arc<Mutex<Roots>>,
}

/// The watched folders themselves. What is made anew in the place of one may have the same number.
#[derive(Default)]
struct Roots {
    all: BTreeSet<PathBuf>,
    /// Those that are not where they were.
    gone: BTreeSet<PathBuf>,
}

impl Wanted {
    fn of(wanted: &Mutex<Self>) -> MutexGuard<'_, Self> {
        wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be watched now; none where all is done, and whoever asks next is at it.
    fn next(wanted: &Mutex<Self>) -> Option<BTreeSet<PathBuf>> {
        let mut wanted = Self::of(wanted);
        let next = wanted.next.take();
        wanted.busy = next.is_some();
        next
    }
}

impl Roots {
    fn hear(&mut self, event: &Event) {
        if matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))) {
            self.gone.extend(event.paths.iter().filter(|path| self.all.contains(*path)).cloned());
        }
    }
}

impl Watcher {
    /// Watches nothing yet.
    pub(super) fn new() -> Self {
        // One place is enough: what matters is that something changed.
        let (sender, events) = mpsc::channel(1);
        let roots = Arc::new(Mutex::new(Roots::default()));
        let (told, known) = (sender.clone(), Arc::clone(&roots));
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = &event {
                known.lock().unwrap_or_else(PoisonError::into_inner).hear(event);
            }
            if event.map_or(true, |event| changes(event.kind)) {
                let _ = told.try_send(());
            }
        });
        let watcher = watcher.inspect_err(|error| log::warn!("folders are not watched: {error}")).ok();
        let watched = Arc::new(Mutex::new(Watched { watcher, folders: BTreeMap::new(), roots }));
        Self { watched, wanted: Arc::default(), sender, events, due: None }
    }

    /// Watches these folders, and no others. Whether there are some that were not watched before: what happened to these
    /// was not told.
    pub(super) fn look_at(&self, paths: &Paths) -> impl Future<Output = bool> + Send + 'static {
        let folders: BTreeSet<PathBuf> = paths.accounts.iter().chain(&paths.mo).cloned().collect();
        let (watched, wanted) = (Arc::clone(&self.watched), Arc::clone(&self.wanted));
        let sender = self.sender.clone();
        let asked = Arc::clone(&wanted);
        let look = move |spot: &Spot<'_>| {
            // Whoever looked last may hang there still: it does this as well when it comes back.
            if std::mem::replace(&mut Wanted::of(&wanted).busy, true) {
                return false;
            }
            let mut first = None;
            while let Some(folders) = Wanted::next(&wanted) {
                let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
                let new = watched.look_at(&folders, &|folder| spot.enter(folder).is_ok());
                if first.is_some() && new {
                    let _ = sender.try_send(());
                }
                first.get_or_insert(new);
            }
            first.unwrap_or(false)
        };
        async move {
            Wanted::of(&asked).next = Some(folders);
            let new = FILES.at("/".into(), look).await;
            new.unwrap_or_else(|stuck| {
                log::warn!("the folders of accounts and management objects are not watched: {stuck}");
                false
            })
        }
    }

    /// The same, at some time; what was not told is looked for.
    pub(super) fn follow(&self, paths: &Paths) {
        let (look, sender) = (self.look_at(paths), self.sender.clone());
        tokio::spawn(async move {
            if look.await {
                let _ = sender.try_send(());
            }
        });
    }

    /// Changes may have gone unnoticed.
    pub(super) fn look_again(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Waits for a change, which then is due after a while.
    pub(super) async fn changed(&mut self) {
        match self.events.recv().await {
            // From the first on: a file that is written all the time must not put it off for ever.
            Some(()) => {
                self.due.get_or_insert_with(|| waking::now() + DEBOUNCE);
            }
            None => std::future::pending().await,
        }
    }

    /// When the changes seen so far should be acted upon.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether that is now.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }
}

impl Watched {
    /// `may` says whether a folder may be touched: one in which others hang is left as it is.
    fn look_at(&mut self, folders: &BTreeSet<PathBuf>, may: &dyn Fn(&Path) -> bool) -> bool {
        let mut silent = BTreeSet::new();
        let mut found = |folder: &PathBuf| {
            if !may(folder) {
                silent.insert(folder.clone());
                return None;
            }
            let metadata = folder.metadata().ok().filter(Metadata::is_dir)?;
            Some((folder.clone(), (metadata.dev(), metadata.ino())))
        };
        let found: BTreeMap<_, _> = folders.iter().filter_map(&mut found).collect();
        let gone = std::mem::take(&mut self.roots().gone);
        let Some(watcher) = &mut self.watcher else { return false };
        self.folders.retain(|folder, identity| {
            let same =
                silent.contains(folder) || found.get(folder) == Some(identity) && !gone.contains(folder);
            if !same {
                // Fails where the folder is gone: then nothing is left to be watched.
                let _ = watcher.unwatch(folder);
            }
            same
        });
        let mut new = false;
        for (folder, identity) in found {
            if self.folders.contains_key(&folder) {
                continue;
            }
            self.roots().all.insert(folder.clone());
            let Some(watcher) = &mut self.watcher else { return new };
            match watcher.watch(&folder, RecursiveMode::Recursive) {
                Ok(()) => {
                    new = true;
                    self.folders.insert(folder, identity);
                }
                Err(error) => log::warn!("{} is not watched: {error}", folder.display()),
            }
        }
        new
    }

    fn roots(&self) -> MutexGuard<'_, Roots> {
        self.roots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reading a file changes nothing, and the agent itself does it.
fn changes(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an operator's editor writes without the agent's care")]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[tokio::test]
    async fn a_written_file_is_noticed_and_a_read_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        std::fs::write(&file, "x").unwrap();
        let gone = folder.path().join("gone");
        let paths = Paths {
            accounts: vec![folder.path().to_path_buf()],
            mo: vec![gone],
            ..Settings::default().paths
        };
        let mut watcher = Watcher::new();
        assert!(watcher.look_at(&paths).await);
        assert!(!watcher.look_at(&paths).await, "it is watched already");
        std::fs::read(&file).unwrap();
        let quiet = tokio::time::timeout(Duration::from_millis(200), watcher.changed()).await;
        assert!(quiet.is_err(), "reading is no change");
        std::fs::write(&file, "y").unwrap();
        tokio::time::timeout(Duration::from_secs(10), watcher.changed()).await.unwrap();
        let due = watcher.due().unwrap();
        assert!(!watcher.take_due(due - DEBOUNCE) && watcher.take_due(due) && watcher.due().is_none());
    }

    #[tokio::test]
    async fn what_is_asked_for_while_another_look_hangs_is_watched_when_it_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = folder.path().to_path_buf();
        let mut watcher = Watcher::new();
        let nothing = Paths { accounts: Vec::new(), mo: Vec::new(), ..Settings::default().paths };
        let paths = Paths { accounts: vec![accounts], ..nothing.clone() };
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (hung, taken) = (Arc::clone(&watcher.watched), Arc::new(std::sync::Barrier::new(2)));
        let takes = Arc::clone(&taken);
        let hangs = std::thread::spawn(move || {
            let _held = hung.lock().unwrap();
            takes.wait();
            let _ = released.recv();
        });
        taken.wait();
        let first = tokio::spawn(watcher.look_at(&nothing));
        while !Wanted::of(&watcher.wanted).busy {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        watcher.follow(&paths);
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(release);
        hangs.join().unwrap();
        first.await.unwrap();
        let told = tokio::time::timeout(Duration::from_secs(10), watcher.changed()).await;
        assert!(told.is_ok(), "what was in it before it was watched is looked at");
    }

    #[tokio::test]
    async fn what_was_not_watched_before_is_looked_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = folder.path().join("accounts");
        let paths = Paths { accounts: vec![accounts.clone()], mo: Vec::new(), ..Settings::default().paths };
        let mut watcher = Watcher::new();
        let told = async |watcher: &mut Watcher| {
            tokio::time::timeout(Duration::from_millis(300), watcher.changed()).await.is_ok()
        };
        watcher.follow(&paths);
        assert!(!told(&mut watcher).await, "there is nothing");
        for _ in 0..2 {
            std::fs::create_dir(&accounts).unwrap();
            watcher.follow(&paths);
            assert!(told(&mut watcher).await, "what came before it was watched is looked at");
            watcher.follow(&paths);
            assert!(!told(&mut watcher).await);
            std::fs::remove_dir(&accounts).unwrap();
            assert!(told(&mut watcher).await, "its end is told");
            while told(&mut watcher).await {}
        }
    }
}
