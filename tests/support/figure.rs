//! The management object of TS figure 5, with two instances, and some nodes more.

use omadm_agent::lab::gateway::Gateway;
use serde_json::json;

use super::ddf::node;

/// Its MOID.
pub(crate) const FIGURE: &str = "urn:oma:mo:moid:1.0";

const MAPPING: &str = r#"moid = "urn:oma:mo:moid:1.0"
ddf = "figure.ddf.xml"
ddf-uri = "https://omadm.example/ddf/figure"
root = "moroot"
instances = [{ miid = "left", data = "left.json" }, { miid = "right", data = "right.json" }]
dynamic = true
[node."Jobs/<j>/Run"]
exec = { run = ["@folder@/count", "@folder@/counted"] }
"#;

/// A ClientURI below the MOID.
pub(crate) fn figure(rest: &str) -> String {
    format!("{FIGURE}/{rest}")
}

/// Adds it to a gateway that was not started yet.
pub(crate) fn put_figure(gateway: &Gateway) {
    let leaf = |name: &str| node(name, "chr", "Get Replace", "One", "");
    let data = leaf("Date") + &leaf("Value");
    let job = node("Run", "null", "Exec", "One", "");
    let children = [
        leaf("ID"),
        leaf("Setting"),
        node("Pin", "chr", "Replace", "ZeroOrOne", ""),
        node("Data", "node", "Get", "One", &node("", "node", "Add Delete Get", "ZeroOrMore", &data)),
        node(
            "Jobs",
            "node",
            "Get",
            "One",
            &node("", "node", "Get", "ZeroOrMore", &job).replacen(
                "<NodeName></NodeName>",
                "<NodeName>&lt;j&gt;</NodeName>",
                1,
            ),
        ),
    ];
    let root = node("moroot", "node", "Delete Get", "ZeroOrMore", &children.concat());
    let ddf = format!("<MgmtTree><VerDTD>1.2</VerDTD>{root}</MgmtTree>");
    let left = json!({"ID": "GPS", "Setting": "0xB1", "Pin": "1234", "Jobs": {"only": {}},
        "Data": {"1": {"Date": "12.1", "Value": "a"}, "2": {"Date": "12.2", "Value": "b"}}});
    let right = json!({"ID": "Temperature", "Setting": "0xB2", "Jobs": {"one": {}, "two": {}},
        "Data": {"1": {"Date": "12.1", "Value": "c"}, "2": {"Date": "12.3", "Value": "d"}}});
    for (file, content) in [
        ("figure.ddf.xml", ddf),
        ("figure.toml", MAPPING.to_owned()),
        ("left.json", left.to_string()),
        ("right.json", right.to_string()),
    ] {
        gateway.put_mo("figure", file, &content).unwrap();
    }
}
