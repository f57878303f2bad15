//! `multipart/form-data`: Package#3 and the data of GETs in one body (TS Appendix E, RFC 7578).
//!
//! The agent only writes it. The reader serves the lab and the tests; it is strict, and bounded all the same.

use std::borrow::Cow;
use std::io::Write as _;

use super::{Encoded, Part, RESPONSE, is_media_type};

/// The media type.
pub(crate) const FORM_DATA: &str = "multipart/form-data";

/// The most parts that are read.
const MAX_PARTS: usize = 100_000;
/// The longest header block of a part that is read, in bytes.
const MAX_HEADERS: usize = 8192;
/// The longest boundary there may be (RFC 2046, 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// Writes Package#3 alone where there are no parts; else a form with Package#3 first.
#[must_use]
pub(crate) fn package3(package3: Vec<u8>, parts: &[Part], nonce: u64) -> Encoded {
    if parts.is_empty() {
        return Encoded { content_type: RESPONSE.to_owned(), body: package3 };
    }
    let boundary = boundary(&package3, parts, nonce);
    let room: usize = parts.iter().map(|part| part.body.len() + part.content_type.len() + 128).sum();
    let mut body = Vec::with_capacity(package3.len() + room + 256);
    write_part(&mut body, &boundary, "form-data", RESPONSE, &package3);
    for part in parts {
        let disposition = format!("form-data; name=\"{}\"", part.position);
        write_part(&mut body, &boundary, &disposition, header_value(&part.content_type), &part.body);
    }
    push(&mut body, format_args!("--{boundary}--\r\n"));
    Encoded { content_type: format!("{FORM_DATA}; boundary={boundary}"), body }
}

fn write_part(body: &mut Vec<u8>, boundary: &str, disposition: &str, content_type: &str, content: &[u8]) {
    push(
        body,
        format_args!(
            "--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {content_type}\r\n\r\n"
        ),
    );
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n");
}

fn push(body: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _a_vec_takes_all = body.write_fmt(text);
}

/// Makes a boundary that is in none of the bodies. It needs no quotes, so that the simplest parser reads it.
fn boundary(package3: &[u8], parts: &[Part], nonce: u64) -> String {
    let mut nonce = nonce;
    loop {
        let boundary = format!("omadm-{nonce:016x}");
        let occurs = |body: &[u8]| contains(body, boundary.as_bytes());
        if !occurs(package3) && !parts.iter().any(|part| occurs(&part.body)) {
            return boundary;
        }
        nonce = nonce.wrapping_add(1);
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}

/// The value of a Content-Type header, or a general one where this could end the headers early.
fn header_value(content_type: &str) -> &str {
    let printable =
        !content_type.is_empty() && content_type.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if printable { content_type } else { "application/octet-stream" }
}

/// One part of a form, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FormPart<'a> {
    /// The `name` of the part's Content-Disposition.
    pub name: Option<Cow<'a, str>>,
    /// The part's Content-Type.
    pub content_type: Option<&'a str>,
    /// The part's body.
    pub body: &'a [u8],
}

/// Why a body is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The Content-Type is another media type.
    #[error("content type is not {FORM_DATA}")]
    ContentType,
    /// The Content-Type has no `boundary` parameter, or one that RFC 2046 doesn't allow.
    #[error("content type has no usable boundary")]
    Boundary,
    /// The body doesn't start with the boundary.
    #[error("body does not start with its boundary")]
    Start,
    /// The last boundary is missing, or one is neither followed by a line break nor by `--`.
    #[error("part {0} is not ended by a boundary")]
    End(usize),
    /// A part's headers don't end, are too long, or hold a line that is no header.
    #[error("part {0} has malformed headers")]
    Headers(usize),
    /// A part is no `form-data`.
    #[error("part {0} has no Content-Disposition of type form-data")]
    Disposition(usize),
    /// Something follows the last boundary.
    #[error("body goes on after its last boundary")]
    Trailing,
    /// The form has too many parts.
    #[error("more than {MAX_PARTS} parts")]
    TooMany,
}

/// Reads a form. Parts are counted from 0 in errors.
///
/// # Errors
/// Whatever RFC 2046 and RFC 7578 don't allow; preambles and epilogues are refused as well.
pub(crate) fn parse<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<FormPart<'a>>, MultipartError> {
    if !is_media_type(content_type, FORM_DATA) {
        return Err(MultipartError::ContentType);
    }
    let boundary = parameter(content_type, "boundary").ok_or(MultipartError::Boundary)?;
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY || !boundary.bytes().all(is_boundary_byte) {
        return Err(MultipartError::Boundary);
    }
    let delimiter = format!("\r\n--{boundary}");
    let opening = delimiter.trim_ascii_start().as_bytes();
    let rest = body.strip_prefix(opening).ok_or(MultipartError::Start)?;
    let mut rest = rest.strip_prefix(b"\r\n").ok_or(MultipartError::Start)?;
    let mut parts = Vec::new();
    loop {
        let index = parts.len();
        if index == MAX_PARTS {
            return Err(MultipartError::TooMany);
        }
        let (part, tail) = split_once(rest, delimiter.as_bytes()).ok_or(MultipartError::End(index))?;
        parts.push(read_part(part, index)?);
        if let Some(tail) = tail.strip_prefix(b"\r\n") {
            rest = tail;
            continue;
        }
        return match tail.strip_prefix(b"--") {
            Some(b"" | b"\r\n") => Ok(parts),
            Some(_) => Err(MultipartError::Trailing),
            None => Err(MultipartError::End(index)),
        };
    }
}

fn read_part(part: &[u8], index: usize) -> Result<FormPart<'_>, MultipartError> {
    let malformed = MultipartError::Headers(index);
    let (headers, body) = split_once(part, b"\r\n\r\n").ok_or(malformed)?;
    if headers.len() > MAX_HEADERS {
        return Err(malformed);
    }
    let headers = std::str::from_utf8(headers).map_err(|_| malformed)?;
    let (mut disposition, mut content_type) = (None, None);
    for line in headers.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(malformed)?;
        let place = match name.to_ascii_lowercase().as_str() {
            "content-disposition" => &mut disposition,
            "content-type" => &mut content_type,
            _ => continue,
        };
        if place.replace(value.trim_ascii()).is_some() {
            return Err(malformed);
        }
    }
    let disposition =
        disposition.filter(|d| is_media_type(d, "form-data")).ok_or(MultipartError::Disposition(index))?;
    Ok(FormPart { name: parameter(disposition, "name"), content_type, body })
}

/// A parameter of a header's value, its quotes removed.
fn parameter<'a>(header: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, tail) = rest.split_once('=')?;
        let (value, tail) = parameter_value(tail)?;
        if name.trim_ascii().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = tail.split_once(';')?.1;
    }
}

/// Reads a token or a quoted string at the start of `text`, and returns what follows it.
fn parameter_value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        return Some((token.trim_ascii().into(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value.into(), chars.as_str())),
            '\\' => value.push(chars.next()?),
            other => value.push(other),
        }
    }
}

fn is_boundary_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte)
}

fn split_once<'a>(body: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = body.windows(separator.len()).position(|window| window == separator)?;
    let (before, rest) = body.split_at_checked(at)?;
    Some((before, rest.get(separator.len()..)?))
}
