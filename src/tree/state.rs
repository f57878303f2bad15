//! The state that a change in the making is checked against: what the store has, and what the change does to it; of
//! several documents that are stored together, each is checked against the state with those before it (TS 5.4.1).
//!
//! Nothing is kept twice: what was planned moves in here and out again; only keys are kept beside it, once somebody
//! asks.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::backend::Child;
use crate::base::Order as _;
use crate::mo::Value;
use crate::store::{Change, NodeKey, Snapshot, StoreError, Stored};

use super::effect::Effect;
use super::node::NodeRef;
use crate::uri::Moid;

/// The state of the tree: the store at one moment, with what is planned.
#[derive(Clone, Debug)]
pub(super) struct TreeState {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) planned: Planned,
}

/// The planned changes and effects, of which nothing has come yet, to be looked up by their nodes. All of them are
/// numbered in the order in which they come about: what is planned last holds, be it kept in the store or the
/// machine's.
#[derive(Clone, Debug, Default)]
pub(super) struct Planned {
    changes: Vec<Change>,
    /// The number under which a node is put for the last time, and where in `changes` that is.
    put: BTreeMap<NodeKey, (usize, usize)>,
    /// The number under which a node and all below it are removed for the last time.
    gone: HashMap<NodeKey, usize>,
    /// The instances that come, with their creator, and that go.
    instances: BTreeMap<NodeKey, Option<String>>,
    /// The number of effects that are taken in.
    effects: usize,
    /// The value that a leaf of the machine gets for the last time, and its number.
    set: HashMap<NodeKey, (usize, Value)>,
    /// The children that come to be listed, and their numbers, by parent and name.
    added: HashMap<NodeKey, BTreeMap<String, (usize, Child)>>,
    /// The number under which the machine deletes a node and all below it for the last time.
    deleted: HashMap<NodeKey, usize>,
}

impl TreeState {
    pub(super) fn of(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, planned: Planned::default() }
    }

    /// A stored node.
    pub(super) fn node(&self, key: &NodeKey) -> Result<Option<Stored>, StoreError> {
        reads::count(1);
        match self.planned.node(key) {
            Some(planned) => Ok(planned.cloned()),
            None => self.snapshot.node(key),
        }
    }

    /// Whether there may be anything of the object, whose key this is, that says who may do what.
    pub(super) fn may_have_delegations(&self, object: &NodeKey) -> Result<bool, StoreError> {
        Ok(!self.planned.changes.is_empty() || self.snapshot.has_delegations(object)?)
    }

    /// Whether anything is stored at `key` or below it.
    pub(super) fn exists(&self, key: &NodeKey) -> Result<bool, StoreError> {
        reads::count(1);
        if self.planned.is_put(key) {
            return Ok(true);
        }
        Ok(self.planned.gone(key).is_none() && self.snapshot.exists(key)?)
    }

    /// The names of a node's stored children, in order.
    pub(super) fn children(&self, key: &NodeKey) -> Result<Vec<String>, StoreError> {
        self.children_after(key, "", usize::MAX).map(|(names, _)| names)
    }

    /// About `most` of the names of a node's stored children that come after `after`, in order; and after which others
    /// may come, if any do.
    pub(super) fn children_after(
        &self,
        key: &NodeKey,
        after: &str,
        most: usize,
    ) -> Result<(Vec<String>, Option<String>), StoreError> {
        let mut names = self.snapshot.children_after(key, after, most)?;
        reads::count(1 + names.len());
        let more = names.last().filter(|_| names.len() == most).cloned();
        if !self.planned.put.is_empty() || !self.planned.gone.is_empty() {
            let mut error = None;
            names.retain(|name| {
                self.exists(&key.child(name)).unwrap_or_else(|why| {
                    error = Some(why);
                    false
                })
            });
            if let Some(error) = error {
                return Err(error);
            }
            let planned = self
                .planned
                .children(key)
                .filter(|name| name.as_str() > after && more.as_ref().is_none_or(|last| name <= last));
            names.extend(planned);
            names.order();
            names.dedup();
        }
        Ok((names, more))
    }

    /// The creator of the instance with this MIID; none: nobody created it.
    pub(super) fn creator(&self, moid: &Moid, miid: &str) -> Result<Option<String>, StoreError> {
        reads::count(1);
        match self.planned.instances.get(&NodeKey::instance(moid, miid)) {
            Some(planned) => Ok(planned.clone()),
            None => self.snapshot.creator(moid, miid),
        }
    }

    /// Shows the created instances of a MOID, one after the other, while `more` says to go on.
    pub(super) fn each_instance(
        &self,
        moid: &Moid,
        more: &mut dyn FnMut(&str, &str) -> bool,
    ) -> Result<(), StoreError> {
        let planned = &self.planned.instances;
        let mut goes_on = true;
        self.snapshot.each_instance(moid, &mut |miid, creator| {
            reads::count(1);
            if planned.is_empty() || !planned.contains_key(&NodeKey::instance(moid, miid)) {
                goes_on = more(miid, creator);
            }
            goes_on
        })?;
        for (key, creator) in within(planned, &NodeKey::object(moid)) {
            let miid = key
                .as_bytes()
                .get(moid.as_bytes().len() + 1..)
                .and_then(|miid| std::str::from_utf8(miid).ok());
            let (Some(miid), Some(creator), true) = (miid, creator, goes_on) else { continue };
            goes_on = more(miid, creator);
        }
        Ok(())
    }
}

