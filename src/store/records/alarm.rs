//! Table `alarms`: what servers were told by an alarm. JSON; members that an older version did not write have a
//! default.

use serde::{Deserialize, Serialize};

/// The record of what servers were told last of a leaf, an element or a list by an alarm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmRecord {
    /// Whether the alarm is raised there; of an element of a list: whether it is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub raised: bool,
    /// The digest of the value, in hexadecimal digits, where the alarm tells of changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The time when servers were told (seconds since 1970); 0: never.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub told: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl AlarmRecord {
    /// Encodes the record as the table has it.
    pub(in crate::store) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Decodes a record; none where it is damaged.
    pub(in crate::store) fn decode(record: &[u8]) -> Option<Self> {
        serde_json::from_slice(record).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_short_and_read_as_it_was() {
        let full = AlarmRecord { raised: true, value: Some("00ff".into()), told: 7 };
        for (record, text) in
            [(AlarmRecord::default(), "{}"), (full, r#"{"raised":true,"value":"00ff","told":7}"#)]
        {
            assert_eq!(record.encode(), text.as_bytes());
            assert_eq!(AlarmRecord::decode(text.as_bytes()), Some(record));
        }
        assert_eq!(AlarmRecord::decode(b"{\"raised\":1}"), None);
        assert_eq!(AlarmRecord::decode(b""), None);
    }
}
