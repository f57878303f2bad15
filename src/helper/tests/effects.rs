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
    // What a write that was cut short would leave.
    bench.write("data/.host.conf.omadm-exec-99", "half");
    let undo = json!({ "op": "undo", "undo": "u-1" });
    assert_eq!(bench.one(undo.clone()).await, (200, json!("restored")));
    assert_eq!(bench.text("data/host.conf"), "host=old\nkey=secret\n");
    assert_eq!(fs::metadata(bench.path("data/host.conf")).unwrap().mode() & 0o777, 0o600);
    assert!(!bench.path("data/.host.conf.omadm-exec-99").exists());
    assert!(!bench.path("var/kept/u-1").exists());
    // Where nothing is kept, nothing had begun.
    assert_eq!(bench.one(undo).await, (200, json!("restored")));
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
async fn what_is_kept_has_a_bound() {
    let bench = Bench::new();
    fs::create_dir(bench.path("var/kept")).unwrap();
    for number in 0..300 {
        bench.write(&format!("var/kept/old-{number}"), "{}");
    }
    assert_eq!(bench.one(json!({ "op": "set", "node": "Level", "value": 5, "undo": "u-5" })).await.0, 200);
    assert_eq!(fs::read_dir(bench.path("var/kept")).unwrap().count(), 256);
    assert!(bench.path("var/kept/u-5").exists());
}
