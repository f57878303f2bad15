//! What was there before a change, kept where only root reads it: what the agent can't read, it must not get by
//! undoing.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::file;
use super::outcome::{Failure, Outcome};
use super::rules::Rules;
use super::walk::Place;
use crate::backend::{Machine, Undo, Undone};
use crate::base::files::{self, Access};
use crate::base::regular;
use crate::helper_protocol::{code, hex, is_id};

/// The most changes of which is kept what was there before.
const MOST: usize = 256;
/// The most bytes of one record: the base64 of a file of 1 MiB, and a little.
const LARGEST: u64 = 2 << 20;

/// What was there before a change.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Kept {
    /// Of a file.
    File {
        /// The path, in base64.
        path: String,
        /// Its content in base64, and its attributes; none: it was not there.
        before: Option<(String, Attributes)>,
        /// SHA-256 of what was written; none: it was removed.
        written: Option<String>,
    },
    /// Of a D-Bus property, as `backend` keeps it, in base64.
    Property(String),
}

/// The attributes of a file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Attributes {
    mode: u32,
    owner: Option<(u32, u32)>,
    extended: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

impl Kept {
    pub(super) fn of_file(place: &Place, before: Option<(Vec<u8>, Access)>, written: Option<&[u8]>) -> Self {
        let before = before.map(|(content, access)| {
            let Access { mode, owner, attributes } = access;
            (STANDARD.encode(content), Attributes { mode, owner, extended: attributes })
        });
        Self::File {
            path: STANDARD.encode(place.path.as_os_str().as_bytes()),
            before,
            written: written.map(|content| hex(&Sha256::digest(content))),
        }
    }

    pub(super) fn of_property(undo: &Undo) -> Self {
        Self::Property(STANDARD.encode(undo.encode()))
    }
}

/// Keeps what was there before a change, on disk when this returns.
///
/// # Errors
/// It can't be kept: then the change must not begin.
pub(super) fn keep(name: &str, kept: &Kept, rules: &Rules) -> Result<(), Failure> {
    let path = path(name, rules)?;
    if !rules.kept.is_dir() {
        DirBuilder::new().mode(0o700).recursive(true).create(&rules.kept)?;
    }
    make_room(&rules.kept)?;
    if path.exists() {
        return Err(Failure::new(code::BAD_REQUEST, format!("something is kept as {name} already")));
    }
    let json = serde_json::to_vec(kept).map_err(|error| Failure::new(code::FAILED, error))?;
    Ok(files::replace(&path, &json, 0o600)?)
}

/// Puts back what was there before a change, unless somebody else has changed it since. The reply's value says which:
/// `restored` or `foreign`; where nothing is kept, nothing had begun.
///
/// # Errors
/// It can't be put back.
pub(super) async fn put_back(name: &str, machine: &Machine, rules: &Rules) -> Outcome {
    let path = path(name, rules)?;
    let json = match regular::read(&path, LARGEST).map_err(io::Error::from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some("restored".into())),
        json => json?,
    };
    let damaged = || Failure::new(code::FAILED, format!("{} is damaged", path.display()));
    let undone = match serde_json::from_slice(&json).map_err(|_| damaged())? {
        Kept::Property(record) => {
            let record = STANDARD.decode(record).map_err(|_| damaged())?;
            Undo::decode(&record).ok_or_else(damaged)?.roll_back(machine).await?
        }
        Kept::File { path, before, written } => {
            let path = STANDARD.decode(path).map_err(|_| damaged())?;
            let before = match before {
                Some((content, attributes)) => {
                    let Attributes { mode, owner, extended } = attributes;
                    let content = STANDARD.decode(content).map_err(|_| damaged())?;
                    Some((content, Access { mode, owner, attributes: extended }))
                }
                None => None,
            };
            restore(&PathBuf::from(std::ffi::OsString::from_vec(path)), before, written.as_deref(), rules)?
        }
    };
    forget(name, rules)?;
    Ok(Some(Json::from(match undone {
        Undone::Restored => "restored",
        Undone::Foreign => "foreign",
    })))
}

/// Deletes what was there before a change that is final.
///
/// # Errors
/// It can't be deleted.
pub(super) fn forget(name: &str, rules: &Rules) -> Outcome {
    match fs::remove_file(path(name, rules)?) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(None),
    }
}

fn restore(
    path: &Path,
    before: Option<(Vec<u8>, Access)>,
    written: Option<&str>,
    rules: &Rules,
) -> io::Result<Undone> {
    let below = path.strip_prefix(&rules.root).unwrap_or(path);
    let place = file::at(&below.to_string_lossy(), rules)?;
    let swept = if place.is_kernels { Ok(()) } else { file::sweep(&place) };
    let now = file::found(&place, rules)?;
    let is_as_before = match (&now, &before) {
        (None, None) => true,
        (Some((now, newer)), Some((before, access))) => now == before && access.is_like(newer),
        _ => false,
    };
    if is_as_before {
        return swept.map(|()| Undone::Restored);
    }
    let now = now.map(|(content, _)| hex(&Sha256::digest(content)));
    // What the kernel shows of a value is not always what was written.
    if now.as_deref() != written && !place.is_kernels {
        return Ok(Undone::Foreign);
    }
    match &before {
        Some((content, access)) => file::write(&place, content, Some(access), rules)?,
        None => file::remove(&place)?,
    }
    swept.map(|()| Undone::Restored)
}

/// Deletes the oldest of what is kept where that is too much: nobody has asked for it for long.
fn make_room(folder: &Path) -> io::Result<()> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        all.push((entry.metadata()?.modified()?, entry.path()));
    }
    all.sort_unstable();
    let surplus = (all.len() + 1).saturating_sub(MOST);
    all.into_iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

fn path(name: &str, rules: &Rules) -> Result<PathBuf, Failure> {
    if is_id(name) {
        return Ok(rules.kept.join(name));
    }
    Err(Failure::new(code::BAD_REQUEST, format!("{name:?} is no name for what is kept")))
}
