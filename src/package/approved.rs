//! Packages #1 and #3 as the approved enabler of 2016 writes them, as far as it is known.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::wire::{Initiation, Response, borrowed, bytes, some_of};
use super::{Encoded, INITIATION, MoHead, Package1, Package2, Package3, Reason, multipart};

/// An MO serialisation is an array in this profile, always.
pub(super) const ONE_IS_AN_ARRAY: bool = true;

/// The members before `MOData`: the ClientURI says it all.
pub(super) fn head_members<'a>(head: &MoHead<'a>) -> Vec<(&'static str, &'a str)> {
    vec![("DDF", head.ddf), ("ClientURI", head.client_uri)]
}

/// The prefix of the mandatory alerts' types.
const MANDATORY: &str = "urn:oma:at:dm:2.0:";
/// The member of a mandatory alert's data that has the NOTIFICATION-ID: the approved text wants it there and does not
/// say how.
const ID: &str = "NOTIFICATION-ID";

/// Writes Package#1. Before the alerts that wait stand those which say why the session is held.
#[must_use]
pub(crate) fn encode1(package: &Package1) -> Encoded {
    let mos = package.mos.as_ref().map(|mos| mos.iter().map(Into::into).collect());
    let reasons: Vec<super::Alert> = package.reasons.iter().copied().map(mandatory).collect();
    let alerts: Vec<Alert<'_>> = reasons.iter().chain(&package.alerts).map(Into::into).collect();
    let alert = (!alerts.is_empty()).then_some(alerts);
    let wire = Initiation { mos, requested: some_of(&package.requested), alert };
    Encoded { content_type: INITIATION.to_owned(), body: bytes(&wire) }
}

/// Writes Package#3, with the data of GETs where there is some.
#[must_use]
pub(crate) fn encode3(package: &Package3, nonce: u64) -> Encoded {
    let status: Vec<Status<'_>> = package.statuses.iter().map(Into::into).collect();
    let wire = Response { status, alert: some_of::<_, Alert<'_>>(&package.alerts) };
    multipart::package3(bytes(&wire), &package.parts, nonce)
}

/// The statuses of alerts, which a server of this profile does not send: what stands in the package is not meant for
/// them.
pub(super) fn alert_results(_package: &Package2) -> &[u16] {
    &[]
}

fn mandatory(reason: Reason) -> super::Alert {
    let (name, id) = match reason {
        Reason::Server(id) => ("ServerInitiatedMgmt", id),
        Reason::Client => ("ClientInitiatedMgmt", None),
        Reason::Bootstrap => ("BootstrapComplete", None),
    };
    super::Alert {
        alert_type: format!("{MANDATORY}{name}"),
        mime_type: None,
        source_uri: None,
        target_uri: None,
        mark: None,
        data: id.map(|id| serde_json::json!({ ID: id })),
    }
}

fn reason(alert: &super::Alert) -> Option<Reason> {
    match alert.alert_type.strip_prefix(MANDATORY)? {
        "ServerInitiatedMgmt" => {
            let id = alert.data.as_ref().and_then(|data| data.get(ID)).and_then(Value::as_u64);
            Some(Reason::Server(id.and_then(|id| id.try_into().ok())))
        }
        "ClientInitiatedMgmt" => Some(Reason::Client),
        "BootstrapComplete" => Some(Reason::Bootstrap),
        _ => None,
    }
}

/// Reads Package#1, as a server does.
pub(super) fn decode1(body: &[u8]) -> serde_json::Result<Package1> {
    let wire: Initiation<'_, Vec<Alert<'_>>> = serde_json::from_slice(body)?;
    let mut alerts: Vec<super::Alert> = wire.alert.unwrap_or_default().into_iter().map(Into::into).collect();
    let reasons: Vec<Reason> = alerts.iter().map_while(reason).collect();
    alerts.drain(..reasons.len());
    Ok(Package1 {
        mos: wire.mos.map(|mos| mos.into_iter().map(Into::into).collect()),
        alerts,
        requested: wire.requested.unwrap_or_default().into_iter().map(Into::into).collect(),
        reasons,
    })
}

/// Reads the JSON of Package#3, as a server does. The data of GETs is not in it.
pub(super) fn decode3(body: &[u8]) -> serde_json::Result<Package3> {
    // Derived readers take arrays for structs, and would let the draft's statuses pass.
    let wire: Response<Map<String, Value>, Vec<Alert<'_>>> = serde_json::from_slice(body)?;
    let status = |object| serde_json::from_value::<Status<'_>>(Value::Object(object)).map(Into::into);
    Ok(Package3 {
        statuses: wire.status.into_iter().map(status).collect::<Result<_, _>>()?,
        parts: Vec::new(),
        alerts: wire.alert.unwrap_or_default().into_iter().map(Into::into).collect(),
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Alert<'a> {
    alert_type: Cow<'a, str>,
    #[serde(rename = "SourceURI", skip_serializing_if = "Option::is_none")]
    source_uri: Option<Cow<'a, str>>,
    #[serde(rename = "TargetURI", skip_serializing_if = "Option::is_none")]
    target_uri: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_type: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Cow<'a, Value>>,
}

impl<'a> From<&'a super::Alert> for Alert<'a> {
    fn from(alert: &'a super::Alert) -> Self {
        Self {
            alert_type: (&alert.alert_type).into(),
            source_uri: borrowed(&alert.source_uri),
            target_uri: borrowed(&alert.target_uri),
            mark: borrowed(&alert.mark),
            data_type: borrowed(&alert.mime_type),
            data: alert.data.as_ref().map(Cow::Borrowed),
        }
    }
}

impl From<Alert<'_>> for super::Alert {
    fn from(alert: Alert<'_>) -> Self {
        Self {
            alert_type: alert.alert_type.into(),
            mime_type: alert.data_type.map(Into::into),
            source_uri: alert.source_uri.map(Into::into),
            target_uri: alert.target_uri.map(Into::into),
            mark: alert.mark.map(Into::into),
            data: alert.data.map(Cow::into_owned),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Status<'a> {
    sc: u16,
    #[serde(rename = "URI", default, skip_serializing_if = "<[String]>::is_empty")]
    uri: Cow<'a, [String]>,
}

impl<'a> From<&'a super::Status> for Status<'a> {
    fn from(status: &'a super::Status) -> Self {
        Self { sc: status.code, uri: (&status.extra).into() }
    }
}

impl From<Status<'_>> for super::Status {
    fn from(status: Status<'_>) -> Self {
        Self { code: status.sc, extra: status.uri.into() }
    }
}
