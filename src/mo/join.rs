//! Joining a DDF with its mapping into one arena of nodes.

use crate::ddf::{self, CaseSense, Ddf, NodeName};
use crate::spanned::{Problem, Problems, meant};

use super::alarm_search;
use super::compare::differences;
use super::mapping::{MappingFile, NodeMapping};
use super::object::{ManagementObject, Node, NodeId, Seed, is_placeholder, shown};
use super::object_files::ObjectFiles;
use super::template::is_variable;

/// Joins what was read from `files`; also returns where in the document's nodes the root stands. Nothing if the DDF's
/// root can't be told; a mapping that has no place in the DDF is noted.
pub(super) fn join(
    files: &ObjectFiles<'_>,
    ddf: Ddf,
    mapping: MappingFile,
    instances: Vec<Seed>,
    problems: &mut Problems,
) -> Option<(ManagementObject, usize)> {
    let roots: Vec<String> = ddf.roots.iter().map(|root| shown(&root.name)).collect();
    let Some((root, first)) = choose_root(ddf, mapping.root.as_deref()) else {
        let what = format!("names none of the DDF's roots: {}", roots.join(", "));
        problems.push(problem(files, None, "root", what));
        return None;
    };
    let root_name = match (&root.name, mapping.root) {
        (_, Some(name)) => name,
        (NodeName::Named(name), None) => name.clone(),
        (NodeName::Unnamed(_), None) => {
            problems.push(problem(files, None, "root", "is missing: the DDF leaves the root's name open"));
            return None;
        }
    };
    let mut nodes = Vec::with_capacity(count(&root));
    push(&mut nodes, root, None, CaseSense::default());
    let mut object = ManagementObject {
        name: files.name.to_owned(),
        folder: files.folder.to_path_buf(),
        mapping_file: files.mapping.to_path_buf(),
        digest: files.digest,
        files_digest: files.files_digest,
        moid: mapping.moid,
        aliases: mapping.aliases,
        ddf_uri: files.ddf_uri.to_owned(),
        needs_ddf_base: files.needs_ddf_base,
        root_name,
        instances,
        per_account: mapping.per_account,
        profile: mapping.profile,
        per_object: mapping.per_object,
        needs: mapping.needs,
        dynamic: mapping.dynamic,
        objects: mapping.objects,
        alarms: Vec::new(),
        nodes,
    };
    for (path, node) in mapping.nodes {
        let line = node.line;
        let attached = attach(&mut object, &path, node, files, problems);
        if let (Some(id), Some(description)) = (attached, mapping.descriptions.get(&path)) {
            let name = files.ddf.file_name().unwrap_or_default().to_string_lossy();
            for what in differences(description, &object.node(id).properties, &name) {
                problems.push(problem(files, Some(line), &node_key(&path), what));
            }
        }
    }
    object.alarms = alarm_search::resolve(&object, mapping.alarms, files, problems);
    Some((object, first))
}

/// The root of that name, else the un-named one, else the only one; and how many nodes stand before it.
fn choose_root(mut ddf: Ddf, name: Option<&str>) -> Option<(ddf::Node, usize)> {
    let named = |node: &ddf::Node| matches!(&node.name, NodeName::Named(own) if Some(own.as_str()) == name);
    let unnamed = |node: &ddf::Node| matches!(node.name, NodeName::Unnamed(_));
    let index = match ddf.roots.len() {
        1 => 0,
        _ => ddf.roots.iter().position(named).or_else(|| ddf.roots.iter().position(unnamed))?,
    };
    let first = ddf.roots.iter().take(index).map(count).sum();
    Some((ddf.roots.swap_remove(index), first))
}

fn count(node: &ddf::Node) -> usize {
    1 + node.children.iter().map(count).sum::<usize>()
}

/// Adds a node and what is below it, less what only people read.
fn push(
    nodes: &mut Vec<Node>,
    described: ddf::Node,
    parent: Option<NodeId>,
    above: CaseSense,
) -> Option<NodeId> {
    let id = NodeId::new(nodes.len())?;
    let mut properties = described.properties;
    (properties.title, properties.description) = (None, None);
    let case_sense = *properties.case_sense.get_or_insert(above);
    let mapping = NodeMapping::default();
    nodes.push(Node::new(described.name, properties, mapping, parent));
    let children = described.children.into_iter();
    let children: Vec<NodeId> =
        children.filter_map(|child| push(nodes, child, Some(id), case_sense)).collect();
    Node::adopt(nodes, id, children);
    Some(id)
}

