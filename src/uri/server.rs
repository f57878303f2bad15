//! ServerURI: templates of server addresses, filled with what the device knows of itself (TS 6.2).

use std::fmt::Write;
use std::net::Ipv6Addr;

use percent_encoding::{AsciiSet, utf8_percent_encode};

use super::{NOT_UNRESERVED, is_escape, is_path_or_query};

/// The longest ServerURI that is read, in bytes.
pub const MAX_LENGTH: usize = 4096;

/// The characters that are encoded in a parameter's value, which may not end its path segment or query field. Colons
/// are legal in both, and device identifiers are full of them.
const IN_VALUE: &AsciiSet = &NOT_UNRESERVED.remove(b':');

/// The text in place of a parameter that the device doesn't know or the specification doesn't define.
const UNSUPPORTED: &str = "-1";

/// The address of a server, or a template of one, as messages show it: without user information and query, which may
/// hold secrets.
#[must_use]
pub fn shown(uri: &str) -> String {
    let uri = uri.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// A parameter of ServerURIs: what may stand in brackets (TS 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parameter {
    /// `[DevID]`: the device's identifier, as in the DevInfo MO.
    DevId,
    /// `[MNC]`: the home network's mobile network code.
    Mnc,
    /// `[MCC]`: the home network's mobile country code.
    Mcc,
    /// `[CMNC]`: the current network's mobile network code.
    Cmnc,
    /// `[CMCC]`: the current network's mobile country code.
    Cmcc,
    /// `[SPName]`: the service provider's name, from the SIM.
    SpName,
}

/// The names of all parameters.
const NAMES: [&str; 6] = ["DevID", "MNC", "MCC", "CMNC", "CMCC", "SPName"];

/// The names in brackets that are no parameter, each with the parameter that it may be meant for: `-1` takes their
/// place.
#[must_use]
pub fn unknown_parameters(template: &str) -> Vec<(&str, Option<&'static str>)> {
    let names = pieces(template).filter_map(|piece| match piece {
        Piece::Name(name) if Parameter::from_name(name).is_none() => Some(name),
        _ => None,
    });
    let meant = |name: &str| NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name));
    names.map(|name| (name, meant(name))).collect()
}

impl Parameter {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "DevID" => Self::DevId,
            "MNC" => Self::Mnc,
            "MCC" => Self::Mcc,
            "CMNC" => Self::Cmnc,
            "CMCC" => Self::Cmcc,
            "SPName" => Self::SpName,
            _ => return None,
        })
    }
}

/// Why a text is no ServerURI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerUriError {
    /// The template is longer than [`MAX_LENGTH`], or once filled longer than an HTTP request line takes.
    #[error("ServerURI is too long")]
    TooLong,
    /// The text has no scheme or no host.
    #[error("ServerURI is not absolute: scheme://host is needed")]
    NotAbsolute,
    /// The scheme, host or port holds what it may not. Parameters are for path and query only.
    #[error("ServerURI has a bad scheme, host or port: {0:?}")]
    Authority(String),
}

/// A ServerURI as written by a server or an integrator, its parameters still to be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUriTemplate {
    /// The scheme and the authority: `scheme://authority`.
    origin: String,
    /// The path and the query; literals are encoded already.
    parts: Vec<Part>,
    /// The fragment, which is for a browser.
    fragment: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Parameter(Parameter),
}

