//! What passes between the agent and a data repository over HTTP: formats, encodings, bounds, redirects.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use omadm_agent::lab::gateway::Account;
use omadm_agent::lab::{Options, Reply, Request, Server};
use omadm_agent::mo::tnds;
use omadm_agent::package::Profile;
use serde_json::{Value, json};

use crate::support;
use crate::support::{BENCH, Bench, DEVINFO, Setup, ddf};

const TNDS: &str = "application/vnd.syncml.dmtnds+xml";
const BOX: &str = "urn:x-omadm:mo:box:1.0";

fn node(path: &str) -> String {
    format!("{BENCH}//{path}")
}

/// A leaf of a DM 1.x document; without `format`, the DDF must say what the value is.
fn leaf(name: &str, format: &str, value: &str) -> String {
    let format = if format.is_empty() { String::new() } else { format!("<Format><{format}/></Format>") };
    format!(
        "<Node><NodeName>{name}</NodeName><RTProperties>{format}</RTProperties><Value>{value}</Value></Node>"
    )
}

fn tree(root: &str, moid: &str, inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD>\
         <Node><NodeName>{root}</NodeName><RTProperties><Format><node/></Format>\
         <Type><DDFName>{moid}</DDFName></Type></RTProperties>{inner}</Node></MgmtTree>"
    )
}

/// A server of this bench that answers as `handler` says; its origin is one of the account's.
async fn another(
    bench: &Bench,
    name: &'static str,
    handler: impl FnMut(&Request) -> Reply + Send + 'static,
) -> Server {
    let options = Options::new(name, bench.authority.server().unwrap(), &bench.tape);
    let server = Server::start(options, handler).await.unwrap();
    bench.list_origin(&server.origin());
    server
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn hget_takes_a_dm_1_document_wherever_it_takes_json() {
    let bench = Bench::playing(json!([
        [["HGET", "{repository}/whole", node("")], ["GET", node("Name")], ["GET", node("Number")]],
        [
            ["HGET", "{repository}/leaf", node("Name")],
            ["GET", node("Name")],
            ["HGET", "{repository}/half", node("")],
            ["HGET", "{repository}/stranger", node("")],
            ["HGET", "{repository}/elsewhere", node("Name")],
            ["HGET", "{repository}/broken", node("")],
            ["HGET", "{repository}/wbxml", node("")],
            ["GET", node("Name")],
        ],
    ]))
    .await;
    let put = |path: &str, inner: &str| bench.repository.put(path, TNDS, tree("Bench", BENCH, inner));
    put("/whole", &(leaf("Name", "", " a &lt;b&gt; ") + &leaf("Number", "int", "7")));
    put("/half", &(leaf("Name", "chr", "lost") + &leaf("Number", "chr", "7")));
    let xml = |root: &str| format!("<MgmtTree><VerDTD>1.2</VerDTD>{root}</MgmtTree>");
    bench.repository.put("/leaf", &format!("{TNDS}; charset=UTF-8"), xml(&leaf("Name", "chr", "one leaf")));
    bench.repository.put("/stranger", TNDS, tree("Bench", "urn:x-omadm:mo:other:1.0", ""));
    bench.repository.put("/elsewhere", TNDS, xml(&leaf("Number", "int", "9")));
    bench.repository.put("/broken", TNDS, "<MgmtTree><Node>");
    bench.repository.put("/wbxml", "application/vnd.syncml.dmtnds+wbxml", "\u{2}\u{0}");
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200, 200, 200], vec![200, 200, 500, 500, 500, 500, 415, 200]]);
    let packages = bench.packages();
    assert_eq!(packages[1].part(2).unwrap().body, b" a <b> ");
    assert_eq!(packages[1].part(3).unwrap().body, b"7");
    assert_eq!(packages[2].part(2).unwrap().body, b"one leaf");
    assert_eq!(packages[2].part(8).unwrap().body, b"one leaf", "nothing of what was refused is stored");
    let asked = bench.tape.requests("repository");
    let accept = asked[0].header("accept");
    assert_eq!(
        accept,
        "application/dmmo+json, application/vnd.oma.dm.mo+json, application/vnd.syncml.dmtnds+xml;q=0.8"
    );
    assert_eq!(asked[1].header("accept"), format!("{accept}, text/plain;q=0.5"));
    agent.stop().await;
}

