//! Walking to a file that somebody else may want to have exchanged: folder by folder, each opened and looked at before
//! the next name is looked up in it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, SYSFS_MAGIC, fstatfs};
use rustix::fs::Dir;

/// The most symbolic links on one way.
const MOST_LINKS: usize = 40;

/// Who may have a hand in what lies on the way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// All is the owner's, root in the program, and writable by nobody else: what is found says what root does. Links
    /// are followed, as they are the owner's too.
    Owners(u32),
    /// Each folder is the owner's, and writable by nobody else, whether by its group or by an access list: what is
    /// found there is what the owner has put there. Links are followed within sysfs and procfs only, and the last name
    /// never is one; in those, whose folders are as the kernel makes them, none is the agent's.
    Files {
        /// The owner of the folders.
        owner: u32,
        /// The agent's user and group.
        agent: (u32, u32),
    },
}

/// Where a path leads: a name in an open folder.
#[derive(Debug)]
pub(super) struct Place {
    /// The folder, opened to look names up in.
    pub(super) folder: OwnedFd,
    /// The name.
    pub(super) name: OsString,
    /// The path, for messages.
    pub(super) path: PathBuf,
    /// Whether it is one of the kernel's own file systems, which take requests.
    pub(super) is_kernels: bool,
}

/// Walks to the last name of an absolute `path`, which need not be there. What is above `from` is not looked at: `/` in
/// the program.
///
/// # Errors
/// A folder on the way is not there, or does not obey the rule.
pub(super) fn walk(path: &Path, from: &Path, rule: Rule) -> io::Result<Place> {
    let below = path.strip_prefix(from).map_err(|_| refused(path, "is no absolute path"))?;
    let mut names: VecDeque<OsString> = VecDeque::new();
    for component in below.components() {
        match component {
            Component::Normal(name) => names.push_back(name.to_owned()),
            _ => return Err(refused(path, "has `..` or `.` in it")),
        }
    }
    let start = || open(from, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    let (mut folder, mut shown, mut links) = (start()?, from.to_path_buf(), 0);
    loop {
        let Some(name) = names.pop_front() else { return Err(refused(path, "is no file")) };
        let found = match fstatat(&folder, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(found) => Some(found),
            Err(nix::Error::ENOENT) if names.is_empty() => None,
            Err(error) => return Err(told(&shown.join(&name), error)),
        };
        let is_link = found.as_ref().is_some_and(|found| kind(found) == SFlag::S_IFLNK);
        let is_kernels = is_kernels(&folder);
        if names.is_empty() && (!is_link || matches!(rule, Rule::Files { .. })) {
            if links > 0 && matches!(rule, Rule::Files { .. }) && !is_kernels {
                return Err(refused(path, "leads out of /sys or /proc by a symbolic link"));
            }
            return Ok(Place { folder, name, path: path.to_path_buf(), is_kernels });
        }
        if is_link {
            links += 1;
            if links > MOST_LINKS {
                return Err(refused(path, "has too many symbolic links"));
            }
            let target = PathBuf::from(readlinkat(&folder, name.as_os_str())?);
            if let Rule::Files { .. } = rule
                && (!is_kernels || target.is_absolute())
            {
                return Err(refused(&shown.join(&name), "is a symbolic link, and not followed"));
            }
            for component in target.components().rev() {
                match component {
                    Component::RootDir => (folder, shown) = (start()?, from.to_path_buf()),
                    Component::CurDir | Component::Prefix(_) => {}
                    Component::ParentDir => names.push_front("..".into()),
                    Component::Normal(name) => names.push_front(name.to_owned()),
                }
            }
            continue;
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        shown.push(&name);
        folder =
            openat(&folder, name.as_os_str(), flags, Mode::empty()).map_err(|error| told(&shown, error))?;
        obeys(&fstat(&folder)?, &shown, rule, self::is_kernels(&folder))?;
    }
}

impl Place {
    /// Opens the file itself to be read; a link at the end is none.
    pub(super) fn open(&self, rule: Rule) -> io::Result<File> {
        // Opening a pipe would wait for its writer, opening a device may do something.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let found = fstatat(&self.folder, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        let found = found.map_err(|error| told(&self.path, error))?;
        if kind(&found) != SFlag::S_IFREG {
            return Err(refused(&self.path, "is no regular file"));
        }
        let file = self.at(flags, 0)?;
        let opened = file.metadata()?;
        if !opened.is_file() || opened.ino() != found.st_ino {
            return Err(refused(&self.path, "has just been exchanged"));
        }
        if let Rule::Owners(_) = rule {
            obeys(&fstat(&file)?, &self.path, rule, false)?;
        }
        Ok(file)
    }

    /// Opens what the name stands for, with these flags; never by a link.
    pub(super) fn at(&self, flags: OFlag, mode: u32) -> io::Result<File> {
        self.open_beside(&self.name, flags, mode)
    }

    /// Opens another name in the same folder.
    pub(super) fn open_beside(&self, name: &OsStr, flags: OFlag, mode: u32) -> io::Result<File> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let opened = openat(&self.folder, name, flags, Mode::from_bits_truncate(mode));
        Ok(opened.map_err(|error| told(&self.path, error))?.into())
    }

    /// The names in the folder.
    pub(super) fn names(&self) -> io::Result<Vec<OsString>> {
        let folder = self.open_beside(OsStr::new("."), OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)?;
        let mut names = Vec::new();
        for entry in Dir::new(folder)? {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Brings to disk that names in the folder have changed.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.open_beside(OsStr::new("."), OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)?.sync_all()
    }
}

/// Whether what was found obeys the rule.
fn obeys(found: &FileStat, path: &Path, rule: Rule, is_kernels: bool) -> io::Result<()> {
    match rule {
        Rule::Files { agent: (user, group), .. } if is_kernels => {
            let by_group = found.st_gid == group && found.st_mode & 0o020 != 0;
            if found.st_uid == user || by_group || found.st_mode & 0o002 != 0 {
                return Err(refused(path, "may be written by the agent: nothing is done there as root"));
            }
        }
        Rule::Owners(owner) | Rule::Files { owner, .. } if found.st_uid != owner => {
            let why = format!("belongs to user {}, and not to root: chown it to root", found.st_uid);
            return Err(refused(path, &why));
        }
        // Where there is an access list, the bits of the group say the most that it gives to anybody.
        Rule::Owners(_) | Rule::Files { .. } if found.st_mode & 0o022 != 0 => {
            return Err(refused(path, "may be written by others than root: chmod go-w"));
        }
        Rule::Owners(_) | Rule::Files { .. } => {}
    }
    Ok(())
}

fn kind(found: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT
}

fn is_kernels(folder: &OwnedFd) -> bool {
    fstatfs(folder.as_fd())
        .is_ok_and(|stat| [SYSFS_MAGIC, PROC_SUPER_MAGIC].contains(&stat.filesystem_type()))
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", path.display()))
}

fn told(path: &Path, error: nix::Error) -> io::Error {
    let kind = io::Error::from(error).kind();
    let why =
        if error == nix::Error::ELOOP { "it is a symbolic link, and not followed" } else { error.desc() };
    io::Error::new(kind, format!("{}: {why}", path.display()))
}
