//! What tells of changes.

use std::path::PathBuf;

use crate::backend::{BusSign, Dependencies};
use crate::base::OrderedSet;
use crate::mo::Value;
use crate::store::{Change, NodeKey, Stored};

use super::*;

impl Bench {
    async fn dependencies(&self, path: &str) -> Dependencies {
        let node = self.resolve(path, Rights::READ).await.unwrap();
        self.tree.dependencies(&node, &self.principal()).await.unwrap()
    }

    fn paths(&self, paths: &[&str]) -> OrderedSet<PathBuf> {
        paths.iter().map(|path| self.path(path)).collect()
    }
}

#[tokio::test]
async fn files_are_named_whether_they_are_there_or_not() {
    let bench = Bench::new();
    let of = |files: &[&str], folders: &[&str]| Dependencies {
        files: bench.paths(files),
        folders: bench.paths(folders),
        lists: !folders.is_empty(),
        ..Dependencies::default()
    };
    assert_eq!(bench.dependencies("Gone").await, of(&["gone"], &[]));
    assert_eq!(bench.dependencies("Fixed").await, of(&[], &[]));
    assert_eq!(bench.dependencies("Name").await, of(&[], &[]), "the store tells by itself");
    bench.file("net/eth0/mtu", "1500");
    bench.file("net/eth1/mtu", "1500");
    let both = of(&["net/eth0/mtu", "net/eth1/mtu"], &["net"]);
    assert_eq!(bench.dependencies("Interfaces").await, both);
    let one = of(&["net/eth1/mtu"], &["net"]);
    assert_eq!(bench.dependencies("Interfaces/eth1/Mtu").await, one, "it may leave the listing");
    let whole = bench.dependencies("").await;
    assert!(both.files.is_subset(&whole.files) && bench.paths(&["gone", "a"]).is_subset(&whole.files));
    assert!(!whole.others);
}

#[tokio::test]
async fn what_is_pinned_depends_on_nothing_any_more() {
    let bench = Bench::new();
    assert_eq!(bench.dependencies("Pinned").await.files, bench.paths(&["better", "worse"]));
    let key = NodeKey::node(&BOX.into(), "1", ["Pinned"]);
    let pin = Change::Pin(key, Stored::Leaf(Value::Text("x".into())));
    bench.tree.store.commit(vec![pin]).await.unwrap();
    assert_eq!(bench.dependencies("Pinned").await, Dependencies::default());
}

