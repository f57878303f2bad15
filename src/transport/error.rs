//! Why the agent gets no response from a server.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

use super::auth::AuthProblem;
use super::policy::Refused;
use super::untrusted::Untrusted;
use crate::uri::Origin;

/// Why a request has no response. Messages name the origin, never a path, a query or a credential.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The agent doesn't go to this URI: nothing was sent.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The request failed on its way, or at the server.
    #[error("{origin}: {failure}")]
    Failed {
        /// The origin that the request was to go to.
        origin: Origin,
        /// The failure.
        failure: Failure,
    },
}

/// How a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The name has no address, or the resolver didn't answer.
    #[error("the name can't be resolved: {0}")]
    Resolve(io::Error),
    /// No address of the host, or of its proxy, took the connection; the last one's reason.
    #[error("can't connect: {0}")]
    Connect(io::Error),
    /// No connection stood within this time; what was being waited for.
    #[error("no connection within {} s: {} is not answered", .1.as_secs(), .0)]
    SetUp(&'static str, Duration),
    /// The proxy can't be used.
    #[error("proxy: {0}")]
    Proxy(String),
    /// The proxy went away before there was a tunnel.
    #[error("proxy: {0}")]
    ProxyLost(String),
    /// The proxy refused the tunnel with this HTTP status.
    #[error("proxy: answered {0} to CONNECT")]
    ProxyStatus(u16),
    /// There are no system roots to check a server against.
    #[error("no trusted root certificates on this system: {0}")]
    NoRoots(String),
    /// The server's certificate isn't accepted.
    #[error("certificate refused: {0}")]
    Certificate(String),
    /// The server ended TLS with this alert.
    #[error("the server ended TLS: {}", alert(*.0))]
    Alert(AlertDescription),
    /// TLS failed in another way.
    #[error("tls: {0}")]
    Tls(String),
    /// The connection broke before the response was complete; the request may have been acted upon.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The link that carried the connection, known by this address of it, has gone down.
    #[error("connection lost: the link with {0} is down")]
    LinkDown(IpAddr),
    /// The response isn't HTTP/1.1, or its header is too large.
    #[error("not a readable response: {0}")]
    Malformed(String),
    /// The response's body, decoded, is larger than this many bytes.
    #[error("the response is larger than {0} bytes")]
    TooLarge(usize),
    /// The body isn't in the encoding its header names, or in one that wasn't asked for.
    #[error("content encoding: {0}")]
    Encoding(String),
    /// The request was not done within its `timeout`.
    #[error("not done within {0:?}")]
    Timeout(Duration),
    /// Not one byte moved for the request's `idle`.
    #[error("nothing moved for {0:?}")]
    Stalled(Duration),
    /// The server answered 401, for which there is no second request.
    #[error("authentication: {0}")]
    Authentication(AuthProblem),
    /// The agent made a request that can't be written.
    #[error("request: {0}")]
    Request(String),
}

/// The remedy where a request was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Sending it again may help.
    Retry,
    /// Sending it much later may help, once somebody has mended the server, a certificate or the clock.
    Later,
    /// Nothing that the agent can do helps: it does not go there, or a server that sends too much will do so again.
    None,
}

/// Whether an HTTP status says that the same request may succeed later.
#[must_use]
pub fn is_temporary(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

impl TransportError {
    /// The remedy for this error.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Refused(_) => Remedy::None,
            Self::Failed { failure, .. } if failure.is_retryable() => Remedy::Retry,
            Self::Failed { failure, .. } => match failure {
                Failure::TooLarge(_) | Failure::Authentication(_) | Failure::Request(_) => Remedy::None,
                _ => Remedy::Later,
            },
        }
    }
}

impl Failure {
    pub(super) fn at(self, origin: &Origin) -> TransportError {
        TransportError::Failed { origin: origin.clone(), failure: self }
    }

