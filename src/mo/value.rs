//! Values of leaf nodes, and how they are written as text, JSON and raw bytes (TS 7.5).
//!
//! | format | text (files, scripts, mapping) | JSON | raw |
//! |---|---|---|---|
//! | `bool` | `true`, `false`, `1`, `0` | boolean | as text |
//! | `int` | decimal digits, signed | number without a fraction | as text |
//! | `float` | decimal, exponent allowed | number | as text |
//! | `chr`, `xml`, `date`, `time` | itself | string | UTF-8 |
//! | `bin`, `b64` | base64 | base64 string | the decoded bytes |
//! | `null` | empty | `null` | empty |
//!
//! White space around `bool`, `int`, `float` and base64 text is ignored; other text is kept as it is.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use thiserror::Error;

use super::calendar;
use crate::ddf::Format;

/// The base64 that is read: servers are not agreed on padding; what we write has it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The largest integer up to which all survive a detour through a double.
const EXACT_IN_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// A leaf's value, typed by its DDF format.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The value `null`, or that of an empty leaf.
    Null,
    /// A value of format `bool`.
    Bool(bool),
    /// A value of format `int`.
    Int(i64),
    /// A value of format `float`, finite.
    Float(f64),
    /// A value of format `chr`, `xml`, `date` or `time`.
    Text(String),
    /// A value of format `bin` or `b64`.
    Bytes(Vec<u8>),
}

/// Why something is no value of a format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected {expected}, found {found}")]
pub struct ValueError {
    /// The values that the format holds, in words.
    pub expected: &'static str,
    /// The text that was there; long text is cut.
    pub found: String,
}

impl Value {
    /// Reads the text form: what a file, a script or a mapping says.
    ///
    /// # Errors
    /// If the text is no value of `format`; an interior node has none at all.
    pub fn from_text(format: Format, text: &str) -> Result<Self, ValueError> {
        let trimmed = text.trim();
        let value = match format {
            Format::Bool => match trimmed {
                "true" | "1" => Some(Self::Bool(true)),
                "false" | "0" => Some(Self::Bool(false)),
                _ => None,
            },
            Format::Int => trimmed.parse().ok().map(Self::Int),
            Format::Float => trimmed.parse().ok().filter(|number: &f64| number.is_finite()).map(Self::Float),
            Format::Date | Format::Time if !text.is_empty() && !calendar::is_one(format, text) => None,
            Format::Chr | Format::Xml | Format::Date | Format::Time => Some(Self::Text(text.to_owned())),
            Format::Bin | Format::B64 => decode(text).map(Self::Bytes),
            Format::Null => trimmed.is_empty().then_some(Self::Null),
            Format::Node => None,
        };
        value.ok_or_else(|| ValueError { expected: expected(format), found: excerpt(text) })
    }

    /// Reads the JSON form (TS 7.5).
    ///
    /// A number without a fraction is an `int` however it is written (`5.0`), since JSON has but one kind of number.
    ///
    /// # Errors
    /// If the JSON is of another type than `format` has.
    pub fn from_json(format: Format, json: &serde_json::Value) -> Result<Self, ValueError> {
        use serde_json::Value as Json;
        let value = match (format, json) {
            (Format::Bool, Json::Bool(flag)) => Some(Self::Bool(*flag)),
            (Format::Int, Json::Number(number)) => {
                number.as_i64().or_else(|| whole(number.as_f64()?)).map(Self::Int)
            }
            (Format::Float, Json::Number(number)) => {
                number.as_f64().filter(|number| number.is_finite()).map(Self::Float)
            }
            (Format::Chr | Format::Xml | Format::Date | Format::Time, Json::String(text)) => {
                Some(Self::Text(text.clone()))
            }
            (Format::Bin | Format::B64, Json::String(text)) => decode(text).map(Self::Bytes),
            (Format::Null, Json::Null) => Some(Self::Null),
            _ => None,
        };
        value.ok_or_else(|| ValueError { expected: expected(format), found: found(json) })
    }

