//! Watches of what the kernel tells by netlink, and by no file: neighbours, and devices that come and go.
//!
//! One message wakes the agent, and then no other one before somebody has looked and watches again: a network that is
//! never quiet costs no more than that.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::base::{OrderedMap, OrderedSet};
use crate::bearer::{KernelTopic, NetlinkWatch};

/// The watches of what the kernel tells, each for whoever depends on it.
#[derive(Debug)]
pub(super) struct KernelWatches<K> {
    /// The listeners, by topic.
    topics: Mutex<OrderedMap<KernelTopic, Listening<K>>>,
    /// Wakes whoever waits, as there is more or less to wait for.
    wake: Notify,
}

/// The socket of a topic, and those whom its next message concerns.
#[derive(Debug)]
struct Listening<K> {
    socket: Arc<NetlinkWatch>,
    ids: OrderedSet<K>,
}

impl<K> Default for KernelWatches<K> {
    fn default() -> Self {
        Self { topics: Mutex::default(), wake: Notify::new() }
    }
}

impl<K: Ord + Clone> KernelWatches<K> {
    /// Watches these topics for `id`, and no others, until the next message of one; returns whether all will be told.
    pub(super) fn follow(&self, id: &K, wanted: &OrderedSet<KernelTopic>) -> bool {
        let mut topics = self.lock();
        let mut are_told = true;
        topics.retain(|topic, listening| {
            if !wanted.contains(topic) {
                listening.ids.remove(id);
            }
            !listening.ids.is_empty()
        });
        for topic in wanted {
            if let Some(listening) = topics.get_mut(topic) {
                listening.ids.insert(id.clone());
                continue;
            }
            match NetlinkWatch::of(*topic) {
                Ok(socket) => {
                    let listening =
                        Listening { socket: Arc::new(socket), ids: OrderedSet::from([id.clone()]) };
                    topics.insert(*topic, listening);
                }
                Err(error) => {
                    log::debug!("the kernel does not tell of {topic:?}: {error}");
                    are_told = false;
                }
            }
        }
        drop(topics);
        self.wake.notify_one();
        are_told
    }

    /// Keeps the watches for those that are `known`.
    pub(super) fn keep(&self, known: impl Fn(&K) -> bool) {
        self.lock().retain(|_, listening| {
            listening.ids.retain(&known);
            !listening.ids.is_empty()
        });
        self.wake.notify_one();
    }

    /// Waits for the next message, and returns whom it concerns. Whoever stops waiting loses nothing.
    pub(super) async fn changed(&self) -> OrderedSet<K> {
        loop {
            let socket = |topic| self.lock().get(&topic).map(|listening| Arc::clone(&listening.socket));
            let told = tokio::select! {
                () = self.wake.notified() => continue,
                () = told(socket(KernelTopic::Neighbours)) => KernelTopic::Neighbours,
                () = told(socket(KernelTopic::Devices)) => KernelTopic::Devices,
            };
            if let Some(listening) = self.lock().remove(&told) {
                return listening.ids;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, OrderedMap<KernelTopic, Listening<K>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a message; for ever where nobody listens. A socket that has gone counts as one.
async fn told(socket: Option<Arc<NetlinkWatch>>) {
    match socket {
        Some(socket) => drop(socket.changed().await),
        None => std::future::pending().await,
    }
}
