use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::mo::mapping::Select;

fn variable(name: &str) -> Setting {
    Setting::Variable(name.to_owned())
}

fn key(section: Option<&str>, name: &str) -> Setting {
    Setting::Key { section: section.map(str::to_owned), name: name.to_owned() }
}

fn member(path: &[&str]) -> Setting {
    let step = |step: &&str| match step.parse() {
        Ok(index) => Select::Index(index),
        Err(_) => Select::Key((*step).to_owned()),
    };
    Setting::Member(path.iter().map(step).collect())
}

#[track_caller]
fn write(setting: &Setting, file: &str, value: &str) -> String {
    String::from_utf8(setting.write(file.as_bytes(), value, Format::Chr).unwrap()).unwrap()
}

#[track_caller]
fn read(setting: &Setting, file: &str) -> Option<String> {
    setting.read(file.as_bytes()).unwrap()
}

#[test]
fn a_shell_file_keeps_all_but_the_value() {
    let a = variable("A");
    for (before, value, after) in [
        ("A=1\n", "2", "A=2\n"),
        ("# A=0\r\nA=1 # why\r\nB=2", "3", "# A=0\r\nA=3 # why\r\nB=2"),
        ("A=1\nA=2\nAA=3\n", "x", "A=1\nA=x\nAA=3\n"),
        ("export A=\"one two\"; B=3\n", "it's", "export A=\"it's\"; B=3\n"),
        ("A='x'\n", "a b$c", "A='a b$c'\n"),
        ("A='x'\n", "it's $5", "A=\"it's \\$5\"\n"),
        ("A=x\n", "a b", "A='a b'\n"),
        ("A=x\n", "", "A=''\n"),
        ("A=\n", "v", "A=v\n"),
        ("  A = 1  # spaced\n", "2", "  A = 2  # spaced\n"),
        ("B=1", "2", "B=1\nA=2\n"),
        ("B=1\r\n", "2", "B=1\r\nA=2\r\n"),
        ("export B=1\n", "2", "export B=1\nexport A=2\n"),
        ("", "2", "A=2\n"),
        ("A=\"two\nlines\"\nB=1\n", "one", "A=\"one\"\nB=1\n"),
        ("B='x' A=1 C=3\n", "2", "B='x' A=2 C=3\n"),
        ("B=1 \\\n  A=2\n", "3", "B=1 \\\n  A=3\n"),
        ("A=1 ls\nA=2\n", "3", "A=1 ls\nA=3\n"),
        ("A=1&&B=2\n", "3", "A=3&&B=2\n"),
        ("echo A=1\n", "2", "echo A=1\nA=2\n"),
    ] {
        let written = write(&a, before, value);
        assert_eq!(written, after, "{before:?}");
        assert_eq!(read(&a, &written).as_deref(), Some(value));
    }
}

#[test]
fn what_a_shell_says_of_quotes_is_read() {
    for (file, value) in [
        ("A=a\"b c\"'d'\\ e", "ab cd e"),
        ("A=\"a\\\"b\\\\ \\n\"", "a\"b\\ \\n"),
        ("A='$HOME `x`'", "$HOME `x`"),
        ("A=\"\\$5\"", "$5"),
        ("A=1;B=2", "1"),
        ("A=a#b", "a#b"),
        ("\u{feff}A=1", "1"),
        ("A=\\", "\\"),
    ] {
        assert_eq!(read(&variable("A"), file).as_deref(), Some(value), "{file:?}");
    }
    for absent in ["", "AB=1", "#A=1", "B=1 ls", "ls A = 1", "'A=1'", "A", "export A", "B=\"\nA=1\n\""] {
        assert_eq!(read(&variable("A"), absent), None, "{absent:?}");
    }
}

#[test]
fn what_only_a_shell_knows_is_neither_read_nor_written() {
    for file in ["A=$B", "A=\"$B\"", "A=`date`", "A=$(date +%s)", "A=(1 2)", "A+=x", "A=\"$(echo \"x\")\""] {
        for result in [
            variable("A").read(file.as_bytes()).map(drop),
            variable("A").write(file.as_bytes(), "1", Format::Chr).map(drop),
        ] {
            assert!(matches!(result, Err(SettingError::Computed { line: 1, .. })), "{file}: {result:?}");
        }
    }
    let open = variable("A").read(b"A=1\nB='\n").unwrap_err();
    assert_eq!(open.to_string(), "line 2: a quote that nothing ends");
    variable("A").read(b"A=\xff\n").unwrap_err();
    assert_eq!(variable("A").read(b"# \xe9t\xe9\nA=1 # \xff\n").unwrap().as_deref(), Some("1"));
}

