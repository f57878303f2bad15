//! The time limits of a request, by how much of it moves.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::error::Failure;
use super::request::Request;
use super::wire::Moved;
use crate::base::heartbeat::LONGEST_SILENCE;

/// The longest time that a timer is set for: a clock can't be asked for any later time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// The longest time for a request however fast it is, unless its own `timeout` is longer.
const LONGEST_SLOW: Duration = Duration::from_secs(3600);
// Whoever waits for one is woken in time.
const _: () = assert!(LONGEST_SLOW.as_secs() * 2 <= LONGEST_SILENCE.as_secs());

/// Runs `work` within the time limits of a request. `Err` is only ever a timeout.
pub(super) async fn within<T>(
    request: &Request,
    moved: &Moved,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    let started = Instant::now();
    let at_start = moved.load(Ordering::Relaxed);
    tokio::pin!(work);
    loop {
        let before = moved.load(Ordering::Relaxed);
        let allowed = allowance(request, before.saturating_sub(at_start));
        let deadline = started + allowed;
        let look = deadline.min(Instant::now() + request.idle.min(LONGEST));
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = sleep_until(look) => {}
        }
        let now = moved.load(Ordering::Relaxed);
        if look == deadline && allowance(request, now.saturating_sub(at_start)) <= allowed {
            return Err(Failure::Timeout(allowed));
        }
        if look != deadline && before == now {
            return Err(Failure::Stalled(request.idle));
        }
    }
}

/// How long a request may take that has moved so many bytes.
fn allowance(request: &Request, moved: u64) -> Duration {
    let timeout = request.timeout.min(LONGEST);
    let seconds = moved.checked_div(u64::from(request.slowest)).unwrap_or_default();
    timeout.saturating_add(Duration::from_secs(seconds)).min(LONGEST_SLOW.max(timeout))
}
