//! How long to wait before trying again.

use std::time::Duration;

/// Exponential backoff with full jitter: anything from nothing up to `base` doubled `attempt` times, at most
/// `most`. `random` is uniform over all u32. A million gateways that lost their server at one moment come
/// back spread over the whole interval.
#[must_use]
pub(crate) fn backoff(attempt: u32, base: Duration, most: Duration, random: u32) -> Duration {
    let ceiling = base.saturating_mul(2u32.saturating_pow(attempt)).min(most);
    let millis = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
    let drawn = (u128::from(millis) * u128::from(random)) >> 32;
    Duration::from_millis(u64::try_from(drawn).unwrap_or(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_doubles_up_to_its_bound_and_is_used_from_end_to_end() {
        let (base, most) = (Duration::from_secs(1), Duration::from_secs(60));
        assert_eq!(backoff(0, base, most, 0), Duration::ZERO);
        assert_eq!(backoff(0, base, most, u32::MAX), Duration::from_millis(999));
        assert_eq!(backoff(3, base, most, 1 << 31), Duration::from_secs(4));
        assert_eq!(backoff(40, base, most, u32::MAX), Duration::from_millis(59_999));
    }
}
