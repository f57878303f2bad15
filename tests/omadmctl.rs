//! The operator's tool, as it is called.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use omadm_agent::lab::files;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::page::tables;

fn run(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn ctl(arguments: &[&str]) -> Output {
    run(Path::new(env!("CARGO_BIN_EXE_omadmctl")), arguments)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The DDFs of this crate: those that ship, and the demo's.
fn shipped() -> Vec<String> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pattern = |below: &str| crate_folder.join(below).display().to_string();
    let found = ["mo/*/*.ddf.xml", "lab/demo/*.ddf.xml"].map(|below| glob::glob(&pattern(below)).unwrap());
    found.into_iter().flatten().map(|path: Result<PathBuf, _>| path.unwrap().display().to_string()).collect()
}

#[test]
fn every_shipped_ddf_is_shown() {
    let files = shipped();
    assert!(files.len() >= 3, "{files:?}");
    let mut arguments = vec!["ddf", "show"];
    arguments.extend(files.iter().map(String::as_str));
    let answer = ctl(&arguments);
    assert_eq!((answer.status.code(), text(&answer.stderr)), (Some(0), String::new()));
    let shown = text(&answer.stdout);
    assert!(shown.contains("\nDMAcc*  "), "{shown}");
    assert!(shown.contains("\n│  └─ <x>+  "), "{shown}");
    assert!(shown.lines().all(|line| line.starts_with('/') || line.chars().count() <= 120), "{shown}");

    arguments.push("--json");
    let answer = ctl(&arguments);
    let shown: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(
        (&shown["version"], &shown["ok"], &shown["findings"]),
        (&1.into(), &true.into(), &Value::Array(vec![]))
    );
    let documents = shown["descriptions"].as_array().unwrap();
    let names: Vec<_> = documents.iter().map(|document| document["file"].as_str().unwrap()).collect();
    assert_eq!(names, files);
}

#[test]
fn a_broken_file_is_told_with_its_place_and_the_others_are_shown() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("broken.ddf.xml");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"<MgmtTree>\n  <Node>\n    <NodeName>a</NodeNam>").unwrap();
    let broken = path.display().to_string();
    let whole = shipped().remove(0);
    let answer = ctl(&["ddf", "show", &broken, "/no/such/file", &whole]);
    assert_eq!(answer.status.code(), Some(1));
    let told = text(&answer.stderr);
    let mut lines = told.lines();
    let expected = format!("{broken}:3:16: not well-formed XML: expected 'NodeName' tag, not 'NodeNam'");
    assert_eq!(lines.next(), Some(expected.as_str()));
    assert!(lines.next().unwrap().starts_with("/no/such/file: No such file"), "{told}");
    assert!(text(&answer.stdout).contains(&format!("{whole}: DDF 1.2\n")));
}

#[test]
fn what_is_odd_in_a_file_is_told_and_the_file_is_shown() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("odd.ddf.xml").display().to_string();
    let xml = "<MgmtTree><Node><NodeName>a</NodeName>\n<DFProperties><DFFormat><datetime/></DFFormat>\
               </DFProperties></Node></MgmtTree>";
    std::fs::File::create(&path).unwrap().write_all(xml.as_bytes()).unwrap();
    let answer = ctl(&["ddf", "show", &path]);
    assert_eq!(answer.status.code(), Some(0));
    let told = text(&answer.stderr);
    assert!(told.starts_with(&format!("{path}:2:15: <DFFormat> holds \"datetime\"")), "{told}");
    assert_eq!(text(&answer.stdout), format!("{path}: DDF\na  chr\n"));
}

#[test]
fn a_page_around_a_tree_that_is_no_xml_is_told_and_the_tree_is_shown() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("page.md").display().to_string();
    let xml = "<?xml version=\"1.0\"?>\n<!------ Acme ------>\n<MgmtTree><Node><NodeName><X></NodeName>\n\
               <DFProperties><Occurrence><OneOrMore/></Occurrence></DFProperties></Node></Node></MgmtTree>";
    let page = format!("# R&D\n```xml\n{xml}\n```\n<br>\n");
    std::fs::File::create(&path).unwrap().write_all(page.as_bytes()).unwrap();
    let answer = ctl(&["ddf", "show", &path]);
    assert_eq!(answer.status.code(), Some(0));
    assert!(text(&answer.stderr).starts_with(&format!("{path}:1:1: not well-formed XML: ")));
    assert_eq!(text(&answer.stdout), format!("{path}: DDF\n<X>+  chr\n"));
}

