//! The release of memory at rest: once all has been quiet for a while, nothing that is kept lies behind what large work
//! has left free.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::base::heap;
use crate::base::lane;
use crate::base::{self, AtomicU64};
use crate::mo::pattern;
use crate::store::Store;

/// How long all must have been quiet: threads that have nothing more to do have ended by then.
const QUIET: Duration = Duration::from_secs(5);

/// The memory that an agent without large objects has less of, in bytes.
const USUAL: u64 = 2 << 20;
/// The growth since the last time that is worth a store that is opened afresh.
const WORTH_IT: u64 = 512 << 10;

/// The release of memory, with the one timer that runs after work, and none at rest.
#[derive(Debug)]
pub(super) struct MemoryRelease {
    timer: Option<AbortHandle>,
    /// The memory that the process had of its own when its store was opened afresh last.
    kept: Arc<AtomicU64>,
}

impl Default for MemoryRelease {
    fn default() -> Self {
        Self { timer: None, kept: Arc::new(AtomicU64::new(USUAL)) }
    }
}

impl MemoryRelease {
    /// Starts the timer anew, as something has just been done.
    ///
    /// Of threads that have ended, the handle of the last one is kept until another has; and the heap goes back from
    /// its end only. One that was made while the heap was large keeps it so: then others are made, that do nothing. So
    /// does what the store has made for its cache.
    pub(super) fn begins(&mut self, store: &Arc<Store>) {
        let (store, kept) = (Arc::downgrade(store), Arc::clone(&self.kept));
        let rest = async move {
            tokio::time::sleep(QUIET).await;
            if let Some(store) = store.upgrade() {
                store.rest();
            }
            pattern::forget_compiled();
            turn_over();
            // It takes a moment until the threads are gone.
            tokio::time::sleep(QUIET / 5).await;
            if heap::own().is_some_and(|own| own > kept.load(Ordering::Relaxed).saturating_add(WORTH_IT))
                && let Some(store) = store.upgrade()
            {
                let renewed = tokio::task::spawn_blocking(move || store.renew()).await;
                if let (Ok(()), Some(own)) = (renewed, heap::own()) {
                    kept.store(own.max(USUAL), Ordering::Relaxed);
                }
                turn_over();
            }
        };
        if let Some(earlier) = self.timer.replace(base::spawn(rest).abort_handle()) {
            earlier.abort();
        }
    }
}

fn turn_over() {
    drop(tokio::task::spawn_blocking(|| ()));
    for lane in [lane::FILES.lane(), &lane::NAMES, lane::CONFIGURATION.lane(), &lane::DOCUMENTS] {
        lane.turn_over();
    }
}
