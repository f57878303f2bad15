//! An image: a database as it is in a file that may be damaged, to be looked at by redb; nothing is written to the
//! file.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::StorageBackend;

use super::twin::{Half, PAGE, image_length};

/// The magic number that an image begins with; a damaged one is read all the same.
const MAGIC: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";
/// The offsets in the header of the flags, and of what tells the length. See redb's design.
const FLAGS: usize = 9;
const FULL_REGIONS: usize = 24;
const LAST_REGION: usize = 28;
/// The bits of the flags: which commit slot is in force; the file was not closed.
const SECOND_SLOT: u8 = 1;
const UNCLEAN: u8 = 2;
/// The geometry, after the flags: a page's size, a region's header and its most pages, the same in all our files.
const GEOMETRY: (usize, [u32; 3]) = (12, [PAGE as u32, 0, 1 << 20]);
/// The first byte of each commit slot: redb's file format.
const FORMAT: u8 = 3;
/// The offset of the commit slots, the length of one, and the offset in it of the transaction's number.
const SLOTS: usize = 64;
const SLOT: usize = 128;
const NUMBER: usize = 104;

/// The view of a file: which of its bytes are taken for the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// All bytes: a file of version 0.1.0 has one copy.
    Whole,
    /// The bytes of one copy, except for these pages, which are the other one's.
    Half(Half, Vec<u64>),
    /// The bytes of another view, with the header mended as far as it says the same in all files; of both commit slots,
    /// redb takes what is whole.
    Mended(Box<Self>),
}

impl View {
    pub(super) const FIRST: Self = Self::Half(Half::First, Vec::new());
    pub(super) const SECOND: Self = Self::Half(Half::Second, Vec::new());

    pub(super) fn mended(self) -> Self {
        Self::Mended(Box::new(self))
    }
}

/// The most pages written by redb that are kept: its repair writes a few.
const MOST_OVER: usize = (8 << 20) / PAGE;

/// The sign before the name of a view whose header is mended.
const MENDED: char = '+';

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (half, other) = match self {
            Self::Whole => return f.write_str("whole"),
            Self::Mended(view) => return write!(f, "{MENDED}{view}"),
            Self::Half(half, other) => (half, other),
        };
        half.fmt(f)?;
        other.iter().try_for_each(|page| write!(f, ",{page}"))
    }
}

impl FromStr for View {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(view) = text.strip_prefix(MENDED) {
            return Ok(view.parse::<Self>()?.mended());
        }
        let mut parts = text.split(',');
        let half = match parts.next() {
            Some("whole") => return Ok(Self::Whole),
            Some("first") => Half::First,
            Some("second") => Half::Second,
            _ => return Err(()),
        };
        Ok(Self::Half(half, parts.map(|page| page.parse().map_err(|_| ())).collect::<Result<_, ()>>()?))
    }
}

type Page = Box<[u8; PAGE]>;

/// An image of a database. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Image(Arc<ImageState>);

#[derive(Debug)]
struct ImageState {
    file: File,
    view: View,
    mended: bool,
    /// The length of the image, and the pages that redb has written.
    over: Mutex<(u64, HashMap<u64, Page>)>,
    /// Whether the file is in use again, so that nothing may be read of the image.
    retired: AtomicBool,
}

impl Image {
    pub(super) fn new(file: File, view: View) -> io::Result<Self> {
        let physical = file.metadata()?.len();
        let (view, mended) = match view {
            View::Mended(view) => (*view, true),
            view => (view, false),
        };
        let length = if let View::Half(..) = view { image_length(physical) } else { physical };
        let over = Mutex::new((length, HashMap::new()));
        let image = Self(Arc::new(ImageState { file, view, mended, over, retired: AtomicBool::new(false) }));
        // Where the end of the file was lost, it may be the end of one copy alone.
        let told = image.told_length()?;
        let end = match image.0.view {
            View::Half(half, _) if told > length => half.at(told - 1).saturating_add(1),
            _ => u64::MAX,
        };
        if end <= physical {
            image.over().0 = told;
        }
        Ok(image)
    }

    /// Retires the image: others write its file from now on, and nothing can be read of it.
    pub(super) fn retire(&self) {
        self.0.retired.store(true, Ordering::Release);
    }

    /// Whether whoever wrote the database closed it.
    pub(super) fn is_clean(&self) -> bool {
        self.page(0).is_ok_and(|page| flags(&page) & UNCLEAN == 0)
    }

    /// The number of the database's last transaction.
    pub(super) fn last_transaction(&self) -> u64 {
        let Ok(page) = self.page(0) else { return 0 };
        let slot = SLOTS + usize::from(flags(&page) & SECOND_SLOT) * SLOT;
        let number = page.get(slot + NUMBER..).and_then(|rest| rest.first_chunk());
        number.map_or(0, |number| u64::from_le_bytes(*number))
    }

