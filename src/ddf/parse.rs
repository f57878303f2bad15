//! Reading a DDF as it is found in the field.
//!
//! Strict about what the framework's own elements hold, indifferent to everything else: elements of
//! another namespace than `MgmtTree`'s and unknown elements are skipped.

use std::num::IntErrorKind;

use roxmltree::Node as Element;

use super::salvage::salvage;
use super::{
    AccessType, CaseSense, Ddf, DdfError, DdfProblem, Format, Node, NodeName, Occurrence, Properties, Scope,
};
use crate::xml::{self, DocumentLimits, Lines, Tolerance, text};

/// The largest description read; the largest in the field have about 3 MB.
pub(crate) const MAX_BYTES: u64 = 8 << 20;
pub(super) const LIMITS: DocumentLimits = DocumentLimits { bytes: MAX_BYTES as usize, nodes: 1_000_000 };
/// The most levels of nodes: no DM tree is that deep.
pub(super) const MAX_DEPTH: usize = 64;
/// The most MIME types of one leaf; more are left out.
const MAX_MIME: usize = 64;
/// The most forgiven errors that are returned.
const MAX_FORGIVEN: usize = 20;
/// Namespaces of the framework itself, should an element be in another than its `MgmtTree`.
const NAMESPACES: [&str; 3] = ["syncml:dmddf1.2", "syncml:metinf", "http://tempuri.org/DM_DDF-V1_2"];

/// Parses a DDF (TS 6.3.2, 14.1).
///
/// Entities are expanded within narrow bounds, and nothing external is ever fetched.
///
/// # Errors
/// The first thing that is wrong, with its place and element.
pub fn parse(bytes: &[u8]) -> Result<Ddf, DdfError> {
    parse_with_lines(bytes).map(|(ddf, _)| ddf)
}

/// Like [`parse`]; also the line of every node, in document order (a node stands before its children).
pub(crate) fn parse_with_lines(bytes: &[u8]) -> Result<(Ddf, Vec<usize>), DdfError> {
    xml::read(bytes, LIMITS, "MgmtTree", Tolerance::File, |document, lines| {
        let mut parser = Parser::new(lines, None);
        Ok((parser.tree(document.root_element())?, parser.node_lines))
    })?
}

/// Reads a DDF to be looked at: what [`parse`] refuses in a node's properties counts as unsaid, and what isn't XML at
/// all is read for the framework's elements in it. Also the first of what was overlooked.
///
/// # Errors
/// There is no whole tree in it that could be shown.
pub fn parse_forgiving(bytes: &[u8]) -> Result<(Ddf, Vec<DdfError>), DdfError> {
    let found = shown(bytes);
    if found.as_ref().is_ok_and(|(_, overlooked)| overlooked.is_empty()) {
        return found;
    }
    let Some(salvaged) = xml::decoded(bytes, LIMITS).ok().and_then(|text| salvage(&text)) else {
        return found;
    };
    match (found, shown(salvaged.as_bytes())) {
        (Ok(found), Ok(salvaged)) if salvaged.1.len() < found.1.len() => Ok((salvaged.0, found.1)),
        // What else is overlooked is no longer where it was.
        (Err(refusal), Ok((ddf, _))) => Ok((ddf, vec![refusal])),
        (found, _) => found,
    }
}

fn shown(bytes: &[u8]) -> Result<(Ddf, Vec<DdfError>), DdfError> {
    xml::read(bytes, LIMITS, "MgmtTree", Tolerance::Display, |document, lines| {
        let mut parser = Parser::new(lines, Some(Vec::new()));
        Ok((parser.tree(document.root_element())?, parser.forgiven.unwrap_or_default()))
    })?
}

struct Parser<'a> {
    lines: &'a Lines<'a>,
    /// The namespace of the framework's elements: `MgmtTree`'s own.
    namespace: Option<&'a str>,
    /// The lines of the nodes read so far.
    node_lines: Vec<usize>,
    /// The errors forgiven so far; none: no error is.
    forgiven: Option<Vec<DdfError>>,
}

impl<'a> Parser<'a> {
    fn new(lines: &'a Lines<'a>, forgiven: Option<Vec<DdfError>>) -> Self {
        Self { lines, namespace: None, node_lines: Vec::new(), forgiven }
    }

    fn tree(&mut self, root: Element<'a, 'a>) -> Result<Ddf, DdfError> {
        let is_tree = |element: &Element<'a, 'a>| element.tag_name().name() == "MgmtTree";
        let Some(first) = root.descendants().find(is_tree) else {
            let found = root.tag_name().name().to_owned();
            return Err(self.wrong(root, DdfProblem::NotDdf { found }));
        };
        let beside = first.next_siblings().filter(is_tree);
        let (mut version, mut manufacturer, mut model) = (None, None, None);
        let mut roots = Vec::new();
        for tree in beside {
            self.namespace = tree.tag_name().namespace();
            for child in self.own_children(tree) {
                match child.tag_name().name() {
                    "VerDTD" => keep(&mut version, child),
                    "Man" => keep(&mut manufacturer, child),
                    "Mod" => keep(&mut model, child),
                    "Node" => roots.push(self.node(child, 1)?),
                    _ => {}
                }
            }
        }
        if roots.is_empty() {
            return Err(self.wrong(first, DdfProblem::Missing { parent: "MgmtTree", element: "Node" }));
        }
        Ok(Ddf { version: version.unwrap_or_default(), manufacturer, model, roots })
    }

