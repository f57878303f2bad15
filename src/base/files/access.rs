//! The access rights and other attributes of a file: owner, mode, extended attributes. Access control lists are among
//! the latter.

use crate::base::Order as _;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use rustix::fs::{XattrFlags, flistxattr, fremovexattr, fsetxattr, getxattr, listxattr};
use rustix::io::Errno;

/// The kernel's own bound of a list of attribute names, and of an attribute's value.
const LARGEST: usize = 64 << 10;
/// Extended attributes that describe the content, and are not true of another.
const OF_CONTENT: [&[u8]; 4] =
    [b"security.capability", b"security.ima", b"security.evm", b"security.apparmor"];

/// The attributes of a file that are kept when its content is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The permission bits.
    pub mode: u32,
    /// The user and the group of the file; none: those of the process that makes it.
    pub owner: Option<(u32, u32)>,
    /// The extended attributes, by name; none: those that the file has anyway.
    pub attributes: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

impl Access {
    /// The attributes of a new file of this mode.
    pub(crate) fn new(mode: u32) -> Self {
        Self { mode: mode & 0o7777, owner: None, attributes: None }
    }

    /// The attributes of the file at `path`.
    ///
    /// # Errors
    /// Any of the file system's.
    pub fn of(path: &Path, found: &Metadata) -> io::Result<Self> {
        Ok(Self {
            mode: found.mode() & 0o7777,
            owner: Some((found.uid(), found.gid())),
            attributes: Some(attributes(path)?),
        })
    }

    /// The size of the attributes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter().flatten();
        16 + attributes.map(|(name, value)| 8 + name.len() + value.len()).sum::<usize>()
    }

    /// Whether two files, one with `self` and one with `other`, have the same attributes, as far as both are known.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.mode == other.mode
            && (self.owner.is_none() || other.owner.is_none() || self.owner == other.owner)
            && (self.attributes.is_none()
                || other.attributes.is_none()
                || self.attributes == other.attributes)
    }

    /// Gives these attributes to a file.
    pub(crate) fn give(&self, file: &File) -> io::Result<()> {
        let now = file.metadata()?;
        if let Some((user, group)) = self.owner
            && (user, group) != (now.uid(), now.gid())
        {
            fchown(file, Some(user), Some(group))?;
        }
        file.set_permissions(Permissions::from_mode(self.mode))?;
        let Some(wanted) = &self.attributes else { return Ok(()) };
        // A folder may give what is made in it a list of its own.
        for name in names(|list| flistxattr(file, list))? {
            if name.starts_with(b"system.") && wanted.iter().all(|(known, _)| *known != name) {
                let _ = fremovexattr(file, name.as_slice());
            }
        }
        for (name, value) in wanted {
            match fsetxattr(file, name.as_slice(), value, XattrFlags::empty()) {
                Ok(()) => {}
                // The system's own are given by its own rules, to whom they allow it.
                Err(error) if !name.starts_with(b"user.") && !name.starts_with(b"system.") => {
                    log::debug!("{} is not kept: {error}", String::from_utf8_lossy(name));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn attributes(path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut all = Vec::new();
    for name in names(|list| listxattr(path, list))? {
        if OF_CONTENT.contains(&name.as_slice()) {
            continue;
        }
        let mut value = vec![0; LARGEST];
        match getxattr(path, name.as_slice(), &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                all.push((name, value));
            }
            // Gone meanwhile, or not for everybody to see.
            Err(Errno::NODATA | Errno::PERM | Errno::ACCESS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    all.order();
    Ok(all)
}

fn names(list: impl FnOnce(&mut [u8]) -> rustix::io::Result<usize>) -> io::Result<Vec<Vec<u8>>> {
    let mut buffer = vec![0; LARGEST];
    let length = match list(&mut buffer) {
        Err(Errno::NOTSUP | Errno::NOSYS) => 0,
        other => other?,
    };
    let listed = buffer.get(..length).unwrap_or_default();
    Ok(listed.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
}
