//! Changes that are cut short, as the next start finds them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::backend::undo::{Before, OfFile};
use crate::backend::{Bus, Machine, Undo};
use crate::base::files::Access;
use crate::store::Change;

fn mode(mode: u32) -> Access {
    Access { mode, ..Access::default() }
}

fn left(bench: &Bench) -> Vec<Undo> {
    let intents = bench.tree.store.snapshot().unwrap().intents().unwrap();
    intents.iter().map(|(_, record)| Undo::decode(record).unwrap()).collect()
}

#[tokio::test]
async fn a_change_that_came_to_its_end_leaves_no_intent() {
    let bench = Bench::new();
    bench.file("/a", "before\n");
    bench.write("", json!({"Name": "n", "A": "after"})).await.unwrap();
    assert_eq!(left(&bench), []);
    std::fs::create_dir(bench.path("/locked/b")).unwrap();
    assert_eq!(code(bench.write("", json!({"A": "more", "B": "x"})).await), 500);
    assert_eq!(left(&bench), []);
    Tree::roll_back_interrupted(&bench.tree.store, bench.tree.machine()).await;
    assert_eq!(bench.content("/a").unwrap(), "after\n");
}

/// A program that looks into the store while the change is under way: the intent is there before the effects.
#[tokio::test]
async fn a_change_that_is_cut_short_is_taken_back_at_the_next_start() {
    let bench = Bench::new();
    bench.file("/a", "before\n");
    let undo = |path: &str, before: Before, written: &str| {
        let written = <sha2::Sha256 as sha2::Digest>::digest(written.as_bytes()).into();
        Undo::File(OfFile {
            path: bench.path(path),
            before,
            written: Some(written),
            earlier: Vec::new(),
            in_place: None,
        })
    };
    let was = Before::File { content: b"before\n".to_vec(), access: mode(0o644) };
    // The effects of a change, of which one had happened, one had not, and one was to make a file.
    let undos = [
        undo("/a", was, "after\n"),
        undo("/locked/b", Before::Absent, "b\n"),
        undo("/deaf", Before::Absent, "d\n"),
    ];
    let records = (5..).zip(&undos).map(|(number, undo)| Change::Intent(number, undo.encode()));
    bench.tree.store.commit(records.collect()).await.unwrap();
    bench.file("/a", "after\n");
    bench.file("/locked/b", "b\n");
    bench.file("/locked/.b.omadm-99-1", "half");

    Tree::roll_back_interrupted(&bench.tree.store, bench.tree.machine()).await;
    assert_eq!(bench.content("/a").unwrap(), "before\n");
    assert!(!bench.path("/locked/b").exists() && !bench.path("/locked/.b.omadm-99-1").exists());
    assert!(!bench.path("/deaf").exists());
    assert_eq!(left(&bench), []);
}

#[tokio::test]
async fn what_can_t_be_taken_back_waits_for_another_start_or_another_change() {
    let bench = Bench::new();
    let was = Before::File { content: b"before\n".to_vec(), access: mode(0o644) };
    let undo = Undo::File(OfFile {
        path: bench.path("/a"),
        before: was,
        written: Some([0; 32]),
        earlier: Vec::new(),
        in_place: None,
    });
    bench.tree.store.commit(vec![Change::Intent(0, undo.encode())]).await.unwrap();
    // A folder where the file was: it can be neither read nor replaced.
    std::fs::create_dir(bench.path("/a")).unwrap();
    assert!(
        !Tree::roll_back_interrupted(&bench.tree.store, bench.tree.machine()).await,
        "it is worth another try"
    );
    assert_eq!(left(&bench), std::slice::from_ref(&undo));

    std::fs::remove_dir(bench.path("/a")).unwrap();
    bench.write("B", json!("x")).await.unwrap();
    assert_eq!(left(&bench), [undo], "another file's change is nothing to it");
    bench.write("A", json!("newer")).await.unwrap();
    assert_eq!(left(&bench), [], "what was before an earlier change does not come back any more");
    Tree::roll_back_interrupted(&bench.tree.store, bench.tree.machine()).await;
    assert_eq!(bench.content("/a").unwrap(), "newer\n");
}

