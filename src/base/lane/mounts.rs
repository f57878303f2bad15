//! Mounts: what is mounted where, as proc_pid_mountinfo(5) says without asking any of the file systems.

use crate::base::OneByOne as _;
use crate::base::OrderedSet;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use nix::sys::statfs;

/// Virtual file systems, made up by the kernel. They hang name by name, if at all: what is behind one name says nothing
/// of the others. With a number, by which statfs(2) has them: what is written there are requests, not bytes.
const KERNELS: [(&str, Option<statfs::FsType>); 19] = [
    ("autofs", None),
    ("binfmt_misc", None),
    ("bpf", Some(statfs::BPF_FS_MAGIC)),
    ("cgroup", Some(statfs::CGROUP_SUPER_MAGIC)),
    ("cgroup2", Some(statfs::CGROUP2_SUPER_MAGIC)),
    ("configfs", None),
    ("debugfs", Some(statfs::DEBUGFS_MAGIC)),
    ("devpts", None),
    ("devtmpfs", None),
    ("efivarfs", None),
    ("fusectl", None),
    ("hugetlbfs", None),
    ("mqueue", None),
    ("proc", Some(statfs::PROC_SUPER_MAGIC)),
    ("pstore", None),
    ("securityfs", Some(statfs::SECURITYFS_MAGIC)),
    ("sysfs", Some(statfs::SYSFS_MAGIC)),
    ("tmpfs", None),
    ("tracefs", Some(statfs::TRACEFS_MAGIC)),
];

/// File systems of disks whose device number does not say so, as they span several, or lie over others.
const DISKS: [&str; 5] = ["bcachefs", "btrfs", "overlay", "ubifs", "zfs"];

/// The kernel's table of mounts.
const TABLE: &str = "/proc/self/mountinfo";

/// Whether `path` is on a file system where what is written are requests to the kernel. It may block.
pub(crate) fn takes_requests(path: &Path) -> bool {
    let is_one = |kind| KERNELS.iter().any(|(_, known)| *known == Some(kind));
    statfs::statfs(path).is_ok_and(|found| is_one(found.filesystem_type()))
}

/// A mount, as one is told from another: where it is, and a digest of all that the kernel says of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MountEntry {
    pub(crate) at: PathBuf,
    digest: u64,
}

/// The mounts that there are. It may block.
pub(crate) fn mount_entries() -> OrderedSet<MountEntry> {
    let table = std::fs::read(TABLE).unwrap_or_default();
    let entry = |line: &[u8]| {
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        Some(MountEntry { at: mount_point(line)?, digest: hasher.finish() })
    };
    table.split(|byte| *byte == b'\n').filter_map(entry).one_by_one()
}

fn mount_point(line: &[u8]) -> Option<PathBuf> {
    let at = line.split(|byte| *byte == b' ').nth(4)?;
    Some(PathBuf::from(OsString::from_vec(unescaped(at))))
}

/// The table of all mounts.
#[derive(Debug, Default)]
pub(super) struct Mounts(Vec<Mount>);

#[derive(Debug, PartialEq, Eq)]
struct Mount {
    at: PathBuf,
    /// The major and minor number of the device: the same wherever the file system is mounted.
    device: String,
    kernels: bool,
    /// Whether the file system is on a disk of this machine.
    disk: bool,
}

impl Mounts {
    pub(super) fn read() -> Self {
        Self::parse(&std::fs::read(TABLE).unwrap_or_default())
    }

    fn parse(text: &[u8]) -> Self {
        Self(text.split(|byte| *byte == b'\n').filter_map(Mount::parse).collect())
    }

    /// Whether both paths are on one file system, which hangs as a whole: one of a disk, of another computer, or of a
    /// program. That which all is on does not count: nothing would be left.
    pub(super) fn is_one_apart(&self, one: &Path, other: &Path) -> bool {
        let (Some(one), Some(other)) = (self.of(one), self.of(other)) else { return false };
        let root = self.of(Path::new("/"));
        one.device == other.device && !one.kernels && root.is_none_or(|root| root.device != one.device)
    }

    /// Whether the file system of `path` is on a disk of this machine.
    pub(super) fn is_disk(&self, path: &Path) -> bool {
        self.of(path).is_some_and(|mount| mount.disk)
    }

    /// The mount point of the file system of `path`.
    pub(super) fn root(&self, path: &Path) -> PathBuf {
        self.of(path).map_or_else(|| path.to_path_buf(), |mount| mount.at.clone())
    }

    fn of(&self, path: &Path) -> Option<&Mount> {
        let holding = self.0.iter().filter(|mount| path.starts_with(&mount.at));
        // Of those at one place, the last hides the others.
        holding.max_by_key(|mount| mount.at.as_os_str().len())
    }
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let device = String::from_utf8(fields.nth(2)?.to_vec()).ok()?;
        let at = PathBuf::from(OsString::from_vec(unescaped(fields.nth(1)?)));
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        let is = |known: &str| known.as_bytes() == kind;
        // Device numbers of no device begin with 0; a FUSE program behind a block device is a program all the same.
        let disk =
            DISKS.iter().any(|known| is(known)) || !device.starts_with("0:") && !kind.starts_with(b"fuse");
        Some(Self { at, device, kernels: KERNELS.iter().any(|(known, _)| is(known)), disk })
    }
}

/// A field of the mount table with its escapes undone: blanks and the like are three octal digits after a backslash.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match octal {
            Some(byte) => {
                out.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_as_a_whole_is_known_by_its_device_and_its_kind() {
        let mounts = Mounts::parse(
            b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
              23 22 0:21 / /sys rw - sysfs sysfs rw\n\
              24 22 8:1 /data /data rw shared:2 master:1 - ext4 /dev/sda1 rw\n\
              25 22 0:50 / /mnt/a\\040b rw - fuse.sshfs host: rw\n\
              26 22 0:50 /x /srv/bound rw - fuse.sshfs host: rw\n\
              27 22 8:17 / /media/usb rw - vfat /dev/sdb1 rw\nhalf a line",
        );
        let one = |one: &str, other: &str| mounts.is_one_apart(Path::new(one), Path::new(other));
        assert!(one("/mnt/a b/x", "/mnt/a b"));
        assert!(one("/mnt/a b/x", "/srv/bound/y"), "wherever it is mounted");
        assert!(one("/media/usb/x", "/media/usb/y"));
        assert!(!one("/mnt/a b/x", "/mnt/a"));
        assert!(!one("/sys/a", "/sys/b"));
        assert!(!one("/etc/a", "/data/b"), "what all is on");
        assert!(mounts.is_disk(Path::new("/media/usb/x")) && mounts.is_disk(Path::new("/etc")));
        assert!(!mounts.is_disk(Path::new("/mnt/a b/x")) && !mounts.is_disk(Path::new("/sys/a")));
        assert_eq!(mounts.root(Path::new("/mnt/a b/c/d")), Path::new("/mnt/a b"));
        assert!(!Mounts::read().0.is_empty());
        assert!(mount_entries().iter().any(|mount| mount.at == Path::new("/")));
        assert_eq!(mount_point(b"25 22 0:50 / /mnt/a\\040b rw - x y rw"), Some("/mnt/a b".into()));
        assert_eq!(mount_point(b"half a line"), None);
    }
}
