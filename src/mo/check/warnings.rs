//! Warnings about a mapping that is served: what is hardly meant.

use crate::ddf::{AccessType, Format};
use crate::spanned::{Problem, Problems};

use super::super::alarm_search::alarm_key;
use super::super::join::node_key;
use super::super::limit::Bound;
use super::super::mapping::{Call, List, ListFrom, NodeMapping, RecordsPlace, Source, SourceKind};
use super::super::object::{ManagementObject, Node, NodeId};
use super::super::template::{Piece, Template};
use super::{doing, list, literal, names, nested, seed, set_and_get, shape, sources, values, words};

/// The warnings about an object that can be served.
#[must_use]
pub(crate) fn warnings(object: &ManagementObject) -> Problems {
    let mut found = Problems::default();
    // What an EXEC brings about may be put into leaves beside it.
    let (filled, seeded) = (filled(object), seed::seeded(object));
    let executes = object.ids().any(|id| object.node(id).mapping.exec.is_some());
    for id in object.ids() {
        let node = object.node(id);
        let mut told = Vec::new();
        // Of the agent's own objects, the agent itself keeps the values.
        if object.is_leaf(id) && !object.per_account && !object.per_object {
            leaf(object, id, executes, &mut told);
            let is_filled = filled.contains(&id) || may_come_otherwise(object, id);
            values::doubts(object, id, is_filled, &mut told);
            shape::doubts(object, id, &mut told);
            set_and_get::doubts(object, id, &mut told);
            sources::doubts(object, id, &mut told);
            nested::other_way(object, id, &mut told);
            if !node.mapping.get.is_empty() && seeded.contains(&id) {
                told.push("a seed gives it a value, which is never read: `get` says another".to_owned());
            }
        }
        if node.is_unnamed() {
            unnamed(object, id, &mut told);
        }
        if node.properties.access.allows(AccessType::EXEC) && node.mapping.exec.is_none() {
            told.push("has `<Exec/>`, and the mapping no `exec`: EXEC is answered 501".to_owned());
        }
        matches(&node.mapping, &mut told);
        words::doubts(&node.mapping, lowest(&node.mapping), &mut told);
        words::secrets(object, id, &mut told);
        literal::doubts(object, id, &mut told);
        nested::chosen(object, id, &mut told);
        names::doubts(object, id, &mut told);
        if let Some(exec) = &node.mapping.exec {
            super::exec::doubts(exec, &mut told);
            doing::doubts(object, id, exec, &mut told);
        }
        values::places(&node.mapping, &mut told);
        values::of_each(object, id, &mut told);
        for what in told {
            let line = line_below(object, id);
            let (file, key) = (object.mapping_file.clone(), node_key(&object.path(id)));
            found.push(Problem { file, line, key, what });
        }
    }
    found.append(names::head(object));
    for alarm in &object.alarms {
        for what in super::alarm::doubts(object, alarm) {
            let (file, line, key) = (object.mapping_file.clone(), Some(alarm.line), alarm_key(&alarm.name));
            found.push(Problem { file, line, key, what: what.to_owned() });
        }
    }
    found
}

/// The line of a node in the mapping, or of the first below it: that of a node without a table.
fn line_below(object: &ManagementObject, id: NodeId) -> Option<usize> {
    let line = Some(object.node(id).mapping.line).filter(|line| *line > 0);
    line.or_else(|| object.children(id).iter().find_map(|child| line_below(object, *child)))
}

/// The smallest number that a leaf may have, where it is written in the mapping.
fn lowest(mapping: &NodeMapping) -> Option<f64> {
    if let Bound::Number(number) = mapping.limits.min.as_ref()? { number.parse().ok() } else { None }
}

/// The leaves that what an EXEC says goes into.
pub(super) fn filled(object: &ManagementObject) -> Vec<NodeId> {
    let of = |id: NodeId| {
        let exec = object.node(id).mapping.exec.as_deref();
        let paths = exec.map(|exec| {
            exec.output.iter().map(|output| &output.path).chain(exec.result.iter().map(|result| &result.path))
        });
        paths.into_iter().flatten().filter_map(move |path| path.find(object, id))
    };
    object.ids().flat_map(of).collect()
}

