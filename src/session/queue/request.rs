//! What a session is asked for with, and what becomes of two that ask for the same one.

use crate::alert::Destination;
use crate::notification::Trigger;
use crate::uri::ServerId;

/// Requested-MO-CVs that notifications which became one ask for together, at most; the newest count.
const MOST_REQUESTED: usize = 256;

/// Why a session is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Package#0, whose digest was verified, and whose id is a new one.
    Notification,
    /// Package#0 without a digest or an id: anybody may have sent it, or a copy of it.
    Unproven,
    /// The operator.
    Operator,
    /// `schedule.at-boot`, or the first contact of a factory account (TS 8.1).
    Boot,
    /// The first session with an account that a bootstrap brought (TS 8.2).
    Bootstrap,
    /// `schedule.every`.
    Schedule,
    /// An alert waits for the server.
    Alert,
    /// The session before it failed.
    Retry,
}

impl Cause {
    /// For the journal.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Notification | Self::Unproven => "notification",
            Self::Operator => "operator",
            Self::Boot => "boot",
            Self::Bootstrap => "bootstrap",
            Self::Schedule => "schedule",
            Self::Alert => "alert",
            Self::Retry => "retry",
        }
    }

    /// Whether nobody but the agent's own schedule asks for it.
    #[must_use]
    pub fn is_scheduled(self) -> bool {
        matches!(self, Self::Boot | Self::Bootstrap | Self::Schedule)
    }

    /// Whether a Package#0 asks for it.
    #[must_use]
    pub fn is_notification(self) -> bool {
        matches!(self, Self::Notification | Self::Unproven)
    }

    /// Whether it need not wait for the end of a backoff, nor for what `Retry-After` said.
    pub(super) fn overrides(self) -> bool {
        matches!(self, Self::Notification | Self::Unproven | Self::Operator)
    }

    /// Whether whoever asks for it has proved who he is.
    pub(super) fn is_proven(self) -> bool {
        matches!(self, Self::Notification | Self::Operator)
    }
}

/// A session to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    /// What the notification asked for; only the server id where there was none.
    pub trigger: Trigger,
    /// Where to, if not to the account's own URI: there an alert is posted (TS 5.4.5).
    pub at: Option<String>,
    /// Why.
    pub cause: Cause,
}

impl SessionRequest {
    /// A session with this server, for no more than its cause.
    #[must_use]
    pub fn plain(server_id: &ServerId, cause: Cause) -> Self {
        Self::to(&Destination::of(server_id), cause)
    }

    /// A session with this destination.
    #[must_use]
    pub fn to(destination: &Destination, cause: Cause) -> Self {
        let trigger = Trigger { server_id: destination.server_id.clone(), ..Trigger::default() };
        Self { trigger, at: destination.uri.clone(), cause }
    }

    /// Whom the session is with.
    #[must_use]
    pub fn destination(&self) -> Destination {
        Destination { server_id: self.trigger.server_id.clone(), uri: self.at.clone() }
    }
}

/// One session for both: nothing is lost that either asked for. REQ-MOS is OR-ed, Requested-MO-CVs are united, and of
/// two notifications the newer says how to connect and is the one that is reported.
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
        (before, newer) => before.is_scheduled() && !newer.is_scheduled(),
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

/// What two notifications want to know (CR 001, 8.1.2.1). What the server holds of one object the newer one knows better.
fn unite(before: &Requested, newer: &Requested) -> Requested {
    let said = |index: &u16| newer.iter().any(|(other, _)| other == index);
    let older = before.iter().filter(|(index, _)| !said(index));
    let mut united: Requested = older.chain(newer).cloned().collect();
    united.drain(..united.len().saturating_sub(MOST_REQUESTED));
    united
}
