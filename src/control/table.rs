//! What is shown to people: as wide as the terminal, in colour where there is one.

use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;

use super::terminal::printable;

/// The width where there is no terminal, and the least that is used.
const USUAL: usize = 80;
const LEAST: usize = 40;
/// The width of names before what is said of them.
const NAMES: usize = 15;
/// More columns than any table has.
const ENDLESS: usize = 1 << 20;

/// The paper that is written on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paper {
    /// The number of columns.
    width: usize,
    /// The number of columns for tables: programs that read them want each row as one line.
    for_tables: usize,
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
        Self { width, for_tables: width, is_coloured: false }
    }

    /// Paper of this width, in colour.
    #[cfg(test)]
    pub(super) fn coloured(width: usize) -> Self {
        Self { width, for_tables: width, is_coloured: true }
    }

    /// The standard output.
    pub(super) fn stdout() -> Self {
        let known = columns();
        let width = known.unwrap_or(USUAL).max(LEAST);
        let for_tables = known.map_or(ENDLESS, |_| width);
        let is_coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { width, for_tables, is_coloured }
    }

    /// A line for a name and what is to be said of it; further lines of that stand below it.
    pub(super) fn line(self, out: &mut impl Write, name: &str, said: &str, tone: Tone) -> io::Result<()> {
        let room = self.width.saturating_sub(NAMES + 2).max(20);
        for (number, part) in wrapped(said, room).iter().enumerate() {
            let name = if number == 0 { name } else { "" };
            writeln!(out, "  {name:NAMES$}{}", self.toned(part, tone))?;
        }
        Ok(())
    }

    /// A line for a name and as much of what is to be said of it as it has room for.
    pub(super) fn cut(self, out: &mut impl Write, name: &str, said: &str) -> io::Result<()> {
        let line = printable(&format!("  {name:NAMES$} {said}"));
        match line.char_indices().nth(self.width) {
            None => writeln!(out, "{line}"),
            Some(_) => {
                let room = self.width.saturating_sub(1);
                let kept: String = line.chars().take(room).collect();
                writeln!(out, "{}…", kept.trim_end())
            }
        }
    }

    /// Text that stands so far to the right.
    pub(super) fn text(self, out: &mut impl Write, indent: usize, text: &str) -> io::Result<()> {
        let room = self.width.saturating_sub(indent).max(20);
        wrapped(text, room).iter().try_for_each(|part| writeln!(out, "{:indent$}{part}", ""))
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

    /// A table: a line of headers, and rows below them, in columns as wide as what is in them where there is room. Columns
    /// without anything in them are left out. Where there are too many for the width, or a word would have to be broken, each
    /// row is lines of its own, as [`Paper::line`] has them.
    pub(super) fn table(
        self,
        out: &mut impl Write,
        headers: &[&str],
        rows: &[Vec<String>],
    ) -> io::Result<()> {
        const GAP: usize = 2;
        /// A column that is to be narrower than that is hard to read.
        const NARROW: usize = 10;
        let cell = |row: &[String], column: usize| printable(row.get(column).map_or("", String::as_str));
        let natural = |column: usize| rows.iter().map(|row| cell(row, column).chars().count()).max();
        let longest = |column: usize| {
            let word = |row: &Vec<String>| {
                cell(row, column)
                    .split_whitespace()
                    .map(|word| word.chars().count())
                    .max()
                    .unwrap_or_default()
            };
            rows.iter().map(word).max().unwrap_or_default().max(NARROW)
        };
        let mut columns: Vec<(usize, usize)> =
            (0..headers.len()).map(|column| (column, natural(column).unwrap_or_default())).collect();
        columns.retain(|(_, width)| *width > 0);
        for (column, width) in &mut columns {
            *width = headers.get(*column).map_or(0, |header| header.len()).max(*width);
        }
        let room = (self.for_tables + GAP).saturating_sub(GAP * columns.len());
        let all: usize = columns.iter().map(|(_, width)| width).sum();
        let mut surplus = all.saturating_sub(room);
        let least: Vec<usize> = columns.iter().map(|(column, _)| longest(*column)).collect();
        while surplus > 0 {
            let wide = columns.iter_mut().zip(&least).filter(|((_, width), least)| *width > **least);
            match wide.map(|((_, width), _)| width).max() {
                Some(widest) => *widest -= 1,
                None => return self.records(out, headers, rows),
            }
            surplus -= 1;
        }
        let line = |out: &mut dyn Write, cells: &[String]| -> io::Result<()> {
            let cells: Vec<Vec<String>> =
                columns.iter().map(|(column, width)| wrapped(&cell(cells, *column), *width)).collect();
            for number in 0..cells.iter().map(Vec::len).max().unwrap_or_default() {
                let mut line = String::new();
                for (parts, (_, width)) in cells.iter().zip(&columns) {
                    let part = parts.get(number).map_or("", String::as_str);
                    line.push_str(&format!("{part:width$}{:GAP$}", ""));
                }
                writeln!(out, "{}", line.trim_end())?;
            }
            Ok(())
        };
        let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
        line(out, &headers)?;
        rows.iter().try_for_each(|row| line(out, row))
    }

    fn records(self, out: &mut impl Write, headers: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        for (number, row) in rows.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            for (header, said) in headers.iter().zip(row).filter(|(_, said)| !said.is_empty()) {
                self.line(out, &header.to_ascii_lowercase(), said, Tone::Plain)?;
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

/// The number of columns: what `COLUMNS` says, else that of the terminal; none where nobody knows.
fn columns() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    said.filter(|columns| *columns > 0).or_else(|| {
        let out = io::stdout();
        let size = rustix::termios::tcgetwinsize(out.as_fd()).ok().filter(|_| out.is_terminal());
        size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
    })
}

/// A help as wide as what it is shown on, where that is known.
pub(super) fn help_to_fit(help: &str) -> String {
    columns().map_or_else(|| help.to_owned(), |columns| fitted(help, columns.max(LEAST)))
}

/// A help in lines of at most so many characters: paragraphs are set anew; what is indented stays as it is, but for the
/// second column of a list, which goes on below itself.
fn fitted(help: &str, width: usize) -> String {
    let mut fitted = String::new();
    let mut put = |line: &str| {
        fitted.push_str(line.trim_end());
        fitted.push('\n');
    };
    for paragraph in help.trim_end_matches('\n').split("\n\n") {
        let is_too_wide = paragraph.lines().any(|line| line.chars().count() > width);
        let is_text = paragraph.lines().all(|line| !line.starts_with(' '));
        match (is_too_wide, is_text) {
            (false, _) => paragraph.lines().for_each(&mut put),
            (true, true) => wrapped(paragraph, width).iter().for_each(|line| put(line)),
            (true, false) => {
                paragraph.lines().flat_map(|line| hanging(line, width)).for_each(|line| put(&line));
            }
        }
        put("");
    }
    fitted.truncate(fitted.trim_end().len());
    fitted.push('\n');
    fitted
}

/// A line of a list that is too wide in several, the others below its second column: what stands behind two spaces or
/// more. What has no such column is an example, and to be copied as it is.
fn hanging(line: &str, width: usize) -> Vec<String> {
    let indent = line.len() - line.trim_start().len();
    let gap = line.get(indent..).and_then(|rest| rest.find("  ")).map(|gap| indent + gap);
    let column = gap.and_then(|gap| line.get(gap..)).map(|rest| line.len() - rest.trim_start().len());
    let parts = column.and_then(|column| line.split_at_checked(column));
    match parts {
        Some((first, text)) if line.chars().count() > width && first.len() + LEAST / 2 <= width => {
            let lead = |number: usize| if number == 0 { first.to_owned() } else { " ".repeat(first.len()) };
            let parts = wrapped(text, width - first.len());
            parts.iter().enumerate().map(|(number, part)| format!("{}{part}", lead(number))).collect()
        }
        // The words before a list, or before examples.
        _ if indent == 0 && line.chars().count() > width => wrapped(line, width),
        _ => vec![line.to_owned()],
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
    use super::super::help::COMMANDS;
    use super::*;

    #[test]
    fn no_line_is_longer_than_the_terminal_is_wide() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("a\u{1b}[2J", 9), ["a?[2J"]);
        for width in [40, 60, 80, 200] {
            let mut out = Vec::new();
            let paper = Paper::plain(width);
            let said = "https://dm.acme.example:8443/dm?id=IMEI:352099001761481 ".repeat(4);
            paper.line(&mut out, "address", &said, Tone::Bad).unwrap();
            let shown = String::from_utf8(out).unwrap();
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}:\n{shown}");
        }
    }

    #[test]
    fn a_table_fits_what_it_is_shown_on_and_has_no_empty_columns() {
        let rows = [
            ["acme", "", "urn:oma:mo:oma-dm-devinfo:1.2/1/DevID", "one two three four five six seven"],
            ["other", "", "a", "b\u{1b}"],
        ];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let shown = |width: usize| {
            let mut out = Vec::new();
            Paper::plain(width).table(&mut out, &["SERVER", "MARK", "SOURCE", "DATA"], &rows).unwrap();
            String::from_utf8(out).unwrap()
        };
        let wide = shown(200);
        assert!(wide.starts_with("SERVER  SOURCE  "), "{wide}");
        assert!(wide.ends_with("\nother   a                                      b?\n"), "{wide}");
        assert_eq!(wide.lines().count(), 3, "{wide}");
        for width in [60, 80] {
            let shown = shown(width);
            assert!(shown.starts_with("SERVER  SOURCE  "), "{shown}");
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}:\n{shown}");
            assert!(shown.contains("urn:oma:mo:oma-dm-devinfo:1.2/1/DevID"), "no word is broken: {shown}");
        }
        assert!(shown(50).starts_with("  server         acme\n  source "), "{}", shown(50));
        let mut out = Vec::new();
        let in_a_pipe = Paper { for_tables: ENDLESS, ..Paper::plain(40) };
        in_a_pipe.table(&mut out, &["SERVER", "MARK", "SOURCE", "DATA"], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), wide);
        let mut out = Vec::new();
        let many = [vec!["0123456789ab".to_owned(); 6]];
        Paper::plain(60).table(&mut out, &["A", "B", "C", "D", "E", "F"], &many).unwrap();
        let records = String::from_utf8(out).unwrap();
        assert!(records.starts_with("  a              0123456789ab\n  b  "), "{records}");
    }

    #[test]
    fn a_help_fits_what_it_is_shown_on_and_is_left_alone_where_there_is_room() {
        for about in &COMMANDS {
            for help in [about.help(), super::super::help::help("")] {
                assert_eq!(fitted(&help, 120), help);
                for width in [40, 60, 80] {
                    let shown = fitted(&help, width);
                    // An example is to be copied as it is.
                    let is_example = |line: &str| line.starts_with("  ") && line.contains("omadmctl ");
                    let is_column = |line: &str| line.starts_with("  ") && width == 40;
                    let too_wide: Vec<&str> = shown
                        .lines()
                        .filter(|line| line.chars().count() > width && !is_example(line) && !is_column(line))
                        .collect();
                    assert!(too_wide.is_empty(), "{width}: {too_wide:#?}");
                    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
                    assert_eq!(words(&shown), words(&help));
                }
            }
        }
        let list = "  mo new          Write a mapping to begin with";
        assert_eq!(
            hanging(list, 42),
            ["  mo new          Write a mapping to begin", "                  with"]
        );
    }

    #[test]
    fn colour_is_only_on_a_terminal() {
        let paper = |is_coloured| if is_coloured { Paper::coloured(80) } else { Paper::plain(80) };
        assert_eq!(paper(false).toned("x", Tone::Bad), "x");
        assert_eq!(paper(true).toned("x", Tone::Bad), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(paper(true).toned("x", Tone::Plain), "x");
    }
}