#[tokio::test]
async fn a_dm_1_document_makes_an_instance_of_what_it_says_it_is_of() {
    let bench = Bench::new().await;
    put_box(&bench);
    bench.play(json!([
        [
            ["HGET", "{repository}/box"],
            ["HGET", "{repository}/fixed"],
            ["HGET", "{repository}/unknown"],
            ["HGET", "{repository}/anonymous"],
        ],
        [
            ["GET", format!("{BOX}//")],
            ["HGET", "{repository}/two"],
            ["GET", format!("{BOX}/*/Inner/first/Size")]
        ],
        [
            ["HGET", "{repository}/half"],
            ["HGET", "{repository}/two", format!("{BOX}/1/")],
            ["HGET", "{repository}/inner", format!("{BOX}/1/Inner")],
            ["GET", format!("{BOX}/1/Inner")],
            ["GET", format!("{BOX}/*/")]
        ],
    ]));
    let sized = |name: &str, size: &str| {
        let first = format!("<Node><NodeName>first</NodeName>{}</Node>", leaf("Size", "int", size));
        let inner = format!("<Node><NodeName>Inner</NodeName>{first}</Node>");
        let whole = tree(name, BOX, &inner);
        let from = whole.find("<Node>").unwrap();
        whole[from..].trim_end_matches("</MgmtTree>").to_owned()
    };
    let two = |size: &str| format!("<MgmtTree>{}{}</MgmtTree>", sized("A", "6"), sized("B", size));
    bench.repository.put("/two", TNDS, two("7"));
    bench.repository.put("/half", TNDS, two("seven"));
    let second = format!("<Node><NodeName>second</NodeName>{}</Node>", leaf("Size", "", "9"));
    let inner = format!("<MgmtTree><Node><NodeName>Inner</NodeName>{second}</Node></MgmtTree>");
    bench.repository.put("/inner", TNDS, inner);
    let flat = "<MgmtTree><Node><NodeName>OperatorX</NodeName><Path>./Vendor</Path>\
        <RTProperties><Type><DDFName>urn:x-omadm:mo:box:1.0</DDFName></Type></RTProperties></Node>\
        <Node><NodeName>Size</NodeName><Path>./Vendor/OperatorX/Inner/first</Path><Value>5</Value></Node>\
        <Node><NodeName>Blob</NodeName><Path>./Vendor/OperatorX</Path><Value>aGk=</Value></Node></MgmtTree>";
    bench.repository.put("/box", TNDS, flat);
    bench.repository.put("/fixed", TNDS, tree("Bench", BENCH, ""));
    bench.repository.put("/unknown", TNDS, tree("Box", "urn:x-omadm:mo:unknown:1.0", ""));
    bench.repository.put("/anonymous", TNDS, "<MgmtTree><Node><NodeName>Box</NodeName></Node></MgmtTree>");
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    // An instance for each root, or for none.
    assert_eq!(
        bench.statuses(),
        [vec![201, 405, 404, 500], vec![200, 201, 200], vec![500, 500, 200, 200, 200]]
    );
    let made = &bench.packages()[2];
    assert_eq!(made.json["Status"][1], json!([201, format!("{BOX}/2/"), format!("{BOX}/3/")]));
    let sizes: Value = serde_json::from_slice(&made.part(3).unwrap().body).unwrap();
    let sizes: Vec<&Value> = sizes.as_array().unwrap().iter().map(|one| &one["MOData"]["Size"]).collect();
    assert_eq!(sizes, [5, 6, 7]);
    let inner: Value = serde_json::from_slice(&bench.packages()[3].part(4).unwrap().body).unwrap();
    assert_eq!(
        inner["MOData"],
        json!({"Inner": {"first": {"Size": 5}, "second": {"Size": 9}}}),
        "a part of one"
    );
    let all: Value = serde_json::from_slice(&bench.packages()[3].part(5).unwrap().body).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 3);
    let shown: Value = serde_json::from_slice(&made.part(1).unwrap().body).unwrap();
    assert_eq!(shown["MOData"], json!({"Box": {"Blob": "aGk=", "Inner": {"first": {"Size": 5}}}}));
    agent.stop().await;
}

/// An object that servers create instances of.
fn put_box(bench: &Bench) {
    let described = |name: &str, format: &str, occurrence: &str, inner: &str| {
        ddf::node(name, format, "Add Get Replace", occurrence, inner)
    };
    let entry = described("", "node", "ZeroOrMore", &described("Size", "int", "One", ""));
    let inner = described("Inner", "node", "ZeroOrOne", &entry) + &described("Blob", "bin", "ZeroOrOne", "");
    let root = described("Box", "node", "ZeroOrMore", &inner);
    ddf::put(&bench.gateway, BOX, "Box", &root, "dynamic = true");
}

