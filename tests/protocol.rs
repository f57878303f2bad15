//! What the TS asks of a client on the wire, where no other file's story tells it.

use omadm_agent::bearer::ConnectionType;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::lab::{Options, Reply, Request, Server, files};
use omadm_agent::store::{DefaultSource, Store};
use serde_json::{Value, json};

use crate::support;
use crate::support::{BENCH, Bench, DEVINFO, DMACC, SESSIONINFO, Setup, commands, ddf, network};

const CRATE: &str = "urn:bench:mo:crate:1.0";
const IMAGE: &str = "urn:bench:mo:image:1.0";
/// Bytes that are neither text nor JSON.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\xff";

fn node(path: &str) -> String {
    format!("{BENCH}//{path}")
}

fn configured(config: &str) -> Setup {
    Setup { config: config.to_owned(), ..Setup::default() }
}

/// An object of one leaf; `head` goes into its mapping.
fn put_object(bench: &Bench, moid: &str, root: &str, leaf: &str, head: &str) {
    let described = ddf::node(root, "node", "Get Delete Replace", "ZeroOrMore", leaf);
    ddf::put(&bench.gateway, moid, root, &described, head);
}

fn leaf(name: &str, format: &str, mime: &str) -> String {
    ddf::of_types(&[mime], &ddf::node(name, format, "Get Replace", "One", ""))
}

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[tokio::test]
async fn every_command_counts_its_parameters() {
    let (client, server) = (node("Fixed"), "{repository}/x");
    let bench = Bench::playing(json!([[
        ["GET"],
        ["GET", client, client],
        ["HGET"],
        ["HGET", server, client, client],
        ["HPUT"],
        ["HPOST"],
        ["DELETE"],
        ["DELETE", client, client],
        ["EXEC"],
        ["EXEC", node("Operations/Count"), server, server],
        ["SHOW"],
        ["SHOW", server, server],
        ["CONT"],
        ["CONT", server, server],
        ["DEFAULT"],
        ["DEFAULT", server],
        ["DEFAULT", server, BENCH, BENCH],
        ["END", "x"],
    ]]))
    .await;
    let agent = bench.start().await;
    bench.notify().await;
    // An END that is none ends nothing.
    bench.until(&agent, "the END behind it", |exchanges| exchanges.len() >= 2).await;
    assert_eq!(bench.statuses(), [vec![400; 18]]);
    assert!(bench.tape.requests("repository").is_empty());
    assert_eq!(bench.counted(), 0);
    agent.stop().await;
}

#[tokio::test]
async fn a_slow_command_holds_up_those_behind_it() {
    let bench = Bench::with(configured("[exec]\nsync-limit = \"30s\"\n")).await;
    let count = node("Operations/Count");
    bench.play(json!([[["EXEC", count], ["EXEC", node("Operations/Late")], ["EXEC", count]]]));
    let agent = bench.start().await;
    bench.notify().await;
    // The pipe opens when the slow one has begun to read it.
    let pipe = bench.gateway.path("pipe");
    let open = move || std::fs::OpenOptions::new().write(true).open(pipe);
    let mut pipe = tokio::task::spawn_blocking(open).await.unwrap().unwrap();
    assert_eq!(bench.counted(), 1, "the one before it has ended, the one behind it has not begun");
    std::io::Write::write_all(&mut pipe, b"0\n").unwrap();
    drop(pipe);
    bench.ended(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 200, 200]]);
    assert_eq!(bench.counted(), 2);
    agent.stop().await;
}

