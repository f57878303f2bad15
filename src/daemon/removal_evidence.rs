//! Evidence of removal: whether an account that is not there was removed, or only can't be seen.
//!
//! A folder that is not mounted yet, is empty or can't be read looks as if all its accounts had been removed. So an
//! account counts as removed only where nothing speaks for such a mishap: no file is broken, and each folder that has
//! ever held accounts or management objects holds some now, or has been emptied: while the agent ran, and it is still
//! the same folder; or it is there, can be read, and has been found empty for three days by a clock that was set. Until
//! then what waits for the account stays, and is bounded all the same. A folder that is not there at all, or can't be
//! read, says nothing however long that lasts: whoever has no accounts any more leaves an empty one.
//!
//! The folders are looked at on the lane that reads them: here is only what was found.

use std::fs::DirEntry;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::clock::Clock;
use crate::agent_state::{AgentState, Folder};
use crate::base::OrderedMap;
use crate::store::{Change, FOLDER_EMPTIED, FOLDER_HELD, StoreError};

/// The time after which a folder that has been found empty counts as emptied.
const LONG_EMPTY: u64 = 3 * 24 * 3600;

/// The evidence of a folder that holds nothing, or can't be seen to: what it says of what it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// The folder's content has been removed.
    Emptied,
    /// The folder's content may have been removed, or only be out of sight: since this time, where the store has one.
    Doubt(Option<u64>),
    /// The folder has never held any account or object.
    Nothing,
}

/// Folders that held something while this agent ran, and which they were: device and inode.
#[derive(Debug, Default)]
pub(super) struct SeenFolders(OrderedMap<PathBuf, (u64, u64)>);

impl SeenFolders {
    fn note(&mut self, folder: &Folder) {
        if let Some(identity) = folder.identity {
            self.0.insert(folder.path.clone(), identity);
        }
    }

    /// Whether a folder is still the one that it was.
    fn is_same(&self, folder: &Folder) -> bool {
        self.0.get(&folder.path).is_some_and(|seen| folder.identity == Some(*seen))
    }

    /// Why an account that is not there may not have been removed; none where it has been.
    pub(super) fn doubt(&self, agent_state: &AgentState, clock: &Clock) -> Option<String> {
        if !agent_state.is_sound {
            return Some("a file of the configuration is broken".to_owned());
        }
        match self.suspect(agent_state, clock) {
            Ok(None) => None,
            Ok(Some(folder)) if folder.is_empty() => Some("no folder holds an account".to_owned()),
            Ok(Some(folder)) => Some(format!("{folder} is empty or not there, and has not always been")),
            Err(error) => Some(error.to_string()),
        }
    }

    /// The folder that may hold accounts or management objects which can't be seen; an empty name: any of accounts.
    fn suspect(&self, agent_state: &AgentState, clock: &Clock) -> Result<Option<String>, StoreError> {
        let mut accounts = false;
        for folder in &agent_state.folders {
            let says = self.says(folder, agent_state, clock)?;
            accounts |= folder.is_of_accounts && (folder.holds || says == Says::Emptied);
            if !folder.holds && matches!(says, Says::Doubt(_)) {
                return Ok(Some(folder.path.display().to_string()));
            }
        }
        Ok((!accounts).then(String::new))
    }

    fn says(&self, folder: &Folder, agent_state: &AgentState, clock: &Clock) -> Result<Says, StoreError> {
        if self.is_same(folder) {
            return Ok(Says::Emptied);
        }
        let clock = clock.now();
        Ok(match agent_state.store.snapshot()?.folder(&folder.path.display().to_string())? {
            None => Says::Nothing,
            Some(FOLDER_EMPTIED) => Says::Emptied,
            Some(FOLDER_HELD) => Says::Doubt(None),
            Some(since) if folder.identity.is_none() || !clock.synchronised => Says::Doubt(Some(since)),
            // A clock that once ran ahead must not make it last.
            Some(since) if since > clock.now => Says::Doubt(None),
            Some(since) if clock.now - since < LONG_EMPTY => Says::Doubt(Some(since)),
            Some(_) => Says::Emptied,
        })
    }

    /// Remembers which folders hold something, and since when which do not.
    pub(super) async fn remember(&mut self, agent_state: &AgentState, clock: &Clock) {
        let changes = self.news(agent_state, clock);
        let kept = match changes {
            Ok(changes) => agent_state.store.commit(changes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = kept {
            log::error!(
                "the state of the folders of accounts could not be stored: {error}; stored at the next reload"
            );
        }
    }

    fn news(&mut self, agent_state: &AgentState, clock: &Clock) -> Result<Vec<Change>, StoreError> {
        let (snapshot, time) = (agent_state.store.snapshot()?, clock.now());
        let no_accounts = self.suspect(agent_state, clock)?.is_some_and(|folder| folder.is_empty());
        let mut changes = Vec::new();
        for folder in &agent_state.folders {
            let name = folder.path.display().to_string();
            let known = snapshot.folder(&name)?;
            let now = match self.says(folder, agent_state, clock)? {
                _ if folder.holds => FOLDER_HELD,
                Says::Emptied => {
                    if known.is_some_and(|known| known > FOLDER_HELD) {
                        log::info!(
                            "{name}: empty for three days: its accounts and objects count as removed, and what waits for them is dropped"
                        );
                    }
                    FOLDER_EMPTIED
                }
                // Where none has ever held any, the accounts may be bootstrapped ones.
                Says::Nothing if !(no_accounts && folder.is_of_accounts) => continue,
                Says::Doubt(Some(_)) => continue,
                Says::Doubt(None) | Says::Nothing if folder.identity.is_none() || !time.synchronised => {
                    continue;
                }
                Says::Doubt(None) | Says::Nothing => time.now,
            };
            if known != Some(now) {
                changes.push(Change::Folder(name, now));
            }
        }
        for folder in agent_state.folders.iter().filter(|folder| folder.holds) {
            self.note(folder);
        }
        Ok(changes)
    }
}

/// A folder of accounts, as it is found. It may block.
pub(super) fn of_accounts(path: &Path) -> Folder {
    let is_account = |entry: &DirEntry| entry.path().extension().is_some_and(|extension| extension == "toml");
    Folder { is_of_accounts: true, ..found(path, is_account) }
}

/// A folder of management objects, as it is found, so far as it tells itself: where links in it lead, who reads them
/// knows. It may block.
pub(super) fn of_objects(path: &Path) -> Folder {
    found(path, |entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
}

fn found(path: &Path, is_wanted: fn(&DirEntry) -> bool) -> Folder {
    let entries = path.read_dir().ok();
    // One that can't be read is not known to be the same.
    let metadata = entries.as_ref().and_then(|_| path.metadata().ok());
    let mut entries = entries.into_iter().flatten().filter_map(Result::ok);
    Folder {
        path: path.to_path_buf(),
        holds: entries.any(|entry| is_wanted(&entry)),
        identity: metadata.map(|metadata| (metadata.dev(), metadata.ino())),
        is_of_accounts: false,
    }
}
