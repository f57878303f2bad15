//! Describing: a DDF made from a mapping that describes its nodes itself.
//!
//! What the mapping says of a node goes into its description as it is; the rest follows from what the mapping can do: a
//! source lets servers read, a place for values lets them write, and so on. Nodes that only stand in others' paths are
//! interior ones. Nodes are in the order of the file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::Order as _;
use crate::ddf::{AccessType, CaseSense, Ddf, Format, Node, NodeName, Occurrence, Properties, Scope};
use crate::spanned::{Problem, Problems};
use crate::xml;

use super::join::node_key;
use super::mapping::{Call, Description, MappingFile, NodeMapping, SourceKind};
use super::object::is_placeholder;
use crate::uri::Moid;

/// The version of the framework that is written.
const VERSION: &str = "1.2";
/// The most nodes of a made description: what a person writes by hand has hundreds.
const MAX_NODES: usize = 20_000;
/// A description that was made, and the lines that its nodes are from.
const MAX_STEPS: usize = 63;

/// A description, and where its nodes are from.
pub(super) struct Made {
    /// The description that was made.
    pub(super) ddf: Ddf,
    /// The line that each node is from, in document order.
    pub(super) lines: Vec<usize>,
}

/// Makes the DDF of a mapping that has none. What can't be described is noted, and taken out of the mapping.
pub(super) fn describe(mapping: &mut MappingFile, file: &Path, problems: &mut Problems) -> Made {
    mapping.nodes.order_by(|(one, a), (other, b)| (a.line, one).cmp(&(b.line, other)));
    let head = Head::of(mapping);
    if !head.root.is_empty()
        && let Err(what) = check_name(&head.root)
    {
        let (file, line) = (file.to_path_buf(), mapping.lines.root);
        problems.push(Problem { file, line, key: "root".to_owned(), what });
    }
    let mut problem = |line: usize, path: &str, what: String| {
        problems.push(Problem { file: file.to_path_buf(), line: Some(line), key: node_key(path), what });
    };
    let mut drafts = Drafts::new(&head.root);
    let mut sound = Vec::with_capacity(mapping.nodes.len());
    for (index, (path, node)) in mapping.nodes.iter().enumerate() {
        let placed = drafts.place(path, node.line, index);
        sound.push(placed.is_ok());
        if let Err(what) = placed {
            problem(node.line, path, what);
        }
    }
    let entries: Vec<Entry<'_>> = mapping
        .nodes
        .iter()
        .map(|(path, node)| Entry { path, node, description: mapping.descriptions.get(path) })
        .collect();
    let mut making = Making { drafts: &drafts, entries: &entries, head, lines: Vec::new(), problem };
    let root = making.node(0);
    let lines = making.lines;
    mapping.descriptions.clear();
    let mut sound = sound.into_iter();
    mapping.nodes.retain(|_| sound.next().unwrap_or(true));
    Made {
        ddf: Ddf { version: VERSION.to_owned(), manufacturer: None, model: None, roots: vec![root] },
        lines,
    }
}

/// The head of a mapping, as far as it describes the root.
struct Head {
    moid: Moid,
    root: String,
    dynamic: bool,
    several: bool,
}

impl Head {
    fn of(mapping: &MappingFile) -> Self {
        let several =
            mapping.dynamic || mapping.per_account || mapping.per_object || mapping.instances.len() > 1;
        Self {
            moid: mapping.moid.clone(),
            root: mapping.root.clone().unwrap_or_default(),
            dynamic: mapping.dynamic,
            several,
        }
    }
}

/// A table of the mapping, at its path.
struct Entry<'a> {
    path: &'a str,
    node: &'a NodeMapping,
    description: Option<&'a Description>,
}

/// A draft of a node that a path names.
struct Draft {
    name: NodeName,
    line: usize,
    /// The index of the node's own table, if it has one.
    entry: Option<usize>,
    children: Vec<usize>,
}

/// The drafts of the nodes that all paths name; the first is the root.
struct Drafts {
    all: Vec<Draft>,
    /// The drafts' indices by the node above and the name; un-named ones have none.
    known: BTreeMap<(usize, String), usize>,
}

impl Drafts {
    fn new(root: &str) -> Self {
        let name = NodeName::Named(root.to_owned());
        let root = Draft { name, line: 1, entry: None, children: Vec::new() };
        Self { all: vec![root], known: BTreeMap::new() }
    }

