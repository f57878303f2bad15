//! Sources: where a leaf's value comes from.

use std::fmt;

use super::fill::Variables;
use super::key::Key;
use super::pipeline::Pipeline;
use super::template::Template;

/// A source of a value, with the pipeline that the value goes through.
#[derive(Clone, Debug)]
pub struct Source {
    /// The kind of source, and where it is.
    pub from: SourceKind,
    /// The pipeline: select → match → map → time → scale → format.
    pub pipeline: Pipeline,
    /// Whether reading takes root: the privileged helper does it.
    pub privileged: bool,
    /// What tells that a program would say something else now, of which this may be an item; nothing: it is asked again
    /// now and then.
    pub watch: Vec<WatchEntry>,
}

/// The kind of a source: where a value comes from.
#[derive(Clone, Debug)]
pub enum SourceKind {
    /// The value itself, written in the mapping.
    Value(String),
    /// A file below the sysroot.
    File {
        /// The path of the file.
        path: Template,
        /// `key`: the one setting of it that is meant; none: all of it.
        setting: Option<Key>,
    },
    /// A key of os-release(5).
    OsRelease(String),
    /// An application-specific id, derived from machine-id(5) with this application's UUID.
    MachineId([u8; 16]),
    /// A property of a D-Bus object.
    Property {
        /// `object`: the D-Bus object.
        object: String,
        /// `property`: its property.
        property: String,
    },
    /// The answer of a D-Bus method.
    Method {
        /// `object`: the D-Bus object.
        object: String,
        /// `method`: its method.
        method: String,
        /// `args`: the arguments of the call.
        args: Vec<Template>,
    },
    /// The standard output of a program.
    Run(Vec<Template>),
    /// A key of the listing that made the un-named node.
    Item(String),
    /// The store itself.
    Store,
    /// A builtin: something the agent itself knows.
    Builtin(String),
}

impl SourceKind {
    /// The source as an integrator would name it, with the braces filled in that are at hand.
    #[must_use]
    pub fn named(&self, variables: &Variables<'_>) -> String {
        match self {
            Self::File { path, setting } => {
                let setting = setting.as_ref().map(|key| key.fill_partly(variables));
                Self::File { path: path.fill_partly(variables), setting }.to_string()
            }
            other => other.to_string(),
        }
    }
}

/// Shown as an integrator would name it.
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

/// An entry of `watch`: something that tells that a program may have another answer now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEntry {
    /// A file; it need not be there.
    File(String),
    /// A folder with all files in it; it need not be there.
    Folder(String),
    /// Neighbours in the network, as the kernel knows them.
    Neighbours,
    /// Devices of the machine that come and go, as the kernel tells.
    Devices,
    /// A D-Bus object, by its name in the mapping: its properties' signals tell.
    Object(String),
}
