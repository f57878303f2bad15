//! The results of EXECs, for an agent that asks later: an EXEC may end after the agent that asked for it, or end it.
//!
//! A file is there from an EXEC's beginning, empty and locked; at its end another takes its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, fchown};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::outcome::Failure;
use super::rules::Rules;
use crate::base::Order as _;
use crate::helper_protocol::{ExecEnd, code};

/// The most results that are kept.
const MOST: usize = 256;
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
        if !rules.results.is_dir() {
            fs::create_dir_all(&rules.results)?;
        }
        sweep(&rules.results)?;
        let path = rules.results.join(id);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::new(code::BAD_REQUEST, format!("{id} was executed already"))
            }
            _ => error.into(),
        })?;
        file.lock()?;
        fchown(&file, None, Some(rules.agent.1))?;
        Ok(Self { path, group: rules.agent.1, _locked: file })
    }

    /// Leaves the result.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn leave(self, end: &ExecEnd) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&temporary)?;
        fchown(&file, None, Some(self.group))?;
        file.write_all(&serde_json::to_vec(end)?)?;
        fs::rename(temporary, &self.path)
    }
}

/// Deletes results that nobody can wait for any more, and the oldest where they are too many.
fn sweep(folder: &std::path::Path) -> io::Result<()> {
    let mut ended = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Ok(found) = fs::metadata(&path) else { continue };
        let is_over = File::open(&path).is_ok_and(|file| file.try_lock_shared().is_ok());
        if is_over {
            ended.push((found.modified()?, path));
        }
    }
    ended.order();
    let surplus = (ended.len() + 1).saturating_sub(MOST);
    let now = SystemTime::now();
    for (at, (modified, path)) in ended.into_iter().enumerate() {
        let is_old = now.duration_since(modified).is_ok_and(|age| age > KEPT_FOR);
        if at < surplus || is_old {
            // Somebody else may have been there first.
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}
