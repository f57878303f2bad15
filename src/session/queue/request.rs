//! Requests for sessions, and what becomes of two that ask for the same one.

use crate::alert::Destination;
use crate::notification::Trigger;
use crate::uri::ServerId;

/// The most Requested-MO-CVs that notifications which became one ask for together; the newest count.
const MOST_REQUESTED: usize = 256;

/// The cause of a session: why it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A Package#0 whose digest was verified, and whose id is a new one.
    Notification,
    /// A Package#0 without a digest or an id: anybody may have sent it, or a copy of it.
    Unproven,
    /// The operator's word.
    Operator,
    /// The agent's start (`schedule.at-boot`).
    Boot,
    /// The first contact of a factory account (TS 8.1).
    FirstContact,
    /// The first session with an account that a bootstrap brought (TS 8.2).
    Bootstrap,
    /// The time of `schedule.every`.
    Schedule,
    /// An alert that waits for the server.
    Alert,
    /// The failure of the session before it.
    Retry,
    /// The failure of one that nothing but the schedule had asked for.
    ScheduleRetry,
}

impl Cause {
    /// The name of the cause in the journal.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Notification | Self::Unproven => "notification",
            Self::Operator => "operator",
            Self::Boot => "boot",
            Self::FirstContact => "first contact",
            Self::Bootstrap => "bootstrap",
            Self::Schedule => "schedule",
            Self::Alert => "alert",
            Self::Retry | Self::ScheduleRetry => "retry",
        }
    }

    /// Whether nobody but the agent's own schedule asks for the session.
    #[must_use]
    pub fn is_scheduled(self) -> bool {
        matches!(self, Self::Boot | Self::FirstContact | Self::Bootstrap | Self::Schedule)
    }

    /// Whether the session can be kept off metered links: nobody but the schedule wants it, now or before it failed.
    #[must_use]
    pub fn may_wait_for_free_links(self) -> bool {
        self.is_scheduled() || self == Self::ScheduleRetry
    }

    /// The cause of the next attempt, where a session of this one has failed. What a notification asks for stays that,
    /// and a server has yet to hear that the device has its account.
    pub(super) fn again(self) -> Self {
        match self {
            Self::Notification | Self::Unproven | Self::Bootstrap => self,
            Self::Boot | Self::FirstContact | Self::Schedule | Self::ScheduleRetry => Self::ScheduleRetry,
            Self::Operator | Self::Alert | Self::Retry => Self::Retry,
        }
    }

    /// Whether a Package#0 asks for the session.
    #[must_use]
    pub fn is_notification(self) -> bool {
        matches!(self, Self::Notification | Self::Unproven)
    }

    /// Whether the session need not wait for the end of a backoff, nor for what `Retry-After` said.
    pub(super) fn overrides(self) -> bool {
        matches!(self, Self::Notification | Self::Unproven | Self::Operator)
    }

    /// Whether whoever asks for the session has proved who he is.
    pub(super) fn is_proven(self) -> bool {
        matches!(self, Self::Notification | Self::Operator)
    }
}

/// A request for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    /// The trigger: what the notification asks for; only the server id where there was none.
    pub trigger: Trigger,
    /// The URI to go to, if not to the account's own: there an alert is posted (TS 5.4.5).
    pub at: Option<String>,
    /// The cause of the session.
    pub cause: Cause,
}

impl SessionRequest {
    /// Requests a session with this server, for no more than its cause.
    #[must_use]
    pub fn plain(server_id: &ServerId, cause: Cause) -> Self {
        Self::to(&Destination::of(server_id), cause)
    }

    /// Requests a session with this destination.
    #[must_use]
    pub fn to(destination: &Destination, cause: Cause) -> Self {
        let trigger = Trigger { server_id: destination.server_id.clone(), ..Trigger::default() };
        Self { trigger, at: destination.uri.clone(), cause }
    }

    /// The destination: whom the session is with.
    #[must_use]
    pub fn destination(&self) -> Destination {
        Destination { server_id: self.trigger.server_id.clone(), uri: self.at.clone() }
    }
}

/// Merges two requests into one session: nothing is lost that either asked for. REQ-MOS is OR-ed, Requested-MO-CVs are
/// united, and of two notifications the newer says how to connect and is the one that is reported.
pub(super) fn merge(before: SessionRequest, newer: SessionRequest) -> SessionRequest {
    let signed = [before.cause, newer.cause].contains(&Cause::Notification);
    let req_mos = before.trigger.req_mos || newer.trigger.req_mos;
    let requested = unite(&before.trigger.requested, &newer.trigger.requested);
    let better = match (before.cause, newer.cause) {
        (_, newer) if newer.is_notification() => true,
        (before, _) if before.is_notification() => false,
        // The operator does not wait as what failed before does.
        (_, Cause::Operator) => true,
        // A better reason than the schedule is not held back with it.
        (before, newer) => before.may_wait_for_free_links() && !newer.may_wait_for_free_links(),
    };
    let mut kept = if better { newer } else { before };
    if signed {
        kept.cause = Cause::Notification;
    }
    kept.trigger.req_mos = req_mos;
    kept.trigger.requested = requested;
    kept
}

type Requested = Vec<(u16, Vec<u8>)>;

/// Unites what two notifications want to know (CR 001, 8.1.2.1). What the server holds of one object the newer one
/// knows better.
fn unite(before: &Requested, newer: &Requested) -> Requested {
    let said = |index: &u16| newer.iter().any(|(other, _)| other == index);
    let older = before.iter().filter(|(index, _)| !said(index));
    let mut united: Requested = older.chain(newer).cloned().collect();
    united.drain(..united.len().saturating_sub(MOST_REQUESTED));
    united
}
