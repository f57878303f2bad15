//! The outlook of a destination: whether a session runs, when the next one is due, and what it waits for.

use std::time::Instant;

use super::Queue;
use super::line::{Line, Parked, QueuedSession};
use super::request::Cause;
use crate::alert::Destination;

/// The next session with a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The time when it begins, if nothing else happens; none: what it waits for has no time.
    pub at: Option<Instant>,
    /// The cause of the session.
    pub cause: Cause,
    /// What it waits for.
    pub waits_for: WaitsFor,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// The time for which it was asked.
    Time,
    /// The end of the session that runs.
    Running,
    /// A connection type that its server prefers.
    Bearer,
    /// A link that is not metered.
    Metered,
    /// The end of the pause after a failure.
    Backoff,
    /// The end of the pause that the server asked for.
    RetryAfter,
    /// The end of the pause after the agent died of such sessions.
    Fatal,
    /// A clock that is set.
    Clock,
    /// Fewer sessions a minute.
    Pace,
}

impl WaitsFor {
    /// The words for an operator.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Time => "the time for it",
            Self::Running => "the end of the session that runs",
            Self::Bearer => "a connection type that the server prefers",
            Self::Metered => "a link that is not metered",
            Self::Backoff => "the end of the pause after a failure",
            Self::RetryAfter => "the end of the pause that the server asked for (Retry-After)",
            Self::Fatal => "the end of the pause after the agent died of such sessions",
            Self::Clock => "a clock that is set",
            Self::Pace => "fewer sessions a minute",
        }
    }
}

impl Queue {
    /// The next session with a destination; none where none is asked for.
    #[must_use]
    pub fn outlook(&self, destination: &Destination) -> Option<Outlook> {
        let line = self.lines.get(destination)?;
        // What has no time comes last.
        let next = line.slots().map(|waiting| (line.begins(waiting, self.held), waiting));
        let (at, waiting) = next.min_by_key(|(at, _)| (at.is_none(), *at))?;
        let cause = waiting.request.cause;
        let waits_for = match line.running {
            Some(_) => WaitsFor::Running,
            None => line.waits_for(waiting, at, self.held),
        };
        Some(Outlook { at: at.filter(|_| line.running.is_none()), cause, waits_for })
    }
}

impl Line {
    fn waits_for(&self, waiting: &QueuedSession, at: Option<Instant>, held: Option<Instant>) -> WaitsFor {
        let cause = waiting.request.cause;
        match waiting.parked {
            Some(Parked::Metered) => return WaitsFor::Metered,
            Some(_) => return WaitsFor::Bearer,
            None => {}
        }
        let is_late = at.is_some_and(|at| at > waiting.due);
        let is_it = |until: Option<Instant>| is_late && until == at;
        match () {
            () if is_it(self.fatal) && !cause.is_proven() => WaitsFor::Fatal,
            () if is_it(self.asked) && !cause.overrides() => WaitsFor::RetryAfter,
            () if is_it(self.backoff) && !cause.overrides() => WaitsFor::Backoff,
            () if is_it(held) && cause.is_scheduled() => WaitsFor::Clock,
            () if is_late => WaitsFor::Pace,
            // The time of an attempt that is made again is that pause's end.
            () if waiting.again && at.is_some() && self.asked == at => WaitsFor::RetryAfter,
            () if waiting.again => WaitsFor::Backoff,
            () => WaitsFor::Time,
        }
    }
}
