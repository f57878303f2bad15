use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;

use super::*;
use crate::mo::ManagementObject;
use crate::mo::load::load_one;
use crate::spanned::Problems;
use crate::uri::Moid;

const MOID: &str = "urn:acme:mo:box:1.0";

/// An object with a leaf of every format, each named after it, and un-named nodes of such leaves.
fn object() -> &'static Arc<ManagementObject> {
    static OBJECT: OnceLock<Arc<ManagementObject>> = OnceLock::new();
    OBJECT.get_or_init(|| {
        let node = |name: &str, format: &str, inner: &str| {
            format!(
                "<Node><NodeName>{name}</NodeName><DFProperties><AccessType><Get/><Replace/><Add/></AccessType>\
                 <DFFormat><{format}/></DFFormat><Occurrence><ZeroOrMore/></Occurrence></DFProperties>{inner}</Node>"
            )
        };
        let formats = ["b64", "bin", "bool", "chr", "int", "null", "xml", "date", "time", "float"];
        let leaves = formats.map(|format| node(format, format, "")).concat();
        let group = node("&lt;x&gt;", "node", &leaves);
        let root = node("Box", "node", &(leaves + &node("Groups", "node", &group)));
        let home = tempfile::TempDir::new().unwrap();
        let folder = home.path().join("box");
        std::fs::create_dir(&folder).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        let put = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        put("box.ddf.xml", &format!("<MgmtTree>{root}</MgmtTree>"));
        let mapping = format!(
            "moid = \"{MOID}\"\nddf = \"box.ddf.xml\"\nddf-uri = \"https://acme.example/box\"\n\
             root = \"Box\"\ndynamic = true\n"
        );
        put("box.toml", &mapping);
        let mut problems = Problems::default();
        let object = load_one(&folder, &mut problems);
        Arc::new(object.unwrap_or_else(|| panic!("{problems}")))
    })
}

/// A serialised management object, as HPUT has it.
fn serialised(uri: &str, name: &str, data: &Json) -> Vec<u8> {
    json!({"DDF": "d", "MOID": MOID, "MIID": "7", "ClientURI": uri, "MOData": {name: data}, "CV": "x"})
        .to_string()
        .into_bytes()
}

fn written(documents: &[Vec<u8>]) -> String {
    let find = |moid: &Moid| (moid == MOID).then(object);
    String::from_utf8(write(documents, find, 1 << 20).unwrap()).unwrap()
}

/// The MOData of the root of a document.
fn data(xml: &str) -> Result<Json, TndsError> {
    let root = parse(xml.as_bytes())?.remove(0);
    root.into_data(object(), Some(ManagementObject::ROOT)).map(Json::from)
}

fn tree(inner: &str) -> String {
    format!("<MgmtTree><VerDTD>1.2</VerDTD><Node><NodeName>Box</NodeName>{inner}</Node></MgmtTree>")
}

fn leaf(name: &str, format: &str, value: &str) -> String {
    let format = if format.is_empty() { String::new() } else { format!("<Format><{format}/></Format>") };
    format!(
        "<Node><NodeName>{name}</NodeName><RTProperties>{format}</RTProperties><Value>{value}</Value></Node>"
    )
}

