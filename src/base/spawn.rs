//! Spawning tasks, by code that is in the program once for each kind of answer.

use std::future::Future;
use std::pin::Pin;

use tokio::task::{AbortHandle, JoinHandle, JoinSet};

/// Work on its way to an answer, whatever work it is.
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn boxed<T>(work: impl Future<Output = T> + Send + 'static) -> Boxed<T> {
    Box::pin(work)
}

/// Spawns work, as [`tokio::spawn`] does. What the runtime needs of a task is some 3 KiB of code for each type of work;
/// here it is there for each type of answer.
pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(boxed(work))
}

/// Spawns work as one of a set's, as [`JoinSet::spawn`] does.
pub(crate) fn spawn_in<T: Send + 'static>(
    set: &mut JoinSet<T>,
    work: impl Future<Output = T> + Send + 'static,
) -> AbortHandle {
    set.spawn(boxed(work))
}
