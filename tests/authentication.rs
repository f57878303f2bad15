//! How the agent shows a server who it is, and to which server it doesn't.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use omadm_agent::lab::challenge::Algorithm;
use omadm_agent::lab::gateway::{Account, Auth};
use omadm_agent::lab::{Authority, Challenge, Options, Reply, Script, Server, files};
use serde_json::json;

use crate::support::{BENCH, Bench, LIMIT, Setup};

const USER: &str = "gw";
const PASSWORD: &str = "correct horse";

fn setup(
    auth: impl FnOnce(&Authority) -> Auth + 'static,
    server: impl FnOnce(Options, &Authority) -> Options + 'static,
) -> Setup {
    Setup {
        config: "[session]\nretries = 1\n".to_owned(),
        account: Box::new(|account: &mut Account, authority| account.auth = auth(authority)),
        server: Box::new(server),
    }
}

fn basic(password: &'static str) -> Setup {
    let challenge = || Challenge::Basic { user: USER.to_owned(), password: PASSWORD.to_owned() };
    setup(
        move |_| Auth::Basic(USER.to_owned(), password.to_owned()),
        move |options, _| options.challenging(challenge()),
    )
}

fn digest(algorithms: Vec<Algorithm>, uses: u64) -> Setup {
    let challenge =
        Challenge::Digest { user: USER.to_owned(), password: PASSWORD.to_owned(), algorithms, uses };
    setup(
        |_| Auth::Digest(USER.to_owned(), PASSWORD.to_owned()),
        move |options, _| options.challenging(challenge),
    )
}

fn read() -> serde_json::Value {
    json!([[["GET", format!("{BENCH}//Fixed")]], [["GET", format!("{BENCH}//Fixed")]]])
}

#[tokio::test]
async fn basic_is_shown_when_asked_for_and_from_then_on_by_itself() {
    let bench = Bench::with(basic(PASSWORD)).await;
    bench.play(read());
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    bench.session(&agent, 2).await;
    let requests = bench.tape.requests("dm");
    let shown =
        |from: usize| requests[from..].iter().all(|r| r.header("authorization").starts_with("Basic "));
    assert!(shown(1), "at most the very first request goes without");
    assert_eq!(requests.iter().filter(|request| request.connection == 1).count(), requests.len() - 1);
    assert!(!agent.log().contains(PASSWORD));
    agent.stop().await;
}

/// As the name of an account's user the device may give its own.
#[tokio::test]
async fn the_user_may_be_the_device() {
    let setup = setup(|_| Auth::Basic("gw-[DevID]".to_owned(), PASSWORD.to_owned()), |options, _| options);
    let bench = Bench::with(setup).await;
    bench.answer([Reply::status(401).header("www-authenticate", "Basic realm=\"dm\"")]);
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let requests = bench.tape.requests("dm");
    let user = format!("gw-{}", requests[0].header("omadm-devid"));
    let shown = STANDARD.encode(format!("{user}:{PASSWORD}"));
    assert_eq!(requests[1].header("authorization"), format!("Basic {shown}"));
    agent.stop().await;
}

#[tokio::test]
async fn a_wrong_password_fails_once_and_is_not_tried_again_and_again() {
    let bench = Bench::with(basic("wrong")).await;
    let mut agent = bench.start().await;
    bench.notify().await;
    let line = agent.logged("that the session failed", |line| line.contains("failed")).await;
    assert!(line.contains("authentication"), "{line}");
    assert!(bench.tape.requests("dm").len() <= 2);
    agent.stop().await;
}

#[tokio::test]
async fn digest_works_with_either_hash_and_survives_a_stale_nonce() {
    for (algorithms, name) in [
        (vec![Algorithm::Sha256, Algorithm::Md5], "SHA-256"),
        (vec![Algorithm::Md5], "MD5"),
        (vec![Algorithm::Sha256], "SHA-256"),
    ] {
        let bench = Bench::with(digest(algorithms, 2)).await;
        bench.play(read());
        let agent = bench.start().await;
        bench.session(&agent, 1).await;
        assert_eq!(bench.statuses().last().unwrap(), &[200]);
        let requests = bench.tape.requests("dm");
        let authorization = requests.last().unwrap().header("authorization");
        assert!(authorization.contains(&format!("algorithm={name}")), "{authorization}");
        agent.stop().await;
    }
}

