//! What waits in the store, and how much of it.

use super::{Mark, Place, record};
use crate::package::Alert;
use crate::store::{Change, Snapshot, Store, StoreError};

/// The most alerts that wait for one place.
const MOST_ALERTS: usize = 1000;
/// The most bytes that they take.
const MOST_BYTES: usize = 1 << 20;
/// The most places that one server has named and not heard from yet.
const MOST_PLACES: usize = 32;

/// What keeping an alert means.
#[derive(Debug, Default, PartialEq)]
pub struct Kept {
    /// To be committed.
    pub changes: Vec<Change>,
    /// How many alerts have to go for want of room: the least important, of those the oldest; perhaps this one.
    pub dropped: usize,
}

/// All places that alerts wait for.
///
/// # Errors
/// The store failed.
pub fn places(store: &Store) -> Result<Vec<Place>, StoreError> {
    places_in(&store.snapshot()?)
}

fn places_in(snapshot: &Snapshot) -> Result<Vec<Place>, StoreError> {
    Ok(snapshot.alert_queues()?.iter().map(|key| Place::of_key(key)).collect())
}

/// Whether an alert waits for a place; a damaged one does not.
///
/// # Errors
/// The store failed.
pub fn is_waiting(store: &Store, place: &Place) -> Result<bool, StoreError> {
    let mut found = false;
    store.snapshot()?.alerts(&place.key(), |_, json| {
        found = record::read(json).is_some();
        !found
    })?;
    Ok(found)
}

/// What it takes to keep an alert until it was delivered.
///
/// # Errors
/// The store failed.
pub fn keep(store: &Store, place: &Place, alert: &Alert) -> Result<Kept, StoreError> {
    let snapshot = store.snapshot()?;
    let json = record::write(alert);
    let key = place.key();
    let mut kept = Kept::default();
    if place.uri.is_some() {
        make_place(&snapshot, place, &mut kept)?;
    }
    let mut waiting = Vec::new();
    snapshot.alerts(&key, |number, json| {
        waiting.push((number, json.len()));
        true
    })?;
    let bytes: usize = waiting.iter().map(|(_, bytes)| bytes).sum();
    if waiting.len() >= MOST_ALERTS || bytes + json.len() > MOST_BYTES {
        let mut marks = Vec::new();
        snapshot.alerts(&key, |_, json| {
            marks.push(record::mark(json));
            true
        })?;
        let waiting: Vec<Waiting> = waiting
            .into_iter()
            .zip(marks)
            .map(|((number, bytes), mark)| Waiting { mark, number, bytes })
            .collect();
        let new = Waiting { mark: record::of(alert), number: u64::MAX, bytes: json.len() };
        let Some(victims) = victims(waiting, new) else {
            kept.dropped += 1;
            return Ok(kept);
        };
        kept.dropped += victims.len();
        kept.changes.push(Change::AlertsSettled(key.clone(), victims));
    }
    kept.changes.push(Change::Alert(key, json));
    Ok(kept)
}

/// What it takes to forget all that waits for a server, wherever it was to go.
///
/// # Errors
/// The store failed.
pub fn forget(store: &Store, gone: impl Fn(&str) -> bool) -> Result<Vec<Change>, StoreError> {
    let places = places(store)?.into_iter().filter(|place| gone(&place.server_id));
    Ok(places.map(|place| Change::AlertsForgotten(place.key())).collect())
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    mark: Mark,
    number: u64,
    bytes: usize,
}

/// Which have to go so that the new one finds room; none where that is the new one itself.
fn victims(mut waiting: Vec<Waiting>, new: Waiting) -> Option<Vec<u64>> {
    waiting.push(new);
    let mut count = waiting.len();
    let mut bytes: usize = waiting.iter().map(|alert| alert.bytes).sum();
    waiting.sort_by_key(|alert| (alert.mark, alert.number));
    let mut victims = Vec::new();
    for alert in waiting {
        if count <= MOST_ALERTS && bytes <= MOST_BYTES {
            break;
        }
        if alert.number == new.number {
            return None;
        }
        count -= 1;
        bytes -= alert.bytes;
        victims.push(alert.number);
    }
    Some(victims)
}

/// Room for one more place among those that a server has named: the one that has waited longest goes.
fn make_place(snapshot: &Snapshot, place: &Place, kept: &mut Kept) -> Result<(), StoreError> {
    let others: Vec<Place> = places_in(snapshot)?
        .into_iter()
        .filter(|other| other.server_id == place.server_id && other.uri.is_some())
        .collect();
    if others.len() < MOST_PLACES || others.contains(place) {
        return Ok(());
    }
    let mut oldest: Option<(u64, usize, String)> = None;
    for key in others.iter().map(Place::key) {
        let (mut first, mut count) = (None, 0);
        snapshot.alerts(&key, |number, _| {
            first.get_or_insert(number);
            count += 1;
            true
        })?;
        if let Some(first) = first
            && oldest.as_ref().is_none_or(|(before, ..)| first < *before)
        {
            oldest = Some((first, count, key));
        }
    }
    if let Some((_, count, key)) = oldest {
        kept.dropped += count;
        kept.changes.push(Change::AlertsForgotten(key));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