#[tokio::test]
async fn what_hget_creates_gets_its_miid_from_the_agent() {
    let bench = Bench::playing(json!([
        [
            ["HGET", "{repository}/one"],
            ["HGET", "{repository}/two"],
            ["HGET", "{repository}/bench"],
            ["HGET", "{repository}/one", format!("{CRATE}/9/")],
            ["GET", format!("{CRATE}/1/Text")],
            ["GET", format!("{CRATE}/2/Text")],
        ],
        [
            ["DELETE", format!("{CRATE}/1/")],
            ["GET", format!("{CRATE}/1/Text")],
            ["GET", format!("{CRATE}//Text")]
        ],
    ]))
    .await;
    put_object(&bench, CRATE, "Crate", &leaf("Text", "chr", "text/plain"), "dynamic = true");
    let put = |path: &str, document: Value| {
        bench.repository.put(path, "application/dmmo+json", document.to_string());
    };
    put("/one", json!({"MOID": CRATE, "MIID": "77", "MOData": {"Crate": {"Text": "first"}}}));
    // Only its ClientURI says where it belongs.
    put("/two", json!({"ClientURI": format!("{CRATE}/55/"), "MOData": {"Crate": {"Text": "second"}}}));
    put("/bench", json!({"MOID": BENCH, "MOData": {"Bench": {"Name": "x"}}}));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![201, 201, 405, 404, 200, 200], vec![200, 404, 200]]);
    let created = &bench.packages()[1];
    assert_eq!(created.json["Status"][0], json!([201, format!("{CRATE}/1/")]));
    assert_eq!(created.json["Status"][1], json!([201, format!("{CRATE}/2/")]));
    assert_eq!(created.part(5).unwrap().body, b"first");
    assert_eq!(created.part(6).unwrap().body, b"second");
    assert_eq!(bench.packages()[2].part(3).unwrap().body, b"second", "the only one that is left");
    agent.stop().await;
}

#[tokio::test]
async fn a_binary_leaf_travels_in_its_own_media_type() {
    let data = format!("{IMAGE}//Data");
    let bench = Bench::playing(json!([[
        ["HGET", "{repository}/png", data],
        ["GET", data],
        ["HPUT", "{repository}/put", data],
        ["HGET", "{repository}/jpeg", data],
        ["HGET", "{repository}/base64", data],
        ["GET", data],
    ]]))
    .await;
    put_object(&bench, IMAGE, "Image", &leaf("Data", "bin", "image/png"), "instances = [\"1\"]");
    bench.repository.put("/png", "image/png", PNG);
    bench.repository.put("/jpeg", "image/jpeg", PNG);
    bench.repository.put("/base64", "application/dmmo+json", json!({"MOData": {"Data": "AP8="}}).to_string());
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 200, 200, 415, 200, 200]]);
    let package = &bench.packages()[1];
    let first = package.part(2).unwrap();
    assert_eq!((first.content_type.as_str(), first.body.as_slice()), ("image/png", PNG));
    let put = json_of(&bench.repository.get("/put").unwrap().body);
    assert_eq!(put[0]["MOData"], json!({"Data": "iVBORw0KGgoA/w=="}), "within JSON it is base64");
    assert_eq!(package.part(6).unwrap().body, b"\0\xff");
    agent.stop().await;
}

#[tokio::test]
async fn accept_says_what_can_be_stored() {
    let types = ["application/dmmo+json", "application/vnd.oma.dm.mo+json", "text/plain"];
    let bench = Bench::playing(json!([[
        ["HGET", "{repository}/0", node("Name")],
        ["HGET", "{repository}/1", node("Name")],
        ["HGET", "{repository}/2", node("Name")],
        ["HGET", "{repository}/2", node("")],
        ["HGET", "{repository}/2"],
    ]]))
    .await;
    let document = json!({"MOData": {"Name": "n"}}).to_string();
    for (path, media_type) in ["/0", "/1", "/2"].into_iter().zip(types) {
        bench.repository.put(path, media_type, document.clone());
    }
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 200, 200, 415, 415]]);
    for (at, request) in bench.tape.requests("repository").iter().enumerate() {
        let accept = request.header("accept");
        assert!(accept.contains(types[0]) && accept.contains(types[1]), "{accept}");
        assert_eq!(accept.contains(types[2]), at < 3, "only a leaf takes its own type: {accept}");
    }
    agent.stop().await;
}

