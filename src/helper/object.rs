//! The management object of a request, read from files that only root can have written.

use std::cell::Cell;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::outcome::Failure;
use super::rules::Rules;
use super::walk::{Place, Rule, walk};
use crate::base::regular::{self, ReadError};
use crate::helper_protocol::{code, hex};
use crate::mo::ManagementObject;
use crate::mo::load::{FolderFiles, files_digest, object_of};
use crate::spanned::Problems;

/// The largest mapping file, in bytes.
const LARGEST: u64 = 1 << 20;

/// A folder of root's, open.
struct OfRoot<'a> {
    folder: PathBuf,
    open: Place,
    rules: &'a Rules,
    /// Whether a file of it can't be trusted.
    is_refused: Cell<bool>,
}

/// Reads the object of this folder, if its files are those of this digest.
///
/// # Errors
/// It is not there, can't be trusted, is wrong, or is another one by now.
pub(super) fn read(folder: &str, sha256: &str, rules: &Rules) -> Result<Arc<ManagementObject>, Failure> {
    find(folder, Some(sha256), rules)
}

/// Reads the object of this folder, as it is now.
///
/// # Errors
/// It is not there, can't be trusted, or is wrong.
pub(super) fn current(folder: &str, rules: &Rules) -> Result<Arc<ManagementObject>, Failure> {
    find(folder, None, rules)
}

fn find(folder: &str, sha256: Option<&str>, rules: &Rules) -> Result<Arc<ManagementObject>, Failure> {
    if folder.is_empty() || folder.starts_with('.') || folder.contains(['/', '\0']) {
        return Err(Failure::not_found(format!("{folder:?} is no name of an object's folder")));
    }
    let mut missing = Failure::not_found(format!("there is no object {folder}"));
    for objects in rules.objects.iter().rev() {
        let path = objects.join(folder);
        // A name in a folder: the walk opens that.
        let open = match walk(&path.join("-"), &rules.root, rules.owners()) {
            Ok(open) => open,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                missing = error.into();
                break;
            }
        };
        let of_root = OfRoot { folder: path.clone(), open, rules, is_refused: Cell::new(false) };
        let mut problems = Problems::default();
        let object = object_of(&path, &of_root, &mut problems);
        let Some(object) = object else {
            // What the agent has loaded could be read: it is another one, unless it has not changed.
            let is_another = !of_root.is_refused.get()
                && of_root
                    .plain_digest()
                    .is_some_and(|digest| sha256.is_some_and(|told| hex(&digest) != told));
            let code = if is_another { code::STALE } else { code::REFUSED };
            return Err(Failure::new(code, problems.to_string().trim_end()));
        };
        if sha256.is_some_and(|told| hex(&object.files_digest) != told) {
            let why = format!("{} is another one than the agent has loaded", path.display());
            return Err(Failure::new(code::STALE, why));
        }
        return Ok(Arc::new(object));
    }
    Err(missing)
}

impl OfRoot<'_> {
    /// The digest of a folder whose mapping describes its nodes itself, as [`ManagementObject::files_digest`] is made.
    fn plain_digest(&self) -> Option<[u8; 32]> {
        let name = Path::new(self.folder.file_name()?).with_extension("toml");
        Some(files_digest(&self.read(&name, LARGEST).ok()?))
    }
}

impl FolderFiles for OfRoot<'_> {
    fn names(&self) -> io::Result<Vec<OsString>> {
        self.open.names()
    }

    fn read(&self, name: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        let read = read_file(&self.folder.join(name), limit, self.rules);
        if matches!(&read, Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::PermissionDenied) {
            self.is_refused.set(true);
        }
        read
    }
}

/// Reads a file of root's.
fn read_file(path: &Path, limit: u64, rules: &Rules) -> Result<Vec<u8>, ReadError> {
    let file = walk(path, &rules.root, rules.owners())?.open(rules.owners())?;
    regular::read_open(file, limit)
}

/// Checks that a program is root's, and can't be exchanged.
///
/// # Errors
/// It is not.
pub(super) fn check_program(path: &str, rules: &Rules) -> Result<(), Failure> {
    if !path.starts_with('/') {
        return Err(Failure::refused(format!("{path:?}: `run` must begin with an absolute path")));
    }
    let rule: Rule = rules.owners();
    walk(Path::new(path), &rules.root, rule)?.open(rule)?;
    Ok(())
}
