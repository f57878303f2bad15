//! Undoing an effect that the privileged helper had: it keeps what was there before, under a name.

use std::fmt;

use serde_json::Value as Json;

use super::bytes::{read, write};
use super::undone::Undone;
use crate::backend::context::Machine;
use crate::backend::error::BackendError;
use crate::helper_protocol::{Verb, undone};

/// The undo of an effect of the helper's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfHelper {
    /// The name under which the helper keeps what was there before.
    pub name: String,
    /// The node, for messages.
    place: String,
}

impl OfHelper {
    /// Makes the undo of an effect on the node called `place`.
    pub(in crate::backend) fn of(name: String, place: &str) -> Self {
        Self { name, place: place.to_owned() }
    }

    /// Has the helper make it what it was, in this life of the agent or in the next.
    pub(super) async fn undo(self, machine: &Machine) -> Result<Undone, BackendError> {
        let Some(helper) = &machine.helper else {
            return Err(BackendError::NeedsHelper(self.place));
        };
        let reply = helper.ask_of_undo(Verb::Undo, &self.name).await?;
        Ok(match reply.value.as_ref().and_then(Json::as_str) {
            // Where nothing is kept, nothing had begun, and nothing will.
            Some(undone::RESTORED | undone::NOTHING_KEPT) => Undone::Restored,
            Some(undone::FOREIGN) => Undone::Foreign,
            _ => Undone::Impossible,
        })
    }

    /// Whether both are about the same node.
    pub(super) fn is_of_same(&self, other: &Self) -> bool {
        self.place == other.place
    }

    pub(super) fn size(&self) -> usize {
        64 + self.name.len() + self.place.len()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        write(self.name.as_bytes(), out);
        out.extend_from_slice(self.place.as_bytes());
    }

    pub(super) fn decode(record: &[u8]) -> Option<Self> {
        let (name, place) = read(record)?;
        Some(Self {
            name: String::from_utf8(name.to_vec()).ok()?,
            place: String::from_utf8(place.to_vec()).ok()?,
        })
    }
}

impl fmt::Display for OfHelper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}
