//! The policy of connections: where the agent may connect to, and which origins are the account's own.

use std::net::IpAddr;

use crate::uri::{Origin, OriginError};

/// The standing of an origin with an account: whether it is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One of the account's own origins: it sees credentials and the client certificate, and may be a local address.
    Own,
    /// Any other origin: no credentials, and never this machine or its link.
    Foreign,
}

/// A URI that the agent doesn't connect to. Protocol status: 403, or 400 for [`Refused::Uri`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The URI is no http(s) URI.
    #[error("{0}")]
    Uri(#[from] OriginError),
    /// The URI is of plain http, while `session.allow-http` is false.
    #[error("{0}: plain http is not allowed")]
    PlainHttp(Origin),
    /// The host is a loopback, link-local or unspecified address, and the origin isn't the account's.
    #[error("{0}: a local address, and not one of the account's origins")]
    Local(Origin),
    /// The host is a name that has only local addresses.
    #[error("{0}: the name leads to a local address ({1}), and is not one of the account's origins")]
    ResolvesLocal(Origin, IpAddr),
}

/// The policy of one account: its own origins, and whether plain http is allowed.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) own: Vec<Origin>,
    pub(super) allow_http: bool,
}

impl Policy {
    /// The origin of `uri`, and what it is to the account. Judges what the URI says; the addresses a foreign
    /// name resolves to are judged with [`is_local`] when connecting.
    pub(super) fn admit(&self, uri: &hyper::Uri) -> Result<(Origin, Standing), Refused> {
        let origin = Origin::of(uri)?;
        if !origin.secure && !self.allow_http {
            return Err(Refused::PlainHttp(origin));
        }
        if self.own.contains(&origin) {
            return Ok((origin, Standing::Own));
        }
        if names_this_machine(&origin.host) {
            return Err(Refused::Local(origin));
        }
        Ok((origin, Standing::Foreign))
    }
}

/// Whether a host is `localhost` or below it (RFC 6761 6.3). A proxy would resolve it to itself.
fn names_this_machine(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name == "localhost" || name.ends_with(".localhost") || host.parse().is_ok_and(is_local)
}

/// Whether an address is this machine's or its link's: loopback, link-local, unspecified; also inside IPv6.
pub(super) fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        // All of 0.0.0.0/8 is "this host" (RFC 1122 3.2.1.3).
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.octets().first() == Some(&0),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(uri: &str) -> Result<Standing, Refused> {
        let policy = Policy {
            own: vec!["https://dm.example".parse().unwrap(), "https://127.0.0.1:8443".parse().unwrap()],
            allow_http: false,
        };
        policy.admit(&uri.parse().unwrap()).map(|(_, standing)| standing)
    }

    #[test]
    fn an_origin_is_own_only_with_its_scheme_host_and_port() {
        assert_eq!(admit("https://DM.example:443/x"), Ok(Standing::Own));
        assert_eq!(admit("https://127.0.0.1:8443/"), Ok(Standing::Own));
        assert_eq!(admit("https://dm.example:8443/"), Ok(Standing::Foreign));
        assert_eq!(admit("https://dm.example.evil.example/"), Ok(Standing::Foreign));
        assert!(matches!(admit("http://dm.example/"), Err(Refused::PlainHttp(_))));
        assert!(matches!(admit("ftp://dm.example/"), Err(Refused::Uri(OriginError::Scheme))));
    }

    #[test]
    fn local_addresses_are_refused_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[febf::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:169.254.1.1]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
        ] {
            assert!(matches!(admit(&format!("https://{host}/")), Err(Refused::Local(_))), "{host}");
        }
        for host in ["10.0.0.1", "192.168.1.1", "[fec0::1]", "[fd00::1]", "notlocalhost", "localhost.example"]
        {
            assert_eq!(admit(&format!("https://{host}/")), Ok(Standing::Foreign), "{host}");
        }
    }
}
