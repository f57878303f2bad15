//! Table `execs`: what is known of an EXEC. JSON; members that an older version did not write have a default.

use serde::{Deserialize, Serialize};

use crate::mo::mapping::of_exit;
use crate::uri::ServerId;

/// The record of an EXEC: what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecRecord {
    /// The server that gave the command.
    pub server_id: ServerId,
    /// The ClientURI of the node.
    pub client_uri: String,
    /// The type of the alert that tells its end.
    pub alert_type: String,
    /// The address where its end is reported, if not where the server's sessions go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_to: Option<String>,
    /// Whether it waits for the end of the session.
    #[serde(default)]
    pub after_session: bool,
    /// Whether it goes on after a reboot.
    #[serde(default)]
    pub resume: bool,
    /// Whether it may have to wait until it may begin.
    #[serde(rename = "gated", default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_permission: bool,
    /// The number of times that it was started; 0: it waits.
    #[serde(default)]
    pub starts: u32,
    /// The boot in which it was last started, as the kernel names it.
    #[serde(default)]
    pub boot: String,
    /// The process group of what runs, where it outlives its command.
    #[serde(rename = "leader", default, skip_serializing_if = "Option::is_none")]
    pub process_group: Option<ProcessGroup>,
    /// The name of the request to the privileged helper, which keeps the result under it, where that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The status of its end, where that was known and not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The exit code that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The alert of its end, where the mapping says more of it than the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<EndAlert>,
}

/// The alert that tells how an EXEC ended, as its mapping had it when the EXEC was commanded: the mapping may be
/// another one by then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndAlert {
    /// The type of the alert.
    #[serde(rename = "type")]
    pub alert_type: String,
    /// The media type of its data, in the words of the server's profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// The source of the alert.
    pub source: String,
    /// The thing that the alert is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The form in which it tells the number.
    #[serde(default)]
    pub data: EndData,
    /// The numbers that it tells of exit codes.
    #[serde(default)]
    pub codes: Vec<(i32, u16)>,
    /// The number that it tells of all other failures; none: the EXEC's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<u16>,
    /// The mark where all went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<String>,
    /// The mark where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// The form in which an alert tells a number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndData {
    /// A result code: `{"ResultCode": 200}`.
    #[default]
    ResultCode,
    /// A number as in DM 1.x: `{"DM1x": 200}`.
    Dm1x,
    /// A text around the number, `{"DM1x": "…"}`: a template with `{}` for that.
    Text(String),
}

/// A process group, by its leader. Its start time tells it from a later one of the same id, within one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessGroup {
    pub(crate) id: i32,
    /// The start time of the leader, in ticks since the machine was booted.
    pub(crate) since: u64,
}

impl EndAlert {
    /// The number that the alert tells of this exit code and status.
    #[must_use]
    pub fn number(&self, exit: Option<i32>, status: u16) -> u16 {
        let known = exit.and_then(|exit| of_exit(&self.codes, exit));
        let other = if exit == Some(0) { None } else { self.otherwise };
        known.or(other).unwrap_or(status)
    }
}

impl ExecRecord {
    /// Writes the record for the store.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record of the store; none where it is damaged.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_0_1_0_wrote_of_a_process_group_is_read_and_written_as_it_was() {
        const WRITTEN: &str = concat!(
            r#"{"server_id":"acme","client_uri":"urn:oma:mo:x:1.0/7/Do","alert_type":"urn:oma:at:x:1.0","#,
            r#""after_session":false,"resume":true,"starts":1,"boot":"b","leader":{"id":4711,"since":99}}"#
        );
        let record = ExecRecord::from_json(WRITTEN.as_bytes()).unwrap();
        assert_eq!(record.process_group, Some(ProcessGroup { id: 4711, since: 99 }));
        assert_eq!(String::from_utf8(record.to_json()).unwrap(), WRITTEN);
    }

    #[test]
    fn what_an_alert_will_be_is_read_as_it_was_written() {
        let alert = EndAlert {
            alert_type: "org.example.update".into(),
            mime_type: Some("int".into()),
            source: "urn:m/1".into(),
            target: None,
            data: EndData::Text("<ResultCode>{}</ResultCode>".into()),
            codes: vec![(0, 1200)],
            otherwise: Some(1409),
            ok: None,
            failed: Some("critical".into()),
        };
        let written = r#"{"server_id":"a","client_uri":"u","alert_type":"t"}"#;
        let plain = ExecRecord::from_json(written.as_bytes()).unwrap();
        let record = ExecRecord { exit: Some(10), alert: Some(alert), ..plain };
        assert_eq!(ExecRecord::from_json(&record.to_json()), Some(record));
    }
}
