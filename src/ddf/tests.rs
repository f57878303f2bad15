use proptest::prelude::*;

use super::*;
use crate::xml::{Position, XmlProblem};

fn is_bomb(error: &DdfError) -> bool {
    matches!(error.problem, DdfProblem::Xml(XmlProblem::Bomb(_)))
}

fn parsed(xml: &str) -> Ddf {
    parse(xml.as_bytes()).unwrap()
}

/// A tree of one node with these `DFProperties`.
fn with(properties: &str) -> String {
    format!(
        "<MgmtTree><VerDTD>1.2</VerDTD><Node>\n<NodeName>N</NodeName>\n\
         <DFProperties>\n{properties}</DFProperties></Node></MgmtTree>"
    )
}

fn properties(inner: &str) -> Properties {
    parsed(&with(inner)).roots[0].properties.clone()
}

fn name(written: &str) -> (NodeName, bool) {
    let xml = format!("<MgmtTree><Node><NodeName>{written}</NodeName></Node></MgmtTree>");
    let root = &parsed(&xml).roots[0];
    (root.name.clone(), root.is_logical)
}

/// As vendors publish them: byte order mark, stray space in the FPI, an instruction in the internal
/// subset, another namespace here and there, and run-time properties.
const FIELD: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
<!DOCTYPE MgmtTree PUBLIC \" -//OMA//DTD-DM-DDF 1.2//EN\"\n\
  \"http://www.openmobilealliance.org/tech/DTD/DM_DDF-V1_2.dtd\"\n\
  [<?oma-dm-ddf-ver supported-versions=\"1.2\"?>\n<!ELEMENT X (#PCDATA)>]>\n\
<MgmtTree xmlns:V=\"urn:vendor\">\n\
  <V:Diagnostics><Node/></V:Diagnostics>\n\
  <VerDTD> 1.2 </VerDTD><Man>Acme</Man><Mod/>\n\
  <Node>\n\
    <NodeName>Root</NodeName>\n\
    <Path>./Vendor/Acme</Path>\n\
    <RTProperties><Format><chr/></Format><Type><MIME>a/b</MIME></Type></RTProperties>\n\
    <DFProperties>\n\
      <V:Description>not ours</V:Description>\n\
      <AccessType><Get /><V:Peek/><Replace></Replace></AccessType>\n\
      <Description><![CDATA[a < b]]> &amp; so on</Description>\n\
      <DFFormat><node /></DFFormat>\n\
      <Occurrence><ZeroOrN> 7 </ZeroOrN></Occurrence>\n\
      <Scope><Permanent/></Scope>\n\
      <DFTitle>The root</DFTitle>\n\
      <DFType><DDFName> urn:acme:mo:root:1.0 </DDFName></DFType>\n\
      <V:AllowedValues ValueType=\"ENUM\"><V:Enum/></V:AllowedValues>\n\
    </DFProperties>\n\
    <V:Anything><Node><NodeName>hidden</NodeName></Node></V:Anything>\n\
    <Node>\n\
      <NodeName></NodeName>\n\
      <DFProperties><CaseSense><CIS/></CaseSense><DFType><MIME>text/plain</MIME><MIME>text/html</MIME></DFType>\n\
        <DefaultValue></DefaultValue></DFProperties>\n\
      <Value>ignored</Value>\n\
    </Node>\n\
  </Node>\n\
</MgmtTree>";

#[test]
fn a_field_file_parses() {
    let ddf = parsed(FIELD);
    assert_eq!((ddf.version.as_str(), ddf.manufacturer.as_deref(), &ddf.model), ("1.2", Some("Acme"), &None));
    let [root] = ddf.roots.as_slice() else { panic!("roots: {:?}", ddf.roots) };
    assert_eq!(root.name, NodeName::Named("Root".to_owned()));
    assert_eq!(root.path.as_deref(), Some("./Vendor/Acme"));
    assert_eq!(root.properties.access, AccessType::GET.with(AccessType::REPLACE));
    assert_eq!(root.properties.description.as_deref(), Some("a < b & so on"));
    assert_eq!(root.properties.occurrence, Occurrence::ZeroOrN(7));
    assert_eq!(root.properties.scope, Scope::Permanent);
    assert_eq!(root.properties.ddf_name.as_deref(), Some("urn:acme:mo:root:1.0"));
    assert!(root.properties.mime.is_empty(), "run-time properties were read");
    let [leaf] = root.children.as_slice() else { panic!("children: {:?}", root.children) };
    assert_eq!(leaf.name, NodeName::Unnamed(None));
    assert_eq!(leaf.properties.format, Format::Chr);
    assert_eq!(leaf.properties.mime, ["text/plain", "text/html"]);
    assert_eq!(leaf.properties.case_sense, Some(CaseSense::Insensitive));
    assert_eq!(leaf.properties.default_value.as_deref(), Some(""));
    assert!(leaf.properties.access.is_empty());
}