impl ServerUriTemplate {
    /// Reads a template. Path and query may hold anything: what no URI can carry is percent-encoded,
    /// escapes stay as they are, and a fragment is kept for browsers alone, as HTTP requests have none.
    ///
    /// The scheme isn't judged here: see [`crate::uri::Origin::of`].
    ///
    /// # Errors
    /// Relative addresses, a host that isn't one, more than [`MAX_LENGTH`] bytes.
    pub fn parse(text: &str) -> Result<Self, ServerUriError> {
        if text.len() > MAX_LENGTH {
            return Err(ServerUriError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(ServerUriError::NotAbsolute)?;
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if scheme.is_empty() || authority.is_empty() {
            return Err(ServerUriError::NotAbsolute);
        }
        let origin = format!("{scheme}://{authority}");
        if !is_origin(&origin, authority) {
            return Err(ServerUriError::Authority(origin));
        }
        let (path_and_query, fragment) = match rest.split_once('#') {
            Some((path_and_query, fragment)) => (path_and_query, Some(encode_literal(fragment))),
            None => (rest, None),
        };
        let parts = pieces(path_and_query).map(|piece| match piece {
            Piece::Literal(text) => Part::Literal(encode_literal(text)),
            Piece::Name(name) => Parameter::from_name(name)
                .map_or_else(|| Part::Literal(UNSUPPORTED.to_owned()), Part::Parameter),
        });
        Ok(Self { origin, parts: parts.collect(), fragment })
    }

    /// Whether the template has a place for `parameter`.
    #[must_use]
    pub fn uses(&self, parameter: Parameter) -> bool {
        self.parts.contains(&Part::Parameter(parameter))
    }

    /// The fragment behind the `#`, encoded as it is in a URI.
    #[must_use]
    pub fn fragment(&self) -> Option<&str> {
        self.fragment.as_deref()
    }

    /// The address with the parameters' values filled in; what `value` doesn't know becomes `-1`.
    ///
    /// # Errors
    /// [`ServerUriError::TooLong`] if the values make it longer than an HTTP request line takes (64 KiB).
    pub fn expand(&self, value: &dyn Fn(Parameter) -> Option<String>) -> Result<hyper::Uri, ServerUriError> {
        let mut uri = self.origin.clone();
        for part in &self.parts {
            match part {
                Part::Literal(text) => uri.push_str(text),
                Part::Parameter(parameter) => match value(*parameter) {
                    Some(value) => uri.extend(utf8_percent_encode(&value, IN_VALUE)),
                    None => uri.push_str(UNSUPPORTED),
                },
            }
        }
        uri.parse().map_err(|_| ServerUriError::TooLong)
    }
}

/// Whether `origin` is one by RFC 3986: `hyper::Uri` takes anything in brackets for an address, and brackets nearly
/// anywhere.
fn is_origin(origin: &str, authority: &str) -> bool {
    let rest = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port))
            if address.parse::<Ipv6Addr>().is_err() || !(port.is_empty() || port.starts_with(':')) =>
        {
            return false;
        }
        Some((_, port)) => port,
        None => authority,
    };
    !rest.contains(['[', ']']) && origin.parse::<hyper::Uri>().is_ok()
}

/// A text that is no URI, such as a user name, with values filled in and nothing encoded.
#[must_use]
pub fn fill_text(text: &str, value: &dyn Fn(Parameter) -> Option<String>) -> String {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Literal(text) => filled.push_str(text),
            Piece::Name(name) => match Parameter::from_name(name).and_then(value) {
                Some(value) => filled.push_str(&value),
                None => filled.push_str(UNSUPPORTED),
            },
        }
    }
    filled
}

enum Piece<'a> {
    Literal(&'a str),
    /// The name in a pair of brackets.
    Name(&'a str),
}

/// The pieces of a template, which is cut at its bracketed names. A bracket that is no part of one is a literal.
fn pieces(mut rest: &str) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, tail)) = leading_name(rest) {
            rest = tail;
            return Some(Piece::Name(name));
        }
        let next = rest
            .match_indices('[')
            .map(|(at, _)| at)
            .find(|&at| at > 0 && rest.get(at..).is_some_and(|rest| leading_name(rest).is_some()));
        let (literal, tail) = rest.split_at(next.unwrap_or(rest.len()));
        rest = tail;
        Some(Piece::Literal(literal))
    })
}

/// The bracketed name at the start of `text`, and what follows it.
fn leading_name(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('[')?.split_once(']')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (!name.is_empty() && name.bytes().all(is_name)).then_some((name, rest))
}

fn encode_literal(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let kept = is_path_or_query(byte) || (byte == b'%' && bytes.get(at + 1..).is_some_and(is_escape));
        push_byte(&mut encoded, byte, kept);
    }
    encoded
}

