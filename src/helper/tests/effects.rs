//! Operations that the mapping does not allow, and the undoing of those that it does.

use super::*;

#[tokio::test]
async fn only_what_the_mapping_gives_to_root_is_done() {
    let bench = Bench::new();
    bench.refused(set("Open", json!("x")), 403, "the agent does that itself").await;
    bench.refused(json!({ "op": "get", "node": "Open", "source": 0 }), 403, "reads that itself").await;
    bench.refused(json!({ "op": "get", "node": "Level", "source": 1 }), 403, "reads that itself").await;
    bench.refused(json!({ "op": "get", "node": "Level", "source": 7 }), 404, "no such source").await;
    bench.refused(json!({ "op": "get", "node": "Level" }), 404, "no such source").await;
    bench.refused(json!({ "op": "delete", "node": "Level" }), 403, "says nothing of that").await;
    bench
        .refused(json!({ "op": "add", "node": "Links/<if>", "vars": { "if": "eth9" } }), 403, "says nothing")
        .await;
    bench.refused(json!({ "op": "exec", "node": "Level" }), 403, "says nothing of EXEC").await;
    let listing = json!({ "op": "list", "node": "Links/<if>" });
    bench.refused(listing, 403, "the agent lists that itself").await;
    bench.refused(set("Nowhere", json!(1)), 404, "no node").await;
    bench.refused(set("", json!(1)), 406, "interior node").await;
    bench.refused(json!({ "op": "set", "node": "Level" }), 400, "without a value").await;
}

#[tokio::test]
async fn a_value_is_checked_again() {
    let bench = Bench::new();
    for odd in [json!(10), json!("x"), json!({ "a": 1 }), json!(1.5)] {
        let (code, why) = bench.one(set("Level", odd.clone())).await;
        assert_eq!(code, 406, "{odd}: {why}");
    }
    bench.refused(set("Host", json!("a b")), 406, "pattern").await;
    bench.refused(set("Host", json!("a\nkey=x")), 406, "pattern").await;
    assert_eq!(bench.text("data/level"), "3\n");
}

#[tokio::test]
async fn an_argument_is_no_option_and_has_no_shell() {
    let bench = Bench::new();
    bench.script("bin/say", &format!("printf '%s' \"$1\" > {}", bench.path("said").display()));
    bench.refused(set("Word", json!("-rf")), 406, "option").await;
    assert!(!bench.path("said").exists());
    let hostile = "$(touch /tmp/x); `id`";
    assert_eq!(bench.one(set("Word", json!(hostile))).await.0, 200);
    assert_eq!(bench.text("said"), hostile);
}

#[tokio::test]
async fn a_variable_is_what_the_list_has_and_nothing_else() {
    let bench = Bench::new();
    let mtu =
        |name: &str| json!({ "op": "set", "node": "Links/<if>/Mtu", "vars": { "if": name }, "value": 1400 });
    assert_eq!(bench.one(mtu("eth0")).await.0, 200);
    assert_eq!(bench.text("sys/net/eth0/mtu"), "1400\n");
    for odd in ["eth9", "../net/eth1", "..", ".", "eth0/../eth1", "*", "eth?"] {
        bench.refused(mtu(odd), 404, "the node's list has no").await;
    }
    for odd in ["", "eth0\0", "eth0\n"] {
        bench.refused(mtu(odd), 406, "is no name").await;
    }
    let vars = |vars: Json| json!({ "op": "set", "node": "Links/<if>/Mtu", "vars": vars, "value": 1400 });
    bench.refused(vars(json!({})), 406, "{if} has no value").await;
    bench.refused(vars(json!({ "if": "eth0", "of": "x" })), 406, "no variable {of}").await;
    assert_eq!(bench.text("sys/net/eth1/mtu"), "1500\n");
}

