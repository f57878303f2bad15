//! ClientURI: the address of nodes in this device (TS 6.1).
//!
//! `MOID "/" mo-inst path ["?" query]`. The parser takes the whole syntax and checks what can be checked
//! without a tree: letters, levels, escapes. What the address means is the tree's to say (TS 6.1.2).
//!
//! Names are held decoded, so that a name may well contain `/`, or be `..`, `*` or `(x)`:
//! whoever builds a file name of one must look first.

mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

use percent_encoding::{AsciiSet, utf8_percent_encode};

use super::{Moid, NOT_UNRESERVED};

/// The longest ClientURI that is read, in bytes.
pub const MAX_LENGTH: usize = 4096;
/// The most names in a path, and in the path of an `nv` field.
pub const MAX_DEPTH: usize = 64;

/// The characters that are encoded in a MOID or MIID: all but unreserved characters and [`is_bare_in_instance`]'s.
const IN_INSTANCE: &AsciiSet = &NOT_UNRESERVED
    .remove(b':')
    .remove(b'@')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=');

/// The characters that are encoded in the value of a query's field: only those that end it. What can stand there bare
/// stays so, or a URI that was short enough to be read would be too long once written.
const IN_FIELD: &AsciiSet = &NOT_UNRESERVED
    .remove(b'!')
    .remove(b'$')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/')
    .remove(b'?');

/// Whether MOIDs and MIIDs may hold a byte bare beside unreserved ones: a MOID is a URN, a MIID may be a server id.
const fn is_bare_in_instance(byte: u8) -> bool {
    matches!(byte, b':' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'+' | b',' | b';' | b'=')
}

/// A parsed ClientURI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientUri {
    /// The MOID, decoded.
    pub moid: Moid,
    /// The instances that are meant, of those that the MOID has (TS 6.1.1.1).
    pub instance: Selector,
    /// The path from the instance's root; empty: the root itself (TS 6.1.1.2).
    pub path: Vec<Segment>,
    /// `lv`: how many levels below the addressed node are wanted, at least 1; none: all.
    pub level: Option<u32>,
    /// `nv`: the values that determine the letters, in the order given.
    pub node_values: Vec<NodeValue>,
    /// `cv`: the cache validator that the server holds, decoded.
    pub cache_validator: Option<String>,
}

/// The mo-inst component of a ClientURI: which instances it means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// A MIID, decoded; never empty.
    Name(String),
    /// `(x)`: the one instance that satisfies the letter's `nv` fields.
    Letter(char),
    /// An empty component: the only instance there is.
    Only,
    /// `*`: every instance.
    Any,
}

/// One step of a ClientURI's path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// A node's name, decoded; never empty.
    Name(String),
    /// `(x)`: the one un-named node that satisfies the letter's `nv` fields.
    Letter(char),
    /// `*`: every un-named node here.
    Any,
}

/// An `nv` field: the leaf at `path` below the letter's node must have this value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeValue {
    /// The letter that the field helps to resolve.
    pub letter: char,
    /// Names from the letter's node down to the leaf, decoded; empty: the node is the leaf.
    pub path: Vec<String>,
    /// The value that the leaf must have, decoded.
    pub value: String,
}

/// The fields of a query that mean something where a ClientURI stands (TS 6.1.1.3): the others are ignored, whatever
/// they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Whether `lv` is read.
    pub level: bool,
    /// Whether `cv` is read.
    pub validator: bool,
}

impl Fields {
    /// The fields of a ClientURI that is read from: GET, HPUT, HPOST.
    pub const READ: Self = Self { level: true, validator: true };
    /// The fields of a ClientURI that is subscribed to. What the server holds already plays no part.
    pub const SUBSCRIBE: Self = Self { level: true, validator: false };
    /// The fields of a ClientURI that is written, deleted or executed.
    pub const TARGET: Self = Self { level: false, validator: false };
}

