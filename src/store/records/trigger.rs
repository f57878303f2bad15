//! Table `triggers`: what a notification asks for. JSON; server id and NOTIFICATION-ID are the key.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::bearer::ConnectionType;
use crate::notification::Trigger;
use crate::uri::ServerId;

/// The record of a trigger, as it is written.
#[derive(Serialize, Deserialize)]
struct TriggerRecord {
    #[serde(default)]
    preferred: Vec<u8>,
    #[serde(default)]
    req_mos: bool,
    /// The index and the validator of each requested object, the latter in base64.
    #[serde(default)]
    requested: Vec<(u16, String)>,
}

/// Writes the trigger for the store.
pub(crate) fn to_json(trigger: &Trigger) -> Vec<u8> {
    let record = TriggerRecord {
        preferred: trigger.preferred.iter().map(|connection| *connection as u8).collect(),
        req_mos: trigger.req_mos,
        requested: trigger
            .requested
            .iter()
            .map(|(index, validator)| (*index, BASE64_STANDARD.encode(validator)))
            .collect(),
    };
    serde_json::to_vec(&record).unwrap_or_default()
}

/// Reads a trigger of the store; none where the record is damaged.
pub(crate) fn from_json(server_id: &ServerId, id: u16, json: &[u8]) -> Option<Trigger> {
    let record: TriggerRecord = serde_json::from_slice(json).ok()?;
    let requested = record.requested.into_iter();
    Some(Trigger {
        server_id: server_id.to_owned(),
        notification_id: Some(id),
        preferred: record.preferred.into_iter().filter_map(connection).collect(),
        req_mos: record.req_mos,
        requested: requested
            .map(|(index, validator)| Some((index, BASE64_STANDARD.decode(validator).ok()?)))
            .collect::<Option<_>>()?,
    })
}

fn connection(number: u8) -> Option<ConnectionType> {
    use ConnectionType::{AnyAvailable, Mobile, Wireless, Wireline};
    [AnyAvailable, Mobile, Wireless, Wireline].into_iter().find(|connection| *connection as u8 == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(id: u16) -> Trigger {
        Trigger {
            server_id: "a".into(),
            notification_id: Some(id),
            preferred: vec![ConnectionType::Wireline, ConnectionType::AnyAvailable],
            req_mos: true,
            requested: vec![(3, vec![0, 0xff, 7])],
        }
    }

    #[test]
    fn a_trigger_is_read_as_it_was_written() {
        assert_eq!(from_json(&"a".into(), 7, &to_json(&trigger(7))), Some(trigger(7)));
        assert_eq!(from_json(&"a".into(), 7, b"{}").unwrap().requested, []);
        assert_eq!(from_json(&"a".into(), 7, b"[1"), None);
    }
}
