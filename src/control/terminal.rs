//! The terminal of `omadmctl`: what it answers people, and programs.

use std::io::{self, IsTerminal as _, Write};

use serde_json::{Value as Json, json};

use super::system;
use crate::base::is_unseen;

/// The version of the answers for programs: it grows where a member goes, or means something else. New members may come
/// without.
const VERSION: u32 = 1;

/// Text as people may be shown it: what servers, devices in the network and the machine say comes to an operator's
/// terminal, and must neither steer it nor turn text around. What is not seen is shown as `?`; line ends and tabs stay.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unseen(c) && !matches!(c, '\n' | '\t') { '?' } else { c }).collect()
}

/// JSON on one line, in which what is not seen is escaped: it says the same to programs, and steers no terminal.
pub(super) fn line(json: &Json) -> String {
    let mut line = String::new();
    for c in json.to_string().chars() {
        if !is_unseen(c) {
            line.push(c);
            continue;
        }
        // JSON's own are escaped already, so this one is within a text.
        for unit in c.encode_utf16(&mut [0; 2]) {
            line.push_str(&format!("\\u{unit:04x}"));
        }
    }
    line
}

/// The two outputs: where answers and complaints go.
pub(super) struct Terminal<O, E> {
    pub(super) out: O,
    pub(super) err: E,
}

impl<O: Write, E: Write> Terminal<O, E> {
    /// Prints a line of an answer, for people.
    pub(super) fn say(&mut self, what: &str) -> io::Result<()> {
        writeln!(self.out, "{}", printable(what))
    }

    /// Prints what was asked for: as it is where programs read it, as people may be shown it on a terminal.
    pub(super) fn put(&mut self, what: &str) -> io::Result<()> {
        match io::stdout().is_terminal() {
            true => self.say(what),
            false => writeln!(self.out, "{what}"),
        }
    }

    /// Prints a complaint, after all that was answered before it.
    pub(super) fn complain(&mut self, what: &str) -> io::Result<()> {
        // A disk that is full need not keep anybody from hearing so.
        let _ = self.out.flush();
        writeln!(self.err, "{}", printable(what))
    }

    /// Prints the answer for programs, a JSON object on one line: `version`, whether the command has succeeded (`ok`),
    /// and the members that are the command's own. Returns whether it has.
    pub(super) fn answer(&mut self, ok: bool, members: Json) -> io::Result<bool> {
        let mut answer = json!({ "version": VERSION, "ok": ok });
        if let (Some(all), Json::Object(own)) = (answer.as_object_mut(), members) {
            all.extend(own);
        }
        writeln!(self.out, "{}", line(&answer))?;
        self.out.flush()?;
        Ok(ok)
    }

    /// Says why the command has failed, to people and, by the name of the error as well, to programs; returns that it
    /// has not succeeded.
    pub(super) fn fail(&mut self, error: &str, why: &str, as_json: bool) -> io::Result<bool> {
        let why = system::fit(why);
        if as_json {
            self.answer(false, json!({ "error": error, "why": why }))?;
        }
        self.complain(&why)?;
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal() -> Terminal<Vec<u8>, Vec<u8>> {
        Terminal { out: Vec::new(), err: Vec::new() }
    }

    #[test]
    fn nothing_that_is_told_steers_the_terminal() {
        assert_eq!(printable("a\tb\nä\u{1b}[2J\u{9b}31m\r\u{7}\u{7f}"), "a\tb\nä?[2J?31m???");
        assert_eq!(printable("acme\u{202e}lacol\u{2069}\u{200b}"), "acme?lacol??");
        let mut terminal = terminal();
        terminal.say("\u{1b}c").unwrap();
        terminal.complain("\u{1b}c").unwrap();
        assert_eq!((terminal.out.as_slice(), terminal.err.as_slice()), (&b"?c\n"[..], &b"?c\n"[..]));
    }

    #[test]
    fn an_answer_for_programs_is_one_line_that_steers_no_terminal_and_says_the_same() {
        let mut terminal = terminal();
        let name = "a\u{1b}[2J\u{9b}\u{202e}b\u{2028}\u{e0041}\nä\"";
        assert!(terminal.answer(true, json!({ "name": name })).unwrap());
        let line = String::from_utf8(terminal.out).unwrap();
        assert!(!line.trim_end_matches('\n').contains(is_unseen), "{line:?}");
        let read: Json = serde_json::from_str(&line).unwrap();
        assert_eq!(read, json!({ "version": 1, "ok": true, "name": name }));
    }
}
