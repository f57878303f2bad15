//! The plan of a write: what it comes to, before anything is done; every node of the new data is checked against the
//! DDF.
//!
//! What is there already needs Replace access, what is not needs Add; what comes with a node that is new needs either.
//! Work grows with the data: whatever is looked for among siblings is looked up.

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::backend::Undo;
use crate::ddf::{AccessType, Format};
use crate::mo::mapping::{Call, SourceKind};
use crate::mo::{MoData, NodeId, Value};
use crate::store::{Change, NodeKey, Stored};

use super::rights::Rights;
use crate::base::yielding::Yielder;

use super::account;
use super::delegation::{Edit, Edits};
use super::effect::{Effect, outside};
use super::error::TreeError;
use super::instance::{Instance, Provenance};
use super::limits::Limited;
use super::node::NodeRef;
use super::validate::{self, Members, allowed, described, invalid};
use super::view::{Pass, Siblings, required};

/// The largest value that the store keeps, in bytes. A page with a larger one is read for each of its neighbours, and
/// does not fit the store's cache.
pub(super) const LARGEST_STORED: usize = 128 << 10;

/// A plan: what is to be done, all or nothing.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) effects: Vec<Effect>,
    pub(super) changes: Vec<Change>,
    /// The nodes that were asked for: those that are replaced, created or deleted, with all below them.
    pub(super) targets: Vec<NodeRef>,
    /// The edits of access rights.
    pub(super) delegations: Edits,
    /// The values to be checked against limits that have to be read.
    pub(super) limited: Vec<Limited>,
    /// The leaves that are written before others: limits that those are not within yet.
    order: Vec<(NodeKey, NodeKey)>,
    pub(super) yielder: Yielder,
    /// The instance that the server was last found to be allowed to write.
    authorised: Option<Arc<Instance>>,
}

/// The data that a server brings for a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// The inner of a serialised node (TS 7.5).
    Json(MoData),
    /// The value of a leaf, sent raw.
    Value(Value),
}

impl Data {
    /// Reads a leaf's value as it was sent.
    ///
    /// # Errors
    /// It is none of the leaf's format.
    pub fn raw(leaf: &NodeRef, bytes: &[u8]) -> Result<Self, TreeError> {
        let value = Value::from_raw(leaf.properties().format, bytes);
        value.map(Self::Value).map_err(|error| validate::misfit(leaf, &error))
    }
}

/// Whether a node is there before the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    There,
    New,
}

type Reached<'f> = Pin<Box<dyn Future<Output = Result<Presence, TreeError>> + Send + 'f>>;

impl Plan {
    /// Plans the changes that the edits of access rights come to, once the whole change is planned, or a part of it
    /// that is whole by itself: they are stored in the same transaction.
    ///
    /// # Errors
    /// An instance that says who may do what would not be what its object demands: the whole change is refused.
    pub(super) fn plan_delegations(&mut self, pass: &Pass<'_>) -> Result<(), TreeError> {
        let delegations = std::mem::take(&mut self.delegations);
        self.changes.extend(delegations.changes(pass.tree)?);
        Ok(())
    }

    /// Plans to put `data` in place of all that is at `node`, which a server has named. What is not there yet is added.
    ///
    /// # Errors
    /// The DDF or the object's own rules forbid it, or the data is no such node.
    pub(super) async fn put(&mut self, pass: &Pass<'_>, node: &NodeRef, data: Data) -> Result<(), TreeError> {
        self.authorise(pass, node)?;
        self.targets.push(node.clone());
        if node.object.per_object {
            let edit = match data {
                Data::Json(data) => Edit::Replace(data),
                Data::Value(value) => Edit::Set(value),
            };
            return self.delegations.make(pass, node, edit);
        }
        let (node, presence) = self.place(pass, node).await?;
        if presence == Presence::There && !node.is_leaf() {
            allowed(&node, AccessType::REPLACE, "may not be replaced")?;
        }
        match data {
            Data::Json(data) if !node.is_leaf() => self.replace(pass, &node, data, presence).await,
            Data::Json(data) => self.leaf(pass, &node, typed(&node, &data)?, presence, false).await,
            Data::Value(value) => self.leaf(pass, &node, value, presence, false).await,
        }
    }

