//! Finding numbers, and true and false, that are served as text, as nothing says what they are.

use crate::ddf::Format;
use crate::spanned::{Item, Located, Problems};

use super::super::alarm_search::alarm_key;
use super::super::join::node_key;
use super::super::object::ManagementObject;

/// What is written as a number in a mapping that describes its nodes itself, and is served as text: what is hardly
/// meant.
#[must_use]
pub(crate) fn untyped(object: &ManagementObject, root: &Located) -> Problems {
    let mut found = Problems::default();
    let Item::Table(root) = &root.item else { return found };
    let tables = |key: &str| match root.get(key).map(|located| &located.item) {
        Some(Item::Table(table)) if !root.contains_key("ddf") => Some(table),
        _ => None,
    };
    for (path, node) in tables("node").into_iter().flatten() {
        let Item::Table(node) = &node.item else { continue };
        if node.contains_key("format") {
            continue;
        }
        let value = node.get("get").into_iter().flat_map(elements).find_map(|source| match &source.item {
            Item::Table(source) if source.len() == 1 => source.get("value"),
            _ => None,
        });
        for (key, at) in [("default", node.get("default")), ("value", value)] {
            let Some((at, format)) = at.and_then(|at| Some((at, format(&at.item)?))) else { continue };
            found.at(
                at,
                node_key(path),
                format!("`{key}` is served as text: say `format = \"{format}\"`, or put it in quotes"),
            );
        }
    }
    for alarm in &object.alarms {
        let written = tables("alarm").and_then(|alarms| alarms.get(&alarm.name));
        let Some(Item::Table(table)) = written.map(|located| &located.item) else { continue };
        let Some(at) = table.get("equals").filter(|at| matches!(at.item, Item::Boolean(_))) else { continue };
        if object.node(alarm.at).properties.format == Format::Chr {
            found.at(
                at,
                alarm_key(&alarm.name),
                "`equals` is true or false, and the leaf a text: say `format = \"bool\"` there",
            );
        }
    }
    found
}

fn elements(at: &Located) -> &[Located] {
    match &at.item {
        Item::Array(elements) => elements,
        _ => std::slice::from_ref(at),
    }
}

fn format(item: &Item) -> Option<&'static str> {
    match item {
        Item::Integer(_) => Some("int"),
        Item::Float(_) => Some("float"),
        Item::Boolean(_) => Some("bool"),
        _ => None,
    }
}
