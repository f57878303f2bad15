//! Walking to a file, name by name, as the kernel does: work that says where it goes before it touches that can be kept
//! away.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::rooted::{MOST_LINKS, names};

/// The rest of a walk to a file.
#[derive(Debug)]
pub struct PathWalk {
    at: PathBuf,
    rest: VecDeque<OsString>,
    links: usize,
}

impl PathWalk {
    /// Begins a walk from the root to this absolute path.
    #[must_use]
    pub fn to(path: &Path) -> Self {
        Self { at: PathBuf::from("/"), rest: names(path).collect(), links: 0 }
    }

    /// The place that the walk goes to next; none at its end.
    pub fn next_place(&mut self) -> Option<PathBuf> {
        while self.rest.front()? == ".." {
            self.rest.pop_front();
            self.at.pop();
        }
        self.rest.front().map(|name| self.at.join(name))
    }

    /// Whether the next place is the last one, unless it is a link.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.rest.len() == 1
    }

    /// Goes to the next place, and touches it. Where more than a folder on the way is there, or nothing is: the folder,
    /// and the name in it that leads on, or to the end.
    pub fn step(&mut self) -> Option<(PathBuf, OsString)> {
        let name = self.rest.pop_front()?;
        let next = self.at.join(&name);
        let target = match fs::symlink_metadata(&next) {
            Ok(found) if found.is_symlink() && self.links < MOST_LINKS => fs::read_link(&next).ok(),
            Ok(_) if !self.rest.is_empty() => {
                self.at = next;
                return None;
            }
            _ => None,
        };
        let folder = self.at.clone();
        match target {
            Some(target) => {
                self.links += 1;
                if target.is_absolute() {
                    self.at = PathBuf::from("/");
                }
                names(&target).rev().for_each(|name| self.rest.push_front(name));
            }
            // Who looks will see.
            None => self.rest.clear(),
        }
        Some((folder, name))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_and_what_is_not_there_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        symlink("../a/b/x/y", root.join("a/link")).unwrap();
        symlink(&root, root.join("a/b/round")).unwrap();
        let mut walk = PathWalk::to(&root.join("a/link/z"));
        let mut all = Vec::new();
        let mut decide = Vec::new();
        while let Some(next) = walk.next_place() {
            if next.starts_with(&root) {
                all.push((next.strip_prefix(&root).unwrap().display().to_string(), walk.is_last()));
            }
            decide.extend(walk.step().map(|(folder, name)| folder.strip_prefix(&root).unwrap().join(name)));
        }
        let names = ["", "a", "a/link", "a", "a/b", "a/b/x"].map(|name| (name.to_owned(), false));
        assert_eq!(all, names);
        assert_eq!(decide, [Path::new("a/link"), Path::new("a/b/x")]);
        // The kernel's patience with links is bounded, and so is this.
        symlink("loop", root.join("loop")).unwrap();
        let mut walk = PathWalk::to(&root.join("loop"));
        let mut steps = 0;
        while walk.next_place().is_some() {
            walk.step();
            steps += 1;
        }
        assert_eq!(steps, root.components().count() - 1 + 1 + MOST_LINKS);
    }
}
