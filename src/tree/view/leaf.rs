//! The value of a leaf: from the store, a pinned answer, or the best of its sources that has one. Step 3 of a read.

use crate::backend::{self, Answer, Reading};
use crate::mo::Value;
use crate::mo::mapping::SourceKind;
use crate::store::Stored;
use crate::tree::error::TreeError;
use crate::tree::node::NodeRef;
use crate::tree::state::TreeState;

use super::pass::Pass;

/// Why a leaf of the store has no value.
pub(in crate::tree) const UNSET: &str = "nobody has set it";

impl Pass<'_> {
    /// The value of a leaf from the best of its sources that has one.
    pub(in crate::tree) async fn leaf(&self, node: &NodeRef) -> Result<Option<Value>, TreeError> {
        Ok(self.answer(node).await?.ok())
    }

    /// The value of a leaf, or why it has none.
    pub(in crate::tree) async fn answer(&self, node: &NodeRef) -> Result<Result<Value, String>, TreeError> {
        let mapping = node.mapping();
        let unset = |value: Option<Value>| value.ok_or_else(|| UNSET.to_owned());
        if mapping.get.is_empty() {
            return stored(&self.state, node).map(unset);
        }
        if let Some(planned) = self.state.planned.outside_leaf(node) {
            return Ok(unset(planned));
        }
        if mapping.pin {
            if let Some(Stored::Leaf(value)) = self.state.snapshot.pin(node.key())? {
                return Ok(Ok(value));
            }
            if let Some(Stored::Leaf(value)) = self.tree.store.held_pin(node.key()) {
                return Ok(Ok(self.pin(node, value).await));
            }
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
                    return Ok(Ok(self.pin(node, value).await));
                }
                Ok(Ok(value))
            }
            Answer::Absent(why) => Ok(Err(why)),
            Answer::Unavailable(why) => Err(TreeError::Unavailable { node: node.client_uri(), why }),
        }
    }

    /// Keeps a pinned node's first answer, and returns which it was. A disk that does not take it is no reason not to
    /// give it: without a DevID, there is no session.
    async fn pin(&self, node: &NodeRef, value: Value) -> Value {
        let (first, refused) = self.tree.store.pin(node.key().clone(), Stored::Leaf(value.clone())).await;
        if let Some(error) = refused {
            let client_uri = node.client_uri();
            log::warn!(
                OMADM_CLIENT_URI = client_uri.as_str();
                "{client_uri}: its first answer, which it keeps for good, can't be stored: kept in memory, and stored once that can be: {error}"
            );
        }
        match first {
            Stored::Leaf(first) => first,
            Stored::Interior => value,
        }
    }
}

/// The value of a leaf from the store, or else its default.
pub(super) fn stored(state: &TreeState, node: &NodeRef) -> Result<Option<Value>, TreeError> {
    match state.node(node.key())? {
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
