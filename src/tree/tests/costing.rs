//! What commands cost, in records of the store that are read: no more than twice as many for twice as much.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::tree::state::reads;

const DMDAC: &str = "urn:oma:mo:oma-dm-dmdac:1.0";

/// How much `work` reads with few and with twice as many.
async fn with_more(work: impl AsyncFn(usize) -> usize) -> (usize, usize) {
    (work(150).await, work(300).await)
}

/// Twice as much takes no more than twice as many reads, and some that do not grow.
fn is_linear((few, many): (usize, usize)) -> bool {
    many <= 2 * few + 50
}

/// What `work` reads.
async fn of<T>(work: impl Future<Output = T>) -> (T, usize) {
    let before = reads::so_far();
    let done = work.await;
    (done, reads::so_far() - before)
}

fn new_crate() -> Document {
    let data = json!({"Text": "t"});
    Document { moid: Some(CRATE.into()), client_uri: None, data: data.into(), is_bare: false }
}

fn at(client_uri: String, data: Json) -> Document {
    Document { moid: None, client_uri: Some(client_uri), data: data.into(), is_bare: false }
}

async fn with_crates(count: usize) -> Bench {
    let bench = Bench::waiting("0s", account("acme", 15));
    bench.tree.store(vec![new_crate(); count], None, &bench.principal()).await.unwrap();
    bench
}

async fn with_items(count: usize) -> Bench {
    let bench = Bench::new();
    let items: serde_json::Map<_, _> =
        (0..count).map(|number| (format!("n{number}"), json!({"Value": "v"}))).collect();
    bench.write("Items", Json::Object(items)).await.unwrap();
    bench
}

#[tokio::test]
async fn one_instance_among_many_is_looked_up() {
    let get = async |count| {
        let bench = with_crates(count).await;
        let uri = format!("{CRATE}/{count}/Text");
        let (value, reads) = of(bench.read(&uri)).await;
        assert_eq!(value.unwrap(), "t");
        let (written, more) = of(bench.write(&uri, json!("new"))).await;
        written.unwrap();
        reads + more
    };
    let (few, many) = with_more(get).await;
    assert_eq!(few, many, "however many there are");
    assert!(many < 30, "{many}");
}

#[tokio::test]
async fn new_instances_cost_each_as_much_as_the_first() {
    let create = async |count| {
        let bench = Bench::new();
        let (stored, reads) = of(bench.tree.store(vec![new_crate(); count], None, &bench.principal())).await;
        let stored = stored.unwrap();
        assert_eq!(stored[count - 1].client_uri(), format!("{CRATE}/{count}/"));
        let (again, more) = of(bench.tree.store(vec![new_crate(); count], None, &bench.principal())).await;
        assert_eq!(again.unwrap()[0].client_uri(), format!("{CRATE}/{}/", count + 1));
        reads + more
    };
    let found = with_more(create).await;
    assert!(is_linear(found), "{found:?}");
}

#[tokio::test]
async fn one_sibling_among_many_is_looked_up() {
    let write = async |count| {
        let bench = with_items(count).await;
        let (written, reads) = of(bench.write("Items/n7/Note", json!("new"))).await;
        written.unwrap();
        let (added, more) = of(bench.write("Items/other", json!({"Value": "v"}))).await;
        added.unwrap();
        let (deleted, still_more) = of(bench.delete("Items/n7")).await;
        deleted.unwrap();
        reads + more + still_more
    };
    let (few, many) = with_more(write).await;
    assert_eq!(few, many, "however many there are");
}

#[tokio::test]
async fn what_is_done_to_many_siblings_grows_with_their_number() {
    let all = async |count| {
        let (bench, reads) = of(with_items(count)).await;
        let documents = (0..count)
            .map(|number| at(format!("{BOX}/1/Items/n{number}"), json!({"Value": "w", "Note": "n"})));
        let (stored, more) = of(bench.tree.store(documents.collect(), None, &bench.principal())).await;
        assert_eq!(stored.unwrap().len(), count);
        let uri = ClientUri::parse(&format!("{BOX}/1/Items/*")).unwrap();
        let delete = async {
            let found = bench.tree.resolve_all(&uri, &bench.principal(), Rights::WRITE).await.unwrap();
            let Resolved::Many(nodes) = found else { panic!("a wildcard") };
            let nodes = bench.tree.existing(nodes, &bench.principal()).await.unwrap();
            bench.tree.delete(&nodes, &bench.principal()).await.unwrap();
        };
        let ((), still_more) = of(delete).await;
        assert_eq!(bench.get("Items").await.unwrap(), Shown::Empty);
        reads + more + still_more
    };
    let found = with_more(all).await;
    assert!(is_linear(found), "{found:?}");
}

