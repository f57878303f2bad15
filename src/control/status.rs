//! `omadmctl status [SERVER]`: in one screen, whether the device is at its servers, and if not, why.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use super::agent::told;
use super::client::{AskError, Client};
use super::system::fit;
use super::table::{Paper, Tone};
use super::terminal::Terminal;
use crate::ddf::Format;
use crate::mo::calendar;
use crate::session::WaitsFor;

/// Shows the status; returns whether the agent answered, and knows the server.
pub(super) fn show<O: Write, E: Write>(
    server: Option<&str>,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let status = match Client::connect().and_then(|client| client.json("Status", "", json!([]))) {
        Ok(status) => status,
        Err(error) => return told(&error, as_json, terminal),
    };
    let servers = status.get("servers").and_then(Json::as_object);
    if let Some(server) = server
        && servers.is_none_or(|servers| !servers.contains_key(server))
    {
        let why = format!("no account has the server id {server:?}: `omadmctl status` names those there are");
        return told(&AskError::Refused { name: "UnknownServer".to_owned(), why }, as_json, terminal);
    }
    let shown = servers.into_iter().flatten().filter(|(id, _)| server.is_none_or(|server| server == *id));
    if as_json {
        let mut status = status.clone();
        if let Some(servers) = status.get_mut("servers").and_then(Json::as_object_mut) {
            servers.retain(|id, _| server.is_none_or(|server| server == id));
        }
        return terminal.answer(true, status);
    }
    let (paper, now) = (Paper::stdout(), now());
    agent(&status, paper, &mut terminal.out)?;
    for (id, one) in shown {
        of_server(id, one, running(&status, id), paper, now, &mut terminal.out)?;
    }
    terminal.out.flush()?;
    Ok(true)
}

/// Shows the accounts: the server's id, and its address.
pub(super) fn accounts<O: Write, E: Write>(as_json: bool, terminal: &mut Terminal<O, E>) -> io::Result<bool> {
    let status = match Client::connect().and_then(|client| client.json("Status", "", json!([]))) {
        Ok(status) => status,
        Err(error) => return told(&error, as_json, terminal),
    };
    let servers = status.get("servers").and_then(Json::as_object).cloned().unwrap_or_default();
    if as_json {
        let all: Vec<Json> = servers
            .iter()
            .map(|(id, one)| json!({ "server": id, "name": one.get("name"), "uri": one.get("uri") }))
            .collect();
        return terminal.answer(true, json!({ "accounts": all }));
    }
    if servers.is_empty() {
        writeln!(
            terminal.out,
            "there is no account: put a file into /etc/omadm/accounts.d, see omadm-account(5)"
        )?;
    }
    let cells = |(id, one): (&String, &Json)| {
        vec![id.clone(), text(one, "name").to_owned(), text(one, "uri").to_owned()]
    };
    let rows: Vec<_> = servers.iter().map(cells).collect();
    Paper::stdout().table(&mut terminal.out, &["SERVER", "NAME", "ADDRESS"], &rows)?;
    terminal.out.flush()?;
    Ok(true)
}

/// Shows the sessions that run.
pub(super) fn sessions<O: Write, E: Write>(as_json: bool, terminal: &mut Terminal<O, E>) -> io::Result<bool> {
    let status = match Client::connect().and_then(|client| client.json("Status", "", json!([]))) {
        Ok(status) => status,
        Err(error) => return told(&error, as_json, terminal),
    };
    let sessions = status.get("sessions").cloned().unwrap_or_default();
    if as_json {
        return terminal.answer(true, json!({ "sessions": sessions }));
    }
    let sessions = sessions.as_array().map(Vec::as_slice).unwrap_or_default();
    if sessions.is_empty() {
        writeln!(terminal.out, "no session runs")?;
    }
    let cells = |session: &Json| {
        let [server, id, cause, report_to] =
            ["server", "id", "cause", "reportTo"].map(|name| text(session, name).to_owned());
        let began = number(session, "began").map(|began| ago(now(), began)).unwrap_or_default();
        vec![server, id, cause, began, waits_text(session), report_to]
    };
    let headers = ["SERVER", "SESSION", "CAUSE", "BEGUN", "WAITS FOR", "REPORT TO"];
    let rows: Vec<_> = sessions.iter().map(cells).collect();
    Paper::stdout().table(&mut terminal.out, &headers, &rows)?;
    terminal.out.flush()?;
    Ok(true)
}

