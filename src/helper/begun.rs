//! The EXECs that have begun and go on after a reboot: only root's own note of it lets one pass windows and vetoes that
//! it has passed before, whatever the agent says.
//!
//! A note is of one node for one server, with the `input` that it began with: what goes on is what was let pass. Once
//! the EXEC has ended, the note is good no more in this boot, where its result is kept for the agent; in the next one,
//! where that is gone, it is: a firmware's EXEC ends by rebooting.
//!
//! There are secrets in `input`: a note has it until the EXEC has ended, and for some hours where nobody knows how. Then
//! it has a digest of it, and goes on only where the agent tells the same.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};

use super::kept::{self, Held, NOTE};
use super::lock::Lock;
use super::outcome::Failure;
use super::record::{booted, is_old};
use super::rules::Rules;
use crate::base::{Order as _, boot_id, files, regular};
use crate::helper_protocol::{HelperOp, HelperRequest, MAX_FRAME, code, hex};

/// The most EXECs of which it is noted that they have begun; then the oldest goes, and would begin anew.
const MOST: usize = 16;
/// The most bytes of a note: what a request brings, and what is said of it.
const LONGEST: u64 = MAX_FRAME as u64 + 4096;
/// How often one goes on, at the most: as often as the agent begins one again.
const MOST_TIMES: u32 = 7;

/// The place of the note of an EXEC, and what was found there. As long as it is held nobody else begins that EXEC with
/// a note, nor has it go on.
pub(super) struct Begun {
    path: PathBuf,
    note: Option<Note>,
    _lock: Lock,
}

/// What is noted of an EXEC.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Note {
    /// What it began with; none: it has ended, or began hours ago.
    input: Option<Map<String, Json>>,
    /// The digest of that. A note outlives the helper that wrote it, which a firmware's EXEC replaces: what it may lack has
    /// a default.
    #[serde(default)]
    digest: String,
    /// How often it has gone on.
    times: u32,
    /// The boot in which it began, and when.
    #[serde(default)]
    boot: String,
    #[serde(default)]
    at: i64,
    /// The boot in which it ended; none: it has not, as far as is known.
    ended: Option<String>,
}

impl Begun {
    /// Looks for the note of the EXEC that a request is about.
    ///
    /// # Errors
    /// It runs; or the file system's.
    pub(super) fn find(request: &HelperRequest, op: &HelperOp, rules: &Rules) -> Result<Self, Failure> {
        let subject = (&request.server, &request.folder, &op.node, &op.vars, &op.miid);
        let subject = serde_json::to_vec(&subject).unwrap_or_default();
        let name = format!("{NOTE}{}", hex(&Sha256::digest(subject)));
        kept::folder(rules)?;
        let runs = || Failure::new(code::NOT_NOW, "the same EXEC runs: it does not go on beside itself");
        let lock = Lock::try_take(&kept::lock_path(&name, rules))?.ok_or_else(runs)?;
        let path = rules.kept.join(name);
        Ok(Self { note: young(&path)?, path, _lock: lock })
    }

    /// The operation as it is to be done: it goes on only where it has begun, and with what it began with. What has
    /// not begun, or has ended and its result is there, begins anew, and its window and vetoes are asked.
    ///
    /// # Errors
    /// It has gone on too often; or it has another `input` by now.
    pub(super) fn as_begun(&self, op: &HelperOp) -> Result<HelperOp, Failure> {
        let note = self.note.as_ref().filter(|note| op.resumed && note.is_open());
        let Some(note) = note else { return Ok(HelperOp { resumed: false, ..op.clone() }) };
        if note.times >= MOST_TIMES {
            return Err(Failure::refused(format!("it has gone on {MOST_TIMES} times")));
        }
        match &note.input {
            Some(input) => Ok(HelperOp { input: input.clone(), ..op.clone() }),
            None if note.digest == digest(&op.input) => Ok(op.clone()),
            // Not a refusal: it has begun, and nobody knows how it ended.
            None => Err(Failure::new(
                code::FAILED,
                "it began with another `input`, and does not go on with this: how it ended is not known",
            )),
        }
    }

