//! Certificates, client certificates, resumption, clocks.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use rustls::{AlertDescription, HandshakeKind};
use tokio::io::AsyncReadExt as _;

use super::failure;
use super::server::*;
use crate::base::AtomicU64;
use crate::transport::Auth;
use crate::transport::tls::valid_until;
use crate::transport::{
    Binding, Client, ClientSettings, Failure, Refused, Remedy, Request, TlsSettingsError, TransportError,
    pem_valid_until,
};

#[test]
fn how_long_a_certificate_is_valid_is_read_in_both_forms_of_dates() {
    for (date, expected) in [
        ((1999, 12, 31), 946_598_400),
        ((2031, 2, 28), 1_930_003_200),
        ((2032, 3, 1), 1_961_712_000),
        ((4096, 1, 1), 67_090_118_400),
        // "Not well defined", RFC 5280 4.1.2.5.
        ((9999, 12, 31), 253_402_214_400),
    ] {
        let mut certificate = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        (certificate.not_before, certificate.not_after) =
            (date_time_ymd(1990, 1, 1), date_time_ymd(date.0, date.1, date.2));
        let pem = certificate.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        assert_eq!(pem_valid_until(pem.as_bytes()), Some(expected), "{date:?}");
        for cut in [0, 1, 40, 200] {
            assert_eq!(pem_valid_until(&pem.as_bytes()[..cut]), None);
        }
    }
}

#[test]
fn a_certificate_whose_end_is_no_date_has_none_that_is_known() {
    let written = b"40960101000000Z";
    let mut certificate = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    certificate.not_after = date_time_ymd(4096, 1, 1);
    let whole = certificate.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let at = whole.windows(written.len()).position(|part| part == written).unwrap();
    for (end, expected) in [
        (b"99991231235959Z", Some(253_402_300_799)),
        (b"99991231235960Z", None),
        (b"99991231240000Z", None),
        (b"99999999999999Z", None),
        (b"40961301000000Z", None),
        (b"40960100000000Z", None),
        (b"19691231235959Z", None),
        (b"00000101000000Z", None),
        (b"+9990101000000Z", None),
    ] {
        let mut der = whole.clone();
        der[at..at + end.len()].copy_from_slice(end);
        assert_eq!(valid_until(&der), expected, "{}", String::from_utf8_lossy(end));
    }
}

