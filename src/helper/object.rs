//! The management object of a request, read from files that only root can have written.

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
use crate::mo::load::{FolderFiles, object_of};
use crate::spanned::Problems;

/// A folder of root's, open.
struct OfRoot<'a> {
    folder: PathBuf,
    open: Place,
    rules: &'a Rules,
}

/// Reads the object of this folder, if its files are those of this digest.
///
/// # Errors
/// It is not there, can't be trusted, is wrong, or is another one by now.
pub(super) fn read(folder: &str, sha256: &str, rules: &Rules) -> Result<Arc<ManagementObject>, Failure> {
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
        let of_root = OfRoot { folder: path.clone(), open, rules };
        let mut problems = Problems::default();
        let object = object_of(&path, &of_root, &mut problems);
        let object = object.ok_or_else(|| Failure::refused(problems.to_string().trim_end()))?;
        if hex(&object.files_digest) != sha256 {
            let why = format!("{} is another one than the agent has loaded", path.display());
            return Err(Failure::new(code::STALE, why));
        }
        return Ok(Arc::new(object));
    }
    Err(missing)
}

impl FolderFiles for OfRoot<'_> {
    fn names(&self) -> io::Result<Vec<OsString>> {
        self.open.names()
    }

    fn read(&self, name: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        read_file(&self.folder.join(name), limit, self.rules)
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
