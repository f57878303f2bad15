use std::io;

use redb::ReadableTable;

use super::*;
use crate::mo::Value;

fn leaf(text: &str) -> Stored {
    Stored::Leaf(Value::Text(text.to_owned()))
}

fn key(names: &[&str]) -> NodeKey {
    NodeKey::node(&"urn:m".into(), "1", names.iter().copied())
}

fn edit(store: &Store, edit: impl Fn(&WriteTransaction)) {
    let whole = |database: &redb::Database| {
        let transaction = database.begin_write().unwrap();
        edit(&transaction);
        transaction.commit().map_err(db)
    };
    store.file.with(Pace::Patient, whole).unwrap();
}

/// What counts in the quota.
fn used(store: &Store) -> u64 {
    let read = |database: &redb::Database| {
        let meta = database.begin_read().unwrap().open_table(META).unwrap();
        Ok(counter(&meta, "used").unwrap().unwrap_or_default())
    };
    store.file.with(Pace::Patient, read).unwrap()
}

#[test]
fn every_kind_of_value_comes_back() {
    for value in [
        Value::Null,
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::Float(-0.5),
        Value::Text("ä\n".into()),
        Value::Bytes(vec![0, 255]),
    ] {
        let stored = Stored::Leaf(value);
        assert_eq!(Stored::decode(&stored.encode()), Some(stored));
    }
    assert_eq!(Stored::decode(&Stored::Interior.encode()), Some(Stored::Interior));
    assert_eq!(Stored::decode(b""), None);
    assert_eq!(Stored::decode(b"i123"), None);
}

#[test]
fn children_are_listed_once_and_siblings_with_a_common_prefix_stay_apart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    let put = |names: &[&str]| Change::Put(key(names), leaf("x"));
    store
        .commit_blocking(&[
            put(&["a", "b", "c"]),
            put(&["a", "b", "d"]),
            put(&["ab"]),
            put(&["a", "z"]),
            put(&["a!"]),
        ])
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.children(&key(&[])).unwrap(), ["a", "a!", "ab"]);
    assert_eq!(snapshot.children(&key(&["a"])).unwrap(), ["b", "z"]);
    assert!(snapshot.exists(&key(&["a", "b"])).unwrap());
    assert!(!snapshot.exists(&key(&["a", "c"])).unwrap());

    store.commit_blocking(&[Change::Remove(key(&["a"]))]).unwrap();
    assert_eq!(store.snapshot().unwrap().children(&key(&[])).unwrap(), ["a!", "ab"]);
    assert_eq!(snapshot.children(&key(&["a"])).unwrap(), ["b", "z"], "a snapshot does not move");
}

#[test]
fn children_with_much_below_them_are_jumped_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    let names: Vec<String> = (0..200).map(|number| format!("n{number:03}")).collect();
    let below =
        |child: &'static str| names.iter().map(move |name| Change::Put(key(&[child, name]), leaf("x")));
    let changes: Vec<Change> =
        below("a").chain(below("b")).chain([Change::Put(key(&["c"]), leaf("x"))]).collect();
    store.commit_blocking(&changes).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.children(&key(&[])).unwrap(), ["a", "b", "c"]);
    assert_eq!(snapshot.children(&key(&["b"])).unwrap(), names);
}

#[test]
fn another_instance_with_a_longer_name_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    let (one, eleven) = (NodeKey::instance(&"urn:m".into(), "1"), NodeKey::instance(&"urn:m".into(), "11"));
    for instance in [&one, &eleven] {
        let creator = "serverid:a".to_owned();
        store
            .commit_blocking(&[
                Change::AddInstance { instance: instance.clone(), creator },
                Change::Put(instance.child("x"), leaf("v")),
            ])
            .unwrap();
    }
    store.commit_blocking(&[Change::RemoveInstance(one)]).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.instances(&"urn:m".into()).unwrap(), [("11".to_owned(), "serverid:a".to_owned())]);
    assert_eq!(snapshot.node(&eleven.child("x")).unwrap(), Some(leaf("v")));
}

