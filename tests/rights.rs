//! Two servers, one gateway: who may do what with which instance (TS 11.3).

use std::sync::{Arc, Mutex};

use omadm_agent::lab::gateway::Account;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::lab::tape::Received;
use omadm_agent::lab::{Options, Request, Script, Server};
use serde_json::{Value, json};

use crate::support;
use crate::support::{Agent, BENCH, Bench, DEVINFO, DMACC, LIMIT, SECRET, Setup, ddf};

const DMDAC: &str = "urn:oma:mo:oma-dm-dmdac:1.0";
const SHELF: &str = "urn:x-omadm:mo:shelf:1.0";
/// The instances that say who may do what with shelves, and with the bench's own object.
const SHELVES: &str = "urn:oma:mo:oma-dm-dmdac:1.0/urn_x-omadm_mo_shelf_1.0/";
const BENCHES: &str = "urn:oma:mo:oma-dm-dmdac:1.0/urn_x-omadm_mo_bench_1.0/";

/// A gateway with two accounts: the bench's own, which may delegate, and `guest`, which sees the bench's object and
/// shelves.
struct Two {
    bench: Bench,
    agent: Option<Agent>,
    guest: Arc<Mutex<Script>>,
    _server: Server,
}

impl Two {
    async fn new() -> Self {
        let account = |account: &mut Account, _: &_| {
            account.extra.push_str("permissions = [{ moid = \"*\", rights = 15 }]\n");
        };
        let bench = Bench::with(Setup { account: Box::new(account), ..Setup::default() }).await;
        put_shelf(&bench);
        let guest = Arc::new(Mutex::new(Script::default()));
        let player = Arc::clone(&guest);
        let answer = move |request: &Request| player.lock().unwrap().answer(request);
        let options = Options::new("guest", bench.authority.server().unwrap(), &bench.tape);
        let server = Server::start(options, answer).await.unwrap();
        let mut account = Account {
            origins: vec![bench.repository_server.origin()],
            secret: Some(SECRET.to_owned()),
            ..Account::new("guest", &format!("{}/dm", server.origin()), &bench.authority)
        };
        account.extra.push_str(&format!("permissions = [\"{BENCH}\", \"{SHELF}\"]\n"));
        bench.gateway.put_account(&account).unwrap();
        let agent = Some(bench.start().await);
        Self { bench, agent, guest, _server: server }
    }

    /// A session of a server's, with one package of commands: Package#1, which tells of MOS, and the first Package#3.
    async fn session(&self, server: &str, commands: Value) -> (Received, Received) {
        let commands = json!([commands]);
        let replies = Script::parse(&commands.to_string(), &self.bench.repository_server.origin()).unwrap();
        let (tape, server_id) = if server == "guest" {
            self.guest.lock().unwrap().push(replies);
            ("guest", "guest")
        } else {
            self.bench.answer(replies);
            ("dm", support::SERVER_ID)
        };
        let before = self.bench.tape.requests(tape).len();
        let id = self.bench.notification().id;
        let notification = Notification::new(server_id, SECRET.as_bytes(), id);
        self.bench.send(&Notification { request_mos: true, ..notification }).await;
        let answered = self.bench.tape.until(LIMIT, |tape_| tape_.requests(tape).len() >= before + 2).await;
        let agent = self.agent.as_ref().unwrap();
        assert!(answered, "{}", agent.log());
        let requests = self.bench.tape.requests(tape);
        (requests[before].package().unwrap(), requests[before + 1].package().unwrap())
    }

    async fn statuses(&self, server: &str, commands: Value) -> Vec<u64> {
        self.session(server, commands).await.1.statuses()
    }

    /// Offers data at `path` of the repository; the commands that store it below `target`.
    fn offer(&self, path: &str, target: &str, data: &Value) -> Value {
        let body = json!({"MOData": data}).to_string();
        self.bench.repository.put(path, "application/dmmo+json", body);
        json!(["HGET", format!("{{repository}}{path}"), target])
    }

    /// A shelf that this server creates; its ClientURI.
    async fn create(&self, server: &str) -> String {
        let body = json!({"MOID": SHELF, "MOData": {"Label": server}}).to_string();
        self.bench.repository.put("/shelf", "application/dmmo+json", body);
        let (_, made) = self.session(server, json!([["HGET", "{repository}/shelf"]])).await;
        assert_eq!(made.statuses(), [201]);
        made.extra(0).trim().to_owned()
    }
}

