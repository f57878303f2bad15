//! Finding the leaf of an object that a [`LeafPath`] leads to.

use super::leaf_path::LeafPath;
use super::object::{ManagementObject, NodeId, shown};

impl LeafPath {
    /// The same path without a detour: from `Update`, `Update/PkgURL` is `./PkgURL`.
    #[must_use]
    pub fn shortest(mut self, object: &ManagementObject, from: NodeId) -> Self {
        while let Some(above) = self.up.checked_sub(1)
            && self.steps.len() > 1
            && let Some(node) = object.lineage(from).nth(above)
            && self.steps.first() == Some(&shown(&node.name))
        {
            self.up = above;
            self.steps.remove(0);
        }
        self
    }

    /// The description of the leaf that the path leads to.
    #[must_use]
    pub fn find(&self, object: &ManagementObject, from: NodeId) -> Option<NodeId> {
        let start = (0..self.up).try_fold(from, |id, _| object.node(id).parent)?;
        let found = self.steps.iter().try_fold(start, |parent, step| match step.as_str() {
            Self::EACH => object.unnamed_child(parent),
            name => object.child(parent, name).filter(|id| !object.node(*id).is_unnamed()),
        });
        found.filter(|id| object.is_leaf(*id))
    }
}