#[test]
fn an_alert_goes_when_it_is_settled_and_its_number_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    let alert = |queue: &str, text: &str| Change::Alert(queue.to_owned(), text.as_bytes().to_vec());
    let waiting = |queue: &str| {
        let mut found = Vec::new();
        let each = |number, json: &[u8]| {
            found.push((number, String::from_utf8(json.to_vec()).unwrap()));
            true
        };
        store.snapshot().unwrap().alerts(queue, each).unwrap();
        found
    };
    store.commit_blocking(&[alert("a", "1"), alert("a", "2"), alert("ab", "x")]).unwrap();
    assert_eq!(waiting("a"), [(0, "1".to_owned()), (1, "2".to_owned())]);
    store.commit_blocking(&[Change::AlertsSettled("a".into(), vec![0, 1]), alert("a", "3")]).unwrap();
    assert_eq!(waiting("a"), [(3, "3".to_owned())], "what is settled late is no other alert");
    store.commit_blocking(&[Change::AlertsForgotten("a".into())]).unwrap();
    assert_eq!((waiting("a").len(), waiting("ab").len()), (0, 1));
}

#[test]
fn notifications_are_kept_and_forgotten_by_id() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    let seen = |id, time| Change::Notification { server_id: "a".into(), id, time };
    store.commit_blocking(&[seen(7, 100), seen(0x0700, 200)]).unwrap();
    store.commit_blocking(&[Change::ForgetNotification("a".into(), 7)]).unwrap();
    assert_eq!(
        store.snapshot().unwrap().notifications().unwrap(),
        [SeenNotification { server_id: "a".into(), id: 0x0700, time: 200 }]
    );
}

#[test]
fn a_second_opener_is_refused_and_the_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Store::open(folder.path()).unwrap();
    assert!(matches!(Store::open(folder.path()), Err(StoreError::InUse(_))));
    assert!(opened.set_aside.is_none());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test has a thread that waits")]
fn who_is_about_to_let_go_of_the_file_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path()).unwrap());
    let file = std::fs::File::open(folder.path().join("store.redb")).unwrap();
    file.lock().unwrap();
    let leaving = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        drop(file);
    });
    Store::open(folder.path()).unwrap();
    leaving.join().unwrap();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test makes a damaged file")]
fn a_damaged_or_newer_file_makes_way() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("store.redb"), b"not a database, and long enough to be looked at")
        .unwrap();
    let opened = Store::open(folder.path()).unwrap();
    let aside = opened.set_aside.unwrap();
    assert_eq!(aside.file, folder.path().join("store.redb.bad-1"), "{aside:?}");
    drop(opened.store);

    let opened = Store::open(folder.path()).unwrap();
    assert!(opened.set_aside.is_none());
    edit(&opened.store, |transaction| {
        set_counter(&mut transaction.open_table(META).unwrap(), "schema", schema::CURRENT + 1).unwrap();
    });
    drop(opened.store);
    let opened = Store::open(folder.path()).unwrap();
    assert_eq!(opened.set_aside.unwrap().file, folder.path().join("store.redb.bad-2"));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test makes what a power cut leaves")]