#[tokio::test]
async fn a_change_is_taken_back_from_what_only_root_reads() {
    let bench = Bench::new();
    bench.write("data/host.conf", "host=old\nkey=secret\n");
    fs::set_permissions(bench.path("data/host.conf"), Permissions::from_mode(0o600)).unwrap();
    let change = json!({ "op": "set", "node": "Host", "value": "new", "undo": "u-1" });
    let (code, told) = bench.one(change.clone()).await;
    assert_eq!((code, told), (200, json!(null)), "nothing of the file is told");
    assert_eq!(fs::metadata(bench.path("var/kept/u-1")).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(bench.path("var/kept")).unwrap().mode() & 0o777, 0o700);
    // The same name is not written over: that would lose what was there.
    bench.refused(change, 400, "kept as u-1 already").await;
    // What a write that was cut short would leave, and one that somebody else is at.
    bench.write("data/.host.conf.omadm-exec-u-1", "half");
    bench.write("data/.host.conf.omadm-exec-u-9", "half");
    let undo = json!({ "op": "undo", "undo": "u-1" });
    assert_eq!(bench.one(undo.clone()).await, (200, json!("restored")));
    assert_eq!(bench.text("data/host.conf"), "host=old\nkey=secret\n");
    assert_eq!(fs::metadata(bench.path("data/host.conf")).unwrap().mode() & 0o777, 0o600);
    assert!(!bench.path("data/.host.conf.omadm-exec-u-1").exists());
    assert!(bench.path("data/.host.conf.omadm-exec-u-9").exists());
    assert!(!bench.path("var/kept/u-1").exists());
    // Whoever did not hear it asks again.
    assert_eq!(bench.one(undo).await, (200, json!("restored")));
}

fn level(name: &str) -> Json {
    json!({ "op": "set", "node": "Level", "value": 5, "undo": name })
}

fn undo(name: &str) -> Json {
    json!({ "op": "undo", "undo": name })
}

#[tokio::test]
async fn what_was_undone_or_forgotten_before_it_began_never_begins() {
    let bench = Bench::new();
    assert_eq!(bench.one(undo("late-1")).await, (200, json!("nothing-kept")));
    assert_eq!(bench.one(json!({ "op": "forget", "undo": "late-2" })).await.0, 200);
    for name in ["late-1", "late-2"] {
        bench.refused(level(name), 403, "does not begin any more").await;
    }
    assert_eq!(bench.one(undo("late-1")).await, (200, json!("nothing-kept")), "as often as it is asked");
    assert_eq!(bench.text("data/level"), "3\n");
    assert_eq!(bench.one(level("late-3")).await.0, 200, "others do");
}

#[tokio::test]
async fn an_undo_waits_for_what_it_is_to_undo() {
    let bench = Bench::new();
    // It looks for its variables, and is at that for a while.
    bench.script("bin/names", "sleep 1; echo eth0");
    let slow = json!({
        "op": "set", "node": "Slow/<if>/Mtu", "vars": { "if": "eth0" }, "value": 1400, "undo": "slow-1"
    });
    let request = bench.request("slow", json!([slow]));
    let (mut stream, helper) = bench.helper();
    stream.write_all(&frame(&request).unwrap()).await.unwrap();
    while !bench.path("var/kept/slow-1.lock").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The agent gives up.
    drop(stream);
    assert_eq!(bench.one(undo("slow-1")).await, (200, json!("restored")));
    assert_eq!(bench.text("sys/net/eth0/mtu"), "1500\n");
    helper.await.unwrap().unwrap();
    assert_eq!(bench.text("sys/net/eth0/mtu"), "1500\n", "it does not come after");
    assert!(!bench.path("var/kept/slow-1.lock").exists());
}

#[tokio::test]
async fn one_that_does_not_end_is_undone_later() {
    let bench = Bench::new();
    fs::create_dir(bench.path("var/kept")).unwrap();
    let busy = fs::File::create(bench.path("var/kept/u-6.lock")).unwrap();
    busy.lock().unwrap();
    bench.refused(undo("u-6"), 503, "not over").await;
    drop(busy);
    assert_eq!(bench.one(undo("u-6")).await, (200, json!("nothing-kept")));
}

#[tokio::test]
async fn what_nobody_can_take_back_is_not_told_to_be_restored() {
    let bench = Bench::new();
    let said = bench.path("said");
    bench.script("bin/say", &format!("printf '%s' \"$1\" > {}", said.display()));
    assert_eq!(bench.one(json!({ "op": "set", "node": "Word", "value": "x", "undo": "u-7" })).await.0, 200);
    for _ in 0..2 {
        assert_eq!(bench.one(undo("u-7")).await, (200, json!("impossible")));
    }
}

#[tokio::test]
async fn what_somebody_else_has_changed_since_stays() {
    let bench = Bench::new();
    assert_eq!(bench.one(json!({ "op": "set", "node": "Level", "value": 5, "undo": "u-2" })).await.0, 200);
    bench.write("data/level", "7\n");
    assert_eq!(bench.one(json!({ "op": "undo", "undo": "u-2" })).await, (200, json!("foreign")));
    assert_eq!(bench.text("data/level"), "7\n");
}

