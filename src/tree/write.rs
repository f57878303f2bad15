//! Writing: what HGET brought is validated whole, then applied whole or not at all (TS 5.4.1).
//!
//! Outside effects come first, each with what undoes it; the store's part is one transaction at the end. A
//! failure anywhere undoes the effects that were made, latest first.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::backend::{self, Answer, Undo};
use crate::ddf::{AccessType, NodeName, Occurrence, Scope};
use crate::mo::mapping::Call;
use crate::mo::{ManagementObject, Value};
use crate::store::{Change, NodeKey, Snapshot, Stored};

use super::document::Document;
use super::error::TreeError;
use super::node::NodeRef;
use super::registry::{Instance, Origin, Tree, Visitor, request};

/// How often a written value is read back until it shows.
const VERIFY_EVERY: std::time::Duration = std::time::Duration::from_millis(100);

/// What a write comes to, before anything is done.
#[derive(Default)]
struct Plan {
    effects: Vec<(NodeRef, Value)>,
    changes: Vec<Change>,
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
        let root = NodeRef::root(
            Arc::clone(object),
            Arc::new(Instance { miid: miid.unwrap_or_default(), origin }),
        );
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
            let child = node.child(id, &name, None);
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
            let child = node.child(id, &name, None);
            if unnamed && !child.is_leaf() {
                self.plan_unnamed(&child, snapshot, plan)?;
            }
            Box::pin(self.plan(&child, value, snapshot, visitor, plan)).await?;
        }
        Ok(())
    }

    /// An un-named interior node: a listed one is the machine's own, others are kept in the store.
    fn plan_unnamed(&self, node: &NodeRef, snapshot: &Snapshot, plan: &mut Plan) -> Result<(), TreeError> {
        if node.mapping().list.is_some() {
            return Ok(());
        }
        if snapshot.exists(&node.key())? {
            return Ok(());
        }
        allowed(node, AccessType::ADD, "may not be added")?;
        plan.changes.push(Change::Put(node.key(), Stored::Interior));
        Ok(())
    }

    fn check_counts(&self, node: &NodeRef, members: &serde_json::Map<String, Json>) -> Result<(), TreeError> {
        for &id in node.object.children(node.id) {
            let description = node.object.node(id);
            let (Occurrence::ZeroOrN(most) | Occurrence::OneOrN(most)) = description.properties.occurrence else {
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
            && !pattern.find(&text).is_some_and(|found| found.len() == text.len())
        {
            return Err(invalid(format!("does not match the pattern {:?}", pattern.as_str())));
        }
        drop(text);
        match &mapping.set {
            Some(sink) if !matches!(sink.to, Call::Store) => plan.effects.push((node.clone(), value)),
            None if from_outside && !kept_in_store(node) => {
                return Err(TreeError::NotAllowed { node: node.client_uri(), what: "can't be set" });
            }
            _ => plan.changes.push(Change::Put(node.key(), Stored::Leaf(value))),
        }
        Ok(())
    }

    async fn apply(&self, plan: Plan, visitor: &Visitor<'_>) -> Result<(), TreeError> {
        let mut undos: Vec<(NodeKey, Undo)> = Vec::new();
        let mut result = Ok(());
        for (node, value) in &plan.effects {
            result = self.effect(node, value, visitor, &mut undos).await;
            if result.is_err() {
                break;
            }
        }
        if result.is_ok() {
            result = self.store.commit(plan.changes).await.map_err(TreeError::from);
        }
        if result.is_err() {
            for (key, undo) in undos.into_iter().rev() {
                if let Err(error) = undo.undo().await {
                    let node = String::from_utf8_lossy(key.as_bytes()).replace('\0', "/");
                    log::error!("{node}: the value before could not be restored: {error}");
                }
            }
        }
        result
    }

    async fn effect(
        &self,
        node: &NodeRef,
        value: &Value,
        visitor: &Visitor<'_>,
        undos: &mut Vec<(NodeKey, Undo)>,
    ) -> Result<(), TreeError> {
        let Some(sink) = &node.mapping().set else { return Ok(()) };
        let failed = |source| TreeError::Backend { node: node.client_uri(), source };
        let siblings = self.siblings(node, visitor).await?;
        let view = self.view(node, visitor);
        let request = request(node, visitor);
        let context = self.context(node, &view, &siblings, &request);
        let undo = backend::write(sink, value, &context).await.map_err(failed)?;
        undos.push((node.key(), undo));
        match node.mapping().verify {
            Some(limit) if !node.mapping().get.is_empty() => self.verify(node, value, limit, &context).await,
            _ => Ok(()),
        }
    }

    async fn verify(
        &self,
        node: &NodeRef,
        value: &Value,
        limit: std::time::Duration,
        context: &backend::Context<'_>,
    ) -> Result<(), TreeError> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            for source in &node.mapping().get {
                match backend::read_source(source, node.properties().format, context).await {
                    Ok(Answer::Value { value: shown, .. }) if shown == *value => return Ok(()),
                    Ok(Answer::Value { .. }) => break,
                    Ok(Answer::Absent | Answer::Unavailable(_)) | Err(_) => {}
                }
            }
            if tokio::time::Instant::now() + VERIFY_EVERY > deadline {
                return Err(TreeError::NotVerified(node.client_uri()));
            }
            tokio::time::sleep(VERIFY_EVERY).await;
        }
    }

    /// The values of the sibling leaves that the node's `input` lists.
    pub(super) async fn siblings(
        &self,
        node: &NodeRef,
        visitor: &Visitor<'_>,
    ) -> Result<Vec<(String, String)>, TreeError> {
        let mut values = Vec::new();
        let Some(parent) = node.object.node(node.id).parent else { return Ok(values) };
        for name in &node.mapping().input {
            let Some(id) = node.object.child(parent, name) else { continue };
            let mut sibling = node.clone();
            sibling.id = id;
            sibling.names.pop();
            sibling.names.push(name.clone());
            if let Some(value) = self.text(&sibling, visitor).await? {
                values.push((name.clone(), value));
            }
        }
        Ok(values)
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
