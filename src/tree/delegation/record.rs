//! The record of an entry: `RIGHTS OVER NAME`, kept as a text leaf.

use crate::mo::Value;
use crate::store::{NodeKey, StoreError, Stored};
use crate::tree::error::TreeError;
use crate::tree::rights::Rights;
use crate::tree::state::TreeState;

/// The record of what a server made of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) rights: Rights,
    /// The rights that the authority had without the entry.
    pub(super) over: Option<Rights>,
    /// The name of the entry's node; none if the server deleted it.
    pub(super) name: Option<String>,
}

impl Record {
    /// Whether the record still says what to do: not where an operator has changed since what it overrides.
    pub(super) fn applies(&self, inherent: Option<Rights>) -> bool {
        self.over == inherent
    }

    pub(super) fn at(key: &NodeKey, state: &TreeState) -> Result<Option<Self>, TreeError> {
        let Some(stored) = state.node(key)? else { return Ok(None) };
        let record = if let Stored::Leaf(Value::Text(text)) = &stored { Self::decode(text) } else { None };
        record.map(Some).ok_or(StoreError::Damaged("nodes").into())
    }

    pub(super) fn encode(&self) -> Stored {
        let over = self.over.map_or_else(|| "-".to_owned(), |rights| rights.bits().to_string());
        let name = self.name.as_deref().unwrap_or_default();
        Stored::Leaf(Value::Text(format!("{} {over} {name}", self.rights.bits())))
    }

    fn decode(text: &str) -> Option<Self> {
        let rights = |text: &str| Rights::new(text.parse().ok()?);
        let mut parts = text.splitn(3, ' ');
        let (granted, over, name) = (parts.next()?, parts.next()?, parts.next()?);
        let over = if over == "-" { None } else { Some(rights(over)?) };
        Some(Self { rights: rights(granted)?, over, name: (!name.is_empty()).then(|| name.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was_kept() {
        for (over, name) in [(None, Some("a b")), (Rights::new(7), Some("x")), (Rights::new(0), None)] {
            let record = Record { rights: Rights::READ, over, name: name.map(str::to_owned) };
            let Stored::Leaf(Value::Text(text)) = record.encode() else { panic!("not a text") };
            assert_eq!(Record::decode(&text), Some(record));
        }
        for damaged in ["", "1", "1 2", "16 - x", "-1 - x", "1 16 x", "x - x"] {
            assert_eq!(Record::decode(damaged), None, "{damaged:?}");
        }
    }
}
