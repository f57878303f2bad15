//! Reading: a leaf's value, or an instance and part of one as JSON (TS 7.5).

use std::sync::Arc;

use crate::backend::{self, Answer, Reading, Seen};
use crate::ddf::AccessType;
use crate::mo::Value;
use crate::mo::builtin::is_secret;
use crate::mo::mapping::SourceKind;
use crate::store::{Change, Stored};

use super::access::Rights;
use super::batch::is_there;
use super::error::TreeError;
pub(super) use super::json::required;
use super::node::NodeRef;
use super::plan::Plan;
use super::read_view::{self, Extent, ReadView};
use super::registry::{Principal, Tree};
use super::resolve::Resolved;
use super::state::State;

/// What a server gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// There is nothing in what it asked for.
    Empty,
    /// It has it already, by its cache validator (TS 12).
    Fresh,
    /// A leaf's value and its MIME type.
    Leaf {
        /// From the DDF; `text/plain` if that says nothing.
        mime: String,
        /// The value.
        value: Value,
    },
    /// The serialisation of other nodes: one JSON object, or an array of them.
    Document(Vec<u8>),
}

/// A read in progress.
pub(super) struct Pass<'a> {
    pub(super) tree: &'a Tree,
    pub(super) principal: &'a Principal<'a>,
    pub(super) state: Arc<State>,
    /// What it has seen of D-Bus objects.
    pub(super) seen: Seen,
}

/// The most bytes that are read at once.
pub const MOST_SHOWN: usize = 16 << 20;

impl Tree {
    /// Reads what GET returns of one node: see [`Tree::show`].
    ///
    /// # Errors
    /// As [`Tree::show`].
    pub async fn read(
        &self,
        node: &NodeRef,
        level: Option<u32>,
        principal: &Principal<'_>,
    ) -> Result<Shown, TreeError> {
        self.show(Resolved::One(node.clone()), level, None, MOST_SHOWN, principal).await
    }

    /// Reads what GET returns: a single leaf as it is, everything else serialised with `level` levels of children
    /// (all if none), `most` bytes at the most; nothing where `held` is the cache validator of the instance.
    ///
    /// # Errors
    /// The node does not exist, may not be read, or its source fails.
    pub async fn show(
        &self,
        found: Resolved,
        level: Option<u32>,
        held: Option<&str>,
        most: usize,
        principal: &Principal<'_>,
    ) -> Result<Shown, TreeError> {
        match &found {
            Resolved::One(node) if node.is_leaf() => self.show_leaf(node, held, principal).await,
            _ => Box::pin(self.show_document(found, level, held, most, principal)).await,
        }
    }

    async fn show_document(
        &self,
        found: Resolved,
        level: Option<u32>,
        held: Option<&str>,
        most: usize,
        principal: &Principal<'_>,
    ) -> Result<Shown, TreeError> {
        let is_one = matches!(found, Resolved::One(_));
        let mut gathering = self.gathering(principal)?;
        gathering.add(found, level, held).await?;
        if gathering.is_all_fresh() {
            return Ok(Shown::Fresh);
        }
        let batch = gathering.finish();
        if batch.is_empty() {
            return Ok(Shown::Empty);
        }
        let profile = principal.account.profile;
        let in_array = !is_one || profile.one_is_an_array();
        let (json, has_members) = batch.pieces(profile, in_array).collect(most).await?;
        Ok(if is_one && !has_members { Shown::Empty } else { Shown::Document(json) })
    }

    async fn show_leaf(
        &self,
        node: &NodeRef,
        held: Option<&str>,
        principal: &Principal<'_>,
    ) -> Result<Shown, TreeError> {
        readable(node)?;
        if principal.session.abroad && secret(node) {
            return Err(TreeError::Forbidden(node.client_uri()));
        }
        let value = self.pass(principal)?.existing_leaf(node).await?;
        if let Some(held) = held
            && Box::pin(self.is_fresh(node, held, principal)).await?
        {
            return Ok(Shown::Fresh);
        }
        let mime = node.properties().mime.first().cloned().unwrap_or_else(|| "text/plain".to_owned());
        Ok(if value.is_empty() { Shown::Empty } else { Shown::Leaf { mime, value } })
    }

    async fn is_fresh(
        &self,
        node: &NodeRef,
        held: &str,
        principal: &Principal<'_>,
    ) -> Result<bool, TreeError> {
        self.gathering(principal)?.is_fresh(node, &[held.as_bytes()]).await
    }

    /// A leaf's value as text, for the agent's own use; none if it has none.
    ///
    /// # Errors
    /// As [`Tree::read`].
    pub async fn text(&self, node: &NodeRef, principal: &Principal<'_>) -> Result<Option<String>, TreeError> {
        let value = self.value(node, principal).await?;
        Ok(value.map(|value| value.to_text().into_owned()).filter(|text| !text.is_empty()))
    }

    pub(super) async fn value(
        &self,
        node: &NodeRef,
        principal: &Principal<'_>,
    ) -> Result<Option<Value>, TreeError> {
        self.pass(principal)?.leaf(node).await
    }

    /// The leaf called `name` of the device's own first instance of `moid`.
    ///
    /// # Errors
    /// As [`Tree::read`].
    pub async fn own_leaf(
        &self,
        moid: &str,
        name: &str,
        principal: &Principal<'_>,
    ) -> Result<Option<String>, TreeError> {
        let Some(root) = self.own(moid) else { return Ok(None) };
        let Some(id) = root.object.child(root.id, name) else { return Ok(None) };
        self.text(&root.child(id, name), principal).await
    }

