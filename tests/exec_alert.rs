//! The alert that tells how an EXEC ended, as the mapping describes it.

use omadm_agent::lab::gateway::Account;
use omadm_agent::package::Profile;
use serde_json::{Value, json};

use crate::support::ddf::node;
use crate::support::tools::{TOOLS, put_script, put_tools, tool};
use crate::support::{Agent, Bench, Setup};

const MAPPING: &str = r#"
[node."Jobs/<j>"]
input = ["./ID"]
[node."Jobs/<j>".exec]
run = ["@folder@/job"]
codes = { 10 = 1010 }
[node."Jobs/<j>".exec.alert]
type = "org.example.job"
source = "object"
target = "urn:bench:mo:tools:1.0/1/Jobs"
data = "<ResultCode>{}</ResultCode><Identifier>{j} {./ID} {{}}</Identifier>"
codes = { 0 = 1200, 10 = 1402 }
otherwise = 1409
mark = { ok = "harmless", failed = "critical" }
always = true

[node.Plain]
exec = { run = ["@folder@/job"], alert = { data = "dm1x" } }

[node.Sync]
exec = { run = ["@folder@/job"], codes = { 10 = 1010 }, alert = { codes = { 10 = 402 } } }
"#;

async fn bench() -> Bench {
    let bench = Bench::new().await;
    put_script(&bench, "job", "exit \"$(cat @folder@/code)\"\n");
    let id = node("ID", "chr", "Get Replace", "One", "");
    let job = node("&lt;j&gt;", "node", "Get Add Exec", "ZeroOrMore", &id);
    let exec = |name: &str| node(name, "null", "Exec", "One", "");
    let nodes = [node("Jobs", "node", "Get", "One", &job), exec("Plain"), exec("Sync")].concat();
    put_tools(&bench, &nodes, MAPPING, &json!({"Jobs": {"first": {"ID": "<7>"}}}));
    bench
}

fn exits_with(bench: &Bench, code: u8) {
    let code = format!("{code}\n");
    omadm_agent::lab::files::put(&bench.gateway.path("code"), code, omadm_agent::lab::files::PLAIN).unwrap();
}

async fn next_alert(bench: &Bench, agent: &Agent, before: usize) -> Value {
    let told = |bench: &Bench| {
        let packages = bench.packages().into_iter().skip(before);
        packages.filter_map(|package| package.json["Alert"]["Items"][0].as_object().cloned()).next()
    };
    bench.until(agent, "an alert", |_| told(bench).is_some()).await;
    Value::Object(told(bench).unwrap())
}

#[tokio::test]
async fn it_is_what_the_mapping_says_and_told_by_the_alert_only() {
    let bench = bench().await;
    let agent = bench.start().await;
    for (exit, number, mark) in [(0, 1200, "harmless"), (10, 1402, "critical"), (11, 1409, "critical")] {
        exits_with(&bench, exit);
        let before = bench.packages().len();
        bench.play(json!([[["EXEC", tool("Jobs/first")]]]));
        bench.notify().await;
        let alert = next_alert(&bench, &agent, before).await;
        let text = format!("<ResultCode>{number}</ResultCode><Identifier>first &lt;7&gt; {{}}</Identifier>");
        let expected = json!({
            "AlertType": "org.example.job",
            "MIMEType": "text/xml",
            "SourceURI": format!("{TOOLS}/1/"),
            "Mark": mark,
            "Data": {"DM1x": text},
        });
        assert_eq!(alert, expected);
        bench.until(&agent, "its end", |all| all.last().unwrap().reply.ends_session()).await;
    }
    assert!(bench.statuses().concat().iter().all(|status| *status == 202), "{:?}", bench.statuses());
    agent.stop().await;
}

