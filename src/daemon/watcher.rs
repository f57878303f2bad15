//! Accounts and management objects take effect by themselves: their folders are watched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::config::Paths;
use crate::lane::FILES;
use crate::waking;

/// A change is acted upon this long after the first was seen: files come in several steps.
const DEBOUNCE: Duration = Duration::from_secs(1);

/// Watches the folders of accounts and management objects.
pub(super) struct Watcher {
    /// Changed on a lane: a folder that does not answer keeps nobody else waiting.
    watched: Arc<Mutex<Watched>>,
    sender: mpsc::Sender<()>,
    events: mpsc::Receiver<()>,
    due: Option<Instant>,
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
        Self { watched, sender, events, due: None }
    }

    /// Watches these folders, and no others. Whether there are some that were not watched before: what happened to these
    /// was not told.
    pub(super) fn look_at(&self, paths: &Paths) -> impl Future<Output = bool> + Send + 'static {
        let folders: BTreeSet<PathBuf> = paths.accounts.iter().chain(&paths.mo).cloned().collect();
        let watched = Arc::clone(&self.watched);
        let look = move || match watched.try_lock() {
            Ok(mut watched) => watched.look_at(&folders),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().look_at(&folders),
            // Whoever looked last hangs there still.
            Err(TryLockError::WouldBlock) => false,
        };
        async move {
            let new = FILES.run(look).await;
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
    fn look_at(&mut self, folders: &BTreeSet<PathBuf>) -> bool {
        let found = |folder: &PathBuf| {
            let metadata = folder.metadata().ok().filter(Metadata::is_dir)?;
            Some((folder.clone(), (metadata.dev(), metadata.ino())))
        };
        let found: BTreeMap<_, _> = folders.iter().filter_map(found).collect();
        let gone = std::mem::take(&mut self.roots().gone);
        let Some(watcher) = &mut self.watcher else { return false };
        self.folders.retain(|folder, identity| {
            let same = found.get(folder) == Some(identity) && !gone.contains(folder);
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
