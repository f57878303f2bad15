//! A reference to a node that may exist.

use std::sync::Arc;

use crate::ddf::{NodeName, Properties};
use crate::mo::mapping::NodeMapping;
use crate::mo::{ManagementObject, NodeId};
use crate::store::NodeKey;

use super::registry::Instance;

/// A node of an instance: its description, and the names on the way to it.
#[derive(Clone, Debug)]
pub struct NodeRef {
    /// The management object.
    pub object: Arc<ManagementObject>,
    /// The instance.
    pub(super) instance: Arc<Instance>,
    /// The node's description.
    pub id: NodeId,
    /// Names from the root's child down; empty for the root.
    pub names: Vec<String>,
    /// Names of the un-named nodes on the way, by label: what `{if}` stands for.
    pub(super) variables: Vec<(String, String)>,
    /// What the listing that made the nearest un-named node says of it.
    pub(super) item: Option<Arc<serde_json::Value>>,
}

impl NodeRef {
    pub(super) fn root(object: Arc<ManagementObject>, instance: Arc<Instance>) -> Self {
        Self {
            id: ManagementObject::ROOT,
            object,
            instance,
            names: Vec::new(),
            variables: Vec::new(),
            item: None,
        }
    }

    /// The child that `id` describes, called `name`.
    pub(super) fn child(&self, id: NodeId, name: &str, item: Option<Arc<serde_json::Value>>) -> Self {
        let mut child = self.clone();
        child.id = id;
        child.names.push(name.to_owned());
        if let NodeName::Unnamed(label) = &self.object.node(id).name {
            child.variables.push((label.clone().unwrap_or_default(), name.to_owned()));
            child.item = item;
        }
        child
    }

    /// The instance's MIID.
    #[must_use]
    pub fn miid(&self) -> &str {
        &self.instance.miid
    }

    /// Framework properties.
    #[must_use]
    pub fn properties(&self) -> &Properties {
        &self.object.node(self.id).properties
    }

    /// Where the value comes from and goes to.
    #[must_use]
    pub fn mapping(&self) -> &NodeMapping {
        &self.object.node(self.id).mapping
    }

    /// Whether it is the instance's root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether it holds a value rather than nodes.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        self.object.is_leaf(self.id)
    }

    /// The node's own name: that of the object's root for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names.last().map_or(&self.object.root_name, String::as_str)
    }

    /// Where it is kept in the store.
    #[must_use]
    pub fn key(&self) -> NodeKey {
        NodeKey::node(&self.object.moid, self.miid(), self.names.iter().map(String::as_str))
    }

    /// The ClientURI that names it exactly (TS 6.1).
    #[must_use]
    pub fn client_uri(&self) -> String {
        let mut uri = format!("{}/{}", self.object.moid, crate::uri::encode_name(self.miid()));
        if self.names.is_empty() {
            uri.push('/');
        }
        for name in &self.names {
            uri.push('/');
            uri.push_str(&crate::uri::encode_name(name));
        }
        uri
    }
}
