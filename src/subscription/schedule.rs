//! The schedule of looks: when to look whether what a server has subscribed to is another one now. Pure: it is told
//! signs of changes and the time, and says what is due.
//!
//! One subscription is looked at by one task at a time, one server's are served one after the other, and a bounded
//! number over all.

use std::time::{Duration, Instant};

use crate::base::OneByOne as _;
use crate::base::Order as _;
use crate::base::{Backoff, Failures};
use crate::base::{OrderedMap, OrderedSet};
use crate::uri::ServerId;

/// How long after the last of several changes a look begins: they come in several steps.
const QUIET: Duration = Duration::from_millis(250);
/// How long after the first change a look begins at the latest, where changes never rest.
const LONGEST: Duration = Duration::from_secs(5);
/// The most looks that follow each other at once…
const BURST: u32 = 5;
/// …and the time between looks from then on.
const SPACING: Duration = Duration::from_secs(10);
/// The most looks under way at one time.
const MOST_RUNNING: usize = 4;
/// The first and longest interval after a failure.
const AGAIN: Backoff = Backoff { base: Duration::from_secs(5), most: Duration::from_secs(3600) };

/// The identity of a subscription: whose it is, and what to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SubscriptionId {
    pub(super) server_id: ServerId,
    pub(super) client_uri: String,
}

/// The end of a look, for the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing is left to do until the next sign.
    Done,
    /// The look failed, as the repository can't take the content now; it may have said how long it wants to be left
    /// alone.
    Failed(Option<Duration>),
}

/// The schedule of looks at all subscriptions.
#[derive(Debug)]
pub(super) struct Schedule {
    all: OrderedMap<SubscriptionId, SubscriptionTimes>,
    /// The origin of looks without a sign: they happen at `origin` and each `poll` after it, all in one wake-up.
    origin: Instant,
    poll: Duration,
}

#[derive(Debug)]
struct SubscriptionTimes {
    /// The first and last sign since the last look began.
    signs: Option<(Instant, Instant)>,
    /// The time of a look that needs no sign.
    appointment: Option<Instant>,
    /// The time before which signs are not acted upon.
    held_until: Option<Instant>,
    running: bool,
    failures: Failures,
    /// Whether nothing tells of some of the content's changes.
    polls: bool,
    /// The time when the burst is whole again.
    rested: Instant,
}

impl SubscriptionTimes {
    fn new(now: Instant, appointment: Instant) -> Self {
        Self {
            signs: None,
            appointment: Some(appointment),
            held_until: None,
            running: false,
            failures: Failures::default(),
            polls: false,
            rested: now,
        }
    }

    fn due(&self) -> Option<Instant> {
        let signalled = self.signs.map(|(first, last)| {
            let calm = (last + QUIET).min(first + LONGEST);
            let free = self.rested.checked_sub(SPACING * (BURST - 1)).unwrap_or(calm);
            calm.max(free).max(self.held_until.unwrap_or(calm))
        });
        [signalled, self.appointment].into_iter().flatten().min().filter(|_| !self.running)
    }

    fn begin(&mut self, now: Instant) {
        // What was going to be looked at anyway costs nothing of the burst.
        let appointed = self.appointment.take_if(|at| *at <= now).is_some();
        if self.signs.take().is_some() && !appointed {
            self.rested = self.rested.max(now) + SPACING;
        }
        self.running = true;
    }
}

impl Schedule {
    /// Makes a schedule in which looks without a sign happen at `origin` and each `poll` after it.
    pub(super) fn new(origin: Instant, poll: Duration) -> Self {
        Self { all: OrderedMap::new(), origin, poll }
    }

    pub(super) fn set_poll(&mut self, poll: Duration) {
        self.poll = poll;
    }

    /// Takes the subscriptions that there are, and no others. A new one is looked at once, at `new`.
    pub(super) fn keep(&mut self, known: &OrderedSet<SubscriptionId>, new: Instant, now: Instant) {
        self.all.retain(|id, _| known.contains(id));
        for id in known {
            if !self.all.contains_key(id) {
                self.all.insert(id.clone(), SubscriptionTimes::new(now, new));
            }
        }
    }

    /// Notes a sign: something that the content may depend on has changed.
    pub(super) fn changed(&mut self, id: &SubscriptionId, now: Instant) {
        if let Some(times) = self.all.get_mut(id) {
            let first = times.signs.map_or(now, |(first, _)| first);
            times.signs = Some((first, now));
        }
    }

    /// Has a subscription looked at soon, whatever failed before: the server has asked anew, or the agent's own
    /// configuration is another one.
    pub(super) fn refresh(&mut self, id: &SubscriptionId, now: Instant) {
        if let Some(times) = self.all.get_mut(id) {
            (times.failures, times.held_until) = (Failures::default(), None);
            times.appointment = Some(now);
        }
    }

