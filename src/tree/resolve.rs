//! From a ClientURI to a node (TS 6.1.2).

use std::sync::Arc;

use crate::backend::{self, Answer, Child};
use crate::ddf::NodeName;
use crate::mo::NodeId;
use crate::store::Snapshot;
use crate::uri::client::{ClientUri, Segment, Selector};
use crate::uri::{decode_name, encode_name};

use super::access::Rights;
use super::error::TreeError;
use super::node::NodeRef;
use super::registry::{Tree, Visitor};

impl Tree {
    /// Finds the node that `uri` names, for a server that wants to do something that takes `wanted` rights.
    /// Named nodes below the instance are taken from the DDF: whether an optional one has a value is seen
    /// when it is read.
    ///
    /// # Errors
    /// [`TreeError::NotFound`], [`TreeError::NotUnique`], [`TreeError::Forbidden`]; x-names and wildcards
    /// are [`TreeError::Unsupported`] as yet.
    pub async fn resolve(
        &self,
        uri: &ClientUri,
        visitor: &Visitor<'_>,
        wanted: Rights,
    ) -> Result<NodeRef, TreeError> {
        let object = self.object_for(&uri.moid, visitor).filter(|object| visitor.sees(object));
        let object = object.ok_or_else(|| TreeError::NotFound(uri.moid.clone()))?;
        let snapshot = self.store.snapshot()?;
        let found = match &uri.instance {
            Selector::Name(miid) => {
                let mut instances = self.instances(object, &snapshot)?.into_iter();
                let named = instances.find(|instance| instance.miid == *miid);
                named
                    .map(|instance| {
                        let rights = self.rights(object, &instance, visitor, &snapshot)?;
                        Ok::<_, TreeError>((instance, rights))
                    })
                    .transpose()?
            }
            Selector::Only => only(self.visible(object, visitor, &snapshot)?)
                .map_err(|()| TreeError::NotUnique(format!("{}//", object.moid)))?,
            Selector::Letter(_) => return Err(TreeError::Unsupported("an x-name as MO instance")),
            Selector::Any => return Err(TreeError::Unsupported("a wildcard as MO instance")),
        };
        let (instance, rights) =
            found.ok_or_else(|| TreeError::NotFound(format!("an instance of {}", object.moid)))?;
        if !rights.allow(wanted) {
            let place = format!("{}/{}", object.moid, instance.miid);
            let hidden = rights.is_none() && instance.is_private();
            return Err(if hidden { TreeError::NotFound(place) } else { TreeError::Forbidden(place) });
        }

        let mut node = NodeRef::root(Arc::clone(object), Arc::new(instance));
        for segment in &uri.path {
            let name = match segment {
                Segment::Name(name) => name,
                Segment::Letter(_) => return Err(TreeError::Unsupported("an x-name as node name")),
                Segment::Any => return Err(TreeError::Unsupported("a wildcard as node name")),
            };
            node = self.step(&node, name, &snapshot, visitor).await?;
        }
        node.asked = Some(uri.without_query().to_string().into());
        Ok(node)
    }

    /// The child called `name`.
    async fn step(
        &self,
        parent: &NodeRef,
        name: &str,
        snapshot: &Snapshot,
        visitor: &Visitor<'_>,
    ) -> Result<NodeRef, TreeError> {
        let not_found = || TreeError::NotFound(format!("{}: node {name:?}", parent.client_uri()));
        let id = parent.object.child(parent.id, name).ok_or_else(not_found)?;
        match &parent.object.node(id).name {
            // The description's spelling, where names are not told apart by case.
            NodeName::Named(described) => Ok(parent.child(id, described)),
            NodeName::Unnamed(_) => {
                let children = self.children(parent, id, snapshot, visitor).await?;
                let name = encode_name(name);
                let child = children.iter().find(|child| child.name == name).ok_or_else(not_found)?;
                Ok(parent.listed(id, child))
            }
        }
    }

    /// The children of `parent` that the un-named description `id` has right now.
    pub(super) async fn children(
        &self,
        parent: &NodeRef,
        id: NodeId,
        snapshot: &Snapshot,
        visitor: &Visitor<'_>,
    ) -> Result<Vec<Child>, TreeError> {
        let Some(list) = &parent.object.node(id).mapping.list else {
            let stored = snapshot.children(&parent.key())?.into_iter();
            // Stored siblings with a name of their own are not children of the un-named node.
            let unnamed = stored.filter(|name| parent.object.child(parent.id, name) == Some(id));
            return Ok(unnamed
                .map(|name| Child { captured: decode_name(&name), name, item: None })
                .collect());
        };
        let scope = self.scope(parent, visitor);
        match backend::list(list, &scope.context()).await {
            Ok(Answer::Value(children)) => Ok(children),
            Ok(Answer::Absent(_)) => Ok(Vec::new()),
            Ok(Answer::Unavailable(why)) => Err(TreeError::Unavailable { node: parent.client_uri(), why }),
            Err(source) => Err(TreeError::Backend { node: parent.client_uri(), source }),
        }
    }
}

/// The single member, nothing of an empty list, an error for several.
fn only<T>(all: Vec<T>) -> Result<Option<T>, ()> {
    let mut all = all.into_iter();
    match (all.next(), all.next()) {
        (found, None) => Ok(found),
        _ => Err(()),
    }
}