#[tokio::test]
async fn a_browser_that_stays_open_holds_up_nothing() {
    let bench = Bench::with(configured("[show]\nbrowser = [\"@folder@/late\", \"@folder@/pipe\"]\n")).await;
    bench.play(json!([[["SHOW", "https://portal.example/"], ["GET", node("Fixed")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 200]]);
    // It has been reading all the while: nobody else opens that pipe.
    bench.release(0).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_browser_that_does_not_start_is_no_obstacle() {
    let bench = Bench::with(configured("[show]\nbrowser = [\"/no/such/browser\"]\n")).await;
    let show = |scheme: &str| json!(["SHOW", format!("{scheme}://portal.example/")]);
    bench.play(json!([[show("https"), show("http"), ["GET", node("Fixed")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![500, 500, 200]], "either scheme is good for a browser");
    agent.stop().await;
}

#[tokio::test]
async fn what_a_query_adds_for_others_is_ignored() {
    let bench = Bench::playing(json!([[
        ["GET", node("Fixed?vendor=1&flag&Levels=1")],
        ["EXEC", node("Operations/Count?lv=1&cv=x")],
        ["HGET", "{repository}/name", node("Name?lv=1&cv=x")],
        ["DELETE", node("Fixed?lv=1&cv=x")],
        ["GET", node("Name")],
    ]]))
    .await;
    bench.repository.put("/name", "text/plain", "n");
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 200, 200, 405, 200]]);
    assert_eq!(bench.counted(), 1);
    assert_eq!(bench.packages()[1].part(5).unwrap().body, b"n");
    agent.stop().await;
}

#[tokio::test]
async fn a_broken_query_is_400() {
    let fields = ["lv=0", "lv=-1", "lv=x", "lv=1&lv=2", "cv=a&cv=b", "nv=ID:1"];
    let mut commands: Vec<Value> =
        fields.iter().map(|field| json!(["GET", node(&format!("?{field}"))])).collect();
    for path in ["(x)/", "(xy)/?nv=(xy)/ID:1", "(x)/(x)?nv=(x)/ID:1", "(1)/?nv=(1)/ID:1"] {
        commands.push(json!(["GET", format!("{BENCH}/{path}")]));
    }
    let bench = Bench::playing(json!([commands])).await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![400; 10]]);
    agent.stop().await;
}

#[tokio::test]
async fn levels_are_cut_in_what_is_sent_to_a_repository() {
    let bench = Bench::playing(json!([[
        ["HPUT", "{repository}/cut", format!("{DMACC}//?lv=1")],
        ["HPOST", "{repository}/whole", format!("{DMACC}//")],
    ]]))
    .await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 200]]);
    let sent = |path: &str| json_of(&bench.repository.get(path).unwrap().body)[0]["MOData"]["DMAcc"].clone();
    assert_eq!(sent("/cut")["AuthNoti"], json!({}));
    assert_eq!(sent("/whole")["AuthNoti"], json!({"AuthType": 0}));
    assert_eq!(sent("/cut")["ServerID"], support::SERVER_ID);
    agent.stop().await;
}

/// A machine that runs tests has no modem.
#[tokio::test]
async fn a_device_without_a_network_has_no_network_codes() {
    let bench =
        Bench::playing(json!([[["HPUT", "{repository}/[MNC]/[MCC]/[CMNC]/[CMCC]?[SPName]", node("Fixed")]]]))
            .await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.tape.requests("repository")[0].target(), "/-1/-1/-1/-1?-1");
    agent.stop().await;
}

#[tokio::test]
async fn the_codes_of_networks_and_the_providers_name_are_what_their_sources_say_for_each_session() {
    let config = "[subscriber]\nMCC.get = { value = \"262\" }\nMNC.get = { value = \"01\" }\n\
                  CMCC.get = { file = \"@folder@/cmcc\" }\nCMNC.get = { file = \"@folder@/cmnc\" }\n\
                  SPName.get = { value = \"\u{c4} & Co/1\" }\n";
    let bench = Bench::with(configured(config)).await;
    let network = |mcc: &str, mnc: &str| {
        files::put(&bench.gateway.path("cmcc"), format!("{mcc}\n"), files::PLAIN).unwrap();
        files::put(&bench.gateway.path("cmnc"), format!("{mnc}\n"), files::PLAIN).unwrap();
    };
    let command = json!(["HPUT", "{repository}/[MCC]/[MNC]/[CMCC]/[CMNC]?[SPName]&[DevID]", node("Fixed")]);
    network("208", "010");
    bench.play(json!([[command]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    network("310", "03");
    bench.play(json!([[command]]));
    bench.session(&agent, 2).await;
    std::fs::remove_file(bench.gateway.path("cmcc")).unwrap();
    std::fs::remove_file(bench.gateway.path("cmnc")).unwrap();
    bench.play(json!([[command]]));
    bench.session(&agent, 3).await;
    let device = bench.tape.requests("dm")[0].header("omadm-devid").to_owned();
    let targets: Vec<_> = bench.tape.requests("repository").iter().map(Request::target).collect();
    let expected = ["208/010", "310/03", "-1/-1"]
        .map(|network| format!("/262/01/{network}?%C3%84%20%26%20Co%2F1&{device}"));
    assert_eq!(targets, expected);
    agent.stop().await;
}

#[tokio::test]
async fn the_session_tells_what_carries_it() {
    let bench = Bench::playing(json!([[
        ["GET", format!("{SESSIONINFO}//")],
        ["GET", format!("{SESSIONINFO}//CBT")],
        ["HGET", "{repository}/one", format!("{SESSIONINFO}//CBT")],
        ["HGET", "{repository}/one", format!("{SESSIONINFO}//ROAMING")],
        ["EXEC", format!("{SESSIONINFO}//CBT")],
        ["DELETE", format!("{SESSIONINFO}//")],
    ]]))
    .await;
    bench.repository.put("/one", "text/plain", "1");
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 200, 405, 405, 405, 405]], "its DDF says No Replace");
    let package = &bench.packages()[1];
    let whole = json_of(&package.part(1).unwrap().body);
    assert_eq!(whole["MOData"], json!({"SessionInfoMO": {"CBT": 0, "ROAMING": 2}}), "loopback is no bearer");
    assert_eq!(package.part(2).unwrap().body, b"0");
    agent.stop().await;
}

