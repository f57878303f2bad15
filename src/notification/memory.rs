//! The ids of recent notifications, bounded for each server.

use super::clock::ClockReading;
use crate::base::Order as _;
use crate::base::OrderedMap;
use crate::uri::ServerId;

/// A memory of up to `LIMIT` ids a server, each for a window of seconds. Six to sixteen bytes an id, searched from end
/// to end: at this size quicker than anything with an order.
#[derive(Debug)]
pub(super) struct IdMemory<const LIMIT: usize> {
    window: u64,
    servers: OrderedMap<ServerId, Vec<Seen>>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    id: u16,
    time: u64,
}

impl<const LIMIT: usize> IdMemory<LIMIT> {
    pub(super) fn new(window: u64) -> Self {
        Self { window, servers: OrderedMap::new() }
    }

    pub(super) fn adopt(&mut self, other: Self) {
        self.servers = other.servers;
    }

    pub(super) fn restore(&mut self, server_id: ServerId, id: u16, time: u64) {
        let seen = self.servers.entry(server_id).or_default();
        seen.retain(|seen| seen.id != id);
        evict_to(seen, LIMIT - 1);
        seen.push(Seen { id, time });
    }

    /// Remembers an id and returns which others are forgotten; none if this one is remembered already.
    pub(super) fn admit(
        &mut self,
        server_id: &ServerId,
        id: u16,
        time: u64,
        clock: ClockReading,
    ) -> Option<Vec<u16>> {
        let window = self.window;
        let counts = |seen: &Seen| {
            let future = clock.synchronised && seen.time.saturating_sub(clock.now) > window;
            clock.now.saturating_sub(seen.time) <= window && !future
        };
        if !self.servers.contains_key(server_id) {
            self.servers.insert(server_id.to_owned(), Vec::new());
        }
        let seen = self.servers.get_mut(server_id)?;
        if seen.iter().any(|seen| seen.id == id && counts(seen)) {
            return None;
        }
        let mut forgotten: Vec<u16> = seen.extract_if(.., |seen| !counts(seen)).map(|seen| seen.id).collect();
        forgotten.extend(evict_to(seen, LIMIT - 1));
        forgotten.retain(|forgotten| *forgotten != id);
        seen.push(Seen { id, time });
        Some(forgotten)
    }
}

/// Removes the oldest ids until no more than `limit` are left.
fn evict_to(seen: &mut Vec<Seen>, limit: usize) -> Vec<u16> {
    let excess = seen.len().saturating_sub(limit);
    if excess > 0 {
        seen.order_by_key(|seen| seen.time);
    }
    seen.drain(..excess).map(|seen| seen.id).collect()
}
