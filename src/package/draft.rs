//! Packages #1 and #3 as the consolidated draft writes them (TS 7.2, 7.4, 7.6).

use std::borrow::Cow;

use serde::de::Error as _;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::wire::{Initiation, Response, borrowed, bytes, some_of};
use super::{Encoded, INITIATION, MoHead, Package1, Package3, multipart};

/// An MO serialisation is one object in this profile; an array where a wildcard addresses many nodes (TS 6.1.2, 7.5).
pub(super) const ONE_IS_AN_ARRAY: bool = false;

/// The members before `MOData`, a superset of what TS 6.3.3, 7.5 and Appendix E ask for.
pub(super) fn head_members<'a>(head: &MoHead<'a>) -> Vec<(&'static str, &'a str)> {
    vec![("DDF", head.ddf), ("MOID", head.moid.as_str()), ("MIID", head.miid), ("ClientURI", head.client_uri)]
}

/// Writes Package#1; `{}` when there is nothing to say.
#[must_use]
pub(crate) fn encode1(package: &Package1) -> Encoded {
    let mos = package.mos.as_ref().map(|mos| mos.iter().map(Into::into).collect());
    let alert = some_of(&package.alerts).map(|items| Alerts { items });
    let wire = Initiation { mos, requested: some_of(&package.requested), alert };
    Encoded { content_type: INITIATION.to_owned(), body: bytes(&wire) }
}

/// Writes Package#3, with the data of GETs where there is some.
#[must_use]
pub(crate) fn encode3(package: &Package3, nonce: u64) -> Encoded {
    let status: Vec<Status<'_>> = package.statuses.iter().map(Into::into).collect();
    let wire = Response { status, alert: some_of(&package.alerts).map(|items| Alerts { items }) };
    multipart::package3(bytes(&wire), &package.parts, nonce)
}

/// Reads Package#1, as a server does.
pub(super) fn decode1(body: &[u8]) -> serde_json::Result<Package1> {
    let wire: Initiation<'_, Alerts<'_>> = serde_json::from_slice(body)?;
    Ok(Package1 {
        mos: wire.mos.map(|mos| mos.into_iter().map(Into::into).collect()),
        alerts: wire.alert.map(Alerts::into_model).unwrap_or_default(),
        requested: wire.requested.unwrap_or_default().into_iter().map(Into::into).collect(),
        reasons: Vec::new(),
    })
}

/// Reads the JSON of Package#3, as a server does. The data of GETs is not in it.
pub(super) fn decode3(body: &[u8]) -> serde_json::Result<Package3> {
    let wire: Response<Status<'_>, Alerts<'_>> = serde_json::from_slice(body)?;
    Ok(Package3 {
        statuses: wire.status.into_iter().map(Into::into).collect(),
        parts: Vec::new(),
        alerts: wire.alert.map(Alerts::into_model).unwrap_or_default(),
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Alerts<'a> {
    #[serde(borrow)]
    items: Vec<Alert<'a>>,
}

impl Alerts<'_> {
    fn into_model(self) -> Vec<super::Alert> {
        self.items.into_iter().map(Into::into).collect()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Alert<'a> {
    alert_type: Cow<'a, str>,
    #[serde(rename = "MIMEType", skip_serializing_if = "Option::is_none")]
    mime_type: Option<Cow<'a, str>>,
    #[serde(rename = "SourceURI", skip_serializing_if = "Option::is_none")]
    source_uri: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Cow<'a, Value>>,
}

/// Leaves out the target, for which the draft has no place.
impl<'a> From<&'a super::Alert> for Alert<'a> {
    fn from(alert: &'a super::Alert) -> Self {
        Self {
            alert_type: (&alert.alert_type).into(),
            mime_type: borrowed(&alert.mime_type),
            source_uri: borrowed(&alert.source_uri),
            mark: borrowed(&alert.mark),
            data: alert.data.as_ref().map(Cow::Borrowed),
        }
    }
}

impl From<Alert<'_>> for super::Alert {
    fn from(alert: Alert<'_>) -> Self {
        Self {
            alert_type: alert.alert_type.into(),
            mime_type: alert.mime_type.map(Into::into),
            source_uri: alert.source_uri.map(Into::into),
            target_uri: None,
            mark: alert.mark.map(Into::into),
            data: alert.data.map(Cow::into_owned),
        }
    }
}

/// A command's status as `[200, "uri"]`: an array of two types, which no derive writes.
struct Status<'a> {
    code: u16,
    extra: Cow<'a, [String]>,
}

impl<'a> From<&'a super::Status> for Status<'a> {
    fn from(status: &'a super::Status) -> Self {
        Self { code: status.code, extra: (&status.extra).into() }
    }
}

impl From<Status<'_>> for super::Status {
    fn from(status: Status<'_>) -> Self {
        Self { code: status.code, extra: status.extra.into() }
    }
}

impl Serialize for Status<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut array = serializer.serialize_seq(Some(1 + self.extra.len()))?;
        array.serialize_element(&self.code)?;
        for extra in self.extra.iter() {
            array.serialize_element(extra)?;
        }
        array.end()
    }
}

impl<'de> Deserialize<'de> for Status<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut array = Vec::<Value>::deserialize(deserializer)?.into_iter();
        let code = array.next().ok_or_else(|| D::Error::custom("a status without a code"))?;
        let code = serde_json::from_value(code).map_err(D::Error::custom)?;
        let extra: Result<Vec<String>, _> = array.map(serde_json::from_value).collect();
        Ok(Self { code, extra: extra.map_err(D::Error::custom)?.into() })
    }
}