#[tokio::test]
async fn a_node_without_content_is_204() {
    let nothing = "urn:bench:mo:nothing:1.0//Null";
    let bench =
        Bench::playing(json!([[["GET", node("Name")], ["GET", node("Operations")], ["GET", nothing]]])).await;
    let mapping = "instances = [\"1\"]\n[node.Null]\nget = { value = \"\" }";
    put_object(&bench, "urn:bench:mo:nothing:1.0", "Nothing", &leaf("Null", "null", "text/plain"), mapping);
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![204, 204, 204]]);
    let sent = &bench.tape.requests("dm")[1];
    assert_eq!(sent.header("content-type"), "application/vnd.oma.dm.response+json");
    agent.stop().await;
}

#[tokio::test]
async fn permissions_are_exposed_to_nobody() {
    let bench = Bench::playing(json!([[
        ["GET", format!("{DMACC}//Permissions")],
        ["HPUT", "{repository}/put", format!("{DMACC}//Permissions")],
        ["HGET", "{repository}/document", format!("{DMACC}//Permissions")],
        ["DELETE", format!("{DMACC}//Permissions")],
        ["GET", format!("{DMACC}//")],
        ["HPUT", "{repository}/all"],
    ]]))
    .await;
    let more = json!({"MOData": {"Permissions": {"x": {"MOID": "*"}}}});
    bench.repository.put("/document", "application/dmmo+json", more.to_string());
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[405, 405, 405, 405, 200, 200]]);
    let package = &bench.packages()[1];
    assert!(!String::from_utf8_lossy(&package.part(5).unwrap().body).contains("Permissions"));
    assert!(!String::from_utf8_lossy(&bench.repository.get("/all").unwrap().body).contains("Permissions"));
    agent.stop().await;
}

#[tokio::test]
async fn one_default_is_kept_for_each_moid_and_the_newest_counts() {
    let bench = Bench::playing(json!([[
        ["DEFAULT", "{repository}/bench", BENCH],
        ["DEFAULT", "{repository}/devinfo/[MCC]", DEVINFO],
        ["DEFAULT", "{repository}/newer", BENCH],
    ]]))
    .await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200; 3]]);
    agent.kill().await;
    let store = Store::open(&bench.gateway.path("state")).unwrap().store;
    let snapshot = store.snapshot().unwrap();
    let kept = |moid: &str| {
        let DefaultSource { server_id, server_uri } = snapshot.default_uri(&moid.into()).unwrap().unwrap();
        (server_id, server_uri.replace(&bench.repository_server.origin(), ""))
    };
    let own = |uri: &str| (support::SERVER_ID.into(), uri.to_owned());
    assert_eq!((kept(BENCH), kept(DEVINFO)), (own("/newer"), own("/devinfo/[MCC]")));
    assert_eq!(snapshot.default_uri(&DMACC.into()).unwrap(), None);
}

#[tokio::test]
async fn the_examples_of_the_ts_name_devinfo_by_an_older_moid() {
    let older = DEVINFO.replace(":1.2", ":1.0");
    let bench = Bench::playing(json!([[["GET", format!("{older}//DevID")]]])).await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let device = bench.tape.requests("dm")[0].header("omadm-devid").to_owned();
    assert_eq!(bench.packages()[1].part(1).unwrap().body, device.as_bytes());
    agent.stop().await;
}