#[test]
fn a_value_that_goes_on_without_quotes_is_neither_passed_over_nor_written_twice() {
    for file in [
        "A=ACME UPS 500",
        "B=1\nA=OL CHRG\n",
        "A = ACME UPS",
        "A =ACME UPS # why",
        "A= ACME UPS",
        "A=1\nA=2 3",
        "export A=ACME UPS 500",
        "A=http://a/?b=1&c=2",
        "A=<none>",
        "A=a|b",
    ] {
        for result in [
            variable("A").read(file.as_bytes()).map(drop),
            variable("A").write(file.as_bytes(), "1", Format::Chr).map(drop),
        ] {
            assert!(matches!(result, Err(SettingError::Unquoted { .. })), "{file}: {result:?}");
        }
    }
    let error = variable("A").read(b"\nA=OL CHRG").unwrap_err().to_string();
    assert!(error.starts_with("line 2: ") && error.contains("`syntax = \"ini\"` reads it"), "{error}");
    assert_eq!(read(&key(None, "A"), "A=OL CHRG\n").as_deref(), Some("OL CHRG"));
    assert_eq!(write(&key(None, "A"), "A=OL CHRG\n", "OB"), "A=OB\n");
}

#[test]
fn an_ini_file_keeps_all_but_the_value() {
    let a = key(Some("s"), "a");
    for (before, value, after) in [
        ("[s]\na=1\n", "2", "[s]\na=2\n"),
        ("a=0\n[s]\r\n; a=9\r\n a = 1 ; why\r\n", "2", "a=0\n[s]\r\n; a=9\r\n a = 2 ; why\r\n"),
        ("[s]\na=1\n[t]\na=2\n[s]\na=3\n", "4", "[s]\na=1\n[t]\na=2\n[s]\na=4\n"),
        ("[s]\na = \"x y\" # c\n", "z", "[s]\na = \"z\" # c\n"),
        ("[s]\na = \"x\"\n", "say \"hi\"", "[s]\na = say \"hi\"\n"),
        ("[s]\na=1\n", "b # c", "[s]\na=\"b # c\"\n"),
        ("[s]\na=1\n", "b#c;d", "[s]\na=b#c;d\n"),
        ("[s]\na=\n", "1", "[s]\na=1\n"),
        ("[s]\na= ; none\n", "1", "[s]\na= 1 ; none\n"),
        ("[s]\na=1\n", "", "[s]\na=\n"),
        ("[s]\nb = 1\n\n[t]\nc=1\n", "2", "[s]\nb = 1\na = 2\n\n[t]\nc=1\n"),
        ("[s]\n\tb = 1\n# of b\n\n\n[t]\n", "2", "[s]\n\tb = 1\n# of b\n\ta = 2\n\n\n[t]\n"),
        ("[s]", "2", "[s]\na=2\n"),
        ("[t]\r\nb: 1", "2", "[t]\r\nb: 1\r\n\r\n[s]\r\na: 2\r\n"),
        ("", "2", "[s]\na=2\n"),
        ("[ s ]\na=1\n", "2", "[ s ]\na=2\n"),
        ("[s]\nflag\na=1\n", "2", "[s]\nflag\na=2\n"),
    ] {
        let written = write(&a, before, value);
        assert_eq!(written, after, "{before:?}");
        assert_eq!(read(&a, &written).as_deref(), Some(value));
    }
    let global = key(None, "net.ipv4.ip_forward");
    assert_eq!(
        write(&global, "# sysctl\nnet.core = 1\n", "1"),
        "# sysctl\nnet.core = 1\nnet.ipv4.ip_forward = 1\n"
    );
    assert_eq!(write(&global, "[s]\na=1\n", "1"), "net.ipv4.ip_forward=1\n\n[s]\na=1\n");
    assert_eq!(read(&global, "net.ipv4.ip_forward: 1"), Some("1".to_owned()));
}