    /// Checks that the server may still write in the node's instance.
    pub(super) fn authorise(&mut self, pass: &Pass<'_>, node: &NodeRef) -> Result<(), TreeError> {
        if !self.authorised.as_ref().is_some_and(|known| Arc::ptr_eq(known, &node.instance)) {
            pass.tree.authorise(node, pass.principal, Rights::WRITE, &pass.state)?;
            self.authorised = Some(Arc::clone(&node.instance));
        }
        Ok(())
    }

    /// Plans to create an instance of `data`, whose root is `root`.
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
        self.replace(pass, root, data, Presence::New).await
    }

    /// Makes room for a node that a server named, and says whether it is there already.
    async fn place(&mut self, pass: &Pass<'_>, node: &NodeRef) -> Result<(NodeRef, Presence), TreeError> {
        let Some(parent) = node.parent().filter(|_| node.instance.provenance != Provenance::Account) else {
            return Ok((node.clone(), Presence::There));
        };
        let above = self.reach(pass, &parent, node).await?;
        if !node.object.node(node.id).is_unnamed() {
            return self.arrive(pass, &parent, node.clone(), &Siblings::default(), above).await;
        }
        let found = match above {
            Presence::There => pass.sibling(&parent, node).await?,
            Presence::New => Siblings::default(),
        };
        let placed = self.arrive(pass, &parent, node.clone(), &found, above).await?;
        if placed.1 == Presence::New && validate::is_bounded(&node.object, node.id) {
            let others = if above == Presence::There { pass.unnamed(&parent).await?.len() } else { 0 };
            validate::check_count(&parent, node.id, others + 1)?;
        }
        Ok(placed)
    }

    /// Plans the way to a node: un-named nodes must be there, optional ones come into being with the `next` one in
    /// them.
    fn reach<'f>(&'f mut self, pass: &'f Pass<'_>, node: &'f NodeRef, next: &'f NodeRef) -> Reached<'f> {
        Box::pin(async move {
            let Some(parent) = node.parent() else { return Ok(Presence::There) };
            let above = self.reach(pass, &parent, node).await?;
            if node.object.node(node.id).is_unnamed() {
                let there = pass.sibling(&parent, node).await?.get(node.name()).is_some();
                return if there { Ok(Presence::There) } else { Err(TreeError::NotFound(node.client_uri())) };
            }
            let (_, presence) = self.arrive(pass, &parent, node.clone(), &Siblings::default(), above).await?;
            if presence == Presence::New {
                validate::check_complete(node, |id| id == next.id)?;
            }
            Ok(presence)
        })
    }

    /// Plans to give an interior node new data.
    async fn replace(
        &mut self,
        pass: &Pass<'_>,
        node: &NodeRef,
        data: MoData,
        presence: Presence,
    ) -> Result<(), TreeError> {
        let MoData::Node(members) = data else {
            return Err(invalid(node, &"an interior node takes a JSON object"));
        };
        let mut members = described(node, members)?;
        // One listing serves all children.
        let found = match presence {
            Presence::There => pass.unnamed(node).await?,
            Presence::New => Siblings::default(),
        };
        validate::spell_as_found(node, &mut members, &found)?;
        self.drop_valueless(pass, node, &mut members, presence).await?;
        let staying = match presence {
            Presence::There => self.remove_others(pass, node, &members, &found).await?,
            Presence::New => 0,
        };
        validate::check_counts(node, &members, found.len(), staying)?;
        if presence == Presence::New {
            let given: HashSet<NodeId> = members.values().map(|(id, _)| *id).collect();
            validate::check_complete(node, |id| given.contains(&id))?;
        }
        for (name, (id, value)) in members {
            self.yielder.step().await;
            let child = node.child(id, &name);
            if presence == Presence::There && node.object.is_closed(id) {
                let what = "is closed to every command";
                return Err(TreeError::NotAllowed { node: child.client_uri(), what });
            }
            let (child, presence) = self.arrive(pass, node, child, &found, presence).await?;
            if child.is_leaf() {
                self.leaf(pass, &child, typed(&child, &value)?, presence, true).await?;
            } else {
                Box::pin(self.replace(pass, &child, value, presence)).await?;
            }
        }
        Ok(())
    }

    /// Leaves out leaves that are written `null` and have no value, whatever their format: that is nothing to be done.
    /// To whom can't read such a leaf that would tell that it has none.
    async fn drop_valueless(
        &self,
        pass: &Pass<'_>,
        node: &NodeRef,
        members: &mut Members,
        presence: Presence,
    ) -> Result<(), TreeError> {
        let mut valueless = HashSet::new();
        for (name, (id, value)) in &*members {
            let child = node.child(*id, name);
            let format = child.properties().format;
            let is_said = match format {
                Format::Node | Format::Null => true,
                // That is how it is shown without a value, which is no date.
                Format::Date | Format::Time if value.text() == Some("") => false,
                _ => *value != MoData::Leaf(Json::Null),
            };
            if is_said {
                continue;
            }
            let is_empty = |value: Option<Value>| value.is_none_or(|value| value.is_empty());
            if presence == Presence::New || (pass.may_read(&child)? && is_empty(pass.leaf(&child).await?)) {
                valueless.insert(name.clone());
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
        found: &Siblings,
        above: Presence,
    ) -> Result<(NodeRef, Presence), TreeError> {
        if child.object.node(child.id).is_unnamed() {
            return match found.get(child.name()) {
                Some(found) => Ok((parent.listed(child.id, found), Presence::There)),
                None => Ok((self.add(parent, &child)?, Presence::New)),
            };
        }
        if child.is_leaf() || required(&child) || child.instance.provenance == Provenance::Account {
            return Ok((child, above));
        }
        let key = child.key().clone();
        // What is left of another instance of that name goes first.
        let stored = above == Presence::There && pass.state.node(&key)?.is_some();
        let there =
            above == Presence::There && (stored || pass.state.exists(&key)? || pass.exists(&child).await?);
        if !there && above == Presence::There {
            allowed(&child, AccessType::ADD, "may not be added")?;
        }
        // From now on it is there even with nothing in it.
        if !stored {
            self.changes.push(Change::Put(key, Stored::Interior));
        }
        Ok((child, if there { Presence::There } else { Presence::New }))
    }

    /// Plans to add an un-named node that is not there yet: a listed one is the machine's to make, others are kept in
    /// the store.
    fn add(&mut self, parent: &NodeRef, child: &NodeRef) -> Result<NodeRef, TreeError> {
        allowed(child, AccessType::ADD, "may not be added")?;
        let mapping = child.mapping();
        let added = outside(mapping.add.as_deref()).is_some();
        if mapping.list.is_some() && !added {
            let what = "can't be added: its mapping does not say how";
            return Err(TreeError::NotAllowed { node: child.client_uri(), what });
        }
        let child = parent.listed(child.id, &child.as_child());
        if mapping.list.is_none() && !child.is_leaf() {
            self.changes.push(Change::Put(child.key().clone(), Stored::Interior));
        }
        if added {
            self.effects.push(Effect::Add(child.clone()));
        }
        Ok(child)
    }

    /// Plans to give a leaf a value; in a `part` of larger data it may be the one it has, for whom can see which that
    /// is.
    async fn leaf(
        &mut self,
        pass: &Pass<'_>,
        node: &NodeRef,
        value: Value,
        presence: Presence,
        part: bool,
    ) -> Result<(), TreeError> {
        if let Err(error) = may_take(pass, node, presence).await {
            if !part || !pass.may_read(node)? {
                return Err(error);
            }
            let current = pass.leaf(node).await?.unwrap_or(Value::Null);
            let is_unchanged = current == value || (current.is_empty() && value.is_empty());
            return if is_unchanged { Ok(()) } else { Err(error) };
        }
        validate::check_value(node, &value)?;
        if node.mapping().limits.is_read() {
            self.limited.push(Limited { node: node.clone(), value: value.clone() });
        }
        if node.instance.provenance == Provenance::Account {
            // Kept in the account, whatever its mapping says.
            self.changes.push(account::change(pass.tree, node, &value)?);
            return Ok(());
        }
        let mapping = node.mapping();
        let kept_in_store = mapping.get.iter().any(|source| matches!(source.from, SourceKind::Store));
        match &mapping.set {
            Some(sink) if !matches!(sink.to, Call::Store) => {
                self.effects.push(Effect::Set(node.clone(), value));
            }
            None if !mapping.get.is_empty() && !kept_in_store => {
                return Err(TreeError::NotAllowed { node: node.client_uri(), what: "can't be set" });
            }
            _ if value.size() > LARGEST_STORED => return Err(TreeError::TooLong(node.client_uri())),
            _ => self.changes.push(Change::Put(node.key().clone(), Stored::Leaf(value))),
        }
        Ok(())
    }

    /// Puts the effects in an order in which the first of each pair of leaves is written before the second.
    pub(super) fn put_in_order(&mut self, order: Vec<(NodeKey, NodeKey)>) {
        // A chain of limits is as long as there are pairs, at the most.
        for _ in &order {
            for (first, then) in &order {
                let at = |key: &NodeKey| self.effects.iter().position(|effect| effect.node().key() == key);
                if let (Some(first), Some(then)) = (at(first), at(then))
                    && first > then
                {
                    let effect = self.effects.remove(first);
                    self.effects.insert(then, effect);
                }
            }
        }
        self.order = order;
    }

    /// Sorts the effects so that what nothing can take back is last, and all before it still can be when it fails; and
    /// after it only what is done later to the same node, to what is in it or to what it is in: the nodes in one that a
    /// program adds; and what it is a limit of. `undos` tell what takes back which, and are put in order likewise.
    pub(super) fn sort(&mut self, undos: Vec<Option<Undo>>) -> Vec<Option<Undo>> {
        let mut waiting: BTreeSet<NodeKey> = BTreeSet::new();
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for (effect, undo) in self.effects.drain(..).zip(undos) {
            let key = effect.node().key().clone();
            let is_final = undo.is_none() && effect.act().is_some();
            let waits = self.order.iter().any(|(first, then)| *then == key && waiting.contains(first));
            if is_final || waits || is_touched(&waiting, &key) {
                waiting.insert(key);
                last.push((effect, undo));
            } else {
                first.push((effect, undo));
            }
        }
        let (effects, undos) = first.into_iter().chain(last).unzip();
        self.effects = effects;
        undos
    }
}

/// Whether one of the nodes is the one of this key, in it, or above it.
fn is_touched(nodes: &BTreeSet<NodeKey>, key: &NodeKey) -> bool {
    let (start, end) = key.below();
    !nodes.is_empty()
        && (key.lineage().any(|above| nodes.contains(above))
            || nodes
                .range::<[u8], _>((Bound::Included(start.as_slice()), Bound::Excluded(end.as_slice())))
                .next()
                .is_some())
}

fn typed(node: &NodeRef, data: &MoData) -> Result<Value, TreeError> {
    data.value(node.properties().format).map_err(|error| validate::misfit(node, &error))
}

/// Checks that the DDF lets a server give the leaf a value.
async fn may_take(pass: &Pass<'_>, node: &NodeRef, presence: Presence) -> Result<(), TreeError> {
    let access = node.properties().access;
    let (add, replace) = (access.allows(AccessType::ADD), access.allows(AccessType::REPLACE));
    if add && replace {
        return Ok(());
    }
    let (may, what) = match presence {
        // What nothing else gives a value must come with its parent.
        Presence::New => {
            (add || replace || validate::must_be_given(&node.object, node.id), "may not be added")
        }
        Presence::There if is_there(pass, node).await => (replace, "may not be replaced"),
        Presence::There => (add, "may not be added"),
    };
    if may { Ok(()) } else { Err(TreeError::NotAllowed { node: node.client_uri(), what }) }
}

/// Whether a leaf exists, with a value or without.
async fn is_there(pass: &Pass<'_>, node: &NodeRef) -> bool {
    let always = required(node) && !node.object.node(node.id).is_unnamed();
    if always || node.instance.provenance == Provenance::Account {
        return true;
    }
    // One whose source fails right now is there.
    pass.exists(node).await.unwrap_or(true)
}
