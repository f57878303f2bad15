//! How the tree shows itself: serialisations, MOS, and what the agent answers by itself.

use serde_json::json;

use super::*;
use crate::backend::{Answer, Builtins as _};
use crate::bearer::ConnectionType;
use crate::config::Push;
use crate::tree::builtins::BuiltinValues;

fn text(shown: Shown) -> String {
    match shown {
        Shown::Document(json) => String::from_utf8(json).unwrap(),
        other => panic!("no document: {other:?}"),
    }
}

#[tokio::test]
async fn a_serialisation_says_what_it_is_of() {
    let bench = Bench::new();
    bench.write("Items", json!({"a": {"Value": "1"}})).await.unwrap();
    let head = |uri: &str, name: &str| {
        format!(
            r#"{{"DDF":"https://t.example/box.ddf","MOID":"{BOX}","MIID":"1","ClientURI":"{uri}","MOData":{{"{name}":{{"#
        )
    };
    let asked = format!("{BOX}//Items");
    let items = text(bench.get(&format!("{asked}?lv=2")).await.unwrap());
    assert_eq!(items, format!(r#"{}"a":{{"Value":"1"}}}}}}}}"#, head(&asked, "Items")));
    let root = format!("{BOX}/1/");
    let whole = text(bench.get(&root).await.unwrap());
    assert!(whole.starts_with(&head(&root, "Box")), "{whole}");
    let leaf = bench.resolve("Fixed", Rights::READ).await.unwrap();
    let leaf = bench.tree.document(&leaf, None, &bench.principal()).await.unwrap();
    let leaf: Json = serde_json::from_slice(&leaf).unwrap();
    assert_eq!(
        (&leaf["MOID"], &leaf["MIID"], &leaf["MOData"]),
        (&json!(BOX), &json!("1"), &json!({"Fixed": "fixed"}))
    );
}

async fn created(bench: &Bench, document: Json) -> String {
    let document = Document::parse(document.to_string().as_bytes()).unwrap().remove(0);
    let object = bench.tree.object_named(&CRATE.into()).unwrap();
    bench.tree.create(object, document, &bench.principal()).await.unwrap().client_uri()
}

#[tokio::test]
async fn a_document_may_name_its_miids() {
    let bench = Bench::new();
    let document = json!({"DDF": "x", "MOID": CRATE, "MIIDS": ["7", "8"], "MOData": {"Text": "x"}});
    assert_eq!(
        created(&bench, document).await,
        format!("{CRATE}/1/"),
        "the MIID is the agent's all the same"
    );
    assert_eq!(bench.read(&format!("{CRATE}/1/Text")).await.unwrap(), "x");
}

#[tokio::test]
async fn a_document_may_be_an_array_of_one() {
    let bench = Bench::new();
    let member = json!({"ClientURI": format!("{CRATE}//"), "MOData": {"Crate": {"Text": "x"}}});
    created(&bench, json!([member])).await;
    assert_eq!(bench.read(&format!("{CRATE}//Text")).await.unwrap(), "x");
    assert_eq!(Document::parse(json!([member, member]).to_string().as_bytes()).unwrap().len(), 2);
    Document::parse(b"[]").unwrap_err();
    assert_eq!(Document::parse(b"\xef\xbb\xbf{\"MOData\":1}").unwrap().len(), 1);
    for twice in ["MOData", "MOID", "ClientURI"] {
        let error =
            Document::parse(format!("{{\"MOData\":1,\"{twice}\":\"a\",\"{twice}\":\"b\"}}").as_bytes());
        assert!(error.unwrap_err().to_string().contains("is there twice"), "{twice}");
    }
}

#[tokio::test]
async fn a_wrapper_is_told_from_a_child_of_the_same_name() {
    let bench = Bench::new();
    let data_of = async |path: &str, data: Json| {
        let node = bench.resolve(path, Rights::WRITE).await.unwrap();
        let body = json!({ "MOData": data }).to_string();
        Json::from(Document::parse(body.as_bytes()).unwrap().remove(0).data_of(&node))
    };
    let inner = json!({"Inner": "i"});
    assert_eq!(data_of("Group", json!({"Group": inner})).await, inner);
    assert_eq!(data_of("Group", inner.clone()).await, inner);
    assert_eq!(
        data_of("Group", json!({"Group": inner, "Other": 1})).await,
        json!({"Group": inner, "Other": 1})
    );
    // The DDF has a child Same below Same: it is the child that is meant.
    assert_eq!(data_of("Same", json!({"Same": "x"})).await, json!({"Same": "x"}));
    assert_eq!(data_of("Name", json!({"Name": "n"})).await, "n", "a leaf is wrapped as well");
}

fn miids(bench: &Bench, principal: &Principal<'_>, moid: &str) -> Vec<String> {
    let supported = bench.tree.supported(principal).unwrap();
    supported.into_iter().find(|mo| mo.moid == moid).unwrap().miids
}

#[tokio::test]
async fn a_server_is_told_of_the_instances_it_has_a_right_on() {
    let bench = Bench::new();
    created(&bench, json!({"MOData": {"Text": "of acme"}})).await;
    let acme = bench.principal();
    assert_eq!(
        (miids(&bench, &acme, CRATE), miids(&bench, &acme, DMACC)),
        (vec!["1".into()], vec!["acme".into()])
    );
    for rights in [2, 4] {
        let account = Arc::new(account("other", rights));
        let other = Principal { account: &account, session: SessionFacts::default() };
        assert_eq!(miids(&bench, &other, BOX), ["1"], "any right will do");
    }
    let account = Arc::new(account("other", 1));
    let other = Principal { account: &account, session: SessionFacts::default() };
    assert_eq!(miids(&bench, &other, BOX), ["1"]);
    assert_eq!((miids(&bench, &other, CRATE), miids(&bench, &other, DMACC)), (vec![], vec!["other".into()]));
    let all = bench.tree.everything(&other).await.unwrap().join(&b'\n');
    let all = String::from_utf8(all).unwrap();
    assert!(all.contains(BOX) && !all.contains("of acme") && !all.contains("The acme server"), "{all}");
}

#[tokio::test]
async fn an_asterisk_lists_every_object() {
    let bench = Bench::new();
    assert_eq!(bench.account.permissions[0].moid, "*");
    let told: Vec<String> =
        bench.tree.supported(&bench.principal()).unwrap().into_iter().map(|mo| mo.moid.into()).collect();
    let all: Vec<String> = bench.tree.objects().iter().map(|object| object.moid.to_string()).collect();
    assert_eq!(told, all);
}

#[tokio::test]
async fn the_push_nodes_say_what_the_account_says() {
    let push = Push {
        sender_id: "42".into(),
        register_uri: "https://p.example/r".into(),
        unregister_uri: "https://p.example/u".into(),
        params: None,
    };
    let bench = Bench::waiting("0s", Account { push: Some(push.clone()), ..account("acme", 7) });
    let leaf = |name: &str| format!("{DMACC}//Push/GCM/{name}");
    for (name, value) in
        [("SenderID", "42"), ("RegURL", "https://p.example/r"), ("UnRegURL", "https://p.example/u")]
    {
        assert_eq!(bench.read(&leaf(name)).await.unwrap(), value);
    }
    assert_eq!(bench.get(&leaf("RegParams")).await.unwrap(), Shown::Empty, "it is always there");
    let push = Push { params: Some("k=v".into()), ..push };
    let bench = Bench::waiting("0s", Account { push: Some(push), ..account("acme", 7) });
    assert_eq!(bench.read(&leaf("RegParams")).await.unwrap(), "k=v");
    assert_eq!(code(Bench::new().get(&leaf("SenderID")).await), 404, "an account without push has none");
}

#[test]
fn what_the_session_knows_is_what_its_object_shows() {
    use ConnectionType::{Mobile, Wireless, Wireline};
    let bench = Bench::new();
    let node = bench.tree.own(&BOX.into()).unwrap();
    let shown = |name: &str, bearer, roaming| {
        let view = BuiltinValues {
            session: SessionFacts { bearer, roaming, ..SessionFacts::default() },
            account: None,
            store: &bench.tree.store,
            node: &node,
        };
        match view.get(name) {
            Answer::Value(text) => text,
            other => panic!("{name}: {other:?}"),
        }
    };
    let bearers = [None, Some(Mobile), Some(Wireless), Some(Wireline)];
    assert_eq!(bearers.map(|bearer| shown("session-bearer", bearer, None)), ["0", "1", "2", "3"]);
    let roaming = [Some(false), Some(true), None];
    assert_eq!(roaming.map(|roaming| shown("session-roaming", Some(Mobile), roaming)), ["0", "1", "2"]);
}