#[tokio::test]
async fn commands_of_older_drafts_are_unknown() {
    let bench = Bench::playing(json!([[
        ["INCLUDE", node("Fixed")],
        ["PUT", "{repository}/x", node("Fixed")],
        ["POST", "{repository}/x", node("Fixed")],
        ["GET", "{repository}/x", node("Fixed")],
        ["HPUT", "{repository}/x", "*"],
    ]]))
    .await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![501, 501, 501, 400, 400]]);
    assert!(bench.tape.requests("repository").is_empty());
    agent.stop().await;
}

#[tokio::test]
async fn a_repository_that_is_down_or_busy_is_503() {
    let bench = Bench::new().await;
    let options = |name| Options::new(name, bench.authority.server().unwrap(), &bench.tape);
    let busy = Server::start(options("busy"), |request| match request.path.as_str() {
        "/429" => Reply::status(429),
        "/closed" => Reply::closed(),
        _ => Reply::status(500),
    });
    let busy = busy.await.unwrap();
    let down = Server::start(options("down"), |_| Reply::status(204)).await.unwrap().origin();
    bench.list_origin(&busy.origin());
    bench.list_origin(&down);
    let name = node("Name");
    let at = |path: &str| format!("{}{path}", busy.origin());
    bench.play(json!([[
        ["HGET", at("/500"), name],
        ["HGET", at("/429"), name],
        ["HGET", at("/closed"), name],
        ["HGET", format!("{down}/x"), name],
        ["HPUT", at("/500"), node("Fixed")],
    ]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![503; 5]]);
    agent.stop().await;
}

#[tokio::test]
async fn a_leaf_without_a_media_type_is_plain_text() {
    let text = "urn:bench:mo:text:1.0//Text";
    let bench = Bench::playing(json!([[["HGET", "{repository}/text", text], ["GET", text]]])).await;
    let described = leaf("Text", "chr", "?").replace("<DFType><MIME>?</MIME></DFType>", "");
    put_object(&bench, "urn:bench:mo:text:1.0", "Text", &described, "instances = [\"1\"]");
    bench.repository.put("/text", "text/plain;charset=utf-8", "plain");
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 200]]);
    let part = bench.packages()[1].part(2).unwrap().clone();
    assert_eq!((part.content_type.as_str(), part.body.as_slice()), ("text/plain", &b"plain"[..]));
    let accept = bench.tape.requests("repository")[0].header("accept").to_owned();
    assert!(accept.ends_with(", text/plain;q=0.5"), "{accept}");
    agent.stop().await;
}

