//! The queue of sessions: when, and with whom. One session per destination at a time, at most one more of each kind
//! waiting, a bounded number over all. Pure: `now` is passed in, what is due comes out.
//!
//! A destination is an account's own, or an URI that its server named for the report of an EXEC (TS 5.4.5): they run
//! beside each other. A session that has begun keeps nobody waiting but those at its own destination, whatever its
//! server does or does not do: what is bounded is how many there are, and what they hold in memory
//! ([`DataBudget`](crate::command::DataBudget)). Who waits, for a bearer or for the end of a backoff, has not begun.

mod line;
pub(super) mod outlook;
mod request;

pub use request::{Cause, SessionRequest};

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::alert::Destination;
use crate::base::OrderedMap;
use crate::bearer::Choice;
use crate::bearer::ConnectionType;

use super::alert_bound::AlertBound;
use super::machine::{Again, Outcome};
use super::outage::Outage;
use crate::base::{Backoff, Failures};
use crate::uri::ServerId;
use line::{Line, Parked, QueuedSession};
use request::merge;

/// The most sessions that run at one time: each has a socket or two.
const MOST_RUNNING: usize = 256;
/// The most of them with URIs that one server has named.
const MOST_REPORTS: usize = 4;
const AGAIN: Backoff = Backoff { base: Duration::from_secs(30), most: Duration::from_secs(3600) };
/// The longest time that a failed session waits where the server asks for it.
const LONGEST_AFTER: Duration = Duration::from_secs(86_400);
/// The longest random time after which a server that could not be reached is tried again where the network has changed:
/// many gateways may have lost one network.
const CHANGED_JITTER: Duration = Duration::from_secs(10);

/// The lines of all destinations.
#[derive(Debug, Default)]
pub struct Queue {
    lines: OrderedMap<Destination, Line>,
    running: usize,
    /// The time before which nothing begins that is only scheduled.
    held: Option<Instant>,
}

/// The world outside, as far as [`Queue::due`] has to know it.
pub struct Circumstances<'a> {
    /// Chooses the binding of a session that prefers these connection types.
    pub choose: &'a dyn Fn(&[ConnectionType]) -> Choice,
    /// How long a session waits for a preferred type.
    pub bearer_wait: Duration,
    /// Keeps what is only scheduled off metered links; none: it may use them.
    pub metered: Option<MeteredCircumstances<'a>>,
    /// Whether alerts wait for a destination.
    pub has_alerts: &'a dyn Fn(&Destination) -> bool,
}

/// The world outside, where scheduled sessions are kept off metered links.
#[derive(Clone, Copy)]
pub struct MeteredCircumstances<'a> {
    /// Whether connections leave by a metered link; none: that is being looked at.
    pub leaves_metered: &'a dyn Fn() -> Option<bool>,
    /// How long a scheduled session waits for another link.
    pub wait: Duration,
}

/// A step that a session takes which was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The session begins, and counts as running until [`Queue::ended`].
    Begin(SessionRequest),
    /// The session waits: none of the connection types it prefers is up.
    Wait(SessionRequest),
    /// The scheduled session waits: connections leave by a metered link.
    WaitMetered(SessionRequest),
    /// The scheduled session has waited long enough for a link that is not metered, and begins.
    EndWait(SessionRequest),
    /// The session is given up for now: none of the types came up in time.
    GiveUp(SessionRequest),
}

impl Queue {
    /// Asks for a session at `at`. One of its kind that waits already takes this one in: it becomes due at the earlier
    /// time, REQ-MOS is OR-ed, Requested-MO-CVs are united, and the newest notification counts for the rest.
    pub fn ask(&mut self, request: SessionRequest, at: Instant) {
        self.lines.entry(request.destination()).or_default().put(QueuedSession::new(at, request));
    }

    /// The notification that waits for a destination, and would become one session with another one.
    #[must_use]
    pub fn notified(&self, destination: &Destination) -> Option<&SessionRequest> {
        self.lines.get(destination)?.notified.as_ref().map(|waiting| &waiting.request)
    }

    /// The request that comes of asking for this session: one that waits already takes it in.
    #[must_use]
    pub fn with_waiting(&self, request: &SessionRequest) -> SessionRequest {
        let waiting = self.notified(&request.destination());
        waiting.map_or_else(|| request.clone(), |before| merge(before.clone(), request.clone()))
    }

    /// Holds back, until this time, what nobody but the schedule asks for; none: nothing any longer.
    pub fn hold(&mut self, until: Option<Instant>) {
        self.held = until;
    }

