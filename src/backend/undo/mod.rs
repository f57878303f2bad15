//! Undoing an effect, in this life of the agent or in the next.

use std::fmt;
use std::path::Path;

use crate::backend::context::Machine;
use crate::backend::error::BackendError;

mod bytes;
mod file;
mod helper;
mod property;
mod undone;

#[cfg(test)]
pub(crate) use file::Before;
pub(crate) use file::OfFile;
pub(crate) use helper::OfHelper;
pub(crate) use property::OfProperty;
pub use undone::Undone;

/// The undo of an effect: what takes it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// A file is made what it was.
    File(OfFile),
    /// A D-Bus property is made what it was.
    Property(OfProperty),
    /// The privileged helper makes of it what it was.
    Helper(OfHelper),
}

impl Undo {
    /// Takes back what this agent has just done: makes it what it was, unless somebody has changed it since.
    ///
    /// # Errors
    /// [`BackendError`]
    pub async fn undo(self, machine: &Machine) -> Result<Undone, BackendError> {
        match self {
            Self::File(file) => file.undo().await,
            Self::Property(property) => property.undo(&machine.bus).await,
            Self::Helper(undo) => undo.undo(machine).await,
        }
    }

    /// Notes that the effect has just happened: what is there now is its work, whatever was written. A service may show
    /// a value otherwise than it takes it.
    pub async fn note(&mut self, machine: &Machine) {
        if let Self::Property(property) = self {
            property.note(&machine.bus).await;
        }
    }

    /// Rolls back what an agent that died left behind: makes it what it was, unless it is neither that nor what the
    /// effect made of it.
    ///
    /// # Errors
    /// [`BackendError`]
    pub async fn roll_back(self, machine: &Machine) -> Result<Undone, BackendError> {
        match self {
            Self::File(file) => file.roll_back().await,
            Self::Property(property) => property.roll_back(&machine.bus).await,
            Self::Helper(undo) => undo.undo(machine).await,
        }
    }

    /// Whether both undos are about the same file or property, or about the same node of the helper's.
    #[must_use]
    pub fn is_of_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => one.path == other.path,
            (Self::Property(one), Self::Property(other)) => one.address == other.address,
            (Self::Helper(one), Self::Helper(other)) => one.is_of_same(other),
            _ => false,
        }
    }

    /// Whether what was there before is kept by the privileged helper.
    #[must_use]
    pub fn is_kept_elsewhere(&self) -> bool {
        matches!(self, Self::Helper(_))
    }

    /// The path of the file that the undo is about.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        if let Self::File(file) = self { Some(&file.path) } else { None }
    }

    /// The memory and storage that the undo takes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::File(file) => file.size(),
            Self::Property(property) => property.size(),
            Self::Helper(undo) => undo.size(),
        }
    }

    /// The form in which the undo waits on disk.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size());
        match self {
            Self::File(file) => {
                out.push(b'f');
                file.encode(&mut out);
            }
            Self::Property(property) => {
                out.push(b'p');
                property.encode(&mut out);
            }
            Self::Helper(undo) => {
                out.push(b'h');
                undo.encode(&mut out);
            }
        }
        out
    }

    /// Reads an undo that [`Undo::encode`] wrote; nothing if that is damaged.
    #[must_use]
    pub fn decode(record: &[u8]) -> Option<Self> {
        match record.split_first()? {
            (b'f', record) => OfFile::decode(record).map(Self::File),
            (b'p', record) => OfProperty::decode(record).map(Self::Property),
            (b'h', record) => OfHelper::decode(record).map(Self::Helper),
            _ => None,
        }
    }
}

/// Shown as the file or the property.
impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.path.display()),
            Self::Property(property) => write!(f, "{}", property.address),
            Self::Helper(undo) => undo.fmt(f),
        }
    }
}