#[tokio::test]
async fn cont_moves_the_session_until_another_cont_moves_it_again() {
    let bench = Bench::new().await;
    let own = bench.server.origin();
    let get = || json!(["GET", node("Fixed")]);
    let mut answers = [
        commands(json!([get()])),
        commands(json!([])),
        commands(json!([["CONT", format!("{own}/back?[DevID]")], get()])),
    ]
    .into_iter();
    let options = Options::new("elsewhere", bench.authority.server().unwrap(), &bench.tape);
    let answer = move |_: &Request| answers.next().unwrap_or_else(|| Reply::status(404));
    let elsewhere = Server::start(options, answer).await.unwrap();
    bench.list_origin(&elsewhere.origin());
    bench.play(json!([[get()], [["CONT", format!("{}/there", elsewhere.origin())], get()], [get()]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let device = bench.tape.requests("dm")[0].header("omadm-devid").to_owned();
    let exchanges = bench.tape.exchanges();
    let paths: Vec<_> = exchanges.iter().map(|exchange| exchange.request.target()).collect();
    let (first, back) = (format!("/dm?id={device}"), format!("/back?{device}"));
    let there = || "/there".to_owned();
    assert_eq!(paths, [first.clone(), first, there(), there(), there(), back.clone(), back]);
    assert!(exchanges.iter().skip(1).all(|exchange| !exchange.request.is_initiation()), "one session");
    assert!(exchanges.iter().all(|exchange| exchange.request.header("omadm-devid") == device));
    agent.stop().await;
}

#[tokio::test]
async fn nothing_that_is_dropped_is_answered() {
    let bench = Bench::new().await;
    let agent = bench.start().await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let good = bench.notification();
    let forged = Notification { secret: b"a guess".to_vec(), ..good.clone() }.datagram().unwrap();
    let datagrams: [&[u8]; 4] = [b"", b"\x01\x06\x03\xc4\xaf\x84", &forged[..9], &forged];
    for datagram in datagrams {
        socket.send_to(datagram, bench.udp).await.unwrap();
    }
    // It comes after the others, and from the same place.
    socket.send_to(&good.datagram().unwrap(), bench.udp).await.unwrap();
    bench.ended(&agent, 1).await;
    let heard = socket.try_recv_from(&mut [0; 100]).unwrap_err();
    assert_eq!(heard.kind(), std::io::ErrorKind::WouldBlock);
    agent.stop().await;
}

#[tokio::test]
async fn a_session_waits_until_a_preferred_connection_comes_up() {
    network::of_its_own("a_session_waits_until_a_preferred_connection_comes_up", async {
        network::run("mount -t sysfs sysfs /sys").await;
        let bench = Bench::new().await;
        let mut agent = bench.start().await;
        bench.send(&Notification { preferred: vec![ConnectionType::Wireline], ..bench.notification() }).await;
        agent.logged("that it waits", |line| line.contains("waiting for a preferred connection type")).await;
        assert!(bench.packages().is_empty());
        network::run("ip link add e0 type veth peer name e1; ip addr add 192.0.2.1/24 dev e0").await;
        network::run("ip link set e1 up; ip link set e0 up").await;
        bench.ended(&agent, 1).await;
        agent.stop().await;
    })
    .await;
}

/// All goes by an interface that is named as modems are, then by one that is named as no modem is.
#[tokio::test]
async fn the_session_tells_what_carries_it_and_whether_that_roams() {
    network::of_its_own("the_session_tells_what_carries_it_and_whether_that_roams", async {
        network::run(
            "mount -t sysfs sysfs /sys; ip link add wwan0 type veth peer name e0; \
         ip link set wwan0 up; ip link set e0 up; \
         ip addr del 127.0.0.1/8 dev lo; ip addr add 127.0.0.2/8 dev lo; ip addr add 127.0.0.1/32 dev wwan0",
        )
        .await;
        let config = "[subscriber]\nMCC.get = { value = \"262\" }\nMNC.get = { value = \"01\" }\n\
                  CMCC.get = { value = \"262\" }\nCMNC.get = { file = \"@folder@/cmnc\" }\n";
        let bench = Bench::with(configured(config)).await;
        let agent = bench.start().await;
        let mut told = Vec::new();
        for (session, network) in ["01", "02", "", "02"].into_iter().enumerate() {
            files::put(&bench.gateway.path("cmnc"), network, files::PLAIN).unwrap();
            if session == 3 {
                network::run("ip addr del 127.0.0.1/32 dev wwan0; ip addr add 127.0.0.1/32 dev e0").await;
            }
            bench.play(json!([[["GET", format!("{SESSIONINFO}//")]]]));
            bench.session(&agent, session + 1).await;
            let whole = json_of(&bench.packages().last().unwrap().part(1).unwrap().body);
            let info = &whole["MOData"]["SessionInfoMO"];
            told.push((info["CBT"].as_u64().unwrap(), info["ROAMING"].as_u64().unwrap()));
        }
        assert_eq!(
            told,
            [(1, 0), (1, 1), (1, 2), (3, 2)],
            "home, abroad, nobody knows; a wire roams nowhere"
        );

        // The same goes with Package#1, before anything was sent.
        network::run("ip addr del 127.0.0.1/32 dev e0; ip addr add 127.0.0.1/32 dev wwan0").await;
        bench.play(json!([]));
        bench.send(&Notification { request_mos: true, ..bench.notification() }).await;
        bench.ended(&agent, 5).await;
        let first = bench.packages().pop().unwrap();
        let listed = first.json["MOS"].as_array().unwrap().iter().position(|mo| mo["MOID"] == SESSIONINFO);
        let requested = vec![(u16::try_from(listed.unwrap()).unwrap(), b"none".to_vec())];
        bench.play(json!([]));
        bench.send(&Notification { requested, ..bench.notification() }).await;
        bench.ended(&agent, 6).await;
        let first = bench.packages().pop().unwrap();
        assert_eq!(first.json["MOD"][0]["MOData"], json!({"SessionInfoMO": {"CBT": 1, "ROAMING": 1}}));
        let mut connections: Vec<_> =
            bench.tape.requests("dm").iter().map(|request| request.connection).collect();
        connections.dedup();
        assert_eq!(connections.len(), 6, "one a session, that one included");
        agent.stop().await;
    })
    .await;
}
