//! Gathering: what is outside the store at and below a node is read once, and kept. Step 4 of a read.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::backend::Child;
use crate::ddf::NodeName;
use crate::mo::{ManagementObject, NodeId};
use crate::tree::error::TreeError;
use crate::tree::node::NodeRef;
use crate::tree::view::extent::Extent;
use crate::tree::view::known::is_known;
use crate::tree::view::pass::Pass;
use crate::tree::view::siblings::is_listed;
use crate::tree::view::visibility::withheld;
use crate::tree::view::walk::{Step, Walk};

use super::{Outside, ReadView};

/// The most bytes of outside values and names that are kept.
const MOST: usize = 8 << 20;
/// The bytes that a value takes besides its own and its key's.
const OVERHEAD: usize = 96;

type Gathered<'f> = Pin<Box<dyn Future<Output = Result<(), TreeError>> + Send + 'f>>;

impl ReadView {
    /// Gathers what is outside the store at and below `node`. What fails is left out, with all that would be in it.
    pub(in crate::tree) async fn gather(
        &mut self,
        pass: &Pass<'_>,
        node: &NodeRef,
        extent: Extent,
    ) -> Result<(), TreeError> {
        let outside = self.outside(&node.object);
        self.failure = None;
        self.ask_ahead(pass, std::iter::once(node.clone()), extent, &outside).await;
        self.look(pass, node, extent, &outside).await
    }

    /// Why a source failed that was gathered last, where nothing at all was found instead: an object without one value
    /// is not there to be shown.
    pub(in crate::tree) fn failure(
        &mut self,
        node: &NodeRef,
        extent: Extent,
    ) -> Result<Option<String>, TreeError> {
        let Some(why) = self.failure.take() else { return Ok(None) };
        let mut walk = Walk::new(node.clone(), extent);
        while let Some(step) = walk.next(self)? {
            if matches!(step, Step::Leaf { value: Some(_), shown: true, .. }) {
                return Ok(None);
            }
        }
        Ok(Some(why))
    }

    fn outside(&mut self, object: &Arc<ManagementObject>) -> Arc<HashSet<NodeId>> {
        match &self.outside {
            Some((known, outside)) if Arc::ptr_eq(known, object) => Arc::clone(outside),
            _ => {
                let found = Arc::new(outside(object));
                self.outside = Some((Arc::clone(object), Arc::clone(&found)));
                found
            }
        }
    }

    async fn look(
        &mut self,
        pass: &Pass<'_>,
        node: &NodeRef,
        extent: Extent,
        outside: &HashSet<NodeId>,
    ) -> Result<(), TreeError> {
        if !outside.contains(&node.id) || (!extent.all && withheld(node)) {
            return Ok(());
        }
        match node.is_leaf() {
            true => self.leaf(pass, node).await,
            false => self.look_into(pass, node, extent.of(node), outside).await,
        }
    }