/// What a session waits for, and for how many seconds.
pub(super) fn waits(session: &Json) -> Option<(&str, u64)> {
    let what = session.get("waitsFor").and_then(Json::as_str)?;
    Some((what, now().saturating_sub(number(session, "waitsSince")?)))
}

/// What a session waits for, in words.
fn waits_text(session: &Json) -> String {
    waits(session).map_or_else(String::new, |(what, seconds)| format!("{what}, for {}", span(seconds)))
}

fn agent(status: &Json, paper: Paper, out: &mut impl Write) -> io::Result<()> {
    let device = text(status, "deviceId");
    let device = if device.is_empty() { "no DevID is known: no session can begin" } else { device };
    paper.head(out, &format!("omadm-agent {} on {device}", text(status, "agent")))?;
    let part = |name: &str, member: &str| status.get(name).and_then(|part| part.get(member)).cloned();
    let is = |name, member| part(name, member).and_then(|truth| truth.as_bool()).unwrap_or_default();
    if !is("clock", "believed") {
        let waits = if is("clock", "waits") { ": scheduled sessions wait for it" } else { "" };
        paper.line(out, "clock", &fit(&format!("not set{waits}; `timedatectl`")), Tone::Bad)?;
    }
    if !is("configuration", "sound") {
        let first = part("configuration", "problem");
        let said = match first.as_ref().and_then(Json::as_str) {
            Some(first) => format!("{first}: `omadmctl config check` says all"),
            None => "a file is broken: `omadmctl config check` says which".to_owned(),
        };
        paper.line(out, "configuration", &said, Tone::Bad)?;
    }
    if let Some(why) = full(status) {
        paper.line(out, "store", &why, Tone::Bad)?;
    }
    if let Some(said) = set_aside(status) {
        paper.line(out, "store", &said, Tone::Plain)?;
    }
    if let Some(why) = status.get("helper").and_then(|helper| helper.get("why")).and_then(Json::as_str) {
        let said = format!("{why}: what needs root does not work; `systemctl status omadm-exec.socket`");
        paper.line(out, "helper", &fit(&said), Tone::Bad)?;
    }
    match status.get("link").filter(|link| link.is_object()) {
        Some(link) => {
            let flag = |name: &str| link.get(name).and_then(Json::as_bool);
            let mut said = format!(
                "{}, {}",
                text(link, "interface"),
                link.get("type").and_then(Json::as_str).unwrap_or("of no known type")
            );
            if flag("metered") == Some(true) {
                said.push_str(", metered");
            }
            said.push_str(match flag("roaming") {
                Some(true) => ", roaming",
                Some(false) => ", at home",
                None => "",
            });
            paper.line(out, "link", &said, Tone::Plain)?;
        }
        None => {
            let servers = status.get("servers").and_then(Json::as_object).into_iter().flatten();
            let mut servers = servers.map(|(_, server)| text(server, "outcome"));
            let (what, tone) = match servers.any(|last| last == "completed") {
                // It is where no default route is needed.
                true => ("no default route: a server is reached without one", Tone::Plain),
                false => {
                    ("none is up that leads to the outside: there is no default route; `ip route`", Tone::Bad)
                }
            };
            paper.line(out, "link", what, tone)?;
        }
    }
    let objects = number(status, "objects").unwrap_or_default();
    let said = match objects {
        1 => "1 management object is served".to_owned(),
        number => format!("{number} management objects are served"),
    };
    paper.line(out, "objects", &said, Tone::Plain)?;
    for node in status.get("execs").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
        paper.line(out, "executing", node, Tone::Plain)?;
    }
    if status.get("servers").and_then(Json::as_object).is_none_or(serde_json::Map::is_empty) {
        let what = match is("configuration", "sound") {
            true => "none: put a file into /etc/omadm/accounts.d, see omadm-account(5)",
            false => "none can be used: `omadmctl config check` says why",
        };
        paper.line(out, "accounts", what, Tone::Bad)?;
    }
    Ok(())
}

/// What became of a store that could not be used, as long as it lies there.
fn set_aside(status: &Json) -> Option<String> {
    let aside = status.get("store")?.get("setAside").filter(|aside| aside.is_object())?;
    let time = number(aside, "time").map(|time| on(time, now())).unwrap_or_default();
    Some(fit(&format!(
        "the one before could not be used and was set aside {time}: {}; what could not be read of it is lost, such as what \
         servers had set and alerts that waited: `journalctl -u omadmd` says what was kept; remove it when nobody needs it",
        text(aside, "path")
    )))
}

