//! Work that may be what ends the agent: what was being done when the process died is not begun a third time.
//!
//! What a server sends may kill the process, by a defect of ours or of a library, and much of what the agent does is
//! taken up again at its next start. So the risky part of it stands in a file of the state folder while it is being done
//! ([`Attempts::begin`]), and who takes something up asks how often the agent has died of it ([`Attempts::is_fatal`]).
//!
//! The file is written in place and not synced: what the kernel has been given outlives the process, flash does not
//! wear, and a session does not wait for it. The kernel writes it back some seconds later all the same, so the file says
//! in which boot of the machine it was written: that another one has begun since, by a power cut or a watchdog, is no
//! death of the agent's. Nor is what happens once it was told to end ([`Attempts::close`]).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

const FILE: &str = "attempts";
/// What was begun and ended the agent this often is not taken up again.
const MOST_DEATHS: u8 = 2;
/// Of so much at most it is remembered whether it has ended the agent.
const MOST: usize = 64;
/// The most characters of a name that are written down.
const LONGEST: usize = 200;
/// What the first line begins with: which boot it was.
const BOOT: &str = "boot ";
/// The last line: what stands behind it is left from a longer list.
const END: &str = ".";

/// Those of this process.
static OPEN: Mutex<Weak<Attempts>> = Mutex::new(Weak::new());

/// The process is told to end: see [`Attempts::close`]. For whoever has no time to wait for the agent's own thread.
pub fn close() {
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
    if let Some(attempts) = open {
        attempts.close();
    }
}

/// What is being done, and what has ended the agent.
#[derive(Debug, Default)]
pub struct Attempts {
    /// None: nothing is written down.
    path: Option<PathBuf>,
    /// What the kernel calls this boot; empty where it does not say.
    boot: String,
    all: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    states: BTreeMap<String, State>,
    /// Made when there is something to be written, and kept open.
    file: Option<File>,
    said: bool,
    /// The agent ends: nothing is written down any more.
    closed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    /// In how many lives of the agent it was being done at the end.
    deaths: u8,
    /// How often it is being done now.
    running: u32,
}

/// Something that is being done until this is dropped.
#[derive(Debug)]
pub struct Attempt {
    attempts: Arc<Attempts>,
    name: String,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut all = self.attempts.lock();
        if let Some(state) = all.states.get_mut(&self.name) {
            state.running = state.running.saturating_sub(1);
            // It did no harm this time.
            if state.running == 0 {
                all.states.remove(&self.name);
            }
        }
        self.attempts.write(&mut all);
    }
}

impl Attempts {
    /// What was being done when the agent ended last is known from here on. `boot` is what the kernel calls this boot.
    #[must_use]
    pub fn open(folder: &Path, boot: &str) -> Arc<Self> {
        let path = folder.join(FILE);
        let mut text = Vec::new();
        let most = u64::try_from(MOST * (LONGEST * 4 + 16)).unwrap_or(u64::MAX);
        let read = File::open(&path).and_then(|file| file.take(most).read_to_end(&mut text));
        let states =
            if read.is_ok() { died_of(&String::from_utf8_lossy(&text), boot) } else { BTreeMap::new() };
        let mut list = List { states, ..List::default() };
        let attempts = Self { path: Some(path), boot: boot.to_owned(), all: Mutex::default() };
        attempts.write(&mut list);
        *attempts.lock() = list;
        let attempts = Arc::new(attempts);
        *OPEN.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&attempts);
        attempts
    }

    /// Something begins that the agent may not outlive.
    #[must_use]
    pub fn begin(self: &Arc<Self>, name: &str) -> Attempt {
        let name = written(name);
        let mut all = self.lock();
        if all.states.len() >= MOST && !all.states.contains_key(&name) {
            let idle = all.states.iter().find(|(_, state)| state.running == 0).map(|(name, _)| name.clone());
            idle.map(|name| all.states.remove(&name));
        }
        all.states.entry(name.clone()).or_default().running += 1;
        self.write(&mut all);
        drop(all);
        Attempt { attempts: Arc::clone(self), name }
    }

    /// Whether the agent has died of it twice in a row.
    #[must_use]
    pub fn is_fatal(&self, name: &str) -> bool {
        self.lock().states.get(&written(name)).is_some_and(|state| state.deaths >= MOST_DEATHS)
    }

    /// The agent is told to end: what it breaks off, and what may hang meanwhile, has not ended it.
    pub fn close(&self) {
        let mut all = self.lock();
        if all.closed {
            return;
        }
        all.states.retain(|_, state| state.running == 0);
        self.write(&mut all);
        all.closed = true;
        if all.states.is_empty()
            && all.file.take().is_some()
            && let Some(path) = &self.path
        {
            let _ = std::fs::remove_file(path);
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, all: &mut List) {
        let is_needed = !all.closed && (all.file.is_some() || !all.states.is_empty());
        let Some(path) = self.path.as_ref().filter(|_| is_needed) else { return };
        let mut text = format!("{BOOT}{}\n", self.boot);
        for (name, State { deaths, running }) in &all.states {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{deaths} {running} {name}");
        }
        text.push_str(END);
        text.push('\n');
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = match all.file.take() {
            Some(file) => Ok(file),
            None => options.open(path),
        };
        let written = file.and_then(|file| {
            file.write_all_at(text.as_bytes(), 0)?;
            Ok(file)
        });
        match written {
            Ok(file) => all.file = Some(file),
            Err(error) if !all.said => {
                all.said = true;
                log::warn!(
                    "{}: {error}: what ends the agent is taken up again at each start",
                    path.display()
                );
            }
            Err(_) => {}
        }
    }
}

