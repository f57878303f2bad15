//! Media types of the packages.

/// Package#1.
pub const INITIATION: &str = "application/vnd.oma.dm.initiation+json";
/// Package#2.
pub const REQUEST: &str = "application/vnd.oma.dm.request+json";
/// Package#3.
pub const RESPONSE: &str = "application/vnd.oma.dm.response+json";

/// A Content-Type or one member of an Accept list, less its parameters.
pub(super) fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim_ascii()
}

/// Whether a Content-Type names `media_type`, whatever its case and parameters.
#[must_use]
pub fn is_media_type(content_type: &str, media_type: &str) -> bool {
    essence(content_type).eq_ignore_ascii_case(media_type)
}
