//! The agent's side: values, effects and EXECs by way of a helper.

use std::sync::Arc;

use tokio::net::UnixListener;

use super::*;
use crate::backend::{self, Act, Answer, Builtins, Context, End, Helper, Prepared, Request, Undo, Undone};
use crate::mo::{ManagementObject, NodeId, Value};

struct Nobody;

impl Builtins for Nobody {
    fn get(&self, _: &str) -> Answer<String> {
        Answer::Absent("nobody".to_owned())
    }
}

/// An agent with a helper.
struct Agent {
    bench: Bench,
    machine: Machine,
    object: ManagementObject,
}

impl Agent {
    fn new() -> Self {
        let bench = Bench::new();
        let listener = UnixListener::bind(bench.path("socket")).unwrap();
        let (machine, rules) = (bench.machine(), bench.rules.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (machine, rules) = (machine.clone(), rules.clone());
                tokio::spawn(async move { connection::serve(stream, &machine, &rules).await });
            }
        });
        let helper = Helper::new(bench.path("socket")).with_results(bench.rules.results.clone());
        let machine = Machine::new(bench.rules.root.clone(), crate::backend::Bus::none());
        let machine = Machine { helper: Some(Arc::new(helper)), ..machine };
        let mut problems = Problems::default();
        let object = mo::load::load_one(&bench.path("usr/mo/gate"), &mut problems).unwrap();
        Self { bench, machine, object }
    }

    fn find(&self, path: &str) -> NodeId {
        self.object.find(path).unwrap()
    }

    fn context<'a>(&'a self, id: NodeId, names: &'a [(String, String)]) -> Context<'a> {
        Context {
            machine: &self.machine,
            node: Some((&self.object, id)),
            objects: &[],
            listed: &[],
            seen: None,
            expectant: false,
            names,
            given: &[],
            item: None,
            stored: None,
            builtins: &Nobody,
            request: Request { node: &"urn:x/1/y", miid: "1", exec_id: Some("exec-1"), ..Request::default() },
        }
    }

    async fn read(&self, path: &str, names: &[(String, String)]) -> Answer<Value> {
        let id = self.find(path);
        let node = self.object.node(id);
        let context = self.context(id, names);
        let read = backend::read(&node.mapping, node.properties.format, false, &context).await.unwrap();
        read.map(|reading| reading.value)
    }
}

#[tokio::test]
async fn a_privileged_value_is_read_as_if_the_agent_had() {
    let agent = Agent::new();
    assert_eq!(agent.read("Level", &[]).await, Answer::Value(Value::Int(3)));
    let names = [("if".to_owned(), "eth1".to_owned())];
    assert_eq!(agent.read("Links/<if>/Mtu", &names).await, Answer::Value(Value::Int(1500)));
    agent.bench.write("data/level", "\n");
    // As the agent would itself.
    fs::create_dir_all(agent.bench.path("sys/class/dmi/id")).unwrap();
    assert!(matches!(agent.read("Serial", &[]).await, Answer::Absent(_)));
    agent.bench.write("sys/class/dmi/id/product_serial", "To Be Filled By O.E.M.\n");
    assert!(matches!(agent.read("Serial", &[]).await, Answer::Absent(_)));
    agent.bench.write("sys/class/dmi/id/product_serial", "S-1\n");
    assert_eq!(agent.read("Serial", &[]).await, Answer::Value(Value::Text("S-1".into())));
    assert!(matches!(agent.read("Missing", &[]).await, Answer::Absent(_)), "its folder is not there");
    assert!(matches!(agent.read("Host", &[]).await, Answer::Absent(_)));
}

#[tokio::test]
async fn a_write_is_taken_back_in_this_life_and_in_the_next() {
    let agent = Agent::new();
    let id = agent.find("Level");
    let sink = agent.object.node(id).mapping.set.clone().unwrap();
    let (context, value) = (agent.context(id, &[]), Value::Int(5));
    let act = Act::Set(&sink, &value);
    for life in ["this", "next"] {
        let undo = backend::prepare_undo(act, &mut Prepared::default(), &context).await.unwrap().unwrap();
        // Killed before it has begun: then it never does.
        let early = Undo::decode(&undo.encode()).unwrap();
        assert_eq!(early.roll_back(&agent.machine).await.unwrap(), Undone::Restored);
        assert!(backend::perform(act, Some(&undo), &context).await.is_err());
        assert_eq!(agent.bench.text("data/level"), "3\n");
        let undo = backend::prepare_undo(act, &mut Prepared::default(), &context).await.unwrap().unwrap();
        backend::perform(act, Some(&undo), &context).await.unwrap();
        assert_eq!(agent.bench.text("data/level"), "5\n");
        let done = match life {
            "this" => undo.undo(&agent.machine).await,
            _ => Undo::decode(&undo.encode()).unwrap().roll_back(&agent.machine).await,
        };
        assert_eq!(done.unwrap(), Undone::Restored, "{life}");
        assert_eq!(agent.bench.text("data/level"), "3\n");
    }
    let undo = backend::prepare_undo(act, &mut Prepared::default(), &context).await.unwrap().unwrap();
    backend::perform(act, Some(&undo), &context).await.unwrap();
    let Undo::Helper(kept) = &undo else { panic!("{undo}") };
    let kept = agent.bench.path("var/kept").join(&kept.name);
    assert!(kept.exists());
    backend::forget(&undo, &agent.machine).await;
    assert!(!kept.exists());
    // Of two writes of one node the later counts, of two nodes each does.
    let other = async |context: &Context<'_>| {
        backend::prepare_undo(act, &mut Prepared::default(), context).await.unwrap().unwrap()
    };
    assert!(undo.is_of_same(&other(&context).await));
    let request = Request { node: &"urn:x/1/z", ..context.request };
    assert!(!undo.is_of_same(&other(&Context { request, ..context }).await));
}

