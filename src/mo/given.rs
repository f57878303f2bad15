//! Given leaves: the values of other leaves that a program or braces are given.

use super::Value;
use super::leaf_path::LeafPath;

/// A leaf that `input` lists, with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// The key: the leaf as `input` writes it.
    pub key: String,
    /// The path to the leaf.
    pub path: LeafPath,
    /// The value of the leaf.
    pub value: GivenValue,
}

/// The value that there is at the end of a [`LeafPath`].
#[derive(Clone, Debug, PartialEq)]
pub enum GivenValue {
    /// The value of one leaf.
    One(Value),
    /// The values below every un-named node, by its name as the machine has it.
    Each(Vec<(String, GivenValue)>),
}

impl Given {
    /// The value, where it is that of one leaf.
    #[must_use]
    pub fn one(&self) -> Option<&Value> {
        if let GivenValue::One(value) = &self.value { Some(value) } else { None }
    }

    /// Writes all given leaves as one JSON object on a line; nothing if there are none.
    #[must_use]
    pub fn json(all: &[Self]) -> Vec<u8> {
        let mut json = Vec::new();
        if !all.is_empty() {
            object(all.iter().map(|given| (given.key.as_str(), &given.value)), &mut json);
            json.push(b'\n');
        }
        json
    }

    /// Makes a given leaf beside the node, in tests.
    #[cfg(test)]
    pub(crate) fn of(key: &str, value: Value) -> Self {
        let path = LeafPath::from_parent(key).unwrap();
        Self { key: key.to_owned(), path, value: GivenValue::One(value) }
    }
}

impl GivenValue {
    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::One(value) => value.write_json(out),
            Self::Each(all) => object(all.iter().map(|(name, value)| (name.as_str(), value)), out),
        }
    }
}

fn object<'a>(members: impl Iterator<Item = (&'a str, &'a GivenValue)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (name, value)) in members.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        Value::Text(name.to_owned()).write_json(out);
        out.push(b':');
        value.write_json(out);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_one_object_on_a_line() {
        assert_eq!(Given::json(&[]), b"");
        let each = GivenValue::Each(vec![
            ("sd".to_owned(), GivenValue::One(Value::Bool(true))),
            ("a \"b\"".to_owned(), GivenValue::Each(Vec::new())),
        ]);
        let many = Given { value: each, ..Given::of("../List/*/ToBeWiped", Value::Null) };
        let json = Given::json(&[Given::of("PkgURL", Value::Text("x".to_owned())), many]);
        let expected = concat!(r#"{"PkgURL":"x","../List/*/ToBeWiped":{"sd":true,"a \"b\"":{}}}"#, "\n");
        assert_eq!(String::from_utf8(json).unwrap(), expected);
    }
}
