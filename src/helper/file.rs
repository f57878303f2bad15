//! Files as root reads and writes them: by open folders, never by a link that is not the kernel's own.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::fcntl::{OFlag, renameat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::outcome::Failure;
use super::rules::Rules;
use super::walk::{Place, walk};
use serde::{Deserialize, Serialize};

use crate::backend::{self, Answer};
use crate::base::files::Access;
use crate::base::regular::{self, ReadError};

/// The most bytes of a file.
const MOST: u64 = 1 << 20;
/// The mode of a file that a mapping makes.
const NEW: u32 = 0o644;

/// Reads a value's file, and answers as the agent would of one that it reads itself.
pub(super) fn read(path: &str, rules: &Rules) -> Result<Answer<Vec<u8>>, Failure> {
    let (is_kernels, read) = match at(path, rules) {
        Ok(place) => (place.is_kernels, found(&place, rules)),
        Err(error) => (false, Err(error)),
    };
    match read {
        Ok(Some((content, _))) => Ok(Answer::Value(content)),
        Ok(None) => Ok(Answer::Absent(format!("{path}: there is none"))),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error.into()),
        Err(error) => Ok(backend::no_content(Path::new(path), error, is_kernels)?),
    }
}

/// Where a path leads.
pub(super) fn at(path: &str, rules: &Rules) -> io::Result<Place> {
    walk(&rules.root.join(path.trim_start_matches('/')), &rules.root, rules.files())
}

/// The content and the attributes of a file; none where there is none.
pub(super) fn found(place: &Place, rules: &Rules) -> io::Result<Option<(Vec<u8>, Access)>> {
    let file = match place.open(rules.files()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let access = access(&file, place)?;
    let content = regular::read_open(&file, MOST).map_err(|error| match error {
        ReadError::TooLarge(_) => io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"),
        other => other.into(),
    })?;
    Ok(Some((content, access)))
}

/// A file as it is at one moment: whoever writes it makes another of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        let changed = (found.ctime(), found.ctime_nsec());
        Ok(Self { device: found.dev(), inode: found.ino(), changed })
    }
}

/// The stamp of a file that is there.
pub(super) fn stamp(place: &Place, rules: &Rules) -> io::Result<Stamp> {
    Stamp::of(&place.open(rules.files())?)
}

/// Makes an empty file where none is; returns it as it was left.
pub(super) fn create(place: &Place) -> io::Result<Stamp> {
    let file = place.at(OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, NEW)?;
    Access::new(NEW).give(&file)?;
    file.sync_all()?;
    place.sync()?;
    Stamp::of(&file)
}

/// Writes a file whole, or not at all: what is there by now keeps its attributes, unless it is given others. The
/// kernel's own take one write. Returns the file as it was left, but for those. `tag` is in the name of the file beside
/// it, by which [`sweep`] finds that.
pub(super) fn write(
    place: &Place,
    content: &[u8],
    access: Option<&Access>,
    tag: &str,
    rules: &Rules,
) -> io::Result<Option<Stamp>> {
    if place.is_kernels {
        let mut file = place.at(OFlag::O_WRONLY | OFlag::O_NOCTTY | OFlag::O_NONBLOCK, 0)?;
        return match file.write(content)? {
            written if written == content.len() => Ok(None),
            _ => Err(io::ErrorKind::WriteZero.into()),
        };
    }
    let kept = match access {
        Some(access) => access.clone(),
        None => match place.open(rules.files()) {
            Ok(old) => self::access(&old, place)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Access::new(NEW),
            Err(error) => return Err(error),
        },
    };
    let temporary = temporary(&place.name, tag);
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    let mut file = place.open_beside(&temporary, flags, 0o600)?;
    let written =
        file.write_all(content).and_then(|()| kept.give(&file)).and_then(|()| file.sync_all()).and_then(
            |()| {
                let (from, to) = (temporary.as_os_str(), place.name.as_os_str());
                Ok(renameat(&place.folder, from, &place.folder, to)?)
            },
        );
    if let Err(error) = written {
        let _ = unlinkat(&place.folder, temporary.as_os_str(), UnlinkatFlags::NoRemoveDir);
        return Err(error);
    }
    place.sync()?;
    Stamp::of(&file).map(Some)
}

/// Removes a file; one that is not there is fine. What a write that was cut short has left beside it goes as well.
pub(super) fn remove(place: &Place) -> io::Result<()> {
    match unlinkat(&place.folder, place.name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(nix::Error::ENOENT) => {}
        Err(error) => return Err(error.into()),
    }
    if place.is_kernels { Ok(()) } else { place.sync() }
}

/// Removes what a write with this tag that was cut short has left beside a file. Nobody else may write with it
/// meanwhile.
pub(super) fn sweep(place: &Place, tag: &str) -> io::Result<()> {
    match unlinkat(&place.folder, temporary(&place.name, tag).as_os_str(), UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(nix::Error::ENOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn temporary(name: &OsStr, end: &str) -> OsString {
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(".omadm-exec-");
    temporary.push(end);
    temporary
}

/// The attributes of an open file, which has no other name that anybody could have given it.
fn access(file: &File, place: &Place) -> io::Result<Access> {
    let found = file.metadata()?;
    if place.is_kernels {
        return Ok(Access { mode: found.mode() & 0o7777, ..Access::default() });
    }
    let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
    Access::of(Path::new(&itself), &found)
}
