//! HTTP proxies: which one a request takes, and the CONNECT tunnel through it.

use std::sync::Arc;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::bounds::{limit_interim, protocol};
use super::error::Failure;
use crate::base;
use crate::uri::Origin;

/// The choice of a request's proxy, by curl's rules.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Option<Arc<Matcher>>);

/// An HTTP proxy: its address, and the credentials for it.
pub(super) struct Proxy {
    pub(super) origin: Origin,
    credential: Option<HeaderValue>,
}

impl Proxies {
    /// No proxies: every request goes straight.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Takes the proxies from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` (or in lower case). Reads the
    /// environment: call it once, in a main.
    #[must_use]
    pub fn from_environment() -> Self {
        Self(Some(Arc::new(Matcher::from_env())))
    }

    /// Sends everything through `proxy` (`http://user:password@host:port`), but for the hosts of `except`, which is
    /// written like `NO_PROXY`.
    #[must_use]
    pub fn all_through(proxy: &str, except: &str) -> Self {
        Self(Some(Arc::new(Matcher::builder().all(proxy).no(except).build())))
    }

    /// The proxy for requests to `target`, if any.
    pub(super) fn of(&self, target: &Origin) -> Result<Option<Proxy>, Failure> {
        let Some(matcher) = &self.0 else { return Ok(None) };
        let uri: Uri =
            target.to_string().parse().map_err(|_| Failure::Proxy("unreadable host".to_owned()))?;
        let Some(found) = matcher.intercept(&uri) else { return Ok(None) };
        match Origin::of(found.uri()) {
            Ok(origin) if !origin.secure => {
                Ok(Some(Proxy { origin, credential: found.basic_auth().cloned() }))
            }
            _ => Err(Failure::Proxy(format!(
                "{}: only proxies spoken to in http are supported",
                found.uri().scheme_str().unwrap_or_default()
            ))),
        }
    }
}

impl Proxy {
    /// Asks the proxy behind `stream` for a tunnel to `target`.
    pub(super) async fn tunnel<S>(&self, stream: S, target: &Origin) -> Result<S, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let broken = |error: hyper::Error| Failure::ProxyLost(super::error::chain(&error));
        let (mut sender, connection) =
            protocol().handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(broken)?;
        // Ends by itself when the sender is gone or the upgrade done.
        base::spawn(connection.with_upgrades());

        let mut request = self.request(target)?;
        let flooded = limit_interim(&mut request);
        let response = tokio::select! {
            response = sender.send_request(request) => response.map_err(broken)?,
            () = flooded.notified() => {
                return Err(Failure::Proxy("interim responses without end".to_owned()));
            }
        };
        let status = response.status();
        if !status.is_success() {
            return Err(Failure::ProxyStatus(status.as_u16()));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(broken)?;
        let parts = upgraded
            .downcast::<TokioIo<S>>()
            .map_err(|_| Failure::Proxy("its tunnel is of another kind".to_owned()))?;
        if !parts.read_buf.is_empty() {
            return Err(Failure::Proxy("it spoke before the server could".to_owned()));
        }
        Ok(parts.io.into_inner())
    }

    fn request(&self, target: &Origin) -> Result<hyper::Request<Empty<Bytes>>, Failure> {
        let authority = target.authority_with_port();
        let mut request = hyper::Request::builder()
            .method(Method::CONNECT)
            .uri(authority.as_str())
            .header(HOST, authority.as_str());
        if let Some(credential) = &self.credential {
            request = request.header(PROXY_AUTHORIZATION, credential);
        }
        request.body(Empty::new()).map_err(|error| Failure::Proxy(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(proxies: &Proxies, uri: &str) -> Option<String> {
        proxies.of(&uri.parse().unwrap()).unwrap().map(|proxy| proxy.origin.to_string())
    }

    #[test]
    fn no_proxy_exempts_names_below_it_and_networks() {
        let proxies =
            Proxies::all_through("http://proxy.example:3128", "dm.example, 10.0.0.0/8,2001:db8::/32");
        assert_eq!(through(&proxies, "https://other.example/").unwrap(), "http://proxy.example:3128");
        assert_eq!(through(&proxies, "https://notdm.example/").unwrap(), "http://proxy.example:3128");
        for direct in
            ["https://dm.example/", "https://a.dm.example/", "https://10.1.2.3/", "https://[2001:db8::1]/"]
        {
            assert_eq!(through(&proxies, direct), None, "{direct}");
        }
        assert_eq!(through(&Proxies::none(), "https://other.example/"), None);
    }

    #[test]
    fn a_proxy_of_another_kind_is_an_error_and_not_a_way_round_it() {
        let uri = "https://dm.example/".parse().unwrap();
        for proxy in ["socks5://127.0.0.1:1080", "https://user:secret@proxy.example"] {
            let error = Proxies::all_through(proxy, "").of(&uri).err().unwrap();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn credentials_are_percent_decoded_and_never_shown() {
        let proxies = Proxies::all_through("http://us%40er:pa%3Ass@proxy.example:1", "");
        let proxy = proxies.of(&"https://dm.example/".parse().unwrap()).unwrap().unwrap();
        let request = proxy.request(&"https://[2001:db8::1]".parse().unwrap()).unwrap();
        assert_eq!(request.headers()[PROXY_AUTHORIZATION], "Basic dXNAZXI6cGE6c3M=");
        assert_eq!(request.uri(), "[2001:db8::1]:443");
        assert_eq!(request.headers()[HOST], "[2001:db8::1]:443");
        assert!(!format!("{request:?} {proxies:?}").contains("dXNAZXI6"));
    }
}
