//! Documents: serialised management objects as they are received, JSON or TNDS, in one shape (TS 6.3.3, 7.5, Appendix
//! E).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::error::TreeError;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use crate::mo::data::{Budget, Members};
use crate::mo::tnds::{self, Branch, TndsError};
use crate::mo::value::excerpt;
use crate::mo::{ManagementObject, MoData};
use crate::uri::Moid;

/// The longest word on what is wrong with a document, in characters.
const LONGEST: usize = 100;
/// The byte order mark of UTF-8. Some servers write it before JSON as well; it may be passed over (RFC 8259, 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A serialised management object as received.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// `MOID`: the management object.
    pub moid: Option<Moid>,
    /// `ClientURI`: the address of the node.
    pub client_uri: Option<String>,
    /// `MOData`: the data of the node.
    pub data: MoData,
    /// Whether `data` is never wrapped in the node's name: JSON may do either.
    pub is_bare: bool,
}

impl Document {
    /// Reads `application/dmmo+json`: one object, or an array of them (the approved profile's form). At least one.
    ///
    /// # Errors
    /// Not JSON, no `MOData`, or more nodes than any device has.
    pub fn parse(body: &[u8]) -> Result<Vec<Self>, TreeError> {
        let mut budget = Budget::default();
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let mut json = serde_json::Deserializer::from_slice(body);
        let read = Body(&mut budget).deserialize(&mut json);
        let heads = read.and_then(|heads| json.end().map(|()| heads)).map_err(|error| {
            match budget.is_exceeded {
                true => too_many(),
                // It may show all of what was there instead.
                false if error.is_data() => {
                    unfit(&error.to_string().chars().take(LONGEST).collect::<String>())
                }
                false => unfit(&format_args!("not JSON: {error}")),
            }
        })?;
        if heads.is_empty() {
            return Err(unfit(&"an empty array"));
        }
        heads.into_iter().map(Self::of).collect()
    }

    /// Makes a document of its members. The instance it was of (`MIID`, `MIIDS`) is nothing that says where it goes.
    fn of(head: Head) -> Result<Self, TreeError> {
        // An empty name is the TS's own way of leaving one out (TS 7.5).
        let text = |name: &str, data: Option<MoData>| match data {
            Some(MoData::Leaf(Json::String(text))) => Ok(Some(text).filter(|text| !text.is_empty())),
            None | Some(MoData::Leaf(Json::Null)) => Ok(None),
            Some(_) => Err(unfit(&format_args!("its {name} is no string"))),
        };
        let (moid, client_uri) = (text("MOID", head.moid)?, text("ClientURI", head.client_uri)?);
        Ok(Self { moid: moid.map(Moid::from), client_uri, data: head.data, is_bare: false })
    }

    /// Reads `application/vnd.syncml.dmtnds+xml`, typed by the DDF of `target`, or else of the management object that
    /// each of its roots says it is of. At least one.
    ///
    /// # Errors
    /// No such document, or it is of something else than `target`, or of nothing that the server may know of.
    pub fn parse_tnds(
        body: &[u8],
        target: Option<&NodeRef>,
        tree: &Tree,
        principal: &Principal<'_>,
    ) -> Result<Vec<Self>, TreeError> {
        let roots = tnds::parse(body).map_err(misread)?;
        roots.into_iter().map(|root| Self::of_branch(root, target, tree, principal)).collect()
    }

    fn of_branch(
        root: Branch,
        target: Option<&NodeRef>,
        tree: &Tree,
        principal: &Principal<'_>,
    ) -> Result<Self, TreeError> {
        // The root of an instance has any name in a DM 1.x tree.
        if let Some(node) = target
            && !node.is_root()
            && !node.is_called(&root.name)
        {
            let found = excerpt(&root.name);
            return Err(unfit(&format_args!("is of a node {found}, not of {:?}", node.name())));
        }
        let object = match (target, &root.ddf_name) {
            (Some(node), _) => &node.object,
            (None, Some(moid)) => tree.object_seen(moid, principal)?,
            (None, None) => return Err(unfit(&"has no DDFName")),
        };
        let moid = root.ddf_name.clone();
        let id = target.map_or(ManagementObject::ROOT, |node| node.id);
        let data = root.into_data(object, Some(id)).map_err(misread)?;
        Ok(Self { moid, client_uri: None, data, is_bare: true })
    }

