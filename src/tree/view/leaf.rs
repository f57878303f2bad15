//! The value of a leaf: from the store, a pinned answer, or the best of its sources that has one. Step 3 of a read.

use crate::backend::{self, Answer, Reading};
use crate::mo::Value;
use crate::mo::mapping::SourceKind;
use crate::store::{Change, Stored};
use crate::tree::error::TreeError;
use crate::tree::node::NodeRef;
use crate::tree::state::State;

use super::pass::Pass;

impl Pass<'_> {
    /// The value of a leaf from the best of its sources that has one.
    pub(in crate::tree) async fn leaf(&self, node: &NodeRef) -> Result<Option<Value>, TreeError> {
        let mapping = node.mapping();
        if mapping.get.is_empty() {
            return stored(&self.state, node);
        }
        if let Some(planned) = self.state.planned.outside_leaf(node) {
            return Ok(planned);
        }
        if mapping.pin
            && let Some(Stored::Leaf(value)) = self.state.snapshot.pin(&node.key())?
        {
            return Ok(Some(value));
        }
        let mut scope = self.tree.scope(node, self.principal);
        scope.seen = Some(&self.seen);
        if mapping.get.iter().any(|source| matches!(source.from, SourceKind::Store)) {
            scope.stored = stored(&self.state, node)?;
        }
        // A better source gets its time; a pinned node that names none waits for good.
        let patient = mapping.wait.map_or(mapping.pin, |wait| self.tree.started.elapsed() < wait);
        let answer = backend::read(mapping, node.properties().format, patient, &scope.context()).await;
        match answer.map_err(|source| TreeError::Backend { node: node.client_uri(), source })? {
            Answer::Value(Reading { value, transient }) => {
                if mapping.pin && !transient && !value.is_empty() {
                    return self.pin(node, value).await.map(Some);
                }
                Ok(Some(value))
            }
            Answer::Absent(_) => Ok(None),
            Answer::Unavailable(why) => Err(TreeError::Unavailable { node: node.client_uri(), why }),
        }
    }

    /// Keeps a pinned node's first answer, and returns which it was: another session may have been earlier.
    async fn pin(&self, node: &NodeRef, value: Value) -> Result<Value, TreeError> {
        let store = &self.tree.store;
        store.commit(vec![Change::Pin(node.key(), Stored::Leaf(value.clone()))]).await?;
        match store.snapshot()?.pin(&node.key())? {
            Some(Stored::Leaf(first)) => Ok(first),
            _ => Ok(value),
        }
    }
}

/// The value of a leaf from the store, or else its default.
pub(super) fn stored(state: &State, node: &NodeRef) -> Result<Option<Value>, TreeError> {
    match state.node(&node.key())? {
        Some(Stored::Leaf(value)) => Ok(Some(value)),
        Some(Stored::Interior) => Ok(None),
        None => {
            let properties = node.properties();
            let default = properties.default_value.as_deref();
            let parsed = default.map(|text| Value::from_text(properties.format, text)).transpose();
            parsed.map_err(|error| TreeError::Invalid { node: node.client_uri(), why: error.to_string() })
        }
    }
}
