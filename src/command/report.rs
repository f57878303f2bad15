//! The report of commands in the journal. A Package#2 may have half a million: each of the first ones gets a line, the
//! others one line together.

use super::status::CommandError;
use crate::base::Order as _;
use crate::base::OrderedMap;
use crate::base::journal::id;
use crate::package::{Command, Verb};
use crate::uri::ServerId;
use crate::uri::server::shown;

/// The most lines of one package.
const MOST_LINES: u32 = 100;

/// The report of the commands of a Package#2 so far.
#[derive(Debug, Default)]
pub struct Report {
    lines: u32,
    /// The number of further commands, by status code.
    more: OrderedMap<u16, u32>,
    /// Whether an operator can do something about some of these.
    problems: bool,
    /// Why the last command failed, if it did and has a line.
    why: Option<String>,
}

/// The server and the session that commands are of.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// The server id.
    pub server_id: &'a ServerId,
    /// The number of the session.
    pub session_id: &'a str,
}

impl Report {
    /// Logs what became of a command, or counts it.
    pub(super) fn add(
        &mut self,
        command: &Command,
        code: u16,
        problem: Option<&CommandError>,
        Whose { server_id, session_id }: Whose<'_>,
    ) {
        self.why = None;
        if self.lines == MOST_LINES {
            *self.more.entry(code).or_default() += 1;
            self.problems |= is_ours(code);
            return;
        }
        self.lines += 1;
        let target = shortened(target(command));
        let mut what = match command.verb.name() {
            "" => "nameless command",
            name => shortened(name),
        }
        .to_owned();
        for part in [server(command).as_deref().unwrap_or_default(), target] {
            if !part.is_empty() {
                what = format!("{what} {}", shortened(part));
            }
        }
        if let Some(problem) = problem.filter(|problem| problem.is_bound()) {
            log::warn!(
                MESSAGE_ID = id::BOUND_REACHED,
                OMADM_SERVER_ID = server_id, OMADM_SESSION_ID = session_id,
                OMADM_CLIENT_URI = target, OMADM_STATUS = code;
                "{server_id}: {what}: {code}: {problem}"
            );
            return;
        }
        // Of a program that failed, its end has said so and why.
        let is_said = command.verb == Verb::Exec && problem.is_none();
        let level = if is_ours(code) && !is_said { log::Level::Warn } else { log::Level::Info };
        // An error names its node: here it is named already.
        self.why = problem.map(ToString::to_string).map(|why| {
            why.strip_prefix(target)
                .and_then(|rest| rest.strip_prefix(": "))
                .map(str::to_owned)
                .unwrap_or(why)
        });
        let why = self.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        log::log!(
            level, OMADM_SERVER_ID = server_id, OMADM_SESSION_ID = session_id,
            OMADM_CLIENT_URI = target, OMADM_STATUS = code;
            "{server_id}: {what}: {code}{why}"
        );
    }

    /// Takes the reason why the last command failed.
    pub fn take_why(&mut self) -> Option<String> {
        self.why.take()
    }

    /// Ends the report of a package: logs how many commands had no line, if there were any. Another one may follow.
    pub fn finish(&mut self, Whose { server_id, session_id }: Whose<'_>) {
        let Self { more, problems, .. } = std::mem::take(self);
        let Some(rest) = rest(&more) else { return };
        let level = if problems { log::Level::Warn } else { log::Level::Info };
        log::log!(
            level, OMADM_SERVER_ID = server_id, OMADM_SESSION_ID = session_id;
            "{server_id}: {rest}"
        );
    }
}

/// Whether an operator of this device can do something about a status. What a server asks for in vain is its own
/// affair.
fn is_ours(code: u16) -> bool {
    matches!(code, 500 | 502..=999)
}

/// The most frequent codes of the commands without a line.
fn rest(more: &OrderedMap<u16, u32>) -> Option<String> {
    const MOST_CODES: usize = 8;
    let mut codes: Vec<_> = more.iter().map(|(code, count)| (*count, *code)).collect();
    codes.order_by_key(|(count, code)| (std::cmp::Reverse(*count), *code));
    let total: u32 = codes.iter().map(|(count, _)| count).sum();
    let listed = match codes.as_slice() {
        [] => return None,
        [(_, code)] => code.to_string(),
        codes => {
            let listed = codes.iter().take(MOST_CODES).map(|(count, code)| format!("{code} ({count})"));
            let others = if codes.len() > MOST_CODES { ", …" } else { "" };
            format!("{}{others}", listed.collect::<Vec<_>>().join(", "))
        }
    };
    let noun = if total == 1 { "command" } else { "commands" };
    Some(format!("… and {total} more {noun}: {listed}"))
}

