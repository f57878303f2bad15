//! Doubts about the head of a mapping: what is hardly meant, and served nevertheless.

use crate::ddf::NodeName;
use crate::spanned::{Problem, Problems};

use super::super::ddf_uri;
use super::super::mapping::HeadLines;
use super::super::object::ManagementObject;

/// Compares the head of an object's mapping with its DDF, by which servers know the object, and with what servers can
/// find. `lines` are those of the mapping file.
pub(in crate::mo) fn doubts(object: &ManagementObject, lines: HeadLines) -> Problems {
    let mut doubts = Problems::default();
    let mut doubt = |key: &str, line: Option<usize>, what: String| {
        doubts.push(Problem { file: object.mapping_file.clone(), line, key: key.to_owned(), what });
    };
    let root = object.node(ManagementObject::ROOT);
    if let NodeName::Named(name) = &root.name
        && *name != object.root_name
    {
        let what = format!("{:?} is not the DDF's root, which is {name:?}", object.root_name);
        doubt("root", lines.root, what);
    }
    let moid = object.moid.as_str();
    let mut parts = moid.splitn(3, ':');
    let is_urn =
        parts.next() == Some("urn") && parts.clone().count() == 2 && parts.all(|part| !part.is_empty());
    if !is_urn {
        let what = format!(
            "{moid:?} is no URN, by which servers know objects: expected one such as \"urn:x-acme:mo:board:1.0\""
        );
        doubt("moid", lines.moid, what);
    }
    if let Some(name) = &root.properties.ddf_name
        && !object.answers_to(&name.as_str().into())
    {
        let what = format!("{:?} is not the DDF's MOID, its DDFName {name:?}", object.moid);
        doubt("moid", lines.moid, what);
    }
    if !object.needs_ddf_base
        && let Some(host) = ddf_uri::reserved_host(&object.ddf_uri)
    {
        let what = format!(
            "nobody can have the host {host}: servers do not find the DDF there; write where it is, or a name below \
             `[objects] ddf-base`"
        );
        doubt("ddf-uri", lines.ddf_uri, what);
    }
    doubts
}
