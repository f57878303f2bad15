//! EXECs that wait until they may begin: for their window, and for programs of the machine's own to let them pass.
//!
//! While one waits, it is a record in the store and a sleeping task; nothing else is kept, as files may be read again
//! meanwhile. What may be done is looked up when it is done, with a slot in hand, so that nothing lies between a look
//! and the beginning. What a look can't tell is no permission: the EXEC waits, and is looked at again.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::ExecSlots;
use super::queued::{AfterSession, QueuedExec, risk_of_exec};
use crate::backend::{End, NOT_NOW};
use crate::base;
use crate::base::said::Said;
use crate::base::{stopped, waking};
use crate::mo::mapping::{ANY_VETO, VETO, Window};
use crate::tree::{Closed, Invocation, Principal, SessionFacts, TreeError};

/// How long until programs that said "not now" are asked again, and until a look is repeated that could not tell.
const AGAIN: Duration = Duration::from_secs(60);
/// How long until the clock on the wall is looked at again, as it may be set.
const LOOK: Duration = Duration::from_secs(10 * 60);
/// How long an EXEC waits whose looks have told nothing, until it is given up.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// The permission of an EXEC to begin, as one look has found it.
enum Permission {
    /// The EXEC may begin.
    Begin,
    /// The EXEC may not begin before so long.
    Wait(Duration),
    /// The EXEC may not begin at all: the exit code of the program that said so, and the status that it stands for.
    Refused(Option<i32>, u16),
}

/// The knowledge that is kept from one look to the next.
#[derive(Default)]
struct Looks {
    /// Whether the journal has a line about the window.
    window: Said,
    /// Whether the journal has a line about looks that could not tell.
    untold: Said,
    /// The time since which programs are asked.
    asked: Option<Instant>,
    /// The time since which looks could not tell.
    in_vain: Option<Instant>,
}

impl AfterSession {
    /// Executes the EXECs one after the other, but for those that wait until they may begin. What has not begun when
    /// the agent stops is left to its next start.
    pub async fn run(self, queued: Vec<QueuedExec>) {
        let (waiting, free): (Vec<_>, Vec<_>) = queued.into_iter().partition(QueuedExec::needs_permission);
        for waiting in waiting {
            let (session, exec_slots) = (self.session, self.exec_slots.clone());
            base::spawn(begin_when_permitted(waiting, session, exec_slots, self.stopping.clone()));
        }
        for free in free {
            if *self.stopping.borrow() {
                return;
            }
            let _risk = self.agent_state.crash_guard.begin(&risk_of_exec(free.number())).await;
            let Some(slot) = self.exec_slots.slot_in_time().await else { return };
            free.run(slot, &self).await;
        }
    }
}

/// Executes a queued EXEC as soon as it may begin. What has not begun when the agent stops is left to its next start.
async fn begin_when_permitted(
    mut queued: QueuedExec,
    session: SessionFacts,
    exec_slots: ExecSlots,
    mut stopping: watch::Receiver<bool>,
) {
    queued.forget_invocation();
    let mut looks = Looks::default();
    loop {
        let slot = tokio::select! {
            slot = exec_slots.slot_in_time() => slot,
            () = stopped(&mut stopping) => return,
        };
        let Some(slot) = slot else { return };
        // An account that was gone for good took it along, and who has its name now did not command it.
        if !exec_slots.is_recorded(queued.number()) {
            return;
        }
        let wait = match AfterSession::now(queued.server_id(), session, &exec_slots, &stopping) {
            Some(after) => {
                let permission = tokio::select! {
                    permission = looks.look(&queued, &after) => permission,
                    () = stopped(&mut stopping) => return,
                };
                match permission {
                    Permission::Begin => {
                        let risk = risk_of_exec(queued.number());
                        let _risk = after.agent_state.crash_guard.begin(&risk).await;
                        return queued.run(slot, &after).await;
                    }
                    Permission::Refused(exit, code) => return queued.refuse(exit, code, &exec_slots),
                    Permission::Wait(wait) => wait,
                }
            }
            // The account's file may come back.
            None => LOOK,
        };
        drop(slot);
        tokio::select! {
            () = waking::sleep(wait) => {}
            () = stopped(&mut stopping) => return,
        }
    }
}

