//! The journal: structured fields where journald listens, lines with a severity where syslog is asked for, plain lines
//! on stderr elsewhere.
//!
//! Log calls carry key-value pairs; journald gets them as fields. What an operator acts on has a
//! `MESSAGE_ID`, explained in the catalogue (`journalctl -x`).

mod queue;
mod syslog;

use std::ffi::CStr;
use std::io::Write;
use std::sync::Arc;

use log::kv::{Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};
use queue::Queue;
use syslog::Syslog;
use systemd_journal_logger::{JournalLog, connected_to_journal};

use super::is_unseen;

/// Message ids of the journal catalogue, `systemd/omadm.catalog`, in order. A new one takes the number after the last,
/// which is …7f35 next; one that is no longer said is not given to another message.
pub(crate) mod id {
    /// A session ended well.
    pub(crate) const SESSION_ENDED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f10";
    /// A session failed.
    pub(crate) const SESSION_FAILED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f11";
    /// Datagrams were dropped.
    pub(crate) const NOTIFICATIONS_DROPPED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f12";
    /// The configuration, an account or a management object can't be used.
    pub(crate) const CONFIGURATION_BROKEN: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f13";
    /// The store was damaged or of a newer version, and set aside.
    pub(crate) const STORE_SET_ASIDE: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f14";
    /// The clock is earlier than a time already known.
    pub(crate) const CLOCK_UNSET: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f15";
    /// A bootstrap brought accounts.
    pub(crate) const BOOTSTRAPPED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f1a";
    /// A bootstrap failed.
    pub(crate) const BOOTSTRAP_FAILED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f1b";
    /// What a failed or cut-short change had done to a file can't be taken back.
    pub(crate) const UNDO_FAILED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f20";
    /// What a server has subscribed to can't be put where it wants it.
    pub(crate) const SUBSCRIPTION_FAILING: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f21";
    /// A task of the agent stands still, and the watchdog hears no more.
    pub(crate) const STANDSTILL: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f28";
    /// A bound of this device refuses what a server commands.
    pub(crate) const BOUND_REACHED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f2a";
    /// Alerts were dropped for want of room.
    pub(crate) const ALERTS_DROPPED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f30";
    /// A server refuses every package with an alert.
    pub(crate) const ALERT_UNDELIVERABLE: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f31";
    /// Work during which the agent died twice is not taken up again.
    pub(crate) const GIVEN_UP: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f32";
    /// The store can't be written: its disk is full, or read-only.
    pub(crate) const STORE_WITHHELD: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f33";
    /// An alarm can't be judged, or servers can't be told of it.
    pub(crate) const ALARMS_FAILING: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f34";
}

/// The name of the agent in the journal.
pub(crate) fn identifier() -> &'static str {
    "omadmd"
}

/// Where log lines go, by the name that systemd has for it.
pub(crate) fn target() -> &'static str {
    match () {
        () if wants_syslog() => "syslog",
        () if connected_to_journal() => "journal",
        () => "console",
    }
}

/// Whether lines are to go to syslog, as systemd's own programs are told.
fn wants_syslog() -> bool {
    std::env::var_os("SYSTEMD_LOG_TARGET").is_some_and(|target| target == "syslog")
}

/// The lowest level that is to be said, by the environment, as systemd's own services have it.
pub(crate) fn level_asked_for() -> LevelFilter {
    let is_debug = std::env::var_os("SYSTEMD_LOG_LEVEL").is_some_and(|level| level == "debug");
    if is_debug { LevelFilter::Debug } else { LevelFilter::Info }
}

/// Sends log lines to syslog where that is asked for, to journald if stderr is connected to it, else to stderr. What
/// the process dies of is said after them. `name` is the program's there, and `level` the lowest that is said.
pub(crate) fn install(name: &'static CStr, level: LevelFilter) {
    let syslog = wants_syslog().then(|| Syslog::open(name)).flatten();
    let is_journal = syslog.is_none() && connected_to_journal();
    let journal = is_journal.then(JournalLog::new).and_then(Result::ok);
    let journal = journal.map(|journal| journal.with_syslog_identifier(name.to_string_lossy().into_owned()));
    // Fails only where a logger is installed already: then that one is meant.
    let _ = log::set_boxed_logger(Box::new(Lines(Arc::new(Output { syslog, journal, queue: Queue::new() }))));
    log::set_max_level(level);
    let by_default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        log::logger().flush();
        by_default(panic);
    }));
}

