//! Walking a JSON text member by member, without building a tree of it.
//!
//! Each part is handed on as the text it was, syntax checked and nothing more: one that turns out to be
//! of the wrong shape is one command's fault, not the package's. Depth costs no stack here.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Calls `each` with the members of the object `text`, duplicates included.
pub(super) fn members<'a>(text: &'a str, each: impl FnMut(String, &'a RawValue)) -> serde_json::Result<()> {
    walk(text, Members(each))
}

/// Calls `each` with the elements of the array `text`.
pub(super) fn elements<'a>(text: &'a str, each: impl FnMut(&'a RawValue)) -> serde_json::Result<()> {
    walk(text, Elements(each))
}

fn walk<'a>(text: &'a str, seed: impl DeserializeSeed<'a, Value = ()>) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    seed.deserialize(&mut deserializer)?;
    deserializer.end()
}

struct Members<F>(F);

impl<'de, F: FnMut(String, &'de RawValue)> DeserializeSeed<'de> for Members<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(String, &'de RawValue)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry()? {
            self.0(key, value);
        }
        Ok(())
    }
}

struct Elements<F>(F);

impl<'de, F: FnMut(&'de RawValue)> DeserializeSeed<'de> for Elements<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(&'de RawValue)> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element()? {
            self.0(element);
        }
        Ok(())
    }
}
