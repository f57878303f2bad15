//! Media types of management object data.

use crate::package::{is_media_type, is_unwanted};

/// JSON of DM 2.0 (TS 7.5).
pub(crate) const DMMO_JSON: &str = "application/dmmo+json";
/// JSON of DM 2.0 under the name that later texts give it.
pub(crate) const OMA_MO_JSON: &str = "application/vnd.oma.dm.mo+json";
/// The type of a leaf whose DDF names none.
pub(crate) const TEXT_PLAIN: &str = "text/plain";

/// DM 1.x documents (TS 15).
pub(crate) const TNDS_XML: &str = "application/vnd.syncml.dmtnds+xml";

/// The Accept header with which HGET asks for nodes.
pub(crate) const ACCEPT: &str = "application/dmmo+json, application/vnd.oma.dm.mo+json, \
                                 application/vnd.syncml.dmtnds+xml;q=0.8";

/// Whether a serialised management object of this type can be read and written.
pub(crate) fn is_serialisation(content_type: &str) -> bool {
    [DMMO_JSON, OMA_MO_JSON, TNDS_XML].iter().any(|known| is_media_type(content_type, known))
}

/// The type in which serialised management objects are sent to somebody who accepts these, most wanted first.
pub(crate) fn choose<S: AsRef<str>>(accepted: &[S]) -> Option<&'static str> {
    const KNOWN: [&str; 3] = [DMMO_JSON, OMA_MO_JSON, TNDS_XML];
    // What is said of the type itself outweighs what is said of all (RFC 9110, 12.5.1).
    let deciding = |known: &str| {
        [known, "application/*", "*/*"]
            .iter()
            .find_map(|range| accepted.iter().position(|accepted| is_media_type(accepted.as_ref(), range)))
    };
    let known = KNOWN.map(|known| (known, deciding(known)));
    accepted
        .iter()
        .enumerate()
        .filter(|(_, range)| !is_unwanted(range.as_ref()))
        .find_map(|(at, _)| known.iter().find(|(_, deciding)| *deciding == Some(at)).map(|(known, _)| *known))
}

#[cfg(test)]
mod tests {
    use crate::repository::media::*;

    #[test]
    fn the_first_type_that_is_known_is_sent() {
        let choose =
            |accepted: &[&str]| choose(&accepted.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(choose(&["application/xml", OMA_MO_JSON, DMMO_JSON]), Some(OMA_MO_JSON));
        assert_eq!(choose(&["text/*", "*/*"]), Some(DMMO_JSON));
        assert_eq!(choose(&["application/*"]), Some(DMMO_JSON));
        assert_eq!(choose(&["Application/vnd.SyncML.dmtnds+xml; charset=utf-8"]), Some(TNDS_XML));
        assert_eq!(choose(&["application/vnd.syncml.dmtnds+wbxml", "application/xml"]), None);
        assert_eq!(choose(&[]), None);
    }
    #[test]
    fn a_type_that_is_not_wanted_is_not_sent() {
        const UNWANTED: &str = "application/dmmo+json;q=0";
        assert_eq!(choose(&["*/*", UNWANTED]), Some(OMA_MO_JSON));
        assert_eq!(choose(&[UNWANTED]), None);
        assert_eq!(choose(&["application/*;q=0", "*/*"]), None);
        assert_eq!(choose(&["*/*;q=0", TNDS_XML]), Some(TNDS_XML));
        // The list is in the order of preference: of this type, less is said by the wildcard than by its name.
        assert_eq!(choose(&["*/*", "application/dmmo+json;q=0.1"]), Some(OMA_MO_JSON));
    }
}
