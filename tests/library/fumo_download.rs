//! The download of FUMO from an HTTPS server that breaks off, redirects, and has another package meanwhile: what is put
//! together is always one package.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use omadm_agent::lab::{Authority, files};

use super::project;

/// What the server answers to one request.
struct Reply {
    /// Status and fields; a field on a line of its own.
    head: &'static str,
    /// What comes after, of a body that is said to be longer by a byte where `breaks`.
    body: &'static [u8],
    breaks: bool,
    /// The end of the head does not come, until the client is gone.
    hangs: bool,
}

fn reply(head: &'static str, body: &'static [u8]) -> Reply {
    Reply { head, body, breaks: false, hangs: false }
}

fn broken(head: &'static str, body: &'static [u8]) -> Reply {
    Reply { breaks: true, ..reply(head, body) }
}

/// An HTTPS server with these answers, and a gateway that fetches from it.
struct Gateway {
    folder: tempfile::TempDir,
    url: String,
    /// Path, range and condition of each request.
    requests: Arc<Mutex<Vec<String>>>,
    hangs: Receiver<()>,
}

impl Gateway {
    fn new(replies: Vec<Reply>) -> Self {
        let authority = Authority::new("Packages").unwrap();
        let identity = authority.server().unwrap();
        let config =
            rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(identity.chain(), identity.key())
                .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("https://{}/package", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (seen, (told, hangs)) = (Arc::clone(&requests), channel());
        std::thread::spawn(move || {
            let mut replies = replies.into_iter();
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = BufReader::new(rustls::StreamOwned::new(connection, stream));
                // A redirect is followed on the same connection.
                while answer(&mut stream, &mut replies, &seen, &told) {}
                let stream = stream.get_mut();
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: String, mode| files::put(&folder.path().join(name), text, mode).unwrap();
        put("ca.pem", authority.pem().to_owned(), files::PLAIN);
        let authority = format!("cacert = \"{}\"\n", folder.path().join("ca.pem").display());
        put("etc/omadm/fumo.curl", authority, files::PLAIN);
        put("etc/omadm/fumo.conf", "reserve=0\n".to_owned(), files::PLAIN);
        put("etc/omadm/fumo.d/any", "#!/bin/sh\nexit 0\n".to_owned(), files::PROGRAM);
        Self { folder, url, requests, hangs }
    }

    fn download(&self, resumed: &str) -> Child {
        let mut program = Command::new("sh");
        program.args(["-c", "exec \"$0\" download -- \"$1\" 3>&1"]).arg(project("packaging/exec/fumo"));
        program.arg(&self.url).env("OMADM_SYSROOT", self.folder.path()).env("OMADM_RESUMED", resumed);
        program.stdout(Stdio::null()).process_group(0).spawn().unwrap()
    }

    /// Fetches the package, and returns it.
    fn fetched(&self) -> Vec<u8> {
        let ended = self.download("").wait().unwrap();
        assert_eq!(ended.code(), Some(0), "{:?}", self.requests());
        std::fs::read(self.package()).unwrap()
    }

    fn package(&self) -> PathBuf {
        self.folder.path().join("var/lib/omadm-fumo/package")
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Answers one request; returns whether another may come on the connection.
fn answer(
    stream: &mut BufReader<rustls::StreamOwned<rustls::ServerConnection, TcpStream>>,
    replies: &mut impl Iterator<Item = Reply>,
    seen: &Mutex<Vec<String>>,
    told: &Sender<()>,
) -> bool {
    let head: Vec<String> = std::io::Read::by_ref(stream)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let Some(path) = head.first().and_then(|line| line.split(' ').nth(1)) else { return false };
    let field = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).unwrap_or("-");
    seen.lock().unwrap().push(format!("{path} {} {}", field("Range: "), field("If-Range: ")));
    let reply = replies.next().unwrap_or_else(|| self::reply("500 Enough", b""));
    let fields = reply.head.replace('\n', "\r\n");
    let length = reply.body.len() + usize::from(reply.breaks);
    let stream = stream.get_mut();
    let _ = write!(stream, "HTTP/1.1 {fields}\r\nContent-Length: {length}\r\n");
    let _ = stream.flush();
    if reply.hangs {
        told.send(()).unwrap();
        let _ = stream.sock.set_read_timeout(Some(Duration::from_secs(60)));
        return std::io::Read::read(stream, &mut [0]).is_ok_and(|count| count > 0);
    }
    let _ = stream.write_all(b"\r\n").and_then(|()| stream.write_all(reply.body));
    let _ = stream.flush();
    !reply.breaks
}

#[test]
fn the_etag_of_a_redirect_is_not_the_packages() {
    let moved = || reply("302 Found\nLocation: /mirror\nETag: \"moved\"", b"");
    let gateway =
        Gateway::new(vec![moved(), broken("200 OK", b"one "), moved(), reply("200 OK", b"two two")]);
    assert_eq!(gateway.fetched(), b"two two", "{:?}", gateway.requests());
    assert_eq!(gateway.requests(), ["/package - -", "/mirror - -", "/package - -", "/mirror - -"]);
}

#[test]
fn what_has_no_etag_begins_anew_and_so_does_what_is_only_much_alike() {
    for etag in ["200 OK", "200 OK\nETag: W/\"1\""] {
        let gateway = Gateway::new(vec![broken(etag, b"one "), reply(etag, b"two two")]);
        assert_eq!(gateway.fetched(), b"two two");
        assert_eq!(gateway.requests(), ["/package - -"; 2]);
    }
}

#[test]
fn a_server_that_sends_the_rest_of_another_package_is_asked_for_all_of_it() {
    let rest = reply("206 Partial Content\netag:\"2\"\nContent-Range: bytes 4-6/7", b"two");
    let gateway = Gateway::new(vec![
        broken("200 OK\nETag: \"1\"", b"one "),
        rest,
        reply("200 OK\nETag: \"2\"", b"two two"),
    ]);
    assert_eq!(gateway.fetched(), b"two two");
    assert_eq!(gateway.requests(), ["/package - -", "/package bytes=4- \"1\"", "/package - -"]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "nobody else is on this thread")]
fn a_power_cut_while_the_server_tells_of_another_package_mixes_nothing() {
    let another = Reply { hangs: true, ..reply("200 OK\nETag: \"2\"", b"two two") };
    let gateway = Gateway::new(vec![
        broken("200 OK\nETag: \"1\"", b"one "),
        another,
        // It is there again: what is on disk is the beginning of that, and of no other.
        reply("206 Partial Content\nETag: \"1\"\nContent-Range: bytes 4-6/7", b"one"),
    ]);
    let mut cut = gateway.download("");
    gateway.hangs.recv_timeout(Duration::from_secs(60)).unwrap();
    // curl writes down what it has read of the head.
    let headers = || std::fs::read_to_string(gateway.package().with_file_name("headers.rest"));
    let old = || std::fs::read_to_string(gateway.package().with_file_name("headers"));
    while ![headers(), old()].into_iter().flatten().any(|text| text.contains("\"2\"")) {
        std::thread::sleep(Duration::from_millis(20));
    }
    killpg(Pid::from_raw(cut.id().try_into().unwrap()), Signal::SIGKILL).unwrap();
    cut.wait().unwrap();
    assert_eq!(gateway.download("1").wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read(gateway.package()).unwrap(), b"one one", "{:?}", gateway.requests());
    assert_eq!(gateway.requests()[2], "/package bytes=4- \"1\"");
}
