//! Batches: several nodes, read at one moment and serialised one after the other (TS 5.4.2, 6.1.2, 7.5), in pieces:
//! what is sent need never be in memory as a whole, and can be made again for another try.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::mo::{ManagementObject, Value};
use crate::package::Profile;
use crate::store::{CacheKey, Digest};

use super::error::TreeError;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use super::resolve::Resolved;
use super::rights::Rights;
use super::view::cache_validator::{self, Validator};
use super::view::{
    Extent, Pass, ReadView, Walk, Writer, empty, envelope, is_there, readable, required, secret,
};
use crate::base::yielding::Yielder;
use crate::uri::client::ClientUri;

/// The size of a piece, in bytes; the last one is smaller.
const PIECE: usize = 64 << 10;
/// The most nodes that are serialised one after the other.
const MOST_ITEMS: usize = 10_000;

/// A batch in the making: nodes that are to be read, and what they need from outside.
pub struct Gathering<'a> {
    pass: Pass<'a>,
    read_view: ReadView,
    key: Option<CacheKey>,
    items: Vec<Item>,
    /// The instances' cache validators, by the root's key in the store.
    validators: HashMap<Vec<u8>, String>,
    fresh: bool,
    yielder: Yielder,
}

/// A node to be serialised.
#[derive(Clone, Debug)]
struct Item {
    node: NodeRef,
    level: Option<u32>,
    /// The value, where the node is a leaf.
    value: Value,
}

/// A batch of nodes as they were at one moment.
#[derive(Clone, Debug)]
pub struct Batch {
    read_view: Arc<ReadView>,
    key: Option<CacheKey>,
    items: Arc<[Item]>,
}

impl Tree {
    /// Begins to gather the nodes of a batch.
    ///
    /// # Errors
    /// The store failed.
    pub fn gathering<'a>(&'a self, principal: &'a Principal<'a>) -> Result<Gathering<'a>, TreeError> {
        Gathering::of(self.pass(principal)?)
    }
}

impl<'a> Gathering<'a> {
    /// Goes on with a pass that has found something already.
    pub(super) fn of(pass: Pass<'a>) -> Result<Self, TreeError> {
        let read_view = ReadView::new(Arc::clone(&pass.state));
        let key = pass.state.snapshot.cache_key()?;
        Ok(Gathering {
            pass,
            read_view,
            key,
            items: Vec::new(),
            validators: HashMap::new(),
            fresh: false,
            yielder: Yielder::default(),
        })
    }

    /// Finds nodes as [`Tree::resolve_all`] does. What the machine is asked for on the way, is asked once.
    ///
    /// # Errors
    /// As [`Tree::resolve_all`].
    pub async fn resolve_all(&self, uri: &ClientUri, wanted: Rights) -> Result<Resolved, TreeError> {
        self.pass.tree.resolve_all_in(&self.pass, uri, wanted).await
    }

    /// Gathers without cache validators: none is in what is serialised, and nothing is fresh.
    #[must_use]
    pub fn without_validators(self) -> Self {
        Self { key: None, ..self }
    }