/// Why a text is no ClientURI. All of them mean status 400. None quotes a value of the query: that may be a secret, and
/// errors reach the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientUriError {
    /// The text has more than [`MAX_LENGTH`] bytes.
    #[error("ClientURI is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// A path has more than [`MAX_DEPTH`] names.
    #[error("ClientURI has a path deeper than {MAX_DEPTH}")]
    TooDeep,
    /// A character that ClientURIs never hold unencoded; `#` is one.
    #[error("ClientURI has {character:?} at byte {at}, which must be percent-encoded")]
    Character {
        /// The character.
        character: char,
        /// The offset of the character, in bytes.
        at: usize,
    },
    /// A character in the query that ClientURIs never hold unencoded.
    #[error("ClientURI has a character at byte {at}, in its query, that must be percent-encoded")]
    QueryCharacter {
        /// The offset of the character, in bytes.
        at: usize,
    },
    /// A `%` without two hexadecimal digits.
    #[error("ClientURI has a broken escape at byte {at}")]
    Escape {
        /// Offset of the `%`, in bytes.
        at: usize,
    },
    /// Percent escapes that decode to a control character or to what is no UTF-8.
    #[error("{0:?} does not decode to printable UTF-8")]
    Undecodable(String),
    /// Undecodable percent escapes in the value of an `nv` or `cv` field.
    #[error("a value of nv or cv does not decode to printable UTF-8")]
    UndecodableValue,
    /// No MOID: nothing stands before the first `/`.
    #[error("ClientURI has no MOID")]
    NoMoid,
    /// No mo-inst: no `/` stands after the MOID.
    #[error("ClientURI has no mo-inst: at least \"//\" must follow the MOID")]
    NoInstance,
    /// No path: no `/` stands after mo-inst.
    #[error("ClientURI has no path: the root of an instance is \"/\"")]
    NoPath,
    /// An empty name: two `/` in a row, or one at the end.
    #[error("ClientURI has an empty node name")]
    EmptyName,
    /// Parentheses around anything but one ASCII letter.
    #[error("{0:?} is no x-name: one letter in parentheses")]
    XName(String),
    /// A character that names hold only percent-encoded.
    #[error("the name {name:?} has {character:?}, which must be percent-encoded")]
    NameCharacter {
        /// The character.
        character: char,
        /// The name as it is written.
        name: String,
    },
    /// A `*` within a name.
    #[error("{0:?} mixes the wildcard with a name")]
    Wildcard(String),
    /// A letter used for two components.
    #[error("x-name ({0}) stands for two components")]
    LetterTwice(char),
    /// An x-name without an `nv` field.
    #[error("x-name ({0}) has no nv field")]
    LetterUnresolved(char),
    /// An `nv` field for no x-name.
    #[error("nv names ({0}), which is not in the path")]
    LetterUnknown(char),
    /// The field `lv` or `cv` is given twice.
    #[error("{0} is given twice")]
    FieldTwice(&'static str),
    /// The field `lv` isn't a positive integer.
    #[error("lv={0} is not a positive integer")]
    Level(String),
    /// The field `cv` has no value.
    #[error("cv has no value")]
    CacheValidator,
    /// The field `nv` isn't `(x)/path:value`.
    #[error("nv is not (letter)/path:value")]
    NodeValue,
}

impl ClientUri {
    /// The address of an instance's root.
    #[must_use]
    pub fn root(moid: &Moid, miid: &str) -> Self {
        Self {
            moid: moid.clone(),
            instance: Selector::Name(miid.to_owned()),
            path: Vec::new(),
            level: None,
            node_values: Vec::new(),
            cache_validator: None,
        }
    }

    /// The address alone, without the query: the values that it compares with may be secrets, and are nothing for the
    /// journal.
    #[must_use]
    pub fn address(&self) -> String {
        // Each command writes it, so it goes into one text without formatting.
        let mut address = String::with_capacity(2 * self.moid.as_str().len());
        address.extend(utf8_percent_encode(self.moid.as_str(), IN_INSTANCE));
        address.push('/');
        self.instance.put(&mut address);
        if self.path.is_empty() {
            address.push('/');
        }
        for segment in &self.path {
            address.push('/');
            segment.put(&mut address);
        }
        address
    }

    /// Whether the ClientURI may address several nodes, so that its data is an array (TS 6.1.2).
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        self.instance == Selector::Any || self.path.contains(&Segment::Any)
    }
}

impl fmt::Display for ClientUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address())?;
        let mut separator = '?';
        if let Some(level) = self.level {
            write!(f, "{separator}lv={level}")?;
            separator = '&';
        }
        for node_value in &self.node_values {
            write!(f, "{separator}nv={node_value}")?;
            separator = '&';
        }
        if let Some(validator) = &self.cache_validator {
            write!(f, "{separator}cv={}", utf8_percent_encode(validator, IN_FIELD))?;
        }
        Ok(())
    }
}

impl Selector {
    fn put(&self, address: &mut String) {
        match self {
            Self::Name(miid) => address.extend(utf8_percent_encode(miid, IN_INSTANCE)),
            Self::Letter(letter) => address.extend(['(', *letter, ')']),
            Self::Only => {}
            Self::Any => address.push('*'),
        }
    }
}

impl Segment {
    fn put(&self, address: &mut String) {
        match self {
            Self::Name(name) => address.extend(utf8_percent_encode(name, NOT_UNRESERVED)),
            Self::Letter(letter) => address.extend(['(', *letter, ')']),
            Self::Any => address.push('*'),
        }
    }
}

/// Written as in the query, without `nv=`.
impl fmt::Display for NodeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({})", self.letter)?;
        for name in &self.path {
            write!(f, "/{}", utf8_percent_encode(name, NOT_UNRESERVED))?;
        }
        write!(f, ":{}", utf8_percent_encode(&self.value, IN_FIELD))
    }
}
