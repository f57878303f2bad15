use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::alert::{OutgoingAlerts, destinations};

fn alert(mark: Option<&str>, data: &str) -> Alert {
    Alert {
        alert_type: "urn:x".into(),
        mime_type: Some("text/plain".into()),
        source_uri: Some("urn:m/1/".into()),
        target_uri: Some("urn:m/2/".into()),
        mark: mark.map(str::to_owned),
        data: Some(json!({ "DM1x": data })),
    }
}

fn store() -> (tempfile::TempDir, Arc<Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    (folder, store)
}

fn put(store: &Store, destination: &Destination, alert: &Alert) -> usize {
    let kept = keep(store, destination, alert).unwrap();
    store.commit_blocking(&kept.changes).unwrap();
    kept.dropped
}

fn waits(store: &Store, destination: &Destination) -> Vec<Alert> {
    OutgoingAlerts::new(destination.clone()).gather(store, usize::MAX).unwrap()
}

#[test]
fn an_alert_waits_whole_for_each_place_by_itself() {
    let (_folder, store) = store();
    let alert = alert(Some("minor"), "x");
    let elsewhere =
        Destination { uri: Some("https://elsewhere.example/".into()), ..Destination::of(&"a".into()) };
    for destination in [Destination::of(&"a".into()), Destination::of(&"b".into()), elsewhere.clone()] {
        assert_eq!(put(&store, &destination, &alert), 0);
    }
    assert_eq!(
        destinations(&store).unwrap(),
        [Destination::of(&"a".into()), elsewhere.clone(), Destination::of(&"b".into())]
    );
    assert_eq!(waits(&store, &elsewhere), [alert]);
    store.commit_blocking(&[Change::ServerForgotten("a".into())]).unwrap();
    assert_eq!(destinations(&store).unwrap(), [Destination::of(&"b".into())]);
    assert!(
        !is_waiting(&store, &elsewhere).unwrap()
            && is_waiting(&store, &Destination::of(&"b".into())).unwrap()
    );
}

const BOUNDS: AlertBounds = AlertBounds { max_queued: 1000, max_bytes: 1 << 20 };

fn numbers(victims: Option<Vec<QueuedAlert>>) -> Option<Vec<u64>> {
    Some(victims?.iter().map(|victim| victim.number).collect())
}

#[test]
fn in_a_full_queue_the_least_important_goes_first_and_then_the_oldest() {
    let victims = |marks: &[Mark], new: Mark| {
        let waiting = marks.iter().enumerate();
        let mut waiting: Vec<QueuedAlert> = waiting
            .map(|(number, mark)| QueuedAlert { mark: *mark, number: number as u64, bytes: 1, at: 0 })
            .collect();
        let fill = BOUNDS.max_queued - waiting.len();
        let filler = |number| QueuedAlert { mark: Mark::Fatal, number: 100 + number, bytes: 1, at: 0 };
        waiting.extend((0..fill as u64).map(filler));
        numbers(super::victims(waiting, QueuedAlert { mark: new, number: u64::MAX, bytes: 1, at: 0 }, BOUNDS))
    };
    use Mark::{Fatal, Harmless, Minor, Warning};
    assert_eq!(victims(&[Minor, Warning, Warning], Minor), Some(vec![1]));
    assert_eq!(victims(&[Fatal, Fatal], Fatal), Some(vec![0]));
    assert_eq!(victims(&[Minor, Warning], Harmless), None, "the new one itself");
}

#[test]
fn one_that_needs_much_room_takes_it_from_several_or_not_at_all() {
    let waiting = |mark, number, bytes| QueuedAlert { mark, number, bytes, at: 0 };
    let half = BOUNDS.max_bytes / 2;
    let queue = || {
        vec![
            waiting(Mark::Minor, 0, half),
            waiting(Mark::Harmless, 1, 10),
            waiting(Mark::Minor, 2, half - 10),
        ]
    };
    let victims = |new| numbers(super::victims(queue(), new, BOUNDS));
    assert_eq!(victims(waiting(Mark::Minor, u64::MAX, 20)), Some(vec![1, 0]));
    assert_eq!(victims(waiting(Mark::Warning, u64::MAX, 20)), None, "nothing goes in vain");
}

