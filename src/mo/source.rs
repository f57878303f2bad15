//! Where a leaf's value comes from.

use std::fmt;

use super::pipeline::Pipeline;
use super::setting::Setting;
use super::template::Template;

/// One source of a value and what is done to it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it comes from.
    pub from: SourceKind,
    /// select → match → map → time → scale → format
    pub pipeline: Pipeline,
    /// Takes root. No helper reads it in this version: what the agent may not read is unavailable for that reason.
    pub privileged: bool,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub enum SourceKind {
    /// The value itself.
    Value(String),
    /// A file below the sysroot.
    File {
        /// Its path.
        path: Template,
        /// `key`: the one setting of it that is meant; none: all of it.
        setting: Option<Setting>,
    },
    /// A key of os-release(5).
    OsRelease(String),
    /// An application-specific id derived from machine-id(5) with this application's UUID.
    MachineId([u8; 16]),
    /// A property of a D-Bus object.
    Property {
        /// `object`
        object: String,
        /// `property`
        property: String,
    },
    /// What a D-Bus method answers.
    Method {
        /// `object`
        object: String,
        /// `method`
        method: String,
        /// `args`
        args: Vec<Template>,
    },
    /// A program's standard output.
    Run(Vec<Template>),
    /// A key of the listing that made the un-named node.
    Item(String),
    /// The store.
    Store,
    /// Something the agent itself knows.
    Builtin(String),
}

/// As an integrator would name it.
impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("value"),
            Self::File { path, setting: None } => path.fmt(f),
            Self::File { path, setting: Some(setting) } => write!(f, "{path}: {setting}"),
            Self::OsRelease(key) => write!(f, "os-release {key}"),
            Self::MachineId(_) => f.write_str("machine-id"),
            Self::Property { object, property } => write!(f, "{object} {property}"),
            Self::Method { object, method, .. } => write!(f, "{object} {method}()"),
            Self::Run(argv) => argv.first().map_or(Ok(()), |program| program.fmt(f)),
            Self::Item(key) => write!(f, "item {key}"),
            Self::Store => f.write_str("store"),
            Self::Builtin(name) => write!(f, "builtin {name}"),
        }
    }
}
