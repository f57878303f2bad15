//! The journal: structured fields where journald listens, plain lines on stderr elsewhere.
//!
//! Log calls carry key-value pairs; journald gets them as fields. What an operator acts on has a
//! `MESSAGE_ID`, explained in the catalogue (`journalctl -x`).

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

/// Message ids of the journal catalogue, `systemd/omadm.catalog`.
pub mod id {
    /// A session ended well.
    pub const SESSION_ENDED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f10";
    /// A session failed.
    pub const SESSION_FAILED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f11";
    /// Datagrams were dropped.
    pub const NOTIFICATIONS_DROPPED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f12";
    /// The configuration, an account or a management object can't be used.
    pub const CONFIGURATION_BROKEN: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f13";
    /// The store was damaged or of a newer version, and set aside.
    pub const STORE_SET_ASIDE: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f14";
    /// The clock is earlier than a time already known.
    pub const CLOCK_UNSET: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f15";
    /// A bootstrap brought accounts.
    pub const BOOTSTRAPPED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f1a";
    /// A bootstrap failed.
    pub const BOOTSTRAP_FAILED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f1b";
    /// What a failed or cut-short change had done to a file can't be taken back.
    pub const UNDO_FAILED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f20";
    /// A bound of this device refuses what a server commands.
    pub const BOUND_REACHED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f2a";
    /// What a server has subscribed to can't be put where it wants it.
    pub const SUBSCRIPTION_FAILING: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f21";
    /// A task of the agent stands still, and the watchdog hears no more.
    pub const STANDSTILL: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f28";
    /// Alerts had to go for want of room.
    pub const ALERTS_DROPPED: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f30";
    /// A server refuses every package with an alert.
    pub const ALERT_UNDELIVERABLE: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f31";
    /// The agent died of something twice: it is not taken up again.
    pub const GIVEN_UP: &str = "6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f32";
}

/// Sends log lines to journald if stderr is connected to it, else to stderr.
pub fn install() {
    let journal = connected_to_journal().then(JournalLog::new).and_then(Result::ok);
    let logger: Box<dyn Log> = match journal {
        Some(journal) => Box::new(Journal(journal.with_syslog_identifier("omadmd".to_owned()))),
        None => Box::new(Stderr),
    };
    // Fails only where a logger is installed already: then that one is meant.
    let _ = log::set_boxed_logger(logger);
    log::set_max_level(LevelFilter::Info);
}

/// journald, without the chatter of libraries.
struct Journal(JournalLog);

impl Log for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ours(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {}
}

/// One line a record: level and message.
struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ours(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = record.level().as_str().to_ascii_lowercase();
            let message = one_line(&record.args().to_string());
            // Nothing can be said where stderr is gone.
            let _ = writeln!(std::io::stderr().lock(), "{level}: {message}");
        }
    }

    fn flush(&self) {}
}

/// What came from outside must not look like a line of ours: control characters are escaped.
fn one_line(message: &str) -> String {
    message
        .chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// Libraries' own debug lines would drown ours, and may hold what must not be logged.
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
