//! Commands and reading, without a network and without a journal.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use omadm_agent::agent_state::Parameters;
use omadm_agent::alert::{Destination, OutgoingAlerts};
use omadm_agent::backend::{Bus, Machine};
use omadm_agent::command::DataBudget;
use omadm_agent::command::{self, Allowance, CommandContext, Report};
use omadm_agent::config::{self, Account, Environment, Selection, Settings};
use omadm_agent::exec::{ExecSlots, SessionExecs};
use omadm_agent::lab::gateway::{self, Gateway};
use omadm_agent::mo::{self, Value};
use omadm_agent::package::{Package1, Profile, REQUEST};
use omadm_agent::session::machine::{Action, Event, PackageAnswer, SessionLimits, SessionMachine};
use omadm_agent::store::{Change, NodeKey, Store, Stored};
use omadm_agent::transport::{Binding, Client, ClientSettings};
use omadm_agent::tree::{Principal, Rights, SessionFacts, Shown, Tree};
use omadm_agent::uri::ClientUri;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

use crate::support::ddf;
use crate::{Table, block_on, rate};

const MOID: &str = "urn:x-omadm:mo:stored:1.0";
const LEAVES: usize = 150;
const GETS: usize = 50;

/// An agent's inside: a tree with an instance of stored leaves.
pub(crate) struct Inside {
    settings: Settings,
    account: Arc<Account>,
    store: Arc<Store>,
    pub(crate) tree: Arc<Tree>,
    client: Client,
    _folder: TempDir,
}

impl Inside {
    fn new() -> Self {
        Self::with(put_object)
    }

    /// With another object besides.
    pub(crate) fn with(put_object: fn(&Gateway)) -> Self {
        let folder = in_memory();
        let gateway = Gateway::new(folder.path()).unwrap();
        gateway.configure(([127, 0, 0, 1], 2948).into(), "").unwrap();
        put_object(&gateway);
        let account = gateway::Account {
            server_id: "bench".to_owned(),
            server_uri: "https://127.0.0.1/dm".to_owned(),
            ..gateway::Account::default()
        };
        gateway.put_account(&account).unwrap();
        let loaded = config::check(&Selection::File(gateway.config()), &Environment::current());
        assert!(loaded.problems.is_empty(), "{}", loaded.problems);
        let paths = &loaded.settings.paths;
        let wanted = mo::load::Wanted { ddf_base: None, sysroot: &paths.sysroot, disabled: &[] };
        let mo::load::Loaded { objects, problems, .. } = mo::load::load(&paths.mo, wanted);
        assert!(problems.is_empty(), "{problems}");
        let store = Store::open(&loaded.settings.paths.state).unwrap().store;
        let put = |leaf: usize| {
            let key = NodeKey::node(&MOID.into(), "1", [name(leaf).as_str()]);
            Change::Put(key, Stored::Leaf(Value::Text(format!("the value of leaf {leaf}"))))
        };
        // As a gateway has it: what is read has its cache validator (TS 12).
        let key = Change::CacheKey([0x5a; _]);
        store.commit_blocking(&(0..LEAVES).map(put).chain([key]).collect::<Vec<_>>()).unwrap();
        let accounts: Vec<_> = loaded.accounts.into_iter().map(Arc::new).collect();
        let account = Arc::clone(&accounts[0]);
        let bus = Arc::new(Bus::new(&loaded.settings.dbus_address));
        let machine = Arc::new(Machine::new(loaded.settings.paths.sysroot.clone(), bus));
        let tree = Arc::new(Tree::new(objects, accounts, Arc::clone(&store), machine, Instant::now()));
        let client = Client::new(ClientSettings::default()).unwrap();
        Self { settings: loaded.settings, account, store, tree, client, _folder: folder }
    }

