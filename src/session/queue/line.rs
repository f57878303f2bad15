//! The line of one destination: what is asked for there, and from when on it may begin.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::request::{Cause, SessionRequest, merge};
use crate::base::Failures;
use crate::session::alert_bound::AlertBound;
use crate::session::outage::Outage;

/// The rate of sessions that nobody who has proved who he is has asked for: so many at once, then one each `every`.
#[derive(Clone, Copy, Debug)]
struct Rate {
    burst: u32,
    every: Duration,
}

/// The rate of what the device itself asks for: alerts, its schedule, further attempts.
const OWN: Rate = Rate { burst: 20, every: Duration::from_secs(3) };
/// The rate of what anybody may ask for.
const UNPROVEN: Rate = Rate { burst: 5, every: Duration::from_secs(10) };

/// The pace of sessions, counted against a [`Rate`].
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// The time when everything that has begun would be paid for, one each `every`.
    paid: Option<Instant>,
}

impl Pace {
    fn earliest(self, rate: Rate) -> Option<Instant> {
        self.paid?.checked_sub(rate.every * rate.burst.saturating_sub(1))
    }

    fn begin(&mut self, rate: Rate, now: Instant) {
        self.paid = Some(self.paid.map_or(now, |paid| paid.max(now)) + rate.every);
    }

    fn is_idle(self, now: Instant) -> bool {
        self.paid.is_none_or(|paid| paid <= now)
    }
}

/// The wait of a session for a network: that prefers some connection types, or is not worth a metered link. A change of
/// the network ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parked {
    /// Waits until it is known what is up.
    Unknown,
    /// Waits until one of the types is up, or they are given up.
    Bearer,
    /// Waits until connections leave by a link that is not metered, or it has waited long enough.
    Metered,
}

/// A session that waits in the line.
#[derive(Clone, Debug)]
pub(super) struct QueuedSession {
    pub(super) due: Instant,
    pub(super) request: SessionRequest,
    /// Whether the session has failed before.
    pub(super) again: bool,
    /// The wait for a network.
    pub(super) parked: Option<Parked>,
    /// The time when the wait has lasted long enough, since none was first found up.
    pub(super) gives_up: Option<Instant>,
}

impl QueuedSession {
    pub(super) fn new(due: Instant, request: SessionRequest) -> Self {
        Self { due, request, again: false, parked: None, gives_up: None }
    }

    /// Joins this session and a newer one: one for both, as soon as either is due.
    fn with(self, newer: Self) -> Self {
        // What comes again has been looked at before; what is new wants to be.
        let (parked, gives_up) = if newer.again { (newer.parked, newer.gives_up) } else { (None, None) };
        let again = self.again && newer.again;
        Self {
            due: self.due.min(newer.due),
            request: merge(self.request, newer.request),
            again,
            parked,
            gives_up,
        }
    }
}

/// The line of a destination. What waits is of three kinds, each in its slot: none of them takes the other along into
/// what becomes of it. A notification may wait for its bearer, an alert may turn out to have been told, and the
/// schedule goes on.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) running: Option<SessionRequest>,
    /// Whether the account of the session that runs is gone: nothing follows from how it ends, not even where an account of that
    /// name is back.
    pub(super) is_gone: bool,
    pub(super) notified: Option<QueuedSession>,
    /// The slot of alerts, and of further attempts.
    pub(super) own: Option<QueuedSession>,
    pub(super) scheduled: Option<QueuedSession>,
    /// The time until which what failed is not tried again. Holds against everything but notifications and the
    /// operator.
    pub(super) backoff: Option<Instant>,
    /// The time until which `Retry-After` asked to wait: holds against the same, whatever becomes of another session
    /// meanwhile.
    pub(super) asked: Option<Instant>,
    /// The time until which sessions are held as the agent has died of them. Holds against a notification as well that
    /// anybody may have sent.
    pub(super) fatal: Option<Instant>,
    /// The number of sessions that failed in a row.
    pub(super) failures: Failures,
    /// Whether it was the way there that failed: another one may help.
    pub(super) unreachable: bool,
    pub(super) outage: Arc<Outage>,
    pub(super) alert_bound: AlertBound,
    own_pace: Pace,
    unproven_pace: Pace,
}

