//! Warnings about alarms: what is hardly meant.

use super::super::alarm::{Alarm, Condition, Threshold};
use super::super::mapping::{Source, SourceKind};
use super::super::object::ManagementObject;
use super::super::value::Value;

/// What is hardly meant of an alarm.
pub(super) fn doubts(object: &ManagementObject, alarm: &Alarm) -> Vec<&'static str> {
    let mut told = Vec::new();
    if alarm.alert.cleared.as_ref() == Some(&alarm.alert.alert_type) {
        told.push("`cleared` is the same as `type`: servers can't tell the end from the beginning");
    }
    if let Condition::Equals(Threshold::Fixed(value)) = &alarm.condition {
        let node = object.node(alarm.at);
        let is_it = |text: &String| Value::from_text(node.properties.format, text).as_ref() == Ok(value);
        let limits = &node.mapping.limits;
        if !limits.one_of.is_empty() && !limits.one_of.iter().any(is_it) {
            told.push("`equals` is none of the leaf's `enum`: it never is");
        }
        let known: Option<Vec<String>> =
            node.mapping.get.iter().map(all_values).collect::<Option<Vec<_>>>().map(|all| all.concat());
        if known.is_some_and(|known| !known.is_empty() && !known.iter().any(is_it)) {
            told.push("`equals` is nothing that the leaf's `map` makes: it never is");
        }
    }
    told
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
