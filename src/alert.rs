//! Generic Alerts (TS 5.3) that wait in the store until a server has taken them.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::command::Finished;
use crate::package::Alert;
use crate::store::{Change, Store, StoreError};

/// The most alerts that ride in one package.
const MOST: usize = 32;

/// Alerts of one server, and the number of the last: with it they are forgotten once delivered.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Oldest first.
    pub alerts: Vec<Alert>,
    /// None where there are none.
    pub last: Option<u64>,
}

/// What an EXEC that outlived its command reports (TS 5.4.5): its result as data.
#[must_use]
pub fn of_exec(finished: &Finished) -> Alert {
    Alert {
        alert_type: finished.alert_type.clone(),
        mime_type: Some("application/json".to_owned()),
        source_uri: Some(finished.client_uri.clone()),
        target_uri: None,
        mark: None,
        data: Some(json!({ "ResultCode": finished.code })),
    }
}

/// Where alerts of a server go: to the server itself, or to an URI that it named (TS 5.4.5). Each place has
/// its own alerts waiting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The account.
    pub server_id: String,
    /// An absolute URI; none: where the account's sessions go.
    pub uri: Option<String>,
}

/// Stands in no server id: those are visible characters.
const SEPARATOR: char = '\u{1}';

impl Place {
    /// Where the account's sessions go.
    #[must_use]
    pub fn of(server_id: &str) -> Self {
        Self { server_id: server_id.to_owned(), uri: None }
    }

    /// What the store calls it.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.uri {
            None => self.server_id.clone(),
            Some(uri) => format!("{}{SEPARATOR}{uri}", self.server_id),
        }
    }

    fn of_key(key: &str) -> Self {
        match key.split_once(SEPARATOR) {
            None => Self::of(key),
            Some((server_id, uri)) => Self { server_id: server_id.to_owned(), uri: Some(uri.to_owned()) },
        }
    }
}

/// All places that alerts wait for.
///
/// # Errors
/// The store failed.
pub fn places(store: &Store) -> Result<Vec<Place>, StoreError> {
    Ok(store.snapshot()?.alert_queues()?.iter().map(|key| Place::of_key(key)).collect())
}

/// Keeps an alert until it was delivered.
///
/// # Errors
/// The store failed.
pub async fn keep(store: &Arc<Store>, place: &Place, alert: &Alert) -> Result<(), StoreError> {
    store.commit(vec![Change::Alert(place.key(), record(alert))]).await
}

/// What waits for a place.
///
/// # Errors
/// The store failed.
pub fn waiting(store: &Store, place: &Place) -> Result<Waiting, StoreError> {
    let mut waiting = Waiting::default();
    for (number, json) in store.snapshot()?.alerts(&place.key(), MOST)? {
        waiting.last = Some(number);
        waiting.alerts.extend(parse(&json));
    }
    Ok(waiting)
}

fn record(alert: &Alert) -> Vec<u8> {
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
        .collect();
    object.extend(alert.data.clone().map(|data| ("Data".to_owned(), data)));
    Json::Object(object).to_string().into_bytes()
}

fn parse(json: &[u8]) -> Option<Alert> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_alert_waits_whole_until_it_was_delivered() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        let finished = Finished {
            server_id: "a".into(),
            client_uri: "urn:m/1/Do".into(),
            alert_type: "urn:x".into(),
            code: 1201,
            report_to: None,
        };
        let alert = of_exec(&finished);
        let elsewhere = Place { uri: Some("https://elsewhere.example/".into()), ..Place::of("a") };
        for place in [Place::of("a"), Place::of("b"), elsewhere.clone()] {
            keep(&store, &place, &alert).await.unwrap();
        }
        assert_eq!(places(&store).unwrap(), [Place::of("a"), elsewhere.clone(), Place::of("b")]);
        let found = waiting(&store, &Place::of("a")).unwrap();
        assert_eq!((found.alerts, found.last), (vec![alert], Some(0)));
        store.commit(vec![Change::AlertsDelivered("a".into(), 0)]).await.unwrap();
        assert!(waiting(&store, &Place::of("a")).unwrap().alerts.is_empty());
        assert_eq!(waiting(&store, &Place::of("b")).unwrap().alerts.len(), 1);
        assert_eq!(places(&store).unwrap(), [elsewhere, Place::of("b")]);
    }
}
