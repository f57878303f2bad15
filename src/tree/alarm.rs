//! The nodes that an alarm watches, as they are now: leaves and what they are compared with, or the elements of a list.
//! They are read for the agent itself, which tells servers of them.

use std::pin::Pin;
use std::sync::Arc;

use crate::backend::{self, Dependencies, Seen};
use crate::mo::alarm::{Alarm, Condition, Threshold};
use crate::mo::mapping::SourceKind;
use crate::mo::{ManagementObject, NodeId, Value};
use crate::store::NodeKey;
use crate::uri::decode_name;

use super::dependencies::is_untold;
use super::error::TreeError;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use super::state::TreeState;
use super::view::Pass;

/// The most leaves or elements that an alarm watches.
const MOST: usize = 1024;

/// The nodes that an alarm watches now, and what they depend on.
#[derive(Debug, Default)]
pub struct Watched {
    /// The leaves; for a list, its elements.
    pub nodes: Vec<WatchedNode>,
    /// The nodes whose elements could be listed, by their ClientURIs.
    pub listed: Vec<String>,
    /// Why some elements could not be listed, if so: nobody knows whether those that are missing are gone.
    pub failed: Option<String>,
    /// Whether a service is not there whose objects a list has: nobody knows which those are.
    pub is_away: bool,
    /// Whether there are more leaves or elements than are watched.
    pub is_cut: bool,
    /// The files and signals that all of it comes from, besides the store.
    pub dependencies: Dependencies,
    /// Whether programs are asked whose mappings say what tells of a change.
    pub programs: bool,
    /// The keys in the store where any of it is, or may come to be.
    pub keys: Vec<NodeKey>,
}

/// A leaf or an element that an alarm watches.
#[derive(Clone, Debug)]
pub struct WatchedNode {
    /// The node.
    pub node: NodeRef,
    /// The ClientURI by which alerts and the store call it.
    pub client_uri: String,
    /// The ClientURI of the node that an element is in; none for a leaf.
    pub within: Option<String>,
}

impl WatchedNode {
    /// The node's own name.
    #[must_use]
    pub fn name(&self) -> String {
        decode_name(self.node.name())
    }
}

/// The value of a leaf, and those that it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The value of the leaf; none where it has none.
    pub value: Option<Value>,
    /// The limit; none where there is none, or it has no value.
    pub limit: Option<Value>,
    /// `clear`, the value at which it is over; none likewise.
    pub clear: Option<Value>,
}

/// A walk to what an alarm watches, in progress.
struct Walk<'a> {
    tree: &'a Tree,
    principal: &'a Principal<'a>,
    state: TreeState,
    /// The nodes from the root's child down to what is watched.
    way: Vec<NodeId>,
    found: Watched,
}

type Walked<'f> = Pin<Box<dyn Future<Output = Result<(), TreeError>> + Send + 'f>>;

impl Tree {
    /// Finds what an alarm of an object watches.
    ///
    /// # Errors
    /// The store failed; a listing that fails makes no error.
    pub async fn watched(
        &self,
        object: &Arc<ManagementObject>,
        alarm: &Alarm,
        principal: &Principal<'_>,
    ) -> Result<Watched, TreeError> {
        let lineage = std::iter::successors(Some(alarm.at), |id| object.node(*id).parent);
        let mut way: Vec<NodeId> = lineage.collect();
        way.pop();
        way.reverse();
        let state = TreeState::of(self.store.snapshot()?);
        let instances = self.instances(object, &state)?;
        let mut walk = Walk { tree: self, principal, state, way, found: Watched::default() };
        if object.dynamic {
            walk.found.keys.push(NodeKey::object(&object.moid));
        }
        for instance in instances {
            let root = NodeRef::root(Arc::clone(object), Arc::new(instance));
            walk.down(root, 0).await?;
        }
        let mut found = walk.found;
        for node in found.nodes.iter().map(|watched| &watched.node) {
            for leaf in std::iter::once(node.clone()).chain(compared(node, &alarm.condition)) {
                self.depends(&leaf, principal, &mut found.dependencies, &mut found.keys);
            }
        }
        found.programs = found.dependencies.programs;
        Ok(found)
    }

