//! The tally of dropped datagrams and the like, so that a flood makes one journal line a minute instead of filling the
//! journal.

use crate::base::{OrderedMap, OrderedSet};
use std::fmt;
use std::time::{Duration, Instant};

/// The least time between two journal lines.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);

/// The number of things dropped since the last line, by reason.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: OrderedMap<&'static str, Dropped>,
    last: Option<Instant>,
}

/// The number of things dropped for one reason, and the accounts that they were for, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Dropped {
    count: u64,
    accounts: OrderedSet<String>,
}

/// The most accounts that a line names for one reason; of one more it says that there are others.
const NAMED: usize = 3;

/// The counts that a journal line tells, by reason.
///
/// Displayed as `3 datagrams dropped: stale 1 (acme), unknown-server 2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts(OrderedMap<&'static str, Dropped>);

impl Counts {
    /// Whether it counts nothing but this.
    #[must_use]
    pub(crate) fn is_only(&self, reason: &str) -> bool {
        self.0.keys().all(|counted| *counted == reason)
    }

    /// The sum of all counts.
    #[must_use]
    pub(crate) fn total(&self) -> u64 {
        self.0.values().map(|dropped| dropped.count).sum()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        write!(f, "{total} datagram{} dropped", if total == 1 { "" } else { "s" })?;
        for (place, (reason, Dropped { count, accounts })) in self.0.iter().enumerate() {
            let separator = if place == 0 { ": " } else { ", " };
            write!(f, "{separator}{reason} {count}")?;
            let mut named: Vec<&str> = accounts.iter().map(String::as_str).take(NAMED).collect();
            if accounts.len() > named.len() {
                named.push("…");
            }
            if !named.is_empty() {
                write!(f, " ({})", named.join("; "))?;
            }
        }
        Ok(())
    }
}

impl Tally {
    /// Counts one thing dropped. Returns the line to be written now, if one is due: at once for the first in a long
    /// while.
    pub(crate) fn note(&mut self, reason: &'static str, now: Instant) -> Option<Counts> {
        self.note_for(reason, Vec::new(), now)
    }

    /// Counts one thing dropped that was for one of these accounts. Returns the line to be written now, if one is due.
    pub(crate) fn note_for(
        &mut self,
        reason: &'static str,
        accounts: Vec<String>,
        now: Instant,
    ) -> Option<Counts> {
        let dropped = self.counts.entry(reason).or_default();
        dropped.count += 1;
        for account in accounts {
            if dropped.accounts.len() <= NAMED {
                dropped.accounts.insert(account);
            }
        }
        self.take(now)
    }

    /// The time when [`Tally::take`] will have a line; none while nothing waits to be told.
    #[must_use]
    pub(crate) fn due(&self) -> Option<Instant> {
        self.last.filter(|_| !self.counts.is_empty()).map(|last| last + INTERVAL)
    }

    /// The line to be written now, if one is due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Counts> {
        let early = self.last.is_some_and(|last| now.saturating_duration_since(last) < INTERVAL);
        if early || self.counts.is_empty() {
            return None;
        }
        self.last = Some(now);
        self.rest()
    }

    /// The counts that no line has told yet, due or not: for the one that is about to stop counting.
    pub(crate) fn rest(&mut self) -> Option<Counts> {
        let counts = std::mem::take(&mut self.counts);
        (!counts.is_empty()).then_some(Counts(counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_first_at_once_and_the_rest_each_minute() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut tally = Tally::default();
        assert_eq!(tally.due(), None);
        let first = tally.note("stale", at(0)).unwrap();
        assert_eq!(first.to_string(), "1 datagram dropped: stale 1");
        assert_eq!(tally.due(), None);

        for second in 1..60 {
            assert_eq!(tally.note("unknown-server", at(second)), None);
        }
        assert_eq!(tally.note("duplicate", at(59)), None);
        assert_eq!(tally.due(), Some(at(60)));
        assert_eq!(tally.take(at(59)), None);
        let second = tally.take(at(60)).unwrap();
        assert_eq!(second.to_string(), "60 datagrams dropped: duplicate 1, unknown-server 59");
        assert_eq!(tally.take(at(200)), None);
        assert_eq!(tally.note("stale", at(119)), None);
        assert_eq!(tally.note("stale", at(120)).unwrap().total(), 2);

        assert_eq!(tally.note("stale", at(121)), None);
        assert_eq!(tally.rest().unwrap().total(), 1, "what is not due is not lost");
        assert_eq!(tally.rest(), None);
    }

    #[test]
    fn accounts_are_named_once_each_and_not_all_of_many() {
        let now = Instant::now();
        let mut tally = Tally::default();
        tally.note("unknown-server", now);
        let accounts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        for _ in 0..2 {
            tally.note_for("stale", accounts(&["acme"]), now);
        }
        tally.note_for("wrong-digest", accounts(&["a, secret in /a", "b", "c", "d", "e"]), now);
        tally.note("unknown-server", now);
        assert_eq!(
            tally.rest().unwrap().to_string(),
            "4 datagrams dropped: stale 2 (acme), unknown-server 1, wrong-digest 1 (a, secret in /a; b; c; …)"
        );
    }
}