fn put_shelf(bench: &Bench) {
    let label = ddf::node("Label", "chr", "Get Replace", "One", "");
    let root = ddf::node("Shelf", "node", "Get Delete Replace", "ZeroOrMore", &label);
    ddf::put(&bench.gateway, SHELF, "Shelf", &root, "dynamic = true");
}

fn miids(package: &Received, moid: &str) -> Option<Value> {
    let mos = package.json["MOS"].as_array().expect("MOS was asked for");
    mos.iter().find(|mo| mo["MOID"] == moid).map(|mo| mo["MIID"].clone())
}

fn data(package: &Received, position: usize) -> Value {
    let json: Value = serde_json::from_slice(&package.part(position).unwrap().body).unwrap();
    json["MOData"].as_object().unwrap().values().next().unwrap().clone()
}

fn entry(miid: &str, maid: &str, rights: u8) -> Value {
    json!({"MIID": miid, "MAID": maid, "AccessRights": rights})
}

#[tokio::test]
async fn each_server_meets_only_what_its_bootstrap_and_its_rights_let_it() {
    let mut two = Two::new().await;
    let gets = json!([
        ["GET", format!("{DEVINFO}//Man")],
        ["GET", format!("{BENCH}//Fixed")],
        ["EXEC", format!("{BENCH}//Operations/Count")],
        ["GET", format!("{DMACC}//ServerID")],
        ["GET", BENCHES],
        ["GET", format!("{DMDAC}//")],
    ]);
    let (first, answered) = two.session("guest", gets.clone()).await;
    assert_eq!(answered.statuses(), [404, 200, 200, 404, 404, 404]);
    let known: Vec<_> = first.json["MOS"].as_array().unwrap().iter().map(|mo| mo["MOID"].clone()).collect();
    assert!(!known.contains(&json!(DEVINFO)) && !known.contains(&json!(DMACC)), "{known:?}");
    assert_eq!(miids(&first, BENCH), Some(json!(["1"])));
    assert!(!known.contains(&json!(DMDAC)), "everybody may read it, but only who lists it is told of it");

    let (first, answered) = two.session("bench", gets).await;
    assert_eq!(answered.statuses()[..5], [200, 200, 200, 200, 200]);
    assert_eq!(miids(&first, DMACC), Some(json!(["bench"])), "its own account");
    let expected = json!({
        "MOID": BENCH,
        "1.serverid_bench": entry("1", "serverid:bench", 15),
        "1.serverid_guest": entry("1", "serverid:guest", 7),
    });
    assert_eq!(data(&answered, 5), expected);
    let whole: Value = serde_json::from_slice(&answered.part(5).unwrap().body).unwrap();
    assert_eq!(whole["CV"], Value::Null, "it is another one for each server: no validator tells that");
    two.agent.take().unwrap().stop().await;
}

/// TS 11.3: to be listed lets a server manage what it makes, or is given, and nothing that is there already.
#[tokio::test]
async fn what_a_bootstrap_lists_is_not_yet_a_servers_to_manage() {
    let mut two = Two::new().await;
    let shelf = two.create("bench").await;
    let label = format!("{shelf}Label");
    let write = two.offer("/label", &label, &json!({"Label": "mine"}));
    let whole = two.offer("/whole", &shelf, &json!({"Label": "mine"}));
    let commands = json!([
        ["GET", label],
        ["GET", format!("{SHELF}//Label")],
        ["GET", format!("{SHELF}/*/Label")],
        ["GET", format!("{SHELF}/(x)/Label?nv=(x)/Label:bench")],
        ["HPUT", "{repository}/put", label],
        ["HPOST", "{repository}/post", shelf],
        write,
        whole,
        ["EXEC", label],
        ["DELETE", shelf],
        ["DELETE", format!("{SHELF}/*/")],
        ["GET", SHELVES],
        ["HPUT", "{repository}/all"],
    ]);
    let (first, refused) = two.session("guest", commands).await;
    assert_eq!(
        refused.statuses(),
        [403, 404, 404, 404, 403, 403, 403, 403, 403, 403, 404, 404, 200],
        "its bootstrap lists the object"
    );
    assert_eq!(miids(&first, SHELF), Some(json!([])));
    let all = two.bench.repository.get("/all").unwrap().body;
    assert!(!String::from_utf8(all.to_vec()).unwrap().contains(SHELF));
    // What it makes is its own, and no other comes with it.
    let own = two.create("guest").await;
    let (first, made) = two.session("guest", json!([["GET", format!("{own}Label")], ["GET", label]])).await;
    assert_eq!((made.statuses(), miids(&first, SHELF)), (vec![200, 403], Some(json!(["2"]))));
    assert_eq!(two.statuses("bench", json!([["GET", label]])).await, [200]);
    two.agent.take().unwrap().stop().await;
}

