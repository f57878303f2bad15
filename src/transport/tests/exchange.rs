//! Connections kept and lost, bodies, limits.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::body::Bytes;

use super::failure;
use super::server::*;
use crate::transport::{Binding, Client, Failure, Proxies, Refused, Remedy, Request, TransportError};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn encoded(encoding: &str, body: &[u8]) -> Vec<Act> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n", body.len());
    vec![Act::Say([head.as_bytes(), body].concat())]
}

/// What one answer is to the client.
async fn outcome(answer: Vec<Act>, change: impl FnOnce(&mut Request)) -> Result<Bytes, Failure> {
    let ca = Ca::new();
    let server = Server::answering(Some(ca.server()), vec![answer]).await;
    let mut request = server.get("/");
    change(&mut request);
    connection(&ca, &server).send(&request).await.map(|response| response.body).map_err(failure)
}

#[tokio::test]
async fn requests_share_a_connection_and_say_who_asks() {
    let ca = Ca::new();
    let server = Server::start(Some(ca.server()), |index, _| ok(&index.to_string())).await;
    let mut connection = connection(&ca, &server);
    assert_eq!(connection.local_address(), None);
    for index in 0..3 {
        let mut request = server.get("/dm?id=1");
        request.method = Method::POST;
        request.body = Bytes::from_static(b"package");
        assert_eq!(connection.send(&request).await.unwrap().body, index.to_string());
    }
    assert!(connection.local_address().unwrap().ip().is_loopback());
    let seen = server.seen();
    assert_eq!(seen.connections, 1);
    assert!(seen.requests[2].starts_with("POST /dm?id=1 HTTP/1.1\r\n"), "{}", seen.requests[2]);
    assert!(seen.requests[2].ends_with("\r\n\r\npackage"));
    assert_eq!(seen.header(2, "host").unwrap(), format!("localhost:{}", server.port));
    assert_eq!(seen.header(2, "user-agent").unwrap(), format!("omadm-agent/{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(seen.header(2, "content-length"), Some("7"));
    assert_eq!(seen.header(2, "accept-encoding"), Some("gzip"));
    assert_eq!(seen.header(2, "expect"), None);
    assert_eq!(seen.header(2, "authorization"), None);
}

#[tokio::test]
async fn another_origin_gets_another_connection_and_the_first_is_kept() {
    let ca = Ca::new();
    let first = Server::start(Some(ca.server()), |_, _| ok("first")).await;
    let second = Server::start(Some(ca.server()), |_, _| ok("second")).await;
    let client = Client::new(settings(&ca, &[first.port, second.port])).unwrap();
    let mut connection = client.connection(Binding::Any);
    for _ in 0..2 {
        assert_eq!(connection.send(&first.get("/")).await.unwrap().body, "first");
        assert_eq!(connection.send(&second.get("/")).await.unwrap().body, "second");
    }
    assert_eq!((first.seen().connections, second.seen().connections), (1, 1));
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced_unnoticed() {
    let ca = Ca::new();
    let server = Server::start(Some(ca.server()), |_, _| [ok("x"), vec![Act::Close]].concat()).await;
    let mut connection = connection(&ca, &server);
    for _ in 0..20 {
        connection.send(&server.get("/")).await.unwrap();
    }
    let seen = server.seen();
    assert_eq!((seen.connections, seen.requests.len()), (20, 20));
}

/// The server's goodbye is in the socket, but the runtime hasn't looked at it yet when the next request comes.
#[tokio::test]
async fn a_goodbye_that_nobody_has_read_yet_is_seen_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    let (hang_up, told) = std::sync::mpsc::channel::<()>();
    let (hung_up, done) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx").unwrap();
            told.recv().unwrap();
            drop(stream);
            hung_up.send(()).unwrap();
        }
    });
    let mut settings = settings(&Ca::new(), &[]);
    settings.own_origins = vec![uri.parse().unwrap()];
    settings.allow_http = true;
    let mut connection = Client::new(settings).unwrap().connection(Binding::Any);
    let request = Request::new(Method::GET, uri.parse().unwrap());
    for _ in 0..2 {
        assert_eq!(connection.send(&request).await.unwrap().body, "x");
        hang_up.send(()).unwrap();
        done.recv().unwrap();
    }
    server.join().unwrap();
}

fn by(method: Method, server: &Server, path: &str) -> Request {
    Request { body: Bytes::from_static(b"body"), ..Request::new(method, server.uri(path)) }
}

