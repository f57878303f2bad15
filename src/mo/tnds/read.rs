//! Reading: a tree of names and values first, typed by the DDF afterwards.

use base64::Engine as _;
use roxmltree::Node as Element;
use serde_json::{Map, Value as Json};

use super::TndsError;
use crate::ddf::Format;
use crate::mo::value::{Value, ValueError};
use crate::mo::{ManagementObject, NodeId};
use crate::xml::{self, text};

/// The largest document read.
const MAX_BYTES: usize = 8 << 20;
/// No DM tree is that deep.
const MAX_DEPTH: usize = 64;

/// A node and what is below it, as the document has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// `NodeName`
    pub name: String,
    /// Where it hangs, without `.` and `/` at the ends; empty for the top.
    pub path: String,
    /// `DDFName`: the MOID, for the root of a management object.
    pub ddf_name: Option<String>,
    /// `Format`, if the document says.
    pub format: Option<Format>,
    /// `Value`, as text.
    pub value: Option<String>,
    /// The nodes below.
    pub children: Vec<Branch>,
}

/// Reads a document: its root nodes. Nodes that continue another stand below that.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse(body: &[u8]) -> Result<Vec<Branch>, TndsError> {
    let read = xml::read(body, MAX_BYTES, "MgmtTree", |document, _| {
        let tree = document.descendants().find(|element| element.has_tag_name_of("MgmtTree"));
        let tree = tree.ok_or(TndsError::Missing("MgmtTree"))?;
        children(tree, "Node").map(|element| branch(element, "", 1)).collect::<Result<Vec<_>, TndsError>>()
    });
    let nodes = read??;
    if nodes.is_empty() {
        return Err(TndsError::Missing("Node"));
    }
    let mut roots: Vec<Branch> = Vec::new();
    for node in nodes {
        let continued = roots.iter_mut().find_map(|root| place(root, &node.path));
        match continued {
            Some(place) => place?.children.push(node),
            None => roots.push(node),
        }
    }
    Ok(roots)
}

impl Branch {
    /// The value or the nodes below as the MOData of the node that `id` describes (TS 7.5): what has no `Format` is
    /// taken for what the DDF says.
    ///
    /// # Errors
    /// A value is none of its format, a name is there twice, or a node is both leaf and interior.
    pub fn to_json(&self, object: &ManagementObject, id: Option<NodeId>) -> Result<Json, TndsError> {
        let described = id.map(|id| object.node(id).properties.format);
        let is_leaf = match self.format.or(described) {
            Some(format) => format != Format::Node,
            None => self.value.is_some(),
        };
        if is_leaf || self.value.is_some() {
            if !self.children.is_empty() {
                return Err(TndsError::Both(self.name.clone()));
            }
            let text = self.value.as_deref().unwrap_or_default();
            return self
                .leaf(text, described)
                .map_err(|source| TndsError::Value { node: self.name.clone(), source });
        }
        let mut members = Map::new();
        for child in &self.children {
            let data = child.to_json(object, id.and_then(|id| object.child(id, &child.name)))?;
            if members.insert(child.name.clone(), data).is_some() {
                return Err(TndsError::Twice(child.name.clone()));
            }
        }
        Ok(Json::Object(members))
    }

    /// Base64 can carry text too: what XML can't hold is sent so.
    fn leaf(&self, text: &str, described: Option<Format>) -> Result<Json, ValueError> {
        let format = self.format.or(described).unwrap_or(Format::Chr);
        let value = Value::from_text(format, text)?;
        match (value, described) {
            (Value::Bytes(bytes), Some(Format::Chr | Format::Xml | Format::Date | Format::Time)) => {
                Value::from_raw(Format::Chr, &bytes).map(json)
            }
            (value, _) => Ok(json(value)),
        }
    }
}

fn json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(flag),
        Value::Int(number) => Json::from(number),
        Value::Float(number) => Json::from(number),
        Value::Text(text) => Json::String(text),
        Value::Bytes(bytes) => Json::String(base64::engine::general_purpose::STANDARD.encode(bytes)),
    }
}

