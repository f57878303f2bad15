//! Secrets, and the files and systemd credentials they come from. No message ever shows what is in one.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use crate::base::Secret;
use crate::base::regular::{self, ReadError};
use crate::spanned::Problems;
use crate::spanned::{FilePath, FromItem};
use crate::spanned::{Item, Located};

/// The largest secret, in bytes.
const MAX_SECRET: u64 = 64 << 10;

/// The largest certificate file in bytes: the system's own bundle has a quarter of it.
pub(super) const MAX_CERTIFICATES: u64 = 1 << 20;

/// The value of a `…-file` key: a path, or `credential:NAME` for a systemd credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileRef {
    /// The path of a file.
    Path(PathBuf),
    /// The name of a credential that systemd passes to the service (`LoadCredential=`).
    Credential(String),
}

impl fmt::Display for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Credential(name) => write!(f, "credential:{name}"),
        }
    }
}

impl FromItem for FileRef {
    const EXPECTED: &'static str = "a path or \"credential:NAME\"";

    fn from_item(item: &Item) -> Option<Self> {
        let path = PathBuf::from_item(item)?;
        let Some(name) = path.to_str().and_then(|text| text.strip_prefix("credential:")) else {
            return Some(Self::Path(path));
        };
        // The rules of systemd.exec(5): a name is a file's, without a path.
        let usable = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
        usable.then(|| Self::Credential(name.to_owned()))
    }

    fn read(at: &Located, key: &str, problems: &mut Problems) -> Option<Self> {
        let Some(found) = Self::from_item(&at.item) else {
            problems.at(at, key, format!("expected {}, found {}", Self::EXPECTED, at.item.shown()));
            return None;
        };
        match found {
            Self::Path(_) => FilePath::read(at, key, problems).map(|path| Self::Path(path.0)),
            credential @ Self::Credential(_) => Some(credential),
        }
    }
}

/// Why the file of a `…-file` key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file can't be read.
    #[error("{}: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why it can't be read.
        reason: ReadError,
    },
    /// The file belongs to somebody else.
    #[error(
        "{}: is owned by uid {owner}; a secret is owned by root or by the agent's user (uid {agent})",
        .path.display()
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// The owner of the file.
        owner: u32,
        /// The agent's user, who should own it.
        agent: u32,
    },
    /// Everybody may do something with the file.
    #[error("{}: mode {mode:04o} lets everybody use it; expected no bits for others (chmod o=)", .path.display())]
    Others {
        /// The file.
        path: PathBuf,
        /// The permission bits of the file.
        mode: u32,
    },
    /// The file's group may do more than read it.
    #[error("{}: mode {mode:04o} lets its group do more than read (chmod g=r, or g=)", .path.display())]
    GroupWrites {
        /// The file.
        path: PathBuf,
        /// The permission bits of the file.
        mode: u32,
    },
    /// A group that isn't the agent's may read the file.
    #[error(
        "{}: may be read by group {group}; only the agent's own group (gid {agent}) may (chgrp, or chmod g=)",
        .path.display()
    )]
    Group {
        /// The file.
        path: PathBuf,
        /// The group of the file.
        group: u32,
        /// The agent's group.
        agent: u32,
    },
    /// The agent's user may not read the file, though whoever checks it can.
    #[error(
        "{}: mode {mode:04o} of uid {owner} keeps it from the agent's user (uid {agent}): chgrp omadm, chmod g+r",
        .path.display()
    )]
    Kept {
        /// The file.
        path: PathBuf,
        /// The owner of the file.
        owner: u32,
        /// The permission bits of the file.
        mode: u32,
        /// The agent's user.
        agent: u32,
    },
    /// The file is empty.
    #[error("{}: is empty", .0.display())]
    Empty(PathBuf),
    /// The process has no credentials, among which one of this name should be.
    #[error(
        "credential {0:?} is there while the service runs only, with LoadCredential={0}:… or LoadCredentialEncrypted={0}:… in its unit"
    )]
    NoCredentials(String),
}

impl FileRef {
    /// Reads the secret, less one trailing newline, at most 64 KiB.
    ///
    /// # Errors
    /// Files that others than root and the agent may own, read or change; empty, missing and oversized ones.
    pub fn secret(&self, environment: &Environment) -> Result<Secret, SecretError> {
        let path = self.locate(environment)?;
        let unreadable = |reason| SecretError::Unreadable { path: path.clone(), reason };
        let file = regular::open(&path).map_err(unreadable)?;
        if matches!(self, Self::Path(_)) {
            // Of the open file: what a path names can change between a look and the reading.
            let metadata = file.metadata().map_err(|error| unreadable(error.into()))?;
            check_access(&path, &metadata, environment)?;
            check_readable(&path, &metadata, environment)?;
        }
        let mut bytes = regular::read_open(file, MAX_SECRET).map_err(unreadable)?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        if bytes.is_empty() { Err(SecretError::Empty(path)) } else { Ok(Secret::new(bytes)) }
    }

    /// Reads a file that is no secret, a certificate, at most 1 MiB.
    ///
    /// # Errors
    /// Missing and oversized files.
    pub fn public(&self, environment: &Environment) -> Result<Vec<u8>, SecretError> {
        let path = self.locate(environment)?;
        let unreadable = |reason| SecretError::Unreadable { path: path.clone(), reason };
        let file = regular::open(&path).map_err(unreadable)?;
        if matches!(self, Self::Path(_)) {
            let metadata = file.metadata().map_err(|error| unreadable(error.into()))?;
            check_readable(&path, &metadata, environment)?;
        }
        regular::read_open(file, MAX_CERTIFICATES).map_err(unreadable)
    }

    fn locate(&self, environment: &Environment) -> Result<PathBuf, SecretError> {
        match (self, &environment.credentials) {
            (Self::Path(path), _) => Ok(path.clone()),
            (Self::Credential(name), Some(folder)) => Ok(folder.join(name)),
            (Self::Credential(name), None) => Err(SecretError::NoCredentials(name.clone())),
        }
    }
}

fn check_access(path: &Path, metadata: &Metadata, agent: &Environment) -> Result<(), SecretError> {
    let (owner, group, mode) = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
    let path = path.to_path_buf();
    if owner != 0 && owner != agent.uid {
        return Err(SecretError::Owner { path, owner, agent: agent.uid });
    }
    if mode & 0o007 != 0 {
        return Err(SecretError::Others { path, mode });
    }
    if mode & 0o030 != 0 {
        return Err(SecretError::GroupWrites { path, mode });
    }
    if mode & 0o040 != 0 && group != agent.gid {
        return Err(SecretError::Group { path, group, agent: agent.gid });
    }
    Ok(())
}

/// Root, who checks by hand, reads what the agent can't.
fn check_readable(path: &Path, metadata: &Metadata, agent: &Environment) -> Result<(), SecretError> {
    if !agent.is_kept(metadata, 0o4) {
        return Ok(());
    }
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    Err(SecretError::Kept { path: path.to_path_buf(), owner, mode, agent: agent.uid })
}

#[cfg(test)]
mod tests;