#[test]
fn an_element_that_is_never_closed_is_told_where_it_begins_and_is_a_failure() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("unclosed.ddf.xml").display().to_string();
    let node = |name: &str| format!("    <Node>\n      <NodeName>{name}</NodeName>\n    </Node>\n");
    let whole = format!(
        "<MgmtTree>\n  <Node>\n    <NodeName>a</NodeName>\n{}{}  </Node>\n</MgmtTree>\n",
        ["b", "c", "d"].map(node).concat(),
        node("e")
    );
    for (broken, place, name) in [
        (whole.replace("<NodeName>c</NodeName>", "<NodeName>c"), "8:7", "NodeName"),
        (whole.replacen("    </Node>\n", "", 1), "4:5", "Node"),
        (whole.replace("</MgmtTree>\n", ""), "1:1", "MgmtTree"),
    ] {
        std::fs::File::create(&path).unwrap().write_all(broken.as_bytes()).unwrap();
        let answer = ctl(&["ddf", "show", &path]);
        let told = text(&answer.stderr);
        assert_eq!(answer.status.code(), Some(1), "{told}");
        let expected = format!("{path}:{place}: not well-formed XML: <{name}> is not closed: ");
        assert!(told.starts_with(&expected), "{told}\n{broken}");
    }
}

#[test]
fn a_description_may_come_from_the_standard_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_omadmctl"))
        .args(["ddf", "show", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let xml = b"<MgmtTree><Node><NodeName/></Node></MgmtTree>";
    child.stdin.take().unwrap().write_all(xml).unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "-: DDF\n<x>  chr\n");
}

