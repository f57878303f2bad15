//! The gate of EXECs that wait until they may begin: for their window, and for programs of the machine's own to let
//! them pass.
//!
//! While one waits, it is a record in the store and a sleeping task; nothing else is kept, as files may be read again
//! meanwhile. What may be done is looked up when it is done.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::queued::{AfterSession, QueuedExec, risk_of_exec};
use super::{ExecError, ExecSlots};
use crate::backend::{End, NOT_NOW};
use crate::base::{stopped, waking};
use crate::mo::mapping::Window;
use crate::tree::{Closed, Principal, SessionFacts};

/// How long until programs that said "not now" are asked again.
const AGAIN: Duration = Duration::from_secs(60);
/// How long until the clock on the wall is looked at again, as it may be set.
const LOOK: Duration = Duration::from_secs(10 * 60);

impl AfterSession {
    /// Executes the queued EXECs one after the other, but for those that wait until they may begin. What has not begun
    /// when the agent stops is left to its next start.
    pub async fn run(self, waiting: Vec<QueuedExec>) {
        let (gated, waiting): (Vec<_>, Vec<_>) = waiting.into_iter().partition(QueuedExec::is_gated);
        for waiting in gated {
            tokio::spawn(pass(waiting, self.session, self.exec_slots.clone(), self.stopping.clone()));
        }
        for waiting in waiting {
            if *self.stopping.borrow() {
                return;
            }
            let _risk = self.agent_state.crash_guard.begin(&risk_of_exec(waiting.number())).await;
            waiting.run(&self).await;
        }
    }
}

/// The result of a look at whether an EXEC may begin.
enum Gate {
    /// The EXEC may begin.
    Open,
    /// The EXEC may not begin before so long.
    Closed(Duration),
    /// The EXEC may not begin at all: the exit code of the program that said so, and the status that it stands for.
    Refused(Option<i32>, u16),
}

/// The state of an EXEC's wait, from one look to the next.
#[derive(Default)]
struct Looks {
    /// Whether the journal has a line about the window.
    told: bool,
    /// The time since when programs are asked.
    asked: Option<Instant>,
}

/// Executes a queued EXEC as soon as it may begin. What has not begun when the agent stops is left to its next start.
async fn pass(
    mut waiting: QueuedExec,
    session: SessionFacts,
    exec_slots: ExecSlots,
    mut stopping: watch::Receiver<bool>,
) {
    waiting.forget_invocation();
    let mut looks = Looks::default();
    loop {
        let wait = {
            let Some(after) = AfterSession::now(waiting.server_id(), session, &exec_slots, &stopping) else {
                return waiting.refuse(None, 500, &exec_slots);
            };
            match looks.look(&waiting, &after).await {
                // What can't be looked up can't be executed either, and that is told.
                Ok(Gate::Open) | Err(_) => {
                    let _risk = after.agent_state.crash_guard.begin(&risk_of_exec(waiting.number())).await;
                    return waiting.run(&after).await;
                }
                Ok(Gate::Refused(exit, code)) => return waiting.refuse(exit, code, &exec_slots),
                Ok(Gate::Closed(wait)) => wait,
            }
        };
        tokio::select! {
            () = waking::sleep(wait) => {}
            () = stopped(&mut stopping) => return,
        }
    }
}

impl Looks {
    async fn look(&mut self, waiting: &QueuedExec, after: &AfterSession) -> Result<Gate, ExecError> {
        if waiting.has_begun() {
            return Ok(Gate::Open);
        }
        let tree = &after.agent_state.tree;
        let principal = Principal { account: &after.account, session: after.session };
        let client_uri = waiting.client_uri();
        let invocation = tree.invocation_again(client_uri, false, &principal).await?;
        if let Some(closed) = tree.closed(&invocation).await {
            self.tell(client_uri, invocation.window(), closed);
            return Ok(Gate::Closed(closed.opens_in.min(LOOK)));
        }
        if !invocation.may_be_vetoed() {
            return Ok(Gate::Open);
        }
        let folder = &after.agent_state.settings.paths.exec_veto;
        let vetoed = match tree.vetoed(&invocation, folder, &principal).await {
            Ok(None) => return Ok(Gate::Open),
            Ok(Some(vetoed)) => vetoed,
            Err(error) => {
                log::error!(OMADM_CLIENT_URI = client_uri; "{client_uri}: whether it may be executed can't be asked, so it is not: {error}");
                return Ok(Gate::Refused(None, 500));
            }
        };
        let (program, end) = (vetoed.0.display(), vetoed.1.end);
        let since = *self.asked.get_or_insert_with(waking::now);
        let is_patient = waking::now().saturating_duration_since(since) < invocation.timeout();
        if end == End::Code(NOT_NOW) && is_patient {
            log::info!(OMADM_CLIENT_URI = client_uri; "{client_uri}: {program} says \"not now\": asked again in a minute");
            return Ok(Gate::Closed(AGAIN));
        }
        log::warn!(OMADM_CLIENT_URI = client_uri; "{client_uri}: refused by {program}, which {end}: it is not executed");
        let exit = if let End::Code(code) = end { Some(code) } else { None };
        Ok(Gate::Refused(exit, invocation.status(&vetoed.1)))
    }

    fn tell(&mut self, client_uri: &str, window: Option<&Window>, closed: Closed) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        const DAYS: [&str; 7] =
            ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let day = DAYS.get(closed.opens_at.weekday).copied().unwrap_or_default();
        let (hour, minute) = (closed.opens_at.minute / 60, closed.opens_at.minute % 60);
        let window = window.map(Window::to_string).unwrap_or_default();
        log::info!(
            OMADM_CLIENT_URI = client_uri;
            "{client_uri}: waits for its window, {window}: it begins on {day} at {hour:02}:{minute:02}, local time"
        );
    }
}
