//! The twin file: redb's image of the database, twice.
//!
//! redb knows when a page is damaged, but not what was there, and meets it by a panic. So each byte is written in two
//! places, which one sync covers: of two copies that differ, redb's own checksums tell which is right, and nothing
//! is lost.
//!
//! | at | what |
//! |---|---|
//! | 0 | a page: [`MARK`], and at [`BUSY`] whether the file is open |
//! | 4096 | the first 256 KiB of the image; then the same once more; then the next 256 KiB, twice; … |
//!
//! The copies are further apart than flash is erased at once.

mod heal;

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::base::AtomicU64;

pub(super) use heal::heal;

/// The mark that the file begins with.
const MARK: &[u8] = b"omadm-agent store: redb, twice\n";
/// The offset of the byte that says whether somebody has the file open, or had when he died: 1, and 2 or 3 if only the
/// first or second copy was kept in step.
const BUSY: u64 = 64;
/// The value of that byte where both copies are kept in step.
const IN_STEP: u8 = 1;
/// The size of a page, redb's and ours.
pub(super) const PAGE: usize = 4096;
const HEAD: u64 = 4096;
const STRIPE: u64 = 256 * 1024;
/// The size of the pieces in which both copies are compared and copied.
const CHUNK: usize = 64 * 1024;

/// The number of pages that were read last and are kept. redb's own cache, once full, gives up the very page that it
/// has just read, unless another one happens to be in the same of its 131 parts: then each step into a tree would read
/// both copies anew.
const RECENT: usize = 12;

/// A half of the file: one of the two copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    First,
    Second,
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::First { "first" } else { "second" })
    }
}

impl Half {
    pub(super) fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// The value of the byte at [`BUSY`] where this copy alone is kept in step.
    fn mark(self) -> u8 {
        2 + self as u8
    }

    /// The copy that alone is kept in step, as the byte at [`BUSY`] has it; none: both are.
    fn of_mark(mark: u8) -> Option<Self> {
        [Self::First, Self::Second].into_iter().find(|half| half.mark() == mark)
    }

    /// The offset in the file of a byte of this copy.
    pub(super) fn at(self, offset: u64) -> u64 {
        HEAD + (offset / STRIPE * 2 + self as u64) * STRIPE + offset % STRIPE
    }
}

/// The length of the image in a file of this length. It is made of pages: less than one at the end is none of ours.
pub(super) fn image_length(file: u64) -> u64 {
    let body = file.saturating_sub(HEAD);
    let last = (body % (2 * STRIPE)).saturating_sub(STRIPE);
    body / (2 * STRIPE) * STRIPE + last - last % PAGE as u64
}

/// The length of the file for an image of this length.
pub(super) fn file_length(image: u64) -> u64 {
    image.checked_sub(1).map_or(HEAD, |last| Half::Second.at(last) + 1)
}

/// A file of two copies, as redb's storage.
#[derive(Debug)]
pub(super) struct Twin {
    file: Arc<File>,
    length: AtomicU64,
    /// The byte at [`BUSY`]: says which copy alone is looked at, where the other one could not be brought in step, for
    /// want of room.
    busy: Arc<AtomicU8>,
    /// Whether something could not be written: the copies may differ, and are no damage.
    failed: AtomicBool,
    /// The pages that were read last, the latest at the end, by their offsets.
    recent: Mutex<Vec<(u64, Box<[u8]>)>>,
}

impl Twin {
    /// Takes a twin file that is there, and locked.
    pub(super) fn new(file: File, only: Option<Half>) -> io::Result<Self> {
        let length = AtomicU64::new(image_length(file.metadata()?.len()));
        let busy = only.map_or(IN_STEP, Half::mark);
        file.write_all_at(&[busy], BUSY)?;
        let (file, busy) = (Arc::new(file), Arc::new(AtomicU8::new(busy)));
        Ok(Self { file, length, busy, failed: AtomicBool::new(false), recent: Mutex::default() })
    }

    /// The means to bring the other copy in step later on; none where both are.
    pub(super) fn lagging(&self) -> Option<Lagging> {
        self.only().map(|_| Lagging { file: Arc::clone(&self.file), busy: Arc::clone(&self.busy) })
    }

