//! The Device Description Framework (TS 6.3, 14): the names of a management object's nodes, what they may hold, and
//! what they allow.

use std::fmt;

mod error;
mod parse;
mod salvage;
mod show;
mod strict;
mod write;

#[cfg(test)]
mod tests;

pub use error::{DdfError, DdfProblem};
pub(crate) use parse::{MAX_BYTES, parse_with_lines};
pub use parse::{parse, parse_forgiving};
pub use strict::{Finding, strict};

/// A parsed DDF document.
#[derive(Clone, Debug, PartialEq)]
pub struct Ddf {
    /// `VerDTD`: the version of the DTD.
    pub version: String,
    /// `Man`: the manufacturer.
    pub manufacturer: Option<String>,
    /// `Mod`: the model of the device.
    pub model: Option<String>,
    /// The root nodes, at least one.
    pub roots: Vec<Node>,
}

/// A described node and the nodes below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The name of the node.
    pub name: NodeName,
    /// Whether the name is a logical one, written `[NodeName]` (TS 6.3.2): it is un-named with that label.
    pub is_logical: bool,
    /// `Path`: where a root node hangs in a DM 1.x tree; without meaning in DM 2.0, kept for display.
    pub path: Option<String>,
    /// The node's framework properties.
    pub properties: Properties,
    /// The nodes below it.
    pub children: Vec<Node>,
}

/// A node's name in the description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeName {
    /// A fixed name.
    Named(String),
    /// A name assigned at run time (TS 6.3.2). Carries the label between `<` and `>` or `[` and `]`, if one is written.
    Unnamed(Option<String>),
}

/// The framework properties of a node (TS 14.1.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Properties {
    /// What a server may do with the node.
    pub access: AccessType,
    /// How often the node occurs.
    pub occurrence: Occurrence,
    /// The format of the node's value.
    pub format: Format,
    /// Whether the node can be deleted.
    pub scope: Scope,
    /// Whether the node's name and those below are told apart by case; unsaid: as those of the node above.
    pub case_sense: Option<CaseSense>,
    /// The value of the leaf until one is set.
    pub default_value: Option<String>,
    /// The MIME types of a leaf's value.
    pub mime: Vec<String>,
    /// `DDFName`: the management object that an interior node is the root of.
    pub ddf_name: Option<String>,
    /// The node's name for people.
    pub title: Option<String>,
    /// What the node is, for people.
    pub description: Option<String>,
}

/// `AccessType`: the set of commands that a server may use on a node.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct AccessType(u8);

impl AccessType {
    /// `Add`: creating the node.
    pub const ADD: Self = Self(1);
    /// `Copy`: copying the node.
    pub const COPY: Self = Self(2);
    /// `Delete`: deleting the node.
    pub const DELETE: Self = Self(4);
    /// `Exec`: executing the node.
    pub const EXEC: Self = Self(8);
    /// `Get`: reading the node.
    pub const GET: Self = Self(16);
    /// `Replace`: writing the node.
    pub const REPLACE: Self = Self(32);
    /// All access types, each with its element's name, in alphabetical order.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::ADD, "Add"),
        (Self::COPY, "Copy"),
        (Self::DELETE, "Delete"),
        (Self::EXEC, "Exec"),
        (Self::GET, "Get"),
        (Self::REPLACE, "Replace"),
    ];

    /// Whether all of `other` is in the set.
    #[must_use]
    pub const fn allows(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The union of both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set is empty: nothing is allowed.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for AccessType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::ALL.iter().filter(|(access, _)| self.allows(*access)).map(|(_, name)| name);
        f.debug_set().entries(names).finish()
    }
}

/// `Occurrence`: how often a node occurs (TS 6.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the DDF's own words")]
pub enum Occurrence {
    #[default]
    One,
    ZeroOrOne,
    ZeroOrMore,
    OneOrMore,
    ZeroOrN(u32),
    OneOrN(u32),
}

impl Occurrence {
    const WORDS: &[(&str, Self)] = &[
        ("One", Self::One),
        ("ZeroOrOne", Self::ZeroOrOne),
        ("ZeroOrMore", Self::ZeroOrMore),
        ("OneOrMore", Self::OneOrMore),
        ("ZeroOrN", Self::ZeroOrN(0)),
        ("OneOrN", Self::OneOrN(0)),
    ];

    /// The name of the DDF's element for this occurrence.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::One => "One",
            Self::ZeroOrOne => "ZeroOrOne",
            Self::ZeroOrMore => "ZeroOrMore",
            Self::OneOrMore => "OneOrMore",
            Self::ZeroOrN(_) => "ZeroOrN",
            Self::OneOrN(_) => "OneOrN",
        }
    }

    /// Whether there must be at least one such node.
    #[must_use]
    pub const fn is_required(self) -> bool {
        matches!(self, Self::One | Self::OneOrMore | Self::OneOrN(_))
    }
}

/// `DFFormat`, the format of a node's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the DDF's own words")]
pub enum Format {
    B64,
    Bin,
    Bool,
    Chr,
    Int,
    Node,
    Null,
    Xml,
    Date,
    Time,
    Float,
}

impl Format {
    const WORDS: &[(&str, Self)] = &[
        ("b64", Self::B64),
        ("bin", Self::Bin),
        ("bool", Self::Bool),
        ("chr", Self::Chr),
        ("int", Self::Int),
        ("node", Self::Node),
        ("null", Self::Null),
        ("xml", Self::Xml),
        ("date", Self::Date),
        ("time", Self::Time),
        ("float", Self::Float),
    ];
    const EXPECTED: &str = "b64, bin, bool, chr, int, node, null, xml, date, time or float";

    /// The format that an element of this name stands for, in any case.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, format)| *format)
    }

    /// The name of the DDF's element for this format.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::B64 => "b64",
            Self::Bin => "bin",
            Self::Bool => "bool",
            Self::Chr => "chr",
            Self::Int => "int",
            Self::Node => "node",
            Self::Null => "null",
            Self::Xml => "xml",
            Self::Date => "date",
            Self::Time => "time",
            Self::Float => "float",
        }
    }
}

/// `Scope`: whether a node can be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Deletable, where the access type says so.
    #[default]
    Dynamic,
    /// Always there: DELETE is not allowed.
    Permanent,
}

impl Scope {
    const WORDS: &[(&str, Self)] = &[("Permanent", Self::Permanent), ("Dynamic", Self::Dynamic)];
}

/// `CaseSense`: whether names are told apart by case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaseSense {
    /// `CS`: names are told apart by case.
    #[default]
    Sensitive,
    /// `CIS`: names are not told apart by case.
    Insensitive,
}

impl CaseSense {
    const WORDS: &[(&str, Self)] = &[("CS", Self::Sensitive), ("CIS", Self::Insensitive)];

    fn word(self) -> &'static str {
        if self == Self::Insensitive { "CIS" } else { "CS" }
    }
}