    /// The subscriptions to look at now; each counts as running until [`Schedule::ended`].
    pub(super) fn due(&mut self, now: Instant) -> Vec<SubscriptionId> {
        let mut busy = self.busy();
        let mut running = busy.len();
        let mut ready: Vec<(Instant, SubscriptionId)> = self.all.iter().filter_map(Self::readiness).collect();
        ready.retain(|(due, _)| *due <= now);
        // Who has waited longest goes first.
        ready.order();
        let mut begun = Vec::new();
        for (_, id) in ready {
            if running == MOST_RUNNING {
                break;
            }
            if busy.insert(id.server_id.clone())
                && let Some(times) = self.all.get_mut(&id)
            {
                times.begin(now);
                running += 1;
                begun.push(id);
            }
        }
        begun
    }

    /// Notes the end of a look. `polls`: nothing tells of some of the changes there. Returns how long a failed one
    /// waits, for the journal; `random` is uniform over all u32.
    pub(super) fn ended(
        &mut self,
        id: &SubscriptionId,
        how: Ended,
        polls: bool,
        now: Instant,
        random: u32,
    ) -> Option<Duration> {
        let next_poll = self.next_poll(now);
        let times = self.all.get_mut(id)?;
        times.running = false;
        times.polls = polls;
        let wait = match how {
            Ended::Done => {
                (times.failures, times.held_until) = (Failures::default(), None);
                None
            }
            Ended::Failed(least) => {
                let wait = times.failures.add(AGAIN, least, random);
                times.held_until = Some(now + wait);
                Some(wait)
            }
        };
        // One that was appointed meanwhile comes first.
        let next = times.held_until.or_else(|| polls.then_some(next_poll));
        times.appointment = [times.appointment, next].into_iter().flatten().min();
        wait
    }