#[test]
fn nodes_know_their_lines() {
    let (_, lines) = parse_with_lines(format!("\n\n{FIELD}").as_bytes()).unwrap();
    assert_eq!(lines, [11, 27]);
}

#[test]
fn other_encodings_are_read() {
    let xml = FIELD.trim_start_matches('\u{feff}').replace("Acme<", "Acmé<");
    let expected = parsed(&xml);
    let units: Vec<u16> = xml.replace("UTF-8", "UTF-16").encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    assert_eq!(parse(&[&[0xFF, 0xFE], &little[..]].concat()).unwrap(), expected);
    assert_eq!(parse(&[&[0xFE, 0xFF], &big[..]].concat()).unwrap(), expected);
    assert_eq!(parse(&little).unwrap(), expected);
    let latin = xml.replace("\"UTF-8\"", "'ISO-8859-1'");
    let latin: Vec<u8> = latin.chars().map(|c| u8::try_from(c).unwrap()).collect();
    assert_eq!(parse(&latin).unwrap(), expected);

    let korean =
        [b"<?xml version='1.0' encoding='EUC-KR'?>", with("").replace(">N<", ">N\u{1}<").as_bytes()].concat();
    let korean: Vec<u8> = korean.into_iter().map(|byte| if byte == 1 { 0xB0 } else { byte }).collect();
    assert_eq!(parse(&korean).unwrap().roots[0].name, NodeName::Named("N\u{fffd}".to_owned()));

    let error = parse(b"<?xml version='1.0' encoding='ISO-2022-JP'?><MgmtTree/>").unwrap_err();
    assert_eq!(error.problem, DdfProblem::Xml(XmlProblem::UnknownEncoding("iso-2022-jp".to_owned())));
    let error = parse("<MgmtTree>\n<é>\u{1}".as_bytes()).unwrap_err();
    assert_eq!(error.at, Some(Position { line: 2, column: 4 }), "{error}");
    let error = parse(b"<MgmtTree>\n\xc3\xa9\xff").unwrap_err();
    assert_eq!(error.at, Some(Position { line: 2, column: 2 }), "{error}");
    let error = parse(b"\xff\xfe<\0M").unwrap_err();
    assert_eq!(error.problem, DdfProblem::Xml(XmlProblem::NotText("UTF-16")));
}

#[test]
fn namespaces_of_the_document_do_not_matter() {
    let plain = parsed(&with("<AccessType><Get/></AccessType><DFFormat><int/></DFFormat>"));
    let xml = with("<AccessType><Get/></AccessType><DFFormat><int/></DFFormat>");
    assert_eq!(parsed(&xml.replace("<MgmtTree>", "<MgmtTree xmlns='urn:oma:xml:dm:ddf:1.2'>")), plain);
    assert_eq!(parsed(&format!("<Wrapper xmlns='urn:w'><x>{xml}</x></Wrapper>")), plain);
    let prefixed = xml.replace('<', "<d:").replace("<d:/", "</d:");
    assert_eq!(parsed(&prefixed.replace("<d:MgmtTree>", "<d:MgmtTree xmlns:d='urn:d'>")), plain);
    assert_eq!(parsed(&prefixed), plain, "an undeclared prefix of its own");
    let vendor = xml.replace("<Get/>", "<Get/><acme:Replace/><other:Exec/>");
    assert_eq!(parsed(&vendor), plain, "undeclared vendor prefixes");
}

#[test]
fn odd_document_types_are_left_out() {
    let plain = with("<AccessType><Get/></AccessType>");
    for odd in [
        "<!DOCTYPE MgmtTree PUBLIC \"-//OMA//DTD-DM-DDF 1.2//EN\">",
        "<!DOCTYPE MgmtTree [<!ENTITY % all SYSTEM 'x.dtd'> %all; <!-- ]> ' --> <?x ]> \" ?>]>",
        "<!DOCTYPE MgmtTree[<!ELEMENT MgmtTree (VerDTD, Node+)> <!ENTITY a 'b'> <!ATTLIST Node a CDATA '>'> ] >",
        "<!DOCTYPE\nMgmtTree SYSTEM 'a[b]>c' [<!NOTATION n SYSTEM 'n'><!ENTITY p SYSTEM 'p' NDATA n>]>",
        "<!doctype mgmttree>",
    ] {
        let document = format!("<?xml version='1.0' encoding='utf-16'?>\n{odd}\n{plain}");
        assert_eq!(parsed(&document), parsed(&plain), "{odd}");
    }
    let broken = format!("<!DOCTYPE MgmtTree\n[%all;]>\n{}", plain.replace("</Mgmt", "</M"));
    assert_eq!(parse(broken.as_bytes()).unwrap_err().line(), Some(6), "lines are those of the file");
    for odd in [
        "<?xml version='1.1'?>",
        "<!-- a comment first -->\n<?xml version='1.0'?>",
        "<?xml?>",
        "\u{feff}\u{feff}\n",
    ] {
        assert_eq!(parsed(&format!("{odd}\n{plain}")), parsed(&plain), "{odd}");
    }
}

