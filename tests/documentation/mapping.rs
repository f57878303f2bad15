//! `docs/mapping.md`.

use std::collections::BTreeSet;

use super::{MAPPING, is_told, keys};
use crate::support::checked::{Folder, by_file, expected_beside};
use crate::support::ddf;
use crate::support::page::tables;

/// A description with a node for each of these paths: text, with all access. What has something below it is interior.
pub(super) fn described(root: &str, paths: &BTreeSet<String>) -> String {
    fn node(name: &str, path: &str, paths: &BTreeSet<String>) -> String {
        let below = |known: &&String| path.is_empty() || known.starts_with(&format!("{path}/"));
        let rest = |known: &String| {
            known.get(if path.is_empty() { 0 } else { path.len() + 1 }..).unwrap().to_owned()
        };
        let mut names: Vec<String> = Vec::new();
        for known in paths.iter().filter(below) {
            let name = rest(known).split('/').next().unwrap().to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let children: String = names
            .iter()
            .map(|name| {
                node(name, &if path.is_empty() { name.clone() } else { format!("{path}/{name}") }, paths)
            })
            .collect();
        let format = if children.is_empty() { "chr" } else { "node" };
        let occurrence = if name.starts_with('<') { "ZeroOrMore" } else { "One" };
        let name = name.replace('<', "&lt;").replace('>', "&gt;");
        ddf::node(&name, format, "Add Delete Exec Get Replace", occurrence, &children)
    }
    format!("<MgmtTree><VerDTD>1.2</VerDTD>{}</MgmtTree>", node(root, "", paths))
}

/// The nodes of the object that a row of the page is put into.
const PAGES: [&str; 7] = ["Level", "Text", "Other", "Go", "Ports/<p>/Name", "Ports/<p>/State", "Memory/Free"];

/// The mapping of an object whose folder is `name`, with this after its head.
pub(super) fn head(name: &str, without: &str, rest: &str) -> String {
    let lines = [
        ("moid", format!("moid = \"urn:x-acme:mo:{name}:1.0\"")),
        ("ddf", "ddf = \"board.ddf.xml\"".to_owned()),
        ("ddf-uri", "ddf-uri = \"https://acme.example/board.ddf\"".to_owned()),
        ("root", "root = \"Board\"".to_owned()),
        ("instances", "instances = [\"1\"]".to_owned()),
    ];
    let replaced = if without == "instances-from" { "instances" } else { without };
    let kept = lines.iter().filter(|(key, _)| *key != replaced).map(|(_, line)| format!("{line}\n"));
    kept.collect::<String>() + rest + "\n"
}

const MODEM: &str =
    "[object.modem]\ndbus = \"org.acme.M\"\npath = \"/org/acme/M/*\"\ninterface = \"org.acme.M\"\n";

/// A mapping with a row of one of the tables of `docs/mapping.md`.
fn mapped(name: &str, table: &str, key: &str, line: &str) -> String {
    let below =
        "[node.\"Ports/<p>\"]\nlist = { run = [\"/usr/lib/acme/ports\"], json = true, key = \"n\" }\n";
    if table == "description" {
        return format!(
            "moid = \"urn:x-acme:mo:{name}:1.0\"\nroot = \"Board\"\ninstances = [\"1\"]\n[node.Level]\n{line}\n"
        );
    }
    if table.starts_with("alarm") {
        return alarmed(
            name,
            key,
            &if table == "alarm" { line.to_owned() } else { format!("alert = {line}") },
        );
    }
    let rest = match table {
        "head" => line.to_owned(),
        "instance" if key == "miid" => format!("instances = [{{ {line} }}]"),
        "instance" => format!("instances = [{{ miid = \"left\", {line} }}]"),
        "object" => {
            let all = [
                ("dbus", "dbus = \"org.acme.M\""),
                ("path", "path = \"/org/acme/M\""),
                ("interface", "interface = \"org.acme.M\""),
            ];
            let others: String =
                all.iter().filter(|(own, _)| *own != key).map(|(_, line)| format!("{line}\n")).collect();
            format!("[object.o]\n{others}{line}")
        }
        "node" => {
            let node = match key {
                "list" | "add" | "delete" => "\"Ports/<p>\"",
                "exec" => "Go",
                _ => "Level",
            };
            format!("[node.{node}]\n{line}")
        }
        "source" | "pipeline" => format!("{MODEM}{below}[node.\"Ports/<p>/Name\"]\nget = {line}"),
        "effect" => format!("{MODEM}[node.Level]\nset = {line}"),
        "exec-of-node" => format!("{MODEM}[node.Go]\nexec = {line}"),
        "exec-alert" => format!("[node.Go]\nexec = {{ run = [\"/usr/lib/acme/go\"], alert = {line} }}"),
        "list" => format!("{MODEM}[node.\"Ports/<p>\"]\nlist = {line}"),
        other => panic!("the page has a table {other}, and the test does not know where it belongs"),
    };
    let replaced = match table {
        "head" => key,
        "instance" => "instances",
        _ => "",
    };
    head(name, replaced, &rest)
}

/// A mapping with this line in an alarm.
fn alarmed(name: &str, key: &str, line: &str) -> String {
    let has = |own: &str| line.starts_with(&format!("{own} ="));
    let is_condition = ["above", "below", "equals", "changes", "list"].into_iter().any(has);
    let rest: String = [
        ("leaf = \"Fan/Speed\"\n", has("leaf") || has("list")),
        ("above = 85\n", is_condition),
        ("alert = { type = \"urn:x-acme:at:it:1.0\" }\n", has("alert")),
    ]
    .iter()
    .filter(|(_, is_there)| !is_there)
    .map(|(line, _)| *line)
    .collect();
    assert!(key.is_empty() || has(key) || has("alert"), "{line}");
    format!(
        "moid = \"urn:x-acme:mo:{name}:1.0\"\nroot = \"Board\"\ninstances = [\"1\"]\n\
         [node.\"Fan/Speed\"]\nformat = \"int\"\nget = {{ file = \"/run/acme/fan\" }}\n[node.Name]\n[node.Limit]\n\
         format = \"int\"\n[node.\"Devices/<d>\"]\nlist = {{ file = \"/run/acme/leases\", lines = true }}\n\
         [alarm.it]\n{rest}{line}\n"
    )
}

/// Writes an object with the description that the mappings of [`mapped`] are for.
fn put_mapped(folder: &Folder, name: &str, mapping: &str) {
    folder.mo(&format!("{name}/{name}.toml"), mapping);
    let paths = PAGES.iter().map(|path| (*path).to_owned()).collect();
    folder.mo(&format!("{name}/board.ddf.xml"), &described("Board", &paths));
    folder.put(&format!("mo/{name}/left.json"), "{\"Level\": \"1\"}", 0o644);
}

/// What the program says of these mappings, each in an object of its own.
fn said_of(mappings: &[(&str, &str, String)]) -> Vec<Vec<String>> {
    let folder = Folder::new();
    for (number, (table, key, line)) in mappings.iter().enumerate() {
        let name = format!("n{number}");
        // An object of its own needs a MOID of its own.
        let line = if *key == "moid" && *table == "head" {
            line.replace(":board:", &format!(":{name}:"))
        } else {
            line.clone()
        };
        let line = line.replace("urn:x-acme:mo:board:0.9", &format!("urn:{name}"));
        put_mapped(&folder, &name, &mapped(&name, table, key, &line));
    }
    let said = by_file(&folder.check(""), "mo");
    (0..mappings.len()).map(|number| said.get(&format!("n{number}")).cloned().unwrap_or_default()).collect()
}

/// The keys that the program knows in a place that is one of several kinds: those of all kinds, which it lists itself.
fn known_in(table: &str, inside: impl Fn(&str) -> (String, String)) -> BTreeSet<String> {
    let ask = |inners: &[String]| {
        let probes: Vec<(String, String)> = inners.iter().map(|inner| inside(inner)).collect();
        let probes: Vec<_> = probes.iter().map(|(table, line)| (table.as_str(), "", line.clone())).collect();
        said_of(&probes)
    };
    let first = ask(&["zzz = 1".to_owned()]);
    let kinds: Vec<String> = first[0]
        .iter()
        .filter(|line| !line.contains("unknown key"))
        .filter_map(|line| line.split_once("expected one of: "))
        .flat_map(|(_, kinds)| kinds.split(", ").map(str::to_owned))
        .collect();
    assert!(!kinds.is_empty(), "{table}: {first:?}");
    let members =
        ["method", "property"].map(|member| format!("object = \"modem\", {member} = {{}}, zzz = 1"));
    let inners = kinds.into_iter().map(|kind| match kind.as_str() {
        "object" => "object = \"modem\", zzz = 1".to_owned(),
        _ => format!("{kind} = {{}}, zzz = 1"),
    });
    let inners: Vec<String> = inners.chain(members).collect();
    ask(&inners).iter().flat_map(|said| expected_beside(said)).collect()
}

#[test]
fn the_page_of_the_mapping_has_all_keys_and_no_other() {
    let page = tables(MAPPING);
    for (table, line) in [
        ("head", "zzz = 1"),
        ("instance", "zzz = 1"),
        ("object", "zzz = 1"),
        ("exec-alert", "{ zzz = 1 }"),
        ("alarm", "zzz = 1"),
        ("alarm-alert", "{ zzz = 1 }"),
    ] {
        let said = said_of(&[(table, "", line.to_owned())]);
        assert_eq!(keys(&page[table]), expected_beside(&said[0]), "{table}");
    }
    let mut of_node = keys(&page["node"]);
    of_node.extend(keys(&page["description"]));
    for table in ["node", "description"] {
        let said = said_of(&[(table, "", "zzz = 1".to_owned())]);
        assert_eq!(of_node, expected_beside(&said[0]), "{table}");
    }
    let own = |table: &str| keys(&page[table]);
    let union = |one: &str, other: &str| own(one).union(&own(other)).cloned().collect::<BTreeSet<_>>();
    let braced = |table: &'static str| move |inner: &str| (table.to_owned(), format!("{{ {inner} }}"));
    assert_eq!(known_in("get", braced("source")), union("source", "pipeline"), "get");
    assert_eq!(known_in("set", braced("effect")), union("effect", "pipeline"), "set");
    assert_eq!(known_in("list", braced("list")), own("list"), "list");
    let less = |table: &str, gone: &[&str]| {
        own(table).into_iter().filter(|key| !gone.contains(&key.as_str())).collect::<BTreeSet<_>>()
    };
    for key in ["add", "delete"] {
        let at_node = |inner: &str| ("node".to_owned(), format!("{key} = {{ {inner} }}\n{MODEM}"));
        assert_eq!(known_in(key, at_node), less("effect", &["property", "key", "syntax"]), "{key}");
    }
    let exec: BTreeSet<String> = less("effect", &["property", "store", "key", "syntax"])
        .union(&own("exec-of-node"))
        .cloned()
        .collect();
    assert_eq!(known_in("exec", braced("exec-of-node")), exec, "exec");
}

#[test]
fn the_page_of_the_mapping_has_right_examples_defaults_and_errors() {
    let page = tables(MAPPING);
    let mut mappings = Vec::new();
    for (table, rows) in &page {
        for row in rows {
            mappings.push((table.as_str(), row, row.example.clone(), "example"));
            mappings.push((table.as_str(), row, row.wrong.clone(), "wrong"));
            if let Some(default) = row.default.as_ref().filter(|_| matches!(table.as_str(), "node" | "head"))
                && !(table == "head" && row.key == "instances")
            {
                mappings.push((table.as_str(), row, format!("{} = {default}", row.key), "example"));
            }
        }
    }
    let lines: Vec<_> =
        mappings.iter().map(|(table, row, line, _)| (*table, row.key.as_str(), line.clone())).collect();
    for ((table, row, line, what), said) in mappings.iter().zip(said_of(&lines)) {
        match *what {
            "example" => assert_eq!(said, [""; 0], "{table}: {line}"),
            _ => is_told(&said, row, table),
        }
    }
}
