//! Settings of shell files: `KEY=value` with a shell's quoting, as in `/etc/default` and in environment files.
//!
//! An assignment counts where a shell would make it: as a command of its own, after `export`, several in a line. White
//! space around the sign is taken too, which no shell does, and many files have. What goes on after
//! its value, as in `MODEL=ACME UPS 500`, is a command to a shell, and a mistake in a file of settings: it is never
//! passed over. Nothing is expanded: a value with `$`
//! or a backquote outside single quotes is known to a shell only. The last assignment of a key counts and is the one
//! written.

use std::ops::Range;

use super::error::SettingError;
use super::lines::{after, number, splice};

/// A word of the file, and what it is worth.
#[derive(Default)]
struct Word {
    /// The place of the bytes that stand for it.
    place: Range<usize>,
    /// The text that they mean.
    text: Vec<u8>,
    /// The thing that it would take to know the text, if it is computed.
    computed: Option<&'static str>,
    /// The one quote around all of it.
    quote: Option<u8>,
}

/// The value of the last assignment of a key.
struct Assignment {
    value: Word,
    line: usize,
    /// Whether something stands after it that makes a command of it.
    goes_on: bool,
}

impl Assignment {
    /// Checks that the value, and where it ends, are known without a shell.
    fn check(&self) -> Result<(), SettingError> {
        match (self.goes_on, self.value.computed) {
            (true, _) => Err(SettingError::Unquoted { line: self.line }),
            (false, Some(what)) => Err(SettingError::Computed { line: self.line, what }),
            (false, None) => Ok(()),
        }
    }
}

pub(super) fn read(name: &str, file: &[u8]) -> Result<Option<String>, SettingError> {
    let Some(found) = look(name, file)?.0 else { return Ok(None) };
    found.check()?;
    String::from_utf8(found.value.text).map(Some).map_err(|_| SettingError::Encoding { line: found.line })
}

pub(super) fn write(name: &str, file: &[u8], value: &str) -> Result<Vec<u8>, SettingError> {
    let (found, export) = look(name, file)?;
    if let Some(found) = found {
        found.check()?;
        let old = found.value;
        return Ok(splice(file, old.place, quoted(value, old.quote).as_bytes()));
    }
    let export = if export { "export " } else { "" };
    let (at, new) = after(file, file.len(), &format!("{export}{name}={}", quoted(value, None)));
    Ok(splice(file, at..at, new.as_bytes()))
}

/// The value in the quotes that it was in, if they can hold it; bare if it can be.
fn quoted(value: &str, quote: Option<u8>) -> String {
    let is_plain = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | ',' | '@' | '%' | '+' | '=')
    };
    let single = !value.contains('\'');
    match quote {
        None if !value.is_empty() && value.chars().all(is_plain) => value.to_owned(),
        None | Some(b'\'') if single => format!("'{value}'"),
        _ => {
            let mut text = String::with_capacity(value.len() + 2);
            text.push('"');
            for c in value.chars() {
                if matches!(c, '"' | '\\' | '$' | '`') {
                    text.push('\\');
                }
                text.push(c);
            }
            text.push('"');
            text
        }
    }
}

/// Looks for the last assignment of `name`; also returns whether the file's last assignment is exported.
fn look(name: &str, file: &[u8]) -> Result<(Option<Assignment>, bool), SettingError> {
    let mut scanner = Scanner { file, at: if file.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 } };
    let (mut found, mut exported) = (None, false);
    while scanner.at < file.len() {
        // A command: its assignments count if there is nothing else in it.
        let mut assigned = None;
        let mut only = true;
        let mut export = false;
        let mut any = false;
        while let Some(word) = scanner.word()? {
            let start = word.place.start;
            match assignment(file, &word.place) {
                Some(sign) if only => {
                    any = true;
                    let key = file.get(start..sign.start).unwrap_or_default();
                    let value = scanner.value(&sign)?;
                    if key == name.as_bytes() {
                        assigned = Some((value, number(file, start)));
                    }
                }
                None if !any && !export && word.text == b"export" => export = true,
                None if export && is_name(&word.text) => {}
                None if only && !any && !export && is_name(&word.text) => {
                    let Some(value) = scanner.spaced()? else {
                        only = false;
                        if word.text == name.as_bytes() && scanner.is_sign() {
                            assigned = Some((Word::default(), number(file, start)));
                        }
                        continue;
                    };
                    any = true;
                    if word.text == name.as_bytes() {
                        assigned = Some((value, number(file, start)));
                    }
                }
                _ => only = false,
            }
        }
        if let Some((value, line)) = assigned {
            let goes_on = !only || scanner.is_cut(&value);
            found = Some(Assignment { value, line, goes_on });
        }
        if only && any {
            exported = export;
        }
        scanner.separator();
    }
    Ok((found, exported))
}

fn is_name(text: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    text.first().is_some_and(letter) && text.iter().all(|byte| letter(byte) || byte.is_ascii_digit())
}

/// The place of the sign of a word that is an assignment: `=` or `+=`.
fn assignment(file: &[u8], word: &Range<usize>) -> Option<Range<usize>> {
    let bytes = file.get(word.clone())?;
    let equals = bytes.iter().position(|byte| *byte == b'=')?;
    let sign = if bytes.get(..equals)?.ends_with(b"+") { equals - 1 } else { equals };
    is_name(bytes.get(..sign)?).then_some(word.start + sign..word.start + equals + 1)
}

struct Scanner<'f> {
    file: &'f [u8],
    at: usize,
}