#[test]
fn a_document_of_dm_1_is_read() {
    let xml = "<?xml version='1.0'?><!DOCTYPE MgmtTree PUBLIC '-//OMA//DTD-DM-DDF 1.2//EN' 'x.dtd'>
        <MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD><Man>Acme</Man>
        <Node><NodeName>Box</NodeName><Path>./Vendor</Path>
          <RTProperties><ACL>Get=*</ACL><Format xmlns='syncml:metinf'><node/></Format>
            <Type xmlns='syncml:metinf'><DDFName>urn:acme:mo:box:1.0</DDFName></Type></RTProperties>
          <Node><NodeName>chr</NodeName><RTProperties><Format><chr/></Format>
            <Type><MIME>text/plain</MIME></Type></RTProperties><Value> a &lt;b&gt; </Value></Node>
          <Node><NodeName>int</NodeName><Value>
            -5 </Value></Node>
          <Node><NodeName>bin</NodeName><RTProperties><Format>b64</Format></RTProperties><Value>aGk=</Value></Node>
          <Node><NodeName>bool</NodeName><Value><![CDATA[true]]></Value></Node>
          <Node><NodeName>null</NodeName></Node>
          <Node><NodeName>Groups</NodeName><Value> </Value><Node><NodeName>a%2Fb</NodeName></Node></Node>
        </Node></MgmtTree>";
    let roots = parse(xml.as_bytes()).unwrap();
    assert_eq!(
        (roots.len(), roots[0].path.as_str(), roots[0].ddf_name.as_ref().map(Moid::as_str)),
        (1, "Vendor", Some(MOID))
    );
    let expected = json!({
        "chr": " a <b> ", "int": -5, "bin": "aGk=", "bool": true, "null": null, "Groups": {"a%2Fb": {}},
    });
    assert_eq!(data(xml).unwrap(), expected);
}

#[test]
fn nodes_that_say_their_path_stand_where_it_leads() {
    let flat = "<MgmtTree>
        <Node><NodeName>Box</NodeName><Path>./Vendor/</Path><Node><NodeName>chr</NodeName><Value>1</Value></Node></Node>
        <Node><NodeName>int</NodeName><Path>Vendor/Box</Path><Value>2</Value></Node>
        <Node><NodeName>chr</NodeName><Path>/Vendor/Box/Groups/g</Path><Value>3</Value></Node>
        <Node><NodeName>int</NodeName><Path>./Vendor/Box/Groups/g</Path><Value>4</Value></Node>
        <Node><NodeName>Box</NodeName><Path>./Vendor/Box2</Path></Node></MgmtTree>";
    let roots = parse(flat.as_bytes()).unwrap();
    assert_eq!(roots.iter().map(|root| root.path.as_str()).collect::<Vec<_>>(), ["Vendor", "Vendor/Box2"]);
    let expected = json!({"chr": "1", "int": 2, "Groups": {"g": {"chr": "3", "int": 4}}});
    assert_eq!(data(flat).unwrap(), expected);
}

#[test]
fn what_is_no_document_is_refused() {
    let told = |xml: &str| data(xml).unwrap_err().to_string();
    assert_eq!(told("<html/>"), "no <MgmtTree> in it");
    assert_eq!(told("<MgmtTree><VerDTD>1.2</VerDTD></MgmtTree>"), "no <Node> in it");
    assert_eq!(told(&tree("<Node><NodeName/></Node>")), "a <Node> of \"Box\" has no <NodeName>");
    assert_eq!(told(&tree(&leaf("chr", "string", ""))), "chr: format \"string\" is unknown");
    assert!(told(&tree(&leaf("int", "", "five"))).starts_with("int: expected a whole number"));
    assert!(told(&tree(&leaf("int", "int", ""))).starts_with("int: expected a whole number"));
    assert!(told(&tree(&leaf("bin", "", "!!"))).starts_with("bin: expected base64"));
    assert_eq!(told(&tree(&(leaf("chr", "", "a") + &leaf("chr", "", "b")))), "chr is there twice");
    let both = "<Node><NodeName>Groups</NodeName><Value>x</Value><Node><NodeName>g</NodeName></Node></Node>";
    assert_eq!(told(&tree(both)), "Groups has both a value and nodes");
    assert!(told("<MgmtTree><Node>").starts_with("line 1: not well-formed XML"));
    // Another type than the DDF's is the DDF's to refuse, as in JSON.
    assert_eq!(data(&tree(&leaf("int", "chr", "5"))).unwrap(), json!({"int": "5"}));
}

