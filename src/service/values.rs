//! Values on the bus, as JSON: what comes in, and what goes out as a value of the type that the interface says.

use serde_json::Value as Json;
use zbus::wire::{Array, Dict, Signature, Structure, StructureBuilder, Variant};

/// The type of a `v` that holds several named values.
const MEMBERS: &str = "a{sv}";
/// The type of a `v` that holds several values.
const ITEMS: &str = "av";

/// What a call brings.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Nothing, but that it is done.
    Nothing,
    /// Values of these types, one after the other: `ss`, for example, and an array of two texts.
    Of(&'static str, Json),
    /// A property.
    Property(PropertyValue),
    /// Properties, each with its name.
    Properties(Vec<(&'static str, PropertyValue)>),
}

/// The value of a property, and the type that the interface says it has.
#[derive(Clone, Debug, PartialEq)]
pub struct PropertyValue {
    /// The type.
    pub kind: &'static str,
    /// The value.
    pub json: Json,
}

impl Values {
    /// The body of a message with the values; none where they are not of the types that they should be.
    pub(crate) fn body(self) -> Option<Structure<'static>> {
        let value = match self {
            Self::Nothing | Self::Of("", _) => return None,
            Self::Of(kinds, json) => return body(kinds, &json),
            Self::Property(value) => Variant::Variant(Box::new(value.encode()?)),
            Self::Properties(values) => {
                let mut dict = Dict::new(&Signature::Str, &Signature::Variant);
                for (name, value) in values {
                    let value = Variant::Variant(Box::new(value.encode()?));
                    dict.append(Variant::Str(name.into()), value).ok()?;
                }
                Variant::Dict(dict)
            }
        };
        StructureBuilder::new().append_field(value).build().ok()
    }
}

impl PropertyValue {
    fn encode(&self) -> Option<Variant<'static>> {
        encode(&Signature::try_from(self.kind).ok()?, &self.json)
    }
}

fn body(kinds: &str, values: &Json) -> Option<Structure<'static>> {
    match encode(&Signature::try_from(format!("({kinds})").as_str()).ok()?, values)? {
        Variant::Structure(structure) => Some(structure),
        _ => None,
    }
}

/// A value of this type; none where the JSON is none.
fn encode(kind: &Signature, json: &Json) -> Option<Variant<'static>> {
    Some(match (kind, json) {
        (Signature::Variant, json) => Variant::Variant(Box::new(guessed(json)?)),
        (Signature::Str, Json::String(text)) => Variant::Str(text.replace('\0', "").into()),
        (Signature::Bool, Json::Bool(truth)) => Variant::Bool(*truth),
        (Signature::U64, json) => Variant::U64(json.as_u64()?),
        (Signature::U32, json) => Variant::U32(json.as_u64()?.try_into().ok()?),
        (Signature::Array(element), Json::Array(items)) => {
            let mut array = Array::new(element.signature());
            for item in items {
                array.append(encode(element.signature(), item)?).ok()?;
            }
            Variant::Array(array)
        }
        (Signature::Dict { key, value }, Json::Object(members)) => {
            let mut dict = Dict::new(key.signature(), value.signature());
            for (name, member) in members.iter().filter(|(_, member)| !member.is_null()) {
                dict.append(Variant::Str(name.clone().into()), encode(value.signature(), member)?).ok()?;
            }
            Variant::Dict(dict)
        }
        (Signature::Structure(fields), Json::Array(items)) if fields.len() == items.len() => {
            let mut structure = StructureBuilder::new();
            for (field, item) in fields.iter().zip(items) {
                structure.push_value(encode(field, item)?);
            }
            Variant::Structure(structure.build().ok()?)
        }
        _ => return None,
    })
}

/// A value of the type that the JSON itself has.
fn guessed(json: &Json) -> Option<Variant<'static>> {
    let kind = match json {
        Json::String(_) => "s",
        Json::Object(_) => MEMBERS,
        Json::Array(_) => ITEMS,
        Json::Bool(truth) => return Some(Variant::Bool(*truth)),
        Json::Number(_) => "t",
        Json::Null => return None,
    };
    encode(&Signature::try_from(kind).ok()?, json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_becomes_what_the_interface_says() {
        let of = |kinds: &str, json: Json| body(kinds, &json).map(|body| body.to_string());
        assert_eq!(of("ss", json!(["a", "b"])).unwrap(), "(\"a\", \"b\")");
        assert_eq!(of("as", json!([["a"]])).unwrap(), "([\"a\"],)");
        let servers = json!([{ "acme": { "state": "idle", "nextTry": 7, "outcome": null, "held": true } }]);
        let shown = of("a{sa{sv}}", servers).unwrap();
        assert!(shown.contains("\"nextTry\": <uint64 7>") && shown.contains("<true>"), "{shown}");
        assert!(!shown.contains("outcome"), "what is not known is not there: {shown}");
        for (kinds, wrong) in
            [("s", json!([1])), ("ss", json!(["a"])), ("as", json!(["a"])), ("t", json!([-1]))]
        {
            assert_eq!(of(kinds, wrong), None, "{kinds}");
        }
    }
}
