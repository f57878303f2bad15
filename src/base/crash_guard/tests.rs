use std::time::Instant;

use super::record::{END, LONGEST};
use super::*;

const BOOT_ID: &str = "1f7a";

/// Does risky work in a process that is killed meanwhile.
async fn dies_in(folder: &Path, names: &[&str]) {
    dies_within(&opened(folder, BOOT_ID).await, names).await;
}

async fn dies_within(guard: &Arc<CrashGuard>, names: &[&str]) {
    for name in names {
        std::mem::forget(guard.begin(name).await);
    }
    guard.until_written().await;
}

async fn opened(folder: &Path, boot: &str) -> Arc<CrashGuard> {
    let guard = CrashGuard::open(folder, boot);
    guard.until_written().await;
    guard
}

async fn is_fatal(folder: &Path, name: &str) -> bool {
    opened(folder, BOOT_ID).await.is_fatal(name)
}

#[tokio::test]
async fn what_has_ended_the_agent_twice_in_a_row_is_fatal_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    dies_in(folder, &["session a"]).await;
    assert!(!is_fatal(folder, "session a").await, "once may be chance");
    dies_in(folder, &["session a", "session b"]).await;
    dies_in(folder, &[]).await;
    let guard = opened(folder, BOOT_ID).await;
    assert!(guard.is_fatal("session a") && !guard.is_fatal("session b"));
    drop(guard.begin("session a").await);
    guard.until_written().await;
    assert!(!is_fatal(folder, "session a").await, "it went well");
}

#[tokio::test]
async fn work_that_the_agent_has_died_of_twice_is_left_alone_for_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for _ in 0..2 {
        let guard = opened(folder, BOOT_ID).await;
        let endless = Arc::clone(&guard).run_risky("look a".to_owned(), std::future::pending::<()>());
        let mut endless = Box::pin(endless);
        let begun = tokio::time::timeout(Duration::from_millis(300), &mut endless).await;
        assert!(begun.is_err(), "it is being done");
        std::mem::forget(endless);
    }
    let guard = opened(folder, BOOT_ID).await;
    let done = |name: &str| Arc::clone(&guard).run_risky(name.to_owned(), async { 7 });
    assert_eq!(done("look b").await, Ok(7));
    for _ in 0..2 {
        let Fatal { again } = done("look a").await.unwrap_err();
        assert!(again <= AGAIN && again > AGAIN / 2, "{again:?}");
    }
    assert_eq!(guard.leaves_alone("look a"), Some((2, AGAIN)));
    assert_eq!(guard.leaves_alone("look b"), None);
    guard.lock().states.get_mut("look a").unwrap().held = Some(waking::now());
    assert_eq!(done("look a").await, Ok(7));
    assert_eq!(done("look a").await, Ok(7), "it went well");
}

#[tokio::test]
async fn each_further_death_costs_twice_the_time_and_what_has_gone_well_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut waits = Vec::new();
    for _ in 0..15 {
        dies_in(folder, &["look a"]).await;
        waits.push(opened(folder, BOOT_ID).await.leaves_alone("look a").map(|(_, wait)| wait.as_secs()));
    }
    let wanted = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600, 3600];
    assert_eq!(waits.split_first(), Some((&None, &wanted.map(Some)[..])), "chance, at first");
    let guard = opened(folder, BOOT_ID).await;
    assert!(guard.is_hopeless("look a") && guard.is_suspect("look a"));
    guard.forgive("look a");
    guard.until_written().await;
    assert!(!opened(folder, BOOT_ID).await.is_suspect("look a"));
    assert_eq!(left_alone(u8::MAX), Some(LONGEST_AGAIN));
}

#[tokio::test]
async fn what_it_has_outlived_once_is_not_written_down_again_before_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let guard = CrashGuard::open(folder.path(), "boot");
    let text = || {
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap_or_default();
        text.lines().take_while(|line| *line != END).collect::<String>()
    };
    let work = async || Arc::clone(&guard).run_risky("look".to_owned(), async { text() }).await;
    assert!(work().await.is_ok_and(|meanwhile| meanwhile.contains("look")));
    guard.until_written().await;
    assert!(work().await.is_ok_and(|meanwhile| !meanwhile.contains("look")));
    let again = CrashGuard::open(folder.path(), "boot");
    let first = Arc::clone(&again).run_risky("look".to_owned(), async { text() }).await;
    assert!(first.is_ok_and(|meanwhile| meanwhile.contains("look")));
}

