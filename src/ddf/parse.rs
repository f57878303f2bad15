//! Reading a DDF as it is found in the field.
//!
//! Strict about what the framework's own elements hold, indifferent to everything else: elements of
//! another namespace than `MgmtTree`'s and unknown elements are skipped.

use roxmltree::{Document, Error as XmlError, Node as Element, ParsingOptions};

use super::decode;
use super::{AccessType, CaseSense, Ddf, DdfError, Format, Node, NodeName, Occurrence, Properties, Scope};

/// No DM tree is that deep.
const MAX_DEPTH: usize = 64;
/// XML nodes, whitespace included; a 3 MB description has 150,000.
const MAX_XML_NODES: u32 = 1_000_000;
/// MIME types of one leaf; more are left out.
const MAX_MIME: usize = 64;
/// Prefixes that may lack a declaration, and a document type to be left out.
const MAX_REPAIRS: usize = 16;

/// Parses a DDF (TS 6.3.2, 14.1).
///
/// Entities are expanded within narrow bounds, and nothing external is ever fetched.
///
/// # Errors
/// The first thing that is wrong, with its line and element.
pub fn parse(bytes: &[u8]) -> Result<Ddf, DdfError> {
    parse_with_lines(bytes).map(|(ddf, _)| ddf)
}

/// Like [`parse`]; also the line of every node, in document order (a node stands before its children).
pub(crate) fn parse_with_lines(bytes: &[u8]) -> Result<(Ddf, Vec<usize>), DdfError> {
    let decoded = decode::text(bytes)?;
    let mut text = decoded.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace()).to_owned();
    let skipped = decode::line_at(decoded.as_bytes(), decoded.len() - text.len()) - 1;
    drop(decoded);
    let mut first_error = None;
    for _ in 0..MAX_REPAIRS {
        let options = ParsingOptions { allow_dtd: true, nodes_limit: MAX_XML_NODES, entity_resolver: None };
        let error = match Document::parse_with_options(&text, options) {
            Ok(document) => return Parser::new(&document, skipped).tree(),
            Err(error) => error,
        };
        let repaired = match &error {
            XmlError::UnknownNamespace(prefix, _) => declare(&text, prefix),
            XmlError::NodesLimitReached => None,
            _ => decode::without_doctype(&text),
        };
        let error = first_error.get_or_insert(not_xml(&error, skipped));
        match repaired {
            Some(repaired) => text = repaired,
            None => return Err(error.clone()),
        }
    }
    let what = "too many undeclared namespace prefixes".to_owned();
    Err(first_error.unwrap_or(DdfError::Xml { line: skipped + 1, what }))
}

fn not_xml(error: &XmlError, skipped: usize) -> DdfError {
    let line = usize::try_from(error.pos().row).unwrap_or(1).max(1);
    DdfError::Xml { line: skipped + line, what: error.to_string() }
}

/// Declares a vendor's prefix that the vendor forgot, in the `MgmtTree` tag.
fn declare(text: &str, prefix: &str) -> Option<String> {
    let after_name = text.match_indices("MgmtTree").find_map(|(at, name)| {
        let before = text.get(..at)?;
        let open = before.rfind('<')?;
        let between = before.get(open + 1..)?;
        let is_tag = between.is_empty()
            || between.strip_suffix(':').is_some_and(|p| p.chars().all(|c| c.is_alphanumeric() || c == '-'));
        is_tag.then_some(at + name.len())
    })?;
    let (start, rest) = text.split_at_checked(after_name)?;
    Some(format!("{start} xmlns:{prefix}=\"urn:x-omadm:undeclared:{prefix}\"{rest}"))
}

struct Parser<'a> {
    root: Element<'a, 'a>,
    /// Byte offsets of line starts.
    line_starts: Vec<usize>,
    /// Lines before the text that the XML parser was given.
    skipped: usize,
    /// The namespace of the framework's elements: `MgmtTree`'s own.
    namespace: Option<&'a str>,
    /// Lines of the nodes read so far.
    node_lines: Vec<usize>,
}

impl<'a> Parser<'a> {
    fn new(document: &'a Document<'a>, skipped: usize) -> Self {
        let starts = document.input_text().match_indices('\n').map(|(at, _)| at + 1);
        Self {
            root: document.root_element(),
            line_starts: std::iter::once(0).chain(starts).collect(),
            skipped,
            namespace: None,
            node_lines: Vec::new(),
        }
    }

    fn tree(mut self) -> Result<(Ddf, Vec<usize>), DdfError> {
        let Some(tree) = self.root.descendants().find(|element| element.tag_name().name() == "MgmtTree")
        else {
            let found = self.root.tag_name().name().to_owned();
            return Err(DdfError::NotDdf { line: self.line(self.root), found });
        };
        self.namespace = tree.tag_name().namespace();
        let (mut version, mut manufacturer, mut model) = (None, None, None);
        let mut roots = Vec::new();
        for child in self.own_children(tree) {
            match child.tag_name().name() {
                "VerDTD" => keep(&mut version, child),
                "Man" => keep(&mut manufacturer, child),
                "Mod" => keep(&mut model, child),
                "Node" => roots.push(self.node(child, 1)?),
                _ => {}
            }
        }
        if roots.is_empty() {
            return Err(DdfError::Missing { line: self.line(tree), parent: "MgmtTree", element: "Node" });
        }
        Ok((Ddf { version: version.unwrap_or_default(), manufacturer, model, roots }, self.node_lines))
    }