#[test]
fn names_that_are_assigned_at_run_time() {
    for (written, label) in [
        ("", None),
        (" * ", None),
        ("&lt;x&gt;", Some("x")),
        ("\n &lt; x &gt;+ ", Some("x")),
        ("[AAuthLevel]", Some("AAuthLevel")),
        ("[]", None),
        ("&lt;*&gt;", None),
    ] {
        let expected = (NodeName::Unnamed(label.map(str::to_owned)), written == "[AAuthLevel]");
        assert_eq!(name(written), expected, "{written:?}");
    }
    for written in ["Mtu", "a*", "[x", "x]"] {
        assert_eq!(name(written), (NodeName::Named(written.to_owned()), false));
    }
}

#[test]
fn properties_may_be_missing_repeated_and_in_any_order() {
    assert_eq!(properties("").format, Format::Chr);
    assert_eq!(properties("<DFType><DDFName/></DFType>").format, Format::Node);
    assert_eq!(properties("<DFType>text/plain</DFType>").mime, ["text/plain"]);
    let twice = with(
        "<Occurrence><OneOrMore/></Occurrence></DFProperties><DFProperties>\
         <Occurrence><One/></Occurrence><DFFormat><bool/></DFFormat>",
    );
    let twice = &parsed(&twice).roots[0].properties;
    assert_eq!((twice.occurrence, twice.format), (Occurrence::OneOrMore, Format::Bool));
    assert_eq!(properties("<DFFormat><acme/><Int/></DFFormat>").format, Format::Int);
    assert_eq!(properties("<Scope>Permanent</Scope>").scope, Scope::Permanent);
    let both = AccessType::GET.with(AccessType::EXEC);
    assert_eq!(properties("<AccessType>Get, Exec<Peek/></AccessType>").access, both);
    assert_eq!(properties("<Occurrence><OneOrN/></Occurrence>").occurrence, Occurrence::OneOrMore);
    let with_children =
        "<MgmtTree><Node><Node><NodeName>b</NodeName></Node><NodeName>a</NodeName></Node></MgmtTree>";
    let root = &parsed(with_children).roots[0];
    assert_eq!((root.properties.format, root.children[0].properties.format), (Format::Node, Format::Chr));
}

#[test]
fn every_format_of_the_ddf_is_known() {
    use Format::{B64, Bin, Bool, Chr, Date, Float, Int, Node, Null, Time, Xml};
    let words = ["b64", "bin", "bool", "chr", "int", "node", "null", "xml", "date", "time", "float"];
    let formats = [B64, Bin, Bool, Chr, Int, Node, Null, Xml, Date, Time, Float];
    for (word, format) in words.into_iter().zip(formats) {
        assert_eq!(properties(&format!("<DFFormat><{word}/></DFFormat>")).format, format);
    }
    let occurrences = [
        ("<One/>", Occurrence::One),
        ("<ZeroOrOne/>", Occurrence::ZeroOrOne),
        ("<ZeroOrMore/>", Occurrence::ZeroOrMore),
        ("<OneOrMore/>", Occurrence::OneOrMore),
        ("<ZeroOrN>3</ZeroOrN>", Occurrence::ZeroOrN(3)),
        ("<OneOrN>3</OneOrN>", Occurrence::OneOrN(3)),
    ];
    for (word, occurrence) in occurrences {
        assert_eq!(properties(&format!("<Occurrence>{word}</Occurrence>")).occurrence, occurrence);
    }
    let all = "<AccessType><Add/><Copy/><Delete/><Exec/><Get/><Replace/></AccessType>";
    let access = properties(all).access;
    assert!(AccessType::ALL.into_iter().all(|(one, _)| access.allows(one)));
    for (one, word) in AccessType::ALL {
        assert_eq!(properties(&format!("<AccessType><{word}/></AccessType>")).access, one);
    }
    for (word, scope) in [("Permanent", Scope::Permanent), ("Dynamic", Scope::Dynamic)] {
        assert_eq!(properties(&format!("<Scope><{word}/></Scope>")).scope, scope);
    }
    for (word, case) in [("CS", CaseSense::Sensitive), ("CIS", CaseSense::Insensitive)] {
        assert_eq!(properties(&format!("<CaseSense><{word}/></CaseSense>")).case_sense, Some(case));
    }
}