    /// Holds back sessions that may end the agent: none with this destination begins before `until` but what the
    /// operator asks for, or a notification that its server has signed.
    pub fn hold_fatal(&mut self, destination: &Destination, until: Instant) {
        later(&mut self.lines.entry(destination.clone()).or_default().fatal, until);
    }

    /// The outage of a destination, which all sessions with it share.
    pub fn outage(&mut self, destination: &Destination) -> Arc<Outage> {
        Arc::clone(&self.lines.entry(destination.clone()).or_default().outage)
    }

    /// What sessions with a destination have learnt of the alerts that its server takes.
    #[must_use]
    pub fn alert_bound(&self, destination: &Destination) -> AlertBound {
        self.lines.get(destination).map_or_else(AlertBound::default, |line| line.alert_bound)
    }

    /// Notes what the session that runs with a destination has learnt of the alerts that its server takes.
    pub fn learn_alert_bound(&mut self, destination: &Destination, learnt: AlertBound) {
        if let Some(line) = self.lines.get_mut(destination).filter(|line| !line.is_gone) {
            line.alert_bound = learnt;
        }
    }

    /// The steps of the sessions that are due now.
    pub fn due(&mut self, now: Instant, circumstances: &Circumstances<'_>) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut reports = self.reports();
        let held = self.held;
        for (destination, line) in &mut self.lines {
            if self.running == MOST_RUNNING {
                break;
            }
            if line.running.is_some() || !has_room(&reports, destination) {
                continue;
            }
            forget_told(line, destination, now, held, circumstances);
            let bearer = line.notified_step(now, held, circumstances);
            if let Some(metered) = circumstances.metered {
                steps.extend(line.scheduled_steps(now, held, metered));
            }
            let waits = line.notified.as_ref().is_some_and(|waiting| waiting.parked.is_some());
            steps.extend(bearer);
            if let Some(request) = line.begin(now, held, waits) {
                line.count(request.cause, now);
                line.running = Some(request.clone());
                self.running += 1;
                if destination.uri.is_some() {
                    *reports.entry(destination.server_id.clone()).or_default() += 1;
                }
                steps.push(Step::Begin(request));
            }
        }
        self.lines.retain(|_, line| !line.is_empty(now));
        steps
    }

    /// Notes that a session with this destination is over. A failed one waits for another attempt where one can help;
    /// returns how long, for the journal. `random` is uniform over all u32.
    pub fn ended(
        &mut self,
        destination: &Destination,
        outcome: &Outcome,
        now: Instant,
        random: u32,
    ) -> Option<Duration> {
        let line = self.lines.get_mut(destination)?;
        let request = line.running.take()?;
        self.running -= 1;
        if std::mem::take(&mut line.is_gone) {
            if line.is_empty(now) {
                self.lines.remove(destination);
            }
            return None;
        }
        let wait = match outcome {
            Outcome::Completed | Outcome::Failed { again: Again::Never, .. } => {
                (line.failures, line.backoff, line.unreachable) = (Failures::default(), None, false);
                if *outcome == Outcome::Completed {
                    (line.asked, line.fatal) = (None, None);
                    line.has_gone_well();
                }
                if destination.uri.is_some() {
                    // Nothing is tried there again.
                    line.asked = None;
                    line.outage = Arc::default();
                    line.alert_bound = AlertBound::default();
                }
                if line.is_empty(now) {
                    self.lines.remove(destination);
                }
                return None;
            }
            Outcome::Failed { again: Again::Later, failure } => {
                line.unreachable = failure.is_of_the_way();
                let wait = line.failures.add(AGAIN, None, random);
                later(&mut line.backoff, now + wait);
                wait
            }
            Outcome::Failed { again: Again::After(least), .. } => {
                line.unreachable = false;
                let wait = line.failures.add(AGAIN, Some((*least).min(LONGEST_AFTER)), random);
                later(&mut line.asked, now + wait);
                wait
            }
        };
        let cause = request.cause.again();
        let again = QueuedSession {
            again: true,
            ..QueuedSession::new(now + wait, SessionRequest { cause, ..request })
        };
        let begins = line.held_until(cause).map_or(again.due, |until| until.max(again.due));
        line.put_back(again);
        Some(begins.saturating_duration_since(now))
    }

