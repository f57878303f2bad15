//! Lanes: threads for work that may block, apart by kind, so that what hangs outside holds up only its like.
//!
//! The agent's own thread never waits for a file, a name or a device; it hands the work to the lane of its kind and
//! gives it a time limit. Work that does not come back keeps its thread, for no thread can be taken from a system call
//! that hangs; a lane has a bound of them, and shares none with another lane or with the store. A process ends without
//! waiting for any of them.
//!
//! All that touches a path goes [`PathLane::at`] it: then one that hangs costs one thread and one time limit, however
//! many nodes are there and however often it is asked. Healthy work has its own threads: what does not answer soon
//! gives up its place among them, and keeps one of the many that there may be.

use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;
use tokio::task::JoinHandle;

mod announce;
mod main_thread;
mod mounts;
mod path_lane;
mod paths;
mod stuck;
mod walk;

pub(crate) use announce::announce;
pub use main_thread::{MainThread, MainThreadJob};
pub(crate) use mounts::{MountEntry, mount_entries, takes_requests};
pub use path_lane::PathLane;
pub use paths::PathAccess;
pub use stuck::Stuck;
pub use walk::PathWalk;

/// The lane for files, folders and attributes of the machine that is managed.
pub static FILES: PathLane = PathLane::new("files", 96, Duration::from_secs(10));
/// The lane for the C library's name resolution.
pub static NAMES: Lane = Lane::new("names", 16, Duration::from_secs(30));
/// The lane for the agent's own configuration: what takes long there is the processor's work as well.
pub static CONFIGURATION: PathLane = PathLane::new("configuration", 96, Duration::from_secs(30));
/// The lane for reading large documents, and much of the store at a time: what takes long there is the processor's
/// work.
pub static DOCUMENTS: Lane = Lane::new("documents", 2, Duration::from_secs(60));

/// How long a thread without work is kept, and its stack with it.
const IDLE_THREAD: Duration = Duration::from_secs(2);

/// Threads of one kind of work: how many at most, and how long any of it may take.
#[derive(Debug)]
pub struct Lane {
    name: &'static str,
    threads: usize,
    limit: Duration,
    /// The threads' pool, made when first needed, and never dropped: dropping it would wait for what hangs.
    pool: OnceLock<Option<Runtime>>,
}

/// Work that was handed over, as long as somebody waits for it: if it has not begun by then, it never does.
struct Asked<T> {
    answer: oneshot::Receiver<T>,
    task: JoinHandle<()>,
    _wanted: Arc<()>,
}

impl<T> Future for Asked<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(context)
    }
}

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lane {
    /// Makes a lane of at most `threads` threads, which are started when they are needed; each piece of work has
    /// `limit` from when it is asked for.
    #[must_use]
    pub const fn new(name: &'static str, threads: usize, limit: Duration) -> Self {
        Self { name, threads, limit, pool: OnceLock::new() }
    }

    /// Does `work`, which touches no path, on a thread of the lane, within the lane's limit.
    ///
    /// # Errors
    /// [`Stuck`]: what has begun goes on unheard; what has not never begins. So it is where this is dropped.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stuck> {
        let mut asked = self.ask(|_| work())?;
        let done = tokio::time::timeout(self.limit, &mut asked).await.map_err(|_| Stuck::Late(self.limit))?;
        done.map_err(|_| Stuck::NoThread(self.name))
    }

    /// Hands `work` to a thread. It is told whether somebody still waits for it.
    fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Weak<()>) -> T + Send + 'static,
    ) -> Result<Asked<T>, Stuck> {
        let pool = self.pool.get_or_init(|| self.make()).as_ref().ok_or(Stuck::NoThread(self.name))?;
        let wanted = Arc::new(());
        let is_wanted = Arc::downgrade(&wanted);
        let (tell, answer) = oneshot::channel();
        // In a box, as a thread's way of running work would else be in the program once for each that there is.
        let work: Box<dyn FnOnce() + Send> = Box::new(move || drop(tell.send(work(&is_wanted))));
        let task = pool.handle().spawn_blocking(work);
        Ok(Asked { answer, task, _wanted: wanted })
    }

    /// Runs an empty job on the lane, so that an idle thread takes the place of the last one that has ended, if any
    /// has.
    pub fn turn_over(&self) {
        if let Some(Some(pool)) = self.pool.get() {
            drop(pool.handle().spawn_blocking(|| ()));
        }
    }

    /// The name of the lane's threads.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The most threads of the lane.
    #[must_use]
    pub const fn threads(&self) -> usize {
        self.threads
    }

    /// How long a piece of work may take, at most.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    fn make(&self) -> Option<Runtime> {
        let mut builder = Builder::new_current_thread();
        builder.max_blocking_threads(self.threads).thread_keep_alive(IDLE_THREAD).thread_name(self.name);
        builder
            .build()
            .inspect_err(|error| {
                log::error!(
                    "no threads can be started for {}: {error}; what needs them is unavailable",
                    self.name
                );
            })
            .ok()
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