    /// Reads a leaf sent raw in its own MIME type (TS Appendix E): `bin` and `b64` as their decoded bytes, all else as
    /// text.
    ///
    /// # Errors
    /// If the bytes are not UTF-8 where they must be, or no value of `format`.
    pub fn from_raw(format: Format, bytes: &[u8]) -> Result<Self, ValueError> {
        if matches!(format, Format::Bin | Format::B64) {
            return Ok(Self::Bytes(bytes.to_vec()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ValueError {
            expected: expected(format),
            found: "bytes that are not UTF-8".to_owned(),
        })?;
        Self::from_text(format, text)
    }

    /// The text form, which [`Value::from_text`] reads.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed(""),
            Self::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Self::Int(number) => Cow::Owned(number.to_string()),
            Self::Float(number) => Cow::Owned(number.to_string()),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Bytes(bytes) => Cow::Owned(STANDARD.encode(bytes)),
        }
    }

    /// Appends the JSON form (TS 7.5).
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
            // Neither numbers nor strings can fail to serialise, nor can a Vec fail to grow.
            Self::Int(number) => drop(serde_json::to_writer(out, number)),
            Self::Float(number) => drop(serde_json::to_writer(out, number)),
            Self::Text(text) => drop(serde_json::to_writer(out, text)),
            Self::Bytes(bytes) => {
                out.push(b'"');
                out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
                out.push(b'"');
            }
        }
    }

    /// The raw form, which [`Value::from_raw`] reads.
    #[must_use]
    pub fn to_raw(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            other => other.to_text().into_owned().into_bytes(),
        }
    }

    /// The number of bytes that the value takes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) => 8,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there is nothing in the value: GET answers 204.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Bool(_) | Self::Int(_) | Self::Float(_) => false,
        }
    }
}

fn expected(format: Format) -> &'static str {
    match format {
        Format::Bool => "a boolean (bool)",
        Format::Int => "a whole number of 64 bits (int)",
        Format::Float => "a finite number (float)",
        Format::Chr => "text (chr)",
        Format::Xml => "text (xml)",
        Format::Date => "a date as ISO 8601 writes it, such as 2026-01-31 (date)",
        Format::Time => "a time as ISO 8601 writes it, such as 12:00:00Z (time)",
        Format::Bin => "base64 (bin)",
        Format::B64 => "base64 (b64)",
        Format::Null => "nothing (null)",
        Format::Node => "no value: it is an interior node",
    }
}

/// The start of `text`, quoted and escaped, short enough for a journal line.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

fn found(json: &serde_json::Value) -> String {
    use serde_json::Value as Json;
    match json {
        Json::String(text) => format!("the string {}", excerpt(text)),
        Json::Array(_) => "an array".to_owned(),
        Json::Object(_) => "an object".to_owned(),
        scalar => scalar.to_string(),
    }
}

