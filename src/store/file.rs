//! The database file, opened again after the disk had failed it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{Builder, Database, DatabaseError};

use super::{StoreError, db};

/// redb's own default is 1 GiB.
const CACHE: usize = 256 * 1024;

/// After one failed write, on a full disk say, redb refuses everything, reads too, until the file is opened anew.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// None: to be opened again.
    database: RwLock<Option<Database>>,
}

impl DatabaseFile {
    /// Opens the file, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let database = RwLock::new(Some(open(path)?));
        Ok(Self { path: path.to_path_buf(), database })
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
                *database = Some(open(&self.path)?);
            }
        }
    }
}

fn open(path: &Path) -> Result<Database, StoreError> {
    Builder::new().set_cache_size(CACHE).create_file(private_file(path)?).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.to_path_buf()),
        other => db(other),
    })
}

/// Opens or makes the file, readable by its owner only.
fn private_file(path: &Path) -> Result<File, StoreError> {
    let failed = |source| StoreError::File { path: path.to_path_buf(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)
}
