//! `list`.

use std::sync::Arc;

use super::*;
use crate::mo::mapping::{RecordsPlace, RecordsShape};

#[tokio::test]
async fn globs_name_children() {
    let bench = Bench::new()
        .file("/sys/net/eth0/mtu", "1500")
        .file("/sys/net/br:1/mtu", "1500")
        .file("/sys/net/.hidden/mtu", "1")
        .file("/dev/ttyS0", "")
        .file("/dev/ttyUSB1", "");
    let glob = async |pattern: &str| {
        let children = bench.list(ListFrom::Glob(pattern.into()), 1024).await?;
        Ok::<_, BackendError>(
            children.into_iter().map(|child| (child.name, child.captured)).collect::<Vec<_>>(),
        )
    };
    let pair = |name: &str, captured: &str| (name.to_owned(), captured.to_owned());
    assert_eq!(glob("/sys/net/*").await.unwrap(), [pair("br%3A1", "br:1"), pair("eth0", "eth0")]);
    assert_eq!(glob("/sys/net/*/mtu").await.unwrap(), [pair("br%3A1", "br:1"), pair("eth0", "eth0")]);
    assert_eq!(glob("/dev/tty*[0-9]").await.unwrap(), [pair("S", "S"), pair("USB", "USB")]);
    assert_eq!(glob("/none/*").await.unwrap(), []);
    // The same name twice.
    let twice = glob("/*/*").await.unwrap_err().to_string();
    assert_eq!(twice, "/*/*: \"dev\" is there twice");
    for pattern in ["/sys/net", "/sys/*-*", "/../*", "/**"] {
        glob(pattern).await.unwrap_err();
    }
    assert_eq!(bench.list(ListFrom::Glob("/sys/net/*".into()), 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_utf_8_costs_nobody_else() {
    let bench = Bench::new().file("/leases", b"a one\nb caf\xe9\n\xff two\nc three\n");
    let place = RecordsPlace::File(literal("/leases"));
    let matching = Some(Pattern::new(r"^(?<id>\S+) (?<host>.+)$").unwrap());
    let shape = RecordsShape::Lines { matching, key: Some("id".to_owned()) };
    let children = bench.list(ListFrom::Records { place, shape }, 10).await.unwrap();
    let host = |child: &Child| child.item.as_ref().unwrap()["host"].as_str().unwrap().to_owned();
    let found: Vec<_> = children.iter().map(|child| (child.name.as_str(), host(child))).collect();
    let host = |text: &str| text.to_owned();
    assert_eq!(found, [("a", host("one")), ("b", host("caf\u{fffd}")), ("c", host("three"))]);
}

#[tokio::test]
async fn links_lead_to_what_is_below_the_sysroot() {
    use std::os::unix::fs::symlink;
    let bench = Bench::new().file("/tmp/lib/one/id", "1").file("/sys/base/model", "Banana Pi\0");
    for (target, link) in [
        ("/tmp", "var"),
        ("/sys/base", "tree"),
        ("/etc/passwd", "users"),
        ("/round", "round"),
        ("/etc", "tmp/lib/etc"),
    ] {
        symlink(target, bench.path(link)).unwrap();
    }
    let glob = async |pattern: &str| {
        let children = bench.list(ListFrom::Glob(pattern.into()), 10).await.unwrap();
        children.into_iter().map(|child| child.name).collect::<Vec<_>>()
    };
    assert_eq!(glob("/var/lib/*/id").await, ["one"]);
    assert_eq!(glob("/v*/lib/one/id").await, ["ar"]);
    assert_eq!(glob("/var/lib/etc/*").await, [""; 0]);
    let read = async |path: &str| bench.read(vec![file_source(path)], Format::Chr).await;
    assert_eq!(read("/tree/model").await.unwrap(), text("Banana Pi"));
    // What the machine that builds has there is none of its business.
    for outside in ["/users", "/tmp/lib/etc/passwd"] {
        assert!(matches!(read(outside).await, Ok(Answer::Absent(_))), "{outside}");
    }
    assert!(matches!(read("/round").await, Err(BackendError::File { .. })));
}

#[tokio::test]
async fn names_that_are_not_utf_8_are_passed_over() {
    use std::os::unix::ffi::OsStrExt as _;
    let bench = Bench::new().file("/d/good/v", "1").file("/d/.hidden/v", "1").file("/d/zzz/v", "1");
    for name in [b"caf\xe9".as_slice(), b"\xff", b"\xc3"] {
        fs::create_dir(bench.path("/d").join(std::ffi::OsStr::from_bytes(name))).unwrap();
    }
    for pattern in ["/d/*", "/d/*/v", "/d/*/**/v"] {
        let children = bench.list(ListFrom::Glob(pattern.into()), 10).await.unwrap();
        let names: Vec<_> = children.into_iter().map(|child| child.name).collect();
        assert_eq!(names, ["good", "zzz"], "{pattern}");
    }
    assert_eq!(bench.list(ListFrom::Glob("/d/.*".into()), 10).await.unwrap()[0].name, "hidden");
}

#[tokio::test]
async fn nested_globs_use_the_names_above() {
    let mut bench = Bench::new().file("/net/eth0/queues/rx-0", "").file("/net/[ab]/queues/rx-1", "");
    let glob = || ListFrom::Glob("/net/{if}/queues/rx-*".into());
    bench.names = vec![("if".into(), "[ab]".into())];
    assert_eq!(bench.list(glob(), 10).await.unwrap()[0].name, "1");
    bench.names = vec![("if".into(), "..".into())];
    assert!(matches!(bench.list(glob(), 10).await, Err(BackendError::Fill(_))));
}

#[tokio::test]
async fn programs_name_children() {
    let bench = Bench::new();
    let names = async |script: &str, json, key: Option<&str>| {
        let argv = shell(script);
        let key = key.map(str::to_owned);
        let shape = match json {
            true => RecordsShape::Json { select: Vec::new(), key },
            false => RecordsShape::Lines { matching: None, key },
        };
        let from = ListFrom::Records { place: RecordsPlace::Run(argv), shape };
        let children = bench.list(from, 10).await?;
        Ok::<_, BackendError>(
            children
                .into_iter()
                .map(|child| (child.name, child.item.map(Arc::unwrap_or_clone)))
                .collect::<Vec<_>>(),
        )
    };
    let leases = r#"echo '[{"mac":"aa:bb","ip":"192.0.2.7"}]'"#;
    let item = json!({ "mac": "aa:bb", "ip": "192.0.2.7" });
    assert_eq!(names(leases, true, Some("mac")).await.unwrap(), [("aa%3Abb".to_owned(), Some(item))]);
    assert_eq!(names(r#"echo '{"a":{"v":1}}'"#, true, None).await.unwrap()[0].1, Some(json!({ "v": 1 })));
    assert_eq!(names("echo '[7]'", true, None).await.unwrap()[0].0, "7");
    assert_eq!(names(leases, true, None).await.unwrap()[0].0, "0", "what has no name is known by its place");
    assert_eq!(names("printf 'a\\n\\n b \\n'", false, None).await.unwrap().len(), 2);
    for (script, json, key) in [
        (leases, true, Some("name")),
        ("echo '[null]'", true, None),
        ("echo '['", true, None),
        (r#"echo '[""]'"#, true, None),
        (r#"echo '["a","a"]'"#, true, None),
        ("exit 1", false, None),
    ] {
        let told = names(script, json, key).await.unwrap_err().to_string();
        assert!(told.starts_with("/bin/sh"), "it says which program it is: {told}");
    }
}

/// An element takes hundreds of times the bytes of a short line.
#[test]
fn of_a_text_with_more_elements_than_the_list_has_one_more_is_made() {
    let lines = "a b\n".repeat(1000);
    let matching = Some(Pattern::new("(?<one>a) (?<other>b)").unwrap());
    let shape = RecordsShape::Lines { matching, key: None };
    let count =
        |text: &str, shape: &RecordsShape, max| match elements(text.as_bytes(), shape, max, true).unwrap() {
            Answer::Value(found) => found.len(),
            other => panic!("{other:?}"),
        };
    assert_eq!(count(&lines, &shape, 10), 11);
    assert_eq!(count(&lines, &shape, usize::MAX), 1000);
    let named = |key: Option<&str>| RecordsShape::Json { select: Vec::new(), key: key.map(str::to_owned) };
    let array = format!("[{}{{\"k\":1}}]", "{\"k\":1},".repeat(999));
    assert_eq!(count(&array, &named(None), 10), 11);
    assert_eq!(count(&array, &named(Some("k")), 10), 11);
    let members: Vec<String> = (0..1000).map(|number| format!("\"{number}\":{{\"k\":1}}")).collect();
    let object = format!("{{{}}}", members.join(","));
    assert_eq!(count(&object, &named(None), 10), 11);
    assert_eq!(count(&object, &named(Some("k")), 10), 11);
}

#[tokio::test]
async fn a_json_file_has_elements() {
    let bench = Bench::new().file(
        "/ports.json",
        r#"{"ports":[{"name":"wan","speed":1000},{"name":"lan/1"}],"dns":["::1","::1"]}"#,
    );
    let listed = async |select: &str, key: Option<&str>| {
        let shape =
            RecordsShape::Json { select: vec![Select::Key(select.into())], key: key.map(str::to_owned) };
        let from = ListFrom::Records { place: RecordsPlace::File(literal("/ports.json")), shape };
        list(&List { from, max: 10, privileged: false, watch: Vec::new() }, &bench.context()).await
    };
    let Ok(Answer::Value(children)) = listed("ports", Some("name")).await else { panic!() };
    let names: Vec<&str> = children.iter().map(|child| child.name.as_str()).collect();
    assert_eq!(names, ["wan", "lan%2F1"]);
    assert_eq!(children[0].item.as_deref(), Some(&json!({ "name": "wan", "speed": 1000 })));
    let Ok(Answer::Value(children)) = listed("dns", None).await else { panic!() };
    let names: Vec<&str> = children.iter().map(|child| child.name.as_str()).collect();
    assert_eq!(names, ["0", "1"], "twice the same is no reason to fail");
    let context = Context { item: children[1].item.as_deref(), ..bench.context() };
    let item = read_source(&source(SourceKind::Item(".".into())), Format::Chr, &context).await.unwrap();
    assert!(matches!(item, Answer::Value(reading) if reading.value == Value::Text("::1".into())));
    let told = listed("ports", Some("speed")).await.unwrap_err().to_string();
    assert_eq!(told, "/ports.json: an element has no \"speed\"");
    let Ok(Answer::Absent(told)) = listed("gone", None).await else { panic!() };
    assert_eq!(told, "/ports.json: `select` finds no .gone");
}

#[tokio::test]
async fn a_line_is_a_record_of_named_groups() {
    let leases = "1790000000 aa:bb 192.0.2.7 *\n# none\n1790000001 cc:dd 192.0.2.8 printer\n";
    let bench = Bench::new().file("/leases", leases);
    let matching = Pattern::new(r"^(?<expiry>\d+) (?<mac>\S+) (?<ip>\S+)(?: \*| (?<host>\S+))$").unwrap();
    let listed = async |key: Option<&str>| {
        let (matching, key) = (Some(matching.clone()), key.map(str::to_owned));
        let from = ListFrom::Records {
            place: RecordsPlace::File(literal("/leases")),
            shape: RecordsShape::Lines { matching, key },
        };
        bench.list(from, 10).await.unwrap()
    };
    let found = listed(Some("mac")).await;
    assert_eq!(found.iter().map(|child| child.captured.as_str()).collect::<Vec<_>>(), ["aa:bb", "cc:dd"]);
    assert_eq!(
        found[0].item.as_deref(),
        Some(&json!({ "expiry": "1790000000", "mac": "aa:bb", "ip": "192.0.2.7", "host": null }))
    );
    assert_eq!(found[1].item.as_ref().unwrap()["host"], "printer");
    assert_eq!(listed(None).await[0].name, "1790000000", "without `key`, the first group");
}
