//! Writing: what HGET brought is validated whole, then applied whole or not at all (TS 5.4.1).
//!
//! Outside effects come first, each with what undoes it; the store's part is one transaction at the end. A
//! failure anywhere undoes the effects that were made, latest first.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::backend::{self, Undo};
use crate::ddf::{AccessType, NodeName, Occurrence, Scope};
use crate::mo::mapping::Call;
use crate::mo::{ManagementObject, Value};
use crate::store::{Change, Snapshot, Stored};

use super::document::Document;
use super::error::TreeError;
use super::node::NodeRef;
use super::registry::{Instance, Origin, Tree, Visitor};

/// What a write comes to, before anything is done.
#[derive(Default)]
struct Plan {
    effects: Vec<Effect>,
    changes: Vec<Change>,
}

/// Something that happens outside the store.
enum Effect {
    /// The node's mapping sets a value.
    Set(NodeRef, Value),
    /// The un-named node's mapping adds it.
    Add(NodeRef),
}

impl Effect {
    fn node(&self) -> &NodeRef {
        match self {
            Self::Set(node, _) | Self::Add(node) => node,
        }
    }
}

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
        let mut plan = Plan::default();
        self.plan_leaf(node, value, visitor, &mut plan).await?;
        self.apply(plan, visitor).await
    }

    /// Replaces everything at `node` by `data`: what `data` lacks goes, unless it is permanent or required.
    ///
    /// # Errors
    /// As [`Tree::replace_leaf`].
    pub async fn replace(&self, node: &NodeRef, data: Json, visitor: &Visitor<'_>) -> Result<(), TreeError> {
        let mut plan = Plan::default();
        let snapshot = self.store.snapshot()?;
        self.plan(node, data, &snapshot, visitor, &mut plan).await?;
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
        let snapshot = self.store.snapshot()?;
        let known = self.instances(object, &snapshot)?;
        let miid = (1u64..).map(|n| n.to_string()).find(|miid| known.iter().all(|other| other.miid != *miid));
        let creator = visitor.maid();
        let origin = Origin::Created { creator: creator.clone() };
        let root =
            NodeRef::root(Arc::clone(object), Arc::new(Instance { miid: miid.unwrap_or_default(), origin }));
        let mut plan = Plan::default();
        plan.changes.push(Change::AddInstance { instance: root.key(), creator });
        let data = document.data_of(&root);
        self.plan(&root, data, &snapshot, visitor, &mut plan).await?;
        self.apply(plan, visitor).await?;
        Ok(root)
    }

    async fn plan(
        &self,
        node: &NodeRef,
        data: Json,
        snapshot: &Snapshot,
        visitor: &Visitor<'_>,
        plan: &mut Plan,
    ) -> Result<(), TreeError> {
        if node.is_leaf() {
            let value = Value::from_json(node.properties().format, &data)
                .map_err(|error| TreeError::Invalid { node: node.client_uri(), why: error.to_string() })?;
            return self.plan_leaf(node, value, visitor, plan).await;
        }
        let Json::Object(members) = data else {
            let why = "an interior node takes a JSON object".to_owned();
            return Err(TreeError::Invalid { node: node.client_uri(), why });
        };
        // What is stored and not in the new data goes; values that come from outside stay what they are.
        for name in snapshot.children(&node.key())? {
            let Some(id) = node.object.child(node.id, &name) else { continue };
            let child = node.child(id, &name);
            if !members.contains_key(&name) && !permanent(&child) {
                plan.changes.push(Change::Remove(child.key()));
            }
        }
        self.check_counts(node, &members)?;
        for (name, value) in members {
            let Some(id) = node.object.child(node.id, &name) else {
                let why = format!("the DDF has no node {name:?} here");
                return Err(TreeError::Invalid { node: node.client_uri(), why });
            };
            let unnamed = matches!(node.object.node(id).name, NodeName::Unnamed(_));
            let child = node.child(id, &name);
            if unnamed && !child.is_leaf() {
                self.plan_unnamed(node, &child, snapshot, visitor, plan).await?;
            }
            Box::pin(self.plan(&child, value, snapshot, visitor, plan)).await?;
        }
        Ok(())
    }

    /// An un-named interior node: a listed one is the machine's own, others are kept in the store.
    async fn plan_unnamed(
        &self,
        parent: &NodeRef,
        node: &NodeRef,
        snapshot: &Snapshot,
        visitor: &Visitor<'_>,
        plan: &mut Plan,
    ) -> Result<(), TreeError> {
        let mapping = node.mapping();
        if mapping.list.is_some() {
            let listed = self.children(parent, node.id, snapshot, visitor).await?;
            if listed.iter().any(|child| child.name == node.name()) {
                return Ok(());
            }
            allowed(node, AccessType::ADD, "may not be added")?;
            if mapping.add.is_none() {
                let what = "can't be added: its mapping does not say how";
                return Err(TreeError::NotAllowed { node: node.client_uri(), what });
            }
            plan.effects.push(Effect::Add(node.clone()));
            return Ok(());
        }
        if snapshot.exists(&node.key())? {
            return Ok(());
        }
        allowed(node, AccessType::ADD, "may not be added")?;
        if mapping.add.is_some() {
            plan.effects.push(Effect::Add(node.clone()));
        }
        plan.changes.push(Change::Put(node.key(), Stored::Interior));
        Ok(())
    }

    fn check_counts(&self, node: &NodeRef, members: &serde_json::Map<String, Json>) -> Result<(), TreeError> {
        for &id in node.object.children(node.id) {
            let description = node.object.node(id);
            let (Occurrence::ZeroOrN(most) | Occurrence::OneOrN(most)) = description.properties.occurrence
            else {
                continue;
            };
            let count = members.keys().filter(|name| node.object.child(node.id, name) == Some(id)).count();
            if u32::try_from(count).unwrap_or(u32::MAX) > most {
                let why = format!("{count} nodes where the DDF allows {most}");
                return Err(TreeError::Invalid { node: node.client_uri(), why });
            }
        }
        Ok(())
    }

    async fn plan_leaf(
        &self,
        node: &NodeRef,
        value: Value,
        visitor: &Visitor<'_>,
        plan: &mut Plan,
    ) -> Result<(), TreeError> {
        let mapping = node.mapping();
        let from_outside = !mapping.get.is_empty();
        if self.exists(node, visitor).await.unwrap_or(from_outside) {
            allowed(node, AccessType::REPLACE, "may not be replaced")?;
        } else if !node.properties().access.allows(AccessType::REPLACE) {
            allowed(node, AccessType::ADD, "may not be added")?;
        }
        let text = value.to_text();
        let invalid = |why: String| TreeError::Invalid { node: node.client_uri(), why };
        if let Some(most) = mapping.max_len
            && text.len() > most
        {
            return Err(invalid(format!("{} bytes where {most} are allowed", text.len())));
        }
        if let Some(pattern) = &mapping.pattern
            && !pattern.is_match(&text)
        {
            return Err(invalid(format!("does not match the pattern {:?}", pattern.as_str())));
        }
        drop(text);
        match &mapping.set {
            Some(sink) if !matches!(sink.to, Call::Store) => {
                plan.effects.push(Effect::Set(node.clone(), value));
            }
            None if from_outside && !kept_in_store(node) => {
                return Err(TreeError::NotAllowed { node: node.client_uri(), what: "can't be set" });
            }
            _ => plan.changes.push(Change::Put(node.key(), Stored::Leaf(value))),
        }
        Ok(())
    }

    async fn apply(&self, plan: Plan, visitor: &Visitor<'_>) -> Result<(), TreeError> {
        let mut undos: Vec<(String, Undo)> = Vec::new();
        let mut result = Ok(());
        for effect in &plan.effects {
            result = self.perform(effect, visitor, &mut undos).await;
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

    async fn perform(
        &self,
        effect: &Effect,
        visitor: &Visitor<'_>,
        undos: &mut Vec<(String, Undo)>,
    ) -> Result<(), TreeError> {
        let node = effect.node();
        let failed = |source| TreeError::Backend { node: node.client_uri(), source };
        let scope = self.scope_with_input(node, visitor).await?;
        let context = scope.context();
        let mapping = node.mapping();
        let undo = match (effect, &mapping.set, &mapping.add) {
            (Effect::Set(_, value), Some(sink), _) => backend::set(sink, value, &context).await,
            (Effect::Add(_), _, Some(call)) => backend::call(call, None, &context).await,
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

fn allowed(node: &NodeRef, access: AccessType, what: &'static str) -> Result<(), TreeError> {
    if node.properties().access.allows(access) {
        Ok(())
    } else {
        Err(TreeError::NotAllowed { node: node.client_uri(), what })
    }
}

/// Whether a node stays when a server's data lacks it.
fn permanent(node: &NodeRef) -> bool {
    let named = matches!(node.object.node(node.id).name, NodeName::Named(_));
    node.properties().scope == Scope::Permanent || (named && super::read::required(node))
}

fn kept_in_store(node: &NodeRef) -> bool {
    node.mapping().get.iter().any(|source| matches!(source.from, crate::mo::mapping::From::Store))
}