impl Line {
    /// The slot for a request.
    pub(super) fn slot(&mut self, cause: Cause, again: bool) -> &mut Option<QueuedSession> {
        match cause {
            cause if cause.is_notification() => &mut self.notified,
            cause if cause.is_scheduled() && !again => &mut self.scheduled,
            _ => &mut self.own,
        }
    }

    /// Puts a session into its slot; with one that waits there it becomes one.
    pub(super) fn put(&mut self, newer: QueuedSession) {
        let slot = self.slot(newer.request.cause, newer.again);
        *slot = Some(match slot.take() {
            None => newer,
            Some(before) => before.with(newer),
        });
    }

    /// Puts a session that failed back to wait for another attempt; what came in meanwhile is newer.
    pub(super) fn put_back(&mut self, failed: QueuedSession) {
        let slot = self.slot(failed.request.cause, failed.again);
        *slot = Some(match slot.take() {
            None => failed,
            Some(newer) => failed.with(newer),
        });
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &QueuedSession> {
        [&self.notified, &self.own, &self.scheduled].into_iter().flatten()
    }

    pub(super) fn slots_mut(&mut self) -> impl Iterator<Item = &mut QueuedSession> {
        [&mut self.notified, &mut self.own, &mut self.scheduled].into_iter().flatten()
    }

    /// The time when a waiting session may begin, or be given up; none where a look at the bearers has to come back
    /// before.
    pub(super) fn begins(&self, waiting: &QueuedSession, held: Option<Instant>) -> Option<Instant> {
        let cause = waiting.request.cause;
        if let Some(parked) = waiting.parked {
            return waiting.gives_up.filter(|_| parked != Parked::Unknown);
        }
        let not_before = self.held_until(cause);
        let held = held.filter(|_| cause.is_scheduled());
        let pace = match cause {
            Cause::Notification | Cause::Operator => None,
            Cause::Unproven => self.unproven_pace.earliest(UNPROVEN),
            _ => self.own_pace.earliest(OWN),
        };
        Some([not_before, held, pace].into_iter().flatten().fold(waiting.due, Instant::max))
    }

    /// Whether a waiting session may begin now, or be given up.
    pub(super) fn is_due(&self, waiting: &QueuedSession, now: Instant, held: Option<Instant>) -> bool {
        self.begins(waiting, held).is_some_and(|begins| begins <= now)
    }

    /// The time until which what has happened at this destination holds a session of this cause.
    pub(super) fn held_until(&self, cause: Cause) -> Option<Instant> {
        let patience = [self.backoff, self.asked].into_iter().flatten().max().filter(|_| !cause.overrides());
        let fatal = self.fatal.filter(|_| !cause.is_proven());
        patience.max(fatal)
    }

    /// Counts a session of this cause that has begun.
    pub(super) fn count(&mut self, cause: Cause, now: Instant) {
        match cause {
            Cause::Notification | Cause::Operator => {}
            Cause::Unproven => self.unproven_pace.begin(UNPROVEN, now),
            _ => self.own_pace.begin(OWN, now),
        }
    }

    /// Whether nothing is to be remembered of this destination.
    pub(super) fn is_empty(&self, now: Instant) -> bool {
        self.running.is_none()
            && self.slots().next().is_none()
            && self.failures.is_none()
            && [self.backoff, self.asked, self.fatal].into_iter().flatten().all(|until| until <= now)
            && self.own_pace.is_idle(now)
            && self.unproven_pace.is_idle(now)
            && !self.outage.is_on()
            && self.alert_bound == AlertBound::default()
    }
}