#[test]
fn depth_and_growth_are_bounded() {
    let nested = "<Node><NodeName>n</NodeName>".repeat(100) + &"</Node>".repeat(100);
    let deep = format!("<MgmtTree>{nested}</MgmtTree>");
    assert!(matches!(parse(deep.as_bytes()), Err(TndsError::TooDeep(64))));
    let path = "Box".to_owned() + &"/n".repeat(100_000);
    let far = tree("").replace(
        "</MgmtTree>",
        &format!("<Node><NodeName>n</NodeName><Path>{path}</Path></Node></MgmtTree>"),
    );
    assert!(matches!(parse(far.as_bytes()), Err(TndsError::TooDeep(64))));
    let laughs: String =
        (1..10).map(|n| format!("<!ENTITY l{n} '{}'>", format!("&l{};", n - 1).repeat(10))).collect();
    let bomb = format!("<!DOCTYPE MgmtTree [<!ENTITY l0 'lol'>{laughs}]>{}", tree(&leaf("chr", "", "&l9;")));
    assert!(matches!(parse(bomb.as_bytes()), Err(TndsError::Xml(_))));
    let large = serialised(&format!("{MOID}/7/"), "Box", &json!({"chr": "x".repeat(2 << 20)}));
    let find = |_: &Moid| Some(object());
    assert!(matches!(write(&[large], find, 1 << 20), Err(TndsError::TooLarge(_))));
}

/// Each of these took minutes, or more memory than a gateway has, where nodes are looked for among all others, or keep
/// the names of all above them.
#[test]
fn a_document_costs_no_more_than_in_proportion_to_its_length() {
    let alone =
        |name: &str, path: &str| format!("<Node><NodeName>{name}</NodeName><Path>{path}</Path></Node>");
    let document = |nodes: String| format!("<MgmtTree>{}{nodes}</MgmtTree>", alone("Box", ""));
    let scattered = document((0..20_000).map(|n| alone("n", &format!("Box/{n}"))).collect());
    let roots = parse(scattered.as_bytes()).unwrap();
    assert_eq!((roots.len(), roots[0].children.len()), (1, 20_000));
    assert!(roots[0].children.iter().all(|child| child.children.len() == 1));
    let deep =
        document((0..1_000).map(|n| alone(&n.to_string(), &format!("Box{}", "/n".repeat(63)))).collect());
    let roots = parse(deep.as_bytes()).unwrap();
    let deepest = (0..63).fold(&roots[0], |node, _| &node.children[0]);
    assert_eq!(deepest.children.len(), 1_000);
    let roots = document((0..20_000).map(|n| alone(&n.to_string(), "")).collect());
    assert!(matches!(parse(roots.as_bytes()), Err(TndsError::TooManyRoots(256))));
    let inner = "<Node><NodeName>n</NodeName></Node>".repeat(20_000);
    let long = tree(&inner).replace("Box", &"x".repeat(1 << 20));
    assert!(matches!(parse(long.as_bytes()), Err(TndsError::LongName(255))));
    let ways = document((0..1_000).map(|n| alone("n", &format!("Box/{n}{}", "/n".repeat(62)))).collect());
    let refused = parse(ways.as_bytes()).unwrap_err();
    assert!(matches!(refused, TndsError::TooManyNodes(50_000)), "nodes that are only named count too");
    let many = document("<Node><NodeName/></Node>".repeat(100_000));
    assert!(parse(many.as_bytes()).unwrap_err().is_of_size());
    let long = document(alone("n", &format!("Box/{}", "x".repeat(256))));
    assert!(matches!(parse(long.as_bytes()), Err(TndsError::LongName(255))));
}

