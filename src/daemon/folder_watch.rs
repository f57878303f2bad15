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

/// How long it must have been quiet before a change is acted upon: files come in several steps.
const REST: Duration = Duration::from_secs(1);
/// How long after the first change it is acted upon at the latest: a file that is written all the time must not put it
/// off for ever.
const LATEST: Duration = Duration::from_secs(10);

/// The watch of the folders of accounts and management objects.
pub(super) struct FolderWatch {
    watched: WatchedFolders,
    /// The first change that was not acted upon yet, and when it is to be.
    changes: Option<(Instant, Instant)>,
    /// The time when the folders are to be read again in any case.
    again: Option<Instant>,
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
        let watches = watches.inspect_err(|error| log::warn!("the folders of accounts and management objects are not watched ({error}): after a change, the agent is to be reloaded"));
        Self { watched: WatchedFolders(watches.ok().map(Arc::new)), changes: None, again: None }
    }

    /// The folders that are watched, for whoever reads them.
    pub(super) fn watched(&self) -> WatchedFolders {
        self.watched.clone()
    }

    /// Has the folders read again at `at`, as changes may have gone unnoticed.
    pub(super) fn look_again(&mut self, at: Instant) {
        self.again = Some(self.again.map_or(at, |due| due.min(at)));
    }

    /// Waits for a change, which then is due after a while.
    pub(super) async fn changed(&mut self) {
        match &self.watched.0 {
            Some(watches) => {
                watches.changed().await;
                let now = waking::now();
                let first = self.changes.map_or(now, |(first, _)| first);
                self.changes = Some((first, (now + REST).min(first + LATEST)));
            }
            None => std::future::pending().await,
        }
    }

    /// The time when the changes seen so far should be acted upon.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.changes.map(|(_, due)| due), self.again].into_iter().flatten().min()
    }

    /// Whether changes are to be acted upon now; then they count as done.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let is_due = self.due().is_some_and(|due| due <= now);
        if is_due {
            (self.changes, self.again) = (None, None);
        }
        is_due
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
        assert!(!watcher.take_due(due - REST) && watcher.take_due(due) && watcher.due().is_none());
    }

    #[tokio::test]
    async fn what_comes_in_steps_is_waited_for_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let mo = vec![folder.path().to_path_buf()];
        let paths = Paths { accounts: Vec::new(), mo, ..Settings::default().paths };
        let mut watcher = FolderWatch::new();
        watcher.watched().follow(&paths).await;
        let mut dues = Vec::new();
        for content in ["x", "y"] {
            std::fs::write(folder.path().join("file"), content).unwrap();
            assert!(told(&mut watcher).await);
            dues.push(watcher.due().unwrap());
        }
        assert!(dues[1] > dues[0], "each step puts it off");
        let (first, _) = watcher.changes.unwrap();
        watcher.changes = Some((first - LATEST, dues[1]));
        std::fs::write(folder.path().join("file"), "z").unwrap();
        assert!(told(&mut watcher).await);
        assert!(watcher.due().unwrap() <= first, "though not for ever");
        let soon = first - LATEST * 2;
        watcher.look_again(soon);
        assert!(watcher.take_due(soon) && watcher.due().is_none(), "one reading is for all");
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
