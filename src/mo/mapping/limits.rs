//! Reading the limits of a leaf: `min`, `max` and `enum`.

use crate::base::OrderedSet;
use crate::mo::leaf_path::LeafPath;
use crate::mo::limit::{Bound, Limits};
use crate::spanned::{Item, Reader};

use super::scalar::Scalar;
use super::source::source;

/// Reads the limits of a node's values.
pub(super) fn limits(reader: &mut Reader<'_>, objects: &OrderedSet<String>) -> Limits {
    let one_of: Option<Vec<Scalar>> = reader.optional("enum");
    if one_of.as_ref().is_some_and(Vec::is_empty) {
        reader.problem("enum", "expected at least one value");
    }
    Limits {
        min: bound(reader, "min", objects),
        max: bound(reader, "max", objects),
        one_of: one_of.unwrap_or_default().into_iter().map(|Scalar(text)| text).collect(),
    }
}

fn bound(reader: &mut Reader<'_>, key: &str, objects: &OrderedSet<String>) -> Option<Bound> {
    match reader.raw(key).map(|located| &located.item)? {
        Item::Integer(number) => Some(Bound::Number(number.to_string())),
        Item::Float(number) if number.is_finite() => Some(Bound::Number(number.to_string())),
        Item::Table(table) if table.contains_key("leaf") => {
            reader.table(key, |reader| reader.parsed("leaf", leaf)).flatten()
        }
        Item::Table(_) => {
            let source = reader.table(key, |reader| source(reader, objects)).flatten();
            source.map(|source| Bound::Source(Box::new(source)))
        }
        other => {
            let what = format!(
                "expected a number, {{ leaf = \"../Max\" }}, or a source such as {{ file = \"/x\" }}, found {}",
                other.kind()
            );
            reader.problem(key, what);
            None
        }
    }
}

/// Reads a bound that is another leaf: `../Max`, a leaf beside this one; `../../Max`, one further up.
fn leaf(path: String) -> Result<Bound, String> {
    let leaf = LeafPath::from_node(&path).filter(|leaf| leaf.up > 0 && !leaf.is_of_many());
    leaf.map(Bound::Leaf).ok_or_else(|| {
        format!("expected the way to a leaf such as \"../Max\", which is beside this node, found {path:?}")
    })
}