/// Why nothing can be kept on the disk of the agent's state, if that is so.
fn full(status: &Json) -> Option<String> {
    /// The store grows by pages: with less, a notification or an alert may not fit.
    const LEAST: u64 = 128 << 10;
    let store = status.get("store")?;
    let path = text(store, "path");
    if store.get("writable")? == false {
        return Some(format!("{path} is read-only, nothing can be kept: `mount`, `dmesg`"));
    }
    if let Some(why) = store.get("refused").and_then(Json::as_str) {
        return Some(format!("{path} can't be written: {why}: `df {path}`"));
    }
    let free = number(store, "free").filter(|free| *free < LEAST)?;
    Some(format!("{path} is full ({free} bytes are free), nothing more can be kept: `df {path}`"))
}

/// The session with a server's own address that runs.
fn running<'s>(status: &'s Json, server: &str) -> Option<&'s Json> {
    let mut sessions = status.get("sessions")?.as_array()?.iter();
    sessions.find(|session| text(session, "server") == server && text(session, "reportTo").is_empty())
}

fn of_server(
    id: &str,
    server: &Json,
    session: Option<&Json>,
    paper: Paper,
    now: u64,
    out: &mut impl Write,
) -> io::Result<()> {
    let name = text(server, "name");
    writeln!(out)?;
    paper.head(out, &if name.is_empty() { id.to_owned() } else { format!("{id} ({name})") })?;
    paper.line(out, "address", text(server, "uri"), Tone::Plain)?;
    if let Some(stale) = stale(server) {
        paper.line(out, "account", &stale, Tone::Bad)?;
    }
    let (state, tone) = match text(server, "state") {
        "running" => (session.map_or_else(String::new, |session| runs(session, now)), Tone::Good),
        _ => (next(id, server, now), Tone::Plain),
    };
    paper.line(out, "now", &state, tone)?;
    let ended = number(server, "lastEnded").map(|ended| ago(now, ended));
    let (last, tone) = match (text(server, "outcome"), ended) {
        ("completed", Some(ended)) => {
            let failed = failed_commands(server);
            let tone = if failed.is_some() { Tone::Plain } else { Tone::Good };
            (format!("completed {ended}{}", failed.unwrap_or_default()), tone)
        }
        (_, Some(ended)) => {
            let failed = failed_commands(server).unwrap_or_default();
            (format!("failed {ended}: {}{failed}", text(server, "why")), Tone::Bad)
        }
        (_, None) => ("none since the agent started".to_owned(), Tone::Plain),
    };
    paper.line(out, "last session", &last, tone)?;
    if text(server, "outcome") != "completed" {
        let contact = match (number(server, "lastContact"), text(server, "lastContactPrecision")) {
            (Some(contact), "day") => on(contact, now),
            (Some(contact), _) => ago(now, contact),
            (None, _) => "never".to_owned(),
        };
        paper.line(out, "last contact", &contact, Tone::Plain)?;
        if let Some(hint) = super::hint::of_failure(text(server, "why")) {
            paper.line(out, "look at", &hint, Tone::Plain)?;
        }
    }
    if let Some(until) = number(server, "certificateUntil") {
        let (said, tone) = validity(until, now);
        // What a failed session was shown may be another one.
        let seen = if text(server, "outcome") == "failed" { ": the last one that was accepted" } else { "" };
        paper.line(out, "certificate", &format!("{said}{seen}"), tone)?;
    }
    if let Some(until) = number(server, "ownCertificateUntil") {
        let (said, tone) = validity(until, now);
        paper.line(out, "ours", &said, tone)?;
    }
    let subscriptions = server.get("subscriptions").and_then(Json::as_array).map_or(0, Vec::len);
    if subscriptions > 0 {
        let said = format!("{subscriptions}: `omadmctl status {id} --json` lists them");
        paper.line(out, "subscriptions", &said, Tone::Plain)?;
    }
    if let (Some(sent), Some(received)) = (number(server, "sent"), number(server, "received")) {
        let said = format!("{} sent, {} received since the agent started", bytes(sent), bytes(received));
        paper.line(out, "traffic", &said, Tone::Plain)?;
    }
    match number(server, "pendingAlerts") {
        None | Some(0) => Ok(()),
        Some(1) => paper.line(out, "alerts", "1 waits for the server", Tone::Plain),
        Some(alerts) => paper.line(out, "alerts", &format!("{alerts} wait for the server"), Tone::Plain),
    }
}

