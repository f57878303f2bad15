//! The objects that one reading has seen: what comes from one object takes one call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zbus::wire::OwnedVariant;

use super::Trouble;

/// The most objects whose properties one reading keeps.
const MOST_SEEN: usize = 64;

/// An object's properties by name.
pub(super) type Properties = HashMap<String, OwnedVariant>;

/// The properties of objects that one reading has seen: what comes from one object takes one call.
#[derive(Debug, Default)]
pub struct Seen(Mutex<HashMap<Key, SeenResult>>);

pub(super) type SeenResult = Result<Arc<SeenObject>, Trouble>;

/// The key of an object: service, path as the mapping has it or as it was listed, interface.
pub(super) type Key = (String, String, String);

/// An object that was found.
#[derive(Debug, PartialEq)]
pub(super) struct SeenObject {
    pub(super) path: String,
    pub(super) properties: Properties,
}

impl Seen {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<Key, SeenResult>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self, key: Key, found: SeenResult) {
        let mut seen = self.lock();
        if seen.len() >= MOST_SEEN {
            seen.clear();
        }
        seen.insert(key, found);
    }
}
