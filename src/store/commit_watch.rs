//! The watch for commits, which tells whoever looks out for them. Nothing is compared or kept when nobody does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

use super::change::Change;
use super::key::NodeKey;
use crate::uri::ServerId;

/// The changes that were committed since a watch was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// The keys among those looked out for at or below which something changed.
    pub nodes: BTreeSet<NodeKey>,
    /// Whether a server subscribed or unsubscribed.
    pub subscriptions: bool,
    /// The servers that have subscribed, be it for the first time or again, each with its ClientURI.
    pub subscribed: BTreeSet<(ServerId, String)>,
}

/// The watches of all listeners.
#[derive(Debug, Default)]
pub(super) struct CommitWatches(Mutex<Vec<Weak<CommitWatch>>>);

impl CommitWatches {
    pub(super) fn add(&self) -> Arc<CommitWatch> {
        let watch = Arc::new(CommitWatch::default());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(&watch));
        watch
    }

    pub(super) fn report(&self, changes: &[Change]) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for watch in all.iter().filter_map(Weak::upgrade) {
            watch.report(changes);
        }
    }
}

/// Looks out for commits, for one listener: whoever asks [`CommitWatch::changed`].
#[derive(Debug, Default)]
pub struct CommitWatch {
    state: Mutex<WatchState>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct WatchState {
    wanted: Arc<[NodeKey]>,
    changed: Changed,
}

impl CommitWatch {
    /// From now on it tells of commits at or below these keys, and of no others.
    pub fn look_out_for(&self, keys: Vec<NodeKey>) {
        self.state().wanted = keys.into();
    }

    fn report(&self, changes: &[Change]) {
        let wanted = Arc::clone(&self.state().wanted);
        let subscriptions =
            changes.iter().any(|change| matches!(change, Change::Subscribe(_) | Change::Unsubscribe { .. }));
        let touched: Vec<&NodeKey> =
            wanted.iter().filter(|key| changes.iter().any(|change| touches(change, key))).collect();
        if subscriptions || !touched.is_empty() {
            let changed = &mut self.state().changed;
            changed.subscriptions |= subscriptions;
            changed.subscribed.extend(changes.iter().filter_map(subscribed));
            changed.nodes.extend(touched.into_iter().cloned());
            self.wake.notify_one();
        }
    }

    /// Waits for a commit that changes a subscription, or what [`CommitWatch::look_out_for`] names. What is committed
    /// while it does not listen is told the next time.
    pub async fn changed(&self) -> Changed {
        loop {
            let changed = std::mem::take(&mut self.state().changed);
            if changed != Changed::default() {
                return changed;
            }
            self.wake.notified().await;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, WatchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn subscribed(change: &Change) -> Option<(ServerId, String)> {
    if let Change::Subscribe(new) = change {
        Some((new.server_id.clone(), new.client_uri.clone()))
    } else {
        None
    }
}

/// Whether the change touches what is stored at the key or below it.
fn touches(change: &Change, key: &NodeKey) -> bool {
    match change {
        Change::Put(changed, _) | Change::Pin(changed, _) | Change::AddInstance { instance: changed, .. } => {
            changed.is_at_or_below(key)
        }
        // All below goes along.
        Change::Remove(gone) | Change::RemoveInstance(gone) => {
            gone.is_at_or_below(key) || key.is_at_or_below(gone)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Stored;

    fn key(names: &[&str]) -> NodeKey {
        NodeKey::node(&"urn:m".into(), "1", names.iter().copied())
    }

    async fn told(watch: &CommitWatch, changes: &[Change]) -> Vec<NodeKey> {
        watch.report(changes);
        let changed = tokio::time::timeout(std::time::Duration::from_millis(1), watch.changed()).await;
        changed.map(|changed| changed.nodes.into_iter().collect()).unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_at_below_or_removed_with_a_key_is_news_and_no_other() {
        let watch = CommitWatch::default();
        let put = |names: &[&str]| Change::Put(key(names), Stored::Interior);
        assert_eq!(told(&watch, &[put(&["a"])]).await, [], "nobody looks out");
        let (a, b) = (key(&["a"]), key(&["b", "c"]));
        watch.look_out_for(vec![a.clone(), b.clone()]);
        assert_eq!(told(&watch, &[put(&["ab"]), put(&["b"]), put(&[])]).await, []);
        assert_eq!(told(&watch, &[put(&["a", "x"]), put(&["a"])]).await, std::slice::from_ref(&a));
        assert_eq!(told(&watch, &[Change::Remove(key(&["b"]))]).await, std::slice::from_ref(&b));
        assert_eq!(told(&watch, &[Change::RemoveInstance(key(&[]))]).await, [a.clone(), b]);
        assert_eq!(told(&watch, &[]).await, []);
        watch.look_out_for(vec![NodeKey::object(&"urn:m".into())]);
        assert_eq!(told(&watch, &[put(&["z"])]).await, [NodeKey::object(&"urn:m".into())]);
        let other = Change::Put(NodeKey::instance(&"urn:mm".into(), "1"), Stored::Interior);
        assert_eq!(told(&watch, &[other]).await, []);
    }

    #[tokio::test(start_paused = true)]
    async fn news_wait_for_a_listener_that_is_busy() {
        let watch = CommitWatch::default();
        let gone = Change::Unsubscribe { server_id: "a".into(), client_uri: "u".into() };
        watch.report(&[gone]);
        assert!(watch.changed().await.subscriptions);
    }
}
