//! Skeletons: a mapping to begin with, made from a DDF; a table for each node, and what is left to do at each.
//!
//! It passes `--check` as it is: what must have a value has a constant one.

use std::fmt::Write as _;

use crate::base::OrderedSet;
use crate::ddf::{AccessType, Ddf, Format, Node, NodeName, Properties};
use crate::uri::encode_name;

use super::object::shown;
use super::template::is_variable;

/// The longest comment, in characters: descriptions may be pages.
const LONGEST: usize = 160;

/// The skeleton for the DDF in the file `name`.
pub(crate) fn skeleton(ddf: &Ddf, name: &str) -> String {
    let Some(root) = ddf.roots.first() else { return String::new() };
    let (root_name, is_open) = match &root.name {
        NodeName::Named(name) => (name.clone(), ""),
        NodeName::Unnamed(label) => {
            let label = label.clone().filter(|label| !label.contains(|c: char| c == '/' || c.is_control()));
            (label.unwrap_or_else(|| "Root".to_owned()), "   # TODO: the DDF leaves the name open")
        }
    };
    let is_moid = |text: &&String| {
        text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '/' | '?' | '*' | '%' | '#' | '"' | '\\'))
    };
    let (moid, is_made_up) = match root.properties.ddf_name.as_ref().filter(is_moid) {
        Some(moid) => (moid.clone(), ""),
        None => ("urn:x-todo:mo:object:1.0".to_owned(), "   # TODO: the DDF does not say it"),
    };
    let uri = encode_name(name);
    let ending = if [".xml", ".ddf"].iter().any(|ending| uri.ends_with(ending)) { "" } else { ".xml" };
    let instances = match root.properties.access.allows(AccessType::ADD) {
        true => "dynamic = true   # TODO: servers make instances; or: instances = [\"1\"]",
        false => "instances = [\"1\"]   # TODO: or, where servers make them: dynamic = true",
    };
    let mut out = format!(
        "# Made from {}. What is TODO is yours.\n\nmoid = {}{is_made_up}\nddf = {}\n\
         ddf-uri = {}   # TODO: where servers find it, if not below [objects] ddf-base\nroot = {}{is_open}\n{instances}\n",
        comment(name),
        quoted(&moid),
        quoted(name),
        quoted(&format!("{uri}{ending}")),
        quoted(&root_name),
    );
    for other in ddf.roots.iter().skip(1) {
        let _ = writeln!(out, "# Another root of the DDF: {}", comment(&shown(&other.name)));
    }
    below(&mut out, root, "", &OrderedSet::new());
    out
}

/// Writes the tables of the nodes below one; the labels above it are taken.
fn below(out: &mut String, parent: &Node, path: &str, labels: &OrderedSet<String>) {
    let mut names = OrderedSet::new();
    for node in &parent.children {
        let mut labels = labels.clone();
        let step = match &node.name {
            NodeName::Named(name) => name.clone(),
            NodeName::Unnamed(label) => {
                let label = free_label(label.as_deref(), &labels);
                labels.insert(label.clone());
                format!("<{label}>")
            }
        };
        // Neither can have a table, and --check says why.
        let is_unnamed = matches!(node.name, NodeName::Unnamed(_));
        if step.contains('/') || !names.insert(if is_unnamed { String::new() } else { step.clone() }) {
            let _ = writeln!(out, "\n# TODO: the DDF has {} here, which can't be mapped", comment(&step));
            continue;
        }
        let path = if path.is_empty() { step } else { format!("{path}/{step}") };
        table(out, node, &path, is_unnamed);
        below(out, node, &path, &labels);
    }
}

/// A free label for an un-named node: the DDF's word, if it can be a variable and is free; else another one.
fn free_label(label: Option<&str>, taken: &OrderedSet<String>) -> String {
    let wanted = label.filter(|label| is_variable(label)).unwrap_or("x");
    let mut numbered = (2..).map(|number| format!("{wanted}{number}"));
    let all = std::iter::once(wanted.to_owned()).chain(&mut numbered);
    all.into_iter().find(|label| !taken.contains(label)).unwrap_or_default()
}

fn table(out: &mut String, node: &Node, path: &str, is_unnamed: bool) {
    let properties = &node.properties;
    let access = properties.access;
    let executed = access.allows(AccessType::EXEC);
    let is_interior = properties.format == Format::Node;
    let _ = writeln!(out, "\n# {}", comment(&about(properties)));
    if is_interior && !is_unnamed && !executed {
        let _ = writeln!(out, "# {}", comment(path));
        return;
    }
    let _ = writeln!(out, "[node.{}]", quoted(path));
    let mut todo = |line: &str| {
        let _ = writeln!(out, "{line}");
    };
    if is_unnamed {
        todo("# TODO: list = { glob = \"/…/*\" }, if the machine says which there are, and not servers");
    }
    if executed {
        todo("# TODO: exec = { run = [\"/usr/lib/…\"] }");
    }
    if is_interior || properties.format == Format::Null {
        return;
    }
    let written = access.allows(AccessType::REPLACE) || access.allows(AccessType::ADD);
    if written {
        todo("# TODO: get = { file = \"/…\" } and set = { file = \"/…\" }; as it is, the agent keeps it");
    } else if properties.default_value.is_some() || !access.allows(AccessType::GET) {
        todo("# TODO: get = { file = \"/…\" }");
    } else if properties.occurrence.is_required() {
        let _ = writeln!(out, "get = {{ value = {} }}   # TODO", constant(properties.format));
    } else {
        todo("# TODO: get = { file = \"/…\" }; as it is, there is none");
    }
}

/// The properties of a node by its DDF, in a line.
fn about(properties: &Properties) -> String {
    let words: Vec<&str> = AccessType::ALL
        .iter()
        .filter(|(word, _)| properties.access.allows(*word))
        .map(|(_, name)| *name)
        .collect();
    let mut text = format!("{}, {}", properties.format.word(), properties.occurrence.word());
    if !words.is_empty() {
        let _ = write!(text, ", {}", words.join(" "));
    }
    for said in [&properties.title, &properties.description].into_iter().flatten() {
        let _ = write!(text, ". {said}");
    }
    text
}

/// A value of the format, as TOML.
fn constant(format: Format) -> &'static str {
    match format {
        Format::Int | Format::Float => "0",
        Format::Bool => "false",
        Format::Date => "\"1970-01-01\"",
        Format::Time => "\"00:00:00\"",
        Format::Bin | Format::B64 => "\"\"",
        Format::Chr | Format::Xml | Format::Node | Format::Null => "\"TODO\"",
    }
}

/// The text as it may stand behind `#`: one line, not too long.
fn comment(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.chars().take(LONGEST).map(plain).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line.trim_end().to_owned()
}

/// The text as TOML writes it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => drop(write!(out, "\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}