#[tokio::test]
async fn one_entry_among_many_is_looked_up() {
    let get = async |count| {
        let bench = with_crates(count).await;
        let crates = format!("{DMDAC}/urn_t_mo_crate_1.0");
        let (own, reads) = of(bench.read(&format!("{crates}/{count}.serverid_acme/AccessRights"))).await;
        assert_eq!(own.unwrap(), "15");
        let entry = json!({"MIID": "1", "MAID": "serverid:other", "AccessRights": 1});
        bench.write(&format!("{crates}/x"), entry).await.unwrap();
        let (chosen, more) = of(bench.read(&format!("{crates}/x/MIID"))).await;
        assert_eq!(chosen.unwrap(), "1");
        let (none, still_more) = of(bench.read(&format!("{crates}/y"))).await;
        assert_eq!(code(none), 404);
        reads + more + still_more
    };
    let (few, many) = with_more(get).await;
    assert_eq!(few, many, "however many there are");
    assert!(many < 60, "{many}");
}

/// Nor is it to be told by the time that a command takes how many there are.
#[tokio::test]
async fn what_is_hidden_is_not_read() {
    let hidden = async |count| {
        let bench = with_crates(count).await;
        let account = Arc::new(Account { permissions: Vec::new(), ..account("other", 0) });
        let principal = Principal { account: &account, session: SessionFacts::default() };
        let mut all = 0;
        for uri in [format!("{DMDAC}/urn_t_mo_crate_1.0/MOID"), format!("{CRATE}/1/"), format!("{CRATE}//")] {
            let uri = ClientUri::parse(&uri).unwrap();
            let (found, reads) = of(bench.tree.resolve_all(&uri, &principal, Rights::READ)).await;
            assert_eq!(code(found), 404, "{uri}");
            all += reads;
        }
        all
    };
    assert_eq!(with_more(hidden).await, (0, 0));
}

#[tokio::test]
async fn what_is_done_to_many_entries_grows_with_their_number() {
    let delete = async |count| {
        let bench = with_crates(count).await;
        let crates = format!("{DMDAC}/urn_t_mo_crate_1.0");
        let entry = json!({"MIID": "1", "MAID": "serverid:other", "AccessRights": 1});
        bench.write(&format!("{crates}/x"), entry).await.unwrap();
        let uri = ClientUri::parse(&format!("{crates}/*/AccessRights")).unwrap();
        let (found, reads) = of(bench.tree.resolve_all(&uri, &bench.principal(), Rights::READ)).await;
        let Resolved::Many(nodes) = found.unwrap() else { panic!("a wildcard") };
        assert_eq!(nodes.len(), count + 1);
        let nodes: Vec<_> = nodes.iter().map(|node| node.parent().unwrap()).collect();
        let (deleted, more) = of(bench.tree.delete(&nodes, &bench.principal())).await;
        assert_eq!(code(deleted), 403, "nobody would be left who may delegate");
        reads + more
    };
    let found = with_more(delete).await;
    assert!(is_linear(found), "{found:?}");
}

/// What takes no reads takes time. A quadratic step over so many would take minutes here.
#[tokio::test]
async fn the_largest_document_is_a_matter_of_seconds() {
    const MANY: usize = 16_000;
    let start = Instant::now();
    let bench = with_items(MANY).await;
    let items: serde_json::Map<_, _> = (MANY / 2..MANY + MANY / 2)
        .map(|number| (format!("n{number}"), json!({"Value": "w", "Note": null})))
        .collect();
    bench.write("Items", Json::Object(items)).await.unwrap();
    let taken = start.elapsed();
    assert!(taken < Duration::from_secs(60), "{taken:?}");
}
