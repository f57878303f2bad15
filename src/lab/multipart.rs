//! Reads multipart/form-data (RFC 7578) strictly: a body that the agent gets wrong must not pass here.

/// A part of a multipart body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The `name` of its Content-Disposition.
    pub name: Option<String>,
    /// The Content-Type; RFC 2046 says `text/plain` where there is none.
    pub content_type: String,
    /// The bytes of the part.
    pub body: Vec<u8>,
}

/// The parts of `body`, whose Content-Type is `content_type`.
///
/// # Errors
/// What is wrong, in words.
pub fn read(content_type: &str, body: &[u8]) -> Result<Vec<Part>, String> {
    let boundary = parameter(content_type, "boundary").ok_or("no boundary in the Content-Type")?;
    if boundary.is_empty() || boundary.len() > 70 {
        return Err("a boundary has 1 to 70 characters".to_owned());
    }
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter may stand at the very start: give it the line end that all others have.
    let body = [b"\r\n", body].concat();
    let mut pieces = split(&body, delimiter.as_bytes()).into_iter();
    pieces.next();
    let mut parts = Vec::new();
    for piece in pieces {
        if piece.starts_with(b"--") {
            return Ok(parts);
        }
        let piece = piece.strip_prefix(b"\r\n").ok_or("a delimiter is not followed by CRLF")?;
        parts.push(part(piece)?);
    }
    Err("the close delimiter is missing".to_owned())
}

/// A media type without its parameters, in lower case.
#[must_use]
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn part(piece: &[u8]) -> Result<Part, String> {
    // A part without header fields starts with the empty line.
    let (head, body) = if let Some(body) = piece.strip_prefix(b"\r\n") {
        (&b""[..], body)
    } else {
        let end = find(piece, b"\r\n\r\n").ok_or("a part without the empty line after its header")?;
        (piece.get(..end).unwrap_or_default(), piece.get(end + 4..).unwrap_or_default())
    };
    let head = std::str::from_utf8(head).map_err(|_| "a part's header is not UTF-8")?;
    let field = |wanted: &str| {
        let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
        fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim()).next()
    };
    let disposition = field("content-disposition").ok_or("a part without Content-Disposition")?;
    if !media_type(disposition).eq("form-data") {
        return Err(format!("Content-Disposition is `{disposition}`, not form-data"));
    }
    Ok(Part {
        name: parameter(disposition, "name"),
        content_type: field("content-type").unwrap_or("text/plain").to_owned(),
        body: body.to_vec(),
    })
}

/// A parameter of a header field's value, without its quotes.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim_matches('"').to_owned())
    })
}

fn split<'a>(mut rest: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while let Some(at) = find(rest, delimiter) {
        let (piece, after) = rest.split_at(at);
        pieces.push(piece);
        rest = after.get(delimiter.len()..).unwrap_or_default();
    }
    pieces.push(rest);
    pieces
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=b";

    #[test]
    fn parts_keep_their_bytes() {
        let body = b"--b\r\nContent-Disposition: form-data\r\nContent-Type: a/b\r\n\r\n{}\r\n\
            --b\r\ncontent-disposition: form-data; name=\"2\"\r\n\r\n\0\r\n\xff\r\n\r\n--b--\r\n";
        let parts = read(TYPE, body).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].name.as_deref(), parts[0].content_type.as_str()), (None, "a/b"));
        assert_eq!((parts[1].name.as_deref(), parts[1].content_type.as_str()), (Some("2"), "text/plain"));
        assert_eq!(parts[1].body, b"\0\r\n\xff\r\n");
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(read("multipart/form-data", b"").unwrap_err().contains("boundary"));
        assert!(read(TYPE, b"--b\r\nContent-Disposition: form-data\r\n\r\nx").unwrap_err().contains("close"));
        assert!(
            read(TYPE, b"--b\r\nContent-Type: a/b\r\n\r\nx\r\n--b--").unwrap_err().contains("Disposition")
        );
        assert!(read(TYPE, b"--b\nx\r\n--b--").unwrap_err().contains("CRLF"));
    }
}
