//! Management objects as the agent holds them: DDF and mapping joined into one arena of nodes.

use std::cmp::Ordering;
use std::path::PathBuf;

use crate::base::Order as _;
use crate::ddf::{CaseSense, Format, NodeName, Properties};
use crate::package::Profile;

use super::alarm::Alarm;
use super::mapping::{BusObject, ListFrom, NodeMapping, RecordsPlace};
use crate::uri::Moid;

/// A management object: what is described, and where its values come from.
#[derive(Debug)]
pub struct ManagementObject {
    /// The name of the folder.
    pub name: String,
    /// The path of the folder.
    pub folder: PathBuf,
    /// The path of the mapping file, for messages.
    pub mapping_file: PathBuf,
    /// The SHA-256 over the folder's mapping file and DDF as loaded, and over a base that `ddf_uri` has.
    pub digest: [u8; 32],
    /// SHA-256 over the folder's mapping file and DDF as loaded.
    pub files_digest: [u8; 32],
    /// The Management Object Identifier.
    pub moid: Moid,
    /// The other MOIDs that it answers to.
    pub aliases: Vec<Moid>,
    /// The URI where servers are told to find the DDF.
    pub ddf_uri: String,
    /// Whether that URI lacks `[objects] ddf-base`: servers are told an address that nobody has.
    pub needs_ddf_base: bool,
    /// The root node's name.
    pub root_name: String,
    /// The instances that the device itself brings.
    pub instances: Vec<Seed>,
    /// Whether there is one instance for each DM account, its MIID the server id (`instances-from = "accounts"`,
    /// DMAcc).
    pub per_account: bool,
    /// The profile of the servers that the object is for (`profile`); none: all.
    pub profile: Option<Profile>,
    /// Whether there is one instance for each management object whose rights can be delegated
    /// (`instances-from = "objects"`, TS 11.3).
    pub per_object: bool,
    /// The paths, below the sysroot, of which one must be there for the object to be served (`needs`); empty: it always
    /// is.
    pub needs: Vec<PathBuf>,
    /// Whether servers may create instances.
    pub dynamic: bool,
    /// The D-Bus objects that sources name.
    pub objects: Vec<(String, BusObject)>,
    /// The alarms: what servers are told without asking.
    pub alarms: Vec<Alarm>,
    /// The nodes in document order: each stands before its children. Never empty.
    pub(super) nodes: Vec<Node>,
}

/// A seed: an instance that exists from the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Seed {
    /// The MIID of the instance.
    pub miid: String,
    /// The MOData stored at the first start: the JSON object as written in the `data` file.
    pub data: Option<serde_json::Value>,
}

/// The id of a node within its [`ManagementObject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    pub(super) fn new(index: usize) -> Option<Self> {
        u32::try_from(index).ok().map(Self)
    }

    pub(super) fn index(self) -> usize {
        // A u32 fits wherever this runs.
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A node of a management object.
#[derive(Debug)]
pub struct Node {
    /// The name; an un-named node's label is the mapping's variable, `if` in `<if>`.
    pub name: NodeName,
    /// The framework properties.
    pub properties: Properties,
    /// The mapping: where the value comes from and goes to.
    pub mapping: NodeMapping,
    /// The node above; none for the root.
    pub parent: Option<NodeId>,
    /// The nodes below, in document order.
    pub children: Vec<NodeId>,
    /// The children that have a name, sorted by it to be looked up.
    pub(super) named: Box<[NodeId]>,
    /// The first of the children that has no name.
    pub(super) unnamed: Option<NodeId>,
}

impl Node {
    pub(super) fn new(
        name: NodeName,
        properties: Properties,
        mapping: NodeMapping,
        parent: Option<NodeId>,
    ) -> Self {
        Self { name, properties, mapping, parent, children: Vec::new(), named: Box::default(), unnamed: None }
    }

    /// Gives a node of an arena its children.
    pub(super) fn adopt(nodes: &mut [Self], parent: NodeId, children: Vec<NodeId>) {
        let child = |id: &NodeId| nodes.get(id.index());
        let name = |id: &NodeId| child(id).map_or("", Self::own_name);
        let is_unnamed = |id: &NodeId| child(id).is_some_and(Self::is_unnamed);
        let unnamed = children.iter().copied().find(is_unnamed);
        let mut named: Vec<NodeId> = children.iter().copied().filter(|id| !is_unnamed(id)).collect();
        named.order_by(|one, other| compare_folded(name(one), name(other)).then(one.cmp(other)));
        if let Some(node) = nodes.get_mut(parent.index()) {
            (node.children, node.named, node.unnamed) = (children, named.into(), unnamed);
        }
    }

    /// The variable that stands for an un-named node's name.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        if let NodeName::Unnamed(Some(label)) = &self.name { Some(label) } else { None }
    }

    /// Whether the name is assigned at run time.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        matches!(self.name, NodeName::Unnamed(_))
    }

    /// Whether the node's name is not told apart by case.
    #[must_use]
    pub fn ignores_case(&self) -> bool {
        self.properties.case_sense == Some(CaseSense::Insensitive)
    }

    /// The name that the node has by its description; empty if there is none.
    pub(crate) fn own_name(&self) -> &str {
        if let NodeName::Named(own) = &self.name { own } else { "" }
    }
}

