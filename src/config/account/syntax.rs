//! The syntax of an account's values, wherever they come from: a file, a bootstrap, the server itself.

use crate::config::address::{self, AddressError};
use crate::uri::Origin;

/// The longest Server Identifier, in bytes.
const LONGEST_ID: usize = 255;
/// The longest address and query, in bytes.
pub(crate) const LONGEST_ADDRESS: usize = 4096;

/// Whether a text is a Server Identifier: it becomes a MIID, one segment of a ClientURI.
pub(crate) fn is_server_id(text: &str) -> bool {
    text.len() <= LONGEST_ID && is_segment(text)
}

/// Whether a text is a Management Object Identifier, or `*`.
pub(crate) fn is_moid(text: &str) -> bool {
    is_segment(text)
}

/// Checks the address at which an account's sessions begin, a ServerURI template (TS 6.2); returns its origin.
pub(crate) fn server_uri(text: &str, allow_http: bool) -> Result<Origin, AddressError> {
    address::template(text, allow_http)
}

/// Checks the address that a registration goes to (TS D.2.4); returns its origin.
pub(crate) fn push_uri(text: &str, allow_http: bool) -> Result<Origin, AddressError> {
    address::absolute(text, allow_http)
}

/// Whether a text is the parameters of a registration: the query component of a URI (TS D.2.3 RegParams).
pub(crate) fn is_query(text: &str) -> bool {
    text.len() <= LONGEST_ADDRESS && text.chars().all(|c| c.is_ascii_graphic() && c != '#')
}

/// Whether a text is a name for people, or for another service.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_ID && !text.chars().any(char::is_control)
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c == '/' || c.is_whitespace() || c.is_control())
}