    fn look_into<'f>(
        &'f mut self,
        pass: &'f Pass<'_>,
        node: &'f NodeRef,
        extent: Extent,
        outside: &'f HashSet<NodeId>,
    ) -> Gathered<'f> {
        Box::pin(async move {
            if extent.is_cut() && is_known(&self.state, node)? {
                return Ok(());
            }
            // What is cut off only tells whether something is there.
            let before = self.failure.clone().filter(|_| extent.level == Some(0));
            for &id in node.object.children(node.id) {
                if let (true, NodeName::Named(name)) = (outside.contains(&id), &node.object.node(id).name) {
                    self.look(pass, &node.child(id, name), extent.below(), outside).await?;
                } else if outside.contains(&id) {
                    let children = self.children(pass, node, id).await?;
                    let below = children.iter().map(|child| node.listed(id, child));
                    self.ask_ahead(pass, below, extent.below(), outside).await;
                    for child in children.iter() {
                        self.look(pass, &node.listed(id, child), extent.below(), outside).await?;
                    }
                }
            }
            if extent.level == Some(0) {
                self.failure = before;
            }
            Ok(())
        })
    }

    /// Asks the helper for what it will be asked for by the leaves at and below `nodes`, as far as no list is on the
    /// way.
    async fn ask_ahead(
        &self,
        pass: &Pass<'_>,
        nodes: impl Iterator<Item = NodeRef> + Send,
        extent: Extent,
        outside: &HashSet<NodeId>,
    ) {
        if pass.tree.machine().helper.is_none() {
            return;
        }
        let mut leaves = Vec::new();
        for node in nodes {
            self.asked(node, extent, outside, &mut leaves);
        }
        pass.ask_ahead(&leaves).await;
    }

    fn asked(&self, node: NodeRef, extent: Extent, outside: &HashSet<NodeId>, leaves: &mut Vec<NodeRef>) {
        if !outside.contains(&node.id) || (!extent.all && withheld(&node)) {
            return;
        }
        let extent = extent.of(&node);
        if node.is_leaf() {
            let is_asked = node.mapping().get.first().is_some_and(|source| source.privileged);
            if is_asked && !self.values.contains_key(node.key()) {
                leaves.push(node);
            }
            return;
        }
        if extent.is_cut() {
            return;
        }
        for &id in node.object.children(node.id) {
            if let NodeName::Named(name) = &node.object.node(id).name {
                self.asked(node.child(id, name), extent.below(), outside, leaves);
            }
        }
    }

    async fn leaf(&mut self, pass: &Pass<'_>, node: &NodeRef) -> Result<(), TreeError> {
        if node.mapping().get.is_empty() {
            return Ok(());
        }
        self.yielder.step().await;
        let failure = match self.values.get(node.key()) {
            Some(known) => known.failure(),
            None => {
                let value = self.ask(pass, node).await?;
                let failure = value.failure();
                self.values.insert(node.key().clone(), value);
                failure
            }
        };
        if failure.is_some() && !withheld(node) {
            self.failure = failure;
        }
        Ok(())
    }

    /// Asks a leaf's sources.
    async fn ask(&mut self, pass: &Pass<'_>, node: &NodeRef) -> Result<Outside, TreeError> {
        let read = pass.answer(node).await;
        pass.tree.tell_failure(node, "a value", read.as_ref().err());
        let value = match read {
            Ok(Ok(value)) => Outside::Value(value),
            Ok(Err(why)) => Outside::Absent(why),
            // It does not withhold all the others from the server.
            Err(error @ (TreeError::Backend { .. } | TreeError::Unavailable { .. })) => {
                Outside::Failed(error.to_string())
            }
            Err(error) => return Err(error),
        };
        let size = match &value {
            Outside::Value(value) => value.size(),
            Outside::Absent(why) | Outside::Failed(why) => why.len(),
        };
        self.grow(node.key().as_bytes().len() + size, node)?;
        Ok(value)
    }

    async fn children(
        &mut self,
        pass: &Pass<'_>,
        parent: &NodeRef,
        id: NodeId,
    ) -> Result<Arc<[Child]>, TreeError> {
        let known = match self.listings.get(parent.key()) {
            Some(known) => known.clone(),
            None => {
                let listed = pass.children(parent, id).await;
                pass.tree.tell_failure(&parent.child(id, ""), "a list", listed.as_ref().err());
                match listed {
                    Ok(children) => Ok(children),
                    // It costs its own children, and nothing of the others.
                    Err(error @ (TreeError::Backend { .. } | TreeError::Unavailable { .. })) => {
                        Err(error.to_string())
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        if is_listed(&parent.object, id) && !self.listings.contains_key(parent.key()) {
            let names = known.iter().flat_map(|children| children.iter());
            let names: usize = names.map(|child| OVERHEAD + 2 * child.name.len()).sum();
            self.grow(parent.key().as_bytes().len() + names, parent)?;
            self.listings.insert(parent.key().clone(), known.clone());
        }
        Ok(known.unwrap_or_else(|why| {
            self.failure = Some(why);
            Arc::default()
        }))
    }

    fn grow(&mut self, more: usize, node: &NodeRef) -> Result<(), TreeError> {
        self.size += more + OVERHEAD;
        if self.size > MOST { Err(TreeError::TooLarge(node.client_uri())) } else { Ok(()) }
    }
}

/// The descriptions at or below which something comes from outside.
fn outside(object: &ManagementObject) -> HashSet<NodeId> {
    let mut outside = HashSet::new();
    for id in object.ids() {
        let node = object.node(id);
        if node.mapping.get.is_empty() && !(node.is_unnamed() && is_listed(object, id)) {
            continue;
        }
        let lineage = std::iter::successors(Some(id), |id| object.node(*id).parent);
        for id in lineage {
            if !outside.insert(id) {
                break;
            }
        }
    }
    outside
}
