//! What an EXEC's program says goes into leaves: while it runs on file descriptor 3, and its standard output at its
//! end.

use std::time::Instant;

use omadm_agent::lab::Exchange;
use serde_json::{Value, json};

use crate::support::ddf::node;
use crate::support::published::{Published, alerts};
use crate::support::tools::{TOOLS, put_script, put_tools, tool};
use crate::support::{Agent, Bench, LIMIT, Setup, appears};

fn leaf(name: &str, format: &str) -> String {
    node(name, format, "Get Replace", "ZeroOrOne", "")
}

fn job() -> String {
    node("Job", "null", "Exec", "One", "")
}

async fn bench(sync_limit: &str) -> Bench {
    let config = format!("[exec]\nsync-limit = \"{sync_limit}\"\n");
    Bench::with(Setup { config, ..Setup::default() }).await
}

/// What the next session reads of the object.
async fn read(bench: &Bench, agent: &Agent) -> Value {
    let before = bench.packages().len();
    bench.play(json!([[["GET", tool("")]]]));
    bench.notify().await;
    let answered = |exchanges: &[Exchange]| {
        exchanges.len() > before + 1 && exchanges.last().unwrap().reply.ends_session()
    };
    bench.until(agent, "a GET", answered).await;
    let package = bench.packages().into_iter().skip(before).find_map(|package| package.part(1).cloned());
    let document: Value = serde_json::from_slice(&package.unwrap().body).unwrap();
    document["MOData"]["Tools"].clone()
}

#[tokio::test]
async fn what_a_program_reports_is_there_while_it_runs_and_checked_like_a_servers_value() {
    let bench = bench("1ms").await;
    let script = r#"
        report() { echo "$1" >&3; }
        report '{"State": 30}'
        report '{"State": "many"}'
        report '{"Level": 101}'
        report '{"Secret": "x"}'
        report 'no JSON'
        report '{"Box/Note": "half"}'
        read -r code <@folder@/pipe
        report '{"State": 40, "Box/Note": "done", "Level": 7}'
        exit "$code"
    "#;
    put_script(&bench, "job", script);
    let boxed = node("Box", "node", "Get", "ZeroOrOne", &leaf("Note", "chr"));
    let nodes = [job(), leaf("State", "int"), leaf("Level", "int"), leaf("Secret", "chr"), boxed];
    let mapping = r#"
[node.Job]
exec = { run = ["@folder@/job"], output = ["State", "Level", "Box/Note"] }
[node.Level]
max = 100
"#;
    put_tools(&bench, &nodes.concat(), mapping, &json!({"Level": 5, "State": 10}));
    bench.play(json!([[["EXEC", tool("Job")]]]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[202]]);
    agent.logged("about the level", |line| line.contains("above the maximum")).await;
    agent.logged("about what is not listed", |line| line.contains("`output` does not list")).await;
    agent.logged("about what is no JSON", |line| line.contains("it is no JSON object")).await;
    // The last of what was reported at one time counts, were it wrong. It is kept soon, not at once.
    let deadline = Instant::now() + LIMIT;
    let running = loop {
        let running = read(&bench, &agent).await;
        if running["Box"]["Note"] == "half" || Instant::now() > deadline {
            break running;
        }
    };
    assert_eq!((&running["Level"], &running["Box"]["Note"]), (&json!(5), &json!("half")), "{running}");
    bench.release(0).await;
    agent.logged("about its end", |line| line.contains("Job: ended with code 0: 200")).await;
    let ended = json!({"State": 40, "Level": 7, "Box": {"Note": "done"}});
    assert_eq!(read(&bench, &agent).await, ended);
    agent.kill().await;
    let agent = bench.start().await;
    assert_eq!(read(&bench, &agent).await, ended);
    agent.stop().await;
}

#[tokio::test]
async fn a_program_that_reports_without_end_costs_a_commit_a_second_and_ends_well() {
    let bench = bench("30s").await;
    put_script(
        &bench,
        "job",
        "i=0\nwhile [ $i -lt 20000 ]; do echo \"{\\\"State\\\": $i}\"; i=$((i+1)); done >&3\n",
    );
    let mapping = "[node.Job]\nexec = { run = [\"@folder@/job\"], output = [\"State\"] }\n";
    put_tools(&bench, &[job(), leaf("State", "int")].concat(), mapping, &json!({}));
    bench.play(json!([[["EXEC", tool("Job")]]]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200]]);
    agent.logged("about too many", |line| line.contains("there were too many before it")).await;
    assert_eq!(read(&bench, &agent).await, json!({"State": 9999}));
    agent.stop().await;
}

