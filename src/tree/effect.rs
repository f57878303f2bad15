//! What a change does outside the store.

use crate::backend::Act;
use crate::mo::Value;
use crate::mo::mapping::Call;

use super::node::NodeRef;

/// Something that happens outside the store.
pub(super) enum Effect {
    /// The node's mapping sets a value.
    Set(NodeRef, Value),
    /// The un-named node's mapping adds it.
    Add(NodeRef),
    /// The node's mapping deletes it.
    Delete(NodeRef),
}

impl Effect {
    pub(super) fn node(&self) -> &NodeRef {
        match self {
            Self::Set(node, _) | Self::Add(node) | Self::Delete(node) => node,
        }
    }

    /// What the node's mapping says.
    pub(super) fn act(&self) -> Option<Act<'_>> {
        let mapping = self.node().mapping();
        match self {
            Self::Set(_, value) => mapping.set.as_ref().map(|sink| Act::Set(sink, value)),
            Self::Add(_) => mapping.add.as_ref().map(Act::Add),
            Self::Delete(_) => mapping.delete.as_ref().map(Act::Delete),
        }
    }
}

/// What a mapping has the machine do; the store needs no telling.
pub(super) fn outside(call: Option<&Call>) -> Option<&Call> {
    call.filter(|call| !matches!(call, Call::Store))
}