    /// The data of `node`, of documents that are to be of it and nothing else.
    ///
    /// # Errors
    /// They are of several management objects, or of another one.
    pub fn only(mut documents: Vec<Self>, node: &NodeRef) -> Result<MoData, TreeError> {
        let invalid = |why: String| TreeError::Invalid { node: node.client_uri(), why };
        let (Some(document), true) = (documents.pop(), documents.is_empty()) else {
            return Err(invalid("the document is of several management objects".to_owned()));
        };
        if let Some(moid) = &document.moid
            && !node.object.answers_to(moid)
        {
            return Err(invalid(format!("the document is of {moid:?}")));
        }
        Ok(document.data_of(node))
    }

    /// The data of `node`: the inner of `{"NodeName": …}` where it is wrapped in the node's name, which it is
    /// if that is its only member and the DDF has no child of that very name.
    #[must_use]
    pub fn data_of(self, node: &NodeRef) -> MoData {
        let is_wrapper = |members: &Members| {
            let own = |name: &str| node.is_called(name) && !has_named(node, name);
            !self.is_bare && matches!(&**members, [(name, _)] if own(name))
        };
        match self.data {
            MoData::Node(members) if is_wrapper(&members) => {
                members.into_iter().next().map_or(MoData::Leaf(Json::Null), |(_, inner)| inner)
            }
            other => other,
        }
    }
}

/// The members of a document that say where it belongs and what is in it, as they are read.
struct Head {
    moid: Option<MoData>,
    client_uri: Option<MoData>,
    data: MoData,
}

/// The body of a request: one document or an array of them, counted together.
struct Body<'a>(&'a mut Budget);
/// One document of the body's array.
struct Single<'a>(&'a mut Budget);

impl<'de> DeserializeSeed<'de> for Body<'_> {
    type Value = Vec<Head>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Body<'_> {
    type Value = Vec<Head>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object or an array of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Ok(vec![Single(self.0).visit_map(map)?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(head) = array.next_element_seed(Single(&mut *self.0))? {
            all.push(head);
        }
        Ok(all)
    }
}

impl<'de> DeserializeSeed<'de> for Single<'_> {
    type Value = Head;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Head, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Single<'_> {
    type Value = Head;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head, A::Error> {
        let (mut moid, mut client_uri, mut data) = (None, None, None);
        while let Some(name) = map.next_key::<String>()? {
            let member = match name.as_str() {
                "MOID" => &mut moid,
                "ClientURI" => &mut client_uri,
                "MOData" => &mut data,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if member.replace(map.next_value_seed(self.0.node())?).is_some() {
                return Err(A::Error::custom(format_args!("{name} is there twice")));
            }
        }
        let data = data.ok_or_else(|| A::Error::custom("has no MOData"))?;
        Ok(Head { moid, client_uri, data })
    }
}

fn too_many() -> TreeError {
    TreeError::Full("the retrieved document".to_owned())
}

fn misread(error: TndsError) -> TreeError {
    if error.is_of_size() { too_many() } else { unfit(&error) }
}

fn unfit(why: &dyn std::fmt::Display) -> TreeError {
    TreeError::Invalid { node: "the retrieved document".to_owned(), why: why.to_string() }
}

fn has_named(node: &NodeRef, name: &str) -> bool {
    let described = node.object.child(node.id, name);
    described.is_some_and(|id| !node.object.node(id).is_unnamed())
}
