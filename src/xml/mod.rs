//! XML from outside: any encoding in the field, an odd prolog, a forgotten declaration; bounded, and nothing external
//! is ever fetched.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use roxmltree::{Document, Error as Refusal, Node, ParsingOptions};

use crate::base::is_unseen;

mod decode;
mod error;
mod prefixes;
mod prolog;
mod references;
mod unclosed;
mod write;

pub(crate) use error::{Position, XmlError, XmlProblem};
pub(crate) use write::{Writer, holds};

/// How often a document is parsed, at most: as it is, with its prefixes declared, with its references mended. Each
/// mends all that is to be mended of its kind, so that no document costs many times its length.
const MAX_TURNS: usize = 3;

/// How much of what is wrong with a document is forgiven, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tolerance {
    /// The tolerance for a document that was sent: forgives an XML declaration or document type that is odd or out of
    /// place, prefixes of namespaces that are not declared, entities whose declaration is elsewhere.
    Message,
    /// The tolerance for a vendor's file: forgives also entities that nobody declares, and signs that begin none.
    File,
    /// The tolerance for a document that is only shown: forgives also bytes that are no UTF-8.
    Display,
}

/// The lines of a document.
pub(crate) struct Lines<'a> {
    text: &'a str,
    /// The offsets at which lines start, found when first asked for: not every reader wants to know.
    starts: OnceCell<Vec<usize>>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, starts: OnceCell::new() }
    }

    fn starts(&self) -> &[usize] {
        let others = || self.text.match_indices('\n').map(|(at, _)| at + 1);
        self.starts.get_or_init(|| std::iter::once(0).chain(others()).collect())
    }

    /// The line in which an element starts, from 1. A document may be one long line: for each of its elements this, not
    /// [`Lines::position`].
    pub(crate) fn line(&self, element: Node<'_, '_>) -> usize {
        let offset = element.range().start;
        self.starts().partition_point(|&start| start <= offset)
    }

    /// The line and column at which an element starts.
    pub(crate) fn position(&self, element: Node<'_, '_>) -> Position {
        let (offset, line) = (element.range().start, self.line(element));
        let start = self.starts().get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }
}

/// The bounds of a document that is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DocumentLimits {
    /// The most bytes of a document.
    pub(crate) bytes: usize,
    /// The most XML nodes of a document, white space included.
    pub(crate) nodes: u32,
}

/// A document's text, well-formed or not.
pub(crate) fn decoded(bytes: &[u8], limits: DocumentLimits) -> Result<Cow<'_, str>, XmlError> {
    decode::decoded(bytes, limits.bytes, true)
}

/// Parses a document within `limits` and shows it to `read`.
///
/// References to entities that can't be known stay as they are written; undeclared prefixes are declared in an element
/// called `root`.
pub(crate) fn read<T>(
    bytes: &[u8],
    limits: DocumentLimits,
    root: &str,
    tolerance: Tolerance,
    read: impl FnOnce(&Document<'_>, &Lines<'_>) -> T,
) -> Result<T, XmlError> {
    let decoded = decode::text(bytes, limits.bytes, tolerance == Tolerance::Display)?;
    let (mut text, prolog) = prolog::cleaned(&decoded);
    drop(decoded);
    let as_written = prolog.is_external || tolerance >= Tolerance::File;
    let mut first_error = None;
    for _ in 0..MAX_TURNS {
        let options = ParsingOptions { allow_dtd: true, nodes_limit: limits.nodes, entity_resolver: None };
        let refusal = match Document::parse_with_options(&text, options) {
            Ok(document) => return Ok(read(&document, &Lines::of(&text))),
            Err(Refusal::NodesLimitReached) => {
                return Err(XmlError { at: None, problem: XmlProblem::TooManyNodes(limits.nodes) });
            }
            Err(refusal) => refusal,
        };
        let repaired = match &refusal {
            Refusal::UnknownNamespace(prefix, _) => prefixes::declared(&text, root, prefix),
            Refusal::UnknownEntityReference(..) if as_written => references::as_written(&text),
            Refusal::MalformedEntityReference(_) if tolerance >= Tolerance::File => {
                references::as_written(&text)
            }
            _ => None,
        };
        let error = first_error.get_or_insert_with(|| malformed(&refusal, &text));
        match repaired {
            Some(repaired) => text = repaired,
            None => return Err(error.clone()),
        }
    }
    let what = "it can't be mended".to_owned();
    Err(first_error.unwrap_or(XmlError { at: None, problem: XmlProblem::Malformed(what) }))
}

/// An element's own text, without the white space around it.
pub(crate) fn text(element: Node<'_, '_>) -> String {
    raw_text(element).trim().to_owned()
}

/// An element's own text, white space included.
pub(crate) fn raw_text(element: Node<'_, '_>) -> String {
    element.children().filter(Node::is_text).filter_map(|child| child.text()).collect()
}

fn malformed(refusal: &Refusal, text: &str) -> XmlError {
    let for_want_of_an_end = matches!(
        refusal,
        Refusal::UnexpectedCloseTag(..) | Refusal::UnexpectedEndOfStream | Refusal::UnclosedRootNode
    );
    if let Some(found) = for_want_of_an_end.then(|| unclosed::find(text)).flatten() {
        let position = |at| decode::position(text.as_bytes(), at);
        let instead = found.instead.map_or_else(
            || "the document ends".to_owned(),
            |(name, at)| format!("</{}> comes instead in line {}", excerpt(name), position(at).line),
        );
        let problem = XmlProblem::Unclosed { name: excerpt(found.name), instead };
        return XmlError { at: Some(position(found.at)), problem };
    }
    let pos = refusal.pos();
    let what = refusal.to_string().replace(&format!(" at {pos}"), "");
    let at = match refusal {
        Refusal::UnexpectedEndOfStream | Refusal::UnclosedRootNode | Refusal::NoRootNode => {
            decode::position(text.as_bytes(), text.len())
        }
        _ => Position {
            line: usize::try_from(pos.row).unwrap_or(1),
            column: usize::try_from(pos.col).unwrap_or(1),
        },
    };
    XmlError { at: Some(at), problem: XmlProblem::Malformed(what) }
}

/// A name from outside, no longer than a line can bear.
fn excerpt(name: &str) -> String {
    const MOST: usize = 60;
    name.chars().take(MOST).map(|c| if is_unseen(c) { ' ' } else { c }).collect()
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "line {}: {}", at.line, self.problem),
            None => write!(f, "{}", self.problem),
        }
    }
}

impl std::error::Error for XmlError {}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DocumentLimits = DocumentLimits { bytes: 1 << 20, nodes: 1000 };

    #[test]
    fn a_document_with_everything_to_be_mended_is_read_in_a_few_turns() {
        let names =
            |prefixes: usize| (0..prefixes).map(|number| format!("<v{number}:a>&nbsp;</v{number}:a>"));
        let document = |prefixes| format!("<r>{}</r>", names(prefixes).collect::<String>());
        let count = |prefixes: usize| {
            read(document(prefixes).as_bytes(), LIMITS, "r", Tolerance::File, |document, _| {
                document.root_element().children().filter(|child| text(*child) == "&nbsp;").count()
            })
        };
        assert_eq!(count(16), Ok(16));
        let error = count(17).unwrap_err();
        assert!(
            error.to_string().starts_with("line 1: not well-formed XML: an unknown namespace"),
            "{error}"
        );
    }
}