#[test]
fn what_an_ini_line_can_not_hold_is_refused() {
    let a = key(Some("s"), "a");
    for value in ["two\nlines", "\r", " ' \" ", "nul\0"] {
        assert!(
            matches!(a.write(b"[s]\na=1\n", value, Format::Chr), Err(SettingError::Unwritable(_))),
            "{value:?}"
        );
    }
    let folded = b"[s]\na=1 \\\n 2\n";
    assert!(matches!(a.read(folded), Err(SettingError::Computed { line: 2, .. })));
    assert!(matches!(a.write(folded, "1", Format::Chr), Err(SettingError::Computed { .. })));
    assert!(matches!(a.read(b"[s\na=1\n"), Err(SettingError::Syntax { line: 1, .. })));
}

#[test]
fn a_json_file_keeps_all_but_the_value() {
    let b = member(&["a", "b"]);
    for (before, value, format, after) in [
        (r#"{"a": {"b": 1.10}}"#, "2", Format::Int, r#"{"a": {"b": 2}}"#),
        (r#"{"a":{"b":"1"}}"#, "2", Format::Int, r#"{"a":{"b":"2"}}"#),
        (r#"{"a":{"b":true }}"#, "false", Format::Bool, r#"{"a":{"b":false }}"#),
        (r#"{"a":{"b":1,"b":2}}"#, "3", Format::Int, r#"{"a":{"b":1,"b":3}}"#),
        (r#"{"a":{"\u0062":1}}"#, "3", Format::Int, r#"{"a":{"\u0062":3}}"#),
        (r#"{"a":{"b":null}}"#, "x\"y", Format::Chr, r#"{"a":{"b":"x\"y"}}"#),
        (r#"{"a":{}}"#, "1", Format::Int, r#"{"a":{"b": 1}}"#),
        (
            "{\r\n  \"a\" : {\r\n    \"c\" : \"},\\\"\"\r\n  }\r\n}",
            "1",
            Format::Chr,
            "{\r\n  \"a\" : {\r\n    \"c\" : \"},\\\"\",\r\n    \"b\" : \"1\"\r\n  }\r\n}",
        ),
        ("{\n  \"c\": [1, {}]\n}\n", "1", Format::Float, "{\n  \"c\": [1, {}],\n  \"a\": {\"b\": 1}\n}\n"),
        ("", "x", Format::Chr, "{\"a\": {\"b\": \"x\"}}\n"),
    ] {
        let written = String::from_utf8(b.write(before.as_bytes(), value, format).unwrap()).unwrap();
        assert_eq!(written, after);
        assert_eq!(read(&b, &written).as_deref(), Some(value));
    }
    let second = member(&["1", "x"]);
    assert_eq!(write(&second, r#"[{"x":1}, {"x":2}]"#, "3"), r#"[{"x":1}, {"x":3}]"#);
    for (setting, file) in [
        (member(&["3"]), "[1]"),
        (member(&["a", "b"]), r#"{"a":1}"#),
        (member(&["a", "b"]), r#"{"a":{"b":[1]}}"#),
        (member(&["a", "0"]), "{}"),
        (member(&["a"]), "[1]"),
    ] {
        assert!(
            matches!(setting.write(file.as_bytes(), "1", Format::Int), Err(SettingError::Unwritable(_))),
            "{file}"
        );
    }
    for broken in ["{", "{\"a\":1,}", "{} {}", &"[".repeat(100_000)] {
        assert!(
            matches!(b.write(broken.as_bytes(), "1", Format::Int), Err(SettingError::Json(_))),
            "{broken:.20}"
        );
        assert!(matches!(b.read(broken.as_bytes()), Err(SettingError::Json(_))));
    }
}

#[test]
fn a_large_file_takes_one_pass() {
    let lines = "# filler = 1 \"\n".repeat(70_000);
    let file = format!("{lines}A=1\n{lines}");
    assert_eq!(write(&variable("A"), &file, "2"), format!("{lines}A=2\n{lines}"));
    assert_eq!(write(&key(None, "A"), &file, "2"), format!("{lines}A=2\n{lines}"));
    let json = format!("[{}{{\"A\":1}}]", "{\"x\":[1,2,3]},".repeat(70_000));
    let last = member(&["70000", "A"]);
    assert_eq!(write(&last, &json, "2"), json.replace("\"A\":1", "\"A\":2"));
}

/// Files as people write them, and worse.
fn file() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[AB]=[a-z0-9]{0,3}",
        "[ab] ?[=:] ?[a-z0-9 ]{0,4}",
        "[AB]=\"[a-z '#]{0,4}\"",
        "[AB]='[a-z \"#]{0,4}'",
        "[#;] ?[aA]=[a-z'\"]{0,3}",
        Just("[s]".to_owned()),
        Just("[t]".to_owned()),
        " {0,2}",
        "[ -~]{0,6}",
    ];
    let end = prop_oneof![4 => Just("\n"), 1 => Just("\r\n")];
    (prop::collection::vec((part, end), 0..8), any::<bool>()).prop_map(|(lines, last)| {
        let mut file: String = lines.into_iter().flat_map(|(line, end)| [line, end.to_owned()]).collect();
        if !last {
            file.truncate(file.trim_end_matches(['\r', '\n']).len());
        }
        file
    })
}

fn json(depth: u32) -> impl Strategy<Value = Json> {
    let leaf =
        prop_oneof![any::<i32>().prop_map(Json::from), "[ -~]{0,4}".prop_map(Json::from), Just(Json::Null)];
    leaf.prop_recursive(depth, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            prop::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// What is before and after the one place that was written.
fn is_one_splice(before: &[u8], after: &[u8], most: usize) -> bool {
    let head = before.iter().zip(after).take_while(|(old, new)| old == new).count();
    let (old, new) = (&before[head..], &after[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    old.len() - tail <= most
}

proptest! {
    #[test]
    fn what_is_written_reads_back_and_the_rest_stays(file in file(), value in "[ -~]{0,8}") {
        for setting in [variable("A"), key(None, "a"), key(Some("s"), "a")] {
            let old = setting.read(file.as_bytes());
            let Ok(written) = setting.write(file.as_bytes(), &value, Format::Chr) else { continue };
            prop_assert_eq!(setting.read(&written), Ok(Some(value.clone())));
            // Only the value goes, with its quotes.
            let old = old.unwrap_or_default().map_or(0, |old| old.len() * 2 + 2);
            prop_assert!(is_one_splice(file.as_bytes(), &written, old), "{:?}", String::from_utf8_lossy(&written));
            // Every other setting says what it said.
            for other in [variable("B"), key(None, "b"), key(Some("s"), "b"), key(Some("t"), "a")] {
                if matches!((&setting, &other), (Setting::Variable(_), Setting::Variable(_)) | (Setting::Key { .. }, Setting::Key { .. })) {
                    // A line that was added moves the places of errors.
                    let said = |file: &[u8]| other.read(file).map_err(|error| std::mem::discriminant(&error));
                    prop_assert_eq!(said(&written), said(file.as_bytes()), "{}", other);
                }
            }
        }
    }

    #[test]
    fn what_is_written_to_json_is_the_one_change(document in json(4), value in "[ -~]{0,8}", pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        for path in [&["a"][..], &["a", "b"], &["b", "1"]] {
            let setting = member(path);
            let Ok(written) = setting.write(text.as_bytes(), &value, Format::Chr) else { continue };
            let mut now: Json = serde_json::from_slice(&written).unwrap();
            prop_assert_eq!(setting.read(&written), Ok(Some(value.clone())));
            // Without the member it is the document that it was, without it.
            let pointer: String = path.iter().map(|step| format!("/{step}")).collect();
            let mut was = document.clone();
            if setting.read(text.as_bytes()) == Ok(None) && was.pointer(&pointer).is_none() {
                continue;
            }
            for document in [&mut now, &mut was] {
                *document.pointer_mut(&pointer).unwrap() = Json::Null;
            }
            prop_assert_eq!(now, was);
        }
    }

    #[test]
    fn no_bytes_panic(file in prop::collection::vec(any::<u8>(), 0..64), value in any::<String>()) {
        for setting in [variable("A"), key(None, "a"), key(Some("s"), "a"), member(&["a", "0"])] {
            let _ = setting.read(&file);
            let _ = setting.write(&file, &value, Format::Int);
        }
    }
}