    pub(super) fn pass<'a>(&'a self, principal: &'a Principal<'a>) -> Result<Pass<'a>, TreeError> {
        let state = Arc::new(State::of(self.store.snapshot()?));
        Ok(Pass { tree: self, principal, state, seen: Seen::default() })
    }
}

impl Pass<'_> {
    /// What was planned so far is the state from now on.
    pub(super) fn take_in(&mut self, plan: &mut Plan) {
        Arc::make_mut(&mut self.state).planned.take_in(&mut plan.changes, &plan.effects);
    }

    /// Gives all of that back, before what was planned since.
    pub(super) fn give_back(&mut self, plan: &mut Plan) {
        let mut changes = Arc::make_mut(&mut self.state).planned.give_back();
        changes.append(&mut plan.changes);
        plan.changes = changes;
    }

    /// Whether the server may read what is at a node of an instance.
    pub(super) fn may_read(&self, node: &NodeRef) -> Result<bool, TreeError> {
        let rights = self.tree.rights(&node.object, &node.instance, self.principal, &self.state)?;
        Ok(rights.allow(Rights::READ) && readable(node).is_ok() && !secret(node))
    }

    /// Whether a leaf has a value, or an interior node anything in it; whoever may see it.
    pub(super) async fn exists(&self, node: &NodeRef) -> Result<bool, TreeError> {
        if node.is_leaf() {
            return Ok(self.leaf(node).await?.is_some());
        }
        if required(node) || read_view::is_known(&self.state, node)? {
            return Ok(true);
        }
        let mut read_view = ReadView::new(Arc::clone(&self.state));
        read_view.gather(self, node, Extent::ALL).await?;
        is_there(node, &read_view, Extent::ALL)
    }

    /// The value of a leaf that must be there: a required one without a value is empty.
    pub(super) async fn existing_leaf(&self, node: &NodeRef) -> Result<Value, TreeError> {
        match self.leaf(node).await? {
            Some(value) => Ok(value),
            None if required(node) && self.has_parent(node).await? => Ok(Value::Null),
            None => Err(TreeError::NotFound(node.client_uri())),
        }
    }

    /// Whether what a required node is in is there itself.
    pub(super) async fn has_parent(&self, node: &NodeRef) -> Result<bool, TreeError> {
        let mut above = node.parent();
        while let Some(parent) = above {
            if !required(&parent) && !parent.is_root() {
                // An un-named node was found in a list or in the store on the way here.
                let unnamed = parent.object.node(parent.id).is_unnamed();
                return Ok(unnamed || self.exists(&parent).await?);
            }
            above = parent.parent();
        }
        Ok(true)
    }

    /// The value of a leaf from the best of its sources that has one.
    pub(super) async fn leaf(&self, node: &NodeRef) -> Result<Option<Value>, TreeError> {
        let mapping = node.mapping();
        if mapping.get.is_empty() {
            return self.stored(node);
        }
        if let Some(planned) = self.state.planned.outside_leaf(node) {
            return Ok(planned);
        }
        if mapping.pin
            && let Some(Stored::Leaf(value)) = self.state.snapshot.pin(&node.key())?
        {
            return Ok(Some(value));
        }
        let mut scope = self.tree.scope(node, self.principal);
        scope.seen = Some(&self.seen);
        if mapping.get.iter().any(|source| matches!(source.from, SourceKind::Store)) {
            scope.stored = self.stored(node)?;
        }
        // A better source gets its time; a pinned node that names none waits for good.
        let patient = mapping.wait.map_or(mapping.pin, |wait| self.tree.started.elapsed() < wait);
        let answer = backend::read(mapping, node.properties().format, patient, &scope.context()).await;
        match answer.map_err(|source| TreeError::Backend { node: node.client_uri(), source })? {
            Answer::Value(Reading { value, transient }) => {
                if mapping.pin && !transient && !value.is_empty() {
                    return self.pin(node, value).await.map(Some);
                }
                Ok(Some(value))
            }
            Answer::Absent(_) => Ok(None),
            Answer::Unavailable(why) => Err(TreeError::Unavailable { node: node.client_uri(), why }),
        }
    }

    /// Keeps a pinned node's first answer, and says which it was: another session may have been earlier.
    async fn pin(&self, node: &NodeRef, value: Value) -> Result<Value, TreeError> {
        let store = &self.tree.store;
        store.commit(vec![Change::Pin(node.key(), Stored::Leaf(value.clone()))]).await?;
        match store.snapshot()?.pin(&node.key())? {
            Some(Stored::Leaf(first)) => Ok(first),
            _ => Ok(value),
        }
    }

    fn stored(&self, node: &NodeRef) -> Result<Option<Value>, TreeError> {
        read_view::stored(&self.state, node)
    }
}

pub(super) fn readable(node: &NodeRef) -> Result<(), TreeError> {
    let all_get = std::iter::successors(Some(node.id), |id| node.object.node(*id).parent)
        .all(|id| node.object.node(id).properties.access.allows(AccessType::GET));
    if all_get {
        Ok(())
    } else {
        Err(TreeError::NotAllowed { node: node.client_uri(), what: "may not be read" })
    }
}

/// Whether no server gets to see the node as part of others.
pub(super) fn withheld(node: &NodeRef) -> bool {
    !node.properties().access.allows(AccessType::GET) || secret(node)
}

/// Whether the node's value is a secret that only an exact GET by its own server shows.
pub(super) fn secret(node: &NodeRef) -> bool {
    node.mapping()
        .get
        .iter()
        .any(|source| matches!(&source.from, SourceKind::Builtin(name) if is_secret(name)))
}
