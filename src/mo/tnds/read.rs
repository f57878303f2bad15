//! Reading a DM 1.x document: a tree of names and values first, typed by the DDF afterwards.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use roxmltree::Node as Element;
use serde_json::Value as Json;

use super::TndsError;
use crate::ddf::Format;
use crate::mo::data::{Budget, MOST_NODES, MoData};
use crate::mo::value::{Value, ValueError};
use crate::mo::{ManagementObject, NodeId};
use crate::uri::Moid;
use crate::xml::{self, DocumentLimits, Tolerance, text};

/// The limits of what is read: a leaf has up to 16 XML nodes, a usual one ten.
const LIMITS: DocumentLimits = DocumentLimits { bytes: 4 << 20, nodes: 200_000 };
/// The most levels of nodes: no DM tree is that deep.
const MAX_DEPTH: usize = 64;
/// The longest name, in bytes.
const LONGEST_NAME: usize = 255;
/// The most roots: each node that says its path is held against all of them.
const MOST_ROOTS: usize = 256;

/// A node and what is below it, as the document has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// `NodeName`: the name.
    pub name: String,
    /// `Path`, of a root: where it hangs, without `.` and `/` at the ends; empty for the top.
    pub path: String,
    /// `DDFName`: the MOID, for the root of a management object.
    pub ddf_name: Option<Moid>,
    /// `Format`: the format of its value, if the document says.
    pub format: Option<Format>,
    /// `Value`: its value, as text.
    pub value: Option<String>,
    /// The nodes below.
    pub children: Vec<Branch>,
}

/// Reads a document; returns its root nodes. Nodes that continue another stand below that.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse(body: &[u8]) -> Result<Vec<Branch>, TndsError> {
    let mut budget = Budget::default();
    let read = xml::read(body, LIMITS, "MgmtTree", Tolerance::Message, |document, _| {
        let tree = document.descendants().find(|element| element.has_tag_name_of("MgmtTree"));
        let tree = tree.ok_or(TndsError::Missing("MgmtTree"))?;
        let read = |element| Ok((path_of(element)?, branch(element, "", 1, &mut budget)?));
        children(tree, "Node").map(read).collect::<Result<Vec<_>, TndsError>>()
    });
    let nodes = read??;
    if nodes.is_empty() {
        return Err(TndsError::Missing("Node"));
    }
    let mut roots: Vec<(Branch, Vec<Loose>)> = Vec::new();
    for (path, node) in nodes {
        let known = roots.len();
        match roots.iter_mut().find_map(|(root, loose)| Some((way_below(root, &path)?, loose))) {
            Some((way, _)) if names(way).count() >= MAX_DEPTH => return Err(TndsError::TooDeep(MAX_DEPTH)),
            Some((way, loose)) => loose.push(Loose { way: way.to_owned(), gone: 0, node }),
            None if known == MOST_ROOTS => return Err(TndsError::TooManyRoots(MOST_ROOTS)),
            None => roots.push((Branch { path, ..node }, Vec::new())),
        }
    }
    let joined = roots.into_iter().map(|(mut root, loose)| {
        attach(&mut root, loose, &mut budget)?;
        Ok(root)
    });
    joined.collect()
}

impl Branch {
    /// Turns the branch into the MOData of the node that `id` describes (TS 7.5): what has no `Format` is taken for
    /// what the DDF says.
    ///
    /// # Errors
    /// A value is none of its format, a name is there twice, or a node is both leaf and interior.
    pub fn into_data(self, object: &ManagementObject, id: Option<NodeId>) -> Result<MoData, TndsError> {
        let described = id.map(|id| object.node(id).properties.format);
        let is_leaf = match self.format.or(described) {
            Some(format) => format != Format::Node,
            None => self.value.is_some(),
        };
        if is_leaf || self.value.is_some() {
            if !self.children.is_empty() {
                return Err(TndsError::Both(self.name));
            }
            let text = self.value.as_deref().unwrap_or_default();
            return self
                .leaf(text, described)
                .map(MoData::Leaf)
                .map_err(|source| TndsError::Value { node: self.name, source });
        }
        let mut known = BTreeSet::new();
        if let Some(twin) = self.children.iter().find(|child| !known.insert(&child.name)) {
            return Err(TndsError::Twice(twin.name.clone()));
        }
        let members = self.children.into_iter().map(|child| {
            let name = Box::from(child.name.as_str());
            let below = id.and_then(|id| object.child(id, &child.name));
            Ok((name, child.into_data(object, below)?))
        });
        members.collect::<Result<_, _>>().map(MoData::Node)
    }