#[test]
fn all_that_waits_for_an_account_counts_wherever_it_is_to_go_and_others_do_not() {
    let (_folder, store) = store();
    let bounds = AlertBounds { max_queued: 3, ..BOUNDS };
    let elsewhere =
        Destination { uri: Some("https://elsewhere.example/".into()), ..Destination::of(&"a".into()) };
    let put = |destination: &Destination, mark: &str| {
        let kept = keep_within(&store, destination, &alert(Some(mark), "x"), bounds).unwrap();
        store.commit_blocking(&kept.changes).unwrap();
        kept.dropped
    };
    assert_eq!(put(&Destination::of(&"b".into()), "harmless") + put(&elsewhere, "minor"), 0);
    assert_eq!(put(&elsewhere, "warning") + put(&Destination::of(&"a".into()), "warning"), 0);
    assert_eq!(
        put(&Destination::of(&"a".into()), "warning"),
        1,
        "the older of the two that are least important"
    );
    let marks = |destination: &Destination| -> Vec<_> {
        waits(&store, destination).into_iter().filter_map(|alert| alert.mark).collect()
    };
    assert_eq!(
        (marks(&elsewhere), marks(&Destination::of(&"a".into()))),
        (vec!["minor".to_owned()], vec!["warning".to_owned(); 2])
    );
    assert_eq!(put(&elsewhere, "harmless"), 1, "the new one itself");
    assert_eq!(marks(&elsewhere).len() + marks(&Destination::of(&"a".into())).len(), 3);
    assert_eq!(marks(&Destination::of(&"b".into())).len(), 1);
}

#[test]
fn bytes_are_bounded_on_disk() {
    let (_folder, store) = store();
    let big = "x".repeat(60_000);
    let dropped: usize = (0..30)
        .map(|number| {
            let mark = if number % 2 == 0 { "harmless" } else { "critical" };
            put(&store, &Destination::of(&"a".into()), &alert(Some(mark), &big))
        })
        .sum();
    let (mut count, mut bytes) = (0, 0);
    store
        .snapshot()
        .unwrap()
        .alerts("a", |_, json| {
            (count, bytes) = (count + 1, bytes + json.len());
            true
        })
        .unwrap();
    assert_eq!(count + dropped, 30);
    assert!(bytes <= BOUNDS.max_bytes && bytes > BOUNDS.max_bytes - 2 * big.len(), "{bytes}");
}

#[test]
fn a_server_names_no_more_places_than_are_kept() {
    let (_folder, store) = store();
    let named = |number: usize| Destination {
        uri: Some(format!("https://{number:02}.example/")),
        ..Destination::of(&"a".into())
    };
    let dropped: usize = (0..=MOST_DESTINATIONS)
        .map(|number| put(&store, &named(MOST_DESTINATIONS - number), &alert(None, "x")))
        .sum();
    put(&store, &named(3), &alert(None, "y"));
    assert_eq!(dropped, 1);
    let kept = destinations(&store).unwrap();
    assert_eq!(kept.len(), MOST_DESTINATIONS);
    assert!(!kept.contains(&named(MOST_DESTINATIONS)), "the first one named goes");
    assert_eq!(waits(&store, &named(3)).len(), 2);
}

#[test]
fn an_alert_that_is_dropped_itself_costs_no_other_its_place() {
    let (_folder, store) = store();
    let at = |number: usize| Destination {
        uri: Some(format!("https://{number}.example/")),
        ..Destination::of(&"a".into())
    };
    for number in 0..MOST_DESTINATIONS {
        put(&store, &at(number), &alert(Some("critical"), "x"));
    }
    let full = AlertBounds { max_queued: 1, ..BOUNDS };
    let kept = keep_within(&store, &at(MOST_DESTINATIONS), &alert(Some("harmless"), "x"), full).unwrap();
    assert_eq!(kept, Keeping { changes: Vec::new(), dropped: 1 });
}
