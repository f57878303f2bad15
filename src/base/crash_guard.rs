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

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

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
/// The most pieces of work whose crashes are remembered.
const MOST: usize = 64;
/// The most characters of a name that are written down.
const LONGEST: usize = 200;
/// The beginning of the file's first line, which names the boot.
const BOOT: &str = "boot ";
/// The last line of the list: what stands behind it is left from a longer one.
const END: &str = ".";

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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct WorkState {
    /// The number of the agent's lives that ended during this work.
    deaths: u8,
    /// The number of times that this work is being done now.
    running: u32,
    /// Until when this work is left alone, once somebody has wanted to begin it.
    held: Option<Instant>,
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
        let mut text = Vec::new();
        let most = u64::try_from(MOST * (LONGEST * 4 + 16)).unwrap_or(u64::MAX);
        // What is no file is nothing that was written here: opening one may hang, and it would be in the way.
        if std::fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            let _ =
                std::fs::remove_file(&path).or_else(|_| std::fs::rename(&path, path.with_extension("bad")));
        }
        let read = File::open(&path).and_then(|file| file.take(most).read_to_end(&mut text));
        let states =
            if read.is_ok() { died_of(&String::from_utf8_lossy(&text), boot) } else { OrderedMap::new() };
        let all = Mutex::new(List { states, ..List::default() });
        let changes_written = watch::Sender::default();
        let (path, boot) = (Some(path), boot.to_owned());
        let guard = Arc::new(Self { path, boot, all, changes_written, more: Condvar::new() });
        guard.changed(&mut guard.lock());
        *OPEN.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&guard);
        guard
    }

    /// Does risky work, unless the agent has died of it twice and it is left alone yet. What it has outlived once since its start is not
    /// written down again: some is done every minute, and flash is not to see that.
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
            text = self.text(&all.states);
        }
        let done = if is_over { remove(path, file).map(|()| None) } else { put(path, file, &text).map(Some) };
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

    fn text(&self, states: &OrderedMap<String, WorkState>) -> String {
        let mut text = format!("{BOOT}{}\n", self.boot);
        for (name, WorkState { deaths, running, .. }) in states {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{deaths} {running} {name}");
        }
        text.push_str(END);
        text.push('\n');
        text
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

fn put(path: &Path, file: Option<File>, text: &str) -> io::Result<File> {
    let file = match file {
        Some(file) => file,
        None => OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?,
    };
    file.write_all_at(text.as_bytes(), 0)?;
    Ok(file)
}

/// Removes the file: at rest there is none.
fn remove(path: &Path, file: Option<File>) -> io::Result<()> {
    if file.is_some() { std::fs::remove_file(path) } else { Ok(()) }
}

/// The name of some work as the file has it. Long names that begin alike are told apart.
fn recorded_name(name: &str) -> String {
    let visible = |most| name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most);
    if name.chars().nth(LONGEST).is_none() {
        return visible(LONGEST).collect();
    }
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!("{}{:016x}", visible(LONGEST - 16).collect::<String>(), hasher.finish())
}

