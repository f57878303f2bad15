//! JSON for people: short values in one line, long strings and long lists cut.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// JSON whose members stay in the order in which they were sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// A string.
    Text(String),
    /// The value null, a boolean or a number, as JSON writes it.
    Plain(String),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(Vec<(String, Self)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E: Error>(self) -> Result<Json, E> {
                Ok(Json::Plain("null".to_owned()))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Plain(value.to_string()))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Plain(value.to_string()))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Plain(value.to_string()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
                Ok(Json::Plain(value.to_string()))
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
                Ok(Json::Text(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
                let mut list = Vec::new();
                while let Some(member) = members.next_element()? {
                    list.push(member);
                }
                Ok(Json::Array(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
                let mut list = Vec::new();
                while let Some(member) = members.next_entry()? {
                    list.push(member);
                }
                Ok(Json::Object(list))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// The limits of what is shown.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most columns of a line.
    pub width: usize,
    /// The most characters of a string.
    pub text: usize,
    /// The most members of an array or object.
    pub members: usize,
}

/// Writes `value` as lines.
#[must_use]
pub fn lines(value: &Json, limits: Limits) -> Vec<String> {
    let mut out = Vec::new();
    write(value, "", "", 0, limits, &mut out);
    out
}

fn write(value: &Json, before: &str, after: &str, depth: usize, limits: Limits, out: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let members: Vec<(String, &Json)> = match value {
        Json::Array(list) => list.iter().map(|member| (String::new(), member)).collect(),
        Json::Object(list) => {
            list.iter().map(|(key, member)| (format!("{}: ", quoted(key)), member)).collect()
        }
        Json::Text(_) | Json::Plain(_) => Vec::new(),
    };
    let flat = flat(value, limits);
    let room = limits.width.saturating_sub(indent.len() + before.chars().count() + after.len());
    if members.is_empty() || (flat.chars().count() <= room && members.len() <= limits.members) {
        out.push(format!("{indent}{before}{flat}{after}"));
        return;
    }
    let (open, close) = if matches!(value, Json::Array(_)) { ('[', ']') } else { ('{', '}') };
    out.push(format!("{indent}{before}{open}"));
    for (index, (key, member)) in members.iter().take(limits.members).enumerate() {
        let comma = if index + 1 < members.len() { "," } else { "" };
        write(member, key, comma, depth + 1, limits, out);
    }
    if let Some(hidden) = members.len().checked_sub(limits.members).filter(|hidden| *hidden > 0) {
        out.push(format!("{indent}  … {hidden} more"));
    }
    out.push(format!("{indent}{close}{after}"));
}

fn flat(value: &Json, limits: Limits) -> String {
    let joined = |members: Vec<String>| members.join(", ");
    match value {
        Json::Text(text) => quoted(&cut(text, limits.text)),
        Json::Plain(text) => text.clone(),
        Json::Array(list) => {
            format!("[{}]", joined(list.iter().map(|member| flat(member, limits)).collect()))
        }
        Json::Object(list) if list.is_empty() => "{}".to_owned(),
        Json::Object(list) => {
            let member =
                |(key, member): &(String, Json)| format!("{}: {}", quoted(key), flat(member, limits));
            format!("{{ {} }}", joined(list.iter().map(member).collect()))
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text in at most `limit` characters; where some are left out, the last one is `…`.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, limits: Limits) -> Vec<String> {
        lines(&serde_json::from_str(text).unwrap(), limits)
    }

    #[test]
    fn what_fits_stays_in_a_line_and_the_rest_breaks() {
        let text = r#"{"n":1,"CMD":[["GET","urn:a//b"],["END"]],"f":[0.5,-1,true,null]}"#;
        let limits = Limits { width: 80, text: 60, members: 20 };
        let line = r#"{ "n": 1, "CMD": [["GET", "urn:a//b"], ["END"]], "f": [0.5, -1, true, null] }"#;
        assert_eq!(shown(text, limits), [line]);
        let narrow = shown(text, Limits { width: 28, ..limits });
        let broken = [
            "{",
            "  \"n\": 1,",
            "  \"CMD\": [",
            "    [\"GET\", \"urn:a//b\"],",
            "    [\"END\"]",
            "  ],",
            "  \"f\": [0.5, -1, true, null]",
            "}",
        ];
        assert_eq!(narrow, broken);
    }

    #[test]
    fn what_is_cut_is_said() {
        let limits = Limits { width: 20, text: 3, members: 2 };
        assert_eq!(shown("\"äöüß\"", limits), ["\"äö…\""]);
        assert_eq!(shown("[1, 2, 3]", limits), ["[", "  1,", "  2,", "  … 1 more", "]"]);
    }
}
