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

/// The type in which serialised management objects are sent to somebody who accepts these, most wanted first.
pub(super) fn choose(accepted: &[String]) -> Option<&'static str> {
    accepted.iter().find_map(|range| match range.as_str() {
        DMMO_JSON | "application/*" | "*/*" => Some(DMMO_JSON),
        OMA_MO_JSON => Some(OMA_MO_JSON),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_type_that_is_known_is_sent() {
        let choose =
            |accepted: &[&str]| choose(&accepted.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(choose(&["application/xml", OMA_MO_JSON, DMMO_JSON]), Some(OMA_MO_JSON));
        assert_eq!(choose(&["text/*", "*/*"]), Some(DMMO_JSON));
        assert_eq!(choose(&["application/*"]), Some(DMMO_JSON));
        assert_eq!(choose(&["application/xml"]), None);
        assert_eq!(choose(&[]), None);
    }
}
