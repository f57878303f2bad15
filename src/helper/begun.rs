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
use super::rules::Rules;
use crate::base::{Order as _, boot_id, files, regular};
use crate::helper_protocol::{HelperOp, HelperRequest, MAX_FRAME, hex};

/// The most EXECs of which it is noted that they have begun; then the oldest goes, and would begin anew.
const MOST: usize = 16;
/// How often one goes on, at the most.
const MOST_TIMES: u32 = 4;
/// What the names of notes begin with: no record of a change is called so.
const PREFIX: &str = "begun.";

/// The place of the note of an EXEC, and what was found there.
pub(super) struct Begun {
    path: PathBuf,
    note: Option<Note>,
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
    pub(super) fn find(request: &HelperRequest, op: &HelperOp, rules: &Rules) -> Self {
        let subject = (&request.server, &request.folder, &op.node, &op.vars, &op.miid);
        let subject = serde_json::to_vec(&subject).unwrap_or_default();
        let path = rules.kept.join(format!("{PREFIX}{}", hex(&Sha256::digest(subject))));
        let note = regular::read(&path, MAX_FRAME as u64).ok();
        Self { note: note.and_then(|json| serde_json::from_slice(&json).ok()), path }
    }

    /// The operation as it is to be done: it goes on only where it has begun, and with what it began with.
    pub(super) fn as_begun(&self, op: &HelperOp) -> HelperOp {
        match &self.note {
            Some(note) if op.resumed && note.may_go_on() => {
                HelperOp { input: note.input.clone(), ..op.clone() }
            }
            _ => HelperOp { resumed: false, ..op.clone() },
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
        kept::folder(rules)?;
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
    fn may_go_on(&self) -> bool {
        self.times < MOST_TIMES && self.ended.as_ref().is_none_or(|boot| *boot != boot_id())
    }
}

/// Deletes the oldest notes but `own`, so that there is room for that.
fn make_room(folder: &Path, own: &Path) -> io::Result<()> {
    let mut others: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_note = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
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