    /// Puts the table of this index where its path leads.
    fn place(&mut self, path: &str, line: usize, entry: usize) -> Result<(), String> {
        let steps: Vec<&str> = path.split('/').filter(|_| !path.is_empty()).collect();
        if steps.len() > MAX_STEPS {
            return Err(format!("is deeper than {MAX_STEPS} levels"));
        }
        for step in &steps {
            check_step(step)?;
        }
        let mut at = 0;
        for step in steps {
            at = self.child(at, step, line)?;
        }
        // A second table for the same node is told where the mapping is joined.
        if let Some(draft) = self.all.get_mut(at)
            && draft.entry.is_none()
        {
            draft.entry = Some(entry);
        }
        Ok(())
    }

    fn child(&mut self, parent: usize, step: &str, line: usize) -> Result<usize, String> {
        let unnamed = is_placeholder(step);
        let key = (parent, if unnamed { String::new() } else { step.to_owned() });
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let index = self.all.len();
        if index >= MAX_NODES {
            return Err(format!("is one node more than {MAX_NODES}: write a DDF for so large an object"));
        }
        let name = match step.strip_prefix('<').and_then(|step| step.strip_suffix('>')) {
            Some(label) if unnamed => NodeName::Unnamed(Some(label.to_owned())),
            _ => NodeName::Named(step.to_owned()),
        };
        self.all.push(Draft { name, line, entry: None, children: Vec::new() });
        self.known.insert(key, index);
        if let Some(above) = self.all.get_mut(parent) {
            above.children.push(index);
        }
        Ok(index)
    }
}

/// Checks a step of a path: a name, or what stands for one that is not known yet.
fn check_step(step: &str) -> Result<(), String> {
    match step.strip_prefix('<').and_then(|step| step.strip_suffix('>')) {
        // Whether it is a variable is told where it is joined.
        Some(label) if is_placeholder(step) => check_name(label),
        _ => check_name(step),
    }
}

/// Checks a name: a server must be able to ask for it, and a DDF to hold it.
fn check_name(name: &str) -> Result<(), String> {
    let is_name = !name.is_empty()
        && !matches!(name, "." | "..")
        && name.trim() == name
        && xml::holds(name)
        && !name.contains(|c: char| c.is_control() || matches!(c, '<' | '>' | '[' | ']' | '*'));
    if is_name {
        return Ok(());
    }
    Err(format!(
        "{name:?} is no node's name: expected one such as `Level`, or `<if>` where there are several"
    ))
}

struct Making<'a, P> {
    drafts: &'a Drafts,
    entries: &'a [Entry<'a>],
    head: Head,
    lines: Vec<usize>,
    problem: P,
}

/// The abilities of the mapping at a node, and what it lets servers do if nothing is said.
struct Can {
    all: AccessType,
    usual: AccessType,
}

