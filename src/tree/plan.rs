//! What a write comes to, before anything is done: every node of the new data is checked against the DDF.
//!
//! What is there already needs Replace access, what is not needs Add; what comes with a node that is new needs either.

use std::future::Future;
use std::pin::Pin;

use serde_json::Value as Json;

use crate::backend::{Act, Child, Undo};
use crate::ddf::{AccessType, Format};
use crate::mo::mapping::{Call, From};
use crate::mo::{MoData, Value};
use crate::store::{Change, NodeKey, Stored};
use crate::uri::decode_name;

use super::access::Rights;
use super::delegation::{Edit, Edits};
use super::error::TreeError;
use super::fit::{self, Members, allowed, described, invalid};
use super::node::NodeRef;
use super::read::{Pass, required, secret};
use super::registry::Origin;
use super::rules::{self, Ruling};

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
}

/// What a server brings for a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// A serialised node's inner (TS 7.5).
    Json(MoData),
    /// A leaf's value, sent raw.
    Value(Value),
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

/// Whether a node is there before the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    There,
    New,
}

type Reached<'f> = Pin<Box<dyn Future<Output = Result<Standing, TreeError>> + Send + 'f>>;

impl Effect {
    pub(super) fn node(&self) -> &NodeRef {
        match self {
            Self::Set(node, _) | Self::Add(node) | Self::Delete(node) => node,
        }
    }

    /// What the node's mapping says.
    pub(super) fn act(&self) -> Option<Act<'_>> {
        let mapping = self.node().mapping();
        match self {
            Self::Set(_, value) => mapping.set.as_ref().map(|sink| Act::Set(sink, value)),
            Self::Add(_) => mapping.add.as_ref().map(Act::Add),
            Self::Delete(_) => mapping.delete.as_ref().map(Act::Delete),
        }
    }
}

/// What a mapping has the machine do; the store needs no telling.
pub(super) fn outside(call: Option<&Call>) -> Option<&Call> {
    call.filter(|call| !matches!(call, Call::Store))
}

impl Plan {
    /// `data` in place of all that is at `node`, which a server has named. What is not there yet is added.
    ///
    /// # Errors
    /// The DDF or the object's own rules forbid it, or the data is no such node.
    pub(super) async fn put(&mut self, pass: &Pass<'_>, node: &NodeRef, data: Data) -> Result<(), TreeError> {
        pass.tree.authorise(node, pass.visitor, Rights::WRITE, &pass.snapshot)?;
        self.targets.push(node.clone());
        if node.object.per_object {
            let edit = match data {
                Data::Json(data) => Edit::Replace(data),
                Data::Value(value) => Edit::Set(value),
            };
            return self.delegations.make(pass, node, edit);
        }
        let (node, standing) = self.place(pass, node).await?;
        match data {
            Data::Json(data) if !node.is_leaf() => self.replace(pass, &node, data, standing).await,
            Data::Json(data) => self.leaf(pass, &node, typed(&node, &data)?, standing, false).await,
            Data::Value(value) => self.leaf(pass, &node, value, standing, false).await,
        }
    }

    /// `data` becomes a new instance, whose root is `root`.
    ///
    /// # Errors
    /// As [`Plan::put`].
    pub(super) async fn create(
        &mut self,
        pass: &Pass<'_>,
        root: &NodeRef,
        data: MoData,
    ) -> Result<(), TreeError> {
        self.targets.push(root.clone());
        self.replace(pass, root, data, Standing::New).await
    }

    /// Makes room for a node that a server named, and says whether it is there already.
    async fn place(&mut self, pass: &Pass<'_>, node: &NodeRef) -> Result<(NodeRef, Standing), TreeError> {
        let Some(parent) = node.parent().filter(|_| node.instance.origin != Origin::Account) else {
            return Ok((node.clone(), Standing::There));
        };
        let above = self.reach(pass, &parent, node).await?;
        let unnamed = node.object.node(node.id).is_unnamed();
        let found = match above {
            Standing::There if unnamed => pass.unnamed(&parent).await?,
            _ => Vec::new(),
        };
        let placed = self.arrive(pass, &parent, node.clone(), &found, above).await?;
        if unnamed && placed.1 == Standing::New {
            fit::check_count(&parent, node.id, found.len() + 1)?;
        }
        Ok(placed)
    }