#[tokio::test]
async fn a_creator_shares_what_is_its_own_and_takes_it_back() {
    let mut two = Two::new().await;
    let shelf = two.create("guest").await;
    let label = format!("{shelf}Label");
    let (first, refused) = two
        .session("bench", json!([["GET", label], ["DELETE", shelf], ["GET", format!("{SHELF}//Label")]]))
        .await;
    assert_eq!(refused.statuses(), [403, 403, 404]);
    assert_eq!(miids(&first, SHELF), Some(json!([])));

    let share =
        two.offer("/share", SHELVES, &json!({"MOID": SHELF, "share": entry("1", "serverid:bench", 1)}));
    assert_eq!(two.statuses("guest", json!([share])).await, [200]);
    let write = two.offer("/label", &label, &json!({"Label": "mine"}));
    let (first, shared) = two.session("bench", json!([["GET", label], write, ["DELETE", shelf]])).await;
    assert_eq!(shared.statuses(), [200, 403, 403], "to read, and no more");
    assert_eq!(shared.part(1).unwrap().body, b"guest");
    assert_eq!(miids(&first, SHELF), Some(json!(["1"])));

    // What was agreed outlives the power.
    two.agent.take().unwrap().kill().await;
    two.agent = Some(two.bench.start().await);
    assert_eq!(two.statuses("bench", json!([["GET", label]])).await, [200]);
    let withdrawn =
        two.statuses("guest", json!([["DELETE", format!("{SHELVES}share")], ["GET", label]])).await;
    assert_eq!(withdrawn, [200, 200]);
    assert_eq!(two.statuses("bench", json!([["GET", label]])).await, [403]);
    two.agent.take().unwrap().stop().await;
}

#[tokio::test]
async fn no_server_helps_itself_or_a_friend_to_rights() {
    let mut two = Two::new().await;
    let shelf = two.create("bench").await;
    let at = |name: &str| format!("{BENCHES}{name}");
    // The guest may read and delegate that, no more.
    let lend = two.offer("/lend", &at("1.serverid_guest/AccessRights"), &json!({"AccessRights": 9}));
    assert_eq!(two.statuses("bench", json!([lend])).await, [200]);
    let attacks = json!([
        two.offer("/1", &at("1.serverid_guest/AccessRights"), &json!({"AccessRights": 15})),
        two.offer("/2", &at("1.serverid_guest"), &json!({"1.serverid_guest": {"AccessRights": 11}})),
        two.offer("/3", BENCHES, &json!({"MOID": BENCH, "x": entry("1", "*", 15)})),
        two.offer("/4", BENCHES, &json!({"MOID": BENCH, "x": entry("1", "serverid:nobody", 1)})),
        two.offer("/5", BENCHES, &json!({"MOID": BENCH, "x": entry("2", "serverid:guest", 1)})),
        // Another server's shelf, one that is yet to come, and their keeper.
        two.offer("/6", SHELVES, &json!({"MOID": SHELF, "x": entry("1", "serverid:guest", 15)})),
        two.offer("/7", SHELVES, &json!({"MOID": SHELF, "x": entry("2", "serverid:guest", 15)})),
        ["DELETE", format!("{SHELVES}1.serverid_bench")],
        // Its own name in another spelling.
        two.offer("/8", BENCHES, &json!({"MOID": BENCH, "x": entry("1", "serverid:Guest", 1)})),
        two.offer("/9", BENCHES, &json!({"MOID": BENCH, "x": entry("1", "SERVERID:guest", 15)})),
        ["GET", shelf],
        ["EXEC", format!("{BENCH}//Operations/Count")],
        ["GET", format!("{BENCH}//Fixed")],
    ]);
    let statuses = two.statuses("guest", attacks).await;
    assert_eq!(statuses, [403, 403, 403, 403, 403, 404, 404, 404, 403, 403, 403, 403, 200]);
    let (_, after) = two.session("bench", json!([["GET", BENCHES], ["GET", SHELVES]])).await;
    let expected = json!({
        "MOID": BENCH,
        "1.serverid_bench": entry("1", "serverid:bench", 15),
        "1.serverid_guest": entry("1", "serverid:guest", 9),
    });
    assert_eq!(data(&after, 1), expected);
    assert_eq!(data(&after, 2), json!({"MOID": SHELF, "1.serverid_bench": entry("1", "serverid:bench", 15)}));
    two.agent.take().unwrap().stop().await;
}

