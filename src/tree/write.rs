//! Writing: what HGET brought is validated whole, then applied whole or not at all (TS 5.4.1).
//!
//! Outside effects come first, each with what undoes it; the store's part is one transaction at the end. A
//! failure anywhere undoes the effects that were made, latest first.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::backend::{self, Undo};
use crate::mo::{ManagementObject, Value};
use crate::store::Change;

use super::access::Rights;
use super::delegation;
use super::document::Document;
use super::error::TreeError;
use super::node::NodeRef;
use super::plan::{Effect, Plan};
use super::registry::{Instance, Origin, Tree, Visitor};
use super::rules;

impl Tree {
    /// Replaces a leaf's value.
    ///
    /// # Errors
    /// The DDF or the rights forbid it, the value does not fit, or an effect failed: nothing has changed.
    pub async fn replace_leaf(
        &self,
        node: &NodeRef,
        value: Value,
        visitor: &Visitor<'_>,
    ) -> Result<(), TreeError> {
        let pass = self.pass(visitor)?;
        self.authorise(node, visitor, Rights::WRITE, &pass.snapshot)?;
        let mut plan = Plan::default();
        plan.targets.push(node.clone());
        plan.leaf(&pass, node, value).await?;
        rules::check(&pass, &mut plan).await?;
        self.apply(plan, visitor).await
    }

    /// Replaces everything at `node` by `data`: what `data` lacks goes, unless it is permanent or required.
    ///
    /// # Errors
    /// As [`Tree::replace_leaf`].
    pub async fn replace(&self, node: &NodeRef, data: Json, visitor: &Visitor<'_>) -> Result<(), TreeError> {
        let pass = self.pass(visitor)?;
        self.authorise(node, visitor, Rights::WRITE, &pass.snapshot)?;
        let mut plan = Plan::default();
        plan.targets.push(node.clone());
        plan.replace(&pass, node, data).await?;
        rules::check(&pass, &mut plan).await?;
        self.apply(plan, visitor).await
    }

    /// Creates an instance of a dynamic management object and assigns its MIID. Returns its root.
    ///
    /// # Errors
    /// As [`Tree::replace_leaf`].
    pub async fn create(
        &self,
        object: &Arc<ManagementObject>,
        document: Document,
        visitor: &Visitor<'_>,
    ) -> Result<NodeRef, TreeError> {
        if !visitor.sees(object) {
            return Err(TreeError::NotFound(object.moid.clone()));
        }
        if !object.dynamic {
            let node = object.moid.clone();
            return Err(TreeError::NotAllowed { node, what: "servers may not create instances" });
        }
        let pass = self.pass(visitor)?;
        let known = self.instances(object, &pass.snapshot)?;
        let miid = (1u64..).map(|n| n.to_string()).find(|miid| known.iter().all(|other| other.miid != *miid));
        let creator = visitor.maid();
        let origin = Origin::Created { creator: creator.clone() };
        let root =
            NodeRef::root(Arc::clone(object), Arc::new(Instance { miid: miid.unwrap_or_default(), origin }));
        let mut plan = Plan::default();
        // Nor does it inherit data that a slow write left behind after its predecessor had gone.
        plan.changes.extend([Change::Remove(root.key()), delegation::forget(&root)]);
        plan.changes.push(Change::AddInstance { instance: root.key(), creator });
        let data = document.data_of(&root);
        plan.targets.push(root.clone());
        plan.replace(&pass, &root, data).await?;
        rules::check(&pass, &mut plan).await?;
        self.apply(plan, visitor).await?;
        Ok(root)
    }

    pub(super) async fn apply(&self, plan: Plan, visitor: &Visitor<'_>) -> Result<(), TreeError> {
        let mut undos: Vec<(String, Undo)> = Vec::new();
        let mut result = Ok(());
        for effect in &plan.effects {
            result = self.perform(effect, &plan.changes, visitor, &mut undos).await;
            if result.is_err() {
                break;
            }
        }
        if result.is_ok() {
            result = self.store.commit(plan.changes).await.map_err(TreeError::from);
        }
        if result.is_err() {
            for (node, undo) in undos.into_iter().rev() {
                if let Err(error) = undo.undo().await {
                    log::error!("{node}: the value before could not be restored: {error}");
                }
            }
        }
        result
    }

    /// `changes` will be in the store once all effects have happened.
    async fn perform(
        &self,
        effect: &Effect,
        changes: &[Change],
        visitor: &Visitor<'_>,
        undos: &mut Vec<(String, Undo)>,
    ) -> Result<(), TreeError> {
        let node = effect.node();
        let failed = |source| TreeError::Backend { node: node.client_uri(), source };
        let scope = self.scope_with_input(node, visitor, changes).await?;
        let context = scope.context();
        let mapping = node.mapping();
        let undo = match (effect, &mapping.set, &mapping.add, &mapping.delete) {
            (Effect::Set(_, value), Some(sink), _, _) => backend::set(sink, value, &context).await,
            (Effect::Add(_), _, Some(call), _) | (Effect::Delete(_), _, _, Some(call)) => {
                backend::call(call, None, &context).await
            }
            _ => return Ok(()),
        };
        undos.extend(undo.map_err(failed)?.map(|undo| (node.client_uri(), undo)));
        if let Effect::Set(_, value) = effect {
            let format = node.properties().format;
            if !backend::verified(mapping, format, value, &context).await.map_err(failed)? {
                return Err(TreeError::NotVerified(node.client_uri()));
            }
        }
        Ok(())
    }
}
