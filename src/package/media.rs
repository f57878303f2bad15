//! Media types of the packages.

/// The media type of Package#1.
pub const INITIATION: &str = "application/vnd.oma.dm.initiation+json";
/// The media type of Package#2.
pub const REQUEST: &str = "application/vnd.oma.dm.request+json";
/// The media type of Package#3.
pub const RESPONSE: &str = "application/vnd.oma.dm.response+json";

/// The media type of a Content-Type or of one member of an Accept list, less its parameters.
pub(super) fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim_ascii()
}

/// Whether a Content-Type names `media_type`, whatever its case and parameters.
#[must_use]
pub fn is_media_type(content_type: &str, media_type: &str) -> bool {
    essence(content_type).eq_ignore_ascii_case(media_type)
}

/// Whether one member of an Accept list says that its type is not wanted.
#[must_use]
pub fn is_unwanted(range: &str) -> bool {
    quality(range) <= 0.0
}

/// The `q` parameter of a member of an Accept list (RFC 9110, 12.4.2).
pub(super) fn quality(range: &str) -> f32 {
    let q = range.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim_ascii().eq_ignore_ascii_case("q").then(|| value.trim_ascii())
    });
    q.and_then(|q| q.parse().ok()).filter(|q: &f32| !q.is_nan()).unwrap_or(1.0)
}
