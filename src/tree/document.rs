//! One shape for management object data everywhere (TS 6.3.3, 7.5, Appendix E).

use serde_json::{Map, Value as Json};

use super::error::TreeError;
use super::node::NodeRef;
use super::registry::Tree;
use crate::mo::{ManagementObject, tnds};
use crate::package::{MoHead, Profile};

/// Appends `"name":`.
pub(super) fn write_name(name: &str, out: &mut Vec<u8>) {
    write_string(name, out);
    out.push(b':');
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string into memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

/// Begins a serialisation: all that says where it belongs, and the node's name. Its value follows, and then [`end`].
pub(super) fn begin(node: &NodeRef, profile: Profile, out: &mut Vec<u8>) {
    let (miid, client_uri) = (node.miid(), node.shown_uri());
    let head = MoHead { ddf: &node.object.ddf_uri, moid: &node.object.moid, miid, client_uri: &client_uri };
    out.push(b'{');
    for (name, value) in profile.head_members(&head) {
        write_name(name, out);
        write_string(value, out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"MOData\":{");
    write_name(node.name(), out);
}

/// Ends a serialisation, with the instance's cache validator where it has one. It comes last: by then, all was seen.
pub(super) fn end(validator: Option<&str>, out: &mut Vec<u8>) {
    out.push(b'}');
    if let Some(validator) = validator {
        out.push(b',');
        write_name("CV", out);
        write_string(validator, out);
    }
    out.push(b'}');
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
    /// Reads `application/dmmo+json`: one object, or an array of them (the approved profile's form). At least one.
    ///
    /// # Errors
    /// Not JSON, or no `MOData`.
    pub fn parse(body: &[u8]) -> Result<Vec<Self>, TreeError> {
        let json: Json =
            serde_json::from_slice(body).map_err(|error| unfit(&format_args!("not JSON: {error}")))?;
        match json {
            Json::Array(members) if members.is_empty() => Err(unfit(&"an empty array")),
            Json::Array(members) => members.into_iter().map(Self::of).collect(),
            object => Self::of(object).map(|document| vec![document]),
        }
    }

    /// Which instance it was of (`MIID`, `MIIDS`) is nothing that says where it goes.
    fn of(json: Json) -> Result<Self, TreeError> {
        let Json::Object(mut members) = json else { return Err(unfit(&"not a JSON object")) };
        let data = members.remove("MOData").ok_or_else(|| unfit(&"has no MOData"))?;
        // An empty name is the TS's own way of leaving one out (TS 7.5).
        let mut text = |name: &str| match members.remove(name) {
            Some(Json::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            None | Some(Json::Null) => Ok(None),
            Some(_) => Err(unfit(&format_args!("its {name} is no string"))),
        };
        Ok(Self { moid: text("MOID")?, client_uri: text("ClientURI")?, data, is_bare: false })
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
        let is_wrapper = |members: &Map<String, Json>| {
            let own = |name: &String| node.is_called(name) && !has_named(node, name);
            !self.is_bare && members.len() == 1 && members.keys().all(own)
        };
        match self.data {
            Json::Object(members) if is_wrapper(&members) => {
                members.into_iter().next().map_or(Json::Null, |(_, inner)| inner)
            }
            other => other,
        }
    }
}

fn unfit(why: &dyn std::fmt::Display) -> TreeError {
    TreeError::Invalid { node: "the retrieved document".to_owned(), why: why.to_string() }
}

fn has_named(node: &NodeRef, name: &str) -> bool {
    let described = node.object.child(node.id, name);
    described.is_some_and(|id| !node.object.node(id).is_unnamed())
}