#[tokio::test]
async fn hput_sends_a_dm_1_document_where_the_server_asks_for_it() {
    let bench = Bench::new().await;
    let uri = format!("{}/x", bench.repository_server.origin());
    bench.answer([
        Reply::package(&json!({
            "SessionInfo": {"AcceptMO": format!("text/xml, {TNDS}, application/dmmo+json")},
            "CMD": [
                ["HPUT", uri, format!("{DEVINFO}//"), node("Operations"), node("Fixed")],
                ["HPOST", format!("{uri}/all")],
                ["GET", format!("{DEVINFO}//")],
            ],
        })),
        Reply::status(204),
    ]);
    let agent = bench.start().await;
    bench.notify().await;
    bench.until(&agent, "the answer", |exchanges| exchanges.len() >= 2).await;
    assert_eq!(bench.statuses(), [[200, 200, 200]]);
    let package = &bench.packages()[1];
    let shown = package.part(3).unwrap();
    assert_eq!(shown.content_type, "application/dmmo+json", "what is not sent to the repository stays JSON");
    let shown: Value = serde_json::from_slice(&shown.body).unwrap();

    let sent = bench.tape.requests("repository");
    assert!(sent.iter().all(|request| request.header("content-type") == TNDS));
    let roots = tnds::parse(&sent[0].body).unwrap();
    let names: Vec<_> = roots.iter().map(|root| root.name.as_str()).collect();
    assert_eq!(names, ["DevInfo", "Operations", "Fixed"]);
    assert_eq!(roots[0].path, format!("{DEVINFO}/1"));
    assert_eq!(roots[0].ddf_name.as_ref().unwrap(), DEVINFO);
    let man = roots[0].children.iter().find(|child| child.name == "Man").unwrap();
    assert_eq!(man.value.as_deref(), shown["MOData"]["DevInfo"]["Man"].as_str());
    assert_eq!(roots[2].value.as_deref(), Some("fixed"));
    let all = tnds::parse(&sent[1].body).unwrap();
    assert!(all.len() >= 4, "every instance has a root of its own");
    assert!(!String::from_utf8_lossy(&sent[1].body).contains(support::SECRET));
    agent.stop().await;
}

/// A repository that takes `takes` alone, and says `accept` to whoever brings something else.
async fn picky(bench: &Bench, takes: &'static str, accept: Option<&'static str>) -> Server {
    another(bench, "picky", move |request| match (request.header("content-type") == takes, accept) {
        (true, _) => Reply::status(201),
        (false, Some(accept)) => Reply::status(415).header("omadm-accept", accept),
        (false, None) => Reply::status(415),
    })
    .await
}

