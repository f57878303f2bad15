//! Effects: what a change does outside the store.

use crate::backend::Act;
use crate::mo::Value;
use crate::mo::mapping::Call;

use super::node::NodeRef;

/// An effect of a change: something that happens outside the store.
pub(super) enum Effect {
    /// The value is set as the node's mapping says.
    Set(NodeRef, Value),
    /// The un-named node is added as its mapping says.
    Add(NodeRef),
    /// The node is deleted as its mapping says.
    Delete(NodeRef),
}

impl Effect {
    pub(super) fn node(&self) -> &NodeRef {
        match self {
            Self::Set(node, _) | Self::Add(node) | Self::Delete(node) => node,
        }
    }

    /// The act that the node's mapping has for the effect.
    pub(super) fn act(&self) -> Option<Act<'_>> {
        let mapping = self.node().mapping();
        match self {
            Self::Set(_, value) => mapping.set.as_deref().map(|sink| Act::Set(sink, value)),
            Self::Add(_) => mapping.add.as_deref().map(Act::Add),
            Self::Delete(_) => mapping.delete.as_deref().map(Act::Delete),
        }
    }
}

/// The call that a mapping makes outside the store, which needs no telling.
pub(super) fn outside(call: Option<&Call>) -> Option<&Call> {
    call.filter(|call| !matches!(call, Call::Store))
}