    /// Whether a session could begin now that prefers some connection types, or is kept off metered links: then one has
    /// to know what is up.
    #[must_use]
    pub fn asks_for_bearer(&self, now: Instant, keeps_off_metered: bool) -> bool {
        let is_parked =
            |slot: &Option<QueuedSession>| slot.as_ref().is_some_and(|waiting| waiting.parked.is_some());
        let may_not = |line: &Line| {
            let [scheduled, own] = line.kept_off_metered(now, self.held);
            keeps_off_metered && (scheduled && !is_parked(&line.scheduled) || own && !is_parked(&line.own))
        };
        let asks = |line: &Line, waiting: &QueuedSession| {
            let preferred = waiting.request.trigger.preferred.first();
            waiting.parked.is_none()
                && preferred.is_some_and(|first| *first != ConnectionType::AnyAvailable)
                && line.is_due(waiting, now, self.held)
        };
        let mut idle = self.idle();
        idle.any(|line| line.notified.as_ref().is_some_and(|waiting| asks(line, waiting)) || may_not(line))
    }

    /// Whether anything waits that a change of the network can help.
    #[must_use]
    pub fn wants_network(&self) -> bool {
        let lines = self.lines.values();
        lines.into_iter().any(|line| line.unreachable || line.slots().any(|waiting| waiting.parked.is_some()))
    }

    /// Looks again at what waits for a bearer, as the network is another one, or more is known of it.
    pub fn network_changed(&mut self) {
        for waiting in self.lines.values_mut().flat_map(Line::slots_mut) {
            waiting.parked = None;
        }
    }

    /// Has what could not be reached tried soon, as if it had not failed before: a bearer or an address has come up.
    /// `random` is uniform over all u32.
    pub fn network_came_up(&mut self, now: Instant, random: &mut dyn FnMut() -> u32) {
        for line in self.lines.values_mut().filter(|line| line.unreachable) {
            let soon = now + CHANGED_JITTER.mul_f64(f64::from(random()) / f64::from(u32::MAX));
            (line.failures, line.unreachable) = (Failures::default(), false);
            line.backoff = line.backoff.map(|until| until.min(soon));
            for waiting in line.slots_mut().filter(|waiting| waiting.again) {
                waiting.due = waiting.due.min(soon);
            }
        }
    }

    /// Forgets servers whose account is gone; their running sessions end by themselves. Where it is certain that the account
    /// is, and not only its folder for a while, nothing follows from how they end.
    pub fn keep(&mut self, known: impl Fn(&ServerId) -> bool, certain: bool) {
        self.lines.retain(|destination, line| {
            if known(&destination.server_id) {
                return true;
            }
            (line.notified, line.own, line.scheduled) = (None, None, None);
            let running = line.running.take();
            if certain {
                *line = Line::default();
                line.is_gone = running.is_some();
            }
            line.running = running;
            line.running.is_some()
        });
    }

    /// Whether the account of the session that runs with this destination is gone, or was since it began.
    #[must_use]
    pub fn is_gone(&self, destination: &Destination) -> bool {
        self.lines.get(destination).is_some_and(|line| line.is_gone)
    }

    /// The time when a session is due next; none while nothing can start before a running session ends.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.idle().flat_map(|line| line.slots().filter_map(|waiting| line.begins(waiting, self.held))).min()
    }

    /// The lines of destinations with which no session runs, and one could begin.
    fn idle(&self) -> impl Iterator<Item = &Line> {
        let reports = self.reports();
        let is_full = self.running == MOST_RUNNING;
        let lines = self.lines.iter().filter(move |_| !is_full);
        lines
            .filter(move |(destination, line)| line.running.is_none() && has_room(&reports, destination))
            .map(|(_, line)| line)
    }

    /// The number of sessions that run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }

    /// The numbers of running sessions with URIs that each server has named.
    fn reports(&self) -> OrderedMap<ServerId, usize> {
        let mut reports = OrderedMap::new();
        for (destination, _) in self
            .lines
            .iter()
            .filter(|(destination, line)| destination.uri.is_some() && line.running.is_some())
        {
            *reports.entry(destination.server_id.clone()).or_default() += 1;
        }
        reports
    }
}

/// Moves the end of a hold to `until`, if that is later: a hold is never shortened by another one.
fn later(hold: &mut Option<Instant>, until: Instant) {
    *hold = Some(hold.map_or(until, |before| before.max(until)));
}

fn has_room(reports: &OrderedMap<ServerId, usize>, destination: &Destination) -> bool {
    destination.uri.is_none()
        || reports.get(&destination.server_id).is_none_or(|running| *running < MOST_REPORTS)
}

/// Forgets requests for alerts that rode in a session that was running, and need none of their own; and at an URI that
/// a server has named there is nothing else to say.
fn forget_told(
    line: &mut Line,
    destination: &Destination,
    now: Instant,
    held: Option<Instant>,
    circumstances: &Circumstances<'_>,
) {
    let begins = line.own.as_ref().filter(|waiting| line.is_due(waiting, now, held));
    let for_alerts =
        begins.is_some_and(|waiting| waiting.request.cause == Cause::Alert || destination.uri.is_some());
    if for_alerts && !(circumstances.has_alerts)(destination) {
        line.own = None;
        if destination.uri.is_some() {
            (line.failures, line.backoff, line.asked, line.unreachable) =
                (Failures::default(), None, None, false);
            line.outage = Arc::default();
            line.alert_bound = AlertBound::default();
        }
    }
}

