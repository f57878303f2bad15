//! The file, damaged in every way.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::fixture::{missing, put, unpack};
use super::*;
use crate::store::open;
use crate::store::reader::Reader;
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
            let (aside, missing) = damaged.opened(|file| file[page * PAGE] ^= 0xff);
            assert_eq!(missing, [""; 0], "page {page} flipped, clean: {clean}");
            assert!(aside.is_some() || !clean, "page {page}");
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
fn what_somebody_appended_is_none_of_ours() {
    for clean in [true, false] {
        let damaged = Damaged::new(clean);
        for more in [1, 100, PAGE - 1, PAGE, PAGE + 1, 5_000, 262_144, 262_145, 1 << 20, (1 << 20) + 1] {
            for byte in [0, b'\n'] {
                let (_, missing) = damaged.opened(|file| file.resize(file.len() + more, byte));
                assert_eq!(missing, [""; 0], "{more} more, clean: {clean}");
            }
        }
    }
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

/// What can be in a header in use: magic, flags, geometry, both commit slots.
const HEADER: usize = 320;

#[test]
fn a_byte_of_the_header_of_a_file_of_0_1_0_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    unpack(folder.path());
    let good = std::fs::read(&path).unwrap();
    // The magic is what a file of 0.1.0 is known by; the rest has a second copy of nothing.
    for at in 9..HEADER {
        for entry in folder.path().read_dir().unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let mut bytes = good.clone();
        bytes[at] ^= 0xff;
        put(&path, &bytes);
        let store = Store::open(folder.path()).unwrap().store;
        let missing = missing(&store);
        // The commit before the fixture's last one lacks no more than that one's change.
        assert!(missing.len() <= 1, "byte {at}: {missing:?}");
    }
}

#[test]
fn a_header_that_is_damaged_in_both_copies_costs_no_more_than_the_last_commit() {
    let damaged = Damaged::new(true);
    let [first, second] = [Half::First, Half::Second].map(|half| usize::try_from(half.at(0)).unwrap());
    for at in (0..HEADER).step_by(3) {
        for both in [[at, at], [at, (at + 130) % HEADER]] {
            let (aside, missing) = damaged.opened(|file| {
                file[first + both[0]] ^= 0xff;
                file[second + both[1]] ^= 0xff;
                // The agent had met it, and died of it.
                file[64] = 1;
            });
            assert!(missing.len() <= 1, "{both:?}: {missing:?}, {aside:?}");
        }
    }
}

/// A program in place of ours, to be asked about a store.
fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("program");
    put(&path, format!("#!/bin/sh\n{script}\n").as_bytes());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[test]
fn whoever_reads_for_ever_is_waited_for_once_for_all() {
    let damaged = Damaged::new(false);
    let elsewhere = tempfile::tempdir().unwrap();
    // It does what our alarm does, and no more.
    let slow = program(elsewhere.path(), "exec sleep $2");
    let mut bytes = damaged.good.clone();
    for page in damaged.pages().into_iter().filter(|page| (1..6).contains(page)) {
        zero(page)(&mut bytes);
    }
    put(&damaged.path(), &bytes);
    let begun = Instant::now();
    let open::OpenedFile { database, set_aside: aside, .. } =
        open::open(&damaged.path(), &Reader::of(slow, 3, 5)).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(aside.unwrap().kept.contains("factory state"));
    drop(database);
}

#[test]
fn what_nobody_could_be_asked_about_stays() {
    let damaged = Damaged::new(false);
    let elsewhere = tempfile::tempdir().unwrap();
    let killed = program(elsewhere.path(), "kill -KILL $$");
    for reader in [Reader::of("/nonexistent".into(), 9, 9), Reader::of(killed, 9, 9)] {
        put(&damaged.path(), &damaged.good);
        let refused = open::open(&damaged.path(), &reader);
        assert!(matches!(refused, Err(StoreError::File { .. })), "{refused:?}");
        assert_eq!(damaged.folder.path().read_dir().unwrap().count(), 1);
    }
    assert_eq!(damaged.opened(|_| ()), (None, vec![]));
}

#[test]
fn whoever_reads_holds_no_lock_and_can_write_nothing() {
    let damaged = Damaged::new(false);
    let elsewhere = tempfile::tempdir().unwrap();
    let told = elsewhere.path().join("told");
    // Ours is locked by us: a lock of its own it can't have; and it is not open for writing.
    let script = format!(
        "grep -q '^flags:.*[02468]$' /proc/self/fdinfo/0 && echo read >> {0}\n\
         grep -q '^lock:' /proc/self/fdinfo/0 && echo locked >> {0}\nexit 0",
        told.display()
    );
    let reader = Reader::of(program(elsewhere.path(), &script), 9, 9);
    let mut bytes = damaged.good.clone();
    zero(70)(&mut bytes);
    put(&damaged.path(), &bytes);
    drop(open::open(&damaged.path(), &reader).unwrap());
    let told = std::fs::read_to_string(told).unwrap();
    assert!(told.lines().count() > 1 && told.lines().all(|line| line == "read"), "{told}");
}

#[test]
fn whoever_is_in_a_hurry_does_not_wait_for_a_file_that_is_being_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    let failed = || {
        let failed = |_: &redb::Database| Err::<(), _>(StoreError::Database(redb::Error::PreviousIo));
        assert!(store.file.with(Pace::Hurried, failed).is_err());
    };
    failed();
    // Somebody reads, and does not end: whoever opens it again waits for him.
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (end, is_to_end) = std::sync::mpsc::channel::<()>();
    let is_to_end = std::sync::Mutex::new(is_to_end);
    assert!(store.snapshot().is_ok());
    std::thread::scope(|scope| {
        let store = &store;
        scope.spawn(move || {
            let works = |_: &redb::Database| {
                begun.send(()).unwrap();
                is_to_end.lock().unwrap().recv().unwrap();
                Ok(())
            };
            store.file.with(Pace::Patient, works).unwrap();
        });
        has_begun.recv().unwrap();
        failed();
        let asked = Instant::now();
        for _ in 0..100 {
            assert!(matches!(store.snapshot(), Err(StoreError::Opening(_))));
        }
        assert!(asked.elapsed() < Duration::from_secs(10), "once, not each time: {:?}", asked.elapsed());
        end.send(()).unwrap();
    });
    let again = Instant::now();
    while store.snapshot().is_err() {
        assert!(again.elapsed() < Duration::from_secs(30));
        std::thread::park_timeout(Duration::from_millis(10));
    }
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
