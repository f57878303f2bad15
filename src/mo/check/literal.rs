//! Warnings about text that is taken as it stands, and looks as if something were to be filled in.

use super::super::mapping::{List, ListFrom, NodeMapping, RecordsShape, Source, SourceKind};
use super::super::object::{ManagementObject, Node, NodeId};

/// Braces in text that has none, and a `match` of lines that looks for the end of one.
pub(super) fn doubts(object: &ManagementObject, id: NodeId, told: &mut Vec<String>) {
    let node = object.node(id);
    let labels: Vec<&str> = object.lineage(id).filter_map(Node::label).collect();
    let is_odd = |text: &str| labels.iter().any(|label| text.contains(&format!("{{{label}}}")));
    let mut of = |key: &str, text: Option<&str>| {
        if let Some(text) = text.filter(|text| is_odd(text)) {
            told.push(format!("`{key}`: braces in {text:?} are taken as they stand: write them in `format`"));
        }
    };
    let NodeMapping { get, set, list, .. } = &node.mapping;
    for Source { from, pipeline, .. } in get {
        if let SourceKind::Value(text) = from {
            of("value", Some(text));
        }
        pipeline.map.iter().for_each(|(_, to)| of("map", Some(to)));
        of("otherwise", pipeline.otherwise.as_deref());
    }
    if let Some(sink) =
        set.as_ref().filter(|sink| !get.iter().any(|source| source.pipeline.map == sink.pipeline.map))
    {
        sink.pipeline.map.iter().for_each(|(from, _)| of("set.map", Some(from)));
    }
    of("default", node.properties.default_value.as_deref());
    if let Some(List {
        from: ListFrom::Records { shape: RecordsShape::Lines { matching: Some(pattern), .. }, .. },
        ..
    }) = list.as_deref()
        && (pattern.as_str().contains("\\n") || pattern.as_str().contains('\n'))
    {
        told.push("`list.match` sees one line at a time: it never has a line's end in it".to_owned());
    }
}
