//! Dialling: from an origin to a stream that is ready for HTTP: names, addresses, the proxy, TLS, within one time
//! limit.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use httpdate::HttpDate;
use rustls::ProtocolVersion;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::account_transport::AccountTransport;
use super::error::{Failure, TransportError};
use super::names::{self, LinkNames};
use super::policy::{Refused, Standing, is_local};
use super::reach::{self, Binding};
use super::tls::{Trust, valid_until};
use super::wire::{Metered, Moved, Wire};
use crate::base::Progress;
use crate::uri::Origin;

/// The time limit for everything before a connection stands. A server may think for long over a package; to answer the
/// door takes no thinking.
const SET_UP: Duration = Duration::from_secs(30);

/// Connects to `origin`, through its proxy if it has one. Returns the local address as well.
pub(super) async fn open(
    client: &AccountTransport,
    (binding, names): (&Binding, Option<&dyn LinkNames>),
    origin: &Origin,
    standing: Standing,
    trust: Trust,
    moved: &Moved,
    progress: &Progress,
) -> Result<(Wire, SocketAddr), TransportError> {
    let mut step = "";
    let opening =
        Opening { client, binding, names, origin, standing, trust, moved, progress, step: &mut step };
    let done = tokio::time::timeout(SET_UP, opening.run()).await;
    progress.step("");
    done.unwrap_or_else(|_| Err(Failure::SetUp(step, SET_UP).at(origin)))
}

/// A connection that is being opened.
struct Opening<'a> {
    client: &'a AccountTransport,
    binding: &'a Binding,
    /// Who is asked for names, where the binding is to a link.
    names: Option<&'a dyn LinkNames>,
    origin: &'a Origin,
    standing: Standing,
    trust: Trust,
    moved: &'a Moved,
    progress: &'a Progress,
    /// The step that is being waited for.
    step: &'a mut &'static str,
}

impl Opening<'_> {
    async fn run(self) -> Result<(Wire, SocketAddr), TransportError> {
        let Self { client, origin, step, progress, .. } = self;
        let at = |failure: Failure| failure.at(origin);
        let mut begins = |name: &'static str, wait: &'static str| {
            *step = name;
            progress.step(wait);
        };
        begins("reading the trusted certificates", "the files of the trusted certificates");
        // Before anything is sent: without roots there's no point.
        let config =
            if origin.secure { Some(client.tls.config(self.trust).await.map_err(at)?) } else { None };
        let proxy = client.proxies.of(origin).map_err(at)?;
        begins("resolving the name", "the name server");
        let link = match (self.binding, self.names) {
            (Binding::Interface(interface), Some(names)) => Some((names, interface.as_str())),
            _ => None,
        };
        let unresolved = |error| at(Failure::Resolve(error));
        let (next, addresses) = match &proxy {
            // The proxy is the operator's word, and may well be local.
            Some(proxy) => (&proxy.origin, names::resolve(&proxy.origin, link).await.map_err(unresolved)?),
            None => {
                let addresses = names::resolve(origin, link).await.map_err(unresolved)?;
                (origin, admissible(origin, self.standing, addresses)?)
            }
        };
        if let Some(first) = addresses.first() {
            let (host, count) = (&next.host, addresses.len());
            let whose = if proxy.is_some() { "the proxy " } else { "" };
            progress.tell("name", format_args!("{whose}{host} is {} ({count} known)", first.ip()));
        }
        begins("TCP", "the TCP connection");
        let unconnected = |error: io::Error| {
            at(Failure::Connect(match &proxy {
                Some(proxy) => io::Error::new(error.kind(), format!("the proxy {}: {error}", proxy.origin)),
                None => error,
            }))
        };
        let addresses = client.memory().order(next, addresses);
        let stream = reach::connect(&addresses, self.binding).await.map_err(unconnected)?;
        let local = stream.local_addr().map_err(unconnected)?;
        let reached = stream.peer_addr().map_err(unconnected)?.ip();
        // Until there is more to say: who is waited for in vain learns nothing.
        client.memory().learn(next, reached, false);
        progress.tell("TCP", format_args!("{reached} answers, port {}", next.port));
        let mut stream = Metered::new(stream, self.moved.clone(), Arc::clone(&client.usage));
        if let Some(proxy) = &proxy {
            begins("the proxy's tunnel", "the proxy's tunnel");
            stream = proxy.tunnel(stream, origin).await.map_err(at)?;
        }
        let wire = match config {
            None => Wire::Plain(stream),
            Some(config) => {
                begins("TLS", "the server, in TLS");
                let host = origin.host.strip_suffix('.').unwrap_or(&origin.host).to_owned();
                let name =
                    ServerName::try_from(host).map_err(|error| at(Failure::Request(error.to_string())))?;
                let stream = TlsConnector::from(config).connect(name, stream).await;
                let stream = stream
                    .map_err(|error| at(Failure::of_handshake(&error, &client.tls.roots(self.trust))))?;
                let version = match stream.get_ref().1.protocol_version() {
                    Some(ProtocolVersion::TLSv1_3) => "1.3",
                    _ => "1.2",
                };
                let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let until = shown.and_then(|shown| valid_until(shown));
                if self.standing == Standing::Own {
                    client.usage.valid_until.store(until.unwrap_or_default(), Ordering::Relaxed);
                }
                let until = until.and_then(date).map(|date| format!(", and valid until {date}"));
                let until = until.unwrap_or_default();
                progress.tell(
                    "TLS",
                    format_args!("version {version}, the server's certificate is trusted{until}"),
                );
                Wire::Tls(Box::new(stream))
            }
        };
        client.memory().learn(next, reached, true);
        Ok((wire, local))
    }
}