    /// Adds the nodes that a ClientURI addresses, to `level` levels. Left out is what the server holds by its cache
    /// validator `held`, which never matches what a wildcard addresses; and what a wildcard addresses and is not there.
    ///
    /// # Errors
    /// A node does not exist, may not be read, or its source fails.
    pub async fn add(
        &mut self,
        found: Resolved,
        level: Option<u32>,
        held: Option<&str>,
    ) -> Result<(), TreeError> {
        match found {
            Resolved::One(node) => {
                let Some(item) = self.look(node, level).await? else { return Ok(()) };
                if let Some(held) = held
                    && self.is_fresh(&item.node, &[held.as_bytes()]).await?
                {
                    self.fresh = true;
                    return Ok(());
                }
                self.push(item)
            }
            Resolved::Many(nodes) => {
                let (before, mut failure) = (self.items.len(), None);
                for node in nodes {
                    self.yielder.step().await;
                    match self.look(node, level).await {
                        Err(TreeError::NotFound(_)) => {}
                        // What fails right now does not withhold the others.
                        Err(error @ (TreeError::Backend { .. } | TreeError::Unavailable { .. })) => {
                            log::warn!("a node is left out of what the server reads: {error}");
                            failure = Some(error);
                        }
                        item => self.push_some(item?)?,
                    }
                }
                match failure {
                    Some(TreeError::Backend { node, source }) if self.items.len() == before => {
                        Err(TreeError::Unavailable { node, why: source.to_string() })
                    }
                    Some(error) if self.items.len() == before => Err(error),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Adds every instance that the server may read.
    ///
    /// # Errors
    /// As [`Gathering::add`].
    pub async fn add_everything(&mut self) -> Result<(), TreeError> {
        for object in self.pass.tree.objects() {
            for root in self.instances(object)? {
                match self.look(root, None).await {
                    // What fails right now does not withhold the others.
                    Err(error @ TreeError::Unavailable { .. }) => log::warn!("left out: {error}"),
                    item => self.push_some(item?)?,
                }
            }
        }
        Ok(())
    }

    /// The roots of an object's instances that the server may read.
    ///
    /// # Errors
    /// The store failed.
    pub fn instances(&self, object: &Arc<ManagementObject>) -> Result<Vec<NodeRef>, TreeError> {
        let Pass { tree, principal, state, .. } = &self.pass;
        if !principal.sees(object) {
            return Ok(Vec::new());
        }
        let mut roots = Vec::new();
        for visible in tree.visible(object, principal, state)? {
            let (instance, rights) = visible?;
            let root = NodeRef::root(Arc::clone(object), Arc::new(instance));
            if rights.allow(Rights::READ) && readable(&root).is_ok() {
                roots.push(root);
            }
        }
        Ok(roots)
    }

    /// Whether one of the validators `held` is the one that the node's instance has now.
    ///
    /// # Errors
    /// As [`Gathering::add`].
    pub async fn is_fresh(&mut self, node: &NodeRef, held: &[&[u8]]) -> Result<bool, TreeError> {
        if !cache_validator::is_cacheable(&node.object) {
            return Ok(false);
        }
        let Some(key) = self.key else { return Ok(false) };
        let root = node.root_of();
        let place = root.key().as_bytes().to_vec();
        if !self.validators.contains_key(&place) {
            // Nothing of it is shown.
            self.read_view.gather(&self.pass, &root, Extent { level: Some(0), all: true }).await?;
            let validator = cache_validator::of(&root, &key, &self.read_view).await?;
            self.validators.insert(place.clone(), validator);
        }
        let validator = self.validators.get(&place);
        Ok(validator
            .is_some_and(|validator| held.iter().any(|held| cache_validator::matches(validator, held))))
    }

    /// Whether there is nothing to be sent because the server holds all of it.
    #[must_use]
    pub fn is_all_fresh(&self) -> bool {
        self.items.is_empty() && self.fresh
    }

    /// Whether a source or a listing failed, so that something may be left out.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.read_view.has_failed()
    }

    /// Ends the gathering; returns the batch.
    #[must_use]
    pub fn finish(self) -> Batch {
        Batch { read_view: Arc::new(self.read_view), key: self.key, items: self.items.into() }
    }

    /// Gathers what a node needs that must be there; none for a leaf without a value that can't be empty.
    async fn look(&mut self, node: NodeRef, level: Option<u32>) -> Result<Option<Item>, TreeError> {
        readable(&node)?;
        if secret(&node) {
            return Err(TreeError::NotAllowed { node: node.client_uri(), what: "is never serialised" });
        }
        if node.is_leaf() {
            let value = match self.pass.existing_leaf(&node).await? {
                Value::Null => empty(node.properties().format),
                value => Some(value),
            };
            return Ok(value.map(|value| Item { node, level, value }));
        }
        let extent = Extent { level, all: has_validator(&node, self.key) };
        self.read_view.gather(&self.pass, &node, extent).await?;
        let there = is_there(&node, &self.read_view, extent)?
            || (required(&node) && self.pass.has_parent(&node).await?);
        if let Some(why) = self.read_view.failure(&node, extent)? {
            return Err(TreeError::Unavailable { node: node.client_uri(), why });
        }
        if !there {
            return Err(TreeError::NotFound(node.client_uri()));
        }
        Ok(Some(Item { node, level, value: Value::Null }))
    }

    fn push_some(&mut self, item: Option<Item>) -> Result<(), TreeError> {
        item.map_or(Ok(()), |item| self.push(item))
    }

    fn push(&mut self, item: Item) -> Result<(), TreeError> {
        if self.items.len() == MOST_ITEMS {
            return Err(TreeError::TooMany(item.node.client_uri()));
        }
        self.items.push(item);
        Ok(())
    }
}

/// Whether the serialisation of a node has its instance's validator.
fn has_validator(node: &NodeRef, key: Option<CacheKey>) -> bool {
    key.is_some() && node.is_root() && cache_validator::is_cacheable(&node.object)
}

impl Batch {
    /// The number of nodes in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether the batch has no node at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The batch as one flat JSON array of the serialisations, in pieces.
    #[must_use]
    pub fn array(&self, profile: Profile) -> Pieces {
        self.pieces(profile, true)
    }

    /// The digest of the serialisations, in the form in which they are put: it tells one content from another.
    ///
    /// # Errors
    /// The store failed.
    pub async fn digest(&self, profile: Profile) -> Result<Digest, TreeError> {
        let mut digest = Sha256::new();
        let mut yielder = Yielder::default();
        for piece in self.array(profile) {
            digest.update(piece?);
            yielder.pause().await;
        }
        Ok(digest.finalize().into())
    }

    pub(super) fn pieces(&self, profile: Profile, in_array: bool) -> Pieces {
        Pieces::new(self.clone(), profile, in_array)
    }

    /// Each serialisation by itself, `most` bytes in all at the most.
    ///
    /// # Errors
    /// The store failed, or there is more.
    pub async fn documents(&self, profile: Profile, most: usize) -> Result<Vec<Vec<u8>>, TreeError> {
        let mut left = most;
        let mut documents = Vec::with_capacity(self.items.len());
        for item in self.items.iter() {
            let batch = Self { items: Arc::new([item.clone()]), ..self.clone() };
            let document = Pieces::new(batch, profile, false).collect(left).await?.0;
            left -= document.len();
            documents.push(document);
        }
        Ok(documents)
    }
}

/// A serialisation in the making: piece by piece.
#[derive(Debug)]
pub struct Pieces {
    batch: Batch,
    profile: Profile,
    in_array: bool,
    /// The position of the next item.
    next: usize,
    writer: Writer,
    current: Option<Current>,
    ended: bool,
}

/// The interior node being written.
#[derive(Debug)]
struct Current {
    walk: Walk,
    level: Option<u32>,
    validator: Option<Validator>,
}

impl Pieces {
    fn new(batch: Batch, profile: Profile, in_array: bool) -> Self {
        let writer = Writer::default();
        let mut pieces = Self { batch, profile, in_array, next: 0, writer, current: None, ended: false };
        if in_array {
            pieces.writer.out.push(b'[');
        }
        pieces
    }

    /// Collects all pieces; also returns whether the last node has anything in it.
    pub(super) async fn collect(mut self, most: usize) -> Result<(Vec<u8>, bool), TreeError> {
        let mut yielder = Yielder::default();
        while !self.ended {
            self.advance()?;
            yielder.step().await;
            if self.writer.out.len() > most {
                let node = self.batch.items.get(self.next.saturating_sub(1));
                return Err(TreeError::TooLarge(node.map(|item| item.node.client_uri()).unwrap_or_default()));
            }
        }
        Ok((self.writer.out, self.writer.had_members))
    }

    /// Takes a step of the walk, or writes what is between two nodes.
    fn advance(&mut self) -> Result<(), TreeError> {
        if let Some(Current { walk, level, validator }) = &mut self.current {
            if let Some(step) = walk.next(&self.batch.read_view)? {
                if let Some(validator) = validator {
                    validator.step(&step);
                }
                self.writer.step(&step, *level);
                return Ok(());
            }
            let validator = validator.take().map(Validator::finish);
            envelope::end(validator.as_deref(), &mut self.writer.out);
            self.current = None;
            return Ok(());
        }
        let Some(item) = self.batch.items.get(self.next) else {
            if self.in_array {
                self.writer.out.push(b']');
            }
            self.ended = true;
            return Ok(());
        };
        if self.next > 0 {
            self.writer.out.push(b',');
        }
        self.next += 1;
        envelope::begin(&item.node, self.profile, &mut self.writer.out);
        if item.node.is_leaf() {
            item.value.write_json(&mut self.writer.out);
            envelope::end(None, &mut self.writer.out);
            return Ok(());
        }
        let key = self.batch.key.filter(|_| has_validator(&item.node, self.batch.key));
        let extent = if key.is_some() { Extent::ALL } else { Extent { level: item.level, all: false } };
        self.current = Some(Current {
            walk: Walk::new(item.node.clone(), extent),
            level: item.level,
            validator: key.map(|key| Validator::new(&item.node, &key)),
        });
        Ok(())
    }
}

impl Iterator for Pieces {
    type Item = Result<Vec<u8>, TreeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(piece) = self.writer.take(PIECE) {
                return Some(Ok(piece));
            }
            if self.ended {
                return self.writer.take(1).map(Ok);
            }
            if let Err(error) = self.advance() {
                self.ended = true;
                self.writer = Writer::default();
                return Some(Err(error));
            }
        }
    }
}
