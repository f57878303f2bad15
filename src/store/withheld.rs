//! A withheld file, which can't be written now, as its disk is full, say: what is in it is read all the same.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

use super::error::StoreError;
use super::image::Image;
use crate::base::files;

/// The least time between two attempts at what the disk has refused, unless there is more room.
const PAUSE: Duration = Duration::from_secs(5);

/// The last attempt at what the disk had no room for: says when the next one is due.
#[derive(Debug)]
pub(super) struct LastTry {
    path: PathBuf,
    /// The time of it, and the room that there was.
    at: Mutex<(Instant, Option<u64>)>,
}

impl LastTry {
    /// The attempt that was just made on the disk of this file.
    pub(super) fn now(path: &Path) -> Self {
        Self { path: path.to_path_buf(), at: Mutex::new((Instant::now(), room(path))) }
    }

    /// Whether it is time for another attempt: this one was some seconds ago, or there is more room.
    pub(super) fn is_due(&self) -> bool {
        let (at, before) = *self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.elapsed() >= PAUSE || room(&self.path) > before
    }

    /// Notes another attempt.
    pub(super) fn again(&self) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), room(&self.path));
    }
}

/// Why a file is not written, and what is read in its place.
#[derive(Debug)]
pub(super) struct Withheld {
    why: (ErrorKind, Option<i32>),
    image: Image,
    file: File,
    last_try: LastTry,
}

impl Withheld {
    /// Makes it of an image of the file, which is locked. What it is withheld for is `why`.
    pub(super) fn new(path: &Path, image: Image, file: File, why: &StoreError) -> Self {
        let why = why.io().map_or((ErrorKind::Other, None), |error| (error.kind(), error.raw_os_error()));
        Self { why, image, file, last_try: LastTry::now(path) }
    }

    /// The error for those who would write.
    pub(super) fn refusal(&self) -> StoreError {
        let (kind, code) = self.why;
        let source = code.map_or_else(|| kind.into(), io::Error::from_raw_os_error);
        StoreError::File { path: self.last_try.path.clone(), source }
    }

    /// Whether it is time to try to open the file again.
    pub(super) fn is_due(&self) -> bool {
        self.last_try.is_due()
    }

    /// Gives up the lock on the file, for whoever opens it locks it.
    pub(super) fn give_up_lock(&self) {
        let _ = self.file.unlock();
    }

    /// Notes that the file could not be opened: this stays in its place.
    pub(super) fn stays(&self) {
        let _ = self.file.try_lock();
        self.last_try.again();
    }
}

/// Dropped when the file is open again: what is in it may move, so that what snapshots would still read of it here
/// fails. The lock is theirs too.
impl Drop for Withheld {
    fn drop(&mut self) {
        self.image.retire();
        self.give_up_lock();
    }
}

/// The number of bytes that are free where the file is.
pub(super) fn room(path: &Path) -> Option<u64> {
    statvfs(path.parent()?).ok().map(|disk| files::free(&disk))
}
