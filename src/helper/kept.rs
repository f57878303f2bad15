//! What was there before a change, kept where only root reads it: what the agent can't read, it must not get by
//! undoing.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::file::{self, Stamp};
use super::lock::Lock;
use super::outcome::{Failure, Outcome};
use super::record::{Attributes, Kept, Record, digest};
use super::rules::Rules;
use crate::backend::{Machine, Undo, Undone};
use crate::base::Order as _;
use crate::base::files::{self, Access};
use crate::base::regular;
use crate::helper_protocol::{code, hex, is_id, undone};

/// What the names of notes of EXECs begin with: no record of a change is called so.
pub(super) const NOTE: &str = "begun.";
/// What is between the name of an operation that is over and its count.
const OVER: &str = ".over-";
/// What is between a file's name and the rest of that of a file which is to take its place.
const TORN: &str = ".omadm-";
/// The most changes of which is kept what was there before. None is thrown away for another.
const MOST: usize = 256;
/// The most operations that are known to be over.
const MOST_OVER: usize = 256;
/// The most bytes of all that is kept.
const MOST_BYTES: u64 = 16 << 20;
/// The most bytes of one record: the base64 of a file of 1 MiB, and a little.
const LARGEST: u64 = 2 << 20;

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
    if held.records.len() >= MOST && held.without_old(rules)? >= MOST {
        return Err(no_room(&format!("{MOST} records of changes that are not over"), rules));
    }
    Ok(lock)
}

fn no_room(has: &str, rules: &Rules) -> Failure {
    Failure::new(code::FAILED, format!("{} has {has}: no room for more", rules.kept.display()))
}

/// Keeps the record of a change, on disk when this returns. Its lock is held.
///
/// # Errors
/// It can't be kept: then the change must not begin.
pub(super) fn keep(name: &str, record: &Record, rules: &Rules) -> Result<(), Failure> {
    let json = serde_json::to_vec(record).map_err(|error| Failure::new(code::FAILED, error))?;
    let room = MOST_BYTES.saturating_sub(json.len() as u64);
    let held = Held::list(&rules.kept)?;
    if held.bytes(name, rules) > room {
        held.without_old(rules)?;
        if held.bytes(name, rules) > room {
            return Err(no_room(&format!("{} MiB of changes that are not over", MOST_BYTES >> 20), rules));
        }
    }
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
    let record: Record = serde_json::from_slice(&json).map_err(|_| damaged())?;
    let undone = match record.is_void(rules)? {
        _ if matches!(record.kept, Kept::Nothing) => Undone::Impossible,
        Some(why) => {
            log::warn!("the change that is kept as {name} is not taken back: {why}");
            Undone::Foreign
        }
        None => take_back(record.kept, name, machine, rules).await?.ok_or_else(damaged)?,
    };
    let answer = match undone {
        Undone::Restored => undone::RESTORED,
        Undone::Foreign => undone::FOREIGN,
        Undone::Impossible => undone::IMPOSSIBLE,
    };
    // Whoever did not hear it asks again.
    is_over(name, answer, rules)?;
    files::remove(&path)?;
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
            files::remove(&rules.kept.join(name))?;
        }
    }
    Ok(None)
}

async fn lock(name: &str, rules: &Rules) -> Result<Lock, Failure> {
    folder(rules)?;
    Lock::take(&lock_path(name, rules)).await
}

/// Sees to it that the folder is there.
pub(super) fn folder(rules: &Rules) -> io::Result<()> {
    if !rules.kept.is_dir() {
        DirBuilder::new().mode(0o700).recursive(true).create(&rules.kept)?;
    }
    Ok(())
}

pub(super) fn lock_path(name: &str, rules: &Rules) -> PathBuf {
    rules.kept.join(format!("{name}.lock"))
}

/// Notes that the operation of a name is over, so. Its lock is held.
fn is_over(name: &str, answer: &str, rules: &Rules) -> io::Result<()> {
    let mut over = Held::list(&rules.kept)?.over;
    over.order();
    let count = over.last().map_or(0, |last| last.count.saturating_add(1));
    let surplus = (over.len() + 1).saturating_sub(MOST_OVER);
    for oldest in over.iter().take(surplus) {
        files::remove(&rules.kept.join(oldest.file_name()))?;
    }
    let own = Over { count, name: name.to_owned() };
    files::replace(&rules.kept.join(own.file_name()), answer.as_bytes(), 0o600)
}

