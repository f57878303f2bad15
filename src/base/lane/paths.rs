//! Where work on outside files is: who hangs at a path, or at anything of a mount, keeps all others from it.
//!
//! A piece of work walks to its file name by name, as the kernel would, and says before each step where it goes. So it is
//! known where one that does not come back hangs, and the next one learns of it before it touches the same. Work at a
//! place where other work is under way waits for its end, and holds no thread meanwhile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::mounts::Mounts;
use super::stuck::Stuck;
use super::way::Way;

/// The places of all work of a lane.
#[derive(Debug)]
pub(super) struct Places {
    limit: Duration,
    all: Mutex<All>,
}

#[derive(Debug)]
struct All {
    next: u64,
    flights: BTreeMap<u64, Flight>,
}

/// Work that has begun.
#[derive(Debug)]
struct Flight {
    at: PathBuf,
    since: Instant,
    /// Dropped with it: who waits for its end learns of that, and of no other's.
    end: watch::Sender<()>,
}

/// A piece of work on outside files, and where it is.
#[derive(Debug)]
pub struct Spot<'a>(Mark<'a>);

/// Which piece of work it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark<'a> {
    places: &'a Places,
    id: u64,
}

/// Why work does not go on.
#[derive(Debug)]
pub(super) enum Held {
    /// Other work is there; at this time at the latest it has ended, or hangs. Whose end the receiver tells of.
    Busy(Instant, watch::Receiver<()>),
    /// What has gone there before hangs.
    Hangs(Stuck),
}

impl Places {
    pub(super) const fn new(limit: Duration) -> Self {
        let all = All { next: 0, flights: BTreeMap::new() };
        Self { limit, all: Mutex::new(all) }
    }

    /// A new piece of work, which is nowhere yet.
    pub(super) fn begin(&self) -> Spot<'_> {
        let mut all = self.all();
        let id = all.next;
        all.next = id.wrapping_add(1);
        all.flights
            .insert(id, Flight { at: PathBuf::new(), since: Instant::now(), end: watch::Sender::new(()) });
        Spot(Mark { places: self, id })
    }

    /// Work that takes longer than this does not answer soon.
    pub(super) fn patience(&self) -> Duration {
        self.limit / 10
    }

    /// How much work does not answer soon, or never.
    pub(super) fn slow(&self) -> usize {
        self.all().flights.values().filter(|flight| flight.since.elapsed() >= self.patience()).count()
    }

    /// How often work has begun, or tried to.
    #[cfg(test)]
    pub(super) fn begun(&self) -> u64 {
        self.all().next
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Spot<'_> {
    fn drop(&mut self) {
        self.0.places.all().flights.remove(&self.0.id);
    }
}

impl<'a> Spot<'a> {
    /// Goes to `path` before it is touched. What is under way there does not matter; it may hang yet.
    ///
    /// # Errors
    /// Other work hangs there, or on the way.
    pub fn enter(&self, path: &Path) -> Result<(), Stuck> {
        self.0.enter(path)
    }

    /// Goes to `path`, if nobody else is there; on another computer's or another program's file system, if nobody is
    /// anywhere on it; on a disk of its own, if nobody waits there for long.
    pub(super) fn reach(&self, path: &Path) -> Result<(), Held> {
        self.0.walk(path, true)
    }

    pub(super) fn mark(&self) -> Mark<'a> {
        self.0
    }
}

impl Mark<'_> {
    /// As [`Spot::enter`].
    pub(super) fn enter(&self, path: &Path) -> Result<(), Stuck> {
        self.walk(path, false).map_err(|held| match held {
            Held::Hangs(stuck) => stuck,
            Held::Busy(..) => Stuck::Late(self.places.limit),
        })
    }

    fn walk(&self, path: &Path, alone: bool) -> Result<(), Held> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let (mut way, mut mounts) = (Way::to(&path), None);
        let mut next = way.ahead().or_else(|| Some("/".into()));
        while let Some(at) = next {
            self.step(&at, (alone, way.is_last() || at.parent().is_none()), &mut mounts)?;
            way.go();
            next = way.ahead();
        }
        Ok(())
    }

    /// Goes to a place, the last of its walk or one on the way, unless other work hangs there; or is under way there and
    /// this is to be `alone`.
    fn step(&self, at: &Path, (alone, last): (bool, bool), mounts: &mut Option<Mounts>) -> Result<(), Held> {
        let mut all = self.places.all();
        for (id, other) in &all.flights {
            if *id == self.id || other.at.as_os_str().is_empty() {
                continue;
            }
            let mounts = mounts.get_or_insert_with(Mounts::read);
            let on_one = mounts.is_one_apart(&other.at, at);
            let since = other.since.elapsed();
            if since >= self.places.limit && (on_one || at == other.at) {
                let place = if on_one { mounts.root(at) } else { at.to_path_buf() };
                return Err(Held::Hangs(Stuck::Hangs(place, since)));
            }
            // A disk that answers serves many at a time.
            let may_hang = on_one && (since >= self.places.patience() || !mounts.is_disk(at));
            if alone && (may_hang || last && at == other.at) {
                return Err(Held::Busy(other.since + self.places.limit, other.end.subscribe()));
            }
        }
        if let Some(flight) = all.flights.get_mut(&self.id) {
            at.clone_into(&mut flight.at);
        }
        Ok(())
    }
}
