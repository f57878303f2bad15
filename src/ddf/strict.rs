//! Strict reading: what is wrong with a DDF that readers overlook, each in its own way.
//!
//! Held to the DTD, but for the order of elements, which is nobody's. Elements of other namespaces are their owners'.

use std::collections::BTreeSet;

use roxmltree::Node as Element;

use super::parse::{LIMITS, MAX_DEPTH, parse_with_lines};
use super::salvage::{Holds, KNOWN, KnownElement};
use super::{
    AccessType, CaseSense, Ddf, DdfError, Format, Node, NodeName, Occurrence, Scope, parse_forgiving,
};
use crate::base::Order as _;
use crate::xml::{self, Lines, Tolerance, text};

/// The most findings in one file.
const MOST: usize = 200;
/// The elements that may be in a node more than once.
const REPEATED: [&str; 2] = ["Node", "MIME"];
/// The element that the DTD has, and that means nothing in a description.
const PASSED_OVER: &str = "RTProperties";
/// The elements that each element must have in it.
const REQUIRED: [(&str, &[&str]); 3] = [
    ("MgmtTree", &["VerDTD", "Node"]),
    ("Node", &["NodeName", "DFProperties"]),
    ("DFProperties", &["AccessType", "DFFormat", "DFType"]),
];

/// One thing that is wrong with a DDF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line, from 1; none where the whole document is meant.
    pub line: Option<usize>,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl From<DdfError> for Finding {
    fn from(error: DdfError) -> Self {
        Self { line: error.line(), what: error.problem.to_string() }
    }
}

/// All findings in a DDF, in the order of the document; `fits` says why a value is none of a format.
pub fn strict(bytes: &[u8], fits: impl Fn(Format, &str) -> Option<String>) -> Vec<Finding> {
    let walked = xml::read(bytes, LIMITS, "MgmtTree", Tolerance::Message, |document, lines| {
        let mut walk = Walk { lines, namespace: None, told: Vec::new() };
        walk.document(document.root_element());
        walk.told
    });
    let mut told = match walked {
        Ok(told) => told,
        Err(error) => return vec![DdfError::from(error).into()],
    };
    match parse_with_lines(bytes) {
        Ok((ddf, lines)) => described(&ddf, &lines, fits, &mut told),
        Err(refusal) => {
            let all = parse_forgiving(bytes).map_or_else(|error| vec![error], |(_, overlooked)| overlooked);
            told.extend(all.into_iter().chain([refusal]).map(Finding::from));
        }
    }
    // One by one: the walk and the reader may have found the same.
    told.order_by(|one, other| (one.line, &one.what).cmp(&(other.line, &other.what)));
    told.dedup();
    told.truncate(MOST);
    told
}

struct Walk<'a> {
    lines: &'a Lines<'a>,
    namespace: Option<&'a str>,
    told: Vec<Finding>,
}

impl<'a> Walk<'a> {
    fn document(&mut self, root: Element<'a, 'a>) {
        let is_tree = |element: &Element<'a, 'a>| element.tag_name().name() == "MgmtTree";
        let Some(tree) = root.descendants().find(is_tree) else { return };
        if tree != root {
            self.tell(root, format!("<{}> is around <MgmtTree>, where nothing is", root.tag_name().name()));
        }
        for other in tree.next_siblings().filter(|other| is_tree(other) && *other != tree) {
            self.tell(other, "a second <MgmtTree>: there is one in a file".to_owned());
        }
        self.namespace = tree.tag_name().namespace();
        if let Some(known) = KNOWN.iter().find(|known| known.name == "MgmtTree") {
            self.element(tree, known, 0);
        }
    }

    /// Checks an element whose name is known, and what is in it.
    fn element(&mut self, element: Element<'a, 'a>, known: &KnownElement, depth: usize) {
        if depth > 2 * MAX_DEPTH || self.told.len() >= MOST {
            return;
        }
        let own = self.namespace;
        let children: Vec<Element<'a, 'a>> = element
            .children()
            .filter(|child| child.is_element() && child.tag_name().namespace() == own)
            .collect();
        if known.holds != Holds::Text && !text(element).is_empty() {
            let is_word =
                if known.holds == Holds::Words { ": a word is an empty element, such as <Get/>" } else { "" };
            self.tell(
                element,
                format!("<{}> has text in it, where elements are expected{is_word}", known.name),
            );
        }
        let mut names = BTreeSet::new();
        for child in children {
            let name = child.tag_name().name();
            if !names.insert(name) && !REPEATED.contains(&name) {
                self.tell(child, format!("<{name}> is there twice in <{}>: the first counts", known.name));
            }
            self.child(child, known, depth);
        }
        let required = REQUIRED.iter().find(|(parent, _)| *parent == known.name);
        for missing in required.iter().flat_map(|(_, all)| all.iter()).filter(|name| !names.contains(**name))
        {
            self.tell(element, format!("<{}> has no <{missing}>", known.name));
        }
        if known.name == "DFType" && names.is_empty() {
            self.tell(element, "<DFType> has neither <MIME> nor <DDFName>".to_owned());
        }
        let is_one_word = known.holds == Holds::Words && !matches!(known.name, "AccessType" | "DFType");
        if is_one_word && names.len() != 1 {
            let expected = words(known.name).join(", ");
            let number = if names.is_empty() { "none" } else { "several" };
            self.tell(element, format!("<{}> has {number} of these: expected one of {expected}", known.name));
        }
    }

