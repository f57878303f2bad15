//! A walk over nodes, in the order of the DDF and of names; what is in an interior node comes between its opening and
//! its closing. Nothing is waited for, and what is on the way is all that is in memory. Step 5 of a read.

use std::sync::Arc;

use crate::backend::Child;
use crate::ddf::NodeName;
use crate::mo::{NodeId, Value};
use crate::uri::decode_name;

use super::extent::Extent;
use super::known::is_known;
use super::read_view::ReadView;
use super::siblings::is_listed;
use super::visibility::withheld;
use crate::tree::error::TreeError;
use crate::tree::node::NodeRef;

/// The number of stored names that are read at a time.
const BATCH: usize = 128;

/// A step of a walk: the node that it comes to.
#[derive(Debug)]
pub(in crate::tree) enum Step<'w> {
    /// An interior node begins. `known`: it is there even if nothing is in it. `failed`: what may be in it can't be
    /// listed.
    Open { node: &'w NodeRef, known: bool, failed: bool, shown: bool },
    /// A leaf. `failed`: it has no value because its source fails.
    Leaf { node: NodeRef, value: Option<Value>, failed: bool, shown: bool },
    /// The interior node that began last and has not ended, ends.
    Close,
}

/// A walk over an interior node and all below it.
#[derive(Debug)]
pub(in crate::tree) struct Walk {
    start: Option<NodeRef>,
    extent: Extent,
    path: Vec<OpenNode>,
}

/// An interior node on the way.
#[derive(Debug)]
struct OpenNode {
    node: NodeRef,
    /// Whether the node may be shown to servers, as all above it.
    shown: bool,
    extent: Extent,
    /// The first description of its children that was not looked at yet.
    next: usize,
    unnamed: Option<(NodeId, Unnamed)>,
    /// Whether its children don't matter.
    cut: bool,
}

/// The children that one un-named description has.
#[derive(Debug)]
enum Unnamed {
    Listed(Arc<[Child]>, usize),
    /// A batch of stored names, and the last one of it.
    Stored(std::vec::IntoIter<String>, Option<String>),
}

impl Walk {
    pub(in crate::tree) fn new(start: NodeRef, extent: Extent) -> Self {
        Self { start: Some(start), extent, path: Vec::new() }
    }

    /// The next step; none at the end. The view is always the same one.
    pub(in crate::tree) fn next(&mut self, read_view: &ReadView) -> Result<Option<Step<'_>>, TreeError> {
        if let Some(start) = self.start.take() {
            return self.enter(start, self.extent, true, read_view).map(Some);
        }
        loop {
            let Some(place) = self.path.last_mut() else { return Ok(None) };
            let Some(node) = place.child(read_view)? else {
                self.path.pop();
                return Ok(Some(Step::Close));
            };
            let (extent, shown) = (place.extent.below(), place.shown && !withheld(&node));
            if !shown && !extent.all {
                continue;
            }
            if node.is_leaf() {
                let (value, failed) = read_view.value(&node)?;
                return Ok(Some(Step::Leaf { node, value, failed, shown }));
            }
            return self.enter(node, extent, shown, read_view).map(Some);
        }
    }

    fn enter(
        &mut self,
        node: NodeRef,
        extent: Extent,
        shown: bool,
        read_view: &ReadView,
    ) -> Result<Step<'_>, TreeError> {
        let failed = read_view.fails(&node);
        let known = is_known(&read_view.state, &node)?;
        let cut = known && extent.is_cut();
        self.path.push(OpenNode { node, shown, extent, next: 0, unnamed: None, cut });
        // It was pushed just now.
        let Some(OpenNode { node, .. }) = self.path.last() else { return Ok(Step::Close) };
        Ok(Step::Open { node, known, failed, shown })
    }
}

impl OpenNode {
    fn child(&mut self, read_view: &ReadView) -> Result<Option<NodeRef>, TreeError> {
        if self.cut {
            return Ok(None);
        }
        loop {
            if let Some((id, siblings)) = &mut self.unnamed {
                match siblings.next(&self.node, *id, read_view)? {
                    Some(child) => return Ok(Some(child)),
                    None => self.unnamed = None,
                }
            }
            let Some(&id) = self.node.object.children(self.node.id).get(self.next) else { return Ok(None) };
            self.next += 1;
            match &self.node.object.node(id).name {
                NodeName::Named(name) => return Ok(Some(self.node.child(id, name))),
                NodeName::Unnamed(_) if is_listed(&self.node.object, id) => {
                    self.unnamed = Some((id, Unnamed::Listed(read_view.listing(&self.node), 0)));
                }
                NodeName::Unnamed(_) => {
                    self.unnamed = Some((id, Unnamed::Stored(Vec::new().into_iter(), Some(String::new()))));
                }
            }
        }
    }
}

impl Unnamed {
    fn next(
        &mut self,
        parent: &NodeRef,
        id: NodeId,
        read_view: &ReadView,
    ) -> Result<Option<NodeRef>, TreeError> {
        match self {
            Self::Listed(children, next) => {
                let child = children.get(*next).map(|child| parent.listed(id, child));
                *next += 1;
                Ok(child)
            }
            Self::Stored(names, last) => loop {
                if let Some(name) = names.next() {
                    // Stored siblings with a name of their own are not children of the un-named node.
                    if parent.object.child(parent.id, &name) == Some(id) {
                        let captured = decode_name(&name);
                        return Ok(Some(parent.listed(id, &Child { name, captured, item: None })));
                    }
                    continue;
                }
                let Some(after) = last.take() else { return Ok(None) };
                let batch = read_view.state.children_after(parent.key(), &after, BATCH)?;
                (*names, *last) = (batch.0.into_iter(), batch.1);
            },
        }
    }
}
