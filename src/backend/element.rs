//! Elements of listings.

use serde_json::Value as Json;

/// An element that a listing finds: one child, as the listing has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// The name of the element as the machine has it.
    pub captured: String,
    /// The item of the listing: what else is known of the element.
    pub item: Option<Json>,
}
