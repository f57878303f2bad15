//! Whole folders: read, joined, checked.

mod alarms;
mod described;
mod machine;
mod mistakes;
mod slips;
mod standard;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::mapping::{Call, ListFrom, Select, SourceKind};
use super::*;
use crate::ddf::NodeName;
use crate::spanned::Problems;

const HEAD: &str = "moid = \"urn:acme:mo:box:1.0\"\nddf = \"box.ddf.xml\"\nddf-uri = \"https://acme.example/box.ddf\"\n\
                    root = \"Box\"\ninstances = [\"1\"]\n";

/// A node of the test's DDF: `name format access content`.
fn node(name: &str, format: &str, access: &str, more: &str) -> String {
    let name = name.replace('<', "&lt;").replace('>', "&gt;");
    let access: String = access.split_whitespace().map(|word| format!("<{word}/>")).collect();
    let (properties, children) = more.split_once('|').unwrap_or((more, ""));
    format!(
        "<Node><NodeName>{name}</NodeName><DFProperties><AccessType>{access}</AccessType>\
         <DFFormat><{format}/></DFFormat>{properties}</DFProperties>\n{children}</Node>\n"
    )
}

const MANY: &str = "<Occurrence><ZeroOrMore/></Occurrence>";
const MAYBE: &str = "<Occurrence><ZeroOrOne/></Occurrence>";

/// Line 2 is the root, 3 Man, 4 Mtu's optional sibling and so on.
fn ddf() -> String {
    let interface = [
        node("Mtu", "int", "Get Replace", ""),
        node("Up", "bool", "Get", MAYBE),
        node("Secret", "chr", "Replace", ""),
    ];
    let interfaces = node("<x>", "node", "Get", &format!("{MANY}|{}", interface.concat()));
    let children = [
        node("Man", "chr", "Get", MAYBE),
        node("Level", "int", "Get Replace", ""),
        node("Interfaces", "node", "Get", &format!("|{interfaces}")),
        node("Reboot", "null", "Exec", MAYBE),
        node("Url", "chr", "Get Replace", ""),
    ];
    let root = node("Box", "node", "Get", &format!("|{}", children.concat()));
    format!("<MgmtTree><VerDTD>1.2</VerDTD>\n{root}</MgmtTree>\n")
}

struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn script(&self, path: &str, mode: u32) -> PathBuf {
        let path = self.file(path, "#!/bin/true\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn object(&self, mapping: &str, ddf: &str) -> Result<ManagementObject, Problems> {
        self.file("mo/box/box.toml", mapping);
        self.file("mo/box/box.ddf.xml", ddf);
        let mut problems = Problems::default();
        load::load_one(&self.path("mo/box"), &mut problems).ok_or(problems)
    }
}