/// Puts a mapping where its path leads, and takes the path's labels over. Returns where that is, unless it is noted why
/// not.
fn attach(
    object: &mut ManagementObject,
    path: &str,
    mut mapping: NodeMapping,
    files: &ObjectFiles<'_>,
    problems: &mut Problems,
) -> Option<NodeId> {
    let line = Some(mapping.line);
    let key = node_key(path);
    let mut at = ManagementObject::ROOT;
    for step in path.split('/').filter(|_| !path.is_empty()) {
        let below = if is_placeholder(step) {
            object.unnamed_child(at)
        } else {
            object.child(at, step).filter(|id| !object.node(*id).is_unnamed())
        };
        let Some(below) = below else {
            problems.push(problem(files, line, &key, no_such_node(object, at, step)));
            return None;
        };
        if let Some(label) = step.strip_prefix('<').and_then(|step| step.strip_suffix('>'))
            && let Err(what) = relabel(object, below, label)
        {
            problems.push(problem(files, line, &key, what));
            return None;
        }
        at = below;
    }
    for input in &mut mapping.input {
        input.path = input.path.clone().shortest(object, at);
    }
    if let Some(exec) = &mut mapping.exec {
        let output = exec.output.iter_mut().map(|output| &mut output.path);
        for path in output.chain(exec.result.iter_mut().map(|result| &mut result.path)) {
            *path = path.clone().shortest(object, at);
        }
    }
    let node = object.nodes.get_mut(at.index())?;
    if node.mapping.line > 0 {
        let what = format!("means the same node as line {}", node.mapping.line);
        problems.push(problem(files, line, &key, what));
        return None;
    }
    node.mapping = mapping;
    Some(at)
}

/// Gives a node the mapping's label, which is the variable, whatever the DDF calls the node.
fn relabel(object: &mut ManagementObject, id: NodeId, label: &str) -> Result<(), String> {
    if !is_variable(label) {
        return Err(format!("`<{label}>`: expected letters, digits, `-` and `_` between `<` and `>`"));
    }
    if object.lineage(id).skip(1).any(|above| above.label() == Some(label)) {
        return Err(format!("`<{label}>` is there twice: give each un-named node its own letter"));
    }
    let already = object.node(id).label().filter(|known| *known != label).map(str::to_owned);
    if let Some(known) = already
        && below_mapped(object, id)
    {
        return Err(format!("`<{label}>` is called `<{known}>` elsewhere in this file"));
    }
    if let Some(node) = object.nodes.get_mut(id.index()) {
        node.name = NodeName::Unnamed(Some(label.to_owned()));
    }
    Ok(())
}

/// Whether the node or one below has its mapping already: then its label is the mapping's.
fn below_mapped(object: &ManagementObject, id: NodeId) -> bool {
    object.node(id).mapping.line > 0 || object.children(id).iter().any(|child| below_mapped(object, *child))
}

fn no_such_node(object: &ManagementObject, parent: NodeId, step: &str) -> String {
    let names: Vec<String> = object.children(parent).iter().map(|id| shown(&object.node(*id).name)).collect();
    let parent = match object.path(parent) {
        path if path.is_empty() => "the root".to_owned(),
        path => format!("`{path}`"),
    };
    if names.is_empty() {
        return format!("the DDF has no `{step}` below {parent}: that is a leaf");
    }
    let meant = meant(step, names.iter().map(String::as_str));
    let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
    format!("the DDF has no `{step}` below {parent}; there are: {}{meant}", names.join(", "))
}

/// The key under which a node is mapped.
pub(super) fn node_key(path: &str) -> String {
    let bare = !path.is_empty() && path.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if bare { format!("node.{path}") } else { format!("node.{path:?}") }
}

fn problem(files: &ObjectFiles<'_>, line: Option<usize>, key: &str, what: impl Into<String>) -> Problem {
    Problem { file: files.mapping.to_path_buf(), line, key: key.to_owned(), what: what.into() }
}