fn a_file_that_was_being_made_when_the_power_went_is_no_damaged_store() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("store.redb.new"), [0; 4096]).unwrap();
    let opened = Store::open(folder.path()).unwrap();
    assert!(opened.set_aside.is_none());
    opened.store.commit_blocking(&[Change::Put(key(&["a"]), leaf("x"))]).unwrap();
    drop(opened);
    let store = Store::open(folder.path()).unwrap().store;
    assert_eq!(store.snapshot().unwrap().node(&key(&["a"])).unwrap(), Some(leaf("x")));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let _opened = Store::open(folder.path()).unwrap();
    let mode = std::fs::metadata(folder.path().join("store.redb")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_is_there_already_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    let instance = NodeKey::instance(&"urn:m".into(), "1");
    let add = |creator: &str| Change::AddInstance { instance: instance.clone(), creator: creator.into() };
    store.commit_blocking(&[add("serverid:a"), Change::Pin(key(&["id"]), leaf("first"))]).unwrap();
    store.commit_blocking(&[Change::Pin(key(&["id"]), leaf("second"))]).unwrap();
    let refused = store.commit_blocking(&[Change::Put(key(&["x"]), leaf("b's")), add("serverid:b")]);
    assert!(matches!(refused, Err(StoreError::Taken)));
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.instances(&"urn:m".into()).unwrap(), [("1".to_owned(), "serverid:a".to_owned())]);
    assert_eq!(snapshot.node(&key(&["x"])).unwrap(), None, "nothing of the transaction remains");
    assert_eq!(snapshot.pin(&key(&["id"])).unwrap(), Some(leaf("first")));
}

#[test]
fn pins_go_with_what_they_are_in() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    store.commit_blocking(&[Change::Pin(key(&["a", "id"]), leaf("x"))]).unwrap();
    store.commit_blocking(&[Change::Remove(key(&["a"]))]).unwrap();
    assert_eq!(store.snapshot().unwrap().pin(&key(&["a", "id"])).unwrap(), None);
}

#[test]
fn a_full_disk_is_no_reason_to_forget_everything() {
    let failed = |kind: std::io::ErrorKind| StoreError::Database(redb::Error::Io(kind.into()));
    assert!(failed(std::io::ErrorKind::StorageFull).may_pass());
    assert!(failed(std::io::ErrorKind::ReadOnlyFilesystem).may_pass());
    assert!(!failed(std::io::ErrorKind::InvalidData).may_pass());
    assert!(!StoreError::Damaged("nodes").may_pass());
}

#[test]
fn the_quota_counts_what_is_there_and_refuses_growth_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    let put = |name: &str, length: usize| Change::Put(key(&[name]), leaf(&"x".repeat(length)));
    store.commit_blocking(&[put("a", 1000), put("b", 1000)]).unwrap();
    let two = used(&store);
    assert!((2000..2100).contains(&two), "{two}");
    store.commit_blocking(&[put("a", 1000)]).unwrap();
    assert_eq!(used(&store), two, "what is replaced does not count twice");
    store.set_quota(two + 10);
    store.commit_blocking(&[put("a", 1010)]).unwrap();
    let refused = store.commit_blocking(&[put("c", 1), put("a", 1011)]).unwrap_err();
    assert!(refused.is_full(), "{refused}");
    assert_eq!(store.snapshot().unwrap().node(&key(&["c"])).unwrap(), None, "nothing of it was stored");
    store.set_quota(10);
    store.commit_blocking(&[put("a", 900)]).unwrap();
    store.commit_blocking(&[Change::Clock(1)]).expect("what is not a server's does not count");
    store.commit_blocking(&[Change::Remove(key(&["a"])), Change::Remove(key(&["b"]))]).unwrap();
    assert_eq!(used(&store), 0);
}

#[tokio::test]
async fn a_rehearsal_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    let instance = NodeKey::instance(&"urn:m".into(), "7");
    let add = Change::AddInstance { instance: instance.clone(), creator: "serverid:a".into() };
    store.rehearse(vec![add.clone(), Change::Put(instance.child("x"), leaf("v"))]).await.unwrap();
    assert_eq!(store.snapshot().unwrap().instances(&"urn:m".into()).unwrap(), []);
    assert_eq!((used(&store), store.snapshot().unwrap().last_miid(&"urn:m".into()).unwrap()), (0, None));
    store.commit(vec![add.clone()]).await.unwrap();
    assert!(matches!(store.rehearse(vec![add]).await, Err(StoreError::Taken)));
}

