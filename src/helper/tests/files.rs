//! Files that the helper is to believe, and files that it is to change.

use super::*;
use crate::backend::Answer;
use crate::helper::file;
use crate::helper::walk::walk;

#[tokio::test]
async fn an_object_is_believed_only_where_nobody_else_may_write() {
    let bench = Bench::new();
    let op = || json!({ "op": "get", "node": "Level", "source": 0 });
    assert_eq!(bench.one(op()).await, (200, json!(3)));
    for name in ["usr/mo/gate/gate.toml", "usr/mo/gate", "usr/mo", "usr"] {
        for mode in [0o020, 0o002] {
            let before = fs::metadata(bench.path(name)).unwrap().mode();
            fs::set_permissions(bench.path(name), Permissions::from_mode(before | mode)).unwrap();
            bench.refused(op(), 403, "may be written by others than root").await;
            fs::set_permissions(bench.path(name), Permissions::from_mode(before)).unwrap();
        }
        chown(bench.path(name), Some(AGENT.0), None).unwrap();
        bench.refused(op(), 403, "belongs to user 54321").await;
        chown(bench.path(name), Some(0), None).unwrap();
    }
    assert_eq!(bench.one(op()).await, (200, json!(3)));
}

#[tokio::test]
async fn an_object_that_is_another_by_now_is_stale() {
    let bench = Bench::new();
    let request = bench.request("a", json!([set("Level", json!(5))]));
    bench.write("usr/mo/gate/gate.toml", &bench.text("usr/mo/gate/gate.toml").replace("max = 9", "max = 99"));
    let replies = bench.replies(&request).await;
    assert_eq!(replies[0].code, Some(409));
    // One that this version can't read is another as well, unless the agent has loaded that.
    let whole = bench.text("usr/mo/gate/gate.toml");
    bench.write("usr/mo/gate/gate.toml", &whole.replace("max = 9", "later = 9"));
    assert_eq!(bench.replies(&request).await[0].code, Some(409));
    let mut same = request.clone();
    same["sha256"] = hex(&mo::load::files_digest(bench.text("usr/mo/gate/gate.toml").as_bytes())).into();
    assert_eq!(bench.replies(&same).await[0].code, Some(403));
    bench.write("usr/mo/gate/gate.toml", &whole);
    // The operator's folder counts more than the vendor's, for both sides.
    fs::create_dir(bench.path("etc/mo.d/gate")).unwrap();
    let newer = bench.request("b", json!([set("Level", json!(5))]));
    bench.write("etc/mo.d/gate/gate.toml", &bench.text("usr/mo/gate/gate.toml").replace("= 99", "= 999"));
    assert_eq!(bench.replies(&newer).await[0].code, Some(409));
    assert_eq!(bench.text("data/level"), "3\n");
}

#[tokio::test]
async fn there_is_no_object_elsewhere() {
    let bench = Bench::new();
    for folder in ["", ".", "..", "../mo/gate", "gate/../gate", "other", "/etc"] {
        let mut request = bench.request("a", json!([set("Level", json!(5))]));
        request["folder"] = json!(folder);
        let replies = bench.replies(&request).await;
        assert_eq!(replies[0].code, Some(404), "{folder:?}");
    }
}

#[tokio::test]
async fn a_privileged_file_is_written_whole_and_keeps_what_it_is() {
    let bench = Bench::new();
    fs::set_permissions(bench.path("data/level"), Permissions::from_mode(0o640)).unwrap();
    chown(bench.path("data/level"), Some(1234), Some(1235)).unwrap();
    let before = fs::metadata(bench.path("data/level")).unwrap();
    assert_eq!(bench.one(set("Level", json!(5))).await.0, 200);
    let after = fs::metadata(bench.path("data/level")).unwrap();
    assert_eq!(bench.text("data/level"), "5\n");
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino(), "it was written in place");
    bench.write("data/host.conf", "# mine\nhost=old\nkey=secret\n");
    assert_eq!(bench.one(set("Host", json!("new"))).await.0, 200);
    assert_eq!(bench.text("data/host.conf"), "# mine\nhost=new\nkey=secret\n");
    let names: Vec<_> =
        fs::read_dir(bench.path("data")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains("omadm-exec")), "{names:?}");
}