    fn only(&self) -> Option<Half> {
        Half::of_mark(self.busy.load(Ordering::Acquire))
    }

    /// Makes an empty twin file of an empty file.
    pub(super) fn make(file: File) -> io::Result<Self> {
        file.set_len(HEAD)?;
        file.write_all_at(MARK, 0)?;
        Self::new(file, None)
    }

    /// Fills the file with all that is in the image.
    pub(super) fn fill(&self, image: &dyn StorageBackend) -> io::Result<()> {
        let length = image.len()?;
        self.set_len(length)?;
        let mut chunk = vec![0; CHUNK];
        for (offset, size) in chunks(length) {
            let chunk = chunk.get_mut(..size).unwrap_or_default();
            image.read(offset, chunk)?;
            // What was never written takes no room.
            if chunk.iter().any(|&byte| byte != 0) {
                self.write(offset, chunk)?;
            }
        }
        self.file.sync_all()
    }

    /// The parts of a range that lie within one stripe: offset, and the range in the buffer.
    fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
        let mut done: usize = 0;
        std::iter::from_fn(move || {
            let at = offset + done as u64;
            let left = usize::try_from(STRIPE - at % STRIPE).unwrap_or(usize::MAX);
            let piece = done..length.min(done.saturating_add(left));
            done = piece.end;
            (!piece.is_empty()).then_some((at, piece))
        })
    }

    /// Remembers it where something went wrong.
    fn noting<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.inspect_err(|_| self.failed.store(true, Ordering::Release))
    }

    /// Reads from both copies, which must be the same.
    fn read_both(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let only = self.only();
        let mut second = vec![0; if only.is_some() { 0 } else { out.len() }];
        for (at, piece) in Self::pieces(offset, out.len()) {
            let out = out.get_mut(piece.clone()).unwrap_or_default();
            let half = only.unwrap_or(Half::First);
            self.file.read_exact_at(out, half.at(at))?;
            if let Some(second) = second.get_mut(piece) {
                self.file.read_exact_at(second, Half::Second.at(at))?;
                if out != second {
                    let why = "the two copies of a page are not the same any more";
                    return Err(io::Error::new(ErrorKind::InvalidData, why));
                }
            }
        }
        Ok(())
    }

    fn write_both(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.only() {
            None => {
                self.write_half(Half::First, offset, data)?;
                self.write_half(Half::Second, offset, data)
            }
            Some(half) => {
                self.write_half(half, offset, data)?;
                // It is behind anyway.
                let _ = self.write_half(half.other(), offset, data);
                Ok(())
            }
        }
    }

    /// Fills `page` with the one at this offset, if it was read just now.
    fn recall(&self, offset: u64, page: &mut [u8]) -> bool {
        let mut recent = self.recent();
        let Some(at) = recent.iter().position(|(known, _)| *known == offset) else { return false };
        let found = recent.remove(at);
        page.copy_from_slice(&found.1);
        recent.push(found);
        true
    }

    /// Keeps a page that was read.
    fn remember(&self, offset: u64, page: &[u8]) {
        let mut recent = self.recent();
        if recent.len() >= RECENT {
            recent.remove(0);
        }
        recent.push((offset, page.into()));
    }

    /// Forgets what is at or behind `from`, and before `to`.
    fn forget(&self, from: u64, to: u64) {
        self.recent().retain(|(offset, _)| offset.saturating_add(PAGE as u64) <= from || *offset >= to);
    }

    fn recent(&self) -> MutexGuard<'_, Vec<(u64, Box<[u8]>)>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_half(&self, half: Half, offset: u64, data: &[u8]) -> io::Result<()> {
        for (at, piece) in Self::pieces(offset, data.len()) {
            self.file.write_all_at(data.get(piece).unwrap_or_default(), half.at(at))?;
        }
        Ok(())
    }
}