#[test]
fn a_number_that_was_assigned_is_remembered_after_its_instance() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    for miid in ["3", "2", "left"] {
        let instance = NodeKey::instance(&"urn:m".into(), miid);
        let creator = "serverid:a".to_owned();
        store.commit_blocking(&[Change::AddInstance { instance: instance.clone(), creator }]).unwrap();
        store.commit_blocking(&[Change::RemoveInstance(instance)]).unwrap();
    }
    assert_eq!(store.snapshot().unwrap().last_miid(&"urn:m".into()).unwrap(), Some(3));
    assert_eq!(store.snapshot().unwrap().last_miid(&"urn:m2".into()).unwrap(), None);
}

#[test]
fn after_a_failed_write_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    store.commit_blocking(&[Change::Put(key(&["a"]), leaf("kept"))]).unwrap();
    let before = store.snapshot().unwrap();
    for error in [redb::Error::PreviousIo, redb::Error::Io(io::ErrorKind::StorageFull.into())] {
        let error = std::cell::RefCell::new(Some(error));
        let failed = store
            .file
            .with(Pace::Patient, |_| Err::<(), _>(StoreError::Database(error.borrow_mut().take().unwrap())));
        assert!(failed.is_err());
    }
    assert_eq!(store.snapshot().unwrap().node(&key(&["a"])).unwrap(), Some(leaf("kept")));
    store.commit_blocking(&[Change::Clock(7)]).unwrap();
    assert_eq!(store.snapshot().unwrap().clock().unwrap(), Some(7));
    drop(before);
}

/// What the quota should count.
fn recounted(store: &Store) -> u64 {
    let read = |database: &redb::Database| {
        let transaction = database.begin_read().unwrap();
        let of = |table: tables::Bytes| {
            let table = transaction.open_table(table).unwrap();
            let sizes = table.iter().unwrap().map(|entry| {
                let (key, value): (redb::AccessGuard<'_, &[u8]>, redb::AccessGuard<'_, &[u8]>) =
                    entry.unwrap();
                (key.value().len() + value.value().len()) as u64
            });
            sizes.sum::<u64>()
        };
        Ok(of(tables::NODES) + of(tables::INSTANCES))
    };
    store.file.with(Pace::Patient, read).unwrap()
}

mod quota {
    use proptest::prelude::*;

    use super::*;

    fn change() -> impl Strategy<Value = Change> {
        let node = (0..3_u8, 0..3_u8, "[a-c]{1,2}", prop::bool::ANY);
        let node = node.prop_map(|(object, instance, name, deep)| {
            let moid = ["urn:m", "urn:mm", "urn:oma:mo:oma-dm-dmdac:1.0"][usize::from(object)];
            let key = NodeKey::instance(&moid.into(), &instance.to_string()).child(&name);
            if deep { key.child("serverid:a") } else { key }
        });
        let instance = (0..3_u8).prop_map(|miid| NodeKey::instance(&"urn:m".into(), &miid.to_string()));
        prop_oneof![
            4 => (node.clone(), ".{0,40}").prop_map(|(key, text)| Change::Put(key, leaf(&text))),
            1 => node.prop_map(Change::Remove),
            3 => (instance.clone(), "[ab]")
                .prop_map(|(instance, who)| Change::AddInstance { instance, creator: format!("serverid:{who}") }),
            1 => instance.prop_map(Change::RemoveInstance),
            1 => "[ab]".prop_map(|who| Change::Account(AccountChange::Withdrawn(who.into()))),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_it_counts_is_what_is_there(commits in prop::collection::vec(prop::collection::vec(change(), 1..8), 1..8)) {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path()).unwrap().store;
            for changes in commits {
                let _ = store.commit_blocking(&changes);
                prop_assert_eq!(used(&store), recounted(&store), "{:?}", changes);
            }
        }
    }