    /// Reads a leaf, and what it is compared with. What a service has said of others that are read with it is in
    /// `seen`.
    ///
    /// # Errors
    /// A source does not answer, or fails.
    pub async fn compare(
        &self,
        node: &NodeRef,
        condition: &Condition,
        principal: &Principal<'_>,
        seen: &Arc<Seen>,
    ) -> Result<Comparison, TreeError> {
        let (limit, clear) = match condition {
            Condition::Above { limit, clear } | Condition::Below { limit, clear } => {
                (Some(limit), clear.as_ref())
            }
            Condition::Equals(limit) => (Some(limit), None),
            Condition::Changes | Condition::Listed => (None, None),
        };
        let pass = Pass { seen: Arc::clone(seen), ..self.pass(principal)? };
        let (limit, clear) = (threshold(&pass, node, limit).await?, threshold(&pass, node, clear).await?);
        Ok(Comparison { value: pass.leaf(node).await?, limit, clear })
    }

    /// Adds what a leaf's value comes from.
    fn depends(
        &self,
        leaf: &NodeRef,
        principal: &Principal<'_>,
        dependencies: &mut Dependencies,
        keys: &mut Vec<NodeKey>,
    ) {
        let sources = &leaf.mapping().get;
        if leaf.is_leaf() && (sources.is_empty() || sources.iter().any(|source| is_stored(&source.from))) {
            keys.push(leaf.key().clone());
        }
        let scope = self.scope(leaf, principal);
        for source in sources {
            dependencies.others |= is_untold(&leaf.object, leaf.id, source);
            dependencies.add(source, &scope.context());
        }
    }
}

async fn threshold(
    pass: &Pass<'_>,
    node: &NodeRef,
    threshold: Option<&Threshold>,
) -> Result<Option<Value>, TreeError> {
    match threshold {
        None => Ok(None),
        Some(Threshold::Fixed(value)) => Ok(Some(value.clone())),
        Some(Threshold::Leaf { up, down }) => match leaf_at(node, *up, down) {
            Some(leaf) => pass.leaf(&leaf).await,
            None => Ok(None),
        },
    }
}

fn is_stored(source: &SourceKind) -> bool {
    matches!(source, SourceKind::Store)
}

/// The leaves that a node is compared with.
fn compared(node: &NodeRef, condition: &Condition) -> Vec<NodeRef> {
    let leaf = |threshold: &Threshold| match threshold {
        Threshold::Leaf { up, down } => leaf_at(node, *up, down),
        Threshold::Fixed(_) => None,
    };
    condition.thresholds().filter_map(leaf).collect()
}

fn leaf_at(node: &NodeRef, up: usize, down: &[NodeId]) -> Option<NodeRef> {
    down.iter().try_fold(node.above(up)?, |parent, id| {
        let name = parent.object.node(*id).own_name().to_owned();
        (!name.is_empty()).then(|| parent.child(*id, &name))
    })
}

impl Walk<'_> {
    /// Finds what is at the end of the way, from a node that is `depth` steps on it.
    fn down<'f>(&'f mut self, node: NodeRef, depth: usize) -> Walked<'f> {
        Box::pin(async move {
            let Some(&next) = self.way.get(depth) else {
                self.add(node, None);
                return Ok(());
            };
            let description = node.object.node(next);
            if !description.is_unnamed() {
                let child = node.child(next, description.own_name());
                return self.down(child, depth + 1).await;
            }
            if let Some(list) = &description.mapping.list {
                let scope = self.tree.scope(&node, self.principal);
                self.found.dependencies.add_list(list, &scope.context());
            } else {
                self.found.keys.push(node.key().clone());
            }
            let children = match self.tree.children(&node, next, &self.state, self.principal).await {
                Ok(children) => children,
                Err(error @ TreeError::Store(_)) => return Err(error),
                Err(error) => {
                    self.found.failed = Some(error.to_string());
                    return Ok(());
                }
            };
            if children.is_empty() && self.is_away(&node, next).await {
                self.found.is_away = true;
                return Ok(());
            }
            let is_end = depth + 1 == self.way.len();
            let within = is_end.then(|| node.client_uri());
            self.found.listed.extend(within.clone());
            for child in children {
                if self.found.is_cut {
                    break;
                }
                let child = node.listed(next, &child);
                match &within {
                    Some(within) => self.add(child, Some(within.clone())),
                    None => self.down(child, depth + 1).await?,
                }
            }
            Ok(())
        })
    }

    /// Whether the service is not there whose objects the un-named description `id` lists.
    async fn is_away(&self, parent: &NodeRef, id: NodeId) -> bool {
        let Some(list) = &parent.object.node(id).mapping.list else { return false };
        let scope = self.tree.scope(parent, self.principal);
        backend::is_away(list, &scope.context()).await
    }

    fn add(&mut self, node: NodeRef, within: Option<String>) {
        if self.found.nodes.len() == MOST {
            self.found.is_cut = true;
            return;
        }
        self.found.nodes.push(WatchedNode { client_uri: node.client_uri(), node, within });
    }
}
