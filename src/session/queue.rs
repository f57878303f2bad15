//! When, and with whom: one session per server at a time, at most one more waiting, a bounded number over
//! all. Pure: `now` is passed in, what is due comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::alert::Place;
use crate::notification::Trigger;

use super::backoff::backoff;
use super::machine::{Again, Outcome};

/// How many sessions have begun at one time. Of many, most wait for their bearer; those at work have a bound of their own.
const MOST_RUNNING: usize = 64;
const AGAIN_BASE: Duration = Duration::from_secs(30);
const AGAIN_MOST: Duration = Duration::from_secs(3600);

/// Why a session is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Package#0.
    Notification,
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
            Self::Notification => "notification",
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
}

/// A session to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What the notification asked for; only the server id where there was none.
    pub trigger: Trigger,
    /// Where to, if not to the account's own URI: there an alert is posted (TS 5.4.5).
    pub at: Option<String>,
    /// Why.
    pub cause: Cause,
}

impl Ticket {
    /// A session with this server, for no more than its cause.
    #[must_use]
    pub fn plain(server_id: &str, cause: Cause) -> Self {
        Self::to(&Place::of(server_id), cause)
    }

    /// A session with this place.
    #[must_use]
    pub fn to(place: &Place, cause: Cause) -> Self {
        let trigger = Trigger { server_id: place.server_id.clone(), ..Trigger::default() };
        Self { trigger, at: place.uri.clone(), cause }
    }

    /// Whom the session is with.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { server_id: self.trigger.server_id.clone(), uri: self.at.clone() }
    }
}

/// All servers' lines.
#[derive(Debug, Default)]
pub struct Queue {
    lines: BTreeMap<Place, Line>,
    running: usize,
    /// What is only scheduled does not begin before.
    held: Option<Instant>,
}

#[derive(Debug, Default)]
struct Line {
    running: Option<Ticket>,
    waiting: Option<(Instant, Ticket)>,
    /// Sessions that failed in a row.
    failures: u32,
}

impl Queue {
    /// Asks for a session at `at`. One that waits already takes this one in: it becomes due at the earlier
    /// time, REQ-MOS is OR-ed, and the newest notification counts for the rest.
    pub fn ask(&mut self, ticket: Ticket, at: Instant) {
        let line = self.lines.entry(ticket.place()).or_default();
        line.waiting = Some(match line.waiting.take() {
            None => (at, ticket),
            Some((due, before)) => (due.min(at), merge(before, ticket)),
        });
    }

    /// What would come of asking for this session: one that waits already takes it in.
    #[must_use]
    pub fn with_waiting(&self, ticket: &Ticket) -> Ticket {
        let waiting = self.lines.get(&ticket.place()).and_then(|line| line.waiting.as_ref());
        waiting.map_or_else(|| ticket.clone(), |(_, before)| merge(before.clone(), ticket.clone()))
    }

    /// Holds back, until this time, what nobody but the schedule asks for; none: nothing any longer.
    pub fn hold(&mut self, until: Option<Instant>) {
        self.held = until;
    }

