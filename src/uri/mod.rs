//! Addresses: ClientURI for nodes of this device (TS 6.1), ServerURI for servers (TS 6.2); and the names of servers and
//! management objects.

pub mod client;
pub mod server;

mod names;
mod origin;

pub use client::{ClientUri, ClientUriError, Fields, NodeValue, Segment, Selector};
pub use names::{Moid, ServerId};
pub use origin::{Origin, OriginError};
pub use server::{Parameter, ServerUriError, ServerUriTemplate, fill_text};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All characters but RFC 3986's unreserved ones.
pub(crate) const NOT_UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The name that an un-named node's child has in the tree: percent-encoded but for RFC 3986's unreserved characters.
#[must_use]
pub fn encode_name(plain: &str) -> String {
    utf8_percent_encode(plain, NOT_UNRESERVED).to_string()
}

/// The plain text of a name that [`encode_name`] encoded.
#[must_use]
pub fn decode_name(encoded: &str) -> String {
    percent_decode_str(encoded).decode_utf8_lossy().into_owned()
}

/// Whether a byte is `unreserved` by RFC 3986.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether a byte is one of RFC 3986's `sub-delims`.
const fn is_sub_delim(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

/// Whether a byte may stand unencoded in a path or a query.
const fn is_path_or_query(byte: u8) -> bool {
    is_unreserved(byte) || is_sub_delim(byte) || matches!(byte, b':' | b'@' | b'/' | b'?')
}

/// What may stand where, for each byte, as bits: each reading of a URI looks at all of its bytes.
static BYTES: [u8; 256] = {
    let mut all = [0; 256];
    let mut byte = 0;
    while byte < 0x80_u8 {
        #[expect(clippy::indexing_slicing, reason = "judged by the compiler")]
        {
            all[byte as usize] =
                (is_unreserved(byte) as u8 * UNRESERVED) | (is_path_or_query(byte) as u8 * PATH_OR_QUERY);
        }
        byte += 1;
    }
    all
};

/// A bit of [`BYTES`]: unreserved.
const UNRESERVED: u8 = 1;
/// A bit of [`BYTES`]: may stand unencoded in a path or a query.
const PATH_OR_QUERY: u8 = 2;

/// Whether a byte is of a kind.
fn is(byte: u8, kind: u8) -> bool {
    BYTES.get(usize::from(byte)).is_some_and(|kinds| kinds & kind != 0)
}

/// Whether `rest`, the text behind a `%`, completes an escape.
fn is_escape(rest: &[u8]) -> bool {
    matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}
