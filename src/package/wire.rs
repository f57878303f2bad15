//! The parts that both profiles' Packages #1 and #3 have in common. `S` and `A` are a profile's statuses and alerts.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{RequestedMo, SupportedMo};

/// Package#1 as it is written (TS 7.2).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Initiation<'a, A> {
    #[serde(rename = "MOS", borrow, skip_serializing_if = "Option::is_none")]
    pub(super) mos: Option<Vec<Mo<'a>>>,
    #[serde(rename = "MOD", borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) requested: Option<Vec<Requested<'a>>>,
    #[serde(rename = "Alert", skip_serializing_if = "Option::is_none")]
    pub(super) alert: Option<A>,
}

/// Package#3 as it is written (TS 7.4).
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Response<S, A> {
    pub(super) status: Vec<S>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alert: Option<A>,
}

/// One of the supported MOs, as Package#1 has it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE", deny_unknown_fields)]
pub(super) struct Mo<'a> {
    ddf: Cow<'a, str>,
    moid: Cow<'a, str>,
    miid: Cow<'a, [String]>,
}

impl<'a> From<&'a SupportedMo> for Mo<'a> {
    fn from(mo: &'a SupportedMo) -> Self {
        Self { ddf: (&mo.ddf).into(), moid: mo.moid.as_str().into(), miid: (&mo.miids).into() }
    }
}

impl From<Mo<'_>> for SupportedMo {
    fn from(mo: Mo<'_>) -> Self {
        Self { ddf: mo.ddf.into(), moid: mo.moid.into_owned().into(), miids: mo.miid.into() }
    }
}

/// A member of `MOD` (CR 001, 8.2).
pub(super) enum Requested<'a> {
    Fresh(Fresh<'a>),
    /// A serialised management object that the server lacks or has otherwise, as JSON.
    Stale(Cow<'a, RawValue>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Fresh<'a> {
    #[serde(rename = "URI")]
    uri: Cow<'a, str>,
    code: u16,
}

/// The status of an instance that has not changed, as in HTTP.
const NOT_MODIFIED: u16 = 304;

impl<'a> From<&'a RequestedMo> for Requested<'a> {
    fn from(requested: &'a RequestedMo) -> Self {
        match requested {
            RequestedMo::Fresh { client_uri } => {
                Self::Fresh(Fresh { uri: client_uri.into(), code: NOT_MODIFIED })
            }
            RequestedMo::Stale(json) => {
                let raw = serde_json::from_str::<&RawValue>(json).unwrap_or(RawValue::NULL);
                Self::Stale(Cow::Borrowed(raw))
            }
        }
    }
}

impl From<Requested<'_>> for RequestedMo {
    fn from(requested: Requested<'_>) -> Self {
        match requested {
            Requested::Fresh(fresh) => Self::Fresh { client_uri: fresh.uri.into() },
            Requested::Stale(json) => Self::Stale(json.get().to_owned()),
        }
    }
}

impl Serialize for Requested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fresh(fresh) => fresh.serialize(serializer),
            Self::Stale(json) => json.serialize(serializer),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Requested<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&'de RawValue>::deserialize(deserializer)?;
        match serde_json::from_str::<Fresh<'de>>(json.get()) {
            Ok(fresh) if fresh.code == NOT_MODIFIED => Ok(Self::Fresh(fresh)),
            Ok(fresh) => Err(D::Error::custom(format_args!("Code {} in MOD", fresh.code))),
            Err(_) => match serde_json::from_str::<Serialised>(json.get()) {
                Ok(_) => Ok(Self::Stale(Cow::Borrowed(json))),
                Err(error) => Err(D::Error::custom(error)),
            },
        }
    }
}

/// The members that every serialised management object has.
#[derive(Deserialize)]
struct Serialised {
    #[serde(rename = "ClientURI")]
    _client_uri: String,
    #[serde(rename = "MOData")]
    _data: serde::de::IgnoredAny,
}

/// The list of what both lists hold, or nothing for an empty one.
pub(super) fn some_of<'a, T, U: From<&'a T>>(list: &'a [T]) -> Option<Vec<U>> {
    (!list.is_empty()).then(|| list.iter().map(U::from).collect())
}

/// An optional text, borrowed.
pub(super) fn borrowed(text: &Option<String>) -> Option<Cow<'_, str>> {
    text.as_deref().map(Cow::Borrowed)
}

/// A package as JSON.
pub(super) fn bytes(package: &impl Serialize) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "the packages' types have string keys only, and a Vec takes all bytes"
    )]
    serde_json::to_vec(package).expect("packages are JSON")
}