#[test]
fn each_document_says_where_it_belongs() {
    let root = serialised(&format!("{MOID}//"), "Box", &json!({"int": 5, "chr": null}));
    let group = serialised(&format!("{MOID}/7/Groups/(x)?nv=(x)/int:5"), "a%2Fb", &json!({"chr": "<&>\r\n"}));
    let leaf = serialised(&format!("{MOID}/7/Groups/*/bin"), "bin", &json!("aGk="));
    let xml = written(&[root.clone(), group.clone(), leaf.clone()]);
    assert_eq!(
        xml,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD>\
         <Node><NodeName>Box</NodeName><Path>urn:acme:mo:box:1.0/7</Path>\
         <RTProperties><Format><node/></Format><Type><DDFName>urn:acme:mo:box:1.0</DDFName></Type></RTProperties>\
         <Node><NodeName>chr</NodeName>\
         <RTProperties><Format><chr/></Format><Type><MIME>text/plain</MIME></Type></RTProperties></Node>\
         <Node><NodeName>int</NodeName>\
         <RTProperties><Format><int/></Format><Type><MIME>text/plain</MIME></Type></RTProperties><Value>5</Value></Node>\
         </Node>\
         <Node><NodeName>a%2Fb</NodeName><Path>urn:acme:mo:box:1.0/7/Groups</Path>\
         <RTProperties><Format><node/></Format><Type><DDFName/></Type></RTProperties>\
         <Node><NodeName>chr</NodeName>\
         <RTProperties><Format><chr/></Format><Type><MIME>text/plain</MIME></Type></RTProperties>\
         <Value>&lt;&amp;&gt;&#13;\n</Value></Node></Node>\
         <Node><NodeName>bin</NodeName><Path>urn:acme:mo:box:1.0/7/Groups/*</Path>\
         <RTProperties><Format><bin/></Format><Type><MIME>text/plain</MIME></Type></RTProperties>\
         <Value>aGk=</Value></Node></MgmtTree>"
    );
    let two = [b"[".as_slice(), &group, b",", &leaf, b"]"].concat();
    assert_eq!(
        written(&[root.clone(), two]),
        written(&[root, group, leaf]),
        "an array stands for its members"
    );
    let names: Vec<_> = parse(xml.as_bytes()).unwrap().into_iter().map(|root| root.name).collect();
    assert_eq!(names, ["Box", "a%2Fb", "bin"], "one does not continue the other");
}

#[test]
fn only_what_the_device_serialises_is_written() {
    let find = |moid: &Moid| (moid == MOID).then(object);
    for wrong in [
        b"not json".to_vec(),
        serialised("urn:acme:mo:other:1.0/7/", "Box", &json!({})),
        serialised(&format!("{MOID}/7/"), "Box", &json!({"NoSuchNode": 1})),
        serialised(&format!("{MOID}/7/"), "Box", &json!({"int": "5"})),
        serialised(&format!("{MOID}/7/"), "Box", &json!([])),
        br#"{"ClientURI": "urn:acme:mo:box:1.0/7/", "MOData": {}}"#.to_vec(),
    ] {
        assert!(matches!(write(&[wrong], find, 1 << 20), Err(TndsError::NotSerialised)));
    }
}

fn leaves() -> impl Strategy<Value = Json> {
    let base64 = any::<Vec<u8>>().prop_map(|bytes| base64::engine::general_purpose::STANDARD.encode(bytes));
    let float = any::<f64>().prop_filter("finite", |number| number.is_finite());
    (any::<bool>(), any::<i64>(), float, any::<String>(), "[ \t\r\n<>&;\"'a\u{0}-\u{1f}\u{fffe}]{0,8}", base64).prop_map(
        |(flag, number, float, text, odd, bytes)| {
            json!({
                "bool": flag, "int": number, "float": float, "chr": text, "xml": odd, "date": "2026-01-31", "bin": bytes,
                "b64": bytes, "null": null,
            })
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        mut root in leaves(),
        groups in proptest::collection::btree_map("[a-z%0-9]{1,6}", leaves(), 0..3),
    ) {
        root["Groups"] = json!(groups);
        let xml = written(&[serialised(&format!("{MOID}/7/"), "Box", &root)]);
        prop_assert_eq!(data(&xml).unwrap(), root);
    }

    #[test]
    fn bytes_never_panic(bytes: Vec<u8>, cut in 0usize..200) {
        let whole = tree(&leaf("chr", "b64", "aGk="));
        let (start, end) = whole.as_bytes().split_at(cut.min(whole.len()));
        for document in [&bytes[..], &[start, &bytes, end].concat()] {
            if let Ok(mut roots) = parse(document) {
                let _ = roots.remove(0).into_data(object(), Some(ManagementObject::ROOT));
            }
        }
    }
}
