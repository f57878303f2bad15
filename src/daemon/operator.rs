//! What the local operator asks of the tree: it is read apart from the loop, as the tree is for sessions.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::Daemon;
use crate::agent_state::AgentState;
use crate::base;
use crate::service::{Answer, Caller, Refusal, Values};
use crate::tree::{Operator, Rights, Shown, TreeError};
use crate::uri::client::{ClientUri, Fields};

/// How long reading may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes of an answer.
const MOST: usize = 4 << 20;

impl Daemon {
    /// Reads the nodes at a ClientURI, and answers with JSON.
    pub(super) fn get(&mut self, client_uri: String, caller: Caller) {
        let agent_state = Arc::clone(&self.agent_state);
        let reading = async move {
            let read = timeout(PATIENCE, read(&agent_state, &client_uri)).await;
            let late = || Err(Refusal::own("Unavailable", format!("{client_uri} could not be read in time")));
            caller.answer(read.unwrap_or_else(|_| late()));
        };
        base::spawn(self.shared.hearts.watch("what the operator reads".to_owned(), reading));
    }
}

async fn read(agent_state: &AgentState, client_uri: &str) -> Answer {
    let uri = ClientUri::parse_for(client_uri, Fields::READ)
        .map_err(|error| Refusal::invalid(format!("{client_uri:?} is no ClientURI: {error}")))?;
    let operator = Operator::default();
    let principal = operator.principal();
    let tree = &agent_state.tree;
    let found = tree.resolve_all(&uri, &principal, Rights::READ).await.map_err(of_tree)?;
    let json = match tree.show(found, uri.level, None, MOST, &principal).await.map_err(of_tree)? {
        Shown::Empty | Shown::Fresh => b"null".to_vec(),
        Shown::Leaf { value, .. } => {
            let mut json = Vec::new();
            value.write_json(&mut json);
            json
        }
        Shown::Document(json) => json,
    };
    Ok(Values::Of("s", json!([String::from_utf8_lossy(&json)])))
}

/// The refusal that an error of the tree becomes.
fn of_tree(error: TreeError) -> Refusal {
    let why = error.to_string();
    let name = match error {
        TreeError::NotFound(_) => "NotFound",
        TreeError::Forbidden(_) | TreeError::NotAllowed { .. } => "Forbidden",
        TreeError::Unavailable { .. } | TreeError::Backend { .. } => "Unavailable",
        TreeError::TooLarge(_) | TreeError::TooMany(_) => "TooLarge",
        TreeError::NotUnique(_) => "InvalidArgument",
        _ => "Failed",
    };
    Refusal::own(name, why)
}
