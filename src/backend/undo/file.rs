//! Undoing an effect on a file.

use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::bytes::{read, write};
use super::undone::Undone;
use crate::backend::answer::MAX_INPUT;
use crate::backend::error::BackendError;
use crate::backend::file;
use crate::base::files::{self, Access};
use crate::base::regular::ReadError;

/// The undo of an effect on a file: what that was before, and what the effect makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The state of the file before the effect.
    pub before: Before,
    /// SHA-256 of the content that the effect writes; none: it removes the file.
    pub written: Option<[u8; 32]>,
    /// The SHA-256 of what effects before it in the same change write there: all of them are taken back at once.
    pub earlier: Vec<[u8; 32]>,
    /// The content itself where the file is written in place: cut short, a mixture of it and of what was before is
    /// there.
    pub in_place: Option<Vec<u8>>,
}

/// The state of a path before an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing was there.
    Absent,
    /// A file was there, or a link to one that is written and not removed.
    File {
        /// The content of the file.
        content: Vec<u8>,
        /// The mode, owner and extended attributes of the file.
        access: Access,
    },
    /// A symbolic link was there, which is to be removed.
    Link(PathBuf),
}

impl OfFile {
    /// Prepares the undo of a write of `content` to `path`, or of its removal where that is none. None: the content
    /// can't be read back, as with attributes that can only be written. `ahead` is of the effect before it on the same
    /// file.
    pub(in crate::backend) fn prepare(
        path: &Path,
        content: Option<&[u8]>,
        ahead: Option<&Self>,
    ) -> io::Result<Option<Self>> {
        let kernel = crate::base::lane::takes_requests(path);
        let (before, earlier) = match ahead {
            Some(ahead) => {
                (ahead.before.clone(), ahead.earlier.iter().copied().chain(ahead.written).collect())
            }
            None => match before(path, content.is_none()) {
                Ok(Before::Absent) | Err(_) if kernel => return Ok(None),
                other => (other?, Vec::new()),
            },
        };
        let written = content.map(|content| Sha256::digest(content).into());
        let in_place = content.filter(|_| !kernel && files::is_in_place(path).unwrap_or_default());
        let in_place = in_place.map(<[u8]>::to_vec);
        Ok(Some(Self { path: path.to_path_buf(), before, written, earlier, in_place }))
    }

    /// Makes the file what it was, unless it holds neither that nor what the effect wrote.
    ///
    /// # Errors
    /// [`BackendError::File`], [`BackendError::Stuck`]
    pub(super) async fn undo(self) -> Result<Undone, BackendError> {
        let named = self.path.clone();
        file::blocking(named, move |path| {
            self.restore().map_err(|error| BackendError::File { path: path.into(), error })
        })
        .await
    }

    /// Rolls back what an agent that died left behind: makes the file what it was, unless it holds neither that nor
    /// what the effect wrote.
    ///
    /// # Errors
    /// [`BackendError::File`], [`BackendError::Stuck`]
    pub(super) async fn roll_back(self) -> Result<Undone, BackendError> {
        let named = self.path.clone();
        file::blocking(named, move |path| {
            // What an effect was about to put in the file's place.
            let swept = files::sweep(path);
            let restored = self.restore().and_then(|undone| swept.map(|()| undone));
            restored.map_err(|error| BackendError::File { path: path.into(), error })
        })
        .await
    }

    fn restore(&self) -> io::Result<Undone> {
        let path = &self.path;
        let kernel = crate::base::lane::takes_requests(path);
        let now = before(path, self.written.is_none());
        if now.as_ref().is_ok_and(|now| self.before.is_like(now)) {
            return Ok(Undone::Restored);
        }
        // What the kernel shows of a value is not always what was written.
        if !kernel && !self.wrote(&now?) {
            return Ok(Undone::Foreign);
        }
        match &self.before {
            Before::Absent => file::remove_now(path)?,
            Before::File { content, .. } if kernel => file::write_once(path, content)?,
            Before::File { content, access } => files::put_back(path, content, access)?,
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
            (Before::File { content, .. }, written) => {
                let found = Sha256::digest(content).into();
                written == Some(found)
                    || self.earlier.contains(&found)
                    || written.is_some() && self.was_cut_short(content)
            }
            _ => false,
        }
    }

    /// Whether a write was cut short: each byte is one of the old content or of the new one, as nobody knows which
    /// reach a disk first.
    fn was_cut_short(&self, now: &[u8]) -> bool {
        let (Some(new), Before::File { content: old, .. }) = (&self.in_place, &self.before) else {
            return false;
        };
        let lengths = new.len().min(old.len())..=new.len().max(old.len());
        let is_either = |(at, byte): (usize, &u8)| {
            *byte == 0 && at >= old.len() || new.get(at) == Some(byte) || old.get(at) == Some(byte)
        };
        lengths.contains(&now.len()) && now.iter().enumerate().all(is_either)
    }

