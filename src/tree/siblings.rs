//! The un-named children of a node, to be looked up by their names.

use crate::backend::Child;

use super::error::TreeError;
use super::node::NodeRef;
use super::read::Pass;
use super::registry::Tree;

/// By name.
#[derive(Debug, Default)]
pub(super) struct Siblings(Vec<Child>);

impl Siblings {
    fn new(mut children: Vec<Child>) -> Self {
        children.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Self(children)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Child> {
        let at = self.0.binary_search_by(|child| child.name.as_str().cmp(name)).ok()?;
        self.0.get(at)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Child> {
        self.0.iter()
    }
}

impl Pass<'_> {
    /// The un-named children of a node.
    pub(super) async fn unnamed(&self, node: &NodeRef) -> Result<Siblings, TreeError> {
        match node.object.unnamed_child(node.id) {
            Some(id) => self.tree.children(node, id, &self.state, self.principal).await.map(Siblings::new),
            None => Ok(Siblings::default()),
        }
    }

    /// Those of the un-named children of `parent` that matter where only `node` is looked for: itself, if that is all that
    /// is read.
    pub(super) async fn sibling(&self, parent: &NodeRef, node: &NodeRef) -> Result<Siblings, TreeError> {
        if !Tree::is_stored_by_name(parent, node.id) {
            return self.unnamed(parent).await;
        }
        let found = Tree::stored_child(parent, node.id, node.name(), &self.state)?;
        Ok(Siblings(found.map(|found| found.as_child()).into_iter().collect()))
    }
}
