//! DELETE (TS 5.4.4).

use crate::ddf::{AccessType, Scope};
use crate::store::Change;

use super::access::Rights;
use super::delegation;
use super::error::TreeError;
use super::node::NodeRef;
use super::plan::Plan;
use super::registry::{Origin, Tree, Visitor};
use super::rules;

impl Tree {
    /// Deletes a node and all below it.
    ///
    /// # Errors
    /// The node is permanent or its DDF gives no Delete access; it does not exist; an effect failed.
    pub async fn delete(&self, node: &NodeRef, visitor: &Visitor<'_>) -> Result<(), TreeError> {
        let properties = node.properties();
        let not_allowed = |what| Err(TreeError::NotAllowed { node: node.client_uri(), what });
        if properties.scope == Scope::Permanent {
            return not_allowed("is permanent");
        }
        if !properties.access.allows(AccessType::DELETE) {
            return not_allowed("may not be deleted");
        }
        let pass = self.pass(visitor)?;
        self.authorise(node, visitor, Rights::WRITE, &pass.snapshot)?;
        if node.is_root() {
            return match node.instance.origin {
                Origin::Created { .. } => {
                    let changes = vec![Change::RemoveInstance(node.key()), delegation::forget(node)];
                    Ok(self.store.commit(changes).await?)
                }
                Origin::Device | Origin::Account | Origin::Delegation { .. } => {
                    not_allowed("is the device's own instance")
                }
            };
        }
        if !pass.exists(node).await? {
            return Err(TreeError::NotFound(node.client_uri()));
        }
        let mapping = node.mapping();
        if mapping.delete.is_none() {
            if mapping.list.is_some() {
                return not_allowed("is the machine's own, and its mapping says nothing of deletion");
            }
            if !mapping.get.is_empty() && !pass.snapshot.exists(&node.key())? {
                return not_allowed("does not come from the store, and its mapping says nothing of deletion");
            }
        }
        let mut plan = Plan::default();
        plan.targets.push(node.clone());
        plan.delete(&pass, node.clone())?;
        rules::check(&pass, &mut plan).await?;
        self.apply(plan, visitor).await
    }
}
