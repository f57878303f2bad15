//! Writing XML.

use std::fmt::{self, Write};

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// An XML document that grows. Characters that XML can't hold become U+FFFD.
pub(crate) struct Writer {
    xml: String,
    /// The depth of the open element, if each element gets a line of its own.
    depth: Option<usize>,
}

impl Writer {
    pub(crate) fn new(in_lines: bool) -> Self {
        Self { xml: DECLARATION.to_owned(), depth: in_lines.then_some(0) }
    }

    /// Writes text as it is: what can't be an element.
    pub(crate) fn raw(&mut self, text: &str) {
        self.line(format_args!("{text}"));
    }

    /// Opens an element; attributes may follow its name.
    pub(crate) fn open(&mut self, tag: &str) {
        self.line(format_args!("<{tag}>"));
        self.depth = self.depth.map(|depth| depth + 1);
    }

    /// Closes the element that was opened as `tag`.
    pub(crate) fn close(&mut self, tag: &str) {
        self.depth = self.depth.map(|depth| depth.saturating_sub(1));
        let name = tag.split(' ').next().unwrap_or(tag);
        self.line(format_args!("</{name}>"));
    }

    /// Writes an element around others.
    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.open(name);
        content(self);
        self.close(name);
    }

    /// Writes an element with text in it.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            self.line(format_args!("<{name}/>"));
        } else {
            self.line(format_args!("<{name}>{}</{name}>", Escaped(text)));
        }
    }

    /// Writes an element with text in it, if there is a text.
    pub(crate) fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.xml.len()
    }

    pub(crate) fn finish(self) -> String {
        self.xml
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a String can't fail.
        let _ = match self.depth {
            Some(depth) => writeln!(self.xml, "{:1$}{line}", "", 2 * depth),
            None => self.xml.write_fmt(line),
        };
    }
}

/// Whether `text` comes back from XML as it was.
pub(crate) fn holds(text: &str) -> bool {
    !text.contains(|c: char| {
        matches!(c, '\0'..='\x08' | '\x0b'..='\x1f' | '\u{fffe}' | '\u{ffff}') && c != '\r'
    })
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                // As it is, it would be read back as a line feed.
                '\r' => f.write_str("&#13;")?,
                '\t' | '\n' => f.write_char(character)?,
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => f.write_char(char::REPLACEMENT_CHARACTER)?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}