#[test]
fn errors_name_line_and_element() {
    let told = |xml: &str| parse(xml.as_bytes()).unwrap_err().to_string();
    let told_of = |inner: &str| told(&with(inner));
    assert_eq!(
        told_of("\n<DFFormat><string/></DFFormat>"),
        "line 5: <DFFormat> holds \"string\": \
         expected b64, bin, bool, chr, int, node, null, xml, date, time or float"
    );
    assert!(told_of("<Occurrence><ZeroOrN>some</ZeroOrN></Occurrence>").contains("\"some\""));
    assert!(told_of("<Occurrence><ZeroOrN>-1</ZeroOrN></Occurrence>").contains("a whole number"));
    assert!(told_of("<Occurrence><Twice/></Occurrence>").starts_with("line 4: <Occurrence>"));
    assert!(told_of("<Scope><Eternal/></Scope>").contains("Permanent or Dynamic"));
    assert_eq!(told("<MgmtTree>\n<Node/></MgmtTree>"), "line 2: <Node> has no <NodeName>");
    assert_eq!(told("<MgmtTree>\n</MgmtTree>"), "line 1: <MgmtTree> has no <Node>");
    assert_eq!(told("\n<html/>"), "line 2: <html> is no DDF: there is no <MgmtTree> in it");
    assert!(told("\n<MgmtTree>\n<a>\n</b>").starts_with("line 4: not well-formed XML"));
    for broken in ["", " ", "\u{feff}", "<", "<!DOCTYPE", "<MgmtTree", "plain", "<x:MgmtTree>"] {
        assert!(told(broken).contains("XML"), "{broken:?}: {}", told(broken));
    }
}

#[test]
fn entities_are_bounded_and_nothing_is_fetched() {
    let document = |dtd: &str, text: &str| {
        format!("<!DOCTYPE MgmtTree [{dtd}]>\n{}", with(&format!("<Description>{text}</Description>")))
    };
    let small = document("<!ENTITY acme 'Acme &#38; Co'>", "by &acme;");
    assert_eq!(parsed(&small).roots[0].properties.description.as_deref(), Some("by Acme & Co"));

    let laughs: String =
        (1..10).map(|n| format!("<!ENTITY l{n} '{}'>", format!("&l{};", n - 1).repeat(10))).collect();
    let billion = document(&format!("<!ENTITY l0 'lol'>{laughs}"), "&l9;");
    assert!(parse(billion.as_bytes()).is_err());

    let long = document(&format!("<!ENTITY a '{}'>", "x".repeat(50_000)), &"&a;".repeat(50_000));
    assert!(is_bomb(&parse(long.as_bytes()).unwrap_err()));
    let looped = document("<!ENTITY a '&b;'><!ENTITY b '&a;'>", "&a;");
    assert!(parse(looped.as_bytes()).is_err());
    let file = document("<!ENTITY a SYSTEM 'file:///etc/passwd'>", "&a;");
    let description = |xml: &str| parsed(xml).roots[0].properties.description.clone();
    assert_eq!(description(&file).as_deref(), Some("&a;"), "as it is written");
    let elsewhere = file.replace("[<!ENTITY a SYSTEM 'file:///etc/passwd'>]", "SYSTEM 'ddf.dtd'");
    assert_eq!(description(&elsewhere).as_deref(), Some("&a;"), "as it is written");
    let nowhere = with("<Description>a&nbsp;b &lt; R&D &amp; &copy; 2020</Description>");
    assert_eq!(description(&nowhere).as_deref(), Some("a&nbsp;b < R&D & &copy; 2020"), "as it is written");
    let many: String = (0..1000).map(|n| format!("&e{n};")).collect();
    assert_eq!(description(&with(&format!("<Description>{many}</Description>"))), Some(many));
}

#[test]
fn what_is_only_looked_at_is_forgiven_more() {
    let lenient = |xml: &[u8]| parse_forgiving(xml).unwrap();
    let odd = "<DFFormat><string/></DFFormat>\n<Occurrence><ZeroOrN>some</ZeroOrN></Occurrence>\n\
               <Scope><Eternal/></Scope><CaseSense/><AccessType/><DFTitle>T</DFTitle>";
    let (ddf, overlooked) = lenient(with(odd).as_bytes());
    assert_eq!(ddf.roots[0].properties, properties("<DFTitle>T</DFTitle>"), "as if unsaid");
    let told: Vec<_> = overlooked.iter().map(ToString::to_string).collect();
    assert!(told[0].starts_with("line 4: <DFFormat> holds \"string\": expected b64"), "{told:?}");
    assert!(told[1].contains("line 5: <Occurrence> holds \"some\"") && told[2].contains("Eternal"));
    assert_eq!(told.len(), 3);

    let nameless = format!("<MgmtTree>{}</MgmtTree>", "<Node/>".repeat(1000));
    let (ddf, overlooked) = lenient(nameless.as_bytes());
    assert_eq!((ddf.roots.len(), overlooked.len()), (1000, 20));
    assert_eq!(ddf.roots[0].name, NodeName::Unnamed(None));

    for declaration in ["", "<?xml version='1.0' encoding='UTF-8'?>", "\u{feff}"] {
        let mut bytes = declaration.as_bytes().to_vec();
        bytes.extend(with("<Description>Gr\u{1}n \u{2}</Description>").bytes().map(|byte| match byte {
            1 => 0xFC,
            2 => 0x80,
            other => other,
        }));
        let (ddf, overlooked) = lenient(&bytes);
        assert_eq!(ddf.roots[0].properties.description.as_deref(), Some("Grün €"));
        assert!(overlooked.is_empty() && parse(&bytes).is_err(), "the agent itself goes by no guess");
    }
    assert!(parse_forgiving(b"<html/>").is_err());
}

