//! The results of EXECs, for an agent that asks later: an EXEC may end after the agent that asked for it, or end it.
//!
//! A file is there from an EXEC's beginning, empty and locked; at its end another takes its place.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, fchown,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::OFlag;

use super::outcome::Failure;
use super::rules::Rules;
use crate::base::{Order as _, files};
use crate::helper_protocol::{ExecEnd, code};

/// The most results that are kept.
const MOST: usize = 256;
/// The most bytes of results that are kept: they are in memory.
const MOST_BYTES: u64 = 16 << 20;
/// How long a result is kept.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The place of a result that is to come. Whoever looks finds it locked as long as this is held.
pub(super) struct Pending {
    path: PathBuf,
    group: u32,
    _locked: File,
}

impl Pending {
    /// Takes the place of the result of the request with this id, which nobody has had before.
    ///
    /// # Errors
    /// The id was there already: whatever it was, it is not done again.
    pub(super) fn take(id: &str, rules: &Rules) -> Result<Self, Failure> {
        folder(rules)?;
        if sweep(&rules.results, 0)? >= MOST {
            return Err(Failure::new(code::NOT_NOW, format!("{MOST} EXECs are not over")));
        }
        let path = rules.results.join(id);
        // Nobody else opens it, and could lock it first, before it is locked.
        let flags = OFlag::O_NOFOLLOW.bits();
        let file =
            OpenOptions::new().write(true).create_new(true).custom_flags(flags).mode(0o600).open(&path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::new(code::BAD_REQUEST, format!("{id} was executed already"))
            }
            _ => error.into(),
        })?;
        file.lock()?;
        give(&file, rules.agent.1)?;
        Ok(Self { path, group: rules.agent.1, _locked: file })
    }

    /// Leaves the result.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn leave(self, end: &ExecEnd) -> io::Result<()> {
        let json = serde_json::to_vec(end)?;
        if let Some(folder) = self.path.parent() {
            sweep(folder, json.len() as u64)?;
        }
        let temporary = self.path.with_extension("new");
        let flags = OFlag::O_NOFOLLOW.bits();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).custom_flags(flags).mode(0o600);
        let mut file = options.open(&temporary)?;
        let left = file
            .write_all(&json)
            .and_then(|()| give(&file, self.group))
            .and_then(|()| fs::rename(&temporary, &self.path));
        // On a full disk it would take the room of others.
        left.inspect_err(|_| drop(fs::remove_file(&temporary)))
    }
}

/// Gives a file to the agent, to be read.
fn give(file: &File, group: u32) -> io::Result<()> {
    fchown(file, None, Some(group))?;
    file.set_permissions(Permissions::from_mode(0o640))
}

/// Sees to it that the folder is there, and that only root puts something there.
///
/// # Errors
/// Somebody else may, or it can't be made.
pub(super) fn folder(rules: &Rules) -> io::Result<()> {
    let folder = &rules.results;
    match DirBuilder::new().mode(0o750).create(folder) {
        Ok(()) => chown(folder, None, Some(rules.agent.1))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = fs::symlink_metadata(folder)?;
    if found.is_dir() && found.uid() == rules.owner && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    let why = format!("{} is not root's alone: remove it", folder.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// Deletes results that nobody can wait for any more, and the oldest where they are too many, or would be too large
/// with `more` bytes. Returns how many EXECs are not over. Whether one that has ended is locked does not matter: who
/// may read it may lock it.
fn sweep(folder: &Path, more: u64) -> io::Result<usize> {
    let (mut ended, mut bytes, mut running) = (Vec::new(), more, 0);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        if found.len() == 0 && File::open(&path).is_ok_and(|file| file.try_lock_shared().is_err()) {
            running += 1;
        } else {
            bytes += found.len();
            ended.push((found.modified()?, found.len(), path));
        }
    }
    ended.order();
    let surplus = (ended.len() + 1).saturating_sub(MOST);
    let now = SystemTime::now();
    for (at, (modified, length, path)) in ended.into_iter().enumerate() {
        let is_old = now.duration_since(modified).is_ok_and(|age| age > KEPT_FOR);
        if at < surplus || bytes > MOST_BYTES || is_old {
            bytes = bytes.saturating_sub(length);
            // Somebody else may have been there first.
            files::remove(&path)?;
        }
    }
    Ok(running)
}