    pub(crate) fn principal(&self) -> Principal<'_> {
        Principal { account: &self.account, session: SessionFacts::default() }
    }

    /// A session of `packages` Package#2s that are all this one, as the driver runs it. How many bytes it would send.
    pub(crate) async fn session(&self, package2: &[u8], packages: u32) -> usize {
        let (finished, _ended) = mpsc::unbounded_channel();
        let exec_slots = ExecSlots::new(finished, "", 0, Arc::default());
        let mut execs = SessionExecs::new(Arc::clone(&self.store), exec_slots);
        let mut connection = self.client.connection(Binding::Any);
        let (_running, stopping) = watch::channel(false);
        let parameters = Parameters::default();
        let limits = SessionLimits { retries: 0, packages, alerts: usize::MAX, refuses_first: false };
        let uri = self.account.server_uri.clone();
        let (mut machine, mut action) =
            SessionMachine::start(Profile::Draft, limits, 1, uri, Package1::default());
        let mut alerts = OutgoingAlerts::new(Destination::of(&self.account.server_id));
        let mut report = Report::default();
        let mut sent = 0;
        loop {
            let event = match action {
                Action::Post { package, .. } => {
                    sent += package.body.len();
                    Event::Answered(PackageAnswer {
                        location: None,
                        status: 200,
                        content_type: Some(REQUEST.to_owned()),
                        body: package2.to_vec(),
                        retry_after: None,
                    })
                }
                Action::Execute { command, accept_mo, .. } => {
                    let mut allowance = Allowance::default();
                    let mut context = CommandContext {
                        settings: &self.settings,
                        tree: &self.tree,
                        store: &self.store,
                        session_id: "00000000",
                        principal: self.principal(),
                        connection: &mut connection,
                        parameters: &parameters,
                        accept_mo: accept_mo.as_deref(),
                        budget: &mut DataBudget::default().share(16 << 20),
                        execs: &mut execs,
                        allowance: &mut allowance,
                        stopping: stopping.clone(),
                    };
                    let done = command::execute(&command, &mut context, &mut report).await;
                    assert_eq!(done.status.code, 200, "{command:?}");
                    Event::Executed(done)
                }
                Action::Deliver { .. } => Event::Delivered,
                Action::Gather { most } => Event::Gathered(alerts.gather(&self.store, most).unwrap()),
                Action::Wait(_) | Action::Finish(_) => return sent,
            };
            action = machine.handle(event, 0);
        }
    }
}

pub(crate) fn session_core(table: &mut Table) {
    const PACKAGES: u32 = 20;
    let inside = Inside::new();
    let mut of = |what: &str, uri: &dyn Fn(usize) -> String, budget: Option<f64>| {
        let commands: Vec<_> = (0..GETS).map(|index| json!(["GET", uri(index)])).collect();
        let package2 = json!({ "CMD": commands }).to_string().into_bytes();
        let rate = rate(|| {
            block_on_ready(inside.session(&package2, PACKAGES + 1));
        }) * f64::from(PACKAGES)
            * GETS as f64;
        let words = budget.map_or_else(String::new, |budget| format!("≥ {budget} GETs/s"));
        let found = format!("{rate:.0} GETs/s");
        table.row(&format!("session core: {what}"), found, &words, budget.map(|budget| rate >= budget));
    };
    of("50 GETs of stored leaves", &|leaf| format!("{MOID}//{}", name(leaf)), Some(200_000.0));
    of("50 GETs of constants", &|leaf| format!("{MOID}//Constant{}", leaf % 10), None);
}

pub(crate) fn stored_instance(table: &mut Table) {
    let inside = Inside::new();
    let principal = inside.principal();
    let uri = ClientUri::parse(&format!("{MOID}/1/")).unwrap();
    let read = || async {
        let node = inside.tree.resolve(&uri, &principal, Rights::READ).await.unwrap();
        inside.tree.read(&node, None, &principal).await.unwrap()
    };
    let Shown::Document(json) = block_on(read()) else { panic!("an instance is a document") };
    assert!(
        serde_json::from_slice::<serde_json::Value>(&json).unwrap()["CV"].is_string(),
        "without validator"
    );
    let micros = 1e6 / rate(|| drop(block_on_ready(read())));
    let what = format!("read a {LEAVES}-leaf instance with its CV ({} bytes)", json.len());
    table.row(&what, format!("{micros:.0} µs"), "≤ 300 µs", Some(micros <= 300.0));
}

/// What is only read from the store never waits: no runtime is needed, and none is measured. On a busy machine it may
/// give way to others now and then.
fn block_on_ready<T>(future: impl Future<Output = T>) -> T {
    const MOST_TURNS: u32 = 1_000;
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut future = std::pin::pin!(future);
    for _ in 0..MOST_TURNS {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("something was waited for");
}

fn in_memory() -> TempDir {
    let folder = tempfile::Builder::new().prefix("omadm-bench-").tempdir_in("/dev/shm");
    folder.or_else(|_| tempfile::tempdir()).unwrap()
}

fn name(leaf: usize) -> String {
    format!("Leaf{leaf:03}")
}

fn put_object(gateway: &Gateway) {
    let leaf = |name: &str| ddf::node(name, "chr", "Get Replace", "ZeroOrOne", "");
    let mut leaves: String = (0..LEAVES).map(|number| leaf(&name(number))).collect();
    let mut mapping = "instances = [\"1\"]\n".to_owned();
    for number in 0..10 {
        leaves.push_str(&leaf(&format!("Constant{number}")));
        writeln!(mapping, "[node.Constant{number}]\nget = [{{ value = \"constant {number}\" }}]").unwrap();
    }
    let root = ddf::node("Stored", "node", "Get", "One", &leaves);
    ddf::put(gateway, MOID, "Stored", &root, &mapping);
}
