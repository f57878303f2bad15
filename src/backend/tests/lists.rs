//! `list`.

use super::*;

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
    assert_eq!(twice, "list: \"dev\" is there twice");
    for pattern in ["/sys/net", "/sys/*-*", "/../*", "/**"] {
        glob(pattern).await.unwrap_err();
    }
    assert_eq!(bench.list(ListFrom::Glob("/sys/net/*".into()), 1).await.unwrap().len(), 1);
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
        let from = ListFrom::Run { argv, json, key: key.map(str::to_owned), matching: None };
        let children = bench.list(from, 10).await?;
        Ok::<_, BackendError>(children.into_iter().map(|child| (child.name, child.item)).collect::<Vec<_>>())
    };
    let leases = r#"echo '[{"mac":"aa:bb","ip":"192.0.2.7"}]'"#;
    let item = json!({ "mac": "aa:bb", "ip": "192.0.2.7" });
    assert_eq!(names(leases, true, Some("mac")).await.unwrap(), [("aa%3Abb".to_owned(), Some(item))]);
    assert_eq!(names(r#"echo '{"a":{"v":1}}'"#, true, None).await.unwrap()[0].1, Some(json!({ "v": 1 })));
    assert_eq!(names("echo '[7]'", true, None).await.unwrap()[0].0, "7");
    assert_eq!(names("printf 'a\\n\\n b \\n'", false, None).await.unwrap().len(), 2);
    for (script, json, key) in [
        (leases, true, Some("name")),
        (leases, true, None),
        ("echo '['", true, None),
        (r#"echo '[""]'"#, true, None),
        (r#"echo '["a","a"]'"#, true, None),
        ("exit 1", false, None),
    ] {
        names(script, json, key).await.unwrap_err();
    }
}
