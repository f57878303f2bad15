//! SUB and UNSUB of the approved profile, seen from the servers and the data repository.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use omadm_agent::lab::gateway::Account;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::lab::tape::Request;
use omadm_agent::lab::{Options, Reply, Script, Server, files};
use omadm_agent::package::Profile;
use serde_json::{Value, json};

use crate::support::figure::{figure, put_figure};
use crate::support::tools::put_script;
use crate::support::{Agent, BENCH, Bench, DMACC, LIMIT, SECRET, SERVER_ID, Setup, commands, ddf};

/// An object whose leaves come from the store, a file, and a program.
const WATCHED: &str = "urn:x-omadm:mo:watched:1.0";
const SECOND: &str = "second";

/// A bench with a repository of its own for what is subscribed to, and a second server.
pub(crate) struct Rig {
    /// The agent's machine, and its servers.
    pub(crate) bench: Bench,
    /// What the repository answers to the next requests; 204 after that.
    replies: Arc<Mutex<VecDeque<Reply>>>,
    target: String,
    second: Arc<Mutex<Script>>,
    _servers: [Server; 2],
}

impl Rig {
    /// Makes one, with this in the agent's configuration besides.
    pub(crate) async fn new(config: &str) -> Self {
        Self::of(Profile::Approved, config).await
    }

    async fn of(profile: Profile, config: &str) -> Self {
        let bench = Bench::with(Setup {
            config: config.to_owned(),
            account: Box::new(move |account, _| account.profile = profile),
            ..Setup::default()
        })
        .await;
        put_watched_object(&bench);
        let options = |name| Options::new(name, bench.authority.server().unwrap(), &bench.tape);

        let replies = Arc::new(Mutex::new(VecDeque::new()));
        let next = Arc::clone(&replies);
        let answer =
            move |_: &Request| next.lock().unwrap().pop_front().unwrap_or_else(|| Reply::status(204));
        let repository = Server::start(options("watched"), answer).await.unwrap();
        bench.list_origin(&repository.origin());

        let second = Arc::new(Mutex::new(Script::default()));
        let player = Arc::clone(&second);
        let answer = move |request: &Request| player.lock().unwrap().answer(request);
        let server = Server::start(options(SECOND), answer).await.unwrap();
        let account = Account {
            origins: vec![repository.origin(), bench.repository_server.origin()],
            secret: Some(SECRET.to_owned()),
            profile,
            ..Account::new(SECOND, &format!("{}/dm", server.origin()), &bench.authority)
        };
        bench.gateway.put_account(&account).unwrap();
        let target = format!("{}/there?id=[DevID]", repository.origin());
        Self { bench, replies, target, second, _servers: [repository, server] }
    }

    /// A session with the account's server; returns the statuses.
    async fn session(&self, agent: &Agent, package: Value) -> Vec<u64> {
        let before = self.bench.statuses().len();
        self.bench.play(json!([package]));
        self.bench.notify().await;
        self.bench
            .until(agent, "a session", |_| {
                let requests = self.bench.tape.requests("dm");
                let responses = requests.iter().filter(|request| !request.is_initiation());
                responses.count() > before
            })
            .await;
        self.bench.statuses().remove(before)
    }

    /// Likewise with the second server.
    async fn second_session(&self, agent: &Agent, package: Value) -> Vec<u64> {
        let responses = || {
            let requests = self.bench.tape.requests(SECOND).into_iter();
            requests.filter(|request| !request.is_initiation()).collect::<Vec<_>>()
        };
        let before = responses().len();
        self.second.lock().unwrap().push([commands(package)]);
        let id = u16::try_from(before).unwrap() + 1000;
        self.bench.send(&Notification::new(SECOND, SECRET.as_bytes(), id)).await;
        let heard = self.bench.tape.until(LIMIT, |_| responses().len() > before).await;
        assert!(heard, "{}", agent.log());
        responses()[before].package().unwrap().statuses()
    }

    /// Has the server subscribe.
    pub(crate) async fn subscribe(&self, agent: &Agent, client_uri: &str) {
        assert_eq!(self.session(agent, json!([["SUB", client_uri, self.target]])).await, [200]);
    }

