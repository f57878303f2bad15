//! The crash guard: work during which the process died twice is not begun a third time at once.
//!
//! What a server sends may kill the process, by a defect of ours or of a library, and much of what the agent does is
//! taken up again at its next start. So what may do so stands in a file of the state folder while it is being done:
//! tasks whole ([`CrashGuard::run_risky`]), of a session the risky part ([`CrashGuard::begin`]). What the agent has
//! died of twice is left alone for a time: the agent must come up.
//!
//! Whoever kills the process from outside, be it the kernel for want of memory, leaves the same traces as work that
//! does: the verdict may be wrong. So the time is short at first, and twice as long after each further death; once the
//! work has gone well, all is forgotten.
//!
//! The file is written in place and not synced: what the kernel has been given outlives the process, flash does not
//! wear, and a session does not wait for it. The kernel writes it back some seconds later all the same, so the file
//! says in which boot of the machine it was written: that another one has begun since, by a power cut or a watchdog, is
//! no death of the agent's. Nor is what happens once it was told to end ([`CrashGuard::close`]).
//!
//! A thread of its own writes it, one at a time, and always what is the latest: a disk that hangs holds up nobody for
//! longer than [`PATIENCE`], and that once.

mod record;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use record::{MOST, WorkState, recorded_name};
use tokio::sync::watch;

use crate::base::journal::id;
use crate::base::said::Said;
use crate::base::waking;
use crate::base::{OrderedMap, OrderedSet};

const FILE: &str = "risks";
/// Work during which the agent died this often in a row is not begun again at once.
const MOST_DEATHS: u8 = 2;
/// Work during which the agent died this often in a row is given up, where it can be.
const MOST_TRIES: u8 = 6;
/// How long work that ended the agent twice is left alone; twice as long after each further death…
const AGAIN: Duration = Duration::from_secs(5);
/// …but no longer than this.
const LONGEST_AGAIN: Duration = Duration::from_secs(3600);
/// The longest that work waits for the crash guard's file before it begins.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the writing thread stays for more to write: a session's packages follow each other closely.
const LINGER: Duration = Duration::from_secs(1);
/// The crash guard of this process.
static OPEN: Mutex<Weak<CrashGuard>> = Mutex::new(Weak::new());

/// Closes the guard of this process as it is told to end: see [`CrashGuard::close`]. For whoever has no time to wait
/// for the agent's own thread.
pub(crate) fn close() {
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
    if let Some(guard) = open {
        guard.close();
    }
}

/// The crash guard: the risky work that is being done, and the work that ended the agent before.
#[derive(Debug, Default)]
pub struct CrashGuard {
    /// The guard's file; none: nothing is written down.
    path: Option<PathBuf>,
    /// The kernel's id of this boot; empty where the kernel does not say.
    boot: String,
    /// All risky work that is known. Nobody holds the lock while waiting for a disk.
    all: Mutex<List>,
    /// The number of the changes that the file has by now.
    changes_written: watch::Sender<u64>,
    /// Wakes the thread that writes.
    more: Condvar,
}

#[derive(Debug, Default)]
struct List {
    states: OrderedMap<String, WorkState>,
    outlived: OrderedSet<String>,
    changes: u64,
    /// Whether a thread writes.
    is_writing: bool,
    /// The open file, made when there is something to be written; the thread that writes has it meanwhile.
    file: Option<File>,
    /// Whether the file has failed to answer in time: nobody waits for it before it has.
    is_silent: bool,
    said: Said,
    /// Whether the agent ends, and nothing is written down any more.
    closed: bool,
}

/// Risky work under way; dropping this ends it.
#[derive(Debug)]
pub struct Risk {
    guard: Arc<CrashGuard>,
    name: String,
}

/// The error that work is not begun, as the agent has died of it twice or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the agent has died doing this, and more than once")]
pub struct Fatal {
    /// How long the work is left alone yet.
    pub again: Duration,
}

