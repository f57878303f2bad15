//! The database file, opened again after the disk had failed it, or a page had been found damaged.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use redb::Database;

use super::error::StoreError;
use super::open::{self, OpenedFile, SetAside};
use super::read::Snapshot;
use super::reader::Reader;
use super::twin::Lagging;
use super::withheld::{self, LastTry, Withheld};
use crate::base::AtomicU64;
use crate::base::journal::id;
use crate::base::said::SaidAt;

/// How long a reader in a hurry waits, once, for a file that is being opened again: mostly that is done at once.
const PATIENCE: Duration = Duration::from_millis(300);

/// The database file. After one failed write, on a full disk say, redb refuses everything, reads too, until the file is
/// opened anew.
#[derive(Debug)]
pub(super) struct DatabaseFile(Arc<FileState>);

#[derive(Debug)]
struct FileState {
    path: PathBuf,
    /// The open database; none: it is to be opened again.
    database: RwLock<Option<Open>>,
    /// Whether its disk has failed the database: nothing can be done with it any more.
    failed: AtomicBool,
    /// The lock of whoever opens the file again.
    opening: Mutex<()>,
    /// The thread that opens the file again for those in a hurry: since when, and what came of it.
    helper: Mutex<Option<Helper>>,
    /// Whether the file was opened, for the first time or again, since anybody asked for that.
    opened: AtomicBool,
    /// Why the disk takes nothing, from the first write that it refused on.
    refused: Mutex<Option<Refusal>>,
    /// What the journal has of a second copy that the file lacks.
    single: Mutex<Single>,
}

/// What the journal has of a second copy that the file lacks. Where room comes and goes, it has that seldom.
#[derive(Debug, Default)]
struct Single {
    is_said: bool,
    said: SaidAt,
}

/// The least time between two lines about a second copy that is lacking.
const SELDOM: Duration = Duration::from_secs(3600);

/// What a disk refused.
#[derive(Debug)]
struct Refusal {
    why: String,
    /// The room that there was, where that was too little: what is small may be taken all the same, now and then.
    room: Option<u64>,
    /// The time of the last write that was refused.
    last: Instant,
}

/// What is more room than there was, and not only a block that something else gave back.
const MORE_ROOM: u64 = 128 * 1024;
/// How long after the last refusal a write that is taken is no exception any more, whatever room there is: what is
/// removed makes room within the file.
const LONG_AFTER: Duration = Duration::from_secs(60);

/// A database that is open.
#[derive(Debug)]
struct Open {
    latest: Latest,
    database: Database,
    /// Why the file itself can't be written now, and what is read in its place.
    withheld: Option<Withheld>,
    /// The copy for which there was no room, and when that was last tried.
    lagging: Option<(Lagging, LastTry)>,
}

impl Open {
    fn new(path: &Path, opened: OpenedFile) -> (Self, Option<SetAside>) {
        let OpenedFile { database, lagging, set_aside } = opened;
        let lagging = lagging.map(|lagging| (lagging, LastTry::now(path)));
        (Self { latest: Latest::default(), database, withheld: None, lagging }, set_aside)
    }

    fn withheld(database: Database, withheld: Withheld) -> Self {
        Self { latest: Latest::default(), database, withheld: Some(withheld), lagging: None }
    }

    /// Makes the second copy again, where there was no room for it and that is worth another try. True if it was made.
    fn catch_up(&self) -> bool {
        let Some((lagging, last_try)) = &self.lagging else { return false };
        if !lagging.is_behind() || !last_try.is_due() {
            return false;
        }
        last_try.again();
        // Nobody else writes until it is given up.
        let Ok(_transaction) = self.database.begin_write() else { return false };
        let caught_up = lagging.catch_up();
        caught_up
            .inspect_err(|error| log::debug!("the store's second copy can't be made yet: {error}"))
            .is_ok()
    }
}

