//! Alerts that wait in the store, and how many there may be.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Destination, Mark, mark};
use serde_json::{Value as Json, json};

use crate::base::Order as _;
use crate::config::AlertBounds;
use crate::package::Alert;
use crate::store::records::alert as record;
use crate::store::{Change, Snapshot, Store, StoreError};

/// The most destinations that one server has named and not heard from yet.
const MOST_DESTINATIONS: usize = 32;

/// The result of keeping an alert, to be committed.
#[derive(Debug, Default, PartialEq)]
pub struct Keeping {
    /// The changes to be committed.
    pub changes: Vec<Change>,
    /// The number of alerts dropped for want of room: the least important, of those the oldest; perhaps this one.
    pub dropped: usize,
}

/// All destinations that alerts wait for.
///
/// # Errors
/// The store failed.
pub fn destinations(store: &Store) -> Result<Vec<Destination>, StoreError> {
    destinations_in(&*store.snapshot()?)
}

fn destinations_in(snapshot: &Snapshot) -> Result<Vec<Destination>, StoreError> {
    Ok(snapshot.alert_queues()?.iter().map(|key| Destination::of_key(key)).collect())
}

/// Whether an alert waits for a destination; a damaged one does not.
///
/// # Errors
/// The store failed.
pub fn is_waiting(store: &Store, destination: &Destination) -> Result<bool, StoreError> {
    let mut found = false;
    store.snapshot()?.alerts(&destination.key(), |_, json| {
        found = record::from_json(json).is_some();
        !found
    })?;
    Ok(found)
}

/// The alerts that wait, for programs: for whom, and what each says; so many at most.
///
/// # Errors
/// The store failed.
pub fn waiting(store: &Store, most: usize) -> Result<Json, StoreError> {
    let snapshot = store.snapshot()?;
    let mut all = Vec::new();
    for destination in destinations_in(&snapshot)? {
        snapshot.alerts(&destination.key(), |_, json| {
            let mut alert: Json = serde_json::from_slice(json).unwrap_or_default();
            let time = alert.as_object_mut().and_then(|members| members.remove(record::AT));
            let server = destination.server_id.as_str();
            all.push(json!({ "server": server, "reportTo": destination.uri, "time": time, "alert": alert }));
            all.len() < most
        })?;
    }
    Ok(Json::from(all))
}

/// The changes that keep an alert until it was delivered, within the usual bounds.
///
/// # Errors
/// The store failed.
pub fn keep(store: &Store, destination: &Destination, alert: &Alert) -> Result<Keeping, StoreError> {
    keep_within(store, destination, alert, AlertBounds::default())
}

/// The changes that keep an alert until it was delivered. All that waits for an account is bounded, wherever it is to
/// go.
///
/// # Errors
/// The store failed.
pub fn keep_within(
    store: &Store,
    destination: &Destination,
    alert: &Alert,
    bounds: AlertBounds,
) -> Result<Keeping, StoreError> {
    let snapshot = store.snapshot()?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let json = record::to_json(alert, since.ok().map(|since| since.as_secs()));
    let mut kept = Keeping::default();
    let mut keys: Vec<String> = destinations_in(&snapshot)?
        .into_iter()
        .filter(|other| other.server_id == destination.server_id)
        .map(|other| other.key())
        .collect();
    if destination.uri.is_some()
        && let Some(gone) = make_room(&snapshot, destination, &mut kept)?
    {
        keys.retain(|key| *key != gone);
    }
    // Only where it is full, what waits is looked at: all of it for one more alert is too much.
    let before = store.waiting(&destination.server_id);
    let bytes = before.bytes.saturating_add(json.len());
    if before.count >= bounds.max_queued || bytes > bounds.max_bytes {
        let mut waiting = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            snapshot.alerts(key, |number, json| {
                waiting.push(QueuedAlert { mark: mark::of_json(json), number, bytes: json.len(), at });
                true
            })?;
        }
        let new = QueuedAlert { mark: mark::of(alert), number: u64::MAX, bytes: json.len(), at: usize::MAX };
        let Some(victims) = victims(waiting, new, bounds) else {
            // Nothing has to go for one that is not kept.
            return Ok(Keeping { changes: Vec::new(), dropped: 1 });
        };
        kept.dropped += victims.len();
        for (at, key) in keys.into_iter().enumerate() {
            let here: Vec<u64> =
                victims.iter().filter(|victim| victim.at == at).map(|victim| victim.number).collect();
            if !here.is_empty() {
                kept.changes.push(Change::AlertsSettled(key, here));
            }
        }
    }
    kept.changes.push(Change::Alert(destination.key(), json));
    Ok(kept)
}

/// An alert that waits for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct QueuedAlert {
    mark: Mark,
    number: u64,
    bytes: usize,
    /// The index of the destination that it waits for.
    at: usize,
}

/// The alerts that are dropped so that the new one finds room; none where that is the new one itself.
fn victims(mut waiting: Vec<QueuedAlert>, new: QueuedAlert, bounds: AlertBounds) -> Option<Vec<QueuedAlert>> {
    waiting.push(new);
    let mut count = waiting.len();
    let mut bytes: usize = waiting.iter().map(|alert| alert.bytes).sum();
    waiting.order_by_key(|alert| (alert.mark, alert.number));
    let mut victims = Vec::new();
    for alert in waiting {
        if count <= bounds.max_queued && bytes <= bounds.max_bytes {
            break;
        }
        if alert.number == new.number {
            return None;
        }
        count -= 1;
        bytes -= alert.bytes;
        victims.push(alert);
    }
    Some(victims)
}

/// Makes room for one more destination among those that a server has named: the one that has waited longest goes, and
/// is returned.
fn make_room(
    snapshot: &Snapshot,
    destination: &Destination,
    kept: &mut Keeping,
) -> Result<Option<String>, StoreError> {
    let others: Vec<Destination> = destinations_in(snapshot)?
        .into_iter()
        .filter(|other| other.server_id == destination.server_id && other.uri.is_some())
        .collect();
    if others.len() < MOST_DESTINATIONS || others.contains(destination) {
        return Ok(None);
    }
    let mut oldest: Option<(u64, String)> = None;
    for key in others.iter().map(Destination::key) {
        let mut first = None;
        snapshot.alerts(&key, |number, _| {
            first = Some(number);
            false
        })?;
        if let Some(first) = first
            && oldest.as_ref().is_none_or(|(before, _)| first < *before)
        {
            oldest = Some((first, key));
        }
    }
    let Some((_, key)) = oldest else { return Ok(None) };
    snapshot.alerts(&key, |_, _| {
        kept.dropped += 1;
        true
    })?;
    kept.changes.push(Change::AlertsForgotten(key.clone()));
    Ok(Some(key))
}

#[cfg(test)]
mod tests;