#[tokio::test]
async fn all_instances_are_those_that_the_server_may_read() {
    let mut two = Two::new().await;
    two.create("bench").await;
    two.create("guest").await;
    let hide = two.offer("/hide", &format!("{BENCHES}1.serverid_guest"), &json!({"AccessRights": 6}));
    assert_eq!(two.statuses("bench", json!([hide, ["HPUT", "{repository}/bench"]])).await, [200, 200]);
    assert_eq!(two.statuses("guest", json!([["HPUT", "{repository}/guest"]])).await, [200]);
    let sent = |path: &str| {
        let all: Vec<Value> = serde_json::from_slice(&two.bench.repository.get(path).unwrap().body).unwrap();
        let mut uris: Vec<_> = all.iter().map(|one| one["ClientURI"].as_str().unwrap().to_owned()).collect();
        uris.sort();
        uris
    };
    assert_eq!(sent("/guest"), [SHELVES, "urn:oma:mo:oma-sessioninfomo:1.0/1/", &format!("{SHELF}/2/")]);
    let bench = sent("/bench");
    // All of them, and no other: those that MOS lists, less what the server may not read.
    let (first, _) = two.session("bench", json!([])).await;
    let mut listed = Vec::new();
    for mo in first.json["MOS"].as_array().unwrap() {
        for miid in mo["MIID"].as_array().unwrap() {
            listed.push(format!("{}/{}/", mo["MOID"].as_str().unwrap(), miid.as_str().unwrap()));
        }
    }
    listed.sort();
    assert_eq!(bench, listed);
    assert!(bench.contains(&format!("{SHELF}/1/")) && bench.contains(&BENCHES.to_owned()), "{bench:?}");
    assert!(
        !bench.contains(&format!("{SHELF}/2/")) && !bench.contains(&format!("{DMACC}/guest/")),
        "{bench:?}"
    );
    two.agent.take().unwrap().stop().await;
}

#[tokio::test]
async fn a_wildcard_reads_what_the_server_may_read_and_changes_all_or_nothing() {
    let mut two = Two::new().await;
    for _ in ["1", "2", "3"] {
        two.create("guest").await;
    }
    let all = format!("{SHELF}/*/");
    let labels = format!("{SHELF}/*/Label");
    let share = |rights: [u8; 3]| {
        let entries = rights.map(|rights| entry("", "serverid:bench", rights));
        let mut data = json!({"MOID": SHELF});
        for (number, mut entry) in (1..).zip(entries) {
            entry["MIID"] = json!(number.to_string());
            data[format!("{number}.bench")] = entry;
        }
        two.offer("/share", SHELVES, &data)
    };
    assert_eq!(two.statuses("guest", json!([share([1, 2, 3])])).await, [200]);
    let (_, read) = two.session("bench", json!([["GET", labels], ["DELETE", all], ["GET", all]])).await;
    assert_eq!(read.statuses(), [200, 403, 200]);
    let read: Vec<Value> = serde_json::from_slice(&read.part(1).unwrap().body).unwrap();
    let uris: Vec<_> = read.iter().map(|one| one["ClientURI"].as_str().unwrap()).collect();
    assert_eq!(uris, [format!("{SHELF}/1/Label"), format!("{SHELF}/3/Label")]);
    // That there are some it knows; it may read none of them.
    assert_eq!(two.statuses("guest", json!([share([2, 2, 2])])).await, [200]);
    assert_eq!(two.statuses("bench", json!([["GET", labels], ["DELETE", all]])).await, [403, 200]);
    two.agent.take().unwrap().stop().await;
}

