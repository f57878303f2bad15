//! The process's first thread: it opens the store, and hears signals from then on.

use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// A way to have the first thread do something, once.
#[derive(Clone, Debug, Default)]
pub struct First(Option<Sender<Work>>);

/// What the first thread is to do.
#[derive(Debug)]
pub struct ToDo(Receiver<Work>);

impl First {
    /// A thread that is yet to do what it is told.
    #[must_use]
    pub fn new() -> (Self, ToDo) {
        let (sender, receiver) = channel();
        (Self(Some(sender)), ToDo(receiver))
    }

    /// Has it do this. Where there is none, who asks does it.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let Some(thread) = &self.0 else { return Some(work()) };
        let (tell, told) = oneshot::channel();
        let work = move || drop(tell.send(work()));
        thread.send(Box::new(work)).ok()?;
        told.await.ok()
    }
}

impl ToDo {
    /// Does what it is told first, if it is told anything before nobody is there any more to do so.
    pub fn once(self) {
        if let Ok(work) = self.0.recv() {
            work();
        }
    }
}