/// The node of `root` at `path`, made if it is only named there; none if the path isn't below the root.
fn place<'b>(root: &'b mut Branch, path: &str) -> Option<Result<&'b mut Branch, TndsError>> {
    let own = joined(&root.path, &root.name);
    let below = path.strip_prefix(&own)?;
    if !below.is_empty() && !below.starts_with('/') {
        return None;
    }
    let names: Vec<_> = below.split('/').filter(|name| !name.is_empty()).collect();
    if names.len() >= MAX_DEPTH {
        return Some(Err(TndsError::TooDeep(MAX_DEPTH)));
    }
    Some(Ok(names.into_iter().fold(root, child_called)))
}

fn child_called<'b>(parent: &'b mut Branch, name: &str) -> &'b mut Branch {
    let known = parent.children.iter().position(|child| child.name == name);
    let index = known.unwrap_or_else(|| {
        let path = joined(&parent.path, &parent.name);
        let (name, children) = (name.to_owned(), Vec::new());
        parent.children.push(Branch { name, path, ddf_name: None, format: None, value: None, children });
        parent.children.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "found or pushed just now")]
    &mut parent.children[index]
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

fn branch(element: Element<'_, '_>, above: &str, depth: usize) -> Result<Branch, TndsError> {
    if depth > MAX_DEPTH {
        return Err(TndsError::TooDeep(MAX_DEPTH));
    }
    let name = child(element, "NodeName").map(text).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| TndsError::Nameless(above.to_owned()))?;
    let path = child(element, "Path").map(text).unwrap_or_default();
    let path = if depth > 1 { above.to_owned() } else { trimmed(&path).to_owned() };
    let properties = child(element, "RTProperties");
    let format = properties.and_then(|properties| child(properties, "Format")).map(format_word);
    let format = format.filter(|word| !word.is_empty()).map(|word| {
        Format::from_word(&word).ok_or_else(|| TndsError::Format { node: name.clone(), format: word })
    });
    let kind = properties.and_then(|properties| child(properties, "Type"));
    let ddf_name = kind.and_then(|kind| child(kind, "DDFName")).map(text).filter(|moid| !moid.is_empty());
    let format = format.transpose()?;
    let own = joined(&path, &name);
    let children = children(element, "Node").map(|node| branch(node, &own, depth + 1));
    let children = children.collect::<Result<Vec<_>, _>>()?;
    // An interior node may have a Value with nothing in it.
    let is_interior = format == Some(Format::Node) || !children.is_empty();
    let value = child(element, "Value").map(xml::raw_text);
    let value = value.filter(|value| !is_interior || !value.trim().is_empty());
    Ok(Branch { name, path, ddf_name, format, value, children })
}

/// `<Format><int/></Format>`, or the word as text.
fn format_word(element: Element<'_, '_>) -> String {
    match element.children().find(Element::is_element) {
        Some(word) => word.tag_name().name().to_owned(),
        None => text(element),
    }
}

fn trimmed(path: &str) -> &str {
    let path = path.trim_matches('/');
    match path.strip_prefix('.') {
        Some("") => "",
        Some(rest) if rest.starts_with('/') => rest.trim_matches('/'),
        _ => path,
    }
}

/// Elements of any namespace: `Format` and `Type` come in one of their own.
fn children<'a>(element: Element<'a, 'a>, name: &'static str) -> impl Iterator<Item = Element<'a, 'a>> {
    element.children().filter(move |child| child.has_tag_name_of(name))
}

fn child<'a>(element: Element<'a, 'a>, name: &'static str) -> Option<Element<'a, 'a>> {
    children(element, name).next()
}

trait Named {
    fn has_tag_name_of(&self, name: &str) -> bool;
}

impl Named for Element<'_, '_> {
    fn has_tag_name_of(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}