/// Takes a change back; none where the record is damaged.
async fn take_back(
    kept: Kept,
    name: &str,
    machine: &Machine,
    rules: &Rules,
) -> Result<Option<Undone>, Failure> {
    let (path, before, written, left) = match kept {
        Kept::Nothing => return Ok(Some(Undone::Impossible)),
        Kept::Property(record) => {
            let undo = STANDARD.decode(record).ok().and_then(|record| Undo::decode(&record));
            let Some(undo) = undo else { return Ok(None) };
            return Ok(Some(undo.roll_back(machine).await?));
        }
        Kept::File { path, before, written, left } => (path, before, written, left),
    };
    let Ok(path) = STANDARD.decode(path) else { return Ok(None) };
    let path = PathBuf::from(std::ffi::OsString::from_vec(path));
    let before = match before {
        Some((content, Attributes { mode, owner, extended })) => {
            let Ok(content) = STANDARD.decode(content) else { return Ok(None) };
            Some((content, Access { mode, owner, attributes: extended }))
        }
        None => None,
    };
    let _turn = turn(&path, rules).await?;
    let undone = restore(&path, before, (written.as_deref(), left.as_ref()), name, rules)?;
    if undone == Undone::Foreign {
        log::warn!("{} is not taken back: somebody else has changed it since", path.display());
    }
    Ok(Some(undone))
}

fn restore(
    path: &Path,
    before: Option<(Vec<u8>, Access)>,
    (written, left): (Option<&str>, Option<&Stamp>),
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
    let now = now.map(|(content, _)| digest(&content, &place));
    let is_as_left = left.is_none_or(|left| file::stamp(&place, rules).is_ok_and(|now| now == *left));
    if now.as_deref() != written || !is_as_left {
        return Ok(Undone::Foreign);
    }
    match &before {
        Some((content, access)) => {
            file::write(&place, content, Some(access), name, rules)?;
        }
        None => file::remove(&place)?,
    }
    swept.map(|()| Undone::Restored)
}

/// The turn to change a file: whoever reads it, and writes it with something changed, does so alone.
///
/// # Errors
/// Somebody else keeps it.
pub(super) async fn turn(path: &Path, rules: &Rules) -> Result<Lock, Failure> {
    let digest = hex(&Sha256::digest(path.as_os_str().as_bytes()));
    lock(&format!("file.{digest}"), rules).await
}

/// What the folder has.
#[derive(Default)]
pub(super) struct Held {
    /// The names of changes that are not over.
    records: Vec<String>,
    over: Vec<Over>,
    /// The names of the notes of EXECs that may go on.
    pub(super) notes: Vec<String>,
    /// What writes that were cut short have left, and whose locks they had.
    pub(super) torn: Vec<(PathBuf, String)>,
}

/// The mark that the operation of a name is over, and how: it is not begun any more. The lowest count is the oldest:
/// clocks are wrong at boot.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Over {
    count: u64,
    name: String,
}

impl Held {
    /// The bytes of all records but that of `name`.
    fn bytes(&self, name: &str, rules: &Rules) -> u64 {
        let others = self.records.iter().filter(|other| *other != name);
        others.filter_map(|other| fs::metadata(rules.kept.join(other)).ok()).map(|found| found.len()).sum()
    }

    /// Deletes the records that are too old for anything; returns how many are left.
    fn without_old(&self, rules: &Rules) -> io::Result<usize> {
        let mut left = self.records.len();
        for name in &self.records {
            let path = rules.kept.join(name);
            let record = regular::read(&path, LARGEST).ok();
            let record = record.and_then(|json| serde_json::from_slice::<Record>(&json).ok());
            if record.is_some_and(|record| record.is_old())
                && let Some(_lock) = Lock::try_take(&lock_path(name, rules))?
            {
                is_over(name, undone::FOREIGN, rules)?;
                files::remove(&path)?;
                left -= 1;
            }
        }
        Ok(left)
    }

    pub(super) fn list(folder: &Path) -> io::Result<Self> {
        let mut held = Self::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if let Some((whole, _)) = name.strip_prefix('.').and_then(|name| name.rsplit_once(TORN)) {
                let owner = whole.split_once(OVER).map_or(whole, |(owner, _)| owner);
                held.torn.push((entry.path(), owner.to_owned()));
            } else if let Some((name, count)) = name.split_once(OVER) {
                let count = u64::from_str_radix(count, 16);
                held.over.extend(count.ok().map(|count| Over { count, name: name.to_owned() }));
            } else if is_id(&name) {
                held.records.push(name);
            } else if name.starts_with(NOTE) && !name.ends_with(".lock") {
                held.notes.push(name);
            }
        }
        Ok(held)
    }
}

impl Over {
    fn file_name(&self) -> String {
        format!("{}{OVER}{:x}", self.name, self.count)
    }
}

fn path(name: &str, rules: &Rules) -> Result<PathBuf, Failure> {
    if is_id(name) {
        return Ok(rules.kept.join(name));
    }
    Err(Failure::new(code::BAD_REQUEST, format!("{name:?} is no name for what is kept")))
}