/// Why a server with this certificate is refused, if it is.
async fn refusal(ca: &Ca, pair: &(String, String), time_floor: u64) -> Option<String> {
    let server = Server::answering(Some(server(pair, None)), vec![ok("")]).await;
    let mut settings = settings(ca, &[server.port]);
    settings.time_floor = Arc::new(AtomicU64::new(time_floor));
    let mut connection = Client::new(settings).unwrap().connection(Binding::Any);
    let error = connection.send(&server.get("/?token=secret")).await.err()?;
    assert!(error.remedy() != Remedy::Retry && !error.to_string().contains("secret"), "{error}");
    assert!(error.to_string().starts_with(&format!("https://localhost:{}: ", server.port)), "{error}");
    match failure(error) {
        Failure::Certificate(reason) => Some(reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_refused_certificate_says_why() {
    let (ca, other) = (Ca::new(), Ca::new());
    assert_eq!(refusal(&ca, &ca.issue("localhost", |_| {}), 0).await, None);
    let reason = refusal(&other, &ca.issue("localhost", |_| {}), 0).await.unwrap();
    assert!(reason.contains("issuer is not trusted") || reason.contains("not signed"), "{reason}");
    assert!(reason.contains("the account's ca-file"), "{reason}");
    let reason = refusal(&ca, &ca.issue("dm.example", |_| {}), 0).await.unwrap();
    assert!(reason.contains("it is for") && reason.contains("dm.example"), "{reason}");
    let expired = ca.issue("localhost", |params| params.not_after = date_time_ymd(2020, 1, 1));
    assert!(refusal(&ca, &expired, 0).await.unwrap().contains("expired"));
}

#[tokio::test]
async fn a_clock_that_is_behind_is_not_believed() {
    let ca = Ca::new();
    let later = ca.issue("localhost", |params| {
        params.not_before = date_time_ymd(2090, 1, 1);
        params.not_after = date_time_ymd(2110, 1, 1);
    });
    assert!(refusal(&ca, &later, 0).await.unwrap().contains("not valid yet"));
    let year = 31_557_600;
    assert_eq!(refusal(&ca, &later, 130 * year).await, None);
    assert!(refusal(&ca, &later, 150 * year).await.unwrap().contains("expired"));
}

#[tokio::test]
async fn a_self_signed_certificate_in_the_ca_file_is_the_servers_own() {
    let make = |name: &str, year: i32| {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let verdict = async |listed: &str, tls: rustls::ServerConfig| {
        let server = Server::answering(Some(tls), vec![ok("")]).await;
        let mut settings = settings(&Ca::new(), &[server.port]);
        settings.ca_pem = Some(listed.as_bytes().to_vec());
        let mut connection = Client::new(settings).unwrap().connection(Binding::Any);
        connection.send(&server.get("/")).await.map_err(|error| failure(error).to_string())
    };
    let (good, other) = (make("localhost", 4000), make("localhost", 4000));
    assert!(verdict(&good.0, server(&good, None)).await.is_ok());
    let elsewhere = make("dm.example", 4000);
    assert!(verdict(&elsewhere.0, server(&elsewhere, None)).await.unwrap_err().contains("it is for"));
    let expired = make("localhost", 2020);
    assert!(verdict(&expired.0, server(&expired, None)).await.unwrap_err().contains("expired"));
    // Same names, not in the file; in the file, but without its key.
    let reason = verdict(&good.0, server(&other, None)).await.unwrap_err();
    assert!(reason.contains("certificate refused"), "{reason}");
    assert!(reason.contains("\"rcgen self signed cert\" is not in the account's ca-file"), "{reason}");
    let reason = verdict(&good.0, impostor(&good.0, &other.1)).await.unwrap_err();
    assert!(reason.contains("not signed"), "{reason}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_the_account_has_one() {
    let (ca, clients) = (Ca::new(), Ca::new());
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let tls = server_speaking(&ca.issue("localhost", |_| {}), Some(&clients), &[version]);
        let server = Server::answering(Some(tls), vec![ok("in")]).await;
        let (cert, key) = clients.issue("gw", |_| {});
        let mut with = settings(&ca, &[server.port]);
        with.auth = Auth::Certificate { cert_pem: cert.into_bytes(), key_pem: secret(&key) };
        let mut connection = Client::new(with).unwrap().connection(Binding::Any);
        assert_eq!(connection.send(&server.get("/")).await.unwrap().body, "in");

        let error = self::connection(&ca, &server).send(&server.get("/")).await.unwrap_err();
        assert!(error.remedy() != Remedy::Retry, "{error}");
        if version == &rustls::version::TLS13 {
            let failure = failure(error);
            assert!(matches!(failure, Failure::Alert(AlertDescription::CertificateRequired)), "{failure:?}");
        }
    }
}

#[tokio::test]
async fn the_second_connection_resumes_the_first_ones_session() {
    let (ca, clients) = (Ca::new(), Ca::new());
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let tls = server_speaking(&ca.issue("localhost", |_| {}), Some(&clients), &[version]);
        let server = Server::start(Some(tls), |_, _| ok("")).await;
        let (cert, key) = clients.issue("gw", |_| {});
        let mut settings = settings(&ca, &[server.port]);
        settings.auth = Auth::Certificate { cert_pem: cert.into_bytes(), key_pem: secret(&key) };
        let client = Client::new(settings).unwrap();
        for _ in 0..3 {
            client.connection(Binding::Any).send(&server.get("/")).await.unwrap();
        }
        let kinds = server.seen().handshakes.clone();
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed]);
    }
}

#[tokio::test]
async fn a_foreign_name_that_leads_home_is_refused() {
    let ca = Ca::new();
    let server = Server::answering(Some(ca.server()), vec![]).await;
    let mut connection = connection(&ca, &server);
    // The resolver knows more spellings of 127.0.0.1 than a URI parser does.
    for host in ["127.1", "0x7f.1", "2130706433"] {
        let mut request = server.get("/");
        request.uri = format!("https://{host}:{}/", server.port).parse().unwrap();
        let error = connection.send(&request).await.unwrap_err();
        assert!(matches!(error, TransportError::Refused(Refused::ResolvesLocal(..))), "{error}");
    }
    let mut request = server.get("/");
    request.uri = format!("https://127.0.0.1:{}/", server.port).parse().unwrap();
    let error = connection.send(&request).await.unwrap_err();
    assert!(matches!(error, TransportError::Refused(Refused::Local(_))), "{error}");
    assert!(error.remedy() != Remedy::Retry);
    assert_eq!(server.seen().connections, 0);
}

/// RFC 8996, and RFC 4279's suites: read from the ClientHello itself (RFC 8446 4.1.2).
#[tokio::test]
async fn no_old_tls_and_no_pre_shared_key_is_offered() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = Client::new(settings(&Ca::new(), &[port])).unwrap();
    let hello = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut header = [0; 5];
        stream.read_exact(&mut header).await.unwrap();
        let mut record = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        stream.read_exact(&mut record).await.unwrap();
        record
    });
    let request = Request::new(hyper::Method::GET, format!("https://localhost:{port}/").parse().unwrap());
    client.connection(Binding::Any).send(&request).await.unwrap_err();
    let hello = hello.await.unwrap();
    assert_eq!(hello[0], 1, "a ClientHello");
    // Type and length, version, random; then the session id and the suites.
    let suites_at = 38 + 1 + usize::from(hello[38]);
    let two = |at: usize| u16::from_be_bytes([hello[at], hello[at + 1]]);
    let suites: Vec<u16> = (0..two(suites_at) / 2).map(|n| two(suites_at + 2 + 2 * usize::from(n))).collect();
    let ephemeral =
        |suite: &u16| matches!(suite, 0x1301..=0x1303 | 0xc02b..=0xc030 | 0xcca8..=0xcca9 | 0x00ff);
    assert!(suites.len() > 3 && suites.iter().all(ephemeral), "{suites:x?}");
    // The extensions, behind one compression method.
    let mut at = suites_at + 2 + 2 * suites.len() + 2 + 2;
    let mut versions = Vec::new();
    while at < hello.len() {
        let (kind, length) = (two(at), usize::from(two(at + 2)));
        assert_ne!(kind, 41, "a pre-shared key where nothing is to be resumed");
        if kind == 43 {
            versions = (at + 5..at + 4 + length).step_by(2).map(two).collect();
        }
        at += 4 + length;
    }
    assert_eq!(versions, [0x0304, 0x0303], "TLS 1.3 and 1.2");
}

