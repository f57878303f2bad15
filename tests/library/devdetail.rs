//! `mo/devdetail`.

use serde_json::json;

use super::*;

const DETAIL: Published = Published { moid: "urn:oma:mo:oma-dm-devdetail:1.0", root: "DevDetail" };

#[tokio::test]
async fn versions_are_those_of_the_image_and_the_board() {
    let files = [
        ("etc/os-release", "ID=acme\nVERSION_ID=12\nIMAGE_VERSION=3.1\n"),
        ("sys/class/dmi/id/board_vendor", "Acme\n"),
        ("sys/class/dmi/id/product_version", "To be filled by O.E.M.\n"),
        ("sys/class/dmi/id/board_version", "B2\n"),
    ];
    let bench = bench("devdetail", "", &files).await;
    let agent = bench.start().await;
    let expected = json!({
        "DevTyp": "gateway", "OEM": "Acme", "FwV": "3.1", "SwV": "12", "HwV": "B2", "LrgObj": false,
        "URI": {"MaxDepth": "0", "MaxTotLen": "0", "MaxSegLen": "255"},
    });
    assert_eq!(DETAIL.read(&bench, &agent).await, expected, "{}", agent.log());
    agent.stop().await;
}