async fn refusals(profile: Profile) -> (Vec<u64>, Vec<String>) {
    let setup = Setup {
        account: Box::new(move |account: &mut Account, _| account.profile = profile),
        ..Setup::default()
    };
    let bench = Bench::with(setup).await;
    let wanted = "application/dmmo+json, text/xml, application/vnd.SyncML.dmtnds+xml;q=1";
    let willing = picky(&bench, TNDS, Some(wanted)).await;
    let strange = picky(&bench, "text/html", Some("text/html, application/dmmo+json")).await;
    let false_hope = picky(&bench, "text/html", Some(TNDS)).await;
    let silent = picky(&bench, TNDS, None).await;
    let hput = |server: &Server| json!(["HPUT", format!("{}/x", server.origin()), node("Fixed")]);
    let commands = [&willing, &strange, &false_hope, &silent].map(hput);
    bench.play(json!([commands]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    agent.stop().await;
    let requests = bench.tape.requests("picky");
    let types = requests.iter().map(|request| request.header("content-type").to_owned());
    (bench.statuses().remove(0), types.collect())
}

#[tokio::test]
async fn a_repository_that_refuses_a_format_is_offered_one_that_it_accepts() {
    const JSON: &str = "application/dmmo+json";
    let (statuses, types) = refusals(Profile::Draft).await;
    assert_eq!(statuses, [200, 500, 500, 500], "415 is said of HGET alone");
    assert_eq!(
        types,
        [JSON, TNDS, JSON, JSON, TNDS, JSON],
        "a refusal is answered once, and never with the same"
    );
}

#[tokio::test]
async fn the_approved_profile_calls_it_not_acceptable() {
    let (statuses, _) = refusals(Profile::Approved).await;
    assert_eq!(statuses, [200, 406, 406, 406]);
}

#[tokio::test]
async fn what_a_repository_sends_is_decoded_and_bounded_before_it_is_memory() {
    let bench = Bench::new().await;
    let server = another(&bench, "sized", |request| match request.path.as_str() {
        "/gzip" => Reply::ok("text/plain", gzip(b"unpacked")).header("content-encoding", "gzip"),
        "/bomb" => Reply::ok("text/plain", gzip(&vec![b'x'; 256 << 20])).header("content-encoding", "gzip"),
        "/large" => Reply::ok("text/plain", vec![b'x'; (4 << 20) + 1]),
        "/brotli" => Reply::ok("text/plain", "?").header("content-encoding", "br"),
        _ => Reply::ok("text/plain", "cut off").broken_off(),
    })
    .await;
    let at = |path: &str| json!(["HGET", format!("{}{path}", server.origin()), node("Name")]);
    let paths = ["/gzip", "/bomb", "/large", "/brotli", "/cut"].map(at);
    bench.play(json!([[["GET", node("Fixed")]], paths, [["GET", node("Name")]]]));
    let agent = bench.start().await;
    let before = agent.resident();
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200], vec![200, 500, 500, 500, 503], vec![200]]);
    assert_eq!(bench.packages()[3].part(1).unwrap().body, b"unpacked");
    assert!(bench.tape.requests("sized").iter().all(|request| request.header("accept-encoding") == "gzip"));
    let grown = agent.resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more after a bomb of 256 MiB");
    agent.stop().await;
}

/// 10 KB of gzip make megabytes of JSON, whose nodes would be a hundred times that in memory.
#[tokio::test]
async fn what_a_repository_sends_is_counted_before_it_is_memory() {
    const MOST: usize = 50_000;
    const MIB: usize = 1 << 20;
    let bench = Bench::new().await;
    put_box(&bench);
    let json = |inner: &str| format!("{{\"MOID\": \"{BOX}\", \"MOData\": {{\"Inner\": {inner}}}}}");
    let entries =
        |count| (0..count).map(|n| format!("\"{n}\":{{\"Size\":{n}}}")).collect::<Vec<_>>().join(",");
    let xml = |inner: &str| tree("Box", BOX, inner);
    let nodes = [
        json(&format!("[{}]", vec!["{\"\":0}"; 500_000].join(","))),
        json(&format!("{{{}}}", entries(MOST))),
        format!("[{}]", vec!["{\"MOData\":{\"\":0}}"; 200_000].join(",")),
        format!("[{}]", vec!["{}"; 1_000_000].join(",")),
        xml(&"<Node><NodeName>n</NodeName></Node>".repeat(110_000)),
        xml("").replace(
            "</MgmtTree>",
            &(0..20_000)
                .map(|n| {
                    format!("<Node><NodeName>n</NodeName><Path>Box/{n}{}</Path></Node>", "/n".repeat(60))
                })
                .chain(["</MgmtTree>".to_owned()])
                .collect::<String>(),
        ),
    ];
    let honest = json(&format!("{{{}}}", entries(MOST / 2 - 10)));
    let served: Vec<_> =
        nodes.iter().map(|body| gzip(body.as_bytes())).chain([gzip(honest.as_bytes())]).collect();
    let server = another(&bench, "sized", move |request| {
        let number: usize = request.path.trim_start_matches('/').parse().unwrap();
        let kind = if matches!(number, 4 | 5) { TNDS } else { "application/dmmo+json" };
        Reply::ok(kind, served[number].clone()).header("content-encoding", "gzip")
    })
    .await;
    let at = |number: usize| json!(["HGET", format!("{}/{number}", server.origin())]);
    bench.play(json!([[["GET", node("Fixed")]], [at(0), at(1), at(2), at(3), at(4), at(5)]]));
    let agent = bench.start().await;
    let before = agent.resident();
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [vec![200], vec![500, 506, 506, 500, 506, 506]]);
    let grown = agent.resident().saturating_sub(before);
    assert!(grown < 32 * MIB, "{grown} bytes more after what was refused");
    let peak = agent.peak().saturating_sub(before);
    assert!(peak < 64 * MIB, "{peak} bytes more while it was refused");
    bench.play(json!([[at(6)]]));
    bench.session(&agent, 2).await;
    assert_eq!(bench.statuses().pop().unwrap(), [201], "just below the bound");
    let grown = agent.resident().saturating_sub(before);
    assert!(grown < 32 * MIB, "{grown} bytes more after what was stored");
    agent.stop().await;
}

