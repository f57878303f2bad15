//! Nodes that are there for sure, before anybody looks what is in them. Step 5 of a read.

use crate::ddf::Occurrence;
use crate::tree::error::TreeError;
use crate::tree::node::NodeRef;
use crate::tree::state::TreeState;

/// Whether the DDF says that the node is always there.
pub(in crate::tree) fn required(node: &NodeRef) -> bool {
    matches!(node.properties().occurrence, Occurrence::One | Occurrence::OneOrMore | Occurrence::OneOrN(_))
}

/// Whether an interior node is there whatever is in it.
pub(super) fn is_known(state: &TreeState, node: &NodeRef) -> Result<bool, TreeError> {
    Ok(node.is_root() || node.object.node(node.id).is_unnamed() || state.node(node.key())?.is_some())
}
