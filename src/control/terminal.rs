//! The terminal of `omadmctl`.

use std::io::{self, Write};

use crate::base::is_unseen;

/// Text as people may be shown it: what servers, devices in the network and the machine say comes to an operator's
/// terminal, and must neither steer it nor turn text around. What is not seen is shown as `?`; line ends and tabs stay.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unseen(c) && !matches!(c, '\n' | '\t') { '?' } else { c }).collect()
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

    /// Prints a complaint, after all that was answered before it.
    pub(super) fn complain(&mut self, what: &str) -> io::Result<()> {
        // A disk that is full need not keep anybody from hearing so.
        let _ = self.out.flush();
        writeln!(self.err, "{}", printable(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_told_steers_the_terminal() {
        assert_eq!(printable("a\tb\nä\u{1b}[2J\u{9b}31m\r\u{7}\u{7f}"), "a\tb\nä?[2J?31m???");
        assert_eq!(printable("acme\u{202e}lacol\u{2069}\u{200b}"), "acme?lacol??");
        let mut terminal = Terminal { out: Vec::new(), err: Vec::new() };
        terminal.say("\u{1b}c").unwrap();
        terminal.complain("\u{1b}c").unwrap();
        assert_eq!((terminal.out.as_slice(), terminal.err.as_slice()), (&b"?c\n"[..], &b"?c\n"[..]));
    }
}