    fn node(&mut self, element: Element<'a, 'a>, depth: usize) -> Result<Node, DdfError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong(element, DdfProblem::TooDeep { limit: MAX_DEPTH }));
        }
        self.node_lines.push(self.lines.line(element));
        let (mut name, mut path) = (None::<String>, None);
        let mut found = DfProperties::default();
        let mut children = Vec::new();
        for child in self.own_children(element) {
            match child.tag_name().name() {
                "NodeName" if name.is_none() => name = Some(text(child)),
                "Path" => keep(&mut path, child),
                "Node" => children.push(self.node(child, depth + 1)?),
                "DFProperties" => {
                    for property in self.own_children(child) {
                        self.property(property, &mut found)?;
                    }
                }
                // Some forget what belongs around them.
                _ => self.property(child, &mut found)?,
            }
        }
        if name.is_none() {
            self.overlook(element, DdfProblem::Missing { parent: "Node", element: "NodeName" })?;
        }
        let (name, is_logical) = node_name(&name.unwrap_or_default());
        let properties = found.finish(!children.is_empty());
        Ok(Node { name, is_logical, path, properties, children })
    }

    /// Reads one of the framework's properties; of several that are the same, the first stands.
    fn property(&mut self, child: Element<'a, 'a>, found: &mut DfProperties) -> Result<(), DdfError> {
        match child.tag_name().name() {
            "AccessType" if found.access.is_none() => found.access = Some(self.access(child)),
            "DefaultValue" if found.default_value.is_none() => found.default_value = Some(text(child)),
            "Description" => keep(&mut found.description, child),
            "DFTitle" => keep(&mut found.title, child),
            "DFType" => self.df_type(child, found),
            "DFFormat" if found.format.is_none() => {
                found.format = self.word(child, "DFFormat", Format::WORDS, Format::EXPECTED)?;
            }
            "Occurrence" if found.occurrence.is_none() => found.occurrence = self.occurrence(child)?,
            "Scope" if found.scope.is_none() => {
                found.scope = self.word(child, "Scope", Scope::WORDS, "Permanent or Dynamic")?;
            }
            "CaseSense" if found.case_sense.is_none() => {
                found.case_sense = self.word(child, "CaseSense", CaseSense::WORDS, "CS or CIS")?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads an access type: empty elements, or, wrongly, their names as text.
    fn access(&self, element: Element<'a, 'a>) -> AccessType {
        let known =
            |word: &str| AccessType::ALL.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(word));
        let both = |all: AccessType, (access, _): (AccessType, _)| all.with(access);
        let as_text = text(element);
        let words = as_text.split(|c: char| !c.is_alphabetic()).filter_map(known);
        let elements = self.own_children(element).filter_map(|child| known(child.tag_name().name()));
        elements.fold(words.fold(AccessType::default(), both), both)
    }

    fn df_type(&self, element: Element<'a, 'a>, found: &mut DfProperties) {
        for child in self.own_children(element) {
            match child.tag_name().name() {
                "MIME" => {
                    let mime = text(child);
                    if !mime.is_empty() && found.mime.len() < MAX_MIME && !found.mime.contains(&mime) {
                        found.mime.push(mime);
                    }
                }
                "DDFName" => {
                    found.interior = true;
                    keep(&mut found.ddf_name, child);
                }
                _ => {}
            }
        }
        // DTD 1.1 has the MIME type as text.
        let bare = text(element);
        if bare.contains('/') && found.mime.is_empty() {
            found.mime.push(bare);
        }
    }

    fn occurrence(&mut self, element: Element<'a, 'a>) -> Result<Option<Occurrence>, DdfError> {
        const EXPECTED: &str = "One, ZeroOrOne, ZeroOrMore, OneOrMore, ZeroOrN or OneOrN";
        let word = self.word(element, "Occurrence", Occurrence::WORDS, EXPECTED)?;
        let number = self.own_children(element).next().map(text).unwrap_or_default();
        let bound = match number.parse::<u32>() {
            Err(error) if *error.kind() == IntErrorKind::PosOverflow => Some(u32::MAX),
            bound => bound.ok(),
        };
        Ok(match (word, bound) {
            // Left open: as good as no bound.
            (Some(Occurrence::ZeroOrN(_)), _) if is_open(&number) => Some(Occurrence::ZeroOrMore),
            (Some(Occurrence::OneOrN(_)), _) if is_open(&number) => Some(Occurrence::OneOrMore),
            (Some(Occurrence::ZeroOrN(_)), Some(most)) => Some(Occurrence::ZeroOrN(most)),
            (Some(Occurrence::OneOrN(_)), Some(most)) => Some(Occurrence::OneOrN(most)),
            (Some(Occurrence::ZeroOrN(_) | Occurrence::OneOrN(_)), None) => {
                let (found, expected) = (number, "a whole number");
                self.overlook(element, DdfProblem::Invalid { element: "Occurrence", found, expected })?;
                None
            }
            (other, _) => other,
        })
    }

    /// The value of an element that holds one of a few empty elements (or, wrongly, their name as text).
    fn word<T: Copy>(
        &mut self,
        element: Element<'a, 'a>,
        name: &'static str,
        words: &[(&str, T)],
        expected: &'static str,
    ) -> Result<Option<T>, DdfError> {
        let known = |found: &str| words.iter().find(|(word, _)| word.eq_ignore_ascii_case(found));
        let children = self.own_children(element).map(|child| child.tag_name().name().to_owned());
        let mut found: Vec<String> = children.collect();
        if found.is_empty() {
            found.extend(Some(text(element)).filter(|text| !text.is_empty()));
        }
        if let Some((_, value)) = found.iter().find_map(|found| known(found)) {
            return Ok(Some(*value));
        }
        let Some(found) = found.into_iter().next() else { return Ok(None) };
        self.overlook(element, DdfProblem::Invalid { element: name, found, expected })?;
        Ok(None)
    }

    /// The child elements in the framework's namespace.
    fn own_children(&self, element: Element<'a, 'a>) -> impl Iterator<Item = Element<'a, 'a>> + use<'a> {
        let own = self.namespace;
        element.children().filter(move |child| {
            let namespace = child.tag_name().namespace();
            child.is_element()
                && (namespace == own || namespace.is_some_and(|name| NAMESPACES.contains(&name)))
        })
    }

    /// Forgives an error, or returns it where none are forgiven.
    fn overlook(&mut self, element: Element<'a, 'a>, problem: DdfProblem) -> Result<(), DdfError> {
        // A position costs the length of its line: not one is looked for that nobody will hear of.
        if self.forgiven.as_ref().is_some_and(|forgiven| forgiven.len() >= MAX_FORGIVEN) {
            return Ok(());
        }
        let error = self.wrong(element, problem);
        match &mut self.forgiven {
            Some(forgiven) => forgiven.push(error),
            None => return Err(error),
        }
        Ok(())
    }

    fn wrong(&self, element: Element<'a, 'a>, problem: DdfProblem) -> DdfError {
        DdfError { at: Some(self.lines.position(element)), problem }
    }
}