#[tokio::test]
async fn an_exec_reports_and_ends_as_if_the_agent_ran_it() {
    let agent = Agent::new();
    agent.bench.script("bin/do", "echo '{\"State\": 30}' >&3; sleep 0.3; echo said; exit 3");
    let id = agent.find("Do");
    let exec = agent.object.node(id).mapping.exec.clone().unwrap();
    let mut running = backend::start(&exec, &agent.context(id, &[])).await.unwrap();
    let reports = running.reports().unwrap().clone();
    reports.changed().await;
    assert_eq!(reports.take()["State"], 30);
    let exit = running.finish().await;
    assert_eq!((exit.end, exit.stdout.as_slice()), (End::Code(3), b"said\n".as_slice()));
}

#[tokio::test]
async fn an_agent_that_comes_back_gets_the_result_of_what_went_on_without_it() {
    let agent = Agent::new();
    agent.bench.script(
        "bin/do",
        &format!(
            "touch {}; echo '{{\"State\": 40}}' >&3; sleep 0.5; echo whole; exit 4",
            agent.bench.path("begun").display()
        ),
    );
    let id = agent.find("Do");
    let exec = agent.object.node(id).mapping.exec.clone().unwrap();
    let running = backend::start(&exec, &agent.context(id, &[])).await.unwrap();
    while !agent.bench.path("begun").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(running);
    let mut again = backend::collect(Some(&exec), "exec-1", &agent.machine);
    let reports = again.reports().unwrap().clone();
    let exit = again.finish().await;
    assert_eq!((exit.end, exit.stdout.as_slice()), (End::Code(4), b"whole\n".as_slice()));
    assert_eq!(reports.take()["State"], 40);
    // Its node is gone meanwhile.
    assert_eq!(backend::collect(None, "exec-1", &agent.machine).finish().await.end, End::Code(4));
    // One that never was, and one whose helper died in the middle.
    let mut never = backend::collect(Some(&exec), "exec-2", &agent.machine);
    assert_eq!(never.finish().await.end, End::Lost);
    agent.bench.write("run/results/exec-3", "");
    let mut dead = backend::collect(Some(&exec), "exec-3", &agent.machine);
    assert_eq!(dead.finish().await.end, End::Lost);
}

#[tokio::test]
async fn a_helper_that_is_not_there_or_knows_other_files_is_told_so_and_may_be_asked_again() {
    let agent = Agent::new();
    let machine =
        Machine { helper: Some(Arc::new(Helper::new("/nowhere/socket".into()))), ..agent.machine.clone() };
    let id = agent.find("Level");
    let sink = agent.object.node(id).mapping.set.clone().unwrap();
    let value = Value::Int(5);
    let act = Act::Set(&sink, &value);
    let context = Context { machine: &machine, ..agent.context(id, &[]) };
    let error = backend::perform(act, None, &context).await.unwrap_err();
    assert!(error.is_temporary() && error.to_string().contains("omadm-exec at /nowhere/socket"), "{error}");
    let text = agent.bench.text("usr/mo/gate/gate.toml");
    agent.bench.write("usr/mo/gate/gate.toml", &text.replace("max = 9", "max = 8"));
    let error = backend::perform(act, None, &agent.context(id, &[])).await.unwrap_err();
    assert!(error.is_temporary() && error.to_string().contains("is another one"), "{error}");
    agent.machine.helper.as_ref().unwrap().stale().await;
}

#[tokio::test]
async fn what_the_helper_has_not_begun_may_be_tried_again_and_what_it_has_is_collected() {
    let agent = Agent::new();
    let listener = UnixListener::bind(agent.bench.path("odd")).unwrap();
    let helper = Helper::new(agent.bench.path("odd")).with_results(agent.bench.rules.results.clone());
    let machine = Machine { helper: Some(Arc::new(helper)), ..agent.machine.clone() };
    let id = agent.find("Do");
    let exec = agent.object.node(id).mapping.exec.clone().unwrap();
    let context = Context { machine: &machine, ..agent.context(id, &[]) };
    let taken = json!({ "id": "exec-1", "index": 0, "taken": true, "of a later version": 1 });
    let not_now = json!({ "id": "exec-1", "index": 0, "code": 503, "error": "later" });
    fs::create_dir_all(&agent.bench.rules.results).unwrap();
    agent.bench.write("run/results/exec-1", r#"{"exit":4,"more":1}"#);
    for (replies, end) in [
        (vec![], End::NotBegun),
        (vec![&taken], End::Code(4)),
        (vec![&taken, &not_now], End::NotBegun),
        (vec![&not_now], End::NotBegun),
    ] {
        let mut running = backend::start(&exec, &context).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        for reply in replies {
            stream.write_all(&frame(reply).unwrap()).await.unwrap();
        }
        drop(stream);
        assert_eq!(running.finish().await.end, end);
    }
    // Undoing and effects keep places, however many EXECs there are.
    let mut all = Vec::new();
    for _ in 0..12 {
        all.push(backend::start(&exec, &context).await.unwrap());
    }
    assert!(backend::start(&exec, &context).await.unwrap_err().is_temporary());
    drop(all);
}