#[tokio::test]
async fn programs_tell_nobody() {
    let bench = Bench::new();
    let mapping = "\nmoid = \"urn:t:mo:said:1.0\"\nddf = \"said.ddf.xml\"\nddf-uri = \"https://t.example/said\"\n\
                   root = \"Said\"\ninstances = [\"1\"]\n\
                   [node.Word]\nget = [{ file = \"/word\" }, { run = [\"/bin/true\"] }]\n\
                   [node.\"Rows/<r>\"]\nlist = { run = [\"/bin/echo\", \"x\"], lines = true }\n\
                   [node.\"Rows/<r>/Text\"]\nget = { file = \"/rows/{r}\" }\n\
                   [node.\"Ports/<p>\"]\nlist = { file = \"/ports\", json = true }\n\
                   [node.\"Ports/<p>/Text\"]\nget = { run = [\"/bin/echo\", \"{p}\"] }\n\
                   [node.\"Modems/<m>\"]\nlist = { object = \"modem\" }\n\
                   [node.\"Modems/<m>/Text\"]\nget = { object = \"sim\", property = \"Id\" }\n\
                   [object]\nmodem = { dbus = \"org.t.M\", path = \"/org/t/M/*\", interface = \"org.t.M\" }\n\
                   sim = { dbus = \"org.t.M\", path = \"/org/t/Sim\", interface = \"org.t.Sim\" }\n\
                   [node.Version]\nget = { builtin = \"agent-version\" }\n";
    let text = |name: &str| node(name, "chr", "Get", "", &[]);
    let list = |name: &str, element: &str| {
        let element = node(element, "node", "Get", MANY, &[text("Text")]);
        node(name, "node", "Get", "", &[element])
    };
    let lists = [list("Rows", "<r>"), list("Ports", "<p>"), list("Modems", "<m>")];
    let root = node("Said", "node", "Get", "", &[&[text("Word"), text("Version")], &lists[..]].concat());
    put(&bench.folder.path().join("mo/said/said.toml"), mapping);
    let ddf = format!("<MgmtTree><VerDTD>1.2</VerDTD>{root}</MgmtTree>");
    put(&bench.folder.path().join("mo/said/said.ddf.xml"), &ddf);
    let mut problems = Problems::default();
    let object = mo::load::load_one(&bench.folder.path().join("mo/said"), &mut problems);
    assert!(problems.is_empty(), "{problems}");
    let Bench { folder, tree, account } = bench;
    let tree = Tree::new(
        vec![Arc::new(object.unwrap())],
        vec![Arc::clone(&account)],
        Arc::clone(&tree.store),
        Arc::clone(&tree.machine),
        Instant::now(),
    );
    let bench = Bench { folder, tree, account };
    let of = |path: &str| format!("urn:t:mo:said:1.0/1/{path}");
    let word = bench.dependencies(&of("Word")).await;
    assert_eq!((word.files, word.others), (bench.paths(&["word"]), true));
    assert_eq!(bench.dependencies(&of("Version")).await, Dependencies::default());
    for path in ["Rows", "Rows/x", "Rows/x/Text"] {
        let rows = bench.dependencies(&of(path)).await;
        assert_eq!((rows.files, rows.others), (bench.paths(&["rows/x"]), true), "{path}");
    }
    let ports = bench.dependencies(&of("Ports")).await;
    assert_eq!((ports.files, ports.others), (bench.paths(&["ports"]), true), "its leaves are programs'");
    let modems = bench.dependencies(&of("Modems")).await;
    let sign = |path: &str, interface: &str, property: Option<&str>| BusSign {
        service: "org.t.M".to_owned(),
        path: path.to_owned(),
        interface: interface.to_owned(),
        property: property.map(str::to_owned),
        is_vouched: false,
    };
    let signs = [sign("/org/t/M/*", "org.t.M", None), sign("/org/t/Sim", "org.t.Sim", Some("Id"))];
    assert_eq!((modems.signals, modems.others), (signs.into(), false), "nobody was asked");
}

#[test]
fn a_uri_has_a_key_whether_anything_is_there_or_not() {
    let bench = Bench::new();
    let key = |uri: &str| bench.tree.key_of(&ClientUri::parse(uri).unwrap(), Profile::Draft);
    let node = |names: &[&str]| Some(NodeKey::node(&BOX.into(), "1", names.iter().copied()));
    assert_eq!(key(&format!("{BOX}/1/Group/Deep/Leaf")), node(&["Group", "Deep", "Leaf"]));
    assert_eq!(key("urn:t:mo:box:0.9/1/Name"), node(&["Name"]), "an alias");
    assert_eq!(key(&format!("{BOX}/1/level")), node(&["Level"]), "as the DDF spells it");
    assert_eq!(key(&format!("{BOX}/1/Items/a%2Fb/Value")), node(&["Items", "a%2Fb", "Value"]));
    assert_eq!(key(&format!("{BOX}/1/Items/(x)/Value?nv=(x)/Note:n")), node(&["Items"]));
    assert_eq!(key(&format!("{BOX}/1/Items/*/Value")), node(&["Items"]));
    assert_eq!(
        key(&format!("{BOX}//Name")),
        Some(NodeKey::object(&BOX.into())),
        "the only instance may be another one"
    );
    assert_eq!(key("urn:t:none/1/Name"), None);
}
