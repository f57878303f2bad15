//! What the journal has a line about already: a lasting trouble is said once, and again when it has ended and come
//! back.

use crate::base::OrderedSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whether a lasting trouble has been logged.
#[derive(Debug, Default)]
pub(crate) struct Said(AtomicBool);

impl Said {
    /// Marks the trouble as logged; true where it was not yet, and is to be logged now.
    pub(crate) fn first(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }

    /// Forgets that the trouble was logged, as it has ended: the next one is to be logged again.
    pub(crate) fn again(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The subjects whose trouble has been logged: each once, and so many at most. A journal that is full of them needs no
/// more.
#[derive(Debug)]
pub(crate) struct SaidOf<T> {
    all: Mutex<OrderedSet<T>>,
    most: usize,
}

impl<T: Ord> SaidOf<T> {
    /// Makes an empty set for so many subjects at most.
    pub(crate) const fn at_most(most: usize) -> Self {
        Self { all: Mutex::new(OrderedSet::new()), most }
    }

    /// Marks the trouble of this subject as logged; true where it was not yet, and is to be logged now.
    pub(crate) fn first(&self, one: T) -> bool {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.len() < self.most && all.insert(one)
    }

    /// Forgets that this subject's trouble was logged, as it has ended; returns whether it had been. The next one is to
    /// be logged again.
    pub(crate) fn again(&self, one: &T) -> bool {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(one)
    }

    /// Whether no subject's trouble has been logged.
    pub(crate) fn is_silent(&self) -> bool {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// The time at which a trouble was last logged: one that never ends is logged every now and then.
#[derive(Debug, Default)]
pub(crate) struct SaidAt(Option<Instant>);

impl SaidAt {
    /// Whether the trouble is to be logged now: it has not been for as long as `every`, and from now on it has.
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