/// That an account is used as it was, if so, and why.
pub(super) fn stale(server: &Json) -> Option<String> {
    let broken = server.get("broken").and_then(Json::as_str)?;
    Some(format!("used as it was, as its file is broken now: {broken}"))
}

/// How many commands of the last session failed, if any did.
pub(super) fn failed_commands(server: &Json) -> Option<String> {
    let failed = number(server, "lastCommandsFailed").filter(|failed| *failed > 0)?;
    let all = number(server, "lastCommands").unwrap_or(failed);
    Some(format!("; {failed} of {all} command{} failed", if all == 1 { "" } else { "s" }))
}

/// How long a certificate is valid yet, and whether that is too little.
fn validity(until: u64, now: u64) -> (String, Tone) {
    /// A certificate that is valid no longer than that wants a new one.
    const SOON: u64 = 14 * 86_400;
    match until.checked_sub(now) {
        None => (format!("expired {}", ago(now, until)), Tone::Bad),
        Some(left) => {
            (format!("valid for {}", span(left)), if left < SOON { Tone::Bad } else { Tone::Plain })
        }
    }
}

/// A number of bytes in the unit that people would use.
fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{} kB", count / 1000),
        _ => format!("{} MB", count / 1_000_000),
    }
}

fn runs(session: &Json, now: u64) -> String {
    let since = number(session, "began").map(|began| format!(" for {} now", span(now.saturating_sub(began))));
    let waits = Some(waits_text(session)).filter(|waits| !waits.is_empty());
    let waits = waits.map(|waits| format!(", and waits for {waits}")).unwrap_or_default();
    format!("a session runs{}{waits}", since.unwrap_or_default())
}

/// The next session with a server, and what it waits for; where none is due, or one that failed is not tried again by
/// itself, also what begins one.
pub(super) fn next(id: &str, server: &Json, now: u64) -> String {
    let begins = format!("a notification, an alert or `omadmctl session start {id}` begins one");
    let has_failed = text(server, "outcome") == "failed";
    if text(server, "state") != "waiting" {
        let what =
            if has_failed { "the last session is not tried again by itself" } else { "no session is due" };
        return format!("{what}: {begins}");
    }
    let when = match number(server, "nextTry") {
        Some(next) => format!("in {}", span(next.saturating_sub(now))),
        None => "later".to_owned(),
    };
    let (cause, waits_for) = (text(server, "nextCause"), text(server, "waitsFor"));
    // One that is tried again waits for something else.
    let earlier = if has_failed && waits_for == WaitsFor::Time.words() {
        format!("; the last one is not tried again before that by itself: {begins}")
    } else {
        String::new()
    };
    format!("a session begins {when} ({cause}); it waits for {waits_for}{earlier}")
}

/// The session with a server's own address that runs, as somebody is told who waits for its end.
pub(super) fn in_the_way(status: &Json, server: &str) -> Option<(String, String)> {
    let session = running(status, server)?;
    let since = number(session, "began").map_or_else(String::new, |began| {
        let then = f64::from(u32::try_from(began).unwrap_or(u32::MAX));
        let then = calendar::utc(then, Format::Chr).unwrap_or_default();
        format!(", which runs since {then}, {}", ago(now(), began))
    });
    let (id, cause) = (text(session, "id"), text(session, "cause"));
    Some((id.to_owned(), format!("the end of the session {id} ({cause}){since}")))
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn text<'a>(json: &'a Json, name: &str) -> &'a str {
    json.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn number(json: &Json, name: &str) -> Option<u64> {
    json.get(name).and_then(Json::as_u64)
}

/// A time that is known to the day: no more is said than that.
fn on(then: u64, now: u64) -> String {
    const DAY: u64 = 86_400;
    match (now / DAY).checked_sub(then / DAY) {
        Some(0) => "today".to_owned(),
        Some(1) => "yesterday".to_owned(),
        _ => {
            let then = f64::from(u32::try_from(then).unwrap_or(u32::MAX));
            calendar::utc(then, Format::Date).map_or_else(String::new, |date| format!("on {date}"))
        }
    }
}

