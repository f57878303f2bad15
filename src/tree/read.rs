//! Reading: a leaf's value, or an instance and part of one as JSON (TS 7.5).
//!
//! JSON is written straight into one buffer; a node that turns out not to exist is cut off again. Stored
//! values come from one snapshot, however long the outside sources take.

use std::future::Future;
use std::pin::Pin;

use crate::backend::builtin::is_secret;
use crate::backend::{self, Answer, Child, Reading};
use crate::ddf::{AccessType, NodeName, Occurrence};
use crate::mo::Value;
use crate::mo::mapping::From as Origin;
use crate::store::{Change, Snapshot, Stored};

use super::document;
use super::error::TreeError;
use super::node::NodeRef;
use super::registry::{Tree, Visitor};

/// What a server gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// The node is there and holds nothing.
    Empty,
    /// A leaf's value and its MIME type.
    Leaf {
        /// From the DDF; `text/plain` if that says nothing.
        mime: String,
        /// The value.
        value: Value,
    },
    /// The serialisation of an interior node: one JSON object.
    Document(Vec<u8>),
}

/// A read in progress.
pub(super) struct Pass<'a> {
    pub(super) tree: &'a Tree,
    pub(super) visitor: &'a Visitor<'a>,
    pub(super) snapshot: Snapshot,
}

/// How sure it is that a node is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Presence {
    /// It is not, or is not shown.
    Absent,
    /// If its parent is: the DDF requires it, and nothing else speaks of it.
    Presumed,
    /// It has a value, is stored or listed.
    There,
}

type Written<'f> = Pin<Box<dyn Future<Output = Result<Presence, TreeError>> + Send + 'f>>;

/// The most bytes that are read at once.
const MOST: usize = 16 << 20;

impl Tree {
    /// Reads what GET returns: a leaf as it is, everything else serialised with `level` levels of children
    /// (all if none).
    ///
    /// # Errors
    /// The node does not exist, may not be read, or its source fails.
    pub async fn read(
        &self,
        node: &NodeRef,
        level: Option<u32>,
        visitor: &Visitor<'_>,
    ) -> Result<Shown, TreeError> {
        readable(node)?;
        let pass = self.pass(visitor)?;
        if node.is_leaf() {
            let value = pass.existing_leaf(node).await?;
            let mime = node.properties().mime.first().cloned().unwrap_or_else(|| "text/plain".to_owned());
            return Ok(if value.is_empty() { Shown::Empty } else { Shown::Leaf { mime, value } });
        }
        let data = pass.interior(node, level).await?;
        Ok(if data == b"{}" { Shown::Empty } else { Shown::Document(document::serialise(node, &data)) })
    }

    /// Reads what HPUT and HPOST send: one JSON object, for a leaf too.
    ///
    /// # Errors
    /// As [`Tree::read`].
    pub async fn document(
        &self,
        node: &NodeRef,
        level: Option<u32>,
        visitor: &Visitor<'_>,
    ) -> Result<Vec<u8>, TreeError> {
        readable(node)?;
        if secret(node) {
            return Err(TreeError::NotAllowed { node: node.client_uri(), what: "is never serialised" });
        }
        let data = self.pass(visitor)?.interior(node, level).await?;
        Ok(document::serialise(node, &data))
    }

    /// Every instance the server may read, each as one JSON object: HPUT without ClientURI (TS 5.4.2).
    ///
    /// # Errors
    /// As [`Tree::read`].
    pub async fn everything(&self, visitor: &Visitor<'_>) -> Result<Vec<Vec<u8>>, TreeError> {
        let pass = self.pass(visitor)?;
        let mut documents = Vec::new();
        let mut total = 0;
        for object in self.objects().iter().filter(|object| visitor.sees(object)) {
            for (instance, rights) in self.visible(object, visitor, &pass.snapshot)? {
                if !rights.allow(super::Rights::READ) {
                    continue;
                }
                let root = NodeRef::root(std::sync::Arc::clone(object), std::sync::Arc::new(instance));
                let mut data = Vec::new();
                if pass.write(&root, None, &mut data).await? == Presence::There {
                    total += data.len();
                    if total > MOST {
                        return Err(TreeError::TooLarge(root.client_uri()));
                    }
                    documents.push(document::serialise(&root, &data));
                }
            }
        }
        Ok(documents)
    }

    /// A leaf's value as text, for the agent's own use; none if it has none.
    ///
    /// # Errors
    /// As [`Tree::read`].
    pub async fn text(&self, node: &NodeRef, visitor: &Visitor<'_>) -> Result<Option<String>, TreeError> {
        let value = self.value(node, visitor).await?;
        Ok(value.map(|value| value.to_text().into_owned()).filter(|text| !text.is_empty()))
    }

    pub(super) async fn value(
        &self,
        node: &NodeRef,
        visitor: &Visitor<'_>,
    ) -> Result<Option<Value>, TreeError> {
        self.pass(visitor)?.leaf(node).await
    }

    /// The leaf called `name` of the device's own first instance of `moid`.
    ///
    /// # Errors
    /// As [`Tree::read`].
    pub async fn own_leaf(
        &self,
        moid: &str,
        name: &str,
        visitor: &Visitor<'_>,
    ) -> Result<Option<String>, TreeError> {
        let Some(root) = self.own(moid) else { return Ok(None) };
        let Some(id) = root.object.child(root.id, name) else { return Ok(None) };
        self.text(&root.child(id, name), visitor).await
    }

    pub(super) fn pass<'a>(&'a self, visitor: &'a Visitor<'a>) -> Result<Pass<'a>, TreeError> {
        Ok(Pass { tree: self, visitor, snapshot: self.store.snapshot()? })
    }
}