#[test]
fn bad_pem_names_its_key() {
    let ca = Ca::new();
    let problem = |change: &dyn Fn(&mut ClientSettings)| {
        let mut settings = settings(&ca, &[]);
        change(&mut settings);
        Client::new(settings).err().map(|error| error.to_string()).unwrap()
    };
    assert_eq!(problem(&|s| s.ca_pem = Some(b"hello".to_vec())), "ca-file: no certificate in it");
    let cut = b"-----BEGIN CERTIFICATE-----\nMIIB".to_vec();
    assert!(problem(&|s| s.repository_ca_pem = Some(cut.clone())).starts_with("repository-ca-file: not PEM"));
    let garbage = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let second = [ca.pem(), garbage.to_vec()].concat();
    assert!(
        problem(&|s| s.ca_pem = Some(second.clone())).starts_with("ca-file: certificate 2 can't be used")
    );

    let (cert, key) = ca.issue("gw", |_| {});
    let (_, other) = ca.issue("gw", |_| {});
    let pair = |cert: &str, key: &str| Auth::Certificate {
        cert_pem: cert.as_bytes().to_vec(),
        key_pem: secret(key),
    };
    assert_eq!(problem(&|s| s.auth = pair(&cert, &other)), TlsSettingsError::Mismatch.to_string());
    assert_eq!(problem(&|s| s.auth = pair(&cert, &cert)), TlsSettingsError::NoKey.to_string());
    assert_eq!(problem(&|s| s.auth = pair(&key, &key)), "cert-file: no certificate in it");
}
