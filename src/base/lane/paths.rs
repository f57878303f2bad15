//! The paths that work on outside files is at: whoever hangs at one, or at anything of a mount, keeps all others from
//! it.
//!
//! A piece of work walks to its file name by name, as the kernel would, and says before each step where it goes. So it
//! is known where one that does not come back hangs, and the next one learns of it before it touches the same. Work at
//! a place where other work is under way waits for its end, and holds no thread meanwhile.

use crate::base::OrderedMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::mounts::Mounts;
use super::stuck::Stuck;
use super::walk::PathWalk;

/// The paths that the work of a lane is at.
#[derive(Debug)]
pub(super) struct PathsInUse {
    limit: Duration,
    works: Mutex<Works>,
}

#[derive(Debug)]
struct Works {
    next: u64,
    by_id: OrderedMap<u64, InUse>,
}

/// Work that has begun, and the path it is at.
#[derive(Debug)]
struct InUse {
    at: PathBuf,
    since: Instant,
    /// The sign of this work's end: it is dropped with it, which wakes whoever waits for that.
    end: watch::Sender<()>,
}

/// A piece of work's access to paths: others know where it is until this is dropped.
#[derive(Debug)]
pub struct PathAccess<'a>(AccessId<'a>);

/// The identifier of a piece of work among those of its lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct AccessId<'a> {
    paths: &'a PathsInUse,
    id: u64,
}

/// Why a piece of work can't go to a path now.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// Other work is there: at this time at the latest it has ended, or hangs. The receiver tells of its end.
    Busy(Instant, watch::Receiver<()>),
    /// Work that went there before hangs.
    Hangs(Stuck),
}

impl PathsInUse {
    pub(super) const fn new(limit: Duration) -> Self {
        let works = Works { next: 0, by_id: OrderedMap::new() };
        Self { limit, works: Mutex::new(works) }
    }

    /// Begins a piece of work, which is at no path yet.
    pub(super) fn begin(&self) -> PathAccess<'_> {
        let mut works = self.works();
        let id = works.next;
        works.next = id.wrapping_add(1);
        works
            .by_id
            .insert(id, InUse { at: PathBuf::new(), since: Instant::now(), end: watch::Sender::new(()) });
        PathAccess(AccessId { paths: self, id })
    }

    /// How long work may take until it counts as slow.
    pub(super) fn patience(&self) -> Duration {
        self.limit / 10
    }

    /// The number of pieces of work that are slow, or never end.
    pub(super) fn slow(&self) -> usize {
        self.works().by_id.values().filter(|work| work.since.elapsed() >= self.patience()).count()
    }

    /// The number of times that work has begun, or tried to.
    #[cfg(test)]
    pub(super) fn begun(&self) -> u64 {
        self.works().next
    }

    fn works(&self) -> MutexGuard<'_, Works> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PathAccess<'_> {
    fn drop(&mut self) {
        self.0.paths.works().by_id.remove(&self.0.id);
    }
}

impl<'a> PathAccess<'a> {
    /// Goes to `path` before it is touched. What is under way there does not matter; it may hang yet.
    ///
    /// # Errors
    /// Other work hangs there, or on the way.
    pub fn enter(&self, path: &Path) -> Result<(), Stuck> {
        self.0.enter(path)
    }

    /// Goes to `path`, if no other work is there; on another computer's or another program's file system, if none is
    /// anywhere on it; on a disk of its own, if none waits there for long.
    pub(super) fn reach(&self, path: &Path) -> Result<(), Obstacle> {
        self.0.walk(path, true)
    }

    pub(super) fn id(&self) -> AccessId<'a> {
        self.0
    }
}

impl AccessId<'_> {
    /// Goes to `path` before it is touched, as [`PathAccess::enter`] does.
    pub(super) fn enter(&self, path: &Path) -> Result<(), Stuck> {
        self.walk(path, false).map_err(|obstacle| match obstacle {
            Obstacle::Hangs(stuck) => stuck,
            Obstacle::Busy(..) => Stuck::Late(self.paths.limit),
        })
    }

    fn walk(&self, path: &Path, alone: bool) -> Result<(), Obstacle> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let (mut walk, mut mounts) = (PathWalk::to(&path), None);
        let mut next = walk.next_place().or_else(|| Some("/".into()));
        while let Some(at) = next {
            self.step(&at, (alone, walk.is_last() || at.parent().is_none()), &mut mounts)?;
            walk.step();
            next = walk.next_place();
        }
        Ok(())
    }

    /// Goes to a place, the last of the walk or one on the way, unless other work hangs there; or is under way there
    /// and this is to be `alone`.
    fn step(
        &self,
        at: &Path,
        (alone, last): (bool, bool),
        mounts: &mut Option<Mounts>,
    ) -> Result<(), Obstacle> {
        let mut works = self.paths.works();
        for (id, other) in &works.by_id {
            if *id == self.id || other.at.as_os_str().is_empty() {
                continue;
            }
            let mounts = mounts.get_or_insert_with(Mounts::read);
            let on_one = mounts.is_one_apart(&other.at, at);
            let since = other.since.elapsed();
            if since >= self.paths.limit && (on_one || at == other.at) {
                let place = if on_one { mounts.root(at) } else { at.to_path_buf() };
                return Err(Obstacle::Hangs(Stuck::Hangs(place, since)));
            }
            // A disk that answers serves many at a time.
            let may_hang = on_one && (since >= self.paths.patience() || !mounts.is_disk(at));
            if alone && (may_hang || last && at == other.at) {
                return Err(Obstacle::Busy(other.since + self.paths.limit, other.end.subscribe()));
            }
        }
        if let Some(work) = works.by_id.get_mut(&self.id) {
            at.clone_into(&mut work.at);
        }
        Ok(())
    }
}