impl Looks {
    /// Looks whether the EXEC may begin, by the configuration as it is now.
    async fn look(&mut self, queued: &QueuedExec, after: &AfterSession) -> Permission {
        if queued.has_begun() {
            return Permission::Begin;
        }
        let client_uri = queued.client_uri();
        let error = match self.ask(client_uri, after).await {
            Ok(permission) => {
                (self.in_vain, self.untold) = (None, Said::default());
                return permission;
            }
            Err(error) => error,
        };
        let is_final = matches!(
            error,
            TreeError::Forbidden(_) | TreeError::NotAllowed { .. } | TreeError::Unsupported(_)
        );
        let since = *self.in_vain.get_or_insert_with(waking::now);
        if is_final || waking::now().saturating_duration_since(since) >= PATIENCE {
            log::error!(
                OMADM_SERVER_ID = queued.server_id().as_str(), OMADM_CLIENT_URI = client_uri;
                "{client_uri}: not executed: {error}"
            );
            return Permission::Refused(None, 500);
        }
        if self.untold.first() {
            log::warn!(
                OMADM_SERVER_ID = queued.server_id().as_str(), OMADM_CLIENT_URI = client_uri;
                "{client_uri}: whether it may be executed can't be told, so it waits, for a day at most: {error}"
            );
        }
        Permission::Wait(AGAIN)
    }

    async fn ask(&mut self, client_uri: &str, after: &AfterSession) -> Result<Permission, TreeError> {
        let tree = &after.agent_state.tree;
        let principal = Principal { account: &after.account, session: after.session };
        let invocation = tree.invocation_again(client_uri, false, &principal).await?;
        if let Some(closed) = tree.closed(&invocation, after.exec_slots.earliest()).await? {
            if self.window.first() {
                tell(client_uri, invocation.window(), closed);
            }
            return Ok(Permission::Wait(match closed {
                Closed::Until { opens_in, .. } => opens_in.min(LOOK),
                Closed::NotSoon => LOOK,
                Closed::ClockUnset => AGAIN,
            }));
        }
        if !invocation.may_be_vetoed() {
            return Ok(Permission::Begin);
        }
        self.veto(&invocation, after, &principal).await
    }

    /// Asks the machine's own programs.
    async fn veto(
        &mut self,
        invocation: &Invocation,
        after: &AfterSession,
        principal: &Principal<'_>,
    ) -> Result<Permission, TreeError> {
        let AfterSession { agent_state, .. } = after;
        let client_uri = invocation.node.client_uri();
        let folder = &agent_state.settings.paths.exec_veto;
        let vetoed = agent_state.tree.vetoed(invocation, folder, principal).await?;
        let Some((program, exit)) = vetoed else { return Ok(Permission::Begin) };
        let (program, end, timeout) = (program.display(), exit.end, invocation.timeout());
        let since = *self.asked.get_or_insert_with(waking::now);
        let is_patient = waking::now().saturating_duration_since(since) < timeout;
        if end == End::Code(NOT_NOW) && is_patient {
            log::info!(OMADM_CLIENT_URI = client_uri.as_str(); "{client_uri}: {program} says \"not now\": asked again in a minute");
            return Ok(Permission::Wait(AGAIN));
        }
        let code = if let End::Code(code) = end { VETO + code } else { ANY_VETO };
        let status = invocation.veto_status(code);
        let told = invocation.alert.as_ref().map_or(status, |alert| alert.number(Some(code), status));
        let asked = if principal.session.is_operator {
            "the operator had asked for it, and no server is told".to_owned()
        } else {
            format!("{} is told {told}", principal.account.server_id)
        };
        if end == End::Code(NOT_NOW) {
            let seconds = timeout.as_secs();
            log::warn!(
                OMADM_CLIENT_URI = client_uri.as_str();
                "{client_uri}: refused: {program} still says \"not now\", and its `timeout` of {seconds} s is over: it is not executed; {asked}"
            );
        } else {
            log::warn!(OMADM_CLIENT_URI = client_uri.as_str(); "{client_uri}: refused by {program}, which {end}: it is not executed; {asked}");
        }
        Ok(Permission::Refused(Some(code), status))
    }
}

/// Tells the operator that an EXEC waits for its window, and until when.
fn tell(client_uri: &str, window: Option<&Window>, closed: Closed) {
    let waits = waits_for(window, closed);
    log::info!(OMADM_CLIENT_URI = client_uri; "{client_uri}: waits for its window, {waits}");
}

/// The window that an EXEC waits for, and until when.
pub fn waits_for(window: Option<&Window>, closed: Closed) -> String {
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let until = match closed {
        Closed::Until { opens_at, .. } => {
            let day = DAYS.get(opens_at.weekday).copied().unwrap_or_default();
            let (hour, minute) = (opens_at.minute / 60, opens_at.minute % 60);
            format!("it begins on {day} at {hour:02}:{minute:02}, local time")
        }
        Closed::NotSoon => "it does not open within two weeks".to_owned(),
        Closed::ClockUnset => "the clock is not set yet".to_owned(),
    };
    let window = window.map(Window::to_string).unwrap_or_default();
    format!("{window}: {until}")
}