    /// Notes that the EXEC begins, or goes on once more; it is on disk when this returns.
    ///
    /// # Errors
    /// The file system's: then it must not begin, as it could not go on.
    pub(super) fn begins(&mut self, op: &HelperOp, rules: &Rules) -> io::Result<()> {
        let before = self.note.as_ref().filter(|_| op.resumed);
        let times = before.map_or(0, |note| note.times.saturating_add(1));
        let (input, digest) = (Some(op.input.clone()), digest(&op.input));
        let note = Note { input, digest, times, boot: boot_id(), at: booted(), ended: None };
        make_room(&rules.kept, &self.path)?;
        note.write(&self.path)?;
        self.note = Some(note);
        Ok(())
    }

    /// Notes that the EXEC has ended, if it was noted that it had begun; what it began with is on disk no more.
    pub(super) fn ends(&mut self) -> io::Result<()> {
        let Some(note) = self.note.take() else { return Ok(()) };
        let note = Note { input: None, ended: Some(boot_id()), ..note };
        // On a full disk it goes whole: who fills that has nothing pass twice.
        note.write(&self.path).or_else(|_| files::remove(&self.path))
    }

    /// Takes back that the EXEC has begun, as its program could not be started.
    pub(super) fn did_not_begin(&mut self) -> io::Result<()> {
        let Some(_) = self.note.take() else { return Ok(()) };
        files::remove(&self.path)
    }
}

impl Note {
    fn write(&self, path: &Path) -> io::Result<()> {
        files::replace(path, &serde_json::to_vec(self)?, 0o600)
    }

    /// Whether nobody can know how it ended.
    fn is_open(&self) -> bool {
        self.ended.as_ref().is_none_or(|boot| *boot != boot_id())
    }

    /// Whether what it began with, if it has that, may still be kept.
    fn is_young(&self) -> bool {
        self.input.is_none() || !is_old(&self.boot, self.at)
    }
}

fn digest(input: &Map<String, Json>) -> String {
    hex(&Sha256::digest(serde_json::to_vec(input).unwrap_or_default()))
}

/// The note at a place, if there is one that can be read, without an `input` that is too old: that is on disk no more.
/// Its lock is held.
fn young(path: &Path) -> io::Result<Option<Note>> {
    let note = match read(path) {
        Some(Ok(note)) if note.is_young() => return Ok(Some(note)),
        Some(Ok(note)) => Note { input: None, ..note },
        // Nobody knows how old it is, and what is in it.
        Some(Err(_)) => return files::remove(path).map(|()| None),
        None => return Ok(None),
    };
    // On a full disk it goes whole.
    note.write(path).or_else(|_| files::remove(path))?;
    Ok(Some(note))
}

/// The note at a place, if there is a file, or why it is none.
fn read(path: &Path) -> Option<serde_json::Result<Note>> {
    let json = regular::read(path, LONGEST).ok()?;
    Some(serde_json::from_slice(&json))
}

/// Deletes what writes that were cut short have left, secrets maybe, and the `input` of notes where that is too old.
/// What somebody else is at is left alone.
pub(super) fn tidy(rules: &Rules) -> io::Result<()> {
    if !rules.kept.is_dir() {
        return Ok(());
    }
    let Held { torn, notes, .. } = Held::list(&rules.kept)?;
    for (path, owner) in torn {
        if let Some(_lock) = Lock::try_take(&kept::lock_path(&owner, rules))? {
            files::remove(&path)?;
        }
    }
    for name in notes {
        let path = rules.kept.join(&name);
        // Most requests find nothing to do, and then write nothing, not even a lock.
        let is_young = read(&path).is_none_or(|note| note.is_ok_and(|note| note.is_young()));
        if !is_young && let Some(_lock) = Lock::try_take(&kept::lock_path(&name, rules))? {
            young(&path)?;
        }
    }
    Ok(())
}

/// Deletes the oldest notes but `own`, so that there is room for that.
fn make_room(folder: &Path, own: &Path) -> io::Result<()> {
    let written = |path: &PathBuf| fs::metadata(path).and_then(|found| found.modified()).ok();
    let mut others: Vec<PathBuf> = Held::list(folder)?.notes.iter().map(|name| folder.join(name)).collect();
    others.retain(|path| path != own);
    others.order_by_key(written);
    let surplus = (others.len() + 1).saturating_sub(MOST);
    others.iter().take(surplus).try_for_each(|path| files::remove(path))
}
