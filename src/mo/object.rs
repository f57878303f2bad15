//! A management object as the agent holds it: DDF and mapping joined into one arena of nodes.

use std::path::PathBuf;

use crate::ddf::{NodeName, Properties};

use super::mapping::{BusObject, NodeMapping};

/// A management object: what is described, and where its values come from.
#[derive(Debug)]
pub struct ManagementObject {
    /// The folder's name.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// SHA-256 over the folder's mapping file and DDF as loaded.
    pub digest: [u8; 32],
    /// The Management Object Identifier.
    pub moid: String,
    /// Other MOIDs it answers to.
    pub aliases: Vec<String>,
    /// Where servers are told to find the DDF.
    pub ddf_uri: String,
    /// The root node's name.
    pub root_name: String,
    /// Instances that the device itself brings.
    pub instances: Vec<Seed>,
    /// `instances-from = "accounts"`: one instance for each DM account, its MIID the server id (DMAcc).
    pub per_account: bool,
    /// Whether servers may create instances.
    pub dynamic: bool,
    /// D-Bus objects that sources name.
    pub objects: Vec<(String, BusObject)>,
    #[expect(dead_code, reason = "filled by the loader")]
    nodes: Vec<Node>,
}

/// An instance that exists from the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Seed {
    /// Its MIID.
    pub miid: String,
    /// MOData stored at the first start: the JSON object as written in the `data` file.
    pub data: Option<serde_json::Value>,
}

/// Names a node within its [`ManagementObject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

/// A node of a management object.
#[derive(Debug)]
pub struct Node {
    /// Its name; an un-named node's label is the mapping's variable, `if` in `<if>`.
    pub name: NodeName,
    /// Framework properties.
    pub properties: Properties,
    /// Where its value comes from and goes to.
    pub mapping: NodeMapping,
    /// The node above; none for the root.
    pub parent: Option<NodeId>,
    /// The nodes below.
    pub children: Vec<NodeId>,
}

impl ManagementObject {
    /// The root node.
    pub const ROOT: NodeId = NodeId(0);
}