impl Planned {
    /// Takes in what was planned since it did so last; `changes` come back by [`Planned::give_back`].
    pub(super) fn take_in(&mut self, changes: &mut Vec<Change>, effects: &[Effect]) {
        for change in changes.drain(..) {
            let (now, at) = (self.now(), self.changes.len());
            match &change {
                Change::Put(key, _) => {
                    self.put.insert(key.clone(), (now, at));
                }
                Change::Remove(key) => {
                    self.gone.insert(key.clone(), now);
                }
                Change::RemoveInstance(key) => {
                    self.gone.insert(key.clone(), now);
                    self.instances.insert(key.clone(), None);
                }
                Change::AddInstance { instance, creator } => {
                    self.instances.insert(instance.clone(), Some(creator.clone()));
                }
                _ => {}
            }
            self.changes.push(change);
        }
        for effect in effects.iter().skip(self.effects) {
            let (now, node) = (self.now(), effect.node());
            match effect {
                Effect::Set(_, value) => {
                    self.set.insert(node.key().clone(), (now, value.clone()));
                }
                Effect::Add(_) => {
                    if let Some(parent) = node.parent() {
                        let added = self.added.entry(parent.key().clone()).or_default();
                        added.insert(node.name().to_owned(), (now, node.as_child()));
                    }
                }
                Effect::Delete(_) => {
                    self.deleted.insert(node.key().clone(), now);
                }
            }
            self.effects += 1;
        }
    }

    /// The number of the change or effect that is taken in next.
    fn now(&self) -> usize {
        self.changes.len() + self.effects
    }

    /// Gives back all changes that were taken in, in their order.
    pub(super) fn give_back(&mut self) -> Vec<Change> {
        std::mem::take(self).changes
    }

    /// The planned value of a leaf, if anything is planned for it.
    pub(super) fn leaf(&self, key: &NodeKey) -> Option<Option<Value>> {
        let deleted = latest(&self.deleted, key);
        if let Some((at, value)) = self.set.get(key)
            && Some(*at) > deleted
        {
            return Some(Some(value.clone()));
        }
        match self.node(key) {
            Some(Some(Stored::Leaf(value))) => Some(Some(value.clone())),
            Some(Some(Stored::Interior)) => None,
            Some(None) => Some(None),
            None => deleted.map(|_| None),
        }
    }

    /// The planned value of a leaf that is the machine's, if anything is planned for it.
    pub(super) fn outside_leaf(&self, node: &NodeRef) -> Option<Option<Value>> {
        let key = node.key();
        match self.leaf(key) {
            Some(Some(value)) => Some(Some(value)),
            // That it goes from the store says nothing of the machine.
            _ => latest(&self.deleted, key).map(|_| None),
        }
    }