#[tokio::test]
async fn standard_output_is_a_result_by_its_own_pipeline_and_not_in_the_journal() {
    let bench = bench("30s").await;
    put_script(&bench, "job", "echo '{\"rate\": 4000, \"text\": \"a secret\"}'\necho loud >&2\nexit 3\n");
    put_script(&bench, "plain", "printf 'two\\nlines\\n\\n'\n");
    put_script(&bench, "silent", "exit 0\n");
    let exec = |name: &str| node(name, "null", "Exec", "One", "");
    let nodes = [exec("Job"), exec("Plain"), exec("Silent"), leaf("Rate", "float"), leaf("Text", "chr")];
    let mapping = r#"
[node.Job.exec]
run = ["@folder@/job"]
codes = { 3 = 1503 }
result = { leaf = "Rate", select = ".rate", scale = 0.001 }
[node.Plain]
exec = { run = ["@folder@/plain"], result = "Text" }
[node.Silent]
exec = { run = ["@folder@/silent"], result = "Text" }
"#;
    put_tools(&bench, &nodes.concat(), mapping, &json!({}));
    bench.play(json!([[["EXEC", tool("Job")], ["EXEC", tool("Plain")], ["EXEC", tool("Silent")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[1503, 200, 200]], "{}", agent.log());
    assert_eq!(read(&bench, &agent).await, json!({"Rate": 4.0, "Text": "two\nlines"}));
    assert!(agent.log().contains("job: loud") && !agent.log().contains("a secret"), "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn nothing_grows_back_of_what_a_server_deleted_meanwhile() {
    let bench = bench("1ms").await;
    put_script(&bench, "job", "read -r code <@folder@/pipe\necho '{\"State\": 40}' >&3\n");
    let site = node(
        "&lt;s&gt;",
        "node",
        "Get Add Delete Replace",
        "ZeroOrMore",
        &[job(), leaf("State", "int")].concat(),
    );
    let nodes = node("Sites", "node", "Get", "One", &site);
    let mapping = "[node.\"Sites/<s>/Job\"]\nexec = { run = [\"@folder@/job\"], output = [\"State\"] }\n";
    let kept = json!({"Sites": {"north": {"State": 1}, "south": {"State": 2}}});
    put_tools(&bench, &nodes, mapping, &kept);
    bench.play(json!([[["EXEC", tool("Sites/north/Job")]], [["DELETE", tool("Sites/north")]]]));
    let mut agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[202], [200]], "{}", agent.log());
    bench.release(0).await;
    agent.logged("about what is gone", |line| line.contains("what its program said is passed over")).await;
    assert_eq!(read(&bench, &agent).await, json!({"Sites": {"south": {"State": 2}}}));
    agent.stop().await;
}

/// However soon after a program's end the agent dies: what was said is there if it is told that it went well, and it is
/// told in any case.
#[tokio::test]
async fn a_death_between_the_end_and_the_alert_loses_neither() {
    let script = "read -r _ <@folder@/pipe\necho '{\"State\": 90}' >&3\necho 42\necho >@folder@/ended\n";
    let mapping = r#"
[node.Job]
exec = { run = ["@folder@/job"], output = ["State"], result = "Level", alert = { always = true } }
"#;
    let object = Published { moid: TOOLS, root: "Tools" };
    let mut outcomes = Vec::new();
    for pause in [0, 1, 2, 4, 8, 16, 32, 500] {
        let bench = bench("1ms").await;
        put_script(&bench, "job", script);
        put_tools(
            &bench,
            &[job(), leaf("State", "int"), leaf("Level", "int"), leaf("Note", "chr")].concat(),
            mapping,
            &json!({"Note": "n"}),
        );
        bench.play(json!([[["EXEC", tool("Job")]]]));
        let agent = bench.start().await;
        bench.session(&agent, 1).await;
        bench.release(0).await;
        appears(&bench.gateway.path("ended")).await;
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        agent.kill().await;
        let agent = bench.start().await;
        let said = |_: &[Exchange]| !alerts(&bench).is_empty();
        bench.until(&agent, "the alert", said).await;
        let read = object.read(&bench, &agent).await;
        for alert in alerts(&bench) {
            match alert["Data"]["ResultCode"].as_u64() {
                Some(200) => {
                    assert_eq!(read, json!({"State": 90, "Level": 42, "Note": "n"}), "{}", agent.log());
                }
                Some(500) => assert_eq!(read["Level"], Value::Null, "{read}\n{}", agent.log()),
                other => panic!("{other:?}"),
            }
            outcomes.push(alert["Data"]["ResultCode"].clone());
        }
        agent.stop().await;
    }
    assert!(outcomes.contains(&json!(200)), "the last were late enough: {outcomes:?}");
}
