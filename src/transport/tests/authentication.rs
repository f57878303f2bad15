//! 401 and after.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::Method;
use hyper::body::Bytes;
use sha2::Digest as _;

use super::failure;
use super::server::*;
use crate::transport::Auth;
use crate::transport::{AuthProblem, Binding, Client, Failure, Remedy, Request};

const BASIC: &str = "Basic Z3c6c2VzYW1l";

fn unauthorized(challenge: &str, body: &str) -> Vec<Act> {
    say(format!(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn account(ca: &Ca, server: &Server, auth: Auth) -> Client {
    let mut settings = settings(ca, &[server.port]);
    settings.auth = auth;
    Client::new(settings).unwrap()
}

fn post(server: &Server) -> Request {
    let mut request = server.get("/dm?x=1");
    request.method = Method::POST;
    request.body = Bytes::from_static(b"package");
    request
}

async fn problem(client: &Client, server: &Server) -> AuthProblem {
    let error = client.connection(Binding::Any).send(&post(server)).await.unwrap_err();
    assert!(error.remedy() != Remedy::Retry);
    assert!(!error.to_string().contains("sesame"));
    match failure(error) {
        Failure::Authentication(problem) => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn basic_waits_for_one_challenge_and_never_again() {
    let ca = Ca::new();
    let server = Server::start(Some(ca.server()), |_, text| {
        if text.contains(BASIC) { ok("in") } else { unauthorized("Basic realm=\"dm\"", "who are you?") }
    })
    .await;
    let client = account(&ca, &server, basic());
    let mut connection = client.connection(Binding::Any);
    for _ in 0..2 {
        assert_eq!(connection.send(&post(&server)).await.unwrap().body, "in");
    }
    // The next session.
    assert_eq!(client.connection(Binding::Any).send(&post(&server)).await.unwrap().body, "in");
    let seen = server.seen();
    assert_eq!(seen.on, [1, 1, 1, 2]);
    let sent: Vec<_> = (0..4).map(|index| seen.header(index, "authorization")).collect();
    assert_eq!(sent, [None, Some(BASIC), Some(BASIC), Some(BASIC)]);
    assert!(seen.requests.iter().all(|request| request.ends_with("\r\n\r\npackage")));
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let ca = Ca::new();
    for (auth, challenge) in
        [(basic(), "Basic realm=\"dm\""), (digest(), "Digest realm=\"dm\", qop=\"auth\", nonce=\"1\"")]
    {
        let server = Server::start(Some(ca.server()), move |_, _| unauthorized(challenge, "")).await;
        let client = account(&ca, &server, auth);
        assert_eq!(problem(&client, &server).await, AuthProblem::Rejected);
        assert_eq!(server.seen().requests.len(), 2);
    }
}

#[tokio::test]
async fn what_the_account_has_not_got_is_not_tried() {
    let ca = Ca::new();
    for (auth, challenge) in
        [(digest(), "Basic realm=\"dm\""), (basic(), "Digest realm=\"dm\", qop=\"auth\", nonce=\"1\"")]
    {
        let server = Server::start(Some(ca.server()), move |_, _| unauthorized(challenge, "")).await;
        let client = account(&ca, &server, auth);
        assert!(matches!(problem(&client, &server).await, AuthProblem::NotOffered { .. }));
        assert_eq!(server.seen().requests.len(), 1);
    }
    let server = Server::start(Some(ca.server()), |_, _| unauthorized("Basic realm=\"dm\"", "")).await;
    assert_eq!(problem(&account(&ca, &server, Auth::None), &server).await, AuthProblem::NoCredentials);
}

#[tokio::test]
async fn a_large_401_costs_a_connection_and_no_memory() {
    let ca = Ca::new();
    let page = "x".repeat(1 << 20);
    let server = Server::start(Some(ca.server()), move |_, text| {
        if text.contains(BASIC) { ok("in") } else { unauthorized("Basic realm=\"dm\"", &page) }
    })
    .await;
    let client = account(&ca, &server, basic());
    assert_eq!(client.connection(Binding::Any).send(&post(&server)).await.unwrap().body, "in");
    assert_eq!(server.seen().on, [1, 2]);
}

/// A Digest server that checks what it gets, with a nonce that is good for `uses` requests.
async fn digest_server(ca: &Ca, uses: usize) -> (Server, Arc<AtomicUsize>) {
    let refused = Arc::new(AtomicUsize::new(0));
    let counter = refused.clone();
    let (mut nonce, mut used) = (1, 0);
    let server = Server::start(Some(ca.server()), move |_, text| {
        let field = |name: &str| {
            let line = text.lines().find(|line| line.starts_with("authorization: Digest "))?;
            let value = line.split(&format!(" {name}=")).nth(1)?.split(',').next()?;
            Some(value.trim_matches('"').to_owned())
        };
        let hash = |text: String| format!("{:x?}", sha2::Sha256::digest(text).as_slice());
        let hash = |text: String| {
            hash(text)
                .trim_matches(['[', ']'])
                .split(", ")
                .map(|byte| format!("{byte:0>2}"))
                .collect::<String>()
        };
        let expected = || {
            let a1 = hash("gw:dm:sesame".to_owned());
            let a2 = hash(format!("POST:{}", field("uri")?));
            let (nc, cnonce) = (field("nc")?, field("cnonce")?);
            (nc == format!("{:08x}", used + 1) && field("uri")? == "/dm?x=1").then_some(())?;
            Some(hash(format!("{a1}:n{nonce}:{nc}:{cnonce}:auth:{a2}")))
        };
        if used < uses && field("response").is_some() && field("response") == expected() {
            used += 1;
            return ok("in");
        }
        counter.fetch_add(1, Ordering::Relaxed);
        let stale = used == uses;
        if stale {
            (nonce, used) = (nonce + 1, 0);
        }
        let challenge = |algorithm: &str| {
            format!(
                "Digest realm=\"dm\", qop=\"auth\", algorithm={algorithm}, nonce=\"n{nonce}\", stale={stale}"
            )
        };
        unauthorized(&format!("{}, {}", challenge("MD5"), challenge("SHA-256")), "")
    })
    .await;
    (server, refused)
}

#[tokio::test]
async fn digest_counts_its_nonce_and_takes_a_new_one_when_stale() {
    let ca = Ca::new();
    let (server, refused) = digest_server(&ca, 3).await;
    let client = account(&ca, &server, digest());
    let mut connection = client.connection(Binding::Any);
    for _ in 0..7 {
        assert_eq!(connection.send(&post(&server)).await.unwrap().body, "in");
    }
    // At first, and after every third.
    assert_eq!(refused.load(Ordering::Relaxed), 3);
    assert_eq!(server.seen().connections, 1);
}
