//! Files that must survive a power cut.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Replaces what is in the file `path`, or creates it with `mode`: after a power cut it holds the old content or the
/// new one, whole. A file that is there keeps its mode, owner and group; a symbolic link stays, what it points to is
/// replaced.
///
/// # Errors
/// Any of the file system's; the file is then as it was. [`io::ErrorKind::InvalidInput`] if `path` is no regular file.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let target = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_path_buf(),
        other => other?,
    };
    let old = match fs::symlink_metadata(&target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        other => Some(other?),
    };
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let (folder, temporary) = beside(&target)?;
    // Nobody else may read it before it has its owner and mode.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = fill(file, content, old.as_ref(), mode).and_then(|()| fs::rename(&temporary, &target));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

fn fill(mut file: File, content: &[u8], old: Option<&fs::Metadata>, mode: u32) -> io::Result<()> {
    file.write_all(content)?;
    let new = file.metadata()?;
    if let Some(old) = old
        && (old.uid(), old.gid()) != (new.uid(), new.gid())
    {
        fchown(&file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(old.map_or(mode, fs::Metadata::mode) & 0o7777))?;
    file.sync_all()
}

/// Removes what a [`replace`] of `path` that was cut short left beside it. Not while anybody may be replacing it.
///
/// # Errors
/// Any of the file system's; a folder that isn't there holds nothing.
pub fn sweep(path: &Path) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let (Some(folder), Some(prefix)) = (target.parent(), target.file_name().map(temporary_prefix)) else {
        return Ok(());
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// How the name begins of what is about to take the place of the file called `name`.
fn temporary_prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".omadm-");
    prefix
}

/// The folder of `target`, and a name in it that nobody uses.
fn beside(target: &Path) -> io::Result<(PathBuf, PathBuf)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut temporary = temporary_prefix(name);
    temporary.push(format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let temporary = folder.join(temporary);
    Ok((folder, temporary))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_has_the_mode_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        replace(&path, b"s", 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"s");
        assert_eq!(names(folder.path()), ["secret"]);
    }

    #[test]
    fn an_old_file_keeps_mode_and_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("real"), folder.path().join("link"));
        replace(&path, b"old, and longer", 0o640).unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        replace(&link, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        assert_ne!(fs::metadata(&path).unwrap().ino(), inode, "it was written in place");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn what_a_replacement_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", ".a.omadm-1-0", ".a.omadm-77-12", ".b.omadm-1-0", ".a.conf"] {
            replace(&folder.path().join(name), b"x", 0o644).unwrap();
        }
        sweep(&folder.path().join("a")).unwrap();
        sweep(&folder.path().join("no/such/folder")).unwrap();
        assert_eq!(names(folder.path()), [".a.conf", ".b.omadm-1-0", "a", "b"]);
    }

    #[test]
    fn what_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        assert_eq!(
            replace(&folder.path().join("d"), b"x", 0o644).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        replace(&folder.path().join("none/x"), b"x", 0o644).unwrap_err();
        assert_eq!(names(folder.path()), ["d"]);
    }
}
