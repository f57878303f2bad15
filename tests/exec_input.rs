//! What an EXEC's program is given of other leaves: below its node, beside it, above it, and of every un-named node.

use serde_json::{Value, json};

use crate::support::ddf::node;
use crate::support::tools::{put_script, put_tools, tool, written};
use crate::support::{Bench, Setup};

fn leaf(name: &str, format: &str) -> String {
    node(name, format, "Get Replace", "ZeroOrOne", "")
}

fn interior(name: &str, children: &[String]) -> String {
    node(name, "node", "Get", "One", &children.concat())
}

#[tokio::test]
async fn an_interior_node_is_executed_with_what_is_below_beside_and_above_it_and_nothing_else() {
    let bench =
        Bench::with(Setup { config: "[exec]\nsync-limit = \"30s\"\n".into(), ..Setup::default() }).await;
    put_script(&bench, "wipe", "printf '%s|' \"$@\" >@folder@/arguments\ncat >@folder@/stdin\n");
    let zone = node(
        "&lt;z&gt;",
        "node",
        "Get Add Delete Replace",
        "ZeroOrMore",
        &[leaf("ToBeWiped", "bool"), leaf("Label", "chr")].concat(),
    );
    let wipe =
        node("Wipe", "node", "Get Exec", "One", &[leaf("Depth", "int"), leaf("Secret", "chr")].concat());
    let nodes = [
        interior("Zones", &[zone]),
        leaf("Mode", "chr"),
        interior("Operations", &[wipe, leaf("Count", "int"), interior("More", &[leaf("Url", "chr")])]),
    ];
    put_tools(
        &bench,
        &nodes.concat(),
        r#"
[node."Operations/Wipe"]
input = ["Wipe/Depth", { leaf = "Count", default = 4 }]
[node."Operations/Wipe".exec]
run = ["@folder@/wipe", "{./Depth}", "{../Count}", "{../../Mode}", "{../More/Url}"]
input = ["../Mode", "../Zones/*/ToBeWiped", "More/Url"]
"#,
        &json!({
            "Zones": {"sd": {"ToBeWiped": true, "Label": "x"}, "a:b": {"ToBeWiped": false}, "none": {"Label": "y"}},
            "Mode": "full",
            "Operations": {"Wipe": {"Depth": 3, "Secret": "s"}, "More": {"Url": "https://x.example/"}},
        }),
    );
    bench.play(json!([[["EXEC", tool("Operations/Wipe")]]]));
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[200]], "{}", agent.log());
    assert_eq!(written(&bench, "arguments"), "3|4|full|https://x.example/|");
    let input: Value = serde_json::from_str(&written(&bench, "stdin")).unwrap();
    let expected = json!({
        "Wipe/Depth": 3,
        "Count": 4,
        "../Mode": "full",
        "../Zones/*/ToBeWiped": {"sd": true, "a:b": false},
        "More/Url": "https://x.example/",
    });
    assert_eq!(input, expected);
    agent.stop().await;
}