#[test]
fn what_stands_around_a_tree_does_not_matter() {
    let expected = parsed(&with(""));
    let plain = with("");
    let prefixed = plain.replace("</", "</d:").replace('<', "<d:").replace("<d:/d:", "</d:");
    for (before, tree, after) in [
        ("\n\n<?xml version=\"1.0\"?>\n", &plain, "\n<!-- end -->\n<?end?>\n"),
        ("<!-- first --><?xml version='1.1'?>", &plain, "\r\n"),
        ("", &prefixed, ""),
    ] {
        assert_eq!(parsed(&format!("{before}{tree}{after}")), expected, "{before}{tree}{after}");
    }
    for version in ["1.1", "1.2", "1.3", "2.0", "DDF 7", ""] {
        assert_eq!(parsed(&plain.replace("1.2", version)).version, version);
    }
}

#[test]
fn a_number_beyond_all_bounds_is_the_largest() {
    let most = |number: &str| {
        properties(&format!("<Occurrence><ZeroOrN>{number}</ZeroOrN></Occurrence>")).occurrence
    };
    assert_eq!(most("99999999999999999999999"), Occurrence::ZeroOrN(u32::MAX));
    assert_eq!(most("4294967295"), Occurrence::ZeroOrN(u32::MAX));
    assert_eq!(most("7"), Occurrence::ZeroOrN(7));
}

/// TS 6.3.2, figure 6: as much of it as a DDF says.
#[test]
fn the_tree_is_that_of_the_graphical_notation() {
    let node = |name: &str, format: &str, occurrence: &str, inner: &str| {
        format!(
            "<Node><NodeName>{name}</NodeName><DFProperties><AccessType><Get/></AccessType>\
             <DFFormat><{format}/></DFFormat><Occurrence>{occurrence}</Occurrence>\
             <DFType><MIME>text/plain</MIME></DFType></DFProperties>{inner}</Node>"
        )
    };
    let leaves = [
        node("Leaf1", "chr", "<One/>", ""),
        node("Leaf2", "int", "<ZeroOrOne/>", ""),
        node("", "chr", "<ZeroOrMore/>", ""),
        node("[AAuthLevel]", "bin", "<ZeroOrN>3</ZeroOrN>", ""),
    ];
    let inside = node("&lt;y&gt;", "node", "<OneOrN>12</OneOrN>", &node("*", "bool", "<OneOrMore/>", ""));
    let root =
        node("Root", "node", "", &(leaves.concat() + &node("InteriorA", "node", "<ZeroOrOne/>", &inside)));
    let ddf = parsed(&format!("<MgmtTree>{root}</MgmtTree>"));
    assert_eq!(
        ddf.to_tree(),
        "Root               node   Get\n\
         ├─ Leaf1           chr    Get\n\
         ├─ Leaf2?          int    Get\n\
         ├─ <x>*            chr    Get\n\
         ├─ [AAuthLevel]*3  bin    Get\n\
         └─ InteriorA?      node   Get\n   \
            └─ <y>+12       node   Get\n      \
               └─ <x>+      bool   Get\n"
    );
    let json = ddf.to_json();
    let unnamed = &json["nodes"][0]["nodes"][3];
    assert_eq!(
        (&unnamed["name"], &unnamed["mark"], &unnamed["most"]),
        (&"[AAuthLevel]".into(), &"*3".into(), &3.into())
    );
    assert_eq!((&unnamed["named"], &unnamed["leaf"]), (&false.into(), &true.into()));
}

#[test]
fn a_hostile_description_leaves_the_terminal_alone() {
    let long = "é".repeat(500);
    let xml = with(&format!("<DFTitle>{long}</DFTitle><DefaultValue>{long}</DefaultValue>"));
    let tree = parsed(&xml.replace(">N<", ">a\u{9b}2J\nb\u{202e}<")).to_tree();
    assert!(tree.starts_with("a\u{fffd}2J b\u{fffd}  chr"), "{tree}");
    assert_eq!((tree.lines().count(), tree.trim_end().chars().count()), (1, 120), "{tree}");
}

