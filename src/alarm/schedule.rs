//! The schedule of looks at what alarms watch. Pure: it is told signs of changes and the time, and says what is due.

use std::time::{Duration, Instant};

use super::AlarmId;
use crate::base::Order as _;
use crate::base::{OrderedMap, OrderedSet};

/// The time from a sign to its look: changes come in several steps.
const PATIENCE: Duration = Duration::from_millis(200);
/// The least time between two looks of one alarm, if what it watches never rests.
const SPACING: Duration = Duration::from_secs(1);
/// The most looks at a time, of those that ask programs and of the others: whoever hangs keeps its own kind waiting.
const MOST_RUNNING: usize = 16;
/// The time between looks at what does not tell of its changes, where the mapping does not say.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// The schedule of the looks of all alarms.
#[derive(Debug, Default)]
pub(super) struct Schedule(OrderedMap<AlarmId, AlarmTimes>);

/// The times of one alarm's looks.
#[derive(Debug)]
struct AlarmTimes {
    /// The first sign since the last look began.
    sign: Option<Instant>,
    /// The time of a look that needs no sign.
    appointment: Option<Instant>,
    begun: Option<Instant>,
    running: bool,
    /// Whether programs are asked, which may take their time.
    asks: bool,
    /// The least time from the beginning of a look to that of one that a sign brings.
    spacing: Duration,
}

impl AlarmTimes {
    fn due(&self) -> Option<Instant> {
        let signalled = self.sign.map(|sign| {
            let free = self.begun.map_or(sign, |begun| begun + self.spacing);
            free.max(sign + PATIENCE)
        });
        [signalled, self.appointment].into_iter().flatten().min().filter(|_| !self.running)
    }
}

impl Schedule {
    /// Takes the alarms that there are, and forgets all others. Each is looked at now: its definition may be another
    /// one.
    pub(super) fn keep(&mut self, known: &OrderedSet<AlarmId>, now: Instant) {
        self.0.retain(|id, _| known.contains(id));
        for id in known {
            let new = AlarmTimes {
                sign: None,
                appointment: None,
                begun: None,
                running: false,
                asks: false,
                spacing: SPACING,
            };
            self.0.entry(id.clone()).or_insert(new).appointment = Some(now);
        }
    }

    /// Notes whether looks at the alarm ask programs.
    pub(super) fn asks(&mut self, id: &AlarmId, asks: bool) {
        if let Some(times) = self.0.get_mut(id) {
            times.asks = asks;
        }
    }

    /// Has signs bring a look no sooner than this after the last one; none: soon.
    pub(super) fn space(&mut self, id: &AlarmId, spacing: Option<Duration>) {
        if let Some(times) = self.0.get_mut(id) {
            times.spacing = spacing.unwrap_or(SPACING);
        }
    }

    /// Notes a sign: something that the alarm may depend on has changed.
    pub(super) fn changed(&mut self, id: &AlarmId, now: Instant) {
        if let Some(times) = self.0.get_mut(id) {
            times.sign.get_or_insert(now);
        }
    }

    /// Has the alarm looked at by that time.
    pub(super) fn appoint(&mut self, id: &AlarmId, at: Instant) {
        if let Some(times) = self.0.get_mut(id) {
            times.appointment = Some(times.appointment.map_or(at, |known| known.min(at)));
        }
    }

    /// The alarms to be looked at now; each counts as running until [`Schedule::ended`].
    pub(super) fn due(&mut self, now: Instant) -> Vec<AlarmId> {
        let mut begun = Vec::new();
        for asks in [false, true] {
            let of = self.0.iter().filter(|(_, times)| times.asks == asks);
            let ready = of.filter_map(|(id, times)| Some((times.due()?, id.clone())));
            let mut ready: Vec<(Instant, AlarmId)> = ready.filter(|(due, _)| *due <= now).collect();
            // Who has waited longest goes first.
            ready.order();
            ready.truncate(MOST_RUNNING.saturating_sub(self.running(asks)));
            begun.extend(self.begin(ready, now));
        }
        begun
    }

    fn begin(&mut self, ready: Vec<(Instant, AlarmId)>, now: Instant) -> impl Iterator<Item = AlarmId> {
        for (_, id) in &ready {
            if let Some(times) = self.0.get_mut(id) {
                times.appointment.take_if(|at| *at <= now);
                (times.sign, times.begun, times.running) = (None, Some(now), true);
            }
        }
        ready.into_iter().map(|(_, id)| id)
    }

    /// Notes that a look is over, or was broken off.
    pub(super) fn ended(&mut self, id: &AlarmId) {
        if let Some(times) = self.0.get_mut(id) {
            times.running = false;
        }
    }