#[tokio::test]
async fn its_codes_never_become_the_status() {
    let bench = bench().await;
    exits_with(&bench, 10);
    bench.play(json!([[["EXEC", tool("Sync")], ["EXEC", tool("Plain")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[1010, 500]], "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn what_was_cut_off_is_told_as_the_mapping_says() {
    let bench = bench().await;
    put_script(&bench, "job", "echo >@folder@/begun\nread -r forever <@folder@/pipe\n");
    bench.play(json!([[["EXEC", tool("Jobs/first")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    crate::support::appears(&bench.gateway.path("begun")).await;
    agent.kill().await;
    let agent = bench.start().await;
    let alert = next_alert(&bench, &agent, 0).await;
    let text = "<ResultCode>1409</ResultCode><Identifier>first &lt;7&gt; {}</Identifier>";
    assert_eq!((&alert["Data"], &alert["Mark"]), (&json!({"DM1x": text}), &json!("critical")));
    agent.stop().await;
}

/// What an EXEC's end was told as so far, to a server of the approved profile.
fn approved_alerts(bench: &Bench) -> Vec<Value> {
    approved(bench, "urn:x-omadm:at:exec:1.0:OperationComplete")
}

async fn approved_bench() -> Bench {
    let account = |account: &mut Account, _: &_| account.profile = Profile::Approved;
    Bench::with(Setup { account: Box::new(account), ..Setup::default() }).await
}

/// The alerts of this type that a server of the approved profile was told.
fn approved(bench: &Bench, alert_type: &str) -> Vec<Value> {
    let packages = bench.packages().into_iter();
    let alerts = packages.filter_map(|package| package.json["Alert"].as_array().cloned()).flatten();
    alerts.filter(|alert| alert["AlertType"] == alert_type).collect()
}

#[tokio::test]
async fn in_the_approved_profile_it_has_the_executed_node_what_it_brought_about_and_a_data_type() {
    let bench = approved_bench().await;
    put_script(&bench, "job", "exit 10\n");
    let mapping = |name: &str, data: &str| {
        format!(
            "[node.{name}.exec]\nrun = [\"@folder@/job\"]\n[node.{name}.exec.alert]\ntype = \"org.example.{name}\"\n\
             target = \"{TOOLS}/1/Made\"\ndata = '{data}'\ncodes = {{ 10 = 1402 }}\nalways = true\n"
        )
    };
    let mapping = [mapping("Number", "dm1x"), mapping("Document", "<ResultCode>{}</ResultCode>")].concat();
    let exec = |name: &str| node(name, "null", "Exec", "One", "");
    put_tools(&bench, &[exec("Number"), exec("Document")].concat(), &mapping, &json!({}));
    bench.play(json!([[["EXEC", tool("Number")], ["EXEC", tool("Document")]]]));
    let agent = bench.start().await;
    bench.notify().await;
    for (name, data_type, data) in
        [("Number", "int", json!(1402)), ("Document", "text/xml", json!("<ResultCode>1402</ResultCode>"))]
    {
        let alert_type = format!("org.example.{name}");
        bench.until(&agent, "an alert", |_| !approved(&bench, &alert_type).is_empty()).await;
        let expected = json!({
            "AlertType": alert_type,
            "SourceURI": format!("{TOOLS}/1/{name}"),
            "TargetURI": format!("{TOOLS}/1/Made"),
            "DataType": data_type,
            "Data": {"DM1x": data},
        });
        assert_eq!(approved(&bench, &alert_type), [expected]);
    }
    agent.stop().await;
}

#[tokio::test]
async fn its_target_has_the_names_as_servers_write_them() {
    let bench = approved_bench().await;
    let mapping = r#"
[node."Jobs/<j>"]
list = { run = ["@folder@/jobs"] }
[node."Jobs/<j>".exec]
run = ["@folder@/job", "{j}"]
[node."Jobs/<j>".exec.alert]
target = "urn:bench:mo:tools:1.0/1/Jobs/{j}/Of{{1}}"
always = true
"#;
    put_script(&bench, "jobs", "echo a:b\n");
    put_script(&bench, "job", "test \"$1\" = a:b\n");
    let job = node("&lt;j&gt;", "node", "Get Exec", "ZeroOrMore", "");
    put_tools(&bench, &node("Jobs", "node", "Get", "One", &job), mapping, &json!({}));
    bench.play(json!([[["EXEC", tool("Jobs/a%3Ab")]]]));
    let agent = bench.start().await;
    bench.notify().await;
    bench.until(&agent, "an alert", |_| !approved_alerts(&bench).is_empty()).await;
    let alert = &approved_alerts(&bench)[0];
    assert_eq!(alert["TargetURI"], "urn:bench:mo:tools:1.0/1/Jobs/a%3Ab/Of{1}", "{alert}");
    assert_eq!(alert["Data"], json!({"ResultCode": 200}));
    agent.stop().await;
}

#[tokio::test]
async fn its_target_is_what_the_program_has_made_where_it_has_made_it() {
    let bench = approved_bench().await;
    let mapping = r#"
[node.Make.exec]
run = ["@folder@/make"]
output = ["Made"]
[node.Make.exec.alert]
target = "urn:bench:mo:tools:1.0/1/Jobs/{../Made}"
data = "dm1x"
always = true
"#;
    // The leaf still has the name of the first one when the second one fails.
    put_script(&bench, "make", "mkdir @folder@/made 2>/dev/null || exit 1\necho '{\"Made\": \"a:b\"}' >&3\n");
    let nodes = node("Made", "chr", "Get", "ZeroOrOne", "") + &node("Make", "null", "Exec", "One", "");
    put_tools(&bench, &nodes, mapping, &json!({}));
    let agent = bench.start().await;
    for count in 1..=2 {
        bench.play(json!([[["EXEC", tool("Make")]]]));
        bench.notify().await;
        bench.until(&agent, "an alert", |_| approved_alerts(&bench).len() == count).await;
    }
    let alert = |code: u16, target: serde_json::Value| {
        let mut alert = json!({
            "AlertType": "urn:x-omadm:at:exec:1.0:OperationComplete",
            "SourceURI": "urn:bench:mo:tools:1.0/1/Make",
            "DataType": "int",
            "Data": {"DM1x": code},
        });
        if !target.is_null() {
            alert["TargetURI"] = target;
        }
        alert
    };
    let expected = [alert(200, json!("urn:bench:mo:tools:1.0/1/Jobs/a%3Ab")), alert(500, json!(null))];
    assert_eq!(approved_alerts(&bench), expected, "{}", agent.log());
    agent.stop().await;
}
