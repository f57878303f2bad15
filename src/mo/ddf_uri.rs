//! The URI where servers are told to find an object's DDF. The agent itself never goes there.

/// The address that a relative `ddf-uri` is below where `[objects] ddf-base` is not set: nobody has it.
pub(super) const NOWHERE: &str = "https://omadm.example/ddf/";
/// The domains that are kept for documentation (RFC 2606): no server is there.
const RESERVED: [&str; 5] = ["example", "invalid", "example.com", "example.net", "example.org"];

/// Whether a `ddf-uri` takes a base: it has no scheme.
pub(super) fn is_relative(written: &str) -> bool {
    !written.contains(':')
}

/// The URI that servers are told. `base` is `[objects] ddf-base`.
pub(super) fn resolved(written: &str, base: Option<&str>) -> String {
    if !is_relative(written) {
        return written.to_owned();
    }
    let base = base.unwrap_or(NOWHERE);
    let slash = if base.ends_with('/') { "" } else { "/" };
    format!("{base}{slash}{written}")
}

/// The host of a URI, if it is one that nobody can have.
pub(super) fn reserved_host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split(':').next()?;
    let lower = host.trim_end_matches('.').to_ascii_lowercase();
    let is_below = |name: &str| lower == name || lower.ends_with(&format!(".{name}"));
    RESERVED.iter().any(|name| is_below(name)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_one_stands_below_the_base() {
        for (written, base, expected) in [
            ("box.ddf.xml", Some("https://acme.com/ddf/"), "https://acme.com/ddf/box.ddf.xml"),
            ("box.ddf.xml", Some("https://acme.com/ddf"), "https://acme.com/ddf/box.ddf.xml"),
            ("v1/box.ddf", Some("https://acme.com"), "https://acme.com/v1/box.ddf"),
            ("https://b.com/x", Some("https://acme.com/"), "https://b.com/x"),
            ("urn:x-acme:ddf", None, "urn:x-acme:ddf"),
            ("box.ddf.xml", None, "https://omadm.example/ddf/box.ddf.xml"),
        ] {
            assert_eq!(resolved(written, base), expected);
        }
    }

    #[test]
    fn a_host_that_nobody_can_have_is_known() {
        for uri in [
            "https://omadm.example/ddf/x",
            "https://a@acme.EXAMPLE:8443/x",
            "http://example.com",
            "https://www.example.org./x",
            "https://x.invalid",
        ] {
            assert!(reserved_host(uri).is_some(), "{uri}");
        }
        for uri in
            ["https://acme.com/x.example/y", "https://myexample.com", "urn:x.example", "https://192.0.2.1/"]
        {
            assert_eq!(reserved_host(uri), None, "{uri}");
        }
    }
}
