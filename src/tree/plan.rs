//! What a write comes to, before anything is done: every node of the new data is checked against the DDF.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::backend::Child;
use crate::ddf::{AccessType, NodeName, Occurrence, Scope};
use crate::mo::mapping::{Call, From};
use crate::mo::{NodeId, Value};
use crate::store::{Change, NodeKey, Stored};
use crate::uri::{decode_name, encode_name};

use super::delegation::{Edit, Edits};
use super::error::TreeError;
use super::node::NodeRef;
use super::read::{Pass, required};
use super::rules::{self, Ruling};

/// The most nodes of one write: more are no management object but an attack on the device's memory.
const MOST_NODES: usize = 100_000;
/// The longest name of an un-named node, in bytes.
const LONGEST_NAME: usize = 255;
/// The largest value that the store keeps, in bytes. A page with a larger one is read for each of its neighbours, and does
/// not fit the store's cache.
const LARGEST_STORED: usize = 128 << 10;

/// What is to be done, all or nothing.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) effects: Vec<Effect>,
    pub(super) changes: Vec<Change>,
    /// What was asked for: the nodes that are replaced, created or deleted, with all below them.
    pub(super) targets: Vec<NodeRef>,
    /// What is done to access rights.
    pub(super) delegations: Edits,
    nodes: usize,
}

/// Something that happens outside the store.
pub(super) enum Effect {
    /// The node's mapping sets a value.
    Set(NodeRef, Value),
    /// The un-named node's mapping adds it.
    Add(NodeRef),
    /// The node's mapping deletes it.
    Delete(NodeRef),
}

impl Effect {
    pub(super) fn node(&self) -> &NodeRef {
        match self {
            Self::Set(node, _) | Self::Add(node) | Self::Delete(node) => node,
        }
    }
}

impl Plan {
    /// `data` in place of all that is at `node`.
    pub(super) async fn replace(
        &mut self,
        pass: &Pass<'_>,
        node: &NodeRef,
        data: Json,
    ) -> Result<(), TreeError> {
        if node.object.per_object {
            return self.delegations.make(pass, node, Edit::Replace(data));
        }
        if node.is_leaf() {
            let value =
                Value::from_json(node.properties().format, &data).map_err(|error| invalid(node, &error))?;
            return self.leaf(pass, node, value).await;
        }
        let Json::Object(members) = data else {
            return Err(invalid(node, &"an interior node takes a JSON object"));
        };
        self.nodes = self.nodes.saturating_add(members.len());
        if self.nodes > MOST_NODES {
            return Err(TreeError::Full(node.client_uri()));
        }
        let members = described(node, members)?;
        check_counts(node, &members)?;
        // One listing serves all children.
        let unnamed = node.object.unnamed_child(node.id);
        let listed = match unnamed.filter(|id| node.object.node(*id).mapping.list.is_some()) {
            Some(id) => pass.tree.children(node, id, &pass.snapshot, pass.visitor).await?,
            None => Vec::new(),
        };
        self.remove_others(pass, node, &members, &listed)?;
        for (name, (id, value)) in members {
            let mut child = node.child(id, &name);
            if node.object.node(id).is_unnamed() && !child.is_leaf() {
                child = self.unnamed(pass, node, child, &listed)?;
            }
            Box::pin(self.replace(pass, &child, value)).await?;
        }
        Ok(())
    }

    /// What is there and not in the new data goes, unless it is permanent. Of what the machine lists, only that
    /// which the mapping can delete; values that come from outside stay what they are.
    fn remove_others(
        &mut self,
        pass: &Pass<'_>,
        node: &NodeRef,
        members: &BTreeMap<String, (NodeId, Json)>,
        listed: &[Child],
    ) -> Result<(), TreeError> {
        for name in pass.snapshot.children(&node.key())? {
            let Some(id) = node.object.child(node.id, &name) else { continue };
            let child = node.child(id, &name);
            if !members.contains_key(&name) && !permanent(&child) && child.mapping().list.is_none() {
                self.delete(pass, child)?;
            }
        }
        let unnamed = node.object.unnamed_child(node.id);
        for (found, id) in listed.iter().filter_map(|found| Some((found, unnamed?))) {
            let child = node.listed(id, found);
            if !members.contains_key(&found.name) && !permanent(&child) && child.mapping().delete.is_some() {
                self.delete(pass, child)?;
            }
        }
        Ok(())
    }

    /// A node and all below it go.
    ///
    /// # Errors
    /// The object's own rules forbid it.
    pub(super) fn delete(&mut self, pass: &Pass<'_>, node: NodeRef) -> Result<(), TreeError> {
        rules::delete(pass, &node)?;
        if node.object.per_object {
            return self.delegations.make(pass, &node, Edit::Delete);
        }
        self.changes.push(Change::Remove(node.key()));
        if node.mapping().delete.is_some() {
            self.effects.push(Effect::Delete(node));
        }
        Ok(())
    }

    /// What a leaf will hold when all is done; none if nothing.
    ///
    /// # Errors
    /// As reading it.
    #[expect(dead_code, reason = "for the rules of the objects that the agent lives by")]
    pub(super) async fn after(&self, pass: &Pass<'_>, node: &NodeRef) -> Result<Option<Value>, TreeError> {
        match self.planned(&node.key()) {
            Some(planned) => Ok(planned),
            None => pass.leaf(node).await,
        }
    }