#[test]
fn size_depth_and_tags_are_bounded() {
    let deep = format!("<MgmtTree>{}", "<Node><NodeName>n</NodeName>".repeat(65));
    let deep = deep + &"</Node>".repeat(65) + "</MgmtTree>";
    assert_eq!(parse(deep.as_bytes()).unwrap_err().problem, DdfProblem::TooDeep { limit: 64 });
    // A vendor's own nest isn't walked at all.
    let nest = "<v>".repeat(100_000) + &"</v>".repeat(100_000);
    let xml = format!("<MgmtTree>{nest}<Node><NodeName>n</NodeName></Node></MgmtTree>");
    assert_eq!(parsed(&xml).roots.len(), 1);
    let attributes: String = (0..10_000).map(|n| format!(" a{n}=''")).collect();
    let wide = format!("<MgmtTree\n{attributes}/>");
    assert!(is_bomb(&parse(wide.as_bytes()).unwrap_err()));
    for quoted in ["='>'", "=\"'>\"", "='\" b=>'"] {
        let wide = format!("<MgmtTree a{quoted}{attributes}/>");
        assert!(is_bomb(&parse(wide.as_bytes()).unwrap_err()), "what a value quotes ends no tag: {quoted}");
    }
    let many = "<a ".repeat(2_000_000);
    assert!(parse(many.as_bytes()).is_err(), "none of it is looked at twice");
    let prose = format!("<!-- 1 <b isn't {} --><MgmtTree>", "a tag ".repeat(600));
    assert_eq!(parsed(&with("").replacen("<MgmtTree>", &prose, 1)).roots.len(), 1);
    let nested: String = (0..100).map(|n| format!("<v xmlns:p{n}='u'>")).collect();
    assert!(is_bomb(&parse(nested.as_bytes()).unwrap_err()), "quadratic in the XML parser");
    // Where the root's tag is looked for, and the place of each node told, in one line without an end.
    let words = format!("<v>{}<p:v/></v>", "MgmtTree".repeat(500_000));
    let error = parse(words.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("unknown namespace prefix"), "{error}");
    let line = format!("<MgmtTree>{}</MgmtTree>", "<Node><NodeName>n</NodeName></Node>".repeat(100_000));
    assert_eq!(parsed(&line).roots.len(), 100_000);
    let many = "<!ENTITY a 'b'>".repeat(257);
    let many = format!("<!DOCTYPE a [{many}]>{}", with(""));
    assert!(is_bomb(&parse(many.as_bytes()).unwrap_err()));
    let large = parse(&vec![b' '; (8 << 20) + 1]).unwrap_err();
    assert_eq!((large.at, large.to_string()), (None, "larger than 8388608 bytes".to_owned()));
}

fn words() -> impl Strategy<Value = String> {
    // What XML can hold, without white space around it.
    "[^\u{0}-\u{20}\u{7f}-\u{a0}\u{1680}\u{2000}-\u{206f}\u{3000}\u{feff}\u{fff0}-\u{ffff}]\
     ([\t\n\r -~äß漢🦀]{0,12}[!-~ä])?"
}

fn a_name() -> impl Strategy<Value = (NodeName, bool)> {
    prop_oneof![
        "[A-Za-z][A-Za-z0-9_.&-]{0,8}".prop_map(|name| (NodeName::Named(name), false)),
        ("[a-z]{1,4}", any::<bool>())
            .prop_map(|(label, is_logical)| (NodeName::Unnamed(Some(label)), is_logical)),
        Just((NodeName::Unnamed(None), false)),
    ]
}

fn some_properties() -> impl Strategy<Value = Properties> {
    let occurrence = (0..Occurrence::WORDS.len(), any::<u32>()).prop_map(|(index, most)| {
        match Occurrence::WORDS[index].1 {
            Occurrence::ZeroOrN(_) => Occurrence::ZeroOrN(most),
            Occurrence::OneOrN(_) => Occurrence::OneOrN(most),
            other => other,
        }
    });
    let format = (0..Format::WORDS.len()).prop_map(|index| Format::WORDS[index].1);
    let mime = proptest::collection::btree_set("[a-z]{1,5}/[a-z]{1,5}", 0..3);
    let texts = proptest::collection::vec(proptest::option::of(words()), 4);
    (0u8..64, occurrence, format, any::<(bool, Option<bool>)>(), mime, texts).prop_map(
        |(access, occurrence, format, (permanent, insensitive), mime, texts)| {
            let mut texts = texts.into_iter();
            let mut text = || texts.next().flatten();
            let mime: Vec<String> = mime.into_iter().collect();
            let ddf_name = text().filter(|_| mime.is_empty());
            Properties {
                access: AccessType(access),
                occurrence,
                format,
                scope: if permanent { Scope::Permanent } else { Scope::Dynamic },
                case_sense: insensitive
                    .map(|yes| if yes { CaseSense::Insensitive } else { CaseSense::Sensitive }),
                default_value: text(),
                mime,
                ddf_name,
                title: text(),
                description: text(),
            }
        },
    )
}

fn a_leaf() -> impl Strategy<Value = Node> {
    (a_name(), proptest::option::of(words()), some_properties()).prop_map(
        |((name, is_logical), path, properties)| Node {
            name,
            is_logical,
            path,
            properties,
            children: Vec::new(),
        },
    )
}

fn a_node() -> impl Strategy<Value = Node> {
    a_leaf().prop_recursive(4, 24, 4, |child| {
        (a_leaf(), proptest::collection::vec(child, 0..4))
            .prop_map(|(node, children)| Node { children, ..node })
    })
}