    fn node(&mut self, element: Element<'a, 'a>, depth: usize) -> Result<Node, DdfError> {
        let line = self.line(element);
        if depth > MAX_DEPTH {
            return Err(DdfError::TooDeep { line, limit: MAX_DEPTH });
        }
        self.node_lines.push(line);
        let (mut name, mut path) = (None, None);
        let mut found = Found::default();
        let mut children = Vec::new();
        for child in self.own_children(element) {
            match child.tag_name().name() {
                "NodeName" if name.is_none() => name = Some(node_name(&text(child))),
                "Path" => keep(&mut path, child),
                "DFProperties" => self.properties(child, &mut found)?,
                "Node" => children.push(self.node(child, depth + 1)?),
                _ => {}
            }
        }
        let name = name.ok_or(DdfError::Missing { line, parent: "Node", element: "NodeName" })?;
        let properties = found.finish(!children.is_empty());
        Ok(Node { name, path, properties, children })
    }

    /// Reads one `DFProperties`; where there are several, what the first says stands.
    fn properties(&self, element: Element<'a, 'a>, found: &mut Found) -> Result<(), DdfError> {
        for child in self.own_children(element) {
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
        }
        Ok(())
    }

    fn access(&self, element: Element<'a, 'a>) -> AccessType {
        let named = |child: Element<'_, '_>| {
            AccessType::ALL.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(child.tag_name().name()))
        };
        self.own_children(element)
            .filter_map(named)
            .fold(AccessType::default(), |all, (access, _)| all.and(access))
    }

    fn df_type(&self, element: Element<'a, 'a>, found: &mut Found) {
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

    fn occurrence(&self, element: Element<'a, 'a>) -> Result<Option<Occurrence>, DdfError> {
        const EXPECTED: &str = "One, ZeroOrOne, ZeroOrMore, OneOrMore, ZeroOrN or OneOrN";
        let word = self.word(element, "Occurrence", Occurrence::WORDS, EXPECTED)?;
        let number = self.own_children(element).next().map(text).unwrap_or_default();
        let invalid = |element| DdfError::Invalid {
            line: self.line(element),
            element: "Occurrence",
            found: number.clone(),
            expected: "a whole number",
        };
        Ok(match word {
            // Left open: as good as no bound.
            Some(Occurrence::ZeroOrN(_)) if is_open(&number) => Some(Occurrence::ZeroOrMore),
            Some(Occurrence::OneOrN(_)) if is_open(&number) => Some(Occurrence::OneOrMore),
            Some(Occurrence::ZeroOrN(_)) => {
                Some(Occurrence::ZeroOrN(number.parse().map_err(|_| invalid(element))?))
            }
            Some(Occurrence::OneOrN(_)) => {
                Some(Occurrence::OneOrN(number.parse().map_err(|_| invalid(element))?))
            }
            other => other,
        })
    }

    /// The value of an element that holds one of a few empty elements (or, wrongly, their name as text).
    fn word<T: Copy>(
        &self,
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
        Err(DdfError::Invalid { line: self.line(element), element: name, found, expected })
    }

    /// Child elements of the framework's namespace.
    fn own_children(&self, element: Element<'a, 'a>) -> impl Iterator<Item = Element<'a, 'a>> + use<'a> {
        let namespace = self.namespace;
        element
            .children()
            .filter(move |child| child.is_element() && child.tag_name().namespace() == namespace)
    }

    fn line(&self, element: Element<'a, 'a>) -> usize {
        let start = element.range().start;
        self.skipped + self.line_starts.partition_point(|&line| line <= start)
    }
}

/// What `DFProperties` said so far.
#[derive(Default)]
struct Found {
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
    /// There was a `DDFName`, if an empty one: the node is interior.
    interior: bool,
}

impl Found {
    fn finish(self, has_children: bool) -> Properties {
        let guess = if has_children || self.interior { Format::Node } else { Format::Chr };
        Properties {
            access: self.access.unwrap_or_default(),
            occurrence: self.occurrence.unwrap_or_default(),
            format: self.format.unwrap_or(guess),
            scope: self.scope.unwrap_or_default(),
            case_sense: self.case_sense.unwrap_or_default(),
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

/// An element's own text, without the white space around it.
fn text(element: Element<'_, '_>) -> String {
    let all: String = element.children().filter(Element::is_text).filter_map(|child| child.text()).collect();
    all.trim().to_owned()
}

fn is_open(number: &str) -> bool {
    number.is_empty() || number.eq_ignore_ascii_case("n")
}

/// Un-named are: nothing, `*`, `<x>` and `[Name]`, these two also with the sign of their occurrence.
fn node_name(text: &str) -> NodeName {
    if text.is_empty() || text == "*" {
        return NodeName::Unnamed(None);
    }
    let block = text.strip_suffix(['*', '+', '?']).unwrap_or(text);
    let label = [('<', '>'), ('[', ']')]
        .into_iter()
        .find_map(|(open, close)| block.strip_prefix(open)?.strip_suffix(close))
        .map(str::trim);
    match label {
        Some("" | "*") => NodeName::Unnamed(None),
        Some(label) => NodeName::Unnamed(Some(label.to_owned())),
        None => NodeName::Named(text.to_owned()),
    }
}
