//! Table `alarms`: what servers were told by an alarm. JSON; members that an older version did not write have a
//! default.

use serde::{Deserialize, Serialize};

/// What servers were told last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmRecord {
    /// Whether it is raised; of an element of a list: whether it is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub raised: bool,
    /// Of an alarm that tells of changes: a digest of the value, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// When they were told; 0: never (seconds since 1970).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub told: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl AlarmRecord {
    /// For the store.
    pub(in crate::store) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// None where it is damaged.
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