#[tokio::test]
async fn a_request_that_was_written_is_never_repeated() {
    let ca = Ca::new();
    let server = Server::answering(Some(ca.server()), vec![ok("x"), vec![Act::Close], ok("y")]).await;
    let mut connection = connection(&ca, &server);
    connection.send(&server.get("/1")).await.unwrap();
    let error = connection.send(&by(Method::POST, &server, "/2?token=secret")).await.unwrap_err();
    assert!(error.remedy() == Remedy::Retry && !error.to_string().contains("secret"), "{error}");
    assert!(matches!(failure(error), Failure::Lost(_)));
    assert_eq!(server.seen().requests.len(), 2);
    assert_eq!(connection.send(&server.get("/3")).await.unwrap().body, "y");
}

/// RFC 9112 9.3.1: the server's idle timeout and the request cross each other.
#[tokio::test]
async fn a_kept_connection_that_closes_under_a_repeatable_request_is_replaced_once() {
    let ca = Ca::new();
    let package = |server: &Server| Request { repeatable: true, ..by(Method::POST, server, "/") };
    let kinds: [&dyn Fn(&Server) -> Request; 3] =
        [&|server| server.get("/"), &|server| by(Method::PUT, server, "/"), &package];
    for closing in [vec![Act::Close], vec![Act::Cut]] {
        for make in kinds {
            let answers = vec![ok("x"), closing.clone(), ok("y")];
            let server = Server::answering(Some(ca.server()), answers).await;
            let mut connection = connection(&ca, &server);
            for body in ["x", "y"] {
                assert_eq!(connection.send(&make(&server)).await.unwrap().body, body);
            }
            let seen = server.seen();
            assert_eq!(seen.on, [1, 1, 2]);
            assert_eq!(seen.requests[1], seen.requests[2], "the same, body and all");
        }
    }
    // A new connection that closes has another reason, and so has one that had begun to answer.
    let begun = [say("HTTP/1.1 2"), vec![Act::Cut]].concat();
    for (answers, expected) in [
        (vec![vec![Act::Close]], 1),
        (vec![ok("x"), vec![Act::Close], vec![Act::Close]], 3),
        (vec![ok("x"), begun], 2),
    ] {
        let server = Server::answering(Some(ca.server()), answers).await;
        let mut connection = connection(&ca, &server);
        let error = loop {
            if let Err(error) = connection.send(&server.get("/")).await {
                break error;
            }
        };
        assert!(matches!(failure(error), Failure::Lost(_)));
        assert_eq!(server.seen().requests.len(), expected);
    }
}

/// What a server does whose mind is made up when it has read the header.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// Reads nothing more, and waits.
    Waits,
    /// Closes its side, and waits.
    HalfCloses,
    /// Closes: what was on its way is answered by a reset.
    Closes,
}

