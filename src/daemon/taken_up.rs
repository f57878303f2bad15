//! The work of an earlier life of the agent, or from before an account's absence, taken up from the store.

use super::schedule::Due;
use crate::store::Change;

/// The result of taking up what the store has from before.
#[derive(Default)]
pub(super) struct TakenUp {
    /// The changes to be committed.
    pub(super) changes: Vec<Change>,
    /// The sessions to ask for.
    pub(super) due: Vec<Due>,
}
