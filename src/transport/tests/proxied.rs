//! Through a proxy; and, since a proxy resolves names, origins that aren't the account's.

use rustls::HandshakeKind;

use super::failure;
use super::server::*;
use crate::transport::Auth;
use crate::transport::{Binding, Client, Failure, PeerRole, Proxies, Remedy, Request};
use crate::uri::Origin;

fn get(uri: &str) -> Request {
    Request::new(hyper::Method::GET, uri.parse().unwrap())
}

#[tokio::test]
async fn the_tunnel_leads_to_the_server_and_its_certificate() {
    let ca = Ca::new();
    let tls = server(&ca.issue("dm.example", |_| {}), None);
    let server = Server::start(Some(tls), |_, _| ok("through")).await;
    let (port, asked) = proxy(server.port, None).await;
    let mut settings = settings(&ca, &[]);
    settings.own_origins = vec!["https://dm.example".parse().unwrap()];
    settings.proxies = Proxies::all_through(&format!("http://us%65r:p%40ss@localhost:{port}"), "");
    let mut connection = Client::new(settings).unwrap().connection(Binding::Any);
    for _ in 0..2 {
        assert_eq!(connection.send(&get("https://dm.example/x")).await.unwrap().body, "through");
    }
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1, "one tunnel serves both");
    assert!(asked[0].starts_with("CONNECT dm.example:443 HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(asked[0].contains("proxy-authorization: Basic dXNlcjpwQHNz\r\n"), "{}", asked[0]);
    let seen = server.seen();
    assert_eq!(seen.header(0, "host"), Some("dm.example"));
    assert_eq!(seen.header(0, "proxy-authorization"), None);
}

#[tokio::test]
async fn no_proxy_goes_straight() {
    let ca = Ca::new();
    let server = Server::start(Some(ca.server()), |_, _| ok("straight")).await;
    let (port, asked) = proxy(server.port, Some("500 No")).await;
    let mut settings = settings(&ca, &[server.port]);
    settings.proxies = Proxies::all_through(&format!("http://localhost:{port}"), "other.example,localhost");
    let mut connection = Client::new(settings).unwrap().connection(Binding::Any);
    assert_eq!(connection.send(&server.get("/")).await.unwrap().body, "straight");
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_proxy_that_refuses_says_so_and_hears_nothing_more() {
    let ca = Ca::new();
    for (status, code, retryable) in
        [("407 Proxy Authentication Required", 407, false), ("502 Bad Gateway", 502, true)]
    {
        let (port, asked) = proxy(1, Some(status)).await;
        let mut settings = settings(&ca, &[]);
        settings.proxies = Proxies::all_through(&format!("http://u:hush@localhost:{port}"), "");
        let mut connection = Client::new(settings).unwrap().connection(Binding::Any);
        let error = connection.send(&get("https://dm.example/")).await.unwrap_err();
        assert_eq!(error.remedy() == Remedy::Retry, retryable);
        assert!(!error.to_string().contains("hush"));
        assert!(matches!(failure(error), Failure::ProxyStatus(found) if found == code));
        assert_eq!(asked.lock().unwrap().len(), 1);
    }
}

/// An account with a client certificate or Basic, its server at dm.example, and `uri` reached by a tunnel.
async fn visit(
    ca: &Ca,
    elsewhere: &Ca,
    server: &Server,
    auth: Auth,
    request: &Request,
) -> Result<u16, Failure> {
    let (port, _) = proxy(server.port, None).await;
    let mut settings = settings(ca, &[]);
    settings.own_origins = vec!["https://dm.example".parse::<Origin>().unwrap()];
    settings.repository_ca_pem = Some(elsewhere.pem());
    settings.auth = auth;
    settings.proxies = Proxies::all_through(&format!("http://localhost:{port}"), "");
    let mut connection = Client::new(settings).unwrap().connection(Binding::Any);
    connection.send(request).await.map(|response| response.status).map_err(failure)
}

#[tokio::test]
async fn credentials_stay_with_the_accounts_own_origins() {
    let ca = Ca::new();
    let challenge =
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
    let tls = server(&ca.issue("other.example", |_| {}), None);
    let server = Server::start(Some(tls), move |_, _| say(challenge)).await;
    let request = get("https://other.example/");
    assert_eq!(visit(&ca, &Ca::new(), &server, basic(), &request).await.unwrap(), 401);
    let seen = server.seen();
    assert_eq!(seen.requests.len(), 1);
    assert_eq!(seen.header(0, "authorization"), None);
}

#[tokio::test]
async fn the_client_certificate_stays_with_them_too() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let (cert, key) = clients.issue("gw", |_| {});
    let auth = Auth::Certificate { cert_pem: cert.into_bytes(), key_pem: secret(&key) };
    for (host, welcome) in [("dm.example", true), ("other.example", false)] {
        let tls = server(&ca.issue(host, |_| {}), Some(&clients));
        let server = Server::start(Some(tls), |_, _| ok("")).await;
        let request = get(&format!("https://{host}/"));
        let result = visit(&ca, &Ca::new(), &server, auth.clone(), &request).await;
        assert_eq!(result.is_ok(), welcome, "{result:?}");
        assert_eq!(server.seen().handshakes.contains(&HandshakeKind::Full), welcome);
    }
}

#[tokio::test]
async fn a_dm_server_elsewhere_has_the_accounts_trust_and_a_repository_its_own() {
    let (ca, elsewhere) = (Ca::new(), Ca::new());
    for (role, issuer, good) in [
        (PeerRole::Server, &ca, true),
        (PeerRole::Server, &elsewhere, false),
        (PeerRole::Repository, &elsewhere, true),
        (PeerRole::Repository, &ca, false),
    ] {
        let tls = server(&issuer.issue("other.example", |_| {}), None);
        let server = Server::start(Some(tls), |_, _| ok("")).await;
        let mut request = get("https://other.example/");
        request.role = role;
        let result = visit(&ca, &elsewhere, &server, Auth::None, &request).await;
        match result {
            Ok(200) if good => {}
            Err(Failure::Certificate(_)) if !good => {}
            other => panic!("{role:?}: {other:?}"),
        }
    }
}
