//! Converting between D-Bus values and text: scalars as text, everything larger as JSON.

use serde_json::{Number, Value as Json};
use zbus::wire::{Array, Dict, ObjectPath, OwnedVariant, Signature, StructureBuilder, Variant};

use crate::backend::answer::Raw;
use crate::backend::content::Content;
use crate::base::OneByOne as _;
use crate::mo::select::json_text;

/// A property as a pipeline takes it. None: it has no text, as a file descriptor. Bytes are bytes, unless something is
/// `selected` from them.
pub(super) fn raw(value: &Variant<'_>, selected: bool) -> Option<Raw> {
    match value {
        Variant::Array(array) if !selected && *array.element_signature() == Signature::U8 => {
            let byte = |value: &Variant<'_>| if let Variant::U8(byte) = value { Some(*byte) } else { None };
            array.inner().iter().map(byte).collect::<Option<Vec<u8>>>().map(Raw::Bytes)
        }
        value => json_text(&json(value)).map(Raw::Text),
    }
}

/// Several values as a pipeline takes them: a JSON array. None of no value.
pub(super) fn all(values: &[OwnedVariant]) -> Option<Raw> {
    let array: Json = values.iter().map(|value| json(value)).collect();
    Some(Raw::Text(array.to_string())).filter(|_| !values.is_empty())
}

/// A value as JSON; `null` is a file descriptor, or no number.
pub(crate) fn json(value: &Variant<'_>) -> Json {
    match value {
        Variant::U8(number) => Json::from(*number),
        Variant::Bool(truth) => Json::from(*truth),
        Variant::I16(number) => Json::from(*number),
        Variant::U16(number) => Json::from(*number),
        Variant::I32(number) => Json::from(*number),
        Variant::U32(number) => Json::from(*number),
        Variant::I64(number) => Json::from(*number),
        Variant::U64(number) => Json::from(*number),
        Variant::F64(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Variant::Str(text) => Json::from(text.as_str()),
        Variant::Signature(signature) => Json::from(signature.to_string()),
        Variant::ObjectPath(path) => Json::from(path.as_str()),
        Variant::Variant(inner) => json(inner),
        Variant::Array(array) => array.inner().iter().map(json).collect(),
        Variant::Structure(structure) => structure.fields().iter().map(json).collect(),
        Variant::Dict(dict) => {
            let member = |(key, value)| Some((json_text(&json(key))?, json(value)));
            Json::Object(dict.iter().filter_map(member).one_by_one())
        }
        Variant::Fd(_) => Json::Null,
    }
}

/// Encodes what is to be set, as a value of this type.
///
/// # Errors
/// It can't be one: why, for people.
pub(super) fn encode(kind: &Signature, content: &Content) -> Result<Variant<'static>, String> {
    let bytes = match content {
        Content::Text(text) => return of_text(kind, text),
        Content::Bytes(bytes) => bytes,
    };
    if is_bytes(kind) {
        return Ok(Variant::Array(Array::from(bytes.as_slice())));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| unfit(kind))?;
    of_text(kind, text)
}

/// Reads text as a value of this type: JSON where that is larger than a scalar.
pub(super) fn of_text(kind: &Signature, text: &str) -> Result<Variant<'static>, String> {
    let wrong = || unfit(kind);
    fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
        text.trim().parse().ok()
    }
    let value = match kind {
        Signature::U8 => number(text).map(Variant::U8),
        Signature::I16 => number(text).map(Variant::I16),
        Signature::U16 => number(text).map(Variant::U16),
        Signature::I32 => number(text).map(Variant::I32),
        Signature::U32 => number(text).map(Variant::U32),
        Signature::I64 => number(text).map(Variant::I64),
        Signature::U64 => number(text).map(Variant::U64),
        Signature::F64 => number(text).filter(|number: &f64| number.is_finite()).map(Variant::F64),
        Signature::Bool => match text.trim() {
            "true" | "1" => Some(Variant::Bool(true)),
            "false" | "0" => Some(Variant::Bool(false)),
            _ => None,
        },
        Signature::Str => (!text.contains('\0')).then(|| Variant::Str(text.to_owned().into())),
        Signature::ObjectPath => ObjectPath::try_from(text.to_owned()).ok().map(Variant::ObjectPath),
        Signature::Signature => Signature::try_from(text).ok().map(Variant::Signature),
        kind if is_bytes(kind) => Some(Variant::Array(Array::from(text.as_bytes()))),
        kind => {
            let json: Json = serde_json::from_str(text).map_err(|error| format!("{}: {error}", wrong()))?;
            return of_json(kind, &json);
        }
    };
    value.ok_or_else(wrong)
}

