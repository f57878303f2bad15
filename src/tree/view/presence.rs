//! The presence of a node: of a leaf with a value, of an interior node with anything in it. Step 5 of a read.

use std::sync::Arc;

use crate::mo::Value;
use crate::tree::error::TreeError;
use crate::tree::node::NodeRef;

use super::extent::Extent;
use super::known::{is_known, required};
use super::pass::Pass;
use super::read_view::ReadView;
use super::walk::{Step, Walk};

impl Pass<'_> {
    /// Whether a leaf has a value, or an interior node anything in it; whoever may see it.
    pub(in crate::tree) async fn exists(&self, node: &NodeRef) -> Result<bool, TreeError> {
        if node.is_leaf() {
            return Ok(self.leaf(node).await?.is_some());
        }
        if required(node) || is_known(&self.state, node)? {
            return Ok(true);
        }
        let mut read_view = ReadView::new(Arc::clone(&self.state));
        read_view.gather(self, node, Extent::ALL).await?;
        is_there(node, &read_view, Extent::ALL)
    }

    /// The value of a leaf that must be there: a required one without a value is empty.
    pub(in crate::tree) async fn existing_leaf(&self, node: &NodeRef) -> Result<Value, TreeError> {
        match self.leaf(node).await? {
            Some(value) => Ok(value),
            None if required(node) && self.has_parent(node).await? => Ok(Value::Null),
            None => Err(TreeError::NotFound(node.client_uri())),
        }
    }

    /// Whether the node that a required one is in is there itself.
    pub(in crate::tree) async fn has_parent(&self, node: &NodeRef) -> Result<bool, TreeError> {
        let mut above = node.parent();
        while let Some(parent) = above {
            if !required(&parent) && !parent.is_root() {
                // An un-named node was found in a list or in the store on the way here.
                let unnamed = parent.object.node(parent.id).is_unnamed();
                return Ok(unnamed || self.exists(&parent).await?);
            }
            above = parent.parent();
        }
        Ok(true)
    }
}

/// Whether an interior node is there, or anything in it.
pub(in crate::tree) fn is_there(
    node: &NodeRef,
    read_view: &ReadView,
    extent: Extent,
) -> Result<bool, TreeError> {
    if is_known(&read_view.state, node)? {
        return Ok(true);
    }
    let mut walk = Walk::new(node.clone(), extent);
    while let Some(step) = walk.next(read_view)? {
        if matches!(step, Step::Open { known: true, .. } | Step::Leaf { value: Some(_), .. }) {
            return Ok(true);
        }
    }
    Ok(false)
}