fn leaf(object: &ManagementObject, id: NodeId, executes: bool, told: &mut Vec<String>) {
    let Node { properties, mapping, .. } = object.node(id);
    let access = properties.access;
    let (gets, replaces) = (access.allows(AccessType::GET), access.allows(AccessType::REPLACE));
    let adds = access.allows(AccessType::ADD);
    let stored = |source: &Source| matches!(source.from, SourceKind::Store);
    let has_source = !mapping.get.is_empty() && !mapping.get.iter().all(stored);
    if (replaces || adds) && has_source && mapping.set.is_none() && !mapping.get.iter().any(stored) {
        let word = if replaces { "<Replace/>" } else { "<Add/>" };
        told.push(format!(
            "has `{word}`, and the mapping a `get` and no `set`: a change is refused with 405"
        ));
    }
    if matches!(mapping.set.as_deref().map(|sink| &sink.to), Some(Call::Store))
        && has_source
        && !mapping.get.iter().any(stored)
    {
        told.push(
            "`set` keeps the value in the store, and no source of `get` is `{ store = true }`: it is never read"
                .to_owned(),
        );
    }
    if !gets {
        if has_source && mapping.set.is_none() {
            told.push("has a `get` and no `<Get/>`: servers can't read it".to_owned());
        }
    } else if let Some(above) =
        object.lineage(id).skip(1).find(|node| !node.properties.access.allows(AccessType::GET))
    {
        let above = super::super::object::shown(&above.name);
        told.push(format!("can't be read: `{above}`, which it is in, has no `<Get/>`"));
    }
    let kept = replaces || adds || properties.default_value.is_some() || properties.format == Format::Null;
    if gets && mapping.get.is_empty() && !kept && !executes && !may_come_otherwise(object, id) {
        told.push("has no value: no `get` gives it one, and no server may write it".to_owned());
    }
}

/// Whether a leaf may have its value from a seed, with its instance, or with a node that a server adds.
fn may_come_otherwise(object: &ManagementObject, id: NodeId) -> bool {
    let adds = |node: &Node| node.properties.access.allows(AccessType::ADD);
    object.dynamic
        || object.instances.iter().any(|seed| seed.data.is_some())
        || object.lineage(id).skip(1).any(|node| node.mapping.list.is_none() && adds(node))
}

fn unnamed(object: &ManagementObject, id: NodeId, told: &mut Vec<String>) {
    let Node { properties, mapping, .. } = object.node(id);
    let label = object.node(id).label().unwrap_or_default();
    if mapping.list.is_none() && is_used(object, id, label) {
        told.push(format!(
            "has no `list`, and `{{{label}}}` is used below it: its children are only those that servers add"
        ));
    }
    if !object.per_account && !object.per_object {
        nested::doubts(object, id, may_come_otherwise(object, id), told);
    }
    let Some(list) = &mapping.list else { return };
    list::doubts(object, id, list, told);
    for (word, access, there, key) in [
        ("<Add/>", AccessType::ADD, mapping.add.is_some(), "add"),
        ("<Delete/>", AccessType::DELETE, mapping.delete.is_some(), "delete"),
    ] {
        if properties.access.allows(access) && !there {
            told.push(format!("has `{word}` and a `list`, and no `{key}`: that is refused with 405"));
        }
    }
}

/// Whether anything that is read below a node has `{label}` in it.
fn is_used(object: &ManagementObject, id: NodeId, label: &str) -> bool {
    object
        .children(id)
        .iter()
        .any(|child| uses(&object.node(*child).mapping, label) || is_used(object, *child, label))
}

/// Whether anything that is read has `{label}` in it.
fn uses(mapping: &NodeMapping, label: &str) -> bool {
    let in_template = |template: &Template| values::has_label(template, label);
    let in_list = |list: &List| match &list.from {
        ListFrom::Glob(pattern) => pattern.contains(&format!("{{{label}}}")),
        ListFrom::Records { place: RecordsPlace::File(path), .. } => in_template(path),
        ListFrom::Records { place: RecordsPlace::Run(argv), .. } => argv.iter().any(in_template),
        ListFrom::Object(_) => false,
    };
    let in_source = |source: &Source| values::source_uses(source, label);
    mapping.get.iter().any(in_source) || mapping.list.as_deref().is_some_and(in_list)
}

