//! Tasks under way, and what each of them is for.

use std::collections::HashMap;

use super::spawn_in;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// Tasks under way, each with the key that it works for. Dropped, it breaks them off.
#[derive(Debug)]
pub(crate) struct Tasks<K, T> {
    running: JoinSet<T>,
    keys: HashMap<Id, K>,
}

impl<K, T> Default for Tasks<K, T> {
    fn default() -> Self {
        Self { running: JoinSet::new(), keys: HashMap::new() }
    }
}

impl<K, T: Send + 'static> Tasks<K, T> {
    /// Begins a task for `key`.
    pub(crate) fn spawn(&mut self, key: K, work: impl Future<Output = T> + Send + 'static) -> AbortHandle {
        let handle = spawn_in(&mut self.running, work);
        self.keys.insert(handle.id(), key);
        handle
    }

    /// Waits until a task ends, for ever while there are none. Whoever stops waiting loses nothing.
    pub(crate) async fn ended(&mut self) -> (K, Result<T, JoinError>) {
        loop {
            let (id, ended) = match self.running.join_next_with_id().await {
                Some(Ok((id, ended))) => (id, Ok(ended)),
                Some(Err(error)) => (error.id(), Err(error)),
                None => std::future::pending().await,
            };
            if let Some(key) = self.keys.remove(&id) {
                return (key, ended);
            }
        }
    }

    /// Breaks off one task: its end is not told.
    pub(crate) fn abort(&mut self, task: &AbortHandle) {
        task.abort();
        self.keys.remove(&task.id());
    }

    /// Breaks off all tasks, and waits until they have ended.
    pub(crate) async fn shutdown(&mut self) {
        self.keys.clear();
        self.running.shutdown().await;
    }

    /// The keys of all tasks under way.
    pub(crate) fn keys(&self) -> impl ExactSizeIterator<Item = &K> {
        self.keys.values()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_end_comes_with_what_the_task_was_for() {
        let mut tasks = Tasks::default();
        tasks.spawn("fails", async { panic!("on purpose") });
        let (key, ended) = tasks.ended().await;
        assert!(key == "fails" && ended.is_err_and(|error| error.is_panic()));
        let aborted = tasks.spawn("aborted", std::future::pending());
        tasks.spawn("done", async { 7 });
        tasks.abort(&aborted);
        let (key, ended) = tasks.ended().await;
        assert_eq!((key, ended.ok()), ("done", Some(7)), "what was broken off is not told");
        assert!(tasks.is_empty());
    }
}