fn loaded(mapping: &str) -> ManagementObject {
    Bench::new().object(&format!("{HEAD}{mapping}"), &ddf()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// `line: key: what` of everything that is wrong.
fn told(mapping: &str) -> Vec<String> {
    told_with(mapping, &ddf())
}

fn told_with(mapping: &str, ddf: &str) -> Vec<String> {
    let problems = Bench::new().object(&format!("{HEAD}{mapping}"), ddf).expect_err("nothing was wrong");
    assert!(!problems.is_empty());
    problems
        .iter()
        .map(|problem| format!("{}: {}: {}", problem.line.unwrap_or(0), problem.key, problem.what))
        .collect()
}

/// Exactly one problem, on the first line after [`HEAD`] if not said otherwise.
#[track_caller]
fn one(mapping: &str, expected: &str) {
    let told = told(mapping);
    assert_eq!(told.len(), 1, "{mapping}\n{told:#?}");
    assert!(told[0].contains(expected), "{mapping}\n{told:#?}");
    assert!(told[0].starts_with("6: ") || told[0].starts_with("7: "), "{told:#?}");
}

#[test]
fn a_mapping_is_joined_with_its_ddf() {
    let object = loaded(
        "[object.modem]\ndbus = \"org.x.M\"\npath = \"/org/x/*\"\ninterface = \"org.x.M.I\"\n\
         [node.Man]\npin = true\nwait = \"60s\"\nget = [{ file = \"/sys/a\" }, { value = \"unknown\" }]\n\
         [[node.Level.get]]\nobject = \"modem\"\nproperty = \"Level\"\nscale = 10\n\
         [node.Level.set]\nobject = \"modem\"\nproperty = \"Level\"\n\
         [node.\"Interfaces/<if>\"]\nlist = { glob = \"/sys/class/net/*\" }\n\
         [node.\"Interfaces/<if>/Mtu\"]\nget = [{ file = \"/sys/class/net/{if}/mtu\" }]\n\
         set = { file = \"/sys/class/net/{if}/mtu\", privileged = true }\n\
         [node.Reboot]\ninput = [\"Url\"]\n\
         exec = { run = [\"/bin/true\", \"{../Url}\"], user = \"root\", timeout = \"30s\", codes = { 75 = 1503 }, after-session = true }\n",
    );
    assert_eq!((object.root_name.as_str(), object.name.as_str()), ("Box", "box"));
    let man = &object.node(object.find("Man").unwrap()).mapping;
    assert!(man.pin && man.wait == Some(Duration::from_secs(60)) && man.get.len() == 2);

    let level = &object.node(object.find("Level").unwrap()).mapping;
    assert_eq!(level.set.as_ref().unwrap().pipeline.scale, Some(10.0), "set runs get's pipeline");
    assert_eq!(level.verify, Some(Duration::from_secs(5)));

    let mtu = object.find("Interfaces/<if>/Mtu").unwrap();
    assert_eq!(object.path(mtu), "Interfaces/<if>/Mtu", "the mapping's label, not the DDF's");
    assert_eq!(object.find("Interfaces/<anything>/Mtu"), Some(mtu));
    assert!(object.is_leaf(mtu));
    let interfaces = object.find("Interfaces").unwrap();
    let interface = object.child(interfaces, "eth0").unwrap();
    assert_eq!(object.node(interface).name, NodeName::Unnamed(Some("if".to_owned())));
    assert_eq!(object.child(interface, "Mtu"), Some(mtu));
    assert_eq!(object.child(interface, "mtu"), None);
    assert_eq!(object.find("Interfaces/eth0"), None, "a mapping's path has no run-time names");
    let Some(list) = &object.node(interface).mapping.list else { panic!("no list") };
    assert!(matches!(&list.from, ListFrom::Glob(glob) if glob == "/sys/class/net/*"));
    assert_eq!(list.max, 1024);

    let exec = object.node(object.find("Reboot").unwrap()).mapping.exec.clone().unwrap();
    assert_eq!((exec.codes, exec.after_session, exec.resume), (vec![(75, 1503)], true, false));
    assert_eq!(exec.alert_type, "urn:x-omadm:at:exec:1.0:OperationComplete");
    let Call::Run(program) = exec.call else { panic!("not a program") };
    assert_eq!((program.user.as_str(), program.timeout), ("root", Duration::from_secs(30)));
    assert_eq!(object.path(ManagementObject::ROOT), "");
    assert_eq!(object.find(""), Some(ManagementObject::ROOT));
    assert!(object.ids().all(|id| object.find(&object.path(id)) == Some(id)));
}

#[test]
fn what_is_unsaid_has_its_default() {
    let object = loaded(
        "[node.Reboot]\nexec = { run = [\"/bin/true\"] }\n[node.Level]\nset = { run = [\"/bin/x\", \"{}\"] }\n",
    );
    let level = &object.node(object.find("Level").unwrap()).mapping;
    assert_eq!(level.verify, None, "only files and properties are read back");
    let Some(exec) = &object.node(object.find("Reboot").unwrap()).mapping.exec else { panic!("no exec") };
    let Call::Run(program) = &exec.call else { panic!("not a program") };
    assert_eq!((program.user.as_str(), program.timeout), ("omadm", Duration::from_secs(60)));
}

#[test]
fn select_steps() {
    let steps = |select: &str| {
        let mapping = format!("[node.Man]\nget = {{ file = \"/a\", select = {select} }}\n");
        let object = loaded(&mapping);
        object.node(object.find("Man").unwrap()).mapping.get[0].pipeline.select.clone()
    };
    let path = vec![Select::Key("a".to_owned()), Select::Index(1), Select::Key("b-c".to_owned())];
    assert_eq!(steps("\".a[1].b-c\""), path);
    assert_eq!(steps("\"json.a[1].b-c\""), path);
    assert_eq!(steps("[\"json\", \".a\", \"[1]\", \".b-c\"]"), path);
    for wrong in ["a", "..a", "[x]", "[1", ".a[-1]"] {
        one(&format!("[node.Man]\nget = {{ file = \"/a\", select = \"{wrong}\" }}\n"), "expected steps");
    }
}

#[test]
fn a_source_may_be_anything_that_the_page_lists() {
    let object = loaded(
        "[node.Man]\nget = [{ os-release = \"ID\" }, { machine-id = \"a8d2a8d2-0000-0000-0000-00000000000f\" },\n\
         { run = [\"/bin/x\", 5], privileged = true }, { store = true }, { builtin = \"agent-version\" }, { value = 7 }]\n",
    );
    let get = &object.node(object.find("Man").unwrap()).mapping.get;
    let mut id = [0; 16];
    (id[0], id[1], id[2], id[3], id[15]) = (0xa8, 0xd2, 0xa8, 0xd2, 0x0f);
    assert!(matches!(&get[1].from, SourceKind::MachineId(uuid) if *uuid == id));
    assert!(matches!(&get[2].from, SourceKind::Run(argv) if argv.len() == 2) && get[2].privileged);
    assert!(matches!(&get[5].from, SourceKind::Value(text) if text == "7"));
}

#[test]
fn every_problem_of_a_mapping_is_told_at_once() {
    let told = told(
        "[node.Man]\nget = { file = \"/a{\" }\nwait = 5\n[node.Level]\nget = [{ fil = \"/a\" }, { file = \"/a\", value = 1 }, 5]\n\
         [node.Reboot]\nexec = { run = [], codes = { 75 = 5 }, alert-type = \"done\" }\nfoo = 1\n[node.Url]\nset = [{ store = true }, { store = true }]\n\
         pattern = \"(\"\nverify = true\n[object.x]\ndbus = \"org.x.Y\"\n",
    );
    let all = told.join("\n");
    for expected in [
        "7: node.Man.get.file: `{` stands alone",
        "8: node.Man.wait: expected a duration",
        "10: node.Level.get[0]: expected one of: value, file, os-release",
        "node.Level.get[0].fil: unknown key",
        "node.Level.get[1]: expected one of these only: value, file",
        "node.Level.get[2]: expected a table, found an integer",
        "12: node.Reboot.exec.run: expected a program",
        "node.Reboot.exec.codes: expected exit codes",
        "node.Reboot.exec.alert-type: expected a URN, or a reversed domain name",
        "13: node.Reboot.foo: unknown key",
        "node.Url.set: a value goes to one place",
        "node.Url.pattern: not a regular expression",
        "node.Url.verify: expected false or a duration",
        "object.x: `path` is missing",
        "object.x: `interface` is missing",
    ] {
        assert!(all.contains(expected), "{expected}\n---\n{all}");
    }
}

#[test]
fn the_head_is_checked() {
    let problems = |mapping: &str| match Bench::new().object(mapping, &ddf()) {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    };
    let all = problems(
        "moid = \"a/b\"\naliases = [\"a\", \"a\"]\nddf = \"../x\"\nddf-uri = \"nowhere\"\nroot = \"\"\n",
    );
    for key in ["moid:", "aliases:", "ddf:", "ddf-uri:", "root:", "there can be no instance"] {
        assert!(all.contains(key), "{key}\n{all}");
    }
    let head = HEAD
        .replace("[\"1\"]", "[\"1\", \"1\", { miid = \"a/b\" }, { miid = \"c\", data = \"gone.json\" }, 3]");
    let all = problems(&head);
    for expected in [
        "instances[1]: the MIID \"1\" is there twice",
        "instances[2].miid:",
        "gone.json: can't be read",
        "instances[4]: expected a string: write",
    ] {
        assert!(all.contains(expected), "{expected}\n{all}");
    }
    assert_eq!(problems(&HEAD.replace("instances = [\"1\"]", "instances-from = \"accounts\"")), "");
    assert!(
        problems(&HEAD.replace("instances = [\"1\"]", "instances-from = \"me\""))
            .contains("expected \"accounts\"")
    );
    assert_eq!(problems(&HEAD.replace("instances = [\"1\"]", "instances-from = \"objects\"")), "");
    assert!(problems(&format!("{HEAD}instances-from = \"accounts\"\n")).contains("excludes"));
}

#[test]
fn a_node_that_the_ddf_lacks() {
    one("[node.Maan]\npin = true\n", "the DDF has no `Maan` below the root; there are: Man, Level");
    one("[node.\"Interfaces/eth0\"]\npin = true\n", "no `eth0` below `Interfaces`; there are: <x>");
    one("[node.\"Man/x\"]\npin = true\n", "that is a leaf");
    one("[node.\"Interfaces/<a b>\"]\nlist = { glob = \"/a/*\" }\n", "expected letters");
    let told = told(
        "[node.\"Interfaces/<a>/Mtu\"]\nget = { value = 1 }\n[node.\"Interfaces/<b>\"]\nlist = { glob = \"/a/*\" }\n",
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("`<b>` is called `<a>` elsewhere"), "{told:?}");
}

#[test]
fn formats_that_can_not_hold() {
    one("[node.Level]\nget = { value = \"high\" }\n", "expected");
    one("[node.Level]\nget = { file = \"/a\", format = \"IMEI:{}\" }\n", "format int can't hold");
    one(
        "[node.Level]\nget = { file = \"/a\", map = { up = \"yes\" } }\n",
        "\"up\" becomes what format int can't hold",
    );
    one("[node.\"Interfaces/<i>/Up\"]\nget = { file = \"/a\", scale = 2 }\n", "can't hold");
    loaded("[node.Level]\nget = { value = \"low\", map = { low = 1 }, scale = 2.5 }\n");
    loaded("[node.\"Interfaces/<i>/Up\"]\nget = { file = \"/{i}\", map = { up = true, down = 0 } }\n");
    one("[node.Interfaces]\nget = { value = \"1\" }\n", "an interior node has no value");
}

#[test]
fn access_types_rule() {
    one("[node.Man]\nset = { store = true }\n", "`set` on a node whose AccessType has no Replace or Add");
    one("[node.Url]\nexec = { run = [\"/bin/true\"] }\n", "`exec` on a node whose AccessType has no Exec");
    one("[node.\"Interfaces/<i>\"]\ndelete = { run = [\"/bin/x\", \"{i}\"] }\n", "no Delete");
    one("[node.Url]\nlist = { glob = \"/a/*\" }\n", "for un-named nodes");
}

#[test]
fn set_needs_a_way_back() {
    let get = "[node.Level]\nget = { file = \"/a\", match = '(\\d+)' }\n";
    one(&format!("{get}set = {{ file = \"/a\" }}\n"), "`match` can't be inverted");
    loaded(&format!("{get}set = {{ file = \"/a\", format = \"{{}}\" }}\n"));
    one("[node.Level]\nset = { file = \"/a\", map = { a = 1, b = 1 } }\n", "`map` can't be inverted");
}

#[test]
fn what_set_says_itself_is_not_blamed_on_get() {
    let get = "[node.Level]\nget = { value = \"1\" }\n";
    for own in ["select = \".a\"", "match = '(a)'", "format = \"a\""] {
        let told = told(&format!("{get}set = {{ file = \"/a\", {own} }}\n"));
        let [told] = told.as_slice() else { panic!("{told:#?}") };
        let stage = own.split(' ').next().unwrap();
        let expected = format!("8: node.Level.set: its own pipeline can't be run backwards: `{stage}`");
        assert!(told.starts_with(&expected) && !told.contains("of `get`"), "{told}");
    }
}

#[test]
fn messages_name_what_is_really_wrong() {
    for (mapping, expected) in [
        (
            "[node.Interfaces/Up]\nget = { value = \"1\" }\n",
            "6: : not valid TOML: a name may hold letters, digits, `_` and `-`, or is written in quotes: \
             [node.\"Interfaces/Up\"]",
        ),
        (
            "[[node.Interfaces/<i>.get]]\nvalue = \"1\"\n",
            "6: : not valid TOML: a name may hold letters, digits, `_` and `-`, or is written in quotes: \
             [[node.\"Interfaces/<i>\".get]]",
        ),
        (
            "[node.Reboot]\nexec = { method = \"Reboot\", run = [\"/bin/true\"] }\n",
            "7: node.Reboot.exec.method: a D-Bus object's `method` and `run` exclude each other",
        ),
        (
            "[object.o]\ndbus = \"org.x.M\"\npath = \"/o\"\ninterface = \"org.x.M\"\n\
             [node.Reboot]\nexec = { object = \"o\", method = \"Reboot\", args = [], run = [\"/bin/true\"] }\n",
            "11: node.Reboot.exec: expected one of these only: object, run: they exclude each other",
        ),
        (
            "[node.Reboot]\nexec = { method = \"Reboot\" }\n",
            "7: node.Reboot.exec.method: `method` needs the `object` that has it",
        ),
        (
            "[node.Level]\nget = { file = \"/a\", match = '^{lease} (\\d+)' }\n",
            "7: node.Level.get.match: `{lease}` can't be filled in here",
        ),
    ] {
        let told = told(mapping);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{mapping}\n{told:#?}");
    }
    loaded("[node.Level]\nget = { file = \"/a\", match = '\\{lease} (\\d{1,3})' }\n");
}

#[test]
fn braces_stand_for_what_is_there() {
    one("[node.Man]\nget = { file = \"/sys/{if}/x\" }\n", "no variable `{if}`; there are: none here");
    one("[node.Man]\nget = { file = \"/sys/{}\" }\n", "no value that `{}` could stand for");
    one("[node.Man]\nget = { file = \"sys\" }\n", "absolute path");
    one("[node.Man]\nget = { run = [\"bin/x\"] }\n", "absolute path without braces");
    one("[node.\"Interfaces/<i>\"]\nlist = { run = [\"/bin/x\", \"{i}\"] }\n", "no variable `{i}`");
    one("[node.\"Interfaces/<i>\"]\nlist = { glob = \"/sys/{i}/*\" }\n", "no variable `{i}`");
    one("[node.Man]\nget = { builtin = \"weather\" }\n", "there is no builtin \"weather\"");
    one("[node.Reboot]\nexec = { run = [\"/bin/x\", \"{../Url}\"] }\n", "listed in `input`");
    one(
        "[node.Reboot]\ninput = [\"Uri\"]\nexec = { run = [\"/bin/x\"] }\n",
        "\"Uri\", which is no leaf beside",
    );
    one("[node.Reboot]\ninput = [\"Interfaces\"]\nexec = { run = [\"/bin/x\"] }\n", "no leaf beside");
    one(
        "[node.Man]\ninput = [\"Url\"]\nget = { run = [\"/bin/x\", \"{../Url}\"] }\n",
        "`get.run`: `{../Url}` has no value here",
    );
    one(
        "[node.\"Interfaces/<i>\"]\nlist = { run = [\"/bin/x\", \"{../Url}\"] }\n",
        "`list.run`: `{../Url}` has no value here",
    );
    one("[node.Man]\nget = { item = \"ip\" }\n", "needs a `list` at the nearest un-named node");
    one("[node.Man]\nget = { object = \"modem\", property = \"X\" }\n", "there is no [object.modem]");
}

#[test]
fn a_node_in_the_wrong_case_is_guessed() {
    one("[node.level]\nget = { value = \"1\" }\n", "; did you mean `Level`?");
    one("[node.Reboto]\nexec = { run = [\"/bin/x\"] }\n", "; did you mean `Reboot`?");
}

#[test]
fn an_un_named_leaf_is_added_without_its_value() {
    let leaf = node("<x>", "chr", "Add Delete Get Replace", MANY);
    let root = node("Box", "node", "Get", &format!("|{}", node("List", "node", "Get", &format!("|{leaf}"))));
    let mapping = "[node.\"List/<x>\"]\nlist = { glob = \"/a/*\" }\nget = { file = \"/a/{x}\" }\n";
    let told = |add: &str| told_with(&format!("{mapping}{add}\n"), &format!("<MgmtTree>{root}</MgmtTree>"));
    let told_of_value = told("add = { run = [\"/bin/x\", \"{x}\", \"{}\"] }");
    let [only] = told_of_value.as_slice() else { panic!("{told_of_value:?}") };
    assert!(only.contains("`add.run`: there is no value that `{}` could stand for"), "{only}");
}

/// `input` belongs to the node, and may stand beside the `run` that it is for.
#[test]
fn input_may_be_said_within_exec() {
    let object = loaded("[node.Reboot]\nexec = { run = [\"/bin/x\", \"{../Url}\"], input = [\"Url\"] }\n");
    assert_eq!(object.node(object.find("Reboot").unwrap()).mapping.input[0].key, "Url");
    one("[node.Reboot]\nexec = { run = [\"/bin/x\"], input = [\"Uri\"] }\n", "no leaf beside");
    let exec = |input: &str| format!("[node.Reboot]\nexec = {{ run = [\"/bin/x\"], input = [{input}] }}\n");
    one(&exec("\"Interfaces/Gone\""), "\"Interfaces/Gone\", which is no leaf of this object");
    one(&exec("\"./Url\""), "\"./Url\", which is no leaf of this object");
    one(&exec("\"a//b\""), "expected the way to a leaf such as");
    one(
        &exec("{ leaf = \"Interfaces/*/Mtu\", default = 1 }"),
        "with `*` there are as many as there are nodes",
    );
    one(&exec("{ leaf = \"Interfaces/*/Mtu\", standard = 1 }"), "unknown key");
}

#[test]
fn what_an_exec_says_goes_into_leaves_that_the_agent_keeps() {
    let exec = |more: &str| format!("[node.Reboot]\nexec = {{ run = [\"/bin/x\"], {more} }}\n");
    let object = loaded(&exec("output = [\"Url\"], result = { leaf = \"Level\", scale = 2 }"));
    let exec_of = object.node(object.find("Reboot").unwrap()).mapping.exec.as_deref().unwrap();
    assert_eq!(exec_of.output[0].key, "Url");
    assert_eq!(exec_of.result.as_ref().unwrap().pipeline.scale, Some(2.0));
    one(&exec("output = [\"Gone\"]"), "`exec.output` names `../Gone`, which is no leaf");
    one(&exec("output = [\"Interfaces/*/Mtu\"]"), "expected the way to a leaf");
    one(&exec("result = { scale = 2 }"), "expected the `leaf` that gets the result");
    one(&(exec("result = \"Url\"") + "[node.Url]\nget = { value = 1 }\n"), "whose `get` says something else");
    one("[node.Reboot]\nexec = { file = \"/x\", result = \"Url\" }\n", "a `file` says nothing");
    one("[node.Reboot]\nexec = { file = \"/x\", output = [\"Url\"] }\n", "it needs `run`");
    one(&exec("alert-type = \"urn:x:y\", alert = { data = \"dm1x\" }"), "exclude each other");
    one(&exec("alert = { data = \"{x}\" }"), "no variable `{x}`");
    one(&exec("alert = { data = \"{../Url}\" }"), "to be listed in `input`");
    one(&exec("alert = { target = \"urn:x/{../Url}\" }"), "unless `output` lists that leaf");
}

#[test]
fn a_missing_key_does_not_hide_what_the_ddf_says_of_the_rest() {
    let mapping =
        HEAD.replace("ddf-uri = \"https://acme.example/box.ddf\"\n", "") + "[node.Mam]\npin = true\n";
    let problems = Bench::new().object(&mapping, &ddf()).expect_err("two things are wrong").to_string();
    assert!(problems.contains("`ddf-uri` is missing") && problems.contains("Mam"), "{problems}");
}

#[test]
fn a_required_leaf_needs_a_source() {
    let tree = |before: &str, children: &str| {
        format!("<MgmtTree>\n{before}{}</MgmtTree>", node("Box", "node", "Get", &format!("|{children}")))
    };
    let id = |more: &str| node("Id", "chr", "Get", more);
    let told = told_with("", &tree("", &id("")));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("3: Id: must have a value"), "{told:?}");
    // Behind another root of four lines, the line is still the leaf's.
    let other = node("Other", "node", "Get", &format!("|{}", node("A", "chr", "Get", "")));
    assert!(told_with("", &tree(&other, &id("")))[0].starts_with("7: Id:"));

    let below = |more: &str| node("<x>", "node", "Get", &format!("{MANY}|{}", id(more)));
    let list = "[node.\"<x>\"]\nlist = { glob = \"/a/*\" }\n";
    assert!(told_with(list, &tree("", &below("")))[0].contains("[node.\"<x>/Id\"]"));

    let default = "<DefaultValue>x</DefaultValue>";
    for fine in
        [id(default), id(MAYBE), below(""), node("Id", "chr", "Get Replace", ""), node("Id", "chr", "", "")]
    {
        Bench::new().object(HEAD, &tree("", &fine)).unwrap_or_else(|problems| panic!("{fine}{problems}"));
    }
    let dynamic = HEAD.replace("instances = [\"1\"]", "dynamic = true");
    assert!(Bench::new().object(&dynamic, &tree("", &id(""))).is_ok(), "HGET brings the value");
}

#[test]
fn a_description_is_checked_too() {
    let root = |children: &str| {
        format!("<MgmtTree>\n{}</MgmtTree>", node("Box", "node", "Get", &format!("|{children}")))
    };
    let leaf = node("A", "chr", "Get Replace", "");
    let told = told_with("", &root(&format!("{leaf}{leaf}")));
    assert!(told[0].starts_with("5: A: is described twice"), "{told:?}");
    let told = told_with("", &root(&node("A", "chr", "Get Replace", &format!("|{leaf}"))));
    assert!(told[0].contains("has format chr and nodes below it"), "{told:?}");
    let told = told_with("", &root(&node("A", "int", "Get", "<DefaultValue>many</DefaultValue>")));
    assert!(told[0].starts_with("3: A: has a DefaultValue"), "{told:?}");
    let told = told_with("", "<MgmtTree>\n<Node/></MgmtTree>");
    assert_eq!(told, ["2: : <Node> has no <NodeName>"]);
}

#[test]
fn the_root_is_the_one_of_that_name_or_the_unnamed_one() {
    let ddf_of = |names: &[&str]| {
        let roots: String = names
            .iter()
            .map(|name| {
                node(
                    name,
                    "node",
                    "Get",
                    &format!(
                        "|{}",
                        node(&format!("In{}", name.trim_matches(['<', '>'])), "chr", "Get Replace", "")
                    ),
                )
            })
            .collect();
        format!("<MgmtTree>{roots}</MgmtTree>")
    };
    let below = |names: &[&str]| {
        Bench::new()
            .object(HEAD, &ddf_of(names))
            .map(|object| object.path(object.children(ManagementObject::ROOT)[0]))
    };
    assert_eq!(below(&["A", "Box"]).unwrap(), "InBox");
    assert_eq!(below(&["A", "<x>"]).unwrap(), "Inx");
    assert_eq!(below(&["A"]).unwrap(), "InA", "the mapping renames the only root");
    assert!(below(&["A", "B"]).unwrap_err().to_string().contains("names none of the DDF's roots: A, B"));
    let unnamed = HEAD.replace("root = \"Box\"\n", "");
    assert!(Bench::new().object(&unnamed, &ddf_of(&["<x>"])).unwrap_err().to_string().contains("root"));
    assert_eq!(Bench::new().object(&unnamed, &ddf_of(&["A"])).unwrap().root_name, "A");
}

#[test]
fn case_is_ignored_where_an_ancestor_says_so() {
    let cis = "<CaseSense><CIS/></CaseSense>";
    let inner = node(
        "Inner",
        "node",
        "Get",
        &format!("|{}{}", node("Leaf", "chr", "Get Replace", ""), node("LEAF", "chr", "Get Replace", "")),
    );
    let ddf = format!("<MgmtTree>{}</MgmtTree>", node("Box", "node", "Get", &format!("{cis}|{inner}")));
    let object = Bench::new().object(HEAD, &ddf).unwrap();
    let inner = object.child(ManagementObject::ROOT, "iNNER").unwrap();
    let name = |id: Option<NodeId>| object.node(id.unwrap()).name.clone();
    assert_eq!(name(object.child(inner, "leaf")), NodeName::Named("Leaf".to_owned()));
    assert_eq!(name(object.child(inner, "LEAF")), NodeName::Named("LEAF".to_owned()), "the exact one wins");
}

#[test]
fn whether_case_is_ignored_the_nearest_says() {
    let says = |name: &str, word: &str, inner: &str| {
        let word = if word.is_empty() { String::new() } else { format!("<CaseSense><{word}/></CaseSense>") };
        node(name, "node", "Get", &format!("{word}|{inner}"))
    };
    let root = says("Box", "CIS", &says("Loose", "", &says("Strict", "CS", &says("Inner", "", ""))));
    let object = Bench::new().object(HEAD, &format!("<MgmtTree>{root}</MgmtTree>")).unwrap();
    let loose = object.child(ManagementObject::ROOT, "LOOSE").unwrap();
    assert_eq!(object.child(loose, "STRICT"), None);
    let strict = object.child(loose, "Strict").unwrap();
    assert_eq!(object.child(strict, "INNER"), None, "what says nothing is as what it is in");
    assert!(object.child(strict, "Inner").is_some());
}

#[test]
fn folders_are_layered_and_broken_objects_left_out() {
    let bench = Bench::new();
    let put = |folder: &str, moid: &str, mapping: &str| {
        bench.file(&format!("{folder}/box.ddf.xml"), &ddf());
        let name = folder.rsplit('/').next().unwrap();
        bench.file(&format!("{folder}/{name}.toml"), &(HEAD.replace("urn:acme:mo:box:1.0", moid) + mapping));
    };
    put("vendor/a", "urn:a", "");
    put("vendor/b", "urn:b", "");
    put("vendor/c", "urn:c", "");
    put("etc/b", "urn:b2", "");
    put("etc/aa", "urn:z", "[node.Nope]\n");
    put("etc/clash", "urn:c", "");
    put("etc/alias", "urn:d", "");
    bench.file("etc/alias/alias.toml", &(HEAD.to_owned() + "aliases = [\"urn:a\"]\n"));
    put("etc/.hidden", "urn:h", "");
    bench.file("etc/loose.toml", "not = an object");
    fs::create_dir_all(bench.path("etc/empty")).unwrap();
    let folders = [bench.path("vendor"), bench.path("gone"), bench.path("etc")];
    let wanted = load::Wanted { ddf_base: None, sysroot: std::path::Path::new("/"), disabled: &[] };
    let load::Loaded { objects, problems, .. } = load(&folders, wanted);
    let moids: Vec<&str> = objects.iter().map(|object| object.moid.as_str()).collect();
    assert_eq!(moids, ["urn:a", "urn:c", "urn:b2"]);
    let text = problems.to_string();
    assert!(text.contains("etc/clash: urn:c is the MOID of") && text.contains("vendor/c already"), "{text}");
    assert!(text.contains("etc/alias: urn:a is the MOID of"), "{text}");
    assert!(text.contains("aa.toml:6: node.Nope"), "{text}");
    assert!(text.contains("etc/empty: has no mapping file: expected empty.toml"), "{text}");
    assert_eq!(problems.len(), 4, "{text}");
}

#[test]
fn the_digest_follows_both_files() {
    let digest = |mapping: &str, ddf: &str| Bench::new().object(mapping, ddf).unwrap().digest;
    let base = digest(HEAD, &ddf());
    assert_eq!(base, digest(HEAD, &ddf()));
    assert_ne!(base, digest(&format!("{HEAD}\n"), &ddf()));
    assert_ne!(base, digest(HEAD, &format!("{}\n", ddf())));
}

#[test]
fn seeds_carry_their_data() {
    let bench = Bench::new();
    bench.file("mo/box/left.json", "{\"Url\": \"x\"}");
    let head = HEAD.replace("[\"1\"]", "[{ miid = \"left\", data = \"left.json\" }]");
    let object = bench.object(&head, &ddf()).unwrap();
    assert_eq!(object.instances[0].data, Some(serde_json::json!({"Url": "x"})));
    bench.file("mo/box/left.json", "[]");
    assert!(bench.object(&head, &ddf()).unwrap_err().to_string().contains("left.json is no JSON object"));
}
