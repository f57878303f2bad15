//! Whether an account that is not there was removed, or only can't be seen.
//!
//! A folder that is not mounted yet, is empty or can't be read looks as if all its accounts had been removed. So an
//! account counts as removed only where nothing speaks for such a mishap: no file is broken, and each folder that has
//! ever held accounts or management objects holds some now, or has been emptied while the agent ran: it is still the same
//! folder. Else what waits for it stays, and is bounded all the same. Who removes the last account of a folder while no
//! agent runs leaves what waited for it in the store until there is another one.
//!
//! The folders are looked at on the lane that reads them: here is only what was found.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Daemon;
use crate::store::{Change, StoreError};
use crate::world::Folder;

/// Folders that held something while this agent ran, and which they were: device and inode.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<PathBuf, (u64, u64)>);

impl Seen {
    fn note(&mut self, folder: &Folder) {
        if let Some(identity) = folder.identity {
            self.0.insert(folder.path.clone(), identity);
        }
    }

    /// Whether it is still the folder that it was.
    fn is_same(&self, folder: &Folder) -> bool {
        self.0.get(&folder.path).is_some_and(|seen| folder.identity == Some(*seen))
    }
}

impl Daemon {
    /// Why an account that is not there may not have been removed; none where it has been.
    pub(super) fn doubt(&self) -> Option<String> {
        if !self.world.is_sound {
            return Some("a file of the configuration is broken".to_owned());
        }
        let mut accounts = self.world.folders.iter().filter(|folder| folder.is_of_accounts);
        if !accounts.any(|folder| folder.holds || self.seen.is_same(folder)) {
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
        for folder in &self.world.folders {
            let name = folder.path.display().to_string();
            if !folder.holds && !self.seen.is_same(folder) && snapshot.has_held(&name)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Remembers which folders hold something.
    pub(super) async fn remember_folders(&mut self) {
        let holding = self.world.folders.iter().filter(|folder| folder.holds);
        let names = holding.clone().map(|folder| folder.path.display().to_string());
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
}

/// What a folder of accounts is found to be. It may block.
pub(super) fn of_accounts(path: &Path) -> Folder {
    let is_account = |path: &Path| path.extension().is_some_and(|extension| extension == "toml");
    Folder { is_of_accounts: true, ..found(path, is_account) }
}

/// What a folder of management objects is found to be. It may block.
pub(super) fn of_objects(path: &Path) -> Folder {
    found(path, Path::is_dir)
}

fn found(path: &Path, is_wanted: fn(&Path) -> bool) -> Folder {
    let entries = path.read_dir().ok();
    // One that can't be read is not known to be the same.
    let metadata = entries.as_ref().and_then(|_| path.metadata().ok());
    let mut entries = entries.into_iter().flatten().filter_map(Result::ok);
    Folder {
        path: path.to_path_buf(),
        holds: entries.any(|entry| is_wanted(&entry.path())),
        identity: metadata.map(|metadata| (metadata.dev(), metadata.ino())),
        is_of_accounts: false,
    }
}
