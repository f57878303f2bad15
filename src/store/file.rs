//! The database file, opened again after the disk had failed it, or a page had been found damaged.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::Database;

use super::StoreError;
use super::open::{self, SetAside};
use super::reader::Reader;

/// redb's own default is 1 GiB.
pub(super) const CACHE: usize = 256 * 1024;

/// After one failed write, on a full disk say, redb refuses everything, reads too, until the file is opened anew.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// None: to be opened again.
    database: RwLock<Option<Database>>,
}

impl DatabaseFile {
    /// Opens the file, or makes it.
    pub(super) fn open(path: &Path) -> Result<(Self, Option<SetAside>), StoreError> {
        let (database, set_aside) = open::open(path, &Reader::here())?;
        Ok((Self { path: path.to_path_buf(), database: RwLock::new(Some(database)) }, set_aside))
    }

    /// Does something with the database. One that its disk has failed is closed.
    pub(super) fn with<T>(&self, work: impl Fn(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        loop {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(open) = &*database {
                let done = work(open);
                drop(database);
                if matches!(done, Err(StoreError::Database(redb::Error::Io(_) | redb::Error::PreviousIo))) {
                    // What is still read from it fails, as it would anyway.
                    *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
                }
                return done;
            }
            drop(database);
            let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
            if database.is_none() {
                let (opened, set_aside) = open::open(&self.path, &Reader::here())?;
                *database = Some(opened);
                if let Some(set_aside) = set_aside {
                    set_aside.say();
                }
            }
        }
    }
}