fn push_byte(out: &mut String, byte: u8, kept: bool) {
    if kept {
        out.push(char::from(byte));
    } else {
        let _infallible = write!(out, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[test]
    fn what_may_be_secret_is_not_shown() {
        for (uri, expected) in [
            ("https://u:p@dm.example:8443/a/b?key=1#f", "https://dm.example:8443/a/b"),
            ("https://dm.example?key=a@b/c", "https://dm.example"),
            ("https://[2001:db8::1]/[DevID]", "https://[2001:db8::1]/[DevID]"),
            ("odd", "odd"),
        ] {
            assert_eq!(shown(uri), expected);
        }
    }

    #[test]
    fn unknown_parameters_are_found_and_guessed() {
        let unknown = unknown_parameters("https://[2001:db8::1]/[DevId]/[DevID]?a=[Model]");
        assert_eq!(unknown, [("DevId", Some("DevID")), ("Model", None)]);
    }

    use super::*;

    fn value(parameter: Parameter) -> Option<String> {
        match parameter {
            Parameter::DevId => Some("IMEI:49 3/é?&=#%20".to_owned()),
            Parameter::Mnc => Some("01".to_owned()),
            Parameter::Mcc => Some("001".to_owned()),
            Parameter::Cmnc | Parameter::Cmcc => Some(String::new()),
            Parameter::SpName => None,
        }
    }

    fn expand(text: &str) -> String {
        ServerUriTemplate::parse(text).unwrap().expand(&value).unwrap().to_string()
    }

    #[test]
    fn parameters_are_filled_in_and_encoded() {
        let device = "IMEI:49%203%2F%C3%A9%3F%26%3D%23%2520";
        let cases = [
            ("https://a/[DevID]", format!("https://a/{device}")),
            ("https://a/x?id=[DevID]&n=[MNC]", format!("https://a/x?id={device}&n=01")),
            ("https://a/[MCC]/[MNC]/[SPName]", "https://a/001/01/-1".to_owned()),
            ("https://a/[MCC][MNC]", "https://a/00101".to_owned()),
            ("https://a/x[CMNC]y[CMCC]", "https://a/xy".to_owned()),
            ("https://a/[IMEI]/[devid]/[Dev-ID]", "https://a/-1/-1/-1".to_owned()),
            ("https://a?[MNC]", "https://a/?01".to_owned()),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text), expected, "{text}");
        }
    }

    #[test]
    fn what_no_uri_carries_is_encoded_and_escapes_stay() {
        let cases = [
            ("https://a", "https://a/"),
            ("https://a/b c/é\n\"<>\\^`{|}", "https://a/b%20c/%C3%A9%0A%22%3C%3E%5C%5E%60%7B%7C%7D"),
            ("https://a/%20%2f%zz%2", "https://a/%20%2f%25zz%252"),
            ("https://a/[", "https://a/%5B"),
            ("https://a/]x[MNC", "https://a/%5Dx%5BMNC"),
            ("https://a/[]?[a b]", "https://a/%5B%5D?%5Ba%20b%5D"),
            ("https://a/[[MNC]]", "https://a/%5B01%5D"),
            ("https://a/[x[MNC]", "https://a/%5Bx01"),
            ("https://a/b?c?d/e#[DevID]", "https://a/b?c?d/e"),
            ("https://a/b#c?d", "https://a/b"),
            ("https://a#b", "https://a/"),
            ("https://a/~b!$&'()*+,;=:@", "https://a/~b!$&'()*+,;=:@"),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text), expected, "{text}");
        }
    }

    #[test]
    fn brackets_of_an_address_are_no_parameter() {
        assert_eq!(expand("https://[2001:db8::1]:8443/[MNC]"), "https://[2001:db8::1]:8443/01");
        for text in [
            "https://[DevID]/",
            "https://[MNC].example/",
            "https://a:[MNC]/",
            "https://[::1]x/",
            "https://a b/",
            "https://é/",
        ] {
            assert!(matches!(ServerUriTemplate::parse(text), Err(ServerUriError::Authority(_))), "{text}");
        }
    }

    #[test]
    fn what_is_no_server_uri_says_why() {
        for text in ["", "/a", "a/b", "mailto:a@b", "://a", "https:///a", "https://?a", "file:///etc/passwd"]
        {
            assert_eq!(ServerUriTemplate::parse(text), Err(ServerUriError::NotAbsolute), "{text}");
        }
        let long = format!("https://a/{}", "x".repeat(MAX_LENGTH));
        assert_eq!(ServerUriTemplate::parse(&long), Err(ServerUriError::TooLong));
        let template = ServerUriTemplate::parse("https://a/[DevID]").unwrap();
        assert_eq!(template.expand(&|_| Some("x".repeat(70_000))), Err(ServerUriError::TooLong));
    }

    #[test]
    fn a_template_knows_its_parameters() {
        let template = ServerUriTemplate::parse("https://a/[MCC]/[Foo]#[MNC]").unwrap();
        assert!(template.uses(Parameter::Mcc));
        assert!(!template.uses(Parameter::Mnc));
    }

    #[test]
    fn text_is_filled_without_encoding() {
        assert_eq!(fill_text("gw-[DevID]", &value), "gw-IMEI:49 3/é?&=#%20");
        assert_eq!(fill_text("[MNC]@[SPName][x", &value), "01@-1[x");
        assert_eq!(fill_text("é[[MNC]%41", &value), "é[01%41");
    }

    proptest! {
        /// Whatever the template and the value: same origin, and no more path segments than were written.
        #[test]
        fn every_template_expands(path in "[^#]{0,24}", id in ".{0,12}") {
            let text = format!("https://dm.example/x[DevID]{path}");
            let uri = ServerUriTemplate::parse(&text).unwrap().expand(&|_| Some(id.clone())).unwrap();
            prop_assert_eq!(uri.host(), Some("dm.example"));
            let written = text.matches(['/', '?']).count();
            prop_assert_eq!(uri.to_string().matches(['/', '?']).count(), written);
        }

        #[test]
        fn hostile_templates_never_panic(text in "(https?://)?[\\[\\]a:/?#%éM-N]{0,30}") {
            if let Ok(template) = ServerUriTemplate::parse(&text) {
                prop_assert!(template.expand(&value).is_ok(), "{}", text);
            }
        }
    }
}