/// The agent's log lines, without libraries' own, written by a thread that is there while there is something to write:
/// whoever reads them may hang, and nobody waits for him.
struct Lines(Arc<Output>);

struct Output {
    /// The way to syslog, where that is asked for.
    syslog: Option<Syslog>,
    /// The connection to journald; none, and no syslog either: lines go to stderr.
    journal: Option<JournalLog>,
    queue: Queue<LogLine>,
}

/// A log line with its fields, ready to be written.
struct LogLine {
    level: Level,
    target: String,
    message: String,
    fields: Vec<(String, String)>,
    place: (Option<&'static str>, Option<&'static str>, Option<u32>),
}

impl LogLine {
    fn of(record: &Record<'_>) -> Self {
        let mut fields = Fields(Vec::new());
        // Ours can't fail.
        let _ = record.key_values().visit(&mut fields);
        Self {
            level: record.level(),
            target: record.target().to_owned(),
            message: record.args().to_string(),
            fields: fields.0,
            place: (record.module_path_static(), record.file_static(), record.line()),
        }
    }
}

struct Fields(Vec<(String, String)>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        self.0.push((key.to_string(), value.to_string()));
        Ok(())
    }
}

impl Output {
    fn write(&self, line: &LogLine) {
        let Some(journal) = &self.journal else {
            let message = one_line(&line.message);
            if self.syslog.as_ref().is_some_and(|syslog| syslog.write(line.level, &message)) {
                return;
            }
            let level = line.level.as_str().to_ascii_lowercase();
            // In one piece: what stderr goes to may have other writers. Nothing can be said where it is gone.
            let _ = std::io::stderr().write_all(format!("{level}: {message}\n").as_bytes());
            return;
        };
        let (module, file, number) = line.place;
        let mut record = Record::builder();
        record.level(line.level).target(&line.target).key_values(&line.fields);
        record.module_path_static(module).file_static(file).line(number);
        journal.log(&record.args(format_args!("{}", line.message)).build());
    }

    fn work(&self) {
        while let Some((line, lost)) = self.queue.next() {
            if lost > 0 {
                self.write(&LogLine {
                    level: Level::Warn,
                    target: module_path!().to_owned(),
                    message: format!("{lost} lines of the journal are lost: nobody had read it for a while"),
                    fields: Vec::new(),
                    place: (None, None, None),
                });
            }
            self.write(&line);
        }
    }
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ours(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) || !self.0.queue.push(LogLine::of(record)) {
            return;
        }
        let output = Arc::clone(&self.0);
        let writer = std::thread::Builder::new().name("journal".to_owned());
        if writer.spawn(move || output.work()).is_err() {
            // No thread is to be had: better late than never.
            self.0.work();
        }
    }

    fn flush(&self) {
        self.0.queue.wait_until_empty();
    }
}

/// A message with its unseen characters escaped: text from outside must not look like a line of ours.
fn one_line(message: &str) -> String {
    message
        .chars()
        .flat_map(|c| {
            let escaped = is_unseen(c).then(|| c.escape_default());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// Whether a log call is the agent's own: libraries' debug lines would drown ours, and may hold what must not be
/// logged.
fn ours(metadata: &Metadata<'_>) -> bool {
    metadata.level() <= log::Level::Warn || metadata.target().starts_with("omadm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_begin_a_line_of_its_own() {
        assert_eq!(one_line("from ä\ninfo: forged\u{1b}[2J"), "from ä\\ninfo: forged\\u{1b}[2J");
    }

    #[test]
    fn the_catalogue_explains_every_message_id() {
        let catalogue = include_str!("../../systemd/omadm.catalog");
        let source = include_str!("journal.rs");
        let ids: Vec<&str> =
            source.lines().filter_map(|line| line.split("&str = \"").nth(1)?.strip_suffix("\";")).collect();
        let explained = catalogue.lines().filter(|line| line.starts_with("-- ")).count();
        assert_eq!(ids.len(), explained, "each is there once, and nothing else");
        for id in ids {
            assert!(catalogue.contains(&format!("-- {id}\n")), "{id}");
        }
    }
}
