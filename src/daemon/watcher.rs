//! Accounts and management objects take effect by themselves: their folders are watched.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::config::Paths;

/// A change is acted upon this long after the first was seen: files come in several steps.
const DEBOUNCE: Duration = Duration::from_secs(1);

/// Watches the folders of accounts and management objects.
pub(super) struct Watcher {
    /// Reads inotify on a thread of its own.
    watcher: Option<RecommendedWatcher>,
    watched: Vec<PathBuf>,
    events: mpsc::Receiver<()>,
    due: Option<Instant>,
}

impl Watcher {
    pub(super) fn new(paths: &Paths) -> Self {
        // One place is enough: what matters is that something changed.
        let (sender, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| changes(event.kind)) {
                let _ = sender.try_send(());
            }
        });
        let watcher = watcher.inspect_err(|error| log::warn!("folders are not watched: {error}")).ok();
        let mut watcher = Self { watcher, watched: Vec::new(), events, due: None };
        watcher.look_at(paths);
        watcher
    }

    /// Watches these folders, and no others.
    pub(super) fn look_at(&mut self, paths: &Paths) {
        let Some(watcher) = &mut self.watcher else { return };
        for folder in self.watched.drain(..) {
            // Fails where the folder is gone: then nothing is left to be watched.
            let _ = watcher.unwatch(&folder);
        }
        for folder in paths.accounts.iter().chain(&paths.mo).filter(|folder| folder.is_dir()) {
            match watcher.watch(folder, RecursiveMode::Recursive) {
                Ok(()) => self.watched.push(folder.clone()),
                Err(error) => log::warn!("{} is not watched: {error}", folder.display()),
            }
        }
    }

    /// Waits for a change, which then is due after a while.
    pub(super) async fn changed(&mut self) {
        match self.events.recv().await {
            // From the first on: a file that is written all the time must not put it off for ever.
            Some(()) => {
                self.due.get_or_insert_with(|| Instant::now() + DEBOUNCE);
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
        let mut watcher = Watcher::new(&paths);
        std::fs::read(&file).unwrap();
        let quiet = tokio::time::timeout(Duration::from_millis(200), watcher.changed()).await;
        assert!(quiet.is_err(), "reading is no change");
        std::fs::write(&file, "y").unwrap();
        tokio::time::timeout(Duration::from_secs(10), watcher.changed()).await.unwrap();
        let due = watcher.due().unwrap();
        assert!(!watcher.take_due(due - DEBOUNCE) && watcher.take_due(due) && watcher.due().is_none());
    }
}