    #[test]
    fn instances_without_nodes_count_and_what_is_withdrawn_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        store.set_quota(1000);
        let add = |number: u32| Change::AddInstance {
            instance: NodeKey::instance(&"urn:m".into(), &number.to_string()),
            creator: "serverid:a".into(),
        };
        let made = (0..1000).take_while(|number| store.commit_blocking(&[add(*number)]).is_ok()).count();
        assert!((20..100).contains(&made), "{made}");
        let granted = NodeKey::node(&"urn:oma:mo:oma-dm-dmdac:1.0".into(), "m", ["1", "serverid:a"]);
        store.set_quota(u64::MAX);
        store.commit_blocking(&[Change::Put(granted, leaf("1 16 x"))]).unwrap();
        store.commit_blocking(&[Change::Account(AccountChange::Withdrawn("a".into()))]).unwrap();
        assert_eq!(used(&store), recounted(&store));
    }
}

#[test]
fn a_record_that_is_not_in_its_form_is_passed_over_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    store
        .commit_blocking(&[
            Change::Alert("a".into(), b"{}".to_vec()),
            Change::AddInstance {
                instance: NodeKey::instance(&"urn:m".into(), "1"),
                creator: "serverid:a".into(),
            },
            Change::Notification { server_id: "a".into(), id: 1, time: 1 },
        ])
        .unwrap();
    edit(&store, |transaction| {
        for table in tables::ALL
            .into_iter()
            .filter(|table| !["meta", "nodes"].contains(&redb::TableHandle::name(table)))
        {
            let mut table = transaction.open_table(table).unwrap();
            for key in [b"".as_slice(), b"a", b"a\0", b"a\0\xff", b"urn:m\0\xff", b"zz\xff\0name"] {
                if table.get(key).unwrap().is_none() {
                    table.insert(key, b"\xff\xfe".as_slice()).unwrap();
                }
            }
        }
    });
    let at = store.snapshot().unwrap();
    assert_eq!(at.instances(&"urn:m".into()).unwrap(), [("1".to_owned(), "serverid:a".to_owned())]);
    assert_eq!(at.notifications().unwrap(), [SeenNotification { server_id: "a".into(), id: 1, time: 1 }]);
    assert_eq!(at.alert_queues().unwrap(), ["a"]);
    let mut alerts = 0;
    at.alerts("a", |_, _| {
        alerts += 1;
        true
    })
    .unwrap();
    assert_eq!(alerts, 1);
    assert_eq!(
        (at.cache_key().unwrap(), at.contact(&"a".into()).unwrap(), at.default_uri(&"a".into()).unwrap()),
        (None, None, None)
    );
    assert!(at.push().unwrap().is_empty() && at.subscriptions().unwrap().is_empty());
    assert!(at.overrides(&"a".into()).unwrap().is_empty() && at.mos_sent(&"a".into()).unwrap().is_empty());
    assert!(at.alarms().unwrap().is_empty());
    at.triggers().unwrap();
    // Eight bytes are a number, whatever else they look like.
    let numbers: Vec<u64> =
        at.execs().unwrap().into_iter().chain(at.intents().unwrap()).map(|(at, _)| at).collect();
    assert_eq!(numbers, [u64::from_be_bytes(*b"zz\xff\0name"); 2]);
    assert_eq!(at.brought().unwrap().len(), 3, "their records are read elsewhere");
    store.commit_blocking(&[Change::CacheKey([7; 64])]).unwrap();
    assert_eq!(store.snapshot().unwrap().cache_key().unwrap(), Some([7; 64]), "it is replaced");
}

