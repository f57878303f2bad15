//! `EXEC ClientURI [ServerURI]` (TS 5.4.5).
//!
//! With a ServerURI, the answer is 202, and the end is reported there, in a session of its own. Otherwise what ends within `exec.sync-limit` is answered with its result; what takes longer with 202, and reports
//! by a Generic Alert (TS 5.3).

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{Answer, CommandError, Context, client_uri, plain, repository};
use crate::backend::Running;
use crate::config::Account;
use crate::session::stopped;
use crate::tree::{Invocation, Rights, SessionFacts, Tree, Visitor};

/// Programs that EXEC and SHOW may have running at one time, for all servers; another one is answered 503.
const MOST_RUNNING: usize = 16;
/// EXECs of one session that wait for its end.
const MOST_WAITING: usize = 16;

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
    /// Where the alert is posted, if not where the server's sessions go.
    pub report_to: Option<String>,
}

/// The programs that EXEC and SHOW have running, and who is told when an EXEC ends that outlived its command.
#[derive(Clone, Debug)]
pub struct Programs {
    places: Arc<Semaphore>,
    finished: mpsc::UnboundedSender<Finished>,
}

impl Programs {
    /// None is running yet.
    #[must_use]
    pub fn new(finished: mpsc::UnboundedSender<Finished>) -> Self {
        Self { places: Arc::new(Semaphore::new(MOST_RUNNING)), finished }
    }

    /// A place for one more.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, CommandError> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| CommandError::Busy)
    }

    fn report(&self, finished: Finished) {
        // Nobody listens once the agent is on its way out.
        let _ = self.finished.send(finished);
    }
}

pub(super) async fn run(parameters: &[String], context: &mut Context<'_>) -> Answer {
    let (uri, server_uri) = match parameters {
        [uri] => (client_uri(uri)?, None),
        [uri, server_uri] => (client_uri(uri)?, Some(repository::expand(server_uri, context)?)),
        _ => return Err(CommandError::Malformed("EXEC takes a ClientURI and at most one ServerURI")),
    };
    if let Some(server_uri) = &server_uri {
        context.connection.admit(server_uri)?;
    }
    let node = context.tree.resolve(&uri, &context.visitor, Rights::EXECUTE).await?;
    let mut invocation = context.tree.invocation(&node)?;
    invocation.report_to = server_uri.map(|uri| uri.to_string());
    let at_once = invocation.report_to.is_some();
    if invocation.after_session {
        if context.after_session.len() == MOST_WAITING {
            return Err(CommandError::Busy);
        }
        context.after_session.push(invocation);
        return Ok(plain(202));
    }
    let place = context.programs.place()?;
    let running = context.tree.execute(&invocation, &context.visitor).await?;
    let server_id = context.visitor.account.server_id.clone();
    let mut task = tokio::spawn(async move {
        let _place = place;
        wait(&invocation, running, server_id).await
    });
    tokio::select! {
        () = std::future::ready(()), if at_once => {}
        finished = &mut task, if !at_once => {
            return Ok(plain(finished.map_or(500, |finished| finished.code)));
        }
        () = tokio::time::sleep(context.settings.exec.sync_limit) => {}
        () = stopped(context.stopping) => {}
    }
    let programs = context.programs.clone();
    tokio::spawn(async move {
        if let Ok(finished) = task.await {
            programs.report(finished);
        }
    });
    Ok(plain(202))
}

/// Executes what waited for the end of the session, one after the other.
pub async fn finish(
    tree: Arc<Tree>,
    account: Arc<Account>,
    session: SessionFacts,
    invocations: Vec<Invocation>,
    programs: Programs,
) {
    let visitor = Visitor { account: &account, session };
    for invocation in invocations {
        match tree.execute(&invocation, &visitor).await {
            Ok(running) => {
                programs.report(wait(&invocation, running, account.server_id.clone()).await);
            }
            Err(error) => log::error!("{}: EXEC after the session: {error}", account.server_id),
        }
    }
}

async fn wait(invocation: &Invocation, mut running: Running, server_id: String) -> Finished {
    let exit = running.finish().await;
    let client_uri = invocation.node.client_uri();
    let code = invocation.status(&exit);
    log::info!(
        OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str(), OMADM_STATUS = code;
        "{client_uri}: {}: {code}", exit.end
    );
    Finished {
        server_id,
        client_uri,
        alert_type: invocation.alert_type.clone(),
        code,
        report_to: invocation.report_to.clone(),
    }
}
