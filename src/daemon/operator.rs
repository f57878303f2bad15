//! What the local operator asks of the tree: it is read, written and executed apart from the loop, as it is for
//! sessions, and in the same way.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Daemon;
use crate::agent_state::AgentState;
use crate::backend;
use crate::base;
use crate::exec::{AfterSession, ExecError, ExecSlots, SessionExecs, waits_for};
use crate::service::{Answer, Caller, Refusal, Values};
use crate::store::Change;
use crate::tree::{Data, Document, Invocation, Operator, Resolved, Rights, Shown, TreeError};
use crate::uri::client::{ClientUri, Fields};

/// How long reading may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes of an answer.
const MOST: usize = 4 << 20;

/// What executing a node takes.
struct Executing {
    agent_state: Arc<AgentState>,
    exec_slots: ExecSlots,
    stopping: watch::Receiver<bool>,
}

impl Daemon {
    /// Reads the nodes at a ClientURI, and answers with JSON: what GET says of them, or each with the reason why it has
    /// no value.
    pub(super) fn read(&mut self, client_uri: String, with_reasons: bool, caller: Caller) {
        let agent_state = Arc::clone(&self.agent_state);
        let reading = async move {
            let read = timeout(PATIENCE, async {
                match with_reasons {
                    true => outline(&agent_state, &client_uri).await,
                    false => read(&agent_state, &client_uri).await,
                }
            });
            let late = || Err(Refusal::own("Unavailable", format!("{client_uri} could not be read in time")));
            caller.answer(read.await.unwrap_or_else(|_| late()));
        };
        base::spawn(self.shared.hearts.watch("what the operator reads".to_owned(), reading));
    }

    /// Writes the node at a ClientURI; a dry run checks what can be known beforehand. A change is never broken off.
    pub(super) fn set(&mut self, client_uri: String, value: String, is_dry: bool, caller: Caller) {
        let agent_state = Arc::clone(&self.agent_state);
        let mut stopping = self.shared.stopping.subscribe();
        let writing = async move {
            if let Err(refusal) = may(&caller, is_dry, &mut stopping).await {
                return caller.answer(Err(refusal));
            }
            let written = write(&agent_state, &client_uri, &value, is_dry).await;
            if let (Ok(client_uri), false) = (&written, is_dry) {
                log::info!(OMADM_CLIENT_URI = client_uri.as_str(); "{client_uri}: set, on the operator's word");
            }
            caller.answer(written.map(|_| Values::Nothing));
        };
        base::spawn(self.shared.hearts.watch("what the operator writes".to_owned(), writing));
    }

    /// Executes the node at a ClientURI; a dry run says what would come of that.
    pub(super) fn exec(&mut self, client_uri: String, is_dry: bool, caller: Caller) {
        let mut executing = Executing {
            agent_state: Arc::clone(&self.agent_state),
            exec_slots: self.execs.exec_slots.clone(),
            stopping: self.shared.stopping.subscribe(),
        };
        let work = async move {
            if let Err(refusal) = may(&caller, is_dry, &mut executing.stopping).await {
                return caller.answer(Err(refusal));
            }
            let told = executing.exec(&client_uri, is_dry).await;
            caller.answer(told.map(|(node, status, what)| Values::Of("sus", json!([node, status, what]))));
        };
        base::spawn(self.shared.hearts.watch("what the operator executes".to_owned(), work));
    }
}

/// Whether the caller may have something done.
async fn may(caller: &Caller, is_dry: bool, stopping: &mut watch::Receiver<bool>) -> Result<(), Refusal> {
    if !is_dry {
        caller.must_be_root().await?;
    }
    match *stopping.borrow() {
        true => Err(Refusal::own("Stopped", "the agent stops")),
        false => Ok(()),
    }
}

fn parse(client_uri: &str, fields: Fields) -> Result<ClientUri, Refusal> {
    ClientUri::parse_for(client_uri, fields)
        .map_err(|error| Refusal::invalid(format!("{client_uri:?} is no ClientURI: {error}")))
}

fn text(json: &[u8]) -> Values {
    Values::Of("s", json!([String::from_utf8_lossy(json)]))
}

async fn read(agent_state: &AgentState, client_uri: &str) -> Answer {
    let uri = parse(client_uri, Fields::READ)?;
    let operator = Operator::default();
    let principal = operator.principal();
    let reading = agent_state.tree.reading(&principal).map_err(of_tree)?;
    let found = reading.resolve_all(&uri, Rights::READ).await.map_err(of_tree)?;
    let leaf = match &found {
        Resolved::One(node) if node.is_leaf() => Some(node.clone()),
        _ => None,
    };
    let json = match reading.show(found, uri.level, None, MOST).await.map_err(of_tree)? {
        // To a server both are nothing; to people, a value that is empty is one.
        Shown::Empty | Shown::Fresh => match leaf {
            Some(leaf)
                if agent_state.tree.value(&leaf, &principal).await.is_ok_and(|value| value.is_some()) =>
            {
                b"\"\"".to_vec()
            }
            _ => b"null".to_vec(),
        },
        Shown::Leaf { value, .. } => {
            let mut json = Vec::new();
            value.write_json(&mut json);
            json
        }
        Shown::Document(json) => json,
    };
    Ok(text(&json))
}

async fn outline(agent_state: &AgentState, client_uri: &str) -> Answer {
    let operator = Operator::default();
    let principal = operator.principal();
    let tree = &agent_state.tree;
    let (found, level) = match client_uri {
        "" => (None, None),
        client_uri => {
            let uri = parse(client_uri, Fields::READ)?;
            let found = tree.resolve_all(&uri, &principal, Rights::READ).await.map_err(of_tree)?;
            (Some(found), uri.level)
        }
    };
    Ok(text(&tree.outline(found, level, MOST, &principal).await.map_err(of_tree)?))
}