#[test]
fn a_file_that_is_mostly_air_is_made_smaller_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let length = || std::fs::metadata(folder.path().join("store.redb")).unwrap().len();
    let open = || {
        let opened = Store::open(folder.path()).unwrap();
        assert_eq!(opened.set_aside, None);
        opened.store
    };
    let store = open();
    let names: Vec<String> = (0..2000).map(|number| format!("n{number:04}")).collect();
    let put = |name: &String| Change::Put(key(&["big", name]), leaf(&"x".repeat(4000)));
    store.commit_blocking(&names.iter().map(put).collect::<Vec<_>>()).unwrap();
    store.commit_blocking(&[Change::Put(key(&["small"]), leaf("kept"))]).unwrap();
    drop(store);
    let full = length();
    assert!(full > 16_000_000, "{full}");
    let store = open();
    assert_eq!(length(), full, "what is full stays");
    // All but a few here and there, so that what is left is spread over the file.
    let removed = names.iter().enumerate().filter(|(number, _)| number % 100 != 0);
    store
        .commit_blocking(&removed.map(|(_, name)| Change::Remove(key(&["big", name]))).collect::<Vec<_>>())
        .unwrap();
    drop(store);
    drop(open());
    let small = length();
    assert!(small < full / 4, "{small} of {full}");
    let store = open();
    assert_eq!(store.snapshot().unwrap().children(&key(&["big"])).unwrap().len(), 20);
    assert_eq!(store.snapshot().unwrap().node(&key(&["small"])).unwrap(), Some(leaf("kept")));
    assert_eq!(used(&store), recounted(&store));
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_the_end_of_anothers_change_does_not_stand_still() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    let (first, second) = (Arc::clone(&store), Arc::clone(&store));
    let days = std::time::Duration::from_secs(3 * 24 * 3600);
    let changing = tokio::spawn(async move {
        let _writer = first.writer().await;
        tokio::time::sleep(days).await;
    });
    tokio::task::yield_now().await;
    let begun = tokio::time::Instant::now();
    let waiting = async move { drop(second.writer().await) };
    assert_eq!(crate::base::heartbeat::tests::standstill(waiting).await, None);
    assert!(begun.elapsed() >= days, "it waited");
    changing.await.unwrap();
}

mod damage;
mod fixture;
mod kills;

#[test]
fn what_waits_is_counted_as_it_comes_and_goes_and_anew_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap().store;
    let alert = |queue: &str| Change::Alert(queue.to_owned(), b"{}".to_vec());
    let elsewhere = "a\u{1}https://report.example/";
    store.commit_blocking(&[alert("a"), alert(elsewhere), alert("ab"), alert("a")]).unwrap();
    let waiting = |count| AlertCount { count, bytes: 2 * count };
    assert_eq!(
        (store.waiting(&"a".into()), store.waiting(&"ab".into()), store.waiting(&"b".into())),
        (waiting(3), waiting(1), waiting(0))
    );
    store.set_quota(1);
    let refused = store.commit_blocking(&[alert("a"), Change::Put(key(&["a"]), leaf("too much"))]);
    assert!(matches!(refused, Err(StoreError::Quota(1))), "{refused:?}");
    assert_eq!(store.waiting(&"a".into()), waiting(3));
    // What is not there does not go.
    store.commit_blocking(&[Change::AlertsSettled("a".into(), vec![0, 0, 99])]).unwrap();
    assert_eq!(store.waiting(&"a".into()), waiting(2));
    store
        .file
        .with(Pace::Patient, |_| Err::<(), _>(StoreError::Database(redb::Error::PreviousIo)))
        .unwrap_err();
    store.commit_blocking(&[Change::AlertsForgotten("ab".into())]).unwrap();
    assert_eq!((store.waiting(&"a".into()), store.waiting(&"ab".into())), (waiting(2), waiting(0)));
    store.commit_blocking(&[Change::AlertsForgotten(elsewhere.into())]).unwrap();
    drop(store);
    let store = Store::open(folder.path()).unwrap().store;
    assert_eq!(store.waiting(&"a".into()), waiting(1));
    store.commit_blocking(&[Change::Account(AccountChange::Withdrawn("a".into()))]).unwrap();
    assert_eq!(store.waiting(&"a".into()), waiting(0));
}