/// What the DTD (DM_DDF-V1_2) says is in an element, as the names in their order, each with a blank behind it.
fn is_content(element: &str, names: &str) -> bool {
    const WORDS: [&str; 3] = [
        "AccessType: Add Copy Delete Exec Get Replace",
        "DFFormat: b64 bin bool chr int node null xml date time float",
        "Occurrence: One ZeroOrOne ZeroOrMore OneOrMore ZeroOrN OneOrN",
    ];
    let mut rest = names;
    let mut take = |name: &str| {
        let found = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
        found.inspect(|left| rest = left).is_some()
    };
    let sound = match element {
        "MgmtTree" => {
            let head = take("VerDTD");
            let _ = (take("Man"), take("Mod"));
            let one = take("Node");
            while take("Node") {}
            head && one
        }
        "Node" => {
            let head = take("NodeName");
            let _path = take("Path");
            let properties = take("DFProperties");
            while take("Node") {}
            head && properties
        }
        "DFProperties" => {
            let mut sound = true;
            for (name, required) in [
                ("AccessType", true),
                ("DefaultValue", false),
                ("Description", false),
                ("DFFormat", true),
                ("Occurrence", false),
                ("Scope", false),
                ("DFTitle", false),
                ("DFType", true),
                ("CaseSense", false),
            ] {
                sound &= take(name) || !required;
            }
            sound
        }
        "DFType" => {
            let mut types = 0;
            while take("MIME") {
                types += 1;
            }
            types > 0 || take("DDFName")
        }
        "Scope" => take("Permanent") || take("Dynamic"),
        "CaseSense" => take("CS") || take("CIS"),
        _ => match WORDS.iter().find_map(|line| line.split_once(": ").filter(|(name, _)| *name == element)) {
            Some(("AccessType", words)) => {
                for word in words.split(' ') {
                    let _may_be_there = take(word);
                }
                true
            }
            Some((_, words)) => words.split(' ').any(take),
            None => true,
        },
    };
    sound && rest.is_empty()
}

fn follows_the_dtd(xml: &str) {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(xml, options).unwrap();
    for element in document.descendants().filter(roxmltree::Node::is_element) {
        let children = element.children().filter(roxmltree::Node::is_element);
        let names: String = children.map(|child| format!("{} ", child.tag_name().name())).collect();
        let name = element.tag_name().name();
        assert!(is_content(name, &names), "<{name}> has {names}");
    }
}

#[test]
fn what_ships_follows_the_dtd() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("mo"), root.join("lab")].map(|folder| std::fs::read_dir(folder).unwrap());
    let mut found = 0;
    for folder in
        folders.into_iter().flatten().filter_map(|entry| std::fs::read_dir(entry.unwrap().path()).ok())
    {
        let files = folder.map(|entry| entry.unwrap().path());
        for file in files.filter(|file| file.to_str().unwrap().ends_with(".ddf.xml")) {
            follows_the_dtd(&std::fs::read_to_string(&file).unwrap());
            found += 1;
        }
    }
    assert!(found >= 4, "only {found}");
}

#[test]
fn of_mime_types_and_a_ddf_name_what_befits_the_format_stays() {
    let both = "<DFType><MIME>text/plain</MIME><DDFName>urn:x</DDFName></DFType>";
    let leaf = properties(&format!("<DFFormat><chr/></DFFormat>{both}"));
    assert_eq!((leaf.mime, leaf.ddf_name), (vec!["text/plain".to_owned()], None));
    let node = properties(&format!("<DFFormat><node/></DFFormat>{both}"));
    assert_eq!((node.mime, node.ddf_name.as_deref()), (vec![], Some("urn:x")));
}

proptest! {
    #[test]
    fn what_is_written_follows_the_dtd(roots in proptest::collection::vec(a_node(), 1..3)) {
        let ddf = Ddf { version: "1.2".to_owned(), manufacturer: None, model: Some("m".to_owned()), roots };
        follows_the_dtd(&ddf.to_xml());
    }

    #[test]
    fn what_is_written_is_read_back(
        version in "[0-9.]{0,5}",
        manufacturer in proptest::option::of(words()),
        model in proptest::option::of(words()),
        roots in proptest::collection::vec(a_node(), 1..3),
    ) {
        let ddf = Ddf { version, manufacturer, model, roots };
        prop_assert_eq!(parse(ddf.to_xml().as_bytes()), Ok(ddf));
    }

    #[test]
    fn bytes_never_panic(bytes: Vec<u8>, cut in 0..FIELD.len()) {
        let _ = parse(&bytes);
        let (start, end) = FIELD.as_bytes().split_at(cut);
        let _ = parse(&[start, &bytes, end].concat());
    }
}

mod strictly {
    use super::super::strict;

    fn told(xml: &str) -> Vec<String> {
        let fits = |_, text: &str| (text == "wrong").then(|| "it is wrong".to_owned());
        let all = strict(xml.as_bytes(), fits);
        all.into_iter().map(|one| format!("{}: {}", one.line.unwrap_or(0), one.what)).collect()
    }