/// Writes a node; returns its ClientURI.
async fn write(
    agent_state: &AgentState,
    client_uri: &str,
    value: &str,
    is_dry: bool,
) -> Result<String, Refusal> {
    let uri = parse(client_uri, Fields::TARGET)?;
    let operator = Operator::default();
    let principal = operator.principal();
    let tree = &agent_state.tree;
    let node = tree.destination(&uri, &principal).await.map_err(of_tree)?;
    let data = match node.is_leaf() {
        true => Data::raw(&node, value.as_bytes()),
        false => Document::parse(value.as_bytes())
            .and_then(|documents| Document::only(documents, &node))
            .map(Data::Json),
    };
    let data = data.map_err(of_tree)?;
    let done = match is_dry {
        true => tree.rehearse(&node, data, &principal).await,
        false => tree.replace(&node, data, &principal).await,
    };
    done.map(|()| node.client_uri()).map_err(of_tree)
}

impl Executing {
    /// Executes a node; returns its ClientURI, the status, and what there is to say of it.
    async fn exec(&mut self, client_uri: &str, is_dry: bool) -> Result<(String, u16, String), Refusal> {
        let uri = parse(client_uri, Fields::TARGET)?;
        let operator = Operator::default();
        let principal = operator.principal();
        let tree = Arc::clone(&self.agent_state.tree);
        let node = tree.resolve(&uri, &principal, Rights::EXECUTE).await.map_err(of_tree)?;
        let mut invocation = tree.invocation(&node, principal.account.profile).map_err(of_tree)?;
        let client_uri = node.client_uri();
        if is_dry {
            let (status, what) = self.foresee(&client_uri, &invocation).await?;
            return Ok((client_uri, status, what));
        }
        // Nobody is told by an alert.
        invocation.always_told = false;
        log::info!(OMADM_CLIENT_URI = client_uri.as_str(); "{client_uri}: EXEC, on the operator's word");
        let sync_limit = self.agent_state.settings.exec.sync_limit;
        let store = &self.agent_state.store;
        let mut execs = SessionExecs::new(Arc::clone(store), self.exec_slots.clone());
        let ended = execs.command(&tree, &principal, invocation, sync_limit, &mut self.stopping).await;
        let waiting = execs.take_waiting();
        if !waiting.is_empty() {
            let after = AfterSession {
                agent_state: Arc::clone(&self.agent_state),
                account: Arc::clone(principal.account),
                session: principal.session,
                exec_slots: self.exec_slots.clone(),
                stopping: self.stopping.clone(),
            };
            base::spawn(after.run(waiting));
        }
        let (mut changes, untold) = execs.close();
        changes.extend(untold.iter().map(|finished| Change::ExecEnded(finished.number)));
        if let Err(error) = store.commit(changes).await {
            log::error!("{client_uri}: that its EXEC is over could not be stored: {error}");
        }
        Ok(match ended.map_err(of_exec)? {
            Some(status) => {
                let why = untold.into_iter().map(|finished| finished.why).next().unwrap_or_default();
                (client_uri, status, why)
            }
            None => (client_uri, 202, "it goes on, or waits until it may begin".to_owned()),
        })
    }

    /// What would come of an EXEC.
    async fn foresee(&self, client_uri: &str, invocation: &Invocation) -> Result<(u16, String), Refusal> {
        let Self { agent_state, exec_slots, .. } = self;
        if exec_slots.nodes().iter().any(|node| node == client_uri) {
            return Err(of_exec(ExecError::Running(client_uri.to_owned())));
        }
        let mut said = Vec::new();
        match agent_state.tree.closed(invocation, exec_slots.earliest()).await.map_err(of_tree)? {
            Some(closed) => {
                said.push(format!("would wait for its window, {}", waits_for(invocation.window(), closed)));
            }
            None if invocation.window().is_some() => said.push("its window is open".to_owned()),
            None => {}
        }
        if invocation.may_be_vetoed() {
            let folder = &agent_state.settings.paths.exec_veto;
            let programs = backend::programs(folder).await;
            let programs = programs.map_err(|error| Refusal::own("Unavailable", error.to_string()))?;
            said.extend(programs.iter().map(|program| format!("would ask {}", program.display())));
        }
        if invocation.after_session {
            said.push("would begin when the command was answered".to_owned());
        }
        let waits = invocation.after_session || invocation.needs_permission();
        Ok((if waits { 202 } else { 200 }, said.join("; ")))
    }
}

/// The refusal that an error of an EXEC becomes.
fn of_exec(error: ExecError) -> Refusal {
    match error {
        ExecError::Tree(error) => of_tree(error),
        error => Refusal::own("Busy", error.to_string()),
    }
}

/// The refusal that an error of the tree becomes.
fn of_tree(error: TreeError) -> Refusal {
    let name = match &error {
        TreeError::NotFound(_) => "NotFound",
        // There is no server here.
        TreeError::Forbidden(node) => {
            let why =
                "not the operator's: an account is changed in its file, and a secret is shown to nobody";
            return Refusal::own("Forbidden", format!("{node}: {why}"));
        }
        TreeError::NotAllowed { .. } => "Forbidden",
        TreeError::Unavailable { .. } | TreeError::Backend { .. } => "Unavailable",
        TreeError::TooLarge(_) | TreeError::ListsTooLarge { .. } | TreeError::TooMany(_) => "TooLarge",
        TreeError::NotUnique(_) | TreeError::Invalid { .. } => "InvalidArgument",
        _ => "Failed",
    };
    Refusal::own(name, error.to_string())
}
