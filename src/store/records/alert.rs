//! Table `alerts`: an alert, as JSON with the draft's names, and `At`, when it was raised.

use serde_json::{Map, Value as Json};

use crate::base::OneByOne as _;
use crate::package::Alert;

/// The member that says when it was raised, in seconds since 1970. Alerts of earlier versions have none.
pub(crate) const AT: &str = "At";

/// Writes the alert, which was raised `at` that time, for the store.
pub(crate) fn to_json(alert: &Alert, at: Option<u64>) -> Vec<u8> {
    let members = [
        ("AlertType", Some(&alert.alert_type)),
        ("MIMEType", alert.mime_type.as_ref()),
        ("SourceURI", alert.source_uri.as_ref()),
        ("TargetURI", alert.target_uri.as_ref()),
        ("Mark", alert.mark.as_ref()),
    ];
    let mut object: Map<String, Json> = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Json::from(value?.as_str()))))
        .one_by_one();
    object.extend(alert.data.clone().map(|data| ("Data".to_owned(), data)));
    object.extend(at.map(|at| (AT.to_owned(), at.into())));
    Json::Object(object).to_string().into_bytes()
}

/// Reads an alert of the store; none where it is not in the form that [`to_json`] gives it.
pub(crate) fn from_json(json: &[u8]) -> Option<Alert> {
    let Ok(Json::Object(mut object)) = serde_json::from_slice(json) else { return None };
    let data = object.remove("Data");
    let mut text = |name: &str| match object.remove(name) {
        Some(Json::String(text)) => Some(text),
        _ => None,
    };
    Some(Alert {
        alert_type: text("AlertType")?,
        mime_type: text("MIMEType"),
        source_uri: text("SourceURI"),
        target_uri: text("TargetURI"),
        mark: text("Mark"),
        data,
    })
}