/// The latest snapshot, which all get until something is written: most packages read, and making one costs as much as a
/// read.
#[derive(Debug, Default)]
struct Latest {
    snapshot: Mutex<Option<(u64, Arc<Snapshot>)>>,
    /// The number of writes so far. A snapshot that was begun before the last one is not the latest.
    writes: AtomicU64,
    /// The count of living snapshots: each has a clone.
    readers: Arc<()>,
}

impl Latest {
    fn get(&self, make: impl FnOnce() -> Result<Snapshot, StoreError>) -> Result<Arc<Snapshot>, StoreError> {
        let writes = self.writes.load(Ordering::Acquire);
        if let Some((at, snapshot)) = &*self.lock()
            && *at == writes
            && !snapshot.has_failed()
        {
            return Ok(Arc::clone(snapshot));
        }
        let mut snapshot = make()?;
        snapshot.reader = Some(Arc::clone(&self.readers));
        let snapshot = Arc::new(snapshot);
        *self.lock() = Some((writes, Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    fn has_readers(&self) -> bool {
        Arc::strong_count(&self.readers) > 1
    }

    /// Forgets the snapshot, so that it pins nothing that is to be written over.
    fn forget(&self) {
        drop(self.lock().take());
    }

    fn lock(&self) -> MutexGuard<'_, Option<(u64, Arc<Snapshot>)>> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that opens the file again.
#[derive(Debug)]
struct Helper {
    since: Instant,
    told: Receiver<Result<(), StoreError>>,
}

/// The patience of a reader or writer who finds the file closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Patient: opens the file again, however long that takes; looking at a damaged file takes up to a minute.
    Patient,
    /// Hurried: has the file opened by a thread, and soon goes on without it.
    Hurried,
}

impl DatabaseFile {
    /// Opens the file, or makes it.
    pub(super) fn open(path: &Path) -> Result<(Self, Option<SetAside>), StoreError> {
        let (open, set_aside) = opened(path)?;
        let open_is_single = open.lagging.is_some();
        let state = FileState {
            path: path.to_path_buf(),
            database: RwLock::new(Some(open)),
            failed: AtomicBool::new(false),
            opening: Mutex::default(),
            helper: Mutex::default(),
            opened: AtomicBool::new(true),
            refused: Mutex::default(),
            single: Mutex::default(),
        };
        state.note_copies(open_is_single);
        if let Some(withheld) = state
            .database
            .read()
            .ok()
            .as_deref()
            .and_then(Option::as_ref)
            .and_then(|open| open.withheld.as_ref())
        {
            state.note_refused(&withheld.refusal());
        }
        Ok((Self(Arc::new(state)), set_aside))
    }

    /// Does `work` with the database. One that its disk has failed is opened anew the next time.
    pub(super) fn with<T>(
        &self,
        pace: Pace,
        work: impl Fn(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with_open(pace, |open| work(&open.database))
    }

    /// The latest snapshot, made if need be.
    pub(super) fn latest(
        &self,
        make: impl Fn(&Database) -> Result<Snapshot, StoreError>,
    ) -> Result<Arc<Snapshot>, StoreError> {
        self.with_open(Pace::Hurried, |open| open.latest.get(|| make(&open.database)))
    }

    /// Forgets the latest snapshot, for an agent at rest.
    pub(super) fn forget_latest(&self) {
        // Who has it locked puts another one there.
        if let Ok(Some(open)) = self.0.database.try_read().as_deref() {
            open.latest.forget();
        }
    }

    /// Closes the file and opens it again, where nobody reads from it: what redb has made for its cache, a little for
    /// each page that was ever read, goes. For a caller that may block.
    pub(super) fn renew(&self) {
        {
            let _one_does = self.0.opening.lock().unwrap_or_else(PoisonError::into_inner);
            let mut database = self.0.database.write().unwrap_or_else(PoisonError::into_inner);
            let Some(open) = database.as_ref().filter(|open| open.withheld.is_none()) else { return };
            open.latest.forget();
            if open.latest.has_readers() {
                return;
            }
            *database = None;
        }
        if let Err(error) = self.0.reopen() {
            log::error!("{error}: the store is opened again when it is needed next");
        }
    }

    /// Does `work` that writes to the database, or at least could.
    pub(super) fn write<T>(
        &self,
        work: impl Fn(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.0.try_again();
        let done = self.with_open(Pace::Patient, |open| match &open.withheld {
            Some(withheld) => Err(withheld.refusal()),
            None => {
                open.latest.forget();
                let done = work(&open.database);
                open.latest.writes.fetch_add(1, Ordering::AcqRel);
                done
            }
        });
        match &done {
            Ok(_) => {
                self.0.note_taken();
                self.0.catch_up();
            }
            Err(error) if error.is_withheld() => self.0.note_refused(error),
            Err(_) => {}
        }
        if self.0.failed.load(Ordering::Acquire) && done.as_ref().is_err_and(StoreError::is_withheld) {
            // Who reads next need not wait for it.
            let _ = self.0.reopen();
        }
        done
    }

    fn with_open<T>(
        &self,
        pace: Pace,
        work: impl Fn(&Open) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            if let Some(done) = self.0.when_open(pace, &work) {
                return done;
            }
            match pace {
                Pace::Patient => self.0.reopen()?,
                Pace::Hurried => self.have_it_reopened()?,
            }
        }
    }

    /// Why the disk takes nothing now, if that was so when something was to be written last.
    pub(super) fn refused(&self) -> Option<String> {
        let refused = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().map(|refusal| refusal.why.clone())
    }

    /// Whether the file was opened since this was asked before.
    pub(super) fn was_opened(&self) -> bool {
        self.0.opened.swap(false, Ordering::AcqRel)
    }

    fn have_it_reopened(&self) -> Result<(), StoreError> {
        let mut helper = self.0.helper.lock().unwrap_or_else(PoisonError::into_inner);
        if helper.is_none() {
            let (tell, told) = sync_channel(1);
            let state = Arc::clone(&self.0);
            let work = move || drop(tell.send(state.reopen()));
            let begun = thread::Builder::new().name("store".to_owned()).spawn(work);
            begun.map_err(|source| StoreError::File { path: self.0.path.clone(), source })?;
            *helper = Some(Helper { since: Instant::now(), told });
        }
        let Some(Helper { since, told }) = helper.as_ref() else { return Ok(()) };
        match told.recv_timeout(PATIENCE.saturating_sub(since.elapsed())) {
            Err(RecvTimeoutError::Timeout) => Err(StoreError::Opening(self.0.path.clone())),
            Ok(done) => {
                *helper = None;
                done
            }
            Err(RecvTimeoutError::Disconnected) => {
                *helper = None;
                Err(StoreError::Cancelled)
            }
        }
    }
}

impl FileState {
    /// The result of `work` with the database; none if the file is not open.
    fn when_open<T>(
        &self,
        pace: Pace,
        work: impl Fn(&Open) -> Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        let database = match pace {
            Pace::Patient => self.database.read().unwrap_or_else(PoisonError::into_inner),
            // Who closes it waits for whoever still writes.
            Pace::Hurried => match self.database.try_read() {
                Ok(database) => database,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return None,
            },
        };
        if self.failed.load(Ordering::Acquire) {
            return None;
        }
        let done = work(database.as_ref()?);
        if matches!(done, Err(StoreError::Database(redb::Error::Io(_) | redb::Error::PreviousIo))) {
            // What is still read from it fails, as it would anyway.
            self.failed.store(true, Ordering::Release);
        }
        Some(done)
    }

    /// Opens the file again, if nobody else has. Whoever is in a hurry waits for no lock that is held meanwhile.
    fn reopen(&self) -> Result<(), StoreError> {
        let _one_does = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
            if self.failed.swap(false, Ordering::AcqRel) {
                *database = None;
            }
            if database.is_some() {
                return Ok(());
            }
        }
        let (opened, set_aside) = opened(&self.path)?;
        if let Some(withheld) = &opened.withheld {
            self.note_refused(&withheld.refusal());
        }
        self.put(opened, set_aside);
        Ok(())
    }

    /// Notes that the disk takes nothing, and says so, once.
    fn note_refused(&self, why: &StoreError) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refusal) = refused.as_mut() {
            refusal.last = Instant::now();
        } else {
            let said = why.io().map_or_else(|| why.to_string(), ToString::to_string);
            log::error!(
                MESSAGE_ID = id::STORE_WITHHELD;
                "the store can't be written ({}: {said}): what is in it is served, and nothing is changed until it can",
                self.path.display()
            );
            let room = if why.is_full() { withheld::room(&self.path) } else { None };
            *refused = Some(Refusal { why: said, room, last: Instant::now() });
        }
    }

    /// Notes that something was written: where there is more room than when it was refused, or that is long ago, the
    /// store says that it can be.
    fn note_taken(&self) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(refusal) = refused.as_ref() else { return };
        let is_over = refusal.last.elapsed() >= LONG_AFTER
            || refusal.room.is_none_or(|before| {
                withheld::room(&self.path).is_none_or(|now| now >= before.saturating_add(MORE_ROOM))
            });
        if is_over {
            log::info!("the store can be written again");
            *refused = None;
        }
    }