fn ago(now: u64, then: u64) -> String {
    format!("{} ago", span(now.saturating_sub(then)))
}

/// A span of time in its two largest units.
fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_what_people_count_by() {
        for (seconds, expected) in
            [(0, "0 s"), (59, "59 s"), (119, "1 min"), (3600, "1 h 0 min"), (100_000, "1 d 3 h")]
        {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn what_is_known_to_the_day_is_told_by_the_day() {
        let now = 1_796_000_000;
        assert_eq!(on(now - 60, now), "today");
        assert_eq!(on(now - 86_400, now), "yesterday");
        assert_eq!(on(now - 10 * 86_400, now), "on 2026-11-20");
        assert_eq!(on(now + 86_400, now), "on 2026-12-01", "the clock was set back");
    }

    #[test]
    fn after_failures_a_certificate_is_not_told_as_the_one_that_they_met() {
        let server = |outcome: &str| {
            let server = json!({
                "outcome": outcome, "lastEnded": 990, "certificateUntil": 1000 + 90 * 86_400, "lastContact": 900,
                "lastContactPrecision": "day",
            });
            let mut out = Vec::new();
            of_server("acme", &server, None, Paper::plain(80), 1000, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let failed = server("failed");
        assert!(failed.contains("valid for 90 d 0 h: the last one that was accepted"), "{failed}");
        assert!(failed.contains("last contact   today\n"), "{failed}");
        assert!(server("completed").contains("valid for 90 d 0 h\n"));
    }

    #[test]
    fn a_helper_that_is_not_there_is_told() {
        let shown = |helper: Json| {
            let mut out = Vec::new();
            agent(&json!({ "helper": helper }), Paper::plain(200), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let missing = shown(json!({ "path": "/run/x", "why": "nobody listens at /run/x" }));
        assert!(
            missing.contains("helper         nobody listens at /run/x: what needs root does not work"),
            "{missing}"
        );
        assert!(!shown(json!({ "path": "/run/x", "why": null })).contains("helper"));
        assert!(!shown(Json::Null).contains("helper"));
    }

    #[test]
    fn that_no_default_route_is_there_is_a_fact_where_a_server_is_reached_without() {
        let shown = |outcome: &str| {
            let mut out = Vec::new();
            let status = json!({ "servers": { "acme": { "outcome": outcome } }, "link": null });
            let paper = Paper::coloured(80);
            agent(&status, paper, &mut out).unwrap();
            let shown = String::from_utf8(out).unwrap();
            shown.lines().find(|line| line.contains("link")).unwrap().to_owned()
        };
        assert_eq!(shown("completed"), "  link           no default route: a server is reached without one");
        assert!(shown("failed").contains("\u{1b}[31mnone is up"));
    }

    #[test]
    fn a_disk_that_takes_nothing_is_told() {
        let told = |free: u64, writable: bool| {
            full(&json!({ "store": { "path": "/s", "free": free, "writable": writable } }))
        };
        assert_eq!(told(1 << 20, true), None);
        assert!(told(4096, true).unwrap().starts_with("/s is full (4096 bytes"));
        assert!(told(1 << 20, false).unwrap().contains("read-only"));
        assert_eq!(full(&json!({ "store": null })), None);
        let refused =
            json!({ "store": { "path": "/s", "free": 1 << 20, "writable": true, "refused": "no space" } });
        assert_eq!(full(&refused).unwrap(), "/s can't be written: no space: `df /s`");
    }

    #[test]
    fn a_failure_is_shown_with_its_reason_the_next_try_and_where_to_look() {
        let server = json!({
            "state": "waiting", "name": "Acme", "uri": "https://dm.acme.example/dm", "outcome": "failed",
            "why": "https://dm.acme.example: can't connect: Connection refused", "lastEnded": 940, "nextTry": 1060,
            "nextCause": "retry", "waitsFor": "the end of the pause after a failure", "pendingAlerts": 2,
        });
        let mut out = Vec::new();
        of_server("acme", &server, None, Paper::plain(80), 1000, &mut out).unwrap();
        let shown = String::from_utf8(out).unwrap();
        for part in ["acme (Acme)", "failed 1 min ago", "in 1 min (retry)", "last contact", "never", "2 wait"]
        {
            assert!(shown.contains(part), "{part}:\n{shown}");
        }
    }
}
