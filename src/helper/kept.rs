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
use sha2::{Digest as _, Sha256};

use super::file;
use super::lock::Lock;
use super::outcome::{Failure, Outcome};
use super::rules::Rules;
use super::walk::Place;
use crate::backend::{Machine, Undo, Undone};
use crate::base::files::{self, Access};
use crate::base::regular;
use crate::helper_protocol::{code, hex, is_id, undone};

/// The most changes of which is kept what was there before. None is thrown away for another.
const MOST: usize = 256;
/// The most operations that are known to be over.
const MOST_OVER: usize = 256;
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
    /// Nothing: what was there can't be told, and not be put back.
    Nothing,
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

/// The place of an operation that can be undone, taken before it looks at anything, and held until it is over.
///
/// # Errors
/// It was undone or forgotten before it began, and must not begin any more; it was done already; too much is kept.
pub(super) async fn begin(name: &str, rules: &Rules) -> Result<Lock, Failure> {
    let path = path(name, rules)?;
    let lock = lock(name, rules).await?;
    if path.exists() {
        return Err(Failure::new(code::BAD_REQUEST, format!("something is kept as {name} already")));
    }
    let held = Held::list(&rules.kept)?;
    if held.over.iter().any(|over| over.name == name) {
        let why = format!("what is to be kept as {name} was undone already: it does not begin any more");
        return Err(Failure::refused(why));
    }
    if held.records.len() >= MOST {
        let why = format!(
            "{} has {MOST} records of changes that are not over: no room for more",
            rules.kept.display()
        );
        return Err(Failure::new(code::FAILED, why));
    }
    Ok(lock)
}

/// Keeps what was there before a change, on disk when this returns. Its lock is held.
///
/// # Errors
/// It can't be kept: then the change must not begin.
pub(super) fn keep(name: &str, kept: &Kept, rules: &Rules) -> Result<(), Failure> {
    let json = serde_json::to_vec(kept).map_err(|error| Failure::new(code::FAILED, error))?;
    Ok(files::replace(&path(name, rules)?, &json, 0o600)?)
}

/// Puts back what was there before a change, unless somebody else has changed it since, or it can't be. The reply's
/// value says which it was, one of [`undone`]. The operation of that name, should it come later still, is refused.
///
/// # Errors
/// It can't be put back now.
pub(super) async fn put_back(name: &str, machine: &Machine, rules: &Rules) -> Outcome {
    let path = path(name, rules)?;
    let _lock = lock(name, rules).await?;
    let json = match regular::read(&path, LARGEST).map_err(io::Error::from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let before = Held::list(&rules.kept)?.over.into_iter().find(|over| over.name == name);
            if let Some(over) = before {
                return Ok(Some(fs::read_to_string(rules.kept.join(over.file_name()))?.into()));
            }
            is_over(name, undone::NOTHING_KEPT, rules)?;
            return Ok(Some(undone::NOTHING_KEPT.into()));
        }
        json => json?,
    };
    let damaged = || Failure::new(code::FAILED, format!("{} is damaged", path.display()));
    let undone = match serde_json::from_slice(&json).map_err(|_| damaged())? {
        Kept::Nothing => Undone::Impossible,
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
            let path = PathBuf::from(std::ffi::OsString::from_vec(path));
            restore(&path, before, written.as_deref(), name, rules)?
        }
    };
    let answer = match undone {
        Undone::Restored => undone::RESTORED,
        Undone::Foreign => undone::FOREIGN,
        Undone::Impossible => undone::IMPOSSIBLE,
    };
    // Whoever did not hear it asks again.
    is_over(name, answer, rules)?;
    remove(&path)?;
    Ok(Some(answer.into()))
}

/// Deletes what was there before a change that is final. One that has not begun must not begin any more.
///
/// # Errors
/// It can't be deleted.
pub(super) async fn forget(name: &str, rules: &Rules) -> Outcome {
    let path = path(name, rules)?;
    let _lock = lock(name, rules).await?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => is_over(name, undone::NOTHING_KEPT, rules)?,
        other => other?,
    }
    Ok(None)
}

/// Deletes what was there before changes that are over, which nobody has forgotten: all but those whose names begin so.
///
/// # Errors
/// They can't be listed or deleted.
pub(super) fn forget_others(prefix: &str, rules: &Rules) -> Outcome {
    if !rules.kept.is_dir() {
        return Ok(None);
    }
    for name in Held::list(&rules.kept)?.records {
        if !name.starts_with(prefix)
            && let Some(_lock) = Lock::try_take(&lock_path(&name, rules))?
        {
            remove(&rules.kept.join(name))?;
        }
    }
    Ok(None)
}

async fn lock(name: &str, rules: &Rules) -> Result<Lock, Failure> {
    if !rules.kept.is_dir() {
        DirBuilder::new().mode(0o700).recursive(true).create(&rules.kept)?;
    }
    Lock::take(&lock_path(name, rules)).await
}

fn lock_path(name: &str, rules: &Rules) -> PathBuf {
    rules.kept.join(format!("{name}.lock"))
}

/// Notes that the operation of a name is over, so. Its lock is held.
fn is_over(name: &str, answer: &str, rules: &Rules) -> io::Result<()> {
    let mut over = Held::list(&rules.kept)?.over;
    over.sort_unstable();
    let count = over.last().map_or(0, |last| last.count.saturating_add(1));
    let surplus = (over.len() + 1).saturating_sub(MOST_OVER);
    for oldest in over.iter().take(surplus) {
        remove(&rules.kept.join(oldest.file_name()))?;
    }
    let own = Over { count, name: name.to_owned() };
    files::replace(&rules.kept.join(own.file_name()), answer.as_bytes(), 0o600)
}

fn restore(
    path: &Path,
    before: Option<(Vec<u8>, Access)>,
    written: Option<&str>,
    name: &str,
    rules: &Rules,
) -> io::Result<Undone> {
    let below = path.strip_prefix(&rules.root).unwrap_or(path);
    let place = file::at(&below.to_string_lossy(), rules)?;
    let swept = if place.is_kernels { Ok(()) } else { file::sweep(&place, name) };
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
        Some((content, access)) => file::write(&place, content, Some(access), name, rules)?,
        None => file::remove(&place)?,
    }
    swept.map(|()| Undone::Restored)
}

/// What the folder has.
#[derive(Default)]
struct Held {
    /// The names of changes that are not over.
    records: Vec<String>,
    over: Vec<Over>,
}

/// The mark that the operation of a name is over, and how: it is not begun any more. The lowest count is the oldest:
/// clocks are wrong at boot.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Over {
    count: u64,
    name: String,
}

impl Held {
    fn list(folder: &Path) -> io::Result<Self> {
        let mut held = Self::default();
        for entry in fs::read_dir(folder)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            match name.split_once(".over-") {
                Some((name, count)) => {
                    let count = u64::from_str_radix(count, 16);
                    held.over.extend(count.ok().map(|count| Over { count, name: name.to_owned() }));
                }
                None if is_id(&name) => held.records.push(name),
                None => {}
            }
        }
        Ok(held)
    }
}

impl Over {
    fn file_name(&self) -> String {
        format!("{}.over-{:x}", self.name, self.count)
    }
}

/// Removes a file, if nobody else has done so.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn path(name: &str, rules: &Rules) -> Result<PathBuf, Failure> {
    if is_id(name) {
        return Ok(rules.kept.join(name));
    }
    Err(Failure::new(code::BAD_REQUEST, format!("{name:?} is no name for what is kept")))
}
