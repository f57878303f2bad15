//! Warnings about alarms: what is hardly meant.

use std::cmp::Ordering;

use crate::ddf::Format;

use super::super::admit::admit;
use super::super::alarm::{Alarm, Condition, Threshold};
use super::super::limit::{Bound, compare};
use super::super::mapping::{Source, SourceKind};
use super::super::object::{ManagementObject, Node, NodeId};
use super::super::value::Value;
use super::sources::is_restless;

/// What is hardly meant of an alarm.
pub(super) fn doubts(object: &ManagementObject, alarm: &Alarm) -> Vec<&'static str> {
    let mut told = Vec::new();
    let node = object.node(alarm.at);
    let cleared = alarm.alert.cleared.as_ref();
    if cleared == Some(&alarm.alert.alert_type) {
        told.push("`cleared` is the same as `type`: servers can't tell the end from the beginning");
    } else if object.alarms.iter().any(|other| Some(&other.alert.alert_type) == cleared) {
        told.push("`cleared` is the `type` of another alarm: servers can't tell which of the two it is");
    }
    let first = |other: &&Alarm| std::ptr::eq(*other, alarm);
    let before = object.alarms.iter().take_while(|other| !first(other));
    if before.into_iter().any(|other| (other.at, &other.condition) == (alarm.at, &alarm.condition)) {
        told.push("`leaf` and condition are those of another alarm");
    }
    match &alarm.condition {
        Condition::Equals(Threshold::Fixed(value)) => equals(node, value, &mut told),
        Condition::Changes => {
            if cleared.is_some() {
                told.push("`cleared` is for what ends: of `changes` it is never told");
            }
            changes(node, &mut told);
        }
        Condition::Above { limit, clear } => {
            if beyond(node, limit, Ordering::Greater) {
                told.push("`above` is at the leaf's `max`, or over it: it never is");
            }
            if crosses(object, limit, clear.as_ref(), Ordering::Greater) {
                told.push("`clear` is over the default of `above`: it ends as soon as it began");
            }
        }
        Condition::Below { limit, clear } => {
            if beyond(node, limit, Ordering::Less) {
                told.push("`below` is at the leaf's `min`, or under it: it never is");
            }
            if crosses(object, limit, clear.as_ref(), Ordering::Less) {
                told.push("`clear` is under the default of `below`: it ends as soon as it began");
            }
        }
        Condition::Equals(Threshold::Leaf { .. }) | Condition::Listed => {}
    }
    told
}

fn equals(node: &Node, value: &Value, told: &mut Vec<&'static str>) {
    let format = node.properties.format;
    let is_it = |text: &String| Value::from_text(format, text).as_ref() == Ok(value);
    let limits = &node.mapping.limits;
    let text = value.to_text();
    if !limits.one_of.is_empty() && !limits.one_of.iter().any(is_it) {
        told.push("`equals` is none of the leaf's `enum`: it never is");
    } else if text.trim_end() != text && format == Format::Chr {
        told.push("`equals` has a blank or a new line at its end, which no value has: it never is");
    } else if is_kept(node) && admit(&node.mapping, format, value).is_err() {
        told.push("`equals` is what no server may set: it never is");
    }
    let known: Option<Vec<String>> =
        node.mapping.get.iter().map(all_values).collect::<Option<Vec<_>>>().map(|all| all.concat());
    if known.is_some_and(|known| !known.is_empty() && !known.iter().any(is_it)) {
        told.push("`equals` is nothing that the leaf's `get` makes: it never is");
    }
}

fn changes(node: &Node, told: &mut Vec<&'static str>) {
    let sources = &node.mapping.get;
    let is_fixed = |source: &Source| matches!(source.from, SourceKind::Value(_) | SourceKind::MachineId(_));
    if node.mapping.pin || sources.first().is_some_and(is_fixed) {
        told.push("`changes`: the leaf never does");
    } else if sources.iter().any(is_restless) || (node.properties.format == Format::Float && !is_kept(node)) {
        told.push("`changes`: the leaf does all the time, and each time is an alert: `above` and `below` take a limit");
    }
}

/// Whether only servers give a leaf its values, so that it has none outside of its limits.
fn is_kept(node: &Node) -> bool {
    node.mapping.get.iter().all(|source| matches!(source.from, SourceKind::Store))
}

/// Whether a leaf that servers set is never on this side of a limit.
fn beyond(node: &Node, limit: &Threshold, side: Ordering) -> bool {
    let limits = &node.mapping.limits;
    let bound = if side == Ordering::Greater { &limits.max } else { &limits.min };
    let (Threshold::Fixed(limit), Some(Bound::Number(bound))) = (limit, bound) else { return false };
    is_kept(node) && compare(bound, &limit.to_text()).is_some_and(|order| order != side)
}

/// Whether `clear` is on the wrong side of what the leaf that is the limit is at first.
fn crosses(object: &ManagementObject, limit: &Threshold, clear: Option<&Threshold>, side: Ordering) -> bool {
    let (Threshold::Leaf { down, .. }, Some(Threshold::Fixed(clear))) = (limit, clear) else { return false };
    let leaf: Option<&NodeId> = down.last();
    let default = leaf.and_then(|leaf| object.node(*leaf).properties.default_value.as_deref());
    default.and_then(|default| compare(&clear.to_text(), default)) == Some(side)
}

/// All values that a source can have; none if that can't be told.
fn all_values(source: &Source) -> Option<Vec<String>> {
    let pipeline = &source.pipeline;
    if let (SourceKind::Value(text), true) = (&source.from, pipeline.is_empty()) {
        return Some(vec![text.clone()]);
    }
    let is_last = pipeline.time.is_none() && pipeline.scale.is_none() && pipeline.format.is_none();
    let is_closed = !pipeline.map.is_empty() && is_last;
    is_closed.then(|| pipeline.map.iter().map(|(_, node)| node).chain(&pipeline.otherwise).cloned().collect())
}
