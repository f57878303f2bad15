//! Writing: what HGET brought is validated whole, then applied whole or not at all (TS 5.4.1).
//!
//! One change at a time: what was validated is what is applied.

use std::sync::Arc;

use crate::backend::Child;
use crate::ddf::{AccessType, Occurrence};
use crate::mo::ManagementObject;
use crate::store::{Change, Snapshot};
use crate::uri::client::{ClientUri, Segment};
use crate::uri::{decode_name, encode_name};

use super::access::Rights;
use super::delegation;
use super::document::Document;
use super::error::TreeError;
use super::fit;
use super::node::NodeRef;
use super::plan::{Data, Plan, outside};
use super::registry::{Instance, Origin, Tree, Visitor};
use super::rules;

/// Where a retrieved document goes.
#[derive(Clone, Debug)]
pub enum Place {
    /// A node that is there, or can be added.
    At(NodeRef),
    /// An instance that comes into being.
    New(Arc<ManagementObject>),
}

impl Tree {
    /// The node that a server wants to write: one that is there, or an un-named one that is not yet and whose parent
    /// is (TS 5.4.1: add or replace).
    ///
    /// # Errors
    /// As [`Tree::resolve`]; the DDF lets nobody write or add it.
    pub async fn destination(&self, uri: &ClientUri, visitor: &Visitor<'_>) -> Result<NodeRef, TreeError> {
        let not_allowed = |node: &NodeRef, what| TreeError::NotAllowed { node: node.client_uri(), what };
        let missing = match self.resolve(uri, visitor, Rights::WRITE).await {
            Ok(node) if node.is_leaf() && !node.takes_values() => {
                return Err(not_allowed(&node, "may not be replaced"));
            }
            Ok(node) => return Ok(node),
            Err(error @ TreeError::NotFound(_)) => error,
            Err(error) => return Err(error),
        };
        let mut above = uri.clone();
        let Some(Segment::Name(name)) = above.path.pop() else { return Err(missing) };
        let parent = self.resolve(&above, visitor, Rights::WRITE).await.map_err(|_| missing)?;
        let not_found = || TreeError::NotFound(format!("{}: node {name:?}", parent.client_uri()));
        let id = parent.object.child(parent.id, &name).ok_or_else(not_found)?;
        let encoded = encode_name(&name);
        if !parent.object.node(id).is_unnamed() || !fit::is_name(&encoded) {
            return Err(not_found());
        }
        let node = parent.listed(id, &Child { name: encoded, captured: decode_name(&name), item: None });
        fit::allowed(&node, AccessType::ADD, "may not be added")?;
        let mapping = node.mapping();
        if mapping.list.is_some() && outside(mapping.add.as_ref()).is_none() {
            return Err(not_allowed(&node, "can't be added: its mapping does not say how"));
        }
        Ok(node)
    }

    /// Where a document goes that a server gave no place for: to the node that its ClientURI names below an instance,
    /// else into a new instance of its MOID.
    ///
    /// # Errors
    /// There is no such object for the server, or no such node that it could write.
    pub async fn place_of(&self, document: &Document, visitor: &Visitor<'_>) -> Result<Place, TreeError> {
        let invalid = |why: String| TreeError::Invalid { node: "the retrieved document".to_owned(), why };
        let uri = document.client_uri.as_deref().map(ClientUri::parse).transpose();
        let uri = uri.map_err(|error| invalid(format!("ClientURI: {error}")))?;
        let moid = document.moid.clone().or_else(|| uri.as_ref().map(|uri| uri.moid.clone()));
        let moid = moid.ok_or_else(|| invalid("has neither MOID nor ClientURI".to_owned()))?;
        let object = self.object_for(&moid, visitor).filter(|object| visitor.sees(object));
        let object = object.ok_or_else(|| TreeError::NotFound(moid.clone()))?;
        if let Some(uri) = uri {
            if !object.answers_to(&uri.moid) {
                return Err(invalid(format!("is of {moid:?}, and its ClientURI of {:?}", uri.moid)));
            }
            if !uri.path.is_empty() {
                return self.destination(&uri, visitor).await.map(Place::At);
            }
        }
        Ok(Place::New(Arc::clone(object)))
    }

