//! A disk that fails at the moment that a test names.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::error::StoreError;

/// The faults of the store's disk; it works unless told otherwise.
#[derive(Debug)]
pub(crate) struct Faults {
    /// The number of commits that the disk still takes. From the first that it refuses, reads fail as well.
    commits: AtomicUsize,
    /// Whether it is full: it takes no commit, and is read as before.
    full: AtomicBool,
}

impl Default for Faults {
    fn default() -> Self {
        Self { commits: AtomicUsize::new(usize::MAX), full: AtomicBool::new(false) }
    }
}

impl Faults {
    /// Fails the disk after so many more commits: the next one fails, and every read from then on.
    pub(crate) fn fail_after(&self, commits: usize) {
        self.commits.store(commits + 1, Ordering::Relaxed);
    }

    /// Fails every commit and read from now on.
    pub(crate) fn fail(&self) {
        self.commits.store(0, Ordering::Relaxed);
    }

    /// Fills the disk: it takes no commit any more.
    pub(crate) fn fill(&self) {
        self.full.store(true, Ordering::Relaxed);
    }

    /// Has the disk work again.
    pub(crate) fn heal(&self) {
        self.full.store(false, Ordering::Relaxed);
        self.commits.store(usize::MAX, Ordering::Relaxed);
    }

    pub(super) fn at_commit(&self) -> Result<(), StoreError> {
        let left = self.commits.load(Ordering::Relaxed);
        if left != usize::MAX {
            self.commits.store(left.saturating_sub(1), Ordering::Relaxed);
        }
        if left > 1 && !self.full.load(Ordering::Relaxed) { Ok(()) } else { Err(failure()) }
    }

    pub(super) fn at_read(&self) -> Result<(), StoreError> {
        if self.commits.load(Ordering::Relaxed) > 0 { Ok(()) } else { Err(failure()) }
    }
}

fn failure() -> StoreError {
    StoreError::File { path: "store".into(), source: ErrorKind::Other.into() }
}