    /// The sessions to start now; each counts as running until [`Queue::ended`].
    pub fn due(&mut self, now: Instant) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        let running = self.lines.iter().filter(|(_, line)| line.running.is_some());
        let mut busy: BTreeSet<String> = running.map(|(place, _)| place.server_id.clone()).collect();
        let held = self.held;
        for (place, line) in &mut self.lines {
            if self.running == MOST_RUNNING {
                break;
            }
            if !busy.contains(&place.server_id)
                && let Some((_, ticket)) =
                    line.waiting.take_if(|(due, ticket)| begin(*due, ticket, held) <= now)
            {
                line.running = Some(ticket.clone());
                busy.insert(place.server_id.clone());
                self.running += 1;
                tickets.push(ticket);
            }
        }
        tickets
    }

    /// A session with this place is over. A failed one waits for another attempt where one can help; returns
    /// how long, for the journal. `random` is uniform over all u32.
    pub fn ended(&mut self, place: &Place, outcome: &Outcome, now: Instant, random: u32) -> Option<Duration> {
        let line = self.lines.get_mut(place)?;
        let ticket = line.running.take()?;
        self.running -= 1;
        let wait = match outcome {
            Outcome::Completed | Outcome::Failed { again: Again::No, .. } => {
                line.failures = 0;
                return None;
            }
            Outcome::Failed { again: Again::Later, .. } => {
                backoff(line.failures, AGAIN_BASE, AGAIN_MOST, random)
            }
            Outcome::Failed { again: Again::After(least), .. } => {
                (*least).min(Duration::from_secs(86_400))
                    + backoff(line.failures, AGAIN_BASE, AGAIN_MOST, random)
            }
        };
        line.failures = line.failures.saturating_add(1);
        // What a notification asks for stays that, and a server has yet to hear that the device has its account.
        let stays = matches!(ticket.cause, Cause::Notification | Cause::Bootstrap);
        let cause = if stays { ticket.cause } else { Cause::Retry };
        let again = Ticket { cause, ..ticket };
        // What came in meanwhile is newer.
        line.waiting = Some(match line.waiting.take() {
            None => (now + wait, again),
            Some((due, newer)) => (due.min(now + wait), merge(again, newer)),
        });
        Some(wait)
    }

    /// Forgets servers whose account is gone; their running sessions end by themselves.
    pub fn keep(&mut self, known: impl Fn(&str) -> bool) {
        for (place, line) in &mut self.lines {
            if !known(&place.server_id) {
                line.waiting = None;
            }
        }
    }

    /// When something is due next; none while nothing can start before a running session ends.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        if self.running == MOST_RUNNING {
            return None;
        }
        let running: BTreeSet<&str> = self
            .lines
            .iter()
            .filter(|(_, line)| line.running.is_some())
            .map(|(place, _)| place.server_id.as_str())
            .collect();
        let idle = self.lines.iter().filter(|(place, _)| !running.contains(place.server_id.as_str()));
        let begins = |(due, ticket): &(Instant, Ticket)| begin(*due, ticket, self.held);
        idle.filter_map(|(_, line)| line.waiting.as_ref().map(begins)).min()
    }

    /// How many sessions run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }
}

fn begin(due: Instant, ticket: &Ticket, held: Option<Instant>) -> Instant {
    held.filter(|_| ticket.cause.is_scheduled()).map_or(due, |held| held.max(due))
}

