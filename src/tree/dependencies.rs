//! Dependencies of a part of the tree: for those who want to know when to read it again.

use std::future::Future;
use std::pin::Pin;

use crate::backend::Dependencies;
use crate::ddf::{AccessType, NodeName};
use crate::mo::mapping::{List, ListFrom, RecordsPlace, Source, SourceKind};
use crate::mo::{ManagementObject, NodeId};
use crate::package::Profile;
use crate::store::NodeKey;
use crate::uri::client::{ClientUri, Segment, Selector};
use crate::uri::encode_name;

use super::error::TreeError;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use super::state::TreeState;
use super::view::secret;

/// The most files that are told apart: what depends on more has to be read again now and then.
const MOST: usize = 256;

/// A walk in progress.
struct Walk<'a> {
    tree: &'a Tree,
    principal: &'a Principal<'a>,
    state: TreeState,
}

type Walked<'f> = Pin<Box<dyn Future<Output = Result<(), TreeError>> + Send + 'f>>;

impl Tree {
    /// The sources, besides the store, that `node` and the values at and below it come from.
    ///
    /// # Errors
    /// The store failed; a listing that fails makes no error.
    pub async fn dependencies(
        &self,
        node: &NodeRef,
        principal: &Principal<'_>,
    ) -> Result<Dependencies, TreeError> {
        let walk = Walk { tree: self, principal, state: TreeState::of(self.store.snapshot()?) };
        let mut found = Dependencies::default();
        let mut above = Some(node.clone());
        while let Some(listed) = above {
            above = listed.parent();
            if let (Some(parent), Some(list)) = (&above, &listed.mapping().list) {
                found.add_list(list, &self.scope(parent, principal).context());
            }
        }
        walk.visit(node, &mut found).await?;
        Ok(found)
    }

    /// The key that everything a server's `uri` may name is stored at or below, now or later. Nothing for an unknown
    /// MOID.
    #[must_use]
    pub fn key_of(&self, uri: &ClientUri, profile: Profile) -> Option<NodeKey> {
        let object = self.object_for(&uri.moid, profile)?;
        let Selector::Name(miid) = &uri.instance else { return Some(NodeKey::object(&object.moid)) };
        let mut key = NodeKey::instance(&object.moid, miid);
        let mut parent = ManagementObject::ROOT;
        for segment in &uri.path {
            let Segment::Name(name) = segment else { break };
            let Some(id) = object.child(parent, name) else { break };
            key = match &object.node(id).name {
                NodeName::Named(described) => key.child(described),
                NodeName::Unnamed(_) => key.child(&encode_name(name)),
            };
            parent = id;
        }
        Some(key)
    }
}

impl Walk<'_> {
    fn visit<'f>(&'f self, node: &'f NodeRef, found: &'f mut Dependencies) -> Walked<'f> {
        Box::pin(async move {
            if !node.properties().access.allows(AccessType::GET) || secret(node) {
                return Ok(());
            }
            if node.is_leaf() {
                return self.leaf(node, found);
            }
            for &id in node.object.children(node.id) {
                if let NodeName::Named(name) = &node.object.node(id).name {
                    self.visit(&node.child(id, name), found).await?;
                    continue;
                }
                if let Some(list) = &node.object.node(id).mapping.list {
                    found.add_list(list, &self.tree.scope(node, self.principal).context());
                }
                if !is_told_by_names(&node.object, id) {
                    self.nameless(node, id, found);
                    continue;
                }
                // A listing that fails now is tried again when the node is read.
                let children = self.tree.children(node, id, &self.state, self.principal).await;
                for child in children.unwrap_or_default() {
                    self.visit(&node.listed(id, &child), found).await?;
                    if found.files.len() > MOST {
                        found.others = true;
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }

    /// What all children of an un-named node come from, whatever they are called: no need to list them.
    fn nameless(&self, parent: &NodeRef, id: NodeId, found: &mut Dependencies) {
        let scope = self.tree.scope(parent, self.principal);
        for id in at_and_below(&parent.object, id) {
            for source in &parent.object.node(id).mapping.get {
                found.others |= is_untold(&parent.object, id, source);
                found.add(source, &scope.context());
            }
        }
        // A list in the list is here as well: none that has names in its place.
        for id in at_and_below(&parent.object, id).skip(1) {
            if let Some(list) = &parent.object.node(id).mapping.list {
                found.add_list(list, &scope.context());
            }
        }
    }

    fn leaf(&self, node: &NodeRef, found: &mut Dependencies) -> Result<(), TreeError> {
        let mapping = node.mapping();
        // What is pinned stays.
        if mapping.get.is_empty() || mapping.pin && self.state.snapshot.pin(node.key())?.is_some() {
            return Ok(());
        }
        let scope = self.tree.scope(node, self.principal);
        for source in &mapping.get {
            found.others |= is_untold(&node.object, node.id, source);
            found.add(source, &scope.context());
        }
        Ok(())
    }
}

/// Whether a source of a description is what a program has listed: of which elements there are, its `watch` tells, and
/// of what is said of each, nothing does but a `watch` of the source's own.
pub(super) fn is_untold(object: &ManagementObject, id: NodeId, source: &Source) -> bool {
    matches!(source.from, SourceKind::Item(_)) && source.watch.is_empty() && object.is_listed_by_program(id)
}

/// Whether what is at or below a description comes from files or lists of files, which may have the names of its
/// parents.
fn is_told_by_names(object: &ManagementObject, id: NodeId) -> bool {
    at_and_below(object, id).any(|below| {
        let mapping = &object.node(below).mapping;
        let file = |source: &Source| matches!(source.from, SourceKind::File { .. });
        let list = |list: &List| {
            matches!(list.from, ListFrom::Glob(_) | ListFrom::Records { place: RecordsPlace::File(_), .. })
        };
        mapping.get.iter().any(file) || below != id && mapping.list.as_deref().is_some_and(list)
    })
}

fn at_and_below(object: &ManagementObject, id: NodeId) -> impl Iterator<Item = NodeId> {
    let mut left = vec![id];
    std::iter::from_fn(move || {
        let next = left.pop()?;
        left.extend(object.children(next));
        Some(next)
    })
}