fn whole(number: f64) -> Option<i64> {
    let exact = number.fract() == 0.0 && number.abs() <= EXACT_IN_DOUBLE;
    #[expect(clippy::cast_possible_truncation, reason = "within ±2^53 and without a fraction")]
    exact.then_some(number as i64)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        return LENIENT.decode(packed).ok();
    }
    LENIENT.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn whole_numbers_only_for_int() {
        assert_eq!(Value::from_json(Format::Int, &json!(5.0)), Ok(Value::Int(5)));
        assert_eq!(Value::from_json(Format::Int, &json!(i64::MIN)), Ok(Value::Int(i64::MIN)));
        for wrong in
            [json!(5.5), json!("5"), json!(true), json!(null), json!(1e300), json!(u64::MAX), json!([5])]
        {
            Value::from_json(Format::Int, &wrong).unwrap_err();
        }
        assert_eq!(Value::from_text(Format::Int, " 1500\n"), Ok(Value::Int(1500)));
        Value::from_text(Format::Int, "0x10").unwrap_err();
        Value::from_text(Format::Int, "").unwrap_err();
    }

    #[test]
    fn floats_are_finite() {
        for wrong in ["inf", "NaN", "1e999", "-infinity"] {
            Value::from_text(Format::Float, wrong).unwrap_err();
        }
        assert_eq!(Value::from_json(Format::Float, &json!(3)), Ok(Value::Float(3.0)));
    }

    #[test]
    fn bytes_are_base64_in_json_and_decoded_when_raw() {
        let value = Value::from_json(Format::Bin, &json!("aGk")).unwrap();
        assert_eq!(value, Value::Bytes(b"hi".to_vec()));
        let mut out = Vec::new();
        value.write_json(&mut out);
        assert_eq!(out, br#""aGk=""#);
        assert_eq!(value.to_raw(), b"hi");
        assert_eq!(Value::from_text(Format::B64, "aGk=\r\n"), Ok(Value::Bytes(b"hi".to_vec())));
        assert_eq!(Value::from_raw(Format::Bin, &[0xFF, 0]), Ok(Value::Bytes(vec![0xFF, 0])));
        Value::from_json(Format::Bin, &json!("!!")).unwrap_err();
        Value::from_raw(Format::Chr, &[0xFF]).unwrap_err();
    }

    #[test]
    fn each_format_has_its_json_type() {
        for (format, text, written) in [
            (Format::Bool, "1", "true"),
            (Format::Bool, "false", "false"),
            (Format::Int, "-7", "-7"),
            (Format::Float, "2.5", "2.5"),
            (Format::Chr, "5", r#""5""#),
            (Format::Xml, "<a/>", r#""<a/>""#),
            (Format::Date, "2026-01-31", r#""2026-01-31""#),
            (Format::Time, "12:00:00Z", r#""12:00:00Z""#),
            (Format::Bin, "aGk=", r#""aGk=""#),
            (Format::B64, "aGk=", r#""aGk=""#),
            (Format::Null, "", "null"),
        ] {
            let mut out = Vec::new();
            Value::from_text(format, text).unwrap().write_json(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), written, "{format:?}");
        }
        let of_other_types = [json!(true), json!(5), json!("a!"), json!(null), json!({}), json!([])];
        for (format, own) in [
            (Format::Bool, 0),
            (Format::Int, 1),
            (Format::Float, 1),
            (Format::Chr, 2),
            (Format::Xml, 2),
            (Format::Date, 2),
            (Format::Time, 2),
            (Format::Null, 3),
        ] {
            for (at, json) in of_other_types.iter().enumerate() {
                assert_eq!(Value::from_json(format, json).is_ok(), at == own, "{format:?}: {json}");
            }
        }
    }

    #[test]
    fn text_keeps_its_white_space() {
        assert_eq!(Value::from_text(Format::Chr, " a\n"), Ok(Value::Text(" a\n".to_owned())));
    }

    #[test]
    fn errors_are_bounded() {
        let error = Value::from_json(Format::Int, &json!("é".repeat(100_000))).unwrap_err();
        assert!(error.to_string().len() < 200, "{error}");
        assert!(
            error.to_string().starts_with("expected a whole number of 64 bits (int), found the string \"éé")
        );
    }

    #[test]
    fn only_null_is_null() {
        assert_eq!(Value::from_json(Format::Null, &json!(null)), Ok(Value::Null));
        Value::from_json(Format::Chr, &json!(null)).unwrap_err();
        Value::from_text(Format::Node, "").unwrap_err();
    }

    fn any_value() -> impl Strategy<Value = (Format, Value)> {
        prop_oneof![
            any::<bool>().prop_map(|flag| (Format::Bool, Value::Bool(flag))),
            any::<i64>().prop_map(|number| (Format::Int, Value::Int(number))),
            any::<f64>()
                .prop_filter("finite", |number| number.is_finite())
                .prop_map(|number| (Format::Float, Value::Float(number))),
            any::<String>().prop_map(|text| (Format::Chr, Value::Text(text))),
            any::<Vec<u8>>().prop_map(|bytes| (Format::Bin, Value::Bytes(bytes))),
        ]
    }

    proptest! {
        #[test]
        fn every_form_reads_back((format, value) in any_value()) {
            let mut out = Vec::new();
            value.write_json(&mut out);
            let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(Value::from_json(format, &json).unwrap(), value.clone());
            prop_assert_eq!(Value::from_text(format, &value.to_text()).unwrap(), value.clone());
            prop_assert_eq!(Value::from_raw(format, &value.to_raw()).unwrap(), value);
        }
    }
}
