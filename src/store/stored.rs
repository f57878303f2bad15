//! Stored nodes: how a node is written in the store, as one tag byte, then the value.

use crate::mo::Value;

/// A stored node.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// An interior node that exists because somebody created it.
    Interior,
    /// A leaf and its value.
    Leaf(Value),
}

impl Stored {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Interior => vec![b'/'],
            Self::Leaf(value) => Self::encoded(value),
        }
    }

    /// The record of a leaf with this value: no two values have the same.
    pub(crate) fn encoded(value: &Value) -> Vec<u8> {
        let with = |tag: u8, bytes: &[u8]| {
            let mut record = Vec::with_capacity(1 + bytes.len());
            record.push(tag);
            record.extend_from_slice(bytes);
            record
        };
        match value {
            Value::Null => with(b'0', &[]),
            Value::Bool(truth) => with(b'?', &[u8::from(*truth)]),
            Value::Int(number) => with(b'i', &number.to_le_bytes()),
            Value::Float(number) => with(b'f', &number.to_le_bytes()),
            Value::Text(text) => with(b't', text.as_bytes()),
            Value::Bytes(bytes) => with(b'b', bytes),
        }
    }

    pub(super) fn decode(record: &[u8]) -> Option<Self> {
        let (tag, bytes) = record.split_first()?;
        Some(match tag {
            b'/' => Self::Interior,
            b'0' => Self::Leaf(Value::Null),
            b'?' => Self::Leaf(Value::Bool(*bytes.first()? != 0)),
            b'i' => Self::Leaf(Value::Int(i64::from_le_bytes(bytes.try_into().ok()?))),
            b'f' => Self::Leaf(Value::Float(f64::from_le_bytes(bytes.try_into().ok()?))),
            b't' => Self::Leaf(Value::Text(String::from_utf8(bytes.to_vec()).ok()?)),
            b'b' => Self::Leaf(Value::Bytes(bytes.to_vec())),
            _ => return None,
        })
    }
}