#[test]
fn wrong_arguments_are_told_apart_from_what_fails() {
    for wrong in [&["ddf"][..], &["ddf", "show"], &["ddf", "show", "--xml"], &["frobnicate"], &[]] {
        assert_eq!(ctl(wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(ctl(&["ddf", "show", "--help"]).status.code(), Some(0));
    assert_eq!(ctl(&["--version"]).status.code(), Some(0));
}

#[test]
fn the_packaged_tool_is_the_agent_by_another_name() {
    let folder = TempDir::new().unwrap();
    let link = folder.path().join("omadmctl");
    symlink(env!("CARGO_BIN_EXE_omadmd"), &link).unwrap();
    let own = ctl(&["ddf", "show", "--help"]);
    assert_eq!(text(&run(&link, &["ddf", "show", "--help"]).stdout), text(&own.stdout));
    let agent = run(Path::new(env!("CARGO_BIN_EXE_omadmd")), &["ddf", "show", "x"]);
    assert_eq!(agent.status.code(), Some(2), "the agent itself has no commands");
}

#[test]
fn what_each_source_says_is_shown_and_why_a_node_has_no_value() {
    let gateway = format!("{}/examples/gateway", env!("CARGO_MANIFEST_DIR"));
    let (mo, sysroot) = (format!("{gateway}/mo/gateway"), format!("{gateway}/sysroot"));
    let answer = ctl(&["mo", "read", "--sysroot", &sysroot, &mo]);
    assert_eq!((answer.status.code(), text(&answer.stderr)), (Some(0), String::new()));
    let shown = text(&answer.stdout);
    for line in [
        "Gateway urn:x-acme:mo:gateway:1.0\n",
        "\nTemperature = 47.25\n",
        "\n  eth0/\n    Mtu = 1500\n",
        "\n  192.0.2.11/\n    Mac = a0:00:5e:00:00:02\n    Until = 2026-11-21T03:38:41Z\n    Host: no source has a value\n        item host: absent: ",
        "\n  Resolve: no `<Get/>`: servers can't read it\n",
        "\n  Report: kept by the agent: what a server sets\n",
    ] {
        assert!(shown.contains(line), "{line:?} is not in:\n{shown}");
    }
    let answer = ctl(&["--json", "mo", "read", "--sysroot", &sysroot, &mo]);
    let objects = serde_json::from_slice::<Value>(&answer.stdout).unwrap()["objects"].clone();
    let nodes = objects[0]["nodes"].as_array().unwrap();
    let host = nodes.iter().find(|node| node["path"] == "Leases/192.0.2.11/Host").unwrap();
    assert_eq!((&host["value"], &host["leaf"]), (&Value::Null, &Value::Bool(true)));
    assert_eq!(host["passedOver"][0]["source"], "item host");

    let checked = ctl(&["mo", "check", "--read", "--sysroot", &sysroot, &mo]);
    let told = text(&checked.stdout);
    let (findings, tree) = told.split_once("the management object is sound\n\n").unwrap();
    assert_eq!((checked.status.code(), tree), (Some(0), shown.as_str()));
    assert!(findings.lines().all(|line| line.starts_with("warning: ")), "{findings}");
    let checked = ctl(&["--json", "mo", "check", "--read", "--sysroot", &sysroot, &mo]);
    let both: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(both["objects"], objects);
    assert!(both["findings"].is_array());

    let broken = ctl(&["mo", "read", "/no/such/folder"]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(text(&broken.stderr).contains("/no/such/folder"), "{broken:?}");
}

#[test]
fn what_fails_silently_has_its_place_in_what_is_read() {
    let folder = TempDir::new().unwrap();
    let mapping = "moid = \"urn:x\"\nroot = \"Gone\"\ninstances = [\"1\"]\n\
        [node.Word]\nget = [{ file = \"/none\" }, { file = \"/word\", map = { up = 1 } }, { file = \"/word\" }]\n\
        [node.State]\nget = [{ file = \"/word\", match = '(x)' }, { file = \"/word\", key = \"A\" }]\n\
        [node.Blank]\ndefault = \"\"\n[node.Kept]\ndefault = \"thirty\"\nget = [{ store = true }, { value = \"worse\" }]\nset = { store = true }\n\
        [node.\"List/<l>\"]\nlist = { file = \"/none\", json = true }\n\
        [node.\"Wrong/<w>\"]\nlist = { file = \"/word\", json = true }\n";
    let mo = folder.path().join("gone");
    files::put(&mo.join("gone.toml"), mapping, files::PLAIN).unwrap();
    files::put(&folder.path().join("word"), "odd\n", files::PLAIN).unwrap();
    let [mo, sysroot] = [mo.as_path(), folder.path()].map(|path| path.to_str().unwrap());
    let answer = ctl(&["mo", "check", "--read", "--sysroot", sysroot, mo]);
    let shown = text(&answer.stdout).replace(sysroot, "");
    for line in [
        "\nWord = odd\n    /none: absent: /none: No such file or directory (os error 2)\n    /word: absent: `map` has no \"odd\"",
        "\nState: no source has a value\n    /word: absent: `match` finds nothing in \"odd\"\n    /word: A: absent: /word: no A\n",
        "\nBlank = \"\"\n    `default`: empty\n",
        "\nKept = thirty\n",
        "\nList/\n  <l>: `list`: absent: /none: No such file",
        "\nWrong/\n  <w>: `list`: failed: /word: expected value at line 1",
    ] {
        assert!(shown.contains(line), "{line:?} is not in:\n{shown}");
    }
    assert_eq!(answer.status.code(), Some(1), "a list has failed");
}

#[test]
fn a_check_that_reads_fails_with_what_is_read_and_reads_limits() {
    let folder = TempDir::new().unwrap();
    let mo = folder.path().join("fan");
    files::put(&folder.path().join("word"), "odd\n", files::PLAIN).unwrap();
    files::put(&folder.path().join("most"), "255\n", files::PLAIN).unwrap();
    let check = |max: &str, sysroot: &Path| {
        let mapping = format!(
            "moid = \"urn:x:1\"\nroot = \"Fan\"\ninstances = [\"1\"]\n[node.Speed]\nformat = \"int\"\nmax = {max}\n\
             [node.Gone]\nget = {{ file = \"/none\" }}\n"
        );
        files::put(&mo.join("fan.toml"), &mapping, files::PLAIN).unwrap();
        let [mo, sysroot] = [mo.as_path(), sysroot].map(|path| path.to_str().unwrap());
        ctl(&["mo", "check", "--read", "--sysroot", sysroot, mo])
    };
    let well = check("{ file = \"/most\" }", folder.path());
    assert_eq!(well.status.code(), Some(0), "what has nothing to say has not failed: {}", text(&well.stdout));
    assert!(text(&well.stdout).contains("\nSpeed: kept by the agent: what a server sets\n    max: 255\n"));
    let failed = check("{ file = \"/word\", scale = 2 }", folder.path());
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stdout).contains("\n    max: failed: "), "{}", text(&failed.stdout));
    let nowhere = check("{ file = \"/most\" }", &folder.path().join("nosuch"));
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("nosuch is no folder"), "{}", text(&nowhere.stderr));
}

#[test]
fn a_key_is_explained_as_the_page_has_it() {
    let page = format!("{}/docs/mapping.md", env!("CARGO_MANIFEST_DIR"));
    let answer = ctl(&["explain", "--page", &page, "otherwise"]);
    assert_eq!((answer.status.code(), text(&answer.stderr)), (Some(0), String::new()));
    let shown = text(&answer.stdout);
    assert!(shown.starts_with("otherwise in a source, or a `set` (the pipeline): text, number"), "{shown}");
    assert!(shown.contains("\n    example: { file = "), "{shown}");
    let answer = ctl(&["--json", "explain", "--page", &page, "key"]);
    let all: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert!(all["keys"].as_array().unwrap().iter().any(|entry| entry["in"] == "list"), "{all:?}");
    let answer = ctl(&["explain", "--page", &page, "otherwize"]);
    assert_eq!(answer.status.code(), Some(1));
    assert!(text(&answer.stderr).contains("did you mean `otherwise`?"), "{answer:?}");
    let answer = ctl(&["explain", "--page", "/no/such/page", "list"]);
    assert_eq!(answer.status.code(), Some(1));
    assert!(text(&answer.stderr).contains("--page"), "{answer:?}");
}

/// The package has the tables of keys alone, and compressed.
#[test]
fn a_key_is_explained_by_what_is_installed_as_by_the_page() {
    let root = env!("CARGO_MANIFEST_DIR");
    let folder = tempfile::tempdir().unwrap();
    let (page, installed) = (format!("{root}/docs/mapping.md"), folder.path().join("keys.md.gz"));
    let script = "\"$0/packaging/keys\" \"$1\" | gzip -9n >\"$2\"";
    let mut made = Command::new("sh");
    made.args(["-c", script, root, &page]).arg(&installed);
    assert!(made.status().unwrap().success());
    let of = |page: &str, key: &str| ctl(&["--json", "explain", "--page", page, key]).stdout;
    let all: std::collections::BTreeSet<String> =
        tables(&std::fs::read_to_string(&page).unwrap()).into_values().flatten().map(|row| row.key).collect();
    assert!(all.len() > 60, "{all:?}");
    for key in &all {
        let expected = of(&page, key);
        assert!(
            expected.starts_with(b"{\"keys\":[{") && of(installed.to_str().unwrap(), key) == expected,
            "{key}"
        );
    }
    let whole = std::fs::read(&installed).unwrap();
    files::put(&installed, &whole[..whole.len() / 2], files::PLAIN).unwrap();
    let answer = ctl(&["explain", "--page", installed.to_str().unwrap(), "list"]);
    assert_eq!(answer.status.code(), Some(1));
    assert!(text(&answer.stderr).contains("--page"), "{answer:?}");
}

#[test]
fn limits_alarms_and_names_are_shown_as_they_are_found() {
    const MAPPING: &str = r#"
moid = "urn:x-acme:mo:fans:1.0"
root = "Fans"
instances = ["1"]
[node."Fans/<f>"]
list = { glob = "/fans/*" }
[node."Fans/<f>/Most"]
format = "int"
get = { file = "/fans/{f}/most" }
[node."Fans/<f>/Level"]
format = "int"
get = { file = "/fans/{f}/level" }
set = { file = "/fans/{f}/level", privileged = true }
max = { leaf = "../Most" }
[node.Limit]
format = "int"
[node.Level]
format = "int"
min = 0
max = { leaf = "../Limit" }
[node."Fans/<f>/Speed"]
format = "int"
occurs = "?"
get = { file = "/fans/{f}/speed", key = "S_{f}" }
[alarm.fast]
leaf = "Fans/<f>/Speed"
above = 9
alert = { type = "urn:x-acme:at:fast:1.0" }
"#;
    let folder = TempDir::new().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
    };
    put("mo/fans/fans.toml", MAPPING);
    put("sys/fans/a/most", "7\n");
    put("sys/fans/a/level", "3\n");
    put("sys/fans/a/speed", "OTHER=1\n");
    put("sys/fans/b/level", "4\n");
    let (mo, sysroot) = (folder.path().join("mo/fans"), folder.path().join("sys"));
    let (mo, sysroot) = (mo.display().to_string(), sysroot.display().to_string());
    let checked = ctl(&["mo", "check", "--read", "--sysroot", &sysroot, &mo]);
    let told = text(&checked.stdout);
    for expected in [
        "    Level = 3\n        max: 7\n",
        "    Level = 4\n        max: absent: ",
        "/fans/b/most: No such file or directory (os error 2): no change is let pass\n",
        "max: ../Limit, which limits nothing until a server sets it\n",
        "        /fans/a/speed: S_a: absent: /fans/a/speed: no S_a\n",
        "[alarm.fast]: tells nothing: Fans/<f>/Speed has no value\n",
    ] {
        assert!(told.contains(expected), "{expected:?} is not in:\n{told}");
    }
    assert_eq!(checked.status.code(), Some(1), "{told}");
}

