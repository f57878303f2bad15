//! Paths below a root folder that is not this machine's: links lead where they would with that for the root.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;

/// The most symbolic links that are followed, as many as the kernel does.
pub(crate) const MOST_LINKS: usize = 40;

/// Finds where `path`, counted from `root`, leads to: a path without links, which is never outside of `root`. What is not
/// there is as it is written. With this machine's own root, nothing is to be done. It may block.
///
/// # Errors
/// There are too many links, as in a circle.
pub(crate) fn follow(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let (mut at, mut links) = (root.to_path_buf(), 0);
    if root == Path::new("/") {
        at.extend(names(path));
        return Ok(at);
    }
    let mut rest: VecDeque<OsString> = names(path).collect();
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            if at != root {
                at.pop();
            }
            continue;
        }
        let next = at.join(name);
        let Ok(target) = fs::read_link(&next) else {
            at = next;
            continue;
        };
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::ELOOP.into());
        }
        if target.is_absolute() {
            at = root.to_path_buf();
        }
        names(&target).rev().for_each(|name| rest.push_front(name));
    }
    Ok(at)
}

/// Finds where the folder of `path` is, as [`follow`] does, and returns the last name in it, be that a link or not.
///
/// # Errors
/// Those of [`follow`].
pub(crate) fn follow_to_name(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let folder = follow(root, path.parent().unwrap_or(Path::new("")))?;
    Ok(match path.file_name() {
        Some(name) => folder.join(name),
        None => folder,
    })
}

/// The names on a path, `..` among them.
pub(crate) fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_nowhere_but_below_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("usr/share")).unwrap();
        for (target, link) in [
            ("/tmp", "var"),
            ("/usr/share/zone", "localtime"),
            ("../../../../../etc/passwd", "usr/share/up"),
            ("usr/share", "short"),
            ("round", "round"),
            ("/circle/x", "circle"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let leads = |path: &str| {
            follow(root, Path::new(path)).map(|path| path.strip_prefix(root).unwrap().to_owned())
        };
        for (path, expected) in [
            ("/var/lib/x", "tmp/lib/x"),
            ("localtime", "usr/share/zone"),
            ("/usr/share/up", "etc/passwd"),
            ("/short/up/..", "etc"),
            ("/../..", ""),
            ("/none/of/it", "none/of/it"),
        ] {
            assert_eq!(leads(path).unwrap(), Path::new(expected), "{path}");
        }
        for circle in ["/round", "/circle/y"] {
            assert_eq!(leads(circle).unwrap_err().raw_os_error(), Some(Errno::ELOOP as i32), "{circle}");
        }
        assert_eq!(follow_to_name(root, Path::new("/short/up")).unwrap(), root.join("usr/share/up"));
        assert_eq!(follow(Path::new("/"), Path::new("/proc/self/x")).unwrap(), Path::new("/proc/self/x"));
    }
}
