//! What both profiles' Packages #1 and #3 have in common. `S` and `A` are a profile's statuses and alerts.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::SupportedMo;

/// Package#1 (TS 7.2).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Initiation<'a, A> {
    #[serde(rename = "MOS", borrow, skip_serializing_if = "Option::is_none")]
    pub(super) mos: Option<Vec<Mo<'a>>>,
    #[serde(rename = "Alert", skip_serializing_if = "Option::is_none")]
    pub(super) alert: Option<A>,
}

/// Package#3 (TS 7.4).
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Response<S, A> {
    pub(super) status: Vec<S>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alert: Option<A>,
}

/// One of the supported MOs.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE", deny_unknown_fields)]
pub(super) struct Mo<'a> {
    ddf: Cow<'a, str>,
    moid: Cow<'a, str>,
    miid: Cow<'a, [String]>,
}

impl<'a> From<&'a SupportedMo> for Mo<'a> {
    fn from(mo: &'a SupportedMo) -> Self {
        Self { ddf: (&mo.ddf).into(), moid: (&mo.moid).into(), miid: (&mo.miids).into() }
    }
}

impl From<Mo<'_>> for SupportedMo {
    fn from(mo: Mo<'_>) -> Self {
        Self { ddf: mo.ddf.into(), moid: mo.moid.into(), miids: mo.miid.into() }
    }
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
