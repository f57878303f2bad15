//! Dropped alerts, for want of room: how often the journal hears of them.

use std::time::{Duration, Instant};

use crate::base::OrderedMap;
use crate::base::journal::id;
use crate::base::said::SaidAt;
use crate::uri::ServerId;

/// The least time between two journal lines about dropped alerts of an account.
const SAY_EVERY: Duration = Duration::from_secs(3600);

/// The alerts that were dropped for want of room, by account.
#[derive(Debug, Default)]
pub(super) struct Dropped(OrderedMap<ServerId, Untold>);

/// The dropped alerts of one account that no line has told of.
#[derive(Debug, Default)]
struct Untold {
    count: usize,
    said: SaidAt,
}

impl Dropped {
    /// Counts dropped alerts, and logs now and then how many there were.
    pub(super) fn tell(&mut self, server_id: &ServerId, count: usize, now: Instant) {
        if let Some(count) = self.note(server_id, count, now) {
            log::warn!(
                MESSAGE_ID = id::ALERTS_DROPPED, OMADM_SERVER_ID = server_id;
                "{server_id}: dropped {count} queued alert{}: queue full (alert.max-queued, alert.max-bytes)",
                if count == 1 { "" } else { "s" }
            );
        }
    }

    /// Counts dropped alerts; returns how many the journal should hear of now.
    fn note(&mut self, server_id: &ServerId, count: usize, now: Instant) -> Option<usize> {
        let untold = self.0.entry(server_id.clone()).or_default();
        untold.count += count;
        (untold.count > 0 && untold.said.first(now, SAY_EVERY)).then(|| std::mem::take(&mut untold.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_had_to_go_is_said_at_once_and_then_once_an_hour() {
        let now = Instant::now();
        let mut dropped = Dropped::default();
        assert_eq!(dropped.note(&"a".into(), 0, now), None);
        assert_eq!(dropped.note(&"a".into(), 1, now), Some(1));
        assert_eq!(dropped.note(&"b".into(), 1, now), Some(1), "of each account");
        assert_eq!(dropped.note(&"a".into(), 2, now + SAY_EVERY / 2), None);
        assert_eq!(dropped.note(&"a".into(), 3, now + SAY_EVERY), Some(5));
    }
}
