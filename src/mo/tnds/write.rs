//! Writing a DM 1.x document: straight from the JSON form, member by member.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::TndsError;
use crate::ddf::Format;
use crate::mo::value::Value;
use crate::mo::{ManagementObject, NodeId};
use crate::uri::Moid;
use crate::uri::{ClientUri, Segment, Selector};
use crate::xml::{self, Writer};

/// A serialised management object (TS 6.3.3), as far as it matters here.
#[derive(Deserialize)]
struct Serialised<'a> {
    #[serde(rename = "MIID", borrow, default)]
    miid: Option<Cow<'a, str>>,
    #[serde(rename = "ClientURI", borrow)]
    client_uri: Cow<'a, str>,
    #[serde(rename = "MOData", borrow)]
    data: Members<'a>,
}

type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Writes one document of all these serialised management objects: JSON objects as [`Tree`](crate::tree::Tree) makes
/// them, or arrays of such. `object` finds the one that a MOID names.
///
/// # Errors
/// One of them is no serialisation of such an object, or the document gets larger than `most` bytes.
pub fn write<'a>(
    documents: &[Vec<u8>],
    object: impl Fn(&Moid) -> Option<&'a Arc<ManagementObject>>,
    most: usize,
) -> Result<Vec<u8>, TndsError> {
    let mut out = Out { writer: Writer::new(false), most };
    out.element("MgmtTree xmlns=\"syncml:dmddf1.2\"", |out| {
        out.writer.text("VerDTD", "1.2");
        documents.iter().try_for_each(|document| serialised(document, &object, out))
    })?;
    Ok(out.writer.finish().into_bytes())
}

fn serialised<'a>(
    document: &[u8],
    object: &impl Fn(&Moid) -> Option<&'a Arc<ManagementObject>>,
    out: &mut Out,
) -> Result<(), TndsError> {
    if document.trim_ascii_start().starts_with(b"[") {
        let members: Vec<&RawValue> =
            serde_json::from_slice(document).map_err(|_| TndsError::NotSerialised)?;
        return members.into_iter().try_for_each(|member| one(member.get(), object, out));
    }
    one(std::str::from_utf8(document).map_err(|_| TndsError::NotSerialised)?, object, out)
}

fn one<'a>(
    document: &str,
    object: &impl Fn(&Moid) -> Option<&'a Arc<ManagementObject>>,
    out: &mut Out,
) -> Result<(), TndsError> {
    let Serialised { miid, client_uri, data } =
        serde_json::from_str(document).map_err(|_| TndsError::NotSerialised)?;
    let mut uri = ClientUri::parse(&client_uri).map_err(|_| TndsError::NotSerialised)?;
    let object = object(&uri.moid).ok_or(TndsError::NotSerialised)?;
    let id = described(object, &uri.path).ok_or(TndsError::NotSerialised)?;
    let Some((name, data)) = data.into_iter().next() else { return Err(TndsError::NotSerialised) };
    uri.path.pop();
    let instance = miid.map_or(uri.instance, |miid| Selector::Name(miid.into_owned()));
    let path = ClientUri { instance, path: uri.path, ..ClientUri::root(&uri.moid, "") }.to_string();
    node(&name, Some(path.trim_end_matches('/')), data, object, id, out)
}

/// The node at the end of a path; what stands for any name means the un-named one.
fn described(object: &ManagementObject, path: &[Segment]) -> Option<NodeId> {
    path.iter().try_fold(ManagementObject::ROOT, |id, segment| match segment {
        Segment::Name(name) => object.child(id, name),
        Segment::Letter(_) | Segment::Any => object.unnamed_child(id),
    })
}

fn node(
    name: &str,
    path: Option<&str>,
    data: &RawValue,
    object: &ManagementObject,
    id: NodeId,
    out: &mut Out,
) -> Result<(), TndsError> {
    let properties = &object.node(id).properties;
    out.element("Node", |out| {
        out.writer.text("NodeName", name);
        if let Some(path) = path {
            out.writer.text("Path", path);
        }
        if properties.format == Format::Node {
            let moid = if id == ManagementObject::ROOT { object.moid.as_str() } else { "" };
            runtime(Format::Node, "DDFName", moid, out)?;
            let members: Members<'_> =
                serde_json::from_str(data.get()).map_err(|_| TndsError::NotSerialised)?;
            return members.into_iter().try_for_each(|(name, data)| {
                let id = object.child(id, &name).ok_or(TndsError::NotSerialised)?;
                node(&name, None, data, object, id, out)
            });
        }
        let mime = properties.mime.first().map_or("text/plain", String::as_str);
        leaf(data, properties.format, mime, out)
    })
}

/// Writes a leaf's properties and value; an empty one has no value.
fn leaf(data: &RawValue, format: Format, mime: &str, out: &mut Out) -> Result<(), TndsError> {
    let json = serde_json::from_str(data.get()).map_err(|_| TndsError::NotSerialised)?;
    let value = match &json {
        serde_json::Value::Null => Value::Null,
        json => Value::from_json(format, json).map_err(|_| TndsError::NotSerialised)?,
    };
    // What XML can't hold, and what it would change, goes as base64.
    let value = match value {
        Value::Text(text) if !xml::holds(&text) => Value::Bytes(text.into_bytes()),
        value => value,
    };
    let written = match (&value, format) {
        (Value::Bytes(_), Format::Bin | Format::B64) => format,
        (Value::Bytes(_), _) => Format::B64,
        _ => format,
    };
    runtime(written, "MIME", mime, out)?;
    if value != Value::Null {
        out.writer.text("Value", &value.to_text());
    }
    Ok(())
}

fn runtime(format: Format, kind: &str, name: &str, out: &mut Out) -> Result<(), TndsError> {
    out.element("RTProperties", |out| {
        out.element("Format", |out| {
            out.writer.text(format.word(), "");
            Ok(())
        })?;
        out.element("Type", |out| {
            out.writer.text(kind, name);
            Ok(())
        })
    })
}

struct Out {
    writer: Writer,
    most: usize,
}

impl Out {
    fn element(
        &mut self,
        tag: &str,
        content: impl FnOnce(&mut Self) -> Result<(), TndsError>,
    ) -> Result<(), TndsError> {
        self.writer.open(tag);
        content(self)?;
        self.writer.close(tag);
        if self.writer.len() > self.most { Err(TndsError::TooLarge(self.most)) } else { Ok(()) }
    }
}