impl<P: FnMut(usize, &str, String)> Making<'_, P> {
    /// Makes a node and all below it. The depth is bounded.
    fn node(&mut self, index: usize) -> Node {
        let Some(draft) = self.drafts.all.get(index) else {
            return blank(NodeName::Unnamed(None));
        };
        self.lines.push(draft.line);
        let mut node = blank(draft.name.clone());
        node.properties = self.properties(index, draft);
        node.children = draft.children.iter().map(|child| self.node(*child)).collect();
        node
    }

    fn properties(&mut self, index: usize, draft: &Draft) -> Properties {
        let entry = draft.entry.and_then(|entry| self.entries.get(entry));
        let unsaid = Description::default();
        let description = entry.and_then(|entry| entry.description).unwrap_or(&unsaid);
        let format = self.format(draft);
        let occurrence = self.occurrence(index, draft, description);
        let scope = self.scope(index, draft, description);
        let can = self.can(index, draft, format, occurrence, scope);
        let access = description.access.unwrap_or(can.usual);
        if let Some(entry) = entry {
            let mut told = Vec::new();
            told.extend(beyond(access, &can));
            told.extend(self.contradictions(index, draft, description, format));
            if access.allows(AccessType::DELETE) && scope == Scope::Permanent {
                told.push("is `scope = \"permanent\"`, and so never deleted: say \"dynamic\"".to_owned());
            }
            for what in told {
                (self.problem)(entry.node.line, entry.path, what);
            }
        }
        let is_leaf = format != Format::Node;
        let mime = match description.mime.as_slice() {
            [] if is_leaf => vec![usual_type(format).to_owned()],
            said => said.to_vec(),
        };
        Properties {
            access,
            occurrence,
            format,
            scope,
            // What is below the root is as the root.
            case_sense: (index == 0).then_some(CaseSense::Sensitive),
            default_value: description.default.clone(),
            mime: if is_leaf { mime } else { Vec::new() },
            ddf_name: (index == 0).then(|| self.head.moid.to_string()).filter(|moid| !moid.is_empty()),
            title: description.title.clone(),
            description: description.description.clone(),
        }
    }

    fn entry(&self, draft: &Draft) -> Option<&Entry<'_>> {
        draft.entry.and_then(|entry| self.entries.get(entry))
    }

    fn format(&self, draft: &Draft) -> Format {
        let entry = self.entry(draft);
        if let Some(said) = entry.and_then(|entry| entry.description?.format) {
            return said;
        }
        let Some(Entry { node, .. }) = entry.filter(|_| draft.children.is_empty()) else {
            return Format::Node;
        };
        let has_value = !node.get.is_empty() || node.set.is_some();
        let is_listed = node.list.is_some() || node.add.is_some() || node.delete.is_some();
        match (has_value, &node.exec) {
            (true, _) => Format::Chr,
            (_, Some(_)) => Format::Null,
            _ if is_listed && is_unnamed(draft) || entry.is_some_and(|entry| entry.path.is_empty()) => {
                Format::Node
            }
            _ => Format::Chr,
        }
    }

    fn occurrence(&self, index: usize, draft: &Draft, description: &Description) -> Occurrence {
        let usual = || match index {
            0 if self.head.several => Occurrence::ZeroOrMore,
            _ if is_unnamed(draft) => Occurrence::ZeroOrMore,
            _ if self.entry(draft).is_some_and(|entry| entry.node.delete.is_some()) => Occurrence::ZeroOrOne,
            _ => Occurrence::One,
        };
        description.occurs.unwrap_or_else(usual)
    }

    fn scope(&self, index: usize, draft: &Draft, description: &Description) -> Scope {
        let is_deleted = self.entry(draft).is_some_and(|entry| entry.node.delete.is_some());
        let is_dynamic = match index {
            0 => self.head.dynamic,
            _ => is_unnamed(draft) || is_deleted,
        };
        let usual = if is_dynamic { Scope::Dynamic } else { Scope::Permanent };
        description.scope.unwrap_or(usual)
    }

    fn can(&self, index: usize, draft: &Draft, format: Format, occurrence: Occurrence, scope: Scope) -> Can {
        let unmapped = NodeMapping::default();
        let node = self.entry(draft).map_or(&unmapped, |entry| entry.node);
        let both =
            |set: AccessType, (when, word): (bool, AccessType)| if when { set.with(word) } else { set };
        let of = |words: &[(bool, AccessType)]| words.iter().copied().fold(AccessType::default(), both);
        const ADD: AccessType = AccessType::ADD;
        const DELETE: AccessType = AccessType::DELETE;
        const EXEC: AccessType = AccessType::EXEC;
        const GET: AccessType = AccessType::GET;
        const REPLACE: AccessType = AccessType::REPLACE;
        let executed = node.exec.is_some();
        let is_leaf = format != Format::Node;
        let only_executed = executed && format == Format::Null;
        let writes = if is_leaf { !only_executed && takes_value(node) } else { self.written_below(draft) };
        let deleted = node.delete.is_some();
        if index == 0 {
            let dynamic = self.head.dynamic;
            return Can {
                all: of(&[
                    (true, GET),
                    (writes || dynamic, REPLACE),
                    (dynamic, ADD),
                    (dynamic, DELETE),
                    (executed, EXEC),
                ]),
                usual: of(&[(true, GET), (dynamic, REPLACE.with(ADD).with(DELETE)), (executed, EXEC)]),
            };
        }
        if is_unnamed(draft) {
            let listed = node.list.is_some();
            let (adds, deletes) = (!listed || node.add.is_some(), !listed || deleted);
            let replaces = !listed || is_leaf && writes;
            return Can {
                all: of(&[
                    (true, GET),
                    (replaces || writes, REPLACE),
                    (adds, ADD),
                    (deletes, DELETE),
                    (executed, EXEC),
                ]),
                usual: of(&[
                    (true, GET),
                    (replaces, REPLACE),
                    (adds, ADD),
                    (deletes, DELETE),
                    (executed, EXEC),
                ]),
            };
        }
        let optional = !occurrence.is_required();
        // What the agent keeps can go; what the machine has goes by `delete` alone.
        let goes = optional && (deleted || if is_leaf { writes && is_kept(node) } else { writes });
        let all = of(&[
            (true, GET),
            (writes, REPLACE),
            (writes && optional, ADD),
            (goes, DELETE),
            (executed, EXEC),
        ]);
        let usually_goes = deleted || goes && scope == Scope::Dynamic;
        let usual = if only_executed {
            EXEC
        } else {
            let replaces = writes && (is_leaf || optional);
            of(&[
                (true, GET),
                (replaces, REPLACE),
                (writes && optional, ADD),
                (usually_goes, DELETE),
                (executed, EXEC),
            ])
        };
        Can { all, usual }
    }

    /// Whether a server can write anything below a node.
    fn written_below(&self, draft: &Draft) -> bool {
        draft.children.iter().filter_map(|child| self.drafts.all.get(*child)).any(|child| {
            let entry = self.entry(child);
            let listed = entry.is_some_and(|entry| entry.node.list.is_some() && entry.node.add.is_none());
            if is_unnamed(child) && !listed {
                return true;
            }
            let format = self.format(child);
            match entry {
                Some(entry) if format != Format::Node => {
                    let only_executed = entry.node.exec.is_some() && format == Format::Null;
                    let narrowed = entry.description.and_then(|description| description.access);
                    let may = narrowed.is_none_or(|access| {
                        access.allows(AccessType::REPLACE) || access.allows(AccessType::ADD)
                    });
                    !only_executed && may && takes_value(entry.node)
                }
                _ => self.written_below(child),
            }
        })
    }

    /// Notes what a node says of itself that can't be.
    fn contradictions(
        &self,
        index: usize,
        draft: &Draft,
        description: &Description,
        format: Format,
    ) -> Vec<String> {
        let mut told = Vec::new();
        let several = |occurs: Occurrence| !matches!(occurs, Occurrence::One | Occurrence::ZeroOrOne);
        if index > 0 && !is_unnamed(draft) && description.occurs.is_some_and(several) {
            told.push(
                "has a name of its own, and so is there once: `occurs` is \"1\" or \"?\"; where there are several, \
                 write `<x>` for the name"
                    .to_owned(),
            );
        }
        let Some(entry) = self.entry(draft) else { return told };
        let required = description.occurs.is_some_and(Occurrence::is_required);
        if entry.node.delete.is_some() && required && !is_unnamed(draft) {
            told.push("has a `delete`, and must be there: say `occurs = \"?\"`".to_owned());
        }
        if format == Format::Node {
            for (key, there) in
                [("default", description.default.is_some()), ("mime", !description.mime.is_empty())]
            {
                if there {
                    told.push(format!("an interior node has no value: `{key}` is for leaves"));
                }
            }
        } else if description.default.is_some() && !is_kept(entry.node) {
            told.push(
                "`default` is what the agent keeps until a server sets a value: with `get`, end its sources with \
                 `{ value = … }`"
                    .to_owned(),
            );
        }
        told
    }
}