#[tokio::test]
async fn a_file_that_was_not_there_goes_again_and_what_is_final_is_forgotten() {
    let bench = Bench::new();
    fs::remove_file(bench.path("data/level")).unwrap();
    let change = |name: &str| json!({ "op": "set", "node": "Level", "value": 5, "undo": name });
    assert_eq!(bench.one(change("u-3")).await.0, 200);
    assert_eq!(bench.one(json!({ "op": "undo", "undo": "u-3" })).await.0, 200);
    assert!(!bench.path("data/level").exists());
    assert_eq!(bench.one(change("u-4")).await.0, 200);
    assert_eq!(bench.one(json!({ "op": "forget", "undo": "u-4" })).await.0, 200);
    assert!(!bench.path("var/kept/u-4").exists());
    for odd in ["../../data/level", "", "a/b", "."] {
        for op in ["undo", "forget"] {
            bench.refused(json!({ "op": op, "undo": odd }), 400, "is no name").await;
        }
        bench.refused(change(odd), 400, "is no name").await;
    }
    bench.refused(json!({ "op": "undo" }), 400, "`undo` is missing").await;
    assert_eq!(bench.text("data/level"), "5\n");
}

#[tokio::test]
async fn what_is_kept_has_a_bound_and_nothing_of_it_is_thrown_away_for_another() {
    let bench = Bench::new();
    let kept = bench.path("var/kept");
    fs::create_dir(&kept).unwrap();
    for number in 0..256 {
        bench.write(&format!("var/kept/1-{number}"), "{}");
    }
    bench.refused(level("u-5"), 500, "no room for more").await;
    assert_eq!(bench.text("data/level"), "3\n");
    // The agent begins a life in which nothing of that is to be undone.
    bench.write("var/kept/2-1", "{}");
    let busy = fs::File::create(kept.join("1-7.lock")).unwrap();
    busy.lock().unwrap();
    assert_eq!(bench.one(json!({ "op": "forget", "value": "2-" })).await.0, 200);
    let mut left: Vec<_> = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort_unstable();
    assert_eq!(left, ["1-7", "1-7.lock", "2-1"]);
    bench.refused(json!({ "op": "forget", "value": "../" }), 400, "no beginning").await;
    bench.refused(json!({ "op": "forget" }), 400, "`undo` is missing").await;
}

#[tokio::test]
async fn of_what_is_over_the_oldest_is_forgotten_first_whatever_the_clock_says() {
    let bench = Bench::new();
    for number in 0..260 {
        assert_eq!(bench.one(undo(&format!("o-{number}"))).await.0, 200);
    }
    assert_eq!(fs::read_dir(bench.path("var/kept")).unwrap().count(), 256);
    bench.refused(level("o-4"), 403, "any more").await;
    assert_eq!(bench.one(level("o-3")).await.0, 200);
}

#[tokio::test]
async fn an_error_tells_nothing_of_what_root_reads() {
    let bench = Bench::new();
    bench.write("data/level", "hunter2-very-secret\n");
    fs::set_permissions(bench.path("data/level"), Permissions::from_mode(0o600)).unwrap();
    let (code, told) = bench.one(json!({ "op": "get", "node": "Level", "source": 0 })).await;
    assert_eq!(code, 406);
    assert!(!told.to_string().contains("hunter2"), "{told}");
}

#[tokio::test]
async fn an_undo_is_void_once_somebody_else_has_written_even_the_same() {
    let bench = Bench::new();
    assert_eq!(bench.one(level("v-1")).await.0, 200);
    // An operator decides that it stays as it is.
    fs::remove_file(bench.path("data/level")).unwrap();
    bench.write("data/level", "5\n");
    assert_eq!(bench.one(undo("v-1")).await, (200, json!("foreign")));
    assert_eq!(bench.text("data/level"), "5\n");
    // In place: the file is the same, but for its time, which has steps of some milliseconds.
    bench.write("data/level", "3\n");
    assert_eq!(bench.one(level("v-2")).await.0, 200);
    tokio::time::sleep(Duration::from_millis(20)).await;
    bench.write("data/level", "7\n");
    bench.write("data/level", "5\n");
    assert_eq!(bench.one(undo("v-2")).await, (200, json!("foreign")));
}

