//! What the journal has a line about already: what lasts is said once, and again when it has ended and come back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whether something was said.
#[derive(Debug, Default)]
pub(crate) struct Said(AtomicBool);

impl Said {
    /// Whether it is to be said now: it has not been, and from now on it has.
    pub(crate) fn first(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }

    /// It has ended: what comes is to be said again.
    pub(crate) fn again(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Of what something was said: of each once, and of so many at most. A journal that is full of them needs no more.
#[derive(Debug)]
pub(crate) struct SaidOf<T> {
    all: Mutex<BTreeSet<T>>,
    most: usize,
}

impl<T: Ord> SaidOf<T> {
    /// Nothing was said of anything yet.
    pub(crate) const fn at_most(most: usize) -> Self {
        Self { all: Mutex::new(BTreeSet::new()), most }
    }

    /// Whether it is to be said of this one now: it has not been, and from now on it has.
    pub(crate) fn first(&self, one: T) -> bool {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.len() < self.most && all.insert(one)
    }

    /// It has ended for this one: whether anything had been said of it. What comes is to be said again.
    pub(crate) fn again(&self, one: &T) -> bool {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(one)
    }

    /// Whether nothing is said of anything.
    pub(crate) fn is_silent(&self) -> bool {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// When something was said last: what never ends is said every now and then.
#[derive(Debug, Default)]
pub(crate) struct SaidAt(Option<Instant>);

impl SaidAt {
    /// Whether it is to be said now: it has not been for as long as `every`, and from now on it has.
    pub(crate) fn first(&mut self, now: Instant, every: Duration) -> bool {
        let due = self.0.is_none_or(|last| now.saturating_duration_since(last) >= every);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_once_and_again_when_it_comes_back() {
        let said = Said::default();
        assert_eq!([said.first(), said.first()], [true, false]);
        said.again();
        assert_eq!([said.first(), said.first()], [true, false]);
    }

    #[test]
    fn of_each_it_is_said_once_and_of_so_many_at_most() {
        let said = SaidOf::at_most(2);
        assert_eq!(["a", "a", "b", "c", "a"].map(|one| said.first(one)), [true, false, true, false, false]);
        assert_eq!([said.again(&"a"), said.again(&"a")], [true, false]);
        assert_eq!(["c", "a", "b"].map(|one| said.first(one)), [true, false, false]);
        assert!(said.again(&"b") && said.again(&"c") && said.is_silent());
    }

    #[test]
    fn what_never_ends_is_said_every_now_and_then() {
        let (now, every) = (Instant::now(), Duration::from_secs(60));
        let mut said = SaidAt::default();
        let seconds = [0, 1, 59, 60, 61, 119, 120];
        let heard = seconds.map(|at| said.first(now + Duration::from_secs(at), every));
        assert_eq!(heard, [true, false, false, true, false, false, true]);
    }
}
