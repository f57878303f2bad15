//! The guard's file: a list of work, in text, written in place. What is behind its last line is left from a longer one.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Instant;

use crate::base::{OrderedMap, is_unseen};

/// The most pieces of work whose crashes are remembered.
pub(super) const MOST: usize = 64;
/// The most characters of a name that are written down.
pub(super) const LONGEST: usize = 200;
/// The beginning of the file's first line, which names the boot.
const BOOT: &str = "boot ";
/// The last line of the list: what stands behind it is left from a longer one.
pub(super) const END: &str = ".";

/// What is known of some work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WorkState {
    /// The number of the agent's lives that ended during this work.
    pub(super) deaths: u8,
    /// The number of times that this work is being done now.
    pub(super) running: u32,
    /// Until when this work is left alone, once somebody has wanted to begin it.
    pub(super) held: Option<Instant>,
}

/// Reads what an earlier life has left; a file that is not there, or can't be read, says nothing.
pub(super) fn read(path: &Path, boot: &str) -> OrderedMap<String, WorkState> {
    let mut text = Vec::new();
    let most = u64::try_from(MOST * (LONGEST * 4 + 16)).unwrap_or(u64::MAX);
    match File::open(path).and_then(|file| file.take(most).read_to_end(&mut text)) {
        Ok(_) => died_of(&String::from_utf8_lossy(&text), boot),
        Err(_) => OrderedMap::new(),
    }
}

/// The list of work as the file has it.
pub(super) fn text(boot: &str, states: &OrderedMap<String, WorkState>) -> String {
    let mut text = format!("{BOOT}{boot}\n");
    for (name, WorkState { deaths, running, .. }) in states {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{deaths} {running} {name}");
    }
    text.push_str(END);
    text.push('\n');
    text
}

/// Writes the list over what is there; the file is made if need be.
pub(super) fn put(path: &Path, file: Option<File>, text: &str) -> io::Result<File> {
    let file = match file {
        Some(file) => file,
        None => OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?,
    };
    file.write_all_at(text.as_bytes(), 0)?;
    Ok(file)
}

/// Removes the file: at rest there is none.
pub(super) fn remove(path: &Path, file: Option<File>) -> io::Result<()> {
    if file.is_some() { std::fs::remove_file(path) } else { Ok(()) }
}

/// The name of some work as the file has it. Long names that begin alike are told apart.
pub(super) fn recorded_name(name: &str) -> String {
    let visible = |most| name.chars().map(|c| if is_unseen(c) { ' ' } else { c }).take(most);
    if name.chars().nth(LONGEST).is_none() {
        return visible(LONGEST).collect();
    }
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!("{}{:016x}", visible(LONGEST - 16).collect::<String>(), hasher.finish())
}

/// The work that the agent died of, by a list that an earlier life left; what can't be read says nothing. What was
/// being done in another boot ended with that one.
pub(super) fn died_of(text: &str, boot: &str) -> OrderedMap<String, WorkState> {
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