impl Scanner<'_> {
    fn byte(&self) -> Option<u8> {
        self.file.get(self.at).copied()
    }

    /// Whether a line ends here.
    fn is_line_end(&self) -> bool {
        match self.byte() {
            Some(b'\n') => true,
            Some(b'\r') => self.file.get(self.at + 1).is_none_or(|next| *next == b'\n'),
            _ => false,
        }
    }

    /// Skips blanks, comments and joined lines, up to a word or a command's end.
    fn blanks(&mut self) {
        loop {
            match self.byte() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.file.get(self.at + 1) == Some(&b'\n') => self.at += 2,
                Some(b'\\') if self.file.get(self.at + 1..self.at + 3) == Some(b"\r\n") => self.at += 3,
                Some(b'#') => {
                    while self.byte().is_some() && !self.is_line_end() {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Skips what is between two commands.
    fn separator(&mut self) {
        while self.is_line_end()
            || matches!(self.byte(), Some(b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>'))
        {
            self.at += 1;
        }
    }

    /// The next word of the command.
    fn word(&mut self) -> Result<Option<Word>, SettingError> {
        self.blanks();
        let word = self.rest()?;
        Ok(if word.place.is_empty() { None } else { Some(word) })
    }

    /// Reads the value after the sign of an assignment.
    fn value(&mut self, sign: &Range<usize>) -> Result<Word, SettingError> {
        self.at = sign.end;
        let mut value = self.rest()?;
        if sign.len() > 1 {
            value.computed = Some("what was there before (`+=`)");
        }
        // `KEY= value`: with white space after the sign, an empty value and a command to a shell, a setting to people.
        if value.place.is_empty() && sign.len() == 1 {
            let before = self.at;
            if let Some(later) = self.last_word()? {
                return Ok(later);
            }
            self.at = before;
        }
        Ok(value)
    }

    /// Reads the value after a name and ` = `.
    fn spaced(&mut self) -> Result<Option<Word>, SettingError> {
        let before = self.at;
        self.blanks();
        if self.byte() == Some(b'=') {
            self.at += 1;
            if let Some(value) = self.last_word()? {
                return Ok(Some(value));
            }
            if self.is_end() {
                return Ok(Some(Word { place: self.at..self.at, ..Word::default() }));
            }
        }
        self.at = before;
        Ok(None)
    }

    /// The next word, if the command ends after it.
    fn last_word(&mut self) -> Result<Option<Word>, SettingError> {
        let word = self.word()?;
        self.blanks();
        Ok(word.filter(|_| self.is_end()))
    }

    /// Whether a sign stands here, or after blanks.
    fn is_sign(&self) -> bool {
        let rest = self.file.get(self.at..).unwrap_or_default();
        rest.iter().find(|byte| !matches!(byte, b' ' | b'\t')) == Some(&b'=')
    }

    /// Whether a word ends at a sign that to people is a part of it, as in `URL=http://a/?b=1&c=2`.
    fn is_cut(&self, word: &Word) -> bool {
        let after = |at: usize| self.file.get(word.place.end + at);
        matches!(after(0), Some(b'&' | b'|' | b'<' | b'>')) && after(0) != after(1)
    }

    fn is_end(&self) -> bool {
        self.byte().is_none() || self.is_line_end() || self.byte() == Some(b';')
    }

    /// Reads up to the word's end, which may be nothing.
    fn rest(&mut self) -> Result<Word, SettingError> {
        let start = self.at;
        let mut word = Word::default();
        // Of how many parts it is made, and in which quotes the last was.
        let (mut parts, mut last) = (0, None);
        while let Some(byte) = self.byte() {
            if self.is_line_end()
                || matches!(byte, b' ' | b'\t' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>')
            {
                break;
            }
            match byte {
                b'\'' | b'"' => {
                    self.quote(byte, &mut word)?;
                    (parts, last) = (parts + 1, Some(byte));
                    continue;
                }
                b'\\' => {
                    self.at += 1;
                    match self.byte() {
                        None => word.text.push(b'\\'),
                        Some(b'\r') if self.is_line_end() => self.at += 2,
                        Some(b'\n') => self.at += 1,
                        Some(escaped) => {
                            word.text.push(escaped);
                            self.at += 1;
                        }
                    }
                }
                _ => {
                    word.computed = word.computed.or(expansion(byte));
                    word.text.push(byte);
                    self.at += 1;
                }
            }
            (parts, last) = (parts + usize::from(last.is_some() || parts == 0), None);
        }
        if self.byte() == Some(b'(') {
            word.computed = word.computed.or(Some("a shell (`(`)"));
        }
        word.quote = last.filter(|_| parts == 1);
        word.place = start..self.at;
        Ok(word)
    }

    fn quote(&mut self, quote: u8, word: &mut Word) -> Result<(), SettingError> {
        let open = self.at;
        self.at += 1;
        loop {
            let Some(byte) = self.byte() else {
                let line = number(self.file, open);
                return Err(SettingError::Syntax { line, what: "a quote that nothing ends" });
            };
            self.at += 1;
            match byte {
                _ if byte == quote => return Ok(()),
                b'\\' if quote == b'"' => match self.byte() {
                    Some(escaped @ (b'"' | b'\\' | b'$' | b'`')) => {
                        word.text.push(escaped);
                        self.at += 1;
                    }
                    Some(b'\n') => self.at += 1,
                    _ => word.text.push(b'\\'),
                },
                _ => {
                    if quote == b'"' {
                        word.computed = word.computed.or(expansion(byte));
                    }
                    word.text.push(byte);
                }
            }
        }
    }
}

/// The thing that it takes to know an expansion that begins with `byte`; none where none begins.
fn expansion(byte: u8) -> Option<&'static str> {
    match byte {
        b'$' => Some("a shell (`$`)"),
        b'`' => Some("a shell (a backquote)"),
        _ => None,
    }
}
