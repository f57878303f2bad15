//! http(s) addresses as they are written in configuration files.

use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::uri::Origin;

/// Why a text is no address that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    // Without the text: it may hold a password.
    #[error("expected an https URI: {0}")]
    Origin(#[from] <Origin as FromStr>::Err),
    #[error("templates such as [DevID] may stand in path and query only, found {0:?}")]
    TemplateInAuthority(String),
    #[error("a template's brackets don't match in {0:?}")]
    Brackets(String),
    #[error("a template has no name: expected such as [DevID], found [] in {0:?}")]
    Nameless(String),
    #[error("expected a URI without templates, found {0:?}")]
    Template(String),
    #[error("expected a URI of visible ASCII without a fragment, found {0:?}")]
    Characters(String),
    #[error("expected an origin such as \"https://dm.example\", without path or query, found {0:?}")]
    NotOnlyOrigin(String),
    #[error("plain http is refused while session.allow-http is false")]
    PlainHttp,
}

/// Checks a ServerURI template (TS 6.2) and returns its origin.
pub(super) fn template(text: &str, allow_http: bool) -> Result<Origin, AddressError> {
    let (origin, rest) = split(text, allow_http)?;
    // Any value will do to see whether the address holds together.
    let mut filled = format!("{origin}/");
    let mut rest = rest.strip_prefix('/').unwrap_or(rest);
    while let Some(at) = rest.find(['[', ']']) {
        let (before, template) = rest.split_at(at);
        let (name, after) = template
            .strip_prefix('[')
            .and_then(|inside| inside.split_once(']'))
            .filter(|(name, _)| !name.contains('['))
            .ok_or_else(|| AddressError::Brackets(text.to_owned()))?;
        if name.is_empty() {
            return Err(AddressError::Nameless(text.to_owned()));
        }
        filled.push_str(before);
        filled.push_str(name);
        rest = after;
    }
    filled.push_str(rest);
    let valid = filled.parse::<hyper::Uri>().is_ok();
    if valid { Ok(origin) } else { Err(AddressError::Characters(text.to_owned())) }
}

/// Checks an absolute URI without templates and returns its origin.
pub(super) fn absolute(text: &str, allow_http: bool) -> Result<Origin, AddressError> {
    let (_, rest) = split(text, allow_http)?;
    if rest.contains(['[', ']']) {
        return Err(AddressError::Template(text.to_owned()));
    }
    template(text, allow_http)
}

/// Reads an origin: scheme, host and perhaps port, with no more than `/` after them.
pub(super) fn origin(text: &str, allow_http: bool) -> Result<Origin, AddressError> {
    match split(text, allow_http)? {
        (origin, "" | "/") => Ok(origin),
        _ => Err(AddressError::NotOnlyOrigin(text.to_owned())),
    }
}

/// The origin of an address, and what follows its authority.
fn split(text: &str, allow_http: bool) -> Result<(Origin, &str), AddressError> {
    if !text.chars().all(|c| c.is_ascii_graphic()) || text.contains('#') {
        return Err(AddressError::Characters(text.to_owned()));
    }
    let start = text.find("://").map_or(0, |scheme| scheme + 3);
    let (_, after_scheme) = text.split_at(start);
    let length = after_scheme.find(['/', '?']).unwrap_or(after_scheme.len());
    let (authority, _) = after_scheme.split_at(length);
    let (before, rest) = text.split_at(start + length);
    if authority.contains(['[', ']']) && !is_ipv6(authority) {
        return Err(AddressError::TemplateInAuthority(text.to_owned()));
    }
    let origin: Origin = before.parse()?;
    if origin.secure || allow_http { Ok((origin, rest)) } else { Err(AddressError::PlainHttp) }
}

/// Whether an authority is `[2001:db8::1]` or `[2001:db8::1]:8443`: brackets that are no template's.
fn is_ipv6(authority: &str) -> bool {
    authority
        .strip_prefix('[')
        .and_then(|inside| inside.split_once(']'))
        .is_some_and(|(address, port)| address.parse::<Ipv6Addr>().is_ok() && !port.contains(['[', ']']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_stand_in_path_and_query_only() {
        for good in [
            "https://dm.example",
            "https://dm.example/",
            "https://dm.example/dm?id=[DevID]",
            "https://dm.example?id=[DevID]",
            "https://dm.example:8443/[MCC]/[MNC]/[DevID]?a=b&c=[Unknown]",
            "https://[2001:db8::1]:8443/[DevID]",
            "HTTPS://dm.example/x",
        ] {
            assert!(template(good, false).is_ok(), "{good}");
        }
        for bad in
            ["https://[DevID].example/", "https://[DevID]/", "https://dm.[MCC]:443/", "https://[::1][MNC]/"]
        {
            assert_eq!(template(bad, false), Err(AddressError::TemplateInAuthority(bad.to_owned())));
        }
        for bad in ["https://a/[DevID", "https://a/DevID]", "https://a/[[DevID]]"] {
            assert_eq!(template(bad, false), Err(AddressError::Brackets(bad.to_owned())));
        }
        let bad = "https://a/[]";
        assert_eq!(template(bad, false), Err(AddressError::Nameless(bad.to_owned())));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "dm.example",
            "/dm",
            "ftp://a/",
            "https://",
            "https:///x",
            "https://u:p@a/",
            "https://a:99999/",
        ] {
            assert!(matches!(template(bad, true), Err(AddressError::Origin(_))), "{bad}");
        }
        for bad in ["https://a/ x", "https://a/é", "https://a/#x", "https://a/\u{0}", "https://a/<x>"] {
            assert!(matches!(template(bad, true), Err(AddressError::Characters(_))), "{bad}");
        }
        assert!(matches!(absolute("https://a/[DevID]", true), Err(AddressError::Template(_))));
    }

    #[test]
    fn plain_http_is_for_a_bench() {
        assert_eq!(template("http://127.0.0.1:8080/dm", false), Err(AddressError::PlainHttp));
        assert!(template("http://127.0.0.1:8080/dm", true).is_ok());
        assert_eq!(origin("http://a", false), Err(AddressError::PlainHttp));
    }

    #[test]
    fn an_origin_has_no_path() {
        assert_eq!(origin("https://A.example/", false).unwrap().to_string(), "https://a.example:443");
        for bad in ["https://a/x", "https://a?x", "https://a//"] {
            assert!(matches!(origin(bad, false), Err(AddressError::NotOnlyOrigin(_))), "{bad}");
        }
    }
}