/// The work that the agent died of, by a list that an earlier life left; what can't be read says nothing. What was
/// being done in another boot ended with that one.
fn died_of(text: &str, boot: &str) -> OrderedMap<String, WorkState> {
    let written_in = text.lines().next().and_then(|line| line.strip_prefix(BOOT));
    let is_another = written_in.is_some_and(|other| !other.is_empty() && !boot.is_empty() && other != boot);
    let state = |line: &str| {
        let (deaths, rest) = line.split_once(' ')?;
        let (running, name) = rest.split_once(' ')?;
        let (deaths, running): (u8, u32) = (deaths.parse().ok()?, running.parse().ok()?);
        let deaths = if running > 0 && !is_another { deaths.saturating_add(1) } else { deaths };
        Some((name.to_owned(), WorkState { deaths, ..WorkState::default() }))
    };
    text.lines().take_while(|line| *line != END).take(MOST).filter_map(state).collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test damages the file")]
mod tests {
    use super::*;

    const BOOT_ID: &str = "1f7a";

    /// Does risky work in a process that is killed meanwhile.
    async fn dies_in(folder: &Path, names: &[&str]) {
        dies_within(&opened(folder, BOOT_ID).await, names).await;
    }

    async fn dies_within(guard: &Arc<CrashGuard>, names: &[&str]) {
        for name in names {
            std::mem::forget(guard.begin(name).await);
        }
        guard.until_written().await;
    }

    async fn opened(folder: &Path, boot: &str) -> Arc<CrashGuard> {
        let guard = CrashGuard::open(folder, boot);
        guard.until_written().await;
        guard
    }

    async fn is_fatal(folder: &Path, name: &str) -> bool {
        opened(folder, BOOT_ID).await.is_fatal(name)
    }

    #[tokio::test]
    async fn what_has_ended_the_agent_twice_in_a_row_is_fatal_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        dies_in(folder, &["session a"]).await;
        assert!(!is_fatal(folder, "session a").await, "once may be chance");
        dies_in(folder, &["session a", "session b"]).await;
        dies_in(folder, &[]).await;
        let guard = opened(folder, BOOT_ID).await;
        assert!(guard.is_fatal("session a") && !guard.is_fatal("session b"));
        drop(guard.begin("session a").await);
        guard.until_written().await;
        assert!(!is_fatal(folder, "session a").await, "it went well");
    }

    #[tokio::test]
    async fn work_that_the_agent_has_died_of_twice_is_left_alone_for_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for _ in 0..2 {
            let guard = opened(folder, BOOT_ID).await;
            let endless = Arc::clone(&guard).run_risky("look a".to_owned(), std::future::pending::<()>());
            let mut endless = Box::pin(endless);
            let begun = tokio::time::timeout(Duration::from_millis(300), &mut endless).await;
            assert!(begun.is_err(), "it is being done");
            std::mem::forget(endless);
        }
        let guard = opened(folder, BOOT_ID).await;
        let done = |name: &str| Arc::clone(&guard).run_risky(name.to_owned(), async { 7 });
        assert_eq!(done("look b").await, Ok(7));
        for _ in 0..2 {
            let Fatal { again } = done("look a").await.unwrap_err();
            assert!(again <= AGAIN && again > AGAIN / 2, "{again:?}");
        }
        assert_eq!(guard.leaves_alone("look a"), Some((2, AGAIN)));
        assert_eq!(guard.leaves_alone("look b"), None);
        guard.lock().states.get_mut("look a").unwrap().held = Some(waking::now());
        assert_eq!(done("look a").await, Ok(7));
        assert_eq!(done("look a").await, Ok(7), "it went well");
    }

    #[tokio::test]
    async fn each_further_death_costs_twice_the_time_and_what_has_gone_well_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut waits = Vec::new();
        for _ in 0..15 {
            dies_in(folder, &["look a"]).await;
            waits.push(opened(folder, BOOT_ID).await.leaves_alone("look a").map(|(_, wait)| wait.as_secs()));
        }
        let wanted = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600, 3600];
        assert_eq!(waits.split_first(), Some((&None, &wanted.map(Some)[..])), "chance, at first");
        let guard = opened(folder, BOOT_ID).await;
        assert!(guard.is_hopeless("look a") && guard.is_suspect("look a"));
        guard.forgive("look a");
        guard.until_written().await;
        assert!(!opened(folder, BOOT_ID).await.is_suspect("look a"));
        assert_eq!(left_alone(u8::MAX), Some(LONGEST_AGAIN));
    }

    #[tokio::test]
    async fn what_it_has_outlived_once_is_not_written_down_again_before_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let guard = CrashGuard::open(folder.path(), "boot");
        let text = || {
            let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap_or_default();
            text.lines().take_while(|line| *line != END).collect::<String>()
        };
        let work = async || Arc::clone(&guard).run_risky("look".to_owned(), async { text() }).await;
        assert!(work().await.is_ok_and(|meanwhile| meanwhile.contains("look")));
        guard.until_written().await;
        assert!(work().await.is_ok_and(|meanwhile| !meanwhile.contains("look")));
        let again = CrashGuard::open(folder.path(), "boot");
        let first = Arc::clone(&again).run_risky("look".to_owned(), async { text() }).await;
        assert!(first.is_ok_and(|meanwhile| meanwhile.contains("look")));
    }

    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_nobody_for_long_and_that_once() {
        let folder = tempfile::tempdir().unwrap();
        // Opened for writing, it waits for a reader that does not come.
        let pipe = folder.path().join(FILE);
        let guard = opened(folder.path(), BOOT_ID).await;
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let begun = Instant::now();
        let mut all = Vec::new();
        for number in 0..20 {
            all.push(guard.begin(&format!("session {number}")).await);
        }
        let first = begun.elapsed();
        assert!(first >= PATIENCE && first < PATIENCE * 4, "{first:?}");
        drop(all);
        guard.close();
        guard.until_written().await;
        assert!(begun.elapsed() < PATIENCE * 4);
        // The disk answers again.
        drop(File::open(&pipe).unwrap());
    }

    #[tokio::test]
    async fn an_end_as_it_should_be_is_no_death() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let guard = opened(folder.path(), BOOT_ID).await;
            let risk = guard.begin("session a").await;
            guard.close();
            guard.until_written().await;
            std::mem::forget(risk);
        }
        assert!(!is_fatal(folder.path(), "session a").await);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "at rest there is no such file");
    }

    #[tokio::test]
    async fn the_end_of_a_boot_is_no_death_of_the_agents() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for boot in ["1", "2", "3"] {
            dies_within(&opened(folder, boot).await, &["session a"]).await;
            assert!(!opened(folder, "other").await.is_fatal("session a"), "{boot}");
        }
        // What the agent has died of before it is remembered.
        for _ in 0..2 {
            dies_within(&opened(folder, "4").await, &["session a"]).await;
        }
        drop(opened(folder, "4").await);
        assert!(opened(folder, "5").await.is_fatal("session a"));
        // A kernel that does not say is no reason to die for ever.
        std::fs::remove_file(folder.join(FILE)).unwrap();
        for _ in 0..2 {
            dies_within(&opened(folder, "").await, &["session a"]).await;
        }
        assert!(opened(folder, "").await.is_fatal("session a"));
    }

    #[tokio::test]
    async fn once_told_to_end_nothing_is_written_down() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let guard = opened(folder.path(), BOOT_ID).await;
            guard.close();
            std::mem::forget(guard.begin("session a").await);
            drop(guard.begin("session b").await);
            guard.until_written().await;
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[tokio::test]
    async fn long_names_that_begin_alike_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|end| format!("session a {}{end}", "x".repeat(LONGEST)));
        for _ in 0..2 {
            dies_in(folder.path(), &[&one]).await;
        }
        let guard = opened(folder.path(), BOOT_ID).await;
        assert!(guard.is_fatal(&one) && !guard.is_fatal(&other));
    }

    #[tokio::test]
    async fn a_damaged_file_says_nothing_and_what_is_no_file_makes_way() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        for damaged in [
            &b"\0\0\0\0"[..],
            b"9 9",
            b"x 1 session a\n.\n",
            b"",
            b"\xff\xff 1 session a",
            b"9999 1 session a\n",
        ] {
            std::fs::write(&file, damaged).unwrap();
            assert!(!is_fatal(folder.path(), "session a").await, "{damaged:?}");
            std::fs::remove_file(&file).unwrap();
        }
        // Opening a pipe waits for who writes to it.
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRUSR).unwrap();
        drop(opened(folder.path(), BOOT_ID).await);
        std::fs::create_dir(&file).unwrap();
        dies_in(folder.path(), &["session a"]).await;
        dies_in(folder.path(), &["session a"]).await;
        assert!(is_fatal(folder.path(), "session a").await, "it was made room for");
    }

    #[tokio::test]
    async fn the_list_is_bounded_and_its_lines_are_ours() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let names: Vec<String> =
                (0..200).map(|number| format!("x\n9 9 session a{}{number}", "y".repeat(300))).collect();
            dies_in(folder.path(), &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        }
        let guard = opened(folder.path(), BOOT_ID).await;
        assert!(!guard.is_fatal("session a") && guard.lock().states.len() <= MOST);
        assert!(folder.path().join(FILE).metadata().unwrap().len() < 64 << 10);
    }
}
