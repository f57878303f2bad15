//! The extent of a read: how much of a node is looked at. Step 4 of a read.

use crate::tree::node::NodeRef;

use super::visibility::withheld;

/// The extent of a read: how much of a node is looked at.
#[derive(Clone, Copy, Debug)]
pub(in crate::tree) struct Extent {
    /// The levels of children that are looked at; none: all.
    pub(in crate::tree) level: Option<u32>,
    /// Whether what is withheld from servers, or cut off, is looked at too: a cache validator is made of it.
    pub(in crate::tree) all: bool,
}

impl Extent {
    /// The whole of an instance.
    pub(in crate::tree) const ALL: Self = Self { level: None, all: true };

    pub(super) fn below(self) -> Self {
        Self { level: self.level.map(|level| level.saturating_sub(1)), ..self }
    }

    /// Whether the children of a node that is surely there don't matter.
    pub(super) fn is_cut(self) -> bool {
        !self.all && self.level == Some(0)
    }

    /// The extent to which `node` is looked at: of what is withheld, nothing is shown.
    pub(super) fn of(self, node: &NodeRef) -> Self {
        if withheld(node) { Self { level: Some(0), ..self } } else { self }
    }
}
