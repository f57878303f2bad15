//! The log as `systemctl service-log-level` sees it: `org.freedesktop.LogControl1`.

use log::LevelFilter;
use serde_json::json;

use super::call::LOGS;
use super::caller::Answer;
use super::refusal::Refusal;
use super::values::{PropertyValue, Values};
use crate::base::journal;

/// The level of the log, by the name that syslog has for it.
fn level() -> &'static str {
    match log::max_level() {
        LevelFilter::Off | LevelFilter::Error => "err",
        LevelFilter::Warn => "warning",
        LevelFilter::Info => "info",
        LevelFilter::Debug | LevelFilter::Trace => "debug",
    }
}

fn value(name: &str) -> PropertyValue {
    let text = match name {
        "LogLevel" => level(),
        "LogTarget" => journal::target(),
        _ => journal::identifier(),
    };
    PropertyValue { kind: "s", json: json!(text) }
}

/// A property of the log; all of them for no name.
pub(super) fn get(name: Option<&str>) -> Values {
    match name {
        None => Values::Properties(LOGS.iter().map(|(name, _)| (*name, value(name))).collect()),
        Some(name) => Values::Property(value(name)),
    }
}

/// Sets the level of the log, by a name of syslog's.
pub(super) fn set_level(name: &str) -> Answer {
    let level = match name {
        "emerg" | "alert" | "crit" | "err" => LevelFilter::Error,
        "warning" => LevelFilter::Warn,
        "notice" | "info" => LevelFilter::Info,
        "debug" => LevelFilter::Debug,
        _ => {
            return Err(Refusal::standard(
                "InvalidArgs",
                "expected emerg, alert, crit, err, warning, notice, info or debug",
            ));
        }
    };
    log::set_max_level(level);
    Ok(Values::Nothing)
}
