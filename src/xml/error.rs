//! Why a document can't be read, and where.

/// A place in a document, both from 1; a column is a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// Why a document can't be read, and where; nowhere if all of it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlError {
    /// The place; none: the whole document.
    pub at: Option<Position>,
    /// The problem there.
    pub problem: XmlProblem,
}

/// Why a document can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlProblem {
    /// The document is larger than this many bytes.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// The bytes aren't text in the encoding that the document claims.
    #[error("not {0} text")]
    NotText(&'static str),
    /// The document names an encoding that can't be told apart from the rest of its text.
    #[error("encoding {0:?} isn't supported: use UTF-8 or UTF-16")]
    UnknownEncoding(String),
    /// The document has more XML nodes than this.
    #[error("more than {0} XML nodes")]
    TooManyNodes(u32),
    /// Something in the document costs out of all proportion.
    #[error("{0}")]
    Bomb(&'static str),
    /// The document is not well-formed.
    #[error("not well-formed XML: {0}")]
    Malformed(String),
    /// An element is never closed: the place is that of its start tag.
    #[error("not well-formed XML: <{name}> is not closed: {instead}")]
    Unclosed {
        /// The name of the element.
        name: String,
        /// What comes instead of its end tag.
        instead: String,
    },
}
