use super::*;
use crate::alert::keep;

fn store(count: usize) -> (tempfile::TempDir, std::sync::Arc<Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    (0..count).for_each(|number| put(&store, number));
    (folder, store)
}

fn put(store: &Store, number: usize) {
    let alert = Alert {
        alert_type: format!("urn:{number}"),
        mime_type: None,
        source_uri: None,
        target_uri: None,
        mark: None,
        data: None,
    };
    store.commit_blocking(&keep(store, &Destination::of(&"a".into()), &alert).unwrap().changes).unwrap();
}

fn types(alerts: Vec<Alert>) -> Vec<usize> {
    alerts.iter().map(|alert| alert.alert_type.strip_prefix("urn:").unwrap().parse().unwrap()).collect()
}

fn outgoing() -> OutgoingAlerts {
    OutgoingAlerts::new(Destination::of(&"a".into()))
}

#[test]
fn what_does_not_fit_into_one_package_rides_in_the_next_ones_in_order() {
    let (_folder, store) = store(70);
    let mut outgoing = outgoing();
    let mut all = Vec::new();
    for expected in [32, 32, 6, 0] {
        let alerts = types(outgoing.gather(&store, usize::MAX).unwrap());
        assert_eq!(alerts.len(), expected);
        all.extend(alerts);
        assert_eq!(outgoing.are_left(&store).unwrap(), expected > 0);
        // Not committed at once: they must not ride again all the same.
        let _ = outgoing.answered(&[], usize::MAX, false);
    }
    assert_eq!(all, (0..70).collect::<Vec<_>>());
}

#[test]
fn what_was_not_answered_rides_again() {
    let (_folder, store) = store(2);
    assert_eq!(types(outgoing().gather(&store, usize::MAX).unwrap()), [0, 1]);
    let mut another = outgoing();
    assert_eq!(types(another.gather(&store, usize::MAX).unwrap()), [0, 1]);
    put(&store, 2);
    let settled = another.answered(&[], usize::MAX, false).unwrap();
    assert_eq!(settled, Change::AlertsSettled("a".into(), vec![0, 1]), "what came meanwhile was not sent");
    assert_eq!(another.answered(&[], usize::MAX, false), None, "once");
    assert_eq!(types(another.gather(&store, usize::MAX).unwrap()), [2]);
}

#[test]
fn the_servers_word_on_each_alert_counts() {
    let (_folder, store) = store(6);
    let mut outgoing = self::outgoing();
    outgoing.gather(&store, usize::MAX).unwrap();
    let settled = outgoing.answered(&[200, 415, 500, 0, 503], usize::MAX, false).unwrap();
    assert_eq!(settled, Change::AlertsSettled("a".into(), vec![0, 1, 3, 5]));
    store.commit_blocking(&[settled]).unwrap();
    assert!(outgoing.gather(&store, usize::MAX).unwrap().is_empty(), "not again in this session");
    assert!(!outgoing.are_left(&store).unwrap());
    assert_eq!(types(self::outgoing().gather(&store, usize::MAX).unwrap()), [2, 4], "but in another");
}

#[test]
fn a_damaged_record_is_passed_over_and_goes() {
    let (_folder, store) = store(1);
    store.commit_blocking(&[Change::Alert("a".into(), b"{".to_vec())]).unwrap();
    put(&store, 2);
    let mut outgoing = outgoing();
    assert_eq!(types(outgoing.gather(&store, usize::MAX).unwrap()), [0, 2]);
    assert_eq!(
        outgoing.answered(&[500, 200], usize::MAX, false),
        Some(Change::AlertsSettled("a".into(), vec![1, 2]))
    );
}

#[test]
fn a_package_of_alerts_has_a_size() {
    let (_folder, store) = store(0);
    for _ in 0..6 {
        let alert = Alert {
            alert_type: "urn:0".into(),
            mime_type: None,
            source_uri: None,
            target_uri: None,
            mark: None,
            data: Some(serde_json::json!({ "DM1x": "x".repeat(60_000) })),
        };
        store.commit_blocking(&keep(&store, &Destination::of(&"a".into()), &alert).unwrap().changes).unwrap();
    }
    assert_eq!(outgoing().gather(&store, usize::MAX).unwrap().len(), 4);
}

#[test]
fn what_stayed_behind_rides_again_and_the_undeliverable_one_goes() {
    let (_folder, store) = store(4);
    let mut outgoing = self::outgoing();
    outgoing.gather(&store, usize::MAX).unwrap();
    assert_eq!(outgoing.answered(&[], 2, false), Some(Change::AlertsSettled("a".into(), vec![0, 1])));
    assert_eq!(types(outgoing.gather(&store, 1).unwrap()), [2]);
    assert_eq!(outgoing.answered(&[], 0, true), Some(Change::AlertsSettled("a".into(), vec![2])));
    assert_eq!(types(outgoing.gather(&store, 1).unwrap()), [3]);
    assert_eq!(outgoing.answered(&[], 0, false), None, "refused with all the rest: it waits");
    assert!(outgoing.are_left(&store).unwrap());
}

#[test]
fn where_all_is_damaged_nothing_is_left_and_all_of_it_goes() {
    let (_folder, store) = store(0);
    store.commit_blocking(&[Change::Alert("a".into(), b"{".to_vec())]).unwrap();
    assert!(
        !crate::alert::is_waiting(&store, &Destination::of(&"a".into())).unwrap(),
        "no session is held for it"
    );
    let mut outgoing = outgoing();
    assert!(outgoing.gather(&store, usize::MAX).unwrap().is_empty());
    assert!(!outgoing.are_left(&store).unwrap());
    assert_eq!(outgoing.rest(), Some(Change::AlertsSettled("a".into(), vec![0])));
    assert_eq!(outgoing.rest(), None, "once");
}
