//! Deleting nodes: by DELETE (TS 5.4.4), and as a write leaves them out.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use crate::ddf::{AccessType, NodeName, Scope};
use crate::mo::{ManagementObject, NodeId};
use crate::store::Change;

use super::delegation::{self, Edit};
use super::effect::{Effect, outside};
use super::error::TreeError;
use super::instance::Provenance;
use super::node::NodeRef;
use super::plan::Plan;
use super::principal::Principal;
use super::registry::Tree;
use super::validate::Members;
use super::view::{Pass, Siblings, required};
use crate::base::yielding::Yielder;

impl Tree {
    /// Deletes nodes and all below them: all, or none.
    ///
    /// # Errors
    /// One is permanent or required, or its DDF gives no Delete access; one does not exist; an effect failed.
    pub async fn delete(&self, nodes: &[NodeRef], principal: &Principal<'_>) -> Result<(), TreeError> {
        let _writer = self.store.writer().await;
        let pass = self.pass(principal)?;
        let mut plan = Plan::default();
        for node in nodes {
            plan.yielder.step().await;
            plan.delete(&pass, node).await?;
        }
        plan.check_what_is_left(&pass).await?;
        plan.plan_delegations(&pass)?;
        self.apply(plan, principal).await
    }

    /// The nodes that exist: what stands behind a wildcard need not be there in all that it matches.
    ///
    /// # Errors
    /// As reading them.
    pub async fn existing(
        &self,
        nodes: Vec<NodeRef>,
        principal: &Principal<'_>,
    ) -> Result<Vec<NodeRef>, TreeError> {
        let pass = self.pass(principal)?;
        let (mut existing, mut yielder) = (Vec::with_capacity(nodes.len()), Yielder::default());
        for node in nodes {
            yielder.step().await;
            if node.is_root() || pass.is_there(&node).await? {
                existing.push(node);
            }
        }
        Ok(existing)
    }
}

impl Pass<'_> {
    /// Whether a node exists, be it one that nobody may read.
    async fn is_there(&self, node: &NodeRef) -> Result<bool, TreeError> {
        Ok(self.state.exists(node.key())? || self.exists(node).await?)
    }
}

impl Plan {
    /// Plans to delete a node that a server named.
    async fn delete(&mut self, pass: &Pass<'_>, node: &NodeRef) -> Result<(), TreeError> {
        self.authorise(pass, node)?;
        let not_allowed = |what| Err(TreeError::NotAllowed { node: node.client_uri(), what });
        let properties = node.properties();
        if properties.scope == Scope::Permanent {
            return not_allowed("is permanent");
        }
        if !properties.access.allows(AccessType::DELETE) {
            return not_allowed("may not be deleted");
        }
        self.targets.push(node.clone());
        if node.is_root() {
            let Provenance::Created { .. } = node.instance.provenance else {
                return not_allowed("is the device's own instance");
            };
            self.changes.extend([Change::RemoveInstance(node.key().clone()), delegation::forget(node)]);
            return self.unmake(pass, node.clone(), false).await;
        }
        if required(node) && !node.object.node(node.id).is_unnamed() {
            return not_allowed("is required by its DDF");
        }
        if !pass.is_there(node).await? {
            return Err(TreeError::NotFound(node.client_uri()));
        }
        let mapping = node.mapping();
        if mapping.list.is_some() && outside(mapping.delete.as_deref()).is_none() {
            return not_allowed("is the machine's own, and its mapping says nothing of deletion");
        }
        self.remove(pass, node.clone(), true).await
    }

    /// Checks that un-named nodes are left where the DDF requires one.
    async fn check_what_is_left(&self, pass: &Pass<'_>) -> Result<(), TreeError> {
        let mut going: BTreeMap<Vec<u8>, (NodeRef, usize)> = BTreeMap::new();
        for node in &self.targets {
            let Some(parent) = node.parent().filter(|_| required(node)) else { continue };
            let key = parent.key().as_bytes().to_vec();
            going.entry(key).or_insert((parent, 0)).1 += 1;
        }
        for (parent, count) in going.into_values() {
            if pass.unnamed(&parent).await?.len() <= count {
                let what = "must keep one of its un-named nodes";
                return Err(TreeError::NotAllowed { node: parent.client_uri(), what });
            }
        }
        Ok(())
    }

