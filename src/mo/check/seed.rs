//! Checks of seeds: the data that an instance has at first.

use serde_json::Value as Json;

use crate::spanned::{Problem, Problems};

use super::super::admit::admit;
use super::super::object::{ManagementObject, NodeId};
use super::super::object_files::ObjectFiles;
use super::super::value::Value;

/// Notes what the agent could not store of the seeds, which stand in this line of the mapping.
pub(in crate::mo) fn seeds(
    object: &ManagementObject,
    files: &ObjectFiles<'_>,
    line: Option<usize>,
    problems: &mut Problems,
) {
    visit(object, &mut |miid, path, leaf| {
        if let Err(why) = leaf {
            let (file, key) = (files.mapping.to_path_buf(), "instances".to_owned());
            let what = format!("the data of {miid:?}: `{path}` {why}");
            problems.push(Problem { file, line, key, what });
        }
    });
}

/// The paths of leaves that a seed gives a value, each once for a seed, and the leaves.
pub(super) fn seeded(object: &ManagementObject) -> Vec<NodeId> {
    let mut all = Vec::new();
    visit(object, &mut |_, _, leaf| all.extend(leaf.ok()));
    all
}

/// What is done with each leaf of a seed: its MIID, the path in it, and the leaf, or why it can't be stored.
type Visit<'a> = &'a mut dyn FnMut(&str, &str, Result<NodeId, String>);

fn visit(object: &ManagementObject, each: Visit<'_>) {
    for seed in &object.instances {
        let Some(data) = &seed.data else { continue };
        // As everywhere, what is below the root may be wrapped in its name.
        let wrapped = data.as_object().filter(|members| members.len() == 1);
        let wrapped = wrapped.and_then(|members| members.get(&object.root_name)).filter(|_| {
            let child = object.child(ManagementObject::ROOT, &object.root_name);
            child.is_none_or(|child| object.node(child).is_unnamed())
        });
        below(object, ManagementObject::ROOT, &seed.miid, "", wrapped.unwrap_or(data), each);
    }
}

fn below(object: &ManagementObject, id: NodeId, miid: &str, path: &str, data: &Json, each: Visit<'_>) {
    let node = object.node(id);
    if object.is_leaf(id) {
        let format = node.properties.format;
        let value = Value::from_json(format, data).map_err(|error| format!("does not fit: {error}"));
        let fits = value.and_then(|value| {
            admit(&node.mapping, format, &value).map_err(|unfit| format!("does not fit: {unfit}"))
        });
        return each(miid, path, fits.map(|()| id));
    }
    let Some(members) = data.as_object() else {
        return each(miid, path, Err("is an interior node: expected a JSON object".to_owned()));
    };
    for (name, data) in members {
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        match object.child(id, name) {
            Some(child) => below(object, child, miid, &path, data, each),
            None => each(miid, &path, Err("is no node of this object".to_owned())),
        }
    }
}