#[tokio::test]
async fn redirects_may_be_relative_and_never_lead_where_the_agent_would_not_go() {
    let bench = Bench::new().await;
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&bodies);
    let server = another(&bench, "hops", move |request| {
        seen.lock().unwrap().push((request.method.to_string(), request.path.clone(), request.body.len()));
        let location = |code: u16, to: &str| Reply::status(code).header("location", to);
        match request.path.as_str() {
            "/a/relative" => location(302, "../b/./c?d"),
            "/a/local" => location(301, "https://localhost:9/"),
            "/a/plain" => location(301, "http://repository.example/"),
            "/a/nowhere" => Reply::status(302),
            "/a/ftp" => location(302, "ftp://repository.example/"),
            "/a/nothing" => Reply::status(204),
            "/a/later" => Reply::status(408),
            "/a/refused" => Reply::status(410),
            "/a/see" => location(303, "/b/c"),
            "/a/moved" => location(308, "/b/c"),
            "/b/c" => Reply::ok("text/plain", "arrived"),
            _ => Reply::status(404),
        }
    })
    .await;
    let at = |path: &str| format!("{}/a/{path}", server.origin());
    bench.play(json!([[
        ["HGET", at("relative"), node("Name")],
        ["GET", node("Name")],
        ["HGET", at("local"), node("Name")],
        ["HGET", at("plain"), node("Name")],
        ["HGET", at("nowhere"), node("Name")],
        ["HPUT", at("moved"), node("Fixed")],
        ["HPUT", at("see"), node("Fixed")],
        ["HPUT", at("relative"), node("Fixed")],
        ["HPOST", at("moved"), node("Fixed")],
        ["HGET", at("ftp"), node("Name")],
        ["HGET", at("nothing"), node("Name")],
        ["HGET", at("later"), node("Name")],
        ["HGET", at("refused"), node("Name")],
        ["GET", node("Name")],
    ]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(
        bench.statuses(),
        [vec![200, 200, 403, 500, 500, 200, 500, 500, 200, 500, 500, 503, 500, 200]],
        "{}",
        agent.log()
    );
    assert_eq!(bench.packages()[1].part(14).unwrap().body, b"arrived");
    let bodies = bodies.lock().unwrap().clone();
    let puts: Vec<_> = bodies.iter().filter(|(method, ..)| method == "PUT").collect();
    assert_eq!(
        puts.iter().map(|(_, path, _)| path.as_str()).collect::<Vec<_>>(),
        ["/a/moved", "/b/c", "/a/see", "/a/relative"],
        "what may make a GET of it is not followed"
    );
    assert_eq!(puts[0].2, puts[1].2, "the body goes along");
    agent.stop().await;
}

#[tokio::test]
async fn a_date_to_come_back_at_is_waited_for() {
    let bench = Bench::new().await;
    let date = |from_now| httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(from_now));
    bench.answer([
        Reply::status(503).header("retry-after", &date(3)),
        Reply::status(503).header("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
        Reply::status(204),
    ]);
    let agent = bench.start().await;
    bench.notify().await;
    bench.until(&agent, "three requests", |exchanges| exchanges.len() >= 3).await;
    let requests = bench.tape.requests("dm");
    let waited = requests[1].at.duration_since(requests[0].at).unwrap();
    assert!(waited >= Duration::from_millis(1500), "a date has whole seconds: {waited:?}");
    agent.stop().await;
}

#[tokio::test]
async fn the_next_session_resumes_the_tls_session_of_the_last() {
    let bench = Bench::playing(json!([[["GET", node("Fixed")]]])).await;
    bench.play(json!([[["GET", node("Fixed")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    bench.session(&agent, 2).await;
    let requests = bench.tape.requests("dm");
    let mut handshakes: Vec<_> = requests.iter().map(|r| (r.connection, r.tls.unwrap().resumed)).collect();
    handshakes.dedup();
    assert_eq!(handshakes, [(1, false), (2, true)], "a connection a session, and one full handshake");
    agent.stop().await;
}