    /// The time when a look is due next; none while nothing can begin before something ends.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let has_room = [false, true].map(|asks| self.running(asks) < MOST_RUNNING);
        let [of_files, of_programs] = has_room;
        let begin = |times: &&AlarmTimes| if times.asks { of_programs } else { of_files };
        self.0.values().filter(begin).filter_map(AlarmTimes::due).min()
    }

    /// The number of looks under way that ask programs, or of those that do not.
    fn running(&self, asks: bool) -> usize {
        self.0.values().filter(|times| times.running && times.asks == asks).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> AlarmId {
        AlarmId { moid: "urn:m".into(), name: name.to_owned() }
    }

    fn rested(names: &[&str], now: Instant) -> Schedule {
        let mut schedule = Schedule::default();
        schedule.keep(&names.iter().map(|name| id(name)).collect(), now);
        assert_eq!(schedule.next_wake(), Some(now), "each is looked at at the start");
        for id in schedule.due(now) {
            schedule.ended(&id);
        }
        assert_eq!(schedule.next_wake(), None, "at rest nothing wakes");
        schedule
    }

    #[test]
    fn steps_of_one_change_are_one_look_and_what_never_rests_is_looked_at_now_and_then() {
        let start = Instant::now();
        let mut schedule = rested(&["a"], start);
        let now = start + 10 * SPACING;
        schedule.changed(&id("a"), now);
        schedule.changed(&id("a"), now + PATIENCE / 2);
        assert_eq!(schedule.next_wake(), Some(now + PATIENCE));
        assert_eq!(schedule.due(now + PATIENCE), [id("a")]);
        schedule.changed(&id("a"), now + PATIENCE);
        assert_eq!(schedule.next_wake(), None, "one look at a time");
        schedule.ended(&id("a"));
        assert_eq!(schedule.next_wake(), Some(now + PATIENCE + SPACING));
    }

    #[test]
    fn the_earliest_appointment_counts_and_a_sign_does_not_undo_it() {
        let start = Instant::now();
        let mut schedule = rested(&["a"], start);
        schedule.appoint(&id("a"), start + 60 * SPACING);
        schedule.appoint(&id("a"), start + 30 * SPACING);
        schedule.appoint(&id("a"), start + 90 * SPACING);
        assert_eq!(schedule.next_wake(), Some(start + 30 * SPACING));
        schedule.changed(&id("a"), start + 2 * SPACING);
        assert_eq!(schedule.due(start + 3 * SPACING), [id("a")]);
        schedule.ended(&id("a"));
        assert_eq!(schedule.next_wake(), Some(start + 30 * SPACING));
    }

    #[test]
    fn what_hangs_keeps_its_own_place_and_no_more() {
        let start = Instant::now();
        let names: Vec<String> = (0..=MOST_RUNNING).map(|number| format!("{number:03}")).collect();
        let mut schedule = Schedule::default();
        schedule.keep(&names.iter().map(|name| id(name)).collect(), start);
        let begun = schedule.due(start);
        assert_eq!((begun.len(), schedule.next_wake()), (MOST_RUNNING, None));
        schedule.ended(&begun[0]);
        assert_eq!(schedule.due(start), [id(&names[MOST_RUNNING])]);
    }

    #[test]
    fn programs_that_hang_keep_no_place_of_others() {
        let start = Instant::now();
        let names: Vec<String> = (0..3 * MOST_RUNNING).map(|number| format!("{number:03}")).collect();
        let mut schedule = Schedule::default();
        schedule.keep(&names.iter().map(|name| id(name)).chain([id("z")]).collect(), start);
        names.iter().for_each(|name| schedule.asks(&id(name), true));
        let begun = schedule.due(start);
        assert_eq!((begun.len(), &begun[0]), (MOST_RUNNING + 1, &id("z")), "the other one is the first");
        schedule.ended(&id("z"));
        assert_eq!(schedule.next_wake(), None);
        schedule.changed(&id("z"), start);
        let next = schedule.next_wake().unwrap();
        assert_eq!(schedule.due(next), [id("z")], "and need not wait for any of them");
    }

    #[test]
    fn what_is_no_more_is_never_due() {
        let start = Instant::now();
        let mut schedule = rested(&["a", "b"], start);
        schedule.appoint(&id("a"), start);
        schedule.keep(&OrderedSet::new(), start);
        schedule.changed(&id("b"), start);
        assert_eq!((schedule.next_wake(), schedule.due(start + SPACING)), (None, Vec::new()));
    }
}
