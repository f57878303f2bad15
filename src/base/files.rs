//! Files that must survive a power cut.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::statvfs::Statvfs;

mod access;

pub(crate) use access::Access;

/// Replaces what is in the file `path`, or creates it with `mode`: after a power cut it holds the old content or the
/// new one, whole. A file that is there keeps its mode, owner, group and extended attributes; a symbolic link stays,
/// what it points to is replaced.
///
/// A file with several names (hard links) is written in place, so that all of them have the new content: then a power
/// cut may leave a mixture of both, and it is to the caller to know that.
///
/// # Errors
/// Any of the file system's; the file is then as it was, unless it was written in place.
/// [`io::ErrorKind::InvalidInput`] if `path` is no regular file.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    put(path, content, Err(mode))
}

/// Replaces what is in the file `path`, or creates it, as [`replace`] does it, and gives it this `access`.
///
/// # Errors
/// As [`replace`].
pub(crate) fn put_back(path: &Path, content: &[u8], access: &Access) -> io::Result<()> {
    put(path, content, Ok(access))
}

/// Replaces what is in the file `path`, giving it this access or else keeping its own; a new file gets this mode.
fn put(path: &Path, content: &[u8], access: Result<&Access, u32>) -> io::Result<()> {
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
    if old.as_ref().is_some_and(|old| old.nlink() > 1) {
        log::debug!("{} has several names: written in place", target.display());
        return put_in_place(&target, content, access.ok());
    }
    let access = match (access, &old) {
        (Ok(access), _) => access.clone(),
        (Err(_), Some(old)) => Access::of(&target, old)?,
        (Err(mode), None) => Access::new(mode),
    };
    let (folder, temporary) = beside(&target)?;
    // Nobody else may read it before it has its owner and mode.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = fill(file, content, &access).and_then(|()| fs::rename(&temporary, &target));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

fn fill(mut file: File, content: &[u8], access: &Access) -> io::Result<()> {
    file.write_all(content)?;
    access.give(&file)?;
    file.sync_all()
}

fn put_in_place(target: &Path, content: &[u8], access: Option<&Access>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(target)?;
    file.write_all(content)?;
    file.set_len(u64::try_from(content.len()).unwrap_or(u64::MAX))?;
    if let Some(access) = access {
        access.give(&file)?;
    }
    file.sync_all()
}

/// Whether a [`replace`] of `path` writes in place, because the file has several names.
///
/// # Errors
/// Any of the file system's; a file that isn't there has no name.
pub(crate) fn is_in_place(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => Ok(other?.nlink() > 1),
    }
}

/// Removes a file, if it is there.
///
/// # Errors
/// Any of the file system's but that it isn't there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The number of bytes that are free on a disk, to who is not root.
#[allow(clippy::unnecessary_cast, reason = "both have 32 bits on some machines")]
pub(crate) fn free(disk: &Statvfs) -> u64 {
    (disk.blocks_available() as u64).saturating_mul(disk.fragment_size() as u64)
}

/// Removes what a [`replace`] of `path` that was cut short left beside it. Not while anybody may be replacing it.
///
/// # Errors
/// Any of the file system's; a folder that isn't there holds nothing.
pub(crate) fn sweep(path: &Path) -> io::Result<()> {
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

/// The prefix of the temporary names under which [`replace`] writes a new file called `name`.
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
        names.sort_unstable();
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
    fn an_old_file_keeps_its_extended_attributes() {
        use rustix::fs::{XattrFlags, getxattr, setxattr};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"old", 0o640).unwrap();
        // Version 2; the owner rw, user 65534 r, the group r, the mask r, others nothing.
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, may, id) in
            [(1_u16, 6_u16, u32::MAX), (2, 4, 65534), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)]
        {
            list.extend([tag.to_le_bytes(), may.to_le_bytes()].concat());
            list.extend(id.to_le_bytes());
        }
        for (name, value) in [("user.note", b"kept".as_slice()), ("system.posix_acl_access", &list)] {
            setxattr(&path, name, value, XattrFlags::empty())
                .expect("the test's folder has extended attributes");
        }
        let get = |name: &str| {
            let mut value = [0; 256];
            getxattr(&path, name, &mut value[..]).map(|length| value[..length].to_vec())
        };
        replace(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(get("user.note").unwrap(), b"kept");
        assert_eq!(get("system.posix_acl_access").unwrap(), list);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);

        let before = Access::of(&path, &fs::metadata(&path).unwrap()).unwrap();
        fs::remove_file(&path).unwrap();
        put_back(&path, b"old", &before).unwrap();
        assert_eq!(Access::of(&path, &fs::metadata(&path).unwrap()).unwrap(), before);
        assert_eq!(get("user.note").unwrap(), b"kept");
    }

    #[test]
    fn a_file_with_several_names_has_the_new_content_under_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["file", "other"].map(|name| folder.path().join(name));
        replace(&path, b"old, and longer", 0o640).unwrap();
        assert!(!is_in_place(&path).unwrap());
        fs::hard_link(&path, &other).unwrap();
        assert!(is_in_place(&path).unwrap() && !is_in_place(&folder.path().join("none")).unwrap());
        replace(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().ino(), fs::metadata(&other).unwrap().ino());
        assert_eq!(names(folder.path()), ["file", "other"]);
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
