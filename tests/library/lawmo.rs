//! `mo/lawmo`, with programs of an integrator's.

use serde_json::{Value, json};

use super::*;
use crate::support::published::{at, told};
use crate::support::tools::{put_script, written};

const LAWMO: Published = Published { moid: "urn:oma:mo:oma-lawmo:1.0", root: "LAWMO" };

fn exec(operation: &str) -> Value {
    json!(["EXEC", LAWMO.node(&format!("Operations/{operation}"))])
}

fn alert(operation: &str, code: u16) -> Value {
    json!({
        "AlertType": "urn:oma:at:lawmo:1.0:OperationComplete",
        "SourceURI": format!("{}/1/Operations/{operation}", LAWMO.moid),
        "MIMEType": "text/plain",
        "Mark": "warning",
        "Data": {"DM1x": code},
    })
}

#[tokio::test]
async fn what_an_integrator_has_a_program_for_is_done_and_all_else_fails() {
    let bench = bench("lawmo", "", &[]).await;
    for (name, text) in [
        ("lock", "echo lock >>@folder@/calls\n"),
        ("unlock", "echo unlock >>@folder@/calls\n"),
        ("wipe/sd", "# name: Memory card\necho wipe sd >>@folder@/calls\n"),
        ("wipe/logs", "echo wipe logs >>@folder@/calls\n"),
        ("wipe/mail", "exit 1\n"),
        ("keep", "/etc/acme/identity\nrelative\n"),
    ] {
        put_script(&bench, &format!("sysroot/etc/omadm/lawmo.d/{name}"), text);
    }
    let agent = bench.start().await;
    let item = |name: &str, wiped: bool| json!({"ListItemName": name, "ToBeWiped": wiped});
    let read = LAWMO.read(&bench, &agent).await;
    let list =
        json!({"sd": item("Memory card", false), "logs": item("logs", false), "mail": item("mail", false)});
    assert_eq!((&read["State"], &read["AvailableWipeList"]), (&json!(30), &list), "{}", agent.log());

    let mark = |name: &str| LAWMO.hget(&bench, &format!("AvailableWipeList/{name}/ToBeWiped"), &json!(true));
    let steps: [(Vec<Value>, &str, u16, i64); 7] = [
        (vec![], "FullyLock", 1200, 10),
        (vec![], "PartiallyLock", 1403, 10),
        (vec![], "UnLock", 1200, 30),
        (vec![], "Wipe", 1406, 30),
        (vec![mark("sd")], "Wipe", 1201, 30),
        (vec![mark("mail")], "Wipe", 1405, 30),
        (vec![], "FactoryReset", 1400, 30),
    ];
    for (number, (mut commands, operation, code, state)) in steps.into_iter().enumerate() {
        commands.push(exec(operation));
        LAWMO.session(&bench, &agent, &commands).await;
        assert_eq!(told(&bench, &agent, number + 1).await, alert(operation, code), "{}", agent.log());
        assert_eq!(LAWMO.read(&bench, &agent).await["State"], state, "{operation}");
    }
    assert_eq!(written(&bench, "calls"), "lock\nunlock\nwipe sd\nwipe sd\n");
    agent.stop().await;
}

#[tokio::test]
async fn a_factory_reset_is_told_what_to_keep_and_its_end_comes_after_it() {
    let bench = bench("lawmo", "", &[]).await;
    let reset = format!(
        "{}echo \"${{OMADM_RESUMED:-0}} $*\" >>@folder@/calls\n[ \"${{OMADM_RESUMED:-}}\" ] || step resetting\n",
        crate::support::published::STEPS
    );
    put_script(&bench, "sysroot/etc/omadm/lawmo.d/factory-reset", &reset);
    put(&bench, "etc/omadm/lawmo.d/keep", "/etc/acme/identity\nrelative\n");
    let agent = bench.start().await;
    LAWMO.session(&bench, &agent, &[exec("FactoryReset")]).await;
    at(&bench, "resetting").await;
    agent.kill().await;
    let agent = bench.start().await;
    assert_eq!(told(&bench, &agent, 1).await, alert("FactoryReset", 1200), "{}", agent.log());
    let calls = written(&bench, "calls");
    let [first, second] = calls.lines().collect::<Vec<_>>()[..] else { panic!("{calls}") };
    assert!(
        first.starts_with("0 /etc/omadm /var/lib/omadm ") && first.ends_with(" /etc/acme/identity"),
        "{calls}"
    );
    assert!(second.starts_with("1 /etc/omadm "), "{calls}");
    agent.stop().await;
}
