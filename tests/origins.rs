//! What of an account goes where: its own origins at one address, everybody else at another, and neither of them
//! loopback, as on the Internet.

use omadm_agent::lab::gateway::{Account, Auth};
use omadm_agent::lab::{Authority, Challenge, Options, Reply, Request, Script, Server, files};
use serde_json::json;

use crate::support::{Agent, BENCH, Bench, LIMIT, Setup, network};

/// Where the account's servers are.
const OWN: &str = "192.0.2.1";
/// Where others are.
const FOREIGN: &str = "198.51.100.1";
const PASSWORD: &str = "correct horse";

fn name() -> String {
    format!("{BENCH}//Name")
}

fn challenge() -> Challenge {
    Challenge::Basic { user: "gw".to_owned(), password: PASSWORD.to_owned() }
}

async fn addresses() {
    for address in [OWN, FOREIGN] {
        network::run(&format!("ip addr replace {address}/32 dev lo")).await;
    }
}

/// A server's options: at `host`, with a certificate for it from `authority`.
fn at(host: &str, name: &'static str, authority: &Authority, tape: &omadm_agent::lab::Tape) -> Options {
    let listen = std::net::SocketAddr::new(host.parse().unwrap(), 0);
    Options { listen, ..Options::new(name, authority.server_for(host).unwrap(), tape) }
}

async fn start(options: Options, handler: impl FnMut(&Request) -> Reply + Send + 'static) -> Server {
    Server::start(options, handler).await.unwrap()
}

/// A bench whose DM server is at [`OWN`] and set up by `server`, with this account.
async fn bench(
    account: impl FnOnce(&mut Account, &Authority) + 'static,
    server: impl FnOnce(Options, &Authority) -> Options + 'static,
) -> Bench {
    addresses().await;
    Bench::with(Setup {
        config: "[session]\nretries = 1\n".to_owned(),
        account: Box::new(account),
        server: Box::new(move |options, authority| {
            server(at(OWN, options.name, authority, &options.tape), authority)
        }),
    })
    .await
}

/// `Authorization` of each request to `server`.
fn shown(bench: &Bench, server: &str) -> Vec<bool> {
    let requests = bench.tape.requests(server);
    requests.iter().map(|request| !request.header("authorization").is_empty()).collect()
}

/// Everybody asks for the password. Those who are not the account's are asked once, and not told.
#[tokio::test]
async fn a_password_is_shown_to_the_accounts_origins_only() {
    network::of_its_own("a_password_is_shown_to_the_accounts_origins_only", async {
        let strangers = Authority::new("strangers").unwrap();
        let trusted = strangers.pem().to_owned();
        let bench = bench(
            move |account, _| {
                account.auth = Auth::Basic("gw".to_owned(), PASSWORD.to_owned());
                account.repository_ca_pem = Some(trusted);
            },
            |options, _| options.challenging(challenge()),
        )
        .await;
        let tape = &bench.tape;
        let text = |_: &Request| Reply::ok("text/plain", "text");
        let shop = start(at(FOREIGN, "shop", &strangers, tape).challenging(challenge()), text).await;
        let open = start(at(FOREIGN, "open", &strangers, tape), text).await;
        let there = format!("{}/there", open.origin());
        let asking =
            start(at(FOREIGN, "asking", &bench.authority, tape).challenging(challenge()), text).await;
        let quiet = start(at(FOREIGN, "quiet", &bench.authority, tape), Script::session([]).handler()).await;
        let own = at(OWN, "own", &bench.authority, tape).challenging(challenge());
        let own = start(own, move |request| match request.path.as_str() {
            "/away" => Reply::status(307).header("location", &there),
            _ => Reply::ok("text/plain", "text"),
        })
        .await;
        bench.list_origin(&own.origin());

        let hget =
            |server: &Server, path: &str| json!(["HGET", format!("{}/{path}", server.origin()), name()]);
        bench.play(json!([[
            hget(&own, "here"),
            hget(&own, "away"),
            hget(&shop, "x"),
            hget(&open, "x"),
            ["HPUT", format!("{}/put", open.origin()), name()],
            ["HPUT", format!("{}/away", own.origin()), name()],
            ["CONT", format!("{}/dm", quiet.origin())],
        ]]));
        bench.play(json!([[["CONT", format!("{}/dm", asking.origin())]]]));
        let mut agent = bench.start().await;
        bench.notify().await;
        let moved = tape.until(LIMIT, |tape| tape.requests("quiet").len() == 1).await;
        assert!(moved, "{}", agent.log());
        let statuses = tape.requests("quiet")[0].package().unwrap().statuses();
        assert_eq!(statuses, [200, 200, 500, 200, 200, 200, 200], "{}", agent.log());
        assert_eq!(shown(&bench, "own"), [false, true, true, true], "asked for, and from then on by itself");
        let paths: Vec<String> = tape.requests("open").iter().map(Request::target).collect();
        assert_eq!(paths, ["/there", "/x", "/put", "/there"]);
        assert_eq!(shown(&bench, "open"), [false; 4], "a redirect takes nothing along");
        let named =
            |server| tape.requests(server).iter().filter(|r| !r.header("omadm-devid").is_empty()).count();
        assert_eq!((named("own"), named("open")), (1, 0), "who sends it is not told elsewhere either");
        assert_eq!(shown(&bench, "shop"), [false], "a data repository may ask");
        assert_eq!(shown(&bench, "quiet"), [false], "a DM server that CONT leads to");

        bench.notify().await;
        agent.logged("that the session failed", |line| line.contains("failed")).await;
        assert_eq!(shown(&bench, "asking"), [false], "a DM server may ask");
        assert!(shown(&bench, "dm").iter().filter(|shown| **shown).count() >= 2);
        agent.stop().await;
    })
    .await;
}

