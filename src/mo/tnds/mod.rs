//! `application/vnd.syncml.dmtnds+xml`: management objects as DM 1.x exchanges them (TS 15), Tree and Description
//! Serialization.
//!
//! A `MgmtTree` of nested `Node`s, each with its `NodeName`, `RTProperties` (`Format`, `Type`) and `Value`. A `Node`
//! may also stand alone and say in its `Path` which other it continues.
//!
//! What is written hangs in the ClientURI of its instance: `Path` is `MOID/MIID`, and the names below the root, of what
//! the first `Node` is in. The root of an instance has the MOID as its `DDFName`.

mod read;
mod write;

#[cfg(test)]
mod tests;

pub use read::{Branch, parse};
pub use write::write;

use crate::mo::value::{ValueError, excerpt};
use crate::xml::{XmlError, XmlProblem};

/// Why a document can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TndsError {
    /// The document isn't XML that can be read.
    #[error("{0}")]
    Xml(#[from] XmlError),
    /// The document has no `MgmtTree`, or no `Node` in it.
    #[error("no <{0}> in it")]
    Missing(&'static str),
    /// A `Node` has no name.
    #[error("a <Node> of {0:?} has no <NodeName>")]
    Nameless(String),
    /// A name is longer than this many bytes.
    #[error("a <NodeName> has more than {0} bytes")]
    LongName(usize),
    /// More nodes than this hang nowhere in the document.
    #[error("more than {0} roots")]
    TooManyRoots(usize),
    /// The document has more nodes than any device.
    #[error("more than {0} nodes")]
    TooManyNodes(usize),
    /// The nodes are nested too deeply.
    #[error("nodes are nested deeper than {0} levels")]
    TooDeep(usize),
    /// A node has a `Format` that there is not.
    #[error("{node}: format {} is unknown", excerpt(.format))]
    Format {
        /// The node.
        node: String,
        /// The format as written.
        format: String,
    },
    /// A value isn't of its format. It may be a secret: which node has it is enough.
    #[error("{node}: expected {}", .source.expected)]
    Value {
        /// The node.
        node: String,
        /// Why it is not.
        source: ValueError,
    },
    /// A node has a value as well as nodes below it.
    #[error("{0} has both a value and nodes")]
    Both(String),
    /// A name is there twice below a node.
    #[error("{0} is there twice")]
    Twice(String),
    /// The JSON to be written isn't a serialised management object of this device.
    #[error("not a serialised management object")]
    NotSerialised,
    /// The document gets larger than this many bytes.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
}

impl TndsError {
    /// Whether the error is that there are more nodes than are read.
    #[must_use]
    pub fn is_of_size(&self) -> bool {
        matches!(
            self,
            Self::TooManyNodes(_) | Self::Xml(XmlError { problem: XmlProblem::TooManyNodes(_), .. })
        )
    }
}