fn of_json(kind: &Signature, json: &Json) -> Result<Variant<'static>, String> {
    let wrong = || unfit(kind);
    let built = match (kind, json) {
        (Signature::Array(element), Json::Array(items)) => {
            let mut array = Array::new(element.signature());
            for item in items {
                array.append(of_json(element.signature(), item)?).map_err(|error| error.to_string())?;
            }
            Variant::Array(array)
        }
        (Signature::Dict { key, value }, Json::Object(members)) => {
            let mut dict = Dict::new(key.signature(), value.signature());
            for (name, member) in members {
                let (name, member) = (of_text(key.signature(), name)?, of_json(value.signature(), member)?);
                dict.append(name, member).map_err(|error| error.to_string())?;
            }
            Variant::Dict(dict)
        }
        (Signature::Structure(fields), Json::Array(items)) if fields.len() == items.len() => {
            let mut structure = StructureBuilder::new();
            for (field, item) in fields.iter().zip(items) {
                structure.push_value(of_json(field, item)?);
            }
            Variant::Structure(structure.build().map_err(|error| error.to_string())?)
        }
        (
            Signature::Array(_)
            | Signature::Dict { .. }
            | Signature::Structure(_)
            | Signature::Variant
            | Signature::Fd
            | Signature::Unit,
            _,
        )
        | (_, Json::Array(_) | Json::Object(_)) => return Err(wrong()),
        (scalar, json) => of_text(scalar, &json_text(json).ok_or_else(wrong)?)?,
    };
    Ok(built)
}

/// The message that a value does not fit a type, without the value: settings of a connection hold its password.
fn unfit(kind: &Signature) -> String {
    format!("what is to be set can't be a value of type {kind}")
}

fn is_bytes(kind: &Signature) -> bool {
    matches!(kind, Signature::Array(element) if *element.signature() == Signature::U8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(signature: &str) -> Signature {
        Signature::try_from(signature).unwrap()
    }

    /// The text that is read back of a value that was set.
    fn there_and_back(signature: &str, text: &str) -> Option<String> {
        let value = of_text(&kind(signature), text).ok()?;
        assert_eq!(*value.value_signature(), kind(signature), "{text}");
        match raw(&value, false) {
            Some(Raw::Text(text)) => Some(text),
            Some(Raw::Bytes(bytes)) => Some(String::from_utf8(bytes).unwrap()),
            _ => None,
        }
    }

    #[test]
    fn a_value_takes_the_type_of_its_property() {
        for (signature, text) in [
            ("y", "255"),
            ("b", "true"),
            ("n", "-32768"),
            ("q", "65535"),
            ("i", "-2147483648"),
            ("u", "4294967295"),
            ("x", "-9223372036854775808"),
            ("t", "18446744073709551615"),
            ("d", "0.5"),
            ("s", "häuser"),
            ("o", "/org/t/0"),
            ("g", "a{sv}"),
            ("ay", "ssid"),
            ("as", r#"["a","b"]"#),
            ("a{su}", r#"{"a":1,"b":2}"#),
            ("(ub)", "[64,true]"),
            ("aau", "[[1],[]]"),
        ] {
            assert_eq!(there_and_back(signature, text).as_deref(), Some(text), "{signature}");
        }
        assert_eq!(there_and_back("b", "1").as_deref(), Some("true"), "as a DDF's bool may have it");
    }

    #[test]
    fn what_a_property_can_t_be_is_refused() {
        for (signature, text) in [
            ("y", "256"),
            ("u", "-1"),
            ("i", "1.5"),
            ("d", "nan"),
            ("b", "yes"),
            ("s", "a\0b"),
            ("o", "no path"),
            ("g", "{"),
            ("as", "[1,{}]"),
            ("as", "text"),
            ("(ub)", "[1]"),
            ("a{su}", r#"{"a":"b"}"#),
            ("h", "3"),
            ("v", "3"),
            ("av", "[3]"),
        ] {
            assert_eq!(there_and_back(signature, text), None, "{signature} {text:?}");
        }
        assert!(encode(&kind("u"), &Content::Bytes(vec![0xff])).is_err());
        for (signature, text) in [("u", "secret"), ("as", "[{\"key\": \"secret\"}]"), ("as", "secret")] {
            let why = of_text(&kind(signature), text).unwrap_err();
            assert!(why.contains("of type ") && !why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn bytes_are_json_where_something_is_selected_from_them() {
        let value = of_text(&kind("ay"), "ab").unwrap();
        assert!(matches!(raw(&value, true), Some(Raw::Text(text)) if text == "[97,98]"));
        let inner = Variant::Variant(Box::new(Variant::U32(7)));
        assert!(matches!(raw(&inner, false), Some(Raw::Text(text)) if text == "7"));
        assert!(raw(&Variant::F64(f64::NAN), false).is_none(), "no number is no value");
    }

    proptest! {
        #[test]
        fn no_text_and_no_type_makes_it_panic(signature in "[ybnqiuxtdsogvah(){}]{1,6}", text in any::<String>()) {
            if let Ok(kind) = Signature::try_from(signature.as_str()) {
                let _ = of_text(&kind, &text);
                let _ = of_text(&kind, "[[1,\"a\",{\"k\":[true]}]]");
            }
        }

        #[test]
        fn text_stays_as_it_is(text in "[^\0]*") {
            prop_assert_eq!(there_and_back("s", &text), Some(text));
        }
    }
}