    /// The way to a node: un-named nodes must be there, optional ones come into being with the `next` one in them.
    fn reach<'f>(&'f mut self, pass: &'f Pass<'_>, node: &'f NodeRef, next: &'f NodeRef) -> Reached<'f> {
        Box::pin(async move {
            let Some(parent) = node.parent() else { return Ok(Standing::There) };
            let above = self.reach(pass, &parent, node).await?;
            if node.object.node(node.id).is_unnamed() {
                let found = pass.unnamed(&parent).await?;
                let there = found.iter().any(|found| found.name == node.name());
                return if there { Ok(Standing::There) } else { Err(TreeError::NotFound(node.client_uri())) };
            }
            let (_, standing) = self.arrive(pass, &parent, node.clone(), &[], above).await?;
            if standing == Standing::New {
                fit::check_complete(node, |id| id == next.id)?;
            }
            Ok(standing)
        })
    }

    /// An interior node gets new data.
    async fn replace(
        &mut self,
        pass: &Pass<'_>,
        node: &NodeRef,
        data: MoData,
        standing: Standing,
    ) -> Result<(), TreeError> {
        let MoData::Node(members) = data else {
            return Err(invalid(node, &"an interior node takes a JSON object"));
        };
        let mut members = described(node, members)?;
        // One listing serves all children.
        let found = match standing {
            Standing::There => pass.unnamed(node).await?,
            Standing::New => Vec::new(),
        };
        fit::spell_as_found(node, &mut members, &found)?;
        self.drop_valueless(pass, node, &mut members, standing).await?;
        let staying = match standing {
            Standing::There => self.remove_others(pass, node, &members, &found).await?,
            Standing::New => 0,
        };
        fit::check_counts(node, &members, found.len(), staying)?;
        if standing == Standing::New {
            fit::check_complete(node, |id| members.values().any(|(there, _)| *there == id))?;
        }
        for (name, (id, value)) in members {
            let child = node.child(id, &name);
            if standing == Standing::There && node.object.is_closed(id) {
                let what = "is closed to every command";
                return Err(TreeError::NotAllowed { node: child.client_uri(), what });
            }
            let (child, standing) = self.arrive(pass, node, child, &found, standing).await?;
            if child.is_leaf() {
                self.leaf(pass, &child, typed(&child, &value)?, standing, true).await?;
            } else {
                Box::pin(self.replace(pass, &child, value, standing)).await?;
            }
        }
        Ok(())
    }

    /// A leaf without a value is written `null`, whatever its format: that it has none is nothing to be done.
    async fn drop_valueless(
        &self,
        pass: &Pass<'_>,
        node: &NodeRef,
        members: &mut Members,
        standing: Standing,
    ) -> Result<(), TreeError> {
        let mut valueless = Vec::new();
        for (name, (id, value)) in &*members {
            let child = node.child(*id, name);
            let format = child.properties().format;
            if *value != MoData::Leaf(Json::Null) || matches!(format, Format::Node | Format::Null) {
                continue;
            }
            let is_empty = |value: Option<Value>| value.is_none_or(|value| value.is_empty());
            if standing == Standing::New || is_empty(pass.leaf(&child).await?) {
                valueless.push(name.clone());
            }
        }
        members.retain(|name, _| !valueless.contains(name));
        Ok(())
    }

    /// Sees to it that a child is there before what is in it, and says whether it was already.
    async fn arrive(
        &mut self,
        pass: &Pass<'_>,
        parent: &NodeRef,
        child: NodeRef,
        found: &[Child],
        above: Standing,
    ) -> Result<(NodeRef, Standing), TreeError> {
        if child.object.node(child.id).is_unnamed() {
            return match found.iter().find(|found| found.name == child.name()) {
                Some(found) => Ok((parent.listed(child.id, found), Standing::There)),
                None => Ok((self.add(parent, &child)?, Standing::New)),
            };
        }
        if child.is_leaf() || required(&child) || child.instance.origin == Origin::Account {
            return Ok((child, above));
        }
        let key = child.key();
        let stored = pass.snapshot.node(&key)?.is_some();
        let there = above == Standing::There
            && (stored || pass.snapshot.exists(&key)? || pass.exists(&child).await?);
        if !there && above == Standing::There {
            allowed(&child, AccessType::ADD, "may not be added")?;
        }
        // From now on it is there even with nothing in it.
        if !stored {
            self.changes.push(Change::Put(key, Stored::Interior));
        }
        Ok((child, if there { Standing::There } else { Standing::New }))
    }

    /// An un-named node that is not there yet: a listed one is the machine's to make, others are kept in the store.
    fn add(&mut self, parent: &NodeRef, child: &NodeRef) -> Result<NodeRef, TreeError> {
        allowed(child, AccessType::ADD, "may not be added")?;
        let mapping = child.mapping();
        let added = outside(mapping.add.as_ref()).is_some();
        if mapping.list.is_some() && !added {
            let what = "can't be added: its mapping does not say how";
            return Err(TreeError::NotAllowed { node: child.client_uri(), what });
        }
        // The machine knows it by its name without percent-encoding.
        let captured = decode_name(child.name());
        let child = parent.listed(child.id, &Child { name: child.name().to_owned(), captured, item: None });
        if mapping.list.is_none() && !child.is_leaf() {
            self.changes.push(Change::Put(child.key(), Stored::Interior));
        }
        if added {
            self.effects.push(Effect::Add(child.clone()));
        }
        Ok(child)
    }

    /// A leaf gets a value; in a `part` of larger data it may be the one it has.
    async fn leaf(
        &mut self,
        pass: &Pass<'_>,
        node: &NodeRef,
        value: Value,
        standing: Standing,
        part: bool,
    ) -> Result<(), TreeError> {
        if let Err(error) = may_take(pass, node, standing).await {
            let shown = node.properties().access.allows(AccessType::GET) && !secret(node);
            return match part && shown && pass.leaf(node).await?.as_ref() == Some(&value) {
                true => Ok(()),
                false => Err(error),
            };
        }
        fit::check_value(node, &value)?;
        if let Ruling::Instead(changes) = rules::leaf(pass, node, &value).await? {
            self.changes.extend(changes);
            return Ok(());
        }
        let mapping = node.mapping();
        let kept_in_store = mapping.get.iter().any(|source| matches!(source.from, From::Store));
        match &mapping.set {
            Some(sink) if !matches!(sink.to, Call::Store) => {
                self.effects.push(Effect::Set(node.clone(), value));
            }
            None if !mapping.get.is_empty() && !kept_in_store => {
                return Err(TreeError::NotAllowed { node: node.client_uri(), what: "can't be set" });
            }
            _ if value.size() > LARGEST_STORED => return Err(TreeError::TooLong(node.client_uri())),
            _ => self.changes.push(Change::Put(node.key(), Stored::Leaf(value))),
        }
        Ok(())
    }

    /// Puts what nothing can take back last, so that all before it still can when it fails; and after it only what it
    /// is needed for: the nodes in one that a program adds. `undos` tell what takes back which, and are put in order
    /// likewise.
    pub(super) fn sort(&mut self, undos: Vec<Option<Undo>>) -> Vec<Option<Undo>> {
        // They come in the order of the tree: a node before what is in it.
        let mut made: Vec<NodeKey> = Vec::new();
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for (effect, undo) in self.effects.drain(..).zip(undos) {
            let key = effect.node().key();
            while made.last().is_some_and(|made| !key.is_at_or_below(made)) {
                made.pop();
            }
            let waits = !made.is_empty();
            let is_final = undo.is_none() && effect.act().is_some();
            if is_final && matches!(effect, Effect::Add(_)) {
                made.push(key);
            }
            let part = if is_final || waits { &mut last } else { &mut first };
            part.push((effect, undo));
        }
        let (effects, undos) = first.into_iter().chain(last).unzip();
        self.effects = effects;
        undos
    }

    /// What the change makes of a leaf, if it says anything of it: the latest word counts.
    pub(super) fn planned(&self, key: &NodeKey) -> Option<Option<Value>> {
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
}