    /// Whether anything is planned that the machine will list otherwise.
    pub(super) fn is_of_machine(&self) -> bool {
        !self.added.is_empty() || !self.deleted.is_empty()
    }

    /// The children that the machine will list below `parent`, which lists `found` now.
    pub(super) fn listed(&self, parent: &NodeKey, mut found: Vec<Child>) -> Vec<Child> {
        if !self.deleted.is_empty() {
            found.retain(|child| latest(&self.deleted, &parent.child(&child.name)).is_none());
        }
        let stays =
            |(at, child): &&(usize, Child)| Some(*at) > latest(&self.deleted, &parent.child(&child.name));
        let added = self.added.get(parent).into_iter().flat_map(BTreeMap::values);
        found.extend(added.filter(stays).map(|(_, child)| child.clone()));
        found
    }

    /// The stored node as it will be; none within, if it will not be there.
    fn node(&self, key: &NodeKey) -> Option<Option<&Stored>> {
        let put = self.put.get(key).copied();
        let gone = self.gone(key);
        if put.is_none() && gone.is_none() {
            return None;
        }
        let stays = put.filter(|(now, _)| Some(*now) > gone);
        let stored = stays.and_then(|(_, at)| match self.changes.get(at) {
            Some(Change::Put(_, stored)) => Some(stored),
            _ => None,
        });
        Some(stored)
    }

    /// The number under which the node goes from the store, by itself or with one that it is below.
    fn gone(&self, key: &NodeKey) -> Option<usize> {
        latest(&self.gone, key)
    }

    /// Whether anything is put at `key` or below it that does not go again.
    fn is_put(&self, key: &NodeKey) -> bool {
        matches!(self.node(key), Some(Some(_))) || self.below(key).next().is_some()
    }

    /// The names of the children of `key` that are put, or have something below them that is.
    fn children(&self, key: &NodeKey) -> impl Iterator<Item = String> {
        let prefix = key.as_bytes().len() + 1;
        let mut last: &[u8] = &[];
        self.below(key).filter_map(move |found| {
            let name = found.get(prefix..)?.split(|&byte| byte == 0).next()?;
            if std::mem::replace(&mut last, name) == name {
                return None;
            }
            std::str::from_utf8(name).ok().map(str::to_owned)
        })
    }

    /// The keys of the nodes below `key` that are put and do not go again.
    fn below(&self, key: &NodeKey) -> impl Iterator<Item = &[u8]> {
        let stays = |(key, (now, _)): &(&NodeKey, &(usize, usize))| Some(*now) > self.gone(key);
        within(&self.put, key).filter(stays).map(|(key, _)| key.as_bytes())
    }
}

/// The latest number that a map has of a node, or of one that it is below.
fn latest(map: &HashMap<NodeKey, usize>, key: &NodeKey) -> Option<usize> {
    if map.is_empty() {
        return None;
    }
    key.lineage().filter_map(|key| map.get(key).copied()).max()
}

/// The entries of a map below a key.
fn within<'m, T>(map: &'m BTreeMap<NodeKey, T>, key: &NodeKey) -> impl Iterator<Item = (&'m NodeKey, &'m T)> {
    let (start, end) = key.below();
    map.range::<[u8], _>((Bound::Included(start.as_slice()), Bound::Excluded(end.as_slice())))
}

/// Counts of records that are read: what a test holds them to is the same on every machine.
pub(super) mod reads {
    #[cfg(test)]
    thread_local! {
        static COUNT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    /// Counts `more` records that are read.
    pub(super) fn count(more: usize) {
        #[cfg(test)]
        COUNT.set(COUNT.get() + more);
        #[cfg(not(test))]
        let _ = more;
    }

    /// The number of records that this thread has read so far.
    #[cfg(test)]
    pub(in crate::tree) fn so_far() -> usize {
        COUNT.get()
    }
}
