//! `EXEC ClientURI [ServerURI]` (TS 5.4.5).
//!
//! What ends within `exec.sync-limit` is answered with its result; what takes longer with 202, and reports
//! by a Generic Alert (TS 5.3).

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Answer, CommandError, Context, client_uri, plain};
use crate::backend::Running;
use crate::session::stopped;
use crate::tree::{Invocation, Rights, Tree, Visitor};

/// An EXEC that ended after its command was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Who gave the command.
    pub server_id: String,
    /// The node.
    pub client_uri: String,
    /// What the alert is called.
    pub alert_type: String,
    /// 200, a mapped 1xxx, or 500.
    pub code: u16,
}

pub(super) async fn run(parameters: &[String], context: &mut Context<'_>) -> Answer {
    let uri = match parameters {
        [uri] => client_uri(uri)?,
        [_, _] => return Err(CommandError::Unsupported("EXEC with a ServerURI")),
        _ => return Err(CommandError::Malformed("EXEC takes a ClientURI and at most one ServerURI")),
    };
    let node = context.tree.resolve(&uri, &context.visitor, Rights::EXECUTE).await?;
    let invocation = context.tree.invocation(&node)?;
    if invocation.after_session {
        context.after_session.push(invocation);
        return Ok(plain(202));
    }
    let running = context.tree.execute(&invocation, &context.visitor).await?;
    let server_id = context.visitor.account.server_id.clone();
    let mut task = tokio::spawn(wait(invocation, running, server_id));
    tokio::select! {
        finished = &mut task => return Ok(plain(finished.map_or(500, |finished| finished.code))),
        () = tokio::time::sleep(context.settings.exec.sync_limit) => {}
        () = stopped(context.stopping) => {}
    }
    let sender = context.finished.clone();
    tokio::spawn(async move { report(task.await, &sender) });
    Ok(plain(202))
}

/// Executes what waited for the end of the session. Fire and forget: a reboot reports to nobody.
pub async fn finish(
    tree: &Arc<Tree>,
    visitor: &Visitor<'_>,
    invocation: Invocation,
    sender: &mpsc::UnboundedSender<Finished>,
) {
    let server_id = visitor.account.server_id.clone();
    match tree.execute(&invocation, visitor).await {
        Ok(running) => {
            let sender = sender.clone();
            let task = tokio::spawn(wait(invocation, running, server_id));
            tokio::spawn(async move { report(task.await, &sender) });
        }
        Err(error) => log::error!("{server_id}: EXEC after the session: {error}"),
    }
}

async fn wait(invocation: Invocation, mut running: Running, server_id: String) -> Finished {
    let exit = running.finish().await;
    let client_uri = invocation.node.client_uri();
    let code = invocation.status(&exit);
    log::info!(
        OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str(), OMADM_STATUS = code;
        "{client_uri}: {:?}: {code}", exit.end
    );
    Finished { server_id, client_uri, alert_type: invocation.alert_type, code }
}

fn report(finished: Result<Finished, tokio::task::JoinError>, sender: &mpsc::UnboundedSender<Finished>) {
    if let Ok(finished) = finished {
        // Nobody listens once the agent is on its way out.
        let _ = sender.send(finished);
    }
}
