//! Taking an effect on a file back.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{Undone, read, write};
use crate::backend::{BackendError, MAX_INPUT, file};
use crate::files;

/// What a file was before an effect on it, and what the effect makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfFile {
    /// The file.
    pub path: PathBuf,
    /// What was there.
    pub before: Before,
    /// SHA-256 of the content that the effect writes; none: it removes the file.
    pub written: Option<[u8; 32]>,
}

/// What was at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Absent,
    /// A file, or a link to one that is written and not removed.
    File {
        /// Its content.
        content: Vec<u8>,
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link, which is to be removed.
    Link(PathBuf),
}

impl OfFile {
    /// What takes back a write of `content` to `path`, or its removal where that is none. None: the content can't be
    /// read back, as with attributes that can only be written.
    pub(in crate::backend) fn prepare(path: &Path, content: Option<&[u8]>) -> io::Result<Option<Self>> {
        let kernel = file::is_kernel(path);
        let before = match before(path, content.is_none()) {
            Ok(Before::Absent) | Err(_) if kernel => return Ok(None),
            other => other?,
        };
        let written = content.map(|content| Sha256::digest(content).into());
        Ok(Some(Self { path: path.to_path_buf(), before, written }))
    }

    /// Makes the file what it was, whatever it is now.
    ///
    /// # Errors
    /// [`BackendError::File`]
    pub(super) async fn undo(self) -> Result<(), BackendError> {
        let named = self.path.clone();
        file::blocking(named, move |path| {
            self.restore(false).map(drop).map_err(|error| BackendError::File { path: path.into(), error })
        })
        .await
    }

    /// Settles what an agent that died left behind: makes the file what it was, unless it holds neither that nor what
    /// the effect wrote.
    ///
    /// # Errors
    /// [`BackendError::File`]
    pub(super) async fn settle(self) -> Result<Undone, BackendError> {
        let named = self.path.clone();
        file::blocking(named, move |path| {
            // What an effect was about to put in the file's place.
            let swept = files::sweep(path);
            let settled = self.restore(true).and_then(|undone| swept.map(|()| undone));
            settled.map_err(|error| BackendError::File { path: path.into(), error })
        })
        .await
    }

    fn restore(&self, only_own: bool) -> io::Result<Undone> {
        let path = &self.path;
        let kernel = file::is_kernel(path);
        let now = before(path, self.written.is_none());
        if now.as_ref().is_ok_and(|now| *now == self.before) {
            return Ok(Undone::Restored);
        }
        // What the kernel shows of a value is not always what was written.
        if only_own && !kernel && !self.wrote(&now?) {
            return Ok(Undone::Foreign);
        }
        match &self.before {
            Before::Absent => file::remove_now(path)?,
            Before::File { content, .. } if kernel => file::write_once(path, content)?,
            Before::File { content, mode } => {
                files::replace(path, content, *mode)?;
                fs::set_permissions(path, Permissions::from_mode(*mode))?;
            }
            Before::Link(target) => {
                file::remove_now(path)?;
                symlink(target, path)?;
                file::sync_folder(path)?;
            }
        }
        Ok(Undone::Restored)
    }

    fn wrote(&self, now: &Before) -> bool {
        match (now, self.written) {
            (Before::Absent, None) => true,
            (Before::File { content, .. }, Some(written)) => {
                <[u8; 32]>::from(Sha256::digest(content)) == written
            }
            _ => false,
        }
    }

    pub(super) fn size(&self) -> usize {
        let content = match &self.before {
            Before::Absent => 0,
            Before::File { content, .. } => content.len(),
            Before::Link(target) => target.as_os_str().len(),
        };
        64 + self.path.as_os_str().len() + content
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        write(self.path.as_os_str().as_bytes(), out);
        match &self.written {
            None => out.push(b'-'),
            Some(digest) => {
                out.push(b'+');
                out.extend_from_slice(digest);
            }
        }
        match &self.before {
            Before::Absent => out.push(b'a'),
            Before::File { content, mode } => {
                out.push(b'f');
                out.extend_from_slice(&mode.to_le_bytes());
                out.extend_from_slice(content);
            }
            Before::Link(target) => {
                out.push(b'l');
                out.extend_from_slice(target.as_os_str().as_bytes());
            }
        }
    }

    pub(super) fn decode(record: &[u8]) -> Option<Self> {
        let path_of = |bytes: &[u8]| PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()));
        let (path, rest) = read(record)?;
        let (written, rest) = match rest.split_first()? {
            (b'-', rest) => (None, rest),
            (b'+', rest) => rest.split_first_chunk().map(|(digest, rest)| (Some(*digest), rest))?,
            _ => return None,
        };
        let before = match rest.split_first()? {
            (b'a', []) => Before::Absent,
            (b'f', rest) => {
                let (mode, content) = rest.split_first_chunk()?;
                Before::File { content: content.to_vec(), mode: u32::from_le_bytes(*mode) }
            }
            (b'l', target) => Before::Link(path_of(target)),
            _ => return None,
        };
        Some(Self { path: path_of(path), before, written })
    }
}

/// What is at `path`; a link itself where it is the link that would be `removed`.
fn before(path: &Path, removed: bool) -> io::Result<Before> {
    let found = if removed { fs::symlink_metadata(path) } else { fs::metadata(path) };
    let found = match found {
        Err(error) if is_absent(&error) => return Ok(Before::Absent),
        other => other?,
    };
    if found.is_symlink() {
        return fs::read_link(path).map(Before::Link);
    }
    let content = file::try_load(path, MAX_INPUT)?;
    if content.len() > MAX_INPUT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large to be kept for undoing"));
    }
    Ok(Before::File { content, mode: found.mode() & 0o7777 })
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
