//! The DM Account object: what its own server may read and change, and that the agent goes by it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use omadm_agent::lab::gateway::{Account, Auth};
use omadm_agent::lab::notifier::Notification;
use omadm_agent::package::Profile;
use serde_json::{Value, json};

use crate::support::{Agent, Bench, DMACC, SECRET, SERVER_ID, Setup};

/// What the approved text calls the object.
const APPROVED: &str = "urn:oma:mo:oma-dm-dmacc:1.2";

fn node(path: &str) -> String {
    format!("{DMACC}//{path}")
}

/// Serves a document, and gives the HGET that retrieves it for a node.
fn hget(bench: &Bench, name: &str, path: &str, data: Value) -> Value {
    let body = json!({"MOID": DMACC, "MOData": data});
    bench.repository.put(&format!("/{name}"), "application/dmmo+json", body.to_string());
    json!(["HGET", format!("{}/{name}", bench.repository_server.origin()), node(path)])
}

/// A notification with this secret, made now.
fn notification(secret: &str, id: u16) -> Notification {
    Notification::new(SERVER_ID, secret.as_bytes(), id)
}

/// The text that GET number `position` of the last answered package brought; another session may have begun since.
fn read(bench: &Bench, position: usize) -> String {
    let packages = bench.packages();
    let last = packages.iter().rfind(|package| !package.initiation).unwrap();
    let part = last.part(position).unwrap_or_else(|| panic!("no part {position}")).clone();
    String::from_utf8(part.body.to_vec()).unwrap()
}

/// One session with these commands.
async fn session(bench: &Bench, agent: &Agent, commands: Value) -> Vec<u64> {
    let before = bench.tape.exchanges().iter().filter(|exchange| exchange.reply.ends_session()).count();
    bench.play(json!([commands]));
    bench.session(agent, before + 1).await;
    bench.statuses().pop().unwrap()
}

#[tokio::test]
async fn its_own_server_moves_within_its_origin_and_the_next_session_goes_there() {
    let bench = Bench::new().await;
    let moved = format!("{}/moved?id=[DevID]", bench.server.origin());
    let agent = bench.start().await;
    let change = hget(&bench, "uri", "SrvURI", json!({"SrvURI": moved}));
    let statuses = session(&bench, &agent, json!([change, ["GET", node("SrvURI")]])).await;
    assert_eq!(statuses, [200, 200]);
    assert_eq!(read(&bench, 2), moved, "it reads back in the session that changed it");
    assert!(
        bench.tape.requests("dm").iter().all(|request| request.path == "/dm"),
        "a session stays where it is"
    );

    session(&bench, &agent, json!([])).await;
    assert_eq!(bench.tape.requests("dm").last().unwrap().path, "/moved");
    agent.kill().await;

    let agent = bench.start().await;
    session(&bench, &agent, json!([["GET", node("SrvURI")]])).await;
    assert_eq!((bench.tape.requests("dm").last().unwrap().path.as_str(), read(&bench, 1)), ("/moved", moved));

    // The operator repairs it.
    let file = bench.gateway.path("accounts").join(format!("{SERVER_ID}.toml"));
    let text = std::fs::read_to_string(&file).unwrap().replace("/dm?id", "/repaired?id");
    omadm_agent::lab::files::put(&file, text, omadm_agent::lab::files::PLAIN).unwrap();
    let mut agent = agent;
    agent.logged("of the edit", |line| line.contains("configuration read again")).await;
    session(&bench, &agent, json!([["GET", node("SrvURI")]])).await;
    assert_eq!(bench.tape.requests("dm").last().unwrap().path, "/repaired");
    assert!(read(&bench, 1).ends_with("/repaired?id=[DevID]"));
    agent.stop().await;
}