    /// Whether the same request may succeed soon.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::SetUp(..)
            | Self::ProxyLost(_)
            | Self::Tls(_)
            | Self::Lost(_)
            | Self::LinkDown(_)
            | Self::Timeout(_)
            | Self::Stalled(_) => true,
            Self::ProxyStatus(status) => is_temporary(*status),
            Self::Alert(alert) => {
                matches!(alert, AlertDescription::InternalError | AlertDescription::UserCanceled)
            }
            Self::Proxy(_)
            | Self::NoRoots(_)
            | Self::Certificate(_)
            | Self::Malformed(_)
            | Self::TooLarge(_)
            | Self::Encoding(_)
            | Self::Authentication(_)
            | Self::Request(_) => false,
        }
    }

    /// The failure behind an error of the TLS handshake. `roots` is what the server's certificate was checked against,
    /// and what to do.
    pub(super) fn of_handshake(error: &io::Error, roots: &str) -> Self {
        of_tls(error, roots).unwrap_or_else(|| Self::Tls(chain(error)))
    }

    /// The failure behind an error of a connection that stood.
    pub(super) fn of_exchange(error: &hyper::Error) -> Self {
        if error.is_parse() {
            return Self::Malformed(chain(error));
        }
        of_tls(error, "what the account trusts").unwrap_or_else(|| {
            // What TLS says of that is a page to read.
            Self::Lost(if is_cut_off(error) { "the server closed it".to_owned() } else { chain(error) })
        })
    }
}

/// The TLS failure behind an error, if there is one.
fn of_tls(error: &(dyn Error + 'static), roots: &str) -> Option<Failure> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(match error {
                rustls::Error::InvalidCertificate(reason) => Failure::Certificate(certificate(reason, roots)),
                rustls::Error::AlertReceived(alert) => Failure::Alert(*alert),
                other => Failure::Tls(other.to_string()),
            });
        }
        next = inner(error);
    }
    None
}

/// Whether the connection ended before its time.
fn is_cut_off(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::UnexpectedEof
        {
            return true;
        }
        next = inner(error);
    }
    false
}

/// An error and its causes, in one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = inner(error);
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = inner(error);
    }
    text
}

/// The error that an `io::Error` wraps, which its own `source` skips.
fn inner<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// A span of time in a unit that people would use.
fn span(seconds: u64) -> String {
    match seconds {
        0..600 => format!("{seconds} s"),
        600..172_800 => format!("{} min", seconds / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Why a server's certificate is refused, and what to do.
fn certificate(reason: &CertificateError, roots: &str) -> String {
    match reason {
        CertificateError::Expired => "it has expired".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "it has expired ({} before this machine's time): renew it, or set this machine's clock",
            span(time.as_secs().saturating_sub(not_after.as_secs()))
        ),
        CertificateError::NotValidYet => "it is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "it is not valid yet ({} after this machine's time): set this machine's clock, if that is wrong",
            span(not_before.as_secs().saturating_sub(time.as_secs()))
        ),
        CertificateError::UnknownIssuer => format!("its issuer is not trusted: it is not in {roots}"),
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(Untrusted(Some(issuer))) => {
                format!("its issuer is not trusted: {issuer:?} is not in {roots}")
            }
            Some(Untrusted(None)) => format!("its issuer is not trusted: it is not in {roots}"),
            None => reason.to_string(),
        },
        CertificateError::BadSignature => format!(
            "it is not signed by its issuer, as that is in {roots}, or by a kind of key that is too weak (RSA below 2048 bits)"
        ),
        CertificateError::NotValidForName => "it is for another host".to_owned(),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "it names no host (a subjectAltName is needed)".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let mut names: Vec<&str> = presented.iter().map(|name| plain(name)).take(4).collect();
            if presented.len() > names.len() {
                names.push("…");
            }
            format!(
                "it is for {}, not for this host: correct the address or the certificate",
                names.join(", ")
            )
        }
        other => other.to_string(),
    }
}

/// A name of a certificate, without what it is a name of: `DnsName("dm.example")`.
fn plain(name: &str) -> &str {
    let inner = name.strip_suffix(')').and_then(|name| name.split_once('('));
    inner.map_or(name, |(_, inner)| inner.trim_matches('"'))
}

fn alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => "it requires a client certificate".to_owned(),
        AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::UnsupportedCertificate => {
            format!("it does not accept the client certificate ({alert:?})")
        }
        AlertDescription::HandshakeFailure => {
            "HandshakeFailure: no common cipher suite, or it misses a client certificate".to_owned()
        }
        AlertDescription::ProtocolVersion => "it speaks neither TLS 1.2 nor 1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_certificate_are_told_as_they_are() {
        for (name, told) in [
            ("DnsName(\"dm.example\")", "dm.example"),
            ("IpAddress(192.0.2.1)", "192.0.2.1"),
            ("dm.example", "dm.example"),
        ] {
            assert_eq!(plain(name), told);
        }
    }
}