    /// Has the second server change a stored leaf.
    async fn change(&self, agent: &Agent, client_uri: &str, value: &str) {
        self.bench.repository.put("/value", "text/plain", value.to_owned());
        let from = format!("{}/value", self.bench.repository_server.origin());
        assert_eq!(self.second_session(agent, json!([["HGET", from, client_uri]])).await, [200]);
    }

    /// What was put so far, as requests.
    pub(crate) fn puts(&self) -> Vec<Request> {
        self.bench.tape.requests("watched")
    }

    /// The data of what was put so far: of each the leaf's value.
    pub(crate) fn values(&self) -> Vec<Value> {
        self.puts().iter().map(value).collect()
    }

    /// Waits until the last that was put says this.
    pub(crate) async fn arrives(&self, agent: &Agent, wanted: &Value) {
        let arrived = self.bench.tape.until(LIMIT, |_| self.values().last() == Some(wanted)).await;
        assert!(arrived, "{wanted} does not arrive: {:?}\n{}", self.values(), agent.log());
    }

    fn file(&self) -> PathBuf {
        self.bench.gateway.path("values/of/file")
    }

    fn program_says(&self, text: &str) {
        self.replace(&self.bench.gateway.path("said"), text);
    }

    /// The file's content is this, from one moment to the next.
    fn put(&self, text: &str) {
        self.replace(&self.file(), text);
    }

    fn replace(&self, file: &Path, text: &str) {
        let beside = self.bench.gateway.path("beside");
        files::put(&beside, text, files::PLAIN).unwrap();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::rename(&beside, file).unwrap();
    }

