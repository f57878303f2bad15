//! The view of what is read at one moment: from the store a pinned state, from outside what was gathered beforehand.
//! Step 4 of a read.
//!
//! Gathering waits for files and programs; once it is done, everything is there to be walked over, as often as needed,
//! without waiting for anybody. Only outside values take memory, and that is bounded.

mod gather;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::backend::Child;
use crate::base::yielding::Yielder;
use crate::mo::{ManagementObject, NodeId, Value};
use crate::store::NodeKey;
use crate::tree::error::TreeError;
use crate::tree::node::NodeRef;
use crate::tree::state::TreeState;

use super::leaf::stored;

/// A view of the tree at one moment: the store's state, and what was gathered from outside.
#[derive(Debug)]
pub(in crate::tree) struct ReadView {
    pub(in crate::tree) state: Arc<TreeState>,
    /// The gathered values, by store key.
    values: HashMap<NodeKey, Outside>,
    /// The gathered listings by the parent's store key: what each found, or why it fails.
    listings: HashMap<NodeKey, Result<Arc<[Child]>, String>>,
    size: usize,
    /// Why a source fails whose value would be shown, if one was met since gathering began.
    failure: Option<String>,
    /// The descriptions at or below which something comes from outside, of the object that was looked at last.
    outside: Option<(Arc<ManagementObject>, Arc<HashSet<NodeId>>)>,
    yielder: Yielder,
}

/// The answer of a leaf's source.
#[derive(Debug)]
enum Outside {
    Value(Value),
    /// None, for this reason.
    Absent(String),
    Failed(String),
}

impl Outside {
    /// Why the source fails, where it does.
    fn failure(&self) -> Option<String> {
        match self {
            Self::Failed(why) => Some(why.clone()),
            Self::Value(_) | Self::Absent(_) => None,
        }
    }
}

impl ReadView {
    pub(in crate::tree) fn new(state: Arc<TreeState>) -> Self {
        Self {
            state,
            values: HashMap::new(),
            listings: HashMap::new(),
            size: 0,
            failure: None,
            outside: None,
            yielder: Yielder::default(),
        }
    }

    /// The value of a leaf, and whether it has none because its source fails.
    pub(in crate::tree) fn value(&self, node: &NodeRef) -> Result<(Option<Value>, bool), TreeError> {
        if node.mapping().get.is_empty() {
            return Ok((stored(&self.state, node)?, false));
        }
        Ok(match self.values.get(node.key()) {
            Some(Outside::Value(value)) => (Some(value.clone()), false),
            Some(Outside::Failed(_)) => (None, true),
            Some(Outside::Absent(_)) | None => (None, false),
        })
    }

    /// Why a leaf has no value, or a node no children, as far as its source has said.
    pub(in crate::tree) fn why(&self, node: &NodeRef) -> Option<&str> {
        match (self.values.get(node.key()), self.listings.get(node.key())) {
            (Some(Outside::Absent(why) | Outside::Failed(why)), _) | (_, Some(Err(why))) => Some(why),
            _ => None,
        }
    }

    /// Whether a leaf has no value, or a node no children, because its source fails.
    pub(in crate::tree) fn is_failing(&self, node: &NodeRef) -> bool {
        matches!(self.values.get(node.key()), Some(Outside::Failed(_))) || self.fails(node)
    }

    /// The children that the machine lists below `parent`.
    pub(in crate::tree) fn listing(&self, parent: &NodeRef) -> Arc<[Child]> {
        self.listings.get(parent.key()).cloned().and_then(Result::ok).unwrap_or_default()
    }

    /// Whether a source or a listing failed that was gathered.
    pub(in crate::tree) fn has_failed(&self) -> bool {
        self.values.values().any(|value| matches!(value, Outside::Failed(_)))
            || self.listings.values().any(Result::is_err)
    }

    /// Whether a listing of the node's children fails.
    pub(super) fn fails(&self, parent: &NodeRef) -> bool {
        matches!(self.listings.get(parent.key()), Some(Err(_)))
    }
}