impl Drop for Risk {
    fn drop(&mut self) {
        let mut all = self.guard.lock();
        if let Some(state) = all.states.get_mut(&self.name) {
            state.running = state.running.saturating_sub(1);
            // It did no harm this time.
            if state.running == 0 {
                all.states.remove(&self.name);
            }
        }
        self.guard.changed(&mut all);
    }
}

impl CrashGuard {
    /// Opens the guard's file in `folder`, and reads what was being done when the agent last ended. `boot` is what the
    /// kernel calls this boot.
    #[must_use]
    pub fn open(folder: &Path, boot: &str) -> Arc<Self> {
        let path = folder.join(FILE);
        // What is no file is nothing that was written here: opening one may hang, and it would be in the way.
        if std::fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            let _ =
                std::fs::remove_file(&path).or_else(|_| std::fs::rename(&path, path.with_extension("bad")));
        }
        let states = record::read(&path, boot);
        let all = Mutex::new(List { states, ..List::default() });
        let changes_written = watch::Sender::default();
        let (path, boot) = (Some(path), boot.to_owned());
        let guard = Arc::new(Self { path, boot, all, changes_written, more: Condvar::new() });
        guard.changed(&mut guard.lock());
        *OPEN.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&guard);
        guard
    }

    /// Does risky work, unless the agent has died of it twice and it is left alone yet. What it has outlived once since
    /// its start is not written down again: some is done every minute, and flash is not to see that.
    ///
    /// # Errors
    /// [`Fatal`]: nothing was done.
    pub async fn run_risky<T>(
        self: Arc<Self>,
        name: String,
        work: impl Future<Output = T>,
    ) -> Result<T, Fatal> {
        if let Some(again) = self.holds(&name) {
            return Err(Fatal { again });
        }
        if self.lock().outlived.contains(&name) {
            return Ok(work.await);
        }
        let risk = self.begin(&name).await;
        let done = work.await;
        drop(risk);
        let outlived = &mut self.lock().outlived;
        if outlived.len() >= MOST {
            outlived.clear();
        }
        outlived.insert(name);
        Ok(done)
    }

    /// Whether the agent died during the work `name` when it was last done.
    #[must_use]
    pub fn is_suspect(&self, name: &str) -> bool {
        self.deaths(name) > 0
    }

    /// Forgets that the agent died during the work `name`: it has gone well, part by part.
    pub fn forgive(self: &Arc<Self>, name: &str) {
        let mut all = self.lock();
        all.states.remove(&recorded_name(name));
        self.changed(&mut all);
    }

    /// Begins risky work: that it is being done is written down when this returns, unless that takes too long.
    pub async fn begin(self: &Arc<Self>, name: &str) -> Risk {
        let name = recorded_name(name);
        {
            let mut all = self.lock();
            if all.states.len() >= MOST && !all.states.contains_key(&name) {
                let idle =
                    all.states.iter().find(|(_, state)| state.running == 0).map(|(name, _)| name.clone());
                idle.map(|name| all.states.remove(&name));
            }
            all.states.entry(name.clone()).or_default().running += 1;
            self.changed(&mut all);
        }
        let risk = Risk { guard: Arc::clone(self), name };
        self.until_written().await;
        risk
    }

    /// Whether the agent has died of the work `name` twice in a row.
    #[must_use]
    pub fn is_fatal(&self, name: &str) -> bool {
        self.deaths(name) >= MOST_DEATHS
    }

    /// Whether the agent has died of the work `name` so often that nothing but that work can be the cause.
    #[must_use]
    pub fn is_hopeless(&self, name: &str) -> bool {
        self.deaths(name) >= MOST_TRIES
    }

    /// How often the agent has died of the work `name` in a row, and how long that is to be left alone; none where it
    /// is not.
    #[must_use]
    pub fn leaves_alone(&self, name: &str) -> Option<(u8, Duration)> {
        let deaths = self.deaths(name);
        Some((deaths, left_alone(deaths)?))
    }

    fn deaths(&self, name: &str) -> u8 {
        self.lock().states.get(&recorded_name(name)).map_or(0, |state| state.deaths)
    }

    /// How long the work `name` is left alone yet, where the agent has died of it twice.
    fn holds(&self, name: &str) -> Option<Duration> {
        let mut all = self.lock();
        let state = all.states.get_mut(&recorded_name(name))?;
        let (deaths, wait) = (state.deaths, left_alone(state.deaths)?);
        let now = waking::now();
        let until = *state.held.get_or_insert_with(|| {
            log::error!(
                MESSAGE_ID = id::GIVEN_UP;
                "{name}: the agent has died {deaths} times doing this: left alone for {} s", wait.as_secs()
            );
            now + wait
        });
        Some(until.saturating_duration_since(now)).filter(|again| !again.is_zero())
    }

    /// Closes the guard as the agent is told to end: work that is broken off or hangs from here on has not ended it.
    pub fn close(self: &Arc<Self>) {
        let mut all = self.lock();
        if all.closed {
            return;
        }
        all.states.retain(|_, state| state.running == 0);
        self.changed(&mut all);
        all.closed = true;
        self.more.notify_one();
    }

    /// Waits until the file holds all changes so far; not for long, and only once for a disk that does not answer.
    pub async fn until_written(&self) {
        let changes = {
            let all = self.lock();
            if all.is_silent || !all.is_writing || all.changes == *self.changes_written.borrow() {
                return;
            }
            all.changes
        };
        let mut written = self.changes_written.subscribe();
        if tokio::time::timeout(PATIENCE, written.wait_for(|written| *written >= changes)).await.is_err() {
            let mut all = self.lock();
            all.is_silent = *written.borrow() < changes;
            if all.is_silent {
                self.say(&all, &format!("no answer within {} s", PATIENCE.as_secs()));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the changes written to the file, if they are to be.
    fn changed(self: &Arc<Self>, all: &mut List) {
        if all.closed || self.path.is_none() {
            return;
        }
        all.changes += 1;
        if all.is_writing {
            self.more.notify_one();
        } else if all.file.is_some() || !all.states.is_empty() {
            let guard = Arc::clone(self);
            let writer = std::thread::Builder::new().name(FILE.to_owned());
            match writer.spawn(move || while guard.write() {}) {
                Ok(_) => all.is_writing = true,
                Err(error) => self.say(all, &error),
            }
        }
    }

    /// Writes the current list to the file; returns whether there is more to write before long.
    fn write(&self) -> bool {
        let Some(path) = &self.path else { return false };
        let (changes, text, file, is_over);
        {
            let mut all = self.lock();
            (changes, file) = (all.changes, all.file.take());
            is_over = all.closed && all.states.is_empty();
            text = record::text(&self.boot, &all.states);
        }
        let done = match is_over {
            true => record::remove(path, file).map(|()| None),
            false => record::put(path, file, &text).map(Some),
        };
        let mut all = self.lock();
        match done {
            Ok(file) => all.file = file,
            Err(error) => self.say(&all, &error),
        }
        self.changes_written.send_replace(changes);
        all.is_silent = false;
        let linger = if all.closed { Duration::ZERO } else { LINGER };
        let waited = self.more.wait_timeout_while(all, linger, |all| all.changes == changes && !all.closed);
        let (mut all, _) = waited.unwrap_or_else(PoisonError::into_inner);
        all.is_writing = all.changes != changes;
        all.is_writing
    }

    /// Logs once why the file is not as it should be.
    fn say(&self, all: &List, why: &dyn std::fmt::Display) {
        if all.said.first() {
            let path = self.path.as_deref().unwrap_or(Path::new(FILE)).display();
            log::warn!(
                "{path}: {why}: what the agent is doing can't be noted there; if it dies of that, it does it again at each start"
            );
        }
    }
}

/// How long work is left alone during which the agent died so often in a row; none where it is not.
fn left_alone(deaths: u8) -> Option<Duration> {
    let further = deaths.checked_sub(MOST_DEATHS)?;
    Some(AGAIN.saturating_mul(1 << further.min(16)).min(LONGEST_AGAIN))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test damages the file")]
mod tests;