    /// The time when a look is due next; none while nothing can begin before something ends.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let busy = self.busy();
        if busy.len() == MOST_RUNNING {
            return None;
        }
        let ready = self.all.iter().filter(|(id, _)| !busy.contains(&id.server_id));
        ready.filter_map(Self::readiness).map(|(due, _)| due).min()
    }

    fn readiness((id, times): (&SubscriptionId, &SubscriptionTimes)) -> Option<(Instant, SubscriptionId)> {
        times.due().map(|due| (due, id.clone()))
    }

    /// The servers one of whose subscriptions is being looked at: one each.
    fn busy(&self) -> OrderedSet<ServerId> {
        let running = self.all.iter().filter(|(_, times)| times.running);
        running.map(|(id, _)| id.server_id.clone()).one_by_one()
    }

    fn next_poll(&self, now: Instant) -> Instant {
        let Some(since) = now.checked_duration_since(self.origin) else { return self.origin };
        let poll = self.poll.max(Duration::from_millis(1));
        let into = since.as_nanos() % poll.as_nanos();
        now + poll - Duration::from_nanos(u64::try_from(into).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    fn id(server_id: &str, client_uri: &str) -> SubscriptionId {
        SubscriptionId { server_id: server_id.into(), client_uri: client_uri.into() }
    }

    /// A schedule of subscriptions that were looked at once already.
    fn done(ids: &[SubscriptionId], now: Instant) -> Schedule {
        let mut schedule = Schedule::new(now, MINUTE);
        schedule.keep(&ids.iter().cloned().collect(), now, now);
        for _ in ids {
            for begun in schedule.due(now) {
                assert_eq!(schedule.ended(&begun, Ended::Done, false, now, 0), None);
            }
        }
        assert_eq!(schedule.next_wake(), None, "at rest");
        schedule
    }

    #[test]
    fn steps_of_one_change_are_one_look() {
        let now = Instant::now();
        let a = id("s", "a");
        let mut schedule = done(std::slice::from_ref(&a), now);
        schedule.changed(&a, now);
        schedule.changed(&a, now + QUIET / 2);
        assert_eq!(schedule.next_wake(), Some(now + QUIET * 3 / 2));
        assert!(schedule.due(now + QUIET).is_empty());
        assert_eq!(schedule.due(now + QUIET * 3 / 2), std::slice::from_ref(&a));
        schedule.ended(&a, Ended::Done, false, now + SECOND, 0);
        assert_eq!(schedule.next_wake(), None);
    }

    #[test]
    fn what_changes_during_a_look_is_looked_at_again_and_not_at_the_same_time() {
        let now = Instant::now();
        let a = id("s", "a");
        let mut schedule = done(std::slice::from_ref(&a), now);
        schedule.changed(&a, now);
        assert_eq!(schedule.due(now + QUIET).len(), 1);
        schedule.changed(&a, now + SECOND);
        assert!(schedule.due(now + MINUTE).is_empty(), "one at a time");
        assert_eq!(schedule.next_wake(), None);
        schedule.ended(&a, Ended::Done, false, now + MINUTE, 0);
        assert_eq!(schedule.due(now + MINUTE), [a]);
    }

    #[test]
    fn what_never_rests_is_looked_at_rarely_and_its_last_state_too() {
        let start = Instant::now();
        let a = id("s", "a");
        let mut schedule = done(std::slice::from_ref(&a), start);
        let mut looks = Vec::new();
        let mut now = start;
        for _ in 0..1000 {
            now += Duration::from_millis(100);
            schedule.changed(&a, now);
            for begun in schedule.due(now) {
                looks.push(now - start);
                schedule.ended(&begun, Ended::Done, false, now, 0);
            }
        }
        assert!((10..=15).contains(&looks.len()), "100 s of changes: {looks:?}");
        assert!(looks[0] <= LONGEST + SECOND, "{looks:?}");
        let last = schedule.next_wake().unwrap();
        assert!(last > now && last <= now + SPACING);
        assert_eq!(schedule.due(last), [a]);
    }

    #[test]
    fn a_few_changes_in_a_row_are_each_looked_at_at_once() {
        let start = Instant::now();
        let a = id("s", "a");
        let mut schedule = done(std::slice::from_ref(&a), start);
        for step in 1..=BURST {
            let now = start + SECOND * step;
            schedule.changed(&a, now);
            assert_eq!(schedule.due(now + QUIET).len(), 1, "change {step}");
            schedule.ended(&a, Ended::Done, false, now + QUIET, 0);
        }
        let now = start + SECOND * (BURST + 1);
        schedule.changed(&a, now);
        assert!(schedule.due(now + QUIET).is_empty(), "then they become fewer");
        assert!(schedule.next_wake().unwrap() <= now + SPACING);
    }

    #[test]
    fn polls_of_all_share_one_wake_up_and_end_when_they_are_not_needed() {
        let origin = Instant::now();
        let (a, b) = (id("s", "a"), id("t", "b"));
        let mut schedule = Schedule::new(origin, MINUTE);
        schedule.keep(&[a.clone(), b.clone()].into(), origin, origin);
        assert_eq!(schedule.due(origin).len(), 2);
        schedule.ended(&a, Ended::Done, true, origin + SECOND, 0);
        schedule.ended(&b, Ended::Done, true, origin + SECOND * 7, 0);
        assert_eq!(schedule.next_wake(), Some(origin + MINUTE));
        assert_eq!(schedule.due(origin + MINUTE), [a.clone(), b.clone()]);
        schedule.ended(&a, Ended::Done, false, origin + MINUTE, 0);
        schedule.ended(&b, Ended::Done, true, origin + MINUTE, 0);
        assert_eq!(schedule.due(origin + MINUTE * 2), [b]);
    }

    #[test]
    fn a_failure_is_tried_again_later_whatever_changes_meanwhile() {
        let now = Instant::now();
        let a = id("s", "a");
        let mut schedule = done(std::slice::from_ref(&a), now);
        schedule.changed(&a, now);
        schedule.due(now + QUIET);
        let wait = schedule.ended(&a, Ended::Failed(Some(MINUTE)), true, now, u32::MAX).unwrap();
        assert_eq!(wait, MINUTE + Duration::from_millis(4_999), "Retry-After is the least");
        schedule.changed(&a, now + SECOND);
        assert!(schedule.due(now + wait - SECOND).is_empty());
        assert_eq!(schedule.next_wake(), Some(now + wait));
        assert_eq!(schedule.due(now + wait), std::slice::from_ref(&a));
        let longer = schedule.ended(&a, Ended::Failed(None), false, now, u32::MAX).unwrap();
        assert_eq!(longer, Duration::from_millis(9_999), "failures add up");
        schedule.refresh(&a, now + SECOND);
        assert_eq!(schedule.due(now + SECOND), std::slice::from_ref(&a), "asked anew");
        schedule.ended(&a, Ended::Done, false, now, 0);
        assert_eq!(schedule.next_wake(), None);
    }

    #[test]
    fn servers_do_not_wait_for_each_other_but_for_a_free_place() {
        let now = Instant::now();
        let ids: Vec<SubscriptionId> =
            ["p", "q", "r", "s", "t"].iter().map(|server| id(server, "a")).collect();
        let second = id("p", "b");
        let mut schedule = Schedule::new(now, MINUTE);
        schedule.keep(&ids.iter().cloned().chain([second.clone()]).collect(), now, now);
        assert_eq!(schedule.due(now), ids[..MOST_RUNNING]);
        assert_eq!(schedule.next_wake(), None);
        schedule.ended(&ids[0], Ended::Done, false, now, 0);
        assert_eq!(schedule.due(now), [second], "one of a server's at a time");
    }

    #[test]
    fn one_that_ended_is_forgotten_with_all_that_was_due() {
        let now = Instant::now();
        let a = id("s", "a");
        let mut schedule = done(std::slice::from_ref(&a), now);
        schedule.changed(&a, now);
        assert_eq!(schedule.due(now + QUIET).len(), 1);
        schedule.changed(&a, now + QUIET);
        schedule.keep(&OrderedSet::new(), now, now);
        assert_eq!(schedule.ended(&a, Ended::Failed(None), true, now, 0), None);
        assert_eq!(schedule.next_wake(), None);
    }

    #[test]
    fn after_a_start_all_are_looked_at_at_the_first_poll() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now + SECOND * 20, MINUTE);
        schedule.keep(&[id("s", "a")].into(), now + SECOND * 20, now);
        assert_eq!(schedule.next_wake(), Some(now + SECOND * 20));
    }
}
