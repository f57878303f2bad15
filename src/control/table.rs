//! What is shown to people: as wide as the terminal, in colour where there is one.

use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;

use super::terminal::printable;

/// The width where there is no terminal, and the least that is used.
const USUAL: usize = 80;
const LEAST: usize = 40;

/// The paper that is written on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paper {
    /// The number of columns.
    width: usize,
    is_coloured: bool,
}

/// How grave something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
}

impl Paper {
    /// Paper of this width, without colour.
    #[cfg(test)]
    pub(super) fn plain(width: usize) -> Self {
        Self { width, is_coloured: false }
    }

    /// The standard output.
    pub(super) fn stdout() -> Self {
        let out = io::stdout();
        if !out.is_terminal() {
            // `COLUMNS` is for whoever reads it somewhere else.
            let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
            return Self { width: columns.unwrap_or(USUAL).max(LEAST), is_coloured: false };
        }
        let size = rustix::termios::tcgetwinsize(out.as_fd()).map_or(0, |size| usize::from(size.ws_col));
        let width = if size == 0 { USUAL } else { size.max(LEAST) };
        Self { width, is_coloured: std::env::var_os("NO_COLOR").is_none() }
    }

    /// A line for a name and what is to be said of it; further lines of that stand below it.
    pub(super) fn line(self, out: &mut impl Write, name: &str, said: &str, tone: Tone) -> io::Result<()> {
        const NAMES: usize = 15;
        let room = self.width.saturating_sub(NAMES + 2).max(20);
        for (number, part) in wrapped(said, room).iter().enumerate() {
            let name = if number == 0 { name } else { "" };
            writeln!(out, "  {name:NAMES$}{}", self.toned(part, tone))?;
        }
        Ok(())
    }

    /// A line that begins so far to the right, and goes on a little further there.
    pub(super) fn indented(self, out: &mut impl Write, indent: usize, text: &str) -> io::Result<()> {
        let room = self.width.saturating_sub(indent + 4).max(20);
        for (number, part) in wrapped(text, room).iter().enumerate() {
            let indent = if number == 0 { indent } else { indent + 4 };
            writeln!(out, "{:indent$}{part}", "")?;
        }
        Ok(())
    }

    /// A heading.
    pub(super) fn head(self, out: &mut impl Write, text: &str) -> io::Result<()> {
        for part in wrapped(text, self.width) {
            match self.is_coloured {
                true => writeln!(out, "\u{1b}[1m{part}\u{1b}[0m")?,
                false => writeln!(out, "{part}")?,
            }
        }
        Ok(())
    }

    /// Text in the colour of its tone.
    pub(super) fn toned(self, text: &str, tone: Tone) -> String {
        match tone {
            Tone::Good if self.is_coloured => format!("\u{1b}[32m{text}\u{1b}[0m"),
            Tone::Bad if self.is_coloured => format!("\u{1b}[31m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }
}

/// The text in lines of at most so many characters, broken between words; a longer word is broken where it must be.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut room = width;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = printable(word).chars().collect();
        loop {
            let begun = room < width;
            let needed = word.len() + usize::from(begun);
            let Some(line) = lines.last_mut() else { break };
            if needed <= room {
                line.extend(begun.then_some(' ').into_iter().chain(word));
                room -= needed;
                break;
            }
            if !begun {
                let rest = word.split_off(width);
                line.extend(word);
                word = rest;
            }
            lines.push(String::new());
            room = width;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_longer_than_the_terminal_is_wide() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("a\u{1b}[2J", 9), ["a?[2J"]);
        for width in [40, 60, 80, 200] {
            let mut out = Vec::new();
            let paper = Paper { width, is_coloured: false };
            let said = "https://dm.acme.example:8443/dm?id=IMEI:352099001761481 ".repeat(4);
            paper.line(&mut out, "address", &said, Tone::Bad).unwrap();
            let shown = String::from_utf8(out).unwrap();
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}:\n{shown}");
        }
    }

    #[test]
    fn colour_is_only_on_a_terminal() {
        let paper = |is_coloured| Paper { width: 80, is_coloured };
        assert_eq!(paper(false).toned("x", Tone::Bad), "x");
        assert_eq!(paper(true).toned("x", Tone::Bad), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(paper(true).toned("x", Tone::Plain), "x");
    }
}