impl StorageBackend for Twin {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length.load(Ordering::Acquire))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let is_page = out.len() == PAGE;
        if is_page && self.recall(offset, out) {
            return Ok(());
        }
        self.read_both(offset, out)?;
        if is_page {
            self.remember(offset, out);
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.forget(0, u64::MAX);
        let before = self.length.load(Ordering::Acquire);
        if length < before {
            // The first copy's end of the last stripe stays in the file; should the image grow again, it is zero.
            let stale = before.min(length.next_multiple_of(STRIPE)).saturating_sub(length);
            for (offset, size) in chunks(stale) {
                self.noting(self.write_half(Half::First, length + offset, &vec![0; size]))?;
            }
        }
        self.noting(self.file.set_len(file_length(length)))?;
        self.length.store(length, Ordering::Release);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.noting(self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let written = self.noting(self.write_both(offset, data));
        self.forget(offset, offset.saturating_add(data.len() as u64));
        written
    }

    fn close(&self) -> io::Result<()> {
        // What was cut off by a failed write is as after a death: not closed. So is what has only one copy.
        if !self.failed.load(Ordering::Acquire) && self.only().is_none() {
            self.file.write_all_at(&[0], BUSY)?;
        }
        // Snapshots may hold the file for longer; whoever opens it again must not wait for them.
        self.file.unlock()
    }
}

fn chunks(length: u64) -> impl Iterator<Item = (u64, usize)> {
    (0..length).step_by(CHUNK).map(move |offset| {
        let left = usize::try_from(length - offset).unwrap_or(CHUNK);
        (offset, left.min(CHUNK))
    })
}

/// What a look at the file shows, without redb.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TwinLook {
    /// Whether the file begins with the mark.
    pub(super) marked: bool,
    /// Whether whoever had the file open last died of something.
    pub(super) busy: bool,
    /// The copy that alone was kept in step, if there was no room for the other one.
    pub(super) only: Option<Half>,
    /// The first pages of the image whose copies differ, so many as are asked for.
    pub(super) differing: Vec<u64>,
}

impl TwinLook {
    /// Looks at a file for up to `most` pages that differ.
    pub(super) fn at(file: &File, most: usize) -> io::Result<Self> {
        let mut head = [0; PAGE];
        let marked = file.read_exact_at(&mut head, 0).is_ok() && {
            let (mark, rest) = head.split_at(MARK.len());
            let known =
                |(at, &byte): (usize, &u8)| byte == 0 || at + MARK.len() == BUSY as usize && byte <= 3;
            mark == MARK && rest.iter().enumerate().all(known)
        };
        let busy = head.get(BUSY as usize).is_none_or(|&byte| byte != 0);
        let only = head.get(BUSY as usize).and_then(|&mark| Half::of_mark(mark));
        let mut differing = Vec::new();
        let (mut first, mut second) = (vec![0; CHUNK], vec![0; CHUNK]);
        for (offset, size) in chunks(image_length(file.metadata()?.len())) {
            let (first, second) =
                (first.get_mut(..size).unwrap_or_default(), second.get_mut(..size).unwrap_or_default());
            file.read_exact_at(first, Half::First.at(offset))?;
            file.read_exact_at(second, Half::Second.at(offset))?;
            if first == second {
                continue;
            }
            for (page, (first, second)) in first.chunks(PAGE).zip(second.chunks(PAGE)).enumerate() {
                if first != second {
                    if differing.len() == most {
                        return Ok(Self { marked, busy, only, differing });
                    }
                    differing.push(offset / PAGE as u64 + page as u64);
                }
            }
        }
        Ok(Self { marked, busy, only, differing })
    }
}

/// The copy that is behind the other one, for want of room, in a file that is open.
#[derive(Debug)]
pub(super) struct Lagging {
    file: Arc<File>,
    busy: Arc<AtomicU8>,
}

impl Lagging {
    /// Whether the copy is behind still.
    pub(super) fn is_behind(&self) -> bool {
        self.busy.load(Ordering::Acquire) != IN_STEP
    }

