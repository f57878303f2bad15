//! The watch of the folders of accounts and management objects, by which these take effect by themselves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::Dependencies;
use crate::base::OneByOne as _;
use crate::base::OrderedSet;
use crate::base::waking;
use crate::config::Paths;
use crate::watches::FileWatches;

/// How long after the first change was seen it is acted upon: files come in several steps.
const DEBOUNCE: Duration = Duration::from_secs(1);

/// The watch of the folders of accounts and management objects.
pub(super) struct FolderWatch {
    watched: WatchedFolders,
    due: Option<Instant>,
}

/// The folders that are watched. They are watched first and read then: what changes in between is told.
#[derive(Clone)]
pub(super) struct WatchedFolders(Option<Arc<FileWatches<()>>>);

impl WatchedFolders {
    /// Watches these folders, and no others. What happened to them before is not told. False where not every change
    /// will be, either.
    pub(super) async fn follow(&self, paths: &Paths) -> bool {
        self.follow_with(paths, OrderedSet::new()).await
    }

    /// Watches these folders, and files that come and go elsewhere.
    pub(super) async fn follow_with(&self, paths: &Paths, files: OrderedSet<PathBuf>) -> bool {
        let Some(watches) = &self.0 else { return false };
        let trees: OrderedSet<PathBuf> = paths.accounts.iter().chain(&paths.mo).cloned().one_by_one();
        watches.follow((), Dependencies { trees, files, ..Dependencies::default() }).await
    }
}

impl FolderWatch {
    /// Makes a watch of nothing yet.
    pub(super) fn new() -> Self {
        let watches = FileWatches::new();
        let watches = watches.inspect_err(|error| log::warn!("the folders of accounts and management objects are not watched ({error}): after a change, `systemctl reload omadmd` is needed"));
        Self { watched: WatchedFolders(watches.ok().map(Arc::new)), due: None }
    }

    /// The folders that are watched, for whoever reads them.
    pub(super) fn watched(&self) -> WatchedFolders {
        self.watched.clone()
    }

    /// Has the folders read again at `at`, as changes may have gone unnoticed.
    pub(super) fn look_again(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Waits for a change, which then is due after a while.
    pub(super) async fn changed(&mut self) {
        match &self.watched.0 {
            // From the first on: a file that is written all the time must not put it off for ever.
            Some(watches) => {
                watches.changed().await;
                self.due.get_or_insert_with(|| waking::now() + DEBOUNCE);
            }
            None => std::future::pending().await,
        }
    }

    /// The time when the changes seen so far should be acted upon.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether changes are to be acted upon now; then they count as done.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an operator's editor writes without the agent's care")]
mod tests {
    use super::*;
    use crate::config::Settings;

    async fn told(watcher: &mut FolderWatch) -> bool {
        let told = async |watcher: &mut FolderWatch, within| {
            tokio::time::timeout(Duration::from_millis(within), watcher.changed()).await.is_ok()
        };
        let is_told = told(watcher, 300).await;
        while told(watcher, 50).await {}
        is_told
    }

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
        let mut watcher = FolderWatch::new();
        assert!(watcher.watched().follow(&paths).await);
        std::fs::read(&file).unwrap();
        std::fs::read_dir(folder.path()).unwrap().count();
        assert!(!told(&mut watcher).await, "reading is no change");
        std::fs::write(&file, "y").unwrap();
        assert!(told(&mut watcher).await);
        let due = watcher.due().unwrap();
        assert!(!watcher.take_due(due - DEBOUNCE) && watcher.take_due(due) && watcher.due().is_none());
    }

    #[tokio::test]
    async fn what_is_in_an_objects_own_folders_is_noticed_too_and_what_comes_later() {
        let folder = tempfile::tempdir().unwrap();
        let (objects, elsewhere) = (folder.path().join("mo.d"), folder.path().join("elsewhere"));
        let paths = Paths { accounts: Vec::new(), mo: vec![objects.clone()], ..Settings::default().paths };
        let mut watcher = FolderWatch::new();
        let watched = watcher.watched();
        watched.follow(&paths).await;
        assert!(!told(&mut watcher).await, "there is nothing");
        for _ in 0..2 {
            std::fs::create_dir(&objects).unwrap();
            assert!(told(&mut watcher).await, "what was not there has come");
            watched.follow(&paths).await;
            std::fs::create_dir_all(objects.join("a/b")).unwrap();
            std::fs::create_dir_all(&elsewhere).unwrap();
            std::os::unix::fs::symlink(&elsewhere, objects.join("linked")).unwrap();
            assert!(told(&mut watcher).await);
            watched.follow(&paths).await;
            for file in ["a/b/description.xml", "a/mapping.toml", "linked/mapping.toml"] {
                std::fs::write(objects.join(file), "x").unwrap();
                assert!(told(&mut watcher).await, "{file}");
            }
            watched.follow(&paths).await;
            assert!(!told(&mut watcher).await, "watching is no change");
            std::fs::remove_dir_all(&objects).unwrap();
            assert!(told(&mut watcher).await, "its end is told");
            watched.follow(&paths).await;
        }
    }
}