    pub(super) fn size(&self) -> usize {
        let content = match &self.before {
            Before::Absent => 0,
            Before::File { content, access } => content.len() + access.size(),
            Before::Link(target) => target.as_os_str().len(),
        };
        let content = content + self.in_place.as_ref().map_or(0, Vec::len) + 32 * self.earlier.len();
        64 + self.path.as_os_str().len() + content
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        write(self.path.as_os_str().as_bytes(), out);
        if !self.earlier.is_empty() {
            out.push(b'e');
            write(self.earlier.as_flattened(), out);
        }
        match (&self.in_place, &self.written) {
            (Some(content), _) => {
                out.push(b'=');
                write(content, out);
            }
            (None, None) => out.push(b'-'),
            (None, Some(digest)) => {
                out.push(b'+');
                out.extend_from_slice(digest);
            }
        }
        match &self.before {
            Before::Absent => out.push(b'a'),
            Before::File { content, access } => {
                encode_access(access, out);
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
        let (path, mut rest) = read(record)?;
        let mut earlier = Vec::new();
        if let Some(after) = rest.strip_prefix(b"e") {
            let (digests, after) = read(after)?;
            let (digests, []) = digests.as_chunks() else { return None };
            (earlier, rest) = (digests.to_vec(), after);
        }
        let (written, in_place, rest) = match rest.split_first()? {
            (b'-', rest) => (None, None, rest),
            (b'+', rest) => rest.split_first_chunk().map(|(digest, rest)| (Some(*digest), None, rest))?,
            (b'=', rest) => {
                let (content, rest) = read(rest)?;
                (Some(Sha256::digest(content).into()), Some(content.to_vec()), rest)
            }
            _ => return None,
        };
        let before = match rest.split_first()? {
            (b'a', []) => Before::Absent,
            (b'f' | b'o', _) => {
                let (access, content) = decode_access(rest)?;
                Before::File { content: content.to_vec(), access }
            }
            (b'l', target) => Before::Link(path_of(target)),
            _ => return None,
        };
        Some(Self { path: path_of(path), before, written, earlier, in_place })
    }
}

impl Before {
    fn is_like(&self, now: &Self) -> bool {
        match (self, now) {
            (Self::File { content, access }, Self::File { content: new, access: newer }) => {
                content == new && access.is_like(newer)
            }
            _ => self == now,
        }
    }
}

/// Writes the access of a file: `f` and the mode, as version 0.1.0 had it; or `o`, the mode, the owner and the
/// attributes.
fn encode_access(access: &Access, out: &mut Vec<u8>) {
    let Access { mode, owner: Some((user, group)), attributes } = access else {
        out.push(b'f');
        out.extend_from_slice(&access.mode.to_le_bytes());
        return;
    };
    let attributes = attributes.as_deref().unwrap_or_default();
    out.push(b'o');
    for number in [*mode, *user, *group, u32::try_from(attributes.len()).unwrap_or_default()] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for (name, value) in attributes {
        write(name, out);
        write(value, out);
    }
}

fn decode_access(record: &[u8]) -> Option<(Access, &[u8])> {
    let (tag, mut rest) = record.split_first()?;
    let mut number = || {
        let (number, after) = rest.split_first_chunk()?;
        rest = after;
        Some(u32::from_le_bytes(*number))
    };
    let mode = number()?;
    if *tag == b'f' {
        return Some((Access { mode, owner: None, attributes: None }, rest));
    }
    let (owner, count) = ((number()?, number()?), number()?);
    let mut attributes = Vec::new();
    for _ in 0..count {
        let (name, after) = read(rest)?;
        let (value, after) = read(after)?;
        attributes.push((name.to_vec(), value.to_vec()));
        rest = after;
    }
    Some((Access { mode, owner: Some(owner), attributes: Some(attributes) }, rest))
}

/// The state of `path` now; a link itself where it is the link that would be `removed`.
fn before(path: &Path, removed: bool) -> io::Result<Before> {
    let found = if removed { fs::symlink_metadata(path) } else { fs::metadata(path) };
    let found = match found {
        Err(error) if is_absent(&error) => return Ok(Before::Absent),
        other => other?,
    };
    if found.is_symlink() {
        return fs::read_link(path).map(Before::Link);
    }
    let content = file::try_load(path, MAX_INPUT).map_err(|error| match error {
        ReadError::TooLarge(_) => {
            io::Error::new(io::ErrorKind::FileTooLarge, "too large to be kept for undoing")
        }
        other => other.into(),
    })?;
    // Of the kernel's files only the content is ever put back.
    let access = if crate::base::lane::takes_requests(path) {
        Access { mode: found.permissions().mode() & 0o7777, ..Access::default() }
    } else {
        Access::of(path, &found)?
    };
    Ok(Before::File { content, access })
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
