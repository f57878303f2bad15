//! The objects that one reading has seen: what comes from one object takes one call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value as Json};
use zbus::OwnedObjectPath;
use zbus::wire::OwnedVariant;

use super::Trouble;
use crate::helper_protocol::{HelperOp, HelperReply};

/// The most objects whose properties one reading keeps.
const MOST_SEEN: usize = 64;

/// An object's properties by name.
pub(super) type Properties = HashMap<String, OwnedVariant>;

/// All objects of an object manager: by path, the properties of each interface.
pub(super) type Managed = HashMap<OwnedObjectPath, HashMap<String, Properties>>;

pub(super) type ManagedResult = Result<Arc<Managed>, Trouble>;

/// The properties of objects that one reading has seen: what comes from one object takes one call, and so does what one
/// object manager tells of.
#[derive(Debug, Default)]
pub struct Seen {
    objects: Mutex<HashMap<Key, SeenResult>>,
    /// By service and path.
    managers: Mutex<HashMap<(String, String), ManagedResult>>,
    /// What the helper has answered before it was asked one by one, by operation.
    answered: Mutex<HashMap<String, HelperReply>>,
}

pub(super) type SeenResult = Result<Arc<SeenObject>, Trouble>;

/// The key of an object: service, path as the mapping has it or as it was listed, interface.
pub(super) type Key = (String, String, String);

/// An object that was found.
#[derive(Debug, PartialEq)]
pub(super) struct SeenObject {
    pub(super) path: String,
    pub(super) properties: Properties,
}

/// An object with the properties of one of its interfaces.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServiceObject {
    /// The object's path.
    pub(crate) path: String,
    /// The interface.
    pub(crate) interface: String,
    /// The interface's properties, as JSON.
    pub(crate) properties: Map<String, Json>,
}

impl Seen {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<Key, SeenResult>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn managers(&self) -> MutexGuard<'_, HashMap<(String, String), ManagedResult>> {
        self.managers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what the helper has answered to an operation.
    pub(in crate::backend) fn answered(&self, op: &HelperOp, reply: HelperReply) {
        let Ok(op) = serde_json::to_string(op) else { return };
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).insert(op, reply);
    }

    /// Takes what the helper has answered to an operation.
    pub(in crate::backend) fn take_answer(&self, op: &HelperOp) -> Option<HelperReply> {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.is_empty() {
            return None;
        }
        answered.remove(&serde_json::to_string(op).ok()?)
    }

    pub(super) fn keep(&self, key: Key, found: SeenResult) {
        let mut seen = self.lock();
        if seen.len() >= MOST_SEEN {
            seen.clear();
        }
        seen.insert(key, found);
    }
}
