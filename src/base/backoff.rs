//! Exponential backoff: how long to wait before trying again.

use std::time::Duration;

/// The wait before a further try, by exponential backoff with full jitter: anything from nothing up to `base` doubled
/// `attempt` times, at most `most`. `random` is uniform over all u32. A million gateways that lost their server at one
/// moment come back spread over the whole interval.
#[must_use]
pub(crate) fn backoff(attempt: u32, base: Duration, most: Duration, random: u32) -> Duration {
    let ceiling = base.saturating_mul(2u32.saturating_pow(attempt)).min(most);
    let millis = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
    let drawn = (u128::from(millis) * u128::from(random)) >> 32;
    Duration::from_millis(u64::try_from(drawn).unwrap_or(millis))
}

/// The bounds of a wait by [`backoff`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) base: Duration,
    pub(crate) most: Duration,
}

/// The number of failures in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures(u32);

impl Failures {
    /// Counts another failure, and returns how long to wait: at least `least` (`Retry-After`).
    pub(crate) fn add(&mut self, within: Backoff, least: Option<Duration>, random: u32) -> Duration {
        let wait = least.unwrap_or_default() + backoff(self.0, within.base, within.most, random);
        self.0 = self.0.saturating_add(1);
        wait
    }

    /// Whether there has been no failure.
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_make_the_wait_longer() {
        let within = Backoff { base: Duration::from_secs(1), most: Duration::from_secs(3) };
        let mut failures = Failures::default();
        assert!(failures.is_none());
        let waits = [0; 3].map(|_| failures.add(within, Some(Duration::from_secs(7)), u32::MAX).as_millis());
        assert_eq!(waits, [7_999, 8_999, 9_999]);
        assert!(!failures.is_none());
    }

    #[test]
    fn the_interval_doubles_up_to_its_bound_and_is_used_from_end_to_end() {
        let (base, most) = (Duration::from_secs(1), Duration::from_secs(60));
        assert_eq!(backoff(0, base, most, 0), Duration::ZERO);
        assert_eq!(backoff(0, base, most, u32::MAX), Duration::from_millis(999));
        assert_eq!(backoff(3, base, most, 1 << 31), Duration::from_secs(4));
        assert_eq!(backoff(40, base, most, u32::MAX), Duration::from_millis(59_999));
    }
}