impl QueuedSession {
    fn step_off_metered(&mut self, now: Instant, metered: MeteredCircumstances<'_>) -> Option<Step> {
        // Its time is over: whatever link there is.
        if self.gives_up.is_some_and(|until| until <= now) {
            return self.parked.take().map(|_| Step::EndWait(self.request.clone()));
        }
        match (metered.leaves_metered)() {
            Some(false) => return None,
            Some(true) => self.parked = Some(Parked::Metered),
            None => {
                self.parked = Some(Parked::Unknown);
                return None;
            }
        }
        let first = self.gives_up.is_none();
        self.gives_up.get_or_insert(now + metered.wait);
        first.then(|| Step::WaitMetered(self.request.clone()))
    }
}

impl Line {
    /// The step of a notification that is due and can't begin, for want of a bearer.
    fn notified_step(
        &mut self,
        now: Instant,
        held: Option<Instant>,
        circumstances: &Circumstances<'_>,
    ) -> Option<Step> {
        let due = self.notified.as_ref().is_some_and(|waiting| self.is_due(waiting, now, held));
        let waiting = self.notified.as_mut().filter(|_| due)?;
        if waiting.parked.is_none() {
            match (circumstances.choose)(&waiting.request.trigger.preferred) {
                Choice::Any | Choice::Bound(_) => return None,
                Choice::Unknown => {
                    waiting.parked = Some(Parked::Unknown);
                    return None;
                }
                Choice::Wait => {}
            }
        }
        waiting.parked = Some(Parked::Bearer);
        let first = waiting.gives_up.is_none();
        let gives_up = *waiting.gives_up.get_or_insert(now + circumstances.bearer_wait);
        if gives_up <= now {
            return self.notified.take().map(|waiting| Step::GiveUp(waiting.request));
        }
        first.then(|| Step::Wait(waiting.request.clone()))
    }

    /// The steps of sessions that nobody but the schedule wants, are due, and may not begin: they would go over a
    /// metered link.
    fn scheduled_steps(
        &mut self,
        now: Instant,
        held: Option<Instant>,
        metered: MeteredCircumstances<'_>,
    ) -> Vec<Step> {
        let due = self.kept_off_metered(now, held);
        let slots = [self.scheduled.as_mut().filter(|_| due[0]), self.own.as_mut().filter(|_| due[1])];
        slots.into_iter().flatten().filter_map(|waiting| waiting.step_off_metered(now, metered)).collect()
    }

    /// Whether what is scheduled, and what was and has failed, is due.
    fn kept_off_metered(&self, now: Instant, held: Option<Instant>) -> [bool; 2] {
        let is_due = |waiting: &Option<QueuedSession>| {
            let waiting = waiting.as_ref().filter(|waiting| waiting.request.cause.may_wait_for_free_links());
            waiting.is_some_and(|waiting| self.is_due(waiting, now, held))
        };
        [is_due(&self.scheduled), is_due(&self.own)]
    }

    /// Begins one session for all that is due, if any is; and for what has failed before, which need not be tried
    /// apart.
    fn begin(&mut self, now: Instant, held: Option<Instant>, waits: bool) -> Option<SessionRequest> {
        let is_due = |waiting: &Option<QueuedSession>| {
            waiting.as_ref().is_some_and(|waiting| self.is_due(waiting, now, held))
        };
        let due = [is_due(&self.scheduled), is_due(&self.own), !waits && is_due(&self.notified)];
        if !due.contains(&true) {
            return None;
        }
        let [scheduled, own, notified] = due;
        let taken = [
            self.scheduled.take_if(|_| scheduled),
            self.own.take_if(|waiting| own || waiting.again),
            self.notified.take_if(|_| notified),
        ];
        taken.into_iter().flatten().map(|waiting| waiting.request).reduce(merge)
    }

    /// Notes that a session has come to its end well: what was to be tried again, or is held every now and then, has
    /// been.
    fn has_gone_well(&mut self) {
        self.own.take_if(|waiting| matches!(waiting.request.cause, Cause::Retry | Cause::ScheduleRetry));
        let is_held = |cause| matches!(cause, Cause::Boot | Cause::FirstContact | Cause::Schedule);
        self.scheduled.take_if(|waiting| is_held(waiting.request.cause));
    }
}

#[cfg(test)]
mod tests;
