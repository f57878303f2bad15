//! Files below the sysroot, sysfs and procfs included.
//!
//! All that touches one is done on the lane [`FILES`], within its limit: an attribute waits for its device, a network's
//! file system for its server, and either may be gone. What does not answer is *unavailable*.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statfs;
use sha2::{Digest as _, Sha256};

use super::answer::{Answer, MAX_INPUT, Raw};
use super::content::{Content, FileContent};
use super::context::Machine;
use super::dmi;
use super::error::BackendError;
use crate::base::files;
use crate::base::lane::{FILES, PathAccess, takes_requests};
use crate::base::regular::{self, ReadError};
use crate::base::rooted;
use crate::mo::setting::Setting;

/// The mode of a file that a mapping makes: it holds no secrets.
pub(super) const NEW_FILE_MODE: u32 = 0o644;

/// The path on this machine of a mapping's absolute path, links being as they are.
pub(super) fn named(machine: &Machine, path: &str) -> Result<PathBuf, BackendError> {
    let sane = path.starts_with('/') && path.split('/').all(|component| component != "..");
    if !sane {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "a path must be absolute and have no `..`");
        return Err(BackendError::File { path: path.into(), error });
    }
    Ok(machine.sysroot.join(path.trim_start_matches('/')))
}

/// The path on this machine that a mapping's absolute path leads to. Below a sysroot, links lead to what is below it: the
/// machine that it is of would go there too.
pub(super) async fn below(machine: &Machine, path: &str) -> Result<PathBuf, BackendError> {
    followed(machine, path, rooted::follow).await
}

/// [`below`] for what is to be removed: the last name is not followed.
pub(super) async fn below_by_name(machine: &Machine, path: &str) -> Result<PathBuf, BackendError> {
    followed(machine, path, rooted::follow_to_name).await
}

async fn followed(
    machine: &Machine,
    path: &str,
    follow: fn(&Path, &Path) -> io::Result<PathBuf>,
) -> Result<PathBuf, BackendError> {
    let file = named(machine, path)?;
    let root = machine.sysroot.clone();
    if root == Path::new("/") {
        return Ok(file);
    }
    blocking(file, move |file| {
        let failed = |error| BackendError::File { path: file.to_path_buf(), error };
        follow(&root, file.strip_prefix(&root).unwrap_or(file)).map_err(failed)
    })
    .await
}

/// Reads a value's file.
pub(super) async fn read(
    machine: &Machine,
    path: &str,
    privileged: bool,
) -> Result<Answer<Raw>, BackendError> {
    match content(machine, path).await.map_err(|error| error.or_helper(privileged))? {
        Answer::Value(bytes) if dmi::is_placeholder(path, &bytes) => Ok(placeholder(path)),
        answer => Ok(answer.map(Raw::Bytes)),
    }
}

/// The answer of a DMI field that nobody has filled in.
pub(super) fn placeholder<T>(path: &str) -> Answer<T> {
    Answer::Absent(format!("{path}: a placeholder"))
}

/// Reads one setting of a file.
pub(super) async fn setting(
    machine: &Machine,
    path: &str,
    setting: &Setting,
    privileged: bool,
) -> Result<Answer<Raw>, BackendError> {
    let bytes = match content(machine, path).await.map_err(|error| error.or_helper(privileged))? {
        Answer::Value(bytes) => bytes,
        Answer::Absent(why) => return Ok(Answer::Absent(why)),
        Answer::Unavailable(why) => return Ok(Answer::Unavailable(why)),
    };
    setting_of(&bytes, path, setting)
}

/// The setting of a file whose content somebody has read.
pub(super) fn setting_of(content: &[u8], path: &str, setting: &Setting) -> Result<Answer<Raw>, BackendError> {
    let failed = |error| BackendError::Setting { path: path.into(), setting: setting.to_string(), error };
    Ok(match setting.read(content).map_err(failed)? {
        Some(text) => Answer::Value(Raw::Text(text)),
        None => Answer::Absent(format!("{path}: no {setting}")),
    })
}

/// The content of a file.
pub(super) async fn content(machine: &Machine, path: &str) -> Result<Answer<Vec<u8>>, BackendError> {
    let read = async { blocking(below(machine, path).await?, content_now).await };
    match read.await {
        Err(stuck @ BackendError::Stuck { .. }) => Ok(Answer::Unavailable(stuck.to_string())),
        other => other,
    }
}

/// The content that a file will have when `content` was written to it, while it holds `base` or, where that is none,
/// what it holds on disk. It may block.
pub(crate) fn with(content: FileContent, path: &Path, base: Option<&[u8]>) -> Result<Vec<u8>, BackendError> {
    match content {
        FileContent::Whole(Content::Bytes(bytes)) => Ok(bytes),
        // A text file's last line ends; an attribute takes just the value.
        FileContent::Whole(Content::Text(text)) if text.is_empty() || takes_requests(path) => {
            Ok(text.into_bytes())
        }
        FileContent::Whole(Content::Text(text)) => Ok((text + "\n").into_bytes()),
        FileContent::Setting { setting, value, format } => {
            let loaded = if base.is_none() { settings(path)? } else { Vec::new() };
            let written = setting.write(base.unwrap_or(&loaded), &value, format);
            let setting = setting.to_string();
            written.map_err(|error| BackendError::Setting { path: path.to_path_buf(), setting, error })
        }
    }
}