    /// Makes the second copy again, if there was no room for it, and there is now.
    fn catch_up(&self) {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        if database.as_ref().is_some_and(Open::catch_up) {
            self.note_copies(false);
        }
    }

    /// Notes whether the file has only one copy now, and says so where that is news.
    fn note_copies(&self, is_single: bool) {
        let mut single = self.single.lock().unwrap_or_else(PoisonError::into_inner);
        if is_single && !single.is_said && single.said.first(Instant::now(), SELDOM) {
            single.is_said = true;
            log::warn!(
                "the store has no second copy, for want of room: it is made again once there is room for it"
            );
        } else if !is_single && std::mem::take(&mut single.is_said) {
            log::info!("the store has its second copy again");
        }
    }

    fn put(&self, opened: Open, set_aside: Option<SetAside>) {
        if opened.withheld.is_none() {
            self.note_copies(opened.lagging.is_some());
        }
        {
            let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
            *database = Some(opened);
            self.failed.store(false, Ordering::Release);
        }
        self.opened.store(true, Ordering::Release);
        if let Some(set_aside) = set_aside {
            set_aside.say();
        }
    }

    /// Opens a file that could not be written, if that is due and possible now. Until then others read what they have.
    fn try_again(&self) {
        let _one_does = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        // Only who has the lock above replaces it: whoever reads meanwhile waits for nobody.
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let withheld = database.as_ref().and_then(|open| open.withheld.as_ref());
        let Some(withheld) = withheld.filter(|withheld| withheld.is_due()) else { return };
        withheld.give_up_lock();
        match open::open(&self.path, &Reader::here()) {
            Ok(opened) => {
                drop(database);
                // Whether there is room for what is to be written is another question: who writes finds out.
                let (open, set_aside) = Open::new(&self.path, opened);
                self.put(open, set_aside);
            }
            Err(_) => withheld.stays(),
        }
    }
}

/// Opens the file, or what can be read of one that can't be written now.
fn opened(path: &Path) -> Result<(Open, Option<SetAside>), StoreError> {
    match open::open(path, &Reader::here()) {
        Ok(opened) => Ok(Open::new(path, opened)),
        Err(why) if why.is_withheld() => match open::withheld(path, &Reader::here(), &why) {
            Ok((database, withheld)) => Ok((Open::withheld(database, withheld), None)),
            Err(_) => Err(why),
        },
        Err(error) => Err(error),
    }
}
