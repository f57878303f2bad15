//! Decoding: from a file's bytes to text that is safe to hand to the XML parser.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::error::{Position, XmlError, XmlProblem};

/// The longest start tag: the XML parser compares each attribute of a tag with every other.
const MAX_TAG: usize = 4 << 10;
const LONG_TAG: &str = "a tag of more than 4 KiB";
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

/// Encodings in which the bytes of `<` and `&` may be part of other characters.
const SHIFTING: [&str; 3] = ["iso-2022", "hz-", "utf-7"];

/// Decodes a document: UTF-8, UTF-16 and windows-1252, by byte order mark or declaration; of any other declared
/// encoding only what is ASCII in it. With `any_bytes`, what should be UTF-8 and is not is windows-1252. Nothing in it
/// is more than its length for the XML parser.
pub(super) fn text(bytes: &[u8], max_bytes: usize, any_bytes: bool) -> Result<Cow<'_, str>, XmlError> {
    let text = decoded(bytes, max_bytes, any_bytes)?;
    guard(&text)?;
    Ok(text)
}

/// Decodes a document as [`text`] does, but without its guards: the text may cost the XML parser any amount.
pub(super) fn decoded(bytes: &[u8], max_bytes: usize, any_bytes: bool) -> Result<Cow<'_, str>, XmlError> {
    if bytes.len() > max_bytes {
        return Err(XmlError { at: None, problem: XmlProblem::TooLarge(max_bytes) });
    }
    let as_utf8 = |bytes| match utf8(bytes) {
        Err(_) if any_bytes => Ok(latin(bytes).into()),
        decoded => decoded,
    };
    let text = match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes)?.into(),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes)?.into(),
        [1..=0x7F, 0, ..] => utf16(bytes, u16::from_le_bytes)?.into(),
        [0, 1..=0x7F, ..] => utf16(bytes, u16::from_be_bytes)?.into(),
        [0xEF, 0xBB, 0xBF, rest @ ..] => as_utf8(rest)?,
        _ => match declared_encoding(bytes).map(|name| name.to_ascii_lowercase()).as_deref() {
            // A declaration that can be read byte by byte isn't UTF-16, whatever it says.
            None | Some("utf-8" | "utf8" | "us-ascii" | "ascii" | "utf-16") => as_utf8(bytes)?,
            Some("iso-8859-1" | "latin1" | "latin-1" | "windows-1252" | "cp1252") => latin(bytes).into(),
            Some(name) if !any_bytes && SHIFTING.iter().any(|shifting| name.starts_with(shifting)) => {
                let at = Some(Position { line: 1, column: 1 });
                return Err(XmlError { at, problem: XmlProblem::UnknownEncoding(name.to_owned()) });
            }
            Some(_) => utf8(bytes).unwrap_or_else(|_| ascii(bytes).into()),
        },
    };
    Ok(text)
}

/// The place of a byte in UTF-8 text.
pub(super) fn position(bytes: &[u8], offset: usize) -> Position {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let is_start = |byte: &&u8| (**byte & 0xC0) != 0x80;
    let column = before.iter().rev().take_while(|&&byte| byte != b'\n').filter(is_start).count() + 1;
    Position { line, column }
}

fn not_text(encoding: &'static str, bytes: &[u8], offset: usize) -> XmlError {
    XmlError { at: Some(position(bytes, offset)), problem: XmlProblem::NotText(encoding) }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, XmlError> {
    let text = std::str::from_utf8(bytes).map_err(|error| not_text("UTF-8", bytes, error.valid_up_to()))?;
    Ok(Cow::Borrowed(text))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, XmlError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    for decoded in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match decoded {
            Ok(character) => text.push(character),
            Err(_) => return Err(not_text("UTF-16", text.as_bytes(), text.len())),
        }
    }
    if rest.is_empty() { Ok(text) } else { Err(not_text("UTF-16", text.as_bytes(), text.len())) }
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().copied().map(windows_1252).collect()
}

/// The character of a windows-1252 byte: ISO-8859-1 is read as that, which has letters where the other has control
/// characters.
fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let high = byte.checked_sub(0x80).and_then(|index| HIGH.get(usize::from(index)));
    high.copied().unwrap_or(char::from(byte))
}

fn ascii(bytes: &[u8]) -> String {
    let shown = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { char::REPLACEMENT_CHARACTER };
    bytes.iter().map(shown).collect()
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

/// Refuses what would cost the XML parser far more than the document's length.
fn guard(text: &str) -> Result<(), XmlError> {
    tags(text)?;
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

/// Checks that no tag is longer than it may be. A tag ends with the first `>` that no value quotes; no tag has another
/// `<` in it, so that what only looks like one in a comment ends there.
fn tags(text: &str) -> Result<(), XmlError> {
    let mut open: Option<(usize, Option<&str>)> = None;
    for (at, sign) in text.match_indices(['<', '>', '"', '\'']) {
        let is_start = || text.get(at + 1..).is_some_and(|tag| tag.starts_with(is_name_start));
        if let Some((start, _)) = open
            && at - start > MAX_TAG
        {
            return Err(bomb(text, start, LONG_TAG));
        }
        open = match (open, sign) {
            (_, "<") => is_start().then_some((at, None)),
            (Some((start, None)), "\"" | "'") => Some((start, Some(sign))),
            (Some((start, Some(quote))), _) => Some((start, Some(quote).filter(|quote| *quote != sign))),
            (_, ">") => None,
            (open, _) => open,
        };
    }
    match open {
        Some((start, _)) if text.len() - start > MAX_TAG => Err(bomb(text, start, LONG_TAG)),
        _ => Ok(()),
    }
}

fn is_name_start(character: char) -> bool {
    character.is_alphabetic() || matches!(character, '_' | ':') || !character.is_ascii()
}

/// Checks that the declared entities grow in proportion. What stands in a comment counts too: that is only stricter.
fn entities(text: &str) -> Result<(), XmlError> {
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

/// The content of the first quotes in an entity's declaration.
fn quoted(declaration: &[u8]) -> Option<&[u8]> {
    let open = declaration.iter().position(|byte| matches!(byte, b'"' | b'\''))?;
    let (quote, rest) = declaration.get(open..)?.split_first()?;
    rest.get(..rest.iter().position(|byte| byte == quote)?)
}

/// The number of references to entities in `text`; those to characters do not count.
fn references(text: &str) -> usize {
    text.match_indices('&')
        .filter(|(at, _)| {
            let name = text.get(at + 1..).unwrap_or_default();
            !["#", "lt;", "gt;", "amp;", "quot;", "apos;"].iter().any(|known| name.starts_with(known))
        })
        .count()
}

fn bomb(text: &str, at: usize, what: &'static str) -> XmlError {
    XmlError { at: Some(position(text.as_bytes(), at)), problem: XmlProblem::Bomb(what) }
}