    /// Brings the copy in step, while nobody writes to the file. Who reads it meanwhile reads the other one, and both
    /// from then on.
    pub(super) fn catch_up(&self) -> io::Result<()> {
        let Some(whole) = Half::of_mark(self.busy.load(Ordering::Acquire)) else { return Ok(()) };
        heal(&self.file, whole)?;
        self.file.write_all_at(&[IN_STEP], BUSY)?;
        self.busy.store(IN_STEP, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_was_behind_is_brought_in_step_while_the_file_is_open() {
        let twin = Twin::make(tempfile::tempfile().unwrap()).unwrap();
        twin.set_len(2 * STRIPE).unwrap();
        twin.write(STRIPE, b"right").unwrap();
        twin.file.write_all_at(b"w", Half::Second.at(STRIPE)).unwrap();
        assert!(twin.lagging().is_none());
        let twin = Twin::new(twin.file.try_clone().unwrap(), Some(Half::First)).unwrap();
        let look = || TwinLook::at(&twin.file, 9).unwrap();
        let read = || {
            let mut out = [0; 5];
            twin.read(STRIPE, &mut out).map(|()| out)
        };
        assert_eq!((look().only, look().differing.len(), read().unwrap()), (Some(Half::First), 1, *b"right"));
        let lagging = twin.lagging().unwrap();
        assert!(lagging.is_behind());
        lagging.catch_up().unwrap();
        assert!(!lagging.is_behind() && twin.lagging().is_none());
        assert_eq!((look().only, look().differing, read().unwrap()), (None, vec![], *b"right"));
        twin.write(STRIPE, b"later").unwrap();
        assert_eq!((look().differing, read().unwrap()), (vec![], *b"later"));
        // From now on a difference is damage again, and the file is closed like any other.
        twin.file.write_all_at(b"w", Half::Second.at(STRIPE)).unwrap();
        assert_eq!(read().unwrap_err().kind(), ErrorKind::InvalidData);
        twin.close().unwrap();
        assert!(!look().busy);
    }

    #[test]
    fn lengths_and_places_fit_each_other() {
        let page = PAGE as u64;
        for image in [0, page, STRIPE - page, STRIPE, STRIPE + page, 5 * STRIPE, 5 * STRIPE + 7 * page] {
            let file = file_length(image);
            assert_eq!((image_length(file), image_length(file + page - 1)), (image, image));
        }
        assert_eq!((Half::First.at(0), Half::Second.at(0)), (HEAD, HEAD + STRIPE));
        assert_eq!(Half::First.at(STRIPE), HEAD + 2 * STRIPE);
    }

    #[test]
    fn what_is_written_is_read_over_stripes_and_what_was_cut_off_is_zero_when_it_comes_back() {
        let twin = Twin::make(tempfile::tempfile().unwrap()).unwrap();
        twin.set_len(3 * STRIPE).unwrap();
        let data: Vec<u8> = (0..=255).cycle().take(STRIPE as usize + 100).collect();
        twin.write(STRIPE - 50, &data).unwrap();
        let read = |offset, length| {
            let mut out = vec![1; length];
            twin.read(offset, &mut out).map(|()| out)
        };
        assert_eq!(read(STRIPE - 50, data.len()).unwrap(), data);
        twin.set_len(STRIPE + 10).unwrap();
        assert!(read(STRIPE + 10, 1).is_err());
        twin.set_len(2 * STRIPE).unwrap();
        assert_eq!(read(STRIPE + 10, 5000).unwrap(), [0; 5000]);
        assert_eq!(read(STRIPE - 50, 60).unwrap(), data[..60]);
    }

    #[test]
    fn a_copy_that_differs_is_noticed_when_it_is_read_and_at_a_look_and_healed() {
        let twin = Twin::make(tempfile::tempfile().unwrap()).unwrap();
        twin.set_len(2 * STRIPE).unwrap();
        twin.write(STRIPE, b"right").unwrap();
        let page = STRIPE / PAGE as u64;
        twin.file.write_all_at(b"w", Half::Second.at(STRIPE)).unwrap();
        let error = twin.read(STRIPE, &mut [0; 5]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(
            TwinLook::at(&twin.file, 9).unwrap(),
            TwinLook { marked: true, busy: true, only: None, differing: vec![page] }
        );
        assert_eq!(heal(&twin.file, Half::First).unwrap(), 1);
        twin.close().unwrap();
        assert_eq!(
            TwinLook::at(&twin.file, 9).unwrap(),
            TwinLook { marked: true, busy: false, only: None, differing: vec![] }
        );
    }
}