fn typed(node: &NodeRef, data: &MoData) -> Result<Value, TreeError> {
    data.value(node.properties().format).map_err(|error| invalid(node, &error))
}

/// Whether the DDF lets a server give the leaf a value.
async fn may_take(pass: &Pass<'_>, node: &NodeRef, standing: Standing) -> Result<(), TreeError> {
    let access = node.properties().access;
    let (add, replace) = (access.allows(AccessType::ADD), access.allows(AccessType::REPLACE));
    if add && replace {
        return Ok(());
    }
    let (may, what) = match standing {
        // What nothing else gives a value must come with its parent.
        Standing::New => (add || replace || fit::must_be_given(&node.object, node.id), "may not be added"),
        Standing::There if is_there(pass, node).await => (replace, "may not be replaced"),
        Standing::There => (add, "may not be added"),
    };
    if may { Ok(()) } else { Err(TreeError::NotAllowed { node: node.client_uri(), what }) }
}

/// Whether a leaf exists, with a value or without.
async fn is_there(pass: &Pass<'_>, node: &NodeRef) -> bool {
    let always = required(node) && !node.object.node(node.id).is_unnamed();
    if always || node.instance.origin == Origin::Account {
        return true;
    }
    // One whose source fails right now is there.
    pass.exists(node).await.unwrap_or(true)
}
