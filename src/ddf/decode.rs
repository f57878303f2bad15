//! From a file's bytes to text that is safe to hand to the XML parser.

use std::borrow::Cow;

use super::DdfError;

/// The largest description read; the largest in the field have about 3 MB.
pub(super) const MAX_BYTES: usize = 8 << 20;
/// The longest start tag: the XML parser compares each attribute of a tag with every other.
const MAX_TAG: usize = 16 << 10;
/// The most text that entity references may grow to.
const MAX_EXPANSION: usize = 1 << 20;
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
            Some(name) if is_one_of(&name, &["utf-8", "utf8", "us-ascii", "ascii"]) => utf8(bytes)?,
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
            return Err(bomb(text, at, "a tag of more than 16 KiB"));
        }
    }
    let entities = entity_values(text);
    let (Some(first), Some(longest)) =
        (entities.first(), entities.iter().map(|(_, value)| value.len()).max())
    else {
        return Ok(());
    };
    // Character references inside an entity cost nothing: only references to others multiply.
    let nested = entities.iter().any(|(_, value)| value.replace("&#", "").contains('&'));
    let each = longest.saturating_mul(if nested { NESTED_REFERENCES } else { 1 });
    if references(text).saturating_mul(each) > MAX_EXPANSION {
        return Err(bomb(text, first.0, "entities that grow to more than 1 MiB"));
    }
    Ok(())
}

/// Each `<!ENTITY`'s offset and quoted text. One in a comment is counted too: that is only stricter.
fn entity_values(text: &str) -> Vec<(usize, &str)> {
    text.match_indices("<!ENTITY")
        .map(|(at, _)| {
            let declaration = text.get(at..).unwrap_or_default();
            let quote = declaration.find(['"', '\'']).and_then(|open| declaration.get(open..));
            let value = quote.and_then(|rest| rest.split(rest.chars().next()?).nth(1));
            (at, value.unwrap_or(declaration))
        })
        .collect()
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
