//! What `omadmctl` does with mappings and descriptions, without an agent.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use omadm_agent::ddf::{Format, Node, NodeName, Occurrence, Scope, parse};
use serde_json::Value;

use crate::support::checked::Folder;
use crate::support::named::root;

fn ctl(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_omadmctl"));
    command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Standard output of what succeeds without a complaint.
fn said(folder: &Path, arguments: &[&str], input: &str) -> String {
    let output = ctl(folder, arguments, input);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{arguments:?}\n{out}");
    out
}

/// Standard output of what finds something wrong.
fn found(folder: &Path, arguments: &[&str], input: &str) -> String {
    let output = ctl(folder, arguments, input);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), err.as_str()), (Some(1), ""), "{arguments:?}\n{out}");
    out
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The folders of objects that are in the repository with a DDF.
fn described() -> Vec<PathBuf> {
    let below = [
        "mo/*/*.ddf.xml",
        "lab/demo/*.ddf.xml",
        "tests/fixtures/mo-0.1.0/gateway/*.ddf.xml",
        "tests/fixtures/mo-0.1.0/[ds]e*info/*.ddf.xml",
    ];
    let all = below.iter().flat_map(|below| glob::glob(&root().join(below).display().to_string()).unwrap());
    let all: Vec<PathBuf> = all.map(Result::unwrap).collect();
    assert!(all.len() >= 7, "{all:?}");
    all
}

/// How many nodes are below one.
fn below(node: &Node) -> usize {
    node.children.iter().map(|child| 1 + below(child)).sum()
}

const BOARD: &str = "moid = \"urn:x-acme:mo:board:1.0\"\nroot = \"Board\"\ninstances = [\"1\"]\n\
                     [node.Celsius]\nformat = \"int\"\nget = { value = 21 }\n[node.Contact]\n";

#[test]
fn mappings_of_0_1_0_are_sound() {
    let fixtures = root().join("tests/fixtures/mo-0.1.0");
    let said = said(&fixtures, &["mo", "check", "."], "");
    assert!(said.ends_with("the 7 management objects are sound\n"), "{said}");
    // By the agent itself, once the programs are there.
    let folder = Folder::new();
    for file in glob::glob(&fixtures.join("*/*").display().to_string()).unwrap().map(Result::unwrap) {
        let name = file.strip_prefix(&fixtures).unwrap().display().to_string();
        let content = fs::read_to_string(&file).unwrap().replace("/usr/local/lib/", "/usr/lib/acme/");
        folder.mo(&name, &content);
    }
    assert_eq!(folder.check(""), [""; 0]);
}

#[test]
fn the_ddf_of_an_object_is_what_its_folder_has() {
    for file in described().iter().filter(|file| !file.starts_with(root().join("lab"))) {
        let written = said(file.parent().unwrap(), &["mo", "ddf", "."], "");
        let [own, written] =
            [fs::read_to_string(file).unwrap(), written].map(|xml| parse(xml.as_bytes()).unwrap());
        assert_eq!(own, written, "{}", file.display());
    }
}

/// What is told of a node: path, format, access, occurrence, scope and MIME types.
type Told = (String, Format, String, Occurrence, Scope, Vec<String>);