#[tokio::test]
async fn digest_never_falls_back_to_basic() {
    let challenge = Challenge::Basic { user: USER.to_owned(), password: PASSWORD.to_owned() };
    let setup = setup(
        |_| Auth::Digest(USER.to_owned(), PASSWORD.to_owned()),
        move |options, _| options.challenging(challenge),
    );
    let bench = Bench::with(setup).await;
    let mut agent = bench.start().await;
    bench.notify().await;
    agent.logged("that the session failed", |line| line.contains("failed")).await;
    assert!(bench.tape.requests("dm").iter().all(|request| request.header("authorization").is_empty()));
    agent.stop().await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_sessions_are_resumed() {
    let setup = setup(
        |authority| Auth::Certificate(Box::new(authority.client("gw-1").unwrap())),
        Options::demanding_clients_of,
    );
    let bench = Bench::with(setup).await;
    bench.play(read());
    bench.play(read());
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    bench.session(&agent, 2).await;
    let tls: Vec<_> = bench.tape.requests("dm").iter().map(|request| request.tls.unwrap()).collect();
    assert!(tls.iter().all(|tls| tls.client_certificate && tls.version == "TLSv1.3"));
    assert!(!tls[0].resumed);
    assert!(tls.last().unwrap().resumed, "the second session costs no full handshake");
    agent.stop().await;
}

#[tokio::test]
async fn tls_1_2_is_enough() {
    let setup =
        Setup { server: Box::new(|options, _| Options { tls12: true, ..options }), ..Setup::default() };
    let bench = Bench::with(setup).await;
    bench.play(read());
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.tape.requests("dm")[0].tls.unwrap().version, "TLSv1.2");
    agent.stop().await;
}

/// CONT moves the session, and only within the account's origins do its credentials go along.
#[tokio::test]
async fn cont_within_the_accounts_origins_takes_the_credentials_along() {
    let bench = Bench::with(basic(PASSWORD)).await;
    let script = Script::session([]);
    let options = Options::new("elsewhere", bench.authority.server().unwrap(), &bench.tape);
    let challenge = Challenge::Basic { user: USER.to_owned(), password: PASSWORD.to_owned() };
    let elsewhere = Server::start(options.challenging(challenge), script.handler()).await.unwrap();
    bench.list_origin(&elsewhere.origin());
    let there = format!("{}/next?id=[DevID]", elsewhere.origin());
    bench.play(json!([[["CONT", "https://127.0.0.1:9/not-the-last"], ["CONT", there]]]));
    let agent = bench.start().await;
    bench.notify().await;
    let moved = bench.tape.until(LIMIT, |tape| tape.requests("elsewhere").len() == 2).await;
    assert!(moved, "{}", agent.log());
    let request = &bench.tape.requests("elsewhere")[1];
    assert_eq!(request.path, "/next");
    assert!(request.header("authorization").starts_with("Basic "));
    assert_eq!(request.package().unwrap().statuses(), [403, 200], "an unlisted loopback address is refused");
    bench.session(&agent, 1).await;
    let last = bench.tape.exchanges().pop().unwrap();
    assert_eq!(last.request.server, "dm", "the next session starts at the account's own URI");
    agent.stop().await;
}

#[tokio::test]
async fn cont_goes_where_continue_origins_let_it_and_nowhere_else() {
    let bench = Bench::with(basic(PASSWORD)).await;
    let (own, other) = (bench.server.origin(), bench.repository_server.origin());
    let config = format!("[session]\ncontinue-origins = [\"{own}\"]\n");
    bench.gateway.configure(bench.udp, &config).unwrap();
    bench.play(json!([[["CONT", format!("{own}/other")], ["CONT", format!("{other}/dm")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200, 403]]);
    assert_eq!(bench.tape.requests("dm").pop().unwrap().path, "/other");
    assert!(bench.tape.requests("repository").is_empty());
    agent.stop().await;
}

#[tokio::test]
async fn cont_elsewhere_is_refused_and_the_session_goes_on() {
    let setup = Setup {
        config: "[session]\ncontinue-origins = [\"https://dm.example\"]\n".to_owned(),
        ..basic(PASSWORD)
    };
    let bench = Bench::with(setup).await;
    let own = format!("{}/other", bench.server.origin());
    bench.play(json!([[["CONT", "http://dm.example/plain"], ["CONT", "https://a.example/"], ["CONT", own]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses().last().unwrap(), &[403, 403, 403]);
    assert!(bench.tape.requests("dm").iter().all(|request| request.path == "/dm"));
    agent.stop().await;
}

#[tokio::test]
async fn an_account_that_authenticates_to_nobody_is_remarked_upon() {
    let anonymous = Bench::with(setup(|_| Auth::None, |options, _| options)).await;
    let mut agent = anonymous.start().await;
    agent.logged("about the account", |line| line.contains("no auth")).await;
    // Other settings make all accounts anew.
    let config = anonymous.gateway.config();
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("[notification]\n", "[notification]\naccept-bare = true\n");
    files::put(&config, text, files::PLAIN).unwrap();
    agent.signal(Signal::SIGHUP);
    agent.logged("about the reload", |line| line.contains("configuration read again")).await;
    assert_eq!(agent.log().matches("no auth").count(), 1, "{}", agent.log());
    agent.stop().await;
    let bench = Bench::with(basic(PASSWORD)).await;
    bench.play(read());
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert!(!agent.log().contains("no auth"), "{}", agent.log());
    agent.stop().await;
}
