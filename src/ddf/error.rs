//! Why a DDF can't be read.

/// What is wrong with a DDF document, and on which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DdfError {
    /// The document is larger than any description needs to be.
    #[error("the DDF is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The bytes aren't text in the encoding that the document claims.
    #[error("line {line}: not {encoding} text")]
    Encoding {
        /// Where the first wrong byte is.
        line: usize,
        /// The encoding it was read as.
        encoding: &'static str,
    },
    /// The document names an encoding that isn't read here.
    #[error("line 1: encoding {name:?} isn't supported: use UTF-8, UTF-16 or ISO-8859-1")]
    UnknownEncoding {
        /// As written.
        name: String,
    },
    /// Entities would grow out of all proportion, or one tag is absurdly long.
    #[error("line {line}: {what}")]
    Bomb {
        /// Where it starts.
        line: usize,
        /// What is out of proportion.
        what: &'static str,
    },
    /// Not well-formed XML.
    #[error("line {line}: not well-formed XML: {what}")]
    Xml {
        /// Where the XML parser stopped; 1 where it doesn't say.
        line: usize,
        /// What the XML parser says.
        what: String,
    },
    /// There is no `MgmtTree`.
    #[error("line {line}: <{found}> is no DDF: there is no <MgmtTree> in it")]
    NotDdf {
        /// Where the document's element starts.
        line: usize,
        /// The document's element.
        found: String,
    },
    /// An element lacks one that it must have.
    #[error("line {line}: <{parent}> has no <{element}>")]
    Missing {
        /// Where the element starts.
        line: usize,
        /// The element.
        parent: &'static str,
        /// What it lacks.
        element: &'static str,
    },
    /// An element holds what it can't.
    #[error("line {line}: <{element}> holds {found:?}: expected {expected}")]
    Invalid {
        /// Where the element starts.
        line: usize,
        /// The element.
        element: &'static str,
        /// What is in it.
        found: String,
        /// What may be in it.
        expected: &'static str,
    },
    /// Nodes are nested too deeply.
    #[error("line {line}: <Node> is nested deeper than {limit} levels")]
    TooDeep {
        /// Where the first node that is too deep starts.
        line: usize,
        /// The limit.
        limit: usize,
    },
}

impl DdfError {
    /// The line, from 1; none where the whole document is meant.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::TooLarge { .. } => None,
            Self::UnknownEncoding { .. } => Some(1),
            Self::Encoding { line, .. }
            | Self::Bomb { line, .. }
            | Self::Xml { line, .. }
            | Self::NotDdf { line, .. }
            | Self::Missing { line, .. }
            | Self::Invalid { line, .. }
            | Self::TooDeep { line, .. } => Some(*line),
        }
    }
}
