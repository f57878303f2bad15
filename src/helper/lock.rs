//! The lock of a name under which something is kept: an operation and its undoing never overlap, in whatever processes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tokio::time::{Duration, Instant, sleep};

use super::outcome::Failure;
use crate::helper_protocol::code;

/// The longest time that a lock is waited for: shorter than the agent waits for an answer.
const LONGEST: Duration = Duration::from_secs(8);
/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// A lock that is held; dropping it lets the next one have it, and so does the end of the process.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    _locked: File,
}

impl Lock {
    /// Takes the lock whose file is at `path`, whoever has it meanwhile.
    ///
    /// # Errors
    /// Somebody else keeps it.
    pub(super) async fn take(path: &Path) -> Result<Self, Failure> {
        let deadline = Instant::now() + LONGEST;
        loop {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                return Err(Failure::new(code::NOT_NOW, "the operation of that name is not over"));
            }
            sleep(PAUSE).await;
        }
    }

    /// Takes the lock; none where somebody else has it.
    pub(super) fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had it has removed the file: another may be there, which somebody else has.
        let is_it = fs::metadata(path).is_ok_and(|found| Some(found.ino()) == ino(&file));
        Ok(is_it.then(|| Self { path: path.to_path_buf(), _locked: file }))
    }
}

fn ino(file: &File) -> Option<u64> {
    file.metadata().ok().map(|found| found.ino())
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still held: who has it open finds out that it is gone.
        let _ = fs::remove_file(&self.path);
    }
}