    /// What the change makes of a leaf, if it says anything of it: the latest word counts.
    fn planned(&self, key: &NodeKey) -> Option<Option<Value>> {
        let set = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Set(node, value) if node.key() == *key => Some(value.clone()),
            _ => None,
        });
        let stored = || {
            self.changes.iter().rev().find_map(|change| match change {
                Change::Put(changed, Stored::Leaf(value)) if changed == key => Some(Some(value.clone())),
                Change::Remove(gone) if key.is_at_or_below(gone) => Some(None),
                _ => None,
            })
        };
        set.map(Some).or_else(stored)
    }

    /// An un-named interior node: a listed one is the machine's own, others are kept in the store.
    fn unnamed(
        &mut self,
        pass: &Pass<'_>,
        parent: &NodeRef,
        mut node: NodeRef,
        listed: &[Child],
    ) -> Result<NodeRef, TreeError> {
        let mapping = node.mapping();
        if mapping.list.is_some() {
            if let Some(found) = listed.iter().find(|child| child.name == node.name()) {
                return Ok(parent.listed(node.id, found));
            }
            allowed(&node, AccessType::ADD, "may not be added")?;
            if mapping.add.is_none() {
                let what = "can't be added: its mapping does not say how";
                return Err(TreeError::NotAllowed { node: node.client_uri(), what });
            }
            // The machine knows it by its name without percent-encoding.
            let captured = decode_name(node.name());
            node = parent.listed(node.id, &Child { name: node.name().to_owned(), captured, item: None });
            self.effects.push(Effect::Add(node.clone()));
            return Ok(node);
        }
        if pass.snapshot.exists(&node.key())? {
            return Ok(node);
        }
        allowed(&node, AccessType::ADD, "may not be added")?;
        if mapping.add.is_some() {
            self.effects.push(Effect::Add(node.clone()));
        }
        self.changes.push(Change::Put(node.key(), Stored::Interior));
        Ok(node)
    }

    /// A leaf gets a value.
    pub(super) async fn leaf(
        &mut self,
        pass: &Pass<'_>,
        node: &NodeRef,
        value: Value,
    ) -> Result<(), TreeError> {
        if node.object.per_object {
            return self.delegations.make(pass, node, Edit::Set(value));
        }
        let mapping = node.mapping();
        let from_outside = !mapping.get.is_empty();
        if pass.exists(node).await.unwrap_or(from_outside) {
            allowed(node, AccessType::REPLACE, "may not be replaced")?;
        } else if !node.properties().access.allows(AccessType::REPLACE) {
            allowed(node, AccessType::ADD, "may not be added")?;
        }
        let text = value.to_text();
        if let Some(most) = mapping.max_len
            && text.len() > most
        {
            return Err(invalid(node, &format_args!("{} bytes where {most} are allowed", text.len())));
        }
        if let Some(pattern) = &mapping.pattern
            && !pattern.is_match(&text)
        {
            return Err(invalid(node, &format_args!("does not match the pattern {:?}", pattern.as_str())));
        }
        drop(text);
        if let Ruling::Instead(changes) = rules::leaf(pass, node, &value).await? {
            self.changes.extend(changes);
            return Ok(());
        }
        let kept_in_store = mapping.get.iter().any(|source| matches!(source.from, From::Store));
        match &mapping.set {
            Some(sink) if !matches!(sink.to, Call::Store) => {
                self.effects.push(Effect::Set(node.clone(), value));
            }
            None if from_outside && !kept_in_store => {
                return Err(TreeError::NotAllowed { node: node.client_uri(), what: "can't be set" });
            }
            _ if value.size() > LARGEST_STORED => return Err(TreeError::Full(node.client_uri())),
            _ => self.changes.push(Change::Put(node.key(), Stored::Leaf(value))),
        }
        Ok(())
    }
}

/// The members of new data by their nodes' names, spelt as the DDF has them.
pub(super) fn described(
    node: &NodeRef,
    members: Map<String, Json>,
) -> Result<BTreeMap<String, (NodeId, Json)>, TreeError> {
    let mut known = BTreeMap::new();
    for (name, value) in members {
        let id = node.object.child(node.id, &name);
        let id = id.ok_or_else(|| invalid(node, &format_args!("the DDF has no node {name:?} here")))?;
        let name = match &node.object.node(id).name {
            NodeName::Named(described) => described.clone(),
            NodeName::Unnamed(_) if is_name(&name) => encode_name(&decode_name(&name)),
            NodeName::Unnamed(_) => {
                return Err(invalid(node, &format_args!("{name:?} is no name for a node")));
            }
        };
        if known.insert(name.clone(), (id, value)).is_some() {
            return Err(invalid(node, &format_args!("node {name:?} is there twice")));
        }
    }
    Ok(known)
}

/// Whether a server may give this name to a node: a ClientURI must be able to hold it, and a store key.
fn is_name(name: &str) -> bool {
    let fits = !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains('/');
    fits && !decode_name(name).contains(char::is_control)
}

fn check_counts(node: &NodeRef, members: &BTreeMap<String, (NodeId, Json)>) -> Result<(), TreeError> {
    for &id in node.object.children(node.id) {
        let (Occurrence::ZeroOrN(most) | Occurrence::OneOrN(most)) =
            node.object.node(id).properties.occurrence
        else {
            continue;
        };
        let count = members.values().filter(|(described, _)| *described == id).count();
        if u32::try_from(count).unwrap_or(u32::MAX) > most {
            return Err(invalid(node, &format_args!("{count} nodes where the DDF allows {most}")));
        }
    }
    Ok(())
}

fn invalid(node: &NodeRef, why: &dyn std::fmt::Display) -> TreeError {
    TreeError::Invalid { node: node.client_uri(), why: why.to_string() }
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
    let named = !node.object.node(node.id).is_unnamed();
    node.properties().scope == Scope::Permanent || (named && required(node))
}
