//! What a listing finds.

use serde_json::Value as Json;

/// One child, as a listing has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Element {
    /// The name as the machine has it.
    pub(super) captured: String,
    /// What else is known of it.
    pub(super) item: Option<Json>,
}