/// The content of `DFProperties`, as far as it has been read.
#[derive(Default)]
struct DfProperties {
    access: Option<AccessType>,
    occurrence: Option<Occurrence>,
    format: Option<Format>,
    scope: Option<Scope>,
    case_sense: Option<CaseSense>,
    default_value: Option<String>,
    mime: Vec<String>,
    ddf_name: Option<String>,
    title: Option<String>,
    description: Option<String>,
    /// Whether there was a `DDFName`, if an empty one: the node is interior.
    interior: bool,
}

impl DfProperties {
    fn finish(mut self, has_children: bool) -> Properties {
        let guess = if has_children || self.interior { Format::Node } else { Format::Chr };
        // DFType has MIME types or a DDFName: of both, what befits the format.
        if !self.mime.is_empty() && self.ddf_name.is_some() {
            match self.format.unwrap_or(guess) {
                Format::Node => self.mime.clear(),
                _ => self.ddf_name = None,
            }
        }
        Properties {
            access: self.access.unwrap_or_default(),
            occurrence: self.occurrence.unwrap_or_default(),
            format: self.format.unwrap_or(guess),
            scope: self.scope.unwrap_or_default(),
            case_sense: self.case_sense,
            default_value: self.default_value,
            mime: self.mime,
            ddf_name: self.ddf_name,
            title: self.title,
            description: self.description,
        }
    }
}

/// Keeps an element's text, unless it is empty or one was kept before.
fn keep(slot: &mut Option<String>, element: Element<'_, '_>) {
    let text = text(element);
    if slot.is_none() && !text.is_empty() {
        *slot = Some(text);
    }
}

fn is_open(number: &str) -> bool {
    number.is_empty() || number.eq_ignore_ascii_case("n")
}

/// Reads a node's name. Un-named are: nothing, `*`, `<x>` and `[Name]`, these two also with the sign of their
/// occurrence. The second value says whether it is a logical name, in brackets.
fn node_name(text: &str) -> (NodeName, bool) {
    if text.is_empty() || text == "*" {
        return (NodeName::Unnamed(None), false);
    }
    let block = text.strip_suffix(['*', '+', '?']).unwrap_or(text);
    let inside = |open, close| block.strip_prefix(open)?.strip_suffix(close).map(str::trim);
    let (label, is_logical) = match (inside('<', '>'), inside('[', ']')) {
        (Some(label), _) => (label, false),
        (_, Some(label)) => (label, true),
        _ => return (NodeName::Named(text.to_owned()), false),
    };
    if label.is_empty() || label == "*" {
        return (NodeName::Unnamed(None), false);
    }
    (NodeName::Unnamed(Some(label.to_owned())), is_logical)
}
