//! The EXECs that have begun and go on after a reboot: only root's own note of it lets one pass windows and vetoes that
//! it has passed before, whatever the agent says.
//!
//! A note is of one node for one server, with the `input` that it began with: what goes on is what was let pass. Once
//! the EXEC has ended, the note is good no more in this boot, where its result is kept for the agent; in the next one,
//! where that is gone, it is: a firmware's EXEC ends by rebooting.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};

use super::kept;
use super::lock::Lock;
use super::outcome::Failure;
use super::rules::Rules;
use crate::base::{Order as _, boot_id, files, regular};
use crate::helper_protocol::{HelperOp, HelperRequest, MAX_FRAME, code, hex};

/// The most EXECs of which it is noted that they have begun; then the oldest goes, and would begin anew.
const MOST: usize = 16;
/// How often one goes on, at the most: as often as the agent begins one again.
const MOST_TIMES: u32 = 7;
/// What the names of notes begin with: no record of a change is called so.
const PREFIX: &str = "begun.";

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
    input: Map<String, Json>,
    /// How often it has gone on.
    times: u32,
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
        let name = format!("{PREFIX}{}", hex(&Sha256::digest(subject)));
        kept::folder(rules)?;
        let runs = || Failure::new(code::NOT_NOW, "the same EXEC runs: it does not go on beside itself");
        let lock = Lock::try_take(&rules.kept.join(format!("{name}.lock")))?.ok_or_else(runs)?;
        let path = rules.kept.join(name);
        let note = regular::read(&path, MAX_FRAME as u64).ok();
        Ok(Self { note: note.and_then(|json| serde_json::from_slice(&json).ok()), path, _lock: lock })
    }

    /// The operation as it is to be done: it goes on only where it has begun, and with what it began with. What has
    /// not begun, or has ended and its result is there, begins anew, and its window and vetoes are asked.
    ///
    /// # Errors
    /// It has gone on too often.
    pub(super) fn as_begun(&self, op: &HelperOp) -> Result<HelperOp, Failure> {
        match &self.note {
            Some(note) if op.resumed && note.is_open() => match note.times {
                MOST_TIMES.. => Err(Failure::refused(format!("it has gone on {MOST_TIMES} times"))),
                _ => Ok(HelperOp { input: note.input.clone(), ..op.clone() }),
            },
            _ => Ok(HelperOp { resumed: false, ..op.clone() }),
        }
    }

    /// Notes that the EXEC begins, or goes on once more; it is on disk when this returns.
    ///
    /// # Errors
    /// The file system's: then it must not begin, as it could not go on.
    pub(super) fn begins(&mut self, op: &HelperOp, rules: &Rules) -> io::Result<()> {
        let before = self.note.as_ref().filter(|_| op.resumed);
        let times = before.map_or(0, |note| note.times.saturating_add(1));
        let note = Note { input: op.input.clone(), times, ended: None };
        make_room(&rules.kept, &self.path)?;
        self.write(&note)?;
        self.note = Some(note);
        Ok(())
    }

    /// Notes that the EXEC has ended, if it was noted that it had begun.
    pub(super) fn ends(&mut self) -> io::Result<()> {
        match self.note.take() {
            Some(note) => self.write(&Note { ended: Some(boot_id()), ..note }),
            None => Ok(()),
        }
    }

    fn write(&self, note: &Note) -> io::Result<()> {
        files::replace(&self.path, &serde_json::to_vec(note)?, 0o600)
    }
}

impl Note {
    /// Whether nobody can know how it ended.
    fn is_open(&self) -> bool {
        self.ended.as_ref().is_none_or(|boot| *boot != boot_id())
    }
}

/// Deletes the oldest notes but `own`, so that there is room for that.
fn make_room(folder: &Path, own: &Path) -> io::Result<()> {
    let mut others: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_note = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX) && !name.ends_with(".lock"));
        if is_note && entry.path() != own {
            let written =
                entry.metadata().and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            others.push((written, entry.path()));
        }
    }
    others.order();
    let surplus = (others.len() + 1).saturating_sub(MOST);
    for (_, path) in others.iter().take(surplus) {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
