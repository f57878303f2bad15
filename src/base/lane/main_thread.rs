//! The process's first thread: it opens the store, and hears signals from then on.

use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// The handle by which the process's first thread is given work, once.
#[derive(Clone, Debug, Default)]
pub struct MainThread(Option<Sender<Work>>);

/// The receiving end: the one piece of work that the first thread waits for.
#[derive(Debug)]
pub struct MainThreadJob(Receiver<Work>);

impl MainThread {
    /// Makes both ends: the handle for whoever has work, and the job for the thread.
    #[must_use]
    pub fn new() -> (Self, MainThreadJob) {
        let (sender, receiver) = channel();
        (Self(Some(sender)), MainThreadJob(receiver))
    }

    /// Has the first thread do `work`. Where there is no such thread, the caller does it.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let Some(thread) = &self.0 else { return Some(work()) };
        let (tell, told) = oneshot::channel();
        let work = move || drop(tell.send(work()));
        thread.send(Box::new(work)).ok()?;
        told.await.ok()
    }
}

impl MainThreadJob {
    /// Waits for the work and does it; returns at once where all handles are gone.
    pub fn do_it(self) {
        if let Ok(work) = self.0.recv() {
            work();
        }
    }
}
