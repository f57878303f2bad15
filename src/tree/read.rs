//! Reading what GET returns: a leaf's value, or an instance and part of one as JSON (TS 7.5); and leaves for the
//! agent's own use.

use crate::mo::Value;

use super::batch::Gathering;
use super::error::TreeError;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use super::resolve::Resolved;
use super::rights::Rights;
use super::view::{Pass, readable, secret};
use crate::uri::Moid;
use crate::uri::client::ClientUri;

/// The answer to a read.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// The answer is empty: nothing is in what was asked for.
    Empty,
    /// Nothing is new: the server has it already, by its cache validator (TS 12).
    Fresh,
    /// The value of a leaf and its MIME type.
    Leaf {
        /// The MIME type from the DDF; `text/plain` if that says nothing.
        mime: String,
        /// The value.
        value: Value,
    },
    /// The serialisation of other nodes: one JSON object, or an array of them.
    Document(Vec<u8>),
}

/// The most bytes that are read at once.
pub const MOST_SHOWN: usize = 16 << 20;

/// A reading: what one command finds and reads, at one moment. What a service or a program of the machine has answered
/// is not asked for again.
pub struct Reading<'a> {
    pass: Pass<'a>,
}

impl Tree {
    /// Begins a reading.
    ///
    /// # Errors
    /// The store failed.
    pub fn reading<'a>(&'a self, principal: &'a Principal<'a>) -> Result<Reading<'a>, TreeError> {
        Ok(Reading { pass: self.pass(principal)? })
    }

    /// Reads one node as GET returns it: see [`Tree::show`].
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

    /// Reads nodes as GET returns them: a single leaf as it is, everything else serialised with `level` levels of
    /// children (all if none), `most` bytes at the most; nothing where `held` is the cache validator of the instance.
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
        self.reading(principal)?.show(found, level, held, most).await
    }

    /// The value of a leaf as text, for the agent's own use; none if it has none.
    ///
    /// # Errors
    /// As [`Tree::read`].
    pub async fn text(&self, node: &NodeRef, principal: &Principal<'_>) -> Result<Option<String>, TreeError> {
        let value = self.value(node, principal).await?;
        Ok(value.map(|value| value.to_text().into_owned()).filter(|text| !text.is_empty()))
    }

    /// The value of a leaf, perhaps an empty one; none if it has none.
    ///
    /// # Errors
    /// As [`Tree::read`].
    pub async fn value(&self, node: &NodeRef, principal: &Principal<'_>) -> Result<Option<Value>, TreeError> {
        self.pass(principal)?.leaf(node).await
    }

    /// The value of the leaf called `name` of the device's own first instance of `moid`.
    ///
    /// # Errors
    /// As [`Tree::read`].
    pub async fn own_leaf(
        &self,
        moid: &Moid,
        name: &str,
        principal: &Principal<'_>,
    ) -> Result<Option<String>, TreeError> {
        let Some(root) = self.own(moid) else { return Ok(None) };
        let Some(id) = root.object.child(root.id, name) else { return Ok(None) };
        self.text(&root.child(id, name), principal).await
    }
}

impl Reading<'_> {
    /// Finds nodes as [`Tree::resolve_all`] does.
    ///
    /// # Errors
    /// As [`Tree::resolve_all`].
    pub async fn resolve_all(&self, uri: &ClientUri, wanted: Rights) -> Result<Resolved, TreeError> {
        self.pass.tree.resolve_all_in(&self.pass, uri, wanted).await
    }

    /// Reads nodes as [`Tree::show`] does.
    ///
    /// # Errors
    /// As [`Tree::show`].
    pub async fn show(
        self,
        found: Resolved,
        level: Option<u32>,
        held: Option<&str>,
        most: usize,
    ) -> Result<Shown, TreeError> {
        match &found {
            Resolved::One(node) if node.is_leaf() => self.show_leaf(node, held).await,
            _ => Box::pin(self.show_document(found, level, held, most)).await,
        }
    }

    async fn show_document(
        self,
        found: Resolved,
        level: Option<u32>,
        held: Option<&str>,
        most: usize,
    ) -> Result<Shown, TreeError> {
        let is_one = matches!(found, Resolved::One(_));
        let profile = self.pass.principal.account.profile;
        let mut gathering = Gathering::of(self.pass)?;
        gathering.add(found, level, held).await?;
        if gathering.is_all_fresh() {
            return Ok(Shown::Fresh);
        }
        let batch = gathering.finish();
        if batch.is_empty() {
            return Ok(Shown::Empty);
        }
        let in_array = !is_one || profile.one_is_an_array();
        let (json, has_members) = batch.pieces(profile, in_array).collect(most).await?;
        Ok(if is_one && !has_members { Shown::Empty } else { Shown::Document(json) })
    }

    async fn show_leaf(self, node: &NodeRef, held: Option<&str>) -> Result<Shown, TreeError> {
        readable(node)?;
        if self.pass.principal.session.abroad && secret(node) {
            return Err(TreeError::Forbidden(node.client_uri()));
        }
        let value = self.pass.existing_leaf(node).await?;
        if let Some(held) = held
            && Box::pin(Gathering::of(self.pass)?.is_fresh(node, &[held.as_bytes()])).await?
        {
            return Ok(Shown::Fresh);
        }
        let mime = node.properties().mime.first().cloned().unwrap_or_else(|| "text/plain".to_owned());
        Ok(if value.is_empty() { Shown::Empty } else { Shown::Leaf { mime, value } })
    }
}
