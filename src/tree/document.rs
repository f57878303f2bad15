//! One shape for management object data everywhere (TS 6.3.3, 7.5, Appendix E).

use serde_json::Value as Json;

use super::error::TreeError;
use super::node::NodeRef;
use super::registry::Tree;
use crate::mo::{ManagementObject, tnds};

/// Appends `"name":`.
pub(super) fn write_name(name: &str, out: &mut Vec<u8>) {
    write_string(name, out);
    out.push(b':');
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string into memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

/// `data` wrapped in the node's name, with all that says where it belongs.
pub(super) fn serialise(node: &NodeRef, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 256);
    let members = [
        ("DDF", node.object.ddf_uri.as_str()),
        ("MOID", node.object.moid.as_str()),
        ("MIID", node.miid()),
        ("ClientURI", &node.shown_uri()),
    ];
    out.push(b'{');
    for (name, value) in members {
        write_name(name, &mut out);
        write_string(value, &mut out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"MOData\":{");
    write_name(node.name(), &mut out);
    out.extend_from_slice(data);
    out.extend_from_slice(b"}}");
    out
}

/// A serialised management object as received.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// `MOID`
    pub moid: Option<String>,
    /// `ClientURI`
    pub client_uri: Option<String>,
    /// `MOData`
    pub data: Json,
    /// Whether `data` is never wrapped in the node's name: JSON may do either.
    pub is_bare: bool,
}

impl Document {
    /// Reads `application/dmmo+json`: one object, or an array of one (the approved profile's form).
    ///
    /// # Errors
    /// Not JSON, or no `MOData`.
    pub fn parse(body: &[u8]) -> Result<Self, TreeError> {
        let invalid = |why: String| TreeError::Invalid { node: "the retrieved document".to_owned(), why };
        let json: Json =
            serde_json::from_slice(body).map_err(|error| invalid(format!("not JSON: {error}")))?;
        let json = match json {
            Json::Array(mut members) if members.len() == 1 => members.remove(0),
            other => other,
        };
        let Json::Object(mut members) = json else { return Err(invalid("not a JSON object".to_owned())) };
        let data = members.remove("MOData").ok_or_else(|| invalid("has no MOData".to_owned()))?;
        let mut text = |name: &str| match members.remove(name) {
            Some(Json::String(text)) => Some(text),
            _ => None,
        };
        Ok(Self { moid: text("MOID"), client_uri: text("ClientURI"), data, is_bare: false })
    }

    /// Reads `application/vnd.syncml.dmtnds+xml`, typed by the DDF of `target`, or else of the management object that
    /// the document says it is of.
    ///
    /// # Errors
    /// No such document, or it is of something else than `target`.
    pub fn parse_tnds(body: &[u8], target: Option<&NodeRef>, tree: &Tree) -> Result<Self, TreeError> {
        let invalid = |why: String| TreeError::Invalid { node: "the retrieved document".to_owned(), why };
        let mut roots = tnds::parse(body).map_err(|error| invalid(error.to_string()))?;
        let (Some(root), true) = (roots.pop(), roots.is_empty()) else {
            return Err(invalid("has more than one root".to_owned()));
        };
        // The root of an instance has any name in a DM 1.x tree.
        if let Some(node) = target
            && !node.is_root()
            && !node.is_called(&root.name)
        {
            return Err(invalid(format!("is of a node {:?}, not of {:?}", root.name, node.name())));
        }
        let object = match (target, &root.ddf_name) {
            (Some(node), _) => Some(&node.object),
            (None, Some(moid)) => tree.object(moid),
            (None, None) => return Err(invalid("has no DDFName".to_owned())),
        };
        let moid = root.ddf_name.clone();
        let object = object.ok_or_else(|| TreeError::NotFound(moid.clone().unwrap_or_default()))?;
        let id = target.map_or(ManagementObject::ROOT, |node| node.id);
        let data = root.to_json(object, Some(id)).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { moid, client_uri: None, data, is_bare: true })
    }

    /// The data of `node`: the inner of `{"NodeName": …}` where it is wrapped in the node's name, which it is
    /// if that is its only member and the DDF has no child of that very name.
    #[must_use]
    pub fn data_of(self, node: &NodeRef) -> Json {
        match self.data {
            Json::Object(mut members)
                if !self.is_bare
                    && members.len() == 1
                    && members.contains_key(node.name())
                    && !has_named(node, node.name()) =>
            {
                members.remove(node.name()).unwrap_or(Json::Null)
            }
            other => other,
        }
    }
}

fn has_named(node: &NodeRef, name: &str) -> bool {
    let described = node.object.child(node.id, name);
    described.is_some_and(|id| !node.object.node(id).is_unnamed())
}
