//! Client-initiated bootstrap (TS 8.2), with the real agent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use nix::sys::signal::Signal;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::lab::tape::Request;
use omadm_agent::lab::{Options, Reply, Repository, Server, files};
use omadm_agent::store::{DefaultSource, Store};
use serde_json::{Value, json};

use crate::support::bus::Daemon;
use crate::support::links::{Modems, State};
use crate::support::{Agent, BENCH, Bench, DMACC, SECRET, SERVER_ID, Setup, commands, end};

const IMSI: &str = "262011234567890";
const JSON: &str = "application/dmmo+json";

/// A bench whose agent has no account, and a bootstrap server.
struct Boot {
    bench: Bench,
    server: Server,
    reply: Arc<Mutex<Reply>>,
    /// What else the bootstrap server has.
    documents: Repository,
}

impl Boot {
    /// The bootstrap server has nothing yet. `uri` is what follows its origin.
    async fn new(uri: &str, config: &str) -> Self {
        let bench = Bench::new().await;
        std::fs::remove_file(bench.gateway.path("accounts").join(format!("{SERVER_ID}.toml"))).unwrap();
        let reply = Arc::new(Mutex::new(Reply::status(404)));
        let documents = Repository::default();
        let (answer, mut others) = (Arc::clone(&reply), documents.handler());
        let options = Options::new("bootstrap", bench.authority.server().unwrap(), &bench.tape);
        let handler = move |request: &Request| match request.path.starts_with("/boot") {
            true => answer.lock().unwrap().clone(),
            false => others(request),
        };
        let server = Server::start(options, handler).await.unwrap();
        let boot = Self { bench, server, reply, documents };
        boot.configure(uri, config);
        boot
    }

    fn configure(&self, uri: &str, config: &str) {
        let gateway = &self.bench.gateway;
        files::put(&gateway.path("ca.pem"), self.bench.authority.pem(), files::PLAIN).unwrap();
        let config = format!(
            "[bootstrap]\nuri = \"{}{uri}\"\nca-file = \"ca.pem\"\njitter = \"0s\"\nschedule = {{ at-boot = false }}\n{config}",
            self.server.origin()
        );
        gateway.configure(self.bench.udp, &config).unwrap();
    }

