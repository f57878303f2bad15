//! Siblings: the children that an un-named description has right now, listed by the machine, kept in the store, or
//! entries of access rights. Step 3 of a read.

use std::sync::{Arc, PoisonError};

use crate::backend::{self, Answer, Child, Seen};
use crate::base::Order as _;
use crate::mo::mapping::List;
use crate::mo::{ManagementObject, NodeId};
use crate::tree::error::TreeError;
use crate::tree::node::NodeRef;
use crate::tree::principal::Principal;
use crate::tree::registry::Tree;
use crate::tree::state::TreeState;
use crate::uri::decode_name;

use super::pass::Pass;

/// Whether the children of an un-named description are listed, and not found in the store.
pub(in crate::tree) fn is_listed(object: &ManagementObject, id: NodeId) -> bool {
    object.per_object || object.node(id).mapping.list.is_some()
}

impl Tree {
    /// The children of `parent` that the un-named description `id` has right now. [`Tree::stored_child`] must agree.
    pub(in crate::tree) async fn children(
        &self,
        parent: &NodeRef,
        id: NodeId,
        state: &TreeState,
        principal: &Principal<'_>,
    ) -> Result<Vec<Child>, TreeError> {
        match listing_of(parent, id) {
            Some(list) => {
                let listed = self.list(list, parent, principal, None).await?;
                Ok(state.planned.listed(parent.key(), listed))
            }
            None => self.kept_children(parent, id, state, principal),
        }
    }

    /// The children that no machine lists.
    fn kept_children(
        &self,
        parent: &NodeRef,
        id: NodeId,
        state: &TreeState,
        principal: &Principal<'_>,
    ) -> Result<Vec<Child>, TreeError> {
        if parent.object.per_object {
            return self.delegation_entries(parent, principal, state);
        }
        let stored = state.children(parent.key())?.into_iter();
        // Stored siblings with a name of their own are not children of the un-named node.
        let unnamed = stored.filter(|name| parent.object.child(parent.id, name) == Some(id));
        Ok(unnamed.map(|name| Child { captured: decode_name(&name), name, item: None }).collect())
    }

    /// The children that the machine lists.
    async fn list(
        &self,
        list: &List,
        parent: &NodeRef,
        principal: &Principal<'_>,
        seen: Option<&Seen>,
    ) -> Result<Vec<Child>, TreeError> {
        let mut scope = self.scope(parent, principal);
        scope.seen = seen;
        match backend::list(list, &scope.context()).await {
            Ok(Answer::Value(children)) => Ok(children),
            Ok(Answer::Absent(why)) => {
                log::debug!("{}: a list has no children: {why}", parent.client_uri());
                Ok(Vec::new())
            }
            Ok(Answer::Unavailable(why)) => Err(TreeError::Unavailable { node: parent.client_uri(), why }),
            Err(source) => Err(TreeError::Backend { node: parent.client_uri(), source }),
        }
    }

    /// Whether the un-named children are in the store, under the very names that they go by.
    pub(in crate::tree) fn is_stored_by_name(parent: &NodeRef, id: NodeId) -> bool {
        let description = parent.object.node(id);
        !is_listed(&parent.object, id) && !description.ignores_case()
    }

    /// The one of [`Tree::children`] called `name`, where [`Tree::is_stored_by_name`].
    pub(in crate::tree) fn stored_child(
        parent: &NodeRef,
        id: NodeId,
        name: &str,
        state: &TreeState,
    ) -> Result<Option<NodeRef>, TreeError> {
        let child = parent.child(id, name);
        Ok(state.exists(child.key())?.then_some(child))
    }
}

fn listing_of(parent: &NodeRef, id: NodeId) -> Option<&List> {
    let list = parent.object.node(id).mapping.list.as_deref();
    list.filter(|_| !parent.object.per_object)
}

/// The un-named children of a node, to be looked up by their names.
#[derive(Debug, Default)]
pub(in crate::tree) struct Siblings(Vec<Child>);

impl Siblings {
    fn new(mut children: Vec<Child>) -> Self {
        children.order_by(|one, other| one.name.cmp(&other.name));
        Self(children)
    }

    pub(in crate::tree) fn get(&self, name: &str) -> Option<&Child> {
        let at = self.0.binary_search_by(|child| child.name.as_str().cmp(name)).ok()?;
        self.0.get(at)
    }

    pub(in crate::tree) fn len(&self) -> usize {
        self.0.len()
    }

    pub(in crate::tree) fn iter(&self) -> std::slice::Iter<'_, Child> {
        self.0.iter()
    }
}

impl Pass<'_> {
    /// The children of `parent` that the un-named description `id` has. The machine is asked once for each listing.
    pub(in crate::tree) async fn children(
        &self,
        parent: &NodeRef,
        id: NodeId,
    ) -> Result<Arc<[Child]>, TreeError> {
        let Pass { tree, principal, state, listings, .. } = self;
        let Some(list) = listing_of(parent, id) else {
            return tree.kept_children(parent, id, state, principal).map(Arc::from);
        };
        let key = parent.key();
        let known = listings.lock().unwrap_or_else(PoisonError::into_inner).get(key.as_bytes());
        let listed = match known {
            Some(known) => known,
            None => {
                let listed: Arc<[Child]> = tree.list(list, parent, principal, Some(&self.seen)).await?.into();
                let mut listings = listings.lock().unwrap_or_else(PoisonError::into_inner);
                let kept = listings.keep(key.as_bytes(), &listed);
                kept.map_err(|most| TreeError::ListsTooLarge { node: parent.client_uri(), most })?;
                listed
            }
        };
        Ok(match state.planned.is_of_machine() {
            true => state.planned.listed(key, listed.to_vec()).into(),
            false => listed,
        })
    }

    /// The un-named children of a node.
    pub(in crate::tree) async fn unnamed(&self, node: &NodeRef) -> Result<Siblings, TreeError> {
        match node.object.unnamed_child(node.id) {
            Some(id) => self.children(node, id).await.map(|found| Siblings::new(found.to_vec())),
            None => Ok(Siblings::default()),
        }
    }

    /// The un-named children of `parent` that matter where only `node` is looked for: itself, if that is all that is
    /// read.
    pub(in crate::tree) async fn sibling(
        &self,
        parent: &NodeRef,
        node: &NodeRef,
    ) -> Result<Siblings, TreeError> {
        if !Tree::is_stored_by_name(parent, node.id) {
            return self.unnamed(parent).await;
        }
        let found = Tree::stored_child(parent, node.id, node.name(), &self.state)?;
        Ok(Siblings(found.map(|found| found.as_child()).into_iter().collect()))
    }
}
