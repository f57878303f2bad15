//! What services have answered in one reading: nothing is asked for twice, and what comes from one object takes one
//! call.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value as Json};
use tokio::sync::OnceCell;
use zbus::OwnedObjectPath;
use zbus::wire::OwnedVariant;

use super::{PropertyAddress, Trouble};
use crate::helper_protocol::{HelperOp, HelperReply};

/// The most bytes of replies that one reading keeps: what services have answered once more is asked for anew.
const MOST_SEEN: usize = 4 << 20;
/// The bytes that an object takes besides its reply.
const OVERHEAD: usize = 512;

/// An object's properties by name.
pub(super) type Properties = HashMap<String, OwnedVariant>;

/// All objects of an object manager: by path, the properties of each interface.
pub(super) type Managed = HashMap<OwnedObjectPath, HashMap<String, Properties>>;

pub(super) type ManagedResult = Result<Arc<Managed>, Trouble>;

/// What an object manager answers, once it has.
type ManagedOnce = Arc<OnceCell<ManagedResult>>;

/// The answers of services that one reading has had: what comes from one object takes one call, and so does what one
/// object manager tells of.
#[derive(Debug, Default)]
pub struct Seen {
    objects: Mutex<SeenObjects>,
    /// By service and path. Who comes while it is asked waits for its answer.
    managers: Mutex<HashMap<(String, String), ManagedOnce>>,
    /// The names of the objects just below one, by service and path.
    children: Mutex<HashMap<(String, String), NamesResult>>,
    /// The properties that objects turned out not to have. Another object of the same interface may have them.
    lacking: Mutex<HashSet<PropertyAddress>>,
    /// What the helper has answered before it was asked one by one, by operation.
    answered: Mutex<HashMap<String, HelperReply>>,
}

/// The objects, and the bytes that they take.
#[derive(Debug, Default)]
struct SeenObjects {
    found: HashMap<Key, SeenResult>,
    size: usize,
}

pub(super) type SeenResult = Result<Arc<SeenObject>, Trouble>;

pub(super) type NamesResult = Result<Arc<[String]>, Trouble>;

/// The key of an object: service, path as the mapping has it or as it was listed, interface.
pub(super) type Key = (String, String, String);

/// An object that was found.
#[derive(Debug, PartialEq)]
pub(super) struct SeenObject {
    pub(super) path: String,
    pub(super) properties: Properties,
    /// The size of the reply that has them, in bytes.
    pub(super) size: usize,
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
    pub(super) fn object(&self, key: &Key) -> Option<SeenResult> {
        lock(&self.objects).found.get(key).cloned()
    }

    /// The place of what the object manager at `path` answers.
    pub(super) fn manager(&self, service: &str, path: &str) -> ManagedOnce {
        let key = (service.to_owned(), path.to_owned());
        Arc::clone(lock(&self.managers).entry(key).or_default())
    }

    pub(super) fn children(&self, key: &(String, String)) -> Option<NamesResult> {
        lock(&self.children).get(key).cloned()
    }

    pub(super) fn keep_children(&self, key: (String, String), names: NamesResult) {
        lock(&self.children).insert(key, names);
    }

    /// Whether the object turned out not to have this property.
    pub(super) fn lacks(&self, property: &PropertyAddress) -> bool {
        lock(&self.lacking).contains(property)
    }

    pub(super) fn note_lacking(&self, property: PropertyAddress) {
        lock(&self.lacking).insert(property);
    }

    /// Keeps what the helper has answered to an operation.
    pub(in crate::backend) fn answered(&self, op: &HelperOp, reply: HelperReply) {
        let Ok(op) = serde_json::to_string(op) else { return };
        lock(&self.answered).insert(op, reply);
    }

    /// Takes what the helper has answered to an operation.
    pub(in crate::backend) fn take_answer(&self, op: &HelperOp) -> Option<HelperReply> {
        let mut answered = lock(&self.answered);
        if answered.is_empty() {
            return None;
        }
        answered.remove(&serde_json::to_string(op).ok()?)
    }

    pub(super) fn keep(&self, key: Key, found: SeenResult) {
        let mut seen = lock(&self.objects);
        let size = OVERHEAD + found.as_ref().map_or(0, |object| object.size);
        if seen.size + size > MOST_SEEN {
            *seen = SeenObjects::default();
        }
        seen.size += size;
        seen.found.insert(key, found);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