/// All nodes of a description, by their paths; `""` is the root.
fn nodes(node: &Node, path: &str) -> Vec<Told> {
    let properties = &node.properties;
    let (access, mime) = (format!("{:?}", properties.access), properties.mime.clone());
    let own = (path.to_owned(), properties.format, access, properties.occurrence, properties.scope, mime);
    let mut all = vec![own];
    for child in &node.children {
        let name = match &child.name {
            NodeName::Named(name) => name.clone(),
            NodeName::Unnamed(label) => format!("<{}>", label.as_ref().unwrap()),
        };
        let path = if path.is_empty() { name } else { format!("{path}/{name}") };
        all.extend(nodes(child, &path));
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

/// The mapping of an object that has a DDF, made one that describes its nodes itself: but for access, which is to
/// follow from what the mapping can do, where the mapping has the node at all.
fn describing(mapping: &str, nodes: &[Told]) -> String {
    let lines = mapping.lines().filter(|line| !line.starts_with("ddf = "));
    let mut text: String = lines.map(|line| format!("{line}\n")).collect();
    for (path, format, access, occurs, scope, _) in nodes {
        let occurs = match occurs {
            Occurrence::One => "1",
            Occurrence::ZeroOrOne => "?",
            Occurrence::ZeroOrMore => "*",
            Occurrence::OneOrMore => "+",
            other => panic!("{other:?}"),
        };
        let scope = format!("{scope:?}").to_lowercase();
        let said = format!("format = \"{}\"\noccurs = \"{occurs}\"\nscope = \"{scope}\"\n", format.word());
        let heads = [format!("[node.{path}]\n"), format!("[node.\"{path}\"]\n")];
        match heads.iter().find(|head| text.contains(head.as_str())) {
            Some(head) => text = text.replacen(head, &format!("{head}{said}"), 1),
            None => {
                let access = access.trim_matches(['{', '}']).to_lowercase();
                text += &format!("{}{said}access = [{access}]\n", heads[1]);
            }
        }
    }
    text
}

/// What the hand-written DDFs say, those of 0.1.0 where there is none any more, is what the mappings can do.
#[test]
fn the_ddfs_that_are_made_of_the_shipped_objects_are_those_written_by_hand() {
    let folder = Folder::new();
    let shipped: Vec<PathBuf> =
        glob::glob(&root().join("mo/*").display().to_string()).unwrap().map(Result::unwrap).collect();
    assert!(shipped.len() >= 5, "{shipped:?}");
    for object in shipped {
        let name = object.file_name().unwrap().to_str().unwrap();
        let own = object.join(format!("{name}.ddf.xml"));
        let before = root().join(format!("tests/fixtures/mo-0.1.0/{name}/{name}.ddf.xml"));
        let by_hand = if own.exists() { own } else { before };
        let by_hand = parse(&fs::read(by_hand).unwrap()).unwrap();
        let mut wanted = nodes(&by_hand.roots[0], "");
        // Nobody may do anything with what the agent alone knows of an account: a mapping has no word for that.
        wanted.retain(|(_, _, access, ..)| access != "{}");
        let mapping = fs::read_to_string(object.join(format!("{name}.toml"))).unwrap();
        let is_described = !mapping.contains("\nddf = ");
        let mapping = if is_described { mapping } else { describing(&mapping, &wanted) };
        folder.mo(&format!("{name}/{name}.toml"), &mapping);
        let made = parse(said(&folder.path("mo"), &["mo", "ddf", name], "").as_bytes()).unwrap();
        let mut made = nodes(&made.roots[0], "");
        if name == "dmdac" {
            // The mapping says where entries are read; that servers write them is the agent's own doing.
            for (path, _, access, ..) in wanted.iter_mut().chain(&mut made) {
                if path.starts_with("<entry>/") {
                    access.clear();
                }
            }
        }
        assert_eq!(made, wanted, "{name}:\n{mapping}");
        if is_described {
            let texts = |ddf: &Node| {
                let all = std::iter::once(ddf).chain(&ddf.children);
                all.map(|node| (node.properties.title.clone(), node.properties.description.clone()))
                    .collect::<Vec<_>>()
            };
            let made = parse(said(&folder.path("mo"), &["mo", "ddf", name], "").as_bytes()).unwrap();
            assert_eq!(texts(&made.roots[0]), texts(&by_hand.roots[0]), "{name}: what is for people");
        }
    }
}

#[test]
fn a_ddf_is_made_of_a_mapping_and_is_sound() {
    let folder = Folder::new();
    folder.mo("board/board.toml", BOARD);
    let mo = folder.path("mo");
    let made = said(&mo, &["mo", "ddf", "board"], "");
    assert_eq!(said(&mo, &["ddf", "check", "-"], &made), "the DDF is sound\n");
    let tree = said(&mo, &["ddf", "show", "-"], &made);
    assert!(tree.contains("├─ Celsius  int    Get  "), "{tree}");
    let json: Value = serde_json::from_str(&said(&mo, &["mo", "ddf", "--json", "board/"], "")).unwrap();
    assert_eq!(json["description"]["nodes"][0]["ddfName"], "urn:x-acme:mo:board:1.0");
    folder.mo("board/board.toml", &BOARD.replace("int", "text"));
    let output = ctl(&mo, &["mo", "ddf", "board"], "");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    assert!(text(&output.stderr).contains("board/board.toml:5: node.Celsius.format: expected b64"));
}

#[test]
fn a_mapping_to_begin_with_passes_the_check() {
    let mut all = described();
    let vendor = "<MgmtTree><Node><NodeName/><DFProperties><AccessType><Add/><Get/></AccessType></DFProperties>\
        <Node><NodeName>A \"b\\c\"</NodeName><DFProperties><AccessType><Get/></AccessType><DFFormat><date/></DFFormat>\
        <Description>one\ntwo # = [x]</Description></DFProperties></Node>\
        <Node><NodeName>&lt;x&gt;</NodeName><Node><NodeName>&lt;x&gt;</NodeName><Node><NodeName>&lt;1 2&gt;</NodeName>\
        <DFProperties><AccessType><Exec/></AccessType><DFFormat><null/></DFFormat></DFProperties></Node></Node></Node>\
        <Node><NodeName>Free</NodeName><DFProperties><AccessType><Get/></AccessType><DFFormat><bin/></DFFormat>\
        </DFProperties></Node></Node><Node><NodeName>Other</NodeName></Node></MgmtTree>";
    let folder = Folder::new();
    folder.put("vendor 1.ddf", vendor, 0o644);
    all.push(folder.path("vendor 1.ddf"));
    for (number, file) in all.iter().enumerate() {
        let name = file.file_name().unwrap().to_str().unwrap();
        let skeleton = said(file.parent().unwrap(), &["mo", "new", name], "");
        folder.mo(&format!("o{number}/o{number}.toml"), &skeleton);
        folder.mo(&format!("o{number}/{name}"), &fs::read_to_string(file).unwrap());
        let said = said(&folder.path("mo"), &["mo", "check", &format!("o{number}")], "");
        assert!(said.ends_with("the management object is sound\n"), "{said}\n{skeleton}");
        let ddf = parse(fs::read_to_string(file).unwrap().as_bytes()).unwrap();
        let comments = skeleton.split("\n\n#").count() - 1;
        assert_eq!(comments, below(&ddf.roots[0]), "a comment for each node: {skeleton}");
    }
}

#[test]
fn what_is_no_ddf_makes_no_mapping() {
    let output = ctl(&root(), &["mo", "new", "Cargo.toml"], "");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    assert!(text(&output.stderr).starts_with("Cargo.toml: "), "{}", text(&output.stderr));
}

#[test]
fn errors_and_warnings_are_told_in_the_order_of_lines() {
    let folder = Folder::new();
    folder.mo("board/board.toml", &format!("{BOARD}[node.Odd]\nfromat = \"int\"\n"));
    folder.mo("board/old.toml", "");
    folder.mo("panel/panel.toml", &BOARD.replace("board:1.0", "panel:1.0"));
    folder.mo("panel/old.toml", "");
    folder.mo(
        "twin/twin.toml",
        &format!("ddf-uri = \"https://a.example/x.ddf\"\n{}", BOARD.replace("board:1.0", "panel:1.0")),
    );
    folder.mo("loose.toml", "");
    let mo = folder.path("mo");
    let told = found(&mo, &["mo", "check", "."], "");
    let lines: Vec<&str> = told.lines().map(|line| line.rsplit_once("/mo/").unwrap().1).collect();
    let expected = [
        "board/board.toml:9: node.Odd.fromat: unknown key; expected one of: ",
        "loose.toml: is not read: each management object has a folder of its own in here",
        "panel/old.toml: is not read: the mapping is panel.toml",
        "panel already: one of the two has to go",
        "twin/twin.toml:1: ddf-uri: nobody can have the host a.example",
    ];
    assert_eq!(lines.len(), expected.len(), "{told}");
    assert!(lines.iter().zip(expected).all(|(line, start)| line.starts_with(start)), "{told}");
    assert!(lines[0].ends_with("did you mean `format`?"), "{told}");
    let warnings = told.lines().filter(|line| line.starts_with("warning: ")).count();
    assert_eq!(warnings, 3, "{told}");
    let json: Value = serde_json::from_str(&found(&mo, &["--json", "mo", "check", "board"], "")).unwrap();
    let finding = &json["findings"][0];
    assert_eq!((&finding["severity"], &finding["line"]), (&"error".into(), &9.into()));
    let one = said(&mo.join("panel"), &["mo", "check", "."], "");
    assert!(
        one.ends_with(
            "panel/old.toml: is not read: the mapping is panel.toml\nthe management object is sound\n"
        ),
        "{one}"
    );
    for nothing in ["gone", "board/board.toml", "../accounts"] {
        let told = found(&mo, &["mo", "check", nothing], "");
        assert!(told.starts_with(nothing), "{told}");
    }
}

#[test]
fn what_readers_overlook_in_a_ddf_is_told() {
    let here = root();
    let files: Vec<String> = described().iter().map(|file| file.display().to_string()).collect();
    let mut arguments = vec!["ddf", "check"];
    arguments.extend(files.iter().map(String::as_str));
    assert_eq!(said(&here, &arguments, ""), "the DDFs are sound\n");
    let told = found(
        &here,
        &["ddf", "check", "-"],
        "<MgmtTree>\n<Node>\n<NodeName>a</NodeName>\n</Node>\n</MgmtTree>",
    );
    assert_eq!(
        told,
        "-:1: <MgmtTree> has no <VerDTD>\n-:2: <Node> has no <DFProperties>\n-:2: is a leaf without a <MIME>\n"
    );
    let json: Value = serde_json::from_str(&found(&here, &["ddf", "check", "--json", "/gone"], "")).unwrap();
    let finding = &json["findings"][0];
    assert_eq!((&finding["severity"], &finding["file"]), (&"error".into(), &"/gone".into()));
}