#[test]
fn what_is_hardly_meant_shows_in_what_is_read() {
    let folder = TempDir::new().unwrap();
    let mapping = "moid = \"urn:x:1\"\nroot = \"Seen\"\ninstances = [\"1\"]\n\
        [object.bus]\ndbus = \"org.x.M\"\npath = \"/org/x\"\ninterface = \"org.x.M\"\n\
        [node.Mode]\nget = { file = \"/word\", map = { UP = \"on\" }, otherwise = \"unknown\" }\n\
        [node.Level]\nformat = \"int\"\nget = { file = \"/most\" }\nset = { file = \"/most\" }\nmin = 255\nmax = { file = \"/most\" }\n\
        [node.High]\nformat = \"int\"\nget = { file = \"/most\" }\nset = { store = true }\nmax = 99\n\
        [node.Since]\nget = { file = \"/most\", time = \"epoch\" }\n\
        [node.All]\nget = { file = \"/json\" }\n\
        [node.Doing]\nget = { object = \"bus\", method = \"Reboot\" }\n\
        [node.Limit]\nformat = \"int\"\nmax = { file = \"/word\" }\n\
        [node.\"Cut/<c>\"]\nlist = { file = \"/lines\", max = 1 }\n\
        [node.\"None/<n>\"]\nlist = { file = \"/lines\", match = '^x(.*)' }\n\
        [node.\"Lost/<l>\"]\nlist = { file = \"/lines\", match = '^(?<a>\\w+)(?: (?<l>\\w+))?$', key = \"l\" }\n";
    let mo = folder.path().join("seen");
    files::put(&mo.join("seen.toml"), mapping, files::PLAIN).unwrap();
    for (name, content) in [("word", "up\n"), ("most", "255\n"), ("json", "[1, 2]\n"), ("lines", "a b\nc\n")]
    {
        files::put(&folder.path().join(name), content, files::PLAIN).unwrap();
    }
    let [mo, sysroot] = [mo.as_path(), folder.path()].map(|path| path.to_str().unwrap());
    let answer = ctl(&["mo", "check", "--read", "--sysroot", sysroot, mo]);
    let shown = text(&answer.stdout);
    for line in [
        "\nMode = unknown\n    map: by `otherwise`\n",
        "\nLevel = 255\n    max: 255\n    limits: nothing is between 255 and 255\n",
        "\nHigh = 255\n    value: could not be set: \"255\" is above the maximum of \"99\"\n",
        "\nSince = 1970-01-01T00:04:15Z\n    time: is it counted in another unit",
        "\nAll = [1, 2]\n    value: is JSON with more in it",
        "\n    bus Reboot(): not called: it seems to do something\n",
        "\n    max: up is no number: no change is let pass\n",
        "\n  <c>: there are more than its `max` of 1: the others are left out\n",
        "\n  <n>: `match` fits none of 2 lines\n",
        "\n  <l>: 1 lines fit `match`, and the group that names the child has no part in them\n",
    ] {
        assert!(shown.contains(line), "{line:?} is not in:\n{shown}");
    }
    assert_eq!(answer.status.code(), Some(1), "a limit is no number");
    assert!(shown.contains("`get` calls bus Reboot()"), "{shown}");
}

