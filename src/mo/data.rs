//! MOData as it comes from outside (TS 7.5): bounded in its number of nodes before it is memory, and small as memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::value::{Value, ValueError};
use crate::ddf::Format;

/// The most nodes of one body: more are no management objects but an attack on the device's memory.
pub(crate) const MOST_NODES: usize = 50_000;
/// The most levels of nodes: no tree is that deep.
const MOST_DEPTH: usize = 64;

/// The data of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum MoData {
    /// The value of a leaf, as JSON has it.
    Leaf(Json),
    /// The members of an interior node, in their order; a name may be there twice.
    Node(Members),
}

/// The nodes below an interior one. A map would take ten times the memory.
pub(crate) type Members = Box<[(Box<str>, MoData)]>;

/// The budget of nodes that may still be read.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
    /// Whether more nodes were there.
    pub is_exceeded: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: MOST_NODES, is_exceeded: false }
    }
}

impl Budget {
    /// Counts a node; false if it is one too many.
    pub(crate) fn take(&mut self) -> bool {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.is_exceeded = true,
        }
        !self.is_exceeded
    }

    /// Reads a node's data, and counts it.
    pub(crate) fn node(&mut self) -> impl for<'de> DeserializeSeed<'de, Value = MoData> {
        Reader { budget: self, depth: 0 }
    }
}

impl MoData {
    /// The value in a leaf's format (TS 7.5).
    ///
    /// # Errors
    /// It is of another type.
    pub fn value(&self, format: Format) -> Result<Value, ValueError> {
        match self {
            Self::Leaf(json) => Value::from_json(format, json),
            Self::Node(_) => Value::from_json(format, &Json::Object(Map::new())),
        }
    }

    /// The text of the data, if it is a text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Leaf(Json::String(text)) = self { Some(text) } else { None }
    }
}

impl From<Json> for MoData {
    fn from(json: Json) -> Self {
        match json {
            Json::Object(members) => {
                Self::Node(members.into_iter().map(|(name, data)| (name.into(), data.into())).collect())
            }
            leaf => Self::Leaf(leaf),
        }
    }
}

impl From<MoData> for Json {
    fn from(data: MoData) -> Self {
        match data {
            MoData::Leaf(json) => json,
            MoData::Node(members) => {
                let members = members.into_iter().map(|(name, data)| (name.into(), data.into()));
                Self::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}

struct Reader<'a> {
    budget: &'a mut Budget,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = MoData;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<MoData, D::Error> {
        if self.depth > MOST_DEPTH {
            return Err(D::Error::custom(format_args!("nodes are nested deeper than {MOST_DEPTH} levels")));
        }
        if !self.budget.take() {
            return Err(D::Error::custom(format_args!("more than {MOST_NODES} nodes")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = MoData;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node's value or its members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MoData, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<Box<str>>()? {
            let below = Reader { budget: &mut *self.budget, depth: self.depth + 1 };
            members.push((name, map.next_value_seed(below)?));
        }
        Ok(MoData::Node(members.into()))
    }

    /// Refuses an array, for nothing in a management object is one.
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<MoData, A::Error> {
        Err(A::Error::custom("an array is no node's data"))
    }

    fn visit_unit<E>(self) -> Result<MoData, E> {
        Ok(MoData::Leaf(Json::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<MoData, E> {
        Ok(MoData::Leaf(flag.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<MoData, E> {
        Ok(MoData::Leaf(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<MoData, E> {
        Ok(MoData::Leaf(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<MoData, E> {
        Ok(MoData::Leaf(number.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<MoData, E> {
        Ok(MoData::Leaf(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(body: &str) -> Result<MoData, bool> {
        let mut budget = Budget::default();
        let mut json = serde_json::Deserializer::from_str(body);
        let data = budget.node().deserialize(&mut json);
        data.map_err(|_| budget.is_exceeded)
    }

    #[test]
    fn one_node_too_many_is_refused_wherever_it_is() {
        let flat = |count| format!("{{{}}}", vec!["\"\":0"; count].join(","));
        assert!(read(&flat(MOST_NODES - 1)).is_ok());
        assert_eq!(read(&flat(MOST_NODES)), Err(true));
        let nested = |count| format!("{{{}}}", vec!["\"\":{\"\":{}}"; count].join(","));
        assert_eq!(read(&nested(MOST_NODES / 2)), Err(true));
    }

    #[test]
    fn neither_arrays_nor_depth_without_end_are_a_nodes_data() {
        for wrong in ["[]", "{\"a\":[1]}", "{\"a\":{\"b\":[{}]}}", "{\"a\":", "{\"a\"}"] {
            assert_eq!(read(wrong), Err(false), "{wrong}");
        }
        let deep = |levels| "{\"a\":".repeat(levels) + "1" + &"}".repeat(levels);
        assert!(read(&deep(MOST_DEPTH)).is_ok());
        assert_eq!(read(&deep(MOST_DEPTH + 1)), Err(false));
    }

    fn any_data() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Json::from),
            any::<String>().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            proptest::collection::btree_map(any::<String>(), inner, 0..5).prop_map(|members| json!(members))
        })
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_json_says(json in any_data()) {
            let data = read(&json.to_string()).unwrap();
            prop_assert_eq!(&data, &MoData::from(json.clone()));
            prop_assert_eq!(Json::from(data), json);
        }
    }
}
