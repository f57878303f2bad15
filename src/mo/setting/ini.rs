//! Settings of INI files: `key = value` in `[section]`s, as systemd, NetworkManager and many others write it.
//!
//! A line that begins with `#` or `;` is a comment; so is what stands after white space and one of the two. A value in
//! quotes is what is between them. Where a key is there several times, the last counts and is the one that is written.

use std::ops::Range;

use super::error::SettingError;
use super::lines::{after, lines, number, splice};

/// The line of a key.
struct KeyLine {
    /// The place of the value's bytes; its quotes are around them.
    value: Range<usize>,
    quote: Option<u8>,
}

impl KeyLine {
    fn bytes<'f>(&self, file: &'f [u8]) -> Result<&'f [u8], SettingError> {
        let bytes = file.get(self.value.clone()).unwrap_or_default();
        if self.quote.is_none() && bytes.ends_with(b"\\") {
            let line = number(file, self.value.start);
            return Err(SettingError::Computed { line, what: "the line after it" });
        }
        Ok(bytes)
    }
}

/// The places in a file that matter for one key.
#[derive(Default)]
struct KeyPlace {
    found: Option<KeyLine>,
    /// The end of the section's last line with anything in it.
    section_end: Option<usize>,
    /// The text between key and value in the section's last setting, else in the file's.
    separator: Option<(bool, Range<usize>)>,
    /// The white space before the last setting of the section.
    indent: Range<usize>,
}

pub(super) fn read(section: Option<&str>, name: &str, file: &[u8]) -> Result<Option<String>, SettingError> {
    let Some(found) = look(section, name, file)?.found else { return Ok(None) };
    let bytes = found.bytes(file)?;
    let line = number(file, found.value.start);
    let text = std::str::from_utf8(bytes).map_err(|_| SettingError::Encoding { line })?;
    Ok(Some(text.to_owned()))
}

