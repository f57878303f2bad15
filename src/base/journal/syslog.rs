//! Syslog, where a machine has no journald: OpenWrt's logd, busybox's syslogd. A line has its severity there.

use std::ffi::CStr;
use std::path::Path;

use log::Level;
use nix::syslog::{Facility, LogFlags, Priority, Severity, openlog, syslog};

/// The socket of whoever takes lines.
const SOCKET: &str = "/dev/log";

/// Syslog, by the C library.
pub(super) struct Syslog(());

impl Syslog {
    /// Gives the program this name there. Whoever takes lines need not be there yet.
    pub(super) fn open(name: &'static CStr) -> Option<Self> {
        openlog(Some(name), LogFlags::LOG_PID, Facility::LOG_DAEMON).ok().map(|()| Self(()))
    }

    /// Hands a line over, which may block; false where nobody takes any.
    pub(super) fn write(&self, level: Level, line: &str) -> bool {
        let priority = Priority::new(severity(level), Facility::LOG_DAEMON);
        Path::new(SOCKET).exists() && syslog(priority, line).is_ok()
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::LOG_ERR,
        Level::Warn => Severity::LOG_WARNING,
        Level::Info => Severity::LOG_INFO,
        Level::Debug | Level::Trace => Severity::LOG_DEBUG,
    }
}
