//! The file, damaged in every way.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::fixture::{missing, put, unpack};
use super::*;
use crate::store::twin::{Half, PAGE};

/// A folder with a store that has something in each table, and the file as it is.
struct Damaged {
    folder: tempfile::TempDir,
    good: Vec<u8>,
}

impl Damaged {
    fn new(clean: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        unpack(folder.path());
        let store = Store::open(folder.path()).unwrap().store;
        store.commit_blocking(&[Change::Clock(1_790_000_002)]).unwrap();
        let path = folder.path().join("store.redb");
        let good = if clean {
            drop(store);
            std::fs::read(&path).unwrap()
        } else {
            // As it is where the process is killed now.
            std::fs::read(&path).unwrap()
        };
        Self { folder, good }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.redb")
    }

    /// The pages of the file that are not empty.
    fn pages(&self) -> Vec<usize> {
        let pages = self.good.chunks(PAGE).enumerate();
        pages.filter(|(_, page)| page.iter().any(|&byte| byte != 0)).map(|(number, _)| number).collect()
    }

    /// Opens what `damage` makes of the file: what had to make way, and what is missing.
    fn opened(&self, damage: impl Fn(&mut Vec<u8>)) -> (Option<SetAside>, Vec<&'static str>) {
        for entry in self.folder.path().read_dir().unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let mut bytes = self.good.clone();
        damage(&mut bytes);
        put(&self.path(), &bytes);
        let opened = Store::open(self.folder.path()).unwrap();
        let missing = missing(&opened.store);
        opened.store.commit_blocking(&[Change::Clock(1)]).unwrap();
        drop(opened.store);
        assert_eq!(Store::open(self.folder.path()).unwrap().set_aside, None, "it is sound from now on");
        (opened.set_aside, missing)
    }
}

fn zero(page: usize) -> impl Fn(&mut Vec<u8>) {
    move |file: &mut Vec<u8>| file[page * PAGE..].iter_mut().take(PAGE).for_each(|byte| *byte = 0)
}

#[test]
fn no_page_is_missed() {
    for clean in [true, false] {
        let damaged = Damaged::new(clean);
        for page in damaged.pages() {
            let (aside, missing) = damaged.opened(zero(page));
            assert_eq!(missing, [""; 0], "page {page} zeroed, clean: {clean}");
            assert!(aside.is_some() || !clean, "page {page}");
            let (_, missing) = damaged.opened(|file| file[page * PAGE] ^= 0xff);
            assert_eq!(missing, [""; 0], "page {page} flipped, clean: {clean}");
        }
        assert_eq!(damaged.opened(|_| ()), (None, vec![]), "clean: {clean}");
    }
}

#[test]
fn a_file_that_was_cut_off_has_one_whole_copy() {
    let damaged = Damaged::new(true);
    let (aside, missing) = damaged.opened(|file| file.truncate(file.len() / PAGE * PAGE - PAGE));
    assert!(aside.is_some());
    assert_eq!(missing, [""; 0]);
}

#[test]
fn two_pages_damaged_in_two_copies_are_told_apart() {
    let damaged = Damaged::new(true);
    let second = |page: usize| (Half::Second.at(page as u64 * PAGE as u64) as usize) / PAGE;
    let first = |page: usize| (Half::First.at(page as u64 * PAGE as u64) as usize) / PAGE;
    let used: Vec<usize> = (0..60).filter(|&page| damaged.pages().contains(&first(page))).collect();
    for pair in used.windows(2) {
        let (aside, missing) = damaged.opened(|file| {
            zero(first(pair[0]))(file);
            zero(second(pair[1]))(file);
        });
        assert!(aside.is_some());
        assert_eq!(missing, [""; 0], "{pair:?}");
    }
}

#[test]
fn of_a_page_that_is_damaged_twice_the_rest_is_salvaged() {
    let damaged = Damaged::new(true);
    let pages: BTreeSet<usize> = damaged.pages().into_iter().collect();
    let (mut tried, mut lost) = (0, 0);
    for page in 0..60_u64 {
        let [first, second] =
            [Half::First, Half::Second].map(|half| half.at(page * PAGE as u64) as usize / PAGE);
        if !pages.contains(&first) {
            continue;
        }
        let (aside, missing) = damaged.opened(|file| {
            zero(first)(file);
            zero(second)(file);
            // The agent had met it, and died of it.
            file[64] = 1;
        });
        tried += 1;
        lost += usize::from(missing.len() > 10);
        println!(
            "page {page}: {} missing; {}",
            missing.len(),
            aside.map(|aside| aside.kept).unwrap_or_default()
        );
    }
    println!("{lost} of {tried} are fatal");
    assert!(lost * 2 < tried, "{lost} of {tried}");
}

#[test]
fn a_file_of_0_1_0_is_salvaged_without_a_second_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    unpack(folder.path());
    let good = std::fs::read(&path).unwrap();
    let (mut tried, mut lost) = (0, 0);
    for (number, page) in good.chunks(PAGE).enumerate() {
        if page.iter().all(|&byte| byte == 0) {
            continue;
        }
        for entry in folder.path().read_dir().unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let mut bytes = good.clone();
        zero(number)(&mut bytes);
        put(&path, &bytes);
        let opened = Store::open(folder.path()).unwrap();
        tried += 1;
        lost += usize::from(missing(&opened.store).len() > 10);
    }
    assert!(lost * 2 < tried, "{lost} of {tried}");
}

#[test]
fn a_page_that_is_damaged_while_the_store_is_open_is_found_when_it_is_read() {
    use std::os::unix::fs::FileExt;
    let damaged = Damaged::new(true);
    let store = Store::open(damaged.folder.path()).unwrap().store;
    let file = std::fs::OpenOptions::new().write(true).open(damaged.path()).unwrap();
    for page in damaged.pages().into_iter().filter(|page| *page > 1 && *page < 60) {
        file.write_all_at(&[0x55; 16], (page * PAGE) as u64).unwrap();
    }
    // What redb has in its cache is right still.
    let _ = store.snapshot().and_then(|at| at.subscriptions());
    let _ = store.commit_blocking(&[Change::Clock(1_790_000_002)]);
    assert_eq!(missing(&store), [""; 0]);
}