#[tokio::test]
async fn an_undo_is_of_what_the_mapping_still_gives_to_root() {
    let bench = Bench::new();
    assert_eq!(bench.one(level("v-3")).await.0, 200);
    let whole = bench.text("usr/mo/gate/gate.toml");
    let withdrawn = whole.replacen(r#"set = { file = "/data/level", privileged = true }"#, "", 1);
    assert_ne!(whole, withdrawn);
    bench.write("usr/mo/gate/gate.toml", &withdrawn);
    assert_eq!(bench.one(undo("v-3")).await, (200, json!("foreign")));
    assert_eq!(bench.text("data/level"), "5\n");
    bench.write("usr/mo/gate/gate.toml", &whole);
    assert_eq!(bench.one(undo("v-3")).await, (200, json!("foreign")), "as it was said");
    // A later version that still has it as it was.
    assert_eq!(bench.one(level("v-4")).await.0, 200);
    bench.write("usr/mo/gate/gate.toml", &format!("# later\n{whole}"));
    assert_eq!(bench.one(undo("v-4")).await, (200, json!("restored")));
}

#[tokio::test]
async fn an_undo_is_void_after_hours() {
    let bench = Bench::new();
    assert_eq!(bench.one(level("v-5")).await.0, 200);
    let mut record: Json = serde_json::from_str(&bench.text("var/kept/v-5")).unwrap();
    record["at"] = json!(record["at"].as_i64().unwrap() - 7 * 3600);
    bench.write("var/kept/v-5", &record.to_string());
    assert_eq!(bench.one(undo("v-5")).await, (200, json!("foreign")));
    assert_eq!(bench.text("data/level"), "5\n");
}

#[tokio::test]
async fn what_is_kept_is_bounded_in_bytes() {
    let bench = Bench::new();
    fs::create_dir(bench.path("var/kept")).unwrap();
    for number in 0..15 {
        bench.write(&format!("var/kept/1-{number}"), &" ".repeat(1 << 20));
    }
    assert_eq!(bench.one(level("b-1")).await.0, 200);
    bench.write("var/kept/1-16", &" ".repeat(1 << 20));
    bench.refused(level("b-2"), 500, "no room for more").await;
}

#[tokio::test]
async fn a_file_is_deleted_where_the_list_has_it_and_comes_back_as_it_was() {
    let bench = Bench::new();
    bench.write("data/files/mine", "precious\n");
    fs::set_permissions(bench.path("data/files/mine"), Permissions::from_mode(0o640)).unwrap();
    chown(bench.path("data/files/mine"), Some(1234), Some(1235)).unwrap();
    let delete = |name: &str, undo: &str| json!({ "op": "delete", "node": "Files/<f>", "vars": { "f": name }, "undo": undo });
    for odd in ["other", "..", "../level", "mine/", "*"] {
        bench.refused(delete(odd, &format!("d-{}", unique())), 404, "the node's list has no").await;
    }
    assert_eq!(bench.one(delete("mine", "d-mine")).await.0, 200);
    assert!(!bench.path("data/files/mine").exists());
    bench.refused(delete("mine", "d-again"), 404, "the node's list has no").await;
    assert_eq!(bench.one(undo("d-mine")).await, (200, json!("restored")));
    assert_eq!(bench.text("data/files/mine"), "precious\n");
    let found = fs::metadata(bench.path("data/files/mine")).unwrap();
    assert_eq!((found.mode() & 0o777, found.uid(), found.gid()), (0o640, 1234, 1235));
    // What was made there since is somebody else's.
    assert_eq!(bench.one(delete("mine", "d-more")).await.0, 200);
    bench.write("data/files/mine", "theirs\n");
    assert_eq!(bench.one(undo("d-more")).await, (200, json!("foreign")));
    assert_eq!(bench.text("data/files/mine"), "theirs\n");
    let mut valued = delete("mine", "d-valued");
    valued["value"] = json!("x");
    bench.refused(valued, 400, "only `set` has a value").await;
}

#[tokio::test]
async fn what_takes_root_to_list_is_listed_and_no_more_of_it_is_told() {
    let bench = Bench::new();
    bench.script("bin/names", "echo eth0; echo eth1; echo secret >&2");
    let list = |node: &str| json!({ "op": "list", "node": node });
    assert_eq!(bench.one(list("Slow/<if>")).await, (200, json!([["eth0"], ["eth1"]])));
    bench.write("data/leases", "a\nb\n");
    fs::set_permissions(bench.path("data/leases"), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(bench.one(list("Leases/<lease>")).await, (200, json!([["a"], ["b"]])));
    fs::remove_file(bench.path("data/leases")).unwrap();
    assert_eq!(bench.one(list("Leases/<lease>")).await.0, 204, "there is none");
    symlink("level", bench.path("data/leases")).unwrap();
    assert_eq!(bench.one(list("Leases/<lease>")).await.0, 403);
    fs::set_permissions(bench.path("bin/names"), Permissions::from_mode(0o775)).unwrap();
    bench.refused(list("Slow/<if>"), 403, "may be written by others").await;
    bench.script("bin/names", "exit 1");
    assert_ne!(bench.one(list("Slow/<if>")).await.0, 200);
}