/// A time in seconds since 1970 as a date; none from the year 10000 on, for which there is no form.
fn date(seconds: u64) -> Option<HttpDate> {
    const YEAR_10000: u64 = 253_402_300_800;
    (seconds < YEAR_10000).then(|| HttpDate::from(UNIX_EPOCH + Duration::from_secs(seconds)))
}

/// The addresses that the agent may connect to: a foreign name must not lead back to this machine, whatever its DNS
/// says.
fn admissible(
    origin: &Origin,
    standing: Standing,
    mut addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, TransportError> {
    if standing == Standing::Own {
        return Ok(addresses);
    }
    let local = addresses.iter().map(SocketAddr::ip).find(|address| is_local(*address));
    addresses.retain(|address| !is_local(address.ip()));
    match local {
        Some(local) if addresses.is_empty() => Err(Refused::ResolvesLocal(origin.clone(), local).into()),
        _ => Ok(addresses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_an_end() {
        let text = |seconds| date(seconds).map(|date| date.to_string());
        assert_eq!(text(0).as_deref(), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
        assert_eq!(text(253_402_300_799).as_deref(), Some("Fri, 31 Dec 9999 23:59:59 GMT"));
        assert_eq!([253_402_300_800, u64::MAX].map(text), [None, None]);
    }

    #[test]
    fn a_foreign_name_keeps_only_its_outside_addresses() {
        let origin: Origin = "https://a.example".parse().unwrap();
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        let mixed = addresses(&["127.0.0.1:443", "203.0.113.1:443", "[fe80::1]:443"]);
        assert_eq!(
            admissible(&origin, Standing::Foreign, mixed.clone()).unwrap(),
            addresses(&["203.0.113.1:443"])
        );
        assert_eq!(admissible(&origin, Standing::Own, mixed.clone()).unwrap(), mixed);
        let error = admissible(&origin, Standing::Foreign, addresses(&["[::ffff:7f00:1]:443"])).unwrap_err();
        assert!(matches!(error, TransportError::Refused(Refused::ResolvesLocal(..))));
    }
}
