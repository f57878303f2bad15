//! Web origins: scheme, host and port.

use std::fmt;
use std::str::FromStr;

/// Scheme, host and port of an http or https URI, compared as RFC 6454 says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// Whether the scheme is https; else it is http.
    pub secure: bool,
    /// The host in lower case; an IPv6 address without its brackets.
    pub host: String,
    /// The port, the scheme's own where the URI names none.
    pub port: u16,
}

/// Why a URI has no origin for http(s).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// The text is no URI, or has no host.
    #[error("not an absolute http(s) URI")]
    NotAbsolute,
    /// The port is no number that a port can have.
    #[error("a port is a number from 1 to 65535")]
    Port,
    /// The scheme is another one: `file:`, `ftp:`…
    #[error("scheme is neither https nor http")]
    Scheme,
    /// The URI holds a user or a password, which would end up in logs.
    #[error("user information in a URI is not allowed")]
    UserInfo,
}

impl Origin {
    /// The origin of a parsed URI.
    ///
    /// # Errors
    /// Relative URIs, schemes other than http and https, user information in the authority.
    pub fn of(uri: &hyper::Uri) -> Result<Self, OriginError> {
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err(OriginError::Scheme),
            None => return Err(OriginError::NotAbsolute),
        };
        let authority = uri.authority().ok_or(OriginError::NotAbsolute)?;
        if authority.as_str().contains('@') {
            return Err(OriginError::UserInfo);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err(OriginError::NotAbsolute);
        }
        // `hyper::Uri` takes a port that no u16 holds, and then says that there is none.
        let says_port = authority.as_str().rsplit(']').next().is_some_and(|rest| rest.contains(':'));
        let port = match authority.port_u16() {
            Some(port) => port,
            None if says_port => return Err(OriginError::Port),
            None if secure => 443,
            None => 80,
        };
        Ok(Self { secure, host, port })
    }

    /// The host and the port as `host:port`, an IPv6 address in brackets.
    #[must_use]
    pub fn authority_with_port(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The host and the port as a Host header has them: the port only where it isn't the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let mut authority = self.authority_with_port();
        if self.port == if self.secure { 443 } else { 80 } {
            authority.truncate(authority.rfind(':').unwrap_or(authority.len()));
        }
        authority
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: hyper::Uri = text.parse().map_err(|_| OriginError::NotAbsolute)?;
        Self::of(&uri)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority_with_port())
    }
}

#[cfg(test)]
mod tests {
    use crate::uri::*;

    #[test]
    fn default_ports_and_case_do_not_matter() {
        let a: Origin = "https://DM.Example/x?y".parse().unwrap();
        let b: Origin = "https://dm.example:443".parse().unwrap();
        assert_eq!(a, b);
        assert_ne!(a, "http://dm.example:443".parse().unwrap());
        assert_eq!(
            "https://[2001:DB8::1]/".parse::<Origin>().unwrap().to_string(),
            "https://[2001:db8::1]:443"
        );
    }

    #[test]
    fn a_host_header_names_only_unusual_ports() {
        let authority = |uri: &str| uri.parse::<Origin>().unwrap().authority();
        assert_eq!(authority("https://a:443/"), "a");
        assert_eq!(authority("https://a:80/"), "a:80");
        assert_eq!(authority("http://a:80/"), "a");
        assert_eq!(authority("https://[2001:db8::443]/"), "[2001:db8::443]");
        assert_eq!(authority("https://[2001:db8::1]:8443/"), "[2001:db8::1]:8443");
    }

    #[test]
    fn what_is_no_origin_says_why() {
        assert_eq!("file:///etc/passwd".parse::<Origin>(), Err(OriginError::NotAbsolute));
        assert_eq!("ftp://a/".parse::<Origin>(), Err(OriginError::Scheme));
        assert_eq!("https://user:pw@a/".parse::<Origin>(), Err(OriginError::UserInfo));
        assert_eq!("/relative".parse::<Origin>(), Err(OriginError::NotAbsolute));
        assert_eq!("https://a:99999/".parse::<Origin>(), Err(OriginError::Port));
    }
}