/// Why the access goes beyond what the mapping can do.
fn beyond(access: AccessType, can: &Can) -> Option<String> {
    let too_much: Vec<&str> = AccessType::ALL
        .into_iter()
        .filter(|(word, _)| access.allows(*word) && !can.all.allows(*word))
        .map(|(word, name)| match word {
            AccessType::ADD => "add (it takes what a server can write, and `occurs = \"?\"`, or `add`)",
            AccessType::DELETE => "delete (it takes `delete`, or `occurs = \"?\"` and what the agent keeps)",
            AccessType::EXEC => "exec (it takes `exec`)",
            AccessType::REPLACE => "replace (it takes `set`, or a leaf without `get`)",
            _ => name,
        })
        .collect();
    (!too_much.is_empty())
        .then(|| format!("`access` goes beyond what the mapping can do: {}", too_much.join(", ")))
}

/// Whether a server's value for the node has somewhere to go.
fn takes_value(node: &NodeMapping) -> bool {
    node.set.is_some() || is_kept(node)
}

/// Whether the agent keeps the node's value in the store.
fn is_kept(node: &NodeMapping) -> bool {
    let outside = node.set.as_ref().is_some_and(|sink| !matches!(sink.to, Call::Store));
    let from_store = |from: &SourceKind| matches!(from, SourceKind::Store);
    !outside && (node.get.is_empty() || node.get.iter().any(|source| from_store(&source.from)))
}

fn is_unnamed(draft: &Draft) -> bool {
    matches!(draft.name, NodeName::Unnamed(_))
}

fn usual_type(format: Format) -> &'static str {
    if matches!(format, Format::Bin | Format::B64) { "application/octet-stream" } else { "text/plain" }
}

fn blank(name: NodeName) -> Node {
    let properties = Properties {
        access: AccessType::default(),
        occurrence: Occurrence::One,
        format: Format::Node,
        scope: Scope::Permanent,
        case_sense: None,
        default_value: None,
        mime: Vec::new(),
        ddf_name: None,
        title: None,
        description: None,
    };
    Node { name, is_logical: false, path: None, properties, children: Vec::new() }
}
