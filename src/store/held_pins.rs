//! Held pins: first answers of pinned nodes that the disk did not take. The agent keeps to them as if they were stored.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::key::NodeKey;
use super::stored::Stored;

/// The pins that are still to be stored: no more than there are pinned nodes.
#[derive(Debug, Default)]
pub(super) struct HeldPins(Mutex<BTreeMap<NodeKey, Stored>>);

impl HeldPins {
    /// The pin of a node.
    pub(super) fn get(&self, key: &NodeKey) -> Option<Stored> {
        self.all().get(key).cloned()
    }

    /// Holds a pin, unless the node has one. Returns whether it is the first of all: that is to be said.
    pub(super) fn hold(&self, key: NodeKey, first: Stored) -> bool {
        let mut all = self.all();
        let is_first = all.is_empty();
        all.entry(key).or_insert(first);
        is_first
    }

    /// Lets a pin go that is stored now, or whose node is gone with all below it.
    pub(super) fn let_go(&self, gone: impl Fn(&NodeKey) -> bool) {
        self.all().retain(|key, _| !gone(key));
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<NodeKey, Stored>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