#[tokio::test]
async fn a_disk_that_hangs_holds_up_nobody_for_long_and_that_once() {
    let folder = tempfile::tempdir().unwrap();
    // Opened for writing, it waits for a reader that does not come.
    let pipe = folder.path().join(FILE);
    let guard = opened(folder.path(), BOOT_ID).await;
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let begun = Instant::now();
    let mut all = Vec::new();
    for number in 0..20 {
        all.push(guard.begin(&format!("session {number}")).await);
    }
    let first = begun.elapsed();
    assert!(first >= PATIENCE && first < PATIENCE * 4, "{first:?}");
    drop(all);
    guard.close();
    guard.until_written().await;
    assert!(begun.elapsed() < PATIENCE * 4);
    // The disk answers again.
    drop(File::open(&pipe).unwrap());
}

#[tokio::test]
async fn an_end_as_it_should_be_is_no_death() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let guard = opened(folder.path(), BOOT_ID).await;
        let risk = guard.begin("session a").await;
        guard.close();
        guard.until_written().await;
        std::mem::forget(risk);
    }
    assert!(!is_fatal(folder.path(), "session a").await);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "at rest there is no such file");
}

#[tokio::test]
async fn the_end_of_a_boot_is_no_death_of_the_agents() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for boot in ["1", "2", "3"] {
        dies_within(&opened(folder, boot).await, &["session a"]).await;
        assert!(!opened(folder, "other").await.is_fatal("session a"), "{boot}");
    }
    // What the agent has died of before it is remembered.
    for _ in 0..2 {
        dies_within(&opened(folder, "4").await, &["session a"]).await;
    }
    drop(opened(folder, "4").await);
    assert!(opened(folder, "5").await.is_fatal("session a"));
    // A kernel that does not say is no reason to die for ever.
    std::fs::remove_file(folder.join(FILE)).unwrap();
    for _ in 0..2 {
        dies_within(&opened(folder, "").await, &["session a"]).await;
    }
    assert!(opened(folder, "").await.is_fatal("session a"));
}

#[tokio::test]
async fn once_told_to_end_nothing_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let guard = opened(folder.path(), BOOT_ID).await;
        guard.close();
        std::mem::forget(guard.begin("session a").await);
        drop(guard.begin("session b").await);
        guard.until_written().await;
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn long_names_that_begin_alike_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|end| format!("session a {}{end}", "x".repeat(LONGEST)));
    for _ in 0..2 {
        dies_in(folder.path(), &[&one]).await;
    }
    let guard = opened(folder.path(), BOOT_ID).await;
    assert!(guard.is_fatal(&one) && !guard.is_fatal(&other));
}

#[tokio::test]
async fn a_damaged_file_says_nothing_and_what_is_no_file_makes_way() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE);
    for damaged in
        [&b"\0\0\0\0"[..], b"9 9", b"x 1 session a\n.\n", b"", b"\xff\xff 1 session a", b"9999 1 session a\n"]
    {
        std::fs::write(&file, damaged).unwrap();
        assert!(!is_fatal(folder.path(), "session a").await, "{damaged:?}");
        std::fs::remove_file(&file).unwrap();
    }
    // Opening a pipe waits for who writes to it.
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRUSR).unwrap();
    drop(opened(folder.path(), BOOT_ID).await);
    std::fs::create_dir(&file).unwrap();
    dies_in(folder.path(), &["session a"]).await;
    dies_in(folder.path(), &["session a"]).await;
    assert!(is_fatal(folder.path(), "session a").await, "it was made room for");
}

#[tokio::test]
async fn the_list_is_bounded_and_its_lines_are_ours() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let names: Vec<String> =
            (0..200).map(|number| format!("x\n9 9 session a{}{number}", "y".repeat(300))).collect();
        dies_in(folder.path(), &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let guard = opened(folder.path(), BOOT_ID).await;
    assert!(!guard.is_fatal("session a") && guard.lock().states.len() <= MOST);
    assert!(folder.path().join(FILE).metadata().unwrap().len() < 64 << 10);
}