impl Pass<'_> {
    /// Whether a leaf has a value, or an interior node anything in it.
    pub(super) async fn exists(&self, node: &NodeRef) -> Result<bool, TreeError> {
        if node.is_leaf() {
            return Ok(self.leaf(node).await?.is_some());
        }
        Ok(self.write(node, Some(0), &mut Vec::new()).await? != Presence::Absent)
    }

    /// The value of a leaf that must be there: a required one without a value is empty.
    pub(super) async fn existing_leaf(&self, node: &NodeRef) -> Result<Value, TreeError> {
        match self.leaf(node).await? {
            Some(value) => Ok(value),
            None if required(node) && self.has_parent(node).await? => Ok(Value::Null),
            None => Err(TreeError::NotFound(node.client_uri())),
        }
    }

    /// The JSON of a node that must be there.
    async fn interior(&self, node: &NodeRef, level: Option<u32>) -> Result<Vec<u8>, TreeError> {
        let mut data = Vec::new();
        let there = match self.write(node, level, &mut data).await? {
            Presence::There => true,
            Presence::Presumed => self.has_parent(node).await?,
            Presence::Absent => false,
        };
        if there { Ok(data) } else { Err(TreeError::NotFound(node.client_uri())) }
    }

    /// Whether what a required node is in is there itself.
    async fn has_parent(&self, node: &NodeRef) -> Result<bool, TreeError> {
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
        if mapping.pin
            && let Some(Stored::Leaf(value)) = self.snapshot.pin(&node.key())?
        {
            return Ok(Some(value));
        }
        let mut scope = self.tree.scope(node, self.visitor);
        if mapping.get.iter().any(|source| matches!(source.from, Origin::Store)) {
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
        match self.snapshot.node(&node.key())? {
            Some(Stored::Leaf(value)) => Ok(Some(value)),
            Some(Stored::Interior) => Ok(None),
            None => {
                let properties = node.properties();
                let default = properties.default_value.as_deref();
                let parsed = default.map(|text| Value::from_text(properties.format, text)).transpose();
                parsed.map_err(|error| TreeError::Invalid { node: node.client_uri(), why: error.to_string() })
            }
        }
    }

    /// A leaf whose source fails right now does not withhold all the others from the server.
    async fn leaf_or_nothing(&self, node: &NodeRef) -> Result<Option<Value>, TreeError> {
        match self.leaf(node).await {
            Err(error @ (TreeError::Backend { .. } | TreeError::Unavailable { .. })) => {
                log::warn!("left out: {error}");
                Ok(None)
            }
            other => other,
        }
    }

    /// Writes a node's JSON; nothing if it is absent.
    fn write<'f>(&'f self, node: &'f NodeRef, level: Option<u32>, out: &'f mut Vec<u8>) -> Written<'f> {
        Box::pin(async move {
            if !node.properties().access.allows(AccessType::GET) || secret(node) {
                return Ok(Presence::Absent);
            }
            if node.is_leaf() {
                return match self.leaf_or_nothing(node).await? {
                    Some(value) => {
                        value.write_json(out);
                        Ok(Presence::There)
                    }
                    None if required(node) => {
                        out.extend_from_slice(b"null");
                        Ok(Presence::Presumed)
                    }
                    None => Ok(Presence::Absent),
                };
            }
            let known = node.is_root()
                || node.object.node(node.id).is_unnamed()
                || self.snapshot.node(&node.key())?.is_some();
            let mut presence = match known {
                true => Presence::There,
                false if required(node) => Presence::Presumed,
                false => Presence::Absent,
            };
            let start = out.len();
            let cut = level == Some(0);
            out.push(b'{');
            // Otherwise a node is there if anything in it is.
            if (!cut || !known) && self.write_children(node, level, out).await? == Presence::There {
                presence = Presence::There;
            }
            if cut {
                out.truncate(start + 1);
            }
            out.push(b'}');
            if presence == Presence::Absent {
                out.truncate(start);
            }
            Ok(presence)
        })
    }

    /// Writes the members; says how sure it is of the surest of them.
    async fn write_children(
        &self,
        node: &NodeRef,
        level: Option<u32>,
        out: &mut Vec<u8>,
    ) -> Result<Presence, TreeError> {
        let below = level.map(|level| level.saturating_sub(1));
        let mut surest = Presence::Absent;
        for &id in node.object.children(node.id) {
            let children = match &node.object.node(id).name {
                NodeName::Named(name) => vec![node.child(id, name)],
                NodeName::Unnamed(_) => {
                    let found = self.tree.children(node, id, &self.snapshot, self.visitor).await?;
                    found.iter().map(|child: &Child| node.listed(id, child)).collect()
                }
            };
            for child in children {
                let start = out.len();
                if surest > Presence::Absent {
                    out.push(b',');
                }
                document::write_name(child.name(), out);
                match self.write(&child, below, out).await? {
                    Presence::Absent => out.truncate(start),
                    presence => surest = surest.max(presence),
                }
                if out.len() > MOST {
                    return Err(TreeError::TooLarge(child.client_uri()));
                }
            }
        }
        Ok(surest)
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

/// Whether the DDF says that the node is always there.
pub(super) fn required(node: &NodeRef) -> bool {
    matches!(node.properties().occurrence, Occurrence::One | Occurrence::OneOrMore | Occurrence::OneOrN(_))
}

/// Whether the node's value is a secret that only an exact GET by its own server shows.
pub(super) fn secret(node: &NodeRef) -> bool {
    node.mapping().get.iter().any(|source| matches!(&source.from, Origin::Builtin(name) if is_secret(name)))
}