#[tokio::test]
async fn plain_http_is_403_unless_it_is_allowed() {
    network::of_its_own("plain_http_is_403_unless_it_is_allowed", async {
        for (allowed, expected) in [(false, [403, 403, 403, 500, 403]), (true, [200, 200, 200, 500, 200])] {
            let bench = bench(|_, _| {}, |options, _| options).await;
            let config = format!("[session]\nallow-http = {allowed}\n");
            bench.gateway.configure(bench.udp, &config).unwrap();
            let listen = std::net::SocketAddr::new(FOREIGN.parse().unwrap(), 0);
            let options = Options { listen, ..Options::plain("plain", &bench.tape) };
            let own = at(OWN, "up", &bench.authority, &bench.tape);
            let own = start(own, |_| Reply::ok("text/plain", "from above")).await;
            bench.list_origin(&own.origin());
            let above = format!("{}/x", own.origin());
            let plain = start(options, move |request| match request.path.as_str() {
                "/up" => Reply::status(302).header("location", &above),
                _ => Reply::ok("text/plain", "text"),
            })
            .await;
            let there = format!("{}/x", plain.origin());
            let location = there.clone();
            let away = at(OWN, "own", &bench.authority, &bench.tape);
            let away = start(away, move |_| Reply::status(302).header("location", &location)).await;
            bench.list_origin(&away.origin());
            bench.play(json!([[
                ["HGET", there, name()],
                ["HPUT", there, format!("{BENCH}//Fixed")],
                ["HPOST", there, format!("{BENCH}//Fixed")],
                ["HGET", format!("{}/away", away.origin()), name()],
                ["HGET", format!("{}/up", plain.origin()), name()],
            ]]));
            let agent = bench.start().await;
            bench.session(&agent, 1).await;
            assert_eq!(bench.statuses(), [expected], "no redirect leads from https to http: {}", agent.log());
            assert_eq!(bench.tape.requests("plain").len(), if allowed { 4 } else { 0 });
            assert_eq!(bench.tape.requests("up").len(), usize::from(allowed), "from http to https it does");
            agent.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_the_accounts_origins_only() {
    network::of_its_own("a_client_certificate_is_shown_to_the_accounts_origins_only", async {
        let bench = bench(
            |account, authority| {
                account.auth = Auth::Certificate(Box::new(authority.client("gw").unwrap()));
                account.repository_ca_pem = Some(authority.pem().to_owned());
            },
            Options::demanding_clients_of,
        )
        .await;
        // They would take one, and say whether there was one.
        let taking = |host, name| Options {
            clients_optional: true,
            ..at(host, name, &bench.authority, &bench.tape).demanding_clients_of(&bench.authority)
        };
        let text = |_: &Request| Reply::ok("text/plain", "text");
        let own = start(taking(OWN, "own"), text).await;
        let shop = start(taking(FOREIGN, "shop"), text).await;
        let other = start(taking(FOREIGN, "other"), Script::session([]).handler()).await;
        bench.list_origin(&own.origin());
        let hget = |server: &Server| json!(["HGET", format!("{}/x", server.origin()), name()]);
        bench.play(json!([[hget(&own), hget(&shop), ["CONT", format!("{}/dm", other.origin())]]]));
        let agent = bench.start().await;
        bench.notify().await;
        let moved = bench.tape.until(LIMIT, |tape| tape.requests("other").len() == 1).await;
        assert!(moved, "{}", agent.log());
        assert_eq!(bench.tape.requests("other")[0].package().unwrap().statuses(), [200, 200, 200]);
        let shown = ["dm", "own", "shop", "other"]
            .map(|server| bench.tape.requests(server)[0].tls.unwrap().client_certificate);
        assert_eq!(shown, [true, true, false, false]);
        agent.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_repository_elsewhere_needs_the_trust_that_the_account_names_for_it() {
    network::of_its_own("a_repository_elsewhere_needs_the_trust_that_the_account_names_for_it", trust(true))
        .await;
}

#[tokio::test]
async fn a_repository_elsewhere_needs_the_systems_trust_where_the_account_names_none() {
    let test = "a_repository_elsewhere_needs_the_systems_trust_where_the_account_names_none";
    network::of_its_own(test, trust(false)).await;
}

/// Three authorities: the account's, one for repositories that the account may have `named`, and the system's. What a
/// certificate is good for depends on where the server is, and on whether it is a DM server.
async fn trust(named: bool) {
    let repositories = Authority::new("for repositories").unwrap();
    let system = Authority::new("the system's").unwrap();
    let pem = named.then(|| repositories.pem().to_owned());
    let bench = bench(move |account, _| account.repository_ca_pem = pem, |options, _| options).await;
    let roots = bench.gateway.path("roots.pem");
    files::put(&roots, system.pem(), files::PLAIN).unwrap();
    let (good, bad) = if named { (&repositories, &system) } else { (&system, &repositories) };

    let tape = &bench.tape;
    let text = |_: &Request| Reply::ok("text/plain", "text");
    let elsewhere = start(at(FOREIGN, "elsewhere", good, tape), text).await;
    let accounts = start(at(FOREIGN, "signed for the account", &bench.authority, tape), text).await;
    let others = start(at(FOREIGN, "signed for others", bad, tape), text).await;
    let own = start(at(OWN, "own", &bench.authority, tape), text).await;
    let false_own = start(at(OWN, "false own", good, tape), text).await;
    bench.list_origin(&own.origin());
    bench.list_origin(&false_own.origin());
    let next = start(at(FOREIGN, "next", &bench.authority, tape), Script::session([]).handler()).await;
    let false_next = start(at(FOREIGN, "false next", good, tape), Script::session([]).handler()).await;

    let hget = |server: &Server| json!(["HGET", format!("{}/x", server.origin()), name()]);
    let cont = |server: &Server| json!(["CONT", format!("{}/dm", server.origin())]);
    let hgets = [&elsewhere, &accounts, &others, &own, &false_own].map(hget);
    bench.play(json!([hgets, [cont(&next)]]));
    bench.play(json!([[cont(&false_next)]]));
    let mut agent = Agent::spawn_with_system_roots(&bench.gateway, &roots).await;
    agent.ready().await;
    bench.notify().await;
    let moved = tape.until(LIMIT, |tape| tape.requests("next").len() == 1).await;
    assert!(moved, "{}", agent.log());
    assert_eq!(bench.statuses()[0], [200, 500, 500, 200, 500], "{}", agent.log());
    bench.notify().await;
    agent.logged("that the session failed", |line| line.contains("failed")).await;
    for unheard in ["signed for the account", "signed for others", "false own", "false next"] {
        assert!(tape.requests(unheard).is_empty(), "{unheard} was sent something");
    }
    agent.stop().await;
}

/// An operator who replaces the system's roots means it at once: no restart, no reload.
#[tokio::test]
async fn the_next_session_goes_by_the_roots_that_the_system_has_then() {
    let account = Box::new(|account: &mut Account, _: &Authority| account.ca_pem = None);
    let bench = Bench::with(Setup { account, ..Setup::default() }).await;
    let roots = bench.gateway.path("roots.pem");
    let other = Authority::new("another").unwrap();
    files::put(&roots, bench.authority.pem(), files::PLAIN).unwrap();
    let mut agent = Agent::spawn_with_system_roots(&bench.gateway, &roots).await;
    agent.ready().await;
    bench.session(&agent, 1).await;
    files::put(&roots, other.pem(), files::PLAIN).unwrap();
    bench.notify().await;
    agent.logged("that it is not trusted", |line| line.contains("its issuer is not trusted")).await;
    files::put(&roots, format!("{}{}", other.pem(), bench.authority.pem()), files::PLAIN).unwrap();
    bench.session(&agent, 2).await;
    agent.stop().await;
}
