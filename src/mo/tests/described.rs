//! Mappings that describe their nodes themselves.

use proptest::prelude::*;

use super::*;
use crate::ddf::{Ddf, parse};

const SELF: &str = "moid = \"urn:acme:mo:board:1.0\"\nroot = \"Board\"\ninstances = [\"1\"]\n";

/// The folder `board` with this mapping, and no other file.
fn folder(mapping: &str) -> (Bench, PathBuf) {
    let bench = Bench::new();
    bench.file("mo/board/board.toml", mapping);
    let folder = bench.path("mo/board");
    (bench, folder)
}

fn made(mapping: &str) -> Result<Ddf, Problems> {
    let (_bench, folder) = folder(mapping);
    let mut problems = Problems::default();
    load::ddf(&folder, &mut problems).ok_or(problems)
}

/// The made description as a tree.
fn tree(mapping: &str) -> String {
    let made = made(&format!("{SELF}{mapping}")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(parse(made.to_xml().as_bytes()).as_ref(), Ok(&made), "it is read back as it is");
    made.to_tree()
}

/// What a single node becomes: name, format, access, scope, the rest.
fn node_of(table: &str, keys: &str) -> String {
    let tree = tree(&format!("[node.{table}]\n{keys}\n"));
    let line = tree.lines().last().unwrap().trim_start_matches([' ', '└', '├', '─', '│']).to_owned();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wrong(mapping: &str) -> Vec<String> {
    let problems = made(&format!("{SELF}{mapping}")).expect_err(mapping);
    problems.iter().map(|one| format!("{}: {}: {}", one.line.unwrap_or(0), one.key, one.what)).collect()
}

#[test]
fn a_description_is_made_of_what_the_mapping_can_do() {
    let mapping = r#"
[object.login]
dbus = "org.x.Login"
path = "/org/x/Login"
interface = "org.x.Login.Manager"
[node.Temperature]
format = "float"
title = "Board temperature"
get = { file = "/sys/t", scale = 0.001 }
[node."Fan/Mode"]
get = { file = "/var/lib/omadm/fan" }
set = { file = "/var/lib/omadm/fan" }
[node.Contact]
default = "nobody"
[node.Reboot]
exec = { object = "login", method = "Reboot" }
[node."Interfaces/<if>"]
list = { glob = "/sys/class/net/*" }
[node."Interfaces/<if>/Mtu"]
format = "int"
get = { file = "/sys/class/net/{if}/mtu" }
[node."Sites/<s>"]
occurs = "*8"
[node."Sites/<s>/Url"]
[node."Sites/<s>/Key"]
access = "replace"
occurs = "?"
"#;
    let expected = "\
Board           node   Get                     permanent  urn:acme:mo:board:1.0
├─ Temperature  float  Get                     permanent
├─ Fan          node   Get                     permanent
│  └─ Mode      chr    Get Replace             permanent
├─ Contact      chr    Get Replace             permanent  = \"nobody\"
├─ Reboot       null   Exec                    permanent
├─ Interfaces   node   Get                     permanent
│  └─ <if>*     node   Get
│     └─ Mtu    int    Get                     permanent
└─ Sites        node   Get                     permanent
   └─ <s>*8     node   Add Delete Get Replace
      ├─ Url    chr    Get Replace             permanent
      └─ Key?   chr    Replace                 permanent
";
    assert_eq!(tree(mapping), expected);
}

#[test]
fn access_follows_from_sources_and_effects() {
    let file = "{ file = \"/var/lib/omadm/x\" }";
    let list = "list = { glob = \"/var/lib/omadm/*\" }";
    for (table, keys, expected) in [
        ("A", format!("get = {file}"), "A chr Get permanent"),
        ("A", format!("get = {file}\nset = {file}"), "A chr Get Replace permanent"),
        ("A", format!("set = {file}"), "A chr Get Replace permanent"),
        ("A", "get = [{ store = true }, { value = 1 }]".to_owned(), "A chr Get Replace permanent"),
        ("A", "occurs = \"?\"".to_owned(), "A? chr Add Get Replace permanent"),
        ("A", "occurs = \"?\"\nscope = \"dynamic\"".to_owned(), "A? chr Add Delete Get Replace"),
        ("A", format!("get = {file}\noccurs = \"?\""), "A? chr Get permanent"),
        ("A", format!("get = {file}\ndelete = {file}"), "A? chr Delete Get"),
        ("A", format!("exec = {file}"), "A null Exec permanent"),
        ("A", format!("exec = {file}\nget = {file}"), "A chr Exec Get permanent"),
        ("A", format!("exec = {file}\nformat = \"node\""), "A node Exec Get permanent"),
        ("A", "format = \"bin\"".to_owned(), "A bin Get Replace permanent application/octet-stream"),
        ("A", "mime = [\"text/csv\", \"text/csv\"]".to_owned(), "A chr Get Replace permanent text/csv"),
        ("A", format!("get = {file}\nset = {file}\naccess = \"get replace\""), "A chr Get Replace permanent"),
        ("A", "access = [\"Replace\"]".to_owned(), "A chr Replace permanent"),
        ("\"<a>\"", "occurs = \"+\"".to_owned(), "<a>+ chr Add Delete Get Replace"),
        ("\"<a>\"", list.to_owned(), "<a>* node Get"),
        (
            "\"<a>\"",
            format!("{list}\nget = {file}\nadd = {file}\ndelete = {file}"),
            "<a>* chr Add Delete Get",
        ),
        ("\"<a>\"", format!("{list}\nget = {file}\nset = {file}"), "<a>* chr Get Replace"),
    ] {
        assert_eq!(node_of(table, &keys), expected, "{keys}");
    }
}

#[test]
fn an_interior_node_that_may_be_missing_can_be_added() {
    let expected = "\
Board        node   Get              permanent  urn:acme:mo:board:1.0
├─ Push?     node   Add Get Replace  permanent
│  └─ Token  chr    Get Replace      permanent
└─ Modem?    node   Get              permanent
   └─ State  chr    Get              permanent
";
    let mapping = "[node.Push]\noccurs = \"?\"\n[node.\"Push/Token\"]\n[node.Modem]\noccurs = \"?\"\n\
                   [node.\"Modem/State\"]\nget = { value = 1 }\n";
    assert_eq!(tree(mapping), expected);
}

#[test]
fn the_root_is_described_under_the_empty_name() {
    let head = |instances: &str, keys: &str| {
        let mapping = format!("moid = \"urn:a\"\nroot = \"A\"\n{instances}\n[node.\"\"]\n{keys}\n[node.B]\n");
        let made = made(&mapping).unwrap_or_else(|problems| panic!("{problems}"));
        made.to_tree().lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(head("instances = [\"1\"]", "title = \"x\""), "A node Get permanent urn:a");
    assert_eq!(head("instances = [\"1\", \"2\"]", ""), "A* node Get permanent urn:a");
    assert_eq!(head("instances = [\"1\"]", "access = \"get replace\""), "A node Get Replace permanent urn:a");
    assert_eq!(head("dynamic = true", ""), "A* node Add Delete Get Replace urn:a");
    assert_eq!(head("dynamic = true", "occurs = \"*8\""), "A*8 node Add Delete Get Replace urn:a");
}

#[test]
fn what_the_mapping_can_not_do_is_told() {
    let file = "{ file = \"/var/lib/omadm/x\" }";
    let beyond = "`access` goes beyond what the mapping can do";
    for (mapping, expected) in [
        (
            format!("[node.A]\nget = {file}\naccess = \"get replace\""),
            format!("4: node.A: {beyond}: replace").as_str(),
        ),
        ("[node.A]\naccess = \"get exec\"".to_owned(), &format!("4: node.A: {beyond}: exec")),
        ("[node.A]\naccess = \"add get\"".to_owned(), &format!("{beyond}: add")),
        ("[node.A]\noccurs = \"?\"\naccess = \"get delete replace\"".to_owned(), "never deleted"),
        (format!("[node.A]\nget = {file}\nset = {file}\naccess = \"get\""), "or add that to `access`"),
        (format!("[node.A]\nget = {file}\ndelete = {file}\nscope = \"permanent\""), "never deleted"),
        (format!("[node.A]\nget = {file}\ndelete = {file}\noccurs = \"1\""), "say `occurs = \"?\"`"),
        ("[node.A]\noccurs = \"*\"".to_owned(), "has a name of its own, and so is there once"),
        (format!("[node.A]\nget = {file}\ndefault = \"x\""), "`default` is what the agent keeps"),
        (
            "[node.A]\ndefault = \"x\"\nformat = \"int\"".to_owned(),
            "has a DefaultValue that its format can't",
        ),
        ("[node.A]\nmime = \"text/plain\"\n[node.\"A/B\"]".to_owned(), "has no value: `mime` is for leaves"),
        ("[node.A]\nformat = \"int\"\n[node.\"A/B\"]".to_owned(), "has format int and nodes below it"),
        ("[node.\"A//B\"]".to_owned(), "\"\" is no node's name"),
        ("[node.\"A*\"]".to_owned(), "\"A*\" is no node's name"),
        ("[node.\"[A]\"]".to_owned(), "\"[A]\" is no node's name"),
        ("[node.\"<a>/X\"]\n[node.\"<b>/Y\"]".to_owned(), "`<b>` is called `<a>` elsewhere"),
        ("[node.\"<a>/X\"]\n[node.\"<a>/Z/<a>\"]".to_owned(), "is there twice"),
        ("[node.A]\naccess = \"get\"".to_owned(), "must have a value and nothing gives it one"),
        (
            "[node.A]\naccess = \"copy\"".to_owned(),
            "expected add, delete, exec, get or replace, found \"copy\"",
        ),
        ("[node.A]\naccess = []".to_owned(), "allows nothing"),
        ("[node.A]\noccurs = \"*0\"".to_owned(), "expected \"1\", \"?\""),
        ("[node.A]\noccurs = \"*+8\"".to_owned(), "expected \"1\", \"?\""),
        ("[node.A]\nscope = \"Permanent\"".to_owned(), "expected \"permanent\" or \"dynamic\""),
        ("[node.A]\nformat = \"text\"".to_owned(), "expected b64, bin"),
        ("[node.A]\nmime = \"text\"".to_owned(), "expected a media type"),
        ("[node.A]\ntitle = \"\"".to_owned(), "is empty"),
        ("[node.A]\ndefault = \" x\"".to_owned(), "begins or ends with white space"),
        ("[node.A]\ndescription = \"a\\u0001\"".to_owned(), "has a control character"),
        (format!("[node.\"{}\"]", ["a"; 64].join("/")), "is deeper than 63 levels"),
    ] {
        let told = wrong(&mapping);
        assert!(told.iter().any(|line| line.contains(expected)), "{mapping}\n{told:#?}");
    }
}

#[test]
fn more_nodes_than_a_person_writes_are_refused() {
    let many: String = (0..20_001).map(|n| format!("[node.N{n}]\n")).collect();
    let told = wrong(&many);
    assert!(told[0].contains("is one node more than 20000"), "{:?}", told.first());
}

#[test]
fn a_root_is_a_name() {
    let lacking = made("moid = \"urn:a\"\ninstances = [\"1\"]\n[node.B]\n").unwrap_err().to_string();
    assert!(lacking.contains("`root` is missing"), "{lacking}");
    let odd = made("moid = \"urn:a\"\nroot = \"<A>\"\ninstances = [\"1\"]\n[node.B]\n");
    let odd = odd.unwrap_err().to_string();
    assert!(odd.contains(":2: root: \"<A>\" is no node's name"), "{odd}");
}

/// Of a mapping with a DDF, what it says of a node besides must be what the DDF says.
#[test]
fn what_mapping_and_ddf_both_say_is_the_same() {
    let level = "format = \"int\"\noccurs = \"1\"\naccess = [\"replace\", \"get\"]\nscope = \"dynamic\"\n";
    loaded(&format!("[node.Level]\n{level}"));
    for (keys, expected) in [
        ("format = \"chr\"", "`format` is \"chr\" here, and \"int\" in box.ddf.xml"),
        ("occurs = \"?\"", "`occurs` is \"?\" here, and \"1\" in box.ddf.xml"),
        ("scope = \"permanent\"", "`scope` is \"permanent\" here, and \"dynamic\" in box.ddf.xml"),
        ("access = \"get\"", "`access` is \"get\" here, and \"get replace\" in box.ddf.xml"),
        ("default = \"1\"", "`default` is \"1\" here, and \"\" in box.ddf.xml"),
        ("mime = \"text/plain\"", "`mime` is \"text/plain\" here, and \"\" in box.ddf.xml"),
    ] {
        one(&format!("[node.Level]\n{keys}\n"), expected);
    }
}

#[test]
fn servers_are_told_a_place_below_the_base() {
    let (_bench, folder) = folder(&format!("{SELF}[node.A]\n"));
    let read = load::One::read(&folder, Some("https://acme.com/ddf"));
    assert!(read.problems.is_empty() && read.warnings.is_empty(), "{}{}", read.problems, read.warnings);
    let object = read.object.unwrap();
    assert_eq!(
        (object.ddf_uri.as_str(), object.needs_ddf_base),
        ("https://acme.com/ddf/board.ddf.xml", false)
    );
    let moved = load::One::read(&folder, Some("https://b.com/")).object.unwrap();
    assert_ne!(object.digest, moved.digest, "what servers read of it has changed");
    let nowhere = load::One::read(&folder, None).object.unwrap();
    assert!(nowhere.needs_ddf_base && nowhere.ddf_uri.ends_with(".example/ddf/board.ddf.xml"));
}

#[test]
fn an_object_is_there_where_one_of_what_it_needs_is() {
    let (_bench, folder) =
        folder(&format!("needs = [\"/usr/bin/rpm\", \"/usr/bin/dpkg\"]\n{SELF}[node.A]\n"));
    let root = tempfile::tempdir().unwrap();
    let is_there = || {
        let mut one = load::One::read(&folder, None);
        assert!(one.problems.is_empty(), "{}", one.problems);
        one.take_uninstalled(root.path());
        one.object.is_some()
    };
    assert!(!is_there());
    std::fs::create_dir_all(root.path().join("usr/bin")).unwrap();
    assert!(!is_there());
    // As an alternative of the distribution's, whose target is below another root.
    std::os::unix::fs::symlink("/no/such/program", root.path().join("usr/bin/dpkg")).unwrap();
    assert!(is_there());
}

#[test]
fn what_an_object_needs_is_said_by_paths() {
    for needs in ["[\"dpkg\"]", "[\"/usr/bin/dpkg\", \"/\"]", "[\"/usr/../bin/dpkg\"]", "[\"\"]"] {
        let (_bench, folder) = folder(&format!("needs = {needs}\n{SELF}[node.A]\n"));
        let problems = load::One::read(&folder, None).problems.to_string();
        assert!(problems.contains("board.toml:1: needs: expected "), "{needs}: {problems}");
    }
}

#[test]
fn a_place_that_nobody_can_have_is_served_and_told() {
    let mapping = format!("{SELF}ddf-uri = \"https://acme.example/board.ddf\"\n[node.A]\n");
    let (_bench, folder) = folder(&mapping);
    let read = load::One::read(&folder, None);
    assert!(read.object.is_some(), "{}", read.problems);
    let warning = read.warnings.to_string();
    assert!(warning.contains("board.toml:4: ddf-uri: nobody can have the host acme.example"), "{warning}");
}

#[test]
fn a_word_is_no_place() {
    let told = made(&format!("{SELF}ddf-uri = \"acme.example\"\n[node.A]\n")).unwrap_err().to_string();
    assert!(told.contains("expected a URI such as"), "{told}");
}

/// A path of a few names, some of them un-named.
fn a_path() -> impl Strategy<Value = String> {
    let step = prop_oneof![3 => "[A-C]", 1 => Just("<x>".to_owned())];
    proptest::collection::vec(step, 1..4).prop_map(|steps| {
        let label = |(depth, step): (usize, String)| match step.as_str() {
            "<x>" => format!("<x{depth}>"),
            _ => step,
        };
        steps.into_iter().enumerate().map(label).collect::<Vec<_>>().join("/")
    })
}

/// Keys that a node can have, each once.
fn some_keys() -> impl Strategy<Value = String> {
    let keys = [
        "format = \"int\"",
        "title = \"A & <b>\"",
        "description = \"two\\r\\n lines\"",
        "mime = [\"text/a\", \"text/b\"]",
        "occurs = \"?\"",
        "scope = \"dynamic\"",
        "get = { file = \"/x\" }",
        "set = { file = \"/x\" }",
        "exec = { file = \"/x\" }",
        "default = 1",
        "access = \"get\"",
    ];
    proptest::sample::subsequence(keys.to_vec(), 0..4).prop_map(|keys| keys.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// What is made is read back as it is; with it in its folder, the object is the same.
    #[test]
    fn what_is_made_is_read_back(nodes in proptest::collection::btree_map(a_path(), some_keys(), 0..8)) {
        let tables: String = nodes.iter().map(|(path, keys)| format!("[node.\"{path}\"]\n{keys}\n")).collect();
        let (_bench, folder) = folder(&format!("{SELF}{tables}"));
        if let Some(made) = load::ddf(&folder, &mut Problems::default()) {
            let read = parse(made.to_xml().as_bytes());
            prop_assert_eq!(read.as_ref(), Ok(&made));
            let object = load::load_one(&folder, &mut Problems::default()).unwrap();
            let bench = Bench::new();
            let head = "ddf = \"board.ddf.xml\"\nddf-uri = \"board.ddf.xml\"\n";
            bench.file("mo/board/board.toml", &format!("{head}{SELF}{tables}"));
            bench.file("mo/board/board.ddf.xml", &made.to_xml());
            let mut problems = Problems::default();
            let other = load::load_one(&bench.path("mo/board"), &mut problems);
            prop_assert!(problems.is_empty(), "{}\n{}", problems, tables);
            let other = other.unwrap();
            for path in nodes.keys() {
                let [one, other] = [&object, &other].map(|object| object.node(object.find(path).unwrap()));
                prop_assert_eq!(&one.properties, &other.properties);
            }
        }
    }
}
