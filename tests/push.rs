//! The push bridge (TS Appendix D.2) against a real HTTPS server. Push clients speak to the agent by D-Bus.

use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use omadm_agent::lab::gateway::Auth;
use omadm_agent::lab::tape::Exchange;
use omadm_agent::lab::{Options, Reply, Request, Server, Tape, files};
use serde_json::json;

use crate::support::local::{Agent, PUSH, Refused};
use crate::support::{Bench, LIMIT, SERVER_ID, Setup};

async fn register(agent: &Agent, server_id: &str, id: &str, register: bool) -> Result<(), Refused> {
    let method = if register { "Register" } else { "Unregister" };
    agent.call(PUSH, method, &[server_id, id]).await.map(drop)
}

async fn deliver(agent: &Agent, payload: &str) -> Result<(), Refused> {
    agent.call(PUSH, "Deliver", &[payload]).await.map(drop)
}

/// The DM Server's desk for registrations, and the bench that its account is on.
struct Desk {
    bench: Bench,
    server: Server,
    /// What it answers.
    status: Arc<AtomicU16>,
}

impl Desk {
    async fn new(params: &str) -> Self {
        let bench = Bench::with(Setup {
            account: Box::new(|account, _| account.auth = Auth::Basic("gw".into(), "pass word".into())),
            ..Setup::default()
        })
        .await;
        let status = Arc::new(AtomicU16::new(200));
        let answer = Arc::clone(&status);
        let options = Options::new("desk", bench.authority.server().unwrap(), &bench.tape);
        let reply = move |request: &Request| match request.header("authorization") {
            "" => Reply::status(401).header("www-authenticate", "Basic realm=\"push\""),
            // Whoever comes too early may come back tomorrow.
            _ => match answer.load(SeqCst) {
                408 => Reply::status(408).header("retry-after", "1"),
                status => Reply::status(status).header("retry-after", "86400"),
            },
        };
        let desk = Self { server: Server::start(options, reply).await.unwrap(), bench, status };
        desk.at("register", params);
        desk
    }

    /// What the account says of push.
    fn at(&self, path: &str, params: &str) {
        let origin = self.server.origin();
        let file = self.bench.gateway.path("accounts").join(format!("{SERVER_ID}.toml"));
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("[push]").next().unwrap();
        let push = format!(
            "[push]\nsender-id = \"42\"\nregister-uri = \"{origin}/{path}\"\n\
             unregister-uri = \"{origin}/gone\"\nparams = \"{params}\"\n"
        );
        files::put(&file, format!("{text}{push}"), files::PLAIN).unwrap();
    }

    /// What it was told and took: path and body.
    fn told(tape: &Tape) -> Vec<(String, String)> {
        let taken = |exchange: &Exchange| exchange.request.server == "desk" && exchange.reply.status == 200;
        let all = tape.exchanges().into_iter().filter(taken);
        all.map(|exchange| {
            let body = String::from_utf8(exchange.request.body.to_vec()).unwrap();
            (exchange.request.path.clone(), body)
        })
        .collect()
    }

