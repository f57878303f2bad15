//! What an effect's program is given of the leaves beside its node.

use super::error::TreeError;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use super::state::Planned;
use super::view::Scope;

impl Tree {
    /// For effects: with the values of the sibling leaves that the node's `input` lists, as they will be once all of
    /// what is `planned` is done.
    pub(super) async fn scope_with_input<'a>(
        &'a self,
        node: &'a NodeRef,
        principal: &Principal<'a>,
        planned: &Planned,
    ) -> Result<Scope<'a>, TreeError> {
        let mut scope = self.scope(node, principal);
        for name in &node.mapping().input {
            let Some(sibling) = node.sibling(name) else { continue };
            let value = match planned.leaf(&sibling.key()) {
                Some(planned) => planned,
                None => self.value(&sibling, principal).await?,
            };
            if let Some(value) = value {
                scope.siblings.push((name.clone(), value));
            }
        }
        Ok(scope)
    }
}