fn matches(mapping: &NodeMapping, told: &mut Vec<String>) {
    for (number, source) in mapping.get.iter().enumerate() {
        let pipeline = &source.pipeline;
        if let SourceKind::Value(text) = &source.from
            && !text.is_empty()
            && pipeline.is_empty()
            && number + 1 < mapping.get.len()
        {
            told.push(format!(
                "the sources after `value` ({}) are never asked",
                mapping.get.len() - number - 1
            ));
        }
        if pipeline.matching.as_ref().is_some_and(|pattern| pattern.groups() < 2) {
            told.push(
                "`match` has no group: the whole match is taken; put ( and ) around what is meant".to_owned(),
            );
        }
        if pipeline.matching.as_ref().is_some_and(|pattern| pattern.groups() > 2) {
            told.push(
                "`match` has several groups, and the first is taken: write (?: ) for the others".to_owned(),
            );
        }
        let keeps = |template: &Template| template.0.contains(&Piece::Value);
        if pipeline.format.as_ref().is_some_and(|format| !keeps(format))
            && !matches!(source.from, SourceKind::Value(_))
        {
            told.push("`format` has no `{}`: what the source says is not in it".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::load;
    use super::*;
    use crate::base::files;

    fn node(name: &str, format: &str, access: &str, more: &str, children: &str) -> String {
        let access: String = access.split_whitespace().map(|word| format!("<{word}/>")).collect();
        format!(
            "<Node><NodeName>{name}</NodeName><DFProperties><AccessType>{access}</AccessType>\
             <DFFormat><{format}/></DFFormat>{more}</DFProperties>{children}</Node>"
        )
    }

    const MAYBE: &str = "<Occurrence><ZeroOrOne/></Occurrence>";
    const MANY: &str = "<Occurrence><ZeroOrMore/></Occurrence>";

    /// The warnings about an object with these nodes and this mapping, by line and key.
    fn told(nodes: &str, mapping: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let head = "moid = \"urn:t:1.0\"\nddf = \"t.ddf.xml\"\nddf-uri = \"https://t.example/t\"\ninstances = [\"1\"]\n";
        let ddf = format!("<MgmtTree><VerDTD>1.2</VerDTD>{}</MgmtTree>", node("T", "node", "Get", "", nodes));
        files::replace(&folder.path().join("t.toml"), format!("{head}{mapping}").as_bytes(), 0o644).unwrap();
        files::replace(&folder.path().join("t.ddf.xml"), ddf.as_bytes(), 0o644).unwrap();
        let mut problems = Problems::default();
        let object = load::load_one(folder.path(), &mut problems);
        assert!(problems.is_empty(), "{problems}");
        let all = warnings(&object.unwrap());
        all.iter().map(|warning| format!("{}: {}", warning.key, warning.what)).collect()
    }

    #[track_caller]
    fn is_told(nodes: &str, mapping: &str, what: &str) {
        let told = told(nodes, mapping);
        assert!(told.len() == 1 && told[0].contains(what), "{told:?}");
    }

    #[test]
    fn what_is_meant_is_not_told() {
        let nodes = [
            node("A", "chr", "Get Replace", "", ""),
            node("B", "chr", "Get", MAYBE, ""),
            node("C", "chr", "Replace", "", ""),
            node(
                "D",
                "node",
                "Get",
                "",
                &node("", "node", "Add Delete Get", MANY, &node("E", "chr", "Get", MAYBE, "")),
            ),
        ];
        let mapping = "[node.B]\nget = [{ file = \"/b\", match = '(b)' }, { value = \"c\" }]\n";
        assert_eq!(told(&nodes.concat(), mapping), [""; 0]);
    }

    #[test]
    fn what_a_server_can_not_do_though_the_description_says_so() {
        let leaf = |access: &str| node("A", "chr", access, MAYBE, "");
        let get = "[node.A]\nget = { file = \"/a\" }\n";
        is_told(&leaf("Get Replace"), get, "`get` and no `set`");
        is_told(&leaf("Get Add"), get, "`get` and no `set`");
        is_told(&leaf("Get Replace"), &format!("{get}set = {{ store = true }}"), "it is never read");
        is_told(&leaf("Get"), "", "has no value");
        is_told(&node("A", "null", "Exec", "", ""), "", "EXEC is answered 501");
        let hidden = node("A", "node", "Add", "", &node("B", "chr", "Get", "", ""));
        is_told(&hidden, "[node.\"A/B\"]\nget = { value = 1 }", "`A`, which it is in, has no `<Get/>`");
    }

    #[test]
    fn a_list_that_is_missing_or_half() {
        let list = |access: &str| {
            let name = node("Mtu", "chr", "Get", "", "");
            node("D", "node", "Get", "", &node("", "node", access, MANY, &name))
        };
        let mtu = "[node.\"D/<if>/Mtu\"]\nget = { file = \"/sys/class/net/{if}/mtu\" }\n";
        is_told(&list("Get"), mtu, "has no `list`, and `{if}` is used below it");
        let listed = format!("[node.\"D/<if>\"]\nlist = {{ glob = \"/sys/class/net/*\" }}\n{mtu}");
        assert_eq!(told(&list("Get"), &listed), [""; 0]);
        is_told(&list("Get Delete"), &listed, "and no `delete`");
        is_told(&list("Get Add"), &listed, "and no `add`");
    }

    #[test]
    fn sources_that_say_something_else_than_was_meant() {
        let leaf = node("A", "chr", "Get", "", "");
        let get = |get: &str| format!("[node.A]\nget = {get}\n");
        is_told(&leaf, &get("[{ value = 1 }, { file = \"/a\" }]"), "(1) are never asked");
        is_told(&leaf, &get("{ file = \"/a\", match = 'a+' }"), "has no group");
        is_told(&leaf, &get("{ file = \"/a\", format = \"x\" }"), "has no `{}`");
    }
}