    /// A sound leaf on line 5, with `from` replaced.
    fn leaf(from: &str, to: &str) -> Vec<String> {
        let whole = "<MgmtTree>\n<VerDTD>1.2</VerDTD>\n<Node><NodeName>R</NodeName><DFProperties><AccessType><Get/></AccessType>\
            <DFFormat><node/></DFFormat><DFType><DDFName/></DFType></DFProperties>\n\n\
            <Node><NodeName>A</NodeName><DFProperties><AccessType><Get/></AccessType><DefaultValue>x</DefaultValue>\
            <DFFormat><chr/></DFFormat><Occurrence><One/></Occurrence><Scope><Permanent/></Scope>\
            <DFType><MIME>text/plain</MIME></DFType></DFProperties></Node>\n</Node>\n</MgmtTree>";
        assert!(whole.contains(from), "{from}");
        let (before, after) = whole.rsplit_once(from).unwrap();
        told(&format!("{before}{to}{after}"))
    }

    #[test]
    fn what_is_sound_is_not_told() {
        assert_eq!(leaf("x", "y"), [""; 0]);
        assert_eq!(leaf("<DFProperties>", "<RTProperties><x/></RTProperties><DFProperties>"), [""; 0]);
        assert_eq!(leaf("<Get/>", "<Get/><Add/><v:x xmlns:v='urn:v'><v:y/></v:x>"), [""; 0], "others' own");
    }

    #[test]
    fn each_fault_is_told_once_with_its_line() {
        for (from, to, expected) in [
            ("<DFFormat><chr/></DFFormat>", "", "5: <DFProperties> has no <DFFormat>"),
            ("<AccessType><Get/></AccessType>", "", "5: <DFProperties> has no <AccessType>"),
            ("<NodeName>A</NodeName>", "\n", "5: <Node> has no <NodeName>"),
            (
                "<chr/>",
                "<Chr/>",
                "5: <Chr/> means nothing in <DFFormat>: it is passed over; did you mean <chr>?",
            ),
            ("<chr/>", "", "5: <DFFormat> has none of these: expected one of b64, bin"),
            ("<chr/>", "<chr/><int/>", "5: <DFFormat> has several of these"),
            (
                "<chr/>",
                "chr",
                "5: <DFFormat> has text in it, where elements are expected: a word is an empty element",
            ),
            ("<One/>", "<ZeroOrN>x</ZeroOrN>", "5: <ZeroOrN> holds \"x\": expected a whole number"),
            ("<Get/>", "<Get/><Reed/>", "5: <Reed> means nothing in <AccessType>"),
            ("<Get/>", "<Delete/><Get/>", "5: has <Delete/>, and is <Permanent/>"),
            ("<Scope>", "<Colour/><Scope>", "5: <Colour> means nothing in <DFProperties>"),
            ("<Scope>", "<NodeName>B</NodeName><Scope>", "5: <NodeName> does not belong into <DFProperties>"),
            ("<Scope>", "<Scope><Dynamic/></Scope>\n<Scope>", "6: <Scope> is there twice in <DFProperties>"),
            (
                "</DFProperties>",
                "</DFProperties><DFTitle>t</DFTitle>",
                "5: <DFTitle> stands in <Node>: it belongs into",
            ),
            ("<MIME>text/plain</MIME>", "", "5: <DFType> has neither <MIME> nor <DDFName>"),
            ("<MIME>text/plain</MIME>", "<DDFName/>", "5: is a leaf without a <MIME>"),
            ("<One/>", "<OneOrMore/>", "5: has a name of its own, and occurs OneOrMore"),
            (">x<", ">wrong<", "5: has a DefaultValue that its format can't hold: it is wrong"),
            (">A<", ">a/b<", "5: has a `/` in its name"),
            (
                "</Node>\n</MgmtTree>",
                "</Node>\n<Other/></MgmtTree>",
                "7: <Other> means nothing in <MgmtTree>",
            ),
            ("<VerDTD>1.2</VerDTD>", "", "1: <MgmtTree> has no <VerDTD>"),
        ] {
            let told = leaf(from, to);
            assert!(
                told.iter().any(|one| one.starts_with(&expected.replace("<Chr/>", "<Chr>"))),
                "{to}: {told:#?}"
            );
            assert!(told.len() <= 3, "{to}: {told:#?}");
        }
        let twice = leaf(
            "</Node>\n</MgmtTree>",
            "<Node>\n<NodeName>A</NodeName><DFProperties/></Node></Node>\n</MgmtTree>",
        );
        assert!(
            twice.iter().any(|one| one.starts_with("6: is described twice below its parent")),
            "{twice:#?}"
        );
    }

    #[test]
    fn what_is_no_ddf_is_told_and_nothing_grows() {
        assert_eq!(told("<html/>"), ["1: <html> is no DDF: there is no <MgmtTree> in it"]);
        assert_eq!(told("<MgmtTree>").len(), 1);
        let many = format!("<MgmtTree>{}</MgmtTree>", "<Node><x/></Node>\n".repeat(50_000));
        assert_eq!(told(&many).len(), 200);
        let deep = format!("<MgmtTree>{}{}</MgmtTree>", "<Node>".repeat(5000), "</Node>".repeat(5000));
        assert!(!told(&deep).is_empty());
    }
}