/// As it stands in a line. Long ones that begin alike are told apart.
fn written(name: &str) -> String {
    let visible = |most| name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most);
    if name.chars().nth(LONGEST).is_none() {
        return visible(LONGEST).collect();
    }
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!("{}{:016x}", visible(LONGEST - 16).collect::<String>(), hasher.finish())
}

/// What a list says that nobody has taken back; what can't be read says nothing. What was being done in another boot
/// ended with that one.
fn died_of(text: &str, boot: &str) -> BTreeMap<String, State> {
    let written_in = text.lines().next().and_then(|line| line.strip_prefix(BOOT));
    let is_another = written_in.is_some_and(|other| !other.is_empty() && !boot.is_empty() && other != boot);
    let state = |line: &str| {
        let (deaths, rest) = line.split_once(' ')?;
        let (running, name) = rest.split_once(' ')?;
        let (deaths, running): (u8, u32) = (deaths.parse().ok()?, running.parse().ok()?);
        let deaths = if running > 0 && !is_another { deaths.saturating_add(1) } else { deaths };
        Some((name.to_owned(), State { deaths, running: 0 }))
    };
    text.lines().take_while(|line| *line != END).take(MOST).filter_map(state).collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test damages the file")]
mod tests {
    use super::*;

    const BOOT_ID: &str = "1f7a";

    /// As a process that is killed.
    fn dies_in(folder: &Path, names: &[&str]) {
        let attempts = Attempts::open(folder, BOOT_ID);
        names.iter().for_each(|name| std::mem::forget(attempts.begin(name)));
    }

    #[test]
    fn what_has_ended_the_agent_twice_in_a_row_is_fatal_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        dies_in(folder, &["session a"]);
        assert!(!Attempts::open(folder, BOOT_ID).is_fatal("session a"), "once may be chance");
        dies_in(folder, &["session a", "session b"]);
        dies_in(folder, &[]);
        let attempts = Attempts::open(folder, BOOT_ID);
        assert!(attempts.is_fatal("session a") && !attempts.is_fatal("session b"));
        drop(attempts.begin("session a"));
        assert!(!Attempts::open(folder, BOOT_ID).is_fatal("session a"), "it went well");
    }

    #[test]
    fn an_end_as_it_should_be_is_no_death() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let attempts = Attempts::open(folder.path(), BOOT_ID);
            let attempt = attempts.begin("session a");
            attempts.close();
            std::mem::forget(attempt);
        }
        assert!(!Attempts::open(folder.path(), BOOT_ID).is_fatal("session a"));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "at rest there is no such file");
    }

    #[test]
    fn the_end_of_a_boot_is_no_death_of_the_agents() {
        let folder = tempfile::tempdir().unwrap();
        let dies = |boot| std::mem::forget(Attempts::open(folder.path(), boot).begin("session a"));
        for boot in ["1", "2", "3"] {
            dies(boot);
            assert!(!Attempts::open(folder.path(), "other").is_fatal("session a"), "{boot}");
        }
        // What the agent has died of before it is remembered.
        (0..2).for_each(|_| dies("4"));
        drop(Attempts::open(folder.path(), "4"));
        assert!(Attempts::open(folder.path(), "5").is_fatal("session a"));
        // A kernel that does not say is no reason to die for ever.
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        (0..2).for_each(|_| dies(""));
        assert!(Attempts::open(folder.path(), "").is_fatal("session a"));
    }

    #[test]
    fn once_told_to_end_nothing_is_written_down() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let attempts = Attempts::open(folder.path(), BOOT_ID);
            attempts.close();
            std::mem::forget(attempts.begin("session a"));
            drop(attempts.begin("session b"));
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn long_names_that_begin_alike_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|end| format!("session a {}{end}", "x".repeat(LONGEST)));
        (0..2).for_each(|_| dies_in(folder.path(), &[&one]));
        let attempts = Attempts::open(folder.path(), BOOT_ID);
        assert!(attempts.is_fatal(&one) && !attempts.is_fatal(&other));
    }

    #[test]
    fn a_damaged_file_says_nothing_and_a_folder_in_its_place_does_no_harm() {
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
            assert!(!Attempts::open(folder.path(), BOOT_ID).is_fatal("session a"), "{damaged:?}");
            std::fs::remove_file(&file).unwrap();
        }
        std::fs::create_dir(&file).unwrap();
        let attempts = Attempts::open(folder.path(), BOOT_ID);
        let _attempt = attempts.begin("session a");
        assert!(!attempts.is_fatal("session a"));
    }

    #[test]
    fn the_list_is_bounded_and_its_lines_are_ours() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let names: Vec<String> =
                (0..200).map(|number| format!("x\n9 9 session a{}{number}", "y".repeat(300))).collect();
            dies_in(folder.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let attempts = Attempts::open(folder.path(), BOOT_ID);
        assert!(!attempts.is_fatal("session a") && attempts.lock().states.len() <= MOST);
        assert!(folder.path().join(FILE).metadata().unwrap().len() < 64 << 10);
    }
}