#[tokio::test]
async fn a_new_secret_verifies_notifications_and_the_old_one_no_longer_does() {
    const NEW: &str = "another secret";
    let bench = Bench::new().await;
    let mut agent = bench.start().await;
    let change = hget(&bench, "secret", "AuthNoti/AuthSecret", json!({"AuthSecret": NEW}));
    let statuses = session(&bench, &agent, json!([change, ["GET", node("AuthNoti/AuthSecret")]])).await;
    assert_eq!((statuses, read(&bench, 2).as_str()), (vec![200, 200], NEW));
    agent.logged("of the change", |line| line.contains("accounts changed")).await;

    bench.send(&notification(SECRET, 4001)).await;
    bench.send(&notification(NEW, 4002)).await;
    bench.ended(&agent, 2).await;
    agent.logged("of the new one", |line| line.contains("notification 4002")).await;
    assert!(!agent.log().contains("notification 4001"), "{}", agent.log());
    agent.kill().await;

    let mut agent = bench.start().await;
    bench.send(&notification(SECRET, 4003)).await;
    bench.send(&notification(NEW, 4004)).await;
    bench.ended(&agent, 3).await;
    agent.logged("of the new one", |line| line.contains("notification 4004")).await;
    assert!(!agent.log().contains("notification 4003"), "{}", agent.log());
    assert!(!agent.log().contains(NEW) && !agent.log().contains(SECRET), "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn what_is_not_the_servers_to_change_is_405_and_what_can_be_no_account_is_refused() {
    let bench = Bench::new().await;
    let mut other = Account::new("other", "https://other.example/dm", &bench.authority);
    other.secret = Some("others".to_owned());
    bench.gateway.put_account(&other).unwrap();
    let origin = bench.server.origin();
    let agent = bench.start().await;
    let commands = json!([
        hget(&bench, "1", "ServerID", json!({"ServerID": "evil"})),
        hget(&bench, "2", "Permissions", json!({"Permissions": {"1": {"MOID": "*"}}})),
        hget(&bench, "3", "Permissions/1/MOID", json!({"MOID": "*"})),
        hget(&bench, "4", "SrvURI", json!({"SrvURI": "https://elsewhere.example/dm"})),
        hget(&bench, "5", "SrvURI", json!({"SrvURI": origin.replace("https", "http")})),
        hget(&bench, "6", "SrvURI", json!({"SrvURI": format!("{origin}/[DevID")})),
        hget(&bench, "7", "AuthNoti/AuthType", json!({"AuthType": 1})),
        hget(&bench, "8", "AuthNoti/AuthSecret", json!({"AuthSecret": ""})),
        hget(&bench, "9", "Push/GCM/RegURL", json!({"RegURL": "https://elsewhere.example/r"})),
        ["DELETE", format!("{DMACC}/{SERVER_ID}/")],
        ["DELETE", node("AuthNoti")],
        ["DELETE", node("Name")],
        ["HGET", format!("{}/1", bench.repository_server.origin())],
        ["HGET", format!("{}/1", bench.repository_server.origin()), format!("{DMACC}/other/Name")],
        ["GET", format!("{DMACC}/other/Name")],
        ["GET", node("Permissions")],
    ]);
    let statuses = session(&bench, &agent, commands).await;
    let expected = [405, 405, 405, 405, 405, 500, 500, 500, 405, 405, 405, 405, 405, 404, 404, 405];
    assert_eq!(statuses, expected);
    let statuses =
        session(&bench, &agent, json!([["GET", node("SrvURI")], ["GET", node("AuthNoti/AuthType")]])).await;
    assert_eq!((statuses, read(&bench, 1)), (vec![200, 200], format!("{origin}/dm?id=[DevID]")));
    assert_eq!(read(&bench, 2), "0");
    agent.stop().await;
}

#[tokio::test]
async fn a_change_of_several_leaves_is_made_whole_or_not_at_all() {
    let bench = Bench::new().await;
    let agent = bench.start().await;
    let push = |register: &str| {
        json!({"Name": "Changed", "Push": {"GCM": {
            "SenderID": "42", "RegURL": register, "UnRegURL": format!("{}/u", bench.server.origin()),
        }}})
    };
    let bad = hget(&bench, "bad", "", json!({"DMAcc": push("https://elsewhere.example/r")}));
    assert_eq!(
        session(&bench, &agent, json!([bad, ["GET", node("Name")], ["GET", node("Push")]])).await,
        [405, 200, 404]
    );
    assert_eq!(read(&bench, 2), SERVER_ID);

    for more in [
        json!({"Permissions": {"1": {"MOID": "*"}}}),
        json!({"Permissions": {}}),
        json!({"ServerID": "evil"}),
    ] {
        let mut data = more.clone();
        data["Name"] = json!("Changed");
        let bad = hget(&bench, "bad", "", json!({"DMAcc": data}));
        assert_eq!(session(&bench, &agent, json!([bad, ["GET", node("Name")]])).await, [405, 200], "{more}");
        assert_eq!(read(&bench, 2), SERVER_ID, "{more}");
    }

    let good = hget(&bench, "good", "", push(&format!("{}/r", bench.server.origin())));
    let gets = json!([good, ["GET", node("Name")], ["GET", node("Push/GCM/SenderID")], ["GET", node("")]]);
    assert_eq!(session(&bench, &agent, gets).await, [200, 200, 200, 200]);
    assert_eq!((read(&bench, 2).as_str(), read(&bench, 3).as_str()), ("Changed", "42"));
    let whole: Value = serde_json::from_str(&read(&bench, 4)).unwrap();
    let whole = &whole["MOData"]["DMAcc"];
    assert_eq!(
        (&whole["Name"], &whole["AuthNoti"]),
        (&json!("Changed"), &json!({"AuthType": 0})),
        "without the secret"
    );
    assert_eq!(whole["Permissions"], Value::Null);
    assert_eq!(
        whole["SrvURI"],
        format!("{}/dm?id=[DevID]", bench.server.origin()),
        "what the data lacks stays"
    );
    agent.stop().await;
}

#[tokio::test]
async fn the_approved_profile_has_its_own_names_and_the_same_rules() {
    let account = |account: &mut Account, _: &_| {
        account.profile = Profile::Approved;
        account.data = Some("more".to_owned());
    };
    let bench = Bench::with(Setup { account: Box::new(account), ..Setup::default() }).await;
    let agent = bench.start().await;
    let of = |path: &str| format!("{APPROVED}/{SERVER_ID}/{path}");
    let moved = format!("{}/moved", bench.server.origin());
    let commands = json!([
        ["GET", of("SrvID")],
        ["GET", of("Auth/Noti/Secret")],
        ["GET", of("Auth/Noti/Data")],
        ["GET", of("Perm")],
        ["GET", of("Auth/Trsp/Secret")],
        ["GET", of("ServerID")],
        ["GET", node("SrvID")],
        ["GET", of("")],
        hget(&bench, "uri", "SrvURI", json!({"SrvURI": moved})),
        hget(&bench, "id", "SrvID", json!({"SrvID": "x"})),
        hget(&bench, "trsp", "Auth/Trsp/Data", json!({"Data": BASE64_STANDARD.encode("x")})),
    ]);
    let statuses = session(&bench, &agent, commands).await;
    assert_eq!(statuses, [200, 200, 200, 405, 405, 404, 200, 200, 200, 405, 405]);
    assert_eq!(
        (read(&bench, 1).as_str(), read(&bench, 2).as_str(), read(&bench, 3).as_str()),
        (SERVER_ID, SECRET, "more")
    );
    let whole: Value = serde_json::from_str(&read(&bench, 8)).unwrap();
    let whole = whole.get(0).unwrap_or(&whole);
    assert_eq!(whole["MOData"]["DMAcc"]["Auth"], json!({"Noti": {"Type": 0}}), "{whole}");
    session(&bench, &agent, json!([])).await;
    assert_eq!(bench.tape.requests("dm").last().unwrap().path, "/moved");
    agent.stop().await;
}

#[tokio::test]
async fn each_node_that_is_its_servers_to_replace_takes_a_new_value() {
    for profile in [Profile::Draft, Profile::Approved] {
        let account = move |account: &mut Account, _: &_| {
            account.profile = profile;
            account.extra = "push = { sender-id = \"1\", register-uri = \"https://push.example/r\", \
                             unregister-uri = \"https://push.example/u\", params = \"a=b\" }\n"
                .to_owned();
        };
        let bench = Bench::with(Setup { account: Box::new(account), ..Setup::default() }).await;
        let origin = bench.server.origin();
        let of = |path: &str| format!("{origin}/{path}");
        let text = |path: &'static str, value: &str| (path, json!(value), value.to_owned());
        let bytes =
            |path: &'static str, value: &str| (path, json!(BASE64_STANDARD.encode(value)), value.to_owned());
        let mut nodes = vec![
            text("Name", "Another"),
            text("SrvURI", &of("moved")),
            text("Push/GCM/SenderID", "2"),
            text("Push/GCM/RegParams", "c=d"),
        ];
        nodes.extend(match profile {
            Profile::Draft => vec![
                ("AuthNoti/AuthType", json!(0), "0".to_owned()),
                text("AuthNoti/AuthSecret", "another secret"),
                text("Push/GCM/RegURL", &of("r")),
                text("Push/GCM/UnRegURL", &of("u")),
            ],
            Profile::Approved => vec![
                ("Auth/Noti/Type", json!(0), "0".to_owned()),
                bytes("Auth/Noti/Data", "more"),
                bytes("Auth/Noti/Secret", "another secret"),
                text("Push/GCM/RegURI", &of("r")),
                text("Push/GCM/UnRegURI", &of("u")),
            ],
        });
        let changes = nodes.iter().enumerate().map(|(at, (path, value, _))| {
            let name = path.rsplit('/').next().unwrap();
            hget(&bench, &at.to_string(), path, json!({ name: value }))
        });
        let gets = nodes.iter().map(|(path, ..)| json!(["GET", node(path)]));
        let agent = bench.start().await;
        let statuses = session(&bench, &agent, changes.chain(gets).collect()).await;
        assert_eq!(statuses, vec![200; 2 * nodes.len()], "{profile:?}");
        for (at, (path, _, value)) in nodes.iter().enumerate() {
            assert_eq!(read(&bench, nodes.len() + at + 1), *value, "{path}");
        }
        agent.stop().await;
    }
}

/// What GET, HGET and DELETE of each node come to, if its own server commands them.
#[tokio::test]
async fn each_node_answers_its_own_server_by_its_access_and_another_one_not_at_all() {
    const CLOSED: [u64; 3] = [405; 3];
    const FIXED: [u64; 3] = [200, 405, 405];
    const OPEN: [u64; 3] = [200, 200, 405];
    let closed = |permissions: &str| {
        // Whatever is below, and whether it is there: nobody learns it.
        ["", "/1", "/99", "/1/MOID", "/99/MOID", "/*/MOID", "/(x)/MOID?nv=(x)/MOID:*"]
            .map(|below| (format!("{permissions}{below}"), CLOSED))
    };
    for profile in [Profile::Draft, Profile::Approved] {
        let (permissions, nodes): (_, &[_]) = match profile {
            Profile::Draft => (
                "Permissions",
                &[
                    ("ServerID", FIXED),
                    ("Name", OPEN),
                    ("SrvURI", OPEN),
                    ("AuthNoti/AuthType", OPEN),
                    ("AuthNoti/AuthSecret", OPEN),
                    ("(x)/AuthNoti/AuthSecret?nv=(x)/ServerID:bench", OPEN),
                    ("*/AuthNoti/AuthSecret", [405, 200, 405]),
                    ("Permissions/1/NoSuchNode", [404; 3]),
                ],
            ),
            Profile::Approved => (
                "Perm",
                &[
                    ("SrvID", FIXED),
                    ("Name", OPEN),
                    ("SrvURI", OPEN),
                    ("Auth/Noti/Type", OPEN),
                    ("Auth/Noti/Data", OPEN),
                    ("Auth/Noti/Secret", OPEN),
                    ("(x)/Auth/Noti/Secret?nv=(x)/SrvID:bench", OPEN),
                    ("*/Auth/Noti/Secret", [405, 200, 405]),
                    ("Auth/Trsp/Data", FIXED),
                    ("Auth/Trsp/Secret", CLOSED),
                    ("Auth/Bootstrap/ServerURI", FIXED),
                    ("Auth/Bootstrap/SecMode", FIXED),
                    ("Auth/Bootstrap/ClientPubKey", CLOSED),
                    ("Auth/Bootstrap/ServerPubKey", CLOSED),
                    ("Auth/Bootstrap/ClientSecretKey", CLOSED),
                    ("Perm/1/NoSuchNode", [404; 3]),
                ],
            ),
        };
        let nodes = nodes.iter().map(|(path, expected)| ((*path).to_owned(), *expected));
        let nodes: Vec<(String, [u64; 3])> = nodes.chain(closed(permissions)).collect();
        let account = move |account: &mut Account, _: &_| {
            account.profile = profile;
            account.auth = Auth::Basic("gw".to_owned(), "pass word".to_owned());
            if profile == Profile::Approved {
                account.data = Some("more".to_owned());
                account.extra += "bootstrap = { server-uri = \"https://b.example/\", sec-mode = \"AQ==\" }\n";
            }
        };
        let bench = Bench::with(Setup { account: Box::new(account), ..Setup::default() }).await;
        let other = Account {
            profile,
            origins: vec![bench.repository_server.origin()],
            secret: Some("others".to_owned()),
            ..Account::new("other", &format!("{}/other", bench.server.origin()), &bench.authority)
        };
        bench.gateway.put_account(&other).unwrap();
        let agent = bench.start().await;
        let commands = |miid: &str| {
            let three = nodes.iter().enumerate().map(|(at, (path, _))| {
                let uri = match path.starts_with(['(', '*']) {
                    true => format!("{DMACC}/{path}"),
                    false => format!("{DMACC}/{miid}/{path}"),
                };
                let value = match path.split('?').next().unwrap().rsplit('/').next().unwrap() {
                    "AuthType" | "Type" => json!(0),
                    "SrvURI" => json!(format!("{}/dm", bench.server.origin())),
                    _ => json!(BASE64_STANDARD.encode("new")),
                };
                let mut change = hget(&bench, &at.to_string(), "", value);
                change[2] = json!(uri);
                [json!(["GET", uri]), change, json!(["DELETE", uri])]
            });
            Value::Array(three.flatten().collect())
        };
        let statuses = session(&bench, &agent, commands(SERVER_ID)).await;
        for ((path, expected), found) in nodes.iter().zip(statuses.chunks(3)) {
            assert_eq!(found, expected, "{profile:?}: {path}");
        }

        // To another server there is no such account; the one that a letter or an asterisk finds is its own.
        bench.play(json!([commands(SERVER_ID)]));
        bench.send(&Notification::new("other", b"others", 1)).await;
        bench.ended(&agent, 2).await;
        assert_eq!(bench.tape.requests("dm").last().unwrap().path, "/other");
        let statuses = bench.statuses().pop().unwrap();
        for ((path, expected), found) in nodes.iter().zip(statuses.chunks(3)) {
            let expected = if path.starts_with('*') { expected } else { &[404; 3] };
            assert_eq!(found, expected, "{profile:?}: {path}, another server");
        }
        agent.stop().await;
    }
}

#[tokio::test]
async fn its_own_server_reads_the_secret_however_it_addresses_it() {
    for (profile, path, id) in [
        (Profile::Draft, "AuthNoti/AuthSecret", "ServerID"),
        (Profile::Approved, "Auth/Noti/Secret", "SrvID"),
    ] {
        let account = move |account: &mut Account, _: &_| account.profile = profile;
        let bench = Bench::with(Setup { account: Box::new(account), ..Setup::default() }).await;
        let agent = bench.start().await;
        let own = if profile == Profile::Draft { DMACC } else { APPROVED };
        let uris = [
            format!("{own}//{path}"),
            format!("{own}/{SERVER_ID}/{path}"),
            format!("{own}/{SERVER_ID}/{path}?lv=1"),
            format!("{own}/(x)/{path}?nv=(x)/{id}:{SERVER_ID}"),
            format!("{own}/(x)/{path}?nv=(x)/{id}:%62ench"),
            format!("{DMACC}//{path}"),
            format!("{DMACC}/{SERVER_ID}/{path}"),
        ];
        let gets: Vec<Value> = uris.iter().map(|uri| json!(["GET", uri])).collect();
        assert_eq!(session(&bench, &agent, json!(gets)).await, vec![200; uris.len()], "{profile:?}");
        for (at, uri) in uris.iter().enumerate() {
            assert_eq!(read(&bench, at + 1), SECRET, "{uri}");
        }
        // Never by what finds more than the leaf, or finds it by what it is.
        let guess = SECRET.replace(' ', "%20");
        let others = [
            format!("{own}/*/{path}"),
            format!("{own}/(x)/{path}?nv=(x)/{path}:{guess}"),
            format!("{own}/(x)/{id}?nv=(x)/{path}:{guess}"),
        ];
        let gets: Vec<Value> = others.iter().map(|uri| json!(["GET", uri])).collect();
        let statuses = session(&bench, &agent, json!(gets)).await;
        assert_eq!(statuses, [405, 404, 404], "{profile:?}");
        agent.stop().await;
    }
}

/// Its own server may GET it, alone; nothing else brings it anywhere.
#[tokio::test]
async fn a_secret_goes_to_no_repository() {
    for (profile, secret, group) in [
        (Profile::Draft, "AuthNoti/AuthSecret", "AuthNoti"),
        (Profile::Approved, "Auth/Noti/Secret", "Auth/Noti"),
    ] {
        let account = move |account: &mut Account, _: &_| account.profile = profile;
        let bench = Bench::with(Setup { account: Box::new(account), ..Setup::default() }).await;
        let agent = bench.start().await;
        let to = |path: &str| format!("{}/{path}", bench.repository_server.origin());
        let commands = json!([
            ["GET", node(secret)],
            ["HPUT", to("1"), node(secret)],
            ["HPOST", to("2"), node("Name"), node(secret)],
            ["HPUT", to("3"), node(group)],
            ["HPUT", to("4"), format!("{DMACC}/*/{group}")],
            ["HPOST", to("5")],
            ["SUB", node(secret), to("6")],
        ]);
        let last = if profile == Profile::Draft { 501 } else { 405 };
        let statuses = session(&bench, &agent, commands).await;
        assert_eq!(statuses, [200, 405, 405, 200, 200, 200, last], "{profile:?}");
        assert_eq!(read(&bench, 1), SECRET);
        let sent = bench.tape.requests("repository");
        let paths: Vec<&str> = sent.iter().map(|request| request.path.as_str()).collect();
        assert_eq!(paths, ["/3", "/4", "/5"]);
        for request in sent {
            let body = String::from_utf8(request.body.to_vec()).unwrap();
            assert!(body.contains(group.rsplit('/').next().unwrap()), "{body}");
            for form in [SECRET.to_owned(), BASE64_STANDARD.encode(SECRET)] {
                assert!(!body.contains(&form), "{body}");
            }
        }
        agent.stop().await;
    }
}

/// TS 12.1: what a server may not read together with the rest counts in the validator all the same.
#[tokio::test]
async fn a_new_secret_makes_what_a_server_holds_of_its_account_stale() {
    let bench = Bench::new().await;
    let agent = bench.start().await;
    assert_eq!(session(&bench, &agent, json!([["GET", node("")]])).await, [200]);
    let whole: Value = serde_json::from_str(&read(&bench, 1)).unwrap();
    let held = format!("{}?cv={}", node(""), whole["CV"].as_str().unwrap());
    let change = hget(&bench, "secret", "AuthNoti/AuthSecret", json!({"AuthSecret": "another"}));
    assert_eq!(session(&bench, &agent, json!([["GET", held], change, ["GET", held]])).await, [304, 200, 200]);
    let again: Value = serde_json::from_str(&read(&bench, 3)).unwrap();
    assert_eq!(again["MOData"], whole["MOData"], "nothing of it is seen");
    assert_ne!(again["CV"], whole["CV"]);
    agent.stop().await;
}

/// README, CONT: what an account keeps between its own origins and the device does not leave them.
#[tokio::test]
async fn in_a_package_that_leads_abroad_the_secret_is_not_told_and_nothing_is_changed() {
    let bench = Bench::new().await;
    let agent = bench.start().await;
    let change = hget(&bench, "name", "Name", json!({"Name": "Changed"}));
    let (secret, name) = (["GET", &node("AuthNoti/AuthSecret")], ["GET", &node("Name")]);
    let home = json!(["CONT", format!("{}/dm", bench.server.origin())]);
    let away = json!(["CONT", "https://elsewhere.example/dm"]);
    let own = json!([secret, change, name, home]);
    assert_eq!(session(&bench, &agent, own).await, [200, 200, 200, 200]);
    // Wherever in the package it stands; and a later one to the account's own origin does not undo it.
    for commands in [json!([secret, change, name, away, home]), json!([away, secret, change, name, home])] {
        let statuses = session(&bench, &agent, commands.clone()).await;
        let mut expected = vec![403, 403, 200, 200];
        expected.insert(if commands[0] == away { 0 } else { 3 }, 200);
        assert_eq!(statuses, expected, "{commands}");
        let position = if commands[0] == away { 2 } else { 1 };
        assert!(bench.packages().last().unwrap().part(position).is_none(), "{commands}");
    }
    assert_eq!(session(&bench, &agent, json!([secret])).await, [200], "the next package leads nowhere");
    agent.stop().await;
}