    fn answer(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    fn serve(&self, body: &Value) {
        self.answer(Reply::ok(JSON, body.to_string()));
    }

    /// An account's data.
    fn dmacc(&self, server_id: &str) -> Value {
        json!({
            "ServerID": server_id, "Name": "From afar",
            "SrvURI": format!("{}/{server_id}?id=[DevID]", self.bench.server.origin()),
            "Permissions": {"1": {"MOID": "*"}}, "AuthNoti": {"AuthType": 0, "AuthSecret": SECRET},
        })
    }

    /// What the bootstrap server was asked for.
    fn asked(&self) -> Vec<String> {
        self.bench.tape.requests("bootstrap").iter().map(Request::target).collect()
    }

    async fn notify(&self, server_id: &str, id: u16) {
        self.bench.send(&Notification::new(server_id, SECRET.as_bytes(), id)).await;
    }

    /// The paths of the sessions' first packages.
    fn sessions(&self) -> Vec<String> {
        let requests = self.bench.tape.requests("dm").into_iter();
        requests.filter(Request::is_initiation).map(|request| request.path).collect()
    }

    fn store(&self) -> Arc<Store> {
        Store::open(&self.bench.gateway.path("state")).unwrap().store
    }
}

fn object(data: Value) -> Value {
    json!({"MOID": DMACC, "MOData": {"DMAcc": data}})
}

async fn brought(agent: &mut Agent, ids: &str) {
    let line = format!("info: bootstrap: the accounts are {ids}");
    agent.logged(&line, |found| found == line).await;
}

#[tokio::test]
async fn an_agent_without_accounts_asks_for_one_and_has_a_session_with_it_at_once() {
    let boot =
        Boot::new("/boot", "[subscriber]\nMCC.get = { value = \"262\" }\nMNC.get = { value = \"01\" }\n")
            .await;
    boot.serve(&object(boot.dmacc("afar")));
    boot.bench.play(json!([[["GET", format!("{DMACC}//Name")], ["GET", format!("{BENCH}//Fixed")]]]));
    let mut agent = boot.bench.start().await;
    boot.bench.ended(&agent, 1).await;
    brought(&mut agent, "afar").await;
    assert_eq!(boot.bench.statuses(), [[200, 200]]);
    assert_eq!(boot.sessions(), ["/afar"]);
    let asked = boot.asked();
    let device = boot.bench.tape.requests("dm")[0].header("omadm-devid").to_owned();
    assert_eq!(asked, [format!("/boot?DevID={device}&MNC=01&MCC=262")], "the MNC has its leading zero");
    agent.logged("of the reason", |line| line.contains("begins (bootstrap)")).await;
    agent.kill().await;

    // A power cut takes nothing of it.
    let agent = boot.bench.start().await;
    boot.notify("afar", 1).await;
    boot.bench.ended(&agent, 2).await;
    assert_eq!((boot.sessions().len(), boot.asked().len()), (2, 1), "nobody is asked again");
    assert!(!agent.log().contains(SECRET), "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn the_first_session_with_a_brought_account_is_made_up_for_after_a_power_cut() {
    let boot = Boot::new("/boot/[DevID]/[MCC]", "").await;
    boot.serve(&object(boot.dmacc("afar")));
    boot.bench.answer([Reply::ok("text/plain", "").after(Duration::from_secs(3600))]);
    let agent = boot.bench.start().await;
    boot.bench.until(&agent, "Package#1", |exchanges| !exchanges.is_empty()).await;
    agent.kill().await;
    let agent = boot.bench.start().await;
    boot.bench.ended(&agent, 1).await;
    assert_eq!(boot.asked().len(), 1);
    assert!(boot.asked()[0].ends_with("/-1"), "a place for what is not known: {:?}", boot.asked());
    agent.stop().await;
}

#[tokio::test]
async fn another_sim_brings_other_accounts_and_the_old_ones_go() {
    let boot = Boot::new("/boot", "[subscriber]\nIMSI.get = { file = \"@folder@/imsi\" }\n").await;
    let imsi = boot.bench.gateway.path("imsi");
    files::put(&imsi, format!("{IMSI}\n"), files::PLAIN).unwrap();
    boot.serve(&json!([object(boot.dmacc("one")), object(boot.dmacc("two"))]));
    let mut agent = boot.bench.start().await;
    boot.bench.ended(&agent, 2).await;
    brought(&mut agent, "one, two").await;

    // The same SIM.
    agent.signal(Signal::SIGHUP);
    agent.logged("of the reload", |line| line.contains("configuration read again")).await;
    boot.notify("one", 1).await;
    boot.bench.ended(&agent, 3).await;
    assert_eq!(boot.asked().len(), 1);

    // Another one.
    boot.serve(&object(boot.dmacc("three")));
    files::put(&imsi, "262019999999999\n", files::PLAIN).unwrap();
    agent.signal(Signal::SIGHUP);
    brought(&mut agent, "three").await;
    boot.bench.ended(&agent, 4).await;
    boot.notify("one", 2).await;
    boot.notify("three", 3).await;
    boot.bench.ended(&agent, 5).await;
    assert_eq!(boot.sessions().last().unwrap(), "/three");
    assert_eq!(boot.sessions().iter().filter(|path| *path == "/one").count(), 2, "its account is gone");
    assert_eq!(boot.asked().len(), 2);
    assert!(!agent.log().contains("2620"), "the IMSI is not logged: {}", agent.log());
    agent.stop().await;
    let store = std::fs::read(boot.bench.gateway.path("state").join("store.redb")).unwrap();
    for secret in [IMSI, "262019999999999"] {
        assert!(!store.windows(secret.len()).any(|window| window == secret.as_bytes()), "nor stored");
    }
}

#[tokio::test]
async fn another_sim_whose_imsi_is_in_a_file_is_noticed_by_itself() {
    let boot = Boot::new("/boot", "[subscriber]\nIMSI.get = { file = \"@folder@/modem/imsi\" }\n").await;
    let imsi = boot.bench.gateway.path("modem/imsi");
    let put = |text: &str| {
        std::fs::create_dir_all(imsi.parent().unwrap()).unwrap();
        files::put(&imsi, text, files::PLAIN).unwrap();
    };
    put(IMSI);
    boot.serve(&object(boot.dmacc("one")));
    let mut agent = boot.bench.start().await;
    boot.bench.ended(&agent, 1).await;
    boot.serve(&object(boot.dmacc("two")));
    put("262012222222222");
    brought(&mut agent, "two").await;

    // The modem's service starts again, with its folder.
    boot.serve(&object(boot.dmacc("three")));
    std::fs::remove_dir_all(imsi.parent().unwrap()).unwrap();
    put("262013333333333");
    brought(&mut agent, "three").await;
    agent.stop().await;
    assert_eq!(boot.asked().len(), 3);
}

#[tokio::test]
async fn another_sim_in_a_modem_is_noticed_by_a_signal_and_needs_no_configuration() {
    let mut daemon = Daemon::start();
    let modems = Modems::start(&daemon, State::default()).await;
    let boot = Boot::new("/boot", &daemon.config()).await;
    boot.serve(&object(boot.dmacc("one")));
    let mut agent = boot.bench.start().await;
    boot.bench.ended(&agent, 1).await;
    let asked = boot.asked();
    assert!(asked[0].ends_with("&MNC=01&MCC=262"), "{asked:?}");
    boot.serve(&object(boot.dmacc("two")));
    modems.insert("310410123456789").await;
    brought(&mut agent, "two").await;
    assert!(boot.asked()[1].ends_with("&MNC=41&MCC=310"), "{:?}", boot.asked());

    // The bus starts again, and with it the modem's service.
    boot.serve(&object(boot.dmacc("three")));
    daemon.stop();
    daemon.start_again();
    let modems = Modems::start(&daemon, State { imsi: "262023333333333", ..State::default() }).await;
    brought(&mut agent, "three").await;
    boot.bench.until(&agent, "the new server", |_| boot.sessions().contains(&"/three".to_owned())).await;
    agent.at_rest().await;
    modems.state().asked = 0;
    agent.at_rest().await;
    assert_eq!(modems.state().asked, 0, "nobody asks in between");
    assert!(!agent.log().contains("26202333"), "the IMSI is not logged: {}", agent.log());
    agent.stop().await;
    assert_eq!(boot.asked().len(), 3);
}

#[tokio::test]
async fn another_sim_is_noticed_with_a_session_of_any_cause_and_before_the_first_after_a_restart() {
    let boot =
        Boot::new("/boot", "[subscriber]\nIMSI.get = { run = [\"/bin/cat\", \"@folder@/imsi\"] }\n").await;
    let settings = boot.bench.gateway.path("omadmd.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    files::put(&settings, text.replace("at-boot = false", "at-boot = true"), files::PLAIN).unwrap();
    let imsi = boot.bench.gateway.path("imsi");
    files::put(&imsi, IMSI, files::PLAIN).unwrap();
    boot.serve(&object(boot.dmacc("one")));
    let mut agent = boot.bench.start().await;
    boot.bench.ended(&agent, 1).await;

    files::put(&imsi, "262012222222222", files::PLAIN).unwrap();
    boot.serve(&object(boot.dmacc("two")));
    boot.notify("one", 1).await;
    brought(&mut agent, "two").await;
    boot.bench.until(&agent, "the new server", |_| boot.sessions().contains(&"/two".to_owned())).await;
    agent.stop().await;

    // The same SIM: the session at boot has only waited for the look.
    let before = boot.sessions().len();
    let agent = boot.bench.start().await;
    boot.bench.until(&agent, "the session at boot", |_| boot.sessions().len() > before).await;
    agent.stop().await;
    assert_eq!((boot.sessions().last().unwrap().as_str(), boot.asked().len()), ("/two", 2));

    // The old subscriber's server hears nothing of the new one, however long the bootstrap server takes.
    files::put(&imsi, "262013333333333", files::PLAIN).unwrap();
    let reply = Reply::ok(JSON, object(boot.dmacc("three")).to_string());
    boot.answer(reply.after(Duration::from_millis(500)));
    let before = boot.sessions().len();
    let mut agent = boot.bench.start().await;
    brought(&mut agent, "three").await;
    boot.bench.until(&agent, "the new server", |_| boot.sessions().len() > before).await;
    agent.stop().await;
    assert_eq!(boot.sessions()[before..], ["/three"]);
}

#[tokio::test]
async fn a_first_contact_that_is_refused_says_when_it_comes_again() {
    let boot = Boot::new("/boot", "").await;
    boot.serve(&object(boot.dmacc("afar")));
    boot.bench.answer([Reply::status(403)]);
    let mut agent = boot.bench.start().await;
    let line = agent.logged("of the wait", |line| line.contains("afar: next attempt in ")).await;
    let wait: u64 = line.rsplit("next attempt in ").next().unwrap().trim_end_matches(" s").parse().unwrap();
    assert!((3599..7200).contains(&wait), "{line}");
    agent.stop().await;
}

#[tokio::test]
async fn a_brought_account_outlives_the_section_that_it_came_from() {
    let boot = Boot::new("/boot", "").await;
    boot.serve(&object(boot.dmacc("afar")));
    let agent = boot.bench.start().await;
    boot.bench.ended(&agent, 1).await;
    agent.stop().await;
    boot.bench.gateway.configure(boot.bench.udp, "").unwrap();
    let agent = boot.bench.start().await;
    boot.bench.ended(&agent, 2).await;
    agent.stop().await;
    assert_eq!(boot.sessions(), ["/afar", "/afar"], "its server's certificate is trusted still");
}

#[tokio::test]
async fn a_broken_answer_is_refused_whole_and_the_journal_says_why() {
    let boot = Boot::new("/boot", "").await;
    let change = |name: &str, value: Value| {
        let mut data = boot.dmacc("afar");
        data[name] = value;
        data.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        json!([object(boot.dmacc("good")), object(data)])
    };
    let mut foreign = object(boot.dmacc("afar"));
    foreign["MOID"] = json!("urn:oma:mo:oma-mms:1.3");
    let crowd: Vec<Value> =
        (0..10_000).map(|number| object(json!({"ServerID": number.to_string()}))).collect();
    let package =
        json!({"CMD": [["HGET", format!("{}/doc", boot.server.origin())], ["EXEC", "urn:x//Reboot"]]});
    let request = "application/vnd.oma.dm.request+json";
    for (reply, why) in [
        (Reply::ok(JSON, "{"), "refused: not JSON: "),
        (Reply::ok("text/html", "<html>"), "refused: content type \"text/html\""),
        (Reply::ok(JSON, foreign.to_string()), "refused: object 1 is of \"urn:oma:mo:oma-mms:1.3\""),
        (
            Reply::ok(JSON, change("SrvURI", json!("http://dm.example/")).to_string()),
            "refused: account 2: SrvURI: plain http",
        ),
        (
            Reply::ok(JSON, change("ServerID", Value::Null).to_string()),
            "refused: account 2: expected one of ServerID and SrvID",
        ),
        (
            Reply::ok(JSON, change("Permissions", Value::Null).to_string()),
            "refused: account 2: Permissions is missing",
        ),
        (Reply::ok(JSON, json!(crowd).to_string()), "larger than"),
        (Reply::ok(JSON, json!(&crowd[..100]).to_string()), "refused: more than 16 accounts"),
        (
            Reply::ok(request, package.to_string()),
            "refused: command 2: a bootstrap has HGET and DEFAULT only",
        ),
        (Reply::status(404), "the server answered with HTTP status 404"),
        (
            Reply::status(302).header("location", "http://127.0.0.1/"),
            "redirect can't be followed: from https to http",
        ),
        (
            Reply::ok(JSON, object(boot.dmacc("afar")).to_string()).broken_off(),
            "bootstrap: https://127.0.0.1",
        ),
    ] {
        boot.answer(reply);
        let mut agent = boot.bench.start().await;
        let line = agent.logged(why, |line| line.starts_with("warn: bootstrap: ")).await;
        assert!(line.contains(why) && line.contains("; next attempt in "), "{why}: {line}");
        assert!(!agent.log().contains(SECRET), "{}", agent.log());
        agent.stop().await;
        assert_eq!(boot.store().snapshot().unwrap().brought().unwrap().len(), 0, "{why}");
    }
    assert!(boot.sessions().is_empty());

    // What the operator, or the server's, have repaired is tried at once on the operator's word.
    boot.answer(Reply::status(503).header("retry-after", "3600"));
    let mut agent = boot.bench.start().await;
    let line = agent.logged("of Retry-After", |line| line.contains("HTTP status 503")).await;
    let wait: u64 = line.rsplit("next attempt in ").next().unwrap().trim_end_matches(" s").parse().unwrap();
    assert!((3600..3661).contains(&wait), "{line}");
    boot.serve(&object(boot.dmacc("afar")));
    agent.signal(Signal::SIGHUP);
    brought(&mut agent, "afar").await;
    boot.bench.ended(&agent, 1).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_package_leads_to_the_account_and_its_defaults() {
    let boot = Boot::new("/boot", "").await;
    let origin = boot.server.origin();
    boot.documents.put("/doc", JSON, object(boot.dmacc("afar")).to_string());
    boot.documents.put("/name", JSON, json!({"MOID": BENCH, "MOData": {"Name": "given"}}).to_string());
    let package = json!({"CMD": [
        ["DEFAULT", "https://data.example/[MCC]", BENCH],
        ["DEFAULT", "https://data.example/", "urn:nobody:knows"],
        ["HGET", format!("{origin}/doc?[DevID]")],
        ["HGET", format!("{origin}/name"), format!("{BENCH}//Name")],
    ]});
    boot.answer(Reply::ok("application/vnd.oma.dm.request+json", package.to_string()));
    boot.bench.play(json!([[["GET", format!("{BENCH}//Name")]]]));
    let mut agent = boot.bench.start().await;
    brought(&mut agent, "afar").await;
    boot.bench.ended(&agent, 1).await;
    let packages = boot.bench.packages();
    assert_eq!(packages.last().unwrap().part(1).unwrap().body, "given".as_bytes());
    agent.stop().await;
    let store = boot.store();
    let snapshot = store.snapshot().unwrap();
    let default =
        DefaultSource { server_id: "afar".into(), server_uri: "https://data.example/[MCC]".to_owned() };
    assert_eq!(snapshot.default_uri(&BENCH.into()).unwrap(), Some(default));
    assert_eq!(snapshot.default_uri(&"urn:nobody:knows".into()).unwrap(), None);
}

#[tokio::test]
async fn the_approved_texts_account_speaks_the_approved_profile() {
    let boot = Boot::new("/boot", "").await;
    let b64 = |text: &str| BASE64_STANDARD.encode(text);
    let data = json!({
        "SrvID": "afar", "SrvURI": format!("{}/afar", boot.bench.server.origin()), "Name": "x",
        "Perm": {"a": {"MOID": "*"}},
        "Auth": {"Noti": {"Type": 0, "Data": b64("d"), "Secret": b64(SECRET)}, "Trsp": {"Data": b64("gw"), "Secret": b64("pw")}, "Bootstrap": {
            "ServerURI": "https://b.example/[DevID]", "SecMode": b64("mode"), "ClientPubKey": b64("key 1"),
            "ServerPubKey": b64("key 2"), "ClientSecretKey": b64("key 3"),
        }},
    });
    let document = json!([{"ClientURI": "urn:oma:mo:oma-dm-dmacc:1.2/afar/", "MOData": data}]);
    boot.answer(Reply::ok("application/vnd.oma.dm.mo+json", document.to_string()));
    let node = |path: &str| format!("urn:oma:mo:oma-dm-dmacc:1.2//Auth/{path}");
    let keys = ["ClientPubKey", "ServerPubKey", "ClientSecretKey"];
    let [first, second, third] = keys.map(|key| json!(["GET", node(&format!("Bootstrap/{key}"))]));
    boot.bench.play(json!([[
        ["GET", node("Trsp/Data")],
        ["GET", node("Bootstrap/ServerURI")],
        ["GET", node("Bootstrap/SecMode")],
        ["GET", node("Bootstrap")],
        first,
        second,
        third,
    ]]));
    let agent = boot.bench.start().await;
    boot.bench.ended(&agent, 1).await;
    let packages = boot.bench.packages();
    let status = &packages.last().unwrap().json["Status"];
    assert_eq!(status[0]["sc"], 200, "{status}");
    let package = packages.last().unwrap();
    assert_eq!(package.part(1).unwrap().body, "gw".as_bytes());
    let codes: Vec<_> = status.as_array().unwrap().iter().map(|one| one["sc"].as_u64().unwrap()).collect();
    assert_eq!(codes, [200, 200, 200, 200, 405, 405, 405]);
    assert_eq!(package.part(2).unwrap().body, "https://b.example/[DevID]".as_bytes());
    assert_eq!(package.part(3).unwrap().body, "mode".as_bytes());
    let whole: Value = serde_json::from_slice(&package.part(4).unwrap().body).unwrap();
    let shown = json!({"ServerURI": "https://b.example/[DevID]", "SecMode": b64("mode")});
    assert_eq!(whole[0]["MOData"]["Bootstrap"], shown, "without its keys");
    let complete = json!([{"AlertType": "urn:oma:at:dm:2.0:BootstrapComplete"}]);
    assert_eq!(packages.first().unwrap().json["Alert"], complete);
    agent.stop().await;
}

#[tokio::test]
async fn a_device_with_an_account_of_its_owner_asks_nobody() {
    let bench = Bench::with(Setup { config: String::new(), ..Setup::default() }).await;
    let account =
        std::fs::read_to_string(bench.gateway.path("accounts").join(format!("{SERVER_ID}.toml"))).unwrap();
    drop(bench);
    let boot = Boot::new("/boot", "").await;
    // An owner's account of the same name as one that a bootstrap brought: the owner's counts.
    let mut data = boot.dmacc(SERVER_ID);
    data["SrvURI"] = json!(format!("{}/brought", boot.bench.server.origin()));
    boot.serve(&object(data));
    let agent = boot.bench.start().await;
    boot.bench.ended(&agent, 1).await;
    agent.stop().await;
    assert_eq!(boot.sessions(), ["/brought"]);

    let accounts = boot.bench.gateway.path("accounts");
    let old = account.lines().find(|line| line.starts_with("server-uri")).unwrap();
    let text = account.replace(old, &format!("server-uri = \"{}/owned\"", boot.bench.server.origin()));
    files::put(&accounts.join("mine.toml"), text, files::PLAIN).unwrap();
    let agent = boot.bench.start().await;
    boot.notify(SERVER_ID, 7).await;
    boot.bench.ended(&agent, 2).await;
    assert_eq!(boot.sessions(), ["/brought", "/owned"]);
    assert_eq!(boot.asked().len(), 1);
    agent.stop().await;

    // Its owner takes it away again.
    std::fs::remove_file(accounts.join("mine.toml")).unwrap();
    let agent = boot.bench.start().await;
    boot.notify(SERVER_ID, 8).await;
    boot.bench.ended(&agent, 3).await;
    assert_eq!(boot.sessions().last().unwrap(), "/brought");
    agent.stop().await;
}

#[tokio::test]
async fn a_typo_in_the_owners_account_file_hands_the_device_to_nobody_else() {
    let boot = Boot::new("/boot", "").await;
    boot.serve(&object(boot.dmacc("afar")));
    let gateway = &boot.bench.gateway;
    let account = gateway.path("accounts").join("mine.toml");
    files::put(&gateway.path("open.secret"), "x", files::PLAIN).unwrap();
    let (origin, ca) = (boot.bench.server.origin(), gateway.path("ca.pem"));
    let sound = format!(
        "server-uri = \"{origin}/owned\"\nserver-id = \"mine\"\ntls = {{ ca-file = \"{}\" }}\n",
        ca.display()
    );
    let secret = gateway.path("open.secret");
    let open = format!("{sound}[notification]\nsecret-file = \"{}\"\n", secret.display());
    for broken in [format!("{sound}server-id ="), open] {
        files::put(&account, broken, files::PLAIN).unwrap();
        let mut agent = boot.bench.start().await;
        agent.logged("why nobody is asked", |line| line.contains("no account can be used")).await;
        agent.signal(Signal::SIGHUP);
        agent.logged("of the reload", |line| line.contains("configuration read again")).await;
        agent.stop().await;
    }
    files::put(&account, &sound, files::PLAIN).unwrap();
    let agent = boot.bench.start().await;
    boot.bench.ended(&agent, 1).await;
    agent.stop().await;
    assert_eq!((boot.asked().len(), boot.sessions()), (0, vec!["/owned".to_owned()]));
}

#[tokio::test]
async fn the_owners_account_besides_a_brought_one_is_remarked_on_once() {
    let boot = Boot::new("/boot", "").await;
    boot.serve(&object(boot.dmacc("afar")));
    let mut agent = boot.bench.start().await;
    boot.bench.ended(&agent, 1).await;
    let origin = boot.bench.server.origin();
    let mine =
        format!("server-uri = \"{origin}/owned\"\nserver-id = \"mine\"\n[schedule]\nfirst-contact = false\n");
    files::put(&boot.bench.gateway.path("accounts").join("mine.toml"), mine, files::PLAIN).unwrap();
    for _ in 0..2 {
        agent.signal(Signal::SIGHUP);
        agent.logged("of the reload", |line| line.contains("configuration read again: 2 accounts")).await;
    }
    assert_eq!(agent.log().matches("a bootstrap brought are still served").count(), 1, "{}", agent.log());
    agent.stop().await;
    assert_eq!(boot.asked().len(), 1);
}

#[tokio::test]
async fn what_a_server_changed_in_a_brought_account_goes_with_the_next_bootstrap() {
    let boot = Boot::new("/boot", "[subscriber]\nIMSI.get = { file = \"@folder@/imsi\" }\n").await;
    let imsi = boot.bench.gateway.path("imsi");
    files::put(&imsi, IMSI, files::PLAIN).unwrap();
    boot.serve(&object(boot.dmacc("afar")));
    let origin = boot.bench.server.origin();
    let body = json!({"MOID": DMACC, "MOData": {"SrvURI": format!("{origin}/moved")}});
    // The server's own origin is the only one of the account's: there it keeps the data as well.
    boot.bench.answer([
        commands(json!([["HGET", format!("{origin}/uri"), format!("{DMACC}//SrvURI")]])),
        Reply::ok(JSON, body.to_string()),
        end(),
    ]);
    let mut agent = boot.bench.start().await;
    boot.bench.ended(&agent, 1).await;
    agent.logged("of the change", |line| line.contains("SrvURI: 200")).await;
    agent.logged("of the change", |line| line.contains("accounts changed")).await;
    boot.notify("afar", 1).await;
    boot.bench.ended(&agent, 2).await;

    files::put(&imsi, "262019999999999", files::PLAIN).unwrap();
    agent.signal(Signal::SIGHUP);
    boot.bench.ended(&agent, 3).await;
    assert_eq!(boot.asked().len(), 2);
    assert_eq!(boot.sessions(), ["/afar", "/moved", "/afar"], "the account came again: it is a new one");
    agent.stop().await;
}

/// TS 11.3: a bootstrap says which objects, the owner what may be done with the device's own instances of them.
#[tokio::test]
async fn what_a_brought_account_may_do_is_the_owners_to_say() {
    let boot = Boot::new("/boot", "rights = 1\n").await;
    boot.serve(&object(boot.dmacc("afar")));
    let commands =
        json!([["GET", format!("{BENCH}//Fixed")], ["EXEC", format!("{BENCH}//Operations/Count")]]);
    boot.bench.play(json!([commands]));
    let mut agent = boot.bench.start().await;
    brought(&mut agent, "afar").await;
    boot.bench.ended(&agent, 1).await;
    assert_eq!(boot.bench.statuses(), [[200, 403]]);
    agent.stop().await;
    // It is no part of the account: another word counts for the accounts that are there.
    boot.configure("/boot", "rights = 4\n");
    boot.bench.play(json!([commands]));
    let agent = boot.bench.start().await;
    boot.notify("afar", 77).await;
    boot.bench.ended(&agent, 2).await;
    assert_eq!(boot.bench.statuses()[1], [403, 200]);
    agent.stop().await;
}