/// A server that gives each connection the next of these answers before it reads the body; later ones are read whole
/// and get a 200.
fn hasty(answers: Vec<(&'static str, Then)>) -> (hyper::Uri, std::thread::JoinHandle<Vec<String>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://localhost:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
    let serving = std::thread::spawn(move || {
        let (mut heads, mut open) = (Vec::new(), Vec::new());
        let mut answers = answers.into_iter();
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            heads.push(String::from_utf8(head).unwrap());
            let Some((answer, then)) = answers.next() else {
                let mut left = BODY;
                while left > 0 {
                    left -= stream.read(&mut [0; 1 << 16]).unwrap();
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin").unwrap();
                return heads;
            };
            stream.write_all(answer.as_bytes()).unwrap();
            match then {
                Then::Waits => open.push(stream),
                Then::HalfCloses => {
                    stream.shutdown(std::net::Shutdown::Write).unwrap();
                    open.push(stream);
                }
                Then::Closes => drop(stream),
            }
        }
    });
    (uri, serving)
}

/// More than any socket's buffer.
const BODY: usize = 16 << 20;

#[tokio::test]
async fn an_answer_counts_though_the_request_is_still_unread() {
    const FINAL: [&str; 3] = [
        "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge",
        "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 1000000000\r\n\r\n",
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"dm\", qop=\"auth\", nonce=\"1\"\r\n\r\n",
    ];
    for then in [Then::Waits, Then::HalfCloses, Then::Closes] {
        let (uri, serving) = hasty(FINAL.map(|answer| (answer, then)).to_vec());
        let mut settings = settings(&Ca::new(), &[]);
        settings.own_origins = vec![uri.to_string().parse().unwrap()];
        settings.allow_http = true;
        settings.auth = digest();
        let mut connection = Client::new(settings).unwrap().connection(Binding::Any);
        let body = Bytes::from(vec![b'x'; BODY]);
        let request = Request { body, ..Request::new(Method::POST, uri) };
        let started = Instant::now();
        for expected in [413, 503, 200] {
            let response = connection.send(&request).await.unwrap();
            assert_eq!(response.status, expected);
            assert_eq!(response.headers.contains_key("retry-after"), expected == 503);
            assert_eq!(response.body, if expected == 200 { "in" } else { "" });
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
        let heads = serving.join().unwrap();
        let authorized: Vec<_> = heads.iter().map(|head| head.contains("authorization: Digest")).collect();
        assert_eq!(authorized, [false, false, false, true]);
    }
}

#[tokio::test]
async fn a_refusal_is_one_whatever_its_body_is() {
    let head = |fields: &str| say(format!("HTTP/1.1 503 Busy\r\nRetry-After: 5\r\n{fields}\r\n"));
    let ca = Ca::new();
    let answers = vec![
        [head("Content-Length: 3\r\nContent-Encoding: br\r\n"), say("???")].concat(),
        [head("Content-Length: 3\r\nContent-Encoding: gzip\r\n"), say("???")].concat(),
        [head("Content-Length: 3\r\n"), vec![Act::Hang]].concat(),
        [head("Content-Length: 1000000000000\r\n"), vec![Act::Hang]].concat(),
        [head("Transfer-Encoding: chunked\r\n"), say("10\r\nshort"), vec![Act::Cut]].concat(),
        [head("Transfer-Encoding: chunked\r\n"), say("nonsense"), vec![Act::Hang]].concat(),
        ok("whole"),
    ];
    let server = Server::answering(Some(ca.server()), answers).await;
    let mut connection = connection(&ca, &server);
    let request = Request { max_body: 10, ..server.get("/") };
    for _ in 0..6 {
        let response = connection.send(&request).await.unwrap();
        assert_eq!((response.status, response.body.as_ref()), (503, &b""[..]));
        assert_eq!(response.headers["retry-after"], "5");
    }
    assert_eq!(connection.send(&request).await.unwrap().body, "whole");
    assert_eq!(server.seen().on, [1, 1, 1, 2, 3, 4, 5], "kept where the body was read to its end");
}

#[tokio::test]
async fn a_request_given_up_does_not_answer_the_next() {
    let ca = Ca::new();
    let late = [vec![Act::Drip(b"HTTP/1.1 ".to_vec(), Duration::from_millis(20))], ok("late")].concat();
    let server = Server::answering(Some(ca.server()), vec![late, ok("mine")]).await;
    let mut connection = connection(&ca, &server);
    let request = server.get("/1");
    tokio::select! {
        _ = connection.send(&request) => panic!("too early"),
        () = async { while server.seen().requests.is_empty() { tokio::task::yield_now().await } } => {}
    }
    assert_eq!(connection.send(&server.get("/2")).await.unwrap().body, "mine");
    assert_eq!(server.seen().connections, 2);
}

#[tokio::test]
async fn a_body_that_ends_early_is_lost() {
    let cut = [say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"), vec![Act::Close]].concat();
    assert!(matches!(outcome(cut, |_| {}).await, Err(Failure::Lost(_))));
    let cut = [say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"), vec![Act::Close]];
    assert!(matches!(outcome(cut.concat(), |_| {}).await, Err(Failure::Lost(_))));
}

/// RFC 9112 9.8: without a length only TLS can say that a body is whole.
#[tokio::test]
async fn a_body_that_ends_with_the_connection_needs_a_goodbye() {
    let body = say("HTTP/1.0 200 OK\r\n\r\n12345");
    assert_eq!(outcome([body.clone(), vec![Act::Close]].concat(), |_| {}).await.unwrap(), "12345");
    assert!(matches!(outcome([body, vec![Act::Cut]].concat(), |_| {}).await, Err(Failure::Lost(_))));
    assert_eq!(outcome([ok("12345"), vec![Act::Cut]].concat(), |_| {}).await.unwrap(), "12345");
}

#[tokio::test]
async fn an_http_1_0_server_gets_a_connection_for_each_request_unless_it_keeps_it() {
    let ca = Ca::new();
    let once = [say("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"), vec![Act::Close]].concat();
    let kept = say("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx");
    let server = Server::answering(Some(ca.server()), vec![once.clone(), once, kept.clone(), kept]).await;
    let mut connection = connection(&ca, &server);
    for _ in 0..4 {
        assert_eq!(connection.send(&server.get("/")).await.unwrap().body, "x");
    }
    assert_eq!(server.seen().on, [1, 2, 3, 3]);
}

#[tokio::test]
async fn a_body_has_a_bound_announced_or_not() {
    let announced = say("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n");
    assert!(matches!(outcome(announced, |r| r.max_body = 1000).await, Err(Failure::TooLarge(1000))));
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let endless = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(100));
    let endless = [say(endless), vec![Act::Hang]].concat();
    assert!(matches!(outcome(endless, |r| r.max_body = 1024).await, Err(Failure::TooLarge(1024))));
    assert_eq!(outcome(ok("1234"), |r| r.max_body = 4).await.unwrap(), "1234");
}

#[tokio::test]
async fn gzip_is_decoded_and_bounded_by_what_comes_out() {
    let ca = Ca::new();
    let answers = vec![encoded("gzip", &gzip(b"hello")), encoded("gzip", &gzip(&vec![0; 8 << 20]))];
    let server = Server::answering(Some(ca.server()), answers).await;
    let mut connection = connection(&ca, &server);
    let response = connection.send(&server.get("/")).await.unwrap();
    assert_eq!(response.body, "hello");
    assert!(!response.headers.contains_key("content-encoding"));
    assert!(!response.headers.contains_key("content-length"));
    let error = connection.send(&server.get("/")).await.unwrap_err();
    assert!(error.remedy() != Remedy::Retry);
    assert!(matches!(failure(error), Failure::TooLarge(_)));
    assert!(matches!(outcome(encoded("br", b"?"), |_| {}).await, Err(Failure::Encoding(_))));
    // Nobody asked for it, and without gzip's checksum half of it looks like all.
    assert!(matches!(outcome(encoded("deflate", b"?"), |_| {}).await, Err(Failure::Encoding(_))));
}

#[tokio::test]
async fn a_trickle_ends_at_the_deadline_and_silence_before_it() {
    let body = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    let trickle = vec![Act::Say(body(9999)), Act::Drip(vec![b'x'; 9999], Duration::from_millis(20))];
    let started = Instant::now();
    let result = outcome(trickle, |request| {
        request.timeout = Duration::from_millis(500);
        request.idle = Duration::from_millis(200);
        // More than a byte every 20 ms makes, in TLS records of its own.
        request.slowest = 1 << 20;
    });
    assert!(matches!(result.await, Err(Failure::Timeout(_))));
    assert!(started.elapsed() >= Duration::from_millis(500));

    for silence in [vec![Act::Say(body(9)), Act::Hang], vec![Act::Hang]] {
        let result = outcome(silence, |request| request.idle = Duration::from_millis(100)).await;
        assert!(matches!(result, Err(Failure::Stalled(_))), "{result:?}");
    }
    // Slow, but alive: no stall although it takes several times `idle`.
    let slow = vec![Act::Say(body(20)), Act::Drip(vec![b'x'; 20], Duration::from_millis(20))];
    assert_eq!(outcome(slow, |request| request.idle = Duration::from_millis(100)).await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_slow_link_that_moves_gets_more_than_the_timeout() {
    let body = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    let slow = vec![Act::Say(body(40)), Act::Drip(vec![b'x'; 40], Duration::from_millis(20))];
    let started = Instant::now();
    // The handshake alone moves enough for some seconds more.
    let answer = outcome(slow, |request| {
        request.timeout = Duration::from_millis(200);
        request.slowest = 100;
    });
    assert_eq!(answer.await.unwrap().len(), 40);
    assert!(started.elapsed() >= Duration::from_millis(800));
}

#[tokio::test]
async fn chunks_may_have_extensions_and_trailers() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
                   3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n";
    let ca = Ca::new();
    let server = Server::answering(Some(ca.server()), vec![say(chunked), ok("next")]).await;
    let mut connection = connection(&ca, &server);
    for body in ["abcde", "next"] {
        assert_eq!(connection.send(&server.get("/")).await.unwrap().body, body);
    }
    assert_eq!(server.seen().connections, 1, "the trailers were read to their end");
    let endless =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}", "X: x\r\n".repeat(100_000));
    assert!(outcome(say(endless), |_| {}).await.is_err());
}

#[tokio::test]
async fn interim_responses_are_waited_through_but_not_for_ever() {
    let interim = |count| "HTTP/1.1 100 Continue\r\n\r\n".repeat(count).into_bytes();
    let patient = [vec![Act::Say(interim(32))], ok("at last")].concat();
    assert_eq!(outcome(patient, |_| {}).await.unwrap(), "at last");
    let endless = vec![Act::Drip(interim(33), Duration::ZERO), Act::Hang];
    let flooded = outcome(endless, |_| {}).await;
    assert!(matches!(flooded, Err(Failure::Malformed(_))), "{flooded:?}");
}

/// A port that is connected to, and says nothing.
fn silent() -> (u16, std::net::TcpListener) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    (listener.local_addr().unwrap().port(), listener)
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_the_door_is_left_after_half_a_minute() {
    let (port, _listener) = silent();
    for (through, step) in [(None, "TLS"), (Some(port), "the proxy's tunnel")] {
        let mut settings = settings(&Ca::new(), &[]);
        settings.own_origins = vec![format!("https://127.0.0.1:{port}").parse().unwrap()];
        if let Some(port) = through {
            settings.proxies = Proxies::all_through(&format!("http://127.0.0.1:{port}"), "");
        }
        let uri = format!("https://127.0.0.1:{port}/");
        let patient = Duration::from_secs(300);
        let request =
            Request { idle: patient, timeout: patient, ..Request::new(Method::POST, uri.parse().unwrap()) };
        let started = tokio::time::Instant::now();
        let error = Client::new(settings).unwrap().connection(Binding::Any).send(&request).await.unwrap_err();
        assert!(error.remedy() == Remedy::Retry);
        assert!(matches!(failure(error), Failure::SetUp(found, _) if found == step));
        let waited = started.elapsed();
        assert!(Duration::from_secs(30) <= waited && waited < Duration::from_secs(31), "{waited:?}");
    }
}

#[tokio::test]
async fn a_peer_that_never_shakes_hands_is_left() {
    let ca = Ca::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = Client::new(settings(&ca, &[port])).unwrap();
    let mut request = Request::new(Method::GET, format!("https://localhost:{port}/").parse().unwrap());
    request.idle = Duration::from_millis(100);
    let error = client.connection(Binding::Any).send(&request).await.unwrap_err();
    assert!(error.remedy() == Remedy::Retry);
    assert!(matches!(failure(error), Failure::Stalled(_)));
    drop(listener);
    let error = client.connection(Binding::Any).send(&request).await.unwrap_err();
    assert!(error.remedy() == Remedy::Retry);
    assert!(matches!(failure(error), Failure::Connect(_)));
}

#[tokio::test]
async fn a_header_has_a_bound_and_must_be_http() {
    let large = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert!(matches!(outcome(say(large), |_| {}).await, Err(Failure::Malformed(_))));
    let many: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    let many = format!("HTTP/1.1 200 OK\r\n{many}\r\n");
    assert!(matches!(outcome(say(many), |_| {}).await, Err(Failure::Malformed(_))));
    let garbage = outcome(say("SSH-2.0-OpenSSH_9.2\r\n\r\n"), |_| {}).await;
    assert!(matches!(garbage, Err(Failure::Malformed(_))), "{garbage:?}");
}

#[tokio::test]
async fn other_statuses_are_responses_and_redirects_are_not_followed() {
    let ca = Ca::new();
    let answers = vec![
        say("HTTP/1.1 204 No Content\r\n\r\n"),
        say("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"),
        say("HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"),
        say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
    ];
    let server = Server::answering(Some(ca.server()), answers).await;
    let mut connection = connection(&ca, &server);
    for status in [204, 302, 503, 200] {
        assert_eq!(connection.send(&server.get("/")).await.unwrap().status, status);
    }
    assert_eq!(server.seen().connections, 1);
}

#[tokio::test]
async fn plain_http_only_where_it_is_allowed() {
    let server = Server::start(None, |_, _| ok("bench")).await;
    let uri = format!("http://localhost:{}/", server.port);
    let request = Request::new(Method::GET, uri.parse().unwrap());
    let mut settings = settings(&Ca::new(), &[]);
    settings.own_origins = vec![uri.parse().unwrap()];
    let refused = Client::new(settings.clone()).unwrap().connection(Binding::Any).send(&request).await;
    assert!(matches!(refused, Err(TransportError::Refused(Refused::PlainHttp(_)))));
    settings.allow_http = true;
    let mut connection = Client::new(settings).unwrap().connection(Binding::Any);
    assert_eq!(connection.send(&request).await.unwrap().body, "bench");
}

#[tokio::test]
async fn a_bearer_has_no_part_in_reaching_this_machine_itself() {
    let binding = || Binding::Interface("no-such-if".to_owned());
    let ca = Ca::new();
    let server = Server::start(Some(ca.server()), |_, _| ok("")).await;
    client(&ca, &server).connection(binding()).send(&server.get("/")).await.unwrap();
    let elsewhere = Request::new(Method::GET, "https://203.0.113.1/".parse().unwrap());
    let error = client(&ca, &server).connection(binding()).send(&elsewhere).await.unwrap_err();
    assert!(error.remedy() == Remedy::Retry && error.to_string().contains("no-such-if"), "{error}");
}
