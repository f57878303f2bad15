//! Whether an account that is not there was removed, or only can't be seen.
//!
//! A folder that is not mounted yet, is empty or can't be read looks as if all its accounts had been removed. So an
//! account counts as removed only where nothing speaks for such a mishap: no file is broken, and each folder that has
//! ever held accounts or management objects holds some now, or has been emptied while the agent ran: it is still the same
//! folder. Else what waits for it stays, and is bounded all the same. Who removes the last account of a folder while no
//! agent runs leaves what waited for it in the store until there is another one.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Daemon;
use crate::store::{Change, StoreError};

/// Folders that held something while this agent ran, and which they were: device and inode.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<PathBuf, (u64, u64)>);

impl Seen {
    fn note(&mut self, folder: PathBuf) {
        if let Some(identity) = identity(&folder) {
            self.0.insert(folder, identity);
        }
    }

    /// Whether it is still the folder that it was.
    fn is_same(&self, folder: &Path) -> bool {
        self.0.get(folder).is_some_and(|seen| identity(folder) == Some(*seen) && folder.read_dir().is_ok())
    }
}

fn identity(folder: &Path) -> Option<(u64, u64)> {
    folder.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Daemon {
    /// Why an account that is not there may not have been removed; none where it has been.
    pub(super) fn doubt(&self) -> Option<String> {
        if !self.world.is_sound {
            return Some("a file of the configuration is broken".to_owned());
        }
        let paths = &self.world.settings.paths;
        if !paths.accounts.iter().any(|folder| holds(folder, is_account) || self.seen.is_same(folder)) {
            return Some("no folder holds an account".to_owned());
        }
        match self.emptied() {
            Ok(None) => None,
            Ok(Some(folder)) => Some(format!("{folder} is empty or not there, and has not always been")),
            Err(error) => Some(error.to_string()),
        }
    }

    fn emptied(&self) -> Result<Option<String>, StoreError> {
        let snapshot = self.store.snapshot()?;
        for (folder, holds) in self.folders() {
            let name = folder.display().to_string();
            if !holds && !self.seen.is_same(folder) && snapshot.has_held(&name)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Remembers which folders hold something.
    pub(super) async fn remember_folders(&mut self) {
        let holding = self.folders().into_iter().filter(|(_, holds)| *holds);
        let holding: Vec<PathBuf> = holding.map(|(folder, _)| folder.to_path_buf()).collect();
        let names = holding.iter().map(|folder| folder.display().to_string());
        let changes: Vec<Change> = names.filter(|name| self.is_new(name)).map(Change::Folder).collect();
        for folder in holding {
            self.seen.note(folder);
        }
        if let Err(error) = self.store.commit(changes).await {
            log::error!("which folders hold accounts is not remembered: {error}");
        }
    }

    fn is_new(&self, folder: &str) -> bool {
        let known = self.store.snapshot().and_then(|snapshot| snapshot.has_held(folder));
        known.is_ok_and(|known| !known)
    }

    /// The folders of the configuration, and whether each holds what it is for.
    fn folders(&self) -> Vec<(&Path, bool)> {
        let paths = &self.world.settings.paths;
        let accounts = paths.accounts.iter().map(|folder| (folder.as_path(), holds(folder, is_account)));
        let objects = paths.mo.iter().map(|folder| (folder.as_path(), holds(folder, Path::is_dir)));
        accounts.chain(objects).collect()
    }
}

fn holds(folder: &Path, what: fn(&Path) -> bool) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(Result::ok).any(|entry| what(&entry.path()))
}

fn is_account(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}
