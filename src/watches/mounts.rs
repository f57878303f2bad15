//! Mounts that come and go: what is mounted over a folder hides it, what is unmounted uncovers another one, and no
//! watch of the folder tells.
//!
//! The kernel says by poll(2) that the table of mounts is another one. At rest it says nothing.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::base::OneByOne as _;
use crate::base::OrderedSet;
use crate::base::lane::{FILES, MountEntry, mount_entries};

/// The time from a change to a look at the table: where something is mounted, more often is.
const SETTLE: Duration = Duration::from_millis(100);

/// The watch of the table of mounts.
#[derive(Debug)]
pub(super) struct MountWatch {
    table: AsyncFd<File>,
    /// Whether the table is another one than that which is known.
    is_new: AtomicBool,
    /// The table as it was when it was last looked at; none before the first time.
    known: Mutex<Option<OrderedSet<MountEntry>>>,
}

impl MountWatch {
    /// Makes a watch that knows nothing yet.
    ///
    /// # Errors
    /// There is no such table, or it can't be waited for.
    pub(super) fn new() -> io::Result<Self> {
        let table = File::open("/proc/self/mountinfo")?;
        #[expect(deprecated, reason = "its successor is unsafe to call; a File is not closed under our feet")]
        let table = AsyncFd::with_interest(table, Interest::PRIORITY)?;
        Ok(Self { table, is_new: AtomicBool::new(false), known: Mutex::default() })
    }

    /// Takes the table as it is, if none is known. It may block.
    pub(super) fn begin(&self) {
        self.known().get_or_insert_with(mount_entries);
    }

    /// Waits until something is mounted or unmounted, and returns where. Whoever stops waiting loses nothing.
    pub(super) async fn changed(&self) -> OrderedSet<PathBuf> {
        loop {
            if !self.is_new.load(Ordering::Relaxed) {
                match self.table.ready(Interest::PRIORITY).await {
                    Ok(mut ready) => ready.clear_ready(),
                    Err(error) => {
                        log::debug!("changes of mounts are not told: {error}");
                        return std::future::pending().await;
                    }
                }
                self.is_new.store(true, Ordering::Relaxed);
            }
            tokio::time::sleep(SETTLE).await;
            // What changes from here on is told again.
            let table = FILES.lane().run(mount_entries).await;
            self.is_new.store(false, Ordering::Relaxed);
            let Ok(table) = table else { continue };
            let places = match self.known().replace(table.clone()) {
                Some(before) => before
                    .difference(&table)
                    .chain(table.difference(&before))
                    .map(|entry| entry.at.clone())
                    .one_by_one(),
                None => OrderedSet::new(),
            };
            if !places.is_empty() {
                return places;
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<OrderedSet<MountEntry>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