#[tokio::test]
async fn what_two_failed_changes_left_is_taken_back_to_before_the_first() {
    let bench = Bench::new();
    let was = Before::File { content: b"before\n".to_vec(), access: mode(0o644) };
    let written = <sha2::Sha256 as sha2::Digest>::digest(b"after\n").into();
    let undo = Undo::File(OfFile {
        path: bench.path("/a"),
        before: was,
        written: Some(written),
        earlier: Vec::new(),
        in_place: None,
    });
    bench.tree.store.commit(vec![Change::Intent(0, undo.encode())]).await.unwrap();
    bench.file("/a", "after\n");
    bench.file("/deaf", "old\n");
    assert_eq!(code(bench.write("", json!({"A": "newer", "Deaf": "new"})).await), 500);
    assert_eq!(bench.content("/a").unwrap(), "after\n");
    assert!(Tree::roll_back_interrupted(&bench.tree.store, bench.tree.machine()).await);
    assert_eq!(bench.content("/a").unwrap(), "before\n");
    assert_eq!(left(&bench), []);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_does_not_keep_the_agent_from_starting() {
    let bench = Bench::new();
    let socket = bench.path("/bus");
    // Whoever connects is never talked to.
    let _mute = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let bus = Arc::new(Bus::new(&format!("unix:path={}", socket.display())));
    let machine = Machine { bus, ..bench.tree.machine().clone() };
    let record = |number: u64| {
        let texts =
            [format!("org.t.S{number}"), "/".into(), "org.t.I".into(), "P".into(), "1".into(), "2".into()];
        let mut record = b"p".to_vec();
        for text in texts {
            record.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
            record.extend_from_slice(text.as_bytes());
        }
        Change::Intent(number, record)
    };
    bench.tree.store.commit((0..20).map(record).collect()).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert!(!Tree::roll_back_interrupted(&bench.tree.store, &machine).await);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(left(&bench).len(), 20);
}

#[tokio::test]
async fn a_change_that_can_be_neither_stored_nor_looked_up_is_taken_back_when_the_disk_works_again() {
    let bench = Bench::new();
    let store = &bench.tree.store;
    bench.file("/a", "before\n");
    // The commit that records how to take it back is the last that the disk takes.
    store.faults.fail_after(1);
    let told = bench.write("", json!({"Name": "n", "A": "after"})).await.unwrap_err();
    assert!(matches!(told, TreeError::Store(_)), "{told}");
    assert_eq!(bench.content("/a").unwrap(), "after\n", "nobody knows yet whether it is stored");
    tokio::task::yield_now().await;
    assert_eq!(store.roll_backs().load(Ordering::Relaxed), 1, "it is looked at again");
    store.faults.heal();
    assert_eq!(left(&bench).len(), 1);
    assert!(Tree::roll_back_interrupted(store, bench.tree.machine()).await);
    assert_eq!(bench.content("/a").unwrap(), "before\n");
    assert_eq!(left(&bench), []);
    assert_ne!(bench.read("Name").await.ok(), Some(json!("n")));
}

#[tokio::test]
async fn what_can_t_be_read_or_settled_is_not_done() {
    let bench = Bench::new();
    let store = &bench.tree.store;
    store.commit(vec![Change::Intent(0, b"?".to_vec())]).await.unwrap();
    store.faults.fail();
    assert!(!Tree::roll_back_interrupted(store, bench.tree.machine()).await, "nobody knows what is left");
    store.faults.fail_after(0);
    assert!(!Tree::roll_back_interrupted(store, bench.tree.machine()).await, "it is still recorded");
    store.faults.heal();
    assert!(Tree::roll_back_interrupted(store, bench.tree.machine()).await);
    assert_eq!(store.snapshot().unwrap().intents().unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn one_failed_read_does_not_end_the_tries() {
    let bench = Bench::new();
    let store = &bench.tree.store;
    store.commit(vec![Change::Intent(0, b"?".to_vec())]).await.unwrap();
    store.faults.fail();
    let task = tokio::spawn(Tree::roll_back_later(Arc::clone(store), bench.tree.machine().clone()));
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(!task.is_finished());
    store.faults.heal();
    task.await.unwrap();
    assert_eq!(store.snapshot().unwrap().intents().unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_failure_near_the_end_of_anothers_tries_has_all_of_its_own() {
    let bench = Bench::new();
    let store = &bench.tree.store;
    store.commit(vec![Change::Intent(0, b"?".to_vec())]).await.unwrap();
    store.faults.fail();
    let again = || Tree::roll_back_later(Arc::clone(store), bench.tree.machine().clone());
    let task = tokio::spawn(again());
    // Some minutes before the last try.
    tokio::time::sleep(Duration::from_secs(3500)).await;
    assert!(!task.is_finished());
    again().await;
    tokio::time::sleep(Duration::from_secs(3000)).await;
    assert!(!task.is_finished());
    store.faults.heal();
    task.await.unwrap();
    assert_eq!(store.snapshot().unwrap().intents().unwrap(), []);
    assert_eq!(store.roll_backs().load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_damaged_intent_is_given_up() {
    let bench = Bench::new();
    bench.tree.store.commit(vec![Change::Intent(0, b"?".to_vec())]).await.unwrap();
    Tree::roll_back_interrupted(&bench.tree.store, bench.tree.machine()).await;
    assert!(bench.tree.store.snapshot().unwrap().intents().unwrap().is_empty());
}

#[tokio::test]
async fn programs_run_when_all_that_can_be_taken_back_is_done() {
    let bench = Bench::new();
    // In the order of the DDF, the program comes between A and the failing B.
    std::fs::create_dir(bench.path("/locked/b")).unwrap();
    assert_eq!(code(bench.write("", json!({"Name": "n", "Joined": "j", "B": "x"})).await), 500);
    assert_eq!(bench.content("/joined"), None, "the program did not run");
    // What it needs of a node that a program makes comes after that.
    bench.write("Files", json!({"new": {"Text": "t"}})).await.unwrap();
    assert_eq!(bench.content("/files/new").unwrap(), "t\n");
}

#[tokio::test]
async fn what_of_the_kernel_can_t_be_taken_back_is_done_last() {
    let bench = Bench::of_this_machine();
    // It can only be written, and takes no such word.
    std::os::unix::fs::symlink("/proc/self/clear_refs", bench.path("/a")).unwrap();
    bench.file("/deaf", "old\n");
    // In the order of the DDF, A comes first.
    let error = bench.write("", json!({"A": "word", "Deaf": "new"})).await.unwrap_err().to_string();
    assert!(error.contains("Deaf"), "{error}");
    bench.write("A", json!("word")).await.unwrap_err();
}

#[tokio::test]
async fn two_changes_of_the_same_nodes_are_one_after_the_other() {
    let bench = Bench::new();
    bench.file("/a", "0\n");
    for _ in 0..10 {
        let write = |text: &'static str| bench.write("", json!({"Name": text, "A": text}));
        let (one, two) = tokio::join!(write("one"), write("two"));
        one.unwrap();
        two.unwrap();
        let name = bench.read("Name").await.unwrap();
        assert_eq!(bench.content("/a").unwrap(), format!("{}\n", name.as_str().unwrap()));
    }
}