    /// The length that the header tells; nobody has a store of more than one region, which is 4 GiB.
    fn told_length(&self) -> io::Result<u64> {
        let page = self.page(0)?;
        let number =
            |at: usize| page.get(at..).and_then(|rest| rest.first_chunk()).map(|n| u32::from_le_bytes(*n));
        let pages = number(LAST_REGION).filter(|_| number(FULL_REGIONS) == Some(0)).unwrap_or_default();
        Ok((u64::from(pages) + 1) * PAGE as u64)
    }

    fn over(&self) -> std::sync::MutexGuard<'_, (u64, HashMap<u64, Page>)> {
        self.0.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page(&self, number: u64) -> io::Result<Page> {
        if let Some(page) = self.over().1.get(&number) {
            return Ok(page.clone());
        }
        if self.0.retired.load(Ordering::Acquire) {
            return Err(io::Error::other("the file is open again"));
        }
        let offset = number.saturating_mul(PAGE as u64);
        let at = match &self.0.view {
            View::Whole | View::Mended(_) => offset,
            View::Half(half, other) if other.contains(&number) => half.other().at(offset),
            View::Half(half, _) => half.at(offset),
        };
        let mut page = Box::new([0; PAGE]);
        let mut done = 0;
        while let Some(rest) = page.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.0.file.read_at(rest, at + done as u64)? {
                // What is missing at the end is zero.
                0 => break,
                more => done += more,
            }
        }
        if number == 0 {
            page.iter_mut().zip(MAGIC).for_each(|(byte, magic)| *byte = *magic);
            if self.0.mended {
                mend(&mut page);
            }
        }
        Ok(page)
    }

    /// The pages of a range: number, the range in the page, the range in the buffer.
    fn pages(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let at = offset + done as u64;
            let start = usize::try_from(at % PAGE as u64).unwrap_or_default();
            let piece = done..length.min(done + PAGE - start);
            done = piece.end;
            (!piece.is_empty()).then_some((at / PAGE as u64, start, piece))
        })
    }
}

/// Mends the header's page; redb then finds out the rest: how many pages there are, and which slot is whole.
fn mend(page: &mut [u8; PAGE]) {
    let (at, geometry) = GEOMETRY;
    let numbers = geometry.iter().flat_map(|number| number.to_le_bytes());
    page.iter_mut().skip(at).zip(numbers).for_each(|(byte, known)| *byte = known);
    page.iter_mut().skip(SLOTS).step_by(SLOT).take(2).for_each(|byte| *byte = FORMAT);
    if let Some(flags) = page.get_mut(FLAGS) {
        *flags = *flags & SECOND_SLOT | UNCLEAN;
    }
}

fn flags(page: &[u8; PAGE]) -> u8 {
    page.get(FLAGS).copied().unwrap_or_default()
}

/// Whether the file begins as redb's own do.
pub(super) fn is_whole(file: &File) -> bool {
    let mut magic = [0; MAGIC.len()];
    file.read_exact_at(&mut magic, 0).is_ok() && magic == *MAGIC
}

impl StorageBackend for Image {
    fn len(&self) -> io::Result<u64> {
        Ok(self.over().0)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        for (number, start, piece) in Self::pages(offset, out.len()) {
            let page = self.page(number)?;
            let out = out.get_mut(piece).unwrap_or_default();
            out.copy_from_slice(page.get(start..start + out.len()).unwrap_or_default());
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.over().0 = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        for (number, start, piece) in Self::pages(offset, data.len()) {
            let mut page = self.page(number)?;
            let data = data.get(piece).unwrap_or_default();
            page.get_mut(start..start + data.len()).unwrap_or_default().copy_from_slice(data);
            let over = &mut self.over().1;
            if over.len() >= MOST_OVER && !over.contains_key(&number) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            over.insert(number, page);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_told_and_understood() {
        for view in [View::Whole, View::FIRST, View::Half(Half::Second, vec![0, 77]), View::Whole.mended()] {
            assert_eq!(view.to_string().parse(), Ok(view));
        }
        for wrong in ["", "+", "third", "first,x", "first,"] {
            assert_eq!(wrong.parse::<View>(), Err(()));
        }
    }

    #[test]
    fn what_is_written_stays_out_of_the_file() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[7; 9000], 0).unwrap();
        let image = Image::new(file, View::Whole).unwrap();
        image.write(4090, &[1; 20]).unwrap();
        let mut out = [0; 30];
        image.read(4085, &mut out).unwrap();
        assert_eq!((out[4], out[5], out[24], out[25]), (7, 1, 1, 7));
        let mut there = [0; 20];
        image.0.file.read_exact_at(&mut there, 4090).unwrap();
        assert_eq!(there, [7; 20]);
    }
}