#[tokio::test]
async fn a_privileged_setting_is_that_of_the_listed_name() {
    let bench = Bench::new();
    let before = "[tunnel a]\nenabled = true\n[tunnel b]\nenabled = true\n[other]\nenabled = true\n";
    bench.write("data/tunnels.ini", before);
    let of = |op: &str, name: &str| json!({ "op": op, "node": "Tunnels/<t>/Enabled", "vars": { "t": name } });
    let set = |name: &str| {
        let mut op = of("set", name);
        op["value"] = json!(false);
        op
    };
    assert_eq!(bench.one(set("b")).await.0, 200);
    assert_eq!(bench.text("data/tunnels.ini"), before.replace("b]\nenabled = true", "b]\nenabled = false"));
    for (name, value) in [("a", true), ("b", false)] {
        let mut op = of("get", name);
        op["source"] = json!(0);
        assert_eq!(bench.one(op).await, (200, json!(value)));
    }
    bench.refused(set("a]\n[other"), 406, "is no name for a node").await;
    bench.refused(set("c"), 404, "the node's list has no").await;
}

#[tokio::test]
async fn nothing_is_written_where_the_agent_may_have_put_something_else() {
    let bench = Bench::new();
    // A link instead of the file.
    bench.write("shadow", "root\n");
    fs::remove_file(bench.path("data/level")).unwrap();
    symlink(bench.path("shadow"), bench.path("data/level")).unwrap();
    bench.refused(set("Level", json!(5)), 403, "is no regular file").await;
    bench.refused(json!({ "op": "get", "node": "Level", "source": 0 }), 403, "is no regular file").await;
    assert_eq!(bench.text("shadow"), "root\n");
    fs::remove_file(bench.path("data/level")).unwrap();
    // A link instead of its folder.
    fs::rename(bench.path("data"), bench.path("real")).unwrap();
    symlink(bench.path("real"), bench.path("data")).unwrap();
    bench.refused(set("Level", json!(5)), 403, "is a symbolic link").await;
    fs::remove_file(bench.path("data")).unwrap();
    fs::rename(bench.path("real"), bench.path("data")).unwrap();
    // A folder that the agent, its group, or everybody may write.
    let folder = bench.path("data");
    fs::set_permissions(&folder, Permissions::from_mode(0o1777)).unwrap();
    bench.refused(set("Level", json!(5)), 403, "may be written by others").await;
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    chown(&folder, Some(AGENT.0), Some(0)).unwrap();
    bench.refused(set("Level", json!(5)), 403, "belongs to user 54321").await;
    chown(&folder, Some(0), Some(0)).unwrap();
    assert_eq!(bench.one(set("Level", json!(5))).await.0, 200);
    // A pipe would hold it up, a folder is no file.
    fs::remove_file(bench.path("data/level")).unwrap();
    nix::unistd::mkfifo(&bench.path("data/level"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    bench.refused(set("Level", json!(5)), 403, "is no regular file").await;
}

#[test]
fn the_kernels_own_links_are_followed_within_its_own_file_systems() {
    let bench = Bench::new();
    let rules = Rules { root: "/".into(), ..bench.rules.clone() };
    let Answer::Value(mtu) = file::read("/sys/class/net/lo/mtu", &rules).unwrap() else { panic!("no mtu") };
    assert_eq!(mtu, fs::read("/sys/class/net/lo/mtu").unwrap());
    assert!(matches!(file::read("/proc/self/net/dev", &rules), Ok(Answer::Value(_))));
    // Out of /proc to everywhere.
    let out = file::read("/proc/self/root/etc/passwd", &rules).unwrap_err();
    assert!(out.why.contains("is a symbolic link, and not followed"), "{out:?}");
    assert!(file::read("/proc/self/cwd/Cargo.toml", &rules).is_err());
}

#[test]
fn a_way_has_no_dots_and_no_end_of_links() {
    let bench = Bench::new();
    let root = bench.folder.path();
    let rule = bench.rules.owners();
    for odd in ["data/../data/level", "../etc", ""] {
        assert!(walk(&root.join(odd), root, rule).is_err(), "{odd}");
    }
    assert!(walk(Path::new("data/level"), root, rule).is_err());
    symlink("loop", root.join("loop")).unwrap();
    assert!(walk(&root.join("loop/x"), root, rule).unwrap_err().to_string().contains("too many"));
    // Links of root's, as of /bin to /usr/bin, are followed.
    symlink("bin", root.join("sbin")).unwrap();
    bench.script("bin/x", "true");
    symlink("../bin/x", root.join("bin/y")).unwrap();
    let place = walk(&root.join("sbin/y"), root, rule).unwrap();
    assert_eq!(place.name, "x");
    place.open(rule).unwrap();
}

#[tokio::test]
async fn a_limit_and_a_list_are_read_as_root_reads_and_not_by_the_agents_links() {
    let bench = Bench::new();
    let limited = |value: i64| json!({ "op": "set", "node": "Limited", "value": value });
    bench.write("data/most", "4\n");
    assert_eq!(bench.one(limited(4)).await.0, 200);
    bench.refused(limited(5), 406, "outside of a limit").await;
    bench.write("data/elsewhere", "9\n");
    fs::remove_file(bench.path("data/most")).unwrap();
    bench.refused(limited(4), 406, "`max` has no value").await;
    symlink("elsewhere", bench.path("data/most")).unwrap();
    let (code, why) = bench.one(limited(5)).await;
    assert_eq!(code, 403, "{why}");
    let of_lease =
        json!({ "op": "set", "node": "Leases/<lease>/Mtu", "vars": { "lease": "eth0" }, "value": 1400 });
    bench.refused(of_lease.clone(), 404, "data/leases").await;
    bench.write("data/leases", "eth0\n");
    assert_eq!(bench.one(of_lease.clone()).await.0, 200);
    fs::rename(bench.path("data/leases"), bench.path("data/others")).unwrap();
    symlink("others", bench.path("data/leases")).unwrap();
    assert_eq!(bench.one(of_lease).await.0, 403);
}

#[tokio::test]
async fn every_folder_on_the_way_is_roots_alone() {
    let bench = Bench::new();
    let folder = bench.path("data");
    let read = || json!({ "op": "get", "node": "Level", "source": 0 });
    // By its bits a group of anybody's, and an access list: the bits of the group are its mask.
    fs::set_permissions(&folder, Permissions::from_mode(0o775)).unwrap();
    bench.refused(set("Level", json!(5)), 403, "may be written by others than root").await;
    bench.refused(read(), 403, "may be written by others than root").await;
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    chown(&folder, Some(1234), None).unwrap();
    bench.refused(set("Level", json!(5)), 403, "belongs to user 1234").await;
    chown(&folder, Some(0), None).unwrap();
    assert_eq!(bench.one(set("Level", json!(5))).await.0, 200);
}

#[tokio::test]
async fn what_is_added_was_not_there_and_is_not_hidden() {
    let bench = Bench::new();
    let add = |name: &str| json!({ "op": "add", "node": "Files/<f>", "vars": { "f": name } });
    assert_eq!(bench.one(add("new")).await.0, 200);
    assert_eq!(bench.text("data/files/new"), "");
    bench.write("data/files/mine", "precious\n");
    bench.refused(add("mine"), 406, "is there already").await;
    assert_eq!(bench.text("data/files/mine"), "precious\n");
    symlink("nowhere", bench.path("data/files/link")).unwrap();
    assert_ne!(bench.one(add("link")).await.0, 200);
    assert!(fs::symlink_metadata(bench.path("data/files/link")).unwrap().is_symlink());
    for hidden in [".bashrc", ".", ".."] {
        bench.refused(add(hidden), 406, "is no name").await;
    }
    assert!(!bench.path("data/files/.bashrc").exists());
}

#[tokio::test]
async fn a_pattern_lists_what_a_link_leads_to_only_where_nobody_else_has_a_hand_in_it() {
    let bench = Bench::new();
    let text =
        |name: &str| json!({ "op": "set", "node": "Files/<f>/Text", "vars": { "f": name }, "value": "x" });
    bench.write("data/files/a", "a\n");
    assert_eq!(bench.one(text("a")).await.0, 200);
    symlink("a", bench.path("data/files/b")).unwrap();
    bench.refused(text("b"), 403, "is no regular file").await;
    // A link on the way.
    fs::create_dir(bench.path("data/others")).unwrap();
    fs::rename(bench.path("data/files"), bench.path("data/others/files")).unwrap();
    symlink("others/files", bench.path("data/files")).unwrap();
    bench.refused(text("a"), 403, "is a symbolic link, and not followed").await;
    for place in ["data/others", "data/others/files"] {
        fs::set_permissions(bench.path(place), Permissions::from_mode(0o777)).unwrap();
        bench.refused(text("a"), 404, "the node's list has no").await;
        fs::set_permissions(bench.path(place), Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn two_settings_of_one_file_are_both_written() {
    let bench = Bench::new();
    bench.write("data/host.conf", "host=a\nport=a\n");
    let bench = &bench;
    let write = |node: &'static str, key: &'static str| {
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            for round in 0..40_u8 {
                let value = format!("{key}{}", char::from(b'a' + round % 26));
                let (code, why) = runtime.block_on(bench.one(set(node, json!(value))));
                assert_eq!(code, 200, "{why}");
                let text = bench.text("data/host.conf");
                assert!(text.contains(&format!("{key}={value}\n")), "lost {value}: {text}");
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(write("Host", "host"));
        scope.spawn(write("Port", "port"));
    });
}

#[tokio::test]
async fn each_operation_of_a_batch_is_by_the_mapping_as_it_is_then() {
    let bench = Bench::new();
    bench.script("bin/names", "sleep 0.5; echo eth0");
    let slow = json!({ "op": "set", "node": "Slow/<if>/Mtu", "vars": { "if": "eth0" }, "value": 1400 });
    let request = bench.request("batch", json!([slow, set("Level", json!(5))]));
    let (mut stream, helper) = bench.helper();
    stream.write_all(&frame(&request).unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    bench.write("usr/mo/gate/gate.toml", &bench.text("usr/mo/gate/gate.toml").replace("max = 9", "max = 4"));
    assert_eq!(next(&mut stream).await.unwrap().code, Some(200));
    assert_eq!(next(&mut stream).await.unwrap().code, Some(409));
    assert_eq!(bench.text("data/level"), "3\n");
    helper.await.unwrap().unwrap();
}

#[tokio::test]
async fn each_component_of_a_way_is_looked_at() {
    let bench = Bench::new();
    bench.write("data/deep/est/file", "old\n");
    let ops = || [set("Deep", json!("new")), json!({ "op": "get", "node": "Deep", "source": 0 })];
    let refused = async |why: &str| {
        for op in ops() {
            bench.refused(op, 403, why).await;
        }
        assert_eq!(fs::read_to_string(bench.path("data/deep/est/file")).unwrap(), "old\n");
    };
    // By a link it is the same file, which nobody else could have put there: it is all the same.
    for name in ["data", "data/deep", "data/deep/est", "data/deep/est/file"] {
        let (path, aside) = (bench.path(name), bench.path("aside"));
        fs::rename(&path, &aside).unwrap();
        for target in [aside.clone(), Path::new(&"../".repeat(name.matches('/').count())).join("aside")] {
            symlink(target, &path).unwrap();
            refused(if name.ends_with("file") { "is no regular file" } else { "is a symbolic link" }).await;
            fs::remove_file(&path).unwrap();
        }
        fs::rename(&aside, &path).unwrap();
    }
    for name in ["data", "data/deep", "data/deep/est"] {
        for mode in [0o775, 0o757, 0o1777] {
            fs::set_permissions(bench.path(name), Permissions::from_mode(mode)).unwrap();
            refused("may be written by others").await;
            fs::set_permissions(bench.path(name), Permissions::from_mode(0o755)).unwrap();
        }
        chown(bench.path(name), Some(AGENT.0), Some(AGENT.1)).unwrap();
        refused("belongs to user 54321").await;
        chown(bench.path(name), Some(0), Some(0)).unwrap();
    }
    let [set, _] = ops();
    assert_eq!(bench.one(set).await.0, 200);
    assert_eq!(bench.text("data/deep/est/file"), "new\n");
}

#[test]
fn no_way_goes_up_at_any_of_its_components() {
    let bench = Bench::new();
    let root = bench.folder.path();
    let names = ["data", "deep", "est", "file"];
    for at in 0..=names.len() {
        let mut way = names.to_vec();
        way.insert(at, "..");
        let way = root.join(way.join("/"));
        for rule in [bench.rules.owners(), bench.rules.files()] {
            let refused = walk(&way, root, rule).unwrap_err().to_string();
            assert!(refused.contains("has `..` or `.` in it"), "{}: {refused}", way.display());
        }
    }
}
