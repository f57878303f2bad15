//! EXEC (TS 5.4.5): what a node does when it is executed.

use crate::backend::{self, Running};
use crate::ddf::AccessType;
use crate::uri::client::ClientUri;

use super::error::TreeError;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use super::rights::Rights;
use super::state::State;

/// A node that may be executed.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The node.
    pub node: NodeRef,
    /// Whether it waits for the end of the session.
    pub after_session: bool,
    /// The type of the alert that reports an end after the command was answered.
    pub alert_type: String,
    /// Where its end is reported, if not to the server that gave the command: an absolute URI.
    pub report_to: Option<String>,
    /// Whether it goes on after a reboot.
    pub resume: bool,
    /// Whether it does so now.
    resumed: bool,
    codes: Vec<(i32, u16)>,
}

impl Invocation {
    /// The status code of a program's exit: 200, a mapped 1xxx, or 500; 500 too for one that was killed. 501 is for what
    /// only the privileged helper could do.
    #[must_use]
    pub fn status(&self, exit: &backend::Exit) -> u16 {
        if exit.end == backend::End::Unsupported {
            return 501;
        }
        exit.mapped(&self.codes).unwrap_or(if exit.success() { 200 } else { 500 })
    }
}

impl Tree {
    /// What executing `node` means.
    ///
    /// # Errors
    /// The node can't be executed, or its mapping says nothing of it.
    pub fn invocation(&self, node: &NodeRef) -> Result<Invocation, TreeError> {
        if !node.properties().access.allows(AccessType::EXEC) {
            return Err(TreeError::NotAllowed { node: node.client_uri(), what: "can't be executed" });
        }
        let Some(exec) = &node.mapping().exec else {
            return Err(TreeError::Unsupported("EXEC of a node that no mapping gives a meaning"));
        };
        Ok(Invocation {
            node: node.clone(),
            after_session: exec.after_session,
            alert_type: exec.alert_type.clone(),
            report_to: None,
            resume: exec.resume,
            resumed: false,
            codes: exec.codes.clone(),
        })
    }

    /// What executing a node means that was commanded before the agent was started; `resumed`: and was begun.
    ///
    /// # Errors
    /// The node is no longer there, or the server may no longer execute it.
    pub async fn invocation_again(
        &self,
        client_uri: &str,
        resumed: bool,
        principal: &Principal<'_>,
    ) -> Result<Invocation, TreeError> {
        let uri = ClientUri::parse(client_uri).map_err(|_| TreeError::NotFound(client_uri.to_owned()))?;
        let node = self.resolve(&uri, principal, Rights::EXECUTE).await?;
        Ok(Invocation { resumed, ..self.invocation(&node)? })
    }

    /// Starts what the node's mapping names.
    ///
    /// # Errors
    /// It can't be started.
    pub async fn execute(
        &self,
        invocation: &Invocation,
        principal: &Principal<'_>,
    ) -> Result<Running, TreeError> {
        let node = &invocation.node;
        let failed = |source| TreeError::Backend { node: node.client_uri(), source };
        let Some(exec) = &node.mapping().exec else {
            return Err(TreeError::Unsupported("EXEC of a node that no mapping gives a meaning"));
        };
        let state = State::of(self.store.snapshot()?);
        let scope = self.scope_with_input(node, principal, &state).await?;
        let mut context = scope.context();
        context.request.resumed = invocation.resumed;
        backend::start(exec, &context).await.map_err(failed)
    }
}
