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
struct Pass<'a> {
    tree: &'a Tree,
    visitor: &'a Visitor<'a>,
    snapshot: Snapshot,
}

type Written<'f> = Pin<Box<dyn Future<Output = Result<bool, TreeError>> + Send + 'f>>;

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
        let mut data = Vec::new();
        if !pass.write(node, level, &mut data).await? {
            return Err(TreeError::NotFound(node.client_uri()));
        }
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
        let mut data = Vec::new();
        let pass = self.pass(visitor)?;
        if !pass.write(node, level, &mut data).await? {
            return Err(TreeError::NotFound(node.client_uri()));
        }
        Ok(document::serialise(node, &data))
    }

    /// Every instance the server may read, each as one JSON object: HPUT without ClientURI (TS 5.4.2).
    ///
    /// # Errors
    /// As [`Tree::read`].
    pub async fn everything(&self, visitor: &Visitor<'_>) -> Result<Vec<Vec<u8>>, TreeError> {
        let pass = self.pass(visitor)?;
        let mut documents = Vec::new();
        for object in self.objects().iter().filter(|object| visitor.sees(object)) {
            for instance in self.instances(object, &pass.snapshot)? {
                if !visitor.rights(object, &instance).allow(super::Rights::READ) {
                    continue;
                }
                let root = NodeRef::root(std::sync::Arc::clone(object), std::sync::Arc::new(instance));
                let mut data = Vec::new();
                if pass.write(&root, None, &mut data).await? {
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

    /// Whether a leaf has a value, or an interior node anything in it.
    pub(super) async fn exists(&self, node: &NodeRef, visitor: &Visitor<'_>) -> Result<bool, TreeError> {
        let pass = self.pass(visitor)?;
        if node.is_leaf() {
            return Ok(pass.leaf(node).await?.is_some());
        }
        pass.write(node, Some(0), &mut Vec::new()).await
    }

    fn pass<'a>(&'a self, visitor: &'a Visitor<'a>) -> Result<Pass<'a>, TreeError> {
        Ok(Pass { tree: self, visitor, snapshot: self.store.snapshot()? })
    }
}

impl Pass<'_> {
    /// The value of a leaf that must be there: a required one without a value is empty.
    async fn existing_leaf(&self, node: &NodeRef) -> Result<Value, TreeError> {
        match self.leaf(node).await? {
            Some(value) => Ok(value),
            None if required(node) => Ok(Value::Null),
            None => Err(TreeError::NotFound(node.client_uri())),
        }
    }

    /// The value of a leaf from the best of its sources that has one.
    async fn leaf(&self, node: &NodeRef) -> Result<Option<Value>, TreeError> {
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
                if mapping.pin && !transient {
                    let pin = Change::Pin(node.key(), Stored::Leaf(value.clone()));
                    self.tree.store.commit(vec![pin]).await?;
                }
                Ok(Some(value))
            }
            Answer::Absent(_) => Ok(None),
            Answer::Unavailable(why) => Err(TreeError::Unavailable { node: node.client_uri(), why }),
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

    /// Writes a node's JSON; false, and nothing is written, if it does not exist or is not shown.
    fn write<'f>(&'f self, node: &'f NodeRef, level: Option<u32>, out: &'f mut Vec<u8>) -> Written<'f> {
        Box::pin(async move {
            if !node.properties().access.allows(AccessType::GET) || secret(node) {
                return Ok(false);
            }
            if node.is_leaf() {
                return match self.leaf(node).await? {
                    Some(value) => {
                        value.write_json(out);
                        Ok(true)
                    }
                    None if required(node) => {
                        out.extend_from_slice(b"null");
                        Ok(true)
                    }
                    None => Ok(false),
                };
            }
            let there = node.is_root()
                || required(node)
                || matches!(node.object.node(node.id).name, NodeName::Unnamed(_))
                || self.snapshot.node(&node.key())?.is_some();
            let start = out.len();
            let cut = level == Some(0);
            out.push(b'{');
            // An optional node exists if anything in it does.
            let any = (!cut || !there) && self.write_children(node, level, out).await?;
            if cut {
                out.truncate(start + 1);
            }
            out.push(b'}');
            if !any && !there {
                out.truncate(start);
            }
            Ok(any || there)
        })
    }

    async fn write_children(
        &self,
        node: &NodeRef,
        level: Option<u32>,
        out: &mut Vec<u8>,
    ) -> Result<bool, TreeError> {
        let below = level.map(|level| level.saturating_sub(1));
        let mut any = false;
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
                if any {
                    out.push(b',');
                }
                document::write_name(child.name(), out);
                if self.write(&child, below, out).await? {
                    any = true;
                } else {
                    out.truncate(start);
                }
            }
        }
        Ok(any)
    }
}

fn readable(node: &NodeRef) -> Result<(), TreeError> {
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
fn secret(node: &NodeRef) -> bool {
    node.mapping().get.iter().any(|source| matches!(&source.from, Origin::Builtin(name) if is_secret(name)))
}
