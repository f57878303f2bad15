//! Package#2, as good and bad servers write it.

use super::*;

fn read(body: &str) -> Package2 {
    decode(Some(REQUEST), body.as_bytes()).unwrap()
}

fn error(body: &str) -> PackageError {
    decode(Some(REQUEST), body.as_bytes()).unwrap_err()
}

fn good(name: &str, parameters: &[&str]) -> Command {
    Command {
        verb: name.to_owned().into(),
        parameters: Some(parameters.iter().map(|&p| p.to_owned()).collect()),
    }
}

fn bad(name: &str) -> Command {
    Command { verb: name.to_owned().into(), parameters: None }
}

#[test]
fn the_example_of_ts_7_3_is_read() {
    let package = read(
        r#"{ "CMD": [
            ["HPOST", "https://DMcontent.DMserver.operator.com/[DevID]",
                "urn:oma:mo:oma-dm-devinfo:1.0//", "urn:oma:mo:oma-sessioninfomo:1.0//"],
            ["HGET", "https://DMcontent.DMserver.operator.com/new_mo"],
            ["GET", "urn:oma:mo:oma-sessioninfomo:1.0//CBT"] ] }"#,
    );
    let post = [
        "https://DMcontent.DMserver.operator.com/[DevID]",
        "urn:oma:mo:oma-dm-devinfo:1.0//",
        "urn:oma:mo:oma-sessioninfomo:1.0//",
    ];
    let expected = [
        good("HPOST", &post),
        good("HGET", &["https://DMcontent.DMserver.operator.com/new_mo"]),
        good("GET", &["urn:oma:mo:oma-sessioninfomo:1.0//CBT"]),
    ];
    assert_eq!(package, Package2 { commands: expected.into(), ..Package2::default() });
}

#[test]
fn the_older_form_is_read() {
    let package = read(
        r#"{ "SessionInfo": { "SessionID": "1234", "PkgSeq": 1, "AcceptMO": "application/vnd.oma.dm.mo+json" },
            "Cmds": [ { "HPOST": ["a", "b"] }, { "GET": ["c"] }, { "END": [] } ],
            "Results": [ { "Code": 200 }, { "Code": 415, "Text": "?" } ] }"#,
    );
    assert_eq!(package.commands, [good("HPOST", &["a", "b"]), good("GET", &["c"]), good("END", &[])]);
    assert_eq!(package.accept_mo.unwrap(), ["application/vnd.oma.dm.mo+json"]);
    assert_eq!(package.results, [200, 415]);
}

