//! Media types of management object data.

use crate::package::is_media_type;

/// TS 7.5
pub(super) const DMMO_JSON: &str = "application/dmmo+json";
/// The same content under the name that later texts give it.
pub(super) const OMA_MO_JSON: &str = "application/vnd.oma.dm.mo+json";
/// What a leaf is whose DDF says nothing.
pub(super) const TEXT_PLAIN: &str = "text/plain";

/// Whether a serialised management object of this type can be read and written.
pub(super) fn is_serialisation(content_type: &str) -> bool {
    is_media_type(content_type, DMMO_JSON) || is_media_type(content_type, OMA_MO_JSON)
}
