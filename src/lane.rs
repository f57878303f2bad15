//! Lanes: threads for work that may block, apart by kind, so that what hangs outside holds up only its like.
//!
//! The agent's own thread never waits for a file, a name or a device; it hands the work to the lane of its kind and
//! gives it a time limit. Work that does not come back keeps its thread, for no thread can be taken from a system call
//! that hangs; a lane has a bound of them, and shares none with another lane or with the store. A process ends without
//! waiting for any of them.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// Files, folders and attributes of the machine that is managed.
pub static FILES: Lane = Lane::new("files", 16, Duration::from_secs(10));
/// The C library's name resolution.
pub static NAMES: Lane = Lane::new("names", 16, Duration::from_secs(30));
/// Reading large documents: what takes long there is the processor's work.
pub static DOCUMENTS: Lane = Lane::new("documents", 2, Duration::from_secs(60));

/// A thread that has no work for this long is given up, and its stack with it.
const IDLE_THREAD: Duration = Duration::from_secs(2);

/// Threads of one kind of work: how many at most, and how long any of it may take.
#[derive(Debug)]
pub struct Lane {
    name: &'static str,
    threads: usize,
    limit: Duration,
    /// Made when first needed, and never dropped: dropping it would wait for what hangs.
    pool: OnceLock<Option<Runtime>>,
}

/// Why work on a lane has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stuck {
    /// It was not done in time, or not even begun because all threads of its lane hang.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// It could not be begun, or was broken off.
    #[error("the work on {0} was not done: no thread is to be had")]
    NoThread(&'static str),
}

impl Lane {
    /// At most `threads` threads, made when they are needed; each piece of work has `limit` from when it is asked for.
    #[must_use]
    pub const fn new(name: &'static str, threads: usize, limit: Duration) -> Self {
        Self { name, threads, limit, pool: OnceLock::new() }
    }

    /// Does `work` on a thread of the lane, within the lane's limit.
    ///
    /// # Errors
    /// [`Stuck`]: what has begun goes on unheard; what has not never begins.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stuck> {
        let pool = self.pool.get_or_init(|| self.make()).as_ref().ok_or(Stuck::NoThread(self.name))?;
        let mut task = pool.handle().spawn_blocking(work);
        match tokio::time::timeout(self.limit, &mut task).await {
            Ok(done) => done.map_err(|_| Stuck::NoThread(self.name)),
            Err(_) => {
                task.abort();
                Err(Stuck::Late(self.limit))
            }
        }
    }

    fn make(&self) -> Option<Runtime> {
        let mut builder = Builder::new_current_thread();
        builder.max_blocking_threads(self.threads).thread_keep_alive(IDLE_THREAD).thread_name(self.name);
        builder.build().inspect_err(|error| log::error!("no threads for {}: {error}", self.name)).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn what_hangs_is_given_up_and_the_rest_goes_on() {
        static LANE: Lane = Lane::new("hanging", 2, SHORT);
        let (release, hanging) = channel::<()>();
        assert_eq!(LANE.run(move || hanging.recv().is_ok()).await, Err(Stuck::Late(SHORT)));
        assert_eq!(LANE.run(|| 7).await, Ok(7), "another thread has it");
        drop(release);
    }

    #[tokio::test]
    async fn where_every_thread_hangs_nothing_more_begins_but_other_lanes_work() {
        static LANE: Lane = Lane::new("full", 1, SHORT);
        static OTHER: Lane = Lane::new("other", 1, SHORT);
        let (release, hanging) = channel::<()>();
        assert_eq!(LANE.run(move || hanging.recv().is_ok()).await, Err(Stuck::Late(SHORT)));
        let begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&begun);
        let late = LANE.run(move || begins.store(true, Ordering::Relaxed)).await;
        assert_eq!(late, Err(Stuck::Late(SHORT)));
        assert_eq!(OTHER.run(|| 1).await, Ok(1));
        drop(release);
        assert_eq!(LANE.run(|| 2).await, Ok(2), "the thread is back");
        assert!(!begun.load(Ordering::Relaxed), "what was given up before it began never begins");
    }
}