/// The content of a settings file; nothing where there is none yet.
fn settings(path: &Path) -> Result<Vec<u8>, BackendError> {
    match content_now(path)? {
        Answer::Value(bytes) => Ok(bytes),
        Answer::Absent(_) => Ok(Vec::new()),
        Answer::Unavailable(why) => {
            Err(BackendError::File { path: path.to_path_buf(), error: io::Error::other(why) })
        }
    }
}

/// Writes a file's content: in place where the kernel takes it, else by replacing the file. Where only a setting of it
/// is written and the whole is not what is `expected`, somebody else has changed it.
pub(super) async fn write(
    file: PathBuf,
    content: FileContent,
    expected: Option<[u8; 32]>,
) -> Result<(), BackendError> {
    blocking(file, move |file| {
        let expected = expected.filter(|_| matches!(content, FileContent::Setting { .. }));
        let content = with(content, file, None)?;
        if expected.is_some_and(|expected| <[u8; 32]>::from(Sha256::digest(&content)) != expected) {
            return Err(BackendError::Changed(file.to_path_buf()));
        }
        let written = if takes_requests(file) {
            write_once(file, &content)
        } else {
            files::replace(file, &content, NEW_FILE_MODE)
        };
        written.map_err(|error| BackendError::File { path: file.to_path_buf(), error })
    })
    .await
}

/// Removes a file; one that isn't there is fine.
pub(super) async fn remove(file: PathBuf) -> Result<(), BackendError> {
    blocking(file, |file| {
        remove_now(file).map_err(|error| BackendError::File { path: file.to_path_buf(), error })
    })
    .await
}

/// [`remove`] for a caller that may block. On return it is gone from the disk too.
pub(super) fn remove_now(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Ok(()) => sync_folder(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Syncs the folder of `file`, so that what was made or removed in it is so after a power cut too.
pub(super) fn sync_folder(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(folder) if !takes_requests(folder) => fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Whether others may write to `path`'s file system unseen by this kernel.
pub(super) fn is_elsewhere(path: &Path) -> bool {
    const ELSEWHERE: [statfs::FsType; 3] =
        [statfs::NFS_SUPER_MAGIC, statfs::SMB_SUPER_MAGIC, statfs::FUSE_SUPER_MAGIC];
    statfs::statfs(path).is_ok_and(|stat| ELSEWHERE.contains(&stat.filesystem_type()))
}

/// Does work that touches a file where it blocks nobody, and not for long.
pub(super) async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(&Path) -> Result<T, BackendError> + Send + 'static,
) -> Result<T, BackendError> {
    blocking_from(path, move |path, _| work(path)).await
}

/// Does work as [`blocking()`] does, which goes further than `path`, and says so.
pub(super) async fn blocking_from<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(&Path, &PathAccess<'_>) -> Result<T, BackendError> + Send + 'static,
) -> Result<T, BackendError> {
    let file = path.clone();
    let done = FILES.at(path.clone(), move |access| work(&file, access)).await;
    done.unwrap_or_else(|stuck| Err(BackendError::Stuck { path, stuck }))
}

/// [`content()`] for a caller that may block.
pub(super) fn content_now(path: &Path) -> Result<Answer<Vec<u8>>, BackendError> {
    match try_load(path, MAX_INPUT) {
        Ok(bytes) => Ok(Answer::Value(bytes)),
        Err(ReadError::TooLarge(_)) => {
            Err(BackendError::TooLarge { what: path.display().to_string(), limit: MAX_INPUT })
        }
        Err(error) => no_content(path, error.into(), takes_requests(path)),
    }
}

/// Reads a file whole, on the lane that goes to it.
pub(super) fn try_load(path: &Path, limit: usize) -> Result<Vec<u8>, ReadError> {
    regular::read_entered(path, u64::try_from(limit).unwrap_or(u64::MAX))
}

/// The answer of a file that could not be read, whoever tried; the kernel's own have more words for "no value".
pub(crate) fn no_content(
    path: &Path,
    error: io::Error,
    is_kernels: bool,
) -> Result<Answer<Vec<u8>>, BackendError> {
    let absent = || Ok(Answer::Absent(format!("{}: {error}", path.display())));
    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
        return absent();
    }
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EAGAIN | Errno::EBUSY) => Ok(Answer::Unavailable(format!("{}: {error}", path.display()))),
        // How attributes say that they have no value: a link that is down has no speed.
        Some(
            Errno::EIO
            | Errno::EINVAL
            | Errno::ENODATA
            | Errno::ENODEV
            | Errno::ENXIO
            | Errno::ENETDOWN
            | Errno::EOPNOTSUPP
            | Errno::EREMOTEIO,
        ) if is_kernels => absent(),
        _ => Err(BackendError::File { path: path.to_path_buf(), error }),
    }
}

/// Writes an attribute, which takes one write, whole, without a line's end.
pub(super) fn write_once(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    match file.write(content)? {
        written if written == content.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}
