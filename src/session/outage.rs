//! Outages: while a server is away, the journal has one line about it, and one when it is back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The outage of a destination, if it does not answer, over all sessions with it.
#[derive(Debug, Default)]
pub struct Outage(Mutex<Option<Since>>);

#[derive(Clone, Copy, Debug)]
struct Since {
    begin: Instant,
    failures: u32,
}

impl Outage {
    /// Notes that a package was not answered; returns whether that begins an outage.
    pub fn failed(&self, now: Instant) -> bool {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *since {
            Some(since) => {
                since.failures = since.failures.saturating_add(1);
                false
            }
            none => {
                *none = Some(Since { begin: now, failures: 1 });
                true
            }
        }
    }

    /// Notes that a package was answered; returns what that ends: how many packages were not, and for how long.
    pub fn answered(&self, now: Instant) -> Option<(u32, Duration)> {
        let since = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some((since.failures, now.saturating_duration_since(since.begin)))
    }

    pub(super) fn is_on(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_begins_once_and_ends_once() {
        let now = Instant::now();
        let outage = Outage::default();
        assert_eq!(outage.answered(now), None);
        assert!(outage.failed(now) && outage.is_on());
        assert!(!outage.failed(now) && !outage.failed(now));
        assert_eq!(outage.answered(now + Duration::from_secs(90)), Some((3, Duration::from_secs(90))));
        assert!(!outage.is_on());
        assert!(outage.failed(now), "another one");
    }
}