    /// Reads a leaf's value. Base64 can carry text too: what XML can't hold is sent so.
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

/// A node that is not where it hangs yet.
struct Loose {
    /// The way to its place from its root.
    way: String,
    /// The length in bytes of the part of that way which it has gone.
    gone: usize,
    node: Branch,
}

impl Loose {
    /// The next name on the way.
    fn step(&mut self) -> Option<String> {
        let ahead = self.way.get(self.gone..).unwrap_or_default().trim_start_matches('/');
        let name = names(ahead).next()?;
        self.gone = self.way.len() - ahead.len() + name.len();
        Some(name.to_owned())
    }
}

fn names(way: &str) -> impl Iterator<Item = &str> {
    way.split('/').filter(|name| !name.is_empty())
}

/// The way that leads from `root` to `path`; none if that isn't below it.
fn way_below<'a>(root: &Branch, path: &'a str) -> Option<&'a str> {
    let in_folder = match path.strip_prefix(root.path.as_str())? {
        rest if root.path.is_empty() => rest,
        rest => rest.strip_prefix('/')?,
    };
    let below = in_folder.strip_prefix(root.name.as_str())?;
    let is_name = below.is_empty() || below.starts_with('/');
    is_name.then_some(below)
}

/// Hangs nodes below `parent`; those that are only named on the way are made. Each node there is visited once,
/// however many hang below it.
fn attach(parent: &mut Branch, loose: Vec<Loose>, budget: &mut Budget) -> Result<(), TndsError> {
    // Most nodes on the way have one in them, and a Vec that grows starts with four.
    let mut below: BTreeMap<String, Vec<Loose>> = BTreeMap::new();
    for mut one in loose {
        match one.step() {
            Some(name) => below.entry(name).or_insert_with(|| Vec::with_capacity(1)).push(one),
            None => parent.children.push(one.node),
        }
    }
    for child in &mut parent.children {
        if let Some(loose) = below.remove(&child.name) {
            attach(child, loose, budget)?;
        }
    }
    parent.children.reserve_exact(below.len());
    for (name, loose) in below {
        let (path, children) = (String::new(), Vec::new());
        let mut child = Branch { name, path, ddf_name: None, format: None, value: None, children };
        count(budget)?;
        attach(&mut child, loose, budget)?;
        parent.children.push(child);
    }
    Ok(())
}

/// The path where a node hangs that has none around it.
fn path_of(element: Element<'_, '_>) -> Result<String, TndsError> {
    let path = child(element, "Path").map(text).unwrap_or_default();
    path.split('/').try_for_each(check_length)?;
    Ok(trimmed(&path).to_owned())
}

fn check_length(name: &str) -> Result<(), TndsError> {
    if name.len() > LONGEST_NAME { Err(TndsError::LongName(LONGEST_NAME)) } else { Ok(()) }
}

fn count(budget: &mut Budget) -> Result<(), TndsError> {
    if budget.take() { Ok(()) } else { Err(TndsError::TooManyNodes(MOST_NODES)) }
}

/// Reads a node and those in it; `parent` is the name of the one that it is in.
fn branch(
    element: Element<'_, '_>,
    parent: &str,
    depth: usize,
    budget: &mut Budget,
) -> Result<Branch, TndsError> {
    count(budget)?;
    if depth > MAX_DEPTH {
        return Err(TndsError::TooDeep(MAX_DEPTH));
    }
    let name = child(element, "NodeName").map(text).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| TndsError::Nameless(parent.to_owned()))?;
    check_length(&name)?;
    let properties = child(element, "RTProperties");
    let format = properties.and_then(|properties| child(properties, "Format")).map(format_word);
    let format = format.filter(|word| !word.is_empty()).map(|word| {
        Format::from_word(&word).ok_or_else(|| TndsError::Format { node: name.clone(), format: word })
    });
    let kind = properties.and_then(|properties| child(properties, "Type"));
    let ddf_name = kind
        .and_then(|kind| child(kind, "DDFName"))
        .map(text)
        .filter(|moid| !moid.is_empty())
        .map(Moid::from);
    let format = format.transpose()?;
    let children = children(element, "Node").map(|node| branch(node, &name, depth + 1, budget));
    let children = children.collect::<Result<Vec<_>, _>>()?;
    // An interior node may have a Value with nothing in it.
    let is_interior = format == Some(Format::Node) || !children.is_empty();
    let value = child(element, "Value").map(xml::raw_text);
    let value = value.filter(|value| !is_interior || !value.trim().is_empty());
    Ok(Branch { name, path: String::new(), ddf_name, format, value, children })
}

/// The word of a format: `<Format><int/></Format>`, or the word as text.
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

/// The child elements of this name, of any namespace: `Format` and `Type` come in one of their own.
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