#[tokio::test]
async fn who_lets_everybody_in_lets_in_each_server_that_may_know_of_the_object() {
    let mut two = Two::new().await;
    let shelf = two.create("guest").await;
    let label = format!("{shelf}Label");
    let share = two.offer("/share", SHELVES, &json!({"MOID": SHELF, "all": entry("1", "*", 1)}));
    assert_eq!(two.statuses("guest", json!([share])).await, [200]);
    let (first, shared) = two.session("bench", json!([["GET", label], ["DELETE", shelf]])).await;
    assert_eq!(shared.statuses(), [200, 403]);
    assert_eq!(miids(&first, SHELF), Some(json!(["1"])));
    // What the guest's bootstrap does not list stays unknown to it, whatever everybody is given.
    let open = format!("{DMDAC}/urn_oma_mo_oma-dm-devinfo_1.2/");
    let data = json!({"MOID": DEVINFO, "all": entry("1", "*", 1)});
    let open = two.offer("/open", &open, &data);
    assert_eq!(two.statuses("bench", json!([open])).await, [200]);
    assert_eq!(two.statuses("guest", json!([["GET", format!("{DEVINFO}//Man")]])).await, [404]);
    two.agent.take().unwrap().stop().await;
}

/// TS 11.3: Read is GET, HPUT and HPOST; Write is HGET and DELETE; Execute is EXEC; Delegate is HGET of who may what.
#[tokio::test]
async fn each_right_is_that_of_its_own_commands() {
    for rights in [0, 1, 2, 4, 5, 8, 15] {
        let account = move |account: &mut Account, _: &_| {
            let listed = format!("permissions = [{{ moid = \"{BENCH}\", rights = {rights} }}]\n");
            account.extra.push_str(&listed);
        };
        let bench = Bench::with(Setup { account: Box::new(account), ..Setup::default() }).await;
        bench.repository.put("/name", "text/plain", "n");
        let own = json!({"MOData": {"AccessRights": rights}}).to_string();
        bench.repository.put("/own", "application/dmmo+json", own);
        let node = |path: &str| format!("{BENCH}/1/{path}");
        bench.play(json!([[
            ["GET", node("Fixed")],
            ["HPUT", "{repository}/put", node("Fixed")],
            ["HPOST", "{repository}/post", node("Fixed")],
            ["HGET", "{repository}/name", node("Name")],
            ["DELETE", node("Fixed")],
            ["EXEC", node("Operations/Count")],
            ["HGET", "{repository}/own", format!("{BENCHES}1.serverid_bench/AccessRights")],
        ]]));
        let agent = bench.start().await;
        bench.session(&agent, 1).await;
        let has = |right: u8| rights & right != 0;
        let or = |right, status: u64, without: u64| if has(right) { status } else { without };
        let read = or(1, 200, 403);
        // What may be written and not be deleted is 405; who may not delegate knows of no such list.
        let expected = [read, read, read, or(2, 200, 403), or(2, 405, 403), or(4, 200, 403), or(8, 200, 404)];
        assert_eq!(bench.statuses(), [expected], "{rights}");
        assert_eq!((bench.counted(), bench.repository.get("/put").is_some()), (usize::from(has(4)), has(1)));
        agent.stop().await;
    }
}

/// One thread serves all: who asks for much is served in turns, and what it can't be told is not computed.
#[tokio::test]
async fn who_asks_for_much_holds_up_nobody_else() {
    let mut two = Two::new().await;
    let body: Vec<Value> = (0..400)
        .map(|number| json!({"MOID": SHELF, "MOData": {"Label": format!("{number:0>60}")}}))
        .collect();
    two.bench.repository.put("/shelves", "application/dmmo+json", json!(body).to_string());
    let (_, made) = two.session("bench", json!([["HGET", "{repository}/shelves"]])).await;
    assert_eq!(made.statuses(), [201]);
    // About 100 KiB each, so that some hundred of them are all that a package holds.
    let all = json!(["GET", format!("{SHELF}/*/")]);
    let mut commands = vec![all; 3000];
    commands.push(json!(["GET", format!("{SHELF}/1/Label")]));
    two.bench.answer(Script::parse(&json!([commands]).to_string(), "").unwrap());
    two.bench.notify().await;
    let begun = std::time::Instant::now();
    assert_eq!(two.statuses("guest", json!([["GET", format!("{BENCH}//Fixed")]])).await, [200]);
    let waited = begun.elapsed();
    assert!(waited < std::time::Duration::from_secs(12), "{waited:?}");
    let agent = two.agent.take().unwrap();
    two.bench
        .until(&agent, "Package#3", |_| two.bench.statuses().last().is_some_and(|all| all.len() > 1))
        .await;
    let statuses = two.bench.statuses().pop().unwrap();
    let told = statuses.iter().take_while(|status| **status == 200).count();
    assert!((50..400).contains(&told), "{told}");
    assert!(statuses[told..3000].iter().all(|status| *status == 503), "what does not fit is not computed");
    assert_eq!(statuses.len(), 3001);
    agent.stop().await;
}
