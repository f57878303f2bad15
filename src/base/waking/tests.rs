use std::path::Path;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// A machine that was booted a day ago.
fn anchor() -> Anchor {
    Anchor { instant: Instant::now(), booted: HOUR * 24 }
}

#[test]
fn a_timer_is_set_for_the_moment_at_which_the_time_has_come() {
    let anchor = anchor();
    for later in [Duration::ZERO, Duration::from_nanos(1), HOUR, HOUR * 24 * 365] {
        let wake = anchor.instant + later;
        assert_eq!(anchor.instant(anchor.booted(wake)), wake);
    }
    let before = Anchor { booted: Duration::ZERO, ..anchor };
    assert!(before.booted(anchor.instant) > Duration::ZERO, "0 would unset it");
}

#[test]
fn time_never_goes_backwards() {
    let anchor = anchor();
    assert_eq!(anchor.instant(HOUR), anchor.instant, "nor is there any before the start");
    assert_eq!(anchor.instant(Duration::MAX), anchor.instant, "nor any that cannot be said");
    let mut last = now();
    for _ in 0..100_000 {
        let next = now();
        assert!(next >= last);
        last = next;
    }
}

#[tokio::test]
async fn a_wake_timer_rings_when_its_time_has_come_also_an_earlier_one_than_before() {
    let mut wake_timer = WakeTimer::default();
    let soon = Duration::from_millis(50);
    let never = wake_timer.until(Some(now() + HOUR));
    tokio::time::timeout(soon, never).await.unwrap_err();
    assert!(wake_timer.timer.is_some());
    for _ in 0..2 {
        let wake = now() + soon;
        wake_timer.until(Some(wake)).await;
        assert!(now() >= wake);
        wake_timer.until(Some(wake)).await;
    }
    tokio::time::timeout(soon, wake_timer.until(Some(now() + HOUR))).await.unwrap_err();
    tokio::time::timeout(soon, wake_timer.until(None)).await.unwrap_err();
    assert!(wake_timer.timer.is_none(), "nobody waits for it");
}

#[tokio::test]
async fn a_wake_timer_that_has_rung_unheard_does_not_ring_for_a_later_time() {
    let mut wake_timer = WakeTimer::default();
    let first = now() + Duration::from_millis(20);
    {
        let mut heard = std::pin::pin!(wake_timer.until(Some(first)));
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(heard.as_mut().poll(context)))
                .await
                .is_pending()
        );
    }
    tokio::time::sleep(Duration::from_millis(60)).await;
    let second = now() + Duration::from_millis(60);
    wake_timer.until(Some(second)).await;
    assert!(now() >= second);
}

/// The rooms that wait, and how often each of their files asks the clock that stops: never, but for these.
const ROOMS: [&str; 7] =
    ["daemon", "subscription", "push", "bootstrap", "session", "notification", "just_in_time"];
const STOPS: [(&str, usize); 6] = [
    // Hearts.
    ("daemon.rs", 1),
    // The agent's end.
    ("daemon/shutdown.rs", 1),
    // How long it has been running.
    ("daemon/loader.rs", 1),
    // Where the kernel does not tell of changes.
    ("daemon/network.rs", 1),
    // How long files may take to be read, as on their lane.
    ("daemon/folder_reading.rs", 5),
    ("notification/listener.rs", 1),
];

#[test]
fn who_waits_asks_the_clock_that_goes_on() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for room in ROOMS {
        files.push(source.join(room).with_extension("rs"));
        let mut folders = vec![source.join(room)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { &mut folders } else { &mut files }.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        let agent = text.split("#[cfg(test)]").next().unwrap();
        let count = agent.matches("Instant::now").count();
        if count > 0 {
            found.push((file.strip_prefix(&source).unwrap().display().to_string(), count));
        }
    }
    found.sort();
    let mut stops: Vec<_> = STOPS.map(|(file, count)| (file.to_owned(), count)).into();
    stops.sort();
    assert_eq!(found, stops, "waits that stop while the machine is suspended: see the table in waking.rs");
}
