//! The outline of nodes, for the local operator: each with its value, or with the reason why it has none.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::mo::Value;

use super::error::TreeError;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use super::resolve::Resolved;
use super::rights::Rights;
use super::view::{Extent, Pass, ReadView, Step, UNSET, Walk, is_listed, readable, secret};

/// The reason for what a level leaves out: it may be there.
pub const CUT: &str = "what is in it is left out";
/// The reason for a leaf whose value is there, and empty.
pub const EMPTY: &str = "it is empty";

/// The outline under way: JSON, an object a node, in the order of the description.
struct Outline {
    json: Vec<u8>,
    most: usize,
    /// The interior node that began last, while nothing in it has come, and whether what is in it is cut off.
    open: Option<(NodeRef, bool)>,
}

impl Tree {
    /// What is at and below nodes, to `level` levels, as a JSON array of at most so many bytes: `uri`, and `value` or
    /// `why`, and `failed` where it is a source that fails. Without nodes, of all instances.
    ///
    /// # Errors
    /// A node may not be read, or it is too much.
    pub async fn outline(
        &self,
        found: Option<Resolved>,
        level: Option<u32>,
        most: usize,
        principal: &Principal<'_>,
    ) -> Result<Vec<u8>, TreeError> {
        let pass = self.pass(principal)?;
        let mut read_view = ReadView::new(Arc::clone(&pass.state));
        let mut outline = Outline { json: Vec::new(), most, open: None };
        let nodes = match found {
            Some(Resolved::One(node)) => {
                readable(&node)?;
                if secret(&node) {
                    return Err(TreeError::Forbidden(node.client_uri()));
                }
                vec![node]
            }
            Some(Resolved::Many(nodes)) => nodes,
            None => self.roots(&pass)?,
        };
        let extent = Extent { level, all: false };
        for node in nodes.into_iter().filter(|node| readable(node).is_ok() && !secret(node)) {
            read_view.gather(&pass, &node, extent).await?;
            if node.is_leaf() {
                let (value, _) = read_view.value(&node)?;
                outline.leaf(&node, value, &read_view)?;
                continue;
            }
            let (mut depth, mut walk) = (0_u32, Walk::new(node, extent));
            // What is deeper is walked over only to know whether anything is there.
            let is_shown = |depth: u32| level.is_none_or(|level| depth <= level);
            while let Some(step) = walk.next(&read_view)? {
                match step {
                    Step::Open { node, .. } => {
                        if is_shown(depth) {
                            outline.begin()?;
                            outline.open = Some((node.clone(), level == Some(depth)));
                        }
                        depth = depth.saturating_add(1);
                    }
                    Step::Leaf { node, value, .. } if is_shown(depth) => {
                        outline.leaf(&node, value, &read_view)?;
                    }
                    Step::Leaf { .. } => {}
                    Step::Close => {
                        depth = depth.saturating_sub(1);
                        if is_shown(depth) {
                            outline.end(&read_view)?;
                        }
                    }
                }
            }
        }
        outline.json.insert(0, b'[');
        outline.json.push(b']');
        Ok(outline.json)
    }

    /// The roots of all instances that may be read.
    fn roots(&self, pass: &Pass<'_>) -> Result<Vec<NodeRef>, TreeError> {
        let mut roots = Vec::new();
        for object in self.objects() {
            for visible in self.visible(object, pass.principal, &pass.state)? {
                let (instance, rights) = visible?;
                if rights.allow(Rights::READ) {
                    roots.push(NodeRef::root(Arc::clone(object), Arc::new(instance)));
                }
            }
        }
        Ok(roots)
    }
}

impl Outline {
    fn leaf(&mut self, node: &NodeRef, value: Option<Value>, read_view: &ReadView) -> Result<(), TreeError> {
        self.begin()?;
        match value {
            Some(value) if value.is_empty() => self.why(node, EMPTY, false),
            Some(value) => self.row(node, "value", |json| value.write_json(json)),
            None => self.why(node, read_view.why(node).unwrap_or(UNSET), read_view.is_failing(node)),
        }
    }

    /// Something comes: what is open has it, or is before it.
    fn begin(&mut self) -> Result<(), TreeError> {
        match self.open.take() {
            Some((node, _)) => self.row(&node, "node", |json| json.extend(b"true")),
            None => Ok(()),
        }
    }

    /// An interior node ends; nothing was in it if it is still open.
    fn end(&mut self, read_view: &ReadView) -> Result<(), TreeError> {
        let Some((node, is_cut)) = self.open.take() else { return Ok(()) };
        let unnamed = node.object.unnamed_child(node.id);
        let why = match read_view.why(&node) {
            _ if is_cut => CUT,
            Some(why) => why,
            None if unnamed.is_some_and(|id| is_listed(&node.object, id)) => "the machine lists nothing",
            None if unnamed.is_some() => "nobody has added anything",
            None => "nothing in it may be shown",
        };
        self.why(&node, why, !is_cut && read_view.is_failing(&node))
    }

    fn why(&mut self, node: &NodeRef, why: &str, is_failing: bool) -> Result<(), TreeError> {
        let failed = if is_failing { ",\"failed\":true" } else { "" };
        self.row(node, "why", |json| json.extend(format!("{}{failed}", Json::from(why)).into_bytes()))
    }

    fn row(&mut self, node: &NodeRef, name: &str, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), TreeError> {
        let uri = node.client_uri();
        let comma = if self.json.is_empty() { "" } else { "," };
        self.json.extend(format!("{comma}{{\"uri\":{},\"{name}\":", Json::from(uri.as_str())).into_bytes());
        write(&mut self.json);
        self.json.push(b'}');
        if self.json.len() > self.most { Err(TreeError::TooLarge(uri)) } else { Ok(()) }
    }
}
