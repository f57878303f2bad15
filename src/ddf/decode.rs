//! From a file's bytes to text that is safe to hand to the XML parser.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::DdfError;

/// The largest description read; the largest in the field have about 3 MB.
pub(super) const MAX_BYTES: usize = 8 << 20;
/// The longest start tag: the XML parser compares each attribute of a tag with every other.
const MAX_TAG: usize = 4 << 10;
/// The most namespace prefixes: each element that declares one inherits a copy of all above it.
const MAX_PREFIXES: usize = 64;
/// The longest entity declaration.
const MAX_ENTITY: usize = 16 << 10;
/// The most text that entity references may grow to.
const MAX_EXPANSION: usize = 1 << 20;
/// The most entities: each reference is looked up among them all.
const MAX_ENTITIES: usize = 256;
/// The most references that the XML parser follows inside one.
const NESTED_REFERENCES: usize = 256;

/// Decodes UTF-8, UTF-16 and ISO-8859-1, by byte order mark or declaration.
pub(super) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, DdfError> {
    if bytes.len() > MAX_BYTES {
        return Err(DdfError::TooLarge { limit: MAX_BYTES });
    }
    let text = match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes)?.into(),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes)?.into(),
        [b'<', 0, ..] => utf16(bytes, u16::from_le_bytes)?.into(),
        [0, b'<', ..] => utf16(bytes, u16::from_be_bytes)?.into(),
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest)?,
        _ => match declared_encoding(bytes) {
            // A declaration that can be read byte by byte isn't UTF-16, whatever it says.
            Some(name) if is_one_of(&name, &["utf-8", "utf8", "us-ascii", "ascii", "utf-16"]) => utf8(bytes)?,
            Some(name) if is_one_of(&name, &["iso-8859-1", "latin1", "latin-1", "windows-1252"]) => {
                bytes.iter().copied().map(char::from).collect::<String>().into()
            }
            Some(name) => return Err(DdfError::UnknownEncoding { name }),
            None => utf8(bytes)?,
        },
    };
    guard(&text)?;
    Ok(text)
}

/// The line, from 1, of a byte offset.
pub(super) fn line_at(bytes: &[u8], offset: usize) -> usize {
    bytes.iter().take(offset).filter(|&&byte| byte == b'\n').count() + 1
}

/// The text with its document type blanked out, line feeds kept: for declarations that the XML parser doesn't know.
/// Nothing if there is none, or it doesn't end.
pub(super) fn without_doctype(text: &str) -> Option<String> {
    let start = text.find("<!DOCTYPE")?;
    let (before, rest) = text.split_at_checked(start)?;
    let length = doctype_length(rest)?;
    let (doctype, after) = rest.split_at_checked(length)?;
    let blank: String = doctype.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    Some([before, &blank, after].concat())
}

fn doctype_length(text: &str) -> Option<usize> {
    const SPANS: [(&str, &str); 4] = [("<!--", "-->"), ("<?", "?>"), ("\"", "\""), ("'", "'")];
    let mut rest = text;
    let mut in_subset = false;
    loop {
        if let Some((open, close)) = SPANS.iter().find(|(open, _)| rest.starts_with(open)) {
            let inner = rest.get(open.len()..)?;
            rest = inner.get(inner.find(close)? + close.len()..)?;
            continue;
        }
        let mut characters = rest.chars();
        match characters.next()? {
            '[' => in_subset = true,
            ']' => in_subset = false,
            '>' if !in_subset => return Some(text.len() - characters.as_str().len()),
            _ => {}
        }
        rest = characters.as_str();
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, DdfError> {
    std::str::from_utf8(bytes)
        .map(Cow::Borrowed)
        .map_err(|error| DdfError::Encoding { line: line_at(bytes, error.valid_up_to()), encoding: "UTF-8" })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, DdfError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    for decoded in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match decoded {
            Ok(character) => text.push(character),
            Err(_) => return Err(not_utf16(&text)),
        }
    }
    if rest.is_empty() { Ok(text) } else { Err(not_utf16(&text)) }
}

fn not_utf16(before: &str) -> DdfError {
    DdfError::Encoding { line: line_at(before.as_bytes(), before.len()), encoding: "UTF-16" }
}

/// The `encoding` of an XML declaration.
fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let start = bytes.get(..bytes.len().min(256)).map(String::from_utf8_lossy)?;
    let (declaration, _) = start.trim_start().strip_prefix("<?xml")?.split_once("?>")?;
    let (_, after) = declaration.split_once("encoding")?;
    let after = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    after.split(quote).nth(1).map(str::to_owned)
}

fn is_one_of(name: &str, known: &[&str]) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Refuses what would cost the XML parser far more than the document's length.
fn guard(text: &str) -> Result<(), DdfError> {
    for (at, _) in text.match_indices('<') {
        let tag = text.get(at + 1..).unwrap_or_default();
        let is_start = tag.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == ':');
        if is_start && tag.bytes().take(MAX_TAG).all(|byte| byte != b'>') && tag.len() >= MAX_TAG {
            return Err(bomb(text, at, "a tag of more than 4 KiB"));
        }
    }
    let mut prefixes = BTreeSet::new();
    for (at, xmlns) in text.match_indices("xmlns:") {
        let name = text.get(at + xmlns.len()..).unwrap_or_default();
        prefixes.insert(name.split(|c: char| c == '=' || c.is_whitespace()).next());
        if prefixes.len() > MAX_PREFIXES {
            return Err(bomb(text, at, "more than 64 namespace prefixes"));
        }
    }
    entities(text)
}

/// Entities that grow in proportion are fine. What stands in a comment counts too: that is only stricter.
fn entities(text: &str) -> Result<(), DdfError> {
    let mut first = None;
    let mut longest = 0;
    let mut nested = false;
    for (count, (at, _)) in text.match_indices("<!ENTITY").enumerate() {
        first.get_or_insert(at);
        let declaration = text.as_bytes().get(at..).unwrap_or_default();
        let declaration = declaration.get(..MAX_ENTITY).unwrap_or(declaration);
        let Some(value) = quoted(declaration).filter(|_| count < MAX_ENTITIES) else {
            return Err(bomb(text, at, "more than 256 entities, or one of more than 16 KiB"));
        };
        longest = longest.max(value.len());
        // Character references cost nothing: only references to other entities multiply.
        nested |= value.windows(2).any(|pair| pair.starts_with(b"&") && pair != b"&#");
    }
    let Some(first) = first else { return Ok(()) };
    let each = longest.saturating_mul(if nested { NESTED_REFERENCES } else { 1 });
    if references(text).saturating_mul(each) > MAX_EXPANSION {
        return Err(bomb(text, first, "entities that grow to more than 1 MiB"));
    }
    Ok(())
}

/// What stands in the first quotes.
fn quoted(declaration: &[u8]) -> Option<&[u8]> {
    let open = declaration.iter().position(|byte| matches!(byte, b'"' | b'\''))?;
    let (quote, rest) = declaration.get(open..)?.split_first()?;
    rest.get(..rest.iter().position(|byte| byte == quote)?)
}

/// How many references there are to something else than a character.
fn references(text: &str) -> usize {
    text.match_indices('&')
        .filter(|(at, _)| {
            let name = text.get(at + 1..).unwrap_or_default();
            !["#", "lt;", "gt;", "amp;", "quot;", "apos;"].iter().any(|known| name.starts_with(known))
        })
        .count()
}

fn bomb(text: &str, at: usize, what: &'static str) -> DdfError {
    DdfError::Bomb { line: line_at(text.as_bytes(), at), what }
}