    /// Writes as an editor does that knows nothing of the agent: in place.
    fn edit(&self, text: &str) {
        use std::io::Write as _;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).open(self.file()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

/// The only value in a document of one leaf; the whole where there is none.
fn value(request: &Request) -> Value {
    let json: Value = serde_json::from_slice(&request.body).unwrap();
    let data = json[0]["MOData"].as_object().and_then(|data| data.values().next().cloned());
    data.unwrap_or(json)
}

fn node(path: &str) -> String {
    format!("{WATCHED}/1/{path}")
}

fn put_watched_object(bench: &Bench) {
    let leaf = |name: &str, access: &str| ddf::permanent(&ddf::node(name, "chr", access, "One", ""));
    let leaves = [
        leaf("Stored", "Get Replace"),
        leaf("File", "Get"),
        leaf("Program", "Get"),
        leaf("Action", "Exec"),
        leaf("Report", "Exec"),
        ddf::node("Note", "chr", "Add Delete Get Replace", "ZeroOrOne", ""),
    ];
    let root = ddf::permanent(&ddf::node("Watched", "node", "Get", "One", &leaves.concat()));
    let mapping = "instances = [\"1\"]\n\
         [node.File]\nget = [{ file = \"@folder@/values/of/file\" }]\n\
         [node.Program]\nget = [{ run = [\"@folder@/tell\", \"@folder@/said\"] }]\n\
         [node.Action]\nexec = { run = [\"@folder@/count\", \"@folder@/counted\"] }\n\
         [node.Report]\nexec = { run = [\"@folder@/report\"], output = [\"Stored\"], result = \"Note\" }\n";
    ddf::put(&bench.gateway, WATCHED, "Watched", &root, mapping);
    files::put(&bench.gateway.path("tell"), "#!/bin/sh\ncat \"$1\"\n", files::PROGRAM).unwrap();
    files::put(&bench.gateway.path("said"), "", files::PLAIN).unwrap();
    put_script(bench, "report", "echo '{\"Stored\": \"half\"}' >&3\nread -r _ <@folder@/pipe\necho whole\n");
}

#[tokio::test]
async fn a_stored_node_that_another_server_changes_is_put_at_once_and_only_when_it_changes() {
    let rig = Rig::new("").await;
    let agent = rig.bench.start().await;
    rig.subscribe(&agent, &node("Stored")).await;
    rig.change(&agent, &node("Stored"), "one").await;
    rig.arrives(&agent, &json!("one")).await;
    let put = &rig.puts()[0];
    assert_eq!((put.method.as_str(), put.header("content-type")), ("PUT", "application/dmmo+json"));
    let device = rig.bench.tape.requests("dm")[0].header("omadm-devid").to_owned();
    assert_eq!(put.target(), format!("/there?id={device}"));
    assert_eq!(put.header("omadm-devid"), device);
    let changed = rig.bench.tape.requests("repository").last().unwrap().at;
    let late = put.at.duration_since(changed).unwrap();
    assert!(late < Duration::from_secs(10), "{late:?}: no poll is that often");

    rig.change(&agent, &node("Stored"), "one").await;
    rig.change(&agent, &node("Stored"), "two").await;
    rig.arrives(&agent, &json!("two")).await;
    assert_eq!(rig.values(), ["one", "two"], "neither SUB nor a write of the same value is a change");
    agent.stop().await;
}

#[tokio::test]
async fn a_subtree_is_put_whole_and_changes_elsewhere_put_nothing() {
    let rig = Rig::new("").await;
    let agent = rig.bench.start().await;
    let number = format!("{BENCH}//Number");
    rig.subscribe(&agent, &number).await;
    rig.subscribe(&agent, &format!("{BENCH}//")).await;
    rig.change(&agent, &format!("{BENCH}//Name"), "new").await;
    let arrived = rig.bench.tape.until(LIMIT, |_| !rig.puts().is_empty()).await;
    assert!(arrived, "{}", agent.log());
    rig.change(&agent, &number, "7").await;
    let arrived = rig.bench.tape.until(LIMIT, |_| rig.puts().len() == 3).await;
    assert!(arrived, "{:?}\n{}", rig.values(), agent.log());
    let whole: Value = serde_json::from_slice(&rig.puts()[0].body).unwrap();
    assert_eq!(whole[0]["MOData"]["Bench"]["Name"], "new");
    assert_eq!(whole[0]["MOData"]["Bench"]["Fixed"], "fixed");
    assert_eq!(whole.as_array().map(Vec::len), Some(1));
    let single = rig.puts().iter().filter(|put| value(put) == 7).count();
    assert_eq!(single, 1, "{:?}", rig.values());
    agent.stop().await;
}

/// Nodes that come, change, and go: each time all of the subtree is put, as it is then.
#[tokio::test]
async fn a_subtree_is_put_whole_each_time_that_anything_in_it_changes() {
    let rig = Rig::new("").await;
    put_figure(&rig.bench.gateway);
    let agent = rig.bench.start().await;
    let subtree = figure("left/Data");
    rig.subscribe(&agent, &subtree).await;
    let entry = |date: &str, value: &str| json!({"Date": date, "Value": value});
    let (one, two, three) = (entry("12.1", "a"), entry("12.2", "b"), entry("12.9", "z"));
    let document = json!({"MOData": {"9": three}}).to_string();
    rig.bench.repository.put("/nine", "application/dmmo+json", document);
    let nine = format!("{}/nine", rig.bench.repository_server.origin());
    let arrives = async |wanted: Value| {
        let arrived = rig.bench.tape.until(LIMIT, |_| rig.values().last() == Some(&wanted)).await;
        assert!(arrived, "{wanted}: {:?}\n{}", rig.values(), agent.log());
    };
    let statuses = rig.session(&agent, json!([["HGET", nine, figure("left/Data/9")]])).await;
    assert_eq!(statuses, [200]);
    arrives(json!({"1": one, "2": two, "9": three})).await;
    assert_eq!(rig.session(&agent, json!([["DELETE", figure("left/Data/1")]])).await, [200]);
    arrives(json!({"2": two, "9": three})).await;
    rig.bench.repository.put("/value", "text/plain", "c");
    let value = format!("{}/value", rig.bench.repository_server.origin());
    let statuses = rig.session(&agent, json!([["HGET", value, figure("left/Data/2/Value")]])).await;
    assert_eq!(statuses, [200]);
    arrives(json!({"2": entry("12.2", "c"), "9": three})).await;
    // A sibling, the same node of another instance: nothing of the subtree.
    let others = json!([
        ["HGET", value, figure("left/Setting")],
        ["HGET", value, figure("right/Data/2/Value")],
        ["DELETE", figure("right/Data/1")],
    ]);
    assert_eq!(rig.session(&agent, others).await, [200; 3]);
    assert_eq!(rig.session(&agent, json!([["DELETE", figure("left/Data/9")]])).await, [200]);
    arrives(json!({"2": entry("12.2", "c")})).await;
    assert_eq!(rig.puts().len(), 4, "{:?}", rig.values());
    for put in rig.puts() {
        let json: Value = serde_json::from_slice(&put.body).unwrap();
        assert_eq!((put.method.as_str(), put.path.as_str()), ("PUT", "/there"));
        assert_eq!((json.as_array().unwrap().len(), &json[0]["ClientURI"]), (1, &json!(subtree)));
    }
    agent.stop().await;
}

#[tokio::test]
async fn what_is_deleted_leaves_an_empty_list_behind_and_may_come_back() {
    let rig = Rig::new("").await;
    let agent = rig.bench.start().await;
    let note = node("Note");
    assert_eq!(rig.session(&agent, json!([["SUB", note, rig.target]])).await, [404], "nothing there");
    rig.change(&agent, &note, "one").await;
    rig.subscribe(&agent, &note).await;
    assert_eq!(rig.second_session(&agent, json!([["DELETE", note]])).await, [200]);
    rig.arrives(&agent, &json!([])).await;
    rig.change(&agent, &note, "two").await;
    rig.arrives(&agent, &json!("two")).await;
    assert_eq!(rig.values(), [json!([]), json!("two")]);
    agent.stop().await;
}

#[tokio::test]
async fn a_file_is_noticed_however_it_comes_changes_and_goes() {
    let rig = Rig::new("").await;
    let agent = rig.bench.start().await;
    assert_eq!(rig.session(&agent, json!([["GET", node("File")]])).await, [204]);
    rig.subscribe(&agent, &node("File")).await;
    rig.put("made");
    rig.arrives(&agent, &json!("made")).await;
    rig.edit("edited");
    rig.arrives(&agent, &json!("edited")).await;
    rig.put("replaced");
    rig.arrives(&agent, &json!("replaced")).await;
    std::fs::remove_dir_all(rig.file().parent().unwrap()).unwrap();
    rig.arrives(&agent, &json!("")).await;
    rig.put("made again");
    rig.arrives(&agent, &json!("made again")).await;
    let [above, elsewhere] = ["values", "elsewhere"].map(|name| rig.bench.gateway.path(name));
    std::fs::rename(&above, &elsewhere).unwrap();
    rig.arrives(&agent, &json!("")).await;
    std::fs::rename(&elsewhere, &above).unwrap();
    rig.arrives(&agent, &json!("made again")).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_a_program_says_is_asked_for_every_now_and_then() {
    let rig = Rig::new("[subscription]\npoll = \"1s\"\n").await;
    rig.program_says("one");
    let agent = rig.bench.start().await;
    rig.subscribe(&agent, &node("Program")).await;
    rig.program_says("two");
    rig.arrives(&agent, &json!("two")).await;
    rig.program_says("three");
    rig.arrives(&agent, &json!("three")).await;
    assert_eq!(rig.values(), ["two", "three"]);
    agent.stop().await;
}

#[tokio::test]
async fn a_subscription_outlives_the_agent_and_what_changed_meanwhile_is_put_once() {
    let rig = Rig::new("[subscription]\npoll = \"1s\"\n").await;
    rig.put("before");
    let agent = rig.bench.start().await;
    rig.subscribe(&agent, &node("File")).await;
    agent.kill().await;

    rig.put("meanwhile");
    let agent = rig.bench.start().await;
    rig.arrives(&agent, &json!("meanwhile")).await;
    // What was delivered is on disk when the next session is over.
    assert_eq!(rig.session(&agent, json!([["GET", node("File")]])).await, [200]);
    agent.stop().await;

    let agent = rig.bench.start().await;
    rig.put("after");
    rig.arrives(&agent, &json!("after")).await;
    assert_eq!(rig.values(), ["meanwhile", "after"], "a start is no change");
    agent.stop().await;
}

#[tokio::test]
async fn what_changes_often_is_written_down_rarely_and_is_not_taken_for_what_was_there_before() {
    let rig = Rig::new("[subscription]\npoll = \"1s\"\n").await;
    rig.put("1");
    let agent = rig.bench.start().await;
    rig.subscribe(&agent, &node("File")).await;
    for value in ["2", "3", "4"] {
        rig.put(value);
        rig.arrives(&agent, &json!(value)).await;
    }
    agent.stop().await;

    let agent = rig.bench.start().await;
    rig.put("5");
    rig.arrives(&agent, &json!("5")).await;
    rig.put("6");
    rig.arrives(&agent, &json!("6")).await;
    assert_eq!(rig.values(), ["2", "3", "4", "5", "6"], "at the end the store is told");
    agent.kill().await;

    rig.put("5");
    let agent = rig.bench.start().await;
    rig.arrives(&agent, &json!("5")).await;
    agent.stop().await;
    assert_eq!(rig.values(), ["2", "3", "4", "5", "6", "5"], "6 was there, whatever the store had before");
}

#[tokio::test]
async fn a_repository_that_fails_gets_the_newest_state_when_it_can_take_it() {
    let rig = Rig::new("").await;
    let busy = Reply::status(503).header("retry-after", "2");
    rig.replies.lock().unwrap().push_back(busy);
    rig.put("one");
    let agent = rig.bench.start().await;
    rig.subscribe(&agent, &node("File")).await;
    rig.put("two");
    rig.arrives(&agent, &json!("two")).await;
    rig.put("three");
    rig.put("four");
    rig.arrives(&agent, &json!("four")).await;
    assert_eq!(rig.values(), ["two", "four"], "states in between are gone");
    let puts = rig.puts();
    let waited = puts[1].at.duration_since(puts[0].at).unwrap();
    assert!(waited >= Duration::from_millis(1900), "{waited:?}: Retry-After");
    agent.stop().await;
}

#[tokio::test]
async fn who_subscribes_again_waits_no_longer_for_what_failed() {
    let rig = Rig::new("").await;
    rig.replies.lock().unwrap().push_back(Reply::status(503).header("retry-after", "86400"));
    rig.put("one");
    let mut agent = rig.bench.start().await;
    rig.subscribe(&agent, &node("File")).await;
    rig.put("two");
    agent.logged("about the 503", |line| line.contains("subscription to") && line.contains("503")).await;
    rig.subscribe(&agent, &node("File")).await;
    rig.put("three");
    rig.arrives(&agent, &json!("three")).await;
    assert_eq!(rig.values(), ["two", "three"]);
    agent.stop().await;
}

#[tokio::test]
async fn a_put_whose_answer_was_lost_counts_as_possibly_made() {
    let rig = Rig::new("").await;
    rig.replies.lock().unwrap().push_back(Reply::closed());
    rig.put("one");
    let agent = rig.bench.start().await;
    rig.subscribe(&agent, &node("File")).await;
    rig.put("two");
    rig.arrives(&agent, &json!("two")).await;
    // As it was when the server subscribed: but the repository may have the other.
    rig.put("one");
    rig.arrives(&agent, &json!("one")).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_a_repository_refuses_is_not_sent_again_but_the_next_change_is() {
    let rig = Rig::new("[subscription]\npoll = \"1s\"\n").await;
    rig.replies.lock().unwrap().push_back(Reply::status(404));
    rig.program_says("one");
    let mut agent = rig.bench.start().await;
    rig.subscribe(&agent, &node("Program")).await;
    rig.program_says("two");
    agent.logged("about the 404", |line| line.contains("subscription to") && line.contains("404")).await;
    rig.program_says("three");
    rig.arrives(&agent, &json!("three")).await;
    assert_eq!(rig.values(), ["two", "three"]);
    assert_eq!(agent.log().matches("subscription to").count(), 1, "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn a_thousand_changes_are_a_few_puts_and_the_last_has_the_last_state() {
    let rig = Rig::new("").await;
    rig.put("0");
    let agent = rig.bench.start().await;
    rig.subscribe(&agent, &node("File")).await;
    for number in 1..=1000 {
        rig.edit(&number.to_string());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    rig.arrives(&agent, &json!("1000")).await;
    assert!(rig.puts().len() <= 10, "{:?}", rig.values());
    agent.stop().await;
}

#[tokio::test]
async fn unsub_ends_it_for_its_own_server_only_and_sub_again_moves_it() {
    let rig = Rig::new("").await;
    rig.put("one");
    let agent = rig.bench.start().await;
    let file = node("File");
    assert_eq!(rig.session(&agent, json!([["UNSUB", file]])).await, [404]);
    rig.subscribe(&agent, &file).await;
    assert_eq!(rig.second_session(&agent, json!([["UNSUB", file]])).await, [404]);
    rig.put("two");
    rig.arrives(&agent, &json!("two")).await;

    let elsewhere = rig.target.replace("/there", "/elsewhere");
    assert_eq!(rig.session(&agent, json!([["SUB", file, elsewhere]])).await, [200]);
    rig.put("three");
    rig.arrives(&agent, &json!("three")).await;
    let paths: Vec<String> = rig.puts().into_iter().map(|put| put.path).collect();
    assert_eq!(paths, ["/there", "/elsewhere"]);

    // The second server's own goes on, and shows that the agent has looked.
    assert_eq!(rig.second_session(&agent, json!([["SUB", file, rig.target]])).await, [200]);
    assert_eq!(rig.session(&agent, json!([["UNSUB", file], ["UNSUB", file]])).await, [200, 404]);
    rig.put("four");
    rig.arrives(&agent, &json!("four")).await;
    rig.put("five");
    rig.arrives(&agent, &json!("five")).await;
    let paths: Vec<String> = rig.puts().into_iter().map(|put| put.path).collect();
    assert_eq!(paths, ["/there", "/elsewhere", "/there", "/there"]);
    agent.stop().await;
}

#[tokio::test]
async fn what_can_not_be_subscribed_to_is_refused() {
    let rig = Rig::new("").await;
    let agent = rig.bench.start().await;
    let statuses = rig
        .session(
            &agent,
            json!([
                ["SUB", node("File")],
                ["SUB", node("File"), rig.target, "more"],
                ["UNSUB"],
                ["SUB", "no ClientURI", rig.target],
                ["SUB", node("File"), "ftp://repository.example/"],
                ["SUB", node("File"), "https://127.0.0.1:9/"],
                ["SUB", node("Missing"), rig.target],
                ["SUB", format!("{WATCHED}/9/File"), rig.target],
                ["SUB", node("Action"), rig.target],
                ["SUB", format!("{DMACC}//Perm/1/MOID"), rig.target],
                ["SUB", format!("{DMACC}//Auth/Noti/Secret"), rig.target],
                ["SUB", format!("{DMACC}/{SECOND}/Name"), rig.target],
            ]),
        )
        .await;
    assert_eq!(statuses, [400, 400, 400, 400, 400, 403, 404, 404, 405, 405, 405, 404]);
    agent.stop().await;
}

#[tokio::test]
async fn a_server_has_so_many_subscriptions_and_no_more() {
    let rig = Rig::new("").await;
    let agent = rig.bench.start().await;
    let uri = |number: usize| format!("{}?lv={number}", node("Stored"));
    let all: Vec<Value> = (1..=65).map(|number| json!(["SUB", uri(number), rig.target])).collect();
    let mut expected = vec![200; 64];
    expected.push(500);
    assert_eq!(rig.session(&agent, json!(all)).await, expected);
    let again = json!([["SUB", uri(1), rig.target], ["UNSUB", uri(2)], ["SUB", uri(65), rig.target],]);
    assert_eq!(rig.session(&agent, again).await, [200, 200, 200], "one in place of another");
    assert_eq!(rig.second_session(&agent, json!([["SUB", uri(1), rig.target]])).await, [200]);
    agent.stop().await;
}

#[tokio::test]
async fn what_the_server_holds_already_makes_no_other_subscription() {
    let rig = Rig::new("").await;
    let agent = rig.bench.start().await;
    let stored = |query: &str| format!("{}{query}", node("Stored"));
    let package = json!([
        ["SUB", stored("?cv=x"), rig.target],
        ["UNSUB", stored("")],
        ["SUB", stored(""), rig.target],
        ["UNSUB", stored("?lv=1")],
        ["UNSUB", stored("?cv=y")],
        ["UNSUB", stored("")],
    ]);
    assert_eq!(rig.session(&agent, package).await, [200, 200, 200, 404, 200, 404]);
    agent.stop().await;
}

#[tokio::test]
async fn the_draft_profile_knows_neither() {
    let rig = Rig::of(Profile::Draft, "").await;
    let agent = rig.bench.start().await;
    let package = json!([["SUB", node("File"), rig.target], ["UNSUB", node("File")], ["SUB", 1]]);
    assert_eq!(rig.session(&agent, package).await, [501, 501, 501]);
    agent.stop().await;
}

#[tokio::test]
async fn rights_are_those_of_the_moment() {
    let rig = Rig::new("[subscription]\npoll = \"1s\"\n").await;
    rig.put("one");
    let mut agent = rig.bench.start().await;
    rig.subscribe(&agent, &node("File")).await;
    let account = rig.bench.gateway.path("accounts").join(format!("{SERVER_ID}.toml"));
    let original = std::fs::read_to_string(&account).unwrap();
    let narrowed = format!("permissions = [\"{BENCH}\"]\n{original}");
    files::put(&account, narrowed, files::PLAIN).unwrap();
    agent.logged("about the new account", |line| line.contains("configuration read again")).await;
    rig.put("secret");
    let silent = |line: &str| line.contains("subscription to") && line.contains("not found");
    agent.logged("about the subscription", silent).await;
    rig.put("two");
    files::put(&account, original, files::PLAIN).unwrap();
    rig.arrives(&agent, &json!("two")).await;
    assert_eq!(rig.values(), ["two"]);

    // Listed still, and not to be read.
    let original = std::fs::read_to_string(&account).unwrap();
    let unread = format!("permissions = [{{ moid = \"{WATCHED}\", rights = 6 }}, \"{BENCH}\"]\n{original}");
    files::put(&account, unread, files::PLAIN).unwrap();
    let reads = |agent: &Agent| agent.log().matches("configuration read again").count();
    let third = async {
        while reads(&agent) < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, third).await.unwrap();
    rig.put("hidden");
    let silent = |line: &str| line.contains("subscription to") && line.contains("lacks the right");
    agent.logged("about the right", silent).await;
    rig.put("three");
    files::put(&account, original, files::PLAIN).unwrap();
    rig.arrives(&agent, &json!("three")).await;
    assert_eq!(rig.values(), ["two", "three"]);
    agent.stop().await;
}

/// What another server gives back is told by what is committed: nothing is polled within this test.
#[tokio::test]
async fn a_right_that_is_delegated_again_is_noticed_at_once() {
    let rig = Rig::new("[subscription]\npoll = \"1d\"\n").await;
    let account = rig.bench.gateway.path("accounts").join(format!("{SECOND}.toml"));
    let text = std::fs::read_to_string(&account).unwrap();
    let text = format!("permissions = [{{ moid = \"*\", rights = 15 }}]\n{text}");
    files::put(&account, text, files::PLAIN).unwrap();
    rig.put("one");
    let mut agent = rig.bench.start().await;
    rig.subscribe(&agent, &node("File")).await;
    let entry = "urn:oma:mo:oma-dm-dmdac:1.0/urn_x-omadm_mo_watched_1.0/1.serverid_bench/AccessRights";
    rig.change(&agent, entry, "6").await;
    rig.put("two");
    let silent = |line: &str| line.contains("subscription to") && line.contains("lacks the right");
    agent.logged("about the right", silent).await;
    assert_eq!(rig.values(), [""; 0]);
    rig.change(&agent, entry, "7").await;
    rig.arrives(&agent, &json!("two")).await;
    agent.stop().await;
}

#[tokio::test]
async fn the_subscriptions_of_a_removed_account_end_with_it() {
    let rig = Rig::new("[subscription]\npoll = \"1s\"\n").await;
    rig.put("one");
    let mut agent = rig.bench.start().await;
    rig.subscribe(&agent, &node("File")).await;
    let account = rig.bench.gateway.path("accounts").join(format!("{SERVER_ID}.toml"));
    let original = std::fs::read_to_string(&account).unwrap();
    std::fs::remove_file(&account).unwrap();
    let accounts = |count: &'static str| {
        move |line: &str| line.contains("configuration read again") && line.contains(count)
    };
    agent.logged("about the account", accounts("1 account,")).await;
    files::put(&account, original, files::PLAIN).unwrap();
    agent.logged("about the account", accounts("2 accounts,")).await;
    assert_eq!(rig.session(&agent, json!([["UNSUB", node("File")]])).await, [404]);
    assert_eq!(rig.values(), [Value::Null; 0]);
    agent.stop().await;
}

/// The object of one MOID is another one for each profile: a server's is that of its own.
#[tokio::test]
async fn an_account_is_put_by_whichever_of_its_names_it_is_subscribed_to() {
    let rig = Rig::new("[subscription]\npoll = \"1s\"\n").await;
    let agent = rig.bench.start().await;
    rig.subscribe(&agent, "urn:oma:mo:oma-dm-dmacc:2.0//Name").await;
    rig.bench.repository.put("/name", "text/plain", "Another name");
    let from = format!("{}/name", rig.bench.repository_server.origin());
    let change = json!([["HGET", from, "urn:oma:mo:oma-dm-dmacc:1.2//Name"]]);
    assert_eq!(rig.session(&agent, change).await, [200]);
    rig.arrives(&agent, &json!("Another name")).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_a_program_reports_is_put_while_it_runs_and_nobody_holds_it_for_fresh() {
    let rig = Rig::new("[exec]\nsync-limit = \"1ms\"\n").await;
    let agent = rig.bench.start().await;
    rig.subscribe(&agent, &node("")).await;
    let validator = || {
        let last = rig.bench.packages().into_iter().rfind(|package| !package.initiation).unwrap();
        let document: Value = serde_json::from_slice(&last.part(1).unwrap().body).unwrap();
        document[0]["CV"].as_str().unwrap().to_owned()
    };
    assert_eq!(rig.session(&agent, json!([["GET", node("")]])).await, [200]);
    let before = validator();
    let if_changed = |cv: &str| json!([["GET", node(&format!("?cv={cv}"))]]);
    assert_eq!(rig.session(&agent, if_changed(&before)).await, [304]);
    assert_eq!(rig.session(&agent, json!([["EXEC", node("Report")]])).await, [202]);
    let said = |wanted: Value| {
        let puts = rig.puts();
        let last: Option<Value> = puts.last().and_then(|put| serde_json::from_slice(&put.body).ok());
        last.is_some_and(|last| {
            let watched = &last[0]["MOData"]["Watched"];
            json!([watched["Stored"], watched["Note"]]) == wanted
        })
    };
    let half = rig.bench.tape.until(LIMIT, |_| said(json!(["half", null]))).await;
    assert!(half, "{:?}\n{}", rig.values(), agent.log());
    assert_eq!(rig.session(&agent, if_changed(&before)).await, [200]);
    let half = validator();
    rig.bench.release(0).await;
    let whole = rig.bench.tape.until(LIMIT, |_| said(json!(["half", "whole"]))).await;
    assert!(whole, "{:?}\n{}", rig.values(), agent.log());
    assert_eq!(rig.session(&agent, if_changed(&half)).await, [200]);
    agent.stop().await;
}
