//! The nodes of the data, read one by one: what is wrong with one is named by its path.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value as Json};

use crate::base::Secret;
use crate::config::syntax;

/// The largest secret, key or certificate, in bytes.
pub(super) const LARGEST: usize = 16 << 10;

/// Why the data is no account.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DmaccError {
    /// A node that must be there is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A node has a value that it can't have.
    #[error("{node}: {why}")]
    Wrong {
        /// The node's path.
        node: String,
        /// The value that was expected.
        why: String,
    },
    /// The account has a node that nobody knows: a misspelt one would weaken it unnoticed.
    #[error("{0}: no such node in a DM account")]
    Unknown(String),
    /// The data is neither the draft's nor the approved text's.
    #[error("expected one of ServerID and SrvID")]
    Text,
    /// The stored record is damaged.
    #[error("the record is damaged")]
    Record,
}

/// An interior node of the data.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) path: String,
    pub(super) members: &'a Map<String, Json>,
}

pub(super) fn members<'a>(data: &'a Json, path: &str) -> Result<&'a Map<String, Json>, DmaccError> {
    let wrong = || DmaccError::Wrong { node: path.to_owned(), why: "expected a JSON object".to_owned() };
    data.as_object().ok_or_else(wrong)
}

impl<'a> Node<'a> {
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }

    pub(super) fn wrong(&self, name: &str, why: &str) -> DmaccError {
        DmaccError::Wrong { node: self.path(name), why: why.to_owned() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    pub(super) fn knows(&self, names: &[&str]) -> Result<(), DmaccError> {
        match self.members.keys().find(|key| !names.contains(&key.as_str())) {
            Some(key) => Err(DmaccError::Unknown(self.path(&key.chars().take(60).collect::<String>()))),
            None => Ok(()),
        }
    }

    pub(super) fn child(&self, name: &str) -> Result<Option<Self>, DmaccError> {
        let Some(data) = self.members.get(name) else { return Ok(None) };
        let path = self.path(name);
        Ok(Some(Self { members: members(data, &path)?, path }))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, DmaccError> {
        let Some(value) = self.members.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.wrong(name, "expected a string"))
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&'a str, DmaccError> {
        self.text(name)?.ok_or(DmaccError::Missing(name))
    }

    /// The value of a binary leaf, which is base64 in JSON.
    pub(super) fn bytes(&self, name: &str) -> Result<Option<Secret>, DmaccError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let bytes = BASE64_STANDARD.decode(text).ok().filter(|bytes| bytes.len() <= LARGEST);
        bytes
            .map(|bytes| Some(Secret::new(bytes)))
            .ok_or_else(|| self.wrong(name, "expected base64 of at most 16384 bytes"))
    }

    pub(super) fn address<T, E: ToString>(
        &self,
        name: &'static str,
        check: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<String, DmaccError> {
        let uri = self.required(name)?;
        if uri.len() > syntax::LONGEST_ADDRESS {
            return Err(self.wrong(name, "expected an address of at most 4096 bytes"));
        }
        check(uri).map_err(|error| self.wrong(name, &error.to_string()))?;
        Ok(uri.to_owned())
    }
}
