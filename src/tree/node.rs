//! References to nodes that may exist.

use std::sync::Arc;

use crate::backend::Child;
use crate::ddf::{AccessType, Properties};
use crate::mo::mapping::NodeMapping;
use crate::mo::{ManagementObject, Node, NodeId};
use crate::store::NodeKey;

use crate::uri::client::{ClientUri, Segment};
use crate::uri::decode_name;

use super::instance::Instance;

/// A reference to a node of an instance: its description, and the names on the way to it.
#[derive(Clone, Debug)]
pub struct NodeRef {
    /// The management object.
    pub object: Arc<ManagementObject>,
    /// The instance.
    pub(super) instance: Arc<Instance>,
    /// The node's description.
    pub id: NodeId,
    /// The key in the store, which has the names on the way, those of un-named nodes percent-encoded.
    key: NodeKey,
    /// The values of variables such as `{if}`: label and name of each un-named node on the way, as the machine has it.
    pub(super) variables: Arc<[(String, String)]>,
    /// The item of the listing that made the nearest un-named node: what it says of that.
    pub(super) item: Option<Arc<serde_json::Value>>,
    /// The ClientURI that a server named it by, without its query.
    pub(super) asked: Option<Arc<str>>,
}

impl NodeRef {
    pub(super) fn root(object: Arc<ManagementObject>, instance: Arc<Instance>) -> Self {
        Self {
            id: ManagementObject::ROOT,
            key: NodeKey::instance(&object.moid, &instance.miid),
            object,
            instance,
            variables: Arc::default(),
            item: None,
            asked: None,
        }
    }

    /// The root of the node's instance.
    pub(super) fn root_of(&self) -> Self {
        Self::root(Arc::clone(&self.object), Arc::clone(&self.instance))
    }

    /// The child that `id` describes, called `name`; kept in the store or named in the DDF.
    pub(super) fn child(&self, id: NodeId, name: &str) -> Self {
        let mut child = self.below(id, name);
        if self.object.node(id).is_unnamed() {
            child.note_unnamed(decode_name(name), None);
        }
        child
    }

    /// The child that `id` describes, as a listing found it.
    pub(super) fn listed(&self, id: NodeId, found: &Child) -> Self {
        let mut child = self.below(id, &found.name);
        if self.object.node(id).is_unnamed() {
            child.note_unnamed(found.captured.clone(), found.item.clone());
        }
        child
    }

    fn below(&self, id: NodeId, name: &str) -> Self {
        Self {
            object: Arc::clone(&self.object),
            instance: Arc::clone(&self.instance),
            id,
            key: self.key.child(name),
            variables: Arc::clone(&self.variables),
            item: self.item.clone(),
            asked: None,
        }
    }

    /// The node as a listing would show it: the machine knows it by its name without percent-encoding.
    pub(super) fn as_child(&self) -> Child {
        let (name, captured) = (self.name().to_owned(), decode_name(self.name()));
        Child { name, captured, item: None }
    }

    fn note_unnamed(&mut self, captured: String, item: Option<Arc<serde_json::Value>>) {
        let label = self.object.node(self.id).label().unwrap_or_default().to_owned();
        self.variables = self.variables.iter().cloned().chain([(label, captured)]).collect();
        self.item = item;
    }

    /// The node above; none above the root.
    pub(super) fn parent(&self) -> Option<Self> {
        let id = self.object.node(self.id).parent?;
        let mut parent = Self { id, key: self.key.parent()?, asked: None, ..self.clone() };
        if self.object.node(self.id).is_unnamed() {
            parent.variables =
                parent.variables.split_last().map(|(_, above)| above.into()).unwrap_or_default();
            parent.item = None;
        }
        Some(parent)
    }

    /// The node `up` levels above; 0 is this one.
    pub(super) fn above(&self, up: usize) -> Option<Self> {
        (0..up).try_fold(self.clone(), |node, _| node.parent())
    }

    /// The node that is `up` levels above this one, and from there at the end of `names`.
    pub(super) fn relative(&self, up: usize, names: &[String]) -> Option<Self> {
        let start = (0..up).try_fold(self.clone(), |node, _| node.parent())?;
        names.iter().try_fold(start, |parent, name| {
            let id = parent.object.child(parent.id, name)?;
            Some(parent.child(id, name))
        })
    }

    /// The MIID of the instance.
    #[must_use]
    pub fn miid(&self) -> &str {
        &self.instance.miid
    }

    /// The framework properties of the node.
    #[must_use]
    pub fn properties(&self) -> &Properties {
        &self.object.node(self.id).properties
    }

    /// The mapping of the node: where its value comes from and goes to.
    #[must_use]
    pub fn mapping(&self) -> &NodeMapping {
        &self.object.node(self.id).mapping
    }

    /// Whether the node is the instance's root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.id == ManagementObject::ROOT
    }

    /// Whether the node holds a value rather than nodes.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        self.object.is_leaf(self.id)
    }

    /// Whether the DDF lets a server write the node, one way or the other.
    #[must_use]
    pub fn takes_values(&self) -> bool {
        let access = &self.properties().access;
        access.allows(AccessType::REPLACE) || access.allows(AccessType::ADD)
    }

    /// The node's own name: that of the object's root for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.is_root() { &self.object.root_name } else { self.key.name() }
    }

    /// Whether `name` is the node's own, however it is percent-encoded, and in whichever case where its DDF ignores
    /// that.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        let (own, name) = (decode_name(self.name()), decode_name(name));
        own == name || (self.object.node(self.id).ignores_case() && own.eq_ignore_ascii_case(&name))
    }

    /// The key of the node in the store.
    #[must_use]
    pub fn key(&self) -> &NodeKey {
        &self.key
    }

    /// The ClientURI under which a server gets the node: the one it asked with (TS Appendix E).
    #[must_use]
    pub(super) fn shown_uri(&self) -> String {
        self.asked.as_deref().map_or_else(|| self.client_uri(), str::to_owned)
    }

    /// The ClientURI that names the node exactly (TS 6.1).
    #[must_use]
    pub fn client_uri(&self) -> String {
        let mut uri = ClientUri::root(&self.object.moid, self.miid());
        // From the node upwards, as its description is; the root has no name there.
        let names: Vec<&str> = self.key.names().collect();
        // A ClientURI holds its names decoded.
        let plain = |(name, node): (&&str, &Node)| {
            if node.is_unnamed() { decode_name(name) } else { (*name).to_owned() }
        };
        uri.path =
            names.iter().rev().zip(self.object.lineage(self.id)).map(plain).map(Segment::Name).collect();
        uri.path.reverse();
        uri.to_string()
    }
}
