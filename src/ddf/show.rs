//! A DDF as the tree of the graphical notation (TS 6.3.2), in text and as JSON.

use std::fmt::{self, Write};

use serde_json::{Map, Value as Json, json};

use super::{AccessType, Ddf, Format, Node, NodeName, Occurrence, Scope};
use crate::base::is_unseen;

/// The widest name that moves the columns beside it.
const WIDEST_NAME: usize = 60;
/// The width at which a line ends, if its last column can be cut.
const WIDEST_LINE: usize = 120;
/// The least width that is left of the last column.
const NARROWEST_NOTE: usize = 24;

impl Ddf {
    /// The description as a tree, a node a line: its name with the mark of its occurrence, format, access, scope, and
    /// what else tells it from others.
    #[must_use]
    pub fn to_tree(&self) -> String {
        let mut rows = Vec::new();
        for root in &self.roots {
            add_rows(root, "", "", &mut rows);
        }
        let width = |cell: fn(&Row) -> &String, most| {
            rows.iter().map(|row| cell(row).chars().count()).filter(|&width| width <= most).max().unwrap_or(0)
        };
        let name = width(|row| &row.name, WIDEST_NAME);
        let access = width(|row| &row.access, usize::MAX);
        let scope = width(|row| &row.scope, usize::MAX);
        let mut out = String::new();
        for row in &rows {
            let start =
                format!("{:name$}  {:5}  {:access$}  {:scope$}", row.name, row.format, row.access, row.scope);
            let room = WIDEST_LINE.saturating_sub(start.chars().count() + 2).max(NARROWEST_NOTE);
            let line = format!("{start}  {}", cut(&row.note, room));
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// The description as JSON, for programs.
    #[must_use]
    pub fn to_json(&self) -> Json {
        json!({
            "version": self.version,
            "manufacturer": self.manufacturer,
            "model": self.model,
            "nodes": self.roots.iter().map(Node::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Node {
    fn to_json(&self) -> Json {
        let properties = &self.properties;
        let access: Vec<_> = words(properties.access).collect();
        let mut members = Map::new();
        let mut put = |name: &str, value: Json| drop(members.insert(name.to_owned(), value));
        put("name", Json::String(shown(self)));
        put("named", Json::Bool(matches!(self.name, NodeName::Named(_))));
        put("leaf", Json::Bool(properties.format != Format::Node));
        put("occurrence", Json::from(properties.occurrence.word()));
        if let Occurrence::ZeroOrN(most) | Occurrence::OneOrN(most) = properties.occurrence {
            put("most", Json::from(most));
        }
        put("mark", Json::String(properties.occurrence.to_string()));
        put("format", Json::from(properties.format.word()));
        put("access", Json::from(access));
        put("scope", Json::from(if properties.scope == Scope::Permanent { "Permanent" } else { "Dynamic" }));
        if let Some(case_sense) = properties.case_sense {
            put("caseSense", Json::from(case_sense.word()));
        }
        for (name, value) in [
            ("path", &self.path),
            ("ddfName", &properties.ddf_name),
            ("title", &properties.title),
            ("description", &properties.description),
            ("defaultValue", &properties.default_value),
        ] {
            if let Some(value) = value {
                put(name, Json::from(value.as_str()));
            }
        }
        if !properties.mime.is_empty() {
            put("mime", Json::from(properties.mime.clone()));
        }
        put("nodes", self.children.iter().map(Self::to_json).collect());
        Json::Object(members)
    }
}

/// Written as the mark of the graphical notation: nothing for exactly one.
impl fmt::Display for Occurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => Ok(()),
            Self::ZeroOrOne => f.write_str("?"),
            Self::ZeroOrMore => f.write_str("*"),
            Self::OneOrMore => f.write_str("+"),
            Self::ZeroOrN(most) => write!(f, "*{most}"),
            Self::OneOrN(most) => write!(f, "+{most}"),
        }
    }
}

struct Row {
    name: String,
    format: &'static str,
    access: String,
    scope: String,
    note: String,
}

/// Adds the rows of a node and all below it. `branch` stands before its name, `indent` before what is below.
fn add_rows(node: &Node, branch: &str, indent: &str, rows: &mut Vec<Row>) {
    let properties = &node.properties;
    rows.push(Row {
        name: format!("{branch}{}{}", printable(&shown(node)), properties.occurrence),
        format: properties.format.word(),
        access: words(properties.access).collect::<Vec<_>>().join(" "),
        scope: if properties.scope == Scope::Permanent { "permanent" } else { "" }.to_owned(),
        note: printable(&note(node, branch.is_empty())),
    });
    for (index, child) in node.children.iter().enumerate() {
        let (branch, below) =
            if index + 1 < node.children.len() { ("├─ ", "│  ") } else { ("└─ ", "   ") };
        add_rows(child, &format!("{indent}{branch}"), &format!("{indent}{below}"), rows);
    }
}

/// The name of a node as the notation has it.
fn shown(node: &Node) -> String {
    match &node.name {
        NodeName::Named(name) => name.clone(),
        NodeName::Unnamed(Some(label)) if node.is_logical => format!("[{label}]"),
        NodeName::Unnamed(label) => format!("<{}>", label.as_deref().unwrap_or("x")),
    }
}

/// The unusual things about a node: where a root hangs, the object it is of, the title of what has no name, a leaf's
/// type and default.
fn note(node: &Node, is_root: bool) -> String {
    let properties = &node.properties;
    let mut note = String::new();
    let mut add = |what: fmt::Arguments<'_>| {
        let separator = if note.is_empty() { "" } else { ", " };
        // Writing to a String can't fail.
        let _ = write!(note, "{separator}{what}");
    };
    if let Some(path) = node.path.as_ref().filter(|_| is_root) {
        add(format_args!("in {path}"));
    }
    if let Some(moid) = &properties.ddf_name {
        add(format_args!("{moid}"));
    }
    if let (NodeName::Unnamed(_), Some(title)) = (&node.name, &properties.title) {
        add(format_args!("{title}"));
    }
    if properties.format != Format::Node {
        for mime in properties.mime.iter().filter(|mime| *mime != "text/plain") {
            add(format_args!("{mime}"));
        }
        if let Some(value) = &properties.default_value {
            add(format_args!("= {value:?}"));
        }
    }
    note
}

fn words(access: AccessType) -> impl Iterator<Item = &'static str> {
    AccessType::ALL.into_iter().filter(move |(one, _)| access.allows(*one)).map(|(_, word)| word)
}

/// The text without characters that move a terminal's cursor or turn text around.
fn printable(text: &str) -> String {
    let safe = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if is_unseen(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(safe).collect()
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