fn merge(before: Ticket, newer: Ticket) -> Ticket {
    let req_mos = before.trigger.req_mos || newer.trigger.req_mos;
    // A better reason than the schedule is not held back with it.
    let better = before.cause.is_scheduled() && !newer.cause.is_scheduled();
    let (mut kept, other) =
        if newer.cause == Cause::Notification || better { (newer, before) } else { (before, newer) };
    kept.trigger.req_mos = req_mos;
    if kept.trigger.requested.is_empty() {
        kept.trigger.requested = other.trigger.requested;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::machine::Failure;

    fn ticket(server_id: &str, id: u16, req_mos: bool) -> Ticket {
        let trigger =
            Trigger { server_id: server_id.into(), notification_id: Some(id), req_mos, ..Trigger::default() };
        Ticket { trigger, at: None, cause: Cause::Notification }
    }

    fn failed(again: Again) -> Outcome {
        Outcome::Failed { failure: Failure::Http(500), again }
    }

    #[test]
    fn while_one_runs_others_become_one() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.ask(ticket("a", 1, false), now);
        assert_eq!(queue.due(now).len(), 1);
        queue.ask(ticket("a", 2, true), now);
        queue.ask(ticket("a", 3, false), now);
        assert!(queue.due(now).is_empty());
        assert_eq!(queue.ended(&Place::of("a"), &Outcome::Completed, now, 0), None);
        let next = queue.due(now);
        assert_eq!(next, [ticket("a", 3, true)], "REQ-MOS is OR-ed, the newest id counts");
        queue.ended(&Place::of("a"), &Outcome::Completed, now, 0);
        assert!(queue.due(now).is_empty() && queue.next_wake().is_none());
    }

    #[test]
    fn servers_do_not_wait_for_each_other_but_for_a_free_place() {
        let now = Instant::now();
        let mut queue = Queue::default();
        let servers: Vec<String> = (0..=MOST_RUNNING).map(|number| format!("{number:03}")).collect();
        for server in &servers {
            queue.ask(ticket(server, 1, false), now);
        }
        assert_eq!(queue.due(now).len(), MOST_RUNNING);
        assert_eq!(queue.next_wake(), None);
        queue.ended(&Place::of("001"), &Outcome::Completed, now, 0);
        assert_eq!(queue.due(now), [ticket(&servers[MOST_RUNNING], 1, false)]);
    }

    #[test]
    fn a_failed_session_comes_back_later_and_a_notification_brings_it_forward() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.ask(ticket("a", 1, true), now);
        queue.due(now);
        let wait = queue.ended(&Place::of("a"), &failed(Again::Later), now, u32::MAX).unwrap();
        assert_eq!(wait, Duration::from_millis(29_999));
        assert!(queue.due(now).is_empty());
        assert_eq!(queue.next_wake(), Some(now + wait));
        queue.ask(ticket("a", 2, false), now);
        assert_eq!(queue.due(now), [ticket("a", 2, true)]);
        let wait = queue.ended(&Place::of("a"), &failed(Again::Later), now, u32::MAX).unwrap();
        assert_eq!(wait, Duration::from_millis(59_999), "failures add up");
    }

    #[test]
    fn what_is_scheduled_for_tomorrow_does_not_put_off_the_next_attempt() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.ask(ticket("a", 1, false), now);
        queue.due(now);
        let tomorrow = Ticket { cause: Cause::Schedule, ..ticket("a", 0, false) };
        queue.ask(tomorrow, now + Duration::from_secs(86_400));
        let wait = queue.ended(&Place::of("a"), &failed(Again::Later), now, 1 << 31).unwrap();
        assert_eq!(queue.next_wake(), Some(now + wait));
    }

    #[test]
    fn what_cannot_be_helped_is_not_tried_again_and_retry_after_is_honoured() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.ask(ticket("a", 1, true), now);
        queue.due(now);
        assert_eq!(queue.ended(&Place::of("a"), &failed(Again::No), now, 5), None);
        assert_eq!(queue.next_wake(), None);
        queue.ask(ticket("a", 2, true), now);
        queue.due(now);
        let wait = queue.ended(&Place::of("a"), &failed(Again::After(Duration::from_secs(600))), now, 0);
        assert_eq!(wait, Some(Duration::from_secs(600)));
    }

    #[test]
    fn a_later_request_does_not_put_off_an_earlier_one() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.ask(ticket("a", 1, false), now);
        let scheduled = Ticket { cause: Cause::Schedule, ..ticket("a", 0, false) };
        queue.ask(scheduled, now + Duration::from_secs(60));
        assert_eq!(queue.due(now), [ticket("a", 1, false)]);
    }

    #[test]
    fn a_place_that_a_server_named_waits_for_the_servers_own_session() {
        let now = Instant::now();
        let mut queue = Queue::default();
        let elsewhere = Place { uri: Some("https://elsewhere.example/".into()), ..Place::of("a") };
        let report = Ticket::to(&elsewhere, Cause::Alert);
        queue.ask(ticket("a", 1, false), now);
        queue.ask(report.clone(), now);
        assert_eq!(queue.due(now), [ticket("a", 1, false)]);
        assert_eq!(queue.next_wake(), None);
        queue.ended(&Place::of("a"), &Outcome::Completed, now, 0);
        assert_eq!(queue.next_wake(), Some(now));
        assert_eq!(queue.due(now), [report]);
        assert!(queue.due(now).is_empty());
        queue.ended(&elsewhere, &Outcome::Completed, now, 0);
        assert_eq!(queue.running(), 0);
    }

    #[test]
    fn what_a_notification_asks_for_is_known_before_it_is_asked_for() {
        let now = Instant::now();
        let mut queue = Queue::default();
        assert_eq!(queue.with_waiting(&ticket("a", 1, true)), ticket("a", 1, true));
        queue.ask(ticket("a", 1, true), now);
        assert_eq!(queue.with_waiting(&ticket("a", 2, false)), ticket("a", 2, true));
        assert_eq!(queue.due(now), [ticket("a", 1, true)]);
        queue.ended(&Place::of("a"), &failed(Again::Later), now, 0);
        assert_eq!(queue.due(now), [ticket("a", 1, true)], "tried again, it still is a notification's");
    }

    #[test]
    fn what_is_only_scheduled_can_be_held_back_and_what_somebody_asked_for_cannot() {
        let now = Instant::now();
        let until = now + Duration::from_secs(60);
        let mut queue = Queue::default();
        queue.hold(Some(until));
        queue.ask(Ticket::plain("a", Cause::Boot), now);
        queue.ask(Ticket::plain("b", Cause::Schedule), now);
        queue.ask(ticket("c", 1, false), now);
        assert_eq!(queue.due(now), [ticket("c", 1, false)]);
        assert_eq!(queue.next_wake(), Some(until));
        queue.ask(Ticket::plain("a", Cause::Alert), now);
        assert_eq!(
            queue.due(now),
            [Ticket::plain("a", Cause::Alert)],
            "an alert does not wait with the boot"
        );
        queue.hold(None);
        assert_eq!(queue.due(now), [Ticket::plain("b", Cause::Schedule)]);
    }

    #[test]
    fn an_account_that_is_gone_starts_nothing() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.ask(ticket("a", 1, false), now);
        queue.keep(|server_id| server_id != "a");
        assert!(queue.due(now).is_empty());
    }
}