    async fn until_told(&self, expected: &[(&str, &str)]) {
        let reached = self.bench.tape.until(LIMIT, |tape| Self::told(tape).len() >= expected.len()).await;
        let seen = Self::told(&self.bench.tape);
        assert!(reached, "{seen:?}");
        let seen: Vec<_> = seen.iter().map(|(path, body)| (path.as_str(), body.as_str())).collect();
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn the_server_is_told_of_the_registration_with_the_accounts_credentials() {
    let desk = Desk::new("k=v&l=w").await;
    let agent = Agent::start(&desk.bench).await;
    register(&agent, SERVER_ID, "APA91b:x+y", true).await.unwrap();
    let registered = ("/register", "RegId=APA91b%3Ax%2By&k=v&l=w");
    desk.until_told(&[registered]).await;
    let request = desk.bench.tape.requests("desk").pop().unwrap();
    assert_eq!(request.method, "POST");
    assert_eq!(request.header("content-type"), "application/x-www-form-urlencoded;charset=UTF-8");
    assert_eq!(request.header("authorization"), format!("Basic {}", STANDARD.encode("gw:pass word")));

    register(&agent, SERVER_ID, "APA91b:x+y", false).await.unwrap();
    desk.until_told(&[registered, ("/gone", registered.1)]).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_registration_outlives_the_agent_and_is_made_once() {
    let desk = Desk::new("").await;
    desk.status.store(503, SeqCst);
    let agent = Agent::start(&desk.bench).await;
    register(&agent, SERVER_ID, "1", true).await.unwrap();
    assert!(desk.bench.tape.until(LIMIT, |tape| !tape.requests("desk").is_empty()).await);
    agent.stop().await;

    desk.status.store(200, SeqCst);
    let agent = Agent::start(&desk.bench).await;
    desk.until_told(&[("/register", "RegId=1")]).await;
    // Clients say it at every start.
    register(&agent, SERVER_ID, "1", true).await.unwrap();
    register(&agent, SERVER_ID, "2", true).await.unwrap();
    desk.until_told(&[("/register", "RegId=1"), ("/register", "RegId=2")]).await;
    agent.stop().await;

    // Another address must be told as well.
    desk.at("other", "");
    let agent = Agent::start(&desk.bench).await;
    desk.until_told(&[("/register", "RegId=1"), ("/register", "RegId=2"), ("/other", "RegId=2")]).await;
    agent.stop().await;
}

/// A server that waited too long for the request (408) may have it again, as one that is busy.
#[tokio::test]
async fn a_server_that_waited_too_long_is_told_again_and_not_a_day_later() {
    let desk = Desk::new("").await;
    desk.status.store(408, SeqCst);
    let agent = Agent::start(&desk.bench).await;
    register(&agent, SERVER_ID, "1", true).await.unwrap();
    let late = |tape: &Tape| tape.exchanges().iter().any(|exchange| exchange.reply.status == 408);
    assert!(desk.bench.tape.until(LIMIT, late).await);
    desk.status.store(200, SeqCst);
    let told = |tape: &Tape| Desk::told(tape).len() == 1;
    assert!(
        desk.bench.tape.until(Duration::from_secs(90), told).await,
        "half a minute, and as much again at most"
    );
    assert_eq!(Desk::told(&desk.bench.tape), [("/register".to_owned(), "RegId=1".to_owned())]);
    agent.stop().await;
}

#[tokio::test]
async fn an_address_that_was_wrong_is_put_right_without_waiting_a_day() {
    let desk = Desk::new("").await;
    desk.status.store(404, SeqCst);
    let agent = Agent::start(&desk.bench).await;
    register(&agent, SERVER_ID, "1", true).await.unwrap();
    let refused = |tape: &Tape| tape.exchanges().iter().any(|exchange| exchange.reply.status == 404);
    assert!(desk.bench.tape.until(LIMIT, refused).await);
    desk.status.store(200, SeqCst);
    desk.at("right", "");
    desk.until_told(&[("/right", "RegId=1")]).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_push_message_is_a_notification() {
    let bench = Bench::new().await;
    bench.play(json!([]));
    let agent = Agent::start(&bench).await;
    let package = bench.notification().package().unwrap();
    let message = STANDARD.encode(&package);
    deliver(&agent, &message).await.unwrap();
    let ends = |exchanges: &[Exchange]| exchanges.iter().any(|exchange| exchange.reply.ends_session());
    assert!(bench.tape.until(LIMIT, |tape| ends(&tape.exchanges())).await);

    let dropped = |why: &str| {
        let why = format!("the notification was dropped: {why}");
        Err(Refused { name: "NotificationDropped".to_owned(), why })
    };
    assert_eq!(deliver(&agent, &message).await, dropped("duplicate"));
    let mut forged = bench.notification().package().unwrap();
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    assert_eq!(deliver(&agent, &STANDARD.encode(forged)).await, dropped("wrong-digest"));
    assert_eq!(deliver(&agent, "?").await.unwrap_err().name, "InvalidArgument");
    agent.stop().await;
}

#[tokio::test]
async fn what_no_account_wants_is_refused() {
    let bench = Bench::new().await;
    let agent = Agent::start(&bench).await;
    for (server_id, id, expected) in
        [("nobody", "1", "UnknownServer"), (SERVER_ID, "1", "NoPush"), (SERVER_ID, "", "InvalidArgument")]
    {
        let refused = register(&agent, server_id, id, true).await.unwrap_err();
        assert_eq!(refused.name, expected, "{refused}");
    }
    agent.stop().await;
}
