//! What comes of what an earlier life of the agent, or an account's absence, has left in the store.

use super::schedule::Due;
use crate::store::Change;

/// What comes of what the store has from before.
#[derive(Default)]
pub(super) struct TakenUp {
    /// What is to be committed.
    pub(super) changes: Vec<Change>,
    /// The sessions that it asks for.
    pub(super) due: Vec<Due>,
}