/// The ClientURI that a command is about, without its query: the values that it compares with may be secrets.
fn target(command: &Command) -> &str {
    let parameters = command.parameters.as_deref().unwrap_or_default();
    let target = match command.verb {
        Verb::Get | Verb::Delete | Verb::Exec | Verb::Sub | Verb::Unsub => parameters.first(),
        Verb::Hget | Verb::Hput | Verb::Hpost => parameters.get(1),
        _ => None,
    };
    target.and_then(|uri| uri.split('?').next()).unwrap_or_default()
}

/// The data repository that a command is about.
fn server(command: &Command) -> Option<String> {
    let has_one = matches!(command.verb, Verb::Hget | Verb::Hput | Verb::Hpost);
    command.parameters.as_ref().filter(|_| has_one)?.first().map(|uri| shown(uri))
}

/// The beginning of a text that a server sent: that may be long; a journal line is not.
fn shortened(text: &str) -> &str {
    const MOST: usize = 200;
    let end = (0..=MOST.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    static SERVER: ServerId = ServerId::fixed("s");
    const WHOSE: Whose<'_> = Whose { server_id: &SERVER, session_id: "1" };

    #[test]
    fn a_package_has_so_many_lines_and_the_rest_is_counted() {
        let nothing = Command { verb: Verb::Unknown(String::new()), parameters: None };
        let problem = CommandError::Unknown;
        let mut report = Report::default();
        for _ in 0..100 {
            report.add(&nothing, 501, Some(&problem), WHOSE);
        }
        assert_eq!(rest(&report.more), None, "each of these has its line");
        report.add(&nothing, 200, None, WHOSE);
        assert_eq!(rest(&report.more).unwrap(), "… and 1 more command: 200");
        assert!(!report.problems);
        for _ in 0..499_999 {
            report.add(&nothing, 501, Some(&problem), WHOSE);
        }
        assert_eq!(rest(&report.more).unwrap(), "… and 500000 more commands: 501 (499999), 200 (1)");
        assert!(!report.problems, "an unknown command is the server's affair");
        report.add(&nothing, 503, Some(&problem), WHOSE);
        assert!(report.problems);
        report.finish(WHOSE);
        assert_eq!((report.lines, report.more.len()), (0, 0), "the next package begins anew");
    }

    #[test]
    fn what_a_server_looks_for_is_not_told() {
        let of = |name: &str, parameters: &[&str]| {
            let parameters = parameters.iter().map(|&text| text.to_owned()).collect();
            Command { verb: name.to_owned().into(), parameters: Some(parameters) }
        };
        let uri = "urn:x:1.0/(x)/Key?nv=(x)/Pin:1234";
        assert_eq!(target(&of("GET", &[uri])), "urn:x:1.0/(x)/Key");
        assert_eq!(target(&of("HGET", &["https://r.example/a?b", uri])), "urn:x:1.0/(x)/Key");
        assert_eq!(target(&of("HGET", &["https://r.example/a"])), "");
        let server = |name: &str, uri: &str| server(&of(name, &[uri, "urn:x:1.0//Key"]));
        assert_eq!(server("HGET", "https://u:pw@r.example/a?key#x").unwrap(), "https://r.example/a");
        assert_eq!(server("HPUT", "https://r.example?a=@/").unwrap(), "https://r.example");
        assert_eq!(server("GET", "urn:x:1.0"), None);
    }

    #[test]
    fn programs_with_many_codes_of_their_own_make_no_long_line() {
        let more = (1500..1700).map(|code| (code, 1)).collect();
        let line = rest(&more).unwrap();
        assert!(line.starts_with("… and 200 more commands: 1500 (1), ") && line.ends_with(", …"), "{line}");
        assert!(line.len() < 200);
    }
}
