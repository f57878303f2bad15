//! Bringing the copy in step that is behind the other one.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use nix::sys::statvfs::fstatvfs;

use super::{CHUNK, Half, PAGE, chunks, image_length};
use crate::base::files;

/// The bytes of a disk that a copy which is brought in step leaves free.
const RESERVE: u64 = 256 * 1024;

/// Makes the other copy as this one is, where they differ; on return it is on flash. Returns how many pages did.
///
/// # Errors
/// The disk's; [`ErrorKind::StorageFull`] as well where it would take the room that is left for commits: one copy that
/// can be written is worth more than two that can't.
pub(in crate::store) fn heal(file: &File, from: Half) -> io::Result<usize> {
    heal_within(file, from, fstatvfs(file).ok().map(|disk| files::free(&disk)))
}

/// Does what [`heal`] does, on a disk with so much room; none: nobody knows.
fn heal_within(file: &File, from: Half, room: Option<u64>) -> io::Result<usize> {
    let mut differing: u64 = 0;
    each_difference(file, from, |_, _| {
        differing += 1;
        Ok(())
    })?;
    let metadata = file.metadata()?;
    // What was never written takes room once it is; all the rest is written over.
    let holes = metadata.len().saturating_sub(metadata.blocks().saturating_mul(512));
    let more = holes.min(differing.saturating_mul(PAGE as u64));
    if more > 0 && room.is_some_and(|room| room < more.saturating_add(RESERVE)) {
        return Err(ErrorKind::StorageFull.into());
    }
    each_difference(file, from, |offset, page| file.write_all_at(page, from.other().at(offset)))?;
    file.sync_data()?;
    Ok(usize::try_from(differing).unwrap_or(usize::MAX))
}

/// Shows each page of this copy that the other one has otherwise, with its offset in the image.
fn each_difference(
    file: &File,
    from: Half,
    mut show: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let (mut right, mut other) = (vec![0; CHUNK], vec![0; CHUNK]);
    for (offset, size) in chunks(image_length(file.metadata()?.len())) {
        let (right, other) =
            (right.get_mut(..size).unwrap_or_default(), other.get_mut(..size).unwrap_or_default());
        file.read_exact_at(right, from.at(offset))?;
        file.read_exact_at(other, from.other().at(offset))?;
        if right == other {
            continue;
        }
        let pages = right.chunks(PAGE).zip(other.chunks(PAGE)).zip((offset..).step_by(PAGE));
        for ((right, _), offset) in pages.filter(|((right, other), _)| right != other) {
            show(offset, right)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{STRIPE, file_length};
    use super::*;

    #[test]
    fn a_copy_that_is_brought_in_step_leaves_room_for_commits() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(file_length(2 * STRIPE)).unwrap();
        let page = [7; PAGE];
        for number in [0, 3] {
            file.write_all_at(&page, Half::First.at(number * PAGE as u64)).unwrap();
        }
        let written = || file.metadata().unwrap().blocks();
        let (before, more) = (written(), 2 * PAGE as u64);
        let refused = heal_within(&file, Half::First, Some(RESERVE + more - 1)).unwrap_err();
        assert_eq!((refused.kind(), written()), (ErrorKind::StorageFull, before), "nothing of it is begun");
        assert_eq!(heal_within(&file, Half::First, Some(RESERVE + more)).unwrap(), 2);
        assert_eq!(written(), before + more / 512, "and no page that is the same already");
        // What takes no more room is done on a full disk as well.
        let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
        file.write_all_at(&vec![1; length], 0).unwrap();
        file.write_all_at(&page, Half::First.at(0)).unwrap();
        assert_eq!(heal_within(&file, Half::First, Some(0)).unwrap(), 1);
    }
}
