//! The places that decide what a file or folder is: what of which folders is to be watched, found by looking at file
//! systems.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use nix::sys::inotify::AddWatchFlags;

use crate::backend::Dependencies;
use crate::base::OrderedSet;
use crate::base::lane::PathWalk;

/// The most files and folders that are watched for one.
pub(super) const MOST_PLACES: usize = 512;

/// The most levels of a tree's folders that are watched.
const MOST_DEPTH: usize = 3;

/// The events in a folder that can change a value.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_MODIFY)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_DELETE)
    .union(GONE);
/// The events of the folder itself.
pub(super) const GONE: AddWatchFlags = AddWatchFlags::IN_DELETE_SELF.union(AddWatchFlags::IN_MOVE_SELF);

/// The flag that adds to what is told of a folder that is watched already; nix has no name for it.
const MASK_ADD: AddWatchFlags = AddWatchFlags::from_bits_retain(nix::libc::IN_MASK_ADD);

/// A place that is watched: what of which folder that exists.
pub(super) type WatchedPlace = (PathBuf, What);

/// The test whether a path may be touched.
pub(super) type May<'m> = &'m dyn Fn(&Path) -> bool;

/// The part of a folder that somebody wants to know of. That the folder itself goes or moves concerns everybody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// A change of the folder itself alone.
    Itself,
    /// The entry of this name in it, or that will be.
    Name(OsString),
    /// All entries in it.
    All,
}

impl What {
    /// The events that the kernel is to tell. What somebody else wants of the same folder stays.
    pub(super) fn mask(&self) -> AddWatchFlags {
        let events = if *self == Self::Itself { GONE } else { CHANGES };
        events | AddWatchFlags::IN_ONLYDIR | MASK_ADD
    }

    pub(super) fn is_at(&self, name: &OsStr) -> bool {
        match self {
            Self::Itself => false,
            Self::Name(wanted) => wanted == name,
            Self::All => true,
        }
    }
}

/// The places to be watched, and whether that is all there is.
pub(super) fn places_of(dependencies: &Dependencies, may: May<'_>) -> (OrderedSet<WatchedPlace>, bool) {
    let (mut places, mut all) = (OrderedSet::new(), true);
    for file in &dependencies.files {
        all &= on_the_way(file, &mut places, may);
    }
    for folder in &dependencies.folders {
        let there = on_the_way(folder, &mut places, may);
        all &= there;
        if there && folder.is_dir() {
            places.insert((folder.clone(), What::All));
        }
    }
    for folder in &dependencies.trees {
        let there = on_the_way(folder, &mut places, may);
        all &= there && in_the_tree(folder, MOST_DEPTH, &mut places, may);
    }
    (places, all)
}

/// Adds a folder of a tree, if it is one, and those in it. False where one may not be looked at.
fn in_the_tree(folder: &Path, depth: usize, places: &mut OrderedSet<WatchedPlace>, may: May<'_>) -> bool {
    if !folder.is_dir() || places.len() > MOST_PLACES {
        return true;
    }
    places.insert((folder.to_owned(), What::All));
    // One that can't be listed has nothing in it for whoever reads it.
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut all = true;
    for path in entries.map(|entry| entry.path()) {
        all &= may(&path) && (depth == 0 || in_the_tree(&path, depth - 1, places, may));
    }
    all
}

/// Adds the places that decide which file `path` is: each folder and symbolic link on the way, and the file itself, or
/// the first name that is not there. False where it may not be looked at.
fn on_the_way(path: &Path, places: &mut OrderedSet<WatchedPlace>, may: May<'_>) -> bool {
    let mut walk = PathWalk::to(path);
    while let Some(next) = walk.next_place() {
        if !may(&next) {
            return false;
        }
        places.insert(match walk.step() {
            None => (next, What::Itself),
            Some((folder, name)) => (folder, What::Name(name)),
        });
    }
    true
}