impl ManagementObject {
    /// The id of the root node.
    pub const ROOT: NodeId = NodeId(0);

    /// Whether an EXEC of the object may be vetoed by the machine's programs.
    #[must_use]
    pub fn has_veto(&self) -> bool {
        self.ids().any(|id| self.node(id).mapping.exec.as_deref().is_some_and(|exec| exec.veto))
    }

    /// Whether `moid` is the object's own or an alias.
    #[must_use]
    pub fn answers_to(&self, moid: &Moid) -> bool {
        self.moid == *moid || self.aliases.contains(moid)
    }

    /// Whether the object is there for servers that speak this profile.
    #[must_use]
    pub fn is_for(&self, profile: Profile) -> bool {
        self.profile.is_none_or(|own| own == profile)
    }

    /// Whether a node is the first below its parent that has this name, or the first un-named one.
    pub(super) fn is_first(&self, id: NodeId) -> bool {
        let node = self.node(id);
        let first = match (node.parent, &node.name) {
            (None, _) => return true,
            (Some(parent), NodeName::Unnamed(_)) => self.unnamed_child(parent),
            (Some(parent), NodeName::Named(name)) => self.child(parent, name),
        };
        first == Some(id)
    }

    /// The node of an id that this object gave out.
    ///
    /// # Panics
    /// For an id of another object that has more nodes.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "ids come from this object's own arena, which never shrinks")]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The ids of all nodes, a node before its children.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).filter_map(NodeId::new)
    }

    /// The nodes below a node.
    #[must_use]
    pub fn children(&self, id: NodeId) -> &[NodeId] {
        &self.node(id).children
    }

    /// The node that describes the child called `name`: one of that name, else the un-named one.
    #[must_use]
    pub fn child(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        let named = &self.node(parent).named;
        let own = |id: &NodeId| self.node(*id).own_name();
        let folded = |id: &NodeId| compare_folded(own(id), name);
        // Those that differ in case alone are neighbours.
        let alike = named.get(named.partition_point(|id| folded(id).is_lt())..).unwrap_or_default();
        let alike = alike.iter().copied().take_while(|id| folded(id).is_eq());
        alike
            .clone()
            .find(|id| own(id) == name)
            .or_else(|| alike.clone().find(|id| self.node(*id).ignores_case()))
            .or_else(|| self.unnamed_child(parent))
    }

    /// The node that describes the children whose names are assigned at run time.
    #[must_use]
    pub fn unnamed_child(&self, parent: NodeId) -> Option<NodeId> {
        self.node(parent).unnamed
    }

    /// The node at a mapping's path, as in `Ext/Interfaces/<if>/Mtu`: `<…>`, whatever is in it, is the un-named
    /// child. The empty path is the root.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<NodeId> {
        if path.is_empty() {
            return Some(Self::ROOT);
        }
        path.split('/').try_fold(Self::ROOT, |parent, name| {
            if is_placeholder(name) {
                return self.unnamed_child(parent);
            }
            self.child(parent, name).filter(|id| !self.node(*id).is_unnamed())
        })
    }

    /// The node's path below the root, as [`find`](Self::find) takes it.
    #[must_use]
    pub fn path(&self, id: NodeId) -> String {
        let mut names: Vec<String> = self.lineage(id).map(|node| shown(&node.name)).collect();
        names.pop();
        names.reverse();
        names.join("/")
    }

    /// Whether the node holds a value rather than nodes.
    #[must_use]
    pub fn is_leaf(&self, id: NodeId) -> bool {
        self.node(id).properties.format != Format::Node
    }

    /// Whether no command is allowed on the node, nor on any below it.
    #[must_use]
    pub fn is_closed(&self, id: NodeId) -> bool {
        let node = self.node(id);
        node.properties.access.is_empty() && node.children.iter().all(|child| self.is_closed(*child))
    }

    /// Whether the node is in a list that a program makes.
    #[must_use]
    pub fn is_listed_by_program(&self, id: NodeId) -> bool {
        let list =
            self.lineage(id).find(|node| node.is_unnamed()).and_then(|node| node.mapping.list.as_deref());
        list.is_some_and(|list| matches!(list.from, ListFrom::Records { place: RecordsPlace::Run(_), .. }))
    }

    /// The node and its ancestors, upwards.
    pub fn lineage(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        std::iter::successors(Some(self.node(id)), |node| node.parent.map(|parent| self.node(parent)))
    }
}

/// Compares names without case: the order in which named siblings are looked up.
fn compare_folded(one: &str, other: &str) -> Ordering {
    for (one, other) in one.as_bytes().iter().zip(other.as_bytes()) {
        if one != other {
            let order = one.to_ascii_lowercase().cmp(&other.to_ascii_lowercase());
            if order.is_ne() {
                return order;
            }
        }
    }
    one.len().cmp(&other.len())
}

/// Whether a step of a path means the un-named child.
pub(super) fn is_placeholder(step: &str) -> bool {
    step.len() > 2 && step.starts_with('<') && step.ends_with('>')
}

/// The name of a node as a path has it.
pub(super) fn shown(name: &NodeName) -> String {
    match name {
        NodeName::Named(name) => name.clone(),
        NodeName::Unnamed(label) => format!("<{}>", label.as_deref().unwrap_or("x")),
    }
}