    fn child(&mut self, child: Element<'a, 'a>, parent: &KnownElement, depth: usize) {
        let name = child.tag_name().name();
        let is_within = |known: &&KnownElement| known.name == name && known.within.contains(&parent.name);
        if let Some(known) = KNOWN.iter().find(is_within) {
            if parent.name == "Node" && known.within.contains(&"DFProperties") {
                self.tell(child, format!("<{name}> stands in <Node>: it belongs into <DFProperties>"));
            }
            let is_number = matches!(name, "ZeroOrN" | "OneOrN");
            if is_number && !text(child).parse::<u32>().is_ok_and(|most| most > 0) {
                self.tell(child, format!("<{name}> holds {:?}: expected a whole number", text(child)));
            }
            return self.element(child, known, depth + 1);
        }
        let words = words(parent.name);
        if words.contains(&name) || name == PASSED_OVER && parent.name == "Node" {
            return;
        }
        let of_elements =
            KNOWN.iter().filter(|known| known.within.contains(&parent.name)).map(|known| known.name);
        let possible: Vec<&str> = words.iter().copied().chain(of_elements).collect();
        let elsewhere = KNOWN.iter().any(|known| known.name == name);
        let meant = possible.iter().find(|known| known.eq_ignore_ascii_case(name));
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean <{meant}>?"));
        let what = match (possible.is_empty(), elsewhere) {
            (true, _) => format!("<{name}> is in <{}>, which holds text", parent.name),
            (_, true) => format!("<{name}> does not belong into <{}>: it is passed over", parent.name),
            _ => format!("<{name}> means nothing in <{}>: it is passed over{meant}", parent.name),
        };
        self.tell(child, what);
    }

    fn tell(&mut self, element: Element<'a, 'a>, what: String) {
        if self.told.len() < MOST {
            self.told.push(Finding { line: Some(self.lines.line(element)), what });
        }
    }
}

/// The words that may be in the element of this name, each an element.
fn words(name: &str) -> Vec<&'static str> {
    fn of<T>(words: &'static [(&'static str, T)]) -> Vec<&'static str> {
        words.iter().map(|(word, _)| *word).collect()
    }
    match name {
        "AccessType" => AccessType::ALL.iter().map(|(_, word)| *word).collect(),
        "DFFormat" => of(Format::WORDS),
        "Occurrence" => of(Occurrence::WORDS),
        "Scope" => of(Scope::WORDS),
        "CaseSense" => of(CaseSense::WORDS),
        _ => Vec::new(),
    }
}

/// Checks whether the things that a node says of itself can all be true.
fn described(
    ddf: &Ddf,
    lines: &[usize],
    fits: impl Fn(Format, &str) -> Option<String>,
    told: &mut Vec<Finding>,
) {
    let mut lines = lines.iter();
    let mut waiting: Vec<(&Node, bool, bool)> =
        ddf.roots.iter().rev().map(|root| (root, true, false)).collect();
    // In document order: a node before its children.
    while let Some((node, is_root, is_again)) = waiting.pop() {
        let line = lines.next().copied();
        let mut tell = |what: String| told.push(Finding { line, what });
        if is_again {
            tell("is described twice below its parent: only one of a name, and one un-named".to_owned());
        }
        contradictions(node, is_root, &fits, &mut tell);
        let mut known = BTreeSet::new();
        let children: Vec<(&Node, bool, bool)> = node
            .children
            .iter()
            .map(|child| {
                let name = if let NodeName::Named(name) = &child.name { name.as_str() } else { "" };
                (child, false, !known.insert(name))
            })
            .collect();
        waiting.extend(children.into_iter().rev());
    }
}

fn contradictions(
    node: &Node,
    is_root: bool,
    fits: &impl Fn(Format, &str) -> Option<String>,
    tell: &mut impl FnMut(String),
) {
    let properties = &node.properties;
    let format = properties.format;
    let named = if let NodeName::Named(name) = &node.name { Some(name) } else { None };
    if named.is_some_and(|name| name.contains('/')) {
        tell("has a `/` in its name".to_owned());
    }
    let several = !matches!(properties.occurrence, Occurrence::One | Occurrence::ZeroOrOne);
    if several && named.is_some() && !is_root {
        tell(format!("has a name of its own, and occurs {}", properties.occurrence.word()));
    }
    if format != Format::Node && !node.children.is_empty() {
        tell(format!("has format {} and nodes below it: expected format node", format.word()));
    }
    if format == Format::Node && !properties.mime.is_empty() {
        tell("is an interior node, and has a <MIME>: expected <DDFName>".to_owned());
    }
    if format != Format::Node && properties.mime.is_empty() {
        tell("is a leaf without a <MIME>".to_owned());
    }
    if properties.scope == Scope::Permanent && properties.access.allows(AccessType::DELETE) {
        tell("has <Delete/>, and is <Permanent/>: it is never deleted".to_owned());
    }
    let default = properties.default_value.as_deref().filter(|text| !text.is_empty());
    if let Some(why) = default.and_then(|default| fits(format, default)) {
        tell(format!("has a DefaultValue that its format can't hold: {why}"));
    }
}