    /// Puts `data` in place of all that is at `node`: what it lacks goes, unless that is permanent or required.
    ///
    /// # Errors
    /// The DDF or the rights forbid it, the data does not fit, or an effect failed: nothing has changed.
    pub async fn replace(&self, node: &NodeRef, data: Data, visitor: &Visitor<'_>) -> Result<(), TreeError> {
        let _writer = self.store.writer().await;
        let pass = self.pass(visitor)?;
        let mut plan = Plan::default();
        plan.put(&pass, node, data).await?;
        rules::check(&pass, &mut plan).await?;
        self.apply(plan, visitor).await
    }

    /// Stores documents where each belongs, in new instances mostly, whose MIIDs are assigned here (TS 5.4.1). All of
    /// them, or none. Returns where they are now.
    ///
    /// # Errors
    /// As [`Tree::replace`].
    pub async fn store(
        &self,
        documents: Vec<(Place, Document)>,
        visitor: &Visitor<'_>,
    ) -> Result<Vec<NodeRef>, TreeError> {
        let _writer = self.store.writer().await;
        let pass = self.pass(visitor)?;
        let mut plan = Plan::default();
        let mut stored = Vec::new();
        for (place, document) in documents {
            let node = match place {
                Place::At(node) => {
                    let data = document.data_of(&node);
                    plan.put(&pass, &node, Data::Json(data)).await?;
                    node
                }
                Place::New(object) => {
                    let root = self.new_root(&object, &plan, &pass.snapshot, visitor)?;
                    let instance = root.key();
                    plan.changes.extend([Change::Remove(root.key()), delegation::forget(&root)]);
                    plan.changes.push(Change::AddInstance { instance, creator: visitor.maid() });
                    let data = document.data_of(&root);
                    plan.create(&pass, &root, data).await?;
                    root
                }
            };
            stored.push(node);
        }
        rules::check(&pass, &mut plan).await?;
        self.apply(plan, visitor).await?;
        Ok(stored)
    }

    /// The root of an instance that no other ever had the MIID of: a ClientURI that a server still knows must not
    /// reach another's instance.
    fn new_root(
        &self,
        object: &Arc<ManagementObject>,
        plan: &Plan,
        snapshot: &Snapshot,
        visitor: &Visitor<'_>,
    ) -> Result<NodeRef, TreeError> {
        let not_allowed = |what| TreeError::NotAllowed { node: object.moid.clone(), what };
        if !object.dynamic {
            return Err(not_allowed("servers may not create instances"));
        }
        let mut known: Vec<String> =
            self.instances(object, snapshot)?.into_iter().map(|instance| instance.miid).collect();
        let planned = plan.targets.iter().filter(|node| node.is_root() && node.object.moid == object.moid);
        known.extend(planned.map(|root| root.miid().to_owned()));
        let most = match object.node(ManagementObject::ROOT).properties.occurrence {
            Occurrence::ZeroOrN(most) | Occurrence::OneOrN(most) => {
                usize::try_from(most).unwrap_or(usize::MAX)
            }
            Occurrence::ZeroOrOne => 1,
            // Of most objects, the description says no more than that an instance has one root.
            _ => usize::MAX,
        };
        if known.len() >= most {
            return Err(not_allowed("may have no further instance"));
        }
        let last = snapshot.last_miid(&object.moid)?.unwrap_or(0);
        let mut numbers = last.saturating_add(1)..=u64::MAX;
        let free = numbers.find_map(|number| Some(number.to_string()).filter(|miid| !known.contains(miid)));
        let miid = free.ok_or_else(|| TreeError::Full(object.moid.clone()))?;
        let origin = Origin::Created { creator: visitor.maid() };
        Ok(NodeRef::root(Arc::clone(object), Arc::new(Instance { miid, origin })))
    }
}
