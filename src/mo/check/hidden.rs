//! Finding what the packaged unit hides from the agent, which reads it in vain.

use crate::spanned::{Problem, Problems};

use super::super::join::node_key;
use super::super::mapping::{Call, ListFrom, NodeMapping, RecordsPlace, SourceKind};
use super::super::object::ManagementObject;
use super::super::template::Template;

/// The folders that the agent has none or others of, each with the setting of its unit.
const HIDDEN: [(&str, &str); 6] = [
    ("/tmp/", "PrivateTmp="),
    ("/var/tmp/", "PrivateTmp="),
    ("/home/", "ProtectHome="),
    ("/root/", "ProtectHome="),
    ("/run/user/", "ProtectHome="),
    ("/dev/", "PrivateDevices="),
];
/// The folders of people.
const HOMES: [&str; 2] = ["/root/", "/home/"];
/// The devices that everybody has.
const DEVICES: [&str; 7] = ["null", "zero", "full", "random", "urandom", "tty", "shm"];

/// What an object reads, lists, runs and writes as the agent, where the packaged unit hides it: what is hardly meant.
#[must_use]
pub(crate) fn hidden(object: &ManagementObject) -> Problems {
    let mut problems = Problems::default();
    for id in object.ids() {
        let mapping = &object.node(id).mapping;
        for (key, path) in by_agent(mapping) {
            let Some((_, setting)) = HIDDEN.iter().find(|(folder, _)| path.starts_with(folder)) else {
                continue;
            };
            if path
                .strip_prefix("/dev/")
                .is_some_and(|rest| DEVICES.iter().any(|known| rest.starts_with(known)))
            {
                continue;
            }
            let what = format!("`{key}`: {path} is hidden from the agent, by {setting} of its unit");
            let (file, line) = (object.mapping_file.clone(), Some(mapping.line));
            problems.push(Problem { file, line, key: node_key(&object.path(id)), what });
        }
        for (key, call) in super::machine::calls(mapping) {
            let Call::Run(program) = call else { continue };
            let path = program.argv.first().map_or("", Template::literal_start);
            if !HOMES.iter().any(|home| path.starts_with(home)) {
                continue;
            }
            let what =
                format!("`{key}.run`: {path} is in somebody's home: what is run belongs into /usr or /opt");
            let (file, line) = (object.mapping_file.clone(), Some(mapping.line));
            problems.push(Problem { file, line, key: node_key(&object.path(id)), what });
        }
    }
    problems
}

/// The beginnings of the paths that the agent itself goes to.
fn by_agent(mapping: &NodeMapping) -> impl Iterator<Item = (&'static str, &str)> {
    let get =
        mapping.get.iter().filter(|source| !source.privileged).filter_map(move |source| match &source.from {
            SourceKind::File { path, .. } => Some(("get.file", path.literal_start())),
            SourceKind::Run(argv) => Some(("get.run", argv.first().map(Template::literal_start)?)),
            _ => None,
        });
    let list = mapping.list.iter().filter(|list| !list.privileged).filter_map(move |list| match &list.from {
        ListFrom::Glob(pattern) => Some(("list.glob", pattern.as_str())),
        ListFrom::Records { place: RecordsPlace::File(path), .. } => {
            Some(("list.file", path.literal_start()))
        }
        ListFrom::Records { place: RecordsPlace::Run(argv), .. } => {
            Some(("list.run", argv.first().map(Template::literal_start)?))
        }
        ListFrom::Object(_) => None,
    });
    let calls = super::machine::calls(mapping).filter_map(|(key, call)| match call {
        Call::File { path, privileged: false, .. } => Some((key, path.literal_start())),
        _ => None,
    });
    get.chain(list).chain(calls)
}