#[test]
fn a_file_instead_of_a_folder_is_told_with_the_folder_that_is_meant() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mo/devinfo");
    let file = folder.join("devinfo.toml").display().to_string();
    for words in [["mo", "check"], ["mo", "ddf"], ["mo", "read"]] {
        let output = ctl(&[&words[..], &[&file]].concat());
        let said = text(&[output.stdout, output.stderr].concat());
        let told = format!(
            "{file}: is a file: name the folder of the object instead, which it is in: {}",
            folder.display()
        );
        assert!(output.status.code() == Some(1) && said.contains(&told), "{words:?}: {said}");
    }
}

#[test]
fn the_keys_that_can_be_explained_are_listed() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mapping.md");
    let output = ctl(&["explain", "--page", page]);
    let said = text(&output.stdout);
    assert!(output.status.success() && said.starts_with("the head of the file\n  moid "), "{said}");
    assert!(said.contains("\n  otherwise       What `map` makes of everything else\n"), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    let output = ctl(&["explain", "--json", "--page", page]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<&str> =
        answer["names"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    assert!(keys.contains(&"otherwise") && keys.is_sorted(), "{keys:?}");
    // What stands before a key is its place, or nothing.
    let output = ctl(&["explain", "--page", page, "foo.list"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "nothing in a mapping that holds keys is called \"foo\"\n");
    let output = ctl(&["explain", "--page", page, "node.Ups.list"]);
    assert!(text(&output.stdout).starts_with("list in [node.\"PATH\"]: "), "{output:?}");
}
