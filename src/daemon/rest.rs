//! Rest: once all has been quiet for a while, nothing that is kept lies behind what large work has left free.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::base::lane;
use crate::store::Store;

/// Threads that have nothing more to do have ended by then.
const QUIET: Duration = Duration::from_secs(5);

/// The one timer that runs after work, and none at rest.
#[derive(Debug, Default)]
pub(super) struct Rest(Option<AbortHandle>);

impl Rest {
    /// Something has just been done.
    ///
    /// Of threads that have ended, the handle of the last one is kept until another has; and the heap goes back from its
    /// end only. One that was made while the heap was large keeps it so: then others are made, that do nothing.
    pub(super) fn begins(&mut self, store: &Arc<Store>) {
        let store = Arc::downgrade(store);
        let rest = async move {
            tokio::time::sleep(QUIET).await;
            if let Some(store) = store.upgrade() {
                store.rest();
            }
            drop(tokio::task::spawn_blocking(|| ()));
            for lane in [&lane::FILES, &lane::NAMES, &lane::CONFIGURATION, &lane::DOCUMENTS] {
                lane.turn_over();
            }
        };
        if let Some(earlier) = self.0.replace(tokio::spawn(rest).abort_handle()) {
            earlier.abort();
        }
    }
}
