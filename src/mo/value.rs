//! Values of leaf nodes, and how they are written as text, JSON and raw bytes (TS 7.5).

/// A leaf's value, typed by its DDF format.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, or an empty leaf.
    Null,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `float`, finite.
    Float(f64),
    /// `chr`, `xml`, `date`, `time`
    Text(String),
    /// `bin`, `b64`
    Bytes(Vec<u8>),
}