    /// Plans to delete the nodes in `node` that its new data lacks, unless they are permanent, required, or the DDF
    /// gives no Delete access: then what is in them goes, by the same rule. Of what is the machine's, only that which
    /// the mapping can delete. Returns how many un-named nodes stay.
    pub(super) async fn remove_others(
        &mut self,
        pass: &Pass<'_>,
        node: &NodeRef,
        members: &Members,
        found: &Siblings,
    ) -> Result<usize, TreeError> {
        let mut staying = 0;
        for &id in node.object.children(node.id) {
            match &node.object.node(id).name {
                NodeName::Named(name) => {
                    let child = node.child(id, name);
                    if members.contains_key(name) {
                        continue;
                    }
                    if required(&child) || !may_go(&child) {
                        self.empty(pass, &child).await?;
                    } else if pass.state.exists(child.key())? || machine_has(pass, &child).await? {
                        self.remove(pass, child, false).await?;
                    }
                }
                NodeName::Unnamed(_) => {
                    for found in found.iter().filter(|found| !members.contains_key(&found.name)) {
                        self.yielder.step().await;
                        let child = node.listed(id, found);
                        if can_go(&child) {
                            self.remove(pass, child, false).await?;
                        } else {
                            self.empty(pass, &child).await?;
                            staying += 1;
                        }
                    }
                }
            }
        }
        Ok(staying)
    }

    /// Plans to empty a node that stays though the new data lacks it. Un-named nodes in it stay where the DDF requires
    /// one.
    fn empty<'f>(
        &'f mut self,
        pass: &'f Pass<'_>,
        node: &'f NodeRef,
    ) -> Pin<Box<dyn Future<Output = Result<(), TreeError>> + Send + 'f>> {
        Box::pin(async move {
            let unnamed = node.object.unnamed_child(node.id).map(|id| node.child(id, ""));
            // The machine is asked for nothing that stays in any case.
            let found = match unnamed.is_some_and(|unnamed| !required(&unnamed) && can_go(&unnamed)) {
                true => pass.unnamed(node).await?,
                false => Siblings::default(),
            };
            self.remove_others(pass, node, &Members::new(), &found).await.map(drop)
        })
    }

    /// Plans to remove a node and all below it. `wholly`: what the machine would still show of it is an error.
    async fn remove(&mut self, pass: &Pass<'_>, node: NodeRef, wholly: bool) -> Result<(), TreeError> {
        if node.object.per_object {
            return self.delegations.make(pass, &node, Edit::Delete);
        }
        self.changes.push(Change::Remove(node.key().clone()));
        self.unmake(pass, node, wholly).await
    }

    /// Plans the machine's part of a node's removal.
    fn unmake<'f>(
        &'f mut self,
        pass: &'f Pass<'_>,
        node: NodeRef,
        wholly: bool,
    ) -> Pin<Box<dyn Future<Output = Result<(), TreeError>> + Send + 'f>> {
        Box::pin(async move {
            let mapping = node.mapping();
            if outside(mapping.delete.as_deref()).is_some() {
                self.effects.push(Effect::Delete(node));
                return Ok(());
            }
            if !is_the_machines(&node.object, node.id) {
                return Ok(());
            }
            let stays = mapping.list.is_some() || !mapping.get.is_empty();
            if wholly && stays && !pass.state.exists(node.key())? && pass.exists(&node).await? {
                let what = "does not come from the store, and its mapping says nothing of deletion";
                return Err(TreeError::NotAllowed { node: node.client_uri(), what });
            }
            for &id in node.object.children(node.id) {
                match &node.object.node(id).name {
                    NodeName::Named(name) => {
                        let child = node.child(id, name);
                        if is_the_machines(&child.object, id) && pass.exists(&child).await? {
                            self.unmake(pass, child, wholly).await?;
                        }
                    }
                    NodeName::Unnamed(_) if is_the_machines(&node.object, id) => {
                        // What is in a node of the store is not reached without it.
                        let wholly = wholly && node.object.node(id).mapping.list.is_some();
                        for found in pass.unnamed(&node).await?.iter() {
                            self.unmake(pass, node.listed(id, found), wholly).await?;
                        }
                    }
                    NodeName::Unnamed(_) => {}
                }
            }
            Ok(())
        })
    }
}

/// Whether a write takes a node away whose data lacks it.
fn may_go(node: &NodeRef) -> bool {
    let properties = node.properties();
    properties.scope != Scope::Permanent && properties.access.allows(AccessType::DELETE)
}

/// Whether a write takes an un-named node away whose data lacks it.
fn can_go(node: &NodeRef) -> bool {
    let mapping = node.mapping();
    (mapping.list.is_none() || outside(mapping.delete.as_deref()).is_some()) && may_go(node)
}

/// Whether a node exists outside the store, and its mapping can take it away.
async fn machine_has(pass: &Pass<'_>, node: &NodeRef) -> Result<bool, TreeError> {
    Ok(outside(node.mapping().delete.as_deref()).is_some() && pass.exists(node).await?)
}

/// Whether anything at or below a description comes from elsewhere than the store, or has to be told of its end.
fn is_the_machines(object: &ManagementObject, id: NodeId) -> bool {
    let mapping = &object.node(id).mapping;
    let own =
        mapping.list.is_some() || !mapping.get.is_empty() || outside(mapping.delete.as_deref()).is_some();
    own || object.children(id).iter().any(|child| is_the_machines(object, *child))
}