pub(super) fn write(
    section: Option<&str>,
    name: &str,
    file: &[u8],
    value: &str,
) -> Result<Vec<u8>, SettingError> {
    if value.contains(['\n', '\r']) {
        return Err(SettingError::Unwritable("a line of an INI file can't hold a line's end"));
    }
    let place = look(section, name, file)?;
    if let Some(found) = place.found {
        found.bytes(file)?;
        let KeyLine { value: old, quote } = found;
        let (range, new) = match quote {
            Some(quote) if value.as_bytes().contains(&quote) => {
                (old.start - 1..old.end + 1, bare_or_quoted(value)?)
            }
            Some(_) => (old, value.to_owned()),
            None => (old, bare_or_quoted(value)?),
        };
        // `key=` alone, or with a comment after it: the comment stays apart.
        let new = match file.get(range.end) {
            Some(b'#' | b';') => format!("{new} "),
            _ => new,
        };
        return Ok(splice(file, range, new.as_bytes()));
    }
    let separator = place.separator.as_ref().and_then(|(_, range)| file.get(range.clone()));
    let separator = separator.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("=");
    let indent = file.get(place.indent.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let setting = format!("{}{name}{separator}{}", indent.unwrap_or_default(), bare_or_quoted(value)?);
    let (at, new) = match (section, place.section_end) {
        (_, Some(end)) => after(file, end, &setting),
        // Before the first section, whose line and comments begin where the file does.
        (None, None) => {
            let begin = lines(file).next().map_or(file.len(), |first| first.start);
            let end = super::lines::end_of(file);
            let gap = if begin < file.len() { end } else { "" };
            (begin, format!("{setting}{end}{gap}"))
        }
        (Some(section), None) => {
            let end = super::lines::end_of(file);
            let gap = if file.iter().all(u8::is_ascii_whitespace) { "" } else { end };
            after(file, file.len(), &format!("{gap}[{section}]{end}{setting}"))
        }
    };
    Ok(splice(file, at..at, new.as_bytes()))
}

/// The value as it stands, or in quotes where it would be taken for something else.
fn bare_or_quoted(value: &str) -> Result<String, SettingError> {
    let is_comment = |(at, c): (usize, char)| {
        matches!(c, '#' | ';')
            && value.get(..at).is_none_or(|before| before.is_empty() || before.ends_with([' ', '\t']))
    };
    let trimmed = value.trim_matches(|c: char| c.is_ascii_whitespace()) == value;
    let quoted = |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    let bare = trimmed
        && !value.char_indices().any(is_comment)
        && !quoted('"')
        && !quoted('\'')
        && !value.ends_with('\\');
    match ['"', '\''].into_iter().find(|quote| !value.contains(*quote)) {
        _ if bare => Ok(value.to_owned()),
        Some(quote) => Ok(format!("{quote}{value}{quote}")),
        None => Err(SettingError::Unwritable(
            "a value with both kinds of quotes and white space or a comment's sign can't be written to an INI file",
        )),
    }
}

fn look(section: Option<&str>, name: &str, file: &[u8]) -> Result<KeyPlace, SettingError> {
    let mut place = KeyPlace::default();
    let mut inside = section.is_none();
    for line in lines(file) {
        let text = trim(file, line.clone());
        let bytes = file.get(text.clone()).unwrap_or_default();
        match bytes.first() {
            None => continue,
            Some(b'#' | b';') => {}
            Some(b'[') => {
                let close = bytes.iter().position(|byte| *byte == b']');
                let close = close.ok_or(SettingError::Syntax {
                    line: number(file, text.start),
                    what: "a section's name that no `]` ends",
                })?;
                let header = file.get(trim(file, text.start + 1..text.start + close)).unwrap_or_default();
                inside = section.is_some_and(|section| header == section.as_bytes());
            }
            Some(_) => place.setting(file, &line, text, name, inside),
        }
        if inside {
            // What goes on in the next line ends there.
            place.section_end = Some(line.end);
        }
    }
    // The comments before the first section are about that one.
    Ok(place)
}

impl KeyPlace {
    fn setting(&mut self, file: &[u8], line: &Range<usize>, text: Range<usize>, name: &str, inside: bool) {
        let bytes = file.get(text.clone()).unwrap_or_default();
        let Some(sign) = bytes.iter().position(|byte| matches!(byte, b'=' | b':')) else { return };
        // `:` is part of many names; it separates only where no `=` does.
        let sign = bytes.iter().position(|byte| *byte == b'=').unwrap_or(sign);
        let key = trim(file, text.start..text.start + sign);
        let (value, quote) = value(file, text.start + sign + 1..text.end);
        let start = value.start - usize::from(quote.is_some());
        let nearer = inside || !self.separator.as_ref().is_some_and(|(inside, _)| *inside);
        // No white space follows the sign of an empty value.
        if nearer && (start < text.end || self.separator.is_none()) {
            self.separator = Some((inside, key.end..start));
        }
        if inside {
            self.indent = line.start..text.start;
        }
        if inside && file.get(key) == Some(name.as_bytes()) {
            self.found = Some(KeyLine { value, quote });
        }
    }
}

/// The place of a value's bytes, and the quotes around them.
fn value(file: &[u8], rest: Range<usize>) -> (Range<usize>, Option<u8>) {
    let rest_of_line = trim(file, rest.clone());
    let bytes = file.get(rest_of_line.clone()).unwrap_or_default();
    if let Some(quote @ (b'"' | b'\'')) = bytes.first() {
        let inner = bytes.get(1..).unwrap_or_default();
        if let Some(length) = inner.iter().position(|byte| byte == quote) {
            let tail = inner.get(length + 1..).unwrap_or_default();
            let comment = tail.iter().find(|byte| !byte.is_ascii_whitespace());
            if comment.is_none_or(|byte| matches!(byte, b'#' | b';')) {
                let start = rest_of_line.start + 1;
                return (start..start + length, Some(*quote));
            }
        }
    }
    let starts = |(at, byte): &(usize, u8)| {
        matches!(byte, b'#' | b';') && (*at == 0 || bytes.get(at - 1).is_some_and(u8::is_ascii_whitespace))
    };
    let comment = bytes.iter().copied().enumerate().find(starts).map(|(at, _)| at);
    let end = comment.map_or(rest_of_line.end, |at| rest_of_line.start + at);
    (trim(file, rest_of_line.start..end), None)
}

fn trim(file: &[u8], range: Range<usize>) -> Range<usize> {
    let bytes = file.get(range.clone()).unwrap_or_default();
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(start, |last| last + 1);
    range.start + start..range.start + end
}