#[test]
fn a_malformed_command_spoils_no_other() {
    let cases = [
        (r#"["END"]"#, good("END", &[])),
        (r#"["G\u0045T","\u00e9\/"]"#, good("GET", &["é/"])),
        (r#"[""]"#, good("", &[])),
        ("0", bad("")),
        ("1e999", bad("")),
        ("null", bad("")),
        (r#""END""#, bad("")),
        ("[]", bad("")),
        ("{}", bad("")),
        ("[1]", bad("")),
        (r#"[["GET","u"]]"#, bad("")),
        (r#"["GET",1]"#, bad("GET")),
        (r#"["GET",-1e999,"u"]"#, bad("GET")),
        (r#"["GET",["u"]]"#, bad("GET")),
        (r#"["GET","\ud800"]"#, bad("GET")),
        (r#"["\ud800","u"]"#, bad("")),
        (r#"["NO\nSUCH",{}]"#, bad("NO\nSUCH")),
        (r#"{"GET":"u"}"#, bad("GET")),
        (r#"{"GET":null}"#, bad("GET")),
        (r#"{"GET":["u",1]}"#, bad("GET")),
        (r#"{"GET":["u"],"END":[]}"#, bad("")),
        (r#"{"GET":["u"],"GET":["v"]}"#, bad("")),
    ];
    for (text, expected) in cases {
        let package = read(&format!(r#"{{"CMD":[["A","b"],{text},["END"]]}}"#));
        assert_eq!(package.commands, [good("A", &["b"]), expected, good("END", &[])], "{text}");
    }
}

#[test]
fn an_empty_array_is_a_package() {
    for body in
        [r#"{"CMD":[]}"#, r#"{"Cmd":[]}"#, r#" {"Cmds" : [ ] , "more":{"CMD":[1]}} "#, "\u{feff}{\"CMD\":[]}"]
    {
        assert_eq!(read(body), Package2::default(), "{body}");
    }
}

#[test]
fn an_alert_in_package2_means_nothing() {
    let alert = r#"{"Items":[{"AlertType":"urn:t","Data":{}}]}"#;
    let package = read(&format!(r#"{{"Alert":{alert},"CMD":[["GET","u"]]}}"#));
    assert_eq!(package, Package2 { commands: vec![good("GET", &["u"])], ..Package2::default() });
}

#[test]
fn what_is_no_package_says_why() {
    use PackageError::*;
    for body in [
        "",
        " ",
        "{",
        "[]",
        "null",
        r#"{"CMD":[]"#,
        r#"{"CMD":[],}"#,
        r#"{"CMD":[]}x"#,
        r#"{"CMD":[[}"#,
        "CMD",
    ] {
        assert!(matches!(error(body), NotAnObject(_)), "{body:?}: {}", error(body));
    }
    assert!(matches!(error(r#"{"cmd":[],"x":1}"#), NoCommands));
    assert!(matches!(error(r#"{"CMD":[],"Cmds":[]}"#), CommandsTwice("CMD", "Cmds")));
    assert!(matches!(error(r#"{"CMD":[],"C\u004dD":[]}"#), Twice("CMD")));
    assert!(matches!(error(r#"{"CMD":[],"Results":[],"Results":[]}"#), Twice("Results")));
    for body in [r#"{"CMD":{"GET":["u"]}}"#, r#"{"CMD":null}"#, r#"{"CMD":"END"}"#] {
        assert!(matches!(error(body), CommandsNotAnArray("CMD")), "{body}");
    }
    assert!(matches!(decode(Some(REQUEST), b"{\"CMD\":[\"\xff\"]}"), Err(NotUtf8(_))));
}

#[test]
fn only_its_own_content_type_is_read() {
    let body = br#"{"CMD":[]}"#;
    for good in [
        REQUEST,
        "Application/VND.oma.dm.Request+JSON ; charset=utf-8",
        " application/vnd.oma.dm.request+json",
    ] {
        assert!(decode(Some(good), body).is_ok(), "{good}");
    }
    for bad in [
        "application/json",
        "",
        RESPONSE,
        "application/vnd.oma.dm.request+jsonx",
        "text/html; x=application/vnd.oma.dm.request+json",
    ] {
        assert!(matches!(decode(Some(bad), body), Err(PackageError::ContentType(_))), "{bad}");
    }
    assert!(matches!(decode(None, body), Err(PackageError::NoContentType)));
}

#[test]
fn accept_mo_is_a_list_by_preference() {
    let cases: [(&str, Option<&[&str]>); 10] = [
        (r#""a/b""#, Some(&["a/b"])),
        (r#"["A/b; charset=x","c/d"]"#, Some(&["a/b", "c/d"])),
        (r#""d/d;q=0,a/a;q=0.1, b/b , c/c;level=1; Q=0.5""#, Some(&["b/b", "c/c", "a/a", "d/d;q=0"])),
        (r#""a/a;q=nan, b/b;q=-1""#, Some(&["a/a", "b/b;q=0"])),
        (r#""a/a; q=0.000""#, Some(&["a/a;q=0"])),
        (r#""""#, Some(&[])),
        (r#"" , ,""#, Some(&[])),
        ("[]", Some(&[])),
        ("1", None),
        (r#"["a/b",1]"#, None),
    ];
    for (value, expected) in cases {
        let read = read(&format!(r#"{{"CMD":[],"SessionInfo":{{"AcceptMO":{value}}}}}"#)).accept_mo;
        assert_eq!(
            read.as_ref().map(|types| types.iter().map(String::as_str).collect::<Vec<_>>()).as_deref(),
            expected,
            "{value}"
        );
    }
    assert_eq!(read(r#"{"CMD":[],"SessionInfo":[]}"#).accept_mo, None);
}

#[test]
fn results_keep_their_positions() {
    let results =
        read(r#"{"CMD":[],"Results":[{"Code":200},{"x":1},500,"?",[415,"u"],[],{"sc":202},70000,-1]}"#)
            .results;
    assert_eq!(results, [200, 0, 500, 0, 415, 0, 202, 0, 0]);
    assert_eq!(read(r#"{"CMD":[],"Status":[[200],[404]]}"#).results, [200, 404]);
    assert!(read(r#"{"CMD":[],"Results":{}}"#).results.is_empty());
}

#[test]
fn a_megabyte_of_anything_is_read() {
    let megabyte = |piece: &str| {
        let count = (1 << 20) / (piece.len() + 1);
        let body = format!("{{\"CMD\":[{}]}}", vec![piece; count].join(","));
        assert_eq!(read(&body).commands.len(), count);
    };
    megabyte(r#"["A"]"#);
    megabyte("0");
    megabyte(r#"{"A":[]}"#);
    let deep = "[".repeat(1 << 19) + &"]".repeat(1 << 19);
    assert_eq!(
        read(&format!(r#"{{"CMD":[["GET",{deep}],{deep}],"x":{deep}}}"#)).commands,
        [bad("GET"), bad("")]
    );
    let wide = vec![r#""""#; 1 << 18].join(",");
    assert_eq!(
        read(&format!(r#"{{"CMD":[["GET",{wide}]]}}"#)).commands[0].parameters.as_ref().unwrap().len(),
        1 << 18
    );
}

#[test]
fn a_verb_is_read_by_the_name_that_the_ts_gives_it() {
    let names =
        ["CONT", "DEFAULT", "DELETE", "END", "EXEC", "GET", "HGET", "HPOST", "HPUT", "SHOW", "SUB", "UNSUB"];
    let read = names.map(|name| Verb::from(name.to_owned()));
    assert_eq!(read, Verb::KNOWN);
    assert_eq!(read.each_ref().map(ToString::to_string), names);
    let draft: Vec<&str> =
        read.iter().filter(|verb| Profile::Draft.has_command(verb)).map(Verb::name).collect();
    assert_eq!(draft, names[..10]);
    assert!(read.iter().all(|verb| Profile::Approved.has_command(verb)));
    for other in ["", "get", "GETS", "CMD"] {
        let verb = Verb::from(other.to_owned());
        assert_eq!(verb, Verb::Unknown(other.to_owned()));
        assert!(!Profile::Draft.has_command(&verb) && !Profile::Approved.has_command(&verb), "{other:?}");
    }
}
