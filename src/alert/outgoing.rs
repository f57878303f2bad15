//! The alerts of one session: which ride in the package on its way, and what the server says of them.

use super::Destination;
use crate::base::OrderedSet;
use crate::base::journal::id;
use crate::package::Alert;
use crate::store::records::alert as record;
use crate::store::{Change, Store, StoreError};

/// The most alerts that ride in one package.
const MOST: usize = 32;
/// The most bytes that they take, unless the first alone takes more.
const MOST_BYTES: usize = 256 << 10;

/// The alerts that go to a destination in one session.
#[derive(Debug)]
pub struct OutgoingAlerts {
    destination: Destination,
    /// The alerts in the package on its way, in its order: number and type.
    sent: Vec<(u64, String)>,
    /// The numbers of the alerts that the server has heard of in this session. Some may still be in the store: those
    /// that it could not take now, and those whose removal is not committed yet.
    heard: OrderedSet<u64>,
    /// The numbers of damaged alerts, which are not sent, and need not wait: to be removed.
    damaged: Vec<u64>,
}

impl OutgoingAlerts {
    /// Makes the alerts of a session in which nothing was sent yet.
    #[must_use]
    pub fn new(destination: Destination) -> Self {
        Self { destination, sent: Vec::new(), heard: OrderedSet::new(), damaged: Vec::new() }
    }

    /// The alerts for the next package, oldest first, `most` of them at most.
    ///
    /// # Errors
    /// The store failed.
    pub fn gather(&mut self, store: &Store, most: usize) -> Result<Vec<Alert>, StoreError> {
        let (mut alerts, mut bytes) = (Vec::new(), 0);
        let Self { destination, sent, heard, damaged } = self;
        sent.clear();
        let before = damaged.len();
        store.snapshot()?.alerts(&destination.key(), |number, json| {
            if heard.contains(&number) {
                return true;
            }
            bytes += json.len();
            if alerts.len() == MOST.min(most) || (bytes > MOST_BYTES && !alerts.is_empty()) {
                return false;
            }
            match record::from_json(json) {
                Some(alert) => {
                    sent.push((number, alert.alert_type.clone()));
                    alerts.push(alert);
                }
                None => {
                    // Nothing that anybody would have to be told: no session is held for it.
                    heard.insert(number);
                    damaged.push(number);
                }
            }
            true
        })?;
        let found = damaged.len() - before;
        if found > 0 {
            let server_id = destination.server_id.as_str();
            log::error!(OMADM_SERVER_ID = server_id; "{server_id}: dropped {found} queued alert{}: damaged in the store",
                if found == 1 { "" } else { "s" });
        }
        Ok(alerts)
    }

    /// The change that removes the damaged alerts, however the session ended.
    pub fn rest(&mut self) -> Option<Change> {
        let damaged = std::mem::take(&mut self.damaged);
        (!damaged.is_empty()).then(|| Change::AlertsSettled(self.destination.key(), damaged))
    }

    /// Notes that the package was answered, which carried the first `carried` of what was gathered: what follows from
    /// the server's word on each of them, if it has any. 4xx: it never wants it; 5xx: not now, so it rides in another
    /// session; else it has it. `undeliverable`: with the first one alone the package was refused.
    pub fn answered(&mut self, results: &[u16], carried: usize, undeliverable: bool) -> Option<Change> {
        let mut settled = std::mem::take(&mut self.damaged);
        if undeliverable && let Some((number, alert_type)) = self.sent.first() {
            let server_id = self.destination.server_id.as_str();
            log::error!(
                MESSAGE_ID = id::ALERT_UNDELIVERABLE, OMADM_SERVER_ID = server_id;
                "{server_id}: alert {alert_type} is dropped: the server refuses every package with it"
            );
            self.heard.insert(*number);
            settled.push(*number);
        }
        self.sent.truncate(carried);
        let results = results.iter().copied().chain(std::iter::repeat(200));
        for ((number, alert_type), result) in std::mem::take(&mut self.sent).into_iter().zip(results) {
            self.heard.insert(number);
            let server_id = self.destination.server_id.as_str();
            match result {
                400..=499 => log::warn!(
                    OMADM_SERVER_ID = server_id, OMADM_STATUS = result;
                    "{server_id}: alert {alert_type} is refused ({result}): dropped"
                ),
                500..=599 => {
                    log::warn!(
                        OMADM_SERVER_ID = server_id, OMADM_STATUS = result;
                        "{server_id}: alert {alert_type} can't be taken now ({result}): sent again in another session"
                    );
                    continue;
                }
                _ => {}
            }
            settled.push(number);
        }
        (!settled.is_empty()).then(|| Change::AlertsSettled(self.destination.key(), settled))
    }

    /// The number in the store of the first one that was gathered, and not answered yet.
    pub fn first(&self) -> Option<u64> {
        self.sent.first().map(|(number, _)| *number)
    }

    /// Whether alerts wait that the server has not heard of.
    ///
    /// # Errors
    /// The store failed.
    pub fn are_left(&self, store: &Store) -> Result<bool, StoreError> {
        let mut left = false;
        store.snapshot()?.alerts(&self.destination.key(), |number, _| {
            left = !self.heard.contains(&number);
            !left
        })?;
        Ok(left)
    }
}

#[cfg(test)]
mod tests;
